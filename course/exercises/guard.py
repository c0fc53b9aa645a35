"""Safety around learners' code: whatever it does, the notebook stays as it was, and what went wrong is said kindly."""

import copy
import dis
import inspect
import io
import os
import random
import re
import signal
import sys
import threading
import traceback
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, redirect_stdout
from itertools import islice
from types import FrameType, TracebackType
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from course.exercises import notebook
from course.exercises.values import LONGEST, WrongAnswer, as_tensor, describe, same

SECONDS = 10.0  # how long one call of an answer may take; the slowest right ones need less than 1

# What PyTorch and Python say when something goes wrong that goes wrong for nearly everybody once, and what helps.
HINTS_FOR_ERRORS = {
    "floating point": "That needs floating-point numbers: call .float() first.",
    "result type Float can't be cast": "The tensor holds whole numbers and the result does not: call .float() first.",
    "leaf Variable that requires grad": "Changing a parameter by hand needs `with torch.no_grad():` around it.",
    "does not require grad": "The loss doesn't know the parameters, so there is no gradient. Is `no_grad` on?",
    "backward through the graph a second time": "These gradients were computed already: compute a new loss first.",
    "modified by an inplace operation": "Numbers changed after the loss. Does step() come before backward()?",
    "mat1 and mat2 shapes": "A linear layer got a list of the wrong length. Look at the shape that goes in.",
    "Boolean value of Tensor": "`if`, `and`, `or`, `not` need one True or False. Masks take &, |, ~ instead.",
    "bitwise_": "& and | combine masks: put each comparison in parentheses, (a == 1) & (b == 1).",
    "context manager": "Are the parentheses missing after a name? `with torch.no_grad():`",
    "'method' object is not iterable": "Are the parentheses missing after a name? `model.parameters()`",
    "multi-target not supported": "Are they in the wrong order? Log-probabilities come first, labels second.",
    "for ^": "A power is written **, not ^.",
    "is not a Module subclass": "nn.Sequential takes modules, made with brackets: nn.ReLU(), not F.relu or nn.Flatten.",
    "only one element tensors": "`math` works on single numbers; a tensor has its own .exp(), .log() and .sqrt().",
    "math domain error": "That is the log or the root of a number below 0. Is it a logarithm already?",
    "is out of bounds": "An index is too large. Did you take a row for a column? Rows come first.",
    "'NoneType'": "Something is None: a function without `return`, or in place, or a gradient never computed?",
    "argument 'keepdim'": "Several axes go together, in one tuple: dim=(…, …).",
    "randperm() received an invalid": "`generator` wants a torch.Generator with the seed in it, not the seed itself.",
    "'ellipsis'": "There is still a ... in your answer: put your code in its place.",
    "on the same device": "Model and images are on different devices. The check's are on the CPU: leave them there.",
    "must match the size of tensor": "Two tensors of different lengths met. Print both shapes.",
    "'list' object has no attribute": "It is a list of numbers: torch.tensor(…) makes a tensor of it.",
    "Can't call numpy() on Tensor that requires grad": "Leave the graph first: .detach().",
    "multiple values": "A tensor of several numbers can't become one number; should there be a mean or a sum?",
    "a Tensor with": "A tensor of several numbers can't become one number; should there be a mean or a sum?",
    "'list' and 'list'": "Python doesn't calculate with whole lists: go through both together, with zip.",
    "maximum recursion depth": "Your function calls itself without end. When should it stop?",
    "is not defined": "Nothing has this name. Is it spelled as in the first line of your function?",
    "must be a real number, not ellipsis": "There is still a ... in your answer: put your code in its place.",
}

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


DOING_NOTHING = ("LOAD_CONST", "RETURN_VALUE", "RETURN_CONST")  # the bytecode of a function without code, with None


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


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise TooSlow in what runs longer than so many seconds, and go on raising it where it is caught.

    It needs a timer of POSIX and the main thread. Elsewhere there is no limit, but the notebook's stop button works.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield
        return

    def each_line(frame: FrameType, event: str, argument: object) -> Callable:
        if event == "line":
            raise TooSlow
        return each_line

    def ring(number: int, frame: FrameType | None) -> None:
        sys.settrace(each_line)  # an `except` that catches this one gets no further than its own first line
        while frame is not None and frame.f_code.co_filename != __file__:
            frame.f_trace, frame = each_line, frame.f_back
        raise TooSlow

    tracing, handler = sys.gettrace(), signal.signal(signal.SIGALRM, ring)
    timer = signal.setitimer(signal.ITIMER_REAL, seconds, 0.05)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)
        sys.settrace(tracing)


