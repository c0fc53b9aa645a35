"""A chapter that takes no time: what the tests of sweeps run instead of training, in real processes and kernels.

It tells in a folder that it has begun, and waits there for permission to end, so that a test can kill things at a
moment of its choice. It writes its record by hand: importing `helpers` would cost half a second a run.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import nbformat
import psutil
import pytest

from course.maintain import refresh

PARAMETERS = """
run_dir: str = "runs/latest"  # folder of the run
learning_rate: float = 0.001  # size of a step
val_size: int | None = None  # for nothing
seed: int = 0  # of everything random
"""
WORK = """
import json, os, signal, time
from pathlib import Path

place = Path(os.environ["TINY_PLACE"])
(place / f"{learning_rate}_{seed}_{os.getpid()}_{os.getppid()}.begun").touch()
while (place / "wait").exists() and not (place / f"{learning_rate}_{seed}.go").exists():
    time.sleep(0.02)
if learning_rate == 0.5 and not (place / "mended").exists():
    if seed == 0:
        raise RuntimeError(f"too fast for {run_dir}/weights.safetensors\\nsecond line")
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(60)
"""
SAVE = """
entry = {"epoch": 1, "val_accuracy": 0.5 + learning_rate * (1 + seed), "val_f1": 0.5}
entry["threads"] = int(os.environ["OMP_NUM_THREADS"])
values = {"learning_rate": learning_rate, "val_size": val_size}
record = {"parameters": values, "seed": seed, "history": [entry]}
(Path(run_dir) / "01_tiny.json").write_text(json.dumps(record))
"""


class Tiny:
    """The chapter `path`, and the folder `place` in which its runs and the test talk to each other."""

    def __init__(self, folder: Path):
        self.place = folder / "place"
        self.place.mkdir()
        self.path = folder / "notebooks" / "01_tiny.ipynb"
        self.path.parent.mkdir()
        self.write()

    def write(self, text: str = "A chapter.", save: str = SAVE) -> None:
        cells = [nbformat.v4.new_markdown_cell(text), *map(nbformat.v4.new_code_cell, (PARAMETERS, WORK, save))]
        cells[1].metadata["tags"] = ["parameters"]
        nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=refresh.METADATA), self.path)

    def hold(self, hold: bool = True) -> None:
        """Let runs wait, or all of them go on."""
        (self.place / "wait").touch() if hold else (self.place / "wait").unlink()

    def let_go(self, learning_rate: float, seed: int) -> None:
        (self.place / f"{learning_rate}_{seed}.go").touch()

    def begun(self) -> list[tuple[str, int, int]]:
        """Return of each run that ever began: what it ran, the kernel's process and the one that started that."""
        stems = sorted(path.stem.rsplit("_", 2) for path in self.place.glob("*.begun"))
        return [(settings, int(kernel), int(run)) for settings, kernel, run in stems]

    def command(self, command: str, *words: object) -> list[str]:
        """Return a command that calls `python -m course` with this chapter."""
        return [sys.executable, "-m", "course", command, str(self.path), *map(str, words)]


@pytest.fixture
def tiny(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tiny:
    chapter = Tiny(tmp_path)
    monkeypatch.setenv("TINY_PLACE", str(chapter.place))
    return chapter


def wait_until(true: Callable[[], object], seconds: float = 120) -> None:
    """Look again and again; the deadline is for broken code on slow machines, nothing is measured by it."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


def processes(pids: Iterable[int]) -> list[psutil.Process]:
    return [psutil.Process(pid) for pid in pids]


def wait_until_gone(some: Iterable[psutil.Process]) -> None:
    wait_until(lambda: not any(map(alive, some)))


def alive(process: psutil.Process) -> bool:
    try:  # a process that nobody collects is gone too
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment for another one; text in UTF-8, as the test reads it."""
    return os.environ | {"PYTHONIOENCODING": "utf-8"} | changes
