import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import hyp2f1

from revops_kit.errors import StatisticsError
from revops_kit.stats.lifetime import (
    ShiftedBetaGeometric,
    fit_sbg,
    fit_sbg_durations,
    renewals,
)
from revops_kit.stats.survival import kaplan_meier

ORACLES = Path(__file__).resolve().parents[3] / "shared/oracles"
REGULAR = [100, 63.1, 46.8, 38.2, 32.6, 28.9, 26.2, 24.1]  # Fader & Hardie (2007), table 1


def oracle(name):
    if not (ORACLES / name).exists():
        pytest.skip("the published tables of shared/oracles are not here")
    checks = json.loads((ORACLES / name / "expected.json").read_text())["checks"]

    def agree(check, found):
        assert found == pytest.approx(checks[check]["expected"], abs=checks[check]["tol"]), check

    return agree


def test_published_retention_comes_out():
    agree = oracle("sbg_retention")
    percent = np.array(json.loads((ORACLES / "sbg_retention/input.json").read_text())["regular"])
    seven, four = fit_sbg(10 * percent[:8]), fit_sbg(10 * percent[:5])
    for model, years in ((seven, 7), (four, 4)):
        agree(f"regular{years} alpha", model.alpha)
        agree(f"regular{years} beta", model.beta)
        agree(f"regular{years} LL", model.loglik)
    later = np.arange(8, 13)
    for year, share in zip(later, seven.survival(later), strict=True):
        agree(f"regular7 S({year})%", 100 * share)
    errors = np.abs(100 * seven.survival(later) / percent[8:] - 1)
    agree("MAPE years 8-12 regular", 100 * errors.mean())
    for n in range(1, 6):
        agree(f"DERL regular n={n} d=10%", seven.derl(n, 0.10))


def test_published_customer_base_is_worth_what_the_paper_says():
    agree = oracle("sbg_retention")
    for case, alpha, beta in ((1, 3.8, 15.2), (2, 0.067, 0.267)):
        model = ShiftedBetaGeometric(alpha, beta)
        sizes = 10_000 * model.survival(np.arange(5))
        residual = [model.derl(n, 0.10) for n in range(1, 6)]
        agree(f"case{case} DERL base weighted", np.average(residual, weights=sizes))
        retention = sizes[1:].sum() / sizes[:-1].sum()
        agree(f"case{case} naive DERL", retention * 1.1 / (1.1 - retention))
        if case == 1:
            agree("case1 aggregate retention", retention)
            agree("case1 cohort sizes year5", sizes.sum())


def test_regular_customers_are_those_of_fader_and_hardie():
    # Fader & Hardie (2007), "regular", seven years: alpha 0.704, beta 1.182
    model = fit_sbg(REGULAR)
    assert (model.alpha, model.beta) == pytest.approx((0.704, 1.182), abs=1e-3)
    assert model.notes == ()


def test_percent_and_numbers_differ_only_in_how_sure_they_are():
    percent, numbers = fit_sbg(REGULAR), fit_sbg(10 * np.array(REGULAR))
    assert numbers.alpha == pytest.approx(percent.alpha, rel=1e-5)
    assert numbers.loglik == pytest.approx(10 * percent.loglik)
    assert numbers.covariance == pytest.approx(percent.covariance / 10, rel=1e-4)


def test_survival_is_a_ratio_of_beta_functions():
    # alpha = beta = 1: S(t) = 1 / (1 + t)
    model = ShiftedBetaGeometric(1, 1)
    assert model.survival([0, 1, 9, 10**6]) == pytest.approx([1, 1 / 2, 1 / 10, 1 / 1_000_001])
    assert model.survival(3) == pytest.approx(1 / 4)


@given(st.floats(0.05, 50), st.floats(0.05, 500), st.integers(1, 40), st.floats(0.002, 0.5))
@settings(deadline=None)
def test_residual_lifetime_is_the_sum_of_what_is_to_come(alpha, beta, n, discount):
    model = ShiftedBetaGeometric(alpha, beta)
    t = np.arange(int(45 / np.log1p(discount)))
    retained = np.cumprod((beta + n - 1 + t) / (alpha + beta + n - 1 + t))
    assert model.derl(n, discount) == pytest.approx(
        (retained / (1 + discount) ** t).sum(), rel=1e-8
    )


def test_residual_lifetime_is_equation_6():
    # Fader & Hardie (2010), equation 6, where SciPy's 2F1 holds
    for n in (1, 3, 12):
        published = (1.182 + n - 1) / (0.704 + 1.182 + n - 1)
        published *= hyp2f1(1, 1.182 + n, 0.704 + 1.182 + n, 1 / 1.1)
        assert ShiftedBetaGeometric(0.704, 1.182).derl(n, 0.1) == pytest.approx(published)


