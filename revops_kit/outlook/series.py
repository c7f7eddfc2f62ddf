"""A figure's own past, carried on: what `stats.forecasting` makes of a KPI."""

from dataclasses import dataclass, replace
from functools import cached_property
from statistics import NormalDist

import numpy as np
import pandas as pd

from revops_kit.kpi import Kpi, Workspace
from revops_kit.outlook.ahead import LEVELS, Ahead
from revops_kit.outlook.drawing import DRAWS, SEED
from revops_kit.outlook.tested import Z80, Tested
from revops_kit.periods import ONE_DAY, Kind, Period, Periods, containing, last
from revops_kit.result import Result
from revops_kit.stats.forecasting import Forecast, forecast

SEASONS: dict[Kind, int] = {"week": 52, "month": 12, "quarter": 4, "year": 1}
LONGEST = {"week": 260, "month": 120, "quarter": 60, "year": 30}
"""How far back is looked."""
FEWEST = 3
RECENT = 12
"""Past periods that tell how much of one has come by some day of it."""
CLEARLY = 0.95
"""Of the error without working days, which counting them must undercut to be worth it."""


@dataclass(frozen=True, eq=False)
class Series:
    """A figure by period, and what its past implies.

    Attributes
    ----------
    trend
        The figure by period: those known to their end, and the one that has begun.
    values
        The figure of the whole periods, by first day; 0 where nothing happened.
    made
        What `stats.forecasting.forecast` says of it.
    periods
        Those ahead; the first may have begun.
    come
        What share of the first has come as a rule by this day of it: 0 where it has not begun.
    missing_because
        Why nothing can be said; empty when it can.
    """

    trend: Result
    values: pd.Series
    made: Forecast | None
    periods: tuple[Period, ...]
    come: float
    missing_because: str

    @cached_property
    def ahead(self) -> Ahead:
        """What lies ahead, drawn from the intervals."""
        if str(self.made.model).startswith("zero-heavy"):
            drawn = _resampled(self.values, self.made.frame["mean"])
        else:
            drawn = _drawn(self.made.frame, _going_on(self._earlier))
        is_stock = self.trend.kpi.is_stock(self.trend.tables)
        begun = self.trend.frame.value[self.trend.frame.is_partial].fillna(0.0)
        if begun.empty:
            return Ahead(self.periods, drawn, self.values, is_stock)
        so_far = float(begun.iloc[-1])
        before = self.values.iloc[-1] if is_stock else 0.0
        moved = _gone_on(drawn, before, so_far, self.come, keeps=is_stock)
        ahead = Ahead(self.periods, moved, self.values, is_stock)
        if (drawn < 0).any():
            return ahead
        least = 0.0 if is_stock else np.append(so_far, np.zeros(len(self.periods) - 1))
        return ahead.scaled(1.0, least)

    @cached_property
    def tested(self) -> Tested:
        """What it would have said on past days, beside what came."""
        earlier, starts = self._earlier, self.values.index
        made, period = (earlier[name].to_numpy(int) for name in ("made_after", "period"))
        columns = {"made": starts[made + 1], "lead": period - made, "start": starts[period]}
        return Tested(earlier[["actual", "mean", "spread"]].assign(**columns))

    @property
    def _earlier(self) -> pd.DataFrame:
        earlier = self.made.earlier
        return earlier.assign(spread=(earlier.high_80 - earlier.low_80) / (2 * Z80))


