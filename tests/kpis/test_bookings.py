from revops_kit.kpis import bookings
from revops_kit.periods import Calendar
from revops_kit.samples import workspace


def deals(*rows):
    columns = ("outcome", "closed_at", "amount")
    return {
        "opportunities": [
            {"opportunity_id": str(key), **dict(zip(columns, row, strict=True))}
            for key, row in enumerate(rows)
        ]
    }


ROWS = deals(
    ("won", "2026-09-01", 100), ("won", "2026-09-30", 20), ("won", "2026-10-01", 900),
    ("lost", "2026-09-10", 7), ("open", None, 5),
)  # fmt: skip


def test_won_amounts_count_by_close_date():
    assert bookings(workspace(ROWS), "2026-09").value == 120
    assert bookings(workspace(ROWS), "2026").value == 1020


def test_fiscal_year_is_named_after_the_year_it_ends_in():
    rows = deals(("won", "2025-02-01", 1), ("won", "2026-01-31", 10), ("won", "2026-02-01", 100))
    ws = workspace(rows, calendar=Calendar(fiscal_year_start=2))
    assert bookings(ws, "2026").value == 11
    assert bookings(ws, "2027-Q1").value == 100


def test_partial_month_holds_what_is_known_and_is_marked():
    found = bookings(workspace(ROWS, as_of="2026-09-15"), "2026-09")
    assert (found.value, found.n) == (100, 1)
    assert found.frame.is_partial.all()
    assert "up to 2026-09-15" in found.headline()


def test_no_wins_are_nothing_and_not_missing():
    assert bookings(workspace(ROWS), "2026-08").value == 0


def test_undated_wins_count_in_all_and_wins_without_amount_add_nothing_both_told():
    ws = workspace(deals(("won", None, 50), ("won", "2026-09-02", None), ("won", "2026-09-02", 1)))
    assert bookings(ws, "2026-09").value == 1
    assert bookings(ws, "all").value == 51
    assert bookings(ws, "2026-09").notes == [
        "1 won deal without an amount: counted as 0.",
        "1 decided deal without a date: counted in `all`, in no dated period.",
    ]
