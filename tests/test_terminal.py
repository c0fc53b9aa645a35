# ruff: noqa: F811  # the fixture `tiny` is that of tiny_chapter.py
"""Whatever is at the other end of a command: an old terminal, a pipe that closes, a full disk, an impatient finger."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat
import psutil
import pytest
from tiny_chapter import Tiny, environment, processes, tiny, wait_until, wait_until_gone  # noqa: F401

from course.__main__ import main
from helpers import settings

POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has no shell of this kind, no SIGINT to send, no limits")
COURSE = [sys.executable, "-m", "course"]


def shell(words: str) -> subprocess.CompletedProcess:
    """Let a shell run `words`, in which `COURSE` is the command, from the course's root."""
    words = "set -o pipefail; " + words.replace("COURSE", " ".join(COURSE))
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHONIO", "PYTHONUTF8", "LC_"))}
    return subprocess.run(["bash", "-c", words], cwd=settings.ROOT, env=env, capture_output=True)


# What a shell runs, the status it ends with (0 too where all may be written before the reader goes),
# and a word of its output; all of them print nothing to stderr.
STREAMS = {
    "a list cut short": ("COURSE run --list | head -1", (0, 141), b"01_data"),
    "nobody reads": ("COURSE run --list | true", (0, 141), b""),
    "stdout closed": ("COURSE run --list >&-", 0, b""),
    "all closed": ("COURSE run --list <&- >&- 2>&-", 0, b""),
    "help in ASCII": ("PYTHONIOENCODING=ascii COURSE sweep --help", 0, b"NAME=V1,V2,\\u2026"),
    "help in the locale C": ("PYTHONCOERCECLOCALE=0 PYTHONUTF8=0 LC_ALL=C COURSE sweep --help", 0, b"NAME=V1,V2,"),
    "help in Latin-1": ("PYTHONIOENCODING=latin-1 COURSE sweep --help", 0, b"NAME=V1,V2,\\u2026"),
    "no words": ("COURSE", 0, b"usage: python -m course"),
}


@POSIX
@pytest.mark.parametrize("row", STREAMS)
def test_a_stream_ends_no_command_in_a_traceback(row: str) -> None:
    words, status, said = STREAMS[row]
    done = shell(words)
    assert done.returncode in (status if isinstance(status, tuple) else (status,))
    assert done.stderr == b""
    assert said in done.stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
def test_an_output_that_has_no_room_is_one_line() -> None:
    done = shell("COURSE run --list > /dev/full")
    assert (done.returncode, done.stdout) == (1, b"")
    assert done.stderr == b"python -m course run: [Errno 28] No space left on device\n"


@pytest.mark.parametrize("words", [["--help"], ["progress"]])
def test_what_needs_no_pytorch_does_not_wait_for_it(words: list[str]) -> None:
    code = f"import sys; from course.__main__ import main\ntry: main({words})\nexcept SystemExit: pass\n"
    code += "sys.exit(' '.join({'torch', 'pandas', 'numpy', 'papermill', 'IPython'} & set(sys.modules)) or 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=settings.ROOT)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(28, "No space left on device", "/disk/file"), "'/disk/file': No space left on device"),
        (PermissionError(13, "Permission denied", "/disk"), "'/disk': Permission denied"),
        (OSError("in two\nlines"), "in two lines"),
    ],
)
def test_what_the_system_refuses_is_one_line(
    error: OSError, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("course.chapters.select_chapters", fail)
    assert main(["run", "--list"]) == 1
    assert capsys.readouterr().err == f"python -m course run: {said}\n"


@POSIX
def test_a_disk_that_is_full_leaves_the_last_good_notebook_and_no_half_one(tiny: Tiny, tmp_path: Path) -> None:
    """In the second run no file may grow beyond 3,000 bytes, as on a full disk; an executed notebook is larger."""
    out = tmp_path / "out"
    subprocess.run(tiny.command("run", "--out", out), env=environment(), check=True, capture_output=True)
    before = {path.name: path.read_bytes() for path in out.glob("*.ipynb")}
    tiny.write("Another text.")

    def little_room() -> None:
        import resource

        resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))

    command = tiny.command("run", "--out", out)
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, preexec_fn=little_room)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith(
        "01_tiny.ipynb: can't be written (File too large); what was there before still is"
    )
    assert "Traceback" not in done.stderr
    assert {path.name: path.read_bytes() for path in out.glob("*.ipynb")} == before
    assert not list(out.rglob("*.part"))


def interrupted(command: list[str], ready: Callable[[], object], pauses: list[float]) -> subprocess.CompletedProcess:
    """Run `command` until `ready`, press Ctrl-C once, and once more after each pause."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(), start_new_session=True
    )
    parent = psutil.Process(process.pid)
    wait_until(lambda: parent.children() and ready())
    kernels = processes(child.pid for child in parent.children(recursive=True))
    for pause in (0.0, *pauses):
        time.sleep(pause)
        process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    wait_until_gone(kernels)
    return subprocess.CompletedProcess(command, process.returncode, out, err)


@POSIX
@pytest.mark.parametrize(("while_starting", "pauses"), [(True, []), (True, [0.05]), (False, []), (False, [0.01, 0.1])])
def test_ctrl_c_once_or_more_is_one_line_and_leaves_no_process(
    while_starting: bool,
    pauses: list[float],
    tiny: Tiny,
    tmp_path: Path,
) -> None:
    tiny.hold()
    done = interrupted(tiny.command("run", "--out", tmp_path / "out"), lambda: while_starting or tiny.begun(), pauses)
    assert done.returncode == 130
    after_the_bar = [line for line in done.stderr.splitlines() if line and "cell" not in line]
    assert after_the_bar == ["Stopped. What was finished is kept."]
    for path in (tmp_path / "out").glob("*.ipynb"):
        nbformat.read(path, as_version=4)


@POSIX
@pytest.mark.slow
def test_training_that_was_stopped_goes_on(tmp_path: Path) -> None:
    out = tmp_path / "out"
    values = ["-p", "dataset", "digits", "-p", "epochs"]
    done = interrupted(
        [*COURSE, "run", "03", *values, "500", "--out", str(out)], (out / "checkpoint.pt").exists, [0.05]
    )
    assert done.returncode == 130
    again = [*COURSE, "run", "03", *values, "500", "-p", "resume", "True", "--out", str(out)]
    assert subprocess.run(again, env=environment(), capture_output=True).returncode == 0
    assert len(json.loads((out / "results.json").read_text())["history"]) == 500
    notebook = (out / "03_training.ipynb").read_text(encoding="utf-8")
    assert "of 500 epochs are done" in notebook
