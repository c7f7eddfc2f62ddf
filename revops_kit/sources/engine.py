"""Tables and queries of a database, mapped to the contract and checked where they are.

Nothing is copied: the result is an expression, and the contract's checks are one aggregate each.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import ibis
import ibis.expr.types as ir
import sqlglot.errors
from ibis.common.exceptions import IbisError, TableNotFound

from revops_kit.contracts import TYPES, Column, TableContract
from revops_kit.errors import SourceError, WorkspaceError, did_you_mean
from revops_kit.sources.health import Health, Problem
from revops_kit.sources.mapping import origins
from revops_kit.sources.spec import ColumnSpec, House, Reading, TableSpec
from revops_kit.units import plural

# What a text must look like to be cast: anything else an engine guesses at, or stops at.
_DAY = r"^\d{4}-\d{2}-\d{2}([ T]\d{2}:\d{2}(:\d{2}(\.\d+)?)?( ?(Z|[+-]\d{2}(:?\d{2})?))?)?$"
_FIGURE = r"^[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"
WRITTEN = {
    "date": (_DAY, "is not a date as in 2026-10-31: give its `format`"),
    "moment": (_DAY, "is not a date as in 2026-10-31 17:15: give its `format`"),
    **dict.fromkeys(("money", "number", "share"), (_FIGURE, "is not a plain number")),
}

_TEXT = "_text_of_"  # before the name of a column that was read out of text


def connect(url: str, folder: Path, timezone: str, written: str = "") -> ibis.BaseBackend:
    """Connect to an engine, in the company's time zone.

    Parameters
    ----------
    url
        What `ibis.connect` takes; a DuckDB file is relative to `folder` and opened to read only.
    written
        The url as the workspace has it, for messages: they do not tell what the environment holds.

    Raises
    ------
    SourceError
        When the engine cannot be reached, or its driver is not installed.
    WorkspaceError
        When there is no such engine.
    """
    engine, _, rest = url.partition("://")
    named, _, place = (written or url).partition("://")
    known = {each.name for each in ibis.util.backend_entry_points()} | {"postgresql"}
    if engine not in known:
        raise WorkspaceError(
            f"[engine] url: there is no engine {named[:40]!r}.{did_you_mean(named, known)}"
        )
    if engine == "duckdb" and rest and not (folder / rest).is_file():
        raise SourceError(f"[engine] url: there is no file {place or named} in {str(folder)!r}.")
    try:
        if engine == "duckdb" and rest:
            con = ibis.duckdb.connect(str(folder / rest), read_only=True)
        else:
            con = ibis.connect(url)
    except (ImportError, ModuleNotFoundError):
        raise SourceError(
            f"The driver for {engine} is not installed. Run: pip install 'revops-kit[{engine}]'."
        ) from None
    except Exception as error:  # every driver has errors of its own
        raise SourceError(
            f"[engine] {engine}: cannot be reached ({type(error).__name__}). "
            f"Is it running, and are the url and its environment variables right?"
        ) from None
    # A moment with an offset is read in the company's time zone, in whatever engine.
    if con.name == "pyspark":
        con.raw_sql(f"SET spark.sql.session.timeZone = {timezone}")
    elif con.name == "duckdb":
        con.raw_sql(f"SET TimeZone = '{timezone}'")  # gives the connection itself: not to be closed
    elif con.name == "postgres":
        con.raw_sql(f"SET TimeZone = '{timezone}'").close()
    return con


def from_engine(
    table: TableContract, spec: TableSpec, house: House, con: ibis.BaseBackend
) -> tuple[ir.Table, Health]:
    """Map a table or query of an engine to the contract, and check it there.

    Raises
    ------
    SourceError, ContractError, WorkspaceError
        When it cannot be read, lacks what it cannot do without, or is to be read as a file.
    """
    for_files = [*Reading.model_fields, "lookups"]
    if said := [name for name in for_files if getattr(spec, name) not in (None, {})]:
        raise WorkspaceError(
            f"[tables.{table.name}] {', '.join(said)}: that is for files. Of a database, ask for "
            f"it in `query`."
        )
    source = _source(table, spec, con)
    origin = _origins(table, spec, source)
    columns = {name: _column(table, name, how, source) for name, how in origin.items()}
    # Engines take names that differ only in case for one, so those carried along are lower.
    own = {name.lower(): source[name] for name in reversed(source.columns)}
    extras = {
        name: own[name]
        for name in reversed(own)
        if name not in columns and not spec.says_unavailable(name)
    }
    texts = _texts(table, origin, source)
    mapped = source.select(**columns, **extras, **{_TEXT + name: texts[name] for name in texts})
    if {"outcome", "closed_at"} <= columns.keys():
        # A CRM writes the expected day into the close date of a deal that is still open.
        mapped = mapped.mutate(
            closed_at=(mapped.outcome == "open").ifelse(ibis.null(), mapped.closed_at)
        )
    rates = {**house.rates, house.currency: 1.0} if "currency" in mapped.columns else {}
    faults = _faults(table, set(columns), texts, rates, mapped)
    try:
        good, health = _checked(table, mapped, faults)
    except Exception as error:  # every driver has errors of its own, and they quote values
        raise SourceError(
            f"[tables.{table.name}]: {con.name} cannot convert its values "
            f"({type(error).__name__}). Convert them in `query`, which can say what odd ones mean."
        ) from None
    if not health.rows and not health.rejected:
        health = _with_nothing(table, spec, health)
    good = _in_company_money(table, set(columns), rates, good)
    return good.drop(*(_TEXT + name for name in texts)), health


def _source(table: TableContract, spec: TableSpec, con: ibis.BaseBackend) -> ir.Table:
    named = spec.table or "query"
    try:
        if spec.query:
            source = con.sql(spec.query.strip().rstrip(";"))
        else:
            *schema, name = spec.table.split(".")
            source = con.table(
                name, database=tuple(schema) if len(schema) > 1 else (schema or [None])[0]
            )
        if spec.where:
            sql = ibis.to_sql(source, dialect=con.name)
            source = con.sql(f"SELECT * FROM ({sql}) AS source WHERE ({spec.where})")
    except TableNotFound:
        known = con.list_tables(database=".".join(schema) or None)
        raise SourceError(
            f"[tables.{table.name}]: {named} cannot be read: {con.name} has no such table."
            f"{did_you_mean(name, known)} Known there: {', '.join(sorted(known)[:20]) or 'none'}."
        ) from None
    except (IbisError, sqlglot.errors.SqlglotError) as error:
        raise SourceError(
            f"[tables.{table.name}]: {named} cannot be read ({type(error).__name__})."
        ) from None
    except Exception as error:  # every driver has errors of its own
        raise SourceError(
            f"[tables.{table.name}]: {named} cannot be read: {str(error).splitlines()[0][:200]}"
        ) from None
    return source


def _origins(table: TableContract, spec: TableSpec, source: ir.Table) -> dict[str, ColumnSpec]:
    origin = origins(table, spec, source.columns, spec.table or "the query")
    for name, how in origin.items():
        if how.generate:
            raise WorkspaceError(
                f"[tables.{table.name}.columns] {name}: the rows of a database have no order to "
                f"number them by. Name a key, or make one in `query`."
            )
    return origin


def _column(table: TableContract, name: str, how: ColumnSpec, source: ir.Table) -> ir.Value:
    declared = table.columns.get(name)
    kind = declared.kind if declared else "text"
    if how.value is not None:
        return ibis.literal(how.value).cast(TYPES[kind])
    raw = _meaning(how, source)
    if kind == "text":
        # Blanks are nobody's key: what a file leaves empty is empty here too.
        text = raw.cast("string").strip().nullif("")
        if declared and declared.allowed:
            small = text.lower()
            text = small.isin(declared.allowed).ifelse(small, text)
        return text
    if raw.type().is_string():
        if how.format:
            raw = raw.as_timestamp(how.format)
        else:
            text = raw.strip()
            raw = text.re_search(WRITTEN[kind][0]).ifelse(text, ibis.null("string"))
            if kind in ("date", "moment"):
                # Without the zone in between, the offset would be cut off.
                raw = raw.cast("timestamp('UTC')")
    if raw.type().is_timestamp() and kind == "date":
        # Through the session's zone first: midnight in UTC may be another day at home.
        raw = raw.cast("timestamp")
    return raw.cast(TYPES[kind]) if str(raw.type()) != TYPES[kind] else raw


def _meaning(how: ColumnSpec, source: ir.Table) -> ir.Value:
    """Give values the meaning that the workspace says they have."""
    raw = source[how.column]
    if not how.map and how.default is None:
        return raw
    text = raw.cast("string").strip().nullif("")
    other = text if how.default is None else ibis.literal(how.default)
    if not how.map:
        return other
    folded = {key.casefold(): meaning for key, meaning in how.map.items()}
    return text.cases(*how.map.items(), else_=text.lower().cases(*folded.items(), else_=other))


def _texts(
    table: TableContract, origin: Mapping[str, ColumnSpec], source: ir.Table
) -> dict[str, ir.StringValue]:
    """Pick the texts that are to become dates and numbers, to see which of them did not."""
    texts = {}
    for name, how in origin.items():
        if name in table.columns and how.value is None and table.columns[name].kind != "text":
            raw = _meaning(how, source)
            if raw.type().is_string():
                texts[name] = raw.strip().nullif("")
    return texts


def _faults(
    table: TableContract,
    has: set[str],
    texts: Mapping[str, ir.Value],
    rates: Mapping[str, float],
    mapped: ir.Table,
) -> dict[tuple[str, str, str], ir.BooleanValue]:
    """List the rules that rows can break, as kind, column and fault, and the rows that do."""
    faults = {}
    for name in texts:
        lost = mapped[_TEXT + name].notnull() & mapped[name].isnull()
        if name == "closed_at" and "outcome" in has:
            lost = lost & (mapped.outcome != "open")
        faults["unreadable", name, WRITTEN[table.columns[name].kind][1]] = lost
    if rates:
        code = _currency(mapped)
        faults["currency", "currency", "is in a currency that [rates] does not name"] = (
            code.notnull() & code.notin(list(rates))
        )
    for name, declared in table.columns.items():
        if name in has:
            for kind, fault, breaks in _rules(declared, mapped[name]):
                if name in texts and kind == "missing":
                    breaks = breaks & mapped[_TEXT + name].isnull()
                faults[kind, name, fault] = breaks
    return {rule: breaks.fill_null(False) for rule, breaks in faults.items()}


def _rules(declared: Column, value: ir.Value) -> list[tuple[str, str, ir.BooleanValue]]:
    """List the rules of the contract that a column can break, and the rows that break them."""
    rules = []
    if declared.required:
        rules.append(("missing", "is empty, and the row needs it", value.isnull()))
    if declared.allowed:
        fault = f"is none of {', '.join(declared.allowed)}"
        rules.append(("invalid", fault, value.notin(declared.allowed)))
    if declared.at_least is not None:
        rules.append(("invalid", f"is below {declared.at_least:g}", value < declared.at_least))
    if declared.at_most is not None:
        rules.append(("invalid", f"is above {declared.at_most:g}", value > declared.at_most))
    return rules


def _checked(
    table: TableContract,
    mapped: ir.Table,
    faults: Mapping[tuple[str, str, str], ir.BooleanValue],
) -> tuple[ir.Table, Health]:
    """Count what breaks the contract in one query, and keep the rows that do not."""
    is_good = ~ibis.or_(*faults.values()) if faults else ibis.literal(True)
    asked = {f"fault_{at}": breaks.sum() for at, breaks in enumerate(faults.values())}
    asked["good"] = is_good.sum()
    for key in table.key:
        asked["keys"] = mapped[key].nunique(where=is_good)
    for name, day in _days(table, mapped).items():
        asked["first_" + name] = day.min(where=is_good)
        asked["last_" + name] = day.max(where=is_good)
    found = mapped.aggregate(rows=mapped.count(), **asked).to_pyarrow().to_pylist()[0]
    problems = []
    for at, (kind, name, fault) in enumerate(faults):
        if count := found[f"fault_{at}"]:
            said = f"{table.name}.{name}: {plural(int(count), 'row')}: the value {fault}"
            problems.append(Problem(kind, name, int(count), (), said))
    rows = int(found["good"] or 0)
    good = mapped.filter(is_good) if rows < found["rows"] else mapped
    if table.key and rows > found["keys"]:
        key, again = table.key[0], rows - found["keys"]
        said = f"{table.name}.{key}: {plural(again, 'row')} with a key that others have too"
        problems.append(Problem("duplicate", key, again, (), said))
        good = _first_of_each(key, good)
        rows = int(found["keys"])
    ends = [name for name in table.columns if f"last_{name}" in found]
    happened = [name for name in ends if not table.columns[name].planned]
    planned = [name for name in ends if table.columns[name].planned]
    return good, Health(
        rows,
        int(found["rows"]) - rows,
        min((found[f"first_{name}"] for name in happened if found[f"first_{name}"]), default=None),
        max((found[f"last_{name}"] for name in happened if found[f"last_{name}"]), default=None),
        max((found[f"last_{name}"] for name in planned if found[f"last_{name}"]), default=None),
        tuple(problems),
    )


def _days(table: TableContract, mapped: ir.Table) -> dict[str, ir.DateValue]:
    dated = (name for name, each in table.columns.items() if each.kind in ("date", "moment"))
    return {name: mapped[name].cast("date") for name in dated if name in mapped.columns}


def _first_of_each(key: str, rows: ir.Table) -> ir.Table:
    """Keep one row of each key, the same one in every query."""
    types = rows.schema().items()
    order = [rows[key]] + [
        rows[name]
        for name, kind in types
        if kind.is_string() or kind.is_numeric() or kind.is_temporal() or kind.is_boolean()
    ]
    ranked = rows.mutate(_first=ibis.row_number().over(group_by=key, order_by=order))
    return ranked.filter(ranked._first == 0).drop("_first")


def _with_nothing(table: TableContract, spec: TableSpec, health: Health) -> Health:
    if spec.where:
        said = f"{table.name}: no row passes `where`: there are no {table.name}"
        return replace(health, problems=(Problem("note", None, 0, (), said),))
    return replace(health, problems=(Problem("empty", None, 0, (), f"{table.name}: has no rows"),))


def _currency(mapped: ir.Table) -> ir.StringValue:
    return mapped.currency.cast("string").strip().upper().nullif("")


def _in_company_money(
    table: TableContract, has: set[str], rates: Mapping[str, float], rows: ir.Table
) -> ir.Table:
    """Convert the amounts of rows that name their currency."""
    if not rates:
        return rows
    rate = _currency(rows).cases(*rates.items(), else_=1.0)
    amounts = [each.name for each in table.columns.values() if each.kind == "money"]
    return rows.mutate(**{name: rows[name] * rate for name in amounts if name in has})
