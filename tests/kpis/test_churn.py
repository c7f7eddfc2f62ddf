import datetime as dt
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from revops_kit import recurring
from revops_kit.kpis import churn
from revops_kit.periods import Periods
from revops_kit.samples import workspace

POLICIES = ("chartmogul", "stripe", "profitwell", "baremetrics")


def running(*rows):
    """Subscriptions of (customer, started, ended[, mrr])."""
    columns = ("customer_id", "started_on", "ended_on", "mrr")
    return {
        "subscriptions": [
            {"subscription_id": f"S{key}", "mrr": 100.0, **dict(zip(columns, row, strict=False))}
            for key, row in enumerate(rows)
        ]
    }


def lost(rows, *policies):
    """The share lost in September by each policy."""
    ws = workspace(running(*rows))
    return [churn(ws, "2026-09", churn=policy).value for policy in policies]


# DEFINITIONS.md, known answers: 100 customers at the start, 12 left, of whom 1 came back in the
# period and 1 had joined in it.
STAYED = [(f"stays {key}", "2026-01-01", None) for key in range(89)]
LEFT = [(f"leaves {key}", "2026-01-01", "2026-09-10") for key in range(10)]
RETURNED = [("returns", "2026-01-01", "2026-09-05"), ("returns", "2026-09-20", None)]
JOINED_AND_LEFT = [("visits", "2026-09-02", "2026-09-25")]
KNOWN = [*STAYED, *LEFT, *RETURNED, *JOINED_AND_LEFT]


def test_known_answer_by_each_rule():
    found = dict(zip(POLICIES, lost(KNOWN, *POLICIES), strict=True))
    assert found == pytest.approx(
        {
            "chartmogul": 10 / 100,
            "stripe": 12 / 101,
            "profitwell": 11 / 100,
            "baremetrics": 12 / 100,
        }
    )


def test_active_is_who_pays_at_the_moment_a_period_starts_or_ends():
    rows = {
        "began on the first day": ("2026-09-01", None),
        "ended on the last day before": ("2026-01-01", "2026-08-31"),
        "ended on the first day": ("2026-01-01", "2026-09-01"),
        "ended on the last day": ("2026-01-01", "2026-09-30"),
        "ended on the day after": ("2026-01-01", "2026-10-01"),
    }
    found = churn(workspace(running(*((who, *days) for who, days in rows.items()))), "2026-09")
    counted = found.rows().select("customer", "numerator").to_pandas()
    assert dict(counted.values.tolist()) == {
        "ended on the first day": 1,
        "ended on the last day": 1,
        "ended on the day after": 0,
    }


def test_cancelling_one_of_several_subscriptions_is_no_churn():
    rows = [("A", "2026-01-01", "2026-09-10"), ("A", "2026-01-01", None)]
    assert lost(rows, *POLICIES) == [0, 0, 0, 0]


@pytest.mark.parametrize("next_day", ["2026-09-10", "2026-09-11"])
def test_upgrade_is_no_churn_on_the_same_day_or_the_next(next_day):
    rows = [("A", "2026-01-01", "2026-09-10"), ("A", next_day, None, 300.0)]
    assert lost(rows, *POLICIES) == [0, 0, 0, 0]


def test_pause_of_a_day_is_churn_for_all_but_chartmogul():
    rows = [("A", "2026-01-01", "2026-09-10"), ("A", "2026-09-12", None)]
    assert lost(rows, *POLICIES) == [0, 1, 1, 1]


def test_free_plans_are_no_customers():
    rows = [("A", "2026-01-01", None), ("B", "2026-01-01", "2026-09-10", 0.0)]
    assert lost(rows, "chartmogul") == [0]


def test_downgrade_to_a_free_plan_is_churn():
    rows = [("A", "2026-01-01", "2026-09-10"), ("A", "2026-09-10", None, 0.0)]
    assert lost(rows, "chartmogul") == [1]


def test_customer_is_the_account_else_the_record_or_each_subscription_by_policy():
    rows = running(("A1", "2026-01-01", "2026-09-10"), ("A2", "2026-01-01", None),
                   ("B", "2026-01-01", None), ("C", "2026-01-01", "2026-09-10"))  # fmt: skip
    records = [{"customer_id": key, "account_id": account}
               for key, account in (("A1", "A"), ("A2", "A"), ("B", None))]  # fmt: skip
    ws = workspace(rows | {"customers": records})
    assert churn(ws, "2026-09").value == 1 / 3, "A stays, B stays, C leaves"
    assert churn(workspace(rows), "2026-09").value == 2 / 4
    by_subscription = churn(ws, "2026-09", grain="subscription")
    assert by_subscription.value == 2 / 4
    assert by_subscription.notes == ["Counted by subscription, not by customer."]


