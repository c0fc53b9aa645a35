"""Right and wrong answers to the exercises of chapter 8."""

import itertools
import math
import statistics

import numpy as np
import pandas as pd
import torch
from scipy import ndimage, stats
from sklearn.metrics import accuracy_score
from torch.nn import functional as F
from torchvision.ops import masks_to_boxes

from helpers import drawing

# --- 8.1 ---


def box(image):
    rows = np.flatnonzero((np.asarray(image) > 0).any(axis=1))
    columns = np.flatnonzero((np.asarray(image) > 0).any(axis=0))
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


def box_by_loops(image):
    height, width = image.shape
    top, bottom, left, right = height, 0, width, 0
    for row in range(height):
        for column in range(width):
            if image[row, column] > 0:
                top, bottom = min(top, row), max(bottom, row + 1)
                left, right = min(left, column), max(right, column + 1)
    return [top, bottom, left, right]


def box_from_outside(image):
    top = left = 0
    bottom, right = image.shape
    while not image[top].any():
        top += 1
    while not image[bottom - 1].any():
        bottom -= 1
    while not image[:, left].any():
        left += 1
    while not image[:, right - 1].any():
        right -= 1
    return top, bottom, left, right


def box_by_torch(image):  # the rows and columns of a tensor; an array has another `nonzero`
    places = image.nonzero()
    top, left = places.min(dim=0).values
    bottom, right = places.max(dim=0).values + 1
    return top, bottom, left, right


def box_from_both_ends(image):
    rows, columns = (image > 0).any(1), (image > 0).any(0)
    top, left = rows.argmax(), columns.argmax()
    return top, len(rows) - rows[::-1].argmax(), left, len(columns) - columns[::-1].argmax()


def box_with_negative_ends(image):
    top, bottom, left, right = box(image)
    height, width = image.shape
    return top, bottom - height or height, left, right - width or width


def box_by_scipy(image):
    rows, columns = ndimage.find_objects((np.asarray(image) > 0).astype(int))[0]
    return rows.start, rows.stop, columns.start, columns.stop


def box_by_torchvision(image):
    left, top, right, bottom = masks_to_boxes(torch.as_tensor(image)[None] > 0)[0].int().tolist()
    return top, bottom + 1, left, right + 1


def box_changed(change):
    return lambda image: change(*map(int, box(image)))


def box_above(least):
    return lambda image: box(np.asarray(image) > least)


def box_as_if_square(image):
    return box(image[:, : len(image)])


def box_by_rows_of_columns(image):
    top, bottom, left, right = len(image), 0, len(image), 0
    for row in range(len(image)):
        for column in range(len(image)):
            if image[row][column]:
                top, bottom = min(top, row), max(bottom, row + 1)
                left, right = min(left, column), max(right, column + 1)
    return top, bottom, left, right


def box_in_reading_order(image):
    rows, columns = np.nonzero(np.asarray(image))
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


def box_by_counting(image):
    rows, columns = (image > 0).any(1), (image > 0).any(0)
    top, left = rows.argmax(), columns.argmax()
    return top, top + rows.sum(), left, left + columns.sum()


def box_until_empty(image):
    def ends(lines):
        start = next(place for place, ink in enumerate(lines) if ink)
        length = sum(1 for _ in itertools.takewhile(bool, lines[start:]))
        return start, start + length

    return *ends((image > 0).any(1)), *ends((image > 0).any(0))


def box_by_sums(image):
    return box(np.outer([sum(row) for row in image], [sum(column) for column in image.T]))


def box_in_place(image):
    image[image > 0] = 1
    return box(image)


def box_true_or_nothing(image):
    top, bottom, left, right = map(int, box(image))
    return top or None, bottom, left or None, right


# --- 8.2 ---


def center(image):
    rows, columns = np.indices(image.shape)
    return np.average(rows, weights=image), np.average(columns, weights=image)


def center_by_loops(image):
    total = row_sum = column_sum = 0.0
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            gray = float(image[row, column])
            total += gray
            row_sum += row * gray
            column_sum += column * gray
    return [row_sum / total, column_sum / total]


def center_by_torch(image):
    gray = image.float()
    rows, columns = torch.meshgrid(*map(torch.arange, gray.shape), indexing="ij")
    return torch.stack([(rows * gray).sum(), (columns * gray).sum()]) / gray.sum()


