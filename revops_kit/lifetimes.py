"""Customers one by one: how long they stay, what they are still worth, whether the models hold.

Subscriptions tell who has left: retention by months of tenure, and the residual value (DERL) of
each customer still there. Payments do not: each customer has a chance to be alive still, and
purchases to be expected. Both kinds of data are answered alike, or with why they cannot be.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import ibis
import numpy as np
import pandas as pd

from revops_kit import recurring
from revops_kit.drivers import triangle, within
from revops_kit.errors import StatisticsError
from revops_kit.kpi import Workspace, with_policies
from revops_kit.kpis.churn import churn
from revops_kit.kpis.clv import (
    WEEKS_A_MONTH,
    buying,
    clv,
    durations,
    late_entry,
    monthly,
    months_between,
    of_contracts,
    of_purchases,
    retention_model,
    spending,
    value,
    watched,
)
from revops_kit.periods import ONE_DAY, Periods, containing, last
from revops_kit.result import Result
from revops_kit.stats.survival import Curve, kaplan_meier
from revops_kit.tables import Policies, Tables
from revops_kit.units import MONEY, RATIO, SHARE, number, plural
from revops_kit.wording import Words

if TYPE_CHECKING:
    from revops_kit.stats.lifetime import BgNbd, ShiftedBetaGeometric

WORTH = ("value_to_date", "value_to_come", "at_stake")
# How the columns of the frames are written.
UNITS = {
    **dict.fromkeys(["mrr", *WORTH, "new_customer", "low", "high"], MONEY),
    **dict.fromkeys(["stays_a_year", "alive", "alive_by_pareto", "still_there"], SHARE),
    "next_year": RATIO,
}
PARTS = {"a tenth": 0.1, "a quarter": 0.25, "half": 0.5, "three quarters": 0.75, "nine tenths": 0.9}
NO_CONTRACT = "payments do not tell when a customer has left"


@dataclass(frozen=True, eq=False)
class Histories:
    """The history of each customer, as far as it is known at the end of a period.

    Attributes
    ----------
    ws
        Whose customers they are.
    figure
        The lifetime value of a new customer, counted from these histories.
    frame
        A row per customer, as the models of CLV take them.
    """

    ws: Workspace
    figure: Result
    frame: pd.DataFrame

    @property
    def is_contract(self) -> bool:
        """Whether they are those of subscriptions, which tell when a customer has left."""
        return self.ws.tables.has("subscriptions", "mrr")

    @cached_property
    def model(self) -> "ShiftedBetaGeometric":
        """The model of retention, of those with subscriptions."""
        return retention_model(self.frame)


@dataclass(frozen=True, eq=False)
class Customers:
    """The customers known at the end of a period: what each has been worth, and still is.

    Attributes
    ----------
    frame
        A row per customer: `customer`, `since`; of subscriptions `months`, `left`, `mrr` and
        `stays_a_year` (the chance), of payments `last`, `purchases`, `alive` and
        `alive_by_pareto` (P(alive) by BG/NBD and by Pareto/NBD) and `next_year` (repeat purchases
        expected); then, in margin, `value_to_date`, `value_to_come` and `at_stake`: value to come
        times the chance of losing the customer.
    cohorts
        A row per year of joining: `joined`, `customers`, `still_there` (of payments, the mean
        P(alive)), `value_to_date` and `value_to_come` of each on average, and `new_customer` with
        its interval: the lifetime value by the cohort alone, or why it has none in `note`.
    said
        A sentence or two that carry the point, or why there are no figures.
    notes
        What a reader should keep in mind.
    """

    frame: pd.DataFrame
    cohorts: pd.DataFrame
    said: str
    notes: list[str]

    def headline(self) -> Words:
        """Tell the point in a sentence or two."""
        return Words(self.said)

    def explain(self) -> Words:
        """Tell how it is counted, and what to keep in mind."""
        return Words("\n".join(f"- {note}" for note in self.notes))

    @property
    def there(self) -> pd.DataFrame:
        """The customers who have not left, as far as the data tell."""
        return self.frame[~self.frame.left.astype(bool)] if "left" in self.frame else self.frame

    @property
    def spread(self) -> pd.DataFrame:
        """Say below which value each part of the customers still there lies.

        Returns
        -------
        DataFrame
            `customers` (a tenth to nine tenths), `value_to_date` and `value_to_come`.
        """
        values = self.there[["value_to_date", "value_to_come"]].astype(float)
        below = values.quantile(list(PARTS.values())) if len(values) else values
        below.insert(0, "customers", list(PARTS)[: len(below)])
        return below.reset_index(drop=True)

    def look_at(self, count: int = 10) -> pd.DataFrame:
        """Pick the valuable customers that may be lost: those with the most at stake."""
        most = self.there.sort_values("at_stake", ascending=False, kind="stable").head(count)
        return most.drop(columns="left", errors="ignore").reset_index(drop=True)


@dataclass(frozen=True, eq=False)
class Survival:
    """How many customers stay for how many months: as counted, and by the model of CLV.

    Attributes
    ----------
    curve
        Kaplan and Meier's, in months; late entry taken into account.
    model
        The shifted-beta-geometric.
    longest, horizon
        Months: the longest tenure seen, and how far CLV looks ahead.
    notes, missing_because
        What a reader should keep in mind, and why there is nothing to show; empty when there is.
    """

    curve: Curve | None
    model: "ShiftedBetaGeometric | None"
    longest: int
    horizon: int
    notes: list[str]
    missing_because: str

    @property
    def curves(self) -> "dict[str, Curve]":
        """What was counted, as `charts.survival` takes it."""
        return {} if self.curve is None else {"": self.curve}

    @property
    def modelled(self) -> pd.Series:
        """What the model has, by month: up to the horizon, or the longest tenure."""
        months = range(max(self.longest, self.horizon) + 1 if self.model else 0)
        return pd.Series([self.model.survival(month) for month in months], dtype=float)

    def headline(self) -> Words:
        """Tell in a sentence who is there after a year, as counted and by the model."""
        if self.curve is None or self.model is None:
            return Words(f"Survival beside the model: {self.missing_because}.")
        after = min(12, self.longest)
        place = max(np.searchsorted(self.curve.day, after, side="right") - 1, 0)
        low, high = float(self.curve.low[place]), float(self.curve.high[place])
        between = f" ({SHARE.write(low)} to {SHARE.write(high)})" if low == low else ""
        return Words(
            f"After {plural(after, 'month')} {SHARE.write(self.curve.at(after))}{between} of "
            f"customers are still there; the model has {SHARE.write(self.model.survival(after))}, "
            f"and {SHARE.write(self.model.survival(self.horizon))} after {self.horizon}. "
            f"The longest tenure seen is {plural(self.longest, 'month')}."
        )

    def explain(self) -> Words:
        """Tell what to keep in mind."""
        return Words("\n".join(f"- {note}" for note in self.notes))


def histories(ws: Workspace, period: str) -> Histories:
    """Fetch the history of each customer up to the end of a period, and count CLV from them.

    Examples
    --------
    >>> from revops_kit.samples import Company, tiny
    >>> known = histories(Company(tiny()), "2026-09")
    >>> known.frame[["customer", "months", "left"]].values.tolist()
    [['A', 21, False], ['B', 19, True], ['C', 8, False]]
    """
    tables, run, seen = ws.tables, within(ws, period), None
    missing = clv.unavailable(tables)
    if not missing:
        seen = fetched(tables, run)
        if "mrr" in seen:
            seen["mrr_squared"] = seen.mrr**2
    figure = clv.tell(seen, missing, tables, run, "", ws.currency)
    return Histories(ws, figure, pd.DataFrame() if seen is None else seen)


def customers(known: Histories) -> Customers:
    """Value each customer at the end of a period: to date, to come, and at stake.

    Examples
    --------
    >>> from revops_kit.samples import Company, tiny
    >>> customers(histories(Company(tiny()), "2026-08")).headline()
    'Customers one by one: nobody has left yet, so how long customers stay cannot be told.'
    """
    if missing := known.figure.missing_because:
        return Customers(
            pd.DataFrame(columns=["customer", "since", *WORTH]),
            pd.DataFrame(columns=["joined", "customers", "value_to_date", "value_to_come"]),
            f"Customers one by one: {missing}.",
            [],
        )
    return _valued_contracts(known) if known.is_contract else _valued_purchases(known)


def survival(known: Histories) -> Survival:
    """Set retention as counted beside the model that CLV rests on."""
    policies = known.ws.tables.policies
    horizon = policies.horizon_months
    missing = known.figure.missing_because or ("" if known.is_contract else NO_CONTRACT)
    if missing:
        return Survival(None, None, 0, horizon, [], missing)
    seen, model = known.frame, known.model
    longest, discount = int(seen.months.max()), monthly(policies)
    whole = 1 + model.derl(1, discount) / (1 + discount)
    notes = [*model.notes]
    if np.isfinite(whole):
        beyond = 1 - model.discounted_lifetime(longest + 1, discount) / whole
        notes.append(
            f"Of all that a new customer is worth, without a horizon, {SHARE.write(beyond)} lies "
            f"beyond {plural(longest, 'month')}, the longest tenure seen."
        )
    months, observed, count, entry = durations(seen)
    told = months > entry
    # -1: under watch from the start.
    late = np.where(entry > 0, entry, -1)
    curve = kaplan_meier(months[told], observed[told], count[told], late[told])
    return Survival(curve, model, longest, horizon, notes, "")


def retention(known: Histories, ages: int = 12) -> pd.DataFrame:
    """Say what share of each quarter's new customers is still there: see `drivers.retention`."""
    seen = known.frame if known.is_contract else pd.DataFrame(columns=["since"])
    counted = seen.assign(joined=seen.since, youngest=seen.since)
    return triangle(counted, end_of(known.figure.periods), ages)


