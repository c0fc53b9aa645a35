"""What the benchmark says about the machine, its memory, and in its table."""

import platform
import statistics
from dataclasses import dataclass
from pathlib import Path

import torch

from helpers import data

PROCESS = Path("/proc/self")  # where Linux tells about this process


@dataclass(frozen=True)
class Memory:
    """What this process holds in the main memory, in MB: now, and at most since the peak was reset."""

    now: float
    peak: float


def memory(reset_peak: bool = False) -> Memory | None:
    """Return the memory of this process (its resident set); None where the system doesn't tell, as outside of Linux.

    Memory that an accelerator has of its own isn't counted.

    Args:
        reset_peak: let the peak begin anew, from what is held now.
    """
    try:
        if reset_peak:
            (PROCESS / "clear_refs").write_text("5")
        lines = (PROCESS / "status").read_text().splitlines()
    except OSError:
        return None
    fields = dict(line.split(":", 1) for line in lines if ":" in line)
    if not {"VmRSS", "VmHWM"} <= fields.keys():
        return None
    now, peak = (int(fields[name].split()[0]) * 1024 / 1e6 for name in ("VmRSS", "VmHWM"))  # they come in KiB
    return Memory(now, peak)


def machine(device: torch.device) -> dict[str, object]:
    """Return what a timing depends on: `device`, `device_name`, `processor`, `processor_threads`."""
    name = processor()
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
    return {
        "device": device.type,
        "device_name": name,
        "processor": processor(),
        "processor_threads": torch.get_num_threads(),
    }


def processor() -> str:
    """Return the processor's name, as far as the system knows it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return next(iter(names), platform.processor() or platform.machine())


def markdown(result: dict) -> str:
    """Return the table of a benchmark, with the lines that it needs beside it.

    Args:
        result: as `bench.bench` gathers it.
    """
    lines = [
        f"| {data.TITLES[result['dataset']]}, {result['images']:,} images | seconds an epoch | images a second "
        "| images in memory (MB) | growth in an epoch (MB) | times faster | times the floor |",
        "|---|" + "---:|" * 6,
    ]
    for name, row in result["epoch"].items():
        growth = "not told" if row["memory_growth_mb"] is None else f"{row['memory_growth_mb']:.0f}"
        cells = [f"{row['seconds_median']:.2f}", f"{row['images_per_second']:,.0f}", f"{row['images_mb']:.0f}", growth]
        cells += [f"{row['times_faster_median']:.1f}", f"{row['times_lower_bound']:.1f}"]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    lines += ["", *besides_lines(result["besides"])]
    floor = result["floor"]
    threads, repeats = result["processor_threads"], result["repeats"]
    lines += [
        "",
        *target_lines(result["target"]),
        "",
        f"Floor: {floor['gflop']:.1f} GFLOP an epoch at {floor['gflop_per_second']:.0f} GFLOP/s, measured with matrix "
        f"products, make {floor['seconds']:.2f} s.",
        f"Measured on {result['device_name']} ({result['device']}), {threads} {'thread' if threads == 1 else 'threads'}"
        f", PyTorch {result['versions']['torch']}; {repeats} {'epoch' if repeats == 1 else 'epochs'} each, in turn; "
        "medians, for memory the largest.",
    ]
    return "\n".join(lines) + "\n"


def besides_lines(besides: dict[str, dict]) -> list[str]:
    """Return the table of what was tried besides; below 1, it made the epoch slower."""
    lines = ["| tried besides | compared with | seconds an epoch | times faster |", "|---|---|---:|---:|"]
    for name, row in besides.items():
        cells = [name, row["compared_with"], f"{row['seconds_median']:.2f}", f"{row['times_faster_median']:.2f}"]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def target_lines(target: dict | None) -> list[str]:
    """Return the table of the training time to the target, and whether it was missed."""
    if target is None:
        return ["Time to a target: not measured, since the target is one for MNIST."]
    goal = f"{target['accuracy']:.2%}"
    times = "–" if target["times_faster"] is None else f"{target['times_faster']:.1f}"
    lines = [
        f"| to {goal} of the test images | seeds | reached by | epochs | seconds of training | test accuracy "
        "| times sooner |",
        "|---|" + "---:|" * 6,
        target_row("classic loop", target["classic"], target["classic_seconds_median"], "1.0"),
        target_row("recipe `fast`", target["fast"], target["fast_seconds_median"], times),
        "",
        "Epochs, seconds and times sooner are medians over the seeds, the accuracy is their mean.",
    ]
    if target["fast_accuracy_mean"] < target["accuracy"]:
        lines.append(f"The mean of `fast` missed {goal}, so nothing is said about how much sooner it is.")
    if missed := sum(not run["reached"] for run in target["classic"]):
        most = max(run["epochs"] for run in target["classic"])
        lines.append(f"The classic loop missed {goal} in {most} epochs with {missed} of the seeds.")
    return lines


def target_row(name: str, runs: list[dict], seconds: float, times: str) -> str:
    """Return the row of one way to the target; runs as `race.time_to_target` returns them."""
    epochs = statistics.median(run["epochs"] for run in runs)
    accuracy = statistics.mean(run["accuracies"][-1] for run in runs)
    reached = sum(run["reached"] for run in runs)
    return f"| {name} | {len(runs)} | {reached} | {epochs:g} | {seconds:.1f} | {accuracy:.2%} | {times} |"
