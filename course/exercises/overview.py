"""What a learner has solved: a card at a chapter's end, a table for the terminal, a file for a teacher."""

import inspect
from collections.abc import Callable
from pathlib import Path

from IPython.display import HTML, display

from course.exercises import chapter_1, chapter_2, chapter_3, chapter_4, chapter_5, chapter_6, chapter_7, progress
from helpers import results, settings

CHECKS: dict[str, Callable] = {}
for _chapter in (chapter_1, chapter_2, chapter_3, chapter_4, chapter_5, chapter_6, chapter_7):
    CHECKS |= _chapter.CHECKS


def of_chapter(chapter: int) -> list[str]:
    """Return the numbers of a chapter's exercises, in their order."""
    return [number for number in CHECKS if number.startswith(f"{chapter}.")]


def subject(number: str) -> str:
    """Return in a few words what an exercise asks for."""
    return inspect.getdoc(CHECKS[number]).splitlines()[0].rstrip(".")


def card(chapter: int) -> None:
    """Show which exercises of a chapter are solved."""
    numbers, solved = of_chapter(chapter), progress.solved()
    rows = "".join(
        f"<tr><th scope='row'>{number}</th><td style='text-align: left'>{subject(number)}</td>"
        f"<td style='text-align: left'>{'● solved' if number in solved else '○ open'}</td></tr>"
        for number in numbers
    )
    title = f"Exercises of chapter {chapter}: {len(solved & set(numbers))} of {len(numbers)} solved"
    display(HTML(f"<table><caption>{title}</caption><tbody>{rows}</tbody></table>"))


def table() -> str:
    """Return a table of all exercises for the terminal."""
    entries, solved = progress.load(), progress.solved()
    chapters = dict.fromkeys(int(number.partition(".")[0]) for number in CHECKS)
    lines = []
    for chapter in chapters:
        numbers = of_chapter(chapter)
        lines.append(f"chapter {chapter}: {len(solved & set(numbers))} of {len(numbers)} solved")
        for number in numbers:
            tried = entries.get(number, {"attempts": 0})["attempts"]
            attempts = f"  ({tried} attempt{'s' * (tried != 1)})" if tried else ""
            lines.append(f"  {'●' if number in solved else '○'} {number}  {subject(number)}{attempts}")
    lines.append(
        f"in all: {len(solved & set(CHECKS))} of {len(CHECKS)} solved; kept in {settings.shown(progress.file())}"
    )
    return "\n".join(lines)


def export(target: Path) -> Path:
    """Write progress as JSON for a teacher: of each exercise its subject, the attempts, and when it was solved.

    Raises:
        ValueError: the file can't be written.
    """
    target = target.expanduser().absolute()
    entries = progress.load()
    nothing = {"attempts": 0, "solved": None}
    exercises = {number: {"subject": subject(number)} | entries.get(number, nothing) for number in CHECKS}
    solved = sum(entry["solved"] is not None for entry in exercises.values())
    try:
        results.write_json(target, {"solved": solved, "of": len(CHECKS), "exercises": exercises})
    except OSError as error:
        raise ValueError(f"export: '{target}' can't be written ({error.strerror}); give another file") from None
    return target


def reset() -> str:
    """Set progress aside, for the next learner at this computer, and return in a line what was done."""
    path = progress.file()
    if not path.exists():
        return f"There was no progress in {settings.shown(path)}."
    aside = path.with_name(path.name + ".before_reset")
    path.replace(aside)
    return f"Progress begins anew; what was there is now {settings.shown(aside)}."
