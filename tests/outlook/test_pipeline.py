"""What the pipeline implies: chances by hand, parts that add up, and no hindsight."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from revops_kit import samples
from revops_kit.errors import RequestError
from revops_kit.outlook.ahead import Ahead
from revops_kit.outlook.chances import chances
from revops_kit.outlook.drawing import Scenario, horizon
from revops_kit.outlook.pipeline import implied
from revops_kit.periods import parse
from revops_kit.stats.survival import aalen_johansen

AS_OF = dt.date(2026, 9, 30)


def steady(months=24, each=10, wins=4, amount=100.0):
    """Deals that are all opened on the 11th; 4 of 10 are won after 35 days, the rest lost after 45.

    So on the first of each month ten are open, some 20 days old, of which four are won within the
    next 15, and six are lost.
    """
    rows = []
    for back in range(months):
        opened = (pd.Timestamp(2026, 9, 11) - pd.DateOffset(months=back)).date()
        for number in range(each):
            won = number < wins
            closed = opened + dt.timedelta(days=35 if won else 45)
            known = closed <= AS_OF
            rows.append(
                {
                    "opportunity_id": f"{back}-{number}",
                    "opened_at": opened.isoformat(),
                    "closed_at": closed.isoformat() if known else None,
                    "outcome": ("won" if won else "lost") if known else "open",
                    "amount": amount,
                    "owner": "A",
                    "expected_close": None,
                }
            )
    return rows


def company(rows, as_of=AS_OF, **tables):
    return samples.workspace({"opportunities": rows, **tables}, as_of=as_of)


@pytest.fixture(scope="module")
def pipeline():
    return implied(company(steady()), length=4)


# --- open deals ---------------------------------------------------------------------------------
def test_open_deals_bring_what_their_like_brought(pipeline):
    """Ten are open, 20 days old: four in ten of those have been won 14 or 15 days later."""
    assert len(pipeline.waiting) == 10
    # Of September's ten, nobody knows yet: 23 months of ten teach that 40 % are won in October.
    assert pipeline.parts.open_deals.tolist() == pytest.approx([400, 0, 0, 0])
    assert pipeline.deals().chance.tolist() == pytest.approx([0.4] * 10)
    assert pipeline.deals().expected.sum() == pytest.approx(400)


def test_new_deals_bring_what_new_deals_brought(pipeline):
    """Ten a month are opened on the 11th, and won on the 15th of the month after: 400 then."""
    assert pipeline.parts.new_deals.tolist() == pytest.approx([0, 400, 400, 400])
    assert pipeline.parts["sum"].tolist() == pytest.approx([400] * 4)


def test_draws_have_the_mean_and_spread_that_chances_have(pipeline):
    """Ten coins of 0.4, 100 each: mean 400, standard deviation 100 √2.4 = 154.92."""
    drawn = pipeline.basis.draw()
    assert drawn[:, 0].mean() == pytest.approx(400, abs=8)
    assert drawn[:, 0].std() == pytest.approx(154.92, rel=0.03)
    assert pipeline.basis.spread()[0] == pytest.approx(154.92, rel=1e-3)
    assert set(np.unique(drawn[:, 0])) <= set(np.arange(0, 1100, 100.0))


def test_stages_tell_deals_apart():
    """Of deals in stage b all are won, of those in a none: as stage changes have kept it."""
    rows = steady()
    changes = [
        {
            "opportunity_id": row["opportunity_id"],
            "changed_at": row["opened_at"],
            "stage": "b" if row["opportunity_id"].split("-")[1] in "0123" else "a",
        }
        for row in rows
    ]
    seen = implied(company(rows, stage_changes=changes), length=2)
    assert sorted(seen.deals().chance.round(9)) == [0.0] * 6 + [1.0] * 4
    assert seen.parts.open_deals[0] == pytest.approx(400)


def test_what_closes_on_the_first_of_a_month_is_that_months():
    """Decided 31 days after a month began: from October 1 that is November 1, not October."""
    rows = []
    for first in pd.date_range("2024-10-01", "2026-10-01", freq="MS"):
        closed = (first + pd.Timedelta(days=31)).date()
        for number in range(10):
            outcome = "won" if number < 4 else "lost"
            rows.append(
                {
                    "opportunity_id": f"{first.date()}-{number}",
                    "opened_at": str((first - pd.Timedelta(days=20)).date()),
                    "closed_at": str(closed) if closed <= AS_OF else None,
                    "outcome": outcome if closed <= AS_OF else "open",
                    "amount": 100.0,
                    "owner": "A",
                    "expected_close": None,
                }
            )
    # September's ten are decided on October 2, and October's on November 1.
    seen = implied(company(rows), length=3)
    assert seen.parts.open_deals.tolist() == pytest.approx([400, 400, 0])


def test_a_deal_without_an_amount_is_worth_what_others_came_to():
    """A CRM that knows amounts of won deals only: having one must not tell who is won."""
    amounts = {"won": 100.0, "lost": 0.0, "open": None}
    rows = [row | {"amount": amounts[row["outcome"]]} for row in steady()]
    seen = implied(company(rows), length=2)
    assert seen.waiting.is_guessed.all()
    assert seen.deals().chance.tolist() == pytest.approx([0.4] * 10)
    assert seen.parts["sum"].tolist() == pytest.approx([400, 400])


def test_large_deals_that_take_longer_are_expected_later():
    """Within one size: five of 100 are won in the first month, five of 300 a month later."""
    rows = []
    for row in steady():
        number, opened = int(row["opportunity_id"][-1]), pd.Timestamp(row["opened_at"])
        closed = (opened + pd.Timedelta(days=35 if number < 5 else 66)).date()
        row = row | {"amount": 100.0 if number < 5 else 300.0, "outcome": "won"}
        is_known = closed <= AS_OF
        row["closed_at"] = str(closed) if is_known else None
        rows.append(row if is_known else row | {"outcome": "open"})
    seen = implied(company(rows), length=2)
    basis = seen.basis
    # August's five of 300 and September's ten are open. Alike or not, October brings 2,000.
    whole = basis.chances.of(("", 0, 0))[basis.ahead.days]
    assert len(seen.waiting) == 15
    assert whole[-1] == pytest.approx(1.0)
    assert seen.parts.open_deals.tolist() == pytest.approx([2000, 1500], rel=0.05)


def test_deals_opened_nobody_knows_when_are_not_counted_twice():
    """Every month's ten lose the day they were opened in half: 400 a month are won all the same."""
    rows = [
        row | {"opened_at": None} if int(row["opportunity_id"][-1]) % 2 else row for row in steady()
    ]
    seen = implied(company(rows), length=3)
    assert seen.parts["sum"].tolist() == pytest.approx([400, 400, 400])


