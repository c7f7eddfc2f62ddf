"""The command line: the only place that reads the clock and the arguments.

Everything heavy is imported inside the commands, so that `revops --help` starts in a blink.
"""

import gc
import os
import sys

import typer

from revops_kit.cli import figures, reports, scheduling, sending  # noqa: F401 (each adds its commands)
from revops_kit.cli.app import app
from revops_kit.cli.shown import UNPRINTABLE
from revops_kit.errors import RevopsError

INTERRUPTED = 130
# What drivers call a connection that broke (PEP 249), and Spark its own.
LOST = {"OperationalError", "InterfaceError", "Py4JNetworkError"}


def main() -> None:
    """Run a command; an error is one sentence on stderr."""
    # SciPy's L-BFGS-B wakes a thread per core for systems of four equations, and waits for them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    # Importing makes many objects and next to no garbage.
    gc.set_threshold(50_000, 20, 50)
    is_debugging = "--debug" in sys.argv
    words = [word for word in sys.argv[1:] if word != "--debug"]
    try:
        code = app(args=words or ["--help"], prog_name="revops", standalone_mode=False)
        # Now, for at the interpreter's end nobody tells that the reader of a pipe has gone.
        sys.stdout.flush()
    except Exception as error:
        code = _explain(error, is_debugging)
    if code == INTERRUPTED:
        print("revops: stopped.", file=sys.stderr)
    # Or the interpreter would go through all that was imported once more before it ends.
    gc.freeze()
    sys.exit(code)


def _explain(error: Exception, is_debugging: bool) -> int:
    """Say what went wrong, and give the exit code for it."""
    if isinstance(error, typer.Abort):
        return INTERRUPTED
    if isinstance(error, BrokenPipeError):
        # Whoever read our output has had enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    if is_debugging:
        raise error
    if isinstance(error, RevopsError):
        print(f"revops: {UNPRINTABLE.sub(' ', str(error))}", file=sys.stderr)
        return error.exit_code
    # A wrong call: which classes say so changes with typer's versions.
    if hasattr(error, "format_message"):
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "revops"
        said = error.format_message().rstrip(".")
        print(f"revops: {said}. `{command} --help` shows how.", file=sys.stderr)
        return error.exit_code
    if LOST & {each.__name__ for each in type(error).__mro__}:
        print(
            f"revops: the database does not answer any more ({type(error).__name__}). "
            "See that it runs, and try again.",
            file=sys.stderr,
        )
        return 1
    # The message may quote data: the kind of error is enough to report it.
    print(
        f"revops: something went wrong that should not have ({type(error).__name__}). "
        f"Run it again with --debug to see where, and tell us.",
        file=sys.stderr,
    )
    return 1
