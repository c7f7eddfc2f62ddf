import datetime as dt

import pytest

import revops_kit as rk
from revops_kit.errors import RevopsError, SourceError, WorkspaceError
from revops_kit.workspace import expanded, find, latest_day

LEADS = """
[tables.leads]
file = "leads.csv"
[tables.leads.columns]
lead_id = "id"
created_at = "made"
"""


@pytest.fixture
def write(tmp_path):
    """Write a workspace of some files; the first text is its revops.toml."""

    def write(settings, **files):
        for name, text in files.items():
            (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
        file = tmp_path / "revops.toml"
        file.write_text(settings, encoding="utf-8")
        return file

    return write


def test_workspace_is_opened_by_its_file_or_its_folder(write):
    file = write('[company]\nname = "Acme"\ncurrency = "EUR"\nfiscal_year_start = 2' + LEADS,
                 leads="id,made,region\n1,2026-09-03,EMEA\n")  # fmt: skip
    for path in (file, str(file), file.parent):
        ws = rk.open(path)
        assert (ws.company.name, ws.currency, ws.calendar.fiscal_year_start) == ("Acme", "EUR", 2)
    assert repr(ws) == "<Acme, as of 2026-09-03: leads>"
    assert ws.tables.leads.region.to_list() == ["EMEA"]


def test_notebook_finds_the_workspace_in_a_folder_above(write, monkeypatch):
    file = write("", leads="")
    below = file.parent / "notebooks" / "own"
    below.mkdir(parents=True)
    monkeypatch.chdir(below)
    assert rk.open().file == file
    assert rk.open("revops.toml").file == file
    with pytest.raises(WorkspaceError, match=r"There is no \.\./revops\.toml"):
        rk.open("../revops.toml")  # a path is not looked for elsewhere
    with pytest.raises(WorkspaceError, match=r"There is no other\.toml. Name a workspace with -w"):
        rk.open("other.toml")


def test_nearest_workspace_is_taken(write, monkeypatch):
    file = write("")
    below = file.parent / "notebooks"
    below.mkdir()
    (below / "revops.toml").write_text("")
    monkeypatch.chdir(below)
    assert find(file.relative_to(file.parent)) == below / "revops.toml"


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ("[compny]\nname = 'x'", ["compny is not a setting", "mean 'company'"]),
        ("[company]\nnmae = 'x'", ["company.nmae is not a setting", "mean 'name'"]),
        ("[tables.leeds]\nfile = 'x.csv'", ["there is no table 'leeds'", "mean 'leads'"]),
        ("[tables.leads]\nfiel = 'x.csv'", ["tables.leads.fiel is not a setting", "mean 'file'"]),
        ("[tables.leads]\nfile = 'x.csv'\n[tables.leads.columns]\ncreated_at = { colum = 'x' }",
         ["colum is not a setting", "mean 'column'"]),
        ("[policies]\nchurn = 'strip'", ["policies.churn", "'stripe'"]),
        ("[policies]\ngros_margin = 1", ["policies.gros_margin", "mean 'gross_margin'"]),
        ("[company]\ncurrency = 'euro'", ["company.currency"]),
        ("[company]\ntimezone = 'Berlin'", ["company.timezone", "no time zone", "Europe/Berlin"]),
        ("[company]\nlocale = 'dde_DE'", ["company.locale", "no locale", "mean 'de_DE'?"]),
        ("[company]\nlocale = 'German'", ["company.locale", "no locale", "such as de_DE."]),
        ("[company]\nfiscal_year_start = 13", ["company.fiscal_year_start"]),
        ("[company]\nweek_start = 'friday'", ["company.week_start", "'monday' or 'sunday'"]),
        ("[tables.leads]", ["takes one of file"]),
        ("[tables.leads]\nfile = 'a'\nquery = 'b'", ["takes one of file"]),
        ("[company\n", ["is not TOML", "line 1"]),
    ],
)  # fmt: skip
def test_what_makes_no_sense_is_refused_in_one_sentence_with_what_may_be_meant(
    settings, said, write
):
    with pytest.raises(WorkspaceError) as refused:
        rk.open(write(settings))
    message = str(refused.value)
    assert message.startswith("revops.toml")
    assert all(part in message for part in said), message
    assert "\n" not in message
    assert "pydantic" not in message


