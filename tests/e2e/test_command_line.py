"""What people type and what programs parse: the Interface of the command line."""

import csv
import io
import subprocess
import sys
from email import message_from_bytes, policy

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from revops_kit import kpis
from revops_kit.errors import PeriodError

COMMANDS = ("demo", "check", "list", "kpi", "report", "snapshot", "mail")
TOML = """
[company]
name = "Northwind Analytics"
currency = "EUR"
timezone = "Europe/Berlin"
[tables.opportunities]
file = "deals.csv"
[tables.leads]
file = "leads.csv"
"""
DEALS = """\
opportunity_id,outcome,opened_at,closed_at,amount,lead_id,region
1,won,2026-06-01,2026-07-10,100,1,EMEA
2,lost,2026-06-01,2026-07-31,60,2,EMEA
3,won,2026-06-01,2026-08-01,200,3,AMER
4,won,2026-06-01,2026-08-31,300,9,EMEA
5,lost,2026-06-01,2026-09-15,50,,
6,won,2026-06-01,2026-09-16,400,,AMER
7,open,2026-06-01,2026-12-01,500,,AMER
"""
LEADS = "lead_id,created_at\n1,2026-05-01\n2,2026-05-02\n3,2026-05-03\n"


@pytest.fixture(scope="module")
def company(tmp_path_factory):
    folder = tmp_path_factory.mktemp("company")
    for name, text in {"revops.toml": TOML, "deals.csv": DEALS, "leads.csv": LEADS}.items():
        folder.joinpath(name).write_text(text, "utf-8")
    return folder


# --- help -------------------------------------------------------------------------------------


def test_help_names_the_commands_and_where_to_begin(company, revops):
    for words in ([], ["--help"], ["-h"]):
        said = revops(company, *words)
        assert (said.code, said.err) == (0, "")
        assert [name for name in COMMANDS if f"\n  {name} " in said.out] == list(COMMANDS)
        assert "Begin with `revops demo`" in said.out


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_shows_how(company, revops, command):
    said = revops(company, command, "--help")
    assert (said.code, said.err) == (0, "")
    assert f"\n  revops {command}" in said.out


def test_commands_of_later_issues_are_absent(company, revops):
    for command in ("init", "schedule", "lab"):
        assert revops(company, command).code == 2


# --- kpi --------------------------------------------------------------------------------------


def rows(said):
    assert (said.code, said.err) == (0, "")
    return said.json["rows"]


def test_kpi_defaults_to_the_last_whole_month(company, revops):
    # The data end on 16 September: August is the last month known to its end.
    [row] = rows(revops(company, "kpi", "win_rate", "--format", "json"))
    assert (row["period"], row["numerator"], row["denominator"]) == ("2026-08", 2, 2)


@pytest.mark.parametrize(
    ("words", "period"),
    [
        (["--as-of", "2026-08-31"], "2026-08"),
        (["--as-of", "2026-08-30"], "2026-07"),
        (["--period", "last-quarter"], "2026-Q2"),
        (["--period", "last-week"], "2026-W37"),
        (["--period", "last-year"], "2025"),
        (["--period", "this-month"], "2026-09"),
        (["--period", "all"], "all"),
    ],
)
def test_kpi_resolves_periods_from_the_day_it_is_seen_from(company, revops, words, period):
    [row] = rows(revops(company, "kpi", "bookings", *words, "--format", "json"))
    assert row["period"] == period


def test_kpi_prints_the_object_of_the_interface(company, revops):
    said = revops(company, "kpi", "win_rate", "--period", "2026-07", "--by", "region",
                  "--format", "json").json  # fmt: skip
    assert said.keys() >= {
        "kpi", "title", "unit", "better", "as_of", "policy", "missing_because", "rows", "notes",
    }  # fmt: skip
    assert (said["kpi"], said["unit"], said["better"]) == ("win_rate", "share", "higher")
    assert (said["as_of"], said["policy"], said["missing_because"]) == ("2026-09-16", {}, None)
    [row] = said["rows"]
    assert row.keys() >= {
        "period", "region", "value", "low", "high", "n", "numerator", "denominator",
    }  # fmt: skip
    assert (row["region"], row["value"], row["n"]) == ("EMEA", 0.5, 2)


def test_kpi_last_gives_a_run_of_periods_with_the_partial_one_marked(company, revops):
    found = rows(revops(company, "kpi", "bookings", "--period", "2026-09", "--last", "3",
                        "--format", "json"))  # fmt: skip
    assert [(row["period"], row["value"], row["is_partial"]) for row in found] == [
        ("2026-07", 100, False),
        ("2026-08", 500, False),
        ("2026-09", 400, True),
    ]


