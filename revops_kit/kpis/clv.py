"""Customer lifetime value: the margin expected from a new customer over the next years."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from revops_kit import recurring
from revops_kit.errors import StatisticsError
from revops_kit.kpi import Kpi, LeftOut, Summary
from revops_kit.periods import Periods
from revops_kit.stats.intervals import Z
from revops_kit.tables import SEGMENT, Policies, Tables
from revops_kit.units import MONEY, percent, plural

if TYPE_CHECKING:
    from revops_kit.stats.lifetime import BgNbd, GammaGamma, ParetoNbd, ShiftedBetaGeometric

WEEKS_A_MONTH = 365.25 / 12 / 7
# Departures that were to be expected and are not there. That nobody left by chance where so many
# should have is less likely than one in a thousand: exp(-7).
MISSED = 7

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
        `left` (bool), `observed` (whether the last month of one who left would be over by now),
        `mrr` (at the end, 0 for one who left) and `entry` (months begun before the first
        departure on record). With payments: `x` (days with a repeat payment), `t_x`
        (weeks from first to last), `age` (weeks from first to the last day known) and
        `mean_value` (mean repeat payment).

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
    paid = recurring.paying(tables)
    # Systems write down the last day or the day of the renewal that was not made. Where it is the
    # latter, who renews on the first day not known yet cannot be told.
    at_renewal = (paid.ended_on.day() == paid.started_on.day()).cast("int32").mean()
    everybody = ibis.window()
    own = recurring.along(tables, paid)
    paid = paid.mutate(
        customer_since=recurring.since(paid),
        _first=paid.ended_on.min().over(everybody),
        _at_renewal=at_renewal.over(everybody) > 0.5,
    )
    known = periods.snapshots(paid)
    known = known.filter(known.started_on < known.ends)
    runs = recurring.is_active(known, known.ends)
    each = ibis.window(group_by=["period", "customer"])
    order = [runs.desc(), known.mrr.desc(), known.subscription_id]
    known = known.select(
        recurring.these(known, [*own, "_first", "_at_renewal"])
        | {
            "mrr": runs.ifelse(known.mrr, 0.0).sum().over(each),
            "left": runs.cast("int32").max().over(each) == 0,
            "_last": known.ended_on.max().over(each),
            "_rank": ibis.row_number().over(group_by=["period", "customer"], order_by=order),
        }
    )
    one = known.filter(known._rank == 0)
    since, day_before = one.customer_since, (one.ends - ibis.interval(days=1)).cast("date")
    whole, _ = months_between(since, one._at_renewal.fill_null(False).ifelse(day_before, one.ends))
    _, begun = months_between(since, one._last)
    served = one.left.ifelse(ibis.greatest(begun, 1), whole)
    _, unwatched = months_between(since, one._first)
    entry = (since < one._first).fill_null(False).ifelse(unwatched, 0)
    history = {
        "months": served.cast("int64"),
        # Who stays for a month shows when it is over; who leaves in it, before. Counting the one
        # and not the other would overstate churn, so departures wait for the month to be over.
        "observed": one.left & (served <= whole),
        "entry": entry.cast("int64"),
    }
    return one.select(recurring.these(one, [*own, "mrr", "left"]) | history)


def months_between(start: ir.DateValue, until: ir.DateValue) -> tuple[ir.Value, ir.Value]:
    """Count the calendar months from one day to another: those that are whole, and those begun."""
    apart = (until.year() - start.year()) * 12 + until.month() - start.month()
    remainder = until.day() - start.day()
    return apart - (remainder < 0).cast("int32"), apart + (remainder > 0).cast("int32")


def purchases(tables: Tables, periods: Periods) -> ir.Table:
    """Say how often, how lately and for how much each customer paid again."""
    paid = tables.payments
    paid = paid.filter(paid.amount > 0)
    split = [SEGMENT] if SEGMENT in paid.columns else []
    if split:
        # A customer is in one segment, that of the first payment.
        order = [paid.paid_on, paid.amount, paid[SEGMENT]]
        first = ibis.row_number().over(group_by="customer_id", order_by=order)
        named = paid.mutate(_rank=first).filter(lambda each: each._rank == 0)
        named = named.select(_key="customer_id", _segment=SEGMENT)
        paid = paid.drop(SEGMENT).left_join(named, paid.customer_id == named._key)
        paid = paid.drop("_key").rename({SEGMENT: "_segment"})
    # Several payments on one day are one purchase.
    days = paid.group_by("customer_id", "paid_on", *split).aggregate(amount=paid.amount.sum())
    days = days.mutate(first=days.paid_on.min().over(ibis.window(group_by="customer_id")))
    seen = periods.snapshots(days)
    seen = seen.filter(seen.paid_on < seen.ends)
    again = seen.paid_on > seen.first
    histories = seen.group_by(["period", "ends", "customer_id", "first", *split]).aggregate(
        x=again.cast("int32").sum(),
        last=seen.paid_on.max(),
        mean_value=again.ifelse(seen.amount, ibis.null("float64")).mean(),
    )
    return histories.mutate(
        t_x=histories["last"].delta(histories["first"], unit="day") / 7.0,
        # To the last day known, as the literature counts, not to the first unknown.
        age=(histories.ends.delta(histories["first"], unit="day") - 1) / 7.0,
    )


def fold(rows: ir.Table, keys: list[str]) -> ir.Table:
    """Count the customers with equal history."""
    if "months" in rows.columns:
        return rows.group_by([*keys, "months", "left", "observed", "entry"]).aggregate(
            count=rows.count(), mrr=rows.mrr.sum(), mrr_squared=(rows.mrr * rows.mrr).sum()
        )
    return rows.group_by([*keys, "x", "t_x", "age", "mean_value"]).aggregate(count=rows.count())


def value(fetched: pd.DataFrame, keys: list[str], policies: Policies) -> pd.DataFrame:
    """Fit a lifetime model to each group, and discount what it expects."""
    if "entry" in fetched.columns:
        # Segments of one period see the same data begin.
        seen = [watched(period) for _, period in fetched.groupby("period", sort=False)]
        fetched = pd.concat(seen) if seen else fetched
    expect = of_contracts if "months" in fetched.columns else of_purchases
    columns = [*keys, "value", "low", "high", "n", "missing_because", "note"]
    folded, counted = [], list(fetched.columns.difference(keys))
    for key, group in fetched.groupby(keys, sort=False)[counted]:
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


def watched(histories: pd.DataFrame) -> pd.DataFrame:
    """Let customers enter late where those who left before them are missing from the data.

    A system that keeps departures from some day on has only survivors among those who joined
    before (left truncation). That shows on the first departure on record: at the rates by tenure
    seen since, so many would have left before it that not one cannot be chance. Then `entry`
    stays, and tenure before it counts as given; else it is 0 for all.

    Parameters
    ----------
    histories
        `months`, `left`, `observed`, `entry` and `count`, of all segments together.
    """
    from revops_kit.stats import lifetime

    months, observed, count, entry = durations(histories)
    left, at_risk = lifetime.renewals(months, observed, count, entry)
    rate = left / np.where(at_risk > 0, at_risk, np.inf)
    summed = np.append(0.0, np.cumsum(rate))
    # Of the months begun before that day the last may not have been over.
    missed = count @ summed[np.clip(entry - 1, 0, len(rate))]
    return histories if missed > MISSED else histories.assign(entry=0)


def retention_model(group: pd.DataFrame) -> "ShiftedBetaGeometric":
    """Fit the shifted-beta-geometric model to the histories of customers, counted."""
    from revops_kit.stats import lifetime

    return lifetime.fit_sbg_durations(*durations(group))


def durations(group: pd.DataFrame) -> tuple[np.ndarray, ...]:
    """Give the whole months known of each history, whether it ended then, count and entry."""
    observed = group.observed.to_numpy(bool)
    months = group.months.to_numpy("int64") - (group.left.to_numpy(bool) & ~observed)
    return months, observed, group["count"].to_numpy("int64"), group.entry.to_numpy("int64")


def of_contracts(group: pd.DataFrame, policies: Policies) -> Expected:
    """Multiply margin, mean MRR and expected discounted months, by the shifted-beta-geometric.

    Months are paid in advance: the first counts in full. The interval is the delta method's,
    from the model's covariance and the spread of MRR.
    """
    staying = ~group.left.to_numpy(bool)
    count, mrr, squared = (
        group[name].to_numpy()[staying] for name in ("count", "mrr", "mrr_squared")
    )
    active = count.sum()
    if not active:
        raise StatisticsError("no customers are left, so there is no revenue to expect")
    model, discount = retention_model(group), monthly(policies)
    months = model.discounted_lifetime(policies.horizon_months, discount)
    arpa = mrr.sum() / active
    expected = policies.gross_margin * arpa * months
    spread = (squared.sum() / active - arpa**2) / active / arpa**2
    longest = int(group.months.max())
    notes = (*late_entry(group), *_beyond(model, longest, policies), *model.notes)
    error = model.error(lambda each: each.discounted_lifetime(policies.horizon_months, discount))
    width = Z * expected * np.sqrt(max(spread, 0.0) + (error / months) ** 2)
    return expected, expected - width, expected + width, notes


def late_entry(group: pd.DataFrame) -> tuple[str, ...]:
    """Say how many customers are there only as survivors."""
    late = int(group["count"].to_numpy() @ (group.entry.to_numpy() > 0))
    if not late:
        return ()
    return (f"{plural(late, 'customer')} joined before departures were kept.",)


def _beyond(model: Any, longest: int, policies: Policies) -> tuple[str, ...]:
    """Say what share of the value lies beyond the longest tenure that anybody has had."""
    if longest + 1 >= policies.horizon_months:
        return ()
    seen = model.discounted_lifetime(longest + 1, monthly(policies))
    whole = model.discounted_lifetime(policies.horizon_months, monthly(policies))
    return (
        f"{percent(1 - seen / whole)} of it lies beyond the longest tenure seen, "
        f"{plural(longest, 'month')}.",
    )


def spending(group: pd.DataFrame) -> "GammaGamma":
    """Fit the Gamma-Gamma model to what customers spend at a time.

    Raises
    ------
    StatisticsError
        Where the mean is infinite too.
    """
    from revops_kit.stats import lifetime

    again = group[group.x > 0]
    columns = (again[name].to_numpy(dtype=float) for name in ("x", "mean_value", "count"))
    money = lifetime.fit_gamma_gamma(*columns)
    if not np.isfinite(money.population_mean):
        raise StatisticsError("what customers spend varies too much to have a mean")
    return money


def buying(group: pd.DataFrame, fit: "Callable | None" = None) -> "BgNbd | ParetoNbd":
    """Fit BG/NBD, or another model of buying, to the histories of customers, counted."""
    from revops_kit.stats import lifetime

    columns = (group[name].to_numpy(dtype=float) for name in ("x", "t_x", "age", "count"))
    return (fit or lifetime.fit_bg_nbd)(*columns)


def of_purchases(
    group: pd.DataFrame, policies: Policies, fit: "Callable | None" = None
) -> Expected:
    """Multiply margin, mean purchase and expected discounted purchases, by BG/NBD × Gamma-Gamma.

    The first purchase counts in full; those of each month to come at the month's end. `fit` is
    another model of buying.
    """
    model, money = buying(group, fit), spending(group)
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
            "advance; revenue is the mean MRR of running customers.",
            "A month of tenure counts once it is over. A subscription that ends on the day of a "
            "renewal did not make it.",
            "Late entry: where departures were not kept from the start, customers who joined "
            "before the first on record count from then on.",
        ]
    return [
        f"BG/NBD purchases and Gamma-Gamma values; {months} months ahead. The model takes every "
        "customer who bought once only to be alive still, P(alive) = 1.",
        "A customer counts from the first payment in the data: one who paid before they begin "
        "is taken to be newer than they are.",
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
