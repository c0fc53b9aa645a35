"""Build handouts: from each chapter a student's and an instructor's copy, as notebook, page and PDF."""

from collections.abc import Sequence
from pathlib import Path

import nbformat
from tqdm.auto import tqdm

from course.chapters import all_chapters
from course.handouts import copies, folder, pages, printing


def build(chapters: Sequence[Path], out: Path, paper: str | None = None, source: Path | None = None) -> list[Path]:
    """Write `student/` and `instructor/` below `out`, whole or not at all, and return the files.

    What earlier builds wrote of these chapters goes, so that no old PDF is left beside a new notebook. What they wrote
    of the course's other chapters stays: a teacher who rebuilds chapter 3 gets a new chapter 3 and keeps the rest.

    Args:
        chapters: notebooks of the course; their outputs become the figures of the pages.
        out: a folder; it may hold what earlier builds wrote there, and hidden files.
        paper: `A4` or `Letter` for PDFs as well; None for none.
        source: a folder in which `run` left the chapters, executed with other settings; None: as they are committed.

    Raises:
        ValueError: the folder can't be written or holds somebody's own work, `source` lacks a chapter, or there is no
            browser to print with.
        PrintError: the browser failed.
    """
    browser = printing.find_browser() if paper else None
    if paper and not browser:
        raise ValueError(
            "pdf: neither Chromium nor Chrome is on this machine; install one, or leave --pdf out and print the pages"
        )
    for chapter in chapters:
        if source and not (source.expanduser() / chapter.name).is_file():
            raise ValueError(
                f"source: '{source}' has no {chapter.name}; run the chapters into it first, with --out {source}"
            )
    stems = {chapter.stem for chapter in chapters}
    others = {chapter.stem for chapter in all_chapters()} - stems
    linked = stems | {stem for stem in others if (out / "student" / f"{stem}.html").is_file()}
    try:
        with folder.rebuilt(out, staying=others) as new:
            for chapter in tqdm(chapters, unit="chapter"):
                for kind, notebook, printed in _copies_of(chapter, source):
                    file = new / kind / chapter.stem
                    file.parent.mkdir(exist_ok=True)
                    html = pages.page(printed, kind, beside=linked)
                    file.with_suffix(".ipynb").write_bytes((nbformat.writes(notebook) + "\n").encode())
                    file.with_suffix(".html").write_bytes(html.encode())  # bytes: Windows would end lines its own way
                    if paper and browser:
                        printing.print_to_pdf(html, file.with_suffix(".pdf"), browser, paper)
            made = [path.relative_to(new) for path in sorted(new.rglob("*.*"))]
    except OSError as error:
        raise ValueError(f"out: '{out}' can't be written ({error.strerror}); give another folder") from None
    return [out / name for name in made]


def _copies_of(chapter: Path, source: Path | None) -> list[tuple[str, nbformat.NotebookNode, nbformat.NotebookNode]]:
    """Return for each kind of reader the name of the kind, the notebook to work in, and the one to print."""
    notebook = nbformat.read(chapter, as_version=4)
    if source:
        executed = nbformat.read(source.expanduser() / chapter.name, as_version=4)
        notebook = copies.with_settings_of_the_run(executed, notebook.metadata)
    instructor = copies.instructor_copy(notebook)
    return [
        ("student", copies.student_copy(notebook), copies.student_page(notebook)),
        ("instructor", instructor, instructor),
    ]
