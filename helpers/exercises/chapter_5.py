"""The checks of chapter 5: spread, intervals, the grid."""

from collections.abc import Callable

CHECKS: dict[str, Callable] = {}
