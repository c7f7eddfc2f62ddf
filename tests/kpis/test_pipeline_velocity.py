import datetime as dt

import numpy as np
import pytest

from revops_kit.kpis import pipeline_velocity
from revops_kit.samples import workspace


def pipeline(waiting, won, lost, amount, days):
    """So many deals open, won and lost in September, each won one of an amount and a length."""
    closed = dt.date(2026, 9, 11)
    opened = closed - dt.timedelta(days=days)
    rows = [
        *[("open", "2026-08-01", None, 1.0)] * waiting,
        *[("won", opened, closed, amount)] * won,
        *[("lost", "2026-01-01", "2026-09-20", 9e9)] * lost,
    ]
    columns = ("outcome", "opened_at", "closed_at", "amount")
    return [
        {"opportunity_id": str(key), **dict(zip(columns, row, strict=True))}
        for key, row in enumerate(rows)
    ]


def velocity(rows, period="2026-09", **options):
    return pipeline_velocity(workspace({"opportunities": rows}, **options), period)


@pytest.mark.parametrize(
    ("rows", "a_day"),
    [
        # DEFINITIONS.md, known answers: 80 × 0.22 × 45,000 ÷ 72 and 100 × 0.25 × 50,000 ÷ 60.
        (pipeline(80, 11, 39, 45_000, 72), 11_000),
        (pipeline(100, 5, 15, 50_000, 60), 20_833.33),
    ],
)
def test_known_answers(rows, a_day):
    assert velocity(rows).value == pytest.approx(a_day, abs=0.005)
    assert velocity(rows, "all").value == pytest.approx(a_day, abs=0.005)


def test_cycle_is_a_mean_not_a_median_and_amounts_are_of_won_deals_only():
    rows = pipeline(10, 3, 0, 300, 10)
    rows[10] |= {"opened_at": "2026-08-02"}  # 40 days, the others 10: 20 on average
    assert velocity(rows).value == pytest.approx(10 * 1 * 300 / 20)


def test_pipeline_is_that_of_the_periods_end():
    def deal(key, opened, closed, outcome="lost"):
        return {"opportunity_id": key, "outcome": outcome, "opened_at": opened,
                "closed_at": closed, "amount": None}  # fmt: skip

    waiting = [
        deal("closed on the last day", "2026-08-01", "2026-09-30"),
        deal("closed the day after", "2026-08-01", "2026-10-01"),
        deal("opened on the last day", "2026-09-30", None, "open"),
        deal("opened the day after", "2026-10-01", None, "open"),
    ]
    rows = velocity(pipeline(0, 1, 0, 100, 10) + waiting).rows()
    found = rows.filter(rows.open == 1).opportunity_id.to_list()
    assert set(found) == {"closed the day after", "opened on the last day"}


def test_deal_without_an_opening_is_open_at_the_last_day_known_and_not_before():
    rows = pipeline(0, 1, 0, 100, 10)
    rows.append({"opportunity_id": "x", "outcome": "open", "opened_at": None})
    assert velocity(rows, as_of="2026-09-30").value == 1 * 1 * 100 / 10
    before = velocity(rows, as_of="2026-10-31")
    assert before.value == 0
    assert before.notes == [
        "1 open deal without an opening date: open as of the last day known, and not before."
    ]


def test_factor_of_which_there_is_none_is_named():
    def reason(rows):
        found = velocity(rows)
        assert np.isnan(found.value)
        return found.missing_because

    assert reason(pipeline(5, 0, 0, 1, 10)) == "no deals were decided, so there is no win rate"
    assert reason(pipeline(5, 0, 3, 1, 10)) == (
        "no deals were won, so there is no amount and no cycle"
    )
    assert reason(pipeline(5, 2, 3, None, 10)) == "no won deal has an amount"
    backwards = [each | {"opened_at": "2026-09-25"} for each in pipeline(0, 2, 0, 1, 10)]
    assert reason(backwards) == "no won deal has a possible length"
    at_once = [each | {"opened_at": each["closed_at"]} for each in pipeline(0, 2, 0, 1, 10)]
    assert reason(at_once) == "won deals took no time at all"


def test_undated_deals_count_in_all_and_are_told():
    rows = pipeline(10, 1, 0, 100, 10)
    rows.append({"opportunity_id": "x", "outcome": "lost", "opened_at": "2026-08-01"})
    assert velocity(rows).value == 10 * 1 * 100 / 10
    assert velocity(rows, "all").value == 10 * 0.5 * 100 / 10
    assert velocity(rows).notes == [
        "1 decided deal without a date: counted in `all`, in no dated period."
    ]


def test_window_of_all_takes_rate_amount_and_cycle_from_all_deals_so_far():
    rows = pipeline(10, 1, 0, 100, 10)
    assert velocity(rows, "2026-10").missing_because.startswith("no deals were decided")
    ws = workspace({"opportunities": rows})
    assert pipeline_velocity(ws, "2026-10", velocity_window="all").value == 10 * 1 * 100 / 10
