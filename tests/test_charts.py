"""Charts draw the numbers they are given, say in words what they leave out, and never fail."""

import io
import math
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import date
from html.parser import HTMLParser

import matplotlib
import nbformat
import numpy as np
import pandas as pd
import pytest
from IPython.core.formatters import DisplayFormatter
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from nbconvert import HTMLExporter
from PIL import Image

from revops_kit import charts, journeys, kpis, samples
from revops_kit.charts import chart as look
from revops_kit.charts import page
from revops_kit.charts.chart import numbers
from revops_kit.errors import ReportError, RequestError
from revops_kit.kpi import Summary, proportion, total
from revops_kit.units import COUNT, MONEY, SHARE, Unit

HOSTILE = [
    "W" * 10_000,
    "line\nbreak\r\n\ttab",
    r"$\frac{1}{0}$ costs $5",
    "\u202egnp.exe\u202c",
    "nul\x00byte",
    "東京オフィス",
    "<img src=x onerror=alert(1)>",
    "",
]


@dataclass
class Kpi:
    """As much of a KPI as a chart asks for."""

    unit: Unit = SHARE
    better: str = "higher"
    name: str = "conversion_rate"
    title: str = "Conversion rate"
    question: str = "What share of leads has become customers?"
    counts: str = "leads"
    summary: Summary = proportion


@dataclass
class Result:
    """As much of a result as a chart asks for."""

    frame: pd.DataFrame
    kpi: Kpi = field(default_factory=Kpi)
    by: str = ""
    currency: str = "USD"
    as_of: date = date(2026, 4, 12)
    missing_because: str = ""

    def differing(self) -> dict[str, str]:
        return {}


def rows(values, by="", segment="", n=100, last_is_partial=False, half=0.01) -> pd.DataFrame:
    """Build a result's rows from January 2026 on, with intervals of plus and minus `half`."""
    periods = pd.period_range("2026-01", periods=len(values), freq="M")
    values = np.array(values, float)
    frame = pd.DataFrame(
        {
            "period": periods.astype(str),
            "start": periods.start_time,
            "value": values,
            "low": values - half,
            "high": values + half,
            "n": n,
            "numerator": values * n,
            "denominator": n,
            "is_partial": [False] * (len(values) - 1) + [last_is_partial] * min(len(values), 1),
            "missing_because": [
                f"no leads were created in {period}" if math.isnan(value) else None
                for period, value in zip(periods, values, strict=True)
            ],
            "note": None,
        }
    )
    return frame.assign(**{by: segment}) if by else frame


def split(values: dict[str, list[float]], kpi: Kpi | None = None) -> Result:
    """Build a result by source; the n of the segments fall from 100 by one each."""
    frames = [rows(v, "source", s, n=100 - i) for i, (s, v) in enumerate(values.items())]
    return Result(pd.concat(frames, ignore_index=True), kpi or Kpi(), by="source")


def drawn(axes, label: str) -> list[float]:
    """Read a line's heights back from the picture, NaN as None."""
    (line,) = [line for line in axes.lines if line.get_label() == label]
    return [None if math.isnan(height) else height for height in line.get_ydata()]


def words(chart: charts.Chart) -> str:
    """Read everything written in a picture."""
    return "\n".join(text.get_text() for text in chart.figure.findobj(matplotlib.text.Text))


def test_trend_draws_the_frame():
    frame = rows([0.10, 0.12, 0.11])
    chart = charts.trend(Result(frame))
    axes = chart.figure.axes[0]
    assert drawn(axes, "value") == [0.10, 0.12, 0.11]
    band = axes.collections[0].get_paths()[0].vertices
    assert {*band[:, 1].round(6)} == {0.09, 0.11, 0.13, 0.10, 0.12}
    assert chart.data["value"].tolist() == frame["value"].tolist()
    assert chart.alt == (
        "Conversion rate, January 2026 to March 2026: 11.0\u202f% in March 2026, between "
        "10.0\u202f% and 12.0\u202f%. Lowest 10.0\u202f% in January 2026, highest 12.0\u202f% in "
        "February 2026."
    )


