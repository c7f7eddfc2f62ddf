"""What shows that a mail of one part of a company holds nothing of another.

A part's reports are made from a workspace that has no other rows. That this is so is shown, mail
by mail, before the first is sent: by counting again, and by looking for what others would leave.
"""

import math
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import ibis

from revops_kit.contracts import contract
from revops_kit.errors import MailError
from revops_kit.mail.message import Email
from revops_kit.sources import Source
from revops_kit.tables import BLANK, Tables, segment_of

if TYPE_CHECKING:
    from revops_kit.result import Result
    from revops_kit.workspace import Workspace

WORD = re.compile(r"\w+")
NUMBER = re.compile(r"\d[\d,.’\u00a0\u202f]*\d")
# What names a thing; other texts – plans, stages – are the same everywhere.
NAMES = ("name", "email", "company", "domain")
KEY = re.compile(r"(?=.*\d)(?=.*[^\W\d]).{4,}|\d{6,}", re.S)
EXACT = 5  # digits from which a number is hardly met by chance


@dataclass(frozen=True)
class Whole:
    """A company of which mails tell parts.

    Attributes
    ----------
    split
        KPI name → its trend, split by the column: counted once for all parts.
    totals
        KPI name → its trend, of the whole.
    prose
        What its notebooks say whatever the data.
    """

    ws: "Workspace"
    by: str
    split: Mapping[str, "Result"]
    totals: Mapping[str, "Result"]
    prose: str = ""

    @cached_property
    def values(self) -> frozenset[str]:
        """All values of the column."""
        found: set[str] = set()
        tables = self.ws.tables.split(self.by)
        for source in tables.sources.values():
            if isinstance(source, Source) and tables.by in source.table.columns:
                column = segment_of(source.table[tables.by])
                found |= set(
                    column.name("value").as_table().distinct().value.to_pyarrow().to_pylist()
                )
        return frozenset(found)

    @cached_property
    def spoken(self) -> frozenset[str]:
        """The values that notebooks say whatever the data, so that they cannot be looked for."""
        prose = _worded(self.prose)
        return frozenset(each for each in self.values if _worded(each) in prose)

    @cached_property
    def traces(self) -> frozenset[str]:
        """Keys and names of all rows."""
        return frozenset(_traces(self.ws.tables))


def prove(
    email: Email, part: "Workspace", whole: Whole, trends: Mapping[str, "Result"]
) -> dict[str, Any]:
    """Show that a mail holds nothing of other parts: neither their rows, names nor figures.

    Parameters
    ----------
    part
        The workspace that its reports were made from.
    trends
        The part's figures, as the mail tells them.

    Returns
    -------
    dict
        What was looked at, and how much there was of it.

    Raises
    ------
    MailError
        When the mail holds something of another part, or its figures are not those of its rows.
    """
    mine = email.part
    trends = {name: each for name, each in trends.items() if not each.unavailable}
    compared = [name for name, each in trends.items() if _adds_up(whole.split[name])]
    for name in compared:
        if not _is_same(trends[name].value, _value(whole.split[name], mine)):
            raise _leak(mine, whole.by, f"{name} is not what the whole, split, has for it")
    own = _traces(part.tables)
    others = whole.values - {mine, BLANK}
    known = (mine, whole.ws.company.name, *own)
    said = _vocabulary() | whole.spoken | _held(part.tables, others)
    words = _Sought(others - own - said, known)
    rows = _Sought(whole.traces - own, known)
    figures = _figures(whole, trends, mine)
    seen = 0
    for place, texts, lines in _documents(email):
        seen += len(texts) + len(lines)
        for text in texts:
            if words.is_in(text):
                raise _leak(mine, whole.by, f"another value of {whole.by} stands in {place}")
            if rows.is_in(text):
                raise _leak(mine, whole.by, f"a row of another value stands in {place}")
        for line in lines:
            for name, written in figures.items():
                if _names(trends[name], line) and written & _numbers(line):
                    raise _leak(mine, whole.by, f"{name} of others stands in {place}")
    kept = {
        name: source.health.rows
        for name, source in part.tables.sources.items()
        if isinstance(source, Source)
    }
    return {
        "column": whole.by,
        "value": mine,
        "rows": kept,
        "figures_compared": compared,
        "others": len(others),
        "traces_looked_for": len(words) + len(rows) + sum(map(len, figures.values())),
        "texts_looked_through": seen,
        "found": 0,
    }


