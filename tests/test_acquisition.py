import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import revops_kit as rk
from revops_kit import bridges, kpis
from revops_kit.acquisition import lag_aware_cac, lags, payback, payback_with_churn, unit_economics
from revops_kit.errors import StatisticsError
from revops_kit.noted import note
from revops_kit.samples import workspace
from revops_kit.stats.lifetime import ShiftedBetaGeometric
from revops_kit.tables import Policies

ORACLE = Path(__file__).resolve().parents[2] / "shared/oracles/saas_unit_economics"


def lead(key, created):
    return {"lead_id": key, "created_at": created}


def win(key, closed, lead_id=None, **also):
    deal = {"opportunity_id": key, "outcome": "won", "closed_at": closed, "lead_id": lead_id}
    return deal | also


def spent(amount, day, kind="people"):
    return {"spent_on": day, "amount": amount, "kind": kind}


def runs(key, started, mrr, ended=None):
    return {
        "subscription_id": key,
        "customer_id": key.split("-")[0],
        "started_on": started,
        "ended_on": ended,
        "mrr": mrr,
    }


def economics(period="2026-09", as_of="2026-09-30", margin=0.75, **rows):
    made = workspace(rows, as_of=as_of, policies=Policies(gross_margin=margin))
    return unit_economics(made, period).set_index("figure")


MET = [lead("a", "2026-07-31"), lead("b", "2026-08-30"), lead("c", "2026-09-01")]
WON = [
    win("1", "2026-08-01", "a"), win("2", "2026-09-02", "b"),
    win("3", "2026-09-30", "c"), win("4", "2026-09-05", "c"),
]  # fmt: skip


def test_lag_is_counted_in_calendar_months_over_first_wins():
    found = lags(workspace({"leads": MET, "opportunities": WON}), rk.last(2, "2026-09"))
    assert found.months.tolist() == [0, 1]  # the lead c was won once, on 5 September
    assert found.customers.tolist() == [1, 2]
    assert found.share.tolist() == pytest.approx([1 / 3, 2 / 3])


def test_customers_whose_lag_is_unknown_are_counted_by_reason():
    deals = [
        *WON, win("5", "2026-09-05"), win("6", "2026-09-05", "gone"), win("7", None, "d"),
        win("8", "2026-09-05", "e"),
    ]  # fmt: skip
    leads = [*MET, lead("d", "2026-09-01"), lead("e", "2026-09-06")]
    found = lags(workspace({"leads": leads, "opportunities": deals}), "all")
    unknown = found[found.note.notna()]
    assert dict(zip(unknown.note, unknown.customers, strict=True)) == {
        "no lead": 2,
        "won on an unknown day": 1,
        "won before the first contact": 1,
    }
    assert unknown.share.isna().all()
    assert found.share.sum() == pytest.approx(1)


def test_spend_goes_to_the_months_in_which_its_leads_are_won():
    spend = [spent(900, "2026-07-10"), spent(300, "2026-08-10"), spent(600, "2026-09-10")]
    ws = workspace({"leads": MET, "opportunities": WON, "spend": spend}, as_of="2026-09-30")
    found = lag_aware_cac(ws, rk.last(2, "2026-09")).set_index("month")
    # A third is won in the same month, two thirds a month later.
    assert found.carried_in.tolist()[:2] == pytest.approx([600, 0])
    assert found.attributed.tolist() == pytest.approx([600 + 100, 200 + 200, 400])
    assert found.customers.tolist()[:2] == [1, 2]
    assert found.lag_aware_cac.tolist()[:2] == pytest.approx([700, 200])
    assert found.cac.tolist()[:2] == pytest.approx([300, 300])


def test_months_that_the_first_expense_does_not_reach_say_so():
    spend = [spent(300, "2026-08-10"), spent(600, "2026-09-10")]
    ws = workspace({"leads": MET, "opportunities": WON, "spend": spend}, as_of="2026-09-10")
    found = lag_aware_cac(ws, rk.last(2, "2026-09"))
    assert found.note[0].startswith("too low: 66.7")  # two of three leads are met a month before
    assert found.note[1] == "partial"


def test_month_without_new_customers_has_no_cac():
    spend = [spent(300, "2026-06-10")]
    ws = workspace({"leads": MET, "opportunities": WON, "spend": spend}, as_of="2026-09-30")
    july = lag_aware_cac(ws, rk.last(3, "2026-09")).iloc[0]
    assert np.isnan(july.cac)
    assert np.isnan(july.lag_aware_cac)
    assert july.note == "undefined: nobody was won, no spend is booked"


@pytest.mark.parametrize("span", [("2026-09", 13), ("2026-Q3", 4), ("2026-W36", 8), ("all", 1)])
def test_lagged_spend_adds_up_to_what_was_spent(ws, span):
    text, count = span
    found = lag_aware_cac(ws, rk.last(count, text))
    whole = found.spend.sum() + found.carried_in.sum()
    assert found.attributed.sum() == pytest.approx(whole, abs=0.01)
    assert whole != 0