def test_undiscounted_residual_lifetime_is_infinite_where_alpha_is_small():
    assert ShiftedBetaGeometric(3, 4).derl(1, 0) == 4 / 2
    assert ShiftedBetaGeometric(3, 4).derl(1, 0.001) == pytest.approx(4 / 2, rel=0.01)
    assert ShiftedBetaGeometric(0.7, 1.2).derl(1, 0) == np.inf


def test_new_customer_is_worth_the_first_period_and_the_discounted_rest():
    # alpha = beta = 1: 1 + 1/2 / 1.1 + 1/3 / 1.21
    model = ShiftedBetaGeometric(1, 1)
    assert model.discounted_lifetime(3, 0.1) == pytest.approx(1 + 0.5 / 1.1 + 1 / 3 / 1.21)
    forever = 1 + model.derl(1, 0.1) / 1.1
    assert model.discounted_lifetime(2000, 0.1) == pytest.approx(forever)


def test_constant_churn_is_given_as_such_and_noted():
    model = fit_sbg([10_000, 9_000, 8_100, 7_290])
    assert model.notes == (
        "Churn does not fall with tenure: the model is a constant 10.00\u202f% a period.",
    )
    t = np.arange(61)
    assert model.survival(t) == pytest.approx(0.9**t, rel=3e-4)
    assert model.derl(1, 0.01) == pytest.approx(0.9 * 1.01 / (1.01 - 0.9), rel=1e-4)
    # 10,000 chances of leaving in each of three periods, fewer each time
    left, at_risk = 2_710, 27_100
    assert model.loglik == pytest.approx(left * np.log(0.1) + (at_risk - left) * np.log(0.9))
    assert np.isnan(model.covariance).all()


def test_rising_churn_is_given_as_constant():
    assert fit_sbg([100, 95, 80, 40]).notes
    assert fit_sbg([100, 95, 80, 40]).survival(1) == pytest.approx(1 - 60 / 275, rel=1e-5)


def test_histories_of_one_cohort_fit_as_the_cohort_does():
    numbers = 10 * np.array(REGULAR)
    left = np.round(-np.diff(numbers)).astype(int)
    durations = np.append(np.arange(1, 8), 7)
    ended = np.append(np.full(7, True), False)
    cohort = fit_sbg(numbers)
    for model in (
        fit_sbg_durations(durations, ended, np.append(left, 241)),
        fit_sbg_durations(*(np.repeat(v, np.append(left, 241)) for v in (durations, ended))),
    ):
        assert (model.alpha, model.beta) == pytest.approx((cohort.alpha, cohort.beta), rel=1e-5)
        assert model.loglik == pytest.approx(cohort.loglik)


def test_histories_of_any_age_find_the_truth_again():
    random = np.random.default_rng(11)
    lifetime = random.geometric(random.beta(1.5, 12, 200_000))
    age = random.integers(0, 36, lifetime.size)
    ended = lifetime <= age
    model = fit_sbg_durations(np.minimum(lifetime, age), ended)
    error = np.sqrt(np.diag(model.covariance))
    assert np.abs([model.alpha - 1.5, model.beta - 12]) == pytest.approx(0, abs=3 * error.max())
    assert model.alpha == pytest.approx(1.5, abs=3 * error[0])
    assert error[0] < 0.1


def test_customers_too_young_to_renew_change_nothing():
    old = fit_sbg_durations([1, 2, 3], [True, True, False], [40, 15, 45])
    more = fit_sbg_durations([1, 2, 3, 0], [True, True, False, False], [40, 15, 45, 500])
    assert (more.alpha, more.beta) == pytest.approx((old.alpha, old.beta))


def test_late_entry_counts_renewals_from_then_on_only():
    """Two watched from the start, two from their second month on; one left before that."""
    months, ended, entry = np.array([1, 3, 2, 3, 1]), np.array([1, 1, 0, 1, 1]), [0, 0, 1, 1, 1]
    left, at_risk = renewals(months, ended, np.ones(5), np.array(entry))
    assert left.tolist() == [1, 0, 2]
    assert at_risk.tolist() == [2, 3, 2]


