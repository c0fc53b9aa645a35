"""One source, two copies: the student's notebook without solutions, the instructor's with everything."""

import ast
import copy
import re

from nbformat import NotebookNode, from_dict

from course.maintain.refresh import METADATA

HIDDEN_FROM_STUDENTS = {"solution", "instructor"}


def tags_of(cell: NotebookNode) -> set[str]:
    """Return the tags of a cell: `exercise`, `check`, `solution`, `instructor`, `parameters`, …"""
    return set(cell.metadata.get("tags", []))


def student_copy(notebook: NotebookNode) -> NotebookNode:
    """Return what a student works with: no solutions, no notes for the teacher, nothing run yet."""
    cells = [_without_outputs(cell) for cell in copy.deepcopy(notebook.cells) if not _is_hidden(cell)]
    return _notebook_of(cells, notebook)


def student_page(notebook: NotebookNode) -> NotebookNode:
    """Return what is printed for a student: as `student_copy`, with the lesson's figures, but none of an exercise's."""
    cells = [cell for cell in copy.deepcopy(notebook.cells) if not _is_hidden(cell) and "check" not in tags_of(cell)]
    return _notebook_of([_without_outputs(cell) if "exercise" in tags_of(cell) else cell for cell in cells], notebook)


def instructor_copy(notebook: NotebookNode) -> NotebookNode:
    """Return everything, the notes for the teacher on top, notes and solutions laid open."""
    cells = copy.deepcopy(notebook.cells)
    for cell in cells:
        if _is_hidden(cell):
            cell.source = cell.source.replace("<details>", "<details open>")
    cells.sort(key=lambda cell: "instructor" not in tags_of(cell))  # keeps the order otherwise
    return _notebook_of(cells, notebook)


def with_settings_of_the_run(notebook: NotebookNode) -> NotebookNode:
    """Return an executed chapter as if it had been written with the settings that it was run with.

    The cell that papermill injects goes, and its values become the defaults of the `parameters` cell; not so the
    folders, which were those of the run. What papermill noted of the machine goes too.
    """
    made = copy.deepcopy(notebook)
    values: dict[str, str] = {}
    for cell in made.cells:
        if "injected-parameters" in tags_of(cell):
            values = {ast.unparse(s.targets[0]): ast.unparse(s.value) for s in ast.parse(cell.source).body}
        cell.metadata = from_dict({"tags": sorted(tags_of(cell))} if tags_of(cell) else {})
    made.cells = [cell for cell in made.cells if "injected-parameters" not in tags_of(cell)]
    made.metadata = from_dict(METADATA)
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


def filled_copy(notebook: NotebookNode) -> NotebookNode:
    """Return a copy in which each exercise is answered by its solution: it runs, and all checks pass.

    Raises:
        ValueError: an exercise has no solution after it.
    """
    filled = copy.deepcopy(notebook)
    for position, cell in enumerate(filled.cells):
        if cell.cell_type == "code" and "exercise" in tags_of(cell):
            cell.source = solution_of(filled.cells[position:])
    return filled


def solution_of(cells: list[NotebookNode]) -> str:
    """Return the code of the first solution among `cells`: its block of Python, which can replace the stub.

    Raises:
        ValueError: there is none.
    """
    for cell in cells:
        block = re.search(r"^```python\n(.*?)^```$", cell.source, flags=re.MULTILINE | re.DOTALL)
        if "solution" in tags_of(cell) and block:
            return block[1].rstrip("\n")
    raise ValueError(f"solution: the exercise in cell {cells[0].id!r} has none after it; add a cell tagged 'solution'")


def _is_hidden(cell: NotebookNode) -> bool:
    return bool(HIDDEN_FROM_STUDENTS & tags_of(cell))


def _without_outputs(cell: NotebookNode) -> NotebookNode:
    if cell.cell_type == "code":
        cell.outputs, cell.execution_count = [], None
    return cell


def _notebook_of(cells: list[NotebookNode], notebook: NotebookNode) -> NotebookNode:
    made = copy.copy(notebook)
    made.cells = cells
    return made
