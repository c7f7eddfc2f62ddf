"""Pictures of a page: the words around them in its own type, their numbers to unfold."""

from collections.abc import Mapping, Sequence

from bs4 import Tag
from bs4.element import PreformattedString
from markupsafe import Markup

from revops_kit.report.markup import element, scrolling, typeset
from revops_kit.report.sanitize import visible
from revops_kit.units import MINUS, MISSING, number
from revops_kit.wording import LABEL, in_words


def figure(source: str, about: Mapping, section: str) -> Tag:
    """Set a picture, the words around it in the page's type, and its numbers to unfold.

    The words are drawn into the picture too, for wherever it goes alone: here they are cut off.
    """
    words, whole = about.get("words", {}), element("figure", kind="chart")
    picture = element("img", src=source)
    picture["alt"] = visible(str(about.get("alt") or f"Chart: {section}"))
    size = {side: int(about[side]) for side in ("width", "height") if side in about}
    if words:
        above, below = int(words["above"]), int(words["below"])
        size["height"] -= above + below
        picture["style"] = (
            f"aspect-ratio: {size['width']} / {size['height']};"
            f" object-position: 0 {above / (above + below):.2%}"
        )
        caption = element("figcaption")
        caption.append(element("p", words["title"], "title"))
        if words["question"]:
            caption.append(element("p", words["question"]))
        whole.append(caption)
    for side, pixels in size.items():
        picture[side] = str(pixels)
    absent = words.get("absent")
    whole.append(element("p", absent, "absent") if absent else picture)
    if words and words["notes"]:
        whole.append(element("p", " ".join(words["notes"]), "note"))
    typeset(whole)
    if not absent and about.get("numbers", {}).get("rows"):
        whole.append(_numbers(about["numbers"], words.get("title") or section))
    return whole


def _numbers(numbers: Mapping, title: str) -> Tag:
    """Set the numbers of a picture in full, to unfold."""
    unfolded = element("details", kind="numbers")
    unfolded.append(element("summary", "Numbers"))
    unfolded.summary.append(element("span", f" of {title}", "unseen"))
    if numbers["of"] > len(numbers["rows"]):
        said = f"{len(numbers['rows'])} of {number(numbers['of'])} rows, evenly spaced."
        unfolded.append(element("p", said, "note"))
    box = scrolling(f"Numbers of {title}")
    box.append(PreformattedString(visible(_table(numbers["columns"], numbers["rows"]))))
    unfolded.append(box)
    return unfolded


def _table(columns: Sequence[str], rows: Sequence[Sequence]) -> Markup:
    """Write a table; as text, for there are more of its cells than of all other elements."""
    first, *others = (
        "" if any(isinstance(row[place], str) for row in rows) else ' class="number"'
        for place in range(len(columns))
    )
    heads = Markup("").join(
        Markup(f'<th{kind} scope="col">{{}}</th>').format(_heading(name))
        for kind, name in zip((first, *others), columns, strict=True)
    )
    cells = "".join(f"<td{kind}>{{}}</td>" for kind in others)
    line = Markup(f'<tr><th{first} scope="row">{{}}</th>{cells}</tr>')
    lines = Markup("").join(line.format(*map(_in_full, row)) for row in rows)
    return Markup("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>").format(heads, lines)


def _in_full(value: object) -> str:
    """Write a number to all its figures but the crumbs of binary fractions."""
    if value is None or value == "":
        return MISSING
    if isinstance(value, float):
        return f"{value:,.15g}".replace("-", MINUS)
    return in_words(value) if LABEL.fullmatch(str(value)) else str(value)


def _heading(name: str) -> str:
    return f"{name[:1].upper()}{name[1:]}".replace("_", " ")


def over_periods(about: Mapping) -> tuple[float | None, ...]:
    """Take the values of a chart over periods; none of one that is split, or no trend.

    Of a forecast these are the values that came.
    """
    numbers = about.get("numbers", {})
    columns, rows = numbers.get("columns", []), numbers.get("rows", [])
    if columns[:2] not in (["period", "value"], ["period", "actual"]) or len(rows) < 2:
        return ()
    values = [row[1] for row in rows]
    while columns[1] == "actual" and values and values[-1] is None:
        values.pop()
    return tuple(values)
