"""Which open deals to look at next: old in their stage, pushed, idle, or much of the whole."""

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from revops_kit import deals
from revops_kit.drivers import within
from revops_kit.kpi import Workspace
from revops_kit.periods import Periods

COLUMNS = [
    "opportunity_id",
    "owner",
    "stage",
    "amount",
    "age_days",
    "days_in_stage",
    "stage_median",
    "pushes",
    "idle_days",
]
IDLE_DAYS = 30
PUSHES = 2


def open_deals(ws: Workspace, periods: str | Periods, count: int = 15) -> pd.DataFrame:
    """Pick the open deals that most speaks against, and say what.

    Parameters
    ----------
    periods
        Seen from the end of the last.
    count
        How many: those with the most against them first, then the largest.

    Returns
    -------
    DataFrame
        `opportunity_id`, `owner`, `stage`, `amount`, `age_days`, `days_in_stage`, `stage_median`
        (days that decided deals spent in the stage, several spells added up), `pushes` (times the
        expected close moved back), `idle_days` (since anything changed), `against` (in words) and
        `marks` (how many): long in its stage (longer than half of the
        decided deals were), pushed (twice or more), idle (nothing changed for a month), large
        (among the largest twentieth). Empty without `stage_changes`.
    """
    if not ws.tables.has("stage_changes", "stage") or not ws.tables.has("opportunities"):
        return pd.DataFrame(columns=[*COLUMNS, "against", "marks"])
    span = within(ws, periods)
    moment = min(span.end, span.known_until)
    day = ibis.literal(moment)
    known = deals.open_on(ws.tables, moment, span, "owner", "stage", "amount")
    age = day.delta(known.opened_at.cast("date"), unit="day")
    known = known.select("opportunity_id", "owner", "stage", "amount", age_days=age)
    spells = _spells(ws, day)
    usual = _usual(ws, spells, day).rename(_usual="stage")
    moved = spells.group_by(_deal="opportunity_id").aggregate(
        pushes=spells.is_pushed.cast("int32").sum(), last_change=spells.since.max()
    )
    here = known.select(_open="opportunity_id", _stage="stage")
    stay = spells.inner_join(
        here, [spells.opportunity_id == here._open, spells.stage == here._stage]
    )
    days = ibis.coalesce(stay.until, day).delta(stay.since, unit="day")
    stay = stay.group_by(_here="opportunity_id").aggregate(days_in_stage=days.sum())
    rows = known.left_join(moved, known.opportunity_id == moved._deal)
    rows = rows.left_join(stay, rows.opportunity_id == stay._here)
    rows = rows.left_join(usual, rows.stage == usual._usual)
    idle = day.delta(rows.last_change, unit="day")
    rows = rows.select(*(name for name in COLUMNS if name != "idle_days"), idle_days=idle)
    return _judged(rows.to_pandas()).head(count)


def waiting(ws: Workspace, periods: str | Periods) -> pd.DataFrame:
    """Fetch the deals open when a period ended, the largest first, with their age in days.

    Returns
    -------
    DataFrame
        The deal's key, owner, stage, amount and expected close, as far as the workspace has them,
        and `age_days`.
    """
    span = within(ws, periods)
    moment = min(span.end, span.known_until)
    there = deals.open_on(ws.tables, moment, span, "owner", "stage", "amount", "expected_close")
    columns = [
        name
        for name in ("opportunity_id", "owner", "stage", "amount", "expected_close")
        if ws.tables.has("opportunities", name)
    ]
    age = there.ends.delta(there.opened_at.cast("date"), unit="day")
    order = [ibis.desc("amount", nulls_first=False), "opportunity_id"]
    return there.order_by(order).select(*columns, age_days=age).to_pandas()


def concentration(there: pd.DataFrame, top: int = 10) -> pd.DataFrame:
    """Say how much of the open pipeline hangs on its largest deals.

    Parameters
    ----------
    there
        As `waiting` gives it.

    Returns
    -------
    DataFrame
        One row: `deals`, `amount`, `top_amount` and `top_share`, of the `top` largest.
    """
    amounts = there.reindex(columns=["amount"]).amount.astype(float).fillna(0.0)
    whole, largest = amounts.sum(), amounts.nlargest(top).sum()
    share = largest / whole if whole else np.nan
    return pd.DataFrame(
        [(len(amounts), whole, largest, share)],
        columns=["deals", "amount", "top_amount", "top_share"],
    )


def _spells(ws: Workspace, day: ir.DateScalar) -> ir.Table:
    """Say from when until when each change held: `since`, `until` (empty for the last)."""
    names = ("opportunity_id", "changed_at", "stage", "expected_close")
    changes = ws.tables.pick("stage_changes", *names)
    changes = changes.filter(changes.changed_at.cast("date") < day)
    in_turn = ibis.window(group_by="opportunity_id", order_by=["changed_at", "stage"])
    return changes.select(
        "opportunity_id",
        "stage",
        since=changes.changed_at.cast("date"),
        until=changes.changed_at.cast("date").lead().over(in_turn),
        is_pushed=changes.expected_close > changes.expected_close.lag().over(in_turn),
    )


def _usual(ws: Workspace, spells: ir.Table, day: ir.DateScalar) -> ir.Table:
    """Take the median stay of decided deals in each stage."""
    ended = deals.decided(ws.tables, "closed_at")
    ended = ended.select(_ended="opportunity_id", closed=ended.closed_at.cast("date"))
    ended = ended.filter(ended.closed < day)
    known = spells.inner_join(ended, spells.opportunity_id == ended._ended)
    days = ibis.coalesce(known.until, known.closed).delta(known.since, unit="day")
    stays = known.group_by(["opportunity_id", "stage"]).aggregate(days=days.sum())
    return stays.group_by("stage").aggregate(stage_median=stays.days.median())


def _judged(seen: pd.DataFrame) -> pd.DataFrame:
    """Say in words what speaks against each deal, and put the worst first."""
    top = seen.amount.fillna(0).nlargest(max(1, len(seen) // 20)).index
    idle = seen.idle_days.fillna(seen.age_days)
    marks = pd.DataFrame(
        {
            "long in its stage": seen.days_in_stage > seen.stage_median,
            "pushed": seen.pushes.fillna(0) >= PUSHES,
            "idle": idle > IDLE_DAYS,
            "large": pd.Series(seen.index.isin(top), index=seen.index),
        }
    )
    marks = marks.fillna(False).astype(bool)
    words = [", ".join(marks.columns[row]) for row in marks.to_numpy()]
    judged = seen.assign(against=words, marks=marks.sum(axis=1).to_numpy())
    order = ["marks", "amount", "opportunity_id"]
    return judged.sort_values(order, ascending=[False, False, True], ignore_index=True)
