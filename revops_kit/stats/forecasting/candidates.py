"""What is tried on a series: the simplest forecasts, and those that are combined."""

from collections.abc import Iterable

import numpy as np

from revops_kit.errors import UnknownNameError
from revops_kit.stats.forecasting.simplest import drift, seasonal_naive
from revops_kit.stats.forecasting.smoothing import Ahead, Method, smooth
from revops_kit.stats.forecasting.theta import smooth_adjusted, theta


def of_logs(method: Method) -> Method:
    """Forecast logarithms: what is added becomes a factor, and nothing falls below 0.

    The forecast is the median. The variance is that of the logarithm, times the forecast squared.
    """

    def forecast(y: np.ndarray, season: int, origins: list[int], horizon: int) -> Ahead:
        logs, variance = method(np.log(y), season, origins, horizon)
        # A growth that no history has shown is cut off, and leaves no infinity to average.
        mean = np.exp(np.minimum(logs, np.log(y.max(axis=(0, *range(1, y.ndim - 1)))) + 3))
        return Ahead(mean, variance * mean**2)

    return forecast


def naive(season: int) -> dict[str, Method]:
    """Give the forecasts to beat, the foremost first."""
    if season > 1:
        return {"seasonal naive": seasonal_naive}
    return {"naive": seasonal_naive, "drift": drift}


def members(positive: bool) -> dict[str, Method]:
    """Give the forecasts that are combined."""
    found = {
        "Holt–Winters": smooth,
        "damped trend, seasonally adjusted": smooth_adjusted(smooth),
        "Theta": theta,
    }
    if positive:
        found |= {
            "Holt–Winters of logs": of_logs(smooth),
            "damped trend of logs, seasonally adjusted": smooth_adjusted(of_logs(smooth)),
        }
    return found


def extra(also: Iterable[str], positive: bool) -> dict[str, Method]:
    """Give candidates that statsmodels fits, by name."""
    from revops_kit.stats.forecasting.statespace import METHODS

    found = {}
    for name in also:
        if name not in METHODS:
            raise UnknownNameError("a candidate", name, METHODS)
        found[name] = of_logs(METHODS[name]) if positive else METHODS[name]
    return found
