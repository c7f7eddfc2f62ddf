"""Contracts: which customers renew, and for how long (shifted-beta-geometric)."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import betaln

from revops_kit.errors import StatisticsError
from revops_kit.stats.arrays import floats, plain, refuse
from revops_kit.stats.lifetime.fitting import Likelihood, beta_rule, maximise
from revops_kit.stats.lifetime.histories import columns_of, refuse_one
from revops_kit.units import percent

# Parameters that add up to this make churn as good as constant, and leave survival exact to 1e-8.
CONSTANT = 1e6


@dataclass(frozen=True, eq=False)
class ShiftedBetaGeometric:
    """Customers who each leave with their own fixed chance at every renewal, Beta(alpha, beta).

    A customer who leaves at the first renewal has T = 1:
    P(T = t) = B(alpha + 1, beta + t - 1) / B(alpha, beta), S(t) = B(alpha, beta + t) / B(alpha,
    beta). Those who stay longer are those less likely to leave, so retention rises with tenure.

    Attributes
    ----------
    alpha, beta
        The mean chance of leaving in the first period is alpha / (alpha + beta).
    loglik
        Of the fit; in the units of the weights.
    covariance
        Of (alpha, beta), from the curvature of the log-likelihood; NaN at a limit. It holds for
        numbers of customers, not for percent.
    notes
        What to tell the reader.

    References
    ----------
    P. S. Fader and B. G. S. Hardie, "How to Project Customer Retention", Journal of Interactive
    Marketing 21 (2007), 76-90.

    Examples
    --------
    >>> model = ShiftedBetaGeometric(alpha=1, beta=1)
    >>> model.survival([0, 1, 2, 3]).round(4).tolist()
    [1.0, 0.5, 0.3333, 0.25]
    """

    alpha: float
    beta: float
    loglik: float = np.nan
    covariance: np.ndarray | None = None
    notes: tuple[str, ...] = ()

    def survival(self, t: ArrayLike) -> float | np.ndarray:
        """Give the share of new customers still there after t renewals; 1 at t = 0."""
        (t,) = floats(t)
        return plain(np.exp(betaln(self.alpha, self.beta + t) - betaln(self.alpha, self.beta)))

    def derl(self, n: ArrayLike, discount: float) -> float | np.ndarray:
        """Give the discounted expected residual lifetime of a customer, in periods.

        Parameters
        ----------
        n
            The renewal now due, 1 and more; the customer has made n - 1. That renewal counts in
            full, the one after it is discounted once.
        discount
            Rate per period. At 0 the result is infinite if alpha ≤ 1.

        References
        ----------
        P. S. Fader and B. G. S. Hardie, "Customer-Base Valuation in a Contractual Setting",
        Marketing Science 29 (2010), 85-93, equation 6.

        Examples
        --------
        >>> round(ShiftedBetaGeometric(3.8, 15.2).derl(n=1, discount=0.1), 2)
        3.31
        """
        (n,) = floats(n)
        alpha, beta = self.alpha, self.beta + n - 1
        if discount == 0:
            return plain(beta / (alpha - 1) if alpha > 1 else np.full_like(beta, np.inf))
        # SciPy's hyp2f1 is NaN for much of the range, at (1, 6.2; 8.2; 1/1.002) for one. The mean
        # of the sum over chances of leaving is the same number, and always there.
        latest = n.max()
        chance, weight = beta_rule(alpha, self.beta + latest - 1, nodes=256)
        ahead = [weight @ ((1 - chance) * (1 + discount) / (discount + chance))]
        # A renewal earlier, it is made by so many, and what follows is discounted once more.
        for due in np.arange(latest - 1, n.min() - 1, -1):
            made = (self.beta + due - 1) / (alpha + self.beta + due - 1)
            ahead.append(made * (1 + ahead[-1] / (1 + discount)))
        return plain(np.array(ahead)[(latest - n).astype(int)])

    def discounted_lifetime(self, periods: int, discount: float) -> float:
        """Give the discounted periods that a new customer stays, of the first `periods`.

        The first counts in full, as it is paid at the start: the sum of S(t) / (1 + discount)^t
        for t = 0 … periods - 1. Times the margin of a period it is the value of a new customer.

        Examples
        --------
        >>> round(ShiftedBetaGeometric(1, 1).discounted_lifetime(3, discount=0), 4)
        1.8333
        """
        t = np.arange(periods)
        return float(np.sum(self.survival(t) / (1 + discount) ** t))

    def error(self, figure: Callable[["ShiftedBetaGeometric"], float]) -> float:
        """Give the standard error of a figure of the model, by the delta method.

        NaN where the covariance is not known.
        """
        if self.covariance is None or not np.isfinite(self.covariance).all():
            return np.nan
        # Central differences, for sums over survival have no short derivative.
        steps = {"alpha": 1e-4 * self.alpha, "beta": 1e-4 * self.beta}
        slopes = np.array(
            [
                figure(replace(self, **{name: getattr(self, name) + step}))
                - figure(replace(self, **{name: getattr(self, name) - step}))
                for name, step in steps.items()
            ]
        )
        slopes /= 2 * np.array(list(steps.values()))
        return float(np.sqrt(slopes @ self.covariance @ slopes))


def fit_sbg(survivors: ArrayLike) -> ShiftedBetaGeometric:
    """Fit the shifted-beta-geometric model to one cohort.

    Parameters
    ----------
    survivors
        How many (or what percent) are still there after 0, 1, 2, … renewals.

    Examples
    --------
    The "regular" customers of Fader and Hardie (2007), of whom 63.1 % renewed once.

    >>> model = fit_sbg([1000, 631, 468, 382, 326, 289, 262, 241])
    >>> round(model.alpha, 3), round(model.beta, 3)
    (0.704, 1.182)
    """
    alive = np.asarray(survivors, dtype=float)
    if not (alive.ndim == 1 and alive.size > 1 and np.isfinite(alive).all() and alive[-1] >= 0):
        raise StatisticsError("Survivors are two or more known numbers, none below 0.")
    if (np.diff(alive) > 0).any():
        raise StatisticsError("Survivors cannot grow from one period to the next.")
    return _fit_sbg(left=-np.diff(alive), at_risk=alive[:-1])


def fit_sbg_durations(
    durations: ArrayLike,
    ended: ArrayLike,
    weights: ArrayLike | None = None,
    entry: ArrayLike | None = None,
) -> ShiftedBetaGeometric:
    """Fit the shifted-beta-geometric model to customers of any age, each with a history.

    Parameters
    ----------
    durations
        Whole periods. Of one who left: how many they were a customer for, 1 and more (1: they did
        not make the first renewal). Of one still there: how many renewals they have made, 0 and
        more (0 tells nothing yet).
    ended
        True for those who left.
    weights
        How many customers have each history; one, when left out.
    entry
        Late entry (left truncation): after how many whole periods each came under watch; 0 for
        those watched from the start. Renewals before are given, not seen: one who had left by
        then would not be in the data. One who left no later than that tells nothing.

    Examples
    --------
    >>> one_cohort = fit_sbg([100, 60, 45])
    >>> same = fit_sbg_durations([1, 2, 2], [True, True, False], [40, 15, 45])
    >>> bool(abs(same.alpha - one_cohort.alpha) < 1e-6)
    True
    """
    late = np.zeros(np.shape(durations)) if entry is None else entry
    periods, ended, entry, weights = columns_of(weights, durations, ended, late)
    refuse((ended != 0) & (ended != 1), "ended is true or false")
    refuse((periods < 0) | (periods != np.round(periods)), "a duration is whole periods")
    refuse((ended > 0) & (periods < 1), "one who left was a customer for one period or more")
    refuse((entry < 0) | (entry != np.round(entry)), "late entry is after whole periods")
    left, at_risk = renewals(periods, ended, weights, entry)
    return _fit_sbg(left, at_risk)


def renewals(
    periods: np.ndarray, ended: np.ndarray, weights: np.ndarray, entry: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Count who left in period 1, 2, … and who was watched and could have.

    Parameters are those of `fit_sbg_durations`.
    """
    seen = periods > entry
    periods, entry, weights = (column[seen] for column in (periods, entry, weights))
    periods, entry = periods.astype(int), entry.astype(int)
    longest = periods.max(initial=0)
    left = np.bincount(periods, weights * ended[seen], longest + 1)[1:]
    reaching, later = (np.bincount(t, weights, longest + 1)[1:] for t in (periods, entry))
    at_risk = np.cumsum((reaching - later)[::-1])[::-1]
    # What adding fractions up leaves of a zero is not at risk.
    return left, np.where(at_risk > 1e-9 * weights.sum(), at_risk, 0.0)


