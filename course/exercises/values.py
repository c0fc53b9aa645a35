"""How answers are read: whatever holds numbers becomes one tensor, and whatever is shown fits into one line."""

import reprlib
from collections.abc import Iterable
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor

LONGEST = 100_000  # parts of an answer that are read; a generator need not end
SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = SHORT.maxlong = 60


class WrongAnswer(Exception):
    """An answer is not right yet; the message says what was expected, what came, and what to do next."""


def as_tensor(value: object, any_order: bool = False) -> Tensor | None:
    """Return a learner's value as a tensor of real numbers on the CPU, or None where it can't be one.

    Args:
        value: a number of any kind; a tensor, an array or a table; or lists, ranges, iterators … of such.
        any_order: True: sets count as well, sorted.
    """
    try:
        return _read(value, any_order)
    except Exception:  # a learner's object may raise anything when it is looked at
        return None


def _read(value: Any, any_order: bool) -> Tensor:
    if isinstance(value, Tensor):
        found = value.detach().cpu()
        if found.is_complex() or found.is_nested:
            raise TypeError("no real numbers")
        return (
            found.dequantize() if found.is_quantized else found.to_dense() if found.layout != torch.strided else found
        )
    if isinstance(value, type | str | bytes | dict) or (isinstance(value, set | frozenset) and not any_order):
        raise TypeError("no numbers")
    if isinstance(value, set | frozenset):
        value = sorted(value)
    if hasattr(value, "__array__"):  # NumPy, pandas, and whatever else speaks their language
        array = np.asarray(value)
        if array.dtype == object:
            return _read(array.tolist(), any_order)
        kind, size = array.dtype.kind, array.dtype.itemsize
        known = {"b": "?", "i": f"i{size}", "u": "u1" if size == 1 else "i8", "f": f"f{min(size, 8)}"}[kind]
        return torch.from_numpy(array.astype(known))  # a copy: strides may be negative
    if isinstance(value, bool | int) and abs(value) < 2**63:
        return torch.tensor(value)
    if hasattr(value, "__float__"):  # Fraction, Decimal; float32 would round it
        return torch.tensor(float(value), dtype=torch.float64)
    parts = list(islice(value, LONGEST))
    kinds = set(map(type, parts))
    if kinds and kinds <= {int, float, bool}:
        return torch.tensor(parts, dtype=torch.float64 if float in kinds else None)
    return torch.stack([_read(part, any_order) for part in parts]) if parts else torch.tensor([])


def numbers(got: object, count: int, asked: str, any_order: bool = False) -> Tensor:
    """Return an answer of several numbers as one tensor, float64 (count,).

    Raises:
        WrongAnswer: it is something else; `asked` says what was expected.
    """
    found = as_tensor(got, any_order)
    if found is None or found.numel() != count:
        raise WrongAnswer(f"I expected {asked} and got {describe(got)}.")
    return found.double().flatten()


def one_number(got: object, asked: str = "one number") -> float:
    """Return an answer as one number, as `numbers` returns several."""
    return numbers(got, 1, asked).item()


def same(got: Tensor, expected: Tensor, tolerance: float = 1e-4) -> bool:
    """Tell whether two tensors have the same shape and, within the tolerance, the same numbers."""
    if got.shape != expected.shape:
        return False
    return torch.allclose(got.double(), expected.double(), rtol=tolerance, atol=tolerance, equal_nan=True)


def describe(value: object, digits: int = 4) -> str:
    """Return a value in a few words, short enough for one line; a number as it was given, if that is short."""
    try:
        if isinstance(value, Tensor | np.ndarray) and value.ndim:
            return f"{'a tensor' if isinstance(value, Tensor) else 'an array'} of shape {tuple(value.shape)}"
        if isinstance(value, Tensor | np.ndarray | np.generic):
            value = value.item()
        if isinstance(value, float):
            return _float(value, digits)
        text = f"a {type(value).__name__}" if callable(value) else " ".join(SHORT.repr(value).split())
    except Exception:  # a learner's object may raise anything when it is looked at
        text = f"something of type {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}…"


def _float(value: float, digits: int) -> str:
    if value.is_integer():
        return f"{value:.0f}" if abs(value) < 1e15 else f"{value:g}"
    if len(text := repr(value)) <= 9:
        return text
    shown = (f"{value:.{count if abs(value) < 10**count else 8}g}" for count in range(digits, 18))
    return next((text for text in shown if not float(text).is_integer()), text)  # 469.0000001 is not 469


def show(names: Iterable[str], values: Iterable[object]) -> str:
    """Return arguments in words, `size=5, kernel=3`: small tensors and lists in full, so that one can go on by hand."""
    return ", ".join(f"{name}={_in_full(value)}" for name, value in zip(names, values, strict=True))


def _in_full(value: object) -> str:
    found = as_tensor(value) if isinstance(value, Tensor | np.ndarray | list | tuple) else None
    if found is None or found.numel() > 12:
        return describe(value)
    return str((found.double().round(decimals=4) if found.is_floating_point() else found).tolist())
