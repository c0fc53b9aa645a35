"""What a learner's function has besides its arguments: variables of the notebook, and whether it has any code."""

import copy
import dis
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any


def plain_function(answer: Any) -> FunctionType | None:
    """Return the plain function behind an answer (a partial, a method, a decorated one), or None."""
    while isinstance(answer, partial | MethodType):
        answer = answer.func if isinstance(answer, partial) else answer.__func__
    return inspect.unwrap(answer) if isinstance(answer, FunctionType) else None


DOING_NOTHING = ("LOAD_CONST", "RETURN_VALUE", "RETURN_CONST")  # the bytecode of a function without code, with None


def is_stub(answer: object) -> bool:
    """Tell whether an answer was left as it came: None, `...`, a collection of them, or a function with no code."""
    if isinstance(answer, dict):
        answer = list(answer.values())
    if isinstance(answer, list | tuple):
        return len(answer) > 0 and all(map(is_stub, answer))
    if isinstance(answer, FunctionType):
        steps = [step for step in dis.get_instructions(answer) if step.opname not in ("RESUME", "NOP")]
        return all(step.opname in DOING_NOTHING and step.argval is None for step in steps)
    return answer is None or answer is ...


def _names(code: CodeType, *operations: str) -> Iterator[str]:
    """Yield the names on which a function's code, and the functions inside it, do these operations."""
    for step in dis.get_instructions(code):
        if any(operation in step.opname for operation in operations):  # some Pythons join two in one step
            yield from step.argval if isinstance(step.argval, tuple) else [step.argval]
        if isinstance(step.argval, CodeType):
            yield from _names(step.argval, *operations)


def variables_read(answer: object) -> dict[str, Any]:
    """Return the notebook's variables that a function reads; modules, functions, classes and CONSTANTS are none."""
    function, found = plain_function(answer), {}
    known = function.__globals__ if function else {}
    for name in _names(function.__code__, "LOAD_GLOBAL", "LOAD_NAME") if function else ():
        value = known.get(name)
        if name in known and not (
            name.startswith("__") or name.isupper() or inspect.isroutine(value) or isinstance(value, type | ModuleType)
        ):
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
    values = [*variables_read(function).values(), *(function.__defaults__ or ())]
    before = [(value, copy.copy(value)) for value in values if type(value) in (list, dict, set)]
    known = function.__globals__
    stored = {name: known[name] for name in _names(function.__code__, "STORE_GLOBAL") if name in known}
    leaving = {name: known[name] for name in ("exit", "quit") if name in known}  # IPython's would end the kernel
    known.update(dict.fromkeys(leaving, sys.exit))
    try:
        yield
    finally:
        known.update(stored | leaving)
        for value, content in before:
            value.clear()
            value.extend(content) if isinstance(value, list) else value.update(content)
