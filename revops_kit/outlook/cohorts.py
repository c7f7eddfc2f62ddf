"""What deals that are not opened yet will bring: as much as those of recent months did."""

import datetime as dt
from dataclasses import dataclass

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from revops_kit import deals
from revops_kit.tables import Tables

COHORTS = 12
"""Months that tell what a deal brings in its first month, its second, and so on."""
RECENT = 6
"""Months that tell how many deals a month opens."""


@dataclass(frozen=True, eq=False)
class Cohorts:
    """What the deals opened in a month brought, month by month.

    Attributes
    ----------
    opened
        Deals opened, by month.
    won
        Amount won, by month opened (rows) and month closed (columns).
    """

    opened: pd.Series
    won: pd.DataFrame

    def rates(self, day: dt.date, length: int) -> list[np.ndarray]:
        """Give what an opened deal brought in its month, the next, and so on, by recent cohort.

        As in a chain ladder: only months that were over on the day count, so that what comes late
        in a deal's life is told by older cohorts.
        """
        start = pd.Period(day, "M")
        found = []
        for age in range(length):
            months = pd.period_range(end=start - 1 - age, periods=COHORTS, freq="M")
            opened = self.opened.reindex(months, fill_value=0).to_numpy(float)
            closed = self.won.reindex(index=months, columns=months + age, fill_value=0.0)
            won = np.diagonal(closed.to_numpy())
            found.append(won[opened > 0] / opened[opened > 0])
        return found

    def volumes(self, day: dt.date) -> np.ndarray:
        """Give the deals opened in each recent month, scaled to the mean of the latest ones."""
        start = pd.Period(day, "M")
        months = pd.period_range(end=start - 1, periods=COHORTS, freq="M")
        # Before the first deal ever there was no company to open any.
        months = months[months >= self.opened.index.min()] if len(self.opened) else months
        counts = self.opened.reindex(months, fill_value=0).to_numpy(float)
        return counts * counts[-RECENT:].mean() / counts.mean() if counts.any() else counts

    def bookings(self, months: pd.PeriodIndex) -> pd.Series:
        """Give the amount won by month, whenever the deals were opened."""
        return self.won.sum().reindex(months, fill_value=0.0)


def cohorts(tables: Tables) -> Cohorts:
    """Count the deals opened by month, and sum what was won of them."""
    known = tables.opportunities.filter(lambda each: each.opened_at.notnull())
    counts = known.group_by(opened=_month(known.opened_at)).aggregate(count=known.count())
    opened = counts.to_pandas()
    won = deals.won(tables).filter(lambda each: each.closed_at.notnull())
    # A deal that was opened nobody knows when, or after it closed, was won all the same.
    opened_at = won.opened_at.fill_null(won.closed_at)
    start = (opened_at > won.closed_at).ifelse(won.closed_at, opened_at)
    sums = won.group_by(opened=_month(start), closed=_month(won.closed_at)).aggregate(
        amount=won.amount.fill_null(0.0).sum()
    )
    sums = sums.to_pandas()
    return Cohorts(
        opened.set_index(_periods(opened.opened))["count"].sort_index(),
        sums.assign(opened=_periods(sums.opened), closed=_periods(sums.closed))
        .pivot(index="opened", columns="closed", values="amount")
        .fillna(0.0),
    )


def _month(day: ir.Value) -> ir.DateValue:
    return day.cast("date").truncate("M").cast("date")


def _periods(days: pd.Series) -> pd.PeriodIndex:
    return pd.PeriodIndex(pd.to_datetime(days), freq="M")
