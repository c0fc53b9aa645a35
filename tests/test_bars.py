"""Progress bars move where somebody is watching, and a notebook that was saved keeps nothing of them."""

import re
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from papermill.iorw import load_notebook_node
from papermill.parameterize import parameterize_notebook

from course import chapters
from course.run import KERNEL_ARGUMENTS
from helpers import settings

WIDGET = "application/vnd.jupyter.widget-view+json"
SMALL = {"dataset": "digits", "epochs": 1, "seeds": 2, "sweep_seeds": 1, "timed_images": 640, "turns": 1}
WITHOUT_BARS = ("01_data", "02_model", "04_evaluation", "09_break_it")
TWO_BARS = """\
from helpers import bars
for name in ("first", "second"):
    for _ in bars.progress_bar(range(3), name):
        pass
    print(name, "done")"""


class Watched(NotebookClient):
    """Executes a notebook and keeps what each bar said."""

    def __init__(self, *words: object, **options: object):
        super().__init__(
            *words,
            kernel_name="python3",
            extra_arguments=KERNEL_ARGUMENTS,
            coalesce_streams=True,
            timeout=600,
            **options,
        )
        self.bars: list[str] = []

    def process_message(self, message: dict, *words: object) -> object:
        text = message["content"].get("data", {}).get("text/plain", "")
        self.bars += [text] if "%|" in text else []
        return super().process_message(message, *words)

    def execute(self) -> list:
        super().execute()
        return [output for cell in self.nb.cells if cell.cell_type == "code" for output in cell.outputs]


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("JPY_SESSION_NAME", "a notebook in JupyterLab")
    monkeypatch.setenv("TQDM_MININTERVAL", "0")  # each step is shown, however fast it is
    monkeypatch.setenv("MNIST_COURSE_PROGRESS", str(tmp_path / "progress.json"))


def two_bars() -> Watched:
    return Watched(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(TWO_BARS)]))


def test_two_bars_in_a_notebook_move_and_leave_what_was_printed(watched: None) -> None:
    client = two_bars()
    line, printed = client.execute()
    assert (line.data, printed.text) == ({}, "first done\nsecond done\n")
    said = [re.match(r"(\w+): +(\d+)%", bar).groups() for bar in client.bars]
    assert said == [(name, percent) for name in ("first", "second") for percent in ("0", "33", "67", "100")]


def test_a_notebook_that_nobody_watches_has_no_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    client = two_bars()
    (printed,) = client.execute()
    assert (printed.text, client.bars) == ("first done\nsecond done\n", [])


@pytest.mark.slow
@pytest.mark.parametrize("chapter", chapters.all_chapters(), ids=lambda chapter: chapter.stem)
def test_a_chapter_that_somebody_watches_leaves_nothing_dead_behind(
    chapter: Path, watched: None, tmp_path: Path
) -> None:
    values = SMALL | {"data_dir": str(settings.ROOT / "data"), "run_dir": str(tmp_path / "run")}
    known = chapters.parameter_names(chapter)
    notebook = parameterize_notebook(
        load_notebook_node(str(chapter)), {name: value for name, value in values.items() if name in known}
    )
    client = Watched(notebook, resources={"metadata": {"path": str(tmp_path)}})
    outputs = client.execute()
    assert [output for output in outputs if output.get("name") == "stderr"] == []
    assert [output for output in outputs if WIDGET in output.get("data", {})] == []
    assert [output for output in outputs if "%|" in str(output.get("text", output.get("data")))] == []
    moved = len({re.search(r"(\d+)%", bar)[1] for bar in client.bars}) > 2
    assert moved == (chapter.stem not in WITHOUT_BARS)
