import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revops_kit.errors import StatisticsError
from revops_kit.stats.lifetime import (
    BgNbd,
    GammaGamma,
    ParetoNbd,
    bg_nbd,
    fit_bg_nbd,
    fit_gamma_gamma,
    fit_pareto_nbd,
    gamma_gamma,
    pareto_nbd,
    sbg,
)

ORACLES = Path(__file__).resolve().parents[3] / "shared/oracles"


def oracle(name):
    if not (ORACLES / name).exists():
        pytest.skip("the published tables of shared/oracles are not here")
    checks = json.loads((ORACLES / name / "expected.json").read_text())["checks"]

    def agree(check, found):
        assert found == pytest.approx(checks[check]["expected"], abs=checks[check]["tol"]), check

    return agree


def cdnow():
    histories = pd.read_csv(ORACLES / "cdnow_bgnbd/cdnow_summary.csv").set_index("ID")
    return histories.frequency, histories.recency, histories["T"]


# Purchases: BG/NBD and Pareto/NBD


def test_published_bg_nbd_comes_out():
    agree = oracle("cdnow_bgnbd")
    x, t_x, T = cdnow()  # noqa: N806
    model = fit_bg_nbd(x, t_x, T)
    agree("n customers", len(x))
    agree("repeat transactions weeks 1-39", x.sum())
    for name in ("r", "alpha", "a", "b"):
        agree(name, getattr(model, name))
    agree("LL", model.loglik)
    agree("E[X(52)]", model.expected(52))
    agree("E[Y(39)|2,30.43,38.86]", model.conditional(39, 2, 30.43, 38.86))
    buyer = x[1516], t_x[1516], T[1516]
    agree("E[Y(52)|cust 1516]", model.conditional(52, *buyer))
    agree("Palive cust 1516", model.p_alive(*buyer))
    agree("Palive x=0", model.p_alive(0, 0, 38.86))
    ahead = model.conditional(39, x, t_x, T)
    agree("holdout weeks 40-78 BG/NBD conditional", ahead.sum())
    agree("cond exp x=0 group", ahead[x == 0].mean())
    agree("cond exp x=7+ group", ahead[x >= 7].mean())


def test_published_pareto_nbd_comes_out():
    # Fader, Hardie & Lee (2005), table 2; BTYD walkthrough, section 2, for customer 1516
    oracle("cdnow_bgnbd")
    x, t_x, T = cdnow()  # noqa: N806
    model = fit_pareto_nbd(x, t_x, T)
    found = (model.r, model.s, model.alpha, model.beta, model.loglik)
    assert found[:2] == pytest.approx((0.553, 0.606), abs=1e-3)
    assert found[2:] == pytest.approx((10.578, 11.669, -9595.0), abs=0.05)
    buyer = x[1516], t_x[1516], T[1516]
    assert model.p_alive(*buyer) == pytest.approx(0.9979, abs=1e-4)
    assert model.conditional(52, *buyer) == pytest.approx(25.46, abs=0.01)
    assert model.expected(52) == pytest.approx(1.473, abs=1e-3)


# (r, alpha, a, b), (t, x, t_x, T), purchases, P(alive): equations 8 and 10 of Fader, Hardie & Lee
# (2005) and of their note on P(alive), by mpmath 1.4.1 to 50 digits.
BG_NBD = [
    ((0.243, 4.414, 0.793, 2.426), (52, 26, 30.86, 31), 25.7581959364835, 0.968915649717525),
    ((0.5, 2, 1.0001, 3), (100, 3, 5, 20), 0.632064562831193, 0.0832775959591848),
    ((0.05, 0.5, 0.02, 40), (500, 0, 0, 10), 2.36176824259845, 1.0),
    ((2, 30, 2, 0.3), (365, 900, 700, 720), 3.42727582265909e-6, 1.16100701023651e-8),
    ((1, 5, 8, 60), (1000, 150, 90, 100), 0.000221357799458525, 7.14057914309431e-6),
    ((0.243, 4.414, 1.5, 2), (10_000, 0, 0, 0), 3.40324136076928, 1.0),
]


@pytest.mark.parametrize(("parameters", "history", "purchases", "alive"), BG_NBD)
def test_bg_nbd_is_exact_for_long_and_short_histories(parameters, history, purchases, alive):
    model = BgNbd(*parameters)
    assert model.conditional(*history) == pytest.approx(purchases, rel=1e-6)
    assert model.p_alive(*history[1:]) == pytest.approx(alive, rel=1e-9)