class _Sought:
    """Texts to look for, word by word, so that it takes no longer when there are many.

    Longer names that readers may see are passed over: EMEA is no leak in the mail of EMEA South,
    nor in any mail of Acme EMEA Ltd.
    """

    def __init__(self, texts: Iterable[str], known: Iterable[str]):
        self.starts: dict[str, set[tuple[str, ...]]] = {}
        self.known: dict[str, set[tuple[str, ...]]] = {}
        for starts, each in ((self.starts, texts), (self.known, known)):
            for words in filter(None, (tuple(WORD.findall(text)) for text in each)):
                starts.setdefault(words[0], set()).add(words)

    def __len__(self) -> int:
        return sum(map(len, self.starts.values()))

    def is_in(self, text: str) -> bool:
        words, passed = WORD.findall(text), 0
        for place in range(len(words)):
            passed = max(passed, place + _longest(self.known, words, place))
            if (found := _longest(self.starts, words, place)) and place + found > passed:
                return True
        return False


def _worded(text: str) -> str:
    return f" {' '.join(WORD.findall(text))} "


def _longest(starts: Mapping[str, set[tuple[str, ...]]], words: list[str], place: int) -> int:
    """Tell how many words the longest text has that stands there, 0 for none."""
    return max(
        (
            len(each)
            for each in starts.get(words[place], ())
            if tuple(words[place : place + len(each)]) == each
        ),
        default=0,
    )


def _traces(tables: Tables) -> set[str]:
    """List what names the rows of some tables, as far as it cannot be an ordinary word."""
    found: set[str] = set()
    for name, source in tables.sources.items():
        if not isinstance(source, Source):
            continue
        promised = contract(name)
        key = promised.key[:1]
        names = [each for each in NAMES if each in promised.columns]
        for column in [*key, *names]:
            if promised.columns[column].kind != "text" or column not in source.table.columns:
                continue
            values = source.table.select(value=source.table[column]).distinct()
            texts = (each for each in values.value.to_pyarrow().to_pylist() if each)
            found.update(each for each in texts if _is_telling(each, column in key))
    return found


def _held(tables: Tables, values: Iterable[str]) -> set[str]:
    """Find the values that rows hold in any column: a plan may be called as another region is."""
    found, values = set(), list(values)
    for source in tables.sources.values():
        if values and isinstance(source, Source):
            table = source.table
            columns = [table[name] for name, kind in table.schema().items() if kind.is_string()]
            texts = [column.name("value").as_table() for column in columns]
            if texts:
                every = ibis.union(*texts) if len(texts) > 1 else texts[0]
                held = every.filter(every.value.isin(values)).distinct()
                found.update(held.value.to_pyarrow().to_pylist())
    return found


def _vocabulary() -> set[str]:
    """List the words that every report says; a value called so cannot be looked for."""
    from revops_kit import kpis
    from revops_kit.contracts import names

    said = [f"{each.title} {each.question} {each.formula} {each.counts}" for each in kpis.ALL]
    for name in names():
        said += [name.replace("_", " "), *contract(name).columns]
    said = " ".join(said)
    return {word for text in (said, said.casefold()) for word in WORD.findall(text)}


def _is_telling(text: str, is_key: bool) -> bool:
    """Tell whether a text can hardly be met by chance: a key with a letter, a name of two words."""
    return bool(KEY.fullmatch(text)) if is_key else len(WORD.findall(text)) > 1


