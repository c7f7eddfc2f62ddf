"""The same figure as others count it, worked by hand and by plain sets of days and customers."""

import datetime as dt

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import revops_kit as rk
from revops_kit import conventions, samples, show
from revops_kit.errors import UnknownNameError
from revops_kit.tables import Policies

START, END = dt.date(2026, 9, 1), dt.date(2026, 10, 1)
DAY = dt.timedelta(days=1)
COLUMNS = ("customer_id", "started_on", "ended_on", "mrr")


def company(*rows, as_of="2026-09-30", **policies):
    """Subscriptions of (customer, started, ended[, mrr])."""
    made = [
        {"subscription_id": f"S{key}", "mrr": 100.0, **dict(zip(COLUMNS, row, strict=False))}
        for key, row in enumerate(rows)
    ]
    return samples.workspace(
        {"subscriptions": made}, as_of=as_of, policies=Policies(**policies)
    )  # fmt: skip


def told(spread, *names):
    frame = spread.frame.set_index("convention")
    return {name: tuple(frame.loc[name, list(names)]) for name in frame.index}


def who(spread, convention):
    found = spread.rows(convention).select("customer", "why").to_pandas()
    return dict(zip(found.customer, found.why, strict=True))


# DEFINITIONS.md, known answers: 100 customers at the start, 12 left, of whom 1 came back in the
# period and 1 had joined in it. One more, of the 10, moved to a free plan.
KNOWN = [
    *[(f"stays {key}", "2026-01-01", None) for key in range(89)],
    *[(f"leaves {key}", "2026-01-01", "2026-09-10") for key in range(10)],
    ("leaves 0", "2026-09-11", None, 0.0),
    ("returns", "2026-01-01", "2026-09-05"),
    ("returns", "2026-09-20", None, 700.0),
    ("visits", "2026-09-02", "2026-09-25"),
]


@pytest.fixture(scope="module")
def known():
    return conventions.churn(company(*KNOWN), "2026-09")


def test_churn_by_each_convention_and_the_customers_between_them(known):
    spread = known
    assert told(spread, "numerator", "denominator") == {
        "chartmogul": (10, 100),
        "stripe": (12, 101),
        "profitwell": (11, 100),
        "baremetrics": (12, 100),
        "chartmogul, free plans stay": (9, 100),
    }
    back, visit = "left and came back in the period", "joined and left in the period"
    assert who(spread, "chartmogul") == {}
    assert who(spread, "stripe") == {"returns": back, "visits": visit}
    assert who(spread, "profitwell") == {"returns": back}
    assert who(spread, "baremetrics") == {"returns": back, "visits": visit}
    assert who(spread, "chartmogul, free plans stay") == {"leaves 0": "moved to a free plan"}
    more = ("counted_more", "counted_less", "base_more", "base_less", "differs")
    assert told(spread, *more)["stripe"] == (2, 0, 1, 0, 2)
    assert told(spread, *more)["chartmogul, free plans stay"] == (0, 1, 0, 0, 1)
    assert spread.headline() == (
        "Customer churn in September 2026 lies between 9.0\u202f% (chartmogul, free plans stay) "
        "and 12.0\u202f% (baremetrics); 3 customers make the difference."
    )


def test_the_house_is_whatever_the_company_chose():
    spread = conventions.churn(company(*KNOWN, churn="stripe"), "2026-09")
    assert spread.frame.convention.iloc[0] == "stripe"
    assert set(who(spread, "chartmogul")) == {"returns", "visits"}
    less = ("counted_less", "base_less")
    assert told(spread, *less)["chartmogul"] == (2, 1)


def test_reasons_add_up_and_name_the_largest(known):
    reasons = known.reasons(names=1).set_index(["convention", "why"])
    assert len(reasons) == 6
    back = reasons.loc[("stripe", "left and came back in the period")]
    assert back.tolist() == [1, 1, 0, "returns"]
    visit = reasons.loc[("stripe", "joined and left in the period")]
    assert visit.tolist() == [1, 1, 1, "visits"]
    shown = show.differences(known).markup + show.conventions(known).markup
    assert "joined and left in the period" in shown
    assert "ours" in shown


def test_many_who_joined_are_told_apart_from_those_who_came_back():
    spread = conventions.churn(
        company(
            ("stays", "2026-01-01", None),
            ("joins", "2026-09-05", None),
            ("is back", "2025-01-01", "2025-06-30"),
            ("is back", "2026-09-05", None),
        ),
        "2026-09",
    )
    assert who(spread, "stripe") == {
        "joins": "joined in the period",
        "is back": "came back in the period",
    }


