"""What customers spend at a time (Gamma-Gamma)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln, digamma

from revops_kit.errors import StatisticsError
from revops_kit.stats.arrays import floats, plain, refuse
from revops_kit.stats.lifetime.fitting import ALIKE, Likelihood, maximise
from revops_kit.stats.lifetime.histories import columns_of, grouped, refuse_one


@dataclass(frozen=True)
class GammaGamma:
    """Customers who each spend around their own mean, however often they buy.

    A purchase is Gamma(p, ν) with ν of each customer Gamma(q, gamma); `gamma` is in the currency
    of the data. `population_mean` is infinite where q ≤ 1.

    References
    ----------
    P. S. Fader and B. G. S. Hardie, "The Gamma-Gamma Model of Monetary Value" (2013),
    brucehardie.com/notes/025.
    """

    p: float
    q: float
    gamma: float
    loglik: float = np.nan
    notes: tuple[str, ...] = ()

    @property
    def population_mean(self) -> float:
        """The mean spend per purchase of a customer of whom nothing is known."""
        return self.p * self.gamma / (self.q - 1) if self.q > 1 else np.inf

    def expected(self, x: ArrayLike, mean_value: ArrayLike) -> float | np.ndarray:
        """Give the mean spend expected of a customer: their own, drawn towards everybody's.

        Parameters are those of `fit_gamma_gamma`; where x is 0, mean_value does not matter.

        Examples
        --------
        >>> round(GammaGamma(6.25, 3.74, 15.44).expected(2, 22.35), 1)
        24.7
        """
        x, mean_value = floats(x, mean_value)
        spent = np.where(x > 0, x * mean_value, 0)
        shape = self.p * x + self.q - 1
        finite = shape > 0
        mean = self.p * (self.gamma + spent) / np.where(finite, shape, 1)
        return plain(np.where(finite, mean, np.inf))


def fit_gamma_gamma(
    x: ArrayLike, mean_value: ArrayLike, weights: ArrayLike | None = None
) -> GammaGamma:
    """Fit the Gamma-Gamma model of spend per purchase.

    Parameters
    ----------
    x
        Purchases that the mean is taken over; those with 0 tell nothing and are left out.
    mean_value
        Mean spend per purchase: above 0 where x is, and of no matter where x is 0.
    weights
        How many customers have each history; one, when left out.
    """
    x, mean_value = floats(x, mean_value)
    x, spend, weights = columns_of(weights, x, np.where(x > 0, mean_value, 0))
    refuse((x < 0) | (x != np.round(x)), "the number of purchases is whole, and 0 or more")
    x, spend, weights = x[x > 0], spend[x > 0], weights[x > 0]
    refuse(~(spend > 0), "the mean spend of one who bought is above 0")
    x, spend, weights = grouped(weights, x, spend)
    size = weights.sum()
    refuse_one(size)
    if spend.min() == spend.max():
        raise StatisticsError("Every customer spends the same, so there is no spread to model.")
    unit = float(np.average(spend, weights=weights))
    (p, q, gamma), best = maximise(likelihood_of(x, spend / unit, weights), [2, 3, 1], size)
    said = [
        (p > ALIKE, "Every customer spends the same each time, as far as the data show."),
        (q > ALIKE, "Customers do not differ in what they spend, as far as the data show."),
        (q <= 1, "Spend is so uneven that its mean is infinite under the model."),
        (
            x.max() == 1,
            "Each mean is of one purchase: a customer's own spread is hard to tell from others'.",
        ),
    ]
    notes = tuple(text for holds, text in said if holds)
    return GammaGamma(p, q, gamma * unit, best - float(size * np.log(unit)), notes)


def likelihood_of(x: np.ndarray, spend: np.ndarray, weights: np.ndarray) -> Likelihood:
    """Make the log-likelihood of (p, q, gamma), with its gradient: equation 1a of the paper."""

    def likelihood(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        p, q, gamma = parameters
        spent, total = x * spend, gamma + x * spend
        # A customer's own spend, and everybody's, as shares of the two together.
        log_own, log_all = -np.log1p(gamma / spent), -np.log1p(spent / gamma)
        value = p * x * log_own + q * log_all - betaln(p * x, q) - np.log(spend)
        by_p = x * (digamma(p * x + q) - digamma(p * x) + log_own)
        by_q = digamma(p * x + q) - digamma(q) + log_all
        by_gamma = q / gamma - (p * x + q) / total
        return weights @ value, np.array([weights @ by for by in (by_p, by_q, by_gamma)])

    return likelihood
