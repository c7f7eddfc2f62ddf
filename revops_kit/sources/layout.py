"""Which of a file's rows are its table: the header, and what stands above, below and between.

Exports open with titles, close with totals and small print, and repeat their header where they
were glued together. All of that is left out, and told with its lines.
"""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
import pandas as pd

from revops_kit.units import plural

SEARCHED_ROWS = 50  # for the header
LINES_SHOWN = 5

_TOTAL = re.compile(
    r"(grand |sub)?-?totals?|(zwischen|gesamt)?summe|gesamt(betrag)?|insgesamt|total "
    r"(général|general|generale|geral)|totale|totaal|eindtotaal|suma|razem|summa|i alt|yhteensä"
    r"|celkem|összesen|toplam|итого|всего|合計|小計|总计|合计",
    re.IGNORECASE,
)
_FIGURE = re.compile(r"\W*([A-Z]{1,3}\b)?[^\w]*\d[\d\s.,'’]*\W*([A-Z]{3}|[kKM])?\W*|[-–—\s]+|n/?a")
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
        Whether they come from a spreadsheet, where cells stray beside the table and all rows
        have the same width.
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
    at = 0 if header_first else _header(rows)
    notes = []
    if at:
        notes.append(f"header on line {lines[at]:,}")
        notes.append(_left_out("line", lines[:at], " above it"))
    header = [cell.strip() for cell in rows[at]]
    while header and not header[-1]:
        header.pop()
    end = _footer(rows, lines, at, len(header))
    footer = list(lines[end:])
    body, begins, rejects = _of_width(rows[at + 1 : end], lines[at + 1 : end], rows[at], header)
    widest = max(map(len, body), default=len(header))
    columns = [[cell.strip() or None for cell in column] for column in zip(*body, strict=True)] or [
        [] for _ in range(widest)
    ]
    beside = [column for column in columns[len(header) :] if any(column)]
    if is_sheet and beside:
        stray = sum(cell is not None for column in beside for cell in column)
        notes.append(f"{plural(stray, 'cell')} beside the table left out")
        columns = columns[: len(header)]
    names = header + [""] * (len(columns) - len(header))
    used = [place for place, name in enumerate(names) if name or any(columns[place])]
    names = _names(names)
    frame = pd.DataFrame(
        {names[place]: pd.Series(columns[place], dtype=object) for place in used}, dtype=object
    )
    kept = np.ones(len(body), dtype=bool)
    for what, found in (
        ("repeated header", _repeated_headers(columns, header)),
        ("total", _totals(columns)),
    ):
        if found:
            kept[found] = False
            notes.append(_left_out(what, [begins[row] for row in found]))
    if footer:
        notes.append(_left_out("footer line", footer))
    numbers = np.asarray(begins, dtype=np.int64)
    if not kept.all():
        frame, numbers = frame[kept].reset_index(drop=True), numbers[kept]
    return RawTable(frame, numbers, rejects, notes)


def _left_out(what: str, lines: Sequence[int], where: str = "") -> str:
    """Say what was left out, and on which lines."""
    shown = ", ".join(f"{line:,}" for line in lines[:LINES_SHOWN])
    more = ", …" if len(lines) > LINES_SHOWN else ""
    noun = "line" if len(lines) == 1 else "lines"
    return f"{plural(len(lines), what)}{where} left out ({noun} {shown}{more})"


def _filled(row: Sequence[str]) -> int:
    return sum(1 for cell in row if cell.strip())


def _header(rows: Sequence[Sequence[str]]) -> int:
    """Find the header: the first row as full as most, with more names in it than figures."""
    sample = rows[: 20 * SEARCHED_ROWS]
    if not sample:
        return 0
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
    figures = sum(1 for cell in row if cell.strip() and _FIGURE.fullmatch(cell.strip()))
    return figures < _filled(row) / 2


def _footer(rows: Sequence[Sequence[str]], lines: Sequence[int], header: int, width: int) -> int:
    """Find where the small print begins: at the end, nearly empty, and worded or set apart."""
    begins = end = len(rows)
    while end > header + 1 and _filled(rows[end - 1]) <= min(2, width - 1):
        end -= 1
        above = rows[end - 1]
        is_apart = lines[end] - lines[end - 1] > 1 + sum(cell.count("\n") for cell in above)
        if is_apart or _SMALL_PRINT.search(" ".join(rows[end])):
            begins = end
    return begins


def _of_width(
    rows: Sequence[Sequence[str]],
    lines: Sequence[int],
    written: Sequence[str],
    header: Sequence[str],
) -> tuple[list[Sequence[str]], list[int], list[Reject]]:
    """Keep the rows that have the header's fields; fields too many are forgiven where empty."""
    width = max(len(written), len(header))
    if all(len(row) == width for row in rows):
        return list(rows), list(lines), []
    body, begins, rejects = [], [], []
    for row, line in zip(rows, lines, strict=True):
        if len(row) < len(header) or any(cell.strip() for cell in row[width:]):
            reason = f"has {plural(len(row), 'field')} where the header has {len(header)}"
            rejects.append(Reject(line, None, reason))
            continue
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


def _repeated_headers(columns: list[list[str | None]], header: Sequence[str]) -> list[int]:
    """Find the rows that say the header again."""
    if not columns or not header:
        return []
    names = [name or None for name in header]
    return [
        row
        for row, cell in enumerate(columns[0])
        if cell == names[0]
        and len(names) > 1
        and all(column[row] == name for column, name in zip(columns, names, strict=False))
    ]


def _totals(columns: list[list[str | None]]) -> list[int]:
    """Find the rows that add up others: they say so, and hold nothing else but figures."""
    found = []
    for place, column in enumerate(columns[:3]):
        says = {cell for cell in set(column) if cell and _says_total(cell)}
        for row in [row for row, cell in enumerate(column) if cell in says] if says else []:
            before = [other[row] for other in columns[:place]]
            after = [other[row] for other in columns[place + 1 :] if other[row]]
            if not any(before) and all(_FIGURE.fullmatch(cell) for cell in after):
                found.append(row)
    return sorted(found)


def _says_total(cell: str) -> bool:
    """Tell `Total`, `Grand Total:`, `Total: Campaigns` and `Summe (12)` from Total Wine & More."""
    match = _TOTAL.match(cell)
    return bool(match) and re.fullmatch(r"\s*(:.*|[-–]? ?\(.*\))?", cell[match.end() :]) is not None
