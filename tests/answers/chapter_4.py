"""Right and wrong answers to the exercises of chapter 4."""

import math

import numpy as np
import torch
from torchmetrics.functional.classification import multiclass_confusion_matrix


def needed_by_trying(accuracy, error):
    images = 1
    while math.sqrt(accuracy * (1 - accuracy) / images) > error:
        images += 1
    return images


def three(predicted, labels, chosen):
    called, true = predicted == chosen, labels == chosen
    hits = (called & true).sum().item()
    recall, precision = hits / max(1, true.sum().item()), hits / max(1, called.sum().item())
    return recall, precision, 2 * precision * recall / max(1e-9, precision + recall)


def three_by_counting(predicted, labels, chosen):
    hits = missed = intruders = 0
    for p, t in zip(predicted.tolist(), labels.tolist(), strict=True):
        hits += p == chosen and t == chosen
        missed += p != chosen and t == chosen
        intruders += p == chosen and t != chosen
    if hits == 0:
        return 0, 0, 0
    return [hits / (hits + missed), hits / (hits + intruders), hits / (hits + (missed + intruders) / 2)]


def three_in_tensors(predicted, labels, chosen):
    called, true = (predicted == chosen).float(), (labels == chosen).float()
    shares = torch.stack([(called * true).sum() / true.sum(), (called * true).sum() / called.sum()]).nan_to_num()
    return torch.stack([*shares, (2 / (1 / shares).sum()).nan_to_num()])


def three_changed(change):
    return lambda predicted, labels, chosen: change(*three(predicted, labels, chosen))


def three_unguarded(predicted, labels, chosen):
    called, true = predicted == chosen, labels == chosen
    hits = (called & true).sum().item()
    recall, precision = hits / true.sum().item(), hits / called.sum().item()
    return recall, precision, 2 * precision * recall / (precision + recall)


def three_guarding_divisors(predicted, labels, chosen):
    if not (predicted == chosen).any() or not (labels == chosen).any():
        return 0, 0, 0
    return three_unguarded(predicted, labels, chosen)


def three_with_nan(predicted, labels, chosen):
    called, true = predicted == chosen, labels == chosen
    hits = (called & true).sum()
    recall, precision = hits / true.sum(), hits / called.sum()
    return recall, precision, 2 * precision * recall / (precision + recall)


def three_one_for_nothing(predicted, labels, chosen):
    recall, precision, f1 = three(predicted, labels, chosen)
    return recall, precision if (predicted == chosen).any() else 1, f1


def of_all_images(predicted, labels, chosen):
    share = ((predicted == chosen) & (labels == chosen)).float().mean().item()
    return share, share, share


def accuracy_only(predicted, labels, chosen):
    accuracy = (predicted == labels).float().mean().item()
    return accuracy, accuracy, 2 * accuracy * accuracy / (accuracy + accuracy)


def count_in_a_loop(predicted, labels, classes):
    matrix = torch.zeros(classes, classes, dtype=torch.int64)
    for t, p in zip(labels, predicted, strict=True):
        matrix[t, p] += 1
    return matrix


def count_in_lists(predicted, labels, classes):
    matrix = [[0] * classes for _ in range(classes)]
    for t, p in zip(labels.tolist(), predicted.tolist(), strict=True):
        matrix[t][p] += 1
    return matrix


def count_in_one_row(predicted, labels, classes):
    matrix = [[0] * classes] * classes
    for t, p in zip(labels.tolist(), predicted.tolist(), strict=True):
        matrix[t][p] += 1
    return matrix


def count_with_numpy(predicted, labels, classes):
    matrix = np.zeros((classes, classes))
    np.add.at(matrix, (labels.numpy(), predicted.numpy()), 1)
    return matrix


def count_by_bincount(predicted, labels, classes):
    return (classes * labels + predicted).bincount(minlength=classes * classes).reshape(classes, classes)


def count_without_minlength(predicted, labels, classes):
    return (classes * labels + predicted).bincount().reshape(classes, classes)


def count_into_fields(predicted, labels, classes):
    matrix = torch.zeros(classes, classes, dtype=torch.int64)
    return matrix.index_put_((labels, predicted), torch.tensor(1), accumulate=True)


