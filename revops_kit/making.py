"""The reports of a workspace: which notebooks run, on which period, and where they go."""

import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from revops_kit import periods
from revops_kit.errors import RevopsError, UnknownNameError

if TYPE_CHECKING:
    from revops_kit.report import Outcome
    from revops_kit.workspace import Workspace


@dataclass(frozen=True)
class Request:
    """What shall be made.

    Attributes
    ----------
    names
        Notebooks, or the one report of `revops.toml`; all notebooks when empty.
    period
        As `periods.resolve` takes it; the report's own, or the last whole month, when empty.
    by
        A column to split by; the notebooks' own when empty.
    settings
        Other parameters of notebooks.
    folder
        What the folder of its reports is called; after the report or period when empty.
    is_remembered
        Whether notebooks that keep what they say, as the forecast does, shall keep it.
    """

    names: Sequence[str] = ()
    period: str = ""
    by: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    folder: str = ""
    is_remembered: bool = False


@dataclass(frozen=True)
class Made:
    """What became of it.

    Attributes
    ----------
    folder
        Where the reports and their index are.
    period
        The period they are of.
    unsplit
        Notebook → why it is not split by its usual column.
    """

    folder: Path
    period: str
    outcomes: Sequence["Outcome"]
    unsplit: Mapping[str, str]

    @property
    def failed(self) -> list["Outcome"]:
        """Those that failed."""
        return [each for each in self.outcomes if each.status == "failed"]


def make(
    ws: "Workspace",
    request: Request,
    into: Path,
    *,
    made_at: dt.datetime,
    jobs: int | None = None,
    progress: Callable[[Any], None] | None = None,
) -> Made:
    """Run notebooks of a workspace, or one of the reports that its `revops.toml` names.

    Parameters
    ----------
    into
        The folder over those of periods and reports.
    made_at
        The moment, with its zone.
    progress
        Told how many notebooks there are, then what `report.run` tells.

    Raises
    ------
    UnknownNameError
        When there is no such notebook, report, parameter or column.
    ReportError
        When the folder cannot be written.
    """
    from revops_kit import report
    from revops_kit.checking import freshness
    from revops_kit.report.folder import inside

    chosen, folder, period, by = _chosen(ws, request)
    period = periods.resolve(period or usual_period(ws), ws.as_of, ws.calendar)
    asked = {path.stem: report.parameters_of(path) for path in chosen}
    usual = {
        "workspace": ws.reference,
        "period": period,
        "as_of": str(ws.as_of or ""),
        "made_at": made_at.isoformat(timespec="seconds") if request.is_remembered else "",
    }
    # A notebook of one's own need not have them all.
    parameters = {
        name: value
        for name, value in usual.items()
        if any(name in parameters for parameters in asked.values())
    }
    parameters |= request.settings
    if by:
        ws.tables.split(by)
        parameters["by"] = by
    unsplit = {} if "by" in parameters else _unsplit(ws, asked)
    place = inside(into, request.folder or folder or period)
    if progress:
        progress(len(chosen))
    outcomes = report.run(
        chosen,
        parameters,
        place,
        workdir=ws.file.parent,
        jobs=jobs,
        title=f"{ws.company.name} · {period}",
        context={
            "company": ws.company.name,
            "period": period,
            "as_of": str(ws.as_of or ""),
            "made_at": made_at.replace(tzinfo=None).isoformat(sep=" ", timespec="minutes"),
            "tables": freshness(ws),
        },
        only={name: {"by": ""} for name in unsplit},
        progress=progress,
    )
    return Made(place, period, outcomes, unsplit)


def usual_period(ws: "Workspace") -> str:
    """Choose the period when none is named: the last whole month, or all where nothing is dated."""
    return "last-month" if ws.as_of else "all"


def _chosen(ws: "Workspace", request: Request) -> tuple[list[Path], str, str, str]:
    """Find the notebooks, the folder's name where it is not the period, the period, the column."""
    from revops_kit.share import notebooks

    available = notebooks(ws.file.parent)
    names, folder, period, by = request.names, "", request.period, request.by
    configured = ws.settings.reports.get(names[0]) if len(names) == 1 else None
    if configured and names[0] not in available:
        folder, names = names[0], configured.notebooks
        period, by = period or configured.period, by or configured.by
    for name in names:
        if name not in available:
            raise UnknownNameError("a notebook or report", name, [*available, *ws.settings.reports])
    return [available[name] for name in names or available], folder, period, by


def _unsplit(ws: "Workspace", asked: Mapping[str, Mapping]) -> dict[str, str]:
    """Find the notebooks whose own column to split by is not in this workspace."""
    unsplit = {}
    for notebook, parameters in asked.items():
        column = parameters["by"].default if "by" in parameters else ""
        try:
            ws.tables.split(column)
        except UnknownNameError:
            unsplit[notebook] = f"no table has {column!r}"
        # It fails what needs it, and not all else.
        except RevopsError:
            unsplit[notebook] = f"a table that may have {column!r} cannot be read"
    return unsplit
