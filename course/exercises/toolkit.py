"""What every check shares: draw inputs, call the learner's answer, compare, and name the mistake.

A check of a function has the right function and a table of common mistakes: wrong functions, each with what to say. A
mistake is recognised by what its wrong function returns on the same inputs. A check of a value has wrong values.
"""

import copy
import dis
import inspect
import math
import re
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import combinations, pairwise
from typing import Any

import torch
from torch import Tensor

# What PyTorch and Python say when something goes wrong that goes wrong for nearly everybody once, and what helps.
HINTS_FOR_ERRORS = {
    "floating point": "That needs floating-point numbers: call .float() first.",
    "result type Float can't be cast": "The tensor holds whole numbers and the result does not: call .float() first.",
    "leaf Variable that requires grad": "Changing a parameter by hand needs `with torch.no_grad():` around it.",
    "does not require grad": "The loss doesn't know the parameters, so there is no slope. Is `no_grad` on?",
    "backward through the graph a second time": "The slopes of this loss were computed already: compute a new loss.",
    "modified by an inplace operation": "Numbers changed between loss and slopes. Does step() come before backward()?",
    "mat1 and mat2 shapes": "A linear layer got a list of the wrong length. Look at the shape that goes in.",
    "Boolean value of Tensor": "`if`, `and`, `or` need one True or False. Masks take & and |, with each in brackets.",
    "bitwise_": "& and | combine masks: put each comparison in brackets, (a == 1) & (b == 1).",
    "context manager": "Are the brackets missing after a name? `with torch.no_grad():`",
    "'method' object is not iterable": "Are the brackets missing after a name? `model.parameters()`",
    "multi-target not supported": "Are they in the wrong order? Log-probabilities come first, labels second.",
    "for ^": "A power is written **, not ^.",
    "is not a Module subclass": "nn.Sequential takes modules, made with brackets: nn.ReLU(), not F.relu or nn.Flatten.",
    "only one element tensors": "`math` works on single numbers; a tensor has its own .exp(), .log() and .sqrt().",
    "math domain error": "A logarithm or a root of a number below 0. Is it a logarithm already?",
    "is out of bounds": "An index is too large: was a row taken for a column? Rows come first.",
    "'NoneType'": "Something is None: a function without `return`, one that works in place, or a slope never computed?",
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
}

Mistakes = Sequence[tuple[Callable, str]]  # wrong functions, each with what to say
ELSEWHERE = "Does your function read a name of the notebook instead of its argument?"

DOING_NOTHING = ("LOAD_CONST", "RETURN_VALUE", "RETURN_CONST")  # the bytecode of a function without code, with None


class WrongAnswer(Exception):
    """An answer is not right yet; the message says what was expected, what came, and what to do next."""


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


def call_answer(function: Callable, *arguments: Any, may_change: bool = False, returns: bool = True) -> Any:
    """Call a learner's function and return what it returns.

    Args:
        function: theirs.
        arguments: tensors, numbers, modules. It gets copies, unless it may change them.
        may_change: False: a function that changes a tensor it was given is refused.
        returns: True: a function that returns nothing is refused.

    Raises:
        WrongAnswer: it is no function, it failed, it returned nothing, or it changed what it was given.
    """
    if not callable(function):
        raise WrongAnswer(f"I expected a function and got {describe(function)}. Pass its name, without brackets.")
    copies = arguments if may_change else copy.deepcopy(arguments)
    try:
        returned = function(*copies)
    except WrongAnswer:
        raise
    except Exception as error:  # whatever a learner's code does wrong, the notebook goes on
        raise WrongAnswer(explain(error)) from None
    if returned is None and returns:
        raise WrongAnswer("Your function returns nothing. Does every way through it end with `return`?")
    for given, after in zip(arguments, copies, strict=True):
        if isinstance(given, Tensor) and not same(given, after, 0):
            changed = (
                "Your function changed the tensor that it was given; others may still need it. Compute a new one: "
            )
            raise WrongAnswer(changed + "`x = x / 2` rather than `x /= 2` or `x.div_(2)`.")
    return returned


def explain(error: Exception) -> str:
    """Return in one line how a learner's code failed: where, with what, and a hint where the error is a common one."""
    # IPython keeps a cell's text in the line cache, under a name that is no file's.
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if re.search("ipykernel|^<", frame.filename)]
    where = f" in the line `{frames[-1].line}`" if frames and frames[-1].line else ""
    message = next(iter(str(error).splitlines()), "").removesuffix(", but expected one of:")
    shown = message.rstrip(".") if len(message) <= 160 else f"{message[:157]}…"
    hint = next((hint for words, hint in HINTS_FOR_ERRORS.items() if words in message), "")
    return f"Your code stopped{where} with {type(error).__name__}: {shown}. {hint}".strip()


