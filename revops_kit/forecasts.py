"""How good forecasts were: beside simple ones, by lead time, by category, as promises kept.

Each function takes the record of a run of periods, and returns a small pandas frame, empty where
the workspace keeps no forecasts. Spans that are not over are left out, as in `forecast_accuracy`.
"""

import datetime as dt
from dataclasses import dataclass
from functools import cached_property

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from revops_kit import deals
from revops_kit.drivers import forecast_by_month, within
from revops_kit.kpi import Workspace
from revops_kit.kpis.forecast_accuracy import (
    COUNTED,
    LADDER,
    Moment,
    at_lead,
    forecast_accuracy,
    latest,
    of_policy,
    rebuilt,
    standing,
    submitted,
    written,
)
from revops_kit.noted import empty, lacking, noted
from revops_kit.periods import MONTHS, ONE_DAY, Kind, Period, Periods, containing, floor
from revops_kit.stats import forecasting, intervals
from revops_kit.tables import BLANK, Tables
from revops_kit.units import plural
from revops_kit.wording import Words

MEASURES = ["accuracy", "bias", "mape", "mape_undefined", "smape", "mase", "rmse"]
# How many weeks before a span, and into it, forecasts are looked at.
WEEKS = {"month": range(-8, 5), "quarter": range(-4, 13)}
A_WEEK = dt.timedelta(weeks=1)
NAMES = {"mostlikely": "most likely", "bestcase": "best case"}
# What sales itself leaves out of its forecast, and what is none any more.
NO_FORECAST = ("omitted", "closed")


