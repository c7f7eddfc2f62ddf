"""Kernels forked from a warm parent are whole, apart from each other, and gone when the run is."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_notebook

from revops_kit.report import kernels, run, warm
from revops_kit.share import SHARE

pytestmark = pytest.mark.skipif(not warm.FORKS, reason="kernels are forked on Linux only")
GOOD = "# Good", ("headline", "print('all is well')")


@pytest.fixture
def make(tmp_path, warm_parent):
    """Run notebooks on warm kernels."""

    def make(*notebooks, **options):
        into = options.pop("into", tmp_path / "reports")
        return run(notebooks, {}, into, workdir=tmp_path, title="September", context={}, **options)

    return make


def outputs(notebook):
    """Give what each cell has put out."""
    cells = json.loads(notebook.read_text())["cells"]
    return [cell["outputs"] for cell in cells if cell["cell_type"] == "code"]


def started_by(pid):
    """Find the processes that stem from one."""
    return psutil.Process(pid).children(recursive=True)


def comes(what, seconds=60):
    """Wait until something is so."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, "it did not come"
        time.sleep(0.02)
    return found


def test_kernel_is_forked_from_the_parent_and_has_what_it_imported(write, make, warm_parent):
    notebook = write(
        "who",
        ("", "import os, sys; loaded = 'great_tables' in sys.modules"),
        ("headline", "print(os.getppid(), loaded)"),
    )
    [outcome] = make(notebook)
    assert outcome.headline == f"{warm_parent.process.pid} True"


def test_parent_goes_on_importing_what_only_some_kernels_need(write, make, warm_parent):
    notebook = write("late", ("headline", "import sys; print('seaborn' in sys.modules)"))
    comes(lambda: make(notebook)[0].headline == "True")


def test_parent_in_which_a_thread_runs_forks_nothing(tmp_path):
    (tmp_path / "busy.py").write_text(
        "import threading\n"
        "threading.Thread(target=threading.Event().wait, daemon=True).start()\n"
        "open('imported', 'w').close()\n"
    )
    parent = warm.Parent(["busy"], tmp_path)
    try:
        comes((tmp_path / "imported").exists)
        with pytest.raises(warm.NotWarm, match="an import has started a thread"):
            parent.fork([], {}, tmp_path)
    finally:
        parent.close()


def test_warm_and_ordinary_kernels_show_the_same_cell_by_cell(make, tmp_path, monkeypatch):
    """A real notebook down to its first table, its charts byte for byte."""
    content = nbformat.read(SHARE / "notebooks/revenue.ipynb", as_version=4)
    content.cells = content.cells[:15]
    nbformat.write(content, tmp_path / "revenue.ipynb")
    warm_outputs, ordinary_outputs = [], []
    for parent, shown in ((warm.current(), warm_outputs), (None, ordinary_outputs)):
        monkeypatch.setattr(warm, "_current", parent)
        monkeypatch.setattr(warm, "FORKS", False)
        [outcome] = run(
            [tmp_path / "revenue.ipynb"],
            {"workspace": "revops.toml", "period": "2026-09"},
            tmp_path / "reports",
            workdir=SHARE,
            title="September",
            context={},
        )
        assert outcome.error is None
        shown += outputs(tmp_path / "reports/revenue.ipynb")
    assert warm_outputs == ordinary_outputs
    kinds = {kind for cell in warm_outputs for each in cell for kind in each.get("data", {})}
    assert {"image/png", "text/html", "text/markdown"} <= kinds


def test_charts_of_pyplot_are_there(write, make):
    plot = "import matplotlib.pyplot as plt; plt.plot([1, 2]);"
    [outcome] = make(write("chart", "# Chart", ("", plot)))
    assert 'src="data:image/png;base64,' in outcome.html.read_text()


def test_random_numbers_differ_between_kernels(write, make):
    draw = "import random, numpy; print(random.random(), numpy.random.rand())"
    outcomes = make(*(write(f"draw{number}", ("headline", draw)) for number in range(2)))
    (one, two), (three, four) = (outcome.headline.split() for outcome in outcomes)
    assert one != three
    assert two != four


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "The kernel died in cell [2]"),
        ("import ctypes; ctypes.string_at(0)", "The kernel died in cell [2]"),
        ("import os; os._exit(0)", "The kernel died in cell [2]"),
        ("import time; time.sleep(60)", "Cell [2] ran longer than 2 seconds."),
        (
            "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**32, 2**32)); b'x' * 2**33",
            "Cell [2] failed with MemoryError.",
        ),
    ],
    ids=["killed", "segfault", "gone", "hangs", "eats memory"],
)
def test_kernel_that_ends_badly_fails_alone(write, make, code, error, tmp_path):
    outcomes = make(write("bad", "# Bad", ("", code)), write("good", *GOOD), cell_timeout=2)
    assert [outcome.status for outcome in outcomes] == ["failed", "done"]
    assert outcomes[0].error.startswith(error)
    assert (tmp_path / "reports/bad.failed.ipynb").exists()


