"""The chance of an open deal to be won within so many days, by its stage, age and size.

Deals are looked at where they stood when each past month began (*landmarks*), and followed from
there: what became of those that were then in the same stage, as old and as large? Won and lost
compete, and what is still open is censored. Deals weigh by their amount, for it is money that is
expected, and within a third of size, too, the larger take longer.

Only what was known on the day looked from goes in, so that the same chances can be had for any day
in the past. (Where the thirds of size lie, and what a deal without an amount usually comes to, is
read off all deals known today, once.)
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from revops_kit import deals
from revops_kit.periods import Periods
from revops_kit.tables import Tables

AGES = (30, 60, 90, 180, 360)
SIZES = (1 / 3, 2 / 3)
GROUPS = (["stage", "age", "size"], ["stage", "size"], ["stage"], [])
"""What deals are alike by; the next where too few were."""
KEPT = 0.9
"""Share of lost deals that must have an amount for deals to be alike by size."""
ENOUGH = 20
"""Decided deals that a group needs for chances of its own."""

LAST = 730
"""Days that deals are followed; who is won later than that is won too late to be waited for."""


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Open deals as they stood when each month began, and what became of them.

    Attributes
    ----------
    counts
        A row per `day` (the month's first), `stage` ("" where none is kept), `age` (which band of
        `AGES`), `size` (which third), `closed` (day, missing while open) and `outcome`: `count`,
        `amount` (as it stood, or as is usual) and `final` (what it became).
    """

    counts: pd.DataFrame

    @property
    def decided(self) -> int:
        """How many were decided, those open when several months began each time."""
        return int(self.counts["count"][self.counts.closed.notna()].sum())

    def known(self, day: dt.date) -> pd.DataFrame:
        """Give what was known when a day began: `days` and `event` ("" while open), by landmark.

        A deal that closed on the landmark's day took 0 days.
        """
        seen = self.counts[self.counts.day < pd.Timestamp(day)]
        is_closed = seen.closed < pd.Timestamp(day)
        # What is open now did not close up to the day before.
        until = seen.closed.where(is_closed, pd.Timestamp(day) - pd.Timedelta(days=1))
        return seen.assign(days=(until - seen.day).dt.days, event=seen.outcome.where(is_closed, ""))

    def waiting(self, day: dt.date) -> pd.DataFrame:
        """Give the deals open on a month's first day, one row each."""
        seen = self.counts[self.counts.day == pd.Timestamp(day)]
        each = seen.loc[seen.index.repeat(seen["count"])]
        each = each.assign(amount=each.amount / each["count"])
        return each[["stage", "age", "size", "amount"]].reset_index(drop=True)


@dataclass(frozen=True, eq=False)
class Chances:
    """The chance to be won by each day.

    Attributes
    ----------
    curves
        Group → the share won by day 0, 1, … `LAST`. A group is what deals have in common, as a
        tuple of the columns of `GROUPS` and their values; the share is of amounts.
    growth
        What a won deal came to, as a multiple of its amount when looked at.
    """

    curves: dict[tuple, np.ndarray]
    growth: float

    def won_by(self, stage: str, age: int, size: int, days: np.ndarray) -> np.ndarray:
        """Give the chance to be won by so many days from now, today being 0; flat after `LAST`."""
        alike = {"stage": stage, "age": age, "size": size}
        for keys in GROUPS:
            curve = self.curves.get(tuple((key, alike[key]) for key in keys))
            if curve is not None:
                return curve[np.minimum(days, LAST).astype(int)]
        return np.zeros(len(days))


def landmarks(tables: Tables, months: Periods) -> Landmarks:
    """Look at all open deals at the end of each month, and follow them.

    Parameters
    ----------
    tables
        Needs `opportunities` with `opened_at`; stages are those that `stage_changes` kept.
    """
    seen = standing(tables, deals.open_at(tables, months))
    # A deal decided nobody knows when cannot be followed.
    seen = seen.filter((seen.outcome == "open") | seen.closed_at.notnull())
    alike = ["stage", "age", "size", "outcome"]
    counts = seen.group_by(*alike, day="ends", closed=seen.closed_at.cast("date")).aggregate(
        count=seen.count(), amount=seen.amount.sum(), final=seen.final.sum()
    )
    # Engines give rows in any order, and the last digit of a sum hangs on it.
    frame = counts.to_pandas().sort_values([*alike, "day", "closed"], ignore_index=True)
    days = {name: pd.to_datetime(frame[name]) for name in ("day", "closed")}
    return Landmarks(frame.assign(**days))


