import json
from itertools import pairwise, permutations
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from revops_kit.errors import StatisticsError, UnknownNameError
from revops_kit.stats.attribution import MODELS, NO_TOUCH, credit, removal_effects

ORACLE = Path(__file__).resolve().parents[3] / "shared/oracles/attribution"
SHAPES = [model for model in MODELS if model not in ("w", "time_decay")]  # need no more than paths
TOY = pd.DataFrame({"path": ["C1 > C2 > C3", "C1", "C2 > C3"], "conversions": [1, 0, 0]})


def table(*rows, **columns):
    """Paths from rows of channels and conversions."""
    listed = [channels.split() for channels, _ in rows]
    return pd.DataFrame({"path": listed, "conversions": [n for _, n in rows], **columns})


@st.composite
def journeys(draw, smallest=0):
    """Paths with all that any model asks for."""
    rows = []
    for _ in range(draw(st.integers(1, 8))):
        path = draw(st.lists(st.sampled_from("abcd"), min_size=smallest, max_size=6))
        days = draw(st.lists(st.integers(0, 60), min_size=len(path), max_size=len(path)))
        places = st.none() | st.integers(1, len(path)) if path else st.none()
        converted = draw(st.integers(0, 5))
        rows.append(
            {
                "path": path,
                "conversions": converted,
                "value": draw(st.integers(0, 1000)) if converted else 0,
                "nulls": draw(st.integers(0, 5)),
                "days": sorted(days, reverse=True),
                "milestones": (draw(places), draw(places)),
            }
        )
    return pd.DataFrame(rows)


models = st.sampled_from(MODELS)


def oracle():
    if not ORACLE.exists():
        pytest.skip("the published tables of shared/oracles are not here")
    published = json.loads((ORACLE / "expected.json").read_text())["checks"]
    return {name: pytest.approx(of["expected"], abs=of["tol"]) for name, of in published.items()}


def test_ten_thousand_paths_are_credited_as_published():
    expected = oracle()
    paths = pd.read_csv(ORACLE / "PathData.csv.gz")
    paths.columns = ["path", "conversions", "value", "nulls"]
    for model in SHAPES:
        assert credit(paths, model).sum() == expected["PathData total"]
    assert credit(paths, "first")["alpha"] == expected["PathData first alpha"]
    assert credit(paths, "last")["alpha"] == expected["PathData last alpha"]
    linear, markov = credit(paths, "linear"), credit(paths, "markov")
    assert linear["alpha"] == expected["PathData linear alpha"]
    assert linear["theta"] == expected["PathData linear theta"]
    assert markov["alpha"] == expected["PathData markov alpha (exact chain)"]
    assert markov["iota"] == expected["PathData markov iota (exact chain)"]


def test_published_small_examples_come_out():
    expected = oracle()
    for channel in ("C1", "C2", "C3"):
        assert removal_effects(TOY)[channel] == expected[f"toy RE {channel}"]
        assert credit(TOY, "markov")[channel] == expected[f"toy {channel}"]
    # pychattr's README; it simulates
    ab = table(("A B A B B A", 1), ("A B B A A", 1), ("A A", 1))
    assert credit(ab, "markov")["A"] == expected["AB markov A"]
    assert credit(ab, "markov")["B"] == expected["AB markov B"]
    five = table(("a b c d e", 1), milestones=[(2, 4)])
    assert credit(five, "u")["c"] == expected["U 5 touches"]
    assert credit(five, "w")["c"] == expected["W lead/opp at 2,4 middle"]
    weeks = table(("a b c", 1), days=[[14, 7, 0]])
    assert credit(weeks, "time_decay")["a"] == expected["decay half-life 7d, 14d before"]


def test_shapley_is_the_published_value_of_a_game():
    expected = oracle()
    worth = {
        frozenset(coalition.split("+")) - {""}: conversions
        for coalition, conversions in json.loads((ORACLE / "coalitions.json").read_text()).items()
    }
    # A set of channels wins what came along paths within it: so many came along each path.
    along = {}
    for coalition in sorted(worth, key=len):
        along[coalition] = worth[coalition] - sum(n for s, n in along.items() if s < coalition)
    paths = table(*((" ".join(coalition), n) for coalition, n in along.items() if coalition))
    found = credit(paths, "shapley")
    assert found.sum() == 30
    for channel in "ABC":
        assert found[channel] == expected[f"shapley {channel}"]


@given(journeys())
def test_shapley_is_the_mean_contribution_over_all_orders(paths):
    sets = [set(path) for path in paths["path"]]

    def won_within(channels):
        return sum(n for s, n in zip(sets, paths["conversions"], strict=True) if s <= channels)

    orders = list(permutations("abcd"))
    for channel, found in credit(paths, "shapley").drop(NO_TOUCH, errors="ignore").items():
        before = [set(order[: order.index(channel)]) for order in orders]
        added = [won_within(channels | {channel}) - won_within(channels) for channels in before]
        assert found == pytest.approx(sum(added) / len(orders))


