"""Send mails in processes of their own, to be killed: told what to do on standard input.

A line `[place, url, readers]` starts one, and its number is printed. A line with that number
waits for it, and prints what became of each reader, or null if it was killed.
"""

import datetime as dt
import json
import os
import sys
from pathlib import Path

from revops_kit.history import open_history
from revops_kit.mail import Email, open_sender, send

DAY = dt.date(2026, 11, 23)
SEVEN = dt.datetime(2026, 11, 23, 7, tzinfo=dt.UTC)


def work(place, url, readers):
    """Send, and tell what became of it."""
    email = Email(
        "weekly", DAY, "revops@example.com", tuple(readers), "Week 47", "<p>1", "1"
    )  # fmt: skip
    with open_history(place) as history:
        sender = open_sender(url, Path.cwd())
        sending = send(email, history, sender, SEVEN, backoff=(0.05,))
    return [[each.recipient, each.state, each.code] for each in sending.deliveries]


def main():
    """Do as told until there is no more to do."""
    pipes = {}
    for line in sys.stdin:
        told = json.loads(line)
        if isinstance(told, int):
            with os.fdopen(pipes.pop(told)) as pipe:
                said = pipe.read()
            _, status = os.waitpid(told, 0)
            print(said if os.WIFEXITED(status) and said else "null", flush=True)
            continue
        reads, writes = os.pipe()
        if number := os.fork():
            os.close(writes)
            pipes[number] = reads
            print(number, flush=True)
            continue
        with os.fdopen(writes, "w") as pipe:
            pipe.write(json.dumps(work(*told)))
        os._exit(0)


if __name__ == "__main__":
    main()
