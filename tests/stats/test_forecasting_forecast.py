from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from revops_kit.errors import RequestError, StatisticsError, UnknownNameError
from revops_kit.stats.forecasting import accuracy, coverage, forecast
from revops_kit.units import percent

SHARED = Path(__file__).resolve().parents[3] / "shared"
MONTHS = np.arange(48)
REGULAR = 100 + MONTHS + 10 * np.sin(2 * np.pi * MONTHS / 12) + np.random.default_rng(4).normal(
    0, 3, 48
)  # fmt: skip


def monthly(values, start="2022-01"):
    return pd.Series(values, index=pd.period_range(start, periods=len(values), freq="M"))


def many(**series):
    return pd.concat(
        pd.DataFrame({"series": name, "period": y.index, "value": y.to_numpy()})
        for name, y in series.items()
    )


@pytest.fixture(scope="module")
def made():
    return forecast(monthly(REGULAR), 12)


def test_air_passengers_are_forecast_better_than_by_the_year_before():
    path = SHARED / "data/air_passengers/AirPassengers.csv"
    if not path.exists():
        pytest.skip("the passengers of shared/data are not here")
    passengers = monthly(pd.read_csv(path)["#Passengers"].to_numpy(float), "1949-01")
    found = forecast(passengers[:-12], 12)
    measured = accuracy(passengers[-12:], found.frame["mean"], passengers[:-12])
    # FACTS.md: 9.9875 % for the year before.
    assert measured["mape"] < 0.05
    inside = coverage(passengers[-12:], found.frame["low_80"], found.frame["high_80"])
    assert 0.75 <= inside <= 1
    assert found.verdict.startswith("The combination beats the seasonal naive forecast by ")


def test_eight_in_ten_come_inside_their_intervals():
    chance = np.random.default_rng(8)
    n, series = 72, 120
    season = np.tile(chance.normal(0, 10, (12, series)), (6, 1))
    noise = chance.normal(0, 1, (n, series))
    kinds = [
        200 + season + 5 * noise,
        200 + season + np.cumsum(3 * noise, axis=0),
        np.exp(5 + season / 50 + 0.01 * np.arange(n)[:, None] + 0.1 * noise),
    ]
    y = np.hstack([kind[:, k::3] for k, kind in enumerate(kinds)])
    periods = pd.period_range("2020-01", periods=n, freq="M")
    wide = pd.DataFrame(y, index=periods)
    known = wide[:60].rename_axis("period").reset_index()
    known = known.melt("period", var_name="series", value_name="value")
    found = forecast(known, 12)
    coming = wide[60:].T.to_numpy().ravel()
    assert 0.76 <= coverage(coming, found.frame["low_80"], found.frame["high_80"]) <= 0.86
    assert 0.9 <= coverage(coming, found.frame["low_95"], found.frame["high_95"]) <= 0.99
    # What the backtest says of itself is what comes true.
    chosen = found.backtest[found.backtest["is_chosen"].astype(bool)]
    assert chosen["coverage_80"].mean() == pytest.approx(0.82, abs=0.05)


def test_many_are_forecast_as_each_would_be_alone(made):
    short, gaps = monthly(REGULAR[:18]), monthly(REGULAR).mask(MONTHS % 17 == 5)
    together = forecast(many(b=monthly(REGULAR), a=gaps, c=short), 12)
    frame = together.frame.set_index("series")
    assert frame.index.unique().tolist() == ["a", "b", "c"]
    numbers = ["mean", "low_80", "high_80", "low_95", "high_95"]
    assert frame.loc["b", numbers].to_numpy() == pytest.approx(made.frame[numbers].to_numpy())
    alone = forecast(gaps, 12).frame
    assert frame.loc["a", numbers].to_numpy() == pytest.approx(alone[numbers].to_numpy())
    assert together.model["b"] == made.model


def test_what_is_reported_can_be_worked_out_from_what_was_forecast_then(made):
    chosen = made.backtest[made.backtest["is_chosen"]].iloc[0]
    then = made.earlier
    measured = accuracy(then["actual"], then["mean"])
    assert chosen["wape"] == pytest.approx(measured["wape"])
    assert chosen["smape"] == pytest.approx(measured["smape"])
    assert chosen["coverage_80"] == pytest.approx(
        coverage(then["actual"], then["low_80"], then["high_80"])
    )
    assert chosen["origins"] == then["made_after"].nunique() == made.series["origins"].item()
    assert (then["made_after"] < then["period"]).all()
    known = REGULAR[: then["made_after"].min().ordinal - pd.Period("2022-01", "M").ordinal + 1]
    by_hand = accuracy(then["actual"], then["mean"], known)
    assert chosen["mase"] == pytest.approx(by_hand["mase"])


