"""Training: the same numbers again, and the sums of a loop worked out with NumPy."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import TensorDataset
from torchmetrics.functional.classification import multiclass_f1_score

from helpers import data, training
from helpers.model import MNISTClassification

HISTORY_KEYS = ["epoch", "train_loss", "val_loss", "val_f1", "val_accuracy", "seconds"]


def train(dataset: TensorDataset, seed: int, epochs: int = 2, **dropout: float) -> tuple[nn.Module, list[dict]]:
    torch.manual_seed(seed)
    model = MNISTClassification(**dropout)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.003)
    batches = data.make_batches(dataset, 16, shuffle=True, seed=seed)
    return model, training.fit(model, batches, data.make_batches(dataset, 64), optimizer, epochs)


def without_seconds(history: list[dict]) -> list[dict]:
    return [{key: value for key, value in entry.items() if key != "seconds"} for entry in history]


# --- fit ---


def test_the_same_seed_gives_the_same_network_bit_for_bit(easy: TensorDataset) -> None:
    (first, first_history), (again, again_history) = train(easy, seed=0), train(easy, seed=0)
    for name, weights in first.state_dict().items():
        assert torch.equal(weights, again.state_dict()[name]), name
    assert without_seconds(first_history) == without_seconds(again_history)


def test_another_seed_gives_another_network(easy: TensorDataset) -> None:
    assert without_seconds(train(easy, seed=0)[1]) != without_seconds(train(easy, seed=1)[1])


def test_history_tells_each_epoch(easy: TensorDataset, capsys: pytest.CaptureFixture) -> None:
    model, history = train(easy, seed=0, epochs=3)
    assert [list(entry) for entry in history] == [HISTORY_KEYS] * 3
    assert [entry["epoch"] for entry in history] == [1, 2, 3]
    assert all(entry["seconds"] > 0 for entry in history)
    last = training.score(*training.predict(model, data.make_batches(easy, 64)))
    assert [history[-1][f"val_{key}"] for key in ("loss", "f1", "accuracy")] == [
        last[key] for key in ("loss", "f1", "accuracy")
    ]
    lines = capsys.readouterr().out.splitlines()
    assert [line[:10] for line in lines] == ["epoch  1/3", "epoch  2/3", "epoch  3/3"]


def test_fit_takes_a_plain_list_of_batches(easy: TensorDataset) -> None:
    model = MNISTClassification()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    assert len(training.fit(model, [easy.tensors], [easy.tensors], optimizer, 2)) == 2


def test_fit_learns_an_easy_task(easy: TensorDataset) -> None:
    _, history = train(easy, seed=0, epochs=15, conv_dropout=0.0, fc_dropout=0.0)
    assert history[-1]["train_loss"] < history[0]["train_loss"] / 5
    assert history[-1]["val_accuracy"] == 1.0


@pytest.mark.parametrize("epochs", [0, -1, 2.0, "3", True])
def test_fit_refuses_what_is_no_number_of_epochs(easy: TensorDataset, epochs: object) -> None:
    with pytest.raises(ValueError, match=r"^epochs: got [^\n]+; give a whole number from 1 to 10000$"):
        train(easy, seed=0, epochs=epochs)


# --- one epoch ---


def test_train_epoch_against_the_sums_by_hand() -> None:
    """A linear model by plain descent, in NumPy: gradient of the loss = (belief − truth) · input, mean of the batch."""
    rng = np.random.default_rng(0)
    images, labels, step = rng.normal(size=(10, 6)), rng.integers(0, 10, 10), 0.5
    weights, bias = rng.normal(size=(10, 6)), rng.normal(size=10)
    model = nn.Sequential(nn.Linear(6, 10), nn.LogSoftmax(dim=1)).double()
    with torch.no_grad():
        model[0].weight.copy_(torch.from_numpy(weights))
        model[0].bias.copy_(torch.from_numpy(bias))

    losses = []
    for rows in (slice(0, 4), slice(4, 8), slice(8, 10)):  # the last batch is short
        x, truth = images[rows], np.eye(10)[labels[rows]]
        belief = np.exp(x @ weights.T + bias)
        belief /= belief.sum(axis=1, keepdims=True)
        losses += list(-np.log((belief * truth).sum(axis=1)))
        weights -= step * (belief - truth).T @ x / len(x)
        bias -= step * (belief - truth).mean(axis=0)

    batches = data.make_batches(TensorDataset(torch.from_numpy(images), torch.from_numpy(labels)), 4)
    loss = training.train_epoch(model, batches, torch.optim.SGD(model.parameters(), lr=step))
    assert loss == pytest.approx(np.mean(losses))
    np.testing.assert_allclose(model[0].weight.detach().numpy(), weights)
    np.testing.assert_allclose(model[0].bias.detach().numpy(), bias)


def test_train_epoch_has_dropout_on(easy: TensorDataset) -> None:
    model = MNISTClassification().eval()
    training.train_epoch(model, data.make_batches(easy, 50), torch.optim.SGD(model.parameters(), lr=0.0))
    assert model.training


# --- predict and score ---


def test_predict_has_dropout_off_and_keeps_the_order(easy: TensorDataset) -> None:
    torch.manual_seed(0)
    model = MNISTClassification().train()
    log_probs, labels = training.predict(model, data.make_batches(easy, 33))  # the last batch holds one image
    assert not model.training
    assert not log_probs.requires_grad
    assert torch.equal(labels, easy.tensors[1])
    with torch.no_grad():
        torch.testing.assert_close(log_probs, model(easy.tensors[0]))


def test_predict_leaves_the_weights_alone(easy: TensorDataset) -> None:
    model = MNISTClassification()
    before = {name: weights.clone() for name, weights in model.state_dict().items()}
    training.predict(model, data.make_batches(easy, 33))
    assert all(torch.equal(weights, before[name]) for name, weights in model.state_dict().items())
    assert all(weights.grad is None and weights.requires_grad for weights in model.parameters())


def test_score_of_nine_images_by_hand() -> None:
    """Nine images of three classes; the last one is read as a 3, a class that none of them has.

    true  0 0 0 1 1 2 2 2 1    class 0: 2 hits, 1 false alarm, 1 missed: F1 = 2·2/(2·2 + 1 + 1) = 2/3
    read  0 0 1 1 1 2 2 0 3    class 1: 2 hits, 1 false alarm, 1 missed: 2/3
                               class 2: 2 hits, 0 false alarms, 1 missed: 4/5
                               class 3: 0 hits, 1 false alarm: 0; the other six don't occur and don't count

    Each image gets 73 % for the class that is read and 3 % for each other: six losses of −ln 0.73, three of −ln 0.03.
    """
    labels = torch.tensor([0, 0, 0, 1, 1, 2, 2, 2, 1])
    read = torch.tensor([0, 0, 1, 1, 1, 2, 2, 0, 3])
    probabilities = torch.full((9, 10), 0.03)
    probabilities[torch.arange(9), read] = 0.73
    result = training.score(probabilities.log(), labels)
    assert result == {
        "loss": pytest.approx(-(6 * math.log(0.73) + 3 * math.log(0.03)) / 9),
        "accuracy": pytest.approx(6 / 9),
        "f1": pytest.approx((2 / 3 + 2 / 3 + 4 / 5 + 0) / 4),
        "n": 9,
    }


def test_score_of_unequal_classes_counts_images_for_accuracy_and_classes_for_f1() -> None:
    # Nineteen zeros are right, and the only 1 is read as 0: accuracy 19/20, F1 of class 0 38/39, of class 1 zero.
    labels = torch.tensor([0] * 19 + [1])
    log_probs = torch.full((20, 10), 0.01)
    log_probs[:, 0] = 0.91
    result = training.score(log_probs.log(), labels)
    assert result["accuracy"] == pytest.approx(0.95)
    assert result["f1"] == pytest.approx((38 / 39 + 0) / 2)


# --- device ---


def test_the_cpu_is_always_there() -> None:
    assert training.choose_device("cpu") == torch.device("cpu")


@pytest.mark.parametrize("found", [None, torch.device("cuda"), torch.device("mps")])
def test_auto_takes_the_accelerator_if_there_is_one(found: torch.device | None, monkeypatch) -> None:
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: found)
    assert training.choose_device("auto") == (found or torch.device("cpu"))


def test_a_device_that_is_missing_is_refused_with_the_choice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: None)
    with pytest.raises(ValueError, match=r"^device: 'cuda' is not available on this machine; give cpu, or auto$"):
        training.choose_device("cuda")
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda check_available: torch.device("mps"))
    with pytest.raises(ValueError, match=r"^device: 'cuda' [^\n]*; give cpu or mps, or auto$"):
        training.choose_device("cuda")


def test_an_unknown_device_is_refused_with_the_choice() -> None:
    with pytest.raises(ValueError, match=r"^device: got 'gpu'[^\n]*; give one of auto, cpu, cuda, mps$"):
        training.choose_device("gpu")


@pytest.mark.parametrize("classes", [10, 7])
def test_f1_is_that_of_torchmetrics_to_the_last_digit(classes: int) -> None:
    log_probs = torch.log_softmax(torch.randn(500, 10), dim=1)
    log_probs[:, classes:] = -50.0  # never predicted
    labels = torch.randint(0, classes, (500,))
    theirs = multiclass_f1_score(log_probs.argmax(dim=1), labels, 10, average="macro").item()
    ours = training.score(log_probs, labels)["f1"]
    assert ours == (theirs if classes == 10 else pytest.approx(theirs, abs=1e-7))
