"""What the index says besides its reports: what failed, what is old, what else there is."""

import datetime as dt
import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from revops_kit.units import plural

STALE_AFTER = 31  # days, because forecasts and expenses are often booked by the month


def summary(entries: Mapping[str, Mapping]) -> str:
    """Say how many reports there are, and how they went.

    Examples
    --------
    >>> summary({"cac": {"status": "done"}, "clv": {"status": "failed"}})
    '2 reports, 1 of them failed'
    """
    failed = sum(entry["status"] == "failed" for entry in entries.values())
    return plural(len(entries), "report") + (f", {failed} of them failed" if failed else "")


def notices(entries: Mapping[str, Mapping], context: Mapping[str, object]) -> list[str]:
    """Say in sentences what a reader should know before reading on.

    Parameters
    ----------
    entries, context
        As in `run.json`: the notebooks, and what is said of the run.
    """
    failed = [str(entry["title"]) for entry in entries.values() if entry["status"] == "failed"]
    as_of, tables = str(context.get("as_of") or ""), context.get("tables") or {}
    said = [f"Failed: {', '.join(failed)}."] if failed else []
    late = days_between(as_of, str(context.get("made_at") or "")[:10])
    if late > STALE_AFTER:
        said.append(f"The data end {plural(late, 'day')} before these reports were made.")
    old = [f"{name} ({plural(days, 'day')} behind)" for name, days in behind(tables, as_of).items()]
    if old:
        said.append(f"Stale: {', '.join(old)}.")
    return [*said, *context.get("notes", [])]


def behind(tables: Mapping[str, Mapping], as_of: str) -> dict[str, int]:
    """Find the tables that end long before the last day known, and by how many days.

    What RevOps changed comes when it comes, and is never old.

    Examples
    --------
    >>> behind({"spend": {"newest": "2026-07-31"}, "leads": {"newest": "2026-09-29"}}, "2026-09-30")
    {'spend': 61}
    """
    late = {
        name: days_between(str(table.get("newest") or ""), as_of)
        for name, table in tables.items()
        if table.get("team") != "operations"
    }
    return {name: days for name, days in late.items() if days > STALE_AFTER}


def days_between(first: str, last: str) -> int:
    """Count the days from one written day to another; 0 where either is none."""
    try:
        return (dt.date.fromisoformat(last) - dt.date.fromisoformat(first)).days
    except ValueError:
        return 0


def other_runs(into: Path) -> list[dict[str, object]]:
    """List the runs in the folders beside this one, the latest period first."""
    return sorted(_beside(into), key=lambda run: (str(run["period"]), run["folder"]), reverse=True)


def _beside(into: Path) -> Iterator[dict[str, object]]:
    for record in into.parent.glob("[!.]*/run.json"):
        folder = record.parent
        if folder == into or not (folder / "index.html").exists():
            continue
        try:
            run = json.loads(record.read_text("utf-8"))
            failed = sum(entry["status"] == "failed" for entry in run["notebooks"].values())
            yield {"folder": folder.name, "period": run.get("period") or "", "failed": failed}
        # Another program's folder, or one that cannot be read, is no run of ours.
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            continue
