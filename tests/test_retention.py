"""How long customers stay, worked by hand."""

import datetime as dt

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import revops_kit as rk
from revops_kit import charts, drivers, retention, samples
from revops_kit.periods import add_months, parse
from revops_kit.stats.survival import kaplan_meier, logrank

AS_OF = "2026-09-30"


def company(*rows, as_of=AS_OF):
    """Subscriptions of (customer, started, ended[, plan])."""
    columns = ("customer_id", "started_on", "ended_on", "plan")
    made = [
        {"subscription_id": str(key), "mrr": 100.0, **dict(zip(columns, row, strict=False))}
        for key, row in enumerate(rows)
    ]
    return samples.workspace({"subscriptions": made}, as_of=as_of)


def lives(seen):
    return seen.counts[["days", "entry", "left", "count"]].values.tolist()


def test_tenure_goes_from_the_first_day_to_the_last():
    seen = retention.tenure(
        company(
            ("a day", "2026-01-10", "2026-01-10"),
            ("ten days", "2026-02-01", "2026-02-10"),
            ("is back", "2026-09-01", "2026-09-05"),
            ("is back", "2026-09-20", None),
            ("two at once", "2026-09-01", "2026-09-10"),
            ("two at once", "2026-09-03", "2026-09-08"),
        )
    )
    assert lives(seen) == [[1, -1, True, 1], [10, -1, True, 2], [30, -1, False, 1]]
    assert seen.watched_from == dt.date(2026, 1, 10), "the first departure on record"


def test_who_was_there_when_the_watch_began_enters_late():
    seen = retention.tenure(
        company(
            ("old", "2026-01-01", None),
            ("old, left", "2026-01-01", "2026-08-15"),
            ("left before", "2026-01-01", "2026-07-31"),
            ("young", "2026-08-10", None),
        ),
        rk.last(2, "2026-09"),
    )
    # 212 days from January 1 to August 1.
    assert lives(seen) == [[52, -1, False, 1], [227, 212, True, 1], [273, 212, False, 1]]
    assert seen.whole.at([212, 227]).tolist() == [1, 0.5], "the young one is too young to tell"
    assert seen.notes == [
        "Watched from 2026-08-01 to 2026-09-30.",
        "2 customers joined earlier, and count from the age of that day on.",
        "1 customer had left before: not seen.",
    ]


def test_what_happens_after_the_window_is_not_known_in_it():
    seen = retention.tenure(company(("A", "2026-08-01", "2026-09-09"), as_of=None), "2026-08")
    assert lives(seen) == [[31, -1, False, 1]]


def test_window_without_anybody_young_says_from_which_age_on_it_speaks():
    seen = retention.tenure(company(("A", "2026-01-01", None)), "2026-09")
    assert lives(seen) == [[273, 243, False, 1]]
    assert "Nobody was watched before day 243: shares are of those who stayed that long." in (
        seen.notes
    )


def test_end_before_the_start_is_counted_and_left_out():
    seen = retention.tenure(
        company(("A", "2026-08-01", None), ("odd", "2026-08-01", "2026-07-01")), "2026-09"
    )
    assert seen.counts["count"].sum() == 1
    assert "1 customer left before joining, which cannot be." in seen.notes


def split(a_left, b_left):
    """Twenty customers on each of two plans, of whom so many left after so many days."""
    start = dt.date(2026, 1, 1)
    return [
        (f"{plan}{at}", start, start + dt.timedelta(days=left[at] - 1) if at < len(left) else None,
         plan)
        for plan, left in (("basic", a_left), ("pro", b_left))
        for at in range(20)
    ]  # fmt: skip


def test_segments_are_held_against_the_rest_and_corrected():
    basic, pro = list(range(20, 80, 4)), [100, 200]
    seen = retention.tenure(company(*split(basic, pro)), by="plan")
    medians = seen.medians.set_index("plan")
    # Watched from the first departure, day 20 of all: nobody enters at another age.
    days, ended = [*basic, *[273] * 5, *pro, *[273] * 18], [1] * 15 + [0] * 5 + [1] * 2 + [0] * 18
    _, p = logrank(days, ended, ["basic"] * 20 + ["pro"] * 20)
    assert medians.p.tolist() == pytest.approx([p, p])
    assert medians.differs.to_dict() == {
        "basic": "stays shorter (p < 0.001)",
        "pro": "stays longer (p < 0.001)",
    }
    # Half of 20 have left by day 56, the tenth: the curve sits on ½ until day 60.
    assert medians.median_months["basic"] == pytest.approx(58 / (365.25 / 12))
    assert np.isnan(medians.median_months["pro"])
    assert medians.left.to_dict() == {"basic": 15, "pro": 2}


