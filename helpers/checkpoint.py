"""Checkpoints: all that a training run needs to go on later as if it had never stopped, in one file."""

import copy
import zlib
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from helpers import paths
from helpers.tensor_files import first_difference, read_safely, shapes, write_whole

FREE_TO_CHANGE = {"epochs", "resume", "device", "data_dir", "run_dir", "images_dir"}  # not compared
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
class Run:
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

    def identity(self, settings: dict | None) -> dict[str, str]:
        """Describe which run this is, field by field: a checkpoint continues only a run with the same identity.

        Args:
            settings: the learner's own names for things, compared first; those in `FREE_TO_CHANGE` are left out.

        Raises:
            ValueError: the batches are no DataLoader, so that nobody could tell their order.
        """
        for name in ("train_batches", "val_batches"):
            if not isinstance(getattr(self, name), DataLoader):
                raise ValueError(f"{name}: got {type(getattr(self, name)).__name__}; a checkpoint needs a DataLoader")
        order = _order(self.train_batches)
        fields = {name: repr(value) for name, value in (settings or {}).items() if name not in FREE_TO_CHANGE}
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
    write_whole({"identity": identity, "state": state}, path)


def load_checkpoint(path: Path, identity: dict[str, str]) -> dict:
    """Return the state in a checkpoint.

    Raises:
        ValueError: the file can't be used (see `read_safely`), is no checkpoint, or belongs to another run.
    """
    content = read_safely(path)
    if not isinstance(content, dict) or content.keys() != {"identity", "state"}:
        raise ValueError(f"{paths.shown(path)}: holds no checkpoint of training.fit; give another file")
    difference = first_difference(content["identity"], identity)
    if difference:
        raise ValueError(f"{paths.shown(path)}: belongs to another run: {difference}; give its settings or a new file")
    return content["state"]
