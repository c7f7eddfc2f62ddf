"""Everything that a notebook shows of what lies ahead."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pandas as pd

from revops_kit import kpis
from revops_kit.errors import RequestError
from revops_kit.kpi import Kpi, Workspace
from revops_kit.kpis.revenue import measure
from revops_kit.noted import empty
from revops_kit.outlook.ahead import Ahead
from revops_kit.outlook.blend import Blend, blend
from revops_kit.outlook.pipeline import Pipeline, implied
from revops_kit.outlook.recurring import Recurring, renewed
from revops_kit.outlook.series import Series, carried_on
from revops_kit.outlook.tested import Tested
from revops_kit.periods import ONE_DAY, Kind, Period, containing, floor, parse
from revops_kit.units import NARROW_SPACE, percent, plural
from revops_kit.wording import Words

LONGER: dict[Kind, Kind] = {"week": "week", "month": "quarter", "quarter": "year", "year": "year"}
"""What a forecast is told for: the period that the ones forecast are added up to. Weeks add up to
no month."""

PIPELINE_NOTES = (
    "The pipeline: each open deal's chance to be won by each month is that of earlier deals in the "
    "same stage, as old and as large, followed from months' first days and weighed by amount; lost "
    "deals compete, open ones are censored. Those without the day they were opened count as new.",
    "Deals not opened yet bring what those opened in the twelve months before did; as many are "
    "opened as in the last six months. Growth beyond that is left to the figure's own past.",
)
RECURRING_NOTES = (
    "The subscriptions: new revenue comes, and what runs grows, shrinks and leaves, as in the "
    "twelve months before.",
)


@dataclass(frozen=True, eq=False)
class Outlook:
    """A figure of the periods ahead, by its own past and by what the business has in hand.

    Attributes
    ----------
    ws
        The workspace, as of the day looked from.
    series
        The figure's own past, carried on.
    in_hand
        What the pipeline implies, of bookings; what subscriptions do, of recurring revenue. None of
        other figures, and where periods are no months.
    """

    ws: Workspace
    kpi: Kpi
    kind: Kind
    series: Series
    in_hand: Pipeline | Recurring | None

    @property
    def missing_because(self) -> str:
        """Why nothing can be said; empty when it can."""
        has_other = self.in_hand is not None and not self.in_hand.missing_because
        return "" if has_other else self.series.missing_because

    @cached_property
    def blended(self) -> Blend | None:
        """Both together; None where there is only one of them."""
        if self.in_hand is None or self.in_hand.missing_because or self.series.missing_because:
            return None
        both = (self.series.tested, self.in_hand.tested)
        return blend(self.series.ahead, self.in_hand.ahead, both)

    @property
    def ahead(self) -> Ahead:
        """The forecast to go by."""
        if self.blended is not None:
            return self.blended.ahead
        return self.in_hand.ahead if self.series.missing_because else self.series.ahead

    @property
    def model(self) -> str:
        """Name what the forecast to go by was made with."""
        own = "" if self.series.missing_because else str(self.series.made.model)
        hand = self.in_hand and not self.in_hand.missing_because
        other = type(self.in_hand).__name__.lower() if hand else ""
        return " and ".join(filter(None, [own, other]))

    @property
    def hand_name(self) -> str:
        """Name what the business has in hand, in a sentence."""
        return "the pipeline" if isinstance(self.in_hand, Pipeline) else "the subscriptions"

    @property
    def tested(self) -> dict[str, Tested]:
        """Past forecasts beside what came, by the name of who made them."""
        found = {} if self.series.missing_because else {"its own past": self.series.tested}
        if self.in_hand is not None and not self.in_hand.missing_because:
            found[self.hand_name] = self.in_hand.tested
        return found

    @property
    def next(self) -> Period:
        """The quarter (of months; year of quarters) that ends next: what the headline tells.

        The first period ahead where no quarter ends among them.
        """
        first = self.ahead.periods[0]
        span = containing(first.start, LONGER[self.kind], self.ws.calendar)
        return span if span.end <= self.ahead.periods[-1].end else first

    def headline(self) -> Words:
        """Tell what is expected of the quarter that ends next, and whether its target is likely."""
        if self.missing_because:
            return Words(f"{self.kpi.title} ahead: {self.missing_because}.")
        span, drawn = self.next, self.ahead.over(self.next)
        low, high = np.percentile(drawn, [10, 90])
        said = (
            f"{self.kpi.title}: {self.money(drawn.mean())} expected "
            f"{'at the end of' if self.ahead.is_stock else 'in'} {span.words}, "
            f"80{NARROW_SPACE}% between {self.money(low)} and {self.money(high)}"
        )
        aim = self.target(span)
        if np.isnan(aim):
            return Words(f"{said}.")
        return Words(f"{said}; target {self.money(aim)}: {_likely(self.ahead.chance(span, aim))}.")

    def past(self) -> pd.DataFrame:
        """Give a row per whole period behind: `period`, `actual`, and its `mark`, if it has one."""
        trend, made = self.series.trend.frame, self.series.made
        values = self.series.values
        labels = trend.set_index("start").period.reindex(values.index)
        marks = made.history.mark.to_numpy() if made is not None else ""
        return pd.DataFrame(
            {"period": labels.to_numpy(), "actual": values.to_numpy(), "mark": marks}
        )

    @property
    def so_far(self) -> float:
        """Give what has come of the first period ahead; missing where it has not begun."""
        begun = self.series.trend.frame
        begun = begun[begun.is_partial & (begun.period == self.ahead.periods[0].label)]
        return float(begun.value.iloc[-1]) if len(begun) else np.nan

    def frame(self) -> pd.DataFrame:
        """Give a row per period ahead: each forecast's mean, and the blend's with its interval."""
        if self.missing_because:
            return empty(["period", "mean"], self.missing_because)
        shown = self.ahead.frame.drop(columns="start")
        if self.blended is not None:
            shown.insert(1, "own past", self.series.ahead.frame["mean"])
            shown.insert(2, "in hand", self.in_hand.ahead.frame["mean"])
            shown.insert(3, "weight of its past", self.blended.weights.to_numpy())
        return shown

    def held(self) -> Words:
        """Tell whether past intervals held what they promise, and whether naive is beaten."""
        if self.missing_because:
            return Words("")
        said = [] if self.series.missing_because else [self.series.made.verdict]
        for name, tested in self.tested.items():
            if not np.isnan(tested.coverage):
                share, count = percent(tested.coverage), plural(tested.origins, "past forecast")
                said.append(
                    f"Of what came, {share} lay within the 80{NARROW_SPACE}% of {name} ({count})."
                )
        return Words(" ".join(said))

    def explain(self) -> Words:
        """Tell how it is made, and from what."""
        notes = [f"{self.kpi.title}: {self.kpi.formula}."]
        if self.missing_because:
            return Words(f"- {self.missing_because}.")
        if not self.series.missing_because:
            made = self.series.made
            notes.append(
                f"Its own past: {plural(len(self.series.values), f'whole {self.kind}')}, carried "
                f"on by {made.model}; intervals are {made.series.intervals.iloc[0]}."
            )
        if isinstance(self.in_hand, Pipeline) and not self.in_hand.missing_because:
            notes += PIPELINE_NOTES
        if isinstance(self.in_hand, Recurring) and not self.in_hand.missing_because:
            notes += RECURRING_NOTES
        if self.blended is not None:
            notes.append(
                "Both are blended by the reciprocal of their past squared errors, lead by lead; "
                "intervals as if both erred the same way, which is rather too wide."
            )
        notes += self.series.trend.notes
        return Words("\n".join(f"- {note}" for note in notes))

    def chances(self) -> pd.DataFrame:
        """Give a row per quarter ahead: expected, interval, target, and the chance to reach it."""
        if self.missing_because:
            return empty(["period", "mean"], self.missing_because)
        longer = LONGER[self.kind]
        found = self.ahead.by(longer, self.ws.calendar)
        spans = [containing(start, longer, self.ws.calendar) for start in found.start]
        targets = [self.target(span) for span in spans]
        reached = [
            np.nan if np.isnan(aim) else self.ahead.chance(span, aim)
            for span, aim in zip(spans, targets, strict=True)
        ]
        found = found.assign(target=targets, chance=reached)
        return found[["period", "mean", "low_80", "high_80", "target", "chance"]]

    def models(self) -> pd.DataFrame:
        """Give a row per candidate: its errors over the backtest, as shares, and which is used."""
        if self.series.missing_because:
            return empty(["model"], self.series.missing_because)
        tried = self.series.made.backtest
        used = tried.is_chosen.map({True: "used", False: ""})
        used = used.where(~tried.is_naive, used + " (naive)").str.strip()
        columns = ["model", "mase", "smape", "wape", "coverage_80"]
        shown = tried[columns].assign(role=used, smape=tried.smape / 100)
        return shown.sort_values("mase")

    def parts(self) -> pd.DataFrame:
        """Give a row per month: what of the forecast in hand comes from where."""
        if self.missing_because or self.in_hand is None or self.in_hand.missing_because:
            why = self.in_hand.missing_because if self.in_hand else "nothing but its past is known"
            return empty(["period"], why)
        return self.in_hand.parts

    def deals(self, count: int = 15) -> pd.DataFrame:
        """Give the open deals that most is expected of, the largest first."""
        if not isinstance(self.in_hand, Pipeline) or self.in_hand.missing_because:
            return empty(["opportunity_id"], "no open deals stand behind it")
        return self.in_hand.deals(count)

    def target(self, span: Period) -> float:
        """Sum the targets of a span; missing unless each month of it has one."""
        if span.kind == "week":
            return np.nan
        months = np.arange(span.start, span.end, dtype="datetime64[M]").astype("datetime64[s]")
        return float(self._targets.reindex(months).sum(skipna=False))

    @cached_property
    def _targets(self) -> pd.Series:
        """Fetch the targets once, by month; they are of bookings."""
        tables = self.ws.tables
        if self.kpi.name != "bookings" or not tables.has("targets", "amount"):
            return pd.Series(dtype=float, index=pd.DatetimeIndex([]))
        month = floor(tables.targets.month, "M")
        sums = tables.targets.group_by(month=month).aggregate(sum=tables.targets.amount.sum())
        frame = sums.to_pandas().dropna()
        return frame.set_index(pd.to_datetime(frame.month))["sum"].astype(float)

    def money(self, value: float) -> str:
        """Write a value as people read it."""
        return self.kpi.unit.write(value, self.ws.currency)


def look(
    ws: Workspace,
    kpi: str = "bookings",
    period: str = "",
    length: int = 12,
) -> Outlook:
    """Look ahead from the end of a period.

    Parameters
    ----------
    kpi
        A sum of money or a count: bookings, mrr, payments, revenue.
    period
        The last that counts as known, or begun: its kind is what is forecast – months, quarters,
        weeks. Empty for the month of the last known day.
    length
        Periods ahead.

    Raises
    ------
    UnknownNameError
        When there is no such KPI.
    RequestError
        When there is nothing to look ahead by: no periods, or `all` of them.
    """
    if length < 1:
        raise RequestError(f"{length} periods ahead are none. Ask for 1 or more.")
    ws, kind = _seen_at_its_end(ws, period)
    figure = kpis.named(kpi)
    if figure.name == "revenue":
        figure = measure(ws.tables)
    in_hand = None
    if kind == "month" and figure.name == "bookings":
        in_hand = implied(ws, length)
    elif kind == "month" and figure.name == "mrr":
        in_hand = renewed(ws, length)
    return Outlook(ws, figure, kind, carried_on(ws, figure, kind, length), in_hand)


def _seen_at_its_end(ws: Workspace, period: str) -> tuple[Workspace, Kind]:
    """See a workspace as it was when a period ended, or as it is."""
    if not period or ws.tables.as_of is None:
        return ws, "month"
    span = parse(period, ws.calendar)
    if span.kind == "all":
        raise RequestError("Nothing comes after 'all'. Write 2026, 2026-Q3, 2026-09 or 2026-W36.")
    day = min(span.end - ONE_DAY, ws.tables.as_of)
    return replace(ws, tables=replace(ws.tables, as_of=day)), span.kind


def _likely(chance: float) -> str:
    """Write a chance in whole percent; what was never drawn, or always, is not called certain."""
    if 0.01 <= chance < 0.995:
        return f"{percent(chance)} likely"
    return f"less than {percent(0.01)} likely" if chance < 0.5 else f"over {percent(0.99)} likely"
