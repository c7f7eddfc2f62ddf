"""Forecast accuracy: how near forecasts came to what was won."""

import datetime as dt
import re
from dataclasses import replace

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from revops_kit import deals
from revops_kit.kpi import Kpi, LeftOut, Summary
from revops_kit.periods import ONE_DAY, Period, Periods, containing, floor
from revops_kit.snapshots import KEPT_ON
from revops_kit.tables import SEGMENT, Policies, Tables, stack
from revops_kit.units import SHARE

# Forecast categories from the surest on: a cumulative forecast adds up all to its own.
LADDER = ("commit", "mostlikely", "bestcase", "pipeline")
# What a forecast is rebuilt from.
COUNTED = ("amount", "stage", "forecast_category")
# The day that is looked from, and the span that is forecast: first day in it, first day after.
Moment = tuple[dt.date, dt.date, dt.date]


def rows(tables: Tables, periods: Periods) -> ir.Table:
    """Stack the forecast of each whole month on what was won in it.

    Parameters
    ----------
    tables
        Needs `opportunities`, and `forecasts` as they were submitted, or `stage_changes` –
        snapshots make some – to rebuild them from. Today's opportunities say what deals became,
        not what was expected: a forecast rebuilt from them would be hindsight, and is refused.
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
    if tables.has("forecasts"):
        expected = submitted(tables)
    else:
        names = deals.counted(tables, *COUNTED)
        expected = rebuilt(tables, standing(tables, at_lead(tables, periods), *names))
    won = deals.won(tables, *deals.counted(tables, "amount"))
    nothing = ibis.null("float64")
    won = won.mutate(month=floor(won.closed_at, "M"), forecast=nothing, actual=won.amount)
    both = stack(expected.mutate(actual=nothing).drop("amount"), won)
    return periods.assign(both.filter(both.month < _last_month(periods)), on="month")


def submitted(tables: Tables) -> ir.Table:
    """Pick each month's forecast as it stood at the lead time, by owner and category."""
    made = of_policy(tables)
    lead = ibis.interval(days=tables.policies.forecast_lead_days)
    made = made.filter(made.made_on <= (made.month - lead).cast("date"))
    return latest(made).mutate(forecast=lambda each: each.amount)


def of_policy(tables: Tables) -> ir.Table:
    """Pick the submitted forecasts of the policy's category, and those without one."""
    made = tables.forecasts
    made = made.mutate(month=floor(made.month, "M"))
    if not tables.has("forecasts", "category"):
        return made
    is_of_policy = written(made.category) == _key(tables.policies.forecast_category)
    return made.filter(made.category.isnull() | is_of_policy)


def latest(made: ir.Table, *seen: str) -> ir.Table:
    """Keep the newest forecast of each month, owner and category (and column in `seen`)."""
    split = [SEGMENT] if SEGMENT in made.columns else []
    keys = ["month", "owner", "category", *split, *seen]
    return made.filter(made.made_on == made.made_on.max().over(ibis.window(group_by=keys)))


def rebuilt(tables: Tables, waiting: ir.Table) -> ir.Table:
    """Rebuild forecasts from what stage changes, or snapshots, said at moments.

    A deal then open and expected in the span forecast counts whole where its forecast category
    was the policy's, or a surer one; without categories, by the share of earlier deals in its
    stage that were won.

    Parameters
    ----------
    waiting
        As `standing` gives it.
    """
    if tables.has("stage_changes", "forecast_category"):
        return waiting.filter(is_counted(tables, waiting)).mutate(forecast=waiting.amount)
    return weighted_by_stage(tables, waiting)


def is_counted(tables: Tables, waiting: ir.Table) -> ir.BooleanValue:
    """Tell whether deals stood in the policy's category, or a surer one."""
    return written(waiting.forecast_category).isin(surer(tables.policies.forecast_category))


def weighted_by_stage(tables: Tables, waiting: ir.Table) -> ir.Table:
    """Count each deal by the share of earlier deals in its stage that were won.

    Parameters
    ----------
    waiting
        As `standing` gives it.
    """
    if not tables.has("stage_changes", "stage"):
        # Nothing says what a deal was worth: no forecast, rather than one of nothing.
        return waiting.mutate(forecast=ibis.null("float64"))
    days = waiting.select(ends="day").distinct()
    chance = _chances(tables, days)
    weighed = waiting.left_join(
        chance, [waiting.stage == chance._stage, waiting.day == chance._until]
    )
    share = weighed._share.fill_null(0.0)
    return weighed.mutate(forecast=weighed.amount * share).drop("_stage", "_until", "_share")


def standing(tables: Tables, moments: list[Moment], *names: str) -> ir.Table:
    """Pick the deals that were open at moments and expected in a span, as they then stood.

    Parameters
    ----------
    *names
        The columns to have beside those that tell what stood where; all where none are named.

    Returns
    -------
    Table, one row per deal and moment
        The columns of `opportunities`, with `day` (the moment: when it begins), and `month` and
        `until` (first day of the span forecast, and the first after it).
    """
    # A snapshot made in the morning shows the day that begins; of changes, those before count.
    later = ONE_DAY if is_from_snapshots(tables) else dt.timedelta()
    schema = ibis.schema({"day": "date", "ends": "date", "month": "date", "until": "date"})
    seen = [(day, day + later, start, until) for day, start, until in moments]
    names = (*names, "expected_close") if names else ()
    known = deals.known(tables, *names)
    waiting = known.cross_join(ibis.memtable(seen, schema=schema))
    closed, opened = waiting.closed_at.cast("date"), waiting.opened_at.cast("date")
    running = (waiting.outcome == "open") | (closed >= waiting.day)
    waiting = waiting.filter(running & (opened.isnull() | (opened < waiting.ends)))
    # What today's table says of these would be hindsight.
    unknown = {name: ibis.null(waiting[name].type()) for name in deals.HISTORY if name in waiting}
    waiting = waiting.mutate(period=waiting.ends, **unknown)
    # The state is that of the day, whichever spans are forecast on it.
    waiting = deals.as_they_stood(tables, waiting)
    expected = waiting.expected_close.cast("date")
    waiting = waiting.filter((expected >= waiting.month) & (expected < waiting.until))
    return waiting.drop("period", "ends")


