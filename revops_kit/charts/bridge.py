"""What changed it? From a start through its changes to an end."""

import math

import numpy as np
import pandas as pd

from revops_kit.bridges import Bridge
from revops_kit.charts import page
from revops_kit.charts.chart import BLUE, GREY, VERMILION, Chart, style
from revops_kit.errors import RequestError
from revops_kit.units import COUNT, Unit


@style()
def bridge(
    steps: Bridge | pd.DataFrame,
    unit: Unit | None = None,
    currency: str = "USD",
    title: str = "",
    question: str = "",
) -> Chart:
    """Draw how a start became an end: every change hangs where the one before it stopped.

    What the changes leave unexplained at the totals is the residual, which is written beneath.

    Parameters
    ----------
    steps
        A `Bridge`; or a frame of one's own, one row a step, in order: `step` (its name), `amount`,
        and `kind`: "total" for a level reached, "change" for what is added to it or, with a minus,
        taken away.
    unit, currency
        How amounts are written; a `Bridge` knows.
    title, question
        Written above the picture; those of the `Bridge` when left out.

    Examples
    --------
    >>> from revops_kit.units import MONEY
    >>> steps = pd.DataFrame({
    ...     "step": ["January", "New", "Churn", "February"],
    ...     "amount": [100, 30, -10, 120],
    ...     "kind": ["total", "change", "change", "total"],
    ... })
    >>> bridge(steps, MONEY).alt
    'Bridge: January $100, New +$30, Churn −$10, February $120. The steps add up: residual $0.'
    """
    if isinstance(steps, Bridge):
        unit, currency = steps.unit, steps.currency
        title, question = title or steps.title, question or steps.question
        if steps.missing_because:
            return page.nothing(title, question, steps.missing_because, steps.frame)
        steps = steps.frame
    title, unit = title or "Bridge", unit or COUNT
    page.ask_for(steps, "bridge", "step", "amount", "kind")
    if not set(steps["kind"]) <= {"total", "change"}:
        raise RequestError("bridge() knows the kinds 'total' and 'change'; mend the column `kind`.")
    amounts, is_total = page.floats(steps["amount"]), (steps["kind"] == "total").to_numpy()
    before, after, residual = _levels(amounts, is_total)
    data = steps[["step", "kind"]].assign(amount=amounts, before=before, after=after)
    data = data.reset_index(drop=True)
    if len(data) > page.STEPS:
        return page.nothing(title, question, f"{len(data)} steps are too many to draw.", data)
    if np.isnan(amounts).all():
        return page.nothing(title, question, "There are no amounts to draw.", data)

    written = [
        page.write(unit, amount, currency, change=not total)
        for amount, total in zip(amounts, is_total, strict=True)
    ]
    closes = abs(residual) <= (0.01 if unit.name.startswith("money") else 1e-9)
    notes = [
        f"The steps {'add up' if closes else 'do not add up'}: residual "
        f"{page.write(unit, residual, currency)}."
    ]
    low, high = after.min(), after.max()
    foot = min(low, 0.0)
    if 0 < high - low < low / 4:
        # Seen from zero, changes so small beside the totals would be slivers.
        foot = low - (high - low) / 2
        notes.append(f"The bars start at {page.write(unit, foot, currency)}, not at zero.")
    figure = page.Sheet(title, question, 0.36 * len(data) + 0.15, notes)
    axes = page.rows(figure, data["step"])
    places = np.arange(len(data))
    base = np.where(is_total, max(foot, 0.0), before)
    colours = np.where(is_total, GREY, np.where(amounts < 0, VERMILION, BLUE))
    axes.barh(places, after - base, left=base, height=0.66, color=colours)
    axes.vlines(after[:-1], places[:-1], places[1:], color=GREY, linewidth=0.8, zorder=0.9)
    axes.set_xlim(foot, max(high, 0.0) if high > foot else foot + 1)
    if foot < 0:
        axes.axvline(0, color=GREY, linewidth=0.8)
    for place in np.flatnonzero(np.isnan(amounts)):
        page.write_in_row(axes, place, "no value")
    page.columns(axes, ("", written, "bold"))
    told = ", ".join(
        f"{page.clean(step)} {text}" for step, text in zip(data["step"], written, strict=True)
    )
    return Chart(figure, " ".join([f"{page.clean(title, 60)}: {told}.", *notes]), data)


def _levels(amounts: np.ndarray, is_total: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Find the level before and after each step, and what the changes leave unexplained.

    Examples
    --------
    >>> amounts, is_total = np.array([10.0, 5.0, 14.0]), np.array([True, False, True])
    >>> before, after, residual = _levels(amounts, is_total)
    >>> before.tolist(), after.tolist(), residual
    ([0.0, 10.0, 0.0], [10.0, 15.0, 14.0], -1.0)
    """
    before, after, level, residual = [], [], 0.0, 0.0
    for place, (amount, total) in enumerate(zip(amounts, is_total, strict=True)):
        if math.isnan(amount):
            before.append(level)
        elif total:
            residual += amount - level if place else 0.0
            before.append(0.0)
            level = amount
        else:
            before.append(level)
            level += amount
        after.append(level)
    # Adding up floats leaves crumbs, which are no residual.
    crumbs = 1e-9 * np.abs(after).max(initial=0.0)
    return np.array(before), np.array(after), float(residual) if abs(residual) > crumbs else 0.0
