"""Forecasts beside simple ones, by lead time and category, and what categories were worth."""

import datetime as dt
from operator import attrgetter

import numpy as np
import pandas as pd
import pytest

from revops_kit import forecasts
from revops_kit.forecasts import record
from revops_kit.noted import note
from revops_kit.periods import Periods, last
from revops_kit.samples import workspace
from revops_kit.stats.intervals import wilson
from revops_kit.tables import Policies

by_lead = attrgetter("by_lead")


def deal(key, closed, amount, outcome="won", opened="2026-01-01"):
    return {"opportunity_id": key, "outcome": outcome, "opened_at": opened, "closed_at": closed,
            "amount": amount}  # fmt: skip


def stood(key, day, amount, category, expected):
    return {"opportunity_id": key, "changed_at": day, "amount": amount,
            "forecast_category": category, "expected_close": expected}  # fmt: skip


def made(day, month, amount, **also):
    return {"made_on": day, "month": f"{month}-01", "amount": amount, **also}


# Won in each month of 2025, and then in January and March 2026 (nothing in February).
YEAR = [deal(f"2025-{month:02}", f"2025-{month:02}-15", 100 + 10 * month) for month in range(1, 13)]
NOW = [deal("jan", "2026-01-20", 200), deal("mar", "2026-03-20", 100)]
SAID = [made("2025-12-31", "2026-01", 180), made("2026-01-31", "2026-02", 10),
        made("2026-02-28", "2026-03", 130)]  # fmt: skip


def three_months(**policies):
    rows = {"opportunities": [*YEAR, *NOW], "forecasts": SAID}
    return workspace(rows, as_of="2026-03-31", policies=Policies(**policies))


def test_measures_by_hand():
    """Won 200, 0, 100; forecast 180, 10, 130."""
    ours = forecasts.measures(record(three_months(), last(3, "2026-03"))).iloc[0]
    assert (ours.forecast, ours.months, ours.is_beaten) == ("the forecast", 3, None)
    assert ours.accuracy == pytest.approx(1 - 60 / 300)
    assert ours.bias == pytest.approx(20 / 300)
    assert (ours.mape, ours.mape_undefined) == (pytest.approx((0.1 + 0.3) / 2), 1)
    assert ours.smape == pytest.approx((200 * 20 / 380 + 200 + 200 * 30 / 230) / 3)
    assert ours.rmse == pytest.approx(np.sqrt((400 + 100 + 900) / 3))
    assert np.isnan(ours.mase), "twelve months before hold no two a year apart"


def test_simple_forecasts_by_hand():
    """A year before: 110, 120, 130. Last three months: (200+210+220)/3, (210+220+200)/3, 140."""
    found = forecasts.measures(record(three_months(), last(3, "2026-03"))).set_index("forecast")
    year, rate = found.loc["same month last year"], found.loc["run rate"]
    assert year.accuracy == pytest.approx(1 - (90 + 120 + 30) / 300)
    assert rate.accuracy == pytest.approx(1 - (10 + 210 + 40) / 300)
    assert (year.is_beaten, rate.is_beaten) == (True, True)
    assert forecasts.verdict(found.reset_index()) == (
        "The forecast came nearer than the same month last year and the run rate would have."
    )


def test_spread_by_hand():
    """Won 200, 0, 100; forecast 180, 10, 130: a quarter of 300, forecast 320."""
    found = forecasts.spread(record(three_months(), last(3, "2026-03"))).set_index("convention")
    assert found.value.to_dict() == pytest.approx(
        {
            "1 − WAPE by month": 1 - 60 / 300,
            "1 − WAPE by quarter": 1 - 20 / 300,
            "1 − MAPE": 1 - (0.1 + 0.3) / 2,
            "1 − sMAPE ÷ 200": 1 - (20 / 380 + 1 + 30 / 230) / 3,
            "within ±10 %": 1 / 3,
            "won ÷ forecast": 300 / 320,
            "1 − WAPE, week 3": 1 - 60 / 300,
        }
    )
    assert found.spans.to_list() == [3, 1, 2, 3, 3, 3, 3]
    assert found.note["1 − MAPE"].endswith("1 month without wins left out")


def test_quarter_of_which_a_month_was_not_forecast_is_in_no_spread():
    rows = {"opportunities": [*YEAR, *NOW], "forecasts": SAID[:2]}
    found = forecasts.spread(record(workspace(rows, as_of="2026-03-31"), last(3, "2026-03")))
    by_quarter = found.set_index("convention").loc["1 − WAPE by quarter"]
    assert (by_quarter.spans, np.isnan(by_quarter.value)) == (0, True)


