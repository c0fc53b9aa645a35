"""Run the sweeps on MNIST that README.md, results/README.md and chapters 5 to 8 quote."""

import json
import shlex
import shutil
from pathlib import Path

import torch

from course.__main__ import main
from course.maintain.refresh import keep_reference
from helpers import checkpoint, data, settings
from helpers.corruptions import CORRUPTIONS, corrupt
from helpers.recipes import RECIPES, build
from helpers.results import load_record, load_sweep, versions, write_json

RESULTS = settings.FILES / "results"
RUNS = settings.ROOT / "runs" / "record"  # the runs themselves; only their tables and one set of weights are kept
TABLES = ("results.csv", "history.csv", "summary.csv", "summary.md")
UNTESTED = "-p open_test_set False"  # choosing is for the validation images
GRID = "--grid learning_rate=0.0003,0.001,0.003,0.01 --grid batch_size=32,64,128,256"
BEST_OF_GRID = "--grid learning_rate={learning_rate:g} --grid batch_size={batch_size:g}"
COMPARED = ",".join(settings.LADDER + settings.ABLATIONS)
SWEEPS = {  # in this order: `picked` takes what `grid` found
    # Chapter 5: the settings of the reported run; a grid of others; the grid's best by validation.
    "seed_protocol": "03 04 --seeds 10 -p dataset mnist",
    "grid": f"03 {GRID} --seeds 3 -p dataset mnist",
    "picked": f"03 04 {BEST_OF_GRID} --seeds 10 -p dataset mnist",
    # Chapter 6: the ladder of recipes with its variations; its top; two networks with batch normalization.
    "recipes": f"06 --grid recipe={COMPARED} --seeds 5 -p dataset mnist {UNTESTED}",
    "decay": f"06 --grid recipe={','.join(settings.DECAY)} --seeds 5 -p dataset mnist {UNTESTED}",
    "best_recipe": "06 --seeds 10 -p dataset mnist -p recipe best",
    "small_network": "06 --seeds 5 -p dataset mnist -p recipe small_network -p epochs 40",
    "large_network": "06 --seeds 5 -p dataset mnist -p recipe large_network -p epochs 24",
    # Chapter 7: the recipe `fast` and three variations of it.
    "one_epoch": f"06 --grid recipe={','.join(settings.ONE_EPOCH)} --seeds 5 -p dataset mnist -p epochs 1 {UNTESTED}",
    # Two ways to 99.0 %, two epochs or a better network; the winner by validation, tested.
    "two_ways": f"06 --grid recipe=fast,fast_small --grid epochs=1,2 --seeds 5 -p dataset mnist {UNTESTED}",
    "fast_small": "06 --seeds 10 -p dataset mnist -p recipe fast_small -p epochs 1",
}
# Chapter 8 reads corrupted images with these recipes' networks; only augmentation parts the last two.
CORRUPTED = ("course", "no_augmentation", "best")


def record() -> None:
    """Run every sweep, and one run on the embedded digits; what is finished in runs/record isn't run again.

    Raises:
        ValueError: a run failed, or MNIST can't be had.
    """
    for name in SWEEPS:
        run(command(name), RUNS / name)
        keep(name)
    write_json(RESULTS / "misread.json", {"best_recipe": misread("best_recipe")})
    write_json(RESULTS / "corruptions.json", corrupted())
    for name in CORRUPTED[1:]:
        weights = weights_of(name)[0]
        shutil.copyfile(weights, RESULTS / "reference" / "mnist" / f"{name}.safetensors")
    run("run 03 04 -p dataset digits", RUNS / "digits")
    keep_reference("digits", RUNS / "digits")


def command(name: str) -> str:
    """Return the words that run a sweep, after `python -m course` and without `--out`."""
    best = (
        load_sweep("grid", "summary").iloc[0] if name == "picked" else {}
    )  # a summary has the best by validation first
    return "sweep " + SWEEPS[name].format_map(dict(best))


def run(words: str, out: Path) -> None:
    """Run one command of the course into `out`."""
    if main([*shlex.split(words), "--out", str(out)]):
        raise ValueError(f"{settings.shown(out)}: not all is done, as said above; mend it and run `record` again")


def keep(name: str) -> None:
    """Copy a sweep's tables to results/sweeps/NAME, with the command that repeats it and what its numbers depend on."""
    out, target = RUNS / name, RESULTS / "sweeps" / name
    target.mkdir(parents=True, exist_ok=True)
    for table in TABLES:
        shutil.copyfile(out / table, target / table)
    first = load_sweep(name)["run"][0]
    manifest = json.loads((out / "runs" / first / "run.json").read_text(encoding="utf-8"))
    origin = {
        "command": f"python -m course {command(name)} --out {settings.shown(out)}",
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


def weights_of(recipe: str) -> dict[int, Path]:
    """Return the weights that the sweep `recipes` left for a recipe, by seed."""
    runs = load_sweep("recipes")
    of_recipe = runs[runs["recipe"] == recipe]
    folders = RUNS / "recipes" / "runs"
    return {
        seed: folders / run / "better_weights.safetensors"
        for seed, run in zip(of_recipe["seed"], of_recipe["run"], strict=True)
    }


@torch.no_grad()
def corrupted() -> dict:
    """Return the accuracy on MNIST's test images under each corruption, one number per seed; `none` is without any.

    All networks read the very same corrupted images.
    """
    mnist = data.load_dataset("mnist")
    pixels = mnist.test_images.unsqueeze(1).float() / 255
    images = {"none": pixels} | {name: corrupt(pixels, name) for name in CORRUPTIONS}
    accuracy: dict[str, dict[str, list[float]]] = {}
    for recipe in CORRUPTED:
        of_recipe = accuracy[recipe] = {name: [] for name in images}
        for seed, path in weights_of(recipe).items():
            model = build(RECIPES[recipe]).eval()
            checkpoint.load_weights(model, path)
            train, _ = data.split(mnist, None, seed)
            mean, std = data.pixel_statistics(train.tensors[0])
            for name, corrupted_pixels in images.items():
                parts = ((corrupted_pixels - mean) / std).split(1000)
                answers = torch.cat([model(part).argmax(dim=1) for part in parts])
                of_recipe[name].append((answers == mnist.test_labels).double().mean().item())
    origin = {"command": "python -m course record", "sweep": "recipes", "seeds": list(weights_of(CORRUPTED[0]))}
    return origin | {"images": len(pixels), "versions": versions(), "accuracy": accuracy}
