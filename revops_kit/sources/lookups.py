"""Files of the company's own that say more about a column's values."""

from pathlib import Path

import numpy as np
import pandas as pd

from revops_kit.contracts import TableContract
from revops_kit.errors import ContractError, UnknownNameError, did_you_mean
from revops_kit.sources import files, values
from revops_kit.sources.files import RawTable
from revops_kit.sources.sieve import Sieve
from revops_kit.sources.spec import House, Lookup, Reading
from revops_kit.units import plural

# Values of these are customers', and stay out of what is told.
PERSONAL = ("email", "name", "company", "domain")


def read(folder: Path, file: str, how: Reading) -> RawTable:
    """Read a file of the workspace as it is."""
    return files.read(
        folder / file,
        encoding=how.encoding,
        separator=how.separator,
        sheet=how.sheet,
        skip_rows=how.skip_rows,
    )


def look_up(
    name: str,
    lookup: Lookup,
    columns: dict[str, pd.Series],
    house: House,
    sieve: Sieve,
    table: TableContract,
) -> None:
    """Add the columns of a file of the company's own, and report what it does not know."""
    if name not in columns and name.lower() in columns:
        name = name.lower()
    if name not in columns:
        raise UnknownNameError("a column", name, columns, f"in {table.name}")
    raw = read(house.folder, lookup.file, lookup)
    file = Path(lookup.file).name
    if lookup.key not in raw.frame:
        raise UnknownNameError("a column", lookup.key, raw.frame.columns, f"in {file}")
    text = raw.frame.apply(lambda each: values.to_text(each).values)
    text = text.dropna(subset=[lookup.key])
    if text[lookup.key].duplicated().any():
        raise ContractError(f"{file}: column {lookup.key!r} repeats values; a lookup needs a key.")
    text = text.set_index(lookup.key)
    for more in text.columns:
        if more.lower() in table.columns:
            # It would pass for a column of the contract, unchecked.
            said = f"column {more!r} of {file} is not added: {table.name} has one of that name"
            sieve.tell("note", None, np.array([], dtype=int), said)
        elif more.lower() not in columns:
            columns[more.lower()] = columns[name].map(text[more]).astype(object)
    written = columns[name].fillna("")
    strange = (written != "").to_numpy() & ~written.isin(text.index).to_numpy() & ~sieve.out
    if strange.any():
        rows = np.flatnonzero(strange)
        missing = sorted(set(written[strange]))
        near = did_you_mean(missing[0], text.index)
        named = f"{', '.join(repr(each) for each in missing[:3])} is not in {file}.{near}"
        if name in PERSONAL:
            verb = "is" if len(missing) == 1 else "are"
            named = f"{plural(len(missing), 'value')} {verb} not in {file}"
        sieve.tell("unmatched", name, sieve.lines[rows], named)
