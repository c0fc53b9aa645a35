"""Train by the seed's protocol with several seeds, and keep what the README quotes and chapter 4 falls back on."""

import shutil

from helpers import paths, records
from helpers.course.run import run

RESULTS = paths.ROOT / "results"
KEPT_PARAMETERS = ("epochs", "batch_size", "learning_rate", "val_size")


def record(seeds: int) -> None:
    """Run chapters 3 and 4 on MNIST with seeds 0 to `seeds` - 1; write `results/seed_protocol.json`.

    The weights of seed 0 become `results/reference/mnist`; one run on the embedded digits fills
    `results/reference/digits`.
    """
    runs = []
    for seed in range(seeds):
        runs.append(record_run("mnist", seed))
    keep_reference("mnist")
    record_run("digits", 0)
    keep_reference("digits")
    first = runs[0]
    records.write_json(
        RESULTS / "seed_protocol.json",
        {
            "dataset": first["dataset"],
            "parameters": {name: first["parameters"][name] for name in KEPT_PARAMETERS},
            "device": first["device"],
            "versions": first["versions"],
            "runs": [{name: run[name] for name in ("seed", "history", "test")} for run in runs],
        },
    )


def folder(dataset: str, seed: int):
    """Return the folder of one recorded run."""
    return paths.ROOT / "runs" / "record" / f"{dataset}_{seed}"


def record_run(dataset: str, seed: int) -> dict:
    """Run chapters 3 and 4 once and return what their results.json holds."""
    return run(["03", "04"], [("dataset", dataset), ("seed", str(seed))], folder(dataset, seed))


def keep_reference(dataset: str) -> None:
    """Copy weights and training record of seed 0 to `results/reference`, without the paths of this machine."""
    source, target = folder(dataset, 0), RESULTS / "reference" / dataset
    record = records.load_record(source, "03_training")
    record["parameters"] = {name: record["parameters"][name] for name in KEPT_PARAMETERS}
    records.write_json(target / "03_training.json", record)
    shutil.copyfile(source / "weights.pt", target / "weights.pt")
