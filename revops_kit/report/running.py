"""A run: several notebooks, side by side, into one folder of reports."""

import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, as_completed, wait
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from revops_kit.errors import ReportError, RevopsError, UnknownNameError
from revops_kit.report import warm
from revops_kit.report.folder import (
    check_names,
    earlier_entries,
    publish,
    publish_texts,
    staging,
)
from revops_kit.report.index import other_runs
from revops_kit.report.parameters import cells_of, check_parameters, parameters_of, source_of
from revops_kit.report.private import hidden, revealed, without_paths

PACKAGES = (
    "revops-kit pandas ibis-framework duckdb statsmodels seaborn matplotlib papermill nbconvert"
)


@dataclass(frozen=True)
class Outcome:
    """What became of one notebook.

    Attributes
    ----------
    notebook
        Its name, without `.ipynb`.
    html
        The report; None when the notebook failed, whether or not an earlier report stands.
    headline
        What the cell tagged `headline` says, as plain text on one line.
    error
        One sentence, with no value from the data in it.
    """

    notebook: str
    status: Literal["done", "failed"]
    html: Path | None
    headline: str | None
    seconds: float
    error: str | None


@dataclass(frozen=True)
class _Made:
    """What a worker leaves in the staging folder, to be put in place by the run."""

    seconds: float
    title: str
    headline: str | None = None
    error: str | None = None
    trend: tuple[float | None, ...] = ()


def run(
    notebooks: Sequence[Path],
    parameters: Mapping[str, object],
    into: Path,
    *,
    workdir: Path,
    jobs: int | None = None,
    title: str,
    context: Mapping[str, object],
    only: Mapping[str, Mapping[str, object]] | None = None,
    progress: Callable[[Outcome | str], None] | None = None,
    cell_timeout: int = 600,
) -> list[Outcome]:
    """Run notebooks and put their reports, the index and `run.json` into a folder.

    A notebook that fails leaves its last good report as it is and does not stop the others.

    Parameters
    ----------
    notebooks
        Paths of `.ipynb` files, of distinct names.
    parameters
        Each goes to the notebooks that have it; one that none has is refused.
    into
        The folder of the reports, such as `reports/2026-09`; made when it is not there.
    workdir
        The workspace's folder, where the kernels work.
    jobs
        How many notebooks run at a time; unless told, two more than there are cores, for some
        always wait: for a kernel to start, or their pages to be written.
    title
        What stands over the index, such as "September 2026".
    context
        What the pages and `run.json` say of the run: `company`, `period`, `as_of`, `made_at` (as
        people read them), `notes` (sentences for the top of the index) and `tables` (by name,
        `rows` and `newest`); anything else goes to `run.json` only.
    only
        Notebook's name → parameters for it alone, which go before `parameters`.
    progress
        Told the name of each notebook as it starts, in a worker's thread, and its Outcome.
    cell_timeout
        Seconds that a cell may take.

    Returns
    -------
    list of Outcome, in the order of `notebooks`

    Raises
    ------
    UnknownNameError, RequestError
        A parameter that no notebook has, or of the wrong type; no kernel has started.
    ReportError
        The folder cannot be written; what stood there is untouched.
    """
    notebooks = [Path(notebook).resolve() for notebook in notebooks]
    workdir, into = Path(workdir).resolve(), Path(into).resolve()
    parameters = {name: _inside(value, workdir) for name, value in parameters.items()}
    values = _values(notebooks, parameters, only or {})
    titles = {notebook: _title_of(notebook) for notebook in notebooks}
    context = {
        "as_of": parameters.get("as_of") or None,
        "made_at": None,
        **context,
        "title": title,
        "version": version("revops-kit"),
    }
    from revops_kit.workspace import FILE, secrets_of

    secrets = secrets_of(workdir / str(parameters.get("workspace") or FILE))
    tell = progress or (lambda _: None)
    outcomes: dict[Path, Outcome] = {}

    with (
        staging(into) as stage,
        warm.warm(notebooks, workdir),
        ThreadPoolExecutor(jobs or _cores() + 2) as pool,
    ):
        _load()
        entries = earlier_entries(into)

        def make(notebook: Path) -> _Made:
            tell(notebook.stem)
            return _make(
                notebook, values[notebook], titles[notebook], stage, workdir, context, cell_timeout
            )

        futures = {pool.submit(make, notebook): notebook for notebook in notebooks}
        try:
            _get_ready_to_write()
            for future in as_completed(futures):
                notebook = futures[future]
                made = _examined(notebook.stem, future.result(), stage, workdir, secrets)
                outcomes[notebook] = _put(notebook.stem, made, stage, into)
                entries[notebook.stem] = _entry(
                    notebook.stem, made, values[notebook], context, entries.get(notebook.stem)
                )
                tell(outcomes[notebook])
        except BaseException:
            _stop(futures)
            raise
        _list(entries, notebooks, parameters, context, secrets, stage, into)
    return [outcomes[notebook] for notebook in notebooks]


