"""A report made, remembered and mailed: what `revops mail` and a schedule do."""

import datetime as dt
import json
import re
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Literal

from revops_kit.errors import (
    MailError,
    PeriodError,
    RevopsError,
    UnknownNameError,
    WorkspaceError,
)
from revops_kit.history import History, open_history
from revops_kit.issue import Issue
from revops_kit.mail import Email, Outbox, Sending, Server, open_sender, send
from revops_kit.mail.alerts import Alarm, alarms
from revops_kit.mail.compose import attachments, failure
from revops_kit.mail.memory import Memory, copy
from revops_kit.mail.proof import Whole, prove
from revops_kit.making import Made
from revops_kit.units import plural

if TYPE_CHECKING:
    from revops_kit.workspace import Workspace

SECRET = re.compile(r"passw|secret|token|credential|api_?key", re.I)


@dataclass(frozen=True)
class Ran:
    """What became of a report.

    Attributes
    ----------
    made
        The reports of the whole company; None when they could not be made, and after a dry run.
    sending
        What became of each mail to readers, or of the one to the owner; after a dry run, what
        would become of it.
    exit_code
        0 when readers have got what they should, 1 when not, and 2 when what `revops.toml` asks
        for makes no sense.
    sentence
        For whoever looks after it.
    files
        The mails that a dry run has written instead, and for whom each is.
    """

    made: Made | None
    sending: tuple[Sending, ...]
    exit_code: int
    sentence: str
    files: Mapping[Path, str] = field(default_factory=dict)

    @property
    def status(self) -> Literal["ok", "failed"]:
        """As the history has it."""
        return "failed" if self.exit_code else "ok"


def run_report(
    ws: "Workspace",
    name: str,
    logical_date: dt.date,
    *,
    now: dt.datetime,
    into: Path,
    mail: bool = True,
    dry_run: bool = False,
    resend_failed: bool = False,
    progress: Callable[[Any], None] | None = None,
) -> Ran:
    """Make a report of `revops.toml` for a logical date, remember its figures, and mail it.

    Readers get it whole or not at all: when a notebook fails, the data are stale, a part cannot be
    shown to hold only its own rows, or `revops.toml` asks for what is not there, its owner alone is
    written to.

    Parameters
    ----------
    logical_date
        The day that the report is of, known to its end; its period is resolved from it.
    now
        The moment, with its zone.
    into
        The folder over those of reports.
    mail
        Whether to mail it; it is made and remembered in any case.
    dry_run
        Write the mails as they would go out now into that folder, one of each, and nothing else:
        mail nobody, leave the reports as they are, and remember nothing.
    resend_failed
        Mail it to those who were refused, and to nobody else.
    progress
        As `making.make` has it.

    Raises
    ------
    RequestError
        When there is no such report, or no way to tell anybody: `[mail]`, or the owner's address,
        is missing or wrong.
    """
    if name not in ws.settings.reports:
        raise UnknownNameError("a report", name, ws.settings.reports)
    if dry_run:
        with TemporaryDirectory() as away, open_history(Path(away) / "history.sqlite") as tried:
            if ws.has_history():
                with ws.open_history() as history:
                    copy(name, history, tried)
            issue = Issue(ws, name, logical_date, now, Path(away), progress, is_kept=False)
            post = _Post(into, None, resend_failed) if mail else None
            return replace(_remembered(issue, tried, post), made=None)
    issue = Issue(ws, name, logical_date, now, into, progress, is_kept=True)
    post = _Post(into, _sender(issue), resend_failed) if mail else None
    with ws.open_history() as history:
        return _remembered(issue, history, post)


def write_mail(
    ws: "Workspace", name: str, made: Made, logical_date: dt.date, now: dt.datetime, into: Path
) -> Path:
    """Write the mail of a report whose notebooks are made already, as an `.eml` file."""
    issue = Issue(ws, name, logical_date, now, into, None, is_kept=False)
    chosen = [each for each in made.outcomes if each.notebook in issue.report.notebooks]
    email = issue.email(issue.ws, replace(made, outcomes=chosen), issue.trends, [])
    return _Post(into, None).write(email, now)


