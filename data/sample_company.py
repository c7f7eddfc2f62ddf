"""What happened at the sample company: leads, deals, customers, and the chance behind them.

Everything follows from what came before: a lead may become a deal, a won deal a customer; a
customer buys more, leaves, and sometimes comes back. "Brindlemoor Software" never was. It sells
subscriptions to small, mid-sized and large firms in three regions, in euros.
"""

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from statistics import NormalDist
from typing import Any

from sample_names import HOSTILE, LOCALES, plain
from sample_truths import (
    CHURN_ALPHA,
    CHURN_BETA,
    END,
    PAID_SOCIAL_FACTOR,
    PAID_SOCIAL_TURN,
    ROUTING,
    ROUTING_CYCLE_FACTOR,
    ROUTING_START,
    ROUTING_WIN_FACTOR,
    START,
    THREE_NAMES,
    UNKNOWN_TO_SALES,
)

LEADS_AT_START, GROWTH = 104, 1.021  # leads in the first month; growth a month
SEASON = (1.0, 1.02, 1.12, 1.0, 1.02, 1.0, 0.86, 0.78, 1.12, 1.12, 1.08, 0.8)  # January …
SOURCES = {  # share of the leads, share that becomes a deal, campaigns
    "organic_search": (0.25, 0.3, ("blog", "docs")),
    "paid_search": (0.24, 0.3, ("brand", "category")),
    "paid_social": (0.17, 0.27, ("lookalike", "retargeting")),
    "webinar": (0.11, 0.28, ("monthly webinar",)),
    "events": (0.08, 0.33, ("trade fairs",)),
    "referral": (0.08, 0.41, ("",)),  # nothing is spent on it
    "partner": (0.055, 0.36, ("resellers",)),
    "podcast": (0.015, 0.22, ("sponsorship",)),  # many a month without a customer
}
REGIONS = {"EMEA": 0.5, "AMER": 0.33, "APAC": 0.17}
REPS = {
    "EMEA": ("Ada Lindqvist", "Bruno Castel", "Clara Weißdorn", "Dmitri Hale"),
    "AMER": ("Elena Voss", "Femi Okoro", "Gus Fairweather"),
    "APAC": ("Hana Mori", "Ishaan Rao"),
}
SEGMENTS = {"small": 0.5, "mid": 0.35, "large": 0.15}
CYCLE_DAYS = {"small": 31, "mid": 49, "large": 78}  # median from opening to decision
WIN_CHANCE = {"small": 0.27, "mid": 0.25, "large": 0.22}
OPEN_STAGES = ("Demo", "Proposal", "Negotiation")  # after the first
PLANS = {"Starter": 270, "Team": 860, "Business": 2_300, "Enterprise": 5_800}  # usual MRR
PLAN_OF = {
    "small": {"Starter": 0.55, "Team": 0.45},
    "mid": {"Team": 0.55, "Business": 0.45},
    "large": {"Business": 0.5, "Enterprise": 0.5},
}
STAGES = {  # chance of winning, forecast category
    "Qualified": (0.1, "Pipeline"),
    "Demo": (0.25, "Pipeline"),
    "Proposal": (0.5, "Best Case"),
    "Negotiation": (0.75, "Commit"),
    "Closed Won": (1.0, "Closed"),
    "Closed Lost": (0.0, "Omitted"),
}
TAKEN_OVER = 110  # deals begun before the exports; those that were still open are in them
LEGACY = 115  # customers from before the exports begin

NORMAL = NormalDist()


class Dice:
    """Draw by chance, from `random()` alone: its stream is the one that never changes."""

    def __init__(self, seed: int):
        self.roll = random.Random(seed).random

    def chance(self, share: float) -> bool:
        """Say yes in a share of all cases."""
        return self.roll() < share

    def whole(self, low: int, high: int) -> int:
        """Draw a whole number, both ends inside."""
        return low + int(self.roll() * (high - low + 1))

    def pick(self, choices: Sequence | Mapping[Any, float]) -> Any:
        """Pick one of a sequence, or of a mapping to shares that add up to 1."""
        if not isinstance(choices, Mapping):
            return choices[self.whole(0, len(choices) - 1)]
        left = self.roll()
        for choice, share in choices.items():
            if (left := left - share) < 0:
                return choice
        return choice

    def around(self, median: float, spread: float) -> float:
        """Draw from a lognormal distribution."""
        return median * math.exp(spread * NORMAL.inv_cdf(max(self.roll(), 1e-12)))

    def count(self, mean: float) -> int:
        """Draw from a Poisson distribution."""
        number, left = 0, self.roll()
        while left > math.exp(-mean):
            number, left = number + 1, left * self.roll()
        return number


