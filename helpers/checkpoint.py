"""Weights and checkpoints in files that are whole or not there, and the errors that can end a training run."""

import copy
import errno
import io
import json
import pickle
import pickletools
import zipfile
import zlib
from collections.abc import Callable, Iterable
from contextlib import ExitStack
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
from helpers.results import Held, atomic_save, held, is_history

MOST_BYTES = 1_000_000_000  # larger files aren't read: what this course writes takes less than a tenth of it
MOST_HEADER_BYTES = 1_000_000  # at the beginning of a safetensors file: names, types and shapes
PLAIN = {  # what a checkpoint may refer to: ordinary tensors of these types, and two kinds of dictionaries
    "torch._utils _rebuild_tensor_v2",
    *(f"torch {kind}Storage" for kind in ("Float", "Double", "Half", "BFloat16", "Byte", "Int", "Long", "Bool")),
    "collections OrderedDict",
    "collections Counter",
}


def safe_load(path: Path, parse: Callable[[bytes], Any]) -> Any:
    """Read a file with `parse_weights` or `parse_checkpoint`. Nothing in the file is ever run as code.

    Raises:
        ValueError: the file is missing, damaged, or holds anything else; the message is one line.
    """
    name = settings.shown(path)
    try:
        if path.stat().st_size > MOST_BYTES:
            raise OSError(errno.EFBIG, f"it has more than {MOST_BYTES:,} bytes")
        return parse(path.read_bytes())
    except FileNotFoundError:
        raise ValueError(f"{name}: there is no such file") from None
    except OSError as error:
        raise ValueError(f"{name}: can't be read ({error.strerror})") from None
    except pickle.UnpicklingError:
        reason = "refused, since it holds more than plain tensors and values, and loading that could run its code"
        raise ValueError(f"{name}: {reason}") from None
    except Exception:  # damage has many names
        kind = "safetensors file" if parse is parse_weights else "checkpoint"
        raise ValueError(f"{name}: damaged, cut short, or no {kind}; delete it or give another") from None


def parse_weights(content: bytes) -> dict[str, Tensor]:
    """Return the tensors of a safetensors file; raises an error of some kind if it isn't one, or is damaged."""
    length = int.from_bytes(content[:8], "little")
    if length > MOST_HEADER_BYTES:
        raise ValueError("header")
    header = json.loads(content[8 : 8 + length])
    weights = safetensors.torch.load(content)
    expected = header.get("__metadata__", {}).get("checksum")  # ours; the format itself has none
    if expected not in (None, checksum(weights[name] for name in sorted(weights))):
        raise ValueError("checksum")
    return weights


def parse_checkpoint(content: bytes) -> Any:
    """Return what `torch.save` wrote; raises an error of some kind if it did not, or the file is damaged.

    What the archive's directory and its list of tensors say is checked before any tensor is read.
    """
    archive = zipfile.ZipFile(io.BytesIO(content))
    entries = archive.infolist()
    squeezed = any(entry.compress_type for entry in entries) or sum(entry.file_size for entry in entries) > len(content)
    if squeezed or archive.testzip():  # torch.save compresses nothing, and keeps a checksum of each part
        raise zipfile.BadZipFile
    (listed,) = [entry for entry in entries if entry.filename.endswith("/data.pkl")]
    steps = pickletools.genops(archive.read(listed))
    if not {argument for step, argument, _ in steps if step.name == "GLOBAL"} <= PLAIN:
        raise pickle.UnpicklingError
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
    problem = f"{settings.shown(path)}: holds no weights of this network: "
    for name, tensor in model.state_dict().items():
        if name in weights and weights[name].dtype != tensor.dtype:  # PyTorch would turn one into the other
            raise ValueError(f"{problem}{name} is {weights[name].dtype} in the file and {tensor.dtype} here")
    trial = copy.deepcopy(model)  # since PyTorch copies what fits before it complains about the rest
    try:
        trial.load_state_dict(weights)
    except RuntimeError as error:
        raise ValueError(problem + str(error).splitlines()[1].strip()) from None
    for name, tensor in trial.state_dict().items():
        if not tensor.isfinite().all():
            raise ValueError(f"{problem}{name} has NaN or infinity in it")


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
        return {name: " ".join(str(value).split()) for name, value in fields.items()}  # each on one line


def reserve(path: Path, stack: ExitStack) -> None:
    """Keep `path` for this process until `stack` closes, and make sure, before training, that it can be written.

    Raises:
        ValueError: it can't, or another process trains into it.
    """
    if path.is_dir():
        raise ValueError(f"checkpoint: {settings.shown(path)} is a folder; give the name of a file")
    try:
        stack.enter_context(held(path))
    except Held as error:
        raise ValueError(f"checkpoint: {error}; wait for it, or train into another run_dir") from None
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


def save_epoch(model: nn.Module, folder: str | Path, history: list[dict]) -> None:
    """Write the weights as after the last epoch of `history`, in `folder/NN.safetensors`; 00 is before training.

    Raises:
        TrainingError: they can't be written; with the history.
    """
    try:
        save_weights(model, f"{folder}/{len(history):02}.safetensors")
    except OSError as error:
        raise TrainingError(str(error), history) from None


def load_checkpoint(path: Path, identity: dict[str, str], run: TrainingState, epochs: int) -> dict:
    """Put `run` where the checkpoint left it, and return the state in the checkpoint.

    Raises:
        ValueError: the file can't be used (see `safe_load`), is no checkpoint, belongs to another run, or has more than
            `epochs` behind it; `run` is unchanged.
    """
    content, name = safe_load(path, parse_checkpoint), settings.shown(path)
    if not is_checkpoint(content):
        raise ValueError(f"{name}: holds no checkpoint of training.fit; give another file")
    saved, state = content["identity"], content["state"]
    for field in [*identity, *saved]:
        if saved.get(field) != identity.get(field):
            values = f"{saved.get(field, 'absent')} in the file and {identity.get(field, 'absent')} here"
            raise ValueError(f"{name}: belongs to another run: {field} is {values}; give its settings or a new file")
    check_network(run.model, state["model"], path)
    done, before = len(state["history"]), run.state([])
    if done > epochs:
        raise ValueError(f"epochs: got {epochs}, but {name} already has {done}; give {done} or more")
    try:
        memory = [value for entry in state["optimizer"]["state"].values() for value in entry.values()]
        if not all(is_sound(tensor) for tensor in memory if isinstance(tensor, Tensor)):
            raise ValueError("optimizer")
        run.restore(state)
    except Exception:  # what doesn't fit has many names, too
        run.restore(before)
        raise ValueError(f"{name}: holds a state that doesn't fit this run; delete it or give another") from None
    return state


def is_sound(tensor: Tensor) -> bool:
    """Tell whether a tensor holds as many numbers as it shows (one may be shown a billion times), and none is NaN."""
    return tensor.numel() * tensor.itemsize <= tensor.untyped_storage().nbytes() and not tensor.isnan().any()


def is_checkpoint(content: Any) -> bool:
    """Tell whether `content` is made up as `save_checkpoint` does it."""
    try:
        identity, state = content["identity"], content["state"]
        texts = [text for field in identity.items() for text in field]
        return (
            all(isinstance(text, str) and text.isprintable() for text in texts)
            and all(isinstance(tensor, Tensor) for tensor in state["model"].values())
            and is_history(state["history"])
        )
    except (KeyError, TypeError, AttributeError):
        return False


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
