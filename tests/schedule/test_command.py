"""`revops schedule` and `revops history` say what will run and what has."""

import datetime as dt
import json
import re
import sys

import pytest

from revops_kit.cli import main
from revops_kit.history import open_history
from revops_kit.history.schema import mails

SEVEN = dt.datetime(2026, 11, 23, 6, tzinfo=dt.UTC)


@pytest.fixture
def revops(monkeypatch, capsys):
    """Run a command: its exit code, and what it printed."""

    def revops(*words):
        monkeypatch.setattr(sys, "argv", ["revops", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, *capsys.readouterr()

    return revops


def test_schedule_lists_what_runs_and_history_that_nothing_has(company, revops):
    file = company(weekly=("0 7 * * MON", "last-week"))
    text = file.read_text().replace('name = "Small"', 'name = "[/Small]"')
    file.write_text(text + "[reports.seldom]\n")
    code, shown, _ = revops("schedule", "-w", str(file))
    assert code == 0
    assert "[/Small] · Europe/Berlin" in shown
    assert re.search(r"Mon \d{4}-\d\d-\d\d 07:00 +weekly +\d{4}-\d\d-\d\d +\d{4}-W\d\d +0 7", shown)
    assert "seldom has no cron" in shown
    assert revops("history", "-w", str(file), "--format", "json") == (0, '{\n  "runs": []\n}\n', "")
    # To look is not to write.
    assert not (file.parent / "reports").exists()


def test_trial_of_days_that_are_over_is_refused(company, revops):
    file = company(weekly=("0 7 * * MON", "last-week"))
    code, _, said = revops("schedule", "run", "--until", "2020-01-01", "-w", str(file))
    assert (code, said) == (2, "revops: --until 2020-01-01 is over: name a day to come.\n")


@pytest.mark.parametrize(
    ("cron", "period", "is_early"),
    [
        ("0 20 * * SUN", "last-week", True),
        ("0 7 * * MON", "last-week", False),
        ("0 7 * * SUN", "this-week", True),
        # It is partial, and says so.
        ("0 7 * * MON", "this-week", False),
    ],
)
def test_period_that_is_not_over_when_it_is_reported_is_pointed_out(
    company, revops, cron, period, is_early
):
    file = company(weekly=(cron, period))
    _, shown, _ = revops("schedule", "-w", str(file))
    pattern = r"weekly takes \d{4}-W\d\d for whole on its last day: what happens on \S+ after .* is"
    assert bool(re.search(pattern, shown)) == is_early


def test_schedule_says_that_each_part_gets_a_mail(company, revops):
    file = company(weekly=("0 7 * * MON", "last-week"))
    parts = 'burst_by = "owner"\n[reports.weekly.burst_to]\nAnn = ["ann@example.com"]\n'
    file.write_text(file.read_text() + parts)
    assert "weekly@example.com, each owner" in revops("schedule", "-w", str(file))[1]


def test_history_is_brief_as_a_table_and_whole_as_json(company, revops, tmp_path):
    place = tmp_path / "history.sqlite"
    file = company(history=place, weekly=("0 7 * * MON", "last-week"))
    error = "The data are stale. " + "Nothing in leads is new. " * 40
    with open_history(place) as history:
        for days in (14, 7, 0):
            day = SEVEN.date() - dt.timedelta(days)
            run = history.begin_run("weekly", day, SEVEN, period="2026-W47")
            history.end_run(run, "failed" if days else "ok", 12.34, error if days else "")
            owner = {"recipient": "owner@example.com", "part": "to its owner", "correction": "x"}
            readers = [{"recipient": f"{number}@example.com"} for number in range(3)]
            rows = [
                {
                    "run_id": run, "report": "weekly", "logical_date": day, "content": "",
                    "message_id": "", "state": "sent", "is_handed_over": True, "claimed_by": "",
                    "attempts": 1, "claimed_at": SEVEN, "changed_at": SEVEN, "part": "",
                    "correction": "", **each,
                }
                for each in ([owner] if days else readers)
            ]  # fmt: skip
            with history.store.transaction() as con:
                con.execute(mails.insert(), rows)
    words = ["history", "-w", str(file), "--last", "2"]
    code, shown, _ = revops(*words)
    assert code == 0
    lines = [" ".join(line.split()) for line in shown.splitlines()]
    start = "2026-11-23 07:00 weekly 2026-11"
    assert f"{start}-16 2026-W47 12.3 failed 1 sent to its owner" in lines
    assert f"{start}-23 2026-W47 12.3 ok 3 sent" in lines
    assert "2026-11-09" not in shown
    [said] = [line for line in lines if line.startswith("weekly for 2026-11-16 failed: The data ")]
    assert said.endswith(" …")
    assert len(said) < 300
    told = json.loads(revops(*words, "--format", "json")[1])["runs"]
    assert [run["error"] for run in told] == [error, None]
    assert [len(run["mails"]) for run in told] == [1, 3]
