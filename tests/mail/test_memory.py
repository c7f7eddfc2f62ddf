"""What mails are made of that was reported before, on SQLite and on PostgreSQL."""

import datetime as dt

import pytest

import revops_kit as rk
from revops_kit import samples
from revops_kit.history import open_history
from revops_kit.mail import Outbox, send
from revops_kit.mail.alerts import Alarm
from revops_kit.mail.memory import Memory, copy

SEVEN = dt.datetime(2026, 11, 23, 7, tzinfo=dt.UTC)
MONDAY = dt.date(2026, 11, 23)


@pytest.fixture
def history(place):
    with open_history(place) as history:
        yield history


@pytest.fixture
def mailed(history, tmp_path, write):
    """Run a report that tells an MRR, and mail it to the whole or a part; its memory."""

    def mailed(mrr, week=0, part="", is_mailed=True):
        day = MONDAY + dt.timedelta(weeks=week)
        memory = Memory(history, history.begin_run("weekly", day, SEVEN))
        memory.keep_figures(trends(mrr), "region" if part else "", part)
        if is_mailed:
            email = write(part=part, logical_date=day)
            send(email, history, Outbox(tmp_path / "outbox"), SEVEN, run=memory.run)
        return memory

    return mailed


def trends(mrr):
    """MRR since the beginning of the year, and a conversion rate that still matures."""
    rows = [{"subscription_id": "S", "customer_id": "C", "started_on": "2026-01-01", "mrr": mrr}]
    leads = [{"lead_id": str(key), "created_at": "2026-08-01"} for key in range(2)]
    leads[0]["converted_at"] = "2026-08-02" if mrr > 100 else None
    ws = samples.workspace({"subscriptions": rows, "leads": leads}, as_of="2026-09-30")
    asked = (rk.kpis.mrr, rk.kpis.conversion_rate, rk.kpis.cac)  # there is nothing for a CAC
    return {kpi.name: kpi.over(ws, rk.last(2, "2026-09")) for kpi in asked}


def moved(memory, mrr, by="", part=""):
    found = memory.restated(trends(mrr), by, part)
    return found[["kpi", "period", "old", "new"]].to_numpy().tolist()


def test_restated_is_what_readers_were_told_otherwise(mailed):
    mailed(100)
    mailed(110, week=1, is_mailed=False)
    # August's conversion rate has moved too, but only because leads convert in time.
    assert moved(mailed(120, week=2), 120) == [
        ["mrr", "2026-08", 100, 120], ["mrr", "2026-09", 100, 120]
    ]  # fmt: skip
    assert moved(mailed(120, week=3), 120) == []


def test_restated_is_of_the_part_at_hand(mailed):
    mailed(100, part="EMEA")
    memory = mailed(120, week=1, part="EMEA")
    assert len(moved(memory, 120, "region", "EMEA")) == 2
    assert moved(memory, 120, "region", "AMER") == []
    assert moved(memory, 120) == []


def test_readers_of_one_part_have_not_read_what_another_was_told(mailed):
    mailed(100, part="EMEA").keep_figures(trends(90), "region", "AMER")
    later = mailed(120, week=1, part="EMEA", is_mailed=False)
    later.keep_figures(trends(120), "region", "AMER")
    assert moved(later, 120, "region", "EMEA")[0] == ["mrr", "2026-08", 100, 120]
    assert moved(later, 120, "region", "AMER") == []


def test_what_is_forgotten_was_never_told(mailed):
    mailed(100)
    mailed(110, week=1).forget_figures()
    assert moved(mailed(110, week=2), 110)[0] == ["mrr", "2026-08", 100, 110]


def test_alerts_told_are_those_of_the_report_and_the_part(mailed, history):
    news = Alarm("mrr", "above 90", "2026-09", 100.0, "MRR is above 90.")
    again = Alarm("mrr", "below 10", "2026-09", 5.0, "MRR is below 10.", is_new=False)
    first = mailed(100)
    first.keep_alarms([news, again], "EMEA")
    later = mailed(100, week=1)
    later.keep_alarms([news], "EMEA")
    week = dt.timedelta(weeks=1)
    assert later.alarms_told("weekly", "EMEA") == {("mrr", "above 90"): MONDAY + week}
    assert later.alarms_told("weekly", "EME") == {}
    assert later.alarms_told("monthly", "EMEA") == {}


def test_copy_knows_the_same_and_changes_nothing(mailed, history, tmp_path):
    mailed(100)
    other = history.begin_run("monthly", MONDAY, SEVEN)
    with open_history(tmp_path / "copy.sqlite") as target:
        copy("weekly", history, target)
        tried = Memory(target, target.begin_run("weekly", MONDAY, SEVEN))
        tried.keep_figures(trends(120), "", "")
        assert moved(tried, 120)[0] == ["mrr", "2026-08", 100, 120]
        assert target.mails().recipient.to_list() == history.mails().recipient.to_list()
    assert history.runs().id.to_list() == [1, other]
    assert len(history.figures("mrr")) == 2
