"""The schedule as other programs take it: cron, systemd, Airflow."""

import re
import shlex
import sys
from collections.abc import Iterable, Sequence
from datetime import datetime
from email.utils import parseaddr
from textwrap import dedent

from revops_kit.schedule import Job
from revops_kit.workspace import FILE, REFERENCE, Workspace

# One run at a time: in the folder where they run, the workspace's file is the lock.
ALONE = "flock -w 3600"  # seconds that one waits for another
SECRETS = "revops.env"  # beside revops.toml, for systemd
KEPT = ("opportunities", "forecasts")  # what there are snapshots of


def crontab(jobs: Iterable[Job], ws: Workspace) -> str:
    """Write lines for `crontab -e`."""
    zone = ws.company.timezone
    lines = [
        "# Paste into: crontab -e",
        f"# Debian's cron does not know CRON_TZ: the machine has to keep the time of {zone}.",
        *_needs(ws, "set them here, as NAME=value"),
        f"CRON_TZ={zone}",
    ]
    for job in jobs:
        steps = "; ".join(shlex.join(step) for step in _steps(job, ws).values())
        folder, file, steps = map(shlex.quote, (str(ws.file.parent), ws.file.name, steps))
        # Debian's cron refuses lines of a thousand characters: the folder is named only once.
        command = f"cd {folder} && {ALONE} {file} sh -c {steps}"
        owner = parseaddr(job.report.owner)[1]
        lines += [
            "",
            *([] if owner else [f"# {job.name} has no owner: nobody hears of what goes wrong."]),
            # cron mails what a run says. MAILTO without a value and without quotes is an error.
            f"MAILTO={owner}" if owner else 'MAILTO=""',
            # cron takes % for the end of the line.
            f"{job.cron} {command}".replace("%", r"\%"),
        ]
    return "\n".join(lines) + "\n"


def systemd(jobs: Iterable[Job], ws: Workspace) -> str:
    """Write a service and a timer for each report."""
    units = [_service_and_timer(job, ws) for job in jobs]
    start = shlex.join(f"{_unit(job)}.timer" for job in jobs)
    return "\n".join(
        [
            "# Each part goes into a file of its own, named above it. Then:",
            "# systemctl daemon-reload && systemctl enable --now " + start,
            "# systemd leaves out a time that the clock leaps over in spring. Of several runs that",
            "# were missed it makes one, with the day on which it does as its logical date.",
            *_needs(ws, f"write them as NAME=value into {ws.file.with_name(SECRETS)}"),
            "",
            *units,
        ]
    )


def _service_and_timer(job: Job, ws: Workspace) -> str:
    *before, run = (" ".join(map(_quoted, step)) for step in _steps(job, ws).values())
    alone = f"{ALONE} {_quoted(ws.file.name)}"
    title = " ".join(f"{ws.company.name}: {job.name}".replace("%", "%%").split())
    place = f"# /etc/systemd/system/{_unit(job)}"
    return "\n".join(
        [
            f"{place}.service",
            "[Unit]",
            f"Description={title}",
            "Wants=network-online.target",
            "After=network-online.target",
            "",
            "[Service]",
            "Type=oneshot",
            # Else root would own the reports.
            f"User={ws.file.owner()}",
            f"WorkingDirectory={str(ws.file.parent).replace('%', '%%')}",
            f"EnvironmentFile=-{str(ws.file.with_name(SECRETS)).replace('%', '%%')}",
            *(f"ExecStartPre=-{alone} {step}" for step in before),
            f"ExecStart={alone} {run}",
            "",
            f"{place}.timer",
            "[Unit]",
            f"Description={title}",
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

        The workspace and Python are where they were on the machine that wrote this.
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
    parts = [dedent(head), *_needs(ws, "set them for Airflow's workers")]
    for job in jobs:
        tasks = {name: shlex.join(step) for name, step in _steps(job, ws).items()}
        lines = [
            "with DAG(",
            f"    dag_id={'revops_' + _plain(job.name, '-')!r},",
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
                f"        cwd={_template(str(ws.file.parent))},",
                *(["        trigger_rule='all_done',"] if name == "mail" else []),
                "    )",
            ]
        if len(tasks) > 1:
            lines.append(f"    {' >> '.join(tasks)}")
        parts.append("\n".join(lines))
    return "\n".join(parts) + "\n"


def _steps(job: Job, ws: Workspace) -> dict[str, list[str]]:
    """List the commands of a run: a snapshot, where there is something to keep, and the mail."""
    # A script in the workspace's folder is not to take the place of a module of ours.
    revops = [sys.executable, "-P", "-m", "revops_kit.cli"]
    where = [] if ws.file.name == FILE else ["-w", ws.file.name]
    mail = {"mail": [*revops, "mail", job.name, *where]}
    has_some = set(KEPT) & set(ws.settings.tables)
    return ({"snapshot": [*revops, "snapshot", *where]} if has_some else {}) | mail


def _needs(ws: Workspace, how: str) -> list[str]:
    """Say what is missing, and which environment variables the workspace refers to."""
    names = sorted(set(REFERENCE.findall(ws.file.read_text("utf-8-sig"))))
    mail = ws.settings.mail
    return [
        *([] if mail and mail.url else [f"# Nothing runs before {ws.file.name} has a [mail] url."]),
        *([f"# It needs {', '.join(names)}: {how}."] if names else []),
    ]


def _unit(job: Job) -> str:
    """Name a unit, as systemd-escape would."""
    return "revops-" + _plain(job.name, "\\")


def _plain(name: str, mark: str) -> str:
    """Write what units and DAGs may not be called by its code, so that no two become one."""
    return re.sub(
        r"[^A-Za-z0-9_.-]",
        lambda found: "".join(f"{mark}x{byte:02x}" for byte in found[0].encode()),
        name,
    )


def _quoted(word: str) -> str:
    """Write a word of a command line for systemd."""
    word = word.replace("\\", "\\\\").replace('"', r"\"").replace("%", "%%").replace("$", "$$")
    return f'"{word}"' if re.search(r"[\s'\";]", word) or not word else word


def _template(command: str) -> str:
    """Write a command so that Airflow's templates leave it as it is."""
    return repr(f"{{% raw %}}{command}{{% endraw %}}" if "{" in command else command)
