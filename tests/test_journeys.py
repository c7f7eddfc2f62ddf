"""Deals and leads are followed from their start, and what is still open counts for its age."""

import datetime as dt

import numpy as np
import pandas as pd
import pytest

from revops_kit import journeys, samples
from revops_kit.periods import last
from revops_kit.tables import Policies

START = dt.date(2026, 1, 1)


def after(days):
    return str(START + dt.timedelta(days=days))


def deal(key, outcome, opened, closed=None, **more):
    """A deal opened and closed so many days after the first of January."""
    dates = {"opened_at": after(opened), "closed_at": None if closed is None else after(closed)}
    return {"opportunity_id": str(key), "outcome": outcome, **dates, **more}


def company(*deals, as_of=40, **tables):
    policies = tables.pop("policies", None)
    rows = {"opportunities": list(deals), **tables} if deals else tables
    return samples.workspace(rows, as_of=as_of and after(as_of), policies=policies)


# Won after 10 days, open since 15, lost after 20, won after 40.
FOUR = (
    deal(1, "won", 0, 10),
    deal(2, "open", 25),
    deal(3, "lost", 0, 20),
    deal(4, "won", 0, 40),
)


def test_losing_competes_with_winning_and_open_deals_count_for_their_age():
    """By hand: 1/4 won on day 10; of 3/4 left and 2 watched, half lost, then half won."""
    found = journeys.incidence(company(*FOUR), "2026").chances
    assert found.by.tolist() == ["day 30", "day 60", "day 90", "day 180"]
    assert found.won.tolist() == [0.25, 0.625, 0.625, 0.625]
    assert found.lost.tolist() == [0.375] * 4
    assert found.open.tolist() == [0.375, 0, 0, 0]
    assert found.watched.tolist() == [1, 0, 0, 0]


def test_median_is_of_those_that_will_be_won():
    """Half of 0.625 is reached on day 40; the median of the two won deals is 25."""
    medians = journeys.incidence(company(*FOUR), "2026").medians
    assert medians.iloc[0].tolist() == ["all deals", 4, 2, 1, 1, 40.0, 0.0]


def test_nothing_is_claimed_beyond_the_oldest_open_deal():
    found = journeys.incidence(company(deal(1, "won", 0, 10), deal(2, "open", 0)), "2026")
    assert found.chances.won.isna().tolist() == [False, True, True, True]
    assert found.medians.unsettled.tolist() == [0.5]
    assert "too few" in found.explain()


def test_window_is_of_starts_not_of_ends():
    ws = company(deal(1, "won", 0, 35), deal(2, "won", 32, 35))
    found = journeys.incidence(ws, "2026-01").counts
    assert found.days.tolist() == [35]


def test_clock_starts_as_the_policy_says():
    leads = [{"lead_id": "L", "created_at": after(0)}]
    won = deal(1, "won", 10, 30, lead_id="L")
    for start, days in {"lead": 30, "opportunity": 20}.items():
        ws = company(won, leads=leads, policies=Policies(cycle_start=start))
        assert journeys.incidence(ws, "all").counts.days.tolist() == [days]


def test_what_has_no_possible_length_is_left_out_and_counted():
    startless = {"opportunity_id": "7", "outcome": "open", "opened_at": None, "closed_at": None}
    ws = company(*FOUR, deal(5, "won", 9, 3), deal(6, "lost", 3), startless)
    found = journeys.incidence(ws, "2026")
    assert found.counts["count"].sum() == 4
    assert [note.split(":")[0] for note in found.notes[:-1]] == [
        "1 deal without a start",
        "1 deal decided without a date",
        "1 deal ended before starting, which is impossible",
    ]


def test_segments_add_up_and_blank_ones_stay_visible():
    deals = [each | {"region": region} for each, region in zip(FOUR, ["A", "", None, "B"])]  # noqa: B905
    found = journeys.incidence(company(*deals), "2026", by="region")
    assert found.medians.region.tolist() == ["A", "B", "(blank)"]
    assert found.medians.deals.tolist() == [1, 1, 2]
    assert found.whole["won"].at(40) == 0.625