def test_lags_count_every_new_customer(ws):
    for text in ("2026", "all"):
        assert lags(ws, text).customers.sum() == kpis.cac(ws, text).n


NEW = {
    "spend": [spent(2_400, "2026-09-03"), spent(600, "2026-08-03")],
    "opportunities": [win("1", "2026-09-10"), win("2", "2026-09-11")],
    "subscriptions": [
        runs("A", "2026-01-01", 1_000), runs("B", "2026-09-10", 180),
        runs("C", "2026-09-11", 180), runs("D", "2026-02-01", 100, "2026-09-12"),
    ],
}  # fmt: skip

STAYING = [runs("A", "2026-01-01", 100), runs("B", "2026-02-01", 100)]


@pytest.fixture(scope="module")
def september():
    return economics(**NEW).value


@pytest.fixture(scope="module")
def third_quarter(by_chance_ws):
    return unit_economics(by_chance_ws, "2026-Q3")


def test_payback_of_the_known_answer(september):
    """1,200 ÷ (180 × 0.75) = 8.89 months (calcmastery.com)."""
    assert september["CAC, fully loaded"] == 1_200
    assert september["Payback, months"] == pytest.approx(8.888889, abs=1e-6)


def test_magic_number_sets_growth_against_the_spend_of_the_period_before(september):
    # MRR went from 1,100 to 1,360.
    assert september["Magic number"] == pytest.approx(260 * 12 / 600)


def test_new_cac_ratio_sets_spend_against_new_yearly_revenue(september):
    assert september["New-CAC ratio"] == pytest.approx(2_400 / (360 * 12))


def test_paid_cac_takes_media_alone():
    media = [*NEW["spend"], spent(500, "2026-09-04", kind="media")]
    found = economics(**NEW | {"spend": media})
    assert found.value["CAC, paid"] == 250
    assert found.value["CAC, fully loaded"] == 1_450


def halving(cac):
    """Half of 64 customers leave each month; the 8 still there pay 100 each; one deal was won."""
    ends = ["2026-01-31"] * 32 + ["2026-02-28"] * 16 + ["2026-03-31"] * 8 + [None] * 8
    customers = [runs(str(key), "2026-01-01", 100, end) for key, end in enumerate(ends)]
    rows = {
        "subscriptions": customers,
        "opportunities": [win("1", "2026-02-10")],
        "spend": [spent(cac, "2026-02-10")],
    }
    found = economics("2026-Q1", "2026-03-31", margin=1, **rows)
    return found.loc["Payback, months, survival-adjusted"]


def test_survival_adjusted_payback_counts_on_those_still_there():
    assert halving(150 - 1).value == 2  # 100 + 50
    assert halving(175 - 1).value == 3  # 100 + 50 + 25


def test_payback_that_never_comes_says_so():
    found = halving(250)  # 100 + 50 + 25 + … = 200
    assert np.isnan(found.value)
    assert found.missing_because == "never: a new customer brings 200 of 250 in all"


def test_payback_beyond_the_horizon_is_not_never():
    harmonic = ShiftedBetaGeometric(1, 1)  # 1 + 1/2 + 1/3 + … grows beyond all bounds
    with pytest.raises(StatisticsError, match="not within the 12 months"):
        payback_with_churn(400, 100, harmonic, horizon=12)
    assert payback_with_churn(400, 100, harmonic, horizon=60) == 31  # the 31st term passes 4


def test_payback_without_churn_is_the_plain_one_rounded_up():
    loyal = ShiftedBetaGeometric(1e-9, 1.0)
    for cac in (1, 135, 1_200, 2_699):
        assert payback_with_churn(cac, 135, loyal, 60) == np.ceil(payback(cac, 180, 0.75))


def test_clv_over_cac_combines_both_intervals_on_the_log_scale(by_chance_ws, third_quarter):
    found = third_quarter.set_index("figure").loc["CLV ÷ CAC"]
    clv, cac = (kpi(by_chance_ws, "2026-Q3") for kpi in (kpis.clv, kpis.cac))
    assert found.value == pytest.approx(clv.value / cac.value)
    assert found.low * found.high == pytest.approx(found.value**2)
    of_clv, of_cac = clv.high / clv.value - 1, 1.959964 / np.sqrt(cac.n)
    assert np.log(found.high / found.value) ** 2 == pytest.approx(of_clv**2 + of_cac**2)


def test_every_undefined_figure_says_why(nothing):
    for ws in (nothing, workspace({})):
        found = unit_economics(ws, "2026-09")
        assert found.value.isna().all()
        assert found.missing_because.notna().all()
        assert (found.reads == "–").all()


