"""The page in a notebook: a pad whose drawing Python gets, and the page itself where somebody is there to draw."""

import base64
import html
import io
from pathlib import Path

import anywidget
import numpy as np
import traitlets
from IPython.display import display
from PIL import Image, ImageOps

from course.page import build
from helpers import results, training
from helpers.data import load_dataset
from helpers.drawing import PAD_SIZE

# As high as the pad with its tools, and the answer beside it; light or dark as JupyterLab is.
FRAME_STYLE = """
.course-page { width: 100%; height: 720px; border: 1px solid #8888; border-radius: 8px; }
[data-jp-theme-light="true"] .course-page { color-scheme: light; }
[data-jp-theme-light="false"] .course-page { color-scheme: dark; }
"""
TITLE = "The page that draws, reads and looks inside"
UNWATCHED = "Open this notebook in JupyterLab to have the page right here, or write it to a file: python -m course page"


class DrawingPad(anywidget.AnyWidget):
    """A pad to draw a digit on with mouse, finger, pen or keyboard: the page's own.

    Where nobody is watching, it is an empty pad that opens no line to a browser, so that no state of it gets into a
    notebook, and is shown as a picture.
    """

    _esm = build.joined("prepare.js", "draw.js", "widget.js")
    _css = build.joined("pad.css", "widget.css")
    _pixels = traitlets.Any(b"").tag(sync=True)  # `Bytes` would not take the memoryview that comes from the browser

    @property
    def drawing(self) -> np.ndarray:
        """What is drawn, as of the last stroke: a new uint8 (280, 280), 255 is ink; all 0 if nobody drew."""
        if not len(self._pixels):
            return np.zeros((PAD_SIZE, PAD_SIZE), np.uint8)
        return np.frombuffer(self._pixels, np.uint8).reshape(PAD_SIZE, PAD_SIZE).copy()

    def open(self) -> None:
        """Connect with the browser, if there is one."""
        if training.is_interactive():
            super().open()

    def __repr__(self) -> str:
        return "DrawingPad()"  # without its address in memory, which differs each time

    def _repr_mimebundle_(self, **kwargs: dict) -> tuple[dict, dict]:
        """Return the widget, where a browser is connected, and a picture for wherever it can't be shown."""
        data, metadata = (self.comm and super()._repr_mimebundle_(**kwargs)) or ({}, {})
        drawing = self.drawing
        alt = "A drawing pad with a drawing on it." if drawing.any() else "A drawing pad on which nobody has drawn."
        picture = ImageOps.expand(Image.fromarray(255 - drawing), border=1, fill=160)  # black on white, with a frame
        png = io.BytesIO()
        picture.save(png, "PNG")
        data |= {"text/plain": repr(self), "image/png": base64.b64encode(png.getvalue()).decode()}
        return data, metadata | {"image/png": {"alt": alt}}


def show_page(run_dir: str | Path, dataset: str = "auto", data_dir: str | Path = "data") -> None:
    """Show the page of `python -m course page` in a notebook; where nobody is watching, say how to get it.

    Args:
        run_dir: taken if chapter 3 left a run on this data set there; if not, the reference run is.
        dataset: name of the data set, or `auto`.
        data_dir: folder of the data set's archives.

    Raises:
        ValueError: there is no such run, or it can't be used.
    """
    if not training.is_interactive():
        print(UNWATCHED)
        return
    run = results.find_run(run_dir, load_dataset(dataset, data_dir).name)
    page = html.escape(build.build(run, data_dir))
    frame = f'<style>{FRAME_STYLE}</style><iframe class="course-page" srcdoc="{page}" title="{TITLE}" '
    frame += 'sandbox="allow-scripts"></iframe>'
    display({"text/html": frame, "text/plain": UNWATCHED}, raw=True)
