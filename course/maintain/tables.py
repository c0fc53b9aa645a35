"""What other files write into the documents: results/ the README's tables, the chapters the notes for the teacher."""

import itertools
import re
import statistics
from collections.abc import Callable
from functools import partial
from pathlib import Path

import nbformat
import pandas as pd
from scipy import stats

from course import bench_report
from course.chapters import all_chapters
from course.handouts.copies import tags_of
from helpers import settings
from helpers.evaluation import mean_interval, next_run_interval
from helpers.model import count_parameters
from helpers.recipes import RECIPES, build
from helpers.results import load_result, load_sweep

README = settings.ROOT / "README.md"
TEACHING = settings.ROOT / "docs" / "teaching.md"


def mean_and_spread(values: list[float], digits: int) -> str:
    """Return `mean ± standard deviation` with `digits` decimals; the deviation is that of a sample (n − 1)."""
    return f"{statistics.mean(values):.{digits}f} ± {statistics.stdev(values):.{digits}f}"


def seed_protocol_table() -> str:
    """Return the table of the seed's protocol: its reported run beside ours over several seeds."""
    reported = load_result("seed_reported.json")
    runs, history = load_sweep("seed_protocol"), load_sweep("seed_protocol", "history")
    keys = ("train_loss", "val_loss", "val_f1", "val_accuracy")
    lines = [
        f"| epoch | train loss: reported | ours, {len(runs)} seeds | val loss: reported | ours "
        "| val F1: reported | ours | val accuracy: reported | ours |",
        "|---:|" + "---:|" * 8,
    ]
    for entry in reported["history"]:
        ours = history[history["epoch"] == entry["epoch"]]
        cells = []
        for key in keys:
            cells += [f"{entry[key]:.4f}", mean_and_spread(ours[key].tolist(), 4)]
        lines.append(f"| {entry['epoch']} | " + " | ".join(cells) + " |")
    each = ", ".join(f"{accuracy:.2%}" for accuracy in runs["test_accuracy"])
    lines += [
        "",
        "| test set, once | reported | ours, mean ± standard deviation | each seed |",
        "|---|---:|---:|---|",
        f"| accuracy (%) | {100 * reported['test']['accuracy']:.2f} | {percent(runs['test_accuracy'])} | {each} |",
        f"| macro F1 (%) | {100 * reported['test']['f1']:.2f} | {percent(runs['test_f1'])} | |",
    ]
    return "\n".join(lines)


def percent(shares: pd.Series) -> str:
    """Return mean and standard deviation of shares from 0 to 1, in per cent with two decimals."""
    return mean_and_spread((100 * shares).tolist(), 2)


