"""What each table promises: grain, columns, meaning, units and checks, declared once.

Everything else follows from these declarations: how text is converted, which rows are rejected,
what is pushed down to a database, what can be seen as of a date, and the data dictionary in
`data/README.md`.
"""

from dataclasses import dataclass
from typing import Literal

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


@dataclass(frozen=True)
class Column:
    """A column of a contract.

    Attributes
    ----------
    kind
        What its text is converted to. A date is a day; a moment also has a time, in the
        company's time zone; money is in the reporting currency; a share is 0 to 1.
    meaning
        What it says, for the data dictionary.
    is_key
        Whether no two rows share it.
    required
        Whether the table is of no use without it, and a row neither; a key is.
    names
        The table whose key it holds.
    born
        Whether the row came to be known then: seen from an earlier day, it does not exist.
    ends
        Whether it was filled in later: seen from an earlier day, it is still empty.
    planned
        Whether it may lie in the future, so that it does not tell how far the data go.
    at_least, at_most, allowed
        What its values are held to; empty ones are not.
    """

    name: str
    kind: Kind
    meaning: str
    is_key: bool = False
    required: bool = False
    names: str = ""
    born: bool = False
    ends: bool = False
    planned: bool = False
    at_least: float | None = None
    at_most: float | None = None
    allowed: tuple[str, ...] = ()


@dataclass(frozen=True)
class TableContract:
    """A table of the contract; `team` says whose silo it comes from, `grain` what a row is."""

    name: str
    team: Team
    grain: str
    columns: dict[str, Column]

    @property
    def key(self) -> tuple[str, ...]:
        """Columns that no two rows share; none for tables in which equal rows may be right."""
        return tuple(name for name, column in self.columns.items() if column.is_key)

    @property
    def required(self) -> tuple[str, ...]:
        """Columns that a row cannot do without."""
        return tuple(name for name, column in self.columns.items() if column.required)

    @property
    def happened(self) -> tuple[str, ...]:
        """Columns that say when something happened, and so how far the data go."""
        dated = (each for each in self.columns.values() if each.kind in ("date", "moment"))
        return tuple(each.name for each in dated if not each.planned)


def _table(name: str, team: Team, grain: str, *columns: Column) -> TableContract:
    return TableContract(name, team, grain, {column.name: column for column in columns})


