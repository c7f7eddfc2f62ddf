"""Dates and moments as people write them, brought to the company's time zone.

Whether the day or the month comes first is decided for a column as a whole, from the values that
settle it. Where none does, or they contradict each other, the column is refused: half of its
dates would be wrong.
"""

import datetime as dt
import re
from calendar import monthrange
from collections.abc import Mapping
from functools import cache, lru_cache
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from babel import Locale

from revops_kit.errors import ContractError
from revops_kit.sources.values import (
    ERROR,
    Converted,
    Refused,
    distinct,
    is_blank,
    is_spreadsheet_error,
    plain,
    spread,
)
from revops_kit.units import number, plural

# Languages whose names of months and weekdays are known. No word means two months among them.
LANGUAGES = (
    "en", "en_GB", "de", "de_AT", "fr", "es", "it", "pt", "nl", "pl", "cs", "sv", "da", "nb",
    "fi", "hu", "ro", "ru", "tr",
)  # fmt: skip
# Words that may stand beside a month's name: 31st, 1er, "31 de enero", "31 stycznia 2026 r.".
FILLERS = {
    "st", "nd", "rd", "th", "er", "o", "of", "the", "de", "del", "d", "den", "le", "el", "il",
    "r", "г", "года",
}  # fmt: skip
NOT_A_DATE = Refused("is not a date")

_DATE = r"^\d{4}-\d{2}-\d{2}"
_CLOCK = r"[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?"
_ISO_LOCAL = rf"{_DATE}({_CLOCK})?$"
_ISO_ZONED = rf"{_DATE}{_CLOCK}(Z|[+-]\d{{2}}:?\d{{2}})$"
_TIME = re.compile(
    r"(?:t|,|\s)\s*(?:at |um |kl\.? |à )?(?P<hour>\d{1,2})"
    r"(?::(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,](?P<part>\d{1,9}))?)?|(?=\s?[ap]))"
    r"\s?(?:(?P<half>[ap])\.?\s?m\.?|uhr|h)?"
    r"\s?(?P<zone>z|\(?(?:utc|gmt)\)?|(?:utc|gmt)?(?P<sign>[+-])(?P<hours>\d{2}):?(?P<minutes>\d{2}))?$"
)
_YEAR_FIRST = re.compile(r"(\d{4})\s?([-./ ])\s?(\d{1,2})\s?\2\s?(\d{1,2})[.-]?")
_YEAR_LAST = re.compile(r"(\d{1,2})\s?([-./ ])\s?(\d{1,2})\s?\2\s?(\d{4}|\d{2})\.?")
_YEAR_MONTH = re.compile(r"(\d{4})[-/](\d{1,2})-?")
_MONTH_YEAR = re.compile(r"(\d{1,2})[-/](\d{4})")
_NUMBER = re.compile(r"\d+(\.\d+)?")
_CJK = str.maketrans("年月日년월일", "--\0--\0")

_EXCEL_BEGINS = dt.datetime(1899, 12, 30)
_UNIX_BEGINS = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
# Digits of a whole number of seconds, milliseconds or microseconds since 1970.
_UNIX_UNITS = {10: 1, 13: 1_000, 16: 1_000_000}


class Day(NamedTuple):
    """A day as it was written; where `is_open`, day and month may have changed places."""

    year: int
    month: int
    day: int
    is_open: bool = False
    is_short: bool = False  # its year has two digits


class Moment(NamedTuple):
    """A day and a time of day, with its distance from UTC where that was written."""

    day: Day
    clock: dt.time
    offset: dt.timedelta | None


