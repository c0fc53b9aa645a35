"""One run of a sweep in a process of its own: `run_in_subprocess` starts it and collects it, `main` is what it does.

A process for each run, because papermill changes the current folder of the process that it works in, because a run
that dies (of memory, say) must not take others along, and because the number of threads is fixed when a process starts.
Nothing here needs a folder that two machines share: what the run wrote comes back in the outcome.
"""

import _thread
import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

import nbformat

from course.execution import ChapterError, run_chapters
from helpers import settings

GRACE = 10  # seconds for a run that was told to stop, to end its kernel
_running: dict[subprocess.Popen, str] = {}  # the runs of this process, each with its sweep
_stopped: set[str] = set()


@dataclass(frozen=True)
class Job:
    """What a worker needs to know of a run.

    Attributes:
        chapters: notebooks; relative paths start at the course's root, wherever that is on the worker.
        values: parameters, checked.
        sweep: a word that no other sweep has; `stop_runs` goes by it.
        code: what `code_of` gave where the sweep was started.
        threads: processor threads for the run; None leaves it to the worker (one, unless OMP_NUM_THREADS is set).
    """

    chapters: tuple[str, ...]
    values: dict[str, object]
    sweep: str
    code: str
    threads: int | None = None


@dataclass(frozen=True)
class RunResult:
    """What came of a run.

    Attributes:
        error: one line; empty if all went well.
        seconds: how long it took.
        files: everything that the run left in its folder, by relative path.
    """

    error: str
    seconds: float
    files: dict[str, bytes] = field(default_factory=dict, repr=False)


def code_of(chapters: tuple[str, ...]) -> str:
    """Return a fingerprint of the code that decides a run's numbers: the chapters' code cells and `helpers/*.py`."""
    digest = hashlib.sha256()
    for chapter in chapters:
        cells = nbformat.read(settings.from_root(chapter), as_version=4).cells
        digest.update("\n".join(cell.source for cell in cells if cell.cell_type == "code").encode())
    for module in sorted((settings.ROOT / "helpers").glob("*.py")):
        digest.update(module.read_text(encoding="utf-8").encode())
    return digest.hexdigest()[:12]


def run_in_subprocess(job: Job) -> RunResult:
    """Run a job in a process of its own and wait for it; a failure is an outcome, not an exception."""
    try:
        same = code_of(job.chapters) == job.code
    except OSError:  # a chapter is missing here
        same = False
    if not same:
        return RunResult("this worker has another version of the course; install the same one everywhere", 0.0)
    threads = str(job.threads) if job.threads else os.environ.get("OMP_NUM_THREADS", "1")
    # The kernel imports the very helpers that `code_of` read, also where another copy of the course is installed.
    python_path = os.pathsep.join([str(settings.ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="mnist-course-", ignore_cleanup_errors=True) as folder:
        out, log = Path(folder) / "run", Path(folder) / "log.txt"
        with log.open("wb") as log_file:
            process = subprocess.Popen(
                [sys.executable, "-m", "course.apart", str(out)],
                cwd=settings.ROOT,
                env=os.environ | {"OMP_NUM_THREADS": threads, "PYTHONPATH": python_path},
                stdin=subprocess.PIPE,
                bufsize=0,
                stdout=log_file,
                stderr=log_file,
                start_new_session=True,  # Ctrl-C is for the sweep, which tells its runs by closing their stdin
            )
            _running[process] = job.sweep
            try:
                if job.sweep not in _stopped:
                    with suppress(OSError, ValueError):  # it died before it could read, or was stopped just now
                        process.stdin.write(json.dumps(asdict(job)).encode() + b"\n")
                    process.wait()
            finally:
                process.stdin.close()
                process.wait()
                del _running[process]
        files = {
            path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()
        }
        if process.returncode == 0:
            error = ""
        else:
            said = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            error = said[-1].replace(str(out) + os.sep, "") if said else "it said nothing"
            if process.returncode != 1:
                error = f"the run's process died (exit status {process.returncode}; out of memory?): {error}"
    return RunResult(error, round(time.perf_counter() - start, 1), files)


def stop_runs(sweep: str) -> None:
    """Tell every run of a sweep that this process started to stop, and let no more of them begin."""
    _stopped.add(sweep)
    for process, of in list(_running.items()):
        if of == sweep:
            process.stdin.close()


def main() -> int:
    """Read a job from stdin and run it into the folder named by the first argument; 0 well, 1 failed (last line)."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the sweep may be deaf to it
    sys.stdout.reconfigure(encoding="utf-8")
    job = json.loads(sys.stdin.readline() or "null")
    if job is None:  # stopped before it began
        return 1
    threading.Thread(target=_stop_with_the_parent, daemon=True).start()
    chapters = [settings.from_root(chapter) for chapter in job["chapters"]]
    try:
        run_chapters(chapters, job["values"], Path(sys.argv[1]), progress=False)
    except (ChapterError, ValueError) as error:
        print(error)
        return 1
    return 0  # any other error ends the process with a traceback, whose last line is as good


def _stop_with_the_parent() -> None:
    """Wait until the other end of stdin is closed, by will or because its process died; then end kernel and run."""
    while os.read(0, 1024):  # not through sys.stdin, which this thread would hold locked when Python ends
        pass
    _thread.interrupt_main()  # as Ctrl-C would, so that papermill shuts the kernel down
    time.sleep(GRACE)
    os._exit(1)


if __name__ == "__main__":
    sys.exit(main())
