"""What lies ahead, how wide it may turn out, and how that was foreseen earlier."""

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from revops_kit.charts import page
from revops_kit.charts.chart import BLUE, GREY, VERMILION, Chart, style
from revops_kit.charts.trend import every, mark_periods
from revops_kit.wording import in_words

if TYPE_CHECKING:
    from revops_kit.outlook import Outlook

PAST = 24  # periods before the forecast that are shown
QUESTION = "What came in, what is expected, and where it should lie 80 % and 95 % of the time"
COLUMNS = ["period", "actual", "mean", "low_80", "high_80", "low_95", "high_95", "target"]


@style()
def fan(outlook: "Outlook", earlier: pd.DataFrame | None = None) -> Chart:
    """Draw a forecast with its intervals, after the past that it goes on from.

    Parameters
    ----------
    outlook
        As `revops_kit.outlook.look` gives it.
    earlier
        Forecasts made before: `made_at`, `period` and `mean`, drawn in grey.
    """
    kpi, currency = outlook.kpi, outlook.ws.currency
    title = f"{kpi.title} ahead"
    if outlook.missing_because:
        return page.nothing(title, QUESTION, outlook.missing_because, pd.DataFrame(columns=COLUMNS))
    data = _laid_out(outlook)
    write = partial(page.write, kpi.unit, currency=currency)
    before = _placed(earlier, data.period)
    drawn = [*data.actual, *data["mean"], *data.target, *before["mean"]]
    scale = page.scale(kpi.unit, currency, drawn, [*data.low_95, *data.high_95])
    first = outlook.ahead.periods[0].label
    notes = [
        "Grey: forecasts made before." if len(before) else "",
        "Short lines: targets." if data.target.notna().any() else "",
        f"Hollow: {write(outlook.so_far)} of {in_words(first)} has come so far."
        if not np.isnan(outlook.so_far)
        else "",
        "Crosses: outliers and shifts of level, marked and not smoothed away."
        if data.mark.any()
        else "",
        scale.note,
    ]
    figure = page.Sheet(title, QUESTION, 3.2, notes)
    axes = figure.subplots()
    places = pd.Series(np.arange(len(data), dtype=float), index=data.period)
    ahead = data["mean"].notna().to_numpy()
    # The fan opens from the last value that is known.
    opening = ahead | np.append(ahead[1:], False)
    joined = data["mean"].fillna(data.actual).where(opening)
    for level, shade in ((95, 0.12), (80, 0.2)):
        low, high = (
            data[f"{end}_{level}"].fillna(data.actual).where(opening) for end in ("low", "high")
        )
        axes.fill_between(places, low, high, color=BLUE, alpha=shade, linewidth=0)
    for _, made in before.groupby("made_at"):
        axes.plot(made.place, made["mean"], color=GREY, linewidth=0.9, alpha=0.6, label="earlier")
    axes.plot(places, joined, color=BLUE, linestyle=(0, (1.6, 1.3)), label="mean")
    axes.plot(places, data.actual, color=BLUE, marker="o", label="actual")
    axes.hlines(data.target, places - 0.4, places + 0.4, color=VERMILION, linewidth=1.6)
    marked = data.mark.ne("").to_numpy()
    axes.plot(
        places[marked], data.actual[marked], color=VERMILION, marker="x", linestyle="none",
        markersize=9, label="marked",
    )  # fmt: skip
    axes.plot(
        [places[first]], [outlook.so_far], color=BLUE, marker="o", markerfacecolor="white",
        markersize=7, linestyle="none", label="so far",
    )  # fmt: skip
    scale.apply_to(axes.yaxis)
    mark_periods(axes, places, every(len(data)))
    last = data.iloc[-1]
    ends = [(places.iloc[-1], last["mean"], [write(last["mean"])], BLUE)]
    if pd.notna(last.target):
        ends.append((places.iloc[-1], last.target, [f"target {write(last.target)}"], VERMILION))
    edges = [(min(last[f"high_{level}"], scale.high), f"{level} %") for level in (80, 95)]
    ends += [(places.iloc[-1], edge, [words], GREY) for edge, words in edges]
    page.name_ends(axes, ends)
    return Chart(figure, f"What lies ahead. {outlook.headline()}", data.drop(columns="mark"))


@style()
def moved(outlook: "Outlook", kept: pd.DataFrame) -> Chart:
    """Draw how the forecast of one quarter moved as time went by.

    Parameters
    ----------
    kept
        As `outlook.ledger.of_the_next` gives it: `as_of`, `mean`, `low_80` and `high_80`.
    """
    question = (
        "What was expected, by the day it was seen from, and where it should lie 80 % of the time"
    )
    if len(kept) < 2:
        reason = "No earlier forecast of it was kept: scheduled runs keep theirs."
        return page.nothing("How the forecast moved", question, reason, kept)
    kpi, target = outlook.kpi, outlook.target(outlook.next)
    title = f"{kpi.title} of {outlook.next.words}, as foreseen"
    write = partial(page.write, kpi.unit, currency=outlook.ws.currency)
    drawn = [*kept["mean"], target]
    scale = page.scale(kpi.unit, outlook.ws.currency, drawn, [*kept.low_80, *kept.high_80])
    figure = page.Sheet(title, question, 2.6, [scale.note])
    axes = figure.subplots()
    labels = pd.to_datetime(kept.as_of).dt.strftime("%Y-%m-%d")
    places = pd.Series(np.arange(len(kept), dtype=float), index=labels)
    axes.fill_between(places, kept.low_80, kept.high_80, color=BLUE, alpha=0.2, linewidth=0)
    axes.plot(places, kept["mean"], color=BLUE, marker="o", label="mean")
    ends = [(places.iloc[-1], kept["mean"].iloc[-1], [write(kept["mean"].iloc[-1])], BLUE)]
    if not np.isnan(target):
        axes.axhline(target, color=VERMILION, linewidth=1.2, linestyle=":")
        ends.append((places.iloc[-1], target, [f"target {write(target)}"], VERMILION))
    scale.apply_to(axes.yaxis)
    axes.set_xticks(places.iloc[every(len(places))], labels=labels.iloc[every(len(places))])
    page.name_ends(axes, ends)
    first, last = (write(kept["mean"].iloc[end]) for end in (0, -1))
    begun, ended = in_words(labels.iloc[0]), in_words(labels.iloc[-1])
    alt = f"{title}: from {first} as of {begun} to {last} as of {ended}."
    return Chart(figure, alt, kept)


def _laid_out(outlook: "Outlook") -> pd.DataFrame:
    """Put past and future in one frame, a row per period."""
    past = outlook.past().tail(PAST)
    ahead = outlook.ahead.frame.drop(columns="start")
    ahead = ahead.assign(target=[outlook.target(each) for each in outlook.ahead.periods])
    data = pd.concat([past, ahead], ignore_index=True).reindex(columns=[*COLUMNS, "mark"])
    return data.assign(mark=data.mark.fillna(""))


def _placed(earlier: pd.DataFrame | None, periods: pd.Series) -> pd.DataFrame:
    """Find the places of earlier forecasts among the periods drawn."""
    if earlier is None or earlier.empty:
        return pd.DataFrame(columns=["made_at", "place", "mean"])
    places = pd.Series(np.arange(len(periods)), index=periods)
    seen = earlier[earlier.period.isin(places.index)]
    return seen.assign(place=seen.period.map(places)).sort_values(["made_at", "place"])
