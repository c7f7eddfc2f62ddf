"""One company in files, in a DuckDB file and in PostgreSQL: the same figures, checked in place."""

import datetime as dt
import os
import random
import shutil
import socket
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import ibis
import numpy as np
import pandas as pd
import pytest

from revops_kit import kpis
from revops_kit.errors import ContractError, SourceError, UnknownNameError, WorkspaceError
from revops_kit.periods import last
from revops_kit.silos import audit_keys
from revops_kit.sources import Source, engine
from revops_kit.workspace import open_workspace

# --- a PostgreSQL of our own ------------------------------------------------------------------


def postgres_programs():
    """Find the folder of PostgreSQL's programs, where Debian or the path has them."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: each.parent.name)
    if found := shutil.which("initdb"):
        places.append(Path(found).parent)
    return places[-1] if places else None


@pytest.fixture(scope="session")
def postgres():
    """Start a server that lives as long as the tests, and give its URL."""
    programs = postgres_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    pytest.importorskip("psycopg", reason="the extra `postgres` is not installed")
    home = Path(tempfile.mkdtemp())
    # The server refuses to run as root; the user of that name comes with its package.
    somebody = []
    if os.geteuid() == 0:
        somebody = ["runuser", "-u", "postgres", "--"]
        shutil.chown(home, "postgres")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    data, log = home / "data", home / "log"

    def run(program, *words):
        command = [*somebody, programs / program, "-D", data, *words]
        subprocess.run(command, cwd=home, check=True, stdout=subprocess.DEVNULL)

    try:
        run("initdb", "-A", "trust", "-U", "revops", "-E", "UTF8", "--locale=C", "--no-sync")
        asked = f"-p {port} -k {home} -c listen_addresses=127.0.0.1 -c fsync=off"
        run("pg_ctl", "-w", "-l", log, "-o", asked, "start")
        try:
            yield f"postgres://revops@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(home)


@pytest.fixture(scope="session", autouse=True)
def connections():
    """Close what workspaces opened; a process that ends does without."""
    made, connect = [], engine.connect

    def noting(*words):
        made.append(connect(*words))
        return made[-1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "connect", noting)
        yield
    for con in made:
        con.disconnect()


# --- a small company --------------------------------------------------------------------------

ZONE = "America/Sao_Paulo"
START = dt.datetime(2025, 1, 1, tzinfo=dt.UTC)
SOURCES = ["web", "fair", "partner", None]
REGIONS = ["EMEA", "AMER", None]


def company():
    """Make up a year and a half of a company, with moments late in the evening, in UTC."""
    chance = random.Random(7)

    def day(first, final):
        return START + dt.timedelta(days=chance.randint(first, final), hours=chance.choice([1, 23]))

    leads = [(f"L{at:03}", day(0, 480), chance.choice(SOURCES)) for at in range(160)]
    deals, changes = [], []
    for at in range(120):
        opened = day(20, 480)
        outcome = chance.choice(["won", "won", "lost", "open"])
        closed = None if outcome == "open" else opened + dt.timedelta(days=chance.randint(1, 60))
        lead = chance.choice([*(each[0] for each in leads[:120]), None])
        amount = chance.choice([None, *range(100, 5_000, 100)])
        hoped = (opened + dt.timedelta(days=chance.randint(5, 90))).date()
        kind = chance.choice(["new", "new", "expansion", None])
        account = f"A{chance.randint(0, 39):02}"
        deals.append((f"D{at:03}", outcome, opened, closed, amount, account, lead,
                      chance.choice(SOURCES), hoped, kind, chance.choice(REGIONS)))  # fmt: skip
        for step in range(chance.randint(1, 3)):
            moved = opened + dt.timedelta(days=9 * step)
            category = chance.choice(["commit", "pipeline"])
            changes.append((f"D{at:03}", moved, f"S{step}", amount, hoped, category))
    months = pd.date_range("2025-01-01", "2026-06-01", freq="MS").date
    runs = [(f"S{at:02}", f"C{chance.randint(0, 34):02}", day(0, 400).date(),
             chance.choice([None, None, day(401, 520).date()]),
             chance.choice([0, 49.5, 99, 250]), chance.choice(["basic", "pro"]))
            for at in range(60)]  # fmt: skip
    paid = [(f"C{chance.randint(0, 34):02}", day(0, 515).date(), chance.randint(10, 400) / 2)
            for _ in range(300)]  # fmt: skip
    return {
        "leads": pd.DataFrame(leads, columns=["lead_id", "created_at", "source"]),
        "opportunities": pd.DataFrame(
            deals,
            columns=["opportunity_id", "outcome", "opened_at", "closed_at", "amount", "account_id",
                     "lead_id", "source", "expected_close", "type", "region"],
        ),
        "stage_changes": pd.DataFrame(
            changes,
            columns=["opportunity_id", "changed_at", "stage", "amount", "expected_close",
                     "forecast_category"],
        ),
        "spend": pd.DataFrame(
            [(month, chance.randint(1, 90) * 100.0, channel, chance.choice(["media", "people"]))
             for month in months for channel in ("web", "fair")],
            columns=["spent_on", "amount", "channel", "kind"],
        ),
        "targets": pd.DataFrame([(month, 20_000.0) for month in months],
                                columns=["month", "amount"]),
        "accounts": pd.DataFrame([(f"A{at:02}", f"Account {at}") for at in range(40)],
                                 columns=["account_id", "name"]),
        "customers": pd.DataFrame(
            [(f"C{at:02}", f"A{at // 2:02}" if at % 3 else None) for at in range(35)],
            columns=["customer_id", "account_id"],
        ),
        "subscriptions": pd.DataFrame(
            runs,
            columns=["subscription_id", "customer_id", "started_on", "ended_on", "mrr", "plan"],
        ),
        "payments": pd.DataFrame(paid, columns=["customer_id", "paid_on", "amount"]),
    }  # fmt: skip


def settings(url=""):
    engine = f'[engine]\nurl = "{url}"\n' if url else ""
    return f'[company]\ncurrency = "EUR"\ntimezone = "{ZONE}"\n{engine}'


def put(con, name, frame, database=None):
    """Put a frame into a database, with the types a warehouse would give its columns."""
    kinds = {"at": "timestamp('UTC')", "on": "date", "close": "date", "month": "date"}
    types = {
        each: kinds.get(each.rpartition("_")[2], "string")
        for each in frame.columns
        if each not in ("amount", "mrr")
    }
    typed = frame.astype(object).where(frame.notna(), None)
    schema = ibis.schema(types | {each: "float64" for each in frame if each not in types})
    con.create_table(name, ibis.memtable(typed, schema=schema), database=database, overwrite=True)


@pytest.fixture(scope="session")
def in_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    toml = settings()
    for name, frame in company().items():
        frame.to_csv(folder / f"{name}.csv", index=False)
        toml += f'[tables.{name}]\nfile = "{name}.csv"\n'
    folder.joinpath("revops.toml").write_text(toml)
    return open_workspace(folder)


@pytest.fixture(scope="session")
def in_duckdb(tmp_path_factory):
    folder = tmp_path_factory.mktemp("duckdb")
    con = ibis.duckdb.connect(folder / "crm.duckdb")
    toml = settings("duckdb://crm.duckdb")
    for name, frame in company().items():
        put(con, name, frame)
        toml += f'[tables.{name}]\ntable = "{name}"\n'
    con.disconnect()
    folder.joinpath("revops.toml").write_text(toml)
    return open_workspace(folder)


@pytest.fixture(scope="session")
def in_postgres(tmp_path_factory, postgres):
    folder = tmp_path_factory.mktemp("postgres")
    con = ibis.connect(postgres)
    con.create_database("crm")
    toml = settings(postgres)
    for name, frame in company().items():
        put(con, name, frame, "crm")
        toml += f'[tables.{name}]\ntable = "crm.{name}"\n'
    con.disconnect()
    folder.joinpath("revops.toml").write_text(toml)
    return open_workspace(folder)


ENGINES = ["in_duckdb", "in_postgres"]


@pytest.fixture(scope="session")
def counted(in_files):
    """Count a KPI from files, once."""
    return cache(lambda name, run, by: kpis.named(name).over(in_files, run, by))


def test_company_is_worth_counting(counted):
    """Nothing would differ between engines if there were nothing to count."""
    for kpi in kpis.ALL:
        assert counted(kpi.name, last(6, "2026-05"), "").frame.value.notna().any(), kpi.name


@pytest.mark.parametrize("place", ENGINES)
@pytest.mark.parametrize("kpi", kpis.ALL, ids=lambda kpi: kpi.name)
def test_every_engine_gives_the_same_figures(counted, place, kpi, request):
    elsewhere = request.getfixturevalue(place)
    for run, by in [
        (last(6, "2026-05"), ""),
        (last(6, "2026-05"), "source"),
        (last(1, "all"), "region"),
    ]:
        ours, theirs = counted(kpi.name, run, by), kpi.over(elsewhere, run, by)
        pd.testing.assert_frame_equal(ours.frame, theirs.frame, rtol=1e-9, atol=1e-9)
    assert ours.notes == theirs.notes


@pytest.mark.parametrize(
    "policy",
    [
        {"churn": "stripe"},
        {"churn": "baremetrics"},
        {"grain": "subscription"},
        {"cac_spend": "paid"},
        {"cycle_start": "opportunity"},
        {"velocity_window": "all"},
    ],
    ids=str,
)
def test_every_engine_follows_policies(in_files, in_postgres, policy):
    [name] = policy
    for kpi in kpis.ALL:
        if name in kpi.policies and kpi.name != "clv":
            run = last(3, "2026-05")
            ours, theirs = (kpi.over(ws, run, **policy) for ws in (in_files, in_postgres))
            pd.testing.assert_frame_equal(ours.frame, theirs.frame, rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("place", ENGINES)
def test_every_engine_has_the_same_health(in_files, place, request):
    elsewhere = request.getfixturevalue(place)
    assert elsewhere.as_of == in_files.as_of
    for name, ours in in_files.tables.sources.items():
        assert elsewhere.tables.sources[name].health == ours.health
    assert audit_keys(elsewhere.tables) == audit_keys(in_files.tables)


@pytest.mark.parametrize("place", ["in_files", *ENGINES])
def test_moments_are_read_in_the_companys_zone(place, request):
    ws = request.getfixturevalue(place)
    leads = ws.tables.leads.to_pandas().set_index("lead_id").created_at
    expected = company()["leads"].set_index("lead_id").created_at
    expected = expected.dt.tz_convert(ZONE).dt.tz_localize(None)
    pd.testing.assert_series_equal(leads.sort_index(), expected, check_dtype=False)
    # 01:00 in UTC is still the evening before in São Paulo.
    assert set(leads.dt.hour) == {20, 22}


# --- what a database's tables may look like ---------------------------------------------------


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


# --- engines ----------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ENGINES)
def test_files_and_tables_of_an_engine_work_together(place, request, tmp_path):
    there = request.getfixturevalue(place)
    toml = there.file.read_text().split("[tables.", 1)[0]
    toml = toml.replace("duckdb://", f"duckdb://{there.file.parent}/")
    schema = "crm." if place == "in_postgres" else ""
    toml += f'[tables.opportunities]\ntable = "{schema}opportunities"\n'
    toml += '[tables.leads]\nfile = "leads.csv"\n'
    tmp_path.joinpath("revops.toml").write_text(toml)
    company()["leads"].to_csv(tmp_path / "leads.csv", index=False)
    run = last(6, "2026-03")
    ours = kpis.conversion_rate.over(open_workspace(tmp_path), run, "source").frame
    theirs = kpis.conversion_rate.over(there, run, "source").frame
    pd.testing.assert_frame_equal(ours, theirs)


def test_database_is_opened_to_read_only(in_duckdb):
    con = in_duckdb.tables.opportunities.get_backend()
    with pytest.raises(Exception, match="read-only"):
        con.raw_sql("CREATE TABLE mine AS SELECT 1")


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


def test_url_takes_its_secrets_from_the_environment(in_duckdb, tmp_path, monkeypatch):
    toml = settings("duckdb://${CRM_FILE}") + '[tables.leads]\ntable = "leads"\n'
    tmp_path.joinpath("revops.toml").write_text(toml)
    with pytest.raises(WorkspaceError, match="environment variable CRM_FILE is not set"):
        open_workspace(tmp_path)
    monkeypatch.setenv("CRM_FILE", str(in_duckdb.file.parent / "crm.duckdb"))
    assert open_workspace(tmp_path).tables.sources["leads"].health.rows == 160
