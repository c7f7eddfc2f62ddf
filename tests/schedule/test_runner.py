"""A schedule runs each report once at its time, catches up what was missed, and stops cleanly."""

import datetime as dt
import json
import os
from zoneinfo import ZoneInfo

import pytest

from revops_kit.errors import RequestError
from revops_kit.history import open_history
from revops_kit.schedule import jobs_of, upcoming, without_tables
from revops_kit.schedule.runner import Runner, Simulated

BERLIN = ZoneInfo("Europe/Berlin")
DAILY = ("0 7 * * *", "2026-09")


def berlin(text):
    """Read a moment as clocks show it there."""
    return dt.datetime.fromisoformat(text).replace(tzinfo=BERLIN)


def ran(place, name, day, started, status="ok"):
    """Put a run into a history."""
    with open_history(place) as history:
        run = history.begin_run(name, dt.date.fromisoformat(day), berlin(started))
        if status != "running":
            history.end_run(run, status, 1.0)


def runs(place):
    """List the runs, each as (report, logical date, status)."""
    with open_history(place) as history:
        kept = history.runs()[["report", "logical_date", "status"]]
    return [(name, str(day), status) for name, day, status in kept.itertuples(index=False)]


def readers(file):
    """List who got a mail of which day, from the outbox."""
    with open_history(file.parent / "reports" / ".revops" / "history.sqlite") as history:
        mails = history.mails()
    assert set(mails.state) <= {"sent"}
    return sorted(zip(mails.recipient, map(str, mails.logical_date), strict=True))


def simulated(file, start, until):
    runner = Runner(without_tables(file), Simulated(berlin(start)))
    runner.run(berlin(f"{until} 23:59"))


# --- what runs when --------------------------------------------------------------------------


def test_logical_date_is_the_local_date_of_the_time(company):
    # Ten past midnight in Berlin is still yesterday in UTC.
    file = company(weekly=("10 0 * * MON", "last-week"), monthly=("0 7 1 * *", "last-month"))
    found = upcoming(jobs_of(without_tables(file).settings), berlin("2026-10-24 12:00"), 2)
    assert [(fire.name, str(fire.moment), str(fire.logical_date)) for fire in found] == [
        ("weekly", "2026-10-26 00:10:00+01:00", "2026-10-26"),
        ("monthly", "2026-11-01 07:00:00+01:00", "2026-11-01"),
        ("weekly", "2026-11-02 00:10:00+01:00", "2026-11-02"),
        ("monthly", "2026-12-01 07:00:00+01:00", "2026-12-01"),
    ]


def test_schedule_without_a_report_says_how_to_make_one(company):
    with pytest.raises(RequestError, match="give one a time in revops"):
        jobs_of(without_tables(company()).settings)


# --- what was missed -------------------------------------------------------------------------


# Mondays of November 2026: 2, 9, 16, 23, 30.
@pytest.mark.parametrize(
    ("before", "expected"),
    [
        # It has never run.
        ([], []),
        # The last was on its day.
        ([("2026-11-16", "2026-11-16 07:00", "ok")], ["2026-11-23"]),
        ([("2026-11-02", "2026-11-02 07:00", "ok")], ["2026-11-09", "2026-11-16", "2026-11-23"]),
        # It was late: what came after its day is still to be run.
        ([("2026-11-09", "2026-11-23 11:00", "ok")], ["2026-11-16", "2026-11-23"]),
        # It was run by hand, on a day between.
        ([("2026-11-18", "2026-11-18 15:00", "ok")], ["2026-11-23"]),
        # … and on the day itself: too early, and late enough.
        ([("2026-11-23", "2026-11-23 06:59", "ok")], ["2026-11-23"]),
        ([("2026-11-23", "2026-11-23 07:30", "ok")], []),
        # An old day, made again, is not the last.
        ([("2026-11-16", "2026-11-16 07:00", "ok"), ("2026-01-05", "2026-11-20 09:00", "ok")],
         ["2026-11-23"]),
        # A failure has been told to the owner; who was stopped or died has to run again.
        ([("2026-11-23", "2026-11-23 07:00", "failed")], []),
        ([("2026-11-16", "2026-11-16 07:00", "ok"), ("2026-11-23", "2026-11-23 07:00", "stopped")],
         ["2026-11-23"]),
        ([("2026-11-16", "2026-11-16 07:00", "running")], ["2026-11-16", "2026-11-23"]),
        # Somebody tried the schedule with a clock of its own.
        ([("2026-11-16", "2026-11-16 07:00", "ok"), ("2026-11-30", "2026-11-30 07:00", "ok")],
         ["2026-11-23"]),
    ],
)  # fmt: skip
def test_what_was_missed_is_what_came_after_the_last_run(company, tmp_path, before, expected):
    place = tmp_path / "history.sqlite"
    for day, started, status in before:
        ran(place, "weekly", day, started, status)
    job = jobs_of(without_tables(company(weekly=("0 7 * * MON", "2026-09"))).settings)[0]
    now = berlin("2026-11-23 12:00")
    with open_history(place) as history:
        missed = job.missed(history.runs("weekly"), now, now)
    assert [str(fire.logical_date) for fire in missed] == expected
    assert all(fire.moment.hour == 7 for fire in missed)


