"""Reports read from notebooks that are already executed; `test_running.py` executes some."""

import json
import re
import shutil
import subprocess
import threading
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from revops_kit.report.index import other_runs
from revops_kit.report.pages import read_report, write_index, write_report
from revops_kit.report.sanitize import sanitize

PIXEL = (
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ"
    "AAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
)
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    '<a href="javascript:alert(1)">Acme</a>',
    '<a href="data:text/html,<script>alert(1)</script>">Acme</a>',
    '<a href="d&Tab;ata:text/html,<script>alert(1)</script>">Acme</a>',
    '<img src="https://example.com/spy.png">',
    '<img src="data:image/svg+xml;base64,PHN2Zy8+">',
    "<svg onload=alert(1)><script>alert(1)</script></svg>",
    '<iframe src="https://example.com"></iframe>',
    "<style>@import url(https://example.com/a.css); body { display: none }</style>",
    '<td style="background: url(https://example.com/a.png); position: fixed">Acme</td>',
    '<form action="https://example.com"><input name="password"></form>',
    '<meta http-equiv="refresh" content="0; url=https://example.com">',
    '<math><mtext><table><mglyph><style><img src=x onerror="alert(1)">',
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'>",
    "[Acme](javascript:alert(1))",
    "![Acme](https://example.com/spy.png)",
    "</main></body></html><script>alert(1)</script>",
    "<scr<script></script>ipt>alert(1)</scr<script></script>ipt>",
]


class Elements(HTMLParser):
    """The elements of a page, and all its text."""

    def __init__(self, page):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data

    def named(self, tag):
        return [attributes for name, attributes in self.found if name == tag]


def shown(**data):
    kinds = {"html": "text/html", "markdown": "text/markdown", "plain": "text/plain"}
    kinds["png"] = "image/png"
    metadata = {"image/png": data.pop("png_metadata", {})}
    return new_output(
        "display_data", {kinds[kind]: text for kind, text in data.items()}, metadata=metadata
    )


def executed(*cells, headline=None):
    """A notebook of Markdown (texts) and code cells (lists of outputs)."""
    made = [
        new_markdown_cell(c) if isinstance(c, str) else new_code_cell("secret_code()", outputs=c)
        for c in cells
    ]
    if headline:
        tags = {"tags": ["headline"]}
        made.insert(1, new_code_cell("secret_code()", outputs=headline, metadata=tags))
    return new_notebook(cells=made)


def page_of(notebook, **context):
    report = read_report(notebook, "win_rate")
    return write_report(report, {"version": "1.0", "as_of": None, **context})


def assert_harmless(page):
    elements = Elements(page)
    forbidden = {"script", "iframe", "object", "embed", "link", "base", "form", "input", "svg"}
    assert not forbidden & {tag for tag, _ in elements.found}
    for tag, attributes in elements.found:
        assert not any(name.startswith("on") for name in attributes)
        assert attributes.get("src", "data:image/png;").startswith("data:image/png;")
        href = attributes.get("href") or "#"
        assert href.startswith(("#", "https://", "mailto:")) or href.endswith(".html")
        assert "url(" not in attributes.get("style", "") or tag == "style"
        if tag == "meta" and "http-equiv" in attributes:
            assert attributes["http-equiv"] == "Content-Security-Policy"
    styles = page.split("<style>")[1].split("</style>")[0]
    assert "url(" not in styles
    assert "@import" not in styles
    assert page.count("<style") == page.count("</main>") == page.count("</body>") == 1


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_hidden_in_the_data_reaches_the_page(hostile):
    notebook = executed(
        f"# Win rate {hostile}\n\n{hostile}",
        f"## {hostile}",
        [
            shown(
                html=f"<table class='dataframe'><tbody><tr><td>{hostile}</td></tr></tbody></table>"
            )
        ],
        [shown(markdown=hostile), shown(plain=hostile)],
        [shown(png=PIXEL, png_metadata={"alt": f'"{hostile}'})],
        [chart({"columns": [hostile], "rows": [[hostile]], "of": 1}, hostile, [hostile])],
        [new_output("stream", name="stdout", text=hostile)],
        headline=[shown(html=hostile)],
    )
    assert_harmless(page_of(notebook, company=hostile, period=hostile, made_at=hostile))


