"""What drives the figures, worked by hand."""

import pytest

import revops_kit as rk
from revops_kit import drivers, samples, show


def running(*spans, mrr=100.0):
    return [
        {
            "subscription_id": str(at),
            "customer_id": str(at),
            "started_on": start,
            "ended_on": end,
            "mrr": mrr,
        }
        for at, (start, end) in enumerate(spans)
    ]


def test_monthly_churn_is_compounded_to_a_year():
    rows = running(*[("2026-08-15", None)] * 99, ("2026-08-15", "2026-09-10"))
    ws = samples.workspace({"subscriptions": rows}, as_of="2026-09-30")
    said = show.annualised(rk.kpis.churn.over(ws, rk.last(1, "2026-09")))
    # 1 − 0.99¹² = 11.36 %
    assert "1.0\u202f% a month, which comes to 11.4\u202f% in a year" in said


def test_retention_masks_what_is_too_young_to_tell():
    rows = running(
        ("2026-01-10", "2026-02-09"), ("2026-01-20", None), ("2026-07-05", None)
    )  # fmt: skip
    ws = samples.workspace({"subscriptions": rows}, as_of="2026-09-30")
    table = drivers.retention(ws, "2026-09", ages=3)
    assert table.loc["2026-Q1"].tolist() == [1.0, 0.5, 0.5, 0.5]
    assert table.loc["2026-Q3"].isna().tolist() == [False, False, False, True]


def test_funnel_fills_the_steps_that_were_skipped():
    leads = [
        {"lead_id": "1", "created_at": "2026-09-01", "qualified_at": "2026-09-02"},
        {"lead_id": "2", "created_at": "2026-09-01", "qualified_at": None},
        {"lead_id": "3", "created_at": "2026-09-01", "qualified_at": None},
    ]
    deals = [
        {"opportunity_id": "1", "outcome": "won", "lead_id": "2", "closed_at": "2026-09-09"},
    ]
    ws = samples.workspace({"leads": leads, "opportunities": deals}, as_of="2026-09-30")
    steps = drivers.lead_funnel(ws, "2026-09").set_index("step")["count"]
    assert steps.to_dict() == {"Leads": 3, "Qualified": 2, "With a deal": 1, "Customers": 1}


def test_forecast_stands_beside_what_was_won():
    deals = [
        {"opportunity_id": "1", "outcome": "won", "closed_at": "2026-09-09", "amount": 1000.0},
        {"opportunity_id": "2", "outcome": "won", "closed_at": "2026-08-09", "amount": 10.0},
    ]
    forecasts = [
        {"made_on": "2026-09-01", "month": "2026-09-01", "amount": 950.0},
        {"made_on": "2026-08-01", "month": "2026-08-01", "amount": 25.0},
    ]
    ws = samples.workspace({"opportunities": deals, "forecasts": forecasts}, as_of="2026-09-30")
    months = drivers.forecast_by_month(ws, rk.last(3, "2026-09"))
    assert months.month.tolist() == ["2026-08", "2026-09"]
    assert months.error.tolist() == [15, -50]
    assert rk.kpis.forecast_accuracy(ws, "2026-Q3").value == pytest.approx(1 - 65 / 1010)
