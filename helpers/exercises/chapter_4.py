"""The checks of chapter 4: how exact, recall and precision, the confusion matrix, unsure answers."""

from collections.abc import Callable

CHECKS: dict[str, Callable] = {}
