"""Where do they drop out? A count at each step."""

import math

import numpy as np
import pandas as pd

from revops_kit.charts import page
from revops_kit.charts.chart import BLUE, Chart, style
from revops_kit.units import COUNT, SHARE


@style()
def funnel(steps: pd.DataFrame, title: str = "Funnel", question: str = "") -> Chart:
    r"""Draw how many reach each step, as a share of the step before and of the first.

    Parameters
    ----------
    steps
        One row a step, in order: `step` (its name) and `count`.
    title, question
        Written above the picture.

    Examples
    --------
    >>> funnel(pd.DataFrame({"step": ["Leads", "Deals", "Won"], "count": [200, 50, 20]})).alt
    'Funnel: Leads 200, Deals 50 (25.0\u202f% of the step before), Won 20 (40.0\u202f% of the step
    before). 10.0\u202f% of the first step reach the last.'
    """
    page.ask_for(steps, "funnel", "step", "count")
    data = pd.DataFrame({"step": steps["step"].to_numpy(), "count": page.floats(steps["count"])})
    count = data["count"].where(data["count"] != 0)
    data["of_previous"] = data["count"] / count.shift()
    data["of_first"] = (data["count"] / count.iloc[:1].sum(min_count=1)).where(data.index > 0)
    if len(data) > page.STEPS:
        return page.nothing(title, question, f"{len(data)} steps are too many to draw.", data)
    if data["count"].isna().all():
        return page.nothing(title, question, "There are no counts to draw.", data)

    counts = [page.write(COUNT, count) for count in data["count"]]
    of_previous = [page.write(SHARE, share) for share in data["of_previous"]]
    of_first = [page.write(SHARE, share) for share in data["of_first"]]
    figure = page.Sheet(title, question, 0.38 * len(data) + 0.4)
    axes = page.rows(figure, data["step"], header=True)
    axes.barh(data.index, data["count"], height=0.72, color=BLUE)
    axes.set_xlim(min(data["count"].min(), 0), max(data["count"].max(), 0) or 1)
    for place in np.flatnonzero(data["count"].isna()):
        page.write_in_row(axes, place, "no value")
    page.columns(
        axes,
        ("", counts, "bold"),
        ("of previous", ["", *of_previous[1:]], "normal"),
        ("of first", ["", *of_first[1:]], "normal"),
    )
    told = [
        f"{page.clean(step)} {count}" + (f" ({share} of the step before)" if place else "")
        for place, (step, count, share) in enumerate(
            zip(data["step"], counts, of_previous, strict=True)
        )
    ]
    reach = data["of_first"].iloc[-1]
    end = "" if math.isnan(reach) else f" {of_first[-1]} of the first step reach the last."
    return Chart(figure, f"{page.clean(title, 60)}: {', '.join(told)}.{end}", data)
