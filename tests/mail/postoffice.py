"""A post office on loopback: real SMTP with TLS and login, and faults where a test wants them."""

import asyncio
import datetime as dt
import functools
import ipaddress
import os
import signal
from collections import defaultdict, deque
from email import message_from_bytes, policy

from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

USER, PASSWORD = "revops", "hush-hush-2026"
COMMANDS = ("EHLO", "STARTTLS", "AUTH", "MAIL", "RCPT", "DATA")


class Scripted(SMTP):
    """aiosmtpd, with the faults that its post office has in store.

    A fault is a reply code, or one of: drop (the line), half (a mail), slow, late, kill (the
    sender), lost (the mail is taken, the reply is not given).
    """

    def connection_made(self, transport):
        self.post.lines.append(transport)
        super().connection_made(transport)

    async def push(self, status):
        if not self.is_greeted:
            self.is_greeted = True
            self.post.connections += 1
            if fault := self.post.next("greeting"):
                return await self.fail(fault)
        return await super().push(status)

    async def fail(self, fault, proceed=None):
        match fault:
            case int():
                await super().push(f"{fault} because the test says so to <ann@example.com>")
                if fault == 421:
                    self.transport.close()
            case "drop" | "lost":
                self.transport.abort()
            case "half":
                await super().push("354 Go on")
                await self._reader.read(1000)
                self.transport.abort()
            case "slow":
                await asyncio.sleep(0.6)
                self.transport.abort()
            case "kill":
                await self.post.kill()
                await proceed()


def _scripted(command):
    original = getattr(SMTP, f"smtp_{command}")

    @functools.wraps(original)
    async def method(self, arg):
        if fault := self.post.next(command):
            await self.fail(fault, lambda: original(self, arg))
        else:
            await original(self, arg)

    return method


for _command in COMMANDS:
    setattr(Scripted, f"smtp_{_command}", _scripted(_command))


class Post:
    """A post office: what arrived, and what is to go wrong next."""

    def __init__(self, certificates):
        self.certificates = certificates
        self.received = []  # (mailbox, mail as bytes)
        self.connections = 0
        self.lines = []
        self.refused = {}  # mailbox: code at RCPT
        self.victim = None  # a process to be killed
        self.pause = 0
        self.script = defaultdict(deque)

    def next(self, stage):
        return self.script[stage].popleft() if self.script[stage] else None

    @property
    def mailboxes(self):
        return [mailbox for mailbox, _ in self.received]

    def mails(self):
        return [message_from_bytes(data, policy=policy.default) for _, data in self.received]

    async def kill(self):
        while not self.victim:  # until the test has been told its number
            await asyncio.sleep(0.01)
        os.kill(self.victim, signal.SIGKILL)

    async def handle_RCPT(self, server, session, envelope, address, options):  # noqa: N802
        if address in self.refused:
            return f"{self.refused[address]} not here"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        fault = self.next("end")
        if fault in ("drop", "slow") or isinstance(fault, int):
            if isinstance(fault, int):
                return f"{fault} because the test says so"
            await server.fail(fault)
            return "250 nobody hears this"
        self.received += [(each, envelope.original_content) for each in envelope.rcpt_tos]
        if fault == "lost":
            server.transport.abort()
        elif fault == "late":
            await asyncio.sleep(0.6)
        elif fault == "kill":
            await self.kill()
        await asyncio.sleep(self.pause)
        return "250 OK"

    def authenticate(self, server, session, envelope, mechanism, login):
        given = (login.login.decode(), login.password.decode())
        return AuthResult(success=given == (USER, PASSWORD), handled=False)


class Certificates:
    """A company's own authority, and what it and others have signed."""

    def __init__(self, folder):
        self.folder = folder
        key, self.ca = ec.generate_private_key(ec.SECP256R1()), folder / "ca.pem"
        authority = self.make(key, "Company's own authority", key, "Company's own authority", True)
        self.ca.write_bytes(authority)
        self.good = self.keep("good", key, "Company's own authority", "localhost")
        self.elsewhere = self.keep("elsewhere", key, "Company's own authority", "mail.example.org")

    def keep(self, name, signer, issuer, host):
        key, file = ec.generate_private_key(ec.SECP256R1()), self.folder / f"{name}.pem"
        secret = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        file.write_bytes(secret + self.make(key, host, signer, issuer))
        return file

    @staticmethod
    def make(key, name, signer, issuer, is_authority=False):
        named = [
            x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, each)]) for each in (name, issuer)
        ]
        made = (
            x509.CertificateBuilder()
            .subject_name(named[0])
            .issuer_name(named[1])
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(dt.datetime(2020, 1, 1, tzinfo=dt.UTC))
            .not_valid_after(dt.datetime(2120, 1, 1, tzinfo=dt.UTC))
            .add_extension(x509.BasicConstraints(is_authority, None), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), False
            )
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
        )
        if is_authority:
            may_not = ["digital_signature", "content_commitment", "key_encipherment"]
            may_not += ["key_agreement", "data_encipherment", "encipher_only", "decipher_only"]
            usage = dict.fromkeys(may_not, False) | {"key_cert_sign": True, "crl_sign": True}
            made = made.add_extension(x509.KeyUsage(**usage), critical=True)
        else:
            names = [x509.DNSName(name)]
            if name == "localhost":
                names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
            made = made.add_extension(x509.SubjectAlternativeName(names), False)
        return made.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
