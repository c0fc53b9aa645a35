"""Finds the answers in a notebook, whatever has happened to it, and what they need; executes nothing.

An answer belongs to the exercise whose number stands in `exercises.check("3.2", …)`. With it goes what the student
wrote that it needs, a function or an import; what else it needs comes from the course's own chapter, with the embedded
digits as the data.
"""

import ast
import builtins
import json
import re
import symtable
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import cache
from typing import NamedTuple

import nbformat

from course.chapters import all_chapters
from course.handouts.copies import NUMBER, STUBS, WRITE_HERE

LARGEST = 50_000_000  # bytes of a notebook
SMALL = {"dataset": '"digits"', "epochs": "1"}  # settings of a chapter, so that an answer takes seconds
SYNTAX = "There is a syntax error in the cell of your answer: {} in the line `{}`. Python can't run any of that cell."
MISSING = "I found no answer. In your notebook, nothing gives `{}` a value; was the cell deleted?"
NOTHING = frozenset(dir(builtins)) | {"exercises"}  # names that need no cell


class Cell(NamedTuple):
    """A cell of a notebook of any format."""

    kind: str  # code, markdown, …
    source: str
    tags: tuple[str, ...]
    id: str


class Statement(NamedTuple):
    """A statement at the top level of a code cell."""

    cell: int
    node: ast.stmt
    binds: frozenset[str]
    uses: frozenset[str]


class Chapter(NamedTuple):
    """What the course's own notebook of a chapter says."""

    stem: str
    statements: list[Statement]
    checks: dict[str, ast.Call]  # by number
    places: dict[str, int]  # of these checks: their cells
    prose: frozenset[str]  # its Markdown cells
    words: dict[str, tuple[str, str]]  # of exercises that ask for words: the question, and the solution
    notes: list[str]  # for the teacher, line by line


def read(content: bytes) -> list[Cell]:
    """Return the cells of a notebook, of format 3 or 4.

    Raises:
        ValueError: it is none; one line that says what it is instead.
    """
    if len(content) > LARGEST:
        raise ValueError(
            f"{len(content) / 1e6:.0f} MB is too big for a notebook; clear its outputs and hand it in again"
        )
    if not content.strip():
        raise ValueError("the file is empty")
    for start, kind in ((b"%PDF", "a PDF"), (b"PK", "a zip file"), (b"\x89PNG", "a picture"), (b"<", "a web page")):
        if content.lstrip().startswith(start):
            raise ValueError(f"the file is {kind}, not a notebook, whatever its name says")
    try:
        found = json.loads(content.decode("utf-8-sig"))
        if found.get("nbformat", 4) < 4:
            found = {"cells": [cell for sheet in found["worksheets"] for cell in sheet["cells"]]}
        return [_cell(cell) for cell in found["cells"]]
    except RecursionError:
        raise ValueError("the file can't be read as a notebook: it is nested too deeply") from None
    except ValueError as error:
        reason = "it ends in the middle, or is damaged" if isinstance(error, json.JSONDecodeError) else "it isn't text"
        raise ValueError(f"the file can't be read as a notebook: {reason}") from None
    except (KeyError, TypeError, AttributeError):
        raise ValueError("the file is JSON, but not a notebook") from None


def _cell(cell: dict) -> Cell:
    source = cell.get("source", cell.get("input", ""))  # format 3 has `input`
    text = "".join(map(str, source)) if isinstance(source, list) else str(source)
    metadata = cell.get("metadata")
    tags = metadata.get("tags") if isinstance(metadata, dict) else None
    known = tuple(tag for tag in tags if isinstance(tag, str)) if isinstance(tags, list) else ()
    return Cell(str(cell["cell_type"]), text, known, str(cell.get("id", "")))


@cache
def pristine() -> dict[str, Chapter]:
    """Return the course's own chapters that have exercises, by file stem."""
    chapters = {}
    for path in all_chapters():
        cells = [_cell(cell) for cell in nbformat.read(path, as_version=4).cells]
        checks = {number: (place, call) for place, number, call in _checks(cells)}
        own = [s for s in _statements(cells) if not {"exercise", "check"} & {*cells[s.cell].tags}]
        if checks:
            calls = {number: call for number, (_, call) in checks.items()}
            places = {number: place for number, (place, _) in checks.items()}
            prose = frozenset(cell.source for cell in cells if cell.kind == "markdown")
            notes = [line for cell in cells if "instructor" in cell.tags for line in cell.source.splitlines()]
            chapters[path.stem] = Chapter(path.stem, own, calls, places, prose, _questions(cells), notes)
    return chapters


