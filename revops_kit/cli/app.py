"""The commands' common ground: the app, and the options that several commands have."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(
    help="Revenue operations in notebooks: KPIs across marketing, sales and service.",
    epilog="Begin with `revops demo`. Errors go to stderr with the cure; --debug shows where.",
    add_completion=False,
    pretty_exceptions_enable=False,
    # Help drawn by rich takes three times as long to come.
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


class Format(StrEnum):
    """How a command prints."""

    table = "table"
    json = "json"
    csv = "csv"


WorkspaceOption = Annotated[
    Path, typer.Option("-w", "--workspace", help="The revops.toml, or the folder it is in.")
]
AsOf = Annotated[
    str, typer.Option(help="The last day that is known, as 2026-10-31. [default: the data's last]")
]
Jobs = Annotated[
    int | None,
    typer.Option(help="Notebooks at a time. [default: two more than there are cores]", min=1),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Change a setting; repeatable."),
]
By = Annotated[str, typer.Option(help="A column to split by, such as region or source.")]
PeriodOption = Annotated[
    str,
    typer.Option(
        help="2026, 2026-Q3, 2026-09, 2026-W36, all, or last-week, last-month, last-quarter, "
        "last-year. [default: the last whole month]"
    ),
]


@app.callback()
def options(
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an error.")] = False,
) -> None:
    """Keep what holds for all commands; `main` looks for --debug itself."""
