from dataclasses import replace

import pytest

from revops_kit.errors import SourceError, UnknownNameError
from revops_kit.samples import tables, tiny
from revops_kit.tables import Policies, Tables, stack


def found(table, *columns):
    """Rows as texts, with None where there is nothing."""
    texts = table.select(*(table[name].cast("string").name(name) for name in columns))
    return sorted((tuple(row.values()) for row in texts.to_pyarrow().to_pylist()), key=str)


DEALS = {
    "opportunities": [
        {"opportunity_id": key, "outcome": outcome, "opened_at": opened, "closed_at": closed}
        for key, outcome, opened, closed in (
            ("won in time", "won", "2026-08-01", "2026-09-15T23:59:59"),
            ("won later", "won", "2026-08-01", "2026-09-16T00:00:00"),
            ("opened later", "won", "2026-09-16", "2026-09-17"),
            ("no opening, closed", "lost", None, "2026-09-15"),
            ("no opening, closed later", "lost", None, "2026-09-16"),
            ("no opening, open", "open", None, None),
            ("undated", "won", "2026-08-01", None),
        )
    ]
}


# --- as of a date -------------------------------------------------------------------------------
def test_deal_closed_later_is_open_and_one_opened_later_does_not_exist():
    deals = tables(DEALS, as_of="2026-09-15").opportunities
    assert found(deals, "opportunity_id", "outcome", "closed_at") == [
        ("no opening, closed", "lost", "2026-09-15 00:00:00"),
        ("no opening, open", "open", None),
        ("undated", "won", None),
        ("won in time", "won", "2026-09-15 23:59:59"),
        ("won later", "open", None),
    ]


def test_without_a_date_everything_is_seen():
    assert tables(DEALS).opportunities.count().to_pyarrow().as_py() == 7


@pytest.mark.parametrize(
    ("name", "row", "filled"),
    [
        ("leads", {"lead_id": "1", "created_at": "2026-09-01", "converted_at": "2026-09-20",
                   "qualified_at": "2026-09-20"}, ["converted_at", "qualified_at"]),
        ("subscriptions", {"subscription_id": "1", "customer_id": "A", "mrr": 1.0,
                           "started_on": "2026-09-01", "ended_on": "2026-09-20"}, ["ended_on"]),
        ("tickets", {"ticket_id": "1", "opened_at": "2026-09-01", "resolved_at": "2026-09-20",
                     "first_response_at": "2026-09-20"}, ["resolved_at", "first_response_at"]),
    ],
)  # fmt: skip
def test_what_is_filled_in_later_is_still_empty(name, row, filled):
    def seen(day):
        return getattr(tables({name: [row]}, as_of=day), name).to_pandas()

    assert len(seen("2026-08-31")) == 0
    assert seen("2026-09-19")[filled].isna().all(axis=None)
    assert seen("2026-09-20")[filled].notna().all(axis=None)


@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("touches", {"touch_id": "1", "channel": "x", "touched_at": "2026-09-01"}),
        ("spend", {"amount": 1, "spent_on": "2026-09-01"}),
        ("stage_changes", {"opportunity_id": "1", "changed_at": "2026-09-01"}),
        ("forecasts", {"month": "2026-12-01", "amount": 1, "made_on": "2026-09-01"}),
        ("payments", {"customer_id": "A", "amount": 1, "paid_on": "2026-09-01"}),
        ("changes", {"name": "x", "started_on": "2026-09-01"}),
    ],
)
def test_row_exists_from_its_day_on(name, row):
    rows = [
        getattr(tables({name: [row]}, as_of=day), name).count().to_pyarrow().as_py()
        for day in ("2026-08-31", "2026-09-01")
    ]
    assert rows == [0, 1]


def test_targets_for_months_to_come_are_known():
    made = tables({"targets": [{"month": "2027-01-01", "amount": 1}]}, as_of="2026-09-01")
    assert made.targets.count().to_pyarrow().as_py() == 1


# --- what is there ------------------------------------------------------------------------------
def test_columns_that_the_source_lacks_are_empty_and_told_apart():
    made = tables({"leads": [{"lead_id": "1", "created_at": "2026-09-01"}]})
    assert made.leads.converted_at.isnull().all().to_pyarrow().as_py()
    assert not made.has("leads", "converted_at")
    assert made.spend.count().to_pyarrow().as_py() == 0
    assert made.lacks({"leads": ("created_at", "source"), "spend": ("amount",)}) == [
        "leads.source",
        "spend.amount",
    ]


