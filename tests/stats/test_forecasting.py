import json
from math import isnan, nan, sqrt
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops_kit.errors import RequestError, StatisticsError
from revops_kit.stats.forecasting import accuracy, coverage, msis, naive, run_rate

SHARED = Path(__file__).resolve().parents[3] / "shared"
ORACLE = SHARED / "oracles/forecast_accuracy_fpp2"
COUNTS = ("n", "left_out", "mape_undefined")
amounts = st.integers(-(10**6), 10**6).map(float)
pairs = st.lists(st.tuples(amounts, amounts), min_size=1, max_size=24)


def oracle():
    if not ORACLE.exists():
        pytest.skip("the published tables of shared/oracles are not here")
    published = json.loads((ORACLE / "expected.json").read_text())["checks"]
    return {name: pytest.approx(of["expected"], abs=of["tol"]) for name, of in published.items()}


def drift(train, horizon):
    return train[-1] + np.arange(1, horizon + 1) * (train[-1] - train[0]) / (len(train) - 1)


def test_published_errors_of_simple_forecasts_come_out():
    # Hyndman and Athanasopoulos, Forecasting: Principles and Practice (2nd ed.), section 3.4
    expected = oracle()
    ausbeer = pd.read_csv(ORACLE / "ausbeer.csv")
    beer = ausbeer.loc[ausbeer["time"].between(1992, 2007.75), "value"].to_numpy()
    coming = ausbeer.loc[ausbeer["time"] >= 2008, "value"].to_numpy()
    goog = pd.read_csv(ORACLE / "goog.csv")["value"].to_numpy()
    stock, later = goog[:200], goog[200:240]
    forecasts = {
        "beer mean": (beer, coming, run_rate(beer, len(coming), last=len(beer))),
        "beer naive": (beer, coming, naive(beer, len(coming), season=1)),
        "beer snaive": (beer, coming, naive(beer, len(coming), season=4)),
        "goog mean": (stock, later, run_rate(stock, 40, last=200)),
        "goog naive": (stock, later, naive(stock, 40, season=1)),
        "goog drift": (stock, later, drift(stock, 40)),
    }
    for name, (train, actual, forecast) in forecasts.items():
        found = accuracy(actual, forecast, train, season=4 if "beer" in name else 1)
        assert found["rmse"] == expected[f"{name} RMSE"]
        assert found["mae"] == expected[f"{name} MAE"]
        assert 100 * found["mape"] == expected[f"{name} MAPE"]
        assert found["mase"] == expected[f"{name} MASE"]

    found = accuracy(coming, naive(beer, len(coming), season=4), beer, season=4)
    assert found["wape"] == expected["beer snaive WAPE"]
    assert found["smape"] == expected["beer snaive sMAPE(200)"]
    assert -found["bias"] * coming.mean() == expected["beer snaive ME (actual-forecast)"]


def test_published_rolling_origin_errors_come_out():
    expected = oracle()
    stock = pd.read_csv(ORACLE / "goog.csv")["value"].to_numpy()[:200]
    ahead = [drift(stock[:known], 1)[0] for known in range(2, 200)]
    found = accuracy(stock[2:], ahead)
    assert found["rmse"] == expected["goog200 rolling-origin drift h1 RMSE"]
    fitted = stock[:-1] + (stock[-1] - stock[0]) / 199
    assert accuracy(stock[1:], fitted)["rmse"] == expected["goog200 in-sample drift RMSE"]


def test_a_small_month_ruins_mape_but_not_wape():
    found = accuracy(actual=[1000, 10], forecast=[950, 25])
    assert found["mape"] == pytest.approx((0.05 + 1.5) / 2)
    assert found["wape"] == pytest.approx(65 / 1010)  # 6.4 %
    assert found["bias"] == pytest.approx(-35 / 1010)


