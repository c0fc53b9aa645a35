"""The folder that a command writes into: one that it made, marked as such, and held by one process at a time."""

import argparse
import itertools
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from helpers import results, settings

MARKER = ".made-by-mnist-course.json"  # in each folder that a command made: {"made_by": "run"}
NOBODYS = (".DS_Store", "Thumbs.db", "desktop.ini")  # file managers leave these by themselves


def given(text: str) -> Path:
    """Return the folder or file that an option such as `--out` names, absolute: the `type` of that option.

    Raises:
        argparse.ArgumentTypeError: no name (an empty variable in a script, say), or a home folder that isn't there.
    """
    if not text.strip():
        raise argparse.ArgumentTypeError("got an empty name; give another")
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError:
        raise argparse.ArgumentTypeError(f"got {text!r}, and there is no such home folder; give another") from None


def check_own(out: Path, command: str) -> None:
    """Make sure that `command` may write into the folder `out`, and change nothing.

    Raises:
        ValueError: `out` is no folder, or can't be read, or holds files and was not made by `command`.
    """
    try:
        if out.exists() and not out.is_dir():
            raise ValueError(f"out: '{settings.shown(out)}' is a file; give a folder's name")
        if not out.is_dir() or made_by(out) == command:
            return
        foreign = sorted(path.name for path in out.iterdir() if path.name not in NOBODYS)
    except OSError as error:
        raise _unusable(out, error) from None
    if foreign:
        raise ValueError(
            f"out: '{settings.shown(out)}' was not made by `{command}` and holds files ({foreign[0]}, …); "
            "give a new folder or an empty one"
        )


@contextmanager
def own(out: Path, command: str) -> Iterator[None]:
    """Make the folder `out`, or take it over from an earlier `command`, and hold it for the time of the `with` block.

    Args:
        out: the folder, absolute.
        command: `run`, `sweep`, …; what other commands made is refused, too.

    Raises:
        ValueError: see `check_own`; or another process is at work in it; or it can't be written.
    """
    check_own(out, command)
    with ExitStack() as stack:
        try:
            out.mkdir(parents=True, exist_ok=True)
            if made_by(out) != command:
                results.write_json(out / MARKER, {"made_by": command})
            stack.enter_context(results.held(out / command))
        except results.Held as error:
            raise ValueError(f"out: {error}; wait for it, or give another folder") from None
        except OSError as error:
            raise _unusable(out, error) from None
        yield


def free_name(path: Path, word: str = "kept") -> Path:
    """Return a name beside `path` that nothing has, for what must not be lost: `01_data.kept-1.ipynb`, then `-2`, …"""
    names = (path.with_stem(f"{path.stem}.{word}-{number}") for number in itertools.count(1))
    return next(name for name in names if not os.path.lexists(name))


def _unusable(out: Path, error: OSError) -> ValueError:
    return ValueError(f"out: '{settings.shown(out)}' can't be written ({error.strerror}); give another folder")


def made_by(out: Path) -> str | None:
    """Return which command made the folder `out`; None if none did."""
    try:
        content = json.loads((out / MARKER).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content.get("made_by") if isinstance(content, dict) else None
