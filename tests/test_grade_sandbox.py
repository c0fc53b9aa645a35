"""Answers in a sandbox: right ones in many styles, named mistakes, mangled notebooks, and those that mean harm."""

import shutil
import subprocess
import time
from collections.abc import Iterator

import psutil
import pytest
from submissions import BOMBS, ENDLESS, HOSTILE, MANGLED, MISTAKES, STYLES, Case, content

from course.exercises import guard
from course.grade import answers, sandbox
from course.grade.judge import Judge

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap isn't installed"),
]


@pytest.fixture(scope="module")
def judge() -> Iterator[Judge]:
    seconds, guard.SECONDS = guard.SECONDS, 1e9  # the sandbox has the clock
    with sandbox.stage() as staged:
        made = Judge("bubblewrap", staged)
        yield made
        made.close()
    guard.SECONDS = seconds


def verdict(judge: Judge, case: Case) -> tuple[str, str]:
    cells = answers.read(content(case))
    chapter = answers.chapter_of(cells, "homework.ipynb")
    assert chapter is not None
    (found,) = [one for one in answers.find(cells, chapter) if one["number"] == case.number]
    return judge.answer(found, "a seed that nobody knows")


@pytest.mark.parametrize("case", [*STYLES, *MISTAKES, *MANGLED, *HOSTILE, *ENDLESS], ids=lambda case: case.name)
def test_an_answer_gets_its_mark_and_its_sentence(judge: Judge, case: Case) -> None:
    state, words = verdict(judge, case)
    assert (state, words) == (case.state, words)
    assert case.words in words
    assert verdict(judge, case) == (state, words) or "still running" in words  # byte for byte, but for seconds


@pytest.mark.parametrize("case", BOMBS, ids=lambda case: case.name)
def test_a_bomb_stays_in_its_box(judge: Judge, case: Case) -> None:
    state, words = verdict(judge, case)
    assert state == case.state
    assert case.words in words
    started = time.monotonic()
    subprocess.run(["true"], check=True)  # another process can still start, and at once
    assert time.monotonic() - started < 5


def test_nothing_is_left_of_a_sandbox(judge: Judge) -> None:
    stays = next(case for case in HOSTILE if case.name == "a process that stays")
    assert verdict(judge, stays)[0] == "right"
    running = [process.cmdline() for process in psutil.Process().children(recursive=True)]
    assert [words for words in running if "course.grade.worker" in words] == []
