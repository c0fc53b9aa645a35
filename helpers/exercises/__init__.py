"""Exercises that check themselves: `exercises.check("1.2", ink_share)` says what is right, or what to do next."""

import inspect
import random
from collections.abc import Callable

import numpy as np
import torch
from IPython.display import HTML, display

from helpers.exercises import chapter_1, chapter_2, chapter_3, chapter_4, chapter_5, progress
from helpers.exercises.answers import NotYet, is_stub

CHECKS: dict[str, Callable] = {}
for _chapter in (chapter_1, chapter_2, chapter_3, chapter_4, chapter_5):
    CHECKS |= _chapter.CHECKS


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
        print(f"Exercise {number}: not attempted yet.")
        return
    python, numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():  # a check draws fresh inputs; the chapter's random numbers must not notice
            torch.seed()
            praise = CHECKS[number](answer, **context)
    except NotYet as reason:
        print(f"Exercise {number}: not yet. {reason}")
        progress.note(number, passed=False)
    else:
        print(f"Exercise {number}: right. {praise}")
        progress.note(number, passed=True)
    finally:
        random.setstate(python)
        np.random.set_state(numpy)


def question(number: str) -> str:
    """Return in a few words what an exercise asks for."""
    return inspect.getdoc(CHECKS[number]).splitlines()[0].rstrip(".")


def card(chapter: int) -> None:
    """Show which exercises of a chapter are solved."""
    numbers = [number for number in CHECKS if number.startswith(f"{chapter}.")]
    solved = progress.solved()
    rows = "".join(
        f"<tr><td>{'●' if number in solved else '○'}</td><th scope='row'>{number}</th>"
        f"<td style='text-align: left'>{question(number)}</td><td>{'solved' if number in solved else 'open'}</td></tr>"
        for number in numbers
    )
    title = f"Exercises of chapter {chapter}: {len(solved & set(numbers))} of {len(numbers)} solved"
    names = ("", "exercise", "asks for", "")
    head = "".join(f"<th scope='col'>{name}</th>" if name else "<td></td>" for name in names)
    display(HTML(f"<table><caption>{title}</caption><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>"))