def test_intervals_by_hand():
    """Widths 40, 20, 20; won 200 inside, 0 below by 5 and 100 below by 20, at 10 a unit.

    In the months before the first, each is 12 more than a year before.
    """
    months = [(year, month) for year in (2024, 2025) for month in range(1, 13)]
    before = [deal(f"{y}-{m}", f"{y}-{m:02}-15", 100 + m + 12 * (y - 2024)) for y, m in months]
    ends = [(180, 220), (5, 25), (120, 140)]
    said = [each | {"low_80": low, "high_80": high}
            for each, (low, high) in zip(SAID, ends, strict=True)]  # fmt: skip
    rows = {"opportunities": [*before, *NOW], "forecasts": said}
    found = forecasts.interval_check(
        record(workspace(rows, as_of="2026-03-31"), last(3, "2026-03"))
    )
    assert found.coverage[0] == pytest.approx(1 / 3)
    assert (found.low[0], found.high[0]) == pytest.approx(wilson(1, 3))
    assert found.msis[0] == pytest.approx((40 + (20 + 10 * 5) + (20 + 10 * 20)) / 3 / 12)
    assert (found.months[0], note(found)) == (3, "")


def test_intervals_of_several_forecasts_do_not_add_up():
    two = [SAID[0] | {"owner": "Bo", "low_80": 1, "high_80": 9}, *SAID]
    said = [{"low_80": 170, "high_80": 210} | each for each in two]
    rows = {"opportunities": [*YEAR, *NOW], "forecasts": said}
    found = forecasts.interval_check(
        record(workspace(rows, as_of="2026-03-31"), last(3, "2026-03"))
    )
    assert found.months.to_list() == [2]
    assert note(found) == "1 month with several forecasts, or without an interval, left out."


def test_forecasts_without_intervals_say_what_they_need():
    found = forecasts.interval_check(record(three_months(), last(3, "2026-03")))
    assert found.empty
    assert note(found) == "Not available: needs forecasts.low_80, forecasts.high_80."


def test_run_rate_knows_only_months_that_were_over_at_the_lead_time():
    """A month before January 1 is December 2: September to November were over, 190, 200, 210."""
    early = [made("2025-11-30", "2026-01", 180)]
    rows = {"opportunities": [*YEAR, *NOW], "forecasts": early}
    ws = workspace(rows, as_of="2026-03-31", policies=Policies(forecast_lead_days=30))
    found = forecasts.measures(record(ws, "2026-01")).set_index("forecast")
    assert found.bias["run rate"] == pytest.approx(200 / 200 - 1)
    assert not found.is_beaten["run rate"], "it met 200 exactly, and the forecast said 180"
    assert "did not come nearer than the run rate" in forecasts.verdict(found.reset_index())


def test_mase_is_scaled_by_the_months_before_the_window():
    """2025 against 2024: each month 12 more, so the naive error is 12. Ours is 6."""
    months = [(year, month) for year in (2024, 2025) for month in range(1, 13)]
    deals = [deal(f"{y}-{m}", f"{y}-{m:02}-15", 100 + m + 12 * (y - 2024)) for y, m in months]
    deals.append(deal("now", "2026-01-20", 130))
    rows = {"opportunities": deals, "forecasts": [made("2025-12-31", "2026-01", 124)]}
    found = forecasts.measures(record(workspace(rows, as_of="2026-01-31"), "2026-01"))
    assert found.mase[0] == pytest.approx(6 / 12)


def test_rival_is_judged_on_the_months_both_were_made_for():
    """In 2025 there is no year before: only the run rate can be compared with."""
    deals = [deal("a", "2025-01-15", 100, opened="2025-01-01"),
             deal("b", "2025-02-15", 100, opened="2025-01-01")]  # fmt: skip
    rows = {"opportunities": deals, "forecasts": [made("2025-01-31", "2025-02", 90)]}
    found = forecasts.measures(record(workspace(rows, as_of="2025-02-28"), last(2, "2025-02")))
    assert found.months.tolist() == [1, 0, 1]
    assert found.is_beaten.tolist() == [None, None, False]


def test_lead_of_submitted_forecasts():
    """September brought 100: four weeks before 50 was said, at the start 80, in week 3 100."""
    said = [made("2026-07-20", "2026-09", 50), made("2026-08-30", "2026-09", 80),
            made("2026-09-14", "2026-09", 100)]  # fmt: skip
    rows = {"opportunities": [deal("1", "2026-09-20", 100)], "forecasts": said}
    found = record(workspace(rows, as_of="2026-09-30"), "2026-09").by_lead.set_index("week")
    assert found.index.tolist() == list(range(-6, 5)), "before July 20 nobody had said anything"
    assert found.accuracy[[-4, 0, 1, 2]].tolist() == pytest.approx([0.5, 0.8, 0.8, 1.0])
    assert found.bias[[-4, 0]].tolist() == pytest.approx([-0.5, -0.2])
    assert found.made[[-4, -1, 0, 2]].tolist() == [
        "4 weeks before", "1 week before", "at the start", "week 3"
    ]  # fmt: skip