def test_result_is_left_as_it_was():
    result = split({"Events": [0.1, math.nan], "Email": [0.2, 0.3]})
    before = result.frame.copy(deep=True)
    charts.trend(result)
    charts.breakdown(result)
    pd.testing.assert_frame_equal(result.frame, before)


def test_missing_value_is_a_gap_with_its_reason():
    chart = charts.trend(Result(rows([0.10, math.nan, 0.11, 0.12])))
    assert drawn(chart.figure.axes[0], "value") == [0.10, None, 0.11, 0.12]
    assert "No leads were created in February 2026." in words(chart)
    assert "1 missing" in chart.alt


def test_absent_period_is_a_gap_too():
    frame = rows([0.10, 0.12, 0.11, 0.13]).drop(index=1)
    assert drawn(charts.trend(Result(frame)).figure.axes[0], "value") == [0.10, None, 0.11, 0.13]


def test_point_between_gaps_keeps_its_mark_and_interval():
    axes = charts.trend(Result(rows([0.1, math.nan, 0.2, math.nan, 0.1, 0.1]))).figure.axes[0]
    assert drawn(axes, "lonely") == [0.1, None, 0.2, None, None, None]
    whiskers = [path.vertices[:, 1].round(2).tolist() for path in axes.collections[-1].get_paths()]
    assert whiskers == [[0.09, 0.11], [0.19, 0.21]]


def test_partial_period_is_hollow_dashed_and_named():
    chart = charts.trend(Result(rows([0.10, 0.12, 0.05], last_is_partial=True)))
    axes = chart.figure.axes[0]
    assert drawn(axes, "value") == [0.10, 0.12, None]
    assert drawn(axes, "opening") == [None, 0.12, 0.05]
    assert drawn(axes, "partial") == [None, None, 0.05]
    hollow = next(line for line in axes.lines if line.get_label() == "partial")
    assert hollow.get_markerfacecolor() == "white"
    assert "5.0\u202f% partial" in words(chart)
    assert "March 2026 is partial, with data to 12 April 2026." in words(chart)
    assert "5.0\u202f% in March 2026 (partial)" in chart.alt


def test_target_is_drawn_and_told():
    chart = charts.trend(Result(rows([0.10, 0.12])), target=0.2)
    axes = chart.figure.axes[0]
    assert any(list(line.get_ydata()) == [0.2, 0.2] for line in axes.lines)
    assert axes.get_ylim()[1] > 0.2
    assert "target 20.0\u202f%" in words(chart)
    assert chart.alt.endswith("The target is 20.0\u202f%.")


def test_names_at_the_ends_of_lines_do_not_overlap():
    chart = charts.trend(split({"a": [0.1, 0.2], "b": [0.1, 0.2], "c": [0.1, 0.2], "d": [0, 0.2]}))
    chart.png()
    axes = chart.figure.axes[0]
    middles = sorted(text.get_position()[1] * axes.bbox.height for text in axes.texts)
    # Two lines of 10.5 points at 120 dots an inch.
    assert len(middles) == 4
    assert min(np.diff(middles)) > 2 * 10.5 * 120 / 72


def test_segment_that_ended_says_when():
    chart = charts.trend(split({"Events": [0.1, 0.2, 0.3], "Email": [0.2, 0.1, math.nan]}))
    assert "Email 10.0\u202f% in February 2026" in chart.alt


def test_segment_without_a_name_is_still_a_segment():
    chart = charts.trend(split({"": [0.1, 0.2]}))
    assert "(blank)\n20.0\u202f%" in words(chart)
    assert chart.alt.endswith("last values: (blank) 20.0\u202f%.")


def test_more_than_four_segments_have_a_panel_each_on_one_scale():
    chart = charts.trend(split({s: [i / 10, i / 9] for i, s in enumerate("abcde", 1)}), target=0.3)
    panels = [axes for axes in chart.figure.axes if axes.lines]
    assert [drawn(axes, "value") for axes in panels] == [[i / 10, i / 9] for i in range(1, 6)]
    assert len({axes.get_ylim() for axes in panels}) == 1
    assert "Dotted: the target, 30.0\u202f%." in words(chart)


