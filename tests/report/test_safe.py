"""A company whose every text wants to be more than text, in all reports, in a real browser."""

import datetime as dt
import itertools
import json
import re
import shutil
import subprocess
from random import Random

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from revops_kit import kpis
from revops_kit.contracts import contract, names
from revops_kit.report import parameters_of, run
from revops_kit.report.pages import markdown
from revops_kit.report.sanitize import sanitize
from revops_kit.share import notebooks
from revops_kit.wording import Words
from revops_kit.workspace import open_workspace

START = dt.date(2025, 8, 1)
AS_OF = dt.date(2026, 9, 30)
SPLIT = "<img src=x onerror=alert('by')> $x_1^{2$ |"
STRINGS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(2)>",
    '"><svg onload=alert(3)>',
    '<a href="javascript:alert(4)">Acme</a>',
    "[Acme](javascript:alert(5)) ![x](https://example.com/spy.png)",
    "```\n</code></pre><script>alert(6)</script>\n```",
    "| a | b |\n|---|---|\n| 1 | 2 |",
    "# Acme\n\n---\n\n1. **bold** `code` ~~gone~~",
    "$\\frac{1}{0$ $$\\input{/etc/passwd}$$ {{7*7}} {% raw %}",
    "Acme \u202egnp.exe\u202c \u2066x\u2069 \u200f\u061c",
    "مرحبا \u202d<b>",
    '=cmd|"/C calc"!A0',
    "+1+1",
    "-2+3",
    "@SUM(A1:A9)",
    "\t=1+1",
    "x\r=1+1",
    "Nul \x00 bell \x07 escape \x1b[31mred",
    "Acme\r\nSet-Cookie: x",
    "W" * 10_000,
    "+" + "1," * 5000 + "1 %",
    "long words " * 900,
    "</title></style></main></body></html><h1>gone",
    "<div style='position:fixed;inset:0;background:red;width:9999px'>over</div>",
    "<table><tr><td>" * 40,
    "<!-- <plaintext>",
    "&lt;script&gt;alert(7)&lt;/script&gt;",
    "../../../etc/passwd",
    "Z̸̢̛" + "\u0301" * 300,
)


def write_company(folder):
    """Write a workspace whose text columns all hold such strings."""
    chance = Random(5)
    toml = f"[company]\nname = {json.dumps(STRINGS[0] + SPLIT)}\n"
    for table in names():
        rows = "\n".join(json.dumps(row) for row in _rows(table, chance))
        (folder / f"{table}.jsonl").write_text(rows, "utf-8")
        toml += f'[tables.{table}]\nfile = "{table}.jsonl"\n'
    (folder / "revops.toml").write_text(toml, "utf-8")