_TABLES = [
    _table(
        "leads",
        "marketing",
        "One row per lead: a person or company that showed interest.",
        Column("lead_id", "text", "Marketing's key of the lead.", is_key=True, required=True),
        Column("created_at", "moment", "First contact.", required=True, born=True),
        Column("converted_at", "moment", "When it became a customer.", ends=True),
        Column("email", "text", "E-mail address."),
        Column("name", "text", "Name of the person."),
        Column("company", "text", "Name of the company."),
        Column("domain", "text", "Internet domain of the company."),
        Column("source", "text", "Where it came from, named as `spend.channel`."),
        Column("campaign", "text", "Campaign that brought it."),
        Column("qualified_at", "moment", "When it was found worth working on.", ends=True),
        Column("account_id", "text", "The account it belongs to.", names="accounts"),
    ),
    _table(
        "touches",
        "marketing",
        "One row per touch: a contact of marketing with a lead.",
        Column("touch_id", "text", "Key of the touch.", is_key=True, required=True),
        Column("lead_id", "text", "The lead that was touched.", names="leads"),
        Column("touched_at", "moment", "When it happened.", required=True, born=True),
        Column("channel", "text", "Channel it came through.", required=True),
        Column("campaign", "text", "Campaign it belongs to."),
    ),
    _table(
        "spend",
        "marketing",
        "One row per expense of marketing or sales.",
        Column("spent_on", "date", "Day it is booked on.", required=True, born=True),
        Column("amount", "money", "What was spent; a refund is negative.", required=True),
        Column("channel", "text", "Channel it was spent on."),
        Column("campaign", "text", "Campaign it was spent on."),
        Column("department", "text", "Who spent it: marketing or sales."),
        Column("kind", "text", "What it paid for: media, people, tools …"),
    ),
    _table(
        "accounts",
        "sales",
        "One row per account: a company that sales knows.",
        Column("account_id", "text", "Sales' key of the company.", is_key=True, required=True),
        Column("name", "text", "Name of the company."),
        Column("domain", "text", "Internet domain of the company."),
    ),
    _table(
        "opportunities",
        "sales",
        "One row per opportunity: a deal that sales works on, or has won or lost.",
        Column("opportunity_id", "text", "Sales' key of the deal.", is_key=True, required=True),
        Column(
            "outcome",
            "text",
            "How it stands: open, won or lost.",
            required=True,
            allowed=("open", "won", "lost"),
        ),
        Column("opened_at", "moment", "When sales began to work on it.", born=True),
        Column(
            "closed_at",
            "moment",
            "When it was won or lost; empty or ignored while open.",
            ends=True,
        ),
        Column("amount", "money", "What the deal is worth."),
        Column("account_id", "text", "The account it is with.", names="accounts"),
        Column("lead_id", "text", "The lead it came from.", names="leads"),
        Column("source", "text", "Where it came from, where it has no lead."),
        Column("stage", "text", "Stage it is in."),
        Column("owner", "text", "Who works on it."),
        Column("forecast_category", "text", "Commit, best case, pipeline …"),
        Column("expected_close", "date", "Day it is expected to close.", planned=True),
        Column("probability", "share", "Chance of winning it.", at_least=0, at_most=1),
        Column(
            "type", "text", "Whether the customer is new.", allowed=("new", "expansion", "renewal")
        ),
    ),
    _table(
        "stage_changes",
        "sales",
        "One row per change of an opportunity, with the values it had from then on.",
        Column("opportunity_id", "text", "The deal.", required=True, names="opportunities"),
        Column("changed_at", "moment", "When it changed.", required=True, born=True),
        Column("stage", "text", "Stage from then on."),
        Column("amount", "money", "Amount from then on."),
        Column("expected_close", "date", "Expected close from then on.", planned=True),
        Column("forecast_category", "text", "Forecast category from then on."),
    ),
    _table(
        "targets",
        "sales",
        "One row per month's target, or per part of it.",
        Column("month", "date", "First day of the month.", required=True, planned=True),
        Column("amount", "money", "Bookings aimed at.", required=True, at_least=0),
    ),
    _table(
        "forecasts",
        "sales",
        "One row per forecast as it was submitted: what a month was expected to bring.",
        Column("made_on", "date", "Day it was made.", required=True, born=True),
        Column("month", "date", "First day of the month it is for.", required=True, planned=True),
        Column("amount", "money", "Bookings expected.", required=True),
        Column("category", "text", "Commit, best case, pipeline …"),
        Column("owner", "text", "Whose forecast it is."),
    ),
    _table(
        "customers",
        "service",
        "One row per customer, as service or billing knows them.",
        Column("customer_id", "text", "Service's key of the customer.", is_key=True, required=True),
        Column("name", "text", "Name of the customer."),
        Column("email", "text", "E-mail address."),
        Column("domain", "text", "Internet domain."),
        Column("account_id", "text", "The account it belongs to.", names="accounts"),
    ),
    _table(
        "subscriptions",
        "service",
        "One row per subscription at one price; a new price is a new row.",
        Column("subscription_id", "text", "Key of the subscription.", is_key=True, required=True),
        Column("customer_id", "text", "Whose it is.", required=True, names="customers"),
        Column("started_on", "date", "First day it runs.", required=True, born=True),
        Column(
            "ended_on",
            "date",
            "Last day, or empty; may be announced ahead.",
            ends=True,
            planned=True,
        ),
        Column(
            "mrr",
            "money",
            "Revenue a month; a trial or free plan has 0.",
            required=True,
            at_least=0,
        ),
        Column("plan", "text", "Plan it is on."),
    ),
    _table(
        "payments",
        "service",
        "One row per payment received.",
        Column("customer_id", "text", "Who paid.", required=True, names="customers"),
        Column("paid_on", "date", "Day the money came.", required=True, born=True),
        Column("amount", "money", "What was paid; a refund is negative.", required=True),
    ),
    _table(
        "tickets",
        "service",
        "One row per ticket: a customer's question to service.",
        Column("ticket_id", "text", "Key of the ticket.", is_key=True, required=True),
        Column("customer_id", "text", "Who asked.", names="customers"),
        Column("opened_at", "moment", "When it was opened.", required=True, born=True),
        Column("first_response_at", "moment", "When it was first answered.", ends=True),
        Column("resolved_at", "moment", "When it was solved.", ends=True),
        Column("priority", "text", "How urgent it is."),
        Column("satisfaction", "number", "How content the customer was."),
    ),
    _table(
        "changes",
        "operations",
        "One row per change that RevOps made, and the part of the company that it reached.",
        Column("name", "text", "What was changed.", required=True),
        Column("started_on", "date", "First day it was in force.", required=True, born=True),
        Column("column", "text", "Column that names the part reached."),
        Column("value", "text", "Value of that column; empty for everybody."),
    ),
]
DECLARED = {table.name: table for table in _TABLES}


def contract(name: str) -> TableContract:
    """Look up what a table promises."""
    return DECLARED[name]


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
