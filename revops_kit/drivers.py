"""Why a figure is what it is: the parts that add up to it, as small frames to draw.

Each function takes a workspace and a period, or a run of them, asks one query, and returns a
pandas frame.
"""

import datetime as dt
from dataclasses import replace

import numpy as np
import pandas as pd

from revops_kit.kpi import Result, Workspace
from revops_kit.kpis import forecast_accuracy
from revops_kit.kpis.clv import contracts
from revops_kit.periods import Periods, containing, floor
from revops_kit.tables import SEGMENT
from revops_kit.units import COUNT, DAYS, MONEY, SHARE


def lead_funnel(ws: Workspace, periods: str | Periods) -> pd.DataFrame:
    """Follow the leads created in a period as far as each has come by now.

    A step that was skipped is filled in: a lead with a deal counts as qualified too.

    Returns
    -------
    DataFrame
        `step` and `count`, for the steps that the workspace keeps.
    """
    tables = ws.tables
    leads = tables.pick("leads", "lead_id", "created_at", "qualified_at", "converted_at")
    leads = within(ws, periods).assign(leads, on="created_at")
    is_customer = leads.converted_at.notnull()
    has_deal = is_customer
    if tables.has("opportunities", "lead_id"):
        found = tables.pick("opportunities", "lead_id", "outcome")
        found = (
            found.filter(found.lead_id.notnull())
            .group_by(_lead="lead_id")
            .aggregate(_won=(found.outcome == "won").any())
        )
        leads = leads.left_join(found, leads.lead_id == found._lead)
        is_customer = leads.converted_at.notnull() | leads._won.fill_null(False)
        has_deal = leads._lead.notnull() | is_customer
    steps = {"Leads": leads.count()}
    if tables.has("leads", "qualified_at"):
        steps["Qualified"] = (leads.qualified_at.notnull() | has_deal).sum()
    if tables.has("opportunities", "lead_id"):
        steps["With a deal"] = has_deal.sum()
    steps["Customers"] = is_customer.sum()
    counts = leads.aggregate(**{f"step_{at}": count for at, count in enumerate(steps.values())})
    counted = counts.to_pandas().fillna(0).iloc[0].astype(int)
    return pd.DataFrame({"step": list(steps), "count": counted.to_numpy()})


def retention(ws: Workspace, periods: str | Periods, ages: int = 12) -> pd.DataFrame:
    """Say what share of each quarter's new customers is still there, by months of tenure.

    Parameters
    ----------
    periods
        Seen from the end of the last.
    ages
        The highest age in months.

    Returns
    -------
    DataFrame
        A row per quarter of joining, a column per month of age (0 to `ages`); missing where the
        quarter's youngest customer could not have reached that age yet.
    """
    if not ws.tables.has("subscriptions", "mrr"):
        return triangle(pd.DataFrame(columns=["joined"]), None, ages)
    run = within(ws, periods)
    rows = contracts(replace(ws.tables, carried=False), run)
    joined = floor(rows.customer_since, "Q")
    counted = rows.group_by("months", "left", joined=joined).aggregate(
        count=rows.count(), youngest=rows.customer_since.max()
    )
    return triangle(counted.to_pandas(), min(run.end, run.known_until), ages)


def triangle(counted: pd.DataFrame, end: dt.date | None, ages: int) -> pd.DataFrame:
    """Lay out what share of each quarter's new customers is still there, as `retention` does.

    Parameters
    ----------
    counted
        `joined` (any day of the quarter), `months` of tenure, `left`, `count`, and `youngest`: the
        last day on which one of these joined.
    end
        The first day of which nothing is known.
    """
    days = pd.to_datetime(counted.joined).dt.date
    labels = days.map({day: containing(day, "quarter").label for day in days.unique()})
    whole = {}
    for label, cohort in counted.groupby(labels):
        youngest = pd.Timestamp(cohort.youngest.max())
        reached = (end.year - youngest.year) * 12 + end.month - youngest.month
        reached -= end.day < youngest.day
        months = np.minimum(cohort.months.to_numpy("int64"), ages + 1)
        gone = np.bincount(months, cohort["count"] * cohort.left, ages + 2)[: ages + 1]
        kept = 1 - gone.cumsum() / cohort["count"].sum()
        kept[max(reached + 1, 0) :] = np.nan
        whole[label] = kept
    columns = pd.RangeIndex(0, ages + 1, name="months since joining")
    return pd.DataFrame.from_dict(whole, orient="index", columns=columns)


def factors(trend: Result) -> pd.DataFrame:
    """Give the four factors of pipeline velocity in the last two periods.

    Returns
    -------
    DataFrame
        A row per period (its label) and, where the trend is split, `revops_segment`: `value`,
        `open`, `win_rate`, `mean_amount`, `mean_days`, and the sums that they are made of. Empty
        where velocity is not available.
    """
    keys = ["period", *([SEGMENT] if trend.by else [])]
    if trend.unavailable:
        columns = ["value", "open", "win_rate", "mean_amount", "mean_days"]
        return pd.DataFrame(columns=[*keys, *columns])
    labels = {period.start: period.label for period in trend.periods.each[-2:]}
    parts = trend.fetched
    parts = parts.assign(period=pd.to_datetime(parts.period).dt.date.map(labels))
    counted = trend.kpi.summary.finish(parts.dropna(subset="period"), keys, trend.tables.policies)
    return counted.sort_values(keys, ignore_index=True)


def velocity_factors(trend: Result) -> pd.DataFrame:
    """Set the four factors of pipeline velocity side by side, now and before.

    Returns
    -------
    DataFrame
        `factor`, `unit`, and a column for each of the last two periods.
    """
    named = {
        "open": ("Open deals", COUNT),
        "win_rate": ("Win rate", SHARE),
        "mean_amount": ("Mean won amount", MONEY),
        "mean_days": ("Mean won cycle", DAYS),
    }
    counted = factors(trend.whole).set_index("period")
    labels = [period.label for period in trend.periods][-2:]
    table = counted[list(named)].astype(float).T.reindex(columns=labels)
    titles = pd.DataFrame(list(named.values()), columns=["factor", "unit"], index=list(named))
    return pd.concat([titles, table], axis=1).reset_index(drop=True)


def forecast_by_month(ws: Workspace, periods: str | Periods) -> pd.DataFrame:
    """Set forecasts beside what was won, month by month.

    Returns
    -------
    DataFrame
        `month` (label), `forecast`, `won`, `error` (forecast − won).
    """
    if forecast_accuracy.unavailable(ws.tables):
        return pd.DataFrame(columns=["month", "forecast", "won", "error"])
    rows = forecast_accuracy.rows(ws.tables, within(ws, periods))
    parts = forecast_accuracy.summary.aggregate(rows, ["period"]).to_pandas()
    parts = parts[parts.made > 0].sort_values("month")
    months = pd.to_datetime(parts.month)
    forecast, won = parts.forecast.fillna(0.0), parts.actual.fillna(0.0)
    return pd.DataFrame(
        {
            "month": months.dt.strftime("%Y-%m"),
            "forecast": forecast,
            "won": won,
            "error": forecast - won,
        }
    ).reset_index(drop=True)


def within(ws: Workspace, periods: str | Periods) -> Periods:
    """Lay periods in the company's calendar, seen from its last known day."""
    run = Periods(periods) if isinstance(periods, str) else periods
    return replace(run, calendar=ws.calendar, as_of=ws.tables.as_of)
