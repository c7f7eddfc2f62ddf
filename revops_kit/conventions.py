"""How others count what we count: published conventions of churn, recurring revenue and retention.

Each function sets a figure by the house's own convention beside the others; sources are named in
its docstring.
"""

import datetime as dt
from dataclasses import replace

import ibis
import pandas as pd

from revops_kit import kpis, recurring
from revops_kit.drivers import within
from revops_kit.kpi import Workspace
from revops_kit.kpis.churn import by_rule
from revops_kit.periods import Periods
from revops_kit.sources import Source
from revops_kit.spreads import Convention, Spread
from revops_kit.tables import Tables
from revops_kit.units import COUNT, MONEY

UNANNOUNCED = (
    "the source does not say since when what lies ahead was known, so only its last day can tell"
)


CHURN = {
    "chartmogul": "active at the start and not at the end ÷ active at the start",
    "stripe": "left at any moment ÷ (active at the start + joined in the period)",
    "profitwell": "active at the start and left at any moment ÷ active at the start",
    "baremetrics": "left at any moment, even who had just joined ÷ active at the start",
}


def churn(ws: Workspace, period: str) -> Spread:
    """Count churned customers by each published convention.

    References
    ----------
    The four rules of the policy `churn`, the house's own first:
    ChartMogul Help 203359341 (start to end); Stripe, Billing metric definitions
    (docs.stripe.com/billing/subscriptions/analytics/glossary), whose base adds who joined;
    ProfitWell (paddle.com/help/profitwell-metrics), which ignores who joins and leaves within a
    month; Baremetrics (changelog.baremetrics.com, "Churn Update"), which counts them.
    And ChartMogul's default for free customers (Help 15384089786524, "Free Customer Handling"):
    who moves to a free plan stays.

    Examples
    --------
    >>> from revops_kit.samples import Company, tiny
    >>> churn(Company(tiny()), "2026-09").frame.value.round(4).tolist()
    [0.3333, 0.3333, 0.3333, 0.3333, 0.3333]
    """
    kpi, run = kpis.churn, within(ws, period)
    spread = Spread(kpi, period, ws.currency, "lost", "at the start", COUNT)
    if missing := kpi.unavailable(ws.tables):
        return replace(spread, missing_because=missing)
    customers = recurring.movements(ws.tables, run)
    free = recurring.on_free_plans(ws.tables, run).select(_period="period", _free="customer")
    joined = customers.left_join(
        free, [customers.period == free._period, customers.customer == free._free]
    )
    highest = ibis.greatest(joined.start_mrr, joined.end_mrr, joined.mrr)
    theirs = {name: joined[name] for name in customers.columns}
    customers = joined.select(**theirs | {"mrr": highest}, is_free=joined._free.notnull())
    begins, is_new = customers.start_mrr == 0, customers.customer_since >= customers.starts
    why = ibis.cases(
        (begins & is_new & customers.left_in, "joined and left in the period"),
        (begins & is_new, "joined in the period"),
        (begins & customers.left_in, "came back and left again"),
        (begins, "came back in the period"),
        (customers.end_mrr > 0, "left and came back in the period"),
        else_="moved to a free plan",
    )
    own = ws.tables.policies.churn
    conventions = []
    for rule in sorted(CHURN, key=lambda rule: rule != own):
        lost, at_risk = by_rule(customers, rule)
        counts = lost.cast("int64"), at_risk.cast("int64")
        conventions.append(Convention(rule, CHURN[rule], *counts, why))
    lost, at_risk = by_rule(customers, "chartmogul")
    counts = (lost & ~customers.is_free).cast("int64"), at_risk.cast("int64")
    free_stays = "as chartmogul; who moves to a free plan stays"
    conventions.append(Convention("chartmogul, free plans stay", free_stays, *counts, why))
    return replace(spread, customers=customers, conventions=tuple(conventions))


