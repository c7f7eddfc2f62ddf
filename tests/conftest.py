"""Companies to count KPIs on – one made of chance, the sample company – and a PostgreSQL."""

import datetime as dt
import gc
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import uuid
from dataclasses import dataclass
from pathlib import Path
from random import Random

# Small fits are far slower when linear algebra wakes a thread for each core; the command line
# says so too. It is read when NumPy is first imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Where Python keeps no byte code, each process that tests start would compile all it imports.
if os.environ.pop("PYTHONDONTWRITEBYTECODE", ""):
    os.environ["PYTHONPYCACHEPREFIX"] = str(Path(__file__).parents[1] / ".cache" / "byte-code")
# jsonschema would build a grammar of international addresses, for two seconds in each process.
if "rfc3987_syntax" not in sys.modules:
    sys.modules["rfc3987_syntax"] = None

import pandas as pd
import pytest
from hypothesis import settings

import revops_kit as rk
from revops_kit import samples
from revops_kit.contracts import contract, names
from revops_kit.units import ENGLISH, write_in

# Queries are trees of many small objects: collecting garbage as often as by default takes a quarter
# of the time that compiling them does.
gc.set_threshold(50_000, 20, 50)

# A busy machine is no reason to fail. Before a release: `pytest --hypothesis-profile thorough`.
settings.register_profile("kit", deadline=None, max_examples=25)
settings.register_profile("thorough", deadline=None, max_examples=1000)
settings.load_profile("kit")

ROOT = Path(__file__).resolve().parents[1]
AS_OF = dt.date(2026, 9, 30)
REGIONS = ["EMEA", "AMER", "unknown", "", None]
SOURCES = ["search", "referral", "podcast", "", None]
# What takes long begins first, so that no worker is left with it when the others are done.
FIRST = ("tests/report/", "tests/schedule/", "tests/test_notebooks.py", "tests/test_kpis.py")
STAGES = ["qualify", "propose", "close"]


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers():
    """Let `-n auto` start as many as may run at once: xdist counts processors we may not use."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return min(usable, 8)  # more would import for longer than they test


def pytest_collection_modifyitems(items):
    items.sort(key=lambda item: not item.nodeid.startswith(FIRST))


@dataclass(frozen=True)
class Data:
    """Tables as frames, for tests that change them before they count."""

    frames: dict[str, pd.DataFrame]

    def workspace(self, as_of=AS_OF, **options):
        return samples.workspace(self.frames, as_of=as_of, **options)


@pytest.fixture(autouse=True)
def in_english_again():
    """Write numbers in English after a test that opened a workspace of another locale."""
    yield
    write_in(ENGLISH)


@pytest.fixture(scope="session")
def by_chance():
    return Data(company(Random(20260930)))


@pytest.fixture(scope="session")
def rows_by_chance():
    """Make the tables of a company from a seed."""
    return lambda seed: company(Random(seed))


@pytest.fixture(scope="session")
def ws_by_chance():
    """Make a company from a seed."""
    return lambda seed: samples.workspace(company(Random(seed)), as_of=AS_OF)


@pytest.fixture(scope="session")
def sample():
    sources = rk.open(ROOT / "revops.toml").tables.sources
    frames = {name: source.table.to_pandas() for name, source in sources.items()}
    return Data(frames)


@pytest.fixture(scope="session", params=["by_chance", "sample"])
def data(request):
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="session")
def sample_ws(sample):
    return sample.workspace()


@pytest.fixture(scope="session")
def ws(data, by_chance, by_chance_ws, request):
    return by_chance_ws if data is by_chance else request.getfixturevalue("sample_ws")


@pytest.fixture(scope="session")
def by_chance_ws(by_chance):
    return by_chance.workspace()


@pytest.fixture(scope="session")
def nothing():
    """All tables with all columns and no rows."""
    frames = {name: pd.DataFrame(columns=[*contract(name).columns, "region"]) for name in names()}
    return samples.workspace(frames, as_of=AS_OF)


@pytest.fixture(scope="session")
def warm_parent(tmp_path_factory):
    """Keep one parent of warm kernels for all runs."""
    from revops_kit.report import warm

    with warm.warm([], tmp_path_factory.mktemp("warm")):
        yield warm.current()


def postgres_programs():
    """Find the folder of PostgreSQL's programs, where Debian or the path has them."""
    places = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda each: each.parent.name)
    if found := shutil.which("initdb"):
        places.append(Path(found).parent)
    return places[-1] if places else None


@pytest.fixture(scope="session")
def postgres():
    """Start a PostgreSQL of our own that lives as long as the tests, and give its URL."""
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


@pytest.fixture(params=["sqlite", "postgres"])
def place(request, tmp_path):
    """Where a history may be kept: a file, and a database of its own on PostgreSQL."""
    if request.param == "sqlite":
        return str(tmp_path / "history.sqlite")
    server = request.getfixturevalue("postgres")
    import psycopg

    name = f"history_{uuid.uuid4().hex}"
    with psycopg.connect(server, autocommit=True) as con:
        con.execute(f"CREATE DATABASE {name}")
    return server.removesuffix("postgres") + name