def test_amounts_that_shrink_until_won_are_expected_to_shrink():
    """Stage changes said 100, the deals were won at 80."""
    rows = [row | {"amount": 80.0} if row["outcome"] == "won" else row for row in steady()]
    changes = [
        {"opportunity_id": row["opportunity_id"], "changed_at": row["opened_at"], "amount": 100.0}
        for row in rows
    ]
    seen = implied(company(rows, stage_changes=changes), length=2)
    assert seen.basis.chances.growth == pytest.approx(0.8)
    assert seen.parts.open_deals[0] == pytest.approx(320)


# --- months, partial and whole ------------------------------------------------------------------
def test_a_month_that_has_begun_counts_what_is_won_in_it():
    """On September 20, the four of August are won (on the 15th): nothing of them is to come."""
    rows = [
        row | {"closed_at": None, "outcome": "open"}
        if row["closed_at"] and row["closed_at"] > "2026-09-20"
        else row
        for row in steady()
        if row["opened_at"] <= "2026-09-20"
    ]
    seen = implied(company(rows, as_of=dt.date(2026, 9, 20)), length=2)
    assert seen.parts.period.tolist() == ["2026-09", "2026-10"]
    assert seen.parts.won.tolist() == [400, 0]
    assert seen.ahead.draws[:, 0].min() >= 400


def test_quarters_add_what_came_to_what_may_come():
    seen = implied(company(steady(), as_of=dt.date(2026, 8, 31)), length=5)
    quarters = seen.ahead.by("quarter", samples.workspace({}).calendar)
    assert quarters.period.tolist() == ["2026-Q3", "2026-Q4"]
    # July and August brought 400 each; three months to come do the same.
    assert quarters["mean"].tolist() == pytest.approx([1200, 1200], rel=0.02)
    assert seen.ahead.came(parse("2026-Q3")) == 800


def test_widened_draws_keep_their_mean_and_what_has_come():
    """Cut off at what is won, draws would have a higher mean than what is expected."""
    drawn = np.random.default_rng(1).normal(100, 60, size=(4000, 1)).clip(0)
    ahead = Ahead((parse("2026-10"),), drawn, pd.Series(dtype=float))
    wide = ahead.scaled(3.0, least=40.0)
    assert wide.draws.mean() == pytest.approx(drawn.mean())
    assert wide.draws.min() == 40
    assert wide.draws.std() > 1.2 * drawn.std()


