"""Monthly recurring revenue: what subscriptions bring in a month when a period ends."""

import ibis.expr.types as ir

from revops_kit import recurring
from revops_kit.kpi import Kpi, total
from revops_kit.periods import Periods
from revops_kit.tables import Tables
from revops_kit.units import MONEY


def rows(tables: Tables, periods: Periods) -> ir.Table:
    """Pick the subscriptions running when each period ends.

    Parameters
    ----------
    tables
        Needs `subscriptions`.
    periods
        A subscription counts in every period at whose end it runs.

    Returns
    -------
    Table, one row per period and subscription
        The columns of `subscriptions`, with `period` and `numerator` (its MRR).

    Examples
    --------
    >>> from revops_kit.samples import tiny
    >>> rows(tiny(), Periods("2026-08")).numerator.sum().to_pyarrow().as_py()
    1000.0
    """
    running = recurring.active(tables, periods)
    return running.mutate(numerator=running.mrr, denominator=0)


def endless(tables: Tables) -> list[str]:
    """Say when the source does not tell that subscriptions end."""
    if tables.has("subscriptions", "ended_on"):
        return []
    return ["No column says when subscriptions end: all that began are taken to run still."]


mrr = Kpi(
    name="mrr",
    title="Monthly recurring revenue",
    question="What do subscriptions bring in a month at the end of the period?",
    formula="sum of the MRR of subscriptions running at the end of the period",
    unit=MONEY,
    better="higher",
    counts="subscriptions",
    empty="no subscriptions ran",
    needs={"subscriptions": ("started_on", "mrr")},
    rows=rows,
    summary=total,
    is_stock=lambda tables: True,
    notes=endless,
)
