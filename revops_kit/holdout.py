"""Whether the models of lifetime value hold: what they expected, against what came.

Each is fitted to the history before a cut, and held against what came after, which it has not seen.
"""

from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from revops_kit.errors import StatisticsError
from revops_kit.kpis.clv import buying, retention_model
from revops_kit.lifetimes import Histories, end_of, fetched
from revops_kit.periods import ONE_DAY, Periods
from revops_kit.stats.intervals import Z
from revops_kit.tables import Tables
from revops_kit.units import RATIO, SHARE, Unit, number, plural
from revops_kit.wording import Words

if TYPE_CHECKING:
    from revops_kit.stats.lifetime import BgNbd, ParetoNbd, ShiftedBetaGeometric

TENURES = (0, 6, 12, 24, 36)  # months at which a group of tenures begins
OFTEN = 7  # repeat purchases that share a group with more


@dataclass(frozen=True, eq=False)
class Holdout:
    """A model fitted to the history before a cut, against what came after it.

    Attributes
    ----------
    measure
        What is compared: "customers still there" or "repeat purchases".
    unit, each
        What time is counted in, week or month, and what `by_history` is measured in.
    over_time
        `after` (the cut, in units of time), `actual` and `expected`.
    by_history
        `history` (months of tenure, or repeat purchases, before the cut), `customers`, and
        `actual` with its interval (`low`, `high`) and `expected` per customer at the end.
    said
        How far off, in a sentence; or why there is no check.
    missing_because
        Why there is no check; empty when there is one.
    """

    measure: str
    unit: str
    each: Unit
    over_time: pd.DataFrame
    by_history: pd.DataFrame
    said: str
    missing_because: str

    @property
    def history(self) -> str:
        """What customers are told apart by."""
        what = "months of tenure" if self.unit == "month" else self.measure
        return f"{what} before the cut"

    def headline(self) -> Words:
        """Tell how far off the model was."""
        return Words(self.said)


def check(known: Histories) -> Holdout:
    """Fit the model to the history before a cut, and hold it against what came after.

    The cut lies a year before the end of the period, or half-way where the data are shorter.
    """
    compared = ("customers still there", "month", SHARE)
    if not known.is_contract:
        compared = ("repeat purchases", "week", RATIO)
    figure = known.figure
    missing = figure.missing_because
    if not missing:
        compare = _contracts if known.is_contract else _purchases
        try:
            return Holdout(*compared, *compare(figure.tables, figure.periods, known.frame), "")
        except StatisticsError as error:
            missing = f"before the cut, {str(error)[0].lower()}{str(error)[1:].rstrip('.')}"
    over_time = pd.DataFrame(columns=["after", "actual", "expected"])
    by_history = pd.DataFrame(columns=["history", "customers", "actual", "low", "high", "expected"])
    said = f"No check of the model: {missing}."
    return Holdout(*compared, over_time, by_history, said, missing)


def _until(tables: Tables, end: pd.Timestamp) -> tuple[Tables, Periods]:
    """See the tables as they were before a day."""
    last = end.date() - ONE_DAY
    return replace(tables, as_of=last), Periods("all", as_of=last)


