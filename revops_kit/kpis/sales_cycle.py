"""Sales cycle: how many days a won deal took."""

import ibis
import ibis.expr.types as ir

from revops_kit import deals
from revops_kit.kpi import Kpi, LeftOut, median
from revops_kit.periods import Periods
from revops_kit.tables import Tables
from revops_kit.units import DAYS


def rows(tables: Tables, periods: Periods) -> ir.Table:
    """Pick the deals won in each period, and say how many days each took.

    Parameters
    ----------
    tables
        Needs `opportunities`, and a start: `leads.created_at` (policy `cycle_start = "lead"`) or
        `opportunities.opened_at`.
    periods
        A deal counts in the period it was won in.

    Returns
    -------
    Table, one row per won deal
        The columns of `opportunities`, and

        period : date
        days : int
            Whole calendar days from start to win; negative where the source says so.
        event : str
            Always `won`.

    Notes
    -----
    Of deals opened lately only the quick ones are won by now. Compare cohorts of equal age.

    Examples
    --------
    >>> from revops_kit.samples import tiny
    >>> rows(tiny(), Periods("2026-09")).order_by("days").days.to_list()
    [36, 52]
    """
    won = deals.won(tables, *deals.counted(tables, "opened_at", "lead_id"))
    won = deals.with_cycle(tables, won)
    return periods.assign(won, on="closed_at", event=ibis.literal("won"))


def starts(tables: Tables) -> dict[str, tuple[str, ...]]:
    """Say what is needed to tell when a deal began."""
    if tables.policies.cycle_start == "opportunity":
        return {"opportunities": ("opened_at",)}
    return {} if tables.has("opportunities", "opened_at") else {"opportunities": ("lead_id",)}


def untimed(tables: Tables, periods: Periods) -> list[LeftOut]:
    """Count the won deals that have no possible length."""
    won = rows(tables, periods)
    negative = won.filter(won.days < 0).count()
    startless = won.filter(won.cycle_started_on.isnull() & won.closed_at.notnull()).count()
    undated = deals.won(tables, "closed_at").filter(lambda each: each.closed_at.isnull()).count()
    return [
        LeftOut(negative, "won deal", "ended before it began: shown among the rows, not counted"),
        LeftOut(startless, "won deal", "without a start: of no known length"),
        LeftOut(undated, "won deal", "without a date: of no known length"),
    ]


sales_cycle = Kpi(
    name="sales_cycle",
    title="Sales cycle",
    question="How many days did the deals won in the period take?",
    formula="median of days from first contact (else from opening the deal) to the win",
    unit=DAYS,
    better="lower",
    counts="won deals",
    empty="no deals with a known start were won",
    needs={"opportunities": ("closed_at", "outcome")},
    either=("leads.created_at", "opportunities.opened_at"),
    also=starts,
    policies=("cycle_start",),
    rows=rows,
    summary=median,
    left_out=untimed,
)
