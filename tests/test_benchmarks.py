"""The benchmarks run; how fast they find the kit to be is for a quiet machine to say."""

import pytest

from benchmarks import data, lifetimes, measuring, start, trend


def test_a_trend_by_source_is_one_query_with_the_figures_of_hand_written_sql(tmp_path):
    for kind in ("parquet", "csv"):
        workspace = data.write(tmp_path / kind, 2_000, kind)
        assert trend.first_reading(workspace)["megabytes"] > 0
    assert trend.opened_and_counted(workspace)["seconds"] > 0
    found = trend.against_sql(workspace, rounds=1)
    assert found["queries"] == 1
    assert set(found["trend"]) == {"kit", "by_hand"}


def test_a_measurement_has_a_process_of_its_own():
    assert measuring.alone(pow, 2, 3) == 8


def test_a_command_is_timed_from_start_to_end():
    assert start.processor_seconds(start.COMMANDS["revops --help"]) > 0
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        start.processor_seconds(("-c", "1 / 0"))


def test_statistics_are_timed_on_few_rows_too():
    assert set(lifetimes.incidence(1_000, rounds=1)) == {"with", "alone"}
    assert set(lifetimes.purchases(5_000, rounds=1)) == {"with", "alone"}
