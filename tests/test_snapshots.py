"""Snapshots keep what a CRM overwrites, and forecasts are measured by them later."""

import datetime as dt

import pyarrow.parquet as pq
import pytest

import revops_kit as rk
from revops_kit import snapshots
from revops_kit.errors import RequestError, SourceError
from revops_kit.kpis import forecast_accuracy, pipeline_coverage

HEADER = (
    "opportunity_id,outcome,opened_at,closed_at,amount,expected_close,forecast_category,stage\n"
)
AUGUST = (
    "1,open,2026-08-01,,100,2026-09-20,commit,propose\n"
    "2,open,2026-08-01,,50,2026-09-25,pipeline,qualify\n"
    "3,open,2026-08-01,,70,2026-10-05,commit,propose\n"
    "4,won,2026-07-01,2026-08-20,10,2026-08-20,closed,won\n"
)
# Deal 1 shrank to 80 when it was won, deal 2 was won too, deal 3 was lost.
OCTOBER = (
    "1,won,2026-08-01,2026-09-19,80,2026-09-19,closed,won\n"
    "2,won,2026-08-01,2026-09-28,50,2026-09-28,closed,won\n"
    "3,lost,2026-08-01,2026-10-02,70,2026-10-02,omitted,lost\n"
    "4,won,2026-07-01,2026-08-20,10,2026-08-20,closed,won\n"
)
FORECASTS = '[tables.forecasts]\nfile = "forecasts.csv"\n'
MADE = "made_on,month,amount,owner\n"


@pytest.fixture
def company(tmp_path):
    """Write what a company's CRM says today, and open it."""

    def write(deals, forecasts=None):
        toml = '[tables.opportunities]\nfile = "deals.csv"\n'
        (tmp_path / "deals.csv").write_text(HEADER + deals, "utf-8")
        if forecasts is not None:
            toml += FORECASTS
            (tmp_path / "forecasts.csv").write_text(MADE + forecasts, "utf-8")
        (tmp_path / "revops.toml").write_text(toml, "utf-8")
        return rk.open(tmp_path / "revops.toml")

    return write


def keep(ws, day):
    return snapshots.keep(ws.tables, ws.file.parent, dt.date.fromisoformat(day))


def kept(tmp_path, day, table="opportunities"):
    file = tmp_path / ".revops" / "snapshots" / day / f"{table}.parquet"
    return pq.read_table(file, partitioning=None)


def test_snapshot_keeps_open_deals_and_submitted_forecasts(company, tmp_path):
    done = keep(company(AUGUST, "2026-08-28,2026-09-01,90,Ann\n"), "2026-09-01")
    assert str(done).startswith("Kept 3 open deals and 1 submitted forecast in ")
    rows = kept(tmp_path, "2026-09-01")
    assert rows["opportunity_id"].to_pylist() == ["1", "2", "3"]
    assert rows.column_names == [
        "opportunity_id", "stage", "amount", "expected_close", "forecast_category"
    ]  # fmt: skip
    assert kept(tmp_path, "2026-09-01", "forecasts")["amount"].to_pylist() == [90]


def test_second_snapshot_of_a_day_replaces_the_first(company, tmp_path):
    keep(company(AUGUST), "2026-09-01")
    keep(company(AUGUST.replace(",100,", ",110,")), "2026-09-01")
    assert kept(tmp_path, "2026-09-01")["amount"].to_pylist() == [110, 50, 70]
    assert [each.name for each in (tmp_path / ".revops" / "snapshots").iterdir()] == ["2026-09-01"]


def test_snapshot_that_fails_leaves_the_one_before(company, tmp_path, monkeypatch):
    ws = company(AUGUST, "2026-08-28,2026-09-01,90,Ann\n")
    keep(ws, "2026-09-01")
    written = pq.write_table

    def full(rows, file, **options):
        if file.name == "forecasts.parquet":
            raise OSError(28, "No space left on device")
        written(rows, file, **options)

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(SourceError, match=r"cannot be written \(No space left on device\)"):
        keep(ws, "2026-09-01")
    monkeypatch.undo()
    assert kept(tmp_path, "2026-09-01").num_rows == 3
    assert [each.name for each in (tmp_path / ".revops" / "snapshots").iterdir()] == ["2026-09-01"]


