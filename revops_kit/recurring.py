"""Recurring revenue by customer: what each paid when a period started and when it ended.

Active at the start of a period [s, e): some subscription with started_on < s, no ended_on or
ended_on >= s, and mrr > 0; at its end likewise with e. Churn, retention, movements and the quick
ratio are all read off these rows.
"""

import datetime as dt

import ibis
import ibis.expr.types as ir

from revops_kit.periods import Periods
from revops_kit.tables import Tables


def subscribed(tables: Tables) -> ir.Table:
    """Say whose each subscription is, free ones too.

    A customer is the account where customer records name one, else the customer record; with
    the policy `grain = "subscription"`, each subscription is one of its own.

    Returns
    -------
    Table, one row per subscription
        The columns of `subscriptions`, with `customer`.
    """
    running = tables.subscriptions
    if tables.policies.grain == "subscription":
        return running.mutate(customer=running.subscription_id)
    if not tables.has("customers", "account_id"):
        return running.mutate(customer=running.customer_id)
    records = tables.customers.select(_record="customer_id", _account="account_id")
    joined = running.left_join(records, running.customer_id == records._record)
    customer = ibis.coalesce("account " + joined._account, "customer " + joined.customer_id)
    return joined.mutate(customer=customer).drop("_record", "_account")


def paid(tables: Tables) -> ir.Table:
    """Pick the subscriptions that pay, and say whose each is and since when they paid.

    Returns
    -------
    Table, one row per subscription
        The columns of `subscribed`, with `customer_since` (date).
    """
    running = subscribed(tables)
    running = running.filter(running.mrr > 0)
    since = running.started_on.min().over(ibis.window(group_by="customer"))
    return running.mutate(customer_since=since)


def active(tables: Tables, periods: Periods) -> ir.Table:
    """Pick the subscriptions that pay when each period ends."""
    running = periods.snapshots(paid(tables))
    return running.filter(is_active(running, running.ends))


def on_free_plans(tables: Tables, periods: Periods) -> ir.Table:
    """Name the customers with a free subscription when each period ends: `period`, `customer`."""
    free = subscribed(tables)
    free = periods.snapshots(free.filter(free.mrr == 0))
    return free.filter(is_active(free, free.ends)).select("period", "customer").distinct()


def movements(tables: Tables, periods: Periods) -> ir.Table:
    """Compare what each customer paid at the start and at the end of each period.

    Returns
    -------
    Table, one row per period and customer that paid at its start, at its end or in between
        The columns of the customer's largest subscription, and

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
    rows = periods.snapshots(_with_departures(paid(tables)))
    ended, started = rows.ended_on, rows.started_on
    was, is_now = is_active(rows, rows.starts), is_active(rows, rows.ends)
    ended_within = (ended >= rows.starts) & (ended < rows.ends)
    started_within = (started >= rows.starts) & (started < rows.ends)
    rows = rows.mutate(
        was=was,
        is_now=is_now,
        _left=(ended_within & rows.departs).fill_null(False),
        _ends=ended_within.fill_null(False),
        _joins=started_within,
    )
    rows = rows.filter(rows.was | rows.is_now | rows._joins)
    each = ibis.window(group_by=["period", "customer"])
    rows = rows.mutate(
        start_mrr=rows.was.ifelse(rows.mrr, 0.0).sum().over(each),
        end_mrr=rows.is_now.ifelse(rows.mrr, 0.0).sum().over(each),
        kept_mrr=(rows.was & rows.is_now).ifelse(rows.mrr, 0.0).sum().over(each),
        left_in=rows._left.cast("int32").max().over(each) == 1,
        ended_in=rows._ends.cast("int32").max().over(each) == 1,
        _joined=rows._joins.cast("int32").max().over(each) == 1,
        _rank=ibis.row_number().over(
            group_by=["period", "customer"],
            order_by=[rows.was.desc(), rows.is_now.desc(), rows.mrr.desc(), rows.subscription_id],
        ),
    )
    one = rows.filter(rows._rank == 0)
    gain = one.end_mrr - one.start_mrr
    begins, stays = one.start_mrr == 0, (one.start_mrr > 0) & (one.end_mrr > 0)
    is_new = one.customer_since >= one.starts
    one = one.mutate(
        new=(begins & is_new).ifelse(one.end_mrr, 0.0),
        reactivation=(begins & ~is_new).ifelse(one.end_mrr, 0.0),
        expansion=(stays & (gain > 0)).ifelse(gain, 0.0),
        contraction=(stays & (gain < 0)).ifelse(-gain, 0.0),
        churn=(one.end_mrr == 0).ifelse(one.start_mrr, 0.0),
        joined=begins & one._joined,
    )
    return one.drop("was", "is_now", "departs", "_left", "_ends", "_joins", "_joined", "_rank")


def of_the_start(tables: Tables, periods: Periods) -> ir.Table:
    """Pick the customers of each period's start: revenue that is kept or lost is theirs.

    Returns
    -------
    Table, one row per period and customer
        The columns of `movements`, and `denominator`: what the customer paid at the start.
    """
    customers = movements(tables, periods)
    held = customers.filter(customers.start_mrr > 0)
    return held.mutate(denominator=held.start_mrr)


def mrr_on(tables: Tables, moment: dt.date) -> ir.Table:
    """Say what each customer paid at one moment, the start of a day: `customer` and `mrr`."""
    running = paid(tables)
    running = running.filter(is_active(running, ibis.literal(moment)))
    return running.group_by("customer").aggregate(mrr=running.mrr.sum())


def handovers(tables: Tables, periods: Periods) -> ir.IntegerScalar:
    """Count the subscriptions that start with a period, the day after another of the same customer.

    By the definition the customer is gone at the edge between them, and back: the source should
    end the old one on the day the new one starts.
    """
    running = paid(tables)
    before = running.select(
        _customer="customer", _day=(running.ended_on + ibis.interval(days=1)).cast("date")
    ).distinct()
    after = running.semi_join(
        before, [running.customer == before._customer, running.started_on == before._day]
    )
    edges = [period.start for period in periods] + [periods.end]
    return after.filter(after.started_on.isin(edges)).count()


def is_active(rows: ir.Table, moment: ir.DateValue) -> ir.BooleanValue:
    """Tell whether subscriptions run at a moment, the start of a day."""
    ended = rows.ended_on
    return (rows.started_on < moment) & (ended.isnull() | (ended >= moment))


def _with_departures(running: ir.Table) -> ir.Table:
    """Mark the subscriptions whose end left their customer with none."""
    others = running.select(
        _customer="customer", _id="subscription_id", _from="started_on", _until="ended_on"
    )
    # Running on the day after another's last day: the customer did not leave.
    day_after = (running.ended_on + ibis.interval(days=1)).cast("date")
    carries_on = running.semi_join(
        others,
        [
            running.customer == others._customer,
            running.subscription_id != others._id,
            others._from <= day_after,
            others._until.isnull() | (others._until > running.ended_on),
        ],
    ).select(_stays="subscription_id")
    marked = running.left_join(carries_on, running.subscription_id == carries_on._stays)
    departs = marked.ended_on.notnull() & marked._stays.isnull()
    return marked.mutate(departs=departs).drop("_stays")