def center_by_sums(image):
    rows, columns = np.asarray(image).sum(axis=1), np.asarray(image).sum(axis=0)
    return np.arange(len(rows)) @ rows / rows.sum(), np.arange(len(columns)) @ columns / columns.sum()


def center_of_places(image):
    places = np.argwhere(np.asarray(image))
    return np.average(places, axis=0, weights=np.asarray(image)[tuple(places.T)])


def center_changed(change):
    return lambda image: change(*map(float, center_by_sums(image)))


def center_unweighted(image):
    return np.argwhere(np.asarray(image) > 0).mean(axis=0)


def center_in_uint8(image):
    total = row_sum = column_sum = 0
    for row in range(image.shape[0]):
        for column in range(image.shape[1]):
            total += image[row, column]
            row_sum += row * image[row, column]
            column_sum += column * image[row, column]
    return row_sum / total, column_sum / total


def center_with_a_uint8_total(image):
    rows, columns = np.indices(image.shape)
    total = sum(image.flatten())
    return (rows * image).sum() / total, (columns * image).sum() / total


def center_with_uint8_places(image):
    rows, columns = np.indices(image.shape).astype(np.uint8)
    return (rows * image).sum() / image.sum(), (columns * image).sum() / image.sum()


def center_in_half(image):
    half = torch.as_tensor(image).half()
    rows, columns = torch.meshgrid(*(torch.arange(side).half() for side in half.shape), indexing="ij")
    return (rows * half).sum() / half.sum(), (columns * half).sum() / half.sum()


def center_of_box(image):
    top, bottom, left, right = box(image)
    return (top + bottom - 1) / 2, (left + right - 1) / 2


def center_undivided(by):
    def wrong(image):
        rows, columns = np.indices(image.shape)
        return (rows * np.asarray(image)).sum() / by(image), (columns * np.asarray(image)).sum() / by(image)

    return wrong


# --- 8.3 ---


def paired(right_before, right_after):
    difference = right_after.double() - right_before.double()
    return 100 * difference.mean(), 100 * difference.std(correction=0) / math.sqrt(len(difference))


def paired_with_one_less(right_before, right_after):
    difference = right_after.float() - right_before.float()
    return 100 * difference.mean().item(), 100 * (difference.std() / len(difference) ** 0.5).item()


def paired_by_numpy(right_before, right_after):
    difference = 100 * (right_after.numpy().astype(int) - right_before.numpy())
    return np.array([difference.mean(), stats.sem(difference)])


def paired_by_loop(right_before, right_after):
    differences = []
    for before, after in zip(right_before, right_after, strict=True):
        differences.append(100 * (int(after) - int(before)))
    return [statistics.mean(differences), statistics.stdev(differences) / len(differences) ** 0.5]


def paired_by_counts(right_before, right_after):
    n = len(right_before)
    gained, lost = (~right_before & right_after).sum() / n, (right_before & ~right_after).sum() / n
    difference = gained - lost
    return 100 * difference, 100 * ((gained + lost - difference**2) / n) ** 0.5


def paired_by_covariance(right_before, right_after):
    both = torch.stack([right_before, right_after]).double()
    cov = both.cov()
    variance = cov[0, 0] + cov[1, 1] - 2 * cov[0, 1]
    return 100 * (both[1].mean() - both[0].mean()), 100 * (variance.clamp(min=0) / both.shape[1]) ** 0.5


def paired_changed(change):
    """Return an answer that makes its two numbers of the right ones and the number of images."""
    return lambda before, after: change(*map(float, paired(before, after)), len(before))


def error_of(p, n):
    return 100 * (p * (1 - p) / n) ** 0.5


def paired_by_accuracies(error):
    """Return an answer whose error is made of the two accuracies and the number of images."""

    def wrong(before, after):
        p, q = before.float().mean().item(), after.float().mean().item()
        return 100 * (q - p), error(p, q, len(before))

    return wrong


def paired_on_changed(before, after):
    changed = before != after
    return paired(before[changed], after[changed])


def paired_in_uint8(before, after):
    difference = after.numpy().view(np.uint8) - before.numpy().view(np.uint8)
    return 100 * difference.mean(), 100 * difference.std() / len(difference) ** 0.5


def paired_by_xor(before, after):
    return paired(torch.zeros(len(before)), before ^ after)


def paired_from_zero(before, after):
    difference = after.double() - before.double()
    return 100 * difference.mean(), 100 * difference.square().mean().sqrt() / len(difference) ** 0.5


# --- 8.4 ---


