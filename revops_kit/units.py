"""What a value is measured in, how it is written, and which way is better.

Values are kept plain – shares 0 to 1, money as a number, times in days – and are rounded only
here, when they are put on paper.
"""

import math
from dataclasses import dataclass
from typing import Literal

Better = Literal["higher", "lower", "neither"]

NARROW_SPACE = "\u202f"
MINUS = "\u2212"
MISSING = "–"
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "BRL": "R$"}


@dataclass(frozen=True)
class Unit:
    """A measure and the way it is written.

    Attributes
    ----------
    name
        As it stands in JSON: share, money, money per day, days, count or ratio.
    """

    name: str

    def write(self, value: float | None, currency: str = "USD") -> str:
        r"""Write a value as people read it, to about three figures.

        Parameters
        ----------
        value
            The plain value; None and NaN are written as a dash.
        currency
            ISO 4217 code, used by money only.

        Examples
        --------
        >>> SHARE.write(0.10525), DAYS.write(52.0), RATIO.write(3.456)
        ('10.5\u202f%', '52 days', '3.46')
        >>> MONEY.write(1_240_000), MONEY.write(-12.5), MONEY.write(None)
        ('$1.24\u202fM', '\u2212$12.50', '–')
        """
        if value is None or math.isnan(value):
            return MISSING
        size = abs(value)
        # A share that rounds to nothing has no sign.
        is_nothing = self.name == "share" and size < 0.0005
        sign = MINUS if value < 0 and not is_nothing else ""
        match self.name:
            case "share":
                return f"{sign}{_percent(size)}{NARROW_SPACE}%"
            case "money":
                return sign + _money(size, currency)
            case "money per day":
                return f"{sign}{_money(size, currency)} a day"
            case "days":
                written = _digits(size)
                return f"{sign}{written} {'day' if written == '1' else 'days'}"
            case "count":
                return sign + _short(size, whole=True)
            case _:
                return f"{sign}{size:.2f}"

    def write_change(self, difference: float | None, currency: str = "USD") -> str:
        r"""Write a difference of two values with its sign; shares differ by percentage points.

        Examples
        --------
        >>> SHARE.write_change(-0.021), DAYS.write_change(3.0), SHARE.write_change(0.0)
        ('\u22122.1\u202fpp', '+3 days', '±0.0\u202fpp')
        """
        if difference is None or math.isnan(difference):
            return MISSING
        written = self.write(abs(difference), currency)
        if self.name == "share":
            written = f"{_percent(abs(difference))}{NARROW_SPACE}pp"
        sign = "+" if difference > 0 else MINUS if difference < 0 else "±"
        return sign + written


SHARE = Unit("share")
MONEY = Unit("money")
MONEY_PER_DAY = Unit("money per day")
DAYS = Unit("days")
COUNT = Unit("count")
RATIO = Unit("ratio")


def plural(count: int, noun: str, many: str = "") -> str:
    """Write a count with its noun.

    Examples
    --------
    >>> plural(1, "row"), plural(2_000, "row"), plural(2, "opportunity", "opportunities")
    ('1 row', '2,000 rows', '2 opportunities')
    """
    return f"{count:,} {noun if count == 1 else many or noun + 's'}"


def _percent(size: float) -> str:
    """Write a share with one decimal, so that shares in a column line up."""
    return f"{size * 100:,.1f}" if size < 9.995 else f"{size * 100:,.0f}"


def _digits(size: float) -> str:
    """Write a size with one decimal, or none where it is whole or a hundred and more."""
    written = f"{size:,.0f}" if size >= 99.95 else f"{size:.1f}"
    return written.removesuffix(".0")


def _short(size: float, whole: bool = False) -> str:
    """Write a size to three figures, with k, M or bn."""
    for limit, name in ((1e9, "bn"), (1e6, "M"), (1e4, "k")):
        # 999,950 would otherwise be written as 1000 k.
        if size >= limit * (1 if limit == 1e4 else 0.9995):
            scaled = size / (1e3 if limit == 1e4 else limit)
            decimals = 2 if scaled < 9.995 else 1 if scaled < 99.95 else 0
            return f"{scaled:.{decimals}f}{NARROW_SPACE}{name}"
    if whole or size >= 999.5 or size == round(size):
        return f"{size:,.0f}"
    return f"{size:.2f}"


def _money(size: float, currency: str) -> str:
    symbol = SYMBOLS.get(currency)
    written = _short(size)
    return f"{symbol}{written}" if symbol else f"{currency} {written}"