@contextmanager
def noticing(forbidden: Sequence[Callable]) -> Iterator[list[Callable]]:
    """Collect which of these functions are called meanwhile, under whatever name."""
    codes = {getattr(inspect.unwrap(function), "__code__", None): function for function in forbidden}
    found: list[Callable] = []

    def look(frame: FrameType, event: str, argument: object) -> None:
        if event == "call" and frame.f_code in codes:
            found.append(codes[frame.f_code])

    profiler = sys.getprofile()
    if codes:
        sys.setprofile(look)
    try:
        yield found
    finally:
        sys.setprofile(profiler)


def call_answer(
    function: Callable,
    *arguments: Any,
    may_change: bool = False,
    returns: bool = True,
    twice: bool = True,
    forbidden: Sequence[Callable] = (),
) -> Any:
    """Call a learner's function and return what it returns; an iterator becomes a list.

    Args:
        function: theirs.
        arguments: tensors, numbers, lists, modules. It gets copies, unless it may change them.
        may_change: False: a function that changes what it was given is refused. True: it is also called only once.
        returns: True: a function that returns nothing is refused.
        twice: True: a second call with equal arguments, and the same random numbers of Python, NumPy and PyTorch, must
            return the same. False is for answers that may draw from a generator of their own without a seed.
        forbidden: the course's own functions that do what the learner is to write.

    Raises:
        WrongAnswer: it is no function, it failed, it took too long, it returned nothing or something else the second
            time, it changed what it was given, or it called what it should be.
    """
    if not callable(function):
        raise WrongAnswer(f"I expected a function and got {describe(function)}. Pass its name, without parentheses.")
    copies = arguments if may_change else copy.deepcopy(arguments)
    again = twice and not may_change
    with notebook.kept(function):
        with noticing(forbidden) as noticed, kept_random_numbers() if again else nullcontext():
            returned = _call(function, copies)
        if noticed:
            name, home = noticed[0].__name__, noticed[0].__module__
            raise WrongAnswer(f"Well found: `{name}` from `{home}` does just that. ;-) Here, write it yourself.")
        if returned is None and returns:
            raise WrongAnswer("Your function returns nothing. Does every way through it end with `return`?")
        if not may_change and (words := changed(arguments, copies)):
            raise WrongAnswer(f"Your function changed {words}")
        if again:
            with redirect_stdout(io.StringIO()):  # what it prints, it has printed
                second = _call(function, copy.deepcopy(arguments))
            if not alike(returned, second):
                raise WrongAnswer(
                    f"Called twice with equal arguments, your function returned {describe(returned)} and then "
                    f"{describe(second)}. Does it keep something from call to call: a list as a default value, "
                    "`def f(x, seen=[])`, or a variable of the notebook? Make it anew inside the function."
                )
    return returned


def _call(function: Callable, arguments: tuple) -> Any:
    """Call a function with a limit of time, settings and notebook kept, and every failure said in words."""
    try:
        with kept_settings(), time_limit(SECONDS):
            returned = function(*arguments)
            return list(islice(returned, LONGEST)) if isinstance(returned, Iterator) else returned
    except (WrongAnswer, KeyboardInterrupt):
        raise
    except TooSlow as error:
        where = line_of(error.__traceback__)
        raise WrongAnswer(
            f"Your code was still running after {SECONDS:g} seconds{where}, so I stopped it. Does a loop never end?"
        ) from None
    except SystemExit:
        raise WrongAnswer(
            "Your code called exit() or sys.exit(), which ends Python as a whole. `return` ends a function."
        ) from None
    except BaseException as error:  # whatever a learner's code does wrong, the notebook goes on
        raise WrongAnswer(explain(error)) from None


