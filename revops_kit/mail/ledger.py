"""Who got which mail: noted so that nobody gets two, nobody is forgotten, and all is explained.

A row of the history's `mails` is one reader's mail of a report, for a logical date (and a part,
where the report is burst). Its state:

claimed     to be sent. Until `is_handed_over` no server can have taken it, so whoever finds it
            after a crash sends it; once it is, the answer is lost with the process: unknown.
sent        the server took it.
refused     the server, or all attempts, said no: sent again only when `resend_failed` asks.
unknown     handed over, and never answered: it may have come, so it is never sent again by itself.

`code` and `stage` say what the server answered last, and where; its words are left out, for they
quote addresses.
"""

import datetime as dt
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from revops_kit.history import History
from revops_kit.history.schema import mails
from revops_kit.mail.addresses import Address
from revops_kit.mail.message import Email
from revops_kit.mail.senders import Answer, Outbox, Server
from revops_kit.units import plural

# Seconds before the second, third and fourth attempt: greylisting lets one in after minutes.
BACKOFF = (10.0, 60.0, 300.0)


@dataclass(frozen=True)
class Delivery:
    """How it stands with one reader's mail.

    Attributes
    ----------
    state
        As in the ledger: claimed, sent, refused or unknown.
    code, stage
        The server's last reply, if it gave one, and where.
    is_new
        Whether this sending has tried it; an earlier one otherwise.
    is_same
        Whether its content is that of the mail at hand.
    """

    recipient: str
    state: str
    code: int | None
    stage: str
    is_new: bool
    is_same: bool

    def __str__(self) -> str:
        said = " at ".join(str(each) for each in (self.code, self.stage) if each)
        return f"{self.recipient} ({said})" if said else self.recipient


@dataclass(frozen=True)
class Sending:
    """What became of a mail, reader by reader.

    Attributes
    ----------
    trouble
        A sentence with the cure, where the server could not be used; otherwise empty.
    """

    deliveries: tuple[Delivery, ...]
    trouble: str = ""

    def of(self, state: str) -> list[Delivery]:
        """Pick the deliveries of a state."""
        return [each for each in self.deliveries if each.state == state]

    @property
    def is_done(self) -> bool:
        """Whether everybody has it, as far as a server can say."""
        return all(each.state == "sent" for each in self.deliveries)

    def __str__(self) -> str:
        sent = plural(sum(each.is_new for each in self.of("sent")), "reader")
        lines = [f"Sent to {sent}.", *self.left]
        if claimed := self.of("claimed"):
            lines.append(f"Still to be sent: {', '.join(map(str, claimed))}.")
        return " ".join([*lines, *filter(None, [self.trouble])])

    @property
    def left(self) -> list[str]:
        """Say of whom it is not sent to, why: a sentence each."""
        lines = []
        before = [each for each in self.of("sent") if not each.is_new]
        if before:
            lines.append(f"{plural(len(before), 'reader')} had it before.")
        if others := sum(not each.is_same for each in before):
            lines.append(f"What {plural(others, 'reader')} had said something else.")
        if unknown := self.of("unknown"):
            named = ", ".join(map(str, unknown))
            lines.append(f"Unknown, so not sent again; ask whether it came: {named}.")
        if refused := self.of("refused"):
            named = ", ".join(map(str, refused))
            lines.append(f"Refused: {named}. To try them again: --resend-failed.")
        return lines


def send(
    email: Email,
    history: History,
    sender: Server | Outbox | None,
    at: dt.datetime,
    *,
    run: int | None = None,
    resend_failed: bool = False,
    is_correction: bool = False,
    backoff: Sequence[float] | None = None,
    sleep: Callable[[float], None] = time.sleep,
) -> Sending:
    """Send a mail to each of its readers who has not had it.

    A second call for the same report, part and logical date sends to those whom the first did not
    reach any more, whatever the content. Of several processes and machines with one history, one
    sends at a time.

    Parameters
    ----------
    sender
        None takes the readers whom it is for, and leaves it at that.
    at
        The moment it is, which dates the mails and the ledger.
    run
        The run in the history whose figures the mail tells.
    resend_failed
        Send to those who were refused, and to nobody else.
    is_correction
        Send to all, although they had a mail of this report and date: its content is another.
        The same correction is sent once.
    backoff
        Seconds to wait before each further attempt; BACKOFF when left out.

    Raises
    ------
    SourceError
        When the history cannot be written; then nobody more is sent to.
    """
    started = time.monotonic()

    def now() -> dt.datetime:
        return at + dt.timedelta(seconds=time.monotonic() - started)

    with history.store.alone(f"mail {email.report}", wait=True):
        book = _Book(email, history, now, run, is_correction)
        todo = book.reopen() if resend_failed else book.claim()
        trouble = ""
        if sender and todo:
            waits = BACKOFF if backoff is None else backoff
            trouble = _deliver(email, book, sender, at, todo, waits, sleep)
        return Sending(book.deliveries(todo), trouble)


