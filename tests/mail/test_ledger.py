"""Nobody gets two, nobody is forgotten, and the unknown are named – whatever goes wrong."""

import datetime as dt
import os
import random
import signal
import time

import pytest

from revops_kit.errors import SourceError
from revops_kit.history import open_history
from revops_kit.history.schema import mails
from revops_kit.mail import open_sender, send

SEVEN = dt.datetime(2026, 11, 23, 7, tzinfo=dt.UTC)
READERS = [f"reader{number}@example.com" for number in range(8)]


@pytest.fixture
def history(tmp_path):
    with open_history(tmp_path / "history.sqlite") as history:
        yield history


@pytest.fixture
def sent(history, tmp_path):
    """Send a mail, without the pauses, which are noted."""

    def sent(email, post, **options):
        waits = []
        done = send(email, history, open_sender(post.url, tmp_path), SEVEN, sleep=waits.append,
                    **{"backoff": (1, 2)} | options)  # fmt: skip
        return done, waits

    return sent


def states(sending):
    return [(each.recipient, each.state, each.code, each.stage) for each in sending.deliveries]


def test_each_reader_gets_one_however_often_it_is_sent(place, serve, write, tmp_path):
    post = serve()
    email = write("ann@example.com", "Bo <bo@example.com>", "ANN@example.com")
    with open_history(place) as history:
        run = history.begin_run("weekly", email.logical_date, SEVEN)
        done = send(email, history, open_sender(post.url, tmp_path), SEVEN, run=run)
        assert str(done) == "Sent to 2 readers."
        again = send(email, history, open_sender(post.url, tmp_path), SEVEN)
        assert str(again) == "Sent to 0 readers. 2 readers had it before."
        assert (done.is_done, again.is_done) == (True, True)
        assert post.mailboxes == ["ann@example.com", "bo@example.com"]
        rows = history.mails("weekly", email.logical_date)
    assert rows.state.to_list() == ["sent", "sent"]
    assert rows.recipient.to_list() == post.mailboxes
    assert rows.message_id.to_list() == [each["Message-ID"] for each in post.mails()]
    assert set(rows.content) == {email.content}
    assert (set(rows.run_id), set(rows.code), set(rows.attempts)) == ({run}, {250}, {1})


def test_each_report_part_and_date_is_a_mail_of_its_own(serve, write, sent):
    post = serve()
    next_week = dt.date(2026, 11, 30)
    for changes in ({}, {"report": "monthly"}, {"part": "EMEA"}, {"logical_date": next_week}):
        assert sent(write(**changes), post)[0].is_done
    assert len(post.received) == 4


def test_other_content_is_no_second_mail_but_for_a_correction(serve, write, sent):
    post = serve()
    sent(write(), post)
    changed = write("ann@example.com", "bo@example.com", text="MRR 1.25 M")
    done, _ = sent(changed, post)
    assert post.mailboxes == ["ann@example.com", "bo@example.com"]
    assert str(done) == (
        "Sent to 1 reader. 1 reader had it before. What 1 reader had said something else."
    )
    for _ in range(2):
        sent(changed, post, is_correction=True)
    assert post.mailboxes[2:] == ["ann@example.com", "bo@example.com"]


def test_refusal_of_one_does_not_hold_up_the_others(serve, write, sent):
    post = serve()
    post.refused = {"bo@example.com": 550}
    email = write("ann@example.com", "bo@example.com", "cy@example.com")
    done, waits = sent(email, post)
    assert states(done)[1] == ("bo@example.com", "refused", 550, "RCPT")
    assert (post.mailboxes, waits) == (["ann@example.com", "cy@example.com"], [])
    assert str(done) == (
        "Sent to 2 readers. Refused: bo@example.com (550 at RCPT). To try them again: "
        "--resend-failed."
    )
    assert sent(email, post)[0].of("refused")  # not by itself
    post.refused = {}
    done, _ = sent(email, post, resend_failed=True)
    assert post.mailboxes[2:] == ["bo@example.com"]
    assert done.is_done


def test_resend_failed_sends_to_nobody_else(serve, write, sent):
    post = serve()
    post.script["end"].extend([550, "lost", 250])
    post.script["end"].pop()
    email = write("refused@example.com", "unknown@example.com", "sent@example.com")
    sent(email, post)
    more = write(*email.to, "new@example.com")
    sent(more, post, resend_failed=True)
    assert post.mailboxes == ["unknown@example.com", "sent@example.com", "refused@example.com"]


def test_what_is_put_off_is_tried_again_after_a_while(serve, write, sent, history):
    post = serve()
    post.script["RCPT"].extend([450, 451])
    post.script["end"].append(452)
    done, waits = sent(write("ann@example.com", "bo@example.com", "cy@example.com"), post)
    assert done.is_done
    assert waits == [1]
    assert sorted(post.mailboxes) == ["ann@example.com", "bo@example.com", "cy@example.com"]
    assert history.mails().attempts.to_list() == [2, 2, 2]


