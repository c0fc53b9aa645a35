"""Hostile and odd answers: whatever one does, the check answers in a sentence, and the notebook is as it was."""

import contextlib
import functools
import itertools
import os
import random
import re
import signal
import sys
import threading
import time
import warnings
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from course import exercises
from course.exercises import cells, guard, toolkit, values
from course.exercises.toolkit import WrongAnswer, call_answer, check_function
from helpers import data
from helpers.model import MNISTClassification

needs_a_timer = pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="no timer that interrupts on this system")


@pytest.fixture(autouse=True)
def kept_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_COURSE_PROGRESS", str(tmp_path / "progress.json"))


def doing(act: Callable[[], object]) -> Callable:
    """Return an answer to exercise 1.1 that is right, but does something else first."""

    def negative(image):
        act()
        return 255 - image

    return negative


def said_to(answer: object, capsys: pytest.CaptureFixture, number: str = "1.1", **context: object) -> str:
    exercises.check(number, answer, **context)
    return " ".join(capsys.readouterr().out.split())


# --- what an answer does to the notebook ---


def state() -> list:
    found = [read() for read, _ in guard.SETTINGS]
    generators = str(random.getstate()), str(np.random.get_state()), torch.get_rng_state().tolist()
    return [
        *found,
        warnings.filters[:],
        torch.is_inference_mode_enabled(),
        *generators,
        sys.gettrace(),
        sys.getprofile(),
    ]


@pytest.mark.parametrize(
    "act",
    [
        lambda: torch.set_grad_enabled(False),
        lambda: torch.no_grad().__enter__(),
        lambda: torch.inference_mode().__enter__(),
        lambda: torch.set_default_dtype(torch.float64),
        lambda: torch.set_default_device("meta"),
        lambda: torch.set_num_threads(torch.get_num_threads() + 1),
        lambda: torch.use_deterministic_algorithms(True),
        lambda: torch.autograd.set_detect_anomaly(True),
        lambda: setattr(torch.backends.cudnn, "benchmark", True),
        lambda: np.seterr(all="raise"),
        lambda: warnings.simplefilter("error"),
        lambda: os.chdir("/"),
        lambda: sys.setrecursionlimit(5000),
        lambda: setattr(sys, "stdout", sys.stderr),
        lambda: torch.manual_seed(0),
        lambda: (random.seed(0), np.random.seed(0)),
        lambda: torch.rand(3) + random.random() + np.random.rand(),
        lambda: warnings.warn("this is shown to nobody", stacklevel=1),
        lambda: np.exp(np.array([1e6])),
    ],
)
def test_what_an_answer_sets_does_not_stay(act: Callable, capsys: pytest.CaptureFixture) -> None:
    before = state()
    exercises.check("1.1", doing(act))
    assert state() == before
    shown = capsys.readouterr()
    assert shown.out.startswith("Exercise 1.1: right.")
    assert not shown.err


def test_quitting_python_ends_a_function_only(capsys: pytest.CaptureFixture) -> None:
    ended: list = []  # IPython's own quit() would end the kernel
    space: dict[str, Any] = {"quit": lambda: ended.append(1)}
    exec("def negative(image):\n    quit()\n    return 255 - image", space)
    kept = space["quit"]
    assert "Your code called exit() or quit()" in said_to(space["negative"], capsys)
    assert not ended
    assert space["quit"] is kept


def test_what_an_answer_keeps_in_the_notebook_is_put_back(capsys: pytest.CaptureFixture) -> None:
    space: dict[str, Any] = {"seen": [3, 1, 2], "table": {"a": 1}, "count": 5}
    exec(
        "def negative(image, kept=[]):\n"
        "    global count\n"
        "    seen.sort(), table.clear(), kept.append(1)\n"
        "    count += 1\n"
        "    return 255 - image\n",
        space,
    )
    assert "right" in said_to(space["negative"], capsys)
    assert (space["seen"], space["table"], space["count"]) == ([3, 1, 2], {"a": 1}, 5)
    assert space["negative"].__defaults__ == ([],)


