"""Bridges close, and their steps are what one finds by hand."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import revops_kit as rk
from revops_kit import bridges, samples
from revops_kit.errors import UnknownNameError
from revops_kit.forecasts import record

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


def amounts(bridge):
    return dict(zip(bridge.frame.step, bridge.frame.amount, strict=True))


def behind(bridge, step):
    """What each row adds to a step, by its key."""
    rows = bridge.rows(step).to_pandas()
    return dict(zip(rows.opportunity_id, rows.adds, strict=True))


def assert_rows_add_up(bridge):
    """The rows behind every bar are together as long as the bar."""
    assert abs(bridge.residual) <= 0.01
    steps = dict(zip(bridge.frame.step, bridge.frame.amount, strict=True))
    rows, adds = bridge.behind
    sums = [adds[step].sum() for step in steps]
    added = rows.aggregate(**{f"_{at}": each for at, each in enumerate(sums)}).to_pandas()
    for step, found in zip(steps, added.fillna(0.0).iloc[0], strict=True):
        assert found == pytest.approx(steps[step], rel=1e-9, abs=1e-9), step
    largest = max(steps, key=lambda step: abs(steps[step]))
    assert bridge.rows(largest).adds.sum().to_pyarrow().as_py() == pytest.approx(steps[largest])


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
    assert steps.residual == 0
    assert behind(steps, "new") == {"new": 70, "born and won": 10}
    assert behind(steps, "pushed out") == {"pushed out": -20}
    assert behind(steps, "won") == {"won": -90, "born and won": -10}
    assert_rows_add_up(steps)
    assert steps.headline() == (
        "The pipeline of the period: start $490, end $410; "
        "above all won −$100, new +$80, lost −$80."
    )


days = st.integers(1, 28).map(lambda day: f"2026-{{:02d}}-{day:02d}")
moment = st.builds(lambda day, month: day.format(month), days, st.integers(7, 11))


@st.composite
def pipelines(draw):
    deals, changes = [], []
    for key in range(draw(st.integers(20, 40))):
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


# Deals do not meddle with each other, so that one large pipeline is many small ones.
@settings(max_examples=3)
@given(pipelines())
def test_every_pipeline_closes_for_every_deal(drawn):
    deals, changes = drawn
    rows = {"opportunities": deals} | ({"stage_changes": changes} if changes else {})
    ws = samples.workspace(rows, as_of="2026-10-10")
    for period in (MONTH, "2026-10"):
        bridge = bridges.pipeline(ws, period)
        rows, adds = bridge.behind
        adds = {step: each.fill_null(0.0) for step, each in adds.items()}
        end = adds.pop("end")
        left = rows.aggregate(most=(sum(adds.values()) - end).abs().max())
        assert (left.most.to_pyarrow()[0].as_py() or 0.0) < 1e-9
        assert abs(bridge.residual) <= 0.01


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
    assert steps.residual == 0
    assert_rows_add_up(steps)
    gone = steps.rows("churn").to_pandas()
    assert gone[["customer", "adds"]].to_numpy().tolist() == [["leaves", -50]]


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
        assert abs(steps.residual) < 1e-6
        assert_rows_add_up(steps)
        assert ("mix" in amounts(steps)) == bool(by)
    emea = [each for each in deals if each["region"] == "EMEA"]
    ws = samples.workspace({"opportunities": emea}, as_of="2026-09-30")
    bridge = bridges.velocity(rk.kpis.pipeline_velocity.over(ws, rk.last(2, MONTH)))
    steps = amounts(bridge)
    # August: 4 × 2/4 × 100 / 10 = 20 a day; September: 6 × 3/4 × 150 / 12 = 56.25.
    weight = (56.25 - 20) / math.log(56.25 / 20)
    assert steps["2026-08"] == pytest.approx(20)
    assert steps["2026-09"] == pytest.approx(56.25)
    assert steps["open deals"] == pytest.approx(weight * math.log(6 / 4))
    assert steps["cycle"] == pytest.approx(-weight * math.log(12 / 10))
    # Four deals open in August are taken away, six in September count, one as much as the other.
    one = steps["open deals"] / 2
    assert bridge.rows("open deals").adds.to_list() == pytest.approx([one] * 10, abs=2 * one)
    assert sorted(bridge.rows("open deals").adds.to_list()) == pytest.approx([-one] * 4 + [one] * 6)
    assert bridge.rows("win rate").count().to_pyarrow().as_py() == 8
    assert bridge.rows("cycle").outcome.to_list() == ["won"] * 5


def test_velocity_of_a_month_without_wins_has_no_bridge():
    ws = samples.workspace({"opportunities": closing(9, 1, 1, 50.0, 5, "EMEA")})
    bridge = bridges.velocity(rk.kpis.pipeline_velocity.over(ws, rk.last(2, MONTH)))
    assert bridge.frame.empty
    assert bridge.rows("open deals").count().to_pyarrow().as_py() == 0
    assert bridge.headline() == (
        "What moved pipeline velocity: not available: it takes a velocity in both periods."
    )


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
    assert steps.residual == pytest.approx(0, abs=1e-12)
    assert_rows_add_up(steps)


def test_segment_of_one_period_only_changes_the_mix():
    rows = [
        {"lead_id": str(at), "created_at": f"2026-{month:02}-01", "source": source,
         "converted_at": f"2026-{month:02}-02" if won else None}
        for at, (month, source, won) in enumerate(
            [(8, "a", True), (8, "a", False), (9, "a", True), (9, "a", False), (9, "b", True)]
        )
    ]  # fmt: skip
    ws = samples.workspace({"leads": rows})
    steps = bridges.mix_and_rate(
        *bridges.last_two(rk.kpis.conversion_rate.over(ws, rk.last(3, MONTH), by="source"))
    )
    assert amounts(steps) == pytest.approx(
        {"2026-08": 1 / 2, "rate of a": 0, "rate of b": 0, "mix": 1 / 6, MONTH: 2 / 3}
    )
    assert_rows_add_up(steps)


def test_conversion_compares_leads_of_the_same_age():
    """In September one of two converted within a month, in August one of two, and one later."""
    rows = [
        {"lead_id": lead, "created_at": created, "converted_at": converted, "source": "a"}
        for lead, created, converted in [
            ("1", "2026-08-01", "2026-08-20"), ("2", "2026-08-01", "2026-09-20"),
            ("3", "2026-09-01", "2026-09-20"), ("4", "2026-09-01", None),
        ]
    ]  # fmt: skip
    ws = samples.workspace({"leads": rows}, as_of="2026-09-30")
    assert rk.kpis.conversion_rate(ws, "2026-08").value == 1
    bridge = bridges.conversion(rk.kpis.conversion_rate(ws, MONTH, "source"))
    assert amounts(bridge) == pytest.approx(
        {"2026-08": 1 / 2, "rate of a": 0, "mix": 0, MONTH: 1 / 2}
    )
    assert_rows_add_up(bridge)


def test_mix_without_segments_or_a_period_before_is_no_bridge():
    lead = {"lead_id": "1", "created_at": "2026-09-01", "converted_at": None, "source": "a"}
    ws = samples.workspace({"leads": [lead]})
    whole = bridges.conversion(rk.kpis.conversion_rate(ws, MONTH, ""))
    assert whole.missing_because == "not available: it takes a column to split by"
    every = bridges.conversion(rk.kpis.conversion_rate(ws, "all", "source"))
    assert every.missing_because == "not available: it takes a share in each of two periods"


def test_forecast_error_is_too_much_and_too_little():
    """Promised 950 and 25, won 1,000 and 10."""
    said = [
        {
            "made_on": f"2026-{month:02}-01",
            "month": f"2026-{month:02}-01",
            "amount": amount,
            "owner": owner,
        }
        for month, amount, owner in ((8, 900, "Ann"), (8, 50, "Bo"), (9, 25, "Ann"))
    ]
    deals = [
        deal("august", "won", closed="2026-08-20", amount=1000.0),
        deal("september", "won", closed="2026-09-20", amount=10.0),
        deal("nobody forecast july", "won", "2026-07-01", "2026-07-20", 77.0),
    ]
    ws = samples.workspace({"forecasts": said, "opportunities": deals}, as_of="2026-09-30")
    steps = bridges.forecast_error(record(ws, rk.last(3, MONTH)))
    assert amounts(steps) == {
        "forecast": 975, "promised too much": -15, "promised too little": 50, "won": 1010
    }  # fmt: skip
    assert_rows_add_up(steps)
    short = steps.rows("promised too little").select("month", "owner", "adds").to_pandas()
    assert short.adds.tolist() == [1000, -900, -50]
    assert set(short.month.astype(str)) == {"2026-08-01"}


@settings(max_examples=2)
@given(seed=st.integers(0, 2**32))
def test_rows_behind_every_bar_add_up_to_it(ws_by_chance, seed):
    ws = ws_by_chance(seed)
    months = [rk.kpis.win_rate(ws, month, by="region") for month in ("2026-07", "2026-08")]
    for bridge in (
        bridges.recurring_revenue(ws, "2026-08"),
        bridges.pipeline(ws, "2026-08"),
        bridges.velocity(rk.kpis.pipeline_velocity.over(ws, rk.last(2, "2026-Q3"), by="region")),
        bridges.forecast_error(record(ws, rk.last(3, "2026-08"))),
        bridges.mix_and_rate(*months),
    ):
        assert not bridge.frame.empty
        assert_rows_add_up(bridge)


def test_nothing_to_build_a_bridge_of_is_said():
    ws = samples.workspace({})
    share = rk.kpis.conversion_rate(ws, MONTH, by="")
    for bridge in (
        bridges.recurring_revenue(ws, MONTH),
        bridges.pipeline(ws, MONTH),
        bridges.velocity(rk.kpis.pipeline_velocity.over(ws, rk.last(2, MONTH))),
        bridges.forecast_error(record(ws, MONTH)),
        bridges.mix_and_rate(share, share),
    ):
        assert bridge.frame.empty
        assert "not available: needs" in bridge.missing_because
        assert bridge.missing_because in bridge.headline()
        assert bridge.missing_because[1:] in bridge.plot().alt
        assert bridge.rows("start").count().to_pyarrow().as_py() == 0
        assert bridge.residual == 0


def test_unknown_step_is_refused_with_those_there_are():
    ws = samples.workspace({"opportunities": [deal("1", expected="2026-09-20")]})
    with pytest.raises(UnknownNameError, match=r"no step 'wno' in the bridge .* mean 'won'"):
        bridges.pipeline(ws, MONTH).rows("wno")


def test_bridge_is_drawn_with_its_residual():
    ws = samples.workspace({"opportunities": [deal("1", expected="2026-09-20")]})
    chart = bridges.pipeline(ws, MONTH).plot()
    assert chart.alt.startswith("The pipeline of the period: start $100,")
    assert chart.alt.endswith("The steps add up: residual $0.")
