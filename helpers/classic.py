"""The classic loop, as tutorials write it with torchvision: what the course's way is held against."""

import os
import struct
import tempfile
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms
from tqdm import tqdm

from helpers import data


def training_images(dataset: data.Dataset, val_size: int | None, seed: int, mean: float, std: float) -> Subset:
    """Return the training images of the course's split, as torchvision hands them out: one at a time.

    The class is `torchvision.datasets.MNIST` itself. It reads files in MNIST's format, so we write those, into a
    temporary folder; that way it takes the embedded digits too. It holds the grey values in memory; for each image that
    is asked for it makes a PIL image, then a tensor, and normalises that.

    Args:
        dataset, val_size, seed: as for `data.split`.
        mean, std: of the pixels on the scale 0 to 1.

    Returns:
        Pairs of an image float32 (1, 28, 28) and a label, an integer from 0 to 9; the order is that of `data.split`.
    """
    steps = transforms.Compose([transforms.ToTensor(), transforms.Normalize((mean,), (std,))])
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "MNIST", "raw")
        raw.mkdir(parents=True)
        _write_idx(raw / "train-images-idx3-ubyte", dataset.train_images)
        _write_idx(raw / "train-labels-idx1-ubyte", dataset.train_labels)
        _write_idx(raw / "t10k-images-idx3-ubyte", dataset.test_images)
        _write_idx(raw / "t10k-labels-idx1-ubyte", dataset.test_labels)
        images = datasets.MNIST(folder, train=True, transform=steps)
    numbered = replace(dataset, train_labels=torch.arange(len(dataset.train_labels)))  # split these: who went where?
    train, _ = data.split(numbered, val_size, seed)
    return Subset(images, train.tensors[1].tolist())


def _write_idx(path: Path, numbers: Tensor) -> None:
    """Write integers from 0 to 255 in the format that `data.read_idx` explains, unpacked."""
    header = struct.pack(f">BBBB{numbers.ndim}i", 0, 0, 8, numbers.ndim, *numbers.shape)
    path.write_bytes(header + numbers.to(torch.uint8).numpy().tobytes())


def train_epoch(model: nn.Module, batches: DataLoader, optimizer: Optimizer) -> float:
    """Go once over the training images, with a look at the loss after every step; return its mean.

    The bar is written to nowhere, so that it costs the same wherever this runs; on a screen it costs more.

    Args:
        model: changed in place.
        batches: yields images and labels in the processor's memory; each batch is copied to the model's device.
        optimizer: holds the model's parameters.
    """
    device = next(model.parameters()).device
    model.train()
    loss_sum = 0.0
    with open(os.devnull, "w") as nowhere, tqdm(batches, "classic loop", file=nowhere) as bar:
        for images, labels in bar:
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = F.nll_loss(model(images), labels)
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(labels)  # waits for the device
            bar.set_postfix(loss=loss.item())
    return loss_sum / len(batches.dataset)