# --- answers that fail, or never end ---


class Mute(Exception):
    def __str__(self) -> str:
        raise RuntimeError("no words")


class Own(BaseException):
    pass


def throwing(error: BaseException | type[BaseException]) -> Callable:
    def throw(*given):
        raise error

    return throw


def without_end(image):
    return without_end(image)


async def some_time(image):
    return 255 - image


class Broken:
    """It fails whatever one asks of it."""

    def __getattr__(self, name):
        raise RuntimeError(name)

    def __repr__(self):
        raise RuntimeError

    def __call__(self, *given):
        raise RuntimeError("broken")


class Unprintable:
    def __repr__(self):
        raise RuntimeError

    def __array__(self, *given, **more):
        raise KeyError("an array of its own")


ITSELF: list = []
ITSELF.append(ITSELF)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (throwing(SystemExit), "Your code called exit()"),
        (doing(sys.exit), "Your code called exit()"),
        (throwing(KeyboardInterrupt), "Exercise 1.1: stopped."),
        (throwing(Mute), "Your code stopped with Mute."),
        (throwing(Own("mine")), "Your code stopped with Own: mine."),
        (throwing(GeneratorExit), "Your code stopped with GeneratorExit."),
        (throwing(MemoryError), "MemoryError: there is not enough memory"),
        (throwing(ExceptionGroup("two", [ValueError("a"), Mute()])), "ExceptionGroup: two"),
        (throwing(ValueError("x" * 10_000)), "xxx…"),
        (throwing(AssertionError), "Your code stopped with AssertionError."),
        (throwing(guard.TooSlow), "still running after"),
        (without_end, "calls itself without end"),
        (lambda: 0, "positional argument"),
        (lambda image: unknown - image, "Nothing has this name."),  # noqa: F821
        (lambda image: [0] * 10**15, "not enough memory"),
        (lambda image: 10**5000, "got something of type int"),
        (lambda image: b"bytes", "got b'bytes'"),
        (lambda image: {"a": 1}, "got {'a': 1}"),
        (lambda image: {1, 2}, "got {1, 2}"),
        (lambda image: Unprintable(), "got <Unprintable instance"),
        (lambda image: Broken(), "got a Broken"),
        (Broken(), "RuntimeError: broken"),
        (Unprintable(), "I expected a function and got <Unprintable"),
        (ITSELF, "I can't make sense of"),
        (some_time, "got <coroutine object"),
        (lambda image: itertools.count(), "I expected shape (28, 28) and got (100000,)"),
        (lambda image: iter([]), "got (0,)"),
        (lambda image: torch.rand(28, 28).to_sparse(), "I expected"),
        (lambda image: torch.empty(28, 28, device="meta"), "got a tensor of shape (28, 28)"),
        (lambda image: torch.rand(28, 28, dtype=torch.complex64), "got a tensor of shape (28, 28)"),
        (lambda image: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), "I expected"),
        (lambda image: np.array(["a", "b"]), "got an array of shape (2,)"),
        (lambda image: np.datetime64("2020-01-01"), "I expected"),
        (lambda image: pd.Series(["a"]), "I expected"),
        (lambda image: [torch.ones(2), torch.ones(3)], "I expected"),
        (lambda image: float("nan"), "got ()"),
        (lambda image: NotImplemented, "I expected"),
        (type, "I expected"),
        (lambda image: print(end=""), "returns nothing"),
        (nn.Linear, "TypeError"),
        (nn.Linear(28, 28), "RuntimeError"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_a_failing_answer_gets_a_sentence(answer: object, words: str, capsys: pytest.CaptureFixture) -> None:
    before = state()
    said = said_to(answer, capsys)
    assert words in said
    assert "right." not in said
    assert len(said) < 600
    assert state() == before


def busy(image):
    while True:
        pass


def busy_and_deaf(image):
    while True:
        with contextlib.suppress(Exception):
            time.sleep(0.001)


def busy_and_stone_deaf(image):
    while True:
        try:
            time.sleep(60)
        except BaseException:
            time.sleep(0)


def busy_to_the_end(image):
    while True:
        try:
            return busy(image)
        finally:
            continue  # noqa: B012


def busy_generator(image):
    while image is not None:
        if image is None:
            yield image


@needs_a_timer
@pytest.mark.parametrize(
    "answer",
    [busy, busy_and_deaf, busy_and_stone_deaf, busy_to_the_end, busy_generator, lambda image: time.sleep(60)],
)
def test_an_answer_that_never_ends_is_stopped(
    answer: Callable, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(guard, "SECONDS", 0.2)
    before, handler = state(), signal.getsignal(signal.SIGALRM)  # pytest may have a timer of its own
    assert "Your code was still running after 0.2 seconds" in said_to(answer, capsys)
    assert state() == before
    assert signal.getsignal(signal.SIGALRM) == handler
    assert signal.getitimer(signal.ITIMER_REAL)[1] == 0
    assert sys.exc_info() == (None, None, None), "each later traceback would begin with the call that was stopped"


@needs_a_timer
def test_a_timer_of_somebody_else_goes_on() -> None:
    rung: list = []
    handler = signal.signal(signal.SIGALRM, lambda *given: rung.append(1))
    try:
        signal.setitimer(signal.ITIMER_REAL, 60)
        assert call_answer(lambda: 3) == 3
        assert 0 < signal.getitimer(signal.ITIMER_REAL)[0] <= 60
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, handler)


def test_a_check_in_another_thread_works_without_a_limit() -> None:
    found: list = []
    thread = threading.Thread(target=lambda: found.append(call_answer(lambda x: x + 1, 2)))
    thread.start()
    thread.join()
    assert found == [3]


# --- what an answer does to its arguments, and from call to call ---


def net() -> nn.Module:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(), nn.BatchNorm1d(2))
    model[0].weight.grad = torch.ones(2, 2)
    return model


