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


def _total(fetched: pd.DataFrame, keys: list[str], policies: Policies) -> pd.DataFrame:
    return fetched.assign(value=fetched.numerator, low=np.nan, high=np.nan, denominator=np.nan)


def _proportion(fetched: pd.DataFrame, keys: list[str], policies: Policies) -> pd.DataFrame:
    top, trials = fetched.numerator.to_numpy(), fetched.denominator.to_numpy()
    # By Baremetrics' rule more may leave than were there: that is no share, and has no interval.
    is_share = top <= trials
    low, high = intervals.wilson(np.where(is_share, top, 0.0), trials)
    return fetched.assign(
        value=fetched.numerator / fetched.denominator.replace(0, np.nan),
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
    value = fetched.numerator / fetched.denominator.replace(0, np.nan)
    # Parts are amounts of 0 and more, and so is what they come to.
    return fetched.assign(value=value, low=np.maximum(low, 0.0), high=high)


def _cost_per(fetched: pd.DataFrame, keys: list[str], policies: Policies) -> pd.DataFrame:
    count = fetched.denominator.to_numpy()
    fewest, most = intervals.poisson(count)
    value = fetched.numerator / fetched.denominator.replace(0, np.nan)
    fewest = np.where(fewest > 0, fewest, np.nan)
    if keys == ["period"]:
        # A channel can be unpaid; a company that spent nothing has not booked its spend yet.
        value = value.where(fetched.numerator != 0)
    spent = [
        "undefined: money was spent and nothing won by it"
        if top and not bottom
        else "no spend is booked"
        if not top and keys == ["period"]
        else None
        for top, bottom in zip(fetched.numerator, fetched.denominator, strict=True)
    ]
    unpaid = [
        "unpaid" if bottom and not top and keys != ["period"] else None
        for top, bottom in zip(fetched.numerator, fetched.denominator, strict=True)
    ]
    return fetched.assign(
        value=value,
        n=count,
        low=(fetched.numerator / np.where(most > 0, most, np.nan)).where(value.notna()),
        high=(fetched.numerator / fewest).where(value.notna()),
        missing_because=spent,
        note=unpaid,
    )


def _counts(rows: ir.Table, keys: list[str]) -> ir.Table:
    return rows.group_by([*keys, "days"]).aggregate(count=rows.count())


def _median(fetched: pd.DataFrame, keys: list[str], policies: Policies) -> pd.DataFrame:
    # A duration below zero is impossible, and one without a start unknown: both are told in notes.
    possible = fetched[fetched.days >= 0]
    folded = []
    for key, group in possible.groupby(keys, sort=False):
        value, low, high, n = intervals.median_from_counts(
            group.days.to_numpy(dtype=float), group["count"].to_numpy()
        )
        folded.append((*key, value, low, high, n, np.nan, np.nan))
    return pd.DataFrame(folded, columns=[*keys, *COLUMNS])


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
