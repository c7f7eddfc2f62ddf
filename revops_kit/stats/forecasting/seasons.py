"""Seasonal adjustment by indices: what a month is of a usual one."""

from statistics import NormalDist

import numpy as np

# A season is believed when chance would give as much as it in fewer than one case of so many.
SIGNIFICANCE = 0.05


def indices(y: np.ndarray, season: int) -> np.ndarray:
    """Give multiplicative indices by the ratio to a centred moving average.

    Parameters
    ----------
    y
        Shape (periods, series), complete.
    season
        Periods in a season.

    Returns
    -------
    array of shape (season, series)
        Beginning with the season of the first period; 1 on average. All are 1 where there are
        fewer than two seasons, values not above 0, or no season that an F test can see.

    References
    ----------
    S. Makridakis, S. C. Wheelwright and R. J. Hyndman, Forecasting: Methods and Applications
    (3rd ed. 1998), chapter 3. The M4 benchmarks test the autocorrelation instead, which misses
    the season of a short series with a trend.

    Examples
    --------
    >>> indices(np.tile([50.0, 150.0], 6)[:, None], season=2).ravel().tolist()
    [0.5, 1.5]
    """
    found = np.ones((season, y.shape[1]))
    positive = y.min(axis=0) > 0
    if season == 1 or len(y) < 2 * season or not positive.any():
        return found
    weights = np.ones(season) if season % 2 else np.r_[0.5, np.ones(season - 1), 0.5]
    around = np.lib.stride_tricks.sliding_window_view(y[:, positive], len(weights), axis=0)
    half = len(weights) // 2
    ratios = y[half : len(y) - half, positive] / (around @ (weights / season))
    phase = np.arange(half, len(y) - half) % season
    sums = np.zeros((season, ratios.shape[1]))
    np.add.at(sums, phase, ratios)
    means = sums / np.bincount(phase)[:, None]
    means = np.where(_is_seen(ratios, means[phase], season), means, 1.0)
    found[:, positive] = means / means.mean(axis=0)
    return found


def _is_seen(ratios: np.ndarray, fitted: np.ndarray, season: int) -> np.ndarray:
    """Test whether the seasons differ in the mean: one-way analysis of variance.

    F is taken for normal after Paulson, Annals of Mathematical Statistics 13 (1942), 233-235, which
    spares the half second that importing SciPy takes.
    """
    within = ((ratios - fitted) ** 2).sum(axis=0)
    between = ((ratios - ratios.mean(axis=0)) ** 2).sum(axis=0) - within
    free = max(len(ratios) - season, 1)
    within = np.maximum(within, 1e-12 * np.maximum(between, 1e-300))
    root = np.cbrt(np.maximum(between, 0) / (season - 1) / (within / free))
    above, below = 2 / (9 * (season - 1)), 2 / (9 * free)
    score = ((1 - below) * root - (1 - above)) / np.sqrt(below * root**2 + above)
    return score > NormalDist().inv_cdf(1 - SIGNIFICANCE)
