"""What is tried on which series, and what is left when little can be."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from revops_kit.stats.forecasting.backtest import Backtest, backtest, origins
from revops_kit.stats.forecasting.calibrate import LEAST_ORIGINS, factors, half_widths
from revops_kit.stats.forecasting.candidates import extra, members, naive
from revops_kit.stats.forecasting.series import fill
from revops_kit.stats.forecasting.simplest import seasonal_naive
from revops_kit.stats.forecasting.smoothing import Method
from revops_kit.stats.forecasting.sparse import METHODS, has_ended, is_sparse, zeros_at_end
from revops_kit.units import number

# With fewer values there is nothing to try.
FEW = 5
# What is forecast without a trial, and what its intervals rest on.
SIMPLE = {
    "none": ("none: there are no values", "nothing"),
    "constant": ("constant", "a history that never changed"),
    "ended": ("ended: nothing came in the last {n} periods", "nothing: it has ended"),
    "few": ("last value (too few values: {n})", "changes from one value to the next"),
    "gappy": ("mean (gappy: {n} values, less than half the periods)", "the spread of the values"),
}


class Group(NamedTuple):
    """Series that are tried together: of one kind and length."""

    kind: str
    length: int
    # Periods from the last value to the end of the calendar.
    lag: int
    is_positive: bool


@dataclass(frozen=True)
class Outcome:
    """What was found for a group, its series in the order of `columns`.

    Attributes
    ----------
    models, intervals
        What was chosen for each series, and what intervals rest on, in words.
    values, filled
        The history, and the same with its gaps filled: (periods, series).
    ahead
        The forecast, and the low and high end of each level: (numbers, horizon, series).
    test
        None where nothing could be tried.
    earlier
        What the chosen forecast would have been at the origins: (numbers, origins, reach, series),
        the reach being the horizon from the end of the series, not of the calendar.
    inside
        Share of actuals inside intervals: (levels, candidates, series).
    """

    group: Group
    columns: list[int]
    models: list[str]
    intervals: str
    values: np.ndarray
    filled: np.ndarray
    ahead: np.ndarray
    test: Backtest | None = None
    earlier: np.ndarray | None = None
    inside: np.ndarray | None = None


def kind_of(values: np.ndarray, season: int) -> Group:
    """Tell what kind of series it is, missing values being NaN.

    Examples
    --------
    >>> kind_of(np.array([np.nan, 3, 3, 3, 3, 3, np.nan]), season=1)
    Group(kind='constant', length=5, lag=1, is_positive=True)
    """
    place = np.flatnonzero(~np.isnan(values))
    if not len(place):
        return Group("none", 0, 0, False)
    inside, lag = values[place[0] : place[-1] + 1], len(values) - 1 - int(place[-1])
    known, length = values[place], len(inside)
    if len(known) > 1 and (known == known[0]).all():
        kind = "constant"
    elif len(known) < FEW:
        kind = "few"
    elif len(known) * 2 < length:
        kind = "gappy"
    elif has_ended(known, season):
        kind = "ended"
    elif is_sparse(known):
        kind = "sparse"
    else:
        kind = "short" if length < 2 * season else "regular"
    return Group(kind, length, lag, bool((known > 0).all()))


def try_out(
    group: Group,
    values: np.ndarray,
    columns: list[int],
    horizon: int,
    season: int,
    levels: Sequence[float],
    count: int,
    also: Sequence[str],
) -> Outcome:
    """Forecast the series of a group.

    `values` are (periods, series) of the whole calendar.
    """
    end = len(values) - group.lag
    raw = values[end - group.length : end]
    if group.kind in SIMPLE:
        return _simplest(group, columns, raw, horizon, levels)
    y = np.stack([fill(each, season) for each in raw.T], axis=1)
    alone, combined, least, m = _methods(group, season)
    combined = combined | extra(also, group.is_positive)
    known = origins(group.length, horizon + group.lag, count, least)
    power = 2 if group.kind == "sparse" else 1
    test = backtest(y, raw, m, horizon + group.lag, known, alone, combined, power)
    factor = factors(test.errors, test.sd[:, :-1])
    free = group.length - (m if m > 1 else 0) - 5
    numbers, inside = [test.mean], []
    for level in levels:
        if group.kind == "sparse":
            low, high = _history_quantiles(y, test, level)
        else:
            half = half_widths(test.sd, factor, test.errors, free, level)
            low, high = test.mean - half, test.mean + half
        numbers += [low, high]
        inside.append(_share_inside(test.actual, low[:, :-1], high[:, :-1]))
    floor = np.where(y.min(axis=0) >= 0, 0.0, -np.inf)
    picked = np.array([np.maximum(test.pick(each), floor) for each in numbers])
    return Outcome(
        group, columns, _named(group, test, raw), _rests_on(group, known), raw, y,
        picked[:, -1, group.lag :], test, picked[:, :-1], np.array(inside),
    )  # fmt: skip


def _methods(group: Group, season: int) -> tuple[dict, dict, int, int]:
    """Give candidates that stand alone, those combined, the fewest periods, and the season."""
    if group.kind == "regular":
        return naive(season), members(group.is_positive), max(2 * season + 2, 8), season
    has_season = season > 1 and group.length >= season + FEW
    alone = naive(1)
    if has_season:
        alone = {"seasonal naive": _of_season(seasonal_naive, season)} | alone
    least = season + 1 if has_season else FEW
    if group.kind == "sparse":
        return alone, METHODS, least, 1
    return alone, members(group.is_positive), least, 1


def _of_season(method: Method, season: int) -> Method:
    """Give a method a season of its own."""
    return lambda y, _, origins, horizon: method(y, season, origins, horizon)


def _history_quantiles(y: np.ndarray, test: Backtest, level: float) -> tuple[np.ndarray, ...]:
    """Bound a zero-heavy series by what it has been: the same for all periods and candidates."""
    tails = [0.5 - level / 200, 0.5 + level / 200]
    ends = np.array([np.quantile(y[:n], tails, axis=0) for n in [*test.known, len(y)]])
    low, high = (np.broadcast_to(each[:, None], test.mean.shape) for each in ends.swapaxes(0, 1))
    return np.minimum(low, test.mean), np.maximum(high, test.mean)


def _share_inside(actual: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Measure for each candidate and series what share of actuals lies between."""
    seen = (~np.isnan(actual)).sum(axis=(0, 1))
    inside = ((low <= actual) & (actual <= high)).sum(axis=(1, 2))
    return np.where(seen > 0, inside / np.maximum(seen, 1), np.nan)


