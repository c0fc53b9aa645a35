"""The tables that a sweep leaves: one row a run, one row an epoch, and means with their spread over the seeds."""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from course.grid import Run
from helpers.evaluation import mean_interval
from helpers.results import write_text

# What a run is judged by, the first that it has: choices are made by validation, never by the test set.
JUDGED_BY = ("val_accuracy", "test_accuracy", "baseline_val_accuracy")
METRIC = re.compile(r"(baseline_)?(train|val|test)_(loss|accuracy|f1)|seconds")
SHOWN = ("val_loss", "val_accuracy", "val_f1", "test_accuracy", "test_f1", "seconds")  # in summary.md
PERCENT = ("accuracy", "f1")


def write_runs(out: Path, runs: Sequence[Run], manifests: dict[str, dict]) -> pd.DataFrame:
    """Write `results.csv` and `history.csv` of the runs that are over, and return the former.

    Args:
        out: folder of the sweep.
        runs: the whole plan; rows stand in its order.
        manifests: what `run.json` holds, by the run's name.
    """
    over = [run for run in runs if run.name in manifests]
    results = pd.DataFrame([_row(run, manifests[run.name]) for run in over])
    results = results[[*(column for column in results if column != "error"), "error"]]
    epochs = [
        {"run": run.name, "seed": run.settings.get("seed")} | entry
        for run in over
        for entry in manifests[run.name].get("results", {}).get("history", [])
    ]
    write_text(out / "results.csv", results.to_csv(index=False))
    if epochs:
        write_text(out / "history.csv", pd.DataFrame(epochs).to_csv(index=False))
    return results


def _row(run: Run, manifest: dict) -> dict:
    results = manifest.get("results", {})
    row = {"run": run.name, "status": "failed" if manifest["error"] else "done"}
    row |= {name: "None" if value is None else value for name, value in run.settings.items()}
    parts = {"baseline_": results.get("baseline", {}), "test_": results.get("test", {})}
    parts[""] = (results.get("history") or [{}])[-1]
    for prefix, metrics in parts.items():
        row |= {prefix + name: value for name, value in metrics.items() if name not in ("epoch", "seconds", "n")}
    versions = results.get("versions", {})
    return row | {"seconds": manifest["seconds"], "torch": versions.get("torch"), "error": manifest["error"]}


def judged_by(results: pd.DataFrame) -> str | None:
    """Return the column that runs are judged by, None where they have none of those."""
    return next((name for name in JUDGED_BY if name in results and results[name].notna().any()), None)


def best_so_far(results: pd.DataFrame) -> str:
    """Return the best run in a few words: `val_accuracy 98.61 % (learning_rate=0.003_seed=1)`."""
    metric = judged_by(results)
    if metric is None:
        return "none yet"
    best = results.loc[results[metric].idxmax()]
    return f"{metric} {100 * best[metric]:.2f} % ({best['run'].rpartition('_')[0]})"


def summarise(results: pd.DataFrame, varied: Sequence[str]) -> pd.DataFrame:
    """Return means over the seeds, one row for each setting, best first.

    Args:
        results: as `results.csv`.
        varied: parameters of the grid; `seed` among them is averaged over.

    Returns:
        The varied parameters, `runs` and `failed`, and of each metric `mean`, `std` (of a sample, n − 1) and `low`
        and `high`: the 95 % interval of the mean by Student's t. A single run has no spread: NaN.
    """
    settings = [name for name in varied if name != "seed"]
    metrics = [name for name in results if METRIC.fullmatch(name)]
    groups = results.groupby(settings, sort=False) if settings else [((), results)]
    rows = []
    for values, group in groups:
        done = group[group["status"] == "done"]
        row = dict(zip(settings, values if isinstance(values, tuple) else (values,), strict=True))
        row |= {"runs": len(done), "failed": len(group) - len(done)}
        for metric in metrics:
            low, high = mean_interval(done[metric].tolist())
            row |= {f"{metric}_mean": done[metric].mean(), f"{metric}_std": done[metric].std()}
            row |= {f"{metric}_low": low, f"{metric}_high": high}
        rows.append(row)
    summary, metric = pd.DataFrame(rows), judged_by(results)
    if metric is None:
        return summary
    return summary.sort_values(f"{metric}_mean", ascending=False, ignore_index=True, kind="stable")


def write_summary(out: Path, results: pd.DataFrame, varied: Sequence[str]) -> pd.DataFrame:
    """Write `summary.csv`, and `summary.md` for people; return the former."""
    summary = summarise(results, varied)
    write_text(out / "summary.csv", summary.to_csv(index=False))
    write_text(out / "summary.md", markdown(summary))
    return summary


def markdown(summary: pd.DataFrame) -> str:
    """Return the summary as a Markdown table: mean ± standard deviation, and the 95 % interval of the mean."""
    metrics = [name.removesuffix("_mean") for name in summary if name.endswith("_mean")]
    judge = next((name for name in JUDGED_BY if name in metrics), None)
    metrics = [name for name in dict.fromkeys([judge, *SHOWN]) if name in metrics]
    settings = list(summary.columns[: summary.columns.get_loc("runs")])
    head = [*settings, "runs", "failed"]
    for metric in metrics:
        head.append(metric + (" (%)" if metric.endswith(PERCENT) else ""))
        if metric == judge or metric == "test_accuracy":
            head.append("95 % interval of the mean")
    lines = ["| " + " | ".join(head) + " |", "|" + "---:|" * len(head)]
    for _, row in summary.iterrows():
        cells = [f"{row[name]:g}" if isinstance(row[name], float) else str(row[name]) for name in settings]
        cells += [str(int(row["runs"])), str(int(row["failed"]))]
        for metric in metrics:
            scale, digits = (100, 2) if metric.endswith(PERCENT) else (1, 4 if metric == "val_loss" else 0)
            mean, std, low, high = (scale * row[f"{metric}_{part}"] for part in ("mean", "std", "low", "high"))
            known = pd.notna(std)
            cells.append("–" if pd.isna(mean) else f"{mean:.{digits}f}" + (f" ± {std:.{digits}f}" if known else ""))
            if metric == judge or metric == "test_accuracy":
                cells.append(f"{low:.{digits}f} to {high:.{digits}f}" if known else "–")
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
