import pytest

from revops_kit import recurring
from revops_kit.kpis import (
    gross_revenue_retention,
    net_revenue_retention,
    quick_ratio,
    revenue_churn,
)
from revops_kit.periods import Periods
from revops_kit.samples import workspace

# DEFINITIONS.md, known answers: MRR of 100 at the start; churn 10, contraction 10, expansion and
# reactivation 10 → gross 20 %, net 10 %.
KNOWN = [
    #  customer   started      ended        mrr
    ("leaves", "2026-01-01", "2026-09-10", 10),
    ("shrinks", "2026-01-01", "2026-09-10", 30),
    ("shrinks", "2026-09-10", None, 20),
    ("grows", "2026-01-01", None, 60),
    ("grows", "2026-09-15", None, 6),
    ("returns", "2026-01-01", "2026-03-01", 9),
    ("returns", "2026-09-15", None, 4),
]


def company(rows=KNOWN):
    columns = ("customer_id", "started_on", "ended_on", "mrr")
    return workspace(
        {
            "subscriptions": [
                {"subscription_id": str(key), **dict(zip(columns, row, strict=True))}
                for key, row in enumerate(rows)
            ]
        }
    )


def test_known_answer():
    moved = recurring.movements(company().tables, Periods("2026-09"))
    kinds = ["start_mrr", "new", "expansion", "reactivation", "contraction", "churn", "end_mrr"]
    sums = moved.to_pandas()[kinds].sum()
    assert sums.to_list() == [100, 0, 6, 4, 10, 10, 90]
    assert revenue_churn(company(), "2026-09").value == 20 / 100
    net = (sums.churn + sums.contraction - sums.expansion - sums.reactivation) / sums.start_mrr
    assert net == 10 / 100


def test_expansion_of_one_does_not_make_up_for_the_loss_of_another():
    rows = [("A", "2026-01-01", "2026-09-10", 50), ("B", "2026-01-01", None, 50),
            ("B", "2026-09-10", None, 500)]  # fmt: skip
    assert revenue_churn(company(rows), "2026-09").value == 1 / 2


def test_cancelling_one_of_several_subscriptions_is_contraction():
    rows = [("A", "2026-01-01", "2026-09-10", 25), ("A", "2026-01-01", None, 75)]
    assert revenue_churn(company(rows), "2026-09").value == 1 / 4


def test_loss_made_up_by_the_same_customer_within_the_period_is_none():
    rows = [("A", "2026-01-01", "2026-09-10", 25), ("A", "2026-09-20", None, 25)]
    assert revenue_churn(company(rows), "2026-09").value == 0


def test_retention_and_quick_ratio_of_the_known_answer():
    assert gross_revenue_retention(company(), "2026-09").value == 80 / 100
    assert net_revenue_retention(company(), "2026-09").value == (80 + 6) / 100
    assert quick_ratio(company(), "2026-09").value == pytest.approx(6 / 20)
    assert quick_ratio(company(), "2026-09", reactivation="included").value == (6 + 4) / 20
