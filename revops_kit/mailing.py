"""A report made, remembered and mailed: what `revops mail` and a schedule do."""

import datetime as dt
import json
import re
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pandas as pd

from revops_kit import kpis, periods
from revops_kit.errors import MailError, RequestError, RevopsError, UnknownNameError, WorkspaceError
from revops_kit.kpi import Kpi
from revops_kit.mail import Email, Outbox, Sending, Server, addresses, open_sender, send
from revops_kit.mail.alerts import Alarm, alarms
from revops_kit.mail.compose import Story, attachments, compose, failure
from revops_kit.mail.memory import Memory
from revops_kit.mail.proof import Whole, prove
from revops_kit.making import Made, Request, make
from revops_kit.sources import Source
from revops_kit.units import plural

if TYPE_CHECKING:
    from revops_kit.result import Result
    from revops_kit.workspace import Report, Workspace

TREND = 13  # periods: a year, and the period it is compared with
# Kept by the month or made by hand: that nothing is new says nothing.
SLOW = ("spend", "targets", "forecasts", "changes")
QUIET = 7  # days without anything new that are no gap, where a report does not say
SECRET = re.compile(r"passw|secret|token|credential|api_?key", re.I)


@dataclass(frozen=True)
class Ran:
    """What became of a report.

    Attributes
    ----------
    made
        The reports of the whole company; None when they could not be made.
    sending
        What became of each mail to readers, or of the one to the owner.
    status
        `failed` when readers have not got what they should.
    sentence
        For whoever looks after it.
    files
        The mails that a dry run has written instead.
    """

    made: Made | None
    sending: tuple[Sending, ...]
    status: Literal["ok", "failed"]
    sentence: str
    files: tuple[Path, ...] = ()


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

    Readers get it whole or not at all: when a notebook fails, the data are stale, or a part cannot
    be shown to hold only its own rows, its owner alone is written to.

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
        Write the mails beside the reports, open no connection, and remember nothing. What has been
        restated is not told then, for that takes a run to compare.
    resend_failed
        Mail it to those who were refused, and to nobody else.
    progress
        As `making.make` has it.

    Raises
    ------
    RequestError
        When there is no such report, or `revops.toml` does not say how to make or mail it.
    """
    if name not in ws.settings.reports:
        raise UnknownNameError("a report", name, ws.settings.reports)
    issue = _Issue(ws, name, logical_date, now, into, progress, is_kept=not dry_run)
    if dry_run:
        with issue.warm():
            return _through(issue, Memory(), _Post(into, None) if mail else None)
    post = _Post(into, _sender(issue), resend_failed) if mail else None
    started = time.monotonic()
    with ws.open_history() as history, issue.warm():
        run = history.begin_run(name, logical_date, now, issue.period, issue.ws.as_of)
        try:
            ran = _through(issue, Memory(history, run), post)
        except BaseException as error:
            said = str(error) if isinstance(error, RevopsError) else type(error).__name__
            history.end_run(run, "failed", time.monotonic() - started, said)
            raise
        error = ran.sentence if ran.status == "failed" else ""
        history.end_run(run, ran.status, time.monotonic() - started, error)
    return ran


def write_mail(
    ws: "Workspace", name: str, made: Made, logical_date: dt.date, now: dt.datetime, into: Path
) -> Path:
    """Write the mail of a report whose notebooks are made already, as an `.eml` file."""
    issue = _Issue(ws, name, logical_date, now, into, None, is_kept=False)
    chosen = [each for each in made.outcomes if each.notebook in issue.report.notebooks]
    email = issue.email(issue.ws, replace(made, outcomes=chosen), issue.trends, [])
    return _Post(into, None).write(email, now)


@dataclass(frozen=True)
class _Issue:
    """One issue of a report: of which day, and what it tells."""

    whole: "Workspace"
    name: str
    logical_date: dt.date
    now: dt.datetime
    into: Path
    progress: Callable[[Any], None] | None
    is_kept: bool

    @cached_property
    def report(self) -> "Report":
        """What `revops.toml` says of it."""
        return self.whole.settings.reports[self.name]

    @cached_property
    def ws(self) -> "Workspace":
        """The company as of the logical date.

        Data that go almost to it are known to its end: a month whose last Sunday was quiet is
        whole. What lies after older data is not known.
        """
        known, limit = self.logical_date, self.report.max_staleness_days
        sources = self.whole.tables.sources.values()
        days = [each.health.newest for each in sources if isinstance(each, Source)]
        newest = max(filter(None, days), default=known)
        if (known - newest).days > (QUIET if limit is None else limit):
            known = newest
        return replace(self.whole, tables=replace(self.whole.tables, as_of=known))

    @cached_property
    def period(self) -> str:
        """The period that it tells."""
        return periods.resolve(self.report.period, self.logical_date, self.whole.calendar)

    @cached_property
    def named(self) -> list[str]:
        """The KPIs that notebooks are called after."""
        known = {kpi.name for kpi in kpis.ALL}
        return [each for each in self.report.notebooks if each in known]

    @cached_property
    def told(self) -> list[Kpi]:
        """The KPIs that it tells: all, unless each notebook is about one."""
        if len(self.named) < len(self.report.notebooks):
            return list(kpis.ALL)
        wanted = {*self.named, "revenue", *(each.kpi for each in self.report.alerts)}
        return [kpi for kpi in kpis.ALL if kpi.name in wanted]

    @cached_property
    def trends(self) -> dict[str, "Result"]:
        """The figures of the whole, over the periods before too."""
        return self.counted(self.ws)

    def counted(self, ws: "Workspace", by: str = "") -> dict[str, "Result"]:
        """Count its figures over the periods, of the whole or of a part's own rows."""
        over = periods.last(TREND, self.period)
        return {kpi.name: kpi.over(ws, over, by) for kpi in self.told}

    @cached_property
    def stale(self) -> list[str]:
        """Say which tables have had nothing new for longer than the report allows."""
        limit, said = self.report.max_staleness_days, []
        needed = {table for kpi in self.told for table in _tables_of(kpi)} - set(SLOW)
        for name in needed & set(self.whole.tables.sources):
            source = self.whole.tables.sources[name]
            newest = source.health.newest if isinstance(source, Source) else None
            days = (self.logical_date - newest).days if newest else 0
            if limit is not None and days > limit:
                said.append(
                    f"Nothing in {name} is later than {newest}, {plural(days, 'day')} before "
                    f"{self.logical_date}; max_staleness_days allows {limit}."
                )
        return sorted(said)

    def warm(self) -> AbstractContextManager[None]:
        """Keep one warm parent for the kernels of the whole and of all parts."""
        from revops_kit.report import warm
        from revops_kit.share import notebooks

        folder = self.whole.file.parent
        mine = [file for name, file in notebooks(folder).items() if name in self.report.notebooks]
        return warm.warm(mine, folder)

    def make(self, ws: "Workspace") -> Made:
        """Run its notebooks; those of a part go into a folder of their own."""
        from revops_kit.report.folder import inside

        report = self.report
        into, folder = (
            (inside(self.into, self.name), ws.part[1]) if ws.part else (self.into, self.name)
        )
        request = Request(
            report.notebooks,
            self.period,
            report.by,
            folder=folder,
            is_remembered=self.is_kept and not ws.part,
        )
        return make(ws, request, into, made_at=self.now, progress=self.progress)

    def email(
        self,
        ws: "Workspace",
        made: Made,
        trends: Mapping[str, "Result"],
        raised: Sequence[Alarm],
        restated: pd.DataFrame | None = None,
    ) -> Email:
        """Write the mail of the whole or of a part."""
        to = self.report.burst_to[ws.part[1]] if ws.part else self.report.to
        story = replace(
            self.story,
            trends=trends,
            outcomes=made.outcomes,
            alarms=raised,
            restated=pd.DataFrame() if restated is None else restated,
            as_of=ws.as_of,
            part=ws.part[1] if ws.part else "",
        )
        return compose(story, self.sender, to, self.report.owner)

    @cached_property
    def story(self) -> Story:
        """What all its mails have in common."""
        mail = self.whole.settings.mail
        link = f"{mail.link.rstrip('/')}/{self.name}" if mail and mail.link else ""
        return Story(
            self.name,
            self.logical_date,
            self.whole.company.name,
            self.period,
            None,
            {},
            named=self.named if len(self.named) == len(self.report.notebooks) else (),
            link=link,
        )

    @cached_property
    def sender(self) -> str:
        """Who its mails come from; a dry run need not know."""
        mail = self.whole.settings.mail
        return (mail and mail.from_) or self.report.owner or "revops@localhost"