def mrr(ws: Workspace, period: str) -> Spread:
    """Count recurring revenue at a period's end, with and without what is known to change.

    What is announced can be told only where the period ends with the data: a source keeps the day
    on which a subscription ends or starts, and not since when that was known.

    References
    ----------
    Running at the end: Stripe, Billing metric definitions, and ChartMogul's default.
    Announced ends gone at once: ChartMogul Help 203176581, "As soon as a customer schedules
    cancellation". Committed (CMRR), which adds contracts that are signed and begin later:
    Bessemer Venture Partners, Top 10 Laws of Cloud Computing (2010).

    Examples
    --------
    >>> from revops_kit.samples import Company, tiny
    >>> mrr(Company(tiny("2026-09-10")), "2026-09").frame.value.tolist()
    [1000.0, 700.0, 700.0]
    """
    kpi, run = kpis.mrr, within(ws, period)
    spread = Spread(kpi, period, ws.currency, "MRR", "", MONEY)
    if missing := kpi.unavailable(ws.tables):
        return replace(spread, missing_because=missing)
    rows = run.snapshots(recurring.paying(replace(ws.tables, as_of=None, carried=False)))
    runs = recurring.is_active(rows, rows.ends)
    amounts = {
        "running": runs,
        "ending": runs & rows.ended_on.notnull(),
        "beginning": rows.started_on >= rows.ends,
    }
    customers = rows.group_by("customer").aggregate(
        **{name: which.ifelse(rows.mrr, 0.0).sum() for name, which in amounts.items()}
    )
    customers = customers.mutate(mrr=customers.running + customers.beginning)
    customers = customers.filter(customers.mrr > 0)
    why = ibis.cases(
        ((customers.ending > 0) & (customers.beginning > 0), "one ends and another begins later"),
        (customers.ending > 0, "the end is announced"),
        else_="signed, and begins later",
    )
    unknown = "" if _ends_with_the_data(ws.tables, run) else UNANNOUNCED
    nothing, still = ibis.literal(0), customers.running - customers.ending
    conventions = (
        Convention(
            "running at the end", "subscriptions running then", customers.running, nothing, why
        ),
        Convention(
            "announced ends gone",
            "less those whose end is announced for a later day",
            still,
            nothing,
            why,
            unknown,
        ),
        Convention(
            "committed (CMRR)",
            "less announced ends, with signed contracts that begin later",
            still + customers.beginning,
            nothing,
            why,
            unknown,
        ),
    )
    return replace(spread, customers=customers, conventions=conventions)


def net_revenue_retention(ws: Workspace, period: str) -> Spread:
    """Count net revenue retention by each published convention.

    References
    ----------
    Without customers who came back: Baremetrics (changelog.baremetrics.com, "Net Revenue
    Retention"). With them: ChartMogul Help 4414075567250, "Net MRR Churn Rate", of which this is
    the complement. Over the customers of twelve months before the period's end: the annual reports
    (10-K) of Confluent and GitLab, "dollar-based net retention rate". By subscription is the
    policy `grain` of this kit; as a new price is a new subscription, who moves to one is lost.

    Examples
    --------
    >>> from revops_kit.samples import Company, tiny
    >>> net_revenue_retention(Company(tiny()), "2026-09").frame.value.tolist()
    [0.7, 0.7, 0.625, 0.7]
    """
    kpi, run = kpis.net_revenue_retention, within(ws, period)
    spread = Spread(kpi, period, ws.currency, "at the end", "at the start", MONEY)
    if missing := kpi.unavailable(ws.tables):
        return replace(spread, missing_because=missing)
    kept = ("kept_mrr", "reactivation")
    moved = recurring.movements(replace(ws.tables, carried=False), run, *kept)
    year_before = _year_before(min(run.end, run.known_until))
    earlier = recurring.mrr_on(ws.tables, year_before)
    nothing = ibis.literal(0.0)
    names = ("start_mrr", "end_mrr", *kept)
    both = ibis.union(
        moved.select("customer", *names, year_mrr=nothing),
        earlier.select("customer", **dict.fromkeys(names, nothing), year_mrr=earlier.mrr),
    )
    customers = both.group_by("customer").aggregate(
        **{name: both[name].sum() for name in (*names, "year_mrr")}
    )
    start, end, year = customers.start_mrr, customers.end_mrr, customers.year_mrr
    customers = customers.mutate(mrr=ibis.greatest(start, end, year))
    held = (start > 0).ifelse(end, 0.0)
    because = {
        "returns": ibis.literal("came back after having left"),
        "year": ibis.cases(
            (year == 0, "did not pay twelve months before"),
            (start == 0, "paid twelve months before, and not at the start"),
            else_="paid another amount twelve months before",
        ),
        "grain": ibis.literal("moved to another subscription, or added one"),
    }
    conventions = (
        Convention(
            "customers of the start",
            "MRR at the end of the customers of the start ÷ their MRR then",
            held,
            start,
            because["year"],
        ),
        Convention(
            "with reactivation",
            "who came back counts as kept",
            held + customers.reactivation,
            start,
            because["returns"],
        ),
        Convention(
            "trailing twelve months",
            "the customers of twelve months before, whatever the period",
            (year > 0).ifelse(end, 0.0),
            year,
            because["year"],
        ),
        Convention(
            "by subscription",
            "the subscriptions of the start, one by one",
            customers.kept_mrr,
            start,
            because["grain"],
        ),
    )
    return replace(spread, customers=customers, conventions=conventions)


def _year_before(day: dt.date) -> dt.date:
    return (pd.Timestamp(day) - pd.DateOffset(years=1)).date()


def _ends_with_the_data(tables: Tables, run: Periods) -> bool:
    """Tell whether nothing happened after a period's end, so that what lies ahead is announced.

    Starts of subscriptions may lie ahead themselves: they tell only where nothing else does.
    """
    newest = {
        name: each.health.newest
        for name, each in tables.sources.items()
        if isinstance(each, Source) and each.health.newest
    }
    others = [day for name, day in newest.items() if name != "subscriptions"]
    last = max(others or newest.values(), default=None)
    return run.end >= run.known_until and (last is None or last < run.known_until)
