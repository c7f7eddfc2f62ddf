"""Commands around time: schedule, schedule run, history."""

import datetime as dt
import json
import logging
import signal
import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from revops_kit.cli.app import WorkspaceOption, app
from revops_kit.cli.shown import UNPRINTABLE, console, printable
from revops_kit.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from rich.table import Table

    from revops_kit.schedule import Job
    from revops_kit.workspace import Workspace

NAP = 30.0  # seconds between looks at the clock
SHOWN = 3  # times of each report
BRIEF = 240  # characters of why a run failed

schedule = typer.Typer(
    context_settings={"help_option_names": ["-h", "--help"]}, rich_markup_mode=None
)
app.add_typer(schedule, name="schedule")


class ScheduleFormat(StrEnum):
    """How `schedule` prints."""

    table = "table"
    cron = "cron"
    systemd = "systemd"
    airflow = "airflow"


class HistoryFormat(StrEnum):
    """How `history` prints."""

    table = "table"
    json = "json"


@schedule.callback(invoke_without_command=True)
def list_schedule(
    context: typer.Context,
    workspace: WorkspaceOption = Path("revops.toml"),
    format: Annotated[
        ScheduleFormat, typer.Option(help="A table, or text to paste for another scheduler.")
    ] = ScheduleFormat.table,
) -> None:
    """List what runs when, or run it.

    Each report of revops.toml that has a `cron` runs by itself.

    Times are in the company's time zone. The logical date is the day on which a run is due: its
    period is resolved from that day, however late it runs. The day counts as known to its end, so
    that on a Sunday last-week is the week that ends that evening.

    `revops schedule run` is a scheduler of its own. To leave the times to cron, systemd or
    Airflow, paste what --format prints.

    revops schedule --workspace acme/revops.toml

    revops schedule --format systemd
    """
    if context.invoked_subcommand:
        context.obj = workspace
        return
    from revops_kit.schedule import jobs_of, lines, without_tables

    ws = without_tables(workspace)
    jobs = jobs_of(ws.settings)
    now = dt.datetime.now(dt.UTC)
    match format:
        case ScheduleFormat.table:
            _show(jobs, ws, now)
        case ScheduleFormat.cron:
            print(lines.crontab(jobs, ws), end="")
        case ScheduleFormat.systemd:
            print(lines.systemd(jobs, ws), end="")
        case ScheduleFormat.airflow:
            print(lines.airflow(jobs, ws, now.astimezone(jobs[0].zone)), end="")


def _show(jobs: "Sequence[Job]", ws: "Workspace", now: dt.datetime) -> None:
    from revops_kit import periods
    from revops_kit.schedule import upcoming

    table = _table(ws, "runs at", "report", "logical date", "period", "cron", "to")
    by_name, early = {job.name: job for job in jobs}, {}
    for fire in upcoming(jobs, now, SHOWN):
        job = by_name[fire.name]
        each = [f"each {job.report.burst_by}"] if job.report.burst_to else []
        period = periods.resolve(job.report.period, fire.logical_date, ws.calendar)
        if periods.parse(period, ws.calendar).end == fire.logical_date + periods.ONE_DAY:
            early.setdefault(fire.name, (fire.moment, period))
        table.add_row(
            f"{fire.moment:%a %Y-%m-%d %H:%M}",
            printable(fire.name),
            str(fire.logical_date),
            period,
            str(job.cron),
            printable(", ".join([*job.report.to, *each]) or job.report.owner or "nobody"),
        )
    console().print(table)
    for name, (moment, period) in early.items():
        print(
            f"{UNPRINTABLE.sub(' ', name)} takes {period} for whole on its last day: what happens "
            f"on {moment:%Y-%m-%d} after {moment:%H:%M} is missing. Run it a day later."
        )
    for name, report in ws.settings.reports.items():
        if not report.cron:
            print(f"{UNPRINTABLE.sub(' ', name)} has no cron: it does not run by itself.")


def _table(ws: "Workspace", *headings: str) -> "Table":
    from rich import box
    from rich.table import Table

    title = f"{printable(ws.company.name)} · {ws.company.timezone}"
    table = Table(box=box.SIMPLE_HEAD, title=title)
    for heading in headings:
        table.add_column(heading, justify="right" if heading == "seconds" else "left")
    return table


@schedule.command()
def run(
    context: typer.Context,
    workspace: Annotated[
        Path | None,
        typer.Option("-w", "--workspace", help="The revops.toml, or the folder it is in."),
    ] = None,
    until: Annotated[
        str,
        typer.Option(
            help="Try it, in a copy of the workspace: the clock jumps from run to run, up to the "
            "end of this day, as 2026-12-31. With a `file:` outbox all is remembered as if the "
            "days had come; with a mail server, mails are only written, beside the reports."
        ),
    ] = "",
) -> None:
    """Run the reports at their times, until stopped.

    A run keeps a snapshot, checks the data, makes the report, remembers its figures and forecasts,
    and mails it. What was missed since the last run is caught up, each with its own logical date.

    Start it twice, or on two machines with one [history] url: each time is run by one of them.
    Start it anew when a `cron` has changed.

    SIGTERM and Ctrl-C stop it; a report that was being made is made again at the next start.
    reports/.revops/heartbeat, written twice a minute, says what it is doing and since when.

    revops schedule run --workspace acme/revops.toml

    revops schedule run --until 2026-12-31
    """
    from revops_kit.periods import parse_date
    from revops_kit.schedule import without_tables
    from revops_kit.schedule.runner import Runner, Simulated

    ws = without_tables(workspace or context.obj)
    now = dt.datetime.now(dt.UTC)
    clock: Any = Simulated(now) if until else WallClock()
    mail = ws.settings.mail
    is_dry = bool(until and mail and mail.url and not mail.url.startswith("file:"))
    runner = Runner(ws, clock, is_dry)
    end = None
    if until:
        day = parse_date(until, "--until")
        end = dt.datetime.combine(day, dt.time.max, runner.jobs[0].zone)
        if end < now:
            raise RequestError(f"--until {day} is over: name a day to come.")
    _log_to_stderr(clock, runner.jobs[0].zone)
    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    try:
        runner.run(end)
    except KeyboardInterrupt:
        logging.getLogger(__name__).info("Stopped.")
        return
    if until:
        said = "Tried until %s. Do not keep this copy of the workspace: it remembers days to come."
        logging.getLogger(__name__).warning(said, until)