def test_months_without_actuals_have_no_mape():
    found = accuracy(actual=[0, 100, 50, 0, 50], forecast=[10, 90, 70, 5, 29])
    assert (found["n"], found["mape_undefined"]) == (5, 2)
    assert found["mape"] == pytest.approx((10 / 100 + 20 / 50 + 21 / 50) / 3)
    assert found["wape"] == pytest.approx(66 / 200)
    assert found["bias"] == pytest.approx(4 / 200)
    assert found["mae"] == pytest.approx(66 / 5)
    assert found["rmse"] == pytest.approx(sqrt((100 + 100 + 400 + 25 + 441) / 5))
    # Forecasts for nothing are as wrong as can be: 200 each.
    symmetric = 200 + 200 * 10 / 190 + 200 * 20 / 120 + 200 + 200 * 21 / 79
    assert found["smape"] == pytest.approx(symmetric / 5)


def test_air_passengers_by_the_year_before():
    path = SHARED / "data/air_passengers/AirPassengers.csv"
    if not path.exists():
        pytest.skip("the passengers of shared/data are not here")
    passengers = pd.read_csv(path)["#Passengers"]
    before, last = passengers[:-12], passengers[-12:]
    found = accuracy(last, naive(before, 12), before)
    # shared/data/FACTS.md
    assert 100 * found["mape"] == pytest.approx(9.9875, abs=6e-5)
    assert 100 * found["wape"] == pytest.approx(10.0455, abs=6e-5)
    assert 100 * found["bias"] == pytest.approx(-10.0455, abs=6e-5)
    assert found["mae"] == pytest.approx(47.8333, abs=6e-5)


def test_mase_is_scaled_by_the_changes_of_the_training_data():
    # A season apart: 4 - 1, 8 - 3, 6 - 4; 10 / 3 on average.
    found = accuracy(actual=[10, 10], forecast=[12, 6], train=[1, 3, 4, 8, 6], season=2)
    assert found["mase"] == pytest.approx(3 / (10 / 3))
    gap = accuracy(actual=[10, 10], forecast=[12, 6], train=[1, nan, 4, 8, 6], season=2)
    assert gap["mase"] == pytest.approx(3 / (5 / 2))


def test_what_cannot_be_measured_is_nan():
    assert isnan(accuracy([1, 2], [1, 3])["mase"])  # no training data
    assert isnan(accuracy([1, 2], [1, 3], train=[5] * 12)["mase"])  # too short
    assert isnan(accuracy([1, 2], [1, 3], train=[5] * 24)["mase"])  # nothing ever changed
    none = accuracy([0, 0], [1, 0], train=range(24))
    assert [name for name, value in none.items() if isnan(value)] == ["wape", "bias", "mape"]
    assert none["smape"] == 100
    assert isnan(accuracy([5, -5], [5, 5])["bias"])
    nothing = accuracy([], [])
    assert all(isnan(value) for name, value in nothing.items() if name not in COUNTS)
    assert [nothing[name] for name in COUNTS] == [0, 0, 0]


def test_missing_periods_are_left_out_and_counted():
    found = accuracy([10, nan, 30, 0], [12, 5, nan, 1])
    assert (found["n"], found["left_out"], found["mape_undefined"]) == (2, 2, 1)
    assert found["wape"] == pytest.approx(3 / 10)
    nullable = pd.Series([10, None, 30, 0], dtype="Int64")
    assert accuracy(nullable, [12, 5, nan, 1]) == pytest.approx(found, nan_ok=True)


@given(pairs, st.lists(amounts, min_size=13, max_size=40))
def test_measures_keep_their_bounds(periods, train):
    actual, forecast = np.array(periods).T
    found = accuracy(actual, forecast, train)
    assert not any(np.isinf(value) for value in found.values())
    assert 0 <= found["smape"] <= 200 + 1e-9
    assert 0 <= found["mae"] <= found["rmse"] * (1 + 1e-9)
    for name in ("wape", "mape", "mase"):
        assert isnan(found[name]) or found[name] >= 0
    if (actual > 0).all():
        assert abs(found["bias"]) <= found["wape"] * (1 + 1e-9)


