"""The history remembers what was reported, on SQLite and on PostgreSQL alike."""

import datetime as dt
import math
import sqlite3
from concurrent.futures import ThreadPoolExecutor

import pandas as pd
import pytest
import sqlalchemy as sa

import revops_kit as rk
from revops_kit.errors import RequestError, SourceError, WorkspaceError
from revops_kit.history import open_history
from revops_kit.history.schema import mails, version

MONDAY = dt.date(2026, 11, 23)
SEVEN = dt.datetime(2026, 11, 23, 7, tzinfo=dt.timezone(dt.timedelta(hours=1)))


@pytest.fixture
def history(place):
    with open_history(place) as history:
        yield history


def told(history, values, report="weekly", day=MONDAY, partial=(), by="", kpi="mrr"):
    """Remember a run that reported these values, by period."""
    run = history.begin_run(report, day, SEVEN)
    rows = [
        {"period": period, "value": value, "is_partial": period in partial, by or "x": "EMEA"}
        for period, value in values.items()
    ]
    history.add_figures(run, kpi, pd.DataFrame(rows), unit="EUR", by=by)
    history.end_run(run, "ok", 1.5)
    return run


def mailed(history, run, state="sent"):
    """Note that a reader got the mail of a run."""
    row = {
        "run_id": run, "report": "weekly", "logical_date": MONDAY, "recipient": f"{run}@x.org",
        "content": "", "message_id": "", "state": state, "is_handed_over": True,
        "claimed_by": "", "attempts": 1, "claimed_at": SEVEN, "changed_at": SEVEN,
    }  # fmt: skip
    with history.store.transaction() as con:
        con.execute(mails.insert().values(row))


def test_run_is_remembered_from_its_beginning_to_its_end(history):
    run = history.begin_run("weekly", MONDAY, SEVEN, period="2026-W47", as_of=MONDAY)
    assert history.runs().status.item() == "running"
    history.end_run(run, "failed", 12.5, "churn.ipynb, cell 3: no such column")
    kept = history.runs("weekly").iloc[0]
    assert (kept["id"], kept.logical_date, kept.period) == (run, MONDAY, "2026-W47")
    assert (kept.status, kept.seconds) == ("failed", 12.5)
    assert kept.error == "churn.ipynb, cell 3: no such column"
    assert kept.started == SEVEN  # the same moment, in whatever zone
    assert history.runs("monthly").empty


def test_figures_are_remembered_as_reported(history):
    run = history.begin_run("weekly", MONDAY, SEVEN)
    frame = pd.DataFrame(
        {
            "period": ["2026-09", "2026-09"],
            "region": ["EMEA", None],
            "value": [0.25, math.nan],
            "low": [0.2, math.nan],
            "high": [0.3, math.nan],
            "n": [40, 0],
        }
    )
    history.add_figures(run, "churn", frame, unit="share", by="region")
    kept = history.figures("churn", by="region")
    assert kept.segment.to_list() == ["EMEA", ""]
    assert kept.loc[0, ["value", "low", "high", "n"]].to_list() == [0.25, 0.2, 0.3, 40]
    assert kept.value.isna().to_list() == [False, True]
    assert set(kept.unit) == {"share"}
    assert not kept.is_partial.any()
    assert (kept.report == "weekly").all()
    assert history.figures("churn", by="").empty
    assert history.figures("mrr").empty


def test_a_result_is_remembered_as_it_is(history, by_chance_ws):
    result = rk.kpis.bookings.over(by_chance_ws, rk.last(3, "2026-09"), by="region")
    run = history.begin_run("weekly", MONDAY, SEVEN)
    history.add_figures(run, "bookings", result.frame, by="region")
    kept = history.figures("bookings")
    assert len(kept) == len(result.frame) > 3
    assert kept.value.sum() == pytest.approx(result.frame["value"].sum())


def test_forecast_is_remembered_with_its_intervals(history):
    frame = pd.DataFrame(
        {
            "period": ["2026-12", "2027-01"],
            "mean": [100.0, 110.0],
            "low_80": [90.0, 95.0],
            "high_80": [110.0, 125.0],
        }
    )
    history.add_forecasts("revenue", frame, SEVEN, model="theta", as_of=MONDAY, unit="EUR")
    history.add_forecasts("revenue", frame, SEVEN - dt.timedelta(days=7), model="naive")
    kept = history.forecasts("revenue")
    assert kept.model.to_list() == ["naive", "naive", "theta", "theta"]  # the earliest first
    latest = kept.iloc[-1]
    assert (latest.period, latest["mean"], latest.low_80, latest.high_80) == (
        "2027-01",
        110,
        95,
        125,
    )
    assert (latest.as_of, latest.made_at) == (MONDAY, SEVEN)
    assert kept.low_95.isna().all()
    with pytest.raises(RequestError, match="not low_99"):
        history.add_forecasts("revenue", frame.assign(low_99=0.0), SEVEN, model="theta")


