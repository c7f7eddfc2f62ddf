"""What a notebook shows besides charts: headlines, cards and tables.

Everything here returns HTML that a report keeps: no script, no style sheet of its own.
"""

import base64
import datetime as dt
import io
import textwrap
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from revops_kit.contracts import contract
from revops_kit.kpi import Kpi
from revops_kit.result import Result, Words
from revops_kit.sources import Source
from revops_kit.tables import BLANK, Policies
from revops_kit.units import MINUS, MISSING, NARROW_SPACE, Unit, plural

if TYPE_CHECKING:
    from great_tables import GT

    from revops_kit.workspace import Workspace

BLUE = "#0072b2"


@dataclass(frozen=True)
class Html:
    """Markup that a notebook shows as it is."""

    markup: str

    def _repr_html_(self) -> str:
        return self.markup


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
        f"{_inline(trend.kpi.title)} ({trend.verdict.split(' ')[0]})"
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


def cards(trends: Iterable[Result], targets: Mapping[str, float] | None = None) -> Html:
    """Show each figure as a card: value, change in words, target, and the trend at a glance.

    Parameters
    ----------
    trends
        Results over several periods, each ending with the one to show.
    targets
        KPI name → what was aimed at.
    """
    made = [_card(trend, (targets or {}).get(trend.kpi.name)) for trend in trends]
    return Html(f'<div class="cards">{"".join(made)}</div>')


def overview(trends: Iterable[Result]) -> "GT":
    """Show all figures in a table: value, interval, change on the period before."""
    listed = []
    for trend in trends:
        unit, last, change = trend.kpi.unit, trend.frame.iloc[-1], trend.change
        moved = unit.write_change(change.difference, trend.currency) if change else MISSING
        low, high = (unit.write(end, trend.currency) for end in (last.low, last.high))
        listed.append(
            {
                "figure": trend.kpi.title,
                "value": unit.write(last.value, trend.currency),
                "95 % interval": f"{low} to {high}" if last.low == last.low else MISSING,
                "change": moved,
                "": _verdict(trend),
            }
        )
    return plain(pd.DataFrame(listed), right=["value", "95 % interval", "change"])


def by_segment(ws: "Workspace", period: str, by: str) -> "GT | Html":
    """Show every figure by segment, in one period; figures that cannot be split say so."""
    from revops_kit import kpis

    if not by:
        return Html('<p class="note">No column to split by was asked for: set `by`.</p>')
    columns: dict[str, dict[str, str]] = {}
    for kpi in kpis.ALL:
        parts = kpi(ws, period, by=by)
        column = columns.setdefault(kpi.title, {})
        for group, value in zip(parts.frame.get(by, []), parts.frame.value, strict=True):
            column[group] = kpi.unit.write(value, ws.currency)
    frame = pd.DataFrame(columns).T
    frame = frame[sorted(frame.columns, key=lambda name: (name == BLANK, name))].fillna(MISSING)
    return plain(frame.rename_axis("figure").reset_index(), right=list(frame.columns))


def definitions(trends: Iterable[Result]) -> "GT":
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
        f"Over the last {plural(len(frame), 'month')}, {unit.write(monthly)} a month: "
        f"{unit.write(yearly)} in a year."
    )


def conventions(kpi: Kpi, ws: "Workspace", period: str, policy: str) -> "GT":
    """Show one figure by every choice that a policy leaves open."""
    from typing import get_args

    choices = get_args(Policies.model_fields[policy].annotation)
    listed = []
    for choice in choices:
        result = kpi(ws, period, **{policy: choice})
        row = result.frame.iloc[-1]
        listed.append(
            {
                policy: choice,
                kpi.title: kpi.unit.write(result.value, ws.currency),
                "lost": _word(row.numerator),
                "out of": _word(row.denominator),
                "": "the policy here" if choice == getattr(ws.tables.policies, policy) else "",
            }
        )
    return plain(pd.DataFrame(listed), right=[kpi.title, "lost", "out of"])


def factors(table: pd.DataFrame, currency: str) -> "GT":
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
            f"{after / before - 1:+.1%}".replace("-", MINUS).replace("%", f"{NARROW_SPACE}%")
            if before
            else MISSING
            for before, after in zip(table[labels[0]], table[labels[1]], strict=True)
        ]
    return plain(shown, right=[*labels, "change"])


