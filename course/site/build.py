"""Build the site: a start page, the chapters, the documents and the page that reads drawings, all as plain files."""

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import nbformat
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from course.handouts import copies, folder, pages, printing
from course.handouts.build import browser_for, drawing_page, read_chapter
from course.site import texts
from helpers.bars import progress_bar

SITE = Path(__file__).parent / "templates" / "site"
MENU = {
    "index.html": "The course",
    pages.DRAWING_PAGE: "Draw a digit",
    "glossary.html": "Glossary",
    "reading.html": "Read next",
    "teaching.html": "For teachers",
}


class Page(NamedTuple):
    """A page of the site, before it is made."""

    source: Path  # the file of the course that it shows
    name: str
    kind: str  # `student` for a chapter, `start`, `document`
    notebook: NotebookNode
    frame: dict  # what the template puts around it


def build(chapters: Sequence[Path], out: Path, paper: str | None = None) -> list[Path]:
    """Write the site into `out`, whole or not at all, and return its files.

    Links between its pages are relative and no page loads another file, so it opens from a folder and at any address.
    A file that somebody changed in `out` is kept under another name.

    Args:
        chapters: notebooks of the course; the site has the students' copies.
        out: a new or empty folder, or one that an earlier build made.
        paper: `A4` or `Letter` for PDFs to download as well; None for none.

    Raises:
        ValueError: the folder can't be written or was not made by this command, README.md is not there or lacks a
            section of the start page, a cell has an unknown tag, or there is no browser to print with.
        PrintError: the browser failed.
    """
    browser = browser_for(paper)
    notebooks = {chapter: read_chapter(chapter) for chapter in chapters}  # all are checked before anything is written
    endings = {".ipynb": "notebook", ".pdf": "PDF"} if paper else {".ipynb": "notebook"}
    chapter_pages = list(_chapter_pages(notebooks, endings))
    all_pages = [*chapter_pages, *_documents(chapter_pages)]
    names = {page.name for page in all_pages} | {file for page in chapter_pages for file in page.frame["downloads"]}
    with folder.rebuilt(out, "site") as new:
        (new / "handouts").mkdir()
        if digits := drawing_page():
            names.add(pages.DRAWING_PAGE)
            digits = digits.replace("<h1>", '<a href="index.html">The course</a>\n  <h1>', 1)
            (new / pages.DRAWING_PAGE).write_bytes(digits.encode())
        menu = {name: words for name, words in MENU.items() if name in names}
        for page in progress_bar(all_pages, unit="page"):
            frame = page.frame | {"menu": menu, "name": page.name}
            html = pages.page(page.notebook, page.kind, _beside(page, all_pages, names), SITE, frame)
            (new / page.name).write_bytes(texts.with_small_figures(html).encode())
        for chapter, notebook in notebooks.items():
            file = new / "handouts" / chapter.name
            file.write_bytes((nbformat.writes(copies.student_copy(notebook)) + "\n").encode())
            if paper and browser:
                html = pages.page(copies.student_page(notebook), "student", {})
                printing.print_to_pdf(html, file.with_suffix(".pdf"), browser, paper)
        made = [path.relative_to(new) for path in sorted(new.rglob("*.*"))]
    return [out / name for name in made]


def _chapter_pages(notebooks: Mapping[Path, NotebookNode], endings: Mapping[str, str]) -> Iterator[Page]:
    """Yield the chapters' pages; `endings` are those of the files to download, each with the word for it."""
    links = [(f"{chapter.stem}.html", pages.title_of(notebook)) for chapter, notebook in notebooks.items()]
    around = [None, *links, None]
    for place, (chapter, notebook) in enumerate(notebooks.items()):
        downloads = {f"handouts/{chapter.stem}{ending}": words for ending, words in endings.items()}
        frame = {"downloads": downloads, "previous": around[place], "next": around[place + 2]}
        yield Page(chapter, f"{chapter.stem}.html", "student", copies.student_page(notebook), frame)


def _documents(chapter_pages: Sequence[Page]) -> Iterator[Page]:
    """Yield the pages that are made from Markdown."""
    downloads = [(pages.title_of(page.notebook), page.frame["downloads"]) for page in chapter_pages]
    written = {texts.README: ("index.html", texts.start_page(downloads))}
    written[texts.RESULTS] = ("results.html", texts.RESULTS.read_text(encoding="utf-8"))
    for path in sorted(texts.DOCS.glob("*.md")):
        written[path] = (f"{path.stem}.html", texts.without_letters(path.read_text(encoding="utf-8")))
    name, text = written[texts.GLOSSARY]
    written[texts.GLOSSARY] = (name, texts.glossary(text, [page.name for page in chapter_pages]))
    for path, (name, text) in written.items():
        cell = new_markdown_cell(texts.with_pictures(text, path.parent))
        kind = "start" if path == texts.README else "document"
        yield Page(path, name, kind, new_notebook(cells=[cell]), {})


def _beside(page: Page, all_pages: Sequence[Page], names: set[str]) -> dict[str, str]:
    """Return where links on a page lead: the course's files as its source names them, and the site's as they are."""
    sources = {os.path.relpath(other.source, page.source.parent): other.name for other in all_pages}
    return {Path(source).as_posix(): name for source, name in sources.items()} | {name: name for name in names}
