"""Which answer a check looks at, if a syntax error left an earlier one standing: the notebook's cells tell."""

import ast
import re

from IPython.core.getipython import get_ipython


def earlier_answer(number: str) -> str:
    """Return in words that a syntax error left an earlier answer standing; nothing if that isn't so.

    The cell that calls the check says which names it hands in. Going back from there, the first cell that gives one of
    them a value is where the answer comes from; if a cell after it means one of them and is no Python, it never ran.
    """
    shell = get_ipython()
    cells = shell.history_manager.input_hist_parsed if shell and shell.history_manager else [""]
    names, broken = _names_handed_in(number, cells[-1]), 0
    for place in range(len(cells) - 2, 0, -1):
        tree = _parsed(cells[place])
        if tree is None and any(re.search(rf"\b{name}\b", cells[place]) for name in names):
            broken = broken or place
        if tree is not None and names & _given_a_value(tree):
            break
    else:
        place = 0
    looks_at = f"this looks at your earlier answer, from cell [{place}]" if place else "it never ran"
    return f"Cell [{broken}] has a syntax error, so {looks_at}:" if broken else ""


def _parsed(cell: str) -> ast.Module | None:
    try:
        tree = ast.parse(cell)
        compile(
            tree, "", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
        )  # finds `return` outside a function
    except (SyntaxError, ValueError):
        return None
    return tree


def _names_handed_in(number: str, cell: str) -> set[str]:
    """Return the names in the second argument of the call of this check; none if there is no such call."""
    nodes = ast.walk(_parsed(cell) or ast.Module([], []))
    calls = [node for node in nodes if isinstance(node, ast.Call) and len(node.args) == 2]
    handed = [node.args[1] for node in calls if isinstance(node.args[0], ast.Constant) and node.args[0].value == number]
    return {node.id for answer in handed for node in ast.walk(answer) if isinstance(node, ast.Name)}


def _given_a_value(tree: ast.Module) -> set[str]:
    """Return the names that a cell gives a value: functions, classes, variables."""
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return defined | {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
