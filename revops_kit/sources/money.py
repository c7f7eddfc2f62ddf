"""Money as people write it the world over: `US$ 1,234.50`, `1.234,50 €`, `(5k)`, `₹12,34,567`."""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import pandas as pd
from babel.numbers import list_currencies

from revops_kit.sources import marks
from revops_kit.sources.values import (
    ERROR,
    Converted,
    Refused,
    Written,
    is_blank,
    is_spreadsheet_error,
    native_number,
    plain,
    read_numbers,
    spread,
)

# Signs and short names, written small and without full stops. A sign that several currencies
# share stands for itself: `$`, `kr`, `¥` and `Rs` are for the company's own currency to settle.
# In the code pages of Japan and Korea the backslash is a yen and a won.
SIGNS = {
    "$": "$", "\\": "\\", "kr": "kr", "¥": "¥", "rs": "Rs", "€": "EUR", "euro": "EUR", "£": "GBP",
    "us$": "USD", "$us": "USD", "u$s": "USD", "c$": "CAD", "ca$": "CAD", "can$": "CAD",
    "a$": "AUD", "au$": "AUD", "nz$": "NZD", "hk$": "HKD", "s$": "SGD", "sg$": "SGD",
    "nt$": "TWD", "mx$": "MXN", "mex$": "MXN", "r$": "BRL", "₹": "INR", "cn¥": "CNY", "rmb": "CNY",
    "元": "CNY", "jp¥": "JPY", "円": "JPY", "₩": "KRW", "원": "KRW", "fr": "CHF", "sfr": "CHF",
    "skr": "SEK", "nkr": "NOK", "dkr": "DKK", "ikr": "ISK", "kč": "CZK", "zł": "PLN", "ft": "HUF",
    "lei": "RON", "лв": "BGN", "₽": "RUB", "руб": "RUB", "₴": "UAH", "грн": "UAH", "₺": "TRY",
    "tl": "TRY", "₪": "ILS", "r": "ZAR", "rm": "MYR", "rp": "IDR", "₱": "PHP", "฿": "THB",
    "₫": "VND", "đ": "VND", "₦": "NGN", "₵": "GHS", "gh₵": "GHS", "ksh": "KES", "s/": "PEN",
    "₡": "CRC", "₲": "PYG", "₸": "KZT", "₾": "GEL", "֏": "AMD", "₼": "AZN",
}  # fmt: skip
# Powers of ten. Left out are words that mean one thing here and another there: `mil` (a thousand
# in Lisbon, a million in Bucharest), `billion`, and `cr` (ten million in Delhi, credit elsewhere).
SCALES = {
    "k": 3, "tsd": 3, "tys": 3, "тыс": 3, "万": 4, "萬": 4, "lakh": 5, "lakhs": 5,
    "m": 6, "mm": 6, "mn": 6, "mio": 6, "mln": 6, "million": 6, "millions": 6, "млн": 6,
    "crore": 7, "crores": 7, "億": 8, "亿": 8, "b": 9, "bn": 9, "mrd": 9, "mld": 9, "mlrd": 9,
    "млрд": 9,
}  # fmt: skip
CURRENCIES = {code.lower(): code for code in list_currencies()} | SIGNS
SHARED = {
    "$": re.compile(r"..D|MXN|CLP|COP|ARS|UYU|DOP"),
    "kr": re.compile("SEK|NOK|DKK|ISK"),
    "¥": re.compile("JPY|CNY"),
    "\\": re.compile("JPY|KRW"),
    "Rs": re.compile("INR|PKR|LKR|NPR|MUR|SCR"),
}

LONGEST = 60  # characters of an amount; what is longer is prose