def to_timestamps(
    column: pd.Series,
    *,
    timezone: str,
    format: str | None = None,
    dayfirst: bool | None = None,
    are_months: bool = False,
) -> Converted:
    """Read moments, and bring those with an offset to the company's time zone.

    Parameters
    ----------
    timezone
        The company's, such as `Europe/Berlin`. A moment without an offset is in it already.
    format
        How every value is written, in the signs of `strptime`, where it is known.
    dayfirst
        Whether 1/2 is the first of February, where it is known.
    are_months
        See `to_dates`.

    Returns
    -------
    Moments without a zone, to the microsecond

    Raises
    ------
    ContractError
        When nothing settles whether the day or the month comes first, or values contradict.

    Examples
    --------
    >>> moments = to_timestamps(
    ...     pd.Series(["2026-01-31T23:30Z", "1/31/2026 5:15 pm", "31. Januar 2026", "31.02.2026"]),
    ...     timezone="Europe/Berlin",
    ... )
    >>> moments.values.astype(str).to_list()
    ['2026-02-01 00:30:00', '2026-01-31 17:15:00', '2026-01-31 00:00:00', nan]
    >>> moments.rejected
    {3: 'is not a date'}
    """
    zone = ZoneInfo(timezone)
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        column = column.reset_index(drop=True)
        return Converted(_without_zone(column, zone), {}, _told_of_midnights(column, zone))
    codes, found = distinct(column)
    if format:
        read, rest, notes = _by_format(found, format, zone), {}, []
        rest = {row: _unformatted(found[row]) for row in np.flatnonzero(read.isna())}
    else:
        read, said = _by_iso(found, zone)
        rest = {row: _moment(found[row]) for row in np.flatnonzero(read.isna())}
        rows = np.bincount(codes[codes >= 0], minlength=len(found))
        notes = said + _settle_numbers(rest, rows)
        notes += _settle_days(rest, rows, dayfirst, are_months)
    return _together(codes, read, rest, notes, zone)


def to_dates(
    column: pd.Series,
    *,
    timezone: str,
    format: str | None = None,
    dayfirst: bool | None = None,
    are_months: bool = False,
) -> Converted:
    """Read days, as midnights; a moment with an offset counts on its day in the company's zone.

    Parameters
    ----------
    timezone, format, dayfirst
        As `to_timestamps` has them.
    are_months
        Whether each is the first day of a month, which settles what 01.02.2026 is.

    Examples
    --------
    >>> days = to_dates(pd.Series(["2026-01", "Jan 31, 2026"]), timezone="UTC")
    >>> days.values.astype(str).to_list()
    ['2026-01-01', '2026-01-31']
    >>> months = to_dates(pd.Series(["1/1/2026", "1/2/2026"]), timezone="UTC", are_months=True)
    >>> months.values.astype(str).to_list()
    ['2026-01-01', '2026-02-01']
    """
    moments = to_timestamps(
        column, timezone=timezone, format=format, dayfirst=dayfirst, are_months=are_months
    )
    return Converted(moments.values.dt.normalize(), moments.rejected, moments.notes)


def _without_zone(moments: pd.Series, zone: ZoneInfo) -> pd.Series:
    """Bring moments to the company's zone, and leave the zone away."""
    if moments.dt.tz is not None:
        moments = moments.dt.tz_convert(zone).dt.tz_localize(None)
    return moments.astype("datetime64[us]")


def _told_of_midnights(moments: pd.Series, zone: ZoneInfo) -> list[str]:
    """Warn of days that were written as midnights in UTC, west of which they are the day before."""
    if moments.dt.tz is None:
        return []
    utc = moments.dropna().dt.tz_convert("UTC")
    local = utc.dt.tz_convert(zone)
    are_midnights = len(utc) > 1 and utc.eq(utc.dt.normalize()).all()
    if not are_midnights or local.dt.date.eq(utc.dt.date).all():
        return []
    return [
        f"all {number(len(utc))} different moments are midnights in UTC, which is the day before "
        f"in {zone.key}: if days are meant, say so with a `format` that ends in a plain Z, or a "
        f"query"
    ]


