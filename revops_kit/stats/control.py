"""Signal or noise: what a figure does of itself, and what it does not (XmR charts)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from revops_kit.errors import RequestError
from revops_kit.stats.arrays import refuse

if TYPE_CHECKING:
    import pandas as pd

# The mean difference of two neighbours is d2 = 1.128 standard deviations of a normal process, so
# that three of those are 3 / 1.128 = 2.66 mean ranges; D4 = 3.268 bounds the ranges themselves.
TO_LIMIT = 2.66
TO_RANGE_LIMIT = 3.268

LEAST_RANGES = 5
RUN = 8
OUTSIDE = "outside the limits"
ONE_SIDE = "eight on one side"
NEAR_LIMIT = "three of four near a limit"


@dataclass(frozen=True, eq=False)
class Xmr:
    """A process-behaviour chart: values, what they vary between of themselves, and signals.

    Attributes
    ----------
    values, ranges
        In order of time, NaN for a gap; and the size of each step from the value before.
    mean, mean_range
        Over the baseline.
    low, high, range_limit
        The natural process limits of values, and the upper limit of ranges. `low` may lie below
        what the figure can be: then there is no lower limit. A range above its limit is not made
        a signal: the step back from one odd value would mark the ordinary one after it.
    missing_because
        Why there are no limits, all NaN then; otherwise None.
    """

    values: np.ndarray
    ranges: np.ndarray
    mean: float
    mean_range: float
    low: float
    high: float
    range_limit: float
    missing_because: str | None = None

    @property
    def signals(self) -> "pd.DataFrame":
        """Give a row per signal: its position, counted from 0, and the rule it breaks.

        A signal stands at the value that completes it: of nine in a row on one side of the mean
        the eighth and the ninth are signals. A gap, or a value on the mean itself, ends a run.
        """
        import pandas as pd

        found = [
            (int(position), rule)
            for rule, broken in self._rules().items()
            for position in np.flatnonzero(broken)
        ]
        frame = pd.DataFrame(found, columns=["position", "rule"])
        return frame.sort_values("position", kind="stable", ignore_index=True)

    def is_signal(self, position: int = -1) -> bool:
        """Tell whether the value at a position, the last by default, is signal.

        Without limits nothing is.
        """
        if self.missing_because:
            return False
        return any(bool(broken[position]) for broken in self._rules().values())

    def sentence(
        self, labels: Sequence[str], write: Callable[[float], str] = "{:.4g}".format
    ) -> str:
        """Tell in a sentence whether the last value is signal, and why.

        Parameters
        ----------
        labels
            A name for each value, such as its period.
        write
            How a value is written: `unit.write`.

        Examples
        --------
        >>> xmr([10, 12, 11, 9, 10, 11, 20]).sentence(list("MTWTFSS"))
        'S is signal: 20 lies above the natural limits, 4.764 to 18.95.'
        """
        if len(labels) != len(self.values):
            raise RequestError(f"{len(labels)} labels for {len(self.values)} values.")
        if self.missing_because:
            return f"Signal cannot be told from noise: {self.missing_because}."
        last, label = self.values[-1], labels[-1]
        if np.isnan(last):
            return f"{label} has no value."
        limits = f"the natural limits, {write(self.low)} to {write(self.high)}"
        side = "above" if last > self.mean else "below"
        rules = self._rules()
        if rules[OUTSIDE][-1]:
            return f"{label} is signal: {write(last)} lies {side} {limits}."
        if rules[ONE_SIDE][-1]:
            run = int(self._runs()[-1])
            mean = write(self.mean)
            return f"{label} is signal: the last {run} values all lie {side} the mean, {mean}."
        if rules[NEAR_LIMIT][-1]:
            limit = f"the upper limit, {write(self.high)}"
            if side == "below":
                limit = f"the lower limit, {write(self.low)}"
            return (
                f"{label} is signal: three of the last four values lie nearer to {limit}, "
                f"than to the mean, {write(self.mean)}."
            )
        return f"{label} is noise: {write(last)} lies within {limits}, and no pattern leads to it."

    def _sides(self, distance: float) -> np.ndarray:
        """Mark values further from the mean than so much: 1 above, -1 below, else 0."""
        # Rounding makes a mean differ from values that are all the same.
        rounding = 1e-9 * np.nanmax(np.abs(self.values), initial=0)
        away = self.values - self.mean
        return np.where(np.abs(away) > distance + rounding, np.sign(away), 0)

    def _runs(self) -> np.ndarray:
        """Count how many values in a row lie on one side of the mean, up to each."""
        runs, run, before = [], 0, 0
        for side in self._sides(0):
            run = run + 1 if side and side == before else int(side != 0)
            before = side
            runs.append(run)
        return np.array(runs)

    def _rules(self) -> dict[str, np.ndarray]:
        if self.missing_because:
            nowhere = np.zeros(len(self.values), dtype=bool)
            return dict.fromkeys((OUTSIDE, ONE_SIDE, NEAR_LIMIT), nowhere)
        places = np.arange(len(self.values))
        after_gap = np.maximum.accumulate(np.where(np.isnan(self.values), places + 1, 0))
        halfway = self._sides((self.high - self.mean) / 2)
        near_limit = [
            bool(side) and np.sum(halfway[max(gap, place - 3) : place + 1] == side) >= 3
            for place, gap, side in zip(places, after_gap, halfway, strict=True)
        ]
        return {
            OUTSIDE: self._sides(self.high - self.mean) != 0,
            ONE_SIDE: self._runs() >= RUN,
            NEAR_LIMIT: np.array(near_limit),
        }


def xmr(values: ArrayLike, baseline: int | None = None) -> Xmr:
    """Work out what a figure varies between of itself, and where it does not.

    The limits are mean ± 2.66 times the mean moving range, the mean size of the step from one
    value to the next. Three rules tell signals: a value outside the limits; eight in a row on one
    side of the mean; three of four in a row, on one side, nearer to the limit than to the mean.

    Parameters
    ----------
    values
        In order of time, whole periods only; NaN for a gap, over which no range is taken. With
        fewer than five ranges (six values in a row) there are no limits, and it says so.
    baseline
        How many of the first values fix mean and limits, such as those before a change; all, when
        left out.

    References
    ----------
    D. J. Wheeler, Understanding Variation (1993), for the chart and, in Making Sense of Data
    (2003), the three rules; after W. A. Shewhart, Economic Control of Quality of Manufactured
    Product (1931). Others take seven or nine for the run; Wheeler takes eight.

    Examples
    --------
    Steps of 2, 1, 2, 1 and 1 from value to value: 1.4 on average, so 10.5 ± 3.724.

    >>> chart = xmr([10, 12, 11, 9, 10, 11])
    >>> round(chart.low, 3), chart.mean, round(chart.high, 3), chart.is_signal()
    (6.776, 10.5, 14.224, False)
    """
    values = np.asarray(values, dtype=float)
    refuse(np.isinf(values), "values are finite, or NaN for a gap")
    if baseline is not None and not 0 < baseline <= len(values):
        raise RequestError(f"A baseline of {baseline} does not fit {len(values)} values.")
    ranges = np.abs(np.diff(values, prepend=np.nan))
    steps = ranges[:baseline]
    steps = steps[~np.isnan(steps)]
    if len(steps) < LEAST_RANGES:
        return Xmr(
            values,
            ranges,
            *[np.nan] * 5,
            missing_because=f"it takes {LEAST_RANGES} steps from value to value, and there are "
            f"{len(steps)}",
        )
    mean = float(np.nanmean(values[:baseline]))
    mean_range = float(steps.mean())
    reach = TO_LIMIT * mean_range
    limit = TO_RANGE_LIMIT * mean_range
    return Xmr(values, ranges, mean, mean_range, mean - reach, mean + reach, limit)
