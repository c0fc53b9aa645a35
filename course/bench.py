"""The benchmark: variants of an epoch taking turns, then the classic loop and the recipe `fast` racing to 98.7 %."""

import platform
import re
import statistics
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset, TensorDataset

from course import bench_report, folder
from helpers import data, recipes, results, speed, training

SPLIT_SEED = 0
WARM_UP = 640  # images that each variant meets before the clock starts
TARGET = 0.987  # of the test images, which is what the reported run of chapter 3 scored
FAST_EPOCHS = 1  # the recipe `fast` gets no more
PROCESS = Path("/proc/self")  # where Linux tells about this process

SetUp = Callable[..., tuple[nn.Module, Callable[[], float]]]
"""`speed.set_up` with the images given: takes a variant, `seed` and `epochs`."""


def bench(out: Path, dataset_name: str, device_name: str, repeats: int, epochs: int) -> dict:
    """Measure everything; leave `bench.json` and the tables `bench.md` in `out`, and return what the former holds.

    Args:
        out: the folder.
        dataset_name: `auto`, `mnist` or `digits`; the digits have no target.
        device_name: as `training.choose_device` takes it.
        repeats: timed epochs of each variant, and seeds of the race to the target; at least 1.
        epochs: after so many the classic loop is given up, should it not reach the target; at least 1.

    Raises:
        ValueError: bad input, or `out` holds what no bench made; nothing was measured.
    """
    for name, value in (("repeats", repeats), ("epochs", epochs)):
        if value < 1:
            raise ValueError(f"{name}: got {value}; give a whole number of at least 1")
    device = training.choose_device(device_name)
    folder.check_own(out, "bench")
    dataset = data.load_dataset(dataset_name)
    with folder.own(out, "bench"):
        result = measure(dataset, device, repeats, epochs)
        results.write_json(out / "bench.json", result)
        results.write_text(out / "bench.md", bench_report.markdown(result))
    return result


def measure(dataset: data.Dataset, device: torch.device, repeats: int, epochs: int) -> dict:
    """Return what `bench.json` holds; arguments as of `bench`."""
    if dataset.note:
        print(f"MNIST can't be had, so this measures {dataset.title}.\n({dataset.note})\n")
    prepared = data.prepare(dataset, None, SPLIT_SEED, device)
    one_by_one = speed.classic_images(dataset, None, SPLIT_SEED, prepared.mean, prepared.std)
    tried = {name: each for name, (_, each) in speed.ALSO_TRIED.items() if not each.compiled or can_compile(device)}
    few = replace(prepared, train=TensorDataset(*prepared.train[:WARM_UP]))
    for variant in (speed.LADDER | tried).values():
        speed.set_up(variant, few, Subset(one_by_one, range(len(few.train))), seed=0, epochs=1)[1]()
    set_up = partial(speed.set_up, prepared=prepared, one_by_one=one_by_one)
    measured, rates = compare(set_up, speed.LADDER | tried, device, repeats)
    images = len(prepared.train)
    lower_bound = lower_bound_of(max(rates), images)
    epoch = {name: summarize(measured, name, "classic loop", images) for name in speed.LADDER}
    for name, row in epoch.items():
        held = dataset.train_images if speed.LADDER[name].loading == "one by one" else prepared.train.tensors[0]
        row |= {"times_lower_bound": row["seconds_median"] / lower_bound["seconds"], "images_mb": held.nbytes / 1e6}
    return {
        "dataset": dataset.name,
        "images": images,
        "repeats": repeats,
        "epoch": epoch,
        "also_tried": {name: summarize(measured, name, speed.ALSO_TRIED[name][0], images) for name in tried},
        "lower_bound": lower_bound,
        "target": race(set_up, prepared.test, device, repeats, epochs) if dataset.name == "mnist" else None,
        "recipe_fast": asdict(recipes.FAST),
        "device": device.type,
        "device_name": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "processor": processor(),
        "processor_threads": torch.get_num_threads(),
        "versions": results.versions(),
    }


def can_compile(device: torch.device) -> bool:
    """Tell whether `torch.compile` works here; on a processor it needs a C++ compiler. If not, say so."""
    try:
        torch.compile(torch.sin)(torch.zeros(1, device=device))
    except RuntimeError as error:
        print(f"torch.compile is left out, it doesn't work here: {str(error).splitlines()[0]}")
        return False
    return True


