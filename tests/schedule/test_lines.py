"""What other programs are given to run says when, what and for whom."""

import ast
import datetime as dt
import re
import subprocess
import sys

import pytest

from revops_kit.cli import main
from revops_kit.errors import RequestError
from revops_kit.schedule import jobs_of, lines, without_tables


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """Put a program in Python's place that writes down what it was told; gives what it wrote."""
    place, book = tmp_path / "100% ours" / "python", tmp_path / "book"
    place.parent.mkdir()
    place.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" end >> {book}\n')
    place.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(place))
    return lambda: [each.split("\n") for each in book.read_text().strip().split("\nend")][:-1]


@pytest.fixture
def ws(company, tmp_path):
    home = tmp_path / "A & B's 50%"
    file = company(home=home, weekly=("0 7 * * MON", "last-week"), odd=("5 8 2 * *", "last-month"))
    text = file.read_text().replace("[reports.odd]", '[reports."the odd; $HOME"]')
    file.write_text(text.replace("file:outbox", "smtps://${SMTP_USER}:${SMTP_PASSWORD}@x.org"))
    return without_tables(file)


def calls(ws, *names):
    """List what a run of these reports calls."""
    file = ["-w", str(ws.file)]
    return [
        ["-m", "revops_kit.cli", *words, *file]
        for name in names
        for words in (["snapshot"], ["mail", name])
    ]


def test_lines_for_cron_run_what_they_should(ws, recorded):
    text = lines.crontab(jobs_of(ws.settings), ws)
    assert "\nCRON_TZ=Europe/Berlin\n" in text
    assert "# It needs SMTP_PASSWORD, SMTP_USER: " in text
    assert text.count("\nMAILTO=owner@example.com\n") == 2
    jobs = re.findall(r"^([\d*]\S* \S+ \S+ \S+ \S+) (.*)$", text, re.M)
    assert [when for when, _ in jobs] == ["0 7 * * MON", "5 8 2 * *"]
    for _, command in jobs:
        assert command.startswith("flock ")
        # cron takes a bare % for the end of the line, and the backslash away from \%.
        assert not re.search(r"(?<!\\)%", command)
        subprocess.run(["sh", "-c", command.replace(r"\%", "%")], check=True)
    assert [[word for word in each if word] for each in recorded()] == calls(
        ws, "weekly", "the odd; $HOME"
    )


def test_units_for_systemd_say_when_and_what(ws):
    text = lines.systemd(jobs_of(ws.settings), ws)
    units = dict(re.findall(r"^# /etc/systemd/system/(\S+)\n(.*?)(?=\n# /|\Z)", text, re.M | re.S))
    odd = r"revops-the\x20odd\x3b\x20\x24HOME"
    assert list(units) == [
        "revops-weekly.service", "revops-weekly.timer", f"{odd}.service", f"{odd}.timer",
    ]  # fmt: skip
    timer, service = units["revops-weekly.timer"], units[f"{odd}.service"]
    assert "OnCalendar=Mon *-*-* 07:00:00 Europe/Berlin\nPersistent=true\n" in timer
    file = str(ws.file).replace("%", "%%")
    quoted = f'"{file}"'
    run = f'{sys.executable} -m revops_kit.cli mail "the odd; $$HOME" -w {quoted}'
    assert f"ExecStart=flock -w 3600 {quoted} {run}\n" in service
    assert f"\nWorkingDirectory={file.removesuffix('/revops.toml')}\n" in service
    assert "# It needs SMTP_PASSWORD, SMTP_USER: " in text


def test_file_for_airflow_has_a_dag_for_each_report(ws):
    jobs = jobs_of(ws.settings)
    text = lines.airflow(jobs, ws, dt.datetime(2026, 11, 23, 7, tzinfo=jobs[0].zone))
    tree = ast.parse(text)
    made = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    dags = [node for node in made if ast.unparse(node.func) == "DAG"]
    told = [{each.arg: ast.unparse(each.value) for each in dag.keywords} for dag in dags]
    assert [each["dag_id"] for each in told] == ["'revops_weekly'", "'revops_the_odd___HOME'"]
    assert [each["schedule"] for each in told] == [
        "CronTriggerTimetable('0 7 * * MON', timezone='Europe/Berlin')",
        "CronTriggerTimetable('5 8 2 * *', timezone='Europe/Berlin')",
    ]
    assert told[0]["catchup"] == "True"
    assert "START = pendulum.datetime(2026, 11, 23, 7, 0, tz='Europe/Berlin')" in text
    mails = [
        each.value
        for node in made
        for each in node.keywords
        if each.arg == "bash_command" and isinstance(each.value, ast.BinOp)
    ]
    date = "{{ logical_date.in_timezone('Europe/Berlin').to_date_string() }}"
    logical = next(
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "LOGICAL_DATE"
    )
    assert logical == date
    assert len(mails) == 2
    assert all(ast.unparse(each).endswith("' --as-of ' + LOGICAL_DATE") for each in mails)


def test_a_name_with_a_line_break_is_refused(company):
    file = company(weekly=("0 7 * * MON", "last-week"))
    file.write_text(file.read_text().replace("[reports.weekly]", '[reports."a\\nb"]'))
    with pytest.raises(RequestError, match="rename it"):
        jobs_of(without_tables(file).settings)


@pytest.fixture
def revops(monkeypatch, capsys):
    """Run a command: its exit code, and what it printed."""

    def revops(*words):
        monkeypatch.setattr(sys, "argv", ["revops", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code or 0, *capsys.readouterr()

    return revops


def test_command_lists_what_runs_and_history_what_has_run(company, revops):
    file = company(weekly=("0 7 * * MON", "last-week"))
    file.write_text(file.read_text() + "[reports.seldom]\n")
    code, shown, _ = revops("schedule", "-w", str(file))
    assert code == 0
    assert re.search(r"Mon \d{4}-\d\d-\d\d 07:00 +weekly +\d{4}-\d\d-\d\d +\d{4}-W\d\d +0 7", shown)
    assert "seldom has no cron" in shown
    assert revops("history", "-w", str(file), "--format", "json") == (0, '{\n  "runs": []\n}\n', "")
    # To look is not to write.
    assert not (file.parent / "reports").exists()


def test_command_refuses_a_trial_of_days_that_are_over(company, revops):
    file = company(weekly=("0 7 * * MON", "last-week"))
    code, _, said = revops("schedule", "run", "--until", "2020-01-01", "-w", str(file))
    assert (code, said) == (2, "revops: --until 2020-01-01 is over: name a day to come.\n")
