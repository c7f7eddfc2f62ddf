import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops_kit.errors import RequestError, StatisticsError
from revops_kit.stats.control import NEAR_LIMIT, ONE_SIDE, OUTSIDE, xmr
from revops_kit.units import SHARE

# Up and down by 1 around 10: the mean range of these is 1, their limits 10 ± 2.66.
QUIET = [10.0, 11, 10, 9, 10, 11, 10, 9, 10]


def signals(values, baseline=None):
    return [tuple(row) for row in xmr(values, baseline).signals.to_numpy()]


def test_limits_by_hand():
    # steps 3, 1, 2, 4, 0: mean 2; values 10, 13, 12, 14, 10, 10: mean 11.5
    chart = xmr([10, 13, 12, 14, 10, 10])
    assert (chart.mean, chart.mean_range) == (11.5, 2)
    assert (chart.low, chart.high) == pytest.approx((11.5 - 5.32, 11.5 + 5.32))
    assert chart.range_limit == pytest.approx(6.536)
    assert chart.ranges[1:].tolist() == [3, 1, 2, 4, 0]
    assert chart.missing_because is None


def test_limits_are_three_standard_deviations_of_noise():
    noise = np.random.default_rng(7).normal(50, 4, 200_000)
    chart = xmr(noise)
    assert chart.high - chart.mean == pytest.approx(3 * 4, rel=0.01)


def test_quiet_figure_gives_no_signal():
    chart = xmr(QUIET)
    assert (chart.low, chart.high) == pytest.approx((7.34, 12.66))
    assert chart.signals.empty
    assert not chart.is_signal()


def test_value_outside_the_limits_is_signal():
    assert signals([*QUIET, 14.0], baseline=9) == [(9, OUTSIDE)]
    assert signals([*QUIET, 6.0], baseline=9) == [(9, OUTSIDE)]
    assert signals([*QUIET, 12.6], baseline=9) == []


def test_eighth_in_a_row_on_one_side_is_signal_and_so_are_those_after_it():
    one_side = [11, 10.5, 11, 10.5, 11, 10.5, 11, 10.5, 11]
    assert signals([*QUIET, *one_side], baseline=9) == [(16, ONE_SIDE), (17, ONE_SIDE)]
    assert signals([*QUIET, *one_side[:7]], baseline=9) == []


def test_value_on_the_mean_ends_a_run():
    assert signals([*QUIET, 11, 11, 11, 11, 10, 11, 11, 11, 11], baseline=9) == []


def test_third_of_four_nearer_a_limit_than_the_mean_is_signal():
    # halfway from the mean to the limits: 8.67 and 11.33
    assert signals([*QUIET, 12, 10, 12, 12], baseline=9) == [(12, NEAR_LIMIT)]
    assert signals([*QUIET, 8, 8, 8], baseline=9) == [(11, NEAR_LIMIT)]
    assert signals([*QUIET, 12, 10, 10, 12, 12], baseline=9) == []
    # of both sides
    assert signals([*QUIET, 12, 8, 12, 8], baseline=9) == []
    # the one that is not near is not a signal itself
    assert signals([*QUIET, 12, 12, 12, 10], baseline=9) == [(11, NEAR_LIMIT)]


def test_gap_is_skipped_and_ends_runs():
    nan = np.nan
    chart = xmr([10, 12, nan, 20, 22, 20, 22, 20])
    assert chart.mean_range == 2  # five steps of 2, and none of 8 across the gap
    assert signals([*QUIET, 12, 12, nan, 12], baseline=9) == []
    assert signals([*QUIET, 11, 11, 11, 11, nan, 11, 11, 11, 11], baseline=9) == []


def test_two_rules_at_one_value_are_two_signals():
    # halfway and beyond three times, the third outside
    assert signals([*QUIET, 12, 12, 14], baseline=9) == [(11, OUTSIDE), (11, NEAR_LIMIT)]


@pytest.mark.parametrize("values", [[], [1.0, 2, 3, 4, 5], [1.0, 2, np.nan, 3, 4, np.nan, 5, 6]])
def test_too_few_values_say_so(values):
    chart = xmr(values)
    assert np.isnan([chart.mean, chart.low, chart.high]).all()
    assert chart.signals.empty
    assert not chart.is_signal()
    labels = [str(place) for place in range(len(values))]
    assert chart.sentence(labels).startswith(
        "Signal cannot be told from noise: it takes 5 steps from value to value, and there are "
    )


def test_values_that_never_change_are_no_signal_until_they_do():
    # the mean of 0.1 twelve times is not exactly 0.1
    assert signals([0.1] * 12) == []
    assert signals([*[0.1] * 12, 0.2], baseline=12) == [(12, OUTSIDE)]


@pytest.mark.parametrize(
    ("further", "sentence"),
    [
        ([14.0], "Sep is signal: 14 lies above the natural limits, 7.34 to 12.66."),
        ([6.0], "Sep is signal: 6 lies below the natural limits, 7.34 to 12.66."),
        ([9.5] * 9, "Sep is signal: the last 9 values all lie below the mean, 10."),
        (
            [12, 10, 12, 12],
            "Sep is signal: three of the last four values lie nearer to the upper limit, 12.66, "
            "than to the mean, 10.",
        ),
        (
            [8, 8, 8],
            "Sep is signal: three of the last four values lie nearer to the lower limit, 7.34, "
            "than to the mean, 10.",
        ),
        (
            [14.0, 11.0],
            "Sep is noise: 11 lies within the natural limits, 7.34 to 12.66, and no pattern "
            "leads to it.",
        ),
        ([np.nan], "Sep has no value."),
    ],
)
def test_sentence_tells_whether_the_last_value_is_signal(further, sentence):
    chart = xmr([*QUIET, *further], baseline=9)
    assert chart.sentence([""] * (8 + len(further)) + ["Sep"]) == sentence
    assert chart.is_signal() == ("is signal" in sentence)


def test_sentence_writes_values_in_their_unit():
    shares = [0.10, 0.11, 0.10, 0.09, 0.10, 0.11, 0.10, 0.09, 0.10, 0.14]
    sentence = xmr(shares, baseline=9).sentence(["Sep"] * 10, SHARE.write)
    assert "14.0\u202f% lies above the natural limits, 7.3\u202f% to 12.7\u202f%" in sentence


def test_what_cannot_be_is_refused():
    with pytest.raises(StatisticsError, match="values are finite, or NaN for a gap; not so in 1"):
        xmr([1, 2, np.inf])
    with pytest.raises(RequestError, match="A baseline of 4 does not fit 3 values"):
        xmr([1, 2, 3], baseline=4)
    with pytest.raises(RequestError, match="1 labels for 9 values"):
        xmr(QUIET).sentence(["Sep"])


series = st.lists(st.integers(-1000, 1000) | st.just(np.nan), max_size=40)


@given(series)
def test_last_value_is_signal_just_where_the_table_says_so(values):
    chart = xmr(values)
    assert chart.is_signal() == (len(values) - 1 in chart.signals.position.tolist())


@given(series)
def test_mirrored_values_give_the_same_signals(values):
    mirrored = [-value for value in values]
    assert xmr(mirrored).signals.equals(xmr(values).signals)


@given(st.lists(st.integers(-1000, 1000), max_size=40), st.integers(-100, 100), st.integers(1, 9))
def test_other_units_give_the_same_signals(values, shift, scale):
    moved = [shift + scale * value for value in values]
    assert xmr(moved).signals.equals(xmr(values).signals)
