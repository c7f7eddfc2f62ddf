"""What each table promises: grain, columns, meaning, units and checks, declared once.

Everything else follows from these classes: how text is converted, which rows are rejected, what
is pushed down to a database, what can be seen as of a date, and the data dictionary in
`data/README.md`.
"""

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import pandera.pandas as pa
from pandera.typing import Series

Kind = Literal["text", "date", "moment", "money", "number", "share"]
# What values of each kind are held as, by Ibis's name for it.
TYPES: dict[str, str] = {
    "text": "string",
    "date": "date",
    "moment": "timestamp",
    "money": "float64",
    "number": "float64",
    "share": "float64",
}
Team = Literal["marketing", "sales", "service", "operations"]

Text = Series[str]
Moment = Series[pa.DateTime]
Amount = Series[float]


def column(
    meaning: str,
    kind: Kind,
    *,
    required: bool = False,
    names: str = "",
    born: bool = False,
    ends: bool = False,
    planned: bool = False,
    **checks: Any,
) -> Any:
    """Declare a column.

    Parameters
    ----------
    meaning
        What it says, for the data dictionary.
    kind
        What its text is converted to. A date is a day; a moment also has a time, in the
        company's time zone; money is in the reporting currency; a share is 0 to 1.
    required
        Whether the table is of no use without it, and a row neither.
    names
        The table whose key it holds.
    born
        Whether the row came to be known then: seen from an earlier day, it does not exist.
    ends
        Whether it was filled in later: seen from an earlier day, it is still empty.
    planned
        Whether it may lie in the future, so that it does not tell how far the data go.
    **checks
        What pandera's Field checks: `ge`, `le`, `isin` …
    """
    facts = {"kind": kind, "names": names, "born": born, "ends": ends, "planned": planned}
    return pa.Field(
        description=meaning,
        nullable=not required,
        metadata=facts | {"required": required},
        **checks,
    )


class Contract(pa.DataFrameModel):
    """A table of the contract; `team` says whose silo it comes from."""

    class Config:
        """Columns outside the contract are carried along."""

        strict = False


class Leads(Contract):
    """One row per lead: a person or company that showed interest."""

    lead_id: Text = column("Marketing's key of the lead.", "text", required=True)
    created_at: Moment = column("First contact.", "moment", required=True, born=True)
    converted_at: Moment | None = column("When it became a customer.", "moment", ends=True)
    email: Text | None = column("E-mail address.", "text")
    name: Text | None = column("Name of the person.", "text")
    company: Text | None = column("Name of the company.", "text")
    domain: Text | None = column("Internet domain of the company.", "text")
    source: Text | None = column("Where it came from, named as `spend.channel`.", "text")
    campaign: Text | None = column("Campaign that brought it.", "text")
    qualified_at: Moment | None = column("When it was found worth working on.", "moment", ends=True)
    account_id: Text | None = column("The account it belongs to.", "text", names="accounts")


class Touches(Contract):
    """One row per touch: a contact of marketing with a lead."""

    touch_id: Text = column("Key of the touch.", "text", required=True)
    lead_id: Text | None = column("The lead that was touched.", "text", names="leads")
    touched_at: Moment = column("When it happened.", "moment", required=True, born=True)
    channel: Text = column("Channel it came through.", "text", required=True)
    campaign: Text | None = column("Campaign it belongs to.", "text")


class Spend(Contract):
    """One row per expense of marketing or sales."""

    spent_on: Moment = column("Day it is booked on.", "date", required=True, born=True)
    amount: Amount = column("What was spent; a refund is negative.", "money", required=True)
    channel: Text | None = column("Channel it was spent on.", "text")
    campaign: Text | None = column("Campaign it was spent on.", "text")
    department: Text | None = column("Who spent it: marketing or sales.", "text")
    kind: Text | None = column("What it paid for: media, people, tools …", "text")


class Accounts(Contract):
    """One row per account: a company that sales knows."""

    account_id: Text = column("Sales' key of the company.", "text", required=True)
    name: Text | None = column("Name of the company.", "text")
    domain: Text | None = column("Internet domain of the company.", "text")


