"""What holds for every KPI, asked of a company made by chance and of the sample company."""

import datetime as dt
import json
from dataclasses import replace

import ibis
import numpy as np
import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from revops_kit import kpis, samples
from revops_kit.contracts import contract
from revops_kit.errors import RequestError, UnknownNameError
from revops_kit.kpis import ALL, bookings, churn, conversion_rate, spend, win_rate
from revops_kit.periods import last
from revops_kit.tables import BLANK, SEGMENT

AS_OF = dt.date(2026, 9, 30)
MONTHS = last(3, "2026-10")  # two that are over, and one to come


@pytest.fixture(scope="module", params=ALL, ids=lambda kpi: kpi.name)
def kpi(request):
    """Each KPI in turn: all that is asked of one follows on itself, and is counted once."""
    return request.param


@pytest.fixture(scope="module")
def count():
    """Count a KPI, once only."""
    kept = {}

    def count(kpi, ws, periods=MONTHS, by=""):
        key = (kpi.name, id(ws), periods.text, periods.count, by)
        if key not in kept:
            kept[key] = kpi.over(ws, periods, by=by)
        return kept[key]

    return count


@pytest.fixture(scope="module")
def shuffled(by_chance):
    """The same rows in another order, where DuckDB writes down what it is asked."""
    ws = samples.workspace(
        {
            name: frame.sample(frac=1, random_state=1, ignore_index=True)
            for name, frame in by_chance.frames.items()
        },
        as_of=AS_OF,
    )
    ws.tables.leads.get_backend().raw_sql("CALL enable_logging('QueryLog')")
    return ws


@pytest.fixture(scope="module")
def by_chance_later(by_chance):
    """The same company three months on, looked at from where it was."""
    return samples.workspace(later(by_chance.frames), as_of=AS_OF)


def assert_same(found, expected):
    assert found.missing_because == expected.missing_because
    assert_frame_equal(found.frame, expected.frame, rtol=1e-6)


def asked(ws):
    """The statements that read rows of the tables."""
    log = "SELECT message FROM duckdb_logs WHERE type = 'QueryLog'"
    said = [line for (line,) in ws.tables.leads.get_backend().raw_sql(log).fetchall()]
    return [
        line for line in said if "sample_" in line and line.lstrip().startswith(("SEL", "WITH"))
    ]


# --- what goes in -------------------------------------------------------------------------------
def test_order_of_rows_does_not_matter_and_a_trend_by_segment_is_one_query(
    kpi, by_chance_ws, shuffled, count
):
    before = len(asked(shuffled))
    found = kpi.over(shuffled, MONTHS, by="region")
    assert len(asked(shuffled)) - before == 1
    assert_same(found, count(kpi, by_chance_ws, by="region"))


def test_tables_are_left_alone(by_chance):
    ws = by_chance.workspace()
    before = {name: source.table.to_pandas() for name, source in ws.tables.sources.items()}
    for kpi in (kpis.cac, kpis.forecast_accuracy, kpis.pipeline_velocity, churn):
        kpi(ws, "2026-09", by="region")
    for name, frame in before.items():
        assert_frame_equal(ws.tables.sources[name].table.to_pandas(), frame)


def test_keys_are_joined_and_numbers_of_rows_kept():
    ws = samples.workspace(
        {
            "leads": [
                {"lead_id": "1", "created_at": "2026-09-01", "source": "search"},
                {"lead_id": "2", "created_at": "2026-09-01", "source": "search"},
            ],
            # Two deals of one lead, and one of a lead that nobody knows.
            "opportunities": [
                {"opportunity_id": key, "outcome": "won", "closed_at": "2026-09-09",
                 "lead_id": lead, "source": "fair"}
                for key, lead in (("1", "1"), ("2", "1"), ("3", "9"), ("4", None))
            ],
        }
    )  # fmt: skip
    assert conversion_rate(ws, "2026-09").n == 2
    split = win_rate(ws, "2026-09", by="source").frame
    assert dict(zip(split.source, split.n, strict=True)) == {"search": 2, "fair": 2}


