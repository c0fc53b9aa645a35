"""What a sweep is made of: the combinations of a grid, each with every seed, checked before anything runs."""

import hashlib
import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from course.chapters import check_assignments, parameters_of
from course.run import FOLDERS, check_values, refuse_folders
from helpers import settings


@dataclass(frozen=True)
class Run:
    """One run of a sweep.

    Attributes:
        name: of its folder; tells what it varies, and differs for any two runs with different settings.
        values: the parameters that are set, `{"learning_rate": 0.01, "seed": 0, …}`.
        settings: every parameter of the chapters, but those for folders, with its value in this run.
    """

    name: str
    values: dict[str, object]
    settings: dict[str, object]


def parse_grid(texts: Sequence[str]) -> dict[str, list[str]]:
    """Turn `["epochs=1,2", "seed=0"]` into `{"epochs": ["1", "2"], "seed": ["0"]}`.

    Raises:
        ValueError: a text is not of the form NAME=V1,V2; a name or a value is given twice.
    """
    grid: dict[str, list[str]] = {}
    for text in texts:
        name, _, values = text.partition("=")
        name, words = name.strip(), [word.strip() for word in values.split(",")]
        if not name or not all(words):
            raise ValueError(f"grid: got {text!r}; give NAME=V1,V2,… such as learning_rate=0.001,0.01")
        if name in grid:
            raise ValueError(f"grid: {name!r} is given twice; give its values in one go, {name}=V1,V2,…")
        grid[name] = words
    return grid


def plan(
    chapters: Sequence[Path], grid: dict[str, list[str]], seeds: int | None, fixed: Sequence[tuple[str, str]] = ()
) -> list[Run]:
    """Return every run of a sweep: each combination of the grid with each seed.

    Args:
        chapters: notebooks that each run executes.
        grid: parameter names and their values, as words.
        seeds: number of seeds, from 0; None leaves the seed to the chapters.
        fixed: parameters that all runs share, names and values as words.

    Raises:
        ValueError: an unknown name, a value that breaks its rule, a parameter or a value that is given twice, images
            that can't be had.
    """
    if seeds is not None:
        if seeds < 1:
            raise ValueError(f"seeds: got {seeds}; give a whole number of at least 1")
        if "seed" in grid:
            raise ValueError("seed: stands in the grid and is counted by --seeds; give one of the two")
        grid = grid | {"seed": [str(seed) for seed in range(seeds)]}
    shared = check_assignments(chapters, [*fixed, *((name, words[0]) for name, words in grid.items())])
    refuse_folders(shared)
    choices = {name: [settings.parse(name, word) for word in words] for name, words in grid.items()}
    for name, values in choices.items():
        if len(set(values)) < len(values):
            raise ValueError(f"grid: {name} has a value twice in {', '.join(grid[name])}; give each once")
    defaults = {parameter.name: parameter.default for chapter in chapters for parameter in parameters_of(chapter)}
    looked_at: dict[tuple, dict[str, object]] = {}  # the images are looked at once, not for every run
    runs = []
    for combination in itertools.product(*choices.values()):
        varied = dict(zip(choices, combination, strict=True))
        values = shared | varied
        if "dataset" in defaults:
            key = tuple(values.get(name) for name in ("dataset", "data_dir", "val_size", "device"))
            if key not in looked_at:
                looked_at[key] = check_values(values)
            values |= {"dataset": looked_at[key]["dataset"]}
        every = {name: value for name, value in (defaults | values).items() if name not in FOLDERS}
        runs.append(Run(_name(chapters, varied, values), values, every))
    if len({json.dumps(sorted(run.values.items())) for run in runs}) < len(runs):
        raise ValueError("grid: auto stands beside the data set that it finds; give each once")
    return runs


def _name(chapters: Sequence[Path], varied: dict[str, object], values: dict[str, object]) -> str:
    """Return a folder's name such as `learning_rate=0.01_seed=0_1f2e3d4c`, safe on every system."""
    readable = "_".join(f"{name}={value}" for name, value in varied.items()) or "run"
    readable = re.sub(r"[^A-Za-z0-9_=.+-]", "-", readable)[:80]
    identity = json.dumps([[settings.shown(chapter) for chapter in chapters], sorted(values.items())])
    return f"{readable}_{hashlib.sha256(identity.encode()).hexdigest()[:8]}"
