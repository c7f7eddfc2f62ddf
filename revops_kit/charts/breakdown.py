"""Where does it differ? A figure by segment."""

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from revops_kit.charts import page
from revops_kit.charts.chart import BLUE, GREY, INK, Chart, style
from revops_kit.units import number

if TYPE_CHECKING:
    from revops_kit.kpi import Result

SHOWN = 15  # segments that are shown
SUMS = {"money", "money per day", "count"}  # units whose bars begin at zero


@style()
def breakdown(result: "Result", whole: float | None = None) -> Chart:
    """Draw a figure's segments by size, with intervals and `n`.

    Money and counts are bars from zero, all else dots. Of several periods the last is drawn. A
    segment without a value stands at the foot with its reason; of more than fifteen segments those
    with the largest `n` are shown and the rest are counted in a note.

    Parameters
    ----------
    result
        A KPI split by a column.
    whole
        The figure over all segments, drawn as a line for comparison.
    """
    kpi, by = result.kpi, result.by
    write = partial(page.write, kpi.unit, currency=result.currency)
    frame = page.measured(result.frame).sort_values("start", kind="stable", na_position="first")
    period = frame["period"].iloc[-1] if len(frame) else ""
    frame, hidden = page.largest(frame[frame["period"] == period], by, SHOWN)
    frame = frame.sort_values("value", ascending=False, kind="stable", na_position="last")
    split = f" by {page.clean(by, 24)}" if by else ""
    title = f"{kpi.title}{split}{f', {period}' if period else ''}"
    shown = [*filter(None, ["period", by]), "value", "low", "high", "n", "missing_because"]
    data = frame[shown].reset_index(drop=True)
    if result.missing_because or not len(frame):
        reason = result.missing_because or "There are no segments to draw."
        return page.nothing(title, page.caption(kpi), reason, data)

    names = frame[by].tolist() if by else ["all"] * len(frame)
    values, low, high = (frame[column].to_numpy() for column in ("value", "low", "high"))
    reasons = [
        page.clean(reason or "no reason is given", 120) for reason in frame["missing_because"]
    ]
    bars = kpi.unit.name in SUMS
    compared = [*values, *([0.0] if bars else []), *([] if whole is None else [whole])]
    scale = page.scale(kpi.unit, result.currency, compared, [*low, *high], most=4)
    told = [
        f"{page.clean(each)}: {page.clean(note, 120).rstrip('.')}."
        for each, note in zip(names, frame["note"], strict=True)
        if isinstance(note, str) and note
    ]
    notes = [
        f"{period} is partial, with data to {result.as_of}." if frame["is_partial"].any() else "",
        *told,
        scale.note,
        hidden,
    ]
    figure = page.Sheet(title, page.caption(kpi), 0.3 * len(frame) + 0.75, notes)
    axes = page.rows(figure, names, header=True)
    places = np.arange(len(frame))
    if bars:
        axes.barh(places, values, height=0.62, color=BLUE)
    axes.hlines(places, low, high, color=INK if bars else BLUE, linewidth=1.6)
    if not bars:
        axes.plot(values, places, "o", color=BLUE, markersize=8)
    for place in np.flatnonzero(np.isnan(values)):
        page.write_in_row(axes, place, reasons[place])
    if whole is not None:
        axes.axvline(whole, ymax=0.97, color=GREY, linewidth=1.2, linestyle=":", zorder=0.9)
        axes.text(whole, -0.95, f" whole {write(whole)}", va="center_baseline", color=GREY)
    if not np.isnan(values).all():
        axes.grid(axis="x")
        scale.apply_to(axes.xaxis)
    page.columns(
        axes,
        ("", [write(value) for value in values], "bold"),
        ("n", [number(n) for n in frame["n"]], "normal"),
    )
    readings = [
        f"{page.clean(each)} {f'no value: {reason}' if math.isnan(value) else write(value)}"
        f" (n {number(n)})"
        for each, value, reason, n in zip(names, values, reasons, frame["n"], strict=True)
    ]
    against = "" if whole is None else f" The whole is {write(whole)}."
    alt = f"{page.clean(title, 60)}: {', '.join(readings)}.{against} {hidden}".rstrip()
    return Chart(figure, alt, data)
