"""Every report of a run, opened in Chromium as readers do: on a phone, in the dark, on paper."""

import asyncio
import json
import re
import shutil
import subprocess
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_markdown_cell, new_notebook
from tornado.websocket import websocket_connect

from revops_kit import report
from revops_kit.errors import ReportError
from revops_kit.report import printing
from revops_kit.report.pages import read_report, write_report
from revops_kit.share import notebooks

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / ".cache/axe/node_modules/axe-core/axe.min.js"
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync"
    " --disable-background-networking --disable-component-update --remote-debugging-port=0"
)
# What a browser tells of a page that is not as quiet as it should be.
NOISE = {
    "Log.entryAdded",
    "Runtime.consoleAPICalled",
    "Runtime.exceptionThrown",
    "Page.javascriptDialogOpening",
}
LOOK = """(() => {
  const all = selector => [...document.querySelectorAll(selector)]
  return {
    overflow: document.documentElement.scrollWidth - innerWidth,
    unlabelled: all("img").filter(each => !each.hasAttribute("alt")).length,
    broken: all("img").filter(each => !each.naturalWidth).length,
    charts: all("figure.chart").length,
    told: all("figure.chart > details.numbers td").length,
    links: all("a").map(each => each.getAttribute("href")),
    targets: all("[id]").map(each => "#" + each.id),
  }
})()"""
# The numbers behind a chart are hundreds of cells of one look, each as dear as a page to measure.
AUDIT = """(async () => {
  document.querySelectorAll("details").forEach(each => each.open = true)
  document.querySelectorAll(".numbers tbody tr:nth-child(n+4)").forEach(each => each.remove())
  const found = await axe.run({resultTypes: ["violations"]})
  return found.violations.filter(each => ["serious", "critical"].includes(each.impact))
    .map(each => `${each.id}: ${each.nodes[0].html} ${each.nodes[0].failureSummary}`)
})()"""

needs_chromium = pytest.mark.skipif(not shutil.which("chromium"), reason="no Chromium here")


class Tab:
    """A tab of Chromium, spoken to by the DevTools protocol."""

    def __init__(self, socket):
        self.socket, self.session, self.count, self.events = socket, {}, 0, []

    async def ask(self, method, **params):
        self.count += 1
        asked = {"id": self.count, "method": method, "params": params, **self.session}
        await self.socket.write_message(json.dumps(asked))
        while (answer := await self._next()).get("id") != self.count:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    async def open(self, page, width=1280, scheme="light", csp=True):
        await self.ask("Page.setBypassCSP", enabled=not csp)
        await self.ask(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=844,
            deviceScaleFactor=1,
            mobile=width < 500,
        )
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        await self.ask("Emulation.setEmulatedMedia", features=media)
        self.events.clear()
        await self.ask("Page.navigate", url=page.as_uri())
        while not any(each["method"] == "Page.loadEventFired" for each in self.events):
            self.events.append(await self._next())

    async def see(self, script):
        asked = {"expression": script, "awaitPromise": True, "returnByValue": True}
        answer = await self.ask("Runtime.evaluate", **asked)
        assert "exceptionDetails" not in answer, answer
        return answer["result"].get("value")

    def told(self, *methods):
        return [each["params"] for each in self.events if each.get("method") in methods]

    async def _next(self):
        return json.loads(await asyncio.wait_for(self.socket.read_message(), 60))


