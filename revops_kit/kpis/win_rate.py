"""Win rate: of the deals decided in a period, the share that was won."""

import ibis
import ibis.expr.types as ir

from revops_kit import deals
from revops_kit.kpi import Kpi, LeftOut, proportion
from revops_kit.periods import Periods
from revops_kit.tables import Tables
from revops_kit.units import SHARE


def rows(tables: Tables, periods: Periods) -> ir.Table:
    """Pick the deals decided in each period, and mark those that were won.

    Parameters
    ----------
    tables
        Needs `opportunities`.
    periods
        A deal counts in the period its `closed_at` falls in, whenever it was opened.

    Returns
    -------
    Table, one row per decided deal
        The columns of `opportunities`, and

        period : date
            First day of the period the deal was decided in.
        numerator : int
            1 for a deal won, 0 for a deal lost.
        denominator : int
            Always 1.

    Notes
    -----
    Counts deals, not money. Open deals are left out, so that a young pipeline does not
    pull the number down.

    Examples
    --------
    >>> from revops_kit.samples import tiny
    >>> rows(tiny(), Periods("2026-09")).order_by("opportunity_id").numerator.to_list()
    [1, 0, 1, 0]
    """
    decided = deals.decided(tables, *deals.counted(tables, *deals.LIFE))
    won = (decided.outcome == "won").cast("int32")
    return periods.assign(decided, on="closed_at", numerator=won, denominator=ibis.literal(1))


def undated(tables: Tables, periods: Periods) -> list[LeftOut]:
    """Count the decided deals without a date."""
    decided = deals.decided(tables, "closed_at")
    count = decided.filter(decided.closed_at.isnull()).count()
    return [LeftOut(count, "decided deal", "without a date: counted in `all`, in no dated period")]


win_rate = Kpi(
    name="win_rate",
    title="Win rate",
    question="Of the deals decided in the period, what share did we win?",
    formula="deals won / (deals won + deals lost)",
    unit=SHARE,
    better="higher",
    counts="decided deals",
    empty="no deals were decided",
    needs={"opportunities": ("closed_at", "outcome")},
    rows=rows,
    summary=proportion,
    left_out=undated,
)
