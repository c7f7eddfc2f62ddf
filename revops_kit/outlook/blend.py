"""Two forecasts of one figure made one, by how far each was off before."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from revops_kit.outlook.ahead import Ahead
from revops_kit.outlook.tested import FEWEST, Tested


@dataclass(frozen=True, eq=False)
class Blend:
    """A weighted mean of two forecasts.

    Attributes
    ----------
    weights
        The share of the first, by lead (1 is the first period ahead).
    """

    ahead: Ahead
    weights: pd.Series


def blend(first: Ahead, second: Ahead, past: tuple[Tested, Tested]) -> Blend:
    """Blend two forecasts of the same periods, one by one.

    Each weighs by the reciprocal of its past mean squared error at that lead, and at the leads
    beside it, for there are few; leads too far to have been tried weigh as the farthest that
    was. Only days on which both were tried count. Their draws are taken rank by rank in each
    period, as if what makes one too high makes the other too high: the blend's interval is the
    weighted mean of theirs, and so rather too wide than too narrow. From one period to the next
    errors go on as those of the first forecast do.

    References
    ----------
    J. M. Bates and C. W. J. Granger, Operational Research Quarterly 20 (1969), 451-468, without
    the correlation.
    """
    both = past[0].frame.merge(past[1].frame, on=["made", "lead"], suffixes=("_1", "_2"))
    leads = pd.RangeIndex(1, len(first.periods) + 1, name="lead")
    errors = [_errors(both, which, leads) for which in ("_1", "_2")]
    total = errors[0] + errors[1]
    weights = (errors[1] / total.where(total > 0)).fillna(0.5)
    share = weights.to_numpy()
    drawn = share * first.draws + (1 - share) * _ranked_as(first.draws, second.draws)
    return Blend(replace(first, draws=drawn), weights)


def _errors(both: pd.DataFrame, which: str, leads: pd.RangeIndex) -> pd.Series:
    """Average squared errors by lead and its neighbours, as far as enough were tried."""
    squared = (both[f"mean{which}"] - both[f"actual{which}"]) ** 2
    by_lead = squared.groupby(both.lead).agg(["mean", "size"])
    known = by_lead["mean"][by_lead["size"] >= FEWEST].reindex(leads).astype(float).ffill()
    return known.rolling(3, center=True, min_periods=1).mean()


def _ranked_as(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Reorder the second draws, period by period, to have the ranks of the first."""
    ranks = first.argsort(axis=0, kind="stable").argsort(axis=0)
    return np.take_along_axis(np.sort(second, axis=0), ranks, axis=0)