def test_of_many_segments_the_largest_are_shown_and_the_rest_counted():
    result = split({s: [0.1, 0.2] for s in "abcdefghijk"})
    chart = charts.trend(result)
    assert chart.data["source"].unique().tolist() == list("abcdefghi")
    # n is 91 for j and 90 for k, in two months each.
    assert "2 smaller segments (n 362) not shown." in words(chart)


def test_breakdown_sorts_and_draws_dots_with_whiskers():
    chart = charts.breakdown(
        split({"Events": [0.1], "Email": [math.nan], "Paid": [0.3]}), whole=0.2
    )
    axes = chart.figure.axes[0]
    assert [text.get_text() for text in axes.texts[:3]] == ["Paid", "Events", "Email"]
    assert axes.lines[0].get_xdata()[:2].tolist() == [0.3, 0.1]
    whiskers = [path.vertices[:, 0].round(2).tolist() for path in axes.collections[0].get_paths()]
    assert whiskers[:2] == [[0.29, 0.31], [0.09, 0.11]]
    assert not axes.patches
    assert "no leads were created in January 2026" in words(chart)
    assert chart.alt == (
        "Conversion rate by source, January 2026: Paid 30.0\u202f% (n 98), Events 10.0\u202f% "
        "(n 100), Email no value: no leads were created in January 2026 (n 99). The whole is "
        "20.0\u202f%."
    )


def test_breakdown_of_money_draws_bars_from_zero():
    chart = charts.breakdown(split({"Events": [1000], "Paid": [3000]}, Kpi(MONEY)))
    axes = chart.figure.axes[0]
    assert [(bar.get_x(), bar.get_width()) for bar in axes.patches] == [(0, 3000), (0, 1000)]
    assert axes.get_xlim()[0] == 0


def test_parts_of_a_sum_are_written_as_shares_of_it():
    bookings = Kpi(MONEY, summary=total)
    chart = charts.breakdown(split({"Events": [1000], "Paid": [3000]}, bookings), whole=4000)
    assert {"of the whole", "75.0\u202f%", "25.0\u202f%"} <= set(words(chart).split("\n"))
    assert not chart.figure.axes[0].get_lines()
    assert chart.alt.endswith("The whole is $4,000.")


def test_long_remarks_on_segments_stand_with_the_numbers():
    result = split({"Events": [0.1], "Paid": [0.3]})
    result.frame["note"] = ["unpaid " * 30, "its first month"]
    chart = charts.breakdown(result)
    assert chart.figure.words.notes == ["Remarks on segments stand with the numbers."]
    assert chart.data.note.tolist() == ["its first month", "unpaid " * 30]


def test_segments_that_differ_by_more_than_chance_are_named():
    deals = [
        {"opportunity_id": f"{region}{at}", "region": region, "closed_at": "2026-09-15",
         "outcome": "won" if at < won else "lost"}
        for region, won in (("EMEA", 40), ("AMER", 10), ("APAC", 25))
        for at in range(50)
    ]  # fmt: skip
    ws = samples.workspace({"opportunities": deals}, as_of="2026-09-30")
    chart = charts.breakdown(kpis.win_rate(ws, "2026-09", by="region"))
    # 40 of 50 against 35 of 100, and 10 of 50 against 65 of 100; 25 of 50 is the mean.
    assert chart.figure.words.notes == ["Beyond chance: AMER below the rest, EMEA above the rest."]


def test_breakdown_draws_the_last_period_and_its_notes():
    result = split({"Events": [0.1, 0.2], "Paid": [0.3, 0.4]})
    result.frame["note"] = [None, "unpaid", None, None]
    chart = charts.breakdown(result)
    assert chart.data["period"].unique().tolist() == ["2026-02"]
    assert chart.data["value"].tolist() == [0.4, 0.2]
    assert "Events: unpaid." in words(chart)


def test_funnel_shares_are_of_the_step_before_and_of_the_first():
    chart = charts.funnel(pd.DataFrame({"step": ["a", "b", "c", "d"], "count": [200, 50, 0, 10]}))
    assert [bar.get_width() for bar in chart.figure.axes[0].patches] == [200, 50, 0, 10]
    assert chart.data["of_previous"].tolist()[1:3] == [0.25, 0.0]
    assert math.isnan(chart.data["of_previous"][3])
    assert chart.data["of_first"].tolist()[1:] == [0.25, 0.0, 0.05]


