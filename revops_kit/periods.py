"""Spans of time: 2026 · 2026-Q3 · 2026-09 · 2026-W36 · all.

A period is half-open – its `start` is inside, its `end` is the first day after – and lies in the
company's calendar. `Periods` is a run of periods of one kind, and puts rows into them.
"""

import datetime as dt
import re
from calendar import month_name
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Literal

import ibis
import ibis.expr.types as ir

from revops_kit.errors import PeriodError

Kind = Literal["year", "quarter", "month", "week", "all"]

WRITTEN = {
    "year": re.compile(r"(\d{4})"),
    "quarter": re.compile(r"(\d{4})-?Q([1-4])"),
    "month": re.compile(r"(\d{4})-(0[1-9]|1[0-2])"),
    "week": re.compile(r"(\d{4})-?W(0[1-9]|[1-4]\d|5[0-3])"),
    "all": re.compile(r"all"),
}
MONTHS = {"year": 12, "quarter": 3, "month": 1}
# `all` has ends too, so that nothing that compares dates needs a special case.
FIRST_DAY = dt.date(1900, 1, 1)
LAST_DAY = dt.date(2200, 1, 1)
ONE_DAY = dt.timedelta(days=1)


@dataclass(frozen=True)
class Calendar:
    """The company's year and week.

    Attributes
    ----------
    fiscal_year_start
        Month in which the fiscal year begins. A fiscal year is named after the calendar year it
        ends in: with 2, the year 2026 runs from February 2025 to January 2026.
    week_start
        First day of the week. Weeks are numbered as in ISO 8601; those that begin on Sunday
        begin a day earlier.
    """

    fiscal_year_start: int = 1
    week_start: Literal["monday", "sunday"] = "monday"


@dataclass(frozen=True)
class Period:
    """One span of time.

    Attributes
    ----------
    label
        As people write it, such as 2026-09.
    start, end
        First day inside, first day after.
    """

    label: str
    kind: Kind
    start: dt.date
    end: dt.date

    def __str__(self) -> str:
        return self.label

    @property
    def words(self) -> str:
        """As people say it in a sentence, such as September 2026."""
        return spoken(self.label)


@dataclass(frozen=True)
class Periods:
    """A run of periods of one kind, the last of them named.

    Parameters
    ----------
    text
        The last period: 2026, 2026-Q3, 2026-09, 2026-W36 or all.
    count
        How many there are, ending with the last.
    calendar
        The company's year and week.
    as_of
        The last day that is known; None for no bound.

    Raises
    ------
    PeriodError
        When `text` is not a period.

    Examples
    --------
    >>> [period.label for period in Periods("2026-01", 3)]
    ['2025-11', '2025-12', '2026-01']
    >>> february = Calendar(fiscal_year_start=2)
    >>> Periods("2026-Q1", calendar=february).start
    datetime.date(2025, 2, 1)
    """

    text: str
    count: int = 1
    calendar: Calendar = field(default_factory=Calendar)
    as_of: dt.date | None = None

    def __post_init__(self) -> None:
        if self.count < 1:
            raise PeriodError(f"{self.count} periods cannot be shown: ask for 1 or more.")
        _ = self.each

    def __iter__(self) -> Iterator[Period]:
        return iter(self.each)

    def __len__(self) -> int:
        return len(self.each)

    @cached_property
    def kind(self) -> Kind:
        """What each of them is: a year, a quarter, a month, a week or all."""
        return parse(self.text, self.calendar).kind

    @cached_property
    def each(self) -> tuple[Period, ...]:
        """The periods, oldest first."""
        period = parse(self.text, self.calendar)
        if period.kind == "all":
            return (period,)
        run = [period]
        while len(run) < self.count:
            run.append(containing(run[-1].start - ONE_DAY, period.kind, self.calendar))
        return tuple(reversed(run))

    @property
    def start(self) -> dt.date:
        """First day of the first."""
        return self.each[0].start

    @property
    def end(self) -> dt.date:
        """First day after the last."""
        return self.each[-1].end

    @property
    def known_until(self) -> dt.date:
        """First day of which nothing is known."""
        return LAST_DAY if self.as_of is None else self.as_of + ONE_DAY

    def is_partial(self, period: Period) -> bool:
        """Tell whether a period has begun, but is not known to its end; `all` never is."""
        return period.kind != "all" and period.start < self.known_until < period.end

    def has_begun(self, period: Period) -> bool:
        """Tell whether anything of a period is known."""
        return period.start < self.known_until

    def before(self) -> "Periods":
        """Go back to the run of as many periods that ends where this one starts."""
        return replace(self, text=self._ending_before(self.start))

    def assign(self, table: ir.Table, on: str, **figures: ir.Value) -> ir.Table:
        """Keep the rows whose date lies in one of the periods, and say in which.

        Parameters
        ----------
        table
            Any table with a date or timestamp.
        on
            The column that decides. Rows without a date belong to `all` only.
        **figures
            What each row adds; said at once, it costs no layer of its own.

        Returns
        -------
        Table
            The rows, with `period`: the first day of theirs.
        """
        if self.kind == "all":
            return table.mutate(period=ibis.literal(self.start), **figures)
        day = table[on].cast("date")
        inside = table.filter((day >= self.start) & (day < min(self.end, self.known_until)))
        return inside.mutate(period=self._floor(inside[on].cast("date")), **figures)

    def start_of(self, day: ir.Value) -> ir.DateValue:
        """Give the first day of the period that a day lies in; missing outside all of them.

        Unlike `assign`, this takes days that are still to come.
        """
        if self.kind == "all":
            return ibis.literal(self.start)
        day = day.cast("date")
        inside = (day >= self.start) & (day < self.end)
        return inside.ifelse(self._floor(day), ibis.null("date"))

    def snapshots(self, table: ir.Table, *, ahead: bool = False) -> ir.Table:
        """Repeat the rows for each period, to be looked at when it starts and when it ends.

        Parameters
        ----------
        ahead
            Whether periods that have not begun are there too, seen from the last day known.

        Returns
        -------
        Table
            The rows, with `period`, `starts` (its first day) and `ends` (the first day after
            it, or after `as_of` where that comes sooner).
        """
        moments = self.moments(ahead=ahead)
        # Ours by these names, and not a company's own.
        theirs = [name for name in moments.columns if name in table.columns]
        return (table.drop(*theirs) if theirs else table).cross_join(moments)

    def moments(self, *, ahead: bool = False) -> ir.Table:
        """Give the periods that have begun as a table: `period`, `starts` and `ends`."""
        begun = [
            (period.start, period.start, min(period.end, self.known_until))
            for period in self
            if ahead or self.has_begun(period)
        ]
        schema = {"period": "date", "starts": "date", "ends": "date"}
        return ibis.memtable(begun, schema=ibis.schema(schema))

    def _floor(self, day: ir.DateValue) -> ir.DateValue:
        if self.kind == "week":
            shift = 1 if self.calendar.week_start == "sunday" else 0
            monday = floor(day + ibis.interval(days=shift), "W")
            return (monday - ibis.interval(days=shift)).cast("date")
        unit = {"year": "Y", "quarter": "Q", "month": "M"}[self.kind]
        shift = (self.calendar.fiscal_year_start - 1) % MONTHS[self.kind]
        if not shift:
            return floor(day, unit)
        # A fiscal year that starts in February is a calendar year moved by one month.
        moved = floor(day - ibis.interval(months=shift), unit)
        return (moved + ibis.interval(months=shift)).cast("date")

    def _ending_before(self, day: dt.date) -> str:
        if self.kind == "all":
            raise PeriodError("There is no period before 'all'. Name a month, quarter or year.")
        return containing(day - ONE_DAY, self.kind, self.calendar).label


