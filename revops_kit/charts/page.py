"""The page that every chart is drawn on: its words, its scale, its rows."""

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.collections import LineCollection
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, fontManager, get_font
from matplotlib.ft2font import LoadFlags
from matplotlib.ticker import MaxNLocator
from matplotlib.transforms import ScaledTranslation

from revops_kit.charts.chart import FAMILY, GREY, INK, PIXELS, Chart, Words
from revops_kit.charts.layout import Layout
from revops_kit.errors import RequestError
from revops_kit.units import COUNT, MINUS, MONEY, MONEY_PER_DAY, Unit, decimal_mark, number, plural
from revops_kit.wording import LABEL, in_words

BETTER = {"higher": "Higher is better.", "lower": "Lower is better.", "neither": ""}
PAGE = 6.0  # inches across
ACROSS = 0.96 * PAGE * 72  # points between the margins
STEPS = 40  # rows that can still be read in one picture
SIZE = 11.0  # points of names and figures, as in revops.mplstyle


# Words


def clean(text: object, length: int = 40) -> str:
    r"""Make a name fit for a sentence: one line, nothing invisible, no longer than `length`.

    Periods are said as people say them.

    Examples
    --------
    >>> clean("North\n\u202eSouth\x00 "), clean("a" * 50, 8), clean(""), clean("2026-Q3")
    ('North South', 'aaaaaaa…', '(blank)', 'Q3 2026')
    """
    seen = str(text)[: 10 * length]
    kept = (" " if char.isspace() else char for char in unicodedata.normalize("NFC", seen))
    # C*: controls, text-direction overrides, halves of surrogate pairs, private and unassigned.
    line = " ".join("".join(c for c in kept if unicodedata.category(c)[0] != "C").split())
    line = in_words(line) if LABEL.fullmatch(line) else line
    return (line if len(line) <= length else line[: length - 1].rstrip() + "…") or "(blank)"


def name(text: object, room: float = 135.0, size: float = SIZE) -> str:
    """Make a name fit to be drawn: `clean`, as much of it as there is room for, in points.

    Where the font has no sign there is a box.

    Examples
    --------
    >>> name("東京 HQ"), name("W" * 99, room=60).strip("W")
    ('□□ HQ', '…')
    """
    line = drawable(clean(text, 80))
    while width(line, size) > room:
        line = line.removesuffix("…")[:-1].rstrip() + "…"
    return line


def width(text: str, size: float, weight: str = "bold") -> float:
    """Measure a line in points, in bold unless told: names are drawn in both."""
    return size * sum(_advance(char, weight) for char in text)


@cache
def _advance(char: str, weight: str) -> float:
    """Measure a sign, as a share of the font's size; to shape whole lines would take long."""
    fonts = [get_font(face) for face in _faces(weight)]
    font = next((font for font in fonts if font.get_char_index(ord(char))), fonts[-1])
    font.set_size(1, 72)
    return font.load_char(ord(char), LoadFlags.NO_HINTING).linearHoriAdvance / 65536


@cache
def _faces(weight: str) -> tuple[str, ...]:
    """Find the font's file, and those of the fonts that stand in for signs it lacks."""
    return tuple(
        fontManager.findfont(FontProperties(family=family, weight=weight)) for family in FAMILY
    )


@cache
def _signs() -> frozenset[int]:
    """List the signs that can be drawn, in bold too."""
    plain, bold = (set(get_font(_faces(each)[-1]).get_charmap()) for each in ("normal", "bold"))
    return frozenset(plain & bold)


def lines(text: str, size: float) -> list[str]:
    """Break a text into lines as wide as the page."""
    broken, room = [], 0.0
    space = width("n n", size, "normal") - width("nn", size, "normal")
    # Not at narrow spaces, which hold a figure and its unit together.
    for word in text.split(" "):
        taken = width(word, size, "normal") + space
        if broken and taken <= room:
            broken[-1] += f" {word}"
        else:
            broken.append(name(word, ACROSS, size))
            room = ACROSS + space
        room -= taken
    return broken


def drawable(text: str) -> str:
    """Put a box in place of each sign that the font lacks."""
    return "".join(char if ord(char) in _signs() else "□" for char in text)


