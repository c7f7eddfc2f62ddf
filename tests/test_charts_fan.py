"""Fans: what lies ahead, drawn after what came, and how a forecast moved."""

import datetime as dt
from dataclasses import replace

import pandas as pd
import pytest

from revops_kit import charts, kpis, samples
from revops_kit.outlook import look


@pytest.fixture(scope="module")
def outlook(sample_ws):
    return look(sample_ws, "bookings", "2026-09", length=6)


def lines(chart, label):
    return [line for line in chart.figure.axes[0].lines if line.get_label() == label]


def test_fan_draws_past_mean_and_targets(outlook):
    chart = charts.fan(outlook)
    data = chart.data
    assert data.actual.notna().sum() == 24
    assert data["mean"].notna().sum() == 6
    assert data["mean"].dropna().tolist() == outlook.frame()["mean"].tolist()
    assert (data.low_95.dropna() <= data.low_80.dropna()).all()
    # The dashes begin at the last value that is known, so that nothing gapes.
    [mean] = lines(chart, "mean")
    drawn = pd.Series(mean.get_ydata()).dropna()
    assert len(drawn) == 7
    assert drawn.iloc[0] == data.actual.dropna().iloc[-1]
    # Targets are set to the year's end.
    assert data.target.notna().sum() == 3
    assert str(outlook.headline()) in chart.alt


def test_fan_draws_what_was_foreseen_before(outlook):
    before = pd.DataFrame(
        {
            "made_at": pd.Timestamp("2026-07-01"),
            "period": ["2026-08", "2026-09", "1999-01"],
            "mean": [1.0, 2.0, 3.0],
        }
    )
    [line] = lines(charts.fan(outlook, before), "earlier")
    assert line.get_ydata().tolist() == [1.0, 2.0]


def test_marks_are_drawn_and_told(outlook):
    assert not lines(charts.fan(outlook), "marked")[0].get_xdata().size
    marked = outlook.series.made.history
    marked.loc[marked.index[-3], "mark"] = "outlier"
    chart = charts.fan(outlook)
    assert len(lines(chart, "marked")[0].get_xdata()) == 1
    assert any("Crosses" in note for note in chart.figure.words.notes)
    marked["mark"] = ""


def test_a_month_that_has_begun_is_hollow(sample_ws):
    ws = replace(sample_ws, tables=replace(sample_ws.tables, as_of=dt.date(2026, 9, 10)))
    chart = charts.fan(look(ws, "bookings", "2026-09", length=3))
    [dot] = lines(chart, "so far")
    assert dot.get_ydata()[0] == ws_value(ws)
    assert chart.data.period[chart.data["mean"].notna()].iloc[0] == "2026-09"
    assert any("of September 2026 has come so far" in note for note in chart.figure.words.notes)


def ws_value(ws):
    return kpis.bookings(ws, "2026-09").value


def test_without_anything_to_go_by_it_says_why():
    ws = samples.workspace({}, as_of=dt.date(2026, 9, 30))
    assert "Not available: needs" in charts.fan(look(ws)).alt


def test_a_forecast_that_moved_is_followed(outlook):
    kept = pd.DataFrame(
        {
            "as_of": [dt.date(2026, 7, 31), dt.date(2026, 8, 31)],
            "mean": [900_000.0, 1_000_000.0],
            "low_80": [700_000.0, 900_000.0],
            "high_80": [1_200_000.0, 1_100_000.0],
        }
    )
    chart = charts.moved(outlook, kept)
    assert lines(chart, "mean")[0].get_ydata().tolist() == [900_000, 1_000_000]
    assert "as of 31 July 2026" in chart.alt
    assert "No earlier forecast" in charts.moved(outlook, kept.head(1)).alt
