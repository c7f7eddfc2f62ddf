"""Tables of notebooks say in words what programs read as labels, and keep to what fits."""

import re

import pandas as pd

import revops_kit as rk
from revops_kit import samples, show
from revops_kit.noted import noted
from revops_kit.units import DAYS, MONEY

NOTE = ["4 smaller segments not shown. No figures by segment: Customer churn."]


def words(shown):
    """List what the cells of a table say, heads first."""
    cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", shown.markup, re.S)
    return [re.sub(r"<.*?>", "", cell).strip() for cell in cells]


def test_ends_of_an_interval_are_one_column():
    frame = pd.DataFrame(
        {"stage": ["Demo", "Offer", "Deal"], "low": [9, 7, None], "high": [12, None, None]}
    )
    told = words(show.plain(frame, dict.fromkeys(["low", "high"], DAYS)))
    assert told == [
        "Stage", "95 % interval", "Demo", "9 to 12 days", "Offer", "7 days or more", "Deal", "–",
    ]  # fmt: skip


def test_periods_are_said_in_cells_heads_and_remarks_and_names_are_left_alone():
    frame = pd.DataFrame(
        {"period": ["2026-Q3"], "2026-08": [1], "campaign": ["launch 2026-08"],
         "note": ["nothing in 2026-08"]}
    )  # fmt: skip
    assert words(show.plain(frame)) == [
        "Period", "August 2026", "Campaign", "Note",
        "Q3 2026", "1", "launch 2026-08", "nothing in August 2026",
    ]  # fmt: skip


def test_frame_without_rows_is_a_sentence():
    empty = pd.DataFrame(columns=["deal"])
    assert words(show.plain(empty)) == []
    assert "There is nothing to show." in show.plain(empty).markup
    assert "Nothing was won." in show.plain(noted(empty, "Nothing was won.")).markup


def test_of_many_segments_the_largest_are_shown_and_the_rest_counted():
    deals = [
        {"opportunity_id": f"{owner}-{at}", "owner": f"owner {owner}", "outcome": "won",
         "closed_at": "2026-09-15", "amount": 10}
        for owner in range(1, 11)
        for at in range(owner)
    ]  # fmt: skip
    ws = samples.workspace({"opportunities": deals}, as_of="2026-09-30")
    figures = (rk.kpis.bookings, rk.kpis.churn)
    shown = show.by_segment([each.over(ws, rk.last(2, "2026-09"), by="owner") for each in figures])
    assert words(shown)[1:7] == ["Owner 10", *(f"Owner {at}" for at in range(5, 10))]
    assert words(shown)[7:] == ["Bookings", "$100", "$50", "$60", "$70", "$80", "$90", *NOTE]


def test_rows_write_months_as_months_and_money_in_its_currency():
    targets = [{"month": "2026-09-01", "amount": 40}]
    forecasts = [{"made_on": "2026-09-01", "month": "2026-09-01", "amount": 30}]
    won = [{"opportunity_id": "1", "outcome": "won", "closed_at": "2026-09-15", "amount": 20}]
    tables = {"targets": targets, "forecasts": forecasts, "opportunities": won}
    ws = samples.workspace(tables, as_of="2026-09-30")
    accuracy = rk.kpis.forecast_accuracy(ws, "2026-09")
    shown = show.rows(accuracy, ["month", "forecast"], "forecast", units={"forecast": MONEY})
    assert words(shown) == ["Month", "Forecast", "September 2026", "$30"]


def test_segments_may_be_called_as_columns_of_a_table_are():
    deals = [
        {"opportunity_id": name, "closed_at": "2026-09-01", "outcome": "won", "amount": amount,
         "priority": name}
        for name, amount in (("low", 2_700.0), ("high", 3_300.0), ("figure", 10.0))
    ]  # fmt: skip
    ws = samples.workspace({"opportunities": deals}, as_of="2026-09-30")
    shown = words(show.by_segment([rk.kpis.bookings(ws, "2026-09", by="priority")]))
    assert [each.strip() for each in shown] == [
        "Figure", "Figure", "High", "Low", "Bookings", "$10", "$3,300", "$2,700"
    ]  # fmt: skip


def test_accounts_called_as_months_are_keep_their_names():
    frame = pd.DataFrame({"account": ["2026-09", "Acme"], "month": ["2026-08", "2026-09"]})
    shown = show.plain(frame).markup
    assert "2026-09" in shown
    assert "August 2026" in shown
    assert shown.count("September 2026") == 1
