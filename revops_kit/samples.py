"""Small tables to try things on: for examples, tests and a first look."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from itertools import count
from typing import Any

import duckdb
import ibis
import pandas as pd
import pyarrow as pa

from revops_kit.contracts import TYPES, contract
from revops_kit.periods import Calendar, parse_date
from revops_kit.sources import Health, Source
from revops_kit.tables import Policies, Tables

Rows = Mapping[str, Sequence[Mapping[str, object]] | pd.DataFrame]
NUMBERS = count()


@dataclass(frozen=True)
class Company:
    """Tables with a calendar and a currency: all that a KPI asks of a workspace."""

    tables: Tables
    calendar: Calendar = field(default_factory=Calendar)
    currency: str = "USD"


def workspace(
    rows: Rows, *, calendar: Calendar | None = None, currency: str = "USD", **options: Any
) -> Company:
    """Make a workspace of rows at hand; `options` are those of `tables`.

    Examples
    --------
    >>> from revops_kit import kpis
    >>> ws = workspace({"leads": [
    ...     {"lead_id": "1", "created_at": "2026-09-01", "converted_at": "2026-09-20"},
    ...     {"lead_id": "2", "created_at": "2026-09-02", "converted_at": None},
    ... ]}, as_of="2026-09-30")
    >>> kpis.conversion_rate(ws, "2026-09").value
    0.5
    """
    return Company(tables(rows, **options), calendar or Calendar(), currency)


def tables(
    rows: Rows,
    *,
    as_of: str | dt.date | None = None,
    policies: Policies | None = None,
    con: ibis.BaseBackend | None = None,
) -> Tables:
    """Make tables of the contract from rows at hand.

    Parameters
    ----------
    rows
        Table → its rows; dates as text. Columns left out are absent, as in a source without
        them; a table without any rows has those that the contract requires.
    as_of
        The last day that is known; None for all there is.
    con
        The engine to put them into; a DuckDB in memory when left out.

    Examples
    --------
    >>> made = tables({"leads": [{"lead_id": "1", "created_at": "2026-09-01"}]})
    >>> made.has("leads", "created_at"), made.has("leads", "source")
    (True, False)
    """
    con = con or ibis.duckdb.from_connection(_database().cursor())
    sources = {}
    for name, given in rows.items():
        frame = _typed(name, given)
        kept = con.create_table(f"sample_{name}_{next(NUMBERS)}", frame, temp=True)
        sources[name] = Source(name, kept, Health(len(given), 0, None, None))
    day = parse_date(as_of) if as_of else None
    return Tables(sources, day, policies or Policies())


@cache
def _database() -> duckdb.DuckDBPyConnection:
    """Open one database for all companies, each with temporary tables of its own.

    To open one takes as long as to ask for several figures; a second thread only waits.
    """
    return duckdb.connect(config={"threads": 1})


def close() -> None:
    """Close the database of all companies made so far: nothing can be asked of them any more."""
    _database().close()
    _database.cache_clear()


def _typed(name: str, given: Sequence[Mapping[str, object]] | pd.DataFrame) -> pa.Table:
    """Give rows the types that the contract promises; columns outside it are text."""
    promised = contract(name)
    frame = pd.DataFrame(given).copy()
    if frame.columns.empty:
        frame = pd.DataFrame(columns=list(promised.required), dtype=object)
    columns = {}
    for column in frame.columns:
        kind = promised.columns[column].kind if column in promised.columns else "text"
        values = frame[column]
        if kind in ("date", "moment"):
            values = pd.to_datetime(values, format="ISO8601").astype("datetime64[us]")
        elif kind == "text":
            values = values.astype("string")
        else:
            values = values.astype("float64")
        columns[column] = pa.Array.from_pandas(values).cast(ibis.dtype(TYPES[kind]).to_pyarrow())
    return pa.table(columns)


def tiny(as_of: str = "2026-09-30") -> Tables:
    """Make a company of five deals, four leads and three customers.

    Four deals closed in September 2026: the first and third were won, the second and fourth
    lost; the fifth is open.
    """
    deals = [
        #  key   outcome  opened        closed        amount   lead  region
        ("1", "won", "2026-08-01", "2026-09-10", 12_000.0, "1", "EMEA"),
        ("2", "lost", "2026-08-03", "2026-09-12", 8_000.0, "2", "EMEA"),
        ("3", "won", "2026-08-20", "2026-09-20", 6_000.0, "3", "AMER"),
        ("4", "lost", "2026-09-01", "2026-09-25", 9_000.0, None, "AMER"),
        ("5", "open", "2026-09-05", None, 10_000.0, "4", "EMEA"),
    ]
    leads = [
        ("1", "2026-07-20", "search"),
        ("2", "2026-07-30", "search"),
        ("3", "2026-08-15", "referral"),
        ("4", "2026-09-01", "search"),
    ]
    running = [
        ("1", "A", "2025-01-01", None, 500.0),
        ("2", "B", "2025-03-01", "2026-09-15", 300.0),
        ("3", "C", "2026-02-01", None, 200.0),
    ]
    columns = ("opportunity_id", "outcome", "opened_at", "closed_at", "amount", "lead_id", "region")
    return tables(
        {
            "opportunities": pd.DataFrame(deals, columns=columns),
            "leads": pd.DataFrame(leads, columns=("lead_id", "created_at", "source")),
            "subscriptions": pd.DataFrame(
                running,
                columns=("subscription_id", "customer_id", "started_on", "ended_on", "mrr"),
            ),
        },
        as_of=as_of,
    )
