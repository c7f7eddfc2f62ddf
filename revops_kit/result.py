"""What comes of counting a KPI: a frame to look at, and words for it."""

import datetime as dt
import re
from dataclasses import dataclass, replace
from functools import cached_property, reduce
from statistics import NormalDist
from typing import TYPE_CHECKING, Any

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from revops_kit.periods import Period, Periods, spoken
from revops_kit.sources import Source
from revops_kit.stats import control, intervals
from revops_kit.summaries import COLUMNS, proportion
from revops_kit.tables import BLANK, SEGMENT, Tables
from revops_kit.units import SHARE, plural, span
from revops_kit.wording import Words

if TYPE_CHECKING:
    from revops_kit.charts import Chart
    from revops_kit.kpi import Kpi, LeftOut

FRAME = ("period", "start", *COLUMNS, "is_partial", "missing_because", "note")
FORMULA = re.compile("[=+@\t\n＝＋－＠-]")  # how one begins, in Japanese too


@dataclass(frozen=True, eq=False)
class Change:
    """The difference between two periods.

    Attributes
    ----------
    difference, low, high
        Now less before, with its interval; None where the figure has none.
    before
        The period compared with.
    """

    difference: float
    low: float | None
    high: float | None
    before: str

    @property
    def is_clear(self) -> bool | None:
        """Tell whether the interval leaves out zero; None where there is no interval."""
        if self.low is None or self.high is None:
            return None
        return bool(self.low > 0 or self.high < 0)


