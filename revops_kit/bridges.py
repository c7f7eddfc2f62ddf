"""Bridges: from what a figure was to what it is, in steps that add up.

Each gives a frame of `step`, `amount` and `kind` (total or change), as `charts.bridge` draws it.
What the steps leave over is the residual, which the chart writes beneath; it is nothing but
rounding.
"""

import datetime as dt

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from revops_kit import deals, recurring
from revops_kit.drivers import within
from revops_kit.kpi import Result, Workspace
from revops_kit.periods import Period, Periods

COLUMNS = ["step", "amount", "kind"]


def residual(steps: pd.DataFrame) -> float:
    """Say what the changes leave over: the last total less the first and all changes.

    Examples
    --------
    >>> residual(pd.DataFrame([("a", 10, "total"), ("b", 5, "change"), ("c", 15, "total")],
    ...                       columns=COLUMNS))
    0.0
    """
    totals = steps.amount[steps.kind == "total"]
    return float(totals.iloc[-1] - totals.iloc[0] - steps.amount[steps.kind == "change"].sum())


def recurring_revenue(ws: Workspace, periods: str | Periods) -> pd.DataFrame:
    """Take recurring revenue from the start of a period to its end, movement by movement.

    Returns
    -------
    DataFrame
        `step`, `amount` and `kind` (total or change): start + new + expansion + reactivation −
        contraction − churn = end. Empty where there are no subscriptions.
    """
    if not ws.tables.has("subscriptions", "mrr"):
        return pd.DataFrame(columns=COLUMNS)
    rows = recurring.movements(ws.tables, within(ws, periods))
    kinds = ["new", "expansion", "reactivation", "contraction", "churn"]
    sums = (
        rows.aggregate(
            start=rows.start_mrr.sum(),
            end=rows.end_mrr.sum(),
            **{kind: rows[kind].sum() for kind in kinds},
        )
        .to_pandas()
        .fillna(0.0)
        .iloc[0]
    )
    signs = {"contraction": -1, "churn": -1}
    steps = [("start", sums["start"], "total")]
    steps += [(kind, signs.get(kind, 1) * sums[kind], "change") for kind in kinds]
    steps += [("end", sums["end"], "total")]
    return pd.DataFrame(steps, columns=COLUMNS)


def forecast_error(months: pd.DataFrame) -> pd.DataFrame:
    """Take the sum of forecasts to the sum of what was won, by too much and too little.

    Parameters
    ----------
    months
        As `forecast_by_month` gives them.

    Returns
    -------
    DataFrame
        `step`, `amount` and `kind`, as `charts.bridge` draws them.

    Examples
    --------
    >>> months = pd.DataFrame({"forecast": [950, 25], "won": [1000, 10], "error": [-50, 15]})
    >>> forecast_error(months).amount.tolist()
    [975, -15, 50, 1010]
    """
    error = months.error
    return pd.DataFrame(
        [
            ("forecast", months.forecast.sum(), "total"),
            ("promised too much", -error[error > 0].sum(), "change"),
            ("promised too little", -error[error < 0].sum(), "change"),
            ("won", months.won.sum(), "total"),
        ],
        columns=["step", "amount", "kind"],
    )


def pipeline(ws: Workspace, period: str) -> pd.DataFrame:
    """Take the pipeline of a period from its start to its end, deal by deal.

    The pipeline of a period is what is open and expected to close in it. Deals and their
    amounts and expected closes are seen as they stood, where `stage_changes` kept them.

    Returns
    -------
    DataFrame
        start + new + pulled in + increased − decreased − pushed out − won − lost = end. New was
        opened in the period; pulled in was open before, and expected at another time. A deal won
        or lost in the period counts with its last amount.
    """
    rows = pipeline_rows(ws, period)
    steps = ["start", "new", "pulled in", "increased", "decreased", "pushed out", "won", "lost"]
    names = {step: step.replace(" ", "_") for step in [*steps, "end"]}
    sums = rows.aggregate(**{name: rows[name].sum() for name in names.values()}).to_pandas()
    found = sums.astype(float).fillna(0.0).iloc[0]
    minus = ("decreased", "pushed out", "won", "lost")
    return pd.DataFrame(
        [
            (
                step,
                (-1 if step in minus else 1) * found[names[step]],
                "total" if step in ("start", "end") else "change",
            )
            for step in names
        ],
        columns=COLUMNS,
    )


