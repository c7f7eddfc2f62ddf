"""What a notebook shows besides charts: headlines and tables, and the cards of `cards.py`.

Everything here returns HTML that a report keeps: no script, no style sheet of its own.
"""

import csv
import datetime as dt
import warnings
from collections import Counter
from collections.abc import Iterable, Mapping
from functools import cache
from hashlib import sha256
from html import escape
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from revops_kit.cards import Html, verdict
from revops_kit.cards import cards as cards
from revops_kit.contracts import contract, names
from revops_kit.noted import note, noted
from revops_kit.result import Result
from revops_kit.sources import Source
from revops_kit.spreads import Spread
from revops_kit.tables import BLANK
from revops_kit.units import MINUS, MISSING, MONEY, Unit, number, percent, plural, span
from revops_kit.wording import LABEL, Words, in_words

# Columns of words that few rows have: nothing to say is no gap.
REMARKS = {"note", "undefined because", ""}
SHORT = {"cac", "clv", "mrr", "id"}  # written in capitals
INTERVAL = "95 % interval"
SEGMENTS = 6  # columns that a table by segment has room for

if TYPE_CHECKING:
    from revops_kit.workspace import Workspace


def headline(trends: Mapping[str, Result]) -> Words:
    """Tell the figures that matter most in one or two sentences: revenue, then clear changes.

    Parameters
    ----------
    trends
        KPI name → its trend.
    """
    said = []
    first = trends.get("revenue")
    if first is not None:
        said.append(str(first.headline()))
    others = [trend for trend in trends.values() if trend is not first and not trend.unavailable]
    moved = [
        f"{_inline(trend.kpi.title)} "
        f"({trend.kpi.unit.write_change(trend.change.difference, trend.currency)})"
        for trend in others
        if trend.change is not None and trend.change.is_clear
    ]
    unusual = [
        f"{_inline(trend.kpi.title)} ({trend.verdict.removesuffix(' the usual')})"
        for trend in others
        if trend.verdict.endswith("the usual")
    ]
    if moved:
        said.append(f"Clearly changed on the period before: {', '.join(moved)}.")
    if unusual:
        said.append(f"Out of the usual over the trend: {', '.join(unusual)}.")
    if not moved and not unusual:
        said.append("No other figure moved beyond its natural variation.")
    return Words(" ".join(said))


def overview(trends: Iterable[Result]) -> Html:
    """Show all figures in a table: value, interval, change on the period before."""
    listed = []
    for trend in trends:
        unit, last, change = trend.kpi.unit, trend.whole.frame.iloc[-1], trend.change
        moved = unit.write_change(change.difference, trend.currency) if change else MISSING
        low, high = (unit.write(end, trend.currency) for end in (last.low, last.high))
        listed.append(
            {
                "figure": trend.kpi.title,
                "value": unit.write(last.value, trend.currency),
                INTERVAL: span(low, high) if last.low == last.low else MISSING,
                "change": moved,
                "verdict": verdict(trend),
            }
        )
    return plain(pd.DataFrame(listed), right=["value", INTERVAL, "change"])


def by_segment(trends: Iterable[Result]) -> Html:
    """Show figures by segment, in their last period.

    Of many segments those with the most to count are shown. The others are counted in a note, which
    names the figures that no segment has.
    """
    columns: dict[str, dict[str, str]] = {}
    sizes: Counter[str] = Counter()
    for trend in trends:
        if not trend.by:
            return _sentence("No column to split by was asked for: set `by`")
        last = trend.frame[trend.frame.period == trend.period]
        column = columns.setdefault(trend.kpi.title, {})
        for group, value, n in zip(last.get(trend.by, []), last.value, last.n, strict=True):
            column[group] = trend.kpi.unit.write(value, trend.currency)
            sizes[group] += n
    largest = sorted(dict(sizes.most_common(SEGMENTS)), key=lambda name: (name == BLANK, name))
    frame = pd.DataFrame(columns, index=largest).T.fillna(MISSING)
    rest, is_empty = len(sizes) - len(largest), (frame == MISSING).all(axis=1)
    said = [
        f"{plural(rest, 'smaller segment')} not shown." if rest else "",
        f"No figures by segment: {', '.join(frame.index[is_empty])}." if is_empty.any() else "",
    ]
    # A segment may be called so too, but none is as long; spaces are not seen.
    heading = "figure".ljust(1 + max(map(len, largest), default=0))
    frame = frame[~is_empty].rename_axis(heading).reset_index()
    return plain(noted(frame, *said), right=largest)