def _questions(cells: Sequence[Cell]) -> dict[str, tuple[str, str]]:
    """Return the questions that ask for words, by number, each with the next solution."""
    found = {}
    for place, cell in enumerate(cells):
        if "words" in cell.tags and (head := NUMBER.match(cell.source)):
            solutions = (later.source for later in cells[place:] if "solution" in later.tags)
            found[head[1]] = (cell.source.partition("<details>")[0].strip(), next(solutions, ""))
    return found


@cache
def stubs() -> dict[str, str]:
    """Return what each exercise's cell holds before anybody answers, as `ast.dump` shows it."""
    return {number: _dump(source) for number, source in json.loads(STUBS.read_text(encoding="utf-8")).items()}


def chapter_of(cells: Sequence[Cell], name: str) -> Chapter | None:
    """Return which chapter a notebook is: by the exercises in it, or else by its file's name; None if neither tells."""
    text = "\n".join(cell.source for cell in cells)
    numbers = re.findall(r"""check\(\s*["'](\d+\.\d+)["']""", text) + re.findall(r"\*\*Exercise (\d+\.\d+)\*\*", text)
    count = {stem: sum(number in chapter.checks for number in numbers) for stem, chapter in pristine().items()}
    if not any(count.values()):  # no check and no question is left; maybe the answers are
        given = {bound for statement in _statements(cells) for bound in statement.binds}
        for stem, chapter in pristine().items():
            count[stem] = len(given & {used for call in chapter.checks.values() for used in _names(_handed_in(call))})
    best = max(count, key=lambda stem: (count[stem], stem in name), default="")
    return pristine()[best] if best and (count[best] or best in name) else None


# What a question is about and the judge hands over, so that no answer has to train for it.
GIVEN = {"1.6": {"predicted"}, "2.6": {"images", "labels"}, "3.5": {"history"}, "4.5": {"matrix"}}


def find(cells: Sequence[Cell], chapter: Chapter) -> list[dict]:
    """Return the answers to all exercises of a chapter.

    Returns:
        For each its `number`; `cells`, pairs of a name and a source to execute in this order; `answer`, an expression;
        `fault`, what to say where there is no such thing, and `state`, "not found" or "not yet", then.
    """
    statements = _statements(cells)
    ours = {ast.dump(s.node) for s in chapter.statements}
    theirs = [s for s in statements if ast.dump(s.node) not in ours]
    calls = _checks(cells)
    return [_answer(number, cells, statements, theirs, calls, chapter) for number in chapter.checks]


def _answer(
    number: str,
    cells: Sequence[Cell],
    statements: list[Statement],
    theirs: list[Statement],
    calls: list[tuple[int, str, ast.Call]],
    chapter: Chapter,
) -> dict:
    """Return the answer to one exercise; see `find`."""
    found = [(place, call) for place, of, call in calls if of == number] or [(len(cells), chapter.checks[number])]
    attempts = []
    for place, call in found:
        expression = _handed_in(call)
        names = _names(expression) - NOTHING
        places = {name: _where_bound(name, number, place, cells, statements) for name in sorted(names)}
        attempts.append((place, expression, places))
    # Of a check that is there twice, the last counts whose answer is there and is no stub.
    place, expression, places = max(
        attempts,
        key=lambda a: (None not in a[2].values(), not all(_is_stub(cells, n, number) for n in a[2].values()), a[0]),
    )
    result: dict = {"number": number, "cells": [], "answer": ast.unparse(expression), "fault": "", "state": ""}
    missing = [name for name, where in places.items() if where is None]
    if missing:
        broken = next((cell for cell in cells if cell.kind == "code" and _gives(cell, missing[0])), None)
        if broken is not None:
            return result | {"fault": f"not yet. {_syntax_error(broken.source)}", "state": "not yet"}
        return result | {"fault": MISSING.format(missing[0]), "state": "not found"}
    answer_cells = sorted({cell for name, last in places.items() for cell in _changed_in(name, last, statements)})
    later = [  # what changes an answer after the cell that names it: a training loop in a cell of its own, say
        s
        for s in theirs
        if answer_cells and answer_cells[0] < s.cell < place and s.cell not in answer_cells and s.uses & {*places}
    ]
    own = [s for s in statements if s.cell in answer_cells] + later
    own.sort(key=lambda s: s.cell)
    above = [s for s in theirs if s.cell < max([place, *answer_cells]) and s not in own]
    before = [s for s in chapter.statements if s.cell < chapter.places[number]]
    wanted = _names(expression).union(*(s.uses for s in own)) - _given_by(own)
    needed = _needed(wanted, above, before, GIVEN.get(number, set()))
    result["cells"] = _cells(number, needed, own)
    return result


