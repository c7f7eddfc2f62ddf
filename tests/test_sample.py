"""The sample company is what `data/sample_truths.py` says it is.

Read from the written files with plain pandas, so that nothing rests on the kit itself.
"""

import csv
import io
import json
import subprocess
import sys
import tomllib
from bisect import bisect_left
from functools import cache
from itertools import count
from math import sqrt
from pathlib import Path

import pandas as pd
import pytest
from openpyxl import load_workbook

from revops_kit import contracts

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT / "data" / "sample"
TABLES = tomllib.loads((ROOT / "revops.toml").read_text(encoding="utf-8"))["tables"]
# name: (encoding, separator, lines above the header, lines below the rows)
WRITTEN = {
    "marketing/leads.csv": ("utf-8-sig", ",", 0, 0),
    "marketing/budget.tsv": ("utf-16", "\t", 2, 1),
    "sales/opportunities.csv": ("cp1252", ";", 0, 3),
    "sales/forecasts.csv": ("utf-8", ";", 0, 0),
    "service/customers.csv": ("utf-8", ";", 0, 0),
}
sys.path.insert(0, str(ROOT / "data"))

import sample_company as company  # noqa: E402
import sample_truths as truths  # noqa: E402

START, END = pd.Timestamp(truths.START), pd.Timestamp(truths.END)


def lines(name):
    """Every line of a file with its number, as cells by column, or as it stands where ragged."""
    path = SAMPLE / name
    if name.endswith(".jsonl"):
        return dict(enumerate(map(json.loads, path.read_text().splitlines()), 1))
    if name.endswith(".xlsx"):
        header, *rows = load_workbook(path).active.values
        return {number: dict(zip(header, row, strict=True)) for number, row in enumerate(rows, 2)}
    encoding, separator, above, below = WRITTEN.get(name, ("utf-8", ",", 0, 0))
    text = io.StringIO(path.read_bytes().decode(encoding), newline="")
    rows = list(csv.reader(text, delimiter=separator))
    header, end = rows[above], len(rows) - below
    return {
        number: dict(zip(header, row, strict=True)) if len(row) == len(header) else row
        for number, row in enumerate(rows[above + 1 : end], above + 2)
    }


@cache
def table(name):
    """The good rows of a table, as text, under the canonical names that revops.toml gives."""
    spec = TABLES[name]
    file = spec["file"].removeprefix("data/sample/")
    spoilt = truths.REJECTS.get(file, {})
    frame = pd.DataFrame([row for line, row in lines(file).items() if line not in spoilt])
    named = {}
    for canonical, how in spec["columns"].items():
        how = {"column": how} if isinstance(how, str) else how
        values = frame[how["column"]]
        if "map" in how:
            values = values.map(lambda value, how=how: how["map"].get(value, how.get("default")))
        named[canonical] = values
    kept = [column for column in ("region", "segment") if column in frame]
    return pd.DataFrame(named).assign(**{column: frame[column] for column in kept})


def days(text, format):
    return pd.to_datetime(text.replace("", None), format=format)


def amounts(text):
    """1.234,50 and €1.234,50."""
    return text.str.strip("€").str.replace(".", "").str.replace(",", ".").astype(float)


@cache
def leads():
    frame = table("leads")
    dates = ("created_at", "qualified_at", "converted_at")
    return frame.assign(**{name: days(frame[name], "%m/%d/%Y") for name in dates})


@cache
def deals():
    """Opportunities, with `created_at` of their lead."""
    frame = table("opportunities").assign(amount=lambda each: amounts(each.amount))
    for name in ("opened_at", "closed_at", "expected_close"):
        frame[name] = days(frame[name], "%d.%m.%Y")
    first = leads().set_index("lead_id").created_at
    return frame.assign(created_at=frame.lead_id.map(first))


@cache
def subscriptions():
    frame = table("subscriptions").assign(mrr=lambda each: each.mrr.str.replace(",", ""))
    dates = {name: days(frame[name], "%Y-%m-%d") for name in ("started_on", "ended_on")}
    return frame.assign(mrr=frame.mrr.astype(float), **dates).sort_values("started_on")


@cache
def months_at_risk():
    """One row per month a customer might have left at the end of, with the chance and the fact."""
    rows = []
    for _, spells in subscriptions().groupby("customer_id"):
        # A subscription that follows on the same day goes on; after a gap life begins anew.
        life = (spells.started_on != spells.ended_on.shift()).cumsum()
        for _, spell in spells.groupby(life):
            begins = [day.date() for day in spell.started_on]
            left = spell.ended_on.iloc[-1]
            for number in count(1):
                day = company.add_months(begins[0], number)
                if day > truths.END or pd.Timestamp(day) > left:
                    break
                plan = spell.plan.iloc[bisect_left(begins, day) - 1]  # the one before that day
                hazard = company.churn_hazard(number, plan)
                if day > truths.START:
                    rows.append((number, plan == "Starter", hazard, pd.Timestamp(day) == left))
    return pd.DataFrame(rows, columns=["number", "starter", "hazard", "left"])


