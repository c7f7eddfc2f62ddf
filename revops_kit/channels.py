"""Channels: what each cost and whom it won, and what it gets the credit for.

Attribution divides conversions among the channels that were there. It does not say what would have
happened without them.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from revops_kit import kpis
from revops_kit.drivers import within
from revops_kit.errors import UnknownNameError
from revops_kit.kpi import Workspace
from revops_kit.noted import empty, lacking, note, noted
from revops_kit.periods import Periods
from revops_kit.stats.attribution import NO_TOUCH, credit
from revops_kit.tables import BLANK, Tables
from revops_kit.units import plural

MODELS = ("first", "last", "linear", "u", "w", "time_decay", "markov", "shapley")


def channel_table(ws: Workspace, period: str) -> pd.DataFrame:
    """Say by channel what was spent, whom it won, and at what cost.

    Returns
    -------
    DataFrame
        `channel`, `spend`, `customers`, `cac`, and a `note`: "undefined: 6,000 spent …" for a
        channel that won nobody, "unpaid" for one that cost nothing. The highest spend first.
    """
    columns = ["channel", "spend", "customers", "cac", "note"]
    try:
        found = kpis.cac(ws, period, by="channel")
    except UnknownNameError:
        return empty(columns, "not available: no table has a channel or a source")
    if found.unavailable or found.frame.empty:
        return empty(columns, found.unavailable or found.missing_because)
    parts = found.frame
    frame = pd.DataFrame(
        {
            "channel": parts.channel,
            "spend": parts.numerator,
            "customers": parts.denominator,
            "cac": parts.value,
            "note": parts.missing_because.fillna(parts.note),
        }
    )
    return frame.sort_values(["spend", "channel"], ascending=[False, True], ignore_index=True)


def paths(ws: Workspace, periods: str | Periods) -> pd.DataFrame:
    """Follow the leads created in the periods from channel to channel, up to their conversion.

    A lead converts as in `conversion_rate`; the day is when marketing says so or its first deal
    was won, whichever comes first. Touches up to that day count, whenever they were.

    Returns
    -------
    DataFrame
        One row per path (and, for those that convert, per spacing), as
        `revops_kit.stats.attribution.credit` takes them: `path` (channels in time order; empty for
        leads without a touch), `conversions`, `nulls`, `days` (of each touch before the
        conversion) and `milestones` (numbers of the last touch up to the day on which the lead
        was created, and its first deal opened; None where no touch was so early).

    Notes
    -----
    Fetches one row per touch, and per lead without any, in one query: putting the channels of a
    lead in order within the database is not portable.
    """
    columns = ["path", "conversions", "nulls", "days", "milestones"]
    needs = {"touches": ("lead_id", "touched_at", "channel")}
    if missing := kpis.conversion_rate.unavailable(ws.tables) or lacking(ws.tables, needs):
        return empty(columns, missing)
    run = within(ws, periods)
    fetched = _touches(ws.tables, run).to_pandas()
    if fetched.empty:
        return empty(columns, "No leads were created.")
    # Numbers are told apart much faster than text. The order of equal moments is settled here,
    # since engines order text each their own way.
    fetched["lead_id"] = pd.factorize(fetched.lead_id, sort=True)[0]
    fetched = fetched.sort_values(["lead_id", "touched_at", "touch_id"], ignore_index=True)
    late = fetched.days < 0
    touched = fetched[fetched.channel.notna() & ~late]
    bare = fetched[~fetched.lead_id.isin(touched.lead_id)].drop_duplicates("lead_id")
    # Without a day of conversion, days count from the last touch: the weights are the same.
    day = touched.touched_at.dt.normalize()
    since = (day.groupby(touched.lead_id).transform("max") - day).dt.days
    undated = touched.days.isna() & (touched.converted == 1)
    touched = touched.assign(days=touched.days.fillna(since).astype(int))
    converted = int(bare.converted.sum())
    rows = [
        (path, count if is_won else 0, 0 if is_won else count, days, milestones)
        for (path, is_won, days, milestones), count in Counter(_journeys(touched)).items()
    ]
    rows += [((), converted, len(bare) - converted, (), (None, None))] if len(bare) else []
    undated_leads = touched.lead_id[undated].nunique()
    orphans = int(_orphans(ws.tables, run).to_pyarrow().as_py())
    return noted(
        pd.DataFrame(rows, columns=columns),
        _told(int(late.sum()), "touch", "touches", "after the conversion, left out"),
        _told(orphans, "touch", "touches", "of the periods with no lead known, left out"),
        _told(undated_leads, "lead", "leads", "converted on an unknown day: all touches count"),
    )


def attribution_table(ws: Workspace, periods: str | Periods) -> pd.DataFrame:
    """Divide the conversions of the leads created in the periods among channels, by every model.

    Returns
    -------
    DataFrame
        `channel`, and a column per model of `MODELS`: the conversions credited, which add up to
        all conversions. Leads without a touch are "(no touch)", the last row. A model that cannot
        be had is missing, and `note` says why.
    """
    columns = ["channel", *MODELS]
    journeys = paths(ws, periods)
    if journeys.empty:
        return empty(columns, note(journeys))
    credits, told = {}, [note(journeys)]
    for model in MODELS:
        needs = {"opportunities": ("lead_id", "opened_at")} if model == "w" else {}
        if missing := lacking(ws.tables, needs):
            told.append(f"{model.upper()} is {missing}.")
        else:
            credits[model] = credit(journeys, model)
    if not journeys.conversions.sum():
        told.append("None of these leads has become a customer yet.")
    table = pd.DataFrame(credits).reindex(columns=list(MODELS))
    order = sorted(table.index, key=lambda name: (name == NO_TOUCH, name == BLANK, name))
    return noted(table.loc[order].rename_axis("channel").reset_index(), *told)


def _journeys(touched: pd.DataFrame) -> Iterator[tuple]:
    """Give each lead's path, whether it converted, and then its days and milestones."""
    if touched.empty:
        return
    starts = np.flatnonzero(touched.lead_id != touched.lead_id.shift())
    channels, days = touched.channel.tolist(), touched.days.tolist()
    is_won = (touched.converted.to_numpy()[starts] == 1).tolist()
    to_lead, to_deal = (
        np.add.reduceat(touched[name].fillna(0).to_numpy(dtype=int), starts).tolist()
        for name in ("by_lead", "by_deal")
    )
    # Plain lists: pandas takes a hundred times as long to make a tuple of each group.
    for each, (start, end) in enumerate(pairwise([*starts.tolist(), len(touched)])):
        path = tuple(channels[start:end])
        if is_won[each]:
            yield path, True, tuple(days[start:end]), (to_lead[each] or None, to_deal[each] or None)
        else:
            yield path, False, (), (None, None)


