"""From a file's text to a table of the contract, with every row that is left out accounted for."""

import datetime as dt
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import ibis
import numpy as np
import pandas as pd
import pyarrow as pa

from revops_kit.contracts import TYPES, Column, TableContract
from revops_kit.errors import (
    ContractError,
    SourceError,
    WorkspaceError,
)
from revops_kit.sources import dates, files, money, values
from revops_kit.sources.files import RawTable
from revops_kit.sources.health import LINES_SHOWN, Health, Problem, where_at
from revops_kit.sources.lookups import look_up, read
from revops_kit.sources.mapping import origins
from revops_kit.sources.sieve import Sieve
from revops_kit.sources.spec import ColumnSpec, House, TableSpec
from revops_kit.units import plural

if TYPE_CHECKING:
    import pandera.pandas as pandera

CURRENCY_COLUMN = re.compile(
    r"curr|devise|währung|waehrung|moneda|moeda|valuta|通貨", re.IGNORECASE
)
# Errors of DuckDB that quote the SQL, and never the rows.
ABOUT_SQL = (
    duckdb.ParserException,
    duckdb.BinderException,
    duckdb.CatalogException,
    duckdb.IOException,
)


def from_file(table: TableContract, spec: TableSpec, house: House) -> tuple[pa.Table, Health]:
    """Read a file into a table of the contract.

    Returns
    -------
    table
        The rows that keep the contract: its columns, then those carried along.
    health
        What was left out, and why.

    Raises
    ------
    SourceError
        When the file cannot be read at all.
    ContractError
        When a column that the table cannot do without is missing, or undecidable.
    """
    return convert(table, spec, house, read(house.folder, spec.file, spec), Path(spec.file).name)


def from_query(table: TableContract, spec: TableSpec, house: House) -> tuple[pa.Table, Health]:
    """Run a query of the embedded engine, and read its rows as a file's are read.

    Paths in the query are relative to the workspace.
    """
    con = duckdb.connect()
    con.execute("SET file_search_path = ?", [str(house.folder)])
    con.execute("SET TimeZone = ?", [house.timezone])
    try:
        rows = con.sql(spec.query or f"SELECT * FROM {spec.table}").to_arrow_table()
    except duckdb.Error as error:
        raise SourceError(
            f"[tables.{table.name}]: the query cannot be run: {_told_by(error)}"
        ) from None
    frame = files.frame_of(rows)
    raw = RawTable(frame, np.arange(1, len(frame) + 1), [], [])
    return convert(table, spec, house, raw, f"the query of {table.name}")


def convert(
    table: TableContract, spec: TableSpec, house: House, raw: RawTable, file: str
) -> tuple[pa.Table, Health]:
    """Turn a source's own columns into the contract's, and sieve its rows."""
    numbers = pd.Series(np.arange(1, len(raw.frame) + 1).astype(str), dtype=object)
    frame, lines, numbers, outside = _kept_by_where(spec, raw, numbers, table.name)
    sieve = Sieve(file, lines)
    for reject in raw.rejects:
        sieve.tell("ragged", reject.column, np.array([reject.line]), reject.reason)
    sieve.problems = _merged(sieve.problems, file)
    origin = origins(table, spec, list(frame.columns), file)
    columns: dict[str, pd.Series] = {}
    signs: dict[str, pd.Series] = {}
    for name, how in origin.items():
        declared = table.columns.get(name, Column(name, "text", meaning=""))
        if how.generate:
            columns[name] = numbers
            continue
        converted = _column(declared, how, frame, spec, house, sieve)
        columns[name] = converted.values
        if isinstance(converted, money.Money):
            signs[name] = converted.currencies
    for name in frame.columns:
        # Engines take names that differ only in case for one, so those carried along are lower.
        if name.lower() not in columns and not spec.says_unavailable(name.lower()):
            converted = values.to_text(frame[name])
            columns[name.lower()] = converted.values
            # A column that a contract's one is read from has been told of already.
            if converted.rejected and name not in {how.column for how in origin.values()}:
                errors = sieve.lines[list(converted.rejected)]
                sieve.tell("unmatched", name, errors, "is a spreadsheet error, taken for blank")
    _convert_currencies(columns, signs, house, sieve)
    if signs and "currency" not in columns:
        _suspect_currencies(table.name, columns, house, sieve)
    _check(table, columns, sieve)
    _check_keys(table, columns, sieve)
    _check_order(table, columns, sieve)
    if "outcome" in columns and "closed_at" in columns:
        # A CRM writes the expected day into the close date of a deal that is still open.
        columns["closed_at"] = columns["closed_at"].mask(columns["outcome"] == "open")
    for name, lookup in spec.lookups.items():
        look_up(name, lookup, columns, house, sieve, table)
    kept = ~sieve.out
    arrow = _as_arrow(table, {name: each[kept] for name, each in columns.items()})
    rejected = int(sieve.out.sum()) + len(raw.rejects)
    if not len(raw.frame):
        sieve.tell("empty", None, np.array([], dtype=int), "has a header and no rows")
    elif not len(frame):
        said = f"none of {plural(outside, 'row')} passes `where`: there are no {table.name}"
        sieve.tell("note", None, np.array([], dtype=int), said)
    for note in raw.notes:
        sieve.tell("note", None, np.array([], dtype=int), note)
    return arrow, _health(table, arrow, rejected, sieve.problems)


