"""The embedded scheduler: waits for the next time, and does what was missed."""

import datetime as dt
import logging
import time
from collections import Counter
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import pandas as pd

from revops_kit import checking, snapshots
from revops_kit.errors import RequestError, RevopsError
from revops_kit.history import History
from revops_kit.mailing import run_report
from revops_kit.report import warm
from revops_kit.schedule import Fire, Job, jobs_of, upcoming
from revops_kit.schedule.heartbeat import Heartbeat, last_seen
from revops_kit.share import notebooks
from revops_kit.sources import Health
from revops_kit.units import plural
from revops_kit.workspace import MEMORY, Workspace, open_workspace

HEARTBEAT = MEMORY.with_name("heartbeat")  # below the folder of revops.toml
MOST_MISSED = 31  # runs of a report that are caught up: a month of days
TRIES = 3  # of a run that left no trace in the history
RETRY = dt.timedelta(minutes=5)
PUNCTUAL = dt.timedelta(minutes=1)
STOPPED = "The schedule was stopped."
DIED = "Its process died in it."

log = logging.getLogger(__name__)


class Clock(Protocol):
    """What tells the time, and lets it pass."""

    def now(self) -> dt.datetime:
        """Give the moment, with its zone."""

    def wait(self, until: dt.datetime) -> None:
        """Return when that moment has come, or sooner."""


@dataclass
class Simulated:
    """A clock that jumps to whatever is waited for."""

    moment: dt.datetime

    def now(self) -> dt.datetime:
        """Give the moment it stands at."""
        return self.moment

    def wait(self, until: dt.datetime) -> None:
        """Jump there."""
        self.moment = until


