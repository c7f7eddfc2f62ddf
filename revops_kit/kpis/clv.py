"""Customer lifetime value: the margin expected from a new customer over the next years."""

from dataclasses import replace
from typing import Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from revops_kit import recurring
from revops_kit.errors import StatisticsError
from revops_kit.kpi import Kpi, LeftOut, Summary
from revops_kit.periods import Periods
from revops_kit.tables import Policies, Tables
from revops_kit.units import MONEY, plural

WEEKS_A_MONTH = 365.25 / 12 / 7

Expected = tuple[float, float, float, tuple[str, ...]]
"""A value, its interval, and what to tell the reader."""


def rows(tables: Tables, periods: Periods) -> ir.Table:
    """Pick the customers known at the end of each period, with their history up to then.

    Parameters
    ----------
    tables
        Needs `subscriptions`, or `payments` where there are none.
    periods
        Each is seen at its end: all history up to then counts, not only the period's.

    Returns
    -------
    Table, one row per period and customer
        With subscriptions: `months` (renewals survived, or months served by one who left),
        `left` (bool) and `mrr` (at the end, 0 for one who left). With payments: `x` (days with
        a repeat payment), `t_x` (weeks from first to last), `age` (weeks from first to the end)
        and `mean_value` (mean repeat payment).

    Examples
    --------
    >>> from revops_kit.samples import tiny
    >>> seen = rows(tiny(), Periods("2026-09")).order_by("customer")
    >>> seen.select("months", "left", "mrr").to_pandas().values.tolist()
    [[21, False, 500.0], [19, True, 0.0], [8, False, 200.0]]
    """
    if tables.has("subscriptions", "mrr"):
        return contracts(tables, periods)
    return purchases(tables, periods)


def contracts(tables: Tables, periods: Periods) -> ir.Table:
    """Say how long each customer has been one, and whether it has left."""
    known = periods.snapshots(recurring.paid(tables))
    known = known.filter(known.started_on < known.ends)
    runs = known.ended_on.isnull() | (known.ended_on >= known.ends)
    each = ibis.window(group_by=["period", "customer"])
    known = known.mutate(
        mrr=runs.ifelse(known.mrr, 0.0).sum().over(each),
        left=runs.cast("int32").max().over(each) == 0,
        _last=known.ended_on.max().over(each),
        _rank=ibis.row_number().over(
            group_by=["period", "customer"],
            order_by=[runs.desc(), known.mrr.desc(), known.subscription_id],
        ),
    )
    one = known.filter(known._rank == 0)
    # The day after the last one: a month served from the 1st to the 31st is a whole one.
    until = one.left.ifelse((one._last + ibis.interval(days=1)).cast("date"), one.ends)
    start = one.customer_since
    apart = (until.year() - start.year()) * 12 + until.month() - start.month()
    remainder = until.day() - start.day()
    whole = apart - (remainder < 0).cast("int32")
    begun = apart + (remainder > 0).cast("int32")
    served = one.left.ifelse(ibis.greatest(begun, 1), whole)
    return one.mutate(months=served.cast("int64")).drop("_last", "_rank")


def purchases(tables: Tables, periods: Periods) -> ir.Table:
    """Say how often, how lately and for how much each customer paid again."""
    paid = tables.payments
    paid = paid.filter(paid.amount > 0)
    if tables.by in paid.columns:
        # A customer is in one segment, that of the first payment.
        order = [paid.paid_on, paid.amount, paid[tables.by]]
        first = ibis.row_number().over(group_by="customer_id", order_by=order)
        named = paid.mutate(_rank=first).filter(lambda each: each._rank == 0)
        named = named.select(_key="customer_id", _by=tables.by)
        paid = paid.drop(tables.by).left_join(named, paid.customer_id == named._key)
        paid = paid.drop("_key").rename({tables.by: "_by"})
    keys = ["customer_id", "paid_on", *([tables.by] if tables.by in paid.columns else [])]
    # Several payments on one day are one purchase.
    days = paid.group_by(list(dict.fromkeys(keys))).aggregate(amount=paid.amount.sum())
    days = days.mutate(first=days.paid_on.min().over(ibis.window(group_by="customer_id")))
    seen = periods.snapshots(days)
    seen = seen.filter(seen.paid_on < seen.ends)
    again = seen.paid_on > seen.first
    extra = [tables.by] if tables.by in paid.columns and tables.by != "customer_id" else []
    histories = seen.group_by(["period", "ends", "customer_id", "first", *extra]).aggregate(
        x=again.cast("int32").sum(),
        last=seen.paid_on.max(),
        mean_value=again.ifelse(seen.amount, ibis.null("float64")).mean(),
    )
    return histories.mutate(
        t_x=histories["last"].delta(histories["first"], unit="day") / 7.0,
        age=histories.ends.delta(histories["first"], unit="day") / 7.0,
    )


def fold(rows: ir.Table, keys: list[str]) -> ir.Table:
    """Count the customers with equal history."""
    if "months" in rows.columns:
        return rows.group_by([*keys, "months", "left"]).aggregate(
            count=rows.count(), mrr=rows.mrr.sum(), mrr_squared=(rows.mrr * rows.mrr).sum()
        )
    return rows.group_by([*keys, "x", "t_x", "age", "mean_value"]).aggregate(count=rows.count())


