"""What lies ahead of each segment, adding up to the whole."""

import numpy as np
import pandas as pd

from revops_kit.noted import empty, noted
from revops_kit.outlook.ahead import LEVELS
from revops_kit.outlook.look import Outlook
from revops_kit.outlook.series import SEASONS
from revops_kit.stats.forecasting import forecast, reconcile
from revops_kit.units import percent


def segments(outlook: Outlook, by: str) -> pd.DataFrame:
    """Give a row per segment: what its past implies for the quarter that ends next.

    The segments' forecasts and that of their total are moved until they add up, in the way that
    does so best in the backtest; then all in proportion, to the forecast to go by.

    Returns
    -------
    DataFrame
        The column split by, `mean`, and its `share` of the whole, which is the last row.
    """
    missing = "no column to split by was asked for" if not by else outlook.series.missing_because
    if not missing:
        parts = outlook.kpi.over(outlook.ws, outlook.series.trend.periods, by=by)
        missing = parts.unavailable
    if missing:
        return empty([by or "segment", "mean", "share"], missing)
    starts = outlook.series.values.index
    wide = parts.frame.pivot(index="start", columns=by, values="value").reindex(starts).fillna(0.0)
    # Who never had any has nothing to be forecast from.
    wide = wide.loc[:, (wide != 0).any()].reset_index(drop=True)
    tall = wide.rename_axis(index="period", columns="series").stack().rename("value").reset_index()
    made = forecast(tall, len(outlook.ahead.periods), SEASONS[outlook.kind], LEVELS)
    added = reconcile(made, outlook.series.made)
    ahead = added.segments.pivot(index="period", columns="series", values="mean").to_numpy()
    span = outlook.next
    inside = [span.start <= each.start < span.end for each in outlook.ahead.periods]
    expected = ahead[inside][-1] if outlook.ahead.is_stock else ahead[inside].sum(axis=0)
    whole = outlook.ahead.over(span).mean()
    came = _came(wide.set_axis(starts[: len(wide)]), outlook)
    mean = came + expected * (whole - came.sum()) / expected.sum() if expected.any() else came
    share = mean / whole if whole else np.nan
    found = pd.DataFrame({by: wide.columns, "mean": mean, "share": share})
    found = found.sort_values("mean", ascending=False, ignore_index=True)
    found.loc[len(found)] = ["all", whole, 1.0]
    error = added.backtest.set_index("method")["segments"]
    return noted(
        found,
        f"Made to add up by {added.method}: in the backtest that made the segments' errors "
        f"{percent(error[added.method])} of what they were.",
    )


def _came(wide: pd.DataFrame, outlook: Outlook) -> np.ndarray:
    """Sum what came of the span already, by segment; nothing of what stands at a moment."""
    inside = wide.index >= pd.Timestamp(outlook.next.start)
    is_sum = 0.0 if outlook.ahead.is_stock else 1.0
    return wide[inside].sum().to_numpy() * is_sum
