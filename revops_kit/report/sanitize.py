"""What data may put on a page: an allow-list of HTML, applied to everything a notebook shows.

A customer may be called `<script>`. Whatever is not on the list is taken out, `<style>` and SVG
included: the page has its own styles for great_tables and pandas, and charts are PNG.
"""

import html
import re

import nh3

TAGS = (
    "a abbr b blockquote br caption code col colgroup dd del details div dl dt em figcaption figure"
    " h1 h2 h3 h4 h5 h6 hr i img li mark ol p pre q s section small span strong sub summary sup"
    " table tbody td tfoot th thead time tr u ul var"
)
ATTRIBUTES = (
    "alt aria-hidden aria-label class colspan datetime dir height lang open role rowspan scope"
    " span start style title width"
)
# Nothing that can cover, move or load: no position, no background image, no content.
STYLES = (
    "background-color border border-bottom border-bottom-color border-bottom-style"
    " border-bottom-width border-collapse border-color border-left border-left-color"
    " border-left-style border-left-width border-right border-right-color border-right-style"
    " border-right-width border-style border-top border-top-color border-top-style"
    " border-top-width border-width color font-size font-style font-variant-numeric font-weight"
    " height max-width min-width padding padding-bottom padding-left padding-right padding-top"
    " text-align text-decoration text-indent text-transform vertical-align white-space"
    " width"
)
PICTURE = re.compile(r"data:image/(png|jpeg|gif);base64,[A-Za-z0-9+/=\s]*")
# The cleaner takes tags out and leaves what stood between them; of these not even that is wanted.
UNREADABLE = {"script", "style", "svg", "math", "template", "title"}
CONTROLS = re.compile(r"[\x00-\x20]+")
SPACES = re.compile(r"[ \t\r\n\f\v]+")
# Control characters, and the marks that turn the direction of the text after them.
INVISIBLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\u202a-\u202e\u2066-\u2069]")


def sanitize(source: str) -> str:
    """Keep what is harmless of a piece of HTML, well-formed.

    Examples
    --------
    >>> sanitize('<p onclick="x()">Win <b>rate</b><script>alert(1)</script>')
    '<p>Win <b>rate</b></p>'
    >>> sanitize('<a href="javascript:alert(1)">more</a> <img src="https://example.com/a.png">')
    '<a>more</a> <img>'
    >>> sanitize('<a href="d&Tab;ata:text/html,x">turned &#8238;round</a>')
    '<a>turned round</a>'
    """
    cleaned = nh3.clean(
        visible(source),
        tags=set(TAGS.split()),
        clean_content_tags=UNREADABLE,
        attributes={"*": set(ATTRIBUTES.split()), "a": {"href"}, "img": {"src"}},
        attribute_filter=_allowed,
        url_schemes={"http", "https", "mailto", "data"},
        filter_style_properties=set(STYLES.split()),
        link_rel=None,
    )
    return visible(cleaned)  # what was written as an entity is a character now


def visible(source: str) -> str:
    """Take out the characters that no reader sees and that upset a page."""
    return INVISIBLE.sub("", source)


def text_of(source: str) -> str:
    """Reduce a piece of HTML to its words, on one line.

    Examples
    --------
    >>> text_of("<p>Win rate: <strong>63 %</strong> &amp; rising</p>")
    'Win rate: 63 % & rising'
    """
    bare = nh3.clean(visible(source), tags=set(), clean_content_tags=UNREADABLE)
    # Narrow spaces, which hold a figure and its unit together, stay.
    return SPACES.sub(" ", visible(html.unescape(bare))).strip()


def _allowed(tag: str, name: str, value: str) -> str | None:
    # Browsers pass over controls and spaces in an address.
    if tag == "a" and name == "href" and CONTROLS.sub("", value).lower().startswith("data:"):
        return None
    if tag == "img" and name == "src" and not PICTURE.fullmatch(value):
        return None
    return value
