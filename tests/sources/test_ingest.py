"""From files to tables of the contract: what revops.toml says of a column, and what comes out."""

import datetime as dt
import json
from textwrap import dedent

import pandas as pd
import pytest

from revops_kit.contracts import contract
from revops_kit.errors import ContractError, UnknownNameError, WorkspaceError
from revops_kit.sources import House, Source, TableSpec
from revops_kit.sources.ingest import from_file
from revops_kit.workspace import open_workspace

COMPANY = '[company]\ncurrency = "EUR"\ntimezone = "Europe/Berlin"\n'


@pytest.fixture
def ingest(tmp_path):
    """Write files and a workspace, and open its tables."""

    def opened(toml, **files):
        for name, content in files.items():
            path = tmp_path / name.replace("__", ".")
            path.write_text(dedent(content), "utf-8")
        tmp_path.joinpath("revops.toml").write_text(COMPANY + dedent(toml), "utf-8")
        return open_workspace(tmp_path).tables.sources

    return opened


def columns(source, *names):
    """Give some columns of a table as lists, missing as None."""
    assert isinstance(source, Source), source
    frame = source.table.to_pandas().astype(object)
    frame = frame.where(frame.notna(), None)
    return [frame[name].to_list() for name in names]


def problems(source):
    return [(each.kind, each.column, each.count, *each.lines) for each in source.health.problems]


# --- columns ----------------------------------------------------------------------------------


def test_column_is_renamed_mapped_constant_or_left_as_it_is(ingest):
    made = ingest(
        """
        [tables.opportunities]
        file = "deals.csv"
        [tables.opportunities.columns]
        opportunity_id = "Key"
        outcome = { column = "Stage", map = { Won="won", "Closed Lost"="lost" }, default = "open" }
        source = { column = "Origin", map = { www = "web" } }
        type = { value = "new" }
        probability = { value = 0.5 }
        """,
        deals__csv="""\
            Key,Stage,Origin,AMOUNT,Region
            007,Won,www,1.50,EMEA
            8,closed lost,WWW,2,
            9,WON,Fair,3,NA
            10,Proposal,,4,EMEA
            11,,,5,EMEA
            """,
    )["opportunities"]
    # Keys are text; what a map does not name keeps its value, in whatever case it is written.
    assert columns(made, "opportunity_id", "outcome", "source", "type", "probability") == [
        ["007", "8", "9", "10", "11"],
        ["won", "lost", "won", "open", "open"],
        ["web", "web", "Fair", None, None],
        ["new"] * 5,
        [0.5] * 5,
    ]
    # A column named as the contract has it needs no word; one outside it is carried along.
    assert columns(made, "amount", "region", "stage") == [
        [1.5, 2, 3, 4, 5],
        ["EMEA", None, "NA", "EMEA", "EMEA"],
        ["Won", "closed lost", "WON", "Proposal", None],
    ]


def test_rows_are_numbered_before_where_so_that_two_tables_of_one_file_link(ingest):
    both = ingest(
        """
        [tables.leads]
        file = "crm.csv"
        [tables.leads.columns]
        lead_id = { generate = true }
        created_at = "first"
        [tables.opportunities]
        file = "crm.csv"
        where = "won <> ''"
        [tables.opportunities.columns]
        opportunity_id = { generate = true }
        lead_id = { generate = true }
        outcome = { value = "won" }
        closed_at = "won"
        """,
        crm__csv="first,won\n2026-01-01,\n2026-01-02,2026-02-01\n2026-01-03,\n2026-01-04,2026-03-01\n",
    )
    assert columns(both["leads"], "lead_id") == [["1", "2", "3", "4"]]
    assert columns(both["opportunities"], "lead_id", "closed_at") == [
        ["2", "4"],
        [pd.Timestamp("2026-02-01"), pd.Timestamp("2026-03-01")],
    ]


@pytest.mark.parametrize("own", ["probability", "Probability", "chance"])
def test_column_told_unfit_is_not_there_whatever_the_source_calls_it(ingest, own):
    made = ingest(
        """
        [tables.opportunities]
        file = "deals.csv"
        [tables.opportunities.columns]
        probability = "unavailable"
        """,
        deals__csv=f"opportunity_id,outcome,{own}\n1,won,1000\n",
    )["opportunities"]
    assert made.health.rows == 1
    assert "probability" not in made.table.columns


