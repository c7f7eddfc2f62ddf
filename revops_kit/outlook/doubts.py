"""What could make a forecast wrong, as far as the data tell."""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from revops_kit.noted import empty
from revops_kit.outlook.look import Outlook
from revops_kit.outlook.pipeline import Pipeline
from revops_kit.outlook.tested import FEWEST
from revops_kit.units import SHARE, number, plural

RECENT = 12  # periods back in which an outlier or a shift still matters
LATELY = 6  # months back in which a change is one that the past knows little of
LARGEST = 5
HEAVY = 0.3  # of what open deals are expected to bring
APART = 0.15  # of the smaller one


def doubts(outlook: Outlook) -> pd.DataFrame:
    """List what a planner should keep in mind: `doubt`, and `what` the data say of it."""
    if outlook.missing_because:
        return empty(["doubt", "what"], outlook.missing_because)
    found = [*_little_past(outlook), *_unusual_past(outlook), *_changes(outlook)]
    found += [*_apart(outlook), *_guessed(outlook), *_few_deals(outlook)]
    return pd.DataFrame(found, columns=["doubt", "what"])


def _little_past(outlook: Outlook) -> Iterator[tuple[str, str]]:
    """Find intervals that too little measures, or that had to be widened."""
    for name, tested in outlook.tested.items():
        if tested.origins < FEWEST:
            tried = plural(tested.origins, "past forecast")
            yield "little past", f"{name}: {tried}, too few to measure its intervals by"
        elif tested.scale > 1 and name == outlook.hand_name:
            times = number(tested.scale, 1)
            yield "wide intervals", f"{name}: past errors made them {times} times as wide as drawn"


def _unusual_past(outlook: Outlook) -> Iterator[tuple[str, str]]:
    """Find outliers and shifts of level in the periods that weigh most."""
    marked = outlook.past().tail(RECENT)
    for kind, rows in marked[marked["mark"] != ""].groupby("mark"):
        yield kind, f"{', '.join(rows.period)}: not smoothed away"


def _changes(outlook: Outlook) -> Iterator[tuple[str, str]]:
    """Name what RevOps changed lately, or will: the past that is carried on has little of it."""
    tables = outlook.ws.tables
    if not tables.has("changes", "started_on", "name"):
        return
    first = outlook.ahead.periods[0].start - pd.DateOffset(months=LATELY)
    changes = tables.pick("changes", "started_on", "name")
    made = changes.filter(changes.started_on >= first.date()).order_by("started_on")
    for row in made.to_pandas().itertuples():
        yield "a change", f"{row.name} ({row.started_on:%Y-%m-%d}): the past knows little of it yet"


def _apart(outlook: Outlook) -> Iterator[tuple[str, str]]:
    """Say where the two forecasts contradict each other."""
    if outlook.blended is None:
        return
    own, hand = (each.ahead.over(outlook.next).mean() for each in (outlook.series, outlook.in_hand))
    apart = abs(own - hand) / min(own, hand) if min(own, hand) > 0 else np.nan
    if apart > APART:
        yield (
            "two opinions",
            f"its own past says {outlook.money(own)}, {outlook.hand_name} {outlook.money(hand)}",
        )


def _guessed(outlook: Outlook) -> Iterator[tuple[str, str]]:
    """Count the open deals without an amount."""
    if not _has_pipeline(outlook):
        return
    without = int(outlook.in_hand.waiting.is_guessed.sum())
    if without:
        yield (
            "no amount",
            f"{plural(without, 'open deal')} without one: taken to be worth what won deals came to",
        )


def _few_deals(outlook: Outlook) -> Iterator[tuple[str, str]]:
    """Say whether a few deals carry much of what is open."""
    if not _has_pipeline(outlook):
        return
    expected = outlook.in_hand.deals(len(outlook.in_hand.waiting)).expected
    share = expected.head(LARGEST).sum() / expected.sum() if expected.sum() else 0.0
    if share > HEAVY and len(expected) > LARGEST:
        yield (
            "concentration",
            f"{SHARE.write(share)} of what open deals should bring hangs on {LARGEST} of them",
        )


def _has_pipeline(outlook: Outlook) -> bool:
    return isinstance(outlook.in_hand, Pipeline) and not outlook.in_hand.missing_because
