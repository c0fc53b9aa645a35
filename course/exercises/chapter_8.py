"""The checks of chapter 8: the box around the ink, its center of mass, paired differences, a threshold, FGSM, a figure."""

import math
from collections.abc import Callable
from contextlib import suppress
from statistics import fmean
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course.exercises import toolkit, trials
from course.exercises.toolkit import Mistakes, WrongAnswer, between, check_edge_case, check_function, refuse
from helpers import drawing, results

Image = Tensor | np.ndarray

# --- images ---


def _image_for(answer: Callable, image: Tensor, count: int) -> Callable[[Tensor], Image]:
    """Return what makes an image that an answer can read: an array, as in the chapter, or else a tensor.

    An answer can read it if so many numbers come back.
    """
    for kind in (Tensor.numpy, Tensor.clone):
        with suppress(WrongAnswer):
            toolkit.numbers(toolkit.call_answer(answer, kind(image)), count, "numbers")
            return kind
    return Tensor.numpy


def _box(ink: Tensor) -> tuple[int, int, int, int]:
    """Return (top, bottom, left, right) of what is True in (height, width), as slices take them."""
    rows, columns = (ink.any(axis).nonzero().flatten().tolist() for axis in (1, 0))
    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1


def _drawn() -> Tensor:
    """Return an image uint8, wider than high, with margins, faint ink at each edge of its box, and a gap both ways."""
    height, width = between(11, 15), between(20, 25)
    top, left = between(1, 4), between(1, 4)
    bottom, right = height - top % 3 - 1, width - left % 3 - 1  # no margin is as wide as the opposite one
    image = torch.zeros(height, width, dtype=torch.uint8)
    dark = torch.randint(200, 255, (bottom - top - 2, right - left - 2))
    image[top + 1 : bottom - 1, left + 1 : right - 1] = dark * (torch.rand(dark.shape) < 0.6)
    image[between(top + 2, bottom - 2)], image[:, between(left + 2, right - 2)] = 0, 0
    image[[top + 1, bottom - 2], [left + 1, right - 2]] = 255
    image[[top, bottom - 1], [right - 2, left + 1]] = 1
    image[[bottom - 2, top + 1], [left, right - 1]] = 1
    return image