def check_function(
    answer: Callable,
    draw: Callable[[], tuple],
    right: Callable,
    common_mistakes: Mistakes = (),
    about: str | Callable[..., str] = "the inputs that I tried",
    hint: str = "",
    tolerance: float = 1e-4,
    rounds: int = 2,
    read: Callable = lambda got: got,
) -> None:
    """Compare a learner's function with the right one on inputs drawn anew.

    Args:
        answer: theirs.
        draw: returns the arguments of a call, as a tuple; called until each mistake can be told from all others.
        right: the right function.
        common_mistakes: wrong functions of the same arguments, each with what to say.
        about: the arguments in words, or a function of them that returns the words.
        hint, tolerance: see `compare`.
        rounds: how many inputs are tried.
        read: makes what the learner's function returned comparable, or refuses it.

    Raises:
        WrongAnswer: it differs somewhere.
    """
    for _ in range(rounds):
        inputs, expected, mistakes = draw_distinct(draw, right, common_mistakes, 2 * tolerance)
        words = about if isinstance(about, str) else about(*inputs)
        compare(read(call_answer(answer, *inputs)), expected, words, mistakes, tolerance, hint)


def check_edge_case(
    answer: Callable, inputs: tuple, expected: object, about: str, wanted: str, read: Callable = lambda got: got
) -> None:
    """Compare an answer that is right otherwise on an edge case; `wanted` says what should happen there.

    Raises:
        WrongAnswer: it failed or differs.
    """
    about = f"{about} (the usual case is right)"
    try:
        got = read(call_answer(answer, *inputs))
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
    values = [(torch.as_tensor(value), words) for value, words in [(right, ""), *common_mistakes]]
    return not any(same(a, b, gap) for (a, one), (b, other) in combinations(values, 2) if one != other)


def refuse(faults: Sequence[tuple[object, str]]) -> None:
    """Raise a WrongAnswer with the words of the first fault that an answer has: pairs of (has it?, words)."""
    for found, words in faults:
        if found:
            raise WrongAnswer(words)


def between(low: int, high: int) -> int:
    """Return a random whole number, low ≤ number < high."""
    return int(torch.randint(low, high, (1,)))


def numbers(got: object, count: int, asked: str) -> Tensor:
    """Return an answer of several numbers as one tensor, float64 (count,).

    Raises:
        WrongAnswer: it is something else; `asked` says what was expected.
    """
    found = as_tensor(got)
    if found is None or found.numel() != count:
        raise WrongAnswer(f"I expected {asked} and got {describe(got)}.")
    return found.double().flatten()


def one_number(got: object, asked: str) -> float:
    """Return an answer as one number, as `numbers` returns several."""
    return numbers(got, 1, asked).item()


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
    expected, found = torch.as_tensor(expected), as_tensor(got)
    if found is None:
        wanted = describe(expected) if reveal else "a number"
        raise WrongAnswer(f"For {about}, I expected {wanted} and got {describe(got)}. {hint}".strip())
    if expected.ndim == 0 and found.numel() == 1:
        found = found.reshape(())
    if same(found, expected, tolerance):
        return
    if found.isnan().any():
        hint = f"NaN is what comes of 0 / 0, or of the logarithm of a number below 0. {hint}"
    if expected.ndim == 0 and found.ndim:
        difference = f"I expected one number and got {describe(got)}"
    else:
        difference = _difference(found, expected, tolerance) if reveal else f"{describe(found)} is not right"
    raise WrongAnswer(f"For {about}, {difference}. {words_for(found, common_mistakes, hint, tolerance)}".strip())


def as_tensor(value: object) -> Tensor | None:
    """Return a learner's value as a tensor of real numbers, or None where it can't be one."""
    if isinstance(value, list | tuple) and value and all(isinstance(part, Tensor) for part in value):
        value = torch.stack(list(value)) if len({part.shape for part in value}) == 1 else value
    try:
        dtype = torch.float64 if isinstance(value, float) else None  # float32 would round it
        found = torch.as_tensor(value, dtype=dtype).detach().cpu()
    except (TypeError, ValueError, RuntimeError):
        return None
    return None if found.is_complex() else found


def same(got: Tensor, expected: Tensor, tolerance: float = 1e-4) -> bool:
    """Tell whether two tensors have the same shape and, within the tolerance, the same numbers."""
    if got.shape != expected.shape:
        return False
    return torch.allclose(got.double(), expected.double(), rtol=tolerance, atol=tolerance, equal_nan=True)