def value(fetched: pd.DataFrame, keys: list[str], policies: Policies) -> pd.DataFrame:
    """Fit a lifetime model to each group, and discount what it expects."""
    expect = of_contracts if "months" in fetched.columns else of_purchases
    columns = [*keys, "value", "low", "high", "n", "missing_because", "note"]
    folded = []
    for key, group in fetched.groupby(keys, sort=False):
        figures, reason, note = (np.nan, np.nan, np.nan), None, None
        try:
            *figures, notes = expect(group, policies)
            note = " ".join(notes) or None
        except StatisticsError as error:
            reason = str(error)[0].lower() + str(error)[1:].rstrip(".")
        folded.append((*key, *figures, int(group["count"].sum()), reason, note))
    frame = pd.DataFrame(folded, columns=columns)
    return frame.assign(numerator=np.nan, denominator=np.nan)


def monthly(policies: Policies) -> float:
    """Turn the yearly discount rate into a monthly one."""
    return (1 + policies.discount_rate) ** (1 / 12) - 1


def of_contracts(group: pd.DataFrame, policies: Policies) -> Expected:
    """Multiply margin, mean MRR and expected discounted months, by the shifted-beta-geometric.

    Months are paid in advance: the first counts in full. The interval is the delta method's,
    from the model's covariance and the spread of MRR.
    """
    from revops_kit.stats import lifetime

    staying = group[~group.left]
    active = staying["count"].sum()
    if not active:
        raise StatisticsError("no customers are left, so there is no revenue to expect")
    model = lifetime.fit_sbg_durations(
        group.months.to_numpy(), group.left.to_numpy(), group["count"].to_numpy()
    )
    horizon, discount = policies.horizon_months, monthly(policies)
    months = model.discounted_lifetime(horizon, discount)
    arpa = staying.mrr.sum() / active
    expected = policies.gross_margin * arpa * months
    spread = (staying.mrr_squared.sum() / active - arpa**2) / active / arpa**2
    # How the months move with alpha and beta, by central differences: the sum has no short form.
    slopes = np.array([_slope(model, name, horizon, discount) for name in ("alpha", "beta")])
    notes = (*_beyond(model, int(group.months.max()), policies), *model.notes)
    if model.covariance is None or not np.isfinite(model.covariance).all():
        return expected, np.nan, np.nan, notes
    spread += slopes @ model.covariance @ slopes / months**2
    width = 1.959964 * expected * np.sqrt(max(spread, 0.0))
    return expected, expected - width, expected + width, notes


def _beyond(model: Any, longest: int, policies: Policies) -> tuple[str, ...]:
    """Say what share of the value lies beyond the longest tenure that anybody has had."""
    if longest + 1 >= policies.horizon_months:
        return ()
    seen = model.discounted_lifetime(longest + 1, monthly(policies))
    whole = model.discounted_lifetime(policies.horizon_months, monthly(policies))
    return (
        f"{1 - seen / whole:.0%} of it lies beyond the longest tenure seen, "
        f"{plural(longest, 'month')}.",
    )


def _slope(model: Any, name: str, horizon: int, discount: float) -> float:
    here = getattr(model, name)
    ends = (here * (1 - 1e-4), here * (1 + 1e-4))
    low, high = (
        replace(model, **{name: end}).discounted_lifetime(horizon, discount) for end in ends
    )
    return (high - low) / (ends[1] - ends[0])


def of_purchases(group: pd.DataFrame, policies: Policies) -> Expected:
    """Multiply margin, mean purchase and expected discounted purchases, by BG/NBD × Gamma-Gamma.

    The first purchase counts in full; those of each month to come at the month's end.
    """
    from revops_kit.stats import lifetime

    counts = group["count"].to_numpy()
    model = lifetime.fit_bg_nbd(
        group.x.to_numpy(), group.t_x.to_numpy(), group.age.to_numpy(), counts
    )
    again = (group.x > 0).to_numpy()
    money = lifetime.fit_gamma_gamma(
        group.x.to_numpy()[again], group.mean_value.to_numpy(dtype=float)[again], counts[again]
    )
    if not np.isfinite(money.population_mean):
        raise StatisticsError("what customers spend varies too much to have a mean")
    ends = np.arange(1, policies.horizon_months + 1)
    bought = np.diff(model.expected(ends * WEEKS_A_MONTH), prepend=0.0)
    purchases = 1 + (bought / (1 + monthly(policies)) ** ends).sum()
    expected = policies.gross_margin * money.population_mean * purchases
    return expected, np.nan, np.nan, (*model.notes, *money.notes)


def free(tables: Tables, periods: Periods) -> list[LeftOut]:
    """Count the payments that are no purchases."""
    if tables.has("subscriptions", "mrr") or not tables.has("payments", "amount"):
        return []
    paid = tables.payments
    return [LeftOut(paid.filter(paid.amount <= 0).count(), "payment", "of 0 or less: no purchase")]


def model(tables: Tables) -> list[str]:
    """Say which model speaks."""
    months = tables.policies.horizon_months
    if tables.has("subscriptions", "mrr"):
        return [
            f"Shifted-beta-geometric retention by months of tenure; {months} months ahead, paid in "
            "advance; revenue is the mean MRR of running customers."
        ]
    return [
        f"BG/NBD purchases and Gamma-Gamma values; {months} months ahead. The model takes every "
        "customer who bought once only to be alive still."
    ]


clv = Kpi(
    name="clv",
    title="Customer lifetime value",
    question="What margin can we expect from a new customer over the next years?",
    formula="gross margin × revenue a month × expected discounted months as a customer",
    unit=MONEY,
    better="higher",
    counts="customers",
    empty="there were no customers",
    needs={},
    either=("subscriptions.mrr", "payments.amount"),
    policies=("gross_margin", "discount_rate", "horizon_months", "grain"),
    rows=rows,
    summary=Summary(fold, value, parts=("n",)),
    is_cumulative=True,
    left_out=free,
    notes=model,
)
