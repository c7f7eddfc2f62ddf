"""The embedded scheduler: waits for the next time, and does what was missed."""

import datetime as dt
import json
import logging
import os
import socket
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol
from zoneinfo import ZoneInfo

import pandas as pd

from revops_kit import checking, snapshots
from revops_kit.errors import RequestError, RevopsError
from revops_kit.history import FILE, History
from revops_kit.mailing import run_report
from revops_kit.schedule import Fire, Job, jobs_of, upcoming
from revops_kit.sources import Health
from revops_kit.units import plural
from revops_kit.workspace import Workspace, open_workspace

HEARTBEAT = FILE.with_name("heartbeat")  # below the folder of revops.toml
MOST_MISSED = 31  # runs of a report that are caught up: a month of days
TRIES = 3  # of a run that left no trace in the history
RETRY = dt.timedelta(minutes=5)
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

    def run(self, until: dt.datetime | None = None) -> None:
        """Run what was missed, then each report at its times, for ever or until a moment."""
        begun = self.clock.now()
        # Whoever starts it hears at once if the history cannot be used.
        self.ws.open_history().close()
        names = ", ".join(f"{job.name} ({job.cron})" for job in self.jobs)
        log.info("The schedule of %s begins: %s.", self.ws.company.name, names)
        if not self.has_mail:
            log.warning("revops.toml has no [mail] url: reports are made, and mailed to nobody.")
        try:
            while True:
                looked = self.clock.now()
                is_done = self._run_missed(begun, looked)
                following = upcoming(self.jobs, looked)[0]
                wake = following.moment if is_done else min(following.moment, looked + RETRY)
                if until and wake > until:
                    return
                if is_done:
                    log.info("Next: %s at %s.", following.name, _written(following.moment))
                while self.clock.now() < wake:
                    self._beat(f"waiting for {following.name} at {_written(following.moment)}")
                    self.clock.wait(wake)
        finally:
            self._beat("stopped")

    def _run_missed(self, begun: dt.datetime, now: dt.datetime) -> bool:
        """Run what is due, once nobody else does; tell whether nothing is to be tried again."""
        try:
            with self.ws.open_history() as history:
                with history.store.alone("schedule") as is_alone:
                    if is_alone:
                        return self._run_alone(history, begun, now)
                log.info("Another process runs reports; waiting for it to end.")
                self._beat("waiting for another process that runs reports")
                with history.store.alone("schedule", wait=True):
                    return self._run_alone(history, begun, now)
        except RevopsError as error:
            log.error("%s Trying again in %s.", error, plural(RETRY.seconds // 60, "minute"))
        return False

    def _run_alone(self, history: History, begun: dt.datetime, now: dt.datetime) -> bool:
        due: list[Fire] = []
        for job in self.jobs:
            runs = history.runs(job.name)
            fires = [each for each in job.missed(runs, begun, now) if self.tries[each] < TRIES]
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
        ws = self._opened(now)
        for fire in sorted(due, key=lambda fire: (fire.moment, fire.name)):
            self._run(fire, ws, history)
        return all(self.tries[fire] in (0, TRIES) for fire in due)

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
        except RevopsError as error:
            log.warning("No snapshot was kept: %s", error)
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
        log.info("%s for %s begins; it was due at %s.", name, day, _written(fire.moment))
        self._beat(f"running {name} for {day}")
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
        except RevopsError as error:
            log.error("%s for %s failed: %s", name, day, error)
        except Exception as error:
            # Other reports are not to wait for this one to be mended. The message may quote data.
            log.error("%s for %s failed (%s).", name, day, type(error).__name__)
            log.debug("Where:", exc_info=True)
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
            log.info("  %s: %s in %.1f s.", said.notebook, said.status, said.seconds)

    def _beat(self, doing: str) -> None:
        """Leave a sign of life, for whoever watches the process from outside."""
        place = self.home / HEARTBEAT
        sign = {
            "at": self.clock.now().isoformat(timespec="seconds"),
            "doing": doing,
            "process": f"{os.getpid()} on {socket.gethostname()}",
        }
        part = place.with_name(f"{place.name}.{os.getpid()}.part")
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            part.write_text(json.dumps(sign, ensure_ascii=False) + "\n", "utf-8")
            part.replace(place)
        except OSError as error:
            log.warning("%s cannot be written (%s).", place, error.strerror)


def _after(last: int, runs: pd.DataFrame) -> pd.DataFrame:
    return runs[runs["id"] > last]


def _written(moment: dt.datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M %Z}"
