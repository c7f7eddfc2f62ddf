from revops_kit.kpis import gross_revenue_retention
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


def test_growth_does_not_count():
    ws = company(("A", "2025-01-01", None, 100), ("A", "2026-05-01", None, 900),
                 ("B", "2026-05-01", None, 50))  # fmt: skip
    assert gross_revenue_retention(ws, "2026").value == 1


def test_losses_do():
    ws = company(("A", "2025-01-01", None, 100), ("B", "2025-01-01", "2026-05-01", 60),
                 ("B", "2026-05-01", None, 20), ("C", "2025-01-01", "2026-07-01", 40))  # fmt: skip
    assert gross_revenue_retention(ws, "2026").value == (100 + 20 + 0) / 200


def test_nothing_at_the_start_is_missing():
    ws = company(("A", "2026-05-01", None, 100))
    assert gross_revenue_retention(ws, "2026").missing_because == (
        "no recurring revenue ran at the start in 2026"
    )
