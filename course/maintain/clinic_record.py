"""Train the patients of chapter 9 on several seeds and two data sets, and record their signs: results/clinic.json."""

import hashlib
import inspect

import torch

from course.chapters import code_of
from course.clinic import patients
from course.clinic.patients import PATIENTS
from helpers import data, diagnosis, settings
from helpers.results import read_json, versions, write_json

RESULT = settings.FILES / "results" / "clinic.json"
PART = settings.ROOT / "runs" / "record" / "clinic.json"  # goes on from here if it was stopped
DATASETS = ("mnist", "digits")
HEALTHY = "healthy"
TRAININGS = {HEALTHY: {}} | {name: patient.changes for name, patient in PATIENTS.items()}
SEEDS = dict.fromkeys(PATIENTS, 5) | {HEALTHY: 20}  # so many, from 0


def record() -> None:
    """Run all trainings, about 15 minutes of one core; what the same code has finished isn't run again.

    Raises:
        ValueError: MNIST can't be had.
    """
    origin = {"command": "python -m course record --clinic", "code": code(), "threads": torch.get_num_threads()}
    origin |= {"versions": versions()}
    done = read_json(PART) if PART.is_file() else {}
    runs = done.pop("runs", {})
    if done != origin:
        runs = {}
    for name in DATASETS:
        dataset = data.load_dataset(name)
        for training, changes in TRAININGS.items():
            rows = runs.setdefault(name, {}).setdefault(training, [])
            for seed in range(len(rows), SEEDS[training]):
                rows.append(measured(changes, dataset, seed))
                write_json(PART, origin | {"runs": runs})
                print(f"{name}, {training}, seed {seed}", flush=True)
    write_json(RESULT, origin | {"runs": runs})


def measured(changes: dict[str, str], dataset: data.Dataset, seed: int) -> dict:
    """Return what the ten signs of a training say, and the numbers behind them, to four digits."""
    found = diagnosis.numbers(patients.examine(changes, *data.split(dataset, None, seed), seed))
    return {"says": diagnosis.judge(found), "numbers": {name: float(f"{value:.4g}") for name, value in found.items()}}


def code() -> str:
    """Return a fingerprint of what decides the numbers."""
    parts = [code_of([]), patients.SOURCE, TRAININGS, inspect.getsource(diagnosis)]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]
