"""A file that says that a process lives, what it is doing, and since when."""

import datetime as dt
import json
import logging
import os
import socket
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from threading import Event, Lock, Thread

BEAT = 30.0  # seconds between signs of life

log = logging.getLogger(__name__)


class Heartbeat:
    """One process's sign of life, which a thread renews as long as the block runs.

    A process that has ended or hangs as a whole leaves an old `at`; one that is busy with a single
    thing for too long an old `since`.

    Parameters
    ----------
    place
        The file.
    reports
        Names of those that the process runs.
    now
        Tells the moment.
    """

    def __init__(self, place: Path, reports: Iterable[str], now: Callable[[], dt.datetime]) -> None:
        self._place, self._reports, self._now = place, [*reports], now
        self._writing, self._is_over = Lock(), Event()
        self._thread = Thread(target=self._renew, daemon=True)

    def __enter__(self) -> "Heartbeat":
        self.tell("beginning")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()
        self.tell("stopped")

    def tell(self, doing: str) -> None:
        """Say what the process begins to do."""
        with self._writing:
            self._doing, self._since = doing, self._now()
            try:
                self._write()
            except OSError as error:
                log.warning("%s cannot be written (%s).", self._place, error.strerror)

    def _renew(self) -> None:
        while not self._is_over.wait(BEAT):
            # That it cannot be written is said when the process does something else.
            with self._writing, suppress(OSError):
                self._write()

    def _write(self) -> None:
        sign = {
            "at": self._now().isoformat(timespec="seconds"),
            "doing": self._doing,
            "since": self._since.isoformat(timespec="seconds"),
            "process": f"{os.getpid()} on {socket.gethostname()}",
            "reports": self._reports,
        }
        part = self._place.with_name(f"{self._place.name}.{os.getpid()}.part")
        self._place.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(json.dumps(sign, ensure_ascii=False) + "\n", "utf-8")
        part.replace(self._place)


def last_seen(place: Path) -> dict[str, dt.datetime]:
    """Read when a process last lived that ran each report; empty where none has left a sign."""
    try:
        sign = json.loads(place.read_text("utf-8"))
        return dict.fromkeys(sign["reports"], dt.datetime.fromisoformat(sign["at"]).astimezone())
    except (OSError, ValueError, LookupError, TypeError):
        return {}
