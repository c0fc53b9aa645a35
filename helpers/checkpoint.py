"""Weights and checkpoints in files that are whole or not there, and the errors that can end a training run."""

import copy
import io
import json
import os
import pickle
import zipfile
import zlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler
from torch.utils.data import DataLoader

from helpers import settings


def atomic_save(content: bytes, path: Path) -> None:
    """Write a file whole or not at all: until the new one is complete, the old one stays.

    Raises:
        OSError: it can't be written, as when the disk is full; the message is one line.
    """
    temporary = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # on the disk, not only on its way there
        os.replace(temporary, path)  # the one moment in which the new takes the place of the old
    except OSError as error:
        line = f"{settings.shown(path)}: can't be written ({error.strerror}); what was there before still is"
        failure = OSError(line)
        failure.strerror = error.strerror
        raise failure from None
    finally:
        temporary.unlink(missing_ok=True)


def safe_load(path: Path, parse: Callable[[bytes], Any]) -> Any:
    """Read a file with `parse_weights` or `parse_checkpoint`. Nothing in the file is ever run as code.

    Raises:
        ValueError: the file is missing, damaged, or holds anything else; the message is one line.
    """
    name = settings.shown(path)
    try:
        return parse(path.read_bytes())
    except FileNotFoundError:
        raise ValueError(f"{name}: there is no such file") from None
    except OSError as error:
        raise ValueError(f"{name}: can't be read ({error.strerror})") from None
    except pickle.UnpicklingError:
        reason = "refused, since it holds more than tensors and plain values, and loading that could run its code"
        raise ValueError(f"{name}: {reason}") from None
    except Exception:  # damage has many names
        kind = "safetensors file" if parse is parse_weights else "checkpoint"
        raise ValueError(f"{name}: damaged, cut short, or no {kind}; delete it or give another") from None


def parse_weights(content: bytes) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file; raises an error of some kind if it isn't one, or is damaged."""
    weights = safetensors.torch.load(content)
    header = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])
    expected = header.get("__metadata__", {}).get("checksum")  # ours; the format itself has none
    if expected not in (None, checksum(weights[name] for name in sorted(weights))):
        raise ValueError("checksum")
    return weights


def parse_checkpoint(content: bytes) -> Any:
    """Return what `torch.save` wrote; raises an error of some kind if it did not, or the file is damaged."""
    if zipfile.ZipFile(io.BytesIO(content)).testzip() is not None:  # has a checksum for each part
        raise zipfile.BadZipFile
    return torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)


def checksum(tensors: Iterable[Tensor]) -> str:
    """Return a checksum of all numbers in `tensors`, eight hexadecimal digits."""
    value = 0
    for tensor in tensors:
        value = zlib.crc32(tensor.cpu().contiguous().flatten().view(torch.uint8).numpy().data, value)
    return f"{value:08x}"


def save_weights(model: nn.Module, path: str | Path) -> Path:
    """Write the model's weights to a safetensors file (see `atomic_save`), and return its absolute path."""
    path = settings.from_root(path)
    weights = {name: tensor.cpu().contiguous() for name, tensor in sorted(model.state_dict().items())}
    atomic_save(safetensors.torch.save(weights, metadata={"checksum": checksum(weights.values())}), path)
    return path


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Fill `model` with the weights in `path`, a safetensors file: the format holds tensors and no code.

    Raises:
        ValueError: the file can't be used (see `safe_load`) or holds another network's weights; the model is unchanged.
    """
    path = settings.from_root(path)
    weights = safe_load(path, parse_weights)
    check_network(model, weights, path)
    model.load_state_dict(weights)


def check_network(model: nn.Module, weights: dict[str, Tensor], path: Path) -> None:
    """Raise ValueError, with the first difference, if the weights in `path` are another network's."""
    trial = copy.deepcopy(model)  # since PyTorch copies what fits before it complains about the rest
    try:
        trial.load_state_dict(weights)
    except RuntimeError as error:
        difference = str(error).splitlines()[1].strip()
        raise ValueError(f"{settings.shown(path)}: holds no weights of this network: {difference}") from None


IGNORED_SETTINGS = {"epochs", "resume", "device", "data_dir", "run_dir"}  # may change on resuming
COUNTERS = {"last_epoch", "T_cur", "T_i"}  # what a scheduler counts; the rest of its state never changes


def batch_sampler(batches: DataLoader) -> Any:
    """Return what makes up the batches (`make_batches` passes it as `sampler`, others as `batch_sampler`), or None."""
    return getattr(batches, "batch_sampler", None) or getattr(batches, "sampler", None)


