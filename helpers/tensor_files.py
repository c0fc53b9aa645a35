"""Files of tensors: written whole or not at all, and read without running anything that stands in them."""

import os
import pickle
import zipfile
from pathlib import Path

import torch
from torch import nn

from helpers import paths


def write_whole(content: object, path: Path) -> None:
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
        raise OSError(f"{paths.shown(path)}: can't be written ({error}); what was there before still is") from None
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
        raise ValueError(f"checkpoint: {paths.shown(path)} can't be written ({error.strerror})") from None
    if path.is_dir():
        raise ValueError(f"checkpoint: {paths.shown(path)} is a folder; give the name of a file")


def _temporary(path: Path) -> Path:
    return path.with_name(path.name + ".part")


def read_safely(path: Path) -> object:
    """Read what `torch.save` wrote: tensors and plain values. Nothing in the file is ever run as code.

    Raises:
        ValueError: the file is missing, damaged, or holds anything else; the message is one line.
    """
    name = paths.shown(path)
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
    path = paths.from_root(path)
    write_whole(model.state_dict(), path)
    return path


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Fill `model` with weights from `path`; nothing in the file is ever run as code.

    Raises:
        ValueError: the file is missing, damaged or suspicious, or its weights are another network's.
    """
    path = paths.from_root(path)
    weights = read_safely(path)
    found = shapes(weights) if isinstance(weights, dict) else {}
    difference = first_difference(found, shapes(model.state_dict()))
    if difference:
        raise ValueError(f"{paths.shown(path)}: holds no weights of this network: {difference}")
    model.load_state_dict(weights)
