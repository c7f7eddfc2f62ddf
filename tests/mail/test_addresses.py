"""Addresses are read as people write them, and each mailbox gets one mail."""

import pytest

from revops_kit.errors import WorkspaceError
from revops_kit.mail.addresses import address, addresses


@pytest.mark.parametrize(
    ("written", "name", "spec"),
    [
        ("ann@example.com", "", "ann@example.com"),
        ("  Ann Lee <ann@example.com> ", "Ann Lee", "ann@example.com"),
        ('"Lee, Ann" <ann+weekly@Mail.Example.COM>', "Lee, Ann", "ann+weekly@mail.example.com"),
        ("<ann@example.com>", "", "ann@example.com"),
        # RFC 3492's way to write ü; the example is that of RFC 3490's successor, RFC 5891.
        ("Bücher <info@bücher.example>", "Bücher", "info@xn--bcher-kva.example"),
        ("info@xn--bcher-kva.example", "", "info@xn--bcher-kva.example"),
        ("jürgen@example.com", "", "jürgen@example.com"),
        ("root@localhost", "", "root@localhost"),
    ],
)
def test_address_is_read(written, name, spec):
    read = address(written)
    assert (read.name, read.spec) == (name, spec)


@pytest.mark.parametrize(
    "written",
    [
        "",
        "ann",
        "ann@",
        "@example.com",
        "ann@example",
        "ann@@example.com",
        "ann lee@example.com",
        "ann@example.com, bo@example.com",
        "ann@exa mple.com",
        "ann@-example.com",
        "ann@example..com",
        "ann@example.com\r\nBcc: eve@example.com",
        "ann\r\n@example.com",
        "Ann <ann@example.com",
        "Ann <ann@example.com> Lee",
        ".ann@example.com",
        "a" * 65 + "@example.com",
        "ann@" + "e" * 64 + ".com",
        "ann@" + "example." * 40 + "com",
    ],
)
def test_what_is_no_address_is_refused_with_the_cure(written):
    with pytest.raises(WorkspaceError, match=r"write one to an entry, as in ann@example\.com"):
        address(written)


def test_domain_that_two_standards_read_in_two_ways_is_refused():
    # IDNA 2003 reads strasse.de, IDNA 2008 xn--strae-oqa.de: two owners.
    with pytest.raises(WorkspaceError, match="begins with xn--"):
        address("info@straße.de")


def test_one_mailbox_in_several_spellings_gets_one_mail():
    to = ["Ann <ann@example.com>", "ann@EXAMPLE.com ", "Ann@example.com", "bo@example.com"]
    assert [each.spec for each in addresses(to)] == ["ann@example.com", "bo@example.com"]
    to = ["info@bücher.example", "info@xn--bcher-kva.EXAMPLE", "jürgen@x.org", "ju\u0308rgen@x.org"]
    assert len(addresses(to)) == 2


def test_line_break_in_a_name_stays_in_the_name():
    assert address("Ann\r\nBcc: eve@x.org <ann@x.org>").name == "Ann Bcc: eve@x.org"
