"""One run: check everything, execute the chapters through papermill, and gather what they leave in results.json.

Loads PyTorch only to check parameters about images or a device.
"""

import _thread
import atexit
import os
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import papermill
import zmq
from jupyter_client.manager import AsyncKernelManager
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from traitlets import Dict
from traitlets.config import Config

from course import CommandError, executed, folder
from course.chapters import MEASURES, check_assignments, check_data, code_of, located, parameter_names, select_chapters
from helpers import settings
from helpers.bars import AUDIENCE
from helpers.results import load_record, versions, write_json

# ipykernel 7 warns at every start that its messages on this machine are not encrypted; its errors still show.
KERNEL_ARGUMENTS = ["--log-level=ERROR"]
START_ATTEMPTS = 3  # where kernels listen at ports, two that start at the same moment can be given the same one
START_TIMEOUT = 300  # seconds; a machine that starts dozens of kernels at once is slow
GRACE = 10  # seconds for a run that was told to stop, to end its kernel


class ChapterError(CommandError):
    """A chapter stopped; the message is one line that names chapter and cell."""


def run(names: Sequence[str], assignments: Sequence[tuple[str, str]], out: Path, of_sweep: str = "") -> dict:
    """Check everything, then execute the chapters.

    Args:
        names: chapters, as `select_chapters` takes them.
        assignments: parameter names and values, as words.
        out: folder for the executed notebooks, the records and `results.json`, absolute. What chapters left there that
            are not run again stays, and `results.json` describes this run alone.
        of_sweep: what `code_of` must give, if a sweep started this process: one that has made sure of images and
            device, wants no bars, and closes stdin to stop the run. `out` is an empty folder of its own then, which
            goes with a run that is stopped.

    Returns:
        What `results.json` holds.

    Raises:
        ValueError: bad input, or `out` holds what no run made; nothing was written.
        ChapterError: a chapter failed; the notebooks so far are kept.
    """
    if of_sweep:
        if any(out.glob("*")):
            raise ValueError(f"out: '{out}' is not empty, as the folder of a sweep's run must be")
        signal.signal(signal.SIGINT, signal.default_int_handler)  # whoever started the sweep may be deaf to it
        signal.signal(signal.SIGTERM, lambda *_: _stop(out))  # as SLURM says that time is up
        threading.Thread(target=_stop_with_the_sweep, args=(out,), daemon=True).start()
        there = all(located(name).is_file() for name in names)
        if not there or of_sweep not in (code_of(names), code_of(names, whole=True)):
            raise ValueError("this worker has another version of the course; install the same one everywhere")
    chapters = select_chapters(names)
    values = check_assignments(chapters, assignments)
    if not of_sweep:
        folder.check_own(out, "run")
        values |= check_data(chapters, values)
    folders = {name: settings.with_tilde(values[name]) for name in ("data_dir",) if name in values}
    values |= folders | {"run_dir": settings.with_tilde(out)}  # they stay in notebooks and records
    if of_sweep:
        out.mkdir(parents=True, exist_ok=True)  # in a temporary folder, from where the sweep takes the files
        return execute_all(chapters, values, out, progress=False)
    with folder.own(out, "run"):
        results = execute_all(chapters, values, out)
        from course import model_card  # PyTorch

        model_card.write(results, out)
    return results


def execute_all(chapters: Sequence[Path], values: dict[str, Any], out: Path, progress: bool = True) -> dict:
    """Execute chapters into the folder `out`; write `results.json`, and return what it holds."""
    (out / "results.json").unlink(missing_ok=True)  # or it would be beside notebooks that it doesn't describe
    seconds = {}
    for chapter in chapters:
        start = time.perf_counter()
        execute(chapter, values, out, progress)
        seconds[chapter.stem] = round(time.perf_counter() - start, 1)
        if progress and not sys.stderr.isatty():  # a log gets a line instead of a bar
            print(f"{chapter.stem}: {seconds[chapter.stem]:.0f} s", file=sys.stderr, flush=True)
    results = collect_results(out, chapters) | {"seconds": seconds, "versions": versions()}
    write_json(out / "results.json", results)
    return results


def _stop(out: Path) -> None:
    """Stop the run as Ctrl-C would, so that papermill shuts the kernel down, and remove what it has written by then."""
    atexit.register(shutil.rmtree, out, ignore_errors=True)
    _thread.interrupt_main()


def _stop_with_the_sweep(out: Path) -> None:
    """Wait until the other end of stdin is closed, on purpose or because its process died; then end kernel and run."""
    while os.read(0, 1024):  # not through sys.stdin, which this thread would hold locked when Python ends
        pass
    _stop(out)
    time.sleep(GRACE)
    os._exit(1)


class KernelManager(AsyncKernelManager):
    """Starts kernels with the environment `env` instead of this process's."""

    env = Dict().tag(config=True)
    latest: "KernelManager | None" = None

    def __init__(self, **options: Any):
        super().__init__(**options)
        KernelManager.latest = self

    async def start_kernel(self, **options: Any) -> None:  # type: ignore[override]
        await super().start_kernel(env=self.env, **options)


