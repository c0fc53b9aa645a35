"""The estimate before a long cell: one honest line, and nothing is moved by it."""

import re
from functools import partial

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from helpers import data, recipes, speed
from helpers.model import BatchNormNet, MNISTClassification

ROUNDED = {
    0.0: "1 s",
    0.4: "1 s",
    1.4: "1 s",
    1.6: "2 s",
    9.4: "9 s",
    9.7: "10 s",
    12.4: "10 s",
    12.6: "15 s",
    41.0: "40 s",
    58.0: "60 s",
    64.0: "60 s",
    66.0: "70 s",
    119.0: "120 s",
    121.0: "2 min",
    149.0: "2 min",
    151.0: "3 min",
    3600.0: "60 min",
}


@pytest.mark.parametrize("seconds", ROUNDED)
def test_an_estimate_claims_no_more_than_it_knows(seconds: float) -> None:
    assert speed.rounded(seconds) == ROUNDED[seconds]


def test_a_ratio_is_that_of_the_turns() -> None:
    """Turn by turn 2, 2 and 5; the medians would give 5 / 2."""
    assert speed.ratio([4.0, 8.0, 5.0], [2.0, 4.0, 1.0]) == 2.0
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        speed.ratio([4.0, 8.0], [2.0])


def test_the_clock_waits_for_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the work, so that earlier work isn't counted, and after it, so that all of this one is."""
    clock, device = iter([10.0, 12.5]), torch.device("cpu")
    happened = []
    monkeypatch.setattr(speed, "wait_for", lambda device: happened.append("wait"))
    monkeypatch.setattr(speed.time, "perf_counter", lambda: happened.append("clock") or next(clock))
    assert speed.timed(lambda: happened.append("work"), device) == 2.5
    assert happened == ["wait", "clock", "work", "wait", "clock"]


def loaders(images: TensorDataset) -> dict[str, DataLoader]:
    """Return batches of all kinds, some of which draw random numbers."""
    jitter = partial(recipes.random_affine, shift=1.0, rotation=5.0, scaling=0.05)
    return {
        "in order": data.make_batches(images, 30),
        "shuffled": data.make_batches(images, 16, shuffle=True, seed=1),
        "augmented": data.make_batches(images, 16, shuffle=True, seed=1, augment=jitter),
        "one batch": data.make_batches(images, 1000, shuffle=True),
        "classic": DataLoader(images, batch_size=16, shuffle=True),
        "classic, own generator": DataLoader(
            images, batch_size=16, shuffle=True, generator=torch.Generator().manual_seed(2)
        ),
    }


KINDS = ("in order", "shuffled", "augmented", "one batch", "classic", "classic, own generator")


def what_comes(batches: DataLoader) -> list[torch.Tensor]:
    """Return the images of two epochs, as they come now."""
    return [images for _ in range(2) for images, _ in batches]


@pytest.mark.parametrize("training_mode", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_an_estimate_changes_nothing(
    kind: str, training_mode: bool, easy: TensorDataset, capsys: pytest.CaptureFixture
) -> None:
    """The network with batch normalisation counts its images even without learning; the other draws dropout."""
    came = []
    for estimated in (False, True):
        batches, val_batches = loaders(easy)[kind], data.make_batches(easy, 50)
        for model in (MNISTClassification().train(training_mode), BatchNormNet().train(training_mode)):
            before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
            torch.manual_seed(5)
            random = torch.get_rng_state()
            if estimated:
                speed.estimate_time(model, batches, 2, val_batches)
            assert torch.equal(torch.get_rng_state(), random)
            assert model.training is training_mode
            assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
            assert all(parameter.grad is None for parameter in model.parameters())
        torch.manual_seed(5)
        came.append(what_comes(batches))
    assert len(came[0]) == len(came[1])
    assert all(torch.equal(one, other) for one, other in zip(*came, strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_an_estimate_is_one_line_and_a_number(kind: str, easy: TensorDataset, capsys: pytest.CaptureFixture) -> None:
    seconds = speed.estimate_time(MNISTClassification(), loaders(easy)[kind], 10)
    assert seconds > 0
    assert capsys.readouterr().out == f"about {speed.rounded(seconds)} for 10 epochs here\n"


def test_an_estimate_counts_batches_epochs_and_validation(
    easy: TensorDataset, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a clock that ticks one second a look. A look before and after the steps, and one after each step.

    7 training batches and 2 validation batches, 3 epochs; two steps are timed: (1 + 1 + 1) / 2 = 1.5 s a batch.
    """
    ticks = iter(range(1000))
    monkeypatch.setattr(speed.time, "perf_counter", lambda: float(next(ticks)))
    monkeypatch.setattr(speed, "ENOUGH", 2.0)
    batches, val_batches = data.make_batches(easy, 16), data.make_batches(easy, 50)
    assert speed.estimate_time(MNISTClassification(), batches, 3) == 1.5 * 7 * 3
    assert speed.estimate_time(MNISTClassification(), batches, 3, val_batches) == 1.5 * (7 + 2) * 3
    assert speed.estimate_time(MNISTClassification(), batches, 1) == 1.5 * 7
    assert re.findall("for (.+) here", capsys.readouterr().out) == ["3 epochs", "3 epochs", "1 epoch"]


def test_steps_that_take_no_time_come_to_an_end(easy: TensorDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed.time, "perf_counter", lambda: 0.0)
    assert speed.estimate_time(MNISTClassification(), data.make_batches(easy, 16), 3) == 0.0


def test_no_batch_is_an_error(easy: TensorDataset) -> None:
    nothing = TensorDataset(*(tensor[:0] for tensor in easy.tensors))
    with pytest.raises(ValueError, match="batches: there are none"):
        speed.estimate_time(MNISTClassification(), data.make_batches(nothing, 16), 3)


def test_random_numbers_come_back_after_an_error(easy: TensorDataset) -> None:
    """There is no class 11: the first step fails, when the order and the dropout have been drawn."""
    batches = DataLoader(TensorDataset(easy.tensors[0], torch.full((100,), 11)), batch_size=16, shuffle=True)
    model = MNISTClassification()
    random = torch.get_rng_state()
    with pytest.raises(IndexError, match="Target 11"):
        speed.estimate_time(model, batches, 1)
    assert torch.equal(torch.get_rng_state(), random)
