"""Elements of a page, and prose whose lines break where they may."""

import re

from bs4 import BeautifulSoup, Tag
from markupsafe import Markup, escape

from revops_kit.report.sanitize import visible

# What a line would break within: a period, a signed number, a number and its unit.
# No longer than a line: a name may be made of digits.
FIGURE = re.compile(
    r"\d{4}-[QW]?\d\d?(-\d\d)?"
    r"|[+−±][^\s\d]{0,3}[\d.,]{0,20}\d(\s(%|(k|M|bn|pp)\b))?"
    r"|[$€£¥₹]?\d[\d.,]{0,20}\s(%|(k|M|bn|pp)\b)"
)


def element(name: str, text: str, kind: str = "") -> Tag:
    """Make an element of a text, of the class `kind`."""
    element = BeautifulSoup().new_tag(name, attrs={"class": kind} if kind else {})
    if text:
        element.string = visible(text)
    return element


def scrolling(label: str) -> Tag:
    """Make a box for a table that may be wider than the page."""
    # Without a tab stop, who has no mouse cannot scroll it.
    attributes = {"class": "scroll", "role": "group", "tabindex": "0", "aria-label": label}
    return BeautifulSoup().new_tag("div", attrs=attributes)


def hold_together(prose: Tag) -> None:
    """Let no line of prose end within a period or a figure."""
    for text in prose.find_all(string=FIGURE, recursive=True):
        if not text.find_parent(["code", "pre", "table"]):
            text.replace_with(BeautifulSoup(unbroken(str(text)), "html.parser"))


def unbroken(text: str) -> Markup:
    """Put what may not be broken, in a text, into elements that are not.

    Examples
    --------
    >>> print(unbroken("In 2026-09 & 2026-Q3: −€5"))
    In <span class="unbroken">2026-09</span> &amp; <span class="unbroken">2026-Q3</span>: <span
    class="unbroken">−€5</span>
    """
    return Markup(FIGURE.sub(r'<span class="unbroken">\g<0></span>', str(escape(text))))
