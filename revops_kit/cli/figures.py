"""Commands that look: check, list, kpi; and snapshot, which keeps what they saw."""

import datetime as dt
import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from revops_kit.cli.app import AsOf, By, Format, PeriodOption, SetOption, WorkspaceOption, app
from revops_kit.cli.opening import open_, settings
from revops_kit.cli.shown import console, print_result
from revops_kit.errors import RevopsError


class CheckFormat(StrEnum):
    """How `check` prints."""

    table = "table"
    json = "json"


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
    from revops_kit import checking, units

    if format is CheckFormat.json:
        # Programs read sentences too: those are in plain English.
        with units.written_in(units.ENGLISH):
            findings = checking.check(open_(workspace, ""), dt.date.today())
            print(json.dumps(findings.as_json(), indent=2, ensure_ascii=False))
    else:
        findings = checking.check(open_(workspace, ""), dt.date.today())
        checking.show(findings, console())
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

    ws = open_(workspace, "")
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
    console().print(table)
    table = Table(box=box.SIMPLE_HEAD, title="Notebooks", title_justify="left")
    for heading in ("notebook", "parameters"):
        table.add_column(heading)
    from revops_kit.report import parameters_of

    for path in notebooks(ws.file.parent).values():
        table.add_row(path.stem, ", ".join(parameters_of(path)))
    console().print(table)


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
    from revops_kit import kpis, periods, units

    measure = kpis.named(name)
    ws = open_(workspace, as_of)
    # Without a day in the data there is no last month; whoever asks hears of the whole.
    period = period or ("last-month" if ws.as_of else "all")
    period = periods.resolve(period, ws.as_of, ws.calendar)
    if format is not Format.table:
        units.write_in(units.ENGLISH)  # in sentences too: programs read them
    result = measure.over(ws, periods.last(last, period), by, **settings(set_))
    if format is Format.json:
        print(json.dumps(result.as_json(), indent=2, ensure_ascii=False))
    elif format is Format.csv:
        print(result.as_csv(), end="")
    else:
        print_result(result)


@app.command()
def snapshot(workspace: WorkspaceOption = Path("revops.toml")) -> None:
    """Keep today's open deals and submitted forecasts.

    A CRM overwrites what deals were expected to bring: kept every day or week, forecast accuracy
    can be measured later. A second run replaces the day's first.

    revops snapshot --workspace acme/revops.toml
    """
    from revops_kit import snapshots

    ws = open_(workspace, "")
    print(snapshots.keep(ws.tables, ws.file.parent, dt.date.today()))
