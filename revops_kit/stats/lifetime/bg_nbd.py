"""No contract: which customers buy again, dropping out after a purchase (BG/NBD)."""
# The literature writes T for the time a customer was watched, and so does this interface.
# ruff: noqa: N803, N806

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln, digamma, expit, gammaln

from revops_kit.stats.arrays import floats, plain
from revops_kit.stats.lifetime.fitting import ALIKE, Likelihood, beta_rule, buying_notes, maximise
from revops_kit.stats.lifetime.histories import grouped_purchase_histories, purchase_histories


@dataclass(frozen=True)
class BgNbd:
    """Customers who buy at random, each at their own rate, until they drop out after a purchase.

    Rates are Gamma(r, alpha); the chance of dropping out after a purchase is Beta(a, b). `alpha`
    is in the unit of time of the data. One who never came back cannot have dropped out yet, so
    P(alive) is 1 for x = 0.

    References
    ----------
    P. S. Fader, B. G. S. Hardie and K. L. Lee, "Counting Your Customers the Easy Way", Marketing
    Science 24 (2005), 275-284.
    """

    r: float
    alpha: float
    a: float
    b: float
    loglik: float = np.nan
    notes: tuple[str, ...] = ()

    def expected(self, t: ArrayLike) -> float | np.ndarray:
        """Give the repeat purchases that a new customer makes in time t, on average.

        Examples
        --------
        >>> round(BgNbd(0.2426, 4.4136, 0.7929, 2.4259).expected(52), 3)
        1.444
        """
        (t,) = floats(t)
        chances = beta_rule(self.a, self.b, nodes=256)
        return plain(_purchases(self.r, t / self.alpha, chances))

    def conditional(
        self, t: ArrayLike, x: ArrayLike, t_x: ArrayLike, T: ArrayLike
    ) -> float | np.ndarray:
        """Give the purchases expected in the next t of a customer with that history.

        Parameters are those of `fit_bg_nbd`.
        """
        t, x, t_x, T = purchase_histories(t, x, t_x, T)
        while_alive = np.empty(x.shape)
        for count in np.unique(x):
            these = x == count
            horizon = t[these] / (self.alpha + T[these])
            chances = beta_rule(self.a, self.b + count, nodes=128)
            while_alive[these] = _purchases(self.r + count, horizon, chances)
        return plain(self.p_alive(x, t_x, T) * while_alive)

    def p_alive(self, x: ArrayLike, t_x: ArrayLike, T: ArrayLike) -> float | np.ndarray:
        """Give the probability that a customer with that history has not dropped out."""
        _, x, t_x, T = purchase_histories(0, x, t_x, T)
        back = x > 0
        survived = np.where(back, x - 1, 0)
        log_odds = np.log(self.a / (self.b + survived))
        log_odds = log_odds + (self.r + x) * np.log1p((T - t_x) / (self.alpha + t_x))
        return plain(np.where(back, expit(-log_odds), 1.0))


def fit_bg_nbd(
    x: ArrayLike, t_x: ArrayLike, T: ArrayLike, weights: ArrayLike | None = None
) -> BgNbd:
    """Fit the BG/NBD model to purchase histories.

    Parameters
    ----------
    x
        Repeat purchases: all but the first.
    t_x
        Time from the first purchase to the last; 0 where x is 0.
    T
        Time from the first purchase to the end of the data.
    weights
        How many customers have each history; one, when left out.
    """
    x, t_x, T, weights = grouped_purchase_histories(x, t_x, T, weights)
    unit = float(np.average(T, weights=weights))
    size, purchases = weights.sum(), weights @ x
    rate = purchases / size  # in that unit
    likelihood = likelihood_of(x, t_x / unit, T / unit, weights)
    (r, alpha, a, b), best = maximise(likelihood, [1, 1 / rate, 1, 2], size)
    notes = buying_notes(r, drops_out=a / (a + b) > 1e-3, dropping_alike=a + b > ALIKE)
    return BgNbd(r, alpha * unit, a, b, best - float(purchases * np.log(unit)), notes)


def likelihood_of(x: np.ndarray, t_x: np.ndarray, T: np.ndarray, weights: np.ndarray) -> Likelihood:
    """Make the log-likelihood of (r, alpha, a, b), with its gradient: equation 6 of the paper."""
    size = weights.sum()
    counts, which = np.unique(x, return_inverse=True)
    by_count = np.bincount(which, weights)
    back = x > 0
    watched, which_T = np.unique(T, return_inverse=True)
    by_T, bought_by_T = np.bincount(which_T, weights), np.bincount(which_T, weights * x)
    # Only those who came back need a term each; the rest of the likelihood depends on x or T alone.
    x, t_x, weights, which, which_T = (v[back] for v in (x, t_x, weights, which, which_T))
    survived = np.maximum(counts - 1, 0)

    def likelihood(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        r, alpha, a, b = parameters
        growth, log_T = np.log1p(watched / alpha), np.log(alpha + watched)
        since = log_T[which_T] - np.log(alpha + t_x)
        log_odds = np.log(a / (b + survived))[which] + (r + x) * since
        gone = weights * expit(log_odds)
        value = by_count @ (gammaln(r + counts) + betaln(a, b + counts))
        value -= size * (gammaln(r) + betaln(a, b))
        value -= r * (by_T @ growth) + bought_by_T @ log_T
        value += weights @ np.logaddexp(0, log_odds)
        of_all, of_b = digamma(a + b) - digamma(a + b + counts), digamma(b + counts) - digamma(b)
        per_T = 1 / (alpha + watched)
        by_r = by_count @ (digamma(r + counts) - digamma(r)) - by_T @ growth + gone @ since
        by_alpha = r / alpha * (by_T @ (watched * per_T)) - bought_by_T @ per_T
        by_alpha += gone @ ((r + x) * (per_T[which_T] - 1 / (alpha + t_x)))
        by_a = by_count @ of_all + gone.sum() / a
        by_b = by_count @ (of_all + of_b) - gone @ (1 / (b + survived))[which]
        return value, np.array([by_r, by_alpha, by_a, by_b])

    return likelihood


def _purchases(
    shape: float, horizon: np.ndarray, chances: tuple[np.ndarray, np.ndarray]
) -> np.ndarray:
    """Average (1 - (1 + horizon p)^-shape) / p, the purchases, over chances p of dropping out."""
    # The published form divides 1 - 2F1 by a - 1: lost to rounding near a = 1, and NaN in SciPy for
    # long horizons and many purchases.
    total = np.zeros(horizon.shape)
    for p, weight in zip(*chances, strict=True):
        total -= weight / p * np.expm1(-shape * np.log1p(horizon * p))
    return total
