"""The door for data: files and databases become tables that keep their contract.

A file is read as text, converted against the contract and kept as Parquet under `.revops/cache`,
keyed by its content and its mapping, so that it is parsed once. A table of an engine stays where
it is.
"""

import hashlib
import json
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import BinaryIO

import ibis
import ibis.expr.operations as ops
import ibis.expr.types as ir
import pyarrow.parquet as pq

from revops_kit.contracts import TableContract
from revops_kit.errors import SourceError
from revops_kit.sources.health import Health, Problem
from revops_kit.sources.spec import House, TableSpec
from revops_kit.units import locale

__all__ = ["Health", "House", "Problem", "Source", "TableSpec", "open_source"]

A_DAY = 24 * 60 * 60  # in seconds


@dataclass(frozen=True)
class Source:
    """A table that keeps its contract.

    Attributes
    ----------
    table
        Lazy; all its columns, as they are today.
    health
        How many rows count, which were left out and why.
    is_fixed
        Whether it stays as it is, as what was read from a file does; a database goes on.
    """

    name: str
    table: ir.Table
    health: Health
    is_fixed: bool = False


def open_source(
    table: TableContract,
    spec: TableSpec,
    house: House,
    con: ibis.BaseBackend,
    *,
    is_embedded: bool,
) -> Source:
    """Open one table of a workspace.

    Parameters
    ----------
    con
        The engine. Tables from files are brought into it.
    is_embedded
        Whether it is the DuckDB in this process, which has no tables of its own.

    Raises
    ------
    SourceError, ContractError
        When it cannot be read, or lacks what it cannot do without.
    """
    if not spec.file and not is_embedded:
        from revops_kit.sources.engine import from_engine

        return Source(table.name, *from_engine(table, spec, house, con))
    if spec.file:
        path, health = _cached(table, spec, house)
        if con.name == "duckdb":
            return Source(table.name, _in_place(path, con), health, is_fixed=True)
        rows = pq.read_table(path)
    else:
        from revops_kit.sources.ingest import from_query

        rows, health = from_query(table, spec, house)
    try:
        brought = con.create_table(f"revops_{table.name}", rows, temp=True)
    except Exception as error:  # every driver has errors of its own
        raise SourceError(
            f"[tables.{table.name}] cannot be brought into {con.name} ({type(error).__name__}): "
            f"temporary tables need the right to make them."
        ) from None
    return Source(table.name, brought, health, is_fixed=True)


def _in_place(path: Path, con: ibis.BaseBackend) -> ir.Table:
    """Leave a file to DuckDB, which reads it when its name stands in a query.

    Ibis's `read_parquet` makes a view and has it described, in ten times the time; most tables of
    a workspace are never asked for.
    """
    schema = ibis.Schema.from_pyarrow(pq.read_schema(path))
    table = ops.DatabaseTable(str(path), schema=schema, source=con, namespace=ops.Namespace())
    return table.to_expr()


def _cached(table: TableContract, spec: TableSpec, house: House) -> tuple[Path, Health]:
    """Find a file's table in the cache, or read the file and keep it there."""
    kept = house.folder / ".revops" / "cache"
    key = _key(table, spec, house)
    path, record = kept / f"{table.name}-{key}.parquet", kept / f"{table.name}-{key}.json"
    # What is not there, or was damaged since, is read again.
    with suppress(OSError, ValueError, KeyError):
        pq.read_schema(path)
        return path, Health.from_record(json.loads(record.read_text("utf-8")))
    from revops_kit.sources.ingest import from_file

    rows, health = from_file(table, spec, house)
    try:
        kept.mkdir(parents=True, exist_ok=True)
        # The record comes last: a table without one is not taken for whole.
        _write(path, lambda part: pq.write_table(rows, part, compression="zstd"))
        _write(record, lambda part: part.write(json.dumps(health.as_record()).encode()))
        _clear(kept, path)
    except OSError as error:
        raise SourceError(
            f"{kept} cannot be written ({error.strerror}): give the folder of revops.toml room "
            f"and the right to write, for the tables read are kept there."
        ) from None
    return path, health


def _clear(kept: Path, path: Path) -> None:
    """Drop what a table's newest copy outdates, but for the last day: it may be open still."""
    newest = path.stat().st_mtime
    table = path.name.rpartition("-")[0]
    for old in kept.glob(f"{table}-*"):
        with suppress(FileNotFoundError):  # another run clears too
            if newest - old.stat().st_mtime > A_DAY:
                old.unlink()


def _write(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """Write a file beside its place, and move it there when it is whole."""
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with part.open("wb") as stream:
            write(stream)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _key(table: TableContract, spec: TableSpec, house: House) -> str:
    """Make a key of everything that a table depends on: contents, mapping, and our own code."""
    digest = hashlib.blake2b(digest_size=12)
    said = [
        spec.model_dump_json(),
        table.name,
        house.timezone,
        house.currency,
        str(sorted(house.rates.items())),
        locale(),  # of the sentences in its health
    ]
    digest.update("\0".join([_code(), *said]).encode())
    for file in [spec.file, *(lookup.file for lookup in spec.lookups.values())]:
        # What cannot be read is told by the reader, which knows how.
        with suppress(OSError), house.folder.joinpath(file).open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "blake2b").digest())
    return digest.hexdigest()


@cache
def _code() -> str:
    """Fingerprint the code that reads, so that a better reader reads again."""
    package = Path(__file__).parent
    files = [*sorted(package.glob("*.py")), package.parent / "contracts.py"]
    return hashlib.blake2b(b"".join(file.read_bytes() for file in files)).hexdigest()
