"""Summaries: fold the rows of a KPI into a number with its uncertainty."""

from collections.abc import Callable
from dataclasses import dataclass

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from revops_kit.stats import intervals
from revops_kit.tables import Policies

COLUMNS = ["value", "low", "high", "n", "numerator", "denominator"]


@dataclass(frozen=True)
class Summary:
    """A way to fold rows into a number with its uncertainty.

    Attributes
    ----------
    aggregate
        Rows and keys → one small lazy table, all that is fetched.
    finish
        That table as a frame, with its keys and the company's choices → `value`, `low`, `high`,
        `n`, `numerator`, `denominator` by key, and `missing_because` or `note` where there is
        something to say.
    parts
        Columns of which segments add up to the whole.
    is_sum
        Whether nothing counted is 0, rather than missing.
    within
        What tells rows of `aggregate` apart besides their keys, where all else in them are sums, so
        that those of segments add up to those of the whole; None where they do not.
    """

    aggregate: Callable[[ir.Table, list[str]], ir.Table]
    finish: Callable[[pd.DataFrame, list[str], Policies], pd.DataFrame]
    parts: tuple[str, ...] = ("numerator", "denominator")
    is_sum: bool = False
    within: tuple[str, ...] | None = None


def _sums(rows: ir.Table, keys: list[str]) -> ir.Table:
    return rows.group_by(keys).aggregate(
        numerator=rows.numerator.sum().cast("float64"),
        denominator=rows.denominator.sum().cast("float64"),
        n=rows.count(),
    )


def _divided(fetched: pd.DataFrame) -> np.ndarray:
    top, bottom = fetched.numerator.to_numpy(), fetched.denominator.to_numpy()
    return top / np.where(bottom == 0, np.nan, bottom)


def _total(fetched: pd.DataFrame, keys: list[str], policies: Policies) -> pd.DataFrame:
    return fetched.assign(value=fetched.numerator, low=np.nan, high=np.nan, denominator=np.nan)


def _proportion(fetched: pd.DataFrame, keys: list[str], policies: Policies) -> pd.DataFrame:
    top, trials = fetched.numerator.to_numpy(), fetched.denominator.to_numpy()
    # By Baremetrics' rule more may leave than were there: that is no share, and has no interval.
    is_share = top <= trials
    low, high = intervals.wilson(np.where(is_share, top, 0.0), trials)
    return fetched.assign(
        value=_divided(fetched),
        low=np.where(is_share, low, np.nan),
        high=np.where(is_share, high, np.nan),
        n=trials,
    )


def _squares(rows: ir.Table, keys: list[str]) -> ir.Table:
    top, bottom = rows.numerator.cast("float64"), rows.denominator.cast("float64")
    return rows.group_by(keys).aggregate(
        numerator=top.sum(),
        denominator=bottom.sum(),
        n=rows.count(),
        xx=(top * top).sum(),
        yy=(bottom * bottom).sum(),
        xy=(top * bottom).sum(),
    )


def _ratio(fetched: pd.DataFrame, keys: list[str], policies: Policies) -> pd.DataFrame:
    parts = (
        fetched[name].to_numpy() for name in ("n", "numerator", "denominator", "xx", "yy", "xy")
    )
    low, high = intervals.delta_ratio(*parts)
    # Parts are amounts of 0 and more, and so is what they come to.
    return fetched.assign(value=_divided(fetched), low=np.maximum(low, 0.0), high=high)


def _cost_per(fetched: pd.DataFrame, keys: list[str], policies: Policies) -> pd.DataFrame:
    spent, count = fetched.numerator.to_numpy(), fetched.denominator.to_numpy()
    fewest, most = intervals.poisson(count)
    # A channel can be unpaid; a company that spent nothing has not booked its spend yet.
    is_company = keys == ["period"]
    is_unbooked = (spent == 0) & is_company
    value = np.where(is_unbooked, np.nan, _divided(fetched))
    is_known = ~np.isnan(value)
    for_nothing = (spent != 0) & (count == 0)
    reasons = ["undefined: money was spent and nothing won by it", "no spend is booked"]
    return fetched.assign(
        value=value,
        n=count,
        low=np.where(is_known, spent / np.where(most > 0, most, np.nan), np.nan),
        high=np.where(is_known, spent / np.where(fewest > 0, fewest, np.nan), np.nan),
        missing_because=np.select([for_nothing, is_unbooked], reasons, None),
        note=np.where((count != 0) & (spent == 0) & (not is_company), "unpaid", None),
    )


def _counts(rows: ir.Table, keys: list[str]) -> ir.Table:
    return rows.group_by([*keys, "days"]).aggregate(count=rows.count())


def _median(fetched: pd.DataFrame, keys: list[str], policies: Policies) -> pd.DataFrame:
    # A duration below zero is impossible, and one without a start unknown: both are told in notes.
    possible = fetched[fetched.days >= 0]
    days, counts = possible.days.to_numpy(dtype=float), possible["count"].to_numpy()
    group = possible.groupby(keys, sort=False).ngroup().to_numpy()
    found = possible[keys].drop_duplicates(ignore_index=True)
    medians = [
        intervals.median_from_counts(days[group == at], counts[group == at])
        for at in range(len(found))
    ]
    folded = pd.DataFrame(medians, columns=["value", "low", "high", "n"])
    return pd.concat([found, folded], axis=1).assign(numerator=np.nan, denominator=np.nan)


total = Summary(_sums, _total, parts=("numerator",), is_sum=True, within=())
"""Add up `numerator`: a fact, so without an interval."""

proportion = Summary(_sums, _proportion, within=())
"""Divide successes by trials, with Wilson's interval."""

ratio = Summary(_squares, _ratio, within=())
"""Divide two sums over independent rows, with the delta method's interval."""

cost_per = Summary(_sums, _cost_per, within=())
"""Divide a known sum by a count that varies, with the count's exact Poisson interval."""

median = Summary(_counts, _median, parts=("n",), within=("days",))
"""Take the median of `days`, with its order-statistic interval."""
