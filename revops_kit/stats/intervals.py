"""How sure a figure is: confidence intervals, and p-values corrected for many looks.

Scalars give floats and arrays give arrays. Nothing to count gives NaN, never an error, so that
one empty group leaves the others alone; counts that cannot be are refused.

SciPy takes as long to load as a figure takes to compute, so only what needs it pays for it.
"""

from statistics import NormalDist

import numpy as np
from numpy.typing import ArrayLike

from revops_kit.errors import RequestError
from revops_kit.stats.arrays import floats, plain, refuse

Bound = float | np.ndarray

Z = NormalDist().inv_cdf(0.975)  # standard errors to either side of a 95 % interval


def wilson(
    successes: ArrayLike, trials: ArrayLike, confidence: float = 0.95, *, corrected: bool = False
) -> tuple[Bound, Bound]:
    """Bound a share by its Wilson score interval.

    Returns the low and high end, each between 0 and 1; NaN where there were no trials. `corrected`
    for continuity it is wider, as R's `prop.test` prints it.

    References
    ----------
    E. B. Wilson, "Probable inference", JASA 22 (1927), 209-212; methods 3 and, corrected, 4 of
    R. G. Newcombe, Statistics in Medicine 17 (1998), 857-872.

    Examples
    --------
    >>> low, high = wilson(10, 20)
    >>> round(low, 4), round(high, 4)
    (0.2993, 0.7007)
    """
    z = NormalDist().inv_cdf(1 - _tail(confidence))
    s, n = _shares(successes, trials)
    share = s / n
    centre = (s + z**2 / 2) / (n + z**2)
    margin = z * np.sqrt(s * (1 - share) + z**2 / 4) / (n + z**2)
    if corrected:
        # The ends for half a success less, and half a success more.
        half = 0.5 / (n + z**2)
        below, above = (
            z * np.sqrt(np.maximum(s * (1 - share) + (z**2 - 1 / n) / 4 + sign * (share - 0.5), 0))
            for sign in (1, -1)
        )
        low, high = centre - half - below / (n + z**2), centre + half + above / (n + z**2)
    else:
        low, high = centre - margin, centre + margin
    # At the ends the arithmetic would miss 0 and 1 by a rounding error.
    low = np.where(share == 0, 0.0, np.maximum(low, 0.0))
    high = np.where(share == 1, 1.0, np.minimum(high, 1.0))
    return plain(low), plain(high)


def clopper_pearson(
    successes: ArrayLike, trials: ArrayLike, confidence: float = 0.95
) -> tuple[Bound, Bound]:
    """Bound a share by its exact binomial interval, which never covers less than it says.

    Wider than `wilson`; for small counts on which much hangs.

    References
    ----------
    C. J. Clopper and E. S. Pearson, Biometrika 26 (1934), 404-413.

    Examples
    --------
    >>> low, high = clopper_pearson(0, 20)
    >>> low, round(high, 4)
    (0.0, 0.1684)
    """
    from scipy.special import betainccinv, betaincinv

    tail = _tail(confidence)
    s, n = _shares(successes, trials)
    low = np.where(s == 0, 0 * n, betaincinv(np.maximum(s, 1e-9), n - s + 1, tail))
    high = np.where(s == n, 1.0, betainccinv(s + 1, np.maximum(n - s, 1e-9), tail))
    return plain(low), plain(high)


def newcombe(
    s1: ArrayLike, n1: ArrayLike, s2: ArrayLike, n2: ArrayLike, confidence: float = 0.95
) -> tuple[Bound, Bound, Bound]:
    """Bound the difference of two shares, s1/n1 - s2/n2, of separate groups.

    Returns the difference, its low and its high end, each between -1 and 1; NaN where either
    group is empty.

    References
    ----------
    R. G. Newcombe, Statistics in Medicine 17 (1998), 873-890, method 10: the hybrid of two Wilson
    intervals, without continuity correction.

    Examples
    --------
    >>> [round(end, 4) for end in newcombe(56, 70, 48, 80)]
    [0.2, 0.0524, 0.3339]
    """
    low1, high1 = wilson(s1, n1, confidence)
    low2, high2 = wilson(s2, n2, confidence)
    share1, share2 = (np.divide(*_shares(*pair)) for pair in ((s1, n1), (s2, n2)))
    difference = share1 - share2
    low = difference - np.hypot(share1 - low1, high2 - share2)
    high = difference + np.hypot(high1 - share1, share2 - low2)
    return plain(difference), plain(low), plain(high)


