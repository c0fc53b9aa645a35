"""Execute chapters in order through papermill, and gather what they leave into one results.json."""

import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import papermill
from nbclient.exceptions import DeadKernelError
from papermill.exceptions import PapermillExecutionError

from helpers import data, paths, records, training
from helpers.course.chapters import all_chapters, check_assignments, parameter_names, select_chapters

# ipykernel 7 warns at every start that its messages on this machine are not encrypted; its errors still show.
KERNEL_ARGUMENTS = ["--log-level=ERROR"]


class ChapterError(RuntimeError):
    """A chapter stopped; the message is one line that names chapter and cell."""


def run(names: Sequence[str], assignments: Sequence[tuple[str, str]], out: Path) -> dict:
    """Check everything, then execute the chapters.

    Args:
        names: chapters, as `select_chapters` takes them.
        assignments: parameter names and values, as words.
        out: folder for the executed notebooks, the records and `results.json`.

    Returns:
        What `results.json` holds.

    Raises:
        ValueError: bad input; nothing was written.
        ChapterError: a chapter failed; the notebooks so far are kept.
    """
    chapters = select_chapters(names)
    values = check_assignments(chapters, assignments)
    for name in ("run_dir", "images_dir"):
        if name in values:
            raise ValueError(f"{name}: got {values[name]!r}; a run keeps everything in one folder, give it with --out")
    dataset = data.load_dataset(values.get("dataset", "auto"), values.get("data_dir", "data"))
    data.split(dataset, values.get("val_size"), seed=0)
    training.choose_device(values.get("device", "auto"))
    if dataset.note:
        print(f"MNIST can't be had, so this run uses {dataset.title}, 1,797 small images.\n({dataset.note})\n")

    out = prepare_folder(out, chapters[0])
    values |= {"dataset": dataset.name, "run_dir": str(out), "images_dir": str(out / "images")}
    seconds = {}
    for chapter in chapters:
        start = time.perf_counter()
        execute(chapter, values, out)
        seconds[chapter.stem] = round(time.perf_counter() - start, 1)
    results = gather(out, chapters, dataset.name, seconds)
    records.write_json(out / "results.json", results)
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


def execute(chapter: Path, values: dict[str, object], out: Path) -> None:
    """Execute one chapter into `out`, handing on the values that it has a parameter for."""
    executed = out / chapter.name
    known = parameter_names(chapter)
    os.environ.pop("JPY_SESSION_NAME", None)  # nobody watches the chapter, even if JupyterLab watches us
    try:
        papermill.execute_notebook(
            chapter,
            executed,
            parameters={name: value for name, value in values.items() if name in known},
            kernel_name="python3",
            cwd=chapter.parent,
            extra_arguments=KERNEL_ARGUMENTS,
            progress_bar={"desc": chapter.stem},
        )
    except PapermillExecutionError as error:
        reason = f"cell {error.exec_count} failed with {error.ename}: {first_line(error.evalue)}"
        raise ChapterError(f"{chapter.stem}: {reason}; see {paths.shown(executed)}") from None
    except DeadKernelError:
        raise ChapterError(f"{chapter.stem}: its kernel died (out of memory?); see {paths.shown(executed)}") from None


def first_line(text: str) -> str:
    """Return the first line of an error message, or a word for an empty one."""
    return next(iter(text.splitlines()), "no message")


def gather(out: Path, chapters: list[Path], dataset: str, seconds: dict[str, float]) -> dict:
    """Unite the records of the run's chapters: what each computed, under the names that results.json promises."""
    found = {chapter.stem: records.load_record(out, chapter.stem) for chapter in chapters}
    results = {"dataset": dataset, "parameters": {}}
    for record in found.values():
        results["parameters"] |= record.get("parameters", {})
    for name in ("baseline", "history", "test", "confusion_matrix", "device", "seed"):
        for record in found.values():
            if name in record:
                results[name] = record[name]
    return results | {"seconds": seconds, "versions": records.versions()}


def summary(results: dict, out: Path) -> str:
    """Return the short table that ends a run: data, scores, time, and where things lie."""
    rows = [("data", data.TITLES[results["dataset"]])]
    if "test" in results:
        rows.append(("test accuracy", f"{results['test']['accuracy']:.2%} of {results['test']['n']:,} images"))
        rows.append(("test F1", f"{results['test']['f1']:.2%} (mean of the ten classes)"))
    elif "history" in results:
        rows.append(("val accuracy", f"{results['history'][-1]['val_accuracy']:.2%}"))
        rows.append(("val F1", f"{results['history'][-1]['val_f1']:.2%}"))
    rows.append(("time", f"{sum(results['seconds'].values()):.0f} s for {len(results['seconds'])} chapter(s)"))
    rows.append(("notebooks", paths.shown(out.absolute())))
    rows.append(("numbers", paths.shown(out.absolute() / "results.json")))
    return "\n".join(f"{name:14}{value}" for name, value in rows)
