"""Pages: an executed notebook, or the list of a run's reports, as one self-contained HTML file."""

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import mistune
from bs4 import BeautifulSoup, Tag
from markupsafe import Markup
from nbconvert.exporters.templateexporter import TemplateExporter
from nbformat import NotebookNode
from nbformat.v4 import new_notebook

from revops_kit.periods import spoken
from revops_kit.report import index
from revops_kit.report.figures import figure, over_periods
from revops_kit.report.markup import element, named, scrolling, typeset, unbroken
from revops_kit.report.sanitize import sanitize, text_of
from revops_kit.sparkline import sparkline
from revops_kit.units import number
from revops_kit.wording import in_words

TEMPLATE = Path(__file__).parent / "template"
REPORT, INDEX = "report.html.j2", "index.html.j2"
DATE = re.compile(r"\d{4}-\d\d-\d\d|([A-Z][a-z]+|Q\d) \d{4}")
LONG = 40  # letters from which a cell asks for room of its own
NUMBER = re.compile(
    r"[$€£¥₹+−–-]*\s?\d[\d,.’\s]*(%|pp|k|M|bn|days?|a day)?\s?[$€£¥₹]?|[–-]|nan|NaN|"
)
PICTURES = ("image/png", "image/jpeg")
# `<Axes: title=…>` is for programmers.
REPR = re.compile(r"<.*>|\[<.*>\]", re.S)
# Not nbconvert's: that takes "$3 M against $2 M" for a formula.
markdown = mistune.create_markdown(escape=False, plugins=["table", "strikethrough"])


@dataclass(frozen=True)
class Heading:
    """A line of the contents list."""

    level: int
    id: str
    text: str


@dataclass(frozen=True)
class Report:
    """What a report says, taken from an executed notebook.

    Attributes
    ----------
    title
        The first heading of the first level.
    question
        What stands below it in the same cell.
    headline
        What the cell tagged `headline` shows.
    body
        Everything else, in the order of the notebook.
    headings
        The second and third level of the body, for the contents list.
    trend
        The values of the first chart over periods, oldest first, for a sparkline.
    """

    title: str
    question: Markup
    headline: Markup
    body: tuple[Markup, ...]
    headings: tuple[Heading, ...]
    trend: tuple[float | None, ...] = ()

    @property
    def headline_text(self) -> str | None:
        """The headline without its markup, on one line."""
        return text_of(self.headline) or None


def read_report(notebook: NotebookNode, name: str) -> Report:
    """Read what a report shows out of an executed notebook; `name` is for one without a title."""
    title, question, headline, last_heading = None, "", [], ""
    body: list[Tag] = []
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            part = _dress(markdown(cell.source), last_heading or name)
            first = part.find("h1")
            if title is None and first:
                title = " ".join(first.extract().get_text().split())
                question = str(part)
            else:
                body.append(part)
                last_heading = _last_heading(part) or last_heading
        elif cell.cell_type == "code":
            shown = list(_shown(cell.outputs, last_heading or title or name))
            (headline if "headline" in cell.metadata.get("tags", []) else body).extend(shown)
    headings = tuple(_anchor(body))
    charts = (about for each in notebook.cells for about in _charts(each))
    return Report(
        title=title or name,
        question=Markup(question),
        headline=Markup("".join(str(part) for part in headline)),
        body=tuple(Markup(part) for part in body),
        headings=headings,
        trend=next(filter(None, map(over_periods, charts)), ()),
    )


def read_templates() -> None:
    """Read the templates, which takes longer than to fill them."""
    for template in (REPORT, INDEX):
        _exporter(template).template  # noqa: B018 (it is read when it is asked for)


def write_report(report: Report, context: Mapping[str, object]) -> str:
    """Write the page of one report."""
    return _fill(REPORT, report=report, **context)


def write_index(entries: Mapping[str, Mapping], context: Mapping[str, object]) -> str:
    """Write the page over all reports; `entries` are those of `run.json`, by notebook."""
    told = {
        "summary": index.summary(entries),
        "notices": index.notices(entries, context),
        "behind": index.behind(context.get("tables") or {}, str(context.get("as_of") or "")),
    }
    return _fill(INDEX, entries=entries, **context, **told)


def _fill(template: str, **resources: object) -> str:
    # What a report shows of its notebook has been read already.
    return _exporter(template).from_notebook_node(new_notebook(), resources=resources)[0]


