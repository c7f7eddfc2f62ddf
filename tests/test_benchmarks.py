"""The benchmarks run; how fast they find the kit to be is for a quiet machine to say."""

from benchmarks import lifetimes, start, trend


def test_a_trend_by_source_is_one_query_with_the_figures_of_hand_written_sql(tmp_path):
    found = trend.measure(tmp_path, rows=2_000, rounds=1)
    assert found["queries"] == 1
    assert set(found["trend"]) == {"kit", "by_hand"}


def test_every_command_timed_runs():
    for arguments in start.COMMANDS.values():
        assert start.processor_seconds(arguments) > 0


def test_statistics_are_timed_on_few_rows_too():
    assert set(lifetimes.incidence(1_000, rounds=1)) == {"with", "alone"}
    assert set(lifetimes.purchases(5_000, rounds=1)) == {"with", "alone"}
