"""Where things lie: one root for every chapter, whatever folder it was started from."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent  # the folder that holds notebooks/, helpers/ and README.md


def from_root(path: str | Path) -> Path:
    """Return `path` as an absolute path; a relative one starts at the course's root folder."""
    return ROOT / Path(path).expanduser()


def shown(path: str | Path) -> str:
    """Return `path` as a reader should see it: relative to the course's root where it lies inside."""
    path = from_root(path)
    return path.relative_to(ROOT).as_posix() if path.is_relative_to(ROOT) else str(path)
