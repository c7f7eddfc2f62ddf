"""A figure's own past, carried on: whole periods, working days, and paths that hang together."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from revops_kit import kpis, samples
from revops_kit.outlook.series import carried_on, history

AS_OF = dt.date(2026, 9, 30)


def paid(amounts):
    """Payments on the first of each month up to September 2026."""
    starts = pd.date_range(end="2026-09-01", periods=len(amounts), freq="MS")
    rows = [
        {"customer_id": "1", "paid_on": str(start.date()), "amount": float(amount)}
        for start, amount in zip(starts, amounts, strict=True)
        if amount
    ]
    return samples.workspace({"payments": rows}, as_of=AS_OF)


def test_what_a_working_day_brings_is_carried_on():
    """100 a working day: October 2026 has 22 of them, November 21, December 23."""
    starts = pd.date_range(end="2026-09-01", periods=36, freq="MS")
    days = np.busday_count(
        starts.values.astype("datetime64[D]"),
        (starts + pd.offsets.MonthBegin()).values.astype("datetime64[D]"),
    )
    seen = carried_on(paid(100 * days), kpis.payments, length=3)
    assert seen.made.model.endswith("by working day")
    assert seen.made.frame["mean"].tolist() == pytest.approx([2200, 2100, 2300])
    assert seen.made.history.value.tolist() == pytest.approx((100 * days).tolist())


def test_months_that_do_not_follow_working_days_are_left_alone():
    chance = np.random.default_rng(3)
    seen = carried_on(paid(1000 + chance.normal(0, 1, 40)), kpis.payments, length=3)
    assert "working day" not in seen.made.model
    assert seen.made.frame["mean"].tolist() == pytest.approx([1000] * 3, rel=0.01)


def test_months_without_any_are_nothing_and_those_before_the_first_are_not_there():
    seen = carried_on(paid([0, 0, 5, 0, 7, 8, 9]), kpis.payments, length=1)
    assert history(seen.trend).tolist() == [5, 0, 7, 8, 9]
    assert seen.values.index[0] == pd.Timestamp("2026-05-01")


def test_a_month_that_has_begun_brings_at_least_what_it_has():
    ws = paid([10.0] * 24)
    rows = [*ws.tables.payments.to_pandas().to_dict("records")]
    rows = [row | {"paid_on": str(row["paid_on"])[:10]} for row in rows]
    rows.append({"customer_id": "1", "paid_on": "2026-10-02", "amount": 500.0})
    begun = samples.workspace({"payments": rows}, as_of="2026-10-02")
    seen = carried_on(begun, kpis.payments, length=2)
    assert seen.ahead.periods[0].label == "2026-10"
    assert len(seen.values) == 24  # the month that has begun is not fitted
    # All of a month comes on its first day, so hardly anything is added.
    assert seen.ahead.draws[:, 0].min() >= 500
    assert seen.ahead.draws[:, 0].mean() == pytest.approx(500, abs=1)
    assert seen.ahead.draws[:, 1].mean() == pytest.approx(10, rel=0.01)


def test_what_is_to_come_of_a_month_is_added_to_what_has():
    """Half is paid on the 5th and half on the 25th; on October 10, 30 have come instead of 10."""
    days = [
        str(day.date()) for day in pd.date_range("2024-10-01", "2026-09-30") if day.day in (5, 25)
    ]
    rows = [{"customer_id": "1", "paid_on": day, "amount": 10.0} for day in days]
    rows.append({"customer_id": "1", "paid_on": "2026-10-05", "amount": 30.0})
    seen = carried_on(samples.workspace({"payments": rows}, as_of="2026-10-10"), kpis.payments)
    assert seen.come == pytest.approx(0.5, abs=0.02)
    assert seen.ahead.frame["mean"].tolist()[:2] == pytest.approx([40, 20], abs=0.5)


def test_what_does_not_add_up_is_not_forecast():
    ws = samples.workspace({"leads": [{"lead_id": "1", "created_at": "2026-09-01"}]}, as_of=AS_OF)
    seen = carried_on(ws, kpis.conversion_rate)
    assert seen.missing_because.startswith("only sums are forecast")


def test_most_months_of_a_zero_heavy_figure_bring_nothing():
    """Every fifth month brings 100: four in five months ahead bring none, and 80 % say so."""
    seen = carried_on(paid([100 if month % 5 == 0 else 0 for month in range(40)]), kpis.payments)
    assert seen.made.model.startswith("zero-heavy")
    assert (seen.ahead.draws == 0).mean() == pytest.approx(0.8, abs=0.02)
    assert seen.ahead.frame.low_80.tolist() == [0] * 12
    assert seen.ahead.draws.mean(axis=0) == pytest.approx(seen.made.frame["mean"], rel=0.1)


def test_draws_have_the_intervals_of_the_forecast():
    chance = np.random.default_rng(5)
    seen = carried_on(paid(1000 + 100 * chance.normal(size=60)), kpis.payments, length=6)
    drawn, told = seen.ahead.frame, seen.made.frame
    for name in ("low_80", "high_80", "low_95", "high_95"):
        assert drawn[name].to_numpy() == pytest.approx(told[name].to_numpy(), rel=0.02)


def test_errors_of_a_stock_go_on_and_those_of_a_flow_do_not():
    """Where each month's error is the last one's and more, a year's path is far from its mean."""
    chance = np.random.default_rng(7)
    walk = carried_on(paid(10_000 + 100 * chance.normal(size=60).cumsum()), kpis.payments)
    flow = carried_on(paid(10_000 + 100 * chance.normal(size=60)), kpis.payments)
    far, near = (
        np.corrcoef(each.ahead.draws[:, 4], each.ahead.draws[:, 5])[0, 1] for each in (walk, flow)
    )
    assert far > 0.6
    assert near < 0.4


@pytest.mark.parametrize("amounts", [[], [3.0], [3.0, 4.0]])
def test_too_little_past_is_said(amounts):
    seen = carried_on(paid(amounts), kpis.payments)
    why = seen.missing_because
    assert why == "fewer than 3 whole months are known" if amounts else why
    assert why
