"""A part's mail holds nothing of other parts, and what shows it would notice."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import ibis
import pytest

import revops_kit as rk
from revops_kit import samples
from revops_kit.errors import MailError
from revops_kit.mail import Attachment
from revops_kit.mail.compose import Story, compose
from revops_kit.mail.proof import Whole, prove
from revops_kit.workspace import Settings, Workspace

KPIS = (rk.kpis.revenue, rk.kpis.mrr, rk.kpis.churn)


def count(ws, by=""):
    return {kpi.name: kpi.over(ws, rk.last(3, "2026-09"), by) for kpi in KPIS}


@pytest.fixture(scope="module")
def whole():
    return company()


def company(plan="Basic"):
    """Two regions: EMEA has 123,456.78 of MRR, AMER 234,567.89."""
    accounts, customers, subscriptions = [], [], []
    for key, (region, mrr) in enumerate([("EMEA", 123_456.78), ("AMER", 234_567.89)]):
        accounts.append(
            {"account_id": f"ACC-{key}", "name": f"{region[0]} Works", "region": region}
        )
        customers.append({"customer_id": f"CUS-{key}", "account_id": f"ACC-{key}"})
        row = {"subscription_id": f"SUB-{key}", "customer_id": f"CUS-{key}", "mrr": mrr}
        subscriptions.append(row | {"started_on": "2026-01-01", "plan": plan})
    tables = samples.tables(
        {"accounts": accounts, "customers": customers, "subscriptions": subscriptions},
        as_of="2026-09-30",
    )
    ws = Workspace(Path("revops.toml"), Settings(), tables)
    return Whole(ws, "region", count(ws, "region"), count(ws))


@pytest.fixture(scope="module")
def emea(whole):
    return whole.ws.only("region", "EMEA")


@pytest.fixture(scope="module")
def email(emea):
    told = Story("weekly", dt.date(2026, 10, 1), "Northwind", "2026-09", emea.as_of, count(emea))
    return compose(replace(told, part="EMEA"), "revops@example.com", ["emea@example.com"])


def test_only_leaves_the_rows_of_one_value_everywhere(emea, whole):
    assert rk.kpis.mrr(emea, "2026-09").value == 123_456.78
    assert {name: each.health.rows for name, each in emea.tables.sources.items()} == {
        "accounts": 1, "customers": 1, "subscriptions": 1,
    }  # fmt: skip
    assert emea.reference == "revops.toml#region=EMEA"
    assert not emea.has_history()


def test_clean_mail_is_proved(email, emea, whole):
    proof = prove(email, emea, whole, count(emea))
    assert proof["rows"] == {"accounts": 1, "customers": 1, "subscriptions": 1}
    assert proof["figures_compared"] == ["revenue", "mrr"]
    assert (proof["value"], proof["others"], proof["found"]) == ("EMEA", 1, 0)
    assert proof["traces_looked_for"] > 5
    assert "AMER" not in str(proof)


@pytest.mark.parametrize(
    ("leak", "said"),
    [
        ("See AMER too.", "another value of region"),
        ("Look at SUB-1.", "a row of another value"),
        ("Look at A Works.", "a row of another value"),
        ("MRR: 234,567.89", "mrr of others"),
        ("Monthly recurring revenue of all: $358\u202fk", "revenue of others"),
    ],
)
def test_leak_is_noticed_wherever_it_is(email, emea, whole, leak, said):
    page = f"<html><body><p>{leak}</p></body></html>"
    leaky = [
        replace(email, text=f"{email.text}\n{leak}\n"),
        replace(email, attachments=(Attachment("mrr.html", page.encode()),)),
    ]
    if "others" not in said:  # figures of the HTML stand in the text too
        leaky.append(replace(email, html=email.html.replace("</body>", f"<p>{leak}</p></body>")))
    for each in leaky:
        with pytest.raises(MailError, match=said):
            prove(each, emea, whole, count(emea))


def test_leak_in_words_of_a_picture_is_noticed(email, emea, whole):
    page = b'<html><body><img alt="MRR by region: AMER leads" src="x"></body></html>'
    with pytest.raises(MailError, match=r"another value of region stands in mrr\.html"):
        prove(replace(email, attachments=(Attachment("mrr.html", page),)), emea, whole, count(emea))


def test_figures_of_more_than_its_rows_are_noticed(email, emea, whole):
    with pytest.raises(MailError, match="revenue is not what the whole"):
        prove(email, emea, whole, count(whole.ws))


def test_own_names_are_no_leak(email, emea, whole):
    page = b"<html><body><p>SUB-0 of E Works in EMEA: MRR 123,456.78</p></body></html>"
    prove(replace(email, attachments=(Attachment("mrr.html", page),)), emea, whole, count(emea))


def test_names_that_all_may_see_are_no_leak_but_longer_ones_are(email, emea, whole):
    company = Settings.model_validate({"company": {"name": "Acme AMER Ltd"}})
    of_acme = replace(whole, ws=replace(whole.ws, settings=company))

    def proved(said):
        leaky = replace(email, text=f"{email.text}\n{said}\n")
        return prove(leaky, emea, of_acme, count(emea))["found"]

    assert proved("Figures of Acme AMER Ltd in EMEA") == 0
    for leak in ("Acme and AMER", "Acme AMER Ltd in AMER", "EMEA A Works"):
        with pytest.raises(MailError, match="would tell of others"):
            proved(leak)


def test_value_that_is_said_of_other_things_is_no_leak(email, emea, whole):
    said = replace(email, text=f"{email.text}\nAMER\n")
    other = company(plan="AMER")
    assert prove(said, other.ws.only("region", "EMEA"), other, count(emea))["found"] == 0
    assert prove(said, emea, replace(whole, prose="# In AMER, and else"), count(emea))["found"] == 0
    with pytest.raises(MailError, match="another value of region"):
        prove(said, emea, replace(whole, prose="# AMERICA"), count(emea))


def test_own_name_may_hold_that_of_another_part(email, emea, whole):
    named = whole.ws.tables.sources["accounts"]
    longer = named.table.mutate(name=ibis.cases((named.table.region == "EMEA", "The A Works Ltd"),
                                                else_=named.table.name))  # fmt: skip
    sources = {**whole.ws.tables.sources, "accounts": replace(named, table=longer)}
    tables = replace(whole.ws.tables, sources=sources)
    other = replace(whole, ws=replace(whole.ws, tables=tables))
    part = other.ws.only("region", "EMEA")
    assert prove(replace(email, text="The A Works Ltd"), part, other, count(emea))["found"] == 0
    with pytest.raises(MailError, match="a row of another value"):
        prove(replace(email, text="The A Works Inc"), part, other, count(emea))
