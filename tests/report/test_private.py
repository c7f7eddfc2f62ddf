"""What a report does not give away: secrets, and paths of this machine."""

import base64
import html
import json
import sys
from pathlib import Path
from urllib.parse import quote, quote_plus

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from revops_kit.errors import ReportError
from revops_kit.report import run
from revops_kit.report.private import hidden, revealed, without_paths
from revops_kit.workspace import secrets_of

SECRET = 'pä55 wörd/&<"\\+='
TOML = 'mail = { url = "smtps://${SMTP_USER}:${SMTP_PASSWORD}@mail" }\n'
WRITTEN = {
    "plainly": SECRET,
    "in a URL": quote(SECRET),
    "as the password of a URL": quote(SECRET, safe=""),
    "in a query": quote_plus(SECRET),
    "in HTML": html.escape(SECRET),
    "in HTML, by number": SECRET.replace("<", "&#60;").replace("&#", "&#"),
    "in JSON": json.dumps(SECRET),
    "in JSON, as it is": json.dumps(SECRET, ensure_ascii=False),
    "in HTML in JSON": json.dumps(html.escape(SECRET)),
    "as Python shows it": repr(SECRET),
    "in base64": base64.b64encode(SECRET.encode()).decode(),
    "in base64 of a URL": base64.urlsafe_b64encode(SECRET.encode()).decode(),
    "in base64 after a name": base64.b64encode(f"ann:{SECRET}".encode()).decode(),
    "in base64 within a line": base64.b64encode(f"AUTH ann {SECRET}!".encode()).decode(),
}


@pytest.mark.parametrize("how", WRITTEN)
def test_value_is_found_however_it_is_written(how):
    text = f"<p>Connected by {WRITTEN[how]} at last</p>"
    assert revealed(text, {"OTHER": "something else", "SMTP_PASSWORD": SECRET}) == "SMTP_PASSWORD"
    assert revealed(text, {"OTHER": "something else"}) is None


def test_value_is_found_in_a_notebook_that_cuts_it_into_lines(tmp_path):
    said = new_output("stream", text=f"by\n{SECRET[:4]}{SECRET[4:]}")
    cell = new_code_cell(outputs=[said])
    assert revealed(nbformat.writes(new_notebook(cells=[cell])), {"X": "by\n" + SECRET}) == "X"


def test_password_of_a_url_is_found_by_itself():
    secrets = {"DATABASE_URL": "postgres://ann:hunter%20two@crm/sales"}
    assert revealed("hunter two", secrets) == revealed("hunter%20two", secrets) == "DATABASE_URL"
    assert revealed("ann at crm/sales", secrets) is None


def test_value_too_short_to_be_told_from_chance_is_not_looked_for():
    assert (
        revealed("5432 deals of the crm", {"PGPORT": "5432", "PGDATABASE": "crm", "X": ""}) is None
    )


def test_message_gets_its_reference_back():
    said = f"cannot reach smtps://ann:{quote(SECRET, safe='')}@mail ({SECRET})"
    assert hidden(said, {"SMTP_PASSWORD": SECRET}) == (
        "cannot reach smtps://ann:${SMTP_PASSWORD}@mail (${SMTP_PASSWORD})"
    )


def test_secrets_are_what_the_workspace_refers_to(tmp_path, monkeypatch):
    monkeypatch.setenv("SMTP_PASSWORD", SECRET)
    monkeypatch.setenv("UNRELATED", "something else")
    monkeypatch.delenv("SMTP_USER", raising=False)
    (tmp_path / "revops.toml").write_text(TOML)
    assert secrets_of(tmp_path / "revops.toml") == {"SMTP_PASSWORD": SECRET}
    assert secrets_of(tmp_path / "nowhere.toml") == {}


def test_paths_are_shortened_where_they_begin(tmp_path):
    package = Path(nbformat.__file__)
    said = [
        f"\x1b[32mFile \x1b[39m\x1b[32m{tmp_path}/data/deals.csv:3",
        f"{package}:12: UserWarning",
        f"{Path.home()}/x and {Path.home()}work/x and https://example.com{Path.home()}/x",
    ]
    assert without_paths({"text": said}, tmp_path)["text"] == [
        "\x1b[32mFile \x1b[39m\x1b[32m./data/deals.csv:3",
        "…/nbformat/__init__.py:12: UserWarning",
        f"~/x and {Path.home()}work/x and https://example.com{Path.home()}/x",
    ]