def _difference(got: Tensor, expected: Tensor, tolerance: float) -> str:
    if got.shape != expected.shape:
        return f"I expected shape {tuple(expected.shape)} and got {tuple(got.shape)}"
    off = ~torch.isclose(got.double(), expected.double(), rtol=tolerance, atol=tolerance, equal_nan=True)
    place = tuple(off.nonzero()[0].tolist())
    at = f" at [{', '.join(map(str, place))}]" if place else ""
    pairs = [(describe(expected[place], digits), describe(got[place], digits)) for digits in (4, 6, 9)]
    wanted, came = next((pair for pair in pairs if pair[0] != pair[1]), pairs[-1])
    return f"I expected {wanted}{at} and got {came}"


def describe(value: object, digits: int = 4) -> str:
    """Return a value in a few words, short enough for one line."""
    if isinstance(value, Tensor):
        if value.ndim:
            return f"a tensor of shape {tuple(value.shape)}"
        value = value.item()
    if isinstance(value, float):
        return f"{value:.{digits if abs(value) < 10**digits else 8}g}"  # 14270 rather than 1.427e+04
    text = f"a {type(value).__name__}" if callable(value) else " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:57]}…"


# --- functions that return one number, and what several checks say ---

ROUNDED = "That is rounded. Return the number as it is; round when you print it."
CUT_OFF = "Everything behind the point is gone. Does int(), round() or // cut it off?"


def check_number(
    answer: Callable,
    draw: Callable[[], tuple],
    right: Callable[..., float],
    common_mistakes: Mistakes,
    hint: str = "",
    tolerance: float = 1e-3,
    rounds: int = 2,
) -> None:
    """Compare a learner's function that returns one number with the right one, on arguments drawn anew.

    Beyond what `check_function` does, a tensor or list of one number counts as that number, and a function that returns
    the same for other arguments is told so before its number can be taken for a mistake. The arguments are called what
    the right function calls them. All else is as in `check_function`.
    """
    near = partial(math.isclose, rel_tol=tolerance, abs_tol=tolerance)
    for _ in range(rounds):
        for _ in range(2000):
            inputs = draw()
            expected = right(*inputs)
            mistakes = [(wrong(*inputs), words) for wrong, words in common_mistakes]
            ordered = pairwise(sorted([(expected, ""), *mistakes]))
            if all(one == other or b - a > 1.5 * tolerance * (1 + abs(a)) for (a, one), (b, other) in ordered):
                break
        got = one_number(call_answer(answer, *inputs), "one number")
        if not near(got, expected):
            suspects = [wrong for wrong, _ in common_mistakes if near(wrong(*inputs), got)]
            others: list[tuple] = []  # other arguments, for which the mistake would give other numbers
            for _ in range(200):
                drawn = draw()
                if len(others) < 3 and all(one != other for one, other in zip(inputs, drawn, strict=True)):
                    others += [drawn] if not any(near(wrong(*drawn), got) for wrong in suspects) else []
            again = [one_number(call_answer(answer, *arguments), "one number") for arguments in others]
            if others and again == [got] * len(others):
                raise WrongAnswer(f"For different arguments the same number came out, {describe(got)}. {ELSEWHERE}")
        about = ", ".join(
            f"{name}={value}" for name, value in zip(inspect.signature(right).parameters, inputs, strict=True)
        )
        compare(int(got) if got.is_integer() else got, expected, about, mistakes, tolerance, hint)


def rounded(right: Callable[..., float], *digits: int) -> Mistakes:
    """Return the mistakes of rounding the right number to so many digits, or to a whole number."""
    steps = [*((partial(round, ndigits=count), ROUNDED) for count in digits), (round, CUT_OFF), (math.floor, CUT_OFF)]
    return [(lambda *inputs, step=step: step(right(*inputs)), words) for step, words in steps]


def words_for(
    got: object, common_mistakes: Sequence[tuple[object, str]], otherwise: str, tolerance: float = 1e-6
) -> str:
    """Return what to say to a wrong value: the words of the first mistake that it equals, or else `otherwise`."""
    got = torch.as_tensor(got)
    return next((words for value, words in common_mistakes if same(got, torch.as_tensor(value), tolerance)), otherwise)


@contextmanager
def after_success(works: str) -> Iterator[None]:
    """Put what works already in front of what is wrong: `To the right it works. For images …`."""
    try:
        yield
    except WrongAnswer as reason:
        raise WrongAnswer(f"{works} {reason}".strip()) from None
