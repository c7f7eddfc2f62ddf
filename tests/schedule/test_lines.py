"""What other programs are given to run says when, what and for whom."""

import ast
import datetime as dt
import re
import subprocess
import sys

import pytest

from revops_kit.errors import RequestError
from revops_kit.schedule import jobs_of, lines, without_tables


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """Put a program in Python's place that writes down what it was told; gives what it wrote."""
    place, book = tmp_path / "100% ours" / "python", tmp_path / "book"
    place.parent.mkdir()
    place.write_text(f'#!/bin/sh\nprintf "%s\\n" "$PWD" "$@" end >> {book}\n')
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
    """List where a run of these reports calls what."""
    return [
        [str(ws.file.parent), "-P", "-m", "revops_kit.cli", *words]
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
        assert " && flock -w 3600 revops.toml sh -c " in command
        # cron takes a bare % for the end of the line, and the backslash away from \%.
        assert not re.search(r"(?<!\\)%", command)
        subprocess.run(["sh", "-c", command.replace(r"\%", "%")], check=True)
    assert [[word for word in each if word] for each in recorded()] == calls(
        ws, "weekly", "the odd; $HOME"
    )


def test_crontab_is_one_that_cron_takes(company, tmp_path):
    file = company(home=tmp_path / ("deep/" * 60), weekly=("0 7 * * MON", "last-week"))
    text = file.read_text().replace('owner = "owner@example.com"', "")
    file.write_text(text.replace('url = "file:outbox"', ""))
    ws = without_tables(file.rename(file.with_name("ours.toml")))
    text = lines.crontab(jobs_of(ws.settings), ws)
    # Without the quotes it would be a bad minute, with which cron takes no line at all.
    assert 'weekly has no owner: nobody hears of what goes wrong.\nMAILTO=""\n' in text
    assert "# Nothing runs before ours.toml has a [mail] url.\n" in text
    assert text.count(" -w ours.toml") == 2
    assert max(map(len, text.splitlines())) < 1000  # Debian's cron takes no longer ones


def test_units_for_systemd_say_when_and_what(ws):
    text = lines.systemd(jobs_of(ws.settings), ws)
    units = dict(re.findall(r"^# /etc/systemd/system/(\S+)\n(.*?)(?=\n# /|\Z)", text, re.M | re.S))
    odd = r"revops-the\x20odd\x3b\x20\x24HOME"
    assert list(units) == [
        "revops-weekly.service", "revops-weekly.timer", f"{odd}.service", f"{odd}.timer",
    ]  # fmt: skip
    timer, service = units["revops-weekly.timer"], units[f"{odd}.service"]
    assert "OnCalendar=Mon *-*-* 07:00:00 Europe/Berlin\nPersistent=true\n" in timer
    folder = str(ws.file.parent).replace("%", "%%")
    run = f'{sys.executable} -P -m revops_kit.cli mail "the odd; $$HOME"'
    assert f"ExecStart=flock -w 3600 revops.toml {run}\n" in service
    assert f"\nWorkingDirectory={folder}\n" in service
    assert f"\nUser={ws.file.owner()}\n" in service
    assert rf"enable --now revops-weekly.timer '{odd}.timer'" in text
    assert "# It needs SMTP_PASSWORD, SMTP_USER: " in text


def test_file_for_airflow_has_a_dag_for_each_report(ws):
    jobs = jobs_of(ws.settings)
    text = lines.airflow(jobs, ws, dt.datetime(2026, 11, 23, 7, tzinfo=jobs[0].zone))
    tree = ast.parse(text)
    made = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    dags = [node for node in made if ast.unparse(node.func) == "DAG"]
    told = [{each.arg: ast.unparse(each.value) for each in dag.keywords} for dag in dags]
    odd = "'revops_the-x20odd-x3b-x20-x24HOME'"
    assert [each["dag_id"] for each in told] == ["'revops_weekly'", odd]
    assert [each["schedule"] for each in told] == [
        "CronTriggerTimetable('0 7 * * MON', timezone='Europe/Berlin')",
        "CronTriggerTimetable('5 8 2 * *', timezone='Europe/Berlin')",
    ]
    assert told[0]["catchup"] == "True"
    folders = [each.value for node in made for each in node.keywords if each.arg == "cwd"]
    assert [ast.literal_eval(each) for each in folders] == [str(ws.file.parent)] * 4
    assert "# It needs SMTP_PASSWORD, SMTP_USER: " in text
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