@dataclass(frozen=True, eq=False)
class Result:
    """A KPI, counted.

    Attributes
    ----------
    frame
        A row per period and segment: `period` (its label), `start`, the column split by,
        `value`, `low`, `high`, `n`, `numerator`, `denominator`, `is_partial`,
        `missing_because` and `note`.
    by
        The column it is split by; empty for the whole.
    missing_because
        Why there is no figure at all, or for the only period asked for; empty when there is one.
    fetched
        The sums that the figures are made of, as the query gave them; None where there was none.
    """

    kpi: "Kpi"
    frame: pd.DataFrame
    by: str
    currency: str
    periods: Periods
    tables: Tables
    unavailable: str
    fetched: pd.DataFrame | None

    @property
    def as_of(self) -> dt.date | None:
        """The last day that is known."""
        return self.tables.as_of

    @property
    def policy(self) -> dict[str, Any]:
        """The choices that the figure follows."""
        return {name: getattr(self.tables.policies, name) for name in self.kpi.policies}

    @property
    def missing_because(self) -> str:
        """Why there is no figure; empty when there is one."""
        if self.unavailable or len(self.frame) > 1:
            return self.unavailable
        if self.frame.empty:
            return _reason(self.kpi, self.periods.each[-1], self.periods)
        return self.frame.missing_because.iloc[0] or ""

    @cached_property
    def whole(self) -> "Result":
        """The same figure, not split."""
        if not self.by:
            return self
        kpi, tables = self.kpi, replace(self.tables, by="")
        if self.fetched is None or kpi.summary.within is None:
            return kpi.count(tables, self.periods, "", self.currency)
        keys = ["period", *kpi.summary.within]
        # Engines give segments in any order, and sums of floats depend on it.
        parts = self.fetched.sort_values(SEGMENT).drop(columns=SEGMENT)
        summed = parts.groupby(keys, as_index=False).sum(min_count=1)
        return kpi.tell(summed, "", tables, self.periods, "", self.currency)

    @property
    def value(self) -> float:
        """The figure of the last period, of the whole where it is split."""
        return self._last("value")

    @property
    def low(self) -> float:
        """Low end of its interval."""
        return self._last("low")

    @property
    def high(self) -> float:
        """High end of its interval."""
        return self._last("high")

    @property
    def n(self) -> int:
        """How many things it counts."""
        return 0 if self.unavailable else int(self._last("n"))

    @property
    def period(self) -> str:
        """The last period counted."""
        return self.periods.each[-1].label

    def rows(self) -> ir.Table:
        """Reach the rows behind the figure, lazily; none where it is not available.

        Where it is split, `revops_segment` says which segment each is in.
        """
        if self.unavailable:
            return ibis.memtable([], schema={"period": "date"})
        return self.kpi.rows(self.tables, self.periods)

    @cached_property
    def change(self) -> Change | None:
        """The last period of the whole against the one before; None where that would mislead.

        No change is claimed for a partial period, for one that is still maturing, nor where
        either has no value. The interval of a difference of independent estimates is Zou and
        Donner's (Statistics in Medicine 27 (2008), 1693-1702); for shares that is Newcombe's.
        """
        frame = self.whole.frame
        if len(frame) < 2 or self.kpi.matures:
            return None
        before, now = frame.iloc[-2], frame.iloc[-1]
        if now.is_partial or pd.isna(now.value) or pd.isna(before.value):
            return None
        difference = now.value - before.value
        if self.kpi.is_cumulative or pd.isna(now.low) or pd.isna(before.low):
            return Change(difference, None, None, before.period)
        below = np.hypot(now.value - now.low, before.high - before.value)
        above = np.hypot(now.high - now.value, before.value - before.low)
        return Change(difference, difference - below, difference + above, before.period)

    @cached_property
    def process(self) -> control.Xmr:
        """The trend as a process-behaviour chart: its whole periods, and what they vary between.

        Of a stock, the changes from period to period are charted. What stands at a moment is what
        stood before and what came since, so a stock that grows steadily leaves the limits of its
        own values for ever; charts are for what is left when such dependence is taken out.

        References
        ----------
        L. C. Alwan and H. V. Roberts, "Time-series modeling for statistical process control",
        Journal of Business & Economic Statistics 6 (1988), 87-95, with a random walk for the model.
        """
        values = self._whole_periods().value.to_numpy(dtype=float)
        return control.xmr(np.diff(values) if self._is_stock else values)

    @property
    def limits(self) -> tuple[float, float] | None:
        """What values vary between of themselves; None where that cannot be said."""
        if self.process.missing_because or self._is_stock:
            return None
        return self.process.low, self.process.high

    @property
    def is_signal(self) -> bool | None:
        """Whether the last period breaks a rule of the process chart; None where none can tell."""
        last = self.whole.frame.iloc[-1]
        cannot_tell = self.kpi.matures or self.kpi.is_cumulative
        if cannot_tell or last.is_partial or pd.isna(last.value):
            return None
        return None if self.process.missing_because else self.process.is_signal()

    @property
    def verdict(self) -> str:
        """What to make of the last period, in a few words; empty where nothing can tell.

        A change is called one only when the interval of the difference leaves out zero; a period
        is out of the usual when the process-behaviour chart says so.
        """
        if self.change is not None and self.change.is_clear:
            return "a clear change"
        if self.is_signal:
            side = "above" if self.process.values[-1] > self.process.mean else "below"
            return f"change {side} the usual" if self._is_stock else f"{side} the usual"
        nothing_tells = self.change is None or (
            self.change.is_clear is None and self.is_signal is None
        )
        return "" if nothing_tells else "within natural variation"

    def signal(self) -> Words:
        """Tell in one sentence whether the last whole period is signal or noise."""
        if self.unavailable:
            return Words(f"{self.kpi.title}: {self.unavailable}.")
        if self.kpi.matures:
            return Words(
                f"Signal cannot be told from noise: young {self.kpi.counts} have had less time, "
                f"so the last points lean to one side of themselves."
            )
        if self.kpi.is_cumulative:
            return Words(
                "Signal cannot be told from noise: each period counts all history up to its end, "
                "so neighbours share most of what they count."
            )
        labels = [spoken(label) for label in self._whole_periods().period]
        if not labels:
            return Words("Signal cannot be told from noise: no period is whole.")
        if self._is_stock:
            changes = [f"The change in {label}" for label in labels[1:]]
            said = self.process.sentence(changes, self._write_change)
            if not self.process.missing_because:
                said += f" The mean change is {self._write_change(self.process.mean)}."
            return Words(said)
        seen = self.process.values[~np.isnan(self.process.values)]
        # Limits beyond what the figure can be are none: they are written as the end it has.
        floor = 0.0 if (seen >= 0).all() else -np.inf
        ceiling = 1.0 if self.kpi.unit == SHARE and (seen <= 1).all() else np.inf
        return Words(
            self.process.sentence(
                [label[0].upper() + label[1:] for label in labels],
                lambda value: self.kpi.unit.write(min(max(value, floor), ceiling), self.currency),
            )
        )

    def differing(self, level: float = 0.05) -> dict[str, str]:
        """Find the segments whose share differs from that of all others together.

        Each is held against the rest by a two-sided test of two proportions; as many tests find
        something by chance, Benjamini and Hochberg's procedure keeps the share of false finds
        below `level` (Journal of the Royal Statistical Society B 57 (1995), 289-300).

        Returns
        -------
        dict
            Segment → "above the rest" or "below the rest"; empty for figures that are no shares
            of things counted, and for several periods.
        """
        frame = self.frame
        if not self.by or len(self.periods) > 1 or self.kpi.summary is not proportion:
            return {}
        hits, trials = frame.numerator.to_numpy(), frame.denominator.to_numpy()
        others = trials.sum() - trials
        with np.errstate(divide="ignore", invalid="ignore"):
            difference = hits / trials - (hits.sum() - hits) / others
            pooled = hits.sum() / trials.sum()
            z = difference / np.sqrt(pooled * (1 - pooled) * (1 / trials + 1 / others))
        p = np.array([2 * NormalDist().cdf(-abs(each)) if each == each else np.nan for each in z])
        found = intervals.benjamini_hochberg(p) < level
        return {
            name: "above the rest" if above > 0 else "below the rest"
            for name, above, is_found in zip(frame[self.by], difference, found, strict=True)
            if is_found
        }

    @cached_property
    def notes(self) -> list[str]:
        """What a reader should know: what was left out and how much, and choices made."""
        if self.unavailable:
            return [self.unavailable]
        notes = [*self.kpi.notes(self.tables)]
        left_out = self.kpi.left_out(replace(self.tables, by="", carried=False), self.periods)
        notes += [
            f"{plural(count, each.noun)} {each.why}."
            for each, count in zip(left_out, _counted(left_out), strict=True)
            if count
        ]
        for name in self._used():
            source = self.tables.sources.get(name)
            if not isinstance(source, Source):
                continue
            if source.health.rejected:
                count = plural(source.health.rejected, "row")
                notes.append(f"{count} of {name} set aside: `revops check` lists them.")
            newest, last = source.health.newest, self.periods.each[-1]
            if newest and last.kind != "all" and newest < last.start and not self.kpi.looks_ahead:
                notes.append(
                    f"Nothing in {name} is later than {newest}: {last.label} may lack rows."
                )
        partial = [each.label for each in self.periods if self.periods.is_partial(each)]
        return notes + [f"{label} is partial: known up to {self.as_of}." for label in partial]

    def _used(self) -> list[str]:
        """List the tables it is counted from: those it needs, else the first it can do with."""
        either = [each.split(".") for each in self.kpi.either]
        there = [
            table
            for table, column in either
            if isinstance(self.tables.sources.get(table), Source) and self.tables.has(table, column)
        ]
        used = there if self.kpi.needs else there[:1]
        return [*self.kpi.needs, *(name for name in used if name not in self.kpi.needs)]

    def headline(self) -> Words:
        """Tell the last period in one sentence, with its interval and change."""
        unit, last = self.kpi.unit, self.whole.frame.iloc[-1]
        if self.unavailable:
            return Words(f"{self.kpi.title}: {self.unavailable}.")
        when = "so far" if self.period == "all" else f"in {spoken(self.period)}"
        if pd.isna(last.value):
            return Words(f"{self.kpi.title} {when}: no figure, for {last.missing_because}.")
        said = f"{self.kpi.title} {when}: {unit.write(last.value, self.currency)}"
        if last.is_partial:
            said += f" up to {self.as_of}"
        if not pd.isna(last.low):
            low, high = (unit.write(end, self.currency) for end in (last.low, last.high))
            counted = plural(int(last.n), self.kpi.counts.removesuffix("s"), self.kpi.counts)
            said += f" (95 % interval {span(low, high)}, {counted})"
        if self.kpi.matures:
            said += f" so far; young {self.kpi.counts} have had less time"
        if change := self.change:
            moved = self._write_change(change.difference)
            said += f", {moved} on {spoken(change.before)}"
            usual = "a change " if self._is_stock and self.is_signal is False else ""
            said += f" – {usual}{self.verdict}" if self.verdict else ""
        return Words(f"{said}.")

    def explain(self) -> Words:
        """Tell how it is counted: formula, window, choices, and what was left out."""
        kpi = self.kpi
        first, final = self.periods.each[0], self.periods.each[-1]
        window = first.label if first == final else f"{first.label} to {final.label}"
        if first.kind != "all":
            window += f" ({first.start} to {final.end - dt.timedelta(days=1)})"
        lines = [
            f"**{kpi.title}**: {kpi.question}",
            f"- Formula: {kpi.formula}",
            f"- Window: {window}, seen as of {self.as_of or 'today'}",
            f"- Tables: {', '.join(self._used())}" if self._used() else "",
            *(f"- Policy: {name} = {value}" for name, value in self.policy.items()),
            *(f"- {note}" for note in self.notes),
        ]
        return Words("\n".join(line for line in lines if line))

    def plot(self, **options: Any) -> "Chart":
        """Draw a trend over several periods, or a breakdown of one."""
        from revops_kit import charts

        draw = charts.trend if len(self.periods) > 1 else charts.breakdown
        return draw(self, **options)

    def as_json(self) -> dict[str, Any]:
        """Give the object that `revops kpi --format json` prints."""
        keys = ["period", *([self.by] if self.by else [])]
        rows = []
        for record in self.frame.to_dict("records"):
            row = {key: record[key] for key in keys}
            row |= {key: _plain(record[key]) for key in COLUMNS}
            row["is_partial"] = bool(record["is_partial"])
            for said in ("missing_because", "note"):
                if record[said]:
                    row[said] = record[said]
            rows.append(row)
        return {
            "kpi": self.kpi.name,
            "title": self.kpi.title,
            "unit": self.kpi.unit.name,
            "better": self.kpi.better,
            "currency": self.currency,
            "as_of": self.as_of.isoformat() if self.as_of else None,
            "policy": self.policy,
            "missing_because": self.missing_because or None,
            "rows": rows,
            "notes": self.notes,
        }

    @property
    def _is_stock(self) -> bool:
        return self.kpi.is_stock(self.tables)

    def _write_change(self, difference: float) -> str:
        return self.kpi.unit.write_change(difference, self.currency)

    def _whole_periods(self) -> pd.DataFrame:
        return self.whole.frame[~self.whole.frame.is_partial]

    def as_csv(self) -> str:
        """Write the frame as `revops kpi --format csv` prints it.

        A text that a spreadsheet would take for a formula gets an apostrophe before it, as OWASP
        advises against CSV injection; numbers stay numbers.
        """

        def tamed(value: Any) -> Any:
            if not isinstance(value, str):
                return value
            # The writer does not quote a carriage return, at which spreadsheets begin a row.
            value = value.replace("\r", "\n")
            return f"'{value}" if FORMULA.match(value) else value

        frame = self.frame.drop(columns="start")
        return frame.map(tamed).rename(columns=tamed).to_csv(index=False, lineterminator="\n")

    def _last(self, column: str) -> float:
        return np.nan if self.unavailable else float(self.whole.frame[column].iloc[-1])

    def _repr_html_(self) -> str:
        from revops_kit import show

        return show.table(self)._repr_html_()


