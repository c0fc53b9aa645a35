"""From predictions to insight, each number worked out by hand."""

import math

import pandas as pd
import pytest
import torch
from torchmetrics.functional.classification import multiclass_confusion_matrix

from helpers import evaluation

# Seven images.  true  0 0 0 1 1 2 2      0 is read as 1 once, 2 is read as 0 once.
#                read  0 0 1 1 1 2 0
LABELS = torch.tensor([0, 0, 0, 1, 1, 2, 2])
READ = torch.tensor([0, 0, 1, 1, 1, 2, 0])
NAMES = tuple("abcdefghij")


def log_probs(read: list[int], confidence: list[float]) -> torch.Tensor:
    """Give each image `confidence` in the class that is read, and spread the rest over the nine others."""
    values = torch.tensor(confidence, dtype=torch.float64)
    probabilities = ((1 - values) / 9).unsqueeze(1).repeat(1, 10)
    probabilities[torch.arange(len(read)), read] = values
    return probabilities.log().float()


def test_class_scores_of_seven_images() -> None:
    table = evaluation.class_scores(READ, LABELS, NAMES)
    assert list(table.columns) == ["recall", "precision", "F1", "images"]
    assert table.index.tolist() == list(NAMES)
    # a: 2 of the 3 that are a were read so, 2 of the 3 read as a are a. b: 2 of 2, 2 of 3. c: 1 of 2, 1 of 1.
    assert table.loc["a"].tolist() == pytest.approx([2 / 3, 2 / 3, 2 / 3, 3])
    assert table.loc["b"].tolist() == pytest.approx([1, 2 / 3, 4 / 5, 2])
    assert table.loc["c"].tolist() == pytest.approx([1 / 2, 1, 2 / 3, 2])
    assert table.loc["d"].tolist() == [0, 0, 0, 0]


def test_confusion_matrix_has_true_classes_in_its_rows() -> None:
    """What the chapters and results.json rely on in torchmetrics: rows true, columns predicted."""
    matrix = multiclass_confusion_matrix(READ, LABELS, 10)
    expected = torch.zeros(10, 10, dtype=torch.int64)
    expected[:3, :3] = torch.tensor([[2, 1, 0], [0, 2, 0], [1, 0, 1]])
    assert torch.equal(matrix, expected)


def test_confident_mistakes_come_with_the_surest_first() -> None:
    beliefs = log_probs(READ.tolist(), [0.9, 0.8, 0.6, 0.9, 0.9, 0.9, 0.7])
    assert evaluation.confident_mistakes(beliefs, LABELS, 5).tolist() == [6, 2]
    assert evaluation.confident_mistakes(beliefs, LABELS, 1).tolist() == [6]


def test_no_mistakes_give_no_positions() -> None:
    positions = evaluation.confident_mistakes(log_probs(LABELS.tolist(), [0.9] * 7), LABELS, 5)
    assert positions.shape == (0,)


def test_reliability_of_six_images_by_hand() -> None:
    # 0.2 to 0.3: one image, wrong. 0.5 to 0.6: two, one right. 0.9 to 1: three, all right.
    beliefs = log_probs([1, 0, 1, 0, 1, 2], [0.25, 0.52, 0.58, 0.92, 0.95, 0.98])
    table = evaluation.reliability(beliefs, torch.tensor([0, 0, 0, 0, 1, 2]))
    assert table["images"].tolist() == [1, 2, 3]
    assert table["confidence"].tolist() == pytest.approx([0.25, 0.55, 0.95])
    assert table["accuracy"].tolist() == [0, 0.5, 1]
    # (1·0.25 + 2·0.05 + 3·0.05) / 6
    assert evaluation.calibration_error(table) == pytest.approx(0.5 / 6)


def test_complete_certainty_falls_into_the_last_slice() -> None:
    certain = torch.full((1, 10), -math.inf)
    certain[0, 3] = 0.0
    assert evaluation.reliability(certain, torch.tensor([3])).index.tolist() == [9]


def test_calibration_error_weighs_by_images() -> None:
    table = pd.DataFrame({"confidence": [0.5, 0.9], "accuracy": [0.7, 0.9], "images": [1, 99]})
    assert evaluation.calibration_error(table) == pytest.approx(0.002)


def test_standard_error_as_chapter_4_states_it() -> None:
    # √(0.987 · 0.013 / 10,000): ±0.11 points at 98.7 %
    assert evaluation.standard_error(0.987, 10_000) == pytest.approx(0.00113, abs=5e-6)
    assert evaluation.standard_error(0.5, 100) == pytest.approx(0.05)


def test_intervals_of_three_runs_by_hand() -> None:
    # 1, 2, 3: mean 2, standard deviation 1; Student's t for two degrees of freedom is 4.3027.
    assert evaluation.mean_interval([1, 2, 3]) == pytest.approx((2 - 4.3027 / 3**0.5, 2 + 4.3027 / 3**0.5), abs=1e-4)
    reach = 4.3027 * (1 + 1 / 3) ** 0.5
    assert evaluation.next_run_interval([1, 2, 3]) == pytest.approx((2 - reach, 2 + reach), abs=1e-3)


@pytest.mark.parametrize("runs", [[], [0.98]])
def test_less_than_two_runs_have_no_interval(runs: list[float]) -> None:
    assert all(math.isnan(end) for end in evaluation.mean_interval(runs))
    assert all(math.isnan(end) for end in evaluation.next_run_interval(runs))


@pytest.mark.parametrize("interval, deviations", [("mean_interval", 0.0), ("next_run_interval", 1.0)])
def test_intervals_hold_what_they_promise_nineteen_times_in_twenty(interval: str, deviations: float) -> None:
    """Five runs at a time of a world whose true mean is 0, and then the mean itself or one more run."""
    random = torch.Generator().manual_seed(0)
    hits = 0
    for runs in torch.randn(2000, 5, generator=random).tolist():
        low, high = getattr(evaluation, interval)(runs)
        hits += low <= deviations * torch.randn(1, generator=random).item() <= high
    assert hits / 2000 == pytest.approx(0.95, abs=0.015)  # three standard errors