def write(unit: Unit, value: float, currency: str = "USD", change: bool = False) -> str:
    """Write a value, or a change, in its unit; beyond counting, as a power of ten.

    Examples
    --------
    >>> write(COUNT, 1204.0), write(COUNT, 3.0, change=True), write(COUNT, 2.5e20)
    ('1,204', '+3', '2.5e+20')
    """
    if abs(value) >= 1e15:
        return f"{value:.3g}".replace("-", MINUS)
    return unit.write_change(value, currency) if change else unit.write(value, currency)


def caption(kpi: Any) -> str:
    """Say what a KPI asks and which way is better."""
    return f"{kpi.question} {BETTER[kpi.better]}".strip()


# Numbers


def floats(values: Iterable) -> np.ndarray:
    """Make ordinary floats of numbers of any kind; what is missing or infinite is NaN."""
    numbers = np.array([math.nan if pd.isna(value) else float(value) for value in values], float)
    return np.where(np.isfinite(numbers), numbers, math.nan)


def measured(frame: pd.DataFrame) -> pd.DataFrame:
    """Copy a result's frame, with ordinary floats, and None for words that are missing."""
    numbers = {column: floats(frame[column]) for column in ("value", "low", "high")}
    words = {
        column: [text if isinstance(text, str) else None for text in frame[column]]
        for column in ("missing_because", "note")
    }
    return frame.assign(**numbers, **words, is_partial=frame["is_partial"].astype(bool))


def largest(frame: pd.DataFrame, by: str, limit: int) -> tuple[pd.DataFrame, str]:
    """Keep the segments with the largest `n`, largest first, and say how many are left out."""
    if not by:
        return frame, ""
    sizes = frame.groupby(by, dropna=False)["n"].sum().sort_values(ascending=False, kind="stable")
    rank = sizes.index[:limit].get_indexer(frame[by])
    kept = frame.iloc[np.argsort(rank, kind="stable")[(rank < 0).sum() :]]
    rest = sizes.iloc[limit:]
    hidden = f"{plural(len(rest), 'smaller segment')} (n {number(rest.sum())}) not shown."
    return kept, hidden if len(rest) else ""


@dataclass(frozen=True)
class Scale:
    """The ends of an axis, its ticks and what is written at them, and a note if it cuts."""

    low: float
    high: float
    ticks: np.ndarray
    labels: list[str]
    note: str

    def apply_to(self, axis: Axis) -> None:
        """Give an axis these ends and ticks."""
        axis.axes.set(**{f"{axis.axis_name}lim": (self.low, self.high)})
        mark(axis, self.ticks, self.labels)


def scale(
    unit: Unit, currency: str, values: Sequence[float], edges: Sequence[float], most: int = 6
) -> Scale:
    """Choose an axis that holds all values, and intervals as far as they leave values readable.

    Zero is on it where that costs little, and two ticks never carry the same words; there are
    at most `most` steps between ticks.
    """
    drawn, ends = floats(values), floats(edges)
    drawn, ends = drawn[~np.isnan(drawn)], ends[~np.isnan(ends)]
    low, high = (drawn.min(), drawn.max()) if len(drawn) else (0.0, 1.0)
    if 0 <= low < high / 2 or low == high:
        low = min(low, 0.0)
    if 0 >= high > low / 2 or low == high:
        high = max(high, 0.0)
    span = (high - low) or 1.0
    slack = max(2 * span, abs(low) / 2, abs(high) / 2)
    widest = min([low, *ends]), max([high, *ends])
    reach = max(widest[0], low - slack), min(widest[1], high + slack)
    note = "Intervals wider than the picture are cut at its edge." if reach != widest else ""
    # "a day" at every tick leaves no room; the question and the values carry it.
    on_axis = MONEY if unit == MONEY_PER_DAY else unit
    for _ in range(40):
        bottom, top = reach[0] - 0.06 * span, reach[1] + 0.06 * span
        if reach[0] >= 0:
            bottom = max(bottom, 0.0)
        if unit.name == "share" and reach[1] <= 1:
            top = min(top, 1.02)
        locator = MaxNLocator(nbins=most, steps=[1, 2, 5, 10], integer=unit is COUNT)
        ticks = locator.tick_values(bottom, top)
        ticks = ticks[(ticks >= bottom) & (ticks <= top)]
        # What arithmetic leaves of a zero would be written as 0.00.
        ticks[np.abs(ticks) < span * 1e-9] = 0.0
        labels = _shortened([write(on_axis, tick, currency) for tick in ticks])
        if len(set(labels)) == len(labels) > 1:
            break
        # Differences finer than the unit is written are not worth a tick, nor a dramatic line.
        reach = (max(reach[0] - span, min(reach[0], 0.0)), reach[1] + span)
        span = reach[1] - reach[0]
    return Scale(bottom, top, ticks, labels, note)


