"""How did it move? A figure over its periods."""

import math
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from revops_kit.charts import page
from revops_kit.charts.chart import BLUE, GREY, MARKS, Chart, style
from revops_kit.charts.page import Scale
from revops_kit.wording import in_words

if TYPE_CHECKING:
    from revops_kit.kpi import Result

PANELS = 9  # segments that are shown
ACROSS = 3  # panels in a row
MARKED = 40  # periods up to which each has a marker
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]

Lines = dict[str | None, pd.DataFrame]  # by segment; None for the whole


@style()
def trend(result: "Result", target: float | None = None) -> Chart:
    """Draw how a figure moved over its periods, with its interval as a band.

    A partial period is hollow and dashed, a missing one is a gap. Up to four segments are lines in
    one picture, up to nine have a panel each; of more, those with the largest `n` are shown and
    the rest are counted in a note.

    Parameters
    ----------
    result
        A KPI over periods, split by a column or not.
    target
        Drawn as a line across, in the KPI's unit.
    """
    kpi, by = result.kpi, result.by
    write = partial(page.write, kpi.unit, currency=result.currency)
    title = f"{kpi.title} by {page.clean(by)}" if by else kpi.title
    frame, hidden = page.largest(page.measured(result.frame), by, PANELS)
    shown = [*filter(None, ["period", by]), "value", "low", "high", "n", "is_partial"]
    data = frame[shown].reset_index(drop=True)
    if frame["value"].isna().all():
        reason = result.missing_because or page.why_missing(frame)
        reason = reason or "There are no periods to draw."
        return page.nothing(title, page.caption(kpi), reason, data)

    places = _places(frame)
    grid = _with_gaps(places.to_numpy())
    lines = {
        segment: rows.set_index(rows["period"].map(places)).reindex(grid)
        for segment, rows in (
            frame.groupby(by, sort=False, dropna=False) if by else [(None, frame)]
        )
    }
    aim = [] if target is None else [target]
    scale = page.scale(
        kpi.unit, result.currency, [*frame["value"], *aim], [*frame["low"], *frame["high"]]
    )
    unfinished = frame.loc[frame["is_partial"] & frame["value"].notna(), "period"].unique()
    in_panels = len(lines) > len(MARKS)
    notes = [
        f"Hollow and dashed: {', '.join(unfinished)} is partial, with data to {result.as_of}."
        if len(unfinished)
        else "",
        f"Dotted: the target, {write(target)}." if aim and in_panels else "",
        page.why_missing(frame),
        scale.note,
        hidden,
    ]
    height = 1.7 * math.ceil(len(lines) / ACROSS) + 0.4 if in_panels else 3.0
    figure = page.Sheet(title, page.caption(kpi), height, notes)
    draw = _draw_panels if in_panels else _draw_together
    draw(figure, lines, places, scale, target, write)
    return Chart(figure, _words(title, frame, lines, write, target), data)


def _draw_together(
    figure: Figure,
    lines: Lines,
    places: pd.Series,
    scale: Scale,
    target: float | None,
    write: Callable[[float], str],
) -> None:
    """Draw all lines in one picture, each named at its end."""
    axes = figure.subplots()
    ends = []
    shade = 0.13 if len(lines) == 1 else 0.08
    for (segment, line), (colour, marker) in zip(lines.items(), MARKS, strict=False):
        _draw_line(axes, line, colour, marker if len(places) <= MARKED else "", shade)
        last = line["value"].last_valid_index()
        if last is not None:
            words = [] if segment is None else [page.name(segment)]
            ends.append((last, line["value"][last], [*words, _last_value(line, write)], colour))
    if target is not None:
        axes.axhline(target, color=GREY, linewidth=1.2, linestyle=":")
        ends.append((places.iloc[-1], target, [f"target {write(target)}"], GREY))
    scale.apply_to(axes.yaxis)
    mark_periods(axes, places, every(len(places)))
    page.name_ends(axes, ends)


def _draw_panels(
    figure: Figure,
    lines: Lines,
    places: pd.Series,
    scale: Scale,
    target: float | None,
    write: Callable[[float], str],
) -> None:
    """Draw each line in a panel of its own, on one scale, with the others in grey behind it."""
    down = math.ceil(len(lines) / ACROSS)
    panels = figure.subplots(down, ACROSS, sharex=True, sharey=True).ravel()
    for panel, (segment, line) in zip(panels, lines.items(), strict=False):
        for other in lines.values():
            panel.plot(other.index, other["value"], color="#D4D4D4", linewidth=0.8, zorder=1)
        _draw_line(panel, line, BLUE, "")
        if target is not None:
            panel.axhline(target, color=GREY, linewidth=1.2, linestyle=":")
        panel.set_title(page.name(segment, 130), weight="bold", pad=17, y=1.0)
        panel.annotate(
            _last_value(line, write) or "no value",
            (0, 1),
            xycoords="axes fraction",
            xytext=(0, 4),
            textcoords="offset points",
        )
    scale.apply_to(panels[0].yaxis)
    mark_periods(panels[0], places, np.unique([0, len(places) - 1]))
    for panel in panels[len(lines) :]:
        panel.set_axis_off()
    # Where the last row is not full, the panel above carries the periods.
    for panel in panels[len(lines) - ACROSS : len(lines)]:
        panel.tick_params(labelbottom=True)
        # The outermost labels lean inwards, away from the neighbours'.
        panel.get_xticklabels()[0].set_ha("left")
        panel.get_xticklabels()[-1].set_ha("right" if len(places) > 1 else "left")


