"""The model card of a trained network: what it is, what it scores, what it is for, with numbers from records alone."""

import hashlib
from pathlib import Path

import pandas as pd
from tabulate import tabulate

from course.folder import free_name
from helpers import settings
from helpers.evaluation import mean_interval, standard_error
from helpers.model import MNISTClassification, count_parameters
from helpers.results import load_record, load_result, load_sweep, write_text

NAME = "MODEL_CARD.md"
TEMPLATE = Path(__file__).parent / "templates" / "model_card.md"
REFERENCE = settings.FILES / "results" / "reference" / "mnist"
SETTINGS = ("epochs", "batch_size", "learning_rate", "val_size")
UNMEASURED = (
    "Not measured for this network. Chapter 8 measures it: moved, blurred or noisy images can cost half of the answers."
)


def write(results: dict, folder: Path) -> None:
    """Write the card of a run that has trained a network and tested it; of another run, write none.

    What an earlier run left goes; what somebody changed since is kept under another name.

    Args:
        results: what the run's `results.json` holds.
        folder: of the run.
    """
    path = folder / NAME
    if path.exists():
        text, _, mark = path.read_text(encoding="utf-8", errors="replace").rpartition("\n")
        if mark != _mark(text):
            kept = path.rename(free_name(path))
            print(f"{NAME} was changed since a run left it; it is now {kept.name}")
    path.unlink(missing_ok=True)
    if {"history", "test", "confusion_matrix"} <= results.keys():
        text = card(results, "this run's `results.json`")
        write_text(path, f"{text}\n{_mark(text)}")


def _mark(text: str) -> str:
    """Return the last line of a card that a run writes: a comment by which it is known again, if nobody changed it."""
    return f"<!-- left by a run, {hashlib.sha256(text.encode()).hexdigest()[:12]} -->"


def reference_card() -> str:
    """Return the card of the reference weights, whose scores chapters 3 and 4 show."""
    trained, tested = load_record(REFERENCE, "03_training"), load_record(REFERENCE, "04_evaluation")
    return card(tested | trained, "the records in `results/`, for the weights in `results/reference/mnist`")


def card(results: dict, source: str) -> str:
    """Return the model card of a network.

    Args:
        results: as in `results.json`: dataset, parameters, history, test, confusion_matrix, device, seed, versions.
        source: where these numbers come from, in words.
    """
    test, last, parameters = results["test"], results["history"][-1], results["parameters"]
    error = 1.96 * standard_error(test["accuracy"], test["n"])
    recorded = _is_recorded(results)
    return TEMPLATE.read_text(encoding="utf-8").format(
        title=settings.TITLES[results["dataset"]],
        source=source,
        parameters=f"{count_parameters(MNISTClassification()):,}",
        **{name: parameters[name] for name in SETTINGS[:3]},
        val_size="one in six" if parameters["val_size"] is None else f"{parameters['val_size']:,}",
        n=f"{test['n']:,}",
        seed=results["seed"],
        torch=results["versions"]["torch"],
        device=results["device"],
        train_loss=f"{last['train_loss']:.4f}",
        val_loss=f"{last['val_loss']:.4f}",
        val_accuracy=_percent(last["val_accuracy"]),
        accuracy=_percent(test["accuracy"]),
        low=_percent(max(0, test["accuracy"] - error)),
        high=_percent(min(1, test["accuracy"] + error)),
        f1=_percent(test["f1"]),
        classes=_classes(results["confusion_matrix"]),
        seeds=_seeds() if recorded else "",
        shifts=_shifts() if recorded else UNMEASURED,
    )


def _percent(share: float) -> str:
    return f"{100 * share:.2f}"


def _is_recorded(results: dict) -> bool:
    """Return whether results/ has other trainings with the same data and settings."""
    reference = load_record(REFERENCE, "03_training")
    same = all(results["parameters"][name] == reference["parameters"][name] for name in SETTINGS)
    return same and results["dataset"] == reference["dataset"]


def _classes(matrix: list[list[int]]) -> str:
    """Return recall and precision of each class, and its most frequent mistake; rows of `matrix` are true classes."""
    rows = []
    for k, row in enumerate(matrix):
        called, others = sum(of_class[k] for of_class in matrix), [*row[:k], 0, *row[k + 1 :]]
        mistaken = f"{max(others)} × as {others.index(max(others))}" if any(others) else "never misread"
        scores = (100 * row[k] / max(1, sum(row)), 100 * row[k] / max(1, called))
        rows.append([k, sum(row), *(f"{score:.1f}" for score in scores), mistaken])
    titles = ("class", "images", "recall (%)", "precision (%)", "misread most often")
    return tabulate(rows, titles, "github", disable_numparse=True, colalign=("right",) * 4 + ("left",))


def _seeds() -> str:
    """Return what the recorded trainings with these settings scored."""
    scores = 100 * load_sweep("seed_protocol")["test_accuracy"]
    low, high = mean_interval(scores.tolist())
    return (
        f"The same training with {len(scores)} seeds gave {scores.min():.2f} to {scores.max():.2f} %, on average "
        f"{scores.mean():.2f} % (95 % interval of the mean {low:.2f} to {high:.2f} %)."
    )


def _shifts() -> str:
    """Return the accuracy of networks trained with these settings under each corruption of chapter 8."""
    recorded = load_result("corruptions.json")
    rows = []
    for name, shares in recorded["accuracy"]["course"].items():
        accuracy = 100 * pd.Series(shares)
        rows.append([name, f"{accuracy.mean():.1f}", f"{accuracy.min():.1f} to {accuracy.max():.1f}"])
    text = f"Test accuracy of {len(recorded['seeds'])} networks with these settings, corrupted as in chapter 8:"
    titles = ("test images with", "mean (%)", "worst to best network (%)")
    return f"{text}\n\n{tabulate(rows, titles, 'github', disable_numparse=True, colalign=('left', 'right', 'right'))}"
