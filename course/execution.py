"""Execute chapters in order through papermill, and gather what they leave into one results.json. Loads no PyTorch."""

import os
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from course.chapters import all_chapters, parameter_names
from helpers import settings
from helpers.results import load_record, versions, write_json

# ipykernel 7 warns at every start that its messages on this machine are not encrypted; its errors still show.
KERNEL_ARGUMENTS = ["--log-level=ERROR"]
# A fifth of the time of importing PyTorch and the rest goes into looking for garbage: look more rarely.
# (Not when notebooks are refreshed: the timings that are committed come from a kernel as learners start it.)
QUICK_IMPORTS = "--IPKernelApp.exec_lines=import gc; gc.set_threshold(10_000)"
START_ATTEMPTS = 3  # where kernels listen at ports, two that start at the same moment can be given the same one
START_TIMEOUT = 300  # seconds; a machine that starts dozens of kernels at once is slow


class ChapterError(RuntimeError):
    """A chapter stopped; the message is one line that names chapter and cell."""


def run_chapters(chapters: Sequence[Path], values: dict[str, object], out: Path, progress: bool = True) -> dict:
    """Execute chapters in the order given, and gather their results.

    Args:
        chapters: notebooks.
        values: parameters, checked; each chapter gets those that it has. Paths of the run are added.
        out: folder for the executed notebooks, the records and `results.json`.
        progress: draw papermill's bar for each chapter.

    Returns:
        What `results.json` holds.

    Raises:
        ValueError: the folder can't be written.
        ChapterError: a chapter failed; the notebooks so far are kept.
    """
    out = prepare_folder(out, chapters[0])
    values = values | {"run_dir": str(out), "images_dir": str(out / "images")}
    seconds = {}
    for chapter in chapters:
        start = time.perf_counter()
        execute(chapter, values, out, progress)
        seconds[chapter.stem] = round(time.perf_counter() - start, 1)
    results = collect_results(out, chapters, seconds)
    write_json(out / "results.json", results)
    return results


def prepare_folder(out: Path, first: Path) -> Path:
    """Make the folder of the run, and remove what an earlier run left there of the chapters from `first` on.

    Raises:
        ValueError: the folder can't be written.
    """
    out = out.expanduser().absolute()
    try:
        out.mkdir(parents=True, exist_ok=True)
        for chapter in all_chapters():
            if chapter.stem >= first.stem:
                (out / f"{chapter.stem}.json").unlink(missing_ok=True)
        (out / "results.json").unlink(missing_ok=True)  # or it would stand beside notebooks that it doesn't describe
        tempfile.TemporaryFile(dir=out).close()  # a folder that was there before may be write-protected
    except OSError as error:
        raise ValueError(f"out: '{out}' can't be written ({error.strerror}); give another folder") from None
    return out


def execute(chapter: Path, values: dict[str, object], out: Path, progress: bool = True) -> None:
    """Execute one chapter into `out`, handing on the values that it has a parameter for.

    A kernel that fails to *start* is started again. What fails later is not: the chapter would begin anew.

    Raises:
        ChapterError: a cell failed, or the kernel died or never started.
    """
    executed = out / chapter.name
    known = parameter_names(chapter)
    os.environ.pop("JPY_SESSION_NAME", None)  # nobody watches the chapter, even if JupyterLab watches us
    os.environ["MNIST_COURSE_PROGRESS"] = str(out / "progress.json")  # a run shows nobody's solved exercises
    started: list[bool] = []
    for attempt in range(1, START_ATTEMPTS + 1):
        try:
            with kernel_sockets() as config:
                papermill.execute_notebook(
                    chapter,
                    executed,
                    parameters={name: value for name, value in values.items() if name in known},
                    kernel_name="python3",
                    cwd=chapter.parent,
                    extra_arguments=[*KERNEL_ARGUMENTS, QUICK_IMPORTS],
                    progress_bar={"desc": chapter.stem} if progress else False,
                    start_timeout=START_TIMEOUT,
                    # All is saved by then, and Python takes three seconds to take down PyTorch and the rest in order.
                    shutdown_kernel="immediate",
                    on_notebook_start=lambda **_: started.append(True),
                    config=config,
                )
            return
        except PapermillExecutionError as error:
            reason = f"cell {error.exec_count} failed with {error.ename}: {first_line(error.evalue)}"
            raise ChapterError(f"{chapter.stem}: {reason}; see {settings.shown(executed)}") from None
        except DeadKernelError:
            reason = f"its kernel died (out of memory?); see {settings.shown(executed)}"
            raise ChapterError(f"{chapter.stem}: {reason}") from None
        except RuntimeError:  # what jupyter_client raises when a kernel dies, or says nothing, before it is ready
            if started:
                raise
            if attempt == START_ATTEMPTS:
                raise ChapterError(f"{chapter.stem}: its kernel did not start, {attempt} times") from None


@contextmanager
def kernel_sockets() -> Iterator[Config]:
    """Yield where a kernel should listen: at sockets in a folder of its own.

    By default it listens at five free ports. They are chosen before it starts, and something else may take one in the
    meantime. Among kernels that start together that happens, and not each of them dies of it: some stay, and are deaf.
    """
    if os.name == "nt":  # where kernels can't listen at files
        yield Config()
        return
    with tempfile.TemporaryDirectory(prefix="kernel-", ignore_cleanup_errors=True) as folder:
        yield Config({"KernelManager": {"transport": "ipc", "ip": f"{folder}/socket"}})


def first_line(text: str) -> str:
    """Return the first line of an error message, or a word for an empty one."""
    return next(iter(text.splitlines()), "no message")


def collect_results(out: Path, chapters: Sequence[Path], seconds: dict[str, float]) -> dict:
    """Unite the records of the run's chapters: what each computed, under the names that results.json promises."""
    found = [load_record(out, chapter.stem) for chapter in chapters]
    results: dict = {"dataset": found[0].get("dataset"), "parameters": {}}
    for record in found:
        results["parameters"] |= record.get("parameters", {})
    for name in ("baseline", "history", "test", "confusion_matrix", "device", "seed"):
        first = next((record for record in found if name in record), {})  # chapter 3's history, chapter 4's test
        results |= {name: first[name]} if first else {}
    return results | {"seconds": seconds, "versions": versions()}
