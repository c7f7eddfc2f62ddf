"""How good a forecast was, and the simple ones that it should beat.

Arrays are compared in the order they stand in. Nothing to measure by gives NaN, never an error
or infinity, so that one empty segment leaves the others alone.
"""

import numpy as np
from numpy.typing import ArrayLike

from revops_kit.errors import RequestError
from revops_kit.stats.arrays import refuse
from revops_kit.units import number


def accuracy(
    actual: ArrayLike, forecast: ArrayLike, train: ArrayLike | None = None, season: int = 12
) -> dict[str, float | int]:
    """Measure how far forecasts were from what came.

    Parameters
    ----------
    actual, forecast
        One of each per period. Periods where either is missing are left out, and counted.
    train
        What was known when the forecast was made, in order, up to the first period forecast.
        Without it MASE is NaN.
    season
        Periods in a year: 12 for months, 4 for quarters; 1 for data without seasons.

    Returns
    -------
    dict, with A the actuals and F the forecasts
        wape : share
            Σ|F - A| ÷ Σ|A|; forecast accuracy is 1 less this.
        bias : share
            Σ(F - A) ÷ ΣA: above 0 where too much was forecast (if ΣA is above 0).
        mape : share
            Mean of |F - A| ÷ |A|, over the periods where A is not 0.
        smape : 0 to 200
            Mean of 200 |F - A| ÷ (|A| + |F|). Where both are 0, the forecast was met: 0.
        mase : ratio
            Mean |F - A| ÷ mean |A(t) - A(t - season)| in `train`; below 1 beats repeating last
            year's values. NaN where `train` holds no two values a season apart, or all are alike.
        rmse, mae : as the data
            Root of the mean square, and mean size, of F - A.
        n, left_out, mape_undefined : int
            Periods compared, periods left out, and those compared that have no MAPE as A is 0.

    References
    ----------
    R. J. Hyndman and A. B. Koehler, IJF 22 (2006), 679-688, for MASE. S. Makridakis et al., "The M4
    competition", IJF 36 (2020), 54-74, for sMAPE.

    Examples
    --------
    A big month and a small one: MAPE weighs them alike, WAPE by their size.

    >>> measured = accuracy(actual=[1000, 10], forecast=[950, 25])
    >>> round(measured["mape"], 3), round(measured["wape"], 3)
    (0.775, 0.064)
    """
    given, (a, f) = _complete(actual, forecast)
    error = f - a
    size, either, is_zero = np.abs(error), np.abs(a) + np.abs(f), a == 0
    return {
        "wape": _ratio(size.sum(), np.abs(a).sum()),
        "bias": _ratio(error.sum(), a.sum()),
        "mape": _mean(size[~is_zero] / np.abs(a[~is_zero])),
        "smape": _mean(200 * size / np.where(either > 0, either, 1)),
        "mase": _ratio(_mean(size), _seasonal_change(train, season)),
        "rmse": float(np.sqrt(_mean(error**2))),
        "mae": _mean(size),
        "n": len(a),
        "left_out": given - len(a),
        "mape_undefined": int(is_zero.sum()),
    }


def coverage(actual: ArrayLike, low: ArrayLike, high: ArrayLike) -> float:
    """Tell what share of actuals came inside their intervals, ends included.

    Periods where anything is missing are left out; with none, NaN.

    Examples
    --------
    >>> coverage(actual=[10, 20, 30, 40], low=[8, 21, 25, 40], high=[12, 30, 35, 50])
    0.75
    """
    _, (a, low, high) = _complete(actual, low, high)
    refuse(low > high, "the low end of an interval is not above the high end")
    return _mean((low <= a) & (a <= high))


def msis(
    actual: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    train: ArrayLike,
    season: int = 12,
    level: float = 95,
) -> float:
    """Score intervals by their width and their misses: the mean scaled interval score.

    A miss costs 2/α times the distance to the interval, α being 1 - `level`/100. The mean of widths
    and misses is divided by the same seasonal change of `train` as MASE is (see `accuracy`), and
    NaN where that is. Lower is better; periods where anything is missing are left out.

    References
    ----------
    S. Makridakis et al., "The M4 competition", IJF 36 (2020), 54-74.

    Examples
    --------
    Widths 4 and 4; the second misses by 1, at 40 a unit. In `train` the change is 2.

    >>> round(msis([10, 15], [8, 10], [12, 14], train=[1, 3, 5], season=1), 9)
    12.0
    """
    if not 0 < level < 100:
        raise RequestError(f"A level of {level} is not between 0 and 100. Write 95 for 95 %.")
    _, (a, low, high) = _complete(actual, low, high)
    refuse(low > high, "the low end of an interval is not above the high end")
    missed_by = np.maximum(low - a, 0) + np.maximum(a - high, 0)
    score = _mean(high - low + 2 / (1 - level / 100) * missed_by)
    return _ratio(score, _seasonal_change(train, season))


def naive(train: ArrayLike, horizon: int, season: int = 12) -> np.ndarray:
    """Forecast what came in the same period a year before, year after year.

    With `season=1`, what came last. NaN for a period whose counterpart is missing from `train`, or
    before its start.

    Examples
    --------
    >>> naive([1, 2, 3, 4, 5], horizon=4, season=3).tolist()
    [3.0, 4.0, 5.0, 3.0]
    """
    _refuse_season(season)
    last = np.full(season, np.nan)
    known = np.asarray(train, dtype=float)[-season:]
    last[season - len(known) :] = known
    return np.resize(last, horizon)


def run_rate(train: ArrayLike, horizon: int, last: int = 3) -> np.ndarray:
    """Forecast that it goes on like the mean of the last few periods.

    Parameters
    ----------
    train
        What came, in order.
    horizon
        How many periods to forecast.
    last
        How many periods make the mean, or all there are where they are fewer. Missing ones do not
        count; with nothing left, NaN.

    Examples
    --------
    >>> run_rate([9, 1, 2, 6], horizon=2).tolist()
    [3.0, 3.0]
    """
    if last < 1:
        raise RequestError(f"A run rate of {last} periods is not possible. Ask for 1 or more.")
    known = np.asarray(train, dtype=float)[-last:]
    return np.full(horizon, _mean(known[~np.isnan(known)]))


def _complete(*columns: ArrayLike) -> tuple[int, list[np.ndarray]]:
    """Keep the periods where nothing is missing, and tell how many there were before."""
    arrays = [np.atleast_1d(np.asarray(column, dtype=float)) for column in columns]
    if len({array.shape for array in arrays}) > 1:
        lengths = " and ".join(number(array.size) for array in arrays)
        raise RequestError(f"What is compared differs in length ({lengths}). Give one per period.")
    refuse(np.isinf(arrays).any(axis=0), "what is compared is finite")
    known = ~np.isnan(arrays).any(axis=0)
    return len(known), [array[known] for array in arrays]


def _seasonal_change(train: ArrayLike | None, season: int) -> float:
    """Average the change from a period to the same one a season later; NaN without any."""
    _refuse_season(season)
    if train is None:
        return np.nan
    known = np.asarray(train, dtype=float)
    change = np.abs(known[season:] - known[:-season])
    return _mean(change[~np.isnan(change)])


def _refuse_season(season: int) -> None:
    if season < 1:
        raise RequestError(f"A season of {season} periods is not possible. Write 12 for months.")


def _mean(values: np.ndarray) -> float:
    return float(values.mean()) if values.size else np.nan


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else np.nan