def masks(probabilities, labels, threshold):
    largest, predicted = probabilities.max(dim=1)
    return largest >= threshold, predicted != labels


def counted(probabilities, labels, threshold):
    answered, misread = masks(probabilities, labels, threshold)
    return answered.sum(), (answered & misread).sum()


def counted_by_loop(probabilities, labels, threshold):
    answered = wrong = 0
    for row, label in zip(probabilities, labels, strict=True):
        if row.max() >= threshold:
            answered += 1
            wrong += int(row.argmax() != label)
    return answered, wrong


def counted_by_numpy(probabilities, labels, threshold):
    p, y = probabilities.numpy(), labels.numpy()
    kept = p.max(axis=1) >= threshold
    return [np.count_nonzero(kept), np.sum(p[kept].argmax(axis=1) != y[kept])]


def counted_of_lists(probabilities, labels, threshold):
    kept = [(row, y) for row, y in zip(probabilities.tolist(), labels.tolist(), strict=True) if max(row) >= threshold]
    return len(kept), sum(row.index(max(row)) != y for row, y in kept)


def counted_the_other_way(probabilities, labels, threshold):
    unsure = (probabilities < threshold).all(dim=1)
    right = (probabilities.argmax(1) == labels) & ~unsure
    return torch.tensor([len(labels) - unsure.sum(), len(labels) - unsure.sum() - right.sum()])


def counted_changed(change):
    return lambda *given: change(*masks(*given))


def counted_above(probabilities, labels, threshold):
    answered = probabilities.max(dim=1).values > threshold
    return answered.sum(), (answered & (probabilities.argmax(dim=1) != labels)).sum()


def counted_second_above(probabilities, labels, threshold):
    return counted(probabilities, labels, threshold)[0], counted_above(probabilities, labels, threshold)[1]


def counted_of_labels(probabilities, labels, threshold):
    answered = probabilities[torch.arange(len(labels)), labels] >= threshold
    return answered.sum(), (answered & (probabilities.argmax(dim=1) != labels)).sum()


def counted_by_probabilities(probabilities, labels, threshold):
    answered, misread = masks(probabilities, labels, threshold)
    return (probabilities >= threshold).sum(), (answered & misread).sum()


def counted_with_shares(probabilities, labels, threshold):
    answered, misread = masks(probabilities, labels, threshold)
    return answered.sum(), round(accuracy_score(answered & misread, answered) * int(answered.sum()))


def counted_by_division(probabilities, labels, threshold):
    answered, misread = masks(probabilities, labels, threshold)
    count = int(answered.sum())
    return count, int((answered & misread).sum()) / count * count


# --- 8.5 ---


def moved(reader, pixels, labels, step):
    own = pixels.clone().requires_grad_()
    loss = F.nll_loss(reader(own), labels)
    (gradient,) = torch.autograd.grad(loss, own)
    return (pixels + step * gradient.sign()).clamp(0, 1)


def moved_still_requiring_grad(reader, pixels, labels, step):
    own = pixels.clone().requires_grad_()
    gradient = torch.autograd.grad(F.cross_entropy(reader(own), labels, reduction="sum"), [own])[0]
    return torch.clamp(own + step * torch.sign(gradient), 0, 1)


def moved_one_by_one(reader, pixels, labels, step):
    result = []
    for image, label in zip(pixels, labels, strict=True):
        image = image[None].detach().requires_grad_()
        slope = torch.autograd.grad(-reader(image)[0, label], image)[0]
        result.append((image + step * slope.sign()).clip(0, 1).detach())
    return torch.cat(result)


def moved_by_numpy(reader, pixels, labels, step):
    own = torch.tensor(pixels.numpy(), requires_grad=True)
    gradient = torch.autograd.grad(F.nll_loss(reader(own), labels), own)[0].numpy()
    return np.clip(pixels.numpy() + step * np.sign(gradient), 0, 1)


def moved_away_from_the_probability(reader, pixels, labels, step):
    own = pixels.clone().requires_grad_()
    chosen = reader(own).exp()[range(len(labels)), labels]
    return (own - step * torch.autograd.grad(chosen.sum(), own)[0].sign()).clamp(0, 1).detach()


def moved_by_functional(reader, pixels, labels, step):
    slope = torch.func.grad(lambda x: F.nll_loss(reader(x), labels))(pixels)
    return torch.minimum(torch.maximum(pixels + step * slope.sign(), torch.zeros(())), torch.ones(()))


