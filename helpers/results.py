"""What a chapter leaves behind: files that are whole or not there, such as one JSON file per chapter."""

import glob
import hashlib
import json
import math
import os
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from helpers import settings

if TYPE_CHECKING:
    import pandas as pd  # takes half a second, which commands that read no table need not wait

UMASK = os.umask(0o022)  # the only way to ask for it is to set it
os.umask(UMASK)
PACKAGES = ("torch", "torchvision", "torchmetrics", "numpy", "matplotlib", "seaborn", "papermill")


def versions() -> dict[str, str]:
    """Return the versions that a result depends on: Python's and the packages'."""
    return {"python": platform.python_version()} | {package: version(package) for package in PACKAGES}


def atomic_save(content: bytes, path: Path) -> None:
    """Write a file whole or not at all: until the new one is complete, the old one stays.

    If `path` is a link, the file that it leads to is written, and the link stays.

    Raises:
        OSError: it can't be written, as when the disk is full; the message is one line.
    """
    target = path.resolve()
    temporary = None
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # A new name, which nobody else can have put a link or a file of their own at.
        with NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", suffix=".part", delete=False) as file:
            temporary = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # on the disk, not only on its way there
        temporary.chmod(target.stat().st_mode if target.exists() else 0o666 & ~UMASK)
        os.replace(temporary, target)  # the one moment in which the new takes the place of the old
    except OSError as error:
        line = f"{settings.shown(path)}: can't be written ({error.strerror}); what was there before still is"
        failure = OSError(line)
        failure.strerror = error.strerror
        raise failure from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


class Held(ValueError):
    """Another process holds what this one wants to write; the message is one line that names it."""


@contextmanager
def held(path: Path, patience: float = 0) -> Iterator[None]:
    """Keep other processes from writing `path` for the time of the `with` block, and remove what killed ones left.

    The lock, `.NAME.lock` beside `path`, is the operating system's: it ends with the process, however that ends.

    Args:
        path: what will be written; if it is a link, what it leads to.
        patience: how long to wait for another process, in seconds.

    Raises:
        Held: another process has it.
    """
    path = path.resolve()
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=patience)
    owner = path.with_name(f".{path.name}.owner")
    try:
        lock.acquire()
    except Timeout:
        try:
            name = owner.read_text(encoding="utf-8")
        except OSError:
            name = ""
        name = name or "another process"  # it has only just begun
        raise Held(f"{name} is at work in '{settings.shown(path.parent)}'") from None
    try:
        for left_over in path.parent.glob(f".{glob.escape(path.name)}.*.part"):
            left_over.unlink()
        owner.unlink(missing_ok=True)
        with owner.open("x", encoding="utf-8") as file:  # new, so that no link is followed
            file.write(f"process {os.getpid()} on {platform.node()}, since {datetime.now():%H:%M},")
        yield
    finally:
        owner.unlink(missing_ok=True)
        lock.release()


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all (see `atomic_save`)."""
    atomic_save(text.encode("utf-8"), path)


def write_json(path: Path, content: dict) -> None:
    """Write `content` as JSON, whole or not at all; NaN and infinity, which JSON doesn't know, become null."""
    write_text(path, json.dumps(_finite(content), indent=1, allow_nan=False) + "\n")


def _finite(value: object) -> object:
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def read_json(path: Path, most: int = 10_000_000) -> dict:
    """Read a JSON file that should hold one object; NaN and infinity, which older files hold, become None.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it can't be read, or holds anything else, or more than `most` bytes; one line that names the file.
    """
    name = settings.shown(path)
    try:
        with path.open("rb") as file:
            text = file.read(most + 1)
        content = json.loads(text, parse_constant=lambda _: None) if len(text) <= most else None
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{name}: can't be read ({error.strerror})") from None
    except (ValueError, RecursionError):
        raise ValueError(f"{name}: damaged, or not what this course wrote; delete it") from None
    if len(text) > most:
        raise ValueError(f"{name}: holds more than {most:,} bytes, which is too much; delete it")
    if not isinstance(content, dict):
        raise ValueError(f"{name}: holds no JSON object; delete it")
    return content


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, by which a record names the weights that belong to it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


