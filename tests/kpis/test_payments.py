from revops_kit.kpis import payments
from revops_kit.samples import workspace


def test_money_counts_on_the_day_it_came_refunds_taken_off():
    rows = [("2026-08-31", 7), ("2026-09-01", 100), ("2026-09-30", -40), ("2026-10-01", 9)]
    ws = workspace(
        {"payments": [{"customer_id": "A", "paid_on": day, "amount": paid} for day, paid in rows]}
    )
    found = payments(ws, "2026-09")
    assert (found.value, found.n) == (60, 2)
    assert payments(ws, "2026-Q3").value == 67