def delta_ratio(
    n: ArrayLike,
    sum_x: ArrayLike,
    sum_y: ArrayLike,
    sum_xx: ArrayLike,
    sum_yy: ArrayLike,
    sum_xy: ArrayLike,
    confidence: float = 0.95,
) -> tuple[Bound, Bound]:
    """Bound the ratio of two sums, sum_x / sum_y, over n independent things, by the delta method.

    Takes the sums of x, y, x², y² and xy, as a database adds them up. The variance of the
    residuals x - ratio·y is divided by n - 1, so that with y = 1 this is the interval of a mean.
    NaN below two things, and where sum_y is 0.

    References
    ----------
    W. G. Cochran, Sampling Techniques (3rd ed. 1977), section 6.3, without the correction for
    finite populations.

    Examples
    --------
    Three deals of 1, 2 and 3: mean 2, standard error 1/√3.

    >>> [round(end, 3) for end in delta_ratio(3, 6, 3, 14, 3, 6)]
    [0.868, 3.132]
    """
    z = NormalDist().inv_cdf(1 - _tail(confidence))
    n, x, y, xx, yy, xy = floats(n, sum_x, sum_y, sum_xx, sum_yy, sum_xy)
    n = np.where(n >= 2, n, np.nan)
    y = np.where(y == 0, np.nan, y)
    ratio = x / y
    # Rounding may leave a sum of squares that should be 0 a little below it.
    squares = np.maximum(xx - 2 * ratio * xy + ratio**2 * yy, 0)
    margin = z * np.sqrt(squares * n / (n - 1)) / np.abs(y)
    return plain(ratio - margin), plain(ratio + margin)


def poisson(count: ArrayLike, confidence: float = 0.95) -> tuple[Bound, Bound]:
    """Bound the expected number behind a count of independent events, exactly.

    References
    ----------
    F. Garwood, "Fiducial limits for the Poisson distribution", Biometrika 28 (1936), 437-442.

    Examples
    --------
    >>> [round(end, 3) for end in poisson(10)]
    [4.795, 18.39]
    """
    from scipy.special import gammainccinv, gammaincinv

    tail = _tail(confidence)
    (count,) = floats(count)
    refuse(count < 0, "counts are 0 or more")
    low = np.where(count == 0, 0.0, gammaincinv(np.maximum(count, 1e-9), tail))
    return plain(low), plain(gammainccinv(count + 1, tail))


def median_from_counts(
    values: ArrayLike, counts: ArrayLike, confidence: float = 0.95, q: float = 0.5
) -> tuple[float, float, float, int]:
    """Find the median, or the q-quantile, of values that each occur so many times.

    Parameters
    ----------
    values
        Distinct values, or not; in any order.
    counts
        How often each occurs: whole numbers.
    confidence
        Of the interval.
    q
        Between 0 and 1. Between two ranks the quantile is interpolated as NumPy and R (type 7)
        do; so the median of an even number is the mean of the two in the middle.

    Returns
    -------
    value, low, high : float
        The quantile, and two of the values as its bounds. With B ~ Binomial(n, q), `low` is the
        value of the highest rank with P(B < rank) ≤ (1 - confidence) / 2, and `high` that of the
        lowest rank with P(B ≥ rank) ≤ (1 - confidence) / 2: each tail is held on its own, so that
        the interval covers at least what it says, whatever the distribution. A bound for which n
        is too small is NaN (below 6, for a median at 95 %). In the far tails of few values, where
        interpolation leaves this interval, it is stretched to the quantile.
    n : int
        How many there are. With none, the rest is NaN.

    References
    ----------
    G. J. Hahn and W. Q. Meeker, Statistical Intervals (1991), section 5.2.

    Examples
    --------
    >>> median_from_counts([1, 2, 3, 4], [3, 3, 3, 1])
    (2.0, 1.0, 3.0, 10)
    """
    tail = _tail(confidence)
    if not 0 < q < 1:
        raise RequestError(f"The quantile {q} is not between 0 and 1.")
    values, counts = floats(values, counts)
    refuse((counts < 0) | (counts != np.round(counts)), "counts are whole numbers, 0 or more")
    values, counts = values[counts > 0], counts[counts > 0].astype("int64")
    refuse(np.isnan(values), "values are numbers")
    n = int(counts.sum())
    if n == 0:
        return np.nan, np.nan, np.nan, 0

    order = np.argsort(values, kind="stable")
    ranked, up_to = values[order], np.cumsum(counts[order])

    def at(rank: int) -> float:
        return float(ranked[np.searchsorted(up_to, rank)])

    position = (n - 1) * q + 1
    rank = int(position)
    value = at(rank) + (position - rank) * (at(min(rank + 1, n)) - at(rank))

    low_rank, high_rank = _binomial_ranks(n, q, tail)
    low = min(at(low_rank), value) if low_rank else np.nan
    high = max(at(high_rank), value) if high_rank else np.nan
    return value, low, high, n


