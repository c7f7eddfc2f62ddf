"""When a report runs: five fields, as cron reads them, and the moments that they name.

APScheduler finds the next time on the clock's face. It is given plain numbers, and no time zone,
because by itself it counts weekdays from Monday, where cron counts from Sunday, overlooks the step
of `MON-FRI/2`, runs twice what the clock shows twice, and leaves out a day without a midnight.
"""

import datetime as dt
import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from revops_kit.errors import RequestError

MONTHS = ["JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC"]
WEEKDAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]
# Name, first and last value, and words for values, which count from the first.
FIELDS = (
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, MONTHS),
    ("weekday", 0, 7, WEEKDAYS),
)
PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/(\d+))?")
LONGEST = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)  # months, in the longest year
MINUTE = dt.timedelta(minutes=1)


@dataclass(frozen=True)
class Cron:
    """A cron expression; made by `parse`.

    Attributes
    ----------
    text
        As it was written.
    minutes, hours, days, months, weekdays
        The values that each field lets pass, in order; weekdays count from Sunday, 0.
    """

    text: str
    minutes: tuple[int, ...]
    hours: tuple[int, ...]
    days: tuple[int, ...]
    months: tuple[int, ...]
    weekdays: tuple[int, ...]

    def __str__(self) -> str:
        return self.text

    def after(self, moment: dt.datetime, zone: ZoneInfo) -> Iterator[dt.datetime]:
        """Go through the moments after one, without end.

        Each time on the clock's face comes once. Of a time that the clock shows twice, it is the
        first; a time that the clock leaps over comes when it has leapt.

        Examples
        --------
        >>> berlin = ZoneInfo("Europe/Berlin")
        >>> noon = dt.datetime(2026, 3, 28, 12, tzinfo=berlin)
        >>> moments = parse("30 2 * * *").after(noon, berlin)
        >>> print(next(moments), next(moments), sep=", ")
        2026-03-29 03:00:00+02:00, 2026-03-30 02:30:00+02:00
        """
        from apscheduler.triggers.cron import CronTrigger

        trigger = CronTrigger(
            minute=_listed(self.minutes),
            hour=_listed(self.hours),
            day=_listed(self.days),
            month=_listed(self.months),
            day_of_week=_listed((day - 1) % 7 for day in self.weekdays),
            timezone=dt.UTC,
        )
        # A day earlier, for the clock may just have leapt; it has leapt over a whole day.
        face = (moment.astimezone(zone) - dt.timedelta(days=1)).replace(tzinfo=dt.UTC)
        while face := trigger.get_next_fire_time(None, face):
            shown = _first_shown(face.replace(tzinfo=zone))
            if shown > moment:
                yield shown
                moment = shown
            face += MINUTE

    def on_calendar(self, zone: str) -> str:
        """Write it as systemd's `OnCalendar=`.

        Examples
        --------
        >>> parse("*/30 7 * * MON-WED").on_calendar("Europe/Berlin")
        'Mon,Tue,Wed *-*-* 07:00,30:00 Europe/Berlin'
        """
        weekdays = ",".join(WEEKDAYS[day].capitalize() for day in self.weekdays)
        month, day, hour, minute = (
            "*" if len(values) == last - first + 1 else ",".join(f"{each:02}" for each in values)
            for values, (_, first, last, _) in (
                (self.months, FIELDS[3]),
                (self.days, FIELDS[2]),
                (self.hours, FIELDS[1]),
                (self.minutes, FIELDS[0]),
            )
        )
        before = "" if len(self.weekdays) == 7 else f"{weekdays} "
        return f"{before}*-{month}-{day} {hour}:{minute}:00 {zone}"


def parse(text: str) -> Cron:
    """Read a cron expression: minute, hour, day of the month, month, weekday.

    Each field is `*`, a value, a range, or a list of them; `*` and ranges may have a step. Months
    and weekdays may be named; Sunday is 0 and 7.

    Raises
    ------
    RequestError
        When it is none, would never come, or is read differently by different programs.

    Examples
    --------
    >>> parse("0 7 * * MON,5-7").weekdays
    (0, 1, 5, 6)
    """
    words = text.split()
    if len(words) != len(FIELDS):
        raise _refused(text, f"it has {len(words)} of the five fields")
    values = [_values(text, word, *field) for word, field in zip(words, FIELDS, strict=True)]
    *_, days, months, weekdays = values
    weekdays = tuple(sorted({day % 7 for day in weekdays}))
    if words[2] != "*" and words[4] != "*":
        raise _refused(
            text,
            "with a day of the month and a weekday, some programs run on either and some on both; "
            "leave one of them *, or write two reports",
        )
    if days[0] > max(LONGEST[month - 1] for month in months):
        raise _refused(text, "there is no such day")
    return Cron(" ".join(words), *values[:4], weekdays)


def _values(
    text: str, word: str, name: str, lowest: int, highest: int, names: list[str]
) -> tuple[int, ...]:
    """List the values that a field lets pass."""
    found: set[int] = set()
    for part in word.split(","):
        if not (match := PART.fullmatch(part)):
            raise _refused(text, f"{part!r} is no {name}")
        start, end, step = match.groups()
        ends = [_value(text, each, name, lowest, highest, names) for each in (start, end) if each]
        if start and step and not end:
            raise _refused(text, f"a step needs a range, as in {start}-{highest}/{step}")
        low, high = ends if end else (ends * 2 or (lowest, highest))
        if low > high:
            raise _refused(text, f"the range {part!r} runs backwards")
        if step and not int(step):
            raise _refused(text, f"the step of {part!r} leads nowhere")
        found.update(range(low, high + 1, int(step or 1)))
    return tuple(sorted(found))


def _value(text: str, word: str, name: str, lowest: int, highest: int, names: list[str]) -> int:
    if word.upper() in names:
        return names.index(word.upper()) + lowest
    if not word.isascii() or not word.isdigit():
        raise _refused(text, f"{word!r} is no {name}")
    if not lowest <= int(word) <= highest:
        raise _refused(text, f"the {name} {word} is not from {lowest} to {highest}")
    return int(word)


def _refused(text: str, reason: str) -> RequestError:
    return RequestError(
        f"{text[:60]!r} does not say when to run: {reason}. Write minute, hour, day of the month, "
        "month and weekday, as in '0 7 * * MON'."
    )


def _listed(values: Iterator[int] | tuple[int, ...]) -> str:
    return ",".join(map(str, values))


def _first_shown(face: dt.datetime) -> dt.datetime:
    """Find the moment at which a clock first shows a time, or has leapt over it.

    Parameters
    ----------
    face
        With its zone, though the clock there may never show it.
    """
    zone, moment = face.tzinfo, face.astimezone(dt.UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == face.replace(tzinfo=None):
        return moment.astimezone(zone)
    # It would come as late by the clock before the leap as the leap is wide, and too early by the
    # clock after it: the leap lies between.
    early = face.replace(fold=1).astimezone(dt.UTC)
    before = early.astimezone(zone).utcoffset()
    leapt = bisect_left(
        range((moment - early) // MINUTE),
        True,
        key=lambda count: (early + count * MINUTE).astimezone(zone).utcoffset() != before,
    )
    return (early + leapt * MINUTE).astimezone(zone)
