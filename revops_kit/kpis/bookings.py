"""Bookings: what the deals won in a period are worth."""

import ibis.expr.types as ir

from revops_kit import deals
from revops_kit.kpi import Kpi, LeftOut, total
from revops_kit.kpis.win_rate import undated
from revops_kit.periods import Periods
from revops_kit.tables import Tables
from revops_kit.units import MONEY


def rows(tables: Tables, periods: Periods) -> ir.Table:
    """Pick the deals won in each period, with what they are worth.

    Parameters
    ----------
    tables
        Needs `opportunities`.
    periods
        A deal counts in the period it was won in.

    Returns
    -------
    Table, one row per won deal
        The columns of `opportunities`, with `period` and `numerator` (the amount).

    Examples
    --------
    >>> from revops_kit.samples import tiny
    >>> rows(tiny(), Periods("2026-09")).numerator.sum().to_pyarrow().as_py()
    18000.0
    """
    won = deals.won(tables, *deals.counted(tables, "amount"))
    return periods.assign(won, on="closed_at", numerator=won.amount, denominator=0)


def worthless(tables: Tables, periods: Periods) -> list[LeftOut]:
    """Count the won deals without an amount or a date."""
    won = rows(tables, periods)
    count = won.filter(won.amount.isnull()).count()
    return [
        LeftOut(count, "won deal", "without an amount: counted as 0"),
        *undated(tables, periods),
    ]


def target(tables: Tables, periods: Periods) -> float | None:
    """Add up the targets of the last period's months; None where none is set."""
    if not tables.has("targets", "amount"):
        return None
    aims = tables.targets
    last = periods.each[-1]
    aims = aims.filter((aims.month >= last.start) & (aims.month < last.end))
    return aims.amount.sum().to_pyarrow().as_py()


bookings = Kpi(
    name="bookings",
    title="Bookings",
    question="What are the deals won in the period worth?",
    formula="sum of the amounts of deals won, by close date",
    unit=MONEY,
    better="higher",
    counts="won deals",
    empty="no deals were won",
    needs={"opportunities": ("closed_at", "outcome", "amount")},
    rows=rows,
    summary=total,
    left_out=worthless,
)
