"""What crosses the border of a sandbox: lines of JSON with limits, in which tensors are plain bytes; no pickles.

Both ends use this file, and neither believes the other: what is too long, too deep or of no known kind is refused.
"""

import base64
import json
import os
import select
import time
from collections.abc import Callable
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from course.exercises.trials import Reader

LONGEST = 16_000_000  # bytes of a line; the largest right answer has a tenth of it
DEEPEST = 12  # lists within lists
MOST = 100_000  # parts of one answer
KINDS = "bool uint8 int8 int16 int32 int64 float16 float32 float64"
DTYPES: dict[str, torch.dtype] = {name: getattr(torch, name) for name in KINDS.split()}
ARRAYS = {"b": "bool", "i": "int64", "u": "int64", "f": "float64"}  # what NumPy's other numbers travel as, by kind
COLLECTIONS = {"list": list, "tuple": tuple, "set": set}


class Refused(Exception):
    """What came over the border is not what may come; the message says why."""


class Closed(Exception):
    """The other end is gone."""


class Channel:
    """Sends and receives lines of JSON through two file descriptors."""

    def __init__(self, reading: int, writing: int):
        self.reading, self.writing, self.rest = reading, writing, b""

    def send(self, message: dict) -> None:
        """Send a message.

        Raises:
            Refused: it is too long.
            Closed: nobody reads it.
        """
        line = json.dumps(message, allow_nan=False).encode() + b"\n"
        if len(line) > LONGEST:
            raise Refused(f"more than {LONGEST // 1_000_000} MB")
        try:
            while line:
                line = line[os.write(self.writing, line) :]
        except OSError:
            raise Closed from None

    def receive(self, seconds: float | None = None, meanwhile: Callable[[], None] = lambda: None) -> dict:
        """Wait for a message and return it.

        Args:
            seconds: how long to wait; None: as long as it takes.
            meanwhile: called several times a second while nothing comes; it may raise what ends the waiting.

        Raises:
            TimeoutError: none came in time.
            Closed: none will come.
            Refused: it is too long, or no JSON object.
        """
        parts, size, end = [self.rest], len(self.rest), None if seconds is None else time.monotonic() + seconds
        while b"\n" not in parts[-1]:
            if end is not None and time.monotonic() > end:
                raise TimeoutError
            if not select.select([self.reading], [], [], 0.2)[0]:
                meanwhile()
                continue
            part = os.read(self.reading, 1 << 20)
            if not part:
                raise Closed
            parts.append(part)
            size += len(part)
            if size > LONGEST:
                raise Refused(f"more than {LONGEST // 1_000_000} MB")
        line, _, self.rest = b"".join(parts).partition(b"\n")
        try:
            message = json.loads(line, parse_constant=_no_number)
        except (ValueError, RecursionError):
            raise Refused("something that can't be read") from None
        if not isinstance(message, dict):
            raise Refused("something that can't be read")
        return message


def _no_number(name: str) -> float:
    raise ValueError(name)


class Foreign:
    """Stands for a value that can't cross the border: it is shown as it was, and is like nothing else."""

    def __init__(self, text: str):
        self.text = text

    def __repr__(self) -> str:
        return self.text