def _rows(table, chance):
    count = 2 * len(STRINGS) + 1 if table in ("leads", "opportunities") else len(STRINGS)
    days = (AS_OF - START).days
    for at in range(count):
        row = {SPLIT: STRINGS[at % len(STRINGS)]}
        day = START + dt.timedelta(days=days * at // count)
        for column in contract(table).columns.values():
            row[column.name] = _value(table, column, at, day, chance)
        if table == "opportunities":
            row["outcome"] = ("won", "won", "lost", "open")[at % 4]
        yield row


def _value(table, column, at, day, chance):
    if column.allowed:
        return column.allowed[at % len(column.allowed)]
    if column.name == "column":
        return SPLIT
    if column.kind == "text":
        # The same string in the key and in what names it, so that tables join.
        return STRINGS[at % len(STRINGS)] + (f" {at}" if at >= len(STRINGS) else "")
    if column.name == "month":
        return day.replace(day=1).isoformat()
    if column.kind in ("date", "moment"):
        after = 0 if column.born else 5 + 20 * column.ends
        return (day + dt.timedelta(days=after)).isoformat()
    if column.kind == "share":
        return 0.5
    return float(chance.randint(1, 90) * 100)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("hostile")
    write_company(made)
    return made


@pytest.fixture(scope="module")
def reports(folder, warm_parent):
    """Run every notebook on the company, for a quarter that is not over.

    It is split by a column of such strings and of such a name.
    """
    chosen = list(notebooks(folder).values())
    odd = folder / f"{SPLIT} [x](javascript:alert(8)) \u202e.ipynb"
    drawn = """
from matplotlib.figure import Figure
from IPython.display import display
import io
drawn = io.BytesIO()
Figure(figsize=(1, 1)).savefig(drawn)
display({"image/png": drawn.getvalue()}, raw=True, metadata={"image/png": {"alt": strings[0]}})
"""
    cells = [
        new_code_cell("by = ''", metadata={"tags": ["parameters"]}),
        new_markdown_cell(f"# Odd {STRINGS[0]} {STRINGS[3]} {STRINGS[6]}"),
        new_code_cell(
            f"strings = {STRINGS!r}; ' '.join(strings[:5])", metadata={"tags": ["headline"]}
        ),
        new_code_cell("print('\\n'.join(strings))"),
        new_code_cell(drawn),
    ]
    nbformat.write(new_notebook(cells=cells), odd)
    asked = {"workspace": "revops.toml", "period": "2026-Q3", "as_of": "2026-09-15", "by": SPLIT}
    into = folder / "reports"
    done = run(
        [*chosen, odd],
        asked,
        into,
        workdir=folder,
        title=STRINGS[1] + SPLIT,
        context={"company": STRINGS[0] + SPLIT, "period": SPLIT, "notes": list(STRINGS)},
        only={path.stem: {} for path in chosen if "by" not in parameters_of(path)},
    )
    assert [(each.notebook, each.error) for each in done if each.error] == []
    return into


class Chromium:
    """A headless browser, driven by its DevTools protocol."""

    FLAGS = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync"
        " --disable-background-networking --disable-component-update --remote-debugging-port=0"
        " --remote-allow-origins=*"
    )
    LOUD = ("Page.javascriptDialogOpening", "Runtime.consoleAPICalled", "Runtime.exceptionThrown",
            "Log.entryAdded", "Network.requestWillBeSent")  # fmt: skip

    def __init__(self, profile):
        from websocket import create_connection

        self.process = subprocess.Popen(
            ["chromium", *self.FLAGS.split(), f"--user-data-dir={profile}"],
            stderr=subprocess.PIPE,
            text=True,
        )
        addresses = (re.search(r"ws://\S+", line) for line in self.process.stderr)
        self.socket = create_connection(next(filter(None, addresses))[0], timeout=60)
        self.numbers, self.events, self.session = itertools.count(1), [], {}
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        self.session = {"sessionId": session}
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{domain}.enable")

    def ask(self, method, **params):
        number = next(self.numbers)
        self.socket.send(
            json.dumps({"id": number, "method": method, "params": params} | self.session)
        )
        while (said := json.loads(self.socket.recv())).get("id") != number:
            self.hear(said)
        return said["result"]

    def hear(self, said):
        self.events.append(said)
        # A dialog would hold up all else.
        if said["method"] == "Page.javascriptDialogOpening":
            answer = {"method": "Page.handleJavaScriptDialog", "params": {"accept": True}}
            self.socket.send(json.dumps({"id": 0} | answer | self.session))

    def open(self, page, width):
        """Open a page; give what was heard of it, and how far it reaches to the right."""
        self.events.clear()
        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
        self.ask("Emulation.setDeviceMetricsOverride", **size)
        self.ask("Page.navigate", url=page.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            said = json.loads(self.socket.recv())
            if "method" in said:
                self.hear(said)
        asked = "document.documentElement.scrollWidth"
        wide = self.ask("Runtime.evaluate", expression=asked)["result"]["value"]
        own = (page.as_uri(), "data:image/png;base64,")
        heard = [
            f"{event['method']}: {json.dumps(event['params'])[:300]}"
            for event in self.events
            if event["method"] in self.LOUD
            and not event["params"].get("request", {}).get("url", "").startswith(own)
        ]
        return heard, wide

    def close(self):
        self.socket.close()
        self.process.terminate()
        self.process.wait(10)
        self.process.stderr.close()


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    if not shutil.which("chromium"):
        pytest.skip("no Chromium here")
    pytest.importorskip("websocket", reason="jupyter_server's websocket-client is not installed")
    made = Chromium(tmp_path_factory.mktemp("profile"))
    yield made
    made.close()


def test_reports_run_nothing_load_nothing_and_keep_their_layout(reports, browser):
    pages = sorted(reports.glob("*.html"))
    assert len(pages) == len(notebooks(reports.parent)) + 2
    for page in pages:
        for width in (1280, 390):
            heard, wide = browser.open(page, width)
            assert heard == [], page.name
            assert wide <= width, page.name


def test_browser_hears_what_runs_and_loads(browser, tmp_path):
    page = tmp_path / "page.html"
    page.write_text(
        "<body><p style='width: 3000px'>x</p><img src='spy.png'><script>alert(1)</script>"
        "<script>console.log(1); nothing()</script>"
    )
    heard, wide = browser.open(page, 1280)
    assert wide >= 3000
    for method in Chromium.LOUD[:3] + Chromium.LOUD[4:]:
        assert any(each.startswith(method) for each in heard), method


def test_names_in_sentences_are_only_text():
    for string in STRINGS:
        said = Words(f"**Won** by {string}: see `revops check`.\n- {string}")._repr_markdown_()
        found = set(re.findall(r"<(\w+)", sanitize(markdown(said))))
        # A name that brings its own lines may make a list of them, and mark them as bold.
        assert {"p", "strong", "ul", "li"} <= found <= {"p", "strong", "ul", "li", "code", "ol"}


def test_csv_has_no_formulas_and_its_numbers_stay_numbers(folder):
    import csv

    result = kpis.conversion_rate(open_workspace(folder), "all", by=SPLIT)
    head, *rows = csv.reader(result.as_csv().splitlines(keepends=True))
    assert all(len(row) == len(head) for row in rows)
    cells = [cell for row in rows for cell in row]
    beginning = ("=", "+", "-", "@", "\t", "\r", "\n")
    assert not [cell for cell in cells if cell.startswith(beginning)]
    assert "\r" not in result.as_csv()
    assert {'\'=cmd|"/C calc"!A0', "'@SUM(A1:A9)", "'-2+3"} <= set(cells)
    assert [float(row[head.index("n")]) for row in rows]


def test_negative_numbers_are_no_formulas(folder):
    result = kpis.spend(open_workspace(folder), "2026-09")
    result.frame["value"] = -1240.5
    assert ",-1240.5," in result.as_csv()
