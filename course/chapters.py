"""The chapters on the disk: which there are, which parameters each of them takes, and what code they run."""

import ast
import difflib
import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tabulate import tabulate

from helpers import settings

NOTEBOOKS = settings.FILES / "notebooks"
# chapters that measure the weights which another one leaves
MEASURES = {"04_evaluation": "03_training", "08_your_own_digits": "03_training"}
FOLDERS = ("run_dir",)  # parameters that a run sets itself
DECIDE_NUMBERS = ("model", "data", "training", "recipes")  # of the helpers


def all_chapters() -> list[Path]:
    """Return the paths of the numbered notebooks, in order."""
    return sorted(NOTEBOOKS.glob("[0-9][0-9]_*.ipynb"))


def select_chapters(names: Sequence[str]) -> list[Path]:
    """Return the chapters that `names` ask for, in the course's order; all of them for no names.

    Args:
        names: numbers (`03` or `3`), file stems (`03_training`) or paths (`notebooks/03_training.ipynb`).

    Raises:
        ValueError: no chapter has that name, or the course's files are incomplete.
    """
    if not all_chapters():
        raise ValueError(f"chapters: no notebooks in '{NOTEBOOKS}'; get the course again")
    return sorted({_find_chapter(name) for name in names}) or all_chapters()


def _find_chapter(name: str) -> Path:
    chapters = all_chapters()
    for chapter in chapters:
        if name == chapter.stem or name.zfill(2) == chapter.stem[:2]:
            return chapter
    path = Path(os.path.expanduser(name))
    if name.endswith(".ipynb") and path.is_file():
        return path.absolute()
    raise ValueError(f"chapter: unknown chapter {name!r}; choose one of {', '.join(c.stem for c in chapters)}")


def _cells(chapter: Path) -> list[Any]:
    import nbformat  # takes one or two seconds beside JupyterLab, which the first cell of chapter 5 need not wait

    return nbformat.read(chapter, as_version=4).cells


class Parameter(NamedTuple):
    """One line of a chapter's cell tagged `parameters`: `epochs: int = 10  # passes over the training set`."""

    name: str
    type: str  # as it is written, `int`
    default: object
    help: str  # the comment


def parameters_of(chapter: Path) -> list[Parameter]:
    """Return a chapter's parameters, in their order.

    papermill's own `inspect_notebook` overlooks a parameter that is annotated `int | None`.
    """
    found = []
    for cell in _cells(chapter):
        if "parameters" in cell.metadata.get("tags", []):
            lines = cell.source.splitlines()
            for statement in ast.parse(cell.source).body:
                if isinstance(statement, ast.AnnAssign) and statement.value is not None:
                    name, annotation = ast.unparse(statement.target), ast.unparse(statement.annotation)
                    comment = lines[statement.lineno - 1].partition("  # ")[2]
                    found.append(Parameter(name, annotation, ast.literal_eval(statement.value), comment))
    return found


def parameter_names(chapter: Path) -> list[str]:
    """Return the names of a chapter's parameters, in their order."""
    return [parameter.name for parameter in parameters_of(chapter)]


def list_parameters(chapters: Sequence[Path]) -> str:
    """Return a text that lists the parameters of each chapter: name, type, default and help."""
    blocks = []
    for chapter in chapters:
        rows = [("", p.name, p.type, repr(p.default), p.help) for p in parameters_of(chapter)]
        blocks.append(f"{chapter.stem}\n{tabulate(rows, tablefmt='plain', disable_numparse=True)}".rstrip())
    return "\n\n".join(blocks)


def check_assignments(chapters: Sequence[Path], assignments: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """Turn `-p NAME VALUE` pairs into checked Python values, before any kernel starts.

    Raises:
        ValueError: a name that no chosen chapter has, a name given twice, a folder, or a value that breaks its rule.
    """
    known = sorted({name for chapter in chapters for name in parameter_names(chapter)})
    values: dict[str, Any] = {}
    for name, text in assignments:
        if name not in known:
            close = difflib.get_close_matches(name, known, n=1)
            remedy = f"did you mean '{close[0]}'?" if close else f"choose one of {', '.join(known)}"
            raise ValueError(f"unknown parameter {name!r} in {', '.join(c.stem for c in chapters)}; {remedy}")
        if name in FOLDERS:
            raise ValueError(f"{name}: got {text!r}; a run keeps everything in one folder, give it with --out")
        if name in values:
            raise ValueError(f"parameter {name!r} is given twice; give it once")
        values[name] = settings.parse(name, text)
    return values


def check_data(chapters: Sequence[Path], values: dict[str, Any]) -> dict[str, Any]:
    """Check what a rule can't tell: that the images are there, that the split leaves some, that the device exists.

    Returns:
        The data set that `auto` found, `{"dataset": "mnist"}`; nothing for chapters that take none.

    Raises:
        ValueError: what is wrong, and what to do.
    """
    if not any("dataset" in parameter_names(chapter) for chapter in chapters):
        return {}
    from helpers import data, training  # PyTorch

    dataset = data.load_dataset(values.get("dataset", "auto"), values.get("data_dir", "data"))
    data.split(dataset, values.get("val_size"), seed=0)
    training.choose_device(values.get("device", "auto"))
    if dataset.note:
        print(f"MNIST can't be had, so this run uses {dataset.title}, 1,797 small images.\n({dataset.note})\n")
    return {"dataset": dataset.name}


def located(chapter: str) -> Path:
    """Return the file of a chapter that `settings.shown` named, perhaps on another machine, where the course's own
    chapters are somewhere else."""
    return settings.FILES / Path(chapter).expanduser()


def code_of(chapters: Sequence[str], whole: bool = False) -> str:
    """Return a fingerprint of the code that decides a run's numbers, whatever its comments and docstrings say.

    It covers the chapters' code cells and the helpers in `DECIDE_NUMBERS`. Relative paths are as in `located`.

    Args:
        chapters: notebooks.
        whole: cover all helpers and commands, too: whatever an unlike copy of the course might do in another way.
    """
    paths = [settings.CODE / "helpers" / f"{name}.py" for name in DECIDE_NUMBERS]
    if whole:
        paths = [path for part in ("helpers", "course") for path in sorted((settings.CODE / part).glob("*.py"))]
    sources = [path.read_text(encoding="utf-8") for path in paths]
    for chapter in chapters:
        sources += [cell.source for cell in _cells(located(chapter)) if cell.cell_type == "code"]
    return hashlib.sha256("\n".join(map(_bare, sources)).encode()).hexdigest()[:12]


def _bare(source: str) -> str:
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a cell may hold what only IPython understands, %time for one
        return source
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            del node.body[0]
    return ast.unparse(tree)  # which hardly depends on Python's version; ast.dump does
