"""The exit quiz of a chapter: five questions, and for each answer a sentence on what is right or wrong about it."""

import json
import re
import textwrap
from pathlib import Path

from IPython.display import display

QUESTIONS = Path(__file__).with_name("exit_quiz.json")  # by chapter; the right letter, and four choices with a reason


def quiz(chapter: int, answers: str = "") -> None:
    """Show the five questions of a chapter, or say of each answer whether it is right, and why.

    A wrong answer is told what is wrong with it, not which one is right. Nothing is noted in `progress.json`.

    Args:
        chapter: 1, 2, 3, …
        answers: one letter per question, `"b a d c c"`; none: show the questions.

    Raises:
        ValueError: the course has no such chapter.
    """
    quizzes = json.loads(QUESTIONS.read_text(encoding="utf-8"))
    if str(chapter) not in quizzes:
        raise ValueError(f"quiz: unknown chapter {chapter!r}; choose one of {', '.join(quizzes)}")
    asked = quizzes[str(chapter)]
    if not answers:
        text = questions(chapter, asked)
        display({"text/markdown": text, "text/plain": text}, raw=True)
        return
    letters = re.findall(r"[a-d]", answers.lower())
    if len(letters) != len(asked) or re.search(r"[^a-d\s,.;]", answers.lower()):
        print(f'Give {len(asked)} letters from a to d, as in exercises.quiz({chapter}, "a b c d a").')
        return
    for number, (question, letter) in enumerate(zip(asked, letters, strict=True), start=1):
        verdict = "right." if letter == question["right"] else "not yet."
        line = f"{number} {letter}: {verdict} {question['choices'][letter]['why']}"
        print(textwrap.fill(line, 100, break_long_words=False, break_on_hyphens=False))


def right_letters(chapter: int) -> str:
    """Return the right answers of a chapter's quiz, for the teacher: `b d a c b`."""
    return " ".join(question["right"] for question in json.loads(QUESTIONS.read_text(encoding="utf-8"))[str(chapter)])


def questions(chapter: int, asked: list[dict]) -> str:
    """Return the questions of a chapter with their choices, as Markdown that can be read as it is, too."""
    lines = [
        f'**Exit quiz.** Choose a letter for each question. `exercises.quiz({chapter}, "a b c d a")` says how it went.'
    ]
    for number, question in enumerate(asked, start=1):
        lines.append(f"\n{number}. {question['question']}\n")
        lines += [f"   - {letter}: {choice['text']}" for letter, choice in question["choices"].items()]
    return "\n".join(lines)
