"""Ways out: a real server on loopback, with TLS, login and faults; and a folder."""

import datetime as dt
import sys
import types
from dataclasses import replace
from email import message_from_bytes, policy

import pytest

from revops_kit.errors import WorkspaceError
from revops_kit.mail import Outbox, open_sender
from revops_kit.mail.senders import Answer

SEVEN = dt.datetime(2026, 11, 23, 7, tzinfo=dt.UTC)
PASSWORD = "hush-hush-2026"


def deliver(sender, email, hand_over=lambda: True):
    """Send a mail to all its readers; the answers."""
    with sender.session() as session:
        return [session.deliver(each, hand_over) for each in letters(email)]


def letters(email):
    return [email.letter(each, SEVEN) for each in email.recipients]


@pytest.fixture
def sender(tmp_path, certificates):
    """Find the way to a post office, whose authority is known."""

    def sender(post, **patience):
        return replace(open_sender(post.url, tmp_path, str(certificates.ca)), **patience)

    return sender


@pytest.mark.parametrize(
    ("kind", "login"),
    [("smtp", False), ("smtp+starttls", False), ("smtp+starttls", True), ("smtps", True)],
)
def test_mail_arrives_as_it_was_written(serve, sender, write, kind, login):
    post = serve(kind, login=login)
    email = write("ann@example.com", "Bo <bo@example.com>", text=".\n..\n.dots\n")
    assert deliver(sender(post), email) == [Answer("sent", 250, "end")] * 2
    assert post.connections == 1
    assert post.mailboxes == ["ann@example.com", "bo@example.com"]
    for (_, data), reader in zip(post.received, email.recipients, strict=True):
        assert data == email.as_bytes(reader, SEVEN)
    assert post.mails()[1]["To"] == "Bo <bo@example.com>"


def test_certificate_that_nobody_vouches_for_is_refused_with_the_cure(serve, tmp_path, write):
    for kind in ("smtp+starttls", "smtps"):
        post = serve(kind, login=True)
        (answer,) = deliver(open_sender(post.url, tmp_path), write())
        assert answer.verdict == "refused"
        assert 'ca = "…" in [mail]' in answer.trouble
        assert post.received == []


def test_certificate_of_another_host_is_refused(serve, sender, write):
    (answer,) = deliver(sender(serve("smtps", certificate="elsewhere")), write())
    assert answer.verdict == "refused"
    assert "not valid for '127.0.0.1'" in answer.trouble
    assert "ca =" not in answer.trouble


def test_server_without_encryption_gets_nothing(serve, sender, write):
    post = serve("smtp")
    post.url = post.url.replace("smtp://", "smtp+starttls://ann:hush@")
    (answer,) = deliver(sender(post), write())
    assert (answer.verdict, answer.stage) == ("refused", "STARTTLS")
    assert "offers no encryption" in answer.trouble


def test_plain_port_taken_for_an_encrypted_one_is_told(serve, sender, write):
    post = serve("smtp")
    post.url = post.url.replace("smtp://", "smtps://")
    (answer,) = deliver(sender(post), write())
    assert (answer.verdict, "smtps:// is for port 465" in answer.trouble) == ("refused", True)


def test_wrong_password_is_told_and_not_shown(serve, sender, write):
    post = serve("smtp+starttls", login=True)
    post.url = post.url.replace(PASSWORD, "not-the-secret")
    (answer,) = deliver(sender(post), write())
    assert (answer.verdict, answer.code, answer.stage) == ("refused", 535, "AUTH")
    assert "user and password right?" in answer.trouble
    assert "not-the-secret" not in answer.trouble + repr(sender(post))


def test_nobody_there_may_be_there_later(tmp_path, write):
    (answer,) = deliver(open_sender("smtp://127.0.0.1:9", tmp_path), write())
    assert (answer.verdict, answer.stage) == ("later", "greeting")
    assert "cannot be reached (ConnectionRefusedError)" in answer.trouble


