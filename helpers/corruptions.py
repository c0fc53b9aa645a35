"""A dozen corruptions in the manner of MNIST-C (arXiv 1906.02337): what pens, paper, cameras and scanners may do.

How strong each of them is, we chose by eye. So compare networks under one corruption, not one corruption with another.
"""

from collections.abc import Callable

import torch
from torch import Generator, Tensor, nn
from torch.nn import functional as F
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional as v2

from helpers.recipes import affine


def corrupt(pixels: Tensor, name: str, seed: int = 0) -> Tensor:
    """Corrupt images; the same `seed` gives the same images on every machine and for every network.

    Args:
        pixels: float32 (N, 1, 28, 28), 0 is paper and 1 is ink.
        name: one of `CORRUPTIONS`.
        seed: of everything random.

    Returns:
        float32 (N, 1, 28, 28), 0 to 1; `pixels` is left as it was.
    """
    generator = torch.Generator().manual_seed(seed)
    return CORRUPTIONS[name](pixels.cpu(), generator).clamp(0, 1).to(pixels.device)


def move(
    pixels: Tensor,
    right: Tensor | float = 0,
    down: Tensor | float = 0,
    degrees: Tensor | float = 0,
    size: Tensor | float = 1,
) -> Tensor:
    """Resize, turn and shift all images by the same numbers, or each by its own (N,); see `recipes.affine`."""
    zeros = torch.zeros(len(pixels), device=pixels.device)
    return affine(pixels, zeros + right, zeros + down, zeros + degrees, zeros + size)


def signs(pixels: Tensor, generator: Generator) -> Tensor:
    """Draw −1 or 1 for each image, float32 (N,)."""
    return 2.0 * torch.randint(2, (len(pixels),), generator=generator) - 1


def clouds(pixels: Tensor, generator: Generator) -> Tensor:
    """Draw smooth patches of gray, 4 × 4 of them in each image, of the same shape as `pixels`, 0 to 1."""
    patches = torch.rand(len(pixels), 1, 4, 4, generator=generator)
    return F.interpolate(patches, size=pixels.shape[2:], mode="bilinear", align_corners=False)


def hole(pixels: Tensor, generator: Generator, size: int = 6) -> Tensor:
    """Tear a square of `size` pixels out of the middle of each image, within the 20 × 20 where the digit is."""
    first = torch.randint(4, 25 - size, (2, len(pixels), 1), generator=generator)  # row, column
    inside = (torch.arange(28) >= first) & (torch.arange(28) < first + size)  # (2, N, 28)
    return pixels.masked_fill((inside[0].unsqueeze(2) & inside[1].unsqueeze(1)).unsqueeze(1), 0)


def uphill(network: nn.Module, pixels: Tensor, labels: Tensor) -> Tensor:
    """Return the direction in which each pixel makes the loss grow; nothing is left in any `.grad`.

    Args:
        network: takes `pixels` and answers with log-probabilities (N, 10).
        pixels: float32 (N, 1, 28, 28), 0 is paper and 1 is ink.
        labels: int64 (N,).

    Returns:
        float32 (N, 1, 28, 28): the sign of the loss's gradient, −1, 0 or 1.
    """
    directions = []
    for images, classes in zip(pixels.detach().split(1000), labels.split(1000), strict=True):  # takes less memory
        loss = F.nll_loss(network(images.requires_grad_()), classes)
        directions.append(torch.autograd.grad(loss, images)[0].sign())
    return torch.cat(directions)


LINES = (torch.arange(28) % 7 == 3).float().reshape(28, 1)  # four of them, one pixel wide
BILINEAR = InterpolationMode.BILINEAR
CORRUPTIONS: dict[str, Callable[[Tensor, Generator], Tensor]] = {
    "shift": lambda pixels, draw: move(pixels, 3 * signs(pixels, draw), 3 * signs(pixels, draw)),
    "rotation": lambda pixels, draw: move(pixels, degrees=25 * signs(pixels, draw)),
    "shrinking": lambda pixels, _: move(pixels, size=0.65),
    "shear": lambda pixels, _: v2.affine(pixels, 0.0, [0, 0], 1.0, [20.0], interpolation=BILINEAR),
    "blur": lambda pixels, _: v2.gaussian_blur(pixels, [9, 9], [2.0, 2.0]),
    "noise": lambda pixels, draw: pixels + 0.5 * torch.randn(pixels.shape, generator=draw),
    "specks": lambda pixels, draw: torch.where(torch.rand(pixels.shape, generator=draw) < 0.1, 1 - pixels, pixels),
    "faint ink": lambda pixels, _: 0.3 * pixels,
    "gray paper": lambda pixels, _: 0.4 + 0.6 * pixels,
    "fog": lambda pixels, draw: 0.4 * pixels + 0.6 * clouds(pixels, draw),
    "ruled paper": lambda pixels, _: torch.maximum(pixels, 0.7 * LINES),
    "hole": hole,
}