def test_rules_divide_a_path_as_their_names_say():
    # Four touches of 60 conversions; search is both the first and the third.
    paths = table(("search mail search event", 60))
    assert credit(paths, "first").to_dict() == {"event": 0, "mail": 0, "search": 60}
    assert credit(paths, "last").to_dict() == {"event": 60, "mail": 0, "search": 0}
    assert credit(paths, "linear").to_dict() == {"event": 15, "mail": 15, "search": 30}
    assert credit(paths, "u").to_dict() == pytest.approx({"event": 24, "mail": 6, "search": 30})
    assert credit(paths, "shapley").to_dict() == pytest.approx(
        {"event": 20, "mail": 20, "search": 20}
    )


def test_u_gives_two_touches_half_each():
    assert credit(table(("a b", 10)), "u").to_dict() == {"a": 5, "b": 5}


@pytest.mark.parametrize(
    ("path", "milestones", "shares"),
    [
        ("a b c d e f", (2, 4), {"a": 0.3, "b": 0.3, "d": 0.3, "c": 1 / 30, "e": 1 / 30}),
        ("a b c", (2, 3), {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}),  # no others
        ("a b c", (1, 3), {"a": 0.6, "b": 0.1, "c": 0.3}),  # the first touch made the lead
        ("a b", (1, 2), {"a": 2 / 3, "b": 1 / 3}),
        ("a b", (1, 1), {"a": 0.9, "b": 0.1}),
        ("a b c", (2, None), {"a": 3 / 7, "b": 3 / 7, "c": 1 / 7}),  # no opportunity
    ],
)
def test_w_follows_the_milestones(path, milestones, shares):
    found = credit(table((path, 1), milestones=[milestones]), "w")
    assert {channel: found[channel] for channel in shares} == pytest.approx(shares)


def test_credit_halves_every_seven_days():
    paths = table(("a b c", 7), days=[[17, 10, 3]])
    assert credit(paths, "time_decay").to_dict() == pytest.approx({"a": 1, "b": 2, "c": 4})


def test_touches_of_long_ago_still_share_what_they_won():
    paths = table(("a b", 3), days=[[40_007, 40_000]])
    assert credit(paths, "time_decay").to_dict() == pytest.approx({"a": 1, "b": 2})


def test_markov_counts_journeys_that_came_to_nothing():
    # Bryl's toy: a third converts; without C1 half of that, without C2 or C3 nothing. Twice all.
    paths = TOY.assign(conversions=[2, 0, 0], nulls=[0, 2, 2])
    assert credit(paths, "markov").to_dict() == pytest.approx({"C1": 0.4, "C2": 0.8, "C3": 0.8})
    # All start at C1 and all convert, half of them there, half by way of C2 and C3.
    without = table(("C1 C2 C3", 1), ("C1", 1))
    assert removal_effects(without).to_dict() == pytest.approx({"C1": 1, "C2": 0.5, "C3": 0.5})


@given(journeys(smallest=1))
def test_removal_effects_are_those_of_chains_with_the_channel_cut_out(paths):
    found = removal_effects(paths)
    channels = list(found.index)
    place = {channel: number for number, channel in enumerate(channels, start=1)}
    counts = np.zeros((len(channels) + 1, len(channels) + 1))  # from the start (0) and each channel
    won = np.zeros(len(channels) + 1)
    for row in paths.itertuples():
        states = [0, *(place[channel] for channel in row.path)]
        for here, there in pairwise(states):
            counts[here, there] += row.conversions + row.nulls
        counts[states[-1], 0] += row.nulls  # nobody comes back to the start: nothing
        won[states[-1]] += row.conversions
    leaving = np.maximum(counts.sum(axis=1) + won, 1e-300)

    def chance(cut=None):
        onward = counts / leaving[:, None]
        onward[:, 0] = 0
        next_won = won / leaving
        if cut:
            onward[cut], next_won[cut] = 0, 0
        return np.linalg.solve(np.eye(len(onward)) - onward, next_won)[0]

    if paths["conversions"].sum() == 0:
        assert found.isna().all()
    else:
        whole = chance()
        effects = [1 - chance(place[channel]) / whole for channel in channels]
        assert found.tolist() == pytest.approx(effects, abs=1e-9)


@given(journeys(), models, st.sampled_from(["conversions", "value"]))
def test_credits_are_never_negative_and_sum_to_the_total(paths, model, of):
    found = credit(paths, model, of)
    assert (found >= 0).all()
    assert found.sum() == pytest.approx(paths[of].sum())
    assert (found.name, found.index.name) == (of, "channel")
    empty = paths["path"].str.len() == 0
    assert found.get(NO_TOUCH, 0) == paths[of][empty].sum()


@given(journeys(), models, st.randoms())
def test_the_order_of_rows_does_not_matter(paths, model, random):
    order = random.sample(range(len(paths)), len(paths))
    pd.testing.assert_series_equal(credit(paths.iloc[order], model), credit(paths, model))


