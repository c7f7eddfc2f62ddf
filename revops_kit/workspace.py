"""A company's data, calendar, money and choices, as `revops.toml` has them."""

import datetime as dt
import os
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import quote, unquote
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import ibis
from pydantic import Field, ValidationError, field_validator

from revops_kit import cron
from revops_kit.contracts import contract, names
from revops_kit.errors import RequestError, RevopsError, WorkspaceError, did_you_mean
from revops_kit.periods import Calendar, parse_date
from revops_kit.snapshots import put_back
from revops_kit.sources import House, Source, TableSpec, open_source
from revops_kit.sources.spec import Strict
from revops_kit.tables import Policies, Tables
from revops_kit.units import ENGLISH, write_in

if TYPE_CHECKING:
    from revops_kit import history

FILE = "revops.toml"
MEMORY = Path("reports") / ".revops" / "history.sqlite"  # below the folder of revops.toml
CODE = r"^[A-Z]{3}$"  # of a currency
# DuckDB shares work out by groups of as many rows. With fewer, threads only wait for each other,
# which is a fifth of counting a small company's figures.
ROWS_A_THREAD = 122_880
REFERENCE = re.compile(r"\$\{(\w+)\}")  # to an environment variable


class Company(Strict):
    """Who it is, and how it counts money and time, and writes numbers."""

    name: str = "The company"
    currency: str = Field(default="USD", pattern=CODE)
    locale: str = ENGLISH
    timezone: str = "UTC"
    fiscal_year_start: int = Field(default=1, ge=1, le=12)
    week_start: Literal["monday", "sunday"] = "monday"

    @field_validator("timezone")
    @classmethod
    def _known_zone(cls, zone: str) -> str:
        try:
            ZoneInfo(zone)
        except (ZoneInfoNotFoundError, ValueError):
            raise ValueError(f"{zone!r} is no time zone; write one such as Europe/Berlin") from None
        return zone

    @field_validator("locale")
    @classmethod
    def _known_locale(cls, written: str) -> str:
        if written == ENGLISH:
            return written
        from babel import Locale, UnknownLocaleError
        from babel.localedata import locale_identifiers

        code = written.replace("-", "_")
        try:
            return str(Locale.parse(code))
        except (UnknownLocaleError, ValueError):
            hint = did_you_mean(code, locale_identifiers()) or " Write one such as de_DE"
            raise ValueError(f"{written!r} is no locale.{hint}") from None


class Engine(Strict):
    """The database that tables and queries are in; left out: DuckDB, in this process."""

    url: str = ""


class Alert(Strict):
    """What makes a report go out; any one of its conditions does.

    Attributes
    ----------
    above, below
        The figure is past this.
    change
        It moved by more than this share of what it was in the period before.
    signal
        It is outside natural variation.
    min_n
        Of fewer things counted, nothing is told.
    consecutive
        So many periods in a row it has to be so.
    cooldown_days
        So many days after it was told, it is not told again.
    """

    kpi: str
    above: float | None = None
    below: float | None = None
    change: Annotated[float, Field(gt=0)] | None = None
    signal: bool = False
    min_n: int = Field(default=1, ge=0)
    consecutive: int = Field(default=1, ge=1, le=12)
    cooldown_days: int = Field(default=0, ge=0)


class Report(Strict):
    """What runs when, and who reads it."""

    notebooks: list[str] = Field(default_factory=lambda: ["overview"])
    period: str = "last-month"
    by: str = ""
    cron: str = ""
    to: list[str] = Field(default_factory=list)
    owner: str = ""
    send_when: Literal["always", "alert"] = "always"
    max_staleness_days: int | None = None
    burst_by: str = ""
    burst_to: dict[str, list[str]] = Field(default_factory=dict)
    alerts: list[Alert] = Field(default_factory=list)

    @field_validator("cron")
    @classmethod
    def _names_a_time(cls, text: str) -> str:
        try:
            return text and str(cron.parse(text))
        except RequestError as error:
            raise ValueError(str(error).removesuffix(".")) from None


class Mail(Strict):
    """How reports are mailed."""

    url: str = ""
    from_: str = Field(default="", alias="from")
    ca: str = ""  # file of the certificate that signed the server's, where it is a company's own
    link: str = Field(default="", pattern=r"^(https?://.+)?$")  # where readers find the reports


class History(Strict):
    """Where runs, figures, forecasts and mails are remembered; left out: beside the reports."""

    url: str = ""


class Settings(Strict):
    """All that `revops.toml` may say."""

    company: Company = Field(default_factory=Company)
    engine: Engine = Field(default_factory=Engine)
    rates: dict[Annotated[str, Field(pattern=CODE)], Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict
    )
    tables: dict[str, TableSpec] = Field(default_factory=dict)
    policies: Policies = Field(default_factory=Policies)
    reports: dict[str, Report] = Field(default_factory=dict)
    mail: Mail | None = None
    history: History = Field(default_factory=History)

    @field_validator("tables")
    @classmethod
    def _known_tables(cls, tables: dict[str, TableSpec]) -> dict[str, TableSpec]:
        for name in tables:
            if name not in names():
                raise ValueError(
                    f"there is no table {name!r}.{did_you_mean(name, names())} "
                    f"Known: {', '.join(names())}"
                )
            if tables[name].history and name != "forecasts":
                raise ValueError(f"the history keeps forecasts, not {name}")
        return tables


