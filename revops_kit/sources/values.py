"""Texts, numbers and yes-or-no as people write them, converted column by column.

A value that cannot be read is set aside with its position and a reason, and never shown: it is
the customer's.
"""

import json
import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from revops_kit.sources import marks
from revops_kit.units import plural

# What stands for nothing. A text keeps all of them but the first ones: NA is Namibia, too.
NO_TEXT = frozenset({"", "#n/a", "#nv", "#n/d", "#n/a n/a"})
BLANK = NO_TEXT | {
    "-", "--", "---", "n/a", "n.a.", "na", "nan", "nat", "nil", "none", "null", "\\n",
    "(blank)", "(empty)", "(none)", "(null)", "<na>", "<null>", "[null]",
}  # fmt: skip
TRUE = {
    "true", "t", "yes", "y", "1", "x", "on", "wahr", "ja", "j", "oui", "vrai", "sí", "si",
    "verdadero", "sim", "vero", "tak", "да",
}  # fmt: skip
FALSE = {
    "false", "f", "no", "n", "0", "off", "falsch", "nein", "non", "faux", "falso", "não", "nao",
    "nie", "нет",
}  # fmt: skip
NO_BREAK = "\u200b\ufeff"  # they have no width, and `strip` leaves them

_SPREADSHEET_ERROR = re.compile(r"#[^\W\d_]+(/0)?[!?]|##+")
_SAME_MARK = str.maketrans("‐‑‒–—―−’‘ʼ`´", "-------'''''")
# Neither a lone mark before three digits nor anything else to decide.
_MACHINE = r"^-?(\d+(\.(\d{1,2}|\d{4,}))?|(0\d*|\d{4,})\.\d{3})$"
_NUMBER = re.compile(
    r"%?\s*(?P<sign>[+-]?)\s*(?P<digits>\d[\d.,' ]*|[.,]\d+)(?:e(?P<power>[+-]?\d{1,3}))?"
    r"\s*(?P<trailing>-?)\s*%?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Converted:
    """A column as its contract wants it.

    Attributes
    ----------
    values
        One for each row of the source, missing where there was nothing or it could not be read.
    rejected
        Position of each value that could not be read, and the reason.
    notes
        What was decided for the column as a whole.
    """

    values: pd.Series
    rejected: dict[int, str]
    notes: list[str] = field(default_factory=list)


class Written(NamedTuple):
    """A number as it was written, its decimal mark yet to be settled."""

    sign: str
    reading: marks.Reading
    power: int = 0
    name: str | None = None  # the currency, or the percent sign


class Refused(str):
    """Why a value cannot be read."""


ERROR = Refused("is a spreadsheet error")
AMBIGUOUS = Refused(marks.AMBIGUOUS)
ABOVE_ONE = Refused("is above 1 in a column of shares: write a percentage with %")


def to_text(column: pd.Series) -> Converted:
    """Take values as text, without blanks around them.

    Keeps `NA` and `00123`; whole numbers lose their `.0`. A spreadsheet's `#N/A` (a look-up that
    found nothing) is missing, its other errors are rejected.

    Examples
    --------
    >>> to_text(pd.Series(["NA", " 00123 ", "", 7.0, "#REF!"])).values.to_list()
    ['NA', '00123', None, '7', None]
    """
    codes, found = distinct(column)
    return spread(codes, [_text(value) for value in found], object)


def to_boolean(column: pd.Series) -> Converted:
    """Read yes and no in the ways people write them.

    Examples
    --------
    >>> to_boolean(pd.Series(["Yes", "nein", "0", "", "maybe"])).values.to_list()
    [True, False, False, <NA>, <NA>]
    """
    codes, found = distinct(column)
    return spread(codes, [_boolean(value) for value in found], "boolean")


def to_integer(
    column: pd.Series, decimal: str | None = None, thousands: str | None = None
) -> Converted:
    """Read whole numbers, to the last digit.

    Examples
    --------
    >>> whole = to_integer(pd.Series(["9007199254740993", "1,234,567", "2.5", ""]))
    >>> whole.values.to_list(), whole.rejected
    ([9007199254740993, 1234567, <NA>, <NA>], {2: 'is not a whole number'})
    """
    codes, found = distinct(column)
    parsed = {code: _number(value) for code, value in enumerate(found)}
    texts, notes = _settled(parsed, codes, 0, decimal, thousands)
    whole = [_whole(texts.get(code, value)) for code, value in parsed.items()]
    return spread(codes, whole, "Int64", notes)


def to_number(
    column: pd.Series,
    decimal: str | None = None,
    thousands: str | None = None,
    as_share: bool = False,
) -> Converted:
    """Read plain numbers; `45 %` is 0.45.

    Parameters
    ----------
    decimal, thousands
        The marks, where they are known; see `marks.settle`.
    as_share
        Whether the values are parts of a whole. A column with most of its values above 1 is then
        taken for percent, and divided by 100.

    Raises
    ------
    ContractError
        When nothing in the column settles its decimal mark.

    Examples
    --------
    >>> to_number(pd.Series(["1e6", "1.5", "-2", "n/a", "12 %"])).values.to_list()
    [1000000.0, 1.5, -2.0, nan, 0.12]
    >>> to_number(pd.Series(["10", "45", "100", "90 %"]), as_share=True).values.to_list()
    [0.1, 0.45, 1.0, 0.9]
    """
    numbers = read_numbers(column, _number, decimal, thousands)
    if as_share:
        _bring_to_shares(numbers)
    return spread(numbers.codes, numbers.values, "float64", numbers.notes, numbers.refused)


def distinct(column: pd.Series) -> tuple[np.ndarray, list[Any]]:
    """Find a column's distinct values, so that each is parsed once.

    Returns
    -------
    codes
        For each row the position of its value, -1 for none.
    values
        The distinct values. `1`, `1.0`, `True` and `"1"` are kept apart.
    """
    if column.dtype == object and pd.api.types.infer_dtype(column) not in ("string", "empty"):
        values = column.to_numpy()
        missing = pd.isna(values)
        keys = np.empty(len(values), dtype=object)
        for row, value in enumerate(values):
            keys[row] = None if missing[row] else (type(value), value)
        codes, found = pd.factorize(keys)
        return codes, [value for _, value in found]
    codes, found = pd.factorize(column)
    return codes, found.tolist()


def spread(
    codes: np.ndarray,
    values: Sequence[Any],
    dtype: Any,
    notes: Sequence[str] = (),
    refused: Mapping[int, Refused] | None = None,
) -> Converted:
    """Put what was made of each distinct value back into its rows.

    Parameters
    ----------
    values, refused
        What was made of each; what could not be read stands among the values or by itself.
    """
    if refused is None:
        refused = {code: each for code, each in enumerate(values) if isinstance(each, Refused)}
        values = [None if isinstance(each, Refused) else each for each in values]
    # The last one is for code -1.
    last = np.append(values, np.nan) if isinstance(values, np.ndarray) else [*values, None]
    spread_out = pd.Series(last, dtype=dtype).take(codes).reset_index(drop=True)
    rows = np.flatnonzero(np.isin(codes, list(refused)))
    rejected = {int(row): str(refused[codes[row]]) for row in rows}
    return Converted(spread_out, rejected, list(notes))


@dataclass
class Numbers:
    """The distinct numbers of a column, while it is read.

    Attributes
    ----------
    codes
        For each row the position of its number, -1 for none.
    values
        The numbers, NaN for none.
    refused
        Why the value at a position is no number.
    names
        The currency, or the percent sign, written with the number at a position.
    notes
        What was decided for the column.
    """

    codes: np.ndarray
    values: np.ndarray
    refused: dict[int, Refused]
    names: dict[int, str]
    notes: list[str]


def read_numbers(
    column: pd.Series,
    take_apart: Callable[[Any], Written | float | Refused | None],
    decimal: str | None,
    thousands: str | None,
) -> Numbers:
    """Read the numbers of a column; those that a machine wrote all at once.

    Parameters
    ----------
    take_apart
        Reads one value of the others.
    decimal, thousands
        See `marks.settle`.
    """
    kinds = pd.api.types
    if kinds.is_numeric_dtype(column.dtype) and not kinds.is_bool_dtype(column.dtype):
        codes = np.arange(len(column))
        values = column.to_numpy("float64", na_value=np.nan).copy()
        points, rest = 0, []
    else:
        codes, found = distinct(column)
        values, has_point = _machine_written(found)
        points = int(has_point[codes[codes >= 0]].sum())
        rest = np.flatnonzero(np.isnan(values))
    parsed = {int(code): take_apart(found[code]) for code in rest}
    texts, notes = _settled(parsed, codes, points, decimal, thousands)
    names = {}
    for code, each in parsed.items():
        each = texts.get(code, each)
        if isinstance(each, Refused):
            parsed[code] = each
        elif each is not None:
            values[code] = float(each)
            if isinstance(parsed[code], Written) and parsed[code].name:
                names[code] = parsed[code].name
    refused = {code: each for code, each in parsed.items() if isinstance(each, Refused)}
    for code in np.flatnonzero(np.isinf(values)):
        values[code], refused[int(code)] = np.nan, Refused("is not a finite number")
    return Numbers(codes, values, refused, names, notes)


def _machine_written(found: Sequence[Any]) -> tuple[np.ndarray, np.ndarray]:
    """Read the numbers that can be read in one way only; and tell which have a decimal point."""
    texts = pa.array([each if isinstance(each, str) else None for each in found], pa.string())
    is_plain = pc.fill_null(pc.match_substring_regex(texts, _MACHINE), False)
    values = np.full(len(found), np.nan)
    values[is_plain.to_numpy(zero_copy_only=False)] = texts.filter(is_plain).cast(pa.float64())
    has_point = pc.and_(is_plain, pc.fill_null(pc.match_substring(texts, "."), False))
    return values, has_point.to_numpy(zero_copy_only=False)


def _settled(
    parsed: Mapping[int, Any],
    codes: np.ndarray,
    points: int,
    decimal: str | None,
    thousands: str | None,
) -> tuple[dict[int, str | Refused], list[str]]:
    """Write each number as a machine would, with the decimal mark that its column settles."""
    written = {code: each for code, each in parsed.items() if isinstance(each, Written)}
    readings = {code: each.reading for code, each in written.items()}
    texts, notes = marks.settle(readings, codes, points, decimal, thousands)
    return {
        # The exponent keeps 2.3 M exactly 2,300,000; a product would not.
        code: AMBIGUOUS if texts[code] is None else f"{each.sign}{texts[code]}e{each.power}"
        for code, each in written.items()
    }, notes


def plain(text: str) -> str:
    """Write one kind of space, minus, apostrophe and digit for the many that there are."""
    if not text.isascii():
        # The acute accent goes first, for NFKC takes it apart.
        text = unicodedata.normalize("NFKC", text.translate(_SAME_MARK)).strip(NO_BREAK)
    return " ".join(text.split())


def is_blank(text: str) -> bool:
    """Tell what stands for nothing, such as `-`, `n/a` and `NULL`, from a value."""
    return text.casefold() in BLANK


def is_spreadsheet_error(text: str) -> bool:
    """Tell `#REF!`, `#DIV/0!` and their like, in any language, from a value."""
    return text.startswith("#") and bool(_SPREADSHEET_ERROR.fullmatch(text))


def native_number(value: Any, kind: str) -> int | float | Decimal | Refused:
    """Take a number that is one already."""
    if isinstance(value, bool | np.bool_) or not isinstance(value, int | float | Decimal):
        return Refused(f"is not {kind}")
    return value if math.isfinite(value) else Refused(f"is not {kind}")


def _text(value: Any) -> str | Refused | None:
    match value:
        case str():
            text = value.strip().strip(NO_BREAK).strip()
            if is_spreadsheet_error(text):
                return ERROR
            return None if text.casefold() in NO_TEXT else text
        case bool():
            return str(value).lower()
        case float() | Decimal() if value == int(value):
            return str(int(value))
        case datetime() | date():
            return value.isoformat()
        case dict() | list():
            return json.dumps(value, ensure_ascii=False, default=str)
        case _:
            return str(value)


def _boolean(value: Any) -> bool | Refused | None:
    if isinstance(value, bool):
        return value
    text = plain(value if isinstance(value, str) else _text(value))
    if is_blank(text):
        return None
    if text.casefold() in TRUE | FALSE:
        return text.casefold() in TRUE
    return ERROR if is_spreadsheet_error(text) else Refused("is neither yes nor no")


def _number(value: Any) -> Written | int | float | Decimal | Refused | None:
    """Take one value apart, or refuse it."""
    if not isinstance(value, str):
        return native_number(value, "a number")
    text = plain(value)
    if is_blank(text):
        return None
    if is_spreadsheet_error(text):
        return ERROR
    match = _NUMBER.fullmatch(text)
    reading = match and marks.read(match["digits"].rstrip())
    if not match or not any(reading) or (match["sign"] and match["trailing"]):
        return Refused("is not a number")
    sign = "-" if "-" in (match["sign"], match["trailing"]) else ""
    percents = text.count("%")
    if percents > 1:
        return Refused("is not a number")
    return Written(sign, reading, int(match["power"] or 0) - 2 * percents, "%" * percents or None)


def _whole(value: Any) -> int | Refused | None:
    if value is None or isinstance(value, Refused):
        return value
    value = Decimal(value)
    if value != value.to_integral_value():
        return Refused("is not a whole number")
    return int(value) if abs(value) < 2**63 else Refused("is too large a number")


def _bring_to_shares(numbers: Numbers) -> None:
    """Bring shares and percentages to 0 to 1; those with a percent sign are there already."""
    rows = np.bincount(numbers.codes[numbers.codes >= 0], minlength=len(numbers.values))
    bare = np.ones(len(numbers.values), dtype=bool)
    bare[list(numbers.names)] = False
    with np.errstate(invalid="ignore"):
        fractions = int(rows[bare & (numbers.values > 0) & (numbers.values < 1)].sum())
        above = bare & (numbers.values > 1)
        percents = int(rows[above & (numbers.values <= 100)].sum())
    if percents > fractions:
        numbers.values[bare] /= 100
        note = f"read as percent, for {plural(percents, 'value')} of it are above 1"
        if fractions:
            note += f"; {plural(fractions, 'value')} below 1 too"
        numbers.notes.append(note)
        return
    for code in np.flatnonzero(above):
        numbers.values[code], numbers.refused[int(code)] = np.nan, ABOVE_ONE
