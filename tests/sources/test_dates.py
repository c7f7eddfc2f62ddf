import datetime as dt

import numpy as np
import pandas as pd
import pytest
from babel import Locale
from babel.dates import format_date
from hypothesis import given
from hypothesis import strategies as st

from revops_kit.errors import ContractError
from revops_kit.sources.dates import LANGUAGES, to_dates, to_timestamps


def moments(*written, zone="Europe/Berlin", **told):
    return to_timestamps(pd.Series(written, dtype=object), timezone=zone, **told)


def day(written, **told):
    value = to_dates(pd.Series([written], dtype=object), timezone="Europe/Berlin", **told).values[0]
    return None if pd.isna(value) else value.date()


JANUARY_31 = [
    "2026-01-31", "2026-01-31T00:00:00", "2026-01-31 10:33", "20260131", "31.01.2026",
    "31/01/2026", "1/31/26", "01-31-2026", "31-Jan-2026", "31JAN2026", "Jan 31, 2026",
    "Sat, Jan 31, 2026", "January 31st 2026", "31 janvier 2026", "31. Januar 2026",
    "31 de enero de 2026", "31 gennaio 2026", "31 stycznia 2026 r.", "31 января 2026 г.",
    "2026. január 31.", "samedi 31 janvier 2026", "31.1.26", "31. 1. 2026", "2026/01/31",
    "2026/1/31", "2026.01.31", "2026年1月31日", "2026년 1월 31일", "Saturday, January 31, 2026",
    dt.date(2026, 1, 31), dt.datetime(2026, 1, 31, 9, 5), pd.Timestamp("2026-01-31"), 20260131,
]  # fmt: skip


@pytest.mark.parametrize("written", JANUARY_31)
def test_a_day_is_read_as_it_is_written_somewhere(written):
    assert day(written) == dt.date(2026, 1, 31)


@pytest.mark.parametrize("written", ["2026-03", "2026/03", "03/2026", "Mar 2026", "März 2026"])
def test_a_month_is_its_first_day(written):
    assert day(written) == dt.date(2026, 3, 1)


CLOCKS = {
    "2026-01-31 10:33": "10:33:00",
    "2026-01-31T10:33:05.25": "10:33:05.250000",
    "31.01.2026 10:33 Uhr": "10:33:00",
    "1/31/2026 5:15 PM": "17:15:00",
    "1/31/2026 12:05 am": "00:05:00",
    "1/31/2026 12:05\u202fp.m.": "12:05:00",
    "January 31, 2026 at 3:05 PM": "15:05:00",
    "31 Jan 2026, 7pm": "19:00:00",
    "2026/01/31 07:08:09": "07:08:09",
    "2026-01-31T10:33:00Z": "11:33:00",
    "2026-01-31T10:33:00.000+0000": "11:33:00",
    "2026-01-31 10:33:00 UTC": "11:33:00",
    "2026-01-31T10:33:00-05:00": "16:33:00",
    "Sat, 31 Jan 2026 10:33:00 +0200": "09:33:00",
    "1769855580": "11:33:00",
    "1769855580000": "11:33:00",
    "1769855580000000": "11:33:00",
}


@pytest.mark.parametrize(("written", "clock"), CLOCKS.items(), ids=CLOCKS)
def test_a_moment_is_brought_to_the_clock_of_the_company(written, clock):
    assert moments(written).values[0] == pd.Timestamp(f"2026-01-31 {clock}")


def test_an_offset_may_change_the_day():
    late = pd.Series(["2026-01-31T23:30:00Z", "2026-01-31T23:30:00"], dtype=object)
    dates = to_dates(late, timezone="Europe/Berlin").values
    assert dates.dt.day.to_list() == [1, 31]


def test_the_hours_around_a_change_of_clocks_are_right():
    # In Berlin the clocks go from 02:00 to 03:00 on 2026-03-29, and from 03:00 to 02:00 on 10-25.
    zoned = [
        "2026-03-29T00:59:00Z",
        "2026-03-29T01:00:00Z",
        "2026-10-25T00:30Z",
        "2026-10-25T01:30Z",
    ]
    assert moments(*zoned).values.dt.strftime("%H:%M").to_list() == [
        "01:59", "03:00", "02:30", "02:30",
    ]  # fmt: skip
    assert moments("2026-03-29 02:30").values[0] == pd.Timestamp("2026-03-29 02:30")


IMPOSSIBLE = [
    "31.02.2026", "2026-02-30", "2026-13-01", "0000-00-00", "00/00/0000", "32/01/2026",
    "2026-01-31 24:00", "2026-01-31 13:05 pm", "20261301", "hello", "12:30", "Jan 31", "3 May",
    "31 Foo 2026", "2026-W05-1", "31/01", True, "31 Jan Feb 2026", "30. Februar 2026",
]  # fmt: skip


@pytest.mark.parametrize("written", IMPOSSIBLE)
def test_what_cannot_be_a_date_is_rejected_alone(written):
    found = moments("2026-01-31", written)
    assert found.values[0] == pd.Timestamp("2026-01-31")
    assert found.rejected == {1: "is not a date"}


def test_blanks_are_missing_and_errors_rejected():
    found = moments("", "-", "n/a", None, pd.NaT, float("nan"), "#REF!")
    assert found.values.isna().all()
    assert found.rejected == {6: "is a spreadsheet error"}


# Day first or month first


def test_one_day_above_twelve_settles_the_column():
    found = moments("03/04/2026", "13/04/2026")
    assert found.values.dt.month.to_list() == [4, 4]
    assert found.notes == ["read with the day first, which 1 date settled"]
    assert moments("03/04/2026", "04/13/2026").values.dt.month.to_list() == [3, 4]


