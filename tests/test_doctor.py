"""`python -m course doctor`: a line for each thing that a course needs, and status 1 where it can't run."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest
import requests

from course import doctor
from course.__main__ import main
from helpers import download, training


def raising(error: Exception) -> Callable:
    def fail(*_: object, **__: object) -> None:
        raise error

    return fail


def lacking(name: str) -> Callable[[str], str]:
    """Return what tells the version of each package but one."""
    return lambda asked: raising(PackageNotFoundError(name))() if asked == name else version(asked)


# What is played: (object, name, stand-in); then the check, its sign, and a word of its line.
CASES = {
    "old Python": (doctor.platform, "python_version", lambda: "3.10.4", "python", "missing", "3.10.4, and the course"),
    "a new Python": (doctor.platform, "python_version", lambda: "3.13.9", "python", "ok", "3.13.9"),
    "a package missing": (doctor, "version", lacking("torchmetrics"), "packages", "missing", "torchmetrics;"),
    "an old package": (doctor, "version", lambda _: "0.0.1", "packages", "warning", "torch 0.0.1 (needs <3,"),
    "no memory": (psutil, "virtual_memory", lambda: SimpleNamespace(available=5e8), "memory", "missing", "0.5 GB"),
    "low memory": (psutil, "virtual_memory", lambda: SimpleNamespace(available=15e8), "memory", "warning", "1.5"),
    "a full disk": (doctor.shutil, "disk_usage", lambda _: SimpleNamespace(free=1e7), "disk", "missing", "0.0 GB free"),
    "not writable": (doctor.tempfile, "TemporaryFile", raising(PermissionError(13, "Permission denied")), "folder",
                     "missing", "can't be written (Permission denied)"),
    "no browser": (doctor.printing, "find_browser", lambda: None, "browser", "warning", "install one"),
    "MNIST unreadable": (download, "missing", raising(OSError("no disk")), "mnist", "warning", "no disk; chapters use"),
    "PyTorch broken": (training, "train_epoch", raising(RuntimeError("operator torchvision::nms\ndoes not exist")),
                       "training", "missing", "PyTorch fails (operator torchvision::nms does not exist); run: "),
}  # fmt: skip


@pytest.mark.parametrize("row", CASES)
def test_each_trouble_has_its_line(row: str, monkeypatch: pytest.MonkeyPatch) -> None:
    module, name, stand_in, check, sign, said = CASES[row]
    monkeypatch.setattr(doctor, "requires", lambda _: ["torch<3,>=2.7", "torchmetrics<2,>=1.6"])
    monkeypatch.setattr(module, name, stand_in)
    found, words = getattr(doctor, check)()
    assert found == sign
    assert said in words
    assert "\n" not in words


@pytest.mark.parametrize(
    ("answer", "sign", "said"),
    [
        (SimpleNamespace(raise_for_status=lambda: None), "ok", "not here yet, but at http"),
        (requests.ConnectionError(), "warning", "no mirror answers: chapters use small digits"),
    ],
)
def test_mnist_that_is_not_here_is_asked_for_and_not_fetched(
    answer: object, sign: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "missing", lambda *_: ["train-images-idx3-ubyte.gz"])
    head = raising(answer) if isinstance(answer, Exception) else lambda *_, **__: answer
    monkeypatch.setattr(doctor.requests, "head", head)
    found, words = doctor.mnist()
    assert found == sign
    assert said in words


def test_a_small_training_tells_what_the_chapters_will_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """6,400 images in 2 s are 156.25 s for ten epochs of 50,000: the clock of this test says so."""
    clock = iter((0.0, 5.0, 10.0, 12.0))
    monkeypatch.setattr(doctor.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(training, "train_epoch", lambda *_: 0.0)
    sign, words = doctor.training()
    assert sign == "ok"
    assert "ten epochs take about 156 s" in words


@pytest.mark.parametrize(("signs", "status"), [(["ok", "ok"], 0), (["ok", "warning"], 0), (["missing", "ok"], 1)])
def test_the_status_is_1_if_the_course_cannot_run(
    signs: list[str], status: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def disk() -> tuple[str, str]:
        return signs.pop(0), "as it is"

    expected = [f"{sign:9}disk      as it is" for sign in signs]
    monkeypatch.setattr(doctor, "CHECKS", [disk] * len(signs))
    assert main(["doctor"]) == status
    assert capsys.readouterr().out.splitlines() == expected


def test_an_installed_course_has_written_nothing_yet(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor.settings, "ROOT", tmp_path / "made" / "later")
    assert (doctor.disk()[0], doctor.folder()[0]) == (doctor.OK, doctor.OK)
    assert list(tmp_path.iterdir()) == []