@dataclass(frozen=True, eq=False)
class Record:
    """What was forecast and what was won in a run of periods, fetched once for all measures."""

    ws: Workspace
    run: Periods

    @cached_property
    def months(self) -> pd.DataFrame:
        """Set forecasts beside what was won, as `drivers.forecast_by_month` does."""
        return forecast_by_month(self.ws, self.run)

    @cached_property
    def won(self) -> pd.Series:
        """Add up what was won on each day on which a deal was decided, whenever that was."""
        decided = deals.decided(self.ws.tables, "amount").drop_null("closed_at")
        amount = (decided.outcome == "won").ifelse(decided.amount.fill_null(0.0), 0.0)
        days = decided.group_by(day=decided.closed_at.cast("date")).aggregate(amount=amount.sum())
        found = days.to_pandas().sort_values("day")
        return pd.Series(found.amount.to_numpy(float), index=pd.DatetimeIndex(found.day))

    @cached_property
    def by_lead(self) -> pd.DataFrame:
        """Measure accuracy by how early the forecast was made.

        Quarters are forecast where the periods are quarters or years, else months. A forecast
        rebuilt from stage changes is cumulative: what was won in the span so far, and what was
        open. Spans are those from the first deal decided on.

        Returns
        -------
        DataFrame
            made : str
                `4 weeks before`, `at the start`, `week 2` …: the first day of that week.
            week : int
                Weeks from the start of the span; below 0 before it.
            spans : int
                Months or quarters that were forecast by then; a quarter when its three months were.
            accuracy, bias : share
                As in `forecast_accuracy` and `forecast_bias`.
        """
        run, tables = self.run, self.ws.tables
        columns = ["made", "week", "spans", "accuracy", "bias"]
        if forecast_accuracy.unavailable(tables):
            return pd.DataFrame(columns=columns)
        won = self.won
        kind = "quarter" if run.kind in ("quarter", "year") else "month"
        moments = [
            (span.start + week * A_WEEK, span.start, span.end)
            for span in _spans(run, kind, won)
            for week in WEEKS[kind]
            if span.start + week * A_WEEK < span.end
        ]
        if tables.has("forecasts"):
            made = _submitted(tables, moments, months=MONTHS[kind])
        else:
            made = _rebuilt(tables, moments, won)
        both = [
            ((day - start) // A_WEEK, made[day, start], _between(won, start, end))
            for day, start, end in moments
            if (day, start) in made
        ]
        seen, listed = pd.DataFrame(both, columns=["week", "forecast", "actual"]), []
        for week, parts in seen.dropna().groupby("week"):
            found = forecasting.accuracy(parts.actual, parts.forecast)
            listed.append((_when(week), week, found["n"], 1 - found["wape"], found["bias"]))
        return pd.DataFrame(listed, columns=columns)


def record(ws: Workspace, periods: str | Periods) -> Record:
    """Look at the forecasts of some periods; each part is fetched when it is first asked for."""
    return Record(ws, within(ws, periods))


def measures(kept: Record) -> pd.DataFrame:
    """Measure the forecast of months beside two simple ones that it should beat.

    Returns
    -------
    DataFrame
        forecast : str
            `the forecast`, `same month last year`, and `run rate`: the mean of the last three
            months that were over when the forecast was made.
        months : int
            Months that it was made for, of those that the forecast was made for.
        accuracy, bias, mape, mape_undefined, smape, mase, rmse
            As `stats.forecasting.accuracy` has them (accuracy is 1 less WAPE). MASE is scaled by
            the months before the first one measured.
        is_beaten : bool or None
            Whether the forecast had the smaller WAPE, over the months that both were made for;
            None for the forecast itself, and where it cannot be said.
    """
    months = kept.months
    if months.empty:
        return pd.DataFrame(columns=["forecast", "months", *MEASURES, "is_beaten"])
    at = pd.PeriodIndex(months.month, freq="M")
    won = _by_month(kept.won, at[-1])
    lead = dt.timedelta(days=kept.ws.tables.policies.forecast_lead_days)
    known = [won[won.index < pd.Period(month.start_time.date() - lead, "M")] for month in at]
    made = {
        "the forecast": months.forecast.to_numpy(),
        "same month last year": [
            before.get(month - 12, np.nan) for before, month in zip(known, at, strict=True)
        ],
        "run rate": [forecasting.run_rate(before, 1)[0] for before in known],
    }
    actual, train = months.won.to_numpy(), won[won.index < at[0]]
    listed = []
    for name, amounts in made.items():
        found = forecasting.accuracy(actual, amounts, train)
        listed.append(
            {"forecast": name, "months": found["n"], "accuracy": 1 - found["wape"]}
            | {measure: found[measure] for measure in MEASURES[1:]}
            | {"is_beaten": _is_beaten(actual, made["the forecast"], amounts)}
        )
    listed[0]["is_beaten"] = None
    return pd.DataFrame(listed)


def verdict(measured: pd.DataFrame) -> Words:
    """Say in a sentence whether the forecast was worth making.

    Parameters
    ----------
    measured
        As `measures` gives them.

    Examples
    --------
    >>> measured = {"forecast": ["the forecast", "run rate"], "is_beaten": [None, False]}
    >>> verdict(pd.DataFrame(measured))
    'The forecast did not come nearer than the run rate, which costs nothing.'
    """
    rivals = measured[measured.is_beaten.notna()]
    if rivals.empty:
        return Words("There is no simple forecast to compare with.")
    beaten = rivals.is_beaten.astype(bool)
    lost = " nor ".join(f"the {name}" for name in rivals.forecast[~beaten])
    if lost:
        return Words(f"The forecast did not come nearer than {lost}, which costs nothing.")
    names = " and ".join(f"the {name}" for name in rivals.forecast)
    return Words(f"The forecast came nearer than {names} would have.")


def spread(kept: Record) -> pd.DataFrame:
    """Measure the same forecasts by the conventions that others publish.

    Returns
    -------
    DataFrame
        convention : str
        value : share
            Higher is better, and 1 is exact; for attainment either side of 1 is off.
        spans : int
            Months or quarters counted.
        note : str
            What to beware of.
    """
    columns, months = ["convention", "value", "spans", "note"], kept.months
    if months.empty:
        return empty(
            columns, forecast_accuracy.unavailable(kept.ws.tables) or forecast_accuracy.empty
        )
    forecast, won = months.forecast, months.won
    found = forecasting.accuracy(won, forecast)
    days = pd.to_datetime(months.month).dt.date
    quarters = months.groupby([containing(day, "quarter", kept.run.calendar).start for day in days])
    quarters = quarters[["forecast", "won"]].sum()[quarters.size() == MONTHS["quarter"]]
    by_quarter = forecasting.accuracy(quarters.won, quarters.forecast)
    near = (forecast - won).abs() <= 0.1 * won.abs()
    undefined = found["mape_undefined"]
    listed = [
        ("1 − WAPE by month", 1 - found["wape"], found["n"], "the definition here"),
        (
            "1 − WAPE by quarter",
            1 - by_quarter["wape"],
            by_quarter["n"],
            "errors of months within a quarter cancel; whole quarters only",
        ),
        (
            "1 − MAPE",
            1 - found["mape"],
            found["n"] - undefined,
            "small months weigh as much as large ones"
            + (f"; {plural(undefined, 'month')} without wins left out" if undefined else ""),
        ),
        ("1 − sMAPE ÷ 200", 1 - found["smape"] / 200, found["n"], "never below 0"),
        ("within ±10 %", near.mean(), found["n"], "a near miss counts as much as a far one"),
        (
            "won ÷ forecast",
            won.sum() / (forecast.sum() or np.nan),
            found["n"],
            "attainment: too much and too little cancel",
        ),
    ]
    lead = kept.by_lead
    listed += [
        (f"1 − WAPE, {each.made}", each.accuracy, each.spans, "by lead time")
        for each in lead[lead.week.isin((-4, 2))].itertuples()
    ]
    return pd.DataFrame(listed, columns=columns)


def interval_check(kept: Record, level: int = 80) -> pd.DataFrame:
    """Measure the intervals submitted with forecasts: how often they held, and how wide they were.

    Intervals are columns carried along with `forecasts`, named as `stats.forecasting` names its
    own: `low_80` and `high_80`.

    Returns
    -------
    DataFrame, one row
        level : int
        months : int
            Months with a single forecast that has an interval. Intervals of several – owners,
            categories – do not add up, so such months are left out, and the note counts them.
        coverage, low, high : share
            Of the months, those won inside; with Wilson's interval.
        msis : ratio
            As `stats.forecasting.msis` has it, scaled by the months before the first.
    """
    tables = kept.ws.tables
    ends = [f"low_{level}", f"high_{level}"]
    columns = ["level", "months", "coverage", "low", "high", "msis"]
    missing = forecast_accuracy.unavailable(tables) or lacking(tables, {"forecasts": tuple(ends)})
    if missing:
        return empty(columns, missing)
    months = kept.months.set_index("month").won
    made = submitted(tables).select("month", *ends).to_pandas()
    made["month"] = pd.to_datetime(made.month).dt.strftime("%Y-%m")
    made = made[made.month.isin(months.index)]
    made[ends] = made[ends].apply(pd.to_numeric, errors="coerce")
    single = made[~made.month.duplicated(keep=False)].dropna().sort_values("month")
    if single.empty:
        return empty(columns, "not available: no month has a single forecast with an interval")
    actual, made_of = months[single.month].to_numpy(), single[ends].T.to_numpy()
    first = pd.Period(single.month.iloc[0], "M")
    won = _by_month(kept.won, first)
    share = forecasting.coverage(actual, *made_of)
    msis = forecasting.msis(actual, *made_of, won[won.index < first], level=level)
    inside = intervals.wilson(round(share * len(single)), len(single))
    found = pd.DataFrame([(level, len(single), share, *inside, msis)], columns=columns)
    others = made.month.nunique() - len(single)
    why = "with several forecasts, or without an interval, left out."
    return noted(found, f"{plural(others, 'month')} {why}" if others else "")


def by_category(kept: Record) -> pd.DataFrame:
    """Measure each forecast category as a forecast of its months, alone and cumulative.

    Categories are those of open deals at the lead time, where stage changes or snapshots kept
    them; else those of submitted forecasts. All are measured over the same months: those
    of which any category was forecast. Deals without a category are in none.

    Returns
    -------
    DataFrame
        category, months
            The surest first.
        accuracy, bias : share
            Of the category alone.
        cumulative_accuracy, cumulative_bias : share
            Of it and all surer ones together: best case with commit. Missing for a category
            that has no place in that order.
    """
    run, tables = kept.run, kept.ws.tables
    columns = ["category", "months", "accuracy", "bias", "cumulative_accuracy", "cumulative_bias"]
    if forecast_accuracy.unavailable(tables):
        return pd.DataFrame(columns=columns)
    moments = at_lead(tables, run)
    if tables.has("stage_changes", "expected_close", "forecast_category"):
        rows = standing(tables, moments, "amount", "forecast_category")
        rows = rows.mutate(_category=written(rows.forecast_category))
    elif tables.has("forecasts", "category"):
        rows = _as_it_stood(tables, tables.forecasts, moments)
        rows = rows.mutate(_category=written(rows.category))
    else:
        return pd.DataFrame(columns=columns)
    rows = rows.filter(rows._category.notnull(), rows._category.notin(NO_FORECAST))
    sums = rows.group_by("month", "_category").aggregate(forecast=rows.amount.sum()).to_pandas()
    made = sums.pivot(index="month", columns="_category", values="forecast").fillna(0.0)
    made.index = pd.PeriodIndex(pd.to_datetime(made.index), freq="M")
    made = made[sorted(made.columns, key=_place)]
    if made.empty:
        return pd.DataFrame(columns=columns)
    actual = _by_month(kept.won, made.index[-1]).reindex(made.index, fill_value=0.0)
    cumulative = made[[name for name in made if name in LADDER]].cumsum(axis=1)
    listed = []
    for name in made:
        alone = forecasting.accuracy(actual, made[name])
        together = forecasting.accuracy(actual, cumulative.get(name, actual * np.nan))
        measured = [part for each in (alone, together) for part in (1 - each["wape"], each["bias"])]
        listed.append((NAMES.get(name, name), alone["n"], *measured))
    return pd.DataFrame(listed, columns=columns)


def calibration(kept: Record) -> pd.DataFrame:
    """Say what share of the deals in each category was won: what "commit" is worth.

    Looks at the deals that were open when each whole period began and expected to close in it, as
    stage changes or snapshots kept them. A deal that was pushed out counts again in the next
    period that it was expected in.

    Returns
    -------
    DataFrame
        category, deals
            The surest first.
        won_in_period, low, high : share
            Of the deals, those won before the period ended, with Wilson's interval.
        won_at_all, low_at_all, high_at_all : share
            The same for those won by now: not less than that will be, for `still_open` deals
            have not been decided.
        still_open : int
        amount, amount_won_in_period, amount_won_at_all
            What the deals were then said to bring (0 where nothing was said), and the shares
            of it that were won.
    """
    run, tables = kept.run, kept.ws.tables
    columns = [
        *("category", "deals", "won_in_period", "low", "high"),
        *("won_at_all", "low_at_all", "high_at_all", "still_open"),
        *("amount", "amount_won_in_period", "amount_won_at_all"),
    ]
    needs = {"opportunities": ("outcome", "closed_at")}
    stood = tables.has("stage_changes", "expected_close", "forecast_category")
    if not stood or tables.lacks(needs):
        return pd.DataFrame(columns=columns)
    kind = "month" if run.kind == "all" else run.kind
    spans = _spans(run, kind, kept.won)
    moments = [(each.start, each.start, each.end) for each in spans]
    rows = standing(tables, moments, "amount", "forecast_category")
    category = written(rows.forecast_category.fill_null(BLANK))
    rows = rows.mutate(_category=category, stood=rows.amount.fill_null(0.0))
    is_won = rows.outcome == "won"
    in_time = is_won & (rows.closed_at.cast("date") < rows.until).fill_null(False)
    counted = (
        rows.group_by("_category")
        .aggregate(
            deals=rows.count(),
            in_time=in_time.cast("int32").sum(),
            at_all=is_won.cast("int32").sum(),
            still_open=(rows.outcome == "open").cast("int32").sum(),
            amount=rows.stood.sum(),
            amount_in_time=in_time.ifelse(rows.stood, 0.0).sum(),
            amount_at_all=is_won.ifelse(rows.stood, 0.0).sum(),
        )
        .to_pandas()
    )
    counted = counted.sort_values("_category", key=lambda names: names.map(_place))
    low, high = intervals.wilson(counted.in_time, counted.deals)
    low_at_all, high_at_all = intervals.wilson(counted.at_all, counted.deals)
    worth = counted.amount.where(counted.amount > 0)
    return pd.DataFrame(
        {
            "category": counted._category.map(lambda name: NAMES.get(name, name)),
            "deals": counted.deals,
            "won_in_period": counted.in_time / counted.deals,
            "low": low,
            "high": high,
            "won_at_all": counted.at_all / counted.deals,
            "low_at_all": low_at_all,
            "high_at_all": high_at_all,
            "still_open": counted.still_open,
            "amount": counted.amount,
            "amount_won_in_period": counted.amount_in_time / worth,
            "amount_won_at_all": counted.amount_at_all / worth,
        },
        columns=columns,
    ).reset_index(drop=True)


def _by_month(won: pd.Series, until: pd.Period) -> pd.Series:
    """Add up what was won in each month from the first that is known; nothing is 0."""
    months = won.groupby(won.index.to_period("M")).sum()
    first = months.index.min() if len(months) else until
    return months.reindex(pd.period_range(first, until, freq="M"), fill_value=0.0)


def _between(won: pd.Series, start: dt.date, end: dt.date) -> float:
    ends = np.array([start, end], dtype="datetime64[D]")
    return float(won.to_numpy()[slice(*won.index.to_numpy().searchsorted(ends))].sum())


def _spans(run: Periods, kind: Kind, won: pd.Series) -> list[Period]:
    """List the spans of a kind in the periods that are over, from the first deal decided on."""
    if won.empty:
        return []
    start = max(run.start, containing(won.index[0].date(), kind, run.calendar).start)
    spans, span = [], containing(min(run.end, run.known_until), kind, run.calendar)
    while (span := containing(span.start - ONE_DAY, kind, run.calendar)).start >= start:
        spans.append(span)
    return spans[::-1]


def _submitted(tables: Tables, moments: list[Moment], months: int) -> dict:
    """Add up submitted forecasts as they stood, where all months of the span had one."""
    rows = _as_it_stood(tables, of_policy(tables), moments)
    sums = rows.group_by("day", "span").aggregate(
        forecast=rows.amount.sum(), months=rows.month.nunique()
    )
    found = sums.filter(sums.months == months).to_pandas()
    return _keyed(found.day, found.span, found.forecast)


def _rebuilt(tables: Tables, moments: list[Moment], won: pd.Series) -> dict:
    """Add up what was won in the span so far, and the forecast of deals that stood open."""
    begun = tables.stage_changes.changed_at.cast("date").min().to_pyarrow().as_py()
    rows = rebuilt(tables, standing(tables, moments, *COUNTED))
    sums = rows.group_by("day", "month").aggregate(forecast=rows.forecast.sum()).to_pandas()
    ahead = _keyed(sums.day, sums.month, sums.forecast)
    made = {}
    for day, start, _ in moments:
        so_far = _between(won, start, day)
        # Nothing open and nothing won is no forecast, and before the first change nothing is known.
        if (day, start) in ahead or (so_far and begun and day >= begun):
            made[day, start] = so_far + ahead.get((day, start), 0.0)
    return made


def _as_it_stood(tables: Tables, made: ir.Table, moments: list[Moment]) -> ir.Table:
    """Pick the submitted forecasts of each span as they stood on its days."""
    schema = ibis.schema({"day": "date", "span": "date", "until": "date"})
    made = made.cross_join(ibis.memtable(moments, schema=schema))
    made = made.mutate(month=floor(made.month, "M"))
    made = made.filter(made.month >= made.span, made.month < made.until, made.made_on <= made.day)
    return latest(made, "day")


def _keyed(days: pd.Series, spans: pd.Series, amounts: pd.Series) -> dict:
    dates = (pd.to_datetime(each).dt.date for each in (days, spans))
    return dict(zip(zip(*dates, strict=True), amounts, strict=True))


def _is_beaten(actual: np.ndarray, forecast: np.ndarray, rival: np.ndarray) -> bool | None:
    both = ~np.isnan(np.asarray(rival, dtype=float))
    if not both.any():
        return None
    ours, theirs = (np.abs(each - actual)[both].sum() for each in (forecast, np.asarray(rival)))
    return bool(ours < theirs)


def _place(category: str) -> tuple[int, str]:
    """Sort the surest category first, and those outside the order last."""
    return (LADDER.index(category) if category in LADDER else len(LADDER), category)


def _when(week: int) -> str:
    if week < 0:
        return f"{-week} week{'s' if week < -1 else ''} before"
    return f"week {week + 1}" if week else "at the start"
