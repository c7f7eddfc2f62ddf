"""How long it takes and whether it happens: deals, leads and stages, followed from their start.

What has not ended yet is not left out but *censored*: known to last longer than its age. Days are
counted by the database, in one small table of counts; `stats.survival` does the rest.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from revops_kit import deals
from revops_kit.drivers import within
from revops_kit.kpi import Workspace
from revops_kit.kpis import conversion_rate, sales_cycle
from revops_kit.periods import ONE_DAY, Periods, containing, floor
from revops_kit.stats.intervals import median_from_counts, wilson
from revops_kit.stats.survival import Curve, aalen_johansen
from revops_kit.tables import BLANK, SEGMENT, Tables
from revops_kit.units import DAYS, SHARE, number, percent, plural
from revops_kit.wording import Words

HORIZONS = (30, 60, 90, 180)
COUNTED = ["segment", "cohort", "days", "event", "reached", "count"]
ALIKE = {"segment": "", "cohort": None}  # what counts that are not split have in common
NO_LAST_DAY = "not available: no last day is known, so what is open has no age"
STARTLESS = "without a start: of no known length, and left out"
UNDATED = "decided without a date: of no known length, and left out"
NEGATIVE = "ended before starting, which is impossible: left out"


@dataclass(frozen=True, eq=False)
class Incidence:
    """How those that started have ended, by their age: in the way hoped for, or another.

    Attributes
    ----------
    title, question
        What is followed, in a reader's words.
    noun
        What is counted: deal or lead.
    event, rival
        The end hoped for, and the one that competes with it.
    by
        The column it is split by; empty for the whole.
    periods
        In which they started.
    counts
        `segment`, `cohort` (of deals: the first day of that period), `days`, `event` (empty: still
        open, and `days` its age), `reached` (how many of the horizons its age has reached, however
        it ended) and `count`.
    notes
        What was left out and how much, and what else a reader should know.
    missing_because
        Why there is nothing to show; empty when there is.
    """

    title: str
    question: str
    noun: str
    event: str
    rival: str
    by: str
    periods: Periods
    counts: pd.DataFrame
    notes: list[str]
    missing_because: str

    @cached_property
    def curves(self) -> dict[str, dict[str, Curve]]:
        """Give the cumulative incidence of each end, by segment; without one it is `""`."""
        return {segment: self._curves(part) for segment, part in self._segments()}

    @cached_property
    def whole(self) -> dict[str, Curve]:
        """Give the cumulative incidence of each end, of all segments together."""
        return self._curves(self.counts)

    @property
    def chances(self) -> pd.DataFrame:
        """Give the chance to have ended by day 30, 60, 90 and 180.

        Returns
        -------
        DataFrame
            `by`, the column split by, the share that ended as hoped with its interval (`low`,
            `high`), as the rival did, that is still `open`, and `watched`: how many lasted that
            long and were seen to. Missing beyond the oldest that is open.
        """
        found = []
        for segment, curves in self.curves.items():
            hoped, rival = curves[self.event], curves[self.rival]
            for day in HORIZONS:
                share, low, high, watched = _on(hoped, day)
                other = rival.at(day)
                key = {"by": f"day {day}"} | ({self.by: segment} if self.by else {})
                parts = {self.event: share, "low": low, "high": high, self.rival: other}
                found.append(key | parts | {"open": 1 - share - other, "watched": watched})
        columns = ["by", *self._key, self.event, "low", "high", self.rival, "open", "watched"]
        return pd.DataFrame(found, columns=columns)

    @property
    def medians(self) -> pd.DataFrame:
        """Give the median days among those that will end as hoped, as far as is seen.

        Returns
        -------
        DataFrame
            The column split by (`of` where there is none), how many started, ended in each way
            and are `open`, `median_days`, and `unsettled`: the share that has neither way ended
            when the oldest is seen last. As far as these are won later, the median is too early.
        """
        found = []
        for segment, part in self._segments():
            curves = self.curves[segment]
            ends = part.groupby("event")["count"].sum()
            found.append(
                {
                    self.by or "of": segment or f"all {self.noun}s",
                    f"{self.noun}s": int(part["count"].sum()),
                    self.event: int(ends.get(self.event, 0)),
                    self.rival: int(ends.get(self.rival, 0)),
                    "open": int(ends.get("", 0)),
                    "median_days": curves[self.event].conditional_median,
                    "unsettled": _unsettled(curves),
                }
            )
        counted = [f"{self.noun}s", self.event, self.rival, "open"]
        columns = [self.by or "of", *counted, "median_days", "unsettled"]
        return pd.DataFrame(found, columns=columns)

    @property
    def matured(self) -> pd.DataFrame:
        """Give the share that ended as hoped within 30, 60, 90 and 180 days, of those old enough.

        Returns
        -------
        DataFrame
            `within`, the column split by, `share` with Wilson's interval, `old_enough` and
            `too_young` (how many). Missing where none is old enough.
        """
        found = []
        for segment, part in self._segments():
            for place, day in enumerate(HORIZONS, start=1):
                old = part[part.reached >= place]
                ended = old["count"][(old.event == self.event) & (old.days <= day)].sum()
                trials = old["count"].sum()
                low, high = wilson(ended, trials)
                key = {"within": f"{day} days"} | ({self.by: segment} if self.by else {})
                shares = {"share": ended / trials if trials else np.nan, "low": low, "high": high}
                young = int(part["count"].sum() - trials)
                found.append(key | shares | {"old_enough": int(trials), "too_young": young})
        columns = ["within", *self._key, "share", "low", "high", "old_enough", "too_young"]
        return pd.DataFrame(found, columns=columns)

    def headline(self) -> Words:
        """Tell in a sentence how many end as hoped by the last horizon seen, and when."""
        if self.missing_because:
            return Words(f"{self.title}: {self.missing_because}.")
        hoped = self.whole[self.event]
        said = f"Of {plural(int(self.counts['count'].sum()), self.noun)}"
        day = next((each for each in HORIZONS[::-1] if each <= hoped.until), None)
        if day is not None:
            share, low, high, _ = _on(hoped, day)
            between = f" ({SHARE.write(low)} to {SHARE.write(high)})" if low == low else ""
            said += f", {SHARE.write(share)}{between} are {self.event} by day {day}"
        half = hoped.conditional_median
        if half == half:
            said += f"; of those that will be, as far as is seen, half are by day {number(half)}"
        else:
            said += f"; none is {self.event} yet"
        return Words(f"{said}.")

    def explain(self) -> Words:
        """Tell what was left out and how much, and what to keep in mind."""
        notes = [*self.notes]
        if not self.missing_because and (open_still := _unsettled(self.whole)) >= 0.0005:
            notes.append(
                f"Even of the oldest, {SHARE.write(open_still)} have not ended: as far as these "
                f"are {self.event} later, the median days are too few."
            )
        return Words("\n".join(f"- {note}" for note in notes))

    @property
    def _key(self) -> list[str]:
        return [self.by] if self.by else []

    def _segments(self) -> Iterator[tuple[str, pd.DataFrame]]:
        found = self.counts.groupby("segment", sort=False)
        yield from sorted(found, key=lambda each: (each[0] == BLANK, each[0]))

    def _curves(self, part: pd.DataFrame) -> dict[str, Curve]:
        return _competing(_ended(part, [self.event, self.rival]), [self.event, self.rival])


@dataclass(frozen=True, eq=False)
class Answer:
    """A small frame, with what to say about it.

    Attributes
    ----------
    frame
        The figures; without rows where there are none.
    said
        A sentence or two that carry the point, or why there are no figures.
    notes
        What was left out and how much, and what else a reader should know.
    """

    frame: pd.DataFrame
    said: str
    notes: list[str]

    def headline(self) -> Words:
        """Tell the point in a sentence or two."""
        return Words(self.said)

    def explain(self) -> Words:
        """Tell what was left out and how much, and what to keep in mind."""
        return Words("\n".join(f"- {note}" for note in self.notes))


def incidence(ws: Workspace, periods: str | Periods, by: str = "") -> Incidence:
    """Follow the deals whose clock started in a window until they are won or lost.

    The clock starts as the policy `cycle_start` says. A lost deal is not open for ever: losing
    competes with winning. A deal still open counts for as long as it has been.

    Examples
    --------
    Clocks started on July 20 and 30, August 15, and September 1 (lost after 24 days; and one
    still open, 29 days old). The others took 52, 44 (lost) and 36 days.

    >>> from revops_kit.samples import Company, tiny
    >>> followed = incidence(Company(tiny(as_of="2026-09-30")), "2026")
    >>> followed.counts[["days", "event", "count"]].values.tolist()
    [[24, 'lost', 1], [29, '', 1], [36, 'won', 1], [44, 'lost', 1], [52, 'won', 1]]
    >>> round(followed.whole["won"].at(40), 4)
    0.2667
    """
    tables, run = ws.tables.split(by), within(ws, periods)
    counts, notes, missing = _deals(tables, run)
    return Incidence(
        title="From start to decision",
        question="What share of the deals that started is won, and lost, by each day?",
        noun="deal",
        event="won",
        rival="lost",
        by=by,
        periods=run,
        counts=counts,
        notes=notes,
        missing_because=missing,
    )


def conversion_by_age(ws: Workspace, periods: str | Periods, by: str = "") -> Incidence:
    """Follow the leads created in a window until they are customers.

    A lead is a customer from `converted_at` on, or from the day its first deal was won, whichever
    comes first. It is lost on the day the last of its deals was lost, if it had any, none is open
    and none was won: disqualification, as far as the data tell. If it comes back with another
    deal, it is open again. All others are open, and count for as long as they have been.
    """
    tables, run = ws.tables.split(by), within(ws, periods)
    missing = conversion_rate.unavailable(tables)
    counts, notes = pd.DataFrame(columns=COUNTED), []
    if not missing:
        counts, notes, missing = _counted(_leads(tables), tables, run, "lead", "created", False)
        notes.append(
            f"A lead is lost when all its deals are. Known up to {tables.as_of}."
            if tables.has("opportunities", "lead_id")
            else f"No lead is known to be lost, for no deal names one. Known up to {tables.as_of}."
        )
    return Incidence(
        title="From lead to customer",
        question="What share of leads has become customers by each age?",
        noun="lead",
        event="converted",
        rival="lost",
        by=by,
        periods=run,
        counts=counts,
        notes=notes,
        missing_because=missing,
    )


def closed_only_bias(journey: Incidence, mature: float = 0.9) -> Answer:
    """Show how wrong the median of won deals is for cohorts that are still partly open.

    A young cohort's own deals cannot tell what is still to come. So each cohort is followed as far
    as all of it is seen, and from then on taken to go on as the deals of the whole window did.

    Parameters
    ----------
    journey
        As `incidence` gives it. Its cohorts are the periods in which a deal's clock started; of
        `all`, quarters.
    mature
        The share decided from which a cohort's figures are held to be settled.

    Returns
    -------
    Answer
        A row per cohort: `cohort`, `deals`, `open` (share), `closed_only` (median days of those
        won so far), `expected` (median days among those that will be won) and `times`: how many
        times as long that is. It says until which cohort closed-only figures can be trusted.
    """
    run, pool, notes = journey.periods, journey.counts, [*journey.notes]
    columns = ["cohort", "deals", "open", "closed_only", "expected", "times"]
    if missing := journey.missing_because:
        return Answer(pd.DataFrame(columns=columns), f"Closed-only figures: {missing}.", notes)
    kind = "quarter" if run.kind == "all" else run.kind
    days = pd.to_datetime(pool.cohort).dt.date
    cohorts = days.map({day: containing(day, kind, run.calendar) for day in days.unique()})
    ends, found, until = ["won", "lost"], [], ""
    everyone = _ended(pool, ends)
    for period in sorted(set(cohorts), key=lambda period: period.start):
        own = everyone[:, cohorts == period]
        lasted, end, count = own
        is_won, total, is_open = end == 0, int(count.sum()), count[end < 0].sum()
        if 1 - is_open / total >= mature and not run.is_partial(period):
            until = period.label
        naive = np.nan
        if is_won.any():
            naive = median_from_counts(lasted[is_won], count[is_won])[0]
        expected = _competing(_continued(own, everyone), ends)["won"].conditional_median
        times = expected / naive if naive else np.nan
        found.append((period.label, total, is_open / total, naive, expected, times))
    frame = pd.DataFrame(found, columns=columns)
    share = f"{percent(mature)} or more"
    said = f"No whole cohort is mature: of none are {share} decided."
    if until:
        said = f"Mature until {until}: the last whole cohort of which {share} are decided."
    off = frame[frame.times > 1]
    if len(off):
        last = off.iloc[-1]
        said += (
            f" Of {last.cohort}, the deals won so far took {DAYS.write(last.closed_only)}; "
            f"{DAYS.write(last.expected)} are to be expected."
        )
    notes.append("Young cohorts are taken to go on as the deals of the whole window did.")
    unsettled = _unsettled(_competing(everyone, ends))
    if unsettled >= 0.0005:
        notes.append(
            f"Even of the oldest, {SHARE.write(unsettled)} are neither won nor lost: as far as "
            f"these are won later, the days expected are too few."
        )
    return Answer(frame, said, notes)


def _deals(tables: Tables, periods: Periods) -> tuple[pd.DataFrame, list[str], str]:
    """Count the deals whose clock started in the periods."""
    if missing := sales_cycle.unavailable(tables):
        return pd.DataFrame(columns=COUNTED), [], missing
    found = deals.with_cycle(tables, deals.known(tables, "lead_id"))
    rows = found.select(
        *([SEGMENT] if SEGMENT in found.columns else []),
        began=found.cycle_started_on,
        ended=found.closed_at.cast("date"),
        event=(found.outcome == "open").ifelse("", found.outcome),
    )
    counts, notes, missing = _counted(rows, tables, periods, "deal", "started", True)
    policy = f"Policy: cycle_start = {tables.policies.cycle_start}."
    return counts, [*notes, f"{policy} Known up to {tables.as_of}."], missing


def _leads(tables: Tables) -> ir.Table:
    """Say when each lead was created, and when it became a customer or was lost."""
    leads = tables.pick("leads", "lead_id", "created_at", "converted_at")
    split = [SEGMENT] if SEGMENT in leads.columns else []
    won_on, event = leads.converted_at.cast("date"), leads.converted_at.notnull()
    lost_on, is_lost = ibis.null("date"), ibis.literal(False)
    if tables.has("opportunities", "lead_id"):
        found = deals.known(replace(tables, by=""), "lead_id").drop_null("lead_id")
        day = found.closed_at.cast("date")
        ends = found.group_by(_lead="lead_id").aggregate(
            _won=(found.outcome == "won").cast("int32").max(),
            _open=(found.outcome == "open").cast("int32").max(),
            _won_on=day.min(where=found.outcome == "won"),
            _lost_on=day.max(where=found.outcome == "lost"),
        )
        leads = leads.left_join(ends, leads.lead_id == ends._lead)
        is_sooner = won_on.isnull() | (leads._won_on < won_on)
        won_on = is_sooner.ifelse(leads._won_on, won_on)
        event = event | (leads._won == 1)
        lost_on, is_lost = leads._lost_on, (leads._won == 0) & (leads._open == 0)
    return leads.select(
        *split,
        began=leads.created_at.cast("date"),
        ended=event.ifelse(won_on, lost_on),
        event=ibis.cases((event, "converted"), (is_lost, "lost"), else_=""),
    )


def _counted(
    rows: ir.Table, tables: Tables, periods: Periods, noun: str, began: str, by_cohort: bool
) -> tuple[pd.DataFrame, list[str], str]:
    """Count rows by days and event, in one query; and say what is left out, or why all is."""
    nothing = pd.DataFrame(columns=COUNTED)
    if tables.as_of is None:
        return nothing, [], NO_LAST_DAY
    if tables.by and SEGMENT not in rows.columns:
        return nothing, [], f"not available by {tables.by}: a {noun} has no {tables.by}"
    fetched = _count(rows, tables, periods, by_cohort).to_pandas()
    unknown = fetched.days.isna()
    left_out = {
        STARTLESS: fetched.is_startless == 1,
        UNDATED: unknown & (fetched.is_startless == 0),
        NEGATIVE: fetched.days < 0,
    }
    counts = {why: int(fetched["count"][which].sum()) for why, which in left_out.items()}
    notes = [f"{plural(count, noun)} {why}." for why, count in counts.items() if count]
    kept = fetched[fetched.days >= 0].assign(**{k: v for k, v in ALIKE.items() if k not in fetched})
    kept = kept.astype({"days": "int64", "reached": "int64"})[COUNTED]
    kept = kept.sort_values(COUNTED[:-1]).reset_index(drop=True)
    if kept.empty:
        first, last = periods.each[0].label, periods.each[-1].label
        window = "" if first == "all" else f" in {first}" + f" to {last}" * (first != last)
        return nothing, notes, f"no {noun}s with a known length {began}{window}"
    return kept, notes, ""


def _count(rows: ir.Table, tables: Tables, periods: Periods, by_cohort: bool) -> ir.Table:
    """Fold rows with `began`, `ended` and `event` into counts, lazily."""
    last = tables.as_of
    if periods.kind != "all":
        # What has no start lies in no window; it is kept, to be told.
        inside = (rows.began >= periods.start) & (rows.began < min(periods.end, last + ONE_DAY))
        rows = rows.filter(rows.began.isnull() | inside)
    age = ibis.literal(last).delta(rows.began, unit="day")
    days = (rows.event == "").ifelse(age, rows.ended.delta(rows.began, unit="day"))
    oldest = sorted(HORIZONS, reverse=True)
    reached = ibis.cases(
        *((age >= day, len(HORIZONS) - place) for place, day in enumerate(oldest)), else_=0
    )
    startless = rows.began.isnull().cast("int32")
    keys = {"days": days, "event": rows.event, "reached": reached, "is_startless": startless}
    # A key that is the same for all would still cost time.
    if by_cohort:
        months = floor(rows.began, "M")
        keys["cohort"] = months if periods.kind == "all" else periods.start_of(rows.began)
    if tables.by:
        keys["segment"] = rows[SEGMENT]
    # Chosen first, for a column to split by may go by one of these names.
    keyed = rows.select(**keys)
    return keyed.group_by(*keys).aggregate(count=keyed.count())


def _ended(counts: pd.DataFrame, ends: list[str]) -> np.ndarray:
    """Give days, the place of their end in a list (-1: open) and how many: (3, rows)."""
    end = sum(at * (counts.event == each).to_numpy() for at, each in enumerate(ends, start=1)) - 1
    return np.array([counts.days, end, counts["count"]], dtype="int64")


def _competing(ended: np.ndarray, ends: list[str]) -> dict[str, Curve]:
    """Estimate the cumulative incidence of each end, also of one that never came."""
    days, end, count = ended
    return aalen_johansen(days, pd.Categorical.from_codes(end, ends), count)


def _unsettled(curves: dict[str, Curve]) -> float:
    """Say what share had not ended when the oldest was last seen."""
    return max(1 - sum(float(curve.estimate[-1]) for curve in curves.values()), 0.0)


def _continued(own: np.ndarray, pool: np.ndarray) -> np.ndarray:
    """Follow a cohort as far as all of it is seen, and then go on as the pool did.

    In counts: the cohort's ends up to that day, each as often as the pool has rows that last
    longer; and those, each as often as the cohort has rows left. The chances of each day are the
    cohort's own before, and the pool's after.
    """
    days, end, count = own
    seen = days[end < 0].min(initial=np.iinfo(days.dtype).max)
    before, later = own[:, (end >= 0) & (days <= seen)], pool[:, pool[0] > seen]
    if not later.size:
        return own
    left, beyond = count.sum() - before[2].sum(), later[2].sum()
    return np.c_[before * [[1], [1], [beyond]], later * [[1], [1], [left]]]


def _on(curve: Curve, day: int) -> tuple[float, float, float, int]:
    """Read a curve on a day: share, interval, and how many were watched that long."""
    place = np.searchsorted(curve.day, day, side="right") - 1
    watched = int(curve.at_risk[np.searchsorted(curve.day, day) :][:1].sum())
    share = curve.at(day)
    if place < 0 or share != share:
        return share, np.nan, np.nan, watched
    return share, float(curve.low[place]), float(curve.high[place]), watched