def floor(day: ir.Value, unit: Literal["Y", "Q", "M", "W"]) -> ir.DateValue:
    """Give the first day of the year, quarter, month or week (from Monday) that a day is in."""
    # PostgreSQL makes a moment with a zone of it, whose day may be another one once it is fetched.
    return day.cast("date").truncate(unit).cast("timestamp").cast("date")


def last(count: int, text: str) -> Periods:
    """Name a run of periods by its length and its last.

    Examples
    --------
    >>> [period.label for period in last(2, "2026-Q1")]
    ['2025-Q4', '2026-Q1']
    """
    return Periods(text, count)


def shift(text: str, count: int) -> str:
    """Name the period so many later, or earlier where `count` is negative; `all` stays.

    Examples
    --------
    >>> shift("2026-11", 3), shift("2026-Q1", -1), shift("2026-W53", 1)
    ('2027-02', '2025-Q4', '2027-W01')
    """
    # Labels follow each other alike in every calendar.
    period = parse(text)
    for _ in range(abs(count) if period.kind != "all" else 0):
        period = containing(period.end if count > 0 else period.start - ONE_DAY, period.kind)
    return period.label


def spoken(label: str) -> str:
    """Write a period as people say it in a sentence; what is none stays as it is.

    Examples
    --------
    >>> spoken("2026-09"), spoken("2026-Q3"), spoken("2026-W36"), spoken("2026"), spoken("all")
    ('September 2026', 'Q3 2026', 'week 36 of 2026', '2026', 'all time')
    """
    for kind, written in WRITTEN.items():
        if match := written.fullmatch(label):
            match kind, match.groups():
                case "quarter", (year, number):
                    return f"Q{number} {year}"
                case "month", (year, number):
                    return f"{month_name[int(number)]} {year}"
                case "week", (year, number):
                    return f"week {int(number)} of {year}"
                case "all", _:
                    return "all time"
    return label