@given(journeys(), models)
def test_a_row_split_in_two_changes_nothing(paths, model):
    counted = ["conversions", "value", "nulls"]
    part = paths.assign(**{name: paths[name] * 0.25 for name in counted})
    rest = paths.assign(**{name: paths[name] * 0.75 for name in counted})
    pd.testing.assert_series_equal(credit(pd.concat([part, rest]), model), credit(paths, model))


@given(journeys(), models)
def test_text_and_lists_are_read_alike_and_left_alone(paths, model):
    text = paths.assign(path=paths["path"].map(" > ".join))
    before = text.copy(deep=True)
    pd.testing.assert_series_equal(credit(text, model), credit(paths, model))
    pd.testing.assert_frame_equal(text, before)


@given(journeys(smallest=1), models)
def test_models_agree_where_each_path_has_one_channel(paths, model):
    alone = paths.assign(path=[[path[0]] * len(path) for path in paths["path"]])
    expected = alone["conversions"].groupby(alone["path"].str[0]).sum()
    assert credit(alone, model).to_dict() == pytest.approx(expected.to_dict())


@given(journeys(), models.filter(lambda model: model != "markov"))
def test_a_channel_that_was_on_no_won_path_gets_nothing_by_rule(paths, model):
    lost = pd.DataFrame({"path": [["lost", "a"]], "conversions": [0], "value": [0], "nulls": [3]})
    assert credit(pd.concat([paths, lost]), model)["lost"] == 0


def test_paths_without_touches_form_their_own_bucket():
    paths = pd.DataFrame(
        {"path": ["a > b", "", None, [], "a"], "conversions": [4, 1, 2, 3, 0], "nulls": [1] * 5}
    )
    for model in SHAPES:
        found = credit(paths, model)
        assert found[NO_TOUCH] == 6
        assert found.drop(NO_TOUCH).sum() == pytest.approx(4)


def test_a_source_that_writes_no_touch_itself_shares_the_bucket():
    paths = pd.DataFrame({"path": [NO_TOUCH, "", "a"], "conversions": [1, 2, 4]})
    assert credit(paths, "last").to_dict() == {NO_TOUCH: 3, "a": 4}


def test_blank_channels_stay_visible():
    paths = pd.DataFrame({"path": [["a", None], "a> > b"], "conversions": [2, 3]})
    assert credit(paths, "linear").to_dict() == {"": 2, "a": 2, "b": 1}


def test_value_goes_where_the_path_says():
    paths = table(("a b", 1), ("b", 3), value=[500.0, 60.0])
    assert credit(paths, "last", of="value").to_dict() == {"a": 0, "b": 560}
    assert credit(paths, "linear", of="value").to_dict() == {"a": 250, "b": 310}


def test_nothing_won_gives_nothing():
    for model in SHAPES:
        assert credit(table(("a b", 0)), model).to_dict() == {"a": 0, "b": 0}
        assert credit(table(), model).empty


def test_models_are_found_however_they_are_written():
    for written in ("U", "Markov", "Time decay"):
        paths = table(("a b", 1), days=[[3, 3]])
        assert credit(paths, written).to_dict() == pytest.approx({"a": 0.5, "b": 0.5})


def test_unknown_models_and_totals_are_told():
    with pytest.raises(UnknownNameError, match="Did you mean 'linear'"):
        credit(TOY, "lineal")
    with pytest.raises(UnknownNameError, match="Known: conversions, value"):
        credit(TOY, "first", of="revenue")


@pytest.mark.parametrize(
    ("model", "columns", "reason"),
    [
        ("time_decay", {}, "without the column `days`"),
        ("w", {}, "without the column `milestones`"),
        ("time_decay", {"days": [[1]]}, "has its days for each touch"),
        ("time_decay", {"days": [None]}, "has its days for each touch"),
        ("time_decay", {"days": [[3, -1]]}, "known, and 0 or more"),
        ("time_decay", {"days": [[3, None]]}, "known, and 0 or more"),
        ("time_decay", {"days": [[3, 5]]}, "fall along the path"),
        ("w", {"milestones": [None]}, "a pair for each path"),
        ("w", {"milestones": [(1, 2, 2)]}, "a pair for each path"),
        ("w", {"milestones": [(0, 1)]}, "the number of a touch"),
        ("w", {"milestones": [(1, 3)]}, "the number of a touch"),
        ("w", {"milestones": [(1, 1.5)]}, "the number of a touch"),
        ("first", {"conversions": [-1]}, "`conversions` are known, and 0 or more"),
        ("first", {"conversions": [np.nan]}, "`conversions` are known, and 0 or more"),
        ("markov", {"nulls": [-1]}, "`nulls` are known, and 0 or more"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(model, columns, reason):
    paths = pd.DataFrame({"path": [["a", "b"]], "conversions": [1]}).assign(**columns)
    with pytest.raises(StatisticsError, match=reason):
        credit(paths, model)


def test_a_value_without_conversions_is_refused():
    with pytest.raises(StatisticsError, match="only paths with conversions have a value"):
        credit(table(("a", 0), value=[10]), "first", of="value")