# (r, alpha, s, beta), (x, t_x, T), P(alive), log-likelihood: Fader & Hardie (2005), note 9, by
# mpmath 1.4.1 to 50 digits.
PARETO_NBD = [
    ((0.553, 10.578, 0.606, 11.669), (26, 30.86, 31), 0.997918731055158, -39.1316715403028),
    ((0.553, 10.578, 0.606, 11.669), (0, 0, 38.86), 0.295286604616894, -0.52104629408089),
    ((2, 3, 0.5, 0.01), (3, 5, 80), 1.621409645832e-5, -10.1829559953835),
    ((0.05, 200, 3, 0.5), (1, 1, 500), 7.2902944559271e-9, -11.5989931949858),
    ((1, 5, 0.4, 300), (900, 700, 720), 3.58822755245636e-8, -689.402195403592),
    ((5, 0.2, 30, 100), (150, 10, 400), 1.00932021622491e-265, 247.04156312457),
    ((0.3, 1, 2, 1), (7, 2, 300), 1.13243220782252e-18, -5.70186697600851),
]


@pytest.mark.parametrize(("parameters", "history", "alive", "loglik"), PARETO_NBD)
def test_pareto_nbd_is_exact_for_long_and_short_histories(parameters, history, alive, loglik):
    assert ParetoNbd(*parameters).p_alive(*history) == pytest.approx(alive, rel=1e-9)
    columns = [np.array([float(v)]) for v in (*history, 1)]
    assert pareto_nbd.likelihood_of(*columns)(parameters)[0] == pytest.approx(loglik, rel=1e-9)


def test_pareto_expectation_holds_where_s_is_1():
    # The rate r / alpha while alive, which is beta · log(1 + t / beta) on average at s = 1
    near, at = (ParetoNbd(2, 4, s, 10).expected([1, 30]) for s in (1 + 1e-9, 1))
    assert at == pytest.approx(2 / 4 * 10 * np.log1p(np.array([0.1, 3])))
    assert near == pytest.approx(at, rel=1e-7)


@pytest.mark.parametrize("model", [BgNbd(0.24, 4.4, 0.8, 2.4), ParetoNbd(0.55, 10.6, 0.6, 11.7)])
def test_customer_of_whom_nothing_is_known_yet_is_a_new_one(model):
    assert model.conditional(52, 0, 0, 0) == pytest.approx(model.expected(52))
    assert model.p_alive(0, 0, 0) == 1
    assert model.expected(0) == 0


@pytest.mark.parametrize("model", [BgNbd(0.24, 4.4, 0.8, 2.4), ParetoNbd(0.55, 10.6, 0.6, 11.7)])
def test_arrays_of_customers_give_what_each_gives(model):
    x, t_x, T = np.array([0, 1, 1, 9]), np.array([0, 3, 8, 30]), np.array([9, 9, 9, 40])  # noqa: N806
    one_by_one = [model.conditional(26, *history) for history in zip(x, t_x, T, strict=True)]
    assert all(type(value) is float for value in one_by_one)
    assert model.conditional(26, x, t_x, T) == pytest.approx(one_by_one)
    assert model.p_alive(1, 8, 9) > model.p_alive(1, 3, 9)


def buyers(random, size, drops_out_at):
    """Simulate customers with rates Gamma(0.8, 10); `drops_out_at` says when they leave."""
    watched = random.integers(20, 80, size).astype(float)
    histories = np.zeros((3, size))
    for i, T in enumerate(watched):  # noqa: N806
        rate, now, count, last = random.gamma(0.8, 1 / 10), 0.0, 0, 0.0
        gone = drops_out_at(random)
        while (now := now + random.exponential(1 / rate)) < T and not gone(now, count):
            count, last = count + 1, now
        histories[:, i] = count, last, T
    return histories


def after_a_purchase(random):
    chance = random.beta(0.9, 3)
    last = random.geometric(chance)
    return lambda now, count: count >= last


def at_any_time(random):
    moment = random.exponential(1 / random.gamma(0.9, 1 / 15))
    return lambda now, count: now > moment