def steps(*written) -> pd.DataFrame:
    return pd.DataFrame(written, columns=["step", "amount", "kind"])


def followed(by="", regions=("A",), as_of="2026-02-10"):
    """Follow, in each region, a deal won on day 10, one open since 15, one lost on day 20."""
    columns = ("outcome", "opened_at", "closed_at")
    deals = [
        ("won", "2026-01-01", "2026-01-11"),
        ("open", "2026-01-26", None),
        ("lost", "2026-01-01", "2026-01-21"),
    ]
    made = [
        {
            "opportunity_id": f"{region}{key}",
            "region": region,
            **dict(zip(columns, deal, strict=True)),
        }
        for region in regions
        for key, deal in enumerate(deals)
    ]
    return journeys.incidence(samples.workspace({"opportunities": made}, as_of=as_of), "all", by)


def test_incidence_draws_both_ends_in_steps_from_nothing():
    chart = charts.incidence(followed())
    axes = chart.figure.axes[0]
    assert drawn(axes, "won") == pytest.approx([0, 1 / 3, 1 / 3, 1 / 3])
    assert drawn(axes, "lost") == pytest.approx([0, 0, 0, 2 / 3])
    assert {line.get_drawstyle() for line in axes.lines} == {"steps-post"}
    assert axes.lines[0].get_xdata().tolist() == [0, 10, 15, 20]
    assert {"won\n33.3\u202f%", "lost\n66.7\u202f%"} <= {text.get_text() for text in axes.texts}
    assert "1 deal still open" in words(chart)
    assert chart.alt == (
        "From start to decision, 3 deals: won 33.3\u202f% by day 20; lost 66.7\u202f% by day 20."
    )


def test_incidence_by_segment_shows_the_largest_and_counts_the_rest():
    chart = charts.incidence(followed("region", HOSTILE[1:]))
    assert chart.data["region"].nunique() == len(chart.figure.axes[0].lines) == 4
    assert "3 smaller segments (9 deals) not shown." in words(chart)
    assert chart.png()


def test_incidence_that_is_not_available_says_what_it_needs():
    chart = charts.incidence(followed(as_of=None))
    assert "Not available: no last day is known" in words(chart)
    assert chart.data.empty


def test_bridge_hangs_each_change_where_the_last_one_stopped():
    chart = charts.bridge(
        steps(("Start", 100, "total"), ("New", 50, "change"), ("Churn", -80, "change")).pipe(
            lambda frame: pd.concat([frame, steps(("End", 70, "total"))], ignore_index=True)
        ),
        MONEY,
        "EUR",
    )
    bars = chart.figure.axes[0].patches
    assert [(bar.get_x(), bar.get_width()) for bar in bars] == [
        (0, 100),
        (100, 50),
        (150, -80),
        (0, 70),
    ]
    assert "+€50" in words(chart)
    assert "−€80" in words(chart)
    assert len({to_hex(bar.get_facecolor()) for bar in bars}) == 3
    assert "The steps add up: residual €0." in words(chart)


def test_bridge_writes_what_it_cannot_explain():
    chart = charts.bridge(
        steps(("Start", 10, "total"), ("New", 5, "change"), ("End", 12, "total")), COUNT
    )
    assert "The steps do not add up: residual −3." in chart.alt


def test_bridge_whose_bars_do_not_start_at_zero_says_so():
    chart = charts.bridge(
        steps(("Start", 1000, "total"), ("New", 20, "change"), ("End", 1020, "total")), MONEY
    )
    assert "The bars start at $990, not at zero." in words(chart)
    assert chart.figure.axes[0].get_xlim()[0] == 990


