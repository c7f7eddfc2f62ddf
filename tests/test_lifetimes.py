"""Customers one by one: what each was worth, still is, and how many stay."""

import numpy as np
import pandas as pd
import pytest

from revops_kit import lifetimes, samples
from revops_kit.kpis import clv
from revops_kit.lifetimes import histories
from revops_kit.stats.lifetime import fit_bg_nbd, fit_gamma_gamma, fit_pareto_nbd, fit_sbg
from revops_kit.tables import Policies

MONTHLY = 1.1 ** (1 / 12) - 1


def cohort(left_after, staying, as_of="2024-06-30", **policies):
    """Customers who all joined in January: how many left after each month, and how many stay."""
    ends = [f"2024-{month:02d}-28" for month, count in left_after.items() for _ in range(count)]
    rows = [
        {"subscription_id": str(key), "customer_id": str(key), "mrr": 100.0 + key,
         "started_on": "2024-01-01", "ended_on": end}
        for key, end in enumerate([*ends, *[None] * staying])
    ]  # fmt: skip
    return samples.workspace({"subscriptions": rows}, as_of=as_of, policies=Policies(**policies))


COHORT = {1: 20, 2: 10, 3: 6, 4: 4, 5: 3}
MODEL = fit_sbg([100, 80, 70, 64, 60, 57, 57])


def test_customer_of_a_contract_is_worth_margin_times_mrr_times_derl():
    """Six renewals made; the seventh is due, in full, and later ones are discounted to it."""
    found = lifetimes.customers(histories(cohort(COHORT, 57), "2024-06"))
    one = found.there.iloc[0]
    assert (one.months, len(found.there), len(found.frame)) == (6, 57, 100)
    t = np.arange(7, 20_000)
    by_summation = np.sum(MODEL.survival(t) / MODEL.survival(6) / (1 + MONTHLY) ** (t - 7))
    assert one.value_to_come == pytest.approx(0.8 * one.mrr * by_summation, rel=1e-3)
    assert one.value_to_date == pytest.approx(0.8 * one.mrr * 6)
    stays = MODEL.survival(18) / MODEL.survival(6)
    assert one.stays_a_year == pytest.approx(stays, rel=1e-3)
    assert one.at_stake == pytest.approx(one.value_to_come * (1 - stays), rel=1e-3)


def test_value_beyond_the_longest_tenure_is_said():
    """Of what follows the sixth month nothing has been seen; of newer customers' value, some."""
    old = cohort(COHORT, 57)
    assert (
        "100.0\u202f% of it lies beyond 6 months"
        in lifetimes.customers(histories(old, "all")).headline()
    )
    rows = old.tables.subscriptions.to_pandas()
    rows = rows[["subscription_id", "customer_id", "mrr", "started_on", "ended_on"]]
    new = {"subscription_id": "n", "customer_id": "n", "mrr": 9_900.0, "ended_on": None}
    rows = pd.concat([rows, pd.DataFrame([new | {"started_on": "2024-06-15"}])])
    rows = rows[(rows.mrr == 9_900) | rows.ended_on.notna() | (rows.mrr < 144)]
    known = histories(samples.workspace({"subscriptions": rows}, as_of="2024-06-30"), "all")
    found, kept = lifetimes.customers(known), lifetimes.survival(known).modelled
    there = found.there.set_index("customer")
    derl = there.value_to_come / there.mrr / 0.8
    # The renewals 1 to 6 of the new one, due at once and then month by month
    t = np.arange(1, 7)
    seen = np.sum(kept[t] / (1 + MONTHLY) ** (t - 1))
    share = 1 - 9_900 * seen / (derl * there.mrr).sum()
    assert f"{share:.1%}"[:-1] + "\u202f% of it lies beyond 6 months" in found.headline()