def complete(
    kpi: "Kpi", folded: pd.DataFrame, periods: Periods, by: str, missing: str, gap: str
) -> pd.DataFrame:
    """Give every period and segment a row, and every gap its reason.

    `missing` is why nothing can be counted, `gap` what there may be nothing of.
    """
    starts = pd.to_datetime(folded.period).dt.date
    segments = folded[SEGMENT] if by else [""] * len(folded)
    groups = sorted(set(segments), key=lambda each: (each == BLANK, each)) if by else [""]
    grid = [(period, group) for period in periods for group in groups]
    row_of = {key: row for row, key in enumerate(zip(starts, segments, strict=True))}
    # A gap takes the row after the last, which is empty.
    rows = [row_of.get((period.start, group), len(folded)) for period, group in grid]

    def column(name: str, empty: float | None) -> np.ndarray:
        known = folded[name] if name in folded else [empty] * len(folded)
        return np.append(known, empty)[rows]

    numbers = {name: column(name, np.nan).astype(float) for name in COLUMNS}
    if kpi.summary.is_sum and not missing:
        begun = [kpi.looks_ahead or periods.has_begun(period) for period, _ in grid]
        nothing = np.isnan(numbers["value"]) & np.array(begun, dtype=bool)
        numbers["value"][nothing] = numbers["numerator"][nothing] = 0.0
    said = column("missing_because", None)
    reasons = [
        None
        if not np.isnan(value)
        else missing or gap or (why if isinstance(why, str) else _reason(kpi, period, periods))
        for value, why, (period, _) in zip(numbers["value"], said, grid, strict=True)
    ]
    notes = [each if isinstance(each, str) else None for each in column("note", None)]
    return pd.DataFrame(
        {
            "period": [period.label for period, _ in grid],
            "start": pd.to_datetime(
                [None if period.kind == "all" else period.start for period, _ in grid]
            ),
            **({by: pd.Series([group for _, group in grid], dtype="str")} if by else {}),
            **numbers,
            "n": np.nan_to_num(numbers["n"]).astype("int64"),
            "is_partial": [periods.is_partial(period) for period, _ in grid],
            "missing_because": pd.Series(reasons, dtype=object),
            "note": pd.Series(notes, dtype=object),
        }
    )


def _counted(found: list["LeftOut"]) -> list[int]:
    """Count all that is left out, in one query."""
    if not found:
        return []
    counts = [each.count.name(f"count_{at}").as_table() for at, each in enumerate(found)]
    counted = reduce(ir.Table.cross_join, counts).to_pyarrow().to_pylist()[0]
    return [int(count or 0) for count in counted.values()]


def _reason(kpi: "Kpi", period: Period, periods: Periods) -> str:
    if not (periods.has_begun(period) or kpi.looks_ahead):
        return f"{period.label} begins after {periods.as_of}, the last day known"
    return kpi.empty if period.kind == "all" else f"{kpi.empty} in {period.label}"


def _plain(value: float) -> float | int | None:
    """Turn a number into one that JSON has."""
    if pd.isna(value):
        return None
    return int(value) if float(value).is_integer() and abs(value) < 2**53 else float(value)
