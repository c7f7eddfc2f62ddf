"""What speaks against an open deal, counted by hand."""

import pytest

from revops_kit import risks, samples


def deal(key, outcome="open", opened="2026-07-01", closed=None, amount=100.0):
    return {
        "opportunity_id": key,
        "outcome": outcome,
        "opened_at": opened,
        "closed_at": closed,
        "amount": amount,
        "stage": "Demo",
        "owner": "Ann",
    }


def change(key, at, stage="Demo", expected="2026-10-01"):
    return {"opportunity_id": key, "changed_at": at, "stage": stage, "expected_close": expected}


@pytest.fixture(scope="module")
def found():
    deals = [
        # Their stays in Demo: 5, 10 and 8 + 7 = 15 days; half of them took 10 or less.
        deal("d1", "won", closed="2026-07-06"),
        deal("d2", "lost", closed="2026-07-11"),
        deal("d3", "lost", closed="2026-07-31"),
        deal("quick", opened="2026-09-25", amount=10.0),
        deal("slow", opened="2026-09-10", amount=20.0),
        deal("pushed", opened="2026-09-22", amount=30.0),
        deal("idle", opened="2026-08-01", amount=40.0),
        deal("huge", opened="2026-09-28", amount=9_000.0),
    ]
    changes = [
        change("d1", "2026-07-01"),
        change("d2", "2026-07-01"),
        change("d3", "2026-07-01"),
        change("d3", "2026-07-09", "Proposal"),
        change("d3", "2026-07-24"),
        change("quick", "2026-09-25"),
        change("slow", "2026-09-10"),
        change("pushed", "2026-09-22", expected="2026-10-01"),
        change("pushed", "2026-09-24", expected="2026-10-10"),
        change("pushed", "2026-09-25", expected="2026-10-05"),
        change("pushed", "2026-09-26", expected="2026-11-01"),
        change("idle", "2026-08-01"),
        change("huge", "2026-09-28"),
    ]
    ws = samples.workspace({"opportunities": deals, "stage_changes": changes}, as_of="2026-09-30")
    return risks.open_deals(ws, "2026-09").set_index("opportunity_id")


def test_stay_is_held_against_the_stages_own_median(found):
    assert set(found.stage_median) == {10}
    assert found.days_in_stage["quick"] == 6
    assert found.days_in_stage["slow"] == 21
    assert found.against["quick"] == ""
    assert found.against["slow"] == "long in its stage"


def test_only_moves_back_are_pushes(found):
    assert found.pushes["pushed"] == 2
    assert found.against["pushed"] == "pushed"


def test_idle_and_large_deals_are_named_and_the_worst_comes_first(found):
    assert found.idle_days["idle"] == 61
    assert found.index[0] == "idle"
    assert found["marks"]["idle"] == 2
    assert found.against["huge"] == "large"


def test_concentration_is_the_share_of_the_largest():
    deals = [deal(str(at), amount=float(amount)) for at, amount in enumerate((50, 30, 20))]
    ws = samples.workspace({"opportunities": deals}, as_of="2026-09-30")
    row = risks.concentration(risks.waiting(ws, "2026-09"), top=2).iloc[0]
    assert (row.deals, row.amount, row.top_amount, row.top_share) == (3, 100, 80, 0.8)


def test_without_history_nothing_is_said():
    ws = samples.workspace({"opportunities": [deal("1")]}, as_of="2026-09-30")
    assert risks.open_deals(ws, "2026-09").empty