def test_close_date_of_an_open_deal_is_only_hoped_for(ingest):
    made = ingest(
        '[tables.opportunities]\nfile = "deals.csv"\n',
        deals__csv="opportunity_id,outcome,closed_at\n1,open,2030-12-31\n2,won,2026-01-31\n",
    )["opportunities"]
    assert columns(made, "closed_at") == [[None, pd.Timestamp("2026-01-31")]]
    assert made.health.newest == dt.date(2026, 1, 31)


def test_moments_are_brought_to_the_companys_zone_and_days_follow(ingest):
    both = ingest(
        '[tables.leads]\nfile = "leads.csv"\n[tables.payments]\nfile = "paid.csv"\n',
        leads__csv="lead_id,created_at\n1,2026-01-31T23:30:00Z\n2,2026-01-31 23:30:00\n",
        paid__csv="customer_id,paid_on,amount\n1,2026-01-31T23:30:00Z,1\n2,2026-01-31 23:30,1\n",
    )
    assert columns(both["leads"], "created_at") == [
        [pd.Timestamp("2026-02-01 00:30"), pd.Timestamp("2026-01-31 23:30")]
    ]
    days = columns(both["payments"], "paid_on")[0]
    assert [str(day)[:10] for day in days] == ["2026-02-01", "2026-01-31"]


def test_format_is_law(ingest):
    made = ingest(
        """
        [tables.leads]
        file = "leads.csv"
        [tables.leads.columns]
        created_at = { column = "on", format = "%d.%m.%Y" }
        """,
        leads__csv="lead_id,on\n1,01.02.2026\n2,2026-02-01\n",
    )["leads"]
    assert columns(made, "created_at") == [[pd.Timestamp("2026-02-01")]]
    assert problems(made) == [("unreadable", "on", 1, 3)]


def test_name_nearly_of_the_contract_is_refused_and_a_new_one_is_not(ingest):
    toml = '[tables.leads]\nfile = "leads.csv"\n[tables.leads.columns]\n%s = "x"\n'
    rows = "lead_id,created_at,x\n1,2026-01-01,blue\n"
    refused = ingest(toml % "campain", leads__csv=rows)["leads"]
    assert isinstance(refused, UnknownNameError)
    assert "Did you mean 'campaign'?" in str(refused)
    assert columns(ingest(toml % "territory", leads__csv=rows)["leads"], "territory") == [["blue"]]


# --- money ------------------------------------------------------------------------------------

DEALS = """
[tables.opportunities]
file = "deals.csv"
[rates]
USD = 0.5
GBP = 2.0
"""


def test_amounts_are_converted_by_the_currency_beside_them_or_in_a_column_once(ingest):
    made = ingest(
        DEALS,
        deals__csv="""\
            opportunity_id,outcome,amount,Currency
            1,won,100,
            2,won,100,usd
            3,won,£100,
            4,won,£100,GBP
            5,won,$100,USD
            6,won,€100,EUR
            7,won,,CHF
            """,
    )["opportunities"]
    # The fourth and fifth say it twice, and are converted once.
    assert columns(made, "amount") == [[100, 50, 200, 200, 50, 100, None]]
    assert problems(made) == []


def test_amounts_without_a_rate_or_in_two_currencies_are_left_out(ingest):
    made = ingest(
        DEALS,
        deals__csv="""\
            opportunity_id,outcome,amount,currency
            1,won,100,CHF
            2,won,100 kr,
            3,won,£100,USD
            4,won,$100,
            5,won,7,EUR
            """,
    )["opportunities"]
    # A bare $ is none of the company's own, and which dollar it is nobody says.
    assert columns(made, "opportunity_id", "amount") == [["5"], [7]]
    assert sorted(problems(made), key=lambda each: each[3]) == [
        ("currency", "amount", 1, 2),
        ("currency", "amount", 1, 3),
        ("currency", "amount", 1, 4),
        ("currency", "amount", 1, 5),
    ]
    said = {each.lines[0]: each.message for each in made.health.problems}
    assert said[2].endswith("is in CHF, which [rates] does not name: write CHF = … there")
    assert said[4].endswith("is in two currencies at once")


