"""The folder that reports stand in: written beside, then put in place whole.

win_rate.html           the report, always of the last run that went well
win_rate.ipynb          the notebook it was made from, with its outputs
win_rate.failed.ipynb   where the last run stopped, if it failed
index.html, run.json    the list of them all, for readers and for programs
"""

import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from revops_kit.errors import ReportError

# Five reports of the size that they may have at most, with their notebooks.
ROOM_NEEDED = 10_000_000


@contextmanager
def staging(into: Path) -> Iterator[Path]:
    """Give a folder to write in, inside `into` so that a file moves from it in one step.

    Raises
    ------
    ReportError
        `into` cannot be written, or the disk is full.
    """
    try:
        into.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=".making-", dir=into))
    except (FileExistsError, NotADirectoryError):
        raise ReportError(
            f"Reports cannot be put into {into.name}, because a file stands in its place; "
            "move the file away, or choose another folder with --into."
        ) from None
    except OSError as error:
        raise ReportError(_refused(into, error)) from None
    try:
        if shutil.disk_usage(stage).free < ROOM_NEEDED:
            raise ReportError(f"The disk of {into.name} is full; make room, and run again.")
        yield stage
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def publish(staged: Path, into: Path, name: str) -> None:
    """Put a file that is whole in the place of the one before it.

    Raises
    ------
    ReportError
        It cannot be put there; what was there before stays.
    """
    try:
        # Without this a power cut may leave the new name on an empty file.
        with staged.open("rb+") as file:
            os.fsync(file.fileno())
        staged.replace(into / name)
    except OSError as error:
        raise ReportError(_refused(into, error)) from None


def publish_texts(texts: Mapping[str, str], stage: Path, into: Path) -> None:
    """Put texts, by file name, in their places once all of them are written beside."""
    try:
        for name, text in texts.items():
            (stage / name).write_text(text, encoding="utf-8")
    except OSError as error:
        raise ReportError(_refused(into, error)) from None
    for name in texts:
        publish(stage / name, into, name)


def earlier_entries(into: Path) -> dict[str, dict]:
    """Read what `run.json` says of the notebooks whose reports stand in the folder."""
    try:
        entries = json.loads((into / "run.json").read_text(encoding="utf-8"))["notebooks"]
    except (FileNotFoundError, ValueError, KeyError):
        return {}
    return {
        name: entry
        for name, entry in entries.items()
        if entry["report"] and (into / entry["report"]["file"]).exists()
    }


def _refused(into: Path, error: OSError) -> str:
    return f"{into.name} cannot be written ({error.strerror}); what stood there is untouched."
