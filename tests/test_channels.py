import pandas as pd
import pytest

import revops_kit as rk
from revops_kit import kpis
from revops_kit.channels import MODELS, attribution_table, channel_table, paths
from revops_kit.noted import note
from revops_kit.samples import workspace
from revops_kit.stats.attribution import NO_TOUCH
from revops_kit.tables import BLANK

LEADS = pd.DataFrame(
    [
        # key, created, converted
        ("a", "2026-08-01", "2026-08-20"),
        ("b", "2026-08-02", None),
        ("c", "2026-08-03", None),
        ("d", "2026-08-04", "2026-08-30"),
        ("old", "2026-07-31", "2026-08-05"),
    ],
    columns=["lead_id", "created_at", "converted_at"],
)
TOUCHES = pd.DataFrame(
    [
        ("1", "a", "2026-07-20", "ad"),
        ("2", "a", "2026-08-01 14:00", "mail"),
        ("3", "a", "2026-08-10", "fair"),
        ("4", "a", "2026-08-21", "mail"),
        ("5", "b", "2026-08-02", "ad"),
        ("6", "b", "2026-08-09", ""),
        ("7", "c", "2026-08-03", "ad"),
        ("8", "old", "2026-08-01", "fair"),
        ("9", "who", "2026-08-01", "fair"),
        ("10", None, "2026-08-01", "fair"),
    ],
    columns=["touch_id", "lead_id", "touched_at", "channel"],
)
DEALS = pd.DataFrame(
    [
        ("1", "a", "won", "2026-08-10", "2026-08-25"),
        ("2", "b", "won", "2026-08-03", "2026-09-09"),
        ("3", "c", "lost", "2026-08-05", "2026-09-01"),
    ],
    columns=["opportunity_id", "lead_id", "outcome", "opened_at", "closed_at"],
)
ROWS = {"leads": LEADS, "touches": TOUCHES, "opportunities": DEALS}


def august(rows=ROWS, as_of="2026-09-30"):
    return workspace(rows, as_of=as_of)


def win(key, source):
    return {"opportunity_id": key, "outcome": "won", "closed_at": "2026-09-10", "source": source}


def spent(amount, channel):
    return {"spent_on": "2026-09-03", "amount": amount, "channel": channel}


def test_channels_without_customers_are_undefined_and_without_spend_unpaid():
    spend = [spent(6_000, "fair"), spent(500, "ad"), spent(40, None)]
    deals = [win("1", "ad"), win("2", "ad"), win("3", "friend")]
    found = channel_table(workspace({"spend": spend, "opportunities": deals}), "2026-09")
    assert found.channel.tolist() == ["fair", "ad", BLANK, "friend"]
    assert found.spend.tolist() == [6_000, 500, 40, 0]
    assert found.customers.tolist() == [0, 2, 0, 1]
    assert found.cac.fillna(-1).tolist() == [-1, 250, -1, 0]
    assert found.note[0].startswith("undefined: money was spent")
    assert found.note[3] == "unpaid"


def test_channels_add_up_to_the_whole(ws):
    whole, parts = kpis.cac(ws, "2026-Q3"), channel_table(ws, "2026-Q3")
    assert parts.spend.sum() == pytest.approx(whole.frame.numerator[0])
    assert parts.customers.sum() == whole.n


def test_path_ends_with_the_conversion_and_keeps_its_milestones():
    found = paths(august(), "2026-08").set_index("path")
    # Marketing calls a converted on the 20th, before the deal is won and mail comes once more.
    path = found.loc[[("ad", "mail", "fair")]].iloc[0]
    assert path.days == (31, 19, 10)
    assert path.milestones == (2, 3)  # created on 1 August, deal opened on the 10th
    assert (path.conversions, path.nulls) == (1, 0)


def test_lead_converts_with_its_first_deal_won_where_marketing_does_not_say():
    found = paths(august(), "2026-08").set_index("path").loc[[("ad", BLANK)]].iloc[0]
    assert found.conversions == 1
    assert found.days == (38, 31)
    assert found.milestones == (1, 1)


def test_leads_without_touches_and_without_conversion_are_there():
    found = paths(august(), "2026-08").set_index("path")
    assert found.loc[[()]].conversions.tolist() == [1]
    assert found.loc[[("ad",)]].nulls.tolist() == [1]
    assert found.conversions.sum() + found.nulls.sum() == 4  # not the lead of July


