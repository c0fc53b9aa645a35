"""Each chapter through nbval: every cell runs, and cells tagged `nbval-check-output` print what is committed.

The chapters run in the course's order into one folder, as a learner does, on the embedded digits, which is quick. What
is compared was printed on MNIST when the outputs were refreshed, so it holds for both. Two epochs are enough. The
exercises are filled in with their solutions, and every check must pass; test_reruns.py runs them as stubs.
"""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import papermill
import pytest
from conftest import HAS_MNIST
from solutions import filled_copy

from course import chapters
from course.exercises import CHECKS
from course.handouts import copies
from course.maintain import refresh
from helpers import settings

CHECKED = "nbval-check-output"


def validate(*notebooks: Path) -> subprocess.CompletedProcess:
    """Run nbval on notebooks of one folder, in a process of its own, away from the settings of this one."""
    folder = notebooks[0].parent
    (folder / "pytest.ini").write_text("[pytest]\n")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "JPY_"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "pytest.ini"]
    command += ["-rfEp", "-p", "no:randomly"]  # it would shuffle the cells
    return subprocess.run(
        [*command, "--nbval-lax", "--nbval-current-env", *(notebook.name for notebook in notebooks)],
        cwd=folder,
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )


def copy(chapter: Path, folder: Path, **values: object) -> Path:
    """Write a copy of `chapter`, its outputs kept, with its solutions filled in and the `values` it knows injected."""
    small = {"dataset": "digits", "epochs": 2, "seeds": 2, "sweep_seeds": 1, "timed_images": 640, "turns": 1}
    values = small | {"data_dir": str(settings.ROOT / "data")} | values
    known = chapters.parameter_names(chapter)
    target = folder / chapter.name
    filled = filled_copy(nbformat.read(chapter, as_version=4))
    for cell in filled.cells:
        if "check" in copies.tags_of(cell):
            cell.metadata.tags = ["check"]  # committed is what the stub gets; here is the solution
    nbformat.write(filled, target)
    papermill.execute_notebook(
        target,
        target,
        parameters={name: value for name, value in values.items() if name in known},
        kernel_name="python3",
        prepare_only=True,
        progress_bar=False,
    )
    return target


def code_cells(notebook: Path) -> list:
    return [cell for cell in nbformat.read(notebook, as_version=4).cells if cell.cell_type == "code"]


@pytest.fixture(scope="module")
def validated(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The folder in which all chapters ran in order, as later ones need what earlier ones left; and what nbval said."""
    folder = tmp_path_factory.mktemp("chapters")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MNIST_COURSE_PROGRESS", str(folder / "progress.json"))
        done = validate(*(copy(chapter, folder, run_dir=str(folder / "run")) for chapter in chapters.all_chapters()))
    return folder, done.stdout


@pytest.mark.parametrize("chapter", chapters.all_chapters(), ids=lambda chapter: chapter.stem)
def test_every_cell_runs_checked_cells_print_what_is_committed_and_every_solution_is_right(
    chapter: Path, validated: tuple[Path, str]
) -> None:
    folder, said = validated
    cells = code_cells(folder / chapter.name)
    checked = [cell for cell in cells if CHECKED in cell.metadata.get("tags", [])]
    assert checked, "no cell would be compared"
    assert all(cell.outputs for cell in checked), "a checked cell without output compares nothing"
    assert f"FAILED {chapter.name}" not in said, said[-5000:]
    assert said.count(f"PASSED {chapter.name}::Cell ") == len(cells), said[-5000:]
    assert (folder / "run" / f"{chapter.stem}.json").is_file()
    answers = json.loads((folder / "progress.json").read_text(encoding="utf-8"))["exercises"]
    of_chapter = [number for number in CHECKS if number.startswith(f"{int(chapter.stem[:2])}.")]
    assert [number for number in of_chapter if not answers[number]["solved"]] == []


@pytest.mark.slow
@pytest.mark.parametrize("number", ["02", "03", "05", "06", "07"])
def test_the_first_cells_wait_only_for_what_the_chapter_needs(number: str) -> None:
    """The others import one of these themselves. PyTorch's compiler comes with torchvision, and with an optimizer."""
    (chapter,) = chapters.select_chapters([number])
    imports = [cell.source for cell in nbformat.read(chapter, 4).cells if cell.cell_type == "code"][:2]
    slow = {"torchmetrics", "torchvision", "torch._dynamo", "seaborn", "sklearn", "papermill", "nbformat"}
    code = "\n".join([*imports, f"sys.exit(' '.join({slow} & set(sys.modules)) or 0)"])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=chapter.parent)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.slow
def test_chapter_4_works_on_its_own_with_the_reference_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_COURSE_PROGRESS", str(tmp_path / "progress.json"))
    (chapter,) = chapters.select_chapters(["04"])
    dataset = "mnist" if HAS_MNIST else "digits"
    notebook = copy(chapter, tmp_path, dataset=dataset, run_dir=str(tmp_path / "empty"))
    done = validate(notebook)
    assert done.returncode == 0, done.stdout[-5000:]
    record = json.loads((tmp_path / "empty" / "04_evaluation.json").read_text(encoding="utf-8"))
    assert record["test"]["accuracy"] > (0.98 if HAS_MNIST else 0.9)  # trained weights, not random ones


# --- the tests above can fail ---


def test_a_checked_output_that_changed_and_a_cell_that_fails_are_found(tmp_path: Path) -> None:
    def cell(code: str, committed: str, *tags: str) -> nbformat.NotebookNode:
        output = nbformat.v4.new_output("stream", name="stdout", text=committed)
        return nbformat.v4.new_code_cell(code, outputs=[output], execution_count=1, metadata={"tags": list(tags)})

    cells = [
        cell("print(6 * 7)", "42\n", CHECKED),
        cell("print(6 * 7)", "41\n", CHECKED),
        cell("print(6 * 7)", "41\n"),  # unchecked
        cell("1 / 0", ""),
    ]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=refresh.METADATA), tmp_path / "small.ipynb")
    (tmp_path / "copied").mkdir()
    done = validate(copy(tmp_path / "small.ipynb", tmp_path / "copied"))  # copying must keep the outputs
    assert done.returncode == 1
    assert set(re.findall(r"^FAILED small\.ipynb::Cell (\d)", done.stdout, flags=re.MULTILINE)) == {"1", "3"}
    assert "Cell outputs differ" in done.stdout
    assert "ZeroDivisionError" in done.stdout
