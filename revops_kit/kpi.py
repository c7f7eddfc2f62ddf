"""What a KPI is: rows that count, a summary that folds them, a result to look at.

A KPI says which rows count, in which period, and what each adds. Grouping, dividing, intervals,
gaps and words are done here, for all of them, in one query.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, get_args

import ibis.expr.types as ir
import pandas as pd

from revops_kit.errors import RequestError, UnknownNameError
from revops_kit.periods import Calendar, Periods
from revops_kit.result import FRAME, Change, Result, complete
from revops_kit.summaries import COLUMNS, Summary, cost_per, median, proportion, ratio, total
from revops_kit.tables import SEGMENT, Policies, Tables
from revops_kit.units import Better, Unit

__all__ = [
    "Change",
    "Kpi",
    "LeftOut",
    "Result",
    "Summary",
    "adding",
    "cost_per",
    "median",
    "proportion",
    "ratio",
    "total",
]


class Workspace(Protocol):
    """What a KPI asks of a workspace."""

    tables: Tables
    calendar: Calendar
    currency: str


@dataclass(frozen=True)
class LeftOut:
    """Rows that a KPI cannot count, to be told: how many `noun`s, and `why`."""

    count: ir.IntegerScalar
    noun: str
    why: str


@dataclass(frozen=True)
class Kpi:
    """A key performance indicator: rows, and the card that names them.

    Attributes
    ----------
    name, title, question, formula
        What it is called, and what it asks and counts, in a reader's words.
    unit, better
        What it is measured in, and which way is good.
    counts
        What `n` is the number of.
    empty
        Why there may be nothing to divide by: "no leads were created".
    needs
        Table → columns that it cannot do without.
    either
        Columns of which it needs one, written `table.column`.
    also
        What else it needs by the choices made: as `needs`.
    rows
        Tables and periods → one row per thing counted, lazily.
    summary
        How rows become a number.
    policies
        The company's choices that it follows.
    looks_ahead
        Whether periods that have not begun have a figure too.
    is_monthly
        Whether it is counted by whole months, so that weeks have no figure.
    is_cumulative
        Whether each period counts all history up to its end: neighbours then share most of what
        they count, and neither an interval nor a process chart can tell their difference.
    is_stock
        Whether it is what stands at a moment, as recurring revenue is, rather than what comes in a
        period: then it goes on from the period before, and its changes are judged in its place.
    matures
        Whether a period's figure still grows when the period is over, as conversion does: then
        young periods are not compared with older ones.
    left_out, notes
        What cannot be counted, and what else a reader should know.
    """

    name: str
    title: str
    question: str
    formula: str
    unit: Unit
    better: Better
    counts: str
    empty: str
    rows: Callable[[Tables, Periods], ir.Table]
    summary: Summary
    needs: Mapping[str, tuple[str, ...]]
    either: tuple[str, ...] = ()
    also: Callable[[Tables], Mapping[str, tuple[str, ...]]] = lambda tables: {}
    policies: tuple[str, ...] = ()
    looks_ahead: bool = False
    is_monthly: bool = False
    is_cumulative: bool = False
    is_stock: Callable[[Tables], bool] = lambda tables: False
    matures: bool = False
    left_out: Callable[[Tables, Periods], list[LeftOut]] = lambda tables, periods: []
    notes: Callable[[Tables], list[str]] = lambda tables: []

    def __call__(self, ws: Workspace, period: str = "all", by: str = "", **policies: Any) -> Result:
        """Count one period."""
        return self.over(ws, Periods(period), by, **policies)

    def over(self, ws: Workspace, periods: Periods, by: str = "", **policies: Any) -> Result:
        """Count a run of periods, split by a column, in one query.

        Parameters
        ----------
        periods
            Such as `rk.last(12, "2026-03")`; they are laid in the company's calendar.
        by
            A column of what is counted, or of what that belongs to; empty for the whole.
        **policies
            The company's choices, changed for this count.

        Raises
        ------
        UnknownNameError
            When there is no such column or policy.
        RequestError
            When results have a column of that name themselves.
        """
        if by.lower() in FRAME:
            raise RequestError(
                f"No figure can be split by {by!r}, for results have a column of that name: "
                f"give it another name in revops.toml."
            )
        tables = with_policies(ws.tables, policies).split(by)
        for name in policies:
            if name not in self.policies:
                follows = ", ".join(self.policies) or "none"
                raise RequestError(
                    f"{self.name} does not follow the policy {name}, but: {follows}."
                )
        periods = replace(periods, calendar=ws.calendar, as_of=tables.as_of)
        return self.count(tables, periods, by, ws.currency)

    def count(self, tables: Tables, periods: Periods, by: str, currency: str) -> Result:
        """Count tables that are split, and periods that lie in the calendar, already."""
        missing, fetched = self.unavailable(tables), None
        if not missing and self.is_monthly and periods.kind == "week":
            missing = "not available by week: it is counted by whole months"
        if not missing:
            rows = self.rows(replace(tables, carried=False), periods)
            if by and SEGMENT not in rows.columns:
                missing = f"not available by {by}: not all that it counts has `{by}`"
            else:
                keys = ["period", *([SEGMENT] if by else [])]
                # Through Arrow: Ibis' own conversion goes from column to column, and takes longer.
                fetched = (
                    self.summary.aggregate(rows, keys).to_pyarrow().to_pandas(date_as_object=False)
                )
        return self.tell(fetched, missing, tables, periods, by, currency)

    def tell(
        self,
        fetched: pd.DataFrame | None,
        missing: str,
        tables: Tables,
        periods: Periods,
        by: str,
        currency: str,
    ) -> Result:
        """Make a result of what the summary has fetched, or of why there is nothing."""
        keys = ["period", *([SEGMENT] if by else [])]
        if fetched is None:
            folded = pd.DataFrame(columns=[*keys, *COLUMNS])
        else:
            folded = self.summary.finish(fetched, keys, tables.policies)
        frame = complete(self, folded, periods, by, missing, tables.without_rows(self.needs))
        return Result(self, frame, by, currency, periods, tables, missing, fetched)

    def unavailable(self, tables: Tables) -> str:
        """Say what the workspace lacks for it, or nothing."""
        missing = tables.lacks(self.needs)
        if self.either and not any(tables.has(*each.split(".")) for each in self.either):
            missing.append(" or ".join(self.either))
        missing = missing or tables.lacks(self.also(tables))
        return f"not available: needs {_listed(missing)}" if missing else ""

    def __repr__(self) -> str:
        return f"<{self.name}: {self.question}>"


def adding(tables: Tables, rows: ir.Table, **figures: ir.Value) -> ir.Table:
    """Say what each row adds: beside its columns, or only its period and segment, for figures."""
    own = [name for name in rows.columns if tables.carried or name in ("period", SEGMENT)]
    return rows.select({name: rows[name] for name in own} | figures)


def with_policies(tables: Tables, changed: Mapping[str, Any]) -> Tables:
    """Change some of the company's choices.

    Raises
    ------
    UnknownNameError
        When there is no such policy, or it has no such value.
    """
    if not changed:
        return tables
    from pydantic import ValidationError

    for name in changed:
        if name not in Policies.model_fields:
            raise UnknownNameError("a policy", name, Policies.model_fields)
    try:
        policies = Policies(**(tables.policies.model_dump() | dict(changed)))
    except ValidationError as error:
        problem = error.errors()[0]
        name, said = str(problem["loc"][0]), problem["msg"]
        known = get_args(Policies.model_fields[name].annotation)
        if not known:
            raise RequestError(f"The policy {name}: {said[0].lower()}{said[1:]}.") from None
        where = f"of the policy {name}"
        raise UnknownNameError("a value", str(problem["input"])[:40], known, where) from None
    return replace(tables, policies=policies)


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
