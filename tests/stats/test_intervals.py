import json
import subprocess
import sys
from itertools import accumulate
from math import comb, exp, nan
from pathlib import Path

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from revops_kit.errors import RequestError, StatisticsError
from revops_kit.stats.intervals import (
    benjamini_hochberg,
    chi_square,
    clopper_pearson,
    delta_ratio,
    holm,
    median_from_counts,
    newcombe,
    poisson,
    wilson,
)

ORACLE = Path(__file__).resolve().parents[3] / "shared/oracles/proportion_intervals"
confidences = st.floats(0.5, 0.999)


@st.composite
def shares(draw):
    trials = draw(st.integers(1, 10**6))
    return draw(st.integers(0, trials)), trials


def oracle():
    if not ORACLE.exists():
        pytest.skip("the published tables of shared/oracles are not here")
    published = json.loads((ORACLE / "expected.json").read_text())["checks"]
    return published, json.loads((ORACLE / "input.json").read_text())


def same(found, expected):
    """Whether a figure is the published one, to its last printed digit."""
    return found == pytest.approx(expected["expected"], abs=max(expected["tol"], 1e-12))


def test_published_tables_come_out():
    published, given_ = oracle()
    for name, (successes, trials) in given_["single"].items():
        for method, interval in (
            ("wilson", wilson(successes, trials)),
            ("wilsoncc", wilson(successes, trials, corrected=True)),
            ("exact", clopper_pearson(successes, trials)),
        ):
            low, high = interval
            assert same(low, published[f"{name} {method}_lo"]), (name, method)
            assert same(high, published[f"{name} {method}_hi"]), (name, method)
    for name, counts in given_["diff"].items():
        _, low, high = newcombe(*counts)
        assert same(low, published[f"diff {name} lo"]), name
        assert same(high, published[f"diff {name} hi"]), name
    adjusted = benjamini_hochberg(given_["bh_p"])
    assert (adjusted <= given_["alpha"]).sum() == published["BH1995 rejects BH"]["expected"]
    assert same(adjusted[3], published["BH1995 BH adj p[4]"])
    assert same(holm(given_["bh_p"])[3], published["BH1995 holm adj p[4]"])
    bonferroni = np.array(given_["bh_p"]) * len(given_["bh_p"]) <= given_["alpha"]
    assert bonferroni.sum() == published["BH1995 rejects Bonferroni"]["expected"]
    assert ((holm(given_["bh_p"]) <= given_["alpha"]) >= bonferroni).all()
    chi2, p = chi_square(given_["smokers"], given_["patients"])
    assert same(chi2, published["smokers chi2"])
    assert same(p, published["smokers p"])


@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (0, 20, 0, 0.1611),
        (1, 29, 0.0061, 0.1718),
    ],
)
def test_wilson_is_newcombes_table(successes, trials, low, high):
    # Newcombe (1998), Statistics in Medicine 17:857-872, table I, method 3
    assert wilson(successes, trials) == pytest.approx((low, high), abs=6e-5)


def test_difference_is_newcombes_table():
    # Newcombe (1998), Statistics in Medicine 17:873-890, table II, method 10
    assert newcombe(9, 10, 3, 10) == pytest.approx((0.6, 0.1705, 0.8090), abs=6e-5)
    assert newcombe(10, 10, 0, 20) == pytest.approx((1.0, 0.6791, 1.0), abs=6e-5)


def test_nothing_counted_is_missing():
    assert wilson(0, 0) == pytest.approx((nan, nan), nan_ok=True)
    assert clopper_pearson(0, 0) == pytest.approx((nan, nan), nan_ok=True)
    assert newcombe(1, 2, 0, 0) == pytest.approx((nan, nan, nan), nan_ok=True)
    assert delta_ratio(1, 5, 2, 25, 4, 10) == pytest.approx((nan, nan), nan_ok=True)
    assert delta_ratio(2, 5, 0, 25, 0, 0) == pytest.approx((nan, nan), nan_ok=True)
    assert median_from_counts([], []) == pytest.approx((nan, nan, nan, 0), nan_ok=True)


