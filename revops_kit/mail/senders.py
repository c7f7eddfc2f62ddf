"""Ways out: a server by SMTP, its certificate verified, or a folder of `.eml` files."""

import ipaddress
import os
import re
import select
import smtplib
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import unquote

from revops_kit.errors import WorkspaceError
from revops_kit.mail.message import Letter
from revops_kit.workspace import expanded

URL = re.compile(
    r"(?P<kind>[a-z+]+)://(?:(?P<user>[^:@/]*)(?::(?P<password>[^@/]*))?@)?"
    r"(?P<host>\[[^\]]+\]|[^:/@]+)(?::(?P<port>[^/@]+))?/?"
)
PORTS = {"smtp+starttls": 587, "smtps": 465, "smtp": 25}
# ssl.SSLCertVerificationError.verify_code of a certificate whose signer is not known.
SIGNER_UNKNOWN = (18, 19, 20, 21)


@dataclass(frozen=True)
class Answer:
    """What became of a letter.

    Attributes
    ----------
    verdict
        `later`: it was not taken, and may be sent again. `unknown`: it was handed over, and the
        server did not answer. `elsewhere`: it was not handed over, for another process sends it.
    code
        The server's reply; None where there was none.
    stage
        Where it ended: greeting, STARTTLS, AUTH, SMTPUTF8, MAIL, RCPT, DATA or end.
    trouble
        A sentence with the cure, where no letter at all can go this way.
    """

    verdict: Literal["sent", "refused", "later", "unknown", "elsewhere"]
    code: int | None = None
    stage: str = ""
    trouble: str = ""


@dataclass(frozen=True)
class Outbox:
    """A folder that mails are written into."""

    folder: Path

    @contextmanager
    def session(self) -> Iterator["Outbox"]:
        """Be ready for letters."""
        yield self

    def deliver(self, letter: Letter, hand_over: Callable[[], bool]) -> Answer:
        """Write a letter, once `hand_over` has noted it; one of the same name is replaced."""
        part = self.folder / f".{letter.name}.{os.getpid()}.part"
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                file.write(letter.data)
                file.flush()
                os.fsync(file.fileno())
            if not hand_over():
                return Answer("elsewhere")
            part.replace(self.folder / f"{letter.name}.eml")
            return Answer("sent")
        except OSError as error:
            said = f"The folder {self.folder.name} cannot be written ({error.strerror})."
            return Answer("refused", stage="file", trouble=said)
        finally:
            with suppress(OSError):
                part.unlink(missing_ok=True)