AHEAD = [
    ("stays", "2026-01-01", None, 1000.0),
    ("ends", "2026-01-01", "2026-12-31", 200.0),
    ("ends later, renews", "2026-01-01", "2026-10-31", 40.0),
    ("ends later, renews", "2026-11-01", None, 50.0),
    ("signed", "2026-11-01", None, 7.0),
]


def test_recurring_revenue_with_what_is_known_to_change():
    spread = conventions.mrr(company(*AHEAD), "2026-09")
    assert told(spread, "value") == {
        "running at the end": (1240,),
        "announced ends gone": (1000,),
        "committed (CMRR)": (1057,),
    }
    assert who(spread, "committed (CMRR)") == {
        "ends": "the end is announced",
        "ends later, renews": "one ends and another begins later",
        "signed": "signed, and begins later",
    }


def test_what_was_announced_then_cannot_be_told_later():
    spread = conventions.mrr(company(*AHEAD), "2026-08")
    assert spread.frame.value.isna().tolist() == [False, True, True]
    assert "since when" in spread.headline()


def test_net_retention_by_each_convention():
    ws = company(
        ("stays", "2025-01-01", None),
        ("moves", "2025-01-01", "2026-09-10"),
        ("moves", "2026-09-11", None, 150.0),
        ("left before", "2025-01-01", "2026-03-31"),
        ("young", "2026-03-01", None),
        ("back", "2024-01-01", "2024-06-30"),
        ("back", "2026-09-15", None, 30.0),
    )
    spread = conventions.net_revenue_retention(ws, "2026-09")
    assert told(spread, "numerator", "denominator") == {
        "customers of the start": (350, 300),
        "with reactivation": (380, 300),
        "trailing twelve months": (250, 300),
        "by subscription": (200, 300),
    }
    assert who(spread, "trailing twelve months") == {
        "left before": "paid twelve months before, and not at the start",
        "young": "did not pay twelve months before",
    }
    assert who(spread, "with reactivation") == {"back": "came back after having left"}
    assert set(who(spread, "by subscription")) == {"moves"}


def test_over_a_year_twelve_months_before_is_the_start():
    ws = company(("A", "2025-01-01", None), ("B", "2025-06-01", "2026-03-31"))
    frame = conventions.net_revenue_retention(ws, "2025").frame.set_index("convention")
    whole = conventions.net_revenue_retention(company(*KNOWN, as_of=None), "2026").frame
    assert frame.missing_because["trailing twelve months"] == (
        "no recurring revenue ran at the start"
    )
    assert whole.missing_because.ne("").all(), "nobody was there when 2026 started"


def test_house_figure_is_the_kpi(by_chance_ws):
    for name in ("churn", "mrr", "net_revenue_retention"):
        spread = getattr(conventions, name)(by_chance_ws, "2026-09")
        assert spread.frame.value.iloc[0] == getattr(rk.kpis, name)(by_chance_ws, "2026-09").value


def test_conventions_that_are_policies_give_what_the_policies_give(by_chance_ws):
    churn = conventions.churn(by_chance_ws, "2026-08").frame.set_index("convention").value
    for rule in conventions.CHURN:
        assert churn[rule] == rk.kpis.churn(by_chance_ws, "2026-08", churn=rule).value
    kept = conventions.net_revenue_retention(by_chance_ws, "2026-08").frame.set_index("convention")
    by_subscription = rk.kpis.net_revenue_retention(by_chance_ws, "2026-08", grain="subscription")
    assert kept.value["by subscription"] == pytest.approx(by_subscription.value)


@pytest.mark.parametrize("name", ["churn", "mrr", "net_revenue_retention"])
def test_without_subscriptions_it_says_what_it_needs(name):
    spread = getattr(conventions, name)(samples.workspace({}), "2026-09")
    assert spread.frame.empty
    assert spread.reasons().empty
    assert spread.rows("stripe").count().to_pyarrow().as_py() == 0
    assert "needs subscriptions.started_on" in spread.headline()
    assert "needs subscriptions" in show.conventions(spread).markup
    assert "No customer" in show.differences(spread).markup


def test_unknown_convention_is_refused(known):
    with pytest.raises(UnknownNameError, match="chartmogul"):
        known.rows("chartmogle")


