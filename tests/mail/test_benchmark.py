"""What measures a burst has readers, and a server that keeps what arrives."""

import datetime as dt

from benchmarks import mail
from revops_kit.workspace import read

SEVEN = dt.datetime(2026, 11, 23, 7, tzinfo=dt.UTC)


def test_readers_are_shared_out_to_the_regions(tmp_path):
    file = mail.write(tmp_path / "workspace", 5, 25, tmp_path / "ca.pem")
    readers = read(file).reports["weekly"].burst_to
    assert {region: len(to) for region, to in readers.items()} == {"EMEA": 2, "AMER": 2, "APAC": 1}


def test_server_keeps_what_arrives(tmp_path, certificates, write):
    email = write("reader@example.com")
    letter = tmp_path / "letter.eml"
    letter.write_bytes(email.letter(email.recipients[0], SEVEN).data)
    with mail.served(tmp_path / "arrived", certificates.good) as port:
        wall, processor = mail.by_hand([letter], port, certificates.ca)
    assert wall > processor > 0
    assert (tmp_path / "arrived" / "reader@example.com.eml").read_bytes() == letter.read_bytes()
