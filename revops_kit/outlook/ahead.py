"""What lies ahead, as many draws: the periods, their sums, and the chance of a target."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from revops_kit.periods import Calendar, Kind, Period, containing

LEVELS = (80, 95)


@dataclass(frozen=True, eq=False)
class Ahead:
    """A figure of the periods ahead: months, as a rule.

    Attributes
    ----------
    periods
        Those ahead; the first may have begun.
    draws
        What may come: a row per draw, a column per period, each period's whole figure.
    past
        What came, by period (first day).
    is_stock
        Whether the figure stands at a period's end, as recurring revenue does, rather than adding
        up over periods, as bookings do.
    """

    periods: tuple[Period, ...]
    draws: np.ndarray
    past: pd.Series
    is_stock: bool = False

    @property
    def frame(self) -> pd.DataFrame:
        """Give a row per period: `period`, `start`, `mean`, and `low_80` … `high_95`."""
        labels = {"period": [each.label for each in self.periods]}
        starts = {"start": [each.start for each in self.periods]}
        return pd.DataFrame(labels | starts | spread(self.draws))

    def by(self, kind: Kind, calendar: Calendar) -> pd.DataFrame:
        """Give a row per quarter or year that ends within those ahead, as `frame` has them.

        What came already is part of the first.
        """
        found = list(self._spans(kind, calendar))
        drawn = np.column_stack([self.over(span) for span in found] or [np.empty((1, 0))])
        labels = {"period": [span.label for span in found]}
        starts = {"start": [span.start for span in found]}
        return pd.DataFrame(labels | starts | spread(drawn))

    def over(self, span: Period) -> np.ndarray:
        """Draw the figure of a longer span: what came in it, and what may come."""
        inside = [number for number, month in enumerate(self.periods) if _is_in(month, span)]
        if self.is_stock:
            return self.draws[:, inside[-1]]
        return self.came(span) + self.draws[:, inside].sum(axis=1)

    def came(self, span: Period) -> float:
        """Give what came in the periods of a span that lie behind."""
        days = self.past.index.to_numpy()
        behind = (days >= np.datetime64(span.start)) & (days < np.datetime64(self.periods[0].start))
        return float(self.past.to_numpy()[behind].sum())

    def chance(self, span: Period, target: float) -> float:
        """Give the share of draws that reach a target."""
        return float((self.over(span) >= target).mean())

    def scaled(self, scale: float, least: ArrayLike = 0.0) -> "Ahead":
        """Widen the draws around their mean, by period down to what has come already."""
        mean = self.draws.mean(axis=0)
        least = np.minimum(least, mean)
        above = np.maximum(mean - least + (self.draws - mean) * scale, 0.0)
        # What is cut off below would otherwise raise the mean.
        raised = above.mean(axis=0)
        above *= (mean - least) / np.where(raised > 0, raised, 1.0)
        return replace(self, draws=least + above)

    def _spans(self, kind: Kind, calendar: Calendar) -> Iterator[Period]:
        for month in self.periods:
            span = containing(month.start, kind, calendar)
            if span.end == month.end:
                yield span


def spread(draws: np.ndarray) -> dict[str, np.ndarray]:
    """Give mean and intervals of each column of draws."""
    found = {"mean": draws.mean(axis=0)}
    for level in LEVELS:
        tail = (100 - level) / 2
        found[f"low_{level}"], found[f"high_{level}"] = np.percentile(
            draws, [tail, 100 - tail], axis=0
        )
    return found


def _is_in(month: Period, span: Period) -> bool:
    return span.start <= month.start and month.end <= span.end