def carried_on(ws: Workspace, kpi: Kpi, kind: Kind = "month", length: int = 12) -> Series:
    """Carry a figure on from the periods that are over.

    Parameters
    ----------
    kpi
        A sum of money or a count: bookings, payments, MRR.
    kind
        What is counted by: week, month, quarter or year.
    length
        Periods ahead.
    """
    tables = ws.tables
    missing = kpi.unavailable(tables)
    if not missing and tables.as_of is None:
        missing = "no day is known to look from"
    if not kpi.summary.is_sum:
        missing = "only sums are forecast, such as bookings, mrr, payments or revenue"
    if missing:
        return Series(kpi.over(ws, Periods("all")), pd.Series(dtype=float), None, (), 0.0, missing)
    trend = kpi.over(ws, last(LONGEST[kind], containing(tables.as_of, kind, ws.calendar).label))
    values = history(trend)
    periods = [containing(trend.periods.known_until, kind, ws.calendar)]
    while len(periods) < length:
        periods.append(containing(periods[-1].end, kind, ws.calendar))
    if len(values) < FEWEST:
        fewest = f"fewer than {FEWEST} whole {kind}s are known"
        return Series(trend, values, None, tuple(periods), 0.0, fewest)
    if kind == "month" and not kpi.is_stock(tables):
        made = _by_the_month(values, tuple(periods))
    else:
        # Fiscal quarters and weeks are no frequency of pandas; places in a row are enough.
        in_a_row = values.reset_index(drop=True)
        made = forecast(in_a_row, length, SEASONS[kind], LEVELS, origins=len(values))
    return Series(trend, values, made, tuple(periods), _come(ws, trend, periods[0]), "")


def _come(ws: Workspace, trend: Result, begun: Period) -> float:
    """Say what share of a period has come by now: as of recent ones by the same part of them.

    Of what stands at a moment, and where nothing came lately, it is the share of the days, which
    counts as half a period beside as many as the recent ones are worth.
    """
    passed = (trend.periods.known_until - begun.start) / (begun.end - begun.start)
    if not passed or trend.kpi.is_stock(ws.tables):
        return passed
    whole = trend.frame[~trend.frame.is_partial].tail(RECENT)
    came = 0.0
    for start in whole.start:
        span = containing(start, begun.kind, ws.calendar)
        day = span.start + passed * (span.end - span.start) - ONE_DAY
        then = replace(ws, tables=replace(ws.tables, as_of=max(day, span.start)))
        came += np.nan_to_num(trend.kpi(then, span.label).value)
    total = whole.value.sum()
    if total <= 0:
        return passed
    # A few large periods tell as little as few (Kish's effective number).
    worth = total**2 / (whole.value**2).sum()
    return (np.clip(came / total, 0.0, 1.0) * worth + passed / 2) / (worth + 0.5)


def _by_the_month(values: pd.Series, ahead: tuple[Period, ...]) -> Forecast:
    """Forecast months, or what a working day of theirs brings where that errs clearly less."""
    whole, days = values.to_numpy(), _working_days(values, ahead)
    places = np.arange(len(values))
    ways = {"whole": whole, "by day": whole / days[: len(whole)].to_numpy()}
    tall = [pd.DataFrame({"series": way, "period": places, "value": each})
            for way, each in ways.items()]  # fmt: skip
    made = forecast(pd.concat(tall), len(ahead), SEASONS["month"], LEVELS, origins=len(values))
    as_it_is, by_day = made.of("whole"), _by_working_day(made.of("by day"), days)
    return by_day if _error(by_day) < CLEARLY * _error(as_it_is) else as_it_is


def _working_days(values: pd.Series, ahead: tuple[Period, ...]) -> pd.Series:
    """Count Mondays to Fridays in each month behind and ahead."""
    starts = np.array([*values.index.date, *(each.start for each in ahead)], "datetime64[D]")
    ends = np.append(starts[1:], np.datetime64(ahead[-1].end))
    return pd.Series(np.busday_count(starts, ends).astype(float))


def _by_working_day(made: Forecast, days: pd.Series) -> Forecast:
    """Multiply a forecast of what a working day brings by the days of each month."""
    return replace(
        made,
        frame=_times(made.frame, days),
        earlier=_times(made.earlier, days),
        history=_times(made.history, days),
        series=made.series.assign(model=made.series.model + " by working day"),
    )


