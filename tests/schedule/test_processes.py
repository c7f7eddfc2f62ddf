"""`revops schedule run` as a process: two at once, stopped, killed, and started again."""

import datetime as dt
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from revops_kit.history import open_history

BERLIN = ZoneInfo("Europe/Berlin")
DAILY = ("0 7 * * *", "2026-09")
PATIENCE = 120  # seconds; a busy machine is no reason to fail


class Processes:
    """Processes that run `revops schedule`, with what they say in files."""

    def __init__(self, home):
        self.home, self.alive = home, {}
        # Where Python keeps no byte code, each process would compile all it imports.
        self.env = {
            name: os.environ[name] for name in os.environ if name != "PYTHONDONTWRITEBYTECODE"
        }
        self.env["PYTHONPYCACHEPREFIX"] = f"{tempfile.gettempdir()}/revops-byte-code"

    def start(self, file, *words):
        """Begin, in a process whose number is given."""
        command = [sys.executable, "-m", "revops_kit.cli", "schedule", *words, "-w", str(file)]
        with tempfile.NamedTemporaryFile(dir=self.home, delete=False) as log:
            process = subprocess.Popen(command, env=self.env, stderr=log)
        Path(log.name).rename(self.home / f"{process.pid}.log")
        self.alive[process.pid] = process
        return process.pid

    def end(self, number, how=None):
        """Send a signal, or wait: the exit code."""
        if how:
            self.alive[number].send_signal(how)
        return self.alive.pop(number).wait(PATIENCE)

    def said(self, number):
        return (self.home / f"{number}.log").read_text()

    def wait_for(self, number, text):
        wait(lambda: text in self.said(number), f"{text!r} has not been said")

    def close(self):
        for number in list(self.alive):
            self.end(number, signal.SIGKILL)


@pytest.fixture(scope="module")
def processes(tmp_path_factory):
    made = Processes(tmp_path_factory.mktemp("logs"))
    yield made
    made.close()


def wait(is_done, complaint):
    for _ in range(PATIENCE * 20):
        if is_done():
            return
        time.sleep(0.05)
    pytest.fail(complaint)


def runs(place, *columns):
    with open_history(place) as history:
        kept = history.runs()[list(columns)]
    return [tuple(map(str, row)) for row in kept.itertuples(index=False)]


def at_work_in(folder):
    """Count the processes that work in a folder, as kernels do."""
    places = []
    for process in Path("/proc").glob("[0-9]*/cwd"):
        try:
            places.append(process.readlink())
        except OSError:  # it has ended
            continue
    return sum(each.is_relative_to(folder) for each in places)


def missed_since_yesterday(company, tmp_path):
    """Write a workspace whose last run was two days ago; gives it, its history, and yesterday."""
    place, home = tmp_path / "history.sqlite", tmp_path / "home"
    file = company(history=place, home=home, daily=DAILY)
    today = dt.datetime.now(BERLIN).date()
    missed, before = (today - dt.timedelta(days=number) for number in (1, 2))
    with open_history(place) as history:
        last = dt.datetime.combine(before, dt.time(7), BERLIN)
        history.end_run(history.begin_run("daily", before, last), "ok", 1.0)
    return file, place, str(missed)


def test_of_two_runners_each_time_is_run_by_one(company, processes, place, tmp_path):
    # Two machines, with a history in common.
    files = [company(history=place, home=tmp_path / name, daily=DAILY) for name in "ab"]
    now = dt.datetime.now(BERLIN)
    days = [now.date() + dt.timedelta(days=number) for number in range(3)]
    both = [processes.start(file, "run", "--until", str(days[-1])) for file in files]
    assert [processes.end(each) for each in both] == [0, 0], processes.said(both[0])
    due = [str(day) for day in days if dt.datetime.combine(day, dt.time(7), BERLIN) > now]
    assert runs(place, "logical_date", "status") == [(day, "ok") for day in due]
    mails = [mail for file in files for mail in (file.parent / "outbox").glob("*.eml")]
    assert len(mails) == len(due)


def test_stopped_in_a_run_it_ends_soon_and_leaves_nothing_behind(company, processes, tmp_path):
    file, place, missed = missed_since_yesterday(company, tmp_path)
    home = file.parent
    (home / "hold").touch()
    process = processes.start(file, "run")
    wait((home / "begun").exists, "no notebook has begun")
    assert at_work_in(home)
    beat = home / "reports" / ".revops" / "heartbeat"
    assert f'"doing": "running daily for {missed}", "process": "{process} on ' in beat.read_text()
    assert processes.end(process, signal.SIGTERM) == 0
    assert at_work_in(home) == 0
    assert processes.said(process).endswith(" Stopped.\n")
    assert '"doing": "stopped"' in beat.read_text()
    assert runs(place, "logical_date", "status", "error")[1:] == [
        (missed, "stopped", "The schedule was stopped.")
    ]


def test_killed_in_a_run_it_is_made_again_and_mailed_once(company, processes, tmp_path):
    file, place, missed = missed_since_yesterday(company, tmp_path)
    home = file.parent
    (home / "hold").touch()
    process = processes.start(file, "run")
    wait((home / "begun").exists, "no notebook has begun")
    assert processes.end(process, signal.SIGKILL) == -signal.SIGKILL
    wait(lambda: not at_work_in(home), "a kernel has survived")
    assert runs(place, "logical_date", "status")[1:] == [(missed, "running")]

    (home / "hold").unlink()
    again = processes.start(file, "run")
    processes.wait_for(again, "Next: daily at ")
    assert processes.end(again, signal.SIGINT) == 0
    assert f"daily for {missed}: Its process died in it." in processes.said(again)
    found = runs(place, "logical_date", "status")
    assert found[1:3] == [(missed, "stopped"), (missed, "ok")]
    # Perhaps today's seven o'clock has passed too.
    assert [status for _, status in found[3:]] in ([], ["ok"])
    with open_history(place) as history:
        mails = history.mails(logical_date=dt.date.fromisoformat(missed))
    assert mails.state.to_list() == ["sent"]
