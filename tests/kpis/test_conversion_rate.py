import pytest

from revops_kit.kpis import conversion_rate
from revops_kit.samples import workspace


def leads(*rows):
    columns = ("lead_id", "created_at", "converted_at")
    return [dict(zip(columns, row, strict=True)) for row in rows]


def won(lead, closed="2026-09-20", outcome="won"):
    return {"opportunity_id": f"of {lead} {closed}", "outcome": outcome, "closed_at": closed,
            "lead_id": lead}  # fmt: skip


def test_lead_counts_in_the_month_it_was_created_whenever_it_converts():
    ws = workspace(
        {
            "leads": leads(
                ("1", "2026-08-31T23:00", "2026-09-15"),
                ("2", "2026-09-01", "2026-11-15"),
                ("3", "2026-09-30", None),
                ("4", "2026-10-01", "2026-10-01"),
            )
        }
    )
    assert conversion_rate(ws, "2026-09").value == 1 / 2
    assert conversion_rate(ws, "all").value == 3 / 4


def test_lead_is_a_customer_by_marketings_word_or_by_a_deal_won_once_only():
    made = {
        "leads": leads(("1", "2026-09-01", "2026-09-10"), ("2", "2026-09-01", None),
                       ("3", "2026-09-01", None), ("4", "2026-09-01", None)),
        "opportunities": [won("1"), won("2"), won("2", "2026-09-25"), won("3", outcome="lost"),
                          won(None)],
    }  # fmt: skip
    found = conversion_rate(workspace(made), "2026-09")
    assert (found.value, found.n) == (2 / 4, 4)


def test_lead_converted_later_is_none_yet():
    made = {"leads": leads(("1", "2026-09-01", "2026-09-20"), ("2", "2026-09-01", None)),
            "opportunities": [won("2", "2026-09-25")]}  # fmt: skip
    shares = [
        conversion_rate(workspace(made, as_of=day), "2026-09").value
        for day in ("2026-09-19", "2026-09-20", "2026-09-25")
    ]
    assert shares == [0, 1 / 2, 2 / 2]


def test_deal_won_on_an_unknown_day_makes_its_lead_a_customer():
    made = {"leads": leads(("1", "2026-09-01", None)), "opportunities": [won("1", None)]}
    assert conversion_rate(workspace(made, as_of="2026-09-30"), "2026-09").value == 1


def test_one_of_the_two_signs_is_enough():
    either = {"leads": [{"lead_id": "1", "created_at": "2026-09-01"}]}
    assert conversion_rate(workspace(either), "2026-09").missing_because == (
        "not available: needs leads.converted_at or opportunities.lead_id"
    )
    assert conversion_rate(workspace(either | {"opportunities": [won("1")]}), "2026-09").value == 1


def test_842_of_8000_leads_are_10_and_a_half_percent():
    """As many as Olist has: DEFINITIONS.md, known answers."""
    made = leads(*[(str(key), "2018-03-01", "2018-04-01" if key < 842 else None)
                   for key in range(8000)])  # fmt: skip
    found = conversion_rate(workspace({"leads": made}), "2018-03")
    assert found.value == pytest.approx(0.10525)
    assert found.headline().startswith("Conversion rate in March 2018: 10.5\u202f%")