# --- what comes out -----------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("company", "by"),
    [("by_chance", "region"), ("by_chance", "source"), ("by_chance", "plan"), ("sample", "region")],
)
def test_segments_add_up_to_the_whole(kpi, company, by, request, count):
    ws = request.getfixturevalue(f"{company}_ws")
    split = count(kpi, ws, by=by)
    if split.unavailable:
        assert by != "region", "every table leads to a region"
    else:
        assert_frame_equal(parts(split), parts(count(kpi, ws)), check_dtype=False)


def parts(result):
    """The parts of a figure, added up by period."""
    wanted, frame = list(result.kpi.summary.parts), result.frame
    if not set(wanted) <= set(frame.columns):  # parts that are not shown
        keys = ["period", *([SEGMENT] if result.by else [])]
        fetched = result.kpi.summary.aggregate(result.rows(), keys).to_pandas()
        frame = result.kpi.summary.finish(fetched, keys, result.tables.policies)
    return frame.groupby("period")[wanted].sum().sort_index()


def test_value_is_a_number_within_its_interval_or_missing_with_a_reason(kpi, data, ws, count):
    for frame in (count(kpi, ws, by=by).frame for by in ("", "region")):
        assert not np.isinf(frame[["value", "low", "high", "numerator", "denominator"]]).any(
            axis=None
        )
        assert (frame.value.isna() == frame.missing_because.notna()).all()
        assert frame.missing_because.dropna().str.len().gt(0).all()
        bounded = frame.dropna(subset="low")
        assert bounded.value.between(bounded.low, bounded.high).all()
        assert (frame.n >= 0).all()


def test_whole_of_a_split_result_is_what_is_counted_without_a_split(kpi, ws, count):
    split, alone = count(kpi, ws, by="region"), count(kpi, ws)
    assert_frame_equal(split.whole.frame, alone.frame)
    assert split.headline() == alone.headline()


def test_whole_is_summed_from_its_segments_without_another_query(by_chance_ws, monkeypatch):
    split = [kpi(by_chance_ws, "2026-08", by="region") for kpi in (win_rate, kpis.sales_cycle)]
    monkeypatch.setattr(ibis.backends.duckdb.Backend, "execute", None)
    assert all(each.value > 0 for each in split)


def test_nothing_counted_is_missing_with_a_reason_and_an_empty_sum_is_zero(kpi, nothing):
    assert_nothing(kpi(nothing, "2026-09"))


@pytest.mark.parametrize("kpi", [bookings, kpis.mrr, win_rate, churn, kpis.sales_cycle, kpis.cac])
def test_period_with_nothing_in_it_is_like_a_table_with_nothing_in_it(kpi, by_chance_ws):
    assert_nothing(kpi(by_chance_ws, "1950-01"))


def assert_nothing(result):
    if result.kpi.summary.is_sum:
        assert (result.value, result.n, result.missing_because) == (0, 0, "")
    else:
        assert np.isnan(result.value)
        assert result.missing_because
        assert result.missing_because in result.headline()


def test_no_segments_are_no_figure_either(kpi, nothing):
    split = kpi(nothing, "2026-09", by="region")
    assert split.missing_because
    assert split.frame.value.isna().all()
    json.dumps(split.as_json(), allow_nan=False)


def test_period_that_has_not_begun_is_missing_with_the_reason(kpi, ws, count):
    future = count(kpi, ws).frame.iloc[-1]
    assert future.period == "2026-10"
    if kpi.looks_ahead:
        assert future.value > 0
    else:
        assert np.isnan(future.value)
        assert future.missing_because == "2026-10 begins after 2026-09-30, the last day known"


@pytest.mark.parametrize("kpi", [bookings, churn, kpis.pipeline_coverage, kpis.clv])
def test_only_the_period_that_the_last_day_lies_in_is_partial(kpi, by_chance_ws, count):
    trend = kpi.over(seen_from("2026-09-29", by_chance_ws), last(2, "2026-09"))
    assert trend.frame.is_partial.to_list() == [False, True]
    assert trend.change is None, "a part is not compared with a whole"
    assert "2026-09 is partial: known up to 2026-09-29." in trend.notes
    assert not count(kpi, by_chance_ws).frame.is_partial.any()


