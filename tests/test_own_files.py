# ruff: noqa: F811  # the fixture `call` is that of test_command_line.py
"""A run writes what it made and nothing else: somebody's own folders, records and notebooks stay as they are."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from test_command_line import PARAMETERS, Answer, assert_refused, call, write_chapter  # noqa: F401

from course import chapters, exercises, folder, overview
from course import run as course_run

SAVE = """
from helpers import results
entry = dict.fromkeys(("train_loss", "val_loss", "val_f1", "val_accuracy", "seconds"), 0.5) | {{"epoch": 1}}
right = dict(mean=0.1, std=0.3, history=[entry], test={{"accuracy": 0.5, "f1": 0.5, "n": 10}})
results.save_record(run_dir, "{stem}", dataset=dataset, parameters={{}}, seed=3, **right)
"""


def execute_here(notebook: Any, output: None, parameters: dict, on_notebook_start: Callable, **_: object) -> None:
    """Run a notebook's cells in this process, in place of papermill and a kernel; that takes no time."""
    assert output is None
    notebook.metadata.papermill = {"parameters": parameters}
    on_notebook_start(notebook=notebook)
    names: dict = {}
    for cell in notebook.cells:
        exec(cell.source, names)
        names |= parameters


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course of four chapters, which runs without kernels; returns an empty folder for the run."""
    (tmp_path / "notebooks").mkdir()
    for stem in ("01_data", "02_model", "03_training", "04_evaluation"):
        write_chapter(tmp_path / "notebooks" / f"{stem}.ipynb", PARAMETERS, SAVE.format(stem=stem))
    monkeypatch.setattr(chapters, "NOTEBOOKS", tmp_path / "notebooks")
    monkeypatch.setattr(course_run.papermill, "execute_notebook", execute_here)
    return tmp_path / "out"


def files_in(place: Path) -> dict[str, bytes]:
    return {str(path.relative_to(place)): path.read_bytes() for path in place.rglob("*") if path.is_file()}


DIGITS = ("-p", "dataset", "digits")


@pytest.mark.parametrize("made_by", [None, "sweep", "handouts"])
@pytest.mark.parametrize("command", [("run", "01", *DIGITS), ("bench", "--dataset", "digits", "--repeats", "1")])
def test_a_folder_that_the_command_did_not_make_is_refused(
    command: tuple, made_by: str | None, course: Path, call: Callable[..., Answer], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("course.bench.measure", lambda *_: {}, raising=False)
    course.mkdir()
    if made_by:
        with folder.own(course, made_by):
            pass
    for name in ("01_data.ipynb", "01_data.json", "bench.json"):
        (course / name).write_text("years of work")
    before = files_in(course)
    assert_refused(call(*command, "--out", course), f"was not made by `{command[0]}`", "give a new folder")
    assert files_in(course) == before


def test_the_courses_own_notebooks_are_no_place_for_a_run(course: Path, call: Callable[..., Answer]) -> None:
    before = files_in(chapters.NOTEBOOKS)
    assert_refused(call("run", *DIGITS, "--out", chapters.NOTEBOOKS), "was not made by `run` and holds files")
    assert files_in(chapters.NOTEBOOKS) == before


OPTIONS = [
    ("run", "01", *DIGITS, "--out"),
    ("sweep", "03", "--out"),
    ("bench", "--dataset", "digits", "--out"),
    ("handouts", "--out"),
    ("handouts", "--source"),
    ("data", "--data-dir"),
    ("progress", "--export"),
]


@pytest.mark.parametrize("name", ["", "  ", "~nosuchuser/x"])
@pytest.mark.parametrize("words", OPTIONS, ids=" ".join)
def test_an_empty_name_or_nobodys_home_is_refused(
    words: tuple, name: str, call: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty name is what an unset variable leaves; it would mean the current folder."""
    monkeypatch.chdir(tmp_path)
    assert_refused(call(*words, name), f"argument {words[-1]}: got ", "; give another")
    assert list(tmp_path.iterdir()) == []


def test_only_what_is_run_again_goes(course: Path, call: Callable[..., Answer]) -> None:
    assert call("run", *DIGITS, "--out", course).status == 0
    before = files_in(course)
    answer = call("run", "01", *DIGITS, "--out", course)
    assert answer.status == 0
    after = files_in(course)
    changed = {name for name in before if name.startswith(("02", "03", "04")) and before[name] != after.get(name)}
    assert changed == set()
    assert list(json.loads(after["results.json"])["seconds"]) == ["01_data"]
    assert not any("out of date" in line for line in answer.out)


