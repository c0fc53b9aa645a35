"""The benchmark: variants of an epoch taking turns, and the races of `bench_race`."""

import platform
import re
import statistics
from dataclasses import asdict
from functools import partial
from pathlib import Path

import torch

from course import bench_race, bench_report, folder
from course.bench_race import SPLIT_SEED, SetUp, first_images
from helpers import data, recipes, results, speed, training

PROCESS = Path("/proc/self")  # where Linux tells about this process


def bench(out: Path, dataset_name: str, device_name: str, repeats: int, epochs: int, only_race: bool = False) -> dict:
    """Measure everything; leave `bench.json` and the tables `bench.md` in `out`, and return what the former holds.

    Args:
        out: the folder.
        dataset_name: `auto`, `mnist` or `digits`; the digits have no target.
        device_name: as `training.choose_device` takes it.
        repeats: timed epochs of each variant, and seeds of the race to the target; at least 1.
        epochs: after so many the classic loop is given up, should it not reach the target; at least 1.
        only_race: instead, race to 99.0 % on MNIST beside PyTorch's own example: `race.json` and `race.md`.

    Raises:
        ValueError: bad input, or `out` holds what no bench made; nothing was measured.
    """
    for name, value in (("repeats", repeats), ("epochs", epochs)):
        if value < 1:
            raise ValueError(f"{name}: got {value}; give a whole number of at least 1")
    if only_race and dataset_name == "digits":
        raise ValueError("dataset: got 'digits'; the race is for MNIST, give mnist")
    device = training.choose_device(device_name)
    folder.check_own(out, "bench")
    dataset = data.load_dataset("mnist" if only_race else dataset_name)
    name, report = ("race", bench_report.race_markdown) if only_race else ("bench", bench_report.markdown)
    with folder.own(out, "bench"):
        result = (bench_race.race_to_99 if only_race else measure)(dataset, device, repeats, epochs) | machine(device)
        results.write_json(out / f"{name}.json", result)
        results.write_text(out / f"{name}.md", report(result))
    return result


def measure(dataset: data.Dataset, device: torch.device, repeats: int, epochs: int) -> dict:
    """Return what `bench.json` holds, without the machine; arguments as of `bench`."""
    if dataset.note:
        print(f"MNIST can't be had, so this measures {dataset.title}.\n({dataset.note})\n")
    prepared = data.prepare(dataset, None, SPLIT_SEED, device)
    one_by_one = speed.classic_images(dataset, None, SPLIT_SEED, prepared.mean, prepared.std)
    tried = {name: each for name, (_, each) in speed.ALSO_TRIED.items() if not each.compiled or can_compile(device)}
    few = first_images(prepared, one_by_one)
    for variant in (speed.LADDER | tried).values():
        speed.set_up(variant, *few, seed=0, epochs=1)[1]()
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
        "target": bench_race.race(set_up, prepared.test, device, repeats, epochs) if dataset.name == "mnist" else None,
        "recipe_fast": asdict(recipes.FAST),
    }


def machine(device: torch.device) -> dict:
    """Return where and with what it was measured."""
    return {
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
