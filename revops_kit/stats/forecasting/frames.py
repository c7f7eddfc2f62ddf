"""What was found for groups of series, as tidy frames."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from revops_kit.stats.forecasting.marks import marks
from revops_kit.stats.forecasting.series import Table
from revops_kit.stats.forecasting.trials import Outcome


def collected(
    table: Table, outcomes: list[Outcome], horizon: int, season: int, levels: Sequence[float]
) -> list[pd.DataFrame]:
    """Give the frames of a `Forecast`: frame, series, backtest, earlier, history.

    Series come in the order of the table.
    """
    names = ["mean", *(f"{end}_{level:g}" for level in levels for end in ("low", "high"))]
    tests = [_tested(found, season, levels) for found in outcomes]
    parts = [
        [_ahead(table, found, names, horizon) for found in outcomes],
        [_described(found, test) for found, test in zip(outcomes, tests, strict=True)],
        tests,
        [_earlier(table, found, names) for found in outcomes],
        [_history(table, found, season) for found in outcomes],
    ]
    return [_in_order(table, each) for each in parts]


def _in_order(table: Table, parts: list[pd.DataFrame]) -> pd.DataFrame:
    """Put the series of all groups in the order of the table, and name them."""
    whole = pd.concat([part for part in parts if len(part)] or parts[:1])
    whole = whole.sort_values("series", kind="stable", ignore_index=True)
    return whole.assign(series=pd.Index(table.names).take(whole["series"].astype(int)))


def _ahead(table: Table, found: Outcome, names: list[str], horizon: int) -> pd.DataFrame:
    series = len(found.columns)
    coming = table.calendar.written(table.calendar.after(horizon))
    return pd.DataFrame(
        {
            "series": np.repeat(found.columns, horizon),
            "period": coming.take(np.tile(np.arange(horizon), series)),
        }
        | {name: each.T.ravel() for name, each in zip(names, found.ahead, strict=True)}
    )


def _tested(found: Outcome, season: int, levels: Sequence[float]) -> pd.DataFrame:
    """Measure every candidate on the backtest, a row per series and candidate."""
    columns = ["series", "model", "origins", "mase", "smape", "wape"]
    columns += [*(f"coverage_{level:g}" for level in levels), "is_naive", "is_chosen"]
    test = found.test
    if test is None:
        return pd.DataFrame(columns=columns)
    error, actual = np.abs(test.errors), np.abs(test.actual)
    came = ~np.isnan(actual)
    count = came.sum(axis=(0, 1))
    either = actual + np.abs(test.mean[:, :-1])
    symmetric = np.where(came, 200 * error / np.where(either > 0, either, 1), 0)
    total = np.where(came, error, 0).sum(axis=(1, 2))
    known = found.filled[: test.known[0]] if test.known else found.filled
    lag = season if len(known) > season else 1
    scale = np.abs(known[lag:] - known[:-lag]).mean(axis=0)
    measured = {
        "mase": _divided(total, count * scale),
        "smape": _divided(symmetric.sum(axis=(1, 2)), count),
        "wape": _divided(total, np.where(came, actual, 0).sum(axis=(0, 1))),
    } | {f"coverage_{level:g}": each for level, each in zip(levels, found.inside, strict=True)}
    candidates, series = total.shape
    place = np.arange(candidates)
    frame = pd.DataFrame(
        {
            "series": np.repeat(found.columns, candidates),
            "model": np.tile(np.array(test.names, dtype=object), series),
            "origins": len(test.known),
        }
        | {name: each.T.ravel() for name, each in measured.items()}
        | {
            "is_naive": np.tile(place == 0, series),
            "is_chosen": (place == test.chosen[:, None]).ravel(),
        }
    )
    return frame[columns]


def _described(found: Outcome, tested: pd.DataFrame) -> pd.DataFrame:
    """Say of each series what was chosen, on how much, and how it compares."""
    error = tested["wape"].to_numpy(float)
    naive, chosen = (error[tested[name].to_numpy(bool)] for name in ("is_naive", "is_chosen"))
    better = np.where(chosen == naive, 0.0, 1 - _divided(chosen, naive))
    return pd.DataFrame(
        {
            "series": found.columns,
            "model": found.models,
            "known": (~np.isnan(found.values)).sum(axis=0),
            "filled": (np.isnan(found.values) & ~np.isnan(found.filled)).sum(axis=0),
            "origins": len(found.test.known) if found.test else 0,
            "intervals": found.intervals,
            "naive": found.test.names[0] if found.test else "",
            "better_than_naive": better if found.test else np.nan,
        }
    )


def _earlier(table: Table, found: Outcome, names: list[str]) -> pd.DataFrame:
    """Lay out what the chosen forecast would have been, where it is known what came."""
    columns = ["series", "made_after", "period", "actual", *names]
    if found.test is None or not found.test.known:
        return pd.DataFrame(columns=columns)
    begin = len(table.calendar.periods) - found.group.lag - found.group.length
    reach, series = found.test.actual.shape[1:]
    origin, ahead, column = np.meshgrid(
        found.test.known, np.arange(reach), np.arange(series), indexing="ij"
    )
    keep = ~np.isnan(found.test.actual)
    written = table.calendar.written(table.calendar.periods)
    frame = pd.DataFrame(
        {
            "series": np.array(found.columns)[column[keep]],
            "made_after": written.take(begin + origin[keep] - 1),
            "period": written.take(begin + origin[keep] + ahead[keep]),
            "actual": found.test.actual[keep],
        }
        | {name: each[keep] for name, each in zip(names, found.earlier, strict=True)}
    )
    return frame[columns]


def _history(table: Table, found: Outcome, season: int) -> pd.DataFrame:
    length, series = found.filled.shape
    begin = len(table.calendar.periods) - found.group.lag - length
    written = table.calendar.written(table.calendar.periods)[begin : begin + length]
    is_filled = np.isnan(found.values)
    return pd.DataFrame(
        {
            "series": np.repeat(found.columns, length),
            "period": written.take(np.tile(np.arange(length), series)),
            "value": found.filled.T.ravel(),
            "is_filled": is_filled.T.ravel(),
            "mark": [mark for each in found.filled.T for mark in marks(each, season)],
        }
    )


def _divided(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Divide, giving NaN where there is nothing to divide by."""
    return np.where(whole > 0, part / np.where(whole > 0, whole, 1), np.nan)
