"""What must hold whatever the data: for companies made of chance."""

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import revops_kit as rk
from revops_kit import drivers, journeys, samples

seeds = st.integers(0, 2**32)
PERIODS = rk.last(3, "2026-08")


@settings(max_examples=3)
@given(seeds)
def test_gross_retention_is_at_most_one_and_at_most_net(ws_by_chance, seed):
    ws = ws_by_chance(seed)
    gross = rk.kpis.gross_revenue_retention.over(ws, PERIODS).frame.value
    net = rk.kpis.net_revenue_retention.over(ws, PERIODS).frame.value
    lost = rk.kpis.revenue_churn.over(ws, PERIODS).frame.value
    assert (gross.dropna() <= 1 + 1e-12).all()
    assert (gross.dropna() <= net.dropna() + 1e-12).all()
    pd.testing.assert_series_equal(1 - gross, lost, check_names=False)


@settings(max_examples=3)
@given(seeds)
def test_cohorts_start_whole_and_only_shrink(ws_by_chance, seed):
    table = drivers.retention(ws_by_chance(seed), "2026-09")
    assert (table[0] == 1).all()
    assert (table.diff(axis=1).iloc[:, 1:].fillna(0) <= 0).all().all()


@settings(max_examples=3)
@given(seeds)
def test_incidences_rise_and_add_up_to_one_at_most(ws_by_chance, seed):
    curves = journeys.incidence(ws_by_chance(seed), rk.last(12, "2026-09")).whole
    frames = {event: curve.frame.set_index("day").estimate for event, curve in curves.items()}
    both = pd.DataFrame(frames).ffill().fillna(0)
    assert (both.diff().dropna() >= -1e-12).all().all()
    assert (both.sum(axis=1) <= 1 + 1e-12).all()


@settings(max_examples=3)
@given(seeds)
def test_parts_of_a_table_add_up_to_the_table(rows_by_chance, seed):
    payments = rows_by_chance(seed)["payments"]
    halves = [payments.iloc[::2], payments.iloc[1::2]]
    whole, first, second = (
        rk.kpis.payments.over(samples.workspace({"payments": rows}, as_of="2026-09-30"), PERIODS)
        for rows in (payments, *halves)
    )
    added = first.frame.value.fillna(0) + second.frame.value.fillna(0)
    assert whole.frame.value.tolist() == pytest.approx(added.tolist())
