"""A file is parsed once: what was read is kept, until anything it depends on changes."""

import os

import pytest

from revops_kit.errors import SourceError
from revops_kit.sources import Source, files
from revops_kit.workspace import open_workspace

TOML = """
[company]
currency = "EUR"
timezone = "Europe/Berlin"
[tables.opportunities]
file = "deals.csv"
[tables.opportunities.columns]
amount = "worth"
[tables.opportunities.lookups.owner]
file = "team.csv"
key = "owner"
"""
DEALS = "opportunity_id,outcome,closed_at,worth,more,owner\n1,won,2026-01-31T23:30Z,5,7,Ann\n"


@pytest.fixture
def parsed(monkeypatch):
    """Note which files are really parsed."""
    names = []
    read = files.read

    def noting(path, **how):
        names.append(path.name)
        return read(path, **how)

    monkeypatch.setattr(files, "read", noting)
    return names


@pytest.fixture
def folder(tmp_path):
    tmp_path.joinpath("revops.toml").write_text(TOML)
    tmp_path.joinpath("deals.csv").write_text(DEALS)
    tmp_path.joinpath("team.csv").write_text("owner,region\nAnn,EMEA\n")
    return tmp_path


def deals(folder):
    source = open_workspace(folder).tables.sources["opportunities"]
    assert isinstance(source, Source), source
    return source


def kept(folder):
    return sorted(path.name for path in folder.joinpath(".revops/cache").iterdir())


def test_second_run_does_not_parse_and_gives_the_same(folder, parsed):
    first = deals(folder)
    assert parsed == ["deals.csv", "team.csv"]
    parsed.clear()
    second = deals(folder)
    assert parsed == []
    assert second.table.to_pandas().equals(first.table.to_pandas())
    assert second.health == first.health
    assert [name.split(".")[-1] for name in kept(folder)] == ["json", "parquet"]


def test_folder_may_be_called_what_sql_could_trip_over(folder):
    odd = folder.rename(folder.with_name('O\'Brien "Q3" [x] 50 %; *'))
    assert deals(odd).table.count().to_pyarrow().as_py() == 1


def test_health_is_kept_with_its_problems(folder, parsed):
    more = "1,lost,2026-02-01,5,7,Ann\n2,won,soon,5,7,Ann\n3,won,2026-02-02,5,7,Bo\n"
    folder.joinpath("deals.csv").write_text(DEALS + more)
    first = deals(folder).health
    found = {each.kind: each.lines for each in first.problems}
    assert found == {"duplicate": (3,), "unreadable": (4,), "unmatched": (5,)}
    parsed.clear()
    assert deals(folder).health == first
    assert parsed == []


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("deals.csv", ",5,", ",6,"),
        ("team.csv", "EMEA", "AMER"),
        ("revops.toml", 'amount = "worth"', 'amount = "more"'),
        ("revops.toml", "Europe/Berlin", "America/New_York"),
        ("revops.toml", '"EUR"', '"USD"'),
        ("revops.toml", "[tables.opportunities]", "[rates]\nUSD = 0.9\n[tables.opportunities]"),
        ("revops.toml", 'file = "deals.csv"', 'file = "deals.csv"\nwhere = "worth > \'1\'"'),
    ],
)
def test_whatever_it_depends_on_reads_it_again(folder, parsed, name, old, new):
    deals(folder)
    parsed.clear()
    path = folder / name
    path.write_text(path.read_text().replace(old, new, 1))
    deals(folder)
    assert parsed == ["deals.csv", "team.csv"]


def test_zone_and_mapping_of_the_kept_table_are_todays(folder):
    assert str(deals(folder).table.closed_at.to_pandas()[0]) == "2026-02-01 00:30:00"
    toml = folder / "revops.toml"
    toml.write_text(TOML.replace("Europe/Berlin", "America/New_York").replace("worth", "more"))
    [row] = deals(folder).table.to_pandas().to_dict("records")
    assert (str(row["closed_at"]), row["amount"]) == ("2026-01-31 18:30:00", 7)


def test_touching_a_file_or_changing_a_policy_reads_nothing(folder, parsed):
    deals(folder)
    parsed.clear()
    os.utime(folder / "deals.csv", (0, 0))
    toml = folder / "revops.toml"
    toml.write_text(toml.read_text() + "[policies]\ngross_margin = 0.5\n")
    deals(folder)
    assert parsed == []


@pytest.mark.parametrize("kind", ["parquet", "json"])
@pytest.mark.parametrize("left", [0, 40])
def test_what_was_kept_and_cut_off_since_is_read_again(folder, parsed, kind, left):
    first = deals(folder)
    parsed.clear()
    [path] = folder.joinpath(".revops/cache").glob(f"*.{kind}")
    os.truncate(path, left)
    again = deals(folder)
    assert parsed == ["deals.csv", "team.csv"]
    assert again.table.to_pandas().equals(first.table.to_pandas())
    assert again.health == first.health


def test_file_that_has_gone_is_missed_though_its_rows_are_kept(folder):
    deals(folder)
    folder.joinpath("deals.csv").unlink()
    gone = open_workspace(folder).tables.sources["opportunities"]
    assert isinstance(gone, SourceError)
    assert str(gone).startswith("There is no file deals.csv")


def test_write_cut_short_is_taken_for_nothing(folder, parsed):
    deals(folder)
    [record] = [
        path for path in folder.joinpath(".revops/cache").iterdir() if path.suffix == ".json"
    ]
    record.unlink()  # as after a crash between the table and its record
    parsed.clear()
    assert deals(folder).health.rows == 1
    assert parsed == ["deals.csv", "team.csv"]
    assert record.exists()


def test_failed_write_leaves_nothing_half(folder, monkeypatch):
    def fails(rows, sink, **how):
        sink.write(b"PAR1 and no more")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("pyarrow.parquet.write_table", fails)
        refused = open_workspace(folder).tables.sources["opportunities"]
    assert isinstance(refused, SourceError)
    assert "cannot be written (No space left on device)" in str(refused)
    assert kept(folder) == []
    assert deals(folder).health.rows == 1


def test_table_that_somebody_has_open_outlives_a_newer_one(folder):
    ours = deals(folder)
    folder.joinpath("deals.csv").write_text(DEALS + "2,won,2026-02-01,9,9,Ann\n")
    assert deals(folder).health.rows == 2
    assert ours.table.count().to_pyarrow().as_py() == 1


def test_copies_outdated_for_a_day_are_cleared_and_other_tables_are_not(folder):
    deals(folder)
    cache = folder / ".revops/cache"
    old = kept(folder)
    cache.joinpath("leads-1.parquet").write_text("")
    cache.joinpath("opportunities-1.parquet.99.part").write_text(
        "left by a process that was killed"
    )
    for path in cache.iterdir():
        os.utime(path, (1_000_000_000, 1_000_000_000))
    folder.joinpath("deals.csv").write_text(DEALS + "2,won,2026-02-01,9,9,Ann\n")
    deals(folder)
    now = kept(folder)
    assert "leads-1.parquet" in now
    assert len(now) == 3
    assert not set(old) & set(now)
