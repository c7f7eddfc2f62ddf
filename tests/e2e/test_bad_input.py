"""Whatever is wrong is said in one sentence with its place and cure, and nothing else breaks."""

import contextlib
import os
import resource
import shutil
import tempfile
from pathlib import Path

import pytest

WORKSPACE = """
[company]
currency = "EUR"
[tables.opportunities]
file = "deals.csv"
[tables.opportunities.columns]
opportunity_id = "id"
closed_at = "closed"
"""
HEADER = "id,outcome,closed,amount\n"
DEALS = HEADER + "1,won,2026-09-10,100\n2,lost,2026-09-11,50\n3,won,2026-08-11,70\n"
# What a customer would not like to read in a log.
SECRET = "Brindlemoor Holding"
ALL = ("--period", "all")


@pytest.fixture
def refusal(revops):
    """Run a command that is to fail: one sentence on stderr, nothing on stdout, no traceback."""

    def run(folder, *words):
        said = revops(folder, *words)
        assert said.code in (1, 2)
        assert said.out == ""
        assert said.err.startswith("revops: ")
        assert said.err.count("\n") == 1
        assert "Traceback" not in said.err
        assert SECRET not in said.err
        return said.code, said.err.removeprefix("revops: ").rstrip()

    return run


# --- files ------------------------------------------------------------------------------------


def test_missing_file_names_the_one_that_may_be_meant(workspace, refusal):
    folder = workspace(WORKSPACE, {"deal.csv": DEALS})
    code, said = refusal(folder, "kpi", "win_rate")
    assert code == 1
    assert said == f"There is no file deals.csv in '{folder}'. Did you mean 'deal.csv'?"


def test_empty_file(workspace, refusal):
    folder = workspace(WORKSPACE, {"deals.csv": ""})
    assert refusal(folder, "kpi", "win_rate") == (
        1,
        "deals.csv is empty: export it again, with its header.",
    )


def test_header_without_rows_is_no_figure_and_breaks_the_check(workspace, revops):
    folder = workspace(WORKSPACE, {"deals.csv": HEADER})
    said = revops(folder, "kpi", "win_rate")
    assert said.code == 0
    assert "there are no opportunities" in said.out
    said = revops(folder, "check")
    assert said.code == 1
    assert "deals.csv: has a header and no rows" in said.out


def test_named_encoding_that_does_not_fit_names_the_line(workspace, refusal):
    toml = WORKSPACE.replace('"deals.csv"', '"deals.csv"\nencoding = "utf-8"')
    rows = HEADER + f"1,won,2026-09-10,1\n{SECRET} Müller,won,2026-09-10,1\n"
    folder = workspace(toml, {"deals.csv": rows.encode("cp1252")})
    code, said = refusal(folder, "kpi", "win_rate")
    assert code == 1
    assert said.startswith("deals.csv is not utf-8: line 3 does not fit. Say its encoding = …")


def test_encoding_that_does_not_exist(workspace, refusal):
    toml = WORKSPACE.replace('"deals.csv"', '"deals.csv"\nencoding = "utf8l"')
    said = refusal(workspace(toml, {"deals.csv": DEALS}), "kpi", "win_rate")[1]
    assert said == "deals.csv: there is no encoding 'utf8l'. Did you mean 'utf-8'?"


def test_column_that_is_not_there(workspace, refusal):
    folder = workspace(WORKSPACE, {"deals.csv": DEALS.replace("closed", "close_date")})
    code, said = refusal(folder, "kpi", "win_rate")
    assert code == 1
    assert said.startswith("deals.csv: there is no column 'closed' for opportunities.closed_at.")
    assert "Did you mean 'close_date'? Its columns: id, outcome, close_date, amount." in said


def test_column_that_nobody_mapped(workspace, refusal):
    toml = WORKSPACE.replace('opportunity_id = "id"\n', "")
    said = refusal(workspace(toml, {"deals.csv": DEALS}), "kpi", "win_rate")[1]
    assert said.startswith("deals.csv: opportunities needs opportunity_id, and no column is mapped")


def test_name_that_is_nearly_one_of_the_contract(workspace, refusal):
    toml = WORKSPACE.replace("closed_at =", "closed_ad =")
    code, said = refusal(workspace(toml, {"deals.csv": DEALS}), "kpi", "win_rate")
    assert code == 2
    assert "no column 'closed_ad' in opportunities. Did you mean 'closed_at'?" in said


