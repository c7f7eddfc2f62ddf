"""The tables as a KPI sees them: what the contract promises, as lazy Ibis, as of a date.

Every column of the contract is there; one that the source lacks is empty, and `has` says so.
"""

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import ibis
import ibis.expr.types as ir
from pydantic import Field

from revops_kit.contracts import TYPES, TableContract, contract, names
from revops_kit.errors import RequestError, RevopsError, UnknownNameError
from revops_kit.sources import Source
from revops_kit.sources.spec import Strict

# Engines flatten nested selects by themselves; for Ibis it is a third of compiling a query.
ibis.options.sql.fuse_selects = False

BLANK = "(blank)"
OURS = "revops_"  # begins the names of columns that the kit adds
# Beside the column to split by, for that may be called like one that a figure is made of.
SEGMENT = f"{OURS}segment"
# A deal's source is its lead's; what a lead calls source, spend and touches call channel.
SOURCES = {"leads": "source", "spend": "channel", "touches": "channel"}


class Policies(Strict):
    """The choices that definitions leave open, and that a company makes once.

    Attributes
    ----------
    churn
        Whose rule counts a churned customer.
    grain
        What churns: a customer, or each of its subscriptions.
    cac_spend
        All spend, or what was paid for media.
    cycle_start
        First contact of the deal's lead where it has one, or the day the deal was opened.
    gross_margin
        Share of revenue left after the cost of serving it.
    discount_rate
        What money is worth less a year later, 0.10 for 10 %.
    horizon_months
        How far customer lifetime value looks ahead.
    forecast_category
        Which submitted forecast is the forecast, where several are.
    forecast_lead_days
        How long before its month a forecast is taken as it stood.
    velocity_window
        Deals whose win rate, amount and cycle count: those of the period, or all so far.
    reactivation
        Whether customers who come back count as growth in the quick ratio.
    """

    churn: Literal["chartmogul", "stripe", "profitwell", "baremetrics"] = "chartmogul"
    grain: Literal["customer", "subscription"] = "customer"
    cac_spend: Literal["fully_loaded", "paid"] = "fully_loaded"
    cycle_start: Literal["lead", "opportunity"] = "lead"
    gross_margin: float = Field(default=0.8, ge=0, le=1)
    discount_rate: float = Field(default=0.10, ge=0)
    horizon_months: int = Field(default=60, ge=1)
    forecast_category: str = "commit"
    forecast_lead_days: int = Field(default=0, ge=0)
    velocity_window: Literal["period", "all"] = "period"
    reactivation: Literal["included", "excluded"] = "excluded"