def batch_size(batches: DataLoader) -> int | None:
    """Return how many images a batch holds; None if the batches don't tell."""
    return getattr(batch_sampler(batches), "batch_size", None)


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
        state: dict = {name: part.state_dict() for name, part in self._parts().items()}
        state["generators"] = {name: generator.get_state() for name, generator in self._generators().items()}
        if self.device.type != "cpu":
            state["accelerator"] = torch.get_device_module(self.device).get_rng_state()
        return copy.deepcopy(state) | {"history": history}

    def restore(self, state: dict) -> None:
        """Put everything back to where it was at `state`; the model ends in evaluation mode, as after an epoch."""
        state = copy.deepcopy(state)  # the optimizer goes on working in the very tensors that it is given
        for name, part in self._parts().items():
            part.load_state_dict(state[name])
        for name, generator in self._generators().items():
            generator.set_state(state["generators"][name])
        if self.device.type != "cpu":
            torch.get_device_module(self.device).set_rng_state(state["accelerator"])
        self.model.eval()

    def _parts(self) -> dict[str, Any]:
        parts = {"model": self.model, "optimizer": self.optimizer, "scheduler": self.scheduler}
        return {name: part for name, part in parts.items() if part is not None}

    def _batches(self) -> dict[str, DataLoader]:
        return {"train_batches": self.train_batches, "val_batches": self.val_batches}

    def _generators(self) -> dict[str, torch.Generator]:
        """Return PyTorch's own generator, from which dropout draws, and those that draw the order of the images."""
        generators = {"torch": torch.default_generator}
        for name, batches in self._batches().items():
            order = getattr(getattr(batch_sampler(batches), "sampler", None), "generator", None)
            if order is not None:
                generators[name] = order
        return generators

    def identity(self, config: dict | None) -> dict[str, str]:
        """Describe which run this is, field by field: a checkpoint continues only a run with the same identity.

        Args:
            config: the caller's settings by name, compared first; those in `IGNORED_SETTINGS` are left out.

        Raises:
            ValueError: the batches are no DataLoader, so that nobody could tell their order.
        """
        fields: dict[str, Any] = {k: repr(value) for k, value in (config or {}).items() if k not in IGNORED_SETTINGS}
        for name, batches in self._batches().items():
            if not isinstance(batches, DataLoader):
                raise ValueError(f"{name}: got {type(batches).__name__}; a checkpoint needs a DataLoader")
            dataset: Any = batches.dataset
            fields[f"images in {name}"] = f"{len(dataset)} (checksum {checksum(getattr(dataset, 'tensors', ()))})"
            fields[f"batch size of {name}"] = batch_size(batches)
            fields[f"number of {name}"] = len(batches)
        fields |= {f"seed of {name}": generator.initial_seed() for name, generator in self._generators().items()}
        fields["device of the model"] = self.device.type
        fields |= {f"layer {name}": layer for name, layer in self.model.named_modules() if not any(layer.children())}
        fields["optimizer"] = type(self.optimizer).__name__
        fields["scheduler"] = type(self.scheduler).__name__ if self.scheduler else "none"
        scheduled = {"params", "lr", "initial_lr"} | ({"momentum", "betas"} if self.scheduler else set())
        for number, group in enumerate(self.optimizer.param_groups):
            of_group = f" of parameter group {number}" if number else ""
            fields[f"learning rate{of_group}"] = group.get("initial_lr", group["lr"])  # before any schedule
            fields |= {name + of_group: value for name, value in group.items() if name not in scheduled}
        for name, value in (self.scheduler.state_dict() if self.scheduler else {}).items():
            if name not in COUNTERS and not name.startswith("_"):
                fields[f"{name} of the scheduler"] = value
        return {name: str(value) for name, value in fields.items()}


def make_ready(path: Path) -> None:
    """Remove what a killed run left beside `path`, and make sure, before training, that a file can be written there."""
    if path.is_dir():
        raise ValueError(f"checkpoint: {settings.shown(path)} is a folder; give the name of a file")
    temporary = path.with_name(path.name + ".part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.touch()
        temporary.unlink()
    except OSError as error:
        raise ValueError(f"checkpoint: {settings.shown(path)} can't be written ({error.strerror})") from None


def save_checkpoint(path: Path, identity: dict[str, str], state: dict) -> None:
    """Write a checkpoint whole or not at all; raises TrainingError, with the history, if it can't be written."""
    content = io.BytesIO()
    torch.save({"identity": identity, "state": state}, content)
    try:
        atomic_save(content.getvalue(), path)
    except OSError as error:
        raise TrainingError(str(error), state["history"]) from None


def load_checkpoint(path: Path, identity: dict[str, str], model: nn.Module) -> dict:
    """Return the state in a checkpoint.

    Raises:
        ValueError: the file can't be used (see `safe_load`), is no checkpoint, or belongs to another run.
    """
    content, name = safe_load(path, parse_checkpoint), settings.shown(path)
    if not isinstance(content, dict) or content.keys() != {"identity", "state"}:
        raise ValueError(f"{name}: holds no checkpoint of training.fit; give another file")
    saved = content["identity"]
    for field in [*identity, *saved]:
        if saved.get(field) != identity.get(field):
            values = f"{saved.get(field, 'absent')} in the file and {identity.get(field, 'absent')} here"
            raise ValueError(f"{name}: belongs to another run: {field} is {values}; give its settings or a new file")
    check_network(model, content["state"]["model"], path)
    return content["state"]


class TrainingError(RuntimeError):
    """Training can't go on; the message is one line that says why, and what to try.

    `history` holds the epochs that are finished, as `training.fit` would return it.
    """

    def __init__(self, reason: str, history: list[dict] | None = None):
        super().__init__(reason if history is None else f"{reason}; {where_it_is(history)}")
        self.history = history or []


class TrainingStopped(KeyboardInterrupt):
    """Somebody pressed Ctrl-C or the stop button; the message is one line that says how to continue.

    `history` holds the epochs that are finished, as `training.fit` would return it.
    """

    def __init__(self, message: str, history: list[dict]):
        super().__init__(message)
        self.history = history

    def _render_traceback_(self) -> list[str]:
        """Show the line alone: a notebook asks here, and then doesn't run the cells that wait behind this one."""
        return [str(self)]


def where_it_is(history: list[dict]) -> str:
    """Say which epoch the model is back at."""
    return f"the model is as after epoch {len(history)}" if history else "the model is as before training"
