"""The whole series as a teacher reruns it: from another folder, on the embedded digits, with two epochs."""

import hashlib
import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from course import chapters
from course.__main__ import main
from course.handouts import copies
from helpers import settings
from helpers.data import Dataset
from helpers.results import load_record

# Whatever a run might write into the course by mistake.
WATCHED = ("notebooks", "helpers", "images", "results", "runs", "data", "docs")
HISTORY_KEYS = {"epoch", "train_loss", "val_loss", "val_f1", "val_accuracy", "seconds"}


def state_of_the_course() -> dict[str, tuple[int, int]]:
    """Return size and time of change of each file of the course, but Python's own cache."""
    files = [path for folder in WATCHED for path in (settings.ROOT / folder).rglob("*") if path.is_file()]
    files += [path for path in settings.ROOT.iterdir() if path.is_file()]
    return {
        str(path.relative_to(settings.ROOT)): (path.stat().st_size, path.stat().st_mtime_ns)
        for path in files
        if "__pycache__" not in path.parts
    }


def execute(command: list[str], folder: Path) -> subprocess.CompletedProcess:
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, env=environment, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done


@dataclass
class Run:
    """A finished run: its folder, its results.json, what it printed, and the course's files before and after."""

    out: Path
    results: dict
    printed: str
    errors: str
    before: dict
    after: dict


@pytest.fixture(scope="module")
def series(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """The whole series, run once for all tests here."""
    folder = tmp_path_factory.mktemp("series")
    before = state_of_the_course()
    values = {"dataset": "digits", "epochs": 2, "seed": 3}
    values |= {"sweep_seeds": 1, "seeds": 2, "timed_images": 640, "turns": 1}  # chapters 5 and 7, made short
    words = [str(word) for name, value in values.items() for word in ("-p", name, value)]
    done = execute(["course", "run", *words, "--out", "out"], folder)
    results = json.loads((folder / "out" / "results.json").read_text(encoding="utf-8"))
    return Run(folder / "out", results, done.stdout, done.stderr, before, state_of_the_course())


def test_every_chapter_leaves_its_executed_notebook(series: Run) -> None:
    for chapter in chapters.all_chapters():
        cells = nbformat.read(series.out / chapter.name, as_version=4).cells
        code = [cell for cell in cells if cell.cell_type == "code"]
        assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))


def test_exercises_left_alone_say_so_and_disturb_nothing(series: Run) -> None:
    """A student's notebook has the very same code cells, which test_handouts.py tests: so it runs unedited, too."""
    for chapter in chapters.all_chapters():
        cells = nbformat.read(series.out / chapter.name, as_version=4).cells
        said = [c.outputs[0].data["text/plain"] for c in cells if "check" in copies.tags_of(c)]
        number = int(chapter.stem[:2])
        assert said == [f"Exercise {number}.{k}: not attempted yet." for k in range(1, len(said) + 1)]
        assert len(said) >= 4
    assert not (series.out / "progress.json").exists()


def test_results_say_what_was_run(series: Run) -> None:
    results = series.results
    assert results["dataset"] == "digits"
    assert results["seed"] == 3
    assert results["parameters"].items() >= {"dataset": "digits", "epochs": 2, "seed": 3, "batch_size": 64}.items()
    assert results["parameters"]["learning_rate"] == 0.001
    assert results["device"] in ("cpu", "cuda", "mps")
    assert {"python", "torch", "torchvision", "torchmetrics"} <= set(results["versions"])
    assert list(results["seconds"]) == [chapter.stem for chapter in chapters.all_chapters()]
    assert all(seconds > 0 for seconds in results["seconds"].values())


def test_results_hold_one_entry_an_epoch(series: Run) -> None:
    history = series.results["history"]
    assert [entry["epoch"] for entry in history] == [1, 2]
    for entry in history:
        assert set(entry) == HISTORY_KEYS
        assert entry["train_loss"] > 0
        assert entry["val_loss"] > 0
        assert 0 <= entry["val_f1"] <= 1
        assert 0 <= entry["val_accuracy"] <= 1
    assert history[1]["train_loss"] < history[0]["train_loss"]