def definitions(trends: Iterable[Result]) -> Html:
    """Show how each figure is counted, or what it needs and the workspace lacks."""
    listed = [
        {"figure": each.kpi.title, "how it is counted": each.unavailable or each.kpi.formula}
        for each in trends
    ]
    return plain(pd.DataFrame(listed))


def annualised(trend: Result) -> Words:
    """Say what a monthly rate of loss comes to in a year: 1 − (1 − m)¹².

    Parameters
    ----------
    trend
        A share lost by month, such as churn; the months' mean, weighed by who was there, counts.
    """
    unit, frame = trend.kpi.unit, trend.frame[~trend.frame.is_partial].tail(12)
    at_risk = frame.denominator.sum()
    if trend.unavailable or trend.periods.kind != "month" or not at_risk:
        return Words("A yearly rate takes whole months to be told from.")
    monthly = frame.numerator.sum() / at_risk
    yearly = 1 - (1 - monthly) ** 12
    return Words(
        f"{trend.kpi.title} over the last {plural(len(frame), 'month')}: {unit.write(monthly)} a "
        f"month, which comes to {unit.write(yearly)} in a year."
    )


def conventions(spread: Spread) -> Html:
    """Show one figure by each convention, the house's own first."""
    if spread.missing_because:
        return _sentence(spread.missing_because)
    frame, kpi, currency = spread.frame, spread.kpi, spread.currency
    shown = pd.DataFrame({"convention": frame.convention})
    shown[kpi.title] = [kpi.unit.write(value, currency) for value in frame.value]
    if not kpi.summary.is_sum:
        shown[spread.counted] = [spread.unit.write(each, currency) for each in frame.numerator]
        shown[spread.base] = [spread.unit.write(each, currency) for each in frame.denominator]
    differ = [
        MISSING
        if count != count
        else f"{plural(int(count), 'customer')} differ"
        if count
        else "same"
        for count in frame.differs[1:]
    ]
    shown["against ours"] = ["ours", *differ]
    shown["how"] = frame.missing_because.where(frame.missing_because != "", frame.rule)
    return plain(shown, right=[kpi.title, spread.counted, spread.base])


def differences(spread: Spread, names: int = 2) -> Html:
    """Show what makes the difference between conventions, and name the largest customers."""
    reasons = spread.reasons(names)
    if reasons.empty:
        return _sentence("No customer is counted differently")
    shown = reasons.rename(columns={"who": "the largest"})
    parts = [name for name in (spread.counted, spread.base) if name]
    for name in parts:
        shown[name] = [spread.unit.write_change(each, spread.currency) for each in reasons[name]]
    return plain(shown, right=parts)


def factors(table: pd.DataFrame, currency: str) -> Html:
    """Show factors of different units side by side, with their change."""
    shown = pd.DataFrame({"factor": table.factor})
    labels = [name for name in table.columns if name not in ("factor", "unit")]
    for label in labels:
        shown[label] = [
            unit.write(value, currency)
            for unit, value in zip(table.unit, table[label], strict=True)
        ]
    if len(labels) == 2:
        shown["change"] = [
            f"{'+' if after / before >= 1 else MINUS}{percent(abs(after / before - 1), 1)}"
            if before
            else MISSING
            for before, after in zip(table[labels[0]], table[labels[1]], strict=True)
        ]
    return plain(shown, right=[*labels, "change"])


