from revops_kit.kpis import mrr
from revops_kit.periods import last
from revops_kit.samples import workspace

ROWS = [
    #  customer  started      ended        mrr
    ("A", "2026-01-01", None, 100),
    ("A", "2026-01-01", None, 10),
    ("B", "2026-09-30", None, 50),
    ("C", "2026-01-01", "2026-09-30", 400),
    ("D", "2026-01-01", "2026-10-01", 7),
    ("E", "2026-10-01", None, 1_000),
    ("F", "2026-01-01", None, 0),
]


def company(as_of=None):
    columns = ("customer_id", "started_on", "ended_on", "mrr")
    rows = [
        {"subscription_id": str(key), **dict(zip(columns, row, strict=True))}
        for key, row in enumerate(ROWS)
    ]
    return workspace({"subscriptions": rows}, as_of=as_of)


def test_mrr_is_what_runs_when_the_period_ends():
    found = mrr(company(), "2026-09")
    assert (found.value, found.n) == (100 + 10 + 50 + 7, 4)


def test_every_period_is_seen_at_its_own_end():
    assert mrr.over(company(), last(3, "2026-10")).frame.value.to_list() == [517, 167, 1160]


def test_quarter_year_and_all_are_seen_at_the_last_day_known():
    ws = company("2026-09-30")
    assert [mrr(ws, period).value for period in ("2026-Q3", "2026", "all")] == [167] * 3


def test_cancellation_announced_ahead_runs_until_then():
    assert mrr(company("2026-09-15"), "2026-09").value == 100 + 10 + 400 + 7