def test_results_hold_the_test_score_and_its_matrix(series: Run, digits: Dataset) -> None:
    test, matrix = series.results["test"], series.results["confusion_matrix"]
    assert set(test) >= {"loss", "accuracy", "f1", "n"}
    assert test["n"] == 297
    assert [len(row) for row in matrix] == [10] * 10
    assert sum(map(sum, matrix)) == 297
    assert sum(matrix[k][k] for k in range(10)) / 297 == pytest.approx(test["accuracy"])
    assert [sum(row) for row in matrix] == digits.test_labels.bincount().tolist()  # rows are the true classes


def test_weights_and_figures_lie_in_the_run_folder(series: Run) -> None:
    digest = load_record(series.out, "03_training")["weights_digest"]
    assert digest == hashlib.sha256((series.out / "weights.safetensors").read_bytes()).hexdigest()
    pictures = sorted(series.out.glob("*.png"))
    of_the_recorded = ["ladder", "seeds", "shifts", "sweep_grid", "test_of_two_settings"]
    assert [picture.stem for picture in pictures] == ["confusion_matrix", "faster", *of_the_recorded]
    assert all(picture.read_bytes().startswith(b"\x89PNG") for picture in pictures)


def test_the_sweep_in_chapter_5_trained_chapter_3_for_real(series: Run) -> None:
    results = pd.read_csv(series.out / "short_sweep" / "results.csv")
    assert results[["learning_rate", "seed", "epochs", "dataset", "status"]].values.tolist() == [
        [rate, 0, 5, "digits", "done"] for rate in (0.0003, 0.003)
    ]
    assert results["val_accuracy"].is_monotonic_increasing
    for _, run in results.iterrows():
        folder = series.out / "short_sweep" / "runs" / run["run"]
        manifest = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        assert [entry["epoch"] for entry in manifest["results"]["history"]] == [1, 2, 3, 4, 5]
        assert manifest["results"]["history"][-1]["val_loss"] == pytest.approx(run["val_loss"])
        assert (folder / "weights.safetensors").is_file()


def test_nothing_is_written_into_the_course(series: Run) -> None:
    assert series.after == series.before


def test_a_run_ends_with_a_short_table(series: Run) -> None:
    lines = series.printed.strip().splitlines()
    assert [line[:14].strip() for line in lines] == [
        "data", "test accuracy", "test F1", "model card", "time", "notebooks", "numbers"
    ]  # fmt: skip
    assert f"{series.results['test']['accuracy']:.2%} of 297 images" in lines[1]
    assert str(series.out / "results.json") in lines[-1]


def test_a_run_shows_progress_and_no_warnings(series: Run) -> None:
    for chapter in chapters.all_chapters():
        assert chapter.stem in series.errors
    assert "WARNING" not in series.errors.upper()


@pytest.mark.slow
def test_a_part_of_the_series_goes_on_from_the_run_before(series: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Chapter 4 finds the weights of chapter 3 in the run's folder, and measures the same again."""
    monkeypatch.chdir(series.out.parent)
    assert main(["run", "4", "-p", "dataset", "digits", "--out", "out"]) == 0
    again = json.loads((series.out / "results.json").read_text(encoding="utf-8"))
    assert list(again["seconds"]) == ["04_evaluation"]
    assert again["test"]["accuracy"] == series.results["test"]["accuracy"]
    assert again["confusion_matrix"] == series.results["confusion_matrix"]


@pytest.mark.slow
def test_plain_papermill_works_too(tmp_path: Path) -> None:
    values = {"batch_size": 32, "dataset": "digits", "run_dir": str(tmp_path / "run")}
    chapter = settings.ROOT / "notebooks" / "01_data.ipynb"
    words = [word for name, value in values.items() for word in ("-p", name, str(value))]
    execute(["papermill", str(chapter), "out.ipynb", *words], tmp_path)
    record = json.loads((tmp_path / "run" / "01_data.json").read_text(encoding="utf-8"))
    assert record["parameters"].items() >= {"dataset": "digits", "batch_size": 32}.items()
