from revops_kit.kpis import spend
from revops_kit.samples import workspace
from revops_kit.tables import BLANK

ROWS = [
    {"spent_on": "2026-09-01", "amount": 100, "channel": "search", "kind": "Media"},
    {"spent_on": "2026-09-30", "amount": 50, "channel": None, "kind": "people"},
    {"spent_on": "2026-09-30", "amount": -20, "channel": "search", "kind": "media"},
    {"spent_on": "2026-10-01", "amount": 900, "channel": "search", "kind": None},
]
WS = workspace({"spend": ROWS})


def test_spend_counts_on_the_day_it_is_booked_and_refunds_are_taken_off():
    assert spend(WS, "2026-09").value == 100 + 50 - 20


def test_paid_is_what_was_spent_on_media():
    assert spend(WS, "2026-09", cac_spend="paid").value == 100 - 20
    assert spend(WS, "2026-09", cac_spend="paid").policy == {"cac_spend": "paid"}


def test_spend_on_no_channel_is_a_group_of_its_own_by_either_name():
    for by in ("channel", "source", "Channel"):
        found = spend(WS, "2026-09", by=by).frame
        assert dict(zip(found[by], found.value, strict=True)) == {"search": 80, BLANK: 50}


def test_equal_expenses_all_count():
    assert spend(workspace({"spend": ROWS[:1] * 3}), "2026-09").value == 300