def pipeline_rows(ws: Workspace, period: str) -> ir.Table:
    """Reach the deals behind each step of the pipeline's bridge.

    Returns
    -------
    Table, one row per deal that was in the period's pipeline at some time
        The columns of `opportunities`, and `start`, `new`, `pulled_in`, `increased`,
        `decreased`, `pushed_out`, `won`, `lost` and `end`: what it adds to each, 0 or more.
    """
    span = within(ws, period)
    now = span.each[-1]
    closes = min(now.end, span.known_until)
    before = _seen(ws, span, now.start, "was")
    after = _seen(ws, span, closes, "is")
    rows = ws.tables.opportunities
    rows = rows.left_join(before, rows.opportunity_id == before.was_deal)
    rows = rows.left_join(after, rows.opportunity_id == after.is_deal)
    closed = rows.closed_at.cast("date")
    decided = (rows.outcome != "open") & (closed >= now.start) & (closed < closes)
    # A deal that closed in the period belonged to its pipeline in the end, whatever was expected.
    stood = rows.was_deal.notnull()
    was_in = (stood & _inside(rows.was_expected, now)).fill_null(False)
    is_open = rows.is_deal.notnull()
    is_in = (is_open & _inside(rows.is_expected, now)).fill_null(False)
    decided = decided.fill_null(False)
    opened = rows.opened_at.cast("date") >= now.start
    came = (is_in | decided) & ~was_in
    first = rows.was_amount.fill_null(0.0)
    final = is_open.ifelse(rows.is_amount, rows.amount).fill_null(0.0)
    grown = was_in.ifelse(final - first, 0.0)
    left = was_in & is_open & ~is_in
    nothing = ibis.literal(0.0)
    parts = {
        "start": was_in.ifelse(first, nothing),
        "new": (came & (opened | ~stood).fill_null(True)).ifelse(final, nothing),
        "pulled_in": (came & stood & ~opened.fill_null(False)).ifelse(final, nothing),
        "increased": (grown > 0).ifelse(grown, nothing),
        "decreased": (grown < 0).ifelse(-grown, nothing),
        "pushed_out": left.ifelse(final, nothing),
        "won": (decided & (rows.outcome == "won")).ifelse(final, nothing),
        "lost": (decided & (rows.outcome == "lost")).ifelse(final, nothing),
        "end": is_in.ifelse(final, nothing),
    }
    return rows.filter(was_in | is_in | decided).mutate(**parts)


def _seen(ws: Workspace, span: Periods, day: dt.date, prefix: str) -> ir.Table:
    """Look at the open deals of one day: key, amount and expected close under a prefix."""
    seen = deals.open_on(ws.tables, day, span)
    return seen.select(
        **{
            f"{prefix}_deal": seen.opportunity_id,
            f"{prefix}_amount": seen.amount,
            f"{prefix}_expected": seen.expected_close,
        }
    )


def _inside(day: ir.DateValue, period: Period) -> ir.BooleanValue:
    return (day >= period.start) & (day < period.end)


def velocity(trend: Result) -> pd.DataFrame:
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
    DataFrame
        Empty where either period has no velocity.
    """
    now = _factors(trend.whole, "")
    parts = _factors(trend, trend.by) if trend.by else now
    if len(now) < 2 or not (now.value > 0).all():
        return pd.DataFrame(columns=COLUMNS)
    factors = {
        "open deals": ("open", 1),
        "win rate": ("win_rate", 1),
        "amount": ("mean_amount", 1),
        "cycle": ("mean_days", -1),
    }
    effects = dict.fromkeys(factors, 0.0)
    for _, pair in parts.groupby(trend.by or (lambda _: ""), sort=False):
        if len(pair) < 2 or not (pair.value > 0).all():
            continue
        first, last = pair.iloc[0], pair.iloc[1]
        weight = log_mean(first.value, last.value)
        for name, (column, power) in factors.items():
            effects[name] += weight * power * np.log(last[column] / first[column])
    start, end = now.value
    steps = [(now.period.iloc[0], start, "total")]
    steps += [(name, effect, "change") for name, effect in effects.items()]
    if trend.by:
        steps.append(("mix", end - start - sum(effects.values()), "change"))
    return pd.DataFrame([*steps, (now.period.iloc[1], end, "total")], columns=COLUMNS)


def mix_and_rate(before: Result, now: Result) -> pd.DataFrame:
    """Split the change of a share into what segments did and how much of the whole they are.

    Each segment's rate counts with the mean of its two weights, each weight with the mean of its
    two rates, which adds up exactly.

    Parameters
    ----------
    before, now
        The same share in two periods, split by one column; one period each.

    Returns
    -------
    DataFrame
        The first share, `rate` of every segment, `mix`, and the second share. Empty where either
        period has none.
    """
    wholes = [result.frame[["numerator", "denominator"]].sum() for result in (before, now)]
    if not all(whole.denominator > 0 for whole in wholes):
        return pd.DataFrame(columns=COLUMNS)
    start, end = (whole.numerator / whole.denominator for whole in wholes)
    parts = [result.frame.set_index(result.by) for result in (before, now)]
    segments = parts[0].index.union(parts[1].index)
    weight, rate = [], []
    for part, whole in zip(parts, wholes, strict=True):
        counts = part.reindex(segments)[["numerator", "denominator"]].fillna(0.0)
        weight.append(counts.denominator / whole.denominator)
        rate.append(counts.numerator / counts.denominator.where(counts.denominator > 0))
    # A segment that is in one period only has one rate: all it does is change the mix.
    rate = [rate[0].fillna(rate[1]), rate[1].fillna(rate[0])]
    effect = (rate[1] - rate[0]) * (weight[0] + weight[1]) / 2
    mix = ((weight[1] - weight[0]) * (rate[0] + rate[1]) / 2).sum()
    steps = [(before.period, start, "total")]
    steps += [(f"rate of {name}", value, "change") for name, value in effect.items()]
    steps += [("mix", mix, "change"), (now.period, end, "total")]
    return pd.DataFrame(steps, columns=COLUMNS)


def log_mean(a: float, b: float) -> float:
    """Give the logarithmic mean of two positive numbers.

    Examples
    --------
    >>> round(float(log_mean(1.0, np.e)), 4), log_mean(2.0, 2.0)
    (1.7183, 2.0)
    """
    return a if a == b else (b - a) / np.log(b / a)


def _factors(trend: Result, by: str) -> pd.DataFrame:
    """Fetch the four factors of the last two periods, by segment."""
    from revops_kit.drivers import factors

    return factors(trend, by)