@cache
def _exporter(template: str) -> TemplateExporter:
    """Make an exporter once."""
    exporter = TemplateExporter(template_paths=[str(TEMPLATE)], template_file=template)
    exporter.environment.autoescape = True
    exporter.environment.filters |= {
        "number": number,
        "period": _period,
        "day": in_words,
        "sparkline": sparkline,
        "unbroken": unbroken,
    }
    return exporter


def _period(label: str) -> str:
    """Write a period as a heading; what is none stays as it is.

    Examples
    --------
    >>> _period("2026-09"), _period("2026-W36"), _period("all"), _period("weekly")
    ('September 2026', 'Week 36 of 2026', 'All time', 'weekly')
    """
    words = spoken(label)
    return label if words == label else words[0].upper() + words[1:]


def _shown(outputs: list[NotebookNode], section: str) -> Iterator[Tag]:
    """Give what a reader sees of a cell's outputs: no errors, no warnings."""
    for output in outputs:
        if output.output_type == "stream":
            if output.name == "stdout" and output.text.strip():
                yield element("pre", output.text, "stdout")
        elif output.output_type in ("display_data", "execute_result"):
            yield from _richest(output.data, output.metadata, section)


def _richest(data: Mapping, metadata: Mapping, section: str) -> Iterator[Tag]:
    if "text/html" in data:
        yield _dress(data["text/html"], section)
    elif "text/markdown" in data:
        yield _dress(markdown(data["text/markdown"]), section)
    elif picture := next((kind for kind in PICTURES if kind in data), None):
        source = f"data:{picture};base64,{''.join(data[picture].split())}"
        yield figure(source, metadata.get(picture, {}), section)
    elif "text/plain" in data and not REPR.fullmatch(data["text/plain"].strip()):
        text = data["text/plain"]
        if text[:1] in "'\"":
            yield element("p", str(_unquoted(text)))
        else:
            yield element("pre", text, "plain")


def _charts(cell: NotebookNode) -> Iterator[Mapping]:
    """Give what the charts of a cell say of themselves."""
    for output in cell.get("outputs", []):
        yield from (output.get("metadata", {}).get(kind, {}) for kind in PICTURES)


def _unquoted(text: str) -> object:
    """Undo the quotes of a cell that ends in a string."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text


def _dress(source: str, section: str) -> Tag:
    """Sanitize HTML, let its tables scroll in their own box, and set their numbers right."""
    part = BeautifulSoup(sanitize(source), "html.parser")
    for table in part.find_all("table"):
        if "dataframe" in table.get("class", []):
            del table["style"]
            _align_numbers(table)
        if "gt_table" in table.get("class", []):
            del table.parent["style"]
        caption = table.caption or table.find(class_="gt_title")
        label = caption.get_text().strip() if caption else f"Table: {section}"
        for cell in named(table, "td", "th"):
            text = cell.get_text().strip()
            if kind := "day" if DATE.fullmatch(text) else "long" if len(text) > LONG else "":
                cell["class"] = [*cell.get("class", []), kind]
        box = table.wrap(scrolling(label))
        # A note is read, not scrolled.
        if foot := table.tfoot:
            box.insert_after(element("p", " ".join(foot.extract().get_text(" ").split()), "note"))
    for prose in named(part, "p", "li"):
        typeset(prose)
    return part


def _align_numbers(table: Tag) -> None:
    """Mark the columns of a pandas frame that hold numbers only."""
    rows = [row.find_all("td") for row in table.select("tbody tr")]
    width = max(map(len, rows), default=0)
    heads = [row.find_all("th")[-width:] for row in table.select("thead tr")]
    for column in range(width):
        cells = [row[column] for row in rows if column < len(row)]
        if all(NUMBER.fullmatch(cell.get_text().strip()) for cell in cells):
            for cell in cells + [head[column] for head in heads if len(head) == width]:
                cell["class"] = "number"


def _last_heading(part: Tag) -> str:
    headings = named(part, "h2", "h3")
    return headings[-1].get_text().strip() if headings else ""


def _anchor(body: list[Tag]) -> Iterator[Heading]:
    """Give the headings of the body an id each, in order."""
    headings = (heading for part in body for heading in named(part, "h2", "h3"))
    for place, heading in enumerate(headings, start=1):
        text = " ".join(heading.get_text().split())
        slug = re.sub(r"\W+", "-", text.casefold()).strip("-")
        heading["id"] = f"{place}-{slug}"[:60]
        yield Heading(int(heading.name[1]), heading["id"], text)
