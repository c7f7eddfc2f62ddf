"""What mails depend on of what was reported before: alerts told, figures that have moved since."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import sqlalchemy as sa

from revops_kit.history import History
from revops_kit.history.schema import figures, mails, runs

if TYPE_CHECKING:
    from revops_kit.mail.alerts import Alarm
    from revops_kit.result import Result

ALERT = "alert"  # what alerts are split by, among the figures of the history


@dataclass(frozen=True)
class Memory:
    """What is remembered of this run and the ones before."""

    history: History
    run: int

    def keep_figures(self, trends: Mapping[str, "Result"], by: str, part: str) -> None:
        """Keep figures as they are reported, of the whole or of a part."""
        for name, trend in trends.items():
            if not trend.unavailable:
                frame = trend.frame.assign(**{by: part}) if by else trend.frame
                self.history.add_figures(self.run, name, frame, trend.kpi.unit.name, by)

    def forget_figures(self) -> None:
        """Forget the figures of this run, for its readers have not been told them."""
        with self.history.store.transaction() as con:
            con.execute(figures.delete().where(figures.c.run_id == self.run))

    def keep_alarms(self, raised: Sequence["Alarm"], part: str) -> None:
        """Keep that readers were told; a cool-down begins."""
        for each in raised:
            if each.is_new:
                row = {
                    "period": each.period,
                    "value": each.value,
                    ALERT: f"{part}|{each.condition}",
                }
                self.history.add_figures(self.run, each.kpi, pd.DataFrame([row]), by=ALERT)

    def alarms_told(self, report: str, part: str) -> dict[tuple[str, str], dt.date]:
        """Say when readers were told of each alert last: by KPI and condition."""
        found = self.history.figures(by=ALERT)
        found = found[(found.report == report) & found.segment.str.startswith(f"{part}|")]
        last = found.sort_values("logical_date").drop_duplicates(["kpi", "segment"], keep="last")
        return {
            (row.kpi, row.segment.removeprefix(f"{part}|")): row.logical_date
            for row in last.itertuples()
        }

    def restated(self, trends: Mapping[str, "Result"], by: str, part: str) -> pd.DataFrame:
        """List the figures that readers were told differently before, and not because they grow."""
        found = self.history.restated(self.run)
        matures = {name for name, trend in trends.items() if trend.kpi.matures}
        is_mine = (found.by == by) & (found.segment == part)
        return found[is_mine & found.kpi.isin(set(trends) - matures)]


def copy(report: str, source: History, target: History) -> None:
    """Copy what mails of a report depend on, so that it can be tried what they would say."""
    its = sa.select(runs.c.id).where(runs.c.report == report)
    for table, wanted in (
        (runs, runs.c.report == report),
        (figures, figures.c.run_id.in_(its)),
        (mails, mails.c.report == report),
    ):
        with source.store.transaction() as con:
            rows = [dict(row) for row in con.execute(sa.select(table).where(wanted)).mappings()]
        if rows:
            with target.store.transaction() as con:
                con.execute(table.insert(), rows)
