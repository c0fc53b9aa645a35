"""The documents of the course as the site has them, in Markdown, and their pictures."""

import base64
import io
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

from PIL import Image

from course.handouts.pages import DRAWING_PAGE
from helpers import settings

README = settings.CODE / "README.md"
RESULTS = settings.FILES / "results" / "README.md"
DOCS = settings.CODE / "docs"
GLOSSARY = DOCS / "glossary.md"
START = ("The chapters", "Two commands")  # the sections of README.md that follow its picture on the start page
DRAW = f"**[Draw a digit]({DRAWING_PAGE})**: a trained network reads it and shows you how. Nothing to install."
HANDOUTS = "Each chapter as a notebook to work in, without solutions. To run one, you need the course (see above)."
PICTURE = re.compile(r"(?<=\]\()[\w./]+\.png(?=\))")  # in Markdown
FIGURE = re.compile(r"data:image/png;base64,([\w+/=]+)")  # on a chapter's page
LETTERS = re.compile(r"^\*\*Exit quiz:\*\*.*\n+", re.MULTILINE)  # of the right answers, in the notes for the teacher
CHAPTER = re.compile(r"(?<=\| )\d\d(?= \|$)", re.MULTILINE)  # in the last column of the glossary


def start_page(downloads: Sequence[tuple[str, Mapping[str, str]]]) -> str:
    """Return what is on the start page: README.md up to its picture, the sections `START`, and the handouts.

    Args:
        downloads: of each chapter its title, and its files with a word for each.

    Raises:
        ValueError: README.md is not there, or a section is not in it.
    """
    if not README.is_file():
        raise ValueError(f"'{settings.shown(README)}' is not there; start the command in a clone of the course")
    head, *sections = re.split(r"^## (?=.)", README.read_text(encoding="utf-8"), flags=re.MULTILINE)
    titled = {section.partition("\n")[0]: f"## {section}" for section in sections}
    for title in START:
        if title not in titled:
            raise ValueError(
                f"README.md: no section '## {title}', which the start page has; correct START in {__name__}"
            )
    draw = head.replace("\n![", f"\n{DRAW}\n\n![", 1)
    lines = []
    for title, files in downloads:
        links = ", ".join(f"[{words}]({file})" for file, words in files.items())
        lines.append(f"- {title} ({links})")
    return "\n\n".join([draw, *(titled[title] for title in START), f"## Handouts\n\n{HANDOUTS}", "\n".join(lines)])


def glossary(text: str, chapter_pages: Sequence[str]) -> str:
    """Return the glossary with a link to the chapter of each word."""
    by_number = {name[:2]: name for name in chapter_pages}
    return CHAPTER.sub(lambda found: f"[{found[0]}]({by_number.get(found[0], '')})", text)


def without_letters(text: str) -> str:
    """Return a document without the right answers to the exit quizzes, since learners read the site."""
    return LETTERS.sub("", text)


def with_pictures(text: str, folder: Path) -> str:
    """Return a document with its pictures in it; `folder` is the document's."""
    return PICTURE.sub(lambda found: _webp((folder / found[0]).read_bytes()), text)


def with_small_figures(html: str) -> str:
    """Return a chapter's page with its figures as WebP, which takes half as many bytes for the same pixels."""
    return FIGURE.sub(lambda found: _webp(base64.b64decode(found[1])), html)


def _webp(png: bytes) -> str:
    content = io.BytesIO()
    Image.open(io.BytesIO(png)).save(content, "WEBP", lossless=True)
    return f"data:image/webp;base64,{base64.b64encode(content.getvalue()).decode()}"