def moved_with_everything_put_back(reader, pixels, labels, step):
    pixels.requires_grad_()
    gradient = torch.autograd.grad(F.nll_loss(reader(pixels), labels), pixels)[0]
    pixels.requires_grad_(False)
    return (pixels + step * gradient.sign()).clamp(0, 1).tolist()


def gradient_of(loss):
    """Return a function that gives the gradient of a loss, of log-probabilities and labels."""

    def gradient(reader, pixels, labels):
        own = pixels.clone().requires_grad_()
        return torch.autograd.grad(loss(reader(own), labels), own)[0]

    return gradient


def moved_changed(change, loss=F.nll_loss):
    """Return an answer that makes its images of the pixels, the gradient and the step."""
    return lambda reader, pixels, labels, step: change(pixels, gradient_of(loss)(reader, pixels, labels), step)


def moved_on(loss, sign=1):
    return moved_changed(lambda x, g, step: (x + sign * step * g.sign()).clamp(0, 1), loss)


def moved_by_backward(reader, pixels, labels, step):
    own = pixels.clone().requires_grad_()
    F.nll_loss(reader(own), labels).backward()
    return (pixels + step * own.grad.sign()).clamp(0, 1)


def moved_by_backward_and_cleared(reader, pixels, labels, step):
    result = moved_by_backward(reader, pixels, labels, step)
    reader.zero_grad()
    return result


def moved_with_the_given(reader, pixels, labels, step):
    pixels.requires_grad_()
    gradient = torch.autograd.grad(F.nll_loss(reader(pixels), labels), pixels)[0]
    return (pixels + step * gradient.sign()).clamp(0, 1)


def moved_in_place(reader, pixels, labels, step):
    pixels += step * gradient_of(F.nll_loss)(reader, pixels, labels).sign()
    return pixels.clamp_(0, 1)


def moved_in_training(reader, pixels, labels, step):
    reader.train()
    return moved(reader, pixels, labels, step)


def moved_by_weights(reader, pixels, labels, step):
    weight = next(reader.parameters())
    return (pixels + step * torch.autograd.grad(F.nll_loss(reader(pixels), labels), weight)[0].sign()).clamp(0, 1)


def moved_first(reader, pixels, labels, step):
    result = pixels.clone()
    result[:1] = moved(reader, pixels[:1], labels[:1], step)
    return result


def moved_first_returned(reader, pixels, labels, step):
    for image, label in zip(pixels, labels, strict=True):
        return moved(reader, image[None], label[None], step)


def moved_without_grad(reader, pixels, labels, step):
    with torch.no_grad():
        return moved(reader, pixels, labels, step)


def moved_by_the_given(reader, pixels, labels, step):
    return pixels + torch.autograd.grad(F.nll_loss(reader(pixels), labels), pixels)[0].sign()


CONTEXT: dict = {}
RIGHT = {
    "8.1": [
        box,
        box_by_loops,
        box_from_outside,
        box_by_torch,
        box_from_both_ends,
        box_with_negative_ends,
        box_by_scipy,
        box_by_torchvision,
        lambda image: torch.tensor(list(map(int, box(image)))),
        lambda image: np.array(box(image)),
    ],
    "8.2": [
        center,
        center_by_loops,
        center_by_torch,
        center_by_sums,
        center_of_places,
        ndimage.center_of_mass,
        lambda image: ndimage.center_of_mass(np.asarray(image)),
        lambda image: tuple(map(float, center(image / 255))),
    ],
    "8.3": [paired, paired_with_one_less, paired_by_numpy, paired_by_loop, paired_by_counts, paired_by_covariance],
    "8.4": [
        counted,
        counted_by_loop,
        counted_by_numpy,
        counted_of_lists,
        counted_the_other_way,
        lambda *given: tuple(map(float, counted(*given))),
    ],
    "8.5": [
        moved,
        moved_still_requiring_grad,
        moved_one_by_one,
        moved_by_numpy,
        moved_away_from_the_probability,
        moved_by_functional,
        moved_with_everything_put_back,
        moved_on(lambda log_probs, labels: F.nll_loss(log_probs.exp(), labels)),
    ],
    "8.6": [
        {"noise", "specks", "gray paper", "fog", "ruled paper"},
        ["fog", "noise", "ruled paper", "specks", "gray paper"],
        ("Fog", "noise ", "ruled_paper", "specks", "grey paper"),
        np.array(["fog", "noise", "ruled paper", "specks", "gray paper"]),
        pd.Series(["fog", "noise", "ruled paper", "specks", "gray paper"], index=[7, 5, 3, 2, 1]),
        frozenset({"noise", "specks", "gray paper", "fog", "ruled paper"}),
    ],
}