def value_by_convention(known: Histories) -> pd.DataFrame:
    """Value a new customer as others do: to another horizon, undiscounted, by another model.

    The other model is one division where there are subscriptions, which fails where nobody left,
    and Pareto/NBD where there are payments only.

    Returns
    -------
    DataFrame
        `convention`, `value`, and `note`: why there is none, or what to beware of.
    """
    ws, missing = known.ws, known.figure.missing_because
    years = ws.tables.policies.horizon_months / 12
    rows = []
    for name, changed in {
        f"{years:g} years, discounted": {},
        f"{years:g} years, not discounted": {"discount_rate": 0.0},
        "50 years, discounted": {"horizon_months": 600},
    }.items():
        if missing:
            rows.append((name, np.nan, missing))
            continue
        policies = with_policies(ws.tables, changed).policies
        found = value(known.frame, ["period"], policies).iloc[0]
        rows.append((name, found.value, found.missing_because or found.note or ""))
    by_other_model = ws.tables.has("payments", "amount") and not known.is_contract
    other = _second_opinion(known) if by_other_model else _one_division(ws, known.figure.period)
    return pd.DataFrame([*rows, other], columns=["convention", "value", "note"])


def _second_opinion(known: Histories) -> tuple[str, float, str]:
    """Value a new customer by Pareto/NBD in the place of BG/NBD."""
    from revops_kit.stats.lifetime import fit_pareto_nbd

    name = "by Pareto/NBD in place of BG/NBD"
    if missing := known.figure.missing_because:
        return name, np.nan, missing
    try:
        value, *_, notes = of_purchases(known.frame, known.ws.tables.policies, fit_pareto_nbd)
    except StatisticsError as error:
        return name, np.nan, f"{str(error)[0].lower()}{str(error)[1:].rstrip('.')}"
    return name, value, " ".join(["lets customers go at any time", *notes])


