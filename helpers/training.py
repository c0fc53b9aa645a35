"""Teach a network: one epoch, many epochs, and what it scores between them."""

import math
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from helpers import settings
from helpers.bars import progress_bar
from helpers.checkpoint import (
    TrainingError,
    TrainingState,
    TrainingStopped,
    batch_size,
    load_checkpoint,
    reserve,
    save_checkpoint,
    save_epoch,
    where_it_is,
)

NUM_CLASSES = 10
CHECK_EACH_STEP = ("cpu",)  # an accelerator would have to be waited for; there the loss is checked once per epoch


def choose_device(name: str = "auto") -> torch.device:
    """Return the device to train on.

    Args:
        name: `cpu`, `cuda`, `mps`, or `auto` for the accelerator of this machine if there is one, else the CPU.

    Raises:
        ValueError: the name is unknown, or this machine has no such device.
    """
    settings.check(device=name)
    found = torch.accelerator.current_accelerator(check_available=True)
    if name == "cpu" or (name == "auto" and found is None):
        return torch.device("cpu")
    if found is None or name not in ("auto", found.type):
        available = "cpu" if found is None else f"cpu or {found.type}"
        raise ValueError(f"device: '{name}' is not available on this machine; give {available}, or auto")
    return found


def train_epoch(
    model: nn.Module,
    batches: DataLoader,
    optimizer: Optimizer,
    description: str = "training",
    scheduler: LRScheduler | None = None,
    bfloat16: bool = False,
    loss_function: Callable[[Tensor, Tensor], Tensor] = F.nll_loss,
) -> float:
    """Go once over the training images, adjusting the weights after every batch.

    Args:
        model: changed in place; images (N, 1, 28, 28) to log-probabilities (N, 10).
        batches: yields images and labels on the model's device.
        optimizer: holds the model's parameters.
        description: shown beside the bar, and named in an error.
        scheduler: changes the learning rate after each step.
        bfloat16: compute the layers in 16 bits, where PyTorch holds that to be safe; weights stay float32.
        loss_function: of log-probabilities (N, 10) and labels (N,), the mean over a batch.

    Returns:
        Mean loss over the images, each measured in training mode just before the step it contributes to.

    Raises:
        TrainingError: the loss is no longer a finite number; the message names the first such step.
    """
    model.train()
    loss_sum: Tensor | float = 0.0
    count, losses = 0, []
    with progress_bar(batches, description) as bar:  # closed also when training is interrupted
        for step, (images, labels) in enumerate(bar, start=1):
            optimizer.zero_grad()
            with torch.autocast(images.device.type, torch.bfloat16, enabled=bfloat16):
                log_probs = model(images)
            loss = loss_function(log_probs, labels)
            losses.append(loss.detach())
            loss_sum += losses[-1] * len(labels)  # stays a tensor: .item() would make the device wait at every step
            count += len(labels)
            check = loss.device.type in CHECK_EACH_STEP or step == len(batches)
            if check and not math.isfinite(loss_sum):  # one bad loss has spoilt the sum; which one was it?
                bad = next((number for number, loss in enumerate(losses, start=1) if not math.isfinite(loss)), step)
                raise loss_not_finite(f"{description}, step {bad}: the loss", losses[bad - 1], optimizer)
            loss.backward()
            optimizer.step()
            if scheduler is not None:
                scheduler.step()
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
        F1 is the plain mean of the classes' F1 (macro), without classes that are neither there nor predicted. It is
        torchmetrics' to the last digit; importing that takes each process longer than importing PyTorch.
    """
    predicted = log_probs.argmax(dim=1)
    hits = labels[predicted == labels].bincount(minlength=NUM_CLASSES)
    counted = predicted.bincount(minlength=NUM_CLASSES) + labels.bincount(minlength=NUM_CLASSES)
    f1 = (2 * hits / counted)[counted > 0]
    return {
        "loss": F.nll_loss(log_probs, labels).item(),
        "accuracy": (predicted == labels).sum().item() / len(labels),
        "f1": (f1 / len(f1)).sum().item(),
        "n": len(labels),
    }


def fit(
    model: nn.Module,
    train_batches: DataLoader,
    val_batches: DataLoader,
    optimizer: Optimizer,
    epochs: int,
    *,
    scheduler: LRScheduler | None = None,
    each_step: bool = False,
    bfloat16: bool = False,
    loss_function: Callable[[Tensor, Tensor], Tensor] = F.nll_loss,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    config: dict | None = None,
    epoch_weights: str | Path | None = None,
) -> list[dict]:
    """Train for `epochs` passes over the training images, and validate after each.

    Ctrl-C and a notebook's stop button drop the epoch that is running: model, optimizer and random numbers go back to
    the end of the last one. Then `fit` raises, since the cells that follow would go on with a half-trained network.

    Args:
        model: changed in place; in evaluation mode afterwards.
        train_batches, val_batches: yield images and labels on the model's device.
        optimizer: holds the model's parameters.
        epochs: at least 1.
        scheduler: changes the learning rate after each epoch; its `step()` takes no arguments.
        each_step: call the scheduler after each batch instead, as one-cycle schedules need.
        bfloat16, loss_function: as for `train_epoch`; validation is in float32, and its loss that of `score`.
        checkpoint: file to write after each epoch; a relative path starts at the course's root.
        resume: continue from `checkpoint`, to the same weights, bit for bit, as a run without a break; start from the
            beginning if there is none.
        config: settings that the checkpoint should remember, such as `dataset` and `seed`; a resumed run must have
            the same, except for those in `checkpoint.IGNORED_SETTINGS`, such as `epochs`.
        epoch_weights: folder for the weights before training and after each epoch, `00.safetensors`, `01.safetensors`,
            …, to watch a network learn; a relative path starts at the course's root.

    Returns:
        The history, one entry per epoch: `epoch` (from 1), `train_loss`, `val_loss`, `val_f1`, `val_accuracy`,
        `seconds` (training and validation together).

    Raises:
        ValueError: `epochs` breaks its rule, or the checkpoint can't be used, isn't this run's, or another process
            trains into it.
        TrainingError: the loss is NaN or infinite, the memory is full, or a file can't be written; the model is
            as after its last finished epoch, and the error's `history` ends there.
        TrainingStopped: (a KeyboardInterrupt) somebody stopped it; has `history` too, and says how to continue.
    """
    settings.check(epochs=epochs)
    if resume and checkpoint is None:
        raise ValueError("resume: needs a checkpoint; give checkpoint='runs/latest/checkpoint.pt', say")
    run = TrainingState(model, optimizer, scheduler, train_batches, val_batches)
    path, identity, reserved = None, {}, ExitStack()
    if checkpoint is not None:
        path, identity = settings.from_root(checkpoint), run.identity(config)
    state = run.state(history=[])  # where to go back to; replaced after each epoch
    try:
        if path is not None:
            reserve(path, reserved)
        if resume and path is not None and path.exists():
            state = load_checkpoint(path, identity, run, epochs)
            print(f"{settings.shown(path)}: {len(state['history'])} of {epochs} epochs are done")
        if epoch_weights is not None and not state["history"]:
            save_epoch(model, epoch_weights, [])
        for epoch in range(len(state["history"]) + 1, epochs + 1):
            start, name = time.perf_counter(), f"epoch {epoch}/{epochs}"
            each_batch = scheduler if each_step else None
            try:
                train_loss = train_epoch(model, train_batches, optimizer, name, each_batch, bfloat16, loss_function)
                val = score(*predict(model, val_batches))
                if not math.isfinite(val["loss"]):
                    raise loss_not_finite(f"{name}: the validation loss", val["loss"], optimizer)
                if scheduler is not None and not each_step:
                    scheduler.step()
                scores = {"train_loss": train_loss} | {f"val_{key}": val[key] for key in ("loss", "f1", "accuracy")}
                entry = {"epoch": epoch, **scores, "seconds": time.perf_counter() - start}
                state = run.state([*state["history"], entry])
            except RuntimeError as error:
                run.restore(state)
                raise explain(error, run, state["history"]) from None
            if epoch_weights is not None:  # before the checkpoint, so that a resumed run lacks none
                save_epoch(model, epoch_weights, state["history"])
            if path is not None:
                save_checkpoint(path, identity, state)
            print(describe(entry, epochs))
    except KeyboardInterrupt:
        run.restore(state)
        if path is not None and state["history"]:
            save_checkpoint(path, identity, state)  # the key may have been pressed in the middle of saving
        raise TrainingStopped(how_to_continue(state["history"], epochs, path), state["history"]) from None
    finally:
        reserved.close()
    return state["history"]


def describe(entry: dict, epochs: int) -> str:
    """Return one history entry as a line to print."""
    return (
        f"epoch {entry['epoch']:2d}/{epochs}   train loss {entry['train_loss']:.4f}   val loss {entry['val_loss']:.4f}"
        f"   val F1 {entry['val_f1']:.4f}   val accuracy {entry['val_accuracy']:.4f}   {entry['seconds']:4.1f} s"
    )


def loss_not_finite(what: str, loss: Tensor | float, optimizer: Optimizer) -> TrainingError:
    """Return the error for a loss that is NaN or infinite."""
    rate = float(optimizer.param_groups[0]["lr"])
    advice = f"try {rate / 10:g}, or look for NaN in the images"
    return TrainingError(f"{what} is {float(loss)} at a learning rate of {rate:g}; {advice}")


def explain(error: RuntimeError, run: TrainingState, history: list[dict]) -> RuntimeError:
    """Return the error with what a learner can do about it; one that isn't known stays as it is."""
    if isinstance(error, torch.OutOfMemoryError) or "out of memory" in str(error):  # Apple's is a plain RuntimeError
        size, val_size = batch_size(run.train_batches), batch_size(run.val_batches)
        advice = "set a smaller batch_size" + ("" if run.device.type == "cpu" else ", or device='cpu'")
        batches = f"batches of {size} images ({val_size} in validation)"
        error = TrainingError(f"{run.device.type} is out of memory with {batches}; {advice}")
    return TrainingError(str(error), history) if isinstance(error, TrainingError) else error


def how_to_continue(history: list[dict], epochs: int, path: Path | None) -> str:
    """Return the line that follows an interruption."""
    done = len(history)
    if done == epochs:
        return f"Stopped after epoch {done}/{epochs}, the last one; there is nothing left to do."
    if not history:
        advice = "call fit again to begin anew"
    elif path is None:
        advice = f"to continue, call fit with the same objects and epochs={epochs - done}"
    else:
        advice = f"to continue from {settings.shown(path)}, call fit again with resume=True"
    return f"Stopped in epoch {done + 1}/{epochs}; {where_it_is(history)}; {advice}."
