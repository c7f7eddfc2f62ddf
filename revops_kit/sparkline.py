"""A trend as small as a word, for cards and lists.

It is drawn without matplotlib, which takes ten times as long for so little, and on no ground of
its own: the line is as easy to see on white as on black.
"""

import base64
import io
import math
from collections.abc import Sequence

from PIL import Image, ImageDraw

SIZE = (440, 104)  # pixels, twice as many as it takes on a page
FINE = 3  # drawn larger, then reduced: PIL has no soft edges
MARGIN = 14.0  # pixels, room for the last point
LINE = (63, 137, 204, 255)
USUAL = (128, 140, 155, 40)


def sparkline(
    values: Sequence[float | None],
    usual: tuple[float, float] | None = None,
    is_partial: bool = False,
) -> str:
    """Draw values as a line with its last point marked, as base64 of a PNG.

    Parameters
    ----------
    values
        In order of time; None and NaN are gaps.
    usual
        The ends of what the figure usually varies between, drawn as a band behind it.
    is_partial
        Whether the last value is still growing: its mark is hollow.

    Examples
    --------
    >>> sparkline([1, 2, None, 4])[:5]
    'iVBOR'
    """
    wide, high = (FINE * side for side in SIZE)
    margin = FINE * MARGIN
    points = [math.nan if value is None else float(value) for value in values]
    known = [value for value in points if math.isfinite(value)]
    low, top = (min(known), max(known)) if known else (0.0, 0.0)
    # A band far wider than the line would press it flat.
    slack = (top - low) / 2
    band = (max(usual[0], low - slack), min(usual[1], top + slack)) if usual else None
    if band:
        low, top = min(low, band[0]), max(top, band[1])
    step = (wide - 2 * margin) / max(len(points) - 1, 1)
    scale = (high - 2 * margin) / ((top - low) or 1.0)

    def level(value: float) -> float:
        return high - margin - scale * (value - low) if top > low else high / 2

    line, ground = Image.new("L", (wide, high)), Image.new("RGBA", SIZE, (*LINE[:3], 0))
    pen = ImageDraw.Draw(line)
    for stretch in _stretches(points):
        at = [(margin + step * place, level(points[place])) for place in stretch]
        if len(at) > 1:
            pen.line(at, fill=255, width=4 * FINE, joint="curve")
        for place, spot in zip(stretch, at, strict=True):
            is_last = place == len(points) - 1
            if is_last or len(at) == 1:
                radius = (8 if is_last else 3) * FINE
                pen.circle(spot, radius, fill=255)
                if is_last and is_partial:
                    pen.circle(spot, radius - 3 * FINE, fill=0)
    if band:
        upper, lower = (round(level(end) / FINE) for end in reversed(band))
        ground.paste(USUAL, (0, upper, SIZE[0], max(lower, upper + 1)))
    ground.paste(LINE, mask=line.reduce(FINE))
    content = io.BytesIO()
    ground.quantize(64, Image.Quantize.FASTOCTREE).save(content, format="png")
    return base64.b64encode(content.getvalue()).decode()


def _stretches(points: Sequence[float]) -> list[list[int]]:
    """List the places of values that stand beside each other.

    Examples
    --------
    >>> _stretches([1.0, 2.0, math.nan, 4.0])
    [[0, 1], [3]]
    """
    stretches: list[list[int]] = [[]]
    for place, value in enumerate(points):
        if math.isfinite(value):
            stretches[-1].append(place)
        else:
            stretches.append([])
    return [stretch for stretch in stretches if stretch]
