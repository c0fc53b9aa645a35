"""What is written into documents and chapters: recorded numbers, notes for the teacher, files, the first code cell."""

import ast
import itertools
import json
import statistics
import tomllib
from collections.abc import Sequence
from pathlib import Path

import nbformat
import pandas as pd
from scipy import stats

from course import bench_report, bench_shared, model_card
from course.chapters import all_chapters
from course.exercises import exit_quiz
from course.handouts import copies
from course.maintain import clinic_tables
from helpers import settings, speed
from helpers.evaluation import mean_interval, next_run_interval
from helpers.model import count_parameters
from helpers.recipes import RECIPES, build
from helpers.results import load_result, load_sweep

README = settings.FILES / "README.md"
MODEL_CARD = settings.FILES / model_card.NAME
RESULTS = settings.FILES / "results" / "README.md"
TEACHING = settings.FILES / "docs" / "teaching.md"
ARCHITECTURE = settings.FILES / "docs" / "architecture.md"
FIRST = "import-helpers"  # the id of each chapter's first code cell
# A notebook that came by mail can import nothing of ours, so these lines do it all: they find the course, or say where
# it is, in one line, since that is how IPython shows a UsageError. PyPI has a `helpers`, too. A zip file needs no git.
FIRST_CELL = """\
import IPython, sys; sys.path += [n * "../" for n in range(1, 9)]  # also look in the folders above
try: from helpers import MNIST_COURSE  # first, since it decides how PyTorch uses the processor
except ImportError as e: raise IPython.core.error.UsageError(f"{e}. PyPI's isn't the course; "
    "run %pip install ADDRESS/archive/HEAD.zip") from None"""
METRICS = ("train_loss", "val_loss", "val_f1", "val_accuracy")
TESTED = {  # by sweep: what was trained, and its recipe
    "seed_protocol": ("the course's: learning rate 0.001, batches of 64", "course"),
    "picked": ("picked by the grid: learning rate {learning_rate:g}, batches of {batch_size}", "course"),
    "best_recipe": ("the course's network, recipe `best`", "best"),
    "small_network": ("`small_network`, with batch normalization", "small_network"),
    "large_network": ("`large_network`, with batch normalization", "large_network"),
    "fast_small": ("`fast_small`, with batch normalization", "fast_small"),
}
COMPARED_WITH = {  # by recipe: the one that it was made from
    **{name: below for below, name in itertools.pairwise(settings.LADDER)},
    **dict.fromkeys(settings.ABLATIONS, "best"),
    "weaker_decay": "best",
    "adamw_stronger_decay": "augmented",
    "fast": "best",
    **dict.fromkeys(settings.ONE_EPOCH[1:], "fast"),
}


def table(rows: Sequence[dict], text_columns: int = 1) -> str:
    """Return rows of ready-made words as a Markdown table; after `text_columns` columns come numbers, to the right."""
    align = ["left" if column < text_columns else "right" for column in range(len(rows[0]))]
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True, colalign=align)


def spread(values: Sequence[float], digits: int) -> str:
    """Return `mean ± standard deviation` with `digits` decimals; the deviation is that of a sample (n − 1)."""
    return f"{pd.Series(values).mean():.{digits}f} ± {pd.Series(values).std():.{digits}f}"


def percent(shares: pd.Series) -> str:
    """Return mean and standard deviation of shares from 0 to 1, in percent with two decimals."""
    return spread(100 * shares, 2)


def last_epoch() -> str:
    """Return the README's table: the reported run beside ours, after the last epoch and on the test images."""
    reported, runs = load_result("seed_reported.json"), load_sweep("seed_protocol")
    ours = f"ours, {len(runs)} seeds"
    rows = []
    for name in METRICS:
        title = name.replace("_", " ").replace("f1", "F1").replace("val", "validation").replace("train ", "training ")
        rows.append({"": title, "reported run": f"{reported['history'][-1][name]:.4f}", ours: spread(runs[name], 4)})
    for name, title in (("accuracy", "test accuracy (%)"), ("f1", "test F1 (%)")):
        share = reported["test"][name]
        rows.append({"": title, "reported run": f"{100 * share:.2f}", ours: percent(runs[f"test_{name}"])})
    return table(rows)


