"""A report made, remembered and mailed: to readers whole, or to its owner alone."""

import datetime as dt
import json
from email import message_from_bytes, policy

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

import revops_kit as rk
from revops_kit.errors import RequestError, UnknownNameError, WorkspaceError
from revops_kit.mailing import run_report
from revops_kit.report import warm
from revops_kit.workspace import secrets_of

DAY = dt.date(2026, 9, 30)
SEVEN = dt.datetime(2026, 10, 1, 7, tzinfo=dt.UTC)
TOML = """
[company]
name = "Northwind"
[tables.accounts]
file = "accounts.csv"
[tables.customers]
file = "customers.csv"
[tables.subscriptions]
file = "subscriptions.csv"
[mail]
url = "file:outbox"
from = "RevOps <revops@example.com>"
[reports.weekly]
notebooks = ["mrr"]
to = ["leaders@example.com", "Leaders <LEADERS@Example.com>"]
owner = "owner@example.com"
max_staleness_days = 3
[[reports.weekly.alerts]]
kpi = "mrr"
above = 1_000_000
[reports.parts]
notebooks = ["mrr"]
owner = "owner@example.com"
burst_by = "Region"
[reports.parts.burst_to]
EMEA = ["emea@example.com"]
"<script>" = ["script@example.com"]
"""
# Region, customer's name, MRR; the first day of each is that of the year.
ROWS = [("EMEA", "Alder Works", 1_111.11), ("<script>", "Birch Works", 2_222.22)]
ROWS += [("APAC", 'Cedar "; DROP Works', 4_444.44)]
OPEN = "import revops_kit as rk\nws = rk.open({}, as_of)"
HEADLINE = "trend = rk.kpis.mrr.over(ws, rk.last(3, period))\ntrend.headline()"
PARAMETERS = (
    'workspace = "revops.toml"  # where\nperiod = "2026-09"  # when\nas_of = ""  # seen from'
)
ENDING = "ws.tables.customers.name.to_pandas().to_frame()"


@pytest.fixture(scope="module", autouse=True)
def warm_parent(tmp_path_factory):
    with warm.warm([], tmp_path_factory.mktemp("warm")):
        yield


@pytest.fixture
def company(tmp_path):
    """A workspace with a notebook of its own; `place` is what that opens."""

    def company(toml=TOML, place="workspace", first=1_111.11, ending=ENDING):
        rows = [(region, name, mrr) for region, name, mrr in ROWS]
        rows[0] = (*rows[0][:2], first)
        tables = {"accounts": "account_id,region\n", "customers": "customer_id,name,account_id\n"}
        tables["subscriptions"] = "subscription_id,customer_id,started_on,ended_on,mrr\n"
        for key, (region, name, mrr) in enumerate(rows):
            tables["accounts"] += f"ACC-{key},{region}\n"
            quoted = name.replace('"', '""')
            tables["customers"] += f'CUS-{key},"{quoted}",ACC-{key}\n'
            tables["subscriptions"] += f"SUB-{key},CUS-{key},2026-01-01,,{mrr}\n"
        tables["subscriptions"] += "SUB-9,CUS-0,2026-09-29,2026-09-30,1\n"
        for name, text in tables.items():
            tmp_path.joinpath(f"{name}.csv").write_text(text, "utf-8")
        tmp_path.joinpath("revops.toml").write_text(toml, "utf-8")
        cells = [new_markdown_cell("# MRR"), cell(PARAMETERS, "parameters")]
        cells += [cell(OPEN.format(place)), cell(HEADLINE, "headline"), cell(ending)]
        folder = tmp_path / "notebooks"
        folder.mkdir(exist_ok=True)
        nbformat.write(new_notebook(cells=cells), folder / "mrr.ipynb")
        return rk.open(tmp_path / "revops.toml")

    return company


def cell(source, tag=""):
    return new_code_cell(source, metadata={"tags": [tag] if tag else []})


def run(ws, name="weekly", day=DAY, **options):
    return run_report(ws, name, day, now=SEVEN, into=ws.file.parent / "reports", **options)


def outbox(ws):
    """Recipient → the mails it got, by subject."""
    found = {}
    for file in sorted(ws.file.parent.joinpath("outbox").glob("*.eml")):
        mail = message_from_bytes(file.read_bytes(), policy=policy.default)
        found.setdefault(mail["To"].addresses[0].addr_spec, []).append(mail)
    return found


def words(mail):
    """All that its reader can open, as text."""
    return "\n".join(
        part.get_content() for part in mail.walk() if part.get_content_maintype() == "text"
    )


def test_report_is_made_mailed_and_remembered_once(company):
    ws = company()
    ran = run(ws)
    assert (ran.status, ran.sentence) == ("ok", "Sent to 1 reader.")  # one mailbox, spelt twice
    [mail] = outbox(ws)["leaders@example.com"]
    assert (
        mail["Subject"]
        .replace("\u202f", " ")
        .startswith("[Northwind] September 2026: MRR $7,778 (±0.0 %)")
    )
    assert [part.get_filename() for part in mail.iter_attachments()][-1] == "mrr.html"
    assert "Monthly recurring revenue in September 2026" in words(mail)
    assert run(ws).sentence == "Sent to 0 readers. 1 reader had it before."
    with ws.open_history() as history:
        assert history.runs("weekly").status.to_list() == ["ok", "ok"]
        assert set(history.mails("weekly").run_id) == {1}
        told = history.figures("mrr", by="")
    assert told[told.period == "2026-08"].value.to_list() == pytest.approx([7_777.77] * 2)


