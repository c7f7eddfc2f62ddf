"""The pipeline's forecast beside those that sales makes: by stage, by category, as submitted."""

import ibis
import ibis.expr.types as ir
import pandas as pd

from revops_kit.kpis.forecast_accuracy import (
    COUNTED,
    is_counted,
    standing,
    submitted,
    weighted_by_stage,
)
from revops_kit.noted import empty, noted
from revops_kit.outlook.look import Outlook
from revops_kit.outlook.pipeline import Pipeline
from revops_kit.periods import containing
from revops_kit.stats.forecasting import accuracy
from revops_kit.tables import Tables
from revops_kit.units import plural

FEWEST = 3


def rivals(outlook: Outlook) -> pd.DataFrame:
    """Compare forecasts of past months, each as it stood when the month began.

    Returns
    -------
    DataFrame
        A row per way to forecast: `forecast`, `wape` (sum of the errors' sizes as a share of what
        was won) and `bias`, over the months that all of them forecast. Of no rows where there is no
        pipeline to look back on.
    """
    columns = ["forecast", "wape", "bias"]
    if not isinstance(outlook.in_hand, Pipeline) or outlook.in_hand.missing_because:
        return empty(columns, "there is no pipeline to look back on")
    made = _first_month(outlook.in_hand.tested.frame)
    ways = {"the pipeline, by stage, age and size": made["mean"]}
    ways |= _of_sales(outlook.ws.tables, made.index)
    if not outlook.series.missing_because:
        ways["its own past"] = _first_month(outlook.series.tested.frame)["mean"]
    beside = pd.DataFrame(ways).reindex(made.index)
    # A way with too little past says nothing, and would take the months from the others.
    beside = beside.loc[:, beside.notna().sum() >= min(FEWEST, len(beside))]
    shared = beside.dropna()
    if len(shared) < FEWEST:
        return empty(columns, "too few months were forecast in more than one way")
    came = made.actual.reindex(shared.index)
    found = []
    for way in shared:
        measured = accuracy(came, shared[way])
        found.append((way, measured["wape"], measured["bias"]))
    frame = pd.DataFrame(found, columns=columns).sort_values("wape", ignore_index=True)
    over = f"Over {plural(len(shared), 'month')} that all of them forecast"
    return noted(frame, f"{over}; nearest was: {frame.forecast.iloc[0]}.")


def _first_month(tested: pd.DataFrame) -> pd.DataFrame:
    return tested[tested.lead == 1].set_index("start").sort_index()[["actual", "mean"]]


def _of_sales(tables: Tables, months: pd.DatetimeIndex) -> dict[str, pd.Series]:
    """Forecast months from the deals expected in them, and from what was submitted."""
    spans = [containing(month.date(), "month") for month in months]
    moments = [(span.start, span.start, span.end) for span in spans]
    found = {}
    if tables.has("stage_changes", "expected_close"):
        rows, amounts = standing(tables, moments, *COUNTED), {}
        if tables.has("stage_changes", "stage"):
            rows = weighted_by_stage(tables, rows)
            amounts["the stage's share of wins, by expected close"] = rows.forecast
        if tables.has("stage_changes", "forecast_category"):
            way = f"deals in {tables.policies.forecast_category} or surer, by expected close"
            amounts[way] = is_counted(tables, rows).ifelse(rows.amount, ibis.null())
        found |= _by_month(rows, amounts)
    if tables.has("forecasts"):
        rows = submitted(tables)
        found |= _by_month(rows, {"as submitted": rows.forecast})
    return found


def _by_month(rows: ir.Table, amounts: dict[str, ir.Value]) -> dict[str, pd.Series]:
    """Add up amounts by month, those of each way to forecast."""
    if not amounts:
        return {}
    sums = {f"_{at}": each.sum() for at, each in enumerate(amounts.values())}
    frame = rows.group_by(month=rows.month.cast("date")).aggregate(**sums).to_pandas()
    frame = frame.set_index(pd.to_datetime(frame.month)).sort_index()
    return {way: frame[name] for way, name in zip(amounts, sums, strict=True)}