def _values(
    notebooks: Sequence[Path],
    parameters: Mapping[str, object],
    only: Mapping[str, Mapping[str, object]],
) -> dict[Path, dict[str, object]]:
    """Share the parameters out, before anything is written or started."""
    check_names(notebook.stem for notebook in notebooks)
    known = {notebook: parameters_of(notebook) for notebook in notebooks}
    for name in parameters:
        if not any(name in its for its in known.values()):
            where = notebooks[0].name if len(notebooks) == 1 else "any of the notebooks"
            every = {name for its in known.values() for name in its}
            raise UnknownNameError("a parameter", name, every, where=f"in {where}")
    return {
        notebook: check_parameters(
            notebook,
            {name: value for name, value in parameters.items() if name in its}
            | dict(only.get(notebook.stem, {})),
        )
        for notebook, its in known.items()
    }


def _load() -> None:
    """Import what kernels are started with, and `revops kpi` should not have to wait for."""
    # jsonschema would build a grammar of international addresses, for two seconds more.
    grammar = "rfc3987_syntax"
    sys.modules.setdefault(grammar, None)  # type: ignore[arg-type]
    from nbformat.validator import get_validator

    from revops_kit.report import kernels  # noqa: F401

    if sys.modules[grammar] is None:
        del sys.modules[grammar]
    # Once, or each worker would make one at the same time.
    get_validator()


def _get_ready_to_write() -> None:
    """Import what writes pages, while the first kernels work."""
    from revops_kit.report import pages

    pages.read_templates()


def _make(
    notebook: Path,
    values: dict[str, object],
    title: str,
    stage: Path,
    workdir: Path,
    context: Mapping[str, object],
    cell_timeout: int,
) -> _Made:
    """Run one notebook and write its page into the staging folder."""
    from revops_kit.report import kernels

    started = time.perf_counter()
    headline = error = None
    trend: tuple[float | None, ...] = ()
    output = stage / f"{notebook.stem}.ipynb"
    try:
        executed = kernels.execute(notebook, output, values, workdir, cell_timeout)
        # Not sooner, for a kernel would wait for it to start.
        from revops_kit.report import pages

        report = pages.read_report(executed, title)
        page = pages.write_report(report, context)
        (stage / f"{notebook.stem}.html").write_text(page, encoding="utf-8")
        title, headline, trend = report.title, report.headline_text, report.trend
    except RevopsError as failure:
        error = str(failure)
    except OSError as failure:
        error = f"Its report could not be written ({failure.strerror})."
    return _Made(time.perf_counter() - started, title, headline, error, trend)


def _examined(
    name: str, made: _Made, stage: Path, workdir: Path, secrets: Mapping[str, str]
) -> _Made:
    """Take paths out of what was made, and whatever gives a secret away."""
    error = made.error and hidden(without_paths(made.error, workdir), secrets)
    notebook, page = stage / f"{name}.ipynb", stage / f"{name}.html"
    try:
        _without_paths(notebook, workdir)
        for file in (page, notebook):
            if file.exists() and (variable := revealed(file.read_text("utf-8"), secrets)):
                notebook.unlink()
                error = f"{f'{error} ' if error else ''}{_giving_away(variable)}"
                break
    # The disk is full, so that the notebook is cut off.
    except (OSError, ValueError) as failure:
        notebook.unlink(missing_ok=True)
        reason = getattr(failure, "strerror", None) or "it was cut off"
        error = error or f"Its report could not be written ({reason})."
    return replace(made, error=error, headline=None if error else made.headline)