@dataclass(frozen=True)
class _Post:
    """The way that mails take: through a sender, or, in a dry run without one, into files."""

    into: Path
    sender: Server | Outbox | None
    resend_failed: bool = False
    files: dict[Path, str] = field(default_factory=dict)

    def deliver(
        self,
        email: Email,
        memory: Memory,
        now: dt.datetime,
        is_correction: bool = False,
        backoff: Sequence[float] | None = None,
    ) -> Sending:
        """Send a mail to each of its readers, or write it and note for whom it is."""
        sending = send(
            email,
            memory.history,
            self.sender,
            now,
            run=memory.run,
            resend_failed=self.resend_failed and not is_correction,
            is_correction=is_correction,
            backoff=backoff,
        )
        if not self.sender:
            readers = ", ".join(each.recipient for each in sending.of("claimed"))
            said = f"is for {readers or 'nobody'}."
            self.files[self.write(email, now)] = " ".join([said, *sending.left])
        return sending

    def write(self, email: Email, now: dt.datetime) -> Path:
        """Write the first reader's mail beside the reports."""
        from revops_kit.report.folder import inside

        name = f"{email.report}-{email.part}" if email.part else email.report
        file = inside(self.into, name)
        file = file.with_name(f"{file.name}.eml")
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(email.as_bytes(email.recipients[0], now))
        except OSError as error:
            raise MailError(
                f"{file.name} cannot be written ({error.strerror}): choose another folder."
            ) from None
        return file


def _remembered(issue: Issue, history: History, post: _Post | None) -> Ran:
    """Put a run into the history, from its beginning to its end."""
    started, period = time.monotonic(), ""
    with suppress(PeriodError):  # the run itself will meet it
        period = issue.period
    with issue.warm():
        run = history.begin_run(issue.name, issue.logical_date, issue.now, period, issue.ws.as_of)
        try:
            ran = _through(issue, Memory(history, run), post)
        except BaseException as error:
            said = str(error) if isinstance(error, RevopsError) else type(error).__name__
            history.end_run(run, "failed", time.monotonic() - started, said)
            raise
        error = ran.sentence if ran.status == "failed" else ""
        history.end_run(run, ran.status, time.monotonic() - started, error)
    return ran


def _through(issue: Issue, memory: Memory, post: _Post | None) -> Ran:
    """Make, remember, decide, and mail; what goes wrong is told to the owner."""
    made = None
    try:
        if post:
            issue.check()
        made = issue.make(issue.ws)
        memory.keep_figures(issue.trends, "", "")
        if troubles := [f"{each.notebook}: {each.error}" for each in made.failed]:
            return _to_owner(issue, memory, post, made, "A notebook failed.", troubles)
        if issue.stale:
            return _to_owner(issue, memory, post, made, "The data are stale.", issue.stale)
        if not post:
            return Ran(made, (), 0, f"Made {plural(len(made.outcomes), 'report')}.")
        mails, quiet = _mails(issue, memory, made)
    except RevopsError as error:
        ran = _to_owner(issue, memory, post, made, str(error))
        return replace(ran, exit_code=error.exit_code)
    except Exception as error:
        # Its message may quote data.
        said = f"Something went wrong that should not have ({type(error).__name__})."
        _to_owner(issue, memory, post, made, said)
        raise
    sendings, backoff = [], None
    for email, raised in mails:
        sending = post.deliver(email, memory, issue.now, backoff=backoff)
        sendings.append(sending)
        if sending.trouble:
            backoff = ()  # a server that stays away is not waited for by each part anew
        if sending.of("sent"):
            memory.keep_alarms(raised, email.part)
    if not post.sender:
        told = f"Not sent, but written: {plural(len(mails), 'mail')}." if mails else ""
        said = " ".join(filter(None, [told, *quiet])) or "Nobody to mail it to."
        return Ran(made, tuple(sendings), 0, said, post.files)
    deliveries = tuple(delivery for each in sendings for delivery in each.deliveries)
    troubles = dict.fromkeys(each.trouble for each in sendings if each.trouble)
    all_of_them = Sending(deliveries, " ".join(troubles))
    told = [str(all_of_them)] if sendings else []
    said = " ".join([*told, *quiet]) or "Nobody to mail it to."
    return Ran(made, tuple(sendings), 0 if all_of_them.is_done else 1, said)


