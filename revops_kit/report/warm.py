"""Warm kernels: a parent has imported what notebooks import, and forks a process for each.

Most of a short notebook's time is start-up, and here it is paid once. The parent is another
Python (`forking`), which a run starts and talks to through a socket: each request hands over a
socket of its own, where the parent answers with the number of the new process and, in the end,
with its exit status. When the run ends, however it ends, the socket closes, and the parent kills
what it has forked.
"""

import ast
import json
import os
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock

from revops_kit.errors import ReportError
from revops_kit.report.parameters import cells_of, source_of

ENVIRONMENT = {
    # Left to itself matplotlib takes MPLBACKEND of whoever started us, and the charts are lost.
    "MPLBACKEND": "module://matplotlib_inline.backend_inline",
    # Notebooks run side by side; a thread for every core in each only makes them wait.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
}
# Other modules may start threads or read the folder they are imported in: kernels import them.
SAFE = "IPython great_tables ibis matplotlib numpy pandas revops_kit scipy seaborn statsmodels"
NUMBER = struct.Struct("i")
FORKS = sys.platform == "linux"

_current: "Parent | None" = None


class NotWarm(Exception):  # noqa: N818
    """There is no warm kernel to be had, with the reason."""


class Parent:
    """The process that kernels are forked from; it starts at once and is ready seconds later.

    Parameters
    ----------
    modules
        What to import.
    workdir
        The folder to import it in.
    """

    def __init__(self, modules: Iterable[str], workdir: Path) -> None:
        self.is_lost = self._has_forked = False
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        program = "from revops_kit.report.forking import main; main()"
        with theirs:
            self.process = subprocess.Popen(
                [sys.executable, "-c", program, str(theirs.fileno()), *modules],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                cwd=workdir,
                # Without the latter, importing ipykernel's debugger prints four lines of warnings.
                env=os.environ | ENVIRONMENT | {"PYDEVD_DISABLE_FILE_VALIDATION": "1"},
                # Ctrl-C on a terminal is for the run, which then ends this.
                start_new_session=True,
            )

    def fork(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path) -> "Forked":
        """Fork a kernel.

        Raises
        ------
        NotWarm
            The parent could not be started, or has ended.
        """
        request = json.dumps({"argv": [*argv], "env": {**env}, "cwd": str(cwd)}).encode()
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                socket.send_fds(self._socket, [b"k"], [theirs.fileno()])
            ours.sendall(request + b"\n")
            answer = ours.recv(NUMBER.size)
        except OSError:
            answer = b""
        if not answer:
            ours.close()
            self.is_lost = True
            raise NotWarm(self._reason())
        self._has_forked = True
        return Forked(NUMBER.unpack(answer)[0], ours)

    def close(self) -> None:
        """End the parent, and every kernel that it has forked."""
        # It hears of its end only once all is imported, and without kernels need not hear of it.
        if not self._has_forked:
            self.process.kill()
        # Not `close`: another thread may be sending.
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        try:
            self.process.wait(5)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self._socket.close()

    def _reason(self) -> str:
        """Ask why there was no answer."""
        # What it has said comes after the news that it left requests unread.
        for _ in range(2):
            with suppress(OSError):
                if told := self._socket.recv(1000, socket.MSG_DONTWAIT):
                    return told.decode()
        return "their parent process has ended"


class Forked:
    """A kernel's process, as `subprocess.Popen` shows one: who waits for it is not its parent."""

    stdin = stdout = stderr = None

    def __init__(self, pid: int, answers: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._answers = answers
        self._answers.setblocking(False)
        self._asking = Lock()

    def poll(self) -> int | None:
        """Give the exit status, or None while the process runs."""
        with self._asking:
            if self.returncode is None:
                try:
                    answer = self._answers.recv(NUMBER.size)
                except BlockingIOError:
                    return None
                except OSError:
                    answer = b""
                # A parent that was killed takes its kernels with it.
                self.returncode = NUMBER.unpack(answer)[0] if answer else -signal.SIGKILL
                self._answers.close()
        return self.returncode

    def wait(self) -> int | None:
        """Give the exit status; jupyter_client asks when the process is known to have ended."""
        return self.poll()

    def send_signal(self, number: int) -> None:
        """Send a signal, unless the process has ended: its number may be another's by now."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask the process to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End the process."""
        self.send_signal(signal.SIGKILL)


@contextmanager
def warm(notebooks: Sequence[Path], workdir: Path) -> Iterator[None]:
    """Keep a warm parent while the block runs; within another such block, the one of that."""
    global _current
    if _current or not FORKS:
        yield
        return
    _current = Parent(imports_of(notebooks), workdir)
    try:
        yield
    finally:
        parent, _current = _current, None
        parent.close()


def current() -> Parent | None:
    """Give the warm parent that there is; one that has failed is not asked again."""
    return None if _current is None or _current.is_lost else _current


def imports_of(notebooks: Iterable[Path]) -> list[str]:
    """Find the modules that notebooks import, as far as they are safe to import before a fork.

    Names that turn out to be no modules, such as `revops_kit.last`, are among them.
    """
    found: dict[str, None] = {}
    for notebook in notebooks:
        # What cannot be read fails by itself, when it is run.
        with suppress(ReportError):
            for cell in cells_of(notebook):
                if cell["cell_type"] == "code":
                    found |= dict.fromkeys(_imports(source_of(cell)))
    return [name for name in found if name.split(".")[0] in SAFE.split()]


def _imports(source: str) -> Iterator[str]:
    try:
        tree = ast.parse(source)
    # A magic command, perhaps.
    except SyntaxError:
        return
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                yield from (each.name for each in names)
            case ast.ImportFrom(module=str(module), names=names):
                yield module
                yield from (f"{module}.{each.name}" for each in names)
