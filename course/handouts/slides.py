"""A chapter's slides: cells tagged `slide`, one filling the screen at a time, and for the teacher notes below each."""

import re
from pathlib import Path

from bs4 import BeautifulSoup
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from course.handouts import pages
from course.handouts.copies import tags_of
from course.handouts.worksheets import FOLD, HEADING, PREDICTION

CSS = Path(__file__).parent / "templates" / "handout" / "slides.css"
CAME_OUT = re.compile(r"<details><summary>What came out</summary>(.*?)</details>", flags=re.DOTALL)


def deck(page: NotebookNode, instructor: str = "") -> str:
    """Return the slides of a chapter as a page of HTML, without scripts: Page Down turns to the next.

    A cell of text shows what it asks for, or else its first paragraph; a cell of code shows what it put out.

    Args:
        page: from `copies.student_page`; its cells are changed.
        instructor: the chapter's notes for the teacher, for the first slide; the other slides get what came out.
            None: slides to show to a class.
    """
    heading, cells, asked_off_the_slides = "", [], False
    for cell in page.cells:
        title = _title(cell.source, heading) if cell.cell_type == "markdown" else heading
        if cell.cell_type == "markdown":
            heading = [heading, *HEADING.findall(cell.source)][-1]
            notes = CAME_OUT.findall(cell.source)
            if notes and instructor and not asked_off_the_slides:
                cells.append(_cell("\n\n".join(notes), "notes"))
            asked_off_the_slides = asked_off_the_slides or bool(PREDICTION.search(cell.source))
        if "slide" in tags_of(cell):
            asked_off_the_slides = False
            if cells:
                cells.append(_cell(title, "slide-start"))
            if cell.cell_type == "markdown":
                cells.append(_cell(_shown(cell.source), "" if cells else "slide-start"))
            else:
                cell.metadata.transient = {"remove_source": True}
                cells.append(cell)
            if len(cells) == 1 and instructor:
                cells.append(_cell(instructor, "notes"))
    page.cells = cells
    soup = BeautifulSoup(pages.page(page, "slides", {}), "html.parser")
    soup.style.append(CSS.read_text(encoding="utf-8"))  # type: ignore[union-attr]  # each page has one
    for block in soup.select("main > div"):
        if "slide-start" in block["class"]:
            section = soup.new_tag("section", tabindex="0")
            block.insert_before(section)
        section.append(block)
    return str(soup)


def _cell(text: str, tag: str) -> NotebookNode:
    return new_markdown_cell(text.strip(), metadata={"tags": [tag]} if tag else {})


def _title(source: str, above: str) -> str:
    """Return the heading over what a slide shows of a cell of text: the cell's own, or the one above it."""
    asked = PREDICTION.search(source)
    return [above, *HEADING.findall(source[: asked.start()])][-1] if asked else [*HEADING.findall(source), above][0]


def _shown(source: str) -> str:
    """Return what a slide has of a cell of text."""
    text = HEADING.sub("", FOLD.sub("", source)).strip()
    asked = PREDICTION.search(text)
    if asked:
        return text[text.rfind("\n\n", 0, asked.start()) + 1 :].strip()
    if text.startswith("# "):
        return "\n\n".join(text.split("\n\n")[:2])
    return text.split("\n\n")[0]
