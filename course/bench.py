"""The benchmark: ways through an epoch, from the classic loop to the course's fastest, in turn, and the floor below."""

import statistics
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch.utils.data import Subset, TensorDataset

from course import bench_report
from course.race import race
from helpers import data, recipes, results, speed, training

SPLIT_SEED = 0
WARM_UP = 640  # images that each way meets before the clock starts


def bench(out: Path, dataset_name: str, device_name: str, repeats: int, epochs: int) -> dict:
    """Measure everything, and leave `bench.json` and the table `bench.md` in `out`.

    Args:
        out: the folder.
        dataset_name: `auto`, `mnist` or `digits`; the digits have no target.
        device_name: as `training.choose_device` takes it.
        repeats: timed epochs of each way, and seeds of the race to the target; at least 1.
        epochs: after so many the classic loop is given up, should it not reach the target; at least 1.

    Returns:
        What `bench.json` holds: `dataset`, `images` (trained on), `repeats`, `epoch` and `besides` (as `summarise`
        returns them), `floor` (as `lower_bound_of`), `target` (as `race.race`; None for the digits), `recipe_fast` (its
        settings), `device`, `device_name`, `processor`, `processor_threads`, `versions`.

    Raises:
        ValueError: bad input; nothing was measured.
    """
    for name, value in (("repeats", repeats), ("epochs", epochs)):
        if value < 1:
            raise ValueError(f"{name}: got {value}; give a whole number of at least 1")
    device = training.choose_device(device_name)
    dataset = data.load_dataset(dataset_name)
    out = _make_ready(out)
    if dataset.note:
        print(f"MNIST can't be had, so this measures {dataset.title}.\n({dataset.note})\n")
    prepared = data.prepare(dataset, None, SPLIT_SEED, device)
    one_by_one = speed.classic_images(dataset, None, SPLIT_SEED, prepared.mean, prepared.std)
    besides = {name: way for name, (_, way) in speed.BESIDES.items() if not way.compiled or can_compile(device)}
    ways = speed.LADDER | besides
    few = replace(prepared, train=TensorDataset(*(tensor[:WARM_UP] for tensor in prepared.train.tensors)))
    start = speed.starter(few, Subset(one_by_one, range(min(WARM_UP, len(one_by_one)))))
    for way in ways.values():
        start(way, 0, 1)[1]()
    start = speed.starter(prepared, one_by_one)
    measured, rates = compare(start, ways, device, repeats)
    images = len(prepared.train)
    result = {
        "dataset": dataset.name,
        "images": images,
        "repeats": repeats,
        "epoch": {name: summarise(measured, name, "classic loop", images) for name in speed.LADDER},
        "besides": {name: summarise(measured, name, speed.BESIDES[name][0], images) for name in besides},
        "floor": lower_bound_of(max(rates), images),
        "target": None,
        "recipe_fast": asdict(recipes.FAST),
        **bench_report.machine(device),
        "versions": results.versions(),
    }
    for name, row in result["epoch"].items():
        held = prepared.train.tensors[0] if speed.LADDER[name].loading != "one by one" else one_by_one.dataset.data
        row |= {"times_lower_bound": row["seconds_median"] / result["floor"]["seconds"], "images_mb": held.nbytes / 1e6}
    if dataset.name == "mnist":
        result["target"] = race(start, prepared.test, device, repeats, epochs)
    table = bench_report.markdown(result)
    results.write_json(out / "bench.json", result)
    results.write_text(out / "bench.md", table)
    return result


def _make_ready(out: Path) -> Path:
    """Make the folder; raise a ValueError if nothing can be written there."""
    out = out.expanduser().absolute()
    try:
        out.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=out).close()  # a folder that was there before may be write-protected
    except OSError as error:
        raise ValueError(f"out: '{out}' can't be written ({error.strerror}); give another folder") from None
    return out


def can_compile(device: torch.device) -> bool:
    """Tell whether `torch.compile` works here; on a processor it needs a C++ compiler. If not, say so."""
    try:
        torch.compile(torch.sin)(torch.zeros(1, device=device))
    except RuntimeError as error:
        print(f"torch.compile is left out, it doesn't work here: {str(error).splitlines()[0]}")
        return False
    return True


def compare(
    start: speed.Start, ways: dict[str, speed.Variant], device: torch.device, repeats: int
) -> tuple[dict[str, list[tuple[float, float | None]]], list[float]]:
    """Take turns: an epoch of each way with a new network, then matrix products, `repeats` times.

    A way that is compiled gets an epoch more, before the clock starts: the first one is spent on translating.

    Returns:
        For each way its epochs: seconds, and growth of memory in MB (see `bench_report.memory`). And the rates of
        matrix products, in floating point operations a second.
    """
    measured: dict[str, list] = {name: [] for name in ways}
    rates = []
    for repeat in range(repeats):
        for name, way in ways.items():
            _, train = start(way, repeat, 1 + way.compiled)
            if way.compiled:
                train()
            before = bench_report.memory(reset_peak=True)
            seconds = speed.timed(train, device)
            after = bench_report.memory()
            measured[name].append((seconds, None if before is None or after is None else after.peak - before.now))
        rates.append(speed.matrix_rate(device))
        seconds = ", ".join(f"{name} {epochs[-1][0]:.2f} s" for name, epochs in measured.items())
        print(f"turn {repeat + 1}/{repeats}: {seconds}", flush=True)
    return measured, rates


def summarise(measured: dict[str, list[tuple[float, float | None]]], name: str, base: str, images: int) -> dict:
    """Return what the epochs of one way took.

    `seconds` of each epoch and `seconds_median`, `images_per_second` (by the median), `memory_growth_mb` (of the epoch
    that grew most; None where it can't be told), `compared_with` (the way `base`), `times_faster` (than that one, turn
    by turn) and `times_faster_median`.
    """
    seconds, growths = zip(*measured[name], strict=True)
    before = [of_base for of_base, _ in measured[base]]
    known = [growth for growth in growths if growth is not None]
    return {
        "seconds": list(seconds),
        "seconds_median": statistics.median(seconds),
        "images_per_second": images / statistics.median(seconds),
        "memory_growth_mb": max(known, default=None),
        "compared_with": base,
        "times_faster": [slow / fast for slow, fast in zip(before, seconds, strict=True)],
        "times_faster_median": speed.ratio(before, seconds),
    }


def lower_bound_of(rate: float, images: int) -> dict[str, float]:
    """Return the floor under an epoch: its arithmetic at the best rate of matrix products that was measured here."""
    operations = speed.training_operations(recipes.build(recipes.COURSE))
    gflop = operations * images / 1e9
    return {
        "operations_per_image": operations,
        "gflop": gflop,
        "gflop_per_second": rate / 1e9,
        "seconds": gflop / (rate / 1e9),
    }