def test_dates_that_could_be_either_ask_for_the_order(workspace, refusal, revops):
    rows = HEADER + "1,won,01/02/2026,1\n2,lost,03/04/2026,1\n"
    folder = workspace(WORKSPACE, {"deals.csv": rows})
    code, said = refusal(folder, "kpi", "win_rate")
    assert code == 1
    assert said == (
        "deals.csv: column 'closed': 2 dates could have the day or the month first, and no other "
        "value settles it. Say dayfirst = true or dayfirst = false for the table."
    )
    folder = workspace(WORKSPACE.replace('csv"', 'csv"\ndayfirst = true'), {"deals.csv": rows})
    assert revops(folder, "kpi", "win_rate", "--period", "2026-04").code == 0


def test_amounts_that_could_be_either_ask_for_the_mark(workspace, refusal):
    folder = workspace(WORKSPACE, {"deals.csv": HEADER + "1,won,2026-09-10,1.234\n"})
    said = refusal(folder, "kpi", "bookings")[1]
    assert said.startswith("deals.csv: column 'amount': 1 value with one mark and three digits")
    assert 'Say decimal = "." or decimal = ","' in said
    assert "1.234" not in said


def test_rows_that_break_the_contract_are_left_out_with_their_lines(workspace, revops):
    folder = workspace(
        WORKSPACE,
        {
            "deals.csv": DEALS
            + "1,won,2026-09-10,100\n"  # 5: line 2 once more
            + f"1,lost,2026-09-12,{SECRET}\n"  # 6
            + f"4,lost,{SECRET},3\n"  # 7
            + "5,lost,2026-02-30,3\n"  # 8
            + f"6,{SECRET},2026-09-01,3\n"  # 9
            + "7,won,2026-09-02\n"  # 10
            + ",won,2026-09-02,12\n"  # 11
            + "2,won,2026-09-30,51\n"  # 12
        },
    )
    said = revops(folder, "check", "--format", "json")
    assert said.code == 1
    assert SECRET not in said.out
    found = said.json["tables"]["opportunities"]
    assert (found["rows"], found["rejected"]) == (3, 8)
    lines = {
        (each["kind"], each["column"], *each["lines"]): each["message"]
        for each in found["problems"]
    }
    assert lines == {
        ("ragged", None, 10): "deals.csv line 10: has 3 fields where the header has 4",
        ("unreadable", "closed", 7, 8): "deals.csv line 7 and 1 more row: column 'closed' "
        "is not a date",
        ("unreadable", "amount", 6): "deals.csv line 6: column 'amount' is not an amount",
        ("missing", "opportunity_id", 11): "deals.csv line 11: column 'opportunity_id' is empty, "
        "and the row needs it",
        ("invalid", "outcome", 9): "deals.csv line 9: column 'outcome' is none of open, won, "
        "lost: say what its values mean with `map` and `default`",
        ("duplicate", "opportunity_id", 5): "deals.csv line 5: column 'opportunity_id' is in the "
        "file twice, row for row",
        ("duplicate", "opportunity_id", 12): "deals.csv line 12: column 'opportunity_id' repeats "
        "the key of an earlier row with other values: the earlier one counts",
    }
    said = revops(folder, "kpi", "win_rate", *ALL, "--format", "json").json
    assert (said["rows"][0]["numerator"], said["rows"][0]["denominator"]) == (2, 3)
    assert "8 rows of opportunities set aside: `revops check` lists them." in said["notes"]
    shown = revops(folder, "check").out
    assert "Rejected rows are in no figure" in shown
    assert SECRET not in shown


def test_lookup_without_a_key_of_its_own(workspace, refusal):
    toml = WORKSPACE + '[tables.opportunities.lookups.owner]\nfile = "team.csv"\nkey = "owner"\n'
    rows = DEALS.replace("amount", "owner")
    team = "owner,region\n100,EMEA\n100,AMER\n"
    folder = workspace(toml, {"deals.csv": rows, "team.csv": team})
    said = refusal(folder, "kpi", "win_rate")[1]
    assert said == "team.csv: column 'owner' repeats values; a lookup needs a key."


