"""Forecasts of one series or thousands, their backtest, and how good a forecast was.

forecast                      what is to come, by what a backtest finds best
reconcile                     segments that add up to their total
accuracy, coverage, msis      how far forecasts and intervals were from what came
naive, run_rate               forecasts that cost nothing
"""

from revops_kit.stats.forecasting.forecasts import Forecast, forecast
from revops_kit.stats.forecasting.measures import accuracy, coverage, msis, naive, run_rate
from revops_kit.stats.forecasting.reconciling import Reconciled, reconcile

__all__ = [
    "Forecast",
    "Reconciled",
    "accuracy",
    "coverage",
    "forecast",
    "msis",
    "naive",
    "reconcile",
    "run_rate",
]
