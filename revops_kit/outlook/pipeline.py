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
from revops_kit.outlook.chances import ENOUGH, Waiting, grouped, sizes, standing
from revops_kit.outlook.drawing import Basis, History, Horizon, Parts, Scenario, history
from revops_kit.outlook.tested import ORIGINS, Tested, compare, gathered
from revops_kit.periods import add_months, containing, last

SHOWN = ["opportunity_id", "owner", "stage", "amount", "expected_close"]
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
        The open deals, as they stand: their key, owner, amount and expected close, with
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
        cohorts = self.known.opened
        past = pd.Series(cohorts.won.sum(axis=0), pd.DatetimeIndex(cohorts.months))
        won, *others = self.usual
        to_come = self.basis.draw() - won
        # Chance moves the mean of some thousand draws a little; what is expected is known.
        mean = to_come.mean(axis=0)
        to_come *= sum(others) / np.where(mean > 0, mean, 1.0)
        ahead = Ahead(self.basis.ahead.months, won + to_come, past)
        return ahead.scaled(self.tested.scale, least=won)

    @cached_property
    def usual(self) -> Parts:
        """What is expected by month, nothing changed."""
        return self.basis.expected()

    @cached_property
    def parts(self) -> pd.DataFrame:
        """Give a row per month: `period`, `won` so far, of `open_deals`, of `new_deals`, `sum`."""
        labels = {"period": [month.label for month in self.basis.ahead.months]}
        return pd.DataFrame(labels | self.usual._asdict() | {"sum": sum(self.usual)})

    def moved_by(self, what_if: Scenario) -> np.ndarray:
        """Give how many times as much a scenario brings, by month."""
        usual, changed = sum(self.usual), sum(self.basis.expected(what_if))
        return np.divide(changed, usual, out=np.ones(len(usual)), where=usual > 0)

    def deals(self, count: int = 15) -> pd.DataFrame:
        """Give the open deals with their chance to be won in the months ahead, largest first.

        Returns
        -------
        DataFrame
            `opportunity_id`, `owner`, `stage`, `amount`, `expected_close`, `chance`, and
            `expected`: the amount times its chance.
        """
        chance = self.basis.won_by()[:, -1]
        amount = self.waiting.amount * self.basis.chances.growth
        listed = self.waiting[SHOWN].assign(chance=chance, expected=amount * chance)
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
    sized = sizes(ws.tables)
    known = history(ws.tables, months, sized)
    if known.followed.decided < ENOUGH:
        few = f"fewer than {ENOUGH} deals that were open when a month began are decided"
        return Pipeline(None, None, pd.DataFrame(), few)
    day = months.known_until
    today = deals.open_on(ws.tables, day, months, *SHOWN)
    # What is won of deals opened nobody knows when is counted with the new ones.
    today = today.filter(today.opened_at.notnull())
    shown = {name: today[name] for name in SHOWN} | standing(ws.tables, today, sized)
    today = today.select(shown).order_by("opportunity_id").to_pandas()
    waiting = Waiting(*grouped(today), today.amount.to_numpy(float))
    return Pipeline(known, known.known_on(day, length, waiting), today, "")


def _tested(known: History, ahead: Horizon) -> Tested:
    """Make the forecasts of past months' first days again, by what was known on each."""
    if not len(known.followed.day):
        return gathered([])
    first = known.followed.day.min()
    compared = []
    for back in range(1, ORIGINS + 1):
        made = add_months(ahead.day.replace(day=1), -back)
        if np.datetime64(add_months(made, -LEARNING)) < first:
            break
        length = min(len(ahead.months), back)
        basis = known.known_on(made, length, known.followed.waiting(made))
        starts = np.datetime64(made, "M") + np.arange(length)
        actual = known.opened.bookings(made, length)
        compared.append(compare(made, starts, actual, sum(basis.expected()), basis.spread()))
    return gathered(compared)
