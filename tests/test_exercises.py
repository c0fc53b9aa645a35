"""The checks of the exercises: every right answer passes, every wrong one is told what is wrong with it."""

import importlib
import itertools
import json
import linecache
import random
import re
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch
from IPython.core.formatters import DisplayFormatter

from course import exercises, overview, progress
from course.__main__ import main
from course.chapters import all_chapters
from course.exercises import exit_quiz, toolkit
from course.exercises import overview as cards

ANSWERS = [importlib.import_module(f"answers.chapter_{number}") for number, _ in enumerate(cards.CHAPTERS, start=1)]
RIGHT = [(number, answer) for module in ANSWERS for number, answers in module.RIGHT.items() for answer in answers]
WRONG = [
    (number, *wrong) for module in ANSWERS for number, answers in module.WRONG.items() for wrong in answers
]  # number, answer, words
CONTEXT = {number: make for module in ANSWERS for number, make in module.CONTEXT.items()}


@pytest.fixture(autouse=True)
def kept_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let progress be kept in a folder of the test."""
    monkeypatch.setenv("MNIST_COURSE_PROGRESS", str(tmp_path / "progress.json"))
    return tmp_path / "progress.json"


@pytest.fixture(autouse=True)
def drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Draw other inputs for each check of a test, but the same in each run, so that a failure can be seen again."""
    seeds = itertools.count()
    monkeypatch.setattr(exercises, "draw_anew", lambda: torch.default_generator.manual_seed(next(seeds)))


def answer_to(number: str, answer: object, capsys: pytest.CaptureFixture) -> str:
    for seed in (torch.manual_seed, random.seed, np.random.seed):  # for answers that draw
        seed(0)
    context = CONTEXT[number]() if number in CONTEXT else {}
    exercises.check(number, answer, **context)
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= 100
    return " ".join(said.split())


def name(value: object) -> str | None:
    return value if isinstance(value, str) and len(value) < 40 else None


# --- right and wrong answers ---


@pytest.mark.parametrize(("number", "answer"), RIGHT, ids=name)
def test_a_right_answer_passes(number: str, answer: object, capsys: pytest.CaptureFixture) -> None:
    assert answer_to(number, answer, capsys).startswith(f"Exercise {number}: right. ")


@pytest.mark.parametrize(("number", "answer", "words"), WRONG, ids=name)
def test_a_wrong_answer_is_told_what_is_wrong(
    number: str, answer: object, words: str, capsys: pytest.CaptureFixture
) -> None:
    said = answer_to(number, answer, capsys)
    assert said.startswith(f"Exercise {number}: not yet. ")
    assert words in said


@pytest.mark.slow
@pytest.mark.parametrize("number", exercises.CHECKS)
def test_no_answer_needs_luck(number: str, capsys: pytest.CaptureFixture) -> None:
    """Each is tried with ten draws of the inputs."""
    answers = [(answer, "right. ") for n, answer in RIGHT if n == number]
    answers += [(answer, words) for n, answer, words in WRONG if n == number]
    for answer, words in 10 * answers:
        assert words in answer_to(number, answer, capsys)