def benjamini_hochberg(p: ArrayLike) -> np.ndarray:
    """Adjust p-values so that at most a share α of those below α are false alarms.

    For looking at many segments at once. An unknown p-value (NaN) stays so and does not count.

    References
    ----------
    Y. Benjamini and Y. Hochberg, JRSS B 57 (1995), 289-300.

    Examples
    --------
    >>> benjamini_hochberg([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.04, 0.04]
    """
    p = np.atleast_1d(np.asarray(p, dtype=float))
    refuse((p < 0) | (p > 1), "p-values lie between 0 and 1")
    known = p[~np.isnan(p)]
    order = np.argsort(known)[::-1]
    stretched = known[order] * len(known) / np.arange(len(known), 0, -1)
    adjusted = np.full(p.shape, np.nan)
    known[order] = np.minimum.accumulate(stretched)
    adjusted[~np.isnan(p)] = known
    return adjusted


def holm(p: ArrayLike) -> np.ndarray:
    """Adjust p-values so that with chance α at most, any of those below α is a false alarm.

    Stricter than `benjamini_hochberg`: for few looks, where one false alarm costs much. Rejects
    whatever Bonferroni's p times their number does, and more. NaN stays so and does not count.

    References
    ----------
    S. Holm, Scandinavian Journal of Statistics 6 (1979), 65-70.

    Examples
    --------
    >>> holm([0.01, 0.04, 0.03]).round(3).tolist()
    [0.03, 0.06, 0.06]
    """
    p = np.atleast_1d(np.asarray(p, dtype=float))
    refuse((p < 0) | (p > 1), "p-values lie between 0 and 1")
    known = p[~np.isnan(p)]
    order = np.argsort(known)
    stretched = known[order] * np.arange(len(known), 0, -1)
    adjusted = np.full(p.shape, np.nan)
    known[order] = np.minimum(np.maximum.accumulate(stretched), 1.0)
    adjusted[~np.isnan(p)] = known
    return adjusted


def chi_square(successes: ArrayLike, trials: ArrayLike) -> tuple[float, float]:
    """Test whether the shares of several groups differ at all, by Pearson's chi-squared.

    Returns chi-squared, with one degree of freedom fewer than there are groups with trials, and p.
    NaN below two groups, and where all or none succeeded: nothing can differ there.

    References
    ----------
    J. L. Fleiss, Statistical Methods for Rates and Proportions (2nd ed. 1981), 139; R's prop.test.

    Examples
    --------
    >>> chi2, p = chi_square([83, 90, 129, 70], [86, 93, 136, 82])
    >>> round(chi2, 2), round(p, 4)
    (12.6, 0.0056)
    """
    from scipy.special import gammaincc

    s, n = _shares(successes, trials)
    s, n = s[n > 0], n[n > 0]
    pooled = s.sum() / n.sum() if len(n) > 1 else np.nan
    with np.errstate(invalid="ignore", divide="ignore"):
        chi2 = float(np.sum((s - n * pooled) ** 2 / n) / (pooled * (1 - pooled)))
    return chi2, float(gammaincc((len(n) - 1) / 2, chi2 / 2)) if chi2 == chi2 else np.nan


def _binomial_ranks(n: int, q: float, tail: float) -> tuple[int | None, int | None]:
    """Find the ranks that bound a quantile from below and above; None where there is none."""
    # Ten standard deviations and some hold all but 1e-20 of Binomial(n, q). There the terms follow
    # from one to the next, without the logarithms of factorials that would need SciPy.
    reach = 10 * np.sqrt(n * q * (1 - q)) + 30
    first = max(0, int(n * q - reach))
    k = np.arange(first + 1, min(n, int(n * q + reach)) + 1)
    steps = np.log((n - k + 1) / k) + np.log(q) - np.log1p(-q)
    logs = np.concatenate([[0.0], np.cumsum(steps)])
    terms = np.exp(logs - logs.max())
    terms /= terms.sum()
    below = np.cumsum(terms)  # P(B ≤ first), P(B ≤ first + 1), …
    above = np.cumsum(terms[::-1])[::-1]  # P(B ≥ first), P(B ≥ first + 1), …
    low = first + int((below <= tail).sum())  # P(B ≤ low - 1) ≤ tail
    high = first + int((above > tail).sum())  # P(B ≥ high) ≤ tail
    return low or None, high if high <= n else None


def _tail(confidence: float) -> float:
    """Share the doubt between the two ends."""
    if not 0 < confidence < 1:
        raise RequestError(
            f"A confidence of {confidence} is not between 0 and 1. Write 0.95 for 95 %."
        )
    return (1 - confidence) / 2


def _shares(successes: ArrayLike, trials: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Take successes and trials as floats, with NaN for no trials."""
    s, n = floats(successes, trials)
    refuse((s < 0) | (s > n), "successes lie between 0 and the trials")
    return s, np.where(n > 0, n, np.nan)
