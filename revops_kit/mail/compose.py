"""What a report becomes in a mail: its figures, what changed, and whether that matters."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pandas as pd

from revops_kit.cards import SIGNS, standing
from revops_kit.kpis.revenue import measure
from revops_kit.mail.addresses import address, one_line
from revops_kit.mail.message import Attachment, Email, Image
from revops_kit.mail.page import fitted, page
from revops_kit.periods import spoken
from revops_kit.units import MINUS, percent, plural

if TYPE_CHECKING:
    from revops_kit.mail.alerts import Alarm
    from revops_kit.report import Outcome
    from revops_kit.result import Result

CARDS, CHARTS = 6, 3
# Servers refuse mails of more than some ten megabytes, and base64 makes three bytes four.
LARGEST, LARGEST_TOGETHER = 3_000_000, 6_000_000
FIRST = ("revenue", "churn")  # what a subject tells where it may choose


@dataclass(frozen=True, eq=False)
class Story:
    """What a mail tells.

    Attributes
    ----------
    report, logical_date
        Which report, of which day.
    company
        Its name.
    part
        The value of `burst_by` whose rows it is about; empty for the whole.
    period
        Such as 2026-W47.
    as_of
        The last day that is known.
    trends
        KPI name → its trend, which ends with the period.
    named
        KPIs that the report is about, the most important first; they come before the others.
    outcomes
        The report's notebooks.
    alarms
        The alerts that have something to say.
    restated
        As `History.restated` has it.
    link
        Address of the folder with the reports; empty where readers cannot reach them.
    """

    report: str
    logical_date: dt.date
    company: str
    period: str
    as_of: dt.date | None
    trends: Mapping[str, "Result"]
    named: Sequence[str] = ()
    outcomes: Sequence["Outcome"] = ()
    alarms: Sequence["Alarm"] = ()
    restated: pd.DataFrame = field(default_factory=pd.DataFrame)
    part: str = ""
    link: str = ""

    @property
    def whose(self) -> str:
        """The company, and the part of it."""
        return one_line(f"{self.company} · {self.part}" if self.part else self.company)


@dataclass(frozen=True)
class Figure:
    """A figure as a mail writes it."""

    label: str
    value: str
    change: str
    kind: str
    verdict: str

    @property
    def sign(self) -> str:
        """A sign that says what its colour says."""
        return SIGNS.get(self.kind, "")

    def __str__(self) -> str:
        said = ", ".join(filter(None, [self.change, self.verdict]))
        return f"{self.label}: {self.value}" + (f" ({said})" if said else "")


def compose(story: Story, sender: str, to: Sequence[str], owner: str = "") -> Email:
    """Write the mail of a report.

    It is the same whenever it is written. The HTML stays below what Gmail shows in full, whatever
    there is to tell: what does not fit is counted, and stands in the reports.

    Parameters
    ----------
    sender, to, owner
        Addresses as people write them.

    Raises
    ------
    WorkspaceError
        When an address is none.
    """
    order = _order(story)
    told = [trend for trend in order if not pd.isna(trend.value)]
    figures = [_figure(trend) for trend in told]
    drawn = [trend for trend in told if len(trend.periods) > 1][:CHARTS]
    pictures = [(trend, trend.plot()) for trend in drawn]
    images = tuple(
        Image(f"{trend.kpi.name}.chart", chart.png(), chart.alt) for trend, chart in pictures
    )
    attached, others = attachments(story.outcomes, story.link)
    facts = {
        "title": _title(story.period),
        "whose": story.whose,
        "preheader": _preheader(story, figures),
        "alarms": [each.sentence for each in story.alarms],
        "headlines": _headlines(story),
        "cards": figures[:CARDS],
        "figures": figures[CARDS:],
        "charts": [{"cid": image.cid, "alt": image.alt} for image in images],
        "changes": _changes(told),
        "restated": _restated(story.restated, story),
        "missing": [trend.kpi.title for trend in order if pd.isna(trend.value)],
        "attached": [each.name for each in attached],
        "others": others,
        "as_of": story.as_of,
        "report": story.report,
        "owner_address": address(owner or sender).spec,
    }
    html, text = fitted("report", facts)
    return Email(
        report=story.report,
        logical_date=story.logical_date,
        sender=sender,
        to=tuple(to),
        subject=subject(story, told),
        html=html,
        text=text,
        images=images,
        attachments=attached,
        owner=owner,
        part=story.part,
    )


def subject(story: Story, told: Sequence["Result"]) -> str:
    """Tell the two figures that matter most, the first one's change, and how many alerts there are.

    Parameters
    ----------
    told
        The trends that have a figure, the most important first.
    """
    figures = []
    for trend in told[:2]:
        said = f"{_short(trend)} {trend.kpi.unit.write(trend.value, trend.currency)}"
        moved = "" if figures else _moved(trend)
        figures.append(f"{said} ({moved})" if moved else said)
    said = ", ".join(figures) or "no figures"
    count = len(story.alarms)
    alerts = f" – {plural(count, 'alert')}" if count else ""
    return one_line(f"[{story.whose}] {_title(story.period, is_short=True)}: {said}{alerts}")


def failure(
    story: Story,
    sentence: str,
    facts: Mapping[str, Any],
    sender: str,
    owner: str,
    attached: Sequence[Attachment] = (),
) -> Email:
    """Write to the owner why readers got nothing.

    Parameters
    ----------
    facts
        `troubles` (sentences), `parameters` (name → value, secrets taken out), `command` to run
        it again.
    """
    said = {
        "title": f"{story.report}: not mailed",
        "whose": story.whose,
        "preheader": "Readers have got nothing; this goes to you alone.",
        "sentence": sentence,
        "logical_date": story.logical_date,
    }
    html, text = page("owner", said | dict(facts))
    words = one_line(f"[{story.whose}] {story.report} not mailed: {sentence}")
    return Email(
        report=story.report,
        logical_date=story.logical_date,
        sender=sender,
        to=(owner,),
        subject=words if len(words) <= 150 else f"{words[:149]}…",
        html=html,
        text=text,
        attachments=tuple(attached),
        owner=owner,
        part="to its owner",
    )


def _order(story: Story) -> list["Result"]:
    """List the trends to tell: of alerts, named ones, those that moved, and the others."""
    trends = {name: each for name, each in story.trends.items() if not each.unavailable}
    clear = [name for name, each in trends.items() if standing(each)[0] in ("good", "bad")]
    alarms = [each.kpi for each in story.alarms]
    names = [*story.named, *FIRST, *alarms, *clear, *trends]
    trends.pop(_repeated(trends), None)
    return [trends[name] for name in dict.fromkeys(names) if name in trends]


def _repeated(trends: Mapping[str, "Result"]) -> str:
    """Name the figure that revenue is, which is told once."""
    revenue = trends.get("revenue")
    return "" if revenue is None or revenue.unavailable else measure(revenue.tables).name


def _figure(trend: "Result") -> Figure:
    kind, words = standing(trend)
    change = trend.change
    moved = ""
    if change is not None:
        moved = trend.kpi.unit.write_change(change.difference, trend.currency)
        before, _, year = spoken(change.before).partition(" of ")
        moved += f" on {before}" if trend.period[:4] == year else f" on {spoken(change.before)}"
    value = trend.kpi.unit.write(trend.value, trend.currency)
    return Figure(_label(trend), value, moved, kind, words)


def _label(trend: "Result") -> str:
    """Name a figure, with what revenue means."""
    title = trend.kpi.title
    return f"{title} ({_short(trend)})" if trend.kpi.name == "revenue" else title


def _short(trend: "Result") -> str:
    """Name a figure in a subject, where it is said what revenue means."""
    name = trend.kpi.name
    words = (measure(trend.tables).name if name == "revenue" else name).replace("_", " ")
    return words.upper() if words in ("mrr", "cac", "clv") else words


def _moved(trend: "Result") -> str:
    """Write how far a figure moved: shares by points, all else in percent of what it was."""
    if trend.change is None:
        return ""
    before = trend.value - trend.change.difference
    if trend.kpi.unit.name == "share" or before <= 0:
        return trend.kpi.unit.write_change(trend.change.difference, trend.currency)
    share = trend.change.difference / before
    sign = "±" if abs(share) < 0.0005 else "+" if share > 0 else MINUS
    return sign + percent(abs(share), 1)


def _title(period: str, is_short: bool = False) -> str:
    words = spoken(period)
    words = words[:1].upper() + words[1:]
    return words.partition(" of ")[0] if is_short else words


def _preheader(story: Story, figures: Sequence[Figure]) -> str:
    """Say what stands beside the subject in a list of mails."""
    if story.alarms:
        return story.alarms[0].sentence
    moved = [each for each in figures if each.kind in ("good", "bad", "neutral")]
    if not moved:
        return "No figure moved beyond its natural variation."
    return "; ".join(str(each) for each in moved[:3])


def _headlines(story: Story) -> list[dict[str, str]]:
    """Take over what the reports open with, each with its title unless it begins so."""
    said = []
    for each in story.outcomes:
        if each.headline:
            trend = story.trends.get(each.notebook)
            title = trend.kpi.title if trend else _named(each.notebook)
            is_said = each.headline.startswith(title)
            # The overview begins with what the revenue report does.
            if not any(each.headline in earlier["said"] for earlier in said):
                said.append({"title": "" if is_said else title, "said": each.headline})
    return said


def _changes(told: Sequence["Result"]) -> list[str]:
    """Say of each figure that moved beyond chance what tells so; the charts carry the rest."""
    said = []
    for trend in told:
        if trend.is_signal:
            said.append(f"{trend.kpi.title}: {trend.signal()}")
        elif trend.change is not None and trend.change.is_clear:
            said.append(str(trend.headline()))
    return said


def _restated(frame: pd.DataFrame, story: Story) -> list[dict[str, str]]:
    """Write the figures told earlier that have moved since, as far as a reader sees it."""
    rows = []
    for row in frame.to_dict("records"):
        trend = story.trends[row["kpi"]]
        unit = trend.kpi.unit
        old, new = (unit.write(row[end], trend.currency) for end in ("old", "new"))
        if old != new and row["kpi"] != _repeated(story.trends):
            figure = {"figure": _label(trend), "period": spoken(row["period"])}
            rows.append(figure | {"old": old, "new": new})
    return rows


def attachments(
    outcomes: Sequence["Outcome"], link: str
) -> tuple[tuple[Attachment, ...], list[dict[str, str]]]:
    """Attach the reports that are small enough, and say where the others are."""
    attached, others, room = [], [], LARGEST_TOGETHER
    for file in (each.html for each in outcomes if each.html):
        size = file.stat().st_size
        is_small = size <= min(LARGEST, room)
        if is_small:
            attached.append(Attachment(file.name, file.read_bytes()))
            room -= size
        if link or not is_small:
            others.append(
                {
                    "title": _named(file.stem),
                    "link": f"{link}/{quote(file.name)}" if link else "",
                    "said": "" if is_small else f"too large for a mail ({size / 1e6:.1f} MB)",
                }
            )
    return tuple(attached), others


def _named(notebook: str) -> str:
    words = notebook.replace("_", " ")
    return words[:1].upper() + words[1:]
