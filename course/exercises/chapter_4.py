"""The checks of chapter 4: how exact, recall and precision, the confusion matrix, unsure answers."""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from course.exercises.toolkit import (
    WrongAnswer,
    between,
    call_answer,
    check_edge_case,
    compare,
    describe,
    draw_distinct,
    numbers,
    one_number,
    refuse,
)


def a_tenth(answer: object) -> str:
    """A number: the test images that another digit costs."""
    if isinstance(answer, tuple):
        raise WrongAnswer(f"Python reads commas as a list of numbers, {describe(answer)}. Write the number without them, or with _ in their place.")  # fmt: skip
    common_mistakes = [
        (100_000, "That is ten times as many. The images are under a root: what is the root of ten?"),
        (100, "100 is how many *times* as many. How many images are that?"),
        (1_000, "Fewer images make the standard error larger. You want it smaller."),
        (40_000, "Four times as many images halve it. Here it should become a tenth."),
        (10_000, "That is the test set as it is, with the standard error as it is."),
        (10_000 * 10**0.5, "You took a root of the factor. It is the other way round: which number has the root 10?"),
    ]
    hint = "n is under a root. By what must n be multiplied, so that its root becomes ten times as large?"
    compare(answer, 1e6, "a tenth of the standard error", common_mistakes, hint=hint, reveal=False)
    return "A hundred times as many images, for one more digit that can be trusted."


def images_needed(answer: Callable) -> str:
    """A function that tells how many test images a standard error takes."""

    def exact(p: float, error: float) -> float:
        return p * (1 - p) / error**2

    per_cent = "Per cent and shares got mixed: here 0.9 means 90 %, and 0.005 half a point. Both are between 0 and 1."
    reach = "There is a {} in it. That belongs to the 95 % interval, which reaches 1.96 standard errors to each side. The question is about one standard error."  # fmt: skip
    common_mistakes = [
        (lambda p, e: p * (1 - p) / e, "To free n from the root, both sides are squared. Is your `error` squared too?"),
        (lambda p, e: p / e**2, "It needs p(1 − p). You have only p in it; where is 1 − p?"),
        (lambda p, e: p**2 / e**2, "You have p · p. It should be p times the share of wrong ones."),
        (lambda p, e: (1 - p) / e**2, "It needs p(1 − p). You have only 1 − p in it; where is p?"),
        (lambda p, e: (1 - p) ** 2 / e**2, "You have (1 − p) twice. It should be the right ones times the wrong ones."),
        (lambda p, e: 1.96 * exact(p, e), reach.format(1.96)),
        (lambda p, e: 1.96**2 * exact(p, e), reach.format(1.96)),
        (lambda p, e: 2 * exact(p, e), reach.format(2)),
        (lambda p, e: 4 * exact(p, e), reach.format(2)),
        (lambda p, e: exact(p, e) ** 0.5, "That is the root of the right number. √n = √(p(1 − p)) / error is one step before the end."),
        (lambda p, e: (p * (1 - p)) ** 0.5 / e**2, "p(1 − p) came out of its root, and yours is still in one. Square both sides as a whole."),
        (lambda p, e: (p * (1 - p) / e) ** 0.5, "You put the error in the place of n. Write error = √(p(1 − p)/n), then solve for n."),
        (lambda p, e: 1 / e**2, "p(1 − p) is missing, or was rounded to 1. Round at the very end."),
        (lambda p, e: 0.25 / e**2, "That is the number for p = 0.5, the worst case. Here p is the accuracy that you are given."),
        (lambda p, e: 10_000 * exact(p, e), per_cent),
        (lambda p, e: p * (100 - p) / e**2, per_cent),
        (lambda p, e: exact(p / 100, e), per_cent),
    ]  # fmt: skip
    rounding = [
        (exact, "Nearly: there is no part of an image. Round up at the end."),
        (lambda p, e: math.ceil(exact(p, e)) + 1, "Nearly: one too many. math.ceil rounds up already."),
        (lambda p, e: math.floor(exact(p, e)), "Nearly: rounded down, the images are too few by a part of one. Round up."),
    ]  # fmt: skip
    inputs, rounded_up, wrong = draw_distinct(
        lambda: (between(860, 891) / 1000, between(400, 801) / 100_000),
        lambda p, e: math.ceil(exact(p, e)),
        rounding + common_mistakes,
        gap=3e-5,
    )
    number = one_number(call_answer(answer, *inputs), "one number")
    about = "accuracy={}, error={}".format(*inputs)
    got = f"For {about}, I expected {rounded_up} images and got {describe(number)}."
    refuse([
        (number < 0, f"{got} Less than none? Both are shares: accuracy is at most 1, so 1 − p is not negative."),
        (number <= 1, f"{got} That is next to nothing. A part rounded to 0 too early, the fraction upside down, or the error in per cent?"),
    ])  # fmt: skip
    mistakes = wrong[:3] + [(cut(value), words) for value, words in wrong[3:] for cut in (float, math.floor, math.ceil)]
    hint = "Square both sides of error = √(p(1 − p)/n), then solve for n."
    compare(number, rounded_up, about, mistakes, 1e-5, hint)
    return "Half the error costs four times the images: that is the square."


