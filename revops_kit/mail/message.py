"""A mail as a value: to look at before it is sent, and to write in the form that servers take."""

import base64
import datetime as dt
import hashlib
import html as markup
import re
from dataclasses import dataclass
from email.headerregistry import HeaderRegistry, UnstructuredHeader
from email.message import EmailMessage, MIMEPart
from email.parser import BytesParser
from email.policy import SMTP, EmailPolicy
from functools import cached_property
from urllib.parse import quote

from revops_kit.errors import RequestError
from revops_kit.mail.addresses import Address, address, addresses, one_line, sendable

SHOWN = re.compile(r"""(src\s*=\s*["']?)cid:([^"'\s>]+)""", re.IGNORECASE)


class Whole(UnstructuredHeader):
    """A header of one word; the standard library would put a long one into code."""

    def fold(self, *, policy: EmailPolicy) -> str:
        """Write it on one line."""
        return f"{self.name}: {self}{policy.linesep}"


_headers = HeaderRegistry()
for _name in ("in-reply-to", "references", "list-unsubscribe"):
    _headers.map_to_type(_name, Whole)
POLICY = SMTP.clone(cte_type="7bit", header_factory=_headers)


@dataclass(frozen=True)
class Image:
    """A picture inside a mail.

    Attributes
    ----------
    cid
        What the HTML shows it by: `<img src="cid:…">`.
    data
        A PNG.
    alt
        What it says, for whom it is not shown to; the HTML says it too.
    """

    cid: str
    data: bytes
    alt: str


@dataclass(frozen=True)
class Attachment:
    """A file that comes with a mail."""

    name: str
    data: bytes
    kind: str = "text/html"


@dataclass(frozen=True)
class Letter:
    """One reader's mail, ready to go.

    Attributes
    ----------
    name
        For a file: the same whenever the mail is written.
    data
        Lines that end in CRLF, the last one too.
    """

    name: str
    sender: Address
    recipient: Address
    data: bytes

    @property
    def is_ascii(self) -> bool:
        """Whether every server takes it; others must offer SMTPUTF8."""
        return self.sender.is_ascii and self.recipient.is_ascii


