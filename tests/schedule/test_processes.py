"""`revops schedule run` as a process: two at once, stopped, killed, and started again."""

import datetime as dt
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from revops_kit.history import open_history

BERLIN = ZoneInfo("Europe/Berlin")
PATIENCE = 120  # seconds; a busy machine is no reason to fail


class Processes:
    """Processes that run `revops schedule`, with what they say in files."""

    def __init__(self, home):
        self.home, self.alive = home, []
        nursery = [sys.executable, Path(__file__).with_name("nursery.py")]
        pipes = dict.fromkeys(("stdin", "stdout"), subprocess.PIPE)
        self.nursery = subprocess.Popen(nursery, text=True, **pipes)

    def ask(self, question):
        print(json.dumps(question), file=self.nursery.stdin, flush=True)
        return int(self.nursery.stdout.readline())

    def start(self, file, *words, is_warm=False):
        """Begin, in a process whose number is given."""
        log = self.home / "log"
        number = self.ask([["schedule", *words, "-w", str(file)], str(log), is_warm])
        wait(log.exists, "no process has begun")
        log.rename(self.home / f"{number}.log")
        self.alive.append(number)
        return number

    def end(self, number, how=None):
        """Send a signal, or wait: the exit code."""
        if how:
            os.kill(number, how)
        self.alive.remove(number)
        return self.ask(number)

    def said(self, number):
        return (self.home / f"{number}.log").read_text()

    def wait_for(self, number, text):
        wait(lambda: text in self.said(number), f"{text!r} has not been said")

    def close(self):
        for number in list(self.alive):
            self.end(number, signal.SIGKILL)
        self.nursery.communicate()


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


def at_seven_on(day):
    """Write a cron for this day of the week, and a period."""
    return f"0 7 * * {day:%w}", "2026-09"


def missed_yesterday(company, tmp_path):
    """Write a workspace whose one missed run is yesterday's; gives it, its history, and the day."""
    place, home = tmp_path / "history.sqlite", tmp_path / "home"
    missed, before = (dt.datetime.now(BERLIN).date() - dt.timedelta(number) for number in (1, 2))
    file = company(history=place, home=home, daily=at_seven_on(missed))
    with open_history(place) as history:
        last = dt.datetime.combine(before, dt.time(7), BERLIN)
        history.end_run(history.begin_run("daily", before, last), "ok", 1.0)
    return file, place, str(missed)


def test_of_two_runners_one_runs_what_is_due(company, processes, place, tmp_path):
    day = dt.datetime.now(BERLIN).date() + dt.timedelta(1)
    # Two machines, with a history in common.
    files = [company(history=place, home=tmp_path / name, daily=at_seven_on(day)) for name in "ab"]
    both = [processes.start(file, "run", "--until", str(day)) for file in files]
    assert [processes.end(each) for each in both] == [0, 0], processes.said(both[0])
    assert runs(place, "logical_date", "status") == [(str(day), "ok")]
    assert len([*tmp_path.glob("*/outbox/*.eml")]) == 1


def test_stopped_in_a_run_it_ends_soon_and_leaves_nothing_behind(company, processes, tmp_path):
    file, place, missed = missed_yesterday(company, tmp_path)
    home = file.parent
    (home / "hold").touch()
    process = processes.start(file, "run", is_warm=True)
    wait((home / "begun").exists, "no notebook has begun")
    assert at_work_in(home)
    beat = home / "reports" / ".revops" / "heartbeat"
    sign = json.loads(beat.read_text())
    assert sign["doing"] == f"running daily for {missed}"
    assert sign["process"].startswith(f"{process} on ")
    assert processes.end(process, signal.SIGTERM) == 0
    assert at_work_in(home) == 0
    assert processes.said(process).endswith(" Stopped.\n")
    assert json.loads(beat.read_text())["doing"] == "stopped"
    assert runs(place, "logical_date", "status", "error")[1:] == [
        (missed, "stopped", "The schedule was stopped.")
    ]


def test_killed_in_a_run_it_is_made_again_and_mailed_once(company, processes, tmp_path):
    file, place, missed = missed_yesterday(company, tmp_path)
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
    assert runs(place, "logical_date", "status")[1:] == [(missed, "stopped"), (missed, "ok")]
    with open_history(place) as history:
        mails = history.mails(logical_date=dt.date.fromisoformat(missed))
    assert mails.state.to_list() == ["sent"]