def _one_division(ws: Workspace, period: str) -> tuple[str, float, str]:
    """Divide the margin of a month by the churn of a month, over the last twelve."""
    name = "margin a month ÷ monthly churn"
    months = containing(within(ws, period).end - ONE_DAY, "month").label
    if missing := churn.unavailable(ws.tables):
        return name, np.nan, missing
    tables = replace(ws.tables, carried=False)
    held = recurring.of_the_start(tables, within(ws, last(12, months)), "churn")
    # What a customer pays in a month, over the same customers and months as their churn.
    sums = held.aggregate(paid=held.start_mrr.sum(), gone=(held.churn > 0).sum()).to_pandas()
    paid, gone = sums.iloc[0]
    if not gone > 0:
        return name, np.nan, "undefined: nobody left in the last twelve months"
    return (
        name,
        ws.tables.policies.gross_margin * paid / gone,
        "takes everybody to leave at the same rate for ever",
    )


def fetched(tables: Tables, run: Periods) -> pd.DataFrame:
    """Fetch the history of each customer, as the models of CLV take them."""
    rows = clv.rows(replace(tables, carried=False), run)
    key, since = "customer", "customer_since"
    names = ["months", "left", "observed", "entry", "mrr"]
    if "months" not in rows.columns:
        key, since = "customer_id", "first"
        names = ["last", "x", "t_x", "age", "mean_value"]
    frame = rows.order_by(key).to_pandas().rename(columns={key: "customer", since: "since"})
    frame = frame[["period", *names, "customer", "since"]].assign(count=1)
    frame["since"] = pd.to_datetime(frame.since).dt.date
    return watched(frame) if "entry" in frame and len(frame) else frame