@pytest.mark.parametrize("hostile", HOSTILE)
def test_nothing_hidden_in_the_data_reaches_the_index(hostile):
    report = {"file": "win_rate.html", "headline": hostile, "as_of": hostile, "made_at": hostile}
    other = {"folder": hostile, "period": hostile, "failed": 1}
    entry = {"title": hostile, "status": "failed", "error": hostile, "seconds": 1.0}
    page = write_index(
        {"win_rate": entry | {"report": report}, "cac": entry | {"report": None}},
        {
            "title": hostile,
            "company": hostile,
            "notes": [hostile],
            "others": [other],
            "tables": {hostile: {"team": hostile, "rows": 1, "newest": hostile}},
            "version": "1.0",
        },
    )
    assert_harmless(page)


def test_browser_is_told_to_load_and_run_nothing():
    policy = Elements(page_of(executed("# Win rate"))).named("meta")[1]
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert policy["content"].startswith(
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    )


def test_first_heading_is_the_title_and_the_sentence_below_it_the_question():
    report = read_report(executed("# Win rate\n\n*What share?*", "## Why?\n\nText"), "win_rate")
    assert report.title == "Win rate"
    assert report.question.strip() == "<p><em>What share?</em></p>"
    page = page_of(executed("# Win rate\n\n*What share?*", "# Second"))
    assert page.count("Win rate</h1>") == 1
    assert read_report(executed("# Win rate", "# Second"), "Win rate").title == "Win rate"
    assert read_report(executed("Text"), "win_rate").title == "win_rate"


def test_code_warnings_errors_and_reprs_stay_in_the_notebook():
    page = page_of(
        executed(
            "# Win rate",
            [
                new_output("stream", name="stderr", text="FutureWarning"),
                new_output("error", ename="ValueError", evalue="Smith", traceback=["Smith"]),
                shown(plain="<Axes: title='Smith'>"),
                new_output("stream", name="stdout", text="36 rows left out"),
            ],
        )
    )
    assert "36 rows left out" in page
    assert not any(word in page for word in ("secret_code", "FutureWarning", "Smith"))


@pytest.mark.parametrize(
    ("output", "text"),
    [
        (
            shown(markdown="We won **63 %** of $3 M,\nup from $2 M"),
            "We won 63 % of $3 M, up from $2 M",
        ),
        (shown(html="<p>Won 63&nbsp;% &amp; <b>rising</b></p>"), "Won 63\xa0% & rising"),
        (shown(plain="'We won 63\\u202f%, Smith\\'s best'"), "We won 63\u202f%, Smith's best"),
        (new_output("stream", name="stdout", text="We won 63 %\n"), "We won 63 %"),
    ],
)
def test_headline_is_kept_as_plain_text(output, text):
    report = read_report(executed("# Win rate", headline=[output]), "win_rate")
    assert report.headline_text == text


def test_headline_stands_in_the_masthead_and_not_again_below():
    page = page_of(executed("# Win rate", "## Why", headline=[shown(markdown="We won **63 %**.")]))
    assert page.count("We won") == 1
    assert page.index("We won") < page.index("</header>")


def test_without_a_headline_there_is_none():
    assert read_report(executed("# Win rate"), "win_rate").headline_text is None


def test_two_amounts_of_money_are_no_formula():
    page = page_of(executed("# Win rate", "From **$2 M** to **$3 M**"))
    assert "From $2 M to $3 M" in Elements(page).text


def test_contents_list_leads_to_every_heading():
    elements = Elements(page_of(executed("# Win rate", "## Why?", "### Why?", "## Rows\n\n# One")))
    targets = [attributes["id"] for tag, attributes in elements.found if "id" in attributes]
    links = [a["href"] for a in elements.named("a") if a["href"].startswith("#")]
    assert links == [f"#{target}" for target in targets]
    assert len(set(links)) == 3


