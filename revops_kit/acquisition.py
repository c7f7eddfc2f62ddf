"""What a new customer costs, how long it takes to win one, and when it pays back.

Each function takes a workspace and a period, or a run of them, asks a query or a few, and returns
a small frame. Where the workspace lacks what it needs the frame has no rows, and `noted.note` says
why.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from revops_kit import deals, kpis, lifetimes, recurring
from revops_kit.drivers import within
from revops_kit.errors import StatisticsError
from revops_kit.kpi import Result, Workspace, with_policies
from revops_kit.noted import empty, lacking, noted
from revops_kit.periods import ONE_DAY, Periods, containing, last
from revops_kit.stats.intervals import Z
from revops_kit.units import COUNT, MONEY, RATIO, SHARE, Unit, number, plural

if TYPE_CHECKING:
    from revops_kit.stats.lifetime import ShiftedBetaGeometric

LAG_NEEDS = {
    "opportunities": ("closed_at", "outcome", "lead_id"),
    "leads": ("created_at",),
}


def lags(ws: Workspace, periods: str | Periods) -> pd.DataFrame:
    """Measure how many months pass from a lead's first contact to the win.

    Of the customers first won in the periods. Months are those of the calendar, as spend is booked
    by them: from 30 September to 2 October is one.

    Returns
    -------
    DataFrame
        `months`, `customers`, and `share` of those whose lag is known. Customers without one stand
        below, with the reason in `note`.
    """
    columns = ["months", "customers", "share", "note"]
    if missing := lacking(ws.tables, LAG_NEEDS):
        return empty(columns, missing)
    wins = _wins(ws, within(ws, periods))
    if wins.empty:
        return empty(columns, "No new customers were won.")
    known = wins[wins.months >= 0].groupby("months", as_index=False).customers.sum()
    reasons = {
        "no lead": ~wins.has_contact,
        "won on an unknown day": wins.has_contact & wins.months.isna(),
        "won before the first contact": wins.months < 0,
    }
    unknown = [(reason, wins.customers[which].sum()) for reason, which in reasons.items()]
    unknown = [(reason, count) for reason, count in unknown if count]
    return pd.DataFrame(
        {
            "months": [*known.months, *[np.nan] * len(unknown)],
            "customers": [*known.customers, *[count for _, count in unknown]],
            "share": [*(known.customers / known.customers.sum()), *[np.nan] * len(unknown)],
            "note": pd.Series(
                [*[None] * len(known), *[reason for reason, _ in unknown]], dtype=object
            ),
        }
    )


def lag_aware_cac(ws: Workspace, periods: str | Periods) -> pd.DataFrame:
    """Set against each month's new customers what was spent when they were first met.

    Each month's spend is spread over the months that follow, by the shares of `lags`. What months
    before the window spent is carried in; what reaches beyond it is not yet attributed. Customers
    whose lag is unknown count too, as though it were that of the others.

    Returns
    -------
    DataFrame
        A row per calendar month that the periods touch: `month`, `spend`, `carried_in`,
        `attributed` (to its new customers; with `carried_in`), `customers`, `cac` (spend ÷
        customers), `lag_aware_cac` (attributed ÷ customers) and `note`. A last row holds what is
        not yet attributed, so that spend + carried in = attributed.
    """
    columns = ["month", "spend", "carried_in", "attributed", "customers", "cac", "lag_aware_cac"]
    columns.append("note")
    if missing := lacking(ws.tables, LAG_NEEDS) or kpis.spend.unavailable(ws.tables):
        return empty(columns, missing)
    months = _months(ws, within(ws, periods))
    if months is None:
        return empty(columns, "Nothing of these periods is known yet.")
    wins = _wins(ws, months)
    timed = wins[wins.months >= 0]
    if timed.empty:
        return empty(columns, "No new customer has a lead, so the lag cannot be measured.")

    lag = np.bincount(timed.months.astype(int), timed.customers)
    lag = lag / lag.sum()
    reach, size = len(lag) - 1, len(months)
    spend = _spend_by_month(ws, replace(months, count=reach + size))
    before, inside = spend[:reach], spend[reach:]
    spread = np.convolve(inside, lag)
    carried_in = np.convolve([*before, *np.zeros(size)], lag)[reach : reach + size]
    attributed = spread[:size] + carried_in
    won = wins.groupby("period").customers.sum()
    customers = np.array([won.get(month.start, 0) for month in months], dtype=float)
    divisor = np.where(customers > 0, customers, np.nan)
    # Before the first expense it is not known what was spent, which is not to say nothing was.
    unseen = np.cumsum(spend != 0) == 0
    hidden = np.convolve(unseen, lag)[reach : reach + size]

    notes = []
    for month, booked, count, share in zip(months, inside, customers, hidden, strict=True):
        said = ["partial"] if months.is_partial(month) else []
        said += [] if count else ["undefined: nobody was won"]
        said += [] if booked else ["no spend is booked"]
        if share >= 0.005:
            said.append(f"too low: {SHARE.write(share)} of the lag lies before the first expense")
        notes.append(", ".join(said) or None)
    frame = pd.DataFrame(
        {
            "month": [*(month.label for month in months), "not yet attributed"],
            "spend": [*inside, np.nan],
            "carried_in": [*carried_in, np.nan],
            "attributed": [*attributed, spread[size:].sum()],
            "customers": [*customers, np.nan],
            "cac": [*(np.where(inside, inside, np.nan) / divisor), np.nan],
            "lag_aware_cac": [*(np.where(attributed, attributed, np.nan) / divisor), np.nan],
            "note": pd.Series([*notes, None], dtype=object),
        }
    )
    timed_count, count = int(timed.customers.sum()), int(wins.customers.sum())
    return noted(
        frame,
        f"Lag measured on {number(timed_count)} of {plural(count, 'new customer')}; "
        f"that of the others is not known."
        if timed_count < count
        else f"Lag measured on {plural(count, 'new customer')}.",
    )


def unit_economics(ws: Workspace, period: str) -> pd.DataFrame:
    """Set the cost of a new customer against what it brings, and when.

    Payback and ratios take the fully loaded CAC. A new customer's monthly revenue is the new MRR
    of the period (`recurring.movements`) over the customers that brought it.

    Returns
    -------
    DataFrame
        `figure`, `value`, `low`, `high`, `reads` (value and interval in words), `missing_because`
        (where it is undefined) and `formula`:

        - CAC, fully loaded and paid;
        - payback in months: CAC ÷ (monthly revenue of a new customer × gross margin); and
          survival-adjusted: the first month in which the margin expected so far, by the
          shifted-beta-geometric curve of `clv`, reaches CAC;
        - magic number: (MRR at the end − MRR at the start) × 12 ÷ spend of the period before,
          which is of the same kind;
        - new-CAC ratio: spend ÷ new annual recurring revenue of the same period;
        - CLV ÷ CAC, its interval by the delta method on the log scale, the two independent.
    """
    margin = ws.tables.policies.gross_margin
    full = kpis.cac.over(ws, last(2, period), cac_spend="fully_loaded")
    paid = kpis.cac(ws, period, cac_spend="paid")
    known = lifetimes.histories(ws, period)
    run = within(ws, period)
    revenue = _recurring_revenue(ws, run)
    spent = _spent(ws, full)
    asked = [
        ("CAC, fully loaded", MONEY, full.kpi.formula, lambda: _bounded(full)),
        ("CAC, paid", MONEY, "spend on media / new customers", lambda: _bounded(paid)),
        (
            "Payback, months",
            RATIO,
            "CAC / (MRR of a new customer × gross margin)",
            lambda: payback(_cost(full), _each(revenue), margin),
        ),
        (
            "Payback, months, survival-adjusted",
            COUNT,
            "first month in which the expected margin so far reaches CAC",
            lambda: payback_with_churn(
                _cost(full),
                _each(revenue) * margin,
                _survival(known),
                ws.tables.policies.horizon_months,
            ),
        ),
        (
            "Magic number",
            RATIO,
            "(MRR at end − MRR at start) × 12 / spend of the period before",
            lambda: _magic_number(revenue, spent),
        ),
        (
            "New-CAC ratio",
            RATIO,
            "spend / (new MRR × 12)",
            lambda: _known(spent) / (12 * _positive(revenue, "new")),
        ),
        ("CLV ÷ CAC", RATIO, "lifetime value / CAC", lambda: _value_over_cost(known.figure, full)),
    ]
    rows = []
    for figure, unit, formula, count in asked:
        value, low, high, reason = np.nan, np.nan, np.nan, None
        try:
            counted = count()
            value, low, high = counted if isinstance(counted, tuple) else (counted, low, high)
        except StatisticsError as error:
            reason = str(error)[0].lower() + str(error)[1:].rstrip(".")
        reads = _written(unit, value, low, high, ws.currency)
        rows.append((figure, value, low, high, reads, reason, formula))
    columns = ["figure", "value", "low", "high", "reads", "missing_because", "formula"]
    frame = pd.DataFrame(rows, columns=columns)
    frame["missing_because"] = pd.Series([row[5] for row in rows], dtype=object)
    told = []
    if run.is_partial(run.each[0]):
        told.append(f"{period} is partial: known up to {ws.tables.as_of}.")
    if not isinstance(revenue, str) and full.n != revenue.customers:
        told.append(
            f"Deals tell of {plural(full.n, 'new customer')}, subscriptions of "
            f"{number(revenue.customers)} who began and still pay."
        )
    return noted(frame, *told)


def payback(cac: float, mrr: float, gross_margin: float) -> float:
    """Count the months in which a new customer's margin pays what winning it cost.

    Examples
    --------
    >>> round(payback(1_200, mrr=180, gross_margin=0.75), 2)
    8.89
    """
    if mrr * gross_margin <= 0:
        raise StatisticsError("never: a new customer brings no margin")
    return cac / (mrr * gross_margin)


def payback_with_churn(
    cac: float, margin: float, model: "ShiftedBetaGeometric", horizon: int
) -> int:
    """Find the first month in which the margin expected of a new customer reaches its cost.

    Parameters
    ----------
    margin
        What a customer who is there brings in a month, paid at its start.
    model
        How likely customers are to be still there.
    horizon
        How many months to look ahead.

    Raises
    ------
    StatisticsError
        When it is never reached, or not within the horizon.

    Examples
    --------
    Half stay for a second month and a third for a third: 100 + 50 + 33 + 25.

    >>> from revops_kit.stats.lifetime import ShiftedBetaGeometric
    >>> payback_with_churn(200, 100, ShiftedBetaGeometric(1, 1), horizon=60)
    4
    """
    earned = np.cumsum(margin * model.survival(np.arange(horizon)))
    if (reached := earned >= cac * (1 - 1e-12)).any():
        return int(reached.argmax()) + 1
    whole = margin * (1 + model.derl(1, 0.0))
    if whole < cac:
        raise StatisticsError(
            f"never: a new customer brings {number(whole)} of {number(cac)} in all"
        )
    raise StatisticsError(f"not within the {horizon} months looked ahead")


def _wins(ws: Workspace, run: Periods) -> pd.DataFrame:
    """Count new customers by period, months since first contact, and whether that is known."""
    leads = ws.tables.pick("leads", "lead_id", "created_at")
    leads = leads.select(_lead="lead_id", _met=leads.created_at.cast("date"))
    won = run.assign(deals.first_wins(replace(ws.tables, carried=False), "lead_id"), on="closed_at")
    won = won.select("period", "lead_id", closed=won.closed_at.cast("date"))
    won = won.left_join(leads, won.lead_id == leads._lead)
    closed, met = won.closed, won._met
    months = (closed.year() - met.year()) * 12 + closed.month() - met.month()
    # Within one month, only days tell that a deal was won before the first contact.
    months = ((closed < met) & (months == 0)).ifelse(-1, months)
    keyed = won.select("period", months=months, has_contact=met.notnull())
    found = keyed.group_by(keyed.columns).aggregate(customers=keyed.count()).to_pandas()
    days = pd.to_datetime(found.period).dt.date
    return found.assign(period=days, months=found.months.astype(float))


def _months(ws: Workspace, run: Periods) -> Periods | None:
    """Name the calendar months that periods touch, as far as they are known."""
    start, final = run.start, min(run.end, run.known_until) - ONE_DAY
    if run.kind == "all":
        booked = ws.tables.spend.spent_on
        ends = ws.tables.spend.aggregate(first=booked.min(), final=booked.max()).to_pandas()
        if ends["first"].isna().any():
            return None
        start = pd.Timestamp(ends["first"].iloc[0]).date()
        final = run.as_of or pd.Timestamp(ends["final"].iloc[0]).date()
    if final < start:
        return None
    count = (final.year - start.year) * 12 + final.month - start.month + 1
    return Periods(containing(final, "month").label, count, run.calendar, run.as_of)


def _spend_by_month(ws: Workspace, months: Periods) -> np.ndarray:
    spent = kpis.spend.rows(replace(ws.tables, carried=False), months)
    sums = spent.group_by("period").aggregate(amount=spent.numerator.sum()).to_pandas()
    found = dict(zip(pd.to_datetime(sums.period).dt.date, sums.amount, strict=True))
    return np.array([found.get(month.start, 0.0) for month in months], dtype=float)


def _recurring_revenue(ws: Workspace, run: Periods) -> pd.Series | str:
    """Sum the MRR of a period's start and end, and what is new; or say what lacks.

    Of `new` MRR, `customers` is the number of those that brought it.
    """
    if missing := kpis.mrr.unavailable(ws.tables):
        return missing
    # CAC is the cost of a customer, whatever the company counts churn by.
    tables = with_policies(replace(ws.tables, carried=False), {"grain": "customer"})
    rows = recurring.movements(tables, run, "new")
    counted = rows.aggregate(
        start=rows.start_mrr.sum(),
        end=rows.end_mrr.sum(),
        new=rows.new.sum(),
        customers=(rows.new > 0).cast("int32").sum(),
    )
    return counted.to_pandas().fillna(0).iloc[0].astype(float)


def _spent(ws: Workspace, full: Result) -> Result:
    """Take the spend of the periods of a CAC out of it; where there is none, count it."""
    if full.fetched is None:
        return kpis.spend.over(ws, full.periods, cac_spend="fully_loaded")
    return kpis.spend.tell(full.fetched, "", full.tables, full.periods, "", ws.currency)


def _positive(revenue: pd.Series | str, name: str) -> float:
    if isinstance(revenue, str):
        raise StatisticsError(revenue)
    if not revenue[name] > 0:
        raise StatisticsError("no new recurring revenue was won")
    return float(revenue[name])


def _each(revenue: pd.Series | str) -> float:
    """Give the MRR of a new customer."""
    return _positive(revenue, "new") / _positive(revenue, "customers")


def _known(result: Result) -> float:
    """Give the last value of a result, or the reason why there is none."""
    reason = result.unavailable or result.frame.missing_because.iloc[-1]
    if reason:
        raise StatisticsError(reason)
    return result.value


def _bounded(result: Result) -> tuple[float, float, float]:
    return _known(result), result.low, result.high


def _cost(result: Result) -> float:
    """Give a CAC to set something against."""
    cost = _known(result)
    if not cost > 0:
        raise StatisticsError("more was refunded than spent, so there is no cost to set against")
    return cost


def _survival(known: lifetimes.Histories) -> "ShiftedBetaGeometric":
    """Fit the curve that `clv` is made with."""
    if not known.is_contract:
        raise StatisticsError("not available: needs subscriptions.mrr")
    return known.model


def _magic_number(revenue: pd.Series | str, spent: Result) -> float:
    if len(spent.periods) < 2:
        raise StatisticsError("`all` has no period before it")
    if isinstance(revenue, str):
        raise StatisticsError(revenue)
    _known(spent)
    before = spent.frame.iloc[0]
    if not before.value > 0:
        raise StatisticsError(f"nothing was spent in {before.period}")
    return (revenue.end - revenue.start) * 12 / before.value


def _value_over_cost(lifetime: Result, cost: Result) -> tuple[float, float, float]:
    ratio = _known(lifetime) / _cost(cost)
    if not ratio > 0:
        return ratio, np.nan, np.nan
    # Of CAC only the number of customers is chance: the logarithm of a Poisson count n has
    # variance 1 / n.
    relative = (lifetime.high - lifetime.value) / lifetime.value
    width = np.hypot(relative, Z / np.sqrt(cost.n))
    return ratio, ratio * np.exp(-width), ratio * np.exp(width)


def _written(unit: Unit, value: float, low: float, high: float, currency: str) -> str:
    written = unit.write(value, currency)
    if np.isnan(low) or np.isnan(high):
        return written
    return f"{written} ({unit.write(low, currency)} to {unit.write(high, currency)})"
