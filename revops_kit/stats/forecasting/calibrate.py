"""Intervals as wide as the errors of the backtest were, where those exceed what a model says."""

from statistics import NormalDist

import numpy as np

# Fewer origins than this say nothing about the width.
LEAST_ORIGINS = 3
# Times the errors of the backtest, that an interval is widened to at most.
MOST = 2


def factors(errors: np.ndarray, sd: np.ndarray) -> np.ndarray:
    """Say how many times larger errors were than a method says of itself.

    Parameters
    ----------
    errors, sd
        Shape (candidates, origins, horizon, series); errors are NaN where nothing came yet.

    Returns
    -------
    array of shape (candidates, origins + 1, series)
        The root of the mean squared ratio: for each origin over the others, and last over all.
        NaN where that leaves fewer than three origins.
    """
    seen = ~np.isnan(errors)
    ratio = np.where(seen, errors, 0) / np.where(sd > 0, sd, np.inf)
    square = (ratio**2).sum(axis=2) / np.maximum(seen.sum(axis=2), 1)
    counts = seen.any(axis=2)
    square, rests_on = (_others_and_all(each) for each in (square, counts.astype(float)))
    mean = np.maximum(square, 0) / np.maximum(rests_on, 1)
    return np.where(rests_on >= LEAST_ORIGINS, np.sqrt(mean), np.nan)


def half_widths(
    sd: np.ndarray, factor: np.ndarray, errors: np.ndarray, free: int, level: float
) -> np.ndarray:
    """Give half the width of intervals, which never shrinks from one period to the next.

    Parameters
    ----------
    sd
        What a method says of itself: (candidates, origins and the present, horizon, series).
    factor
        As `factors` gives it. Below 1 the method's own holds; where it is NaN too, by Student's t.
    errors
        Those of the backtest, as `factors` takes them. No interval is widened beyond twice the
        largest root mean square of them: a method that was sure of itself when the level shifted
        would be punished twice, for its errors and for having learnt from them.
    free
        Degrees of freedom where there is no factor: periods less parameters.
    level
        In percent.

    Examples
    --------
    Errors were twice what the method says: 2 times 1.96 for 95 %.

    >>> errors = np.full((1, 3, 2, 1), 2.0)
    >>> half_widths(np.ones((1, 1, 2, 1)), np.array([[[2.0]]]), errors, 10, 95).ravel().round(2)
    array([3.92, 3.92])
    """
    tail = 0.5 + level / 200
    normal, factor = NormalDist().inv_cdf(tail), factor[:, :, None]
    seen = ~np.isnan(errors)
    square = np.where(seen, errors, 0) ** 2
    largest = np.sqrt((square.sum(axis=1) / np.maximum(seen.sum(axis=1), 1)).max(axis=1))
    widened = np.minimum(sd * factor, MOST * largest[:, None, None])
    half = normal * np.fmax(sd, widened)
    if np.isnan(factor).any():
        from scipy.special import stdtrit

        half = np.where(np.isnan(factor), sd * stdtrit(max(free, 2), tail), half)
    return np.maximum.accumulate(half, axis=2)


def _others_and_all(each: np.ndarray) -> np.ndarray:
    """Sum over the other origins for each origin, and last over all."""
    total = each.sum(axis=1, keepdims=True)
    return np.concatenate([total - each, total], axis=1)