def test_chart_carries_the_alt_text_of_its_metadata_or_its_section():
    told = shown(png=PIXEL, png_metadata={"alt": "Win rate: 63 % in May", "width": 600})
    elements = Elements(page_of(executed("# Win rate", "## Trend", [told, shown(png=PIXEL)])))
    pictures = elements.named("img")
    assert [picture["alt"] for picture in pictures] == ["Win rate: 63 % in May", "Chart: Trend"]
    assert pictures[0]["width"] == "600"
    assert pictures[0]["src"] == f"data:image/png;base64,{PIXEL}"


def chart(numbers, title="Win rate", notes=(), **words):
    """What a chart says of itself: 300 pixels high, of which 40 are words above, 20 below."""
    words = {"title": title, "question": "What share?", "notes": list(notes), **words}
    about = {"alt": "Win rate: 63 %", "width": 600, "height": 300, "numbers": numbers}
    return shown(png=PIXEL, png_metadata=about | {"words": words | {"above": 40, "below": 20}})


TREND = {
    "columns": ["period", "value", "low"],
    "rows": [["2026-08", 0.1 + 0.2, None], ["2026-09", 1240000.5, 1]],
    "of": 2,
}


def test_words_of_a_chart_are_set_in_type_and_cut_off_the_picture():
    page = page_of(executed("# Win rate", [chart(TREND, notes=["2026-09 is partial."])]))
    (picture,) = Elements(page).named("img")
    assert (picture["width"], picture["height"]) == ("600", "240")
    assert picture["style"] == "aspect-ratio: 600 / 240; object-position: 0 66.67%"
    before, after = page.split("<img")
    assert '<figcaption><p class="title">Win rate</p><p>What share?</p></figcaption>' in before
    assert "September 2026</span> is partial.</p>" in after


def test_numbers_of_a_chart_unfold_below_it_in_full():
    page = page_of(executed("# Win rate", [chart(TREND)]))
    details = page.split('<details class="numbers">')[1].split("</details>")[0]
    assert '<summary>Numbers<span class="unseen"> of Win rate</span></summary>' in details
    assert '<th scope="col">Period</th><th class="number" scope="col">Value</th>' in details
    # 0.1 + 0.2 is 0.30000000000000004 to a computer
    assert (
        '<th scope="row">August 2026</th><td class="number">0.3</td><td class="number">–</td>'
        in (details)
    )
    assert '<td class="number">1,240,000.5</td><td class="number">1</td>' in details


def test_where_there_is_nothing_to_draw_a_sentence_stands_in_place_of_the_picture():
    page = page_of(executed("# Win rate", [chart(TREND, absent="Not available: needs leads.")]))
    assert '<p class="absent">Not available: needs leads.</p>' in page
    assert Elements(page).named("img") == Elements(page).named("details") == []


def test_numbers_that_are_not_all_there_say_so():
    page = page_of(executed("# Win rate", [chart(TREND | {"of": 1_000})]))
    assert "2 of 1,000 rows, evenly spaced." in page


def test_names_among_the_numbers_of_a_chart_are_only_names():
    hostile = {"columns": ["<b>name", "value"], "rows": [["<script>{0}\x00</script>", 1]], "of": 1}
    page = page_of(executed("# Win rate", [chart(hostile)]))
    assert '<th scope="col">&lt;b&gt;name</th>' in page
    assert '<th scope="row">&lt;script&gt;{0}&lt;/script&gt;</th>' in page


def test_first_chart_over_periods_is_the_trend_of_the_report():
    split = {"columns": ["period", "region", "value"], "rows": [["2026-08", "EMEA", 1]], "of": 1}
    notebook = executed("# Win rate", [chart(split), chart(TREND), chart(split)])
    assert read_report(notebook, "win_rate").trend == (0.1 + 0.2, 1240000.5)
    assert read_report(executed("# Win rate", [chart(split)]), "win_rate").trend == ()