def test_several_subscriptions_add_up_in_value_to_date():
    """Three months of 100 and two of 50, with a gap, of a customer; margin 80 %."""
    rows = cohort(COHORT, 57).tables.subscriptions.to_pandas()
    rows = rows[["subscription_id", "customer_id", "mrr", "started_on", "ended_on"]]
    more = [("a", "M", 100.0, "2024-01-01", "2024-03-31"), ("b", "M", 50.0, "2024-05-15", None)]
    rows = pd.concat([rows, pd.DataFrame(more, columns=rows.columns)])
    found = lifetimes.customers(
        histories(samples.workspace({"subscriptions": rows}, as_of="2024-06-30"), "all")
    )
    assert found.frame.set_index("customer").value_to_date["M"] == 0.8 * (300 + 100)


def test_valuable_customers_that_may_be_lost_come_first():
    found = lifetimes.customers(histories(cohort(COHORT, 57), "2024-06"))
    most = found.look_at(3)
    assert most.customer.tolist() == ["99", "98", "97"]
    assert most.at_stake.is_monotonic_decreasing
    assert found.spread.customers.tolist()[2] == "half"
    assert found.spread.value_to_date[2] == found.there.value_to_date.median()
    assert "Of 57 customers" in found.headline()


def test_cohorts_add_up_and_each_has_its_own_model():
    found = lifetimes.customers(histories(cohort(COHORT, 57), "2024-06"))
    only = found.cohorts.iloc[0]
    assert (only.joined, only.customers, only.still_there) == ("2024", 100, 0.57)
    assert only.new_customer == pytest.approx(clv(cohort(COHORT, 57), "2024-06").value)
    assert only.value_to_date == pytest.approx(found.frame.value_to_date.mean())


def test_without_discount_there_may_be_no_end():
    """alpha is below 1 here, so the undiscounted sum diverges."""
    assert MODEL.alpha < 1
    found = lifetimes.customers(histories(cohort(COHORT, 57, discount_rate=0.0), "2024-06"))
    assert "no end" in found.headline()


def test_model_is_drawn_beside_what_was_counted():
    kept = lifetimes.survival(histories(cohort(COHORT, 57), "2024-06"))
    assert kept.curve.at([1, 5]).tolist() == pytest.approx([0.8, 0.57])
    assert kept.modelled.loc[[0, 5]].tolist() == pytest.approx(MODEL.survival([0, 5]), rel=1e-3)
    assert len(kept.modelled) == 61
    assert kept.headline().startswith("After 6 months 57.0\u202f% (")
    # 1 − Σ S(t) / (1 + r)^t of seven months ÷ the same of all months
    t = np.arange(20_000)
    worth = MODEL.survival(t) / (1 + MONTHLY) ** t
    share = f"{1 - worth[:7].sum() / worth.sum():.1%}"[:-1]
    assert f"{share}\u202f% lies beyond 6 months" in kept.explain()


def test_late_entry_is_taken_into_account_where_customers_are_survivors(sample_ws):
    """Departures of the sample company are on record from October 2023 on."""
    known = histories(sample_ws, "2026-09")
    kept, found = lifetimes.survival(known), lifetimes.customers(known)
    early = found.cohorts[found.cohorts.joined <= "2023"]
    assert early.still_there.isna().all(), "only those who stayed are there to be counted"
    assert "nobody was watched from the start" in early.note.iloc[0]
    assert "joined before departures were kept" in found.explain()
    assert kept.curve.at_risk.max() < len(found.frame) - early.customers.sum() / 2


# Payments


def buyers(size=60):
    chance = np.random.default_rng(1)
    rows = [
        {"customer_id": str(key), "amount": amount,
         "paid_on": pd.Timestamp("2023-01-01") + pd.Timedelta(days=int(day))}
        for key in range(size)
        for day, amount in zip(
            chance.integers(0, 540, size=1 + key % 5), chance.gamma(4, 25, size=5), strict=False
        )
    ]  # fmt: skip
    return pd.DataFrame([*rows, {"customer_id": "1", "amount": -30.0, "paid_on": "2024-05-05"}])