@dataclass(frozen=True)
class Server:
    """A mail server.

    Attributes
    ----------
    kind
        `smtp+starttls`, `smtps`, or `smtp` without encryption.
    ca
        File of the certificate that signed the server's; None for those that the system knows.
    timeout, patience
        Seconds to wait for an answer, and for the last one, which a server may think about:
        whoever gives up then does not know whether the mail was taken (RFC 5321, 4.5.3.2.6).
    """

    kind: str
    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    ca: Path | None = None
    timeout: float = 60
    patience: float = 600

    @contextmanager
    def session(self) -> Iterator["Session"]:
        """Be ready for letters, all of which go through one connection while it lasts."""
        session = Session(self)
        try:
            yield session
            session.quit()
        finally:
            session.drop()

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Session:
    """A connection to a server, opened when it is needed and again when it broke."""

    def __init__(self, server: Server):
        self.server = server
        self._smtp: smtplib.SMTP | None = None

    def deliver(self, letter: Letter, hand_over: Callable[[], bool]) -> Answer:
        """Send a letter.

        Parameters
        ----------
        hand_over
            Called when all is sent but the final dot, before which no server may take a mail
            (RFC 5321, 4.1.1.4). It notes that the answer will be missing if we die now, and says
            whether to go on.
        """
        if not self._smtp and (trouble := self._connect()):
            return trouble
        try:
            return self._transfer(self._smtp, letter, hand_over)
        except BaseException:
            self.drop()  # in the midst of a mail, no other can begin
            raise

    def quit(self) -> None:
        """Take leave of the server."""
        if self._smtp:
            with suppress(OSError):  # smtplib's own errors are such, too
                self._smtp.quit()

    def drop(self) -> None:
        """Cut the connection; what the server has not the end of, it forgets."""
        if self._smtp:
            self._smtp.close()
            self._smtp = None

    def _connect(self) -> Answer | None:
        """Open the connection; an answer tells why it cannot be."""
        server, smtp, stage = self.server, None, "greeting"
        try:
            context = ssl.create_default_context(cafile=server.ca)
            place = {"host": server.host, "port": server.port, "timeout": server.timeout}
            if server.kind == "smtps":
                smtp = smtplib.SMTP_SSL(**place, context=context)
            else:
                smtp = smtplib.SMTP(**place)
            smtp.ehlo_or_helo_if_needed()
            if server.kind == "smtp+starttls":
                stage = "STARTTLS"
                smtp.starttls(context=context)
                smtp.ehlo_or_helo_if_needed()
            if server.user:
                stage = "AUTH"
                smtp.login(server.user, server.password)
        except OSError as error:  # smtplib's and ssl's errors are such, too
            if smtp:
                smtp.close()
            return _not_open(server, stage, error)
        # The final dot goes by itself, and would wait until what went before is acknowledged.
        smtp.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._smtp = smtp
        return None

    def _transfer(
        self, smtp: smtplib.SMTP, letter: Letter, hand_over: Callable[[], bool]
    ) -> Answer:
        options = [f"size={len(letter.data)}"] if smtp.has_extn("size") else []
        if not letter.is_ascii:
            if not smtp.has_extn("smtputf8"):
                return Answer("refused", stage="SMTPUTF8")
            options += ["SMTPUTF8", "BODY=8BITMIME"]
        stage = "MAIL"
        try:
            code, _ = smtp.mail(letter.sender.spec, options)
            if code == 250:
                stage = "RCPT"
                code, _ = smtp.rcpt(letter.recipient.spec)
            if code in (250, 251) and stage == "RCPT":
                stage = "DATA"
                code, _ = smtp.docmd("DATA")
            if code != 354:
                return self._turned_down(code, stage)
            # A line that begins with a dot gets another, which the server takes away.
            smtp.send(letter.data.replace(b"\r\n.", b"\r\n.."))
            if _has_hung_up(smtp.sock):
                raise smtplib.SMTPServerDisconnected
            if not hand_over():
                self.drop()
                return Answer("elsewhere")
            # If this fails, the dot is not with the server, and so the mail is not.
            smtp.send(b".\r\n")
        except smtplib.SMTPException:
            self.drop()
            return Answer("later", stage=stage)
        return self._last_answer(smtp)

    def _last_answer(self, smtp: smtplib.SMTP) -> Answer:
        smtp.sock.settimeout(self.server.patience)
        try:
            code, _ = smtp.getreply()
        except smtplib.SMTPException:
            self.drop()
            return Answer("unknown", stage="end")
        if 200 <= code < 300:
            smtp.sock.settimeout(self.server.timeout)
            return Answer("sent", code, "end")
        if 400 <= code < 600:
            return self._turned_down(code, "end")
        self.drop()
        return Answer("unknown", stage="end")

    def _turned_down(self, code: int, stage: str) -> Answer:
        """Read a refusal, and make ready for the next letter."""
        self._smtp.sock.settimeout(self.server.timeout)
        try:
            if code == 421 or self._smtp.rset()[0] != 250:
                self.drop()
        except smtplib.SMTPException:
            self.drop()
        if code < 400:  # no reply that SMTP knows here
            self.drop()
            return Answer("later", stage=stage)
        return Answer("refused" if code >= 500 else "later", code, stage)