def test_cohorts_write_values_and_hatch_what_is_too_young():
    table = pd.DataFrame([[1, 0.8, 0.5], [1, 0.7, None], [1, None, None]], index=list("abc"))
    table.columns.name = "months"
    chart = charts.cohorts(table, SHARE)
    axes = chart.figure.axes[0]
    assert [text.get_text() for text in axes.texts] == [
        f"{share}%" for share in (100, 80, 50, 100, 70, 100)
    ]
    cells = np.ma.getmaskarray(axes.collections[0].get_array()).reshape(3, 3)
    assert cells.tolist() == table.isna().to_numpy().tolist()
    assert axes.patch.get_hatch()
    assert "Hatched: too young to tell." in words(chart)
    assert axes.get_xlabel() == "months"


def test_cohorts_of_many_ages_are_coloured_and_keyed():
    ages = pd.DataFrame(np.linspace(1, 0.2, 60).reshape(2, 30))
    chart = charts.cohorts(ages, SHARE)
    assert not chart.figure.axes[0].texts
    assert "100.0\u202f%" in words(chart)


@pytest.mark.parametrize("weight", ["normal", "bold"])
@pytest.mark.parametrize("text", ["North America", "€14.1\u202fk", "organic_search", "■□ AVA"])
def test_lines_are_as_wide_as_matplotlib_draws_them(text, weight):
    with look.style():
        drawn = Figure(dpi=72).text(0, 0, text, size=11, weight=weight).get_window_extent()
    # Kerning brings letters such as AV nearer to each other.
    assert 0.97 * drawn.width < page.width(text, 11, weight) < 1.07 * drawn.width


VALUES = {
    "nothing": [],
    "undefined": [math.nan, math.nan],
    "one": [0.5],
    "zero": [0.0, 0.0],
    "huge": [1e300, 3e300],
    "tiny": [1e-12, 2e-12],
    "negative": [-5.0, -7.0],
    "both signs": [-5.0, 7.0],
    "all but equal": [1e9, 1e9 + 1],
    "infinite": [math.inf, 1.0],
}


@pytest.mark.parametrize("kind", VALUES)
def test_whatever_the_values_there_is_a_picture_and_words(kind):
    values, unit = VALUES[kind], SHARE if kind == "tiny" else MONEY
    whole = Result(rows(values), Kpi(unit))
    by_source = split({"Events": values, "Paid": values[::-1]}, Kpi(unit))
    names = [f"step {place}" for place in range(len(values))]
    pictures = [
        charts.trend(whole),
        charts.trend(by_source),
        charts.breakdown(by_source),
        charts.funnel(pd.DataFrame({"step": names, "count": values})),
        charts.bridge(pd.DataFrame({"step": names, "amount": values, "kind": "change"}), unit),
        charts.cohorts(pd.DataFrame([values]), unit),
    ]
    for chart in pictures:
        assert Image.open(io.BytesIO(chart.png())).width == 900
        assert len(chart.alt) > 10


@pytest.mark.parametrize("draw", [charts.trend, charts.breakdown])
def test_figure_that_is_not_available_says_what_it_needs(draw):
    reason = "not available: needs opportunities.closed_at"
    chart = draw(Result(rows([math.nan]), missing_because=reason))
    said = "Not available: needs opportunities.closed_at."
    assert said in words(chart)
    assert chart.alt.endswith(said)
    assert chart.figure.words.absent == said


def test_breakdown_of_the_whole_is_one_row():
    chart = charts.breakdown(Result(rows([0.4])))
    assert chart.alt == "Conversion rate, January 2026: all 40.0\u202f% (n 100)."


def test_all_time_is_one_point():
    frame = rows([0.4]).assign(period="all", start=pd.NaT)
    assert drawn(charts.trend(Result(frame)).figure.axes[0], "value") == [0.4]


def test_two_ticks_never_carry_the_same_words():
    chart = charts.trend(Result(rows([0.1001, 0.1002, 0.1003], half=0)))
    ticks = [label.get_text() for label in chart.figure.axes[0].get_yticklabels()]
    assert len(set(ticks)) == len(ticks) > 1


def test_interval_wider_than_the_picture_is_cut_with_a_word():
    chart = charts.trend(Result(rows([800, 900], half=50_000), Kpi(MONEY)))
    assert chart.figure.axes[0].get_ylim()[1] < 2000
    assert "Intervals wider than the picture are cut at its edge." in words(chart)


