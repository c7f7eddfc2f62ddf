"""Stages: how long deals stay in each, and how many go on to the next.

Which stages there are, and in which order, is found from the history itself. A stage comes before
another if more deals entered it first than the other way round; the stages are sorted by how many
others they come before (less how many come before them), then by name. A stage that deals enter
only as they close, such as "Closed Won", is none: what becomes of a deal stands in its outcome.
"""

from collections.abc import Iterable

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from revops_kit.drivers import within
from revops_kit.journeys import NO_LAST_DAY, Answer
from revops_kit.kpi import Workspace
from revops_kit.periods import Periods
from revops_kit.stats.intervals import wilson
from revops_kit.stats.survival import kaplan_meier
from revops_kit.tables import Tables
from revops_kit.units import DAYS, SHARE, plural

NEEDS = {
    "stage_changes": ("opportunity_id", "changed_at", "stage"),
    "opportunities": ("outcome", "closed_at"),
}
CLOSING = 0.9  # share of entries on the day of closing, or later, that makes a stage a closing one


def time_in_stage(ws: Workspace, periods: str | Periods) -> Answer:
    """Say how many days deals stay in each stage, several spells in one stage summed.

    Parameters
    ----------
    periods
        A deal counts in the window that its stage history begins in.

    Returns
    -------
    Answer
        A row per stage, in their order: `stage`, `deals` that were in it, `still_there`, and
        `median_days` with its interval (`low`, `high`), by Kaplan and Meier: an open deal stays
        in its stage for longer than it has. Missing where fewer than half have left.
    """
    columns = ["stage", "deals", "still_there", "median_days", "low", "high"]
    tables = ws.tables
    if missing := _missing(tables):
        return Answer(pd.DataFrame(columns=columns), f"Time in stage: {missing}.", [])
    spells = _spells(tables, within(ws, periods))
    stints, stages, notes = _stages(tables, spells)
    found = []
    for stage in stages:
        here = stints[(stints.stage == stage) & stints.days.notna()]
        count, left = here["count"].to_numpy("int64"), ~here.is_there.to_numpy(bool)
        curve = kaplan_meier(here.days.to_numpy("int64"), left, count)
        still = int(count[~left].sum())
        found.append((stage, int(count.sum()), still, curve.median, *curve.median_interval))
    undated = stints["count"][stints.stage.isin(stages) & stints.days.isna()].sum()
    if undated:
        notes.append(
            f"{plural(int(undated), 'stay')} of no known length, as the deal was "
            f"decided without a date: left out."
        )
    frame = pd.DataFrame(found, columns=columns)
    known = frame.dropna(subset="median_days")
    if known.empty:
        return Answer(frame, "Time in stage: no stage was left by half of its deals.", notes)
    slowest = known.loc[known.median_days.idxmax()]
    said = (
        f"Deals stay longest in {slowest.stage}: half of them for {DAYS.write(slowest.median_days)}"
        " or more."
    )
    return Answer(frame, said, notes)


def stage_conversion(ws: Workspace, periods: str | Periods) -> Answer:
    """Say what share of the deals that entered a stage went on to the next.

    A deal has entered every stage before the furthest it reached: stages skipped are filled in,
    and moves back count for nothing. A deal that was won has entered all.

    Parameters
    ----------
    periods
        A deal counts in the window that its stage history begins in.

    Returns
    -------
    Answer
        A row per stage, in their order: `stage`, `entered`, `went_on` (to the next; from the last
        stage, won), `lost` and `open` there – these three add up to `entered` – and `share` that
        went on, with Wilson's interval.
    """
    columns = ["stage", "entered", "went_on", "lost", "open", "share", "low", "high"]
    tables = ws.tables
    if missing := _missing(tables):
        return Answer(pd.DataFrame(columns=columns), f"Stage conversion: {missing}.", [])
    spells = _spells(tables, within(ws, periods))
    _, stages, notes = _stages(tables, spells)
    reached = _furthest(spells, stages).to_pandas() if stages else None
    found = []
    for place, stage in enumerate(stages):
        went_on = reached["count"][(reached.outcome == "won") | (reached.furthest > place)].sum()
        here = (reached.furthest == place) & (reached.outcome != "won")
        lost = reached["count"][here & (reached.outcome == "lost")].sum()
        is_open = reached["count"][here & (reached.outcome == "open")].sum()
        entered = went_on + lost + is_open
        share = went_on / entered if entered else np.nan
        low, high = wilson(went_on, entered)
        found.append((stage, entered, went_on, lost, is_open, share, low, high))
    frame = pd.DataFrame(found, columns=columns)
    if frame.empty:
        return Answer(frame, "Stage conversion: no deals with a stage began in the window.", notes)
    fewest = frame.loc[frame.share.idxmin()]
    said = f"The fewest go on from {fewest.stage}: {SHARE.write(fewest.share)} so far."
    return Answer(frame, said, notes)


def _missing(tables: Tables) -> str:
    if lacking := tables.lacks(NEEDS):
        return f"not available: needs {', '.join(lacking)}"
    return NO_LAST_DAY if tables.as_of is None else ""