def survivors_only(seed=4, size=40_000):
    """Customers who join over 60 months, with departures kept only from the 30th on.

    Returns the months, whether it ended then and the months before the watch, of those on record.
    """
    random = np.random.default_rng(seed)
    lifetime = random.geometric(random.beta(1.5, 12, size))
    joined = random.integers(0, 60, size)
    age, entry = 60 - joined, np.maximum(30 - joined, 0)
    on_record = lifetime > entry
    months, ended = np.minimum(lifetime, age), lifetime <= age
    return months[on_record], ended[on_record], entry[on_record]


def test_late_entry_finds_the_truth_where_survivors_alone_flatter():
    months, ended, entry = survivors_only()
    truth = ShiftedBetaGeometric(1.5, 12).survival([12, 36])
    right = fit_sbg_durations(months, ended, entry=entry)
    assert right.survival([12, 36]) == pytest.approx(truth, abs=0.012)
    flattered = fit_sbg_durations(months, ended)
    assert (flattered.survival([12, 36]) > truth + 0.04).all()


def test_late_entry_is_that_of_kaplan_and_meier():
    months, ended, entry = survivors_only(size=2_000)
    left, at_risk = renewals(months, ended, np.ones(len(months)), entry)
    curve = kaplan_meier(months, ended, entry=np.where(entry > 0, entry, -1))
    t = np.arange(1, len(left) + 1)
    assert curve.at(t) == pytest.approx(np.cumprod(1 - left / at_risk))


def test_entry_of_all_at_the_start_changes_nothing():
    months, ended = [1, 2, 3, 3], [True, True, False, True]
    at_once = fit_sbg_durations(months, ended, [40, 15, 45, 9], entry=[0, 0, 0, 0])
    without = fit_sbg_durations(months, ended, [40, 15, 45, 9])
    assert (at_once.alpha, at_once.beta) == (without.alpha, without.beta)


def test_error_of_a_figure_follows_from_that_of_the_parameters():
    model = fit_sbg(10 * np.array(REGULAR))
    assert model.error(lambda each: each.alpha) == pytest.approx(model.covariance[0, 0] ** 0.5)
    # The share lost in the first period, alpha / (alpha + beta), with its slopes by hand
    total = (model.alpha + model.beta) ** 2
    slopes = np.array([model.beta / total, -model.alpha / total])
    by_hand = np.sqrt(slopes @ model.covariance @ slopes)
    assert model.error(lambda each: 1 - each.survival(1)) == pytest.approx(by_hand, rel=1e-5)
    assert np.isnan(fit_sbg([10_000, 9_000, 8_100, 7_290]).error(lambda each: each.alpha))


@pytest.mark.parametrize(
    ("survivors", "reason"),
    [
        ([1, 1, 0], "of 1 customer"),
        ([100, 100, 100], "Nobody has left yet"),
        ([100, 0, 0], "Everybody left in the first period"),
        ([100, 60], "Only one renewal has been seen"),
        ([100, 60, 60, 60], "Nobody left after the first period"),
        ([1, 0.631, 0.468], "not shares of 1"),
        ([100, 50, 60], "cannot grow"),
        ([100], "two or more known numbers"),
        ([100, np.nan, 20], "two or more known numbers"),
        ([100, 20, -1], "two or more known numbers"),
    ],
)
def test_cohort_without_an_answer_is_refused(survivors, reason):
    with pytest.raises(StatisticsError, match=reason):
        fit_sbg(survivors)


@pytest.mark.parametrize(
    ("durations", "ended", "weights", "reason"),
    [
        ([0, 3], [True, False], None, "one who left was a customer for one period or more"),
        ([1.5, 3], [True, False], None, "a duration is whole periods"),
        ([-1, 3], [False, False], None, "a duration is whole periods"),
        ([1, 3], [np.nan, 0], None, "known, finite numbers; not so in 1 of 2"),
        ([1, 3], [True, False], [1, -1], "weights are 0 or more"),
        ([1, 3], [True], None, "differ in length"),
        ([], [], None, "of 0 customers"),
    ],
)
def test_histories_that_cannot_be_are_refused(durations, ended, weights, reason):
    with pytest.raises(StatisticsError, match=reason):
        fit_sbg_durations(durations, ended, weights)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        ([1, 1, 2], "Nobody was watched from the start"),
        ([3, 3, 3], "of 0 customers"),
        ([0, 0.5, 0], "late entry is after whole periods"),
        ([0, -1, 0], "late entry is after whole periods"),
    ],
)
def test_entry_that_tells_nothing_of_new_customers_is_refused(entry, reason):
    with pytest.raises(StatisticsError, match=reason):
        fit_sbg_durations([2, 3, 3], [True, True, False], [10, 10, 10], entry)