@pytest.mark.parametrize(
    ("act", "argument", "words"),
    [
        (lambda x: x.add_(1), torch.ones(3), "changed the tensor"),
        (lambda x: x.zero_(), torch.ones(3, dtype=torch.uint8), "changed the tensor"),
        (lambda x: x.requires_grad_(), torch.ones(3), "changed `requires_grad` of the tensor"),
        (lambda x: (x**2).sum().backward(), torch.ones(3, requires_grad=True), "changed `.grad` of the tensor"),
        (lambda x: x.eval(), net(), "changed the mode, train() or eval(), of the model"),
        (lambda x: x[1].eval(), net(), "changed the mode, train() or eval(), of the model"),
        (lambda x: x.zero_grad(), net(), "changed `.grad` of the model"),
        (lambda x: x.requires_grad_(False), net(), "changed `requires_grad` of the model"),
        (lambda x: x(torch.rand(5, 2)), net(), "changed the model"),
        (lambda x: nn.init.zeros_(x[0].bias), net(), "changed the model"),
        (lambda x: x.sort(), [3, 1, 2], "changed the list"),
        (lambda x: x.clear(), [3.5, 1.5], "changed the list"),
        (lambda x: x.append(1), [], "changed the list"),
        (lambda x: x.pop(), [torch.ones(2), torch.ones(3)], "changed the list"),
        (lambda x: x[0].sort(), [[3, 1], [2]], "changed the list"),
        (lambda x: x[0].add_(1), [torch.ones(2), torch.ones(3)], "changed the tensor"),
        (lambda x: x.update(a=2), {"a": 1}, "changed the dict"),
        (lambda x: x.pop("a"), {"a": 1}, "changed the dict"),
        (lambda x: x["a"].append(1), {"a": []}, "changed the list"),
        (lambda x: x.add(3), {1, 2}, "changed the set"),
        (lambda x: x.sort(), np.array([3, 1]), "changed the ndarray"),
        (lambda x: x.drop(columns="a", inplace=True), pd.DataFrame({"a": [1], "b": [2]}), "changed the DataFrame"),
    ],
)  # fmt: skip
def test_an_argument_that_changes_is_noticed(act: Callable, argument: object, words: str) -> None:
    def answer(x):
        act(x)
        return 1

    with pytest.raises(WrongAnswer, match=re.escape(words)):
        call_answer(answer, argument)
    assert call_answer(answer, argument, may_change=True) == 1


