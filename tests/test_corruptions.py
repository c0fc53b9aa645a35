"""Corruptions: each changes the images it is given, in the same way for every network, and stays within gray values."""

import pytest
import torch
from torch import Tensor, nn

from helpers.corruptions import CORRUPTIONS, corrupt, uphill


@pytest.fixture
def pixels() -> Tensor:
    """Six images with a block of ink where digits are, float32 (6, 1, 28, 28)."""
    images = torch.zeros(6, 1, 28, 28)
    images[:, :, 6:22, 9:19] = 0.9
    return images


def center(images: Tensor) -> Tensor:
    """Return the mean row and column of the ink of each image, (N, 2)."""
    rows, columns = images.sum((1, 3)), images.sum((1, 2))
    places = torch.arange(28.0)
    return torch.stack([rows @ places / rows.sum(1), columns @ places / columns.sum(1)], 1)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_every_image_is_changed_and_stays_an_image(name: str, pixels: Tensor) -> None:
    before = pixels.clone()
    after = corrupt(pixels, name)
    assert (after.shape, after.dtype) == (pixels.shape, torch.float32)
    assert after.min() >= 0
    assert after.max() <= 1
    assert (after != pixels).flatten(1).any(dim=1).all()
    assert torch.equal(pixels, before)


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_the_seed_decides_and_nothing_else_does(name: str, pixels: Tensor) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    once = corrupt(pixels, name, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(5)
    assert torch.equal(corrupt(pixels, name, seed=3), once)


def test_a_shift_is_three_pixels_both_ways(pixels: Tensor) -> None:
    moved = center(corrupt(pixels.repeat(10, 1, 1, 1), "shift")) - center(pixels)[0]
    assert torch.allclose(moved.abs(), torch.tensor(3.0), atol=1e-3)
    assert len({tuple(row) for row in moved.sign().tolist()}) == 4


def test_what_keeps_the_place_of_the_ink(pixels: Tensor) -> None:
    for name in ("rotation", "shrinking", "shear", "blur"):
        assert torch.allclose(center(corrupt(pixels, name)), center(pixels), atol=0.6), name
    assert corrupt(pixels, "shrinking").sum() == pytest.approx(0.65**2 * pixels.sum().item(), rel=0.1)


def test_a_hole_takes_a_square_of_ink_and_no_more(pixels: Tensor) -> None:
    torn = (corrupt(torch.ones_like(pixels), "hole") == 0).flatten(1).sum(dim=1)
    assert torn.tolist() == [36] * 6


def test_uphill_of_two_pixels_by_hand(pixels: Tensor) -> None:
    # The first pixel speaks for class 0, the second against it, the others say nothing.
    layer = nn.Linear(784, 2)
    layer.weight.data.zero_()
    layer.weight.data[0, :2] = torch.tensor([1.0, -1.0])
    network = nn.Sequential(nn.Flatten(), layer, nn.LogSoftmax(dim=1))
    signs = uphill(network, pixels[:2], torch.tensor([0, 1])).flatten(1)
    assert signs[:, :2].tolist() == [[-1, 1], [1, -1]]
    assert not signs[:, 2:].any()
    assert layer.weight.grad is None
    assert not pixels.requires_grad
    many = uphill(network, pixels[:2].repeat(1001, 1, 1, 1), torch.tensor([0, 1]).repeat(1001)).flatten(1)
    assert torch.equal(many, signs.repeat(1001, 1))