@pytest.mark.parametrize("number", sorted(set(exercises.CHECKS) - {"6.3"}))  # 6.3 begins with no shift at all
def test_no_mistake_looks_like_another(
    number: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    compare, draw_distinct = toolkit.compare, toolkit.draw_distinct
    told_apart: dict = {}  # for each right function: are all mistakes different on the first inputs, on the second …

    def drawn(draw, right, common_mistakes, gap=2e-4):
        inputs, expected, mistakes = draw_distinct(draw, right, common_mistakes, gap)
        told_apart.setdefault(right, []).append(toolkit.distinct(expected, mistakes, gap / 2))
        return inputs, expected, mistakes

    def stricter(got, expected, about, common_mistakes=(), tolerance=1e-4, *more, **options):
        assert toolkit.distinct(expected, common_mistakes, tolerance), about
        compare(got, expected, about, common_mistakes, tolerance, *more, **options)

    for module in [module for name, module in sys.modules.items() if name.startswith("course.exercises.")]:
        if hasattr(module, "compare"):
            monkeypatch.setattr(module, "compare", stricter)
        if hasattr(module, "draw_distinct"):
            monkeypatch.setattr(module, "draw_distinct", drawn)
    answer = next(answer for n, answer in RIGHT if n == number)
    assert answer_to(number, answer, capsys).startswith(f"Exercise {number}: right. ")
    assert all(map(any, told_apart.values()))


def test_each_exercise_has_been_tried_in_many_ways() -> None:
    for number in exercises.CHECKS:
        right = [answer for n, answer in RIGHT if n == number]
        words = [words for n, _, words in WRONG if n == number]
        assert len(right) >= 2, number
        assert len(set(words)) >= 4, number


@pytest.mark.slow
def test_each_wrong_answer_gets_words_of_its_own(capsys: pytest.CaptureFixture) -> None:
    """A hint that fits one mistake in an exercise is not given for four others."""
    for number in exercises.CHECKS:
        said = [answer_to(number, answer, capsys) for n, answer, _ in WRONG if n == number]
        hints = {re.sub(r"[-\d.,]+", "", re.split(r" and got [^.]*?\. ", text)[-1]) for text in said}
        assert len(hints) >= 4, (number, hints)


# --- what an answer may be ---


def empty(image):
    """Return nothing yet."""
    ...  # your code


@pytest.mark.parametrize("stub", [None, ..., (None, None), {"a": None}, [..., None], empty, lambda image: None])
def test_an_unedited_stub_is_not_attempted(stub: object, kept_in: Path, capsys: pytest.CaptureFixture) -> None:
    exercises.check("1.1", stub)
    assert capsys.readouterr().out == "Exercise 1.1: not attempted yet.\n"
    assert not kept_in.exists()


TOO_MANY = (469, "<b>`96`</b> & more")


@pytest.mark.parametrize(
    ("answer", "sign", "words", "plain"),
    [
        ((469, 96), "✓", "right. ", "Exercise 1.5: right. "),
        ((468, 96), "✗", "not yet. ", "Exercise 1.5: not yet. "),
        (None, "○", "not attempted yet.", "Exercise 1.5: not attempted yet."),
        ((469, "*x*<2"), "✗", "<em>x</em>&lt;2", "*x*<2"),
        (TOO_MANY, "✗", "&lt;b&gt;<code>96</code>&lt;/b&gt; &amp; more", "<b>`96`</b> & more"),
    ],
)
def test_a_notebook_shows_a_box_with_a_sign_and_the_plain_words_beside_it(
    answer: object, sign: str, words: str, plain: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list = []
    monkeypatch.setattr(exercises, "display", shown.append)
    exercises.check("1.5", answer)
    data, _ = DisplayFormatter().format(shown[0])
    assert f"<strong>{sign} Exercise 1.5</strong>: " in data["text/html"] and words in data["text/html"]
    assert plain in data["text/plain"] and sign not in data["text/plain"]


def no_return(image):
    255 - image


def half_done(image):
    image = 255 - image
    return ...


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (no_return, "returns nothing"),
        (half_done, "I expected"),
        (lambda image: image.no_such_thing(), "AttributeError: 'Tensor' object has no attribute 'no_such_thing'"),
        (lambda image: 1 / 0, "ZeroDivisionError: division by zero"),
        (lambda: 0, "TypeError"),
        (3, "I expected a function and got 3"),
        (255 - torch.zeros(28, 28), "I expected a function and got a tensor of shape (28, 28)"),
        (lambda image: "255 - image", "got '255 - image'"),
        (lambda image: 3, "I expected shape (28, 28) and got ()"),
        (lambda image: image * 1j, "I expected a tensor of shape (28, 28) and got"),
        (lambda image: [[1, 2], [3]], "got [[1, 2], [3]]"),
        (lambda image: ValueError, "I expected"),
    ],
)  # fmt: skip
def test_whatever_is_handed_in_the_check_answers_in_words(
    answer: object, words: str, capsys: pytest.CaptureFixture
) -> None:
    said = answer_to("1.1", answer, capsys)
    assert said.startswith("Exercise 1.1: not yet. ")
    assert words in said


def test_an_error_in_a_notebooks_cell_names_the_line(capsys: pytest.CaptureFixture) -> None:
    """IPython keeps the text of cells in the line cache; so does this test."""
    source = "def negative(image):\n    wide = image.long()\n    return wide.mean()\n"
    linecache.cache["/tmp/ipykernel_1/1.py"] = (len(source), None, source.splitlines(True), "/tmp/ipykernel_1/1.py")
    space: dict = {}
    exec(compile(source, "/tmp/ipykernel_1/1.py", "exec"), space)
    said = answer_to("1.1", space["negative"], capsys)
    assert "in the line `return wide.mean()` with RuntimeError" in said
    assert "call .float() first" in said


