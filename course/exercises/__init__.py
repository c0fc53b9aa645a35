"""Exercises that check themselves: `exercises.check("1.2", ink_share)` says what is right, or what to do next."""

import random
import textwrap

import numpy as np
import torch

from course.exercises import progress
from course.exercises.overview import CHECKS, card
from course.exercises.toolkit import WrongAnswer, is_stub

__all__ = ["CHECKS", "card", "check"]


def check(number: str, answer: object, **context: object) -> None:
    """Say whether an answer is right, and note it in `progress.json`.

    Args:
        number: of the exercise, `"1.2"`.
        answer: what the exercise asks for, a function or a value. An unedited stub counts as not attempted.
        context: what the check of some exercises needs besides, such as the labels of this run.

    Raises:
        ValueError: there is no such exercise.
    """
    if number not in CHECKS:
        raise ValueError(f"exercise: unknown exercise {number!r}; choose one of {', '.join(CHECKS)}")
    if is_stub(answer):
        say(f"Exercise {number}: not attempted yet.")
        return
    states = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():  # a check draws fresh inputs; the chapter's random numbers must not notice
            torch.seed()
            praise = CHECKS[number](answer, **context)
    except WrongAnswer as reason:
        say(f"Exercise {number}: not yet. {reason}")
        progress.note(number, passed=False)
    else:
        say(f"Exercise {number}: right. {praise}")
        progress.note(number, passed=True)
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def say(text: str) -> None:
    """Print a text in lines of at most 100 characters: JupyterLab would break a longer one within a word."""
    print(textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False))
