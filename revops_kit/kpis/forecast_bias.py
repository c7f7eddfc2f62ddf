"""Forecast bias: how far forecasts lay above what was won, on the whole."""

from revops_kit.kpi import Kpi, Summary
from revops_kit.kpis.forecast_accuracy import bias, fold, rows, source, unplaced
from revops_kit.units import SHARE

forecast_bias = Kpi(
    name="forecast_bias",
    title="Forecast bias",
    question="Did the forecasts promise too much, or too little?",
    formula="sum of (forecast − won) / sum of won; above 0 is too much",
    unit=SHARE,
    better="neither",
    counts="months",
    empty="no whole month was forecast",
    needs={"opportunities": ("closed_at", "outcome", "amount")},
    either=("forecasts.amount", "stage_changes.expected_close"),
    policies=("forecast_category", "forecast_lead_days"),
    rows=rows,
    is_monthly=True,
    summary=Summary(
        fold,
        bias,
        parts=("numerator", "denominator", "forecast", "actual"),
    ),
    left_out=unplaced,
    notes=source,
)
