"""Augmentation: a batch moved at once, against torchvision's transform of one image at a time."""

import pytest
import torch
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from helpers import data, recipes


@pytest.fixture(scope="module")
def images(digits: data.Dataset) -> torch.Tensor:
    return data.normalise(digits.train_images[:64], 0.13, 0.31)


def numbers(count: int, low: float, high: float, seed: int) -> torch.Tensor:
    return low + (high - low) * torch.rand(count, generator=torch.Generator().manual_seed(seed))


def test_a_batch_is_moved_as_torchvision_moves_single_images(images: torch.Tensor) -> None:
    right, down = numbers(64, -3, 3, seed=1), numbers(64, -3, 3, seed=2)
    degrees, size = numbers(64, -30, 30, seed=3), numbers(64, 0.8, 1.2, seed=4)
    images = images - images.min()  # paper is 0: torchvision blends any other filling into the edge twice
    moved = recipes.affine(images, right, down, degrees, size)
    for number in range(64):
        single = functional.affine(
            images[number],
            angle=degrees[number].item(),
            translate=[right[number].item(), down[number].item()],
            scale=size[number].item(),
            shear=[0.0, 0.0],
            interpolation=InterpolationMode.BILINEAR,
        )
        torch.testing.assert_close(moved[number], single, atol=1e-4, rtol=0)


def test_whole_pixels_move_exactly() -> None:
    images = torch.zeros(2, 1, 28, 28)
    images[:, 0, 10, 12] = 1.0
    none, one = torch.zeros(2), torch.ones(2)
    moved = recipes.affine(images, right=3 * one, down=-2 * one, degrees=none, size=one)
    assert moved[0, 0, 8, 15].item() == pytest.approx(1, abs=1e-4)
    assert moved.sum().item() == pytest.approx(2, abs=1e-3)


def test_clockwise_is_clockwise() -> None:
    images = torch.zeros(1, 1, 28, 28)
    images[0, 0, 4, 13:15] = 1.0  # at twelve o'clock
    turned = recipes.affine(images, torch.zeros(1), torch.zeros(1), torch.tensor([90.0]), torch.ones(1))
    assert turned[0, 0, 13:15, 23].sum().item() == pytest.approx(2, abs=1e-3)  # at three o'clock


def test_nothing_moves_by_nothing(images: torch.Tensor) -> None:
    torch.testing.assert_close(recipes.random_affine(images, 0, 0, 0), images, atol=1e-4, rtol=0)


def test_every_image_moves_its_own_way_and_the_seed_repeats_it(images: torch.Tensor) -> None:
    same = images[:1].expand(64, -1, -1, -1)
    torch.manual_seed(0)
    moved = recipes.random_affine(same, 2, 10, 0.1)
    assert len({image.numpy().tobytes() for image in moved}) == 64
    torch.manual_seed(0)
    assert torch.equal(recipes.random_affine(same, 2, 10, 0.1), moved)


def test_shifts_fill_their_range_and_stay_in_it() -> None:
    torch.manual_seed(0)
    dots = torch.zeros(2000, 1, 28, 28)
    dots[:, 0, 13:15, 13:15] = 1.0  # its middle lies at (14, 14)
    moved = recipes.random_affine(dots, 3, 0, 0)
    places = torch.arange(28) + 0.5
    across = (moved.sum(dim=(1, 2)) * places).sum(dim=1) / moved.sum(dim=(1, 2, 3)) - 14
    down = (moved.sum(dim=(1, 3)) * places).sum(dim=1) / moved.sum(dim=(1, 2, 3)) - 14
    for shift in (across, down):
        assert -3.01 < shift.min() < -2.9
        assert 2.9 < shift.max() < 3.01
        assert abs(shift.mean()) < 0.15
    assert abs(torch.corrcoef(torch.stack([across, down]))[0, 1]) < 0.1


def test_what_comes_in_at_the_edge_is_paper(images: torch.Tensor) -> None:
    shifted = recipes.affine(images, torch.full((64,), 5.0), torch.zeros(64), torch.zeros(64), torch.ones(64))
    assert torch.allclose(shifted[..., :4], images.min())