def test_times_of_one_day_that_were_missed_are_one_run(company, tmp_path):
    place = tmp_path / "history.sqlite"
    ran(place, "daily", "2026-11-20", "2026-11-20 13:00")
    job = jobs_of(without_tables(company(daily=("0 7,13,19 * * *", "2026-09"))).settings)[0]
    now = berlin("2026-11-22 14:00")
    with open_history(place) as history:
        missed = job.missed(history.runs("daily"), now, now)
    assert [f"{fire.moment:%d %H}" for fire in missed] == ["20 19", "21 19", "22 13"]


# --- a month in seconds ----------------------------------------------------------------------


def test_month_runs_each_report_at_its_times(company, warm_parent):
    file = company(weekly=("0 7 * * MON", "last-week"), monthly=("0 7 2 * *", "last-month"))
    simulated(file, "2026-10-31 12:00", "2026-11-30")
    place = file.parent / "reports" / ".revops" / "history.sqlite"
    with open_history(place) as history:
        kept = history.runs()
        figures = history.figures("win_rate")
    assert [
        (run.report, str(run.logical_date), run.period, run.status) for run in kept.itertuples()
    ] == [
        ("monthly", "2026-11-02", "2026-10", "ok"),
        ("weekly", "2026-11-02", "2026-W44", "ok"),
        ("weekly", "2026-11-09", "2026-W45", "ok"),
        ("weekly", "2026-11-16", "2026-W46", "ok"),
        ("weekly", "2026-11-23", "2026-W47", "ok"),
        ("weekly", "2026-11-30", "2026-W48", "ok"),
    ]
    # Seven in the morning in Berlin, in winter.
    assert {f"{each:%H:%M}" for each in kept.started} == {"06:00"}
    # One deal was won in September, one lost in October.
    told = figures[figures.report == "monthly"].set_index("period").value
    assert (told["2026-09"], told["2026-10"]) == (1.0, 0.0)
    mondays = [f"2026-11-{day:02}" for day in (2, 9, 16, 23, 30)]
    assert readers(file) == [
        ("monthly@example.com", "2026-11-02"),
        *(("weekly@example.com", day) for day in mondays),
    ]
    # The day's pipeline is kept each time.
    assert (
        sorted(each.name for each in (file.parent / ".revops" / "snapshots").iterdir()) == mondays
    )
    assert (file.parent / "reports" / "weekly" / "win_rate.html").exists()
    sign = json.loads((file.parent / "reports" / ".revops" / "heartbeat").read_text())
    assert sign["doing"] == "stopped"
    assert sign["process"].startswith(f"{os.getpid()} on ")


