"""The folder of reports: one run at a time, whole files only, nothing outside it."""

import json
import logging
import multiprocessing
import os
import random
import subprocess
import sys
import time

import pytest

from revops_kit.errors import ReportError
from revops_kit.report import lock
from revops_kit.report.folder import (
    check_names,
    earlier_entries,
    inside,
    publish,
    publish_texts,
    staging,
)

NOTEBOOKS = ("cac", "churn", "clv")
# Children are forked from a process that has imported what they need: fifty cost two seconds.
FORKS = multiprocessing.get_context("forkserver" if hasattr(os, "fork") else "spawn")
FORKS.set_forkserver_preload(["pytest", "revops_kit.report.folder"])
needs_root = pytest.mark.skipif(
    sys.platform != "linux" or os.geteuid() != 0, reason="only root mounts a small disk"
)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


# --- names ------------------------------------------------------------------------------------

LEADING_OUT = [
    "../x", "/etc/passwd", "..", ".", "", "a/../../b", "C:\\x", "..\\x", "con", "NUL.txt", "com1",
    "a\0b", "a\nb", "x" * 5000, "é" * 300,
    "\u202exe", ".making-x", ".lock", "x.", "x ", " ", "\ud800",
    "🙂" * 59 + "a",
]  # fmt: skip


@pytest.mark.parametrize("name", LEADING_OUT, ids=repr)
def test_whatever_something_is_called_its_place_is_in_the_folder(name, tmp_path):
    place = inside(tmp_path, name)
    assert place.parent == tmp_path
    assert not place.name.startswith(".")
    assert len(os.fsencode(place.name)) <= 255
    with staging(place) as stage:
        publish_texts({"index.html": name.encode("utf-8", "replace").decode()}, stage, place)
    assert names_in(tmp_path) == [place.name]
    assert names_in(place) == ["index.html"]


def test_plain_names_stay_and_others_never_meet(tmp_path):
    for name in ("2026-09", "2026-Q3", "weekly", "EMEA", "Süd", "all", "x.y"):
        assert inside(tmp_path, name) == tmp_path / name
    assert len({inside(tmp_path, name) for name in LEADING_OUT}) == len(LEADING_OUT)
    assert inside(tmp_path, "a/b") != inside(tmp_path, "a\\b")


@pytest.mark.parametrize("names", [["cac", "CAC"], ["Index"], ["x" * 250], ["cac", "cac.failed"]])
def test_notebooks_whose_files_would_meet_are_refused(names):
    with pytest.raises(ReportError):
        check_names(names)


def test_link_planted_in_place_of_a_file_is_not_followed(tmp_path):
    outside, reports = tmp_path / "outside", tmp_path / "reports"
    outside.mkdir()
    reports.mkdir()
    (outside / "mine").write_text("mine")
    (reports / "index.html").symlink_to(outside / "mine")
    (reports / ".making-x").symlink_to(outside)
    with staging(reports) as stage:
        publish_texts({"index.html": "new"}, stage, reports)
    assert (outside / "mine").read_text() == "mine"
    assert (reports / "index.html").read_text() == "new"
    (reports / ".lock").symlink_to(outside / "mine")
    with pytest.raises(ReportError, match="cannot be written"), staging(reports):
        pass
    assert (outside / "mine").read_text() == "mine"


# --- one run at a time ------------------------------------------------------------------------


def hold(reports, ready, seconds):
    with staging(reports):
        ready.set()
        time.sleep(seconds)


@pytest.fixture
def holder(tmp_path):
    """Start a process that has the folder for some seconds."""
    started = []

    def start(seconds):
        ready = FORKS.Event()
        process = FORKS.Process(target=hold, args=(tmp_path, ready, seconds))
        process.start()
        started.append(process)
        assert ready.wait(60)
        return process

    yield start
    for process in started:
        process.kill()
        process.join()


