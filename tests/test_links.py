"""The links that chapters give to read on: two or three each, well formed, and all in docs/reading.md. Offline."""

import re
from pathlib import Path
from urllib.parse import urlsplit

import nbformat
import pytest

from course.chapters import all_chapters
from helpers import settings

LINK = re.compile(r"\]\((https?:[^)\s]*)\)")
READING = dict(
    re.findall(r"^## (\d\d)\n(.*?)(?=^## |\Z)", (settings.ROOT / "docs" / "reading.md").read_text("utf-8"), re.M | re.S)
)


def cells_of(chapter: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(chapter, as_version=4).cells if cell.cell_type == "markdown"]


@pytest.mark.parametrize("chapter", all_chapters(), ids=lambda chapter: chapter.stem)
def test_a_chapter_ends_with_two_or_three_links_of_the_list(chapter: Path) -> None:
    (ending,) = (cell for cell in cells_of(chapter) if "## Worth reading" in cell)
    links = LINK.findall(ending.partition("## Worth reading")[2].partition("\n## ")[0])
    assert 2 <= len(links) <= 3
    assert links == LINK.findall(READING[chapter.stem[:2]])


@pytest.mark.parametrize("chapter", all_chapters(), ids=lambda chapter: chapter.stem)
def test_links_are_well_formed(chapter: Path) -> None:
    for link in LINK.findall("\n".join(cells_of(chapter))):
        parts = urlsplit(link)
        assert parts.scheme == "https", link
        assert re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", parts.netloc), link
        assert not parts.query, link
        if parts.netloc == "arxiv.org":
            assert re.fullmatch(r"/abs/\d{4}\.\d{4,5}", parts.path), link
