"""A learner's function is called on copies, twice, and within the guard; whatever goes wrong is said in a sentence."""

import copy
import io
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, redirect_stdout
from functools import partial
from itertools import islice
from typing import Any

import pandas as pd
from torch import Tensor, nn

from course.exercises import guard
from course.exercises.errors import explain, line_of
from course.exercises.values import LONGEST, WrongAnswer, as_tensor, describe, same

STATE = (
    "Does it keep something from call to call: a list as a default value, `def f(x, seen=[])`, or a variable of the "
    "notebook? Or does it draw from a generator without a seed?"
)


class Elsewhere(ABC):
    """Stands for an answer whose code runs in another process."""

    @abstractmethod
    def __call__(self, *arguments: Any) -> Any:
        """Return what the answer returns there; what it changes in its arguments changes here."""

    @abstractmethod
    def beside(self, trial: Callable) -> Callable:
        """Return a function that calls `trial(answer, …)` there."""

    @abstractmethod
    def noticing(self, forbidden: Sequence[Callable]) -> AbstractContextManager[list[Callable]]:
        """Collect which of these functions are called there meanwhile."""


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
        forbidden: functions and classes, written in Python, that do what the learner is to write; the course's own.

    Raises:
        WrongAnswer: it is no function, it failed, it took too long, it returned nothing or something else the second
            time, it changed what it was given, or it called what it should be.
    """
    if not callable(function):
        raise WrongAnswer(f"I expected a function and got {describe(function)}. Pass its name, without parentheses.")
    copies = arguments if may_change else equal_copies(arguments)
    again = twice and not may_change
    noticing = function.noticing if isinstance(function, Elsewhere) else guard.noticing
    with noticing(forbidden) as noticed, guard.kept_random_numbers() if again else nullcontext():
        returned = call_once(function, copies)
    if noticed:
        name, home = noticed[0].__name__, noticed[0].__module__
        raise WrongAnswer(f"Well found: `{name}` from `{home}` does just that. ;-) Here, write it yourself.")
    if returned is None and returns:
        raise WrongAnswer("Your function returns nothing. Does every way through it end with `return`?")
    if not may_change and (what := changed(arguments, copies)):
        instead = "`x = x / 2` rather than `x /= 2`, `sorted(x)` rather than `x.sort()`, or a copy first"
        raise WrongAnswer(f"Your function changed {what} that it was given; others may need it: {instead}.")
    if again:
        with redirect_stdout(io.StringIO()):  # what it prints, it has printed
            second = call_once(function, equal_copies(arguments))
        if not alike(returned, second):
            came = f"your function returned {describe(returned)}, and then {describe(second)}"
            raise WrongAnswer(f"Called twice with equal arguments, {came}. {STATE}")
    return returned


def beside(trial: Callable, answer: Any) -> Any:
    """Return a function that calls `trial(answer, …)` where the answer's own code runs: here, or elsewhere.

    What can't be called stays as it is, to be refused.
    """
    if isinstance(answer, Elsewhere):
        return answer.beside(trial)
    return partial(trial, answer) if callable(answer) else answer


def equal_copies(arguments: tuple) -> tuple:
    """Return copies of arguments; those of models keep their gradients, which deepcopy alone would drop."""
    copies = copy.deepcopy(arguments)
    for given, own in zip(arguments, copies, strict=True):
        if isinstance(given, nn.Module):
            for before, after in zip(given.parameters(), own.parameters(), strict=True):
                after.grad = None if before.grad is None else before.grad.clone()
    return copies


def call_once(function: Callable, arguments: tuple) -> Any:
    """Call a function with a limit of time, with settings kept; an iterator becomes a list.

    Raises:
        WrongAnswer: it failed or took too long; the message says so in words.
    """

    def call() -> Any:
        returned = function(*arguments)
        return list(islice(returned, LONGEST)) if isinstance(returned, Iterator) else returned

    try:
        with guard.kept_settings():
            return guard.within_time(call)
    except (WrongAnswer, KeyboardInterrupt):
        raise
    except guard.TooSlow as error:
        where = f"after {guard.SECONDS:g} seconds{line_of(error.__traceback__)}"
        raise WrongAnswer(f"Your code was still running {where}, so I stopped it. Is there an endless loop?") from None
    except SystemExit:
        raise WrongAnswer(
            "Your code called exit() or quit(), which end Python itself. `return` ends a function."
        ) from None
    except BaseException as error:  # whatever a learner's code does wrong, the notebook goes on
        raise WrongAnswer(explain(error)) from None


def changed(before: Any, after: Any) -> str:
    """Return in words what a function changed in its arguments; nothing if they are as they were."""
    pairs = zip(_parts(before), _parts(after), strict=False)  # where one has fewer parts, their number already differs
    return next((what for (what, one), (_, other) in pairs if not _equal(one, other, 0)), "")


def alike(one: Any, other: Any) -> bool:
    """Tell whether two values are equal, as far as one can tell; numbers may differ in the last digits."""
    pairs = zip(_parts(one), _parts(other), strict=False)
    return type(one) is type(other) and all(_equal(a, b, 1e-6) for (_, a), (_, b) in pairs)


def _parts(value: Any, whole: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what makes up a value, all the way down, each with what it is a part of in words."""
    name = whole or f"the {type(value).__name__}"
    if isinstance(value, nn.Module):
        yield "the mode, train() or eval(), of the model", [module.training for module in value.modules()]
        for tensor in [*value.parameters(), *value.buffers()]:
            yield from _parts(tensor, "the model")
    elif isinstance(value, Tensor):
        name = whole or "the tensor"
        yield name, value.detach()
        yield f"`requires_grad` of {name}", value.requires_grad
        yield f"`.grad` of {name}", value.grad if value.is_leaf else None
    elif isinstance(value, dict):
        yield name, repr(list(value))
        yield from _parts(list(value.values()), name)
    elif isinstance(value, list | tuple) and not {*map(type, value)} <= {int, float, bool}:
        yield name, len(value)
        for part in value:
            yield from _parts(part, name if isinstance(part, int | float | str | None) else "")
    else:
        yield name, value


def _equal(one: Any, other: Any, tolerance: float) -> bool:
    if isinstance(one, pd.DataFrame | pd.Series):
        return one.equals(other)
    if isinstance(one, set | frozenset | str):
        return one == other
    numbers = as_tensor(one), as_tensor(other)
    if numbers[0] is None or numbers[1] is None:
        return type(one) is type(other)
    return same(numbers[0], numbers[1], tolerance)