def count_by_masks(predicted, labels, classes):
    return [[((labels == t) & (predicted == p)).sum() for p in range(classes)] for t in range(classes)]


def count_each_pair_once(predicted, labels, classes):
    matrix = torch.zeros(classes, classes, dtype=torch.int64)
    matrix[labels, predicted] += 1
    return matrix


def count_into_a_copy(predicted, labels, classes):
    matrix = torch.zeros(classes, classes, dtype=torch.int64)
    matrix[labels][predicted] += 1
    return matrix


def count_as_many_as_occur(predicted, labels, classes):
    return count_in_a_loop(predicted, labels, int(labels.max()) + 1)


def counted(change):
    return lambda predicted, labels, classes: change(count_by_bincount(predicted, labels, classes))


def mistakes_of_a_run():
    """Most in a row: 7; most in a column: 2; most frequent: 4 as 9; most called: 1, thanks to its diagonal."""
    matrix = torch.diag(torch.tensor([80, 150, 70, 90, 85, 60, 75, 70, 65, 80]))
    for true, read, times in ((4, 9, 10), (7, 2, 5), (7, 3, 5), (7, 1, 5), (3, 2, 8), (8, 2, 2), (0, 6, 1)):
        matrix[true, read] = times
    return {"matrix": matrix}


def below(confidence, is_right, threshold):
    unsure = confidence < threshold
    wrong = ~is_right
    return unsure.float().mean(), (unsure & wrong).sum() / wrong.sum().clamp(min=1)


def below_or_at(confidence, is_right, threshold):
    unsure = confidence <= threshold
    return unsure.float().mean(), (unsure & ~is_right).sum() / (~is_right).sum().clamp(min=1)


def below_by_counting(confidence, is_right, threshold):
    pairs = list(zip(confidence.tolist(), is_right.tolist(), strict=True))
    mistakes = [sure for sure, right in pairs if not right]
    caught = [sure for sure in mistakes if sure < threshold]
    return [sum(sure < threshold for sure, _ in pairs) / len(pairs), len(caught) / len(mistakes) if mistakes else 0]


def below_with_numpy(confidence, is_right, threshold):
    sure, wrong = confidence.numpy(), np.logical_not(is_right.numpy())
    return np.array([(sure < threshold).mean(), (sure[wrong] < threshold).sum() / max(1, wrong.sum())])


def below_unguarded(confidence, is_right, threshold):
    unsure = confidence < threshold
    return unsure.float().mean().item(), (unsure & ~is_right).sum().item() / (~is_right).sum().item()


def below_with_nan(confidence, is_right, threshold):
    unsure = confidence < threshold
    return unsure.float().mean(), unsure[~is_right].float().mean()


def masks(count):
    """Make a wrong answer from the masks of what is below the threshold and what is wrong."""
    return lambda confidence, is_right, threshold: count(confidence < threshold, ~is_right)


CONTEXT = {"4.5": mistakes_of_a_run}

RIGHT = {
    "4.1": [1_000_000, 1e6, torch.tensor(10_000 * 10**2)],
    "4.2": [
        lambda accuracy, error: math.ceil(accuracy * (1 - accuracy) / error**2),
        lambda accuracy, error: math.ceil((math.sqrt(accuracy * (1 - accuracy)) / error) ** 2),
        lambda accuracy, error: torch.tensor((accuracy - accuracy**2) / error**2).ceil().int(),
        needed_by_trying,
    ],
    "4.3": [three, three_by_counting, three_in_tensors, lambda *given: np.array(three(*given))],
    "4.4": [
        count_in_a_loop,
        count_in_lists,
        count_with_numpy,
        count_by_bincount,
        count_into_fields,
        count_by_masks,
    ],
    "4.5": [2, "2", torch.tensor(2), 2.0, [2], {2}],
    "4.6": [below, below_by_counting, below_with_numpy],
}

