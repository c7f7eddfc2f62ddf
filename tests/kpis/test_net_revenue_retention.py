from revops_kit.kpis import net_revenue_retention
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


def test_customers_of_the_start_are_followed_and_no_others():
    ws = company(
        ("A", "2025-01-01", None, 100), ("A", "2026-05-01", None, 30),
        ("B", "2025-01-01", "2026-05-01", 100), ("New", "2026-02-01", None, 900),
        ("Returned", "2024-01-01", "2024-06-01", 900), ("Returned", "2026-02-01", None, 900),
    )  # fmt: skip
    assert net_revenue_retention(ws, "2026").value == (130 + 0) / 200


def test_who_left_and_came_back_within_the_year_is_kept():
    ws = company(("A", "2025-01-01", "2026-03-01", 100), ("A", "2026-06-01", None, 80))
    assert net_revenue_retention(ws, "2026").value == 80 / 100
