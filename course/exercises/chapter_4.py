"""The checks of chapter 4: the standard error, recall and precision, the confusion matrix, unsure answers."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from course.exercises import toolkit
from course.exercises.toolkit import WrongAnswer, between, check_function, compare, describe, refuse
from helpers import evaluation


def a_tenth(answer: object) -> str:
    """A number: the test images that another digit costs."""
    if isinstance(answer, tuple) and len(answer) > 1:
        raise WrongAnswer(f"To Python, commas separate several numbers, here {describe(answer)}. Write the number without them, or with _ instead.")  # fmt: skip
    common_mistakes = [
        (100_000, "That is ten times as many. The number of images is under a root: what is the root of ten?"),
        (100, "100 is how many *times* as many. How many images is that?"),
        (1_000, "Fewer images make the standard error larger. You want it smaller."),
        (40_000, "Four times as many images halve it. Here it should become a tenth."),
        (10_000, "That is the test set as it is, with the standard error as it is."),
        (10_000 * 10**0.5, "You took a root of the factor. It is the other way around: which number has the root 10?"),
        (31_623, "You took a root of the factor. It is the other way around: which number has the root 10?"),
        (990_000, "That is how many *more* it takes. How many images does the test set have in all?"),
    ]
    hint = "n is under a root. What must n be multiplied by to make its root ten times as large?"
    compare(answer, 1e6, "a tenth of the standard error", common_mistakes, 1e-9, hint, reveal=False)
    return "A hundred times as many images, for one more digit that you can trust."


def images_needed(answer: Callable) -> str:
    """A function that tells how many test images a standard error takes."""

    def exact(p: float, error: float) -> float:
        return p * (1 - p) / error**2

    percent = "Percentages and shares got mixed up: here 0.9 means 90 %, and 0.005 means half a point. Both are between 0 and 1."
    reach = "There is a {} in it. That belongs to the 95 % interval, which reaches 1.96 standard errors to each side. The question is about one standard error."  # fmt: skip
    common_mistakes = [
        (lambda p, e: p * (1 - p) / e, "To free n from the root, both sides are squared. Is your `error` squared too?"),
        (lambda p, e: p / e**2, "The formula needs p(1 − p). You have only p; where is 1 − p?"),
        (lambda p, e: p**2 / e**2, "You have p · p. It should be p times the share that is wrong, 1 − p."),
        (lambda p, e: (1 - p) / e**2, "The formula needs p(1 − p). You have only 1 − p; where is p?"),
        (lambda p, e: (1 - p) ** 2 / e**2, "You have (1 − p) twice. It should be the share that is right, p, times the share that is wrong."),
        (lambda p, e: 1.96 * exact(p, e), reach.format(1.96)),
        (lambda p, e: 1.96**2 * exact(p, e), reach.format(1.96)),
        (lambda p, e: 2 * exact(p, e), reach.format(2)),
        (lambda p, e: 4 * exact(p, e), reach.format(2)),
        (lambda p, e: exact(p, e) ** 0.5, "That is the root of the right number. √n = √(p(1 − p)) / error is one step before the end."),
        (lambda p, e: (p * (1 - p)) ** 0.5 / e**2, "Squaring frees p(1 − p) from its root, and yours is still in one. Square both sides as a whole."),
        (lambda p, e: (p * (1 - p) / e) ** 0.5, "You put the error in the place of n. Write error = √(p(1 − p)/n), then solve for n."),
        (lambda p, e: 1 / e**2, "p(1 − p) is missing, or was rounded to 1. Round at the very end."),
        (lambda p, e: 0.25 / e**2, "That is the number for p = 0.5, the worst case. Here p is the accuracy that you are given."),
        (lambda p, e: 10_000 * exact(p, e), percent),
        (lambda p, e: p * (100 - p) / e**2, percent),
        (lambda p, e: exact(p / 100, e), percent),
    ]  # fmt: skip
    down = "Nearly: when rounded down, or to the nearest whole number, the images may be too few by a fraction of one. Round up."
    rounding = [
        (exact, "Nearly: there is no part of an image, only whole ones. Round up at the end."),
        (lambda p, e: math.ceil(exact(p, e)) + 1, "Nearly: one too many. math.ceil rounds up already."),
        (lambda p, e: math.floor(exact(p, e)), down),
        (lambda p, e: round(exact(p, e)), down),
    ]  # fmt: skip

    def right(accuracy: float, error: float) -> int:
        return math.ceil(exact(accuracy, error))

    def read(got: object, *inputs: object) -> float:
        number = toolkit.one_number(got)
        came = f"I got {describe(number)} images."
        refuse([
            (number < 0, f"{came} Less than none? Both are shares: accuracy is at most 1, so 1 − p is never negative."),
            (number < 1, f"{came} That is next to nothing. Was a part rounded to 0 too early, is the fraction upside down, or is the error in percent?"),
        ])  # fmt: skip
        return number

    def draw() -> tuple[float, float]:
        return between(80, 96) / 100, between(40, 201) / 10_000

    mistakes = rounding + [
        (lambda p, e, wrong=wrong, cut=cut: cut(wrong(p, e)), words)
        for wrong, words in common_mistakes
        for cut in (float, math.ceil)
    ]
    hint = "Square both sides of error = √(p(1 − p)/n), then solve for n."
    check_function(answer, draw, right, mistakes, "", hint, 1e-5, read=read)
    for error, images in ((0.125, 16), (0.5, 1)):
        wanted = f"Here p(1 − p)/error² is exactly {images}, so there is nothing to round up: int(…) + 1 or // and + 1 add an image too many, math.ceil doesn't."  # fmt: skip
        toolkit.check_edge_case(answer, (0.5, error), images, f"accuracy=0.5, error={error}", wanted, read)
    return "Half the error costs four times the images: that is the square at work."


def recall_precision_f1(answer: Callable) -> str:
    """A function that returns recall, precision, and F1 of a class."""

    def right(predicted: Tensor, labels: Tensor, chosen: int) -> tuple[float, float, float]:
        called, true = predicted == chosen, labels == chosen
        hits = int((called & true).sum())
        if hits == 0:
            return 0.0, 0.0, 0.0
        recall, precision = hits / int(true.sum()), hits / int(called.sum())
        return recall, precision, 2 * precision * recall / (precision + recall)

    def draw() -> tuple[Tensor, Tensor, int]:
        predicted, labels = torch.tensor([2, 4, 7])[torch.randint(3, (2, 30))]  # 7 is the one in the chapter
        return predicted, labels, (2, 4)[between(0, 2)]

    def mistake(change: Callable[..., tuple], words: str) -> tuple[Callable, str]:
        """Return what an answer gives that makes (recall, precision, F1) of the right three and of some counts."""

        def wrong(predicted: Tensor, labels: Tensor, chosen: int) -> tuple:
            r, p, f = right(predicted, labels, chosen)
            hits = int(((predicted == chosen) & (labels == chosen)).sum())
            either = int(((predicted == chosen) | (labels == chosen)).sum())
            accuracy = (predicted == labels).double().mean().item()
            return change(r, p, f, hits, either, accuracy, len(labels))

        return wrong, words

    swapped, only_f1 = "Recall and precision have changed places", "Recall and precision are right, F1 is not."
    last = "F1 comes last: `return recall, precision, f1`."
    twice = [
        (lambda r, p, f, hits, either, accuracy, n: hits / n, "You divided by all images. Recall divides by the images of this class, precision by the images called this class."),
        (lambda r, p, f, hits, either, accuracy, n: 1 - (either - hits) / n, "You also counted the images that are correctly *not* called this class; recall and precision leave those out."),
        (lambda r, p, f, hits, either, accuracy, n: hits, "That is the number of hits. A share of what? Recall divides by the images of this class, precision by the images called this class."),
        (lambda r, p, f, hits, either, accuracy, n: accuracy, "That is the accuracy, which counts all classes. Here only the chosen one matters."),
        (lambda r, p, f, hits, either, accuracy, n: r, "Recall is there twice. Precision divides by all images *called* this class."),
        (lambda r, p, f, hits, either, accuracy, n: p, "Precision is there twice. Recall divides by all images that truly *are* of this class."),
    ]  # fmt: skip
    common_mistakes = [
        mistake(lambda r, p, f, *more: (p, r, f), f"{swapped}. Recall divides by the images of this class, precision by the images called this class, and recall comes first."),
        mistake(lambda r, p, f, *more: (p, r, (p + r) / 2), f"{swapped}, and F1 is not their harmonic mean yet."),
        mistake(lambda r, p, f, *more: (r, p, (p + r) / 2), f"{only_f1} That is the plain mean of the two. The harmonic mean is closer to the smaller one: 2 · precision · recall / (precision + recall)."),
        mistake(lambda r, p, f, *more: (r, p, 3 * r), f"{only_f1} The sum below the line needs parentheses: a / (b + c)."),
        mistake(lambda r, p, f, *more: (r, p, f / 2), f"{only_f1} Is the 2 missing in front?"),
        mistake(lambda r, p, f, *more: (r, p, p * r), f"{only_f1} That is their product. The 2 in front and the division by their sum are missing."),
        mistake(lambda r, p, f, *more: (r, p, 2 * p * r), f"{only_f1} 2 · precision · recall has to be divided by their sum, which is less than 1: `max(1, …)` would undo that."),
        mistake(lambda r, p, f, *more: (r, p, (p * r) ** 0.5), f"{only_f1} That is the geometric mean; F1 is the harmonic one."),
        mistake(lambda r, p, f, hits, either, accuracy, n: (r, p, accuracy), f"{only_f1} That is the accuracy, which counts all classes."),
        mistake(lambda r, p, f, *more: (f, r, p), last),
        mistake(lambda r, p, f, *more: (f, p, r), last),
        mistake(lambda r, p, f, *more: (100 * r, 100 * p, 100 * f), "Those are percentages. Shares are between 0 and 1."),
        (lambda predicted, labels, chosen: right(predicted, labels, 7), "Those are the three numbers of class 7. Is there still a 7 in your function where `chosen` should be?"),
        *[mistake(lambda *given, of=of, third=third: (of(*given), of(*given), given[2] if third else of(*given)), words) for of, words in twice for third in (False, True)],
    ]  # fmt: skip

    def read(got: object, *inputs: object) -> Tensor:
        return toolkit.numbers(got, 3, "three numbers, `return recall, precision, f1`,")

    def about(predicted: Tensor, labels: Tensor, chosen: int) -> str:
        return f"class {chosen} of {len(labels)} images (recall, precision, F1)"

    hint = "Recall: of the images of this class, what share was called this class? Precision: of the images called this class, what share really is? Use only what the function is given."
    helpers = [evaluation.class_scores]
    by_hand = torch.tensor([0, 0, 4, 7, 4]), torch.tensor([0, 4, 0, 0, 4]), 0  # 1/3, 1/2, 2/5
    check_function(answer, draw, right, common_mistakes, about, hint, edges=[by_hand], read=read, forbidden=helpers)
    wanted = "There is not one hit. With nothing to divide by, return 0 for what can't be computed."
    for predicted, labels in (
        ([4, 7, 4, 7], [2, 2, 4, 7]),  # never called
        ([4, 2, 2, 7], [4, 7, 4, 7]),  # no image belongs to it
        ([4, 2, 2, 7], [2, 4, 7, 2]),  # both, and yet no hit
        ([4, 7], [7, 4]),  # neither
    ):
        inputs = torch.tensor(predicted), torch.tensor(labels), 2
        words = toolkit.show(("predicted", "labels", "chosen"), inputs)
        toolkit.check_edge_case(answer, inputs, [0.0] * 3, words, wanted, read)
    one = torch.tensor([2]), torch.tensor([2]), 2
    toolkit.check_edge_case(answer, one, [1.0] * 3, "a single image, which is a hit", "All three are 1.", read)
    return "All three, in the right order, and a class without a single hit gets 0."


def confusion(answer: Callable) -> str:
    """A function that counts the confusion matrix."""
    # Here, since it takes longer than PyTorch, and every chapter imports all checks.
    from torchmetrics.functional.classification import multiclass_confusion_matrix

    def right(predicted: Tensor, labels: Tensor, classes: int) -> Tensor:
        return (classes * labels + predicted).bincount(minlength=classes**2).reshape(classes, classes)

    def draw(images: int = 0, classes: int = 3) -> tuple[Tensor, Tensor, int]:
        predicted, labels = torch.randint(classes, (2, images or between(7, 10)))
        predicted[-1] = labels[-1] = classes - 1  # so that the last class occurs
        return predicted, labels, classes

    def of_right(change: Callable[[Tensor], object]) -> Callable:
        return lambda predicted, labels, classes: change(right(predicted, labels, classes))

    def share_of(whole: int, axis: Any) -> Callable:
        return of_right(lambda m: whole * m / m.sum(axis, keepdim=True))

    def padded(matrix: Tensor) -> Tensor:
        return F.pad(matrix, (0, 10 - len(matrix)) * 2)

    once = "Each pair was counted once, however often it occurs. In a loop over the images, add 1 instead of writing 1. Without a loop, `matrix[labels, predicted] += 1` reads, adds and writes back only once."
    aliased = "All rows are the same one: `[[0] * n] * n` holds a single row n times, so counting in one counts in all. Make a new row each time: `[[0] * n for _ in range(n)]`."
    shares = "Those are shares or percentages. Return the counts themselves."
    common_mistakes = [
        (of_right(lambda m: m.T), "That is the matrix on its side: rows should be the true classes, columns the predicted ones."),
        (of_right(lambda m: m.sum(0).expand(len(m), -1)), aliased),
        (of_right(lambda m: m.sum(1).expand(len(m), -1)), f"{aliased} Besides, rows should be the true classes."),
        (of_right(padded), "There is a fixed 10 in your function. `classes` tells how many there are."),
        (of_right(lambda m: padded(m.T)), "There is a fixed 10 in your function, and the matrix is on its side: rows are true classes."),
        (of_right(lambda m: padded((m > 0).int())), f"{once} And there is a fixed 10 in it."),
        (of_right(lambda m: (m > 0).int()), once),
        (of_right(lambda m: (m > 0).int().T), f"{once} And it is on its side: rows are the true classes."),
        (of_right(lambda m: 0 * m), "All zeros. With lists of numbers, `matrix[labels]` is a copy, and `matrix[labels][predicted] += 1` adds to that copy. Put both indices in one pair of brackets, and watch out for pairs that occur twice."),
        *[(share_of(k, axis), shares) for k in (1, 100) for axis in (0, 1, (0, 1))],
        (of_right(lambda m: m - m.diag().diag()), "The diagonal is empty. What was read correctly is counted too, in the row and column of its class."),
        (of_right(lambda m: m.diag().diag()), "Only the diagonal was counted. The mistakes belong in the matrix as well."),
        (of_right(lambda m: m + 1), "Each entry is one too large. Did you start from ones instead of zeros?"),
        (of_right(lambda m: m.flatten()), "The counts are right, but in one long row. All that is missing is a reshape."),
        (of_right(lambda m: m.T.flatten()), "The counts are in one long row and on their side. Number the pairs by the true class first, then reshape."),
        (of_right(lambda m: m.sum(dim=0)), "That tells you how often each class was predicted. Here each *pair* of true and predicted class is counted."),
        (of_right(lambda m: m.sum(dim=1)), "That tells you how often each class occurs. Here each *pair* of true and predicted class is counted."),
        (of_right(lambda m: m.diag()), "Those are the hits of each class, the diagonal. The mistakes are missing."),
    ]  # fmt: skip

    def about(predicted: Tensor, labels: Tensor, classes: int) -> str:
        return f"predicted={predicted.tolist()}, labels={labels.tolist()}, classes={classes}" if len(labels) < 12 else f"{len(labels)} images of {classes} classes"  # fmt: skip

    last = torch.tensor([0, 1, 1, 0]), torch.tensor([1, 1, 0, 0]), 3
    first = torch.tensor([2, 1, 2, 2]), torch.tensor([2, 1, 1, 2]), 3
    single = torch.tensor([3]), torch.tensor([3]), 5
    alike = torch.ones(300, dtype=torch.int64), torch.ones(300, dtype=torch.int64), 2
    check_function(
        answer,
        draw,
        right,
        common_mistakes,
        about,
        "At [t, p], count the images of class t that were read as p, in whole numbers that go beyond 255.",
        edges=[draw(200, 7), draw(1), alike],
        forbidden=[multiclass_confusion_matrix],
    )
    wanted = "Its row and its column should be there, full of zeros: take the size from `classes`, or give bincount its minlength."
    for inputs, which in ((last, "last"), (first, "first"), (single, "first")):
        expected, words = right(*inputs), f"{about(*inputs)}, where the {which} class never occurs"
        toolkit.check_edge_case(answer, inputs, expected, words, wanted)
    return "Every image is counted once: in the row of what it is, in the column of what it was called."


def attracts(answer: object, matrix: Tensor) -> str:
    """A reading: which class attracts the most mistakes."""
    counts = torch.as_tensor(matrix).detach().cpu()
    text = answer.strip() if isinstance(answer, str) else ""
    chosen_one = int(text) if text.isdecimal() else answer
    number = toolkit.numbers(chosen_one, 1, "the number of a class, such as 3,", any_order=True).item()
    if number not in range(len(counts)):
        raise WrongAnswer(f"I expected the number of a class, from 0 to {len(counts) - 1}, and got {describe(answer)}.")
    chosen, mistakes = int(number), counts.clone().fill_diagonal_(0)
    columns, rows = mistakes.sum(dim=0), mistakes.sum(dim=1)
    if columns.max() == 0:
        return "There is no mistake in this matrix, so no class attracts any: every answer is as good as yours."
    if columns[chosen] == columns.max():
        return f"Misread images in its column: {columns[chosen]}, of {mistakes.sum()} in all."
    held = f"Class {chosen}'s column holds {columns[chosen]} misread images; another holds {columns.max()}."
    refuse([
        (rows[chosen] == rows.max(), f"{held} Yours has the most mistakes in its *row*: its own images, mistaken for others. Go down the columns."),
        (mistakes[chosen].max() == mistakes.max(), f"{held} One entry in your class's row is the most frequent mistake. Who attracted those images? Add up whole columns."),
        (mistakes[:, chosen].max() == mistakes.max(), f"{held} Your class takes part in the most frequent single mistake. Add up whole columns instead of looking for one large entry."),
        (counts[:, chosen].sum() == counts.sum(dim=0).max(), f"{held} Yours has the largest column only with its diagonal, and those are right answers. Leave them out."),
    ])  # fmt: skip
    raise WrongAnswer(f"{held} Go down each column, leave out the diagonal, and add up.")


def handed_on(answer: Callable) -> str:
    """A function that tells what a threshold hands on, and what it catches."""

    def right(confidence: Tensor, is_right: Tensor, threshold: float) -> tuple[float, float]:
        below, wrong = confidence < threshold, ~is_right
        return below.double().mean().item(), int((below & wrong).sum()) / max(1, int(wrong.sum()))

    def draw() -> tuple[Tensor, Tensor, float]:
        threshold = (0.625, 0.75, 0.875)[between(0, 3)]  # some are exactly there: all of these are whole sixteenths
        confidence = torch.randint(4, 16, (30,)) / 16
        return confidence, torch.rand(30) < 0.6, threshold

    def mistake(change: Callable[..., tuple | float], words: str) -> tuple[Callable, str]:
        """Return what an answer gives that makes its shares of these counts."""

        def wrong(confidence: Tensor, is_right: Tensor, threshold: float) -> tuple | float:
            below, n = confidence < threshold, len(confidence)
            return change(int(below.sum()), int((below & ~is_right).sum()), int((~is_right).sum()) or 1, n)

        return wrong, words

    above_it = "Those are the images *above* the threshold. The unsure ones are below it."
    first, question = "The first share is right.", "The question is: of all mistakes, what share is among them?"
    at = "An image exactly at the threshold is not below it: < rather than <=."
    common_mistakes = [
        (lambda c, r, t: ((c <= t).double().mean().item(), int(((c <= t) & ~r).sum()) / int((~r).sum())), at),
        (lambda c, r, t: ((c < t).double().mean().item(), int(((c <= t) & ~r).sum()) / int((~r).sum())), f"{first} {at}"),
        (lambda c, r, t: ((c <= t).double().mean().item(), int(((c < t) & ~r).sum()) / int((~r).sum())), f"The second share is right. {at}"),
        mistake(lambda below, caught, wrong, n: (caught / wrong, below / n), "The two numbers have changed places: the share of the images comes first."),
        mistake(lambda below, caught, wrong, n: (100 * below / n, 100 * caught / wrong), "Those are percentages. Shares are between 0 and 1."),
        mistake(lambda below, caught, wrong, n: (below / n, 100 * caught / wrong), "The second is a percentage. Shares are between 0 and 1."),
        mistake(lambda below, caught, wrong, n: (100 * below / n, caught / wrong), "The first is a percentage. Shares are between 0 and 1."),
        mistake(lambda below, caught, wrong, n: (below, caught), "Those are numbers of images. Shares of what? The first of all images, the second of all mistakes."),
        mistake(lambda below, caught, wrong, n: (below / n, caught), "The second is a number of images. Divide it by the number of all mistakes."),
        mistake(lambda below, caught, wrong, n: (below, caught / wrong), "The first is a number of images. Divide it by the number of all images."),
        mistake(lambda below, caught, wrong, n: (below / n, caught / max(1, below)), f"{first} The second is the share of mistakes among the *unsure* images. {question}"),
        mistake(lambda below, caught, wrong, n: (below / n, caught / n), f"{first} For the second you divided by all images. Of all *mistakes*, what share is below the threshold?"),
        mistake(lambda below, caught, wrong, n: (below / n, wrong / n), f"{first} The second is the share of mistakes among all images; which of them are below the threshold?"),
        mistake(lambda below, caught, wrong, n: (below / n, caught / max(1, n - wrong)), f"{first} For the second you divided by the right answers. `~is_right` marks the mistakes."),
        mistake(lambda below, caught, wrong, n: (below / n, (below - caught) / max(1, n - wrong)), f"{first} The second counts right answers among the unsure ones. `~is_right` marks the mistakes."),
        mistake(lambda below, caught, wrong, n: (below / n, (below - caught) / max(1, below)), f"{first} The second is the share of the unsure images that are *right*. {question}"),
        mistake(lambda below, caught, wrong, n: (below / n, 1 - caught / wrong), f"{first} The second is what still slips through: the mistakes *above* the threshold."),
        mistake(lambda below, caught, wrong, n: (1 - below / n, 1 - caught / wrong), above_it),
        mistake(lambda below, caught, wrong, n: (n - below, wrong - caught), above_it),
        (lambda c, r, t: ((c > t).double().mean().item(), int(((c > t) & ~r).sum()) / int((~r).sum())), above_it),
        mistake(lambda below, caught, wrong, n: (1 - below / n, caught / wrong), "The second share is right. The first counts the images *above* the threshold."),
        *[(lambda c, r, t, fixed=fixed: right(c, r, fixed), f"Those are the shares for {fixed}. Is there still a {fixed} in your function where `threshold` should be?") for fixed in (0.9, 0.5, 0.99)],
    ]  # fmt: skip

    def read(got: object, *inputs: object) -> Tensor:
        return toolkit.numbers(got, 2, "two numbers, (share of the images, share of the mistakes),")

    def about(confidence: Tensor, is_right: Tensor, threshold: float) -> str:
        return f"{len(confidence)} images and threshold={threshold} (share of images, share of mistakes)"

    few, half = torch.tensor([0.5, 0.75, 0.75, 1.0]), torch.tensor([False, True, False, False])
    edges = [(few, half, 0.75)]
    hint = "First count what is below the threshold; then count the mistakes among those, out of all mistakes."
    check_function(answer, draw, right, common_mistakes, about, hint, edges=edges, read=read)
    flawless = few, torch.ones(4, dtype=torch.bool), 0.75
    for inputs, which, wanted in (
        (flawless, "images without a mistake", "With no mistakes there is nothing to catch: return 0 for the second."),
        ((few, half, 0.25), "a threshold below all images", "None is handed on and none is caught: 0 and 0."),
        ((few, half, 1.1), "a threshold above all images", "All are handed on, so all mistakes are caught: 1 and 1."),
        ((few[:1], half[:1], 0.75), "a single image, misread and unsure", "It is below the threshold: 1 and 1."),
    ):
        toolkit.check_edge_case(answer, inputs, right(*inputs), which, wanted, read)
    return "What it costs, and what it catches: that is how to weigh a threshold, on the validation images."


CHECKS = {
    "4.1": a_tenth,
    "4.2": images_needed,
    "4.3": recall_precision_f1,
    "4.4": confusion,
    "4.5": attracts,
    "4.6": handed_on,
}
