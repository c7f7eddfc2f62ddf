"""Customer acquisition cost: what winning an average new customer cost."""

import ibis
import ibis.expr.types as ir

from revops_kit import deals
from revops_kit.kpi import Kpi, LeftOut, adding, cost_per
from revops_kit.kpis.spend import kinds, spend
from revops_kit.periods import Periods
from revops_kit.tables import Tables, stack
from revops_kit.units import MONEY


def rows(tables: Tables, periods: Periods) -> ir.Table:
    """Stack what was spent in each period on the customers first won in it.

    Parameters
    ----------
    tables
        Needs `spend` and `opportunities`. By `channel` or `source`, a customer's is that of
        its lead, or of its deal where that has no lead.
    periods
        An expense counts when it was booked, a customer when its first deal was won.

    Returns
    -------
    Table, one row per expense and one per new customer
        The columns that both have, and

        period : date
        numerator : float
            The amount of an expense, 0 for a customer.
        denominator : int
            1 for a customer, 0 for an expense.
        part : str
            `spend` or `customer`.
        on : date
            When it was booked or won.
        reference : str
            The deal that won a customer.

    Examples
    --------
    >>> from revops_kit.samples import tables
    >>> made = tables({
    ...     "spend": [{"spent_on": "2026-09-03", "amount": 6_000}],
    ...     "opportunities": [
    ...         {"opportunity_id": "1", "outcome": "won", "closed_at": "2026-09-10"},
    ...         {"opportunity_id": "2", "outcome": "won", "closed_at": "2026-09-20"},
    ...     ],
    ... })
    >>> both = rows(made, Periods("2026-09"))
    >>> both.numerator.sum().to_pyarrow().as_py() / both.denominator.sum().to_pyarrow().as_py()
    3000.0
    """
    # What an expense and a deal both call their amount is not the same thing.
    spent = spend.rows(tables, periods).drop("amount")
    spent = adding(
        tables,
        spent,
        numerator=spent.numerator,
        part=ibis.literal("spend"),
        on=spent.spent_on,
        reference=ibis.null("string"),
        denominator=ibis.literal(0, "int64"),
    )
    won = deals.first_wins(tables, *deals.counted(tables, "closed_at"))
    won = periods.assign(won, on="closed_at")
    won = adding(
        tables,
        won,
        part=ibis.literal("customer"),
        on=won.closed_at.cast("date"),
        reference=won.opportunity_id,
        numerator=ibis.literal(0.0),
        denominator=ibis.literal(1, "int64"),
    )
    return stack(spent, won)


def undated(tables: Tables, periods: Periods) -> list[LeftOut]:
    """Count the customers won on an unknown day."""
    won = deals.first_wins(tables, "closed_at")
    count = won.filter(won.closed_at.isnull()).count()
    return [LeftOut(count, "new customer", "won on an unknown day: counted in `all` only")]


def choices(tables: Tables) -> list[str]:
    """Say who is a customer, and when that takes a guess of none."""
    if tables.has("opportunities", "account_id"):
        return ["A customer is the account; a deal without one counts by its lead, else by itself."]
    if tables.has("opportunities", "lead_id"):
        return ["Deals carry no account: a customer is the lead, else the deal itself."]
    return ["Deals carry neither account nor lead: each deal won counts as a customer."]


cac = Kpi(
    name="cac",
    title="Customer acquisition cost",
    question="What did winning an average new customer cost?",
    formula="spend of sales and marketing in the period / new customers won in it",
    unit=MONEY,
    better="lower",
    counts="new customers",
    empty="nothing was spent and no customer was won",
    needs={"spend": ("spent_on", "amount"), "opportunities": ("closed_at", "outcome")},
    also=kinds,
    policies=("cac_spend",),
    rows=rows,
    summary=cost_per,
    left_out=undated,
    notes=choices,
)
