"""The schedule as other programs take it: cron, systemd, Airflow."""

import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from email.utils import parseaddr
from textwrap import dedent

from revops_kit.schedule import Job
from revops_kit.workspace import REFERENCE, Workspace

PATIENCE = 3600  # seconds that a run waits for another
SECRETS = "revops.env"  # beside revops.toml, for systemd
KEPT = ("opportunities", "forecasts")  # what there are snapshots of


def crontab(jobs: Iterable[Job], ws: Workspace) -> str:
    """Write lines for `crontab -e`."""
    zone = ws.company.timezone
    lines = [
        "# Paste into: crontab -e",
        f"# Debian's cron does not know CRON_TZ: the machine has to keep the time of {zone}.",
        *_environment(ws, "set them here, as NAME=value"),
        f"CRON_TZ={zone}",
    ]
    for job in jobs:
        # One at a time: the workspace's file is the lock.
        steps = "; ".join(shlex.join(step) for step in _steps(job, ws))
        command = shlex.join(["flock", "-w", str(PATIENCE), str(ws.file), "sh", "-c", steps])
        lines += [
            "",
            # cron mails what a run says, and says nothing of its own to nobody.
            f"MAILTO={parseaddr(job.report.owner)[1]}",
            # cron takes % for the end of the line.
            f"{job.cron} {command}".replace("%", r"\%"),
        ]
    return "\n".join(lines) + "\n"


def systemd(jobs: Iterable[Job], ws: Workspace) -> str:
    """Write a service and a timer for each report."""
    units = [_service_and_timer(job, ws) for job in jobs]
    start = " ".join(f"{_unit(job)}.timer" for job in jobs)
    return "\n".join(
        [
            "# Each part goes into a file of its own, named above it. Then:",
            "# systemctl daemon-reload && systemctl enable --now " + start,
            "# A time that the clock leaps over in spring is left out by systemd.",
            *_environment(ws, f"write them as NAME=value into {ws.file.with_name(SECRETS)}"),
            "",
            *units,
        ]
    )


def _service_and_timer(job: Job, ws: Workspace) -> str:
    *before, run = ([_quoted(word) for word in step] for step in _steps(job, ws))
    flock = f"flock -w {PATIENCE} {_quoted(str(ws.file))}"
    title = f"{ws.company.name}: {job.name}".replace("%", "%%")
    place = f"# /etc/systemd/system/{_unit(job)}"
    return "\n".join(
        [
            f"{place}.service",
            "[Unit]",
            f"Description={' '.join(title.split())}",
            "Wants=network-online.target",
            "After=network-online.target",
            "",
            "[Service]",
            "Type=oneshot",
            f"WorkingDirectory={str(ws.file.parent).replace('%', '%%')}",
            f"EnvironmentFile=-{str(ws.file.with_name(SECRETS)).replace('%', '%%')}",
            *(f"ExecStartPre=-{flock} {' '.join(step)}" for step in before),
            f"ExecStart={flock} {' '.join(run)}",
            "",
            f"{place}.timer",
            "[Unit]",
            f"Description={' '.join(title.split())}",
            "",
            "[Timer]",
            f"OnCalendar={job.cron.on_calendar(ws.company.timezone)}",
            "Persistent=true",
            "",
            "[Install]",
            "WantedBy=timers.target",
            "",
        ]
    )


def airflow(jobs: Sequence[Job], ws: Workspace, now: datetime) -> str:
    """Write a file of DAGs, for Airflow 2.4 and later.

    Parameters
    ----------
    now
        In the company's time zone; what was due earlier is not caught up.
    """
    zone = ws.company.timezone
    start = ", ".join(map(str, now.timetuple()[:5]))
    head = f'''\
        """The reports of a workspace, made and mailed; written by `revops schedule`.

        {ws.file.name} and the running Python are named as they were on this machine.
        """

        import pendulum

        try:
            from airflow.providers.standard.operators.bash import BashOperator
            from airflow.sdk import DAG
        except ImportError:  # Airflow 2
            from airflow import DAG
            from airflow.operators.bash import BashOperator
        from airflow.timetables.trigger import CronTriggerTimetable

        START = pendulum.datetime({start}, tz={zone!r})
        # The local date of the time at which a run was due, however late it is.
        LOGICAL_DATE = "{{{{ logical_date.in_timezone({zone!r}).to_date_string() }}}}"
    '''
    parts = [dedent(head)]
    for job in jobs:
        tasks = {step[3]: shlex.join(step) for step in _steps(job, ws)}
        lines = [
            "with DAG(",
            f"    dag_id={'revops_' + re.sub(r'[^a-zA-Z0-9_.-]', '_', job.name)!r},",
            f"    schedule=CronTriggerTimetable({str(job.cron)!r}, timezone={zone!r}),",
            "    start_date=START,",
            "    catchup=True,",
            "    max_active_runs=1,",
            f"    default_args={{'owner': {job.report.owner or 'revops'!r}}},",
            "):",
        ]
        for name, command in tasks.items():
            dated = f'{_template(command)} + " --as-of " + LOGICAL_DATE'
            said = dated if name == "mail" else _template(command)
            lines += [
                f"    {name} = BashOperator(",
                f"        task_id={name!r},",
                f"        bash_command={said},",
                *(["        trigger_rule='all_done',"] if name == "mail" else []),
                "    )",
            ]
        if len(tasks) > 1:
            lines.append(f"    {' >> '.join(tasks)}")
        parts.append("\n".join(lines))
    return "\n".join(parts) + "\n"


def _steps(job: Job, ws: Workspace) -> list[list[str]]:
    """List the commands of a run: a snapshot, where there is something to keep, and the mail."""
    revops = [sys.executable, "-m", "revops_kit.cli"]
    snapshot = [*revops, "snapshot", "-w", str(ws.file)]
    mail = [*revops, "mail", job.name, "-w", str(ws.file)]
    return [snapshot, mail] if set(KEPT) & set(ws.settings.tables) else [mail]


def _environment(ws: Workspace, how: str) -> list[str]:
    """Say which environment variables the workspace refers to."""
    names = sorted(set(REFERENCE.findall(ws.file.read_text("utf-8-sig"))))
    return [f"# It needs {', '.join(names)}: {how}."] if names else []


def _unit(job: Job) -> str:
    """Name a unit, as systemd-escape would."""
    plain = re.sub(
        r"[^A-Za-z0-9:_.]",
        lambda found: "".join(rf"\x{byte:02x}" for byte in found[0].encode()),
        job.name,
    )
    return f"revops-{plain}"


def _quoted(word: str) -> str:
    """Write a word of a command line for systemd."""
    word = word.replace("\\", "\\\\").replace('"', r"\"").replace("%", "%%").replace("$", "$$")
    return f'"{word}"' if re.search(r"[\s'\";]", word) or not word else word


def _template(command: str) -> str:
    """Write a command so that Airflow's templates leave it as it is."""
    return repr(f"{{% raw %}}{command}{{% endraw %}}" if "{" in command else command)
