"""A chapter with its exercises solved, as a learner who gets everything right would leave it."""

import copy
import re

from nbformat import NotebookNode

from course.handouts.copies import tags_of


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