# --- real runs --------------------------------------------------------------------------------

# In base64, and only in the notebook: the page leaves out what is written to stderr.
ENCODED = (
    "import sys, base64; "
    "print(base64.b64encode(b'x' + os.environ['SMTP_PASSWORD'].encode()), file=sys.stderr)"
)
GIVES_AWAY = (
    "It would show the value of the environment variable SMTP_PASSWORD: take that out of the "
    "notebook or, if it is no secret, write it into the workspace's file itself."
)


@pytest.fixture
def make(tmp_path, monkeypatch, warm_parent):
    """Run notebooks of a workspace that refers to a secret, and read all that is then there."""
    monkeypatch.setenv("SMTP_PASSWORD", SECRET)
    (tmp_path / "revops.toml").write_text(TOML)
    reports = tmp_path / "reports"

    def make(*notebooks, company="Acme", **options):
        context = {"company": company, "period": "2026-09"}
        outcomes = run(
            notebooks, {}, reports, workdir=tmp_path, title="2026-09", context=context, **options
        )
        return outcomes, {path.name: path.read_text("utf-8") for path in reports.iterdir()}

    return make


def test_no_secret_and_no_path_of_this_machine_is_published(make, write, tmp_path):
    reports = tmp_path / "reports"
    reports.mkdir()
    for name in ("win_rate.html", "win_rate.ipynb"):
        (reports / name).write_text("of the run before")
    show = "import os; os.environ['SMTP_PASSWORD']"
    outcomes, files = make(
        write("win_rate", "# Win rate", ("headline", show)),
        write("cac", "# CAC", ("", "import os"), ("", ENCODED)),
        write("clv", "# CLV", ("", f"import os; raise ValueError({show.split('; ')[1]})")),
        write("revenue", "# Revenue"),
        write("churn", "# Churn", ("", "import os, warnings; warnings.warn(os.getcwd())")),
        write("velocity", "# Velocity", ("", "import json; json.loads(str())")),
        only={"revenue": {"by": SECRET}},
    )
    assert [outcome.error for outcome in outcomes] == [
        GIVES_AWAY,
        GIVES_AWAY,
        f"Cell [2] failed with ValueError. {GIVES_AWAY}",
        GIVES_AWAY,
        None,
        "Cell [2] failed with JSONDecodeError.",
    ]
    assert sorted(files) == [
        "churn.html",
        "churn.ipynb",
        "index.html",
        "run.json",
        "velocity.failed.ipynb",
        "win_rate.html",
        "win_rate.ipynb",
    ]
    assert files["win_rate.html"] == files["win_rate.ipynb"] == "of the run before"
    assert GIVES_AWAY.split(":")[0] in files["index.html"]
    assert "json/decoder.py" in files["velocity.failed.ipynb"]
    here = {str(tmp_path), str(Path.home()), sys.prefix, sys.base_prefix, str(Path.cwd())}
    for name, text in files.items():
        assert revealed(text, {"SMTP_PASSWORD": SECRET}) is None, name
        assert not [path for path in here if path in text], name
    nbformat.validate(nbformat.reads(files["velocity.failed.ipynb"], as_version=4))


def test_list_of_reports_gets_the_reference_back(make):
    _, files = make(company=f"Acme {SECRET}")
    assert json.loads(files["run.json"])["company"] == "Acme ${SMTP_PASSWORD}"
    assert "Acme ${SMTP_PASSWORD}" in files["index.html"]


def test_list_that_would_give_a_secret_away_is_not_published(make, tmp_path):
    encoded = base64.b64encode(SECRET.encode()).decode()
    with pytest.raises(ReportError, match=r"^run\.json is not published\. It would show .*SMTP"):
        make(company=encoded)
    assert list((tmp_path / "reports").iterdir()) == []