def _times(frame: pd.DataFrame, days: pd.Series) -> pd.DataFrame:
    """Multiply amounts a day by the days of their months."""
    amounts = [
        name
        for name in frame.columns
        if name in ("mean", "actual", "value") or name.startswith(("low_", "high_"))
    ]
    found = frame.copy()
    found[amounts] = frame[amounts].mul(days.loc[frame.period].to_numpy(), axis=0)
    return found


def _error(made: Forecast) -> float:
    """Sum the sizes of past errors; a history that never changes makes none."""
    if made.earlier.empty:
        return 0.0 if str(made.model).startswith("constant") else np.inf
    return float((made.earlier["mean"] - made.earlier.actual).abs().sum())


def history(trend: Result) -> pd.Series:
    """Take the whole periods of a trend, by first day, from the first in which anything was."""
    whole = trend.frame[~trend.frame.is_partial].set_index("start").value.astype(float).fillna(0.0)
    return whole[(whole != 0).cummax()]


def _going_on(earlier: pd.DataFrame) -> float:
    """Estimate how far an error goes on into the next period: a correlation from 0 to almost 1."""
    error = (earlier["mean"] - earlier.actual) / earlier.spread.where(earlier.spread > 0)
    next_one = error.groupby(earlier.made_after).shift(-1)
    pairs = pd.DataFrame({"now": error, "then": next_one}).dropna()
    if len(pairs) < FEWEST:
        return 0.0
    # Errors are around 0, so their mean is not taken out.
    correlation = (pairs.now * pairs.then).sum() / np.sqrt((pairs**2).sum().prod())
    return float(np.clip(correlation, 0.0, 0.99))


def _drawn(frame: pd.DataFrame, correlation: float) -> np.ndarray:
    """Draw paths that have the intervals of each period, and errors that go on."""
    chance = np.random.default_rng(SEED)
    fresh = chance.standard_normal((DRAWS, len(frame)))
    luck = np.empty_like(fresh)
    luck[:, 0] = fresh[:, 0]
    for period in range(1, len(frame)):
        luck[:, period] = correlation * luck[:, period - 1]
        luck[:, period] += np.sqrt(1 - correlation**2) * fresh[:, period]
    tails = [NormalDist().inv_cdf((100 + level) / 200) for level in LEVELS]
    at = [-tails[1], -tails[0], 0.0, tails[0], tails[1]]
    names = ["low_95", "low_80", "mean", "high_80", "high_95"]
    drawn = np.column_stack(
        [_between(luck[:, row], at, ends) for row, ends in enumerate(frame[names].to_numpy())]
    )
    return np.maximum(drawn, 0.0) if (frame.low_95 >= 0).all() else drawn


def _resampled(values: pd.Series, mean: pd.Series) -> np.ndarray:
    """Draw periods of which most bring nothing from what the past ones brought.

    Lines between the ends of intervals would put a little of it into each.
    """
    chance = np.random.default_rng(SEED)
    drawn = chance.choice(values.to_numpy(), (DRAWS, len(mean)))
    return drawn * (mean.to_numpy() / values.mean())


def _gone_on(
    drawn: np.ndarray, before: float, so_far: float, come: float, keeps: bool
) -> np.ndarray:
    """Go on from what has come of the first period.

    What has come replaces what was expected to come by now, and the rest varies less. A stock
    keeps what it has more or less than expected, while the next period of a flow begins anew.
    """
    mean, moved = drawn[:, 0].mean(), drawn.copy()
    moved[:, 0] = mean + np.sqrt(1 - come) * (drawn[:, 0] - mean)
    surprise = so_far - (before + come * (mean - before))
    moved[:, : None if keeps else 1] += surprise
    return moved


def _between(luck: np.ndarray, at: list[float], ends: np.ndarray) -> np.ndarray:
    """Read values off the ends of intervals, straight lines between and beyond them."""
    drawn = np.interp(luck, at, ends)
    below, above = np.minimum(luck - at[0], 0), np.maximum(luck - at[-1], 0)
    first, final = (ends[1] - ends[0]) / (at[1] - at[0]), (ends[-1] - ends[-2]) / (at[-1] - at[-2])
    return drawn + below * first + above * final
