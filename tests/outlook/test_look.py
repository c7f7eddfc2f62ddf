"""What a notebook shows of what lies ahead: words, targets, scenarios, and nothing to go by."""

import datetime as dt
import re

import numpy as np
import pytest

from revops_kit import samples
from revops_kit.errors import RequestError, UnknownNameError
from revops_kit.outlook import Scenario, levers, look
from revops_kit.periods import parse

AS_OF = dt.date(2026, 9, 30)


def months(count):
    ends = np.datetime64("2026-10") - np.arange(1, count + 1)
    return [str(each) for each in ends[::-1]]


def company(target=None, count=36):
    """Four deals of 100 are won on the 15th of each month, opened on the 11th of the one before.

    Six more are opened then, and lost ten days after.
    """
    rows = []
    for month in [*months(count), "2026-10"]:
        opened = str(np.datetime64(month) - 1) + "-11"
        for number in range(10):
            closed = f"{month}-{15 if number < 4 else 25}"
            known = closed <= AS_OF.isoformat()
            rows.append(
                {
                    "opportunity_id": f"{month}-{number}",
                    "opened_at": opened,
                    "closed_at": closed if known else None,
                    "outcome": ("won" if number < 4 else "lost") if known else "open",
                    "amount": 100.0,
                    "owner": "A",
                    "expected_close": None,
                    "region": "north" if number % 2 else "south",
                }
            )
    tables = {"opportunities": rows}
    if target is not None:
        tables["targets"] = [
            {"month": f"2026-{month}-01", "amount": target / 3} for month in (10, 11, 12)
        ]
    return samples.workspace(tables, as_of=AS_OF)


@pytest.fixture(scope="module")
def outlook():
    return look(company(target=1320.0), "bookings", "2026-09")


def test_headline_tells_figure_interval_and_chance(outlook):
    said = str(outlook.headline())
    assert said.startswith("Bookings: $1,200 expected in Q4 2026, 80\u202f% between $")
    assert "; target $1,320: " in said
    assert re.search(r"target \$1,320: (less than )?\d+\u202f% likely\.$", said)


def test_blend_lies_between_its_parts(outlook):
    shown = outlook.frame()
    assert shown["mean"].tolist() == pytest.approx([400] * 12, rel=0.02)
    assert shown["weight of its past"].between(0, 1).all()


def test_chance_of_a_target_is_the_share_of_draws(outlook):
    quarter = outlook.chances().iloc[0]
    assert quarter.target == 1320
    assert quarter.chance == (outlook.ahead.over(outlook.next) >= 1320).mean()
    assert outlook.chances().chance[1:].isna().all()  # no target is set


def test_what_is_needed_is_enough(outlook):
    """From 1,200 in the quarter to 1,320: a tenth more chance, a tenth larger deals."""
    needed = levers.needed(outlook).set_index("lever").change
    assert needed["a higher chance to win"] == pytest.approx(0.1, abs=0.02)
    assert needed["larger deals"] == pytest.approx(0.1, abs=0.02)
    # Deals open now are 400 of it, whatever is opened from now on.
    assert needed["more new deals"] == pytest.approx(0.15, abs=0.03)


def test_targets_out_of_reach_are_said_to_be():
    needed = levers.needed(look(company(target=1e6, count=16), "bookings", "2026-09"))
    assert needed.change.isna().all()
    easy = levers.needed(look(company(target=30.0, count=16), "bookings", "2026-09"))
    assert easy.change.tolist() == [0] * 4


def test_a_scenario_moves_the_forecast_in_proportion(outlook):
    cases = levers.what_if(outlook, Scenario(win_rate=0.1)).set_index("case")
    changed = cases.drop("as it is").iloc[0]
    assert changed["mean"] == pytest.approx(1.1 * cases["mean"]["as it is"])
    assert changed.chance > cases.chance["as it is"]
    assert changed.name == "win rate 10.0\u202f% up"


def test_past_is_what_came(outlook):
    past = outlook.past()
    assert past.period.tolist() == months(36)
    assert set(past.actual) == {400.0}
    assert (past["mark"] == "").all()


def test_models_name_the_one_used_and_the_naive_one(sample_ws):
    seen = look(sample_ws, "payments", "2026-09")
    assert "naive forecast" in seen.held()
    roles = seen.models().role
    assert roles.str.contains("used").sum() == 1
    assert roles.str.contains("naive").sum() == 1


@pytest.mark.parametrize(("period", "first"), [("2026-Q3", "2026-Q4"), ("2026-W39", "2026-W40")])
def test_kind_of_the_period_is_the_kind_forecast(period, first):
    seen = look(company(), "bookings", period, length=4)
    assert seen.in_hand is None  # the pipeline is counted by months
    assert seen.frame().period[0] == first


def test_an_earlier_period_knows_nothing_later():
    seen = look(company(), "bookings", "2026-06", length=3)
    assert seen.ws.tables.as_of == dt.date(2026, 6, 30)
    assert seen.frame().period.tolist() == ["2026-07", "2026-08", "2026-09"]
    assert seen.past().period.iloc[-1] == "2026-06"


def test_recurring_revenue_stands_at_a_quarters_end():
    rows = [
        {"subscription_id": month, "customer_id": month, "started_on": f"{month}-01",
         "ended_on": None, "mrr": 100.0}
        for month in months(30)
    ]  # fmt: skip
    ws = samples.workspace({"subscriptions": rows}, as_of=AS_OF)
    assert str(look(ws, "revenue", "2026-09").headline()).startswith(
        "Monthly recurring revenue: $3,300 expected at the end of Q4 2026"
    )


@pytest.mark.parametrize("kpi", ["bookings", "mrr", "payments", "revenue"])
def test_without_data_every_part_is_a_sentence(kpi):
    seen = look(samples.workspace({}, as_of=AS_OF), kpi, "2026-09")
    assert "not available: needs" in str(seen.headline())
    scenarios = levers.what_if(seen, Scenario()), levers.needed(seen)
    for frame in (seen.frame(), seen.chances(), seen.models(), *scenarios):
        assert frame.empty
        assert frame.attrs["note"]
    assert seen.past().empty


def test_a_horizon_shorter_than_the_quarter_tells_of_the_month():
    """October alone is no fourth quarter, and has a target of its own."""
    seen = look(company(target=1320.0, count=16), "bookings", "2026-09", length=1)
    assert "expected in October 2026" in str(seen.headline())
    assert "target $440:" in str(seen.headline())
    assert seen.chances().empty


def test_targets_count_only_where_every_month_has_one(outlook):
    calendar = outlook.ws.calendar
    assert outlook.target(parse("2026-Q4", calendar)) == 1320
    assert np.isnan(outlook.target(parse("2026", calendar)))  # nine months have none
    assert np.isnan(outlook.target(parse("2026-W40", calendar)))  # the 1st lies in it


@pytest.mark.parametrize(("period", "length"), [("all", 3), ("2026-09", 0)])
def test_nothing_to_look_ahead_by_is_refused(period, length):
    with pytest.raises(RequestError):
        look(company(count=1), "bookings", period, length)


def test_unknown_kpis_are_named():
    with pytest.raises(UnknownNameError, match="Did you mean 'bookings'"):
        look(company(), "booking")
