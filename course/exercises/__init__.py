"""Exercises that check themselves: `exercises.check("1.2", ink_share)` says what is right, or what to do next."""

import random
import textwrap

import numpy as np
import torch

from course.exercises import progress
from course.exercises.guesses import compare_guess
from course.exercises.overview import CHECKS, card
from course.exercises.toolkit import WrongAnswer, is_stub

__all__ = ["CHECKS", "card", "check", "compare_guess"]


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
        return say(f"Exercise {number}: not attempted yet.")
    states = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng(accelerators_in_use()):  # the chapter's random numbers must not notice the check
            torch.default_generator.seed()  # its inputs are new each time
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


def accelerators_in_use() -> list[int]:
    """Return the index of the current accelerator, or nothing where this notebook has not begun to use one."""
    kind = torch.accelerator.current_accelerator()
    if kind is None or (kind.type == "cuda" and not torch.cuda.is_initialized()):
        return []
    return [torch.accelerator.current_device_index()]


def say(text: str) -> None:
    """Print a text in lines of at most 100 characters: JupyterLab would break a longer one within a word."""
    print(textwrap.fill(text, 100, break_long_words=False, break_on_hyphens=False))
