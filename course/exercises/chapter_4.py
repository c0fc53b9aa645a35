"""The checks of chapter 4: how exact, recall and precision, the confusion matrix, unsure answers."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from course.exercises.toolkit import WrongAnswer, as_tensor, call_answer, compare, describe


def between(low: int, high: int) -> int:
    """Return a random whole number, low ≤ it < high."""
    return int(torch.randint(low, high, (1,)))


def price_of_a_digit(answer: object) -> str:
    """A number: the test images that another digit costs."""
    slips = [
        (100_000, "That is ten times as many. The images stand under a root: what is the root of ten?"),
        (100, "100 is how many *times* as many. How many images are that?"),
        (1_000, "Fewer images make the standard error larger. You want it smaller."),
        (40_000, "Four times as many images halve it. Here it shall become a tenth."),
        (10_000, "That is the test set as it is, with the standard error as it is."),
        (10_000 * 10**0.5, "You took a root of the factor. Here the other way round: which number has the root 10?"),
    ]
    hint = "n stands under the root. By what must n be multiplied, so that its root becomes ten times as large?"
    if isinstance(answer, tuple):
        raise WrongAnswer(
            f"Python reads commas as a list of numbers, {describe(answer)}. Write the number without them, or with _ in their place."
        )
    got = as_tensor(answer)
    if got is None or got.numel() != 1:
        raise WrongAnswer(f"I expected one number and got {describe(answer)}. {hint}")
    if not math.isclose(float(got), 1e6, rel_tol=1e-4):  # the right number is not told: it would be the solution
        known = (words for value, words in slips if math.isclose(float(got), value, rel_tol=1e-4))
        shown = answer if isinstance(answer, str) else f"{float(got):,.10g}"
        raise WrongAnswer(f"With {shown} images, the standard error is not a tenth. {next(known, hint)}")
    return "A hundred times as many images, for one more digit that can be trusted."


def images_needed(answer: Callable) -> str:
    """A function that tells how many test images a standard error takes."""
    expected = 0.0
    while not 0.2 < expected % 1 < 0.8:  # so that rounding up, down and not at all are three numbers
        accuracy, error = between(860, 891) / 1000, between(400, 801) / 100_000
        spread, one = accuracy * (1 - accuracy), 1 / error**2
        expected = spread * one
    rounded_up = math.ceil(expected)
    per_cent = "Per cent and shares got mixed: here 0.9 means 90 %, and 0.005 half a point. Both lie between 0 and 1."
    reach = "There is a 1.96 in it. That belongs to the 95 % interval, which reaches 1.96 standard errors to each side. Here one standard error is asked for."  # fmt: skip
    slips = [
        (spread / error, "To free n from the root, both sides are squared. Is your `error` squared too?"),
        (accuracy * one, "It needs p(1 − p). You have only p in it; where is 1 − p?"),
        (accuracy**2 * one, "You have p · p. It should be p times the share of wrong ones."),
        ((1 - accuracy) * one, "It needs p(1 − p). You have only 1 − p in it; where is p?"),
        ((1 - accuracy) ** 2 * one, "You have (1 − p) twice. It should be the right ones times the wrong ones."),
        (1.96 * expected, reach),
        (1.96**2 * expected, reach),
        (2 * expected, reach.replace("1.96", "2", 1)),
        (4 * expected, reach.replace("1.96", "2", 1)),
        (expected**0.5, "That is the root of the right number. √n = √(p(1 − p)) / error is one step before the end."),
        (spread**0.5 * one, "p(1 − p) came out of its root, and yours is still in one. Square both sides as a whole."),
        ((spread / error) ** 0.5, "You put the error in the place of n. Write error = √(p(1 − p)/n), then solve for n."),
        (one, "p(1 − p) is missing, or was rounded to 1. Round at the very end."),
        (0.25 * one, "That is the number for p = 0.5, the worst case. Here p is the accuracy that you are given."),
        (expected * 10_000, per_cent),
        (accuracy * (100 - accuracy) * one, per_cent),
        (accuracy / 100 * (1 - accuracy / 100) * one, per_cent),
    ]  # fmt: skip
    got, about = call_answer(answer, accuracy, error), f"accuracy={accuracy}, error={error}"
    number = as_tensor(got)
    if number is None or number.numel() != 1:
        raise WrongAnswer(f"For {about}, I expected one number and got {describe(got)}.")
    number = float(number)
    if abs(number - rounded_up) < 0.05:
        return "Half the error costs four times the images: that is the square."
    different = f"For {about}, I expected {rounded_up} images and got {number:.10g}."
    if abs(number - expected) < 0.05:
        raise WrongAnswer(f"{different} Nearly: there is no part of an image. Round up at the end.")
    if abs(number - math.floor(expected)) < 0.05:
        raise WrongAnswer(f"{different} Nearly: rounded down, the images are too few by a part of one. Round up.")
    if number < 0:
        raise WrongAnswer(f"{different} Less than none? Both are shares: accuracy is at most 1, so 1 − p is no minus.")
    if number <= 1:
        raise WrongAnswer(f"{different} Next to nothing. A part rounded to 0 too early, the fraction upside down, or the error in per cent?")  # fmt: skip
    for value, words in slips:
        if abs(number - value) <= max(1, 1e-4 * value):  # rounded in whatever way
            raise WrongAnswer(f"{different} {words}")
    raise WrongAnswer(f"{different} Square both sides of error = √(p(1 − p)/n), then solve for n.")


def recall_precision_f1(answer: Callable) -> str:
    """A function that returns recall, precision and F1 of a class."""
    classes, chosen = 10, (0, 1, 2, 3, 4, 5, 6, 8, 9)[between(0, 9)]  # 7 is the one in the chapter
    hits, missed, intruders = between(30, 36), between(40, 46), between(100, 121)  # recall + precision is far from 1
    rest = 10 * between(30, 41)
    others = [k for k in range(classes) if k != chosen]
    calm = torch.tensor(others).repeat(rest // 9 + 1)
    kinds = torch.tensor(others)[torch.randint(0, 9, (intruders + missed,))]
    labels = torch.cat([torch.full((hits + missed,), chosen), kinds[:intruders], calm])
    read = torch.where(torch.rand(len(calm)) < 0.8, calm, calm.roll(1))  # a neighbour in the list, never `chosen`
    called = torch.full((hits,), chosen), kinds[intruders:], torch.full((intruders,), chosen), read
    predicted = torch.cat(called)
    order = torch.randperm(len(labels))
    predicted, labels = predicted[order], labels[order]

    recall, precision = hits / (hits + missed), hits / (hits + intruders)
    f1 = 2 * precision * recall / (precision + recall)
    images, accuracy = len(labels), (predicted == labels).double().mean().item()
    outside = (images - missed - intruders) / images
    right = torch.tensor([recall, precision, f1])
    mean = (recall + precision) / 2
    f1_words = "Recall and precision are right, F1 is not. "
    plain = "That is the plain mean of the two. The harmonic mean lies nearer to the smaller one: 2 · precision · recall / (precision + recall)."  # fmt: skip
    slips = [
        ([precision, recall, f1], "Recall and precision have changed places. Recall divides by the true ones, precision by the called ones, and recall comes first."),
        ([precision, recall, mean], "Recall and precision have changed places, and F1 is not their harmonic mean yet."),
        ([recall, precision, mean], f1_words + plain),
        ([recall, precision, 2 * precision * recall / precision + recall], f1_words + "The sum below the line needs brackets: a / (b + c)."),
        ([recall, precision, f1 / 2], f1_words + "Is the 2 missing in front?"),
        ([recall, precision, precision * recall], f1_words + "That is their product, and something is still to be divided by."),
        ([recall, precision, 2 * precision * recall], f1_words + "2 · precision · recall has to be divided by their sum, which is less than 1: `max(1, …)` would undo that."),
        ([recall, precision, (precision * recall) ** 0.5], f1_words + "That is the geometric mean; F1 is the harmonic one."),
        ([recall, precision, accuracy], f1_words + "That is the accuracy, which counts all classes."),
        (100 * right, "Those are per cent. Shares lie between 0 and 1."),
        (_three_of(predicted, labels, 7), "Those are the three numbers of class 7. Is there still a 7 in your function, in the place of `chosen`?"),
    ]  # fmt: skip
    got, about = call_answer(answer, predicted, labels, chosen), f"class {chosen} of {images} images"
    found = _three_numbers(got, about)
    same_twice = [
        (hits / images, "You divided by all images. Recall divides by the true ones of this class, precision by the called ones."),
        (outside, "You counted every image that is rightly *not* called this class as well; recall and precision leave those out."),
        (accuracy, "That is the accuracy, which counts all classes. Here only the chosen one is meant."),
        (recall, "Recall stands there twice. Precision divides by all that were *called* so."),
        (precision, "Precision stands there twice. Recall divides by all that truly *are* so."),
        (hits, "That is the number of hits. A share of what? Recall divides by the true ones, precision by the called ones."),
    ]  # fmt: skip
    for value, words in same_twice:  # whatever became of F1
        if _is(found[:2], [value, value]):
            raise WrongAnswer(f"For {about}, the first two should be {recall:.4f} and {precision:.4f}; you got {value:.4g} for both. {words}")  # fmt: skip
    hint = "Recall: of the true ones, how many were called so? Precision: of those called so, how many are true? Use only what the function is given."  # fmt: skip
    compare(found, right, f"{about} (recall, precision, F1)", slips, hint=hint)

    never = predicted.where(predicted != chosen, torch.tensor(others[0]))
    _nothing_there(answer, never, labels, chosen, "a class that was never called")
    absent = labels.where(labels != chosen, torch.tensor(others[1]))
    _nothing_there(answer, predicted, absent, chosen, "a class that no image belongs to")
    return "All three, in their order, and a class without a single hit gets 0."


def _three_of(predicted: Tensor, labels: Tensor, chosen: int) -> list[float]:
    called, true = predicted == chosen, labels == chosen
    hits = int((called & true).sum())
    recall, precision = hits / max(1, int(true.sum())), hits / max(1, int(called.sum()))
    return [recall, precision, 2 * precision * recall / max(1e-9, precision + recall)]


def _three_numbers(got: object, about: str) -> Tensor:
    found = as_tensor(got)
    if found is None or found.numel() != 3:
        what = f"{len(got)} things" if isinstance(got, list | tuple) and len(got) != 3 else describe(got)
        raise WrongAnswer(f"For {about}, I expected three numbers, `return recall, precision, f1`, and got {what}.")
    return found.flatten()


def _is(found: Tensor, values: Sequence[float]) -> bool:
    return torch.allclose(found.double(), torch.tensor(values, dtype=torch.float64), atol=1e-4)


def _nothing_there(answer: Callable, predicted: Tensor, labels: Tensor, chosen: int, about: str) -> None:
    wanted = "With nothing to divide by, return 0 for what can't be computed."
    try:
        got = call_answer(answer, predicted, labels, chosen)
    except WrongAnswer as reason:
        if "ZeroDivisionError" not in str(reason):
            raise
        raise WrongAnswer(f"The usual case is right. For {about}: {reason} {wanted}") from None
    found = _three_numbers(got, about)
    if found.isnan().any() or found.isinf().any():
        raise WrongAnswer(f"The usual case is right. For {about}, NaN came out, which is what 0 / 0 gives. {wanted}")
    compare(found, torch.zeros(3), f"{about} (recall, precision, F1)", hint=f"There is not one hit. {wanted}")


def confusion(answer: Callable) -> str:
    """A function that counts the confusion matrix."""
    classes = between(5, 8)
    labels = torch.cat([torch.arange(classes).repeat(between(4, 7)), torch.randint(classes, (250,)) // 2])
    predicted = (labels + torch.tensor([0, 0, 0, 1, 1, 2])[torch.randint(6, labels.shape)]) % classes
    predicted[:classes] = labels[:classes]
    predicted[-9:], labels[-9:] = 1, 0  # t is read as t, t + 1 or t + 2: never symmetric, and some pairs come often
    right = _count(predicted, labels, classes)
    about, totals = f"{len(labels)} images of {classes} classes", right.sum(dim=1, keepdim=True)
    once = "Each pair was counted once, however often it occurs. In a loop over the images, add 1 instead of writing 1. `matrix[labels, predicted] += 1` without a loop reads, adds and writes back once for all."  # fmt: skip
    turned = "That is the matrix on its side: rows should be the true classes, columns the predicted ones."
    shares = "Those are shares or per cent. The counts themselves are asked for."
    padded = torch.nn.functional.pad(right, (0, 10 - classes, 0, 10 - classes))
    seen = (right > 0).to(torch.int64)
    counts = predicted.bincount(minlength=classes), labels.bincount(minlength=classes)
    slips = [
        (right.T, turned),
        (padded, "There is a fixed 10 in your function. `classes` tells how many there are."),
        (padded.T, "There is a fixed 10 in your function, and the matrix lies on its side: rows are true classes."),
        (torch.nn.functional.pad(seen, (0, 10 - classes, 0, 10 - classes)), f"{once} And there is a fixed 10 in it."),
        (seen, once),
        (seen.T, f"{once} And it lies on its side: rows are the true classes."),
        (torch.zeros_like(right), "All zeros. With lists of numbers, `matrix[labels]` is a copy, and `matrix[labels][predicted] += 1` counts into that. Both indices belong into one pair of brackets, and mind pairs that occur twice."),
        (right / totals, shares),
        (100 * right / totals, shares),
        (right / right.sum(), shares),
        (100 * right / right.sum(), shares),
        (right / right.sum(dim=0), shares),
        (100 * right / right.sum(dim=0), shares),
        (right - right.diag().diag(), "The diagonal is empty. What was read rightly is counted too, in the row and column of its class."),
        (right.diag().diag(), "Only the diagonal was counted. The mistakes belong into the matrix as well."),
        (right.flatten(), "The counts are right, in one long row. What is missing is a reshape."),
        (right.T.flatten(), "The counts stand in one long row and on their side. Number the pairs by the true class first, then reshape."),
        (counts[0], "That tells how often each class was predicted. Here each *pair* of true and predicted class is counted."),
        (counts[1], "That tells how often each class occurs. Here each *pair* of true and predicted class is counted."),
        (right.diag(), "Those are the hits of each class, the diagonal. The mistakes are missing."),
    ]  # fmt: skip
    got = call_answer(answer, predicted, labels, classes)
    compare(got, right, about, slips, hint="At [t, p], count the images of class t that were read as p.")

    labels, predicted = labels.clamp(max=classes - 2), predicted.clamp(max=classes - 2)
    about = f"{classes} classes of which the last never occurs"
    missing = "Its row and its column should be there, full of zeros: take the size from `classes`, or give bincount its minlength."  # fmt: skip
    try:
        got = call_answer(answer, predicted, labels, classes)
    except WrongAnswer as reason:
        raise WrongAnswer(f"The usual case is right. For {about}: {reason} {missing}") from None
    compare(got, _count(predicted, labels, classes), about, hint=missing)
    return "Every image is counted once: in the row of what it is, in the column of what it was called."


def _count(predicted: Tensor, labels: Tensor, classes: int) -> Tensor:
    return (classes * labels + predicted).bincount(minlength=classes**2).reshape(classes, classes)


def attracts_most(answer: object, matrix: Tensor) -> str:
    """A reading: which class attracts the most mistakes."""
    counts = torch.as_tensor(matrix).detach().cpu()
    classes = len(counts)
    text = answer.strip() if isinstance(answer, str) else answer
    number = as_tensor(int(text) if isinstance(text, str) and text.isdecimal() else text)
    if number is None or number.numel() != 1 or float(number) % 1 != 0:
        raise WrongAnswer(f"I expected the number of a class, 3 say, and got {describe(answer)}.")
    chosen = int(number)
    if chosen not in range(classes):
        raise WrongAnswer(f"I expected the number of a class, from 0 to {classes - 1}, and got {describe(answer)}.")
    mistakes = counts.clone().fill_diagonal_(0)
    columns, rows = mistakes.sum(dim=0), mistakes.sum(dim=1)
    most = int(columns.max())
    if most == 0:
        return "In this matrix there is no mistake, so no class attracts any: each answer is as good as yours."
    drawn = int(columns[chosen])
    if drawn == most:
        return f"Wrongly read images in its column: {drawn}, of {int(mistakes.sum())} in all."
    held = f"Class {chosen}'s column holds {drawn} wrongly read images; another holds {most}."
    if rows[chosen] == rows.max():
        raise WrongAnswer(f"{held} Yours has most mistakes in its *row*: its own images, taken for others. Go down the columns.")  # fmt: skip
    if mistakes[chosen].max() == mistakes.max():
        raise WrongAnswer(f"{held} One field in your class's row holds the most frequent mistake. Who attracted those images? Add up whole columns.")  # fmt: skip
    if mistakes[:, chosen].max() == mistakes.max():
        raise WrongAnswer(f"{held} Your class takes part in the most frequent single mistake. Add up whole columns instead of looking for one large field.")  # fmt: skip
    if counts[:, chosen].sum() == counts.sum(dim=0).max():
        raise WrongAnswer(f"{held} Yours has the largest column only with its diagonal, and those are right answers. Leave them out.")  # fmt: skip
    raise WrongAnswer(f"{held} Go down each column, leave out the diagonal, and add up.")


def handed_on(answer: Callable) -> str:
    """A function that tells what a threshold hands on, and what it catches."""
    caught, alarms, slipped, calm = between(40, 45), between(120, 141), between(18, 21), between(200, 221)
    threshold, images = between(60, 81) / 100, caught + alarms + slipped + calm
    below = 0.3 + (threshold - 0.305) * torch.rand(caught + alarms)  # none within 0.005 of the threshold
    above = (threshold + 0.005) + (0.995 - threshold) * torch.rand(slipped + calm)
    below[-4:], above[:4], above[-4:] = 0.4, 0.85, 0.85  # so that thresholds of 0.5 and of 0.9 differ from this one
    confidence = torch.cat([below, above])
    is_right = torch.cat([torch.arange(len(below)) >= caught, torch.arange(len(above)) >= slipped])
    order = torch.randperm(images)
    confidence, is_right = confidence[order], is_right[order]

    share, mistakes = (caught + alarms) / images, caught + slipped
    found = caught / mistakes
    fixed = confidence < 0.9
    not_below = "Those are the images *above* the threshold. The unsure ones lie below it."
    among = "The first share is right. The second is the share of mistakes among the *unsure* images. Asked for is: of all mistakes, how many are among them?"  # fmt: skip
    slips = [
        ([found, share], "The two numbers have changed places: the share of the images comes first."),
        ([100 * share, 100 * found], "Those are per cent. Shares lie between 0 and 1."),
        ([share, 100 * found], "The second is in per cent. Shares lie between 0 and 1."),
        ([100 * share, found], "The first is in per cent. Shares lie between 0 and 1."),
        ([caught + alarms, caught], "Those are numbers of images. Shares of what? The first of all images, the second of all mistakes."),
        ([share, caught], "The second is a number of images. Divide it by the number of all mistakes."),
        ([caught + alarms, found], "The first is a number of images. Divide it by the number of all images."),
        ([share, caught / (caught + alarms)], among),
        ([share, caught / images], "The first share is right. For the second you divided by all images. Of all *mistakes*, how many are below?"),
        ([share, mistakes / images], "The first share is right. The second is the share of mistakes among all images; which of them lie below the threshold?"),
        ([share, alarms / (alarms + calm)], "The first share is right. The second counts right answers among the unsure. `~is_right` are the mistakes."),
        ([share, alarms / (caught + alarms)], "The first share is right. The second is the share of the unsure images that are *right*. Asked for is: of all mistakes, how many are among them?"),
        ([share, slipped / mistakes], "The first share is right. The second is what still slips through: the mistakes *above* the threshold."),
        ([1 - share, slipped / mistakes], not_below),
        ([1 - share, found], "The second share is right. The first counts the images *above* the threshold."),
        ([1 - share, slipped / (slipped + calm)], not_below),
        ([slipped + calm, slipped], not_below),
        ([fixed.double().mean(), (fixed & ~is_right).sum() / mistakes], "Those are the shares for 0.9. Is there still a 0.9 in your function, in the place of `threshold`?"),
    ]  # fmt: skip
    got, about = call_answer(answer, confidence, is_right, threshold), f"{images} images and threshold={threshold}"
    compare(_two_numbers(got, about), [share, found], f"{about} (share of images, share of mistakes)", slips, hint="First count what lies below the threshold; then count the mistakes in it, out of all mistakes.")  # fmt: skip

    about = "images without a mistake"
    wanted = "With no mistake there is nothing to catch: return 0 for the second."
    try:
        got = call_answer(answer, confidence, torch.ones_like(is_right), threshold)
    except WrongAnswer as reason:
        if "ZeroDivisionError" not in str(reason):
            raise
        raise WrongAnswer(f"The usual case is right. For {about}: {reason} {wanted}") from None
    both = _two_numbers(got, about)
    if both.isnan().any() or both.isinf().any():
        raise WrongAnswer(f"The usual case is right. For {about}, NaN came out, which is what 0 / 0 gives. {wanted}")
    compare(both, [share, 0.0], f"{about} (share of images, share of mistakes)", hint=wanted)
    return "What it costs, and what it catches: so a threshold is weighed, by the validation images."


def _two_numbers(got: object, about: str) -> Tensor:
    found = as_tensor(got)
    if found is None or found.numel() != 2:
        what = f"{len(got)} things" if isinstance(got, list | tuple) and len(got) != 2 else describe(got)
        raise WrongAnswer(
            f"For {about}, I expected two numbers, (share of the images, share of the mistakes), and got {what}."
        )
    return found.flatten()


CHECKS: dict[str, Callable] = {
    "4.1": price_of_a_digit,
    "4.2": images_needed,
    "4.3": recall_precision_f1,
    "4.4": confusion,
    "4.5": attracts_most,
    "4.6": handed_on,
}
