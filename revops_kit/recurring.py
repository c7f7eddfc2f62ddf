"""Recurring revenue by customer: what each paid when a period started and when it ended.

Active at the start of a period [s, e): some subscription with started_on < s, no ended_on or
ended_on >= s, and mrr > 0; at its end likewise with e. Churn, retention, movements and the quick
ratio are all read off these rows.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import replace

import ibis
import ibis.expr.types as ir
from ibis import _

from revops_kit.periods import LAST_DAY, Periods
from revops_kit.tables import SEGMENT, Tables

# What came and went within a period, whatever was paid at its start and end.
BETWEEN = frozenset({"joined", "left_in", "ended_in", "kept_mrr"})
# What figures need of a subscription, beside whose it is.
TERM = ("subscription_id", "started_on", "ended_on", "mrr")
_GAIN = _.end_mrr - _.start_mrr
_BEGINS, _STAYS = _.start_mrr == 0, (_.start_mrr > 0) & (_.end_mrr > 0)
_IS_NEW = _.customer_since >= _.starts
# What a customer did in a period, made of what is known of both.
KINDS = {
    "new": (_BEGINS & _IS_NEW).ifelse(_.end_mrr, 0.0),
    "reactivation": (_BEGINS & ~_IS_NEW).ifelse(_.end_mrr, 0.0),
    "expansion": (_STAYS & (_GAIN > 0)).ifelse(_GAIN, 0.0),
    "contraction": (_STAYS & (_GAIN < 0)).ifelse(-_GAIN, 0.0),
    "churn": (_.end_mrr == 0).ifelse(_.start_mrr, 0.0),
}


def paying(tables: Tables) -> ir.Table:
    """Pick the subscriptions that pay, and say whose each is.

    A customer is the account where customer records name one, else the customer record; with
    the policy `grain = "subscription"`, each subscription is one of its own.

    Returns
    -------
    Table, one row per subscription
        The columns of `subscriptions`, with `customer`; for figures, `TERM` and the segment.
    """
    running = _subscribed(tables)
    return running.filter(running.mrr > 0)


def since(running: ir.Table) -> ir.DateValue:
    """Say since when the customer of each subscription has been one."""
    return running.started_on.min().over(group_by="customer")


def active(tables: Tables, periods: Periods) -> ir.Table:
    """Pick the subscriptions that pay when each period ends, whosever they are."""
    running = tables.pick("subscriptions", *(() if tables.carried else TERM))
    running = periods.snapshots(running.filter(running.mrr > 0))
    return running.filter(is_active(running, running.ends))


def on_free_plans(tables: Tables, periods: Periods) -> ir.Table:
    """Name the customers with a free subscription when each period ends: `period`, `customer`."""
    free = _subscribed(replace(tables, by="", carried=False))
    free = periods.snapshots(free.filter(free.mrr == 0))
    return free.filter(is_active(free, free.ends)).select("period", "customer").distinct()


def movements(tables: Tables, periods: Periods, *names: str) -> ir.Table:
    """Compare what each customer paid at the start and at the end of each period.

    Parameters
    ----------
    *names
        The figures that are needed beside `start_mrr` and `end_mrr`; all where none are named, and
        where the rows are looked at. Who paid in between only is there where `BETWEEN` has one.

    Returns
    -------
    Table, one row per period and customer that paid at its start, at its end or in between
        The columns of the customer's largest subscription – as `along` has them – and

        start_mrr, end_mrr : float
            What the customer paid when the period started and ended.
        new, expansion, reactivation, contraction, churn : float
            The difference by its kind, each 0 or more: start + new + expansion + reactivation
            − contraction − churn = end. New is a customer's first ever; cancelling one of
            several subscriptions is contraction; back after having left is reactivation.
        joined : bool
            Not active at the start, and began to pay in the period.
        left_in : bool
            Stopped paying at some moment of the period, even if back later in it.
        ended_in : bool
            Some subscription of theirs ended in the period, even if another went on.
        kept_mrr : float
            What the subscriptions of the start still pay at the end, one by one.
    """
    is_all = tables.carried or not names
    with_between = is_all or not BETWEEN.isdisjoint(names)
    running = paying(tables)
    own = along(tables, running)
    if not is_all and {"new", "reactivation"}.isdisjoint(names):
        own = [name for name in own if name not in ("customer_since", "starts", "ends")]
    rows = _marked(running, periods, own, with_between)
    each = ibis.window(group_by=["period", "customer"])
    order = [rows._was.desc(), rows._is_now.desc(), rows.mrr.desc(), rows.subscription_id]
    sums = {
        "start_mrr": rows._was.ifelse(rows.mrr, 0.0).sum().over(each),
        "end_mrr": rows._is_now.ifelse(rows.mrr, 0.0).sum().over(each),
    }
    if with_between:
        sums |= {
            "kept_mrr": (rows._was & rows._is_now).ifelse(rows.mrr, 0.0).sum().over(each),
            "left_in": rows._leaves.cast("int32").max().over(each) == 1,
            "ended_in": rows._ends.cast("int32").max().over(each) == 1,
            "joined": rows._joins.cast("int32").max().over(each) == 1,
        }
    rank = ibis.row_number().over(group_by=["period", "customer"], order_by=order)
    rows = rows.select(these(rows, own) | sums | {"_rank": rank})
    one = rows.filter(rows._rank == 0)
    figures = these(one, sums) | KINDS
    if with_between:
        figures["joined"] = _BEGINS & _.joined
    wanted = figures if is_all else ["start_mrr", "end_mrr", *names]
    return one.select(these(one, own) | {name: figures[name] for name in wanted})


def of_the_start(tables: Tables, periods: Periods, *names: str) -> ir.Table:
    """Pick the customers of each period's start: revenue that is kept or lost is theirs.

    Parameters
    ----------
    *names
        The figures that are needed, as for `movements`.

    Returns
    -------
    Table, one row per period and customer
        The columns of `movements`.
    """
    customers = movements(tables, periods, *names)
    return customers.filter(customers.start_mrr > 0)


def mrr_on(tables: Tables, moment: dt.date) -> ir.Table:
    """Say what each customer paid at one moment, the start of a day: `customer` and `mrr`."""
    running = paying(replace(tables, by="", carried=False))
    running = running.filter(is_active(running, ibis.literal(moment)))
    return running.group_by("customer").aggregate(mrr=running.mrr.sum())


def handovers(tables: Tables, periods: Periods) -> ir.IntegerScalar:
    """Count the subscriptions that start with a period, the day after another of the same customer.

    By the definition the customer is gone at the edge between them, and back: the source should
    end the old one on the day the new one starts.
    """
    running = paying(tables)
    before = running.select(
        _customer="customer", _day=(running.ended_on + ibis.interval(days=1)).cast("date")
    ).distinct()
    after = running.semi_join(
        before, [running.customer == before._customer, running.started_on == before._day]
    )
    edges = [period.start for period in periods] + [periods.end]
    return after.filter(after.started_on.isin(edges)).count()


def along(tables: Tables, running: ir.Table) -> list[str]:
    """Name the columns of a subscription to take along, seen in a period.

    All, with `customer`, `customer_since`, `period`, `starts` and `ends`; for figures, which carry
    nothing along, only these and the segment.
    """
    own = [name for name in running.columns if tables.carried or name == SEGMENT]
    return [*own, "customer", "customer_since", "period", "starts", "ends"]


def these(rows: ir.Table, names: Iterable[str]) -> dict[str, ir.Value]:
    """Take columns along; what is made anew may replace one that a company calls alike."""
    return {name: rows[name] for name in names}


def is_active(rows: ir.Table, moment: ir.DateValue) -> ir.BooleanValue:
    """Tell whether subscriptions run at a moment, the start of a day."""
    ended = rows.ended_on
    return (rows.started_on < moment) & (ended.isnull() | (ended >= moment))


def _subscribed(tables: Tables) -> ir.Table:
    """Say whose each subscription is, free ones too, to be filtered before anything is joined.

    A join onto a join takes a column that the first has computed for one of its own (Ibis 12).
    """
    running = tables.pick("subscriptions", *(() if tables.carried else (*TERM, "customer_id")))
    own = [name for name in running.columns if tables.carried or name != "customer_id"]
    if tables.policies.grain == "subscription":
        return running.select(these(running, own) | {"customer": running.subscription_id})
    if not tables.has("customers", "account_id"):
        return running.select(these(running, own) | {"customer": running.customer_id})
    # Only their accounts are asked for: a column to split by would cost a join, and choosing
    # columns twice a select.
    records = replace(tables, by="", carried=True).customers
    records = records.select(_record="customer_id", _account="account_id")
    joined = running.left_join(records, running.customer_id == records._record)
    customer = ibis.coalesce("account " + joined._account, "customer " + joined.customer_id)
    return joined.select(these(joined, own) | {"customer": customer})


def _marked(running: ir.Table, periods: Periods, own: list[str], with_between: bool) -> ir.Table:
    """Mark which subscriptions run at the start and at the end of each period, or in between."""
    days = {"customer_since": since(running)} if "customer_since" in own else {}
    if with_between:
        days["_departed_on"] = _departed_on(running)
    rows = periods.snapshots(running.mutate(**days) if days else running)
    marks = {"_was": is_active(rows, rows.starts), "_is_now": is_active(rows, rows.ends)}
    if with_between:
        marks |= {
            "_joins": _is_in(rows.started_on, rows),
            "_leaves": _is_in(rows._departed_on, rows),
            "_ends": _is_in(rows.ended_on, rows),
        }
    rows = rows.select(these(rows, [*own, "subscription_id", "mrr"]) | marks)
    runs = rows._was | rows._is_now
    return rows.filter(runs | rows._joins | rows._leaves if with_between else runs)


def _departed_on(running: ir.Table) -> ir.DateValue:
    """Give the last day of each stretch that a customer paid for, with the last one begun in it.

    Missing with all other subscriptions. One that starts on the day after another's last day goes
    on with it: the customer did not leave.
    """
    order = [running.started_on, running.subscription_id]
    so_far = ibis.cumulative_window(group_by="customer", order_by=order)
    until = ibis.coalesce(running.ended_on, LAST_DAY).max().over(so_far)
    following = running.started_on.lead().over(group_by="customer", order_by=order)
    day_after = (until + ibis.interval(days=1)).cast("date")
    goes_on = (following <= day_after).fill_null(False)
    return goes_on.ifelse(ibis.null("date"), until)


def _is_in(day: ir.DateValue, rows: ir.Table) -> ir.BooleanValue:
    """Tell whether a day lies in the period of its row; a missing one does not."""
    return ((day >= rows.starts) & (day < rows.ends)).fill_null(False)