@dataclass(frozen=True)
class Tables:
    """The tables of a workspace, as of a date.

    Parameters
    ----------
    sources
        The tables as they are today, by name; an error in the place of one that cannot be read.
    as_of
        The last day that is known; None for all there is.
    policies
        The company's choices.
    by
        A column that every table shall have, its own or that of what it belongs to; its segments
        are in `revops_segment`.
    carried
        Whether the columns that the contract does not name are there too. Figures need none of
        them, and a query takes the longer to be turned into SQL the more columns it has.

    Examples
    --------
    >>> from revops_kit.samples import tiny
    >>> deals = tiny().opportunities
    >>> deals.outcome.to_list()
    ['won', 'lost', 'won', 'lost', 'open']
    >>> tiny(as_of="2026-09-15").opportunities.outcome.to_list()
    ['won', 'lost', 'open', 'open', 'open']
    """

    sources: Mapping[str, Source | RevopsError]
    as_of: dt.date | None = None
    policies: Policies = field(default_factory=Policies)
    by: str = ""
    carried: bool = True

    def __getattr__(self, name: str) -> ir.Table:
        if name.startswith("_") or name not in names():
            raise AttributeError(f"There is no table {name!r}.")
        return self._seen(name)

    def pick(self, name: str, *columns: str) -> ir.Table:
        """Give a table with some of its columns, and the segment; with all if none are named."""
        return self._seen(name, columns)

    def has(self, table: str, *columns: str) -> bool:
        """Tell whether the workspace has a table, and columns of it."""
        source = self.sources.get(table)
        if isinstance(source, RevopsError):
            raise source
        return source is not None and set(columns) <= set(source.table.columns)

    def lacks(self, needs: Mapping[str, tuple[str, ...]]) -> list[str]:
        """List what is needed and not there, as `table` or `table.column`."""
        missing = []
        for table, columns in needs.items():
            if not self.has(table):
                missing += [f"{table}.{column}" for column in columns] or [table]
            else:
                missing += [
                    f"{table}.{column}" for column in columns if not self.has(table, column)
                ]
        return missing

    def without_rows(self, names: Iterable[str]) -> str:
        """Say which of some tables have no rows that count, as a clause, or nothing."""
        found = [self.sources.get(name) for name in names]
        empty = [each.name for each in found if isinstance(each, Source) and not each.health.rows]
        return " and ".join(
            f"there {'is' if name == 'spend' else 'are'} no {name.replace('_', ' ')}"
            for name in empty
        )

    def split(self, by: str) -> "Tables":
        """Give every table a column to split by, wherever the workspace has it.

        Case does not matter: `by` of the tables returned is the column's own name.

        Raises
        ------
        UnknownNameError
            When no table has such a column.
        """
        if not by:
            return self
        columns = {
            column
            for source in self.sources.values()
            if isinstance(source, Source)
            for column in source.table.columns
        }
        if columns & (
            {"source", "channel"} if by.lower() in ("source", "channel") else {by.lower()}
        ):
            return replace(self, by=by.lower())
        for source in self.sources.values():
            if isinstance(source, RevopsError):
                raise source  # the table that cannot be read may be the one that has it
        raise UnknownNameError("a column", by, columns, "to split by")

    def only(self, by: str, value: str) -> "Tables":
        """Keep the rows of one value of a column, in every table that has it or leads to it.

        The other tables are not there: nobody knows whose their rows are. Rows that were set aside
        belong to no value, and so are not told of.

        Raises
        ------
        UnknownNameError, RequestError
            When no table has such a column, or none has the value in it.

        Examples
        --------
        >>> from revops_kit.samples import tiny
        >>> tiny().only("outcome", "won").opportunities.count().to_pyarrow().as_py()
        2
        """
        split, kept = replace(self.split(by), as_of=None), {}
        for name, source in self.sources.items():
            if isinstance(source, RevopsError):
                kept[name] = source
                continue
            table = split._seen(name)
            if split.by not in table.columns:
                continue
            mine = table.filter(segment_of(table[split.by]) == value).select(*source.table.columns)
            rows = int(mine.count().to_pyarrow().as_py())
            # Its days stay those of the whole: what lies within them is within its own.
            health = replace(source.health, rows=rows, rejected=0, problems=())
            kept[name] = replace(source, table=mine, health=health)
        if not any(isinstance(each, Source) and each.health.rows for each in kept.values()):
            raise RequestError(
                f"There are no rows of {split.by} {value!r}: is it spelt as in the data?"
            )
        return replace(self, sources=kept)

    def _seen(self, name: str, wanted: Sequence[str] = ()) -> ir.Table:
        """See one table as of the date, complete and with the column to split by."""
        promised, as_of = contract(name), self.as_of
        source = self.sources.get(name)
        if isinstance(source, RevopsError):
            raise source
        if source is None:
            schema = {each.name: TYPES[each.kind] for each in promised.columns.values()}
            table = ibis.memtable([], schema=ibis.schema(schema))
        elif as_of is None or _is_all_known(source, promised, as_of):
            table, as_of = source.table, None
        else:
            table = _known(source.table, promised, as_of)
        table = self._with_by(name, table) if self.by else table
        is_split = self.by and self.by in {*table.columns, *promised.columns}
        if not wanted:
            there = [each for each in table.columns if self.carried or each in promised.columns]
            wanted = [*there, *promised.columns, *([self.by] if is_split else [])]
        ours = [each for each in table.columns if each.startswith(OURS)]
        columns = {each: _column(table, promised, each, as_of) for each in [*wanted, *ours]}
        if is_split:
            columns[SEGMENT] = segment_of(_column(table, promised, self.by, as_of))
        is_whole = as_of is None and [*columns] == [*table.columns]
        return table if is_whole else table.select(**columns)

    def _with_by(self, name: str, table: ir.Table) -> ir.Table:
        by = self.by
        if by in ("source", "channel"):
            if name == "opportunities":
                return self._with_source(table)
            if name in SOURCES and not self.has(name, by):
                return table.mutate(**{by: _column(table, contract(name), SOURCES[name])})
        if self.has(name, by):
            return table
        if (parent := self._parent(name)) is None:
            return table
        key, owner = parent
        theirs = self.pick(owner, contract(owner).key[0], by)
        theirs = theirs.select(_key=theirs[contract(owner).key[0]], **{by: theirs[by]})
        mine = table.drop(by) if by in table.columns else table
        return mine.left_join(theirs, mine[key] == theirs._key).drop("_key")

    def _parent(self, name: str) -> tuple[str, str] | None:
        """Find the column that leads to a table with the column to split by."""
        for column in contract(name).columns.values():
            # A table that cannot be read leads nowhere, and whoever does not need it goes on.
            is_there = isinstance(self.sources.get(column.names), Source)
            leads_on = is_there and self.has(name, column.name)
            if leads_on and (self.has(column.names, self.by) or self._parent(column.names)):
                return column.name, column.names
        return None

    def _with_source(self, deals: ir.Table) -> ir.Table:
        """Give each deal the source of its lead, or its own where it has none."""
        mine = self.by if self.has("opportunities", self.by) else "source"
        own = _column(deals, contract("opportunities"), mine)
        if not (self.has("opportunities", "lead_id") and self.has("leads")):
            return deals.mutate(**{self.by: own})
        leads = replace(self, by="").pick("leads", "lead_id", "source")
        leads = leads.select(_key=leads.lead_id, _source=leads.source)
        joined = deals.left_join(leads, deals.lead_id == leads._key)
        source = joined._key.notnull().ifelse(joined._source, own)
        return joined.mutate(**{self.by: source}).drop("_key", "_source")


