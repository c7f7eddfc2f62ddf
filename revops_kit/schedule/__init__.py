"""Which report runs when, for which logical date, and which runs were missed.

A report runs at the times of its `cron`, in the company's time zone. The logical date of a run is
the day on which it was to run, there: its period is resolved from that day, however late it runs.
"""

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from zoneinfo import ZoneInfo

import pandas as pd

from revops_kit import cron
from revops_kit.errors import RequestError
from revops_kit.tables import Tables
from revops_kit.workspace import Report, Settings, Workspace, find, read

DONE = ("ok", "failed")  # a run that failed is not repeated: its owner has heard of it


@dataclass(frozen=True)
class Fire:
    """A time at which a report is to run.

    Attributes
    ----------
    name
        Of the report.
    moment
        In the company's time zone.
    """

    name: str
    moment: dt.datetime

    @property
    def logical_date(self) -> dt.date:
        """The day that its period is resolved from: the local date of its moment."""
        return self.moment.date()


@dataclass(frozen=True)
class Job:
    """A report that runs by itself."""

    name: str
    report: Report
    cron: cron.Cron
    zone: ZoneInfo

    def after(self, moment: dt.datetime) -> Iterator[Fire]:
        """Go through its times after a moment, without end."""
        return (Fire(self.name, each) for each in self.cron.after(moment, self.zone))

    def missed(self, runs: pd.DataFrame, begun: dt.datetime, now: dt.datetime) -> list[Fire]:
        """Find what should have run since the last run that is remembered, and has not.

        Of several times on a day the last is taken, for they have one logical date.

        Parameters
        ----------
        runs
            `History.runs(name)`. A run that was stopped, or died, is to be made again.
        begun
            Of a report that has never run, nothing before this moment is missed.
        """
        by_day: dict[dt.date, Fire] = {}
        for fire in self.after(self._seen_to(runs, begun, now)):
            if fire.moment > now:
                break
            by_day[fire.logical_date] = fire
        return list(by_day.values())

    def _seen_to(self, runs: pd.DataFrame, begun: dt.datetime, now: dt.datetime) -> dt.datetime:
        """Find the moment up to which nothing is missed."""
        # A run for a day to come is somebody's trial.
        runs = runs[runs["logical_date"] <= now.astimezone(self.zone).date()]
        done = runs[runs["status"].isin(DONE)]
        if not done.empty:
            last = done.sort_values(["logical_date", "started"]).iloc[-1]
            return min(last["started"].to_pydatetime(), self._end_of(last["logical_date"]))
        if not runs.empty:
            return self._end_of(runs["logical_date"].min() - dt.timedelta(days=1))
        return begun

    def _end_of(self, day: dt.date) -> dt.datetime:
        return dt.datetime.combine(day, dt.time.max, self.zone)


def jobs_of(settings: Settings) -> list[Job]:
    """List the reports of a workspace that have a `cron`.

    Raises
    ------
    RequestError
        When there are none, or one is called so that no line can hold it.
    """
    zone = ZoneInfo(settings.company.timezone)
    jobs = [
        Job(name, report, cron.parse(report.cron), zone)
        for name, report in settings.reports.items()
        if report.cron
    ]
    if not jobs:
        raise RequestError(
            "No report runs by itself: give one a time in revops.toml, such as "
            "[reports.weekly] cron = '0 7 * * MON'."
        )
    for job in jobs:
        if not job.name.isprintable():
            raise RequestError(f"The report {job.name!r} has a line break in its name: rename it.")
    return jobs


def upcoming(jobs: Iterable[Job], moment: dt.datetime, count: int = 1) -> list[Fire]:
    """List the next times of each report, so many of each, the earliest first."""
    fires = [fire for job in jobs for fire, _ in zip(job.after(moment), range(count), strict=False)]
    return sorted(fires, key=lambda fire: (fire.moment, fire.name))


def without_tables(path: Path) -> Workspace:
    """Read a workspace's file, and open none of its tables."""
    file = find(path)
    settings = read(file)
    return Workspace(file, settings, Tables({}, None, settings.policies))
