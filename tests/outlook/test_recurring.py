"""Recurring revenue ahead: rates by hand, and past forecasts beside what came."""

import datetime as dt

import pytest

from revops_kit import samples
from revops_kit.outlook.recurring import renewed


def growing(joining=3, until="2026-09"):
    """Three customers of 100 join on the first of each month of two years; none leaves."""
    months = [f"{year}-{month:02d}" for year in (2024, 2025, 2026) for month in range(1, 13)]
    months = [month for month in months if "2024-10" <= month <= until]
    return [
        {
            "subscription_id": f"{month}-{number}",
            "customer_id": f"{month}-{number}",
            "started_on": f"{month}-01",
            "ended_on": None,
            "mrr": 100.0,
        }
        for month in months
        for number in range(joining)
    ]


def ahead(rows, length=3):
    ws = samples.workspace({"subscriptions": rows}, as_of=dt.date(2026, 9, 30))
    return renewed(ws, length)


def test_what_comes_each_month_goes_on_coming():
    """24 months of 300: 7,200 runs, and 300 more each month."""
    seen = ahead(growing())
    assert seen.parts.end.tolist() == pytest.approx([7500, 7800, 8100])
    assert seen.ahead.frame["mean"].tolist() == pytest.approx([7500, 7800, 8100])
    assert seen.ahead.frame.low_95.tolist() == pytest.approx([7500, 7800, 8100])
    assert (seen.tested.frame["mean"] - seen.tested.frame.actual).abs().max() < 1e-6


def test_what_leaves_goes_on_leaving_at_its_rate():
    """In each of the last twelve months one of a hundred customers that are there leaves."""
    rows = [
        {
            "subscription_id": str(number),
            "customer_id": str(number),
            "started_on": "2025-01-01",
            "ended_on": f"2026-{1 + number:02d}-15" if number < 9 else None,
            "mrr": 10.0,
        }
        for number in range(100)
    ]
    seen = ahead(rows)
    # 900 + ... : nine left in a year in which 1,000 × 3 + 1,000, 990, ... 920 ran at the starts.
    rate = 90 / (1000 * 4 + sum(1000 - 10 * month for month in range(1, 9)))
    assert seen.parts.churn[0] == pytest.approx(910 * rate)
    assert seen.parts.end[2] == pytest.approx(910 * (1 - rate) ** 3)
    assert (seen.parts.end == seen.parts.start - seen.parts.churn).all()


def test_a_month_that_has_begun_goes_on_from_what_runs_now():
    """On September 15 half the month is left, and 150 of its 300 are to come."""
    late = {"subscription_id": "x", "customer_id": "x", "started_on": "2026-09-10", "mrr": 1000.0}
    rows = [*growing(until="2026-09"), late | {"ended_on": None}]
    ws = samples.workspace({"subscriptions": rows}, as_of=dt.date(2026, 9, 15))
    seen = renewed(ws, 2)
    assert seen.parts.period.tolist() == ["2026-09", "2026-10"]
    assert seen.parts.start[0] == 8200
    assert seen.parts.end.tolist() == pytest.approx([8350, 8650])
    assert seen.ahead.frame["mean"].tolist() == pytest.approx([8350, 8650])


def test_a_stock_is_not_added_up_over_a_quarter():
    seen = ahead(growing())
    quarter = seen.ahead.by("quarter", samples.workspace({}).calendar)
    assert quarter.period.tolist() == ["2026-Q4"]
    assert quarter["mean"].tolist() == pytest.approx([8100])


@pytest.mark.parametrize("rows", [[], growing(until="2024-10")[:1]], ids=["none", "a late one"])
def test_without_enough_months_it_says_so(rows):
    late = [row | {"started_on": "2026-08-01"} for row in rows]
    assert ahead(late).missing_because == "fewer than 3 months are known"


def test_without_subscriptions_it_says_so():
    ws = samples.workspace({}, as_of=dt.date(2026, 9, 30))
    missing = "not available: needs subscriptions.started_on, subscriptions.mrr"
    assert renewed(ws).missing_because == missing
