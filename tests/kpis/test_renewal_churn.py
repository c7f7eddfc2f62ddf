import pytest

from revops_kit.kpis import renewal_churn
from revops_kit.samples import workspace


def deals(*rows):
    columns = ("outcome", "closed_at", "expected_close", "type")
    return {
        "opportunities": [
            {"opportunity_id": str(key), **dict(zip(columns, row, strict=True))}
            for key, row in enumerate(rows)
        ]
    }


def running(*rows):
    columns = ("customer_id", "started_on", "ended_on", "mrr")
    return {
        "subscriptions": [
            {"subscription_id": str(key), **dict(zip(columns, row, strict=True))}
            for key, row in enumerate(rows)
        ]
    }


RENEWALS = deals(
    ("won", "2026-09-02", "2026-09-02", "renewal"),
    ("won", "2026-09-30", "2026-09-30", "renewal"),
    ("won", "2026-09-09", "2026-10-09", "renewal"),
    ("lost", "2026-09-20", "2026-08-20", "renewal"),
    ("lost", "2026-09-20", "2026-09-20", "new"),
    ("lost", "2026-08-31", "2026-09-20", "renewal"),
    ("open", None, "2026-09-20", "renewal"),
    ("open", None, "2026-10-20", "renewal"),
    ("lost", None, "2026-09-20", "renewal"),
)


def test_renewals_decided_in_the_period_are_the_base():
    found = renewal_churn(workspace(RENEWALS, as_of="2026-09-30"), "2026-09")
    assert (found.value, found.n) == (1 / 4, 4)


def test_what_was_due_and_is_undecided_or_undated_is_told():
    found = renewal_churn(workspace(RENEWALS, as_of="2026-09-30"), "2026-09")
    assert "1 renewal due by the end of the last period still open: left out." in found.notes
    assert "1 renewal decided without a date: in no period." in found.notes


TERMS = [
    ("renewed", "2025-09-16", "2026-09-15", 100),
    ("renewed", "2026-09-16", "2027-09-15", 100),
    ("renewed late", "2025-09-06", "2026-09-05", 100),
    ("renewed late", "2026-09-25", "2027-09-24", 100),
    ("left", "2025-09-16", "2026-09-15", 100),
    ("not up", "2026-01-01", "2026-12-31", 100),
]


def test_terms_tell_where_no_deal_is_a_renewal():
    found = renewal_churn(workspace(running(*TERMS), as_of="2026-09-30"), "2026-09")
    assert (found.value, found.n) == (1 / 3, 3)
    assert "each is a term" in found.explain()
    assert "Tables: subscriptions" in found.explain()


def test_subscriptions_that_run_until_they_are_cancelled_are_never_up_for_renewal():
    ws = workspace(running(*TERMS, ("endless", "2026-01-01", None, 100)), as_of="2026-09-30")
    assert renewal_churn(ws, "2026-09").missing_because.startswith(
        "not available: needs opportunities.type"
    )


@pytest.mark.parametrize("rows", [{}, {"leads": []}])
def test_without_either_it_says_what_it_needs(rows):
    assert renewal_churn(workspace(rows), "2026-09").missing_because == (
        "not available: needs opportunities.type or subscriptions.ended_on"
    )
