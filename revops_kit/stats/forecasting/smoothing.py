"""Exponential smoothing of many series at once: every parameter of a grid, weighed by likelihood.

Nothing is searched for. Each point of the grid is run over all series in one pass, its starting
values are the least-squares ones (the errors are linear in them), and forecasts are averaged with
Akaike weights, over the grid and over forms with and without trend and season. One pass serves all
origins of a backtest, each of which knows no more than what came before it.
"""

from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import product
from typing import NamedTuple

import numpy as np

ALPHAS = (0.03, 0.1, 0.2, 0.33, 0.48, 0.66, 0.84, 0.98)
# Parts of alpha, and of 1 - alpha: all of a grid made of them is in the usual region.
BETAS = (0.0, 0.03, 0.1, 0.3)
GAMMAS = (0.001, 0.07, 0.2, 0.4)
PHIS = (0.85, 0.92, 0.97, 1.0)
# Keeps starting values apart where they cannot be told apart, as a level and its twelve seasons.
RIDGE = 1e-6
# Of the largest array: (periods, grid, series).
NUMBERS_AT_ONCE = 4_000_000


class Ahead(NamedTuple):
    """Forecasts made at origins, and the variance of their errors: (origins, horizon, series)."""

    mean: np.ndarray
    variance: np.ndarray


# A method takes values (periods, series), the season, origins and a horizon, as `smooth` does.
Method = Callable[[np.ndarray, int, list[int], int], Ahead]


class Form(NamedTuple):
    """What a model has beside a level: a damped trend, and a season of so many periods."""

    trend: bool
    season: int

    @property
    def states(self) -> int:
        """Count the starting values."""
        return 1 + self.trend + (self.season if self.season > 1 else 0)

    @property
    def parameters(self) -> int:
        """Count what is estimated, of which one seasonal value follows from the others."""
        return 1 + 2 * self.trend + self.states


