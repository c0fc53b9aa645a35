"""A learner's progress file: a damaged one is set aside, and no earlier one is lost."""

import json
from pathlib import Path

import pytest

from course import overview, progress


@pytest.fixture
def kept_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file in which progress is kept."""
    monkeypatch.setenv("MNIST_COURSE_PROGRESS", str(tmp_path / "progress.json"))
    return tmp_path / "progress.json"


def beside(path: Path) -> dict[str, str]:
    """Return what was set aside, by the end of its name."""
    aside = sorted(path.parent.glob("progress.*.json"))
    return {file.stem.removeprefix("progress."): file.read_text() for file in aside}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[1, 2]",
        "[" * 10_000,
        " " * 10_000_001,
        '{"exercises": [1]}',
        '{"exercises": {"1.5": 3}}',
        '{"exercises": {"1.5": {"attempts": 1}}}',
        '{"exercises": {"1.5": {"attempts": "two", "solved": null}}}',
        '{"exercises": {"1.5": {"attempts": NaN, "solved": null}}}',
        '{"exercises": {"1.5": {"attempts": -1, "solved": null}}}',
        '{"exercises": {"1.5": {"attempts": 1, "solved": ["today"]}}}',
    ],
    ids=lambda content: f"{content[:50]} ({len(content)})",
)
def test_what_cannot_be_right_is_set_aside_with_one_line(
    kept_in: Path, capsys: pytest.CaptureFixture, content: str
) -> None:
    kept_in.write_text(content)
    progress.note("1.5", passed=True)
    assert progress.solved() == {"1.5"}
    assert beside(kept_in) == {"unreadable-1": content}
    assert capsys.readouterr().out == (
        f"progress: {kept_in} could not be read; it is now progress.unreadable-1.json, and a new one is begun\n"
    )


def test_each_file_that_is_set_aside_has_a_name_of_its_own(kept_in: Path) -> None:
    for content in ("first", "second", "third"):
        kept_in.write_text(content)
        assert progress.load() == {}
    assert beside(kept_in) == {"unreadable-1": "first", "unreadable-2": "second", "unreadable-3": "third"}


def test_resetting_twice_loses_nothing(kept_in: Path) -> None:
    for number in ("1.1", "1.2"):
        progress.note(number, passed=True)
        assert "begins anew" in overview.reset()
    first, second = (json.loads(text)["exercises"] for text in beside(kept_in).values())
    assert {*first, *second} == {"1.1", "1.2"}


def test_a_link_into_a_synced_folder_stays_one(kept_in: Path) -> None:
    synced = kept_in.parent / "synced" / "mine.json"
    kept_in.symlink_to(synced)
    progress.note("1.1", passed=True)
    overview.reset()
    synced.write_text("half a fi")
    progress.note("1.2", passed=True)
    assert kept_in.is_symlink()
    assert progress.solved() == {"1.2"}
    assert {path.name for path in synced.parent.glob("mine*")} == {
        "mine.json",
        "mine.before_reset-1.json",
        "mine.unreadable-1.json",
    }


def test_a_folder_in_its_place_is_not_set_aside(kept_in: Path) -> None:
    kept_in.mkdir()
    assert "There was no progress" in overview.reset()
    assert kept_in.is_dir()
