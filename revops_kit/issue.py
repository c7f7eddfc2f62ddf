"""One issue of a report: of which day, what it tells, and what of."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from revops_kit import kpis, periods
from revops_kit.errors import UnknownNameError, WorkspaceError
from revops_kit.kpi import Kpi
from revops_kit.mail import Email, addresses
from revops_kit.mail.alerts import Alarm
from revops_kit.mail.compose import Story, compose
from revops_kit.making import Made, Request, make
from revops_kit.sources import Source
from revops_kit.units import plural

if TYPE_CHECKING:
    from revops_kit.result import Result
    from revops_kit.workspace import Report, Workspace

TREND = 13  # periods: a year, and the period it is compared with
# Kept by the month or made by hand: that nothing is new says nothing.
SLOW = ("spend", "targets", "forecasts", "changes")
QUIET = 7  # days without anything new that are no gap, where a report does not say


@dataclass(frozen=True)
class Issue:
    """What a report of `revops.toml` is on one day.

    Attributes
    ----------
    whole
        The company, as of the last day in its data.
    now
        The moment, with its zone.
    into
        The folder over those of reports.
    is_kept
        Whether notebooks that keep what they say, as the forecast does, shall keep it.
    """

    whole: "Workspace"
    name: str
    logical_date: dt.date
    now: dt.datetime
    into: Path
    progress: Callable[[Any], None] | None
    is_kept: bool

    @cached_property
    def report(self) -> "Report":
        """What `revops.toml` says of it."""
        return self.whole.settings.reports[self.name]

    @cached_property
    def ws(self) -> "Workspace":
        """The company as of the logical date.

        Data that go almost to it are known to its end: a month whose last Sunday was quiet is
        whole. What lies after older data is not known.
        """
        known, limit = self.logical_date, self.report.max_staleness_days
        sources = self.whole.tables.sources.values()
        days = [each.health.newest for each in sources if isinstance(each, Source)]
        newest = max(filter(None, days), default=known)
        if (known - newest).days > (QUIET if limit is None else limit):
            known = newest
        return replace(self.whole, tables=replace(self.whole.tables, as_of=known))

    @cached_property
    def period(self) -> str:
        """The period that it tells."""
        return periods.resolve(self.report.period, self.logical_date, self.whole.calendar)

    @cached_property
    def named(self) -> list[str]:
        """The KPIs that notebooks are called after."""
        known = {kpi.name for kpi in kpis.ALL}
        return [each for each in self.report.notebooks if each in known]

    @cached_property
    def told(self) -> list[Kpi]:
        """The KPIs that it tells: all, unless each notebook is about one."""
        if len(self.named) < len(self.report.notebooks):
            return list(kpis.ALL)
        wanted = {*self.named, "revenue", *(each.kpi for each in self.report.alerts)}
        return [kpi for kpi in kpis.ALL if kpi.name in wanted]

    @cached_property
    def parts(self) -> list["Workspace"]:
        """The parts of the company that have readers of their own."""
        report = self.report
        if not any(report.burst_to.values()):
            return []
        if not report.burst_by:
            raise WorkspaceError(
                f"{self.name} has burst_to and no burst_by: name the column whose values it lists."
            )
        by = self.ws.tables.split(report.burst_by).by
        return [self.ws.only(by, value) for value, to in report.burst_to.items() if to]

    def check(self) -> None:
        """Refuse what `revops.toml` asks for in vain, before anything is made.

        Raises
        ------
        RequestError
            When a part, an alert's KPI or an address is none.
        """
        addresses(self.readers)
        known = [kpi.name for kpi in kpis.ALL]
        for each in self.report.alerts:
            if each.kpi not in known:
                raise UnknownNameError("a KPI", each.kpi, known, f"for the alerts of {self.name}")
        _ = self.parts

    @property
    def readers(self) -> list[str]:
        """All who shall get a mail when it goes well, as they are written."""
        return [*self.report.to, *(each for to in self.report.burst_to.values() for each in to)]

    @cached_property
    def trends(self) -> dict[str, "Result"]:
        """The figures of the whole, over the periods before too."""
        return self.counted(self.ws)

    def counted(self, ws: "Workspace", by: str = "") -> dict[str, "Result"]:
        """Count its figures over the periods, of the whole or of a part's own rows."""
        over = periods.last(TREND, self.period)
        return {kpi.name: kpi.over(ws, over, by) for kpi in self.told}

    @cached_property
    def stale(self) -> list[str]:
        """Say which tables have had nothing new for longer than the report allows."""
        limit, said = self.report.max_staleness_days, []
        needed = {table for kpi in self.told for table in _tables_of(kpi)} - set(SLOW)
        for name in needed & set(self.whole.tables.sources):
            source = self.whole.tables.sources[name]
            newest = source.health.newest if isinstance(source, Source) else None
            days = (self.logical_date - newest).days if newest else 0
            if limit is not None and days > limit:
                said.append(
                    f"Nothing in {name} is later than {newest}, {plural(days, 'day')} before "
                    f"{self.logical_date}; max_staleness_days allows {limit}."
                )
        return sorted(said)

    @cached_property
    def notebooks(self) -> list[Path]:
        """The files of its notebooks."""
        from revops_kit.share import notebooks

        there = notebooks(self.whole.file.parent)
        return [file for name, file in there.items() if name in self.report.notebooks]

    def warm(self) -> AbstractContextManager[None]:
        """Keep one warm parent for the kernels of the whole and of all parts."""
        from revops_kit.report import warm

        return warm.warm(self.notebooks, self.whole.file.parent)

    @property
    def prose(self) -> str:
        """What its notebooks say whatever the data."""
        from revops_kit.report.parameters import cells_of, source_of

        return "\n".join(source_of(cell) for file in self.notebooks for cell in cells_of(file))

    def make(self, ws: "Workspace") -> Made:
        """Run its notebooks; those of a part go into a folder of their own."""
        from revops_kit.report.folder import inside

        report = self.report
        into, folder = (
            (inside(self.into, self.name), ws.part[1]) if ws.part else (self.into, self.name)
        )
        request = Request(
            report.notebooks,
            self.period,
            report.by,
            folder=folder,
            is_remembered=self.is_kept and not ws.part,
        )
        return make(ws, request, into, made_at=self.now, progress=self.progress)

    def email(
        self,
        ws: "Workspace",
        made: Made,
        trends: Mapping[str, "Result"],
        raised: Sequence[Alarm],
        restated: pd.DataFrame | None = None,
    ) -> Email:
        """Write the mail of the whole or of a part."""
        to = self.report.burst_to[ws.part[1]] if ws.part else self.report.to
        story = replace(
            self.story,
            period=self.period,
            trends=trends,
            named=self.named if len(self.named) == len(self.report.notebooks) else (),
            outcomes=made.outcomes,
            alarms=raised,
            restated=pd.DataFrame() if restated is None else restated,
            as_of=ws.as_of,
            part=ws.part[1] if ws.part else "",
        )
        return compose(story, self.sender, to, self.report.owner)

    @cached_property
    def story(self) -> Story:
        """What all its mails have in common, that to its owner too."""
        mail = self.whole.settings.mail
        link = f"{mail.link.rstrip('/')}/{self.name}" if mail and mail.link else ""
        return Story(self.name, self.logical_date, self.whole.company.name, "", None, {}, link=link)

    @cached_property
    def sender(self) -> str:
        """Who its mails come from; a dry run need not know."""
        mail = self.whole.settings.mail
        return (mail and mail.from_) or self.report.owner or "revops@localhost"


def _tables_of(kpi: Kpi) -> list[str]:
    return [*kpi.needs, *(each.partition(".")[0] for each in kpi.either)]
