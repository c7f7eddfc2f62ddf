"""Pipeline coverage: open deals expected to close in a period, per unit still missing to target."""

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from revops_kit import deals
from revops_kit.kpi import Kpi, LeftOut, Summary, adding
from revops_kit.periods import Periods
from revops_kit.tables import Policies, Tables, stack
from revops_kit.units import RATIO


def rows(tables: Tables, periods: Periods) -> ir.Table:
    """Stack open deals expected in each period on its targets and on what it has won.

    Parameters
    ----------
    tables
        Needs `opportunities` and `targets`.
    periods
        Seen at their end, or at the last day known where that comes sooner – from before their
        start, for those to come.

    Returns
    -------
    Table, one row per open deal, target and won deal
        The columns that all have, and

        period : date
        numerator : float
            The amount of an open deal.
        denominator : float
            The amount of a target; less the amount of a won deal.
        part : str
            `open`, `target` or `won`.

    Examples
    --------
    >>> from revops_kit.samples import tables
    >>> made = tables({
    ...     "targets": [{"month": "2026-10-01", "amount": 10_000}],
    ...     "opportunities": [{"opportunity_id": "1", "outcome": "open", "amount": 30_000,
    ...                        "opened_at": "2026-09-01", "expected_close": "2026-10-20"}],
    ... }, as_of="2026-09-30")
    >>> parts = rows(made, Periods("2026-10", as_of=made.as_of)).order_by("part")
    >>> parts.select("numerator", "denominator").to_pandas().values.tolist()
    [[30000.0, 0.0], [0.0, 10000.0]]
    """
    names = deals.counted(tables, "amount", "expected_close")
    waiting = deals.as_they_stood(tables, deals.open_at(tables, periods, *names, ahead=True))
    waiting = waiting.filter(periods.start_of(waiting.expected_close) == waiting.period)
    nothing = ibis.literal(0.0)
    parts = {"part": ibis.literal("open"), "numerator": waiting.amount, "denominator": nothing}
    waiting = adding(tables, waiting, **parts)
    targets = tables.targets
    targets = targets.mutate(
        period=periods.start_of(targets.month),
        part=ibis.literal("target"),
        numerator=nothing,
        denominator=targets.amount,
    )
    won = deals.won(tables, *deals.counted(tables, "amount"))
    parts = {"part": ibis.literal("won"), "numerator": nothing, "denominator": -won.amount}
    won = periods.assign(won, on="closed_at", **parts)
    # What a target and a deal both call their amount is not the same thing.
    targets = targets.filter(targets.period.notnull()).drop("amount")
    return stack(waiting, targets, won)


def fold(rows: ir.Table, keys: list[str]) -> ir.Table:
    """Sum open amounts, targets and wins."""
    return rows.group_by(keys).aggregate(
        numerator=rows.numerator.sum(),
        denominator=rows.denominator.sum(),
        target=(rows.part == "target").ifelse(rows.denominator, 0.0).sum(),
        n=(rows.part == "open").cast("int32").sum(),
    )


def coverage(parts: pd.DataFrame, keys: list[str], policies: Policies) -> pd.DataFrame:
    """Divide what is open by what is missing, where something is."""
    reasons = [
        "no target is set" if not target else "the target is reached" if gap <= 0 else None
        for target, gap in zip(parts.target, parts.denominator, strict=True)
    ]
    is_short = np.array([reason is None for reason in reasons])
    value = (parts.numerator / parts.denominator.replace(0, np.nan)).where(is_short)
    return parts.assign(value=value, low=np.nan, high=np.nan, missing_because=reasons)


def undated(tables: Tables, periods: Periods) -> list[LeftOut]:
    """Count the open deals that nobody expects on any day, or at any amount."""
    waiting = tables.opportunities
    waiting = waiting.filter(waiting.outcome == "open")
    unexpected = waiting.filter(waiting.expected_close.isnull()).count()
    worthless = waiting.filter(waiting.amount.isnull()).count()
    return [
        LeftOut(unexpected, "open deal", "without an expected close: in no period's pipeline"),
        LeftOut(worthless, "open deal", "without an amount: adds nothing"),
    ]


def hindsight(tables: Tables) -> list[str]:
    """Say whether open deals are seen as they stood."""
    if tables.has("stage_changes", "changed_at", "expected_close"):
        return ["Amounts and expected closes are those that stage changes kept of that day."]
    return ["Amounts and expected closes are today's: the source keeps no history of them."]


pipeline_coverage = Kpi(
    name="pipeline_coverage",
    title="Pipeline coverage",
    question="How many times over do open deals cover what is missing to the target?",
    formula="open amount expected to close in the period / (target − won so far)",
    unit=RATIO,
    better="higher",
    counts="open deals",
    empty="no target is set",
    needs={
        "opportunities": ("outcome", "amount", "expected_close", "closed_at"),
        "targets": ("month", "amount"),
    },
    rows=rows,
    summary=Summary(fold, coverage, within=()),
    looks_ahead=True,
    is_monthly=True,
    left_out=undated,
    notes=hindsight,
)
