"""Tables and queries of a database, mapped to the contract and checked where they are.

Nothing is copied: the result is an expression, and the contract's checks are one aggregate each.
"""

import datetime as dt
from pathlib import Path

import ibis
import ibis.expr.types as ir
import sqlglot.errors
from ibis.common.exceptions import IbisError

from revops_kit.contracts import Column, TableContract
from revops_kit.errors import ContractError, SourceError, WorkspaceError, did_you_mean
from revops_kit.sources.health import Health, Problem
from revops_kit.sources.spec import ColumnSpec, TableSpec
from revops_kit.units import plural

TYPES = {
    "text": "string",
    "date": "date",
    "moment": "timestamp",
    "money": "float64",
    "number": "float64",
    "share": "float64",
}


def connect(url: str, folder: Path, timezone: str) -> ibis.BaseBackend:
    """Connect to an engine, in the company's time zone.

    Parameters
    ----------
    url
        What `ibis.connect` takes; a DuckDB file is relative to `folder` and opened to read only.

    Raises
    ------
    SourceError
        When the engine cannot be reached, or its driver is not installed.
    """
    engine, _, rest = url.partition("://")
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
    elif con.name in ("postgres", "duckdb"):
        con.raw_sql(f"SET TimeZone = '{timezone}'").close()
    return con


def from_engine(
    table: TableContract, spec: TableSpec, con: ibis.BaseBackend
) -> tuple[ir.Table, Health]:
    """Map a table or query of an engine to the contract, and check it there."""
    source = _source(table, spec, con)
    origin = _origins(table, spec, source)
    columns = {name: _column(table, name, how, source) for name, how in origin.items()}
    # Engines take names that differ only in case for one, so those carried along are lower.
    own = {name.lower(): source[name] for name in reversed(source.columns)}
    extras = {name: own[name] for name in reversed(own) if name not in columns}
    mapped = source.select(**columns, **extras)
    if {"outcome", "closed_at"} <= columns.keys():
        # A CRM writes the expected day into the close date of a deal that is still open.
        mapped = mapped.mutate(
            closed_at=(mapped.outcome == "open").ifelse(ibis.null(), mapped.closed_at)
        )
    return _checked(table, mapped, set(columns))


def _source(table: TableContract, spec: TableSpec, con: ibis.BaseBackend) -> ir.Table:
    named = spec.table or "query"
    try:
        if spec.query:
            source = con.sql(spec.query)
        else:
            *schema, name = spec.table.split(".")
            source = con.table(
                name, database=tuple(schema) if len(schema) > 1 else (schema or [None])[0]
            )
        if spec.where:
            sql = ibis.to_sql(source, dialect=con.name)
            source = con.sql(f"SELECT * FROM ({sql}) AS source WHERE ({spec.where})")
    except (IbisError, sqlglot.errors.SqlglotError) as error:
        known = did_you_mean(spec.table.split(".")[-1], con.list_tables()) if spec.table else ""
        raise SourceError(
            f"[tables.{table.name}]: {named} cannot be read ({type(error).__name__}).{known}"
        ) from None
    except Exception as error:  # every driver has errors of its own
        raise SourceError(
            f"[tables.{table.name}]: {named} cannot be read: {str(error).splitlines()[0][:200]}"
        ) from None
    return source


def _origins(table: TableContract, spec: TableSpec, source: ir.Table) -> dict[str, ColumnSpec]:
    origin = {}
    folded = {each.lower(): each for each in source.columns}
    for name in [*table.columns, *(each for each in spec.columns if each not in table.columns)]:
        how = spec.columns.get(name)
        if spec.says_unavailable(name):
            continue
        if how is None and name in folded:
            how = ColumnSpec(column=folded[name])
        if how is None:
            continue
        if how.generate:
            raise WorkspaceError(
                f"[tables.{table.name}.columns] {name}: the rows of a database have no order to "
                f"number them by. Name a key, or make one in `query`."
            )
        if how.column and how.column not in source.columns:
            raise ContractError(
                f"{table.name}.{name}: the source has no column {how.column!r}."
                f"{did_you_mean(how.column, source.columns)} "
                f"Its columns: {', '.join(source.columns)}."
            )
        origin[name] = how
    for name in table.required:
        if name not in origin:
            raise ContractError(
                f"{table.name} needs {name}, and no column is mapped to it. Write "
                f'{name} = "…" under [tables.{table.name}.columns].'
                f"{did_you_mean(name, source.columns)} Its columns: {', '.join(source.columns)}."
            )
    return origin


