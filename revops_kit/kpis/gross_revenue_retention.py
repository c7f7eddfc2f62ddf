"""Gross revenue retention: what is left of the start's revenue, growth not counted."""

import ibis
import ibis.expr.types as ir

from revops_kit import recurring
from revops_kit.kpi import Kpi, adding, ratio
from revops_kit.kpis.churn import choices, handed_over
from revops_kit.periods import Periods
from revops_kit.tables import Tables
from revops_kit.units import SHARE


def rows(tables: Tables, periods: Periods) -> ir.Table:
    """Pick the customers of each period's start, with what they paid then and what is left of it.

    Parameters
    ----------
    tables
        Needs `subscriptions`.
    periods
        Each customer is looked at in every period; a year is usual.

    Returns
    -------
    Table, one row per period and customer
        The columns of `recurring.of_the_start`, with `period`, `numerator` (MRR at the end, at most
        that of the start) and `denominator` (MRR at the start).

    Examples
    --------
    >>> from revops_kit.samples import tiny
    >>> kept = rows(tiny(), Periods("2026-09")).order_by("customer")
    >>> kept.select("numerator", "denominator").to_pandas().values.tolist()
    [[500.0, 500.0], [0.0, 300.0], [200.0, 200.0]]
    """
    customers = recurring.of_the_start(tables, periods, "end_mrr")
    kept = ibis.least(customers.start_mrr, customers.end_mrr)
    return adding(tables, customers, numerator=kept, denominator=customers.start_mrr)


gross_revenue_retention = Kpi(
    name="gross_revenue_retention",
    title="Gross revenue retention",
    question="How much of the revenue we had is left, growth not counted?",
    formula="(MRR at the start − churned − contraction MRR) / MRR at the start",
    unit=SHARE,
    better="higher",
    counts="customers",
    empty="no recurring revenue ran at the start",
    needs={"subscriptions": ("started_on", "ended_on", "mrr")},
    policies=("grain",),
    rows=rows,
    summary=ratio,
    left_out=handed_over,
    notes=choices,
)