def test_without_open_deals_medians_are_plain_ones(by_chance):
    deals = by_chance.frames["opportunities"]
    closed = deals[(deals.outcome != "open") & deals.closed_at.notna() & deals.opened_at.notna()]
    ws = samples.workspace({"opportunities": closed}, as_of="2026-09-30")
    lengths = pd.to_datetime(closed.closed_at) - pd.to_datetime(closed.opened_at)
    won = lengths[(closed.outcome == "won") & (lengths >= pd.Timedelta(0))].dt.days
    found = journeys.incidence(ws, "all").medians
    assert found.median_days.tolist() == [np.median(won)]
    assert found.unsettled.iloc[0] < 1e-12


def test_curves_rise_and_add_up_to_at_most_one(ws):
    for follow in (journeys.incidence, journeys.conversion_by_age):
        for curves in follow(ws, "all", by="region").curves.values():
            shares = [curve.estimate for curve in curves.values()]
            assert all((np.diff(share) >= 0).all() for share in shares)
            assert (sum(shares) <= 1 + 1e-12).all()


def test_order_of_rows_does_not_matter(by_chance):
    mixed = {name: frame.sample(frac=1, random_state=1) for name, frame in by_chance.frames.items()}
    ws, other = (samples.workspace(each, as_of="2026-09-30") for each in (by_chance.frames, mixed))
    for follow in (journeys.incidence, journeys.conversion_by_age):
        pd.testing.assert_frame_equal(follow(ws, "all").counts, follow(other, "all").counts)


LEADS = [
    {"lead_id": "said", "created_at": after(0), "converted_at": after(20)},
    {"lead_id": "won", "created_at": after(0), "converted_at": after(25)},
    {"lead_id": "lost", "created_at": after(0), "converted_at": None},
    {"lead_id": "again", "created_at": after(0), "converted_at": None},
    {"lead_id": "young", "created_at": after(60), "converted_at": None},
]
THEIRS = (
    deal(1, "won", 5, 15, lead_id="won"),
    deal(2, "lost", 5, 30, lead_id="lost"),
    deal(3, "lost", 5, 40, lead_id="lost"),
    deal(4, "lost", 5, 30, lead_id="again"),
    deal(5, "open", 50, lead_id="again"),
)


def test_lead_is_customer_from_the_first_sign_and_lost_from_the_last():
    found = journeys.conversion_by_age(company(*THEIRS, as_of=70, leads=LEADS), "2026")
    ends = found.counts[["days", "event"]].values.tolist()
    assert ends == [[10, ""], [15, "converted"], [20, "converted"], [40, "lost"], [70, ""]]
    # One of five censored before anything ends: 1/4, and 1/3 of the 3/4 left.
    assert found.whole["converted"].at(30) == pytest.approx(0.5)


def test_share_within_so_many_days_asks_only_leads_old_enough():
    found = journeys.conversion_by_age(company(*THEIRS, as_of=70, leads=LEADS), "2026").matured
    assert found.old_enough.tolist() == [4, 4, 0, 0]
    assert found.too_young.tolist() == [1, 1, 5, 5]
    assert found.share.tolist()[:2] == [0.5, 0.5]
    assert found.share.isna().tolist() == [False, False, True, True]
    # Wilson's interval of 2 in 4, as R's prop.test(2, 4, correct = FALSE) gives it.
    assert found.low[0] == pytest.approx(0.1500, abs=5e-5)


def test_conversion_after_a_horizon_does_not_count_within_it():
    leads = [{"lead_id": "1", "created_at": after(0), "converted_at": after(31)}]
    found = journeys.conversion_by_age(company(as_of=70, leads=leads), "2026")
    assert found.matured.share.tolist()[:2] == [0.0, 1.0]
    assert "No lead is known to be lost" in found.explain()