@dataclass(frozen=True)
class _Post:
    """The way that mails take: to a server, or into a file where there is no sender."""

    into: Path
    sender: Server | Outbox | None
    resend_failed: bool = False
    files: list[Path] = field(default_factory=list)

    def deliver(
        self, email: Email, memory: Memory, now: dt.datetime, is_correction: bool = False
    ) -> Sending | None:
        """Send a mail to each of its readers, or write it."""
        if not self.sender:
            self.files.append(self.write(email, now))
            return None
        return send(
            email,
            memory.history,
            self.sender,
            now,
            run=memory.run,
            resend_failed=self.resend_failed and not is_correction,
            is_correction=is_correction,
        )

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


def _through(issue: _Issue, memory: Memory, post: _Post | None) -> Ran:
    """Make, remember, decide, and mail; what goes wrong is told to the owner."""
    made = None
    try:
        made = issue.make(issue.ws)
        memory.keep_figures(issue.trends, "", "")
        if troubles := [f"{each.notebook}: {each.error}" for each in made.failed]:
            return _to_owner(issue, memory, post, made, "A notebook failed.", troubles)
        if issue.stale:
            return _to_owner(issue, memory, post, made, "The data are stale.", issue.stale)
        if not post:
            return Ran(made, (), "ok", f"Made {plural(len(made.outcomes), 'report')}.")
        mails, quiet = _mails(issue, memory, made)
    except RequestError:
        raise
    except RevopsError as error:
        return _to_owner(issue, memory, post, made, str(error), [])
    sendings = []
    for email, raised in mails:
        if sending := post.deliver(email, memory, issue.now):
            sendings.append(sending)
            if sending.of("sent"):
                memory.keep_alarms(raised, email.part)
    said = [str(each) for each in sendings]
    if post.files:
        said.append(f"Not sent, but written: {plural(len(post.files), 'mail')}.")
    is_done = all(each.is_done for each in sendings)
    sentence = " ".join([*said, *quiet]) or "Nobody to mail it to."
    return Ran(made, tuple(sendings), "ok" if is_done else "failed", sentence, tuple(post.files))


