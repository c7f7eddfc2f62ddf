"""What a report's mail says, and that it says it in every mail program."""

import datetime as dt
import re

import pandas as pd
import pytest

import revops_kit as rk
from revops_kit import samples
from revops_kit.mail.alerts import Alarm
from revops_kit.mail.compose import Story, compose, failure
from revops_kit.mail.page import LARGEST
from revops_kit.report import Outcome

SEVEN = dt.datetime(2026, 10, 1, 7, tzinfo=dt.UTC)
DAY = dt.date(2026, 10, 1)
SENDER = "RevOps <revops@example.com>"
HOSTILE = '"; DROP TABLE x; --<script>alert(1)</script>\r\nBcc: eve@example.com\u202e\\'


@pytest.fixture(scope="module")
def trends():
    """MRR of 1,200 after 1,000; 1 of 4 customers lost."""
    rows = []
    for key, (start, end, mrr) in enumerate(
        [("2026-01-01", None, 500), ("2026-01-01", None, 250), ("2026-01-01", "2026-09-10", 150),
         ("2026-01-01", None, 100), ("2026-09-05", None, 350)]
    ):  # fmt: skip
        row = {"subscription_id": f"S{key}", "customer_id": f"C{key}", "started_on": start}
        rows.append(row | {"ended_on": end, "mrr": mrr})
    ws = samples.workspace({"subscriptions": rows}, as_of="2026-09-30")
    return {
        kpi.name: kpi.over(ws, rk.last(4, "2026-09"))
        for kpi in (rk.kpis.revenue, rk.kpis.mrr, rk.kpis.churn, rk.kpis.win_rate)
    }


@pytest.fixture(scope="module")
def all_trends(by_chance):
    ws = by_chance.workspace()
    return {kpi.name: kpi.over(ws, rk.last(13, "2026-09")) for kpi in rk.kpis.ALL}


def story(trends, **changes):
    said = {"company": "Northwind", "period": "2026-09", "as_of": dt.date(2026, 9, 30)}
    return Story("weekly", DAY, trends=trends, **said | changes)


def write(told):
    return compose(told, SENDER, ["ann@example.com"], "owner@example.com")


def alarm(sentence="Customer churn in September 2026: 25.0\u202f% – above 3.0\u202f%."):
    return Alarm("churn", "above 0.03", "2026-09", 0.25, sentence)


def test_subject_tells_the_figures_their_change_and_the_alerts(trends):
    email = write(story(trends, alarms=[alarm()]))
    # Without the narrow spaces between figures and units.
    assert email.subject.replace("\u202f", " ") == (
        "[Northwind] September 2026: MRR $1,200 (+20.0 %), churn 25.0 % – 1 alert"
    )


def test_weeks_are_named_as_people_say_them(trends):
    assert write(story(trends, period="2026-W47")).subject.startswith("[Northwind] Week 47: ")


def test_text_has_the_figures_of_the_html(trends):
    email = write(story(trends, alarms=[alarm()]))
    for figure in ("$1,200", "25.0\u202f%", "+$200", "above 3.0\u202f%", "2026-09-30"):
        assert figure in email.html
        assert figure in email.text
    assert "Without a figure" not in email.text  # what a workspace lacks is no news


def test_pictures_say_their_numbers_in_words(trends):
    email = write(story(trends))
    assert 1 <= len(email.images) <= 3
    shown = re.findall(r"<img[^>]*>", email.html)
    assert len(shown) == len(email.images)
    for tag, image in zip(shown, email.images, strict=True):
        assert f'src="cid:{image.cid}"' in tag
        assert re.search(r'width="\d+"', tag)  # Outlook takes no other
        assert "$1,200" in tag or "25.0\u202f%" in tag
        assert image.data.startswith(b"\x89PNG")
    assert "\\u{" not in email.html


def test_mail_is_the_same_whenever_it_is_written(trends):
    first, second = write(story(trends)), write(story(trends))
    assert first.content == second.content
    reader = first.recipients[0]
    assert first.as_bytes(reader, SEVEN) == second.as_bytes(reader, SEVEN)