def test_without_deals_or_forecasts_there_is_nothing_to_keep(tmp_path):
    (tmp_path / "revops.toml").write_text("", "utf-8")
    with pytest.raises(RequestError, match="needs the table opportunities or forecasts"):
        keep(rk.open(tmp_path), "2026-09-01")


def test_todays_table_alone_is_hindsight_and_a_snapshot_is_not(company):
    """Commit said 100 on September 1; 80 + 50 were won: accuracy is 1 - 30/130."""
    assert forecast_accuracy(company(OCTOBER), "2026-09").missing_because == (
        "not available: needs forecasts.amount or stage_changes.expected_close"
    )
    keep(company(AUGUST), "2026-09-01")
    found = forecast_accuracy(company(OCTOBER), "2026-09")
    assert found.value == pytest.approx(1 - 30 / 130)
    assert found.notes[0] == (
        "Forecasts rebuilt from snapshots, as they stood at the start of each month: "
        "category commit."
    )


def test_latest_snapshot_on_or_before_the_day_counts_and_none_after_it(company):
    keep(company(AUGUST.replace(",100,", ",40,")), "2026-07-30")
    keep(company(AUGUST), "2026-09-01")
    keep(company(AUGUST.replace(",100,", ",500,")), "2026-09-02")
    ws = company(OCTOBER)
    assert forecast_accuracy(ws, "2026-09").value == pytest.approx(1 - 30 / 130)
    earlier = forecast_accuracy(ws, "2026-09", forecast_lead_days=10)  # August 22: said 40
    assert earlier.value == pytest.approx(1 - 90 / 130)


def test_cumulative_category_adds_the_surer_ones(company):
    keep(company(AUGUST), "2026-09-01")
    found = forecast_accuracy(company(OCTOBER), "2026-09", forecast_category="Pipeline")
    assert found.value == pytest.approx(1 - 20 / 130)  # 100 + 50 against 130
    assert found.notes[0].endswith("category Pipeline and surer ones.")


def test_snapshots_are_no_events(company):
    """The last day known stays that of the deals; a snapshot from after it is not known yet."""
    keep(company(AUGUST), "2026-09-01")
    keep(company(AUGUST), "2026-12-24")
    ws = company(OCTOBER)
    assert ws.as_of == dt.date(2026, 10, 2)
    assert "snapshots of the pipeline, 2026-09-01 to 2026-12-24" in (
        ws.tables.sources["stage_changes"].health.problems[0].message
    )
    past = rk.open(ws.file, as_of="2026-08-31")
    assert past.tables.stage_changes.count().to_pyarrow().as_py() == 0


def test_only_what_differs_from_the_day_before_is_a_change(company):
    keep(company(AUGUST), "2026-09-01")
    keep(company(AUGUST), "2026-09-02")
    keep(company(AUGUST.replace("50,2026-09-25", "50,2026-11-25")), "2026-09-03")
    changes = company(OCTOBER).tables.stage_changes.order_by("changed_at", "opportunity_id")
    found = changes.select("opportunity_id", "changed_at").to_pandas()
    assert [
        (key, str(day.date()))
        for key, day in zip(found.opportunity_id, found.changed_at, strict=True)
    ] == [("1", "2026-09-01"), ("2", "2026-09-01"), ("3", "2026-09-01"), ("2", "2026-09-03")]


def test_coverage_too_sees_deals_as_they_stood(company):
    """On August 31 nobody knew that deal 3 would be lost: 70 expected in October."""
    keep(company(AUGUST), "2026-08-30")
    ws = company(OCTOBER)
    (ws.file.parent / "targets.csv").write_text("month,amount\n2026-10-01,140\n", "utf-8")
    ws.file.write_text(ws.file.read_text("utf-8") + '[tables.targets]\nfile = "targets.csv"\n')
    found = pipeline_coverage(rk.open(ws.file, as_of="2026-08-31"), "2026-10")
    assert found.value == pytest.approx(70 / 140)