def _contracts(
    tables: Tables, run: Periods, after: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    end, first = end_of(run), pd.Timestamp(after.since.min())
    months = min(12, ((end.year - first.year) * 12 + end.month - first.month) // 2 - 1)
    if months < 1:
        raise StatisticsError("Less than four months of history are there.")
    # The month of tenure under way at the cut is known in part, and left to itself.
    cut = end - pd.DateOffset(months=months + 1)
    before = fetched(*_until(tables, cut))
    model, there = retention_model(before), before[~before.left]
    both = there.merge(after, on="customer", suffixes=("", "_after"))
    tenure = both.months + 1
    # One who served so many months did not make the renewal after the last of them.
    made = both.months_after.sub(1).where(both.left_after, np.inf) - tenure
    tenure, made = tenure[made >= 0].to_numpy(), made[made >= 0].to_numpy()
    steps = np.arange(months + 1)
    actual = np.array([(made >= step).sum() for step in steps])

    def expected(model: "ShiftedBetaGeometric", step: int) -> np.ndarray:
        return model.survival(tenure + step) / model.survival(tenure)

    by_step = [expected(model, step).sum() for step in steps]
    chance = expected(model, months)
    error = model.error(lambda each: expected(each, months).sum())
    width = Z * np.hypot(np.sqrt((chance * (1 - chance)).sum()), 0.0 if error != error else error)
    over_time = pd.DataFrame({"after": steps, "actual": actual, "expected": by_step})
    group = np.searchsorted(TENURES, tenure, side="right") - 1
    ends = [f"{low} to {high - 1}" for low, high in pairwise(TENURES)]
    names = [*ends, f"{TENURES[-1]}+"]
    by_history = _by_history(group, names, made >= months, chance)
    off = actual[-1] - by_step[-1]
    said = (
        f"Of {plural(len(made), 'customer')} followed from {cut.date() - ONE_DAY} on, "
        f"{number(actual[-1])} made the next {plural(months, 'renewal')}; the model fitted to the "
        f"history before expected {number(by_step[-1])}: {_off(off, by_step[-1])}, "
        f"{'within' if abs(off) <= width else 'more than'} what chance explains (±{number(width)})."
    )
    return over_time, by_history, said


def _purchases(
    tables: Tables, run: Periods, after: pd.DataFrame
) -> tuple[pd.DataFrame, pd.DataFrame, str]:
    from revops_kit.stats.lifetime import fit_pareto_nbd

    first = pd.Timestamp(after.since.min())
    weeks = min(52, (end_of(run) - first).days // 14)
    if not weeks:
        raise StatisticsError("Less than two weeks of history are there.")
    cut = end_of(run) - pd.Timedelta(weeks=weeks)
    before = fetched(*_until(tables, cut))
    model = buying(before)
    steps = np.arange(weeks + 1)

    def expected(model: "BgNbd | ParetoNbd", t: np.ndarray) -> np.ndarray:
        return model.conditional(t, *(before[name].to_numpy(float) for name in ("x", "t_x", "age")))

    by_step = expected(model, steps[:, None].astype(float)).sum(axis=1)
    paid = tables.payments
    bought = paid.filter(
        (paid.amount > 0) & (paid.paid_on >= cut.date()) & (paid.paid_on < end_of(run).date())
    )
    days = bought.select("customer_id", day=bought.paid_on.cast("date")).distinct().to_pandas()
    days = days[days.customer_id.isin(before.customer)]
    week = (pd.to_datetime(days.day) - cut).dt.days // 7 + 1
    actual = np.cumsum(np.bincount(week, minlength=weeks + 1))
    over_time = pd.DataFrame({"after": steps, "actual": actual, "expected": by_step})
    own = before.customer.map(days.customer_id.value_counts()).fillna(0).to_numpy()
    names = [*map(str, range(OFTEN)), f"{OFTEN}+"]
    group = np.minimum(before.x.to_numpy(), OFTEN)
    by_history = _by_history(group, names, own, expected(model, float(weeks)))
    said = (
        f"In the {plural(weeks, 'week')} after {cut.date() - ONE_DAY}, "
        f"{plural(len(before), 'customer')} made {plural(int(actual[-1]), 'repeat purchase')}; "
        f"the model fitted to the history before expected {number(by_step[-1])}: "
        f"{_off(actual[-1] - by_step[-1], by_step[-1])}."
    )
    # A second opinion; it is missing where it cannot be had.
    with suppress(StatisticsError):
        other = expected(buying(before, fit_pareto_nbd), float(weeks)).sum()
        said = f"{said[:-1]} (Pareto/NBD expected {number(other)})."
    return over_time, by_history, said


def _by_history(
    group: np.ndarray, names: list[str], actual: np.ndarray, expected: np.ndarray
) -> pd.DataFrame:
    """Average what came and what was expected, by the history before the cut."""
    parts = pd.DataFrame({"group": group, "actual": actual, "expected": expected}).astype(float)
    found = parts.groupby("group").agg(
        customers=("actual", "size"),
        actual=("actual", "mean"),
        error=("actual", "sem"),
        expected=("expected", "mean"),
    )
    found["low"] = (found.actual - Z * found.error).clip(lower=0)
    found["high"] = found.actual + Z * found.error
    found["history"] = [names[int(at)] for at in found.index]
    columns = ["history", "customers", "actual", "low", "high", "expected"]
    return found.reset_index(drop=True)[columns]


def _off(difference: float, expected: float) -> str:
    if not expected:
        return "none was expected"
    return f"{SHARE.write(abs(difference) / expected)} {'more' if difference > 0 else 'fewer'}"
