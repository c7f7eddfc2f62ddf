import numpy as np
import pandas as pd
import pytest

from revops_kit.errors import RequestError, UnknownNameError
from revops_kit.stats.forecasting import forecast, reconcile
from revops_kit.stats.forecasting.reconciling import METHODS

PERIODS = pd.period_range("2021-01", periods=60, freq="M")


@pytest.fixture(scope="module")
def forecasts():
    chance = np.random.default_rng(3)
    season = 10 * np.sin(2 * np.pi * np.arange(60) / 12)
    parts = {
        name: 100 * k + np.cumsum(chance.normal(0, 5, 60)) + season
        for k, name in enumerate(["total", "west", "east"], 1)
    }
    parts["rare"] = np.where(chance.random(60) < 0.3, 20.0, 0.0)
    parts["fixed"] = np.full(60, 3.0)
    frame = pd.concat(
        pd.DataFrame({"series": name, "period": PERIODS, "value": y}) for name, y in parts.items()
    )
    return forecast(frame, 12), forecast(frame.groupby("period")["value"].sum(), 12)


@pytest.mark.parametrize("method", [None, *METHODS])
def test_segments_add_up_to_the_total(forecasts, method):
    found = reconcile(*forecasts, method)
    total = found.segments.groupby("period")["mean"].sum()
    assert total.to_numpy() == pytest.approx(found.total["mean"].to_numpy(), rel=1e-12)
    assert found.segments["series"].tolist() == forecasts[0].frame["series"].tolist()


def test_bottom_up_moves_the_total_alone(forecasts):
    segments, total = forecasts
    found = reconcile(segments, total, "bottom-up")
    assert found.segments["mean"].tolist() == segments.frame["mean"].tolist()
    width = total.frame["high_80"] - total.frame["low_80"]
    assert (found.total["high_80"] - found.total["low_80"]).to_numpy() == pytest.approx(width)


def test_what_never_was_wrong_is_not_moved(forecasts):
    segments, total = forecasts
    for method in METHODS:
        found = reconcile(segments, total, method).segments
        assert (found.loc[found["series"] == "fixed", "mean"] == 3).all()


def test_by_variances_each_gives_as_much_as_it_errs():
    # Errors of 1, 2 and 1: of a lack of 6, the total gives 1/6, the segments 4/6 and 1/6.
    errors = np.array([[1.0, 2, 1], [-1, 2, -1]])
    weights = METHODS["minimum trace (variances)"](errors)
    along = weights @ [1, -1, -1]
    assert along / (np.array([1, -1, -1]) @ along) == pytest.approx([1 / 6, -4 / 6, -1 / 6])


def test_the_choice_is_that_of_the_backtest(forecasts):
    found = reconcile(*forecasts)
    tested = found.backtest.set_index("method")["all"]
    assert found.method == tested.drop("as forecast").idxmin()
    assert tested["as forecast"] == 1
    assert found.backtest["origins"].min() >= 3


def test_nothing_falls_below_zero(forecasts):
    for frame in (reconcile(*forecasts).segments, reconcile(*forecasts).total):
        assert (frame.drop(columns=["series", "period"]) >= 0).all(axis=None)


def test_too_short_a_history_is_added_up():
    frame = pd.DataFrame(
        {"series": ["a"] * 3 + ["b"] * 3, "period": [1, 2, 3] * 2, "value": [1.0, 2, 4, 9, 8, 9]}
    )
    found = reconcile(forecast(frame, 2), forecast(frame.groupby("period")["value"].sum(), 2))
    assert found.method == "bottom-up"
    assert found.total["mean"].tolist() == [13, 13]


def test_what_does_not_belong_together_is_refused(forecasts):
    segments, total = forecasts
    later = forecast(pd.Series(np.arange(60.0), index=PERIODS + 1), 12)
    with pytest.raises(RequestError, match="same periods"):
        reconcile(segments, later)
    with pytest.raises(UnknownNameError, match="bottom-up"):
        reconcile(segments, total, "top-down")
