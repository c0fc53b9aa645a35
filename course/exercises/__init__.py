"""Exercises that check themselves: `exercises.check("1.2", ink_share)` says what is right, or what to do next."""

import inspect
import traceback
from pathlib import Path

import torch
from IPython.display import display

from course import progress
from course.box import Box
from course.exercises import cells, errors, guard, notebook
from course.exercises.exit_quiz import quiz
from course.exercises.guesses import compare_guess
from course.exercises.overview import CHECKS, card
from course.exercises.values import WrongAnswer, describe

__all__ = ["CHECKS", "card", "check", "compare_guess", "quiz"]


def check(number: str, answer: object, **context: object) -> None:
    """Say whether an answer is right, and note it in `progress.json`.

    Whatever an answer does, the notebook goes on: its settings and random numbers are as before, and a call that fails,
    or takes too long, or is stopped by hand, is answered in a sentence.

    Args:
        number: of the exercise, `"1.2"`.
        answer: what the exercise asks for, a function or a value. An unedited stub counts as not attempted.
        context: what the check of some exercises needs besides, such as the labels of this run.

    Raises:
        ValueError: there is no such exercise.
    """
    if number not in CHECKS:
        raise ValueError(f"exercise: unknown exercise {number!r}; choose one of {', '.join(CHECKS)}")
    with guard.kept_settings(), guard.kept_random_numbers(), notebook.kept(answer):  # the chapter must not notice
        draw_anew()
        passed, words = judge(number, answer, context)
        earlier = cells.earlier_answer(number)
    display(Box(passed, f"{earlier}\nExercise {number}: {words}".lstrip()))
    if passed is not None:
        progress.note(number, passed)


def draw_anew() -> None:
    """Let the inputs of a check be new each time."""
    torch.default_generator.seed()


def judge(number: str, answer: object, context: dict[str, object]) -> tuple[bool | None, str]:
    """Return whether an answer is right, or None where nothing can be said, and what to say."""
    try:
        if notebook.is_stub(answer):
            return None, "not attempted yet."
        try:
            inspect.signature(CHECKS[number]).bind(answer, **context)
        except TypeError as misfit:  # some need `case=ward[1]`, or the like
            return None, f"the line that checks it has changed: {misfit}. Write it as the chapter has it."
        return True, f"right. {CHECKS[number](answer, **context)}"
    except WrongAnswer as reason:
        return False, f"not yet. {reason} {notebook.outside(answer)}".strip()
    except KeyboardInterrupt as stop:
        return None, f"stopped{errors.line_of(stop.__traceback__)}. Is there an endless loop?"
    except Exception as error:  # the check's own
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f"{type(error).__name__} in {Path(frame.filename).name}, line {frame.lineno}"
        kindly = "If you think it is right, the check is at fault; please report"
        return None, f"I can't make sense of {describe(answer)}. {kindly} its {place}."
