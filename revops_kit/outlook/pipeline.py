"""Bookings ahead, as the pipeline itself implies them."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from revops_kit import deals
from revops_kit.drivers import within
from revops_kit.kpi import Workspace
from revops_kit.noted import lacking
from revops_kit.outlook.ahead import Ahead
from revops_kit.outlook.chances import ENOUGH, standing
from revops_kit.outlook.drawing import Basis, History, Horizon, Scenario, history
from revops_kit.outlook.tested import ORIGINS, Tested, compare, gathered
from revops_kit.periods import add_months, containing, last

NEEDS = {"opportunities": ("opened_at", "closed_at", "outcome", "amount")}
LOOK_BACK = 60
"""Months of open deals that chances are learnt from."""
LEARNING = 9
"""Months of history that a past forecast must have had."""


@dataclass(frozen=True, eq=False)
class Pipeline:
    """What the pipeline implies for the months ahead.

    Attributes
    ----------
    waiting
        The open deals, as they stand: `opportunity_id` and the rest of `opportunities`, with
        `stage`, the bands of `age` and `size`, and `is_guessed`, where their amount is. Those
        opened nobody knows when are not among them.
    known, basis
        What became of earlier deals, and what is known of it on the day looked from.
    missing_because
        Why nothing can be said; empty when it can.
    """

    known: History
    basis: Basis
    waiting: pd.DataFrame
    missing_because: str

    @cached_property
    def tested(self) -> Tested:
        """What it would have said on past days, beside what came."""
        return _tested(self.known, self.basis.ahead)

    @cached_property
    def ahead(self) -> Ahead:
        """What lies ahead, with intervals as wide as past forecasts needed."""
        past = self.known.opened.won.sum()
        past.index = past.index.to_timestamp()
        expected = self.basis.expected(self.waiting)
        won = expected.won.to_numpy()
        to_come = self.basis.draw(self.waiting) - won
        # Chance moves the mean of some thousand draws a little; what is expected is known.
        mean = to_come.mean(axis=0)
        to_come *= (expected.sum(axis=1).to_numpy() - won) / np.where(mean > 0, mean, 1.0)
        ahead = Ahead(self.basis.ahead.months, won + to_come, past)
        return ahead.scaled(self.tested.scale, least=won)

    @cached_property
    def parts(self) -> pd.DataFrame:
        """Give a row per month: `period`, `won` so far, of `open_deals`, of `new_deals`, `sum`."""
        found = self.basis.expected(self.waiting)
        found = found.assign(sum=found.sum(axis=1))
        found.insert(0, "period", [month.label for month in self.basis.ahead.months])
        return found

    def moved_by(self, what_if: Scenario) -> np.ndarray:
        """Give how many times as much a scenario brings, by month."""
        usual = self.parts["sum"].to_numpy()
        changed = self.basis.expected(self.waiting, what_if).sum(axis=1).to_numpy()
        return np.divide(changed, usual, out=np.ones(len(usual)), where=usual > 0)

    def deals(self, count: int = 15) -> pd.DataFrame:
        """Give the open deals with their chance to be won in the months ahead, largest first.

        Returns
        -------
        DataFrame
            `opportunity_id`, `owner`, `stage`, `amount`, `expected_close`, `chance`, and
            `expected`: the amount times its chance.
        """
        chance = self.basis.won_by(self.waiting)[:, -1]
        amount = self.waiting.amount * self.basis.chances.growth
        listed = self.waiting[["opportunity_id", "owner", "stage", "amount", "expected_close"]]
        listed = listed.assign(chance=chance, expected=amount * chance)
        order = ["expected", "opportunity_id"]
        return listed.sort_values(order, ascending=[False, True], ignore_index=True).head(count)


def implied(ws: Workspace, length: int = 12) -> Pipeline:
    """Say what the pipeline implies for the months ahead of the last known day.

    Parameters
    ----------
    ws
        Needs `opportunities` with the day they were opened. Stages and amounts are put back from
        `stage_changes` where these were kept; without them deals are alike by age and size.
    length
        Months ahead.
    """
    missing = lacking(ws.tables, NEEDS)
    if not missing and ws.tables.as_of is None:
        missing = "no day is known to look from"
    if missing:
        return Pipeline(None, None, pd.DataFrame(), missing)
    latest = containing(ws.tables.as_of, "month").label
    months = within(ws, last(LOOK_BACK, latest))
    known = history(ws.tables, months)
    if known.followed.decided < ENOUGH:
        few = f"fewer than {ENOUGH} deals that were open when a month began are decided"
        return Pipeline(None, None, pd.DataFrame(), few)
    today = standing(ws.tables, deals.open_on(ws.tables, months.known_until, months))
    # What is won of deals opened nobody knows when is counted with the new ones.
    today = today.filter(today.opened_at.notnull()).order_by("opportunity_id").to_pandas()
    return Pipeline(known, known.known_on(months.known_until, length), today, "")


def _tested(known: History, ahead: Horizon) -> Tested:
    """Make the forecasts of past months' first days again, by what was known on each."""
    first = known.followed.counts.day.min()
    compared = []
    for back in range(1, ORIGINS + 1):
        made = add_months(ahead.day.replace(day=1), -back)
        if pd.isna(first) or pd.Timestamp(add_months(made, -LEARNING)) < first:
            break
        basis = known.known_on(made, min(len(ahead.months), back))
        waiting = known.followed.waiting(made)
        actual = known.opened.bookings(basis.ahead.index).to_timestamp()
        mean = basis.expected(waiting).sum(axis=1)
        compared.append(compare(made, actual, mean, basis.spread(waiting)))
    return gathered(compared)