def test_customer_without_contract_is_worth_discounted_purchases_to_come():
    ws = samples.workspace({"payments": buyers()}, as_of="2024-06-30")
    found = lifetimes.customers(histories(ws, "2024-06")).frame.set_index("customer")
    seen = clv(ws, "2024-06").rows().to_pandas().set_index("customer_id").loc[found.index]
    buying = fit_bg_nbd(seen.x, seen.t_x, seen.age)
    money = fit_gamma_gamma(seen.x, seen.mean_value)
    for customer in ("0", "1", "3", "9"):
        one = seen.loc[customer]
        history = float(one.x), one.t_x, one.age
        ahead = buying.conditional(np.arange(61) * 365.25 / 12 / 7, *history)
        worth = np.sum(np.diff(ahead) / (1 + MONTHLY) ** np.arange(1, 61))
        worth *= 0.8 * money.expected(one.x, one.mean_value)
        assert found.value_to_come[customer] == pytest.approx(worth, rel=1e-6)
        alive = buying.p_alive(*history)
        assert found.alive[customer] == pytest.approx(alive)
        assert found.at_stake[customer] == pytest.approx(worth * (1 - alive), rel=1e-6)
        assert found.next_year[customer] == pytest.approx(ahead[12])
    paid = buyers().groupby("customer_id").amount.sum()
    assert found.value_to_date["1"] == pytest.approx(0.8 * paid["1"]), "less the refund"
    by_pareto = fit_pareto_nbd(seen.x, seen.t_x, seen.age).p_alive(seen.x, seen.t_x, seen.age)
    assert found.alive_by_pareto.to_numpy() == pytest.approx(by_pareto)


def test_one_time_buyers_are_alive_by_one_model_and_doubtful_by_the_other():
    found = lifetimes.customers(
        histories(samples.workspace({"payments": buyers()}, as_of="2024-06-30"), "2024-06")
    )
    once = found.frame[found.frame.purchases == 1]
    assert (once.alive == 1).all()
    assert (once.alive_by_pareto < 1).all()
    assert "bought once have P(alive) = 1" in found.explain()
    assert "by Pareto/NBD" in found.headline()


def test_payments_have_no_survival_curve_and_say_so():
    kept = lifetimes.survival(
        histories(samples.workspace({"payments": buyers()}, as_of="2024-06-30"), "2024-06")
    )
    assert kept.headline() == f"Survival beside the model: {lifetimes.NO_CONTRACT}."
    assert (kept.curves, len(kept.modelled)) == ({}, 0)


@pytest.mark.parametrize("period", ["2024-06", "all"])
def test_what_cannot_be_told_says_why(period):
    known, nothing = histories(cohort({}, 9), period), histories(samples.workspace({}), period)
    for found in (lifetimes.customers(known), lifetimes.survival(known)):
        assert "nobody has left yet" in found.headline()
    for found in (lifetimes.customers(nothing), lifetimes.survival(nothing)):
        assert "needs subscriptions.mrr or payments.amount" in found.headline()
    empty = lifetimes.customers(nothing)
    assert (len(empty.spread), len(empty.look_at()), len(empty.cohorts)) == (0, 0, 0)


def test_one_division_gives_the_known_lifetime_value():
    # 20 customers at 100 a month, of whom one leaves: 100 ÷ 5 % = 2,000.
    ws = samples.workspace(
        {"subscriptions": since_august(19, "2026-09-10")},
        as_of="2026-09-30",
        policies=Policies(gross_margin=1.0),
    )
    spread = lifetimes.value_by_convention(histories(ws, "2026-09")).set_index("convention")
    assert spread.value["margin a month ÷ monthly churn"] == 2000


def test_one_division_is_undefined_when_nobody_left():
    ws = samples.workspace({"subscriptions": since_august(5)}, as_of="2026-09-30")
    spread = lifetimes.value_by_convention(histories(ws, "2026-09")).set_index("convention")
    assert spread.value.isna().all()
    assert "nobody left" in spread.note["margin a month ÷ monthly churn"]


def since_august(staying, *left_on):
    """Subscriptions at 100 a month: so many that go on, and some that have ended."""
    return [
        {"subscription_id": str(key), "customer_id": str(key), "mrr": 100.0,
         "started_on": "2026-08-15", "ended_on": end}
        for key, end in enumerate([*[None] * staying, *left_on])
    ]  # fmt: skip