def table(result: Result) -> "GT":
    """Show the figures of a result, a row per period and segment."""
    unit, currency, frame = result.kpi.unit, result.currency, result.frame
    has_interval = frame.low.notna().any()
    shown = pd.DataFrame({"Period": frame.period})
    if result.by:
        shown[result.by] = frame[result.by]
        if frame.period.nunique() == 1:
            shown = shown.drop(columns="Period")
    shown[result.kpi.title] = [unit.write(value, currency) for value in frame.value]
    if has_interval:
        shown["95 % interval"] = [
            f"{unit.write(low, currency)} to {unit.write(high, currency)}"
            if low == low
            else MISSING
            for low, high in zip(frame.low, frame.high, strict=True)
        ]
    shown[result.kpi.counts] = [f"{n:,}" for n in frame.n]
    words = frame.missing_because.fillna(frame.note).fillna("")
    words = words.where(~frame.is_partial | (words != ""), "partial")
    if differing := result.differing():
        words = words.where(words != "", frame[result.by].map(differing).fillna(""))
    if (words != "").any():
        shown["note"] = words
    return plain(shown, right=[result.kpi.title, "95 % interval", result.kpi.counts])


def plain(
    frame: pd.DataFrame,
    units: Mapping[str, Unit] | None = None,
    currency: str = "USD",
    right: Iterable[str] = (),
) -> "GT":
    """Show a small frame, with its numbers written in their units and aligned.

    Parameters
    ----------
    units
        Column → unit its values are written in.
    right
        Further columns aligned to the right.
    """
    from great_tables import GT

    shown = frame.copy()
    units = units or {}
    for name in shown.columns:
        if name in units:
            shown[name] = [units[name].write(value, currency) for value in frame[name]]
        else:
            shown[name] = [_word(value) for value in frame[name]]
    aligned = [name for name in shown.columns if name in units or name in set(right)]
    numbers = [name for name in frame.columns if pd.api.types.is_numeric_dtype(frame[name])]
    # Names are shown as they are: markup or Markdown in them is not ours.
    made = GT(shown.reset_index(drop=True).astype(object), rowname_col=str(shown.columns[0]))
    made = made.tab_stubhead(label=_label(shown.columns[0]))
    made = made.cols_label({name: _label(name) for name in shown.columns[1:]})
    made = made.cols_align("left")
    rest = [name for name in dict.fromkeys([*aligned, *numbers]) if name != shown.columns[0]]
    return made.cols_align("right", columns=rest) if rest else made


def rows(
    result: Result, columns: Mapping[str, str] | Iterable[str], order: str, count: int = 10
) -> "GT | Html":
    """Show some of the rows behind the last period: those with the highest `order`.

    Parameters
    ----------
    columns
        Which columns to show, and under which name; those that the source lacks are left out.
    order
        The column to sort by, descending; rows without it are not shown.
    """
    import ibis

    if result.unavailable:
        return Html(f'<p class="note">{escape(result.unavailable)}</p>')
    behind = result.rows()
    if order not in behind.columns:
        return Html(f'<p class="note">What is counted here has no {escape(_label(order))}.</p>')
    behind = behind.filter(behind.period == result.periods.each[-1].start, behind[order].notnull())
    named = dict(columns) if isinstance(columns, Mapping) else {name: name for name in columns}
    kept = [name for name in named if name in behind.columns]
    order_by = [ibis.desc(order, nulls_first=False), *[name for name in kept[:1] if name != order]]
    shown = behind.order_by(order_by).limit(count).select(*kept).to_pandas()
    if shown.empty:
        return Html('<p class="note">There are no such rows in this period.</p>')
    return plain(shown.rename(columns=named))


def sources(ws: "Workspace") -> "GT":
    """Show the tables behind a report: rows, rejects, and how far each goes."""
    listed = [
        {
            "table": name,
            "team": contract(name).team,
            "rows": f"{each.health.rows:,}",
            "rejected": f"{each.health.rejected:,}",
            "from": each.health.oldest or MISSING,
            "newest": each.health.newest or MISSING,
        }
        for name, each in ws.tables.sources.items()
        if isinstance(each, Source)
    ]
    columns = ["table", "team", "rows", "rejected", "from", "newest"]
    return plain(pd.DataFrame(listed, columns=columns), right=["rows", "rejected"])


