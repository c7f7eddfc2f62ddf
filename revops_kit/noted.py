"""Small frames that say what they leave out, or why they are empty."""

from collections.abc import Iterable, Mapping

import pandas as pd

from revops_kit.tables import Tables
from revops_kit.wording import Words


def noted(frame: pd.DataFrame, *said: str) -> pd.DataFrame:
    """Write sentences on a frame, to be read with `note`; empty ones are skipped.

    Examples
    --------
    >>> note(noted(pd.DataFrame({"channel": ["search"]}), "", "3 touches are left out."))
    '3 touches are left out.'
    """
    frame.attrs["note"] = " ".join(each for each in said if each)
    return frame


def note(frame: pd.DataFrame) -> Words:
    """Read what is written on a frame; nothing where nothing is."""
    return Words(frame.attrs.get("note", ""))


def empty(columns: Iterable[str], why: str) -> pd.DataFrame:
    """Make a frame without rows that says why it has none."""
    return noted(pd.DataFrame(columns=list(columns)), f"{why[0].upper()}{why[1:].rstrip('.')}.")


def lacking(tables: Tables, needs: Mapping[str, tuple[str, ...]]) -> str:
    """Say what a workspace lacks, as KPIs do, or nothing.

    Parameters
    ----------
    needs
        Table → columns.
    """
    missing = tables.lacks(needs)
    return f"not available: needs {', '.join(missing)}" if missing else ""
