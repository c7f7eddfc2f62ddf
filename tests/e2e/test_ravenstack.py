"""RavenStack, a made-up company of 5,000 subscriptions. Figures: ../shared/data/FACTS.md."""

import datetime as dt

import pytest

MRR = [  # month-ends 2023-12 to 2024-12
    1262113, 1522685, 1873778, 2276266, 2707236, 3316249, 3833405, 4513192, 5120881, 6035345,
    7098896, 8460824, 10159608,
]  # fmt: skip
DECEMBER = ("--period", "2024-12")
BY_SUBSCRIPTION = ("--set", "grain=subscription")


@pytest.fixture(scope="module")
def ravenstack(exports):
    return exports(
        "ravenstack",
        """
        [company]
        name = "RavenStack"
        [tables.customers]
        file = "DATA/ravenstack_accounts.csv"
        [tables.customers.columns]
        customer_id = "account_id"
        name = "account_name"
        account_id = "unavailable"
        [tables.subscriptions]
        file = "DATA/ravenstack_subscriptions.csv"
        [tables.subscriptions.columns]
        customer_id = "account_id"
        started_on = "start_date"
        ended_on = "end_date"
        mrr = "mrr_amount"
        plan = "plan_tier"
        [tables.tickets]
        file = "DATA/ravenstack_support_tickets.csv"
        [tables.tickets.columns]
        customer_id = "account_id"
        opened_at = "submitted_at"
        resolved_at = "closed_at"
        satisfaction = "satisfaction_score"
        """,
    )


def test_mrr_at_thirteen_month_ends(ravenstack, figures):
    run = (*DECEMBER, "--last", "13")
    assert list(figures(ravenstack, "mrr", *run).values()) == MRR
    # Revenue is MRR where there are subscriptions.
    assert list(figures(ravenstack, "revenue", *run).values()) == MRR


def test_churn_of_paid_subscriptions(ravenstack, revops):
    words = ("kpi", "churn", *DECEMBER, *BY_SUBSCRIPTION, "--format", "json")
    said = revops(ravenstack, *words).json
    [row] = said["rows"]
    assert (row["numerator"], row["denominator"]) == (79, 3_174)
    assert round(100 * row["value"], 3) == 2.489
    assert said["policy"] == {"churn": "chartmogul", "grain": "subscription"}
    assert "Counted by subscription, not by customer." in said["notes"]


def test_mrr_lost(ravenstack, revops):
    words = ("kpi", "revenue_churn", *DECEMBER, *BY_SUBSCRIPTION, "--format", "json")
    [row] = revops(ravenstack, *words).json["rows"]
    assert (row["numerator"], row["denominator"]) == (281_095, 8_460_824)
    assert round(100 * row["value"], 4) == 3.3223


def test_no_customer_is_without_a_subscription_at_the_end(ravenstack, figures):
    # "accounts with no open subscription 0": by customer, as against 79 subscriptions, none left …
    assert figures(ravenstack, "churn", *DECEMBER, of="numerator") == {"2024-12": 0}
    # … and cancelling one of several is contraction, which the revenue lost does count.
    assert figures(ravenstack, "revenue_churn", *DECEMBER)["2024-12"] > 0


def test_plans_add_up_to_the_whole(ravenstack, figures):
    by_plan = figures(ravenstack, "mrr", *DECEMBER, "--by", "plan")
    assert sum(by_plan.values()) == MRR[-1]
    assert set(by_plan) == {"Basic", "Pro", "Enterprise"}


def test_customers_columns_split_what_their_subscriptions_pay(ravenstack, figures):
    by_industry = figures(ravenstack, "mrr", *DECEMBER, "--by", "industry")
    assert sum(by_industry.values()) == MRR[-1]
    assert "EdTech" in by_industry


def test_tables_as_pandas_counts_them(ravenstack):
    import revops_kit as rk

    ws = rk.open(ravenstack)
    assert ws.as_of == dt.date(2024, 12, 31)
    runs = ws.tables.subscriptions.to_pandas()
    running = runs[runs.ended_on.isna()]
    assert (len(runs), len(running), running.mrr.sum()) == (5_000, 4_514, 10_159_608)
    assert running.customer_id.nunique() == 500
    tickets = ws.tables.tickets.to_pandas()
    assert (len(tickets), tickets.satisfaction.isna().sum()) == (2_000, 825)
    assert tickets.satisfaction.mean() == pytest.approx(3.98128, abs=5e-6)
    hours = (tickets.resolved_at - tickets.opened_at) / dt.timedelta(hours=1)
    assert hours.mean() == pytest.approx(35.861, abs=5e-4)


def test_every_kpi_answers(ravenstack, revops):
    from revops_kit import kpis

    answered = set()
    for kpi in kpis.ALL:
        said = revops(ravenstack, "kpi", kpi.name, *DECEMBER, "--last", "3", "--format", "json")
        assert (said.code, said.err) == (0, "")
        if not said.json["missing_because"]:
            answered.add(kpi.name)
    assert answered == {
        "revenue", "mrr", "clv", "churn", "revenue_churn", "net_revenue_retention",
        "gross_revenue_retention", "quick_ratio",
    }  # fmt: skip
