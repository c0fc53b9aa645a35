"""Build handouts: students' and instructors' copies of each chapter, and beside them the page that reads drawings."""

from collections.abc import Sequence
from pathlib import Path

import nbformat

from course.chapters import all_chapters
from course.handouts import copies, folder, pages, printing, slides, worksheets
from course.page import build as digits
from helpers import settings
from helpers.bars import progress_bar

DIGITS = "digits"  # the page that reads what a student draws; on paper it would be nothing


def build(
    chapters: Sequence[Path],
    out: Path,
    paper: str | None = None,
    source: Path | None = None,
    worksheet: bool = False,
    deck: bool = False,
) -> list[Path]:
    """Write `student/` and `instructor/` below `out`, whole or not at all, and return the files.

    Both also hold `digits.html`, the page that reads drawings; where it can't be built, a line says why.
    What earlier builds wrote of these chapters goes, so that no old PDF is left beside a new notebook. What they wrote
    of the course's other chapters stays: a teacher who rebuilds chapter 3 gets a new chapter 3 and keeps the rest.

    Args:
        chapters: notebooks of the course; their outputs become the figures of the pages.
        out: a new or empty folder, or one that an earlier build made.
        paper: `A4` or `Letter` for PDFs as well; None for none.
        deck: write slides as well, `01_data.slides.html`; the instructor's have notes.
        worksheet: write a worksheet of each chapter as well, for students, `01_data.worksheet.html`.
        source: a folder in which `run` left the chapters, executed with other settings; None: as they are committed.

    Raises:
        ValueError: the folder can't be written or was not made by this command, `source` lacks a chapter, a cell has an
            unknown tag, or there is no browser to print with.
        PrintError: the browser failed.
    """
    browser = browser_for(paper)
    for chapter in chapters:
        if source and not (source / chapter.name).is_file():
            place = settings.shown(source)
            raise ValueError(f"source: '{place}' has no {chapter.name}; run the chapters into it first (--out {place})")
    notebooks = [read_chapter(chapter, source) for chapter in chapters]  # all are checked before anything is written
    stems = {chapter.stem for chapter in chapters}
    others = {chapter.stem for chapter in all_chapters()} - stems
    digits_page = drawing_page()
    (stems if digits_page else others).add(DIGITS)  # what can't be built now stays as an earlier build left it
    linked = stems | {stem for stem in others if (out / "student" / f"{stem}.html").is_file()}
    beside = {f"{stem}.ipynb": f"{stem}.html" for stem in linked}
    with folder.rebuilt(out, "handouts", staying=others) as new:
        if digits_page:
            for kind in folder.KINDS:
                (new / kind).mkdir()
                (new / kind / f"{DIGITS}.html").write_bytes(digits_page.encode())
        for chapter, notebook in zip(progress_bar(chapters, unit="chapter"), notebooks, strict=True):
            for kind, copied, printed in _copies_of(notebook):
                file = new / kind / chapter.stem
                file.parent.mkdir(exist_ok=True)
                html = pages.page(printed, kind, beside)
                file.with_suffix(".ipynb").write_bytes((nbformat.writes(copied) + "\n").encode())
                written = {"": html}
                if deck:
                    notes = copies.notes_for_the_teacher(notebook) if kind == "instructor" else ""
                    written[".slides"] = slides.deck(copies.student_page(notebook), notes)
                if worksheet and kind == "student":
                    written[".worksheet"] = pages.page(worksheets.worksheet(printed), "worksheet", {})
                for name, content in written.items():
                    file.with_suffix(f"{name}.html").write_bytes(content.encode())  # bytes: Windows has other line ends
                    if paper and browser and name != ".slides":
                        printing.print_to_pdf(content, file.with_suffix(f"{name}.pdf"), browser, paper)
        made = [path.relative_to(new) for path in sorted(new.rglob("*.*"))]
    return [out / name for name in made]


def browser_for(paper: str | None) -> str | None:
    """Return the browser that prints on `paper`; None where nothing is to be printed."""
    browser = printing.find_browser() if paper else None
    if paper and not browser:
        raise ValueError(
            "pdf: neither Chromium nor Chrome is on this machine; install one, or leave --pdf out and print the pages"
        )
    return browser


def drawing_page() -> str | None:
    """Return the page of `python -m course page`; None, and a line that says why, where it can't be built."""
    try:
        return digits.build()
    except (ValueError, OSError) as error:
        print(f"{DIGITS}.html is left out: {error}")
        return None


def read_chapter(chapter: Path, source: Path | None = None) -> nbformat.NotebookNode:
    """Return a chapter as it is to be handed out: checked, and without anybody's answers."""
    notebook = nbformat.read(chapter, as_version=4)
    if source:
        executed = nbformat.read(source / chapter.name, as_version=4)
        notebook = copies.with_settings_of_the_run(executed, notebook.metadata)
    copies.check_tags(notebook, chapter.stem)
    for number in copies.take_stubs(notebook):
        print(f"Exercise {number}: its cell in {chapter.name} holds an answer; the copies get the course's stub")
    return notebook


def _copies_of(notebook: nbformat.NotebookNode) -> list[tuple[str, nbformat.NotebookNode, nbformat.NotebookNode]]:
    """Return for each kind of reader the name of the kind, the notebook to work in, and the one to print."""
    instructor = copies.instructor_copy(notebook)
    return [
        ("student", copies.student_copy(notebook), copies.student_page(notebook)),
        ("instructor", instructor, instructor),
    ]
