"""Where a history is kept: a SQLite file, or a PostgreSQL database; and locks beside it."""

import hashlib
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from revops_kit.errors import SourceError, WorkspaceError
from revops_kit.history.schema import VERSION, tables, version

# Another process writes for milliseconds; a disk that stalls, for seconds.
BUSY_SECONDS = 30
STEP = 0.1  # seconds between looks at a lock that somebody has

T = TypeVar("T")


@dataclass(frozen=True)
class Store:
    """A database with the tables of a history, made by `open_store`."""

    engine: sa.Engine
    file: Path | None  # None for PostgreSQL

    def close(self) -> None:
        """Let go of the file or the server."""
        self.engine.dispose()

    @contextmanager
    def transaction(self) -> Iterator[sa.Connection]:
        """Do several things or none of them.

        Raises
        ------
        SourceError
            When the history cannot be reached or written.
        """
        try:
            with self.engine.begin() as con:
                yield con
        except SQLAlchemyError as error:
            raise _refused(self.file, error) from None

    @contextmanager
    def alone(self, name: str, wait: bool = False) -> Iterator[bool]:
        """Be the only process, on whatever machine, to do something by that name.

        The kernel or the server gives the lock back when its holder dies.

        Parameters
        ----------
        wait
            Wait for another process to end, instead of giving False.

        Yields
        ------
        bool
            Whether it is alone.
        """
        lock, take = self._guarded(self._file_lock if self.file else self._server_lock, name)
        with closing(lock):
            while not (is_alone := self._guarded(take)) and wait:
                time.sleep(STEP)
            yield is_alone

    def _guarded(self, attempt: Callable[..., T], *words: str) -> T:
        """Try something with the file or the server."""
        try:
            return attempt(*words)
        except (OSError, sqlite3.Error, SQLAlchemyError) as error:
            raise _refused(self.file, error) from None

    def _file_lock(self, name: str) -> tuple[sqlite3.Connection, Callable[[], bool]]:
        """Lock by a SQLite file of its own, which works wherever SQLite does.

        Returns
        -------
        tuple
            What lets go of the lock when it is closed, and what tries to take it.
        """
        folder = self.file.with_name(f"{self.file.name}.locks")
        folder.mkdir(exist_ok=True)
        place = folder / re.sub(r"[^\w-]", "_", name)
        lock = sqlite3.connect(place, timeout=0, isolation_level=None, check_same_thread=False)

        def take() -> bool:
            try:
                lock.execute("BEGIN EXCLUSIVE")
            except sqlite3.Error as error:
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY:
                    raise
                return False
            return True

        return lock, take

    def _server_lock(self, name: str) -> tuple[sa.Connection, Callable[[], bool]]:
        """Lock by a connection of its own to PostgreSQL; gives the same."""
        digest = hashlib.sha256(f"revops {name}".encode()).digest()
        number = int.from_bytes(digest[:8], "big", signed=True)
        lock = self.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        lock.detach()  # so that to close it is to let go
        return lock, lambda: lock.scalar(sa.select(sa.func.pg_try_advisory_lock(number)))


def open_store(where: str | Path) -> Store:
    """Open the store of a history, and make it where there is none.

    Parameters
    ----------
    where
        A file, or the URL of a PostgreSQL database with its password put in.

    Raises
    ------
    SourceError
        When it cannot be reached, or was made by a later version of this package.
    WorkspaceError
        When it is neither a file nor PostgreSQL.
    """
    text = str(where)
    kind, mark, rest = text.partition("://")
    if mark and kind not in ("postgres", "postgresql"):
        raise WorkspaceError(
            "[history] url: write the path of a SQLite file, or postgres://user@host/database."
        )
    file = None if mark else Path(text).absolute()
    try:
        if file:
            file.parent.mkdir(parents=True, exist_ok=True)
            engine = _sqlite(file)
        else:
            engine = sa.create_engine(f"postgresql+psycopg://{rest}", pool_pre_ping=True)
    except ModuleNotFoundError:
        raise SourceError(
            "The driver for PostgreSQL is not installed. Run: pip install 'revops-kit[postgres]'."
        ) from None
    except (OSError, SQLAlchemyError, ValueError) as error:
        raise _refused(file, error) from None
    store = Store(engine, file)
    try:
        _prepare(store)
    except BaseException:
        store.close()
        raise
    return store


def _sqlite(file: Path) -> sa.Engine:
    engine = sa.create_engine(
        sa.URL.create("sqlite", database=str(file)), connect_args={"timeout": BUSY_SECONDS}
    )

    @sa.event.listens_for(engine, "connect")
    def _(con: sqlite3.Connection, _: object) -> None:
        con.isolation_level = None  # `begin` below begins
        con.execute("PRAGMA foreign_keys = ON")

    @sa.event.listens_for(engine, "begin")
    def _(con: sa.Connection) -> None:
        # A transaction that reads first and writes later is refused at once if another wrote.
        con.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _prepare(store: Store) -> None:
    """Make the tables if they are not there, and refuse those of a later version."""
    found = _schema_version(store)
    if found is None:
        with store.alone("schema", wait=True):
            found = _schema_version(store)
            if found is None:
                _create(store)
                found = VERSION
    if found > VERSION:
        raise SourceError(
            f"{_name(store.file)} was made by a later revops_kit (schema {found}; this one knows "
            f"{VERSION}). Run: pip install --upgrade revops-kit."
        )


def _schema_version(store: Store) -> int | None:
    with store.transaction() as con:
        if not sa.inspect(con).has_table(version.name):
            return None
        return con.execute(sa.select(sa.func.max(version.c.version))).scalar()


def _create(store: Store) -> None:
    if store.file:
        _let_readers_in(store.file)
    with store.transaction() as con:
        tables.create_all(con)
        con.execute(version.insert().values(version=VERSION))


def _let_readers_in(file: Path) -> None:
    """Keep a write-ahead log: from here on readers and the one writer do not wait for another."""
    con = sqlite3.connect(file, timeout=BUSY_SECONDS)
    give_up = time.monotonic() + BUSY_SECONDS
    try:
        while True:
            try:
                con.execute("PRAGMA journal_mode = WAL")
                return
            except sqlite3.OperationalError as error:
                # Alone among SQLite's statements this one does not wait for who looks in just now.
                if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > give_up:
                    raise
                time.sleep(STEP)
    finally:
        con.close()


def _name(file: Path | None) -> str:
    return f"The history {file.name}" if file else "The history on PostgreSQL"


def _refused(file: Path | None, error: Exception) -> SourceError:
    """Say that the history cannot be used; drivers' texts quote values and passwords."""
    kind = type(getattr(error, "orig", None) or error).__name__
    if file:
        cure = "Is its folder writable, the disk not full, and the file a history?"
    else:
        cure = "Is it running, and are [history] url and its environment variables right?"
    return SourceError(f"{_name(file)} cannot be used ({kind}). {cure}")