def _mails(
    issue: _Issue, memory: Memory, made: Made
) -> tuple[list[tuple[Email, list[Alarm]]], list[str]]:
    """Write all mails that shall go out, and say why others do not; parts are proved first."""
    mails, quiet, proofs, by = [], [], {}, ""
    stories = [(issue.ws, made, issue.trends)] if issue.report.to else []
    if issue.report.burst_by and issue.report.burst_to:
        by = issue.ws.tables.split(issue.report.burst_by).by
        parts = [issue.ws.only(by, value) for value in issue.report.burst_to]
        stories += [(ws, issue.make(ws), issue.counted(ws)) for ws in parts]
        whole = Whole(issue.ws, by, issue.counted(issue.ws, by), issue.trends)
        if nobody := sorted(whole.values - set(issue.report.burst_to)):
            quiet.append(f"No mail for {by} {', '.join(nobody)}: burst_to does not name them.")
    for ws, reports, trends in stories:
        part = ws.part[1] if ws.part else ""
        if reports.failed:
            said = "; ".join(f"{each.notebook}: {each.error}" for each in reports.failed)
            raise MailError(f"The reports of {by} {part!r} failed. {said}")
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
    issue: _Issue,
    memory: Memory,
    post: _Post | None,
    made: Made | None,
    sentence: str,
    troubles: Sequence[str],
) -> Ran:
    """Write to the owner alone: what went wrong, with what parameters, and how to run it again."""
    words = " ".join([sentence, *troubles])
    if not post:
        return Ran(made, (), "failed", words)
    if not issue.report.owner:
        return Ran(made, (), "failed", f"{words} Not mailed; the report names no owner to tell.")
    where = shlex.quote(issue.whole.file.name)
    facts = {
        "troubles": list(troubles),
        "parameters": _parameters(made),
        "command": f"revops mail {shlex.quote(issue.name)} -w {where} --as-of {issue.logical_date}",
    }
    kept = attachments(made.outcomes, "")[0] if made else ()
    email = failure(issue.story, sentence, facts, issue.sender, issue.report.owner, kept)
    sending = post.deliver(email, memory, issue.now, is_correction=True)
    told = f"Readers get nothing; {issue.report.owner} is told."
    sendings = (sending,) if sending else ()
    return Ran(made, sendings, "failed", f"{words} {told}", tuple(post.files))


def _parameters(made: Made | None) -> list[tuple[str, str]]:
    """List what the notebooks were run with, as in `run.json`, and nothing that looks secret."""
    try:
        said = json.loads((made.folder / "run.json").read_text("utf-8"))["parameters"]
    except (AttributeError, OSError, ValueError, LookupError):
        return []
    return [(name, "…" if SECRET.search(name) else str(value)) for name, value in said.items()]


def _note(folder: Path, more: Mapping[str, Any]) -> None:
    """Add to what `run.json` says."""
    from revops_kit.report.folder import publish_texts, staging

    with staging(folder) as stage:
        record = json.loads((folder / "run.json").read_text("utf-8")) | dict(more)
        text = json.dumps(record, indent=2, ensure_ascii=False)
        publish_texts({"run.json": text}, stage, folder)


def _sender(issue: _Issue) -> Server | Outbox | None:
    """Open the way out; none is needed where nobody shall get a mail."""
    report, settings = issue.report, issue.whole.settings.mail
    readers = [*report.to, *(each for to in report.burst_to.values() for each in to), report.owner]
    if not addresses(filter(None, readers)):
        return None
    if not settings or not settings.url or not settings.from_:
        raise WorkspaceError(
            f"{issue.whole.file.name} has no [mail] with url and from, so {issue.name} cannot be "
            f"mailed. With --dry-run its mails are written, to look at."
        )
    return open_sender(settings.url, issue.whole.file.parent, settings.ca)


def _tables_of(kpi: Kpi) -> list[str]:
    return [*kpi.needs, *(each.partition(".")[0] for each in kpi.either)]
