"""Reports go through a real mail server, and each reader gets what is theirs."""

import datetime as dt

import pytest

from revops_kit.mailing import run_report
from tests.mail.company import TOML
from tests.mail.postoffice import PASSWORD, USER

pytestmark = pytest.mark.usefixtures("warm_parent")
DAY = dt.date(2026, 9, 30)
SEVEN = dt.datetime(2026, 10, 1, 7, tzinfo=dt.UTC)
# Names that would add a header, end a query, and run a script.
HOSTILE = TOML.replace(
    '"Northwind"', '"Acme\\r\\nBcc: eve@example.com\\r\\n\\"; DROP TABLE mails; <script>alert(1)"'
).replace('"RevOps <', '"Rev\\r\\nOps <')

NAMES = ["Alder Works", "Birch Works"]  # the customers of EMEA and of <script>


@pytest.fixture
def post(serve):
    return serve("smtp+starttls", login=True)


@pytest.fixture
def run(company, post, monkeypatch):
    """Run a report, whose mails go through the post office; what became of it."""
    monkeypatch.setenv("SMTP_PASSWORD", PASSWORD)
    url = post.url.replace(PASSWORD, "${SMTP_PASSWORD}")
    assert f"{USER}:${{SMTP_PASSWORD}}@" in url

    def run(name, toml=TOML, resend_failed=False, **changes):
        toml = toml.replace('"file:outbox"', f'"{url}"\nca = "{post.certificates.ca}"')
        ws = company(toml, **changes)
        into = ws.file.parent / "reports"
        return run_report(ws, name, DAY, now=SEVEN, into=into, resend_failed=resend_failed)

    return run


def texts(mail):
    """All that its reader can open."""
    return [part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"]


def test_each_reader_of_a_burst_gets_their_part_and_one_refusal_holds_nobody_up(run, post):
    toml = HOSTILE.replace(
        '["emea@example.com"]',
        '["no@example.com", "ann@example.com", "Ann <ann@EXAMPLE.com>", "jürgen@bücher.example"]',
    ).replace(
        '["script@example.com"]', '["info@bücher.example", "Bü <info@xn--bcher-kva.example>"]'
    )
    post.refused = {"no@example.com": 550}
    ran = run("parts", toml)
    assert ran.exit_code == 1
    assert "Refused: no@example.com (550 at RCPT)" in ran.sentence
    emea = ["ann@example.com", "jürgen@xn--bcher-kva.example"]
    assert post.mailboxes == [*emea, "info@xn--bcher-kva.example"]  # each mailbox once
    for (mailbox, data), mail in zip(post.received, post.mails(), strict=True):
        mine, other = NAMES if mailbox in emea else reversed(NAMES)
        text, html, report = texts(mail)
        assert (mine in report, other in text + html + report) == (True, False)
        assert "Cedar" not in text + html + report
        assert "<script>" not in html + report
        assert not [part.defects for part in mail.walk() if part.defects]
        assert f"\r\nTo: {mailbox}\r\n".encode() in data
        assert mail["From"] == "Rev Ops <revops@example.com>"
        assert mail["Bcc"] is None
        assert mail["Subject"].startswith('[Acme Bcc: eve@example.com "; DROP TABLE mails;')
    post.refused = {}
    assert run("parts", toml, resend_failed=True).exit_code == 0
    assert post.mailboxes[3:] == ["no@example.com"]
    assert "Alder Works" in texts(post.mails()[3])[-1]


def test_server_that_stays_away_is_not_waited_for_by_each_part(run, post, monkeypatch):
    monkeypatch.setattr("revops_kit.mail.ledger.BACKOFF", (0.0, 0.0))
    post.script["greeting"].extend(["drop"] * 9)
    ran = run("parts", ending="period")
    assert (ran.exit_code, post.connections, post.received) == (1, 3 + 1, [])
    assert ran.sentence.count("hung up at greeting") == 1


def test_owner_who_is_refused_is_named(run, post):
    post.refused = {"owner@example.com": 550}
    ran = run("weekly", TOML.replace('["mrr"]', '["mmr"]'))
    assert (ran.exit_code, post.received) == (2, [])
    assert ran.sentence.endswith("and owner@example.com (550 at RCPT) could not be told.")


def test_report_of_five_megabytes_is_told_of_and_not_attached(run, post):
    ran = run("weekly", ending="print('all of it ' * 500_000)")
    assert ran.sentence == "Sent to 1 reader."
    assert ran.made.folder.joinpath("mrr.html").stat().st_size > 5_000_000
    [mail] = post.mails()
    assert list(mail.iter_attachments()) == []
    assert "Mrr – too large for a mail (5." in mail.get_body(("plain",)).get_content()
    assert len(post.received[0][1]) < 500_000


def test_period_in_which_nothing_happened_arrives_and_says_so(run, post):
    before_all = TOML.replace('["mrr"]', '["mrr"]\nperiod = "2020-01"')
    assert run("weekly", before_all, ending="period").sentence == "Sent to 1 reader."
    [mail] = post.mails()
    assert mail["Subject"] == "[Northwind] January 2020: MRR $0 (±$0)"
    assert "Revenue (MRR): $0 (±$0 on December 2019" in mail.get_body(("plain",)).get_content()
