"""What numbers must hold before a figure is made of them."""

import numpy as np

from revops_kit.errors import StatisticsError


def refuse(wrong: np.ndarray, because: str) -> None:
    """Refuse numbers that cannot be, saying what they should be and how many are not.

    Examples
    --------
    >>> refuse(np.array([False, True]), "counts are 0 or more")
    Traceback (most recent call last):
    revops_kit.errors.StatisticsError: No estimate: counts are 0 or more, but 1 of 2 do not.
    """
    if np.any(wrong):
        found = f"{np.sum(wrong):,} of {np.size(wrong):,} do not"
        raise StatisticsError(f"No estimate: {because}, but {found}.")
