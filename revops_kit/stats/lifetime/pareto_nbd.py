"""No contract: which customers buy again, dropping out at any time (Pareto/NBD)."""
# The literature writes T for the time a customer was watched, and so does this interface.
# ruff: noqa: N803, N806

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import digamma, gammaln

from revops_kit.stats.arrays import floats, plain
from revops_kit.stats.lifetime.fitting import ALIKE, Likelihood, buying_notes, maximise
from revops_kit.stats.lifetime.histories import grouped_purchase_histories, purchase_histories


@dataclass(frozen=True)
class ParetoNbd:
    """Customers who buy at random, each at their own rate, until they drop out at any time.

    Rates of buying are Gamma(r, alpha), rates of dropping out Gamma(s, beta); `alpha` and `beta`
    are in the unit of time of the data. Unlike in BG/NBD, one who never came back may be gone;
    what can be asked of the model is the same.

    References
    ----------
    D. C. Schmittlein, D. G. Morrison and R. Colombo, "Counting Your Customers", Management Science
    33 (1987), 1-24; P. S. Fader and B. G. S. Hardie, "A Note on Deriving the Pareto/NBD Model"
    (2005), brucehardie.com/notes/009.
    """

    r: float
    alpha: float
    s: float
    beta: float
    loglik: float = np.nan
    notes: tuple[str, ...] = ()

    def expected(self, t: ArrayLike) -> float | np.ndarray:
        """Give the repeat purchases of a new customer in time t, as `BgNbd.expected`.

        Examples
        --------
        >>> round(ParetoNbd(r=1, alpha=2, s=2, beta=10).expected(10), 3)
        2.5
        """
        (t,) = floats(t)
        alive_for = self.beta * _decayed(self.s - 1, np.log1p(t / self.beta))
        return plain(self.r / self.alpha * alive_for)

    def conditional(
        self, t: ArrayLike, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
    ) -> float | np.ndarray:
        """Give the purchases expected in the next t, as `BgNbd.conditional`."""
        t, x, t_x, T = purchase_histories(t, x, t_x, T)
        alive_for = (self.beta + T) * _decayed(self.s - 1, np.log1p(t / (self.beta + T)))
        return plain(self.p_alive(x, t_x, T) * (self.r + x) / (self.alpha + T) * alive_for)

    def p_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> float | np.ndarray:
        """Give the probability of not having dropped out, as `BgNbd.p_alive`."""
        _, x, t_x, T = purchase_histories(0, x, t_x, T)
        alive, gone, *_ = _pareto_parts((self.r, self.alpha, self.s, self.beta), x, t_x, T)
        return plain(alive / (alive + self.s * gone))


def fit_pareto_nbd(
    x: ArrayLike, t_x: ArrayLike, T: ArrayLike, weights: ArrayLike | None = None
) -> ParetoNbd:
    """Fit the Pareto/NBD model to purchase histories; parameters as for `fit_bg_nbd`."""
    x, t_x, T, weights = grouped_purchase_histories(x, t_x, T, weights)
    unit = float(np.average(T, weights=weights))
    size, purchases = weights.sum(), weights @ x
    rate = purchases / size  # in that unit
    likelihood = likelihood_of(x, t_x / unit, T / unit, weights)
    (r, alpha, s, beta), best = maximise(likelihood, [1, 1 / rate, 1, 1], size)
    notes = buying_notes(
        r, drops_out=s * np.log1p(T.max() / (beta * unit)) > 1e-2, dropping_alike=s > ALIKE
    )
    return ParetoNbd(r, alpha * unit, s, beta * unit, best - float(purchases * np.log(unit)), notes)


def likelihood_of(x: np.ndarray, t_x: np.ndarray, T: np.ndarray, weights: np.ndarray) -> Likelihood:
    """Make the log-likelihood of (r, alpha, s, beta), with its gradient."""

    def likelihood(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        r, alpha, s, beta = parameters
        alive, gone, log_a, log_b, per_a, per_b = _pareto_parts(parameters, x, t_x, T)
        either = alive + s * gone
        value = gammaln(r + x) - gammaln(r) + np.log(either) - x * np.log(alpha + t_x)
        value -= r * np.log1p(t_x / alpha) + s * np.log1p(t_x / beta) + np.log(beta + t_x)
        by_r = np.log(alpha) - (alive * np.log(alpha + T) + s * log_a) / either
        by_alpha = r / alpha - (r + x) * (alive / (alpha + T) + s * per_a) / either
        by_s = np.log(beta) - (alive * np.log(beta + T) + s * log_b - gone) / either
        by_beta = s / beta - s * (alive / (beta + T) + (s + 1) * per_b) / either
        by_r = by_r + digamma(r + x) - digamma(r)
        return weights @ value, np.array([weights @ by for by in (by_r, by_alpha, by_s, by_beta)])

    return likelihood


def _pareto_parts(
    parameters: tuple[float, ...] | np.ndarray, x: np.ndarray, t_x: np.ndarray, T: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Weigh being alive at T against having dropped out at some y between t_x and T.

    Relative to f(t_x), where f(y) = (alpha + y)^-(r + x) (beta + y)^-(s + 1): the first is
    (alpha + T)^-(r + x) (beta + T)^-s, the second the integral of f. Then the integrals of f times
    log(alpha + y), log(beta + y), 1 / (alpha + y), 1 / (beta + y), for the gradient.
    """
    r, alpha, s, beta = parameters
    lost_a, lost_b = np.log(alpha + t_x), np.log(beta + t_x)

    def fall(log_a: np.ndarray, log_b: np.ndarray) -> np.ndarray:
        return np.exp(-(r + x) * (log_a - lost_a) - (s + 1) * (log_b - lost_b))

    alive = fall(np.log(alpha + T), np.log(beta + T)) * (beta + T)
    # The published form subtracts two 2F1 that agree in most of their digits. This integral adds
    # only what is positive. It stops where f has fallen to e^-25, and steps evenly in the logarithm
    # of y plus the smaller of alpha and beta, in which f is smooth.
    stop_a = (alpha + t_x) * np.expm1(np.minimum(25 / (r + x), 500))
    stop_b = (beta + t_x) * np.expm1(min(25 / (s + 1), 500))
    width = np.minimum(T - t_x, np.minimum(stop_a, stop_b))
    near = min(alpha, beta)
    span = np.log1p(width / (near + t_x))
    sums = np.zeros((5, *x.shape))
    for node, weight in zip(*np.polynomial.legendre.leggauss(24), strict=True):
        step = (near + t_x) * np.exp(span * (node + 1) / 2)  # y + near
        y_a, y_b = step - near + alpha, step - near + beta
        log_a, log_b = np.log(y_a), np.log(y_b)
        f = weight / 2 * span * step * fall(log_a, log_b)
        sums += np.array([f, f * log_a, f * log_b, f / y_a, f / y_b])
    return alive, *sums


def _decayed(rate: float, time: np.ndarray) -> np.ndarray:
    """Give (1 - exp(-rate · time)) / rate, which is the time itself at rate 0."""
    return time if rate == 0 else -np.expm1(-rate * time) / rate
