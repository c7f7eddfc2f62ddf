"""Does the model hold? What came after a cut, against what was expected."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from revops_kit.charts import page
from revops_kit.charts.chart import BLUE, GREY, Chart, style
from revops_kit.units import COUNT, Unit, plural

if TYPE_CHECKING:
    from revops_kit.holdout import Holdout

QUESTION = "What came after the cut, and what did a model expect that had not seen it?"
COLUMNS = ["by", "at", "actual", "low", "high", "expected"]
LINES = {
    "actual": {"color": BLUE, "marker": "o"},
    "expected": {"color": GREY, "marker": "o", "markerfacecolor": "white", "linestyle": "--"},
}


@style()
def holdout(check: "Holdout") -> Chart:
    """Draw actual against expected: over time, and by the history before the cut.

    Examples
    --------
    >>> import pandas as pd
    >>> from revops_kit.holdout import Holdout
    >>> from revops_kit.units import SHARE
    >>> over_time = pd.DataFrame({"after": [0, 1], "actual": [9, 7], "expected": [9.0, 6.8]})
    >>> by_history = pd.DataFrame(
    ...     {"history": ["0 to 5"], "customers": [9], "actual": [0.78], "low": [0.5],
    ...      "high": [1.0], "expected": [0.75]}
    ... )
    >>> check = Holdout("customers still there", "month", SHARE, over_time, by_history, "", "")
    >>> holdout(check).alt
    'What came, and what was expected. Customers still there, 1 month after the cut: 7; expected 7.'
    """
    title = "What came, and what was expected"
    if check.missing_because:
        return page.nothing(title, QUESTION, check.missing_because, pd.DataFrame(columns=COLUMNS))
    over_time = check.over_time.rename(columns={"after": "at"}).assign(by=f"{check.unit} after")
    by_history = check.by_history.rename(columns={"history": "at"}).assign(by="history")
    data = pd.concat([over_time, by_history], ignore_index=True).reindex(columns=COLUMNS)
    measure = f"{check.measure[0].upper()}{check.measure[1:]}"
    figure = page.Sheet(
        title,
        QUESTION,
        2.7,
        ["Filled: what came, with its interval by history. Hollow, dashed: expected."],
    )
    left, right = figure.subplots(1, 2)
    every = max(1, len(over_time) // 12)
    _draw(left, over_time, over_time["at"].to_numpy(), COUNT, every)
    left.set_title(measure, y=1.0)
    left.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 3, 6, 10], integer=True))
    left.set_xlabel(f"{check.unit}s after the cut", loc="right")
    places = np.arange(len(by_history))
    right.vlines(places, by_history["low"], by_history["high"], color=BLUE, alpha=0.35, linewidth=5)
    _draw(right, by_history, places, check.each, 1)
    right.set_title("On average, by history", y=1.0)
    right.set_xticks(
        places, labels=[page.name(each.replace(" to ", "–"), 50) for each in by_history["at"]]
    )
    right.set_xlabel(check.history, loc="right")
    right.set_xlim(-0.4, len(places) - 0.6)
    end = over_time.iloc[-1]
    span = plural(int(end["at"]), check.unit)
    actual, expected = (COUNT.write(round(end[name])) for name in LINES)
    alt = f"{title}. {measure}, {span} after the cut: {actual}; expected {expected}."
    return Chart(figure, alt, data)


def _draw(axes: Axes, frame: pd.DataFrame, places: np.ndarray, unit: Unit, every: int) -> None:
    for name, look in LINES.items():
        axes.plot(places, page.floats(frame[name]), markevery=every, label=name, **look)
    edges = [*frame.get("low", []), *frame.get("high", [])]
    scale = page.scale(unit, "", [*frame["actual"], *frame["expected"]], edges, most=5)
    scale.apply_to(axes.yaxis)
