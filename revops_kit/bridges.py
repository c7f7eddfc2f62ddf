"""Bridges: from what a figure was to what it is, in steps that add up.

Each function gives a `Bridge`: steps to draw, what they leave over, and the rows behind each.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, NamedTuple

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from revops_kit import deals, recurring
from revops_kit.drivers import factors, within
from revops_kit.errors import UnknownNameError
from revops_kit.forecasts import Record
from revops_kit.kpi import Result, Workspace
from revops_kit.kpis import forecast_accuracy
from revops_kit.noted import lacking
from revops_kit.periods import Period, Periods, shift, spoken
from revops_kit.stats.arrays import log_mean
from revops_kit.tables import SEGMENT, Tables, stack
from revops_kit.units import MONEY, MONEY_PER_DAY, Unit
from revops_kit.wording import Words

if TYPE_CHECKING:
    from revops_kit.charts import Chart

COLUMNS = ["step", "amount", "kind"]
NOTHING = ibis.null("float64")
# Each factor of velocity: the sum it is made of, the count that divides it, and its power.
FACTORS = {
    "open deals": ("open", "", 1),
    "win rate": ("won", "decided", 1),
    "amount": ("amount", "amounts", 1),
    "cycle": ("days", "timed", -1),
}


class Behind(NamedTuple):
    """The rows behind a bridge, and what each adds to every step: nothing where it is missing."""

    rows: ir.Table
    adds: Mapping[str, ir.Value]


@dataclass(frozen=True, eq=False)
class Bridge:
    """From a start through changes to an end.

    Attributes
    ----------
    title, question
        Written above its picture.
    unit, currency
        How amounts are written.
    frame
        A row per step, in order: `step` (its name), `amount` and `kind`: "total" for a level
        reached, "change" for what is added to it or, with a minus, taken away. Empty where there
        is no bridge.
    missing_because
        Why there is none.
    reach
        Finds what is behind it, which not everybody looks at.
    """

    title: str
    question: str
    unit: Unit
    currency: str
    frame: pd.DataFrame
    missing_because: str = ""
    reach: Callable[[], Behind] | None = field(default=None, repr=False)

    @cached_property
    def behind(self) -> Behind:
        """The rows behind it, lazily; where there is no bridge, there are none to ask for."""
        return self.reach()

    @property
    def residual(self) -> float:
        """What the changes leave over: the last total less the first and all changes.

        Nothing but rounding, below 0.01; 0 where there is no bridge.
        """
        if self.frame.empty:
            return 0.0
        amount, is_total = self.frame.amount, self.frame.kind == "total"
        first, last = amount[is_total].iloc[[0, -1]]
        return float(last - first - amount[~is_total].sum())

    def rows(self, step: str) -> ir.Table:
        """Reach the rows behind a step, lazily; none where there is no bridge.

        Returns
        -------
        Table, one row per thing that made the step
            Its own columns, and `adds`: what it adds to the step, which together is the step's
            amount. Ordered by the size of it, the largest first.

        Raises
        ------
        UnknownNameError
            When there is no such step.
        """
        if self.frame.empty:
            return ibis.memtable([], schema={"adds": "float64"})
        rows, adds = self.behind
        if step not in adds:
            raise UnknownNameError("a step", step, adds, f"in the bridge {self.title!r}")
        own = [name for name in rows.columns if not name.startswith("_")]
        rows = rows.select(*own, adds=adds[step].cast("float64"))
        rows = rows.filter(rows.adds.notnull())
        return rows.order_by(rows.adds.abs().desc())

    def headline(self) -> Words:
        """Tell the start, the end and the largest changes in one sentence."""
        if self.frame.empty:
            return Words(f"{self.title}: {self.missing_because}.")
        totals = self.frame[self.frame.kind == "total"].iloc[[0, -1]]
        (start, was), (end, is_now) = zip(totals.step, totals.amount, strict=True)
        said = (
            f"{self.title}: {spoken(start)} {self.unit.write(was, self.currency)}, "
            f"{spoken(end)} {self.unit.write(is_now, self.currency)}"
        )
        changes = self.frame[(self.frame.kind == "change") & (self.frame.amount != 0)]
        largest = changes.sort_values("amount", key=abs, ascending=False, kind="stable").head(3)
        moved = [
            f"{step} {self.unit.write_change(amount, self.currency)}"
            for step, amount in zip(largest.step, largest.amount, strict=True)
        ]
        return Words(f"{said}; above all {', '.join(moved)}." if moved else f"{said}.")

    def plot(self, **options: Any) -> "Chart":
        """Draw it, with its residual beneath."""
        from revops_kit import charts

        return charts.bridge(self, **options)


def recurring_revenue(ws: Workspace, periods: str | Periods) -> Bridge:
    """Take recurring revenue from the start of a period to its end, movement by movement.

    Returns
    -------
    Bridge
        start + new + expansion + reactivation − contraction − churn = end. The rows are
        customers, as `recurring.movements` has them.
    """
    about = ("Recurring revenue", "What customers did: came, grew, came back, shrank, left")
    if missing := lacking(ws.tables, {"subscriptions": ("mrr",)}):
        return _none(about, MONEY, ws.currency, missing)
    run, kinds = within(ws, periods), ("new", "expansion", "reactivation", "contraction", "churn")

    def look(tables: Tables) -> Behind:
        rows = recurring.movements(tables, run, *kinds)
        adds = {
            kind: -rows[kind] if kind in ("contraction", "churn") else rows[kind] for kind in kinds
        }
        adds = {"start": rows.start_mrr, **adds, "end": rows.end_mrr}
        return Behind(rows, {step: amount.nullif(0.0) for step, amount in adds.items()})

    return _added_up(about, ws, look)


def forecast_error(kept: Record) -> Bridge:
    """Take the sum of forecasts to the sum of what was won, by too much and too little.

    Returns
    -------
    Bridge
        forecast − promised too much + promised too little = won, over the months that were
        forecast. The rows are forecasts, by month and owner, and the deals won in the same months.
    """
    about = ("From forecast to outcome", "By month: promised too much, or too little")
    ws, months = kept.ws, kept.months
    if reason := forecast_accuracy.unavailable(ws.tables):
        return _none(about, MONEY, ws.currency, reason)
    if months.empty:
        return _none(about, MONEY, ws.currency, f"not available: {forecast_accuracy.empty}")
    error, day = months.error, pd.to_datetime(months.month).dt.date
    frame = pd.DataFrame(
        [
            ("forecast", months.forecast.sum(), "total"),
            ("promised too much", -error[error > 0].sum(), "change"),
            ("promised too little", -error[error < 0].sum(), "change"),
            ("won", months.won.sum(), "total"),
        ],
        columns=COLUMNS,
    )

    def reach() -> Behind:
        rows = forecast_accuracy.rows(ws.tables, kept.run)
        rows = rows.filter(rows.month.isin(day.to_list()))
        short = rows.actual.fill_null(0.0) - rows.forecast.fill_null(0.0)
        much, little = (rows.month.isin(day[which].to_list()) for which in (error > 0, error < 0))
        adds = {
            "forecast": rows.forecast,
            "promised too much": much.ifelse(short, NOTHING),
            "promised too little": little.ifelse(short, NOTHING),
            "won": rows.actual,
        }
        return Behind(rows, adds)

    return Bridge(*about, MONEY, ws.currency, frame, reach=reach)


def pipeline(ws: Workspace, period: str) -> Bridge:
    """Take the pipeline of a period from its start to its end, deal by deal.

    The pipeline of a period is what is open and expected to close in it. Deals and their
    amounts and expected closes are seen as they stood, where `stage_changes` kept them.

    Returns
    -------
    Bridge
        start + new + pulled in + increased − decreased − pushed out − won − lost = end. New was
        opened in the period; pulled in was open before, and expected at another time. A deal won
        or lost in the period counts with its last amount. The rows are deals.
    """
    about = ("The pipeline of the period", "Open deals expected to close in it")
    kept = ("opportunities.expected_close", "stage_changes.expected_close")
    missing = ws.tables.lacks({"opportunities": ("outcome",)})
    if not any(ws.tables.has(*each.split(".")) for each in kept):
        missing.append(" or ".join(kept))
    if missing:
        return _none(about, MONEY, ws.currency, f"not available: needs {', '.join(missing)}")
    return _added_up(about, ws, partial(_pipeline, span=within(ws, period)))


def _pipeline(tables: Tables, span: Periods) -> Behind:
    """Say what each deal that was in the period's pipeline adds to each step; else nothing."""
    now = span.each[-1]
    rows, seen = deals.known(tables, *deals.counted(tables, "amount")), _seen(tables, span)
    rows = rows.left_join(seen, rows.opportunity_id == seen._deal)
    closed = _inside(rows.closed_at.cast("date"), now)
    decided = ((rows.outcome != "open") & closed).fill_null(False)
    # A deal that closed in the period belonged to its pipeline in the end, whatever was expected.
    stood = rows._was_open.fill_null(False)
    was_in = (stood & _inside(rows.was_expected, now)).fill_null(False)
    is_open = rows._is_open.fill_null(False)
    is_in = (is_open & _inside(rows.is_expected, now)).fill_null(False)
    opened = rows.opened_at.cast("date") >= now.start
    came = (is_in | decided) & ~was_in
    first = rows.was_amount.fill_null(0.0)
    final = is_open.ifelse(rows.is_amount, rows.amount).fill_null(0.0)
    grown = was_in.ifelse(final - first, 0.0)
    left = was_in & is_open & ~is_in
    adds = {
        "start": was_in.ifelse(first, NOTHING),
        "new": (came & (opened | ~stood).fill_null(True)).ifelse(final, NOTHING),
        "pulled in": (came & stood & ~opened.fill_null(False)).ifelse(final, NOTHING),
        "increased": (grown > 0).ifelse(grown, NOTHING),
        "decreased": (grown < 0).ifelse(grown, NOTHING),
        "pushed out": left.ifelse(-final, NOTHING),
        "won": (decided & (rows.outcome == "won")).ifelse(-final, NOTHING),
        "lost": (decided & (rows.outcome == "lost")).ifelse(-final, NOTHING),
        "end": is_in.ifelse(final, NOTHING),
    }
    return Behind(rows, adds)