class Opportunities(Contract):
    """One row per opportunity: a deal that sales works on, or has won or lost."""

    opportunity_id: Text = column("Sales' key of the deal.", "text", required=True)
    outcome: Text = column(
        "How it stands: open, won or lost.", "text", required=True, isin=["open", "won", "lost"]
    )
    opened_at: Moment | None = column("When sales began to work on it.", "moment", born=True)
    closed_at: Moment | None = column(
        "When it was won or lost; empty or ignored while open.", "moment", ends=True
    )
    amount: Amount | None = column("What the deal is worth.", "money")
    account_id: Text | None = column("The account it is with.", "text", names="accounts")
    lead_id: Text | None = column("The lead it came from.", "text", names="leads")
    source: Text | None = column("Where it came from, where it has no lead.", "text")
    stage: Text | None = column("Stage it is in.", "text")
    owner: Text | None = column("Who works on it.", "text")
    forecast_category: Text | None = column("Commit, best case, pipeline …", "text")
    expected_close: Moment | None = column("Day it is expected to close.", "date", planned=True)
    probability: Amount | None = column("Chance of winning it.", "share", ge=0, le=1)
    type: Text | None = column(
        "Whether the customer is new.", "text", isin=["new", "expansion", "renewal"]
    )


class StageChanges(Contract):
    """One row per change of an opportunity, with the values it had from then on."""

    opportunity_id: Text = column("The deal.", "text", required=True, names="opportunities")
    changed_at: Moment = column("When it changed.", "moment", required=True, born=True)
    stage: Text | None = column("Stage from then on.", "text")
    amount: Amount | None = column("Amount from then on.", "money")
    expected_close: Moment | None = column("Expected close from then on.", "date", planned=True)
    forecast_category: Text | None = column("Forecast category from then on.", "text")


class Targets(Contract):
    """One row per month's target, or per part of it."""

    month: Moment = column("First day of the month.", "date", required=True, planned=True)
    amount: Amount = column("Bookings aimed at.", "money", required=True, ge=0)


class Forecasts(Contract):
    """One row per forecast as it was submitted: what a month was expected to bring."""

    made_on: Moment = column("Day it was made.", "date", required=True, born=True)
    month: Moment = column("First day of the month it is for.", "date", required=True, planned=True)
    amount: Amount = column("Bookings expected.", "money", required=True)
    category: Text | None = column("Commit, best case, pipeline …", "text")
    owner: Text | None = column("Whose forecast it is.", "text")


class Customers(Contract):
    """One row per customer, as service or billing knows them."""

    customer_id: Text = column("Service's key of the customer.", "text", required=True)
    name: Text | None = column("Name of the customer.", "text")
    email: Text | None = column("E-mail address.", "text")
    domain: Text | None = column("Internet domain.", "text")
    account_id: Text | None = column("The account it belongs to.", "text", names="accounts")


class Subscriptions(Contract):
    """One row per subscription at one price; a new price is a new row."""

    subscription_id: Text = column("Key of the subscription.", "text", required=True)
    customer_id: Text = column("Whose it is.", "text", required=True, names="customers")
    started_on: Moment = column("First day it runs.", "date", required=True, born=True)
    ended_on: Moment | None = column(
        "Last day, or empty; may be announced ahead.", "date", ends=True, planned=True
    )
    mrr: Amount = column(
        "Revenue a month; a trial or free plan has 0.", "money", required=True, ge=0
    )
    plan: Text | None = column("Plan it is on.", "text")


class Payments(Contract):
    """One row per payment received."""

    customer_id: Text = column("Who paid.", "text", required=True, names="customers")
    paid_on: Moment = column("Day the money came.", "date", required=True, born=True)
    amount: Amount = column("What was paid; a refund is negative.", "money", required=True)


class Tickets(Contract):
    """One row per ticket: a customer's question to service."""

    ticket_id: Text = column("Key of the ticket.", "text", required=True)
    customer_id: Text | None = column("Who asked.", "text", names="customers")
    opened_at: Moment = column("When it was opened.", "moment", required=True, born=True)
    first_response_at: Moment | None = column("When it was first answered.", "moment", ends=True)
    resolved_at: Moment | None = column("When it was solved.", "moment", ends=True)
    priority: Text | None = column("How urgent it is.", "text")
    satisfaction: Amount | None = column("How content the customer was.", "number")


class Changes(Contract):
    """One row per change that RevOps made, and the part of the company that it reached."""

    name: Text = column("What was changed.", "text", required=True)
    started_on: Moment = column("First day it was in force.", "date", required=True, born=True)
    column_: Text | None = column("Column that names the part reached.", "text", alias="column")
    value: Text | None = column("Value of that column; empty for everybody.", "text")