@dataclass
class Runner:
    """One process that runs a workspace's reports at their times.

    Of several processes and machines with one history, one runs at a time; the others look again
    when it is done, and find nothing left to do.

    Attributes
    ----------
    ws
        From `without_tables`; the tables are opened anew for each run.
    is_dry
        Mails are written as files, and not sent.
    """

    ws: Workspace
    clock: Clock
    is_dry: bool = False
    tries: Counter[Fire] = field(init=False, default_factory=Counter)
    known_since: dict[str, dt.datetime] = field(init=False, default_factory=dict)

    @cached_property
    def jobs(self) -> list[Job]:
        """The reports that run by themselves."""
        return jobs_of(self.ws.settings)

    @property
    def has_mail(self) -> bool:
        """Whether there is a way to mail anything."""
        return bool(self.ws.settings.mail and self.ws.settings.mail.url)

    @property
    def home(self) -> Path:
        """The folder of `revops.toml`."""
        return self.ws.file.parent

    @cached_property
    def heart(self) -> Heartbeat:
        """Its sign of life, for whoever watches the process from outside."""
        names = [job.name for job in self.jobs]
        return Heartbeat(self.home / HEARTBEAT, names, self.clock.now)

    def run(self, until: dt.datetime | None = None) -> None:
        """Run what was missed, then each report at its times, for ever or until a moment."""
        # Whoever starts it hears at once if the history cannot be used.
        self.ws.open_history().close()
        begun = self.clock.now()
        # A report's first run may be missed too, and the history knows nothing of it.
        seen = last_seen(self.home / HEARTBEAT)
        self.known_since = {job.name: min(seen.get(job.name, begun), begun) for job in self.jobs}
        names = ", ".join(f"{job.name} ({job.cron})" for job in self.jobs)
        log.info("The schedule of %s begins: %s.", self.ws.company.name, names)
        if not self.has_mail:
            log.warning("revops.toml has no [mail] url: reports are made, and mailed to nobody.")
        # A trial's runs follow closely on each other.
        with self.heart, self._kernels() if until else nullcontext():
            while True:
                looked = self.clock.now()
                is_done = self._run_missed(looked)
                following = upcoming(self.jobs, looked)[0]
                wake = following.moment if is_done else min(following.moment, looked + RETRY)
                if until and wake > until:
                    return
                if is_done:
                    log.info("Next: %s at %s.", following.name, _written(following.moment))
                self.heart.tell(f"waiting for {following.name} at {_written(following.moment)}")
                while self.clock.now() < wake:
                    self.clock.wait(wake)

    def _run_missed(self, now: dt.datetime) -> bool:
        """Run what is due, once nobody else does; tell whether nothing is to be tried again."""
        try:
            with self.ws.open_history() as history:
                with history.store.alone("schedule") as is_alone:
                    if is_alone:
                        return self._run_alone(history, now)
                log.info("Another process runs reports; waiting for it to end.")
                self.heart.tell("waiting for another process that runs reports")
                with history.store.alone("schedule", wait=True):
                    return self._run_alone(history, now)
        except Exception as error:
            again = plural(RETRY.seconds // 60, "minute")
            log.error("%s Trying again in %s.", _reason(error), again, exc_info=_traced())
        return False

    def _run_alone(self, history: History, now: dt.datetime) -> bool:
        due: list[Fire] = []
        for job in self.jobs:
            runs = history.runs(job.name)
            missed = job.missed(runs, self.known_since[job.name], now)
            fires = [each for each in missed if self.tries[each] < TRIES]
            if left_out := fires[:-MOST_MISSED]:
                said = "%s: %s up to %s are left out; the last %d that were missed are caught up."
                count = plural(len(left_out), "run")
                log.warning(said, job.name, count, left_out[-1].logical_date, MOST_MISSED)
            due += fires[-MOST_MISSED:]
            for run in runs[runs["status"] == "running"].itertuples() if fires else ():
                log.warning("%s for %s: %s", job.name, run.logical_date, DIED)
                history.end_run(run.id, "stopped", None, DIED)
        if not due:
            return True
        self.heart.tell("reading the tables")
        with self._kernels():
            ws = self._opened(now)
            for fire in sorted(due, key=lambda fire: (fire.moment, fire.name)):
                self._run(fire, ws, history)
        return all(self.tries[fire] in (0, TRIES) for fire in due)

    def _kernels(self) -> AbstractContextManager[None]:
        """Import what notebooks need once, for all that are run in the block."""
        return warm.warm([*notebooks(self.home).values()], self.home)

    def _opened(self, now: dt.datetime) -> Workspace:
        """Open the workspace with a snapshot of the day, and say what is wrong with it."""
        today = now.astimezone(ZoneInfo(self.ws.company.timezone)).date()
        ws = open_workspace(self.ws.file)
        seen = replace(ws.tables, as_of=min(ws.as_of or today, today))
        try:
            log.info("%s", snapshots.keep(seen, self.home, today))
            ws = open_workspace(self.ws.file)  # for the snapshot is a part of it
        except RequestError as nothing:
            log.info("%s", nothing)
        except Exception as error:
            # Which is no reason to make no reports.
            log.warning("No snapshot was kept: %s", _reason(error), exc_info=_traced())
        tables = checking.check(ws, today).tables
        for name, each in tables.items():
            if isinstance(each, RevopsError):
                log.warning("%s cannot be read: %s", name, each)
        rejected = sum(each.rejected for each in tables.values() if isinstance(each, Health))
        told = f"{plural(rejected, 'row')} rejected; `revops check` tells more"
        log.info("Checked %s: %s.", plural(len(tables), "table"), told if rejected else "all well")
        return ws

    def _run(self, fire: Fire, ws: Workspace, history: History) -> None:
        """Make, remember and mail one report, and say how it went."""
        name, day, started = fire.name, fire.logical_date, time.monotonic()
        last = max(history.runs(name)["id"], default=0)
        self.tries[fire] += 1
        is_late = self.clock.now() - fire.moment > PUNCTUAL
        due = f", due at {_written(fire.moment)}" if is_late else ""
        log.info("%s for %s begins%s.", name, day, due)
        self.heart.tell(f"running {name} for {day}")
        into = self.home / "reports"
        try:
            ran = run_report(
                ws, name, day, now=self.clock.now(), into=into, mail=self.has_mail,
                dry_run=self.is_dry, progress=self._told,
            )  # fmt: skip
            log.log(
                logging.INFO if ran.status == "ok" else logging.ERROR,
                "%s for %s: %s after %.1f s. %s",
                name, day, ran.status, time.monotonic() - started, ran.sentence,
            )  # fmt: skip
            self.tries[fire] = TRIES
        except Exception as error:
            # Other reports are not to wait for this one to be mended.
            log.error("%s for %s failed: %s", name, day, _reason(error), exc_info=_traced())
        except BaseException:
            log.warning("%s for %s was stopped: it runs when the schedule begins again.", name, day)
            for run in _after(last, history.runs(name)).itertuples():
                history.end_run(run.id, "stopped", time.monotonic() - started, STOPPED)
            raise
        if not _after(last, history.runs(name)).empty:
            self.tries[fire] = TRIES

    def _told(self, said: Any) -> None:
        """Hand on what becomes of notebooks."""
        if hasattr(said, "notebook"):
            # Where reports are burst, the folder tells the part.
            place = f"{said.html.parent.name}/" if said.html else ""
            log.info("  %s%s: %s in %.1f s.", place, said.notebook, said.status, said.seconds)


def _after(last: int, runs: pd.DataFrame) -> pd.DataFrame:
    return runs[runs["id"] > last]


def _reason(error: Exception) -> str:
    """Say what went wrong; the message of an error that is not ours may quote data."""
    if isinstance(error, RevopsError):
        return str(error)
    return f"Something went wrong that should not have ({type(error).__name__})."


def _traced() -> bool:
    """Tell whether to show where it went wrong, as --debug asks for."""
    return log.isEnabledFor(logging.DEBUG)


def _written(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M %Z}"
