"""A table from a file is filtered as of a day only where something lies after it."""

import pytest

import revops_kit as rk

SUBSCRIPTIONS = """\
subscription_id,customer_id,started_on,ended_on,mrr
1,A,2026-01-01,2026-12-31,100
2,B,2026-02-01,,200
3,C,2026-03-01,2026-08-31,300
"""


@pytest.fixture
def company(tmp_path):
    (tmp_path / "subscriptions.csv").write_text(SUBSCRIPTIONS)
    (tmp_path / "revops.toml").write_text('[tables.subscriptions]\nfile = "subscriptions.csv"\n')
    return tmp_path


@pytest.mark.parametrize(
    ("as_of", "rows", "ended"),
    [("2026-02-15", 2, 0), ("2026-09-30", 3, 1), ("2026-12-31", 3, 2), ("2027-01-31", 3, 2)],
)
def test_what_lies_after_the_day_is_not_known(company, as_of, rows, ended):
    """An end announced for December is no end in September, though all rows had begun by then."""
    seen = rk.open(company, as_of=as_of).tables.subscriptions
    assert seen.count().execute() == rows
    assert seen.ended_on.count().execute() == ended


def test_a_query_does_not_look_for_later_days_where_there_are_none(company):
    def sql(as_of):
        return rk.open(company, as_of=as_of).tables.subscriptions.compile()

    assert "WHERE" in str(sql("2026-09-30"))
    assert "WHERE" not in str(sql("2026-12-31"))
