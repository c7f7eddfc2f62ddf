"""Periods and days as people say them, in sentences that carry the labels programs read."""

import re
from calendar import month_name

from revops_kit.periods import spoken

LABEL = re.compile(r"(?<![\w-])\d{4}-(?:Q[1-4]|W?\d\d)(?![\w-])")
DAY = re.compile(r"(?<![\w-])(\d{4})-(0[1-9]|1[0-2])-(\d\d)(?![\w-])")


def in_words(sentence: str) -> str:
    """Say the periods and days of a sentence, or of a single label, as people do.

    Reasons and notes keep the labels that `--period` takes and JSON gives; whoever shows them to
    people sends them through here.

    Examples
    --------
    >>> in_words("nothing was up for renewal in 2026-08"), in_words("2026-W36 is partial")
    ('nothing was up for renewal in August 2026', 'Week 36 of 2026 is partial')
    >>> in_words("known up to 2026-09-30"), in_words("INV-2026-09")
    ('known up to 30 September 2026', 'INV-2026-09')
    """
    said = DAY.sub(lambda day: f"{int(day[3])} {month_name[int(day[2])]} {day[1]}", sentence)
    said = LABEL.sub(lambda label: spoken(label[0]), said)
    return said[:1].upper() + said[1:] if LABEL.match(sentence) else said