@pytest.mark.parametrize(
    "argument", [torch.ones(3), net(), [3, 1], {"a": [1]}, {1}, np.ones(2), pd.DataFrame({"a": [1]})]
)
def test_looking_at_an_argument_changes_nothing(argument: object) -> None:
    assert call_answer(lambda x: str(x), argument)


TOTAL, NUMBERS = 0, itertools.count(1)


def with_a_default(x, seen=[]):  # noqa: B006
    seen.append(x)
    return len(seen)


def with_a_global(x):
    global TOTAL
    TOTAL += x
    return TOTAL


def with_a_closure() -> Callable:
    calls = 0

    def answer(x):
        nonlocal calls
        calls += 1
        return [x, calls]

    return answer


class WithAttribute:
    calls = 0

    def __call__(self, x):
        self.calls += 1
        return {"calls": self.calls}


@pytest.mark.parametrize(
    "answer",
    [
        with_a_default,
        with_a_global,
        with_a_closure(),
        WithAttribute(),
        WithAttribute().__call__,
        functools.partial(with_a_default, 1),
        lambda *x: np.random.default_rng().random(),
        lambda *x: (next(NUMBERS), "text"),
    ],
)
def test_an_answer_that_changes_from_call_to_call_is_noticed(answer: Callable) -> None:
    arguments = () if isinstance(answer, functools.partial) else (1,)
    with pytest.raises(WrongAnswer, match="Called twice with equal arguments"):
        call_answer(answer, *arguments)
    assert call_answer(answer, *arguments, twice=False)


@pytest.mark.parametrize(
    "answer",
    [
        lambda: torch.rand(3),
        lambda: np.random.rand(3),
        lambda: [random.random()],
        lambda: torch.randperm(5, generator=torch.Generator().manual_seed(1)),
        lambda: nn.Linear(2, 2),
        lambda: {"a": float("nan")},
        lambda: (number for number in range(3)),
        lambda: {"b", "a", "c"},
        lambda: pd.DataFrame({"a": [1.5, None]}),
        lambda: object(),
    ],
)
def test_an_answer_may_draw_random_numbers(answer: Callable) -> None:
    call_answer(answer)


def test_what_an_answer_prints_is_printed_once(capsys: pytest.CaptureFixture) -> None:
    call_answer(lambda: print("here") or 1)
    assert capsys.readouterr().out == "here\n"


# --- the course's own function in the place of the learner's ---


def own_batches(images, labels):
    dataset = torch.utils.data.TensorDataset(images, labels)
    return list(torch.utils.data.DataLoader(dataset, batch_size=4))


@pytest.mark.parametrize(
    ("answer", "theirs"),
    [
        (lambda x, y: list(data.make_batches(torch.utils.data.TensorDataset(x, y), 4)), False),
        (lambda x, y: [make(torch.utils.data.TensorDataset(x, y), 4) for make in (data.make_batches,)], False),
        (functools.partial(lambda make, x, y: make(torch.utils.data.TensorDataset(x, y), 4), data.make_batches), False),
        (own_batches, True),
        (lambda x, y: [data.make_batches.__name__], True),
    ],
)
def test_the_courses_own_function_is_answered_with_a_wink(answer: Callable, theirs: bool) -> None:
    arguments = torch.rand(8, 2), torch.arange(8)
    if theirs:
        assert call_answer(answer, *arguments, forbidden=[data.make_batches])
    else:
        with pytest.raises(WrongAnswer, match=r"Well found: `make_batches` from `helpers\.data` does just that\. ;-\)"):
            call_answer(answer, *arguments, forbidden=[data.make_batches])