def test_second_run_waits_and_says_for_whom(holder, tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(lock, "SILENCE", 0.1)
    first = holder(1)
    with caplog.at_level(logging.WARNING), staging(tmp_path):
        [left] = tmp_path.glob(".making-*")
    assert not left.exists()
    assert f"Another run is writing {tmp_path.name} (process {first.pid} on " in caplog.text
    assert ", since 20" in caplog.text
    assert names_in(tmp_path) == []


def test_second_run_gives_up_in_a_sentence(holder, tmp_path, monkeypatch):
    monkeypatch.setattr(lock, "PATIENCE", 0.3)
    first = holder(60)
    expected = rf"^Another run is writing .* \(process {first.pid} on .*--into\.$"
    with pytest.raises(ReportError, match=expected), staging(tmp_path):
        pass
    assert len(list(tmp_path.glob(".making-*"))) == 1


def test_run_that_was_killed_holds_nothing_and_is_cleaned_up_after(holder, tmp_path):
    first = holder(60)
    first.kill()
    first.join()
    assert len(names_in(tmp_path)) == 2, "its stage and its lock"
    began = time.monotonic()
    with staging(tmp_path) as stage:
        assert names_in(tmp_path) == sorted([".lock", stage.name])
    assert time.monotonic() - began < 1
    assert names_in(tmp_path) == []


def write_many(reports, log):
    for _ in range(20):
        with staging(reports), log.open("a") as file:
            file.write("(")
            file.flush()
            time.sleep(random.random() / 1000)
            file.write(")")


def test_never_are_two_runs_in_a_folder(tmp_path):
    reports, log = tmp_path / "reports", tmp_path / "log"
    writers = [FORKS.Process(target=write_many, args=(reports, log)) for _ in range(4)]
    for each in writers:
        each.start()
    for each in writers:
        each.join(60)
    assert log.read_text() == "()" * 80


# --- killed at any moment ---------------------------------------------------------------------


def page(run, name):
    return f"<begin {run} {name}>{'.' * random.randrange(20_000)}<end {run}>"


def make_reports(reports, ready):
    """Put run after run in place, as `running` does, until killed."""
    ready.put(None)
    run = json.loads((reports / "run.json").read_text())["run"]
    while True:
        run += 1
        with staging(reports) as stage:
            entries = earlier_entries(reports)
            for name in NOTEBOOKS:
                for ending in ("ipynb", "html"):
                    (stage / f"{name}.{ending}").write_text(page(run, name))
                    publish(stage / f"{name}.{ending}", reports, f"{name}.{ending}")
                entries[name] = {"run": run, "report": {"file": f"{name}.html"}}
            record = json.dumps({"run": run, "notebooks": entries})
            publish_texts({"run.json": record, "index.html": page(run, "index")}, stage, reports)


def run_of(path):
    """Tell which run wrote a page, and that it is whole."""
    text = path.read_text()
    run = text.split()[1]
    assert text.startswith("<begin "), path.name
    assert text.endswith(f"<end {run}>"), path.name
    return int(run)


def test_killed_at_fifty_moments_the_folder_holds_whole_reports_only(tmp_path):
    chance, seen = random.Random(50), set()
    (tmp_path / "run.json").write_text('{"run": 0, "notebooks": {}}')
    files = [f"{name}.{ending}" for name in NOTEBOOKS for ending in ("ipynb", "html")]
    for _ in range(50):
        ready = FORKS.SimpleQueue()
        process = FORKS.Process(target=make_reports, args=(tmp_path, ready))
        process.start()
        ready.get()
        time.sleep(chance.random() * 0.03)
        process.kill()
        process.join()
        there = [path for path in tmp_path.iterdir() if not path.name.startswith(".")]
        pages = {path.name: run_of(path) for path in there if path.name != "run.json"}
        told = json.loads((tmp_path / "run.json").read_text())
        last = max(pages.values(), default=0)
        # The list is of this run or of the one before; what it lists is there, and no older.
        assert told["run"] in (last, last - 1)
        assert pages.get("index.html", 0) <= told["run"]
        for name, entry in told["notebooks"].items():
            assert entry["run"] == told["run"]
            assert pages[f"{name}.html"] in (entry["run"], entry["run"] + 1)
        seen.add((last - told["run"], *(last - pages.get(name, 0) for name in files)))
    assert len(seen) > 1, "it was always killed at the same moment"
    with staging(tmp_path):
        pass
    assert names_in(tmp_path) == sorted([*files, "index.html", "run.json"])


# --- places that cannot be written ------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path):
    """Mount a disk of so many kilobytes."""
    mounted = []

    def mount(size, *options):
        disk = tmp_path / "disk"
        disk.mkdir(exist_ok=True)
        words = ",".join([f"size={size}k", *options])
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", words, "tmpfs", disk])
        if done.returncode:
            pytest.skip("no disk may be mounted here")
        mounted.append(disk)
        return disk

    yield mount
    for disk in mounted:
        subprocess.run(["umount", disk], check=True)


@needs_root
def test_disk_that_fills_up_on_the_way_leaves_what_stood_there(small_disk):
    disk = small_disk(12_000)
    with staging(disk) as stage:
        publish_texts({"cac.html": "old", "run.json": "old"}, stage, disk)
    with pytest.raises(ReportError) as raised, staging(disk) as stage:
        publish_texts({"cac.html": "x" * 20_000_000, "run.json": "new"}, stage, disk)
    assert str(raised.value) == (
        "disk cannot be written (No space left on device); what stood there is untouched."
    )
    assert {path.name: path.read_text() for path in disk.iterdir()} == {
        "cac.html": "old",
        "run.json": "old",
    }


@needs_root
def test_disk_that_is_full_is_told_before_anything_runs(small_disk):
    disk = small_disk(1_000)
    with pytest.raises(ReportError, match=r"^The disk of disk is full; make room"), staging(disk):
        pass
    assert names_in(disk) == []


@needs_root
def test_folder_that_may_only_be_read_is_told_before_anything_runs(small_disk):
    disk = small_disk(1_000, "ro")
    with pytest.raises(ReportError, match=r"^disk cannot be written \(Read-only"), staging(disk):
        pass


@pytest.mark.parametrize("said", ["", "[]", '{"notebooks": []}', '{"notebooks": {"cac": 3}}'])
def test_list_that_somebody_wrote_in_is_made_anew(said, tmp_path):
    (tmp_path / "run.json").write_text(said)
    assert earlier_entries(tmp_path) == {}
