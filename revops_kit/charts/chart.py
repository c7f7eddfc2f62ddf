"""What a chart is: a picture in the kit's look, the words around it, and the numbers it draws.

The look stands in revops.mplstyle. Figures are made without pyplot, so that they neither pile up
in memory nor show twice in a notebook.
"""

import base64
import io
import math
import numbers as kinds
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.font_manager import fontManager
from PIL import Image

from revops_kit.errors import ReportError, RequestError

if TYPE_CHECKING:
    from revops_kit.charts.page import Sheet

STYLE = Path(__file__).with_name("revops.mplstyle")
# With Matplotlib's own defaults for all that it does not say.
_look = dict(matplotlib.rc_params_from_file(STYLE))
BLUE, VERMILION, GREEN, PURPLE, GREY = _look["axes.prop_cycle"].by_key()["color"]
SKY = "#56B4E9"  # light enough for words upon it
INK = "#222222"
# Colour never stands alone: each line has its own marker too.
MARKS = ((BLUE, "o"), (VERMILION, "s"), (GREEN, "^"), (PURPLE, "D"))
# The fonts of the report's page, as far as they are here; DejaVu comes with matplotlib.
_installed = set(fontManager.get_font_names())
FAMILY = [
    *[name for name in ("Segoe UI", "Arial", "Liberation Sans") if name in _installed],
    "DejaVu Sans",
]
_look["font.family"] = FAMILY
del _look["backend"]  # is no look, and reading it chooses one
PIXELS = 100  # to the inch, as a report shows it
ROWS = 120  # rows of numbers that a report carries beside a picture
TEXT = 240  # letters of a text among them
# Matplotlib's settings belong to the whole process: one chart at a time may change them.
LOCK = threading.RLock()


@contextmanager
def style() -> Iterator[None]:
    """Draw in the kit's style whatever the notebook has set, and put its settings back."""
    with LOCK:
        current = matplotlib.rcParams
        # Each that is set is checked again, which takes longer than to look whether it must be.
        other = {name: value for name, value in _look.items() if current[name] != value}
        with matplotlib.rc_context(other):
            yield


@dataclass(frozen=True)
class Words:
    """What is written above and below a picture, and the pixels that it takes there.

    Where there is nothing to draw, `absent` says why.
    """

    title: str
    question: str
    notes: list[str]
    above: int
    below: int
    absent: str = ""


@dataclass(frozen=True, eq=False)
class Chart:
    """A picture, the words that stand in for it, and the numbers it draws.

    Attributes
    ----------
    figure
        To be changed at will; it is drawn anew each time it is shown or saved.
    alt
        A sentence or two that carry the figures, for readers who do not see the picture.
    data
        The numbers drawn, in the order they are drawn.
    """

    figure: "Sheet"
    alt: str
    data: pd.DataFrame = field(repr=False)

    def png(self) -> bytes:
        """Draw the chart as the content of a PNG file; the same chart gives the same bytes."""
        content, canvas = io.BytesIO(), FigureCanvasAgg(self.figure)
        with style():
            # `savefig` would draw twice, and compress what is compressed again below.
            canvas.draw()
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")
        # A palette makes a third of the size, which mail and phones notice.
        picture = picture.quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
        shades, ground = picture.getpalette(), 3 * picture.getpixel((0, 0))
        if min(shades[ground : ground + 3]) > 250:
            # Its white is a shade too dark, which a white page would show.
            shades[ground : ground + 3] = 255, 255, 255
            picture.putpalette(shades)
        picture.save(content, format="png")
        return content.getvalue()

    def save(self, path: str | Path) -> None:
        """Write the chart to a file, in the format its ending names: png, svg or pdf."""
        path = Path(path)
        if path.suffix not in {".png", ".svg", ".pdf"}:
            raise RequestError(f"A chart cannot be saved as {path}. End it in .png, .svg or .pdf.")
        try:
            with style():
                self.figure.savefig(path)
        except OSError as problem:
            raise ReportError(
                f"The chart cannot be written to {path}: {problem.strerror}. "
                "Choose a folder that exists and can be written to."
            ) from problem

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict, dict]:
        """Show the picture in a notebook, and beside it what a report sets in its own type.

        That is the words above and below the picture, how many pixels they take there, and the
        numbers it draws.
        """
        width, height = (round(inches * PIXELS) for inches in self.figure.get_size_inches())
        about = {"alt": self.alt, "width": width, "height": height}
        about |= {"words": asdict(self.figure.words), "numbers": numbers(self.data)}
        picture = base64.b64encode(self.png()).decode()
        return {"image/png": picture, "text/plain": self.alt}, {"image/png": about}


def numbers(frame: pd.DataFrame) -> dict[str, Any]:
    """Write a frame as JSON does, in full; of a long one evenly spaced rows, with the last.

    Examples
    --------
    >>> numbers(pd.DataFrame({"day": [0, 7], "share": [0.25, None]}))
    {'columns': ['day', 'share'], 'rows': [[0, 0.25], [7, None]], 'of': 2}
    """
    if not isinstance(frame.index, pd.RangeIndex):
        frame = frame.reset_index()
    shown = frame
    if len(frame) > ROWS:
        shown = frame.iloc[np.linspace(0, len(frame) - 1, ROWS).round().astype(int)]
    rows = [[_plain(value) for value in row] for row in shown.astype(object).to_numpy()]
    return {"columns": [str(name)[:120] for name in frame], "rows": rows, "of": len(frame)}


def _plain(value: Any) -> Any:
    """Turn a cell into what JSON has."""
    if pd.isna(value) or (isinstance(value, float) and math.isinf(value)):
        return None
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, kinds.Integral):
        return int(value)
    if isinstance(value, kinds.Real):
        return float(value)
    return str(value)[:TEXT]
