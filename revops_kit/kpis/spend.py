"""Spend: what marketing and sales spent in a period."""

import ibis.expr.types as ir

from revops_kit import deals
from revops_kit.kpi import Kpi, total
from revops_kit.periods import Periods
from revops_kit.tables import Tables
from revops_kit.units import MONEY


def rows(tables: Tables, periods: Periods) -> ir.Table:
    """Pick the expenses booked in each period.

    Parameters
    ----------
    tables
        Needs `spend`; the policy `cac_spend = "paid"` keeps what was paid for media.
    periods
        An expense counts in the period its `spent_on` falls in.

    Returns
    -------
    Table, one row per expense
        The columns of `spend`, with `period`, `numerator` (the amount) and `denominator` (0).

    Examples
    --------
    >>> from revops_kit.samples import tables
    >>> made = tables({"spend": [{"spent_on": "2026-09-03", "amount": 6_000}]})
    >>> rows(made, Periods("2026-09")).numerator.to_list()
    [6000.0]
    """
    spent = tables.pick("spend", *deals.counted(tables, "spent_on", "amount", "kind"))
    if tables.policies.cac_spend == "paid":
        spent = spent.filter(spent.kind.lower() == "media")
    return periods.assign(spent, on="spent_on", numerator=spent.amount, denominator=0)


def kinds(tables: Tables) -> dict[str, tuple[str, ...]]:
    """Say what is needed to tell media from other spend."""
    return {"spend": ("kind",)} if tables.policies.cac_spend == "paid" else {}


spend = Kpi(
    name="spend",
    title="Spend",
    question="What did marketing and sales spend in the period?",
    formula="sum of amounts spent",
    unit=MONEY,
    better="neither",
    counts="expenses",
    empty="nothing was spent",
    needs={"spend": ("spent_on", "amount")},
    also=kinds,
    policies=("cac_spend",),
    rows=rows,
    summary=total,
)
