"""Files as they are: their own columns, as text, with the line each row begins on.

Nothing is converted here, for what a value means only its contract knows: `00123` may be a key,
and `NA` a country.
"""

import gzip
import json
import re
import zipfile
import zlib
from collections import Counter
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from revops_kit.errors import SourceError, did_you_mean
from revops_kit.sources import delimited, sheets
from revops_kit.sources.encoding import decode
from revops_kit.sources.layout import RawTable, Reject
from revops_kit.units import number, plural

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["RawTable", "Reject", "frame_of", "read"]

SPREADSHEETS = {".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"}
JSON = {".json", ".jsonl", ".ndjson"}
PARQUET = {".parquet", ".pq"}
_SEPARATOR_LINE = re.compile(r'"?sep=(.)"?\s*\n')
_ANYTHING = re.compile(r'[^\s,;|"]')


def read(
    path: Path,
    *,
    encoding: str | None = None,
    separator: str | None = None,
    sheet: str | int | None = None,
    skip_rows: int | None = None,
) -> RawTable:
    """Read a file of delimited text, a spreadsheet, Parquet or JSON.

    Parameters
    ----------
    path
        May be packed as `.gz`, or as `.zip` with one file in it.
    encoding, separator, sheet, skip_rows
        How it is written, where that is known; found out when left out. Sheets count from 1, and
        `skip_rows` are the lines above the header.

    Raises
    ------
    SourceError
        When it cannot be read.
    """
    path = Path(path)
    data, name = _unpacked(_bytes(path), path.name)
    if not data.strip(b'\0\t\n\r ,;|"\xef\xbb\xbf\xff\xfe'):
        raise SourceError(f"{path.name} is empty: export it again, with its header.")
    kind = Path(name).suffix.lower()
    if kind in PARQUET or data[:4] == data[-4:] == b"PAR1":
        return _parquet(data, path.name)
    if kind in SPREADSHEETS or data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        return sheets.read(data, path.name, sheet, skip_rows)
    text, found = decode(data, path.name, encoding)
    notes = [f"encoding {found}"] if found else []
    text, cleaned = _cleaned(text)
    if kind in JSON:
        return _json(text, path.name, notes + cleaned)
    if kind not in {".csv", ".tsv", ".txt", ".tab"} and not _looks_like_text(text):
        raise SourceError(
            f"{path.name} is of no kind known here: save it as CSV, XLSX, Parquet or JSON lines."
        )
    # "sep=;" is a word to Excel. Lines left out are blanked, so that the others keep their numbers.
    told = _SEPARATOR_LINE.match(text)
    skipped = max(skip_rows or 0, 1 if told else 0)
    text = "\n" * skipped + "\n".join(text.split("\n", skipped)[skipped:])
    if not _ANYTHING.search(text):
        raise SourceError(f"{path.name} is empty below its first {plural(skipped, 'line')}.")
    if not separator:
        separator = told[1] if told else delimited.find_separator(text)
        if separator != ",":
            notes.append(f"separator {separator!r}")
    table = delimited.read(text, separator, header_first=skip_rows is not None)
    return replace(table, notes=notes + cleaned + table.notes)


def _bytes(path: Path) -> bytes:
    """Read a file whole, or say why that cannot be."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        folder = path.parent
        if not folder.is_dir():
            raise SourceError(
                f"There is no folder {str(folder)!r} to find {path.name} in."
            ) from None
        near = did_you_mean(path.name, [each.name for each in folder.iterdir()])
        raise SourceError(f"There is no file {path.name} in {str(folder)!r}.{near}") from None
    except IsADirectoryError:
        raise SourceError(f"{path} is a folder: name one file in it.") from None
    except PermissionError:
        raise SourceError(f"{path} may not be read: ask for the right to.") from None
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from None


def _unpacked(data: bytes, name: str) -> tuple[bytes, str]:
    """Unpack a packed file, and name what was in it."""
    try:
        if name.lower().endswith(".gz"):
            return gzip.decompress(data), name[:-3]
        if name.lower().endswith(".zip"):
            with zipfile.ZipFile(BytesIO(data)) as packed:
                inside = [each for each in packed.namelist() if not _is_by_the_way(each)]
                if len(inside) != 1:
                    raise SourceError(
                        f"{name} holds {plural(len(inside), 'file')}: unpack it, and name the one."
                    )
                return packed.read(inside[0]), inside[0]
    except (OSError, EOFError, RuntimeError, zlib.error, zipfile.BadZipFile):
        raise SourceError(f"{name} cannot be unpacked: export it again.") from None
    return data, name


def _is_by_the_way(inside: str) -> bool:
    """Tell folders, and what macOS leaves in an archive, from its files."""
    return inside.endswith("/") or inside.startswith("__MACOSX/")


def _cleaned(text: str) -> tuple[str, list[str]]:
    """Bring line ends to one kind, and drop what is no part of any text."""
    if "\r" in text:
        # A lone CR in a file with other line ends stands inside a field.
        text = text.replace("\r\n", "\n").replace("\r", " " if "\n" in text else "\n")
    nulls = text.count("\0")
    text = text.replace("\0", "").replace("\ufeff", "")
    return text, [f"{plural(nulls, 'NUL byte')} left out"] if nulls else []


def _looks_like_text(text: str) -> bool:
    sample = text[:10_000]
    return sum(not (char.isprintable() or char in "\t\n\f") for char in sample) <= 0.01 * len(
        sample
    )


def _parquet(data: bytes, name: str) -> RawTable:
    """Read Parquet, whose values have their types; whole numbers stay whole beside missing ones."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        arrow = pq.read_table(BytesIO(data))
    except (pa.ArrowException, OSError):
        raise SourceError(f"{name} cannot be read as Parquet: export it again.") from None
    frame = frame_of(arrow)
    return RawTable(frame, np.arange(1, len(frame) + 1), [], [])


