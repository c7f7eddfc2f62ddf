"""Forecasts kept: what was said when, to be compared with what came."""

import datetime as dt
from dataclasses import replace
from pathlib import Path

import pytest

import revops_kit as rk
from revops_kit.errors import RequestError, WorkspaceError
from revops_kit.outlook import look
from revops_kit.outlook.ledger import made_before, of_the_next, remember

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def sample():
    return rk.open(ROOT / "revops.toml", "2026-09-30")


@pytest.fixture
def workspace(sample, tmp_path):
    """The sample company, with a history of its own."""
    return replace(sample, file=tmp_path / "revops.toml")


def kept(ws):
    with ws.open_history() as history:
        return history.forecasts("payments")


def test_what_is_kept_is_what_was_said(workspace):
    outlook = look(workspace, "payments", "2026-09", length=4)
    assert not workspace.has_history()
    remember(outlook, "2026-10-01T07:00:00+00:00")
    found = kept(workspace)
    # Four months, and the one quarter that ends within them.
    assert found.period.tolist() == ["2026-10", "2026-11", "2026-12", "2027-01", "2026-Q4"]
    assert found["mean"].tolist()[:4] == pytest.approx(outlook.frame()["mean"].tolist())
    assert found["mean"].iloc[4] == pytest.approx(sum(found["mean"].iloc[:3]))
    assert set(found.as_of) == {dt.date(2026, 9, 30)}
    assert (found.model == outlook.model).all()


def test_a_quarters_forecast_is_followed_through_time(workspace):
    """The fourth quarter as July, August and September saw it; made twice, the last counts."""
    for period in ("2026-07", "2026-08", "2026-08"):
        remember(look(workspace, "payments", period, length=6), "2026-10-01T07:00")
    now = look(workspace, "payments", "2026-09", length=3)
    earlier = made_before(now)
    assert (earlier.period == "2026-11").sum() == 2
    moved = of_the_next(now)
    days = [dt.date(2026, 7, 31), dt.date(2026, 8, 31), dt.date(2026, 9, 30)]
    assert moved.as_of.tolist() == days
    assert moved["mean"].iloc[-1] == pytest.approx(now.chances()["mean"][0])
    # Looked at from August, what September says is not known.
    then = look(workspace, "payments", "2026-08", length=4)
    assert len(made_before(then)) == (earlier.as_of == dt.date(2026, 7, 31)).sum()


def test_a_look_is_not_kept_unless_asked_to(workspace):
    assert remember(look(workspace, "payments", "2026-09", length=2), "").empty
    assert not workspace.has_history()


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
