"""Safety around learners' code: settings and random numbers are kept, and no call lasts forever."""

import inspect
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import FrameType
from typing import Any

import numpy as np
import torch

SECONDS = 10.0  # how long one call of an answer may take; the slowest right ones need less than 1

# Each setting that a learner's code may change for the whole notebook: how to read it, and how to put it back.
SETTINGS: list[tuple[Callable, Callable]] = [
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.get_default_device, torch.set_default_device),
    (torch.get_num_threads, torch.set_num_threads),
    (torch.get_deterministic_debug_mode, torch.set_deterministic_debug_mode),
    (np.geterr, lambda errors: np.seterr(**errors)),
    (os.getcwd, os.chdir),
    (sys.getrecursionlimit, sys.setrecursionlimit),
    (lambda: (sys.stdout, sys.stderr), lambda both: vars(sys).update(stdout=both[0], stderr=both[1])),
    (
        lambda: (torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark),
        lambda both: torch.backends.cudnn.set_flags(_deterministic=both[0], _benchmark=both[1]),
    ),
]


class TooSlow(BaseException):
    """A call took too long. It is no Exception, so that `except Exception` in a learner's loop doesn't catch it."""


@contextmanager
def kept_settings() -> Iterator[None]:
    """Put back afterwards what a learner's code may have changed for the whole notebook; show no warnings meanwhile."""
    before = [read() for read, _ in SETTINGS]
    try:
        with warnings.catch_warnings(), torch.inference_mode(False):  # this also switches gradients on
            warnings.simplefilter("ignore")
            yield
    finally:
        for value, (read, put_back) in zip(before, SETTINGS, strict=True):
            if read() != value:
                put_back(value)


@contextmanager
def kept_random_numbers() -> Iterator[None]:
    """Put all random number generators back afterwards to where they were."""
    states = random.getstate(), np.random.get_state()
    try:
        with _forked():
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def _forked() -> AbstractContextManager:
    """Keep PyTorch's generators: the CPU's, and that of an accelerator only where this notebook has begun to use it."""
    kind = torch.accelerator.current_accelerator()
    if kind is None or (kind.type == "cuda" and not torch.cuda.is_initialized()):
        return torch.random.fork_rng([])
    return torch.random.fork_rng([torch.accelerator.current_device_index()], device_type=kind.type)


def within_time(function: Callable[[], Any]) -> Any:
    """Call a function; raise TooSlow in it if it runs longer than SECONDS, and go on raising it where it is caught.

    It needs a timer of POSIX and the main thread. Elsewhere there is no limit, but the notebook's stop button works.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        return function()

    def each_line(frame: FrameType, event: str, argument: object) -> Callable:
        if event == "line":
            raise TooSlow
        return each_line

    def ring(number: int, frame: FrameType | None) -> None:
        if frame is None or frame.f_code.co_filename == __file__:
            return  # the call has not begun, or is over
        sys.settrace(each_line)  # an `except` that catches this one gets no further than its own first line
        while frame is not None and frame.f_code.co_filename != __file__:
            frame.f_trace, frame = each_line, frame.f_back
        raise TooSlow

    tracing, handler = sys.gettrace(), signal.signal(signal.SIGALRM, ring)
    timer = signal.setitimer(signal.ITIMER_REAL, SECONDS, 0.05)
    try:
        returned, error = next(_outcome(function))
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)
        sys.settrace(tracing)
    if error is not None:
        raise error
    return returned


def _outcome(function: Callable[[], Any]) -> Iterator[tuple[Any, BaseException | None]]:
    """Yield what a call returns, and what it raises.

    A generator, since it has a state of its own for the exception that is being handled. Where TooSlow cuts into an
    `except`, Python 3.11 does not notice that it was left, and every later traceback would begin with that exception.
    """
    outcome: tuple[Any, BaseException | None]
    try:
        outcome = function(), None
    except BaseException as error:  # the caller raises it
        outcome = None, error
    yield outcome


@contextmanager
def noticing(forbidden: Sequence[Callable]) -> Iterator[list[Callable]]:
    """Collect which of these functions and classes, written in Python, are called meanwhile, under whatever name."""
    plain = [vars(one).get("__init__") if isinstance(one, type) else one for one in forbidden]
    codes = {inspect.unwrap(function).__code__: one for function, one in zip(plain, forbidden, strict=True) if function}
    found: list[Callable] = []
    if not codes:
        yield found
        return

    def look(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code in codes:
            found.append(codes[frame.f_code])

    profiler = sys.getprofile()
    sys.setprofile(look)
    try:
        yield found
    finally:
        sys.setprofile(profiler)