def _seen(tables: Tables, span: Periods) -> ir.Table:
    """Look at the deals open when a period began and when it ended, as they then stood."""
    seen = deals.open_at(tables, replace(span, count=2), "amount", "expected_close", ahead=True)
    seen = deals.as_they_stood(tables, seen)
    sides = {"was": seen.period < span.start, "is": seen.period == span.start}
    return seen.group_by(_deal="opportunity_id").aggregate(
        **{f"_{side}_open": here.any() for side, here in sides.items()},
        **{f"{side}_amount": seen.amount.max(where=here) for side, here in sides.items()},
        **{f"{side}_expected": seen.expected_close.max(where=here) for side, here in sides.items()},
    )


def _inside(day: ir.DateValue, period: Period) -> ir.BooleanValue:
    return (day >= period.start) & (day < period.end)


def velocity(trend: Result) -> Bridge:
    """Split the change of pipeline velocity between the last two periods over its four factors.

    Each factor takes the logarithm of its own change, weighed by the logarithmic mean of the two
    velocities (LMDI; B. W. Ang, Energy Policy 33 (2005), 867-871), which adds up exactly. Split by
    a column, factors are those of the segments, and `mix` is what segments do not explain.

    Parameters
    ----------
    trend
        Pipeline velocity over two periods or more.

    Returns
    -------
    Bridge
        None where either period has no velocity. The rows of the totals, of `open deals` and of
        `mix` are the deals open at the end of a period; those of `win rate` the deals decided in
        it, and those of `amount` and `cycle` the deals won in it. Deals of the earlier period
        are taken away.
    """
    about = ("What moved pipeline velocity", "Log-mean shares of the change, by factor")
    whole = factors(trend.whole)
    if len(whole) < 2 or not (whole.value > 0).all():
        reason = trend.unavailable or "not available: it takes a velocity in both periods"
        return _none(about, MONEY_PER_DAY, trend.currency, reason)
    parts = factors(trend).rename(columns={SEGMENT: "_part"}) if trend.by else whole
    each = _one_deal_adds(parts.assign(**({} if trend.by else {"_part": ""})), whole)
    (before, now), (start, end) = whole.period, whole.value
    effects = {
        name: (each[f"_{total}"] * each[total]).sum() for name, (total, *_) in FACTORS.items()
    }
    if trend.by:
        effects["mix"] = end - start - sum(effects.values())
    steps = [(before, start, "total")]
    steps += [(name, effect, "change") for name, effect in effects.items()]
    frame = pd.DataFrame([*steps, (now, end, "total")], columns=COLUMNS)
    reach = partial(_behind_velocity, trend, each, before, now)
    return Bridge(*about, MONEY_PER_DAY, trend.currency, frame, reach=reach)


