"""All notebooks on the sample company into HTML, on two cores, and what it takes without the kit.

    one by one   a `papermill` and a `jupyter nbconvert --to html` process for each notebook
    in a loop    one process that runs Papermill and nbconvert on one notebook after the other
    kit          `revops report`, before, between and after the others: the median of the three

Run it with `python -m benchmarks.reports`. Wall clock and processor time of whole processes, with
all that they start; the sample company is in the cache, and so is Python's byte code, as it is
wherever a program is started for the second time.
"""

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import nbformat

CORES = 2
SAMPLE = Path(__file__).resolve().parents[1]
NOTEBOOKS = sorted((SAMPLE / "notebooks").glob("*.ipynb"))
PERIOD = "2026-09"
LOOP = """
import sys
import papermill
from nbconvert import HTMLExporter

folder, period, *notebooks = sys.argv[1:]
for path in notebooks:
    name = path.rpartition("/")[2]
    papermill.execute_notebook(
        path, f"{folder}/{name}", {"workspace": "revops.toml", "period": period},
        kernel_name="python3", progress_bar=False,
    )
    page, _ = HTMLExporter().from_filename(f"{folder}/{name}")
    with open(f"{folder}/{name}.html", "w", encoding="utf-8") as file:
        file.write(page)
"""


def main() -> None:
    """Measure, compare what was shown, and print."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        # Without these each process would compile all that it imports.
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = str(folder / "byte code")
        ways = {"one by one": one_by_one, "in a loop": in_a_loop}
        for name in [*ways, "kit"]:
            (folder / name).mkdir()
        kit(folder / "kit", NOTEBOOKS)
        one_by_one(folder / "one by one", NOTEBOOKS[:1])
        seconds, ours = {}, [measure(kit, folder / "kit")]
        for name, way in ways.items():
            seconds[name] = measure(way, folder / name)
            ours.append(measure(kit, folder / "kit"))
        same = shown(folder / "kit" / PERIOD) == shown(folder / "in a loop")
    usual = [statistics.median(each) for each in zip(*ours, strict=True)]
    for name, theirs in seconds.items():
        wall, processor = (mine / other for mine, other in zip(usual, theirs, strict=True))
        print(f"{name}: {theirs[0]:.1f} s, {theirs[1]:.1f} s of processor", end="; ")
        print(f"kit / this {wall:.2f} by the clock, {processor:.2f} of processor")
    for wall, processor in ours:
        print(f"kit: {wall:.1f} s, {processor:.1f} s of processor")
    print(f"Outputs {'are the same' if same else 'DIFFER'}, cell by cell.")


def measure(way: Callable[[Path, list[Path]], None], folder: Path) -> tuple[float, float]:
    """Give the wall clock and the processor time that a way takes for all notebooks."""
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    way(folder, NOTEBOOKS)
    wall, after = time.perf_counter() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def one_by_one(folder: Path, notebooks: list[Path]) -> None:
    """Start two processes for each notebook."""
    for path in notebooks:
        given = ("-p", "workspace", "revops.toml", "-p", "period", PERIOD)
        start("-m", "papermill", str(path), str(folder / path.name), *given, "--no-progress-bar")
        start("-m", "nbconvert", "--to", "html", str(folder / path.name))


def in_a_loop(folder: Path, notebooks: list[Path]) -> None:
    """Start one process for all notebooks."""
    start("-c", LOOP, str(folder), PERIOD, *map(str, notebooks))


def kit(folder: Path, notebooks: list[Path]) -> None:
    """Start the kit."""
    names = [path.stem for path in notebooks]
    start("-m", "revops_kit.cli", "report", *names, "--period", PERIOD, "--into", str(folder))


def start(*arguments: str) -> None:
    """Run Python in the sample's folder."""
    done = subprocess.run([sys.executable, *arguments], cwd=SAMPLE, capture_output=True)
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments[:3])} failed: {done.stderr.decode()[-500:]}")


def shown(folder: Path) -> dict[str, list[str]]:
    """Give what the cells of each notebook have put out, pictures included, but for warnings."""
    return {
        path.stem: [
            str([each for each in cell.outputs if each.get("name") != "stderr"])
            for cell in nbformat.read(path, as_version=4).cells
            if cell.cell_type == "code" and "injected-parameters" not in cell.metadata.tags
        ]
        for path in sorted(folder.glob("*.ipynb"))
    }


if __name__ == "__main__":
    main()
