"""The benchmark: the classic loop and the course's, side by side in one process, and the floor under both."""

import statistics
import tempfile
from dataclasses import asdict, replace
from pathlib import Path

import torch
from torch.utils.data import Subset, TensorDataset

from helpers import data, floor, recipes, records, training
from helpers.course import bench_report, classic
from helpers.course.ways import Start, make_ways, race, timed_epoch

SPLIT_SEED = 0
WARM_UP = 640  # images that each way of training meets before the clock starts


def bench(out: Path, dataset_name: str, device_name: str, repeats: int, epochs: int) -> dict:
    """Measure everything, and leave `bench.json` and the table `bench.md` in `out`.

    Args:
        out: the folder.
        dataset_name: `auto`, `mnist` or `digits`; the digits have no target.
        device_name: as `training.choose_device` takes it.
        repeats: timed epochs of each way of training, and seeds of the recipe `fast`; at least 1.
        epochs: after so many the classic loop is given up, should it not reach the target; at least 1.

    Returns:
        What `bench.json` holds: `dataset`, `images` (trained on), `repeats`, `epoch` (as `summarise` returns it;
        besides, for each way, `times_the_floor`, and `images_mb`, what its images for training take in memory), `floor`
        (as `floor_of`), `target` (as `ways.race`; None for the digits), `recipe_fast` (its settings), `device`,
        `device_name`, `processor`, `processor_threads`, `versions`.

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
    one_by_one = classic.training_images(dataset, None, SPLIT_SEED, prepared.mean, prepared.std)
    ways = make_ways(prepared, one_by_one)
    few = replace(prepared, train=TensorDataset(*(tensor[:WARM_UP] for tensor in prepared.train.tensors)))
    for start in make_ways(few, Subset(one_by_one, range(min(WARM_UP, len(one_by_one))))).values():
        timed_epoch(start(0, 1)[1], device)
    measured, rates = compare(ways, device, repeats)
    images = len(prepared.train)
    result = {
        "dataset": dataset.name,
        "images": images,
        "repeats": repeats,
        "epoch": summarise(measured, images),
        "floor": floor_of(max(rates), images),
        "target": None,
        "recipe_fast": asdict(recipes.FAST),
        **bench_report.machine(device),
        "versions": records.versions(),
    }
    for name, row in result["epoch"].items():
        row["times_the_floor"] = row["seconds_median"] / result["floor"]["seconds"]
        row["images_mb"] = (one_by_one.dataset.data if name == "classic" else prepared.train.tensors[0]).nbytes / 1e6
    if dataset.name == "mnist":
        result["target"] = race(ways, prepared.test, device, repeats, epochs)
    table = bench_report.markdown(result)
    records.write_json(out / "bench.json", result)
    records.write_text(out / "bench.md", table)
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


def compare(
    ways: dict[str, Start], device: torch.device, repeats: int
) -> tuple[dict[str, list[tuple[float, float | None]]], list[float]]:
    """Take turns: an epoch of each way with a new network, then matrix products, `repeats` times.

    Returns:
        For each way its epochs: seconds, and growth of memory in MB (see `bench_report.memory`). And the rates of
        matrix products, in floating point operations a second.
    """
    measured: dict[str, list] = {name: [] for name in ways}
    rates = []
    for repeat in range(repeats):
        for name, start in ways.items():
            _, train = start(repeat, 1)
            before = bench_report.memory(reset_peak=True)
            seconds = timed_epoch(train, device)
            after = bench_report.memory()
            measured[name].append((seconds, None if before is None or after is None else after.peak - before.now))
        rates.append(floor.matrix_rate(device))
        seconds = ", ".join(f"{bench_report.TITLES[name]} {measured[name][-1][0]:.2f} s" for name in ways)
        print(f"epoch {repeat + 1}/{repeats}: {seconds}", flush=True)
    return measured, rates


def summarise(measured: dict[str, list[tuple[float, float | None]]], images: int) -> dict[str, dict]:
    """Return for each way what its epochs took.

    `seconds` of each epoch and `seconds_median`, `images_per_second` (by the median), `memory_growth_mb` (of the epoch
    that grew most; None where it can't be told), `times_faster` (classic over this way, of the two epochs of each
    turn) and `times_faster_median`.
    """
    classic_seconds = [seconds for seconds, _ in measured["classic"]]
    summary = {}
    for name, epochs in measured.items():
        seconds = [seconds for seconds, _ in epochs]
        growths = [growth for _, growth in epochs if growth is not None]
        faster = [before / ours for before, ours in zip(classic_seconds, seconds, strict=True)]
        summary[name] = {
            "seconds": seconds,
            "seconds_median": statistics.median(seconds),
            "images_per_second": images / statistics.median(seconds),
            "memory_growth_mb": max(growths, default=None),
            "times_faster": faster,
            "times_faster_median": statistics.median(faster),
        }
    return summary


def floor_of(rate: float, images: int) -> dict[str, float]:
    """Return the floor under an epoch: its arithmetic at the best rate of matrix products that was measured here."""
    operations = floor.training_operations(recipes.build(recipes.COURSE))
    gflop = operations * images / 1e9
    return {
        "operations_per_image": operations,
        "gflop": gflop,
        "gflop_per_second": rate / 1e9,
        "seconds": gflop / (rate / 1e9),
    }