def open_sender(url: str, folder: Path, ca: str = "") -> Server | Outbox:
    """Find the way out that `[mail]` names.

    Parameters
    ----------
    url
        `smtp+starttls://user:password@host:587`, `smtps://…`, `smtp://localhost`, or
        `file:outbox`; `${NAME}` in it reads the environment. A password left out is looked up in
        `keyring`.
    folder
        That paths are relative to.
    ca
        File of the certificate that signed the server's, where it is not a known one.

    Raises
    ------
    WorkspaceError
        When the url cannot be used, or names a user whose password is nowhere to be found.
    """
    if re.fullmatch(r"\$\{\w+\}", url):
        url = expanded(url)
    if url.startswith("file:"):
        return Outbox(folder / expanded(url.removeprefix("file:").removeprefix("//")))
    found = URL.fullmatch(url)
    if not found or found["kind"] not in PORTS:
        raise WorkspaceError(
            "[mail] url: write smtp+starttls://${SMTP_USER}:${SMTP_PASSWORD}@host:587, smtps://…, "
            "or file:outbox."
        )
    # Put in after the url is taken apart, for a password may hold any character.
    said = {name: expanded(unquote(part or "")) for name, part in found.groupdict().items()}
    kind, host = said["kind"], said["host"].strip("[]")
    port = said["port"] or str(PORTS[kind])
    if not port.isdecimal() or not 0 < int(port) < 65536:
        raise WorkspaceError("[mail] url: the port is no number between 1 and 65535.")
    if kind == "smtp" and not _is_here(host):
        raise WorkspaceError(
            f"[mail] url: smtp:// is not encrypted, and {host} is another machine: write "
            f"smtp+starttls:// (port 587) or smtps:// (port 465)."
        )
    password = said["password"]
    if said["user"] and found["password"] is None:
        password = _from_keyring(host, said["user"])
    if not (said["user"] + password).isascii():
        raise WorkspaceError(
            "[mail] url: the user or password has letters beyond ASCII, which servers read each in "
            "their own way; give this account another password."
        )
    authority = folder / ca if ca else None
    try:
        ssl.create_default_context(cafile=authority)
    except OSError as error:
        raise WorkspaceError(
            f"[mail] ca: {ca} cannot be read as a certificate ({error.strerror}); it should be a "
            f"file that begins with -----BEGIN CERTIFICATE-----."
        ) from None
    return Server(kind, host, int(port), said["user"], password, authority)


def _from_keyring(host: str, user: str) -> str:
    cure = f"write ${{SMTP_PASSWORD}} after the user, or run: keyring set {host} {user}"
    try:
        import keyring
    except ImportError:
        raise WorkspaceError(
            f"[mail] url names a user without a password, and keyring is not installed: {cure} "
            f"(pip install keyring)."
        ) from None
    try:
        password = keyring.get_password(host, user)
    except Exception as error:  # every keyring has errors of its own
        raise WorkspaceError(
            f"[mail] url names a user without a password, and the keyring cannot be opened "
            f"({type(error).__name__}): {cure}."
        ) from None
    if not password:
        raise WorkspaceError(
            f"[mail] url names a user without a password, and the keyring has none: {cure}."
        )
    return password


def _is_here(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _has_hung_up(sock: socket.socket) -> bool:
    """Whether the server has closed its end, which a small mail does not notice when it is sent."""
    if not hasattr(select, "POLLRDHUP"):  # Linux alone has it
        return False
    poll = select.poll()
    poll.register(sock, select.POLLRDHUP)
    return bool(poll.poll(0))


def _not_open(server: Server, stage: str, error: OSError) -> Answer:
    """Say why a server cannot be used; its own words are left out, for they may quote us."""
    code = getattr(error, "smtp_code", None)
    verdict, said = "refused", f"{server} refused to talk ({code} at {stage})."
    match error:
        case ssl.SSLCertVerificationError():
            stage = "STARTTLS" if server.kind == "smtp+starttls" else "greeting"
            said = f"{server} has no certificate to trust: {error.verify_message}."
            if error.verify_code in SIGNER_UNKNOWN:
                said += ' If it is your own, name the file that signed it: ca = "…" in [mail].'
        case smtplib.SMTPNotSupportedError() if stage == "STARTTLS":
            said = (
                f"{server} offers no encryption, so nothing was sent: write smtps:// and its port "
                f"in [mail] url, or ask who runs it."
            )
        case smtplib.SMTPAuthenticationError() if code >= 500:
            said = f"{server} refused the login ({code}): are [mail] url's user and password right?"
        case smtplib.SMTPResponseException():
            verdict = "refused" if code >= 500 else "later"
        case smtplib.SMTPServerDisconnected():
            verdict, said = "later", f"{server} hung up at {stage}; is [mail] url right?"
        case smtplib.SMTPException():
            said = f"{server} offers no login that we know; leave the user out of [mail] url."
        case ssl.SSLEOFError() | ssl.SSLZeroReturnError():
            verdict, said = "later", f"{server} hung up at {stage}; is [mail] url right?"
        case ssl.SSLError():
            said = (
                f"{server} speaks another kind of encryption: smtps:// is for port 465, "
                f"smtp+starttls:// for 587."
            )
        case _:
            verdict = "later"
            said = f"{server} cannot be reached ({type(error).__name__}); is [mail] url right?"
    return Answer(verdict, code, stage, said)
