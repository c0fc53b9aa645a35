"""The race to a target: how long do the classic loop and the recipe `fast` train until they read 98.7 %?"""

import statistics

import torch
from torch.utils.data import DataLoader, TensorDataset

from helpers import data, speed, timing, training

TARGET = 0.987  # of the test images, which is what the reported run of chapter 3 scored
FAST_EPOCHS = 1  # the recipe `fast` gets no more


def race(start: speed.Start, test: TensorDataset, device: torch.device, seeds: int, epochs: int) -> dict:
    """Measure the training time to the target: once for the classic loop, and for the recipe `fast` with each seed.

    Returns:
        `accuracy` (the target), `classic` (as `time_to_target`), `fast` (a list of such), and their comparison:
        `fast_accuracy_mean`, `fast_seconds_median` and `times_faster`, the latter None unless the classic loop
        reached the target and the recipe did so on average.
    """
    test_batches = data.make_batches(test, 1000)
    fast = [time_to_target(start, speed.FAST, seed, FAST_EPOCHS, test_batches, device) for seed in range(seeds)]
    slow = time_to_target(start, speed.CLASSIC, 0, epochs, test_batches, device)
    accuracy = statistics.mean(run["accuracies"][-1] for run in fast)
    seconds = statistics.median(run["seconds"] for run in fast)
    both = slow["reached"] and accuracy >= TARGET
    return {
        "accuracy": TARGET,
        "classic": slow,
        "fast": fast,
        "fast_accuracy_mean": accuracy,
        "fast_seconds_median": seconds,
        "times_faster": slow["seconds"] / seconds if both else None,
    }


def time_to_target(
    start: speed.Start, way: speed.Way, seed: int, epochs: int, test_batches: DataLoader, device: torch.device
) -> dict:
    """Train until the test accuracy reaches the target, or for `epochs`.

    The test set decides nothing here but when to stop the clock; scoring stands outside of it.

    Returns:
        `seed`, `seconds` (of training), `epochs` (done), `accuracies` (test, after each), `reached`.
    """
    model, train = start(way, seed, epochs)
    seconds, accuracies = 0.0, []
    while len(accuracies) < epochs and (not accuracies or accuracies[-1] < TARGET):
        seconds += timing.timed(train, device)
        accuracies.append(training.score(*training.predict(model, test_batches))["accuracy"])
    reached = accuracies[-1] >= TARGET
    print(f"seed {seed}: {accuracies[-1]:.2%} of the test images after {seconds:.1f} s of training", flush=True)
    return {
        "seed": seed,
        "seconds": seconds,
        "epochs": len(accuracies),
        "accuracies": accuracies,
        "reached": reached,
    }