def parse(text: str, calendar: Calendar | None = None) -> Period:
    """Read a period as people write it.

    Raises
    ------
    PeriodError
        When `text` is none of 2026, 2026-Q3, 2026-09, 2026-W36 and all.

    Examples
    --------
    >>> parse("2026-Q3").start, parse("2026-Q3").end
    (datetime.date(2026, 7, 1), datetime.date(2026, 10, 1))
    >>> parse("2026-W01").start
    datetime.date(2025, 12, 29)
    """
    calendar = calendar or Calendar()
    # pandas reads "Sept" too: as September of the year 1.
    for kind, written in WRITTEN.items():
        if match := written.fullmatch(str(text).strip()):
            numbers = [int(part) for part in match.groups()]
            if kind == "all":
                return Period("all", "all", FIRST_DAY, LAST_DAY)
            if not 1900 < numbers[0] < 2199:
                break
            if kind == "week":
                return _week(*numbers, calendar)
            return _months(kind, numbers[0], numbers[1] if len(numbers) > 1 else 1, calendar)
    raise PeriodError(
        f"{str(text)[:40]!r} is not a period. Write 2026, 2026-Q3, 2026-09, 2026-W36 or all."
    )


def containing(day: dt.date, kind: Kind, calendar: Calendar | None = None) -> Period:
    """Find the period of a kind that a day lies in.

    Examples
    --------
    >>> containing(dt.date(2026, 9, 30), "quarter").label
    '2026-Q3'
    >>> containing(dt.date(2026, 9, 30), "year", Calendar(fiscal_year_start=2)).label
    '2027'
    """
    calendar = calendar or Calendar()
    if kind == "all":
        return parse("all")
    if kind == "week":
        monday = day + ONE_DAY if calendar.week_start == "sunday" else day
        year, number, _ = monday.isocalendar()
        return _week(year, number, calendar)
    if kind == "month":
        return _months("month", day.year, day.month, calendar)
    since = (day.month - calendar.fiscal_year_start) % 12
    begun = day.year if day.month >= calendar.fiscal_year_start else day.year - 1
    year = begun + (calendar.fiscal_year_start > 1)
    return _months(kind, year, since // 3 + 1 if kind == "quarter" else 1, calendar)


def last_whole(as_of: dt.date, kind: Kind, calendar: Calendar | None = None) -> Period:
    """Find the latest period of a kind that is over by the end of a day.

    Examples
    --------
    >>> [last_whole(dt.date(2026, 9, day), "month").label for day in (29, 30)]
    ['2026-08', '2026-09']
    """
    calendar = calendar or Calendar()
    return containing(containing(as_of + ONE_DAY, kind, calendar).start - ONE_DAY, kind, calendar)


def resolve(text: str, as_of: dt.date | None, calendar: Calendar | None = None) -> str:
    """Turn last-month, this-quarter and their like into a period, as seen from a day.

    Raises
    ------
    PeriodError
        When it is neither these nor a period, or there is no day to see it from.

    Examples
    --------
    >>> resolve("last-month", dt.date(2026, 9, 30)), resolve("this-week", dt.date(2026, 9, 30))
    ('2026-09', '2026-W40')
    >>> resolve("2026-Q3", dt.date(2026, 9, 30))
    '2026-Q3'
    """
    which, _, kind = text.partition("-")
    if which not in ("last", "this") or kind not in ("week", "month", "quarter", "year"):
        return parse(text, calendar).label
    if as_of is None:
        raise PeriodError(f"{text!r} needs a day to be seen from, and the data have none.")
    seen = last_whole if which == "last" else containing
    return seen(as_of, kind, calendar).label


def parse_date(text: str | dt.date, name: str = "as_of") -> dt.date:
    """Read a day written as in 2026-10-31.

    Raises
    ------
    PeriodError
        When it is not one.
    """
    if isinstance(text, dt.datetime):
        return text.date()
    if isinstance(text, dt.date):
        return text
    try:
        return dt.date.fromisoformat(text.strip())
    except ValueError:
        raise PeriodError(f"{name} {text[:40]!r} is not a date. Write 2026-10-31.") from None


def _months(kind: Kind, year: int, number: int, calendar: Calendar) -> Period:
    if kind == "month":
        start, label = dt.date(year, number, 1), f"{year}-{number:02d}"
    else:
        # A fiscal year is named after the calendar year it ends in.
        begun = year - (calendar.fiscal_year_start > 1)
        start = add_months(dt.date(begun, calendar.fiscal_year_start, 1), 3 * (number - 1))
        label = f"{year}-Q{number}" if kind == "quarter" else str(year)
    return Period(label, kind, start, add_months(start, MONTHS[kind]))


def _week(year: int, number: int, calendar: Calendar) -> Period:
    try:
        monday = dt.date.fromisocalendar(year, number, 1)
    except ValueError:
        raise PeriodError(f"{year} has no week {number}; its last is W52.") from None
    start = monday - ONE_DAY if calendar.week_start == "sunday" else monday
    return Period(f"{year}-W{number:02d}", "week", start, start + dt.timedelta(days=7))


def add_months(day: dt.date, months: int) -> dt.date:
    """Move the first day of a month by whole months.

    Examples
    --------
    >>> add_months(dt.date(2026, 11, 1), 3)
    datetime.date(2027, 2, 1)
    """
    count = day.year * 12 + day.month - 1 + months
    return dt.date(count // 12, count % 12 + 1, 1)
