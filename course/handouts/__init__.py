"""Handouts for a class: from each chapter a student's and an instructor's copy, as notebook, page and PDF."""

from collections.abc import Sequence
from pathlib import Path

import nbformat
from tqdm.auto import tqdm

from course.handouts import copies, pages, printing
from helpers import results


def build(chapters: Sequence[Path], out: Path, paper: str | None = None, source: Path | None = None) -> list[Path]:
    """Write `student/` and `instructor/` below `out`, and return the files.

    Args:
        chapters: notebooks of the course; their outputs become the figures of the pages.
        out: a folder; files of an earlier build are replaced.
        paper: `A4` or `Letter` for PDFs as well; None for none.
        source: a folder in which `run` left the chapters, executed with other settings; None: as they are committed.

    Raises:
        ValueError: the folder can't be written, `source` lacks a chapter, or there is no browser to print with.
        PrintError: the browser failed.
    """
    browser = printing.find_browser()
    if paper and not browser:
        raise ValueError(
            "pdf: neither Chromium nor Chrome is on this machine; install one, or leave --pdf out and print the pages"
        )
    for chapter in chapters:
        if not _place_of(chapter, source).is_file():
            raise ValueError(
                f"source: '{source}' has no {chapter.name}; run the chapters into it first, with --out {source}"
            )
    stems = [chapter.stem for chapter in chapters]
    written = []
    try:
        for chapter in tqdm(chapters, unit="chapter"):
            notebook = nbformat.read(_place_of(chapter, source), as_version=4)
            notebook = copies.with_settings_of_the_run(notebook)
            instructor = copies.instructor_copy(notebook)
            for kind, made, printed in (
                ("student", copies.student_copy(notebook), copies.student_page(notebook)),
                ("instructor", instructor, instructor),
            ):
                stem = out / kind / chapter.stem
                html = pages.page(printed, kind, beside=stems)
                results.write_text(stem.with_suffix(".ipynb"), nbformat.writes(made) + "\n")
                results.write_text(stem.with_suffix(".html"), html)
                written += [stem.with_suffix(".ipynb"), stem.with_suffix(".html")]
                if paper:
                    printing.print_to_pdf(html, stem.with_suffix(".pdf"), browser, paper)
                    written.append(stem.with_suffix(".pdf"))
    except OSError as error:
        raise ValueError(f"out: '{out}' can't be written ({error.strerror}); give another folder") from None
    return written


def _place_of(chapter: Path, source: Path | None) -> Path:
    return chapter if source is None else source.expanduser() / chapter.name
