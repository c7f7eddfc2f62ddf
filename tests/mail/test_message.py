"""A mail is written in the form that clients show right, and the same each time."""

import datetime as dt
from email.utils import parsedate_to_datetime

import pytest

from revops_kit.errors import RequestError, WorkspaceError
from revops_kit.mail import Attachment, Image, address

SEVEN = dt.datetime(2026, 11, 23, 7, tzinfo=dt.UTC)
ANN, BO = address("ann@example.com"), address("Bo <bo@example.com>")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


@pytest.fixture
def rich(write):
    return write(
        "ann@example.com",
        html='<h1>Größe</h1><img src="cid:trend" alt="MRR 1.24 M">',
        text="Größe\n.\n..and more\n",
        images=(Image("trend", PNG, "MRR 1.24 M"),),
        attachments=(Attachment("Bericht März.html", b"<p>all of it"),),
    )


def test_tree_is_that_which_clients_show_right(rich):
    message = rich.message(ANN, SEVEN)
    assert [part.get_content_type() for part in message.walk()] == [
        "multipart/mixed",
        "multipart/related",
        "multipart/alternative",
        "text/plain",
        "text/html",
        "image/png",
        "text/html",
    ]
    assert not [part.defects for part in message.walk() if part.defects]
    related, attached = message.iter_parts()
    (alternative, image) = related.iter_parts()
    text, html = alternative.iter_parts()
    assert text.get_content().splitlines() == ["Größe", ".", "..and more"]
    assert html.get_content().strip() == rich.html
    assert image["Content-ID"] == "<trend>"
    assert image.get_content_disposition() == "inline"
    assert image["Content-Description"] == "MRR 1.24 M"
    assert image.get_content() == PNG
    assert attached.get_content_disposition() == "attachment"
    assert attached.get_filename() == "Bericht März.html"
    assert attached.get_content() == "<p>all of it"


def test_lines_are_short_and_of_seven_bits(rich):
    data = rich.as_bytes(ANN, SEVEN)
    assert data.isascii()
    assert b"\n" not in data.replace(b"\r\n", b"")
    assert max(map(len, data.splitlines())) <= 100


def test_heads_say_what_programs_ask_for(write):
    email = write("ann@example.com", owner="Rev Ops <ops@example.com>", part="EMEA")
    message = email.message(ANN, SEVEN)
    assert message["From"] == "RevOps <revops@example.com>"
    assert message["To"] == "ann@example.com"
    assert parsedate_to_datetime(message["Date"]) == SEVEN
    assert message["Auto-Submitted"] == "auto-generated"
    said = "<mailto:ops@example.com?subject=unsubscribe%20weekly%20EMEA>"
    assert message["List-Unsubscribe"] == said
    assert write().message(ANN, SEVEN)["List-Unsubscribe"].startswith("<mailto:revops@example.com")


def test_each_reader_sees_no_other(write):
    email = write("ann@example.com", "bo@example.com")
    assert b"bo@example.com" not in email.as_bytes(ANN, SEVEN)


def test_mail_is_the_same_whenever_it_is_written(rich, write):
    assert rich.as_bytes(ANN, SEVEN) == rich.as_bytes(ANN, SEVEN)
    names = {rich.message_id(ANN), rich.message_id(BO), write().message_id(ANN)}
    names |= {write(part="EMEA").message_id(ANN), write(report="monthly").message_id(ANN)}
    names |= {write(logical_date=dt.date(2026, 11, 30)).message_id(ANN)}
    names |= {write(text="MRR 1.25 M").message_id(ANN), write(subject="Week 48").message_id(ANN)}
    assert len(names) == 8
    assert rich.message(ANN, SEVEN)["Message-ID"] == rich.message_id(ANN)


