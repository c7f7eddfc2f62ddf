"""Payments: the money received in a period."""

import ibis.expr.types as ir

from revops_kit import deals
from revops_kit.kpi import Kpi, total
from revops_kit.periods import Periods
from revops_kit.tables import Tables
from revops_kit.units import MONEY


def rows(tables: Tables, periods: Periods) -> ir.Table:
    """Pick the payments received in each period.

    Parameters
    ----------
    tables
        Needs `payments`; a refund is negative.
    periods
        A payment counts in the period its `paid_on` falls in.

    Returns
    -------
    Table, one row per payment
        The columns of `payments`, with `period` and `numerator` (the amount).

    Examples
    --------
    >>> from revops_kit.samples import tables
    >>> made = tables({"payments": [
    ...     {"customer_id": "A", "paid_on": "2026-09-01", "amount": 100},
    ...     {"customer_id": "A", "paid_on": "2026-09-20", "amount": -40},
    ... ]})
    >>> rows(made, Periods("2026-09")).numerator.sum().to_pyarrow().as_py()
    60.0
    """
    paid = tables.pick("payments", *deals.counted(tables, "paid_on", "amount"))
    return periods.assign(paid, on="paid_on", numerator=paid.amount, denominator=0)


payments = Kpi(
    name="payments",
    title="Payments",
    question="How much money came in during the period?",
    formula="sum of payments received, refunds taken off",
    unit=MONEY,
    better="higher",
    counts="payments",
    empty="nothing was paid",
    needs={"payments": ("paid_on", "amount")},
    rows=rows,
    summary=total,
)