def is_number(value: object, least: float = -math.inf, most: float = math.inf) -> bool:
    """Tell whether `value` is a number, and neither NaN nor infinite; Python counts True as one, a reader doesn't."""
    if not isinstance(value, int | float) or isinstance(value, bool):
        return False
    return least <= value <= most and abs(value) < math.inf


def is_history(value: object) -> bool:
    """Tell whether `value` could be what `training.fit` returns."""
    return isinstance(value, list) and all(
        isinstance(entry, dict) and "val_accuracy" in entry and all(map(is_number, entry.values())) for entry in value
    )


# What a later chapter or a table relies on, wherever a record has it; and what must be there.
RIGHT: dict[str, Callable[[object], bool]] = {
    "dataset": lambda value: isinstance(value, str),
    "parameters": lambda value: isinstance(value, dict),
    "seed": lambda value: is_number(value) and isinstance(value, int),
    "mean": lambda value: is_number(value, 0, 1),
    "std": lambda value: is_number(value, 1e-6, 1),
    "history": lambda value: is_history(value) and bool(value),
    "test": lambda value: isinstance(value, dict) and all(map(is_number, value.values())),
}
NEEDED = {
    "03_training": ("dataset", "parameters", "seed", "mean", "std", "history"),
    "04_evaluation": ("dataset", "test"),
}


def load_record(run_dir: str | Path, chapter: str) -> dict:
    """Read what `save_record` wrote.

    Raises:
        FileNotFoundError: that chapter has not run.
        ValueError: the file is damaged, or one of its values can't be right; one line that names the file.
    """
    path = settings.from_root(run_dir) / f"{chapter}.json"
    record = read_json(path)
    for name, is_right in RIGHT.items():
        if (name in record or name in NEEDED.get(chapter, ())) and not is_right(record.get(name)):
            what = f"'{name}' can't be right" if name in record else f"'{name}' is missing"
            raise ValueError(f"{settings.shown(path)}: {what}; run that chapter again")
    return record


def load_result(name: str) -> dict:
    """Read one of the files in `results/`, which hold what the README and the chapters quote."""
    return read_json(settings.FILES / "results" / name)


def load_sweep(name: str, table: str = "results") -> "pd.DataFrame":
    """Read a table of a recorded sweep from `results/sweeps/NAME`.

    Args:
        name: of the folder, such as `seed_protocol`; `course/maintain/record.py` says what each holds.
        table: `results`, one row per run; `history`, one row per run and epoch; `summary`, means over the seeds.
    """
    import pandas as pd

    return pd.read_csv(
        settings.FILES / "results" / "sweeps" / name / f"{table}.csv", keep_default_na=False, na_values=[""]
    )


def find_run(run_dir: str | Path, dataset: str) -> Path:
    """Return a folder with `weights.safetensors` and `03_training.json` for `dataset`.

    Args:
        run_dir: looked at first; a relative one starts at the course's root.
        dataset: the run must have trained on it.

    Returns:
        `run_dir` if chapter 3 left a run on that data set there, else the reference run in `results/reference`.

    Raises:
        ValueError: there is neither; or the record in `run_dir` is damaged, or not that of the weights beside it.
    """
    reference = settings.FILES / "results" / "reference" / dataset
    for folder in (settings.from_root(run_dir), reference):
        weights = folder / "weights.safetensors"
        if not (weights.is_file() and (folder / "03_training.json").is_file()):
            continue  # a run that was stopped half-way lacks one
        record = load_record(folder, "03_training")
        if record.get("weights_digest") not in (None, digest(weights)):  # older runs have none
            raise ValueError(
                f"{settings.shown(weights)}: damaged, or of another run than 03_training.json beside it; "
                "run chapter 3 again"
            )
        if record["dataset"] == dataset:
            return folder
    raise ValueError(
        f"run_dir: no run on '{dataset}' in {settings.shown(run_dir)}; run chapter 3 on that data set first"
    )
