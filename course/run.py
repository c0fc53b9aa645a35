"""One run of the series: check everything first, then execute the chapters and sum up."""

from collections.abc import Sequence
from pathlib import Path

from course.chapters import check_assignments, select_chapters
from course.execution import run_chapters
from helpers import data, settings, training

FOLDERS = ("run_dir", "images_dir")


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
    return run_chapters(chapters, check_values(check_assignments(chapters, assignments)), out)


def check_values(values: dict[str, object]) -> dict[str, object]:
    """Check what a rule can't tell: that the images are there, that the split leaves some, that the device exists.

    Args:
        values: parameters, as `check_assignments` returns them.

    Returns:
        The same values, with the name of the data set that `auto` found.

    Raises:
        ValueError: what is wrong, and what to do.
    """
    refuse_folders(values)
    dataset = data.load_dataset(values.get("dataset", "auto"), values.get("data_dir", "data"))
    data.split(dataset, values.get("val_size"), seed=0)
    training.choose_device(values.get("device", "auto"))
    if dataset.note:
        print(f"MNIST can't be had, so this run uses {dataset.title}, 1,797 small images.\n({dataset.note})\n")
    return values | {"dataset": dataset.name}


def refuse_folders(values: dict[str, object]) -> None:
    """Raise a ValueError if `values` hold a folder to write to: a run keeps everything in one."""
    for name in FOLDERS:
        if name in values:
            raise ValueError(f"{name}: got {values[name]!r}; a run keeps everything in one folder, give it with --out")


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
    rows.append(("notebooks", settings.shown(out.absolute())))
    rows.append(("numbers", settings.shown(out.absolute() / "results.json")))
    return "\n".join(f"{name:14}{value}" for name, value in rows)
