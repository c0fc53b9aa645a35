"""Which exercises a learner has solved: a small file on their own machine, sent to nobody."""

import json
import os
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from helpers import results, settings

UNTRIED: dict = {"attempts": 0, "solved": None}  # an exercise: how often it was tried, and when it was solved


def file() -> Path:
    """Return where progress is kept: `progress.json` in the course's root, or what MNIST_COURSE_PROGRESS names."""
    return settings.from_root(os.environ.get("MNIST_COURSE_PROGRESS", "progress.json"))


def load() -> dict[str, dict]:
    """Return what is known of each exercise that was tried: `attempts`, and `solved`, a time or None.

    A file that can't be read is set aside, and progress begins anew.
    """
    path = file()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))["exercises"]
        return {number: {key: entry[key] for key in UNTRIED} for number, entry in content.items()}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError, AttributeError):
        aside = path.replace(path.with_name(path.name + ".unreadable"))
        print(f"progress: {settings.shown(path)} could not be read; it is now {aside.name}, and a new one is begun")
        return {}


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
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(path.with_name(f".{path.name}.lock"), timeout=10):  # two chapters may be open at once
            exercises = load()
            entry = exercises.setdefault(number, UNTRIED.copy())
            if not entry["solved"]:
                entry["attempts"] += 1
                entry["solved"] = datetime.now(UTC).isoformat(timespec="seconds") if passed else None
            results.write_json(path, {"exercises": dict(sorted(exercises.items()))})
    except (OSError, TimeoutError) as error:
        reason, shown = getattr(error, "strerror", None) or "another program holds it", settings.shown(path)
        print(f"progress: {shown} can't be written ({reason}); set MNIST_COURSE_PROGRESS to another file")