@dataclass(frozen=True)
class Workspace:
    """A company's tables as of a date, with its calendar, money and choices.

    Attributes
    ----------
    file
        The `revops.toml`; paths in it are relative to its folder.
    tables
        What KPIs are counted from.
    part
        The column and value whose rows alone it holds; None for the whole company.
    """

    file: Path
    settings: Settings
    tables: Tables
    part: tuple[str, str] | None = None

    @property
    def company(self) -> Company:
        """Who it is."""
        return self.settings.company

    @property
    def currency(self) -> str:
        """Code of the company's money."""
        return self.company.currency

    @property
    def calendar(self) -> Calendar:
        """The company's year and week."""
        return Calendar(self.company.fiscal_year_start, self.company.week_start)

    @property
    def as_of(self) -> dt.date | None:
        """The last day that is known."""
        return self.tables.as_of

    @property
    def reference(self) -> str:
        """What it is opened by from its own folder, such as `revops.toml#region=EMEA`."""
        if not self.part:
            return self.file.name
        column, value = (quote(each, safe="") for each in self.part)
        return f"{self.file.name}#{column}={value}"

    def only(self, column: str, value: str) -> "Workspace":
        """Keep the rows of one value of a column; tables that do not lead to it are not there."""
        return replace(self, tables=self.tables.only(column, value), part=(column, value))

    def open_history(self) -> "history.History":
        """Open what is remembered of earlier runs: to be closed, or used in a `with`.

        Raises
        ------
        WorkspaceError
            For a part of the company: what is remembered is the whole's.
        """
        from revops_kit.history import open_history

        if self.part:
            raise WorkspaceError(
                f"What is remembered is of the whole company: open {self.file.name} without #."
            )
        return open_history(self._history)

    def has_history(self) -> bool:
        """Tell whether anything is remembered; a database is taken to be there."""
        if self.part:
            return False
        return isinstance(self._history, str) or self._history.exists()

    @property
    def _history(self) -> "str | Path":
        return _history_of(self.file, self.settings)

    def __repr__(self) -> str:
        return f"<{self.company.name}, as of {self.as_of}: {', '.join(self.tables.sources)}>"


def open_workspace(path: str | Path = FILE, as_of: str | dt.date | None = None) -> Workspace:
    """Open a workspace, and write numbers in its locale from then on.

    Parameters
    ----------
    path
        The `revops.toml`, or the folder it is in. A bare name is looked for in the folders above
        too, so that notebooks find it from theirs. `revops.toml#region=EMEA` holds only the rows
        of that region.
    as_of
        The last day that is known; the latest day in the data when left out or empty.

    Raises
    ------
    WorkspaceError
        When the file is not there, cannot be read, or says what makes no sense.
    """
    place, part = _parted(Path(path))
    file = find(place)
    settings = read(file)
    write_in(settings.company.locale)
    sources = _open_sources(file, settings)
    day = parse_date(as_of) if as_of else latest_day(sources)
    ws = Workspace(file, settings, Tables(sources, day, settings.policies))
    return ws.only(*part) if part else ws


def find(path: Path) -> Path:
    """Find a workspace's file, here or in a folder above."""
    if path.is_dir():
        path = path / FILE
    places = [path]
    if path.parent == Path():
        places = [folder / path for folder in (Path.cwd(), *Path.cwd().parents)]
    for place in places:
        if place.is_file():
            return place.resolve()
    raise WorkspaceError(
        f"There is no {path}. Name a workspace with -w, or write one: the README shows how."
    )


def read(file: Path) -> Settings:
    """Read what a workspace's file says.

    Raises
    ------
    WorkspaceError
        With all that is wrong, and what may have been meant.
    """
    try:
        said = tomllib.loads(file.read_text("utf-8-sig"))
    except tomllib.TOMLDecodeError as error:
        raise WorkspaceError(f"{file.name} is not TOML: {error}.") from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise WorkspaceError(
            f"{file.name} is not UTF-8: line {line} does not fit. Save it as UTF-8."
        ) from None
    except OSError as error:
        raise WorkspaceError(f"{file} cannot be read: {error.strerror}.") from None
    try:
        return Settings(**said)
    except ValidationError as error:
        problems = "; ".join(dict.fromkeys(_problem(each) for each in error.errors()))
        end = "" if problems.endswith("?") else "."
        raise WorkspaceError(f"{file.name}: {problems}{end}") from None