def test_quarter_is_forecast_when_all_its_months_are():
    """July to September, 60 each: by June 30 two months were forecast, by July 8 all three."""
    deals = [deal(str(month), f"2026-{month:02}-20", 60) for month in (7, 8, 9)]
    said = [made("2026-06-30", "2026-07", 60), made("2026-06-30", "2026-08", 50),
            made("2026-07-08", "2026-09", 40)]  # fmt: skip
    ws = workspace({"opportunities": deals, "forecasts": said}, as_of="2026-09-30")
    found = record(ws, "2026-Q3").by_lead
    assert found.week.tolist() == list(range(1, 13))
    assert found.accuracy.iloc[0] == pytest.approx(1 - 30 / 180)
    assert set(found.spans) == {1}


PIPELINE = [
    stood("1", "2026-08-01", 100, "Commit", "2026-09-10"),
    stood("2", "2026-08-01", 60, "Best Case", "2026-09-20"),
    stood("3", "2026-08-01", 40, "Commit", "2026-09-25"),
    stood("4", "2026-08-01", 500, "Pipeline", "2026-09-25"),
    stood("5", "2026-08-01", 30, "commit", "2026-10-25"),  # not September's
    stood("2", "2026-09-15", 60, "Commit", "2026-09-20"),  # later
    stood("6", "2026-08-01", 25, "Omitted", "2026-09-25"),
]
OUTCOMES = [
    deal("1", "2026-09-10", 110),
    deal("2", "2026-09-20", 60),
    deal("3", "2026-10-05", 40),  # won, but late
    deal("4", "2026-09-30", 500, "lost"),
    deal("5", "2026-09-29", 30, "lost"),
    deal("6", None, 25, "open"),
]


def pipeline(**also):
    rows = {"opportunities": OUTCOMES, "stage_changes": PIPELINE, **also}
    return workspace(rows, as_of="2026-10-31")


def test_lead_of_rebuilt_forecasts_is_what_was_won_so_far_and_what_was_committed():
    """September brought 170. September 15 (week 3): 110 won and 40 committed; 22: 170 and 40."""
    found = record(pipeline(), "2026-09").by_lead.set_index("week")
    assert found.index.tolist() == list(range(-4, 5)), "August 4 is the first after a change"
    assert found.bias[0] == pytest.approx((100 + 40) / 170 - 1)
    assert found.bias[2] == pytest.approx((110 + 40) / 170 - 1)
    assert found.bias[3] == pytest.approx((110 + 60 + 40) / 170 - 1)


def test_start_of_month_is_the_headline():
    from revops_kit.kpis import forecast_accuracy

    at_start = record(pipeline(), "2026-09").by_lead.set_index("week").accuracy[0]
    assert forecast_accuracy(pipeline(), "2026-09").value == pytest.approx(at_start)


def test_categories_alone_and_cumulative():
    """Of 170: commit said 140, best case 60, pipeline 500; together 140, 200, 700."""
    found = forecasts.by_category(record(pipeline(), "2026-09")).set_index("category")
    assert found.index.tolist() == ["commit", "best case", "pipeline"]
    assert found.months.tolist() == [1, 1, 1]
    assert found.bias.tolist() == pytest.approx([-30 / 170, -110 / 170, 330 / 170])
    assert found.cumulative_bias.tolist() == pytest.approx([-30 / 170, 30 / 170, 530 / 170])
    assert found.cumulative_accuracy.tolist() == pytest.approx(
        [1 - 30 / 170, 1 - 30 / 170, 1 - 530 / 170]
    )


def test_categories_of_submitted_forecasts_where_no_deal_kept_its_own():
    said = [made("2026-08-31", "2026-09", 90, category="commit"),
            made("2026-08-31", "2026-09", 30, category="best_case"),
            made("2026-08-31", "2026-09", 7, category="gut feeling")]  # fmt: skip
    rows = {"opportunities": [deal("1", "2026-09-10", 100)], "forecasts": said}
    found = forecasts.by_category(record(workspace(rows, as_of="2026-09-30"), "2026-09"))
    assert found.category.tolist() == ["commit", "best case", "gutfeeling"]
    assert found.bias.tolist() == pytest.approx([-0.1, -0.7, -0.93])
    assert found.cumulative_bias.tolist()[:2] == pytest.approx([-0.1, 0.2])
    assert np.isnan(found.cumulative_bias[2]), "it has no place among the others"


