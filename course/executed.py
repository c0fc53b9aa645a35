"""The executed notebooks in the folder of a run: each is written whole, and known again by what its cells say."""

import hashlib
import json
from pathlib import Path

import nbformat

from course import folder
from helpers import results


def save(notebook: nbformat.NotebookNode, path: Path) -> None:
    """Write a notebook that papermill executed. What earlier runs left at `path` goes; what somebody changed does not.

    Raises:
        OSError: it can't be written; what was there before still is.
    """
    set_aside(path)
    notebook.metadata.papermill |= {"input_path": path.name, "output_path": path.name, "cells": fingerprint(notebook)}
    results.write_text(path, nbformat.writes(notebook) + "\n")


def set_aside(path: Path) -> None:
    """Give a notebook another name, and say so, if somebody changed it since a run left it, or no run did."""
    if not path.exists():
        return
    try:
        notebook = json.loads(path.read_text(encoding="utf-8"))
        if notebook["metadata"]["papermill"]["cells"] == fingerprint(notebook):
            return
    except (ValueError, LookupError, TypeError, RecursionError):  # no notebook, or none of a run
        pass
    kept = path.rename(folder.free_name(path))
    print(f"{path.name} was changed since a run left it; it is now {kept.name}")


def fingerprint(notebook: dict) -> str:
    """Return a fingerprint of the text of all cells, whatever their outputs."""
    sources = ["".join(cell["source"]) for cell in notebook["cells"]]  # in a file, each is a list of lines
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()[:12]
