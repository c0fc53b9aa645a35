"""Teach a network: one epoch, many epochs, and what it scores between them."""

import os
import sys
import time
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.utils.data import DataLoader
from torchmetrics.functional.classification import multiclass_accuracy, multiclass_f1_score
from tqdm.auto import tqdm

from helpers import parameters, paths

NUM_CLASSES = 10


def choose_device(name: str = "auto") -> torch.device:
    """Return the device to train on.

    Args:
        name: `cpu`, `cuda`, `mps`, or `auto` for the accelerator of this machine if there is one, else the CPU.

    Raises:
        ValueError: the name is unknown, or this machine has no such device.
    """
    parameters.check(device=name)
    found = torch.accelerator.current_accelerator(check_available=True)
    if name == "cpu" or (name == "auto" and found is None):
        return torch.device("cpu")
    if name != "auto" and (found is None or found.type != name):
        available = "cpu" if found is None else f"cpu or {found.type}"
        raise ValueError(f"device: '{name}' is not available on this machine; give {available}, or auto")
    return found


def is_watched() -> bool:
    """Tell whether somebody looks on: JupyterLab, VS Code, Colab or a terminal. A batch run has no use for a bar."""
    watched_kernel = any(name in os.environ for name in ("JPY_SESSION_NAME", "VSCODE_PID", "COLAB_RELEASE_TAG"))
    return watched_kernel or sys.stderr.isatty()


def progress_bar(batches: DataLoader, description: str) -> tqdm:
    """Wrap `batches` in a bar that vanishes at the end; silent where nobody looks on."""
    return tqdm(batches, desc=description, leave=False, disable=not is_watched())


def train_epoch(model: nn.Module, batches: DataLoader, optimizer: Optimizer, description: str = "training") -> float:
    """Go once over the training images, adjusting the weights after every batch.

    Args:
        model: changed in place; images (N, 1, 28, 28) to log-probabilities (N, 10).
        batches: yields images and labels on the model's device.
        optimizer: holds the model's parameters.
        description: stands beside the bar.

    Returns:
        Mean loss over the images, each taken at the moment the network met it (dropout on).
    """
    model.train()
    loss_sum, count = 0.0, 0
    for images, labels in progress_bar(batches, description):
        optimizer.zero_grad()
        loss = F.nll_loss(model(images), labels)
        loss.backward()
        optimizer.step()
        loss_sum += loss.detach() * len(labels)  # stays a tensor: .item() would make the device wait at every step
        count += len(labels)
    return float(loss_sum) / count


@torch.no_grad()
def predict(model: nn.Module, batches: DataLoader) -> tuple[Tensor, Tensor]:
    """Return log-probabilities float32 (N, 10) and labels int64 (N,) of all images, dropout off."""
    model.eval()
    outputs = [(model(images), labels) for images, labels in batches]
    return torch.cat([log_probs for log_probs, _ in outputs]), torch.cat([labels for _, labels in outputs])


def score(log_probs: Tensor, labels: Tensor) -> dict[str, float | int]:
    """Judge predictions.

    Args:
        log_probs: float32 (N, 10).
        labels: int64 (N,).

    Returns:
        `loss` (mean negative log-likelihood, in nats), `accuracy` and `f1` (0 to 1), `n` (images).
        The accuracy counts images (micro); F1 is the plain mean of the ten classes' F1 (macro).
    """
    predicted = log_probs.argmax(dim=1)
    return {
        "loss": F.nll_loss(log_probs, labels).item(),
        "accuracy": multiclass_accuracy(predicted, labels, NUM_CLASSES, average="micro").item(),
        "f1": multiclass_f1_score(predicted, labels, NUM_CLASSES, average="macro").item(),
        "n": len(labels),
    }


def fit(
    model: nn.Module, train_batches: DataLoader, val_batches: DataLoader, optimizer: Optimizer, epochs: int
) -> list[dict]:
    """Train for `epochs` passes over the training images, and validate after each.

    Args:
        model: changed in place.
        train_batches, val_batches: yield images and labels on the model's device.
        optimizer: holds the model's parameters.
        epochs: at least 1.

    Returns:
        The history, one entry an epoch: `epoch` (from 1), `train_loss`, `val_loss`, `val_f1`, `val_accuracy`,
        `seconds` (training and validation together).

    Raises:
        ValueError: `epochs` is not a whole number of at least 1.
    """
    parameters.check(epochs=epochs)
    history = []
    for epoch in range(1, epochs + 1):
        start = time.perf_counter()
        train_loss = train_epoch(model, train_batches, optimizer, f"epoch {epoch}/{epochs}")
        val = score(*predict(model, val_batches))
        entry = {
            "epoch": epoch,
            "train_loss": train_loss,
            "val_loss": val["loss"],
            "val_f1": val["f1"],
            "val_accuracy": val["accuracy"],
            "seconds": time.perf_counter() - start,
        }
        history.append(entry)
        print(describe(entry, epochs))
    return history


def describe(entry: dict, epochs: int) -> str:
    """Return one history entry as a line to print."""
    return (
        f"epoch {entry['epoch']:2d}/{epochs}   train loss {entry['train_loss']:.4f}   val loss {entry['val_loss']:.4f}"
        f"   val F1 {entry['val_f1']:.4f}   val accuracy {entry['val_accuracy']:.4f}   {entry['seconds']:4.1f} s"
    )


def save_weights(model: nn.Module, path: str | Path) -> Path:
    """Write the model's weights to `path` (a relative one starts at the course's root), whole or not at all."""
    path = paths.from_root(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(path.name + ".part")
    torch.save(model.state_dict(), temporary)
    os.replace(temporary, path)
    return path


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Fill `model` with weights from `path`; nothing in the file is ever run as code (`weights_only`)."""
    model.load_state_dict(torch.load(paths.from_root(path), map_location="cpu", weights_only=True))
