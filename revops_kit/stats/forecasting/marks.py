"""What stands out in a history, so that it can be looked at; nothing is smoothed away."""

import numpy as np

OUTLIER, LEVEL_SHIFT = "outlier", "level shift"
# Periods on each side that a value is compared with, and how many usual deviations are unusual.
SIDE = 6
UNUSUAL = 4.0
TO_SD = 1.4826  # of the median absolute deviation, for the normal distribution


def marks(y: np.ndarray, season: int) -> list[str]:
    """Mark outliers and level shifts in one series, by medians on both sides of each period.

    Parameters
    ----------
    y
        Values in order, complete.
    season
        Periods in a season; it is taken out where there are at least three.

    Returns
    -------
    list of str
        "outlier", "level shift" (at the first period of the new level) or "" for each period.

    Examples
    --------
    >>> y = np.array([5.0, 6, 5, 4, 5, 6, 5, 4, 50, 5, 6, 5, 4, 5, 6, 5])
    >>> [at for at, mark in enumerate(marks(y, season=1)) if mark]
    [8]
    """
    found = [""] * len(y)
    if len(y) < 2 * SIDE:
        return found
    x = np.log(y) if y.min() > 0 else y.astype(float)
    x = x - _season(x, season)
    around = _medians(np.pad(x, SIDE, constant_values=np.nan), 2 * SIDE + 1)
    left = x - around
    usual = TO_SD * np.median(np.abs(left))
    if usual == 0:
        usual = np.abs(left).mean() or 1.0
    for t in np.flatnonzero(np.abs(left) > UNUSUAL * usual):
        found[t] = OUTLIER
    halves = _medians(x, SIDE)
    steps = np.zeros(len(x))
    steps[SIDE : len(x) - SIDE + 1] = halves[SIDE:] - halves[:-SIDE]
    inner = slice(SIDE, len(x) - SIDE + 1)
    # A trend steps everywhere alike.
    steps[inner] = np.abs(steps[inner] - np.median(steps[inner]))
    while (peak := int(steps.argmax())) and steps[peak] > UNUSUAL * usual:
        near = slice(max(1, peak - SIDE // 2), peak + SIDE // 2 + 1)
        at = near.start + int(np.abs(np.diff(x[near.start - 1 : near.stop])).argmax())
        beside = slice(max(0, at - SIDE), at + SIDE)
        found[beside] = ["" if mark == OUTLIER else mark for mark in found[beside]]
        found[at] = LEVEL_SHIFT
        steps[max(0, peak - 2 * SIDE) : peak + 2 * SIDE] = 0
    return found


def _medians(x: np.ndarray, width: int) -> np.ndarray:
    """Give the median of every stretch of so many values."""
    return np.nanmedian(np.lib.stride_tricks.sliding_window_view(x, width), axis=1)


def _season(x: np.ndarray, season: int) -> np.ndarray:
    """Estimate the season by medians of what a straight line leaves."""
    if season == 1 or len(x) < 3 * season:
        return np.zeros(len(x))
    place = np.arange(len(x))
    left = x - np.polynomial.Polynomial.fit(place, x, 1)(place)
    return np.array([np.median(left[k::season]) for k in range(season)])[place % season]