def test_trend_of_a_forecast_is_what_came():
    ahead = [["2026-08", 5, None], ["2026-09", 7, None], ["2026-10", None, 8]]
    drawn = chart({"columns": ["period", "actual", "mean"], "rows": ahead, "of": 3})
    assert read_report(executed("# Forecast", [drawn]), "forecast").trend == (5, 7)


def test_long_words_have_room_and_days_one_line():
    import pandas as pd
    from great_tables import GT

    frame = pd.DataFrame({"day": ["2026-09-30"], "note": ["a remark that takes " * 3]})
    cells = {
        cell.get_text().strip()[:8]: cell["class"]
        for cell in BeautifulSoup(
            page_of(executed("# Win rate", [shown(html=GT(frame)._repr_html_())])), "html.parser"
        ).find_all("td")
    }
    assert "day" in cells["2026-09-"]
    assert "long" in cells["a remark"]


def test_no_line_of_prose_ends_within_a_period_or_a_figure():
    page = page_of(executed("# Win rate", "Up −€5.2 k on 2026-08 (95 % interval), `a-1`"))
    held = re.findall(r'<span class="unbroken">(.*?)</span>', page)
    assert held == ["−€5.2 k", "August 2026", "95 %"]


def test_note_of_a_table_stands_below_it():
    import pandas as pd
    from great_tables import GT

    table = GT(pd.DataFrame({"rate": [0.25]})).tab_source_note("5 touches are left out.")
    page = page_of(executed("# Win rate", [shown(html=table._repr_html_())]))
    assert '</table></div><p class="note">5 touches are left out.</p>' in re.sub(
        r">\s+<", "><", page
    )
    assert "<tfoot" not in page


def index_of(entries, **context):
    return write_index(
        {name: {"error": None, "seconds": 1.0, **entry} for name, entry in entries.items()},
        {"title": "September", "version": "1.0", **context},
    )


def done(headline="Win rate: 63 %", as_of="2026-09-30", trend=(1, 2, 3)):
    report = {"file": "win_rate.html", "headline": headline, "as_of": as_of, "trend": trend}
    return {"title": "Win rate", "status": "done", "report": report | {"made_at": None}}


def test_index_shows_each_headline_with_its_trend():
    page = index_of({"win_rate": done()}, as_of="2026-09-30", made_at=None)
    assert '<a href="win_rate.html">Win rate</a>' in page
    assert '<p class="says">Win rate: <span class="unbroken">63 %</span></p>' in page
    assert Elements(page).named("img")[0]["src"].startswith("data:image/png;base64,iVBOR")
    assert 'class="notices"' not in page


def test_index_tells_what_failed_and_what_is_stale():
    failed = {"title": "CAC", "status": "failed", "error": "Cell [3] failed.", "report": None}
    page = index_of(
        {"win_rate": done(as_of="2026-08-31"), "cac": failed},
        as_of="2026-09-30",
        made_at="2026-12-01 09:00",
        tables={
            "spend": {"team": "marketing", "rows": 7, "newest": "2026-07-31"},
            "leads": {"team": "marketing", "rows": 7, "newest": "2026-09-01"},
            "changes": {"team": "operations", "rows": 7, "newest": "2024-01-01"},
        },
    )
    assert '<p class="question">2 reports, 1 of them failed</p>' in page
    notices = re.findall(r"<li>(.*?)</li>", page.split('class="notices"')[1].split("</ul>")[0])
    assert notices == [
        "Failed: CAC.",
        "The data end 62 days before these reports were made.",
        "Stale: spend (61 days behind).",
    ]
    assert "Stale: as of 31 August 2026" in page
    assert page.count('class="behind">61 days behind') == 1


def test_index_links_to_the_runs_in_the_folders_beside_it(tmp_path):
    for name, record in {
        "2026-07": {"period": "2026-07", "notebooks": {"cac": {"status": "failed"}}},
        "2026-08": {"period": "2026-08", "notebooks": {}},
        "2026-09": {"period": "2026-09", "notebooks": {}},
        "elsewhere": ["no run of ours"],
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "index.html").write_text("")
        (tmp_path / name / "run.json").write_text(json.dumps(record))
    others = other_runs(tmp_path / "2026-09")
    assert [each["folder"] for each in others] == ["2026-08", "2026-07"]
    page = index_of({}, others=others)
    assert '<a href="../2026-08/index.html">August 2026</a>' in page
    assert '<a href="../2026-07/index.html">July 2026</a> <span class="behind">(1 failed)' in page


