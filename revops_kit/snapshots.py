"""Snapshots: the pipeline and the forecasts of a day, kept, since a CRM overwrites them.

They lie under `.revops/snapshots/YYYY-MM-DD/` beside the workspace. Where the company has no
stage changes of its own, snapshots stand in for them, so that all that looks back – forecast
accuracy, coverage, bridges – sees deals as they stood. Submitted forecasts that their source has
overwritten since are put back.
"""

import datetime as dt
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pyarrow as pa
import pyarrow.parquet as pq

from revops_kit.errors import RequestError, RevopsError, SourceError
from revops_kit.sources import Health, Problem, Source
from revops_kit.tables import Tables
from revops_kit.units import plural

FOLDER = Path(".revops") / "snapshots"
A_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
STATE = ("stage", "amount", "expected_close", "forecast_category")
# No column of a company's own is called so.
KEPT_ON = "revops_snapshot_on"
PIPELINE = ("opportunity_id", *STATE, "probability", "owner")


@dataclass(frozen=True)
class Kept:
    """What a snapshot holds: where it is, and how many rows of which table."""

    folder: Path
    rows: Mapping[str, int]

    def __str__(self) -> str:
        nouns = {"opportunities": "open deal", "forecasts": "submitted forecast"}
        said = " and ".join(plural(count, nouns[name]) for name, count in self.rows.items())
        return f"Kept {said} in {self.folder}."


def keep(tables: Tables, home: Path, day: dt.date) -> Kept:
    """Keep the open deals and submitted forecasts of a day; a second time replaces the first.

    Parameters
    ----------
    home
        The folder of `revops.toml`.
    day
        The day it is: a snapshot is what is known today, and cannot be made afterwards.

    Raises
    ------
    RequestError
        When there are neither opportunities nor forecasts to keep.
    SourceError
        When the folder cannot be written; what was there before is untouched.
    """
    found: dict[str, pa.Table] = {}
    if tables.has("opportunities"):
        deals = tables.opportunities
        columns = [name for name in PIPELINE if tables.has("opportunities", name)]
        found["opportunities"] = deals.filter(deals.outcome == "open").select(columns).to_pyarrow()
    if tables.has("forecasts"):
        made = tables.forecasts
        if tables.has("forecasts", KEPT_ON):
            made = made.filter(made[KEPT_ON].isnull()).drop(KEPT_ON)
        found["forecasts"] = made.to_pyarrow()
    if not found:
        raise RequestError(
            "There is nothing to keep: a snapshot needs the table opportunities or forecasts."
        )
    place = home / FOLDER / day.isoformat()
    part = place.with_name(f"{place.name}.{os.getpid()}.part")
    old = place.with_name(f"{place.name}.{os.getpid()}.old")
    try:
        part.mkdir(parents=True)
        for name, rows in found.items():
            pq.write_table(rows, part / f"{name}.parquet", compression="zstd")
        _swap(part, place, old)
    except OSError as error:
        raise SourceError(
            f"{home / FOLDER} cannot be written ({error.strerror}): give the folder of revops.toml "
            f"room and the right to write, for snapshots are kept there."
        ) from None
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return Kept(place, {name: rows.num_rows for name, rows in found.items()})


def _swap(part: Path, place: Path, old: Path) -> None:
    """Put a whole folder in its place; the one before goes when that has worked."""
    if place.exists():
        place.rename(old)
    try:
        part.rename(place)
    except OSError:
        if old.exists():
            old.rename(place)
        raise
    shutil.rmtree(old, ignore_errors=True)


def put_back(
    sources: Mapping[str, Source | RevopsError], home: Path, con: ibis.BaseBackend
) -> dict[str, Source | RevopsError]:
    """Add what snapshots kept to a workspace's tables.

    Returns
    -------
    dict
        The sources, with `stage_changes` made of snapshots where there were none, and with the
        `forecasts` that their source has overwritten since. In both, the column `KEPT_ON` says
        which day a row was kept.
    """
    opened = dict(sources)
    forecasts = sources.get("forecasts")
    try:
        is_wanted = "opportunities" in sources and "stage_changes" not in sources
        if is_wanted and (kept := _read(home, "opportunities")):
            opened["stage_changes"] = _changes(kept, con)
    except RevopsError as error:
        opened["stage_changes"] = error
    try:
        if isinstance(forecasts, Source) and (kept := _read(home, "forecasts")):
            opened["forecasts"] = _with_overwritten(forecasts, kept, con)
    except RevopsError as error:
        opened["forecasts"] = error
    return opened


