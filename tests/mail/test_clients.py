"""Mail programs show what matters: caniemail, and Chromium with the mail as it arrives."""

import datetime as dt
import json
import shutil
import subprocess
from pathlib import Path

import pytest

import revops_kit as rk
from revops_kit.mail.alerts import Alarm
from revops_kit.mail.compose import Story, compose

CHECKER = Path(__file__).resolve().parents[2] / ".cache" / "caniemail"
CLIENTS = ["gmail.*", "outlook.*", "apple-mail.*"]
CHECK = """
import { caniemail } from 'caniemail';
const html = await new Response(process.stdin).text();
const found = caniemail({ clients: %s, html });
const missing = {};
for (const [client, issues] of found.issues.errors)
  for (const issue of issues) (missing[issue.title] ||= []).push(client);
console.log(JSON.stringify(missing));
"""
# What a mail is as good without: dark mode, room on phones, and hints to screen readers.
EXTRAS = {
    "<style> element", "@media", "!important keyword", "Class selector", "ID selector",
    "Type selector", "Chaining selectors", "Descendant combinator", "color-scheme meta tag",
    "role attribute", "aria-label attribute", "aria-roledescription attribute",
    # The hidden preheader, which every program hides by at least one of them.
    "display:none", "opacity", "max-height property", "overflow",
    # Words that would be broken, and borders of tables that have none.
    "word-break", "word-spacing", "outline", "border-spacing", "table-layout",
    # Outlook on the Mac puts a mail into a page of its own.
    "<body> element",
}  # fmt: skip


@pytest.fixture(scope="module")
def email(by_chance):
    ws = by_chance.workspace()
    trends = {kpi.name: kpi.over(ws, rk.last(13, "2026-09")) for kpi in rk.kpis.ALL}
    alarm = Alarm("churn", "above 0.03", "2026-09", 0.1, "Churn is above 3 %.")
    story = Story("weekly", dt.date(2026, 9, 30), "Northwind", "2026-09", ws.tables.as_of, trends,
                  alarms=[alarm], link="https://intranet.example.com")  # fmt: skip
    return compose(story, "revops@example.com", ["ann@example.com"])


@pytest.mark.skipif(not shutil.which("node"), reason="Node is not installed")
@pytest.mark.skipif(not (CHECKER / "node_modules").exists(), reason="caniemail: see .ci/run")
def test_nothing_that_matters_is_unknown_to_gmail_outlook_and_apple_mail(email):
    done = subprocess.run(
        ["node", "--input-type=module", "-e", CHECK % json.dumps(CLIENTS)],
        input=email.html,
        capture_output=True,
        text=True,
        check=True,
        cwd=CHECKER,
    )
    missing = json.loads(done.stdout)
    assert "<style> element" in missing  # in Gmail's mobile web: the check does look
    assert set(missing) <= EXTRAS, {name: missing[name] for name in set(missing) - EXTRAS}


def test_mail_needs_nothing_from_elsewhere(email):
    for word in ("fonts.googleapis", "@import", "<script", "<svg", "data:", "<link"):
        assert word not in email.html
