"""Segments that add up to their total: bottom-up and minimum trace, by backtest."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from revops_kit.errors import RequestError, UnknownNameError
from revops_kit.stats.forecasting.calibrate import LEAST_ORIGINS
from revops_kit.stats.forecasting.forecasts import Forecast

AS_FORECAST, BOTTOM_UP = "as forecast", "bottom-up"
# Of variances alone, and of the covariance shrunk towards them.
VARIANCES, SHRUNK = "minimum trace (variances)", "minimum trace (shrinkage)"


@dataclass(frozen=True, eq=False)
class Reconciled:
    """Forecasts of segments and their total that add up.

    Attributes
    ----------
    segments, total
        Frames as `Forecast.frame`, moved. Segments add up to the total in every period. Intervals
        keep their widths, moved along: what reconciling gains in the backtest is not claimed.
    method
        What was chosen.
    backtest
        A row per method, with "as forecast" for the forecasts as they came: method, origins, and
        the errors `segments`, `total` and `all`, each the mean absolute error as a share of that
        as forecast. Weights are learnt from the other origins.
    """

    segments: pd.DataFrame
    total: pd.DataFrame
    method: str
    backtest: pd.DataFrame


def reconcile(segments: Forecast, total: Forecast, method: str | None = None) -> Reconciled:
    """Make forecasts of segments add up to the forecast of their total.

    Parameters
    ----------
    segments
        Of all segments: their histories add up to that of the total.
    total
        Over the same periods, with the same horizon and levels.
    method
        "bottom-up", "minimum trace (variances)" or "minimum trace (shrinkage)"; left out, the one
        that the backtest finds best.

    Notes
    -----
    With e the errors (total, segments) and W their covariance in the backtest, the forecasts f are
    moved to f - W c d / (cᵀ W c), where c = (1, -1, …, -1) and d = cᵀ f is what is lacking: for one
    total, that is minimum trace reconciliation. A segment that would fall below 0, where it was not
    forecast so, is held at 0, and the total follows.

    References
    ----------
    S. L. Wickramasuriya, G. Athanasopoulos and R. J. Hyndman, "Optimal forecast reconciliation for
    hierarchical and grouped time series through trace minimization", JASA 114 (2019), 804-819. J.
    Schäfer and K. Strimmer, "A shrinkage approach to large-scale covariance matrix estimation",
    Statistical Applications in Genetics and Molecular Biology 4 (2005), for the shrinkage.

    Raises
    ------
    RequestError
        If periods differ, or the method is unknown.
    """
    if method is not None and method not in METHODS:
        raise UnknownNameError("a way to reconcile", method, METHODS)
    ahead = _side_by_side(total.frame, segments.frame, ["period"], "mean")
    if ahead.isna().any(axis=None) or len(ahead) != len(total.frame):
        raise RequestError(
            "Segments and their total are not forecast for the same periods, or a segment has no "
            "values. Make one forecast of all segments that have, and one of their sum."
        )
    least = segments.history.groupby("series")["value"].min().reindex(ahead.columns[1:])
    floor = np.where(least >= 0, 0.0, -np.inf)
    errors, tested = _backtest(segments, total, ahead.columns)
    if method is None:
        error = tested.set_index("method")["all"].drop(AS_FORECAST)
        method = error.idxmin() if error.notna().all() else BOTTOM_UP
    moved = _add_up(ahead.to_numpy(), METHODS[method](errors), floor)
    rows = ahead.index.get_indexer(segments.frame["period"])
    place = ahead.columns[1:].get_indexer(segments.frame["series"])
    whole = moved[ahead.index.get_indexer(total.frame["period"]), 0]
    return Reconciled(
        _moved(segments.frame, moved[rows, 1 + place], segments.history),
        _moved(total.frame, whole, total.history),
        method,
        tested,
    )


def _bottom_up(errors: np.ndarray) -> np.ndarray:
    """Move nothing but the total."""
    weights = np.zeros((errors.shape[1], errors.shape[1]))
    weights[0, 0] = 1
    return weights


def _variances(errors: np.ndarray) -> np.ndarray:
    """Move each by the variance of its errors."""
    variance = (errors**2).sum(axis=0)
    return np.diag(variance) if variance.any() else _bottom_up(errors)


def _shrunk(errors: np.ndarray) -> np.ndarray:
    """Move each by the covariances of its errors, their correlations shrunk towards none."""
    size = np.sqrt((errors**2).mean(axis=0)) if len(errors) else np.zeros(errors.shape[1])
    if len(errors) < 2 or not size.any():
        return _bottom_up(errors)
    scaled = errors / np.where(size > 0, size, 1)
    correlation = scaled.T @ scaled / len(errors)
    spread = ((scaled**2).T @ scaled**2 / len(errors) - correlation**2) / (len(errors) - 1)
    apart = ~np.eye(len(size), dtype=bool)
    square = (correlation[apart] ** 2).sum()
    shrink = min(1.0, spread[apart].sum() / square) if square else 1.0
    shrunk = np.where(apart, (1 - shrink) * correlation, correlation)
    return shrunk * np.outer(size, size)


METHODS = {BOTTOM_UP: _bottom_up, VARIANCES: _variances, SHRUNK: _shrunk}


def _side_by_side(
    total: pd.DataFrame, segments: pd.DataFrame, keys: list[str], value: str
) -> pd.DataFrame:
    """Put the total first, under no name, and the segments beside it."""
    wide = segments.set_index([*keys, "series"])[value].unstack()
    whole = total.set_index(keys)[value].reindex(wide.index)
    return pd.concat([whole.to_frame(None), wide], axis=1)


def _backtest(
    segments: Forecast, total: Forecast, columns: pd.Index
) -> tuple[np.ndarray, pd.DataFrame]:
    """Reconcile at each origin by what the others teach: errors as forecast, and the table."""
    keys = ["made_after", "period"]
    mean, actual = (
        _side_by_side(total.earlier, segments.earlier, keys, value).reindex(columns=columns)
        for value in ("mean", "actual")
    )
    # What has no backtest has no errors to learn from, and is not moved.
    error = (mean - actual).loc[:, lambda all_of_them: all_of_them.notna().any()].dropna()
    error = error.reindex(columns=columns, fill_value=0.0)
    made_after, errors = error.index.get_level_values(0), error.to_numpy(dtype=float)
    origins = made_after.unique()
    rows = [{"method": AS_FORECAST} | _compared(errors, errors)]
    for name, weigh in METHODS.items():
        left = np.empty_like(errors)
        for origin in origins:
            here = made_after == origin
            # What came adds up, so errors lack as much as forecasts do.
            left[here] = _add_up(errors[here], weigh(errors[~here]), -np.inf)
        rows.append({"method": name} | _compared(left, errors))
    frame = pd.DataFrame(rows)
    frame.insert(1, "origins", len(origins))
    if len(origins) < LEAST_ORIGINS:
        frame[["segments", "total", "all"]] = np.nan
    return errors, frame


def _compared(left: np.ndarray, before: np.ndarray) -> dict[str, float]:
    """Give mean absolute errors as a share of those before."""
    parts = {"segments": slice(1, None), "total": slice(1), "all": slice(None)}
    sizes = {name: np.abs(before[:, part]).sum() for name, part in parts.items()}
    return {
        name: float(np.abs(left[:, part]).sum() / sizes[name]) if sizes[name] else np.nan
        for name, part in parts.items()
    }


def _add_up(forecasts: np.ndarray, weights: np.ndarray, floor: np.ndarray | float) -> np.ndarray:
    """Move forecasts (periods, total and segments) so that they add up."""
    adds_up = np.r_[1.0, -np.ones(forecasts.shape[1] - 1)]
    along = weights @ adds_up
    moved = forecasts - np.outer(forecasts @ adds_up, along / (adds_up @ along))
    parts = np.maximum(moved[:, 1:], floor)
    return np.c_[parts.sum(axis=1), parts]


def _moved(frame: pd.DataFrame, mean: np.ndarray, history: pd.DataFrame) -> pd.DataFrame:
    """Move intervals along with their means, not below 0 where the history never is."""
    least = frame["series"].map(history.groupby("series")["value"].min())
    floor = np.where(least >= 0, 0.0, -np.inf)
    moved = frame.copy()
    for end in frame.columns.drop(["series", "period"]):
        moved[end] = np.maximum(frame[end] + (mean - frame["mean"]), floor)
    return moved.assign(mean=mean)
