"""Pipeline velocity: how much money moves through the pipeline in a day."""

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from revops_kit import deals
from revops_kit.kpi import Kpi, LeftOut, Summary, adding
from revops_kit.kpis.sales_cycle import starts, untimed
from revops_kit.kpis.win_rate import undated
from revops_kit.periods import Periods
from revops_kit.stats.intervals import Z
from revops_kit.tables import Policies, Tables, stack
from revops_kit.units import MONEY_PER_DAY

# What velocity is made of, and why there is none where a part of it is 0, the first that is.
PARTS = (
    *("open", "decided", "won", "amounts", "amount", "amount_squared"),
    *("timed", "days", "days_squared", "both", "product"),
)
GAPS = {
    "decided": "no deals were decided, so there is no win rate",
    "won": "no deals were won, so there is no amount and no cycle",
    "amounts": "no won deal has an amount",
    "timed": "no won deal has a possible length",
    "days": "won deals took no time at all",
}


def rows(tables: Tables, periods: Periods) -> ir.Table:
    """Stack the deals open at the end of each period on those decided in it.

    Parameters
    ----------
    tables
        Needs `opportunities`. The policy `velocity_window = "all"` takes win rate, amount and
        cycle from all deals decided so far instead of those of the period.
    periods
        Open deals count at the end of each period, decided ones when they closed.

    Returns
    -------
    Table, one row per open and per decided deal
        The columns of `opportunities`, and

        period : date
        open, decided, won : int
            1 or 0.
        won_amount : float
            The amount of a won deal.
        won_days : int
            The cycle of a won deal, where it is possible.

    Examples
    --------
    >>> from revops_kit.samples import tiny
    >>> both = rows(tiny(), Periods("2026-09"))
    >>> [both[part].sum().to_pyarrow().as_py() for part in ("open", "decided", "won")]
    [1, 4, 2]
    """
    names = deals.counted(tables, "amount", "lead_id")
    waiting = deals.open_at(tables, periods, *names).drop("starts", "ends")
    zero = ibis.literal(0, "int64")
    waiting = adding(
        tables,
        waiting,
        open=ibis.literal(1, "int64"),
        decided=zero,
        won=zero,
        won_amount=ibis.null("float64"),
        won_days=ibis.null("int64"),
    )
    closed = deals.with_cycle(tables, deals.decided(tables, *names))
    if tables.policies.velocity_window == "all":
        closed = periods.snapshots(closed)
        known = closed.closed_at.isnull() | (closed.closed_at.cast("date") < closed.ends)
        closed = closed.filter(known)
    else:
        closed = periods.assign(closed, on="closed_at")
    won = closed.outcome == "won"
    closed = adding(
        tables,
        closed,
        open=zero,
        decided=ibis.literal(1, "int64"),
        won=won.cast("int32"),
        won_amount=won.ifelse(closed.amount, ibis.null()),
        won_days=(won & (closed.days >= 0)).ifelse(closed.days.cast("int64"), ibis.null()),
    )
    return stack(waiting, closed)


def fold(rows: ir.Table, keys: list[str]) -> ir.Table:
    """Sum what the four factors and their uncertainty are made of."""
    amount, days = rows.won_amount.cast("float64"), rows.won_days.cast("float64")
    return rows.group_by(keys).aggregate(
        open=rows.open.sum(),
        decided=rows.decided.sum(),
        won=rows.won.sum(),
        amounts=amount.count(),
        amount=amount.sum(),
        amount_squared=(amount * amount).sum(),
        timed=days.count(),
        days=days.sum(),
        days_squared=(days * days).sum(),
        both=(amount * days).count(),
        product=(amount * days).sum(),
    )


def velocity(parts: pd.DataFrame, keys: list[str], policies: Policies) -> pd.DataFrame:
    """Multiply the four factors, with the delta method's interval on the log scale.

    The number of open deals is taken as given. The variance of the logarithm is the sum of the
    relative variances of win rate, mean amount and mean cycle, less twice the relative
    covariance of the latter two.
    """
    of = {name: parts[name].to_numpy(float) for name in PARTS}
    with np.errstate(divide="ignore", invalid="ignore"):
        rate = of["won"] / of["decided"]
        amount, cycle = of["amount"] / of["amounts"], of["days"] / of["timed"]
        value = of["open"] * rate * amount / cycle
        spread = (1 - rate) / of["won"]
        spread += _relative_variance(of["amounts"], amount, of["amount_squared"])
        spread += _relative_variance(of["timed"], cycle, of["days_squared"])
        covariance = of["product"] / of["both"] - amount * cycle
        spread -= 2 * covariance / (of["both"] * amount * cycle)
        width = np.exp(Z * np.sqrt(np.maximum(spread, 0)))
    value = np.where(np.isfinite(value), value, np.nan)
    has_interval = (of["won"] > 1) & (value > 0)
    return parts.assign(
        value=value,
        low=np.where(has_interval, value / width, np.nan),
        high=np.where(has_interval, value * width, np.nan),
        n=parts.decided,
        numerator=of["open"] * rate * amount,
        denominator=cycle,
        win_rate=rate,
        mean_amount=amount,
        mean_days=cycle,
        missing_because=np.select([of[name] == 0 for name in GAPS], list(GAPS.values()), None),
    )


def _relative_variance(n: np.ndarray, mean: np.ndarray, squares: np.ndarray) -> np.ndarray:
    """Give the variance of a mean over its square, from the sum of squares."""
    return (squares / n - mean**2) / np.maximum(n - 1, 1) / mean**2


def unknown(tables: Tables, periods: Periods) -> list[LeftOut]:
    """Count the open deals that nobody wrote the opening of, and the untimed won ones."""
    waiting = tables.opportunities
    waiting = waiting.filter((waiting.outcome == "open") & waiting.opened_at.isnull())
    why = "without an opening date: open as of the last day known, and not before"
    return [
        LeftOut(waiting.count(), "open deal", why),
        *undated(tables, periods),
        *untimed(tables, periods),
    ]


pipeline_velocity = Kpi(
    name="pipeline_velocity",
    title="Pipeline velocity",
    question="How much money moves through the pipeline in a day?",
    formula="open deals × win rate × mean won amount / mean won cycle in days",
    unit=MONEY_PER_DAY,
    better="higher",
    counts="decided deals",
    empty="no deals were decided",
    needs={"opportunities": ("closed_at", "outcome", "amount")},
    either=("leads.created_at", "opportunities.opened_at"),
    also=starts,
    policies=("cycle_start", "velocity_window"),
    rows=rows,
    summary=Summary(
        fold,
        velocity,
        parts=("open", "decided", "won", "amounts", "amount", "timed", "days"),
        within=(),
    ),
    left_out=unknown,
)