def test_hostile_names_are_tamed_and_stay_inside_the_picture():
    few, many = ({name: [0.1, 0.2] for name in names} for names in (HOSTILE[:4], HOSTILE))
    table = pd.DataFrame([[0.5] * 3] * len(HOSTILE), index=HOSTILE, columns=HOSTILE[:3])
    counts = pd.DataFrame({"step": HOSTILE, "count": 1, "amount": 1, "kind": "change"})
    for chart in (
        charts.trend(split(few)),
        charts.trend(split(many)),
        charts.breakdown(split(many)),
        charts.funnel(counts, title=HOSTILE[0], question=HOSTILE[0]),
        charts.bridge(counts, MONEY, title=HOSTILE[2]),
        charts.cohorts(table, SHARE),
    ):
        chart.png()
        edge = chart.figure.bbox
        for text in chart.figure.findobj(matplotlib.text.Text):
            if text.get_text().strip():
                assert not text.get_parse_math()
                assert text.axes or text.get_window_extent().x1 <= edge.x1
        for axes in chart.figure.axes:
            assert axes.get_window_extent().width > 100
            assert axes.get_tightbbox().x1 <= edge.x1 + 1
        assert "\x00" not in chart.alt
        assert "\u202e" not in chart.alt
        chart.alt.encode()
        assert len(chart.alt) < 2000


def test_settings_and_pyplot_are_left_alone():
    before = dict(matplotlib.rcParams)
    charts.trend(Result(rows([0.1, 0.2]))).png()
    assert dict(matplotlib.rcParams) == before
    from matplotlib import pyplot

    assert pyplot.get_fignums() == []


def test_the_notebook_s_own_style_does_not_reach_the_charts():
    plain = charts.trend(Result(rows([0.1, 0.2]))).png()
    with matplotlib.rc_context(
        {"figure.facecolor": "black", "font.size": 30, "lines.linewidth": 9}
    ):
        assert charts.trend(Result(rows([0.1, 0.2]))).png() == plain


def test_threads_draw_the_same_bytes():
    def draw(_):
        return charts.trend(split({"Events": [0.1, 0.2], "Paid": [0.3, 0.1]})).png()

    with ThreadPoolExecutor(4) as pool:
        assert len(set(pool.map(draw, range(8)))) == 1


def test_words_and_marks_stand_out_from_white():
    def luminance(colour):
        # WCAG 2.2, "relative luminance"
        parts = [
            c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)
        ]
        return np.dot(parts, [0.2126, 0.7152, 0.0722])

    for colour in (look.BLUE, look.VERMILION, look.GREEN, look.PURPLE, look.GREY):
        assert 1.05 / (luminance(colour) + 0.05) >= 4.5
    assert (luminance(look.SKY) + 0.05) / (luminance(look.INK) + 0.05) >= 4.5


def test_picture_is_small():
    result = split({s: list(np.linspace(0.1, 0.2 + i / 9, 24)) for i, s in enumerate("abc")})
    assert len(charts.trend(result).png()) < 60_000


def test_picture_is_drawn_once_and_on_white():
    chart = charts.trend(Result(rows([0.1, 0.2])))
    drawn = []
    chart.figure.canvas.mpl_connect("draw_event", drawn.append)
    picture = Image.open(io.BytesIO(chart.png())).convert("RGB")
    assert len(drawn) == 1
    assert picture.getpixel((0, 0)) == (255, 255, 255)


def test_chart_drawn_again_gives_the_same_bytes():
    for chart in (
        charts.trend(split({s: [0.1, 0.2] for s in "abcdefg"})),
        charts.breakdown(split({"Events": [0.1], "Paid": [0.3]})),
        charts.cohorts(pd.DataFrame(np.linspace(1, 0.2, 60).reshape(2, 30)), SHARE),
    ):
        assert chart.png() == chart.png()