def _kept_by_where(
    spec: TableSpec, raw: RawTable, numbers: pd.Series, name: str
) -> tuple[pd.DataFrame, np.ndarray, pd.Series, int]:
    """Keep the rows that pass `where`; the last part says how many did not."""
    if not spec.where:
        return raw.frame, raw.lines, numbers, 0
    source = pa.Table.from_pandas(raw.frame, preserve_index=False)
    source = source.append_column("__row", pa.array(np.arange(len(raw.frame))))
    con = duckdb.connect()
    con.register("source", source)
    try:
        kept = con.sql(f"SELECT __row FROM source WHERE ({spec.where}) ORDER BY __row").fetchnumpy()
    except duckdb.Error as error:
        raise WorkspaceError(
            f"[tables.{name}] where = … cannot be used: {_told_by(error)}. Its columns, text in "
            f"all but Parquet and JSON: {', '.join(raw.frame.columns)}."
        ) from None
    rows = np.asarray(kept["__row"], dtype=int)
    return (
        raw.frame.iloc[rows].reset_index(drop=True),
        raw.lines[rows],
        numbers.iloc[rows].reset_index(drop=True),
        len(raw.frame) - len(rows),
    )


def _told_by(error: duckdb.Error) -> str:
    """Take the sentence of a database's error, unless it may quote a row."""
    if isinstance(error, ABOUT_SQL):
        return str(error).strip().splitlines()[0][:300].rstrip(".!")
    return f"a value cannot be converted ({type(error).__name__}); TRY_CAST passes over such values"


def _column(
    declared: Column,
    how: ColumnSpec,
    frame: pd.DataFrame,
    spec: TableSpec,
    house: House,
    sieve: Sieve,
) -> values.Converted:
    """Make one column, leaving out the rows that cannot be read."""
    if how.value is not None:
        raw = pd.Series([how.value] * len(frame), index=frame.index, dtype=object)
    else:
        raw = frame[how.column]
    if how.map or how.default is not None:
        raw = _mapped(values.to_text(raw).values, how)
    named = how.column or declared.name
    try:
        converted = _converted(declared, raw, how, spec, house)
    except ContractError as error:
        raise ContractError(f"{sieve.file}: column {named!r}: {error}") from None
    reasons: dict[str, list[int]] = {}
    for row, reason in converted.rejected.items():
        reasons.setdefault(reason, []).append(row)
    for reason, rows in reasons.items():
        sieve.reject("unreadable", named, np.array(rows), reason)
    for note in converted.notes:
        sieve.tell("note", named, np.array([], dtype=int), note)
    return converted


def _mapped(text: pd.Series, how: ColumnSpec) -> pd.Series:
    """Give values the meaning that the workspace says they have."""
    folded = {key.casefold(): meaning for key, meaning in how.map.items()}
    exact = text.map(how.map)
    loose = text.str.casefold().map(folded)
    other = text if how.default is None else pd.Series(how.default, index=text.index, dtype=object)
    return exact.where(exact.notna(), loose.where(loose.notna(), other)).astype(object)


