"""The checks of chapter 3: slopes, steps, the training loop, measuring."""

from collections.abc import Callable

CHECKS: dict[str, Callable] = {}
