"""Forecasts of many series with their backtest, against statsmodels in a loop.

Run it with `python -m benchmarks.forecasting [SERIES]`. Monthly series of 60 points, horizon 12,
six origins and all candidates; statsmodels fits ETS and Theta to a sample, at the same origins.
"""

import os
import sys
import warnings

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from time import process_time

import numpy as np
import pandas as pd

from benchmarks.measuring import alone, peak_megabytes

POINTS, HORIZON, ORIGINS, SEASON = 60, 12, 6, 12
SAMPLE = 3


def main() -> None:
    """Measure, and print."""
    series = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000
    seconds, megabytes, known = alone(kit, series)
    each = alone(loop, known)
    print(
        f"{series:,} series: {seconds:.1f} s, {megabytes:,.0f} MB at most; "
        f"statsmodels in a loop {each:.2f} s a series, {each * series / seconds:.0f} times as much"
    )
    print(f"one series, cold: {alone(one):.2f} s more than importing numpy and pandas")


def made_up(series: int) -> pd.DataFrame:
    """Make series with level, trend, season and noise of their own."""
    chance = np.random.default_rng(20260930)
    month = np.arange(POINTS)[:, None]
    level = chance.gamma(4, 250, series) + chance.normal(0, 5, series) * month
    season = 1 + 0.2 * np.sin(2 * np.pi * (month / SEASON + chance.random(series)))
    values = np.maximum(level, 50) * season * np.exp(chance.normal(0, 0.1, (POINTS, series)))
    return pd.DataFrame(
        {
            "series": np.repeat(np.arange(series), POINTS),
            "period": pd.period_range("2021-10", periods=POINTS, freq="M").take(
                np.tile(np.arange(POINTS), series)
            ),
            "value": values.T.ravel(),
        }
    )


def kit(series: int) -> tuple[float, float, list[int]]:
    """Forecast all: processor seconds, most memory, and how much each forecast knew."""
    from revops_kit.stats.forecasting import forecast

    frame = made_up(series)
    begun = process_time()
    made = forecast(frame, HORIZON, SEASON, origins=ORIGINS)
    seconds = process_time() - begun
    months = pd.PeriodIndex(made.earlier["made_after"].unique(), freq="M")
    known = [int(count) for count in (months - frame["period"].min()).map(lambda by: by.n + 1)]
    return seconds, peak_megabytes(), [*sorted(known), POINTS]


def loop(known: list[int]) -> float:
    """Fit ETS and Theta as often as the kit forecasts: processor seconds a series."""
    from statsmodels.tsa.exponential_smoothing.ets import ETSModel
    from statsmodels.tsa.forecasting.theta import ThetaModel

    warnings.simplefilter("ignore")
    form = {"error": "add", "trend": "add", "damped_trend": True, "seasonal": "add"}
    sample = made_up(SAMPLE).pivot(index="period", columns="series", values="value")
    begun = process_time()
    for _, values in sample.items():
        for count in known:
            ETSModel(values[:count], **form, seasonal_periods=SEASON).fit(disp=0).forecast(HORIZON)
            ThetaModel(values[:count], period=SEASON).fit().forecast(HORIZON)
    return (process_time() - begun) / SAMPLE


def one() -> float:
    """Forecast one series in a process that has only numpy and pandas: processor seconds."""
    values = made_up(1).set_index("period")["value"]
    begun = process_time()
    from revops_kit.stats.forecasting import forecast

    forecast(values, HORIZON, SEASON)
    return process_time() - begun


if __name__ == "__main__":
    main()
