"""Take the README's first picture: the page in a browser, with a digit drawn on it and the network's answer."""

import tempfile
from pathlib import Path

from course.handouts import printing
from course.page import build
from helpers import settings

WIDTH, HEIGHT = 1120, 976  # of the window, in pixels of the page; the picture has 1.4 times as many
STROKE = [  # a three in the corner of a pad of 280×280, which the network misreads unless it is prepared
    *((165, 155), (176, 141), (196, 133), (216, 137), (228, 151), (223, 167), (209, 180), (192, 186)),
    *((212, 188), (231, 199), (236, 219), (226, 238), (206, 248), (184, 244), (167, 230)),
]


def take_picture(path: Path) -> None:
    """Draw on the page of MNIST's reference run, and save what the window shows as a PNG.

    Where there is no Chromium or Chrome, the picture that is there stays, and a line says so.
    """
    browser = printing.find_browser()
    if browser is None:
        print(f"{settings.shown(path)} stays as it was: neither Chromium nor Chrome is on this machine")
        return
    from playwright.sync_api import sync_playwright  # here, since only requirements-dev.txt has it

    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        page = Path(folder) / "digits.html"
        build.write(settings.FILES / "results" / "reference" / "mnist", page)
        opened = playwright.chromium.launch(executable_path=browser)
        tab = opened.new_page(
            viewport={"width": WIDTH, "height": HEIGHT}, device_scale_factor=1.4, color_scheme="light"
        )
        tab.goto(page.as_uri())
        box = tab.locator("#pad").bounding_box()
        assert box is not None  # the pad is always on the page
        for number, (x, y) in enumerate(STROKE):
            tab.mouse.move(box["x"] + x / 280 * box["width"], box["y"] + y / 280 * box["height"])
            if number == 0:
                tab.mouse.down()
        tab.mouse.up()
        tab.locator("#raw-words").filter(has_text="it would read").wait_for()  # what comes last of all that is in view
        tab.screenshot(path=path)
        opened.close()