def test_broken_table_leaves_alone_what_does_not_need_it(workspace, revops, refusal):
    toml = WORKSPACE + '[tables.leads]\nfile = "leads.csv"\n[tables.targets]\nfile = "nope.csv"\n'
    folder = workspace(toml, {"deals.csv": DEALS, "leads.csv": ""})
    assert revops(folder, "kpi", "win_rate").code == 0
    assert revops(folder, "kpi", "bookings", "--by", "outcome").code == 0
    assert refusal(folder, "kpi", "conversion_rate")[1].startswith("leads.csv is empty")
    # A start that leads would give is not taken from elsewhere in silence.
    assert refusal(folder, "kpi", "sales_cycle")[1].startswith("leads.csv is empty")
    listed = revops(folder, "list")
    assert listed.code == 0
    assert "leads.csv is empty" in listed.out
    checked = revops(folder, "check", "--format", "json")
    assert checked.code == 1
    tables = checked.json["tables"]
    assert tables["opportunities"]["rows"] == 3
    assert [tables[name]["problems"][0]["kind"] for name in ("leads", "targets")] == [
        "unreadable",
        "unreadable",
    ]


# --- what is asked ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["kpi", "win_rat"], "There is no KPI 'win_rat'. Did you mean 'win_rate'?"),
        (["kpi", "win_rate", "--period", "Sept"], "'Sept' is not a period. Write 2026, 2026-Q3"),
        (["kpi", "win_rate", "--period", "2026-13"], "'2026-13' is not a period."),
        (["kpi", "win_rate", "--period", "2025-W53"], "2025 has no week 53"),
        (["kpi", "win_rate", "--as-of", "31.10.2026"], "as_of '31.10.2026' is not a date. Write"),
        (["kpi", "win_rate", "--by", "amuont"], "There is no column 'amuont' to split by. Did you"),
        (["kpi", "win_rate", "--last", "0"], "Invalid value for '--last'"),
        (["kpi", "win_rate", "--last", "x"], "Invalid value for '--last'"),
        (["kpi", "win_rate", "--format", "xml"], "Invalid value for '--format'"),
        (["kpi", "win_rate", "--set", "churn"], "--set 'churn' is not NAME=VALUE"),
        (["kpi", "churn", "--set", "chrun=x"], "There is no policy 'chrun'. Did you mean 'churn'?"),
        (["kpi", "churn", "--set", "churn=strip"], "There is no value 'strip' of the policy churn"),
        (["kpi", "win_rate", "--perod", "all"], "No such option"),
        (["kpi"], "Missing argument"),
        (["kpis"], "No such command 'kpis'"),
        (["report", "win_rte"], "There is no notebook or report 'win_rte'"),
        (["kpi", "win_rate", "-w", "else.toml"], "There is no else.toml. Name a workspace with -w"),
    ],
)
def test_what_cannot_be_asked(workspace, refusal, words, said):
    code, told = refusal(workspace(WORKSPACE, {"deals.csv": DEALS}), *words)
    assert code == 2
    assert told.startswith(said)


# --- revops.toml ------------------------------------------------------------------------------

