"""The page in a notebook: a pad whose drawing Python gets, and the page itself where somebody is there to draw."""

import base64
import html
import io
import os
import secrets
from pathlib import Path

import anywidget
import numpy as np
import traitlets
from IPython.display import display
from PIL import Image, ImageOps

from course.page import build
from helpers import bars, results
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
    _place = traitlets.Unicode().tag(sync=True)
    _pixels = traitlets.Any(b"").tag(sync=True)  # `Bytes` would not take the memoryview that comes from the browser

    @traitlets.default("_place")
    def _new_place(self) -> str:
        return secrets.token_hex(8)  # so that widget.js finds it in the notebook

    @property
    def drawing(self) -> np.ndarray:
        """What is drawn, as of the last stroke: a new uint8 (280, 280), 255 is ink; all 0 if nobody drew."""
        if not len(self._pixels):
            return np.zeros((PAD_SIZE, PAD_SIZE), np.uint8)
        return np.frombuffer(self._pixels, np.uint8).reshape(PAD_SIZE, PAD_SIZE).copy()

    def open(self) -> None:
        """Connect with the browser, if there is one."""
        if bars.is_interactive():
            super().open()

    def __repr__(self) -> str:
        return "DrawingPad()"  # without its address in memory, which differs each time

    def _repr_mimebundle_(self, **kwargs: dict) -> tuple[dict, dict]:
        """Return a place for the pad, where a browser is connected, and a picture for wherever there is none.

        JupyterLab would save the widget's view and, once the kernel has ended, show an error instead of it. VS Code and
        Colab start a widget only where its view is shown.
        """
        drawing = self.drawing
        alt = "A drawing pad with a drawing on it." if drawing.any() else "A drawing pad on which nobody has drawn."
        picture = ImageOps.expand(Image.fromarray(255 - drawing), border=1, fill=160)  # black on white, with a frame
        file = io.BytesIO()
        picture.save(file, "PNG")
        png = base64.b64encode(file.getvalue()).decode()
        data, metadata = {"text/plain": repr(self), "image/png": png}, {"image/png": {"alt": alt}}
        if self.comm and any(name in os.environ for name in ("VSCODE_PID", "COLAB_RELEASE_TAG")):
            view, more = super()._repr_mimebundle_(**kwargs) or ({}, {})
            return view | data, more | metadata
        if self.comm:
            inside = f'<img src="data:image/png;base64,{png}" alt="{alt}"><p>Run this cell to draw here.</p>'
            data["text/html"] = f'<div data-drawing-pad="{self._place}">{inside}</div>'
        return data, metadata


def show_page(run_dir: str | Path, dataset: str = "auto", data_dir: str | Path = "data") -> None:
    """Show the page of `python -m course page` in a notebook; where nobody is watching, say how to get it.

    Args:
        run_dir: taken if chapter 3 left a run on this data set there; if not, the reference run is.
        dataset: name of the data set, or `auto`.
        data_dir: folder of the data set's archives.

    Raises:
        ValueError: there is no such run, or it can't be used.
    """
    if not bars.is_interactive():
        print(UNWATCHED)
        return
    run = results.find_run(run_dir, load_dataset(dataset, data_dir).name)
    page = html.escape(build.build(run, data_dir))
    frame = f'<style>{FRAME_STYLE}</style><iframe class="course-page" srcdoc="{page}" title="{TITLE}" '
    frame += 'sandbox="allow-scripts"></iframe>'
    display({"text/html": frame, "text/plain": UNWATCHED}, raw=True)