def _giving_away(variable: str) -> str:
    return (
        f"It would show the value of the environment variable {variable}: take that out of the "
        f"notebook or, if it is no secret, write it into the workspace's file itself."
    )


def _without_paths(notebook: Path, workdir: Path) -> None:
    """Take the paths of this machine out of a notebook, those in tracebacks and warnings too."""
    if not notebook.exists():
        return
    content = json.loads(notebook.read_text("utf-8"))
    if (shortened := without_paths(content, workdir)) != content:
        notebook.write_text(json.dumps(shortened, indent=1, ensure_ascii=False) + "\n", "utf-8")


def _put(name: str, made: _Made, stage: Path, into: Path) -> Outcome:
    """Move what was made to its place in the folder."""
    notebook, failed = f"{name}.ipynb", f"{name}.failed.ipynb"
    if made.error:
        if (stage / notebook).exists():
            publish(stage / notebook, into, failed)
        return Outcome(name, "failed", None, None, made.seconds, made.error)
    publish(stage / notebook, into, notebook)
    publish(stage / f"{name}.html", into, f"{name}.html")
    for old in (failed, f"{name}.pdf"):
        (into / old).unlink(missing_ok=True)
    return Outcome(name, "done", into / f"{name}.html", made.headline, made.seconds, None)


def _entry(
    name: str,
    made: _Made,
    values: Mapping[str, object],
    context: Mapping[str, object],
    earlier: Mapping[str, object] | None,
) -> dict[str, object]:
    """Describe for `run.json` how a notebook fared, and what the report that stands there shows."""
    report = earlier["report"] if earlier else None
    if not made.error:
        report = {
            "file": f"{name}.html",
            "headline": made.headline,
            "trend": made.trend,
            "parameters": _named(values),
            "as_of": context["as_of"],
            "made_at": context["made_at"],
        }
    return {
        "title": made.title,
        "status": "failed" if made.error else "done",
        "error": made.error,
        "seconds": round(made.seconds, 2),
        "made_at": context["made_at"],
        "report": report,
    }


def _list(
    entries: dict[str, dict],
    notebooks: Iterable[Path],
    parameters: Mapping[str, object],
    context: Mapping[str, object],
    secrets: Mapping[str, str],
    stage: Path,
    into: Path,
) -> None:
    """Write `index.html` and `run.json`: this run's notebooks in its order, then earlier ones."""
    from revops_kit.report import pages

    context = hidden(dict(context), secrets)
    ordered = {notebook.stem: entries[notebook.stem] for notebook in notebooks} | entries
    record = {
        **context,
        "parameters": hidden(_named(parameters), secrets),
        "versions": {
            "python": platform.python_version(),
            **{package: version(package) for package in PACKAGES.split()},
        },
        "notebooks": ordered,
    }
    texts = {
        "run.json": json.dumps(record, indent=2, ensure_ascii=False, default=str),
        "index.html": pages.write_index(ordered, {**context, "others": other_runs(into)}),
    }
    for name, text in texts.items():
        if variable := revealed(text, secrets):
            raise ReportError(f"{name} is not published. {_giving_away(variable)}")
    publish_texts(texts, stage, into)


def _stop(futures: Iterable[Future]) -> None:
    """Leave no kernel behind: those that run are killed, those to come do not start."""
    from revops_kit.report import kernels

    for future in futures:
        future.cancel()
    # A kernel may be about to start, so once is not enough.
    while wait(futures, timeout=0.1).not_done:
        kernels.kill_all()


def _cores() -> int:
    """Count the cores that this process may use, which in a container are not all."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _title_of(notebook: Path) -> str:
    """Find the first heading of a notebook, or make a title of its name."""
    for cell in cells_of(notebook):
        if cell["cell_type"] == "markdown":
            for line in source_of(cell).splitlines():
                if line.startswith("# "):
                    return line[2:].strip()
    return notebook.stem.replace("_", " ").capitalize()


def _inside(value: object, workdir: Path) -> object:
    """Write the path of a file in the workspace relative to it, which is where kernels work.

    A path outside is left alone.
    """
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, str) and Path(value).is_relative_to(workdir):
        return str(Path(value).relative_to(workdir))
    return value


def _named(values: Mapping[str, object]) -> dict[str, object]:
    """Keep only the name of a path: no record should tell where on a disk things stand."""
    return {
        name: Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value
        for name, value in values.items()
    }
