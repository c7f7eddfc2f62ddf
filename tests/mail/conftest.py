"""A mail server on loopback, mails and processes to send, and a company whose report is mailed."""

import asyncio
import datetime as dt
import json
import ssl
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from revops_kit.mail import Email
from tests.mail.company import TOML, write_company
from tests.mail.postoffice import PASSWORD, USER, Certificates, Post, Scripted

DAY = dt.date(2026, 11, 23)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory):
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="session")
def loop():
    """A thread that serves."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    yield loop
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
    loop.close()


@pytest.fixture
def serve(loop, certificates):
    """Open a post office: its `port` and its `url` for a sender without login."""
    opened = []

    def serve(kind="smtp", certificate="good", login=False, utf8=True, **options):
        post = Post(certificates)
        context = None
        if kind != "smtp":
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
            context.load_cert_chain(getattr(certificates, certificate))
        if kind == "smtp+starttls":
            options |= {"tls_context": context, "require_starttls": True}
        if login:
            # aiosmtpd takes only STARTTLS for encrypted.
            is_seen = kind == "smtp+starttls"
            options |= {"authenticator": post.authenticate}
            options |= {"auth_required": is_seen, "auth_require_tls": is_seen}

        def session():
            made = Scripted(post, enable_SMTPUTF8=utf8, hostname="test", loop=loop, **options)
            made.post, made.is_greeted = post, False
            return made

        async def begin():
            secured = context if kind == "smtps" else None
            return await loop.create_server(session, "127.0.0.1", 0, ssl=secured)

        server = asyncio.run_coroutine_threadsafe(begin(), loop).result(10)
        opened.append((server, post))
        post.port = server.sockets[0].getsockname()[1]
        user = f"{USER}:{PASSWORD}@" if login else ""
        post.url = f"{kind}://{user}127.0.0.1:{post.port}"
        return post

    yield serve

    async def end():
        for server, post in opened:
            server.close()
            for line in post.lines:
                line.abort()
        await asyncio.sleep(0.01)

    asyncio.run_coroutine_threadsafe(end(), loop).result(10)


@pytest.fixture
def write():
    """Write a mail to some readers."""

    def write(*to, **changes):
        said = {
            "report": "weekly",
            "logical_date": DAY,
            "sender": "RevOps <revops@example.com>",
            "to": to or ("ann@example.com",),
            "subject": "[Acme] Week 47: MRR 1.24 M (+2.1 %)",
            "html": "<p>MRR <b>1.24 M</b></p>",
            "text": "MRR 1.24 M\n",
        }
        return Email(**(said | changes))

    return write


class Children:
    """Processes that send, made by forking one that has imported all."""

    def __init__(self):
        here = Path(__file__).with_name("sending.py")
        self.parent = subprocess.Popen(
            [sys.executable, here], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, place, url, readers):
        """Begin to send, in a process whose number is given."""
        print(json.dumps([place, url, readers]), file=self.parent.stdin, flush=True)
        return int(self.parent.stdout.readline())

    def wait(self, number):
        """Wait for a process to end: what it printed, or None if it was killed."""
        print(json.dumps(number), file=self.parent.stdin, flush=True)
        return json.loads(self.parent.stdout.readline())


@pytest.fixture(scope="session")
def children():
    made = Children()
    yield made
    made.parent.stdin.close()
    made.parent.wait(10)
    made.parent.stdout.close()


@pytest.fixture
def company(tmp_path):
    """Write the workspace of a company, and open it."""

    def company(toml=TOML, **changes):
        return write_company(tmp_path, toml, **changes)

    return company
