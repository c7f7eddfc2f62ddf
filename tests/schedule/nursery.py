"""Fork a process of the kit for each line that asks for one, so that all of them import once.

A line is a command's words, the file for what it says, and whether its kernels are warm; it is
answered by the number of its process. A line that is such a number is answered, when that process
has ended, by its exit code.
"""

import json
import os
import signal
import sys
from importlib import import_module

PATIENCE = 120  # seconds; a busy machine is no reason to fail
LATE = """
    apscheduler.triggers.cron ibis.backends.duckdb mjml revops_kit.charts revops_kit.mail.compose
    revops_kit.report.kernels revops_kit.report.pages revops_kit.schedule.runner
"""


def serve():
    """Answer lines until there are no more."""
    for name in LATE.split():
        import_module(name)
    import_module("duckdb").default_connection().close()  # a fork would lack its threads
    for line in sys.stdin:
        asked = json.loads(line)
        if isinstance(asked, list):
            if not (answer := os.fork()):
                become(*asked)
        else:
            signal.alarm(PATIENCE)
            answer = os.waitstatus_to_exitcode(os.waitpid(asked, 0)[1])
            signal.alarm(0)
        print(answer, flush=True)


def become(words, log, is_warm):
    """Be what a shell would have started."""
    from revops_kit.cli import main
    from revops_kit.report import warm

    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT), 2)
    os.dup2(2, 1)
    # A notebook that imports nothing is run by a kernel of its own sooner than by a warm one.
    warm.FORKS = is_warm
    sys.argv = ["revops", *words]
    main()


if __name__ == "__main__":
    serve()
