"""Tables out of delimited text, whatever stands between and around the fields.

Where every line is a well-formed row, as in most exports, pyarrow reads them. Any other text is
taken apart here, so that a lone quote spoils its own row and does not swallow those after it.
Both ways give the same table.
"""

import re
from collections import Counter
from io import BytesIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from revops_kit.sources.layout import (
    Outline,
    RawTable,
    arrange,
    find_footer,
    find_header,
    named_width,
    tabulate,
)

SEPARATORS = (",", ";", "\t", "|")
FIRST_LINES = 2_000  # looked at for the separator and the header
LAST_LINES = 200  # and for the small print


def read(text: str, separator: str, *, header_first: bool = False) -> RawTable:
    r"""Read the table in a text that is not blank and whose lines end with `\n` only.

    Parameters
    ----------
    header_first
        Whether the first row is known to be the header.

    Examples
    --------
    >>> table = read('name,note\n\n"Smith, J.",here\nLee,5" pipe\n', ",")
    >>> table.frame.to_dict("list"), table.lines
    ({'name': ['Smith, J.', 'Lee'], 'note': ['here', '5" pipe']}, array([3, 4]))
    """
    if is_well_formed(text, separator) and (
        table := read_at_once(text, separator, header_first=header_first)
    ):
        return table
    return read_carefully(text, separator, header_first=header_first)


def find_separator(text: str) -> str:
    r"""Find what stands between the fields: what gives most rows the same number of them.

    Examples
    --------
    >>> find_separator("name;amount\nAcme, Inc.;1,50\nLee;2,75\n")
    ';'
    """
    scores = {each: _common_width(text, each) for each in SEPARATORS}
    return max(SEPARATORS, key=scores.__getitem__)


def is_well_formed(text: str, separator: str) -> bool:
    """Tell whether every line is a row of its own, with quotes around whole fields only."""
    if '"' not in text:
        return True
    sep = re.escape(separator)
    field = rf'(?:"(?:[^"\n]|"")*"|[^"{sep}\n]*)'
    row = f"{field}(?:{sep}{field})*"
    whole = pa.array([text], pa.large_string())
    return pc.match_substring_regex(whole, rf"^(?:{row}\n)*{row}$")[0].as_py()


def read_at_once(text: str, separator: str, *, header_first: bool = False) -> RawTable | None:
    """Read a well-formed text; None where its rows are not all as wide as its header."""
    rows, lines = split(text[: _line_end(text, FIRST_LINES)], separator)
    at = 0 if header_first else find_header(rows)
    header, line = rows[at], lines[at]
    start = _line_end(text, line) + 1
    last_start = max(start, _last_lines_start(text))
    last, numbers = split(text[last_start:], separator)
    before = text.count("\n", 0, last_start)
    last, numbers = [header, *last], [line, *(before + number for number in numbers)]
    end = find_footer(last, numbers, named_width(header))
    if end == 1 and last_start > start:
        return None  # small print all the way: it may begin further up
    below = numbers[end:]
    stop = last_start + _line_end(text[last_start:], below[0] - before - 1) if below else len(text)
    body = text[start:stop].encode()
    begins = line + 1 + _filled_lines(body)
    columns = _columns(body, separator, len(header)) if len(begins) else []
    if columns is None or any(len(column) != len(begins) for column in columns):
        return None
    return tabulate(Outline(header, line, lines[:at], below), columns, begins, [])


def read_carefully(text: str, separator: str, *, header_first: bool = False) -> RawTable:
    """Read any text, field by field."""
    _, width = _common_width(text, separator)
    rows, lines = split(text, separator, width)
    return arrange(rows, lines, header_first=header_first)


def split(text: str, separator: str, width: int | None = None) -> tuple[list[list[str]], list[int]]:
    """Take text apart into rows of fields.

    A quote opens a field only where one closes it again, before a separator or a line's end. Where
    that runs over several lines and does not make a row of the usual width, it was a lone one.

    Parameters
    ----------
    width
        The usual number of fields, where it is known.

    Returns
    -------
    Rows that hold anything, and the physical line that each begins on, from 1
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

    rows, lines = [], []
    start, line = 0, 1
    while start < len(text):
        end = text.find("\n", start)
        end = len(text) if end < 0 else end
        if '"' not in text[start:end]:
            fields = text[start:end].split(separator)
        else:
            fields, row_end = row_at(start, len(text))
            if row_end > end and width not in (None, len(fields)):
                fields, row_end = row_at(start, end)
            end = row_end
        if any(field.strip() for field in fields):
            rows.append(fields)
            lines.append(line)
        line += text.count("\n", start, end) + 1
        start = end + 1
    return rows, lines


def _common_width(text: str, separator: str) -> tuple[float, int]:
    """Find the share of rows that have the most common number of fields, and that number.

    One field is no sign of a separator: its share is 0.
    """
    rows, _ = split(text[: _line_end(text, FIRST_LINES)], separator)
    several = Counter(len(row) for row in rows if len(row) > 1)
    if not several:
        return 0.0, 1
    width, count = max(several.items(), key=lambda item: (item[1], item[0]))
    return count / len(rows), width


def _columns(body: bytes, separator: str, width: int) -> list[pa.ChunkedArray] | None:
    """Read rows of one width with pyarrow; None where they are not."""
    names = [str(place) for place in range(width)]
    try:
        table = csv.read_csv(
            BytesIO(body),
            csv.ReadOptions(column_names=names, block_size=2**24),
            csv.ParseOptions(delimiter=separator),
            csv.ConvertOptions(
                column_types=dict.fromkeys(names, pa.string()), strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid:
        return None
    return table.columns


def _filled_lines(body: bytes) -> np.ndarray:
    """Find the lines that are not empty, from 0."""
    ends = np.flatnonzero(np.frombuffer(body, dtype=np.uint8) == ord("\n"))
    bounds = np.concatenate([[-1], ends, [len(body)]])
    return np.flatnonzero(np.diff(bounds) > 1)


def _line_end(text: str, line: int) -> int:
    """Find where a line ends, counted from 1; a text's end where it has fewer."""
    end = -1
    for _ in range(line):
        end = text.find("\n", end + 1)
        if end < 0:
            return len(text)
    return max(end, 0)


def _last_lines_start(text: str) -> int:
    """Find where the last lines begin."""
    start = len(text)
    for _ in range(LAST_LINES):
        start = text.rfind("\n", 0, start)
        if start < 0:
            return 0
    return start + 1