def test_where_nobody_left_no_segment_differs():
    seen = retention.tenure(company(*split([], [])), by="plan")
    assert seen.medians.p.isna().all()
    assert seen.medians.differs.tolist() == ["", ""]
    assert "no median" in seen.headline()


def test_shares_are_read_at_whole_months_with_interval_and_number_watched():
    seen = retention.tenure(company(*split([50], [])))
    shares = seen.shares.set_index("after")
    assert shares.share["3 months"] == 39 / 40
    assert shares.watched["3 months"] == 39
    assert shares.low["3 months"] < 39 / 40 < shares.high["3 months"]
    assert np.isnan(shares.share["12 months"]), "nobody has been there that long"
    assert seen.headline().startswith("Of 40 customers watched, 97.5\u202f% (")
    assert "stay longer than 6 months" in seen.headline()


def test_chart_draws_what_was_counted():
    seen = retention.tenure(company(*split([20, 30, 40], [50])), by="plan")
    chart = charts.survival(
        seen.curves, title="Who stays", question="", per_month=retention.DAYS_A_MONTH
    )
    assert "of basic 85.0\u202f% are still there after 9 months" in chart.alt
    assert chart.data.estimate.min() == 17 / 20
    assert chart.png()


def test_without_subscriptions_or_customers_it_says_so():
    missing = retention.tenure(samples.workspace({}))
    assert "needs subscriptions" in missing.headline()
    chart = charts.survival(
        {}, title="Who stays", question="", missing_because=missing.missing_because
    )
    assert "Not available: needs" in chart.alt
    nobody = retention.tenure(company(("A", "2026-09-01", None)), "2026-08")
    assert "no customer was there" in nobody.headline()


days = st.integers(0, 900)
stays = st.lists(st.tuples(days, st.none() | st.integers(0, 500)), min_size=1, max_size=60)


@settings(max_examples=6)
@given(stays)
def test_tenure_is_what_plain_rows_give_for_any_company(rows):
    end = dt.date(2026, 9, 30)
    spans = [(end - dt.timedelta(days=ago), length) for ago, length in rows]
    made = [
        (f"C{at}", start, None if length is None else start + dt.timedelta(days=length))
        for at, (start, length) in enumerate(spans)
    ]
    seen = retention.tenure(company(*made))
    known = [(start, over if over and over <= end else None) for _, start, over in made]
    watched = min([over for _, over in known if over] or [min(start for start, _ in known)])
    plain = [
        (
            ((over or end) - start).days + 1,
            over is not None,
            (watched - start).days if start < watched else -1,
        )
        for start, over in known
    ]
    seen_days, left, entry = zip(*plain, strict=True)
    curve = kaplan_meier(seen_days, left, entry=entry)
    assert seen.counts["count"].sum() == len(rows)
    assert seen.whole.estimate.tolist() == pytest.approx(curve.estimate.tolist())
    assert (np.diff(seen.whole.estimate) <= 0).all()


def test_triangle_is_what_can_be_counted_on_a_calendar():
    """Each cell: of the quarter's customers, who was there beyond so many months since joining."""
    chance = np.random.default_rng(20260930)
    start, end = dt.date(2025, 7, 1), dt.date(2026, 9, 30)
    rows = []
    for at in range(80):
        joined = start + dt.timedelta(days=int(chance.integers(0, 440)))
        over = joined + dt.timedelta(days=int(chance.integers(0, 300)))
        rows.append((f"C{at}", joined, over if over <= end and at % 3 else None))
    table = drivers.retention(company(*rows), "2026-09", ages=14)
    for label, cells in table.iterrows():
        quarter = parse(label)
        mine = [life for _, *life in rows if quarter.start <= life[0] < quarter.end]
        youngest = max(joined for joined, _ in mine)
        for age, share in cells.items():
            if months_on(youngest, age) > end + dt.timedelta(days=1):
                assert np.isnan(share), "too young to tell"
            else:
                there = [over is None or over > months_on(joined, age) for joined, over in mine]
                assert share == pytest.approx(sum(there) / len(mine)), (label, age)


def months_on(day, months):
    """The day so many months later; the last of its month where it has no such day."""
    first = add_months(day.replace(day=1), months)
    last = add_months(first, 1) - dt.timedelta(days=1)
    return min(first + dt.timedelta(days=day.day - 1), last)