def words_in(cells: Sequence[Cell], chapter: Chapter) -> dict[str, str]:
    """Return what a student wrote in words, by exercise: in the cell for it, or in their own below the question."""
    ours, words, number = chapter.prose, dict[str, str](), ""
    for cell in cells:
        head = NUMBER.match(cell.source)
        if head and cell.kind == "markdown":
            number = head[1] if head[1] in chapter.words else ""
        elif cell.kind == "markdown" and ("answer" in cell.tags or (number and cell.source not in ours)):
            of = next((one for one in chapter.words if cell.id == words_id(one)), number)
            if of and cell.source.strip() not in ("", WRITE_HERE):
                words[of] = "\n\n".join(filter(None, [words.get(of), cell.source.strip()]))[:5000]
        elif cell.kind == "markdown" and cell.source.startswith("#"):
            number = ""
    return words


def words_id(number: str) -> str:
    """Return the id of the cell in which an exercise is answered in words."""
    return f"words-{number.replace('.', '-')}"


def value_in_chapter(chapter: Chapter, number: str, keyword: str, settings: dict[str, str]) -> tuple[str, str]:
    """Return the code and the expression by which the course's own chapter comes to what a check is given besides."""
    call = chapter.checks[number]
    expression = next(given.value for given in call.keywords if given.arg == keyword)
    before = [s for s in chapter.statements if s.cell < chapter.places[number]]
    needed = _needed(_names(expression), [], before)
    return "\n".join(_source(s, settings) for s in needed), ast.unparse(expression)


def _needed(
    names: Iterable[str], theirs: list[Statement], ours: list[Statement], given: Collection[str] = ()
) -> list[Statement]:
    """Return the statements that names need, all the way down: the student's where there are any, or the chapter's.

    Of the chapter's, a name means what it was given last, above the statement that needs it.
    """
    everything = [s for s in theirs if "*" in s.binds]  # what they import, nobody can tell
    chosen = {(1, theirs.index(s)): s for s in everything}
    known, seen = NOTHING.union(given), set[tuple[str, int]]()
    waiting = [(name, len(ours)) for name in {*names} - known]
    while waiting:
        name, end = waiting.pop()
        if (name, end) in seen:
            continue
        seen.add((name, end))
        found = [(1, place, s, end) for place, s in enumerate(theirs) if name in s.binds]
        if not found:
            bound = [(0, place, s, place) for place, s in enumerate(ours[:end]) if name in s.binds]
            imports = [one for one in bound if isinstance(one[2].node, ast.Import | ast.ImportFrom)]
            found = imports or bound[-1:]
            start = found[-1][1] if found else end
            found += [
                (0, place, s, end) for place, s in enumerate(ours[:end]) if place > start and _loads_into(name, s)
            ]
        for rank, place, statement, limit in found:
            chosen[rank, place] = statement
            later = isinstance(statement.node, ast.FunctionDef | ast.ClassDef)  # it looks for names when it is called
            waiting += [(used, end if later else limit) for used in statement.uses - known]
    return [statement for _, statement in sorted(chosen.items(), key=lambda one: one[0])]


def _loads_into(name: str, statement: Statement) -> bool:
    """Tell whether a statement loads what is kept in a file into a model: `checkpoint.load_weights(model, …)`."""
    match statement.node:
        case ast.Expr(ast.Call(ast.Attribute(attr=str(function)), [ast.Name(id=target), *_])):
            return function.startswith("load") and target == name
    return False


def _cells(number: str, needed: list[Statement], own: list[Statement]) -> list[tuple[str, str]]:
    """Return names and sources of what to execute; the name is shown where an error has to say a line."""
    before = "\n".join(_source(s, SMALL) for s in needed)
    pieces = [(f"<before {number}>", before)] if before else []
    for place in sorted({s.cell for s in own}):
        pieces.append((f"<answer {number}, {place}>", "\n".join(_source(s, {}) for s in own if s.cell == place)))
    return pieces


def _source(statement: Statement, settings: dict[str, str]) -> str:
    node = statement.node
    if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id in settings:
        return f"{node.target.id} = {settings[node.target.id]}"
    return ast.unparse(node)


def _checks(cells: Sequence[Cell]) -> list[tuple[int, str, ast.Call]]:
    """Return each call of a check: its cell, the number, the call."""
    found = []
    for place, cell in enumerate(cells):
        for node in ast.walk(_parsed(cell) or ast.Module([], [])):
            if isinstance(node, ast.Call) and _is_check(node):
                found.append((place, node.args[0].value, node))  # type: ignore[attr-defined]  # it is a constant
    return found