@pytest.mark.parametrize(
    "kpi", [bookings, churn, kpis.cac, kpis.sales_cycle, kpis.pipeline_velocity]
)
def test_every_period_of_a_trend_is_what_it_is_alone(kpi, by_chance_ws, count):
    trend = count(kpi, by_chance_ws, by="region").frame
    alone = kpi(by_chance_ws, "2026-08", by="region").frame
    among = trend[(trend.period == "2026-08") & trend.region.isin(alone.region)]
    assert_frame_equal(among.reset_index(drop=True), alone, check_dtype=False)


@pytest.mark.parametrize("by", ["mrr", "amount", "started_on", "closed_at", "outcome"])
def test_column_that_is_counted_can_be_split_by(kpi, by, by_chance_ws):
    split = kpi(by_chance_ws, "2026-08", by=by)
    assert split.unavailable or split.frame[by].is_unique


def test_column_called_like_a_part_of_a_figure_is_split_by_all_the_same():
    """A company may call a column of its deals `open` or `days`, as velocity calls its parts."""
    rows = [
        {"opportunity_id": str(key), "opened_at": "2026-09-01", "closed_at": "2026-09-11",
         "outcome": outcome, "amount": 100.0, "open": office, "days": office}
        for key, (outcome, office) in enumerate(
            [("won", "Bonn"), ("lost", "Bonn"), ("won", "Rome"), ("won", "Rome")]
        )
    ]  # fmt: skip
    ws = samples.workspace({"opportunities": rows}, as_of="2026-09-30")
    for by in ("open", "days"):
        split = kpis.pipeline_velocity(ws, "2026-09", by=by).frame
        assert dict(zip(split[by], split.n, strict=True)) == {"Bonn": 2, "Rome": 2}
        cycle = kpis.sales_cycle(ws, "2026-09", by=by).frame
        assert dict(zip(cycle[by], cycle.n, strict=True)) == {"Bonn": 1, "Rome": 2}


def test_column_called_as_the_ends_of_a_period_are_is_the_companys_own():
    rows = [{"subscription_id": "1", "customer_id": "1", "started_on": "2026-01-01", "mrr": 5.0,
             "ends": "never", "starts": "soon"}]  # fmt: skip
    ws = samples.workspace({"subscriptions": rows}, as_of="2026-09-30")
    split = kpis.mrr(ws, "2026-09", by="ends")
    assert split.frame.ends.to_list() == ["never"]
    assert split.rows().mrr.to_list() == [5.0]


def test_blank_and_unknown_stay_groups_of_their_own(by_chance_ws):
    groups = bookings(by_chance_ws, "all", by="region").frame.region.to_list()
    assert groups == ["AMER", "EMEA", "unknown", BLANK]


def test_json_is_as_the_interface_has_it(kpi, ws, count):
    for by in ("", "region"):
        said = count(kpi, ws, by=by).as_json()
        assert {"kpi", "title", "unit", "better", "as_of", "policy", "missing_because", "rows",
                "notes"} <= set(said)  # fmt: skip
        assert said["kpi"] == kpi.name
        assert said["as_of"] == "2026-09-30"
        assert set(said["policy"]) == set(kpi.policies)
        for row in json.loads(json.dumps(said, allow_nan=False))["rows"]:
            wanted = {"period", "value", "low", "high", "n", "numerator", "denominator"}
            assert wanted | ({by} if by else set()) <= set(row)
            assert (row["value"] is None) == ("missing_because" in row)


def test_words_hold_no_numbers_that_are_none(kpi, by_chance_ws, count):
    result = count(kpi, by_chance_ws)
    said = f"{result.headline()} {result.explain()}"
    assert kpi.formula in said
    assert not {"nan", "inf", "None", "NaT"} & set(said.replace(",", " ").split())


def test_rows_behind_a_figure_are_within_reach(kpi, by_chance_ws, count):
    rows = count(kpi, by_chance_ws).rows()
    found = rows.aggregate(rows=rows.count(), periods=rows.period.nunique()).to_pyarrow()
    assert found["rows"][0].as_py() > 0
    assert found["periods"][0].as_py() >= 2


# --- hindsight ----------------------------------------------------------------------------------
def test_what_happens_later_moves_nothing(kpi, by_chance_ws, by_chance_later, count):
    found = kpi.over(by_chance_later, MONTHS, by="region")
    assert_same(found, count(kpi, by_chance_ws, by="region"))


