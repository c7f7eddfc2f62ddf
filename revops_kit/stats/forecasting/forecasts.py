"""A forecast of one series, or of thousands at once, with the backtest that speaks for it."""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from revops_kit.errors import RequestError, StatisticsError
from revops_kit.stats.forecasting.frames import collected
from revops_kit.stats.forecasting.series import read
from revops_kit.stats.forecasting.trials import Group, kind_of, try_out
from revops_kit.units import number, percent, plural


@dataclass(frozen=True, eq=False)
class Forecast:
    """What is to come, how it was found, and how far that can be trusted.

    Attributes
    ----------
    frame
        A row per series and coming period: series, period, mean, and for each level low_80,
        high_80, … Missing where a series has no values. Nothing lies below 0 where nothing did in
        the history.
    series
        A row per series: series, model (with its fallback named), known and filled periods,
        origins, intervals (what they rest on), naive (the forecast to beat) and better_than_naive
        (the share by which its backtest error is undercut; negative where it is not).
    backtest
        A row per series and candidate: series, model, origins, mase, smape, wape, coverage_80, …,
        is_naive, is_chosen. Coverage is that of intervals calibrated on the other origins.
    earlier
        What the chosen model would have said at each origin: series, made_after (the last period
        then known), period, actual, mean, low_80, high_80, …
    history
        A row per series and period: series, period, value, is_filled, and mark: "outlier",
        "level shift" or "".
    """

    frame: pd.DataFrame
    series: pd.DataFrame
    backtest: pd.DataFrame
    earlier: pd.DataFrame
    history: pd.DataFrame
    is_one: bool

    @property
    def model(self) -> str | pd.Series:
        """Name the model: a text for one series, a Series of them, by series, for a frame."""
        models = self.series.set_index("series")["model"]
        return models.iloc[0] if self.is_one else models

    def of(self, name: Hashable) -> "Forecast":
        """Give the forecast of one of the series."""
        frames = (self.frame, self.series, self.backtest, self.earlier, self.history)
        own = (each[each["series"] == name].reset_index(drop=True) for each in frames)
        return Forecast(*own, is_one=True)

    @property
    def verdict(self) -> str:
        """Say in a sentence by how much the naive forecast is beaten, or that it is not."""
        tried = self.series.dropna(subset="better_than_naive")
        if tried.empty:
            return "There is too little history to tell whether a naive forecast is beaten."
        better = tried["better_than_naive"]
        if self.is_one:
            rivals = self.backtest.set_index("model")["mase"]
            at = self.backtest.loc[self.backtest["is_chosen"].astype(bool), "model"].iloc[0]
            naive, origins = tried["naive"].iloc[0], int(tried["origins"].iloc[0])
            tested = f"over {plural(origins, 'origin')}"
            if at == naive:
                return f"Nothing tried beats the {naive} forecast {tested}."
            own, other = (number(rivals[each], 2) for each in (at, naive))
            errors = f"MASE {own} against {other} {tested}"
            if better.iloc[0] <= 0:
                return f"The {naive} forecast is not beaten: {errors}."
            name = "The combination" if at == "combination" else at[0].upper() + at[1:]
            return f"{name} beats the {naive} forecast by {percent(better.iloc[0])}: {errors}."
        beaten = int((better > 0).sum())
        return (
            f"The naive forecast is beaten in {number(beaten)} of {number(len(tried))} series, "
            f"by {percent(better.median())} in the middle one."
        )


def forecast(
    y: pd.Series | pd.DataFrame,
    horizon: int,
    season: int = 12,
    levels: Sequence[float] = (80, 95),
    *,
    origins: int = 12,
    also: Iterable[str] = (),
) -> Forecast:
    """Forecast one series or many, by what a backtest finds best.

    Parameters
    ----------
    y
        A Series, by periods, dates or whole numbers; or a frame with columns series, period and
        value. A period that is absent, or whose value is missing, is a gap: put 0 where nothing
        happened. A period that is not over is left out by the caller.
    horizon
        How many periods to forecast, after the last one in `y`.
    season
        Periods in a season: 12 for months, 4 for quarters, 52 for weeks; 1 for none.
    levels
        Of intervals, in percent.
    origins
        How many times, at most, the backtest looks ahead from.
    also
        Slower candidates, fitted by statsmodels: "sarimax", "unobserved components".

    Returns
    -------
    Forecast

    Notes
    -----
    Candidates are the seasonal naive forecast (without a season the last value, and drift), damped
    Holt–Winters on values and on logarithms, damped trends of the seasonally adjusted values and
    logarithms, Theta, and their combination, weighed by the inverse square of errors in the
    backtest. The combination is taken unless another is a quarter better. Fallbacks are named in
    `Forecast.model`: short (fewer than two seasons), zero-heavy, constant, gappy, trending to
    zero, ended, fewer than five values. Gaps are filled along straight lines between values freed
    of their season; what was filled is not counted in the backtest.

    Intervals are the method's own, widened where errors of the backtest were larger than it says
    of itself; see `Forecast.series` where the history is too short for that. They never are
    narrower than the method's own, nor than those of the period before.

    Raises
    ------
    StatisticsError
        If there is no value at all, or one is infinite.
    RequestError
        If the horizon, season or a level makes no sense, or a period comes twice.

    Examples
    --------
    >>> y = pd.Series([10.0, 20, 30, 40] * 5, index=pd.period_range("2021Q1", periods=20, freq="Q"))
    >>> ahead = forecast(y, horizon=2, season=4)
    >>> ahead.frame["period"].astype(str).tolist(), ahead.frame["mean"].round(3).tolist()
    (['2026Q1', '2026Q2'], [10.0, 20.0])
    """
    _refuse(horizon, season, levels, origins)
    also = tuple(also)
    table = read(y)
    if np.isnan(table.values).all():
        raise StatisticsError("No forecast: there is no value to forecast from.")
    groups: dict[Group, list[int]] = {}
    for column, values in enumerate(table.values.T):
        groups.setdefault(kind_of(values, season), []).append(column)
    outcomes = [
        try_out(group, table.values[:, columns], columns, horizon, season, levels, origins, also)
        for group, columns in groups.items()
    ]
    return Forecast(*collected(table, outcomes, horizon, season, levels), table.is_one)


def _refuse(horizon: int, season: int, levels: Sequence[float], origins: int) -> None:
    if horizon < 1:
        raise RequestError(f"A horizon of {horizon} periods is not possible. Ask for 1 or more.")
    if season < 1:
        raise RequestError(f"A season of {season} periods is not possible. Write 12 for months.")
    if origins < 1:
        raise RequestError(f"A backtest from {origins} origins is not possible. Ask for 1 or more.")
    wrong = [level for level in levels if not 0 < level < 100]
    if wrong:
        raise RequestError(f"A level of {wrong[0]} is not between 0 and 100. Write 80 for 80 %.")
