"""The parent of warm kernels: imports, then forks a process for each request (see `warm`).

Only a process with a single thread can be forked safely: a lock that another thread holds stays
locked in the child for ever. So this keeps no database and no ZeroMQ context open, and sees to it
before it forks that there are no threads but those of Arrow, which is made for it.
"""

import atexit
import ctypes
import gc
import json
import os
import selectors
import signal
import socket
import sys
from contextlib import suppress
from importlib import import_module
from pathlib import Path

from revops_kit.report.warm import NUMBER

# What every kernel needs, and what the kit imports late.
ALWAYS = """
    great_tables ipykernel.kernelapp ipykernel.ipkernel ipykernel.zmqshell ipykernel.debugger
    IPython.core.completerlib IPython.core.debugger IPython.core.logger IPython.core.oinspect
    IPython.extensions.storemagic faulthandler psutil tornado.platform.asyncio
    numpy pandas pyarrow.dataset ibis duckdb ibis.backends.duckdb ibis.formats.pandas
    matplotlib.pyplot matplotlib.backends.backend_agg matplotlib_inline.backend_inline
    PIL.BmpImagePlugin PIL.GifImagePlugin PIL.JpegImagePlugin PIL.PpmImagePlugin
    PIL.PngImagePlugin scipy.special
    revops_kit.workspace revops_kit.kpis revops_kit.charts revops_kit.show
"""
# What some need, and what takes long: imported while the first kernel works, for all others.
OFTEN = "scipy.optimize seaborn"
DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG of Linux's prctl
# Memory that Arrow keeps is tidied up by a thread that knows of forks, as its own pools do, which
# a first query starts: they begin anew in a child (apache/arrow#14594).
HARMLESS = {"jemalloc_bg_thd"}


def main() -> None:
    """Import, then fork until the run ends; each child becomes a kernel."""
    number, *modules = sys.argv[1:]
    run = socket.socket(fileno=int(number))
    # Importing makes next to no garbage; looking for it takes a seventh of the time.
    gc.disable()
    try:
        preload()
        os.close(os.pidfd_open(os.getpid()))  # Linux has it since 2019
    except Exception as problem:
        # A failing import may quote what it read.
        run.send(f"their parent process failed with {type(problem).__name__}".encode())
        sys.exit(1)
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()
    kernel = serve(run, [*OFTEN.split(), *modules])
    if not kernel:
        # Somebody waits for it, and Python would tidy up every module first.
        os._exit(0)
    prctl(DIE_WITH_PARENT, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(1)
    become_kernel(kernel)


def preload() -> None:
    """Import what every kernel needs, and use it once."""
    for name in ALWAYS.split():
        import_module(name)
    import duckdb

    # Importing it has opened a database, with threads; it opens another when it needs one.
    duckdb.default_connection().close()
    if _threads() > 1:
        raise RuntimeError("an import has started a thread")
    gc.freeze()
    rehearse()
    # What it has left, and only that: it hangs on a database that has to be closed.
    gc.collect()
    from revops_kit import samples

    samples.close()
    duckdb.default_connection().close()


def rehearse() -> None:
    """Do what each kernel would do for the first time, which takes several times as long then."""
    import revops_kit as rk
    from revops_kit import contracts, samples, show

    for name in contracts.names():
        contracts.contract(name)
    ws = samples.Company(samples.tiny())
    trend = rk.kpis.churn.over(ws, rk.last(13, "2026-09"))
    parts = rk.kpis.win_rate(ws, "2026-09", by="region")
    trend.headline(), trend.signal(), trend.explain()
    for chart in (trend.plot(), parts.plot(whole=0.5)):
        chart.png()
    show.table(trend)
    show.cards([trend])


def serve(run: socket.socket, modules: list[str]) -> socket.socket | None:
    """Fork for every request, and import between requests what is still to be imported.

    A kernel that is forked early imports by itself what it misses.

    Returns
    -------
    socket or None
        In a child, where its request is to be read; in the parent None, when the run is over.
    """
    kernels: dict[int, tuple[int, socket.socket]] = {}
    # Not epoll, which a child would share with its parent.
    ready = selectors.PollSelector()
    ready.register(run, selectors.EVENT_READ)
    arrows = _threads()
    while True:
        for key, _ in ready.select(0 if modules else None):
            if key.fd in kernels:
                ready.unregister(key.fd)
                _tell_end(key.fd, *kernels.pop(key.fd))
                continue
            _, fds, _, _ = socket.recv_fds(run, 1, 1)
            if not fds:
                for pid, _ in kernels.values():
                    with suppress(ProcessLookupError):
                        os.killpg(pid, signal.SIGKILL)
                return None
            request = socket.socket(fileno=fds[0])
            try:
                if _threads() > arrows:
                    raise RuntimeError("an import has started a thread")
                pid = os.fork()
            except (OSError, RuntimeError) as problem:
                run.send(f"their parent process cannot fork: {problem}".encode())
                request.close()
                continue
            if not pid:
                run.close()
                for fd, (_, other) in kernels.items():
                    os.close(fd)
                    other.close()
                return request
            # So that whatever the kernel starts can be ended with it.
            os.setpgid(pid, pid)
            ended = os.pidfd_open(pid)
            kernels[ended] = pid, request
            ready.register(ended, selectors.EVENT_READ)
            with suppress(OSError):
                request.send(NUMBER.pack(pid))
        if modules:
            # The notebook will say what is wrong with it.
            with suppress(Exception):
                import_module(modules.pop(0))


def _threads() -> int:
    names = [each.read_text().strip() for each in Path("/proc/self/task").glob("*/comm")]
    return len([name for name in names if name not in HARMLESS])


def _tell_end(ended: int, pid: int, request: socket.socket) -> None:
    _, status = os.waitpid(pid, 0)
    os.close(ended)
    with suppress(OSError), request:
        request.send(NUMBER.pack(os.waitstatus_to_exitcode(status)))


def become_kernel(request: socket.socket) -> None:
    """Turn this process into the kernel that was asked for, as if it had been started afresh."""
    import matplotlib_inline.backend_inline
    import numpy
    from ipykernel.kernelapp import IPKernelApp

    with request, request.makefile("rb") as lines:
        asked = json.loads(lines.readline())
    # They belong to the parent's temporary files and the like.
    atexit._clear()
    # Collecting garbage would write to every page that is shared with the parent.
    gc.freeze()
    # Queries are trees of many small objects: by default, looking for garbage among them takes a
    # quarter of the time that compiling them does.
    gc.set_threshold(50_000, 20, 50)
    gc.enable()
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    # Python reseeds `random` itself.
    numpy.random.seed()
    sys.argv = ["ipykernel_launcher.py", *asked["argv"]]
    app = IPKernelApp.instance()
    app.parent_handle = 1  # nobody to watch: see DIE_WITH_PARENT
    app.initialize(asked["argv"])
    # Imported without a shell, it has not hooked itself in, and would drop every chart.
    matplotlib_inline.backend_inline._enable_matplotlib_integration()
    app.start()
