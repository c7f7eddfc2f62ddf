"""Series as they come – with an index, with gaps, one or many – as values in order, and back."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from revops_kit.errors import RequestError
from revops_kit.stats.arrays import refuse

# Days between two periods, at most, and the frequency that has them.
FREQUENCIES = ((1, "D"), (7, "W"), (31, "M"), (92, "Q"), (366, "Y"))


@dataclass(frozen=True)
class Calendar:
    """The periods of an index without gaps, and those that come after it.

    Attributes
    ----------
    periods
        What the history covers: periods, or whole numbers in equal steps.
    as_dates
        Which day of a period a date in the index was: "start" or "end"; None where it had none.
    """

    periods: pd.Index
    as_dates: str | None = None

    def after(self, horizon: int) -> pd.Index:
        """Go on where the history ends."""
        if isinstance(self.periods, pd.PeriodIndex):
            return pd.period_range(self.periods[-1] + 1, periods=horizon, freq=self.periods.freq)
        step = self.periods[-1] - self.periods[-2] if len(self.periods) > 1 else 1
        return pd.Index(self.periods[-1] + step * np.arange(1, horizon + 1))

    def written(self, periods: pd.Index) -> pd.Index:
        """Give periods in the kind that the index was."""
        if self.as_dates is None:
            return periods
        return periods.to_timestamp(how=self.as_dates).normalize()


@dataclass(frozen=True)
class Table:
    """Many series over one calendar: values (periods, series), NaN where there are none."""

    calendar: Calendar
    names: list
    values: np.ndarray
    is_one: bool


def read(y: pd.Series | pd.DataFrame) -> Table:
    """Read a series, or a frame with columns series, period and value.

    Raises
    ------
    RequestError
        If a period comes twice, or is neither a date, a period nor a whole number.
    """
    if isinstance(y, pd.DataFrame):
        lacking = [name for name in ("series", "period", "value") if name not in y]
        if lacking:
            raise RequestError(
                f"A frame to forecast lacks {', '.join(lacking)}. Give series, period and value."
            )
        if y.duplicated(["series", "period"]).any():
            raise RequestError("A series has two values for one period. Sum or drop them first.")
        wide = y.pivot(index="period", columns="series", values="value")
    else:
        name = y.name if y.name is not None else "y"
        wide = pd.Series(y).to_frame(name)
    periods, as_dates = _periods(wide.index)
    if periods.has_duplicates:
        raise RequestError("A series has two values for one period. Sum or drop them first.")
    values = wide.to_numpy(dtype=float, na_value=np.nan)
    refuse(np.isinf(values), "values are finite")
    full = _without_gaps(periods)
    at = full.get_indexer(periods)
    placed = np.full((len(full), values.shape[1]), np.nan)
    placed[at] = values
    return Table(
        Calendar(full, as_dates), list(wide.columns), placed, not isinstance(y, pd.DataFrame)
    )


def fill(values: np.ndarray, season: int) -> np.ndarray:
    """Fill the gaps of one series along straight lines, between values freed of their season.

    Examples
    --------
    >>> fill(np.array([1.0, np.nan, 3.0]), season=1).tolist()
    [1.0, 2.0, 3.0]
    """
    known = ~np.isnan(values)
    if known.all():
        return values
    place = np.arange(len(values))
    seasonal = np.zeros(len(values))
    if season > 1 and known.sum() >= 2 * season:
        straight = np.polynomial.Polynomial.fit(place[known], values[known], 1)(place)
        phase, left = place % season, values - straight
        means = [np.nanmean(left[phase == k]) if known[phase == k].any() else 0.0
                 for k in range(season)]  # fmt: skip
        seasonal = np.array(means)[phase]
    lines = np.interp(place, place[known], (values - seasonal)[known])
    return np.where(known, values, lines + seasonal)


def _periods(index: pd.Index) -> tuple[pd.Index, str | None]:
    """Read an index as periods or whole numbers, and say what its dates were."""
    if isinstance(index, pd.PeriodIndex):
        return index, None
    if pd.api.types.is_integer_dtype(index):
        return index, None
    try:
        dates = pd.DatetimeIndex(index)
    except (TypeError, ValueError) as error:
        raise RequestError(
            "Periods to forecast from are dates, pandas periods or whole numbers. Convert them."
        ) from error
    ordered = dates.sort_values()
    apart = (
        np.median(np.diff(ordered).astype("timedelta64[D]").astype(int)) if len(dates) > 1 else 31
    )
    letter = next((code for most, code in FREQUENCIES if apart <= most), "Y")
    if letter == "W":
        letter = f"W-{ordered[0].day_name()[:3].upper()}"
        return dates.to_period(letter), "end"
    periods = dates.to_period(letter)
    is_end = len(dates) > 0 and (dates.normalize() == periods.end_time.normalize()).all()
    return periods, "end" if is_end and letter != "D" else "start"


def _without_gaps(periods: pd.Index) -> pd.Index:
    """Give every period from the first to the last."""
    if len(periods) == 0:
        return periods
    ordered = periods.sort_values()
    if isinstance(ordered, pd.PeriodIndex):
        return pd.period_range(ordered[0], ordered[-1], freq=ordered.freq)
    steps = np.diff(ordered.to_numpy())
    step = int(np.gcd.reduce(steps)) if len(steps) else 1
    return pd.Index(np.arange(ordered[0], ordered[-1] + 1, step))
