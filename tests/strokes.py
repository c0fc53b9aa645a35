"""Ten digits as strokes of a pen, each time another slant, size and place: what draws on the page in the tests."""

import math
from random import Random

Stroke = list[tuple[float, float]]


def arc(x: float, y: float, width: float, height: float, start: float, end: float, pieces: int = 8) -> Stroke:
    """Return a part of an ellipse around (x, y), from angle to angle in degrees; 0 is right, 90 is down."""
    angles = [math.radians(start + (end - start) * step / pieces) for step in range(pieces + 1)]
    return [(x + width * math.cos(angle), y + height * math.sin(angle)) for angle in angles]


TEMPLATES: dict[int, list[Stroke]] = {  # in a box from 0 to 1; down is larger
    0: [arc(0.5, 0.5, 0.33, 0.48, -80, 285)],
    1: [[(0.5, 0.02), (0.5, 0.98)]],
    2: [[*arc(0.48, 0.28, 0.32, 0.26, -160, 40), (0.15, 0.95), (0.85, 0.95)]],
    3: [[*arc(0.45, 0.27, 0.3, 0.24, -150, 85), *arc(0.45, 0.74, 0.34, 0.25, -85, 150)]],
    4: [[(0.28, 0.05), (0.15, 0.55), (0.8, 0.55)], [(0.7, 0.05), (0.66, 0.98)]],
    5: [[(0.8, 0.04), (0.28, 0.04), (0.24, 0.42), *arc(0.42, 0.68, 0.34, 0.28, -80, 140)]],
    6: [[(0.68, 0.03), (0.38, 0.3), *arc(0.5, 0.7, 0.3, 0.27, 190, -170)]],
    7: [[(0.12, 0.05), (0.85, 0.05), (0.4, 0.98)]],
    8: [
        [
            *arc(0.5, 0.25, 0.26, 0.23, -30, -270),
            *arc(0.5, 0.73, 0.3, 0.25, -90, 270),
            *arc(0.5, 0.25, 0.26, 0.23, 90, -30),
        ]
    ],
    9: [[*arc(0.47, 0.28, 0.28, 0.26, -10, -365), (0.74, 0.35), (0.66, 0.97)]],
}


def drawn(digit: int, random: Random) -> list[Stroke]:
    """Return a digit's strokes on a pad from 0 to 1: slanted up to 15 degrees, a third to four fifths of it high."""
    slant = math.tan(math.radians(random.uniform(-15, 15)))
    height = random.uniform(0.35, 0.8)
    width = height * random.uniform(0.65, 0.9)
    left = random.uniform(0.1, 0.9 - width)
    top = random.uniform(0.07, 0.93 - height)
    return [
        [(left + width * x + height * slant * (0.5 - y), top + height * y + random.gauss(0, 0.004)) for x, y in stroke]
        for stroke in TEMPLATES[digit]
    ]
