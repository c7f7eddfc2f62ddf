"""Quick ratio: recurring revenue gained for each unit lost."""

import ibis
import ibis.expr.types as ir

from revops_kit import recurring
from revops_kit.kpi import Kpi, ratio
from revops_kit.kpis.churn import choices, handed_over
from revops_kit.periods import Periods
from revops_kit.tables import Tables
from revops_kit.units import RATIO


def rows(tables: Tables, periods: Periods) -> ir.Table:
    """Pick the customers whose MRR moved in each period, with what was gained and lost.

    Parameters
    ----------
    tables
        Needs `subscriptions`. The policy `reactivation` says whether customers who came back
        count as growth.
    periods
        Each customer is looked at in every period.

    Returns
    -------
    Table, one row per period and customer
        The columns of `recurring.movements`, with `period`, `numerator` (new and expansion MRR)
        and `denominator` (churned and contraction MRR).

    Examples
    --------
    >>> from revops_kit.samples import tiny
    >>> moved = rows(tiny(), Periods("2026"))
    >>> moved.order_by("customer").select("numerator", "denominator").to_pandas().values.tolist()
    [[0.0, 300.0], [200.0, 0.0]]
    """
    is_whole = tables.policies.reactivation == "included"
    names = ("end_mrr",) if is_whole else ("reactivation",)
    customers = recurring.movements(tables, periods, *names)
    gain = customers.end_mrr - customers.start_mrr
    gained, lost = ibis.greatest(gain, 0.0), ibis.greatest(-gain, 0.0)
    if not is_whole:
        gained = gained - customers.reactivation
    moved = customers.mutate(numerator=gained, denominator=lost)
    return moved.filter((moved.numerator > 0) | (moved.denominator > 0))


quick_ratio = Kpi(
    name="quick_ratio",
    title="Quick ratio",
    question="How much recurring revenue did we gain for each unit that we lost?",
    formula="(new + expansion MRR) / (churned + contraction MRR)",
    unit=RATIO,
    better="higher",
    counts="customers that moved",
    empty="no recurring revenue was lost",
    needs={"subscriptions": ("started_on", "ended_on", "mrr")},
    policies=("grain", "reactivation"),
    rows=rows,
    summary=ratio,
    left_out=handed_over,
    notes=choices,
)
