"""One source, two copies: the student's notebook without solutions, the instructor's with everything."""

import ast
import copy
import json
import re
from collections.abc import Iterator
from pathlib import Path

from nbconvert.preprocessors import ClearOutputPreprocessor, Preprocessor, TagRemovePreprocessor
from nbformat import NotebookNode, from_dict

HIDDEN_FROM_STUDENTS = {"solution", "instructor"}
TAGS = HIDDEN_FROM_STUDENTS | {
    "parameters", "exercise", "words", "answer", "check", "card", "quiz", "reading", "worksheet", "slide", "detail",
    "nbval-check-output",
}  # fmt: skip
WRITE_HERE = "Write here."  # what a cell for an answer in words holds before anybody has written
NUMBER = re.compile(r"\*\*Exercise (\d+\.\d+)\*\*")  # at the head of an exercise's text
# What each exercise's cell holds before anybody answers, by number. A file, since a course that came as a zip file has
# no git to ask. `python -m course tables` writes it from the notebooks.
STUBS = Path(__file__).parent / "templates" / "stubs.json"


def tags_of(cell: NotebookNode) -> set[str]:
    """Return the tags of a cell: `exercise`, `check`, `solution`, `instructor`, `parameters`, …"""
    return set(cell.metadata.get("tags", []))


def check_tags(notebook: NotebookNode, chapter: str) -> None:
    """Raise a ValueError if a cell has a tag that the course doesn't know: a mistyped one would hide nothing."""
    for number, cell in enumerate(notebook.cells, start=1):
        for tag in sorted(tags_of(cell) - TAGS):
            raise ValueError(
                f"{chapter}: cell {number} has an unknown tag, {tag!r}; correct or remove it, "
                f"tags are {', '.join(sorted(TAGS))}"
            )


def exercise_cells(notebook: NotebookNode) -> Iterator[tuple[str, NotebookNode]]:
    """Yield the cells that a learner fills in, each with the number of its exercise, `1.2`."""
    number = ""
    for cell in notebook.cells:
        if cell.cell_type == "markdown" and (head := NUMBER.match(cell.source)):
            number = head[1]
        elif cell.cell_type == "code" and "exercise" in tags_of(cell):
            yield number, cell


def take_stubs(notebook: NotebookNode) -> list[str]:
    """Replace each answer by the stub that the course has for its exercise; return the numbers of those exercises.

    An exercise that a teacher added is not in `STUBS` and stays as it is.
    """
    stubs = json.loads(STUBS.read_text(encoding="utf-8"))
    answered = []
    for number, cell in exercise_cells(notebook):
        if cell.source != stubs.get(number, cell.source):
            cell.source, cell.outputs = stubs[number], []
            answered.append(number)
    for cell in notebook.cells:
        if "answer" in tags_of(cell):
            cell.source = WRITE_HERE
    return answered


def student_copy(notebook: NotebookNode) -> NotebookNode:
    """Return what a student works with: no solutions, no notes for the teacher, nothing run yet."""
    without_solutions = TagRemovePreprocessor(remove_cell_tags=HIDDEN_FROM_STUDENTS)
    return _preprocessed(notebook, without_solutions, ClearOutputPreprocessor())


def student_page(notebook: NotebookNode) -> NotebookNode:
    """Return what is printed for a student: as `student_copy`, with the lesson's figures, but none of an exercise's."""
    hidden = HIDDEN_FROM_STUDENTS | {"check", "answer"}  # on paper there are lines to write on
    return _preprocessed(notebook, TagRemovePreprocessor(remove_cell_tags=hidden, remove_all_outputs_tags={"exercise"}))


def _preprocessed(notebook: NotebookNode, *preprocessors: Preprocessor) -> NotebookNode:
    made = copy.deepcopy(notebook)
    made.metadata.pop("widgets", None)  # may hold what a hidden cell, or an answer, put out
    for preprocessor in preprocessors:
        made, _ = preprocessor.preprocess(made, {})  # called itself, a preprocessor does nothing unless it is enabled
    return made


def instructor_copy(notebook: NotebookNode) -> NotebookNode:
    """Return everything, the notes for the teacher on top, notes and solutions laid open."""
    made = copy.deepcopy(notebook)
    for cell in made.cells:
        if HIDDEN_FROM_STUDENTS & tags_of(cell):
            cell.source = cell.source.replace("<details>", "<details open>")
    made.cells.sort(key=lambda cell: "instructor" not in tags_of(cell))  # keeps the order otherwise
    return made


def notes_for_the_teacher(notebook: NotebookNode) -> str:
    """Return a chapter's cell tagged `instructor`, without the element that folds it; nothing where there is none."""
    notes = [cell.source for cell in notebook.cells if "instructor" in tags_of(cell)]
    return re.sub(r"</?(details|summary)[^>]*>(For the teacher)?", "", "\n\n".join(notes)).strip()


def with_settings_of_the_run(executed: NotebookNode, metadata: NotebookNode) -> NotebookNode:
    """Return an executed chapter as if it had been written with the settings that it was run with.

    The cell that papermill injects goes, and its values become the defaults of the `parameters` cell, except for the
    folders, which were those of the run. What papermill noted of the machine goes too.

    Args:
        executed: what `run` left.
        metadata: of the committed chapter.
    """
    made = copy.deepcopy(executed)
    made.metadata = metadata
    values: dict[str, str] = {}
    for cell in made.cells:
        if "injected-parameters" in tags_of(cell):
            values = {ast.unparse(s.targets[0]): ast.unparse(s.value) for s in ast.parse(cell.source).body}
        cell.metadata = from_dict({"tags": sorted(tags_of(cell))} if tags_of(cell) else {})
    made.cells = [cell for cell in made.cells if "injected-parameters" not in tags_of(cell)]
    for cell in made.cells:
        if "parameters" in tags_of(cell):
            cell.source = "\n".join(_with_default(line, values) for line in cell.source.splitlines())
    return made


def _with_default(line: str, values: dict[str, str]) -> str:
    """Return `epochs: int = 10  # passes` with the value that `values` has for it."""
    name = line.partition(":")[0]
    if name not in values or name.endswith("_dir"):
        return line
    declared, _, rest = line.partition(" = ")
    comment = rest.partition("  # ")[2]
    return f"{declared} = {values[name]}" + (f"  # {comment}" if comment else "")
