"""What a command prints: tables, and how far it has come."""

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from revops_kit.units import number

if TYPE_CHECKING:
    from revops_kit.kpi import Result

# A name from the data may move the cursor, colour the terminal or turn the line around.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def console() -> Any:
    """Give where tables are printed."""
    from rich.console import Console

    # A pipe has no width of its own; 80 would fold what people grep for.
    return Console(width=None if sys.stdout.isatty() else 140, highlight=False)


def printable(value: object) -> str:
    """Write a value of the data so that a terminal shows it and does nothing else."""
    from rich.markup import escape

    return escape(UNPRINTABLE.sub(" ", str(value)))


def print_result(result: "Result") -> None:
    """Print a figure, its interval, and what to know about it."""
    from rich import box
    from rich.table import Table

    unit, currency = result.kpi.unit, result.currency
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("period")
    if result.by:
        table.add_column(printable(result.by))
    for heading in ("value", "95 % interval", "n"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for row in result.frame.to_dict("records"):
        said = row["missing_because"] or row["note"] or ("partial" if row["is_partial"] else "")
        low, high = (unit.write(row[end], currency) for end in ("low", "high"))
        table.add_row(
            row["period"],
            *([printable(row[result.by])] if result.by else []),
            unit.write(row["value"], currency),
            f"{low} to {high}" if row["low"] == row["low"] else "",
            number(row["n"]),
            printable(said),
        )
    paper = console()
    paper.print(f"{result.kpi.title} · {result.kpi.question}", markup=False, soft_wrap=True)
    paper.print(table)
    for name, value in result.policy.items():
        paper.print(f"  policy {name} = {value}", markup=False)
    for note in result.notes:
        paper.print(f"  {UNPRINTABLE.sub(' ', note)}", markup=False, soft_wrap=True)
    if result.as_of:
        paper.print(f"  Seen as of {result.as_of}.")


@contextmanager
def progress() -> Iterator[Callable[[Any], None]]:
    """Tell what becomes of each notebook: by a bar on a terminal, a line elsewhere."""
    if not sys.stderr.isatty():

        def line(said: Any) -> None:
            if hasattr(said, "notebook"):
                print(f"{said.notebook}: {said.status} in {said.seconds:.1f} s", file=sys.stderr)

        yield line
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task("notebooks", total=None)

    def step(said: Any) -> None:
        if isinstance(said, int):
            bar.update(task, total=said)
        elif hasattr(said, "notebook"):
            bar.update(task, advance=1, description=said.notebook)

    with bar:
        yield step
