"""Tables of a database: mapped as files are, checked where they are."""

import datetime as dt

import ibis
import numpy as np
import pandas as pd
import pytest

from revops_kit import kpis
from revops_kit.errors import ContractError, SourceError, UnknownNameError, WorkspaceError
from revops_kit.sources import Source
from revops_kit.workspace import open_workspace

pytestmark = pytest.mark.usefixtures("connections")


def settings(url):
    zone = "America/Sao_Paulo"
    return f'[company]\ncurrency = "EUR"\ntimezone = "{zone}"\n[engine]\nurl = "{url}"\n'


@pytest.fixture(params=["duckdb", "postgres"])
def table(request, tmp_path):
    """Make a table with SQL in a database, and open it as the workspace maps it."""
    if request.param == "duckdb":
        url = "duckdb://shop.duckdb"
        con = ibis.duckdb.connect(tmp_path / "shop.duckdb")
    else:
        url = request.getfixturevalue("postgres")
        con = ibis.connect(url)

    def opened(sql, mapping, name="opportunities"):
        con.create_table("things", con.sql(sql), overwrite=True)
        con.disconnect()
        toml = settings(url) + "[rates]\nUSD = 0.5\n" + f"[tables.{name}]\n{mapping}"
        tmp_path.joinpath("revops.toml").write_text(toml)
        return open_workspace(tmp_path).tables.sources[name]

    return opened


THINGS = 'table = "things"\n'
GOOD = "SELECT '1' AS opportunity_id, 'won' AS outcome, DATE '2026-01-31' AS closed_at"


def row(key, **more):
    values = {"opportunity_id": key, "outcome": "won", "probability": 0.5, "amount": 10} | more
    written = ("NULL" if each is None else repr(each) for each in values.values())
    return f"({', '.join(written)})"


def of_rows(*rows):
    names = "opportunity_id, outcome, probability, amount"
    return f"SELECT * FROM (VALUES {', '.join(rows)}) AS made ({names})"


def test_rows_that_break_the_contract_are_counted_and_left_out(table):
    made = table(
        of_rows(
            row("1"), row("2", outcome="lost"), row("3", probability=1.5),
            row("4", probability=-0.5), row("5", outcome="maybe"), row(None), row(""),
            row("2", amount=11), row("2", amount=12), row("6", probability=None, amount=None),
        ),
        THINGS,
    )  # fmt: skip
    assert isinstance(made, Source), made
    found = {(each.kind, each.column): each.count for each in made.health.problems}
    messages = [each.message for each in made.health.problems]
    assert (made.health.rows, made.health.rejected) == (3, 7)
    assert found == {
        ("missing", "opportunity_id"): 2,
        ("invalid", "outcome"): 1,
        ("invalid", "probability"): 1,  # the last of two; below 0 and above 1 are two problems
        ("duplicate", "opportunity_id"): 2,
    }
    assert "opportunities.probability: 1 row: the value is below 0" in messages
    assert "opportunities.probability: 1 row: the value is above 1" in messages
    assert "opportunities.outcome: 1 row: the value is none of open, won, lost" in messages
    kept = made.table.to_pandas().sort_values("opportunity_id")
    assert kept.opportunity_id.to_list() == ["1", "2", "6"]
    # Of rows with one key the same one counts in every query.
    assert {made.table.amount.sum().to_pyarrow().as_py() for _ in range(3)} == {
        np.nansum(kept.amount)
    }