def _shortened(labels: list[str]) -> list[str]:
    """Leave out decimals where no tick has any but zeros.

    Examples
    --------
    >>> _shortened(["0.0 %", "10.0 %"]), _shortened(["$5,000", "$10.0 k", "$12.5 k"])
    (['0 %', '10 %'], ['$5,000', '$10.0 k', '$12.5 k'])
    """
    mark = decimal_mark()
    bare = [re.sub(rf"{re.escape(mark)}0+(?!\d)", "", label) for label in labels]
    return labels if any(mark in label for label in bare) else bare


# Paper


class Sheet(Figure):
    """A page: title and question above, notes beneath, `body` inches between."""

    def __init__(self, title: str, question: str, body: float, notes: Iterable[str] = ()) -> None:
        question = clean(question, 400) if question else ""
        notes = [in_words(note) for note in notes if note]
        head = lines(drawable(question), 9.5) if question else []
        foot = [line for note in notes for line in lines(drawable(note), 9)]
        above, below = 0.42 + 0.18 * len(head), 0.08 + 0.165 * len(foot)
        height = above + body + below
        super().__init__(figsize=(PAGE, height))
        self.words = Words(
            clean(in_words(title), 120),
            question,
            notes,
            round(above * PIXELS),
            round(below * PIXELS),
        )
        self.set_layout_engine(Layout(below / height, (below + body) / height))
        write = partial(self.text, 0.015, color=GREY, linespacing=1.3)
        top = 1 - 0.1 / height
        write(top, name(title, ACROSS, 12.5), va="top", size=12.5, weight="bold", color=INK)
        write(1 - 0.38 / height, "\n".join(head), va="top", size=9.5)
        write(0.07 / height, "\n".join(foot), va="bottom", size=9)


def nothing(title: str, subtitle: str, reason: str, data: pd.DataFrame) -> Chart:
    """Say in words why there is no picture."""
    reason = in_words(f"{reason[0].upper()}{reason[1:].rstrip('.')}.")
    figure = Sheet(title, subtitle, 1.2)
    figure.words = replace(figure.words, absent=reason)
    axes = figure.subplots()
    axes.set_axis_off()
    axes.text(0.5, 0.5, "\n".join(lines(drawable(reason), 11)), ha="center", color=GREY, size=11)
    return Chart(figure, f"{clean(title, 60)}: {reason}", data)


def why_missing(frame: pd.DataFrame) -> str:
    """Say how many of a frame's values are missing, and why the first of them is."""
    missing = frame[frame["value"].isna()]
    if not len(missing):
        return ""
    reason = clean(in_words(missing["missing_because"].iloc[0] or "no reason is given"), 120)
    if len(missing) == 1:
        when = in_words(missing["period"].iloc[0])
        # What there was nothing of is told with the period already.
        return (
            f"{reason[0].upper()}{reason[1:]}."
            if when in reason
            else f"No value in {when}: {reason}."
        )
    return f"{len(missing)} of {len(frame)} values are missing; the first: {reason}."


def mark(axis: Axis, places: np.ndarray, labels: Sequence[str]) -> None:
    """Write labels at places of an axis."""

    def reach(label: str) -> float:
        return max(width(line, SIZE, "normal") for line in label.split("\n"))

    longest = max(labels, key=reach, default="")
    for tick, label in list(zip(axis.set_ticks(places, labels=labels), labels, strict=True))[1:-1]:
        # To measure a label takes as long as to draw it; the others reach no further than these.
        tick.label1.set_in_layout(label == longest)


def rows(figure: Figure, names: Iterable[object], header: bool = False, pad: float = 4) -> Axes:
    """Make axes with one named row each, top to bottom, and no scale of their own.

    The names end `pad` points before the axes.
    """
    axes = figure.subplots()
    written = [name(each) for each in names]
    axes.set_ylim(len(written) - 0.45, -1.3 if header else -0.55)
    axes.yaxis.set_visible(False)
    axes.set_xticks([])
    axes.grid(visible=False)
    axes.spines["bottom"].set_visible(False)
    _column(axes, 0, -pad, enumerate(written), size=10.5)
    return axes


