"""Rolling origins: forecast what is known by now from what was known then, combine, choose.

All arrays are (candidates, origins, horizon, series) or lack some of these; the last origin is the
present, of which nothing is known yet. Whatever is learnt from errors – weights, the choice, the
width of intervals – is learnt for an origin from the other origins, where it is to be measured.
"""

from dataclasses import dataclass

import numpy as np

from revops_kit.stats.forecasting.smoothing import Method

COMBINATION = "combination"
# A single method is preferred to the combination when its errors are so much smaller: the best of
# several in a backtest is partly the luckiest.
CLEARLY_BETTER = 0.75


def origins(periods: int, horizon: int, count: int, least: int) -> list[int]:
    """Say after how many periods forecasts are made, ascending and without the present.

    They are a quarter of the horizon apart, as neighbours repeat each other. Short histories have
    fewer; where fewer than three see the whole horizon, later ones see a part of it.

    Examples
    --------
    >>> origins(60, horizon=12, count=4, least=26)
    [39, 42, 45, 48]
    >>> origins(30, horizon=12, count=4, least=26)
    [26, 27, 28, 29]
    """
    step = max(1, horizon // 4)
    whole = list(range(periods - horizon, least - 1, -step))[:count]
    if len(whole) >= 3:
        return whole[::-1]
    first = max(least, periods - horizon)
    return list(range(first, periods))[:count]


@dataclass(frozen=True)
class Backtest:
    """What each candidate forecast at each origin, and what came.

    Attributes
    ----------
    names
        The candidates; the combination is the last.
    known
        The origins, without the present.
    mean, sd
        Forecasts and the standard deviation that the method itself gives its errors; at each
        origin, and at the present.
    actual
        What came: (origins, horizon, series), NaN where it did not yet.
    chosen
        The candidate that is chosen for each series.
    falls_below
        Where a candidate would fall below 0 at present, though the history of the series never
        does, and is held at 0; for the combination, where it leaves such candidates out, or has
        only such: (candidates, series).
    """

    names: list[str]
    known: list[int]
    mean: np.ndarray
    sd: np.ndarray
    actual: np.ndarray
    chosen: np.ndarray
    falls_below: np.ndarray

    @property
    def errors(self) -> np.ndarray:
        """Give forecast less actual."""
        return self.mean[:, :-1] - self.actual

    def pick(self, each: np.ndarray) -> np.ndarray:
        """Take what belongs to the chosen candidates; `each` begins with candidates."""
        return np.moveaxis(each[self.chosen, :, :, np.arange(len(self.chosen))], 0, -1)


def backtest(
    y: np.ndarray,
    actual: np.ndarray,
    season: int,
    horizon: int,
    known: list[int],
    naive: dict[str, Method],
    members: dict[str, Method],
    power: int = 1,
) -> Backtest:
    """Try candidates at each origin, combine them, and choose.

    Parameters
    ----------
    y, actual
        Values (periods, series), with gaps filled and as they were.
    naive
        Candidates that stand for themselves only.
    members
        Candidates that are combined too, each with a weight that falls with the square of its mean
        error. One that would fall below 0 where the history never does has no weight.
    power
        Of the errors by which candidates are chosen: 1, or 2 for series of zeros, for which the
        smallest absolute error is had by forecasting nothing.

    References
    ----------
    J. M. Bates and C. W. J. Granger, "The combination of forecasts", Operational Research Quarterly
    20 (1969), 451-468. R. J. Hyndman and G. Athanasopoulos, Forecasting: Principles and Practice
    (3rd ed. 2021), section 5.10.
    """
    methods = naive | members
    ahead = [method(y, season, [*known, len(y)], horizon) for method in methods.values()]
    mean, variance = (np.array(each) for each in zip(*ahead, strict=True))
    sd = np.sqrt(variance)
    floor = np.where(y.min(axis=0) >= 0, 0.0, -np.inf)
    falls_below = mean[:, -1].min(axis=1) < floor
    mean = np.maximum(mean, floor)
    came = _what_came(actual, known, horizon)

    is_member = np.arange(len(methods))[:, None] >= len(naive)
    stays = is_member & ~falls_below
    # Where all would fall below 0, all stay, held at 0.
    allowed = np.where(stays.any(axis=0), stays, is_member)
    size = _error_size(mean[:, :-1] - came, power)
    weights = np.stack([_weights(_without(size, k), allowed) for k in range(len(known))]
                       + [_weights(size, allowed)], axis=1)  # fmt: skip
    combined = (weights[:, :, None] * mean).sum(axis=0), (weights[:, :, None] * sd).sum(axis=0)
    mean, sd = np.r_[mean, combined[0][None]], np.r_[sd, combined[1][None]]
    size = _error_size(mean[:, :-1] - came, power)
    left_out = (is_member & ~allowed).any(axis=0)
    falls_below = np.r_[falls_below, (left_out | ~stays.any(axis=0))[None]]
    return Backtest(
        [*methods, COMBINATION], known, mean, sd, came, _choice(size, power), falls_below
    )


def _what_came(actual: np.ndarray, known: list[int], horizon: int) -> np.ndarray:
    """Line up what came after each origin: (origins, horizon, series)."""
    padded = np.r_[actual, np.full((horizon, actual.shape[1]), np.nan)]
    found = [padded[n : n + horizon] for n in known]
    return np.array(found).reshape(len(known), horizon, actual.shape[1])


def _error_size(errors: np.ndarray, power: int) -> np.ndarray:
    """Average the size of errors over the horizon: (candidates, origins, series)."""
    seen = ~np.isnan(errors)
    total = np.where(seen, np.abs(errors) ** power, 0).sum(axis=2)
    return np.where(seen.any(axis=2), total / np.maximum(seen.sum(axis=2), 1), np.nan)


def _without(size: np.ndarray, origin: int) -> np.ndarray:
    return np.delete(size, origin, axis=1)


def _over_origins(size: np.ndarray) -> np.ndarray:
    """Average over origins: (candidates, series); NaN where nothing came."""
    seen = ~np.isnan(size)
    count = seen.sum(axis=1)
    total = np.where(seen, size, 0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _weights(size: np.ndarray, allowed: np.ndarray) -> np.ndarray:
    """Weigh candidates by the inverse square of their errors; alike where there are none."""
    error = _over_origins(size)
    error = np.where(np.isnan(error), 1.0, error)
    least = np.where(allowed, error, np.inf).min(axis=0)
    # Those without any error share all the weight.
    ratio = np.where(error > 0, least / np.where(error > 0, error, 1), 1.0)
    weight = np.where(allowed, ratio**2, 0)
    return weight / weight.sum(axis=0)


def _choice(size: np.ndarray, power: int) -> np.ndarray:
    """Choose the combination, the last, unless another is clearly better."""
    error = _over_origins(size)
    last = len(error) - 1
    if not len(error) or np.isnan(error).all():
        return np.full(error.shape[1], last)
    error = np.where(np.isnan(error), np.inf, error)
    best = error[:-1].argmin(axis=0)
    is_better = error[:-1].min(axis=0) < CLEARLY_BETTER**power * error[-1]
    return np.where(is_better, best, last)