def epoch_by_epoch() -> str:
    """Return the reported run beside ours, epoch by epoch, and the test accuracy of each of our seeds."""
    history = load_sweep("seed_protocol", "history")
    rows = []
    for entry in load_result("seed_reported.json")["history"]:
        row, ours = {"epoch": f"{entry['epoch']}"}, history[history["epoch"] == entry["epoch"]]
        for name in METRICS:
            title = name.replace("_", " ").replace("f1", "F1")
            row |= {f"{title}: reported": f"{entry[name]:.4f}", f"{title}: ours": spread(ours[name], 4)}
        rows.append(row)
    each = ", ".join(f"{100 * accuracy:.2f}" for accuracy in load_sweep("seed_protocol")["test_accuracy"])
    return f"{table(rows, 0)}\n\nTest accuracy of each seed, 0 first (%): {each}"


def grid() -> str:
    """Return mean validation accuracy by learning rate (rows) and batch size (columns)."""
    rows = []
    for rate, of_rate in load_sweep("grid").groupby("learning_rate"):
        cells = {f"batches of {size}": percent(runs["val_accuracy"]) for size, runs in of_rate.groupby("batch_size")}
        rows.append({"learning rate": f"{rate:g}"} | cells)
    return table(rows, 0)


def tested(*sweeps: str) -> str:
    """Return the accuracies of sweeps that were tested, one row each."""
    rows = []
    for sweep in sweeps:
        (what, recipe), runs = TESTED[sweep], load_sweep(sweep)
        test = (100 * runs["test_accuracy"]).tolist()
        row = {
            "network and settings": what.format_map(dict(runs.iloc[0])),
            "parameters": f"{count_parameters(build(RECIPES[recipe])):,}",
            "epochs": f"{runs['epochs'][0]}",
            "seeds": f"{len(runs)}",
            "validation accuracy (%)": percent(runs["val_accuracy"]),
            "test accuracy (%)": percent(runs["test_accuracy"]),
        }
        for title, (low, high) in (("the mean", mean_interval(test)), ("one more run", next_run_interval(test))):
            row[f"95 % interval of {title}"] = f"{low:.2f} to {high:.2f}"
        rows.append(row)
    return table(rows)


def picked_or_not() -> str:
    """Return the test accuracies of the course's setting and of the one that the grid picked, and their difference."""
    picked, ours = (100 * load_sweep(name)["test_accuracy"] for name in ("picked", "seed_protocol"))
    low, high = stats.ttest_ind(picked, ours, equal_var=False).confidence_interval()
    verdict = "no difference is shown" if low <= 0 <= high else "one such interval in twenty leaves out 0 by luck alone"
    difference = (
        f"Picked minus the course's: {low:+.2f} to {high:+.2f} points of test accuracy (95 % interval, Welch's)"
    )
    return f"{tested('seed_protocol', 'picked')}\n\n{difference}: {verdict}."


def validation(*sweeps: str) -> dict[str, pd.Series]:
    """Return the validation accuracies of sweeps in percent, by recipe and then by seed."""
    runs = pd.concat([load_sweep(sweep) for sweep in sweeps])
    return {name: 100 * of.set_index("seed")["val_accuracy"] for name, of in runs.groupby("recipe", sort=False)}


def gain(new: pd.Series, old: pd.Series) -> str:
    """Return mean and 95 % interval of the differences, seed by seed: runs with the same seed share their split."""
    differences = (new - old).tolist()
    low, high = mean_interval(differences)
    return f"{pd.Series(differences).mean():+.2f} ({low:+.2f} to {high:+.2f})"


def recipes(sweep: str, *others: str) -> str:
    """Return what each recipe of a sweep changes, its validation accuracy, and its gain over the one it was made from.

    `others` are sweeps of as many epochs that hold recipes which those of `sweep` were made from.
    """
    rows, scores = [], validation(sweep, *others)
    for name, runs in load_sweep(sweep).groupby("recipe", sort=False):
        base = COMPARED_WITH.get(name, name)
        changes = RECIPES[name].changes(RECIPES[base]).items()
        words = ", ".join(f"{key.replace('_', ' ')} {old} → {new}" for key, (old, new) in changes)
        row = {"recipe": f"`{name}`", "what it changes": f"of `{base}`: {words}" if words else "chapter 3's settings"}
        row["validation accuracy (%)"] = percent(runs["val_accuracy"])
        row["gain, paired by seed"] = gain(scores[name], scores[base]) if words and base in scores else ""
        rows.append(row)
    return table(rows, 2)


def decay() -> str:
    """Return the recipes that part optimizer and weight decay, and what SGD gains where the decay is as strong."""
    scores = validation("recipes", "decay")
    weak = gain(scores["weaker_decay"], scores["augmented"])
    strong = gain(scores["best"], scores["adamw_stronger_decay"])
    words = f"SGD instead of AdamW at the same strength: {weak} points with weak decay, {strong} with strong decay."
    return f"{recipes('decay', 'recipes')}\n\n{words}"