TABLE = '[tables.leads]\nfile = "x.csv"\n'


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ("[company", "revops.toml is not TOML: Expected ']' at the end of a table declaration"),
        ("[compnay]\n", "revops.toml: compnay is not a setting. Did you mean 'company'?"),
        (
            '[company]\ncurency = "EUR"',
            "company.curency is not a setting. Did you mean 'currency'?",
        ),
        ('[company]\ncurrency = "euro"', "company.currency: a currency is written as in EUR"),
        ('[company]\ntimezone = "Berlin"', "company.timezone: 'Berlin' is no time zone"),
        ("[company]\nfiscal_year_start = 13", "company.fiscal_year_start: "),
        ('[company]\nweek_start = "friday"', "company.week_start: "),
        ("[rates]\nusd = 0.9", "rates.usd: a currency is written as in EUR"),
        ("[rates]\nUSD = 0", "rates.USD: input should be greater than 0"),
        ("tables = 5", "tables should be a section of its own, [tables]"),
        (
            '[tables]\nleads = "x.csv"',
            "tables.leads should be a section of its own, [tables.leads]",
        ),
        ('[tables.leeds]\nfile = "x"', "there is no table 'leeds'. Did you mean 'leads'?"),
        ('[tables.leads]\nfil = "x"', "tables.leads.fil is not a setting. Did you mean 'file'?"),
        ("[tables.leads]\n", 'tables.leads: takes one of file = "…", table = "…" and query = "…"'),
        (TABLE + 'query = "x"', "tables.leads: takes one of file"),
        (TABLE + 'decimal = ";"', "tables.leads.decimal: input should be '.' or ','"),
        (TABLE + "skip_rows = -1", "tables.leads.skip_rows: "),
        (TABLE + "columns.lead_id = {colum = 'x'}", "tables.leads.columns.lead_id.colum is not a"),
        (TABLE + "columns.lead_id = {}", "tables.leads.columns.lead_id: takes one of column = "),
        (TABLE + "lookups.source = {file = 'x', kee = 'y'}", "tables.leads.lookups.source.kee is"),
        ('[policies]\nchurn = "strip"', "policies.churn: input should be 'chartmogul', 'stripe'"),
        ("[policies]\nchrun = 1", "policies.chrun is not a setting. Did you mean 'churn'?"),
        ("[reports.weekly]\nnotebook = []", "reports.weekly.notebook is not a setting. Did you"),
        ("[[reports.weekly.alerts]]\nkpi = 'churn'\nabov = 1", "Did you mean 'above'?"),
        ("[mail]\nurll = 'x'", "mail.urll is not a setting. Did you mean 'url'?"),
        ("[engine]\nulr = 'x'", "engine.ulr is not a setting. Did you mean 'url'?"),
        ("[engine]\nurl = 'oracel://x'", "there is no engine 'oracel'. Did you mean 'oracle'?"),
        ("[engine]\nurl = 'postgres://${NO_ONE_SET}@h/x'", "variable NO_ONE_SET is not set"),
    ],
)
def test_misspelt_workspace(tmp_path, refusal, toml, said):
    tmp_path.joinpath("revops.toml").write_text(toml, "utf-8")
    code, told = refusal(tmp_path, "kpi", "win_rate")
    assert code == 2
    assert said in told


def test_all_that_is_wrong_with_a_workspace_is_told_at_once(tmp_path, refusal):
    tmp_path.joinpath("revops.toml").write_text('[company]\ncurency = 1\n[policy]\nchurn = "x"\n')
    told = refusal(tmp_path, "check")[1]
    assert "company.curency" in told
    assert "policy is not a setting. Did you mean 'policies'?" in told


def test_workspace_that_is_not_text(tmp_path, refusal):
    tmp_path.joinpath("revops.toml").write_bytes('[company]\nname = "Müller"\n'.encode("cp1252"))
    assert refusal(tmp_path, "check") == (
        2,
        "revops.toml is not UTF-8: line 2 does not fit. Save it as UTF-8.",
    )


def test_no_workspace_at_all(tmp_path, refusal):
    code, said = refusal(tmp_path, "check", "-w", "sub/revops.toml")
    assert code == 2
    assert said.startswith("There is no sub/revops.toml. Name a workspace with -w, or write one")


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("outcom = 'won'", 'Referenced column "outcom" not found'),
        ("outcome = 'won' and (", "syntax error"),
        ("amount > 60", "Cannot compare values of type VARCHAR and"),
        (f"amount::int > 60 or outcome = '{SECRET}'", "a value cannot be converted (Conversion"),
    ],
)
def test_where_that_is_no_condition(workspace, refusal, where, said):
    toml = WORKSPACE.replace('"deals.csv"', f'"deals.csv"\nwhere = "{where}"')
    folder = workspace(toml, {"deals.csv": DEALS + f"9,won,2026-09-10,{SECRET}\n"})
    told = refusal(folder, "kpi", "win_rate")[1]
    assert told.startswith("[tables.opportunities] where = … cannot be used: ")
    assert said in told
    assert told.endswith("Its columns, text in all but Parquet and JSON: "
                         "id, outcome, closed, amount.")  # fmt: skip


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SELEC 1", "the query cannot be run: Parser Error"),
        ("SELECT * FROM 'nope.csv'", "the query cannot be run: IO Error: No files found"),
        ("SELECT amount::int AS id FROM 'deals.csv'", "a value cannot be converted (Conversion"),
    ],
)
def test_query_that_cannot_be_run(workspace, refusal, query, said):
    toml = WORKSPACE.replace('file = "deals.csv"', f'query = "{query}"')
    folder = workspace(toml, {"deals.csv": DEALS + f"9,won,2026-09-10,{SECRET}\n"})
    assert said in refusal(folder, "kpi", "win_rate")[1]


