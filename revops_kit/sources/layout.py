"""Which of a file's rows are its table: the header, and what stands above, below and between.

Exports open with titles, close with totals and small print, and repeat their header where they
were glued together. All of that is left out, and told with its lines.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from revops_kit.units import number, plural

SEARCHED_ROWS = 50  # for the header
LINES_SHOWN = 5

# `Total`, `Grand Total:`, `Total: Campaigns`, `Summe (12)`; not `Total Wine & More`.
_TOTAL = (
    r"^((grand |sub)?-?totals?|(zwischen|gesamt)?summe|gesamt(betrag)?|insgesamt|total "
    r"(général|general|generale|geral)|totale|totaal|eindtotaal|suma|razem|summa|i alt|yhteensä"
    r"|celkem|összesen|toplam|итого|всего|合計|小計|总计|合计)\s*(:.*|[-–]?\s?\(.*\))?$"
)
_FIGURE = re.compile(r"\W*([A-Z]{1,3}\b)?[^\w]*\d[\d\s.,'’]*\W*([A-Z]{3}|[kKM])?\W*|[-–—\s]+|n/?a")
_CODE = re.compile("[A-Z]{3}")  # a currency, in a row of totals
_SMALL_PRINT = re.compile(
    r"confidential|copyright|©|\(c\)|all rights reserved|generated|exported|report (run|created)"
    r"|created (by|on|at)|printed|downloaded|do not distribute|end of (report|file)|page \d"
    r"|vertraulich|erstellt|exportiert|seite \d|confidentiel|généré|generado|confidencial",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Reject:
    """A row set aside.

    Attributes
    ----------
    line
        Physical line in the file, or row of the sheet, from 1.
    column
        The source's own column, where one is to blame.
    reason
        What is wrong with it, never its value.
    """

    line: int
    column: str | None
    reason: str


@dataclass(frozen=True)
class RawTable:
    """A file's table as it stands there, nothing converted.

    Attributes
    ----------
    frame
        The source's own columns in order. Text, with None for what is empty; values of Parquet
        and JSON keep their types.
    lines
        The physical line that each row begins on.
    rejects
        The rows that cannot be read as the others are.
    notes
        What was decided on the way, for people to check.
    """

    frame: pd.DataFrame
    lines: np.ndarray
    rejects: list[Reject]
    notes: list[str]


class Outline(NamedTuple):
    """Where the table lies in its file."""

    header: Sequence[str]
    header_line: int
    above: Sequence[int]  # the lines of the titles
    below: Sequence[int]  # and of the small print


def arrange(
    rows: Sequence[Sequence[str]],
    lines: Sequence[int],
    *,
    is_sheet: bool = False,
    header_first: bool = False,
) -> RawTable:
    """Find the table in the rows of a file, none of them empty.

    Parameters
    ----------
    rows, lines
        The fields of each row, and the physical line it begins on.
    is_sheet
        Whether they come from a spreadsheet, where cells stray beside the table.
    header_first
        Whether the first row is known to be the header.

    Examples
    --------
    >>> rows = [["Deals 2026"], ["id", "amount"], ["1", "5"], ["2"], ["Total", "5"]]
    >>> table = arrange(rows, [1, 2, 3, 4, 5])
    >>> table.frame.to_dict("list"), table.lines, table.rejects[0].reason
    ({'id': ['1'], 'amount': ['5']}, array([3]), 'has 1 field where the header has 2')
    >>> table.notes
    ['header on line 2', '1 line above it left out (line 1)', '1 total left out (line 5)']
    """
    at = 0 if header_first else find_header(rows)
    end = at + find_footer(rows[at:], lines[at:], named_width(rows[at]))
    outline = Outline(rows[at], lines[at], lines[:at], lines[end:])
    body, begins, rejects = _of_width(rows[at + 1 : end], lines[at + 1 : end], rows[at])
    columns = [pa.array(column, pa.string()) for column in zip(*body, strict=True)]
    return tabulate(outline, columns, begins, rejects, is_sheet=is_sheet)


def tabulate(
    outline: Outline,
    columns: Sequence[pa.Array],
    lines: Sequence[int],
    rejects: list[Reject],
    *,
    is_sheet: bool = False,
) -> RawTable:
    """Name and trim the columns of a table, and leave out what only repeats or adds up.

    Parameters
    ----------
    columns
        All of one length, at least as many as the header names; none where there are no rows.
    """
    notes = []
    if outline.above:
        notes.append(f"header on line {number(outline.header_line)}")
        notes.append(_left_out("line", outline.above, " above it"))
    columns = [_trimmed(column) for column in columns]
    names = [cell.strip() for cell in outline.header[: named_width(outline.header)]]
    columns = columns or [pa.nulls(0, pa.string())] * len(names)
    kept = np.zeros(len(lines), dtype=bool)
    for column in columns:
        kept |= column.is_valid().to_numpy(zero_copy_only=False)
    beside = [column for column in columns[len(names) :] if column.null_count < len(column)]
    if is_sheet and beside:
        stray = sum(len(column) - column.null_count for column in beside)
        notes.append(f"{plural(stray, 'cell')} beside the table left out")
        columns = columns[: len(names)]
    for what, found in (
        ("repeated header", _repeated_headers(columns, names)),
        ("total", _totals(columns)),
    ):
        if len(found):
            kept[found] = False
            notes.append(_left_out(what, [lines[row] for row in found]))
    if outline.below:
        notes.append(_left_out("footer line", outline.below))
    names += [""] * (len(columns) - len(names))
    frame = pd.DataFrame(
        {
            unique: column.to_numpy(zero_copy_only=False)[kept]
            for unique, name, column in zip(_names(names), names, columns, strict=True)
            if name or column.null_count < len(column)
        },
        dtype=object,
    )
    return RawTable(frame, np.asarray(lines, dtype=np.int64)[kept], rejects, notes)


def named_width(header: Sequence[str]) -> int:
    """Count the fields of a header to the last one that has a name."""
    return max((place for place, cell in enumerate(header, 1) if cell.strip()), default=0)


def _trimmed(column: pa.Array) -> pa.Array:
    """Trim all cells, and make the empty ones missing."""
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    column = pc.utf8_trim_whitespace(column)
    return pc.if_else(pc.equal(column, ""), pa.scalar(None, pa.string()), column)


def _left_out(what: str, lines: Sequence[int], where: str = "") -> str:
    """Say what was left out, and on which lines."""
    shown = ", ".join(number(line) for line in lines[:LINES_SHOWN])
    more = ", …" if len(lines) > LINES_SHOWN else ""
    noun = "line" if len(lines) == 1 else "lines"
    return f"{plural(len(lines), what)}{where} left out ({noun} {shown}{more})"


def _filled(row: Sequence[str]) -> int:
    return sum(1 for cell in row if cell.strip())


def find_header(rows: Sequence[Sequence[str]]) -> int:
    """Find the header: the first row as full as most, with more names in it than figures."""
    sample = rows[: 20 * SEARCHED_ROWS]
    # Titles and small print fill one cell, and may be more than the rows of a short table.
    sample = [row for row in sample if _filled(row) > 1] or sample
    width = Counter(map(len, sample)).most_common(1)[0][0]
    enough = max(min(width, 2), 0.6 * median(map(_filled, sample)))
    full = [at for at, row in enumerate(rows[:SEARCHED_ROWS]) if _filled(row) >= enough]
    named = [at for at in full if _is_named(rows[at])]
    for at in named:
        if len(rows[at]) == width:
            return at
    return (named or full or [0])[0]


def _is_named(row: Sequence[str]) -> bool:
    """Tell a row of names from a row of values."""
    figures = sum(1 for cell in row if cell.strip() and _is_figure(cell.strip()))
    return figures < _filled(row) / 2


def _is_figure(cell: str) -> bool:
    """Tell an amount, a count, a percentage or a dash for nothing from words."""
    # Figures are short; on long texts the pattern would take its time.
    return len(cell) < 40 and bool(_FIGURE.fullmatch(cell))


def find_footer(rows: Sequence[Sequence[str]], lines: Sequence[int], width: int) -> int:
    """Find where the small print begins: nearly empty rows at the end, worded or set apart.

    Parameters
    ----------
    rows, lines
        The header first.
    width
        How many fields it names.
    """
    begins = end = len(rows)
    while end > 1 and _filled(rows[end - 1]) <= min(2, width - 1):
        end -= 1
        above = rows[end - 1]
        is_apart = lines[end] - lines[end - 1] > 1 + sum(cell.count("\n") for cell in above)
        if is_apart or _SMALL_PRINT.search(" ".join(rows[end])):
            begins = end
    return begins


def _of_width(
    rows: Sequence[Sequence[str]], lines: Sequence[int], header: Sequence[str]
) -> tuple[Sequence[Sequence[str]], Sequence[int], list[Reject]]:
    """Keep the rows that have the header's fields; fields too many are forgiven where empty."""
    width, needed = len(header), named_width(header)
    if all(len(row) == width for row in rows):
        return rows, lines, []
    body, begins, rejects = [], [], []
    for row, line in zip(rows, lines, strict=True):
        if len(row) < needed or any(cell.strip() for cell in row[width:]):
            reason = f"has {plural(len(row), 'field')} where the header has {needed}"
            rejects.append(Reject(line, None, reason))
        else:
            body.append([*row[:width], *[""] * (width - len(row))])
            begins.append(line)
    return body, begins, rejects


