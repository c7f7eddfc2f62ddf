"""A report made, remembered and mailed: to readers whole, or to its owner alone."""

import datetime as dt
import json
from email import message_from_bytes, policy

import pytest

import revops_kit as rk
from revops_kit import cli
from revops_kit.errors import UnknownNameError, WorkspaceError
from revops_kit.mailing import run_report
from revops_kit.workspace import secrets_of
from tests.mail.company import TOML

pytestmark = pytest.mark.usefixtures("warm_parent")
DAY = dt.date(2026, 9, 30)
SEVEN = dt.datetime(2026, 10, 1, 7, tzinfo=dt.UTC)


def run(ws, name="weekly", day=DAY, now=SEVEN, **options):
    return run_report(ws, name, day, now=now, into=ws.file.parent / "reports", **options)


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


def written(folder):
    """Every file in a folder, with what is in it."""
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


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
    # The report attached tells when it was made; what it says is the same.
    later = run(ws, now=SEVEN + dt.timedelta(hours=1))
    assert later.sentence == "Sent to 0 readers. 1 reader had it before."
    with ws.open_history() as history:
        assert history.runs("weekly").status.to_list() == ["ok", "ok"]
        assert set(history.mails("weekly").run_id) == {1}
        told = history.figures("mrr", by="")
    assert told[told.period == "2026-08"].value.to_list() == pytest.approx([7_777.77] * 2)


def test_figures_that_moved_since_the_last_mail_are_told(company):
    run(company())
    run(company(first=2_111.11, ending="1 / 0"), day=DAY + dt.timedelta(days=1))  # to its owner
    ws = company(first=2_111.11)
    run(ws, day=DAY + dt.timedelta(days=2))
    [first, second] = outbox(ws)["leaders@example.com"]
    assert "Restated" not in words(first)
    assert "RESTATED SINCE LAST MAIL" in words(second)
    assert "Revenue (MRR), August 2026: $7,778 → $8,778" in words(second)


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


def test_dry_run_says_what_would_be_said_in_earnest_and_to_whom(company):
    home = run(company()).made.folder.parents[1]
    both = TOML.replace('to = ["leaders@example.com"', 'to = ["leaders@example.com", "new@x.org"')
    ws, before = company(both, first=2_111.11), written(home)
    ran = run(ws, dry_run=True)
    file = home / "reports" / "weekly.eml"
    assert ran.files == {
        file: "is for new@x.org. 1 reader had it before. What 1 reader had said something else."
    }
    assert (ran.made, ran.sentence) == (None, "Not sent, but written: 1 mail.")
    now = written(home)
    assert {path for path in now if now[path] != before.get(path)} == {file}
    shown = words(message_from_bytes(now[file], policy=policy.default))
    assert "August 2026: $7,778 → $8,778" in shown
    run(ws)
    [mail] = outbox(ws)["new@x.org"]
    assert words(mail) == shown


def test_dry_run_needs_no_server_and_tells_whom_each_mail_is_for(company, monkeypatch, capsys):
    ws = company(TOML.replace("file:outbox", "smtps://nowhere.invalid"))
    words = ["mail", "parts", "-w", str(ws.file), "--as-of", str(DAY), "--dry-run"]
    monkeypatch.setattr("sys.argv", ["revops", *words])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    said = capsys.readouterr()
    assert not ended.value.code
    reports = ws.file.parent / "reports"
    files = [reports / "parts-EMEA.eml", reports / "parts-script-3761f628.eml"]
    assert said.out.splitlines() == [str(file) for file in files]
    assert "parts-EMEA.eml is for emea@example.com.\n" in said.err
    assert "No mail for region APAC" in said.err
    assert sorted(reports.rglob("*")) == files


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
    assert opened.tables.customers.name.to_pandas().to_list() == ["<script>Birch Works"]
    assert secrets_of(ws.file.with_name(part.reference)) == {"SMTP_PASSWORD": "hush-hush-2026"}
    with pytest.raises(WorkspaceError, match="of the whole company"):
        opened.open_history()


@pytest.mark.parametrize(
    ("name", "right", "wrong", "said"),
    [
        ("parts", "EMEA =", "EMAE =", "There are no rows of region 'EMAE'"),
        ("parts", '"Region"', '"Regio"', "Did you mean 'region'?"),
        ("parts", 'burst_by = "Region"', "", "parts has burst_to and no burst_by"),
        ("parts", "script@example.com", "script", "'script' is not an e-mail address"),
        ("weekly", '["mrr"]', '["mmr"]', "Did you mean 'mrr'?"),
        ("weekly", 'kpi = "mrr"', 'kpi = "mmr"', "There is no KPI 'mmr' for the alerts of weekly"),
        ("weekly", '["mrr"]', '["mrr"]\nperiod = "Sept"', "'Sept' is not a period"),
    ],
)
def test_what_cannot_be_asked_for_is_told_to_the_owner(company, name, right, wrong, said):
    ws = company(TOML.replace(right, wrong))
    ran = run(ws, name)
    assert (ran.exit_code, ran.made) == (2, None)
    assert said in ran.sentence
    assert ran.sentence.endswith("Readers get nothing; owner@example.com is told.")
    assert list(outbox(ws)) == ["owner@example.com"]
    [mail] = outbox(ws)["owner@example.com"]
    command = f"revops mail {name} -w revops.toml --as-of 2026-09-30"
    for each in (said, command, "as_of = 2026-09-30", "notebooks = "):
        assert each in mail.get_body(("plain",)).get_content()
    with ws.open_history() as history:
        [error] = history.runs(name).error
    assert said in error


def test_owner_who_cannot_be_told_is_named(company):
    nobody = company(TOML.replace("EMEA =", "EMAE =").replace('owner = "owner@example.com"', ""))
    assert run(nobody, "parts").sentence.endswith("the report names no owner to tell.")
    wrong = company(TOML.replace("owner@example.com", "owner"))
    with pytest.raises(WorkspaceError, match="'owner' is not an e-mail address"):
        run(wrong)
    assert outbox(wrong) == {}


def test_our_own_fault_is_told_without_what_it_quotes(company, monkeypatch):
    def stumble(*_):
        raise ZeroDivisionError("Cedar Works owes 4,444.44")

    ws = company()
    monkeypatch.setattr("revops_kit.mailing.alarms", stumble)
    with pytest.raises(ZeroDivisionError):
        run(ws)
    [mail] = outbox(ws).pop("owner@example.com")
    assert "that should not have (ZeroDivisionError)" in words(mail)
    assert "4,444" not in mail.get_body(("plain",)).get_content()
