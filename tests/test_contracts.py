from pathlib import Path

import pytest

from revops_kit import contracts

ROOT = Path(__file__).resolve().parents[1]


def test_data_dictionary_is_fresh():
    """Otherwise: `python -m revops_kit.contracts > data/README.md`."""
    assert (ROOT / "data/README.md").read_text("utf-8") == contracts.dictionary()


@pytest.mark.parametrize("name", contracts.names())
def test_every_table_says_what_a_row_is_and_every_column_what_it_means(name):
    table = contracts.contract(name)
    assert table.grain.startswith("One row per ")
    for column in table.columns.values():
        assert column.meaning.endswith((".", "…"))
        if column.names:
            assert column.names in contracts.names()
            assert len(contracts.contract(column.names).key) == 1, "so that a join keeps rows"
        if column.born or column.ends:
            assert column.kind in ("date", "moment")
        assert column.name == column.name.lower()
    assert set(table.key) <= set(table.required)


def test_interface_lists_the_required_columns():
    """DESIGN.md, Interface, Tables: those in italics."""
    required = {name: contracts.contract(name).required for name in contracts.names()}
    assert required == {
        "leads": ("lead_id", "created_at"),
        "touches": ("touch_id", "touched_at", "channel"),
        "spend": ("spent_on", "amount"),
        "accounts": ("account_id",),
        "opportunities": ("opportunity_id", "outcome"),
        "stage_changes": ("opportunity_id", "changed_at"),
        "targets": ("month", "amount"),
        "forecasts": ("made_on", "month", "amount"),
        "customers": ("customer_id",),
        "subscriptions": ("subscription_id", "customer_id", "started_on", "mrr"),
        "payments": ("customer_id", "paid_on", "amount"),
        "tickets": ("ticket_id", "opened_at"),
        "changes": ("name", "started_on"),
    }


def test_what_is_announced_ahead_does_not_tell_how_far_the_data_go():
    assert contracts.contract("subscriptions").happened == ("started_on",)
    assert contracts.contract("opportunities").happened == ("opened_at", "closed_at")
    assert contracts.contract("forecasts").happened == ("made_on",)
    assert contracts.contract("targets").happened == ()
