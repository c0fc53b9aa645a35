"""The tables that a sweep leaves: one row a run, one row an epoch, and means with their spread over the seeds."""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from helpers.evaluation import mean_interval
from helpers.results import write_text

# What a run is judged by, the first that it has: choices are made by validation, never by the test set.
JUDGED_BY = ("val_accuracy", "test_accuracy", "baseline_val_accuracy")
METRIC = re.compile(r"(baseline_)?(train|val|test)_(loss|accuracy|f1)|seconds")
SHOWN = {  # in summary.md: factor and decimals
    "val_accuracy": (100, 2),
    "val_loss": (1, 4),
    "val_f1": (100, 2),
    "test_accuracy": (100, 2),
    "test_f1": (100, 2),
    "baseline_val_accuracy": (100, 2),
    "seconds": (1, 0),
}


def write_runs(out: Path, manifests: Iterable[dict | None]) -> pd.DataFrame:
    """Write `results.csv` and `history.csv` to the folder of the sweep, and return the former.

    Args:
        out: the folder.
        manifests: what `run.json` holds, of each run in the plan's order; None for a run that is not over.
    """
    over = [manifest for manifest in manifests if manifest is not None]
    results = pd.DataFrame([_row(manifest) for manifest in over])
    results = results[[*results.columns.drop("error"), "error"]]
    epochs = [
        {"run": manifest["name"], "seed": manifest["settings"].get("seed")} | entry
        for manifest in over
        for entry in manifest.get("results", {}).get("history", [])
    ]
    write_text(out / "results.csv", results.to_csv(index=False))
    if epochs:
        write_text(out / "history.csv", pd.DataFrame(epochs).to_csv(index=False))
    return results


def _row(manifest: dict) -> dict:
    results = manifest.get("results", {})
    row = {"run": manifest["name"], "status": "failed" if manifest["error"] else "done"}
    row |= {name: "None" if value is None else value for name, value in manifest["settings"].items()}
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
    groups = results.groupby(settings, sort=False) if settings else [((), results)]
    rows = []
    for values, group in groups:
        done = group[group["status"] == "done"]
        row = dict(zip(settings, values, strict=True)) | {"runs": len(done), "failed": len(group) - len(done)}
        for metric in filter(METRIC.fullmatch, results):
            low, high = mean_interval(done[metric].tolist())
            of_metric = {"mean": done[metric].mean(), "std": done[metric].std(), "low": low, "high": high}
            row |= {f"{metric}_{name}": value for name, value in of_metric.items()}
        rows.append(row)
    summary, judge = pd.DataFrame(rows), judged_by(results)
    if judge is None:
        return summary
    return summary.sort_values(f"{judge}_mean", ascending=False, ignore_index=True, kind="stable")


def write_summary(out: Path, results: pd.DataFrame, varied: Sequence[str]) -> None:
    """Write `summary.csv`, and `summary.md` for people."""
    summary = summarise(results, varied)
    write_text(out / "summary.csv", summary.to_csv(index=False))
    write_text(out / "summary.md", markdown(summary))


def markdown(summary: pd.DataFrame) -> str:
    """Return the summary as a Markdown table: mean ± standard deviation, and the 95 % interval of the mean."""
    table = summary.loc[:, :"failed"].copy()
    for metric, (factor, decimals) in SHOWN.items():
        if f"{metric}_mean" in summary:
            parts = factor * summary[[f"{metric}_{part}" for part in ("mean", "std", "low", "high")]]
            texts = parts.map(lambda value: f"{value:.{decimals}f}").to_numpy()  # noqa: B023, map is done at once
            unit = " (%)" if factor == 100 else ""
            table[metric + unit] = [f"{mean} ± {std}".replace(" ± nan", "") for mean, std, _, _ in texts]
            if metric in JUDGED_BY:
                table[f"95 % interval of mean {metric}"] = [f"{low} to {high}" for _, _, low, high in texts]
    table = table.replace(["nan", "nan to nan"], "–")
    return table.to_markdown(index=False, disable_numparse=True, stralign="right") + "\n"
