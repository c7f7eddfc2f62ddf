"""What measurements share: processor time, peak memory and a process of one's own."""

import resource
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median
from time import process_time
from typing import Any

# Linux counts in kilobytes, macOS in bytes.
MEGABYTE = 1_000_000 if sys.platform == "darwin" else 1_000


def alone(work: Callable[..., Any], *arguments: Any) -> Any:
    """Run a function in a fresh process, so that its memory is its own."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
        return process.submit(work, *arguments).result()


def peak_megabytes() -> float:
    """Give the most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / MEGABYTE


def alternately(rounds: int, **works: Callable[[], Any]) -> dict[str, float]:
    """Give the median processor seconds of each work, done in turns A B A B."""
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            begun = process_time()
            work()
            seconds[name].append(process_time() - begun)
    return {name: median(each) for name, each in seconds.items()}
