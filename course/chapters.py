"""The chapters on the disk: which there are, and which parameters each of them takes."""

import ast
import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat

from helpers import settings

NOTEBOOKS = settings.ROOT / "notebooks"


def all_chapters() -> list[Path]:
    """Return the paths of the numbered notebooks, in order."""
    return sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def select_chapters(names: Sequence[str]) -> list[Path]:
    """Return the chapters that `names` ask for, in the course's order; all of them for no names.

    Args:
        names: numbers (`03` or `3`) or file stems (`03_training`).

    Raises:
        ValueError: no chapter has that name, or the notebooks are not here: an installed copy comes without them.
    """
    chapters = all_chapters()
    if not chapters:
        raise ValueError(f"chapters: no notebooks in '{NOTEBOOKS}'; start the command in a clone of the course")
    wanted = {_find_chapter(name, chapters) for name in names}
    return [chapter for chapter in chapters if not names or chapter in wanted]


def _find_chapter(name: str, chapters: list[Path]) -> Path:
    for chapter in chapters:
        if name == chapter.stem or name.zfill(2) == chapter.stem[:2]:
            return chapter
    raise ValueError(f"chapter: unknown chapter {name!r}; choose one of {', '.join(c.stem for c in chapters)}")


@dataclass(frozen=True)
class Parameter:
    """One line of a chapter's cell tagged `parameters`: `epochs: int = 10  # passes over the training set`.

    Attributes:
        name: `epochs`.
        type: as it is written, `int`.
        default: 10.
        help: the comment, `passes over the training set`.
    """

    name: str
    type: str
    default: object
    help: str


def parameters_of(chapter: Path) -> list[Parameter]:
    """Return a chapter's parameters, in their order.

    papermill's own `inspect_notebook` overlooks a parameter that is annotated `int | None`.
    """
    cells = nbformat.read(chapter, as_version=4).cells
    found = []
    for source in (cell.source for cell in cells if "parameters" in cell.metadata.get("tags", [])):
        lines = source.splitlines()
        for statement in ast.parse(source).body:
            if isinstance(statement, ast.AnnAssign):
                comment = lines[statement.end_lineno - 1].partition("  # ")[2]
                default = ast.literal_eval(statement.value)
                found.append(Parameter(statement.target.id, ast.unparse(statement.annotation), default, comment))
    return found


def parameter_names(chapter: Path) -> list[str]:
    """Return the names of a chapter's parameters, in their order."""
    return [parameter.name for parameter in parameters_of(chapter)]


def list_parameters(chapters: Sequence[Path]) -> str:
    """Return a text that lists the parameters of each chapter: name, type, default and help."""
    blocks = []
    for chapter in chapters:
        rows = [(p.name, p.type, repr(p.default), p.help) for p in parameters_of(chapter)]
        widths = [max((len(row[column]) for row in rows), default=0) for column in range(3)]
        lines = [
            "  " + "  ".join(word.ljust(width) for word, width in zip(row, widths, strict=False)) + f"  {row[3]}"
            for row in rows
        ]
        blocks.append("\n".join([chapter.stem, *lines]))
    return "\n\n".join(blocks)


def check_assignments(chapters: list[Path], assignments: Sequence[tuple[str, str]]) -> dict[str, object]:
    """Turn `-p NAME VALUE` pairs into checked Python values, before any kernel starts.

    Raises:
        ValueError: a name that no chosen chapter has, a name given twice, or a value that breaks its rule.
    """
    known = {chapter.stem: parameter_names(chapter) for chapter in chapters}
    values: dict[str, object] = {}
    for name, text in assignments:
        if not any(name in names for names in known.values()):
            raise ValueError(f"unknown parameter {name!r} in {', '.join(known)}; {_suggestion(name, known)}")
        if name in values:
            raise ValueError(f"parameter {name!r} is given twice; give it once")
        values[name] = settings.parse(name, text)
    return values


def _suggestion(name: str, known: dict[str, list[str]]) -> str:
    names = sorted({name for names in known.values() for name in names})
    close = difflib.get_close_matches(name, names, n=1)
    return f"did you mean '{close[0]}'?" if close else f"choose one of {', '.join(names)}"