def test_all_that_is_wrong_is_told_at_once(write):
    with pytest.raises(WorkspaceError, match=r"company.nmae.*; policies.chrun"):
        rk.open(write("[company]\nnmae = 'x'\n[policies]\nchrun = 'stripe'"))


def test_file_of_another_encoding_is_refused(tmp_path):
    file = tmp_path / "revops.toml"
    file.write_bytes("[company]\nname = 'Müller'".encode("latin-1"))
    with pytest.raises(WorkspaceError, match=r"revops\.toml is not UTF-8: line 2"):
        rk.open(file)


# --- the last day known -------------------------------------------------------------------------
def test_last_day_is_the_latest_on_which_something_happened(write):
    ws = rk.open(write(
        LEADS + '[tables.spend]\nfile = "spend.csv"\n[tables.targets]\nfile = "targets.csv"\n'
        '[tables.opportunities]\nfile = "deals.csv"\n',
        leads="id,made,converted_at\n1,2026-09-03,2026-09-20\n",
        spend="spent_on,amount\n2026-09-10,5\n",
        targets="month,amount\n2027-12-01,5\n",
        deals="opportunity_id,outcome,opened_at,expected_close\n1,open,2026-09-12,2027-03-01\n",
    ))  # fmt: skip
    assert ws.as_of == dt.date(2026, 9, 20)


def test_cancellation_announced_ahead_does_not_tell_how_far_the_data_go(write):
    settings = '[tables.subscriptions]\nfile = "subs.csv"\n'
    subs = (
        "subscription_id,customer_id,started_on,ended_on,mrr\n"
        "1,A,2026-01-05,2026-12-31,9\n2,B,2026-02-05,,9\n"
    )
    alone = rk.open(write(settings, subs=subs))
    assert alone.as_of == dt.date(2026, 12, 31), "where there is nothing else to tell"
    ws = rk.open(write(settings + LEADS, subs=subs, leads="id,made\n1,2026-09-03\n"))
    assert ws.as_of == dt.date(2026, 9, 3)


def test_day_may_be_named_and_data_may_have_none(write):
    file = write(LEADS, leads="id,made\n1,2026-09-03\n")
    assert rk.open(file, as_of="2026-08-31").as_of == dt.date(2026, 8, 31)
    assert rk.open(file, as_of=dt.date(2026, 8, 31)).as_of == dt.date(2026, 8, 31)
    assert rk.open(file, as_of="").as_of == dt.date(2026, 9, 3)
    with pytest.raises(RevopsError, match=r"'31\.8\.' is not a date"):
        rk.open(file, as_of="31.8.")
    assert latest_day({}) is None


def test_table_that_cannot_be_read_leaves_the_others_alone(write):
    ws = rk.open(
        write(LEADS + '[tables.spend]\nfile = "gone.csv"\n', leads="id,made\n1,2026-09-03\n")
    )
    assert rk.kpis.conversion_rate(ws, "2026-09").missing_because.startswith("not available")
    with pytest.raises(SourceError, match=r"gone.csv"):
        rk.kpis.spend(ws, "2026-09")


def test_secrets_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("REVOPS_USER", "ann")
    assert expanded("postgres://${REVOPS_USER}@host/db") == "postgres://ann@host/db"
    monkeypatch.delenv("REVOPS_USER")
    with pytest.raises(WorkspaceError, match="environment variable REVOPS_USER is not set"):
        expanded("postgres://${REVOPS_USER}@host/db")