def _draw_line(
    axes: Axes, line: pd.DataFrame, colour: str, marker: str, shade: float = 0.13
) -> None:
    """Draw one line: band, whole periods, partial ones, and points that have no neighbour."""
    places = line.index.to_numpy()
    value, low, high = (line[column].to_numpy() for column in ("value", "low", "high"))
    unfinished = line["is_partial"].eq(True).to_numpy()
    opening = unfinished | np.append(unfinished[1:], False)
    absent = np.pad(np.isnan(value), 1, constant_values=True)
    lonely = ~absent[1:-1] & absent[:-2] & absent[2:]
    if not np.isnan(low).all():
        axes.fill_between(places, low, high, color=colour, alpha=shade, linewidth=0)

    def draw(which: np.ndarray, **look: Any) -> None:
        # A mark on the axis is still drawn whole.
        axes.plot(places, np.where(which, value, np.nan), color=colour, clip_on=False, **look)

    draw(~unfinished, marker=marker, label="value")
    if lonely.any():
        draw(lonely & ~unfinished, marker="o", linestyle="none", label="lonely")
        axes.vlines(places[lonely], low[lonely], high[lonely], color=colour)
    if unfinished.any():
        draw(opening, linestyle=(0, (1.6, 1.3)), label="opening")
        draw(
            unfinished,
            marker=marker or "o",
            markersize=7,
            markerfacecolor="white",
            markeredgewidth=1.6,
            linestyle="none",
            label="partial",
        )


def _last_value(line: pd.DataFrame, write: Callable[[float], str]) -> str:
    """Write a line's last value, and of which period it is when not of the last."""
    value = line["value"].to_numpy()
    known = np.flatnonzero(~np.isnan(value))
    if not len(known):
        return ""
    last = known[-1]
    state = " partial" if line["is_partial"].iloc[last] else ""
    early = "" if last == len(line) - 1 else f" in {in_words(line['period'].iloc[last])}"
    return write(value[last]) + early + state


def _places(frame: pd.DataFrame) -> pd.Series:
    """Find each period's place on the axis: the days from the first, or 0 for `all`."""
    first = np.flatnonzero(~frame["period"].duplicated())
    starts = frame["start"].to_numpy("datetime64[D]")
    first = first[np.argsort(starts[first], kind="stable")]
    days = (starts[first] - starts[first[0]]).astype(float)
    if np.isnat(starts[first]).any():
        days = np.arange(len(first), dtype=float)
    return pd.Series(days, index=frame["period"].to_numpy()[first])


def _with_gaps(places: np.ndarray) -> np.ndarray:
    """Add a place wherever a period is absent, so that no line leads over it.

    Examples
    --------
    >>> _with_gaps(np.array([0.0, 31.0, 59.0, 120.0])).tolist()
    [0.0, 31.0, 59.0, 87.0, 120.0]
    """
    steps = np.diff(places)
    wide = steps > 1.5 * steps.min(initial=np.inf)
    return np.sort(np.append(places, places[:-1][wide] + steps.min(initial=np.inf)))


def mark_periods(axes: Axes, places: pd.Series, marked: np.ndarray) -> None:
    """Write some of the periods beneath the axis, and the year where it changes."""
    labels, written = [], ""
    for period in places.index[marked]:
        year, _, part = str(period).partition("-")
        month = MONTHS[int(part) - 1] if part in {f"{m:02}" for m in range(1, 13)} else part
        # Without its second line a label would hang a pixel higher than its neighbours.
        labels.append(f"{month or year}\n{year if part and year != written else ''}")
        written = year
    page.mark(axes.xaxis, places.to_numpy()[marked], labels)
    room = places.iloc[-1] * 0.02
    axes.set_xlim(*((-room, places.iloc[-1] + room) if room else (-1.0, 0.1)))


def every(count: int) -> np.ndarray:
    """Choose which of `count` periods are written out: the last, and others at even distances.

    Examples
    --------
    >>> every(7).tolist(), every(24).tolist()
    ([0, 1, 2, 3, 4, 5, 6], [2, 5, 8, 11, 14, 17, 20, 23])
    """
    step = next((step for step in (1, 2, 3, 6, 12, 13, 26, 52) if count <= 8 * step), count)
    return np.arange(count)[::-1][::step][::-1]


def _words(
    title: str,
    frame: pd.DataFrame,
    lines: Lines,
    write: Callable[[float], str],
    target: float | None,
) -> str:
    """Tell the trend in a sentence or two: where it stands, from where, and between what."""
    order = np.argsort(frame["start"].to_numpy("datetime64[D]"), kind="stable")
    period, value, low, high = (
        frame[column].to_numpy()[order] for column in ("period", "value", "low", "high")
    )
    first, final = in_words(period[0]), in_words(period[-1])
    span = f"{title}, {first if first == final else f'{first} to {final}'}"
    aim = "" if target is None else f" The target is {write(target)}."
    if None not in lines:
        ends = (
            f"{page.clean(segment)} {_last_value(line, write) or 'no value'}"
            for segment, line in lines.items()
        )
        return f"{span}, last values: {'; '.join(ends)}.{aim}"
    known = np.flatnonzero(~np.isnan(value))
    last, lowest, highest = known[-1], np.nanargmin(value), np.nanargmax(value)
    state = " (partial)" if frame["is_partial"].iloc[order[last]] else ""
    between = (
        "" if math.isnan(low[last]) else f", between {write(low[last])} and {write(high[last])}"
    )
    absent = f", {len(order) - len(known)} missing" if len(known) < len(order) else ""
    now = f"{write(value[last])} in {in_words(period[last])}{state}{between}"
    if len(order) == 1:
        return f"{title}: {now}.{aim}"
    return (
        f"{span}: {now}. Lowest {write(value[lowest])} in {in_words(period[lowest])}, "
        f"highest {write(value[highest])} in {in_words(period[highest])}{absent}.{aim}"
    )
