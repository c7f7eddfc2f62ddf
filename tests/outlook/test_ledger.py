"""Forecasts kept: what was said when, to be compared with what came."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

import revops_kit as rk
from revops_kit.errors import RequestError, WorkspaceError
from revops_kit.outlook import look
from revops_kit.outlook.ledger import made_before, remember

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def sample():
    return rk.open(ROOT / "revops.toml", "2026-09-30")


@pytest.fixture
def workspace(sample, tmp_path):
    """The sample company, with a history of its own."""
    return replace(sample, file=tmp_path / "revops.toml")


def test_what_is_kept_is_what_was_said(workspace):
    assert made_before(workspace, "payments").empty
    outlook = look(workspace, "payments", "2026-09", length=4)
    remember(outlook, "2026-10-01T07:00:00+00:00")
    kept = made_before(workspace, "payments")
    # Four months, and the one quarter that ends within them.
    assert kept.period.tolist() == ["2026-10", "2026-11", "2026-12", "2027-01", "2026-Q4"]
    assert kept["mean"].tolist()[:4] == pytest.approx(outlook.frame()["mean"].tolist())
    assert kept["mean"].iloc[4] == pytest.approx(sum(kept["mean"].iloc[:3]))
    assert set(kept.as_of) == {dt.date(2026, 9, 30)}
    assert (kept.model == outlook.model).all()


def test_forecasts_made_again_stand_beside_the_earlier_ones(workspace):
    for period, made_at in (("2026-08", "2026-09-01T07:00"), ("2026-09", "2026-10-01T07:00")):
        remember(look(workspace, "payments", period, length=3), made_at)
    kept = made_before(workspace, "payments")
    of_november = kept[kept.period == "2026-11"]
    assert len(of_november) == 2
    assert of_november.made_at.is_monotonic_increasing


def test_a_look_is_not_kept_unless_asked_to(workspace):
    assert remember(look(workspace, "payments", "2026-09", length=2), "").empty
    assert made_before(workspace, "payments").empty


def test_a_moment_that_is_none_is_refused(workspace):
    with pytest.raises(RequestError, match="no moment"):
        remember(look(workspace, "payments", "2026-09", length=2), "yesterday")


def test_accuracy_can_be_measured_of_the_kits_own_forecasts(tmp_path):
    """Two months are forecast on the day before; accuracy is counted as if they were submitted."""
    rows = [
        f"{number},won,100,2025-{month:02}-11,2025-{month:02}-20"
        for number, month in enumerate([*range(1, 13)] * 4)
    ]
    header = "opportunity_id,outcome,amount,opened_at,closed_at"
    (tmp_path / "deals.csv").write_text("\n".join([header, *rows]))
    toml = '[tables.opportunities]\nfile = "deals.csv"\n'
    (tmp_path / "revops.toml").write_text(toml)
    ws = rk.open(tmp_path / "revops.toml", "2025-12-31")
    for month in ("2025-10", "2025-11"):
        remember(look(ws, "bookings", month, length=2), f"{month}-28T07:00:00+00:00")
    (tmp_path / "revops.toml").write_text(f'{toml}[tables.forecasts]\nhistory = "bookings"\n')
    ws = rk.open(tmp_path / "revops.toml", "2025-12-31")
    made = ws.tables.forecasts.order_by("made_on", "month").to_pandas()
    assert made.made_on.astype(str).tolist() == ["2025-11-01"] * 2 + ["2025-12-01"] * 2
    # Four deals of 100 are won in each month, which is what was foreseen.
    accuracy = rk.kpis.forecast_accuracy.over(ws, rk.last(2, "2025-12"))
    assert accuracy.frame.value.tolist() == pytest.approx([1.0, 1.0], abs=0.01)
    assert "low_80" in made


def test_history_keeps_forecasts_only(tmp_path):
    (tmp_path / "revops.toml").write_text('[tables.leads]\nhistory = "bookings"\n')
    with pytest.raises(WorkspaceError, match="keeps forecasts, not leads"):
        rk.open(tmp_path / "revops.toml")
