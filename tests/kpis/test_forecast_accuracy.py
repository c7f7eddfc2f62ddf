import numpy as np
import pytest

from revops_kit.kpis import forecast_accuracy
from revops_kit.samples import workspace


def forecast(month, amount, made_on=None, **also):
    return {"month": f"{month}-01", "amount": amount, "made_on": made_on or f"{month}-01", **also}


def won(day, amount, key=None, outcome="won"):
    return {"opportunity_id": key or day, "outcome": outcome, "closed_at": day,
            "opened_at": "2026-01-01", "amount": amount}  # fmt: skip


def accuracy(forecasts, deals, period="2026", as_of="2026-12-31", **policies):
    ws = workspace({"forecasts": forecasts, "opportunities": deals}, as_of=as_of)
    return forecast_accuracy(ws, period, **policies)


# DEFINITIONS.md, known answers.
TWO = (
    [forecast("2026-01", 950), forecast("2026-02", 25)],
    [won("2026-01-10", 1000), won("2026-02-10", 10)],
)
FIVE = (
    [forecast(f"2026-{month:02}", amount) for month, amount in enumerate((10, 90, 70, 5, 29), 1)],
    [won("2026-02-10", 100), won("2026-03-10", 50), won("2026-05-10", 50)],
)


def test_known_answers():
    assert 1 - accuracy(*TWO).value == pytest.approx(65 / 1010)  # 6.4 %
    assert 1 - accuracy(*FIVE).value == pytest.approx(0.33)
    assert (accuracy(*TWO).n, accuracy(*FIVE).n) == (2, 5)


def test_months_that_nobody_forecast_are_left_out_and_a_forecast_of_nothing_is_not():
    deals = [won("2026-01-10", 100), won("2026-02-10", 900)]
    assert accuracy([forecast("2026-01", 80)], deals).value == pytest.approx(0.8)
    both = [forecast("2026-01", 80), forecast("2026-02", 0)]
    assert accuracy(both, deals).value == pytest.approx(1 - (20 + 900) / 1000)


def test_value_below_nothing_is_shown():
    assert accuracy([forecast("2026-01", 350)], [won("2026-01-10", 100)]).value == -1.5


def test_months_that_are_not_over_are_left_out():
    forecasts = [forecast("2026-08", 80), forecast("2026-09", 500)]
    deals = [won("2026-08-10", 100), won("2026-09-10", 50)]
    assert accuracy(forecasts, deals, as_of="2026-09-29").value == pytest.approx(0.8)
    found = accuracy(forecasts, deals, "2026-09", as_of="2026-09-29")
    assert found.missing_because == "no whole month was forecast in 2026-09"
    assert accuracy(forecasts, deals, "2026-09", as_of="2026-09-30").n == 1


def test_forecast_is_the_one_that_stood_when_the_month_began():
    forecasts = [
        forecast("2026-09", 500, "2026-07-01"), forecast("2026-09", 80, "2026-08-20"),
        forecast("2026-09", 100, "2026-09-02"),
    ]  # fmt: skip
    deals = [won("2026-09-10", 100)]
    assert accuracy(forecasts, deals).value == pytest.approx(0.8)
    earlier = accuracy(forecasts, deals, forecast_lead_days=30)
    assert earlier.value == 1 - 400 / 100
    assert earlier.notes[0].startswith("Forecasts as submitted, as they stood 30 days before")
    only_late = accuracy(forecasts[2:], deals)
    assert np.isnan(only_late.value), "a forecast made in its month is hindsight"


def test_forecasts_of_several_owners_add_up_and_other_categories_do_not():
    forecasts = [
        forecast("2026-09", 30, "2026-08-20", owner="Ann", category="Commit"),
        forecast("2026-09", 50, "2026-08-28", owner="Bo", category=None),
        forecast("2026-09", 10, "2026-08-01", owner="Bo", category=None),
        forecast("2026-09", 900, "2026-08-28", owner="Bo", category="best case"),
    ]
    deals = [won("2026-09-10", 100)]
    assert accuracy(forecasts, deals).value == pytest.approx(0.8)
    best = accuracy(forecasts, deals, forecast_category="best case")
    assert best.value == pytest.approx(1 - (900 + 50 - 100) / 100)


def test_nothing_won_in_the_months_is_missing():
    found = accuracy([forecast("2026-01", 80)], [won("2026-01-10", 5, outcome="lost")])
    assert found.missing_because == "nothing was won, so there is nothing to divide by"


def test_wins_without_a_date_or_an_amount_are_told():
    deals = [won("2026-01-10", 100), won(None, 5, "x"), won("2026-01-11", None)]
    found = accuracy([forecast("2026-01", 80)], deals)
    assert found.value == pytest.approx(0.8)
    assert found.notes[2:] == [
        "1 won deal without a date: in no month.",
        "1 won deal without an amount: counted as 0.",
    ]


def rebuilt(changes, deals, **policies):
    ws = workspace({"stage_changes": changes, "opportunities": deals}, as_of="2026-12-31")
    return forecast_accuracy(ws, "2026-09", **policies)


def stood(key, day, amount, category=None, stage=None, expected="2026-09-20"):
    said = {"forecast_category": category} if category else {}
    said |= {"stage": stage} if stage else {}
    return {"opportunity_id": key, "changed_at": day, "amount": amount,
            "expected_close": expected, **said}  # fmt: skip


def test_without_submitted_forecasts_they_are_rebuilt_from_what_changes_said_then():
    deals = [won("2026-09-10", 100, "1"), won("2026-09-12", 40, "2"), won("2026-09-13", 60, "3")]
    changes = [
        stood("1", "2026-08-01", 90, "Commit"),
        stood("1", "2026-09-02", 100, "Commit"),  # too late
        stood("2", "2026-08-01", 40, "commit", expected="2026-10-10"),  # not this month's
        stood("3", "2026-08-01", 60, "pipeline"),
    ]
    found = rebuilt(changes, deals)
    assert found.value == pytest.approx(1 - (200 - 90) / 200)
    assert found.notes[0] == (
        "Forecasts rebuilt from stage changes, as they stood at the start of each month: "
        "category commit."
    )


def test_without_categories_a_deal_counts_by_how_often_its_stage_was_won_before():
    earlier = [won("2026-07-01", 1, "a"), won("2026-07-01", 1, "b", "lost"),
               won("2026-09-02", 0, "later")]  # fmt: skip
    deals = [won("2026-09-10", 50, "1"), *earlier]
    changes = [stood("1", "2026-08-01", 80, stage="propose")]
    changes += [stood(each["opportunity_id"], "2026-06-01", 1, stage="propose",
                      expected="2026-07-01") for each in earlier]  # fmt: skip
    assert rebuilt(changes, deals).value == pytest.approx(1 - (50 - 80 / 2) / 50)


def test_todays_deals_alone_are_refused_as_hindsight():
    ws = workspace({"opportunities": [won("2026-09-10", 100) | {"expected_close": "2026-09-10"}]})
    assert forecast_accuracy(ws, "2026-09").missing_because == (
        "not available: needs forecasts.amount or stage_changes.expected_close"
    )
