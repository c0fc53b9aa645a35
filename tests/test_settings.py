"""What a parameter may be: each rule lets the right values in, and turns the others away in one line."""

import math
from pathlib import Path

import pytest

from helpers import settings

GOOD = {
    "dataset": ["auto", "mnist", "fashion", "kmnist", "qmnist", "digits"],
    "data_dir": ["data", "/a/b", "~/data"],
    "run_dir": ["runs/latest"],
    "device": ["auto", "cpu", "cuda", "mps"],
    "drawing": ["", "images/strip.png", str(settings.ROOT / "images" / "strip.png")],
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
    "dropout": [True, False],
    "measure": [True, False],
    "processes": [0, 2, 64],
    "max_restarts": [0, 3, 1_000],
    "resume": [True, False],
    "open_test_set": [True, False],
}
NOT_WHOLE = ["3", 2.0, math.nan, math.inf, True, None, [1]]
BAD = {
    "dataset": ["mnits", "MNIST", "", None, 3],
    "data_dir": ["", "  ", "~nosuchuser/data", None, 3],
    "run_dir": ["", "~nosuchuser", None],
    "device": ["gpu", "CPU", None, 0],
    "drawing": ["images/none.png", "images", " ", "a\0b", 9999 * "a", "~nosuchuser/7.png", None, 3],
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
    "dropout": ["False", 0, 0.5, None],
    "measure": ["False", 0, None],
    "processes": [-1, 65, *NOT_WHOLE],
    "max_restarts": [-1, 1_001, *NOT_WHOLE],
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


# --- paths ---


def test_a_relative_path_starts_at_the_courses_root_and_is_shown_from_there(tmp_path: Path) -> None:
    assert settings.from_root("data") == settings.ROOT / "data"
    assert settings.from_root(tmp_path) == tmp_path
    assert settings.from_root("~/data") == Path.home() / "data"
    assert settings.shown(settings.ROOT / "runs" / "latest") == settings.shown("runs/latest") == "runs/latest"
    assert settings.shown(tmp_path) == str(tmp_path)


HOMES = {  # the variable's value, whether the course is installed, and where it writes
    "a clone": (None, False, settings.CODE),
    "a clone, and a folder for it": ("~/course", False, Path("HOME/course")),
    "installed": (None, True, Path("HOME/.local/share/mnist-course")),
    "installed, and no folder named": ("", True, Path("HOME/.local/share/mnist-course")),
    "installed, and a folder for it": ("mine", True, Path("mine")),
}


@pytest.mark.parametrize(("given", "installed", "expected"), HOMES.values(), ids=HOMES)
def test_what_is_written_has_one_folder_also_for_kernels_which_start_elsewhere(
    given: str | None, installed: bool, expected: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(settings, "INSTALLED", installed)
    monkeypatch.setattr(settings, "user_data_path", lambda name, appauthor: Path("HOME/.local/share") / name)
    monkeypatch.setenv("HOME", "HOME")
    monkeypatch.setenv("USERPROFILE", "HOME")
    monkeypatch.delenv("MNIST_COURSE_HOME", raising=False)
    if given is not None:
        monkeypatch.setenv("MNIST_COURSE_HOME", given)
    assert settings.find_root() == (tmp_path / expected if given else expected)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert settings.find_root() == (tmp_path / expected if given else expected)


def test_an_installed_copy_shows_whole_paths_of_what_it_wrote(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    assert settings.shown("runs/latest") == str(tmp_path / "runs" / "latest")
    assert settings.shown(settings.FILES / "notebooks" / "01_data.ipynb") == "notebooks/01_data.ipynb"


def test_the_home_folder_which_often_is_a_persons_name_is_shown_as_a_tilde(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "ada"))
    monkeypatch.setenv("USERPROFILE", str(tmp_path / "ada"))
    inside, beside = tmp_path / "ada" / "runs", tmp_path / "adam" / "runs"
    assert settings.shown(inside) == settings.with_tilde(inside) == str(Path("~/runs"))
    assert settings.from_root(settings.with_tilde(inside)) == inside
    assert settings.shown(beside) == str(beside)
    assert settings.with_tilde("data") == "data"


def test_a_home_folder_that_is_not_there_is_one_line() -> None:
    with pytest.raises(ValueError, match=r"^'~nosuchuser/runs': there is no such home folder; give another path$"):
        settings.from_root("~nosuchuser/runs")