def _fit_sbg(left: np.ndarray, at_risk: np.ndarray) -> ShiftedBetaGeometric:
    """Fit to the numbers who left in period 1, 2, … and who could have."""
    stayed, earlier = at_risk - left, np.arange(len(left))
    leavers = left.sum()
    refuse_one(at_risk.max(initial=0))
    if at_risk[0] == 0:
        raise StatisticsError(
            "Nobody was watched from the start, so how soon new customers leave cannot be told."
        )
    if leavers == 0:
        raise StatisticsError("Nobody has left yet, so how long customers stay cannot be told.")
    if stayed.sum() == 0:
        raise StatisticsError("Everybody left in the first period: there is no lifetime to model.")
    if np.count_nonzero(at_risk) < 2:
        raise StatisticsError(
            "Only one renewal has been seen. Two or more show how churn changes with tenure."
        )
    if left[1:].sum() == 0:
        raise StatisticsError(
            "Nobody left after the first period, so the model would keep the rest for ever."
        )

    # With the spread of chances at 0, churn is constant. Where spreading them does not raise the
    # likelihood there, that is the best fit, with alpha and beta beyond all bounds.
    churn = leavers / at_risk.sum()
    constant = leavers * np.log(churn) + stayed.sum() * np.log1p(-churn)
    if earlier @ (stayed / (1 - churn) - at_risk) > 0:
        start = [2 * churn, 2 * (1 - churn)]
        (alpha, beta), best = maximise(likelihood_of(left, at_risk), start, at_risk.max())
        if best > constant + 1e-9 * abs(constant):
            covariance = np.linalg.inv(_information(alpha, beta, left, at_risk))
            return ShiftedBetaGeometric(alpha, beta, best, covariance)
    return ShiftedBetaGeometric(
        alpha=float(churn * CONSTANT),
        beta=float((1 - churn) * CONSTANT),
        loglik=float(constant),
        covariance=np.full((2, 2), np.nan),
        notes=(
            "Churn does not fall with tenure: the model is a constant "
            f"{percent(churn, 2)} a period.",
        ),
    )


