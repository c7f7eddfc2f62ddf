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
from functools import cached_property
from typing import NamedTuple

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from revops_kit import deals
from revops_kit.periods import Periods
from revops_kit.tables import Tables

AGES = (30, 60, 90, 180, 360)
SIZES = (1 / 3, 2 / 3)
ALIKE = ["stage", "age", "size"]
GROUPS = (ALIKE, ["stage", "size"], ["stage"], [])
"""What deals are alike by; the next where too few were."""
KEPT = 0.9
"""Share of lost deals that must have an amount for deals to be alike by size."""
ENOUGH = 20
"""Decided deals that a group needs for chances of its own."""

LAST = 730
"""Days that deals are followed; who is won later than that is won too late to be waited for."""
OPEN, WON, LOST = range(3)


class Waiting(NamedTuple):
    """Open deals: the groups of those that are alike, the group of each deal, and its amount.

    A group is what its deals have in common: the values of `ALIKE`.
    """

    alike: list[tuple]
    group: np.ndarray
    amount: np.ndarray


class Known(NamedTuple):
    """What had become of landmarks: group, days since, end (`OPEN`, `WON` or `LOST`), and sums."""

    group: np.ndarray
    days: np.ndarray
    end: np.ndarray
    count: np.ndarray
    amount: np.ndarray
    final: np.ndarray


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Open deals as they stood when each month began, and what became of them.

    Attributes
    ----------
    alike
        The groups of deals that are alike: `stage` ("" where none is kept), `age` (which band of
        `AGES`), `size` (which third).
    group, day, closed, end
        Which deals: their group, the month's first day, the day they closed (missing while open)
        and how they ended (`OPEN`, `WON` or `LOST`).
    count, amount, final
        How many they are, their amount (as it stood, or as is usual), and what it became.
    """

    alike: list[tuple]
    group: np.ndarray
    day: np.ndarray
    closed: np.ndarray
    end: np.ndarray
    count: np.ndarray
    amount: np.ndarray
    final: np.ndarray

    @property
    def decided(self) -> int:
        """How many were decided, those open when several months began each time."""
        return int(self.count[self.end != OPEN].sum())

    def known(self, day: dt.date) -> Known:
        """Give what was known when a day began, the landmarks before it.

        A deal that closed on the landmark's day took 0 days.
        """
        today = np.datetime64(day)
        seen = self.day < today
        closed = self.closed[seen]
        is_closed = closed < today
        # What is open now did not close up to the day before.
        until = np.where(is_closed, closed, today - 1)
        days = (until - self.day[seen]).astype(int)
        end = np.where(is_closed, self.end[seen], OPEN)
        sums = (each[seen] for each in (self.count, self.amount, self.final))
        return Known(self.group[seen], days, end, *sums)

    def waiting(self, day: dt.date) -> Waiting:
        """Give the deals open on a month's first day."""
        seen = self.day == np.datetime64(day)
        count = self.count[seen]
        amount = np.repeat(self.amount[seen] / count, count)
        return Waiting(self.alike, np.repeat(self.group[seen], count), amount)

    @cached_property
    def larger(self) -> list[tuple[np.ndarray, list[tuple]]]:
        """For each of `GROUPS`: in which of them deals alike are, and what each has in common."""
        found = []
        for keys in GROUPS:
            shared = [_shared(each, keys) for each in self.alike]
            place = {each: number for number, each in enumerate(dict.fromkeys(shared))}
            found.append((np.array([place[each] for each in shared], dtype=int), list(place)))
        return found


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

    def of(self, alike: tuple) -> np.ndarray:
        """Give the chance of deals alike to be won by day 0, which is today, 1, … `LAST`."""
        for keys in GROUPS:
            curve = self.curves.get(_shared(alike, keys))
            if curve is not None:
                return curve
        return np.zeros(LAST + 1)


def _shared(alike: tuple, keys: list[str]) -> tuple:
    """Give what deals that are alike have in common by fewer columns."""
    return tuple((name, each) for name, each in zip(ALIKE, alike, strict=True) if name in keys)


class Sizes(NamedTuple):
    """What won deals came to on average, and where the thirds of all amounts lie."""

    usual: float
    edges: list[float]


