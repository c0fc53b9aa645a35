"""Finds submissions in a folder as Moodle, Canvas, nbgitpuller or a mail box leave it, and writes nothing there."""

import hashlib
import io
import os
import re
import unicodedata
import zipfile
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from course.grade.answers import LARGEST

MOST_FILES = 2_000  # of a zip file
MOST_BYTES = 500_000_000  # of a zip file, when unpacked
MOODLE = re.compile(r"^(?P<name>.+?)_(?P<id>\d+)_assignsubmission_\w*$")
CANVAS = re.compile(r"^(?P<name>[^_]+)_(?:LATE_)?(?P<id>\d+)_\d+_(?P<rest>.*)$", re.IGNORECASE)
CHAPTER = re.compile(r"(?i)[\s_.-]*\b\d\d_[a-z]+(?:_[a-z]+)*(?:[\s_.-]*\(?\d+\)?)?")  # 03_training-1, 03_training (2)
FORBIDDEN = re.compile(r'[<>:"/\\|?*\s]+')
RESERVED = re.compile(r"(?i)^(con|prn|aux|nul|com\d|lpt\d)(\.|$)")
SKIPPED = (".ipynb_checkpoints", "__MACOSX", ".git", ".DS_Store")


class Submission(NamedTuple):
    """A notebook that somebody handed in."""

    student: str  # the name as it is shown
    place: str  # where it was in the folder, for people
    content: bytes  # of the notebook; empty where `fault` says why
    time: float  # when it was changed last, seconds since 1970
    fault: str = ""


def submissions(folder: Path) -> list[Submission]:
    """Return all notebooks in a folder, each with its student's name; a file that can't be read has a `fault`.

    Links are not followed, and zip files are read where they are, never unpacked.

    Raises:
        ValueError: there is no such folder, or nothing in it.
    """
    if not folder.is_dir():
        raise ValueError(f"submissions: there is no folder '{folder}'; give the folder in which they are")
    found = [one for entry in _entries(folder) for one in _of_entry(entry)]
    if not found:
        raise ValueError(
            f"submissions: '{folder}' holds no notebook and no zip file; give the folder in which they are"
        )
    return found


def _entries(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.name not in SKIPPED and not path.name.startswith("._"))


def _of_entry(entry: Path) -> Iterator[Submission]:
    """Yield the notebooks of one student: a file or a folder; or those of several, in a zip file of the whole class."""
    if entry.is_symlink():
        yield Submission(_name_of(entry.stem), entry.name, b"", 0, "it is a link to another file, which isn't followed")
    elif entry.is_dir():
        for path in sorted(_files(entry)):
            yield from _of_file(path, str(path.relative_to(entry.parent)), _name_of(entry.name))
    else:
        yield from _of_file(entry, entry.name, "")


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, files in os.walk(folder):  # follows no links
        folders[:] = [name for name in folders if name not in SKIPPED]
        yield from (Path(parent) / name for name in files if not name.startswith("._"))


def _of_file(path: Path, place: str, student: str) -> Iterator[Submission]:
    """Yield the notebook, or the notebooks of a zip file; other files are not looked at."""
    if path.suffix.lower() not in (".ipynb", ".zip"):
        return
    name = student or _name_of(path.stem)
    try:
        if path.is_symlink():
            yield Submission(name, place, b"", 0, "it is a link to another file, which isn't followed")
        elif not path.is_file():
            yield Submission(name, place, b"", 0, "it is no file")
        elif path.suffix.lower() == ".zip":
            with path.open("rb") as file:
                yield from _of_zip(file, place, student or name, path.stat().st_mtime, depth=bool(student))
        else:
            with path.open("rb") as file:  # one byte more than may be, so that `read` can tell
                yield Submission(name, place, file.read(LARGEST + 1), path.stat().st_mtime)
    except OSError as error:
        yield Submission(name, place, b"", 0, f"it can't be read ({error.strerror})")


def _of_zip(file: object, place: str, student: str, time: float, depth: int) -> Iterator[Submission]:
    """Yield the notebooks of a zip file: one student's, or a class's, each in a folder or zip file of its own."""
    try:
        with zipfile.ZipFile(file) as archive:  # type: ignore[arg-type]  # a file in binary mode
            every = [one for one in archive.infolist() if not one.is_dir()]
            members = [one for one in every if not {*one.filename.split("/")} & {*SKIPPED}]
            if len(members) > MOST_FILES or sum(one.file_size for one in members) > MOST_BYTES:
                yield Submission(student, place, b"", time, "the zip file holds too much to be a submission")
                return
            tops = [one.filename.replace("\\", "/").lstrip("/").partition("/")[0] for one in members]
            of_class = not depth and (any(map(MOODLE.match, tops)) or len({*filter(_is_kind, tops)}) > 1)
            for one, top in zip(members, tops, strict=True):
                name = _name_of(Path(top).stem if _is_kind(top) else top) if of_class else student
                suffix = one.filename.lower()[-6:]
                where = f"{place}/{one.filename}"
                if not _is_kind(suffix):
                    continue
                with archive.open(one) as member:
                    content = member.read(LARGEST + 1)  # so much, whatever the archive says of its size
                if suffix.endswith(".zip") and depth < 1:
                    yield from _of_zip(io.BytesIO(content), where, name, _time_of(one), depth + 1)
                elif suffix == ".ipynb":
                    yield Submission(name, where, content, _time_of(one))
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError, OSError, EOFError, ValueError) as error:
        reason = "it needs a password" if "password" in str(error) or "encrypted" in str(error) else "it is damaged"
        yield Submission(student, place, b"", time, f"the zip file can't be read: {reason}")


def _is_kind(name: str) -> bool:
    return name.lower().endswith((".ipynb", ".zip"))


def _time_of(member: zipfile.ZipInfo) -> float:
    try:
        return datetime(*member.date_time).timestamp()
    except (ValueError, OverflowError):
        return 0


def _name_of(text: str) -> str:
    """Return a student's name from that of a file or folder, without what a learning platform adds."""
    for pattern in (MOODLE, CANVAS):
        if found := pattern.match(text):
            text = found["name"]
            break
    without = CHAPTER.sub("", text).strip(" _-.") or text
    return shown(without)


def shown(name: str) -> str:
    """Return a name as it may be shown: on one line, without characters that nobody sees or that turn the text around."""
    plain = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in unicodedata.normalize("NFC", name))
    return " ".join(plain.split())[:200] or "(no name)"


def file_names(students: Sequence[str]) -> dict[str, str]:
    """Return for each student a file name that every system takes, and no two alike, whatever the names hold."""
    names: dict[str, str] = {}
    taken = set[str]()
    for student in sorted(set(students)):
        plain = unicodedata.normalize("NFKC", student)
        plain = FORBIDDEN.sub("_", plain).strip("._ ") or "student"
        if len(plain.encode()) > 100:
            plain = plain.encode()[:80].decode(errors="ignore") + "_" + hashlib.sha256(student.encode()).hexdigest()[:8]
        plain = f"_{plain}" if RESERVED.match(plain) else plain
        free, number = plain, 2
        while free.casefold() in taken:
            free, number = f"{plain}-{number}", number + 1
        taken.add(free.casefold())
        names[student] = free
    return names
