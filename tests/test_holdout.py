"""Models are held against what came after the history that they were fitted to."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from revops_kit import charts, holdout, samples
from revops_kit.lifetimes import histories
from revops_kit.stats.lifetime import ShiftedBetaGeometric

ORACLES = Path(__file__).resolve().parents[2] / "shared/oracles"


def subscribers(size=1_500, alpha=1.5, beta=12.0, seed=1):
    """Customers who join on any day over four years and leave at a renewal."""
    random = np.random.default_rng(seed)
    served = np.minimum(random.geometric(random.beta(alpha, beta, size)), 999)
    start = pd.Timestamp("2020-01-01") + pd.to_timedelta(random.integers(0, 1461, size), unit="D")
    rows = pd.DataFrame({"started_on": start, "served": served}).reset_index(names="customer_id")
    ends = [day + pd.DateOffset(months=n) for day, n in zip(start, served, strict=True)]
    rows["ended_on"] = pd.Series(ends).where(lambda day: day <= pd.Timestamp("2023-12-31"))
    rows = rows.assign(subscription_id=rows.customer_id, mrr=100.0).drop(columns="served")
    return samples.workspace({"subscriptions": rows}, as_of="2023-12-31")


@pytest.fixture(scope="module")
def check():
    return holdout.check(histories(subscribers(), "all"))


def test_right_model_of_contracts_holds(check):
    last = check.over_time.iloc[-1]
    assert last.after == 12
    assert last.actual == pytest.approx(last.expected, rel=0.1)
    assert check.over_time.actual[0] == check.over_time.expected[0]
    assert "within what chance explains" in check.headline()
    assert check.by_history.customers.sum() == check.over_time.actual[0]
    assert check.by_history.history.tolist() == ["0 to 5", "6 to 11", "12 to 23", "24 to 35"]
    # Of those who had been there for 6 to 11 months at the cut: 12 renewals more
    truth = ShiftedBetaGeometric(1.5, 12).survival([8 + 1 + 12, 8 + 1])
    assert check.by_history.expected[1] == pytest.approx(truth[0] / truth[1], abs=0.03)


def test_wrong_model_of_contracts_is_found_out():
    """All who have been there for more than a year leave on one day."""
    ws = subscribers(size=400)
    rows = ws.tables.subscriptions.to_pandas()
    rows = rows[["subscription_id", "customer_id", "started_on", "ended_on", "mrr"]]
    gone = rows.ended_on.isna() & (pd.to_datetime(rows.started_on) < "2022-11-01")
    rows.loc[gone, "ended_on"] = pd.Timestamp("2023-06-15")
    found = holdout.check(
        histories(samples.workspace({"subscriptions": rows}, as_of="2023-12-31"), "all")
    )
    assert "fewer, more than what chance explains" in found.headline()


def test_published_holdout_of_payments_comes_out():
    folder = ORACLES / "cdnow_bgnbd"
    if not folder.exists():
        pytest.skip("the published tables of shared/oracles are not here")
    checks = json.loads((folder / "expected.json").read_text())["checks"]
    bought = pd.read_csv(folder / "cdnow_elog.csv", dtype=str)
    day = pd.to_datetime(bought.date).dt.strftime("%Y-%m-%d")
    # Some were given away: they count as purchases in the published figures, so cost a cent here.
    paid = bought.sales.astype(float).clip(lower=0.01)
    rows = pd.DataFrame({"customer_id": bought.sampleid, "paid_on": day, "amount": paid})
    found = holdout.check(
        histories(samples.workspace({"payments": rows}, as_of="1998-06-30"), "1998-Q2")
    )

    def agree(name, found):
        assert found == pytest.approx(checks[name]["expected"], abs=checks[name]["tol"]), name

    assert found.by_history.customers.sum() == checks["n customers"]["expected"]
    assert found.over_time.after.iloc[-1] == 39
    agree("holdout weeks 40-78 actual", found.over_time.actual.iloc[-1])
    agree("holdout weeks 40-78 BG/NBD conditional", found.over_time.expected.iloc[-1])
    none, often = found.by_history.iloc[0], found.by_history.iloc[-1]
    assert (none.history, often.history) == ("0", "7+")
    agree("actual x=0 group", none.actual)
    agree("cond exp x=0 group", none.expected)
    agree("actual x=7+ group", often.actual)
    agree("cond exp x=7+ group", often.expected)
    assert "expected 1,653: 13.8\u202f% more (Pareto/NBD expected 1,6" in found.headline()


def test_chart_carries_both_and_their_last_figures(check):
    drawn = charts.holdout(check)
    last = check.over_time.iloc[-1]
    assert f"12 months after the cut: {last.actual:.0f}; expected {last.expected:.0f}" in drawn.alt
    assert len(drawn.data) == len(check.over_time) + len(check.by_history)
    assert drawn.png()


def test_too_little_history_says_so():
    rows = [
        {"subscription_id": str(key), "customer_id": str(key), "mrr": 1.0,
         "started_on": "2024-01-01", "ended_on": end}
        for key, end in enumerate(["2024-01-31", "2024-02-29", None, None])
    ]  # fmt: skip
    found = holdout.check(
        histories(samples.workspace({"subscriptions": rows}, as_of="2024-03-31"), "all")
    )
    said = "before the cut, less than four months of history are there"
    assert found.headline() == f"No check of the model: {said}."
    assert (
        "needs subscriptions.mrr"
        in holdout.check(histories(samples.workspace({}), "all")).headline()
    )
    assert said[1:] in charts.holdout(found).alt