def test_what_was_missed_is_caught_up_with_its_own_dates_and_mailed_once(company, warm_parent):
    file = company(weekly=("0 7 * * MON", "last-week"))
    place = file.parent / "reports" / ".revops" / "history.sqlite"
    ran(place, "weekly", "2026-11-02", "2026-11-02 07:00")
    for _ in range(2):
        simulated(file, "2026-11-18 12:00", "2026-11-18")
    assert runs(place) == [
        ("weekly", day, "ok") for day in ("2026-11-02", "2026-11-09", "2026-11-16")
    ]
    with open_history(place) as history:
        assert history.runs().period.to_list() == ["", "2026-W45", "2026-W46"]
    assert readers(file) == [
        ("weekly@example.com", "2026-11-09"), ("weekly@example.com", "2026-11-16")
    ]  # fmt: skip


def test_first_run_that_was_missed_is_caught_up_where_the_schedule_knew_of_it(company, warm_parent):
    file = company(weekly=("0 7 * * MON", "last-week"))
    simulated(file, "2026-11-21 12:00", "2026-11-22")
    daily = file.read_text().partition("[reports.weekly]")[2].replace("* * MON", "* * *")
    file.write_text(f"{file.read_text()}[reports.new]{daily}")
    simulated(file, "2026-11-24 12:00", "2026-11-24")
    place = file.parent / "reports" / ".revops" / "history.sqlite"
    assert runs(place) == [("weekly", "2026-11-23", "ok")]


def test_of_many_missed_the_latest_month_is_caught_up_and_the_rest_is_named(
    company, warm_parent, monkeypatch, caplog
):
    monkeypatch.setattr("revops_kit.schedule.runner.MOST_MISSED", 2)
    file = company(daily=DAILY)
    place = file.parent / "reports" / ".revops" / "history.sqlite"
    ran(place, "daily", "2026-11-01", "2026-11-01 07:00")
    simulated(file, "2026-11-06 12:00", "2026-11-06")
    assert [day for _, day, _ in runs(place)] == ["2026-11-01", "2026-11-05", "2026-11-06"]
    assert "daily: 3 runs up to 2026-11-04 are left out; the last 2" in caplog.text


def test_report_that_fails_is_remembered_and_does_not_stop_the_others(company, warm_parent, caplog):
    file = company(broken=("0 7 * * *", "2026-09"), daily=("5 7 * * *", "2026-09"))
    text = file.read_text().replace('["win_rate"]', '["nowhere"]', 1)
    file.write_text(text)
    simulated(file, "2026-11-06 12:00", "2026-11-07")
    place = file.parent / "reports" / ".revops" / "history.sqlite"
    assert runs(place) == [("broken", "2026-11-07", "failed"), ("daily", "2026-11-07", "ok")]
    assert "There is no notebook or report 'nowhere'" in caplog.text


def test_what_nobody_expected_ends_neither_a_run_nor_the_schedule(company, monkeypatch, caplog):
    file = company(daily=DAILY)
    broken = []

    def stumble(*_):
        broken.append(1)
        raise ZeroDivisionError("Ann Example, 07:00")

    monkeypatch.setattr("revops_kit.snapshots.keep", stumble)
    monkeypatch.setattr("revops_kit.checking.check", stumble)
    runner = Runner(without_tables(file), Simulated(berlin("2026-11-06 06:50")))
    runner.run(berlin("2026-11-06 07:10"))
    assert "No snapshot was kept: Something went wrong that should not have" in caplog.text
    assert caplog.text.count("(ZeroDivisionError). Trying again in 5 minutes.") == 3
    assert len(broken) == 6
    assert "Ann Example" not in caplog.text


def test_run_that_leaves_no_trace_is_tried_three_times(company, caplog):
    file = company(daily=DAILY)
    runner = Runner(without_tables(file), Simulated(berlin("2026-11-06 12:00")))
    # Meanwhile the report has gone from revops.toml, so that no run of it can begin.
    file.write_text(file.read_text().replace("[reports.daily]", "[reports.other]"))
    runner.run(berlin("2026-11-07 23:59"))
    assert caplog.text.count("There is no report 'daily'.") == 3
    assert runs(file.parent / "reports" / ".revops" / "history.sqlite") == []
