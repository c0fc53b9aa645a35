"""A guess is compared with what came out, whatever a learner put there."""

import numpy as np
import pytest

from course import exercises


@pytest.mark.parametrize(
    ("guess", "words"),
    [
        (..., "you made no guess"),
        (None, "you made no guess"),
        (10, "you guessed 10 %. it is 11.3 %: you guessed too low."),
        (10.5, "close!"),
        (50, "too high"),
        (np.float64(90), "too high"),
        ("10", "give a plain number"),
        (True, "give a plain number"),
        (float("nan"), "give a plain number"),
        ([10], "give a plain number"),
        (10**400, "give a plain number"),
    ],
)
def test_a_guess_is_compared(guess: object, words: str, capsys: pytest.CaptureFixture) -> None:
    exercises.compare_guess(guess, 11.3, " %")
    said = capsys.readouterr().out
    assert words in said.lower()
    assert "11.3 %" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize(
    ("came", "words"),
    [
        (87.9999995, "It is 88 %."),
        (80.8099985, "It is 80.81 %."),
        (2.30712, "It is 2.307 %."),
        (19_088.0, "It is 19088 %."),
    ],
)
def test_what_came_out_is_rounded(came: float, words: str, capsys: pytest.CaptureFixture) -> None:
    exercises.compare_guess(..., came, " %")
    assert words in capsys.readouterr().out
