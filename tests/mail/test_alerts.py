"""Alerts speak when there is something to say, and not again too soon."""

import datetime as dt

import pytest

import revops_kit as rk
from revops_kit import samples
from revops_kit.mail.alerts import alarms
from revops_kit.workspace import Alert

DAY = dt.date(2026, 10, 1)


def trends(**months):
    """Win rates by month, as won and lost: `apr=(1, 3)`."""
    names = ["apr", "may", "jun", "jul", "aug", "sep"]
    deals, key = [], 0
    for number, name in enumerate(names, start=4):
        won, lost = months.get(name, (0, 0))
        for outcome in ["won"] * won + ["lost"] * lost:
            key += 1
            day = f"2026-{number:02d}-10"
            deals.append({"opportunity_id": str(key), "outcome": outcome, "closed_at": day})
    ws = samples.workspace({"opportunities": deals}, as_of="2026-09-30")
    return {"win_rate": rk.kpis.win_rate.over(ws, rk.last(6, "2026-09"))}


def said(alert, told=None, **months):
    return alarms([Alert(kpi="win_rate", **alert)], trends(**months), DAY, told)


def test_threshold_is_past_and_not_only_reached():
    assert [each.sentence for each in said({"above": 0.4}, sep=(1, 1))] == [
        "Win rate in September 2026: 50.0\u202f% – above 40.0\u202f%."
    ]
    assert said({"above": 0.5}, sep=(1, 1)) == []
    assert [each.condition for each in said({"below": 0.6}, sep=(1, 1))] == ["below 0.6"]


def test_nothing_is_said_of_too_few():
    assert said({"below": 0.6, "min_n": 3}, sep=(1, 1)) == []
    assert said({"below": 0.6, "min_n": 2}, sep=(1, 1))


def test_it_has_to_last():
    alert = {"below": 0.6, "consecutive": 2}
    assert said(alert, aug=(3, 1), sep=(1, 1)) == []
    [alarm] = said(alert, aug=(1, 3), sep=(1, 1))
    assert alarm.sentence.endswith("below 60.0\u202f%, for 2 periods in a row.")


def test_change_is_a_share_of_what_it_was():
    # From 25 % to 50 %: twice as much.
    assert said({"change": 0.9}, aug=(1, 3), sep=(1, 1))
    assert said({"change": 1.1}, aug=(1, 3), sep=(1, 1)) == []
    assert said({"change": 0.9}, sep=(1, 1)) == []  # nothing to compare with


def test_no_figure_is_no_alert():
    assert said({"below": 0.6}, aug=(1, 3)) == []


def test_signal_needs_limits():
    few = {"aug": (1, 1), "sep": (9, 1)}
    assert said({"signal": True}, **few) == []


def test_cool_down_keeps_an_alert_from_being_news():
    told = {("win_rate", "below 0.6"): DAY - dt.timedelta(days=6)}
    [alarm] = said({"below": 0.6, "cooldown_days": 7}, told, sep=(1, 1))
    assert not alarm.is_new
    [alarm] = said({"below": 0.6, "cooldown_days": 6}, told, sep=(1, 1))
    assert alarm.is_new
    # The same day again is not another time.
    [alarm] = said({"below": 0.6, "cooldown_days": 7}, {("win_rate", "below 0.6"): DAY}, sep=(1, 1))
    assert alarm.is_new


def test_young_leads_are_not_below_a_threshold():
    leads = [{"lead_id": "1", "created_at": "2026-09-01"}]
    ws = samples.workspace({"leads": leads}, as_of="2026-09-30")
    found = {"conversion_rate": rk.kpis.conversion_rate.over(ws, rk.last(2, "2026-09"))}
    assert alarms([Alert(kpi="conversion_rate", below=0.5)], found, DAY) == []


@pytest.mark.parametrize("last", [(9, 1), (5, 5)])
def test_signal_is_that_of_the_process_chart(last):
    deals, key = [], 0
    months = [(5, 5), (5, 6), (6, 5), (5, 5), (5, 6), (6, 5), (5, 5), last]
    for number, (won, lost) in enumerate(months, start=2):
        for outcome in ["won"] * won + ["lost"] * lost:
            key += 1
            day = f"2026-{number:02d}-10"
            deals.append({"opportunity_id": str(key), "outcome": outcome, "closed_at": day})
    ws = samples.workspace({"opportunities": deals}, as_of="2026-09-30")
    trend = rk.kpis.win_rate.over(ws, rk.last(8, "2026-09"))
    found = alarms([Alert(kpi="win_rate", signal=True)], {"win_rate": trend}, DAY)
    assert bool(found) is bool(trend.is_signal) is (last == (9, 1))
