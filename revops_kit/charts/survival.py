"""How long do they stay? Shares that are still there, by months since joining."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd
from matplotlib.ticker import MultipleLocator

from revops_kit.charts import page
from revops_kit.charts.chart import GREY, MARKS, Chart, style
from revops_kit.charts.incidence import draw_curve
from revops_kit.units import SHARE, number, plural

if TYPE_CHECKING:
    from revops_kit.stats.survival import Curve

COLUMNS = ["month", "at_risk", "estimate", "low", "high"]


@style()
def survival(
    curves: Mapping[str, "Curve"],
    model: pd.Series | None = None,
    *,
    title: str,
    question: str,
    per_month: float = 1.0,
    missing_because: str = "",
) -> Chart:
    r"""Draw the share still there by each age, with its interval as a band.

    Of more than four curves the largest are shown, and the rest are counted in a note. A line ends
    where nobody older has been seen.

    Parameters
    ----------
    curves
        Name → Kaplan and Meier's curve; a single one may be called `""`.
    model
        What a model has, by month: drawn dashed, as far as it goes.
    per_month
        How many of the curves' units of time a month has: 365.25 / 12 where they are days.
    missing_because
        Why there is nothing to draw; empty when there is.

    Examples
    --------
    >>> from revops_kit.stats.survival import kaplan_meier
    >>> curve = kaplan_meier([1, 2, 3, 4], [True, False, True, False])
    >>> survival({"": curve}, title="Who stays", question="By months since joining").alt
    'Who stays: 37.5\u202f% are still there after 4 months.'
    """
    if missing_because:
        return page.nothing(
            title, question, missing_because, pd.DataFrame(columns=["curve", *COLUMNS])
        )
    sizes = {name: int((curve.events + curve.censored).sum()) for name, curve in curves.items()}
    order = sorted(sizes, key=lambda name: -sizes[name])
    lines = {name: curves[name] for name in order[: len(MARKS)]}
    rest = order[len(MARKS) :]
    data = pd.concat(
        [
            curve.frame.assign(curve=name, month=curve.day / per_month)[["curve", *COLUMNS]]
            for name, curve in lines.items()
        ],
        ignore_index=True,
    )
    drawn = [*data.estimate, *([] if model is None else model)]
    scale = page.scale(SHARE, "", [0.0, 1.0, *drawn], [*data.low, *data.high])
    notes = [
        scale.note,
        f"{plural(len(rest), 'smaller segment')} "
        f"(n {number(sum(sizes[name] for name in rest))}) not shown."
        if rest
        else "",
        "Dashed: the model." if model is not None else "",
    ]
    figure = page.Sheet(title, question, 3.0, notes)
    axes = figure.subplots()
    ends, told = [], []
    for (name, curve), (colour, _) in zip(lines.items(), MARKS, strict=False):
        draw_curve(axes, name, curve, colour, 0.13 if len(lines) <= 2 else 0.07, per_month)
        month, share = float(curve.day[-1]) / per_month, float(curve.estimate[-1])
        words = [page.name(name)] if name else []
        ends.append((month, share, [*words, SHARE.write(share)], colour))
        who = f"of {page.clean(name)} " if name else ""
        told.append(f"{who}{SHARE.write(share)} are still there after {month:.0f} months")
    last = max(month for month, *_ in ends)
    if model is not None:
        axes.plot(model.index, model, color=GREY, linewidth=1.4, linestyle="--", label="model")
        month, share = float(model.index[-1]), float(model.iloc[-1])
        ends.append((month, share, ["model", SHARE.write(share)], GREY))
        told.append(f"the model has {SHARE.write(share)} after {month:.0f}")
        last = max(last, month)
    scale.apply_to(axes.yaxis)
    axes.set_xlim(0, last or 1.0)
    step = next((each for each in (1, 2, 3, 6, 12, 24) if last <= 8 * each), 60)
    axes.xaxis.set_major_locator(MultipleLocator(step))
    axes.set_xlabel("months", loc="right", color=GREY)
    page.name_ends(axes, ends)
    return Chart(figure, f"{page.clean(title, 60)}: {'; '.join(told)}.", data)