def test_what_is_put_off_for_ever_is_refused_in_the_end(serve, write, sent):
    post = serve()
    post.refused = {"ann@example.com": 450}
    done, waits = sent(write("ann@example.com", "bo@example.com"), post)
    assert states(done)[0] == ("ann@example.com", "refused", 450, "RCPT")
    assert (waits, post.mailboxes) == ([1, 2], ["bo@example.com"])
    post.refused = {}
    assert sent(write("ann@example.com", "bo@example.com"), post, resend_failed=True)[0].is_done


def test_server_that_comes_back_gets_all(serve, write, sent):
    post = serve()
    post.script["greeting"].extend([421, "drop"])
    done, waits = sent(write(*READERS), post)
    assert (done.is_done, done.trouble, waits) == (True, "", [1, 2])
    assert post.mailboxes == READERS
    assert post.connections == 3  # one try a round, not one a reader


def test_server_that_stays_away_is_told_once(write, sent, serve):
    post = serve()
    post.url = "smtp://127.0.0.1:9"
    done, _ = sent(write(*READERS), post)
    assert {each.state for each in done.deliveries} == {"refused"}
    assert str(done).count("127.0.0.1:9 cannot be reached") == 1


def test_line_that_drops_is_opened_again(serve, write, sent):
    post = serve()
    post.script["MAIL"].append("drop")
    done, waits = sent(write(*READERS), post)
    assert (done.is_done, waits) == (True, [1])
    assert sorted(post.mailboxes) == READERS


def test_unknown_is_named_and_never_sent_again(serve, write, sent):
    post = serve()
    post.script["end"].append("lost")
    email = write("ann@example.com", "bo@example.com")
    for options in ({}, {}, {"resend_failed": True}):
        done, _ = sent(email, post, **options)
        assert states(done)[0] == ("ann@example.com", "unknown", None, "end")
        assert "ask whether it came: ann@example.com (end)" in str(done)
    assert post.mailboxes == ["ann@example.com", "bo@example.com"]


def test_nothing_is_sent_that_cannot_be_noted(serve, write, tmp_path):
    post = serve()
    with open_history(tmp_path / "history.sqlite") as history:
        waits = []
        post.script["RCPT"].append(450)

        def lose(seconds):
            waits.append(seconds)
            with history.store.transaction() as con:
                mails.drop(con)

        with pytest.raises(SourceError, match="cannot be used"):
            send(write(), history, open_sender(post.url, tmp_path), SEVEN, backoff=(1,), sleep=lose)
    assert (waits, post.received) == ([1], [])


def test_mail_that_another_process_took_over_is_left_to_it(serve, write, history, tmp_path):
    post = serve()
    post.script["RCPT"].append(450)

    def take_over(seconds):
        with history.store.transaction() as con:
            con.execute(mails.update().values(claimed_by="another"))

    sender = open_sender(post.url, tmp_path)
    done = send(write(), history, sender, SEVEN, backoff=(1,), sleep=take_over)
    assert (post.received, done.of("claimed")[0].code) == ([], 450)
    assert "Still to be sent: ann@example.com" in str(done)


# --- killed, and started again ----------------------------------------------------------------


def one_each(post, sending):
    """Nobody got two, and all have one but those who are named as unknown."""
    states = {reader: state for reader, state, _ in sending}
    assert set(states) == set(READERS)
    assert len(post.mailboxes) == len(set(post.mailboxes))
    unknown = {reader for reader, state in states.items() if state == "unknown"}
    assert set(READERS) - set(post.mailboxes) <= unknown
    assert set(states.values()) <= {"sent", "unknown"}
    return unknown


@pytest.mark.parametrize(
    ("stage", "unknown"), [("RCPT", set()), ("DATA", set()), ("end", {"reader2@example.com"})]
)
def test_killed_at_a_stage(place, serve, children, stage, unknown):
    post = serve()
    # The third mail meets it; the first two go through.
    for _ in range(2):
        post.script[stage].append(None)
    post.script[stage].append("kill")
    post.pause = 0.02
    number = children.start(place, post.url, READERS)
    post.victim = number
    assert children.wait(number) is None
    assert len(post.received) in (2, 3)
    again = children.wait(children.start(place, post.url, READERS))
    assert one_each(post, again) == unknown


def test_killed_at_any_moment(place, serve, children):
    post, chance = serve(), random.Random(47)
    post.pause = 0.01
    kills = 0
    for _ in range(8):
        number = children.start(place, post.url, READERS)
        time.sleep(chance.uniform(0.02, 0.3))
        os.kill(number, signal.SIGKILL)
        if children.wait(number) is not None:
            break
        kills += 1
    assert kills > 1
    one_each(post, children.wait(children.start(place, post.url, READERS)))


def test_two_at_once_send_each_mail_once(place, serve, children):
    post = serve()
    numbers = [children.start(place, post.url, READERS) for _ in range(3)]
    for number in numbers:
        assert {state for _, state, _ in children.wait(number)} == {"sent"}
    assert sorted(post.mailboxes) == READERS
