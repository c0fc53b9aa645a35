"""The pad in a notebook: what is drawn in JupyterLab arrives in Python, and no committed notebook holds its state."""

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from browser import draw, needs_browser
from nbclient import NotebookClient

from course.page import notebook
from helpers import checkpoint, data, drawing, results, settings
from helpers.model import MNISTClassification

WIDGET = "application/vnd.jupyter.widget-view+json"
PNG = "iVBORw0KGgo"  # how every PNG starts, in base64
CELLS = [
    "from course.page import notebook\nimport numpy as np",
    "pad = notebook.DrawingPad()\npad",
    "np.save('drawing.npy', pad.drawing)",
    "notebook.show_page('runs/none', dataset='digits')",
]


@pytest.fixture
def unwatched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notebook.bars, "is_interactive", lambda: False)


def cells() -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(
        cells=[nbformat.v4.new_code_cell(source) for source in CELLS],
        metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}},
    )


# --- without a browser ---


def test_nobody_drew_so_the_drawing_is_empty_paper_and_each_call_gives_a_new_one(unwatched: None) -> None:
    pad = notebook.DrawingPad()
    assert pad.drawing.shape == (280, 280) and pad.drawing.dtype == np.uint8 and not pad.drawing.any()
    pad.drawing[:] = 255
    assert not pad.drawing.any()


@pytest.mark.parametrize("kind", [bytes, memoryview])
def test_pixels_become_the_drawing_row_by_row(unwatched: None, kind: type) -> None:
    pad = notebook.DrawingPad()
    pad._pixels = kind(bytes([0, 7]) + bytes(280 * 280 - 2))
    assert pad.drawing[0, 1] == 7 and pad.drawing.sum() == 7


def test_two_pads_look_alike_in_a_notebook_and_are_pictures_with_alt_text(unwatched: None) -> None:
    shown = [notebook.DrawingPad()._repr_mimebundle_() for _ in range(2)]
    assert shown[0] == shown[1]
    content, metadata = shown[0]
    assert set(content) == {"text/plain", "image/png"} and content["text/plain"] == "DrawingPad()"
    assert (
        content["image/png"].startswith(PNG)
        and metadata["image/png"]["alt"] == "A drawing pad on which nobody has drawn."
    )


def test_the_picture_is_that_of_the_drawing(unwatched: None) -> None:
    pad = notebook.DrawingPad()
    empty, _ = pad._repr_mimebundle_()
    pad._pixels = bytes([255]) * 280 * 280
    full, metadata = pad._repr_mimebundle_()
    assert full["image/png"] != empty["image/png"] and full["text/plain"] == empty["text/plain"]
    assert metadata["image/png"]["alt"] == "A drawing pad with a drawing on it."


def test_the_page_is_one_line_where_nobody_watches(unwatched: None, capsys: pytest.CaptureFixture) -> None:
    notebook.show_page("runs/none")
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "python -m course page" in said


@pytest.mark.slow
def test_a_notebook_executed_unwatched_holds_a_picture_and_no_state(tmp_path: Path) -> None:
    executed = cells()
    NotebookClient(executed, resources={"metadata": {"path": str(tmp_path)}}).execute()
    assert "widgets" not in executed.metadata
    (shown,) = executed.cells[1].outputs
    assert set(shown.data) == {"text/plain", "image/png"}
    assert [output.output_type for output in executed.cells[3].outputs] == ["stream"]
    assert not np.load(tmp_path / "drawing.npy").any()


# --- in JupyterLab ---


