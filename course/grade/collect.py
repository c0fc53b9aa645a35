"""Finds submissions in a folder as Moodle, Canvas, nbgitpuller or a mail box leave it, and writes nothing there."""

import hashlib
import io
import os
import re
import unicodedata
import zipfile
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, NamedTuple

from course.grade.answers import LARGEST, chapter_of, pristine, read
from helpers import settings

MOST_FILES = 2_000  # of a zip file
MOST_BYTES = 500_000_000  # of a zip file, when unpacked
MOODLE = re.compile(r"^(?P<name>.+?)_(?P<id>\d+)_assignsubmission_\w*$")
CANVAS = re.compile(r"^(?P<name>[^_]+)_(?:LATE_)?(?P<id>\d+)_\d+_(?P<rest>.*)$", re.IGNORECASE)
FORBIDDEN = re.compile(r'[<>:"/\\|?*\s]+')
RESERVED = re.compile(r"(?i)^(con|prn|aux|nul|com\d|lpt\d)(\.|$)")
NUMBERED = "\x00"  # between a name and the number that a platform gave, until names are told apart
SKIPPED = (".ipynb_checkpoints", "__MACOSX", ".git", ".DS_Store")


class Submission(NamedTuple):
    """A notebook that somebody handed in."""

    student: str  # the name as it is shown; two of the same name have their platform's numbers in it
    place: str  # where it was in the folder, for people
    content: bytes  # of the notebook; empty where `fault` says why
    time: float  # when it was changed last, seconds since 1970
    fault: str = ""
    chapter: str = ""  # file stem; empty where there is a fault


def submissions(folder: Path) -> list[Submission]:
    """Return all notebooks in a folder, each with its student's name; a file that can't be read has a `fault`.

    Links are not followed, and zip files are read where they are, never unpacked.

    Raises:
        ValueError: there is no such folder, or nothing in it.
    """
    if not folder.is_dir():
        raise ValueError(f"submissions: there is no folder '{settings.shown(folder)}'; give the one that holds them")
    found = [one for entry in _entries(folder) for one in _of_entry(entry)]
    if not found:
        place = settings.shown(folder)
        raise ValueError(f"submissions: '{place}' holds no notebook and no zip file; give the folder that holds them")
    numbers: dict[str, set[str]] = defaultdict(set)
    for one in found:
        numbers[_plain(one.student)[0]].add(_plain(one.student)[1])
    return [_recognized(one._replace(student=_told_apart(one.student, numbers))) for one in found]


def _plain(student: str) -> tuple[str, str]:
    """Return a name in small letters, and the number that a platform gave."""
    name, _, number = student.partition(NUMBERED)
    return name.casefold(), number


def _told_apart(student: str, numbers: dict[str, set[str]]) -> str:
    name, _, number = student.partition(NUMBERED)
    return f"{name} ({number})" if number and len(numbers[name.casefold()] - {""}) > 1 else name


def _recognized(one: Submission) -> Submission:
    """Return a submission with its chapter, or with what is wrong with it."""
    try:
        chapter = None if one.fault else chapter_of(read(one.content), one.place)
    except ValueError as error:
        return one._replace(fault=str(error), content=b"")
    fault = one.fault or ("" if chapter else "no exercise of the course is in this notebook")
    return one._replace(fault=fault, chapter=chapter.stem if chapter else "")


def newest(found: Iterable[Submission], wanted: Collection[str] = ()) -> tuple[list[Submission], dict[str, str]]:
    """Return of each student and chapter the newest notebook that can be read, in order, and notes about the others.

    Args:
        found: all that was handed in.
        wanted: file stems of chapters; empty: all.
    """
    groups: dict[str, list[Submission]] = defaultdict(list)
    for one in found:
        groups[one.student.casefold()].append(one)
    chosen, notes = [], dict[str, str]()
    for _, everything in sorted(groups.items()):
        several = [one._replace(student=everything[0].student) for one in everything]
        several.sort(key=lambda one: (one.time, one.place))
        last = {one.chapter: one for one in several if one.chapter and (not wanted or one.chapter in wanted)}
        broken = [one for one in several if one.fault]
        said = [f"{one.place} was left out: {one.fault}." for one in broken]
        for chapter, one in sorted(last.items()):
            count = sum(other.chapter == chapter for other in several)
            when = datetime.fromtimestamp(one.time).strftime("%Y-%m-%d %H:%M")
            said += [f"{count} versions of {chapter}; the one from {when} counts: {one.place}."] * (count > 1)
        chosen += [last[chapter] for chapter in sorted(last)] or broken[-1:]
        if said and (last or len(broken) > 1):
            notes[several[0].student] = " ".join(said)
    return chosen, notes


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
            yield Submission(name, place, b"", 0, "it isn't a file")
        elif path.suffix.lower() == ".zip":
            with path.open("rb") as file:
                yield from _of_zip(file, place, student or name, path.stat().st_mtime, depth=bool(student))
        else:
            with path.open("rb") as file:  # one byte more than may be, so that `read` can tell
                yield Submission(name, place, file.read(LARGEST + 1), path.stat().st_mtime)
    except OSError as error:
        yield Submission(name, place, b"", 0, f"it can't be read ({error.strerror})")


def _of_zip(file: IO[bytes], place: str, student: str, time: float, depth: int) -> Iterator[Submission]:
    """Yield the notebooks of a zip file: one student's, or a class's, each in a folder or zip file of its own."""
    try:
        with zipfile.ZipFile(file) as archive:
            every = [one for one in archive.infolist() if not one.is_dir()]
            members = [one for one in every if not {*one.filename.split("/")} & {*SKIPPED}]
            if len(members) > MOST_FILES or sum(one.file_size for one in members) > MOST_BYTES:
                yield Submission(student, place, b"", time, "the zip file holds too much for a submission")
                return
            tops = [one.filename.replace("\\", "/").lstrip("/").partition("/")[0] for one in members]
            of_class = not depth and any(MOODLE.match(top) or CANVAS.match(top) for top in tops)
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
            return shown(found["name"]) + NUMBERED + found["id"]
    text = re.sub(r"\s*\(\d+\)$", "", text) or text  # what a browser adds to a second download
    for stem in pristine():
        text = re.sub(rf"(?i)[\s_.-]*{stem}(-\d+)?", " ", text).strip(" _-.") or text
    return shown(text)


def shown(name: str) -> str:
    """Return a name as it may be shown: on one line, without characters that nobody sees or that turn text around."""
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
