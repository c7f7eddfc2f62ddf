import numpy as np
import pandas as pd
import pytest

from revops_kit import lifetimes
from revops_kit.kpis import clv
from revops_kit.kpis.clv import WEEKS_A_MONTH, fold, monthly, of_contracts, watched
from revops_kit.samples import workspace
from revops_kit.tables import Policies


def subscriptions(left_after, staying, mrr=100.0, started="2024-01-01"):
    """Customers of one cohort: how many left after each month, and how many stay."""
    begin = pd.Timestamp(started)
    rows = [
        {"started_on": begin, "ended_on": begin + pd.DateOffset(months=months, days=-1)}
        for months, count in left_after.items()
        for _ in range(count)
    ]
    rows += [{"started_on": begin, "ended_on": None} for _ in range(staying)]
    return {
        "subscriptions": [
            {"subscription_id": str(key), "customer_id": str(key), "mrr": mrr, **row}
            for key, row in enumerate(rows)
        ]
    }


COHORT = subscriptions({1: 20, 2: 10, 3: 6, 4: 4, 5: 3}, 57)


def value(rows, as_of="2024-06-30", **policies):
    return clv(workspace(rows, as_of=as_of), "2024-06", **policies)


def test_within_one_month_it_is_the_margin_on_one_months_revenue():
    """Paid in advance, the first month is sure and undiscounted: 0.8 × 100."""
    assert value(COHORT, horizon_months=1).value == pytest.approx(80)


def test_second_month_counts_by_the_share_that_stays_and_is_discounted():
    """0.8 × 100 × (1 + r(1) ÷ 1.1 ** (1/12)), where about 80 of 100 stayed."""
    expected = 80 * (1 + 0.8 / 1.1 ** (1 / 12))
    assert value(COHORT, horizon_months=2).value == pytest.approx(expected, rel=0.01)


def test_value_is_proportional_to_margin_and_to_money():
    once = value(COHORT).value
    assert value(COHORT, gross_margin=0.4).value == pytest.approx(once / 2)
    double = {"subscriptions": [each | {"mrr": 200.0} for each in COHORT["subscriptions"]]}
    assert value(double).value == pytest.approx(2 * once)


def test_money_later_is_worth_less():
    assert value(COHORT, discount_rate=0.3).value < value(COHORT, discount_rate=0.0).value
    assert value(COHORT, discount_rate=0.0).value < 0.8 * 100 * 60


def test_revenue_is_that_of_the_customers_who_are_still_there():
    rows = subscriptions({1: 20, 2: 10, 3: 6, 4: 4, 5: 3}, 0, mrr=9_999.0)["subscriptions"]
    rows += [each | {"subscription_id": f"s{key}", "customer_id": f"s{key}"} for key, each in
             enumerate(subscriptions({}, 57)["subscriptions"])]  # fmt: skip
    found = value({"subscriptions": rows}, horizon_months=1)
    assert (found.value, found.n) == (pytest.approx(80), 100)
    assert found.low <= found.value <= found.high


def test_nobody_left_is_missing_with_the_reason():
    found = value(subscriptions({1: 5, 2: 5}, 0))
    assert found.missing_because == "no customers are left, so there is no revenue to expect"
    assert value({"subscriptions": []}).missing_because


def test_tenure_is_counted_in_whole_months_up_to_the_day_seen():
    rows = [
        ("a month and a day", "2024-05-30", None), ("a day", "2024-06-30", None),
        ("left within a month", "2024-01-10", "2024-01-20"),
        ("left after two months", "2024-01-01", "2024-02-29"),
        ("came back", "2024-01-01", "2024-02-01"), ("came back", "2024-05-01", None),
        ("not yet there", "2024-07-01", None),
    ]  # fmt: skip
    columns = ("customer_id", "started_on", "ended_on")
    made = [{"subscription_id": str(key), "mrr": 1.0, **dict(zip(columns, row, strict=True))}
            for key, row in enumerate(rows)]  # fmt: skip
    seen = value({"subscriptions": made}).rows().to_pandas().set_index("customer")
    assert seen.months.to_dict() == {
        "a month and a day": 1, "a day": 0, "left within a month": 1,
        "left after two months": 2, "came back": 6,
    }  # fmt: skip
    assert seen.left.sum() == 2