def test_a_measurement_of_weights_that_are_replaced_is_called_out_of_date(
    course: Path, call: Callable[..., Answer]
) -> None:
    assert not any("out of date" in line for line in call("run", *DIGITS, "--out", course).out)
    answer = call("run", "03", *DIGITS, "--out", course)
    assert answer.out[-1] == "out of date   04_evaluation.json describes the weights of an earlier run; run 04 again"
    assert (course / "04_evaluation.json").is_file()


def test_the_chapters_that_measure_anothers_weights_are_known() -> None:
    measuring = [chapter.stem for chapter in chapters.all_chapters() if "find_run(" in chapter.read_text("utf-8")]
    assert measuring == list(chapters.MEASURES)


def test_a_notebook_that_somebody_worked_in_is_kept_beside(course: Path, call: Callable[..., Answer]) -> None:
    again = ("run", "01", *DIGITS, "--out", course)
    call(*again)
    assert call(*again).status == 0
    assert not list(course.glob("*.kept*"))  # what a run left goes
    path = course / "01_data.ipynb"
    for mine in ("my own words", "and more of them"):
        notebook = nbformat.read(path, as_version=4)
        notebook.cells.append(nbformat.v4.new_markdown_cell(mine))
        nbformat.write(notebook, path)
        answer = call(*again)
        assert answer.status == 0
        assert any(
            "01_data.ipynb was changed since a run left it; it is now 01_data.kept-" in line for line in answer.out
        )
    path.write_text("no notebook at all")
    assert call(*again).status == 0
    kept = [file.read_text("utf-8") for file in sorted(course.glob("01_data.kept-*.ipynb"))]
    assert ["my own words" in kept[0], "and more of them" in kept[1], "no notebook at all" in kept[2]] == [True] * 3
    assert "own words" not in path.read_text("utf-8")


@pytest.mark.parametrize("existing", [True, False])
def test_an_export_replaces_nothing(existing: bool, call: Callable[..., Answer], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MNIST_COURSE_PROGRESS", str(tmp_path / "progress.json"))
    target, beside = tmp_path / "grades.json", tmp_path / "grades.json.part"
    beside.write_text("mine, too")
    if existing:
        target.write_text("mine")
    answer = call("progress", "--export", target)
    assert (answer.status, len(answer.err)) == ((2, 1) if existing else (0, 0))
    assert (target.read_text() == "mine") == existing
    assert beside.read_text() == "mine, too"


def test_a_link_is_not_followed_by_an_export(call: Callable[..., Answer], tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("MNIST_COURSE_PROGRESS", str(tmp_path / "progress.json"))
    (tmp_path / "grades.json").symlink_to(tmp_path / "elsewhere.json")
    assert call("progress", "--export", tmp_path / "grades.json").status == 2
    assert not (tmp_path / "elsewhere.json").exists()


def test_braces_in_paths_and_no_home_folder_in_what_a_run_leaves(
    call: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a real kernel, since papermill would fill in what is between braces, and note where everything is."""
    home = tmp_path / "ada"
    (home / "{b}").mkdir(parents=True)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    parameters = f'{PARAMETERS}\ndata_dir: str = "data"  # where images are'
    saves = 'from helpers import results, settings\npath = results.save_record(run_dir, "01_fine", dataset=dataset, '
    saves += 'parameters={"run_dir": run_dir, "data_dir": data_dir})\nprint("saved", settings.shown(path))'
    write_chapter(home / "{b}" / "01_fine.ipynb", parameters, saves)
    monkeypatch.setattr(chapters, "NOTEBOOKS", home / "{b}")
    out = home / "runs" / "{a}"
    answer = call("run", "1", *DIGITS, "-p", "data_dir", home / "mnist", "--out", out)
    assert answer.status == 0, answer.err
    for name in ("01_fine.ipynb", "01_fine.json", "results.json"):
        assert str(home) not in (out / name).read_text(encoding="utf-8")
    assert json.loads((out / "01_fine.json").read_text())["parameters"] == {
        "run_dir": str(Path("~/runs/{a}")), "data_dir": str(Path("~/mnist"))
    }  # fmt: skip


def test_what_an_exercise_asks_for_is_read_from_its_check() -> None:
    """From the source, as `progress` does without PyTorch, and where Python drops docstrings."""
    first_lines = {n: str(check.__doc__).partition("\n")[0].rstrip(".") for n, check in exercises.CHECKS.items()}
    patients = {f"9.{number + 2}": f"Patient {number}: which of the twelve mistakes it has" for number in range(1, 13)}
    assert overview.subjects() == first_lines | patients
    assert overview.subjects()["1.1"] == "A function that turns paper into ink and ink into paper"