def columns(axes: Axes, *written: tuple[str, Sequence[str], str]) -> None:
    """Write columns of figures right of the rows: a heading, the texts, their weight."""
    right = 6.0
    for heading, texts, weight in written:
        right += 14 + max(width(text, SIZE) for text in [heading, *texts])
        _column(axes, 1, right, [(-0.95, heading)], color=GREY)
        _column(axes, 1, right, enumerate(texts), weight=weight)


def _column(
    axes: Axes,
    side: int,
    right: float,
    texts: Iterable[tuple[float, str]],
    weight: str = "normal",
    **look: Any,
) -> None:
    """Write texts in rows, so that they end `right` points from the left side, 0, or right, 1."""
    offset = ScaledTranslation(right / 72, 0, axes.figure.dpi_scale_trans)
    look |= {"transform": axes.get_yaxis_transform() + offset, "weight": weight}
    texts = [(place, text) for place, text in texts if text]
    reach = max((width(text, SIZE, weight) for _, text in texts), default=0.0)
    for place, text in texts:
        drawn = axes.text(side, place, text, ha="right", va="center_baseline", **look)
        # The layout need not measure those that reach less far.
        drawn.set_in_layout(width(text, SIZE, weight) == reach)


def write_in_row(axes: Axes, place: float, reason: str) -> None:
    """Write in a row's place why it has no mark."""
    axes.text(
        0.01,
        place,
        name(reason, 290),
        transform=axes.get_yaxis_transform(),
        va="center_baseline",
        color=GREY,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
    )


def name_ends(axes: Axes, ends: list[tuple[float, float, list[str], str]]) -> None:
    """Write names and values right of the lines, moved apart where they would overlap.

    A name that stands away from its line's end is joined to it.
    """
    (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
    wanted = np.array([(value - low) / (high - low) for _, value, _, _ in ends])
    sizes = np.array([0.02 + 0.075 * len(words) for _, _, words, _ in ends])
    levels = _apart(wanted, sizes)
    early = np.array([place < right - 0.03 * (right - left) for place, *_ in ends])
    away = early | (np.abs(levels - wanted) > 0.02)
    margin = 1.03 if away.any() else 1.015
    weight = "bold" if len(ends) == 1 else "normal"
    for (_, _, words, colour), level in zip(ends, levels, strict=True):
        axes.text(
            margin,
            level,
            "\n".join(words),
            transform=axes.transAxes,
            va="center",
            color=colour,
            weight=weight,
            linespacing=1.15,
        )
    if away.any():
        starts = [(place - left) / (right - left) for place, *_ in ends]
        leaders = np.array(
            [
                [(start + 0.008, want), (margin - 0.004, level)]
                for start, want, level in zip(starts, wanted, levels, strict=True)
            ]
        )
        colours = np.array([colour for *_, colour in ends])
        look = {"linewidths": 0.7, "clip_on": False, "transform": axes.transAxes, "zorder": 3}
        axes.add_collection(
            LineCollection(leaders[away], colors=colours[away], **look), autolim=False
        )


def _apart(wanted: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Move the middles of labels, between 0 and 1, as far as needed for none to overlap.

    Examples
    --------
    >>> _apart(np.array([0.95, 0.9, 0.1]), np.array([0.2, 0.2, 0.2])).round(2).tolist()
    [1.0, 0.8, 0.1]
    """
    order = np.argsort(wanted, kind="stable")
    moved = wanted[order]
    gaps = (sizes[order][1:] + sizes[order][:-1]) / 2
    for place, gap in enumerate(gaps):
        moved[place + 1] = max(moved[place + 1], moved[place] + gap)
    moved[-1:] = np.minimum(moved[-1:], 1.0)
    for place in reversed(range(len(gaps))):
        moved[place] = min(moved[place], moved[place + 1] - gaps[place])
    found = np.empty_like(moved)
    found[order] = moved
    return found


def ask_for(frame: pd.DataFrame, chart: str, *needed: str) -> None:
    """Refuse a frame that lacks a column."""
    absent = [column for column in needed if column not in frame.columns]
    if absent:
        raise RequestError(
            f"{chart}() needs the columns {', '.join(needed)}; the frame lacks {', '.join(absent)}."
        )
