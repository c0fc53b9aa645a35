"""From predictions to insight: how exact a score is, scores of each class, the worst mistakes, calibration."""

import math
import statistics
from collections.abc import Sequence

import pandas as pd
from torch import Tensor

from helpers.training import NUM_CLASSES


def standard_error(accuracy: float, n: int) -> float:
    """Return the standard error of an accuracy (0 to 1) measured on `n` images: √(p(1−p)/n)."""
    return math.sqrt(accuracy * (1 - accuracy) / n)


def mean_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval that holds the mean of *all* such runs, judged by a few of them: mean ± t·s/√n.

    Args:
        values: one number a run, at least two; s is their standard deviation (n − 1).
        confidence: the share of such intervals that hold what they should.

    Returns:
        Lower and upper end, by Student's t, which allows for s being uncertain too. NaN for less than two runs.
    """
    return _around_the_mean(values, confidence, more_runs=0)


def next_run_interval(values: Sequence[float], confidence: float = 0.95) -> tuple[float, float]:
    """Return the interval that holds *one more* such run: mean ± t·s·√(1 + 1/n). Arguments as for `mean_interval`."""
    return _around_the_mean(values, confidence, more_runs=1)


def _around_the_mean(values: Sequence[float], confidence: float, more_runs: int) -> tuple[float, float]:
    """Return mean ± t·s·√(more_runs + 1/n)."""
    if len(values) < 2:
        return math.nan, math.nan
    from scipy import stats  # takes half a second, which chapters without an interval need not wait

    mean, t = statistics.mean(values), stats.t.ppf((1 + confidence) / 2, len(values) - 1)
    reach = float(t) * statistics.stdev(values) * math.sqrt(more_runs + 1 / len(values))
    return mean - reach, mean + reach


def class_scores(predicted: Tensor, labels: Tensor, class_names: tuple[str, ...]) -> pd.DataFrame:
    """Return recall, precision and F1 of each class (0 to 1), one row per class, and how many images it has.

    Args:
        predicted, labels: int64 (N,).
        class_names: ten names, for the rows.
    """
    from torchmetrics.functional.classification import (  # takes longer than PyTorch; most chapters need none of it
        multiclass_f1_score,
        multiclass_precision,
        multiclass_recall,
    )

    metrics = {"recall": multiclass_recall, "precision": multiclass_precision, "F1": multiclass_f1_score}
    table = {name: metric(predicted, labels, NUM_CLASSES, average="none").tolist() for name, metric in metrics.items()}
    table["images"] = labels.bincount(minlength=NUM_CLASSES).tolist()
    return pd.DataFrame(table, index=pd.Index(class_names, name="class"))


def confident_mistakes(log_probs: Tensor, labels: Tensor, count: int) -> Tensor:
    """Return the positions of up to `count` wrong predictions, the most confident first, int64 (n,)."""
    confidence, predicted = log_probs.max(dim=1)
    wrong = (predicted != labels).nonzero().squeeze(1)
    return wrong[confidence[wrong].argsort(descending=True)[:count]]


def reliability(log_probs: Tensor, labels: Tensor, bins: int = 10) -> pd.DataFrame:
    """Compare how sure the network says it is with how often it is right.

    Args:
        log_probs: float32 (N, 10).
        labels: int64 (N,).
        bins: equal slices of the confidence from 0 to 1; a slice without images has no row.

    Returns:
        One row per slice: `confidence` (mean, 0 to 1), `accuracy` (0 to 1), `images`.
    """
    confidence, predicted = log_probs.double().exp().max(dim=1)
    table = pd.DataFrame(
        {
            "slice": (confidence * bins).long().clamp(max=bins - 1).tolist(),
            "confidence": confidence.tolist(),
            "correct": (predicted == labels).tolist(),
        }
    )
    grouped = table.groupby("slice")
    return pd.DataFrame(
        {"confidence": grouped["confidence"].mean(), "accuracy": grouped["correct"].mean(), "images": grouped.size()}
    )


def calibration_error(table: pd.DataFrame) -> float:
    """Return the mean distance between confidence and accuracy in a `reliability` table, weighted by images, 0 to 1."""
    distance = (table["confidence"] - table["accuracy"]).abs()
    return float((distance * table["images"]).sum() / table["images"].sum())
