import datetime as dt

import ibis
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops_kit.errors import PeriodError
from revops_kit.periods import (
    Calendar,
    Periods,
    containing,
    last,
    last_whole,
    parse,
    parse_date,
    resolve,
    shift,
    spoken,
)

calendars = st.builds(Calendar, st.integers(1, 12), st.sampled_from(["monday", "sunday"]))
kinds = st.sampled_from(["year", "quarter", "month", "week"])
days = st.dates(dt.date(1950, 1, 1), dt.date(2150, 1, 1))


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026", "2026-01-01", "2027-01-01"),
        ("2026-Q3", "2026-07-01", "2026-10-01"),
        ("2026Q3", "2026-07-01", "2026-10-01"),
        (" 2026-12 ", "2026-12-01", "2027-01-01"),
        ("2024-02", "2024-02-01", "2024-03-01"),
        ("2026-W36", "2026-08-31", "2026-09-07"),
        # ISO 8601: a week belongs to the year of its Thursday.
        ("2026-W01", "2025-12-29", "2026-01-05"),
        ("2026-W53", "2026-12-28", "2027-01-04"),
        ("2027-W01", "2027-01-04", "2027-01-11"),
    ],
)
def test_periods_as_people_write_them(text, start, end):
    period = parse(text)
    assert (str(period.start), str(period.end)) == (start, end)


@pytest.mark.parametrize(
    "text",
    ["", "Sept", "2026-13", "2026-00", "2026-Q5", "2026-W54", "26", "2026-9", "09-2026", "0001",
     "2026-09-01", "2026-09 ' OR 1=1", "٢٠٢٦-W00", "last-month", "9999"],
)  # fmt: skip
def test_anything_else_is_refused(text):
    with pytest.raises(PeriodError, match="is not a period"):
        parse(text)


def test_year_of_52_weeks_has_no_53rd():
    with pytest.raises(PeriodError, match="2025 has no week 53; its last is W52"):
        parse("2025-W53")


@pytest.mark.parametrize(
    ("first_month", "text", "start", "end"),
    [
        (2, "2026", "2025-02-01", "2026-02-01"),
        (2, "2026-Q1", "2025-02-01", "2025-05-01"),
        (2, "2026-Q4", "2025-11-01", "2026-02-01"),
        (7, "2026", "2025-07-01", "2026-07-01"),
        (12, "2026-Q1", "2025-12-01", "2026-03-01"),
        (2, "2026-09", "2026-09-01", "2026-10-01"),
    ],
)
def test_fiscal_year_is_named_after_the_calendar_year_it_ends_in(first_month, text, start, end):
    period = parse(text, Calendar(fiscal_year_start=first_month))
    assert (str(period.start), str(period.end)) == (start, end)


def test_weeks_that_begin_on_sunday_begin_a_day_earlier():
    sunday = Calendar(week_start="sunday")
    assert parse("2026-W36", sunday).start == dt.date(2026, 8, 30)
    assert parse("2026-W01", sunday).start == dt.date(2025, 12, 28)
    assert containing(dt.date(2026, 9, 6), "week").label == "2026-W36"
    assert containing(dt.date(2026, 9, 6), "week", sunday).label == "2026-W37"


@given(days, kinds, calendars)
def test_day_lies_in_the_one_period_that_contains_it_and_its_label_reads_back(day, kind, calendar):
    period = containing(day, kind, calendar)
    assert period.start <= day < period.end
    assert parse(period.label, calendar) == period
    assert containing(period.end, kind, calendar).start == period.end, "no day is left out"
    assert containing(period.start - dt.timedelta(days=1), kind, calendar).end == period.start


@given(days, kinds, calendars)
def test_run_of_periods_has_no_gaps(day, kind, calendar):
    text = containing(day, kind, calendar).label
    run = Periods(text, 15, calendar)
    assert len(run) == 15
    assert run.each[-1].label == text
    assert all(one.end == other.start for one, other in zip(run, run.each[1:], strict=False))
    assert run.before().end == run.start
    assert shift(text, -14) == run.each[0].label
    assert shift(shift(text, 14), -14) == text


def test_refusal_says_what_to_write():
    with pytest.raises(PeriodError) as refused:
        parse("Sept")
    assert str(refused.value) == (
        "'Sept' is not a period. Write 2026, 2026-Q3, 2026-09, 2026-W36 or all."
    )


# --- in SQL -------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def years():
    """Each day of five years at its first and last moment, and one that nobody knows."""
    first = pd.date_range("2023-12-01", "2028-02-01", freq="D")
    moments = [*first, *(first + pd.Timedelta("23:59:59.999999")), pd.NaT]
    frame = pd.DataFrame({"at": pd.Series(moments, dtype="datetime64[us]")})
    return ibis.duckdb.connect().create_table("years", ibis.memtable(frame).to_pyarrow())


