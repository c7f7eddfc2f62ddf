"""Figure cards: a value, its change, what was aimed at, and whether it is signal or noise."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape

import pandas as pd

from revops_kit.result import Result
from revops_kit.sparkline import sparkline
from revops_kit.units import percent, span
from revops_kit.wording import in_words

# Good and bad have a sign of their own, for those who see no colours.
SIGNS = {"good": "▲", "bad": "▼", "neutral": "◆", "noise": "≈", "open": "○"}


@dataclass(frozen=True)
class Html:
    """Markup that a notebook shows as it is."""

    markup: str = field(repr=False)

    def _repr_html_(self) -> str:
        return self.markup


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
    return Html(f'<ul class="cards">{"".join(made)}</ul>')


def verdict(trend: Result) -> str:
    """Say in a few words what to make of the last value, and whether that is good."""
    last, said = trend.whole.frame.iloc[-1], trend.verdict
    if pd.isna(last.value):
        return in_words(last.missing_because)
    if last.is_partial:
        return in_words(f"so far, up to {trend.as_of}")
    if trend.kpi.matures:
        return f"so far; young {trend.kpi.counts} have had less time"
    if said in ("", "within natural variation") or trend.kpi.better == "neither":
        return said
    if trend.change is not None and trend.change.is_clear:
        return "better" if _is_good(trend, trend.change.difference) else "worse"
    usual = trend.process.values[-1] - trend.process.mean
    return "better than usual" if _is_good(trend, usual) else "worse than usual"


def _card(trend: Result, target: float | None) -> str:
    unit, last = trend.kpi.unit, trend.whole.frame.iloc[-1]
    # What a value is a rate of stands smaller than the value.
    value, per, day = unit.write(last.value, trend.currency).partition(" a day")
    small = f"<small>{per}{day}</small>" if per else ""
    parts = [
        f'<p class="label">{escape(trend.kpi.title)}</p>',
        f'<p class="value">{escape(value)}{small}</p>',
    ]
    if pd.isna(last.value):
        said = verdict(trend)
        parts.append(f'<p class="missing">{escape(said[0].upper() + said[1:])}</p>')
    else:
        parts += [_change(trend), _chip(trend)]
    if target is not None:
        aim = f"{unit.write(target, trend.currency)} target"
        if target and not pd.isna(last.value):
            aim = f"{percent(last.value / target)} of the {aim}"
        parts.append(f'<p class="target">{escape(aim)}</p>')
    if trend.frame.value.notna().sum() > 1:
        parts.append(_trend_at_a_glance(trend))
    return f'<li class="card">{"".join(parts)}</li>'


def _change(trend: Result) -> str:
    """Write the change on the period before, with its interval."""
    change, unit = trend.change, trend.kpi.unit
    if change is None:
        return ""
    # The value above says what it is a rate of.
    moved, low, high = (
        escape(unit.write_change(each, trend.currency).removesuffix(" a day"))
        for each in (change.difference, change.low, change.high)
    )
    ends = f' <span class="between">({span(low, high)})</span>' if change.low is not None else ""
    return f'<p class="change">{moved} on {in_words(change.before)}{ends}</p>'


def standing(trend: Result) -> tuple[str, str]:
    """Tell signal from noise: what kind of news it is – a key of `SIGNS` – and a few words.

    Both are empty where nothing can tell.
    """
    said = verdict(trend)
    if not said:
        return "", ""
    return {
        "better": ("good", f"Signal: {said}"),
        "worse": ("bad", f"Signal: {said}"),
        "within": ("noise", "Noise"),
        "so": ("open", f"{said[0].upper()}{said[1:]}"),
    }.get(said.split(" ")[0].rstrip(","), ("neutral", f"Signal: {said}"))


def _chip(trend: Result) -> str:
    """Show it with a sign and a colour that say the same."""
    kind, word = standing(trend)
    if not kind:
        return ""
    return (
        f'<p class="chip {kind}"><span aria-hidden="true">{SIGNS[kind]}</span> {escape(word)}</p>'
    )


def _is_good(trend: Result, difference: float) -> bool:
    return (difference > 0) == (trend.kpi.better == "higher")


def _trend_at_a_glance(trend: Result) -> str:
    frame = trend.frame
    drawn = sparkline(frame.value.tolist(), trend.limits, bool(frame.is_partial.iloc[-1]))
    low, high = (
        trend.kpi.unit.write(end, trend.currency) for end in (frame.value.min(), frame.value.max())
    )
    run = f"{in_words(frame.period.iloc[0])} to {in_words(trend.period)}"
    alt = f"{trend.kpi.title}, {run}: between {low} and {high}."
    return f'<img alt="{escape(alt)}" src="data:image/png;base64,{drawn}">'
