"""The order of suspicion: it finds each of the twelve, its picture can be read in print, and its words say the same."""

import re
from collections.abc import Iterator

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from matplotlib.text import Annotation
from matplotlib.transforms import Bbox
from test_plotting import (  # the tests run here, too, on the figures below
    TITLE,
    test_figure_has_a_title,  # noqa: F401
    test_no_text_lies_on_another,  # noqa: F401
    test_text_lies_inside_the_figure,  # noqa: F401
    visible_texts,
)

from course.clinic.chart import CHART, NOTHING, Question, follow
from course.clinic.drawing import flow_chart, in_words
from course.clinic.patients import PATIENTS
from helpers.diagnosis import USUAL

LAST = Question("Third?", (("sometimes, and rarely", "", "", "one"),), ("never", "a mistake that takes many words"))
OTHER = Question(
    "Is the first of all the questions asked?",
    (("no", "", "", Question("A word?", (("it may be", "", "", LAST),), ("certainly not", "two"))),),
    ("in any other case", Question("Is it down here that one is asked?", (("a", "", "", "three"),), ("b", "four"))),
)
CHARTS = {"the twelve": CHART, "four columns": OTHER, "one question": LAST}


@pytest.fixture(params=CHARTS, scope="module")
def chart(request: pytest.FixtureRequest) -> Question:
    return CHARTS[request.param]


@pytest.fixture(scope="module")
def figure(chart: Question) -> Figure:
    figure = flow_chart(TITLE, chart)
    FigureCanvasAgg(figure).draw()
    return figure


def ways(question: Question) -> Iterator[list[str]]:
    """Yield every way through a chart: questions and answers in turn, and at the end the mistake."""
    for words, then in [*((words, then) for words, _, _, then in question.answers), question.otherwise]:
        for rest in [[then]] if isinstance(then, str) else ways(then):
            yield [question.words, words, *rest]


def drawn_boxes(figure: Figure) -> list[FancyBboxPatch]:
    return [patch for patch in figure.axes[0].patches if isinstance(patch, FancyBboxPatch)]


def arrows(figure: Figure) -> list[Bbox]:
    found = [text for text in figure.axes[0].texts if isinstance(text, Annotation)]
    places = [figure.axes[0].transData.transform([arrow.xyann, arrow.xy]) for arrow in found]
    return [Bbox([start, end]) for start, end in places]


# --- the chart ---


@pytest.mark.parametrize("name", PATIENTS)
def test_the_signs_of_a_mistake_lead_to_it(name: str) -> None:
    assert follow(USUAL | PATIENTS[name].signs)[-1] == name


def test_a_healthy_training_has_none_of_the_twelve() -> None:
    assert follow(USUAL)[-1] == NOTHING


def test_at_most_four_questions_lead_to_each_mistake() -> None:
    found = list(ways(CHART))
    assert sorted(mistake for *_, mistake in found) == sorted([*PATIENTS, NOTHING, NOTHING])
    assert max(len(way) // 2 for way in found) == 4


# --- the picture ---


def test_all_questions_answers_and_mistakes_are_drawn_with_whole_words(chart: Question, figure: Figure) -> None:
    drawn = [text.get_text().replace("\n", " ") for text in visible_texts(figure)]
    assert set(drawn) == {words for way in ways(chart) for words in way} | {TITLE}


def test_a_chart_fits_on_a_printed_page(figure: Figure) -> None:
    width, height = figure.get_size_inches()
    assert width == 8
    assert height <= 9.5
    assert min(text.get_fontsize() for text in visible_texts(figure)) >= 8


def test_words_stay_inside_their_boxes_and_off_the_arrows(figure: Figure) -> None:
    found = [(text.get_text(), text.get_window_extent()) for text in visible_texts(figure)]
    texts = [extent for _, extent in found]
    outlines = [box.get_window_extent() for box in drawn_boxes(figure)]
    for outline in outlines:
        inside = [text for text in texts if text.overlaps(outline)]
        assert len(inside) == 1
        assert outline.containsx(inside[0].x0 - 2) and outline.containsx(inside[0].x1 + 2)
        assert outline.containsy(inside[0].y0 - 2) and outline.containsy(inside[0].y1 + 2)
    assert not [words for words, text in found if text.count_overlaps(arrows(figure))]


def test_each_arrow_is_straight_and_leads_from_box_to_box(figure: Figure) -> None:
    outlines = [box.get_window_extent() for box in drawn_boxes(figure)]
    assert len(arrows(figure)) == len(outlines) - 1  # one leads to each but the first
    for arrow in arrows(figure):
        assert abs(arrow.width) < 1 or abs(arrow.height) < 1
        assert sum(outline.padded(2).overlaps(arrow) for outline in outlines) == 2


def test_mistakes_look_different_without_color(chart: Question, figure: Figure) -> None:
    mistakes = {mistake for *_, mistake in ways(chart)}
    for box in drawn_boxes(figure):
        (text,) = [text for text in visible_texts(figure) if text.get_window_extent().overlaps(box.get_window_extent())]
        is_mistake = text.get_text().replace("\n", " ") in mistakes
        red, green, blue = to_rgb(box.get_facecolor())
        assert red == green == blue
        assert (red < 0.9, text.get_weight() == "bold") == (is_mistake, is_mistake)


# --- in words ---


def test_a_chart_in_words() -> None:
    assert in_words(OTHER).splitlines() == [
        "Question 1: Is the first of all the questions asked?",
        "  no: go to question 2.",
        "  in any other case: go to question 4.",
        "Question 2: A word?",
        "  it may be: go to question 3.",
        "  certainly not: two.",
        "Question 3: Third?",
        "  sometimes, and rarely: one.",
        "  never: a mistake that takes many words.",
        "Question 4: Is it down here that one is asked?",
        "  a: three.",
        "  b: four.",
    ]


def test_the_words_of_the_twelve_are_all_there_and_few_enough_for_an_alt_text() -> None:
    words = in_words()
    assert len(words) <= 1500
    for question, answer, *_ in ways(CHART):
        assert question in words
        assert f"  {answer}: " in words
    assert sorted(re.findall(r"^  .*: (?!go to question)(.+)\.$", words, re.M)) == sorted([*PATIENTS, NOTHING, NOTHING])
