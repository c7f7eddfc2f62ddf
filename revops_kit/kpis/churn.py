"""Churn: the share of customers lost over a period."""

import ibis.expr.types as ir

from revops_kit import recurring
from revops_kit.kpi import Kpi, LeftOut, proportion
from revops_kit.periods import Periods
from revops_kit.tables import Tables
from revops_kit.units import SHARE


def rows(tables: Tables, periods: Periods) -> ir.Table:
    """Pick the customers at risk in each period, and mark those that were lost.

    Parameters
    ----------
    tables
        Needs `subscriptions`. The policy `churn` says whose rule counts:

        chartmogul
            Active at the start and not at the end ÷ active at the start. Who joined and left,
            or left and returned, within the period does not count.
        stripe
            Left at any moment of the period ÷ (active at the start + joined in the period).
        profitwell
            Active at the start and left at any moment ÷ active at the start.
        baremetrics
            Left at any moment, those who joined in the period too ÷ active at the start.
    periods
        Each customer is looked at in every period.

    Returns
    -------
    Table, one row per period and customer
        The columns of `recurring.movements`, with `period`, `numerator` (1 for a customer lost)
        and `denominator` (1 for a customer at risk).

    Examples
    --------
    >>> from revops_kit.samples import tiny
    >>> lost = rows(tiny(), Periods("2026-09"))
    >>> lost.order_by("customer").select("numerator", "denominator").to_pandas().values.tolist()
    [[0, 1], [1, 1], [0, 1]]
    """
    rule = tables.policies.churn
    names = ("end_mrr",) if rule == "chartmogul" else ("left_in", "joined")
    customers = recurring.movements(tables, periods, *names)
    lost, at_risk = by_rule(customers, rule)
    counted = customers.filter(at_risk | lost)
    return counted.mutate(numerator=lost.cast("int32"), denominator=at_risk.cast("int32"))


def by_rule(customers: ir.Table, rule: str) -> tuple[ir.BooleanValue, ir.BooleanValue]:
    """Say who is lost, and who was at risk, by one of the rules of the policy `churn`.

    Parameters
    ----------
    customers
        As `recurring.movements` gives them.
    """
    was = customers.start_mrr > 0
    if rule == "chartmogul":
        return was & (customers.end_mrr == 0), was
    # Who was there at the start and left is lost by every other rule, even if back.
    left = customers.left_in
    match rule:
        case "stripe":
            return left & (was | customers.joined), was | customers.joined
        case "profitwell":
            return left & was, was
        case _:
            return left & (was | customers.joined), was


def handed_over(tables: Tables, periods: Periods) -> list[LeftOut]:
    """Count the customers who are gone for an instant, by the letter."""
    why = (
        "at the edge of a period follows another that ended the day before: the customer counts "
        "as gone and back. End the old one on the day the new one starts"
    )
    return [LeftOut(recurring.handovers(tables, periods), "subscription", why)]


def choices(tables: Tables) -> list[str]:
    """Say who is a customer."""
    if tables.policies.grain == "subscription":
        return ["Counted by subscription, not by customer."]
    if tables.has("customers", "account_id"):
        return ["A customer is the account; where a customer record names none, the record."]
    return ["Customer records name no account: a customer is the customer record."]


churn = Kpi(
    name="churn",
    title="Customer churn",
    question="What share of the customers we had did we lose in the period?",
    formula="customers active at the start and no longer at the end / active at the start",
    unit=SHARE,
    better="lower",
    counts="customers",
    empty="no customers were active at the start",
    needs={"subscriptions": ("started_on", "ended_on", "mrr")},
    policies=("churn", "grain"),
    rows=rows,
    summary=proportion,
    left_out=handed_over,
    notes=choices,
)
