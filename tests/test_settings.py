"""What a parameter may be: each rule lets the right values in, and turns the others away in one line."""

import math
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import settings

GOOD = {
    "dataset": ["auto", "mnist", "fashion", "kmnist", "qmnist", "digits"],
    "data_dir": ["data", "/a/b", "~/data"],
    "run_dir": ["runs/latest"],
    "device": ["auto", "cpu", "cuda", "mps"],
    "recipe": ["course", "best", "large_network"],
    "seed": [0, 1, 2**32 - 1],
    "seeds": [2, 5, 100],
    "sweep_seeds": [1, 5, 100],
    "epochs": [1, 10, 10_000],
    "short_epochs": [1, 2, 10_000],
    "batch_size": [1, 64, 1_000_000],
    "timed_images": [1, 6400, 1_000_000],
    "turns": [1, 3, 1_000],
    "val_size": [None, 1, 10_000, 1_000_000],
    "learning_rate": [1e-3, 0.5, 1, 100, 100.0],
    "resume": [True, False],
    "open_test_set": [True, False],
}
NOT_WHOLE = ["3", 2.0, math.nan, math.inf, True, None, [1]]
BAD = {
    "dataset": ["mnits", "MNIST", "", None, 3],
    "data_dir": ["", "  ", None, 3],
    "run_dir": ["", None],
    "device": ["gpu", "CPU", None, 0],
    "recipe": ["bets", "", None, 1],
    "seed": [-1, 2**32, 2**64, *NOT_WHOLE],
    "seeds": [1, 0, 101, *NOT_WHOLE],
    "sweep_seeds": [0, 101, *NOT_WHOLE],
    "epochs": [0, -1, 10_001, *NOT_WHOLE],
    "short_epochs": [0, 10_001, *NOT_WHOLE],
    "batch_size": [0, -64, 1_000_001, 2**64, *NOT_WHOLE],
    "timed_images": [0, 1_000_001, *NOT_WHOLE],
    "turns": [0, -1, 1_001, *NOT_WHOLE],
    "val_size": [0, -1, 1_000_001, *(value for value in NOT_WHOLE if value is not None)],
    "learning_rate": [0, 0.0, -1e-3, 100.1, 101, 1e300, math.nan, math.inf, -math.inf, "1e-3", True, None, [1.0]],
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
BAD_WORDS = {
    "epochs": ["0", "-3", "10001", "ten", "1.5", "1e1", "nan", "True", "", "3\n4"],
    "learning_rate": ["0", "-0.1", "-1e-3", "1e300", "1e400", "nan", "inf", "-inf", "fast", "False", ""],
    "val_size": ["0", "-1", "0.2", "none", ""],
    "seed": ["-1", "4294967296", "18446744073709551616"],
    "resume": ["yes", "1", ""],
    "recipe": ["bets"],
    "dataset": ["mnits"],
    "device": ["tpu"],
    "data_dir": [""],
}


def pairs(table: dict[str, list]) -> list[tuple[str, object]]:
    return [(name, value) for name, values in table.items() for value in values]


def test_every_rule_is_tested_here() -> None:
    assert set(GOOD) == set(BAD) == set(settings.RULES)


@pytest.mark.parametrize(("name", "value"), pairs(GOOD))
def test_right_values_pass(name: str, value: object) -> None:
    settings.check(**{name: value})


@pytest.mark.parametrize(("name", "value"), pairs(BAD))
def test_wrong_values_are_named_with_what_is_allowed(name: str, value: object) -> None:
    with pytest.raises(ValueError) as caught:
        settings.check(**{name: value})
    expected = f"{name}: got {value!r} ({type(value).__name__}); give {settings.RULES[name].allowed}"
    assert str(caught.value) == expected
    assert len(expected.splitlines()) == 1


def test_the_first_offender_is_named() -> None:
    with pytest.raises(ValueError, match=r"^batch_size: got 0 "):
        settings.check(epochs=1, batch_size=0, seed=-1)


@pytest.mark.parametrize(("name", "word"), WORDS)
def test_words_become_values(name: str, word: str) -> None:
    value = settings.parse(name, word)
    assert value == WORDS[name, word]
    assert type(value) is type(WORDS[name, word])


@pytest.mark.parametrize(("name", "word"), pairs(BAD_WORDS))
def test_wrong_words_are_named_with_what_is_allowed(name: str, word: str) -> None:
    with pytest.raises(ValueError) as caught:
        settings.parse(name, word)
    message = str(caught.value)
    assert message.startswith(f"{name}: got ")
    assert message.endswith(f"; give {settings.RULES[name].allowed}")
    assert len(message.splitlines()) == 1


@pytest.mark.slow  # Python imports PyTorch first
@pytest.mark.parametrize(
    ("name", "word", "allowed"),
    [
        ("seed", "18446744073709551616", "a whole number from 0 to 4294967295"),
        ("learning_rate", "1e300", "a number above 0, at most 100"),
    ],
)
def test_a_number_that_is_too_large_stops_the_command_before_it_writes(
    name: str, word: str, allowed: str, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "course", "run", "03", "-p", "dataset", "digits", "-p", name, word, "--out", "out"]
    environment = os.environ | {"PYTHONPATH": str(settings.ROOT), "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, encoding="utf-8")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert f"{name}: got " in line
    assert line.endswith(f"; give {allowed}")
    assert list(tmp_path.iterdir()) == []


# --- paths ---


def test_a_relative_path_starts_at_the_courses_root_and_is_shown_from_there(tmp_path: Path) -> None:
    assert settings.from_root("data") == settings.ROOT / "data"
    assert settings.from_root(tmp_path) == tmp_path
    assert settings.from_root("~/data") == Path.home() / "data"
    assert settings.shown(settings.ROOT / "runs" / "latest") == settings.shown("runs/latest") == "runs/latest"
    assert settings.shown(tmp_path) == str(tmp_path)
