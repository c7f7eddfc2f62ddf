"""Bridges close, and their steps are what one finds by hand."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import revops_kit as rk
from revops_kit import bridges, samples

MONTH = "2026-09"


def deal(key, outcome="open", opened="2026-08-01", closed=None, amount=100.0, expected=None):
    return {
        "opportunity_id": key,
        "outcome": outcome,
        "opened_at": opened,
        "closed_at": closed,
        "amount": amount,
        "expected_close": expected,
        "region": "EMEA",
    }


def change(key, at, amount, expected):
    return {
        "opportunity_id": key,
        "changed_at": at,
        "stage": "Demo",
        "amount": amount,
        "expected_close": expected,
    }


def amounts(steps):
    return dict(zip(steps.step, steps.amount, strict=True))


def test_pipeline_takes_each_deal_where_it_went():
    deals = [
        deal("stays", expected="2026-09-20"),
        deal("grows", amount=150.0, expected="2026-09-20"),
        deal("shrinks", amount=60.0, expected="2026-09-20"),
        deal("new", opened="2026-09-05", amount=70.0, expected="2026-09-28"),
        deal("pulled in", amount=30.0, expected="2026-09-25"),
        deal("pushed out", amount=20.0, expected="2026-10-15"),
        deal("won", "won", closed="2026-09-10", amount=90.0, expected="2026-09-10"),
        deal("lost", "lost", closed="2026-09-11", amount=80.0, expected="2026-09-11"),
        deal("born and won", "won", "2026-09-02", "2026-09-12", 10.0, "2026-09-12"),
        deal("elsewhere", expected="2026-12-01"),
    ]
    changes = [
        change("grows", "2026-08-01", 100.0, "2026-09-20"),
        change("grows", "2026-09-03", 150.0, "2026-09-20"),
        change("shrinks", "2026-08-01", 100.0, "2026-09-20"),
        change("shrinks", "2026-09-04", 60.0, "2026-09-20"),
        change("pulled in", "2026-08-01", 30.0, "2026-11-01"),
        change("pulled in", "2026-09-06", 30.0, "2026-09-25"),
        change("pushed out", "2026-08-01", 20.0, "2026-09-15"),
        change("pushed out", "2026-09-07", 20.0, "2026-10-15"),
    ]
    ws = samples.workspace({"opportunities": deals, "stage_changes": changes}, as_of="2026-09-30")
    steps = bridges.pipeline(ws, MONTH)
    assert amounts(steps) == {
        "start": 100 + 100 + 100 + 20 + 90 + 80,
        "new": 70 + 10,
        "pulled in": 30,
        "increased": 50,
        "decreased": -40,
        "pushed out": -20,
        "won": -100,
        "lost": -80,
        "end": 100 + 150 + 60 + 70 + 30,
    }
    assert bridges.residual(steps) == 0
    behind = bridges.pipeline_rows(ws, MONTH)
    assert sorted(behind.filter(behind.new > 0).opportunity_id.to_list()) == ["born and won", "new"]


days = st.integers(1, 28).map(lambda day: f"2026-{{:02d}}-{day:02d}")
moment = st.builds(lambda day, month: day.format(month), days, st.integers(7, 11))


@st.composite
def pipelines(draw):
    deals, changes = [], []
    for key in range(draw(st.integers(1, 6))):
        opened, closed = sorted([draw(moment), draw(moment)])
        outcome = draw(st.sampled_from(["open", "won", "lost"]))
        deals.append(
            deal(
                str(key),
                outcome,
                draw(st.sampled_from([opened, None])),
                closed if outcome != "open" else None,
                draw(st.sampled_from([None, 50.0, 75.5])),
                draw(st.none() | moment),
            )
        )
        changes += [
            change(
                str(key), at, draw(st.sampled_from([None, 10.0, 99.9])), draw(st.none() | moment)
            )
            for at in draw(st.lists(moment, max_size=2))
        ]
    return deals, changes


@settings(max_examples=15)
@given(pipelines())
def test_every_pipeline_closes(drawn):
    deals, changes = drawn
    rows = {"opportunities": deals} | ({"stage_changes": changes} if changes else {})
    ws = samples.workspace(rows, as_of="2026-10-10")
    for period in (MONTH, "2026-10"):
        assert abs(bridges.residual(bridges.pipeline(ws, period))) < 0.01


def test_recurring_revenue_moves_by_what_customers_did():
    rows = [
        ("1", "stays", "2026-01-01", None, 100.0),
        ("2", "leaves", "2026-01-01", "2026-09-15", 50.0),
        ("3", "grows", "2026-01-01", "2026-09-10", 40.0),
        ("4", "grows", "2026-09-10", None, 70.0),
        ("5", "comes", "2026-09-20", None, 30.0),
    ]
    names = ("subscription_id", "customer_id", "started_on", "ended_on", "mrr")
    rows = [dict(zip(names, row, strict=True)) for row in rows]
    ws = samples.workspace({"subscriptions": rows}, as_of="2026-09-30")
    steps = bridges.recurring_revenue(ws, MONTH)
    assert amounts(steps) == {
        "start": 190,
        "new": 30,
        "expansion": 30,
        "reactivation": 0,
        "contraction": 0,
        "churn": -50,
        "end": 200,
    }
    assert bridges.residual(steps) == 0


def closing(month, won, lost, amount, days, region, open_=0):
    """Make deals that a month decided, and others that stay open after it."""
    made = []
    for at in range(won + lost):
        made.append(
            deal(
                f"{month}{region}{at}",
                "won" if at < won else "lost",
                f"2026-{month:02d}-01",
                f"2026-{month:02d}-{1 + days:02d}",
                amount,
            )
            | {"region": region}
        )
    made += [
        deal(f"{month}{region}open{at}", opened=f"2026-{month:02d}-02") | {"region": region}
        for at in range(open_)
    ]
    return made


def test_velocity_is_split_over_its_factors_and_mix():
    deals = [
        *closing(8, 2, 2, 100.0, 10, "EMEA", open_=4),
        *closing(9, 3, 1, 150.0, 12, "EMEA", open_=2),
        *closing(8, 1, 3, 80.0, 8, "AMER", open_=3),
        *closing(9, 2, 2, 90.0, 9, "AMER", open_=1),
    ]
    ws = samples.workspace({"opportunities": deals}, as_of="2026-09-30")
    for by in ("", "region"):
        trend = rk.kpis.pipeline_velocity.over(ws, rk.last(2, MONTH), by)
        steps = bridges.velocity(trend)
        assert abs(bridges.residual(steps)) < 1e-6
        assert ("mix" in amounts(steps)) == bool(by)
    emea = [each for each in deals if each["region"] == "EMEA"]
    ws = samples.workspace({"opportunities": emea}, as_of="2026-09-30")
    steps = amounts(bridges.velocity(rk.kpis.pipeline_velocity.over(ws, rk.last(2, MONTH))))
    # August: 4 × 2/4 × 100 / 10 = 20 a day; September: 6 × 3/4 × 150 / 12 = 56.25.
    weight = (56.25 - 20) / math.log(56.25 / 20)
    assert steps["2026-08"] == pytest.approx(20)
    assert steps["2026-09"] == pytest.approx(56.25)
    assert steps["open deals"] == pytest.approx(weight * math.log(6 / 4))
    assert steps["cycle"] == pytest.approx(-weight * math.log(12 / 10))


def test_velocity_of_a_month_without_wins_has_no_bridge():
    ws = samples.workspace({"opportunities": closing(9, 1, 1, 50.0, 5, "EMEA")})
    assert bridges.velocity(rk.kpis.pipeline_velocity.over(ws, rk.last(2, MONTH))).empty


def test_conversion_splits_into_rate_and_mix():
    leads = [("2026-08-01", "a", 10, 5), ("2026-08-01", "b", 10, 1),
             ("2026-09-01", "a", 5, 3), ("2026-09-01", "b", 15, 3)]  # fmt: skip
    rows = [
        {
            "lead_id": f"{created}{source}{at}",
            "created_at": created,
            "source": source,
            "converted_at": created if at < won else None,
        }
        for created, source, count, won in leads
        for at in range(count)
    ]
    ws = samples.workspace({"leads": rows})
    before, now = (rk.kpis.conversion_rate(ws, month, by="source") for month in ("2026-08", MONTH))
    steps = bridges.mix_and_rate(before, now)
    found = amounts(steps)
    # From 6/20 to 6/20: a went from 1/2 to 3/5 at half, then a quarter of the leads …
    assert found["rate of a"] == pytest.approx((0.6 - 0.5) * (0.5 + 0.25) / 2)
    assert found["rate of b"] == pytest.approx((0.2 - 0.1) * (0.5 + 0.75) / 2)
    assert found["mix"] == pytest.approx((-0.25) * (0.5 + 0.6) / 2 + 0.25 * (0.1 + 0.2) / 2)
    assert bridges.residual(steps) == pytest.approx(0, abs=1e-12)
