"""A database that goes away in the middle: one sentence, and the last good report untouched."""

import os
import sys

import ibis
import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from revops_kit import cli
from revops_kit.errors import SourceError, WorkspaceError
from revops_kit.report import run
from revops_kit.workspace import open_workspace

TOML = """
[engine]
url = "${CRM_URL}"
[tables.opportunities]
table = "deals"
"""
# From another connection, so that the workspace's own finds itself cut off.
CUT = """
import psycopg
with psycopg.connect(address) as other:
    other.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where datname = current_database() and pid <> pg_backend_pid()"
    )
"""


@pytest.fixture
def company(postgres, connections, warm_parent, tmp_path, monkeypatch):
    """Make a workspace in a database of its own, for other tests use the server too."""
    server = ibis.connect(postgres)
    server.raw_sql("DROP DATABASE IF EXISTS lost").close()
    server.con.commit()
    server.con.autocommit = True
    server.con.execute("CREATE DATABASE lost")
    server.disconnect()
    address = postgres.replace("/postgres", "/lost")
    con = ibis.connect(address)
    deal = {"opportunity_id": "1", "outcome": "won", "closed_at": "2026-09-10"}
    con.create_table("deals", ibis.memtable([deal]))
    con.disconnect()
    monkeypatch.setenv("CRM_URL", address)
    (tmp_path / "revops.toml").write_text(TOML)
    return tmp_path


def notebook(folder, *middle):
    cells = [
        new_code_cell("workspace = 'revops.toml'", metadata={"tags": ["parameters"]}),
        new_code_cell("import os, revops_kit as rk; address = os.environ['CRM_URL']"),
        new_code_cell("ws = rk.open(workspace)"),
        *map(new_code_cell, middle),
        new_code_cell("rk.kpis.win_rate(ws, '2026-09').value"),
    ]
    nbformat.write(new_notebook(cells=cells), folder / "win_rate.ipynb")
    return folder / "win_rate.ipynb"


def report(folder, path):
    [outcome] = run([path], {}, folder / "reports", workdir=folder, title="", context={})
    return outcome


def test_database_lost_in_a_report_leaves_the_last_good_one(company):
    assert report(company, notebook(company)).status == "done"
    before = (company / "reports" / "win_rate.html").read_bytes()
    lost = report(company, notebook(company, CUT))
    assert lost.error == "Cell [5] failed with AdminShutdown."
    assert (company / "reports" / "win_rate.html").read_bytes() == before
    for path in (company / "reports").iterdir():
        assert "revops@127.0.0.1" not in path.read_text(), path.name


def test_database_lost_on_the_command_line_is_a_sentence(company, monkeypatch, capsys):
    ws = open_workspace(company)
    exec(CUT, {"address": os.environ["CRM_URL"]})
    monkeypatch.setattr("revops_kit.cli.figures.open_", lambda *_: ws)
    monkeypatch.setattr(sys, "argv", ["revops", "kpi", "win_rate", "--period", "2026-09"])
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 1
    said = capsys.readouterr().err
    assert said == "revops: the database does not answer any more (AdminShutdown). " + (
        "See that it runs, and try again.\n"
    )


@pytest.mark.parametrize(
    ("value", "error"),
    [
        ("postgres://ann:hunter2hunter2@127.0.0.1:1/crm", SourceError),
        ("ann:hunter2hunter2@127.0.0.1/crm", WorkspaceError),
        ("hunter2hunter2://127.0.0.1/crm", WorkspaceError),
        ("duckdb://hunter2hunter2.duckdb", SourceError),
        ("postgres://ann:hunter2hunter2@[/crm", SourceError),
        ("postgres://ann:hunter2hunter2@127.0.0.1:no/crm", SourceError),
    ],
)
def test_error_of_an_engine_does_not_tell_what_the_environment_holds(
    value, error, tmp_path, monkeypatch
):
    monkeypatch.setenv("CRM_URL", value)
    (tmp_path / "revops.toml").write_text(TOML)
    with pytest.raises(error) as raised:
        open_workspace(tmp_path)
    assert "hunter2" not in str(raised.value)
