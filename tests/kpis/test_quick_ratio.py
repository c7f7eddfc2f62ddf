import numpy as np

from revops_kit.kpis import quick_ratio
from revops_kit.samples import workspace


def company(*rows):
    columns = ("customer_id", "started_on", "ended_on", "mrr")
    return workspace(
        {
            "subscriptions": [
                {"subscription_id": str(key), **dict(zip(columns, row, strict=True))}
                for key, row in enumerate(rows)
            ]
        }
    )


NEW = ("New", "2026-09-05", None, 40)
LEFT = ("Left", "2026-01-01", "2026-09-05", 10)
BACK = [("Back", "2026-01-01", "2026-03-01", 5), ("Back", "2026-09-05", None, 20)]


def test_gains_are_divided_by_losses():
    found = quick_ratio(company(NEW, LEFT, ("Same", "2026-01-01", None, 99)), "2026-09")
    assert (found.value, found.n) == (40 / 10, 2)


def test_customers_who_come_back_are_growth_by_policy_only():
    assert quick_ratio(company(NEW, LEFT, *BACK), "2026-09").value == 40 / 10
    included = quick_ratio(company(NEW, LEFT, *BACK), "2026-09", reactivation="included")
    assert included.value == (40 + 20) / 10


def test_nothing_lost_is_missing_and_not_infinite():
    found = quick_ratio(company(NEW), "2026-09")
    assert np.isnan(found.value)
    assert found.missing_because == "no recurring revenue was lost in 2026-09"
