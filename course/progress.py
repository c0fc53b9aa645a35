"""Which exercises a learner has solved: a small file on their own machine, sent to nobody."""

import os
from datetime import UTC, datetime
from pathlib import Path

from course import folder
from helpers import results, settings

UNTRIED: dict = {"attempts": 0, "solved": None}  # an exercise: how often it was tried, and when it was solved


def file() -> Path:
    """Return where progress is kept: `progress.json` in the course's root, or what MNIST_COURSE_PROGRESS names."""
    return settings.from_root(os.environ.get("MNIST_COURSE_PROGRESS", "progress.json"))


def load() -> dict[str, dict]:
    """Return what is known of each exercise that was tried: `attempts`, and `solved`, a time or None.

    A file that can't be read is set aside, and progress begins anew.

    Raises:
        OSError: the file can't be opened.
    """
    path = file()
    try:
        path.open("rb").close()  # what can't be opened may be in order
        exercises = results.read_json(path)["exercises"]
        entries = {number: {key: entry[key] for key in UNTRIED} for number, entry in exercises.items()}
        if all(is_right(entry) for entry in entries.values()):
            return entries
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError):
        pass
    aside = set_aside("unreadable")
    print(f"progress: {settings.shown(path)} could not be read; it is now {aside.name}, and a new one is begun")
    return {}


def is_right(entry: dict) -> bool:
    """Tell whether what a file says of an exercise can be so."""
    solved = entry["solved"]
    return type(entry["attempts"]) is int and entry["attempts"] >= 0 and (solved is None or isinstance(solved, str))


def set_aside(reason: str) -> Path:
    """Give the file a name that no other has, `progress.REASON-1.json`; a link to it stays."""
    path = file().resolve()
    return path.rename(folder.free_name(path, reason))


def solved() -> set[str]:
    """Return the numbers of the exercises that were solved; none, and a line why, where the file can't be opened."""
    try:
        return {number for number, entry in load().items() if entry["solved"]}
    except OSError as error:
        print(f"progress: {settings.shown(file())} can't be opened ({error.strerror}); see MNIST_COURSE_PROGRESS")
        return set()


def note(number: str, passed: bool) -> None:
    """Count an attempt. An exercise that was solved once stays solved, whatever is tried later.

    Where the file can't be written, a line says so, and the chapter goes on.
    """
    path = file()
    try:
        with results.held(path, patience=10):  # two chapters may be open at once
            exercises = load()
            entry = exercises.setdefault(number, UNTRIED.copy())
            if not entry["solved"]:
                entry["attempts"] += 1
                entry["solved"] = datetime.now(UTC).isoformat(timespec="seconds") if passed else None
            results.write_json(path, {"exercises": dict(sorted(exercises.items()))})
    except (OSError, results.Held) as error:
        reason, shown = getattr(error, "strerror", error), settings.shown(path)
        print(f"progress: {shown} can't be written ({reason}); set MNIST_COURSE_PROGRESS to another file")
