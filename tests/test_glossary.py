"""Each word of the glossary is introduced where it says: in bold, in that chapter, and not in a later one first."""

import re
from pathlib import Path

import nbformat
import pytest

from course.chapters import all_chapters
from helpers import settings

ROW = re.compile(r"^\| (?P<word>[^|]+?) \| (?P<meaning>[^|]+?) \| (?P<chapter>\d\d) \|$", re.MULTILINE)
WORDS = ROW.findall((settings.ROOT / "docs" / "glossary.md").read_text(encoding="utf-8"))
OLD_WORDS = {  # what chapters used to say instead, and from which chapter on it is no longer said
    "gradient": (r"\bslopes?\b", "04"),
    "hyperparameter": (r"\bknobs?\b", "01"),
    "overfitting": (r"\boverlearn", "01"),
    "weight decay": (r"\bshrinkage\b", "01"),
}


def prose(chapter: Path) -> str:
    cells = nbformat.read(chapter, as_version=4).cells
    text = "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return re.sub(r"```.*?```|`[^`\n]+`", "", text, flags=re.DOTALL)  # Python's ** is no bold


TEXTS = {chapter.stem[:2]: prose(chapter) for chapter in all_chapters()}


def in_bold(word: str, text: str) -> bool:
    bold = " ".join(re.findall(r"\*\*(.+?)\*\*", text, re.DOTALL)).lower()
    return re.search(rf"(?<!\w){re.escape(word.lower())}(?!\w)", bold.replace("\n", " ")) is not None


def test_the_glossary_is_sorted_and_has_each_word_once() -> None:
    words = [word.lower() for word, _, _ in WORDS]
    assert len(WORDS) > 50
    assert words == sorted(set(words))


@pytest.mark.parametrize(("word", "chapter"), [(word, chapter) for word, _, chapter in WORDS])
def test_a_word_is_introduced_in_bold_in_its_chapter(word: str, chapter: str) -> None:
    assert in_bold(word, TEXTS[chapter]), f"'{word}' is not in bold in chapter {chapter}"


@pytest.mark.parametrize(("word", "old", "since"), [(word, *old) for word, old in OLD_WORDS.items()])
def test_no_chapter_has_another_word_for_it(word: str, old: str, since: str) -> None:
    found = {number: re.findall(old, text, re.IGNORECASE) for number, text in TEXTS.items() if number >= since}
    assert not any(found.values()), f"say {word}: {found}"