def _information(alpha: float, beta: float, left: np.ndarray, at_risk: np.ndarray) -> np.ndarray:
    """Give the curvature of the log-likelihood, downwards."""
    earlier = np.arange(len(left))
    common = (at_risk / (alpha + beta + earlier) ** 2).sum()
    by_alpha = left.sum() / alpha**2
    by_beta = ((at_risk - left) / (beta + earlier) ** 2).sum()
    return np.array([[by_alpha - common, -common], [-common, by_beta - common]])


def likelihood_of(left: np.ndarray, at_risk: np.ndarray) -> Likelihood:
    """Make the log-likelihood of (alpha, beta), with its gradient."""
    stayed, earlier, leavers = at_risk - left, np.arange(len(left)), left.sum()

    # Of those at risk in period t, alpha / (alpha + beta + t - 1) leave.
    def likelihood(parameters: np.ndarray) -> tuple[float, np.ndarray]:
        alpha, beta = parameters
        value = leavers * np.log(alpha) + stayed @ np.log(beta + earlier)
        value -= at_risk @ np.log(alpha + beta + earlier)
        common = (at_risk / (alpha + beta + earlier)).sum()
        by_alpha, by_beta = leavers / alpha - common, (stayed / (beta + earlier)).sum() - common
        return value, np.array([by_alpha, by_beta])

    return likelihood
