"""What may be won of open deals, and of those not opened yet, drawn some thousand times.

Three parts are added up month by month: what is won already in a month that has begun, what the
open deals will bring – each with its own chance, by stage, age and size – and what deals that are
not opened yet will bring.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from revops_kit.errors import RequestError
from revops_kit.outlook.chances import Chances, Landmarks, chances, landmarks
from revops_kit.outlook.cohorts import Cohorts, cohorts
from revops_kit.periods import Period, Periods, containing
from revops_kit.tables import Tables
from revops_kit.units import SHARE

DRAWS = 4000
SEED = 7
AT_ONCE = 1000  # deals drawn together, which bounds the memory


@dataclass(frozen=True)
class Scenario:
    """What if? Each a relative change from now on: 0.1 is a tenth more.

    Attributes
    ----------
    win_rate, amount, volume
        Of the chance to win, of the amount of a deal, and of the number of deals opened.
    cycle
        Of the days that a win takes: -0.1 is a tenth faster.

    Raises
    ------
    RequestError
        When a change leaves nothing: -1 or less.
    """

    win_rate: float = 0.0
    amount: float = 0.0
    volume: float = 0.0
    cycle: float = 0.0

    def __post_init__(self) -> None:
        for name, change in vars(self).items():
            if not -1 < change < np.inf:
                raise RequestError(
                    f"A {name.replace('_', ' ')} changed by {change} leaves nothing of it. Write a "
                    f"relative change above -1, such as 0.1 for a tenth more."
                )

    def __str__(self) -> str:
        changed = [
            f"{name.replace('_', ' ')} {SHARE.write(abs(change))} {'up' if change > 0 else 'down'}"
            for name, change in vars(self).items()
            if change
        ]
        return ", ".join(changed) or "nothing changed"


TODAY = Scenario()


@dataclass(frozen=True, eq=False)
class Horizon:
    """The months ahead of a day, the first that is not known.

    Attributes
    ----------
    months
        The first holds the day; it has begun unless the day is its first.
    """

    day: dt.date
    months: tuple[Period, ...]

    @property
    def days(self) -> np.ndarray:
        """Days from now, which is 0, to the last day of each month."""
        return np.array([(month.end - self.day).days - 1 for month in self.months])

    @property
    def left(self) -> float:
        """What share of the first month is still to come."""
        first = self.months[0]
        return (first.end - self.day).days / (first.end - first.start).days

    @property
    def index(self) -> pd.PeriodIndex:
        """The months, as pandas has them."""
        return pd.PeriodIndex([month.start for month in self.months], freq="M")


def horizon(day: dt.date, length: int) -> Horizon:
    """Lay out so many months from a day on."""
    months = [containing(day, "month")]
    while len(months) < length:
        months.append(containing(months[-1].end, "month"))
    return Horizon(day, tuple(months))


@dataclass(frozen=True, eq=False)
class Basis:
    """What was known on a day, of which a forecast is made.

    Attributes
    ----------
    ahead
        The months forecast.
    chances
        The chance of open deals to be won.
    won
        Amount won already in the first month.
    volumes
        Deals opened in each recent month, which a month to come may open.
    rates
        What a deal brought in its month, the next, and so on: by recent cohort.
    """

    ahead: Horizon
    chances: Chances
    won: float
    volumes: np.ndarray
    rates: list[np.ndarray]

    def expected(self, waiting: pd.DataFrame, what_if: Scenario = TODAY) -> pd.DataFrame:
        """Expect what each month brings: `won` so far, of `open_deals`, of `new_deals`.

        Parameters
        ----------
        waiting
            Open deals: `stage`, the bands of `age` and `size`, and `amount`.
        """
        of_open = self._amounts(waiting, what_if) @ np.diff(
            self.won_by(waiting, what_if), prepend=0.0
        )
        of_new = np.zeros(self._length)
        for month, age, count, rate in self._new_deals(what_if):
            of_new[month + age] += count.mean() * rate.mean()
        won = np.append(self.won, np.zeros(self._length - 1))
        return pd.DataFrame({"won": won, "open_deals": of_open, "new_deals": of_new})

    def spread(self, waiting: pd.DataFrame) -> np.ndarray:
        """Give the standard deviation of what each month brings."""
        share = np.diff(self.won_by(waiting), prepend=0.0)
        variance = self._amounts(waiting, TODAY) ** 2 @ (share * (1 - share))
        for month, age, count, rate in self._new_deals(TODAY):
            of_squares = (count**2).mean() * (rate**2).mean()
            variance[month + age] += of_squares - (count.mean() * rate.mean()) ** 2
        return np.sqrt(variance)

    def draw(self, waiting: pd.DataFrame) -> np.ndarray:
        """Draw what each month brings, all parts together: one row per draw, a column per month.

        The same question gets the same answer.
        """
        chance = np.random.default_rng(SEED)
        total = np.zeros((DRAWS, self._length))
        total[:, 0] = self.won
        amounts = self._amounts(waiting, TODAY)
        shares = self.won_by(waiting)
        for start in range(0, len(amounts), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            luck = chance.random((DRAWS, len(amounts[some])))
            before = np.zeros(DRAWS)
            for month, share in enumerate(shares[some].T):
                by_then = (luck < share) @ amounts[some]
                total[:, month] += by_then - before
                before = by_then
        for month, age, count, rate in self._new_deals(TODAY):
            drawn = chance.choice(count, DRAWS) * chance.choice(rate, DRAWS)
            total[:, month + age] += drawn
        return total

    def won_by(self, waiting: pd.DataFrame, what_if: Scenario = TODAY) -> np.ndarray:
        """Give each deal's chance to be won by the end of each month: a row per deal."""
        days = self.ahead.days / (1 + what_if.cycle)
        shares = np.zeros((len(waiting), self._length))
        for alike, rows in waiting.groupby(["stage", "age", "size"]).indices.items():
            shares[rows] = self.chances.won_by(*alike, days)
        return np.minimum(shares * (1 + what_if.win_rate), 1.0)

    @property
    def _length(self) -> int:
        return len(self.ahead.months)

    def _amounts(self, waiting: pd.DataFrame, what_if: Scenario) -> np.ndarray:
        """Say what each deal will come to if it is won."""
        return waiting.amount.to_numpy() * self.chances.growth * (1 + what_if.amount)

    def _new_deals(self, what_if: Scenario) -> Iterator[tuple[int, int, np.ndarray, np.ndarray]]:
        """Go through months of opening and ages: how many deals, and what each then brings."""
        if not self.volumes.any():
            return
        worth = (1 + what_if.win_rate) * (1 + what_if.amount)
        rates = _sooner(self.rates, what_if.cycle)
        for month in range(self._length):
            # In what is left of a month that has begun, fewer are opened ...
            opened = self.ahead.left if month == 0 else 1.0
            for age, rate in enumerate(rates[: self._length - month]):
                if rate.any():
                    # ... and there is less time to win them, too.
                    time = self.ahead.left if month + age == 0 else 1.0
                    count = self.volumes * (1 + what_if.volume) * opened
                    yield month, age, count, rate * worth * time


