"""Series that are mostly zero: small forecasts of when something comes and how much."""

import numpy as np

from revops_kit.stats.forecasting.smoothing import Ahead

# Syntetos and Boylan call demand intermittent from 1.32 periods between two on: 24 % zeros.
ZEROS = 1 - 1 / 1.32
# Periods of nothing after which a series may have ended.
LEAST_END = 6
ALPHAS = (0.05, 0.1, 0.2)


def is_sparse(y: np.ndarray) -> bool:
    """Tell whether a series is zero-heavy.

    Examples
    --------
    >>> is_sparse(np.array([0.0, 3, 0, 2])), is_sparse(np.array([1.0, 3, 0, 2, 5]))
    (True, False)
    """
    return bool((y == 0).mean() >= ZEROS)


def has_ended(y: np.ndarray, season: int) -> bool:
    """Tell whether nothing has come for a season, and for twice as long as ever before.

    Examples
    --------
    >>> has_ended(np.array([5.0, 0, 4, 0, 0, 0, 0, 0, 0]), season=1)
    True
    """
    at_end = zeros_at_end(y)
    earlier, longest = 0, 0
    for value in y[: len(y) - at_end]:
        earlier = earlier + 1 if value == 0 else 0
        longest = max(longest, earlier)
    return at_end >= max(LEAST_END, season, 2 * longest + 1)


def zeros_at_end(y: np.ndarray) -> int:
    """Count the zeros after the last value that is none."""
    return int((y[::-1] == 0).cumprod().sum())


def croston(y: np.ndarray, season: int, origins: list[int], horizon: int) -> Ahead:
    """Smooth the sizes and the intervals of what comes, with the correction for their bias.

    References
    ----------
    J. D. Croston, "Forecasting and stock control for intermittent demands", Operational Research
    Quarterly 23 (1972), 289-303. A. A. Syntetos and J. E. Boylan, "The accuracy of intermittent
    demand estimates", IJF 21 (2005), 303-314.
    """

    def rate(y: np.ndarray, alpha: float) -> np.ndarray:
        size, gap, since = _start(y)
        rates = np.empty(y.shape)
        for t, value in enumerate(y):
            came, since = value != 0, since + 1
            size = np.where(came, size + alpha * (value - size), size)
            gap = np.where(came, gap + alpha * (since - gap), gap)
            since = np.where(came, 0, since)
            rates[t] = (1 - alpha / 2) * size / gap
        return rates

    return _best_rate(rate, y, origins, horizon)


def tsb(y: np.ndarray, season: int, origins: list[int], horizon: int) -> Ahead:
    """Smooth the size of what comes and the chance that it comes, which falls while nothing does.

    References
    ----------
    R. H. Teunter, A. A. Syntetos and M. Z. Babai, "Intermittent demand: linking forecasting to
    inventory obsolescence", EJOR 214 (2011), 606-615.
    """

    def rate(y: np.ndarray, alpha: float) -> np.ndarray:
        size, gap, _ = _start(y)
        chance = 1 / gap
        rates = np.empty(y.shape)
        for t, value in enumerate(y):
            came = value != 0
            size = np.where(came, size + alpha * (value - size), size)
            chance = chance + alpha * (came - chance)
            rates[t] = chance * size
        return rates

    return _best_rate(rate, y, origins, horizon)


def average(y: np.ndarray, season: int, origins: list[int], horizon: int) -> Ahead:
    """Forecast the mean of all there was."""
    return _flat([y[:n].mean(axis=0) for n in origins], y, origins, horizon)


METHODS = {"Croston (SBA)": croston, "TSB": tsb, "mean": average}


def _start(y: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Begin with the first size and the first interval there is."""
    came = y != 0
    first = came.argmax(axis=0)
    size = y[first, np.arange(y.shape[1])]
    return size, first + 1.0, np.zeros(y.shape[1])


def _best_rate(rate, y: np.ndarray, origins: list[int], horizon: int) -> Ahead:
    """Take for each origin the smoothing that was nearest, one period ahead, before it."""
    rates = np.array([rate(y, alpha) for alpha in ALPHAS])
    squares = np.cumsum((y[1:] - rates[:, :-1]) ** 2, axis=1)
    series = np.arange(y.shape[1])
    best = [squares[:, max(n - 2, 0)].argmin(axis=0) for n in origins]
    levels = [rates[at, n - 1, series] for at, n in zip(best, origins, strict=True)]
    return _flat(levels, y, origins, horizon)


def _flat(levels: list[np.ndarray], y: np.ndarray, origins: list[int], horizon: int) -> Ahead:
    """Forecast one level for all periods, with the spread of the history around it."""
    shape = (len(origins), horizon, y.shape[1])
    spread = [((y[:n] - level) ** 2).mean(axis=0) for n, level in zip(origins, levels, strict=True)]
    mean, variance = (np.array(each)[:, None] for each in (levels, spread))
    return Ahead(np.broadcast_to(mean, shape).copy(), np.broadcast_to(variance, shape).copy())
