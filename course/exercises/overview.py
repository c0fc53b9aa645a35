"""The checks of all chapters, by exercise, and a card at a chapter's end that shows which of them are solved."""

from collections.abc import Callable
from importlib import import_module

from IPython.display import HTML, display

from course import progress
from course.overview import subjects

CHAPTERS: list[dict[str, Callable]] = [
    import_module(f"course.exercises.chapter_{number}").CHECKS for number in range(1, 11)
]
CHECKS = {number: check for checks in CHAPTERS for number, check in checks.items()}


def card(chapter: int) -> None:
    """Show which exercises of a chapter are solved."""
    numbers, solved, asked = CHAPTERS[chapter - 1], progress.solved(), subjects()
    rows = "".join(
        f"<tr><th scope='row'>{number}</th><td style='text-align: left'>{asked[number]}</td>"
        f"<td style='text-align: left'>{'● solved' if number in solved else '○ open'}</td></tr>"
        for number in numbers
    )
    title = f"Exercises of chapter {chapter}: {len(solved & set(numbers))} of {len(numbers)} solved"
    display(HTML(f"<table><caption>{title}</caption><tbody>{rows}</tbody></table>"))