def test_all_figures_and_long_names_fit(all_trends):
    name = "A very long name that goes on & on " * 40
    restated = pd.DataFrame(
        [
            {"kpi": "mrr", "period": f"2026-{month:02d}", "unit": "money", "old": 1.0, "new": 2.0,
             "told_on": DAY}
            for month in range(1, 10)
        ]
        * 50
    )  # fmt: skip
    email = write(
        story(
            all_trends,
            company=name,
            alarms=[alarm(name)] * 200,
            outcomes=[
                Outcome(f"notebook_{key}", "done", None, name, 1.0, None) for key in range(99)
            ],
            restated=restated,
        )
    )
    assert len(email.html.encode()) < LARGEST
    assert "not shown here" in email.html
    assert "not shown here" in email.text
    assert len(email.images) == 3


def test_ordinary_mail_leaves_nothing_out(all_trends):
    email = write(story(all_trends))
    assert "not shown here" not in email.html
    told = [
        each for each in all_trends.values() if not each.unavailable and each.value == each.value
    ]
    for trend in told:
        if trend.kpi.name != "mrr":  # revenue is the same figure
            assert trend.kpi.title in email.text


def test_restated_figures_are_told_old_and_new(trends):
    def row(kpi, old, new):
        return {"kpi": kpi, "period": "2026-08", "old": old, "new": new}

    moved = [row("revenue", 900.0, 1_000.0), row("mrr", 900.0, 1_000.0)]  # one by two names
    moved += [row("churn", 0.25, 0.2500001), row("win_rate", float("nan"), 0.5)]
    email = write(story(trends, restated=pd.DataFrame(moved)))
    told = email.text.partition("the source has changed.\n")[2].partition("\n\n")[0]
    assert told.replace("\u202f", " ").splitlines() == [
        "- Revenue (MRR), August 2026: $900 → $1,000",
        "- Win rate, August 2026: – → 50.0 %",
    ]
    assert "$900 → <b>$1,000</b>" in email.html


def test_hostile_names_stay_text(trends):
    outcomes = [Outcome("overview", "done", None, HOSTILE, 1.0, None)]
    email = write(
        story(trends, company=HOSTILE, part=HOSTILE, outcomes=outcomes, alarms=[alarm(HOSTILE)])
    )
    assert "<script" not in email.html
    assert "&lt;script&gt;" in email.html
    [reader] = email.recipients
    message = email.message(reader, SEVEN)
    assert message["Bcc"] is None
    assert "\n" not in message["Subject"]
    assert message["Subject"].startswith('["; DROP TABLE x')
    assert message.get_body(("plain",)).get_content().count("DROP") >= 3


def test_empty_period_says_so():
    deal = {"opportunity_id": "1", "outcome": "won", "closed_at": "2026-01-05"}
    ws = samples.workspace({"opportunities": [deal]}, as_of="2026-09-30")
    trends = {"win_rate": rk.kpis.win_rate.over(ws, rk.last(3, "2026-09"))}
    email = write(story(trends))
    assert email.subject == "[Northwind] September 2026: no figures"
    assert "There are no figures for September 2026" in email.text
    assert "Win rate" in email.html  # by name, as one without a figure
    assert email.images == ()


def test_large_reports_are_left_out_and_told(trends, tmp_path):
    small, large = tmp_path / "churn.html", tmp_path / "overview.html"
    small.write_text("<p>small</p>")
    large.write_bytes(b"x" * 5_000_000)
    outcomes = [Outcome(file.stem, "done", file, "", 1.0, None) for file in (large, small)]
    email = write(story(trends, outcomes=outcomes))
    assert [each.name for each in email.attachments] == ["churn.html"]
    assert "Overview – too large for a mail (5.0 MB)" in email.text
    linked = write(story(trends, outcomes=outcomes, link="https://intranet.example.com/weekly"))
    assert 'href="https://intranet.example.com/weekly/overview.html"' in linked.html


def test_owner_reads_what_failed_and_how_to_run_it_again(trends):
    facts = {
        "troubles": ["overview: Cell [3] failed with ZeroDivisionError."],
        "parameters": [("period", "2026-09"), ("api_key", "…")],
        "command": "revops mail weekly -w revops.toml --as-of 2026-10-01",
    }
    told = story(trends)
    email = failure(told, "A notebook failed.", facts, SENDER, "owner@example.com")
    assert email.subject == "[Northwind] weekly not mailed: A notebook failed."
    assert [each.spec for each in email.recipients] == ["owner@example.com"]
    for said in ("Cell [3]", "ZeroDivisionError", facts["command"], "2026-09"):
        assert said in email.html
        assert said in email.text