class Lab:
    """A notebook that is open in JupyterLab: what somebody can do with it."""

    def __init__(self, tab: object, folder: Path, address: str):
        self.tab, self.folder, self.address = tab, folder, address
        self.problems: list[str] = []
        self.requests: list[str] = []
        tab.on("console", lambda message: self.problems.append(message.text) if message.type == "error" else None)
        tab.on("pageerror", lambda error: self.problems.append(str(error)))
        tab.on("request", lambda request: self.requests.append(request.url))
        self.open()

    def open(self) -> None:
        self.tab.goto(f"{self.address}/lab/tree/drawn.ipynb?token=secret&reset")
        self.tab.wait_for_selector(".jp-Notebook .jp-Cell", timeout=120_000)
        for _ in range(600):  # until then, "Run All Cells" would ask for a kernel
            with urllib.request.urlopen(f"{self.address}/api/sessions?token=secret") as answer:
                if [each for each in json.load(answer) if each["kernel"]["execution_state"] == "idle"]:
                    break
            self.tab.wait_for_timeout(100)
        self.tab.wait_for_timeout(1000)

    def end_kernels(self) -> None:
        with urllib.request.urlopen(f"{self.address}/api/kernels?token=secret") as answer:
            for kernel in json.load(answer):
                address = f"{self.address}/api/kernels/{kernel['id']}?token=secret"
                urllib.request.urlopen(urllib.request.Request(address, method="DELETE")).close()

    def choose(self, menu: str, entry: str) -> None:
        self.tab.click(f'.lm-MenuBar-itemLabel:text-is("{menu}")')
        self.tab.click(f'.lm-Menu-itemLabel:text-is("{entry}")')

    def run_all(self) -> None:
        """Run all cells and wait for the last one's page; the pads that were there before are gone by then."""
        (self.folder / "drawing.npy").unlink(missing_ok=True)
        self.tab.evaluate("document.querySelectorAll('.course-page').forEach(frame => frame.remove())")
        self.choose("Run", "Run All Cells")
        self.tab.wait_for_selector(".course-page", timeout=120_000)
        self.tab.wait_for_selector(".drawing-pad canvas")

    def arrived(self) -> np.ndarray:
        """Run the cell that saves the drawing, and return what it saved."""
        file = self.folder / "drawing.npy"
        file.unlink(missing_ok=True)
        self.tab.click(".jp-Notebook .jp-Cell >> nth=2 >> .jp-InputArea-editor")
        self.tab.keyboard.press("Control+Enter")
        for _ in range(300):
            if file.is_file() and file.stat().st_size > 280 * 280:
                return np.load(file)
            self.tab.wait_for_timeout(100)
        pytest.fail("the cell did not run within 30 seconds")

    def on_screen(self) -> np.ndarray:
        """Return the pad's pixels as the browser has them."""
        canvas = self.tab.locator(".drawing-pad canvas")
        numbers = (
            "canvas => [...canvas.getContext('2d').getImageData(0, 0, 280, 280).data].filter((_, i) => i % 4 == 3)"
        )
        return np.array(canvas.evaluate(numbers), np.uint8).reshape(280, 280)

    def page(self) -> object:
        """Return the page in the iframe, once all of it is there."""
        self.tab.frame_locator(".course-page").locator("#quiz-answers button").first.wait_for()
        return self.tab.query_selector(".course-page").content_frame()

    def saved(self) -> nbformat.NotebookNode:
        self.tab.keyboard.press("Control+s")
        self.tab.wait_for_timeout(3000)
        return nbformat.read(self.folder / "drawn.ipynb", as_version=4)


@pytest.fixture
def lab(browser: object, tmp_path: Path) -> Iterator[Lab]:
    work = tmp_path / "work"
    work.mkdir()
    nbformat.write(cells(), work / "drawn.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")
    path = os.pathsep.join(filter(None, [str(settings.ROOT), os.environ.get("PYTHONPATH")]))
    env = os.environ | {name: str(tmp_path / name) for name in own} | {"PYTHONPATH": path}
    words = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", f"--port={port}"]
    words += ["--ServerApp.port_retries=0", "--IdentityProvider.token=secret", f"--ServerApp.root_dir={work}"]
    words += ["--LabApp.news_url=None"]
    with (tmp_path / "log.txt").open("w") as log:
        server = subprocess.Popen(words, env=env, stdout=log, stderr=log)
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            try:
                urllib.request.urlopen(f"{address}/api?token=secret").close()
                break
            except OSError:
                time.sleep(0.1)
        lab = Lab(context.new_page(), work, address)
        yield lab
        assert lab.problems == []
        assert [url for url in lab.requests if not url.startswith((address, "blob:", "data:"))] == []
    finally:
        context.close()
        server.terminate()
        server.wait(timeout=60)


SEVEN = [[(0.2, 0.2), (0.5, 0.2), (0.8, 0.2), (0.6, 0.5), (0.5, 0.9)], [(0.4, 0.55), (0.8, 0.55)]]