def _behind_velocity(trend: Result, each: pd.DataFrame, before: str, now: str) -> Behind:
    """Find the deals behind velocity's change, by what one of `each` period and segment adds."""
    last = replace(trend.periods, count=2)
    rows = trend.kpi.rows(trend.tables, last)
    rows = rows.mutate(_segment=rows[SEGMENT] if trend.by else ibis.literal(""))
    each = each.assign(_day=each.period.map({period.label: period.start for period in last}))
    each = ibis.memtable(each[[name for name in each if name.startswith("_")]])
    behind = rows.inner_join(each, [rows.period == each._day, rows._segment == each._part])
    is_open, is_now = behind.open == 1, behind.period == last.each[1].start
    adds = {
        before: (is_open & ~is_now).ifelse(behind._value, NOTHING),
        "open deals": is_open.ifelse(behind._open, NOTHING),
        "win rate": (behind.decided == 1).ifelse(behind.won * behind._won, NOTHING),
        "amount": behind.won_amount * behind._amount,
        "cycle": behind.won_days * behind._days,
        "mix": is_open.ifelse(behind._mix, NOTHING),
        now: (is_open & is_now).ifelse(behind._value, NOTHING),
    }
    return Behind(behind, adds)


def _one_deal_adds(parts: pd.DataFrame, whole: pd.DataFrame) -> pd.DataFrame:
    """Say what one deal adds to each step of velocity, by period and segment (`_part`).

    As ln(b / a) is b - a over their logarithmic mean, a factor's effect is a sum over its deals:
    those of the later period less those of the earlier.
    """
    each = parts.assign(**{f"_{total}": np.nan for total, *_ in FACTORS.values()}, _explained=0.0)
    for _, pair in each.groupby("_part", sort=False):
        if len(pair) < 2 or not (pair.value > 0).all():
            continue
        weight = log_mean(*pair.value)
        for total, count, power in FACTORS.values():
            size = pair[count] if count else 1.0
            level = pair[total] / size
            one = power * weight / log_mean(*level)
            each.loc[pair.index, f"_{total}"] = np.array([-one, one]) / size
        each.loc[pair.index, "_explained"] = pair.value / pair.open
    is_now = each.period == whole.period.iloc[1]
    each["_value"] = each.period.map((whole.value / whole.open).set_axis(whole.period))
    each["_mix"] = (each._value - each._explained) * np.where(is_now, 1, -1)
    return each.drop(columns="_explained")


