"""What a forecast would have said on past days, beside what came."""

import datetime as dt
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

ORIGINS = 36
"""Past months from whose first days forecasts are made again."""
FEWEST = 6
Z80 = NormalDist().inv_cdf(0.9)


@dataclass(frozen=True, eq=False)
class Tested:
    """Past forecasts and their outcomes.

    Attributes
    ----------
    frame
        A row per day of making and period ahead: `made` (the first day not known), `lead` (1 is
        the period that then began), `start` (of the period), `actual`, `mean`, `spread` (standard
        deviation).
    """

    frame: pd.DataFrame

    @property
    def origins(self) -> int:
        """How many past days there are."""
        return self.frame.made.nunique()

    @property
    def scale(self) -> float:
        """How much wider than drawn the spread must be for 80 % of what came to lie within.

        The conformal quantile of the errors in units of their spread; never below 1, and 1 where
        there are too few to tell.
        """
        return _scale(self._strayed)

    @property
    def coverage(self) -> float:
        """What share of what came lay within 80 %, each day widened by what the others teach."""
        if self.origins < FEWEST:
            return np.nan
        strayed, made = self._strayed, self.frame.made.to_numpy()
        within = [
            strayed[made == day] <= Z80 * _scale(strayed[made != day]) for day in np.unique(made)
        ]
        return float(np.concatenate(within).mean())

    @property
    def _strayed(self) -> np.ndarray:
        error = (self.frame["mean"] - self.frame.actual).abs()
        return (error / self.frame.spread.where(self.frame.spread > 0)).fillna(0.0).to_numpy()


def _scale(strayed: np.ndarray) -> float:
    if len(strayed) < FEWEST:
        return 1.0
    rank = min(int(np.ceil(0.8 * (len(strayed) + 1))), len(strayed))
    return max(1.0, float(np.sort(strayed)[rank - 1]) / Z80)


def compare(
    made: dt.date, starts: ArrayLike, actual: ArrayLike, mean: ArrayLike, spread: ArrayLike
) -> dict[str, np.ndarray]:
    """Set one past forecast beside what came: the columns of `Tested.frame`.

    Parameters
    ----------
    starts
        First days of the periods ahead, and for each what came and what was forecast.
    """
    starts = np.asarray(starts, "datetime64[s]")
    days, leads = np.full_like(starts, np.datetime64(made, "s")), np.arange(1, len(starts) + 1)
    return {
        "made": days, "lead": leads, "start": starts,
        "actual": actual, "mean": mean, "spread": spread,
    }  # fmt: skip


def gathered(compared: list[dict[str, np.ndarray]]) -> Tested:
    """Put past forecasts together."""
    columns = ["made", "lead", "start", "actual", "mean", "spread"]
    if not compared:
        return Tested(pd.DataFrame(columns=columns))
    return Tested(
        pd.DataFrame({name: np.concatenate([each[name] for each in compared]) for name in columns})
    )
