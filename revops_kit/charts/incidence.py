"""How long does it take, and does it happen? Shares that have ended, by age."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from revops_kit.charts import page
from revops_kit.charts.chart import GREY, MARKS, Chart, style
from revops_kit.units import SHARE, plural

if TYPE_CHECKING:
    from revops_kit.journeys import Incidence
    from revops_kit.stats.survival import Curve

COLUMNS = ["day", "at_risk", "estimate", "low", "high"]


@style()
def incidence(journey: "Incidence") -> Chart:
    r"""Draw the share that has ended by each age, with its interval as a band.

    The whole shows both ways to end; split by a column, each segment shows the way hoped for. Of
    more than four segments the largest are shown, and the rest are counted in a note. A line ends
    where nobody older has been seen.

    Examples
    --------
    >>> from revops_kit import journeys
    >>> from revops_kit.samples import Company, tiny
    >>> incidence(journeys.incidence(Company(tiny(as_of="2026-09-30")), "2026")).alt
    'From start to decision, 5 deals: won 53.3\u202f% by day 52; lost 46.7\u202f% by
    day 52.'
    """
    title = f"{journey.title} by {page.clean(journey.by)}" if journey.by else journey.title
    key = journey.by or "event"
    if journey.missing_because:
        data = pd.DataFrame(columns=[key, *COLUMNS])
        return page.nothing(title, journey.question, journey.missing_because, data)
    lines, hidden = _lines(journey)
    data = pd.concat([curve.frame[COLUMNS].assign(**{key: name}) for name, curve in lines.items()])
    data = data[[key, *COLUMNS]].reset_index(drop=True)
    last = max(float(curve.day[-1]) for curve in lines.values()) or 1.0
    scale = page.scale(SHARE, "", data["estimate"], [*data["low"], *data["high"]])
    is_open = int(journey.counts["count"][journey.counts.event == ""].sum())
    notes = [
        f"Days since the start. {plural(is_open, journey.noun)} still open: each counts for as "
        "long as it has been so."
        if is_open
        else "Days since the start.",
        scale.note,
        hidden,
    ]
    figure = page.Sheet(title, journey.question, 3.0, notes)
    axes = figure.subplots()
    ends = []
    shade = 0.13 if len(lines) <= 2 else 0.07
    for (name, curve), (colour, _) in zip(lines.items(), MARKS, strict=False):
        draw_curve(axes, name, curve, colour, shade)
        share = float(curve.estimate[-1])
        ends.append((float(curve.day[-1]), share, [page.name(name), SHARE.write(share)], colour))
    scale.apply_to(axes.yaxis)
    axes.set_xlim(0, last)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=8, steps=[1, 2, 3, 5, 6, 10], integer=True))
    axes.set_xlabel("days", loc="right", color=GREY)
    page.name_ends(axes, ends)
    told = "; ".join(
        f"{page.clean(name)} {SHARE.write(float(curve.estimate[-1]))} by day {curve.day[-1]:.0f}"
        for name, curve in lines.items()
    )
    count = plural(int(journey.counts["count"].sum()), journey.noun)
    return Chart(figure, f"{page.clean(title, 60)}, {count}: {told}.", data)


def _lines(journey: "Incidence") -> tuple[dict[str, "Curve"], str]:
    """Choose what to draw: both ends of the whole, or the one hoped for of each segment."""
    if not journey.by:
        return journey.whole, ""
    sizes = journey.counts.groupby("segment")["count"].sum()
    sizes = sizes.sort_values(ascending=False, kind="stable")
    rest = sizes.iloc[len(MARKS) :]
    count = plural(int(rest.sum()), journey.noun)
    hidden = f"{plural(len(rest), 'smaller segment')} ({count}) not shown."
    lines = {
        segment: journey.curves[segment][journey.event] for segment in sizes.index[: len(MARKS)]
    }
    return lines, hidden if len(rest) else ""


def draw_curve(
    axes: Axes, name: str, curve: "Curve", colour: str, shade: float, per: float = 1.0
) -> None:
    """Draw one curve from day 0 on, as the steps it is made of; `per` days are 1 on the axis."""
    day = np.append(0.0, curve.day) / per
    share, low, high = (
        np.append(curve.start, ends) for ends in (curve.estimate, curve.low, curve.high)
    )
    # Where nothing has ended yet, or all has, there is no interval to draw.
    low, high = np.where(np.isnan(low), share, low), np.where(np.isnan(high), share, high)
    axes.fill_between(day, low, high, step="post", color=colour, alpha=shade, linewidth=0)
    axes.step(day, share, where="post", color=colour, clip_on=False, label=name)