def test_a_class_of_the_course_is_recognized_too() -> None:
    with pytest.raises(WrongAnswer, match=r"`MNISTClassification` from `helpers\.model`"):
        call_answer(lambda: MNISTClassification(), forbidden=[MNISTClassification])


def test_a_decorated_function_of_the_course_is_recognized_too() -> None:
    @torch.no_grad()
    def measured(x):
        return x

    @torch.no_grad()
    def mine(x):
        return x

    assert call_answer(mine, 1, forbidden=[measured]) == 1
    with pytest.raises(WrongAnswer, match="`measured`"):
        call_answer(measured, 1, forbidden=[measured])


# --- how answers are read and shown ---


@pytest.mark.parametrize(
    "value",
    [
        (1, 2, 3),
        [1.0, 2.0, 3.0],
        range(1, 4),
        iter([1, 2, 3]),
        (n for n in (1, 2, 3)),
        {"a": 1, "b": 2, "c": 3}.values(),
        map(int, "123"),
        np.array([1, 2, 3], dtype=np.float16),
        np.array([1, 2, 3], dtype=np.uint16),
        np.array([1, 2, 3], dtype=np.longdouble),
        np.array([1, 2, 3], dtype=">i4"),
        np.array([3, 2, 1])[::-1],
        np.arange(12).reshape(3, 4).T[1][0:3] // 4 + 1,
        np.array([1, Fraction(2), Decimal(3)], dtype=object),
        np.ma.array([1, 2, 3]),
        [np.float32(1), np.int64(2), np.array(3)],
        [torch.tensor(1), torch.tensor(2.0), 3],
        [Fraction(1), Decimal("2"), 3],
        torch.tensor([1.0, 2.0, 3.0], requires_grad=True),
        torch.tensor([1, 2, 3]).to_sparse(),
        torch.tensor([3, 2, 1]).flip(0).to(torch.bfloat16),
        pd.Series([1, 2, 3], index=[9, 7, 8]),
        pd.Series([1, 2, 3], dtype="Int64"),
        pd.Index([1, 2, 3]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_numbers_are_read_whatever_holds_them(value: object) -> None:
    found = values.as_tensor(value)
    assert found is not None
    assert found.double().tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (True, True), (np.bool_(True), True), (torch.tensor([True, False]), [True, False]), (np.array([True]), [True]),
        (np.float64(0.1), 0.1), (0.1, 0.1), (Fraction(1, 4), 0.25), (Decimal("0.25"), 0.25), (np.array(7), 7),
        (torch.tensor([[7]]), [[7]]), (pd.DataFrame({"a": [1, 2], "b": [3, 4]}, index=["x", "y"]), [[1, 3], [2, 4]]),
        ([[torch.tensor(1), 2], (3, np.int8(4))], [[1, 2], [3, 4]]), ([np.ones(2), torch.zeros(2)], [[1, 1], [0, 0]]),
        ([], []), (2**62, 2**62), (10**30, 1e30), ([range(2), [5, 6]], [[0, 1], [5, 6]]), ({1: 2}.keys(), [1]),
    ],
)  # fmt: skip
def test_shapes_and_kinds_of_numbers_stay(value: object, expected: object) -> None:
    found = values.as_tensor(value)
    assert found is not None
    assert found.tolist() == expected


@pytest.mark.parametrize("value", [{3, 1, 2}, frozenset([2, 3, 1])])
def test_a_set_counts_only_where_the_order_does_not_matter(value: object) -> None:
    assert values.as_tensor(value) is None
    assert values.numbers(value, 3, "three numbers", any_order=True).tolist() == [1, 2, 3]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (469.001, "469.001"), (469.0000000001, "469.0000000001"), (469.0, "469"), (0.99999999999, "0.99999999999"),
        (1 / 3, "0.3333"), (14270.25, "14270.25"), (1e20, "1e+20"), (np.float32(0.1), "0.1"), (-2.5, "-2.5"),
        (torch.tensor([[0.5]]), "a tensor of shape (1, 1)"), (np.ones(3), "an array of shape (3,)"),
        (Fraction(1, 3), "Fraction(1, 3)"),
        (float("inf"), "inf"), (float("nan"), "nan"), ("a" * 100, "'aaaaa"), ([1] * 1000, "[1, 1, 1, 1, 1, 1, ...]"),
    ],
)  # fmt: skip
def test_numbers_are_shown_as_given(value: object, text: str) -> None:
    assert values.describe(value).startswith(text)