def test_one_empty_group_leaves_the_others_alone():
    low, high = wilson([10, 0, 3], [20, 0, 3])
    assert np.isnan([low[1], high[1]]).all()
    assert (low[0], high[0]) == wilson(10, 20)
    assert high[2] == 1.0


@given(shares(), confidences)
def test_share_lies_in_its_interval_and_both_in_0_to_1(share, confidence):
    for interval in (wilson, clopper_pearson):
        low, high = interval(*share, confidence)
        assert 0 <= low <= share[0] / share[1] <= high <= 1


@given(shares(), confidences)
def test_interval_of_failures_mirrors_that_of_successes(share, confidence):
    successes, trials = share
    low, high = wilson(successes, trials, confidence)
    mirrored_low, mirrored_high = wilson(trials - successes, trials, confidence)
    assert (1 - mirrored_high, 1 - mirrored_low) == pytest.approx((low, high), abs=1e-12)


@given(shares(), shares(), confidences)
def test_difference_lies_in_its_interval(first, second, confidence):
    difference, low, high = newcombe(*first, *second, confidence)
    assert -1 - 1e-12 <= low <= difference <= high <= 1 + 1e-12
    assert difference == pytest.approx(first[0] / first[1] - second[0] / second[1], abs=1e-12)


@given(st.lists(shares(), min_size=1, max_size=5), confidences)
def test_arrays_give_what_scalars_give(groups, confidence):
    successes, trials = np.array(groups).T
    for interval in (wilson, clopper_pearson):
        low, high = interval(successes, trials, confidence)
        assert list(zip(low, high, strict=True)) == [interval(*g, confidence) for g in groups]


def test_wider_confidence_gives_a_wider_interval():
    ends = [wilson(7, 20, confidence) for confidence in (0.5, 0.8, 0.95, 0.99)]
    assert ends == sorted(ends, key=lambda end: end[1] - end[0])


@pytest.mark.parametrize("counts", [(3, 2), (-1, 2)])
def test_counts_that_cannot_be_are_refused(counts):
    with pytest.raises(StatisticsError, match="between 0 and the trials; not so in 1 of 1"):
        wilson(*counts)


@pytest.mark.parametrize("confidence", [0, 1, 95])
def test_confidence_in_percent_is_refused(confidence):
    with pytest.raises(RequestError, match=r"Write 0\.95 for 95 %"):
        wilson(1, 2, confidence)


def moments(x, y):
    return len(x), x.sum(), y.sum(), (x * x).sum(), (y * y).sum(), (x * y).sum()


def test_ratio_to_a_count_is_the_interval_of_a_mean():
    x = np.array([3.0, 5.0, 10.0])  # mean 6, variance 13
    low, high = delta_ratio(*moments(x, np.ones(3)))
    margin = 1.959964 * (13 / 3) ** 0.5
    assert (low, high) == pytest.approx((6 - margin, 6 + margin))


def test_ratio_without_variation_has_no_width():
    assert delta_ratio(*moments(np.array([2.0, 4, 6]), np.array([1.0, 2, 3]))) == (2.0, 2.0)


def test_ratio_interval_covers_as_often_as_it_says():
    random = np.random.default_rng(7)
    y = random.gamma(4, 1, (4000, 60))
    x = 3 * y + random.normal(0, 2, y.shape)
    low, high = delta_ratio(60, x.sum(1), y.sum(1), (x * x).sum(1), (y * y).sum(1), (x * y).sum(1))
    assert np.mean((low <= 3) & (high >= 3)) == pytest.approx(0.95, abs=0.015)


@given(st.lists(st.tuples(st.floats(-1e3, 1e3), st.floats(0.1, 1e3)), min_size=2), confidences)
def test_ratio_lies_in_its_interval(pairs, confidence):
    x, y = np.array(pairs).T
    low, high = delta_ratio(*moments(x, y), confidence)
    assert low <= x.sum() / y.sum() <= high


def test_poisson_is_garwoods_table():
    # Garwood (1936), Biometrika 28:437-442
    low, high = poisson([0, 1, 5, 10])
    assert low == pytest.approx([0, 0.0253, 1.62, 4.80], abs=6e-3)
    assert high == pytest.approx([3.69, 5.57, 11.67, 18.39], abs=6e-3)