def table(result: Result) -> Html:
    """Show the figures of a result, a row per period and segment."""
    if result.unavailable:
        return _sentence(result.unavailable)
    unit, currency, frame = result.kpi.unit, result.currency, result.frame
    shown = pd.DataFrame({"Period": frame.period})
    if result.by:
        shown[result.by] = frame[result.by]
        if frame.period.nunique() == 1:
            shown = shown.drop(columns="Period")
    shown[result.kpi.title] = [unit.write(value, currency) for value in frame.value]
    if frame.low.notna().any():
        ends = [[unit.write(end, currency) for end in frame[name]] for name in ("low", "high")]
        shown[INTERVAL] = [_interval(low, high) for low, high in zip(*ends, strict=True)]
    shown[result.kpi.counts] = [number(n) for n in frame.n]
    words = frame.missing_because.fillna(frame.note).fillna("")
    words = words.where(~frame.is_partial | (words != ""), "partial")
    if differing := result.differing():
        words = words.where(words != "", frame[result.by].map(differing).fillna(""))
    if (words != "").any():
        shown["note"] = words
    return plain(shown, right=[result.kpi.title, INTERVAL, result.kpi.counts])


def plain(
    frame: pd.DataFrame,
    units: Mapping[str, Unit] | None = None,
    currency: str = "USD",
    right: Iterable[str] = (),
) -> Html:
    """Show a small frame, with its numbers written in their units and aligned.

    `low` and `high` become one column. What is written on the frame stands beneath it, and alone
    where the frame has no rows.

    Parameters
    ----------
    units
        Column → unit its values are written in.
    right
        Further columns aligned to the right.
    """
    import pyarrow as pa
    from great_tables import GT

    said = str(note(frame))
    if frame.empty:
        return _sentence(said or "There is nothing to show")
    numeric = {name for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name])}
    units = units or {}
    shown = {}
    for name, column in frame.items():
        if name in REMARKS and column.isna().all():
            continue
        if name in units:
            shown[name] = [units[name].write(value, currency) for value in column]
        elif name in REMARKS:
            shown[name] = [in_words(_word(value, absent="")) for value in column]
        else:
            written = [_word(value) for value in column]
            # An account may be called as a month is, but not all of them.
            are_periods = all(map(LABEL.fullmatch, written))
            shown[name] = [in_words(each) for each in written] if are_periods else written
    # Segments may be called so too, whose figures are texts by now.
    if {"low", "high"} <= numeric:
        ends = zip(shown["low"], shown.pop("high"), strict=True)
        shown["low"] = [_interval(low, high) for low, high in ends]
        shown = {INTERVAL if name == "low" else name: cells for name, cells in shown.items()}
    to_the_right = {*units, *right, *numeric, INTERVAL}
    # great_tables goes from cell to cell, which in Arrow takes a third of the time, though it warns
    # that this is new. A column may be called what Arrow cannot, so columns go by their place.
    first, *_ = places = [f"c{place}" for place in range(len(shown))]
    cells = {
        place: pa.array(each, pa.string())
        for place, each in zip(places, shown.values(), strict=True)
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        made = GT(pa.table(cells), rowname_col=first, id=_id(shown))
    labels = dict(zip(places, map(_label, shown), strict=True))
    made = made.tab_stubhead(label=labels.pop(first)).cols_label(labels).cols_align("left")
    named = zip(places, shown, strict=True)
    if aligned := [place for place, name in named if name in to_the_right and place != first]:
        made = made.cols_align("right", columns=aligned)
    made = made.tab_source_note(said) if said else made
    return Html(made._repr_html_())


def rows(
    result: Result,
    columns: Mapping[str, str] | Iterable[str],
    order: str,
    count: int = 10,
    units: Mapping[str, Unit] | None = None,
) -> Html:
    """Show some of the rows behind the last period: those with the highest `order`.

    Parameters
    ----------
    columns
        Which columns to show, and under which name; those that the source lacks are left out.
    order
        The column to sort by, descending; rows without it are not shown.
    units
        Column → unit its values are written in, besides those that hold money by the contract.
    """
    import ibis

    if result.unavailable:
        return _sentence(result.unavailable)
    behind = result.rows()
    if order not in behind.columns:
        return _sentence(f"What is counted here has no {order.replace('_', ' ')}")
    named = dict(columns) if isinstance(columns, Mapping) else {name: name for name in columns}
    kept = [name for name in named if name in behind.columns]
    order_by = [ibis.desc(order, nulls_first=False), *[name for name in kept[:1] if name != order]]
    # Narrow at once: each column is carried through every step that follows.
    behind = behind.select(*dict.fromkeys(["period", order, *kept]))
    behind = behind.filter(behind.period == result.periods.each[-1].start, behind[order].notnull())
    shown = behind.order_by(order_by).limit(count).to_pandas()[kept]
    if shown.empty:
        return _sentence("There are no such rows in this period")
    if "month" in kept:
        shown["month"] = [f"{day:%Y-%m}" for day in shown["month"]]
    known = {name: MONEY for name in kept if name.split("_")[-1] in _money_columns()}
    known |= {"numerator": result.kpi.unit} | dict(units or {})
    written = {named[name]: unit for name, unit in known.items() if name in kept}
    return plain(shown.rename(columns=named), written, result.currency)


@cache
def _money_columns() -> frozenset[str]:
    """List the columns of the contract that hold money."""
    columns = (each for name in names() for each in contract(name).columns.items())
    return frozenset(name for name, column in columns if column.kind == "money")


def sources(ws: "Workspace") -> Html:
    """Show the tables behind a report: rows, rejects, and how far each goes."""
    listed = [
        {
            "table": name,
            "team": contract(name).team,
            "rows": number(each.health.rows),
            "rejected": number(each.health.rejected),
            "from": each.health.oldest or MISSING,
            "newest": each.health.newest or MISSING,
        }
        for name, each in ws.tables.sources.items()
        if isinstance(each, Source)
    ]
    columns = ["table", "team", "rows", "rejected", "from", "newest"]
    return plain(pd.DataFrame(listed, columns=columns), right=["rows", "rejected"])


def _sentence(said: str) -> Html:
    """Show what stands in place of a table."""
    said = in_words(f"{said[0].upper()}{said[1:].rstrip('.')}.")
    return Html(f'<p class="note">{escape(said)}</p>')


def _interval(low: str, high: str) -> str:
    """Write an interval whose ends may be unknown.

    Examples
    --------
    >>> _interval("26 days", "56 days"), _interval("26 days", "–"), _interval("–", "–")
    ('26 to 56 days', '26 days or more', '–')
    """
    if high == MISSING:
        return low if low == MISSING else f"{low} or more"
    return f"up to {high}" if low == MISSING else span(low, high)


def _id(shown: Mapping[str, list[str]]) -> str:
    """Name a table by what is in it; great_tables would take a name by chance."""
    content = StringIO()
    csv.writer(content, lineterminator="\n").writerows([shown, *zip(*shown.values(), strict=True)])
    return f"table-{sha256(content.getvalue().encode()).hexdigest()[:10]}"


def _label(name: str) -> str:
    """Write the name of a column as a heading.

    Examples
    --------
    >>> _label("spent_on"), _label("MRR now"), _label("sMAPE"), _label("2026-09")
    ('Spent on', 'MRR now', 'sMAPE', 'September 2026')
    """
    written = in_words(str(name)) if LABEL.fullmatch(str(name)) else str(name)
    words = [word.upper() if word in SHORT else word for word in written.split("_")]
    label = " ".join(words)
    return label if label[1:2].isupper() else label[:1].upper() + label[1:]


def _inline(title: str) -> str:
    """Write a title inside a sentence: MRR stays, Win rate becomes win rate."""
    return title if title[:2].isupper() else title[0].lower() + title[1:]


def _word(value: Any, absent: str = MISSING) -> str:
    """Write a value of a table that has no unit."""
    if value is None or value is pd.NaT or (isinstance(value, float) and pd.isna(value)):
        return absent
    if isinstance(value, pd.Timestamp | dt.datetime):
        return str(value.date())
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float):
        return number(value, 0 if value == round(value) else 1 if abs(value) >= 10 else 2)
    if isinstance(value, int):
        return number(value)
    text = str(value)
    return text if len(text) <= 200 else f"{text[:199]}…"