@dataclass(frozen=True)
class Email:
    """A mail, the same for each of its readers, who each get their own.

    Attributes
    ----------
    report, logical_date
        Which report it tells, and of which day; readers get one for each.
    sender, to
        As people write addresses; a mailbox that is spelt in two ways gets one mail.
    owner
        Who hears from readers that do not want it any more; left out: the sender.
    part
        The value of `burst_by` that it is for; empty for the whole.

    Raises
    ------
    WorkspaceError
        When an address is none.
    RequestError
        When the HTML shows other images than there are.
    """

    report: str
    logical_date: dt.date
    sender: str
    to: tuple[str, ...]
    subject: str
    html: str
    text: str
    images: tuple[Image, ...] = ()
    attachments: tuple[Attachment, ...] = ()
    owner: str = ""
    part: str = ""

    def __post_init__(self) -> None:
        _ = self.recipients, self.from_, self.answers_to
        shown = {found[2] for found in SHOWN.finditer(self.html)}
        if odd := shown ^ {image.cid for image in self.images}:
            raise RequestError(
                f"The mail of {self.report}: images and HTML differ in {', '.join(sorted(odd))}; "
                f"show each as <img src='cid:…'>."
            )

    @cached_property
    def recipients(self) -> tuple[Address, ...]:
        """Who gets it, each mailbox once."""
        return addresses(self.to)

    @cached_property
    def from_(self) -> Address:
        """Who it comes from."""
        return address(self.sender)

    @cached_property
    def answers_to(self) -> Address:
        """Who hears from those that do not want it any more."""
        return address(self.owner or self.sender)

    @cached_property
    def content(self) -> str:
        """A digest of what it says.

        Of attached reports it has the names: they tell when they were made.
        """
        images = [(each.cid, each.alt, each.data) for each in self.images]
        files = [each.name for each in self.attachments]
        return _digest(self.subject, self.text, self.html, images, files)

    def message_id(self, recipient: Address) -> str:
        """Name one reader's mail, the same whenever it is written."""
        what = (self.report, self.part, self.logical_date.isoformat())
        return self._id(*what, recipient.key, self.content)

    @property
    def thread_id(self) -> str:
        """Name the thread that all mails of this report are in, week after week."""
        return self._id(self.report, self.part)

    def letter(self, recipient: Address, at: dt.datetime) -> Letter:
        """Write one reader's mail, for a sender."""
        # A file's name has at most 255 bytes, and some systems take upper case for lower.
        words = [self.report, self.part, self.logical_date.isoformat(), recipient.spec]
        start = _file_name("-".join(filter(None, words))).encode()[:120].decode(errors="ignore")
        name = f"{start}-{self.message_id(recipient)[1:9]}"
        return Letter(name, self.from_, recipient, self.as_bytes(recipient, at))

    def as_bytes(self, recipient: Address, at: dt.datetime) -> bytes:
        """Write one reader's mail as it is sent, and as an `.eml` file holds it.

        Parameters
        ----------
        at
            The moment it is dated, with its time zone.
        """
        heads = EmailMessage(POLICY.clone(utf8=not (self.from_.is_ascii and recipient.is_ascii)))
        heads["From"] = self.from_.header
        heads["To"] = recipient.header
        heads["Subject"] = one_line(self.subject)
        heads["Date"] = at
        heads["Message-ID"] = self.message_id(recipient)
        heads["In-Reply-To"] = heads["References"] = self.thread_id
        subject = quote(one_line(f"unsubscribe {self.report} {self.part}"))
        owner = quote(self.answers_to.spec, safe="@")
        heads["List-Unsubscribe"] = f"<mailto:{owner}?subject={subject}>"
        heads["Auto-Submitted"] = "auto-generated"
        heads["MIME-Version"] = "1.0"
        return heads.as_bytes().removesuffix(b"\r\n") + self._body

    def message(self, recipient: Address, at: dt.datetime) -> EmailMessage:
        """Read one reader's mail as it is sent, to look into it."""
        return BytesParser(policy=POLICY).parsebytes(self.as_bytes(recipient, at))

    @cached_property
    def _body(self) -> bytes:
        """What all readers' mails have in common, written once: reports weigh megabytes."""
        text, html = MIMEPart(POLICY), MIMEPart(POLICY)
        text.set_content(sendable(self.text))
        html.set_content(sendable(self.html), subtype="html")
        letter = self._multipart("alternative", text, html)
        page = self._multipart("related", letter, *map(_inline, self.images))
        return self._multipart("mixed", page, *map(_attached, self.attachments)).as_bytes()

    def _multipart(self, kind: str, *parts: MIMEPart) -> MIMEPart:
        """Put parts together, with a boundary that is the same whenever the mail is written."""
        whole = MIMEPart(POLICY)
        root = '; type="multipart/alternative"' if kind == "related" else ""
        boundary = _digest(self.content, kind)[:32]
        whole["Content-Type"] = f'multipart/{kind}{root}; boundary="=_{boundary}"'
        for part in parts:
            whole.attach(part)
        return whole

    def _id(self, *words: str) -> str:
        # Some programs cut names of over 78 characters.
        return f"<{_digest(*words)[:24]}@{self.from_.domain[-50:].lstrip('-.')}>"

    def _repr_html_(self) -> str:
        """Show it in JupyterLab, scripts shut out."""
        pictures = {
            each.cid: f"data:image/png;base64,{base64.b64encode(each.data).decode()}"
            for each in self.images
        }
        page = SHOWN.sub(lambda found: found[1] + pictures[found[2]], self.html)
        files = ", ".join(f"{_file_name(each.name)} ({len(each.data) / 1000:,.0f} kB)"
                          for each in self.attachments)  # fmt: skip
        heads = {
            "From": self.sender,
            "To": ", ".join(each.spec for each in self.recipients),
            "Subject": one_line(self.subject),
            "Attached": files or "nothing",
        }
        lines = "".join(
            f"<div><b>{name}</b> {markup.escape(said)}</div>" for name, said in heads.items()
        )
        frame = "width:100%;height:40em;border:1px solid #ccc;background:#fff"
        shown = markup.escape(sendable(page))
        return f'{lines}<iframe sandbox="" style="{frame}" srcdoc="{shown}"></iframe>'


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode("utf-8", "backslashreplace")).hexdigest()


def _inline(image: Image) -> MIMEPart:
    part = MIMEPart(POLICY)
    part.set_content(
        image.data,
        "image",
        "png",
        disposition="inline",
        filename=f"{_file_name(image.cid)}.png",
        cid=f"<{image.cid}>",
    )
    part["Content-Description"] = one_line(image.alt)
    return part


def _attached(file: Attachment) -> MIMEPart:
    part = MIMEPart(POLICY)
    name = _file_name(file.name)
    kind, form = file.kind.split("/")
    # What is told nothing takes a text for ASCII.
    told = {"charset": "utf-8"} if kind == "text" else {}
    part.set_content(file.data, kind, form, disposition="attachment", filename=name, params=told)
    return part


def _file_name(name: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r'[<>/\\:"|?*]+', "-", one_line(name)))