def encode(value: Any, show: Callable[[Any], str] = repr, keep: Callable[[nn.Module], dict] | None = None) -> Any:
    """Return a value as what JSON can hold.

    Args:
        value: numbers, text, tensors, arrays, a `Reader`, and lists, tuples, sets, dicts of such; anything else is
            only shown.
        show: how a value of another kind is shown, in a few words.
        keep: keeps a model at hand and returns how the other end may speak of it; None: models are only shown.
    """
    left = [MOST]

    def walk(value: Any, depth: int) -> Any:
        left[0] -= 1
        if left[0] < 0 or depth > DEEPEST:
            raise Refused("a value of too many parts")
        if value is None or isinstance(value, bool) or (type(value) is int and abs(value) < 2**63):
            return value
        if type(value) is str:
            return value if len(value) <= 10_000 else {"other": show(value)}
        if isinstance(value, Tensor):
            return _tensor(value.detach().cpu(), "tensor", value.requires_grad)
        if isinstance(value, float):
            return {"float": float(value).hex()}
        if isinstance(value, Reader):
            return {"reader": walk(value.plain(), depth + 1)}
        if keep and isinstance(value, nn.Module):
            return {"model": keep(value)}
        if isinstance(value, dict):
            return {"dict": [[walk(key, depth + 1), walk(part, depth + 1)] for key, part in value.items()]}
        for name, kind in COLLECTIONS.items():
            if isinstance(value, kind):
                return {name: [walk(part, depth + 1) for part in value]}
        if isinstance(value, type) or callable(value):
            return {"other": show(value)}
        if hasattr(value, "__array__"):
            array = np.asarray(value)
            if array.dtype.kind in ARRAYS:
                known = array.dtype.name if array.dtype.name in DTYPES else ARRAYS[array.dtype.kind]
                return _tensor(torch.from_numpy(np.array(array, known)), "array", False)
            if array.ndim or array.dtype.kind == "U":  # texts, say
                return walk(array.tolist(), depth + 1)
        elif hasattr(value, "__float__"):  # Fraction, Decimal
            return {"float": float(value).hex()}
        elif hasattr(value, "__iter__") and not isinstance(value, bytes):  # a range, say
            return {"list": [walk(part, depth + 1) for part in islice(value, MOST)]}
        return {"other": show(value)}

    return walk(value, 0)


def _tensor(value: Tensor, kind: str, requires_grad: bool) -> dict:
    name = str(value.dtype).removeprefix("torch.")
    if name not in DTYPES or value.layout != torch.strided:
        return {"other": f"a tensor of type {name}"}
    if value.numel() * value.element_size() > LONGEST:
        raise Refused(f"more than {LONGEST // 1_000_000} MB")
    data = value.contiguous().numpy().tobytes()
    return {kind: name, "shape": list(value.shape), "data": base64.b64encode(data).decode(), "grad": requires_grad}


def decode(value: Any, model: Callable[[dict], nn.Module] | None = None) -> Any:
    """Return what `encode` was given, built anew from plain parts.

    Args:
        value: what came.
        model: makes of what `keep` returned something that stands for the model.

    Raises:
        Refused: it follows none of the known forms.
    """
    left = [MOST]

    def walk(value: Any, depth: int) -> Any:
        left[0] -= 1
        if left[0] < 0 or depth > DEEPEST:
            raise Refused("a value of too many parts")
        if value is None or isinstance(value, bool | str) or (isinstance(value, int) and abs(value) < 2**63):
            return value
        match value:
            case {"float": str(text)} if len(text) < 40:
                return float.fromhex(text)
            case {"other": str(text)}:
                return Foreign(text[:200])
            case {"tensor": str(name), "shape": list(shape), "data": str(data), "grad": bool(grad)}:
                found = _from_bytes(name, shape, data)
                return found.requires_grad_(grad and found.is_floating_point())
            case {"array": str(name), "shape": list(shape), "data": str(data)}:
                return _from_bytes(name, shape, data).numpy()[()]
            case {"dict": list(pairs)}:
                return {walk(key, depth + 1): walk(part, depth + 1) for key, part in pairs}
            case {"reader": plain}:
                reader = Reader()
                reader.become(walk(plain, depth + 1))
                return reader
            case {"model": dict(described)} if model:
                return model(described)
        for name, kind in COLLECTIONS.items():
            if isinstance(value, dict) and isinstance(value.get(name), list):
                return kind([walk(part, depth + 1) for part in value[name]])
        raise Refused("an unknown kind of value")

    try:
        return walk(value, 0)
    except (TypeError, ValueError, OverflowError, RecursionError):  # a dict of lists as keys, say
        raise Refused("an unknown kind of value") from None


def _from_bytes(name: str, shape: list, data: str) -> Tensor:
    content, kind = bytearray(base64.b64decode(data, validate=True)), DTYPES.get(name)
    if kind is None:
        raise Refused("a damaged tensor")
    sound = len(shape) <= 8 and all(type(size) is int and 0 <= size < 2**31 for size in shape)
    if not sound or torch.Size(shape).numel() * torch.empty(0, dtype=kind).element_size() != len(content):
        raise Refused("a damaged tensor")
    return torch.frombuffer(content, dtype=kind).reshape(shape) if content else torch.empty(shape, dtype=kind)