def bounding_box(answer: Callable) -> str:
    """A function that finds the box around the ink."""

    def right(image: Image) -> tuple[int, int, int, int]:
        return _box(torch.as_tensor(image) > 0)

    def mistake(change: Callable[..., tuple], words: str) -> tuple[Callable, str]:
        """Return what an answer gives that makes its four numbers of the right ones, the height and the width."""
        return lambda image: change(*right(image), *image.shape), words

    def above(least: int) -> Callable:
        return lambda image: _box(torch.as_tensor(image) > least)

    def gap(change: Callable[[list[int]], int]) -> Callable:
        """Return an answer that finds each end from the rows, or columns, that hold ink."""

        def wrong(image: Image) -> tuple[int, int, int, int]:
            rows, columns = ((torch.as_tensor(image) > 0).any(axis).nonzero().flatten().tolist() for axis in (1, 0))
            return rows[0], change(rows), columns[0], change(columns)

        return wrong

    def in_reading_order(one: int) -> Callable:
        def wrong(image: Image) -> tuple[int, int, int, int]:
            places = torch.as_tensor(image).nonzero().tolist()
            return places[0][0], places[-1][0] + one, places[0][1], places[-1][1] + one

        return wrong

    plus_one = "A slice ends *before* its second number, so it must be one more than the last row or column with ink."
    swapped = "Rows and columns have changed places: top and bottom are numbers of rows, and rows come first."
    order = "All four are right, but in another order: (top, bottom, left, right)."
    sizes = "`bottom` and `right` are places, where a slice ends. You returned the height and the width of the box."
    faint = "Ink is every pixel above 0, however faint. Is there a threshold in your function? It cuts off the pale ends of strokes."
    inside = "There is an empty row or column *inside* the box. A digit may have a gap: look for the last row and column with ink, {}."
    common_mistakes: Mistakes = [
        mistake(lambda top, bottom, left, right, h, w: (top, bottom - 1, left, right - 1), plus_one),
        mistake(lambda top, bottom, left, right, h, w: (top, bottom - 1, left, right), f"`right` is as it should be, `bottom` is not. {plus_one}"),
        mistake(lambda top, bottom, left, right, h, w: (top, bottom, left, right - 1), f"`bottom` is as it should be, `right` is not. {plus_one}"),
        mistake(lambda top, bottom, left, right, h, w: (top + 1, bottom, left + 1, right), "It looks as if you counted from 1. The first row and the first column are number 0, and a slice ends before its second number."),
        mistake(lambda top, bottom, left, right, h, w: (top + 1, bottom + 1, left + 1, right + 1), "All four are one too large. The first row and the first column are number 0."),
        mistake(lambda top, bottom, left, right, h, w: (top, bottom + 1, left, right + 1), "One too far: an empty row and an empty column are left. A slice ends before its second number, so the last row and column with ink plus 1 is enough."),
        mistake(lambda top, bottom, left, right, h, w: (top - 1, bottom + 1, left - 1, right + 1), "There is a margin of one pixel around the ink. The box should have no empty row or column at its edges."),
        mistake(lambda top, bottom, left, right, h, w: (top - 1, bottom, left - 1, right), "An empty row is left at the top, and an empty column on the left. Start *at* the first one with ink."),
        mistake(lambda top, bottom, left, right, h, w: (left, right, top, bottom), swapped),
        mistake(lambda top, bottom, left, right, h, w: (left, right - 1, top, bottom - 1), f"{swapped} Besides: {plus_one}"),
        mistake(lambda top, bottom, left, right, h, w: (top, left, bottom, right), order),
        mistake(lambda top, bottom, left, right, h, w: (left, top, right, bottom), order),
        mistake(lambda top, bottom, left, right, h, w: (bottom, top, right, left), order),
        mistake(lambda top, bottom, left, right, h, w: (top, left, bottom - 1, right - 1), f"They come in another order than (top, bottom, left, right). Besides: {plus_one}"),
        mistake(lambda top, bottom, left, right, h, w: (left, top, right - 1, bottom - 1), f"They come in another order than (top, bottom, left, right). Besides: {plus_one}"),
        *(mistake(change, sizes) for change in (
            lambda top, bottom, left, right, h, w: (top, bottom - top, left, right - left),
            lambda top, bottom, left, right, h, w: (top, bottom - top - 1, left, right - left - 1),
            lambda top, bottom, left, right, h, w: (top, left, bottom - top, right - left),
            lambda top, bottom, left, right, h, w: (left, top, right - left, bottom - top),
        )),
        mistake(lambda top, bottom, left, right, h, w: (top, h - bottom, left, w - right), "`bottom` and `right` count from the top and from the left, too. You returned how many rows are empty below the ink, and how many columns to its right."),
        mistake(lambda top, bottom, left, right, h, w: (0, h, 0, w), "That is the whole image. Ink is above 0; paper is 0."),
        mistake(lambda top, bottom, left, right, h, w: (0, h - 1, 0, w - 1), "That is nearly the whole image. Ink is above 0; paper is 0."),
        (lambda image: right(image[:, : len(image)]), "Your columns end where the rows do. An image need not be square: its width is `image.shape[1]`."),
        (in_reading_order(1), "The rows are right. But the columns are those of the first and the last inked pixel, row by row. Which columns are smallest and largest among *all* of them?"),
        (in_reading_order(0), f"The columns are those of the first and the last inked pixel, row by row. Which are smallest and largest among *all* of them? Besides: {plus_one}"),
        *((above(least), faint) for least in (1, 100, 200, 220, 240, 250, 254)),
        (lambda image: tuple(a - b for a, b in zip(above(100)(image), (0, 1, 0, 1), strict=True)), f"{faint} Besides: {plus_one}"),
        (gap(lambda lines: lines[0] + len(lines)), inside.format("and don't count how many there are")),
        (gap(lambda lines: lines[0] + len(lines) - 1), inside.format("and don't count how many there are")),
        (gap(lambda lines: next(line for line in lines if line + 1 not in lines) + 1), inside.format("not for the first that is empty again")),
        (gap(lambda lines: next(line for line in lines if line + 1 not in lines)), inside.format("not for the first that is empty again")),
    ]  # fmt: skip

    def read(got: object, image: Image) -> Tensor:
        found = toolkit.numbers(got, 4, "four whole numbers, (top, bottom, left, right),")
        given = toolkit.as_tensor(got)
        refuse([(given is not None and given.is_floating_point(), f"I got {', '.join(map(toolkit.describe, found.tolist()))}, with a decimal point. A slice takes whole numbers only: int(…).")])  # fmt: skip
        ends = found[[1, 3]]  # -2 ends a slice two before the edge
        found[[1, 3]] = torch.where(ends < 0, ends + torch.tensor(image.shape), ends)
        return found

    def about(image: Image) -> str:
        return f"an image {tuple(image.shape)} (top, bottom, left, right)"

    small = torch.tensor([[0, 0, 0, 0], [0, 9, 0, 0], [0, 0, 200, 0]], dtype=torch.uint8)
    as_given = _image_for(answer, small, 4)
    hint = "Which rows hold ink, a pixel above 0? `top` is the first of them, `bottom` one more than the last. Columns likewise."
    check_function(
        answer,
        lambda: (as_given(_drawn()),),
        right,
        common_mistakes,
        about,
        hint,
        edges=[(as_given(small),), (as_given(_drawn().T.contiguous()),)],
        read=read,
        forbidden=[drawing.bounding_box],
    )
    for pixels, which, wanted in [
        ([[7]], "an image of a single pixel, which is ink", "All of it is the box: (0, 1, 0, 1)."),
        ([[3, 0, 0], [0, 0, 0], [0, 0, 5]], "ink in two opposite corners", "The box reaches from edge to edge. Is a place of 0 taken for nothing found, or does -0 end a slice?"),
        ([[255] * 5] * 3, "an image full of ink", "All of it is the box, and `bottom` and `right` are its height and width."),
        ([[0, 128, 128, 0], [0, 50, 50, 0], [0, 128, 128, 0]], "two pixels of 128 in a row", "128 + 128 is 256, and a uint8 begins again at 0 there: the row looks empty. Ask whether any pixel is above 0 instead of adding up."),
        ([[0, 0, 0, 0, 0], [0, 0, 1, 0, 0]], "a single faint pixel, 1", "Ink is every pixel above 0. The box holds this one."),
    ]:  # fmt: skip
        image = torch.tensor(pixels, dtype=torch.uint8)
        shown = f"{which}, {pixels}" if image.numel() <= 12 else which
        check_edge_case(answer, (as_given(image),), right(image), shown, wanted, read)
    return "All ink is inside, and no empty row or column is left at the edges, not even around the palest pixel."