@given(pairs, st.sampled_from([0.01, 7.0, 1000.0]), st.randoms())
def test_neither_the_currency_nor_the_order_of_periods_matters(periods, rate, random):
    train = np.arange(30.0) ** 2
    actual, forecast = np.array(periods).T
    expected = accuracy(actual, forecast, train)
    shuffled = np.array(random.sample(periods, len(periods))).T * rate
    found = accuracy(*shuffled, train * rate)
    for name, value in expected.items():
        in_money = name in ("mae", "rmse")
        if name == "bias" and abs(actual.sum()) < 1:
            continue  # sums of 0 are so only before rounding
        assert found[name] == pytest.approx(value * (rate if in_money else 1), nan_ok=True)


@given(st.lists(amounts, min_size=1, max_size=24))
def test_a_perfect_forecast_has_no_error(actual):
    found = accuracy(actual, actual, train=range(24))
    for name in ("wape", "bias", "mape", "smape", "mase", "rmse", "mae"):
        assert found[name] == 0 or isnan(found[name])


def test_coverage_counts_the_ends_and_leaves_out_the_missing():
    assert coverage([1, 2, 3, nan], [1, 0, 0, 0], [5, 2, 2.9, 9]) == pytest.approx(2 / 3)
    assert isnan(coverage([nan], [0], [1]))


def test_interval_score_adds_width_and_forty_times_the_miss():
    # Changes a season (2) apart in the training data: 2, 2, 2. Misses of 3 below and 1 above.
    score = (10 + (10 + 40 * 3) + (10 + 40 * 1)) / 3
    found = msis([5, 7, 21], [0, 10, 10], [10, 20, 20], train=[1, 5, 3, 7, 5], season=2)
    assert found == pytest.approx(score / 2)
    # At 80 % a miss costs ten times its size.
    at_80 = msis([7], [10], [20], train=[1, 2], season=1, level=80)
    assert at_80 == pytest.approx(10 + 10 * 3)


def test_interval_score_without_a_scale_is_nan():
    assert isnan(msis([5], [0], [10], train=[1, 1, 1], season=1))
    assert isnan(msis([5], [0], [10], train=[1, 2, 3]))
    assert isnan(msis([nan], [0], [10], train=[1, 2], season=1))


def test_naive_repeats_the_last_year():
    assert naive([9, 1, 2, 3], horizon=7, season=3).tolist() == [1, 2, 3, 1, 2, 3, 1]
    assert naive([4, 8], horizon=2, season=1).tolist() == [8, 8]


def test_naive_knows_nothing_of_months_before_the_start():
    # Known from March to May: next January and February have no counterpart.
    assert np.isnan(naive([3, 4, 5], horizon=12)).tolist() == [True] * 9 + [False] * 3
    assert np.isnan(naive([], horizon=2)).all()


def test_run_rate_is_the_mean_of_the_last_few_there_are():
    assert run_rate([100, 1, 2, 6], horizon=2, last=3).tolist() == [3, 3]
    assert run_rate([100, 1, nan, 6], horizon=1, last=3).tolist() == [3.5]
    assert run_rate([4, 6], horizon=1, last=12).tolist() == [5]
    assert np.isnan(run_rate([], horizon=1)).all()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: accuracy([1, 2], [1]),
        lambda: accuracy([1], [1], season=0),
        lambda: coverage([1], [1, 2], [1, 2]),
        lambda: msis([1], [0], [2], train=[1, 2], level=0),
        lambda: naive([1], horizon=1, season=0),
        lambda: run_rate([1], horizon=1, last=0),
    ],
)
def test_what_makes_no_sense_is_refused(ask):
    with pytest.raises(RequestError):
        ask()


@pytest.mark.parametrize(
    "ask",
    [
        lambda: accuracy([np.inf], [1]),
        lambda: coverage([1], low=[2], high=[0]),
        lambda: msis([1], low=[2], high=[0], train=[1, 2]),
    ],
)
def test_numbers_that_cannot_be_are_refused(ask):
    with pytest.raises(StatisticsError, match="not so in 1 of 1"):
        ask()