def test_database_opened_in_a_kernel_has_its_threads(write, make):
    """The one that `import duckdb` opens in the parent is closed before it forks."""
    ask = (
        "import duckdb, psutil; duckdb.sql('select 1').fetchall();"
        "before = psutil.Process().num_threads(); duckdb.default_connection().close();"
        "print(before - psutil.Process().num_threads())"
    )
    [outcome] = make(write("database", ("headline", ask)))
    assert int(outcome.headline) == (os.cpu_count() or 1) - 1


def test_kernel_that_did_not_start_is_started_again(write, make, monkeypatch):
    """Its ports are chosen by who starts it, and another program may take one before it does."""
    started, real = [], kernels._execute

    def taken_at_first(*asked):
        started.append(asked)
        nbformat.write(new_notebook(cells=[]), asked[1])
        if len(started) == 1:
            raise RuntimeError("Kernel died before replying to kernel_info")
        return real(*asked)

    monkeypatch.setattr(kernels, "_execute", taken_at_first)
    [outcome] = make(write("good", *GOOD))
    assert (outcome.error, len(started)) == (None, 2)


def test_many_runs_in_a_row_leave_nothing_behind(write, make):
    notebook, process = write("good", *GOOD), psutil.Process()

    def left():
        return (
            len(process.children(recursive=True)),
            process.num_fds(),
            threading.active_count(),
            len(process.net_connections()),
        )

    make(notebook)
    before = left()
    for _ in range(50):
        [outcome] = make(notebook)
        assert outcome.error is None
    assert left() == before


@pytest.mark.parametrize("fails", ["cannot import", "is killed"])
def test_ordinary_kernels_start_where_there_are_no_warm_ones(
    write, tmp_path, monkeypatch, caplog, fails
):
    monkeypatch.setattr(warm, "_current", None)
    if fails == "cannot import":
        (tmp_path / "great_tables.py").write_text("raise ValueError('Smith')")
        said = "their parent process failed with ValueError"
    else:
        begin = warm.Parent

        def killed(*arguments):
            parent = begin(*arguments)
            parent.process.kill()
            return parent

        monkeypatch.setattr(warm, "Parent", killed)
        said = "their parent process has ended"
    [outcome] = run(
        [write("good", *GOOD)], {}, tmp_path / "reports", workdir=tmp_path, title="x", context={}
    )
    assert outcome.headline == "all is well"
    assert [record.getMessage() for record in caplog.records if "warm" in record.getMessage()] == [
        f"Notebooks start slowly, without warm kernels: {said}."
    ]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_run_that_is_stopped_leaves_no_process_no_port_and_no_half_written_file(
    write, make, tmp_path, number
):
    """A notebook that has started a process of its own; `revops report` as people start it."""
    reports = tmp_path / "reports/2026-09"
    make(write("slow", *GOOD), into=reports)
    before = {path.name: path.read_bytes() for path in reports.iterdir()}
    (tmp_path / "revops.toml").write_text('[company]\nname = "Poor"\n')
    folder = tmp_path / "notebooks"
    folder.mkdir()
    code = "import subprocess; subprocess.run(['sleep', '99'])"
    nbformat.write(nbformat.read(write("slow", "# Slow", ("", code)), 4), folder / "slow.ipynb")
    process = subprocess.Popen(
        [sys.executable, "-m", "revops_kit.cli", "report", "slow", "--period", "2026-09"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    comes(lambda: any(each.name() == "sleep" for each in started_by(process.pid)))
    began = started_by(process.pid)
    assert len(began) == 3  # the parent, the kernel, and what it started
    ports = [each.laddr.port for one in began for each in one.net_connections("tcp")]
    assert ports
    process.send_signal(number)
    _, complaint = process.communicate(timeout=30)
    comes(lambda: not any(_runs(each) for each in began), 5)
    listening = {
        each.laddr.port for each in psutil.net_connections("tcp") if each.status == "LISTEN"
    }
    assert not listening & set(ports)
    assert {path.name: path.read_bytes() for path in reports.glob("[!.]*")} == before
    if number == signal.SIGINT:
        assert not list(reports.glob(".making-*"))
        assert complaint.splitlines()[-1] == "revops: stopped."


def _runs(process):
    with contextlib.suppress(psutil.NoSuchProcess):
        return process.status() != psutil.STATUS_ZOMBIE
    return False


def test_what_notebooks_import_is_read_from_their_cells(write):
    notebook = write(
        "imports",
        ("", "import pandas as pd, polars\nfrom revops_kit import charts\nimport local_helpers"),
        ("", "%magic"),
        ("", "for _ in []:\n    import statsmodels.api as sm"),
    )
    assert warm.imports_of([notebook, Path("missing.ipynb")]) == [
        "pandas",
        "revops_kit",
        "revops_kit.charts",
        "statsmodels.api",
    ]
