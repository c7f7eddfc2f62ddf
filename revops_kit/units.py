"""What a value is measured in, how it is written, and which way is better.

Values are kept plain – shares 0 to 1, money as a number, times in days – and are rounded only
here, when they are put on paper, with the marks of the company's locale. Opening a workspace sets
the locale, for all that this process writes; who holds several workspaces says by `written_in`
whose turn it is.
"""

import math
import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from numbers import Integral
from typing import Literal

Better = Literal["higher", "lower", "neither"]

ENGLISH = "en"
NARROW_SPACE = "\u202f"
NO_BREAK_SPACE = "\u00a0"
MINUS = "\u2212"
MISSING = "–"
# In plain English; other locales have theirs from babel.
SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£", "JPY": "¥", "INR": "₹", "BRL": "R$"}

# The context alone would not do: threads, and the cells of older kernels, begin with a new one.
_house = ENGLISH
_here: ContextVar[str] = ContextVar("locale", default="")


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
                return sign + percent(size, _decimals(size))
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
                return sign + _marked(f"{size:.2f}")

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
            size = abs(difference)
            written = f"{number(size * 100, _decimals(size))}{NARROW_SPACE}pp"
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
    return f"{number(count)} {noun if count == 1 else many or noun + 's'}"


def span(low: str, high: str) -> str:
    r"""Write the ends of an interval, with the words of their unit once.

    Examples
    --------
    >>> span("40 days", "56 days"), span("$8,672 a day", "$19.7 k a day"), span("2 %", "5 %")
    ('40 to 56 days', '$8,672 to $19.7 k a day', '2 % to 5 %')
    """
    for unit in (" days", " a day", f"{NARROW_SPACE}pp"):
        if high.endswith(unit):
            low = low.removesuffix(unit)
    return f"{low} to {high}"


def number(value: float, decimals: int = 0) -> str:
    r"""Write a number with so many decimals.

    Examples
    --------
    >>> number(1_204), number(-1_204.25, 1)
    ('1,204', '\u22121,204.2')
    >>> with written_in("de_DE"):
    ...     number(1_204), number(-1_204.25, 1)
    ('1.204', '\u22121.204,2')
    """
    # As a float, a whole number beyond 2**53 would be another.
    is_whole = isinstance(value, Integral) and not decimals
    return _marked(f"{value:,}" if is_whole else f"{value:,.{decimals}f}")


def percent(share: float, decimals: int = 0) -> str:
    r"""Write a share in percent, with so many decimals.

    Examples
    --------
    >>> percent(0.9), percent(0.105, 1)
    ('90\u202f%', '10.5\u202f%')
    """
    before, after = _around_percent(locale())
    return before + number(share * 100, decimals) + after


def decimal_mark() -> str:
    """Give the mark between whole and part: a point in English."""
    return _marked("0.0").strip("0")


def locale() -> str:
    """Name the locale that numbers are written in."""
    return _here.get() or _house


def write_in(code: str) -> None:
    """Write numbers in a locale from now on, in all threads of this process.

    Parameters
    ----------
    code
        A locale that babel knows. `en` is the kit's own hand; the others follow the Unicode CLDR.
    """
    global _house
    _house = code


@contextmanager
def written_in(code: str) -> Iterator[None]:
    r"""Write numbers in a locale within a `with`, whatever workspace is opened there.

    Examples
    --------
    >>> with written_in("de_DE"):
    ...     MONEY.write(1_500, "EUR"), SHARE.write(0.105)
    ('1.500\xa0€', '10,5\xa0%')
    """
    token = _here.set(code)
    try:
        yield
    finally:
        _here.reset(token)


def _marked(text: str) -> str:
    """Put the locale's marks in place of those that Python writes; the digits stay."""
    sign, size = (MINUS, text[1:]) if text.startswith("-") else ("", text)
    if locale() == ENGLISH or not size[-1:].isdigit():
        return sign + size
    from babel.numbers import format_decimal

    part = size.partition(".")[2]
    pattern = _whole_pattern(locale()) + (f".{'0' * len(part)}" if part else "")
    value, is_grouped = Decimal(size.replace(",", "")), "," in size
    return sign + format_decimal(value, pattern, locale(), group_separator=is_grouped)


@cache
def _whole_pattern(code: str) -> str:
    """Find how whole numbers are grouped: by three, or as in 12,34,567."""
    from babel import Locale

    return Locale.parse(code).decimal_formats[None].pattern.partition(".")[0]


@cache
def _around_percent(code: str) -> tuple[str, str]:
    if code == ENGLISH:
        return "", f"{NARROW_SPACE}%"
    from babel.numbers import format_percent

    before, _, after = format_percent(0, locale=code).partition("0")
    return before, after


@cache
def _around_money(currency: str, code: str) -> tuple[str, str]:
    if code == ENGLISH:
        return SYMBOLS.get(currency, f"{currency} "), ""
    from babel.numbers import format_currency

    before, after = re.split(r"0(?:\D0+)?", format_currency(0, currency, locale=code), maxsplit=1)
    # As CLDR asks and babel does not: SEK 12, not SEK12.
    space = NO_BREAK_SPACE
    return (
        before + space if before[-1:].isalpha() else before,
        space + after if after[:1].isalpha() else after,
    )


def _decimals(share: float) -> int:
    """Choose one decimal for shares, so that they line up in a column; none from 1,000 % on."""
    return 1 if share < 9.995 else 0


def _digits(size: float) -> str:
    """Write a size with one decimal, or none where it is whole or a hundred and more."""
    written = f"{size:,.0f}" if size >= 99.95 else f"{size:.1f}"
    return _marked(written.removesuffix(".0"))


def _short(size: float, whole: bool = False) -> str:
    """Write a size to three figures or so, with k, M or bn, and cents only below 100."""
    for limit, name in ((1e9, "bn"), (1e6, "M"), (1e4, "k")):
        # 999,950 would otherwise be written as 1000 k.
        if size >= limit * (1 if limit == 1e4 else 0.9995):
            scaled = size / (1e3 if limit == 1e4 else limit)
            decimals = 2 if scaled < 9.995 else 1 if scaled < 99.95 else 0
            return f"{_marked(f'{scaled:.{decimals}f}')}{NARROW_SPACE}{name}"
    if whole or size >= 99.995 or size == round(size):
        return number(size)
    return number(size, 2)


def _money(size: float, currency: str) -> str:
    before, after = _around_money(currency, locale())
    return before + _short(size) + after