# --- no right, no room ------------------------------------------------------------------------


def test_file_in_the_place_of_the_cache_stays(workspace, refusal):
    folder = workspace(WORKSPACE, {"deals.csv": DEALS, ".revops": "mine"})
    code, said = refusal(folder, "kpi", "win_rate")
    assert code == 1
    assert ".revops/cache cannot be written (Not a directory): give the folder" in said
    assert folder.joinpath(".revops").read_text() == "mine"


@contextlib.contextmanager
def without_root():
    """Be somebody whom permissions bind."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def public_folder():
    """A folder that others can reach, unlike those of pytest."""
    folder = Path(tempfile.mkdtemp())
    yield folder
    folder.chmod(0o755)
    shutil.rmtree(folder)


def test_no_right_to_write_the_cache_or_read_a_file(public_folder, revops, refusal):
    folder = public_folder
    folder.joinpath("revops.toml").write_text(WORKSPACE)
    folder.joinpath("deals.csv").write_text(DEALS)
    assert revops(folder, "kpi", "win_rate").code == 0  # all imports are done as who we are
    folder.joinpath("deals.csv").write_text(DEALS + "4,won,2026-09-30,1\n")
    kept = sorted(folder.rglob("*"))
    for place in [folder, folder / ".revops", folder / ".revops" / "cache"]:
        place.chmod(0o555)
    with without_root():
        code, said = refusal(folder, "kpi", "win_rate")
    assert code == 1
    assert ".revops/cache cannot be written (Permission denied): give the folder" in said
    assert sorted(folder.rglob("*")) == kept
    folder.joinpath("deals.csv").chmod(0o000)
    with without_root():
        assert "deals.csv may not be read: ask for the right to." in refusal(
            folder, "kpi", "win_rate"
        )[1]  # fmt: skip
    folder.joinpath("revops.toml").chmod(0o000)
    with without_root():
        code, said = refusal(folder, "kpi", "win_rate")
    assert (code, said) == (2, f"{folder / 'revops.toml'} cannot be read: Permission denied.")
    for place in [folder / ".revops", folder / ".revops" / "cache"]:
        place.chmod(0o755)


@contextlib.contextmanager
def room_for(size):
    """Let no file grow beyond so many bytes, as a full disk does."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_no_room_leaves_what_was_there_and_nothing_half(workspace, revops, refusal):
    folder = workspace(WORKSPACE, {"deals.csv": DEALS})
    assert revops(folder, "kpi", "win_rate").code == 0
    kept = {path: path.read_bytes() for path in folder.joinpath(".revops/cache").iterdir()}
    assert len(kept) == 2
    rows = "".join(f"{at * 7919},won,2026-09-01,{at % 97}\n" for at in range(20_000))
    folder.joinpath("deals.csv").write_text(HEADER + rows)
    with room_for(20_000):
        code, said = refusal(folder, "kpi", "win_rate", *ALL)
    assert code == 1
    assert "cannot be written (" in said
    assert "File too large" in said
    assert {path: path.read_bytes() for path in folder.joinpath(".revops/cache").iterdir()} == kept
    [row] = revops(folder, "kpi", "win_rate", *ALL, "--format", "json").json["rows"]
    assert row["n"] == 20_000


NOTEBOOK = """{"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [
{"cell_type": "code", "id": "a", "metadata": {"tags": ["parameters"]}, "outputs": [],
"execution_count": null,
"source": "workspace = ''  # where\\nperiod = ''  # when\\nas_of = ''  # seen"}
]}"""


def test_reports_are_refused_before_anything_is_touched(workspace, refusal):
    folder = workspace(WORKSPACE, {"deals.csv": DEALS, "reports": "mine"})
    folder.joinpath("notebooks").mkdir()
    folder.joinpath("notebooks/tiny.ipynb").write_text(NOTEBOOK)
    code, said = refusal(folder, "report", "tiny", "--period", "2026-09")
    assert code == 1
    assert "a file stands in its place; move the file away, or choose another folder" in said
    assert folder.joinpath("reports").read_text() == "mine"
    code, said = refusal(folder, "report", "tiny", "--set", "perod=2026-09")
    assert code == 2
    assert said.startswith("There is no parameter 'perod' in tiny.ipynb. Did you mean 'period'?")