def test_kpi_without_a_value_has_null_and_a_reason(company, revops):
    [row] = rows(revops(company, "kpi", "win_rate", "--period", "2026-01", "--format", "json"))
    assert (row["value"], row["low"], row["n"]) == (None, None, 0)
    assert row["missing_because"] == "no deals were decided in 2026-01"


def test_kpi_says_what_it_would_need_and_exits_well(company, revops):
    said = revops(company, "kpi", "cac", "--period", "all", "--format", "json")
    assert said.code == 0
    needs = "not available: needs spend.spent_on and spend.amount"
    assert said.json["missing_because"] == needs
    assert needs in revops(company, "kpi", "cac", "--period", "all").out


def test_kpi_keeps_deals_of_no_region_as_a_group(company, figures):
    found = figures(company, "win_rate", "--period", "all", "--by", "REGION", of="n")
    assert found == {"AMER": 2, "EMEA": 3, "(blank)": 1}


def test_kpi_seen_from_an_earlier_day_knows_nothing_later(company, figures):
    seen = ("--period", "2026-08", "--as-of", "2026-08-15")
    assert figures(company, "bookings", *seen) == {"2026-08": 200}


def test_kpi_set_changes_a_policy_for_this_once(company, revops):
    words = ("kpi", "sales_cycle", "--period", "2026-07", "--format", "json")
    assert rows(revops(company, *words))[0]["value"] == 70  # 1 May, the lead, to 10 July
    said = revops(company, *words, "--set", "cycle_start=opportunity")
    assert rows(said)[0]["value"] == 39  # 1 June to 10 July
    assert said.json["policy"] == {"cycle_start": "opportunity"}


def test_kpi_as_csv_parses(company, revops):
    said = revops(company, "kpi", "bookings", "--period", "all", "--by", "region",
                  "--format", "csv")  # fmt: skip
    assert (said.code, said.err) == (0, "")
    found = {row["region"]: float(row["value"]) for row in csv.DictReader(io.StringIO(said.out))}
    assert found == {"AMER": 600, "EMEA": 400}


def test_kpi_as_a_table_writes_figures_as_people_do(company, revops):
    said = revops(company, "kpi", "bookings", "--period", "2026-08")
    assert said.code == 0
    assert "€500" in said.out
    assert "Seen as of 2026-09-16." in said.out


@pytest.mark.parametrize("name", [kpi.name for kpi in kpis.ALL])
def test_every_kpi_answers_people_too(company, revops, name):
    said = revops(company, "kpi", name, "--period", "2026-09", "--last", "3")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith(kpis.named(name).title)
    assert "2026-07" in said.out


# --- check and list ---------------------------------------------------------------------------


def test_check_prints_the_object_of_the_interface(company, revops):
    said = revops(company, "check", "--format", "json")
    assert (said.code, said.err) == (0, "")
    assert said.json.keys() == {"tables", "silos"}
    assert said.json["tables"] == {
        "opportunities": {
            "rows": 7, "rejected": 0, "from": "2026-06-01", "newest": "2026-09-16", "problems": [],
        },
        "leads": {
            "rows": 3, "rejected": 0, "from": "2026-05-01", "newest": "2026-05-03", "problems": [],
        },
    }  # fmt: skip
    [audit] = said.json["silos"]["keys"]
    assert audit == {
        "column": "opportunities.lead_id", "to": "leads.lead_id",
        "rows": 7, "blank": 3, "matched": 3, "unmatched": 1,
    }  # fmt: skip


def test_check_gives_each_problem_its_kind_column_count_lines_and_message(workspace, revops):
    folder = workspace('[tables.leads]\nfile = "leads.csv"\n', {"leads.csv": LEADS + "4,soon\n"})
    said = revops(folder, "check", "--format", "json")
    assert said.code == 1
    assert said.json["tables"]["leads"]["problems"] == [
        {
            "kind": "unreadable",
            "column": "created_at",
            "count": 1,
            "lines": [5],
            "message": "leads.csv line 5: column 'created_at' is not a date",
        }
    ]
    assert said.json["silos"] == {"keys": []}


def test_check_as_a_table_says_what_leads_nowhere(company, revops):
    said = revops(company, "check")
    assert (said.code, said.err) == (0, "")
    assert (
        "! opportunities.lead_id → leads.lead_id: 3 of 7 rows match, 3 are blank, 1 lead nowhere"
        in said.out
    )


def test_list_tells_what_is_here_and_what_is_needed(company, revops):
    said = revops(company, "list")
    assert (said.code, said.err) == (0, "")
    lines = said.out.splitlines()
    for kpi in kpis.ALL:
        assert any(line.split()[:1] == [kpi.name] for line in lines)
    answer = {line.split()[0]: line for line in lines if line.split()}
    assert answer["win_rate"].rstrip().endswith("yes")
    assert "needs spend.spent_on and" in answer["spend"]