def _named(group: Group, test: Backtest, raw: np.ndarray) -> list[str]:
    """Name what was chosen for each series, with the fallback it is."""
    prefix = {"short": "short history: ", "sparse": "zero-heavy: "}.get(group.kind, "")
    named = []
    gaps = np.isnan(raw).sum(axis=0)
    for series, at in enumerate(test.chosen):
        name = test.names[at]
        if test.falls_below[at, series]:
            name = f"trending to zero: {name}, held at 0"
        filled = f" ({number(gaps[series])} gaps filled)" if gaps[series] else ""
        named.append(f"{prefix}{name}{filled}")
    return named


def _rests_on(group: Group, known: list[int]) -> str:
    """Say what the intervals rest on."""
    if group.kind == "sparse":
        return "quantiles of the history"
    if len(known) < LEAST_ORIGINS:
        return "the method's own: the history is too short for a backtest"
    return f"errors of the backtest at {len(known)} origins, and never less than the method's own"


def _simplest(
    group: Group, columns: list[int], raw: np.ndarray, horizon: int, levels: Sequence[float]
) -> Outcome:
    """Forecast without a trial: a constant, the last of a few values, the mean of gappy ones."""
    from scipy.special import stdtrit

    label, rests = SIMPLE[group.kind]
    series, ahead = len(columns), np.arange(1, horizon + 1)
    mean = np.full((horizon, series), np.nan)
    sd, free = np.full((horizon, series), np.nan), np.ones(series)
    filled, models = raw.copy(), []
    for k, values in enumerate(raw.T):
        known = values[~np.isnan(values)]
        count = zeros_at_end(known) if group.kind == "ended" else len(known)
        models.append(label.format(n=count))
        if group.kind == "none":
            continue
        free[k] = max(len(known) - 1, 1)
        filled[:, k] = fill(values, 1)
        if group.kind == "ended":
            mean[:, k], sd[:, k] = 0, 0
        elif group.kind == "gappy":
            mean[:, k], sd[:, k] = known.mean(), known.std(ddof=1) * np.sqrt(1 + 1 / len(known))
        else:
            mean[:, k] = known[-1]
            if len(known) > 1:
                sd[:, k] = np.sqrt(np.mean(np.diff(known) ** 2) * (ahead + group.lag))
    floor = np.where(filled.min(axis=0, initial=np.inf) >= 0, 0.0, -np.inf)
    numbers = [mean]
    for level in levels:
        half = stdtrit(free, 0.5 + level / 200) * sd
        numbers += [np.maximum(mean - half, floor), mean + half]
    return Outcome(group, columns, models, rests, raw, filled, np.array(numbers))