def _converted(
    declared: Column, raw: pd.Series, how: ColumnSpec, spec: TableSpec, house: House
) -> values.Converted:
    match declared.kind:
        case "text":
            text = values.to_text(raw)
            if not declared.allowed:
                return text
            # `Won` and `WON` are no other word than `won`.
            small = text.values.str.casefold()
            return replace(text, values=text.values.mask(small.isin(declared.allowed), small))
        case "money":
            return money.to_money(raw, spec.decimal, spec.thousands)
        case "number" | "share":
            return values.to_number(
                raw, spec.decimal, spec.thousands, as_share=declared.kind == "share"
            )
        case kind:
            said = {"timezone": house.timezone, "format": how.format, "dayfirst": spec.dayfirst}
            if kind == "date":
                return dates.to_dates(raw, **said, are_months=declared.name == "month")
            return dates.to_timestamps(raw, **said)


def _convert_currencies(
    columns: dict[str, pd.Series], signs: dict[str, pd.Series], house: House, sieve: Sieve
) -> None:
    """Bring amounts into the company's currency, once.

    What they are in stands beside the amount (`signs`), in a column `currency`, or in both.
    """
    for name, beside in signs.items():
        named = pd.DataFrame({"sign": beside.fillna(""), "code": ""})
        if "currency" in columns:
            named["code"] = columns["currency"].fillna("").map(money.code_of)
        named = named[columns[name].notna() & (named.sign.ne("") | named.code.ne(""))]
        for (sign, code), rows in named.groupby(["sign", "code"]).groups.items():
            currency = _currency(sign, code, house)
            if currency is None:
                sieve.reject("currency", name, rows.to_numpy(), "is in two currencies at once")
            elif currency != house.currency and currency not in house.rates:
                sieve.reject("currency", name, rows.to_numpy(), _no_rate(currency))
            elif currency != house.currency:
                columns[name] = columns[name].copy()
                columns[name].iloc[rows] *= house.rates[currency]


def _suspect_currencies(
    table: str, columns: dict[str, pd.Series], house: House, sieve: Sieve
) -> None:
    """Report a column of other currencies that nobody named: the sums may be wrong by a lot."""
    for name, column in columns.items():
        if not CURRENCY_COLUMN.search(name):
            continue
        codes = column.dropna().map(money.code_of)
        foreign = codes[codes.ne(house.currency)]
        if len(foreign) and codes.isin(list(money.CURRENCIES.values())).all():
            sieve.tell(
                "currency",
                name,
                sieve.lines[foreign.index],
                f"names other currencies, and amounts are taken for {house.currency}: write "
                f'currency = "…" with its name, or currency = {{ value = "{house.currency}" }}, '
                f"under [tables.{table}.columns]",
            )


def _currency(sign: str, code: str, house: House) -> str | None:
    """Agree on the currency of an amount; None where sign and code contradict each other."""
    if not sign or sign == code:
        return code
    if sign in money.SHARED:
        # A bare sign stands for the company's own currency where it can.
        could_be = money.SHARED[sign].fullmatch
        if code:
            return code if could_be(code) else None
        return house.currency if could_be(house.currency) else sign
    return None if code else sign


def _no_rate(currency: str) -> str:
    if currency in money.SHARED:
        return (
            f"is in {currency}, which several currencies share: say which in a column `currency`, "
            f'such as currency = {{ value = "EUR" }}'
        )
    if not re.fullmatch("[A-Z]{3}", currency):
        return "is in a currency that is none: `currency` is written as in EUR"
    return f"is in {currency}, which [rates] does not name: write {currency} = … there"


def _check(table: TableContract, columns: dict[str, pd.Series], sieve: Sieve) -> None:
    """Leave out rows that fail the contract's own checks."""
    # It takes as long to import as all else that opening a workspace needs.
    import pandera.pandas as pandera

    for name in table.required:
        empty = columns[name].isna().to_numpy() & ~sieve.out
        sieve.reject("missing", name, np.flatnonzero(empty), "is empty, and the row needs it")
    rest = np.flatnonzero(~sieve.out)
    frame = pd.DataFrame(
        {name: columns[name].iloc[rest].array for name in table.columns if name in columns}
    )
    schema = pandera.DataFrameSchema({name: _checked(table.columns[name]) for name in frame})
    try:
        schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as error:
        for name, failed in error.failure_cases.groupby("column", sort=False):
            where = rest[np.sort(failed["index"].to_numpy(int))]
            sieve.reject("invalid", name, where, _rule(table.columns[name]))