def _names(header: Sequence[str]) -> list[str]:
    """Name every column, and no two alike."""
    names: list[str] = []
    taken = set(header)
    for place, name in enumerate(header, 1):
        name, count = name or f"column {place}", 1
        unique = name
        while unique in names or (unique in taken and unique != header[place - 1]):
            count += 1
            unique = f"{name} ({count})"
        names.append(unique)
    return names


def _repeated_headers(columns: Sequence[pa.Array], names: Sequence[str]) -> np.ndarray:
    """Find the rows that say the header again."""
    if len(names) < 2:
        return np.array([], dtype=int)
    same = np.ones(len(columns[0]), dtype=bool)
    for column, name in zip(columns, names, strict=False):
        alike = pc.equal(column, name) if name else pc.is_null(column)
        same &= pc.fill_null(alike, False).to_numpy(zero_copy_only=False)
    return np.flatnonzero(same)


def _totals(columns: Sequence[pa.Array]) -> list[int]:
    """Find the rows that add up others: they say so, and hold nothing else but figures."""
    found = []
    for place, column in enumerate(columns[:3]):
        says = pc.match_substring_regex(column, _TOTAL, ignore_case=True)
        for row in np.flatnonzero(pc.fill_null(says, False).to_numpy(zero_copy_only=False)):
            cells = [other[row].as_py() for other in columns]
            after = [cell for cell in cells[place + 1 :] if cell]
            if not any(cells[:place]) and all(
                _is_figure(cell) or _CODE.fullmatch(cell) for cell in after
            ):
                found.append(int(row))
    return sorted(found)