def test_young_cohort_goes_on_as_older_ones_did():
    """June has one deal won on day 10, and one open since 29 days.

    Of those that lasted longer, in January, all were won, on days 30, 50 and 70: the curve sits
    on 1/2 from day 10 to day 30, so 20 days are to be expected, where closed-only says 10.
    """
    older = [deal(key, "won", 0, days) for key, days in enumerate((10, 30, 50, 70))]
    younger = [deal(5, "won", 151, 161), deal(6, "open", 151)]
    found = journeys.closed_only_bias(
        journeys.incidence(company(*older, *younger, as_of=180), "2026")
    )
    assert found.frame.cohort.tolist() == ["2026"]
    found = journeys.closed_only_bias(
        journeys.incidence(company(*older, *younger, as_of=180), last(6, "2026-06"))
    )
    rows = found.frame.values.tolist()
    assert rows == [["2026-01", 4, 0.0, 40.0, 40.0, 1.0], ["2026-06", 2, 0.5, 10.0, 20.0, 2.0]]
    assert found.said == (
        "Mature until 2026-01: the last whole cohort of which 90\u202f% or more are decided. "
        "Of 2026-06, the deals won so far took 10 days; 20 days are to be expected."
    )


def test_where_months_are_alike_each_is_expected_to_take_equally_long():
    """Each month 10 deals are won, on days 10 to 100, and 10 are lost on day 50: median 55.

    On June 16 of June's only the first is won, and of April's those of days 10 to 70.
    """
    deals = [
        deal(f"{month}-{key}", outcome, opened, opened + days)
        if opened + days <= 166
        else deal(f"{month}-{key}", "open", opened)
        for month, opened in enumerate((0, 31, 59, 90, 120, 151))
        for key, (outcome, days) in enumerate(
            [*(("won", 10 * each) for each in range(1, 11)), *[("lost", 50)] * 10]
        )
    ]
    found = journeys.closed_only_bias(
        journeys.incidence(company(*deals, as_of=166), last(6, "2026-06"))
    ).frame
    assert found.expected.tolist() == [55] * 6
    assert found.closed_only.tolist() == [55, 55, 55, 40, 25, 10]
    assert found.times.iloc[-1] == 5.5


def test_cohorts_of_all_are_quarters():
    found = journeys.closed_only_bias(
        journeys.incidence(company(*FOUR, deal(5, "won", 100, 110), as_of=120), "all")
    )
    assert found.frame.cohort.tolist() == ["2026-Q1", "2026-Q2"]


def test_cohort_that_is_not_over_is_not_mature():
    found = journeys.closed_only_bias(
        journeys.incidence(company(deal(1, "won", 0, 3), as_of=10), "2026-01")
    )
    assert found.said.startswith("No whole cohort is mature")


@pytest.mark.parametrize(
    ("ws", "reason"),
    [
        (company(), "not available: needs opportunities.closed_at, opportunities.outcome"),
        (company(*FOUR, as_of=None), journeys.NO_LAST_DAY),
        (company(deal(1, "open", -400)), "no deals with a known length started in 2026"),
    ],
)
def test_what_cannot_be_followed_says_why(ws, reason):
    found = journeys.incidence(ws, "2026")
    assert found.missing_because.startswith(reason)
    assert reason in found.headline()
    assert found.chances.empty
    assert found.medians.empty
    assert found.matured.empty
    bias = journeys.closed_only_bias(journeys.incidence(ws, "2026"))
    assert reason in bias.said
    assert bias.frame.empty


def test_column_that_deals_lack_is_told():
    leads = [{"lead_id": "1", "created_at": after(0), "campaign": "spring"}]
    found = journeys.incidence(company(*FOUR, leads=leads), "2026", by="campaign")
    assert found.missing_because == "not available by campaign: a deal has no campaign"


def test_nothing_at_all_is_no_error(nothing):
    for follow in (journeys.incidence, journeys.conversion_by_age):
        assert follow(nothing, "2026").missing_because
    assert journeys.closed_only_bias(journeys.incidence(nothing, "all")).frame.empty