def _card(trend: Result, target: float | None) -> str:
    unit, last = trend.kpi.unit, trend.frame.iloc[-1]
    parts = [f'<div class="label">{escape(trend.kpi.title)}</div>']
    parts.append(f'<div class="value">{escape(unit.write(last.value, trend.currency))}</div>')
    if pd.isna(last.value):
        parts.append(f'<p class="note">{escape(str(last.missing_because))}</p>')
    else:
        parts.append(_change(trend))
    if target is not None:
        share = f" ({last.value / target:.0%} of it)" if target and not pd.isna(last.value) else ""
        parts.append(
            f'<div class="target">target {escape(unit.write(target, trend.currency))}'
            f"{share.replace('%', NARROW_SPACE + '%')}</div>"
        )
    if trend.frame.value.notna().sum() > 1:
        alt = f"{trend.kpi.title} over {len(trend.frame)} periods, to {trend.period}"
        parts.append(f'<img alt="{escape(alt)}" src="data:image/png;base64,{_sparkline(trend)}">')
    return f'<div class="card">{"".join(parts)}</div>'


def _verdict(trend: Result) -> str:
    """Say in a few words what to make of the last value, and whether that is good."""
    last, verdict = trend.frame.iloc[-1], trend.verdict
    if pd.isna(last.value):
        return str(last.missing_because)
    if last.is_partial:
        return f"so far, up to {trend.as_of}"
    if trend.kpi.matures:
        return f"so far; young {trend.kpi.counts} have had less time"
    if verdict in ("", "within natural variation") or trend.kpi.better == "neither":
        return verdict
    if trend.change is not None and trend.change.is_clear:
        return "better" if _is_good(trend, trend.change.difference) else "worse"
    usual = trend.process.values[-1] - trend.process.mean
    return "better than usual" if _is_good(trend, usual) else "worse than usual"


def _is_good(trend: Result, difference: float) -> bool:
    return (difference > 0) == (trend.kpi.better == "higher")


def _change(trend: Result) -> str:
    """Write the change on the period before, with the verdict in words and in colour."""
    verdict, change = _verdict(trend), trend.change
    kind = {"better": "good", "worse": "bad"}.get(verdict.split(" ")[0], "flat")
    said = verdict
    if change is not None:
        moved = trend.kpi.unit.write_change(change.difference, trend.currency)
        said = f"{moved} on {change.before}" + (f": {verdict}" if verdict else "")
    return f'<div class="change {kind}">{escape(said)}</div>'


def _sparkline(trend: Result) -> str:
    """Draw a trend as a small line, the last point marked; hollow where it is partial."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    values = trend.frame.value.to_numpy(dtype=float)
    figure = Figure(figsize=(2.4, 0.6), dpi=150)
    axes = figure.add_axes((0.02, 0.1, 0.96, 0.8))
    axes.set_axis_off()
    places = range(len(values))
    axes.plot(places, values, color=BLUE, linewidth=1.4, solid_capstyle="round")
    # A value between two gaps has no line to stand on.
    axes.plot(places, values, ".", color=BLUE, markersize=2)
    face = "white" if trend.frame.is_partial.iloc[-1] else BLUE
    axes.plot(len(values) - 1, values[-1], "o", color=BLUE, markerfacecolor=face, markersize=4.5)
    axes.margins(x=0.04, y=0.15)
    drawn = io.BytesIO()
    FigureCanvasAgg(figure).print_png(drawn)
    return base64.b64encode(drawn.getvalue()).decode()


def _label(name: str) -> str:
    return str(name).replace("_", " ")


def _inline(title: str) -> str:
    """Write a title inside a sentence: MRR stays, Win rate becomes win rate."""
    return title if title[:2].isupper() else title[0].lower() + title[1:]


def _word(value: Any) -> str:
    """Write a value of a table that has no unit."""
    if value is None or value is pd.NaT or (isinstance(value, float) and pd.isna(value)):
        return MISSING
    if isinstance(value, pd.Timestamp | dt.datetime):
        return str(value.date())
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:,.0f}" if value == round(value) else f"{value:,.2f}"
    if isinstance(value, int):
        return f"{value:,}"
    return (
        textwrap.shorten(str(value), 200, placeholder=" …") if len(str(value)) > 200 else str(value)
    )