@pytest.mark.parametrize(
    ("fit", "drops_out_at", "truth"),
    [
        (fit_bg_nbd, after_a_purchase, BgNbd(0.8, 10, 0.9, 3)),
        (fit_pareto_nbd, at_any_time, ParetoNbd(0.8, 10, 0.9, 15)),
    ],
)
def test_simulated_buyers_show_the_truth_again(fit, drops_out_at, truth):
    model = fit(*buyers(np.random.default_rng(5), 12_000, drops_out_at))
    assert (model.r, model.alpha) == pytest.approx((0.8, 10), rel=0.1)
    assert model.expected([10, 50, 200]) == pytest.approx(truth.expected([10, 50, 200]), rel=0.05)
    histories = [[0, 2, 8], [0, 10, 50], [50, 50, 60]]
    assert model.p_alive(*histories) == pytest.approx(truth.p_alive(*histories), abs=0.05)


HISTORIES = np.array([[0, 0, 40], [0, 0, 25], [1, 3, 40], [2, 30, 39], [5, 12, 40], [9, 38, 40]]).T
WEIGHTS = np.array([40, 25, 12, 9, 6, 8])


@pytest.mark.parametrize("fit", [fit_bg_nbd, fit_pareto_nbd])
def test_weights_equal_repetition_in_any_order_and_unit(fit):
    model = fit(*HISTORIES, WEIGHTS)
    shuffled = np.random.default_rng(3).permutation(np.repeat(HISTORIES, WEIGHTS, axis=1).T).T
    repeated = fit(*shuffled)
    assert repeated == model
    days = fit(HISTORIES[0], 7 * HISTORIES[1], 7 * HISTORIES[2], WEIGHTS)
    assert days.alpha == pytest.approx(7 * model.alpha, rel=1e-3)
    assert days.expected(7 * 52) == pytest.approx(model.expected(52), rel=1e-4)
    assert days.loglik == pytest.approx(model.loglik - (WEIGHTS @ HISTORIES[0]) * np.log(7))


@pytest.mark.parametrize("fit", [fit_bg_nbd, fit_pareto_nbd])
@pytest.mark.parametrize(
    ("x", "t_x", "T", "reason"),
    [
        ([2], [3], [5], "of 1 customer"),
        ([], [], [], "of 0 customers"),
        ([0, 0], [0, 0], [5, 6], "Nobody has come back yet"),
        ([2, 0], [6, 0], [5, 5], "between 0 and the end"),
        ([2, 0], [-1, 0], [5, 5], "between 0 and the end"),
        ([2, 0], [0, 0], [5, 5], "later than 0 just where x is above 0; not so in 1 of 2"),
        ([0, 1], [2, 2], [5, 5], "later than 0 just where x is above 0; not so in 1 of 2"),
        ([-1, 0], [2, 0], [5, 5], "repeat purchases"),
        ([1.5, 0], [2, 0], [5, 5], "repeat purchases"),
        ([1, 0], [np.nan, 0], [5, 5], "known, finite numbers; not so in 1 of 2"),
    ],
)
def test_purchases_without_an_answer_are_refused(fit, x, t_x, T, reason):  # noqa: N803
    with pytest.raises(StatisticsError, match=reason):
        fit(x, t_x, T)


@pytest.mark.parametrize("fit", [fit_bg_nbd, fit_pareto_nbd])
def test_buyers_who_never_drop_out_are_noted_and_stay_alive(fit):
    random = np.random.default_rng(2)
    model = fit(*buyers(random, 2_000, lambda _: lambda now, count: False))
    assert "Hardly anyone drops out, as far as the data show." in model.notes
    assert model.p_alive(5, 40, 50) > 0.98
    assert model.expected(50) == pytest.approx(0.8 * 50 / 10, rel=0.05)


# Spend: Gamma-Gamma


def test_published_gamma_gamma_comes_out():
    agree = oracle("cdnow_gamma_gamma")
    money = pd.read_csv(ORACLES / "cdnow_gamma_gamma/cdnow_money.csv")
    x, spend = money.frequency, money.monetary_value
    agree("n repeat buyers", (x > 0).sum())
    model = fit_gamma_gamma(x, spend)
    for name in ("p", "q", "gamma"):
        agree(name, getattr(model, name))
    agree("LL", model.loglik)
    agree("population mean p*g/(q-1)", model.population_mean)
    expected = model.expected(x, spend)
    for customer in (1, 2):
        agree(f"E[M] cust {customer}", expected[customer - 1])
    agree("E[M] cust 3 (x=0)", expected[2])
    agree("mean E[M]", expected.mean())

    # lifetimes takes 4.345 weeks for a month and discounts at its end.
    buying = fit_bg_nbd(x, money.recency, money["T"])
    months = np.arange(13) * 4.345
    for customer in (1, 2, 6):
        history = money.loc[customer - 1, ["frequency", "recency", "T"]]
        bought = np.diff([buying.conditional(t, *history) for t in months])
        value = (bought / 1.01 ** np.arange(1, 13)).sum() * expected[customer - 1]
        agree(f"CLV 12m freq=W cust {customer}", value)


