import pytest

from revops_kit.kpis import forecast_bias
from revops_kit.samples import workspace


def bias(expected, actual):
    """By month, from January on."""
    forecasts = [
        {"month": f"2026-{at:02}-01", "made_on": f"2026-{at:02}-01", "amount": amount}
        for at, amount in enumerate(expected, 1)
    ]
    deals = [
        {"opportunity_id": str(at), "outcome": "won", "closed_at": f"2026-{at:02}-10",
         "amount": amount} for at, amount in enumerate(actual, 1) if amount
    ]  # fmt: skip
    ws = workspace({"forecasts": forecasts, "opportunities": deals}, as_of="2026-12-31")
    return forecast_bias(ws, "2026").value


def test_errors_make_up_for_each_other():
    assert bias([110, 90], [100, 100]) == 0


def test_promising_too_much_is_above_zero():
    assert bias([150], [100]) == 0.5
    assert bias([50], [100]) == -0.5


def test_known_examples():
    """The series of DEFINITIONS.md: −35 of 1,010, and 4 of 200."""
    assert bias([950, 25], [1000, 10]) == pytest.approx(-35 / 1010)
    assert bias([10, 90, 70, 5, 29], [0, 100, 50, 0, 50]) == pytest.approx(4 / 200)
