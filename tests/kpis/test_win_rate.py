import pytest

from revops_kit.kpis import win_rate
from revops_kit.periods import last
from revops_kit.samples import workspace


def deals(*rows, **options):
    columns = ("opened_at", "closed_at", "outcome")
    made = [
        {"opportunity_id": str(key), **dict(zip(columns, row, strict=True))}
        for key, row in enumerate(rows)
    ]
    return workspace({"opportunities": made}, **options)


def test_deal_counts_in_the_month_it_closed():
    ws = deals(
        ("2026-08-30", "2026-09-01", "won"),
        ("2026-09-02", "2026-09-30T23:59:59", "lost"),
        ("2026-09-02", "2026-10-01", "won"),
    )
    assert win_rate(ws, "2026-09").value == 1 / 2


def test_open_deals_do_not_count():
    ws = deals(("2026-09-01", "2026-09-02", "won"), ("2026-09-01", None, "open"))
    assert (win_rate(ws, "2026-09").value, win_rate(ws, "2026-09").n) == (1, 1)


def test_deal_decided_without_a_date_counts_in_all_and_is_told():
    ws = deals(("2026-08-30", "2026-09-01", "won"), ("2026-09-02", None, "lost"))
    assert win_rate(ws, "2026-09").value == 1
    assert win_rate(ws, "all").value == 1 / 2
    assert win_rate(ws, "2026-09").notes == [
        "1 decided deal without a date: counted in `all`, in no dated period."
    ]


def test_deal_closed_later_is_open():
    rows = [("2026-08-30", "2026-09-01", "won"), ("2026-09-02", "2026-09-20", "lost")]
    assert win_rate(deals(*rows, as_of="2026-09-19"), "2026-09").value == 1
    assert win_rate(deals(*rows, as_of="2026-09-20"), "2026-09").value == 1 / 2


def test_share_has_wilsons_interval():
    """R. G. Newcombe, Statistics in Medicine 17 (1998), table I: 81 of 263 → 0.2553 to 0.3662."""
    ws = deals(
        *[("2026-09-01", "2026-09-02", "won")] * 81, *[("2026-09-01", "2026-09-02", "lost")] * 182
    )
    found = win_rate(ws, "2026-09")
    assert (found.low, found.high) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert found.n == 263


def test_change_of_a_share_has_newcombes_interval():
    """R. G. Newcombe, Statistics in Medicine 17 (1998), 873-890, example (a): 56/70 − 48/80."""
    ws = deals(
        *[("2026-07-01", "2026-08-02", "won")] * 48, *[("2026-07-01", "2026-08-02", "lost")] * 32,
        *[("2026-07-01", "2026-09-02", "won")] * 56, *[("2026-07-01", "2026-09-02", "lost")] * 14,
    )  # fmt: skip
    change = win_rate.over(ws, last(2, "2026-09")).change
    assert change.difference == pytest.approx(0.2)
    assert (change.low, change.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert change.is_clear