def test_defined_figures_need_no_reason(third_quarter, sample_ws):
    for found in (third_quarter, unit_economics(sample_ws, "2026-Q3")):
        assert (found.value.isna() == found.missing_because.notna()).all()


@pytest.mark.parametrize(
    ("change", "reasons"),
    [
        (
            {"spend": NEW["spend"][:1], "opportunities": [win("1", "2026-08-09")]},
            {
                "Magic number": "nothing was spent in 2026-08",
                "Payback, months": "undefined: money was spent",
            },
        ),
        (
            {"subscriptions": STAYING},
            {"Payback, months": "no new recurring", "CLV ÷ CAC": "nobody has left yet"},
        ),
        ({"spend": NEW["spend"][1:]}, {"Payback, months": "no spend is booked"}),
        (
            {"spend": [spent(-9, "2026-09-03")]},
            {"Payback, months": "more was refunded than spent"},
        ),
    ],
)
def test_undefined_is_missing_with_its_reason(change, reasons):
    found = economics(**NEW | change)
    for figure, reason in reasons.items():
        assert np.isnan(found.value[figure])
        assert reason in found.missing_because[figure]


def test_all_time_has_no_period_before_it():
    assert economics("all", **NEW).missing_because["Magic number"] == (
        "`all` has no period before it"
    )


def test_partial_period_and_counts_that_differ_are_told():
    rows = NEW | {"opportunities": NEW["opportunities"][:1]}
    said = note(unit_economics(workspace(rows, as_of="2026-09-20"), "2026-09"))
    assert "2026-09 is partial: known up to 2026-09-20." in said
    assert "Deals tell of 1 new customer, subscriptions of 2" in said


@pytest.mark.parametrize("count", [lags, lag_aware_cac])
def test_what_is_not_available_says_what_it_needs(count):
    ws = workspace({"opportunities": WON})
    found = count(ws, rk.last(2, "2026-09"))
    assert found.empty
    assert note(found) == "Not available: needs leads.created_at."


@pytest.mark.parametrize("count", [lags, lag_aware_cac])
@pytest.mark.parametrize("text", ["2026-09", "all"])
def test_nothing_to_count_says_so(count, text, nothing):
    found = count(nothing, text)
    assert found.empty
    assert note(found)


def test_order_of_rows_does_not_matter(by_chance, by_chance_ws, third_quarter):
    mixed = {name: frame.iloc[::-1] for name, frame in by_chance.frames.items()}
    turned = workspace(mixed, as_of="2026-09-30")
    for count in (lags, lag_aware_cac):
        pd.testing.assert_frame_equal(count(by_chance_ws, "2026"), count(turned, "2026"))
    pd.testing.assert_frame_equal(third_quarter, unit_economics(turned, "2026-Q3"))


@pytest.fixture(scope="module")
def oracle():
    if not ORACLE.is_dir():
        pytest.skip("the published tables of saas_unit_economics are not here")
    given = json.loads((ORACLE / "input.json").read_text("utf-8"))
    expected = json.loads((ORACLE / "expected.json").read_text("utf-8"))["checks"]
    return given, {name: each["expected"] for name, each in expected.items()}


def test_payback_as_published(oracle, september):
    _, expected = oracle
    whole = economics(**NEW, margin=1)
    assert september["Payback, months"] == pytest.approx(expected["CAC payback A"], abs=1e-6)
    without = expected["CAC payback undiscounted w/o margin A"]
    assert whole.value["Payback, months"] == pytest.approx(without, abs=1e-6)


def test_quick_ratio_and_net_new_mrr_as_published(oracle):
    given, expected = oracle
    for name, (new, expansion, churn, contraction) in zip("ABC", given["quick"], strict=True):
        ws = workspace(
            {
                "subscriptions": [
                    runs("N", "2026-09-10", new), runs("E-1", "2026-01-01", 10),
                    runs("E-2", "2026-09-10", expansion), runs("K-1", "2026-01-01", 10),
                    runs("K-2", "2026-01-01", contraction, "2026-09-10"),
                    runs("X", "2026-01-01", churn, "2026-09-10"),
                ]
            },
            as_of="2026-09-30",
        )  # fmt: skip
        ratio = kpis.quick_ratio(ws, "2026-09").value
        assert ratio == pytest.approx(expected[f"quick ratio {name}"], abs=1e-6)
    steps = bridges.recurring_revenue(ws, "2026-09").frame
    assert steps.amount[steps.kind == "change"].sum() == expected["net new MRR C"]


def test_discounted_lifetime_value_as_published(oracle):
    """100 a month, 5 % of customers lost a month, 1 % discount a month, paid in advance."""
    _, expected = oracle
    constant = ShiftedBetaGeometric(0.05e6, 0.95e6)
    value = 100 * constant.discounted_lifetime(2_000, 0.01)
    assert value == pytest.approx(expected["discounted LTV 1%/mo in advance"], abs=1.68)