def test_what_is_left_out_is_counted():
    assert note(paths(august(), "2026-08")) == (
        "1 touch after the conversion, left out. "
        "2 touches of the periods with no lead known, left out."
    )


def test_nothing_is_known_before_it_happened():
    found = paths(august(as_of="2026-08-19"), "2026-08")
    assert found.conversions.sum() == 0
    assert found.nulls.sum() == 4


def test_conversion_on_an_unknown_day_counts_all_touches_from_the_last():
    deals = DEALS.assign(closed_at=None)
    found = paths(august(ROWS | {"opportunities": deals}), "2026-08")
    assert found.set_index("path").loc[[("ad", BLANK)]].iloc[0].days == (7, 0)
    assert "1 lead converted on an unknown day: all touches count." in note(found)


def test_credits_by_hand():
    found = attribution_table(august(), "2026-08").set_index("channel")
    # Converting paths: ad > mail > fair, ad > (blank), and one without a touch.
    assert found["first"].to_dict() == {"ad": 2, "fair": 0, "mail": 0, BLANK: 0, NO_TOUCH: 1}
    assert found["last"].to_dict() == {"ad": 0, "fair": 1, "mail": 0, BLANK: 1, NO_TOUCH: 1}
    assert found.linear["ad"] == pytest.approx(1 / 3 + 1 / 2)
    assert found.u.to_dict() == pytest.approx(
        {"ad": 0.4 + 0.5, "fair": 0.4, "mail": 0.2, BLANK: 0.5, NO_TOUCH: 1}
    )
    # The first path has a peak on each touch; of the second, ad is first and both milestones.
    assert found.w["ad"] == pytest.approx(1 / 3 + 0.9)
    assert found.time_decay["ad"] == pytest.approx(
        2 ** (-21 / 7) / (2 ** (-21 / 7) + 2 ** (-9 / 7) + 1) + 1 / 3
    )


def test_every_model_credits_every_conversion(sample_ws):
    periods = rk.last(6, "2026-09")
    found = attribution_table(sample_ws, periods)
    leads = kpis.conversion_rate.over(sample_ws, periods)
    assert found.channel.iloc[-1] == NO_TOUCH
    for model in MODELS:
        assert found[model].sum() == pytest.approx(leads.frame.numerator.sum())
    journeys = paths(sample_ws, periods)
    assert journeys.conversions.sum() + journeys.nulls.sum() == leads.frame.denominator.sum()


def test_model_that_cannot_be_had_says_why():
    found = attribution_table(august({"leads": LEADS, "touches": TOUCHES}), "2026-08")
    assert found.w.isna().all()
    assert found.markov.sum() == pytest.approx(2)
    assert "W is not available: needs opportunities.lead_id, opportunities.opened_at." in (
        note(found)
    )


def test_no_conversions_are_no_credits():
    found = attribution_table(august(as_of="2026-08-19"), "2026-08")
    assert (found[list(MODELS)] == 0).all(axis=None)
    assert "None of these leads has become a customer yet." in note(found)


def test_leads_none_of_whom_was_touched():
    found = attribution_table(august(ROWS | {"touches": TOUCHES.head(0)}), "2026-08")
    assert found.channel.tolist() == [NO_TOUCH]
    assert found["first"].tolist() == [3]


@pytest.mark.parametrize("rows", [{}, {"leads": LEADS}, {"opportunities": DEALS}])
def test_what_is_not_available_says_what_it_needs(rows):
    ws = workspace(rows)
    for found in (paths(ws, "2026-08"), attribution_table(ws, "all"), channel_table(ws, "all")):
        assert found.empty
        assert note(found).startswith("Not available: ")


def test_nothing_to_count_says_so(nothing):
    for found in (paths(nothing, "all"), attribution_table(nothing, "2026-08")):
        assert found.empty
        assert note(found) == "No leads were created."
    assert note(channel_table(nothing, "2026-08"))


def test_order_of_rows_does_not_matter():
    turned = august({name: frame.iloc[::-1] for name, frame in ROWS.items()})
    given, same = attribution_table(august(), "2026-08"), attribution_table(turned, "2026-08")
    pd.testing.assert_frame_equal(given, same)
