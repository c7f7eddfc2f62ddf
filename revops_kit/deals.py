"""Deals as several KPIs need them: who was won, how long it took, what was open when."""

import datetime as dt
from dataclasses import replace

import ibis
import ibis.expr.types as ir

from revops_kit.periods import Periods
from revops_kit.tables import Tables

HISTORY = ("amount", "expected_close", "forecast_category", "stage")
LIFE = ("opportunity_id", "opened_at", "closed_at", "outcome")


def known(tables: Tables, *names: str) -> ir.Table:
    """Pick the deals with some of their columns, `LIFE` and the segment; all if none are named."""
    return tables.pick("opportunities", *LIFE, *names) if names else tables.opportunities


def counted(tables: Tables, *names: str) -> tuple[str, ...]:
    """Name the columns a figure needs; none, which stands for all, if its rows are looked at."""
    return () if tables.carried else names


def decided(tables: Tables, *names: str) -> ir.Table:
    """Pick the deals that were won or lost, with the columns that `known` gives."""
    deals = known(tables, *names)
    return deals.filter(deals.outcome != "open")


def won(tables: Tables, *names: str) -> ir.Table:
    """Pick the deals that were won; only with when, and some columns, if these are named."""
    deals = tables.pick("opportunities", *(("outcome", "closed_at", *names) if names else ()))
    return deals.filter(deals.outcome == "won")


def first_wins(tables: Tables, *names: str) -> ir.Table:
    """Pick the win by which each customer became one; expansions and renewals are none.

    Returns
    -------
    Table, one row per new customer
        The columns that `won` gives, and `customer`: the account, else the lead, else the deal.
    """
    keys = ("opportunity_id", "account_id", "lead_id")
    deals = won(tables, *names, "type", *keys) if names else won(tables)
    deals = deals.filter(deals.type.isnull() | (deals.type == "new"))
    # Keys of different tables may look alike, so each says where it is from.
    customer = ibis.coalesce(
        "account " + deals.account_id, "lead " + deals.lead_id, "deal " + deals.opportunity_id
    )
    order = [deals.closed_at.isnull(), deals.closed_at, deals.opportunity_id]
    rank = ibis.row_number().over(group_by=customer, order_by=order)
    return deals.filter(rank == 0).mutate(customer=customer)


def with_cycle(tables: Tables, deals: ir.Table) -> ir.Table:
    """Say how many days a deal took: from first contact, or from the day it was opened.

    Returns
    -------
    Table
        The deals, with `cycle_started_on` (date) and `days` (whole calendar days; negative
        where the source says that it ended before it began, missing without a start).
    """
    names, start = deals.columns, deals.opened_at.cast("date")
    if tables.policies.cycle_start == "lead" and tables.has("leads", "created_at"):
        # Only their first contact is asked for; a column to split by would cost a join.
        leads = replace(tables, by="").leads.select(_lead="lead_id", _contact="created_at")
        deals = deals.left_join(leads, deals.lead_id == leads._lead)
        start = ibis.coalesce(deals._contact.cast("date"), deals.opened_at.cast("date"))
    days = deals.closed_at.cast("date").delta(start, unit="day")
    theirs = {name: deals[name] for name in names}
    return deals.select(**theirs | {"cycle_started_on": start, "days": days})


def open_at(tables: Tables, periods: Periods, *names: str, ahead: bool = False) -> ir.Table:
    """Pick the deals that were open when each period ended.

    A deal of which nobody wrote down when it was opened is open at the last day known, and of
    earlier days nothing can be said.

    Parameters
    ----------
    *names
        The columns to have beside `LIFE`; all where none are named.

    Returns
    -------
    Table, one row per open deal and period
        The columns of `opportunities`, with `period`, `starts` and `ends`.
    """
    deals = known(tables, *names)
    return _open(periods.snapshots(deals, ahead=ahead), periods)


def open_on(tables: Tables, day: dt.date, periods: Periods, *names: str) -> ir.Table:
    """Pick the deals that were open when a day began, as they then stood.

    Parameters
    ----------
    *names
        The columns to have beside `LIFE`; all where none are named.

    Returns
    -------
    Table, one row per open deal
        The columns of `opportunities`, with `period` and `ends`: the day.
    """
    deals = known(tables, *names)
    seen = deals.mutate(period=ibis.literal(day), ends=ibis.literal(day))
    return as_they_stood(tables, _open(seen, periods))


def _open(deals: ir.Table, periods: Periods) -> ir.Table:
    """Keep the deals that were open at `ends`."""
    opened, closed = deals.opened_at.cast("date"), deals.closed_at.cast("date")
    is_now = deals.ends == periods.known_until
    begun = (opened < deals.ends) | (opened.isnull() & is_now)
    running = (deals.outcome == "open") | (closed >= deals.ends)
    return deals.filter(begun & running)


def as_they_stood(tables: Tables, deals: ir.Table) -> ir.Table:
    """Give deals the amount, expected close, category and stage they had at `ends`.

    Those of them that the deals have here.

    A CRM overwrites these; where `stage_changes` kept them, they are put back – also that
    there was none, which today's would contradict with hindsight.
    """
    kept = [name for name in HISTORY if name in deals.columns and tables.has("stage_changes", name)]
    if not kept or not tables.has("stage_changes", "changed_at"):
        return deals
    changes = replace(tables, by="").stage_changes
    named = {f"_{name}": changes[name] for name in kept}
    changes = changes.select(_deal="opportunity_id", _at="changed_at", **named)
    moments = deals.select("period", "ends", "opportunity_id").distinct()
    seen = moments.inner_join(
        changes,
        [moments.opportunity_id == changes._deal, changes._at.cast("date") < moments.ends],
    )
    # The order of equal moments is settled by what was written, so that every engine agrees.
    order = [seen._at.desc(), *(seen[name].desc() for name in named)]
    rank = ibis.row_number().over(group_by=["period", "opportunity_id"], order_by=order)
    ranked = seen.select("_deal", *named, _period="period", _rank=rank)
    latest = ranked.filter(ranked._rank == 0)
    joined = deals.left_join(
        latest, [deals.opportunity_id == latest._deal, deals.period == latest._period]
    )
    joined = joined.select(*deals.columns, "_deal", *named)
    theirs, is_known = {name: joined[name] for name in deals.columns}, joined._deal.notnull()
    put_back = {name: is_known.ifelse(joined[f"_{name}"], joined[name]) for name in kept}
    return joined.select(theirs | put_back)