def end_of(run: Periods) -> pd.Timestamp:
    """Give the first day after the period, or of which nothing is known."""
    return pd.Timestamp(min(run.end, run.known_until))


# Subscriptions


def _valued_contracts(known: Histories) -> Customers:
    ws, seen, model, run = known.ws, known.frame, known.model, known.figure.periods
    tables, policies = ws.tables, ws.tables.policies
    discount = monthly(policies)
    margin, longest = policies.gross_margin * seen.mrr, int(seen.months.max())
    stays = model.survival(seen.months + 12) / model.survival(seen.months)
    paid = _charged(tables, end_of(run))
    seen = seen.assign(
        stays_a_year=np.where(seen.left, 0.0, stays),
        value_to_date=policies.gross_margin * seen.customer.map(paid).fillna(0.0),
        value_to_come=margin * model.derl(seen.months + 1, discount),
    )
    seen["at_stake"] = seen.value_to_come * (1 - seen.stays_a_year)
    seen["still_there"] = (~seen.left).astype(float)
    # Of those who joined before departures were kept, only who stayed is there to be counted.
    seen.loc[seen.entry > 0, "still_there"] = np.nan
    cohorts = _cohorts(seen, run, lambda group: of_contracts(group, policies))
    there = seen[~seen.left]
    total = float(there.value_to_come.sum())
    if not np.isfinite(total):
        said = "The value to come has no end: without a discount it does not converge."
    else:
        # What is still to come once they have been there for as long as anybody has.
        ahead = model.survival(longest) / model.survival(there.months)
        ahead *= (1 + discount) ** (there.months - longest) * model.derl(longest + 1, discount)
        beyond = float((policies.gross_margin * there.mrr * ahead).sum()) / (total or np.nan)
        said = (
            f"{_worth(there, ws.currency)} {SHARE.write(beyond)} of it lies beyond "
            f"{plural(longest, 'month')}, the longest tenure seen."
        )
    notes = [
        "Value to come is margin × MRR × discounted expected residual lifetime (DERL) by the "
        "model of all customers, without a horizon; the renewal now due counts in full.",
        "Value to date is margin × MRR on record × months begun, without interest.",
        *late_entry(seen),
        *model.notes,
    ]
    columns = ["customer", "since", "months", "left", "mrr", "stays_a_year", *WORTH]
    return Customers(seen[columns], cohorts, said, notes)


def _charged(tables: Tables, end: pd.Timestamp) -> pd.Series:
    """Add up what each customer was charged by a day: months are paid in advance."""
    paid = recurring.paying(replace(tables, carried=False))
    paid = paid.filter(paid.started_on < end.date())
    until = ibis.least(ibis.coalesce(paid.ended_on, end.date()), end.date())
    _, begun = months_between(paid.started_on, until)
    charged = paid.mrr * ibis.greatest(begun, 1)
    sums = paid.group_by("customer").aggregate(charged=charged.sum()).to_pandas()
    return sums.set_index("customer").charged


# Payments


