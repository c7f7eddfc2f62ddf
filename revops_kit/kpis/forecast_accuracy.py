"""Forecast accuracy: how near forecasts came to what was won."""

import datetime as dt

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from revops_kit import deals
from revops_kit.kpi import Kpi, LeftOut, Summary
from revops_kit.periods import ONE_DAY, Period, Periods, containing
from revops_kit.tables import Policies, Tables, stack
from revops_kit.units import SHARE


def rows(tables: Tables, periods: Periods) -> ir.Table:
    """Stack the forecast of each whole month on what was won in it.

    Parameters
    ----------
    tables
        Needs `opportunities`, and `forecasts` as they were submitted or `stage_changes` to
        rebuild them from. Today's opportunities say what deals became, not what was expected:
        a forecast rebuilt from them would be hindsight, and is refused.
    periods
        Months count in the period they lie in; months not over are left out.

    Returns
    -------
    Table, one row per forecast and per won deal
        The columns that both have, and

        period, month : date
            First day of the period, and of the month.
        forecast, actual : float
            What was expected of the month, and what was won; one of them is empty.

    Examples
    --------
    >>> from revops_kit.samples import tables
    >>> made = tables({
    ...     "forecasts": [{"made_on": "2026-09-01", "month": "2026-09-01", "amount": 950}],
    ...     "opportunities": [{"opportunity_id": "1", "outcome": "won", "amount": 1_000,
    ...                        "closed_at": "2026-09-10"}],
    ... })
    >>> both = rows(made, Periods("2026-09"))
    >>> both.forecast.sum().to_pyarrow().as_py(), both.actual.sum().to_pyarrow().as_py()
    (950.0, 1000.0)
    """
    expected = submitted(tables) if tables.has("forecasts") else rebuilt(tables, periods)
    won = deals.won(tables)
    won = won.mutate(month=_month(won.closed_at), forecast=ibis.null("float64"), actual=won.amount)
    expected = expected.mutate(actual=ibis.null("float64"))
    both = stack(expected.drop("amount"), won)
    return periods.assign(both.filter(both.month < _last_month(periods)), on="month")


def submitted(tables: Tables) -> ir.Table:
    """Pick each month's forecast as it stood at the lead time, by owner and category."""
    made = tables.forecasts
    made = made.mutate(month=_month(made.month))
    lead = ibis.interval(days=tables.policies.forecast_lead_days)
    made = made.filter(made.made_on <= (made.month - lead).cast("date"))
    if tables.has("forecasts", "category"):
        category = made.category.lower()
        made = made.filter(category.isnull() | (category == tables.policies.forecast_category))
    by = [tables.by] if tables.by in made.columns else []
    series = ibis.window(group_by=list(dict.fromkeys(["month", "owner", "category", *by])))
    made = made.mutate(_latest=made.made_on.max().over(series))
    made = made.filter(made.made_on == made._latest).drop("_latest")
    return made.mutate(forecast=made.amount)


def rebuilt(tables: Tables, periods: Periods) -> ir.Table:
    """Rebuild each month's forecast from what stage changes said at the lead time.

    A deal then open and expected in the month counts whole where its forecast category was the
    policy's; without categories, by the share of earlier deals in its stage that were won.
    """
    lead = dt.timedelta(days=tables.policies.forecast_lead_days)
    # A month is forecast from the end of the day before it begins, or earlier by the lead time.
    days = [(month.start - lead, month.start) for month in _months(periods)]
    schema = ibis.schema({"ends": "date", "month": "date"})
    moments = ibis.memtable(days, schema=schema)
    waiting = tables.opportunities.cross_join(moments)
    closed, opened = waiting.closed_at.cast("date"), waiting.opened_at.cast("date")
    running = (waiting.outcome == "open") | (closed >= waiting.ends)
    waiting = waiting.filter(running & (opened.isnull() | (opened < waiting.ends)))
    waiting = waiting.mutate(
        period=waiting.month,
        amount=ibis.null("float64"),
        expected_close=ibis.null("date"),
        forecast_category=ibis.null("string"),
        stage=ibis.null("string"),
    )
    waiting = deals.as_they_stood(tables, waiting)
    waiting = waiting.filter(_month(waiting.expected_close) == waiting.month)
    if tables.has("stage_changes", "forecast_category"):
        is_counted = waiting.forecast_category.lower() == tables.policies.forecast_category
        return waiting.filter(is_counted).mutate(forecast=waiting.amount).drop("period")
    chance = _chances(tables, moments)
    weighed = waiting.left_join(
        chance, [waiting.stage == chance._stage, waiting.ends == chance._until]
    )
    share = weighed._share.fill_null(0.0)
    return weighed.mutate(forecast=weighed.amount * share).drop(
        "period", "_stage", "_until", "_share"
    )