def test_horizon_lays_out_months():
    ahead = horizon(dt.date(2026, 12, 17), 3)
    assert [month.label for month in ahead.months] == ["2026-12", "2027-01", "2027-02"]
    assert ahead.days.tolist() == [14, 45, 73]  # to the 31st, the 31st and the 28th
    assert ahead.left == 15 / 31


# --- what if ------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("what_if", "october", "november"),
    [
        (Scenario(win_rate=0.1), 440, 440),
        (Scenario(amount=-0.5), 200, 200),
        (Scenario(volume=0.5), 400, 600),  # what is open is open
    ],
)
def test_scenarios_change_what_they_say(pipeline, what_if, october, november):
    expected = sum(pipeline.basis.expected(what_if))
    assert expected[:2].tolist() == pytest.approx([october, november])
    assert pipeline.moved_by(what_if)[:2] == pytest.approx([october / 400, november / 400])


@pytest.mark.parametrize("changes", [{"cycle": -1.0}, {"win_rate": -1.5}, {"volume": np.inf}])
def test_scenarios_that_leave_nothing_are_refused(changes):
    with pytest.raises(RequestError, match="leaves nothing"):
        Scenario(**changes)


def test_a_shorter_cycle_brings_wins_forward(pipeline):
    """Half the days: what new deals bring a month later comes at once."""
    new = pipeline.basis.expected(Scenario(cycle=-0.5)).new_deals
    assert new.tolist() == pytest.approx([400] * 4)
    assert pipeline.parts.new_deals[0] == 0


# --- past forecasts -----------------------------------------------------------------------------
def test_past_forecasts_know_nothing_of_what_came_later():
    """Had all since September 2025 been lost, the forecast made then would have been the same."""
    day = dt.date(2025, 9, 1)
    spoilt = [
        row | {"outcome": "lost"} if (row["closed_at"] or "") >= day.isoformat() else row
        for row in steady()
    ]
    made = []
    for rows in (steady(), spoilt):
        known = implied(company(rows), length=3).known
        made.append(known.known_on(day, 3, known.followed.waiting(day)).expected())
    np.testing.assert_array_equal(*made)


def test_past_forecasts_stand_beside_what_came(pipeline):
    frame = pipeline.tested.frame
    assert frame[frame.lead == 1].actual.tolist() == [400] * frame.made.nunique()
    assert (frame["mean"] - frame.actual).abs().max() == pytest.approx(0, abs=1e-6)
    assert pipeline.tested.scale == 1  # never narrower than drawn
    assert pipeline.tested.coverage == 1


# --- nothing to go by ---------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("tables", "why"),
    [
        (
            {},
            "not available: needs opportunities.opened_at, opportunities.closed_at, "
            "opportunities.outcome, opportunities.amount",
        ),
        (
            {"opportunities": [{"opportunity_id": "1", "outcome": "won", "amount": 1.0}]},
            "not available: needs opportunities.opened_at, opportunities.closed_at",
        ),
    ],
)
def test_without_data_it_says_what_is_missing(tables, why):
    assert implied(samples.workspace(tables, as_of=AS_OF)).missing_because == why


def test_first_deals_ever_bring_no_false_hope():
    """Nothing was ever decided: no chance is made up, and none that is nothing."""
    rows = [
        {"opportunity_id": "1", "opened_at": "2026-09-20", "outcome": "open", "amount": 10.0,
         "closed_at": None, "owner": "A", "expected_close": None}
    ]  # fmt: skip
    seen = implied(company(rows), length=2)
    assert seen.missing_because.startswith("fewer than 20 deals")


def test_chances_are_those_of_aalen_and_johansen(by_chance):
    """The curves for all groups at once are the ones of `stats.survival`, one by one."""
    ws = by_chance.workspace()
    known = implied(ws).known.followed
    day = dt.date(2026, 7, 1)
    found, seen = chances(known, day).curves, known.known(day)
    ends = pd.Categorical.from_codes(seen.end, ["", "won", "lost"])
    cents = (100 * seen.amount).round().astype(int)
    whole = aalen_johansen(seen.days, ends, cents)["won"]
    days = np.arange(0, int(whole.until))
    assert found[()][days] == pytest.approx(whole.at(days))
    assert len(found) > 3