def _by_iso(found: list[Any], zone: ZoneInfo) -> tuple[pd.Series, list[str]]:
    """Read what is written as the standard has it, all at once; the rest is missing."""
    texts = pa.array([each if isinstance(each, str) else None for each in found], pa.string())
    texts = pc.utf8_trim_whitespace(texts)
    read = pd.Series(pd.NaT, index=range(len(found)), dtype="datetime64[us]")
    notes = []
    for pattern, is_zoned in ((_ISO_LOCAL, False), (_ISO_ZONED, True)):
        rows = pc.fill_null(pc.match_substring_regex(texts, pattern), False).to_numpy(False)
        if rows.any():
            some = pd.Series(texts.filter(pa.array(rows)).to_pandas())
            moments = pd.to_datetime(some, format="ISO8601", errors="coerce", utc=is_zoned)
            notes += _told_of_midnights(moments, zone)
            read[rows] = _without_zone(moments, zone).to_numpy()
    return read, notes


def _by_format(found: list[Any], format: str, zone: ZoneInfo) -> pd.Series:
    """Read what is written in the format; the rest is missing."""
    texts = pd.Series([_digits(each) for each in found], dtype=object)
    if "%" not in format:
        raise ContractError(f"{format!r} is no format: write one such as '%d.%m.%Y %H:%M'.")
    try:
        moments = pd.to_datetime(texts, format=format, errors="coerce", utc="%z" in format)
    except ValueError as error:
        raise ContractError(f"{format!r} is no format for dates ({error}).") from None
    return _without_zone(moments, zone)


def _unformatted(value: Any) -> Any:
    """Say of a value that is not written in the format what it is."""
    if isinstance(value, dt.date):
        return value
    blank = isinstance(value, str) and is_blank(plain(value))
    return None if blank else Refused("is not a date of the format that revops.toml gives")


def _digits(value: Any) -> str | None:
    """Write a number without its `.0`, and a text without the blanks around it."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return plain(str(value))


def _moment(value: Any) -> Moment | dt.date | float | Refused | None:
    """Take one value apart; a plain number is for the column to settle."""
    if isinstance(value, dt.date):
        return value
    text = _digits(value)
    if text is None:
        return NOT_A_DATE
    if is_blank(text):
        return None
    if is_spreadsheet_error(text):
        return ERROR
    text = text.casefold()
    if _NUMBER.fullmatch(text):
        whole = text if len(text) == 8 and text.isdigit() else ""
        if whole and 1900 <= int(whole[:4]) < 2200:
            return Moment(Day(int(whole[:4]), int(whole[4:6]), int(whole[6:])), dt.time(), None)
        return float(text)
    clock, offset = dt.time(), None
    if match := _TIME.search(text):
        try:
            clock, offset = _clock(match), _offset(match)
        except ValueError:
            return NOT_A_DATE
        text = text[: match.start()]
    day = _day(text.strip(" ,"))
    return Moment(day, clock, offset) if day else NOT_A_DATE


def _clock(match: re.Match) -> dt.time:
    """Read a time of day, in 24 hours or twice 12."""
    hour = int(match["hour"])
    if match["half"]:
        if not 1 <= hour <= 12:
            raise ValueError
        hour = hour % 12 + 12 * (match["half"] == "p")
    part = int((match["part"] or "0")[:6].ljust(6, "0"))
    return dt.time(hour, int(match["minute"] or 0), int(match["second"] or 0), part)


def _offset(match: re.Match) -> dt.timedelta | None:
    """Read a distance from UTC, if one was written."""
    if not match["zone"]:
        return None
    distance = dt.timedelta(hours=int(match["hours"] or 0), minutes=int(match["minutes"] or 0))
    return -distance if match["sign"] == "-" else distance


@lru_cache(maxsize=100_000)
def _day(text: str) -> Day | None:
    """Read the day in a text without its time."""
    text = text.translate(_CJK).replace("\0", "")
    if match := _YEAR_FIRST.fullmatch(text):
        return Day(int(match[1]), int(match[3]), int(match[4]))
    if match := _YEAR_LAST.fullmatch(text):
        return _year(match[4])._replace(month=int(match[3]), day=int(match[1]), is_open=True)
    if match := _YEAR_MONTH.fullmatch(text):
        return Day(int(match[1]), int(match[2]), 1)
    if match := _MONTH_YEAR.fullmatch(text):
        return Day(int(match[2]), int(match[1]), 1)
    return _named_day(text)


def _year(digits: str) -> Day:
    """Open a day with its year; two digits are a year from 1969 to 2068, as POSIX has it."""
    year = int(digits)
    if len(digits) > 2:
        return Day(year, 1, 1)
    return Day(year + (1900 if year >= 69 else 2000), 1, 1, is_short=True)


def _named_day(text: str) -> Day | None:
    """Read a day whose month is written as a word: 31-Jan-26, January 31st 2026, Jan 2026."""
    months, weekdays = _names()
    words = re.findall(r"[^\W\d_]+", text)
    numbers = re.findall(r"\d+", text)
    named = [word for word in words if word in months]
    if len(named) > 1:  # "mar. 31 mars 2026": mardi, or the third month
        named = [word for word in named if word not in weekdays]
    known = months.keys() | weekdays | FILLERS
    if len(named) != 1 or not known.issuperset(words) or re.search(r"[^\w\s.,/'º-]", text):
        return None
    month = months[named[0]]
    match sorted(numbers, key=lambda digits: len(digits) == 4):
        case [year] if len(year) == 4 or re.search(r"[-/']\d\d$", text):
            return _year(year)._replace(month=month)
        case [day, year] if len(day) <= 2 and len(year) in (2, 4):
            return _year(year)._replace(month=month, day=int(day))
    return None


@cache
def _names() -> tuple[Mapping[str, int], frozenset[str]]:
    """Collect the names of months, with their numbers, and of weekdays, from Unicode's CLDR."""
    months: dict[str, int] = {"sept": 9}
    weekdays: set[str] = set()
    for language in LANGUAGES:
        locale = Locale.parse(language)
        for use in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                for place, name in locale.months[use][width].items():
                    months[plain(name).casefold().rstrip(".")] = place
                names = locale.days[use][width].values()
                weekdays.update(plain(name).casefold().rstrip(".") for name in names)
    return months, frozenset(weekdays)


