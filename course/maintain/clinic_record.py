"""Train the patients of chapter 9 on several seeds and two data sets, and record their signs: results/clinic.json."""

import hashlib
import inspect
import math

import torch

from course.chapters import code_of
from course.clinic import patients
from course.clinic.patients import PATIENTS
from helpers import data, diagnosis, settings
from helpers.results import read_json, versions, write_json

RESULT = settings.FILES / "results" / "clinic.json"
PART = settings.ROOT / "runs" / "record" / "clinic.json"  # from where a stopped `record` goes on
DATASETS = ("mnist", "digits")
HEALTHY = "healthy"
TRAININGS: dict[str, dict[str, str]] = {HEALTHY: {}} | {name: patient.changes for name, patient in PATIENTS.items()}
SEEDS = dict.fromkeys(PATIENTS, 5) | {HEALTHY: 20}  # so many, from 0


def record() -> None:
    """Run all trainings, about twenty minutes on one core; what the same code has finished isn't run again.

    Raises:
        ValueError: MNIST can't be had.
    """
    origin = {"command": "python -m course record --clinic", "code": code(), "threads": torch.get_num_threads()}
    origin |= {"versions": versions()}
    part = read_json(PART) if PART.is_file() else {}
    found = part.pop("numbers", {})
    found = found if part == origin else {}
    for name in DATASETS:
        dataset = data.load_dataset(name)
        for training, changes in TRAININGS.items():
            runs = found.setdefault(name, {}).setdefault(training, [])
            for seed in range(len(runs), SEEDS[training]):
                runs.append(measured(changes, dataset, seed))
                write_json(PART, origin | {"numbers": found})
                print(f"{name}, {training}, seed {seed}", flush=True)
    write_json(RESULT, origin | {"runs": {name: judged(of_dataset) for name, of_dataset in found.items()}})


def measured(changes: dict[str, str], dataset: data.Dataset, seed: int) -> dict[str, float]:
    """Return the numbers behind the signs of a training, to four digits."""
    watch = patients.examine(changes, *data.split(dataset, None, seed), seed)
    return {name: float(f"{value:.4g}") for name, value in diagnosis.numbers(watch).items()}


def judged(found: dict[str, list[dict]]) -> dict[str, list[dict]]:
    """Return what the ten signs of each training say, seed by seed, with the numbers; JSON has null for NaN."""
    rows: dict[str, list[dict]] = {}
    for training, runs in found.items():
        for run in runs:
            numbers = {name: math.nan if value is None else value for name, value in run.items()}
            rows.setdefault(training, []).append({"says": diagnosis.judge(numbers), "numbers": run})
    return rows


def code() -> str:
    """Return a fingerprint of what decides the numbers."""
    parts = [code_of([]), patients.SOURCE, patients.STEPS, patients.IMAGES, patients.VAL_IMAGES, TRAININGS]
    parts += [inspect.getsource(part) for part in (diagnosis.Watch, diagnosis.numbers, patients.examine)]
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:12]