def test_bare_sign_is_the_companys_own_where_it_can_be(tmp_path):
    tmp_path.joinpath("deals.csv").write_text(
        "opportunity_id,outcome,amount,currency\n1,won,$5,\n2,won,$5,AUD\n3,won,$5,CAD\n"
    )
    tmp_path.joinpath("revops.toml").write_text(
        '[company]\ncurrency = "CAD"\n[rates]\nAUD = 0.9\n'
        '[tables.opportunities]\nfile = "deals.csv"\n'
    )
    made = open_workspace(tmp_path).tables.sources["opportunities"]
    assert columns(made, "amount") == [[5, 4.5, 5]]


# --- where, lookups, queries ------------------------------------------------------------------


def test_where_is_a_condition_on_the_sources_own_columns(ingest):
    made = ingest(
        """
        [tables.leads]
        file = "leads.csv"
        where = "\\"Is Deleted\\" = 'false' AND CAST(score AS INT) > 5"
        [tables.leads.columns]
        created_at = "on"
        """,
        leads__csv="lead_id,on,Is Deleted,score\n1,2026-01-01,false,10\n2,2026-01-02,true,10\n"
        "3,2026-01-03,false,9\n4,nonsense,true,1\n",
    )["leads"]
    # What where leaves out is not rejected: it was never asked for.
    assert columns(made, "lead_id") == [["1", "3"]]
    assert (made.health.rows, made.health.rejected, problems(made)) == (2, 0, [])


def test_where_reads_values_of_mixed_kinds(ingest):
    lines = [
        {"lead_id": 1, "created_at": "2026-01-01", "score": 5, "tags": ["a"]},
        {"lead_id": "x2", "created_at": "2026-01-02", "score": "high"},
    ]
    made = ingest(
        '[tables.leads]\nfile = "leads.jsonl"\nwhere = "score <> \'5\'"\n',
        leads__jsonl="\n".join(map(json.dumps, lines)),
    )["leads"]
    assert columns(made, "lead_id") == [["x2"]]


def test_where_that_leaves_nothing_says_so(ingest):
    made = ingest(
        '[tables.leads]\nfile = "leads.csv"\nwhere = "1 = 0"\n',
        leads__csv="lead_id,created_at\n1,2026-01-01\n2,2026-01-02\n",
    )["leads"]
    assert not made.health.is_broken
    [note] = made.health.problems
    assert note.message == "leads.csv: none of 2 rows passes `where`: there are no leads"


LOOKUP = """
[tables.opportunities]
file = "deals.csv"
[tables.opportunities.lookups.owner]
file = "team.csv"
key = "Rep"
"""


def test_lookup_adds_its_columns_and_reports_what_it_does_not_know(ingest):
    made = ingest(
        LOOKUP,
        deals__csv="opportunity_id,outcome,owner,Office\n1,won,Ann,own\n2,won,Bo,own\n3,won,,own\n"
        "4,won,Cy,own\n",
        team__csv="Rep,Region,office\nAnn,EMEA,a\nBob,AMER,b\nCy,,c\n",
    )["opportunities"]
    # A column that the table has already stays its own.
    assert columns(made, "region", "office") == [["EMEA", None, None, None], ["own"] * 4]
    [unknown] = made.health.problems
    assert (unknown.kind, unknown.column, unknown.lines) == ("unmatched", "owner", (3,))
    assert unknown.message == (
        "deals.csv line 3: column 'owner' 'Bo' is not in team.csv. Did you mean 'Bob'?"
    )
    assert not made.health.is_broken


@pytest.mark.parametrize(
    ("team", "error", "said"),
    [
        ("Rep,Region\nAnn,EMEA\nAnn,AMER\n", ContractError, "column 'Rep' repeats values"),
        ("Reps,Region\nAnn,EMEA\n", UnknownNameError, "no column 'Rep' in team.csv. Did you mean"),
    ],
)
def test_lookup_that_cannot_be(ingest, team, error, said):
    rows = "opportunity_id,outcome,owner\n1,won,Ann\n"
    made = ingest(LOOKUP, deals__csv=rows, team__csv=team)["opportunities"]
    assert isinstance(made, error)
    assert said in str(made)


