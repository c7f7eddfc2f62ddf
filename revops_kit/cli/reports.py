"""Commands that make reports: demo and report."""

import datetime as dt
import sys
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from revops_kit.cli.app import AsOf, By, Jobs, PeriodOption, SetOption, WorkspaceOption, app
from revops_kit.cli.opening import open_, settings
from revops_kit.cli.shown import UNPRINTABLE, progress

if TYPE_CHECKING:
    from revops_kit.making import Made, Request
    from revops_kit.workspace import Workspace


class ReportFormat(StrEnum):
    """What reports are made as; HTML always is."""

    html = "html"
    pdf = "pdf"


@app.command()
def demo(
    into: Annotated[Path, typer.Option(help="Folder the reports go into.")] = Path("reports"),
    jobs: Jobs = None,
) -> None:
    """Run every notebook on the made-up sample company, and write one e-mail.

    The HTML reports and the .eml file need nothing but this package: the data travel with it.

    revops demo --into reports
    """
    from revops_kit.share import sample_workspace

    file = sample_workspace(into)
    with _kernels(file):
        from revops_kit.mailing import write_mail
        from revops_kit.making import Request

        ws = open_(file, "")
        made = _report(ws, Request(), into, jobs)
    # The monthly report is of the same month, so that its notebooks need not run again.
    print(write_mail(ws, "monthly", made, ws.as_of, dt.datetime.now(dt.UTC).astimezone(), into))
    _end(made)


@app.command()
def report(
    names: Annotated[
        list[str] | None,
        typer.Argument(help="Notebooks, or one report of revops.toml. [default: all]"),
    ] = None,
    workspace: WorkspaceOption = Path("revops.toml"),
    period: PeriodOption = "",
    by: By = "",
    as_of: AsOf = "",
    set_: SetOption = None,
    into: Annotated[
        Path | None, typer.Option(help="Folder the reports go into. [default: reports]")
    ] = None,
    jobs: Jobs = None,
    format: Annotated[
        ReportFormat, typer.Option(help="With pdf, each report is printed too, by Chromium.")
    ] = ReportFormat.html,
) -> None:
    """Run notebooks into HTML reports.

    They go to reports/PERIOD/NOTEBOOK.html, with an index.

    A report is replaced only by a whole new one; one notebook's failure leaves the others alone.

    revops report --period 2026-09

    revops report churn revenue --period 2026-Q3 --by region --into reports --format pdf
    """
    with _kernels(workspace):
        from revops_kit.making import Request

        ws = open_(workspace, as_of)
        into = into or ws.file.parent / "reports"
        made = _report(ws, Request(names or [], period, by, settings(set_)), into, jobs, format)
    _end(made)


def _kernels(workspace: Path) -> AbstractContextManager[None]:
    """Begin to warm the notebooks' kernels, which takes longer than all else before they start."""
    from revops_kit.report import warm
    from revops_kit.share import notebooks

    folder = workspace if workspace.is_dir() else workspace.parent
    return warm.warm([*notebooks(folder).values()], folder if folder.is_dir() else Path())


def _report(
    ws: "Workspace",
    request: "Request",
    into: Path,
    jobs: int | None,
    format: ReportFormat = ReportFormat.html,
) -> "Made":
    """Make reports, and say where they are and what failed."""
    from revops_kit.making import make
    from revops_kit.report import printing

    if format is ReportFormat.pdf:
        printing.chromium()  # for minutes may go by before it is needed
    with progress() as step:
        made = make(
            ws,
            request,
            into,
            made_at=dt.datetime.now(dt.UTC).astimezone(),
            jobs=jobs,
            progress=step,
        )
    for reason in dict.fromkeys(made.unsplit.values()):
        whose = ", ".join(name for name, its in made.unsplit.items() if its == reason)
        print(f"revops: {reason}, so these are not split: {whose}. See --by.", file=sys.stderr)
    for each in made.failed:
        said = f"revops: {each.notebook} failed: {each.error}"
        print(UNPRINTABLE.sub(" ", said), file=sys.stderr)
    if format is ReportFormat.pdf:
        printing.print_reports(
            [each.html for each in made.outcomes if each.html], ws.currency, jobs
        )
    print(made.folder / "index.html")
    return made


def _end(made: "Made") -> None:
    if made.failed:
        raise typer.Exit(1)