@pytest.mark.parametrize(
    "kpi", [conversion_rate, win_rate, kpis.cac, kpis.pipeline_velocity, kpis.forecast_accuracy]
)
def test_what_happens_later_moves_nothing_over_all_time(kpi, by_chance_later, by_chance_ws):
    assert_same(kpi(by_chance_later, "all"), kpi(by_chance_ws, "all"))


def test_what_happens_later_is_there_when_it_is_looked_at_later(kpi, by_chance_ws, by_chance_later):
    """Otherwise the tests above would prove nothing."""
    period = "all" if kpi is conversion_rate else "2026-Q4"
    now, then = (seen_from("2026-12-31", ws) for ws in (by_chance_ws, by_chance_later))
    assert not kpi(now, period).frame.equals(kpi(then, period).frame)


def seen_from(day, ws):
    """The same tables, as of another day."""
    return replace(ws, tables=replace(ws.tables, as_of=dt.date.fromisoformat(day)))


def later(frames):
    """The same company three months on: rows are new, and old ones are written over."""
    grown = {name: frame.astype(object).copy() for name, frame in frames.items()}
    days = [dt.date(2026, 10, 1), dt.date(2026, 10, 20), dt.date(2026, 11, 30)]
    for name, frame in grown.items():
        born = [each.name for each in contract(name).columns.values() if each.born]
        if not born:
            continue
        new = frame.head(60).copy()
        moments = [days[at % 3] for at in range(len(new))]
        for each in contract(name).columns.values():
            if each.name not in new:
                continue
            if each.name in contract(name).key:
                new[each.name] = [f"later {at}" for at in range(len(new))]
            elif each.born or each.ends:
                new[each.name] = moments
            elif each.kind == "money":
                new[each.name] = 77_777.0
        if name == "opportunities":
            new["outcome"] = ["won", "lost"] * (len(new) // 2)
        if name == "forecasts":
            new["month"] = [dt.date(2026, month, 1) for month in (10, 11, 12, 9)] * (len(new) // 4)
        grown[name] = pd.concat([frame, new], ignore_index=True)
        for column in (each.name for each in contract(name).columns.values() if each.ends):
            # A deal that nobody wrote the opening of cannot be told from one made later.
            was = frame[born[0]].notna() if born else True
            waits = frame.index[frame[column].isna() & was] if column in frame else []
            if name == "opportunities":
                waits = frame.index[(frame.outcome == "open") & was]
                grown[name].loc[waits, "outcome"] = "won"
                for kept, value in (("amount", 55_555.0), ("expected_close", days[2])):
                    grown[name].loc[waits, kept] = value
                history = frame.loc[waits, ["opportunity_id"]].assign(
                    changed_at=days[0], amount=55_555.0, expected_close=days[2], stage="close",
                    forecast_category="commit",
                )  # fmt: skip
            if column in frame:
                grown[name].loc[waits, column] = days[0]
    grown["stage_changes"] = pd.concat([grown["stage_changes"], history], ignore_index=True)
    return grown


def test_cancellation_announced_ahead_has_not_happened():
    ws = samples.workspace(
        {
            "subscriptions": [
                {"subscription_id": "1", "customer_id": "A", "started_on": "2026-01-01",
                 "ended_on": "2026-10-15", "mrr": 100}
            ]
        },
        as_of="2026-09-30",
    )  # fmt: skip
    assert kpis.mrr(ws, "2026-09").value == 100
    assert churn(ws, "2026-09").value == 0


# --- what is not there --------------------------------------------------------------------------
def lacking(ws, *columns):
    """The same company, whose sources lack some columns."""
    left = dict(ws.tables.sources)
    for table, column in (each.split(".") for each in columns):
        left[table] = replace(left[table], table=left[table].table.drop(column))
    return replace(ws, tables=replace(ws.tables, sources=left))


def test_column_that_is_needed_and_absent_is_named(kpi, by_chance_ws):
    for table, columns in kpi.needs.items():
        for column in columns:
            result = kpi(lacking(by_chance_ws, f"{table}.{column}"), "2026-08")
            assert result.missing_because == f"not available: needs {table}.{column}"
            assert np.isnan(result.value)
            assert result.as_json()["missing_because"] == result.missing_because
            assert result.missing_because in result.headline()
    if kpi.either:
        result = kpi(lacking(by_chance_ws, *kpi.either), "2026-08")
        assert f"not available: needs {' or '.join(kpi.either)}" == result.missing_because


def test_table_that_is_needed_and_absent_is_named(kpi, by_chance_ws):
    used = {*kpi.needs, *(each.split(".")[0] for each in kpi.either)}
    left = {name: each for name, each in by_chance_ws.tables.sources.items() if name not in used}
    bare = replace(by_chance_ws, tables=replace(by_chance_ws.tables, sources=left))
    result = kpi.over(bare, last(3, "2026-09"))
    assert result.missing_because.startswith("not available: needs ")
    assert all(f"{name}." in result.missing_because for name in kpi.needs)
    assert result.frame.value.isna().all()
    assert result.notes == [result.missing_because]
    assert result.rows().count().to_pyarrow().as_py() == 0


@pytest.mark.parametrize(
    ("kpi", "policies", "needed"),
    [
        (spend, {"cac_spend": "paid"}, "spend.kind"),
        (kpis.cac, {"cac_spend": "paid"}, "spend.kind"),
        (kpis.sales_cycle, {"cycle_start": "opportunity"}, "opportunities.opened_at"),
        (kpis.pipeline_velocity, {"cycle_start": "opportunity"}, "opportunities.opened_at"),
    ],
)
def test_column_that_a_policy_needs_is_named(kpi, policies, needed, by_chance_ws):
    without = lacking(by_chance_ws, needed)
    assert not kpi(without, "2026-08").unavailable
    assert kpi(without, "2026-08", **policies).missing_because == f"not available: needs {needed}"


def test_revenue_from_deals_without_dates_is_not_available():
    ws = samples.workspace(
        {"opportunities": [{"opportunity_id": "1", "outcome": "won", "amount": 10}]}
    )
    assert kpis.revenue(ws, "all").missing_because == (
        "not available: needs opportunities.closed_at"
    )


def test_column_that_does_not_exist_is_refused_with_what_may_be_meant(kpi, by_chance_ws):
    with pytest.raises(UnknownNameError, match=r"no column 'regoin' to split by.*mean 'region'"):
        kpi(by_chance_ws, "2026-09", by="regoin")


def test_column_that_another_table_has_is_not_available_here(by_chance_ws):
    result = spend(by_chance_ws, "2026-08", by="ticket_id")
    assert result.missing_because.startswith("not available by ticket_id")
    assert result.frame.empty
    assert np.isnan(result.value)


@pytest.mark.parametrize("name", ["value", "period", "n"])
def test_column_named_as_one_of_a_result_is_refused(name):
    ws = samples.workspace({"leads": [{"lead_id": "1", "created_at": "2026-09-01", name: "x"}]})
    with pytest.raises(RequestError, match="another name"):
        conversion_rate(ws, "2026-09", by=name)


def test_unknown_policy_and_value_of_one_are_refused(by_chance_ws):
    ws = by_chance_ws
    with pytest.raises(UnknownNameError, match=r"no policy 'chrun'.*Did you mean 'churn'"):
        churn(ws, "2026-09", chrun="stripe")
    with pytest.raises(UnknownNameError, match=r"no value 'strip' of the policy churn.*'stripe'"):
        churn(ws, "2026-09", churn="strip")


def test_unknown_kpi_is_refused_with_what_may_be_meant():
    with pytest.raises(UnknownNameError, match=r"no KPI 'winrate'. Did you mean 'win_rate'"):
        kpis.named("winrate")


def test_every_column_a_kpi_needs_is_in_its_contract():
    for kpi in ALL:
        needed = [f"{table}.{column}" for table, each in kpi.needs.items() for column in each]
        for each in [*needed, *kpi.either]:
            table, column = each.split(".")
            assert column in contract(table).columns


def test_every_kpi_has_a_name_of_its_own_and_stands_in_its_file():
    for kpi in ALL:
        assert kpis.named(kpi.name) is kpi is getattr(kpis, kpi.name)
