"""Draw the hundred digits of results/drawings/ with a mouse on the page's pad, as ten hands of different habits would.

`python tests/make_drawings.py` draws them again: the same strokes each time. No drawing is left out because a network
misreads it.
"""

import io
import json
import math
import tempfile
from dataclasses import dataclass
from functools import partial
from itertools import pairwise, product
from pathlib import Path
from random import Random

import numpy as np
from browser import draw, started
from PIL import Image
from strokes import Stroke, arc

from course.page import build
from helpers import drawing, results, settings

STEP = 0.04  # of a digit's height: how far a hand moves between two events of the mouse

curve = partial(arc, pieces=24)
TWO_RINGS = [curve(0.5, 0.26, 0.25, 0.23, 80, 450), curve(0.5, 0.73, 0.31, 0.25, -95, 270)]
FORMS: dict[int, list[list[Stroke]]] = {  # of each digit, in a box from 0 to 1; down is larger
    0: [
        [curve(0.5, 0.5, 0.33, 0.48, -80, 285)],
        [curve(0.5, 0.5, 0.24, 0.48, -120, 250)],  # narrow
        [curve(0.5, 0.5, 0.36, 0.47, -60, 270)],  # not quite closed
        [curve(0.5, 0.5, 0.33, 0.48, -90, -450), [(0.82, 0.1), (0.18, 0.9)]],  # with a slash
    ],
    1: [
        [[(0.5, 0.02), (0.5, 0.98)]],
        [[(0.25, 0.3), (0.55, 0.02), (0.55, 0.98)]],  # with a flag
        [[(0.15, 0.45), (0.6, 0.02), (0.55, 0.98)]],  # with a long one
        [[(0.3, 0.25), (0.52, 0.02), (0.52, 0.97)], [(0.25, 0.97), (0.8, 0.97)]],  # and a foot
    ],
    2: [
        [[*curve(0.48, 0.28, 0.32, 0.26, -160, 40), (0.15, 0.95), (0.85, 0.95)]],
        [[*curve(0.5, 0.25, 0.3, 0.22, -180, 30), (0.5, 0.6), (0.1, 0.95), (0.95, 0.95)]],
        [[(0.15, 0.08), *curve(0.5, 0.3, 0.33, 0.26, -90, 50), (0.12, 0.95), (0.5, 0.86), (0.9, 0.93)]],
        [[*curve(0.48, 0.27, 0.3, 0.25, -170, 50), (0.3, 0.8), *curve(0.24, 0.86, 0.12, 0.1, 60, 330), (0.88, 0.95)]],
    ],
    3: [
        [[*curve(0.45, 0.27, 0.3, 0.24, -150, 85), *curve(0.45, 0.74, 0.34, 0.25, -85, 150)]],
        [[*curve(0.45, 0.25, 0.33, 0.22, -160, 70), (0.35, 0.47), *curve(0.45, 0.73, 0.38, 0.25, -70, 165)]],
        [[(0.15, 0.04), (0.8, 0.04), (0.42, 0.42), *curve(0.42, 0.7, 0.38, 0.27, -80, 150)]],  # with a flat top
    ],
    4: [
        [[(0.28, 0.05), (0.15, 0.55), (0.8, 0.55)], [(0.7, 0.05), (0.66, 0.98)]],  # open
        [[(0.2, 0.05), (0.18, 0.45), (0.72, 0.45)], [(0.76, 0.02), (0.76, 0.98)]],  # with square shoulders
        [[(0.68, 0.98), (0.68, 0.03), (0.1, 0.66), (0.92, 0.66)]],  # closed, in one stroke
        [[(0.6, 0.03), (0.12, 0.62), (0.9, 0.62)], [(0.62, 0.35), (0.62, 0.98)]],
    ],
    5: [
        [[(0.8, 0.04), (0.28, 0.04), (0.24, 0.42), *curve(0.42, 0.68, 0.34, 0.28, -80, 140)]],
        [[(0.75, 0.03), (0.25, 0.06), (0.2, 0.5), *curve(0.4, 0.7, 0.4, 0.26, -110, 120)]],
        [[(0.28, 0.06), (0.24, 0.44), *curve(0.42, 0.69, 0.34, 0.28, -80, 145)], [(0.28, 0.05), (0.85, 0.03)]],
    ],
    6: [
        [[(0.68, 0.03), (0.38, 0.3), *curve(0.5, 0.7, 0.3, 0.27, 190, -170)]],
        [[(0.6, 0.02), (0.25, 0.6), *curve(0.5, 0.74, 0.27, 0.23, 180, -190)]],  # a straight stem
        [[*curve(0.62, 0.5, 0.42, 0.47, -70, -180), *curve(0.47, 0.73, 0.27, 0.23, 180, 530)]],  # a loop the other way
    ],
    7: [
        [[(0.12, 0.05), (0.85, 0.05), (0.4, 0.98)]],
        [[(0.14, 0.2), (0.14, 0.05), (0.86, 0.05), (0.55, 0.45), (0.45, 0.98)]],  # with a hook
        [[(0.12, 0.05), (0.85, 0.05), (0.4, 0.98)], [(0.3, 0.52), (0.82, 0.5)]],  # with a bar
        [[(0.1, 0.1), (0.45, 0.14), (0.88, 0.03), (0.5, 0.6), (0.42, 0.98)], [(0.25, 0.58), (0.75, 0.5)]],
    ],
    8: [
        [
            [
                *curve(0.5, 0.25, 0.26, 0.23, -30, -270),
                *curve(0.5, 0.73, 0.3, 0.25, -90, 270),
                *curve(0.5, 0.25, 0.26, 0.23, 90, -30),
            ]
        ],
        TWO_RINGS,
        [[*curve(0.48, 0.25, 0.24, 0.2, -40, -250), (0.66, 0.6), *curve(0.48, 0.78, 0.27, 0.2, 0, 230), (0.76, 0.1)]],
    ],
    9: [
        [[*curve(0.47, 0.28, 0.28, 0.26, -10, -365), (0.74, 0.35), (0.66, 0.97)]],
        [[*curve(0.5, 0.27, 0.27, 0.25, -30, -340), (0.78, 0.3), (0.78, 0.98)]],
        [[*curve(0.47, 0.28, 0.3, 0.26, -20, -370), *curve(0.4, 0.6, 0.38, 0.36, -30, 110)]],  # with a round tail
    ],
}