def _is_check(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    first = call.args[0] if len(call.args) > 1 or (call.args and call.keywords) else None
    return name == "check" and isinstance(first, ast.Constant) and isinstance(first.value, str)


def _handed_in(call: ast.Call) -> ast.expr:
    given = [pair.value for pair in call.keywords if pair.arg == "answer"]
    return call.args[1] if len(call.args) > 1 else (given or [ast.Constant(None)])[0]


def _statements(cells: Sequence[Cell]) -> list[Statement]:
    """Return the statements of all code cells that are Python, but for the calls of checks."""
    found = []
    for place, cell in enumerate(cells):
        for node in getattr(_parsed(cell), "body", []):
            calls = [part for part in ast.walk(node) if isinstance(part, ast.Call) and _is_check(part)]
            if isinstance(node, ast.Expr) and calls:
                continue
            found.append(Statement(place, node, frozenset(_bound(node)), frozenset(_used(node))))
    return found


def _names(expression: ast.expr) -> set[str]:
    """Return the names that an expression reads."""
    return _used(ast.Expr(expression))


def _used(node: ast.stmt) -> set[str]:
    """Return the names that a statement reads and doesn't give a value itself before."""
    table = symtable.symtable(ast.unparse(node), "", "exec")
    waiting, used = [table], set[str]()
    while waiting:
        scope = waiting.pop()
        waiting += scope.get_children()
        used |= {s.get_name() for s in scope.get_symbols() if s.is_referenced() and (scope is table or s.is_global())}
    if not isinstance(node, ast.Assign | ast.AnnAssign):  # a loop gives its variable a value, `x = x + 1` needs one
        used -= {*_bound(node)}
    inside = isinstance(node, ast.FunctionDef | ast.ClassDef)  # whose variables are their own
    more = [] if inside else [part.target for part in ast.walk(node) if isinstance(part, ast.AugAssign)]
    return used | {target.id for target in more if isinstance(target, ast.Name)}


def _bound(node: ast.AST) -> Iterator[str]:
    """Yield the names that a statement gives a value; `*` for an import of everything."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.Import | ast.ImportFrom):
        for alias in node.names:
            yield alias.asname or alias.name.partition(".")[0]
    elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
        yield node.id
    elif not isinstance(node, ast.Lambda):
        for part in ast.iter_child_nodes(node):
            yield from _bound(part)


def _parsed(cell: Cell) -> ast.Module | None:
    """Return a code cell as Python, without what only IPython understands; None if it is none."""
    if cell.kind != "code":
        return None
    try:
        return ast.parse(_plain(cell.source))
    except (SyntaxError, ValueError, RecursionError, MemoryError):  # the last is what a parser too deep says
        return None


def _plain(source: str) -> str:
    """Return a cell's source without magics, `%time`, `!pip`, `name?`."""
    lines = source.replace("\r\n", "\n").replace("\x00", "").split("\n")
    return "\n".join("" if re.match(r"\s*[%!]|.*\w\?+\s*$", line) and "#" not in line else line for line in lines)


def _dump(source: str) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.dump(tree)


def _is_stub(cells: Sequence[Cell], place: int | None, number: str) -> bool:
    tree = _parsed(cells[place]) if place is not None and place < len(cells) else None
    return tree is not None and _dump(ast.unparse(tree)) == stubs().get(number)


def _where_bound(name: str, number: str, place: int, cells: Sequence[Cell], statements: list[Statement]) -> int | None:
    """Return the cell that gives a name its value: the last one above the check that is no stub, or else the last."""
    bound = [s.cell for s in statements if name in s.binds]
    places = [cell for cell in bound if cell <= place] or bound  # below it, where somebody has moved cells
    answered = [cell for cell in places if not _is_stub(cells, cell, number)]
    return next(reversed(answered or places), None)


def _changed_in(name: str, last: int | None, statements: list[Statement]) -> Iterator[int]:
    """Yield the cells that give a name its value: the last one, and those before it that the last one starts from."""
    for cell in sorted({s.cell for s in statements if name in s.binds and last is not None and s.cell <= last})[::-1]:
        yield cell
        if name not in next(s.uses for s in statements if s.cell == cell and name in s.binds):
            return


def _given_by(own: list[Statement]) -> set[str]:
    """Return the names that statements give a value before they use them."""
    given, needed = set[str](), set[str]()
    for statement in own:
        needed |= statement.uses - given - statement.binds
        given |= statement.binds
    return given - needed


def _gives(cell: Cell, name: str) -> bool:
    """Tell whether a cell that is no Python looks as if it gave a name its value."""
    looks = re.search(rf"^\s*(def|class)\s+{name}\b|^\s*{name}\b.*=", cell.source, re.MULTILINE)
    return _parsed(cell) is None and looks is not None


def _syntax_error(source: str) -> str:
    plain = _plain(source)
    try:
        ast.parse(plain)
    except SyntaxError as error:
        line = (error.text or "").strip() or next(iter(plain.splitlines()[(error.lineno or 1) - 1 :]), "").strip()
        return SYNTAX.format(error.msg, line[:80])
    except (ValueError, RecursionError, MemoryError) as error:
        return SYNTAX.format(type(error).__name__, "…")
    return ""