# --- what the things are ----------------------------------------------------------------------
@dataclass
class Company:
    """A firm as it really is; each tool spells it in its own way."""

    name: str
    region: str
    segment: str
    domain: str
    people: list[str]
    known: bool = True  # to sales
    account_id: str = ""  # empty while there is no deal


@dataclass
class Lead:
    """A person who showed interest."""

    company: Company
    created: date
    person: str
    source: str
    campaign: str
    qualified: date | None = None
    deal: "Deal | None" = None
    key: str = ""


@dataclass
class Deal:
    """What sales works on, with its fate."""

    company: Company
    kind: str
    opened: date
    closes: date  # the day it will be decided, perhaps after END
    wins: bool
    amount: float
    owner: str
    source: str = ""
    lead: Lead | None = None
    history: list[dict[str, Any]] = field(default_factory=list)
    key: str = ""

    @property
    def won(self) -> bool:
        """Tell whether it has been won by the end."""
        return self.wins and self.closes <= END


@dataclass
class Subscription:
    """A plan at a price, for a while."""

    plan: str
    mrr: float
    started: date
    ended: date | None = None


@dataclass
class Customer:
    """A firm that pays, or did."""

    company: Company
    subscriptions: list[Subscription] = field(default_factory=list)
    key: str = ""


# --- dates and names --------------------------------------------------------------------------
def months() -> list[date]:
    """List the first days of the 36 months."""
    return [add_months(START, n) for n in range(36)]