_WORD = r"[^\d\s+\-.,'()%#][^\d\s+\-,'()%#]*"
_AMOUNT = re.compile(
    rf"(?P<open>\()?\s*(?P<sign>[+-])?\s*(?P<before>{_WORD}(?:\s+{_WORD})?)?"
    r"\s*(?P<open_after>\()?\s*(?P<sign_after>[+-])?\s*"
    r"(?P<digits>\d[\d.,' ]*|[.,]\d+)(?P<dash>(?<=[.,])-{1,2})?(?:e(?P<power>[+-]?\d{1,2}))?"
    rf"\s*(?P<close_after>\))?\s*(?P<after>{_WORD}(?:\s*{_WORD})?)?"
    r"\s*(?P<sign_last>[+-])?\s*(?P<close>\))?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Money(Converted):
    """Amounts, and the currencies written with them.

    Attributes
    ----------
    currencies
        For each row an ISO 4217 code; the bare sign, such as `$`, where several currencies share
        it; None where nothing was written.
    """

    currencies: pd.Series = field(kw_only=True)


def to_money(column: pd.Series, decimal: str | None = None, thousands: str | None = None) -> Money:
    """Read amounts of money.

    Parameters
    ----------
    decimal, thousands
        The marks, where they are known; see `marks.settle`.

    Raises
    ------
    ContractError
        When nothing in the column settles its decimal mark.

    Examples
    --------
    >>> amounts = to_money(pd.Series(["US$ 1,234.50", "1.234,50 €", "(5k)", "12abc"]))
    >>> amounts.values.to_list()
    [1234.5, 1234.5, -5000.0, nan]
    >>> amounts.currencies.to_list(), amounts.rejected
    (['USD', 'EUR', None, None], {3: 'is not an amount'})
    """
    numbers = read_numbers(column, _amount, decimal, thousands)
    amounts = spread(numbers.codes, numbers.values, "float64", numbers.notes, numbers.refused)
    names = [numbers.names.get(code) for code in range(len(numbers.values))]
    currencies = spread(numbers.codes, names, object).values
    return Money(amounts.values, amounts.rejected, amounts.notes, currencies=currencies)


def _amount(value: Any) -> Any:
    """Take one value apart: `Written`, a number that was one already, `Refused`, or None."""
    if not isinstance(value, str):
        return native_number(value, "an amount")
    text = plain(value)
    if is_blank(text):
        return None
    if is_spreadsheet_error(text):
        return ERROR
    match = _AMOUNT.fullmatch(text) if len(text) <= LONGEST else None
    return (match and _understood(match)) or Refused("is not an amount")


def _understood(match: re.Match) -> Written | None:
    """Make sense of an amount's parts, or of none of them."""
    signs = [match[name] for name in ("sign", "sign_after", "sign_last") if match[name]]
    is_open = bool(match["open"]) + bool(match["open_after"])
    is_closed = bool(match["close"]) + bool(match["close_after"])
    if len(signs) + is_open > 1 or is_open != is_closed:
        return None
    before, after = _word(match["before"]), _word(match["after"])
    if before is None or after is None or (before[0] and after[0]):
        return None
    currency = _one_currency(before[1], after[1])
    reading = marks.read(match["digits"].rstrip())
    if currency is None or not any(reading):
        return None
    power = int(match["power"] or 0) + before[0] + after[0]
    return Written("-" if is_open or "-" in signs else "", reading, power, currency or None)


def code_of(text: str) -> str:
    """Find the code of a currency by its code, sign or short name; what is none stays as it is.

    Examples
    --------
    >>> code_of(" usd"), code_of("€"), code_of("US$"), code_of("$"), code_of("credits")
    ('USD', 'EUR', 'USD', '$', 'CREDITS')
    """
    text = plain(text)
    return CURRENCIES.get(text.casefold(), text.upper())


@lru_cache(maxsize=10_000)
def _word(text: str | None) -> tuple[int, str] | None:
    """Read what stands before or after the digits: a power of ten, a currency, both or neither.

    Examples
    --------
    >>> _word("Mio. €"), _word("kr."), _word("CAD"), _word("apples")
    ((6, 'EUR'), (0, 'kr'), (0, 'CAD'), None)
    """
    if text is None:
        return 0, ""
    text = re.sub(r"[\s.]", "", text).casefold()
    for end in range(len(text) + 1):
        currency = _currency(text[end:])
        if currency is not None and (not end or text[:end] in SCALES):
            return SCALES.get(text[:end], 0), currency
    return None


def _currency(text: str) -> str | None:
    """Find the currency of one name, or of two that agree, such as `usd$`; "" for none."""
    if not text or text in CURRENCIES:
        return CURRENCIES.get(text, "")
    for end in range(1, len(text)):
        if text[:end] in CURRENCIES and text[end:] in CURRENCIES:
            return _one_currency(CURRENCIES[text[:end]], CURRENCIES[text[end:]])
    return None


def _one_currency(before: str, after: str) -> str | None:
    """Agree on a currency named on both sides, such as `$5 CAD`; None where they contradict."""
    if not before or not after or before == after:
        return before or after
    for sign, code in ((before, after), (after, before)):
        if sign in SHARED and SHARED[sign].fullmatch(code):
            return code
    return None