def _touches(tables: Tables, run: Periods) -> ir.Table:
    """Pick the touches of the leads created in the periods, and the leads without any."""
    leads = kpis.conversion_rate.rows(replace(tables, carried=False), run)
    leads = leads.select("lead_id", "created_at", "converted_at", converted="numerator")
    found = tables.pick("opportunities", "lead_id", "outcome", "opened_at", "closed_at")
    found = found.filter(found.lead_id.notnull())
    is_won = found.outcome == "won"
    found = found.group_by(_deal_lead="lead_id").aggregate(
        won_on=is_won.ifelse(found.closed_at.cast("date"), ibis.null("date")).min(),
        opened_on=found.opened_at.cast("date").min(),
    )
    leads = leads.left_join(found, leads.lead_id == found._deal_lead)
    said = leads.converted_at.cast("date")
    by_deal = (said.isnull() | (leads.won_on < said)).fill_null(False)
    leads = leads.mutate(converted_on=by_deal.ifelse(leads.won_on, said))
    touches = tables.pick("touches", "touch_id", "lead_id", "touched_at", "channel")
    touches = touches.select(
        "touch_id",
        "touched_at",
        _lead="lead_id",
        channel=touches.channel.nullif("").fill_null(BLANK),
    )
    rows = leads.left_join(touches, leads.lead_id == touches._lead)
    day = rows.touched_at.cast("date")
    return rows.select(
        "lead_id",
        "converted",
        "touch_id",
        "touched_at",
        "channel",
        days=rows.converted_on.delta(day, unit="day"),
        by_lead=(day <= rows.created_at.cast("date")).cast("int32"),
        by_deal=(day <= rows.opened_on).cast("int32"),
    )


def _orphans(tables: Tables, run: Periods) -> ir.IntegerScalar:
    """Count the touches of the periods whose lead is not known."""
    touches = run.assign(tables.pick("touches", "lead_id", "touched_at"), on="touched_at")
    leads = tables.pick("leads", "lead_id").select(_key="lead_id")
    return touches.anti_join(leads, touches.lead_id == leads._key).count()


def _told(count: int, noun: str, many: str, why: str) -> str:
    return f"{plural(count, noun, many)} {why}." if count else ""
