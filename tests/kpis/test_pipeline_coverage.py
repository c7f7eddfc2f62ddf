import numpy as np

from revops_kit.kpis import pipeline_coverage
from revops_kit.samples import workspace


def deal(key, amount, expected, outcome="open", closed=None, opened="2026-08-01"):
    return {"opportunity_id": key, "outcome": outcome, "opened_at": opened, "closed_at": closed,
            "amount": amount, "expected_close": expected}  # fmt: skip


TARGETS = [{"month": f"2026-{month}-01", "amount": 10_000} for month in ("09", "10", "11")]


def coverage(*deals, period="2026-09", as_of="2026-09-15", history=None):
    made = {"opportunities": list(deals), "targets": TARGETS}
    made |= {"stage_changes": history} if history else {}
    return pipeline_coverage(workspace(made, as_of=as_of), period)


def test_open_amount_expected_in_the_period_is_divided_by_what_is_missing_to_target():
    found = coverage(
        deal("1", 12_000, "2026-09-30"),
        deal("2", 6_000, "2026-09-10"),  # slipped, but still this month's
        deal("3", 99_000, "2026-10-01"),
        deal("4", 4_000, "2026-09-10", "won", "2026-09-10"),
        deal("5", 50_000, "2026-09-10", "lost", "2026-09-10"),
    )
    assert (found.value, found.n) == ((12_000 + 6_000) / (10_000 - 4_000), 2)


def test_periods_to_come_have_one_too():
    deals = [deal("1", 30_000, "2026-10-31"), deal("2", 5_000, "2026-11-01")]
    assert coverage(*deals, period="2026-10").value == 3
    assert not coverage(*deals, period="2026-10").frame.is_partial.any()
    assert coverage(*deals, period="2026-Q4").value == 35_000 / 20_000


def test_period_that_is_over_is_seen_at_its_end():
    deals = [
        deal("closed since", 20_000, "2026-09-20", "won", "2026-10-05"),
        deal("closed in it", 5_000, "2026-09-20", "won", "2026-09-20"),
        deal("opened since", 70_000, "2026-09-20", opened="2026-10-05"),
    ]
    assert coverage(*deals, as_of="2026-10-31").value == 20_000 / (10_000 - 5_000)


def test_amount_and_expected_close_are_those_of_the_day():
    history = [
        {"opportunity_id": "1", "changed_at": day, "amount": amount, "expected_close": expected}
        for day, amount, expected in (
            ("2026-08-01", 1_000, "2026-10-10"),
            ("2026-09-10", 30_000, "2026-09-30"),
            ("2026-09-16", 99_000, "2026-12-31"),
        )
    ]
    now = deal("1", 99_000, "2026-12-31")
    assert coverage(now, history=history).value == 3
    assert coverage(now, history=history, as_of="2026-09-09", period="2026-10").value == 0.1
    assert coverage(now, history=history).notes[0] == (
        "Amounts and expected closes are those that stage changes kept of that day."
    )
    assert coverage(now).notes[0].endswith("the source keeps no history of them.")


def test_expected_close_that_nobody_had_named_yet_is_not_taken_from_hindsight():
    history = [
        {"opportunity_id": "1", "changed_at": day, "amount": 5_000, "expected_close": expected}
        for day, expected in (("2026-08-01", None), ("2026-09-16", "2026-09-30"))
    ]
    assert coverage(deal("1", 5_000, "2026-09-30"), history=history).value == 0


def test_target_reached_or_not_set_is_missing_with_the_reason():
    won = deal("1", 10_000, "2026-09-10", "won", "2026-09-10")
    assert coverage(won).missing_because == "the target is reached"
    assert coverage(won, period="2026-12").missing_because == "no target is set in 2026-12"
    some = coverage(deal("1", 5, "2026-12-10"), period="2026-12")
    assert some.missing_because == "no target is set"
    assert np.isnan(some.value)


def test_open_deals_without_a_date_or_an_amount_are_told():
    found = coverage(deal("1", 5_000, None), deal("2", None, "2026-09-20"))
    assert found.value == 0
    assert found.notes[1:3] == [
        "1 open deal without an expected close: in no period's pipeline.",
        "1 open deal without an amount: adds nothing.",
    ]
