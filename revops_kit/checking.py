"""What is wrong with a workspace's data: broken contracts, rejects, keys that lead nowhere."""

import datetime as dt
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any

from revops_kit.contracts import contract
from revops_kit.errors import RevopsError
from revops_kit.silos import KeyAudit, audit_keys
from revops_kit.sources import Health, Problem, Source
from revops_kit.units import number, plural
from revops_kit.workspace import Workspace

if TYPE_CHECKING:
    from rich.console import Console

SIGNS = {"note": "·", "unmatched": "!", "future": "!"}


@dataclass(frozen=True)
class Findings:
    """What `revops check` found.

    Attributes
    ----------
    tables
        Name → its state, or why it cannot be read.
    keys
        How well keys lead from table to table.
    """

    tables: dict[str, Health | RevopsError]
    keys: list[KeyAudit]

    @property
    def is_broken(self) -> bool:
        """Tell whether a table cannot be read, or rows break its contract."""
        return any(isinstance(each, RevopsError) or each.is_broken for each in self.tables.values())

    def as_json(self) -> dict[str, Any]:
        """Give the object that `revops check --format json` prints."""
        return {
            "tables": {
                name: _unreadable(each) if isinstance(each, RevopsError) else each.as_json()
                for name, each in self.tables.items()
            },
            "silos": {"keys": [asdict(each) | {"unmatched": each.unmatched} for each in self.keys]},
        }


def check(ws: Workspace, today: dt.date) -> Findings:
    """Look at every table of a workspace, and at the keys between them.

    Parameters
    ----------
    today
        What has happened after it is a slip of the pen.
    """
    tables = {
        name: _with_slips(each.health, today) if isinstance(each, Source) else each
        for name, each in ws.tables.sources.items()
    }
    return Findings(tables, audit_keys(ws.tables))


def _with_slips(health: Health, today: dt.date) -> Health:
    """Tell of a table in which something is said to have happened after today."""
    if not health.newest or health.newest <= today:
        return health
    said = (
        f"something happened on {health.newest}, which is yet to come: "
        f"what lies after {today} is in no figure"
    )
    slip = Problem("future", None, 0, (), said)
    return replace(health, problems=(*health.problems, slip))


def freshness(ws: Workspace) -> dict[str, dict[str, Any]]:
    """Say of each table how many rows count, and from when to when they go."""
    return {
        name: {
            "team": contract(name).team,
            "rows": each.health.rows,
            "rejected": each.health.rejected,
            "from": str(each.health.oldest or ""),
            "newest": str(each.health.newest or ""),
        }
        for name, each in ws.tables.sources.items()
        if isinstance(each, Source)
    }


def show(findings: Findings, console: "Console") -> None:
    """Print what was found, for people."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for heading, side in (
        ("table", "left"),
        ("rows", "right"),
        ("rejected", "right"),
        ("from", "left"),
        ("newest", "left"),
    ):
        table.add_column(heading, justify=side)
    for name, each in findings.tables.items():
        if isinstance(each, RevopsError):
            table.add_row(name, "–", "–", "cannot be read", "")
        else:
            ends = (str(day) if day else "–" for day in (each.oldest, each.newest))
            table.add_row(name, number(each.rows), number(each.rejected), *ends)
    console.print(table)
    for name, each in findings.tables.items():
        if isinstance(each, RevopsError):
            console.print(f"✗ {name}: {each}", markup=False, soft_wrap=True)
            continue
        for problem in each.problems:
            sign = SIGNS.get(problem.kind, "✗")
            console.print(f"{sign} {name}: {problem.message}", markup=False, soft_wrap=True)
    for key in findings.keys:
        if key.unmatched or key.blank:
            console.print(
                f"! {key.column} → {key.to}: {number(key.matched)} of {plural(key.rows, 'row')} "
                f"match, {number(key.blank)} are blank, {number(key.unmatched)} lead nowhere",
                markup=False,
                soft_wrap=True,
            )
    if any(isinstance(each, Health) and each.rejected for each in findings.tables.values()):
        console.print(
            "Rejected rows are in no figure: mend them in the source, or say in revops.toml how "
            "they are to be read.",
            soft_wrap=True,
        )


def _unreadable(error: RevopsError) -> dict[str, Any]:
    problem = {"kind": "unreadable", "column": None, "count": 0, "lines": [], "message": str(error)}
    return {"rows": 0, "rejected": 0, "from": None, "newest": None, "problems": [problem]}
