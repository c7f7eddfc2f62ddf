"""What may be won of open deals, and of those not opened yet, drawn some thousand times.

Three parts are added up month by month: what is won already in a month that has begun, what the
open deals will bring – each with its own chance, by stage, age and size – and what deals that are
not opened yet will bring.
"""

import datetime as dt
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from revops_kit.errors import RequestError
from revops_kit.outlook.chances import LAST, Chances, Landmarks, Sizes, Waiting, chances, landmarks
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


def horizon(day: dt.date, length: int) -> Horizon:
    """Lay out so many months from a day on."""
    months = [containing(day, "month")]
    while len(months) < length:
        months.append(containing(months[-1].end, "month"))
    return Horizon(day, tuple(months))


class Parts(NamedTuple):
    """What is expected, by month: won so far, of open deals, of those not opened yet."""

    won: np.ndarray
    open_deals: np.ndarray
    new_deals: np.ndarray


@dataclass(frozen=True, eq=False)
class Basis:
    """What was known on a day, of which a forecast is made.

    Attributes
    ----------
    ahead
        The months forecast.
    waiting
        The open deals.
    chances
        Their chance to be won.
    won
        Amount won already in the first month.
    volumes
        Deals opened in each recent month, which a month to come may open.
    rates
        What a deal brought in its month, the next, and so on: by recent cohort.
    """

    ahead: Horizon
    waiting: Waiting
    chances: Chances
    won: float
    volumes: np.ndarray
    rates: list[np.ndarray]

    def expected(self, what_if: Scenario = TODAY) -> Parts:
        """Expect what each month brings."""
        won = np.append(self.won, np.zeros(self._length - 1))
        of_open = self._amounts(what_if) @ np.diff(self.won_by(what_if), prepend=0.0)
        rates = _sooner(self._usual_rates, what_if.cycle)
        worth = (1 + what_if.volume) * (1 + what_if.win_rate) * (1 + what_if.amount)
        return Parts(won, of_open, self._of_new(_mean(self.volumes), rates) * worth)

    def spread(self) -> np.ndarray:
        """Give the standard deviation of what each month brings."""
        share = np.diff(self.won_by(), prepend=0.0)
        of_open = self._amounts() ** 2 @ (share * (1 - share))
        of_squares = self._of_new(
            _mean(self.volumes**2), _means([rate**2 for rate in self.rates]), power=2
        )
        of_means = self._of_new(_mean(self.volumes) ** 2, self._usual_rates**2, power=2)
        return np.sqrt(of_open + of_squares - of_means)

    def draw(self) -> np.ndarray:
        """Draw what each month brings, all parts together: one row per draw, a column per month.

        The same question gets the same answer.
        """
        chance = np.random.default_rng(SEED)
        total = np.zeros((DRAWS, self._length))
        total[:, 0] = self.won
        amounts = self._amounts()
        shares = self.won_by()
        for start in range(0, len(amounts), AT_ONCE):
            some = slice(start, start + AT_ONCE)
            luck = chance.random((DRAWS, len(amounts[some])))
            before = np.zeros(DRAWS)
            for month, share in enumerate(shares[some].T):
                by_then = (luck < share) @ amounts[some]
                total[:, month] += by_then - before
                before = by_then
        if not self.volumes.any():
            return total
        to_come = self._to_come
        for month, left in enumerate(to_come):
            for age, rate in enumerate(self.rates[: self._length - month]):
                if rate.any():
                    drawn = chance.choice(self.volumes, DRAWS) * chance.choice(rate, DRAWS)
                    total[:, month + age] += drawn * left * to_come[month + age]
        return total

    def won_by(self, what_if: Scenario = TODAY) -> np.ndarray:
        """Give each deal's chance to be won by the end of each month: a row per deal."""
        days = np.minimum(self.ahead.days / (1 + what_if.cycle), LAST).astype(int)
        shares = np.minimum(self._curves[:, days] * (1 + what_if.win_rate), 1.0)
        return shares[self.waiting.group]

    @cached_property
    def _curves(self) -> np.ndarray:
        """The chance to be won by each day, by group of deals that are alike."""
        curves = [self.chances.of(alike) for alike in self.waiting.alike]
        return np.array(curves).reshape(-1, LAST + 1)

    @cached_property
    def _usual_rates(self) -> np.ndarray:
        """What a deal brings on average in its month, the next, and so on."""
        return _means(self.rates)

    @property
    def _length(self) -> int:
        return len(self.ahead.months)

    @property
    def _to_come(self) -> np.ndarray:
        """The share of each month that is to come.

        In what is left of a month that has begun, fewer deals are opened, and there is less time
        to win them, too.
        """
        return np.append(self.ahead.left, np.ones(self._length - 1))

    def _amounts(self, what_if: Scenario = TODAY) -> np.ndarray:
        """Say what each deal will come to if it is won."""
        return self.waiting.amount * self.chances.growth * (1 + what_if.amount)

    def _of_new(self, count: float, rates: np.ndarray, power: int = 1) -> np.ndarray:
        """Add up what so many new deals a month bring, by month, where a deal brings `rates`."""
        to_come = self._to_come**power
        return np.convolve(to_come * count, rates)[: self._length] * to_come


@dataclass(frozen=True, eq=False)
class History:
    """All that pipeline forecasts are learnt from, fetched once."""

    followed: Landmarks
    opened: Cohorts

    def known_on(self, day: dt.date, length: int, waiting: Waiting) -> Basis:
        """Give what was known on a day, for a forecast of so many months from open deals."""
        ahead = horizon(day, length)
        return Basis(
            ahead,
            waiting,
            chances(self.followed, day),
            # On a month's first day nothing of it is won yet.
            float(self.opened.bookings(day, 1)[0]) if ahead.left < 1 else 0.0,
            self.opened.volumes(day),
            self.opened.rates(day, length),
        )


def history(tables: Tables, months: Periods, sizes: Sizes) -> History:
    """Fetch what became of the open deals of past months, and what new deals brought."""
    return History(landmarks(tables, months, sizes), cohorts(tables, months.known_until))


def _sooner(rates: np.ndarray, cycle: float) -> np.ndarray:
    """Bring what deals bring forward, or put it off."""
    if not cycle:
        return rates
    ages = np.arange(len(rates) + 1)
    by_age = np.concatenate([[0.0], np.cumsum(rates)])
    return np.diff(np.interp(ages / (1 + cycle), ages, by_age))


def _means(rates: list[np.ndarray]) -> np.ndarray:
    return np.array([_mean(rate) for rate in rates])


def _mean(values: np.ndarray) -> float:
    """Average; nothing where there is none."""
    return values.mean() if len(values) else 0.0