def test_gone_for_an_instant_at_the_edge_of_a_period_is_told_by_account():
    """Two records of one account hand over; another account ends then, and a third begins."""
    rows = running(
        ("a", "2026-01-01", "2026-08-31"),
        ("b", "2026-09-01", None),
        ("c", "2026-01-01", "2026-08-31"),
        ("d", "2026-09-01", None),
    )
    accounts = {"a": "X", "b": "X", "c": "Y", "d": "Z"}
    rows["customers"] = [{"customer_id": key, "account_id": own} for key, own in accounts.items()]
    (left_out,) = churn.left_out(workspace(rows).tables, Periods("2026-09"))
    assert left_out.count.to_pyarrow().as_py() == 1


def test_more_may_leave_than_were_there_by_baremetrics_rule_without_an_interval():
    rows = [("A", "2026-01-01", "2026-09-10"), *JOINED_AND_LEFT]
    found = churn(workspace(running(*rows)), "2026-09", churn="baremetrics")
    assert found.value == 2
    assert np.isnan(found.low)
    nobody = churn(workspace(running(*JOINED_AND_LEFT)), "2026-09", churn="baremetrics")
    assert nobody.missing_because == "no customers were active at the start in 2026-09"


def test_cancellation_in_the_future_has_not_happened():
    ws = workspace(running(("A", "2026-01-01", "2026-09-20")), as_of="2026-09-15")
    found = churn(ws, "2026-09")
    assert (found.value, found.n) == (0, 1)
    assert found.frame.is_partial.all()


@pytest.mark.parametrize("names", [("new", "churn"), ("left_in", "kept_mrr"), ()])
def test_figures_that_are_named_are_those_among_all(names):
    """A moves to another, B is new, C leaves, D comes back, E comes and goes."""
    rows = [("A", "2026-01-01", "2026-09-20"), ("B", "2026-09-05", None),
            ("C", "2026-02-01", "2026-09-10"), ("D", "2026-01-01", "2026-03-01"),
            ("D", "2026-09-01", None), ("A", "2026-09-02", None),
            ("E", "2026-09-02", "2026-09-09")]  # fmt: skip
    tables, run = workspace(running(*rows)).tables, Periods("2026-08", 2)
    whole = recurring.movements(tables, run).order_by("period", "customer").to_pandas()
    figures = replace(tables, carried=False)
    few = recurring.movements(figures, run, *names).order_by("period", "customer").to_pandas()
    is_paid = whole.start_mrr + whole.end_mrr > 0
    expected = whole if {"left_in"} & {*names} or not names else whole[is_paid]
    assert_frame_equal(few, expected[few.columns].reset_index(drop=True))
    assert {"start_mrr", "end_mrr", *names} <= {*few.columns}


days = st.dates(dt.date(2026, 1, 1), dt.date(2026, 6, 30))
spells = st.tuples(
    st.sampled_from("ABC"), days, st.none() | days, st.sampled_from([0.0, 10.0, 20.0, 50.0])
)


@settings(max_examples=10)
@given(st.lists(spells, min_size=1, max_size=12))
def test_movements_are_what_the_definition_says_and_close_for_every_customer(rows):
    """Start + new + expansion + reactivation − contraction − churn = end, by hand."""
    ws = workspace(running(*rows))
    found = recurring.movements(ws.tables, Periods("2026-06", 5)).to_pandas()
    growth = found.new + found.expansion + found.reactivation
    assert (found.start_mrr + growth - found.contraction - found.churn == found.end_mrr).all()
    for period in Periods("2026-06", 5):
        for who in "ABC":
            mine = [each for each in rows if each[0] == who and each[3] > 0]
            paid = [
                sum(mrr for _, start, end, mrr in mine
                    if start < moment and (end is None or end >= moment))
                for moment in (period.start, period.end)
            ]  # fmt: skip
            row = found[(found.customer == who) & (found.period.dt.date == period.start)]
            if row.empty:
                assert paid == [0, 0]
                continue
            assert len(row) == 1, "one row per customer and period"
            assert [row.start_mrr.item(), row.end_mrr.item()] == paid
            is_first = all(start >= period.start for _, start, _, _ in mine)
            assert row.new.item() == (paid[1] if is_first else 0)
            assert row.reactivation.item() == (paid[1] if not paid[0] and not is_first else 0)
