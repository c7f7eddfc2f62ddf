"""Time in stage and the way from stage to stage, by hand."""

import pandas as pd
import pytest

from revops_kit import samples, stages


def history(*changes):
    """Changes as (deal, day of January, stage)."""
    return [
        {"opportunity_id": key, "changed_at": f"2026-01-{day:02}", "stage": stage}
        for key, day, stage in changes
    ]


def deal(key, outcome, closed=None):
    when = closed and f"2026-01-{closed:02}"
    return {"opportunity_id": key, "outcome": outcome, "closed_at": when}


def company(deals, changes, as_of="2026-02-10"):
    return samples.workspace({"opportunities": deals, "stage_changes": changes}, as_of=as_of)


FOUR = company(
    [deal("1", "won", 30), deal("2", "open"), deal("3", "lost", 18), deal("4", "won", 20)],
    history(
        # In qualify 10 days and 5, in propose 4 and 10; went back once, and skipped close.
        ("1", 1, "qualify"),
        ("1", 11, "propose"),
        ("1", 15, "qualify"),
        ("1", 20, "propose"),
        # In qualify 20 days, in close since 20; skipped propose.
        ("2", 1, "qualify"),
        ("2", 21, "close"),
        # 7 days and 10, and lost.
        ("3", 1, "qualify"),
        ("3", 8, "propose"),
        # 5 days, 6 and 8.
        ("4", 1, "qualify"),
        ("4", 6, "propose"),
        ("4", 12, "close"),
        ("4", 20, "Closed Won"),
    ),
)


def test_spells_in_a_stage_are_summed_and_open_ones_censored():
    found = stages.time_in_stage(FOUR, "2026")
    assert found.frame.stage.tolist() == ["qualify", "propose", "close"]
    assert found.frame.deals.tolist() == [4, 3, 2]
    assert found.frame.still_there.tolist() == [0, 0, 1]
    # 5, 7, 15 and 20; 6, 10 and 14; 8, and more than 20.
    assert found.frame.median_days.tolist() == [11, 10, 8]
    assert "Closed Won" in found.explain()


def test_skipped_stages_are_filled_and_moves_back_count_once():
    found = stages.stage_conversion(FOUR, "2026").frame
    assert found.entered.tolist() == [4, 4, 3]
    assert found.went_on.tolist() == [4, 3, 2]
    assert found.lost.tolist() == [0, 1, 0]
    assert found.open.tolist() == [0, 0, 1]
    assert found.share.tolist() == [1, 3 / 4, 2 / 3]


def test_window_is_where_the_history_begins():
    assert stages.stage_conversion(FOUR, "2026-02").frame.empty
    assert len(stages.stage_conversion(FOUR, "2026-01").frame) == 3


def test_stage_that_repeats_with_another_amount_is_one_spell():
    ws = company([deal("1", "lost", 21)], history(("1", 1, "A"), ("1", 5, "A"), ("1", 11, "B")))
    assert stages.time_in_stage(ws, "all").frame.median_days.tolist() == [10, 10]


def test_what_is_written_after_the_close_takes_no_days():
    ws = company([deal("1", "won", 11)], history(("1", 1, "A"), ("1", 25, "A")))
    assert stages.time_in_stage(ws, "all").frame.median_days.tolist() == [10]


def test_stages_that_never_meet_are_sorted_by_name():
    ws = company([deal("1", "open"), deal("2", "open")], history(("1", 1, "B"), ("2", 1, "A")))
    assert stages.time_in_stage(ws, "all").frame.stage.tolist() == ["A", "B"]


def test_more_deals_decide_the_order_than_go_against_it():
    changes = [("1", 1, "Z"), ("1", 2, "Y"), ("2", 1, "Z"), ("2", 2, "Y"), ("3", 1, "Y")]
    ws = company([deal(key, "open") for key in "123"], history(*changes, ("3", 2, "Z")))
    assert stages.stage_conversion(ws, "all").frame.stage.tolist() == ["Z", "Y"]


def test_what_says_nothing_is_left_out_and_counted():
    deals = [deal("1", "lost", 9), deal("2", "open"), deal("4", "won")]
    changes = history(("1", 1, "A"), ("1", 3, None), ("3", 1, "A"), ("4", 1, "A"))
    found = stages.time_in_stage(company(deals, changes), "all")
    assert found.frame.median_days.tolist() == [8]
    assert [note.split(":")[0] for note in found.notes] == [
        "1 change without a stage",
        "1 change of no known deal",
        "1 deal without stages in the history",
        "Deals whose stage history begins in the window, up to 2026-02-10.",
        "1 stay of no known length, as the deal was decided without a date",
    ]


def test_entered_is_gone_on_lost_or_open(ws):
    found = stages.stage_conversion(ws, "all").frame
    assert len(found) >= 3
    assert (found.entered == found.went_on + found.lost + found.open).all()
    assert (found.entered[1:].to_numpy() == found.went_on[:-1].to_numpy()).all()
    assert found.share.between(found.low, found.high).all()


def test_order_of_rows_does_not_matter(by_chance):
    mixed = {name: frame.sample(frac=1, random_state=1) for name, frame in by_chance.frames.items()}
    ws, other = (samples.workspace(each, as_of="2026-09-30") for each in (by_chance.frames, mixed))
    for count in (stages.time_in_stage, stages.stage_conversion):
        pd.testing.assert_frame_equal(count(ws, "all").frame, count(other, "all").frame)


def test_sample_company_works_in_its_own_order(sample_ws):
    found = stages.stage_conversion(sample_ws, "all").frame
    assert found.stage.tolist() == ["Qualified", "Demo", "Proposal", "Negotiation"]


@pytest.mark.parametrize("count", [stages.time_in_stage, stages.stage_conversion])
def test_what_is_missing_is_named(count, nothing):
    lacking = samples.workspace({"opportunities": [deal("1", "open")]}, as_of="2026-02-10")
    assert "needs stage_changes.opportunity_id" in count(lacking, "all").said
    assert count(lacking, "all").frame.empty
    assert count(nothing, "2026").frame.empty
    endless = company([deal("1", "open")], history(("1", 1, "A")), as_of=None)
    assert "no last day is known" in count(endless, "all").said
