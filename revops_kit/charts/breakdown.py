"""Where does it differ? A figure by segment."""

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from revops_kit.charts import page
from revops_kit.charts.chart import BLUE, GREY, INK, Chart, style
from revops_kit.units import SHARE, number
from revops_kit.wording import in_words

if TYPE_CHECKING:
    from revops_kit.kpi import Result

SHOWN = 15  # segments that are shown
AMOUNTS = {"money", "money per day", "count"}  # units whose bars begin at zero
TOLD = 160  # letters of notes that are read beside a picture; longer ones stand with its numbers


@style()
def breakdown(result: "Result", whole: float | None = None) -> Chart:
    """Draw a figure's segments by size, with intervals and what they count.

    Money and counts are bars from zero, all else dots. Of several periods the last is drawn. A
    segment without a value stands at the foot with its reason; of more than fifteen segments those
    with the largest `n` are shown and the rest are counted in a note. Which shares differ from the
    rest by more than chance is said beneath.

    Parameters
    ----------
    result
        A KPI split by a column.
    whole
        The figure over all segments, drawn as a line for comparison, or told where that lies far
        beyond them; the parts of a sum are written as shares of it.
    """
    kpi, by = result.kpi, result.by
    write = partial(page.write, kpi.unit, currency=result.currency)
    frame = page.measured(result.frame).sort_values("start", kind="stable", na_position="first")
    period = frame["period"].iloc[-1] if len(frame) else ""
    frame, hidden = page.largest(frame[frame["period"] == period], by, SHOWN)
    frame = frame.sort_values("value", ascending=False, kind="stable", na_position="last")
    split = f" by {page.clean(by, 24)}" if by else ""
    title = f"{kpi.title}{split}{f', {in_words(period)}' if period else ''}"
    shown = [*filter(None, ["period", by]), "value", "low", "high", "n", "missing_because", "note"]
    data = frame[shown].dropna(axis="columns", how="all").reset_index(drop=True)
    if result.missing_because or not len(frame):
        reason = result.missing_because or "There are no segments to draw."
        return page.nothing(title, page.caption(kpi), reason, data)

    names = frame[by].tolist() if by else ["all"] * len(frame)
    values, low, high = (frame[column].to_numpy() for column in ("value", "low", "high"))
    reasons = [
        page.clean(in_words(str(reason or "no reason is given")), 120)
        for reason in frame["missing_because"]
    ]
    bars, adds_up = kpi.unit.name in AMOUNTS, kpi.summary.is_sum
    # A line far beyond the bars would press them flat.
    is_far = bars and whole is not None and whole > 1.5 * np.nanmax([*values, 0.0])
    line = None if adds_up or is_far else whole
    compared = [*values, *([0.0] if bars else []), *([] if line is None else [line])]
    scale = page.scale(kpi.unit, result.currency, compared, [*low, *high], most=4)
    told = [
        f"{page.clean(each)}: {page.clean(note, TOLD).rstrip('.')}."
        for each, note in zip(names, frame["note"], strict=True)
        if isinstance(note, str) and note
    ]
    differing = ", ".join(
        f"{page.clean(each)} {how}" for each, how in result.differing().items() if each in names
    )
    notes = [
        f"{period} is partial, with data to {result.as_of}." if frame["is_partial"].any() else "",
        f"Beyond chance: {differing}." if differing else "",
        f"The whole is {write(whole)}." if is_far and not adds_up else "",
        *(told if len(" ".join(told)) <= TOLD else ["Remarks on segments stand with the numbers."]),
        scale.note,
        hidden,
    ]
    figure = page.Sheet(title, page.caption(kpi), 0.3 * len(frame) + 0.75, notes)
    # A dot on the edge is still drawn whole, and leaves the name beside it free.
    axes = page.rows(figure, names, header=True, pad=4 if bars else 9)
    places = np.arange(len(frame))
    if bars:
        axes.barh(places, values, height=0.62, color=BLUE)
    axes.hlines(places, low, high, color=INK if bars else BLUE, linewidth=1.6)
    if not bars:
        axes.plot(values, places, "o", color=BLUE, markersize=8, clip_on=False)
    for place in np.flatnonzero(np.isnan(values)):
        page.write_in_row(axes, place, reasons[place])
    if line is not None:
        axes.axvline(line, ymax=0.97, color=GREY, linewidth=1.2, linestyle=":", zorder=0.9)
        # Beyond the middle it would run into the headings of the columns.
        is_left = line > (scale.low + scale.high) / 2
        words, side = f" whole {write(line)} ", "right" if is_left else "left"
        axes.text(line, -0.95, words, va="center_baseline", ha=side, color=GREY)
    if not np.isnan(values).all():
        axes.grid(axis="x")
        scale.apply_to(axes.xaxis)
    heading, beside = kpi.counts, [number(n) for n in frame["n"]]
    if adds_up and whole:
        heading, beside = "of the whole", [SHARE.write(value / whole) for value in values]
    # A reason stands where a value would.
    written = ["" if math.isnan(value) else write(value) for value in values]
    page.columns(axes, ("", written, "bold"), (heading, beside, "normal"))
    readings = [
        f"{page.clean(each)} {f'no value: {reason}' if math.isnan(value) else write(value)}"
        f" (n {number(n)})"
        for each, value, reason, n in zip(names, values, reasons, frame["n"], strict=True)
    ]
    against = "" if whole is None else f" The whole is {write(whole)}."
    alt = f"{page.clean(title, 60)}: {', '.join(readings)}.{against} {hidden}".rstrip()
    return Chart(figure, alt, data)
