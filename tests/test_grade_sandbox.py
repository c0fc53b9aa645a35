"""Answers in a sandbox: right ones in many styles, named mistakes, mangled notebooks, and those that mean harm."""

import subprocess
from collections.abc import Iterator

import pytest
from submissions import BOMBS, ENDLESS, HOSTILE, MANGLED, MISTAKES, STYLES, Case, content, graders, needs_bubblewrap

from course.exercises import guard
from course.grade import answers, judge, sandbox

pytestmark = [pytest.mark.slow, needs_bubblewrap]


@pytest.fixture(scope="module")
def the_judge() -> Iterator[judge.Judge]:
    seconds, guard.SECONDS = guard.SECONDS, 1e9  # the sandbox has the clock
    with sandbox.stage() as staged:
        made = judge.Judge("bubblewrap", staged)
        yield made
        made.close()
    guard.SECONDS = seconds


def verdict(the_judge: judge.Judge, case: Case) -> tuple[str, str]:
    cells = answers.read(content(case))
    chapter = answers.chapter_of(cells, "homework.ipynb")
    assert chapter is not None
    (found,) = [one for one in answers.find(cells, chapter) if one["number"] == case.number]
    return the_judge.answer(found, "a seed that nobody knows")


@pytest.mark.parametrize("case", [*STYLES, *MISTAKES, *MANGLED], ids=lambda case: case.name)
def test_an_answer_gets_its_mark_and_its_sentence_byte_for_byte(the_judge: judge.Judge, case: Case) -> None:
    state, words = verdict(the_judge, case)
    assert (state, words) == (case.state, words)
    assert case.words in words
    assert verdict(the_judge, case) == (state, words)


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.name)
def test_an_answer_that_means_harm_gets_what_it_is_worth(the_judge: judge.Judge, case: Case) -> None:
    state, words = verdict(the_judge, case)
    assert (state, words) == (case.state, words)
    assert case.words in words


@pytest.mark.parametrize("case", ENDLESS, ids=lambda case: case.name)
def test_what_never_ends_is_ended(the_judge: judge.Judge, case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    for limit in ("CALL", "CELLS", "GRACE"):
        monkeypatch.setattr(judge, limit, 3.0)
    state, words = verdict(the_judge, case)
    assert (state, words) == (case.state, words)
    assert case.words in words


@pytest.mark.parametrize("case", BOMBS, ids=lambda case: case.name)
def test_a_bomb_stays_in_its_box(the_judge: judge.Judge, case: Case) -> None:
    state, words = verdict(the_judge, case)
    assert (state, words) == (case.state, words)
    assert case.words in words
    subprocess.run(["true"], check=True)  # another process can still start


def test_nothing_is_left_of_a_sandbox(the_judge: judge.Judge) -> None:
    stays = next(case for case in HOSTILE if case.name == "a process that stays")
    assert verdict(the_judge, stays)[0] == "right"
    assert graders() == []


def test_an_answer_does_not_suffer_from_one_before_it(the_judge: judge.Judge) -> None:
    cases = {case.name: case for case in [*STYLES, *HOSTILE]}
    the_judge.close()
    verdict(the_judge, cases["many files"])  # the disk is full, where PyTorch wants to write for the next one
    assert verdict(the_judge, cases["a_list"])[0] == "right"
