"""Digits with decimal and grouping marks: what they say, and what only the column can settle.

`1.234` is a thousand in Berlin and little more than one in London. A number is therefore read
twice, once with each decimal mark; a number that makes sense in one reading only settles the
mark for the others in its column.
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from revops_kit.errors import ContractError
from revops_kit.units import number, plural

AMBIGUOUS = 'could be a thousand or a decimal: say decimal = "." or ","'

# Groups of three with one mark throughout, groups of two before the last three as in India, or
# none. A group never opens with 0, so `0,125` can only be a decimal.
_WITH_POINT = re.compile(
    r"(?P<whole>\d*|[1-9]\d{0,2}(?:(?P<mark>[,' ])\d{3})(?:(?P=mark)\d{3})*"
    r"|[1-9]\d?(?:,\d{2})+,\d{3})(?:\.(?P<part>\d*))?"
)
_WITH_COMMA = re.compile(
    r"(?P<whole>\d*|[1-9]\d{0,2}(?:(?P<mark>[.' ])\d{3})(?:(?P=mark)\d{3})*)(?:,(?P<part>\d*))?"
)

_DECIMAL_BESIDE = {".": ",", ",": "."}


class Reading(NamedTuple):
    """Digits as plain text (`1234.5`), read with a decimal point and with a decimal comma.

    A reading is None where the digits make no sense that way.
    """

    point: str | None
    comma: str | None


def read(digits: str) -> Reading:
    """Read digits with both decimal marks.

    Examples
    --------
    >>> read("1,234.50"), read("1.234"), read("1,2,3")
    (Reading(point='1234.50', comma=None), Reading(point='1.234', comma='1234'),
     Reading(point=None, comma=None))
    """
    if digits.isdigit():
        return Reading(digits, digits)
    return Reading(_plain(_WITH_POINT.fullmatch(digits)), _plain(_WITH_COMMA.fullmatch(digits)))


def settle(
    readings: Mapping[int, Reading],
    codes: np.ndarray,
    points: int = 0,
    decimal: str | None = None,
    thousands: str | None = None,
) -> tuple[dict[int, str | None], list[str]]:
    """Choose the reading of every number, by itself or by the others in its column.

    Parameters
    ----------
    readings
        Of the column's distinct values that are numbers, by their code.
    codes
        Which value stands in each row, -1 for none.
    points
        How many rows besides can only have a decimal point.
    decimal, thousands
        The marks where they are known. They settle what is ambiguous; a number that makes sense
        with the other mark only is still read so, and noted.

    Returns
    -------
    The plain text of each number, None where it stays ambiguous; and notes

    Raises
    ------
    ContractError
        When nothing settles the ambiguous numbers.
    """
    rows = np.bincount(codes[codes >= 0])
    commas = 0
    ambiguous: list[int] = []
    for code, reading in readings.items():
        if reading.comma is None:
            points += rows[code]
        elif reading.point is None:
            commas += rows[code]
        elif reading.point != reading.comma:
            ambiguous.append(code)
    notes = []
    if decimal and (others := commas if decimal == "." else points):
        verb = "is" if others == 1 else "are"
        notes.append(f"{plural(others, 'value')} {verb} written with the other decimal mark")
    mark = decimal or _DECIMAL_BESIDE.get(thousands, "its own" if thousands else None)
    if ambiguous and not mark:
        count = int(rows[ambiguous].sum())
        if not points and not commas:
            first = np.isin(codes, ambiguous).argmax() + 1
            raise ContractError(
                f"{plural(count, 'value')} with one mark and three digits after it (the first in "
                f"data row {number(first)}) could be a thousand or a "
                f'decimal, and no other value settles it. Say decimal = "." or decimal = "," for '
                f"the table."
            )
        if not points or not commas:
            mark = "." if points else ","
            notes.append(
                f"{plural(count, 'ambiguous value')} read with decimal {mark!r}, which "
                f"{plural(points + commas, 'other value')} settled"
            )
    return {code: _choose(reading, mark) for code, reading in readings.items()}, notes


def _plain(match: re.Match | None) -> str | None:
    """Write matched digits without grouping and with a decimal point."""
    if not match:
        return None
    whole, part = re.sub(r"\D", "", match["whole"]), match["part"]
    if not whole and not part:
        return None
    return f"{whole or 0}.{part}" if part else whole


def _choose(reading: Reading, mark: str | None) -> str | None:
    """Take the one reading that makes sense, or the one with the column's mark.

    Where thousands are grouped by a space or an apostrophe, any mark is a decimal: `its own`.
    """
    if reading.point is None or reading.comma is None or reading.point == reading.comma:
        return reading.point or reading.comma
    if mark == "its own":
        return reading.point if "." in reading.point else reading.comma
    return {".": reading.point, ",": reading.comma}.get(mark)