@dataclass(frozen=True, eq=False)
class History:
    """All that pipeline forecasts are learnt from, fetched once."""

    followed: Landmarks
    opened: Cohorts

    def known_on(self, day: dt.date, length: int) -> Basis:
        """Give what was known on a day, for a forecast of so many months."""
        ahead = horizon(day, length)
        return Basis(
            ahead,
            chances(self.followed, day),
            # On a month's first day nothing of it is won yet.
            float(self.opened.bookings(ahead.index[:1]).iloc[0]) if ahead.left < 1 else 0.0,
            self.opened.volumes(day),
            self.opened.rates(day, length),
        )


def history(tables: Tables, months: Periods) -> History:
    """Fetch what became of the open deals of past months, and what new deals brought."""
    return History(landmarks(tables, months), cohorts(tables))


def _sooner(rates: list[np.ndarray], cycle: float) -> list[np.ndarray]:
    """Bring what deals bring forward, or put it off, keeping its spread."""
    if not cycle:
        return rates
    usual = np.array([rate.mean() if len(rate) else 0.0 for rate in rates])
    ages = np.arange(len(rates) + 1)
    by_age = np.concatenate([[0.0], np.cumsum(usual)])
    moved = np.diff(np.interp(ages / (1 + cycle), ages, by_age))
    return [
        rate * (new / old) if old else np.full(len(rate), new)
        for rate, new, old in zip(rates, moved, usual, strict=True)
    ]