# --- where it is run --------------------------------------------------------------------------


def test_workspace_is_found_by_its_folder_its_file_and_from_below(company, revops, tmp_path):
    below = company / "notebooks" / "drafts"
    below.mkdir(parents=True, exist_ok=True)
    for folder, words in [
        (tmp_path, ["-w", str(company)]),
        (tmp_path, ["--workspace", str(company / "revops.toml")]),
        (below, []),
    ]:
        said = revops(folder, "kpi", "win_rate", "--period", "all", "--format", "json", *words)
        assert rows(said)[0]["n"] == 6


def test_debug_lets_the_traceback_through(company, revops):
    words = ("kpi", "win_rate", "--period", "Sept")
    said = revops(company, *words)
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("revops: 'Sept' is not a period.")
    for debugging in (["--debug", *words], [*words, "--debug"]):
        with pytest.raises(PeriodError, match="'Sept' is not a period"):
            revops(company, *debugging)


def test_reader_of_a_pipe_may_leave_early(company):
    command = [sys.executable, "-m", "revops_kit.cli", "list"]
    with subprocess.Popen(
        command, cwd=company, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as running:
        running.stdout.close()
        told = running.stderr.read()
        running.wait(timeout=120)
    assert "Traceback" not in told
    assert "Exception ignored" not in told


# --- locale ------------------------------------------------------------------------------------


def test_people_read_numbers_in_the_companys_locale_and_programs_plain_ones(tmp_path, revops):
    file = (
        '[company]\ncurrency = "EUR"\nlocale = "de_DE"\n[tables.opportunities]\nfile = "deals.csv"'
    )
    tmp_path.joinpath("revops.toml").write_text(file, "utf-8")
    deals = [f"{key},won,2026-07-01,2026-09-30,1000.5" for key in range(1_500)]
    again = [f"{key},lost,2026-07-01,2026-09-30,1" for key in range(1_200)]
    columns = "opportunity_id,outcome,opened_at,closed_at,amount"
    tmp_path.joinpath("deals.csv").write_text("\n".join([columns, *deals, *again]), "utf-8")
    asked = ("kpi", "bookings", "--period", "2026-09", "--format")
    told = revops(tmp_path, *asked, "table").out
    assert "1,50\u202fM\xa0€" in told
    assert "1.500" in told
    assert "1.200 rows of opportunities set aside" in told
    plain = revops(tmp_path, *asked, "json").json
    assert (plain["rows"][0]["value"], plain["rows"][0]["n"]) == (1_500_750, 1_500)
    assert any("1,200 rows of opportunities set aside" in note for note in plain["notes"])
    assert revops(tmp_path, *asked, "csv").out.splitlines()[1].startswith("2026-09,1500750.0,")
    shown = revops(tmp_path, "check").out
    assert "1.199 more rows" in shown
    assert "1,199 more rows" not in shown
    [problem] = revops(tmp_path, "check", "--format", "json").json["tables"]["opportunities"][
        "problems"
    ]
    assert "1,199 more rows" in problem["message"]


# --- mail -------------------------------------------------------------------------------------

WEEKLY = """
[reports.weekly]
notebooks = ["win_rate"]
period = "2026-08"
to = ["ann@example.com"]
"""


def test_mail_that_is_not_sent_is_written_to_look_at(company, revops, tmp_path):
    for file in company.iterdir():
        if file.is_file():
            tmp_path.joinpath(file.name).write_bytes(file.read_bytes())
    tmp_path.joinpath("revops.toml").write_text(TOML + WEEKLY, "utf-8")
    tmp_path.joinpath("notebooks").mkdir()
    cells = [("parameters", 'period = "2026-08"  # when'), ("headline", "'Two of two won.'")]
    notebook = new_notebook(
        cells=[new_code_cell(source, metadata={"tags": [tag]}) for tag, source in cells]
    )
    nbformat.write(notebook, tmp_path / "notebooks" / "win_rate.ipynb")
    said = revops(tmp_path, "mail", "weekly", "--as-of", "2026-09-17", "--dry-run")
    assert said.code == 0, said.err
    assert said.out.splitlines() == [str(tmp_path / "reports" / "weekly.eml")]
    assert "Not sent, but written: 1 mail." in said.err
    mail = message_from_bytes(
        tmp_path.joinpath("reports", "weekly.eml").read_bytes(), policy=policy.default
    )
    assert mail["Subject"].startswith("[Northwind Analytics] August 2026: win rate 100.0")
    assert "Two of two won." in mail.get_body(("plain",)).get_content()
    refused = revops(tmp_path, "mail", "weekly")
    assert (refused.code, refused.out) == (2, "")
    assert "no [mail] with url and from" in refused.err