def test_stage_changes_of_the_companys_own_come_first(company):
    keep(company(AUGUST), "2026-09-01")
    ws = company(OCTOBER)
    (ws.file.parent / "changes.csv").write_text(
        "opportunity_id,changed_at,amount,expected_close,forecast_category\n"
        "1,2026-08-05,120,2026-09-20,commit\n", "utf-8"
    )  # fmt: skip
    own = '[tables.stage_changes]\nfile = "changes.csv"\n'
    ws.file.write_text(ws.file.read_text("utf-8") + own, "utf-8")
    found = forecast_accuracy(rk.open(ws.file), "2026-09")
    assert found.value == pytest.approx(1 - 10 / 130)
    assert found.notes[0].startswith("Forecasts rebuilt from stage changes")


def test_submitted_forecasts_that_were_overwritten_are_put_back(company):
    """In August Ann said 90 and Bo 20; by October Ann's is overwritten: 110 against 130."""
    keep(company(AUGUST, "2026-08-28,2026-09-01,90,Ann\n2026-08-28,2026-09-01,20,Bo\n"),
         "2026-08-29")  # fmt: skip
    ws = company(OCTOBER, "2026-09-25,2026-09-01,130,Ann\n2026-08-28,2026-09-01,20,Bo\n")
    found = forecast_accuracy(ws, "2026-09")
    assert found.value == pytest.approx(1 - 20 / 130)
    assert "Submitted forecasts overwritten since are put back from snapshots." in found.notes


def test_owner_who_was_renamed_is_not_counted_twice(company):
    keep(company(AUGUST, "2026-08-28,2026-09-01,90,Ann\n"), "2026-08-29")
    ws = company(OCTOBER, "2026-08-28,2026-09-01,90,Ann Lee\n")
    assert ws.tables.forecasts.amount.to_list() == [90]


def test_forecasts_of_a_month_that_the_source_forgot_are_put_back(company):
    keep(company(AUGUST, "2026-08-28,2026-09-01,90,Ann\n"), "2026-08-29")
    keep(company(AUGUST, "2026-08-28,2026-09-01,90,Ann\n"), "2026-08-30")
    ws = company(OCTOBER, "2026-09-28,2026-10-01,60,Ann\n")
    assert sorted(ws.tables.forecasts.amount.to_list()) == [60, 90]
    # The next snapshot keeps what the source says, not what was put back.
    keep(ws, "2026-10-03")
    assert kept(ws.file.parent, "2026-10-03", "forecasts")["amount"].to_pylist() == [60]


def test_damaged_snapshot_is_named_and_leaves_the_rest(company, tmp_path):
    keep(company(AUGUST), "2026-09-01")
    file = tmp_path / ".revops" / "snapshots" / "2026-09-01" / "opportunities.parquet"
    file.write_bytes(b"not parquet")
    ws = company(OCTOBER)
    assert rk.kpis.bookings(ws, "2026-09").value == 130
    with pytest.raises(SourceError, match=r"The snapshot .*opportunities.parquet cannot be read"):
        forecast_accuracy(ws, "2026-09")


def test_command_keeps_today_and_says_so(company, tmp_path, monkeypatch, capsys):
    from revops_kit import cli

    ws = company(AUGUST)
    monkeypatch.setattr("sys.argv", ["revops", "snapshot", "-w", str(ws.file)])
    before = dt.date.today()
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    said = capsys.readouterr().out
    assert said.startswith("Kept 3 open deals in ")
    assert said.count("\n") == 1
    days = {dt.date.fromisoformat(each.name) for each in (tmp_path / ".revops/snapshots").iterdir()}
    assert days <= {before, dt.date.today()}
    assert days


def test_pipeline_without_category_and_stage_is_no_forecast_rather_than_one_of_nothing(company):
    ws = company(AUGUST)
    plain = "".join(",".join(line.split(",")[:6]) + "\n" for line in (HEADER + AUGUST).split())
    (ws.file.parent / "deals.csv").write_text(plain, "utf-8")
    keep(rk.open(ws.file), "2026-09-01")
    found = forecast_accuracy(company(OCTOBER), "2026-09")
    assert found.missing_because == "no whole month was forecast in 2026-09"
