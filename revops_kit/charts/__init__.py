"""Charts, one per question, one file each.

    trend       how did it move?        breakdown   where does it differ?
    funnel      where do they drop out? bridge      what changed it?
    cohorts     who stays?              incidence   how long does it take, and does it happen?
    survival    how long do they stay?  holdout     does the model hold?
    fan         what lies ahead?        moved       how was it foreseen?

Each takes a Result or a small frame and returns a `Chart`: the picture, its words, its numbers.
"""

from revops_kit.charts.breakdown import breakdown
from revops_kit.charts.bridge import bridge
from revops_kit.charts.chart import Chart
from revops_kit.charts.cohorts import cohorts
from revops_kit.charts.fan import fan, moved
from revops_kit.charts.funnel import funnel
from revops_kit.charts.holdout import holdout
from revops_kit.charts.incidence import incidence
from revops_kit.charts.survival import survival
from revops_kit.charts.trend import trend

__all__ = [
    "Chart",
    "breakdown",
    "bridge",
    "cohorts",
    "fan",
    "funnel",
    "holdout",
    "incidence",
    "moved",
    "survival",
    "trend",
]