def two_ways() -> str:
    """Return what a second epoch and another network bring to `fast`, by validation images."""
    rows, runs = [], load_sweep("two_ways")
    scores = {way: 100 * of.set_index("seed")["val_accuracy"] for way, of in runs.groupby(["recipe", "epochs"])}
    for (name, epochs), score in scores.items():
        row = {
            "recipe": f"`{name}`",
            "parameters": f"{count_parameters(build(RECIPES[name])):,}",
            "epochs": f"{epochs}",
        }
        row["validation accuracy (%)"] = spread(score, 2)
        base = scores["fast", 2]
        row["gain over two epochs of `fast`, paired by seed"] = "" if score is base else gain(score, base)
        rows.append(row)
    return table(rows)


def corruptions() -> str:
    """Return the accuracy of three recipes under each corruption, and what augmentation alone gains, seed by seed."""
    course, without, augmented = load_result("corruptions.json")["accuracy"].values()
    rows = []
    for name in course:
        row = {"corruption": name}
        for title, accuracy in (("`course`", course), ("`no_augmentation`", without), ("`best`", augmented)):
            row[f"{title}: test accuracy (%)"] = percent(pd.Series(accuracy[name]))
        row["gain of augmentation, paired by seed"] = gain(
            100 * pd.Series(augmented[name]), 100 * pd.Series(without[name])
        )
        rows.append(row)
    return table(rows)


def aims() -> str:
    """Return what we had aimed at, and what came out."""
    bench = load_result("bench.json")
    fastest = list(bench["epoch"].values())[-1]
    alone, *together = load_result("shared.json")["rows"]
    seconds = statistics.median(alone["course"])
    worst = max(statistics.median(row["course"]) / row["at_once"] for row in together if row["at_once"] > 1)
    accuracy = {name: 100 * load_sweep(name)["test_accuracy"].mean() for name in TESTED}
    ours, example = (racer["runs"] for racer in load_result("race.json")["racers"].values())
    ours_seconds, example_seconds = ([run["seconds"] for run in runs] for runs in (ours, example))
    rows = [
        ("test accuracy of the course's network, recipe `best` (%)", "≥ 99.5", f"{accuracy['best_recipe']:.3f}"),
        ("test accuracy of `small_network` (%)", "≥ 99.6", f"{accuracy['small_network']:.3f}"),
        ("test accuracy of `large_network` (%)", "≥ 99.7", f"{accuracy['large_network']:.3f}"),
        ("time of an epoch: times faster than the classic loop", "≥ 5", f"{fastest['times_faster_median']:.1f}"),
        ("time of an epoch: × the lower bound", "≤ 4", f"{fastest['times_lower_bound']:.1f}"),
        ("98.70 % of the test images: times as fast", "≥ 30", f"{bench['target']['times_faster']:.1f}"),
        (
            "99.00 % of the test images: times as fast as PyTorch's example",
            "≥ 40",
            f"{speed.ratio(example_seconds, ours_seconds):.1f}",
        ),
        ("99.00 % of the test images: seconds of training", "≤ 3.5", f"{statistics.median(ours_seconds):.1f}"),
        (
            "one training alone: × PyTorch's own settings",
            "≤ 1.1",
            f"{seconds / statistics.median(alone['pytorch']):.2f}",
        ),
        ("2 to 8 trainings at once: × one after the other", "≤ 1.3", f"{worst / seconds:.2f}"),
    ]
    return table([{"what": what, "aim": aim, "came out": got} for what, aim, got in rows])


def made_by(name: str) -> str:
    """Return how a sweep's numbers came about: its command, seeds and machine, and whether it opened the test set."""
    origin = load_result(f"sweeps/{name}/origin.json")
    runs, torch = load_sweep(name), origin["versions"]["torch"]
    tested = "once in each run, after its last epoch" if "test_accuracy" in runs else "never"
    return (
        f"[`sweeps/{name}`](sweeps/{name}): {len(runs)} runs, {runs['seed'].nunique()} seeds for each setting; "
        f"test images looked at: **{tested}**. PyTorch {torch} on `{origin['device']}`, "
        f"{origin['processor_threads']} threads.\n\n```\n{origin['command']}\n```"
    )


def benchmark() -> str:
    """Return what `python -m course bench` measured, and the command."""
    result = load_result("bench.json")
    command = f"python -m course bench --repeats {result['repeats']} --out runs/bench"
    return f"{bench_report.markdown(result).strip()}\n\n```\n{command}\n```"


def race() -> str:
    """Return what `python -m course bench --race` measured, and the command."""
    result = load_result("race.json")
    command = (
        f"python -m course bench --race --repeats {result['repeats']} --epochs {result['epochs']} --out runs/bench"
    )
    return f"{bench_report.race_markdown(result).strip()}\n\n```\n{command}\n```"


