"""The folder that reports stand in: written beside, then put in place whole.

win_rate.html           the report, always of the last run that went well
win_rate.ipynb          the notebook it was made from, with its outputs
win_rate.failed.ipynb   where the last run stopped, if it failed
index.html, run.json    the list of them all, for readers and for programs
"""

import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from revops_kit.errors import ReportError
from revops_kit.report.lock import alone_in

# Five reports of the size that they may have at most, with their notebooks.
ROOM_NEEDED = 10_000_000
STAGE = ".making-"
# What every system takes for one name in a folder, of at most 240 bytes.
PLAIN = re.compile(r"\w([\w .-]{0,58}\w)?")
# Windows takes these for devices, whatever ending follows.
DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.I)


def inside(folder: Path, name: str) -> Path:
    """Give the place in a folder for what is called `name`, whatever that is.

    A name that is no plain one – it leads elsewhere, is a device of Windows, is very long – is
    changed, and marked so that no two names share a place.

    Examples
    --------
    >>> inside(Path("reports"), "2026-09").name
    '2026-09'
    >>> inside(Path("reports"), "../../EMEA/Süd").as_posix()
    'reports/EMEA-Süd-918d9e24'
    """
    if not PLAIN.fullmatch(name) or DEVICES.fullmatch(name):
        mark = hashlib.sha256(name.encode("utf-8", "backslashreplace")).hexdigest()[:8]
        name = "-".join([*re.findall(r"\w+", name), mark])
        name = name if len(name) <= 60 else f"{name[:50]}-{mark}"
    return folder / name


def check_names(names: Iterable[str]) -> None:
    """Refuse notebooks whose reports would overwrite each other's, or have no file name.

    Raises
    ------
    ReportError
        With the cure.
    """
    # Windows and macOS take names that differ only in case for one.
    folded = [name.casefold() for name in names]
    if len(set(folded)) < len(folded) or "index" in folded:
        raise ReportError(
            "Two notebooks of one name, or one called index, would overwrite each other's reports."
        )
    for name in folded:
        if name.endswith(".failed") or len(name.encode("utf-8", "surrogateescape")) > 200:
            raise ReportError(
                f"{name[:40]}.ipynb cannot have a report of its name; give it a shorter one that "
                "does not end in .failed."
            )


@contextmanager
def staging(into: Path) -> Iterator[Path]:
    """Give a folder to write in, inside `into` so that a file moves from it in one step.

    Other runs into the same folder wait until this one is over.

    Raises
    ------
    ReportError
        `into` cannot be written, another run does not end, or the disk is full.
    """
    with ExitStack() as entered:
        try:
            into.mkdir(parents=True, exist_ok=True)
            entered.enter_context(alone_in(into))
            # We are alone: who left these is dead.
            for left in into.glob(f"{STAGE}*"):
                shutil.rmtree(left, ignore_errors=True)
            stage = Path(tempfile.mkdtemp(prefix=STAGE, dir=into))
            entered.callback(shutil.rmtree, stage, ignore_errors=True)
            free = shutil.disk_usage(stage).free
        except (FileExistsError, NotADirectoryError):
            raise ReportError(
                f"Reports cannot be put into {into.name}, because a file stands in its place; "
                "move the file away, or choose another folder with --into."
            ) from None
        except OSError as error:
            raise ReportError(_refused(into, error)) from None
        if free < ROOM_NEEDED:
            raise ReportError(f"The disk of {into.name} is full; make room, and run again.")
        yield stage


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
        return {
            name: entry
            for name, entry in entries.items()
            if entry["report"] and (into / f"{name}.html").exists()
        }
    # It is not there, or somebody has written in it.
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def _refused(into: Path, error: OSError) -> str:
    return f"{into.name} cannot be written ({error.strerror}); what stood there is untouched."
