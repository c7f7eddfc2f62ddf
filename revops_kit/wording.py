"""Periods and days as people say them, in sentences that carry the labels programs read."""

import re
from calendar import month_name

from revops_kit.periods import spoken

# Of this century or the last, and not part of a path: other numbers are somebody's names.
LABEL = re.compile(
    r"(?<![\w/-])(?:19|20)\d\d-(?:Q[1-4]|0[1-9]|1[0-2]|W(?:0[1-9]|[1-4]\d|5[0-3]))(?![\w/-])"
)
DAY = re.compile(r"(?<![\w/-])((?:19|20)\d\d)-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(?![\w/-])")


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
