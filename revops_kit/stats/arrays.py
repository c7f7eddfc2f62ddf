"""Numbers in, numbers out: scalars and arrays alike, and refused where they cannot be."""

import numpy as np
from numpy.typing import ArrayLike

from revops_kit.errors import StatisticsError
from revops_kit.units import number


def floats(*numbers: ArrayLike) -> tuple[np.ndarray, ...]:
    """Take scalars and arrays as arrays of floats of one shape."""
    return np.broadcast_arrays(*(np.asarray(some, dtype=float) for some in numbers))


def plain(result: ArrayLike) -> float | np.ndarray:
    """Give a float for a scalar, and an array for an array.

    Examples
    --------
    >>> plain(np.float64(0.5))
    0.5
    """
    return float(result) if np.ndim(result) == 0 else np.asarray(result)


def refuse(wrong: np.ndarray, because: str) -> None:
    """Refuse numbers that cannot be, saying what they should be and how many are not.

    Examples
    --------
    >>> refuse(np.array([False, True]), "counts are 0 or more")
    Traceback (most recent call last):
    revops_kit.errors.StatisticsError: No estimate: counts are 0 or more; not so in 1 of 2.
    """
    if np.any(wrong):
        some, every = number(np.sum(wrong)), number(np.size(wrong))
        raise StatisticsError(f"No estimate: {because}; not so in {some} of {every}.")


def log_mean(a: float, b: float) -> float:
    """Give the logarithmic mean of two positive numbers.

    Examples
    --------
    >>> round(float(log_mean(1.0, np.e)), 4), log_mean(2.0, 2.0)
    (1.7183, 2.0)
    """
    return a if a == b else (b - a) / np.log(b / a)
