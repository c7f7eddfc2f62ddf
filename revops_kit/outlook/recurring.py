"""Recurring revenue ahead: what runs now, renewed, grown and lost as in the months before."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from revops_kit import recurring
from revops_kit.drivers import within
from revops_kit.kpi import Workspace
from revops_kit.noted import lacking
from revops_kit.outlook.ahead import Ahead
from revops_kit.outlook.drawing import DRAWS, SEED, Horizon, horizon
from revops_kit.outlook.tested import ORIGINS, Tested, compare, gathered
from revops_kit.periods import ONE_DAY, Periods, last, last_whole

NEEDS = {"subscriptions": ("started_on", "mrr")}
SIGNS = {"new": 1, "reactivation": 1, "expansion": 1, "contraction": -1, "churn": -1}
FRESH = ["new", "reactivation"]
SHARES = ["expansion", "contraction", "churn"]
"""Movements of those who are customers: they go with what runs at the month's start."""
FEWEST = 3
RECENT = 12
"""Months that tell what a month may bring."""
LOOK_BACK = 60


@dataclass(frozen=True, eq=False)
class Recurring:
    """Recurring revenue in the months ahead.

    Attributes
    ----------
    moves
        A row per month that is over (its first day): `start`, what each of `SIGNS` added or
        took, and `end`.
    running
        What runs now.
    horizon
        The months ahead; the first may have begun.
    missing_because
        Why nothing can be said; empty when it can.
    """

    moves: pd.DataFrame
    running: float
    horizon: Horizon | None
    missing_because: str

    @cached_property
    def ahead(self) -> Ahead:
        """What lies ahead, with intervals as wide as past forecasts needed."""
        months = self.horizon.months
        drawn = _drawn(self.moves, self.running, len(months), self.horizon.left)
        return Ahead(months, drawn, self.moves.end, is_stock=True).scaled(self.tested.scale)

    @cached_property
    def tested(self) -> Tested:
        """What it would have said on past days, beside what came."""
        compared = []
        for back in range(1, min(ORIGINS, len(self.moves) - RECENT) + 1):
            before, came = self.moves.iloc[:-back], self.moves.end.iloc[-back:]
            length = min(back, len(self.horizon.months))
            drawn = _drawn(before, before.end.iloc[-1], length)
            actual = came.head(drawn.shape[1])
            made = drawn.mean(axis=0), drawn.std(axis=0)
            compared.append(compare(actual.index[0], actual.index, actual, *made))
        return gathered(compared)

    @property
    def parts(self) -> pd.DataFrame:
        """Expect what each month brings: `period`, `start`, the movements, and `end`."""
        usual = self.moves.tail(RECENT)
        rates = usual[SHARES].sum() / usual.start.sum()
        fresh = usual[FRESH].mean()
        found, running, left = [], self.running, self.horizon.left
        for month in self.horizon.months:
            moved = (fresh * left).to_dict() | (rates * running * left).to_dict()
            end = running + sum(SIGNS[name] * amount for name, amount in moved.items())
            found.append({"period": month.label, "start": running, **moved, "end": end})
            running, left = end, 1.0
        return pd.DataFrame(found)


def renewed(ws: Workspace, length: int = 12) -> Recurring:
    """Carry recurring revenue on from what runs now.

    What is new comes as in the year before; what runs grows, shrinks and leaves at the rates of the
    year before. Each month ahead is drawn from the months of that year.

    Parameters
    ----------
    ws
        Needs `subscriptions`.
    length
        Months ahead.
    """
    missing = lacking(ws.tables, NEEDS)
    if not missing and ws.tables.as_of is None:
        missing = "no day is known to look from"
    if not missing:
        latest = last_whole(ws.tables.as_of, "month")
        moves = _moves(ws, last(LOOK_BACK, latest.label))
        now = ws.tables.as_of + ONE_DAY
        running = recurring.mrr_on(ws.tables, now).mrr.sum().to_pandas()
        missing = "" if len(moves) >= FEWEST else f"fewer than {FEWEST} months are known"
    if missing:
        return Recurring(pd.DataFrame(columns=["start", *SIGNS, "end"]), 0.0, None, missing)
    return Recurring(moves, float(running or 0.0), horizon(now, length), "")


def _moves(ws: Workspace, months: Periods) -> pd.DataFrame:
    """Sum the movements of each month, from the first in which there were customers."""
    rows = recurring.movements(ws.tables, within(ws, months))
    names = ["start_mrr", *SIGNS, "end_mrr"]
    sums = rows.group_by("period").aggregate(**{name: rows[name].sum() for name in names})
    moves = sums.to_pandas().set_index("period").sort_index()
    moves.index = pd.to_datetime(moves.index)
    moves = moves.rename(columns={"start_mrr": "start", "end_mrr": "end"})
    return moves[moves.start > 0]


def _drawn(moves: pd.DataFrame, running: float, length: int, left: float = 1.0) -> np.ndarray:
    """Draw months ahead from the latest months: a row per draw, a column per month.

    What comes in the share of the first month that is `left` is less, and varies less.
    """
    chance = np.random.default_rng(SEED)
    usual = moves.tail(RECENT)
    signs = pd.Series(SIGNS)
    growth = (usual[SHARES] @ signs[SHARES] / usual.start).to_numpy()
    fresh = usual[FRESH].sum(axis=1).to_numpy()
    running = np.full(DRAWS, running)
    drawn = np.empty((DRAWS, length))
    for month in range(length):
        picked = chance.integers(len(usual), size=DRAWS)
        share = left if month == 0 else 1.0
        rate, new = (
            share * each.mean() + np.sqrt(share) * (each[picked] - each.mean())
            for each in (growth, fresh)
        )
        running = running * (1 + rate) + new
        drawn[:, month] = running
    return drawn
