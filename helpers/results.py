"""What a chapter leaves behind: files that are whole or not there, such as one JSON file per chapter."""

import json
import math
import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from importlib.metadata import version
from pathlib import Path
from tempfile import NamedTemporaryFile

import pandas as pd
from filelock import FileLock, Timeout

from helpers import settings

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


class Held(Exception):
    """Another process holds what this one wants to write; the message is one line that names it."""


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Keep other processes from writing `path` for the time of the `with` block.

    The lock, `.NAME.lock` beside `path`, is the operating system's: it ends with the process, however that ends.

    Raises:
        Held: another process has it.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"), timeout=0)
    owner = path.with_name(f".{path.name}.owner")
    try:
        lock.acquire()
    except Timeout:
        try:
            name = owner.read_text(encoding="utf-8")
        except OSError:  # it has only just begun
            name = "another process"
        raise Held(f"{name} is at work in '{settings.shown(path.parent)}'") from None
    try:
        write_text(owner, f"process {os.getpid()} on {platform.node()}, since {datetime.now():%H:%M},")
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
    """Read a JSON file that should hold one object.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it can't be read, or holds anything else, or more than `most` bytes; one line that names the file.
    """
    name = settings.shown(path)
    try:
        if path.stat().st_size > most:
            raise ValueError(f"{name}: holds more than {most:,} bytes, which is too much; delete it")
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except OSError as error:
        raise ValueError(f"{name}: can't be read ({error.strerror})") from None
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError):
        raise ValueError(f"{name}: damaged, or not what this course wrote; delete it") from None
    if not isinstance(content, dict):
        raise ValueError(f"{name}: holds no JSON object; delete it")
    return content


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
    return read_json(settings.from_root(run_dir) / f"{chapter}.json")


def load_result(name: str) -> dict:
    """Read one of the files in `results/`, which hold what the README and the chapters quote."""
    return read_json(settings.ROOT / "results" / name)


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