def explain(error: BaseException) -> str:
    """Return in one line how a learner's code failed: where, with what, and a hint where the error is a common one."""
    try:
        message = next(iter(str(error).splitlines()), "").removesuffix(", but expected one of:")
    except Exception:  # an error of their own may fail when it is asked what it says
        message = ""
    if isinstance(error, MemoryError):
        message = message or "there is not enough memory. Are the numbers that large, or does a list grow without end?"
    shown = message.rstrip(".") if len(message) <= 160 else f"{message[:157]}…"
    hint = next((hint for words, hint in HINTS_FOR_ERRORS.items() if words in message), "")
    what = f"{type(error).__name__}: {shown}" if shown else type(error).__name__
    return f"Your code stopped{line_of(error.__traceback__)} with {what}. {hint}".strip()


def line_of(trace: TracebackType | None) -> str:
    """Return where in a notebook's cells an error came up, ` in the line …`; nothing if it was not in a cell."""
    # IPython keeps a cell's text in the line cache, under a name that is no file's.
    frames = [frame for frame in traceback.extract_tb(trace) if re.search("ipykernel|^<", frame.filename)]
    return f" in the line `{frames[-1].line}`" if frames and frames[-1].line else ""


def changed(before: Any, after: Any) -> str:
    """Return in words how an argument differs from what was given; nothing if it does not."""
    kept = "others may need it."
    if isinstance(before, nn.Module):
        if [part.training for part in before.modules()] != [part.training for part in after.modules()]:
            return "the mode of the model that it was given. Leave it in the one in which it came, train() or eval()."
        pairs = zip([*before.parameters(), *before.buffers()], [*after.parameters(), *after.buffers()], strict=True)
        return next((words.replace("tensor", "model") for pair in pairs if (words := changed(*pair))), "")
    if isinstance(before, Tensor):
        if not same(before.detach(), after.detach(), 0):
            return f"the tensor that it was given; {kept} Make a new one: `x = x / 2`, not `x /= 2` or `x.div_(2)`."
        if before.requires_grad != after.requires_grad:
            return f"`requires_grad` of the tensor that it was given; {kept} Work with x.detach()."
        grads = [tensor.grad for tensor in (before, after) if tensor.is_leaf and tensor.grad is not None]
        if len(grads) == 1 or (grads and not same(grads[0], grads[1], 0)):
            return (
                f"`.grad` of the tensor that it was given; {kept} Nobody asked for a backward() or a zero_grad() here."
            )
        return ""
    if isinstance(before, list | tuple | dict) and len(before) == len(after):
        parts = zip(*(part.values() if isinstance(part, dict) else part for part in (before, after)), strict=True)
        deeper = [changed(*pair) for pair in parts if type(pair[0]) is type(pair[1]) and not isinstance(pair[0], float)]
        if any(deeper):
            return next(filter(None, deeper))
    if alike(before, after):
        return ""
    kind = "array" if isinstance(before, np.ndarray) else type(before).__name__
    return (
        f"the {kind} that it was given; {kept} Work on a copy: `sorted(x)` rather than `x.sort()`, or `x = x.copy()`."
    )


def alike(one: Any, other: Any) -> bool:
    """Tell whether two values are equal, as far as one can tell; numbers may differ in the last digits."""
    if isinstance(one, pd.DataFrame | pd.Series):
        return one.equals(other)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(alike, one, other))
    if isinstance(one, dict) and isinstance(other, dict):
        return list(one) == list(other) and alike(list(one.values()), list(other.values()))
    if isinstance(one, nn.Module) and isinstance(other, nn.Module):
        return alike(one.state_dict(), other.state_dict())
    if isinstance(one, set | frozenset | str):
        return one == other
    numbers = as_tensor(one), as_tensor(other)
    if numbers[0] is None or numbers[1] is None:
        return type(one) is type(other)
    return same(numbers[0], numbers[1], 1e-6)


def is_stub(answer: object) -> bool:
    """Tell whether an answer was left as it came: None, `...`, a collection of them, or a function with no code."""
    if isinstance(answer, dict):
        answer = list(answer.values())
    if isinstance(answer, list | tuple):
        return len(answer) > 0 and all(map(is_stub, answer))
    if inspect.isfunction(answer):
        steps = [step for step in dis.get_instructions(answer) if step.opname not in ("RESUME", "NOP")]
        return all(step.opname in DOING_NOTHING and step.argval is None for step in steps)
    return answer is None or answer is ...