def test_numbers_of_a_pandas_frame_are_set_right_with_their_heads():
    import pandas as pd

    frame = pd.DataFrame({"region": ["EMEA", "APAC"], "won": [1204, 88], "rate": [0.25, None]})
    table = page_of(executed("# Win rate", [shown(html=frame._repr_html_())]))
    assert '<th class="number">won</th>' in table
    assert '<th class="number">rate</th>' in table
    assert "<th>region</th>" in table
    assert '<td class="number">1204</td>' in table
    assert "<td>EMEA</td>" in table


def test_great_table_keeps_its_alignment_and_colours_and_loses_its_stylesheet():
    import pandas as pd
    from great_tables import GT

    frame = pd.DataFrame({"region": ["EMEA", "APAC"], "rate": [0.25, 0.5]})
    table = GT(frame).tab_header("Win rate by region").data_color("rate", palette=["#fff", "#000"])
    page = page_of(executed("# Win rate", [shown(html=table._repr_html_())]))
    assert 'class="gt_row gt_right" style="color:#000000;background-color:#ffffff"' in page
    assert 'aria-label="Win rate by region"' in page
    assert_harmless(page)


def test_cards_and_verdicts_pass():
    cards = (
        '<div class="cards"><div class="card"><div class="label">Win rate</div>'
        '<div class="value">23.4 %</div><div class="change good">+2 pp, better</div>'
        f'<img alt="rising" src="data:image/png;base64,{PIXEL}"></div></div>'
        '<div class="verdict"><p>Noise.</p></div><p class="note">As counted.</p>'
        "<details><summary>Data</summary><table><tbody><tr><td>1</td></tr></tbody></table></details>"
    )
    assert sanitize(cards) == cards


def test_marks_that_turn_text_around_are_taken_out():
    assert sanitize("<p>Acme \u202egnp.exe\x00</p>") == "<p>Acme gnp.exe</p>"


def test_page_weighs_little():
    assert len(page_of(executed("# Win rate"))) < 20_000


@pytest.fixture
def spy():
    """A server that keeps what it is asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            server.asked.append(self.path)
            self.send_error(404)

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def opened(page, folder):
    """Open a page in Chromium and give its document as it then stands."""
    (folder / "page.html").write_text(page)
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync"
        " --disable-background-networking --disable-component-update --dump-dom"
    )
    command = ["chromium", *flags.split(), f"--user-data-dir={folder / 'profile'}"]
    document = (folder / "page.html").as_uri()
    return subprocess.run([*command, document], capture_output=True, text=True, timeout=60).stdout


@pytest.mark.skipif(not shutil.which("chromium"), reason="no Chromium here")
def test_browser_loads_and_runs_nothing(spy, tmp_path):
    address = f"http://127.0.0.1:{spy.server_port}"
    hostile = (
        f'<img src="{address}/a.png"><script>fetch("{address}/b")</script>'
        f"<img src=x onerror=\"document.body.id='hurt'; fetch('{address}/c')\">"
        f'<style>@import url("{address}/d.css"); p {{ background: url({address}/e.png) }}</style>'
        f'<p style="background: url({address}/f.png)">Acme</p><iframe src="{address}/g"></iframe>'
    )
    page = page_of(
        executed(
            f"# Win rate {hostile}", hostile, [shown(html=hostile)], headline=[shown(html=hostile)]
        ),
        company=hostile,
    )
    after = opened(page, tmp_path)
    assert spy.asked == []
    assert "Acme</p>" in after
    assert "hurt" not in after.split("</header>")[1]
    # The same without the kit, to know that this test can fail.
    assert "hurt" in opened(f"<body>{hostile}", tmp_path)
    assert {"/a.png", "/b"} <= set(spy.asked)