WRONG = {
    "8.1": [
        (box_changed(lambda top, bottom, left, right: (top, bottom - 1, left, right - 1)), "A slice ends *before* its second number"),
        (box_changed(lambda top, bottom, left, right: (top, bottom - 1, left, right)), "`bottom` is not."),
        (box_changed(lambda top, bottom, left, right: (top, bottom, left, right - 1)), "`right` is not."),
        (box_changed(lambda top, bottom, left, right: (top, bottom + 1, left, right + 1)), "One too far"),
        (box_changed(lambda top, bottom, left, right: (top + 1, bottom, left + 1, right)), "counted from 1"),
        (box_changed(lambda top, bottom, left, right: (top + 1, bottom + 1, left + 1, right + 1)), "one too large"),
        (box_changed(lambda top, bottom, left, right: (left, right, top, bottom)), "Rows and columns have changed places"),
        (box_changed(lambda top, bottom, left, right: (left, right - 1, top, bottom - 1)), "changed places: top and bottom are numbers of rows, and rows come first. Besides"),
        (box_changed(lambda top, bottom, left, right: (top, bottom - top, left, right - left)), "the height and the width of the box"),
        (box_changed(lambda top, bottom, left, right: (left, top, right - left, bottom - top)), "the height and the width of the box"),
        (box_changed(lambda top, bottom, left, right: (left, top, right, bottom)), "in another order"),
        (lambda image: (0, image.shape[0], 0, image.shape[1]), "That is the whole image"),
        (lambda image: box(np.pad(image, 1)), "one too large"),
        (lambda image: [int(a) + b for a, b in zip(box(image), (-1, 1, -1, 1), strict=True)], "a margin of one pixel"),
        (lambda image: box(np.asarray(image)[::-1, ::-1]), "I expected"),
        (lambda image: (box(image)[0], image.shape[0] - box(image)[1], box(image)[2], image.shape[1] - box(image)[3]), "count from the top"),
        (box_above(127), "Is there a threshold"),
        (box_above(1), "Is there a threshold"),
        (lambda image: box(image >= 128), "Is there a threshold"),
        (lambda image: box(image > np.asarray(image).mean()), "Is there a threshold"),
        (lambda image: box_changed(lambda top, bottom, left, right: (top, bottom - 1, left, right - 1))(image > 50), "Is there a threshold in your function? It cuts off the pale ends of strokes. Besides"),
        (box_as_if_square, "need not be square"),
        (box_by_rows_of_columns, "need not be square"),
        (box_in_reading_order, "row by row"),
        (box_by_counting, "don't count how many there are"),
        (box_until_empty, "not for the first that is empty again"),
        (box_by_sums, "a uint8 begins again at 0"),
        (box_in_place, "changed the"),
        (box_changed(lambda top, bottom, left, right: (float(top), float(bottom), float(left), float(right))), "whole numbers only"),
        (lambda image: image[box(image)[0] : box(image)[1], box(image)[2] : box(image)[3]], "I expected four whole numbers"),
        (lambda image: (slice(*box(image)[:2]), slice(*box(image)[2:])), "I expected four whole numbers"),
        (box_true_or_nothing, "All of it is the box"),
        (drawing.bounding_box, "does just that"),
        (lambda image: (3, 9, 2, 11), "a name of the notebook"),
        (lambda image: image.no_such_thing, "no attribute 'no_such_thing'"),
        ((3, 9, 2, 11), "I expected a function"),
    ],
    "8.2": [
        (center_changed(lambda y, x: (x, y)), "changed places"),
        (center_unweighted, "Each inked pixel was counted once"),
        (lambda image: center_unweighted(image)[::-1], "changed places: the row comes first. Besides: Each inked"),
        (lambda image: center_unweighted(np.asarray(image) * (np.asarray(image) > 127)), "And every pixel above 0 is ink"),
        (center_of_box, "the middle of the box"),
        (lambda image: [(low + high) / 2 for low, high in zip(box(image)[::2], box(image)[1::2], strict=True)], "the middle of the box"),
        (lambda image: [(side - 1) / 2 for side in image.shape], "the middle of the image"),
        (lambda image: [side // 2 for side in image.shape], "the middle of the image"),
        (center_in_uint8, "begins again at 0"),
        (center_with_a_uint8_total, "begins again at 0"),
        (center_with_uint8_places, "begins again at 0"),
        (center_in_half, "I expected"),
        (center_changed(lambda y, x: (y + 1, x + 1)), "not 1"),
        (center_changed(lambda y, x: (y + 0.5, x + 0.5)), "half a pixel"),
        (center_changed(lambda y, x: (round(y), round(x))), "Everything after the decimal point"),
        (center_changed(lambda y, x: (int(y), int(x))), "Everything after the decimal point"),
        (center_changed(lambda y, x: (round(y, 1), round(x, 1))), "That is rounded"),
        (center_changed(lambda y, x: (round(y, 2), round(x, 2))), "That is rounded"),
        (center_undivided(lambda image: 1), "Divide by the sum of the gray values"),
        (center_undivided(lambda image: np.asarray(image).size), "by the number of all pixels"),
        (center_undivided(np.count_nonzero), "by the number of inked pixels"),
        (center_undivided(lambda image: 255), "You divided by 255"),
        (lambda image: [place / side for place, side in zip(center_by_sums(image), image.shape, strict=True)], "shares of the height"),
        (lambda image: center_by_sums(255 - image), "center of the *paper*"),
        (lambda image: np.unravel_index(np.argmax(image), image.shape), "the darkest pixel"),
        (lambda image: center_by_sums(image[::-1] if isinstance(image, np.ndarray) else image.flip(0)), "rows go down"),
        (lambda image: [place - (side - 1) / 2 for place, side in zip(center_by_sums(image), image.shape, strict=True)], "from the middle"),
        (lambda image: center_by_sums(image[:, : len(image)]), "need not be square"),
        (lambda image: center_by_sums(image)[0], "two numbers, (row, column)"),
        (lambda image: image.mean(0), "two numbers, (row, column)"),
        (lambda image: (14, 14), "a name of the notebook"),
    ],
    "8.3": [
        (paired_by_accuracies(lambda p, q, n: math.hypot(error_of(p, n), error_of(q, n))), "for two *different* sets of images"),
        (paired_by_accuracies(lambda p, q, n: error_of(p, n) + error_of(q, n)), "added the errors of two accuracies"),
        (paired_by_accuracies(lambda p, q, n: error_of(q, n)), "accuracy *after* alone"),
        (paired_by_accuracies(lambda p, q, n: error_of(p, n)), "accuracy *before* alone"),
        (paired_by_accuracies(lambda p, q, n: error_of(abs(q - p), n)), "for zeros and ones"),
        (lambda before, after: [part / 100 for part in paired_by_accuracies(lambda p, q, n: math.hypot(error_of(p, n), error_of(q, n)))(before, after)], "not from two accuracies"),
        (paired_changed(lambda d, e, n: (d, e * n**0.5)), "the spread of single differences"),
        (lambda before, after: [100 * f(after.float() - before.float()) for f in (torch.mean, torch.std)], "the spread of single differences"),
        (paired_changed(lambda d, e, n: (d, e / n**0.5)), "the *root* of N"),
        (paired_changed(lambda d, e, n: (d, e**2 / 100)), "a root is missing"),
        (paired_changed(lambda d, e, n: (d, e**2 * n / 100)), "the variance of the differences"),
        (paired_changed(lambda d, e, n: (d / 100, e / 100)), "Those are shares"),
        (lambda before, after: [part / 100 for part in paired_with_one_less(before, after)], "Those are shares"),
        (paired_changed(lambda d, e, n: (d, e / 100)), "The error is a share"),
        (paired_changed(lambda d, e, n: (d / 100, e)), "The difference is a share"),
        (paired_changed(lambda d, e, n: (-d, e)), "after minus before"),
        (lambda before, after: paired_with_one_less(after, before), "after minus before"),
        (paired_changed(lambda d, e, n: (abs(d), e)), "Does abs() hide it"),
        (paired_changed(lambda d, e, n: (e, d)), "The two have changed places"),
        (paired_on_changed, "also those on which nothing changed"),
        (lambda before, after: (paired(before, after)[0], paired_on_changed(before, after)[1]), "only the images that changed are counted"),
        (paired_from_zero, "measured from the mean, not from 0"),
        (paired_by_xor, "in both directions"),
        (lambda before, after: (paired(before, after)[0], paired_by_xor(before, after)[1]), "losses count like gains"),
        (paired_in_uint8, "A uint8 has no −1"),
        (paired_changed(lambda d, e, n: (d, 1.96 * e)), "one standard error"),
        (paired_changed(lambda d, e, n: (d, 2 * e)), "one standard error"),
        (paired_changed(lambda d, e, n: (d * n / 100, e * n / 100)), "Those are numbers of images"),
        (paired_changed(lambda d, e, n: (round(d, 1), round(e, 1))), "That is rounded"),
        (paired_changed(lambda d, e, n: (round(d, 2), round(e, 2))), "That is rounded"),
        (paired_changed(lambda d, e, n: d), "two numbers, (difference, error)"),
        (lambda before, after: (after - before).float().mean(), "call .float() on both first"),
        (lambda before, after: (20.0, 5.0), "a name of the notebook"),
    ],
    "8.4": [
        (counted_above, "exactly at the threshold"),
        (counted_second_above, "The first count is right. An image exactly"),
        (lambda *given: (counted_above(*given)[0], counted(*given)[1]), "The second count is right. An image exactly"),
        (counted_changed(lambda answered, wrong: (answered.float().mean(), (answered & wrong).float().mean())), "no shares"),
        (counted_changed(lambda answered, wrong: (100 * answered.float().mean(), 100 * wrong[answered].float().mean())), "no shares"),
        (counted_changed(lambda answered, wrong: (answered.sum(), wrong[answered].float().mean())), "The second is a share"),
        (counted_changed(lambda answered, wrong: (answered.float().mean(), (answered & wrong).sum())), "The first is a share"),
        (counted_changed(lambda answered, wrong: (answered.sum(), wrong.sum())), "among *all* of them"),
        (counted_changed(lambda answered, wrong: (answered.sum(), (answered & ~wrong).sum())), "those that are read correctly"),
        (counted_changed(lambda answered, wrong: (answered.sum(), (~wrong).sum())), "read correctly, and among all"),
        (counted_changed(lambda answered, wrong: (answered.sum(), (~answered & wrong).sum())), "*below* the threshold"),
        (counted_changed(lambda answered, wrong: (answered.sum(), (~answered | wrong).sum())), "neither right nor wrong"),
        (counted_changed(lambda answered, wrong: (answered.sum(), (~answered).sum())), "the images without an answer"),
        (counted_changed(lambda answered, wrong: ((~answered).sum(), (~answered & wrong).sum())), "which get no answer"),
        (counted_changed(lambda answered, wrong: ((answered & wrong).sum(), answered.sum())), "changed places"),
        (counted_changed(lambda answered, wrong: ((answered & ~wrong).sum(), (answered & wrong).sum())), "All of them are answers"),
        (lambda p, y, threshold: counted(p.log(), y, threshold), "Nothing is answered"),
        (lambda p, y, threshold: counted(p.softmax(dim=1), y, threshold), "Nothing is answered"),
        (lambda p, y, threshold: (0, 0), "Nothing is answered"),
        (lambda p, y, threshold: counted(p.exp(), y, threshold), "Is the threshold used?"),
        (lambda p, y, threshold: counted(p, y, 0.5), "Those are the counts for 0.5"),
        (lambda p, y, threshold: counted(p, y, 0.9), "Those are the counts for 0.9"),
        (counted_of_labels, "nobody knows the truth"),
        (counted_by_probabilities, "Count images, not probabilities"),
        (counted_by_division, "a division by the number of answers"),
        (counted_changed(lambda answered, wrong: (answered, answered & wrong)), "I expected two counts"),
        (counted_changed(lambda answered, wrong: answered.sum()), "I expected two counts"),
        (counted_changed(lambda answered, wrong: (answered.sum(), (answered and wrong).sum())), "one True or False"),
        (lambda p, y, threshold: ((p.max(1).values >= threshold).sum(), (p.argmax(0) != y).sum()), "Print both shapes"),
        (lambda p, y, threshold: (20, 5), "a name of the notebook"),
    ],
    "8.5": [
        (moved_changed(lambda x, g, step: (x - step * g.sign()).clamp(0, 1)), "That is the other direction"),
        (moved_changed(lambda x, g, step: x - step * g.sign()), "Besides: pixels are from 0 to 1"),
        (moved_on(lambda log_probs, labels: log_probs[range(len(labels)), labels].sum()), "That is the other direction"),
        (moved_on(lambda log_probs, labels: log_probs.exp()[range(len(labels)), labels].sum()), "That is the other direction"),
        (moved_changed(lambda x, g, step: (x + step * g).clamp(0, 1)), "You took the gradient itself"),
        (moved_changed(lambda x, g, step: (x + step * g).clamp(0, 1), lambda *given: F.nll_loss(*given, reduction="sum")), "You took the gradient itself"),
        (moved_changed(lambda x, g, step: (x + step * g / g.flatten(1).norm(dim=1)[:, None, None, None]).clamp(0, 1)), "by its length"),
        (moved_changed(lambda x, g, step: x + step * g.sign()), "some of yours are outside"),
        (moved_changed(lambda x, g, step: (x + step * g.sign()).clamp(0)), "some are above 1"),
        (moved_changed(lambda x, g, step: (x + step * g.sign()).clamp(0, 255)), "some are above 1"),
        (moved_changed(lambda x, g, step: (x + step / 255 * g.sign()).clamp(0, 1)), "255 times too short"),
        (moved_changed(lambda x, g, step: (x + g.sign()).clamp(0, 1)), "`step` says how far"),
        (moved_changed(lambda x, g, step: (x + 0.1 * g.sign()).clamp(0, 1)), "Each pixel moved by 0.1"),
        (moved_changed(lambda x, g, step: torch.where(g > 0, x + step, x - step).clamp(0, 1)), "that pixel stays"),
        (moved_changed(lambda x, g, step: (x + step * g.mean(dim=0).sign()).clamp(0, 1)), "in the same direction"),
        (moved_changed(lambda x, g, step: (x * (1 + step * g.sign())).clamp(0, 1)), "You multiplied"),
        (moved_changed(lambda x, g, step: x), "came back as they were"),
        (moved_changed(lambda x, g, step: step * g.sign()), "the change alone"),
        (moved_changed(lambda x, g, step: (x + step * g.sign()).clamp(0, 1).flatten(1)), "the shape is not"),
        (moved_changed(lambda x, g, step: (x + step * g.sign()).clamp(0, 1).squeeze(1)), "the shape is not"),
        (moved_changed(lambda x, g, step: (x + step * g.sign()).round()), "I expected"),
        (moved_first, "Only the first image moved"),
        (moved_first_returned, "Only the first image came back"),
        (moved_by_weights, "with respect to the *weights*"),
        (moved_on(lambda log_probs, labels: F.nll_loss(log_probs, log_probs.argmax(dim=1))), "the class that the reader *answers*"),
        (moved_on(lambda log_probs, labels: log_probs.max(dim=1).values.sum()), "Besides, its probability rises"),
        (moved_on(lambda log_probs, labels: log_probs.sum()), "the sum of all ten"),
        (moved_on(lambda log_probs, labels: F.cross_entropy(log_probs.exp(), labels)), "F.cross_entropy of *probabilities*"),
        (moved_by_backward, "changed `.grad` in the reader's parameters"),
        (moved_by_backward_and_cleared, "changed `.grad` in the reader's parameters"),
        (moved_with_the_given, "switched on gradients for the pixels"),
        (moved_in_place, "changed the tensor"),
        (moved_in_training, "the mode, train() or eval(), of the model"),
        (moved_without_grad, "Is `no_grad` on?"),
        (moved_by_the_given, "requires_grad_() first"),
        (lambda reader, pixels, labels, step: reader(pixels), "I expected shape"),
    ],
    "8.6": [
        (["noise", "fog", "gray paper"], "3 of yours are right. 2 more: whose dots"),
        (["fog"], "1 of yours is right. 4 more"),
        (["noise", "specks", "gray paper", "fog", "ruled paper", "blur"], 'With "blur", the mean of the five seeds is -1.0'),
        (["noise", "specks", "gray paper", "fog", "ruled paper", "hole"], 'With "hole", the mean of the five seeds is -0.7'),
        (["shift", "rotation"], 'With "shift", augmentation *gains* accuracy'),
        (["shear"], 'With "shear", augmentation *gains*'),
        (["none"], 'With "none", the mean of the five seeds is +0.1'),
        (["fog", "rain"], 'There is no "rain". The names are those in the figure: none, shift, rotation'),
        ([], "far to the left of 0"),
        ("noise, specks, gray paper, fog, ruled paper", "I expected names of changes"),
        ([7, 9], "I expected names of changes"),
        (5, "I expected names of changes"),
        (["fog", None], "I expected names of changes"),
        (lambda: {"fog"}, "I expected names of changes"),
    ],
}  # fmt: skip
