"""The Theta method, and other forecasts of seasonally adjusted series."""

import numpy as np

from revops_kit.stats.forecasting.seasons import indices
from revops_kit.stats.forecasting.smoothing import Ahead, Method, simple


def theta(y: np.ndarray, season: int, origins: list[int], horizon: int) -> Ahead:
    """Forecast by simple exponential smoothing with half the slope of a straight line as drift.

    Parameters and result are those of `smoothing.smooth`.

    References
    ----------
    V. Assimakopoulos and K. Nikolopoulos, "The theta model", IJF 16 (2000), 521-530, in the form
    of R. J. Hyndman and B. Billah, "Unmasking the Theta method", IJF 19 (2003), 287-290.

    Examples
    --------
    The line y = t goes on, at half its slope.

    >>> ahead = theta(np.arange(1.0, 9)[:, None], 1, [8], horizon=3)
    >>> ahead.mean[0, :, 0].round(2).tolist()
    [8.5, 9.0, 9.5]
    """
    adjusted, coming = _adjusted(y, season, origins, horizon)
    found = simple(adjusted.reshape(len(y), -1), np.repeat(origins, y.shape[1]))
    alpha, level, variance = (each.reshape(len(origins), 1, -1) for each in found)
    slopes = []
    for k, n in enumerate(origins):
        time = np.arange(n) - (n - 1) / 2
        slopes.append(time @ adjusted[:n, k] / (time @ time))
    drift, n = np.array(slopes)[:, None] / 2, np.array(origins)[:, None, None]
    ahead = np.arange(horizon)[:, None]
    mean = level + drift * (ahead + (1 - (1 - alpha) ** n) / alpha)
    return Ahead(mean * coming, variance * (1 + ahead * alpha**2) * coming**2)


def smooth_adjusted(method: Method) -> Method:
    """Make a method that takes the season out, forecasts what is left, and puts it back."""

    def forecast(y: np.ndarray, season: int, origins: list[int], horizon: int) -> Ahead:
        adjusted, coming = _adjusted(y, season, origins, horizon)
        mean, variance = method(adjusted, 1, origins, horizon)
        return Ahead(mean * coming, variance * coming**2)

    return forecast


def _adjusted(
    y: np.ndarray, season: int, origins: list[int], horizon: int
) -> tuple[np.ndarray, np.ndarray]:
    """Divide by the indices that each origin knows.

    Gives (periods, origins, series), and the indices to come: (origins, horizon, series).
    """
    index = np.array([indices(y[:n], season) for n in origins])
    coming = [
        each[(n + np.arange(horizon)) % season] for n, each in zip(origins, index, strict=True)
    ]
    return y[:, None] / index[:, np.arange(len(y)) % season].swapaxes(0, 1), np.array(coming)