@pytest.mark.parametrize(
    ("got", "words"),
    [(469.001, "469.001 is not right"), ((469.00001, 96), "469.00001 is not right"), (torch.tensor(96.5), "96.5")],
)
def test_a_number_that_is_nearly_right_is_not_shown_as_the_right_one(
    got: Any, words: str, capsys: pytest.CaptureFixture
) -> None:
    assert words in said_to(got if isinstance(got, tuple) else (469, got) if got < 100 else (got, 96), capsys, "1.5")


def test_got_and_expected_differ_visibly() -> None:
    with pytest.raises(WrongAnswer, match=r"I expected 0\.123456781 and got 0\.123456789"):
        toolkit.compare(0.123456789, 0.123456781, "this", tolerance=1e-12)


# --- mistakes, edges, small inputs ---


def mean(numbers):
    return sum(numbers) / len(numbers) if numbers else 0.0


def draw() -> tuple[list[int]]:
    return ([toolkit.between(0, 1000) for _ in range(20)],)


MISTAKES = [(lambda numbers: sum(numbers), "That is the sum."), (lambda numbers: max(numbers), "That is the largest.")]
EDGES = [([7, 8],), ([],)]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (sum, "For numbers=[7, 8], I expected 7.5 and got 15."),
        (lambda numbers: max(numbers, default=0), r"For numbers=[7, 8], I expected 7.5 and got 8."),
        (lambda numbers: sum(numbers) / len(numbers), "For numbers=[]: Your code stopped with ZeroDivisionError"),
        (lambda numbers: sum(numbers) / 20, "For numbers=[7, 8], I expected 7.5 and got 0.75. Add, then divide."),
        (lambda numbers: 12.5, f"For other arguments the same came out. {toolkit.ELSEWHERE}"),
        (lambda numbers: max(numbers) if len(numbers) > 2 else 3, "got 3. Add, then divide."),
    ],
)
def test_the_smallest_input_that_shows_a_mistake_is_told(answer: Callable, words: str) -> None:
    with pytest.raises(WrongAnswer) as caught:
        check_function(answer, draw, mean, MISTAKES, "20 numbers", "Add, then divide.", edges=EDGES)
    assert words in str(caught.value)


def test_a_mistake_is_named_only_if_it_fits_all_inputs() -> None:
    for answer, named in ((sum, True), (lambda numbers: sum(numbers) if len(numbers) == 20 else 0, False)):
        with pytest.raises(WrongAnswer) as caught:
            check_function(answer, draw, mean, MISTAKES[:1], "20 numbers", edges=EDGES[:1])
        assert ("That is the sum." in str(caught.value)) == named


@pytest.mark.parametrize("answer", [mean, lambda numbers: [mean(numbers)], lambda numbers: Fraction(mean(numbers))])
def test_a_right_function_passes(answer: Callable) -> None:
    check_function(answer, draw, mean, MISTAKES, "20 numbers", edges=EDGES)


