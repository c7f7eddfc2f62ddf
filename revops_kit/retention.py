"""How long customers stay: survival by tenure, of those who could be seen to leave.

A customer who is still there is *censored*: known to stay longer than so far. One who was there
when the watch began enters *late*, at the age of that day: whoever joined as early and left before
is not on record, and taking the others as if they had been seen from the start would make customers
look more faithful than they are.
"""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from revops_kit import recurring
from revops_kit.drivers import within
from revops_kit.errors import StatisticsError
from revops_kit.kpi import Workspace
from revops_kit.kpis import churn
from revops_kit.periods import FIRST_DAY, Periods
from revops_kit.stats.intervals import benjamini_hochberg
from revops_kit.stats.survival import Curve, kaplan_meier, logrank
from revops_kit.tables import BLANK, SEGMENT, Tables
from revops_kit.units import SHARE, number, plural
from revops_kit.wording import Words

DAYS_A_MONTH = 365.25 / 12
AFTER = (3, 6, 12, 24, 36)
COUNTED = ["segment", "days", "entry", "left", "count"]


@dataclass(frozen=True, eq=False)
class Tenure:
    """How long customers stay, by days since they joined.

    Attributes
    ----------
    by
        The column it is split by; empty for the whole.
    counts
        `segment`, `days` (of tenure, up to the last or so far), `entry` (the age from which on
        they were watched, -1 from the start), `left` and `count`.
    watched_from, until
        The first day watched, and the first of which nothing is known.
    notes, missing_because
        What a reader should keep in mind, and why there is nothing to show; empty when there is.
    """

    by: str
    counts: pd.DataFrame
    watched_from: dt.date | None
    until: dt.date | None
    notes: list[str]
    missing_because: str

    @cached_property
    def whole(self) -> Curve:
        """The share that stays longer than so many days, of all together."""
        return _curve(self.counts)

    @cached_property
    def curves(self) -> dict[str, Curve]:
        """The same by segment; without one, it is `""`."""
        return {segment: _curve(part) for segment, part in self._segments()}

    @property
    def shares(self) -> pd.DataFrame:
        """Give the share still there some months after joining.

        Returns
        -------
        DataFrame
            `after` (months), the column split by, `share`, its interval (`low`, `high`) and
            `watched`: how many were watched at that age. Missing beyond the longest tenure.
        """
        found = []
        for segment, curve in self.curves.items():
            for months in AFTER:
                day = int(months * DAYS_A_MONTH)
                low, high, watched = _around(curve, day)
                key = {"after": plural(months, "month")} | ({self.by: segment} if self.by else {})
                found.append(
                    key | {"share": curve.at(day), "low": low, "high": high, "watched": watched}
                )
        key = [self.by] if self.by else []
        return pd.DataFrame(found, columns=["after", *key, "share", "low", "high", "watched"])

    @property
    def medians(self) -> pd.DataFrame:
        """Give the median tenure, and whether segments differ from all others together.

        Returns
        -------
        DataFrame
            The column split by (`of` where there is none), `customers` and how many `left`,
            `median_months` with its interval (`low`, `high`), missing where fewer than half have
            left. Split, also `p` of the log-rank test against all others, corrected after
            Benjamini and Hochberg for how many segments there are, and `differs`: stays longer,
            or shorter, where p is below 0.05.
        """
        found = []
        for segment, part in self._segments():
            curve = self.curves[segment]
            low, high = curve.median_interval
            found.append(
                {
                    self.by or "of": segment or "all customers",
                    "customers": int(part["count"].sum()),
                    "left": int(part["count"][part.left].sum()),
                    "median_months": curve.median / DAYS_A_MONTH,
                    "low": low / DAYS_A_MONTH,
                    "high": high / DAYS_A_MONTH,
                }
            )
        columns = [self.by or "of", "customers", "left", "median_months", "low", "high"]
        made = pd.DataFrame(found, columns=columns)
        if not self.by or len(made) < 2:
            return made
        made["p"] = benjamini_hochberg([self._against_the_rest(each) for each in made[self.by]])
        made["differs"] = [
            f"{self._side(segment)} ({_p(p)})" if p < 0.05 else ""
            for segment, p in zip(made[self.by], made.p, strict=True)
        ]
        return made

    def headline(self) -> Words:
        """Tell in a sentence what share stays a year, and how long half of them stay."""
        if self.missing_because:
            return Words(f"Survival by tenure: {self.missing_because}.")
        curve = self.whole
        said = f"Of {plural(int(self.counts['count'].sum()), 'customer')} watched"
        months = next((each for each in (12, 6, 3) if each * DAYS_A_MONTH <= curve.until), None)
        if months:
            day = int(months * DAYS_A_MONTH)
            low, high, _ = _around(curve, day)
            between = f" ({SHARE.write(low)} to {SHARE.write(high)})" if low == low else ""
            said += f", {SHARE.write(curve.at(day))}{between} stay longer than {months} months"
        if curve.median == curve.median:
            half = number(curve.median / DAYS_A_MONTH, 1)
            return Words(f"{said}; half stay {half} months or less.")
        return Words(f"{said}; fewer than half have left by any age seen, so there is no median.")

    def explain(self) -> Words:
        """Tell how it is counted, and what to keep in mind."""
        return Words("\n".join(f"- {note}" for note in self.notes))

    def _segments(self) -> Iterator[tuple[str, pd.DataFrame]]:
        found = self.counts.groupby("segment", sort=False)
        yield from sorted(found, key=lambda each: (each[0] == BLANK, each[0]))

    def _against_the_rest(self, segment: str) -> float:
        counts = self.counts
        try:
            _, p = logrank(
                counts.days,
                counts.left,
                (counts.segment == segment).to_numpy(),
                counts["count"],
                counts.entry,
            )
        except StatisticsError:  # nobody left while both were there
            return np.nan
        return p

    def _side(self, segment: str) -> str:
        own = self.curves[segment]
        rest = _curve(self.counts[self.counts.segment != segment])
        until = min(own.day[-1], rest.day[-1])
        longer = own.restricted_mean(until) > rest.restricted_mean(until)
        return "stays longer" if longer else "stays shorter"


