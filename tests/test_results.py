"""What chapters leave behind for later ones, which run chapter 4 takes, and what is refused in one line."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from helpers import results, settings

RECORD: dict = {  # what chapter 3 writes, in short
    "dataset": "mnist",
    "parameters": {"val_size": None},
    "seed": 0,
    "mean": 0.13,
    "std": 0.31,
    "history": [{"epoch": 1, "val_loss": 0.1, "val_accuracy": 0.97}],
}


def make_run(folder: Path, dataset: str, weights: bool = True, record: bool = True) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    if weights:
        (folder / "weights.safetensors").touch()
    if record:
        results.save_record(folder, "03_training", **RECORD | {"dataset": dataset})
    return folder


@pytest.fixture
def course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course whose only reference run is on MNIST."""
    for name in ("ROOT", "FILES"):
        monkeypatch.setattr(settings, name, tmp_path / "course")
    make_run(tmp_path / "course" / "results" / "reference" / "mnist", "mnist")
    return tmp_path / "course"


def test_a_record_comes_back_as_it_was_with_the_versions(tmp_path: Path) -> None:
    path = results.save_record(tmp_path / "new", "03_training", **RECORD)
    assert path == tmp_path / "new" / "03_training.json"
    loaded = results.load_record(tmp_path / "new", "03_training")
    assert loaded.items() >= RECORD.items()
    assert {"python", "torch", "torchmetrics"} <= set(loaded["versions"])
    assert list(path.parent.iterdir()) == [path]


def test_a_record_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = results.save_record(tmp_path, "01_data", seed=0)
    with pytest.raises(TypeError, match="not JSON serializable"):
        results.save_record(tmp_path, "01_data", seed=object())
    assert results.load_record(tmp_path, "01_data")["seed"] == 0
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


# --- records that can't be right ---


def without(name: str) -> dict:
    return {key: value for key, value in RECORD.items() if key != name}


BAD_RECORDS: dict[str, tuple[str | dict | list, str]] = {  # what is in the file, and what is said
    "cut": (json.dumps(RECORD)[:60], "damaged"),
    "empty": ("", "damaged"),
    "nested deeply": ("[" * 10_000, "damaged"),
    "a number of 5,000 digits": ("1" * 5_000, "damaged"),
    "too large": (" " * 10_000_001, "holds more than 10,000,000 bytes"),
    "a list": ([RECORD], "holds no JSON object"),
    **{f"no {name}": (without(name), f"'{name}' is missing") for name in RECORD},
    **{
        f"{name}: {value!r}": (RECORD | {name: value}, f"'{name}' can't be right")
        for name, value in [
            ("dataset", 7),
            ("parameters", None),
            ("seed", True),
            ("seed", 0.5),
            ("mean", float("nan")),
            ("mean", "0.13"),
            ("mean", 33.3),
            ("std", 0),
            ("std", float("inf")),
            ("history", []),
            ("history", ["epoch 1", "epoch 2"]),
            ("history", [{"epoch": 1, "val_accuracy": None}]),
            ("history", [{"epoch": 1, "val_loss": 0.1}]),
            ("test", {"accuracy": None}),
        ]
    },
}


@pytest.mark.parametrize("case", BAD_RECORDS)
def test_a_bad_record_is_refused_in_one_line_that_names_it(case: str, course: Path, tmp_path: Path) -> None:
    content, reason = BAD_RECORDS[case]
    path = make_run(tmp_path / "own", "mnist") / "03_training.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    for read in (
        lambda: results.load_record(path.parent, "03_training"),
        lambda: results.find_run(path.parent, "mnist"),
    ):
        with pytest.raises(ValueError) as error:
            read()
        assert str(error.value).startswith(f"{path}: {reason}")
        assert "\n" not in str(error.value)


def test_chapter_5_gets_a_test_score_of_chapter_4_or_one_line(tmp_path: Path) -> None:
    path = results.save_record(tmp_path, "04_evaluation", dataset="mnist")
    with pytest.raises(ValueError) as error:
        results.load_record(tmp_path, "04_evaluation")
    assert str(error.value) == f"{path}: 'test' is missing; run that chapter again"


def test_what_was_not_a_number_is_null_for_every_reader(tmp_path: Path) -> None:
    """Also in files of earlier versions, which wrote NaN."""
    results.save_record(tmp_path, "02_model", seconds=float("nan"))
    assert results.load_record(tmp_path, "02_model")["seconds"] is None
    (tmp_path / "02_model.json").write_text('{"seconds": NaN, "loss": [-Infinity]}')
    assert results.load_record(tmp_path, "02_model") == {"seconds": None, "loss": [None]}


# --- weights and record ---


def name_weights(folder: Path) -> None:
    """Do what chapter 3 does last: write a record that names the weights."""
    results.save_record(folder, "03_training", **RECORD, weights_digest=results.digest(folder / "weights.safetensors"))


def change_weights(folder: Path) -> None:
    (folder / "weights.safetensors").write_bytes(b"of a run that was killed before it wrote its record")


def take_another_record(folder: Path) -> None:
    other = make_run(folder.with_name("other"), "mnist")
    change_weights(other)
    name_weights(other)
    (other / "03_training.json").replace(folder / "03_training.json")


@pytest.mark.parametrize("happens", [change_weights, take_another_record])
def test_weights_and_a_record_of_two_runs_are_told_apart(happens: Callable, course: Path, tmp_path: Path) -> None:
    folder = make_run(tmp_path / "own", "mnist")
    name_weights(folder)
    assert results.find_run(folder, "mnist") == folder
    happens(folder)
    line = r"weights\.safetensors: damaged, or of another run than 03_training\.json beside it; run chapter 3 again$"
    with pytest.raises(ValueError, match=line):
        results.find_run(folder, "mnist")


# --- locks ---


def test_what_a_killed_process_left_goes_with_the_next_lock(tmp_path: Path) -> None:
    """Only what this lock is for: another process may be writing the other files at this moment."""
    for name in (".a[1].json.x_1.part", ".a[1].json.x_2.part", ".b.json.x_3.part", ".a1.json.x_4.part"):
        (tmp_path / name).touch()
    with results.held(tmp_path / "a[1].json"):
        left = sorted(path.name for path in tmp_path.glob(".*.part"))
    assert left == [".a1.json.x_4.part", ".b.json.x_3.part"]


def test_a_lock_follows_no_link_that_somebody_put_at_its_owners_name(tmp_path: Path) -> None:
    (tmp_path / "essay").write_text("mine")
    (tmp_path / ".a.json.owner").symlink_to(tmp_path / "essay")
    with (
        results.held(tmp_path / "a.json"),
        pytest.raises(results.Held, match=r"^process \d+ on .* is at work in '[^\n]*'$"),
        results.held(tmp_path / "a.json"),
    ):
        pass
    assert (tmp_path / "essay").read_text() == "mine"