def at_lead(tables: Tables, periods: Periods) -> list[Moment]:
    """List the days that months are forecast from: their start, or earlier by the lead time."""
    lead = dt.timedelta(days=tables.policies.forecast_lead_days)
    return [(month.start - lead, month.start, month.end) for month in _months(periods)]


def is_from_snapshots(tables: Tables) -> bool:
    """Tell whether `stage_changes` were made of snapshots, which say when each was kept."""
    return tables.has("stage_changes", KEPT_ON)


def written(category: ir.StringValue) -> ir.StringValue:
    """Write a forecast category the one way that all spellings share: Best Case as bestcase."""
    return category.lower().replace(" ", "").replace("_", "").replace("-", "")


def surer(category: str) -> tuple[str, ...]:
    """List the categories that a forecast of one adds up: commit counts in best case.

    Examples
    --------
    >>> surer("best_case"), surer("upside")
    (('commit', 'mostlikely', 'bestcase'), ('upside',))
    """
    key = _key(category)
    return LADDER[: LADDER.index(key) + 1] if key in LADDER else (key,)


def _key(category: str) -> str:
    return re.sub(r"[ _-]", "", category.lower())


def _chances(tables: Tables, moments: ir.Table) -> ir.Table:
    """Say what share of the deals decided before each day, and once in a stage, was won."""
    whole = replace(tables, by="")
    visited = whole.stage_changes.select("opportunity_id", "stage").distinct()
    ended = deals.decided(whole).select(_deal="opportunity_id", _how="outcome", _on="closed_at")
    known = visited.inner_join(ended, visited.opportunity_id == ended._deal).cross_join(moments)
    known = known.filter(known._on.cast("date") < known.ends)
    won = (known._how == "won").cast("int32")
    return known.group_by(_stage="stage", _until="ends").aggregate(_share=won.mean())


def fold(rows: ir.Table, keys: list[str]) -> ir.Table:
    """Sum what was expected and what was won, month by month."""
    months = list(dict.fromkeys([*keys, "month"]))
    return rows.group_by(months).aggregate(
        forecast=rows.forecast.sum(), actual=rows.actual.sum(), made=rows.forecast.count()
    )


def errors(parts: pd.DataFrame) -> pd.DataFrame:
    """Compare by month; months that nobody forecast are left out, for there is no error in them."""
    forecast_at_all = parts.groupby("month").made.transform("sum") > 0
    parts = parts[forecast_at_all]
    forecast, actual = parts.forecast.fillna(0), parts.actual.fillna(0)
    return parts.assign(
        forecast=forecast,
        actual=actual,
        numerator=forecast - actual,
        denominator=actual.abs(),
        n=1,
    )


def _folded(parts: pd.DataFrame, keys: list[str]) -> pd.DataFrame:
    summed = ["numerator", "denominator", "n", "forecast", "actual"]
    sums = parts.groupby(keys, as_index=False, sort=False)[summed].sum()
    return sums.assign(
        low=np.nan,
        high=np.nan,
        missing_because=np.where(
            sums.denominator == 0, "nothing was won, so there is nothing to divide by", None
        ),
    )


def accuracy(fetched: pd.DataFrame, keys: list[str], policies: Policies) -> pd.DataFrame:
    """Take one less the weighted absolute percentage error."""
    parts = errors(fetched)
    sums = _folded(parts.assign(numerator=parts.numerator.abs()), keys)
    return sums.assign(value=1 - sums.numerator / sums.denominator.replace(0, np.nan))


def bias(fetched: pd.DataFrame, keys: list[str], policies: Policies) -> pd.DataFrame:
    """Divide the sum of errors by the sum of what was won."""
    sums = _folded(errors(fetched), keys)
    return sums.assign(value=sums.numerator / sums.denominator.replace(0, np.nan))


def unplaced(tables: Tables, periods: Periods) -> list[LeftOut]:
    """Count the won deals that belong to no month, or add nothing to theirs."""
    won = deals.won(tables, "amount")
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
        if tables.has("forecasts", KEPT_ON):
            notes.append("Submitted forecasts overwritten since are put back from snapshots.")
        return [f"Forecasts as submitted, as they stood {when}{which}.", *notes]
    made_of = "snapshots" if is_from_snapshots(tables) else "stage changes"
    how = (
        f"category {category}{' and surer ones' if len(surer(category)) > 1 else ''}"
        if tables.has("stage_changes", "forecast_category")
        else ("each deal by the share of earlier deals in its stage that were won")
    )
    return [f"Forecasts rebuilt from {made_of}, as they stood {when}: {how}.", *notes]


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
    is_monthly=True,
    summary=Summary(fold, accuracy, parts=("forecast", "actual")),
    left_out=unplaced,
    notes=source,
)
