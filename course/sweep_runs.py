"""The runs of a sweep on the disk: checked before they are written, and again before they are believed.

What comes back from a worker is written by another machine, and what is in a folder may have been edited since.
"""

import json
import os
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from course.executors import RunResult
from helpers import settings
from helpers.results import read_json

MOST_BYTES, MOST_FILES = 500_000_000, 1_000  # of one run; a chapter leaves some files and a few megabytes
PART = ".part"  # a run that is being written; no run has such a name
DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{port}{n}" for port in ("COM", "LPT") for n in range(10))}  # of Windows


class Run(NamedTuple):
    """One run of a sweep."""

    name: str  # of its folder; tells what it varies, and differs for any two runs with different settings
    values: dict[str, Any]  # the parameters that are set, `{"learning_rate": 0.01, "seed": 0, …}`
    settings: dict[str, Any]  # every parameter of the chapters, but those for folders, with its value in this run


def store(folder: Path, run: Run, code: str, result: RunResult) -> dict:
    """Write a run's folder, on the disk and whole or not at all; return its manifest: what `run.json` holds.

    A result that can't be trusted is stored as a failed run, without the files that it came with.

    Raises:
        OSError: it can't be written, as when the disk is full; nothing of it is left.
    """
    error, files, results = result.error, result.files, {}
    try:
        check_files(files)
    except ValueError as reason:
        error, files = f"{reason}; nothing of it is kept", {}
    if not error:
        try:
            results = json.loads(files["results.json"])
            check_results(results, run)
        except (KeyError, json.JSONDecodeError, UnicodeDecodeError, RecursionError):
            error = "its results.json is missing or damaged"
        except ValueError as reason:
            error = str(reason)
    error = "".join(letter if letter.isprintable() else " " for letter in error[:1000])
    manifest: dict = run._asdict() | {"code": code, "error": error, "seconds": result.seconds}
    if not error:
        manifest["results"] = results
    part = folder.with_name(PART)
    shutil.rmtree(part, ignore_errors=True)
    try:
        part.mkdir(parents=True)
        for name, content in {**files, "run.json": json.dumps(manifest, indent=1).encode()}.items():
            (part / name).parent.mkdir(parents=True, exist_ok=True)
            with (part / name).open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())  # on the disk, not only on its way there
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(part, folder)  # the one moment in which the run becomes a finished one
    finally:
        shutil.rmtree(part, ignore_errors=True)
    return manifest


def check_files(files: Mapping[str, bytes]) -> None:
    """Make sure that all files have relative names that are safe on every system, and are not too many or too large.

    Raises:
        ValueError: says what is wrong.
    """
    taken = {*files, "run.json"}
    for name in files:
        parts = name.split("/")
        folders = {"/".join(parts[:depth]) for depth in range(1, len(parts))}
        if len(name) > 200 or not name.isprintable() or not all(map(_is_safe, parts)) or folders & taken:
            raise ValueError(f"its worker returned a file named {name[:200]!r}")
    size = sum(map(len, files.values()))
    if len(files) > MOST_FILES or size > MOST_BYTES:
        most = f"{MOST_FILES:,} files and {MOST_BYTES / 1e6:.0f} MB"
        raise ValueError(f"it left {len(files):,} files, {size / 1e6:.0f} MB; a run of a sweep may leave {most}")


def _is_safe(part: str) -> bool:
    """Tell whether a name is one of a file or folder, and no way out of the folder that it is in."""
    is_device = part.partition(".")[0].rstrip().upper() in DEVICES
    return part != "" and part == part.rstrip(". ") and not set(part) & set('\\:<>"|?*') and not is_device


def check_results(results: Any, run: Run | None = None) -> None:
    """Make sure that `results.json` has the form that the tables need, and is of the run that was asked for.

    Raises:
        ValueError: says what is wrong.
    """
    form = isinstance(results, dict) and isinstance(results.get("history", []), list)
    form = form and all(isinstance(results.get(name, {}), dict) for name in ("parameters", "versions"))
    metrics = [results.get("baseline", {}), results.get("test", {}), *results.get("history", [])] if form else []
    numbers = all(isinstance(part, dict) and all(map(_is_number, part.values())) for part in metrics)
    if not form or not numbers or not all(map(_is_text, results.get("versions", {}).values())):
        raise ValueError("its results.json has not the form that this version of the course writes")
    said = {name: results[name] for name in ("dataset", "seed") if name in results} | results.get("parameters", {})
    for name, value in run.values.items() if run else ():
        if name in said and said[name] != value:
            asked = f"it ran with {name} {said[name]!r} instead of {value!r}"
            raise ValueError(f"{asked}; install the same version of the course everywhere")


def _is_number(value: object) -> bool:
    return value is None or isinstance(value, int | float)


def _is_text(value: object) -> bool:
    return isinstance(value, str) and value.isprintable()


def load(folder: Path) -> dict | None:
    """Return a run's manifest, None if there is none that can be believed: never begun, cut short, or edited."""
    try:
        manifest = read_json(folder / "run.json")
        texts = [manifest[name] for name in ("name", "code", "error")]
        scalars = [*manifest["values"].values(), *manifest["settings"].values()]
        sound = all(map(_is_text, texts)) and all(_is_text(value) or _is_number(value) for value in scalars)
        if not sound or not isinstance(manifest["seconds"], int | float) or manifest["name"] != folder.name:
            return None
        if manifest["error"]:
            return manifest | {"results": {}}
        results = read_json(folder / "results.json")
        check_results(results)
        same = json.dumps(manifest["results"]) == json.dumps(results)  # as text: NaN is not equal to itself
    except (FileNotFoundError, ValueError, KeyError, AttributeError):
        return None
    return manifest if same else None


def finished(folder: Path, run: Run, code: str) -> dict | None:
    """Return the manifest of a run that is finished and valid, None where it has to be run.

    Raises:
        ValueError: the run was made by other code, so that its numbers don't belong with new ones.
    """
    manifest = load(folder)
    if manifest is None or manifest["error"] or any(manifest[part] != getattr(run, part) for part in run._fields):
        return None
    if manifest["code"] != code:
        where = settings.shown(folder.parent.parent)
        raise ValueError(f"out: {where} holds runs of another version of these chapters; give another folder")
    return manifest


def earlier(folder: Path, planned: Collection[str], code: str) -> tuple[list[dict], int]:
    """Return the manifests of runs that are in `folder` but not planned any more, such as those of another grid.

    Returns:
        The manifests, by name; and how many runs were left out, since they are damaged or made by other code.
    """
    others = [path for path in sorted(folder.glob("*")) if path.name not in (*planned, PART)]
    manifests = [manifest for manifest in map(load, others) if manifest is not None and manifest["code"] == code]
    return manifests, len(others) - len(manifests)
