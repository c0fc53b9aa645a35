"""What a learner has solved: a card at a chapter's end, a table for the terminal, a file for a teacher."""

import ast
import inspect
import json
from collections.abc import Callable
from pathlib import Path

from IPython.display import HTML, display

from course.exercises import (
    chapter_1,
    chapter_2,
    chapter_3,
    chapter_4,
    chapter_5,
    chapter_6,
    chapter_7,
    chapter_8,
    progress,
)
from helpers import results, settings

CHAPTERS: list[dict[str, Callable]] = [
    chapter.CHECKS
    for chapter in (chapter_1, chapter_2, chapter_3, chapter_4, chapter_5, chapter_6, chapter_7, chapter_8)
]
CHECKS = {number: check for checks in CHAPTERS for number, check in checks.items()}


def subject(number: str) -> str:
    """Return in a few words what an exercise asks for: its check's first line, also where Python drops docstrings."""
    (definition,) = ast.parse(inspect.getsource(CHECKS[number])).body
    return str(ast.get_docstring(definition)).splitlines()[0].rstrip(".")  # type: ignore[arg-type]  # a function


def card(chapter: int) -> None:
    """Show which exercises of a chapter are solved."""
    numbers, solved = CHAPTERS[chapter - 1], progress.solved()
    rows = "".join(
        f"<tr><th scope='row'>{number}</th><td style='text-align: left'>{subject(number)}</td>"
        f"<td style='text-align: left'>{'● solved' if number in solved else '○ open'}</td></tr>"
        for number in numbers
    )
    title = f"Exercises of chapter {chapter}: {len(solved & set(numbers))} of {len(numbers)} solved"
    display(HTML(f"<table><caption>{title}</caption><tbody>{rows}</tbody></table>"))


def table() -> str:
    """Return a table of all exercises for the terminal."""
    entries, solved, lines = progress.load(), progress.solved(), []
    for chapter, numbers in enumerate(CHAPTERS, start=1):
        lines.append(f"chapter {chapter}: {len(solved & set(numbers))} of {len(numbers)} solved")
        for number in numbers:
            tried = entries.get(number, progress.UNTRIED)["attempts"]
            attempts = f"  ({tried} attempt{'s' * (tried != 1)})" if tried else ""
            lines.append(f"  {'●' if number in solved else '○'} {number}  {subject(number)}{attempts}")
    shown = settings.shown(progress.file())
    return "\n".join([*lines, f"in all: {len(solved & set(CHECKS))} of {len(CHECKS)} solved; kept in {shown}"])


def export(target: Path) -> Path:
    """Write progress as JSON for a teacher: of each exercise its subject, the attempts, and when it was solved.

    Raises:
        ValueError: there is such a file already; it is somebody's.
        OSError: the file can't be written; none is left behind.
    """
    target, entries = target.expanduser().absolute(), progress.load()
    exercises = {number: {"subject": subject(number)} | entries.get(number, progress.UNTRIED) for number in CHECKS}
    solved = sum(entry["solved"] is not None for entry in exercises.values())
    text = json.dumps({"solved": solved, "of": len(CHECKS), "exercises": exercises}, indent=1) + "\n"
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise ValueError(f"export: '{settings.shown(target)}' is there already; give a new name") from None
    except OSError:
        target.unlink(missing_ok=True)
        raise
    return target


def reset() -> str:
    """Set progress aside, for the next learner at this computer, and return in a line what was done."""
    path = progress.file()
    if not path.is_file():
        return f"There was no progress in {settings.shown(path)}."
    with results.held(path, patience=10):
        aside = progress.set_aside("before_reset")
    return f"Progress begins anew; what was there is now {settings.shown(aside)}."