@dataclass(frozen=True)
class Column:
    """A column of a contract, as the rest of the kit asks about it."""

    name: str
    meaning: str
    kind: Kind
    required: bool
    names: str
    born: bool
    ends: bool
    planned: bool
    at_least: float | None
    at_most: float | None
    allowed: tuple[str, ...]


@dataclass(frozen=True)
class TableContract:
    """A table of the contract, as the rest of the kit asks about it.

    Attributes
    ----------
    key
        Columns that no two rows share; empty for tables in which equal rows may be right.
    """

    name: str
    team: Team
    grain: str
    key: tuple[str, ...]
    columns: dict[str, Column]
    model: type[Contract]

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that a row cannot do without."""
        return tuple(name for name, column in self.columns.items() if column.required)

    @property
    def happened(self) -> tuple[str, ...]:
        """Columns that say when something happened, and so how far the data go."""
        dated = (each for each in self.columns.values() if each.kind in ("date", "moment"))
        return tuple(each.name for each in dated if not each.planned)


DECLARED: dict[str, tuple[type[Contract], Team, tuple[str, ...]]] = {
    "leads": (Leads, "marketing", ("lead_id",)),
    "touches": (Touches, "marketing", ("touch_id",)),
    "spend": (Spend, "marketing", ()),
    "accounts": (Accounts, "sales", ("account_id",)),
    "opportunities": (Opportunities, "sales", ("opportunity_id",)),
    "stage_changes": (StageChanges, "sales", ()),
    "targets": (Targets, "sales", ()),
    "forecasts": (Forecasts, "sales", ()),
    "customers": (Customers, "service", ("customer_id",)),
    "subscriptions": (Subscriptions, "service", ("subscription_id",)),
    "payments": (Payments, "service", ()),
    "tickets": (Tickets, "service", ("ticket_id",)),
    "changes": (Changes, "operations", ()),
}


@cache
def contract(name: str) -> TableContract:
    """Look up what a table promises."""
    model, team, key = DECLARED[name]
    schema = model.to_schema()
    columns = {}
    for label, each in schema.columns.items():
        bounds: dict[str, Any] = {}
        for check in each.checks:
            bounds |= check.statistics
        columns[label] = Column(
            name=label,
            meaning=each.description,
            at_least=bounds.get("min_value"),
            at_most=bounds.get("max_value"),
            allowed=tuple(bounds.get("allowed_values", ())),
            **each.metadata,
        )
    grain = (model.__doc__ or "").strip()
    return TableContract(name, team, grain, key, columns, model)


def names() -> tuple[str, ...]:
    """List the tables of the contract, silo by silo."""
    return tuple(DECLARED)


def dictionary() -> str:
    """Write the data dictionary, as it stands in `data/README.md`."""
    lines = [
        "# Data dictionary",
        "",
        "The tables the kit understands, generated from `revops_kit/contracts.py` by",
        "`python -m revops_kit.contracts`. Every table is optional; so is every column that is not",
        "in **bold**. Columns that are not named here are carried along, to split figures by.",
        "",
        "A *date* is a day, a *moment* has a time of day in the company's time zone, *money* is in",
        'the company\'s currency, and a *share* is 0 to 1. "Known from" and "filled in later" say',
        "how a table looks when it is seen as of an earlier day: a row does not exist before it is",
        "known, and a value filled in later is still empty.",
    ]
    team = ""
    for name in names():
        table = contract(name)
        if table.team != team:
            team = table.team
            lines += ["", f"## {team.capitalize()}"]
        key = ", ".join(f"`{part}`" for part in table.key) or "none: equal rows may be right"
        lines += ["", f"### {name}", "", f"{table.grain} Key: {key}.", ""]
        lines += ["| column | kind | meaning | as of |", "|---|---|---|---|"]
        lines += [_line(each) for each in table.columns.values()]
    return "\n".join(lines) + "\n"


def _line(each: Column) -> str:
    title = f"**`{each.name}`**" if each.required else f"`{each.name}`"
    checks = []
    if each.allowed:
        checks.append("one of " + ", ".join(each.allowed))
    if each.at_least is not None:
        checks.append(f"at least {each.at_least:g}")
    if each.at_most is not None:
        checks.append(f"at most {each.at_most:g}")
    if each.names:
        checks.append(f"key of `{each.names}`")
    kind = each.kind + (f" ({'; '.join(checks)})" if checks else "")
    seen = "known from" if each.born else "filled in later" if each.ends else ""
    return f"| {title} | {kind} | {each.meaning} | {seen} |"


if __name__ == "__main__":
    print(dictionary(), end="")