def test_restated_is_what_readers_were_told_otherwise(history):
    values = {"2026-08": 10.0, "2026-09": 20.0, "2026-10": 5.0}
    mailed(history, told(history, values, partial=["2026-10"]))
    told(history, {"2026-08": 11.0, "2026-09": 22.0})  # nobody read this one
    run = told(history, {"2026-08": 10.0, "2026-09": 22.0, "2026-10": 30.0, "2026-11": 1.0})
    moved = history.restated(run)
    assert moved[["period", "old", "new"]].to_numpy().tolist() == [["2026-09", 20.0, 22.0]]
    assert (moved.kpi.item(), moved.unit.item(), moved.told_on.item()) == ("mrr", "EUR", MONDAY)


def test_restated_looks_at_the_last_time_that_readers_were_told(history):
    mailed(history, told(history, {"2026-09": 20.0}))
    mailed(history, told(history, {"2026-09": 22.0}), state="unknown")  # it may have come
    mailed(history, told(history, {"2026-09": 21.0}), state="refused")  # it has not
    assert history.restated(told(history, {"2026-09": 22.0})).empty
    moved = history.restated(told(history, {"2026-09": 20.0}))
    assert moved[["old", "new"]].to_numpy().tolist() == [[22.0, 20.0]]


def test_restated_tells_what_appeared_and_what_is_gone(history):
    mailed(history, told(history, {"2026-08": math.nan, "2026-09": 20.0, "2026-10": math.nan}))
    run = told(history, {"2026-08": 1.0, "2026-09": math.nan, "2026-10": math.nan})
    moved = history.restated(run).set_index("period")
    assert moved.index.to_list() == ["2026-08", "2026-09"]
    assert math.isnan(moved.old["2026-08"])
    assert math.isnan(moved.new["2026-09"])


def test_restated_keeps_reports_segments_and_kpis_apart(history):
    mailed(history, told(history, {"2026-09": 1.0}, report="monthly"))
    mailed(history, told(history, {"2026-09": 2.0}, by="region"))
    mailed(history, told(history, {"2026-09": 3.0}, kpi="churn"))
    assert history.restated(told(history, {"2026-09": 4.0})).empty


def test_last_digits_are_no_restatement(history):
    mailed(history, told(history, {"2026-09": 0.1 + 0.2}))
    assert history.restated(told(history, {"2026-09": 0.3})).empty


def test_many_may_open_a_new_history_and_write_at_once(place):
    def work(number):
        with open_history(place) as history:
            return told(history, {f"2026-{number:02}": float(number)})

    with ThreadPoolExecutor(6) as pool:
        made = list(pool.map(work, range(1, 13)))
    with open_history(place) as history:
        assert sorted(history.runs().id) == sorted(made)
        assert sorted(history.figures().value) == [float(number) for number in range(1, 13)]


def test_one_is_alone_until_it_ends(place, history):
    with open_history(place) as other:
        with history.store.alone("schedule") as first, other.store.alone("schedule") as second:
            assert (first, second) == (True, False)
            with other.store.alone("mail weekly") as third:
                assert third
        with other.store.alone("schedule", wait=True) as after:
            assert after


def test_half_a_transaction_is_none(history):
    def forget_and_stumble():
        with history.store.transaction() as con:
            con.execute(sa.delete(version))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        forget_and_stumble()
    with history.store.transaction() as con:
        assert con.execute(sa.select(version.c.version)).scalar() == 1


def test_history_of_a_later_version_is_left_alone(place, history):
    with history.store.transaction() as con:
        con.execute(version.insert().values(version=7))
    with pytest.raises(SourceError, match=r"later revops_kit \(schema 7; this one knows 1\)"):
        open_history(place)


def test_readers_do_not_wait_for_a_writer(tmp_path):
    place = tmp_path / "history.sqlite"
    open_history(place).close()
    with sqlite3.connect(place) as con:
        assert con.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    con.close()


def test_what_is_no_history_is_said_in_a_sentence(tmp_path):
    (tmp_path / "notes.txt").write_text("no database" * 100)
    with pytest.raises(SourceError, match=r"The history notes.txt cannot be used \(DatabaseError"):
        open_history(tmp_path / "notes.txt")
    with pytest.raises(SourceError, match="cannot be used"):
        open_history(tmp_path / "notes.txt" / "history.sqlite")
    with pytest.raises(WorkspaceError, match="write the path of a SQLite file, or postgres://"):
        open_history("mysql://ann@localhost/crm")
    with pytest.raises(SourceError, match="Is it running") as refused:
        open_history("postgres://ann:hush-hush@127.0.0.1:1/crm")
    assert "hush" not in str(refused.value)


def test_workspace_has_its_history_beside_its_reports(tmp_path, monkeypatch, place):
    (tmp_path / "revops.toml").write_text("")
    with rk.open(tmp_path).open_history() as history:
        assert history.store.file == tmp_path / "reports" / ".revops" / "history.sqlite"
    monkeypatch.setenv("REVOPS_HISTORY", place)
    (tmp_path / "revops.toml").write_text('[history]\nurl = "${REVOPS_HISTORY}"\n')
    ws = rk.open(tmp_path)
    assert ws.settings.history.url == "${REVOPS_HISTORY}"  # kept by reference
    with ws.open_history() as history:
        assert history.runs().empty
