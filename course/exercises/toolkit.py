"""What every check shares: draw inputs, call the learner's answer, compare, and name the mistake.

A check of a function has the right function and a table of common mistakes: wrong functions, each with what to say. A
mistake is recognized by what its wrong function returns on the same inputs. A check of a value has wrong values.
"""

import inspect
import math
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import combinations, pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor

from course.exercises.calls import call_answer
from course.exercises.values import WrongAnswer, as_tensor, describe, numbers, one_number, same, show

__all__ = [  # what the chapters' checks are made of
    "CUT_OFF", "ELSEWHERE", "ROUNDED", "Mistakes", "WrongAnswer", "after_success", "as_tensor", "between",
    "call_answer", "check_edge_case", "check_function", "compare", "describe", "distinct", "draw_distinct",
    "numbers", "one_number", "refuse", "rounded", "same", "show", "words_for",
]  # fmt: skip

Mistakes = Sequence[tuple[Callable, str]]  # wrong functions, each with what to say
ELSEWHERE = "Does your function read a name of the notebook instead of its argument?"
UNREADABLE = torch.empty(0, 0, 0, 0, 0)  # in the place of an answer that is no numbers; it is like nothing else
ROUNDED = "That is rounded. Return the number as it is; round when you print it."
CUT_OFF = "Everything after the decimal point is gone. Does int(), round() or // cut it off?"


def check_function(
    answer: Callable,
    draw: Callable[[], tuple],
    right: Callable,
    common_mistakes: Mistakes = (),
    about: str | Callable[..., str] = "",
    hint: str = "",
    tolerance: float = 1e-4,
    rounds: int = 3,
    edges: Sequence[tuple] = (),
    read: Callable = lambda got, *inputs: got,
    **how: Any,
) -> None:
    """Compare a learner's function with the right one, on inputs drawn anew and on the edges.

    A mistake is named only if it would return what came for all of them. Where several inputs show that the answer is
    wrong, the message tells the smallest.

    Args:
        answer: theirs.
        draw: returns the arguments of a call, as a tuple; called until each mistake can be told from all others.
        right: the right function.
        common_mistakes: wrong functions of the same arguments, each with what to say.
        about: the arguments in words, or a function of them that returns the words; "" shows them under the names
            that they have in the right function, small ones in full.
        hint, tolerance: see `compare`.
        rounds: how many inputs are drawn.
        edges: further arguments that are always tried: one item, none, even and odd, exact ties.
        read: makes what the learner's function returned, for these arguments, comparable, or refuses it.
        how: options of `call_answer`, such as `forbidden`.

    Raises:
        WrongAnswer: it differs somewhere.
    """

    def call(inputs: tuple) -> Try:
        got, expected = read(call_answer(answer, *inputs, **how), *inputs), _tensor(right(*inputs))
        return Try(inputs, got, _comparable(got, expected), expected)

    def in_words(inputs: tuple) -> str:
        if not about or _size(inputs) <= 12:
            return show(inspect.signature(right).parameters, inputs)
        return about(*inputs) if callable(about) else about

    def wrong() -> list[Try]:
        edges_first = [*tries[rounds:], *tries[:rounds]]  # they are easier to trace by hand
        return [one for one in edges_first if not same(one.found, one.expected, tolerance)]

    tries = [call(draw_distinct(draw, right, common_mistakes, 2 * tolerance)[0]) for _ in range(rounds)]
    for inputs in edges:
        try:
            tries.append(call(inputs))
        except WrongAnswer as reason:
            if not wrong():
                raise WrongAnswer(f"For {in_words(inputs)}: {reason}") from None
    if not wrong():
        return
    fitting = [(mistake, words) for mistake, words in common_mistakes if _fits(mistake, tries, tolerance)]
    if rounds > 2 and _always_the_same(tries):
        draws = (draw() for _ in range(100))
        others = (Try(other, *tries[0][1:]) for other in draws)  # would the mistake return something else for these?
        telling = next((one for one in others if not any(_fits(wrong, [one], tolerance) for wrong, _ in fitting)), None)
        if telling and _always_the_same([*tries, call(telling.inputs)]):
            fitting = [(right, f"For other arguments the same came out. {ELSEWHERE}")]
    smallest = min(wrong(), key=lambda one: _size(one.inputs))
    hint = fitting[0][1] if fitting else hint
    compare(smallest.got, smallest.expected, in_words(smallest.inputs), tolerance=tolerance, hint=hint)