def busy_machine() -> str:
    """Return what `python -m course bench --shared` measured, and the command."""
    result = load_result("shared.json")
    command = f"python -m course bench --shared --repeats {result['repeats']} --out runs/bench"
    return f"{bench_shared.markdown(result).strip()}\n\n```\n{command}\n```"


def files_of(folder: str) -> str:
    """Return the Python files of a folder and what each is for: the first line of its docstring."""
    rows = []
    for path in sorted((settings.FILES / folder).rglob("*.py")):
        docstring = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
        name = path.relative_to(settings.FILES).as_posix().removesuffix("__init__.py")
        rows.append({"file": f"`{name}`", "what it is for": docstring.partition("\n")[0]})
    return table(rows, 2)


def parts() -> dict[Path, dict[str, str]]:
    """Return what is written into each page, by the name between its markers."""
    tables = {
        "epoch by epoch": epoch_by_epoch(),
        "grid": grid(),
        "picked or not": picked_or_not(),
        "ladder": recipes("recipes"),
        "decay": decay(),
        "networks": tested("seed_protocol", "best_recipe", "small_network", "large_network"),
        "one epoch": recipes("one_epoch"),
        "two ways": two_ways(),
        "fast_small": tested("fast_small"),
        "corruptions": corruptions(),
        "clinic": f"{table(clinic_tables.signs(), 11)}\n\n{clinic_tables.proof()}",
        "limits of the signs": table(clinic_tables.limits(), 4),
        "benchmark": benchmark(),
        "race": race(),
        "busy machine": busy_machine(),
        "aims": aims(),
    }
    origins = {f"origin of {folder.name}": made_by(folder.name) for folder in RESULTS.parent.glob("sweeps/*")}
    notes = {
        f"notes of {chapter.stem}": f"{copies.notes_for_the_teacher(nbformat.read(chapter, as_version=4))}\n\n"
        f"**Exit quiz:** {exit_quiz.right_letters(int(chapter.stem[:2]))}"
        for chapter in all_chapters()
    }
    files = {f"files of {folder}": files_of(folder) for folder in ("helpers", "course", "tests")}
    return {README: {"last epoch": last_epoch()}, RESULTS: tables | origins, TEACHING: notes, ARCHITECTURE: files}


def stubs() -> str:
    """Return as JSON what the cells of the exercises hold, by number, so that handouts can give out just that."""
    notebooks = [nbformat.read(chapter, as_version=4) for chapter in all_chapters()]
    found = {number: cell.source for notebook in notebooks for number, cell in copies.exercise_cells(notebook)}
    return json.dumps(found, indent=1, ensure_ascii=False) + "\n"


def with_first_cell(chapter: Path) -> str:
    """Return the text of a chapter with the course's address, from pyproject.toml, in its first code cell."""
    project = tomllib.loads((settings.FILES / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    source = FIRST_CELL.replace("ADDRESS", project["urls"]["Repository"])
    text = chapter.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    first = next((cell for cell in notebook.cells if cell.cell_type == "code"), None)
    if first is None or first.id != FIRST:
        raise ValueError(
            f"{settings.shown(chapter)}: needs a first code cell with the id '{FIRST}'; copy it from another"
        )
    if first.source == source:
        return text
    first.source = source
    return nbformat.writes(notebook) + "\n"


def write_tables(write: bool = True) -> bool:
    """Put each part between its markers, note the stubs, and return whether anything differed.

    Raises:
        ValueError: a page lacks a marker, or a chapter its first cell.
    """
    files = {page: with_parts(page, texts) for page, texts in parts().items()} | {copies.STUBS: stubs()}
    files[MODEL_CARD] = model_card.reference_card()
    files |= {chapter: with_first_cell(chapter) for chapter in all_chapters()}
    changed = {path: new for path, new in files.items() if path.read_text(encoding="utf-8") != new}
    if write:
        for path, new in changed.items():
            path.write_text(new, encoding="utf-8", newline="\n")
    return bool(changed)


def with_parts(page: Path, texts: dict[str, str]) -> str:
    """Return a page with `texts` between the markers of their names."""
    content = page.read_text(encoding="utf-8")
    for name, text in texts.items():
        start, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        if (content.count(start), content.count(end)) != (1, 1):
            raise ValueError(f"{settings.shown(page)}: needs one line '{start.strip()}' and one '{end}' below it")
        before, rest = content.split(start)
        content = f"{before}{start}{text}\n{end}{rest.partition(end)[2]}"
    return content