def test_query_joins_files_beside_the_workspace(ingest):
    made = ingest(
        """
        [tables.opportunities]
        query = "SELECT * FROM 'deals.csv' JOIN 'team.csv' USING (owner)"
        where = "region = 'EMEA'"
        """,
        deals__csv="opportunity_id,outcome,closed_at,owner\n1,won,2026-01-31,Ann\n2,won,2026-02-01,Bo\n",
        team__csv="owner,region\nAnn,EMEA\nBo,AMER\n",
    )["opportunities"]
    assert columns(made, "opportunity_id", "closed_at", "region") == [
        ["1"],
        [pd.Timestamp("2026-01-31")],
        ["EMEA"],
    ]


def test_query_cannot_be_read_where_there_is_no_such_table(ingest):
    refused = ingest('[tables.leads]\ntable = "crm.leads"\n')["leads"]
    assert "[tables.leads]: the query cannot be run: Catalog Error" in str(refused)


def test_condition_that_compares_text_with_numbers_names_the_columns(ingest):
    refused = ingest(
        '[tables.leads]\nfile = "leads.csv"\nwhere = "score > 5"\n',
        leads__csv="lead_id,created_at,score\n1,2026-01-01,10\n",
    )["leads"]
    assert isinstance(refused, WorkspaceError)
    assert str(refused).endswith("text in all but Parquet and JSON: lead_id, created_at, score.")


# --- kinds of files ---------------------------------------------------------------------------

COMPANY_ROWS = pd.DataFrame(
    {
        "Key": ["00123", "9007199254740993", "NA"],
        "Outcome": ["won", "lost", "open"],
        "Opened": ["2026-01-05", "2026-01-31", "2026-02-28"],
        "Amount": ["1200.5", "300", None],
        "Region": ["NA", "EMEA", None],
    }
)
MAPPED = """
[tables.opportunities]
file = "%s"
[tables.opportunities.columns]
opportunity_id = "Key"
opened_at = "Opened"
"""


def as_delimited(frame, path):
    frame.to_csv(path, index=False, sep="\t" if path.suffix == ".tsv" else ",")


def as_sheet(frame, path):
    typed = frame.assign(
        Amount=frame.Amount.astype(float), Opened=pd.to_datetime(frame.Opened).dt.date
    )
    typed.to_excel(path, index=False)


def as_parquet(frame, path):
    typed = frame.assign(Amount=frame.Amount.astype(float), Opened=pd.to_datetime(frame.Opened))
    typed.to_parquet(path)


def as_lines(frame, path):
    frame.assign(Amount=frame.Amount.astype(float)).to_json(path, orient="records", lines=True)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("deals.csv", as_delimited),
        ("deals.tsv", as_delimited),
        ("deals.xlsx", as_sheet),
        ("deals.parquet", as_parquet),
        ("deals.jsonl", as_lines),
    ],
)
def test_every_kind_of_file_gives_the_same_table(tmp_path, name, write):
    write(COMPANY_ROWS, tmp_path / name)
    tmp_path.joinpath("revops.toml").write_text(MAPPED % name)
    made = open_workspace(tmp_path).tables.sources["opportunities"]
    assert columns(made, "opportunity_id", "outcome", "opened_at", "amount", "region") == [
        ["00123", "9007199254740993", "NA"],
        ["won", "lost", "open"],
        [pd.Timestamp(day) for day in ("2026-01-05", "2026-01-31", "2026-02-28")],
        [1200.5, 300, None],
        ["NA", "EMEA", None],
    ]
    assert (made.health.rows, made.health.rejected) == (3, 0)
    assert made.health.newest == dt.date(2026, 2, 28)


def test_row_that_ends_before_it_begins_is_told_and_kept(tmp_path):
    (tmp_path / "subscriptions.csv").write_text(
        "subscription_id,customer_id,started_on,ended_on,mrr\n"
        "1,A,2026-01-01,2026-03-31,10\n2,B,2026-02-01,2026-01-15,20\n",
        "utf-8",
    )
    spec = TableSpec(file="subscriptions.csv")
    rows, health = from_file(contract("subscriptions"), spec, House(tmp_path, "UTC", "USD"))
    assert len(rows) == 2
    assert not health.is_broken
    (problem,) = [each for each in health.problems if each.kind == "order"]
    assert problem.lines == (3,)
    assert "column 'ended_on' lies before started_on" in problem.message
