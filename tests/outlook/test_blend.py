"""Blends: weights by hand, and a mean that lies between."""

import numpy as np
import pandas as pd
import pytest

from revops_kit.outlook.ahead import Ahead
from revops_kit.outlook.blend import blend
from revops_kit.outlook.tested import compare, gathered
from revops_kit.periods import parse

MONTHS = tuple(parse(f"2026-1{number}") for number in range(3))


def forecast(mean, spread=0.0, seed=1):
    draws = np.random.default_rng(seed).normal(mean, spread, size=(4000, 3))
    return Ahead(MONTHS, draws, pd.Series(dtype=float, index=pd.DatetimeIndex([])))


def off_by(*errors, days=6):
    """Past forecasts that were off by so much, one, two and three months ahead."""
    starts = pd.date_range("2026-01-01", periods=days + 3, freq="MS")
    return gathered(
        [
            compare(
                starts[day],
                starts[day : day + 3],
                [100.0] * 3,
                100 + np.array(errors),
                [1.0] * 3,
            )
            for day in range(days)
        ]
    )


def test_who_was_nearer_weighs_more():
    """Off by 10 and by 30: squares of 100 and 900, so the first weighs nine tenths."""
    made = blend(forecast(100), forecast(200), (off_by(10, 10, 10), off_by(30, 30, 30)))
    assert made.weights.tolist() == pytest.approx([0.9] * 3)
    assert made.ahead.frame["mean"].tolist() == pytest.approx([110] * 3)


def test_weights_follow_the_lead():
    """The first knows the next month, the second the one after next; neighbours are averaged."""
    weights = blend(forecast(1), forecast(2), (off_by(1, 5, 9), off_by(9, 5, 1))).weights
    near, far = (1 + 25) / 2, (81 + 25) / 2
    assert weights.tolist() == pytest.approx([far / (near + far), 0.5, near / (near + far)])


@pytest.mark.parametrize("past", [gathered([]), off_by(1, 2, 3, days=5)], ids=["never", "little"])
def test_forecasts_tried_too_little_weigh_alike(past):
    weights = blend(forecast(1), forecast(2), (off_by(9, 9, 9), past)).weights
    assert weights.tolist() == [0.5] * 3


def test_intervals_are_not_narrowed_by_blending():
    """Two equally good forecasts of one spread: months and sums of the blend are as wide."""
    first, second = forecast(100, 10, seed=1), forecast(100, 10, seed=2)
    made = blend(first, second, (off_by(5, 5, 5), off_by(5, 5, 5)))
    assert made.ahead.draws.std(axis=0) == pytest.approx([10] * 3, rel=0.02)
    quarter = parse("2026-Q4")
    assert made.ahead.over(quarter).std() == pytest.approx(first.over(quarter).std(), rel=0.01)