def _settle_numbers(parsed: dict[int, Any], rows: np.ndarray) -> list[str]:
    """Replace plain numbers by the days or moments they count."""
    numbers = {row: each for row, each in parsed.items() if isinstance(each, float)}
    counted = {row: _UNIX_UNITS.get(len(str(int(each)))) for row, each in numbers.items()}
    serials = [row for row in numbers if not counted[row]]
    are_serials = all(20_000 <= numbers[row] <= 80_000 for row in serials)
    for row, counting in numbers.items():
        if unit := counted[row]:
            moment = _UNIX_BEGINS + dt.timedelta(microseconds=round(counting / unit * 1e6))
            parsed[row] = moment
        elif are_serials:
            # To the second, for Excel's fractions of a day are rounded.
            seconds = round(counting * 86_400)
            parsed[row] = _EXCEL_BEGINS + dt.timedelta(seconds=seconds)
        else:
            parsed[row] = Refused("is a plain number, not a date")
    notes = []
    if serials and are_serials:
        days = sum(rows[row] for row in serials)
        notes.append(f"{plural(days, 'plain number')} read as Excel's count of days")
    if epochs := sum(rows[row] for row in numbers if counted[row]):
        notes.append(f"{plural(epochs, 'plain number')} read as time since 1970, in UTC")
    return notes


