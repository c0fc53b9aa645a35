"""The benchmark's tables in Markdown."""

import statistics

import pandas as pd

from helpers import settings, speed


def markdown(result: dict) -> str:
    """Return the tables of a benchmark, as `bench.bench` gathers it, with the lines that they need beside them."""
    bound, threads, repeats = result["lower_bound"], result["processor_threads"], result["repeats"]
    images = f"{settings.TITLES[result['dataset']]}, {result['images']:,} images"
    ladder = [{images: name} | epoch_cells(row) for name, row in result["epoch"].items()]
    tried = [{"also tried": name} | tried_cells(row) for name, row in result["also_tried"].items()]
    last = (
        f"Lower bound: {bound['gflop']:.1f} GFLOP per epoch at {bound['gflop_per_second']:.0f} GFLOP/s, measured with "
        f"matrix products, take {bound['seconds']:.2f} s.\n"
        f"Measured on {result['device_name']} ({result['device']}), {threads} {'thread' if threads == 1 else 'threads'}"
        f", PyTorch {result['versions']['torch']}; {repeats} {'epoch' if repeats == 1 else 'epochs'} each, in turn; "
        "medians, for memory the largest."
    )
    return "\n\n".join([table(ladder), table(tried, names=2), target_text(result["target"]), last]) + "\n"


def table(rows: list[dict[str, str]], names: int = 1) -> str:
    """Return a table in Markdown; the first columns hold `names`, and numbers follow, set to the right."""
    sides = ["left"] * names + ["right"] * (len(rows[0]) - names)
    return pd.DataFrame(rows).to_markdown(index=False, disable_numparse=True, colalign=sides)


def epoch_cells(row: dict) -> dict[str, str]:
    """Return what the table says about one variant of the ladder."""
    growth = row["memory_growth_mb"]
    return {
        "seconds per epoch": f"{row['seconds_median']:.2f}",
        "images per second": f"{row['images_per_second']:,.0f}",
        "images in memory (MB)": f"{row['images_mb']:.0f}",
        "growth in an epoch (MB)": "not known" if growth is None else f"{growth:.0f}",
        "times faster": f"{row['times_faster_median']:.1f}",
        "× the lower bound": f"{row['times_lower_bound']:.1f}",
    }


def tried_cells(row: dict) -> dict[str, str]:
    """Return what the table says about a variant beside the ladder; below 1, it made the epoch slower."""
    return {
        "compared with": row["compared_with"],
        "seconds per epoch": f"{row['seconds_median']:.2f}",
        "times faster": f"{row['times_faster_median']:.2f}",
    }


def target_text(target: dict | None) -> str:
    """Return the table of the training time to the target, and whether it was missed."""
    if target is None:
        return "Time to a target: not measured, since the target is one for MNIST."
    goal = f"{target['accuracy']:.2%}"
    times = "–" if target["times_faster"] is None else f"{target['times_faster']:.1f}"
    racers = [("classic loop", "classic", "1.0"), ("recipe `fast`", "fast", times)]
    rows = [
        {
            f"to {goal} of the test images": name,
            "seeds": str(len(target[key])),
            "reached by": str(sum(run["reached"] for run in target[key])),
            "epochs": f"{statistics.median(run['epochs'] for run in target[key]):g}",
            "seconds of training": f"{target[f'{key}_seconds_median']:.1f}",
            "test accuracy": f"{statistics.mean(run['accuracies'][-1] for run in target[key]):.2%}",
            "times as fast": times,
        }
        for name, key, times in racers
    ]
    lines = ["Epochs, seconds, and “times as fast” are medians over the seeds, the accuracy is their mean."]
    if target["fast_accuracy_mean"] < target["accuracy"]:
        lines.append(f"The mean of `fast` missed {goal}, so nothing is said about how much sooner it is.")
    if missed := sum(not run["reached"] for run in target["classic"]):
        most = max(run["epochs"] for run in target["classic"])
        lines.append(f"The classic loop missed {goal} in {most} epochs with {missed} of the seeds.")
    return table(rows) + "\n\n" + "\n".join(lines)


def race_markdown(result: dict) -> str:
    """Return the table of the race to 99.0 %, as `bench_race.race_to_99` gathers it; the winner is its first row."""
    goal = f"{result['accuracy']:.2%}"
    winner = next(iter(result["racers"].values()))["runs"]
    rows = []
    for name, racer in result["racers"].items():
        runs = racer["runs"]
        reached = [run["reached"] for run in runs]
        seconds = [run["seconds"] for run in runs]
        least = "" if all(reached) else "more than "  # given up: it had so long, and needs longer
        rows.append(
            {
                f"to {goal} of the test images": name,
                "parameters": f"{racer['parameters']:,}",
                "reached by": f"{sum(reached)} of {len(runs)}",
                "epochs": f"{least}{statistics.median(run['epochs'] for run in runs):g}",
                "seconds of training": f"{least}{statistics.median(seconds):.1f}",
                "times as long": f"{least}{speed.ratio(seconds, [run['seconds'] for run in winner]):.1f}",
                "test accuracy at the end": f"{statistics.mean(run['accuracies'][-1] for run in runs):.2%}",
            }
        )
    seeds = "1 seed" if result["repeats"] == 1 else f"{result['repeats']} seeds"
    last = (
        f"Epochs, seconds, and “times as long” are medians over {seeds}, the accuracy is their mean. "
        f"Both learn from the same {result['images']:,} images. Test images stop the clock, at the end of an epoch.\n"
        f"Measured on {result['device_name']} ({result['device']}), {result['processor_threads']} threads, "
        f"PyTorch {result['versions']['torch']}."
    )
    return f"{table(rows)}\n\n{last}\n"
