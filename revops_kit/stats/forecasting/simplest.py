"""The forecasts that cost nothing, and that any other should beat."""

import numpy as np

from revops_kit.stats.forecasting.smoothing import Ahead


def seasonal_naive(y: np.ndarray, season: int, origins: list[int], horizon: int) -> Ahead:
    """Repeat the last season; with a season of 1, the last value.

    Parameters and result are those of `smoothing.smooth`. The variance grows with each season.

    References
    ----------
    R. J. Hyndman and G. Athanasopoulos, Forecasting: Principles and Practice (3rd ed. 2021),
    sections 5.2 and 5.5.
    """
    ahead = np.arange(horizon)
    means, variances = [], []
    for n in origins:
        change = y[season:n] - y[: n - season]
        means.append(y[n - season + ahead % season])
        variances.append((change**2).mean(axis=0) * (1 + ahead // season)[:, None])
    return Ahead(np.array(means), np.array(variances))


def drift(y: np.ndarray, season: int, origins: list[int], horizon: int) -> Ahead:
    """Go on along the line from the first value to the last.

    Parameters and result are those of `smoothing.smooth`; the season does not count.

    Examples
    --------
    >>> drift(np.array([[1.0], [2.0], [5.0]]), 1, [3], horizon=2).mean.ravel().tolist()
    [7.0, 9.0]
    """
    ahead = np.arange(1, horizon + 1)[:, None]
    means, variances = [], []
    for n in origins:
        slope = (y[n - 1] - y[0]) / (n - 1)
        left = np.diff(y[:n], axis=0) - slope
        spread = (left**2).sum(axis=0) / max(n - 2, 1)
        means.append(y[n - 1] + slope * ahead)
        variances.append(spread * ahead * (1 + ahead / (n - 1)))
    return Ahead(np.array(means), np.array(variances))
