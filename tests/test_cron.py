"""Cron expressions name the moments that cron would, through every change of the clock."""

import datetime as dt
import os
import re
import shutil
import subprocess
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops_kit import cron
from revops_kit.errors import RequestError, WorkspaceError
from revops_kit.workspace import read


def moments(text, zone, after, count):
    """The next moments in UTC, as `2026-03-29 01:00`."""
    start = dt.datetime.fromisoformat(after).replace(tzinfo=dt.UTC)
    found = islice(cron.parse(text).after(start, ZoneInfo(zone)), count)
    return [f"{each.astimezone(dt.UTC):%Y-%m-%d %H:%M}" for each in found]


@pytest.mark.parametrize(
    ("text", "zone", "after", "expected"),
    [
        # 29 March 2026: Berlin's clocks go from 02:00 (01:00 UTC) to 03:00.
        ("30 2 * * *", "Europe/Berlin", "2026-03-27 12:00",
         ["2026-03-28 01:30", "2026-03-29 01:00", "2026-03-30 00:30"]),
        # 25 October 2026: 02:30 comes at 00:30 UTC, and again at 01:30.
        ("30 2 * * *", "Europe/Berlin", "2026-10-24 12:00",
         ["2026-10-25 00:30", "2026-10-26 01:30"]),
        # … and is not given again to who asks in between.
        ("30 2 * * *", "Europe/Berlin", "2026-10-25 01:00", ["2026-10-26 01:30"]),
        # 02:00, 02:30 and 03:00 are one moment on the day that has no 02:30.
        ("0,30 2,3 * * *", "Europe/Berlin", "2026-03-28 12:00",
         ["2026-03-29 01:00", "2026-03-29 01:30", "2026-03-30 00:00"]),
        # Seven in the morning is at 06:00 UTC in winter and at 05:00 in summer.
        ("0 7 * * MON", "Europe/Berlin", "2026-03-22 12:00",
         ["2026-03-23 06:00", "2026-03-30 05:00"]),
        # New York: 8 March from 07:00 UTC, 1 November from 06:00 UTC.
        ("30 2 * * *", "America/New_York", "2026-03-07 12:00",
         ["2026-03-08 07:00", "2026-03-09 06:30"]),
        ("30 1 * * *", "America/New_York", "2026-10-31 12:00",
         ["2026-11-01 05:30", "2026-11-02 06:30"]),
        # Santiago's clocks leap over midnight: 6 September 2026 begins at 01:00 (04:00 UTC).
        ("0 0 * * *", "America/Santiago", "2026-09-05 12:00",
         ["2026-09-06 04:00", "2026-09-07 03:00"]),
        # Lord Howe leaps by half an hour, from 02:00 (15:30 UTC the day before).
        ("15 2 * * *", "Australia/Lord_Howe", "2026-10-03 00:00",
         ["2026-10-03 15:30", "2026-10-04 15:15"]),
        # Samoa went without 30 December 2011: that day's seven o'clock is the 31st's midnight.
        ("0 7 * * *", "Pacific/Apia", "2011-12-29 18:00",
         ["2011-12-30 10:00", "2011-12-30 17:00"]),
        ("0 7 * * *", "UTC", "2026-11-23 07:00", ["2026-11-24 07:00"]),
        ("0 7 29 2 *", "UTC", "2026-01-01 00:00", ["2028-02-29 07:00", "2032-02-29 07:00"]),
    ],
)  # fmt: skip
def test_each_time_of_the_clock_comes_once(text, zone, after, expected):
    assert moments(text, zone, after, len(expected)) == expected


# 22 November 2026 is a Sunday.
@pytest.mark.parametrize(
    ("weekday", "days"),
    [
        ("0", [22, 29]),
        ("7", [22, 29]),
        ("SUN", [22, 29]),
        ("1", [23, 30]),
        ("mon,WED", [23, 25, 30]),
        ("MON-FRI/2", [23, 25, 27, 30]),
        ("5-7", [22, 27, 28, 29]),
        ("*/3", [22, 25, 28, 29]),
    ],
)
def test_weekdays_count_from_sunday_as_cron_counts_them(weekday, days):
    found = moments(f"0 7 * * {weekday}", "UTC", "2026-11-21 12:00", 10)
    assert [int(each[8:10]) for each in found if each.startswith("2026-11")] == days