@needs_browser
@pytest.mark.slow
def test_what_is_drawn_arrives_in_python_and_is_read_alike_by_both(lab: Lab) -> None:
    lab.run_all()
    assert not np.load(lab.folder / "drawing.npy").any()
    draw(lab.tab, ".drawing-pad canvas", SEVEN)
    drawn = lab.arrived()
    assert drawn.any() and np.array_equal(drawn, lab.on_screen())

    prepared = drawing.prepare(drawn)
    run = settings.ROOT / "results" / "reference" / "digits"
    record, model = results.load_record(run, "03_training"), MNISTClassification()
    checkpoint.load_weights(model, run / "weights.safetensors")
    with torch.no_grad():
        expected = model.eval()(data.normalize(torch.from_numpy(prepared)[None], record["mean"], record["std"])).exp()[
            0
        ]
    image, found = lab.page().evaluate(
        """numbers => {
          pad.show({ height: 280, width: 280, pixels: Uint8Array.from(numbers) });
          const { image, result } = read();
          return [[...image], result.probabilities];
        }""",
        drawn.ravel().tolist(),
    )
    assert np.array_equal(np.reshape(image, (28, 28)), prepared)
    assert torch.tensor(found) == pytest.approx(expected, abs=1e-5)

    saved = lab.saved()
    assert "widgets" not in saved.metadata
    shown = saved.cells[1].outputs[0].data
    assert shown["image/png"].startswith(PNG) and WIDGET not in shown


@needs_browser
@pytest.mark.slow
def test_a_saved_notebook_reopens_with_its_drawing_while_its_kernel_lives_and_later_says_what_to_do(lab: Lab) -> None:
    lab.run_all()
    draw(lab.tab, ".drawing-pad canvas", SEVEN)
    drawn = lab.arrived()
    lab.saved()
    lab.open()
    lab.tab.wait_for_selector(".drawing-pad canvas")
    for _ in range(300):  # the canvas is there before the kernel has said what was drawn
        if lab.on_screen().any():
            break
        lab.tab.wait_for_timeout(100)
    assert np.array_equal(lab.on_screen(), drawn)
    lab.tab.goto("about:blank")
    lab.end_kernels()
    lab.open()
    lab.tab.wait_for_selector(".jp-OutputArea-output:has-text('Run this cell to draw here.') img")
    assert lab.tab.locator(":text('Error displaying')").count() == 0
    lab.run_all()
    draw(lab.tab, ".drawing-pad canvas", SEVEN)
    assert np.array_equal(lab.arrived(), lab.on_screen())


@needs_browser
@pytest.mark.slow
def test_undo_clear_brush_and_keys_work_in_the_notebook(lab: Lab) -> None:
    lab.run_all()
    tab, pad = lab.tab, ".drawing-pad canvas"
    tab.focus(pad)
    for key in (" ", *["ArrowRight"] * 5, " "):
        tab.keyboard.press(key)
    one = lab.arrived()
    top, bottom, left, right = drawing.bounding_box(one)
    assert (bottom - top, right - left) == pytest.approx((20, 20 + 5 * 7), abs=2)  # a brush, and five steps of 7 pixels
    tab.fill(".drawing-pad input", "40")
    draw(tab, pad, [[(0.1, 0.8), (0.9, 0.8)]])
    both = lab.arrived()
    assert both[204:244, 140].min() > 200  # 40 pixels high around 0.8 of 280
    tab.click(".drawing-pad .undo")
    assert np.array_equal(lab.arrived(), one)
    tab.click(".drawing-pad .clear")
    assert not lab.arrived().any()
    tab.focus(pad)
    tab.keyboard.press("Backspace")  # undoes, and removes no cell
    assert np.array_equal(lab.arrived(), one)


@needs_browser
@pytest.mark.slow
def test_all_cells_again_and_a_new_kernel_give_a_pad_that_works(lab: Lab) -> None:
    for _ in range(2):
        lab.run_all()
        draw(lab.tab, ".drawing-pad canvas", SEVEN)
        assert np.array_equal(lab.arrived(), lab.on_screen())
    lab.choose("Kernel", "Restart Kernel…")
    lab.tab.click(".jp-Dialog button:has-text('Restart')")
    lab.tab.wait_for_selector(".drawing-pad .alone:has-text('The kernel was restarted')")
    draw(lab.tab, ".drawing-pad canvas", [[(0.1, 0.1), (0.9, 0.9)]])  # goes to nobody, and breaks nothing
    lab.run_all()
    draw(lab.tab, ".drawing-pad canvas", SEVEN)
    assert lab.arrived().any() and np.array_equal(lab.arrived(), lab.on_screen())


@needs_browser
@pytest.mark.slow
def test_the_page_draws_and_reads_in_the_notebook(lab: Lab) -> None:
    lab.run_all()
    page = lab.page()
    lab.tab.locator(".course-page").scroll_into_view_if_needed()
    box = page.locator("#pad").bounding_box()
    lab.tab.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.1 * box["height"])
    lab.tab.mouse.down()
    lab.tab.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.6 * box["height"], steps=5)
    lab.tab.mouse.up()
    page.wait_for_selector("#answer:not(:text-is('–'))")
    assert page.text_content("#answer") in "0123456789"
