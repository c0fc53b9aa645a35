"""What a chapter leaves behind: one JSON file per chapter in the run's folder."""

import json
import platform
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from helpers import settings
from helpers.checkpoint import atomic_save

PACKAGES = ("torch", "torchvision", "torchmetrics", "numpy", "matplotlib", "seaborn", "papermill")


def versions() -> dict[str, str]:
    """Return the versions that a result depends on: Python's and the packages'."""
    return {"python": platform.python_version()} | {package: version(package) for package in PACKAGES}


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all (see `atomic_save`)."""
    atomic_save(text.encode("utf-8"), path)


def write_json(path: Path, content: dict) -> None:
    """Write `content` as JSON, whole or not at all."""
    write_text(path, json.dumps(content, indent=1) + "\n")


def save_record(run_dir: str | Path, chapter: str, **content: object) -> Path:
    """Write a chapter's results to `run_dir/CHAPTER.json`, with the versions, and return the path.

    Args:
        run_dir: folder of the run; a relative one starts at the course's root.
        chapter: the chapter's file stem, `03_training`.
        content: anything JSON can hold: `dataset`, `parameters`, `history`, …
    """
    path = settings.from_root(run_dir) / f"{chapter}.json"
    write_json(path, content | {"versions": versions()})
    return path


def load_record(run_dir: str | Path, chapter: str) -> dict:
    """Read what `save_record` wrote; raises FileNotFoundError where that chapter has not run."""
    return json.loads((settings.from_root(run_dir) / f"{chapter}.json").read_text(encoding="utf-8"))


def load_result(name: str) -> dict:
    """Read one of the files in `results/`, which hold what the README and the chapters quote."""
    return json.loads((settings.ROOT / "results" / name).read_text(encoding="utf-8"))


def load_sweep(name: str, table: str = "results") -> pd.DataFrame:
    """Read a table of a recorded sweep from `results/sweeps/NAME`.

    Args:
        name: of the folder, such as `seed_protocol`; `course/maintain/record.py` says what each holds.
        table: `results`, one row per run; `history`, one row per run and epoch; `summary`, means over the seeds.
    """
    return pd.read_csv(
        settings.ROOT / "results" / "sweeps" / name / f"{table}.csv", keep_default_na=False, na_values=[""]
    )


def find_run(run_dir: str | Path, dataset: str) -> Path:
    """Return a folder with `weights.safetensors` and `03_training.json` for `dataset`.

    Args:
        run_dir: looked at first; a relative one starts at the course's root.
        dataset: the run must have trained on it.

    Returns:
        `run_dir` if chapter 3 left a run on that data set there, else the reference run in `results/reference`.

    Raises:
        ValueError: there is neither.
    """
    reference = settings.ROOT / "results" / "reference" / dataset
    for folder in (settings.from_root(run_dir), reference):
        files = ("weights.safetensors", "03_training.json")  # a run that was stopped half-way lacks one
        complete = all((folder / name).is_file() for name in files)
        if complete and load_record(folder, "03_training")["dataset"] == dataset:
            return folder
    raise ValueError(
        f"run_dir: no run on '{dataset}' in {settings.shown(run_dir)}; run chapter 3 on that data set first"
    )