# --- the files ---------------------------------------------------------------------------------
def test_script_writes_the_committed_files_byte_by_byte(tmp_path):
    subprocess.run([sys.executable, ROOT / "data/make_sample.py", tmp_path], check=True)
    committed = {path.relative_to(SAMPLE) for path in SAMPLE.rglob("*") if path.is_file()}
    made = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert made == committed
    different = [
        name for name in made if (tmp_path / name).read_bytes() != (SAMPLE / name).read_bytes()
    ]
    assert different == []


def test_sample_is_small_enough_to_travel():
    sizes = [path.stat().st_size for path in SAMPLE.rglob("*") if path.is_file()]
    assert sum(sizes) < 5_000_000
    assert max(sizes) < 3_000_000


def test_every_table_and_every_required_column_is_mapped():
    assert set(TABLES) == set(contracts.names())
    for name, spec in TABLES.items():
        contract = contracts.contract(name)
        assert set(contract.required) <= set(spec["columns"]) <= set(contract.columns)
        assert len(table(name)) > 0  # reads each source column by the name in the mapping


def test_spoilt_rows_stand_where_the_truths_say():
    for name, spoilt in truths.REJECTS.items():
        rows = lines(name)
        width = len(rows[max(rows)])
        for line, (fault, cells) in spoilt.items():
            match fault:
                case "too many cells":
                    assert len(rows[line]) > width
                case "too few cells":
                    assert len(rows[line]) < width
                case "repeated key":
                    key = next(iter(rows[line]))
                    assert rows[line][key] == rows[line - 1][key]
                case _:
                    assert all(rows[line][column] == bad for column, bad in cells.items())


def test_all_other_rows_are_as_wide_as_the_header_and_keys_do_not_repeat():
    for name in TABLES:
        assert not table(name).isna().all(axis=None)
        if key := list(contracts.contract(name).key):
            assert not table(name).duplicated(key).any(), name


# --- what happened follows from what came before -----------------------------------------------
def test_nothing_happens_before_its_cause():
    deal = deals()
    assert (deal.opened_at >= deal.created_at)[deal.lead_id != ""].all()
    assert (deal.closed_at >= deal.opened_at)[deal.outcome != "open"].all()
    assert deal.closed_at.isna().equals(deal.outcome == "open")
    won = deal[(deal.outcome == "won") & (deal.type == "new")].set_index("account_id").closed_at
    customer = table("customers").set_index("customer_id").account_id
    start = subscriptions().groupby("customer_id").started_on.min()
    signed = customer.map(won).dropna()
    assert len(signed) > 300
    assert (start[signed.index] > signed).all()
    assert (leads().converted_at >= leads().created_at)[leads().converted_at.notna()].all()


def test_nothing_has_happened_after_the_end():
    happened = [
        leads()[["created_at", "qualified_at", "converted_at"]].max().max(),
        deals()[["opened_at", "closed_at"]].max().max(),
        subscriptions().started_on.max(),
        *(
            pd.to_datetime(table(name)[column], utc=True).max().tz_convert("Europe/Berlin")
            .tz_localize(None).normalize()
            for name, column in {"stage_changes": "changed_at", "payments": "paid_on",
                                 "tickets": "opened_at", "touches": "touched_at"}.items()
        ),
    ]  # fmt: skip
    assert max(happened) == END
    assert subscriptions().ended_on.gt(END).sum() > 3  # announced
    assert deals().expected_close[deals().outcome == "open"].lt(END).sum() > 3  # slipped


def test_last_change_of_a_deal_is_how_it_stands():
    last = table("stage_changes").groupby("opportunity_id").last()
    now = deals().set_index("opportunity_id").loc[last.index]
    assert len(last) == len(deals())
    assert (last.stage == now.stage).all()
    assert (last.forecast_category == now.forecast_category).all()
    assert (last.amount.astype(float) == now.amount).all()
    assert (days(last.expected_close, "%Y-%m-%d") == now.expected_close).all()


def test_won_deals_are_what_subscriptions_begin_with():
    new = deals()[(deals().outcome == "won") & (deals().type == "new")]
    first = subscriptions().groupby("customer_id").mrr.first()
    account = table("customers").set_index("customer_id").account_id
    yearly = account.map(new.set_index("account_id").amount).dropna()
    assert (yearly / 12 - first[yearly.index]).abs().max() < 0.01