class Try(NamedTuple):
    """One call of an answer: the arguments, what came, the same as a tensor, and what was expected."""

    inputs: tuple
    got: Any
    found: Tensor
    expected: Tensor


def _fits(mistake: Callable, tries: Sequence[Try], tolerance: float) -> bool:
    """Tell whether a wrong function would have returned all that came."""
    try:
        return all(same(one.found, _comparable(mistake(*one.inputs), one.expected), tolerance) for one in tries)
    except (ArithmeticError, LookupError, RuntimeError, ValueError):  # on an edge for which the mistake wasn't made
        return False


def _always_the_same(tries: Sequence[Try]) -> bool:
    """Tell whether the same came from all calls, although not all of them should give the same."""
    first = tries[0]
    if first.found is UNREADABLE or all(same(one.expected, first.expected, 0) for one in tries[1:]):
        return False
    return all(same(one.found, first.found, 0) for one in tries[1:])


def _size(inputs: tuple) -> int:
    """Return how many numbers the arguments hold."""
    found = map(as_tensor, inputs)
    return sum(1 if one is None else one.numel() for one in found)


def _tensor(value: object) -> Tensor:
    """Return a value of the check's own as a tensor."""
    found = as_tensor(value)
    assert found is not None, f"{describe(value)} is no number"
    return found


def _comparable(got: object, expected: Tensor) -> Tensor:
    """Return an answer as a tensor; (1,) counts as a single number, and what can't be read is like nothing else."""
    found = as_tensor(got)
    if found is None:
        return UNREADABLE
    return found.reshape(()) if expected.ndim == 0 and found.numel() == 1 else found


def check_edge_case(
    answer: Callable,
    inputs: tuple,
    expected: object,
    about: str,
    wanted: str,
    read: Callable = lambda got, *inputs: got,
) -> None:
    """Compare an answer that is right otherwise on an edge case; `wanted` says what should happen there.

    Raises:
        WrongAnswer: it failed or differs.
    """
    about = f"{about} (the usual case is right)"
    try:
        got = read(call_answer(answer, *inputs), *inputs)
    except WrongAnswer as reason:
        raise WrongAnswer(f"For {about}: {reason} {wanted}") from None
    compare(got, expected, about, hint=wanted)


def draw_distinct(
    draw: Callable[[], tuple], right: Callable, common_mistakes: Mistakes, gap: float = 2e-4, attempts: int = 200
) -> tuple[tuple, Any, list[tuple[Any, str]]]:
    """Draw inputs on which every mistake shows; after so many attempts, take the last ones.

    Returns:
        The inputs, what the right function returns for them, and what each wrong one returns, with its words.
    """
    for _ in range(attempts):
        inputs = draw()
        expected = right(*inputs)
        mistakes = [(wrong(*inputs), words) for wrong, words in common_mistakes]
        if distinct(expected, mistakes, gap):
            break
    return inputs, expected, mistakes


def distinct(right: object, common_mistakes: Sequence[tuple[object, str]], gap: float = 3e-3) -> bool:
    """Tell whether no mistake looks like the right value, nor like another mistake with other words."""
    pairs = [(right, ""), *common_mistakes]
    values: list = [
        (value.item() if isinstance(value, Tensor) and not value.ndim else value, words) for value, words in pairs
    ]
    single = sorted((value, words) for value, words in values if isinstance(value, int | float) and value == value)
    if any(one != other and b <= a + gap * (1 + abs(a)) for (a, one), (b, other) in pairwise(single)):
        return False
    rest = [(_tensor(value), words) for value, words in values if not isinstance(value, int | float) or value != value]
    return not any(same(a, b, gap) for (a, one), (b, other) in combinations(rest, 2) if one != other)


