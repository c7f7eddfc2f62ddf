"""One company in files, in a DuckDB file and in PostgreSQL: the same figures everywhere."""

import datetime as dt
import random
import shutil
from dataclasses import replace
from functools import cache

import ibis
import pandas as pd
import pytest

from revops_kit import drivers, journeys, kpis, outlook
from revops_kit.errors import WorkspaceError
from revops_kit.outlook import rivals, segments
from revops_kit.periods import last
from revops_kit.silos import audit_keys
from revops_kit.workspace import open_workspace

pytestmark = pytest.mark.usefixtures("connections")

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
        kind = chance.choice(["new", "new", "expansion", "renewal", None])
        account = f"A{chance.randint(0, 39):02}"
        deals.append((f"D{at:03}", outcome, opened, closed, amount, account, lead,
                      chance.choice(SOURCES), hoped, kind, chance.choice(REGIONS)))  # fmt: skip
        for step in range(chance.randint(1, 3)):
            moved = opened + dt.timedelta(days=9 * step)
            category = chance.choice(["commit", "pipeline"])
            changes.append((f"D{at:03}", moved, f"S{step}", amount, hoped, category))
    months = pd.date_range("2025-01-01", "2026-06-01", freq="MS").date
    # Some leave early, so that departures are on record from the start.
    runs = [(f"S{at:02}", f"C{chance.randint(0, 34):02}", day(0, first).date(),
             chance.choice([None, None, day(first + 1, 520).date()]),
             chance.choice([0, 49.5, 99, 250]), chance.choice(["basic", "pro"]))
            for at, first in zip(range(60), (40, 400, 200) * 20, strict=True)]  # fmt: skip
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
def in_duckdb(tmp_path_factory, connections):
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
def in_postgres(tmp_path_factory, postgres, connections):
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


@pytest.mark.parametrize("place", ENGINES)
@pytest.mark.parametrize("kpi", kpis.ALL, ids=lambda kpi: kpi.name)
def test_every_engine_gives_the_same_figures(counted, place, kpi, request):
    elsewhere, months = request.getfixturevalue(place), last(6, "2026-05")
    fits = (by for by in ("source", "plan", "") if not counted(kpi.name, months, by).unavailable)
    by = next(fits)
    assert counted(kpi.name, months, by).frame.value.notna().any(), "there is nothing to differ"
    for run, split in [(months, by), (last(1, "all"), "")]:
        ours, theirs = counted(kpi.name, run, split), kpi.over(elsewhere, run, split)
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
@pytest.mark.parametrize("missing", [(), ("stage_changes",)], ids=["history", "no history"])
def test_every_engine_looks_ahead_alike(in_files, place, missing, request):
    def seen(ws):
        kept = {name: each for name, each in ws.tables.sources.items() if name not in missing}
        ws = replace(ws, tables=replace(ws.tables, sources=kept))
        ahead = outlook.look(ws, "bookings", "2026-05", 12)
        assert ahead.target(ahead.next) == 60_000  # of the quarter that ends next
        parts = segments.segments(ahead, "region")
        return [ahead.frame(), ahead.parts(), ahead.deals(), parts, rivals.rivals(ahead)]

    for ours, theirs in zip(seen(in_files), seen(request.getfixturevalue(place)), strict=True):
        assert len(ours)
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-9, atol=1e-9, check_dtype=False)


@pytest.mark.parametrize("place", ENGINES)
def test_every_engine_has_the_same_cohorts_east_of_greenwich_too(
    in_files, place, request, tmp_path
):
    def seen(there):
        folder = shutil.copytree(there.file.parent, tmp_path / there.file.parent.name)
        toml = folder / "revops.toml"
        toml.write_text(toml.read_text().replace(ZONE, "Asia/Tokyo"))
        ws = open_workspace(folder)
        deals = journeys.incidence(ws, last(12, "2026-05"))
        return drivers.retention(ws, "2026-05", ages=6), journeys.closed_only_bias(deals).frame

    for ours, theirs in zip(seen(in_files), seen(request.getfixturevalue(place)), strict=True):
        assert len(ours)
        pd.testing.assert_frame_equal(ours, theirs, rtol=1e-9)


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


def test_url_takes_its_secrets_from_the_environment(in_duckdb, tmp_path, monkeypatch):
    toml = settings("duckdb://${CRM_FILE}") + '[tables.leads]\ntable = "leads"\n'
    tmp_path.joinpath("revops.toml").write_text(toml)
    with pytest.raises(WorkspaceError, match="environment variable CRM_FILE is not set"):
        open_workspace(tmp_path)
    monkeypatch.setenv("CRM_FILE", str(in_duckdb.file.parent / "crm.duckdb"))
    assert open_workspace(tmp_path).tables.sources["leads"].health.rows == 160
