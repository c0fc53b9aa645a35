"""Checkpoints: everything a training run needs to go on later as if it had never stopped, in one file."""

import copy
import os
import pickle
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from helpers import settings


def atomic_save(content: object, path: Path) -> None:
    """Save `content` under `path` whole or not at all, whatever happens meanwhile: what was there stays until then.

    Raises:
        OSError: the file can't be written.
    """
    temporary = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.save(content, temporary)
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())  # on the disk, not only on its way there
        os.replace(temporary, path)  # the one moment in which the new takes the place of the old
    except (OSError, RuntimeError) as error:  # torch reports a full disk as a RuntimeError
        raise OSError(f"{settings.shown(path)}: can't be written ({error}); what was there before still is") from None
    finally:
        temporary.unlink(missing_ok=True)


def make_ready(path: Path) -> None:
    """Remove what a killed run left beside `path`, and make sure that files can be written there.

    Raises:
        ValueError: they can't.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _temporary(path).touch()
        _temporary(path).unlink()
    except OSError as error:
        raise ValueError(f"checkpoint: {settings.shown(path)} can't be written ({error.strerror})") from None
    if path.is_dir():
        raise ValueError(f"checkpoint: {settings.shown(path)} is a folder; give the name of a file")


def _temporary(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def safe_load(path: Path) -> object:
    """Read what `torch.save` wrote: tensors and plain values. Nothing in the file is ever run as code.

    Raises:
        ValueError: the file is missing, damaged, or holds anything else; the message is one line.
    """
    name = settings.shown(path)
    try:
        with zipfile.ZipFile(path) as archive:  # a file of torch.save is a zip archive, with a checksum for each part
            if archive.testzip() is not None:
                raise zipfile.BadZipFile
        return torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ValueError(f"{name}: there is no such file") from None
    except OSError as error:
        raise ValueError(f"{name}: can't be read ({error.strerror})") from None
    except pickle.UnpicklingError:
        raise ValueError(
            f"{name}: refused, since it holds more than weights and plain values, and loading that could run its code"
        ) from None
    except Exception:  # damage has many names
        raise ValueError(f"{name}: damaged, cut short, or no file of torch.save; delete it or give another") from None


def first_difference(there: dict[str, str], here: dict[str, str]) -> str | None:
    """Compare a file with what is in memory: the first field that differs and both its values, or None."""
    for field in [*here, *there]:
        if there.get(field) != here.get(field):
            return f"{field} is {there.get(field, 'absent')} in the file and {here.get(field, 'absent')} here"
    return None


def shapes(tensors: dict) -> dict[str, str]:
    """Return the type and shape of each tensor in words; of anything else, the type."""
    return {
        f"shape of {name}": f"{value.dtype} {tuple(value.shape)}" if torch.is_tensor(value) else type(value).__name__
        for name, value in tensors.items()
    }


def save_weights(model: nn.Module, path: str | Path) -> Path:
    """Write the model's weights to `path` (a relative one starts at the course's root), whole or not at all."""
    path = settings.from_root(path)
    atomic_save(model.state_dict(), path)
    return path


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Fill `model` with weights from `path`; nothing in the file is ever run as code.

    Raises:
        ValueError: the file is missing, damaged or suspicious, or its weights are another network's.
    """
    path = settings.from_root(path)
    weights = safe_load(path)
    found = shapes(weights) if isinstance(weights, dict) else {}
    difference = first_difference(found, shapes(model.state_dict()))
    if difference:
        raise ValueError(f"{settings.shown(path)}: holds no weights of this network: {difference}")
    model.load_state_dict(weights)


IGNORED_SETTINGS = {"epochs", "resume", "device", "data_dir", "run_dir", "images_dir"}  # not compared
MOVING = {"last_epoch", "T_cur", "T_i"}  # what a schedule counts; the rest of it stays the same


def _batch_sampler(batches: DataLoader) -> object:
    """Return what makes up the batches; `make_batches` hands it over as `sampler`, others as `batch_sampler`."""
    batch_sampler = getattr(batches, "batch_sampler", None)
    return getattr(batches, "sampler", None) if batch_sampler is None else batch_sampler