def test_thread_is_that_of_the_report_and_not_of_the_week(write):
    this = write()
    next_week = write(logical_date=dt.date(2026, 11, 30), subject="[Acme] Week 48", text="else")
    assert this.thread_id == next_week.thread_id != write(report="monthly").thread_id
    assert this.thread_id != write(part="EMEA").thread_id
    message = this.message(ANN, SEVEN)
    assert message["In-Reply-To"] == message["References"] == this.thread_id


def test_long_domains_leave_heads_whole(write):
    sender = f"revops@{'a-very-long-subsidiary.' * 6}example.com"
    data = write(sender=sender).as_bytes(ANN, SEVEN)
    heads, _, _ = data.partition(b"\r\n\r\n")
    for name in (b"In-Reply-To: <", b"References: <", b"List-Unsubscribe: <mailto:revops@a-very"):
        assert name in heads
    assert b"=?utf-8?" not in heads


@pytest.mark.parametrize("hostile", ["Week\r\nBcc: eve@x.org", "Week\n\n47", "a\x00b\u2028c"])
def test_subject_stays_on_its_line(write, hostile):
    message = write(subject=hostile).message(ANN, SEVEN)
    assert message["Bcc"] is None
    assert message.get_content_type() == "multipart/mixed"
    assert not set("\r\n\x00\u2028") & set(message["Subject"])


def test_name_stays_on_its_line(write):
    email = write("Ann\r\nBcc: eve@x.org <ann@example.com>", sender="Rev\r\nOps <r@example.com>")
    message = email.message(email.recipients[0], SEVEN)
    assert message["Bcc"] is None
    assert message["From"] == "Rev Ops <r@example.com>"
    assert message["To"].addresses[0].addr_spec == "ann@example.com"


def test_hostile_names_are_only_names(write):
    email = write(
        sender='"; DROP TABLE mails; --" <r@example.com>',
        subject="<script>alert(1)</script>",
        attachments=(Attachment('../../etc/"passwd"\r\nX: y.html', b"", "text/html"),),
    )
    message = email.message(ANN, SEVEN)
    assert message["From"].addresses[0].display_name == "; DROP TABLE mails; --"
    (attached,) = message.iter_attachments()
    assert attached.get_filename() == "..-..-etc-passwd- X- y.html"
    assert "<script>" not in email._repr_html_()
    half = write(text="half a pair: \ud83d")
    assert b"half a pair: ?" in half.as_bytes(ANN, SEVEN)


def test_addresses_beyond_ascii_are_written_as_they_are(write):
    email = write("jürgen@bücher.example")
    data = email.as_bytes(email.recipients[0], SEVEN)
    assert "To: jürgen@xn--bcher-kva.example\r\n".encode() in data
    assert not email.letter(email.recipients[0], SEVEN).is_ascii


def test_preview_shows_pictures_and_runs_no_script(rich):
    shown = rich._repr_html_()
    assert "data:image/png;base64,iVBORw0K" in shown
    assert "cid:" not in shown
    assert '<iframe sandbox=""' in shown
    assert "Bericht März.html (0 kB)" in shown


def test_images_and_html_must_agree(write):
    with pytest.raises(RequestError, match="differ in trend"):
        write(html='<img src="cid:trend">')
    with pytest.raises(RequestError, match="differ in fan"):
        write(images=(Image("fan", PNG, ""),))


def test_mail_to_no_address_is_refused_when_it_is_made(write):
    with pytest.raises(WorkspaceError, match="'leaders' is not an e-mail address"):
        write("ann@example.com", "leaders")
    with pytest.raises(WorkspaceError, match="is not an e-mail address"):
        write(sender="")


def test_file_name_tells_readers_apart_on_any_disk(write):
    email = write("Ann@example.com", "a/b@example.com", "é" * 30 + "@example.com", report="r" * 300)
    names = [email.letter(each, SEVEN).name for each in email.recipients]
    assert len({name.lower() for name in names}) == 3
    assert all("/" not in name and len(name.encode()) < 200 for name in names)