def center_of_mass(answer: Callable) -> str:
    """A function that finds the center of mass of the ink."""

    def center(weights: Tensor) -> tuple[float, float]:
        rows, columns = (weights.double().sum(axis) for axis in (1, 0))
        middles = [each @ torch.arange(len(each)).double() / each.sum() for each in (rows, columns)]
        return middles[0].item(), middles[1].item()

    def right(image: Image) -> tuple[float, float]:
        return center(torch.as_tensor(image))

    def mistake(change: Callable[..., Any], words: str) -> tuple[Callable, str]:
        """Return what an answer gives that makes its two numbers of the right ones, the height and the width."""
        return lambda image: change(*right(image), *image.shape), words

    def of_sums(change: Callable[[Tensor, Tensor, Tensor], Tensor]) -> Callable:
        """Return an answer that makes both numbers of the places and the gray values, int64 (pixels,), and a count."""

        def wrong(image: Image) -> Tensor:
            gray = torch.as_tensor(image).long()
            places = torch.ones_like(gray).nonzero().T
            return torch.stack([change(place, gray.flatten(), (gray > 0).sum()) for place in places])

        return wrong

    def inked(image: Image) -> Tensor:
        return torch.as_tensor(image) > 0

    def of_box(end: int) -> Callable:
        def wrong(image: Image) -> tuple[float, float]:
            top, bottom, left, right = _box(inked(image))
            return (top + bottom - end) / 2, (left + right - end) / 2

        return wrong

    swapped = "Row and column have changed places: the row comes first."
    once = "Each inked pixel was counted once, however dark. A pixel of 200 should count twice as much as one of 100: weight each place by its gray value."
    box = "That is the middle of the box around the ink. Where there is more ink, or darker ink, the center of mass moves toward it."
    middle = "That is the middle of the image, wherever the ink is."
    overflow = "A uint8 holds 0 to 255 and then begins again at 0. Sums and products of gray values need more room: make floats of them first, such as float(…), .astype(float) or .float()."
    not_yet = "That is place × gray value, added up. Divide by the sum of the gray values."
    shares = "Those are shares of the height and the width. Return the row and the column in pixels."
    common_mistakes: Mistakes = [
        mistake(lambda y, x, h, w: (x, y), swapped),
        (lambda image: center(inked(image)), once),
        (lambda image: center(inked(image))[::-1], f"{swapped} Besides: {once}"),
        *((lambda image, least=least: center(torch.as_tensor(image) > least), f"{once} And every pixel above 0 is ink.") for least in (100, 127)),
        (of_box(1), box),
        (of_box(0), box),
        *(mistake(change, middle) for change in (
            lambda y, x, h, w: ((h - 1) / 2, (w - 1) / 2),
            lambda y, x, h, w: (h / 2, w / 2),
            lambda y, x, h, w: (h // 2, w // 2),
        )),
        *((of_sums(change), overflow) for change in (
            lambda place, gray, inked: (place * gray).sum() % 256 / (gray.sum() % 256),
            lambda place, gray, inked: (place * gray % 256).sum() / gray.sum(),
            lambda place, gray, inked: (place * gray).sum() / (gray.sum() % 256),
            lambda place, gray, inked: (place * gray).sum() % 256 / gray.sum(),
            lambda place, gray, inked: (place * gray % 256).sum() / (gray.sum() % 256),
        )),
        mistake(lambda y, x, h, w: (y + 1, x + 1), "Both are one too large. The first row and the first column are number 0, not 1."),
        mistake(lambda y, x, h, w: (y + 0.5, x + 0.5), "Both are half a pixel too large: a pixel's place is its number, counted from 0."),
        mistake(lambda y, x, h, w: (round(y), round(x)), toolkit.CUT_OFF),
        mistake(lambda y, x, h, w: (int(y), int(x)), toolkit.CUT_OFF),
        *(mistake(lambda y, x, h, w, digits=digits: (round(y, digits), round(x, digits)), toolkit.ROUNDED) for digits in (1, 2)),
        (of_sums(lambda place, gray, inked: (place * gray).sum()), not_yet),
        (of_sums(lambda place, gray, inked: (place * gray).double().mean()), f"{not_yet} You divided by the number of all pixels."),
        (of_sums(lambda place, gray, inked: (place * gray).sum() / inked), f"{not_yet} You divided by the number of inked pixels."),
        (of_sums(lambda place, gray, inked: (place * gray).sum() / 255 / inked), f"{not_yet} You divided by 255 and by the number of inked pixels."),
        (of_sums(lambda place, gray, inked: (place * gray).sum() / 255), f"{not_yet} You divided by 255."),
        mistake(lambda y, x, h, w: (y / h, x / w), shares),
        mistake(lambda y, x, h, w: (y / (h - 1), x / (w - 1)), shares),
        mistake(lambda y, x, h, w: (h - 1 - y, x), "The column is right, the row is not: row 0 is at the top, and rows go down."),
        mistake(lambda y, x, h, w: (y - (h - 1) / 2, x - (w - 1) / 2), "That is how far the ink is from the middle. Count rows from the top, and columns from the left."),
        mistake(lambda y, x, h, w: (y - h / 2, x - w / 2), "That is how far the ink is from the middle. Count rows from the top, and columns from the left."),
        (lambda image: center(255 - torch.as_tensor(image)), "That is the center of the *paper*. Ink is dark where the number is large: 255 is full ink, 0 is paper."),
        (lambda image: divmod(int(torch.as_tensor(image).flatten().long().argmax()), image.shape[1]), "That is the darkest pixel's place. Take the mean over all of them, weighted by gray value."),
        (lambda image: center(torch.as_tensor(image)[:, : len(image)]), "Your columns end where the rows do. An image need not be square: its width is `image.shape[1]`."),
    ]  # fmt: skip

    def draw() -> tuple[Image]:
        gray = torch.randint(1, 255, (between(7, 10), between(13, 17)))
        gray *= torch.rand(gray.shape) < torch.linspace(0.3, 0.9, gray.shape[1])
        gray[: between(1, 3)], gray[:, : between(2, 4)] = 0, 0  # so that the ink's box is not the whole image
        gray[between(3, 6), between(5, 10)] = 255  # the darkest
        return (as_given(gray.to(torch.uint8)),)

    def read(got: object, *inputs: object) -> Tensor:
        return toolkit.numbers(got, 2, "two numbers, (row, column),")

    def about(image: Image) -> str:
        return f"an image {tuple(image.shape)} (row, column)"

    small = torch.tensor([[0, 0, 0, 0], [0, 50, 0, 0], [0, 0, 0, 150]], dtype=torch.uint8)  # (1.75, 2.5)
    as_given = _image_for(answer, small, 2)
    hint = "Multiply each row's number by the ink in that row, add up, and divide by all the ink. Columns likewise."
    check_function(
        answer, draw, right, common_mistakes, about, hint, edges=[(as_given(small),), (as_given(small.T.contiguous()),)], read=read
    )  # fmt: skip
    for image, which, wanted in [
        (torch.tensor([[9]], dtype=torch.uint8), "an image of a single pixel, which is ink", "It is at (0, 0), counted from 0."),
        (torch.tensor([[0, 0, 0], [0, 0, 1]], dtype=torch.uint8), "a single faint pixel, [[0, 0, 0], [0, 0, 1]]", "Its own place is the center: (1, 2)."),
    ]:  # fmt: skip
        check_edge_case(answer, (as_given(image),), right(image), which, wanted, read)
    return (
        "Each pixel counts as much as its ink. This is the point that MNIST's makers moved to the middle of each image."
    )


# --- 8.3 and 8.4 ---


def paired_difference(answer: Callable) -> str:
    """A function that compares two networks on the same images."""

    def counts(before: Tensor, after: Tensor) -> tuple[int, int, int]:
        return len(before), int((after & ~before).sum()), int((before & ~after).sum())

    def spread(n: int, gained: int, lost: int) -> float:
        """Return the standard deviation of n differences, of which some are 1, some −1, and the others 0."""
        return math.sqrt((gained + lost) / n - ((gained - lost) / n) ** 2)

    def right(right_before: Tensor, right_after: Tensor) -> tuple[float, float]:
        n, gained, lost = counts(right_before, right_after)
        return 100 * (gained - lost) / n, 100 * spread(n, gained, lost) / math.sqrt(n)

    def one_less(before: Tensor, after: Tensor) -> tuple[float, float]:
        """Return the right answer with N − 1 in the variance."""
        difference, error = right(before, after)
        return difference, error * math.sqrt(len(before) / max(1, len(before) - 1))

    def mistake(change: Callable[..., Any], words: str) -> list[tuple[Callable, str]]:
        """Return what an answer gives that makes its two numbers of the right ones and of some counts.

        Both with N and with N − 1 in the variance.
        """

        def wrong(before: Tensor, after: Tensor, exact: Callable) -> Any:
            n, gained, lost = counts(before, after)
            return change(*exact(before, after), n, gained, lost, before.double().mean(), after.double().mean())

        return [(lambda before, after, exact=exact: wrong(before, after, exact), words) for exact in (right, one_less)]

    def once(change: Callable[..., Any], words: str) -> list[tuple[Callable, str]]:
        """Return the same for an answer that makes no use of the right error."""
        return mistake(change, words)[:1]

    def binomial(p: Any, n: int) -> float:
        return 100 * math.sqrt(p * (1 - p) / n)

    independent = "The difference is right. But that is the error for two *different* sets of images. Here both networks read the same ones: take the difference of each image, −1, 0 or 1, and then the standard error of their mean."
    no_root = "The difference is right. That is the spread of single differences. Their *mean* varies less: by how much, for N images?"
    points = "Those are shares. In percentage points they are 100 times as large."
    backward = "The order is the other way around: after minus before, so that an improvement is above 0."
    xor = "That counts every image on which the two differ, in both directions. A gain is +1 and a loss is −1: make numbers of both, .float(), and subtract."
    changed_only = "Take all N images, also those on which nothing changed. Their difference is 0, and it counts."
    reach = "The difference is right. Is there a 1.96, or a 2, in the error? That belongs to the 95 % interval. The question is about one standard error."
    first = "The difference is right."
    common_mistakes: Mistakes = [pair for pairs in [
        once(lambda d, e, n, up, down, b, a: (d, math.hypot(binomial(a, n), binomial(b, n))), independent),
        once(lambda d, e, n, up, down, b, a: (d, math.hypot(binomial(a, n - 1), binomial(b, n - 1))), independent),
        once(lambda d, e, n, up, down, b, a: (-d, math.hypot(binomial(a, n), binomial(b, n))), f"{backward} And take the error from the difference of each image, not from two accuracies."),
        once(lambda d, e, n, up, down, b, a: (d / 100, math.hypot(binomial(a, n), binomial(b, n)) / 100), f"{points} And take the error from the difference of each image, not from two accuracies."),
        once(lambda d, e, n, up, down, b, a: (d, binomial(a, n) + binomial(b, n)), f"{first} But you added the errors of two accuracies. Take the difference of each image, −1, 0 or 1, and then the standard error of their mean."),
        once(lambda d, e, n, up, down, b, a: (d, binomial(a, n)), f"{first} But that is the error of the accuracy *after* alone. Take the difference of each image first."),
        once(lambda d, e, n, up, down, b, a: (d, binomial(b, n)), f"{first} But that is the error of the accuracy *before* alone. Take the difference of each image first."),
        once(lambda d, e, n, up, down, b, a: (d, binomial(abs(d) / 100, n)), f"{first} But √(p(1 − p)/n) is for zeros and ones, and there is a −1 among the differences. Take their standard deviation."),
        once(lambda d, e, n, up, down, b, a: (d, 100 * math.sqrt(up + down) / n), f"{first} The error is nearly so: before the root, the square of the mean difference has to be subtracted. The variance is measured from the mean, not from 0."),
        once(lambda d, e, n, up, down, b, a: (d, binomial((up + down) / n, n)), f"{first} But in the error, losses count like gains. Keep the sign of each difference."),
        once(lambda d, e, n, up, down, b, a: (100 * (up + down) / n, binomial((up + down) / n, n)), xor),
        mistake(lambda d, e, n, up, down, b, a: (100 * (up + down) / n, e), f"The error is right. {xor}"),
        mistake(lambda d, e, n, up, down, b, a: (d, e * math.sqrt(n)), no_root),
        mistake(lambda d, e, n, up, down, b, a: (-d, e * math.sqrt(n)), f"{backward} And the error of a *mean* of N numbers is smaller than their spread: by how much?"),
        mistake(lambda d, e, n, up, down, b, a: (d / 100, e / 100 * math.sqrt(n)), f"{points} And the error of a *mean* of N numbers is smaller than their spread: by how much?"),
        mistake(lambda d, e, n, up, down, b, a: (d, e / math.sqrt(n)), f"{first} You divided by N. The standard deviation is divided by the *root* of N."),
        mistake(lambda d, e, n, up, down, b, a: (d, e**2 / 100), f"{first} For the error, a root is missing: that is the variance of the mean."),
        mistake(lambda d, e, n, up, down, b, a: (d, e**2), f"{first} For the error, a root is missing: that is the variance of the mean."),
        mistake(lambda d, e, n, up, down, b, a: (d, e**2 * n / 100), f"{first} That is the variance of the differences. The standard error is its root, divided by the root of N."),
        mistake(lambda d, e, n, up, down, b, a: (d, e * math.sqrt(e * math.sqrt(n) / 100)), f"{first} For the error, you divided the variance by the root of N. Either the root of variance / N, or standard deviation / √N."),
        mistake(lambda d, e, n, up, down, b, a: (d / 100, e / 100), points),
        mistake(lambda d, e, n, up, down, b, a: (d, e / 100), f"{first} The error is a share; it should be in percentage points, too."),
        mistake(lambda d, e, n, up, down, b, a: (d / 100, e), "The error is right. The difference is a share; it should be in percentage points, too."),
        mistake(lambda d, e, n, up, down, b, a: (-d, e), backward),
        mistake(lambda d, e, n, up, down, b, a: (-d / 100, e / 100), f"{backward} And it should be in percentage points, not in shares."),
        mistake(lambda d, e, n, up, down, b, a: (e, d), "The two have changed places: the difference comes first."),
        once(lambda d, e, n, up, down, b, a: (100 * (up - down) / (up + down), 100 * spread(up + down, up, down) / math.sqrt(up + down)), changed_only),
        once(lambda d, e, n, up, down, b, a: (100 * (up - down) / (up + down), 100 * spread(up + down, up, down) / math.sqrt(up + down - 1)), changed_only),
        mistake(lambda d, e, n, up, down, b, a: (100 * (up - down) / (up + down), e), f"The error is right. {changed_only}"),
        once(lambda d, e, n, up, down, b, a: (d, 100 * spread(up + down, up, down) / math.sqrt(up + down)), f"{first} In the error, only the images that changed are counted. {changed_only}"),
        once(lambda d, e, n, up, down, b, a: (d, 100 * spread(up + down, up, down) / math.sqrt(n)), f"{first} In the error, only the images that changed are counted. {changed_only}"),
        mistake(lambda d, e, n, up, down, b, a: (d, 1.96 * e), reach),
        mistake(lambda d, e, n, up, down, b, a: (d, 2 * e), reach),
        mistake(lambda d, e, n, up, down, b, a: (d / b, e), "The error is right. You divided the difference by the accuracy before. Percentage points are the plain difference of two percentages."),
        mistake(lambda d, e, n, up, down, b, a: (d / b, e / b), "You divided by the accuracy before. Percentage points are the plain difference of two percentages."),
        mistake(lambda d, e, n, up, down, b, a: (up - down, e), "The error is right. The difference is a number of images; out of how many?"),
        mistake(lambda d, e, n, up, down, b, a: (up - down, e * n / 100), "Those are numbers of images. In percentage points: out of 100 images."),
        mistake(lambda d, e, n, up, down, b, a: (100 * (up + 255 * down) / n, e), "The error is right. In the difference, a uint8 has no −1: it begins again at 255. Make floats of both first."),
        once(lambda d, e, n, up, down, b, a: (100 * (up + 255 * down) / n, 100 * math.sqrt((up + 255**2 * down) / n - ((up + 255 * down) / n) ** 2) / math.sqrt(n)), "A uint8 has no −1: it begins again at 255. Make floats of both before you subtract."),
        once(lambda d, e, n, up, down, b, a: (100 * a, binomial(a, n)), "That is the accuracy after, with its own error. How far is it from the accuracy before?"),
        mistake(lambda d, e, n, up, down, b, a: (round(d, 1), round(e, 1)), toolkit.ROUNDED),
        mistake(lambda d, e, n, up, down, b, a: (round(d, 2), round(e, 2)), toolkit.ROUNDED),
        mistake(lambda d, e, n, up, down, b, a: (int(d), int(e)), toolkit.CUT_OFF),
    ] for pair in pairs]  # fmt: skip

    def draw() -> tuple[Tensor, Tensor]:
        cases = torch.tensor([[1, 1, 0, 0], [1, 0, 1, 0]], dtype=torch.bool)  # right twice, lost, gained, wrong twice
        shares = torch.tensor([0.42, 0.12, 0.28, 0.18])
        images = (61, 67, 73, 83, 97, 103)[between(0, 6)]  # primes, so that no percentage is halfway when rounded
        before, after = cases[:, shares.multinomial(images, replacement=True)]
        if after.sum() < before.sum():  # seldom; an answer with abs() is talked about below, with an input of its own
            before, after = after, before
        return before, after

    def read(got: object, before: Tensor, after: Tensor) -> Tensor:
        found = toolkit.numbers(got, 2, "two numbers, (difference, error),")
        exact, other = (torch.tensor(known(before, after), dtype=torch.float64) for known in (right, one_less))
        return exact if toolkit.same(found, other, 1e-5) else found  # closer than a rounded number comes by chance

    def about(before: Tensor, after: Tensor) -> str:
        n, gained, lost = counts(before, after)
        return f"{n} images, {gained} of them gained and {lost} lost (difference, error)"

    by_hand = torch.tensor([False, True, False, True]), torch.tensor([True, True, True, False])  # 25 points
    hint = "Take the difference of each image, after minus before: 1, 0 or −1. Then their mean, and their standard deviation divided by √N, both times 100."
    check_function(answer, draw, right, common_mistakes, about, hint, edges=[by_hand], read=read)
    for before, after, which, wanted in [
        ([1, 1, 0, 1], [0, 0, 1, 1], "two images lost and one gained", "After is worse than before here, so the difference is below 0. Does abs() hide it?"),
        ([1, 0, 1], [1, 0, 1], "three images on which nothing changed", "All differences are 0, and so are their mean and its error."),
        ([0, 0, 0, 0], [1, 1, 1, 1], "four images, all of them gained", "Each difference is 1: the mean is 100 points, and there is no spread."),
    ]:  # fmt: skip
        inputs = torch.tensor(before) == 1, torch.tensor(after) == 1
        check_edge_case(answer, inputs, right(*inputs), which, wanted, read)
    return "What both networks read alike cancels out, image by image, so this error is usually smaller than that of two accuracies."  # fmt: skip


def answered_and_wrong(answer: Callable) -> str:
    """A function that counts what a threshold lets through, and what of it is wrong."""

    def right(probabilities: Tensor, labels: Tensor, threshold: float) -> tuple[int, int]:
        largest, predicted = probabilities.max(1)
        answered = largest >= threshold
        return int(answered.sum()), int((answered & (predicted != labels)).sum())

    def draw(images: int = 60) -> tuple[Tensor, Tensor, float]:
        """Return probabilities in whole sixteenths, so that some are exactly at the threshold, and none is tied."""
        probabilities = torch.zeros(images, 10)
        for row in probabilities:
            largest = between(6, 17)
            row[:3] = torch.tensor([largest, (17 - largest) // 2, (16 - largest) // 2]) / 16
        probabilities = probabilities.gather(1, torch.rand(images, 10).argsort(1))
        labels = (probabilities.argmax(1) + torch.randint(1, 10, (images,)) * (torch.rand(images) < 0.45)) % 10
        return probabilities, labels, between(9, 14) / 16

    def mistake(change: Callable[..., Any], words: str) -> tuple[Callable, str]:
        """Return what an answer gives that makes its two numbers of masks: at or above, strictly above, misread."""

        def wrong(probabilities: Tensor, labels: Tensor, threshold: float) -> Any:
            largest, predicted = probabilities.max(1)
            made = change(largest >= threshold, largest > threshold, predicted != labels)
            return tuple(float(part.sum()) if isinstance(part, Tensor) and part.ndim else float(part) for part in made)

        return wrong, words

    def of_label(probabilities: Tensor, labels: Tensor, threshold: float) -> tuple[int, int]:
        passed = probabilities.gather(1, labels[:, None])[:, 0] >= threshold
        return int(passed.sum()), int((passed & (probabilities.argmax(1) != labels)).sum())

    at = "An image exactly at the threshold is answered, too: >= rather than >."
    first, second = "The first count is right.", "The second count is right."
    shares = "Return two counts, numbers of images, and no shares."
    all_wrong = "The second counts the misread images among *all* of them. Count only those that are answered: combine both masks with &."
    none = "Nothing is answered. These are probabilities already, from 0 to 1: a logarithm is never above 0, and a second softmax makes them all alike."
    every = "Every image counts as answered. Is the threshold used? (These are probabilities already: exp() makes each of them at least 1.)"
    common_mistakes: Mistakes = [
        mistake(lambda at_least, above, wrong: (above, above & wrong), at),
        mistake(lambda at_least, above, wrong: (above, at_least & wrong), f"{second} {at}"),
        mistake(lambda at_least, above, wrong: (at_least, above & wrong), f"{first} {at}"),
        mistake(lambda at_least, above, wrong: (above, above & ~wrong), f"{at} And the second should be those that are misread."),
        mistake(lambda at_least, above, wrong: (above, wrong), f"{at} And the second should be those that are answered *and* misread."),
        *(mistake(lambda at_least, above, wrong, k=k: (k * at_least.double().mean(), k * (at_least & wrong).double().mean()), shares) for k in (1, 100)),
        *(mistake(lambda at_least, above, wrong, k=k: (k * at_least.double().mean(), k * wrong[at_least].double().mean()), shares) for k in (1, 100)),
        *(mistake(lambda at_least, above, wrong, k=k: (k * at_least.double().mean(), at_least & wrong), f"{second} The first is a share: return the number of images.") for k in (1, 100)),
        *(mistake(lambda at_least, above, wrong, k=k: (at_least, k * wrong[at_least].double().mean()), f"{first} The second is a share: return the number of images.") for k in (1, 100)),
        *(mistake(lambda at_least, above, wrong, k=k: (at_least, k * (at_least & wrong).double().mean()), f"{first} The second is a share: return the number of images.") for k in (1, 100)),
        *(mistake(lambda at_least, above, wrong, k=k: (k * above.double().mean(), k * (above & wrong).double().mean()), f"{shares} {at}") for k in (1, 100)),
        mistake(lambda at_least, above, wrong: (at_least, wrong), f"{first} {all_wrong}"),
        mistake(lambda at_least, above, wrong: (at_least, at_least & ~wrong), f"{first} The second counts those that are read correctly. How many of the answered images are misread?"),
        mistake(lambda at_least, above, wrong: (at_least, ~wrong), f"{first} The second counts what is read correctly, and among all images. How many of the answered ones are misread?"),
        mistake(lambda at_least, above, wrong: (at_least, ~at_least & wrong), f"{first} The second counts the misread images *below* the threshold. Those are the mistakes that it prevents."),
        mistake(lambda at_least, above, wrong: (at_least, ~at_least | wrong), f"{first} In the second, images without an answer count as misread. They are neither right nor wrong."),
        mistake(lambda at_least, above, wrong: (at_least, at_least | wrong), f"{first} The second needs both: answered *and* misread, & rather than |."),
        mistake(lambda at_least, above, wrong: (at_least, ~at_least), f"{first} The second counts the images without an answer. How many of the answered ones are misread?"),
        mistake(lambda at_least, above, wrong: (~at_least, ~at_least & wrong), "Those are the images *below* the threshold, which get no answer. Answered are those at or above it."),
        mistake(lambda at_least, above, wrong: (~at_least, at_least & wrong), f"{second} The first counts the images *below* the threshold, which get no answer."),
        mistake(lambda at_least, above, wrong: (at_least & wrong, at_least), "The two have changed places: the number of answered images comes first."),
        mistake(lambda at_least, above, wrong: (at_least & ~wrong, at_least & wrong), f"{second} The first counts only the answers that are right. All of them are answers: take the largest probability of each image, not that of its label."),
        mistake(lambda at_least, above, wrong: (0, 0), none),
        mistake(lambda at_least, above, wrong: (0, wrong), f"{none} And the second should count only answered images."),
        mistake(lambda at_least, above, wrong: (wrong | ~wrong, wrong), every),
        (of_label, "You compared the probability of the *true* class with the threshold. In use nobody knows the truth: take the largest probability of each image."),
        *((lambda p, y, t, fixed=fixed: right(p, y, fixed), f"Those are the counts for {fixed}. Is there still a {fixed} in your function where `threshold` should be?") for fixed in (0.5, 0.9)),
    ]  # fmt: skip

    def read(got: object, *inputs: object) -> Tensor:
        return toolkit.numbers(got, 2, "two counts, (answered, wrong),")

    def about(probabilities: Tensor, labels: Tensor, threshold: float) -> str:
        return f"{len(labels)} images and threshold={threshold} (answered, wrong)"

    def row(*sixteenths: int) -> list[float]:
        return [part / 16 for part in (*sixteenths, *[0] * (10 - len(sixteenths)))]

    three = torch.tensor([row(0, 12, 4), row(8, 0, 4, 4), row(1, 1, 14)]), torch.tensor([1, 2, 3]), 0.75
    single = torch.tensor([row(0, 0, 0, 12, 4)]), torch.tensor([4]), 0.75
    hint = "The largest probability of each image, max(dim=1): is it at least the threshold? And of those images: is the place of the largest, argmax(dim=1), another one than the label?"
    check_function(answer, draw, right, common_mistakes, about, hint, edges=[three, single], read=read)
    sure = torch.tensor([row(16), row(0, 16), row(0, 0, 15, 1)]), torch.tensor([0, 2, 2])
    unsure = torch.tensor([row(5, 5, 6), row(3, 6, 7)]), torch.tensor([2, 0])
    for inputs, which, wanted in [
        ((*unsure, 0.875), "a threshold above all probabilities", "Nothing is answered, so nothing is wrong either: 0 and 0. Is there a division by the number of answers?"),
        ((*unsure, 0.25), "threshold=0.25, where several probabilities of an image reach it", "An image is answered once, with its largest probability. Count images, not probabilities."),
        ((*unsure, 0.0), "threshold=0.0", "Every image is answered, whatever its largest probability is."),
        ((*sure, 1.0), "threshold=1.0", "Those with a probability of exactly 1 are answered: at *least* the threshold."),
    ]:  # fmt: skip
        check_edge_case(answer, inputs, right(*inputs), which, wanted, read)
    return "A threshold costs answers and saves mistakes; these two numbers say how many of each."


# --- 8.5 ---


def _reader() -> trials.Reader:
    """Return a reader whose parameters have gradients already, as after a training.

    The corners of the image have no weight, and so no gradient.
    """
    reader = trials.Reader()
    for parameter in reader.parameters():
        parameter.data = 0.1 * torch.randn_like(parameter)
        parameter.grad = torch.randn_like(parameter)
    next(reader.parameters()).data[:, :, ::27, ::27] = 0
    return reader


def _gradient(reader: nn.Module, pixels: Tensor, loss: Callable[[Tensor], Tensor]) -> Tensor:
    """Return the gradient of a loss, made of log-probabilities (N, 10), with respect to the pixels."""
    pixels = pixels.detach().clone().requires_grad_()
    return torch.autograd.grad(loss(reader(pixels)), pixels)[0]


def fgsm(answer: Callable) -> str:
    """A function that changes images by one step of the gradient, so that the loss grows."""

    def gradient(reader: nn.Module, pixels: Tensor, labels: Tensor) -> Tensor:
        return _gradient(reader, pixels, lambda log_probs: F.nll_loss(log_probs, labels))

    def right(reader: nn.Module, pixels: Tensor, labels: Tensor, step: float) -> Tensor:
        return (pixels + step * gradient(reader, pixels, labels).sign()).clamp(0, 1)

    def draw(images: int = 10, step: float = 0.0) -> tuple[nn.Module, Tensor, Tensor, float]:
        """Return arguments such that no gradient is so small that rounding could turn its sign.

        With ten images, the gradient with respect to the weights has the shape of the images: who adds it gets an
        answer, and words for it.
        """
        while True:
            reader, pixels = _reader(), (3 * torch.rand(images, 1, 28, 28) - 1).clamp(0, 1)
            labels = torch.randint(0, 10, (images,))
            pixels[0, 0, 0, 1:4] = torch.tensor([between(40, 60), 99, 1]) / 100
            slope = gradient(reader, pixels, labels)
            if (slope[slope != 0].abs() > 1e-6).all():
                return reader, pixels, labels, step or between(11, 30) / 100

    def mistake(change: Callable[[Tensor, Tensor, float], Tensor], words: str) -> tuple[Callable, str]:
        """Return what an answer gives that makes its images of the pixels, the gradient and the step."""
        return lambda reader, pixels, labels, step: change(pixels, gradient(reader, pixels, labels), step), words

    def of_loss(loss: Callable[[Tensor, Tensor], Tensor], sign: int = 1) -> Callable:
        """Return an answer that follows, or avoids, another loss."""

        def wrong(reader: nn.Module, pixels: Tensor, labels: Tensor, step: float) -> Tensor:
            slope = _gradient(reader, pixels, lambda log_probs: loss(log_probs, labels))
            return (pixels + sign * step * slope.sign()).clamp(0, 1)

        return wrong

    def of_weights(reader: nn.Module, pixels: Tensor, labels: Tensor, step: float) -> Tensor:
        weight = next(reader.parameters())
        return (pixels + step * torch.autograd.grad(F.nll_loss(reader(pixels), labels), weight)[0].sign()).clamp(0, 1)

    def only_first(pixels: Tensor, g: Tensor, step: float) -> Tensor:
        return torch.cat([(pixels[:1] + step * g[:1].sign()).clamp(0, 1), pixels[1:]])

    def length(g: Tensor) -> Tensor:
        return g.square().sum((1, 2, 3), keepdim=True).sqrt()

    toward = "That is the other direction: the loss falls, and the reader becomes surer of the label. The loss should grow: *plus* the sign of its gradient. (If yours is the gradient of a probability or of a log-probability: minus.)"
    itself = "You took the gradient itself. It is tiny, and different for each pixel; take its *sign*, so that each pixel moves by a whole step."
    clamp = "The direction is right. But pixels are from 0 to 1, and some of yours are outside: .clamp(0, 1)."
    zero = "Where the gradient is exactly 0, nothing is gained by moving: that pixel stays. `sign()` makes 0 of it; a comparison with 0 makes a step."
    predicted = "You took the class that the reader *answers* in place of the label. For a misread image those differ; the loss needs `labels`."
    shape = "The numbers are right, but the shape is not: (N, 1, 28, 28) goes in, and the same should come out."
    common_mistakes: Mistakes = [
        mistake(lambda x, g, step: (x - step * g.sign()).clamp(0, 1), toward),
        mistake(lambda x, g, step: x - step * g.sign(), f"{toward} Besides: pixels are from 0 to 1, .clamp(0, 1)."),
        mistake(lambda x, g, step: (x + step * g).clamp(0, 1), itself),
        mistake(lambda x, g, step: x + step * g, itself),
        mistake(lambda x, g, step: (x + step * len(x) * g).clamp(0, 1), itself),
        mistake(lambda x, g, step: (x + step * g / length(g)).clamp(0, 1), "You divided the gradient by its length. Take the *sign* of each of its numbers instead, so that each pixel moves by a whole step."),
        mistake(lambda x, g, step: x + step * g.sign(), clamp),
        mistake(lambda x, g, step: (x + step * g.sign()).clamp(min=0), f"{clamp} Yours are never below 0, but some are above 1."),
        mistake(lambda x, g, step: (x + step * g.sign()).clamp(max=1), f"{clamp} Yours are never above 1, but some are below 0."),
        mistake(lambda x, g, step: (x + step / 255 * g.sign()).clamp(0, 1), "The direction is right, but the step is 255 times too short. The pixels are from 0 to 1 already, and so is the step."),
        mistake(lambda x, g, step: (x + g.sign()).clamp(0, 1), "The direction is right, but each pixel moved from one end to the other, by 1 or more. Pixels and `step` are from 0 to 1, and `step` says how far."),
        mistake(lambda x, g, step: (x + 0.1 * g.sign()).clamp(0, 1), "Each pixel moved by 0.1. Use `step`, whatever it is."),
        mistake(lambda x, g, step: (x + step * torch.where(g > 0, 1, -1)).clamp(0, 1), zero),
        mistake(lambda x, g, step: (x + step * torch.where(g >= 0, 1, -1)).clamp(0, 1), zero),
        mistake(lambda x, g, step: (x + step * (g > 0)).clamp(0, 1), "Only the pixels with a gradient above 0 moved. Those below 0 move down."),
        mistake(lambda x, g, step: (x + step * g.sum(0).sign()).clamp(0, 1), "All images moved in the same direction. Each has a gradient of its own: don't average over the batch."),
        mistake(lambda x, g, step: (x * (1 + step * g.sign())).clamp(0, 1), "You multiplied. The step is *added* to each pixel, or subtracted, whatever its value."),
        mistake(lambda x, g, step: x, "The images came back as they were."),
        mistake(lambda x, g, step: step * g.sign(), "That is the change alone. Add it to the pixels, then clamp."),
        mistake(lambda x, g, step: g.sign(), "That is the sign of the gradient alone. Take `step` times that, and add it to the pixels."),
        mistake(only_first, "Only the first image moved. Take the loss of all of them."),
        mistake(lambda x, g, step: (x[:1] + step * g[:1].sign()).clamp(0, 1), "Only the first image came back. Is `return` inside a loop, or a [0] too many?"),
        mistake(lambda x, g, step: (x[0] + step * g[0].sign()).clamp(0, 1), "Only the first image came back. Is `return` inside a loop, or a [0] too many?"),
        mistake(lambda x, g, step: (x + step * g.sign()).clamp(0, 1)[:, 0], shape),
        mistake(lambda x, g, step: (x + step * g.sign()).clamp(0, 1).flatten(1), shape),
        (of_weights, "You took the gradient with respect to the *weights*. That is for training. Here the weights stay and the pixels move: torch.autograd.grad(loss, pixels)."),
        (of_loss(lambda log_probs, labels: F.nll_loss(log_probs, log_probs.argmax(1))), predicted),
        (of_loss(lambda log_probs, labels: log_probs.max(1).values.sum()), f"{predicted} Besides, its probability rises: the loss should grow."),
        (of_loss(lambda log_probs, labels: log_probs.sum()), "You took the sum of all ten log-probabilities. The loss looks at one of them, that of the label: F.nll_loss(…, labels)."),
        (of_loss(lambda log_probs, labels: log_probs.sum(), -1), "You took the sum of all ten log-probabilities. The loss looks at one of them, that of the label: F.nll_loss(…, labels)."),
        (of_loss(lambda log_probs, labels: F.cross_entropy(log_probs.exp(), labels)), "You took F.cross_entropy of *probabilities*. It takes what comes before the softmax, or log-probabilities, which `reader` returns; F.nll_loss takes those, too."),
    ]  # fmt: skip

    def minding(reader: nn.Module, pixels: Tensor, labels: Tensor, step: float) -> object:
        before = [parameter.grad.clone() for parameter in reader.parameters() if parameter.grad is not None]
        got = answer(reader, pixels, labels, step)
        after = [parameter.grad for parameter in reader.parameters()]
        left_alone = all(b is not None and torch.equal(a, b) for a, b in zip(before, after, strict=True))
        refuse([
            (pixels.requires_grad or pixels.grad is not None, "Your function switched on gradients for the pixels that it was given, and they stay on. Take pixels of your own: `moved = pixels.clone().requires_grad_()`."),
            (not left_alone, "Your function changed `.grad` in the reader's parameters, as backward() and zero_grad() do. The next step of a training would use it. `torch.autograd.grad(loss, …)` returns the gradient and leaves them alone."),
        ])  # fmt: skip
        return got

    def about(reader: nn.Module, pixels: Tensor, labels: Tensor, step: float) -> str:
        four, slopes = pixels[0, 0, 0, :4].tolist(), gradient(reader, pixels, labels)[0, 0, 0, :4].tolist()
        listed = (
            f"{', '.join(f'{one:.2f}' for one in four)}; their gradients: {', '.join(f'{one:.4f}' for one in slopes)}"
        )
        return f"{len(pixels)} image{'s' * (len(pixels) > 1)} and step={step} (the first four pixels: {listed})"

    hint = "Pixels plus step times the sign of the gradient, clamped to 0 to 1. The gradient is that of the loss F.nll_loss(reader(pixels), labels), with respect to the pixels."
    edges = [draw(images=1), draw(images=2), draw(images=3, step=1.0)]
    check_function(minding if callable(answer) else answer, draw, right, common_mistakes, about, hint, edges=edges)
    reader, pixels, labels, _ = draw(images=2)
    check_edge_case(minding, (reader, pixels, labels, 0.0), pixels, "step=0.0", "A step of 0 changes nothing.")
    return "Each pixel moved by one step, up or down, and no gradient was left behind."


# --- 8.6 ---

COSTLY = 5  # points of accuracy


def costly_changes(answer: object) -> str:
    """The changes under which augmentation costs accuracy, read off a figure."""
    recorded = results.load_result("corruptions.json")["accuracy"]
    means = {
        name: 100 * (fmean(recorded["best"][name]) - fmean(of)) for name, of in recorded["no_augmentation"].items()
    }
    costly = {name for name, gain in means.items() if gain < -COSTLY}
    parts = answer.tolist() if isinstance(answer, np.ndarray | pd.Series) else answer
    if not isinstance(parts, list | tuple | set | frozenset) or not all(isinstance(part, str) for part in parts):
        raise WrongAnswer(f'I expected names of changes, such as ["blur", "hole"], and got {toolkit.describe(answer)}.')
    named = [" ".join(part.lower().replace("grey", "gray").replace("_", " ").split()) for part in parts]
    right = len(costly & set(named))
    with toolkit.after_success(f"{right} of yours {'is' if right == 1 else 'are'} right." if right else ""):
        for name in named:
            given = f'"{name}"'
            refuse([
                (name not in means, f"There is no {given}. The names are those in the figure: {', '.join(means)}."),
                (name not in costly and means.get(name, 0) > 1, f"With {given}, augmentation *gains* accuracy: look to the left of 0."),
                (name not in costly, f"With {given}, the mean of the five seeds is {means.get(name, 0):+.1f} points: look at the dots farther to the left."),
            ])  # fmt: skip
        refuse([
            (not named, f"Some changes are far to the left of 0. Which dots are below −{COSTLY}?"),
            (right < len(costly), f"{len(costly) - right} more: whose dots are to the left of −{COSTLY}?"),
        ])  # fmt: skip
    return "All of them leave the digit where it is and change what the paper looks like. No training image did."


CHECKS: dict[str, Callable] = {
    "8.1": bounding_box,
    "8.2": center_of_mass,
    "8.3": paired_difference,
    "8.4": answered_and_wrong,
    "8.5": fgsm,
    "8.6": costly_changes,
}