@given(st.integers(0, 12), confidences)
def test_poisson_leaves_half_the_doubt_at_each_end(count, confidence):
    def at_most(k, mean):
        terms = [exp(-mean)]
        for i in range(1, k + 1):
            terms.append(terms[-1] * mean / i)
        return sum(terms) if k >= 0 else 0.0

    low, high = poisson(count, confidence)
    assert at_most(count, high) == pytest.approx((1 - confidence) / 2)
    if count:
        assert 1 - at_most(count - 1, low) == pytest.approx((1 - confidence) / 2)
    assert low <= count <= high


def test_median_of_an_even_number_is_the_mean_of_the_two_in_the_middle():
    assert median_from_counts([10, 20], [2, 2])[0] == 15
    assert median_from_counts([20, 10], [2, 3])[0] == 10


def test_median_interval_has_the_textbook_ranks():
    # Conover, Practical Nonparametric Statistics (3rd ed. 1999), table A3 for n = 16, p = 1/2:
    # P(B ≤ 3) = 0.0106, P(B ≤ 4) = 0.0384, so ranks 4 and 13 cover 97.9 %.
    assert median_from_counts(range(1, 17), [1] * 16) == (8.5, 4.0, 13.0, 16)


def test_few_values_bound_no_median():
    # The whole range of 5 covers 1 - 2/2^5 = 93.75 %, that of 6 covers 96.9 %.
    assert median_from_counts([1, 2, 3, 4, 5], [1] * 5) == pytest.approx(
        (3, nan, nan, 5), nan_ok=True
    )
    assert median_from_counts([1, 2, 3, 4, 5, 6], [1] * 6) == (3.5, 1, 6, 6)


def covered(n, q, low, high):
    """How likely the values of two ranks are to have the quantile between them, at least."""
    low, high = low or 0, high or n + 1
    return sum(comb(n, k) * q**k * (1 - q) ** (n - k) for k in range(low, high))


@given(st.integers(1, 150), st.floats(0.02, 0.98), confidences)
def test_quantile_ranks_cover_what_they_say_and_no_more_than_they_must(n, q, confidence):
    value, low, high, _ = median_from_counts(range(1, n + 1), [1] * n, confidence, q)
    low_rank = 0 if np.isnan(low) else int(np.floor(low))
    high_rank = n + 1 if np.isnan(high) else int(np.ceil(high))
    assert covered(n, q, low_rank, high_rank) >= confidence - 1e-9
    tail = (1 - confidence) / 2
    if low < value:  # not stretched: one rank further in would be too far
        assert covered(n, q, 0, low_rank + 1) > tail - 1e-9
    if high > value:
        assert covered(n, q, high_rank - 1, n + 1) > tail - 1e-9


counted = st.lists(st.tuples(st.floats(-1e6, 1e6), st.integers(0, 6)), min_size=1, max_size=30)


@given(counted, st.floats(0.01, 0.99), confidences, st.randoms())
def test_counts_equal_repetition_in_any_order(pairs, q, confidence, random):
    values, counts = zip(*pairs, strict=True)
    assume(sum(counts))
    found = median_from_counts(values, counts, confidence, q)
    repeated = np.repeat(values, counts)
    assert found[0] == pytest.approx(np.quantile(repeated, q), rel=1e-9, abs=1e-9)
    random.shuffle(pairs)
    for other in (
        median_from_counts(repeated, np.ones(len(repeated)), confidence, q),
        median_from_counts(*zip(*pairs, strict=True), confidence, q),
    ):
        assert other == pytest.approx(found, nan_ok=True, rel=1e-12)
    assert not found[1] > found[0]
    assert not found[2] < found[0]


