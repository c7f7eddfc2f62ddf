import numpy as np
import pytest

from revops_kit import deals
from revops_kit.kpis import sales_cycle
from revops_kit.samples import workspace


def deal(key, opened, closed, outcome="won", lead=None):
    return {"opportunity_id": key, "outcome": outcome, "opened_at": opened, "closed_at": closed,
            "lead_id": lead}  # fmt: skip


def cycle(*deals, period="2026-09", leads=None, **policies):
    made = {"opportunities": list(deals)}
    return sales_cycle(workspace(made | ({"leads": leads} if leads else {})), period, **policies)


def test_median_of_days_from_opening_to_win():
    found = cycle(
        deal("1", "2026-09-01", "2026-09-11"),
        deal("2", "2026-09-01", "2026-09-15"),
        deal("3", "2026-08-01", "2026-09-30"),
        deal("4", "2026-09-01", "2026-09-02", "lost"),
        deal("5", "2026-09-01", "2026-10-01"),
    )
    assert (found.value, found.n) == (14, 3)


def test_of_an_even_number_the_middle_two_are_averaged():
    deals = [deal(str(days), "2026-09-01", f"2026-09-{1 + days:02}") for days in (4, 10, 20, 29)]
    assert cycle(*deals).value == 15


def test_days_are_whole_calendar_days_and_zero_is_fine():
    assert cycle(deal("1", "2026-09-01T23:59", "2026-09-02T00:01")).value == 1
    assert cycle(deal("1", "2026-09-01T00:01", "2026-09-01T23:59")).value == 0


def test_first_contact_of_the_lead_comes_first_and_a_deal_without_one_is_taken_from_opening():
    leads = [{"lead_id": "L", "created_at": "2026-08-02"}]
    deals = [
        deal("1", "2026-09-01", "2026-09-11", lead="L"),
        deal("2", "2026-09-01", "2026-09-11", lead=None),
        deal("3", "2026-09-01", "2026-09-11", lead="of nobody"),
    ]
    found = cycle(*deals, leads=leads)
    assert found.rows().order_by("opportunity_id").days.to_list() == [40, 10, 10]
    found = cycle(*deals, leads=leads, cycle_start="opportunity")
    assert found.rows().days.to_list() == [10, 10, 10]
    assert found.policy == {"cycle_start": "opportunity"}


def test_negative_lengths_are_shown_and_told_and_not_counted():
    found = cycle(deal("1", "2026-09-20", "2026-09-10"), deal("2", "2026-09-01", "2026-09-08"))
    assert (found.value, found.n) == (7, 1)
    assert found.rows().days.min().to_pyarrow().as_py() == -10
    assert found.notes == ["1 won deal ended before it began: shown among the rows, not counted."]


def test_nothing_but_negative_lengths_is_missing():
    found = cycle(deal("1", "2026-09-20", "2026-09-10"))
    assert np.isnan(found.value)
    assert found.missing_because == "no deals with a known start were won in 2026-09"


@pytest.mark.parametrize("period", ["2026-09", "all"])
def test_deals_without_a_start_or_a_date_are_told_and_not_counted(period):
    found = cycle(
        deal("1", None, "2026-09-10"), deal("2", "2026-09-01", None),
        deal("3", "2026-09-01", "2026-09-08"), period=period,
    )  # fmt: skip
    assert (found.value, found.n) == (7, 1)
    assert found.notes == [
        "1 won deal without a start: of no known length.",
        "1 won deal without a date: of no known length.",
    ]


def test_columns_called_as_those_of_the_cycle_are_replaced_by_them():
    mine = deal("1", "2026-09-01", "2026-09-11") | {"days": "working", "cycle_started_on": "?"}
    ws = workspace({"opportunities": [mine]})
    assert sales_cycle(ws, "2026-09").value == 10
    found = deals.with_cycle(ws.tables, deals.won(ws.tables)).to_pandas().iloc[0]
    assert (found.days, str(found.cycle_started_on.date())) == (10, "2026-09-01")