def test_what_is_added_to_a_drawn_chart_finds_room_beside_the_rest():
    chart = charts.trend(Result(rows([0.1, 0.2])))
    chart.png()
    (axes,) = chart.figure.axes
    axes.set_ylabel("share of leads")
    axes.twinx().set_ylabel("leads")
    chart.figure.add_axes((0.4, 0.4, 0.1, 0.1))
    chart.png()
    label, other = (each.yaxis.label.get_window_extent() for each in chart.figure.axes[:2])
    ticks = [tick.get_window_extent() for tick in axes.get_yticklabels()]
    assert 0 <= label.x0 < label.x1 <= min(tick.x0 for tick in ticks)
    assert axes.bbox.x1 < other.x0 < other.x1 <= chart.figure.bbox.x1


def test_words_around_the_picture_are_where_the_report_cuts_them_off():
    chart = charts.trend(Result(rows([0.1, 0.2], last_is_partial=True)))
    words, height = chart.figure.words, chart.figure.get_figheight() * 100
    assert words.title == "Conversion rate"
    assert words.notes == [
        "Hollow and dashed: February 2026 is partial, with data to 12 April 2026."
    ]
    chart.png()
    for text in chart.figure.texts:
        extent = text.get_window_extent().transformed(chart.figure.dpi_scale_trans.inverted())
        assert extent.y0 * 100 > height - words.above or extent.y1 * 100 < words.below
    (inside,) = (
        axes.get_tightbbox().transformed(chart.figure.dpi_scale_trans.inverted())
        for axes in chart.figure.axes
    )
    assert words.below <= inside.y0 * 100
    assert inside.y1 * 100 <= height - words.above


def test_numbers_of_a_long_chart_are_thinned_with_a_word():
    kept = numbers(pd.DataFrame({"day": range(1000)}))
    assert len(kept["rows"]) == 120
    assert (kept["rows"][0], kept["rows"][-1], kept["of"]) == ([0], [999], 1000)


def test_chart_is_saved_by_its_ending(tmp_path):
    chart = charts.funnel(pd.DataFrame({"step": ["Leads"], "count": [3]}))
    for ending in ("png", "svg", "pdf"):
        chart.save(tmp_path / f"funnel.{ending}")
        assert (tmp_path / f"funnel.{ending}").stat().st_size > 1000
    with pytest.raises(RequestError, match=r"End it in \.png, \.svg or \.pdf"):
        chart.save(tmp_path / "funnel.doc")
    with pytest.raises(ReportError, match="Choose a folder that exists"):
        chart.save(tmp_path / "absent" / "funnel.png")


def test_frame_without_its_columns_is_refused():
    with pytest.raises(RequestError, match="the frame lacks count"):
        charts.funnel(pd.DataFrame({"step": ["Leads"]}))
    with pytest.raises(RequestError, match="'total' and 'change'"):
        charts.bridge(steps(("Start", 1, "sum")), MONEY)


def test_too_many_steps_are_said_not_drawn():
    many = pd.DataFrame({"step": range(500), "count": 1})
    assert charts.funnel(many).alt == "Funnel: 500 steps are too many to draw."


def test_picture_and_alt_text_reach_the_report():
    chart = charts.funnel(pd.DataFrame({"step": ['<b>"Leads"', "Won"], "count": [200, 20]}))
    # What a kernel does with the last value of a cell, written as JSON and read again.
    shown, about = DisplayFormatter().format(chart)
    output = nbformat.v4.new_output("display_data", shown, metadata=about)
    cell = nbformat.v4.new_code_cell("chart", outputs=[output])
    written = nbformat.writes(nbformat.v4.new_notebook(cells=[cell]))
    notebook = nbformat.reads(written, as_version=4)
    (output,) = notebook.cells[0].outputs
    alt = chart.alt
    assert output.data["image/png"].startswith("iVBOR")
    assert output.data["text/plain"] == alt
    about = output.metadata["image/png"]
    assert about["alt"] == alt
    assert about["words"]["title"] == "Funnel"
    assert about["numbers"] == {
        "columns": ["step", "count", "of_previous", "of_first"],
        "rows": [['<b>"Leads"', 200, None, None], ["Won", 20, 0.1, 0.1]],
        "of": 2,
    }
    html, _ = HTMLExporter(template_name="classic").from_notebook_node(notebook)
    images = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tag == "img" and images.append(attributes)
    parser.feed(html)
    assert [dict(image)["alt"] for image in images] == [alt]
