"""Rows out of delimited text, whatever stands between and around the fields.

A well-formed file goes through Python's own reader. Any other is taken apart here, so that a lone
quote spoils its own row and does not swallow those after it.
"""

import csv
import re
from collections import Counter

SEPARATORS = (",", ";", "\t", "|")
SAMPLED_LINES = 2_000

Rows = tuple[list[list[str]], list[int]]


def split(text: str, separator: str) -> Rows:
    """Split text with line ends `\\n` into rows of fields.

    Returns
    -------
    rows
        Their fields, without quotes. Rows that hold nothing are left out.
    lines
        The physical line that each row begins on, from 1.

    Examples
    --------
    >>> split('name,note\\n\\n"Smith, J.",here\\nLee,5" pipe\\n', ",")
    ([['name', 'note'], ['Smith, J.', 'here'], ['Lee', '5" pipe']], [1, 3, 4])
    """
    lines = text.split("\n")
    nothing = f' "\t\xa0{separator}'
    if '"' in text and not _is_well_formed(lines, separator):
        return _carefully(text, separator, common_width(text, separator)[0], nothing)
    numbers = [number for number, line in enumerate(lines, 1) if line.strip(nothing)]
    kept = [lines[number - 1] for number in numbers]
    if '"' in text:
        return list(csv.reader(kept, delimiter=separator)), numbers
    return [line.split(separator) for line in kept], numbers


def find_separator(text: str) -> str:
    """Find what stands between the fields: what gives most rows the same number of them.

    Examples
    --------
    >>> find_separator("name;amount\\nAcme, Inc.;1,50\\nLee;2,75\\n")
    ';'
    """
    scores = {separator: common_width(text, separator)[::-1] for separator in SEPARATORS}
    return max(SEPARATORS, key=scores.__getitem__)


def common_width(text: str, separator: str) -> tuple[int, float]:
    """Find the most common number of fields, and the share of rows that have it.

    One field is no sign of a separator: its share is 0.
    """
    end = -1
    for _ in range(SAMPLED_LINES):
        end = text.find("\n", end + 1)
        if end < 0:
            break
    sample = text if end < 0 else text[:end]
    rows, _ = _carefully(sample, separator, None, f' "\t\xa0{separator}')
    several = Counter(len(row) for row in rows if len(row) > 1)
    if not several:
        return 1, 0.0
    width, count = max(several.items(), key=lambda item: (item[1], item[0]))
    return width, count / len(rows)


def _is_well_formed(lines: list[str], separator: str) -> bool:
    """Tell whether every line is a row of its own, with quotes around whole fields only."""
    sep = re.escape(separator)
    field = f'(?:"(?:[^"]|"")*+"|[^"{sep}]*+)'
    matches = re.compile(f"{field}(?:{sep}{field})*+").fullmatch
    limit = csv.field_size_limit()
    return all('"' not in line or (len(line) < limit and matches(line)) for line in lines)


def _carefully(text: str, separator: str, width: int | None, nothing: str) -> Rows:
    """Take text apart field by field.

    A quote opens a field only where one closes it again, before a separator or a line's end. Where
    that runs over several lines and does not make a row of the usual width, it was a lone one.
    """
    sep = re.escape(separator)
    quoted = re.compile(rf' *+"((?:[^"]++|"")*+)" *+(?=[{sep}\n]|\Z)')
    bare = re.compile(rf"[^{sep}\n]*+")

    def row_at(start: int, stop: int) -> tuple[list[str], int]:
        fields = []
        while True:
            if match := quoted.match(text, start, stop):
                fields.append(match[1].replace('""', '"'))
            else:
                match = bare.match(text, start, stop)
                fields.append(match[0])
            if match.end() >= stop or text[match.end()] == "\n":
                return fields, match.end()
            start = match.end() + 1

    rows, numbers = [], []
    start, number = 0, 1
    while start < len(text):
        line_end = text.find("\n", start)
        line_end = len(text) if line_end < 0 else line_end
        fields, end = row_at(start, len(text))
        if end > line_end and width not in (None, len(fields)):
            fields, end = row_at(start, line_end)
        if any(field.strip(nothing) for field in fields):
            rows.append(fields)
            numbers.append(number)
        number += text.count("\n", start, end) + 1
        start = end + 1
    return rows, numbers