def tenure(ws: Workspace, periods: str | Periods = "all", by: str = "") -> Tenure:
    """Follow customers from the day they joined until they leave, as seen in a window of time.

    Parameters
    ----------
    periods
        The window in which they are watched. A customer who joined before it enters late, and one
        who left before it is not seen. Nobody could be seen to leave before the first departure on
        record, so the watch begins then at the earliest.
    by
        A column of subscriptions or customers; empty for the whole.

    Notes
    -----
    A customer's tenure goes from the first day paid for to the last, gaps between included, as for
    lifetime value; who has left and come back is there.

    Examples
    --------
    One leaves after 40 days, on the day the watch begins; of the others, one has been there for
    76 days and was 25 days old by then, one joined later and has been there for 31.

    >>> from revops_kit.samples import workspace
    >>> joined = {"A": ("2026-01-01", "2026-02-09"), "B": ("2026-01-15", None),
    ...           "C": ("2026-03-01", None)}
    >>> seen = tenure(workspace({"subscriptions": [
    ...     {"subscription_id": key, "customer_id": key, "started_on": start, "ended_on": end,
    ...      "mrr": 100} for key, (start, end) in joined.items()
    ... ]}, as_of="2026-03-31"))
    >>> seen.counts[["days", "entry", "left"]].values.tolist()
    [[31, -1, False], [40, 39, True], [76, 25, False]]
    >>> seen.whole.at([39, 40]).tolist()
    [1.0, 0.5]
    """
    tables, run = ws.tables.split(by), within(ws, periods)
    empty = pd.DataFrame(columns=COUNTED)
    missing = churn.unavailable(tables)
    if missing:
        return Tenure(by, empty, None, None, [], missing)
    end = min(run.end, run.known_until)
    rows = _tenures(replace(tables, carried=False), end)
    if by and SEGMENT not in rows.columns:
        missing = f"not available by {by}: subscriptions lead to no `{by}`"
        return Tenure(by, empty, None, None, [], missing)
    joined_on = rows.customer_since.cast("date")
    watched_from = ibis.greatest(run.start, rows.first_seen_to_leave)
    age_then = watched_from.delta(joined_on, unit="day")
    rows = rows.select(
        "first_seen_to_leave",
        "left",
        segment=rows[SEGMENT] if by else ibis.literal(""),
        days=rows.until.delta(joined_on, unit="day"),
        entry=(joined_on < watched_from).ifelse(age_then, -1),
    )
    keys = ["segment", "days", "entry", "left"]
    counts = rows.group_by(rows.columns).aggregate(count=rows.count()).order_by(keys).to_pandas()
    first_end = FIRST_DAY if counts.empty else pd.Timestamp(counts.first_seen_to_leave[0]).date()
    began = max(run.start, first_end)
    counts = counts[COUNTED].astype({"days": "int64", "entry": "int64", "left": bool})
    impossible, gone = counts.days <= 0, counts.days <= counts.entry
    seen = counts[~impossible & ~gone].reset_index(drop=True)
    if seen.empty:
        missing = "no customer was there to be watched"
    late = int(seen["count"][seen.entry > 0].sum())
    notes = [
        f"Watched from {began} to {end - dt.timedelta(days=1)}.",
        _counted(late, "joined earlier, and count from the age of that day on"),
        _counted(int(counts["count"][gone & ~impossible].sum()), "had left before: not seen"),
        _counted(int(counts["count"][impossible].sum()), "left before joining, which cannot be"),
        "No earlier departure is on record, so the watch begins with the first."
        if began == first_end
        else "",
        _from_age(seen),
    ]
    return Tenure(by, seen, began, end, [note for note in notes if note], missing)


