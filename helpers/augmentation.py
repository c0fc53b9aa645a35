"""Augmentation: show the network every image a little shifted, turned and resized, another way each time."""

import torch
from torch import Tensor
from torch.nn import functional as F


def jitter(images: Tensor, shift: float, rotation: float, scaling: float) -> Tensor:
    """Move each image of a batch by random amounts of its own, drawn evenly from PyTorch's global generator.

    Args:
        images: float32 (N, 1, S, S).
        shift: pixels; each image moves by up to so many to the left or right, and up or down.
        rotation: degrees; each turns by up to so many, either way.
        scaling: share; each becomes larger or smaller by up to this share, 0.1 for ±10 %.

    Returns:
        float32 (N, 1, S, S), the same images moved.
    """

    def draw(limit: float) -> Tensor:
        return limit * (2 * torch.rand(len(images), device=images.device) - 1)

    return move(images, right=draw(shift), down=draw(shift), degrees=draw(rotation), size=1 + draw(scaling))


def move(images: Tensor, right: Tensor, down: Tensor, degrees: Tensor, size: Tensor) -> Tensor:
    """Resize each image about its centre, turn it, then shift it: all images in one step.

    Between pixels it interpolates; what comes in at an edge is a copy of the edge, paper in MNIST.

    Args:
        images: float32 (N, 1, S, S).
        right, down: pixels, (N,).
        degrees: clockwise, (N,).
        size: 1 leaves it, 2 doubles it, (N,).

    Returns:
        float32 (N, 1, S, S).
    """
    # We ask for every new pixel where it came from. That is the movement backwards: minus the shift first, then the
    # rotation the other way round and divided by the size. Places count from -1 at one edge to 1 at the other.
    angle = torch.deg2rad(degrees)
    cos, sin = torch.cos(angle) / size, torch.sin(angle) / size
    back = torch.stack([cos, sin, -sin, cos], dim=1).reshape(-1, 2, 2)  # (N, 2, 2)
    shift = torch.stack([right, down], dim=1) * 2 / images.shape[-1]  # (N, 2)
    theta = torch.cat([back, -back @ shift.unsqueeze(2)], dim=2)  # (N, 2, 3)
    places = F.affine_grid(theta, images.shape, align_corners=False)  # (N, S, S, 2)
    return F.grid_sample(images, places, padding_mode="border", align_corners=False)
