import numpy as np
import pandas as pd
import pytest

from revops_kit.kpis import clv
from revops_kit.samples import workspace


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


def test_history_of_a_customer_who_pays():
    paid = [("2024-01-01", 10), ("2024-01-08", 20), ("2024-01-08", 20), ("2024-01-22", 80),
            ("2024-01-25", -80)]  # fmt: skip
    made = {"payments": [{"customer_id": "A", "paid_on": day, "amount": amount}
                         for day, amount in paid]}  # fmt: skip
    seen = clv(workspace(made, as_of="2024-01-28"), "2024-01").rows().to_pandas().iloc[0]
    # Two days with a repeat payment, of 40 and of 80; the refund is no purchase.
    assert (seen.x, seen.t_x, seen.age, seen.mean_value) == (2, 3, 4, 60)
