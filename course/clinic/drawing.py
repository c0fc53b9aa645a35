"""The order of suspicion as a picture for one printed page, and in words."""

import textwrap
from collections.abc import Iterator

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from course.clinic.chart import CHART, Question
from helpers.plotting import WIDTH

SIZE = 9.0  # points, of all words but the title
# Inches.
LINE = 1.2 * SIZE / 72
GAP = LINE / 2  # between boxes, from top to bottom
MARGIN = 0.1
TITLE = 0.5
ARROW = 1.15  # from a column to the next, with an answer above it
WIDEST = 2.6  # a box


def flow_chart(title: str, chart: Question = CHART) -> Figure:
    """Draw a chart: an answer leads to the right, `otherwise` down to the next question; mistakes are gray and round.

    A chart may have up to four `columns`, or its boxes would be too narrow for a word.
    """
    figure = Figure()
    axes = figure.add_axes((0, 0, 1, 1))  # all of the page, so that its units are inches
    axes.set_axis_off()
    count = columns(chart)
    width = min(WIDEST, (WIDTH - 2 * MARGIN - (count - 1) * ARROW) / count)
    left = (WIDTH - count * width - (count - 1) * ARROW) / 2
    height = _draw(axes, chart, left, TITLE, width) + MARGIN
    figure.set_size_inches(WIDTH, height)
    axes.set(xlim=(0, WIDTH), ylim=(height, 0))
    figure.suptitle(title, y=1 - 0.2 / height, va="center")
    return figure


def columns(here: Question | str) -> int:
    """Return how many boxes, from left to right, a question and all that follows from it take."""
    if isinstance(here, str):
        return 1
    beside = [1 + columns(then) for _, then in _beside(here)]
    return max([*beside, columns(here.otherwise[1])])


def _answers(question: Question) -> list[tuple[str, Question | str]]:
    """Return the answers in words, each with what follows from it, `otherwise` last."""
    return [*((words, then) for words, _, _, then in question.answers), question.otherwise]


def _beside(question: Question) -> list[tuple[str, Question | str]]:
    """Return the `_answers` whose arrows lead to the right: all but an `otherwise` that leads to a question."""
    answers = _answers(question)
    return answers[:-1] if isinstance(question.otherwise[1], Question) else answers


def _draw(axes: Axes, question: Question, left: float, top: float, width: float) -> float:
    """Draw a question and all that follows from it, and return where it ends; everything in inches.

    Nothing can overlap: each answer has the page to the right of its question, from its own top to its own bottom.
    """
    right, beside = left + width, left + width + ARROW
    lines = _wrap(question.words, width)
    bottom = end = top  # of this box, and of what is drawn so far
    for words, then in _beside(question):
        answer = _wrap(words, ARROW)
        mistake = _wrap(then, width, bold=True) if isinstance(then, str) else []
        row = LINE * max(3.5, len(answer) + 1, len(mistake) + 1.5)
        middle, bottom = end + row / 2, end + row - GAP
        _arrow(axes, (right, middle), (beside, middle))
        axes.text(
            (right + beside) / 2 - 0.04, middle - 0.04, "\n".join(answer), ha="center", va="bottom", fontsize=SIZE
        )  # fmt: skip
        if isinstance(then, str):
            _box(axes, mistake, beside, end, width, bottom - end, mistake=True)
            end += row
        else:
            end = max(end + row, _draw(axes, then, beside, end, width))
    bottom = max(bottom, top + LINE * (len(lines) + 1))
    _box(axes, lines, left, top, width, bottom - top)
    end = max(end, bottom + GAP)
    words, then = question.otherwise
    if isinstance(then, Question):
        answer, middle = _wrap(words, (width + ARROW) / 2), left + width / 2
        end = max(end, bottom + LINE * (len(answer) + 1)) + LINE
        _arrow(axes, (middle, bottom), (middle, end))
        axes.text(middle + 0.08, bottom + LINE / 2, "\n".join(answer), va="top", fontsize=SIZE)
        end = _draw(axes, then, left, end, width)
    return end


def _wrap(words: str, width: float, bold: bool = False) -> list[str]:
    """Return the lines of a text that has `width` inches, borders included: as few as can be, about equally long."""
    letter = (0.66 if bold else 0.58) * SIZE / 72  # on average
    most = int((width - 0.16) / letter)
    least = min(most, max(map(len, words.split())))
    ways = [textwrap.wrap(words, length) for length in range(least, most + 1)]
    return min(ways, key=len)  # of ways with as few lines, the narrowest


def _box(
    axes: Axes, lines: list[str], left: float, top: float, width: float, height: float, mistake: bool = False
) -> None:
    """Draw a box with words in its middle."""
    style = "round,pad=0,rounding_size=0.12" if mistake else "square,pad=0"
    color = "0.85" if mistake else "white"
    axes.add_patch(FancyBboxPatch((left, top), width, height, boxstyle=style, facecolor=color, edgecolor="black"))
    axes.text(
        left + width / 2, top + height / 2, "\n".join(lines), ha="center", va="center", fontsize=SIZE,
        weight="bold" if mistake else "normal",
    )  # fmt: skip


def _arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float]) -> None:
    """Draw an arrow between two places (x, y)."""
    style = {"arrowstyle": "-|>", "color": "black", "shrinkA": 0, "shrinkB": 0, "mutation_scale": 12}
    axes.annotate("", end, start, arrowprops=style)


def in_words(chart: Question = CHART) -> str:
    """Return a chart as a list: each question, numbered, and its answers below it, with what follows from each."""
    questions = list(_questions(chart))
    names = {question: f"go to question {number}" for number, question in enumerate(questions, 1)}
    lines = []
    for number, question in enumerate(questions, 1):
        lines.append(f"Question {number}: {question.words}")
        for words, then in _answers(question):
            lines.append(f"  {words}: {then if isinstance(then, str) else names[then]}.")
    return "\n".join(lines)


def _questions(question: Question) -> Iterator[Question]:
    """Yield a question and all that can follow, in the order in which they are drawn, from the top."""
    yield question
    for _, then in _answers(question):
        if isinstance(then, Question):
            yield from _questions(then)