def _chances(tables: Tables, moments: ir.Table) -> ir.Table:
    """Say what share of the deals decided before each moment, and once in a stage, was won."""
    visited = tables.stage_changes.select("opportunity_id", "stage").distinct()
    ended = deals.decided(tables).select(_deal="opportunity_id", _how="outcome", _on="closed_at")
    known = visited.inner_join(ended, visited.opportunity_id == ended._deal).cross_join(moments)
    known = known.filter(known._on.cast("date") < known.ends)
    won = (known._how == "won").cast("float64")
    return known.group_by(_stage="stage", _until="ends").aggregate(_share=won.mean())


def fold(rows: ir.Table, keys: list[str]) -> ir.Table:
    """Sum what was expected and what was won, month by month."""
    months = list(dict.fromkeys([*keys, "month"]))
    return rows.group_by(months).aggregate(
        forecast=rows.forecast.sum(), actual=rows.actual.sum(), made=rows.forecast.count()
    )


def errors(parts: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    """Compare by month; months that nobody forecast are left out, for there is no error in them."""
    forecast_at_all = parts.groupby("month").made.transform("sum") > 0
    parts = parts[forecast_at_all]
    forecast, actual = parts.forecast.fillna(0), parts.actual.fillna(0)
    return parts.assign(
        forecast=forecast, actual=actual, error=forecast - actual, size=actual.abs()
    )


def _folded(parts: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    grouped = parts.groupby(keys, as_index=False, sort=False)
    sums = grouped.agg(
        numerator=("error", "sum"),
        denominator=("size", "sum"),
        n=("month", "count"),
        forecast=("forecast", "sum"),
        actual=("actual", "sum"),
    )
    return sums.assign(
        low=np.nan,
        high=np.nan,
        missing_because=np.where(
            sums.denominator == 0, "nothing was won, so there is nothing to divide by", None
        ),
    )


def accuracy(fetched: pd.DataFrame, keys: list[str], policies: Policies) -> pd.DataFrame:
    """Take one less the weighted absolute percentage error."""
    parts = errors(fetched, keys)
    sums = _folded(parts.assign(error=parts.error.abs()), keys)
    return sums.assign(value=1 - sums.numerator / sums.denominator.replace(0, np.nan))


def bias(fetched: pd.DataFrame, keys: list[str], policies: Policies) -> pd.DataFrame:
    """Divide the sum of errors by the sum of what was won."""
    sums = _folded(errors(fetched, keys), keys)
    return sums.assign(value=sums.numerator / sums.denominator.replace(0, np.nan))


def unplaced(tables: Tables, periods: Periods) -> list[LeftOut]:
    """Count the won deals that belong to no month, or add nothing to theirs."""
    won = deals.won(tables)
    undated = won.filter(won.closed_at.isnull()).count()
    worthless = won.filter(won.amount.isnull() & won.closed_at.notnull()).count()
    return [
        LeftOut(undated, "won deal", "without a date: in no month"),
        LeftOut(worthless, "won deal", "without an amount: counted as 0"),
    ]


def source(tables: Tables) -> list[str]:
    """Say where the forecasts come from."""
    lead, category = tables.policies.forecast_lead_days, tables.policies.forecast_category
    when = "at the start of each month" if not lead else f"{lead} days before each month"
    notes = ["Months that nobody forecast, and months not over, are left out."]
    if tables.has("forecasts"):
        which = f", category {category}" if tables.has("forecasts", "category") else ""
        return [f"Forecasts as submitted, as they stood {when}{which}.", *notes]
    how = (
        f"category {category}"
        if tables.has("stage_changes", "forecast_category")
        else ("each deal by the share of earlier deals in its stage that were won")
    )
    return [f"Forecasts rebuilt from stage changes, as they stood {when}: {how}.", *notes]


def _month(day: ir.Value) -> ir.DateValue:
    return day.cast("date").truncate("M").cast("date")


def _last_month(periods: Periods) -> dt.date:
    """Give the first month that is not known to its end."""
    return containing(periods.known_until, "month").start


def _months(periods: Periods) -> list[Period]:
    """List the whole months in the periods, at most ten years back."""
    end = min(periods.end, _last_month(periods))
    months = []
    while end > periods.start and len(months) < 120:
        month = containing(end - ONE_DAY, "month")
        months.append(month)
        end = month.start
    return months


forecast_accuracy = Kpi(
    name="forecast_accuracy",
    title="Forecast accuracy",
    question="How near did the forecasts come to what was won?",
    formula="1 − sum of |forecast − won| / sum of |won|, over whole months",
    unit=SHARE,
    better="higher",
    counts="months",
    empty="no whole month was forecast",
    needs={"opportunities": ("closed_at", "outcome", "amount")},
    either=("forecasts.amount", "stage_changes.expected_close"),
    policies=("forecast_category", "forecast_lead_days"),
    rows=rows,
    summary=Summary(fold, accuracy, parts=("forecast", "actual")),
    left_out=unplaced,
    notes=source,
)