def _settle_days(
    parsed: dict[int, Any], rows: np.ndarray, dayfirst: bool | None, are_months: bool
) -> list[str]:
    """Decide for the column whether the day or the month comes first, and make its moments."""
    moments = {row: each for row, each in parsed.items() if isinstance(each, Moment)}
    notes = []
    if short := sum(rows[row] for row, each in moments.items() if each.day.is_short):
        notes.append(f"{plural(short, 'two-digit year')} read as 1969 to 2068")
    written = {row: each.day for row, each in moments.items() if each.day.is_open}
    if written and dayfirst is None:
        dayfirst, said = _day_comes_first(written, rows, are_months)
        notes += said
    for row, each in moments.items():
        day = each.day
        if day.is_open and not dayfirst:
            day = day._replace(month=day.day, day=day.month)
        if not _exists(*day[:3]):
            parsed[row] = NOT_A_DATE
            continue
        moment = dt.datetime.combine(dt.date(*day[:3]), each.clock)
        if each.offset is not None:
            moment = moment.replace(tzinfo=dt.timezone(each.offset))
        parsed[row] = moment
    return notes


def _day_comes_first(
    written: dict[int, Day], rows: np.ndarray, are_months: bool
) -> tuple[bool, list[str]]:
    """Find the order in which a column's days are written, from those that allow only one."""
    day_first = month_first = either = 0
    for row, (year, second, first, *_) in written.items():
        as_day, as_month = _exists(year, second, first), _exists(year, first, second)
        if as_day and as_month:
            either += rows[row] * (first != second)
        else:
            day_first += rows[row] * as_day
            month_first += rows[row] * as_month
    cure = "Say dayfirst = true or dayfirst = false for the table."
    if day_first and month_first:
        raise ContractError(
            f"{plural(day_first, 'date')} can only have the day first and "
            f"{plural(month_first, 'date')} only the month; {number(either)} could be either. "
            f"{cure}"
        )
    if either and not day_first and not month_first:
        begins = [{day.day for day in written.values()}, {day.month for day in written.values()}]
        if are_months and {1} in begins:
            order = "day" if begins[0] == {1} else "month"
            return order == "day", [f"read with the {order} first, for months begin on their first"]
        raise ContractError(
            f"{plural(either, 'date')} could have the day or the month first, and no other value "
            f"settles it. {cure}"
        )
    _refuse_years_in_front(written)
    if not either:
        return bool(day_first), []
    order, settled = ("day", day_first) if day_first else ("month", month_first)
    return order == "day", [f"read with the {order} first, which {plural(settled, 'date')} settled"]


@lru_cache(maxsize=100_000)
def _exists(year: int, month: int, day: int) -> bool:
    """Tell a day of the calendar from one that never was."""
    return year >= 1 and 1 <= month <= 12 and 1 <= day <= monthrange(year, month)[1]


def _refuse_years_in_front(written: dict[int, Day]) -> None:
    """Refuse 26-01-31 and its like: what stands last changes as days do, what is first hardly."""
    firsts = {day.day for day in written.values() if day.is_short}
    lasts = {day.year for day in written.values() if day.is_short}
    if len(lasts) >= 5 and len(lasts) > 3 * len(firsts):
        raise ContractError(
            "its two-digit years seem to stand in front. Say how they are written, such as "
            'format = "%y-%m-%d", for the column.'
        )


def _together(
    codes: np.ndarray, read: pd.Series, rest: dict[int, Any], notes: list[str], zone: ZoneInfo
) -> Converted:
    """Put the moments of all values into their rows, in the company's zone."""
    refused: list[Any] = [None] * len(read)
    moments = {}
    for row, each in rest.items():
        if isinstance(each, Refused):
            refused[row] = each
        elif each is not None:
            moments[row] = _local(each, zone)
    if moments:
        read = read.copy()
        read.iloc[list(moments)] = pd.Series(list(moments.values()), dtype="datetime64[us]").array
    missing = pd.Series([pd.NaT], dtype="datetime64[us]")
    values = pd.concat([read, missing]).take(codes).reset_index(drop=True)
    return Converted(values, spread(codes, refused, object).rejected, notes)


def _local(moment: dt.date, zone: ZoneInfo) -> dt.datetime:
    """Write a moment, or a day's midnight, on the company's clock."""
    if not isinstance(moment, dt.datetime):
        return dt.datetime.combine(moment, dt.time())
    return moment.astimezone(zone).replace(tzinfo=None) if moment.tzinfo else moment