# What a fault at each stage means for the mail, and whether the next one meets it too.
FAULTS = [
    ("greeting", 421, "later", 421, True),
    ("greeting", 554, "refused", 554, True),
    ("greeting", "drop", "later", None, True),
    ("greeting", "slow", "later", None, True),
    ("STARTTLS", 454, "later", 454, True),
    ("STARTTLS", 554, "refused", 554, True),
    ("STARTTLS", "drop", "later", None, True),
    ("AUTH", 454, "later", 454, True),
    ("AUTH", 534, "refused", 534, True),
    ("AUTH", "drop", "later", None, True),
    ("MAIL", 421, "later", 421, False),
    ("MAIL", 452, "later", 452, False),
    ("MAIL", 550, "refused", 550, False),
    ("MAIL", "drop", "later", None, False),
    ("MAIL", "slow", "later", None, False),
    ("RCPT", 421, "later", 421, False),
    ("RCPT", 450, "later", 450, False),
    ("RCPT", 550, "refused", 550, False),
    ("RCPT", "drop", "later", None, False),
    ("DATA", 421, "later", 421, False),
    ("DATA", 452, "later", 452, False),
    ("DATA", 554, "refused", 554, False),
    ("DATA", "drop", "later", None, False),
    ("DATA", "slow", "later", None, False),
    ("DATA", "half", "later", None, False),
    ("end", 421, "later", 421, False),
    ("end", 452, "later", 452, False),
    ("end", 550, "refused", 550, False),
    ("end", "drop", "unknown", None, False),
    ("end", "lost", "unknown", None, False),
    ("end", "slow", "unknown", None, False),
    ("end", "late", "unknown", None, False),
]


@pytest.mark.parametrize(("stage", "fault", "verdict", "code", "is_for_all"), FAULTS)
def test_fault_is_understood_and_the_next_mail_arrives(
    serve, sender, write, stage, fault, verdict, code, is_for_all
):
    post = serve("smtp+starttls", login=True)
    first, second = letters(write("ann@example.com", "bo@example.com"))
    wait = 0.4
    if fault == "half":  # of a mail that is larger than what fits between two programs
        first, wait = replace(first, data=first.data + b"All of it.\r\n" * 700_000), 30
    # The login is tried by each method that both sides know.
    post.script[stage].extend([fault] * (2 if stage == "AUTH" and fault != "drop" else 1))
    with sender(post, timeout=wait, patience=wait).session() as session:
        ann, bo = [session.deliver(each, lambda: True) for each in (first, second)]
    assert (ann.verdict, ann.code) == (verdict, code)
    assert ann.stage == stage
    assert bool(ann.trouble) == is_for_all
    assert bo.verdict == "sent"
    is_taken = fault in ("lost", "late")
    assert post.mailboxes == ["ann@example.com"] * is_taken + ["bo@example.com"]


def test_server_words_stay_with_the_server(serve, sender, write):
    post = serve()
    post.script["greeting"].append(554)
    (answer,) = deliver(sender(post), write())
    assert "ann@example.com" not in answer.trouble


def test_nothing_is_taken_before_it_is_handed_over(serve, sender, write):
    post = serve()
    seen = []

    def hand_over():
        seen.append(len(post.received))
        return False

    assert deliver(sender(post), write(), hand_over) == [Answer("elsewhere")]
    assert (seen, post.received) == ([0], [])


def test_mail_cut_off_by_our_own_fault_is_not_taken(serve, sender, write):
    post = serve()

    def stumble():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        deliver(sender(post), write(), stumble)
    assert deliver(sender(post), write("bo@example.com"))[0].verdict == "sent"
    assert post.mailboxes == ["bo@example.com"]


def test_mail_that_is_too_large_is_refused_before_it_is_sent(serve, sender, write):
    post = serve(data_size_limit=10_000)
    (large,) = deliver(sender(post), write(text="x" * 20_000))
    assert (large.verdict, large.code, large.stage) == ("refused", 552, "MAIL")
    (small,) = deliver(sender(post), write())
    assert small.verdict == "sent"


def test_five_megabytes_arrive(serve, sender, write):
    from revops_kit.mail import Attachment

    post = serve(data_size_limit=20_000_000)
    report = b"<p>all of it</p>\n" * 300_000
    (answer,) = deliver(sender(post), write(attachments=(Attachment("all.html", report),)))
    assert answer.verdict == "sent"
    (attached,) = post.mails()[0].iter_attachments()
    assert attached.get_payload(decode=True) == report


def test_address_beyond_ascii_needs_a_server_that_takes_it(serve, sender, write):
    email = write("jürgen@bücher.example", "info@bücher.example")
    post = serve()
    assert [each.verdict for each in deliver(sender(post), email)] == ["sent", "sent"]
    assert post.mailboxes == ["jürgen@xn--bcher-kva.example", "info@xn--bcher-kva.example"]
    post = serve(utf8=False)
    first, second = deliver(sender(post), email)
    assert (first.verdict, first.stage, second.verdict) == ("refused", "SMTPUTF8", "sent")