def test_median_of_ten_million_is_bounded_by_its_standard_error():
    n = 10_000_000
    _, low, high, _ = median_from_counts(np.arange(1000), np.full(1000, n // 1000))
    ranks = np.array([low, high]) * n / 1000
    assert ranks == pytest.approx(n / 2 + np.array([-1, 1]) * 1.96 * (n / 4) ** 0.5, abs=n / 1000)


def test_quantile_of_unknown_values_or_parts_of_counts_is_refused():
    with pytest.raises(StatisticsError, match="values are numbers; not so in 1 of 2"):
        median_from_counts([1, nan], [1, 1])
    with pytest.raises(StatisticsError, match="counts are whole numbers"):
        median_from_counts([1, 2], [1, 0.5])
    with pytest.raises(RequestError, match="The quantile 50"):
        median_from_counts([1, 2], [1, 1], q=50)


def test_false_discovery_rate_adjusts_as_benjamini_and_hochberg_do():
    # Benjamini & Hochberg (1995), section 3.2: 15 p-values, of which 4 are rejected at 0.05
    p = [.0001, .0004, .0019, .0095, .0201, .0278, .0298, .0344, .0459, .324, .4262, .5719, .6528,
         .759, 1.0]  # fmt: skip
    adjusted = benjamini_hochberg(p)
    assert (adjusted <= 0.05).sum() == 4
    assert adjusted[3] == pytest.approx(0.0095 * 15 / 4)


def test_unknown_p_values_do_not_count():
    assert benjamini_hochberg([0.02, nan, 0.01]) == pytest.approx([0.02, nan, 0.02], nan_ok=True)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=20), st.randoms())
def test_adjusted_p_values_are_never_smaller_and_keep_their_order(p, random):
    adjusted = benjamini_hochberg(p)
    assert (adjusted >= np.array(p) - 1e-15).all()
    assert (adjusted <= 1).all()
    assert (np.diff(adjusted[np.argsort(p)]) >= 0).all()


def test_holm_adjusts_as_statsmodels_does():
    # statsmodels 0.15.0, multipletests([0.01, 0.04, 0.03, 0.005, 0.3], method="holm")
    assert holm([0.01, 0.04, 0.03, 0.005, 0.3]) == pytest.approx([0.04, 0.09, 0.09, 0.025, 0.3])


@given(st.lists(st.floats(0, 1) | st.just(nan), min_size=1, max_size=12))
def test_holm_steps_down_and_is_never_below_benjamini_and_hochberg(p):
    known = sorted(each for each in p if not np.isnan(each))
    # The smallest of m is multiplied by m, the next by m - 1, …; none is below the one before it.
    steps = [min(1, each * (len(known) - place)) for place, each in enumerate(known)]
    expected = dict(zip(known, accumulate(steps, max), strict=True))
    assert holm(p) == pytest.approx([expected.get(each, nan) for each in p], nan_ok=True)
    apart = holm(p) - benjamini_hochberg(p)
    assert (apart[~np.isnan(p)] >= -1e-12).all()


@given(st.lists(shares(), min_size=1, max_size=5))
def test_groups_are_compared_as_scipy_compares_them(groups):
    from scipy.stats import chi2_contingency

    successes, trials = np.array(groups).T
    chi2, p = chi_square([*successes, 0], [*trials, 0])  # an empty group says nothing
    table = np.array([successes, trials - successes])
    if len(groups) == 1 or (table.sum(axis=1) == 0).any():
        assert np.isnan([chi2, p]).all()
    else:
        expected = chi2_contingency(table, correction=False)
        assert (chi2, p) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-6)


@given(shares(), confidences)
def test_correction_for_continuity_is_scipys_and_widens(share, confidence):
    from scipy.stats import binomtest

    low, high = wilson(*share, confidence, corrected=True)
    plain_low, plain_high = wilson(*share, confidence)
    assert low <= plain_low <= plain_high <= high
    expected = binomtest(*share).proportion_ci(confidence, method="wilsoncc")
    assert (low, high) == pytest.approx(tuple(expected), abs=1e-9)


def test_headline_intervals_do_not_load_scipy():
    program = (
        "import sys; from revops_kit.stats.intervals import *;"
        "wilson(1, 2); newcombe(1, 2, 1, 3); delta_ratio(2, 1, 1, 1, 1, 1);"
        "median_from_counts([1], [9]); sys.exit('scipy' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
