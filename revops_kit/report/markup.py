"""Elements of a page, and prose set as people read it."""

import re
from calendar import month_name

from bs4 import BeautifulSoup, NavigableString, Tag
from markupsafe import Markup, escape

from revops_kit.report.sanitize import visible
from revops_kit.wording import in_words

# What a line would break within: a day, a month, a signed number, a number and its unit.
# No longer than a line: a name may be made of digits.
FIGURE = re.compile(
    rf"\b(\d\d?\s)?({'|'.join(month_name[1:])})\s\d{{4}}\b|\bQ[1-4]\s\d{{4}}\b"
    r"|[+−±][^\s\d]{0,3}[\d.,]{0,20}\d(\s(%|(k|M|bn|pp|days?)\b))?"
    r"|[$€£¥₹]?\d[\d.,]{0,20}\s(%|(k|M|bn|pp|days?)\b)"
)
AS_IT_IS = {"code", "pre", "table"}

# It makes elements, and has none itself.
_maker = BeautifulSoup()


def element(name: str, text: str = "", kind: str = "", **attributes: str) -> Tag:
    """Make an element of a text, of the class `kind`."""
    classes = {"class": kind} if kind else {}
    element = _maker.new_tag(name, attrs=classes | attributes)
    if text:
        element.string = visible(text)
    return element


def scrolling(label: str) -> Tag:
    """Make a box for a table that may be wider than the page."""
    # Without a tab stop, who has no mouse cannot scroll it.
    reachable = {"role": "group", "tabindex": "0", "aria-label": label}
    return element("div", kind="scroll", **reachable)


def named(part: Tag, *names: str) -> list[Tag]:
    """Find the elements of some names; `find_all` takes several times as long for more than one."""
    return [each for each in part.descendants if each.name in names]


def typeset(prose: Tag) -> None:
    """Say periods as people do, and let no line of prose end within one or within a figure."""
    for text in prose.find_all(string=True):
        if AS_IT_IS.isdisjoint(each.name for each in text.parents) and not _is_unbroken(text):
            set_anew = unbroken(in_words(str(text)))
            if set_anew != escape(text):
                text.replace_with(BeautifulSoup(set_anew, "html.parser"))


def _is_unbroken(text: NavigableString) -> bool:
    return "unbroken" in text.parent.get("class", [])


def unbroken(text: str) -> Markup:
    """Put what may not be broken, in a text, into elements that are not.

    Examples
    --------
    >>> print(unbroken("In May 2026 & Q3 2026: −€5"))
    In <span class="unbroken">May 2026</span> &amp; <span class="unbroken">Q3 2026</span>: <span
    class="unbroken">−€5</span>
    """
    return Markup(FIGURE.sub(r'<span class="unbroken">\g<0></span>', str(escape(text))))
