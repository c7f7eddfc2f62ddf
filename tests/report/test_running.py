"""Runs with the real Papermill and real kernels, warm ones where there are any."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from revops_kit.errors import ReportError, RequestError, UnknownNameError
from revops_kit.report import run
from revops_kit.report.sanitize import text_of

pytestmark = pytest.mark.usefixtures("warm_parent")

CONTEXT = {
    "company": "Northwind Analytics",
    "period": "September 2026",
    "as_of": "2026-10-31",
    "made_at": "2026-11-02 07:00",
    "notes": ["The newest ticket is 12 days old."],
    "tables": {"opportunities": {"rows": 6711, "newest": "2026-09-30"}},
}
GOOD = "# Win rate", ("headline", "'We won ' + '63 %'"), "## Where?", ("", "print(by, 'counted')")


@pytest.fixture
def make(tmp_path):
    """Run notebooks of a workspace into its folder of reports."""

    def make(*notebooks, parameters=None, **options):
        context = CONTEXT | options.pop("context", {})
        return run(
            notebooks,
            parameters or {},
            options.pop("into", tmp_path / "reports/2026-09"),
            workdir=tmp_path,
            title="September 2026",
            context=context,
            **options,
        )

    return make


@pytest.fixture
def reports(tmp_path):
    return tmp_path / "reports/2026-09"


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def record(reports):
    return json.loads((reports / "run.json").read_text())


def test_notebook_becomes_a_page_with_its_headline_and_without_its_code(write, make, reports):
    [outcome] = make(write("win_rate", *GOOD), parameters={"by": "owner"})
    assert (outcome.status, outcome.headline, outcome.error) == ("done", "We won 63 %", None)
    assert names_in(reports) == ["index.html", "run.json", "win_rate.html", "win_rate.ipynb"]
    page = outcome.html.read_text()
    assert "owner counted" in page
    assert "We won 63 %" in page
    assert "print(" not in page
    assert "63 %" in (reports / "index.html").read_text()


def test_one_failure_leaves_the_others_alone_and_says_where_without_values(write, make, reports):
    outcomes = make(
        write("churn", "# Churn", ("", "int('Smith')")),
        write("win_rate", *GOOD),
        write(
            "cac",
            "# CAC",
            ("", "from revops_kit.errors import PeriodError"),
            ("", "raise PeriodError('X.')"),
        ),
    )
    assert [outcome.status for outcome in outcomes] == ["failed", "done", "failed"]
    assert outcomes[0].error == "Cell [2] failed with ValueError."
    assert outcomes[2].error == "Cell [3] failed with PeriodError: X."
    assert outcomes[0].html is None
    assert "churn.failed.ipynb" in names_in(reports)
    assert "churn.html" not in names_in(reports)
    for name in ("index.html", "run.json"):
        text = (reports / name).read_text()
        assert "failed with ValueError" in text
        assert "Smith" not in text


def test_failure_leaves_the_last_good_report_and_the_index_says_of_when(write, make, reports):
    make(write("win_rate", *GOOD))
    good = (reports / "win_rate.html").read_bytes()
    make(write("win_rate", "# Win rate", ("", "1 / 0")), context={"made_at": "2026-11-09 07:00"})
    assert (reports / "win_rate.html").read_bytes() == good
    index = (reports / "index.html").read_text()
    assert "The report shown is from the run of 2 November 2026 07:00" in index
    assert "We won 63 %" in text_of(index)
    entry = record(reports)["notebooks"]["win_rate"]
    assert (entry["status"], entry["made_at"]) == ("failed", "2026-11-09 07:00")
    assert entry["report"]["made_at"] == "2026-11-02 07:00"
    make(write("win_rate", *GOOD))
    assert "win_rate.failed.ipynb" not in names_in(reports)


def test_report_of_an_earlier_run_stays_in_the_index(write, make, reports):
    make(write("win_rate", *GOOD))
    make(write("cac", "# Acquisition cost", ("headline", "'It cost 1,240.'")))
    assert list(record(reports)["notebooks"]) == ["cac", "win_rate"]
    index = (reports / "index.html").read_text()
    assert 'href="win_rate.html"' in index
    assert 'href="cac.html"' in index


def test_record_tells_what_was_asked_and_what_it_was_made_from(write, make, reports):
    workspace = write("win_rate", *GOOD).parent / "revops.toml"
    make(write("win_rate", *GOOD), parameters={"workspace": str(workspace), "by": "owner"})
    told = record(reports)
    assert told["parameters"] == {"workspace": "revops.toml", "by": "owner"}
    assert told["tables"] == {"opportunities": {"rows": 6711, "newest": "2026-09-30"}}
    assert told["as_of"] == "2026-10-31"
    assert told["versions"]["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"pandas", "duckdb", "papermill"} <= told["versions"].keys()
    assert told["notebooks"]["win_rate"]["seconds"] > 0


def test_no_file_tells_where_on_the_disk_the_workspace_is(write, make, reports, tmp_path):
    make(write("win_rate", *GOOD), parameters={"workspace": str(tmp_path / "revops.toml")})
    for path in reports.iterdir():
        assert str(tmp_path) not in path.read_text(), path.name


def test_parameter_goes_to_the_notebooks_that_have_it(write, make, reports):
    months = write("clv", "# CLV", ("", "print(horizon * 2)"), parameters="horizon = 60")
    make(months, write("win_rate", *GOOD), parameters={"horizon": "24", "by": "owner"})
    assert "48" in (reports / "clv.html").read_text()
    assert record(reports)["notebooks"]["win_rate"]["report"]["parameters"] == {"by": "owner"}


@pytest.mark.parametrize(
    ("parameters", "error", "message"),
    [
        ({"perido": "2026-09"}, UnknownNameError, "in any of the notebooks. Did you mean 'period'"),
        ({"by": 3}, RequestError, "'by' of win_rate.ipynb takes text"),
    ],
)
def test_wrong_parameter_is_refused_before_anything_is_touched(
    write, make, reports, parameters, error, message
):
    started = []
    with pytest.raises(error, match=message):
        make(
            write("win_rate", *GOOD),
            write("cac", parameters="period = 'all'"),
            parameters=parameters,
            progress=started.append,
        )
    assert not started
    assert not reports.exists()


def test_two_notebooks_of_one_name_are_refused(write, make):
    notebook = write("win_rate", *GOOD)
    with pytest.raises(ReportError, match="overwrite"):
        make(notebook, notebook)


def test_kernel_is_this_python_whatever_python3_means_elsewhere(
    write, make, reports, tmp_path, monkeypatch
):
    other = tmp_path / "jupyter/kernels/python3"
    other.mkdir(parents=True)
    spec = {"argv": ["/bin/false", "{connection_file}"], "display_name": "x", "language": "python"}
    (other / "kernel.json").write_text(json.dumps(spec))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    notebook = write("win_rate", ("headline", "import sys; print(sys.executable)"))
    [outcome] = make(notebook)
    assert outcome.headline == sys.executable


def test_notebook_works_in_the_folder_of_the_workspace(write, make, tmp_path):
    before = Path.cwd()
    [outcome] = make(write("win_rate", ("headline", "import os; print(os.getcwd())")))
    assert outcome.headline == str(tmp_path)
    assert Path.cwd() == before


def test_chart_is_drawn_though_another_backend_is_asked_for(write, make, monkeypatch):
    monkeypatch.setenv("MPLBACKEND", "agg")
    plot = "import matplotlib.pyplot as plt; plt.plot([1, 2]);"
    [outcome] = make(write("win_rate", "# Win rate", "## Trend", ("", plot)))
    assert '<img alt="Chart: Trend" src="data:image/png;base64,' in outcome.html.read_text()


def test_progress_tells_each_start_and_each_end(write, make):
    told = []
    [outcome] = make(write("win_rate", *GOOD), progress=told.append)
    assert told == ["win_rate", outcome]


def test_cell_past_its_time_is_stopped(write, make, reports):
    slow = write("cac", "# CAC", ("", "import time"), ("", "time.sleep(60)"))
    [outcome] = make(slow, cell_timeout=2)
    assert outcome.error == "Cell [3] ran longer than 2 seconds."
    assert "cac.failed.ipynb" in names_in(reports)


def test_kernel_that_dies_fails_alone(write, make, reports):
    killed = write("cac", "# CAC", ("", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"))
    outcomes = make(killed, write("win_rate", *GOOD))
    assert [outcome.status for outcome in outcomes] == ["failed", "done"]
    assert outcomes[0].error.startswith("The kernel died in cell [2]")
    assert names_in(reports)[:2] == ["cac.failed.ipynb", "index.html"]


def test_file_in_place_of_the_folder_is_told_before_a_kernel_starts(write, make, tmp_path):
    (tmp_path / "taken").write_text("mine")
    started = []
    with pytest.raises(ReportError, match="a file stands in its place"):
        make(write("win_rate", *GOOD), into=tmp_path / "taken", progress=started.append)
    assert not started
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.skipif(not Path("/proc").exists(), reason="needs a folder that not even root writes")
def test_folder_that_cannot_be_written_is_told_before_a_kernel_starts(write, make):
    started = []
    with pytest.raises(ReportError, match=r"^2026-09 cannot be written \("):
        make(write("win_rate", *GOOD), into=Path("/proc/2026-09"), progress=started.append)
    assert not started


def test_disk_that_fills_up_leaves_the_old_report(write, make, reports, tmp_path):
    notebook = write("win_rate", *GOOD)
    make(notebook)
    before = {path.name: path.read_bytes() for path in reports.iterdir()}
    # A process of its own, where no file may grow past 1 kB: like a full disk, the write fails.
    program = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "from pathlib import Path; from revops_kit.report import run, warm\n"
        f"warm.FORKS, here = False, Path({str(tmp_path)!r})\n"
        f"run([Path({str(notebook)!r})], {{}}, here / 'reports/2026-09', workdir=here,"
        " title='September 2026', context={})\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == (
        "revops_kit.errors.ReportError: 2026-09 cannot be written (File too large); "
        "what stood there is untouched."
    )
    after = {path.name: path.read_bytes() for path in reports.iterdir()}
    assert {name: after[name] for name in before} == before
