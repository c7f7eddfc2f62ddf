from revops_kit.kpis import revenue
from revops_kit.samples import workspace

SUBSCRIPTIONS = {
    "subscriptions": [
        {
            "subscription_id": "1",
            "customer_id": "A",
            "started_on": "2026-01-01",
            "ended_on": None,
            "mrr": 100,
        }
    ]
}
PAYMENTS = {"payments": [{"customer_id": "A", "paid_on": "2026-09-01", "amount": 1_200}]}
DEALS = {"opportunities": [{"opportunity_id": "1", "outcome": "won", "closed_at": "2026-09-01",
                            "amount": 5_000}]}  # fmt: skip


def test_revenue_is_mrr_else_payments_else_bookings_and_says_which():
    said = [
        (found.value, found.notes[0].split(":")[0])
        for tables in (SUBSCRIPTIONS | PAYMENTS | DEALS, PAYMENTS | DEALS, DEALS)
        for found in [revenue(workspace(tables), "2026-09")]
    ]
    assert said == [
        (100, "Revenue here is monthly recurring revenue (`mrr`)"),
        (1_200, "Revenue here is payments (`payments`)"),
        (5_000, "Revenue here is bookings (`bookings`)"),
    ]


def test_without_any_of_them_it_is_not_available():
    assert revenue(workspace({}), "2026-09").missing_because == (
        "not available: needs subscriptions.mrr or payments.amount or opportunities.amount"
    )
