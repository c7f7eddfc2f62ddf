import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from revops_kit.stats.forecasting.backtest import origins
from revops_kit.stats.forecasting.candidates import members, of_logs
from revops_kit.stats.forecasting.seasons import indices
from revops_kit.stats.forecasting.simplest import drift, seasonal_naive
from revops_kit.stats.forecasting.smoothing import simple, smooth
from revops_kit.stats.forecasting.sparse import average, croston, tsb
from revops_kit.stats.forecasting.statespace import sarimax, unobserved_components
from revops_kit.stats.forecasting.theta import theta

SHARED = Path(__file__).resolve().parents[3] / "shared"
ORACLE = SHARED / "oracles/forecast_models"
MONTHS = np.arange(60)
SEASONAL = 100 + MONTHS + 10 * np.sin(2 * np.pi * MONTHS / 12)


def published(name):
    """What R gives for a series (R 4.2.2, forecast 8.20), and the series."""
    if not ORACLE.exists():
        pytest.skip("the published tables of shared/oracles are not here")
    checks = json.loads((ORACLE / "expected.json").read_text())["checks"]
    of = {key: pytest.approx(check["expected"], abs=check["tol"]) for key, check in checks.items()}
    return of, pd.read_csv(ORACLE / name)


def column(values):
    return np.asarray(values, dtype=float)[:, None]


def noisy(seed=1):
    return column(SEASONAL + np.random.default_rng(seed).normal(0, 3, len(SEASONAL)))


def test_theta_is_that_of_r():
    expected, air = published("airpassengers.csv")
    found = theta(column(air["value"]), 12, [144], 12).mean[0, :, 0]
    assert found[0] == expected["theta AirPassengers 1961-01"]
    assert found[-1] == expected["theta AirPassengers 1961-12"]
    expected, nile = published("nile.csv")
    found = theta(column(nile["value"]), 1, [100], 3).mean[0, :, 0]
    assert found[0] == expected["theta Nile h1"]
    assert found[2] == expected["theta Nile h3"]


def test_simple_smoothing_and_its_intervals_are_those_of_r():
    # Hyndman and Athanasopoulos, Forecasting: Principles and Practice (2nd ed.), section 7.1
    expected, oil = published("oil.csv")
    y = column(oil.loc[oil["time"].between(1996, 2013), "value"])
    (alpha,), (level,), (variance,) = simple(y, np.array([len(y)]))
    assert alpha == expected["oil ses alpha"]
    assert level == expected["oil fc"]
    assert level - 1.281552 * variance**0.5 == expected["oil 80 lo"]
    assert level + 1.281552 * variance**0.5 == expected["oil 80 hi"]
    assert level - 1.959964 * variance**0.5 == expected["oil 95 lo"]
    fifth = variance * (1 + 4 * alpha**2)
    assert level - 1.959964 * fifth**0.5 == expected["oil 95 lo h5"]


@pytest.mark.parametrize("method", [*members(True).values(), seasonal_naive, drift])
def test_no_origin_knows_what_comes_after_it(method):
    y = noisy()
    together = method(y, 12, [40, 60], 12)
    alone = method(y[:40], 12, [40], 12)
    assert together.mean[0] == pytest.approx(alone.mean[0])
    assert together.variance[0] == pytest.approx(alone.variance[0])


@pytest.mark.parametrize("method", [smooth, of_logs(smooth), *members(True).values()])
def test_a_line_with_a_season_goes_on(method):
    ahead = np.arange(60, 72)
    coming = 100 + ahead + 10 * np.sin(2 * np.pi * ahead / 12)
    mean, variance = method(noisy(), 12, [60], 12)
    assert mean[0, :, 0] == pytest.approx(coming, rel=0.08)
    # The noise has a standard deviation of 3.
    assert 1 < variance[0, 0, 0] ** 0.5 < 6


@pytest.mark.parametrize("method", [*members(True).values(), seasonal_naive, drift, tsb, croston])
def test_neither_its_company_nor_its_unit_changes_a_series(method):
    both = np.hstack([noisy(1), noisy(2)])
    alone = method(both[:, :1], 12, [48, 60], 6)
    beside = method(both * 1000, 12, [48, 60], 6)
    assert beside.mean[:, :, :1] == pytest.approx(1000 * alone.mean, rel=1e-4)
    assert beside.variance[:, :, :1] == pytest.approx(1e6 * alone.variance, rel=1e-3)


def test_seasonal_naive_spreads_with_each_season():
    # Changes over a season of two: 4 and 2, of mean square 10.
    mean, variance = seasonal_naive(column([1, 2, 5, 4]), 2, [4], 5)
    assert mean.ravel().tolist() == [5, 4, 5, 4, 5]
    assert variance.ravel().tolist() == [10, 10, 20, 20, 30]


def test_indices_are_parts_of_a_usual_period():
    trend = np.linspace(100, 200, 40)
    y = np.c_[trend * np.tile([0.5, 1, 1.5, 1], 10), trend]
    found = indices(y, 4)
    assert found[:, 0] == pytest.approx([0.5, 1, 1.5, 1], abs=0.02)
    assert found[:, 1].tolist() == [1, 1, 1, 1]  # no season
    assert (indices(y[:7], 4) == 1).all()  # fewer than two
    assert (indices(y - 150, 4) == 1).all()  # no ratios below 0


def test_croston_and_tsb_by_hand():
    # Sizes 4, then 4 + 0.05 (8 - 4); intervals 2, then 2 + 0.05 (2 - 2); less half of alpha.
    y = column([0, 4, 0, 8])
    assert croston(y, 1, [4], 1).mean.item() == pytest.approx((1 - 0.025) * 4.2 / 2)
    chance = 1 / 2
    for came in (0, 1, 0, 1):
        chance += 0.05 * (came - chance)
    assert tsb(y, 1, [4], 1).mean.item() == pytest.approx(chance * 4.2)
    assert average(y, 1, [2, 4], 2).mean[:, :, 0].tolist() == [[2, 2], [3, 3]]


def test_after_long_silence_tsb_falls_and_croston_does_not():
    y = column([5.0, 0, 5, 0, 5, 0, 5, 0] + [0] * 12)
    assert tsb(y, 1, [20], 1).mean.item() < 1 < croston(y, 1, [20], 1).mean.item()


@pytest.mark.parametrize("method", [sarimax, unobserved_components])
def test_models_of_statsmodels_follow_trend_and_season(method):
    quarters = np.arange(24)
    season = np.array([0, 8, 0, -8])
    noise = np.random.default_rng(2).normal(0, 1, 24)
    y = column(100 + 2 * quarters + season[quarters % 4] + noise)
    mean, variance = method(y[:20], 4, [20], 4)
    assert mean[0] == pytest.approx(y[20:], abs=6)
    assert (np.diff(variance[0, :, 0]) > 0).all()


def test_origins_are_those_that_see_the_whole_horizon_if_there_are():
    assert origins(60, horizon=12, count=3, least=26) == [42, 45, 48]
    # Only the one after 28 would see it all, so later ones see a part.
    assert origins(40, horizon=12, count=4, least=26) == [28, 29, 30, 31]
    assert origins(20, horizon=12, count=12, least=26) == []
