"""Net revenue retention: what the customers of the start pay at the end, per unit paid then."""

import ibis.expr.types as ir

from revops_kit import recurring
from revops_kit.kpi import Kpi, adding, ratio
from revops_kit.kpis.churn import choices, handed_over
from revops_kit.periods import Periods
from revops_kit.tables import Tables
from revops_kit.units import SHARE


def rows(tables: Tables, periods: Periods) -> ir.Table:
    """Pick the customers of each period's start, with what they paid then and pay at its end.

    Parameters
    ----------
    tables
        Needs `subscriptions`.
    periods
        Each customer is looked at in every period; a year is usual.

    Returns
    -------
    Table, one row per period and customer
        The columns of `recurring.of_the_start`, with `period`, `numerator` (MRR at the end) and
        `denominator` (MRR at the start).

    Examples
    --------
    >>> from revops_kit.samples import tiny
    >>> kept = rows(tiny(), Periods("2026-09")).order_by("customer")
    >>> kept.select("numerator", "denominator").to_pandas().values.tolist()
    [[500.0, 500.0], [0.0, 300.0], [200.0, 200.0]]
    """
    customers = recurring.of_the_start(tables, periods, "end_mrr")
    return adding(tables, customers, numerator=customers.end_mrr, denominator=customers.start_mrr)


net_revenue_retention = Kpi(
    name="net_revenue_retention",
    title="Net revenue retention",
    question="How much of what our customers paid at the start do the same customers pay now?",
    formula="MRR at the end of the customers of the start / their MRR at the start",
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