def latest_day(sources: Mapping[str, Source | RevopsError]) -> dt.date | None:
    """Find the last day on which something happened.

    What may be announced ahead – cancellations, expected closes, targets – does not count; only
    where there is nothing but subscriptions, their ends tell how far the data go.
    """
    healths = {name: each.health for name, each in sources.items() if isinstance(each, Source)}
    days = [health.newest for health in healths.values() if health.newest]
    dated = {name for name, health in healths.items() if health.newest}
    if dated == {"subscriptions"} and healths["subscriptions"].planned_until:
        days.append(healths["subscriptions"].planned_until)
    return max(days, default=None)


def expanded(text: str) -> str:
    """Put environment variables in the place of `${NAME}`.

    Raises
    ------
    WorkspaceError
        When one is not set.
    """

    def put(found: re.Match[str]) -> str:
        if found[1] not in os.environ:
            raise WorkspaceError(f"The environment variable {found[1]} is not set.")
        return os.environ[found[1]]

    return REFERENCE.sub(put, text)


def secrets_of(file: Path) -> dict[str, str]:
    """Find the environment variables that a workspace's file refers to, with their values.

    What it says else does not matter: a file that cannot be read refers to nothing.
    """
    try:
        said = _parted(file)[0].read_text("utf-8-sig", errors="replace")
    except OSError:
        return {}
    return {name: os.environ[name] for name in REFERENCE.findall(said) if name in os.environ}


def _parted(path: Path) -> tuple[Path, tuple[str, str] | None]:
    """Take `#column=value` off a path, unless a file is called so.

    Examples
    --------
    >>> _parted(Path("revops.toml#region=S%C3%BCd"))[1]
    ('region', 'Süd')
    """
    name, _, said = path.name.partition("#")
    column, equals, value = said.partition("=")
    if not equals or path.exists():
        return path, None
    return path.with_name(name), (unquote(column), unquote(value))


def _open_sources(file: Path, settings: Settings) -> dict[str, Source | RevopsError]:
    """Open all tables; one that cannot be read holds its error, for whoever asks for it."""
    company = settings.company
    house = House(file.parent, company.timezone, company.currency, settings.rates)
    if url := settings.engine.url:
        from revops_kit.sources.engine import connect

        con = connect(expanded(url), file.parent, company.timezone, url)
    else:
        con = ibis.duckdb.connect(threads=1)
    opened: dict[str, Source | RevopsError] = {}
    for name, spec in settings.tables.items():
        try:
            if spec.history:
                opened[name] = _own_forecasts(file, settings, spec.history, con)
                continue
            opened[name] = open_source(
                contract(name), spec, house, con, is_embedded=not settings.engine.url
            )
        except RevopsError as error:
            opened[name] = error
    if not settings.engine.url:
        rows = sum(each.health.rows for each in opened.values() if isinstance(each, Source))
        con.raw_sql(f"SET threads = {min(1 + rows // ROWS_A_THREAD, os.cpu_count() or 1)}")
    return put_back(opened, file.parent, con)


def _history_of(file: Path, settings: Settings) -> str | Path:
    """Say where the history is: a database, or a file."""
    url = expanded(settings.history.url)
    return url if "://" in url else file.parent / (url or MEMORY)


def _own_forecasts(file: Path, settings: Settings, kpi: str, con: ibis.BaseBackend) -> Source:
    """Open the forecasts that the kit kept; none before the first was."""
    from revops_kit.history import open_history
    from revops_kit.history.kept import forecasts

    with open_history(_history_of(file, settings)) as history:
        return forecasts(history, kpi, con)


def _problem(error: Mapping[str, Any]) -> str:
    """Write one of pydantic's findings as a sentence."""
    # A union's members stand in the path too; people did not write them.
    path = [str(part) for part in error["loc"] if part not in ("str", "int", "float", "[key]")]
    place = ".".join(path)
    said = error["msg"].removeprefix("Value error, ")
    match error["type"]:
        case "extra_forbidden":
            known = _fields(path[:-1])
            hint = did_you_mean(path[-1], known) or f" Known there: {', '.join(known)}"
            return f"{place} is not a setting.{hint}"
        case "model_type" | "dict_type":
            return f"{place} should be a section of its own, [{place}]"
        case "string_pattern_mismatch":
            return f"{place}: a currency is written as in EUR"
        case _:
            return f"{place}: {said[0].lower()}{said[1:]}"


def _fields(path: list[str]) -> list[str]:
    """List the settings that may stand at a place."""
    model: Any = Settings
    for part in path:
        model = {
            "company": Company,
            "engine": Engine,
            "policies": Policies,
            "mail": Mail,
            "history": History,
            "tables": TableSpec,
            "reports": Report,
            "alerts": Alert,
        }.get(part, model)
        if part == "columns":
            from revops_kit.sources.spec import ColumnSpec

            model = ColumnSpec
        if part == "lookups":
            from revops_kit.sources.spec import Lookup

            model = Lookup
    return [field.alias or name for name, field in model.model_fields.items()]