def _tenures(tables: Tables, end: dt.date) -> ir.Table:
    """Say for each customer known at a moment since when, until when, and whether it has left.

    Returns
    -------
    Table, one row per customer
        `customer_since`, `left`, `until` (the day after the last, or the moment), and the segment
        of the largest subscription, those that still run first. `first_seen_to_leave` is the same
        for all: the first departure on record, or where there is none, the first start.
    """
    moment = ibis.literal(end)
    known = recurring.paying(tables)
    known = known.filter(known.started_on < moment)
    runs = recurring.is_active(known, moment)
    each, everybody = ibis.window(group_by="customer"), ibis.window()
    order = [runs.desc(), known.mrr.desc(), known.subscription_id]
    departure = known.ended_on.min(where=known.ended_on < moment).over(everybody)
    known = known.select(
        *([SEGMENT] if SEGMENT in known.columns else []),
        customer_since=recurring.since(known),
        first_seen_to_leave=ibis.coalesce(departure, known.started_on.min().over(everybody)),
        left=runs.cast("int32").max().over(each) == 0,
        last=known.ended_on.max().over(each),
        rank=ibis.row_number().over(group_by="customer", order_by=order),
    )
    one = known.filter(known["rank"] == 0)
    day_after = (one["last"] + ibis.interval(days=1)).cast("date")
    return one.mutate(until=one.left.ifelse(day_after, moment))


def _p(p: float) -> str:
    return f"p < {number(0.001, 3)}" if p < 0.001 else f"p = {number(p, 3)}"


def _curve(counts: pd.DataFrame) -> Curve:
    return kaplan_meier(counts.days, counts.left, counts["count"], counts.entry)


def _around(curve: Curve, day: int) -> tuple[float, float, int]:
    """Read the interval on a day, and how many were watched at that age."""
    if not day <= curve.until:
        return np.nan, np.nan, 0
    place = np.searchsorted(curve.day, day, side="right") - 1
    watched = int(curve.at_risk[np.searchsorted(curve.day, day) :][:1].sum())
    if place < 0:
        return np.nan, np.nan, watched
    return float(curve.low[place]), float(curve.high[place]), watched


def _counted(count: int, why: str) -> str:
    return f"{plural(count, 'customer')} {why}." if count else ""


def _from_age(seen: pd.DataFrame) -> str:
    """Say from which age on anybody was watched, where that is not the first day."""
    youngest = int(seen.entry.min()) if len(seen) else -1
    if youngest <= 0:
        return ""
    return f"Nobody was watched before day {youngest}: shares are of those who stayed that long."
