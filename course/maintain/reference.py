"""The reference weights: chapter 4 takes them where chapter 3 has not been run."""

import shutil
from pathlib import Path

from helpers import results, settings

KEPT_PARAMETERS = ("epochs", "batch_size", "learning_rate", "val_size")


def keep_reference(dataset: str, source: Path) -> None:
    """Copy weights and training record of a run to `results/reference`, without the paths of this machine.

    MNIST's are those of the committed run of chapter 3, so that chapter 4 shows the numbers of its text in either case.
    """
    target = settings.ROOT / "results" / "reference" / dataset
    record = results.load_record(source, "03_training")
    record["parameters"] = {name: record["parameters"][name] for name in KEPT_PARAMETERS}
    results.write_json(target / "03_training.json", record)
    shutil.copyfile(source / "weights.safetensors", target / "weights.safetensors")