def _mails(
    issue: Issue, memory: Memory, made: Made
) -> tuple[list[tuple[Email, list[Alarm]]], list[str]]:
    """Write all mails that shall go out, and say why others do not; parts are proved first."""
    mails, quiet, proofs, by = [], [], {}, ""
    stories = [(issue.ws, made, issue.trends)] if issue.report.to else []
    if issue.parts:
        by = issue.parts[0].part[0]
        stories += [(ws, issue.make(ws), issue.counted(ws)) for ws in issue.parts]
        split = issue.counted(issue.ws, by)
        whole = Whole(issue.ws, by, split, issue.trends, issue.prose)
        if nobody := sorted(whole.values - {ws.part[1] for ws in issue.parts}):
            quiet.append(f"No mail for {by} {', '.join(nobody)}: burst_to does not name them.")
    for ws, reports, trends in stories:
        part = ws.part[1] if ws.part else ""
        if reports.failed:
            said = "; ".join(f"{each.notebook}: {each.error}" for each in reports.failed)
            raise MailError(
                f"The reports of {by} {part!r} failed (workspace = {ws.reference}). {said}"
            )
        raised = alarms(
            issue.report.alerts, trends, issue.logical_date, memory.alarms_told(issue.name, part)
        )
        if part:
            memory.keep_figures(trends, by, part)
        restated = memory.restated(trends, by if part else "", part)
        email = issue.email(ws, reports, trends, raised, restated)
        if part:
            proofs[part] = prove(email, ws, whole, trends)
            _note(reports.folder, {"burst": {part: proofs[part]}})
        if issue.report.send_when == "alert" and not any(each.is_new for each in raised):
            quiet.append(f"No mail{f' to {part}' if part else ''}: no alert has news.")
        else:
            mails.append((email, raised))
    if proofs:
        _note(made.folder, {"burst": proofs})
    return mails, quiet


def _to_owner(
    issue: Issue,
    memory: Memory,
    post: _Post | None,
    made: Made | None,
    sentence: str,
    troubles: Sequence[str] = (),
) -> Ran:
    """Write to the owner alone: what went wrong, with what parameters, and how to run it again."""
    memory.forget_figures()
    words = " ".join([sentence, *troubles])
    if not post:
        return Ran(made, (), 1, words)
    owner = issue.report.owner
    if not owner:
        return Ran(made, (), 1, f"{words} Not mailed; the report names no owner to tell.")
    where = shlex.quote(issue.whole.file.name)
    facts = {
        "troubles": list(troubles),
        "parameters": _parameters(issue, made),
        "command": f"revops mail {shlex.quote(issue.name)} -w {where} --as-of {issue.logical_date}",
    }
    kept = attachments(made.outcomes, "")[0] if made else ()
    email = failure(issue.story, sentence, facts, issue.sender, owner, kept)
    sending = post.deliver(email, memory, issue.now, is_correction=True)
    if not post.sender:
        told = f"Readers would get nothing, and {owner} this mail."
    elif sending.is_done:
        told = f"Readers get nothing; {owner} is told."
    else:
        who = sending.deliveries[0]
        told = f"Readers get nothing, and {who} could not be told. {sending.trouble}".rstrip()
    return Ran(made, (sending,), 1, f"{words} {told}", post.files)


def _parameters(issue: Issue, made: Made | None) -> list[tuple[str, str]]:
    """List what the notebooks were run with, or should have been, and nothing that looks secret."""
    report = issue.report
    said = {
        "notebooks": ", ".join(report.notebooks),
        "period": report.period,
        "as_of": issue.logical_date,
        "by": report.by,
        "burst_by": report.burst_by,
    }
    if made:
        with suppress(OSError, ValueError, LookupError):
            said = json.loads((made.folder / "run.json").read_text("utf-8"))["parameters"]
    return [
        (name, "…" if SECRET.search(name) else str(value))
        for name, value in said.items()
        if value != ""
    ]


def _note(folder: Path, more: Mapping[str, Any]) -> None:
    """Add to what `run.json` says."""
    from revops_kit.report.folder import publish_texts, staging

    with staging(folder) as stage:
        record = json.loads((folder / "run.json").read_text("utf-8")) | dict(more)
        text = json.dumps(record, indent=2, ensure_ascii=False)
        publish_texts({"run.json": text}, stage, folder)


def _sender(issue: Issue) -> Server | Outbox | None:
    """Open the way out; none is needed where nobody shall get a mail."""
    settings = issue.whole.settings.mail
    if not issue.readers and not issue.report.owner:
        return None
    if not settings or not settings.url or not settings.from_:
        raise WorkspaceError(
            f"{issue.whole.file.name} has no [mail] with url and from, so {issue.name} cannot be "
            f"mailed. With --dry-run its mails are written, to look at."
        )
    return open_sender(settings.url, issue.whole.file.parent, settings.ca)