def _stages(tables: Tables, spells: ir.Table) -> tuple[pd.DataFrame, list[str], list[str]]:
    """Count stays by stage and length, find the stages' order, and say what is left out."""
    stints = _stints(spells)
    counted = (
        stints.group_by("stage", "days", "is_there")
        .aggregate(
            count=stints.count(), dated=stints.is_dated.sum(), closing=stints.is_closing.sum()
        )
        .to_pandas()
    )
    sums = counted.groupby("stage")[["dated", "closing"]].sum()
    stood_in = set(counted.stage[counted.is_there == 1])
    closing = sums.index[(sums.dated > 0) & (sums.closing >= CLOSING * sums.dated)]
    working = sorted(set(counted.stage) - (set(closing) - stood_in))
    notes = _left_out(tables)
    if closes := sorted(set(closing) - stood_in):
        notes.append(f"Not stages, for deals enter them only as they close: {', '.join(closes)}.")
    notes.append(f"Deals whose stage history begins in the window, up to {tables.as_of}.")
    return counted, _in_order(working, stints), notes


def _spells(tables: Tables, periods: Periods) -> ir.Table:
    """Give each spell of a deal in a stage: where, from which day, to which."""
    changes = tables.stage_changes
    changes = changes.filter(changes.stage.notnull())
    changes = changes.select("opportunity_id", "stage", moment="changed_at")
    known = tables.opportunities
    known = known.select("outcome", _deal="opportunity_id", closed=known.closed_at.cast("date"))
    each = changes.inner_join(known, changes.opportunity_id == known._deal)
    day = each.moment.cast("date")
    each = each.select(
        *("opportunity_id", "stage", "outcome", "moment", "closed"),
        # What is written after a deal was closed takes none of its days.
        day=(each.closed < day).ifelse(each.closed, day),
    )
    following = each.day.lead().over(group_by="opportunity_id", order_by=[each.moment, each.stage])
    end = (each.outcome == "open").ifelse(ibis.literal(tables.as_of), each.closed)
    each = each.mutate(
        began=each.moment.min().over(group_by="opportunity_id").cast("date"),
        is_last=following.isnull(),
        days=ibis.coalesce(following, end).delta(each.day, unit="day"),
    )
    if periods.kind == "all":
        return each
    until = min(periods.end, periods.known_until)
    return each.filter((each.began >= periods.start) & (each.began < until))


def _stints(spells: ir.Table) -> ir.Table:
    """Sum up the spells of a deal in a stage: one row per deal and stage."""
    is_there = spells.is_last & (spells.outcome == "open")
    is_known = spells.days.isnull().cast("int32").sum() == 0
    return spells.group_by("opportunity_id", "stage", "outcome").aggregate(
        days=is_known.ifelse(spells.days.sum(), ibis.null("int64")),
        is_there=is_there.cast("int32").max(),
        entered=spells.moment.min(),
        is_dated=spells.closed.notnull().cast("int32").max(),
        is_closing=(spells.day >= spells.closed).fill_null(False).cast("int32").min(),
    )


def _in_order(stages: list[str], stints: ir.Table) -> list[str]:
    """Sort stages by how many others they come before."""
    one = stints.select("opportunity_id", "stage", "entered")
    other = stints.select(_deal="opportunity_id", _stage="stage", _entered="entered")
    both = one.inner_join(other, [one.opportunity_id == other._deal, one.entered < other._entered])
    pairs = both.group_by("stage", "_stage").aggregate(count=both.count()).to_pandas()
    before = {(a, b): n for a, b, n in pairs.itertuples(index=False)}
    ahead = {
        stage: sum(
            np.sign(before.get((stage, each), 0) - before.get((each, stage), 0)) for each in stages
        )
        for stage in stages
    }
    return sorted(stages, key=lambda stage: (-ahead[stage], stage))


def _furthest(spells: ir.Table, stages: Iterable[str]) -> ir.Table:
    """Count deals by the furthest stage they entered, and by outcome."""
    place = ibis.cases(
        *((spells.stage == stage, place) for place, stage in enumerate(stages)),
        # Known by its closing alone, a deal has entered the first.
        else_=0,
    )
    reached = spells.group_by("opportunity_id", "outcome").aggregate(furthest=place.max())
    return reached.group_by("furthest", "outcome").aggregate(count=reached.count())


def _left_out(tables: Tables) -> list[str]:
    """Count changes and deals that say nothing about stages, whenever they were."""
    changes = tables.stage_changes.select("opportunity_id", "stage", changed=ibis.literal(True))
    known = tables.opportunities.select(_deal="opportunity_id")
    both = changes.outer_join(known, changes.opportunity_id == known._deal)
    has_stage = both.stage.notnull()
    counts = both.aggregate(
        without=both.changed.count(where=both.stage.isnull()),
        unknown=has_stage.sum() - both._deal.count(where=has_stage),
        bare=both._deal.nunique() - both._deal.nunique(where=has_stage),
    )
    row = counts.to_pandas().fillna(0).astype(int).iloc[0]
    told = {
        "without a stage": ("change", row.without),
        "of no known deal": ("change", row.unknown),
        "without stages in the history": ("deal", row.bare),
    }
    return [
        f"{plural(count, noun)} {why}: left out." for why, (noun, count) in told.items() if count
    ]