def _deliver(
    email: Email,
    book: "_Book",
    sender: Server | Outbox,
    at: dt.datetime,
    todo: Sequence[Address],
    backoff: Sequence[float],
    sleep: Callable[[float], None],
) -> str:
    """Try all, then all that were put off, and so on; gives the trouble there was at the end."""
    trouble = ""
    for wait in (*backoff, None):
        trouble, put_off = "", []
        with sender.session() as session:
            for position, reader in enumerate(todo):
                letter = email.letter(reader, at)
                answer = session.deliver(letter, lambda reader=reader: book.hand_over(reader))
                trouble = answer.trouble
                # What nobody's mail gets past is not tried with the next.
                met = todo[position:] if trouble else [reader]
                if answer.verdict == "later":
                    put_off += met
                book.note(met, answer, is_last=wait is None)
                if trouble:
                    break
        todo = put_off
        if not todo or wait is None:
            break
        sleep(wait)
    return trouble


class _Book:
    """The rows of one mail, as this process may write them."""

    def __init__(
        self,
        email: Email,
        history: History,
        now: Callable[[], dt.datetime],
        run: int | None,
        is_correction: bool,
    ):
        self.email, self.store, self.now, self.run = email, history.store, now, run
        self.me = uuid.uuid4().hex
        self.key = {
            "report": email.report,
            "part": email.part,
            "logical_date": email.logical_date,
            "correction": email.content if is_correction else "",
        }
        self.mine = sa.and_(*(mails.c[name] == value for name, value in self.key.items()))

    def claim(self) -> list[Address]:
        """Take all readers who have not had it; the rows that the dead have left come first."""
        insert = postgresql.insert if self.store.file is None else sqlite.insert
        readers = self.email.recipients
        rows = [
            {
                **self.key,
                **self._contents(each),
                "recipient": each.key,
                "state": "claimed",
                "is_handed_over": False,
                "attempts": 0,
                "claimed_at": self.now(),
            }
            for each in readers
        ]
        with self.store.transaction() as con:
            self._give_up_the_lost(con)
            if rows:
                con.execute(insert(mails).on_conflict_do_nothing(), rows)
            return self._take(con, mails.c.state == "claimed")

    def reopen(self) -> list[Address]:
        """Take those who were refused, also those taken by a process that did not get far."""
        failed = sa.and_(mails.c.state.in_(("refused", "claimed")), mails.c.attempts > 0)
        with self.store.transaction() as con:
            self._give_up_the_lost(con)
            return self._take(con, failed)

    def hand_over(self, reader: Address) -> bool:
        """Note that the server is about to have it all; False if another process has taken it."""
        claim = sa.and_(mails.c.claimed_by == self.me, mails.c.state == "claimed")
        change = {"is_handed_over": True, "changed_at": self.now()}
        with self.store.transaction() as con:
            return self._update(con, [reader], claim, change) == 1

    def note(self, readers: Iterable[Address], answer: Answer, is_last: bool) -> None:
        """Write down what the server said."""
        if answer.verdict == "elsewhere":
            return
        state = answer.verdict
        if state == "later":
            state = "refused" if is_last else "claimed"
        change = {
            "state": state,
            "is_handed_over": state in ("sent", "unknown"),
            "code": answer.code,
            "stage": answer.stage,
            "attempts": mails.c.attempts + 1,
            "changed_at": self.now(),
        }
        with self.store.transaction() as con:
            self._update(con, readers, mails.c.claimed_by == self.me, change)

    def deliveries(self, taken: Iterable[Address]) -> tuple[Delivery, ...]:
        """Read how it stands with each reader, in the order that the mail names them."""
        new = {each.key for each in taken}
        with self.store.transaction() as con:
            rows = {row.recipient: row for row in con.execute(sa.select(mails).where(self.mine))}
        return tuple(
            Delivery(
                each.spec,
                row.state,
                row.code,
                row.stage,
                is_new=each.key in new,
                is_same=row.content == self.email.content,
            )
            for each in self.email.recipients
            if (row := rows.get(each.key))
        )

    def _give_up_the_lost(self, con: sa.Connection) -> None:
        """Call unknown what was handed over by a process that did not live to hear the answer."""
        # Who holds the lock is alone, so whoever claimed them is no more.
        lost = sa.and_(self.mine, mails.c.state == "claimed", mails.c.is_handed_over)
        change = {"state": "unknown", "stage": "end", "changed_at": self.now()}
        con.execute(mails.update().where(lost).values(change))

    def _take(self, con: sa.Connection, which: sa.ColumnElement[bool]) -> list[Address]:
        """Put our name to the readers of some rows, and give them."""
        query = sa.select(mails.c.recipient).where(self.mine, which)
        found = set(con.execute(query).scalars())
        taken = [each for each in self.email.recipients if each.key in found]
        mine = mails.update().where(self.mine, mails.c.recipient == sa.bindparam("reader"))
        change = {"state": "claimed", "is_handed_over": False}
        rows = [{"reader": each.key, **change, **self._contents(each)} for each in taken]
        if rows:
            con.execute(mine, rows)
        return taken

    def _contents(self, reader: Address) -> dict[str, object]:
        """Say what is in a mail, whenever it is claimed."""
        return {
            "run_id": self.run,
            "content": self.email.content,
            "message_id": self.email.message_id(reader),
            "claimed_by": self.me,
            "changed_at": self.now(),
        }

    def _update(
        self,
        con: sa.Connection,
        readers: Iterable[Address],
        where: sa.ColumnElement[bool],
        change: dict,
    ) -> int:
        keys = [each.key for each in readers]
        rows = mails.update().where(self.mine, mails.c.recipient.in_(keys), where)
        return con.execute(rows.values(change)).rowcount