def batch_size(batches: DataLoader) -> int | None:
    """Return how many images a batch holds; None if the batches don't tell."""
    return getattr(_batch_sampler(batches), "batch_size", None)


def _order(batches: DataLoader) -> torch.Generator | None:
    """Return the generator from which each epoch's order is drawn; None if the order never changes."""
    return getattr(getattr(_batch_sampler(batches), "sampler", None), "generator", None)


def _images(batches: DataLoader) -> str:
    """Return the number of images, and a checksum of all pixels and labels: equal only for equal sets."""
    checksum = 0
    for tensor in getattr(batches.dataset, "tensors", ()):
        checksum = zlib.crc32(tensor.cpu().contiguous().numpy(), checksum)
    return f"{len(batches.dataset)} (checksum {checksum:08x})"


@dataclass(frozen=True)
class TrainingState:
    """What training changes, and what it draws from: the arguments of `training.fit`."""

    model: nn.Module
    optimizer: Optimizer
    scheduler: LRScheduler | None
    train_batches: DataLoader
    val_batches: DataLoader

    @property
    def device(self) -> torch.device:
        """The device of the model."""
        return next(self.model.parameters()).device

    def state(self, history: list[dict]) -> dict:
        """Return a copy of everything that decides how training goes on, with the history so far."""
        random = {"cpu": torch.get_rng_state()}  # dropout draws from it, on an accelerator from the accelerator's own
        if self.device.type != "cpu":
            random[self.device.type] = torch.get_device_module(self.device).get_rng_state()
        return {
            "model": copy.deepcopy(self.model.state_dict()),
            "optimizer": copy.deepcopy(self.optimizer.state_dict()),  # Adam remembers two numbers for each parameter
            "scheduler": None if self.scheduler is None else copy.deepcopy(self.scheduler.state_dict()),
            "random": random,
            "orders": [order.get_state() for order in self._orders()],
            "history": history,
        }

    def restore(self, state: dict) -> None:
        """Put everything back to where it was at `state`; the model ends in evaluation mode, as after an epoch."""
        state = copy.deepcopy(state)  # the optimizer goes on working in the very tensors that it is given
        self.model.load_state_dict(state["model"])
        self.model.eval()
        self.optimizer.load_state_dict(state["optimizer"])
        if self.scheduler is not None:
            self.scheduler.load_state_dict(state["scheduler"])
        torch.set_rng_state(state["random"]["cpu"])
        if self.device.type != "cpu":
            torch.get_device_module(self.device).set_rng_state(state["random"][self.device.type])
        for order, saved in zip(self._orders(), state["orders"], strict=True):
            order.set_state(saved)

    def _orders(self) -> list[torch.Generator]:
        orders = (_order(self.train_batches), _order(self.val_batches))
        return [order for order in orders if order is not None]

    def identity(self, config: dict | None) -> dict[str, str]:
        """Describe which run this is, field by field: a checkpoint continues only a run with the same identity.

        Args:
            config: the learner's own names for things, compared first; those in `IGNORED_SETTINGS` are left out.

        Raises:
            ValueError: the batches are no DataLoader, so that nobody could tell their order.
        """
        for name in ("train_batches", "val_batches"):
            if not isinstance(getattr(self, name), DataLoader):
                raise ValueError(f"{name}: got {type(getattr(self, name)).__name__}; a checkpoint needs a DataLoader")
        order = _order(self.train_batches)
        fields = {name: repr(value) for name, value in (config or {}).items() if name not in IGNORED_SETTINGS}
        fields["training images"] = _images(self.train_batches)
        fields["validation images"] = _images(self.val_batches)
        fields["batch size"] = str(batch_size(self.train_batches))
        fields["last short batch left out"] = str(getattr(_batch_sampler(self.train_batches), "drop_last", False))
        fields["seed of the order"] = "none" if order is None else str(order.initial_seed())
        fields["seed of torch"] = str(torch.initial_seed())
        fields["device"] = self.device.type
        for name, module in self.model.named_modules():
            if not any(module.children()):
                fields[f"layer {name}"] = str(module)  # Linear(in_features=320, out_features=50, bias=True)
        return fields | shapes(self.model.state_dict()) | self._method()

    def _method(self) -> dict[str, str]:
        """Describe optimizer and schedule by their settings, leaving out what a schedule moves while training."""
        fields = {"optimizer": type(self.optimizer).__name__}
        apart = {"params", "lr", "initial_lr"} | (set() if self.scheduler is None else {"momentum", "betas"})
        for number, group in enumerate(self.optimizer.param_groups):
            of_group = f" of group {number}" if number else ""
            fields[f"learning rate{of_group}"] = str(group.get("initial_lr", group["lr"]))  # before any schedule
            fields |= {f"{name}{of_group}": str(value) for name, value in group.items() if name not in apart}
        fields["schedule"] = "none" if self.scheduler is None else type(self.scheduler).__name__
        if self.scheduler is not None:
            for name, value in self.scheduler.state_dict().items():
                if name not in MOVING and not name.startswith("_"):
                    fields[f"{name} of the schedule"] = str(value)
        return fields