def _column(table: TableContract, name: str, how: ColumnSpec, source: ir.Table) -> ir.Value:
    declared = table.columns.get(name)
    kind = TYPES[declared.kind] if declared else "string"
    if how.value is not None:
        return ibis.literal(how.value).cast(kind)
    raw = source[how.column]
    if how.map or how.default is not None:
        text = raw.cast("string")
        other = text if how.default is None else ibis.literal(how.default)
        raw = text.cases(*how.map.items(), else_=other) if how.map else other
    if how.format and raw.type().is_string():
        raw = raw.as_timestamp(how.format)
    if raw.type().is_timestamp() and kind == "date":
        # Through the session's zone first: midnight in UTC may be another day at home.
        raw = raw.cast("timestamp")
    return raw.cast(kind) if str(raw.type()) != kind else raw


def _checked(table: TableContract, mapped: ir.Table, has: set[str]) -> tuple[ir.Table, Health]:
    """Count what breaks the contract in one query, and keep the rows that do not."""
    faults = {
        (fault, name): breaks
        for name, declared in table.columns.items()
        if name in has
        for fault, breaks in _faults(declared, mapped[name])
    }
    counts = {f"fault_{at}": breaks.sum() for at, breaks in enumerate(faults.values())}
    ends = _ends(table, has, mapped)
    if table.key:
        counts["keys"] = (
            mapped.select(*table.key).nunique()
            if len(table.key) > 1
            else (mapped[table.key[0]].nunique())
        )
        counts["keyed"] = mapped[table.key[0]].count()
    found = mapped.aggregate(rows=mapped.count(), **counts, **ends).to_pyarrow().to_pylist()[0]
    problems = []
    good = mapped
    for at, ((fault, name), breaks) in enumerate(faults.items()):
        if count := found[f"fault_{at}"]:
            kind = "missing" if fault == "is empty" else "invalid"
            message = f"{table.name}.{name}: {plural(int(count), 'row')}: the value {fault}"
            problems.append(Problem(kind, name, int(count), (), message))
            good = good.filter(~breaks.fill_null(False))
    if problems:
        # Filters were written on `mapped`: bind them to it in one go.
        keep = ibis.and_(*(~breaks.fill_null(False) for breaks in faults.values()))
        good = mapped.filter(keep)
    if table.key and found["keyed"] > found["keys"]:
        again = int(found["keyed"] - found["keys"])
        key = ", ".join(table.key)
        message = f"{table.name}.{key}: {plural(again, 'row')} with a key that others have too"
        problems.append(Problem("duplicate", key, again, (), message))
        first = ibis.row_number().over(group_by=list(table.key), order_by=list(table.key))
        good = good.mutate(_first=first).filter(lambda each: each._first == 0).drop("_first")
    rows = int(good.count().to_pyarrow().as_py()) if problems else int(found["rows"])
    oldest, newest, until = (_day(found[name]) for name in ("oldest", "newest", "until"))
    rejected = int(found["rows"]) - rows
    return good, Health(rows, rejected, oldest, newest, until, tuple(problems))


def _faults(declared: Column, value: ir.Value) -> list[tuple[str, ir.BooleanValue]]:
    """List the rules a column can break, and the rows that break them."""
    faults = []
    if declared.required:
        faults.append(("is empty", value.isnull()))
    if declared.allowed:
        faults.append((f"is none of {', '.join(declared.allowed)}", value.notin(declared.allowed)))
    if declared.at_least is not None:
        faults.append((f"is below {declared.at_least:g}", value < declared.at_least))
    if declared.at_most is not None:
        faults.append((f"is above {declared.at_most:g}", value > declared.at_most))
    return faults


def _ends(table: TableContract, has: set[str], mapped: ir.Table) -> dict[str, ir.Scalar]:
    """Ask for the first and last day on which something happened, or is planned."""
    happened = [mapped[name].cast("date") for name in table.happened if name in has]
    planned = [
        mapped[each.name].cast("date")
        for each in table.columns.values()
        if each.planned and each.name in has
    ]
    nothing = ibis.null("date")
    return {
        "oldest": ibis.least(*(day.min() for day in happened)) if happened else nothing.max(),
        "newest": ibis.greatest(*(day.max() for day in happened)) if happened else nothing.max(),
        "until": ibis.greatest(*(day.max() for day in planned)) if planned else nothing.max(),
    }


def _day(found: dt.date | dt.datetime | None) -> dt.date | None:
    return found.date() if isinstance(found, dt.datetime) else found
