"""Sentences as people read them: periods and days in words, names as text and not as markup."""

import re
from calendar import month_name

from revops_kit.periods import spoken

# Of this century or the last, and not part of a path: other numbers are somebody's names.
LABEL = re.compile(
    r"(?<![\w/-])(?:19|20)\d\d-(?:Q[1-4]|0[1-9]|1[0-2]|W(?:0[1-9]|[1-4]\d|5[0-3]))(?![\w/-])"
)
DAY = re.compile(r"(?<![\w/-])((?:19|20)\d\d)-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(?![\w/-])")
# What Markdown takes for more than text, but for what our own sentences use of it.
MARKUP = re.compile(r"[\\\[\]<>|~#$!&]|`{3,}|(?<!\*)\*(?!\*)|[-=](?=[-=]*[ \t]*$)", re.M)


def in_words(sentence: str) -> str:
    """Say the periods and days of a sentence, or of a single label, as people do.

    Reasons and notes keep the labels that `--period` takes and JSON gives; whoever shows them to
    people sends them through here.

    Examples
    --------
    >>> in_words("nothing was up for renewal in 2026-08"), in_words("2026-W36 is partial")
    ('nothing was up for renewal in August 2026', 'Week 36 of 2026 is partial')
    >>> in_words("known up to 2026-09-30"), in_words("INV-2026-09"), in_words("1001-05")
    ('known up to 30 September 2026', 'INV-2026-09', '1001-05')
    """
    said = DAY.sub(lambda day: f"{int(day[3])} {month_name[int(day[2])]} {day[1]}", sentence)
    said = LABEL.sub(lambda label: spoken(label[0]), said)
    return said[:1].upper() + said[1:] if LABEL.match(sentence) else said


class Words(str):
    r"""Text that a notebook shows as Markdown: bold, code and lists, and no more.

    Names from the data stand in it, and theirs may look like links, pictures or headings.

    Examples
    --------
    >>> print(Words("**Won** by [Acme](https://example.com)")._repr_markdown_())
    **Won** by \[Acme\](https://example.com)
    """

    def _repr_markdown_(self) -> str:
        parts = self.split("`")  # what stands between two is code
        said = "`".join(part if at % 2 else in_words(part) for at, part in enumerate(parts))
        return MARKUP.sub(lambda found: "".join(f"\\{char}" for char in found[0]), said)