def test_last_day_and_day_of_renewal_are_two_ways_to_write_one_end():
    by_last_day = value(COHORT, as_of="2024-06-30")
    rows = [
        each | {"ended_on": each["ended_on"] and each["ended_on"] + pd.Timedelta(days=1)}
        for each in COHORT["subscriptions"]
    ]
    # Whether the sixth renewal was made is known a day later.
    by_renewal = clv(workspace({"subscriptions": rows}, as_of="2024-07-01"), "all")
    assert by_renewal.value == pytest.approx(by_last_day.value)
    seen = by_renewal.rows().to_pandas()
    assert sorted(seen.months[seen.left].unique()) == [1, 2, 3, 4, 5]


def leaving(kept_from=None, size=2_500, seed=6):
    """Customers who join over four years and leave on any day, after 20 months on average."""
    random = np.random.default_rng(seed)
    joined = random.integers(0, 4 * 365, size)
    gone = joined + 1 + random.exponential(20 * 365.25 / 12, size).astype(int)
    first, end = pd.Timestamp("2020-01-01"), 4 * 365
    rows = [
        {"subscription_id": str(key), "customer_id": str(key), "mrr": 100.0,
         "plan": "common" if key % 60 else "rare",
         "started_on": first + pd.Timedelta(days=int(start)),
         "ended_on": first + pd.Timedelta(days=int(stop)) if stop < end else None}
        for key, (start, stop) in enumerate(zip(joined, gone, strict=True))
    ]  # fmt: skip
    kept = [row for row in rows if kept_from is None or row["ended_on"] is None
            or row["ended_on"] >= pd.Timestamp(kept_from)]  # fmt: skip
    return workspace({"subscriptions": kept}, as_of="2023-12-29", policies=Policies())


# What a new customer brings who stays a month with a chance of exp(-1/20), within 60 months.
STAYS = np.exp(-1 / 20) / 1.1 ** (1 / 12)
TRUTH = 0.8 * 100 * (1 - STAYS**60) / (1 - STAYS)


def test_departures_within_a_month_do_not_overstate_churn():
    """The last month of each is known in part; counting those who left in it alone is too many."""
    assert clv(leaving(), "all").value == pytest.approx(TRUTH, rel=0.03)


def test_survivors_alone_would_flatter_and_enter_late():
    found = clv(leaving(kept_from="2022-06-01"), "all")
    assert found.value == pytest.approx(TRUTH, rel=0.05)
    assert "joined before departures were kept" in found.frame.note[0]
    counted = fold(found.rows(), ["period"]).to_pandas()
    flattered = of_contracts(counted.assign(entry=0), Policies())[0]
    assert flattered > 1.15 * TRUTH


def test_where_departures_were_kept_from_the_start_nobody_enters_late():
    found = clv(leaving(), "all")
    counted = fold(found.rows(), ["period"]).to_pandas()
    assert counted.entry.any(), "some joined before the first departure"
    assert found.value == of_contracts(counted.assign(entry=0), Policies())[0]
    assert "departures" not in (found.frame.note[0] or "")


def test_segments_enter_late_as_the_whole_does_even_where_they_are_too_small_to_tell():
    parts = clv(leaving(kept_from="2022-06-01"), "all", by="plan")
    assert parts.frame.note.str.contains("departures were kept").tolist() == [True, True]
    counted = fold(parts.rows(), ["period", "plan"]).to_pandas()
    assert watched(counted).entry.any()
    assert not watched(counted[counted.plan == "rare"]).entry.any()