def grid_table() -> str:
    """Return the grid: mean validation accuracy of each learning rate (rows) with each batch size (columns)."""
    runs = load_sweep("grid")
    sizes = sorted(runs["batch_size"].unique())
    lines = [
        "| learning rate | " + " | ".join(f"batches of {size}" for size in sizes) + " |",
        "|---:|" + "---:|" * len(sizes),
    ]
    for rate, of_rate in runs.groupby("learning_rate"):
        cells = [percent(of_rate.loc[of_rate["batch_size"] == size, "val_accuracy"]) for size in sizes]
        lines.append(f"| {rate:g} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def two_settings_table() -> str:
    """Return the test accuracies of the course's setting and of the one that the grid picked."""
    lines = [
        "| setting | learning rate | batch size | seeds | validation accuracy (%) | test accuracy (%) "
        "| 95 % interval of the mean | 95 % interval for one more run |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for title, name in (("the course's", "seed_protocol"), ("picked by the grid", "picked")):
        runs = load_sweep(name)
        test = (100 * runs["test_accuracy"]).tolist()
        cells = [f"{runs['learning_rate'][0]:g}", str(runs["batch_size"][0]), str(len(runs))]
        cells += [percent(runs["val_accuracy"]), percent(runs["test_accuracy"])]
        cells += [f"{low:.2f} to {high:.2f}" for low, high in (mean_interval(test), next_run_interval(test))]
        lines.append(f"| {title} | " + " | ".join(cells) + " |")
    picked, ours = (100 * load_sweep(name)["test_accuracy"] for name in ("picked", "seed_protocol"))
    low, high = stats.ttest_ind(picked, ours, equal_var=False).confidence_interval()
    verdict = "no difference is shown" if low <= 0 <= high else "one such interval in twenty leaves out 0 by luck alone"
    lines += [
        "",
        f"Picked minus the course's: {low:+.2f} to {high:+.2f} points of test accuracy (95 % interval, Welch's):",
    ]
    return "\n".join([*lines, f"{verdict}."])


def recipes_table() -> str:
    """Return the ladder of recipes and what was tried besides: what each changes, and its validation accuracy."""
    runs = load_sweep("recipes")
    lines = ["| recipe | what it changes | validation accuracy (%) |", "|---|---|---:|"]
    above = dict(itertools.pairwise(settings.LADDER))
    before = {name: lower for lower, name in above.items()} | dict.fromkeys(settings.ABLATIONS, "best")
    for name in settings.LADDER + settings.ABLATIONS:
        changes = RECIPES[name].changes(RECIPES[before[name]]) if name in before else {}
        words = ", ".join(f"{key.replace('_', ' ')} {old} → {new}" for key, (old, new) in changes.items())
        source = f"of `{before[name]}`: {words}" if words else "chapter 3's settings"
        lines.append(f"| `{name}` | {source} | {percent(runs.loc[runs['recipe'] == name, 'val_accuracy'])} |")
    return "\n".join(lines)


def networks_table() -> str:
    """Return the test accuracies of chapter 3's recipe, of the best one, and of another network."""
    lines = [
        "| network and recipe | parameters | epochs | seeds | validation accuracy (%) | test accuracy (%) "
        "| 95 % interval of the mean |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    rows = {"the course's, chapter 3": ("course", "seed_protocol"), "the course's, `best`": ("best", "best_recipe")}
    rows |= {
        "with batch normalisation, `small_network`": ("small_network", "small_network"),
        "larger, with batch normalisation, `large_network`": ("large_network", "large_network"),
    }
    for title, (recipe, sweep) in rows.items():
        runs = load_sweep(sweep)
        low, high = mean_interval((100 * runs["test_accuracy"]).tolist())
        size = f"{count_parameters(build(RECIPES[recipe])):,}"
        cells = [title, size, str(runs["epochs"][0]), str(len(runs)), percent(runs["val_accuracy"])]
        cells += [percent(runs["test_accuracy"]), f"{low:.2f} to {high:.2f}"]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def benchmark_table() -> str:
    """Return what `python -m course bench` measured."""
    return bench_report.markdown(load_result("bench.json")).strip()


TABLES = {
    "seed protocol": seed_protocol_table,
    "grid": grid_table,
    "two settings": two_settings_table,
    "recipes": recipes_table,
    "networks": networks_table,
    "benchmark": benchmark_table,
}


def notes_for_the_teacher(chapter: Path) -> str:
    """Return a chapter's cell tagged `instructor`, without the element that folds it."""
    cells = nbformat.read(chapter, as_version=4).cells
    (notes,) = (cell.source for cell in cells if "instructor" in tags_of(cell))
    return re.sub(r"</?(details|summary)[^>]*>(For the teacher)?", "", notes).strip()


def parts_of(page: Path) -> dict[str, Callable[[], str]]:
    """Return what is written into a page, by the name between its markers."""
    if page == TEACHING:
        return {f"notes of {chapter.stem}": partial(notes_for_the_teacher, chapter) for chapter in all_chapters()}
    return {f"table: {name}": table for name, table in TABLES.items()}


def write_tables(write: bool = True) -> bool:
    """Put each part between its markers in the README and in docs/teaching.md; return whether anything differed."""
    changed = False
    for page in (README, TEACHING):
        old = new = page.read_text(encoding="utf-8")
        for name, part in parts_of(page).items():
            start, end = f"<!-- {name} -->", f"<!-- end of {name} -->"
            before, rest = new.split(start)
            _, after = rest.split(end)
            new = f"{before}{start}\n{part()}\n{end}{after}"
        if write and new != old:
            page.write_text(new, encoding="utf-8")
        changed |= new != old
    return changed
