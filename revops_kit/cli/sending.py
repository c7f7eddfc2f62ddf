"""The command that mails: a report, made anew for its date."""

import datetime as dt
import sys
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo

import typer

from revops_kit.cli.app import WorkspaceOption, app
from revops_kit.cli.shown import UNPRINTABLE, progress


@app.command()
def mail(
    report: Annotated[str, typer.Argument(help="A report of revops.toml, such as weekly.")],
    workspace: WorkspaceOption = Path("revops.toml"),
    as_of: Annotated[
        str, typer.Option(help="The day that the report is of, as 2026-10-31. [default: today]")
    ] = "",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Write the mails as .eml files, and nothing else.")
    ] = False,
    resend_failed: Annotated[
        bool, typer.Option("--resend-failed", help="Send to those who were refused, only.")
    ] = False,
) -> None:
    """Make a report and mail it to its readers, each of whom gets it once.

    A second run for the same day sends to those whom the first did not reach. When the data are
    stale, a notebook fails or revops.toml asks for what is not there, the report's owner alone is
    written to. Exit code 1 when readers have not got what they should.

    --dry-run writes one .eml of each mail into reports/, as it would go out now, and tells for whom
    it is; reports, readers and the history are left alone.

    revops mail weekly --dry-run

    revops mail weekly --as-of 2026-10-31 --resend-failed
    """
    from revops_kit.mailing import run_report
    from revops_kit.periods import parse_date
    from revops_kit.workspace import open_workspace

    ws = open_workspace(workspace)
    now = dt.datetime.now(ZoneInfo(ws.company.timezone))
    day = parse_date(as_of) if as_of else now.date()
    with progress() as step:
        ran = run_report(
            ws,
            report,
            day,
            now=now,
            into=ws.file.parent / "reports",
            dry_run=dry_run,
            resend_failed=resend_failed,
            progress=step,
        )
    print(UNPRINTABLE.sub(" ", ran.sentence), file=sys.stderr)
    for file, said in ran.files.items():
        print(f"{file.name} {UNPRINTABLE.sub(' ', said)}", file=sys.stderr)
        print(file)
    if ran.exit_code:
        raise typer.Exit(ran.exit_code)