def smooth(y: np.ndarray, season: int, origins: list[int], horizon: int) -> Ahead:
    """Forecast by damped Holt–Winters with additive errors, trend and season.

    Parameters
    ----------
    y
        Shape (periods, series), complete; or (periods, origins, series), where what was known
        looked different at each origin.
    season
        Periods in a season; 1 for none.
    origins
        How many periods are known when each forecast is made, ascending.
    horizon
        How many periods each forecast reaches.

    References
    ----------
    E. S. Gardner and E. McKenzie, "Forecasting trends in time series", Management Science 31
    (1985), 1237-1246. R. J. Hyndman, A. B. Koehler, J. K. Ord and R. D. Snyder, Forecasting with
    Exponential Smoothing (2008), chapters 5 (estimation) and 6 (variances).
    """
    if y.ndim == 2:
        y = y[:, None]
    start, size = y[: origins[0]].mean(axis=0), y[: origins[0]].std(axis=0)
    size = np.where(size > 0, size, 1.0)
    forms = [Form(trend, m) for m in sorted({1, season}) for trend in (False, True)]
    largest = max(_grid(form).shape[1] for form in forms) * y.shape[0] * y.shape[1]
    step = max(1, NUMBERS_AT_ONCE // largest)
    scaled = (y - start) / size
    found = [
        _averaged(scaled[:, :, k : k + step], forms, origins, horizon)
        for k in range(0, y.shape[2], step)
    ]
    mean, variance = (np.concatenate(parts, axis=2) for parts in zip(*found, strict=True))
    return Ahead(mean * size[:, None] + start[:, None], variance * size[:, None] ** 2)


def simple(y: np.ndarray, known: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit simple exponential smoothing by maximum likelihood.

    Parameters
    ----------
    y
        Shape (periods, series), complete.
    known
        How many periods of each series count.

    Returns
    -------
    alpha, level, variance
        Of each series: the smoothing parameter, the level after the last period known, and the
        variance of errors one period ahead, over periods less the two numbers estimated.

    Examples
    --------
    >>> alpha, level, _ = simple(np.array([[4.0], [5.0], [4.0], [5.0]]), np.array([4]))
    >>> round(float(alpha[0]), 2), round(float(level[0]), 2)
    (0.0, 4.5)
    """
    low, high = np.full(y.shape[1], 1e-4), np.full(y.shape[1], 0.9999)
    ages, series = np.arange(len(y))[:, None, None], np.arange(y.shape[1])
    counts = np.arange(len(y))[:, None] < known
    for _ in range(4):
        alpha = np.linspace(low, high, 21)
        level, errors = np.zeros_like(alpha), np.empty((len(y), *alpha.shape))
        for error, value, is_known in zip(errors, y, counts, strict=True):
            np.multiply(value - level, is_known, out=error)
            level += alpha * error
        # What a starting level of 1 leaves of itself in each period's level.
        left = (1 - alpha) ** ages * counts[:, None]
        first = (left * errors).sum(axis=0) / (left**2).sum(axis=0)
        squares = ((errors - left * first) ** 2).sum(axis=0)
        best = squares.argmin(axis=0)
        low, high = alpha[np.maximum(best - 1, 0), series], alpha[np.minimum(best + 1, 20), series]
    alpha, first = alpha[best, series], first[best, series]
    level = level[best, series] + (1 - alpha) ** known * first
    return alpha, level, squares[best, series] / np.maximum(known - 2, 1)


@lru_cache
def _grid(form: Form) -> np.ndarray:
    """Give alpha, beta, gamma and phi of every point: (4, points)."""
    points = product(
        ALPHAS,
        BETAS if form.trend else (0.0,),
        GAMMAS if form.season > 1 else (0.0,),
        PHIS if form.trend else (1.0,),
    )
    return np.array([(a, a * b, g * (1 - a), phi) for a, b, g, phi in points]).T


def _averaged(y: np.ndarray, forms: list[Form], origins: list[int], horizon: int) -> Ahead:
    """Average what all points of all forms forecast, weighed by how likely each is."""
    fits = [_fits(y, form, origins, horizon) for form in forms]
    means, variances = [], []
    for of_forms in zip(*fits, strict=True):
        least = np.min([criterion.min(axis=0) for _, _, criterion in of_forms], axis=0)
        total = mean = square = 0.0
        for middle, variance, criterion in of_forms:
            weight = np.exp((least - criterion) / 2) / len(criterion)
            total += weight.sum(axis=0)
            mean += np.einsum("gs,ghs->hs", weight, middle)
            square += np.einsum("gs,ghs->hs", weight, variance + middle**2)
        mean, square = mean / total, square / total
        means.append(mean)
        variances.append(np.maximum(square - mean**2, 0))
    return Ahead(np.array(means), np.array(variances))


def _fits(y: np.ndarray, form: Form, origins: list[int], horizon: int):
    """Yield for each origin forecasts, their variances (points, horizon, series) and AICc."""
    grid = _grid(form)
    alpha, beta, gamma, phi = grid
    periods, versions, series = y.shape
    nothing = np.zeros((form.states, len(alpha), versions * series))
    # The errors are those from a start at nothing, and a linear response to the start.
    errors, at = _run(y.reshape(periods, -1), form, grid, nothing, origins)
    responses, carried = _responses(form, periods, tuple(origins))

    ahead = np.arange(1, horizon + 1)
    damped = np.cumsum(phi[:, None] ** ahead, axis=1)
    weight = alpha[:, None] + beta[:, None] * damped
    if form.season > 1:
        weight = weight + gamma[:, None] * (ahead % form.season == 0)
    growth = 1 + np.cumsum(weight**2, axis=1) - weight**2

    gram, moment, squares, before = RIDGE * np.eye(form.states), 0.0, 0.0, 0
    for k, (n, zero, response) in enumerate(zip(origins, at, carried, strict=True)):
        r, e = responses[before:n].transpose(1, 2, 0), errors[before:n].transpose(1, 0, 2)
        gram = gram + r @ r.transpose(0, 2, 1)
        moment = moment + r @ e
        squares = squares + np.einsum("gts,gts->gs", e, e)
        before = n
        own = slice(0, series) if versions == 1 else slice(k * series, (k + 1) * series)
        start = -np.linalg.solve(gram, moment[:, :, own])
        state = zero[:, :, own] + (response.swapaxes(0, 1) @ start).swapaxes(0, 1)
        explained = np.einsum("gps,gps->gs", moment[:, :, own], start)
        left = np.maximum(squares[:, own] + explained, 1e-10 * n)
        middle = state[0][:, None] + np.zeros((1, horizon, 1))
        if form.trend:
            middle = middle + damped[:, :, None] * state[1][:, None]
        if form.season > 1:
            coming = (n + ahead - 1) % form.season
            middle = middle + state[1 + form.trend + coming].transpose(1, 0, 2)
        variance = growth[:, :, None] * (left / max(n - form.parameters, 1))[:, None]
        yield middle, variance, _criterion(left, n, form.parameters + 1)


@lru_cache(maxsize=4)
def _responses(form: Form, periods: int, origins: tuple[int, ...]):
    """Run each starting value alone, without values: what `_run` gives, the same for all series.

    Values and their logarithms have the same four forms, one after the other.
    """
    grid = _grid(form)
    unit = np.repeat(np.eye(form.states)[:, None], grid.shape[1], axis=1)
    return _run(np.zeros((periods, 1)), form, grid, unit, origins)


def _run(y: np.ndarray, form: Form, grid: np.ndarray, state: np.ndarray, origins: Sequence[int]):
    """Smooth from a start: errors (periods, points, series), and the state at each origin.

    The state is (1 + trend + season, points, series); a season's values stand by their phase.
    """
    alpha, beta, gamma, phi = grid[:, :, None]
    level, trend = state[0].copy(), state[1].copy() if form.trend else None
    seasonal = state[1 + form.trend :].copy()
    errors, kept = np.empty((len(y), *level.shape)), []
    for t, value in enumerate(y):
        if form.trend:
            trend *= phi
            level += trend
        error = np.subtract(value, level, out=errors[t])
        if form.season > 1:
            phase = seasonal[t % form.season]
            error -= phase
            phase += gamma * error
        level += alpha * error
        if form.trend:
            trend += beta * error
        if t + 1 in origins:
            parts = [level[None], trend[None]] if form.trend else [level[None]]
            kept.append(np.concatenate([*parts, seasonal]))
    return errors, kept


def _criterion(squares: np.ndarray, n: int, k: int) -> np.ndarray:
    """Give Akaike's criterion, corrected for few periods; infinite where they are too few."""
    if n - k - 1 <= 0:
        return np.full_like(squares, np.inf)
    return n * np.log(squares / n) + 2 * k + 2 * k * (k + 1) / (n - k - 1)