def test_mistakes_are_told_apart() -> None:
    assert toolkit.distinct(1.0, [(2.0, "a"), (3.0, "b"), (3.0, "b"), (torch.ones(2), "c"), (torch.zeros(2), "d")])
    assert not toolkit.distinct(1.0, [(2.0, "a"), (3.0, "b"), (2.0001, "c")])
    assert not toolkit.distinct(1.0, [(float("nan"), "a"), (float("nan"), "b")])
    assert not toolkit.distinct(torch.ones(2), [(torch.ones(2), "a")])
    assert not toolkit.distinct(float("inf"), [(float("inf"), "a")])


# --- what a notebook tells ---


def in_a_notebook(source: str, **variables: object) -> Callable:
    space: dict[str, Any] = {"torch": torch, **variables}
    exec(source, space)
    return space["negative"]


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("negative = lambda image: 254 - images[0]", "`images` from the notebook and never uses its argument `image`."),
        ("def negative(image):\n    return top - image", "reads `top` from the notebook. Is that one of its arguments"),
        ("def negative(image):\n    return [top - row for row in image]", "reads `top` from the notebook."),
        ("def negative(image):\n    return images.no_such(top)", "reads `images`, `top` from the notebook and never"),
        ("negative = lambda image: top - image", "reads `top` from the notebook."),
        ("def negative(image):\n    return TOP - image", ""),
        ("def negative(image):\n    return torch.rand(1) - image.top", ""),
    ],
)  # fmt: skip
def test_a_variable_of_the_notebook_is_named(source: str, words: str, capsys: pytest.CaptureFixture) -> None:
    said = said_to(in_a_notebook(source, images=torch.ones(3, 28, 28), top=254, TOP=254), capsys)
    assert "not yet" in said
    assert ("from the notebook" in said) == bool(words)
    assert words in said


def test_a_right_answer_may_read_the_notebook(capsys: pytest.CaptureFixture) -> None:
    assert "notebook" not in said_to(in_a_notebook("def negative(image):\n    return top - image", top=255), capsys)


RIGHT = "def negative(image):\n    return 255 - image"
WRONG = "def negative(image):\n    return 254 - image"
EARLIER = "Cell [2] has a syntax error, so this looks at your earlier answer, from cell [1]:"
CHECK = "from course import exercises\nexercises.check('1.1', negative)"


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        ([WRONG, RIGHT.replace(":", ""), CHECK], EARLIER),
        ([RIGHT, WRONG.replace("-", "- -("), CHECK], "from cell [1]: Exercise 1.1: right."),
        ([RIGHT, "%time 1\nnegative = ", "x = 1", CHECK], EARLIER),
        ([RIGHT, "negative\nreturn 1", CHECK], "Cell [2] has a syntax error"),
        (["negative = None", RIGHT[:-1] + "(", CHECK], "from cell [1]: Exercise 1.1: not attempted yet."),
        ([f"{RIGHT}(", CHECK.replace("negative", "print")], ""),
        ([RIGHT, "x = ", CHECK], ""),
        ([RIGHT, "negative = (", RIGHT, CHECK], ""),
        ([WRONG, "%matplotlib_not_here", "!true", CHECK], ""),
        ([RIGHT, "await nothing()\nnegative", CHECK], ""),
        ([RIGHT, "negative(", "In = 3", CHECK], "Cell [2] has a syntax error"),
    ],
)  # fmt: skip
def test_a_syntax_error_is_remembered(
    inputs: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    quiet = Config()
    quiet.HistoryManager.enabled = False
    main = sys.modules["__main__"]
    shell = InteractiveShell(config=quiet)
    monkeypatch.setattr(cells, "get_ipython", lambda: shell)
    try:
        for cell in inputs:
            capsys.readouterr()
            shell.run_cell(cell, store_history=True)
    finally:
        shell.restore_sys_module_state()
        sys.modules["__main__"] = main
    said = " ".join(capsys.readouterr().out.split())
    assert "Exercise 1.1: " in said
    assert words in said
    assert ("syntax error" in said) == bool(words)