WRONG = {
    "4.1": [
        (100_000, "what is the root of ten?"),
        (100, "how many *times*"),
        (1_000, "Fewer images"),
        (40_000, "halve it"),
        (31_622.7766, "the other way around"),
        (31_623, "the other way around"),
        (10_000, "as it is"),
        (1_000_001, "1000001 is not right"),
        ("a million", "n is under a root"),
        ((1, 0, 0), "commas"),
    ],
    "4.2": [
        (lambda accuracy, error: math.ceil(accuracy * (1 - accuracy) / error), "both sides are squared"),
        (lambda accuracy, error: (math.sqrt(accuracy * (1 - accuracy)) / error) ** 2, "no part of an image"),
        (lambda accuracy, error: int(accuracy * (1 - accuracy) / error**2), "rounded down"),
        (lambda accuracy, error: math.ceil(accuracy * (1 - accuracy) / error**2) + 1, "one too many"),
        (lambda accuracy, error: int(accuracy * (1 - accuracy) / error**2) + 1, "is exactly 16"),
        (lambda accuracy, error: accuracy * (1 - accuracy) // error**2 + 1, "is exactly 16"),
        (lambda accuracy, error: round(accuracy * (1 - accuracy) / error**2), "rounded down"),
        (lambda accuracy, error: accuracy * (1 - accuracy) / error ^ 2, "is written **"),
        (lambda accuracy, error: accuracy / error**2, "where is 1 − p?"),
        (lambda accuracy, error: accuracy * accuracy / error**2, "p · p"),
        (lambda accuracy, error: (1 - accuracy) / error**2, "where is p?"),
        (lambda accuracy, error: accuracy * (1 - accuracy) / (error / 1.96) ** 2, "There is a 1.96 in it"),
        (lambda accuracy, error: 1.96 * accuracy * (1 - accuracy) / error**2, "There is a 1.96 in it"),
        (lambda accuracy, error: accuracy * (1 - accuracy) / (error / 2) ** 2, "There is a 2 in it"),
        (lambda accuracy, error: math.sqrt(accuracy * (1 - accuracy)) / error, "one step before the end"),
        (lambda accuracy, error: math.sqrt(accuracy * (1 - accuracy)) / error**2, "yours is still in one"),
        (lambda accuracy, error: math.sqrt(accuracy * (1 - accuracy) / error), "in the place of n"),
        (lambda accuracy, error: math.ceil(accuracy * (1 - accuracy)) / error**2, "rounded to 1"),
        (lambda accuracy, error: round(accuracy * (1 - accuracy)) / error**2, "rounded to 0 too early"),
        (lambda accuracy, error: accuracy * (1 - accuracy) / (100 * error) ** 2, "the error in percent"),
        (lambda accuracy, error: accuracy * (100 - accuracy) / error**2, "got mixed"),
        (lambda accuracy, error: accuracy * (1 - accuracy) / (error / 100) ** 2, "got mixed"),
        (lambda accuracy, error: accuracy * (accuracy - 1) / error**2, "Less than none"),
        (lambda accuracy, error: (accuracy, error), "one number"),
        (lambda accuracy, error: 10**9, "a name of the notebook"),
    ],
    "4.3": [
        (three_changed(lambda r, p, f: (p, r, f)), "have changed places"),
        (three_changed(lambda r, p, f: (r, p, (r + p) / 2)), "plain mean of the two"),
        (three_changed(lambda r, p, f: (p, r, (r + p) / 2)), "not their harmonic mean"),
        (three_changed(lambda r, p, f: (f, p, r)), "F1 comes last"),
        (three_changed(lambda r, p, f: (r, p, f / 2)), "the 2 missing"),
        (three_changed(lambda r, p, f: (r, p, r * p)), "product"),
        (three_changed(lambda r, p, f: (100 * r, 100 * p, 100 * f)), "percentages"),
        (three_changed(lambda r, p, f: (r, r, r)), "Recall is there twice"),
        (three_changed(lambda r, p, f: (p, p, p)), "Precision is there twice"),
        (three_changed(lambda r, p, f: (r, p)), "I expected three numbers, `return recall, precision, f1`, and got (0"),
        (three_changed(lambda r, p, f: f), "three numbers"),
        (of_all_images, "divided by all images"),
        (accuracy_only, "That is the accuracy"),
        (lambda predicted, labels, chosen: three(predicted, labels, 7), "numbers of class 7"),
        (lambda predicted, labels, chosen: three(predicted == chosen, labels == chosen, False), "I expected"),
        (
            three_unguarded,
            "ZeroDivisionError: division by zero. There is not one hit. With nothing to divide by, return 0",
        ),
        (three_with_nan, "0 / 0"),
        (three_guarding_divisors, "chosen=2 (the usual case is right): Your code stopped with ZeroDivisionError"),
        (three_one_for_nothing, "not one hit"),
    ],
    "4.4": [
        (counted(lambda matrix: matrix.T), "on its side"),
        (count_each_pair_once, "counted once"),
        (count_into_a_copy, "is a copy"),
        (count_in_one_row, "All rows are the same one"),
        (lambda predicted, labels, classes: count_in_a_loop(predicted, labels, classes).to(torch.uint8), "beyond 255"),
        (lambda predicted, labels, classes: multiclass_confusion_matrix(predicted, labels, classes), "does just that"),
        (counted(lambda matrix: matrix / matrix.sum(dim=1, keepdim=True)), "shares or percentages"),
        (counted(lambda matrix: 100 * matrix / matrix.sum()), "shares or percentages"),
        (counted(lambda matrix: matrix.fill_diagonal_(0)), "The diagonal is empty"),
        (counted(lambda matrix: matrix.diag().diag()), "Only the diagonal"),
        (counted(lambda matrix: matrix.flatten()), "a reshape"),
        (lambda predicted, labels, classes: count_in_a_loop(predicted, labels, 10), "fixed 10"),
        (
            lambda predicted, labels, classes: predicted.bincount(minlength=classes),
            "how often each class was predicted",
        ),
        (lambda predicted, labels, classes: labels.bincount(minlength=classes), "how often each class occurs"),
        (count_without_minlength, "give bincount its minlength"),
        (count_as_many_as_occur, "full of zeros"),
        (lambda predicted, labels, classes: torch.zeros(3, 3), "a name of the notebook"),
    ],
    "4.5": [
        (7, "in its *row*"),
        (4, "Who attracted those images?"),
        (9, "takes part in the most frequent"),
        (1, "only with its diagonal"),
        (5, "Go down each column"),
        (10, "from 0 to 9"),
        (-1, "from 0 to 9"),
        ("two", "the number of a class"),
        (2.5, "the number of a class"),
        ((7, 2), "the number of a class"),
    ],
    "4.6": [
        (lambda *given: tuple(reversed(below(*given))), "have changed places"),
        (lambda *given: [100 * share for share in below(*given)], "Those are percentages"),
        (below_or_at, "< rather than <="),
        (
            masks(lambda unsure, wrong: (unsure.float().mean(), (unsure & (not wrong)).sum())),
            "`not` need one True or False",
        ),
        (masks(lambda unsure, wrong: (unsure.float().mean(), wrong[unsure].float().mean())), "among the *unsure*"),
        (masks(lambda unsure, wrong: (unsure.sum(), (unsure & wrong).sum())), "numbers of images"),
        (masks(lambda unsure, wrong: (unsure.float().mean(), (unsure & wrong).sum())), "The second is a number"),
        (masks(lambda unsure, wrong: (unsure.float().mean(), unsure[~wrong].float().mean())), "`~is_right`"),
        (
            masks(lambda unsure, wrong: (unsure.float().mean(), (unsure & wrong).float().mean())),
            "divided by all images",
        ),
        (masks(lambda unsure, wrong: (unsure.float().mean(), wrong.float().mean())), "among all images"),
        (masks(lambda unsure, wrong: (unsure.float().mean(), (~unsure)[wrong].float().mean())), "slips through"),
        (lambda confidence, is_right, threshold: below(1 - confidence, is_right, 1 - threshold), "*above*"),
        (masks(lambda unsure, wrong: ((~unsure).float().mean(), unsure[wrong].float().mean())), "The first counts"),
        (lambda confidence, is_right, threshold: below(confidence, is_right, 0.9), "shares for 0.9"),
        (masks(lambda unsure, wrong: unsure.float().mean()), "two numbers"),
        (
            masks(lambda unsure, wrong: (unsure.float().mean(), (unsure & wrong).sum() / (~wrong).sum())),
            "the right answers",
        ),
        (
            lambda confidence, is_right, threshold: below(confidence, 1 - is_right, threshold),
            "bool tensor is not supported",
        ),
        (below_unguarded, "there is nothing to catch"),
        (below_with_nan, "0 / 0"),
    ],
}