def _valued_purchases(known: Histories) -> Customers:
    from revops_kit.stats.lifetime import fit_pareto_nbd

    ws, seen, run = known.ws, known.frame, known.figure.periods
    tables, policies = ws.tables, ws.tables.policies
    model, money, notes = buying(seen), spending(seen), []
    history = [seen[name].to_numpy(float) for name in ("x", "t_x", "age")]
    try:
        by_pareto = buying(seen, fit_pareto_nbd).p_alive(*history)
    except StatisticsError as error:
        by_pareto = np.full(len(seen), np.nan)
        notes.append(f"No second opinion by Pareto/NBD: {error}")
    per_purchase = policies.gross_margin * money.expected(seen.x, seen.mean_value)
    net = tables.payments.filter(tables.payments.paid_on < end_of(run).date())
    net = net.group_by("customer_id").aggregate(paid=net.amount.sum()).to_pandas()
    paid = seen.customer.map(net.set_index("customer_id").paid)
    seen = seen.assign(
        purchases=seen.x + 1,
        alive=model.p_alive(*history),
        alive_by_pareto=by_pareto,
        next_year=model.conditional(12 * WEEKS_A_MONTH, *history),
        value_to_date=policies.gross_margin * paid.fillna(0.0),
    )
    seen["value_to_come"] = seen.alive * _discounted(model, seen, policies) * per_purchase
    seen["at_stake"] = seen.value_to_come * (1 - seen.alive)
    seen["still_there"] = seen.alive
    cohorts = _cohorts(seen, run, lambda group: of_purchases(group, policies))
    alive, other = seen.alive.sum(), seen.alive_by_pareto.sum(min_count=1)
    second = f", {number(other)} by Pareto/NBD" if other == other else ""
    said = f"{_worth(seen, ws.currency)} By BG/NBD {number(alive)} of them are alive still{second}."
    notes = [
        f"Value to come is margin × expected spend × discounted purchases expected within "
        f"{plural(policies.horizon_months, 'month')}; value to date is margin × payments less "
        "refunds, without interest.",
        "BG/NBD takes customers to drop out only after a repeat purchase: those who bought once "
        "have P(alive) = 1, however long ago that was. Pareto/NBD lets them go at any time.",
        *notes,
        *model.notes,
        *money.notes,
    ]
    columns = ["customer", "since", "last", "purchases", "alive", "alive_by_pareto", "next_year"]
    return Customers(seen[[*columns, *WORTH]], cohorts, said, notes)


def _discounted(model: "BgNbd", seen: pd.DataFrame, policies: Policies) -> np.ndarray:
    """Give the discounted purchases to expect of each customer, were they alive."""
    # Alive, only the number of purchases and the age matter, not when the last one was.
    alike = seen.groupby(["x", "age"], sort=False).ngroup().to_numpy()
    _, first = np.unique(alike, return_index=True)
    x, age = (seen[name].to_numpy(float)[first] for name in ("x", "age"))
    t_x = np.where(x > 0, age, 0.0)
    ends = np.arange(1, policies.horizon_months + 1)[:, None]
    bought = model.conditional(ends * WEEKS_A_MONTH, x, t_x, age) / model.p_alive(x, t_x, age)
    bought = np.diff(bought, axis=0, prepend=0.0)
    return (bought / (1 + monthly(policies)) ** ends).sum(axis=0)[alike]


# Both


def _cohorts(seen: pd.DataFrame, run: Periods, expect: Callable) -> pd.DataFrame:
    """Value the customers who joined in each year, on average, and a new one by these alone."""
    labels = seen.since.map(
        {day: containing(day, "year", run.calendar).label for day in seen.since.unique()}
    )
    found = []
    for joined, group in seen.groupby(labels):
        figures, note = (np.nan, np.nan, np.nan), ""
        try:
            *figures, notes = expect(group)
            note = " ".join(notes)
        except StatisticsError as error:
            note = f"No figure: {str(error)[0].lower()}{str(error)[1:]}"
        means = group[["still_there", "value_to_date", "value_to_come"]].mean(skipna=False)
        found.append((joined, len(group), *means, *figures, note))
    columns = ["joined", "customers", "still_there", "value_to_date", "value_to_come"]
    return pd.DataFrame(found, columns=[*columns, "new_customer", "low", "high", "note"])


def _worth(there: pd.DataFrame, currency: str) -> str:
    """Say how much value is to come, and how unevenly."""
    values = there.value_to_come.sort_values(ascending=False)
    top = values.head(max(1, round(len(values) / 10))).sum() / (values.sum() or np.nan)
    return (
        f"Of {plural(len(values), 'customer')}, {MONEY.write(values.sum(), currency)} of margin "
        f"is still to come; half of them bring less than "
        f"{MONEY.write(values.median(), currency)} each, the top tenth {SHARE.write(top)} of all."
    )