@dataclass(frozen=True)
class Hand:
    """Somebody's habits: `slant` in degrees, `height` and `tremor` in shares of the pad, width in heights, brush."""

    slant: float
    height: float
    width: float
    brush: int
    tremor: float


HANDS = [  # one column of the sheet each
    Hand(slant=3, height=0.62, width=0.75, brush=20, tremor=0.004),  # neat
    Hand(slant=14, height=0.45, width=0.7, brush=14, tremor=0.006),
    Hand(slant=-10, height=0.72, width=0.8, brush=26, tremor=0.006),
    Hand(slant=22, height=0.36, width=0.75, brush=10, tremor=0.004),  # small, thin and slanted
    Hand(slant=5, height=0.84, width=0.85, brush=36, tremor=0.008),  # fills the pad
    Hand(slant=-18, height=0.5, width=0.65, brush=20, tremor=0.006),  # left-handed
    Hand(slant=8, height=0.28, width=0.8, brush=18, tremor=0.004),  # tiny for such a brush
    Hand(slant=12, height=0.76, width=0.5, brush=8, tremor=0.005),  # tall, narrow and thin
    Hand(slant=0, height=0.5, width=1.05, brush=30, tremor=0.008),  # broad
    Hand(slant=-4, height=0.6, width=0.75, brush=16, tremor=0.02),  # shaky
]


def written(digit: int, hand: Hand, random: Random) -> list[Stroke]:
    """Return a digit's strokes on a pad from 0 to 1, never twice the same."""
    slant = math.tan(math.radians(hand.slant + random.gauss(0, 4)))
    height = min(0.88, hand.height * random.uniform(0.9, 1.1))
    width = min(0.88, height * hand.width * random.uniform(0.9, 1.1))
    left = random.uniform(0.06, 0.94 - width)
    top = random.uniform(0.06, 0.94 - height)
    waves = [[(speed, random.uniform(0, 6), random.uniform(0.5, 1)) for speed in (3, 8, 19)] for _ in range(2)]

    def placed(x: float, y: float, way: float) -> tuple[float, float]:
        """Put a point where this hand puts it, `way` heights after the digit's first."""
        right, down = (
            hand.tremor * sum(size * math.sin(speed * way + at) for speed, at, size in wave) for wave in waves
        )
        x, y = left + width * x + height * slant * (0.5 - y) + right, top + height * y + down
        return min(0.99, max(0.01, x)), min(0.99, max(0.01, y))

    way, strokes = 0.0, []
    for corners in random.choice(FORMS[digit]):
        stroke = []
        for point, following in pairwise([*corners, corners[-1]]):
            steps = max(1, round(math.dist(point, following) / STEP))
            for step in range(steps):
                x, y = (a + (b - a) * step / steps for a, b in zip(point, following, strict=True))
                stroke.append(placed(x, y, way))
                way += math.dist(point, following) / steps
        strokes.append(stroke)
    return strokes


DRAWN = "pad.marks.map(mark => mark.points.map(point => point.map(Math.round)))"
REDRAW = "strokes => { pad.marks = strokes.map(points => ({ points, width: pad.brush })); pad.redraw() }"


def main() -> None:
    """Draw ten rows of digits, one hand a column, and write the strokes as the page saw them, and the sheet."""
    random = Random(0)
    sheet, marks = np.zeros((10, 10, drawing.PAD_SIZE, drawing.PAD_SIZE), np.uint8), []
    with started() as browser, tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        build.write(settings.ROOT / "results" / "reference" / "digits", page)
        tab = browser.new_page(viewport={"width": 390, "height": 844})
        tab.goto(page.as_uri())
        tab.wait_for_selector("#quiz-answers button")  # all of the page is there
        for digit, (column, hand) in product(range(10), enumerate(HANDS)):
            tab.evaluate("pad.marks = []")
            tab.fill("#brush", str(hand.brush))
            draw(tab, "#pad", written(digit, hand, random))
            strokes = tab.evaluate(DRAWN)
            tab.evaluate(REDRAW, strokes)  # with the whole numbers that are kept
            sheet[digit, column].flat = tab.evaluate("[...pad.ink.pixels]")
            marks.append({"digit": digit, "hand": column, "width": hand.brush, "strokes": strokes})
    png = io.BytesIO()
    Image.fromarray(sheet.swapaxes(1, 2).reshape(10 * drawing.PAD_SIZE, -1)).save(png, "PNG", optimize=True)
    results.atomic_save(png.getvalue(), drawing.SHEET)
    lines = ",\n".join(json.dumps(mark, separators=(",", ":")) for mark in marks)
    results.write_text(drawing.SHEET.with_name("strokes.json"), f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