def add_months(day: date, count: int) -> date:
    """Go on by months; from the 31st to the last day of a shorter one."""
    month = day.year * 12 + day.month - 1 + count
    first = date(month // 12, month % 12 + 1, 1)
    last = (first + timedelta(31)).replace(day=1) - timedelta(1)
    return first.replace(day=min(day.day, last.day))


def workday(day: date) -> date:
    """Move a weekend to the Friday before."""
    return day - timedelta(max(day.weekday() - 4, 0))


def after(day: date, days: float) -> date:
    """Go on by days, to a workday."""
    return max(day, workday(day + timedelta(round(days))))


def scale(month: date) -> float:
    """Say how much bigger the firm is than at the start, in season."""
    age = (month.year - START.year) * 12 + month.month - START.month
    return GROWTH**age * SEASON[month.month - 1]


def salesforce_id(prefix: str, number: int) -> str:
    """Make a key of 18 letters; the first 15 differ in case only, at times."""
    letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    tail = "".join(letters[number // 62**n % 62] for n in (3, 2, 1, 0))
    key = f"{prefix}5g00000{tail:A>5}"
    upper = [sum(key[5 * n + bit].isupper() << bit for bit in range(5)) for n in range(3)]
    return key + "".join("ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[each] for each in upper)


def found_companies(dice: Dice) -> Iterator[Company]:
    """Found firms without end, no two of them of the same words."""
    seen: set[frozenset[str]] = set()
    hostile = list(HOSTILE)
    while True:
        region = dice.pick(REGIONS)
        _, order, forms, families, trades, given = (
            part.split("|") for part in dice.pick([each for each in LOCALES if each[0] == region])
        )
        family, other = dice.pick(families), dice.pick(families)
        owners = family if dice.chance(0.4) or family == other else f"{family} & {other}"
        name = order[0].format(name=owners, trade=dice.pick(trades))
        if frozenset(name.split()) in seen:
            continue
        seen.add(frozenset(name.split()))
        full = f"{name} {dice.pick(forms)}"
        if len(seen) % 450 == 0 and hostile:
            name = full = hostile.pop()
        words = "".join(letter if letter.isalnum() else " " for letter in plain(name)).split()
        people = [f"{dice.pick(given)} {other}", f"{dice.pick(given)} {family}"]
        segment = dice.pick(SEGMENTS)
        yield Company(full, region, segment, f"{'-'.join(words).lower()}.example", people)


# --- marketing and sales ----------------------------------------------------------------------
def attract_leads(dice: Dice, companies: Iterator[Company]) -> list[Lead]:
    """Let the leads of three years come in, and sales work on some of them."""
    leads: list[Lead] = []
    shares = {source: share for source, (share, _, _) in SOURCES.items()}
    for month in months():
        days = (add_months(month, 1) - month).days
        for _ in range(int(LEADS_AT_START * scale(month) + dice.roll())):
            again = leads and dice.chance(0.06)  # a second person of a firm that is known already
            company = dice.pick(leads).company if again else next(companies)
            source = dice.pick(shares)
            created = max(workday(month + timedelta(dice.whole(0, days - 1))), START)
            campaign = dice.pick(SOURCES[source][2])
            lead = Lead(company, created, company.people[bool(again)], source, campaign)
            if not again:
                work(dice, lead)
            leads.append(lead)
    known = Company(
        THREE_NAMES["sales"], "EMEA", "mid", "mueller-maschinenbau.example", ["Jutta Müller"]
    )
    lead = Lead(known, date(2024, 5, 14), known.people[0], "referral", "")
    lead.deal = Deal(known, "New Business", date(2024, 5, 21), date(2024, 7, 9), True, 19_800,
                     REPS["EMEA"][0], "referral", lead)  # fmt: skip
    return sorted([*leads, lead], key=lambda lead: lead.created)


def work(dice: Dice, lead: Lead) -> None:
    """Qualify a lead, and turn it into a deal by chance."""
    share = SOURCES[lead.source][1]
    if lead.source == "paid_social" and lead.created >= PAID_SOCIAL_TURN:
        share *= PAID_SOCIAL_FACTOR
    routed = lead.company.region == ROUTING["value"] and lead.created >= ROUTING_START
    pace = ROUTING_CYCLE_FACTOR if routed else 1.0
    opened = after(lead.created, dice.around(9 * pace, 0.7))
    dealt = dice.chance(share)
    if dealt or dice.chance(0.2):
        lead.qualified = after(lead.created, (opened - lead.created).days * dice.roll())
    if dealt:
        lead.deal = new_deal(dice, lead.company, opened, lead.source, pace, routed)
        lead.deal.lead = lead


def new_deal(
    dice: Dice, company: Company, opened: date, source: str, pace: float = 1.0, routed: bool = False
) -> Deal:
    """Open a deal with a firm that is no customer yet, and decide its fate."""
    chance = WIN_CHANCE[company.segment] * (ROUTING_WIN_FACTOR if routed else 1.0)
    wins = dice.chance(chance)
    days = CYCLE_DAYS[company.segment] * pace * (1.0 if wins else 1.15)
    mrr = round(PLANS[dice.pick(PLAN_OF[company.segment])] * dice.around(1.0, 0.2) / 10) * 10
    closes = after(opened, 3 + dice.around(days, 0.5))
    owner = dice.pick(REPS[company.region])
    return Deal(company, "New Business", opened, closes, wins, 12.0 * mrr, owner, source)


def write_history(dice: Dice, deal: Deal) -> None:
    """Tell how stage, amount, expected close and category changed until the end of the exports."""
    days = (deal.closes - deal.opened).days
    reached = 3 if deal.wins else dice.pick((0, 1, 1, 2, 2, 3))
    events = [(deal.opened, "Qualified")]
    for stage, share in zip(OPEN_STAGES, sorted(dice.roll() for _ in OPEN_STAGES), strict=True):
        skipped = stage == "Demo" and dice.chance(0.12)
        if OPEN_STAGES.index(stage) < reached and not skipped:
            day = workday(deal.opened + timedelta(int(share * days)))
            events.append((max(day, deal.opened), stage))
    events.append((deal.closes, "Closed Won" if deal.wins else "Closed Lost"))
    usual = CYCLE_DAYS[deal.company.segment]
    guess = round(deal.amount * dice.around(1.08, 0.2), -2)
    for number, (day, stage) in enumerate(events):
        if stage == "Proposal":
            guess = round(deal.amount * dice.around(1.03, 0.07), -2)
        elif stage == "Closed Won":
            guess = deal.amount
        left = max(7, usual * (1.05 - 0.2 * number) * dice.around(1.0, 0.35))
        expected = day if stage.startswith("Closed") else after(day, left)
        row = {"stage": stage, "amount": guess, "category": STAGES[stage][1]}
        deal.history.append({**row, "day": day, "expected": expected})
        if stage.startswith("Closed"):
            break
        following = events[number + 1][0]
        # The expected day passes, and most people push it; what nobody pushes has slipped.
        while (pushed := expected + timedelta(dice.whole(1, 4))) < following and dice.chance(0.8):
            expected = after(pushed, dice.whole(12, 40))
            deal.history.append({**row, "day": pushed, "expected": expected})
    deal.history = [change for change in deal.history if change["day"] <= END]


# --- service ----------------------------------------------------------------------------------
def churn_hazard(month: int, plan: str) -> float:
    """Give the chance to leave at the end of the n-th month, of those who lasted until then."""
    return CHURN_ALPHA / (CHURN_ALPHA + CHURN_BETA[plan] + month - 1)


def live(dice: Dice, customer: Customer, start: date, plan: str, mrr: float) -> list[Deal]:
    """Let a customer pay, grow, shrink, leave and come back; return the deals that came of it."""
    deals: list[Deal] = []
    company, owner = customer.company, dice.pick(REPS[customer.company.region])
    current = Subscription(plan, mrr, start)
    customer.subscriptions.append(current)

    def sell(kind: str, day: date, wins: bool, yearly: float, lead_time: float) -> None:
        closes = workday(day - timedelta(dice.whole(2, 8)))
        opened = workday(closes - timedelta(8 + round(dice.around(lead_time, 0.4))))
        if opened > max(start, START):
            deals.append(Deal(company, kind, opened, closes, wins, round(yearly, 2), owner, ""))

    for month in range(1, 100):
        day = add_months(start, month)
        if day <= START:
            continue  # exports begin with the customers that were still there
        if day > END + timedelta(100):
            break
        leaves = dice.chance(churn_hazard(month, current.plan))
        if current.plan == "Enterprise" and month % 12 == 0:
            sell("Renewal", day, not leaves, 12 * current.mrr, 45)
        if leaves:
            if day <= END or (day <= END + timedelta(60) and dice.chance(0.6)):
                current.ended = day  # after END: announced
            back = add_months(day, dice.whole(3, 8))
            if back < END and dice.chance(0.1):
                deals += live(dice, customer, back, current.plan, current.mrr)
            break
        turn = dice.roll()
        if turn < 0.016:
            plans = list(PLANS)
            higher = plans[min(plans.index(current.plan) + dice.chance(0.35), 3)]
            price = current.mrr * dice.around(1.3, 0.1) * (1.5 if higher != current.plan else 1)
            price = max(round(price / 10) * 10, current.mrr + 10)
            sell("Existing Business", day, True, 12 * (price - current.mrr), 28)
        elif turn < 0.021:
            higher, price = current.plan, max(round(current.mrr * 0.07) * 10, 50)
        else:
            if turn > 0.99:
                sell("Existing Business", day, False, 12 * current.mrr * dice.around(0.3, 0.2), 28)
            continue
        if day <= END:
            current.ended = day
            current = Subscription(higher, price, day)
            customer.subscriptions.append(current)
    return deals


@dataclass
class Firm:
    """All that happened, in order; keys are given, and nothing is later than END."""

    leads: list[Lead]
    deals: list[Deal]
    customers: list[Customer]


def happen(dice: Dice) -> Firm:
    """Let three years pass: marketing's leads, sales' own deals, and old customers."""
    companies = found_companies(dice)
    leads = attract_leads(dice, companies)
    deals = [lead.deal for lead in leads if lead.deal]
    for month in months():
        for _ in range(dice.count(1.5)):
            opened = workday(month + timedelta(dice.whole(3, 27)))
            source = dice.pick(("outbound", "partner"))
            deals.append(new_deal(dice, next(companies), opened, source))
    for _ in range(TAKEN_OVER):
        opened = workday(START - timedelta(dice.whole(3, 90)))
        deal = new_deal(dice, next(companies), opened, dice.pick(tuple(SOURCES)))
        deals += [deal] if deal.closes >= START else []
    customers = []
    for _ in range(LEGACY):
        customer = Customer(next(companies))
        start = add_months(START, -dice.whole(1, 30)) + timedelta(dice.whole(0, 27))
        plan = dice.pick(PLAN_OF[customer.company.segment])
        mrr = round(PLANS[plan] * dice.around(0.68, 0.2) / 10) * 10
        more = live(dice, customer, start, plan, mrr)
        stranger = not more and customer.subscriptions[-1].ended is None
        if stranger and sum(not each.company.known for each in customers) < UNKNOWN_TO_SALES:
            customer.company.known = False
        customers.append(customer)
        deals += more
    for deal in [deal for deal in deals if deal.won]:
        start = deal.closes + timedelta(dice.whole(1, 9))
        if deal.kind == "New Business" and start <= END:
            customer = Customer(deal.company)
            plan = min(PLANS, key=lambda plan: abs(math.log(deal.amount / 12 / PLANS[plan])))
            deals += live(dice, customer, start, plan, round(deal.amount / 12, 2))
            customers.append(customer)
    deals = [deal for deal in deals if deal.opened <= END]
    deals.sort(key=lambda deal: deal.opened)
    customers.sort(key=lambda customer: customer.subscriptions[0].started)
    give_keys(leads, deals, customers)
    for deal in deals:
        write_history(dice, deal)
    return Firm(leads, deals, customers)


def give_keys(leads: list[Lead], deals: list[Deal], customers: list[Customer]) -> None:
    """Give each thing a key, as its tool would."""
    for number, lead in enumerate(leads):
        lead.key = str(7_701_000_000_051 + 37 * number)
    for number, customer in enumerate(customers):
        customer.key = f"{101 + number:05}"
        if customer.company.known:
            customer.company.account_id = salesforce_id("001", 7_000 + 3 * number)
    for number, deal in enumerate(deals):
        deal.key = salesforce_id("006", 41_000 + 7 * number)
        if not deal.company.account_id:
            deal.company.account_id = salesforce_id("001", 20_000 + 3 * number)