def frame_of(arrow: "pa.Table") -> pd.DataFrame:
    """Make columns of typed values; what is nested becomes text, and whole numbers stay whole.

    Raises
    ------
    SourceError
        When two columns share a name.

    Examples
    --------
    >>> import pyarrow as pa
    >>> frame_of(pa.table({"id": [1, None], "tags": [["a", "b"], None]})).to_dict("list")
    {'id': [1, None], 'tags': ['["a", "b"]', None]}
    """
    if twice := [each for each, count in Counter(arrow.column_names).items() if count > 1]:
        raise SourceError(f"{', '.join(twice)}: two columns of one name; name them apart.")
    columns = {
        field.name: _series(column)
        for field, column in zip(arrow.schema, arrow.columns, strict=True)
    }
    return pd.DataFrame(columns, index=range(arrow.num_rows))


def _series(column: "pa.ChunkedArray") -> pd.Series:
    import pyarrow as pa

    if isinstance(column.type, pa.BaseExtensionType):
        column = pa.chunked_array(
            [each.storage for each in column.chunks], column.type.storage_type
        )
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    if pa.types.is_nested(column.type):
        return _objects([_native(each) for each in column.to_pylist()])
    if pa.types.is_binary(column.type) or pa.types.is_fixed_size_binary(column.type):
        return _objects([None if each is None else _unwrapped(each) for each in column.to_pylist()])
    series = column.to_pandas(integer_object_nulls=True, date_as_object=False)
    return _objects(column.to_pylist()) if isinstance(series.dtype, pd.StringDtype) else series


def _unwrapped(data: bytes) -> str:
    """Take bytes for the text they are in Parquet of older programs, else write their digits."""
    try:
        return data.decode()
    except UnicodeDecodeError:
        return data.hex()


def _json(text: str, name: str, notes: list[str]) -> RawTable:
    """Read JSON objects, one a line or in one array."""
    pairs, rejects = _json_array(text, name) if text.lstrip()[:1] == "[" else _json_lines(text)
    if not pairs:
        raise SourceError(
            f"{name} holds no JSON objects: write one a line, or all of them in one array."
        )
    names = list(dict.fromkeys(key for _, each in pairs for key in each))
    columns = {key: _alike([_native(each.get(key)) for _, each in pairs]) for key in names}
    lines = np.array([line for line, _ in pairs], dtype=np.int64)
    return RawTable(pd.DataFrame(columns), lines, rejects, notes)


def _json_lines(text: str) -> tuple[list[tuple[int, dict]], list[Reject]]:
    pairs, rejects = [], []
    for line, written in enumerate(text.split("\n"), 1):
        if not written.strip():
            continue
        try:
            value = _load(written)
        except ValueError:
            rejects.append(Reject(line, None, "is not valid JSON"))
            continue
        if isinstance(value, dict):
            pairs.append((line, value))
        else:
            rejects.append(Reject(line, None, "is not a JSON object"))
    return pairs, rejects


def _json_array(text: str, name: str) -> tuple[list[tuple[int, dict]], list[Reject]]:
    """Read an array object by object, so that each is known by its line."""
    decoder = json.JSONDecoder(parse_constant=_nothing)
    blank = re.compile(r"[\s,]*")
    pairs, rejects = [], []
    place, line, counted = blank.match(text, text.index("[") + 1).end(), 1, 0
    while text[place : place + 1] != "]":
        line, counted = line + text.count("\n", counted, place), place
        try:
            value, place = decoder.raw_decode(text, place)
        except ValueError:
            raise SourceError(f"{name} is not valid JSON: look at line {number(line)}.") from None
        if isinstance(value, dict):
            pairs.append((line, value))
        else:
            rejects.append(Reject(line, None, "is not a JSON object"))
        place = blank.match(text, place).end()
    return pairs, rejects


def _load(text: str) -> Any:
    return json.loads(text, parse_constant=_nothing)


def _nothing(_: str) -> None:
    """Take NaN and Infinity, which JSON does not know, for missing."""


def _native(value: Any) -> Any:
    """Keep numbers, yes and no; write what is nested as text."""
    return json.dumps(value, ensure_ascii=False, default=str) if _is_nested(value) else value


def _is_nested(value: Any) -> bool:
    return isinstance(value, dict | list)


def _alike(values: list[Any]) -> pd.Series:
    """Make a column of JSON values; where texts and others mix, all become text."""
    kinds = {type(value) for value in values if value is not None}
    if kinds <= {int, float} or len(kinds) <= 1:
        return _objects(values)
    return _objects([v if v is None or isinstance(v, str) else json.dumps(v) for v in values])


def _objects(values: list[Any]) -> pd.Series:
    return pd.Series(values, dtype=object)