def test_spend_is_drawn_from_ones_own_towards_everybodys():
    # p = 6, q = 4, gamma = 15: everybody's 30; after 2 of 20 on average, 6 · (15 + 40) / (12 + 3)
    model = GammaGamma(6, 4, 15)
    assert model.population_mean == 30
    assert model.expected([0, 2], [np.nan, 20]) == pytest.approx([30, 22])
    assert model.expected(10_000, 20) == pytest.approx(20, rel=1e-3)


def test_simulated_spend_shows_the_truth_again_in_any_currency():
    random = np.random.default_rng(8)
    x = random.integers(0, 9, 20_000)
    own = random.gamma(4, 1 / 15, x.size)
    spend = random.gamma(6 * np.maximum(x, 1)) / np.maximum(x, 1) / own
    model = fit_gamma_gamma(x, spend)
    assert (model.p, model.q, model.gamma) == pytest.approx((6, 4, 15), rel=0.06)
    cents = fit_gamma_gamma(x, 100 * spend)
    assert cents.population_mean == pytest.approx(100 * model.population_mean, rel=1e-5)
    assert cents.loglik == pytest.approx(model.loglik - (x > 0).sum() * np.log(100))


def test_weights_of_spend_equal_repetition():
    x, spend, weights = np.array([1, 2, 3, 5]), np.array([10, 40, 25, 30]), np.array([3, 4, 9, 5])
    repeated = fit_gamma_gamma(np.repeat(x, weights), np.repeat(spend, weights))
    assert repeated == fit_gamma_gamma(x, spend, weights)
    with_others = fit_gamma_gamma([*x, 0], [*spend, np.nan], [*weights, 50])
    assert with_others == repeated


@pytest.mark.parametrize(
    ("x", "spend", "reason"),
    [
        ([2, 3], [5, 5], "Every customer spends the same"),
        ([2], [5], "of 1 customer"),
        ([0, 0], [0, 0], "of 0 customers"),
        ([2, 3], [5, 0], "mean spend of one who bought is above 0; not so in 1 of 2"),
        ([2, 3], [5, -1], "mean spend of one who bought is above 0; not so in 1 of 2"),
        ([2, 0.5], [5, 6], "purchases is whole"),
    ],
)
def test_spend_without_an_answer_is_refused(x, spend, reason):
    with pytest.raises(StatisticsError, match=reason):
        fit_gamma_gamma(x, spend)


def test_infinite_mean_spend_is_noted():
    random = np.random.default_rng(0)
    x = random.integers(1, 9, 2_000)
    model = fit_gamma_gamma(x, random.gamma(3 * x) / x / random.gamma(0.6, 1, x.size))
    assert model.population_mean == np.inf
    assert model.expected(0, 0) == np.inf
    assert "Spend is so uneven that its mean is infinite under the model." in model.notes


# Gradients

columns = [np.array(column, dtype=float) for column in (*HISTORIES, WEIGHTS)]
LIKELIHOODS = {
    "sbg": (sbg.likelihood_of(np.array([40.0, 15, 7]), np.array([100.0, 60, 30])), 2),
    "bg_nbd": (bg_nbd.likelihood_of(*columns), 4),
    "pareto_nbd": (pareto_nbd.likelihood_of(*columns), 4),
    "gamma_gamma": (
        gamma_gamma.likelihood_of(
            np.array([1.0, 2, 7]), np.array([0.5, 2, 1]), np.array([3.0, 2, 4])
        ),
        3,
    ),
}


@pytest.mark.parametrize("name", LIKELIHOODS)
@given(st.lists(st.floats(0.05, 20), min_size=4, max_size=4))
@settings(deadline=None)
def test_gradient_is_the_slope_of_the_likelihood(name, parameters):
    likelihood, count = LIKELIHOODS[name]
    at = np.array(parameters[:count])
    _, gradient = likelihood(at)
    for i in range(count):
        step = np.zeros(count)
        step[i] = 1e-5 * at[i]
        slope = (likelihood(at + step)[0] - likelihood(at - step)[0]) / (2 * step[i])
        assert gradient[i] == pytest.approx(slope, rel=1e-5, abs=1e-3 / at[i])
