"""The folder of the handouts: a build replaces what earlier builds wrote there, and touches nothing else."""

import hashlib
import json
import os
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

MANIFEST = ".handouts.json"  # the name of each file that builds wrote, with the SHA-256 of what was in it
HIDDEN_BY_WINDOWS = ("Thumbs.db", "desktop.ini")


@contextmanager
def rebuilt(out: Path, staying: Collection[str]) -> Iterator[Path]:
    """Yield an empty folder to build in; when the block ends well, its files replace those of earlier builds in `out`.

    If something fails, or somebody stops it, the files in `out` are as they were.

    Args:
        out: the folder of the handouts; it is made if need be.
        staying: file stems; what earlier builds wrote of these is kept.

    Raises:
        ValueError: `out` holds a file that no build wrote, or one to be replaced that was changed since.
        OSError: `out` can't be written.
    """
    earlier = _earlier_files(out)
    leaving = [name for name in earlier if Path(name).stem not in staying]
    changed = [name for name in leaving if _digest(out / name) != earlier[name]]
    if changed:
        raise ValueError(
            f"out: handouts in '{out}' were changed since they were built ({_first_of(changed)}); "
            "move them elsewhere to keep them, or delete them, and build again"
        )
    out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=out, prefix=".building-", ignore_cleanup_errors=True) as building:
        new, old = Path(building, "new"), Path(building, "old")
        new.mkdir()
        yield new
        made = _files_below(new)
        manifest = {name: earlier[name] for name in earlier if name not in leaving}
        manifest |= {name: _digest(new / name) for name in made}
        (new / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        leaving += [MANIFEST] if (out / MANIFEST).exists() else []
        moves = [(out / name, old / name) for name in leaving]
        _move_all(moves + [(new / name, out / name) for name in [*made, MANIFEST]])


def _earlier_files(out: Path) -> dict[str, str]:
    """Return the files in `out` that builds wrote, each with its digest; raise a ValueError if there are others."""
    try:
        manifest = json.loads((out / MANIFEST).read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):  # nothing was built here yet; or the list is damaged, and proves nothing
        manifest = {}
    present = _files_below(out)
    foreign = [name for name in present if name not in manifest]
    if foreign:
        raise ValueError(
            f"out: '{out}' holds files that no build of handouts wrote ({_first_of(foreign)}); "
            "move them elsewhere, or give another folder"
        )
    return {name: manifest[name] for name in present}


def _files_below(folder: Path) -> list[str]:
    """Return the names of all files and links, `student/01_data.html`, but not of hidden ones: .git, .DS_Store."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_symlink() or not path.is_dir()]
    paths = [path.relative_to(folder) for path in found]
    return [
        path.as_posix()
        for path in paths
        if path.name not in HIDDEN_BY_WINDOWS and not any(part.startswith(".") for part in path.parts)
    ]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _first_of(names: Sequence[str]) -> str:
    return names[0] + (f" and {len(names) - 1} more" if len(names) > 1 else "")


def _move_all(moves: Sequence[tuple[Path, Path]]) -> None:
    """Rename files one by one; if one can't be (open in another program, on Windows), put all of them back."""
    done = []
    try:
        for source, target in moves:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, target)
            done.append((source, target))
    except BaseException:
        for source, target in reversed(done):
            os.replace(target, source)
        raise
