"""A heartbeat tells that a process lives, however long it is busy."""

import datetime as dt
import itertools
import json
import time

from revops_kit.schedule import heartbeat
from revops_kit.schedule.heartbeat import Heartbeat, last_seen

SEVEN = dt.datetime(2026, 11, 23, 7, tzinfo=dt.UTC)


def ticking():
    """Tell a second later each time."""
    ticks = itertools.count()
    return lambda: SEVEN + dt.timedelta(seconds=next(ticks))


def sign(place):
    return json.loads(place.read_text())


def test_long_run_leaves_new_signs_and_keeps_its_beginning(tmp_path, monkeypatch):
    monkeypatch.setattr(heartbeat, "BEAT", 0.01)
    place = tmp_path / "reports" / "heartbeat"
    with Heartbeat(place, ["weekly"], ticking()) as heart:
        heart.tell("running weekly")
        first = sign(place)
        for _ in range(500):
            later = sign(place)
            if later["at"] > first["at"]:
                break
            time.sleep(0.01)
        assert later["at"] > first["at"]
        assert (later["since"], later["doing"]) == (first["since"], "running weekly")
    ended = sign(place)
    assert ended["doing"] == "stopped"
    time.sleep(0.05)
    assert sign(place) == ended
    assert [each.name for each in place.parent.iterdir()] == ["heartbeat"]


def test_reports_of_a_process_were_last_seen_when_it_last_lived(tmp_path):
    place = tmp_path / "heartbeat"
    assert last_seen(place) == {}
    with Heartbeat(place, ["weekly", "monthly"], lambda: SEVEN):
        pass
    assert last_seen(place) == {"weekly": SEVEN, "monthly": SEVEN}
    for damaged in ("", "[]", '{"at": 7, "reports": ["weekly"]}', '{"reports": []}'):
        place.write_text(damaged)
        assert last_seen(place) == {}


def test_sign_that_cannot_be_left_is_said_and_stops_nothing(tmp_path, caplog):
    (tmp_path / "file").touch()
    with Heartbeat(tmp_path / "file" / "heartbeat", [], lambda: SEVEN) as heart:
        heart.tell("waiting")
    # At its beginning, in between, and at its end.
    assert caplog.text.count("heartbeat cannot be written") == 3