def _figures(whole: Whole, trends: Mapping[str, "Result"], mine: str) -> dict[str, set[str]]:
    """List how the figures of the others, and those of all, would be written in this period."""
    written: dict[str, set[str]] = {}
    for name, trend in trends.items():
        split, total = whole.split[name], whole.totals[name]
        last = split.frame[split.frame.period == trend.period]
        others = [] if split.unavailable else last[last[split.by] != mine].value.tolist()
        frame, unit = trend.frame, trend.kpi.unit
        own = [*frame.value, *frame.low, *frame.high]
        taken = {form for value in own for form in _forms(value)}
        taken |= {_digits(unit.write(value, trend.currency)) for value in own}
        taken |= {_digits(unit.write_change(step, trend.currency)) for step in frame.value.diff()}
        taken |= {_digits(f"{count:.0f}") for count in frame.n}
        forms = {form for value in [*others, total.value] for form in _forms(value)}
        if trend.kpi.summary.is_sum and not math.isnan(total.value):
            short = _digits(unit.write(total.value, trend.currency))
            forms |= {short} if len(short) >= 3 else set()
        written[name] = forms - taken
    return written


def _forms(value: float) -> set[str]:
    """Write a number in full, to the cent and whole, as far as it has digits enough to tell."""
    if value is None or not math.isfinite(value):
        return set()
    ways = {f"{value:.15g}", f"{value:.2f}", f"{value:.0f}"}
    return {form for form in map(_digits, ways) if len(form) >= EXACT}


def _digits(written: str) -> str:
    """Take the digits that tell of a number, without marks and the zeros at its ends."""
    return re.sub(r"\D", "", written).strip("0")


def _numbers(text: str) -> set[str]:
    return {_digits(found) for found in NUMBER.findall(text)}


def _names(trend: "Result", text: str) -> bool:
    folded = text.casefold()
    return trend.kpi.title.casefold() in folded or trend.kpi.name.casefold() in folded


def _documents(email: Email) -> Iterator[tuple[str, list[str], list[str]]]:
    """Give all that a reader can open: where it is, its texts, and the lines that name figures."""
    yield "the subject", [email.subject], [email.subject]
    yield "the text", [email.text], email.text.splitlines()
    yield "the HTML", *_read(email.html)
    for each in email.attachments:
        texts, lines = _read(each.data.decode("utf-8", "replace"))
        yield each.name, [each.name, *texts], lines


def _read(html: str) -> tuple[list[str], list[str]]:
    """Take a page apart: all that it says, and what stands in one row, paragraph or figure."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(html, "html.parser")
    for each in soup.find_all(["style", "script"]):
        each.decompose()
    said = [
        str(value)
        for each in soup.find_all(True)
        for name, value in each.attrs.items()
        if name not in ("style", "class", "src")
    ]
    lines = [
        each.get_text(" ")
        for each in soup.find_all(["tr", "li", "figure", "p", "pre"])
        if not each.find("table") or each.name == "figure"
    ]
    lines += [each["alt"] for each in soup.find_all("img", alt=True)]
    return [soup.get_text(" "), *said], lines


def _adds_up(split: "Result") -> bool:
    """Tell whether a figure of the parts is its share of the whole's.

    Others may differ by right: who won a customer first is another question in one region.
    """
    return split.kpi.summary.is_sum and not split.unavailable


def _value(split: "Result", value: str) -> float:
    """Give the last value of a part in what is split; nothing counted is nothing."""
    frame = split.frame[split.frame.period == split.period]
    found = frame.loc[frame[split.by] == value, "value"]
    return float(found.iloc[0]) if len(found) else 0.0


def _is_same(first: float, second: float) -> bool:
    if math.isnan(first) or math.isnan(second):
        return math.isnan(first) and math.isnan(second)
    return math.isclose(first, second, rel_tol=1e-6, abs_tol=1e-9)


def _leak(part: str, by: str, said: str) -> MailError:
    return MailError(
        f"The mail of {by} {part!r} would tell of others: {said}. No part is mailed; see that its "
        f"notebooks open the workspace that they are told."
    )