def save_checkpoint(path: Path, identity: dict[str, str], state: dict) -> None:
    """Write a checkpoint, whole or not at all; the last one stays until this one is complete."""
    atomic_save({"identity": identity, "state": state}, path)


def load_checkpoint(path: Path, identity: dict[str, str]) -> dict:
    """Return the state in a checkpoint.

    Raises:
        ValueError: the file can't be used (see `safe_load`), is no checkpoint, or belongs to another run.
    """
    content = safe_load(path)
    if not isinstance(content, dict) or content.keys() != {"identity", "state"}:
        raise ValueError(f"{settings.shown(path)}: holds no checkpoint of training.fit; give another file")
    difference = first_difference(content["identity"], identity)
    if difference:
        raise ValueError(
            f"{settings.shown(path)}: belongs to another run: {difference}; give its settings or a new file"
        )
    return content["state"]


class TrainingError(RuntimeError):
    """Training can't go on; the message is one line that says why, and what to try."""


class TrainingStopped(KeyboardInterrupt):
    """Somebody pressed Ctrl-C or the stop button; the message is one line that says how to continue.

    Attributes:
        history: of the epochs that are finished, as `training.fit` would return it.
    """

    def __init__(self, message: str, history: list[dict]):
        super().__init__(message)
        self.history = history

    def _render_traceback_(self) -> list[str]:
        """Show the line alone: a notebook asks here, and then doesn't run the cells that wait behind this one."""
        return [str(self)]


def broken_loss(what: str, value: Tensor | float, optimizer: Optimizer) -> TrainingError:
    """Return the error for a loss that is no finite number."""
    rate = float(optimizer.param_groups[0]["lr"])
    return TrainingError(
        f"{what} is {float(value)} at a learning rate of {rate:g}; try {rate / 10:g}, or look for NaN in the images"
    )


def where_it_is(state: dict) -> str:
    """Say which epoch the model is back at."""
    done = len(state["history"])
    return f"the model is as after epoch {done}" if done else "the model is as before training"


def how_to_continue(state: dict, epochs: int, path: Path | None) -> str:
    """Return the line that follows an interruption."""
    done = len(state["history"])
    if done == epochs:
        return f"Stopped after epoch {done}/{epochs}, the last one; there is nothing left to do."
    if not done:
        advice = "call fit again to begin anew"
    elif path is None:
        advice = f"to continue, call fit with the same objects and epochs={epochs - done}"
    else:
        advice = f"to continue from {settings.shown(path)}, call fit again with resume=True"
    return f"Stopped in epoch {done + 1}/{epochs}; {where_it_is(state)}; {advice}."


def full_memory(run: TrainingState) -> TrainingError:
    """Return the error for a device whose memory is full."""
    size, val_size = batch_size(run.train_batches), batch_size(run.val_batches)
    other_device = "" if run.device.type == "cpu" else ", or device='cpu'"
    return TrainingError(
        f"{run.device.type} is out of memory with batches of {size} images ({val_size} in validation); "
        f"set a smaller batch_size{other_device}"
    )