def test_figures_that_moved_since_the_last_mail_are_told(company):
    run(company())
    ws = company(first=2_111.11)
    run(ws, day=DAY + dt.timedelta(days=1))
    [first, second] = outbox(ws)["leaders@example.com"]
    assert "Restated" not in words(first)
    assert "RESTATED SINCE LAST MAIL" in words(second)
    assert "Monthly recurring revenue, August 2026: $7,778 → $8,778" in words(second)


def test_parts_get_their_own_rows_only_and_run_json_proves_it(company):
    ws = company()
    ran = run(ws, "parts")
    assert ran.status == "ok", ran.sentence
    assert ran.sentence.endswith("No mail for region APAC: burst_to does not name them.")
    got = outbox(ws)
    assert sorted(got) == ["emea@example.com", "script@example.com"]
    for reader, mine, others in (
        ("emea@example.com", ("Alder", "1,111"), ("Birch", "Cedar", "SUB-1", "2,222", "4,444")),
        ("script@example.com", ("Birch", "2,222"), ("Alder", "Cedar", "SUB-0", "1,111", "4,444")),
    ):
        [mail] = got[reader]
        said = words(mail)
        assert all(word in said for word in mine)
        assert not [word for word in (*others, "APAC", "7,778", "<script>alert") if word in said]
    record = json.loads((ran.made.folder / "run.json").read_text("utf-8"))
    assert sorted(record["burst"]) == ["<script>", "EMEA"]
    proof = record["burst"]["EMEA"]
    assert proof["rows"] == {"accounts": 1, "customers": 1, "subscriptions": 2}
    assert (proof["found"], proof["others"]) == (0, 2)


def test_one_leak_stops_all_parts(company):
    ws = company(place='"revops.toml"')  # not what it is told
    ran = run(ws, "parts")
    assert ran.status == "failed"
    assert "would tell of others" in ran.sentence
    assert list(outbox(ws)) == ["owner@example.com"]


def test_failing_notebook_is_told_to_the_owner_alone(company):
    ws = company(ending="1 / 0")
    ran = run(ws)
    assert ran.status == "failed"
    [mail] = outbox(ws).pop("owner@example.com")
    assert list(outbox(ws)) == ["owner@example.com"]
    for said in ("Cell [5] failed with ZeroDivisionError", "as_of = 2026-09-30",
                 "revops mail weekly -w revops.toml --as-of 2026-09-30"):  # fmt: skip
        assert said in words(mail)
    mended = company()
    assert run(mended).sentence == "Sent to 1 reader."


def test_stale_data_go_to_the_owner_alone(company):
    ws = company()
    ran = run(ws, day=DAY + dt.timedelta(days=4))
    assert "Nothing in subscriptions is later than 2026-09-29, 5 days before" in ran.sentence
    assert list(outbox(ws)) == ["owner@example.com"]
    with ws.open_history() as history:
        assert history.runs("weekly").status.to_list() == ["failed"]


def test_quiet_week_sends_no_alert(company):
    alert = TOML.replace("max_staleness_days = 3", 'send_when = "alert"')
    ws = company(alert)
    assert run(ws).sentence == "No mail: no alert has news."
    assert outbox(ws) == {}
    loud = company(alert.replace("above = 1_000_000", "above = 7_000\ncooldown_days = 7"))
    assert run(loud).sentence == "Sent to 1 reader."
    assert " – 1 alert" in outbox(loud)["leaders@example.com"][0]["Subject"]
    again = run(loud, day=DAY + dt.timedelta(days=6))
    assert again.sentence == "No mail: no alert has news."
    assert run(loud, day=DAY + dt.timedelta(days=7)).sentence == "Sent to 1 reader."


def test_dry_run_writes_and_remembers_nothing(company):
    ws = company(TOML.replace("file:outbox", "smtps://nowhere.invalid"))
    ran = run(ws, "parts", dry_run=True)
    assert [file.suffix for file in ran.files] == [".eml", ".eml"]
    assert not ws.has_history()
    assert not ws.file.parent.joinpath("outbox").exists()


def test_what_cannot_be_mailed_is_refused_before_it_is_made(company):
    ws = company(TOML.replace('url = "file:outbox"', ""))
    with pytest.raises(WorkspaceError, match=r"no \[mail\] with url and from"):
        run(ws)
    with pytest.raises(UnknownNameError, match="Did you mean 'weekly'"):
        run(ws, "wekly")
    assert not ws.file.parent.joinpath("reports", "weekly").exists()
    assert run(ws, mail=False).sentence == "Made 1 report."


def test_part_is_opened_by_its_reference_with_the_secrets_of_the_whole(company, monkeypatch):
    monkeypatch.setenv("SMTP_PASSWORD", "hush-hush-2026")
    ws = company(TOML.replace("file:outbox", "smtps://u:${SMTP_PASSWORD}@mail.example.com"))
    part = ws.only("region", "<script>")
    assert part.reference == "revops.toml#region=%3Cscript%3E"
    opened = rk.open(ws.file.with_name(part.reference))
    assert opened.part == ("region", "<script>")
    assert opened.tables.customers.name.to_pandas().to_list() == ["Birch Works"]
    assert secrets_of(ws.file.with_name(part.reference)) == {"SMTP_PASSWORD": "hush-hush-2026"}
    with pytest.raises(WorkspaceError, match="of the whole company"):
        opened.open_history()


def test_value_that_nothing_has_is_refused_before_anything_is_sent(company):
    ws = company(TOML.replace("EMEA =", "EMAE ="))
    with pytest.raises(RequestError, match="no rows of region 'EMAE'"):
        run(ws, "parts")
    assert outbox(ws) == {}