@asynccontextmanager
async def chromium():
    """Start a browser with one tab."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = ["chromium", *FLAGS.split(), f"--user-data-dir={profile}", "about:blank"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
            try:
                address = next(filter(None, (re.search(r"ws://\S+", x) for x in process.stderr)))
                socket = await websocket_connect(address.group(), max_message_size=2**27)
                tab = Tab(socket)
                made = await tab.ask("Target.createTarget", url="about:blank")
                held = await tab.ask(
                    "Target.attachToTarget", targetId=made["targetId"], flatten=True
                )
                tab.session = {"sessionId": held["sessionId"]}
                for domain in ("Page", "Runtime", "Network", "Log"):
                    await tab.ask(f"{domain}.enable")
                yield tab
                tab.session = {}
                await tab.ask("Browser.close")
                while await socket.read_message() is not None:
                    pass
                socket.close()
            finally:
                process.terminate()


def another_period(folder):
    """Leave what the index should link to: a run of the month before."""
    folder.mkdir()
    (folder / "index.html").write_text("<!doctype html><title>August</title>")
    (folder / "run.json").write_text(json.dumps({"period": "2026-08", "notebooks": {}}))


def test_every_report_of_a_run_is_quiet_whole_and_for_everybody(tmp_path, warm_parent):
    another_period(tmp_path / "2026-08")
    done = report.run(
        list(notebooks(ROOT).values()),
        {"workspace": "revops.toml", "period": "2026-09", "as_of": "2026-09-30"},
        tmp_path / "2026-09",
        workdir=ROOT,
        title="September",
        context={"company": "Brindlemoor", "period": "2026-09", "as_of": "2026-09-30"},
    )
    assert [each.error for each in done if each.error] == []
    pages = [each.html for each in done]
    for page in pages:
        said = "".join(shown(page.with_suffix(".ipynb")))
        assert "nan" not in re.findall(r"[a-z]+", said), page.stem
        assert said.count("<table") >= 2, page.stem
        text = page.read_text("utf-8")
        assert len(text.encode()) < 600_000
        assert len(re.sub(r"<main>.*</main>", "", text, flags=re.S).encode()) < 30_000
    if not shutil.which("chromium"):
        pytest.skip("no Chromium here")
    asyncio.run(read_by_everybody([*pages, tmp_path / "2026-09" / "index.html"]))
    if not AXE.exists():
        pytest.skip("axe-core is not here; .ci/run installs it")


def shown(notebook):
    """Give what the cells of a notebook show, and of their charts the words."""
    for cell in nbformat.read(notebook, as_version=4).cells:
        for each in cell.get("outputs", []):
            words = [each.get("data", {}).get(f"text/{kind}", "") for kind in ("html", "markdown")]
            yield from [*words, each.get("metadata", {}).get("image/png", {}).get("alt", "")]


async def read_by_everybody(pages):
    """Open pages on a phone: nothing is loaded or said, all is there, and fits."""
    async with chromium() as tab:
        for page in pages:
            await tab.open(page, width=390)
            seen = await tab.see(LOOK)
            loaded = [each["request"]["url"] for each in tab.told("Network.requestWillBeSent")]
            assert [url for url in loaded if not url.startswith("data:")] == [page.as_uri()]
            assert tab.told(*NOISE) == []
            assert seen["overflow"] <= 0, page.name
            assert (seen["unlabelled"], seen["broken"]) == (0, 0)
            if page.stem != "index":
                assert seen["charts"] > 0
                assert seen["told"] > seen["charts"]
            for link in seen["links"]:
                if link.startswith("#"):
                    assert link in seen["targets"]
                else:
                    assert (page.parent / link).exists(), f"{page.name} links to {link}"
            if page.stem == "index":
                assert "../2026-08/index.html" in seen["links"]
        if AXE.exists():
            await audited(tab, pages)


async def audited(tab, pages):
    """Have axe-core look for what shuts readers out, by day and by night."""
    for page in pages:
        for scheme in ("light", "dark") if page.stem in ("overview", "index") else ("light",):
            await tab.open(page, scheme=scheme, csp=False)
            await tab.see(AXE.read_text("utf-8"))
            assert await tab.see(AUDIT) == [], f"{page.name}, {scheme}"


def paper(folder, *names):
    """Write reports, each of one sentence."""
    folder.mkdir(exist_ok=True)
    for name in names:
        notebook = new_notebook(cells=[new_markdown_cell(f"# {name}\n\nText")])
        context = {"version": "1.0", "as_of": None}
        page = write_report(read_report(notebook, name), context)
        (folder / f"{name}.html").write_text(page)
    return [folder / f"{name}.html" for name in names]


@needs_chromium
@pytest.mark.parametrize(("currency", "size"), [("EUR", (594.96, 841.92)), ("USD", (612, 792))])
def test_reports_are_printed_beside_the_html_on_the_paper_of_the_country(tmp_path, currency, size):
    (printed,) = printing.print_reports(paper(tmp_path, "churn"), currency)
    assert printed == tmp_path / "churn.pdf"
    box = re.search(rb"/MediaBox \[0 0 ([\d.]+) ([\d.]+)\]", printed.read_bytes())
    assert tuple(map(float, box.groups())) == pytest.approx(size, abs=1)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["churn.html", "churn.pdf"]


def test_without_a_browser_a_sentence_says_how_to_get_one(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(printing, "PLACES", ())
    with pytest.raises(ReportError, match="install Chromium, Google Chrome or Microsoft Edge"):
        printing.print_reports(paper(tmp_path, "churn"), "EUR")


def test_browser_that_prints_nothing_leaves_the_last_pdf(tmp_path, monkeypatch):
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "chromium").write_text("#!/bin/sh\nexit 1\n")
    (tmp_path / "bin" / "chromium").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    pages = paper(tmp_path / "reports", "churn")
    (tmp_path / "reports" / "churn.pdf").write_bytes(b"%PDF- the last")
    with pytest.raises(ReportError, match=r"churn\.html could not be printed"):
        printing.print_reports(pages, "EUR")
    assert (tmp_path / "reports" / "churn.pdf").read_bytes() == b"%PDF- the last"
