"""Who stays? A figure by cohort and age."""

import math
from collections.abc import Callable
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.transforms import ScaledTranslation, blended_transform_factory

from revops_kit.charts import page
from revops_kit.charts.chart import BLUE, INK, SKY, Chart, style
from revops_kit.units import NARROW_SPACE, NO_BREAK_SPACE, SHARE, Unit, percent, plural

WRITTEN = 12  # ages whose values leave room to be written


@style()
def cohorts(
    table: pd.DataFrame,
    unit: Unit,
    currency: str = "USD",
    title: str = "Cohorts",
    question: str = "",
) -> Chart:
    r"""Draw how each cohort fares as it ages, as a map of written values.

    Missing cells, of cohorts too young to tell, are hatched. Of more than forty cohorts the last
    are shown and the rest are counted in a note.

    Parameters
    ----------
    table
        One row a cohort, one column an age; the name of the columns names the ages.
    unit, currency
        How values are written.
    title, question
        Written above the picture.

    Examples
    --------
    >>> from revops_kit.units import SHARE
    >>> kept = pd.DataFrame([[1, 0.8], [1, None]], index=["2026-01", "2026-02"], columns=[0, 1])
    >>> cohorts(kept, SHARE).alt
    'Cohorts: 2 cohorts from January 2026 to February 2026, ages 0 to 1. At age 1, 1 cohort is old
    enough to tell, with 80.0\u202f%.'
    """
    values = np.array([page.floats(row) for row in table.to_numpy(object)], float)
    values = values.reshape(table.shape)[-page.STEPS :]
    data = pd.DataFrame(values, index=table.index[-page.STEPS :], columns=table.columns)
    data.index.name = data.index.name or "cohort"
    if data.shape[1] > 2 * page.STEPS:
        return page.nothing(title, question, f"{data.shape[1]} ages are too many to draw.", data)
    if not np.isfinite(values).any():
        return page.nothing(title, question, "No cohort is old enough to tell.", data)

    # Slower to import than all else here, and needed by no other chart.
    import seaborn as sns

    write = partial(page.write, unit, currency=currency)
    is_written = data.shape[1] <= WRITTEN
    older = len(table) - len(data)
    notes = [
        "Hatched: too young to tell." if np.isnan(values).any() else "",
        f"{plural(older, 'earlier cohort')} not shown." if older else "",
    ]
    figure = page.Sheet(title, question, 0.3 * len(data) + (0.6 if is_written else 1.1), notes)
    axes = figure.subplots()
    # A first age that is 1 by definition would wash out the colours of all others.
    by_definition = len(np.unique(values[:, 0])) == 1 and np.isfinite(values[:, 1:]).any()
    coloured = values[:, 1:] if by_definition else values
    low, high = np.nanmin(coloured), np.nanmax(coloured)
    sns.heatmap(
        pd.DataFrame(values),
        mask=np.isnan(values),
        vmin=low,
        vmax=high if high > low else low + (abs(low) or 1.0),
        cmap=sns.light_palette(SKY if is_written else BLUE, as_cmap=True),
        annot=data.map(partial(_short, unit, write)).to_numpy() if is_written else None,
        fmt="",
        annot_kws={"size": 9.5, "color": INK, "in_layout": False},
        cbar=not is_written,
        cbar_ax=None if is_written else _below(axes),
        cbar_kws={"orientation": "horizontal"},
        linewidths=1 if is_written else 0.4,
        xticklabels=False,
        yticklabels=False,
        ax=axes,
    )
    axes.patch.set(hatch="///")
    marked = range(0, data.shape[1], math.ceil(data.shape[1] / 2 / WRITTEN))
    ages = [page.name(data.columns[age], 40) for age in marked]
    axes.set_xticks([age + 0.5 for age in marked], labels=ages)
    names = [page.name(cohort) for cohort in data.index]
    axes.set_yticks(np.arange(len(data)) + 0.5, labels=names, rotation=0)
    axes.xaxis.tick_top()
    axes.xaxis.set_label_position("top")
    axes.set_xlabel(page.name(data.columns.name or "age", 300), loc="left")
    axes.tick_params(length=0)
    axes.grid(visible=False)
    if not is_written:
        bar = axes.collections[0].colorbar
        ends = bar.mappable.get_clim()
        bar.set_ticks(ends, labels=[write(end) for end in ends])
        bar.outline.set_visible(False)
    age = data.columns[np.flatnonzero(np.isfinite(values).any(axis=0))[-1]]
    oldest = values[:, data.columns.get_loc(age)]
    known = int(np.isfinite(oldest).sum())
    ends = [write(end) for end in np.unique([np.nanmin(oldest), np.nanmax(oldest)])]
    alt = (
        f"{page.clean(title, 60)}: {plural(len(data), 'cohort')} from {page.clean(data.index[0])} "
        f"to {page.clean(data.index[-1])}, ages {page.clean(data.columns[0])} to "
        f"{page.clean(data.columns[-1])}. At age {page.clean(age)}, {plural(known, 'cohort')} "
        f"{'is' if known == 1 else 'are'} old enough to tell, with "
        f"{' to '.join(ends)}."
    )
    return Chart(figure, alt, data)


def _below(axes: Axes) -> Axes:
    """Make room for a key below the axes, as wide as two fifths of them."""
    inches = axes.figure.dpi_scale_trans + ScaledTranslation(0, 0, axes.transAxes)
    place = blended_transform_factory(axes.transAxes, inches)
    return axes.inset_axes((0, -0.25, 0.4, 0.1), transform=place)


def _short(unit: Unit, write: Callable[[float], str], value: float) -> str:
    """Write a value as short as a cell is narrow: shares as whole percents."""
    if unit == SHARE and np.isfinite(value):
        return percent(value).replace(NARROW_SPACE, "").replace(NO_BREAK_SPACE, "")
    return write(value)
