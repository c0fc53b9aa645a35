"""The tables that a sweep leaves: one row a run, one row an epoch, and means with their spread over the seeds."""

import html
import re
from collections.abc import Iterable, Sequence
from pathlib import Path

import pandas as pd

from helpers import settings
from helpers.evaluation import mean_interval
from helpers.results import PACKAGES, write_text

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


VERSIONS = ("python", *PACKAGES)
# Text that a spreadsheet runs, and what is marked so that none does; apostrophes that were there before are counted.
FORMULA, MARKED = re.compile(r"'*[=+\-@\t]"), re.compile(r"'+[=+\-@\t]")


def write_table(path: Path, table: pd.DataFrame) -> None:
    """Write a table as CSV, whole or not at all. Text that a spreadsheet would run gets an apostrophe in front."""

    def mark(cell: object) -> object:
        return f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) else cell

    write_text(path, table.rename(columns=mark).map(mark).to_csv(index=False))


def read_table(path: Path) -> pd.DataFrame:
    """Read a table that `write_table` wrote, and take the apostrophes away again.

    Raises:
        ValueError: it is damaged; one line that names the file.
        OSError: it can't be read.
    """

    def unmark(cell: object) -> object:
        return cell[1:] if isinstance(cell, str) and MARKED.match(cell) else cell

    try:
        table = pd.read_csv(path, keep_default_na=False, na_values=[""])
    except ValueError:  # what pandas raises is one, too
        line = f"{settings.shown(path)}: damaged, or no table of a sweep; the sweep's command writes it again"
        raise ValueError(line) from None
    return table.rename(columns=unmark).map(unmark)


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
    for name in filter(METRIC.fullmatch, results):
        results[name] = pd.to_numeric(results[name])  # a loss that was no number came back as None
    write_table(out / "results.csv", results)
    if epochs:
        write_table(out / "history.csv", pd.DataFrame(epochs))
    return results


def _row(manifest: dict) -> dict:
    results = manifest.get("results", {})
    row = {"run": manifest["name"], "status": "failed" if manifest["error"] else "done"}
    row |= {name: "None" if value is None else value for name, value in manifest["settings"].items()}
    parts = {"baseline_": results.get("baseline", {}), "test_": results.get("test", {})}
    parts[""] = (results.get("history") or [{}])[-1]
    for prefix, metrics in parts.items():
        named = {prefix + name: value for name, value in metrics.items() if name not in ("epoch", "seconds", "n")}
        row |= {name: value for name, value in named.items() if name not in row}
    versions = {name: results.get("versions", {}).get(name) for name in VERSIONS}
    return row | {"seconds": manifest["seconds"]} | versions | {"error": manifest["error"]}


def mixed_versions(results: pd.DataFrame) -> str:
    """Return what differs among the runs, `torch 2.13.0, 2.14.1`; an empty text if nothing does."""
    several = {name: sorted(map(str, results[name].dropna().unique())) for name in VERSIONS}
    return "; ".join(f"{name} {', '.join(found)}" for name, found in several.items() if len(found) > 1)


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


def summarize(results: pd.DataFrame, varied: Sequence[str]) -> pd.DataFrame:
    """Return means over the seeds, one row for each setting, best first.

    Args:
        results: as `results.csv`.
        varied: parameters of the grid; `seed` among them is averaged over.

    Returns:
        The varied parameters, `runs` and `failed`, and of each metric `mean`, `std` (of a sample, n − 1) and `low`
        and `high`: the 95 % interval of the mean by Student's t. A single run has no spread: NaN.
    """
    names = [name for name in varied if name != "seed"]
    groups = results.groupby(names, sort=False) if names else [((), results)]
    rows = []
    for values, group in groups:
        done = group[group["status"] == "done"]
        row = dict(zip(names, values, strict=True)) | {"runs": len(done), "failed": len(group) - len(done)}
        for metric in filter(METRIC.fullmatch, results):
            scores = done[metric] if done[metric].notna().all() else done[metric][:0]  # no number is the mean of NaN
            low, high = mean_interval(scores.tolist())
            of_metric = {"mean": scores.mean(), "std": scores.std(), "low": low, "high": high}
            row |= {f"{metric}_{name}": value for name, value in of_metric.items()}
        rows.append(row)
    summary, judge = pd.DataFrame(rows), judged_by(results)
    if judge is None:
        return summary
    return summary.sort_values(f"{judge}_mean", ascending=False, ignore_index=True, kind="stable")


def write_summary(out: Path, results: pd.DataFrame, varied: Sequence[str]) -> None:
    """Write `summary.csv`, and `summary.md` for people."""
    summary = summarize(results, varied)
    write_table(out / "summary.csv", summary)
    write_text(out / "summary.md", markdown(summary))


def markdown(summary: pd.DataFrame) -> str:
    """Return the summary as a Markdown table: mean ± standard deviation, and the 95 % interval of the mean."""
    table = summary.loc[:, :"failed"].map(lambda cell: plain(cell) if isinstance(cell, str) else cell)
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


def plain(text: str) -> str:
    """Return text as Markdown that shows it as it is: no bars, tags or links."""
    return re.sub(r"([\\`*\[\]|])", r"\\\1", re.sub(r"\s", " ", html.escape(text, quote=False)))