def landmarks(tables: Tables, months: Periods, sizes: Sizes) -> Landmarks:
    """Look at all open deals at the end of each month, and follow them.

    Parameters
    ----------
    tables
        Needs `opportunities` with `opened_at`; stages are those that `stage_changes` kept.
    """
    waiting = deals.open_at(tables, months, "amount", "stage")
    # A deal decided nobody knows when cannot be followed.
    waiting = waiting.filter((waiting.outcome == "open") | waiting.closed_at.notnull())
    waiting = waiting.mutate(final=waiting.amount.fill_null(0.0))
    stood = deals.as_they_stood(tables, waiting)
    seen = standing(tables, stood, sizes)
    kinds = {name: seen[name] for name in ALIKE}
    days = {"day": stood.ends, "closed": stood.closed_at.cast("date")}
    counts = stood.group_by("outcome", **kinds, **days).aggregate(
        count=stood.count(), amount=seen["amount"].sum(), final=stood.final.sum()
    )
    # Engines give rows in any order, and the last digit of a sum hangs on it.
    frame = counts.to_pandas().sort_values([*kinds, "outcome", *days])
    alike, group = grouped(frame)
    days = (pd.to_datetime(frame[name]).to_numpy("datetime64[D]") for name in ("day", "closed"))
    end = frame.outcome.map({"open": OPEN, "won": WON, "lost": LOST}).to_numpy(int)
    sums = (frame[name].to_numpy() for name in ("count", "amount", "final"))
    return Landmarks(alike, group, *days, end, *sums)


def grouped(rows: pd.DataFrame) -> tuple[list[tuple], np.ndarray]:
    """Give the groups of deals that are alike, and which group each row is in."""
    alike = rows.groupby(ALIKE)
    return list(alike.groups), alike.ngroup().to_numpy()


def standing(tables: Tables, stood: ir.Table, sizes: Sizes) -> dict[str, ir.Value]:
    """Say of open deals, as they stood, their `amount`, `stage`, and bands of `age` and `size`.

    A deal without an amount is taken to be worth what won deals came to on average: it is not
    worth nothing. `is_guessed` says so.

    Parameters
    ----------
    stood
        Deals with `ends`, the day that they are looked at.
    """
    known = stood.amount.nullif(0.0)
    amount = known.fill_null(sizes.usual)
    # A stage that only today's table knows would be hindsight.
    kept = tables.has("stage_changes", "stage") and tables.has("stage_changes", "changed_at")
    return {
        "amount": amount,
        "is_guessed": known.isnull(),
        "stage": stood.stage.fill_null("") if kept else ibis.literal(""),
        "age": _band(stood.ends.delta(stood.opened_at.cast("date"), unit="day"), AGES),
        "size": _band(amount, sizes.edges),
    }


def sizes(tables: Tables) -> Sizes:
    """Find what won deals came to, and the thirds, of all deals known.

    There are no thirds where lost deals mostly keep no amount, as in a CRM that blanks it: having
    one would then tell that a deal was won.
    """
    known = tables.opportunities.select("amount", "outcome")
    amount, is_lost = known.amount.nullif(0.0), known.outcome == "lost"
    thirds = {f"edge{at}": amount.quantile(share) for at, share in enumerate(SIZES)}
    found = known.aggregate(
        usual=amount.mean(where=known.outcome == "won"),
        lost=is_lost.sum(),
        kept=(is_lost & amount.notnull()).sum(),
        **thirds,
    )
    row = found.to_pandas().astype(float).fillna(0.0).iloc[0]
    is_kept = row.kept >= KEPT * row.lost
    return Sizes(row.usual, [row[name] for name in thirds] if is_kept else [])


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
    if not len(known.group):
        return Chances({}, 1.0)
    decided = np.bincount(known.group, known.count * (known.end != OPEN), len(followed.alike))
    amounts = _amounts_by_day(known, len(followed.alike))
    curves = {}
    for keys, (members, names) in zip(GROUPS, followed.larger, strict=True):
        # Larger groups are made of the smallest.
        enough = np.bincount(members, decided) >= (ENOUGH if keys else 1)
        summed = np.zeros((len(names), *amounts.shape[1:]))
        for member, amount in zip(members, amounts, strict=True):
            summed[member] += amount
        named = (name for name, is_enough in zip(names, enough, strict=True) if is_enough)
        curves |= zip(named, _won_by_day(summed[enough]), strict=True)
    won = (known.end == WON) & (known.amount > 0)
    growth = known.final[won].sum() / known.amount[won].sum() if won.any() else 1.0
    return Chances(curves, float(growth))


def _amounts_by_day(known: Known, groups: int) -> np.ndarray:
    """Sum amounts by group, end (censored, won, lost) and day."""
    days = np.minimum(known.days, LAST)
    cell = np.ravel_multi_index((known.group, known.end, days), shape := (groups, 3, LAST + 1))
    weights = np.maximum(known.amount, 0.0)
    if not weights.any():
        weights = known.count
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