# --- planted truths ----------------------------------------------------------------------------
def test_paid_social_becomes_deals_half_as_often_from_the_known_month_on():
    worked = leads().lead_id.isin(deals().lead_id)
    paid = leads().source == "paid_social"
    later = leads().created_at >= pd.Timestamp(truths.PAID_SOCIAL_TURN)
    share = worked.groupby([paid, later]).mean()
    assert share[True, True] / share[True, False] == pytest.approx(
        truths.PAID_SOCIAL_FACTOR, abs=0.15
    )
    assert share[False, True] / share[False, False] == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("starter", [True, False])
def test_customers_leave_as_often_as_the_hazard_says(starter):
    risk = months_at_risk()[lambda each: each.starter == starter]
    expected, spread = risk.hazard.sum(), sqrt((risk.hazard * (1 - risk.hazard)).sum())
    assert abs(risk.left.sum() - expected) < 2 * spread


def test_churn_is_about_one_and_a_half_percent_a_month_more_when_new_or_on_starter():
    risk = months_at_risk()
    assert risk.left.mean() == pytest.approx(0.015, abs=0.002)
    assert risk.left[risk.starter].mean() > 1.3 * risk.left[~risk.starter].mean()
    assert risk.left[risk.number <= 6].mean() > 1.3 * risk.left[risk.number > 18].mean()


def test_lead_routing_worked_in_emea_and_nowhere_else():
    decided = deals()[(deals().outcome != "open") & deals().created_at.notna()]
    there = decided.region == truths.ROUTING["value"]
    later = decided.created_at >= pd.Timestamp(truths.ROUTING_START)
    won = (decided.outcome == "won").groupby([there, later]).mean()
    assert won[True, True] / won[True, False] == pytest.approx(truths.ROUTING_WIN_FACTOR, abs=0.15)
    assert won[False, True] / won[False, False] == pytest.approx(1, abs=0.15)
    # Young deals that are decided were decided fast, everywhere: only the difference tells.
    length = (decided.closed_at - decided.created_at).dt.days.groupby([there, later]).median()
    faster = length[True, True] / length[True, False]
    faster_elsewhere = length[False, True] / length[False, False]
    assert faster / faster_elsewhere == pytest.approx(truths.ROUTING_CYCLE_FACTOR, abs=0.1)


def test_changes_are_the_one_that_worked_and_the_one_that_did_not():
    assert table("changes").to_dict("records") == [truths.DEAL_DESK, truths.ROUTING]


def test_one_customer_goes_by_three_names_and_two_share_a_domain():
    lead = leads()[leads().company == truths.THREE_NAMES["marketing"]].squeeze()
    account = table("accounts")[lambda each: each.name == truths.THREE_NAMES["sales"]].squeeze()
    customer = table("customers")[lambda each: each.name == truths.THREE_NAMES["service"]].squeeze()
    assert lead.email.endswith(account.domain.removeprefix("www."))
    assert (lead.account_id, customer.account_id, customer.domain) == ("", "", "")
    running = subscriptions()[subscriptions().customer_id == customer.customer_id]
    assert running.ended_on.isna().any()


def test_mismatches_are_as_many_as_the_truths_say():
    customers, accounts = table("customers"), table("accounts")
    named_three_times = 1
    unkeyed = customers[customers.account_id == ""]
    assert len(unkeyed) == truths.KEYLESS + truths.UNKNOWN_TO_SALES + named_three_times
    assert (customers.domain == "").sum() == truths.KEYLESS // 3 + named_three_times
    domains = accounts.domain.str.removeprefix("www.")
    assert domains.duplicated().sum() == truths.TWIN_ACCOUNTS
    strangers = (unkeyed.domain != "") & ~unkeyed.domain.isin(domains)
    assert strangers.sum() == truths.UNKNOWN_TO_SALES
    assert customers.account_id[customers.account_id != ""].isin(accounts.account_id).all()


def test_tickets_of_nobody_are_as_many_as_the_truths_say():
    asked = table("tickets").customer_id
    unknown = asked.notna() & ~asked.isin(table("customers").customer_id)
    assert asked.isna().sum() == truths.ORPHAN_TICKETS["without a customer"]
    assert unknown.sum() == truths.ORPHAN_TICKETS["of a customer that does not exist"]


def test_a_channel_costs_money_in_months_without_customers_and_another_costs_none():
    channels = table("spend").channel
    assert "referral" not in set(channels)
    won = deals()[(deals().outcome == "won") & (deals().type == "new")]
    podcast = won[won.source == "podcast"].closed_at.dt.to_period("M").nunique()
    assert (channels == "podcast").sum() == 36 * 3
    assert podcast < 12
    assert set(channels) - {""} <= set(leads().source)