@given(
    minute=st.sampled_from(["0", "*/15", "5-50/9", "59"]),
    hour=st.sampled_from(["*", "2", "1-3", "0,23", "*/5"]),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Asia/Beirut", "Asia/Kolkata"]),
    day=st.dates(dt.date(2020, 1, 1), dt.date(2029, 12, 31)),
)
def test_moments_go_forward_and_none_is_passed_over(minute, hour, zone, day):
    expression, tz = cron.parse(f"{minute} {hour} * * *"), ZoneInfo(zone)
    start = dt.datetime.combine(day, dt.time(), dt.UTC)
    found = list(islice(expression.after(start, tz), 12))
    assert start < found[0]
    assert all(one < other for one, other in pairwise(found))
    # Whoever asks at any of them is told the next.
    assert [next(expression.after(each, tz)) for each in found[:-1]] == found[1:]
    # On a day on which the clock is left alone, they are the hours and minutes that were asked for.
    first = found[-1].date()
    if len({dt.datetime.combine(first, dt.time(h), tz).utcoffset() for h in (0, 23)}) == 1:
        after = dt.datetime.combine(first, dt.time(), tz) - dt.timedelta(seconds=1)
        daily = len(expression.hours) * len(expression.minutes)
        times = [
            each.timetz().replace(tzinfo=None)
            for each in islice(expression.after(after, tz), daily)
        ]
        assert times == [dt.time(h, m) for h in expression.hours for m in expression.minutes]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("0 7 * *", "it has 4 of the five fields"),
        ("@weekly", "it has 1 of the five fields"),
        ("0 25 * * *", "the hour 25 is not from 0 to 23"),
        ("0 7 0 * *", "the day 0 is not from 1 to 31"),
        ("0 7 * * MOO", "'MOO' is no weekday"),
        ("0 7 last * *", "'last' is no day"),
        ("0 7 * * ²", "'²' is no weekday"),
        ("0 7 * * FRI-SUN", "the range 'FRI-SUN' runs backwards"),
        ("0/5 7 * * *", "a step needs a range, as in 0-59/5"),
        ("*/0 7 * * *", "the step of '*/0' leads nowhere"),
        ("0 7 30 2 *", "there is no such day"),
        ("0 7 1 * MON", "leave one of them *, or write two reports"),
    ],
)
def test_what_is_no_cron_expression_is_refused_with_the_cure(text, reason):
    with pytest.raises(RequestError, match=re.escape(reason)) as refused:
        cron.parse(text)
    assert "as in '0 7 * * MON'" in str(refused.value)


def test_workspace_with_a_bad_cron_names_the_report(tmp_path):
    file = tmp_path / "revops.toml"
    file.write_text('[reports.weekly]\ncron = "0 25 * * *"\n')
    with pytest.raises(WorkspaceError, match=r"revops.toml: reports\.weekly\.cron: '0 25 \* "):
        read(file)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0 7 * * MON", "Mon *-*-* 07:00:00 Europe/Berlin"),
        ("0 7 2 * *", "*-*-02 07:00:00 Europe/Berlin"),
        ("*/20 6-8 * 1,7 1-5", "Mon,Tue,Wed,Thu,Fri *-01,07-* 06,07,08:00,20,40:00 Europe/Berlin"),
        ("* * * * *", "*-*-* *:*:00 Europe/Berlin"),
    ],
)
def test_systemd_means_the_same(text, expected):
    calendar = cron.parse(text).on_calendar("Europe/Berlin")
    assert calendar == expected
    if not shutil.which("systemd-analyze"):
        pytest.skip("systemd-analyze is not installed")
    start = "2026-11-23 12:00"
    words = ["systemd-analyze", "calendar", f"--base-time={start} UTC", "--iterations=5", calendar]
    told = subprocess.run(
        words, env={**os.environ, "TZ": "UTC"}, capture_output=True, text=True, check=True
    ).stdout
    theirs = re.findall(r"(\d{4}-\d\d-\d\d \d\d:\d\d):00 UTC", told)
    assert theirs == moments(text, "Europe/Berlin", start, 5)
