"""The sweeps on MNIST whose numbers the README and the chapters 5 to 7 quote."""

import json
import shutil
from collections.abc import Sequence

import torch

from course.chapters import select_chapters
from course.maintain.reference import keep_reference
from course.run import run
from course.sweep import parse_grid, sweep
from course.sweep_tables import summarise
from helpers import settings
from helpers.results import load_record, load_sweep, write_json

RESULTS = settings.ROOT / "results"
RUNS = settings.ROOT / "runs" / "record"  # the runs themselves; only their tables and one set of weights are kept
GRID = ("learning_rate=0.0003,0.001,0.003,0.01", "batch_size=32,64,128,256")
TABLES = ("results.csv", "history.csv", "summary.csv", "summary.md")


def record() -> None:
    """Run the sweeps and one run on the embedded digits; what is finished in `runs/record` isn't run again.

    For chapter 5:
    1. `seed_protocol`: the settings of the reported run, ten seeds, tested.
    2. `grid`: learning rate by batch size, three seeds each, **not** tested, since choosing is for the validation set.
    3. `picked`: the setting with the best mean validation accuracy, ten seeds, tested.

    For chapter 6:
    4. `recipes`: the ladder of recipes and what was tried besides, five seeds each, **not** tested.
    5. `best_recipe`: the top of the ladder, ten seeds, tested.
    6. `small_network`: another network, with batch normalisation and forty epochs, five seeds, tested.
    7. `large_network`: a larger one of its kind, five seeds, tested.

    For chapter 7:
    8. `one_epoch`: the recipe `fast` and three variations of it, one epoch, five seeds each, **not** tested.

    Raises:
        ValueError: a run of a sweep failed, or MNIST can't be had.
    """
    keep("seed_protocol", ["03", "04"], grid=(), seeds=10)
    keep("grid", ["03"], grid=GRID, seeds=3)
    keep("picked", ["03", "04"], grid=best_of_grid(), seeds=10)
    compared = ",".join(settings.LADDER + settings.BESIDES)
    keep("recipes", ["06"], grid=(f"recipe={compared}",), seeds=5, fixed=[("open_test_set", "False")])
    keep("best_recipe", ["06"], grid=(), seeds=10, fixed=[("recipe", "best")])
    keep("small_network", ["06"], grid=(), seeds=5, fixed=[("recipe", "small_network"), ("epochs", "40")])
    keep("large_network", ["06"], grid=(), seeds=5, fixed=[("recipe", "large_network"), ("epochs", "24")])
    untested = [("epochs", "1"), ("open_test_set", "False")]
    keep("one_epoch", ["06"], grid=(f"recipe={','.join(settings.ONE_EPOCH)}",), seeds=5, fixed=untested)
    write_json(RESULTS / "misread.json", {"best_recipe": misread("best_recipe")})
    run(["03", "04"], [("dataset", "digits")], RUNS / "digits")
    keep_reference("digits", RUNS / "digits")


def keep(
    name: str, chapters: Sequence[str], grid: Sequence[str], seeds: int, fixed: Sequence[tuple[str, str]] = ()
) -> None:
    """Run one sweep and copy its tables to `results/sweeps/NAME`, with the command that repeats it."""
    out, target = RUNS / name, RESULTS / "sweeps" / name
    fixed = [("dataset", "mnist"), *fixed]
    results = sweep(select_chapters(chapters), parse_grid(grid), out, seeds, fixed)
    if (results["status"] != "done").any():
        raise ValueError(
            f"{name}: some runs failed, see {settings.shown(out / 'results.csv')}; mend them and run again"
        )
    target.mkdir(parents=True, exist_ok=True)
    for table in TABLES:
        shutil.copyfile(out / table, target / table)
    options = [*(f"--grid {part}" for part in grid), f"--seeds {seeds}", *(f"-p {name} {word}" for name, word in fixed)]
    manifest = json.loads((out / "runs" / results["run"][0] / "run.json").read_text(encoding="utf-8"))
    origin = {
        "command": f"python -m course sweep {' '.join(chapters)} {' '.join(options)} --out {settings.shown(out)}",
        "code": manifest["code"],
        "device": manifest["results"]["device"],
        "processor_threads": torch.get_num_threads(),  # shared out among the runs; they decide the last digits
        "versions": manifest["results"]["versions"],
    }
    write_json(target / "origin.json", origin)


def misread(name: str) -> list[list[list[int]]]:
    """Return what each run of a sweep of chapter 6 misread: place in the test set, true class, class given."""
    folders = [RUNS / name / "runs" / run for run in load_sweep(name)["run"]]
    return [load_record(folder, "06_better_training")["misread"] for folder in folders]


def best_of_grid() -> list[str]:
    """Return the setting with the best mean validation accuracy, as `--grid` takes it."""
    best = summarise(load_sweep("grid"), ["learning_rate", "batch_size"]).iloc[0]
    return [f"learning_rate={best['learning_rate']:g}", f"batch_size={best['batch_size']:.0f}"]
