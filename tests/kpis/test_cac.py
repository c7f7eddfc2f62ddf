import numpy as np
import pytest

from revops_kit import deals
from revops_kit.kpis import cac
from revops_kit.samples import workspace
from revops_kit.tables import BLANK


def win(key, closed="2026-09-10", **also):
    return {"opportunity_id": key, "outcome": "won", "closed_at": closed, **also}


def spent(amount, channel=None, day="2026-09-03", kind="media"):
    return {"spent_on": day, "amount": amount, "channel": channel, "kind": kind}


def cost(spend, deals, period="2026-09", leads=(), **policies):
    made = {"spend": spend, "opportunities": deals, **({"leads": leads} if leads else {})}
    return cac(workspace(made), period, **policies)


def test_spend_is_divided_by_the_customers_won_in_the_period():
    deals = [win("1"), win("2"), win("3", "2026-10-01"), win("4") | {"outcome": "lost"}]
    assert cost([spent(4_000), spent(2_000), spent(9, day="2026-08-31")], deals).value == 3_000


def test_only_the_first_win_of_an_account_counts():
    deals = [
        win("1", "2026-08-10", account_id="A"), win("2", "2026-09-10", account_id="A"),
        win("3", "2026-09-10", account_id="B"), win("4", "2026-09-20", account_id="B"),
    ]  # fmt: skip
    found = cost([spent(6_000)], deals)
    assert (found.value, found.n) == (6_000, 1)


def test_two_wins_on_one_day_make_one_customer():
    assert cost([spent(600)], [win(key, account_id="A") for key in "12"]).n == 1


def test_expansion_and_renewal_win_no_customer_and_a_deal_of_unknown_type_may():
    deals = [win(str(key), account_id=str(key), type=type)
             for key, type in enumerate(["new", "expansion", "renewal", None])]  # fmt: skip
    assert cost([spent(6_000)], deals).value == 3_000


def test_expansion_before_the_first_new_deal_does_not_hide_it():
    deals = [win("1", "2026-08-01", account_id="A", type="expansion"),
             win("2", "2026-09-01", account_id="A", type="new")]  # fmt: skip
    assert cost([spent(600)], deals).value == 600


def test_customer_is_the_account_else_the_lead_else_the_deal():
    deals = [
        win("1", account_id="A", lead_id="L1"), win("2", account_id="A", lead_id="L2"),
        win("3", account_id=None, lead_id="A"), win("4", account_id=None, lead_id="A"),
        win("5", account_id=None, lead_id=None), win("A", account_id=None, lead_id=None),
    ]  # fmt: skip
    found = cost([spent(400)], deals)
    assert (found.n, found.value) == (4, 100), "account A, lead A, deal 5 and deal A"
    assert found.notes[0].startswith("A customer is the account")


def test_customer_counts_by_its_leads_source_and_by_the_deals_own_where_it_has_no_lead():
    leads = [{"lead_id": "L1", "created_at": "2026-08-01", "source": "search"},
             {"lead_id": "L2", "created_at": "2026-08-01", "source": None}]  # fmt: skip
    deals = [
        win("1", lead_id="L1", source="fair"), win("2", lead_id="L2", source="fair"),
        win("3", lead_id=None, source="fair"), win("4", lead_id=None, source="referral"),
    ]  # fmt: skip
    spend = [spent(100, "search"), spent(200, "fair"), spent(6_000, "podcast"), spent(70)]
    frame = cac(
        workspace({"spend": spend, "opportunities": deals, "leads": leads}), "2026-09", by="channel"
    ).frame.set_index("channel")
    assert frame.value.dropna().to_dict() == {"fair": 200, "referral": 0, "search": 100, BLANK: 70}
    assert frame.note["referral"] == "unpaid"
    assert frame.note[["fair", "search"]].isna().all()
    assert frame.missing_because["podcast"] == "undefined: money was spent and nothing won by it"
    assert frame.numerator.sum() / frame.denominator.sum() == cost(spend, deals, leads=leads).value


def test_spend_without_customers_is_undefined_and_says_how_much():
    found = cost([spent(6_000)], [win("1", "2026-01-01")])
    assert np.isnan(found.value)
    assert found.missing_because == "undefined: money was spent and nothing won by it"


def test_neither_spend_nor_customers_is_missing():
    found = cost([spent(6_000)], [win("1")], "2026-07")
    assert found.missing_because == "nothing was spent and no customer was won in 2026-07"


def test_customer_won_on_an_unknown_day_counts_in_all_and_is_told():
    deals = [win("1"), win("2", None)]
    assert cost([spent(600)], deals).value == 600
    assert cost([spent(600)], deals, "all").value == 300
    assert (
        "1 new customer won on an unknown day: counted in `all` only."
        in cost([spent(600)], deals).notes
    )


def test_dated_win_comes_before_an_undated_one_of_the_same_account():
    deals = [win("1", None, account_id="A"), win("2", account_id="A")]
    assert cost([spent(600)], deals).n == 1


def test_paid_counts_media_only():
    spend = [spent(300, kind="media"), spent(700, kind="people"), spent(5, kind=None)]
    assert cost(spend, [win("1")]).value == 1005
    assert cost(spend, [win("1")], cac_spend="paid").value == 300


def test_interval_is_the_counts_exact_poisson_interval():
    """10 events: 4.795 to 18.390, F. Garwood, Biometrika 28 (1936), 437-442."""
    found = cost([spent(1_000)], [win(str(key)) for key in range(10)])
    assert found.value == 100
    assert (found.low, found.high) == pytest.approx((1000 / 18.390, 1000 / 4.795), rel=1e-3)


def test_first_wins_are_the_same_however_few_columns_are_asked_for():
    rows = [win("1", account_id="A"), win("2", "2026-09-01", account_id="A", type="expansion"),
            win("3", "2026-09-02", account_id="A"), win("4", lead_id="A"), win("5")]  # fmt: skip
    tables = workspace({"opportunities": rows}).tables
    for names in [(), ("amount",)]:
        found = deals.first_wins(tables, *names).order_by("opportunity_id")
        assert found.customer.to_list() == ["account A", "lead A", "deal 5"]
        assert found.opportunity_id.to_list() == ["3", "4", "5"]