def test_columns_are_mapped_as_those_of_files(table):
    made = table(
        "SELECT 7 AS \"Key\", 'Closed Won' AS stage, ' closed lost ' AS old, '' AS lead, "
        "'x' AS floor, 'x' AS type",
        THINGS
        + """
        [tables.opportunities.columns]
        opportunity_id = "Key"
        outcome = { column = "stage", map = { "closed won" = "won" }, default = "open" }
        stage = { column = "old", map = { "Closed Lost" = "lost" } }
        lead_id = "lead"
        source = { value = "fair" }
        type = "unavailable"
        """,
    )
    [made] = made.table.to_pandas().to_dict("records")
    wanted = ("opportunity_id", "outcome", "stage", "source")
    assert tuple(made[name] for name in wanted) == ("7", "won", "lost", "fair")
    # A blank is nobody's key, or all deals without a lead would be one customer's.
    assert made["lead_id"] is None or pd.isna(made["lead_id"])
    assert made["floor"] == "x"
    assert "type" not in made


def test_texts_become_dates_and_numbers_only_where_they_are_plain(table):
    made = table(
        """
        SELECT * FROM (VALUES
          ('1', 'won', '2026-01-31', '10.5'), ('2', 'won', '2026-01-31T23:30:00Z', ' 1e3 '),
          ('3', 'won', '2026-02-01 01:30:00+00', ''), ('4', 'won', '01/02/2026', '7'),
          ('5', 'won', '2026-01-31', '1,234'), ('6', 'open', 'soon', '8')
        ) AS made (opportunity_id, outcome, closed_at, amount)
        """,
        THINGS,
    )
    assert isinstance(made, Source), made
    kept = made.table.order_by("opportunity_id").to_pandas()
    assert kept.opportunity_id.to_list() == ["1", "2", "3", "6"]
    assert [str(each) for each in kept.closed_at] == [
        "2026-01-31 00:00:00", "2026-01-31 20:30:00", "2026-01-31 22:30:00", "NaT",
    ]  # fmt: skip
    assert [None if pd.isna(each) else each for each in kept.amount] == [10.5, 1000, None, 8]
    assert {(each.kind, each.column, each.count) for each in made.health.problems} == {
        ("unreadable", "closed_at", 1),
        ("unreadable", "amount", 1),
    }


def test_dates_of_a_format_are_read_by_it(table):
    made = table(
        "SELECT 'c' AS customer_id, '03.02.2026' AS paid_on, 5 AS amount",
        THINGS + '[tables.payments.columns]\npaid_on = {column = "paid_on", format = "%d.%m.%Y"}\n',
        "payments",
    )
    assert str(made.table.paid_on.to_pandas()[0])[:10] == "2026-02-03"
    assert made.health.newest == dt.date(2026, 2, 3)


def test_day_of_a_moment_is_the_companys_day(table):
    made = table(
        "SELECT 'c' AS customer_id, TIMESTAMPTZ '2026-02-01 01:30:00+00' AS paid_on, 5 AS amount",
        THINGS,
        "payments",
    )
    assert str(made.table.paid_on.to_pandas()[0])[:10] == "2026-01-31"


def test_amounts_in_other_currencies_are_converted_or_left_out(table):
    made = table(
        """
        SELECT * FROM (VALUES ('1', 'won', 100, 'usd'), ('2', 'won', 100, 'EUR'),
          ('3', 'won', 100, NULL), ('4', 'won', 100, 'CHF')
        ) AS made (opportunity_id, outcome, amount, currency)
        """,
        THINGS,
    )
    kept = made.table.order_by("opportunity_id").to_pandas()
    assert kept.amount.to_list() == [50, 100, 100]
    [problem] = made.health.problems
    assert (problem.kind, problem.count) == ("currency", 1)


def test_close_date_of_an_open_deal_is_only_hoped_for(table):
    sql = f"{GOOD} UNION ALL SELECT '2', 'open', DATE '2030-12-31'"
    made = table(sql, THINGS)
    assert made.health.newest == dt.date(2026, 1, 31)


def test_where_and_query_are_the_databases_own_sql(table):
    sql = f"{GOOD} UNION ALL SELECT '2', 'lost', DATE '2026-02-28'"
    made = table(sql, THINGS + "where = \"outcome LIKE 'w%'\"\n")
    assert made.table.opportunity_id.to_pandas().to_list() == ["1"]