def test_a_check_leaves_the_random_numbers_alone(capsys: pytest.CaptureFixture) -> None:
    torch.manual_seed(1), random.seed(1), np.random.seed(1)  # type: ignore[func-returns-value]
    expected = torch.rand(1).item(), random.random(), np.random.rand()
    torch.manual_seed(1), random.seed(1), np.random.seed(1)  # type: ignore[func-returns-value]
    for number, answer in dict(RIGHT).items():
        context = CONTEXT[number]() if number in CONTEXT else {}
        state = torch.random.get_rng_state()
        exercises.check(number, answer, **context)
        assert torch.equal(torch.random.get_rng_state(), state), number
    assert (torch.rand(1).item(), random.random(), np.random.rand()) == expected


def test_a_check_touches_no_accelerator_but_the_one_in_use(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    touched: list[int] = []
    monkeypatch.setattr(torch.accelerator, "current_accelerator", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.accelerator, "current_device_index", lambda: 1)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "get_rng_state", touched.append)
    monkeypatch.setattr(torch.cuda, "set_rng_state", lambda state, device: touched.append(device))
    monkeypatch.setattr(torch.cuda, "manual_seed_all", touched.append)
    for in_use, expected in ((False, set()), (True, {1})):
        monkeypatch.setattr(torch.cuda, "is_initialized", lambda in_use=in_use: in_use)
        exercises.check("1.1", lambda image: 255 - image)
        assert set(touched) == expected


def test_stopping_a_check_is_answered_in_a_sentence(kept_in: Path, capsys: pytest.CaptureFixture) -> None:
    def endless(image):
        raise KeyboardInterrupt

    assert answer_to("1.1", endless, capsys) == "Exercise 1.1: stopped. Is there an endless loop?"
    assert not kept_in.exists()


def test_a_check_that_was_not_given_what_it_needs_says_so(kept_in: Path, capsys: pytest.CaptureFixture) -> None:
    exercises.check("9.3", "no eval")
    said = " ".join(capsys.readouterr().out.split())
    assert said.endswith("missing a required argument: 'case'. Write it as the chapter has it.")
    assert not kept_in.exists()


def test_a_patient_counts_for_its_own_exercise_only(kept_in: Path, capsys: pytest.CaptureFixture) -> None:
    exercises.check("9.3", "learning rate too high", **CONTEXT["9.4"]())
    assert "about patient 1, but got Patient 2. Write `case=ward[1]`." in " ".join(capsys.readouterr().out.split())


def test_an_unknown_exercise_is_refused() -> None:
    with pytest.raises(ValueError, match=r"unknown exercise '99\.9'; choose one of 1\.1, 1\.2"):
        exercises.check("99.9", 1)


# --- progress ---


def test_progress_remembers_what_was_solved(kept_in: Path, capsys: pytest.CaptureFixture) -> None:
    exercises.check("1.5", (468, 96))
    exercises.check("1.5", (469, 96))
    exercises.check("1.5", (468, 96))  # solved stays solved
    exercises.check("1.1", lambda image: image)
    entries = json.loads(kept_in.read_text(encoding="utf-8"))["exercises"]
    assert entries["1.5"]["attempts"] == 2
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\+00:00", entries["1.5"]["solved"])
    assert entries["1.1"] == {"attempts": 1, "solved": None}
    assert progress.solved() == {"1.5"}


def test_an_unreadable_progress_file_is_set_aside(kept_in: Path, capsys: pytest.CaptureFixture) -> None:
    kept_in.write_text("{ half a fi", encoding="utf-8")
    exercises.check("1.5", (469, 96))
    said = capsys.readouterr().out
    assert "Exercise 1.5: right." in said
    assert "could not be read" in said
    assert progress.solved() == {"1.5"}
    assert kept_in.with_name("progress.unreadable-1.json").read_text(encoding="utf-8") == "{ half a fi"


def test_a_file_that_cannot_be_written_costs_a_line_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "a_file").write_text("")
    monkeypatch.setenv("MNIST_COURSE_PROGRESS", str(tmp_path / "a_file" / "progress.json"))
    exercises.check("1.5", (469, 96))
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Exercise 1.5: right.")
    assert "can't be written" in lines[1]
    assert "MNIST_COURSE_PROGRESS" in lines[1]