def compare(
    set_up: SetUp, variants: dict[str, speed.Variant], device: torch.device, repeats: int
) -> tuple[dict[str, list[tuple[float, float | None]]], list[float]]:
    """Take turns: an epoch of each variant with a new network, then matrix products, `repeats` times.

    A variant that is compiled gets one more epoch, before the clock starts: the first one is spent on translating.

    Returns:
        For each variant its epochs: seconds, and growth of memory in MB (None: not known). And the rates of matrix
        products, in floating-point operations per second.
    """
    measured: dict[str, list[tuple[float, float | None]]] = {name: [] for name in variants}
    rates = []
    for repeat in range(repeats):
        for name, variant in variants.items():
            _, train = set_up(variant, seed=repeat, epochs=1 + variant.compiled)
            if variant.compiled:
                train()
            before = peak_memory(reset=True)
            seconds = speed.timed(train, device)
            after = peak_memory()
            measured[name].append((seconds, None if before is None or after is None else after - before))
        rates.append(speed.matrix_rate(device))
        turn = ", ".join(f"{name} {epochs[-1][0]:.2f} s" for name, epochs in measured.items())
        print(f"turn {repeat + 1}/{repeats}: {turn}", flush=True)
    return measured, rates


def peak_memory(reset: bool = False) -> float | None:
    """Return the most main memory that this process has held, in MB; None where the system doesn't tell.

    Only Linux lets the peak begin anew (`reset`), from what is held now; `psutil` knows no peak there. The memory that
    an accelerator has of its own isn't counted.
    """
    try:
        if reset:
            (PROCESS / "clear_refs").write_text("5")
        found = re.search(r"^VmHWM:\s*(\d+) kB$", (PROCESS / "status").read_text(), re.MULTILINE)
    except OSError:
        return None
    return int(found[1]) * 1024 / 1e6 if found else None


def processor() -> str:
    """Return the processor's name, as far as the system knows it."""
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1].strip() if found else platform.processor() or platform.machine()


def summarize(measured: dict[str, list[tuple[float, float | None]]], name: str, base: str, images: int) -> dict:
    """Return what the epochs of one variant took, and how many times faster than those of the variant `base`."""
    seconds, growths = zip(*measured[name], strict=True)
    before = [of_base for of_base, _ in measured[base]]
    return {
        "seconds": list(seconds),
        "seconds_median": statistics.median(seconds),
        "images_per_second": images / statistics.median(seconds),
        "memory_growth_mb": max((growth for growth in growths if growth is not None), default=None),  # None: not told
        "compared_with": base,
        "times_faster": [slow / fast for slow, fast in zip(before, seconds, strict=True)],
        "times_faster_median": speed.ratio(before, seconds),
    }


def lower_bound_of(rate: float, images: int) -> dict[str, float]:
    """Return the lower bound of an epoch: its arithmetic at the best rate of matrix products measured here."""
    operations = speed.training_operations(recipes.build(recipes.COURSE))
    return {
        "operations_per_image": operations,
        "gflop": operations * images / 1e9,
        "gflop_per_second": rate / 1e9,
        "seconds": operations * images / rate,
    }


def race(set_up: SetUp, test: TensorDataset, device: torch.device, seeds: int, epochs: int) -> dict:
    """Measure the training time to the target for the classic loop and for the recipe `fast`, in turn, seed by seed.

    A classic loop that is given up counts with the time it had, which is less than what it needs. As long as more than
    half of the seeds reach the target, the median is then no longer than the true one.
    """
    test_batches = data.make_batches(test, 1000)
    slow, fast = [], []
    for seed in range(seeds):
        slow.append(time_to_target(set_up, speed.CLASSIC, seed, epochs, test_batches, device))
        fast.append(time_to_target(set_up, speed.FAST, seed, FAST_EPOCHS, test_batches, device))
    slow_seconds, fast_seconds = ([run["seconds"] for run in runs] for runs in (slow, fast))
    accuracy = statistics.mean(run["accuracies"][-1] for run in fast)
    both = 2 * sum(run["reached"] for run in slow) > seeds and accuracy >= TARGET
    return {
        "accuracy": TARGET,
        "classic": slow,
        "fast": fast,
        "classic_seconds_median": statistics.median(slow_seconds),
        "fast_seconds_median": statistics.median(fast_seconds),
        "fast_accuracy_mean": accuracy,
        "times_faster": speed.ratio(slow_seconds, fast_seconds) if both else None,  # None: too many missed it
    }


def time_to_target(
    set_up: SetUp, variant: speed.Variant, seed: int, epochs: int, test_batches: DataLoader, device: torch.device
) -> dict:
    """Train until the test accuracy reaches the target, or for `epochs`; return the seconds of training and the scores.

    The test set decides nothing here but when to stop the clock, which doesn't run while it is scored.
    """
    model, train = set_up(variant, seed=seed, epochs=epochs)
    seconds, accuracies = 0.0, [0.0]
    while len(accuracies) <= epochs and accuracies[-1] < TARGET:
        seconds += speed.timed(train, device)
        accuracies.append(training.score(*training.predict(model, test_batches))["accuracy"])
    done, last = accuracies[1:], accuracies[-1]
    name = "classic loop" if variant == speed.CLASSIC else "recipe fast"
    print(f"{name}, seed {seed}: {last:.2%} of the test images after {seconds:.1f} s of training", flush=True)
    return {"seed": seed, "seconds": seconds, "epochs": len(done), "accuracies": done, "reached": last >= TARGET}