def test_dates_with_equal_parts_leave_nothing_to_settle():
    assert moments("03/03/2026", "4.4.2026").values.dt.month.to_list() == [3, 4]


def test_an_impossible_date_settles_nothing():
    with pytest.raises(ContractError, match="no other value settles it"):
        moments("03/04/2026", "31/02/2026")


def test_a_column_that_nothing_settles_is_refused_with_the_cure():
    with pytest.raises(ContractError, match=r"3 dates .*Say dayfirst = true") as error:
        moments("03/04/2026", "03/04/2026", "05.06.2026", "7/7/2026")
    assert "2026" not in str(error.value)


def test_a_column_that_contradicts_itself_is_refused_with_counts():
    with pytest.raises(ContractError, match=r"2 dates .*day first and 1 date .*month; 1 could"):
        moments("13/01/2026", "14/01/2026", "01/13/2026", "02/03/2026")


def test_what_is_told_settles_and_what_contradicts_it_is_rejected():
    assert moments("03/04/2026", dayfirst=True).values.dt.month.to_list() == [4]
    assert moments("03/04/2026", dayfirst=False).values.dt.month.to_list() == [3]
    assert moments("03/04/2026", "01/13/2026", dayfirst=True).rejected == {1: "is not a date"}


def test_iso_dates_need_no_settling_and_settle_nothing():
    with pytest.raises(ContractError):
        moments("2026-01-31", "03/04/2026")


def test_two_digit_years_are_told():
    found = moments("31/01/68", "31/01/69")
    assert found.values.dt.year.to_list() == [2068, 1969]
    assert found.notes[0] == "2 two-digit years read as 1969 to 2068"


def test_two_digit_years_in_front_are_refused_and_read_by_their_format():
    written = [f"26-01-{n:02}" for n in range(1, 32)]
    with pytest.raises(ContractError, match='format = "%y-%m-%d"'):
        moments(*written)
    assert moments(*written, format="%y-%m-%d").values.dt.day.to_list() == list(range(1, 32))


# Numbers


def test_excel_counts_days_and_fractions_of_them():
    # 46053 is 31 January 2026 in Excel; half a day more is noon.
    found = moments("46053", "46053.5", 46053, 46053.0, "2026-01-31")
    assert found.values.dt.strftime("%d %H").to_list() == [
        "31 00",
        "31 12",
        "31 00",
        "31 00",
        "31 00",
    ]
    assert found.notes == ["4 plain numbers read as Excel's count of days"]


def test_other_numbers_make_all_plain_numbers_suspect():
    assert moments("46053", "17").rejected == dict.fromkeys([0, 1], "is a plain number, not a date")


def test_time_since_1970_is_told():
    assert moments("1769855580").notes == ["1 plain number read as time since 1970, in UTC"]


# Types and formats


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_moments_that_are_some_already_are_left_as_they_are(unit):
    naive = pd.Series(pd.to_datetime(["2026-01-31 10:33", None])).astype(f"datetime64[{unit}]")
    found = to_timestamps(naive, timezone="Europe/Berlin").values
    assert found[0] == pd.Timestamp("2026-01-31 10:33")
    assert found.dtype == np.dtype("datetime64[us]")


def test_moments_with_a_zone_are_brought_to_the_company():
    aware = pd.Series(pd.to_datetime(["2026-01-31 10:33"]).tz_localize("America/New_York"))
    assert to_timestamps(aware, timezone="Europe/Berlin").values[0] == pd.Timestamp(
        "2026-01-31 16:33"
    )
    assert moments(aware[0]).values[0] == pd.Timestamp("2026-01-31 16:33")


def test_a_format_that_is_told_is_obeyed_and_nothing_else_accepted():
    found = moments("31|01|2026", "2026-01-31", "", dt.date(2026, 1, 5), format="%d|%m|%Y")
    assert found.values.dt.day.to_list()[::3] == [31, 5]
    assert found.rejected == {1: "is not a date of the format that revops.toml gives"}
    assert moments("2026-01-31 10:33 +0000", format="%Y-%m-%d %H:%M %z").values[0].hour == 11


@pytest.mark.parametrize("format", ["DD.MM.YYYY", "%Q"])
def test_a_format_that_is_none_is_refused(format):
    with pytest.raises(ContractError, match="is no format"):
        moments("2026-01-31", format=format)


def test_an_empty_column_stays_one():
    assert moments().values.dtype == np.dtype("datetime64[us]")


def test_no_name_means_two_months():
    meanings = {}
    for language in LANGUAGES:
        for use in ("format", "stand-alone"):
            for width in ("wide", "abbreviated"):
                for month, name in Locale.parse(language).months[use][width].items():
                    meanings.setdefault(name.casefold().rstrip("."), set()).add(month)
    assert {name for name, months in meanings.items() if len(months) > 1} == set()


@given(st.dates(dt.date(1970, 1, 1), dt.date(2068, 12, 31)), st.sampled_from(LANGUAGES))
def test_a_day_written_out_in_any_language_is_read(date, language):
    assert day(format_date(date, "d MMMM yyyy", locale=language)) == date


@given(st.dates(dt.date(1970, 1, 1), dt.date(2068, 12, 31)))
def test_all_ways_of_writing_a_day_agree(date):
    ways = ["%Y-%m-%d", "%Y/%m/%d", "%Y%m%d", "%d-%b-%Y", "%B %d, %Y", "%Y-%m-%dT%H:%M:%S"]
    assert {day(date.strftime(way)) for way in ways} == {date}
    assert day(date.strftime("%d.%m.%Y"), dayfirst=True) == date
    assert day(date.strftime("%m/%d/%y"), dayfirst=False) == date