def _checked(declared: Column) -> "pandera.Column":
    """Say to pandera what is left to check of a column once its text is converted."""
    import pandera.pandas as pandera

    checks = []
    if declared.allowed:
        checks.append(pandera.Check.isin(declared.allowed))
    if declared.at_least is not None:
        checks.append(pandera.Check.ge(declared.at_least))
    if declared.at_most is not None:
        checks.append(pandera.Check.le(declared.at_most))
    return pandera.Column(checks=checks, nullable=True)


def _rule(declared: Column) -> str:
    if declared.allowed:
        return (
            f"is none of {', '.join(declared.allowed)}: say what its values mean with "
            f"`map` and `default`"
        )
    low, high = declared.at_least, declared.at_most
    if low is not None and high is not None:
        return f"is not between {low:g} and {high:g}"
    return f"is below {low:g}" if high is None else f"is above {high:g}"


def _check_keys(table: TableContract, columns: dict[str, pd.Series], sieve: Sieve) -> None:
    """Leave out rows that repeat the key of an earlier one."""
    if not table.key:
        return
    rest = np.flatnonzero(~sieve.out)
    frame = pd.DataFrame({name: each.iloc[rest].array for name, each in columns.items()})
    again = frame.duplicated(list(table.key))
    same = frame.duplicated()
    key = ", ".join(table.key)
    sieve.reject(
        "duplicate", key, rest[(again & same).to_numpy()], "is in the file twice, row for row"
    )
    sieve.reject(
        "duplicate",
        key,
        rest[(again & ~same).to_numpy()],
        "repeats the key of an earlier row with other values: the earlier one counts",
    )


def _check_order(table: TableContract, columns: dict[str, pd.Series], sieve: Sieve) -> None:
    """Tell of rows that end before they begin; they are kept, for KPIs to leave out."""
    begins = [each.name for each in table.columns.values() if each.born and each.name in columns]
    ends = [each.name for each in table.columns.values() if each.ends and each.name in columns]
    for name in ends:
        if begins:
            first, last = columns[begins[0]].dt.normalize(), columns[name].dt.normalize()
            wrong = (last < first).fillna(False).to_numpy(dtype=bool) & ~sieve.out
            if "outcome" in columns and name == "closed_at":
                wrong &= (columns["outcome"] != "open").to_numpy(dtype=bool)
            if wrong.any():
                said = f"lies before {begins[0]}: no length can be told"
                sieve.tell("order", name, sieve.lines[np.flatnonzero(wrong)], said)


def _as_arrow(table: TableContract, columns: dict[str, pd.Series]) -> pa.Table:
    arrays, names = [], []
    for name, each in columns.items():
        kind = table.columns[name].kind if name in table.columns else "text"
        kind = ibis.dtype(TYPES[kind]).to_pyarrow()
        if kind == pa.date32():
            array = pa.array(each.to_numpy("datetime64[D]"), type=kind, from_pandas=True)
        else:
            array = pa.array(each, type=kind, from_pandas=True)
        arrays.append(array)
        names.append(name)
    return pa.table(arrays, names=names)


def _health(
    table: TableContract, arrow: pa.Table, rejected: int, problems: list[Problem]
) -> Health:
    def ends(names: list[str]) -> tuple[dt.date | None, dt.date | None]:
        days = []
        for name in names:
            if name in arrow.column_names:
                column = arrow[name].cast(pa.date32(), safe=False)
                days += [day for day in pa.compute.min_max(column).as_py().values() if day]
        return (min(days), max(days)) if days else (None, None)

    planned = [each.name for each in table.columns.values() if each.planned]
    oldest, newest = ends(list(table.happened))
    return Health(len(arrow), rejected, oldest, newest, ends(planned)[1], tuple(problems))


def _merged(problems: list[Problem], file: str) -> list[Problem]:
    """Put rows with the same fault into one problem."""
    groups: dict[tuple[str | None, str], list[Problem]] = {}
    for each in problems:
        reason = each.message.partition(": ")[2]
        groups.setdefault((each.column, reason), []).append(each)
    merged = []
    for (column, reason), alike in groups.items():
        lines = sorted(line for each in alike for line in each.lines)
        merged.append(
            Problem(
                alike[0].kind,
                column,
                len(lines),
                tuple(lines[:LINES_SHOWN]),
                f"{where_at(file, lines)}: {reason}",
            )
        )
    return merged
