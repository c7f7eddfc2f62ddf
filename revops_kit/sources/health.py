"""What is known of a table's state: how many rows, which were rejected, and why."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from revops_kit.units import plural

# Enough to find them by; the count says how many there are.
LINES_SHOWN = 20


@dataclass(frozen=True)
class Problem:
    """Rows of one table that share a fault.

    Attributes
    ----------
    kind
        ragged, unreadable, missing, invalid, duplicate, currency, empty, future, order, unmatched
        or note.
    lines
        The first of their lines in the source, counted from 1; empty for a table of an engine.
    message
        What is wrong, where, and the cure, in one sentence.
    """

    kind: str
    column: str | None
    count: int
    lines: tuple[int, ...]
    message: str


# These are told, but leave the table whole.
HARMLESS = ("note", "unmatched", "future", "order")


@dataclass(frozen=True)
class Health:
    """The state of one table.

    Attributes
    ----------
    rows, rejected
        Rows that count, and rows set aside.
    oldest, newest
        First and last day on which something happened in it; None when nothing did.
    planned_until
        Last day that a planned date names, such as an announced cancellation.
    """

    rows: int
    rejected: int
    oldest: dt.date | None
    newest: dt.date | None
    planned_until: dt.date | None = None
    problems: tuple[Problem, ...] = field(default_factory=tuple)

    @property
    def is_broken(self) -> bool:
        """Tell whether rows break the contract."""
        return any(problem.kind not in HARMLESS for problem in self.problems)

    def as_json(self) -> dict[str, Any]:
        """Give the object that `revops check --format json` prints."""
        return {
            "rows": self.rows,
            "rejected": self.rejected,
            "from": self.oldest.isoformat() if self.oldest else None,
            "newest": self.newest.isoformat() if self.newest else None,
            "problems": [asdict(problem) for problem in self.problems],
        }

    def as_record(self) -> dict[str, Any]:
        """Give what the cache keeps."""
        until = self.planned_until.isoformat() if self.planned_until else None
        return self.as_json() | {"planned_until": until}

    @classmethod
    def from_record(cls, record: dict[str, Any]) -> "Health":
        """Read what the cache kept."""
        day = {
            name: dt.date.fromisoformat(record[key]) if record[key] else None
            for name, key in (
                ("oldest", "from"),
                ("newest", "newest"),
                ("planned_until", "planned_until"),
            )
        }
        problems = tuple(
            Problem(**(each | {"lines": tuple(each["lines"])})) for each in record["problems"]
        )
        return cls(record["rows"], record["rejected"], problems=problems, **day)


def where_at(file: str, lines: Iterable[int], noun: str = "row") -> str:
    """Name the first line of some rows, and how many there are.

    Examples
    --------
    >>> where_at("leads.csv", [17]), where_at("leads.csv", [17, 88, 90])
    ('leads.csv line 17', 'leads.csv line 17 and 2 more rows')
    """
    lines = sorted(lines)
    if not lines:
        return file
    more = f" and {plural(len(lines) - 1, f'more {noun}')}" if len(lines) > 1 else ""
    return f"{file} line {lines[0]}{more}"