def test_plain_smtp_is_for_this_machine_alone(tmp_path):
    for here in ("localhost", "127.0.0.1", "[::1]"):
        assert open_sender(f"smtp://{here}", tmp_path).port == 25
    with pytest.raises(WorkspaceError, match=r"not encrypted.*write smtp\+starttls:// \(port 587"):
        open_sender("smtp://mail.example.com", tmp_path)


def test_url_is_taken_apart_before_the_secret_is_put_in(tmp_path, monkeypatch):
    monkeypatch.setenv("SMTP_PASSWORD", "p@ss:w/rd#%41?")
    monkeypatch.setenv("SMTP_USER", "revops@example.com")
    url = "smtp+starttls://${SMTP_USER}:${SMTP_PASSWORD}@smtp.example.com:2525"
    found = open_sender(url, tmp_path)
    assert (found.user, found.password) == ("revops@example.com", "p@ss:w/rd#%41?")
    assert (found.host, found.port) == ("smtp.example.com", 2525)
    assert "p@ss" not in repr(found) + str(found)
    monkeypatch.setenv("MAIL_URL", "smtps://ann%40x.org:a%2Fb@smtp.example.com")
    found = open_sender("${MAIL_URL}", tmp_path)
    assert (found.user, found.password, found.port) == ("ann@x.org", "a/b", 465)
    monkeypatch.delenv("SMTP_PASSWORD")
    with pytest.raises(WorkspaceError, match="variable SMTP_PASSWORD is not set"):
        open_sender(url, tmp_path)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "write smtp"),
        ("smtp.example.com", "write smtp"),
        ("imap://ann:hush@x.org", "write smtp"),
        ("smtps://ann:hush@x.org:here", "the port is no number"),
        ("smtps://ann:hüsh@x.org", "letters beyond ASCII"),
    ],
)
def test_url_that_cannot_be_used_is_refused_without_its_secret(tmp_path, url, said):
    with pytest.raises(WorkspaceError, match=said) as refused:
        open_sender(url, tmp_path)
    assert "hush" not in str(refused.value)


def test_authority_that_cannot_be_read_is_named(tmp_path):
    (tmp_path / "notes.txt").write_text("no certificate")
    for ca in ("notes.txt", "missing.pem"):
        with pytest.raises(WorkspaceError, match=f"ca: {ca} cannot be read as a certificate"):
            open_sender("smtps://x.org", tmp_path, ca)


def test_password_is_looked_up_where_the_url_has_none(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(WorkspaceError, match=r"keyring is not installed: write \$\{SMTP_PASSWORD"):
        open_sender("smtps://ann@x.org", tmp_path)
    # A keyring needs a desktop; this one answers as it does.
    kept = {("x.org", "ann"): PASSWORD}
    keyring = types.SimpleNamespace(get_password=lambda host, user: kept.get((host, user)))
    monkeypatch.setitem(sys.modules, "keyring", keyring)
    assert open_sender("smtps://ann@x.org", tmp_path).password == PASSWORD
    with pytest.raises(WorkspaceError, match=r"keyring has none: .* keyring set x\.org bo"):
        open_sender("smtps://bo@x.org", tmp_path)


def test_outbox_writes_files_that_mail_programs_open(tmp_path, write):
    outbox = open_sender("file:outbox", tmp_path)
    email = write("ann@example.com", "bo@example.com")
    for _ in range(2):  # the second time puts the same in the same place
        assert deliver(outbox, email) == [Answer("sent")] * 2
    files = sorted((tmp_path / "outbox").iterdir())
    assert [file.name[:33] for file in files] == [
        "weekly-2026-11-23-ann@example.com",
        "weekly-2026-11-23-bo@example.com-",
    ]
    message = message_from_bytes(files[0].read_bytes(), policy=policy.default)
    assert message["Subject"] == email.subject
    assert deliver(outbox, write(text="else"), lambda: False) == [Answer("elsewhere")]
    assert sorted((tmp_path / "outbox").iterdir()) == files


def test_outbox_that_cannot_be_written_is_told(tmp_path, write):
    (tmp_path / "outbox").write_text("a file")
    (answer,) = deliver(Outbox(tmp_path / "outbox"), write())
    assert (answer.verdict, answer.stage) == ("refused", "file")
    assert "outbox cannot be written (File exists)" in answer.trouble