def standing(tables: Tables, waiting: ir.Table) -> ir.Table:
    """Add to open deals `stage`, the bands of `age` and `size`, and what they came to (`final`).

    A deal without an amount is taken to be worth what won deals came to on average: it is not
    worth nothing. `is_guessed` says so.

    Parameters
    ----------
    waiting
        Deals with `period` and `ends`, the day that they are looked at.
    """
    stood = deals.as_they_stood(tables, waiting.mutate(final=waiting.amount.fill_null(0.0)))
    usual, edges = _amounts(tables)
    amount = stood.amount.nullif(0.0)
    stood = stood.mutate(amount=amount.fill_null(usual), is_guessed=amount.isnull())
    # A stage that only today's table knows would be hindsight.
    kept = tables.has("stage_changes", "stage") and tables.has("stage_changes", "changed_at")
    return stood.mutate(
        stage=stood.stage.fill_null("") if kept else ibis.literal(""),
        age=_band(stood.ends.delta(stood.opened_at.cast("date"), unit="day"), AGES),
        size=_band(stood.amount, edges),
    )


def _amounts(tables: Tables) -> tuple[float, list[float]]:
    """Find what won deals came to on average, and where the thirds of all amounts lie.

    There are no thirds where lost deals mostly keep no amount, as in a CRM that blanks it: having
    one would then tell that a deal was won.
    """
    known = tables.opportunities
    amount, is_lost = known.amount.nullif(0.0), known.outcome == "lost"
    thirds = {f"edge{at}": amount.quantile(share) for at, share in enumerate(SIZES)}
    found = known.aggregate(
        usual=amount.mean(where=known.outcome == "won"),
        lost=is_lost.cast("int64").sum(),
        kept=(is_lost & amount.notnull()).cast("int64").sum(),
        **thirds,
    )
    row = found.to_pandas().astype(float).fillna(0.0).iloc[0]
    is_kept = row.kept >= KEPT * row.lost
    return row.usual, [row[name] for name in thirds] if is_kept else []


def _band(value: ir.NumericValue, edges: Iterable[float]) -> ir.IntegerValue:
    """Say how many of the edges a value has reached; none where it is missing."""
    reached = ((value >= float(edge)).fill_null(False).cast("int32") for edge in edges)
    return sum(reached, ibis.literal(0, "int32"))


def chances(followed: Landmarks, day: dt.date) -> Chances:
    """Estimate the chances as they were known on a day.

    References
    ----------
    Landmarking: H. van Houwelingen, Scandinavian Journal of Statistics 34 (2007), 70-85; the
    curves are those of O. O. Aalen and S. Johansen (stats.survival).
    """
    known = followed.known(day)
    if known.empty:
        return Chances({}, 1.0)
    won = known[(known.event == "won") & (known.amount > 0)]
    ids, alike = _numbered(known, GROUPS[0])
    decided = np.bincount(ids, known["count"].where(known.event != "", 0))
    amounts = _amounts_by_day(known, ids, len(alike))
    curves = {}
    for keys in GROUPS:
        # Larger groups are made of the smallest.
        members, groups = _numbered(alike, keys)
        summed = np.zeros((len(groups), *amounts.shape[1:]))
        np.add.at(summed, members, amounts)
        enough = np.bincount(members, decided) >= (ENOUGH if keys else 1)
        named = groups.itertuples(index=False, name=None)
        for group, curve, is_enough in zip(named, _won_by_day(summed), enough, strict=True):
            if is_enough:
                curves[tuple(zip(keys, group, strict=True))] = curve
    return Chances(curves, float(won.final.sum() / won.amount.sum()) if len(won) else 1.0)


def _numbered(rows: pd.DataFrame, keys: list[str]) -> tuple[np.ndarray, pd.DataFrame]:
    """Say which group of alike rows each is in, and give what each group has in common."""
    ids = rows.groupby(keys).ngroup().to_numpy() if keys else np.zeros(len(rows), dtype=int)
    _, first = np.unique(ids, return_index=True)
    return ids, rows[keys].iloc[first]


def _amounts_by_day(known: pd.DataFrame, ids: np.ndarray, groups: int) -> np.ndarray:
    """Sum amounts by group, end (censored, won, lost) and day."""
    ends = known.event.map({"": 0, "won": 1, "lost": 2}).to_numpy()
    days = np.minimum(known.days.to_numpy(), LAST)
    cell = np.ravel_multi_index((ids, ends, days), shape := (groups, 3, LAST + 1))
    weights = known.amount.clip(lower=0.0)
    if not weights.any():
        weights = known["count"]
    return np.bincount(cell, weights, np.prod(shape)).reshape(shape)


def _won_by_day(amounts: np.ndarray) -> np.ndarray:
    """Estimate the share won by each day, of all groups at once.

    This is `stats.survival.aalen_johansen` without its intervals, which some hundred groups on
    dozens of days have no need of and no time for.
    """
    at_risk = amounts.sum(axis=1)[:, ::-1].cumsum(axis=1)[:, ::-1]
    at_risk = np.where(at_risk > 0, at_risk, 1)
    survival = np.cumprod(1 - amounts[:, 1:].sum(axis=1) / at_risk, axis=1)
    before = np.column_stack([np.ones(len(amounts)), survival[:, :-1]])
    return np.cumsum(before * amounts[:, 1] / at_risk, axis=1)
