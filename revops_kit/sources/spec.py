"""What `revops.toml` says about one table: where it comes from and how its columns are read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

UNAVAILABLE = "unavailable"


@dataclass(frozen=True)
class House:
    """What holds for every table of a workspace: where it stands, its time zone and money.

    Attributes
    ----------
    rates
        What one unit of another currency is worth in `currency`.
    """

    folder: Path
    timezone: str
    currency: str
    rates: Mapping[str, float] = field(default_factory=dict)


class Strict(BaseModel):
    """Settings that refuse what they do not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ColumnSpec(Strict):
    """One column: taken from the source, mapped, constant or numbered.

    Attributes
    ----------
    column
        Name in the source.
    format
        How its dates are written, as strptime has it.
    map, default
        What its values mean, and what all others mean.
    value
        The same for every row.
    generate
        Number the rows of the source, before `where`.
    """

    column: str = ""
    format: str = ""
    map: dict[str, str] = Field(default_factory=dict)
    default: str | None = None
    value: str | float | None = None
    generate: bool = False

    @model_validator(mode="after")
    def _one_origin(self) -> "ColumnSpec":
        if sum([bool(self.column), self.value is not None, self.generate]) != 1:
            raise ValueError('takes one of column = "…", value = … and generate = true')
        return self


def _written_short(given: object) -> object:
    """Read `amount = "close_value"` as `amount = { column = "close_value" }`."""
    return {"column": given} if isinstance(given, str) else given


Columns = dict[str, Annotated[ColumnSpec, BeforeValidator(_written_short)]]


class Reading(Strict):
    """How a file is read; what is left out is found out."""

    encoding: str | None = None
    separator: str | None = None
    decimal: Literal[".", ","] | None = None
    thousands: str | None = None
    sheet: str | int | None = None
    skip_rows: int | None = Field(default=None, ge=0)
    dayfirst: bool | None = None


class Lookup(Reading):
    """A file of the company's own whose columns are added to a table, to split figures by.

    Attributes
    ----------
    file
        Path, relative to the workspace.
    key
        Its column that holds the values looked up; no two rows may share one.
    """

    file: str
    key: str


class TableSpec(Reading):
    """One table of the contract.

    Attributes
    ----------
    file, table, query, history
        Where it comes from: exactly one of them. `history` is for forecasts: the figure whose
        forecasts the kit made itself and kept.
    where
        A SQL condition on the source's own columns.
    columns
        Canonical column → the source's column, or how it is made.
    lookups
        Column of the table → file with more about its values.
    """

    file: str = ""
    table: str = ""
    query: str = ""
    history: str = ""
    where: str = ""
    columns: Columns = Field(default_factory=dict)
    lookups: dict[str, Lookup] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _one_source(self) -> "TableSpec":
        if sum(map(bool, (self.file, self.table, self.query, self.history))) != 1:
            raise ValueError('takes one of file = "…", table = "…" and query = "…"')
        unread = [
            each
            for each in ("encoding", "separator", "sheet", "skip_rows")
            if not self.file and getattr(self, each) is not None
        ]
        if unread:
            raise ValueError(f"{unread[0]} says how a file is read, and this is none")
        return self

    def says_unavailable(self, name: str) -> bool:
        """Tell whether a column was declared unfit for use."""
        return name in self.columns and self.columns[name].column == UNAVAILABLE
