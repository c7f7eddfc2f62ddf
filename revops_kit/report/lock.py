"""One run at a time in a folder, by a lock that the kernel lets go of when its holder dies."""

import datetime as dt
import logging
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from revops_kit.errors import ReportError

if os.name == "nt":
    import msvcrt
else:
    import fcntl

PATIENCE = 600.0  # seconds that a run waits for another to end
SILENCE = 3.0  # seconds after which it says so
STEP = 0.1

log = logging.getLogger(__name__)


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Keep other runs out of a folder; where one is at work, wait for it and say so.

    Raises
    ------
    ReportError
        The other run has not ended after ten minutes.
    OSError
        The folder cannot be written, or its file system knows no locks.
    """
    path, waited, is_told = folder / ".lock", 0.0, False
    while (lock := _taken(path)) is None:
        if waited >= PATIENCE:
            raise ReportError(f"{_busy(path)}; end that run, or choose another folder with --into.")
        if waited >= SILENCE and not is_told:
            log.warning("%s; waiting for it.", _busy(path))
            is_told = True
        time.sleep(STEP)
        waited += STEP
    try:
        yield
    finally:
        # While it is still ours. Windows keeps a file that is open, and the next run takes it.
        with suppress(OSError):
            path.unlink()
        _release(lock)
        lock.close()


def _taken(path: Path) -> TextIO | None:
    """Take the lock and leave one's name in it; None when another run has it."""
    # Not where a link leads, which may be outside.
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0)
    lock = os.fdopen(os.open(path, flags, 0o666), "r+", encoding="utf-8")
    try:
        if _acquired(lock) and os.path.samestat(os.fstat(lock.fileno()), path.stat()):
            lock.seek(0)
            lock.truncate()
            lock.write(f"process {os.getpid()} on {socket.gethostname()}")
            lock.flush()
            return lock
    # Who had it removed the file after we opened it.
    except FileNotFoundError:
        pass
    except BaseException:
        lock.close()
        raise
    lock.close()
    return None


def _busy(path: Path) -> str:
    """Say who has the lock, and since when."""
    said = f"Another run is writing {path.parent.name}"
    with suppress(OSError):
        since = dt.datetime.fromtimestamp(path.stat().st_mtime)
        said += f" ({path.read_text('utf-8')}, since {since:%Y-%m-%d %H:%M:%S})"
    return said


if os.name == "nt":
    FAR = 1 << 30  # beyond what others read, for Windows locks bytes and not files

    def _acquired(lock: TextIO) -> bool:
        try:
            lock.seek(FAR)
            msvcrt.locking(lock.fileno(), msvcrt.LK_NBLCK, 1)
        except PermissionError:
            return False
        return True

    def _release(lock: TextIO) -> None:
        lock.seek(FAR)
        msvcrt.locking(lock.fileno(), msvcrt.LK_UNLCK, 1)

else:

    def _acquired(lock: TextIO) -> bool:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def _release(lock: TextIO) -> None:
        # Closing is not enough: a process forked meanwhile would go on holding it.
        fcntl.flock(lock, fcntl.LOCK_UN)
