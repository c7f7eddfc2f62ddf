"""Models that arrays do not cover, fitted one by one by statsmodels: slow, for a few series."""

import warnings
from typing import TYPE_CHECKING

import numpy as np

from revops_kit.stats.forecasting.smoothing import Ahead

if TYPE_CHECKING:
    from statsmodels.tsa.statespace.mlemodel import MLEResults


def sarimax(y: np.ndarray, season: int, origins: list[int], horizon: int) -> Ahead:
    """Forecast by the airline model, ARIMA(0,1,1)(0,1,1); without a season by ARIMA(0,1,1).

    Parameters and result are those of `smoothing.smooth`.

    References
    ----------
    G. E. P. Box and G. M. Jenkins, Time Series Analysis (1976), chapter 9.
    """
    from statsmodels.tsa.statespace.sarimax import SARIMAX

    seasonal = (0, 1, 1, season) if season > 1 else (0, 0, 0, 0)
    return _each(lambda known: SARIMAX(known, order=(0, 1, 1), seasonal_order=seasonal),
                 y, origins, horizon)  # fmt: skip


def unobserved_components(y: np.ndarray, season: int, origins: list[int], horizon: int) -> Ahead:
    """Forecast by the basic structural model: local linear trend, stochastic season.

    Parameters and result are those of `smoothing.smooth`.

    References
    ----------
    A. C. Harvey, Forecasting, Structural Time Series Models and the Kalman Filter (1989).
    """
    from statsmodels.tsa.statespace.structural import UnobservedComponents

    return _each(
        lambda known: UnobservedComponents(
            known, "local linear trend", seasonal=season if season > 1 else None
        ),
        y, origins, horizon,
    )  # fmt: skip


METHODS = {"sarimax": sarimax, "unobserved components": unobserved_components}


def _each(model, y: np.ndarray, origins: list[int], horizon: int) -> Ahead:
    """Fit a model to each series at each origin."""
    mean, variance = np.empty((2, len(origins), horizon, y.shape[1]))
    for k, n in enumerate(origins):
        for series in range(y.shape[1]):
            known = y[:n, series]
            start, size = known.mean(), known.std() or 1.0
            ahead = _fitted(model((known - start) / size)).get_forecast(horizon)
            mean[k, :, series] = ahead.predicted_mean * size + start
            variance[k, :, series] = ahead.var_pred_mean * size**2
    return Ahead(mean, variance)


def _fitted(model) -> "MLEResults":
    """Fit; a search that stops early is judged by the backtest as any other."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(disp=False)
