"""What a parameter may be: each rule lets the right values in, and turns the others away in one line."""

import math

import pytest

from helpers import settings

GOOD = {
    "dataset": ["auto", "mnist", "fashion", "kmnist", "qmnist", "digits"],
    "data_dir": ["data", "/a/b", "~/data"],
    "run_dir": ["runs/latest"],
    "images_dir": ["images"],
    "device": ["auto", "cpu", "cuda", "mps"],
    "seed": [0, 1, 123456],
    "seeds": [2, 5],
    "recipe": ["course", "best", "large_network"],
    "epochs": [1, 10],
    "short_epochs": [1, 2],
    "batch_size": [1, 64],
    "timed_images": [1, 6400],
    "turns": [1, 3],
    "val_size": [None, 1, 10_000],
    "learning_rate": [1e-3, 0.5, 1],
    "resume": [True, False],
    "open_test_set": [True, False],
}
NOT_WHOLE = ["3", 2.0, math.nan, math.inf, True, None, [1]]
BAD = {
    "dataset": ["mnits", "MNIST", "", None, 3],
    "data_dir": ["", "  ", None, 3],
    "run_dir": ["", None],
    "images_dir": ["", None],
    "device": ["gpu", "CPU", None, 0],
    "seed": [-1, *NOT_WHOLE],
    "seeds": [1, 0, *NOT_WHOLE],
    "recipe": ["bets", "", None, 1],
    "epochs": [0, -1, *NOT_WHOLE],
    "short_epochs": [0, *NOT_WHOLE],
    "batch_size": [0, -64, *NOT_WHOLE],
    "timed_images": [0, *NOT_WHOLE],
    "turns": [0, -1, *NOT_WHOLE],
    "val_size": [0, -1, *(value for value in NOT_WHOLE if value is not None)],
    "learning_rate": [0, 0.0, -1e-3, math.nan, math.inf, -math.inf, "1e-3", True, None, [1.0]],
    "resume": ["true", "False", 0, 1, None],
    "open_test_set": ["False", 0, None],
}
# A word from the command line, and the value it stands for.
WORDS = {
    ("dataset", "digits"): "digits",
    ("data_dir", "my data"): "my data",
    ("device", "cpu"): "cpu",
    ("seed", "0"): 0,
    ("epochs", "3"): 3,
    ("val_size", "500"): 500,
    ("val_size", "None"): None,
    ("learning_rate", "1e-4"): 1e-4,
    ("learning_rate", "1"): 1.0,
    ("resume", "true"): True,
    ("resume", "False"): False,
    ("open_test_set", "false"): False,
}
BAD_WORDS = [
    *[
        (name, word)
        for name in ("epochs", "batch_size")
        for word in ("0", "-3", "ten", "1.5", "1e1", "nan", "True", "")
    ],
    *[("learning_rate", word) for word in ("0", "-0.1", "-1e-3", "nan", "inf", "-inf", "fast", "False", "")],
    *[("val_size", word) for word in ("0", "-1", "0.2", "none", "")],
    ("seed", "-1"),
    *[("resume", word) for word in ("yes", "1", "")],
    ("open_test_set", "no"),
    ("recipe", "bets"),
    ("dataset", "mnits"),
    ("device", "tpu"),
    ("data_dir", ""),
    ("epochs", "3\n4"),
]


def pairs(table: dict[str, list]) -> list[tuple[str, object]]:
    return [(name, value) for name, values in table.items() for value in values]


def assert_says(message: str, name: str, value: object) -> None:
    assert message.startswith(f"{name}: got {value!r}")
    assert message.endswith(f"; give {settings.RULES[name].allowed}")
    assert len(message.splitlines()) == 1


def test_every_rule_is_tested_here() -> None:
    assert set(GOOD) == set(BAD) == set(settings.RULES)


@pytest.mark.parametrize(("name", "value"), pairs(GOOD))
def test_right_values_pass(name: str, value: object) -> None:
    settings.check(**{name: value})


@pytest.mark.parametrize(("name", "value"), pairs(BAD))
def test_wrong_values_are_named_with_what_is_allowed(name: str, value: object) -> None:
    with pytest.raises(ValueError) as caught:
        settings.check(**{name: value})
    assert_says(str(caught.value), name, value)


def test_the_first_offender_is_named() -> None:
    with pytest.raises(ValueError, match=r"^batch_size: got 0 "):
        settings.check(epochs=1, batch_size=0, seed=-1)


@pytest.mark.parametrize(("name", "word"), WORDS)
def test_words_become_values(name: str, word: str) -> None:
    value = settings.parse(name, word)
    assert value == WORDS[name, word]
    assert type(value) is type(WORDS[name, word])


@pytest.mark.parametrize(("name", "word"), BAD_WORDS)
def test_wrong_words_are_named_with_what_is_allowed(name: str, word: str) -> None:
    with pytest.raises(ValueError) as caught:
        settings.parse(name, word)
    message = str(caught.value)
    assert message.startswith(f"{name}: got ")
    assert message.endswith(f"; give {settings.RULES[name].allowed}")
    assert len(message.splitlines()) == 1
