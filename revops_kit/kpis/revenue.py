"""Revenue: recurring revenue where there are subscriptions, else payments, else bookings."""

import ibis.expr.types as ir

from revops_kit.kpi import Kpi, LeftOut, total
from revops_kit.kpis.bookings import bookings
from revops_kit.kpis.mrr import mrr
from revops_kit.kpis.payments import payments
from revops_kit.periods import Periods
from revops_kit.tables import Tables
from revops_kit.units import MONEY


def measure(tables: Tables) -> Kpi:
    """Choose what revenue means in a workspace.

    Examples
    --------
    >>> from revops_kit.samples import tiny
    >>> measure(tiny()).name
    'mrr'
    """
    for kpi in (mrr, payments):
        if not kpi.unavailable(tables):
            return kpi
    return bookings


def rows(tables: Tables, periods: Periods) -> ir.Table:
    """Pick the rows of what revenue means here.

    Parameters
    ----------
    tables
        Needs `subscriptions`, `payments` or `opportunities`; the first that is there counts.
    periods
        As the measure has it: MRR at the end, the other two within the period.

    Returns
    -------
    Table
        The rows of `mrr`, `payments` or `bookings`.

    Examples
    --------
    >>> from revops_kit.samples import tiny
    >>> rows(tiny(), Periods("2026-09")).numerator.sum().to_pyarrow().as_py()
    700.0
    """
    return measure(tables).rows(tables, periods)


def says_which(tables: Tables) -> list[str]:
    """Say what revenue means here."""
    kpi = measure(tables)
    return [f"Revenue here is {kpi.title.lower()} (`{kpi.name}`): {kpi.formula}."]


def left_out(tables: Tables, periods: Periods) -> list[LeftOut]:
    """Count what the measure leaves out."""
    return measure(tables).left_out(tables, periods)


revenue = Kpi(
    name="revenue",
    title="Revenue",
    question="What does the company earn?",
    formula="MRR at the end of the period, else payments received, else bookings",
    unit=MONEY,
    better="higher",
    counts="rows",
    empty="nothing was earned",
    needs={},
    either=("subscriptions.mrr", "payments.amount", "opportunities.amount"),
    also=lambda tables: measure(tables).needs,
    rows=rows,
    summary=total,
    is_stock=lambda tables: measure(tables).is_stock(tables),
    left_out=left_out,
    notes=says_which,
)