def test_naive_is_always_among_the_candidates(made):
    naive = made.backtest.set_index("model").loc["seasonal naive"]
    chosen = made.backtest[made.backtest["is_chosen"]].iloc[0]
    assert naive["is_naive"]
    better = 1 - chosen["mase"] / naive["mase"]
    assert made.series["better_than_naive"].item() == pytest.approx(better)
    assert f"beats the seasonal naive forecast by {percent(better)}" in made.verdict


def test_it_is_said_that_naive_is_not_beaten():
    season = np.random.default_rng(1).normal(100, 30, 12)
    found = forecast(monthly(np.tile(season, 5)), 12)
    assert found.frame["mean"].to_numpy() == pytest.approx(season)
    assert found.model == "seasonal naive"
    assert found.verdict.startswith("Nothing tried beats the seasonal naive forecast over ")


def test_intervals_nest_and_never_narrow(made):
    frame = made.frame
    for end in ("low", "high"):
        widths = (frame[f"{end}_80"] - frame["mean"]).abs()
        assert (np.diff(widths) >= -1e-9).all()
        assert ((frame[f"{end}_95"] - frame["mean"]).abs() > widths).all()


FALLBACKS = {
    "constant": np.full(30, 7.0),
    "last value (too few values: 1)": np.array([5.0]),
    "last value (too few values: 2)": np.array([5.0, 8]),
    "short history: combination": REGULAR[:20],
    "zero-heavy: combination": np.tile([0.0, 0, 5, 0, 8, 0, 0], 6),
    "mean (gappy: 16 values, less than half the periods)": np.where(MONTHS % 3, np.nan, REGULAR)[
        :46
    ],
    "ended: nothing came in the last 14 periods": np.r_[REGULAR[:34], np.zeros(14)],
    "trending to zero: combination, held at 0": np.r_[REGULAR[:42], np.zeros(6)],
    "combination (2 gaps filled)": np.where(np.isin(MONTHS, (8, 30)), np.nan, REGULAR),
}


@pytest.mark.parametrize("model", FALLBACKS)
def test_each_fallback_has_a_name(model):
    found = forecast(monthly(FALLBACKS[model]), 12)
    assert found.model == model
    assert found.frame["mean"].notna().all()
    assert not (found.frame.drop(columns=["series", "period"]) < 0).any(axis=None)


def test_a_few_values_are_spread_by_how_they_changed():
    frame = forecast(monthly([5.0, 8.0]), 4, levels=(80,)).frame
    assert frame["mean"].tolist() == [8, 8, 8, 8]
    # One change of 3, and Student's t with one degree of freedom: 3.078.
    assert frame["high_80"].to_numpy() == pytest.approx(8 + 3.0777 * 3 * np.sqrt([1, 2, 3, 4]),
                                                        rel=1e-4)  # fmt: skip
    assert forecast(monthly([5.0]), 1).frame[["low_80", "high_80"]].isna().all(axis=None)


def test_what_may_be_negative_stays_so():
    found = forecast(monthly(REGULAR - 140), 12)
    assert (found.frame["low_95"] < found.frame["mean"]).all()
    assert (found.frame["mean"].to_numpy()[-3:] < 40).all()
    loss = forecast(monthly(-REGULAR), 12).frame
    assert (loss["mean"] < 0).all()


def test_a_series_without_values_is_named_and_the_others_go_on():
    empty = monthly([np.nan] * 48)
    found = forecast(many(a=monthly(REGULAR), b=empty), 3)
    assert found.model["b"] == "none: there are no values"
    assert found.frame.set_index("series").loc["b", "mean"].isna().all()
    with pytest.raises(StatisticsError, match="no value to forecast from"):
        forecast(empty, 3)
    with pytest.raises(StatisticsError, match="finite"):
        forecast(monthly([1.0, np.inf]), 3)


def test_a_series_that_ends_early_is_forecast_from_its_own_end():
    late = forecast(many(a=monthly(REGULAR), b=monthly(REGULAR[:45])), 3).frame
    alone = forecast(monthly(REGULAR[:45]), 6).frame
    b = late[late["series"] == "b"]
    assert b["period"].tolist() == list(pd.period_range("2026-01", periods=3, freq="M"))
    assert b["mean"].to_numpy() == pytest.approx(alone["mean"].to_numpy()[3:])


