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
from revops_kit.periods import Periods, last, last_whole

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
    horizon
        The months ahead.
    missing_because
        Why nothing can be said; empty when it can.
    """

    moves: pd.DataFrame
    horizon: Horizon | None
    missing_because: str

    @cached_property
    def ahead(self) -> Ahead:
        """What lies ahead, with intervals as wide as past forecasts needed."""
        months = self.horizon.months
        drawn = _drawn(self.moves, len(months))
        return Ahead(months, drawn, self.moves.end, is_stock=True).scaled(self.tested.scale)

    @cached_property
    def tested(self) -> Tested:
        """What it would have said on past days, beside what came."""
        compared = []
        for back in range(1, min(ORIGINS, len(self.moves) - RECENT) + 1):
            before, came = self.moves.iloc[:-back], self.moves.end.iloc[-back:]
            drawn = _drawn(before, min(back, len(self.horizon.months)))
            actual = came.head(drawn.shape[1])
            compared.append(compare(actual.index[0], actual, drawn.mean(axis=0), drawn.std(axis=0)))
        return gathered(compared)

    @property
    def parts(self) -> pd.DataFrame:
        """Expect what each month brings: `period`, `start`, the movements, and `end`."""
        usual = self.moves.tail(RECENT)
        rates = usual[SHARES].sum() / usual.start.sum()
        fresh = usual[FRESH].mean()
        found, running = [], self.moves.end.iloc[-1]
        for month in self.horizon.months:
            moved = fresh.to_dict() | (rates * running).to_dict()
            end = running + sum(SIGNS[name] * amount for name, amount in moved.items())
            found.append({"period": month.label, "start": running, **moved, "end": end})
            running = end
        return pd.DataFrame(found)


def renewed(ws: Workspace, length: int = 12) -> Recurring:
    """Carry recurring revenue on from the last month that is over.

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
        missing = "" if len(moves) >= FEWEST else f"fewer than {FEWEST} months are known"
    if missing:
        return Recurring(pd.DataFrame(columns=["start", *SIGNS, "end"]), None, missing)
    return Recurring(moves, horizon(latest.end, length), "")


def _moves(ws: Workspace, months: Periods) -> pd.DataFrame:
    """Sum the movements of each month, from the first in which there were customers."""
    rows = recurring.movements(ws.tables, within(ws, months))
    names = ["start_mrr", *SIGNS, "end_mrr"]
    sums = rows.group_by("period").aggregate(**{name: rows[name].sum() for name in names})
    moves = sums.to_pandas().set_index("period").sort_index()
    moves.index = pd.to_datetime(moves.index)
    moves = moves.rename(columns={"start_mrr": "start", "end_mrr": "end"})
    return moves[moves.start > 0]


def _drawn(moves: pd.DataFrame, length: int) -> np.ndarray:
    """Draw months ahead from the latest months: a row per draw, a column per month."""
    chance = np.random.default_rng(SEED)
    usual = moves.tail(RECENT)
    signs = pd.Series(SIGNS)
    growth = (usual[SHARES] @ signs[SHARES] / usual.start).to_numpy()
    fresh = usual[FRESH].sum(axis=1).to_numpy()
    running = np.full(DRAWS, moves.end.iloc[-1])
    drawn = np.empty((DRAWS, length))
    for month in range(length):
        picked = chance.integers(len(usual), size=DRAWS)
        running = running * (1 + growth[picked]) + fresh[picked]
        drawn[:, month] = running
    return drawn
