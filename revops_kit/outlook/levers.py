"""What would have to be true, and what if: changes that run through the pipeline."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd

from revops_kit.noted import empty
from revops_kit.outlook.ahead import spread
from revops_kit.outlook.drawing import Scenario
from revops_kit.outlook.look import Outlook
from revops_kit.outlook.pipeline import Pipeline

LEVERS = {
    "win_rate": ("a higher chance to win", 1.0),
    "amount": ("larger deals", 1.0),
    "volume": ("more new deals", 1.0),
    "cycle": ("a shorter cycle", -0.5),
}
"""What can be changed: in words, and how far at most."""


def what_if(outlook: Outlook, scenario: Scenario) -> pd.DataFrame:
    """Give the quarter that ends next as it is, and as a scenario has it.

    The scenario runs through the pipeline, and moves the forecast to go by in proportion.

    Returns
    -------
    DataFrame
        Two rows, or none where there is no pipeline: `case`, `mean`, `low_80`, `high_80` and
        `chance`, of reaching the target; missing where there is none.
    """
    columns = ["case", "mean", "low_80", "high_80", "chance"]
    if not isinstance(outlook.in_hand, Pipeline) or outlook.in_hand.missing_because:
        return empty(columns, "there is no pipeline for a scenario to run through")
    moved = outlook.in_hand.moved_by(scenario)
    changed = replace(outlook.ahead, draws=outlook.ahead.draws * moved)
    cases = {"as it is": outlook.ahead, str(scenario): changed}
    drawn = np.column_stack([ahead.over(outlook.next) for ahead in cases.values()])
    aim = outlook.target(outlook.next)
    chance = np.full(len(cases), np.nan) if np.isnan(aim) else (drawn >= aim).mean(axis=0)
    return pd.DataFrame({"case": list(cases)} | spread(drawn) | {"chance": chance})[columns]


def needed(outlook: Outlook) -> pd.DataFrame:
    """Say what would have to be true for the quarter that ends next to reach its target.

    Reached is a target when what is expected reaches it, which is about as likely as not.

    Returns
    -------
    DataFrame
        A row per lever, each pulled alone: `lever` and `change` (relative: 0.1 is a tenth more),
        missing where even doubling it, or halving the cycle, is not enough. Of no rows where
        there is no target, or no pipeline.
    """
    aim = np.nan if outlook.missing_because else outlook.target(outlook.next)
    has_pipeline = isinstance(outlook.in_hand, Pipeline) and not outlook.in_hand.missing_because
    if np.isnan(aim) or not has_pipeline:
        return empty(["lever", "change"], "it needs a target, and a pipeline to reach it by")
    means, span = outlook.ahead.draws.mean(axis=0, keepdims=True), outlook.next

    def short(lever: str, change: float) -> float:
        moved = outlook.in_hand.moved_by(Scenario(**{lever: change}))
        return float(replace(outlook.ahead, draws=means * moved).over(span)[0]) - aim

    found = [
        (words, _least(partial(short, lever), most)) for lever, (words, most) in LEVERS.items()
    ]
    return pd.DataFrame(found, columns=["lever", "change"])


def _least(short: Callable[[float], float], most: float) -> float:
    """Find the smallest change, from none to the most, by which nothing falls short."""
    if short(0.0) >= 0:
        return 0.0
    if short(most) < 0:
        return np.nan
    low, high = 0.0, most
    for _ in range(12):
        middle = (low + high) / 2
        low, high = (low, middle) if short(middle) >= 0 else (middle, high)
    return high
