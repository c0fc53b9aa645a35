"""The folder of handouts or of a site: a build replaces what earlier builds wrote there, and touches nothing else."""

import os
import shutil
import tempfile
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from course.folder import MARKER, free_name, own
from helpers import results, settings

KINDS = ("student", "instructor")
FOLDERS = {"handouts": KINDS, "site": (".", "handouts")}  # where in `out` a command writes
UNFINISHED = ".building-"  # begins the name of the folder that a build works in


@contextmanager
def rebuilt(out: Path, command: str, staying: Collection[str] = ()) -> Iterator[Path]:
    """Yield an empty folder to build in; when the block ends well, its files replace those of earlier builds in `out`.

    The marker of `out` lists them, each with the SHA-256 of what was in it. One that was changed since, or that no
    build wrote, is somebody's work: it moves to a free name, `01_data.kept-1.ipynb`, and a line says so. If something
    fails, or somebody stops it, the files in `out` are as they were.

    Args:
        out: the folder; it is made if need be.
        command: what builds there, `handouts` or `site`.
        staying: what files are named up to the first dot; what earlier builds wrote of these is kept.

    Raises:
        ValueError: `out` was not made by a build and isn't empty, can't be written, or another build is at work there.
    """
    with own(out, command):
        for left in out.glob(f"{UNFINISHED}*"):  # by a build that was killed: nobody else is at work here
            shutil.rmtree(left, ignore_errors=True)
        with tempfile.TemporaryDirectory(dir=out, prefix=UNFINISHED, ignore_cleanup_errors=True) as building:
            new, old = Path(building, "new"), Path(building, "old")
            new.mkdir()
            old.mkdir()
            yield new
            _replace(out, command, new, old, staying)


def _replace(out: Path, command: str, new: Path, old: Path, staying: Collection[str]) -> None:
    """Move what is in `new` to `out`, and to `old` what it replaces; keep what somebody changed."""
    made = {path.relative_to(new).as_posix(): _digest(path) for path in sorted(new.rglob("*")) if path.is_file()}
    earlier = _earlier_files(out, FOLDERS[command])
    leaving = {name for name in earlier if Path(name).name.partition(".")[0] not in staying}
    present = [name for name in sorted(leaving | made.keys()) if os.path.lexists(out / name)]
    # A build that was killed while it moved its files left some that are not listed, but are what this one makes, too.
    changed = [name for name in present if _digest(out / name) not in (earlier.get(name), made.get(name))]
    kept = [(out / name, free_name(out / name)) for name in changed]
    unneeded = [(out / name, old / name) for name in present if name not in changed and name not in made]
    files = {name: digest for name, digest in earlier.items() if name not in leaving} | made
    results.write_json(new / MARKER, {"made_by": command, "files": files})
    _move_all(kept + unneeded + [(new / name, out / name) for name in [*made, MARKER]], old)
    for before, after in kept:
        print(f"{settings.shown(before)} was changed since it was built; it is now {after.name}")


def _earlier_files(out: Path, folders: Collection[str]) -> dict[str, str]:
    """Return the files that earlier builds wrote below `out`, each with its digest."""
    files = results.read_json(out / MARKER).get("files")
    files = files if isinstance(files, dict) else {}  # nothing was built here yet, or somebody changed the marker
    return {name: files[name] for name in files if Path(name).parent.as_posix() in folders}


def _digest(path: Path) -> str:
    """Return the SHA-256 of a file; nothing for a link or a folder, which no build makes."""
    return results.digest(path) if path.is_file() and not path.is_symlink() else ""


def _move_all(moves: Sequence[tuple[Path, Path]], spares: Path) -> None:
    """Rename files one by one, over what is there; if one can't be (open in another program), put all of them back."""
    done: list[tuple[Path, Path, Path | None]] = []
    try:
        for number, (source, target) in enumerate(moves):
            target.parent.mkdir(parents=True, exist_ok=True)
            spare = Path(shutil.copy2(target, spares / str(number))) if target.exists() else None
            os.replace(source, target)
            done.append((source, target, spare))
    except BaseException:
        for source, target, spare in reversed(done):
            os.replace(target, source)
            if spare:
                os.replace(spare, target)
        raise