def test_a_file_that_cannot_be_opened_costs_a_line_and_no_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "a_folder").mkdir()
    monkeypatch.setenv("MNIST_COURSE_PROGRESS", str(tmp_path / "a_folder"))
    monkeypatch.setattr(cards, "display", lambda html: None)
    exercises.card(1)
    exercises.check("1.5", (469, 96))
    lines = capsys.readouterr().out.splitlines()
    assert "can't be opened" in lines[0]
    assert lines[1].startswith("Exercise 1.5: right.")
    assert "can't be written" in lines[-1]
    assert main(["progress"]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_card_shows_what_is_solved(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list = []
    monkeypatch.setattr(cards, "display", lambda html: shown.append(html.data))
    exercises.card(1)
    exercises.check("1.5", (469, 96))
    exercises.card(1)
    assert "Exercises of chapter 1: 0 of 6 solved" in shown[0]
    assert "Exercises of chapter 1: 1 of 6 solved" in shown[1]
    assert re.search(r"1\.5</th><td[^>]*>[^<]*</td><td[^>]*>● solved", shown[1])


def test_the_table_and_the_export_say_the_same(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    exercises.check("1.5", (468, 96))
    exercises.check("1.5", (469, 96))
    table = overview.table()
    assert "chapter 1: 1 of 6 solved" in table
    assert re.search(r"● 1\.5 .*\(2 attempts\)", table)
    assert re.search(r"○ 1\.6 ", table)
    content = json.loads(overview.export(tmp_path / "deep" / "mine.json").read_text(encoding="utf-8"))
    assert (content["solved"], content["of"]) == (1, len(exercises.CHECKS))
    assert content["exercises"]["1.5"]["attempts"] == 2
    assert content["exercises"]["1.6"]["solved"] is None


def test_reset_begins_anew_and_loses_nothing(kept_in: Path, capsys: pytest.CaptureFixture) -> None:
    assert "There was no progress" in overview.reset()
    exercises.check("1.5", (469, 96))
    before = kept_in.read_text(encoding="utf-8")
    assert "begins anew" in overview.reset()
    assert progress.solved() == set()
    assert kept_in.with_name("progress.before_reset-1.json").read_text(encoding="utf-8") == before


# --- the exit quiz ---

QUIZZES = json.loads(exit_quiz.QUESTIONS.read_text(encoding="utf-8"))


@pytest.mark.parametrize("chapter", range(1, len(cards.CHAPTERS) + 1))
def test_each_choice_is_answered_by_a_sentence_of_its_own(chapter: int, capsys: pytest.CaptureFixture) -> None:
    asked = QUIZZES[str(chapter)]
    assert len(asked) == 5
    for letter in "abcd":
        exercises.quiz(chapter, letter * 5)
    printed = " ".join(capsys.readouterr().out.split())
    assert all(f"{n} {q['right']}: right. " in printed for n, q in enumerate(asked, start=1))
    assert printed.count(": right. ") == 5
    assert len({choice["why"] for question in asked for choice in question["choices"].values()}) == 20


def test_the_right_letters_cannot_be_guessed() -> None:
    letters = [question["right"] for asked in QUIZZES.values() for question in asked]
    assert all(letters.count(letter) <= len(letters) * 0.3 for letter in "abcd")
    assert all(len({question["right"] for question in asked}) >= 3 for asked in QUIZZES.values())


@pytest.mark.parametrize("answers", ["a b", "a b c d e", "right", "1 2 3 4 5", "abcdab"])
def test_answers_to_the_quiz_that_are_no_five_letters_cost_a_line(answers: str, capsys: pytest.CaptureFixture) -> None:
    exercises.quiz(3, answers)
    assert capsys.readouterr().out == 'Give 5 letters from a to d, as in exercises.quiz(3, "a b c d a").\n'


def test_the_quiz_of_a_chapter_that_is_not_there() -> None:
    with pytest.raises(ValueError, match=r"^quiz: unknown chapter 99; choose one of 1, 2, "):
        exercises.quiz(99)


def test_the_committed_chapters_show_the_quiz_as_it_is() -> None:
    for number, path in enumerate(all_chapters(), start=1):
        (cell,) = [c for c in nbformat.read(path, as_version=4).cells if "quiz" in c.metadata.get("tags", [])]
        assert cell.source == f"exercises.quiz({number})"
        assert cell.outputs[0].data["text/markdown"] == exit_quiz.questions(number, QUIZZES[str(number)])
