"""What deals that are not opened yet will bring: as much as those of recent months did."""

import datetime as dt
from dataclasses import dataclass

import ibis
import numpy as np
import pandas as pd

from revops_kit.periods import floor
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
    months
        From the first in which a deal was opened or won to the last.
    opened
        Deals opened, by month.
    won
        Amount won, by month opened (rows) and month closed (columns).
    """

    months: np.ndarray
    opened: np.ndarray
    won: np.ndarray

    def rates(self, day: dt.date, length: int) -> list[np.ndarray]:
        """Give what an opened deal brought in its month, the next, and so on, by recent cohort.

        As in a chain ladder: only months that were over on the day count, so that what comes late
        in a deal's life is told by older cohorts.
        """
        over = self._before(day)
        found = []
        for age in range(length):
            cohorts = slice(max(over - age - COHORTS, 0), max(over - age, 0))
            opened, won = self.opened[cohorts], self.won.diagonal(age)[cohorts]
            found.append(won[opened > 0] / opened[opened > 0])
        return found

    def volumes(self, day: dt.date) -> np.ndarray:
        """Give the deals opened in each recent month, scaled to the mean of the latest ones."""
        over = self._before(day)
        # Before the first deal ever there was no company to open any.
        first = int(np.argmax(self.opened > 0)) if len(self.opened) else 0
        counts = self.opened[max(over - COHORTS, first) : over]
        return counts * counts[-RECENT:].mean() / counts.mean() if counts.any() else counts

    def bookings(self, day: dt.date, length: int) -> np.ndarray:
        """Give the amount won in the month of a day and those after it, whenever opened."""
        begin = self._before(day)
        return self.won[:, begin : begin + length].sum(axis=0)

    def _before(self, day: dt.date) -> int:
        """Count the months before that of a day."""
        return int(np.searchsorted(self.months, np.datetime64(day, "M")))


def cohorts(tables: Tables, until: dt.date) -> Cohorts:
    """Count the deals opened by month, and sum what was won of them, up to the month of a day."""
    deals = tables.opportunities.select("opened_at", "closed_at", "outcome", "amount")
    won_at = (deals.outcome == "won").ifelse(deals.closed_at, ibis.null())
    by_month = deals.group_by(opened=floor(deals.opened_at, "M"), closed=floor(won_at, "M"))
    sums = by_month.aggregate(count=deals.count(), amount=deals.amount.fill_null(0.0).sum())
    sums = sums.filter(sums.opened.notnull() | sums.closed.notnull()).to_pandas()
    opened, closed = (
        pd.to_datetime(sums[name]).to_numpy("datetime64[M]") for name in ("opened", "closed")
    )
    # A deal that was opened nobody knows when, or after it closed, was won all the same.
    begun = np.fmin(opened, closed)
    last = np.datetime64(until, "M")
    months = np.arange(min([*begun, last]), last + 1)
    is_opened, is_won = ~np.isnat(opened), ~np.isnat(closed)
    counts, won = np.zeros(len(months)), np.zeros((len(months), len(months)))
    np.add.at(counts, np.searchsorted(months, opened[is_opened]), sums["count"][is_opened])
    places = np.searchsorted(months, begun[is_won]), np.searchsorted(months, closed[is_won])
    np.add.at(won, places, sums.amount[is_won])
    return Cohorts(months, counts, won)
