"""The order of suspicion: from the signs to the mistake in at most four questions."""

from typing import NamedTuple

NOTHING = "none of the twelve"


class Question(NamedTuple):
    """A question with its answers: an answer in words, the sign and what it says, and what follows from it.

    The answers are tried in order; `otherwise` is the last. Of two that can both be true, the narrower comes first.
    """

    words: str
    answers: tuple[tuple[str, str, str, "Question | str"], ...]
    otherwise: tuple[str, "Question | str"]


CHART = Question(
    "Before training, look at the data and the first loss. Is anything odd?",
    (
        ("images in both sets", "shared images", "some", "validation images in training"),
        ("few classes in a batch", "classes in a batch", "few", "sorted batches"),
        (
            "first loss far above guessing",
            "first loss",
            "high",
            Question(
                "Give the network a blank image, alone and beside others. Same answer?",
                (("no", "blank image", "depends on the others", "softmax over the batch"),),
                ("yes", "pixels from 0 to 255"),
            ),
        ),
    ),
    (
        "no",
        Question(
            "Train on one batch for 100 steps. Is it learned by heart?",
            (
                (
                    "no",
                    "one batch",
                    "not learned",
                    Question(
                        "By what share does an early step change the weights?",
                        (
                            ("a tenth or more", "updates", "large", "learning rate too high"),
                            ("far below a thousandth", "updates", "small", "learning rate too low"),
                        ),
                        (
                            "in between",
                            Question(
                                "What is odd, a gradient or the loss?",
                                (
                                    ("gradient keeps climbing", "gradient", "grows", "no zero_grad"),
                                    ("no gradient in a layer", "gradient", "missing in a layer", "features detached"),
                                    # Not by elimination: a mistake that isn't among the twelve may get here, too.
                                    (
                                        "loss high, most answers right",
                                        "loss and accuracy",
                                        "loss too high",
                                        "softmax twice",
                                    ),
                                ),
                                ("neither", NOTHING),
                            ),
                        ),
                    ),
                ),
            ),
            (
                "yes",
                Question(
                    "Evaluate twice in a row. Same result?",
                    (("no", "evaluated twice", "two results", "no eval"),),
                    (
                        "yes",
                        Question(
                            "How does validation compare with training?",
                            (
                                ("accuracy below guessing", "validation", "worse than guessing", "labels one off"),
                                ("loss far above", "validation", "far above training", "validation not normalized"),
                            ),
                            ("about the same", NOTHING),
                        ),
                    ),
                ),
            ),
        ),
    ),
)


def follow(says: dict[str, str]) -> list[str]:
    """Return the way through the chart: the answers in words, and at the end the mistake.

    Args:
        says: what each sign says, as `helpers.diagnosis.readings` returns it.
    """
    here, way = CHART, list[str]()
    while True:
        answers = [(words, then) for words, sign, reading, then in here.answers if says[sign] == reading]
        words, then = [*answers, here.otherwise][0]
        way.append(words)
        if isinstance(then, str):
            return [*way, then]
        here = then