def _known(table: ir.Table, promised: TableContract, as_of: dt.date) -> ir.Table:
    """Leave out the rows that were not yet known at the end of a day."""
    columns = [each for each in promised.columns.values() if each.name in table.columns]
    # What has no beginning in the data is known from its end on.
    known = [table[each.name].cast("date") for each in columns if each.born]
    known += [table[each.name].cast("date") for each in columns if each.ends]
    if not known:
        return table
    since = ibis.coalesce(*known)
    return table.filter(since.isnull() | (since <= as_of))


def _is_all_known(source: Source, promised: TableContract, as_of: dt.date) -> bool:
    """Tell whether nothing can lie after a day, so that no query need look."""
    days = [source.health.newest]
    if any(each.ends and each.planned for each in promised.columns.values()):
        days.append(source.health.planned_until)
    return source.is_fixed and max(filter(None, days), default=as_of) <= as_of


def _column(
    table: ir.Table, promised: TableContract, name: str, as_of: dt.date | None = None
) -> ir.Value:
    """Give a column as of a day, empty where the contract names it and the source lacks it."""
    if name not in table.columns and name in promised.columns:
        return ibis.null(TYPES[promised.columns[name].kind])
    value = table[name]
    if as_of is None or name not in promised.columns:
        return value
    if promised.columns[name].ends:
        return (value.cast("date") > as_of).ifelse(ibis.null(), value)
    if promised.name == "opportunities" and name == "outcome" and "closed_at" in table.columns:
        is_later = table.closed_at.cast("date") > as_of
        return is_later.fill_null(False).ifelse("open", value)
    return value


def segment_of(value: ir.Value) -> ir.StringValue:
    """Name the segment of a row by its value in the column to split by."""
    return value.cast("string").nullif("").fill_null(BLANK)


def stack(*parts: ir.Table) -> ir.Table:
    """Put tables one below the other, on the columns that all of them have.

    Two tables in one ratio are stacked, one adding to `numerator` and the other to
    `denominator`: a join would count some rows twice.
    """
    shared = [name for name in parts[0].columns if all(name in part.columns for part in parts)]
    types = parts[0].schema()
    alike = [
        part.select(*(part[name].cast(types[name]).name(name) for name in shared)) for part in parts
    ]
    return ibis.union(*alike)
