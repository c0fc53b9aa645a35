"""The Chromium or Chrome that is on the machine, without a window: for the tests, and for what draws the drawings."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from strokes import Stroke

from course.handouts import printing

BROWSER = printing.find_browser()
needs_browser = pytest.mark.skipif(not BROWSER, reason="neither Chromium nor Chrome is on this machine")


@contextmanager
def started() -> Iterator[object]:
    """Start the browser for the time of the `with` block."""
    sync_api = pytest.importorskip("playwright.sync_api")
    arguments = [word for word in printing.command(BROWSER, "") if word == "--no-sandbox"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=BROWSER, args=arguments)
        yield browser
        browser.close()


def draw(tab: object, pad: str, strokes: list[Stroke]) -> None:
    """Draw with the mouse on the pad that a selector finds; places go from 0 to 1."""
    box = tab.locator(pad).bounding_box()
    for stroke in strokes:
        points = [(box["x"] + box["width"] * x, box["y"] + box["height"] * y) for x, y in stroke]
        tab.mouse.move(*points[0])
        tab.mouse.down()
        for point in points[1:]:
            tab.mouse.move(*point)
        tab.mouse.up()