def recall_precision_f1(answer: Callable) -> str:
    """A function that returns recall, precision and F1 of a class."""
    chosen = (0, 1, 2, 3, 4, 5, 6, 8, 9)[between(0, 9)]  # 7 is the one in the chapter
    hits, missed, intruders = between(30, 36), between(40, 46), between(100, 121)  # recall + precision is far from 1
    others = torch.tensor([k for k in range(10) if k != chosen])
    kinds, calm = others[torch.randint(9, (intruders + missed,))], others.repeat(between(34, 47))
    mine = torch.tensor([chosen])
    labels = torch.cat([mine.repeat(hits + missed), kinds[:intruders], calm])
    read = calm.where(torch.rand(len(calm)) < 0.8, calm.roll(1))  # a neighbour in the list, never `chosen`
    predicted = torch.cat([mine.repeat(hits), kinds[intruders:], mine.repeat(intruders), read])
    order = torch.randperm(len(labels))
    predicted, labels = predicted[order], labels[order]

    right = recall, precision, f1 = _three(predicted, labels, chosen)
    images, mean, accuracy = len(labels), (recall + precision) / 2, (predicted == labels).double().mean().item()
    swapped, only_f1 = "Recall and precision have changed places", "Recall and precision are right, F1 is not."
    same_twice = [
        (hits / images, "You divided by all images. Recall divides by the true ones of this class, precision by the called ones."),
        (1 - (missed + intruders) / images, "You counted every image that is rightly *not* called this class as well; recall and precision leave those out."),
        (hits, "That is the number of hits. A share of what? Recall divides by the true ones, precision by the called ones."),
        (accuracy, "That is the accuracy, which counts all classes. Here only the chosen one is meant."),
        (recall, "Recall is there twice. Precision divides by all that were *called* so."),
        (precision, "Precision is there twice. Recall divides by all that truly *are* so."),
    ]  # fmt: skip
    common_mistakes = [
        ([precision, recall, f1], f"{swapped}. Recall divides by the true ones, precision by the called ones, and recall comes first."),
        ([precision, recall, mean], f"{swapped}, and F1 is not their harmonic mean yet."),
        ([recall, precision, mean], f"{only_f1} That is the plain mean of the two. The harmonic mean is nearer to the smaller one: 2 · precision · recall / (precision + recall)."),
        ([recall, precision, 3 * recall], f"{only_f1} The sum below the line needs brackets: a / (b + c)."),
        ([recall, precision, f1 / 2], f"{only_f1} Is the 2 missing in front?"),
        ([recall, precision, precision * recall], f"{only_f1} That is their product, and something is still to be divided by."),
        ([recall, precision, 2 * precision * recall], f"{only_f1} 2 · precision · recall has to be divided by their sum, which is less than 1: `max(1, …)` would undo that."),
        ([recall, precision, (precision * recall) ** 0.5], f"{only_f1} That is the geometric mean; F1 is the harmonic one."),
        ([recall, precision, accuracy], f"{only_f1} That is the accuracy, which counts all classes."),
        *[([f1, *rest], "F1 comes last: `return recall, precision, f1`.") for rest in (right[:2], right[1::-1])],
        ([100 * share for share in right], "Those are per cent. Shares are between 0 and 1."),
        (_three(predicted, labels, 7), "Those are the three numbers of class 7. Is there still a 7 in your function, in the place of `chosen`?"),
        *[([value, value, third], words) for value, words in same_twice for third in (value, f1)],
    ]  # fmt: skip

    def read_three(got: object) -> Tensor:
        return numbers(got, 3, "three numbers, `return recall, precision, f1`,")

    got, about = read_three(call_answer(answer, predicted, labels, chosen)), f"class {chosen} of {images} images"
    hint = "Recall: of the true ones, how many were called so? Precision: of those called so, how many are true? Use only what the function is given."
    compare(got, right, f"{about} (recall, precision, F1)", common_mistakes, hint=hint)
    never, none = predicted.where(predicted != chosen, others[0]), labels.where(labels != chosen, others[1])
    wanted = "There is not one hit. With nothing to divide by, return 0 for what can't be computed."
    check_edge_case(answer, (never, labels, chosen), [0.0] * 3, "a class that was never called", wanted, read_three)
    check_edge_case(
        answer, (predicted, none, chosen), [0.0] * 3, "a class that no image belongs to", wanted, read_three
    )
    return "All three, in their order, and a class without a single hit gets 0."