def company(chance):
    """Two years of a company that keeps its books badly."""

    def day(first=0, last=730):
        return AS_OF - dt.timedelta(days=chance.randint(first, last))

    def after(start, most):
        """A day in the months to come, or None where that is beyond the last day known."""
        then = start + dt.timedelta(days=chance.randint(0, most))
        return then if then <= AS_OF else None

    def maybe(value, share=0.8):
        return value if chance.random() < share else None

    leads, accounts, deals, changes = [], [], [], []
    for key in range(40):
        accounts.append({"account_id": f"A{key}", "region": chance.choice(REGIONS)})
    for key in range(300):
        created = day()
        leads.append(
            {
                "lead_id": f"L{key}",
                "created_at": created,
                "converted_at": maybe(after(created, 200), 0.2),
                "source": chance.choice(SOURCES),
                "region": chance.choice(REGIONS),
            }
        )
    for key in range(240):
        lead = chance.choice(leads) if key % 4 else None
        opened = (lead["created_at"] if lead else day()) + dt.timedelta(days=chance.randint(-3, 9))
        opened = min(opened, AS_OF)
        closed = maybe(after(opened, 150), 0.8)
        if closed and key % 40 == 1:
            closed = opened - dt.timedelta(days=5)  # impossible, and found in every CRM
        deal = {
            "opportunity_id": f"D{key}",
            "outcome": chance.choice(["won", "lost"]) if closed else "open",
            "opened_at": None if key % 30 == 2 else opened,
            "closed_at": None if key % 30 == 3 else closed,
            "amount": maybe(float(chance.randint(1, 90) * 100), 0.95),
            "expected_close": maybe(opened + dt.timedelta(days=chance.randint(20, 160)), 0.9),
            "stage": chance.choice(STAGES),
            "forecast_category": chance.choice(["commit", "Commit", "pipeline", None]),
            "account_id": maybe(chance.choice(accounts)["account_id"]),
            "lead_id": lead["lead_id"] if lead else None,
            "source": chance.choice(SOURCES),
            "owner": chance.choice(["Ann", "Bo", None]),
            "type": chance.choice(["new", "new", "expansion", "renewal", None]),
        }
        deals.append(deal)
        for moment in {opened, *([middle] if (middle := after(opened, 40)) else [])}:
            changes.append(changed(deal, moment))
    customers, subscriptions, payments = [], [], []
    for key in range(80):
        customers.append(
            {
                "customer_id": f"C{key}",
                "account_id": maybe(chance.choice(accounts)["account_id"]),
                "region": chance.choice(REGIONS),
            }
        )
        started = day(30)
        for part in range(chance.randint(1, 3)):
            ended = maybe(started + dt.timedelta(days=chance.randint(0, 400)), 0.7)
            subscriptions.append(
                {
                    "subscription_id": f"S{key}-{part}",
                    "customer_id": f"C{key}",
                    "started_on": started,
                    "ended_on": ended,
                    "mrr": float(chance.choice([0, 50, 100, 100, 250])),
                    "plan": chance.choice(["basic", "pro", None]),
                }
            )
            started = min((ended or started) + dt.timedelta(days=chance.choice([0, 1, 40])), AS_OF)
        for _ in range(chance.randint(1, 6)):
            amount = float(chance.choice([100, 200, 300, -50]))
            payments.append({"customer_id": f"C{key}", "paid_on": day(), "amount": amount})
    months = [month.date() for month in pd.date_range("2024-10-01", "2027-03-01", freq="MS")]
    forecasts = [
        {
            "made_on": month - dt.timedelta(days=early),
            "month": month,
            "amount": float(chance.randint(1, 60) * 500),
            "category": chance.choice(["commit", "Commit", "best case", None]),
            "owner": owner,
            "region": region,
        }
        for month in months[3:24]
        for early in (20, 0, -8)
        for owner, region in (("Ann", "EMEA"), ("Bo", "AMER"))
    ]
    targets = [
        {"month": month, "amount": 20_000.0, "region": region}
        for month in months
        for region in ("EMEA", "AMER")
    ]
    spend = [
        {
            "spent_on": day(),
            "amount": float(chance.choice([500, 900, 1500, -100])),
            "channel": chance.choice([*SOURCES, "fair"]),
            "kind": chance.choice(["media", "Media", "people", None]),
            "region": chance.choice(REGIONS),
        }
        for _ in range(150)
    ]
    rows = {
        "leads": leads,
        "spend": spend,
        "accounts": accounts,
        "opportunities": deals,
        "stage_changes": changes,
        "targets": targets,
        "forecasts": [each for each in forecasts if each["made_on"] <= AS_OF],
        "customers": customers,
        "subscriptions": subscriptions,
        "payments": payments,
        "tickets": [{"ticket_id": f"T{key}", "opened_at": day()} for key in range(5)],
    }
    return {name: pd.DataFrame(each, dtype=object) for name, each in rows.items()}


def changed(deal, moment):
    """Write down how a deal stood."""
    kept = ("opportunity_id", "stage", "amount", "expected_close", "forecast_category")
    return {"changed_at": moment, **{name: deal[name] for name in kept}}
