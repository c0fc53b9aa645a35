"""What chapters leave behind for later ones, and which run chapter 4 takes."""

from pathlib import Path

import pytest

from helpers import results, settings


def make_run(folder: Path, dataset: str, weights: bool = True, record: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if weights:
        (folder / "weights.safetensors").touch()
    if record:
        results.save_record(folder, "03_training", dataset=dataset)
    return folder


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course whose only reference run is on MNIST."""
    monkeypatch.setattr(settings, "ROOT", tmp_path / "course")
    make_run(tmp_path / "course" / "results" / "reference" / "mnist", "mnist")
    return tmp_path / "course"


def test_a_record_comes_back_as_it_was_with_the_versions(tmp_path: Path) -> None:
    content = {"dataset": "digits", "history": [{"epoch": 1, "val_loss": 0.1}], "parameters": {"val_size": None}}
    path = results.save_record(tmp_path / "new", "03_training", **content)
    assert path == tmp_path / "new" / "03_training.json"
    loaded = results.load_record(tmp_path / "new", "03_training")
    assert loaded.items() >= content.items()
    assert {"python", "torch", "torchmetrics"} <= set(loaded["versions"])
    assert list(path.parent.iterdir()) == [path]


def test_a_record_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = results.save_record(tmp_path, "03_training", seed=0)
    with pytest.raises(TypeError, match="not JSON serializable"):
        results.save_record(tmp_path, "03_training", seed=object())
    assert results.load_record(tmp_path, "03_training")["seed"] == 0
    assert list(tmp_path.iterdir()) == [path]


def test_a_relative_folder_starts_at_the_root_whatever_the_working_folder(
    course: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert results.save_record("runs/latest", "01_data", seed=0) == course / "runs" / "latest" / "01_data.json"


def test_ones_own_run_comes_before_the_reference(course: Path, tmp_path: Path) -> None:
    own = make_run(tmp_path / "own", "mnist")
    assert results.find_run(own, "mnist") == own


@pytest.mark.parametrize(
    "own",
    [
        {"dataset": "digits"},
        {"dataset": "mnist", "weights": False},
        {"dataset": "mnist", "record": False},
        {"dataset": "mnist", "weights": False, "record": False},
    ],
    ids=["of other images", "no weights", "stopped before its record", "empty"],
)
def test_the_reference_stands_in_for_a_run_that_will_not_do(own: dict, course: Path, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "own", **own)
    assert results.find_run(folder, "mnist") == course / "results" / "reference" / "mnist"


def test_no_run_at_all_is_one_line_that_says_what_to_do(course: Path, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^run_dir: no run on 'fashion' in [^\n]*; run chapter 3[^\n]*$"):
        results.find_run(tmp_path / "own", "fashion")
