"""The command line: the only place that reads the clock and the arguments.

Everything heavy is imported inside the commands, so that `revops --help` starts in a blink.
"""

import datetime as dt
import json
import os
import re
import sys
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from revops_kit.errors import RequestError, RevopsError, UnknownNameError

if TYPE_CHECKING:
    from revops_kit.kpi import Result
    from revops_kit.workspace import Workspace

INTERRUPTED = 130
# A name from the data may move the cursor, colour the terminal or turn the line around.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# What drivers call a connection that broke (PEP 249), and Spark its own.
LOST = {"OperationalError", "InterfaceError", "Py4JNetworkError"}

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


class CheckFormat(StrEnum):
    """How `check` prints."""

    table = "table"
    json = "json"


class ReportFormat(StrEnum):
    """What reports are made as; HTML always is."""

    html = "html"
    pdf = "pdf"


WorkspaceOption = Annotated[
    Path, typer.Option("-w", "--workspace", help="The revops.toml, or the folder it is in.")
]
AsOf = Annotated[
    str, typer.Option(help="The last day that is known, as 2026-10-31. [default: the data's last]")
]
Jobs = Annotated[
    int | None, typer.Option(help="Notebooks at a time. [default: one for each core]", min=1)
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


@app.command()
def demo(
    into: Annotated[Path, typer.Option(help="Folder the reports go into.")] = Path("reports"),
    jobs: Jobs = None,
) -> None:
    """Run every notebook on the made-up sample company.

    The HTML reports need nothing but this package: the data travel with it.

    revops demo --into reports
    """
    from revops_kit.share import sample_workspace

    ws = _open(sample_workspace(into), "")
    _report(ws, [], "", "", {}, into, jobs)


@app.command()
def check(
    workspace: WorkspaceOption = Path("revops.toml"),
    format: Annotated[CheckFormat, typer.Option(help="How to print.")] = CheckFormat.table,
) -> None:
    """Check contracts, rejected rows, and keys that lead nowhere.

    Exit code 1 when a table cannot be read, or rows break its contract.

    revops check --workspace acme/revops.toml

    revops check --format json
    """
    from revops_kit import checking

    ws = _open(workspace, "")
    findings = checking.check(ws, dt.date.today())
    if format is CheckFormat.json:
        print(json.dumps(findings.as_json(), indent=2, ensure_ascii=False))
    else:
        checking.show(findings, _console())
    if findings.is_broken:
        raise typer.Exit(1)


@app.command(name="list")
def list_(workspace: WorkspaceOption = Path("revops.toml")) -> None:
    """List KPIs and notebooks, what each needs and whether it is here.

    revops list --workspace acme/revops.toml
    """
    from rich import box
    from rich.table import Table

    from revops_kit import kpis
    from revops_kit.share import notebooks

    ws = _open(workspace, "")
    table = Table(box=box.SIMPLE_HEAD, title=f"KPIs · {ws.company.name}", title_justify="left")
    for heading in ("KPI", "question", "needs", "here"):
        table.add_column(heading)
    for kpi in kpis.ALL:
        needs = [f"{name}: {', '.join(columns)}" for name, columns in kpi.needs.items()]
        needs += [" or ".join(kpi.either)] if kpi.either else []
        try:
            missing = kpi.unavailable(ws.tables)
        except RevopsError as error:
            missing = str(error)
        here = "yes" if not missing else missing.removeprefix("not available: ")
        table.add_row(kpi.name, kpi.question, "\n".join(needs), here)
    _console().print(table)
    table = Table(box=box.SIMPLE_HEAD, title="Notebooks", title_justify="left")
    for heading in ("notebook", "parameters"):
        table.add_column(heading)
    from revops_kit.report import parameters_of

    for path in notebooks(ws.file.parent).values():
        table.add_row(path.stem, ", ".join(parameters_of(path)))
    _console().print(table)


@app.command()
def kpi(
    name: Annotated[str, typer.Argument(help="A KPI; `revops list` names them.")],
    workspace: WorkspaceOption = Path("revops.toml"),
    period: PeriodOption = "",
    last: Annotated[int, typer.Option(help="So many periods, ending with PERIOD.", min=1)] = 1,
    by: By = "",
    as_of: AsOf = "",
    set_: SetOption = None,
    format: Annotated[Format, typer.Option(help="How to print.")] = Format.table,
) -> None:
    """Print one KPI.

    revops kpi win_rate --period 2026-Q3 --by region

    revops kpi churn --last 12 --set churn=stripe --format json
    """
    from revops_kit import kpis, periods

    measure = kpis.named(name)
    ws = _open(workspace, as_of)
    # Without a day in the data there is no last month; whoever asks hears of the whole.
    period = period or ("last-month" if ws.as_of else "all")
    period = periods.resolve(period, ws.as_of, ws.calendar)
    result = measure.over(ws, periods.last(last, period), by, **_settings(set_))
    if format is Format.json:
        print(json.dumps(result.as_json(), indent=2, ensure_ascii=False))
    elif format is Format.csv:
        print(result.as_csv(), end="")
    else:
        _print_result(result)


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
    ws = _open(workspace, as_of)
    into = into or ws.file.parent / "reports"
    _report(ws, names or [], period, by, _settings(set_), into, jobs, format)


@app.command()
def snapshot(workspace: WorkspaceOption = Path("revops.toml")) -> None:
    """Keep today's open deals and submitted forecasts.

    A CRM overwrites what deals were expected to bring: kept every day or week, forecast accuracy
    can be measured later. A second run replaces the day's first.

    revops snapshot --workspace acme/revops.toml
    """
    from revops_kit import snapshots

    ws = _open(workspace, "")
    print(snapshots.keep(ws.tables, ws.file.parent, dt.date.today()))


def main() -> None:
    """Run a command; an error is one sentence on stderr."""
    # SciPy's L-BFGS-B wakes a thread per core for systems of four equations, and waits for them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    is_debugging = "--debug" in sys.argv
    words = [word for word in sys.argv[1:] if word != "--debug"]
    try:
        code = app(args=words or ["--help"], prog_name="revops", standalone_mode=False)
        # Now, for at the interpreter's end nobody tells that the reader of a pipe has gone.
        sys.stdout.flush()
    except Exception as error:
        code = _explain(error, is_debugging)
    if code == INTERRUPTED:
        print("revops: stopped.", file=sys.stderr)
    sys.exit(code)


def _explain(error: Exception, is_debugging: bool) -> int:
    """Say what went wrong, and give the exit code for it."""
    if isinstance(error, typer.Abort):
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        # Whoever read our output has had enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if is_debugging:
        raise error
    if isinstance(error, RevopsError):
        print(f"revops: {UNPRINTABLE.sub(' ', str(error))}", file=sys.stderr)
        return error.exit_code
    # A wrong call: which classes say so changes with typer's versions.
    if hasattr(error, "format_message"):
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "revops"
        said = error.format_message().rstrip(".")
        print(f"revops: {said}. `{command} --help` shows how.", file=sys.stderr)
        return error.exit_code
    if LOST & {each.__name__ for each in type(error).__mro__}:
        print(
            f"revops: the database does not answer any more ({type(error).__name__}). "
            "See that it runs, and try again.",
            file=sys.stderr,
        )
        return 1
    # The message may quote data: the kind of error is enough to report it.
    print(
        f"revops: something went wrong that should not have ({type(error).__name__}). "
        f"Run it again with --debug to see where, and tell us.",
        file=sys.stderr,
    )
    return 1


def _open(path: Path, as_of: str) -> "Workspace":
    """Open a workspace; what the data say of days to come is not known yet."""
    from dataclasses import replace

    from revops_kit.workspace import open_workspace

    ws = open_workspace(path, as_of)
    today = dt.date.today()
    if not as_of and ws.as_of and ws.as_of > today:
        return replace(ws, tables=replace(ws.tables, as_of=today))
    return ws


def _usual(ws: "Workspace") -> str:
    """Choose the period when none is named: the last whole month, or all where nothing is dated."""
    return "last-month" if ws.as_of else "all"


def _settings(given: list[str] | None) -> dict[str, Any]:
    """Read NAME=VALUE, with numbers as numbers."""
    settings: dict[str, Any] = {}
    for each in given or []:
        name, equals, value = each.partition("=")
        if not equals or not name:
            raise RequestError(f"--set {each[:40]!r} is not NAME=VALUE, as in churn=stripe.")
        try:
            settings[name.strip()] = json.loads(value)
        except json.JSONDecodeError:
            settings[name.strip()] = value
    return settings


def _console() -> Any:
    from rich.console import Console

    # A pipe has no width of its own; 80 would fold what people grep for.
    return Console(width=None if sys.stdout.isatty() else 140, highlight=False)


def _printable(value: object) -> str:
    from rich.markup import escape

    return escape(UNPRINTABLE.sub(" ", str(value)))


def _print_result(result: "Result") -> None:
    from rich import box
    from rich.table import Table

    unit, currency = result.kpi.unit, result.currency
    table = Table(box=box.SIMPLE_HEAD)
    table.add_column("period")
    if result.by:
        table.add_column(_printable(result.by))
    for heading in ("value", "95 % interval", "n"):
        table.add_column(heading, justify="right")
    table.add_column("")
    for row in result.frame.to_dict("records"):
        said = row["missing_because"] or row["note"] or ("partial" if row["is_partial"] else "")
        low, high = (unit.write(row[end], currency) for end in ("low", "high"))
        table.add_row(
            row["period"],
            *([_printable(row[result.by])] if result.by else []),
            unit.write(row["value"], currency),
            f"{low} to {high}" if row["low"] == row["low"] else "",
            f"{row['n']:,}",
            _printable(said),
        )
    console = _console()
    console.print(f"{result.kpi.title} · {result.kpi.question}", markup=False, soft_wrap=True)
    console.print(table)
    for name, value in result.policy.items():
        console.print(f"  policy {name} = {value}", markup=False)
    for note in result.notes:
        console.print(f"  {UNPRINTABLE.sub(' ', note)}", markup=False, soft_wrap=True)
    if result.as_of:
        console.print(f"  Seen as of {result.as_of}.")


def _report(
    ws: "Workspace",
    names: list[str],
    period: str,
    by: str,
    settings: dict[str, Any],
    into: Path,
    jobs: int | None,
    format: ReportFormat = ReportFormat.html,
) -> None:
    """Run notebooks, or one of the reports that revops.toml names."""
    from revops_kit import periods, report
    from revops_kit.checking import freshness
    from revops_kit.report import printing
    from revops_kit.report.folder import inside
    from revops_kit.share import notebooks

    if format is ReportFormat.pdf:
        printing.chromium()  # for minutes may go by before it is needed
    available = notebooks(ws.file.parent)
    folder = ""
    configured = ws.settings.reports.get(names[0]) if len(names) == 1 else None
    if configured and names[0] not in available:
        folder, names = names[0], configured.notebooks
        period, by = period or configured.period, by or configured.by
    for name in names:
        if name not in available:
            raise UnknownNameError("a notebook or report", name, [*available, *ws.settings.reports])
    period = periods.resolve(period or _usual(ws), ws.as_of, ws.calendar)
    chosen = [available[name] for name in names or available]
    usual = {"workspace": ws.file.name, "period": period, "as_of": str(ws.as_of or "")}
    asked = {path.stem: report.parameters_of(path) for path in chosen}
    # A notebook of one's own need not have them all.
    parameters = {
        name: value
        for name, value in usual.items()
        if any(name in parameters for parameters in asked.values())
    }
    parameters |= settings
    if by:
        ws.tables.split(by)
        parameters["by"] = by
    unsplit = {} if "by" in parameters else _unsplit(ws, asked)
    place = inside(into, folder or period)
    done = report.run(
        chosen,
        parameters,
        place,
        workdir=ws.file.parent,
        jobs=jobs,
        title=f"{ws.company.name} · {period}",
        context={
            "company": ws.company.name,
            "period": period,
            "as_of": str(ws.as_of or ""),
            "made_at": dt.datetime.now().isoformat(sep=" ", timespec="minutes"),
            "tables": freshness(ws),
        },
        only=unsplit,
        progress=_progress(len(chosen)),
    )
    failed = [each for each in done if each.status == "failed"]
    for each in failed:
        print(
            UNPRINTABLE.sub(" ", f"revops: {each.notebook} failed: {each.error}"), file=sys.stderr
        )
    if format is ReportFormat.pdf:
        printing.print_reports([each.html for each in done if each.html], ws.currency, jobs)
    print(place / "index.html")
    if failed:
        raise typer.Exit(1)


def _unsplit(ws: "Workspace", asked: dict[str, Any]) -> dict[str, dict[str, str]]:
    """Find the notebooks whose own column to split by is not in this workspace."""
    unsplit = {}
    for notebook, parameters in asked.items():
        column = parameters["by"].default if "by" in parameters else ""
        try:
            ws.tables.split(column)
        except UnknownNameError:
            print(f"revops: {notebook} is not split: no table has {column!r}.", file=sys.stderr)
            unsplit[notebook] = {"by": ""}
    return unsplit


def _progress(count: int) -> Any:
    """Make what is told of each notebook: a bar on a terminal, a line elsewhere."""
    if not sys.stderr.isatty():

        def line(said: Any) -> None:
            if hasattr(said, "notebook"):
                print(f"{said.notebook}: {said.status} in {said.seconds:.1f} s", file=sys.stderr)

        return line
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        console=Console(stderr=True),
        transient=True,
    )
    task = bar.add_task("notebooks", total=count)
    bar.start()

    def step(said: Any) -> None:
        if hasattr(said, "notebook"):
            bar.update(task, advance=1, description=said.notebook)
            if bar.finished:
                bar.stop()

    return step


if __name__ == "__main__":
    main()
