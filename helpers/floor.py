"""The floor under the time of an epoch: the arithmetic that training can't avoid, at this machine's best rate."""

import time

import torch
from torch import nn

from helpers.timing import wait_for

IMAGE = (1, 28, 28)  # channels, height, width
SIZE = 2048  # rows and columns of the matrices: large enough for full speed, 50 MB for three of them


def layer_operations(model: nn.Module, image: tuple[int, int, int] = IMAGE) -> list[dict[str, object]]:
    """Count the floating point operations of each convolution and linear layer for one image.

    Every number that comes out is a sum of products, so each product counts two operations, `*` and `+`. Backward, the
    layer does such work twice: for the gradient of its weights, and for that of its input. The first layer's input are
    the images, which need no gradient. Everything else (ReLU, pooling, …) is little beside it and isn't counted.

    Args:
        model: changed neither in its weights nor in its mode; on any device.
        image: channels, height and width.

    Returns:
        One entry a layer, in the order of computation: `layer` (its name), `forward` and `backward` (operations).
    """
    rows: list[dict[str, object]] = []

    def count(layer: nn.Module, output: torch.Tensor, name: str) -> None:
        products = layer.weight[0].numel() * output[0].numel()  # for each number that comes out, one row of weights
        rows.append({"layer": name, "forward": 2 * products, "backward": (4 if rows else 2) * products})

    layers = {name: part for name, part in model.named_modules() if isinstance(part, nn.Conv2d | nn.Linear)}
    handles = [
        layer.register_forward_hook(lambda part, _, output, name=name: count(part, output, name))
        for name, layer in layers.items()
    ]
    training = model.training
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, *image, device=next(model.parameters()).device))  # eval: draws no dropout
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    return rows


def training_operations(model: nn.Module, image: tuple[int, int, int] = IMAGE) -> int:
    """Return the floating point operations to learn from one image, forward and backward."""
    return sum(row["forward"] + row["backward"] for row in layer_operations(model, image))


def matrix_rate(device: torch.device | str = "cpu", repeats: int = 10) -> float:
    """Return the best rate of float32 matrix products measured here, in floating point operations a second.

    Takes PyTorch's settings as they are. On recent GPUs convolutions may use a shorter format (TF32) that matrix
    products by default don't, so there it is no strict floor.

    Args:
        device: where to measure.
        repeats: the best of so many counts, since whatever else the machine does only slows it down.
    """
    device = torch.device(device)
    generator = torch.Generator().manual_seed(0)  # not the global one: to measure should change nothing
    one, other = (torch.rand(SIZE, SIZE, generator=generator).to(device) for _ in range(2))
    product = one @ other  # the first takes longer
    best = float("inf")
    for _ in range(repeats):
        wait_for(device)
        start = time.perf_counter()
        torch.matmul(one, other, out=product)
        wait_for(device)
        best = min(best, time.perf_counter() - start)
    return 2 * SIZE**3 / best
