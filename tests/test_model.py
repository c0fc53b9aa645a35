"""The models: the course's network down to its layers, and a baseline on points that fit on a sheet of paper."""

from collections.abc import Callable

import pytest
import torch
from torch import nn

from helpers.model import BatchNormNet, MNISTClassification, NearestClassMean, count_parameters

# The network's parts in order, and the shape after each for one image.
CONV_SHAPES = [
    (nn.Conv2d, (10, 24, 24)),
    (nn.ReLU, (10, 24, 24)),
    (nn.MaxPool2d, (10, 12, 12)),
    (nn.Conv2d, (20, 8, 8)),
    (nn.Dropout2d, (20, 8, 8)),
    (nn.ReLU, (20, 8, 8)),
    (nn.MaxPool2d, (20, 4, 4)),
]
FC_SHAPES = [(nn.Linear, (50,)), (nn.ReLU, (50,)), (nn.Dropout, (50,)), (nn.Linear, (10,))]


@pytest.fixture
def model() -> MNISTClassification:
    torch.manual_seed(0)
    return MNISTClassification()


def test_parameters_as_counted_in_chapter_2(model: MNISTClassification) -> None:
    # 10·25 + 10, 20·10·25 + 20, 50·320 + 50, 10·50 + 10
    layers = [layer for layer in model.modules() if isinstance(layer, nn.Conv2d | nn.Linear)]
    assert [count_parameters(layer) for layer in layers] == [260, 5_020, 16_050, 510]
    assert count_parameters(model) == 21_840


def test_count_parameters_leaves_out_what_training_cannot_change(model: MNISTClassification) -> None:
    model.conv_block.requires_grad_(False)
    assert count_parameters(model) == 16_050 + 510


def test_layers_and_the_shape_after_each(model: MNISTClassification) -> None:
    values, found = torch.zeros(3, 1, 28, 28), {"conv_block": [], "fc_block": []}
    for name, block in model.named_children():
        values = values.flatten(1) if name == "fc_block" else values
        for layer in block:
            values = layer(values)
            found[name].append((type(layer), tuple(values.shape[1:])))
    assert found == {"conv_block": CONV_SHAPES, "fc_block": FC_SHAPES}


def test_dropout_is_a_half_by_default_and_an_argument(model: MNISTClassification) -> None:
    assert (model.conv_block[4].p, model.fc_block[2].p) == (0.5, 0.5)
    other = MNISTClassification(conv_dropout=0.1, fc_dropout=0.2)
    assert (other.conv_block[4].p, other.fc_block[2].p) == (0.1, 0.2)


def test_outputs_are_logarithms_of_probabilities(model: MNISTClassification) -> None:
    log_probs = model(torch.randn(6, 1, 28, 28))
    assert log_probs.shape == (6, 10)
    torch.testing.assert_close(log_probs.exp().sum(dim=1), torch.ones(6))


def test_logits_may_be_negative(model: MNISTClassification) -> None:
    """A ReLU on the logits, a slip that lives in many copies of this network, would let none through."""
    model.eval()
    logits = model.fc_block(model.conv_block(torch.randn(20, 1, 28, 28)).flatten(1))
    assert (logits < 0).any()


def test_channels_last_images_give_the_same_answer(model: MNISTClassification) -> None:
    model.eval()
    images = torch.randn(4, 1, 28, 28)
    last = model.to(memory_format=torch.channels_last)(images.to(memory_format=torch.channels_last))
    model.to(memory_format=torch.contiguous_format)
    torch.testing.assert_close(last, model(images))


# --- batch normalization ---


@pytest.mark.parametrize(("size", "parameters"), [("small", 21_274), ("large", 298_602)])
def test_networks_with_batch_normalization(size: str, parameters: int) -> None:
    model = BatchNormNet(size)
    assert count_parameters(model) == parameters
    model.eval()
    log_probs = model(torch.randn(3, 1, 28, 28))
    assert log_probs.dtype == torch.float32
    torch.testing.assert_close(log_probs.exp().sum(dim=1), torch.ones(3))


@pytest.mark.parametrize("build", [MNISTClassification, BatchNormNet], ids=["course", "batch normalization"])
@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last], ids=str)
def test_networks_compute_in_sixteen_bits_and_answer_in_thirty_two(
    build: Callable[[], nn.Module], memory_format: torch.memory_format
) -> None:
    torch.manual_seed(0)
    model = build().eval()
    images = torch.randn(16, 1, 28, 28)
    exact = model(images)
    model = model.to(memory_format=memory_format)
    with torch.autocast("cpu", torch.bfloat16):
        coarse = model(images)
    assert coarse.dtype == torch.float32
    assert not torch.equal(coarse, exact)
    torch.testing.assert_close(coarse, exact, atol=0.1, rtol=0.1)
    torch.testing.assert_close(coarse.exp().sum(dim=1), torch.ones(16))  # in 16 bits it would be off by up to 1/256


# --- the baseline ---


def test_nearest_class_mean_by_hand() -> None:
    # Class 0: (0, 0) and (0, 2), mean (0, 1). Class 1: (4, 0) and (6, 0), mean (5, 0).
    points = torch.tensor([[0.0, 0], [4, 0], [0, 2], [6, 0]])
    baseline = NearestClassMean(points, torch.tensor([0, 1, 0, 1]), num_classes=2)
    assert baseline.means.tolist() == [[0, 1], [5, 0]]
    # (2, 0): √5 from class 0, 3 from class 1. (3, 3): √13 both ways would be a tie, so (3, 2): √10 and √8.
    # (5, 9): √89 and 9 = √81.
    assert baseline.predict(torch.tensor([[2.0, 0], [3, 2], [5, 9]])).tolist() == [0, 1, 1]


def test_nearest_class_mean_takes_images_of_any_shape() -> None:
    images = torch.arange(10.0).reshape(10, 1, 1, 1).repeat(2, 1, 28, 28)
    baseline = NearestClassMean(images, torch.arange(10).repeat(2))
    assert baseline.predict(images[:10] + 0.3).tolist() == list(range(10))