def execute(chapter: Path, values: dict[str, Any], out: Path, progress: bool = True) -> None:
    """Execute one chapter into `out`, handing on the values that it has a parameter for.

    The notebook is written at the end, whole, also where a cell failed or somebody stopped the run. A kernel that fails
    to *start* is started again. What fails later is not: the chapter would begin anew.

    Raises:
        ChapterError: a cell failed, or the kernel died or never started.
        OSError: the notebook can't be written.
    """
    path, known = out / chapter.name, parameter_names(chapter)
    env = {name: value for name, value in os.environ.items() if name not in AUDIENCE}  # nobody watches the chapter
    env["MNIST_COURSE_PROGRESS"] = str(out / "progress.json")  # a run shows nobody's solved exercises
    begun: list[nbformat.NotebookNode] = []  # the notebook that papermill fills, as soon as its kernel is ready
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            with kernel_address() as address, no_kernel_left():
                papermill.execute_notebook(
                    nbformat.read(chapter, as_version=4),  # in a path, papermill would fill in what is between braces
                    None,
                    parameters={name: value for name, value in values.items() if name in known},
                    kernel_name="python3",
                    kernel_manager_class=KernelManager,
                    config=Config(KernelManager={"env": env} | address),
                    cwd=chapter.parent,
                    extra_arguments=KERNEL_ARGUMENTS,
                    progress_bar={"desc": chapter.stem} if progress and sys.stderr.isatty() else False,
                    start_timeout=START_TIMEOUT,
                    # All is saved by then, and Python takes three seconds to take down PyTorch and the rest in order.
                    shutdown_kernel="immediate",
                    on_notebook_start=lambda notebook: begun.append(notebook),
                )
            return
        except PapermillExecutionError as error:
            said = error.evalue.partition("\n")[0] or "no message"
            reason = f"cell {error.exec_count} failed with {error.ename}: {said}; see {settings.shown(path)}"
            raise ChapterError(f"{chapter.stem}: {reason}") from None
        except DeadKernelError:
            reason = f"its kernel died (out of memory?); see {settings.shown(path)}"
            raise ChapterError(f"{chapter.stem}: {reason}") from None
        except RuntimeError:  # what jupyter_client raises when a kernel dies, or says nothing, before it is ready
            if begun:
                raise
            if attempt == START_ATTEMPTS:
                raise ChapterError(f"{chapter.stem}: its kernel did not start, {attempt} times") from None
        finally:
            if begun:
                executed.save(begun[0], path)


@contextmanager
def kernel_address() -> Iterator[dict[str, str]]:
    """Yield where a kernel should listen: at sockets in a new folder, if the system has them and the path is short.

    The default, free ports, are chosen before the kernel starts, and something else may take one in the meantime. Among
    kernels that start together that happens, and not each of them dies of it: some stay, and are deaf.
    """
    for parent in (tempfile.gettempdir(), "/tmp") if os.name != "nt" else ():  # the first may be a long path
        if os.path.isdir(parent) and len(os.fsencode(f"{parent}/kernel-12345678/socket-5")) <= zmq.IPC_PATH_MAX_LEN:
            with tempfile.TemporaryDirectory(prefix="kernel-", dir=parent, ignore_cleanup_errors=True) as folder:
                yield {"transport": "ipc", "ip": f"{folder}/socket"}
            return
    yield {}


@contextmanager
def no_kernel_left() -> Iterator[None]:
    """End the kernel at the end of the `with` block, also one that Ctrl-C met while it was starting.

    papermill ends those that were ready. The others would soon find out themselves, and say so on the screen.
    """
    try:
        yield
    finally:
        process = getattr(getattr(KernelManager.latest, "provisioner", None), "process", None)
        if process is not None and process.poll() is None:
            process.kill()
            process.wait()


def collect_results(out: Path, chapters: Sequence[Path]) -> dict:
    """Unite the records of the run's chapters: what each computed, under the names that results.json promises."""
    found = [load_record(out, chapter.stem) for chapter in chapters]
    results: dict = {"dataset": found[0].get("dataset"), "parameters": {}}
    for record in found:
        results["parameters"] |= record.get("parameters", {})
    for name in ("baseline", "history", "test", "confusion_matrix", "device", "seed"):
        first = next((record for record in found if name in record), {})  # chapter 3's history, chapter 4's test
        results |= {name: first[name]} if first else {}
    return results


def summary(results: dict, out: Path) -> str:
    """Return the short table that ends a run: data, scores, time, and where things lie."""
    rows = {"data": settings.TITLES.get(results["dataset"], "none")}
    if "test" in results:
        rows["test accuracy"] = f"{results['test']['accuracy']:.2%} of {results['test']['n']:,} images"
        rows["test F1"] = f"{results['test']['f1']:.2%} (mean of the ten classes)"
    elif "history" in results:
        rows["val accuracy"] = f"{results['history'][-1]['val_accuracy']:.2%}"
        rows["val F1"] = f"{results['history'][-1]['val_f1']:.2%}"
    if (out / "MODEL_CARD.md").is_file():
        rows["model card"] = settings.shown(out.absolute() / "MODEL_CARD.md")
    rows["time"] = f"{sum(results['seconds'].values()):.0f} s for {len(results['seconds'])} chapter(s)"
    rows |= {"notebooks": settings.shown(out.absolute()), "numbers": settings.shown(out.absolute() / "results.json")}
    ran = results["seconds"]
    for stem, measured in MEASURES.items():
        if measured in ran and stem not in ran and (out / f"{stem}.json").is_file():
            rows["out of date"] = f"{stem}.json describes the weights of an earlier run; run {stem[:2]} again"
    return "\n".join(f"{name:14}{value}" for name, value in rows.items())