def test_picked_columns_come_with_the_segment_and_empty_where_the_source_lacks_them():
    deals = [{"opportunity_id": "1", "outcome": "won", "opened_at": "2026-09-01", "team": "north"}]
    made = tables({"opportunities": deals})
    picked = made.split("team").pick("opportunities", "opportunity_id", "stage")
    assert picked.columns == ("opportunity_id", "stage", "revops_segment")
    assert found(picked, *picked.columns) == [("1", None, "north")]
    assert made.pick("opportunities").columns == made.opportunities.columns
    assert "team" in made.opportunities.columns
    assert "team" not in replace(made, carried=False).opportunities.columns


def test_table_that_cannot_be_read_says_so_when_it_is_asked_for_and_not_before():
    broken = Tables({**tiny().sources, "leads": SourceError("leads.csv is empty.")})
    assert broken.subscriptions.count().to_pyarrow().as_py() == 3
    for ask in (lambda: broken.leads, lambda: broken.has("leads")):
        with pytest.raises(SourceError, match=r"leads.csv is empty"):
            ask()


def test_there_are_no_other_tables():
    with pytest.raises(AttributeError, match="no table 'leeds'"):
        _ = tiny().leeds


# --- a column to split by -----------------------------------------------------------------------
def test_column_comes_from_what_a_row_belongs_to():
    made = tables(
        {
            "accounts": [{"account_id": "A", "region": "EMEA"}],
            "customers": [{"customer_id": "1", "account_id": "A"},
                          {"customer_id": "2", "account_id": None}],
            "subscriptions": [{"subscription_id": key, "customer_id": key, "mrr": 1.0,
                               "started_on": "2026-01-01"} for key in ("1", "2", "9")],
        }
    ).split("region")  # fmt: skip
    assert found(made.subscriptions, "subscription_id", "region") == [
        ("1", "EMEA"), ("2", None), ("9", None),
    ]  # fmt: skip


def test_own_column_comes_before_that_of_what_a_row_belongs_to():
    made = tables(
        {
            "accounts": [{"account_id": "A", "region": "EMEA"}],
            "opportunities": [{"opportunity_id": "1", "outcome": "open", "account_id": "A",
                               "region": "AMER"}],
        }
    ).split("REGION")  # fmt: skip
    assert made.by == "region"
    assert made.opportunities.region.to_list() == ["AMER"]


@pytest.mark.parametrize("by", ["source", "channel"])
def test_source_and_channel_are_two_names_of_one_thing(by):
    made = tables(
        {
            "leads": [{"lead_id": "1", "created_at": "2026-09-01", "source": "search"}],
            "spend": [{"spent_on": "2026-09-01", "amount": 1, "channel": "fair"}],
            "touches": [{"touch_id": "1", "touched_at": "2026-09-01", "channel": "mail"}],
            "opportunities": [
                {"opportunity_id": key, "outcome": "open", "lead_id": lead, "source": "own"}
                for key, lead in (("1", "1"), ("2", None))
            ],
        }
    ).split(by)
    assert made.leads[by].to_list() == ["search"]
    assert made.spend[by].to_list() == ["fair"]
    assert made.touches[by].to_list() == ["mail"]
    assert found(made.opportunities, "opportunity_id", by) == [("1", "search"), ("2", "own")]


def test_column_that_no_table_has_is_refused():
    with pytest.raises(UnknownNameError, match=r"no column 'regoin' to split by.*mean 'region'"):
        tiny().split("regoin")


# --- policies and stacks ------------------------------------------------------------------------
def test_policies_are_those_of_the_design():
    """DESIGN.md, Interface, revops.toml: the choices and their defaults."""
    said = Policies().model_dump()
    assert said.items() >= {
        "churn": "chartmogul", "cac_spend": "fully_loaded", "cycle_start": "lead",
        "gross_margin": 0.8, "discount_rate": 0.10,
    }.items()  # fmt: skip


def test_stack_keeps_every_row_and_the_columns_that_all_have():
    made = tiny()
    both = stack(made.leads.mutate(amount=1.0), made.opportunities)
    assert both.count().to_pyarrow().as_py() == 4 + 5
    assert {"amount", "lead_id", "source"} <= set(both.columns)
    assert "outcome" not in both.columns