def conversion(now: Result) -> Bridge:
    """Split the change of conversion on the period before into rate and mix (`mix_and_rate`).

    Leads of the earlier period have had more time. So they are looked at as they stood when they
    were as old as those of this one are now: like is compared with like.

    Parameters
    ----------
    now
        The conversion rate of one period, split by a column.
    """
    before = replace(now.periods, text=shift(now.period, -1))
    as_of = now.as_of and now.as_of - (now.periods.start - before.start)
    tables, before = (replace(each, as_of=as_of) for each in (now.tables, before))
    return mix_and_rate(now.kpi.count(tables, before, now.by, now.currency), now)


def last_two(trend: Result) -> tuple[Result, Result]:
    """Take the last two periods of a trend apart: a result each, of the segments it has."""
    return tuple(
        replace(
            trend,
            frame=trend.frame[(trend.frame.period == each.label) & (trend.frame.n > 0)],
            periods=replace(trend.periods, text=each.label, count=1),
        )
        for each in (trend.periods.each[-2:][0], trend.periods.each[-1])
    )


def mix_and_rate(before: Result, now: Result) -> Bridge:
    """Split the change of a share into what segments did and how much of the whole they are.

    Each segment's rate counts with the mean of its two weights, each weight with the mean of its
    two rates, which adds up exactly.

    Parameters
    ----------
    before, now
        The same share in two periods, split by one column; one period each.

    Returns
    -------
    Bridge
        The first share, `rate` of every segment, `mix`, and the second share. None where either
        period has no share. The rows are those behind the two figures; those of the earlier are
        taken away.
    """
    title = before.kpi.title
    about = (f"{title}: rate and mix", "What segments did, and how much of the whole they are")
    unit, currency = before.kpi.unit, before.currency
    wholes = [result.frame[["numerator", "denominator"]].sum() for result in (before, now)]
    reason = before.unavailable or now.unavailable
    if not before.by:
        reason = reason or "not available: it takes a column to split by"
    if before.period == now.period or not all(whole.denominator > 0 for whole in wholes):
        reason = reason or "not available: it takes a share in each of two periods"
    if reason:
        return _none(about, unit, currency, reason)
    parts = [result.frame.set_index(result.by) for result in (before, now)]
    segments = parts[0].index.union(parts[1].index)
    counts = [part.reindex(segments)[["numerator", "denominator"]].fillna(0.0) for part in parts]
    weight = [
        part.denominator / whole.denominator for part, whole in zip(counts, wholes, strict=True)
    ]
    rate = [part.numerator / part.denominator.where(part.denominator > 0) for part in counts]
    # A segment that is in one period only has one rate: all it does is change the mix.
    rate = [rate[0].fillna(rate[1]), rate[1].fillna(rate[0])]
    mean_weight, mean_rate = (weight[0] + weight[1]) / 2, (rate[0] + rate[1]) / 2
    effect = (rate[1] - rate[0]) * mean_weight
    steps = [(before.period, wholes[0].numerator / wholes[0].denominator, "total")]
    steps += [(f"rate of {name}", value, "change") for name, value in effect.items()]
    steps += [("mix", ((weight[1] - weight[0]) * mean_rate).sum(), "change")]
    steps += [(now.period, wholes[1].numerator / wholes[1].denominator, "total")]
    frame = pd.DataFrame(steps, columns=COLUMNS)
    reach = partial(_behind_rate_and_mix, (before, now), counts, mean_weight, mean_rate)
    return Bridge(*about, unit, currency, frame, reach=reach)