def _three(predicted: Tensor, labels: Tensor, chosen: int) -> tuple[float, float, float]:
    called, true = predicted == chosen, labels == chosen
    hits = int((called & true).sum())
    recall, precision = hits / int(true.sum()), hits / int(called.sum())
    return recall, precision, 2 * precision * recall / (precision + recall)


def confusion(answer: Callable) -> str:
    """A function that counts the confusion matrix."""
    classes = between(5, 8)
    labels = torch.cat([torch.arange(classes).repeat(between(4, 7)), torch.randint(classes, (250,)) // 2])
    predicted = (labels + torch.tensor([0, 0, 0, 1, 1, 2])[torch.randint(6, labels.shape)]) % classes
    predicted[:classes] = labels[:classes]
    predicted[-9:], labels[-9:] = 1, 0  # t is read as t, t + 1 or t + 2: never symmetric, and some pairs come often

    def right(predicted: Tensor, labels: Tensor, classes: int) -> Tensor:
        return (classes * labels + predicted).bincount(minlength=classes**2).reshape(classes, classes)

    matrix = right(predicted, labels, classes)
    seen, margin = (matrix > 0).int(), (0, 10 - classes, 0, 10 - classes)
    once = "Each pair was counted once, however often it occurs. In a loop over the images, add 1 instead of writing 1. `matrix[labels, predicted] += 1` without a loop reads, adds and writes back once for all."  # fmt: skip
    shares = [matrix / total for total in (matrix.sum(dim=1, keepdim=True), matrix.sum(dim=0), matrix.sum())]
    common_mistakes = [
        (matrix.T, "That is the matrix on its side: rows should be the true classes, columns the predicted ones."),
        (F.pad(matrix, margin), "There is a fixed 10 in your function. `classes` tells how many there are."),
        (F.pad(matrix.T, margin), "There is a fixed 10 in your function, and the matrix is on its side: rows are true classes."),
        (F.pad(seen, margin), f"{once} And there is a fixed 10 in it."),
        (seen, once),
        (seen.T, f"{once} And it is on its side: rows are the true classes."),
        (0 * matrix, "All zeros. With lists of numbers, `matrix[labels]` is a copy, and `matrix[labels][predicted] += 1` counts into that. Put both indices into one pair of brackets, and mind pairs that occur twice."),
        *[(k * share, "Those are shares or per cent. Return the counts themselves.") for share in shares for k in (1, 100)],
        (matrix - matrix.diag().diag(), "The diagonal is empty. What was read rightly is counted too, in the row and column of its class."),
        (matrix.diag().diag(), "Only the diagonal was counted. The mistakes belong in the matrix as well."),
        (matrix.flatten(), "The counts are right, in one long row. What is missing is a reshape."),
        (matrix.T.flatten(), "The counts are in one long row and on their side. Number the pairs by the true class first, then reshape."),
        (matrix.sum(dim=0), "That tells how often each class was predicted. Here each *pair* of true and predicted class is counted."),
        (matrix.sum(dim=1), "That tells how often each class occurs. Here each *pair* of true and predicted class is counted."),
        (matrix.diag(), "Those are the hits of each class, the diagonal. The mistakes are missing."),
    ]  # fmt: skip
    got, about = call_answer(answer, predicted, labels, classes), f"{len(labels)} images of {classes} classes"
    compare(got, matrix, about, common_mistakes, hint="At [t, p], count the images of class t that were read as p.")
    fewer = predicted.clamp(max=classes - 2), labels.clamp(max=classes - 2), classes
    wanted = "Its row and its column should be there, full of zeros: take the size from `classes`, or give bincount its minlength."
    check_edge_case(answer, fewer, right(*fewer), f"{classes} classes of which the last never occurs", wanted)
    return "Every image is counted once: in the row of what it is, in the column of what it was called."


def attracts(answer: object, matrix: Tensor) -> str:
    """A reading: which class attracts the most mistakes."""
    counts = torch.as_tensor(matrix).detach().cpu()
    text = answer.strip() if isinstance(answer, str) else ""
    number = one_number(int(text) if text.isdecimal() else answer, "the number of a class, 3 say,")
    if number not in range(len(counts)):
        raise WrongAnswer(f"I expected the number of a class, from 0 to {len(counts) - 1}, and got {describe(answer)}.")
    chosen, mistakes = int(number), counts.clone().fill_diagonal_(0)
    columns, rows = mistakes.sum(dim=0), mistakes.sum(dim=1)
    if columns.max() == 0:
        return "In this matrix there is no mistake, so no class attracts any: each answer is as good as yours."
    if columns[chosen] == columns.max():
        return f"Wrongly read images in its column: {columns[chosen]}, of {mistakes.sum()} in all."
    held = f"Class {chosen}'s column holds {columns[chosen]} wrongly read images; another holds {columns.max()}."
    refuse([
        (rows[chosen] == rows.max(), f"{held} Yours has most mistakes in its *row*: its own images, taken for others. Go down the columns."),
        (mistakes[chosen].max() == mistakes.max(), f"{held} One field in your class's row holds the most frequent mistake. Who attracted those images? Add up whole columns."),
        (mistakes[:, chosen].max() == mistakes.max(), f"{held} Your class takes part in the most frequent single mistake. Add up whole columns instead of looking for one large field."),
        (counts[:, chosen].sum() == counts.sum(dim=0).max(), f"{held} Yours has the largest column only with its diagonal, and those are right answers. Leave them out."),
    ])  # fmt: skip
    raise WrongAnswer(f"{held} Go down each column, leave out the diagonal, and add up.")


def handed_on(answer: Callable) -> str:
    """A function that tells what a threshold hands on, and what it catches."""
    caught, alarms, slipped, calm = between(40, 45), between(120, 141), between(18, 21), between(200, 221)
    threshold, images = between(60, 81) / 100, caught + alarms + slipped + calm
    below = 0.3 + (threshold - 0.305) * torch.rand(caught + alarms)  # none within 0.005 of the threshold
    above = (threshold + 0.005) + (0.995 - threshold) * torch.rand(slipped + calm)
    below[-4:], above[:4], above[-4:] = 0.4, 0.85, 0.85  # so that thresholds of 0.5 and of 0.9 differ from this one
    is_right = torch.cat([torch.arange(len(below)) >= caught, torch.arange(len(above)) >= slipped])
    order = torch.randperm(images)
    confidence, is_right = torch.cat([below, above])[order], is_right[order]

    share, mistakes = (caught + alarms) / images, caught + slipped
    found, fixed = caught / mistakes, confidence < 0.9
    fixed_shares = [fixed.double().mean().item(), int((fixed & ~is_right).sum()) / mistakes]
    above_it = "Those are the images *above* the threshold. The unsure ones are below it."
    first, question = "The first share is right.", "The question is: of all mistakes, how many are among them?"
    common_mistakes = [
        ([found, share], "The two numbers have changed places: the share of the images comes first."),
        ([100 * share, 100 * found], "Those are per cent. Shares are between 0 and 1."),
        ([share, 100 * found], "The second is in per cent. Shares are between 0 and 1."),
        ([100 * share, found], "The first is in per cent. Shares are between 0 and 1."),
        ([caught + alarms, caught], "Those are numbers of images. Shares of what? The first of all images, the second of all mistakes."),
        ([share, caught], "The second is a number of images. Divide it by the number of all mistakes."),
        ([caught + alarms, found], "The first is a number of images. Divide it by the number of all images."),
        ([share, caught / (caught + alarms)], f"{first} The second is the share of mistakes among the *unsure* images. {question}"),
        ([share, caught / images], f"{first} For the second you divided by all images. Of all *mistakes*, how many are below?"),
        ([share, mistakes / images], f"{first} The second is the share of mistakes among all images; which of them are below the threshold?"),
        ([share, caught / (alarms + calm)], f"{first} For the second you divided by the right answers. `~is_right` are the mistakes."),
        ([share, alarms / (alarms + calm)], f"{first} The second counts right answers among the unsure. `~is_right` are the mistakes."),
        ([share, alarms / (caught + alarms)], f"{first} The second is the share of the unsure images that are *right*. {question}"),
        ([share, slipped / mistakes], f"{first} The second is what still slips through: the mistakes *above* the threshold."),
        *[([1 - share, wrong], above_it) for wrong in (slipped / mistakes, slipped / (slipped + calm))],
        ([slipped + calm, slipped], above_it),
        ([1 - share, found], "The second share is right. The first counts the images *above* the threshold."),
        (fixed_shares, "Those are the shares for 0.9. Is there still a 0.9 in your function, in the place of `threshold`?"),
    ]  # fmt: skip

    def read(got: object) -> Tensor:
        return numbers(got, 2, "two numbers, (share of the images, share of the mistakes),")

    about = f"{images} images and threshold={threshold} (share of images, share of mistakes)"
    hint = "First count what is below the threshold; then count the mistakes in it, out of all mistakes."
    compare(
        read(call_answer(answer, confidence, is_right, threshold)), [share, found], about, common_mistakes, hint=hint
    )
    flawless = confidence, torch.ones_like(is_right), threshold
    wanted = "With no mistake there is nothing to catch: return 0 for the second."
    check_edge_case(answer, flawless, [share, 0.0], "images without a mistake", wanted, read)
    return "What it costs, and what it catches: so a threshold is weighed, by the validation images."


CHECKS = {
    "4.1": a_tenth,
    "4.2": images_needed,
    "4.3": recall_precision_f1,
    "4.4": confusion,
    "4.5": attracts,
    "4.6": handed_on,
}
