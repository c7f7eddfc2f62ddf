"""Tables as Fivetran lands them: ten Salesforce deals, all deleted, and other tools' exports."""

import pytest

from revops_kit import kpis

SALESFORCE = """
[tables.opportunities]
SOURCE
[tables.opportunities.columns]
opportunity_id = "id"
opened_at = "created_date"
closed_at = "close_date"
outcome = { column = "OUTCOME", map = { true = "won", false = "lost" }, default = "open" }
owner = "owner_id"
source = "lead_source"
probability = "unavailable"       # one of them is 1,000 %
type = "unavailable"              # hashed
"""
DEALS = "DATA/sf_opportunity_data.csv"
ALL = ("--period", "all")


@pytest.fixture(scope="module")
def live(exports):
    """Salesforce, without what was deleted."""
    source = f'file = "{DEALS}"\nwhere = "is_deleted = \'false\'"'
    toml = SALESFORCE.replace("SOURCE", source).replace("OUTCOME", "is_won")
    return exports("fivetran/salesforce", toml)


def test_no_opportunities_is_said_plainly(live, revops):
    said = revops(live, "check")
    assert said.code == 0
    assert "none of 10 rows passes `where`: there are no opportunities" in said.out
    said = revops(live, "kpi", "win_rate")
    assert (said.code, said.err) == (0, "")
    assert "there are no opportunities" in said.out


@pytest.mark.parametrize("kpi", [kpi.name for kpi in kpis.ALL])
@pytest.mark.parametrize("words", [(), ("--period", "2018-12", "--last", "2", "--by", "owner")])
def test_no_kpi_divides_by_nothing(live, revops, kpi, words):
    said = revops(live, "kpi", kpi, *words, "--format", "json")
    assert (said.code, said.err) == (0, "")
    for row in said.json["rows"]:
        if kpi in ("bookings", "revenue"):
            assert (row["value"], row["n"]) == (0, 0)
        else:
            assert row["value"] is None
            assert row["missing_because"]


def test_deleted_deals_would_have_counted(exports, revops):
    # Lost and open deals both are not won: only a query can tell them apart.
    query = f"SELECT *, CASE WHEN is_closed THEN is_won END AS how FROM '{DEALS}'"
    toml = SALESFORCE.replace("SOURCE", f'query = "{query}"').replace("OUTCOME", "how")
    folder = exports("fivetran/salesforce", toml)
    [row] = revops(folder, "kpi", "win_rate", *ALL, "--format", "json").json["rows"]
    assert (row["numerator"], row["denominator"]) == (5, 9)
    found = revops(folder, "check", "--format", "json").json["tables"]["opportunities"]
    assert (found["rows"], found["rejected"]) == (10, 0)


def test_hubspot_deals_contacts_and_tickets(exports, revops, figures):
    folder = exports(
        "fivetran/hubspot",
        """
        [tables.leads]
        file = "DATA/contact_data.csv"
        where = "_fivetran_deleted = 'FALSE'"
        [tables.leads.columns]
        lead_id = "id"
        created_at = "property_createdate"
        converted_at = "property_first_conversion_date"
        email = "property_email"
        company = "property_company"
        [tables.opportunities]
        file = "DATA/deal_data.csv"
        where = "is_deleted = 'false'"
        [tables.opportunities.columns]
        opportunity_id = "deal_id"
        opened_at = "property_createdate"
        closed_at = "property_closedate"
        amount = "property_amount"
        outcome = { value = "open" }
        stage = "deal_pipeline_stage_id"
        [tables.accounts]
        file = "DATA/company_data.csv"
        [tables.accounts.columns]
        account_id = "id"
        name = "property_name"
        [tables.tickets]
        file = "DATA/ticket_data.csv"
        [tables.tickets.columns]
        ticket_id = "id"
        opened_at = "property_createdate"
        resolved_at = "property_closed_date"
        first_response_at = "property_first_agent_reply_date"
        """,
    )
    said = revops(folder, "check", "--format", "json")
    assert (said.code, said.err) == (0, "")
    tables = said.json["tables"]
    counted = {name: table["rows"] + table["rejected"] for name, table in tables.items()}
    assert counted == {"leads": 22, "opportunities": 44, "accounts": 24, "tickets": 25}
    for kpi in kpis.ALL:
        assert revops(folder, "kpi", kpi.name, *ALL).code == 0
    assert figures(folder, "bookings", *ALL) == {"all": 0}


def test_stripe_charges_all_failed_so_nothing_was_paid(exports, figures, revops):
    toml = """
        [tables.payments]
        file = "DATA/charge_data.csv"
        %s
        [tables.payments.columns]
        paid_on = "created"
        [tables.customers]
        file = "DATA/customer_data.csv"
        [tables.customers.columns]
        customer_id = "id"
        """
    paid = exports("fivetran/stripe", toml % "where = \"status = 'succeeded'\"")
    assert figures(paid, "payments", *ALL) == {"all": 0}
    assert figures(paid, "revenue", *ALL) == {"all": 0}
    assert revops(paid, "kpi", "clv").code == 0
    tried = exports("fivetran/stripe", toml % "")
    assert figures(tried, "payments", *ALL) == {"all": 6_677_696}  # cents, of 16 charges
    assert figures(tried, "payments", *ALL, of="n") == {"all": 16}


def test_zendesk_tickets(exports, revops):
    folder = exports(
        "fivetran/zendesk",
        """
        [tables.tickets]
        file = "DATA/ticket_data.csv"
        where = "status <> 'deleted'"
        [tables.tickets.columns]
        ticket_id = "id"
        opened_at = "created_at"
        customer_id = "organization_id"
        [tables.customers]
        file = "DATA/organization_data.csv"
        [tables.customers.columns]
        customer_id = "id"
        """,
    )
    said = revops(folder, "check", "--format", "json")
    assert (said.code, said.err) == (0, "")
    assert said.json["tables"]["tickets"]["rows"] == 8  # 7 closed, 1 solved; 2 deleted