def _read(home: Path, name: str) -> pa.Table | None:
    """Read all snapshots of a table, each row with the day it was kept; None without any."""
    parts = []
    for file in sorted((home / FOLDER).glob(f"*/{name}.parquet")):
        if not A_DAY.fullmatch(file.parent.name):
            continue
        try:
            rows = pq.read_table(file, partitioning=None)
        except (OSError, pa.ArrowException):
            raise SourceError(
                f"The snapshot {file} cannot be read: put it back from a backup, or delete it."
            ) from None
        day = pa.scalar(dt.date.fromisoformat(file.parent.name), pa.date32())
        parts.append(rows.append_column(KEPT_ON, pa.repeat(day, rows.num_rows)))
    return pa.concat_tables(parts, promote_options="permissive") if parts else None


def _changes(kept: pa.Table, con: ibis.BaseBackend) -> Source:
    """Make stage changes of snapshots: a row where a deal differs from the day kept before."""
    state = [name for name in STATE if name in kept.column_names]
    kept = kept.select(["opportunity_id", KEPT_ON, *state])
    rows = con.create_table("revops_snapshots", kept, temp=True)
    order = ibis.window(group_by="opportunity_id", order_by=KEPT_ON)
    before = {f"_{name}": rows[name].lag().over(order) for name in state}
    rows = rows.mutate(_first=rows[KEPT_ON].lag().over(order).isnull(), **before)
    same = [rows[name].identical_to(rows[f"_{name}"]) for name in state]
    changed = rows.filter(rows._first | ~ibis.and_(*same)).drop("_first", *before)
    days = sorted(kept[KEPT_ON].unique().to_pylist())
    said = f"made of {plural(len(days), 'snapshot')} of the pipeline, {days[0]} to {days[-1]}"
    # What was kept is no event: it does not make its day the last one known.
    health = Health(kept.num_rows, 0, None, None, problems=(Problem("note", None, 0, (), said),))
    changed = changed.mutate(changed_at=changed[KEPT_ON].cast("timestamp"))
    return Source("stage_changes", changed, health)


def _with_overwritten(source: Source, kept: pa.Table, con: ibis.BaseBackend) -> Source:
    """Put back the submitted forecasts that their source has overwritten or forgotten.

    Those are of a month, owner and category of which it has others today, or of a month of which
    it has none; a name that was merely corrected brings nothing back.
    """
    today = source.table
    rows = con.create_table("revops_kept_forecasts", kept, temp=True)
    series = [name for name in ("month", "owner", "category") if name in today.columns]
    if not set(series) <= set(rows.columns):
        return source
    window = ibis.window(group_by=["made_on", *series])
    rows = rows.mutate(_newest=rows[KEPT_ON].max().over(window))
    rows = rows.filter(rows[KEPT_ON] == rows._newest)
    for mark, columns in {
        "_same": ["made_on", *series],
        "_series": series,
        "_month": ["month"],
    }.items():
        rows = _marked(rows, today, columns, mark)
    is_overwritten = rows._series.notnull() | rows._month.isnull()
    gone = rows.filter(rows._same.isnull() & is_overwritten)
    schema = dict(today.schema().items()) | {KEPT_ON: "date"}
    parts = [today.mutate(**{KEPT_ON: ibis.null("date")}), gone]
    alike = [
        part.select(
            **{
                name: (part[name] if name in part.columns else ibis.null()).cast(kind)
                for name, kind in schema.items()
            }
        )
        for part in parts
    ]
    return replace(source, table=ibis.union(*alike), is_fixed=False)


def _marked(rows: ir.Table, other: ir.Table, columns: list[str], mark: str) -> ir.Table:
    """Set a mark where another table has the same values, two missing ones being alike."""
    # Not an anti-join: ibis writes one that PostgreSQL does not know.
    known = other.select(**{f"_{name}_": other[name] for name in columns}).distinct()
    known = known.mutate(**{mark: 1})
    same = [rows[name].identical_to(known[f"_{name}_"]) for name in columns]
    return rows.left_join(known, same).drop(*(f"_{name}_" for name in columns))