def test_query_may_end_with_a_semicolon(table):
    made = table(GOOD, "query = \"SELECT * FROM things WHERE outcome = 'won';\"\n")
    assert made.health.rows == 1


@pytest.mark.parametrize(
    ("where", "kind", "said"),
    [
        ("where = \"outcome = 'lost'\"\n", "note", "no row passes `where`: there are no opportun"),
        ("", "empty", "opportunities: has no rows"),
    ],
)
def test_nothing_is_said_plainly(table, where, kind, said):
    made = table(GOOD if where else f"SELECT * FROM ({GOOD}) AS made WHERE 1 = 0", THINGS + where)
    [problem] = made.health.problems
    assert problem.kind == kind
    assert said in problem.message
    assert made.health.is_broken == (kind == "empty")


@pytest.mark.parametrize(
    ("mapping", "error", "said"),
    [
        ('table = "thing"\n', SourceError, "Did you mean 'things'?"),
        ('table = "crm.nothing"\n', SourceError, "crm.nothing cannot be read"),
        ('query = "SELEC 1"\n', SourceError, "query cannot be read"),
        (THINGS + "where = \"outcom = 'won'\"\n", SourceError, "cannot be read"),
        (THINGS + 'columns.amount = "amuont"\n', ContractError, "no column 'amuont'"),
        (
            THINGS + 'columns.outcome = "unavailable"\n',
            ContractError,
            "opportunities needs outcome",
        ),
        (THINGS + 'columns.ownr = "outcome"\n', UnknownNameError, "Did you mean 'owner'?"),
        (THINGS + "columns.lead_id = {generate = true}\n", WorkspaceError, "have no order to"),
        (THINGS + 'decimal = ","\n', WorkspaceError, "decimal: that is for files"),
        (THINGS + "lookups.owner = {file = 'x', key = 'y'}\n", WorkspaceError, "lookups: that is"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_sentence(table, mapping, error, said):
    refused = table(GOOD, mapping)
    assert isinstance(refused, error), refused
    assert said in str(refused)
    assert "\n" not in str(refused)


def test_value_that_no_cast_takes_stays_unsaid(table):
    refused = table(
        "SELECT '1' AS opportunity_id, 'won' AS outcome, '2026-02-31' AS closed_at", THINGS
    )
    assert isinstance(refused, SourceError)
    assert "cannot convert its values" in str(refused)
    assert "2026-02-31" not in str(refused)


def test_one_query_that_fails_leaves_the_others_their_time_zone(postgres, tmp_path):
    con = ibis.connect(postgres)
    late = "SELECT 'c' AS customer_id, 5 AS amount, TIMESTAMPTZ '2026-02-01 01:30Z' AS paid_on"
    con.create_table("late", con.sql(late), overwrite=True)
    con.disconnect()
    toml = settings(postgres) + '[tables.leads]\nquery = "SELECT nonsense"\n'
    tmp_path.joinpath("revops.toml").write_text(toml + '[tables.payments]\ntable = "late"\n')
    ws = open_workspace(tmp_path)
    assert isinstance(ws.tables.sources["leads"], SourceError)
    assert ws.as_of == dt.date(2026, 1, 31)
    assert kpis.payments(ws, "2026-01").value == 5


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgres://u:secret@127.0.0.1:1/x", "postgres: cannot be reached (OperationalError)"),
        ("duckdb://nowhere.duckdb", "there is no file nowhere.duckdb in"),
        ("oracel://x", "there is no engine 'oracel'. Did you mean 'oracle'?"),
    ],
)
def test_engine_that_cannot_be_reached(tmp_path, url, said):
    tmp_path.joinpath("revops.toml").write_text(settings(url))
    with pytest.raises((SourceError, WorkspaceError)) as refused:
        open_workspace(tmp_path)
    assert said in str(refused.value)
    assert "secret" not in str(refused.value)