@pytest.mark.parametrize(
    ("kind", "calendar"),
    [
        *((kind, Calendar(month)) for kind in ("year", "quarter") for month in range(1, 13)),
        *(("week", Calendar(week_start=day)) for day in ("monday", "sunday")),
        ("month", Calendar(2)),
    ],
)
def test_rows_fall_into_the_same_periods_in_sql_as_in_python(kind, calendar, years):
    text = containing(dt.date(2027, 1, 2), kind, calendar).label
    run = Periods(text, {"year": 2, "quarter": 6, "month": 20, "week": 110}[kind], calendar)
    found = run.assign(years, on="at").to_pandas()
    placed = run.start_of(years["at"]).name("start").to_pandas()
    expected = years.to_pandas()["at"].dt.date
    inside = expected[[day is not pd.NaT and run.start <= day < run.end for day in expected]]
    assert sorted(found["at"].dt.date) == sorted(inside)
    for day, start in zip(found["at"].dt.date, found.period.dt.date, strict=True):
        assert start == containing(day, kind, calendar).start
    assert placed.notna().sum() == len(found)


def test_all_takes_everything_also_what_has_no_date(years):
    everything = Periods("all", as_of=dt.date(2024, 1, 1))
    assert everything.assign(years, on="at").count().to_pyarrow() == years.count().to_pyarrow()
    assert not everything.is_partial(everything.each[0])
    assert [period.label for period in Periods("all", 12)] == ["all"]
    with pytest.raises(PeriodError, match="no period before 'all'"):
        everything.before()


def test_nothing_is_assigned_after_the_last_day_known(years):
    run = Periods("2024-01", as_of=dt.date(2024, 1, 10))
    assert run.assign(years, on="at").count().to_pyarrow().as_py() == 2 * 10
    ahead = run.start_of(years["at"]).name("start").to_pandas()
    assert ahead.notna().sum() == 2 * 31, "what is planned may lie ahead"


def test_periods_as_a_table_end_where_knowledge_does():
    run = Periods("2026-11", 3, as_of=dt.date(2026, 10, 9))

    def moments(**options):
        rows = run.moments(**options).order_by("period").to_pandas()
        return [tuple(str(day.date()) for day in row) for row in rows.itertuples(index=False)]

    september = ("2026-09-01", "2026-09-01", "2026-10-01")
    october = ("2026-10-01", "2026-10-01", "2026-10-10")
    assert moments() == [september, october]
    assert moments(ahead=True) == [september, october, ("2026-11-01", "2026-11-01", "2026-10-10")]


# --- as seen from a day -------------------------------------------------------------------------
def test_period_is_partial_until_its_last_day_is_over():
    def states(as_of):
        run = last(3, "2026-10")
        run = Periods(run.text, run.count, as_of=dt.date.fromisoformat(as_of))
        return [(run.has_begun(each), run.is_partial(each)) for each in run]

    over, partial, future = (True, False), (True, True), (False, False)
    assert states("2026-09-29") == [over, partial, future]
    assert states("2026-09-30") == [over, over, future]
    assert states("2026-10-01") == [over, over, partial]
    assert states("2026-08-01") == [partial, future, future]


def test_last_whole_period_is_the_one_that_is_over():
    assert last_whole(dt.date(2026, 9, 6), "week").label == "2026-W36"  # a Sunday
    assert last_whole(dt.date(2026, 9, 5), "week").label == "2026-W35"
    assert last_whole(dt.date(2026, 1, 31), "year", Calendar(2)).label == "2026"
    assert last_whole(dt.date(2026, 1, 30), "year", Calendar(2)).label == "2025"


def test_last_and_this_are_seen_from_a_day():
    seen = dt.date(2026, 10, 1)
    words = ("last-month", "this-month", "last-quarter", "this-year", "last-week", "all")
    assert [resolve(word, seen) for word in words] == [
        "2026-09", "2026-10", "2026-Q3", "2026", "2026-W39", "all",
    ]  # fmt: skip
    with pytest.raises(PeriodError, match="needs a day to be seen from"):
        resolve("last-month", None)
    with pytest.raises(PeriodError, match="'last-fortnight' is not a period"):
        resolve("last-fortnight", seen)


def test_days_are_written_one_way():
    assert (
        parse_date(" 2026-10-31 ")
        == parse_date(dt.datetime(2026, 10, 31, 12))
        == dt.date(2026, 10, 31)
    )
    for text in ("31.10.2026", "2026-02-30", "yesterday"):
        with pytest.raises(PeriodError, match=r"is not a date. Write 2026-10-31"):
            parse_date(text)


def test_no_periods_are_refused():
    with pytest.raises(PeriodError, match="ask for 1 or more"):
        last(0, "2026-09")


def test_sentences_say_a_period_as_people_do():
    said = [parse(label).words for label in ("2026", "2026-Q3", "2026-09", "2026-W06", "all")]
    assert said == ["2026", "Q3 2026", "September 2026", "week 6 of 2026", "all time"]
    assert parse("2026-Q1", Calendar(fiscal_year_start=2)).words == "Q1 2026"
    assert spoken("weekly") == "weekly"


def test_what_rows_add_is_said_with_their_period():
    table = ibis.memtable({"on": [dt.date(2026, 8, 31), dt.date(2026, 9, 1)], "amount": [1, 2]})
    found = last(1, "2026-09").assign(table, on="on", numerator=table.amount * 10)
    assert found.to_pyarrow().to_pylist() == [
        {"on": dt.date(2026, 9, 1), "amount": 2, "period": dt.date(2026, 9, 1), "numerator": 20}
    ]
    found = last(1, "all").assign(table, on="on", numerator=table.amount * 10)
    assert sorted(found.numerator.to_list()) == [10, 20]
