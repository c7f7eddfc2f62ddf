"""How long commands take, start to end, against importing what they stand on.

Run it with `python -m benchmarks.start`. Processor time of whole processes; the sample company
is in the cache.
"""

import resource
import subprocess
import sys
from pathlib import Path
from statistics import median

ROUNDS = 9
SAMPLE = Path(__file__).resolve().parents[1]
REVOPS = ("-m", "revops_kit.cli")
COMMANDS = {
    "import typer": ("-c", "import typer"),
    "revops --help": (*REVOPS, "--help"),
    "import ibis, pandas, duckdb": ("-c", "import ibis, pandas, duckdb"),
    "revops kpi win_rate": (*REVOPS, "kpi", "win_rate", "--period", "2026-09"),
    "revops check": (*REVOPS, "check"),
}
AGAINST = {
    "revops --help": "import typer",
    "revops kpi win_rate": "import ibis, pandas, duckdb",
    "revops check": "import ibis, pandas, duckdb",
}


def main() -> None:
    """Measure, and print."""
    seconds = measure(ROUNDS)
    for name, base in AGAINST.items():
        ratio = seconds[name] / seconds[base]
        print(f"{name}: {seconds[name]:.2f} s, {base}: {seconds[base]:.2f} s, ratio {ratio:.2f}")


def measure(rounds: int) -> dict[str, float]:
    """Give the median processor seconds of each command, run in turns."""
    for arguments in COMMANDS.values():  # fills the cache, and Python's own
        processor_seconds(arguments)
    seconds: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(rounds):
        for name, arguments in COMMANDS.items():
            seconds[name].append(processor_seconds(arguments))
    return {name: median(each) for name, each in seconds.items()}


def processor_seconds(arguments: tuple[str, ...]) -> float:
    """Run Python, and give the processor time it took."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    # The sample has rows that break its contract, and `revops check` says so: it exits with 1.
    done = subprocess.run([sys.executable, *arguments], cwd=SAMPLE, capture_output=True)
    if b"Traceback" in done.stderr or b"revops:" in done.stderr:
        raise RuntimeError(f"{' '.join(arguments)} failed: {done.stderr.decode()[-500:]}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


if __name__ == "__main__":
    main()
