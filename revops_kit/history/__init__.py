"""What a company's reports have said: runs, figures as reported, forecasts made, mails sent.

The history is a SQLite file, or a PostgreSQL database that several machines share. It holds sums
and shares and the addresses of readers, and nothing of customers' rows.
"""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import sqlalchemy as sa

from revops_kit.errors import RequestError
from revops_kit.history.schema import LEVELS, figures, forecasts, mails, runs
from revops_kit.history.store import Store, open_store


@dataclass(frozen=True)
class History:
    """The memory of a workspace's reports; made by `open_history`, and closed by `with`.

    Attributes
    ----------
    store
        Where it is kept: `store.transaction()` for the ledger of mails, and `store.alone(name)`
        for whatever only one process may do at a time.
    """

    store: Store

    def __enter__(self) -> "History":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file or the server."""
        self.store.close()

    def begin_run(
        self,
        report: str,
        logical_date: dt.date,
        started: dt.datetime,
        period: str = "",
        as_of: dt.date | None = None,
    ) -> int:
        """Remember that a run has begun, with status `running`; gives its number."""
        row = {
            "report": report,
            "logical_date": logical_date,
            "started": started,
            "period": period,
            "as_of": as_of,
            "status": "running",
        }
        with self.store.transaction() as con:
            return con.execute(runs.insert().values(row)).inserted_primary_key[0]

    def end_run(
        self,
        run: int,
        status: Literal["ok", "failed", "stopped"],
        seconds: float | None,
        error: str = "",
    ) -> None:
        """Remember how a run ended; the error is a sentence without customers' values.

        A run that was stopped, or whose process died, is made again by the schedule.
        """
        values = {"status": status, "seconds": seconds, "error": error}
        with self.store.transaction() as con:
            con.execute(runs.update().where(runs.c.id == run).values(values))

    def add_figures(
        self, run: int, kpi: str, frame: pd.DataFrame, unit: str = "", by: str = ""
    ) -> None:
        """Remember figures as they were reported.

        Parameters
        ----------
        frame
            As in `Result.frame`: `period`, `value`, perhaps `low`, `high`, `n`, `is_partial`, and
            the column `by`. A missing value is remembered as missing.
        """
        rows = [
            {
                "run_id": run,
                "kpi": kpi,
                "by": by,
                "segment": _segment(row, by),
                "period": str(row["period"]),
                **{name: _number(row.get(name)) for name in ("value", "low", "high", "n")},
                "unit": unit,
                "is_partial": bool(row.get("is_partial", False)),
            }
            for row in frame.to_dict("records")
        ]
        self._add(figures, rows)

    def add_forecasts(
        self,
        kpi: str,
        frame: pd.DataFrame,
        made_at: dt.datetime,
        model: str,
        as_of: dt.date | None = None,
        unit: str = "",
        by: str = "",
    ) -> None:
        """Remember a forecast, so that it can be compared with what came.

        Parameters
        ----------
        kpi
            What is forecast.
        frame
            A row per period to come: `period`, `mean`, perhaps `low_80`, `high_80` (levels 50,
            80, 90 and 95), `model` where it differs by row, and the column `by`.
        as_of
            The last day that was known.

        Raises
        ------
        RequestError
            When the frame has an interval of another level, which would be lost.
        """
        ends = [name for name in frame.columns if re.fullmatch(r"(low|high)_\d+", str(name))]
        if odd := [name for name in ends if name not in forecasts.c]:
            known = ", ".join(map(str, LEVELS))
            raise RequestError(
                f"The history keeps forecasts' intervals of {known} percent, not {', '.join(odd)}."
            )
        rows = [
            {
                "made_at": made_at,
                "as_of": as_of,
                "kpi": kpi,
                "by": by,
                "segment": _segment(row, by),
                "period": str(row["period"]),
                **{name: _number(row[name]) for name in ("mean", *ends)},
                "model": str(row.get("model", model)),
                "unit": unit,
            }
            for row in frame.to_dict("records")
        ]
        self._add(forecasts, rows)

    def runs(self, report: str = "") -> pd.DataFrame:
        """List the runs, of one report or of all, the earliest first."""
        return self._frame(_only(sa.select(runs), report=report).order_by(runs.c.id))

    def figures(self, kpi: str = "", by: str | None = None) -> pd.DataFrame:
        """List the figures reported, with the report and logical date of their run."""
        run = runs.join(figures, figures.c.run_id == runs.c.id)
        chosen = sa.select(runs.c.report, runs.c.logical_date, figures).select_from(run)
        return self._frame(_only(chosen, kpi=kpi, by=by).order_by(figures.c.id))

    def forecasts(self, kpi: str = "", by: str | None = None) -> pd.DataFrame:
        """List the forecasts made, the earliest first."""
        made = _only(sa.select(forecasts), kpi=kpi, by=by)
        return self._frame(made.order_by(forecasts.c.made_at, forecasts.c.id))

    def mails(
        self, report: str = "", logical_date: dt.date | None = None, since: int = 0
    ) -> pd.DataFrame:
        """List the mails, a row per reader, with their state; `since` is the first run's number."""
        chosen = _only(sa.select(mails), report=report, logical_date=logical_date)
        if since:
            chosen = chosen.where(mails.c.run_id >= since)
        return self._frame(chosen.order_by(mails.c.id))

    def restated(self, run: int) -> pd.DataFrame:
        """Find the figures of a run that its report had told readers of the same part differently.

        Periods that were partial then are left out: they moved because time passed. The figures of
        a KPI that matures move for the same reason, which its card knows and the history does not.

        Returns
        -------
        DataFrame
            `kpi`, `by`, `segment`, `period`, `unit`, `old`, `new`, `old_run`, `told_on` (logical
            date of the run that told the old value).
        """
        key = [figures.c[name] for name in ("kpi", "by", "segment", "period")]
        this, then = figures.alias("this"), runs.alias("then")
        told = figures.join(then, figures.c.run_id == then.c.id)
        rank = sa.func.row_number().over(partition_by=key, order_by=figures.c.id.desc())
        report = sa.select(runs.c.report).where(runs.c.id == run).scalar_subquery()
        reached = mails.c.state.in_(("sent", "unknown")) & (mails.c.part == figures.c.segment)
        read = sa.select(mails.c.id).where(mails.c.run_id == then.c.id, reached).exists()
        old = (
            sa.select(figures, then.c.logical_date.label("told_on"), rank.label("rank"))
            .select_from(told)
            .where(then.c.report == report, then.c.id < run, ~figures.c.is_partial, read)
            .subquery("old")
        )
        same = [old.c[each.name] == this.c[each.name] for each in key]
        pairs = (
            sa.select(
                *(this.c[each.name] for each in key),
                this.c.unit,
                old.c.value.label("old"),
                this.c.value.label("new"),
                old.c.run_id.label("old_run"),
                old.c.told_on,
            )
            .select_from(this.join(old, sa.and_(old.c.rank == 1, *same)))
            .where(this.c.run_id == run, old.c.value.is_distinct_from(this.c.value))
            .order_by(this.c.id)
        )
        found = self._frame(pairs)
        # Engines add up in an order of their own, so the last digits differ from run to run.
        before, after = found["old"].astype(float), found["new"].astype(float)
        is_noise = (after - before).abs() <= 1e-9 * before.abs()
        return found[~is_noise].reset_index(drop=True)

    def _add(self, table: sa.Table, rows: list[dict[str, Any]]) -> None:
        if rows:
            with self.store.transaction() as con:
                con.execute(table.insert(), rows)

    def _frame(self, query: sa.Select) -> pd.DataFrame:
        with self.store.transaction() as con:
            found = con.execute(query)
            return pd.DataFrame(found.all(), columns=list(found.keys()))


def open_history(where: str | Path) -> History:
    """Open a history, and make it where there is none.

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
    return History(open_store(where))


def _only(query: sa.Select, **wanted: Any) -> sa.Select:
    """Keep the rows with these values; an empty name or None asks for all."""
    for name, value in wanted.items():
        if value is not None and (value != "" or name == "by"):
            query = query.where(query.selected_columns[name] == value)
    return query


def _segment(row: Mapping[str, Any], by: str) -> str:
    value = row[by] if by else ""
    return "" if pd.isna(value) else str(value)


def _number(value: Any) -> float | None:
    return None if pd.isna(value) else float(value)
