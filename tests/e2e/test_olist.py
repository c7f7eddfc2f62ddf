"""Olist's marketing funnel: 8,000 leads, 842 deals won. Figures: ../shared/data/FACTS.md."""

import json
import subprocess
import sys

import pytest

MONTHS = {  # of first contact: leads, percent converted
    "2017-06": 0, "2017-07": 0.84, "2017-08": 2.33, "2017-09": 2.24, "2017-10": 3.37,
    "2017-11": 4.04, "2017-12": 5.50, "2018-01": 13.32, "2018-02": 14.49, "2018-03": 14.22,
    "2018-04": 13.54, "2018-05": 9.98,
}  # fmt: skip
LEADS = {"2018-01": 1141, "2018-02": 1028, "2018-03": 1174, "2018-04": 1352, "2018-05": 1303}
ORIGINS = {  # leads, won
    "organic_search": (2296, 271), "paid_search": (1586, 195), "social": (1350, 75),
    "unknown": (1099, 179), "direct_traffic": (499, 56), "email": (493, 15),
    "referral": (284, 24), "other": (150, 4), "display": (118, 6),
    "other_publicities": (65, 3), "(blank)": (60, 14),
}  # fmt: skip
WON = {
    "2017-12": 3, "2018-01": 73, "2018-02": 113, "2018-03": 147, "2018-04": 207, "2018-05": 122,
    "2018-06": 57, "2018-07": 37, "2018-08": 33, "2018-09": 23, "2018-10": 21, "2018-11": 6,
}  # fmt: skip


@pytest.fixture(scope="module")
def olist(exports):
    return exports(
        "olist",
        """
        [company]
        name = "Olist"
        currency = "BRL"
        timezone = "America/Sao_Paulo"
        [tables.leads]
        file = "DATA/olist_marketing_qualified_leads_dataset.csv"
        [tables.leads.columns]
        lead_id = "mql_id"
        created_at = "first_contact_date"
        source = "origin"
        [tables.opportunities]
        file = "DATA/olist_closed_deals_dataset.csv"
        [tables.opportunities.columns]
        opportunity_id = { generate = true }
        lead_id = "mql_id"
        outcome = { value = "won" }
        closed_at = "won_date"
        """,
    )


def test_conversion_rate_of_all_leads(olist, revops):
    said = revops(olist, "kpi", "conversion_rate", "--period", "all", "--format", "json")
    [row] = said.json["rows"]
    assert (row["value"], row["numerator"], row["n"]) == (842 / 8000, 842, 8000)


def test_conversion_rate_by_origin_keeps_blank_and_unknown_apart(olist, figures):
    by = ("--period", "all", "--by", "source")
    leads = figures(olist, "conversion_rate", *by, of="n")
    won = figures(olist, "conversion_rate", *by, of="numerator")
    assert {origin: (leads[origin], won[origin]) for origin in leads} == ORIGINS


def test_conversion_rate_by_month_of_first_contact(olist, figures):
    run = ("--period", "2018-05", "--last", "12")
    shares = figures(olist, "conversion_rate", *run)
    assert {month: round(100 * share, 2) for month, share in shares.items()} == MONTHS
    leads = figures(olist, "conversion_rate", *run, of="n")
    assert {month: leads[month] for month in LEADS} == LEADS


def test_sales_cycle_runs_from_first_contact_and_tells_of_the_one_that_runs_backwards(
    olist, revops
):
    said = revops(olist, "kpi", "sales_cycle", "--period", "all", "--format", "json").json
    [row] = said["rows"]
    assert (row["value"], row["n"]) == (14, 841)
    assert "1 won deal ended before it began: shown among the rows, not counted." in said["notes"]


def test_rows_behind_the_cycle_show_all_of_them(olist):
    import revops_kit as rk

    days = rk.kpis.sales_cycle(rk.open(olist)).rows().days.to_pandas()
    assert (len(days), days.median(), round(days.mean(), 4)) == (842, 14, 48.4406)
    assert [int((days <= within).sum()) for within in (30, 60, 90)] == [555, 647, 692]
    assert sorted(days)[0] == -2


def test_deals_are_won_in_the_month_of_their_own_date(olist, figures):
    # The cycle's n counts the wins, but for the one that ended before it began.
    counted = figures(olist, "sales_cycle", "--period", "2018-11", "--last", "12", of="n")
    gaps = {month: WON[month] - count for month, count in counted.items()}
    assert sum(gaps.values()) == 1
    assert set(gaps.values()) == {0, 1}


def test_deals_without_an_outcome_but_won_have_no_win_rate_worth_the_name(olist, figures):
    assert figures(olist, "win_rate", "--period", "all") == {"all": 1}


def test_money_is_not_available_without_amounts(olist, revops):
    said = revops(olist, "kpi", "bookings", "--period", "all", "--format", "json")
    assert said.code == 0
    assert said.json["missing_because"] == "not available: needs opportunities.amount"
    assert said.json["rows"][0]["value"] is None


def test_check_counts_all_rows_and_finds_every_lead(olist, revops):
    said = revops(olist, "check", "--format", "json")
    assert said.code == 0
    tables = said.json["tables"]
    assert (tables["leads"]["rows"], tables["opportunities"]["rows"]) == (8000, 842)
    assert (tables["leads"]["from"], tables["leads"]["newest"]) == ("2017-06-14", "2018-05-31")
    assert tables["opportunities"]["newest"] == "2018-11-14"
    [audit] = said.json["silos"]["keys"]
    assert (audit["column"], audit["matched"], audit["unmatched"]) == (
        "opportunities.lead_id", 842, 0,
    )  # fmt: skip


def test_another_silo_matches_less_than_half(exports, revops):
    sellers = exports(
        "olist",
        """
        [tables.accounts]
        file = "DATA/olist_sellers_dataset.csv"
        [tables.accounts.columns]
        account_id = "seller_id"
        [tables.opportunities]
        file = "DATA/olist_closed_deals_dataset.csv"
        [tables.opportunities.columns]
        opportunity_id = "mql_id"
        account_id = "seller_id"
        outcome = { value = "won" }
        """,
    )
    [audit] = revops(sellers, "check", "--format", "json").json["silos"]["keys"]
    assert (audit["rows"], audit["matched"], audit["unmatched"]) == (842, 380, 462)


def test_seen_from_february_later_wins_have_not_happened(olist, figures):
    seen = figures(olist, "win_rate", "--period", "all", "--as-of", "2018-02-28", of="n")
    assert seen == {"all": 3 + 73 + 113}


def test_the_same_from_a_shell(olist):
    """One run of the real thing: a process of its own."""
    command = [sys.executable, "-m", "revops_kit.cli", "kpi", "conversion_rate"]
    done = subprocess.run(
        [*command, "--period", "all", "--format", "json"],
        cwd=olist, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert json.loads(done.stdout)["rows"][0]["value"] == 0.10525
    assert done.stderr == ""