def test_a_yearly_rate_is_compounded_not_divided():
    """1.1 ** (1/12) − 1, not 0.1 ÷ 12; and a year has 365.25 days, not twelve months of 30."""
    assert monthly(Policies(discount_rate=0.1)) == pytest.approx(0.00797414)
    assert (1 + monthly(Policies(discount_rate=0.1))) ** 12 == pytest.approx(1.1)
    days_a_year = 12 * WEEKS_A_MONTH * 7
    assert days_a_year == pytest.approx(365.25)


ONE = {"customer_id": "A", "amount": 10.0}
REFUSED = {
    "one customer": ({"payments": [ONE | {"paid_on": day} for day in ("2024-01-01", "2024-02-01")]},
                     "the histories are of 1 customer"),
    "nobody ever left": (subscriptions({}, 9), "nobody has left yet"),
    "all left in the first month": (subscriptions({1: 9}, 0), "no customers are left"),
    "nobody left later": (subscriptions({1: 9}, 9), "nobody left after the first period"),
    "nobody ever returned": ({"payments": [ONE | {"customer_id": who, "paid_on": "2024-01-01"}
                                           for who in "ABC"]}, "nobody has come back yet"),
    "all spend the same": ({"payments": [ONE | {"customer_id": who, "paid_on": day} for who in "ABC"
                                         for day in ("2024-01-01", "2024-02-01")]},
                           "every customer spends the same"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_without_a_maximum_of_the_likelihood_the_reason_is_said(case):
    rows, reason = REFUSED[case]
    found = value(rows)
    assert found.missing_because.startswith(reason)
    assert f"no figure, for {reason}" in found.headline()
    assert found.as_json()["rows"][0]["missing_because"].startswith(reason)


def payments(times=1.0):
    chance = np.random.default_rng(1)
    return {
        "payments": [
            {"customer_id": str(key), "amount": times * amount,
             "paid_on": pd.Timestamp("2023-01-01") + pd.Timedelta(days=int(day))}
            for key in range(80)
            for day, amount in zip(
                chance.integers(0, 540, size=1 + key % 5), chance.gamma(4, 25, size=5), strict=False
            )
        ]
    }  # fmt: skip


def test_without_subscriptions_payments_tell_and_the_notes_say_what_they_cannot():
    found = value(payments())
    assert found.n == 80
    assert found.value > 0.8 * 50, "the first purchase counts in full"
    assert value(payments(2.0)).value == pytest.approx(2 * found.value, rel=1e-3)
    assert "bought once only to be alive" in found.notes[0]


def test_payments_have_a_second_opinion_in_place_of_the_division():
    known = lifetimes.histories(workspace(payments(), as_of="2024-06-30"), "2024-06")
    spread = lifetimes.value_by_convention(known).set_index("convention").value
    assert "margin a month ÷ monthly churn" not in spread
    other = spread["by Pareto/NBD in place of BG/NBD"]
    assert other == pytest.approx(spread["5 years, discounted"], rel=0.5)
    assert other != spread["5 years, discounted"]


def test_second_opinion_is_missing_where_the_first_is():
    once = {"payments": [ONE | {"paid_on": "2024-01-01"}]}
    known = lifetimes.histories(workspace(once, as_of="2024-06-30"), "2024-06")
    spread = lifetimes.value_by_convention(known)
    assert spread.value.isna().all()
    assert spread.note.str.startswith("the histories are of 1 customer").all()


def test_history_of_a_customer_who_pays():
    paid = [("2024-01-01", 10), ("2024-01-08", 20), ("2024-01-08", 20), ("2024-01-22", 80),
            ("2024-01-25", -80)]  # fmt: skip
    made = {"payments": [{"customer_id": "A", "paid_on": day, "amount": amount}
                         for day, amount in paid]}  # fmt: skip
    seen = clv(workspace(made, as_of="2024-01-29"), "2024-01").rows().to_pandas().iloc[0]
    # Two days with a repeat payment, of 40 and of 80; the refund is no purchase.
    assert (seen.x, seen.t_x, seen.age, seen.mean_value) == (2, 3, 4, 60)