# --- any company --------------------------------------------------------------------------------
days = st.dates(dt.date(2025, 6, 1), dt.date(2026, 10, 20))
lengths = st.none() | st.integers(0, 45) | st.integers(46, 500)
spells = st.tuples(
    st.integers(1, 30).map("C{}".format), days, lengths, st.sampled_from([0.0, 10.0, 20.0, 50.0])
)
# Customers do not meddle with each other, so that one large company is many small ones.
books = st.lists(spells, min_size=40, max_size=90).map(
    lambda rows: [
        (who, start, None if length is None else start + length * DAY, mrr)
        for who, start, length, mrr in rows
    ]
)


def paying(rows, moment):
    """What each customer pays at a moment, the start of a day."""
    paid = {}
    for name, start, end, mrr in rows:
        if mrr and start < moment and (end is None or end >= moment):
            paid[name] = paid.get(name, 0) + mrr
    return paid


def there(rows, day):
    """Who has a paid subscription on a day."""
    return {
        name for name, start, end, mrr in rows if mrr and start <= day and (not end or day <= end)
    }


def differing(spread):
    """The customers each convention counts otherwise, who explain the difference to the unit."""
    house, found = spread.frame.iloc[0], {}
    for each in spread.frame[spread.frame.missing_because == ""].itertuples():
        rows = spread.rows(each.convention).to_pandas()
        assert (len(rows), rows.customer.is_unique) == (each.differs, True)
        gained, grown = (
            rows.numerator - rows.house_numerator,
            rows.denominator - rows.house_denominator,
        )
        assert each.numerator - house.numerator == gained.sum()
        assert each.denominator - house.denominator == grown.sum()
        found[each.convention] = set(rows.customer)
    return found


@settings(max_examples=2)
@given(books, st.sampled_from(sorted(conventions.CHURN)))
def test_churn_is_what_plain_sets_give_for_any_company(rows, house):
    spread = conventions.churn(company(*rows, as_of=None, churn=house), "2026-09")
    was, now = set(paying(rows, START)), set(paying(rows, END))
    month = [START + at * DAY for at in range(30)]
    left = {name for day in month for name in there(rows, day) - there(rows, day + DAY)}
    joined = {name for name, start, _, mrr in rows if mrr and start in month} - was
    free = {name for name, start, end, mrr in rows
            if not mrr and start < END and (end is None or end >= END)}  # fmt: skip
    expected = {
        "chartmogul": (was - now, was),
        "stripe": (left & (was | joined), was | joined),
        "profitwell": (left & was, was),
        "baremetrics": (left & (was | joined), was),
        "chartmogul, free plans stay": (was - now - free, was),
    }
    lost, base = expected[house]
    frame, differ = spread.frame.set_index("convention"), differing(spread)
    for name, (gone, at_risk) in expected.items():
        assert (frame.numerator[name], frame.denominator[name]) == (len(gone), len(at_risk))
        if name in differ:  # nobody at the start: no figure
            assert differ[name] == (gone ^ lost) | (at_risk ^ base)
        assert frame.counted_more[name] == len(gone - lost)
        assert frame.base_less[name] == len(base - at_risk)


@settings(max_examples=2)
@given(books)
def test_recurring_revenue_is_what_plain_sums_give_for_any_company(rows):
    spread = conventions.mrr(company(*rows), "2026-09")
    running = [row for row in rows if row[3] and row[1] < END and (not row[2] or row[2] >= END)]
    endless = sum(mrr for *_, end, mrr in running if end is None)
    later = sum(mrr for _, start, _, mrr in rows if start >= END)
    sums = [sum(row[3] for row in running), endless, endless + later]
    assert spread.frame.value.tolist() == sums
    differing(spread)


@settings(max_examples=2)
@given(books)
def test_net_retention_is_what_plain_sums_give_for_any_company(rows):
    spread = conventions.net_revenue_retention(company(*rows, as_of=None), "2026-09")
    start, end = paying(rows, START), paying(rows, END)
    year = paying(rows, dt.date(2025, 10, 1))
    first = {name: min(day for who, day, _, mrr in rows if mrr and who == name) for name in end}
    back = sum(mrr for name, mrr in end.items() if name not in start and first[name] < START)
    both = [mrr for _, began, over, mrr in rows
            if began < START and (over is None or over >= END)]  # fmt: skip
    kept = sum(end.get(name, 0) for name in start)
    expected = [
        (kept, sum(start.values())),
        (kept + back, sum(start.values())),
        (sum(end.get(name, 0) for name in year), sum(year.values())),
        (sum(both), sum(start.values())),
    ]
    found = spread.frame[["numerator", "denominator"]].to_numpy().tolist()
    assert [tuple(each) for each in found] == expected
    differing(spread)