class WallClock:
    """The time it is."""

    def now(self) -> dt.datetime:
        """Give the moment."""
        return dt.datetime.now(dt.UTC)

    def wait(self, until: dt.datetime) -> None:
        """Sleep for a while: the clock may be set, and the machine be put to sleep, meanwhile."""
        time.sleep(min(NAP, max(0.0, (until - self.now()).total_seconds())))


def _stop(*_: object) -> NoReturn:
    # Whoever is impatient would break off the tidying up.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    raise KeyboardInterrupt


def _log_to_stderr(clock: Any, zone: dt.tzinfo) -> None:
    """Write a line per step, with the time that the clock shows at the company."""

    class Line(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            moment = clock.now().astimezone(zone)
            level = "" if record.levelno <= logging.INFO else f"{record.levelname.lower()}: "
            said = UNPRINTABLE.sub(" ", record.getMessage())
            where = f"\n{self.formatException(record.exc_info)}" if record.exc_info else ""
            return f"{moment:%Y-%m-%d %H:%M:%S} {level}{said}{where}"

    handler = logging.StreamHandler()
    handler.setFormatter(Line())
    logger = logging.getLogger("revops_kit")
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG if "--debug" in sys.argv else logging.INFO)


@app.command()
def history(
    workspace: WorkspaceOption = Path("revops.toml"),
    report: Annotated[str, typer.Option(help="Of this report alone.")] = "",
    last: Annotated[int, typer.Option(help="So many runs, up to the latest.", min=1)] = 20,
    format: Annotated[HistoryFormat, typer.Option(help="How to print.")] = HistoryFormat.table,
) -> None:
    """Show what has run, how long, how it ended, and its mails.

    Long errors are cut short; --format json has the whole of them, and each reader's mail.

    revops history --report weekly --last 5

    revops history --format json
    """
    from revops_kit.schedule import without_tables

    ws = without_tables(workspace)
    runs = mails = None
    if ws.has_history():
        with ws.open_history() as memory:
            runs = memory.runs(report).tail(last)
            mails = memory.mails(report, since=int(runs["id"].min())) if len(runs) else None
    is_empty = runs is None or runs.empty
    if format is HistoryFormat.json:
        told = [] if is_empty else _as_json(runs, mails)
        print(json.dumps({"runs": told}, indent=2, ensure_ascii=False))
    elif is_empty:
        print("Nothing has run yet: `revops mail NAME` runs a report, `revops schedule run` all.")
    else:
        _show_runs(runs, mails, ws)


def _as_json(runs: "pd.DataFrame", mails: "pd.DataFrame") -> list[dict[str, Any]]:
    shown = ["recipient", "part", "state", "code", "stage", "attempts"]
    return [
        {
            "run": run.id,
            "report": run.report,
            "logical_date": str(run.logical_date),
            "period": run.period,
            "as_of": str(run.as_of) if run.as_of else None,
            "started": run.started.isoformat(),
            "seconds": None if run.seconds != run.seconds else run.seconds,
            "status": run.status,
            "error": run.error or None,
            "mails": json.loads(mails[mails["run_id"] == run.id][shown].to_json(orient="records")),
        }
        for run in runs.itertuples()
    ]


def _show_runs(runs: "pd.DataFrame", mails: "pd.DataFrame", ws: "Workspace") -> None:
    from textwrap import shorten
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(ws.company.timezone)
    table = _table(ws, "started", "report", "logical date", "period", "seconds", "status", "mails")
    for run in runs.itertuples():
        mine = mails[mails["run_id"] == run.id]
        to_owner = mine["correction"].ne("").map({True: " to its owner", False: ""})
        states = (mine["state"] + to_owner).value_counts()
        table.add_row(
            f"{run.started.astimezone(zone):%Y-%m-%d %H:%M}",
            printable(run.report),
            str(run.logical_date),
            run.period,
            "–" if run.seconds != run.seconds else f"{run.seconds:.1f}",
            run.status,
            ", ".join(f"{count} {state}" for state, count in states.items()) or "–",
        )
    paper = console()
    paper.print(table)
    for run in runs[runs["error"] != ""].itertuples():
        said = shorten(UNPRINTABLE.sub(" ", run.error), BRIEF, placeholder=" …")
        line = f"{UNPRINTABLE.sub(' ', run.report)} for {run.logical_date} {run.status}: {said}"
        paper.print(line, markup=False, soft_wrap=True)