@pytest.mark.parametrize(
    ("index", "coming"),
    [
        (pd.date_range("2022-01-01", periods=48, freq="MS"), pd.Timestamp("2026-01-01")),
        (pd.date_range("2022-01-31", periods=48, freq="ME"), pd.Timestamp("2026-01-31")),
        (pd.date_range("2025-01-06", periods=48, freq="W-MON"), pd.Timestamp("2025-12-08")),
        (pd.date_range("2022-01-01", periods=48, freq="D"), pd.Timestamp("2022-02-18")),
        (pd.period_range("2014Q1", periods=48, freq="Q"), pd.Period("2026Q1", "Q")),
        (pd.RangeIndex(48), 48),
        (pd.Index(range(1900, 1996, 2)), 1996),
    ],
)
def test_periods_go_on_as_they_were(index, coming):
    found = forecast(pd.Series(REGULAR, index=index), 2, season=4)
    assert found.frame["period"].iloc[0] == coming
    assert found.history["period"].tolist() == list(index)


def test_the_order_of_rows_does_not_matter_and_absent_periods_are_gaps(made):
    shuffled = monthly(REGULAR).sample(frac=1, random_state=3)
    assert forecast(shuffled, 12).frame["mean"].to_numpy() == pytest.approx(made.frame["mean"])
    found = forecast(monthly(REGULAR).drop(pd.Period("2024-03", "M")), 12)
    filled = found.history[found.history["is_filled"]]
    assert filled["period"].tolist() == [pd.Period("2024-03", "M")]
    # The season and the trend tell that March of the third year is about 135.
    assert filled["value"].item() == pytest.approx(135, abs=6)
    assert found.series[["known", "filled"]].to_numpy().tolist() == [[47, 1]]


def test_what_stands_out_is_marked_and_kept():
    y = REGULAR.copy()
    y[20] += 60
    history = forecast(monthly(y), 1).history
    assert history.loc[history["mark"] == "outlier", "period"].tolist() == [
        pd.Period("2023-09", "M")
    ]
    assert history["value"].tolist() == y.tolist()
    shifted = forecast(monthly(REGULAR + 80 * (MONTHS >= 24)), 1).history
    assert shifted.loc[shifted["mark"] == "level shift", "period"].tolist() == [
        pd.Period("2024-01", "M")
    ]


@pytest.mark.filterwarnings("ignore")
def test_statsmodels_gives_further_candidates_when_asked():
    quarters = pd.Series(REGULAR[:16], index=pd.period_range("2018Q1", periods=16, freq="Q"))
    found = forecast(quarters, 4, 4, origins=1, also=["unobserved components"])
    assert "unobserved components" in found.backtest["model"].tolist()
    with pytest.raises(UnknownNameError, match="sarimax"):
        forecast(quarters, 4, 4, also=["sarima"])


@pytest.mark.parametrize(
    "ask",
    [
        lambda y: forecast(y, 0),
        lambda y: forecast(y, 3, season=0),
        lambda y: forecast(y, 3, origins=0),
        lambda y: forecast(y, 3, levels=(80, 100)),
        lambda y: forecast(y.rename({y.index[1]: y.index[0]}), 3),
        lambda y: forecast(y.set_axis([f"month {k}" for k in range(48)]), 3),
        lambda y: forecast(y.rename("value").reset_index(), 3),
    ],
)
def test_what_makes_no_sense_is_refused(ask):
    with pytest.raises(RequestError):
        ask(monthly(REGULAR))


values = st.one_of(st.just(np.nan), st.just(0.0), st.floats(-1e6, 1e6, width=32))


@settings(max_examples=40, deadline=None)
@given(st.lists(values, max_size=40), st.sampled_from([1, 4, 12]))
def test_any_series_has_a_forecast_or_a_reason(history, season):
    y = monthly(history)
    if y.isna().all():
        with pytest.raises(StatisticsError):
            forecast(y, 5, season)
        return
    found = forecast(y, 5, season)
    frame = found.frame
    assert len(frame) == 5
    assert np.isfinite(frame["mean"]).all()
    known = frame["low_80"].notna()
    assert (frame["low_95"] <= frame["low_80"])[known].all()
    assert (frame["low_80"] <= frame["mean"])[known].all()
    assert (frame["mean"] <= frame["high_80"])[known].all()
    if np.nanmin(history) >= 0:
        assert (frame["mean"] >= 0).all()


def test_one_of_many_is_forecast_as_it_is_alone(made):
    both = forecast(many(sales=monthly(REGULAR), flat=monthly(np.full(48, 5.0))), 12)
    own = both.of("sales")
    assert (own.model, own.verdict) == (made.model, made.verdict)
    assert own.frame["mean"].tolist() == pytest.approx(made.frame["mean"].tolist())
    assert (both.of("flat").frame["mean"] == 5).all()
