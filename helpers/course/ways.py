"""The ways of training that the benchmark compares, and their race to a target."""

import statistics
import time
from collections.abc import Callable
from functools import partial

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

from helpers import data, recipes, training
from helpers.course import classic
from helpers.timing import wait_for

TARGET = 0.987  # of the test images, which is what the reported run of chapter 3 scored
FAST_EPOCHS = 1  # the recipe `fast` gets no more

Start = Callable[[int, int], tuple[nn.Module, Callable[[], float]]]
"""Takes a seed and the epochs to come; returns a new network and what trains it for one epoch."""


def make_ways(prepared: data.Prepared, one_by_one: Subset) -> dict[str, Start]:
    """Return the ways of training: the classic loop, the course's with the same settings, and with recipe `fast`.

    Args:
        prepared: the images in the memory of the device where training happens.
        one_by_one: the same training images, as torchvision hands them out.
    """

    def start_classic(seed: int, epochs: int) -> tuple[nn.Module, Callable[[], float]]:
        torch.manual_seed(seed)
        model = recipes.build(recipes.COURSE).to(prepared.train.tensors[0].device)
        optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
        return model, partial(classic.train_epoch, model, classic.make_batches(one_by_one), optimizer)

    def start_ours(recipe: recipes.Recipe, seed: int, epochs: int) -> tuple[nn.Module, Callable[[], float]]:
        torch.manual_seed(seed)
        model = recipes.build(recipe).to(prepared.train.tensors[0].device)
        optimizer = recipes.make_optimizer(recipe, model)
        batches = recipes.train_batches(recipe, prepared, seed)
        schedule = recipes.make_schedule(recipe, optimizer, epochs * len(batches))
        return model, partial(training.train_epoch, model, batches, optimizer, scheduler=schedule)

    same, fast = partial(start_ours, recipes.COURSE), partial(start_ours, recipes.FAST)
    return {"classic": start_classic, "same_settings": same, "fast": fast}


def timed_epoch(train: Callable[[], float], device: torch.device) -> float:
    """Train for one epoch and return the seconds that it took, the work of the device included."""
    wait_for(device)
    start = time.perf_counter()
    train()
    wait_for(device)
    return time.perf_counter() - start


def race(ways: dict[str, Start], test: TensorDataset, device: torch.device, seeds: int, epochs: int) -> dict:
    """Measure the training time to the target: once for the classic loop, and for the recipe `fast` with each seed.

    Returns:
        `accuracy` (the target), `classic` (as `time_to_target`), `fast` (a list of such), and their comparison:
        `fast_accuracy_mean`, `fast_seconds_median` and `times_faster`, the latter None unless the classic loop
        reached the target and the recipe did so on average.
    """
    test_batches = data.make_batches(test, 1000)
    fast = [time_to_target(ways["fast"], seed, FAST_EPOCHS, test_batches, device) for seed in range(seeds)]
    slow = time_to_target(ways["classic"], 0, epochs, test_batches, device)
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


def time_to_target(start: Start, seed: int, epochs: int, test_batches: DataLoader, device: torch.device) -> dict:
    """Train until the test accuracy reaches the target, or for `epochs`.

    The test set decides nothing here but when to stop the clock; scoring stands outside of it.

    Returns:
        `seed`, `seconds` (of training), `epochs` (done), `accuracies` (test, after each), `reached`.
    """
    model, train = start(seed, epochs)
    seconds, accuracies = 0.0, []
    while len(accuracies) < epochs and (not accuracies or accuracies[-1] < TARGET):
        seconds += timed_epoch(train, device)
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