def test_calibration_says_what_commit_was_worth():
    """Two deals stood as commit: one was won in September, the other in October."""
    found = forecasts.calibration(record(pipeline(), "2026-09")).set_index("category")
    assert found.index.tolist() == ["commit", "best case", "pipeline", "omitted"]
    commit = found.loc["commit"]
    assert (commit.deals, commit.won_in_period, commit.won_at_all) == (2, 0.5, 1.0)
    assert (commit.low, commit.high) == wilson(1, 2)
    assert (commit.low_at_all, commit.high_at_all) == wilson(2, 2)
    assert commit.amount == 140
    assert commit.amount_won_in_period == pytest.approx(100 / 140)
    assert commit.amount_won_at_all == 1
    assert found.won_at_all[["best case", "pipeline", "omitted"]].tolist() == [1, 0, 0]
    assert found.still_open.tolist() == [0, 0, 0, 1]


def test_deal_that_was_pushed_counts_in_each_period_it_was_expected_in():
    pushed = [stood("1", "2026-07-01", 100, "commit", "2026-08-10"),
              stood("1", "2026-08-20", 100, "commit", "2026-09-10")]  # fmt: skip
    rows = {"opportunities": [deal("0", "2026-07-15", 1), deal("1", "2026-09-10", 100)],
            "stage_changes": pushed}  # fmt: skip
    found = forecasts.calibration(record(workspace(rows, as_of="2026-09-30"), last(2, "2026-09")))
    assert (found.deals[0], found.won_in_period[0], found.won_at_all[0]) == (2, 0.5, 1)


def test_deals_without_a_category_are_shown_as_such():
    changes = [stood("1", "2026-08-01", 100, None, "2026-09-10"),
               stood("2", "2026-08-01", 60, "commit", "2026-09-10")]  # fmt: skip
    rows = {"opportunities": OUTCOMES, "stage_changes": changes}
    found = forecasts.calibration(record(workspace(rows, as_of="2026-10-31"), "2026-09"))
    assert found.category.tolist() == ["commit", "(blank)"]


def test_period_that_is_not_over_is_in_none_of_them():
    ws = workspace({"opportunities": OUTCOMES, "stage_changes": PIPELINE}, as_of="2026-09-29")
    for count in (forecasts.measures, by_lead, forecasts.by_category, forecasts.calibration):
        assert count(record(ws, "2026-09")).empty


@pytest.mark.parametrize("rows", [{}, {"opportunities": OUTCOMES}, {"opportunities": []}])
def test_without_forecasts_there_is_nothing_to_measure(rows):
    ws = workspace(rows, as_of="2026-10-31")
    for count in (forecasts.measures, by_lead, forecasts.by_category, forecasts.calibration):
        found = count(record(ws, "2026-09"))
        assert found.empty
        assert len(found.columns) >= 5
    assert forecasts.verdict(forecasts.measures(record(ws, "all"))) == (
        "There is no simple forecast to compare with."
    )


def test_nothing_ever_won_is_measured_without_dividing_by_it():
    lost = [deal("1", "2026-09-10", 50, "lost")]
    ws = workspace({"opportunities": lost, "forecasts": [made("2026-09-01", "2026-09", 10)]},
                   as_of="2026-09-30")  # fmt: skip
    found = forecasts.measures(record(ws, "2026-09"))
    assert np.isnan(found.accuracy[0])
    assert (found.rmse[0], found.mape_undefined[0]) == (10, 1)
    rows = {"opportunities": [deal("1", None, 50, "open")],
            "forecasts": [made("2026-09-01", "2026-09", 10)]}  # fmt: skip
    still = workspace(rows, as_of="2026-09-30")
    assert forecasts.measures(record(still, "2026-09")).rmse[0] == 10
    assert record(still, "2026-09").by_lead.empty


def test_rows_in_any_order_give_the_same():
    shuffled = workspace(
        {"opportunities": OUTCOMES[::-1], "stage_changes": PIPELINE[::-1]}, as_of="2026-10-31"
    )
    for count in (by_lead, forecasts.by_category, forecasts.calibration):
        pd.testing.assert_frame_equal(
            count(record(pipeline(), Periods("2026-09"))), count(record(shuffled, "2026-09"))
        )


def test_what_happens_after_the_day_changes_nothing():
    later = [*PIPELINE, stood("1", "2026-11-05", 9, "pipeline", "2026-09-10")]
    moved = [*OUTCOMES, deal("7", "2026-11-02", 1000)]
    ws = workspace({"opportunities": moved, "stage_changes": later}, as_of=dt.date(2026, 10, 31))
    for count in (forecasts.measures, by_lead, forecasts.calibration):
        pd.testing.assert_frame_equal(
            count(record(pipeline(), "2026-09")), count(record(ws, "2026-09"))
        )
