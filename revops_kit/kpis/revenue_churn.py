"""Revenue churn: the share of recurring revenue lost over a period, before any gains."""

import ibis
import ibis.expr.types as ir

from revops_kit import recurring
from revops_kit.kpi import Kpi, adding, ratio
from revops_kit.kpis.churn import choices, handed_over
from revops_kit.periods import Periods
from revops_kit.tables import Tables
from revops_kit.units import SHARE


def rows(tables: Tables, periods: Periods) -> ir.Table:
    """Pick the customers of each period's start, with what they paid then and what is lost of it.

    Parameters
    ----------
    tables
        Needs `subscriptions`.
    periods
        Each customer is looked at in every period.

    Returns
    -------
    Table, one row per period and customer
        The columns of `recurring.of_the_start`, with `period`, `numerator` (MRR churned or
        contracted) and `denominator` (MRR at the start).

    Notes
    -----
    Gross: what others gained does not make up for it. Net retention does that.

    Examples
    --------
    >>> from revops_kit.samples import tiny
    >>> lost = rows(tiny(), Periods("2026-09")).order_by("customer")
    >>> lost.select("numerator", "denominator").to_pandas().values.tolist()
    [[0.0, 500.0], [300.0, 300.0], [0.0, 200.0]]
    """
    customers = recurring.of_the_start(tables, periods, "end_mrr")
    lost = ibis.greatest(customers.start_mrr - customers.end_mrr, 0.0)
    return adding(tables, customers, numerator=lost, denominator=customers.start_mrr)


revenue_churn = Kpi(
    name="revenue_churn",
    title="Revenue churn",
    question="What share of the recurring revenue we had did we lose in the period?",
    formula="(churned MRR + contraction MRR) / MRR at the start",
    unit=SHARE,
    better="lower",
    counts="customers",
    empty="no recurring revenue ran at the start",
    needs={"subscriptions": ("started_on", "ended_on", "mrr")},
    policies=("grain",),
    rows=rows,
    summary=ratio,
    left_out=handed_over,
    notes=choices,
)