def refuse(faults: Sequence[tuple[object, str]]) -> None:
    """Raise a WrongAnswer with the words of the first fault that an answer has: pairs of (has it?, words)."""
    for found, words in faults:
        if found:
            raise WrongAnswer(words)


def between(low: int, high: int) -> int:
    """Return a random whole number, low ≤ number < high."""
    return int(torch.randint(low, high, (1,)))


def compare(
    got: object,
    expected: object,
    about: str,
    common_mistakes: Sequence[tuple[object, str]] = (),
    tolerance: float = 1e-4,
    hint: str = "",
    reveal: bool = True,
) -> None:
    """Compare an answer with what was expected, and name the mistake where it is a common one.

    Args:
        got: a number, a tensor, or lists of numbers. Floats will do for whole numbers, and (1,) for a single one.
        expected: numbers of any shape.
        about: the input in words, `5 images of 28 × 28`.
        common_mistakes: what a wrong answer would be on this input, and what to say then; the first that fits is taken.
        tolerance: how far a number may be off, relative and absolute.
        hint: what to say if no mistake fits.
        reveal: False where the expected value is the answer itself, a prediction say: it is then not told.

    Raises:
        WrongAnswer: it differs.
    """
    expected = _tensor(expected)
    found = _comparable(got, expected)
    if found is UNREADABLE:
        wanted = "" if not reveal else describe(expected) if expected.ndim else f", {describe(expected)},"
        wanted = wanted if expected.ndim and reveal else f"one number{wanted}"
        raise WrongAnswer(f"For {about}, I expected {wanted} and got {describe(got)}. {hint}".strip())
    if same(found, expected, tolerance):
        return
    if found.isnan().any():
        hint = f"NaN is what comes of 0 / 0, or of the logarithm of a number below 0. {hint}"
    if expected.ndim == 0 and found.ndim:
        difference = f"I expected one number and got {describe(got)}"
    else:
        difference = _difference(found, expected, tolerance) if reveal else f"{describe(found)} is not right"
    raise WrongAnswer(f"For {about}, {difference}. {words_for(found, common_mistakes, hint, tolerance)}".strip())


def _difference(got: Tensor, expected: Tensor, tolerance: float) -> str:
    if got.shape != expected.shape:
        return f"I expected shape {tuple(expected.shape)} and got {tuple(got.shape)}"
    off = ~torch.isclose(got.double(), expected.double(), rtol=tolerance, atol=tolerance, equal_nan=True)
    place = tuple(off.nonzero()[0].tolist())
    at = f" at [{', '.join(map(str, place))}]" if place else ""
    pairs = [(describe(expected[place], digits), describe(got[place], digits)) for digits in (4, 6, 9, 13, 17)]
    wanted, came = next((pair for pair in pairs if pair[0] != pair[1]), pairs[-1])
    return f"I expected {wanted}{at} and got {came}"


def rounded(right: Callable[..., float], *digits: int) -> Mistakes:
    """Return the mistakes of rounding the right number to so many digits, or to a whole number."""
    steps = [*((partial(round, ndigits=count), ROUNDED) for count in digits), (round, CUT_OFF), (math.floor, CUT_OFF)]
    return [(lambda *inputs, step=step: step(right(*inputs)), words) for step, words in steps]


def words_for(
    got: object, common_mistakes: Sequence[tuple[object, str]], otherwise: str, tolerance: float = 1e-6
) -> str:
    """Return what to say to a wrong value: the words of the first mistake that it equals, or else `otherwise`."""
    found = _tensor(got)
    return next((words for value, words in common_mistakes if same(found, _tensor(value), tolerance)), otherwise)


@contextmanager
def after_success(works: str) -> Iterator[None]:
    """Put what works already in front of what is wrong: `To the right it works. For images …`."""
    try:
        yield
    except WrongAnswer as reason:
        words = re.sub("^For ", "for ", str(reason)) if works.endswith(":") else reason
        raise WrongAnswer(f"{works} {words}".strip()) from None
