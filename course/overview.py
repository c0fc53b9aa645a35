"""What a learner has solved: a table for the terminal, a file for a teacher.

Nothing here loads PyTorch, which `python -m course progress` need not wait for.
"""

import ast
import functools
import itertools
import json
from pathlib import Path

from course import progress
from helpers import results, settings

EXERCISES = Path(__file__).parent / "exercises"


@functools.cache
def subjects() -> dict[str, str]:
    """Return in a few words what each exercise asks for: the first line of its check, read and not imported."""
    found = {}
    for path in sorted(EXERCISES.glob("chapter_*.py"), key=lambda path: int(path.stem.removeprefix("chapter_"))):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        docs = {check.name: str(ast.get_docstring(check)) for check in tree.body if isinstance(check, ast.FunctionDef)}
        checks = tree.body[-1]  # CHECKS = {"1.1": negative, …} ends each file
        for number, check in zip(checks.value.keys, checks.value.values, strict=True):  # type: ignore[attr-defined]
            made, given = (check.func, check.args) if isinstance(check, ast.Call) else (check, [])  # diagnosis_of(1)
            subject = docs[ast.unparse(made)].splitlines()[0].rstrip(".")
            found[number.value] = subject.format(*map(ast.literal_eval, given)) if given else subject
    return found


def table() -> str:
    """Return a table of all exercises for the terminal."""
    asked, entries, solved, lines = subjects(), progress.load(), progress.solved(), []
    for chapter, of_chapter in itertools.groupby(asked, lambda number: number.partition(".")[0]):
        numbers = list(of_chapter)
        lines.append(f"chapter {chapter}: {len(solved & set(numbers))} of {len(numbers)} solved")
        for number in numbers:
            tried = entries.get(number, progress.UNTRIED)["attempts"]
            attempts = f"  ({tried} attempt{'s' * (tried != 1)})" if tried else ""
            lines.append(f"  {'●' if number in solved else '○'} {number}  {asked[number]}{attempts}")
    shown = settings.shown(progress.file())
    return "\n".join([*lines, f"in all: {len(solved & set(asked))} of {len(asked)} solved; kept in {shown}"])


def export(target: Path) -> Path:
    """Write progress as JSON for a teacher: of each exercise its subject, the attempts, and when it was solved.

    Raises:
        ValueError: there is such a file already; it is somebody's.
        OSError: the file can't be written; none is left behind.
    """
    target, entries = target.expanduser().absolute(), progress.load()
    exercises = {
        number: {"subject": subject} | entries.get(number, progress.UNTRIED) for number, subject in subjects().items()
    }
    solved = sum(entry["solved"] is not None for entry in exercises.values())
    text = json.dumps({"solved": solved, "of": len(exercises), "exercises": exercises}, indent=1) + "\n"
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
