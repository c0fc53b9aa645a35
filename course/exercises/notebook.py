"""What a notebook's variables and cells tell about an answer: what it reads from outside, and which one it is."""

import ast
import copy
import dis
import inspect
import re
from collections.abc import Iterator
from contextlib import contextmanager
from types import CodeType, FunctionType, ModuleType
from typing import Any

from IPython.core.getipython import get_ipython


def plain_function(answer: Any) -> FunctionType | None:
    """Return the plain function behind an answer (a partial, a method, a decorated one), or None."""
    answer = getattr(answer, "func", getattr(answer, "__func__", answer))
    answer = inspect.unwrap(answer) if callable(answer) else None
    return answer if isinstance(answer, FunctionType) else None


def _names(code: CodeType, *operations: str) -> Iterator[str]:
    """Yield the names on which a function's code, and the functions inside it, do these operations."""
    for step in dis.get_instructions(code):
        if step.opname.startswith(operations):
            yield from step.argval if isinstance(step.argval, tuple) else [step.argval]
        if isinstance(step.argval, CodeType):
            yield from _names(step.argval, *operations)


def variables_read(answer: object) -> dict[str, Any]:
    """Return the notebook's variables that a function reads; modules, functions, classes and CONSTANTS are none."""
    function, found = plain_function(answer), {}
    known = function.__globals__ if function else {}
    for name in _names(function.__code__, "LOAD_GLOBAL", "LOAD_NAME") if function else ():
        value = known.get(name)
        if name in known and not (name.isupper() or inspect.isroutine(value) or isinstance(value, type | ModuleType)):
            found[name] = value
    return found


def outside(answer: object) -> str:
    """Return in a sentence which of the notebook's variables a function reads; nothing where there is none."""
    function, names = plain_function(answer), ", ".join(f"`{name}`" for name in list(variables_read(answer))[:3])
    if not function or not names:
        return ""
    code, used = function.__code__, {*_names(function.__code__, "LOAD_FAST", "LOAD_DEREF", "LOAD_CLOSURE")}
    unused = [name for name in code.co_varnames[: code.co_argcount + code.co_kwonlyargcount] if name not in used]
    if unused:
        return f"Your function reads {names} from the notebook and never uses its argument `{unused[0]}`."
    return f"Your function reads {names} from the notebook. Is that one of its arguments, under another name?"


@contextmanager
def kept(answer: object) -> Iterator[None]:
    """Put back afterwards what a function keeps: lists, dicts and sets of the notebook or in defaults, and globals."""
    function = plain_function(answer)
    if function is None:
        yield
        return
    values = [
        *variables_read(function).values(),
        *(function.__defaults__ or ()),
        *(function.__kwdefaults__ or {}).values(),
    ]
    before = [(value, copy.copy(value)) for value in values if type(value) in (list, dict, set)]
    known = function.__globals__
    stored = {name: known[name] for name in _names(function.__code__, "STORE_GLOBAL") if name in known}
    try:
        yield
    finally:
        known.update(stored)
        for value, content in before:
            value.clear()
            value.extend(content) if isinstance(value, list) else value.update(content)


def earlier_answer(number: str) -> str:
    """Return in a sentence that a syntax error left an earlier answer standing; nothing if that isn't so.

    The cell that calls the check says which names it hands in. Going back from there, the first cell that gives one of
    them a value is where the answer comes from; if one after it means the same name and is no Python, it never ran.
    """
    shell = get_ipython()
    cells = shell.user_ns.get("In", [""]) if shell else [""]
    names = _names_handed_in(number, cells[-1])
    broken = 0
    for place in range(len(cells) - 2, 0, -1):
        try:
            tree = ast.parse(cells[place])
            compile(
                tree, "", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True
            )  # a `return` outside of a function
        except (SyntaxError, ValueError):
            means_it = any(re.search(rf"\b{name}\b", cells[place]) for name in names)
            broken = broken or (place if means_it else 0)
            continue
        if names & _given_a_value(tree):
            return (
                f"Cell [{broken}] has a syntax error, so this is about your earlier answer, of cell [{place}]."
                if broken
                else ""
            )
    return f"Cell [{broken}] has a syntax error, so it never ran." if broken else ""


def _names_handed_in(number: str, cell: str) -> set[str]:
    """Return the names in the second argument of the call of this check; none if there is no such call."""
    try:
        calls = [node for node in ast.walk(ast.parse(cell)) if isinstance(node, ast.Call) and len(node.args) == 2]
    except SyntaxError:
        return set()
    handed = [node.args[1] for node in calls if isinstance(node.args[0], ast.Constant) and node.args[0].value == number]
    return {node.id for answer in handed for node in ast.walk(answer) if isinstance(node, ast.Name)}


def _given_a_value(tree: ast.Module) -> set[str]:
    """Return the names that a cell gives a value: functions, classes, variables."""
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return defined | {
        node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
    }
