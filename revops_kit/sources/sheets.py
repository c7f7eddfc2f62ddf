"""Tables out of spreadsheets (xlsx, xls, ods), as text that keeps what the cells say."""

import datetime as dt
import posixpath
import re
import zipfile
from dataclasses import replace
from io import BytesIO
from xml.etree import ElementTree

from python_calamine import (
    CalamineError,
    CalamineWorkbook,
    PasswordError,
    SheetTypeEnum,
    SheetVisibleEnum,
)

from revops_kit.errors import SourceError, did_you_mean
from revops_kit.sources.layout import RawTable, arrange
from revops_kit.units import number, plural

# Excel keeps 15 digits of a number; an id of more has lost the rest before it gets here.
EXACT = 10**15
_ERROR_CELL = re.compile(
    r'<(?:\w+:)?c\b(?=[^>]*\bt="e")[^>]*\br="([A-Z]+)(\d+)"[^>]*(?<!/)>'
    r"(?:<(?:\w+:)?f\b[^>]*/>|<(?:\w+:)?f\b[^>]*>[^<]*</(?:\w+:)?f>)?<(?:\w+:)?v>(#[^<]+)<"
)


def read(
    data: bytes, name: str, sheet: str | int | None = None, skip_rows: int | None = None
) -> RawTable:
    """Read the table of one sheet.

    Parameters
    ----------
    data, name
        The workbook, and the name of its file for messages.
    sheet
        The sheet's name, or its number from 1; the first one with a table when left out.
    skip_rows
        How many rows stand above the header, where it is known.

    Raises
    ------
    SourceError
        When the workbook cannot be read, or has no such sheet.
    """
    try:
        workbook = CalamineWorkbook.from_filelike(BytesIO(data))
        errors = _errors(data)
        wanted = _wanted(workbook, name, sheet)
        tables = {each: _cells(workbook, each, errors.get(each, [])) for each in wanted}
    except PasswordError:
        raise SourceError(f"{name} asks for a password: save a copy without one.") from None
    except (CalamineError, zipfile.BadZipFile, ElementTree.ParseError, KeyError):
        raise SourceError(
            f"{name} cannot be read as a spreadsheet: open it and save it anew."
        ) from None
    filled = [each for each, (rows, _) in tables.items() if rows]
    held = [each for each in filled if len(tables[each][0]) > 1] or filled
    if not held:
        raise SourceError(
            f"{name} is empty: there is nothing on its {plural(len(tables), 'sheet')}."
        )
    rows, lines = tables[held[0]]
    notes = []
    if len(held) > 1:
        notes.append(f"sheet {held[0]!r}, the first of {len(held)} with a table")
    notes += _rounded(rows, lines)
    first = sum(line <= (skip_rows or 0) for line in lines)
    if first == len(rows):
        raise SourceError(f"{name} is empty below its first {plural(first, 'row')}.")
    table = arrange(
        [[_text(cell) for cell in row] for row in rows[first:]],
        lines[first:],
        is_sheet=True,
        header_first=skip_rows is not None,
    )
    return replace(table, notes=notes + table.notes)


def _wanted(workbook: CalamineWorkbook, name: str, sheet: str | int | None) -> list[str]:
    """Say which sheets to look at."""
    known = workbook.sheet_names
    if sheet is None:
        return [
            each.name
            for each in workbook.sheets_metadata
            if each.typ == SheetTypeEnum.WorkSheet and each.visible == SheetVisibleEnum.Visible
        ]
    if isinstance(sheet, int) and 1 <= sheet <= len(known):
        return [known[sheet - 1]]
    if sheet in known:
        return [sheet]
    raise SourceError(
        f"{name} has no sheet {sheet!r}.{did_you_mean(str(sheet), known)} "
        f"Its sheets: {', '.join(known)}."
    )


def _cells(
    workbook: CalamineWorkbook, sheet: str, errors: list[tuple[int, int, str]]
) -> tuple[list[list], list[int]]:
    """Read the rows of a sheet that hold anything, and their numbers."""
    rows = workbook.get_sheet_by_name(sheet).to_python(skip_empty_area=False)
    height = max([len(rows), *(row + 1 for row, _, _ in errors)])
    width = max([*map(len, rows), *(column + 1 for _, column, _ in errors)], default=0)
    rows += [[] for _ in range(height - len(rows))]
    for row in rows:
        row += [""] * (width - len(row))
    for row, column, error in errors:
        rows[row][column] = error
    lines = [line for line, row in enumerate(rows, 1) if any(_is_filled(cell) for cell in row)]
    return [rows[line - 1] for line in lines], lines


def _errors(data: bytes) -> dict[str, list[tuple[int, int, str]]]:
    """Find the cells of an xlsx file that hold an error, by sheet: row, column and text.

    calamine reads them as empty, and an amount of #REF! is anything but nothing.
    """
    if not zipfile.is_zipfile(BytesIO(data)):
        return {}
    found = {}
    with zipfile.ZipFile(BytesIO(data)) as book:
        if "xl/workbook.xml" not in book.namelist():
            return {}
        relations = ElementTree.fromstring(book.read("xl/_rels/workbook.xml.rels"))
        parts = {each.get("Id"): each.get("Target", "") for each in relations}
        for sheet in ElementTree.fromstring(book.read("xl/workbook.xml")).iterfind(".//{*}sheet"):
            key = next(value for name, value in sheet.items() if name.endswith("}id"))
            part = posixpath.normpath(posixpath.join("/xl", parts[key])).lstrip("/")
            if not part.endswith(".xml") or part not in book.namelist():
                continue
            found[sheet.get("name")] = [
                (int(row) - 1, _column(letters) - 1, error)
                for letters, row, error in _ERROR_CELL.findall(book.read(part).decode())
            ]
    return found


def _column(letters: str) -> int:
    """Count the columns to the one of these letters: A is 1, AA is 27."""
    place = 0
    for letter in letters:
        place = 26 * place + ord(letter) - ord("A") + 1
    return place


def _is_filled(cell: object) -> bool:
    return bool(cell.strip()) if isinstance(cell, str) else cell is not None


def _text(cell: object) -> str:
    """Write a cell as text that says no more and no less."""
    match cell:
        case str():
            return cell
        case bool():
            return str(cell).upper()
        case float():
            if cell.is_integer() and abs(cell) < EXACT:
                return str(int(cell))
            written = repr(cell)
            # 1.234 would read as a thousand; a fourth decimal says that it is not.
            return f"{written}0" if written[-4:-3] == "." else written
        case dt.datetime():
            cell = cell.replace(microsecond=0) + dt.timedelta(seconds=cell.microsecond >= 500_000)
            return cell.date().isoformat() if cell.time() == dt.time() else str(cell)
        case None:
            return ""
        case _:
            return str(cell)


def _rounded(rows: list[list], lines: list[int]) -> list[str]:
    """Tell of numbers too long for a spreadsheet, which has rounded them."""
    long = [
        line
        for row, line in zip(rows, lines, strict=True)
        if any(isinstance(cell, float) and cell.is_integer() and abs(cell) >= EXACT for cell in row)
    ]
    if not long:
        return []
    return [
        f"{plural(len(long), 'row')} with a number of more than 15 digits, which the spreadsheet "
        f"has rounded (the first in row {number(long[0])}): keep ids as text"
    ]