def _behind_rate_and_mix(
    results: tuple[Result, Result], counts: list[pd.DataFrame], weight: pd.Series, rate: pd.Series
) -> Behind:
    """Find the rows behind a share's change, by what one of each period and segment adds."""
    before, now = results
    segments, wholes = rate.index, [part.denominator.sum() for part in counts]
    both = (counts[0].denominator > 0) & (counts[1].denominator > 0)
    sides = []
    for at, (result, sign) in enumerate(zip(results, (-1, 1), strict=True)):
        one = pd.DataFrame(
            {
                "_part": segments,
                "_value": 1 / wholes[at],
                "_rate": sign * (weight / counts[at].denominator).where(both, 0.0),
                "_mix": sign * rate / wholes[at],
                "_is_now": bool(at),
            }
        )
        rows, one = result.rows(), ibis.memtable(one)
        sides.append(rows.inner_join(one, rows[SEGMENT] == one._part))
    behind = stack(*sides)
    share = behind.numerator * behind._value
    adds = {
        before.period: (~behind._is_now).ifelse(share, NOTHING),
        "mix": behind.denominator * behind._mix,
        now.period: behind._is_now.ifelse(share, NOTHING),
    }
    by_rate = behind.numerator * behind._rate
    for name in segments:
        adds[f"rate of {name}"] = (behind._part == name).ifelse(by_rate, NOTHING)
    return Behind(behind, adds)


def _added_up(about: tuple[str, str], ws: Workspace, look: Callable[[Tables], Behind]) -> Bridge:
    """Add up what rows add to each step, in one query."""
    rows, adds = look(replace(ws.tables, carried=False))
    sums = rows.aggregate(**{f"_{at}": amount.sum() for at, amount in enumerate(adds.values())})
    found = sums.to_pandas().astype(float).fillna(0.0).iloc[0]
    frame = pd.DataFrame(
        [
            (step, amount, "total" if step in ("start", "end") else "change")
            for step, amount in zip(adds, found, strict=True)
        ],
        columns=COLUMNS,
    )
    return Bridge(*about, MONEY, ws.currency, frame, reach=partial(look, ws.tables))


def _none(about: tuple[str, str], unit: Unit, currency: str, reason: str) -> Bridge:
    return Bridge(*about, unit, currency, pd.DataFrame(columns=COLUMNS), missing_because=reason)
