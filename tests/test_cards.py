"""Cards say the same in words, signs and colours, and show the trend behind it."""

import base64
import io
import re

import pytest
from PIL import Image

import revops_kit as rk
from revops_kit import samples
from revops_kit.cards import cards
from revops_kit.sparkline import LINE, SIZE, sparkline


def picture(*arguments):
    return Image.open(io.BytesIO(base64.b64decode(sparkline(*arguments)))).convert("RGBA")


def lowest_ink(image, column):
    """The lowest pixel of the line in a column of the picture."""
    seen = [row for row in range(SIZE[1]) if image.getpixel((column, row))[3] > 200]
    return max(seen, default=None)


def card(*values, target=None):
    """Show the bookings of some months up to September."""
    deals = [
        {
            "opportunity_id": str(month),
            "outcome": "won",
            "closed_at": f"2026-{month:02}-15",
            "amount": value,
        }
        for month, value in enumerate(values, start=10 - len(values))
    ]
    ws = samples.workspace({"opportunities": deals}, as_of="2026-09-30")
    trend = rk.kpis.bookings.over(ws, rk.last(len(values), "2026-09"))
    return cards([trend], {"bookings": target} if target else None).markup


def test_card_tells_value_change_verdict_target_and_trend_in_this_order():
    shown = card(10, 12, 11, 9, 10, 11, 12, target=24)
    words = [re.sub(r"<.*?>", "", each) for each in re.findall(r"<p.*?</p>", shown)]
    assert words == [
        "Bookings",
        "$12",
        "+$1 on August 2026",
        "≈ Noise",
        "50\u202f% of the $24 target",
    ]
    assert 'alt="Bookings, March 2026 to September 2026: between $9 and $12."' in shown


def test_signal_has_a_sign_and_a_word_besides_its_colour():
    up = card(10, 12, 11, 9, 10, 11, 40)
    assert '<p class="chip good"><span aria-hidden="true">▲</span> Signal: better' in up
    down = card(30, 32, 31, 29, 30, 31, 1)
    assert '<p class="chip bad"><span aria-hidden="true">▼</span> Signal: worse' in down


def test_change_carries_its_interval():
    decided = [
        {"opportunity_id": f"{month}{at}", "outcome": "won" if at < won else "lost",
         "closed_at": f"2026-{month:02}-15"}
        for month, won, count in ((8, 48, 80), (9, 56, 70))
        for at in range(count)
    ]  # fmt: skip
    ws = samples.workspace({"opportunities": decided}, as_of="2026-09-30")
    shown = cards([rk.kpis.win_rate.over(ws, rk.last(2, "2026-09"))]).markup
    # Newcombe (1998), Table II, method 10: 56/70 − 48/80 is .2, from .0524 to .3339
    assert "+20.0\u202fpp on August 2026" in shown
    assert "(+5.2 to +33.4\u202fpp)" in shown


def test_sparkline_rises_with_its_values_and_stands_on_no_ground():
    image = picture([1, 2, 3])
    left, right = (lowest_ink(image, column) for column in (20, SIZE[0] - 14))
    assert left > right
    assert image.getpixel((0, 0))[3] == 0
    assert image.size == SIZE


@pytest.mark.parametrize("values", [[], [5], [None, None], [1, 1, 1], [0, 1e300], [1, None, 3]])
def test_whatever_the_values_there_is_a_sparkline(values):
    assert picture(values).size == SIZE


def test_partial_value_is_hollow():
    middle = (SIZE[0] - 14, SIZE[1] // 2)
    assert picture([1, 1, 1]).getpixel(middle)[3] > 200
    assert picture([1, 1, 1], None, True).getpixel(middle)[3] < 100


def test_sparkline_is_seen_on_white_and_on_black():
    # WCAG 2.2, 1.4.11: graphics have a contrast of 3 : 1
    parts = [c / 255 for c in LINE[:3]]
    parts = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    luminance = sum(w * c for w, c in zip([0.2126, 0.7152, 0.0722], parts, strict=True))
    assert 1.05 / (luminance + 0.05) >= 3
    assert (luminance + 0.05) / 0.05 >= 3
