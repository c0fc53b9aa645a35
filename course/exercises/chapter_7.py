"""The checks of chapter 7: a ratio by turns, the whole and its part, operations, batches by index, lines that wait."""

import math
from collections.abc import Callable, Sequence
from itertools import chain, combinations, product
from statistics import fmean, median
from typing import Any

import torch
from torch import Tensor

from course.exercises import toolkit, trials
from course.exercises.calls import beside
from course.exercises.toolkit import Mistakes, WrongAnswer, after_success, between, refuse


def ratio_of_turns(answer: Callable) -> str:
    """A function that says how many times faster, from measurements in turns."""

    def ratios(slow: Sequence[float], fast: Sequence[float]) -> list[float]:
        return [a / b for a, b in zip(slow, fast, strict=True)]

    def right(slow_seconds: Sequence[float], fast_seconds: Sequence[float]) -> float:
        return median(ratios(slow_seconds, fast_seconds))

    together = "Both measurements of a turn met the same machine, so divide those two first."
    over = "That is the share of the time that is left, not how many times faster. Is it fast / slow instead of slow / fast?"
    beside = "You are one place off the middle. Places in a list count from 0: of nine, the middle is place 4, and of eleven, place 5."
    saved = "Those are seconds saved, a difference. How many *times* faster is a ratio: slow / fast."
    per_cent = "That is in percent. How many *times* faster: slow / fast as it is."
    common_mistakes: Mistakes = [
        *toolkit.rounded(right, 1),
        (lambda slow, fast: ratios(slow, fast)[len(slow) // 2], "The ratios are right, but you took that of the middle *turn*. For a median, sort them by size first."),
        (lambda slow, fast: slow[0] / fast[0], "That is the first turn alone. Is `return` inside the loop?"),
        (lambda slow, fast: slow[-1] / fast[-1], "That is the last turn alone. Collect the ratios of all turns."),
        (lambda slow, fast: median(slow) / median(fast), f"You took two medians and divided them. They may come from different turns, and the machine drifts. {together}"),
        (lambda slow, fast: fmean(slow) / fmean(fast), f"You divided two means, or two sums. One bad turn affects both. {together} Then take the median."),
        (lambda slow, fast: fmean(ratios(slow, fast)), "The ratios of the turns are right, but you took their mean. One turn with a hiccup pulls a mean along; the median stays put."),
        (lambda slow, fast: math.prod(ratios(slow, fast)) ** (1 / len(slow)), "The ratios of the turns are right, but that is their geometric mean. One turn with a hiccup pulls a mean along; the median stays put."),
        (lambda slow, fast: min(slow) / min(fast), f"You divided the shortest times. They may come from different turns, and the machine drifts. {together}"),
        (lambda slow, fast: max(slow) / max(fast), f"You divided the longest times. They may come from different turns, and the machine drifts. {together}"),
        (lambda slow, fast: 1 / right(slow, fast), over),
        (lambda slow, fast: median(fast) / median(slow), f"{over} And you took two medians first. {together}"),
        (lambda slow, fast: fmean(fast) / fmean(slow), f"{over} And you took two means, or sums, first. {together}"),
        (lambda slow, fast: fmean(ratios(fast, slow)), f"{over} And it is their mean; take the median."),
        (lambda slow, fast: 1 / fmean(ratios(fast, slow)), "You took a mean of fast / slow and turned it over. Take the median instead of the mean."),
        (lambda slow, fast: median(ratios(sorted(slow), sorted(fast))), f"It looks as if you sorted both lists before you divided. That mixes up the turns. {together} Sort the ratios."),
        (lambda slow, fast: max(ratios(slow, fast)), "That is the best turn. Which one is in the middle?"),
        (lambda slow, fast: min(ratios(slow, fast)), "That is the worst turn. Which one is in the middle?"),
        (lambda slow, fast: sorted(ratios(slow, fast))[len(slow) // 2 - 1], beside),
        (lambda slow, fast: sorted(ratios(slow, fast))[len(slow) // 2 + 1], beside),
        (lambda slow, fast: median(a - b for a, b in zip(slow, fast, strict=True)), saved),
        (lambda slow, fast: median(slow) - median(fast), saved),
        (lambda slow, fast: right(slow, fast) - 1, "That is 1 too low: return slow / fast as it is. Equally fast would be 1."),
        (lambda slow, fast: 100 * right(slow, fast), per_cent),
        (lambda slow, fast: 100 * right(slow, fast) - 100, per_cent),
        (lambda slow, fast: sum(ratios(slow, fast)), "You added the ratios of all turns. Which one is in the middle?"),
        (lambda slow, fast: median(slow), "That is the median of the slow times, in seconds. Divide turn by turn first."),
        (lambda slow, fast: median(fast), "That is the median of the fast times, in seconds. Divide turn by turn first."),
    ]  # fmt: skip
    even: Mistakes = [
        (lambda slow, fast: sorted(ratios(slow, fast))[len(slow) // 2], "You took the upper of the two in the middle. With an even number of turns, the median is halfway between them: statistics.median does that, and so does np.median."),
        (lambda slow, fast: sorted(ratios(slow, fast))[len(slow) // 2 - 1], "You took the lower of the two in the middle, as torch.median does. With an even number of turns, the median is halfway between them: statistics.median and np.median do that, and so does torch.quantile(…, 0.5)."),
        (lambda slow, fast: 1 / median(ratios(fast, slow)), "You took the median of fast / slow and turned it over. With an even number of turns, that is not halfway between the middle two: take the median of slow / fast itself."),
    ]  # fmt: skip
    hint = "First the ratio of each turn, slow / fast. Then the one in the middle, once they are sorted."
    found = toolkit.as_tensor(toolkit.call_answer(answer, *_measured(9)))
    if found is not None and found.shape == (9,):
        raise WrongAnswer("For 9 turns I got 9 numbers, one per turn. Which of these ratios is in the middle, once they are sorted?")  # fmt: skip
    small, tied = ([4.0, 8.0, 5.0], [2.0, 4.0, 1.0]), ([4.0, 4.0, 9.0], [4.0, 2.0, 3.0])
    toolkit.check_function(
        answer,
        lambda: _measured(9 + 2 * between(0, 2)),
        right,
        common_mistakes,
        hint=hint,
        tolerance=2e-3,
        edges=[small, tied],
    )
    four, two = ([6.0, 9.0, 2.0, 5.0], [2.0, 1.0, 1.0, 1.0]), ([3.0, 8.0], [2.0, 2.0])
    hint = "With an even number of turns, there are two ratios in the middle, and the median is halfway between them."
    with after_success("With an odd number of turns it works."):
        toolkit.check_function(
            answer, lambda: _measured(8 + 2 * between(0, 2)), right, even, hint=hint, tolerance=2e-3, edges=[four, two]
        )
    toolkit.check_edge_case(answer, ([6.0], [4.0]), 1.5, "one turn, 6 s and 4 s", "One ratio is its own median.")
    return "Both times of a turn met the same machine, so its drift cancels out, and the median ignores a hiccup in one turn."  # fmt: skip


def _measured(turns: int) -> tuple[list[float], list[float]]:
    """Return seconds measured in turns, on a machine that drifts; somebody else used it once."""
    ratios = sorted([between(62, 95), *(between(180, 400) for _ in range(turns - 1))])
    middle, ranks = turns // 2, torch.randperm(turns).tolist()
    while {ranks[0], ranks[middle], ranks[-1]} & {0, middle - 1, middle, middle + 1, turns - 1}:
        ranks = torch.randperm(turns).tolist()  # the first turn, the middle one and the last shall be none of these
    slow = [between(60, 200) * between(380, 460) / 1e4 for _ in ranks]
    fast = [round(100 * seconds / ratios[rank], 2) for seconds, rank in zip(slow, ranks, strict=True)]
    return [round(seconds, 2) for seconds in slow], fast


def whole_and_part(answer: Callable) -> str:
    """A function that says how many times faster the whole becomes, if a part does."""

    def right(share: float, times: float) -> float:
        return 1 / (1 - share + share / times)

    product_of_both = "Think in time: how long does the part take now, and how long the rest, which stays?"
    per_cent = "That is in percent. Return old time / new time as it is."
    common_mistakes: Mistakes = [
        *toolkit.rounded(right, 1),
        (lambda share, times: share * times, f"That is share × times. {product_of_both}"),
        (lambda share, times: 1 + share * times, f"That is 1 + share × times. {product_of_both}"),
        (lambda share, times: 1 / right(share, times), "That is the time that remains, as a share of the old one (or 1 / … lacks its parentheses). How many *times* does it go into the old time?"),
        (lambda share, times: 100 / right(share, times), "That is the time that remains, in percent. How many *times* does it go into the old time?"),
        (lambda share, times: 1 / (1 - share), "That is how fast the whole would be if the part took no time at all. It still takes some time: how much?"),
        (lambda share, times: times, "That is how much faster the part becomes. The rest is as slow as before."),
        (lambda share, times: 1 + share * (times - 1), "That is a mean of the two factors, 1 for the rest and `times` for the part. Add up how *long* the two take, not the factors."),
        (lambda share, times: 1 / (share + (1 - share) / times), "You made the rest faster and left the part as it was. Which of the two is divided by `times`?"),
        (lambda share, times: 1 / (1 - share + share * times), "A part that becomes faster takes *less* time: its share is divided by `times`."),
        (lambda share, times: 1 + share / times, "The part's old time is still in there. Replace it with the new one."),
        (lambda share, times: times / share, "That is one over the new time of the part. The rest takes its time as well."),
        (lambda share, times: share / times, "That is the new time of the part. Add the rest, and ask how many times the sum goes into 1."),
        (lambda share, times: 1 - share / times, "That is 1 − share / times. How long does the whole take now: the rest, and the part's new time?"),
        (lambda share, times: 1 / (1 - share / times), "You subtracted the part's new time from the whole. Subtract its *old* time, and add the new one."),
        (lambda share, times: 1 / (1 - share) + share / times, "Parentheses are missing: divide 1 by the whole sum."),
        (lambda share, times: 1 - 1 / right(share, times), "That is the time that is saved. How many times does what *remains* go into the old time?"),
        (lambda share, times: 1 / (1 - 1 / right(share, times)), "You divided by the time that is saved. Divide by what remains."),
        (lambda share, times: right(share, times) - 1, "That is 1 too low. Return old time / new time as it is: no gain at all would be 1."),
        (lambda share, times: 100 * right(share, times), per_cent),
        (lambda share, times: 100 * right(share, times) - 100, per_cent),
        (lambda share, times: 1 + share, "`times` isn't used there. How long does the part take now?"),
        (lambda share, times: (1 - share) * times, "The rest stays as slow as it was; it is the part that becomes `times` times faster."),
        (lambda share, times: 1 - share, "That is the rest. The part takes some time as well."),
    ]  # fmt: skip
    hint = "Take the old time as 1. How long does the part take now, and how long the rest? How many times does their sum go into 1?"
    draw = lambda: (between(55, 90) / 100, between(25, 75) / 10)  # noqa: E731
    toolkit.check_function(answer, draw, right, common_mistakes, hint=hint, tolerance=3e-3, edges=[(0.5, 2)])
    share, times = between(30, 60) / 100, between(3, 9)
    for inputs, wanted in [
        ((0.5, math.inf), "The part takes no time at all, and the rest remains. If you get nan, it was inf / inf: use `times` in one place only, to divide by."),
        ((0.0, times), "No part of the time is touched, so everything stays as it was: the answer is 1. (0 would mean that it never ends.)"),
        ((1.0, times), "All of it is the part, so the whole becomes as many times faster as the part."),
        ((0.25, 0.5), "The part takes twice as long as before, so the whole becomes slower: below 1."),
        ((share, 1), "Nothing has become faster: the answer is 1. (0 would mean that it never ends.)"),
    ]:  # fmt: skip
        about = "share={}, times={}".format(*inputs)
        toolkit.check_edge_case(answer, inputs, right(*inputs), about, wanted)
    return "The rest sets the limit: make half of the work ten times as fast, and the whole becomes 1.82 times as fast. However fast that half gets, twice as fast is the limit."  # fmt: skip


def operations_of_a_layer(answer: Callable) -> str:
    """A function that counts the operations of one convolution."""

    def count(inputs: int, outputs: int, kernel: int, places: int) -> int:
        return 2 * inputs * kernel**2 * outputs * places

    def right(inputs: int, outputs: int, kernel: int, size: int) -> int:
        return count(inputs, outputs, kernel, (size - kernel + 1) ** 2)

    factors: Mistakes = [  # i inputs, o outputs, a kernel of k × k, a size of s × s
        (lambda i, o, k, s: right(i, o, k, s) // 2, "Those are the products alone. Each is also added: a product and its addition count as two."),
        (lambda i, o, k, s: right(1, o, k, s), "The input channels are missing: the kernel looks at all of them at once."),
        (lambda i, o, k, s: right(i, 1, k, s), "The output channels are missing: each has a kernel of its own."),
        (lambda i, o, k, s: right(i, o, k, s) // k, "The kernel is a square: it has kernel × kernel weights for each input channel."),
    ]  # fmt: skip
    places: Mistakes = [
        (lambda i, o, k, s: count(i, o, k, s**2), "You counted a place for each pixel of the *input*. Without padding, the kernel can't stick out over the edges, so there are fewer places."),
        (lambda i, o, k, s: count(i, o, k, (s - k) ** 2), "One place is missing along each side. A kernel as large as the image has one place, not none."),
        (lambda i, o, k, s: count(i, o, k, (s - k - 1) ** 2), "Two places are missing along each side. A kernel as large as the image has one place."),
        (lambda i, o, k, s: count(i, o, k, (s + k - 1) ** 2), "You have more places than pixels. Without padding there are fewer."),
        (lambda i, o, k, s: count(i, o, k, s - k + 1), "The kernel's places form a square: it moves both across and down."),
        (lambda i, o, k, s: count(i, o, k, 1), "That is for one place of the kernel. At how many places does it work?"),
    ]  # fmt: skip
    fixed = "Is there a fixed 5 in your function, our network's kernel? Here the kernel has another size."
    bias = "That is with the bias. Leave it out here: count only products and their additions."
    common_mistakes: Mistakes = [
        *factors,
        *places,
        *(
            (lambda *layer, a=a, b=b: a(*layer) * b(*layer) / right(*layer), f"{one} Besides: {other}")
            for (a, one), (b, other) in [*combinations(factors, 2), *product(factors, places)]
        ),
        (lambda i, o, k, s: count(i, o, 5, (s - k + 1) ** 2), fixed),
        (lambda i, o, k, s: right(i, o, 5, s), fixed),
        (lambda i, o, k, s: count(i, o, k, (s - 4) ** 2), fixed),
        (lambda i, o, k, s: right(i, o, k, s) + o * (s - k + 1) ** 2, bias),
        (lambda i, o, k, s: right(i, o, k, s) + 2 * o * (s - k + 1) ** 2, bias),
        (lambda i, o, k, s: right(i, o, k, s) + o, bias),
        (lambda i, o, k, s: right(i, o, k, s) - o * (s - k + 1) ** 2, "Strictly speaking, you are right: the first product of a sum is added to nothing. But here every product counts as two operations, as in the chapter's table."),
        (lambda i, o, k, s: right(i, o, s, k), "That is what comes out if `kernel` and `size` are swapped. Is their order (inputs, outputs, kernel, size)?"),
        (lambda i, o, k, s: right(i + o, 1, k, s), "Each output channel looks at each input channel: multiply the two, don't add them."),
        (lambda i, o, k, s: 2 * right(i, o, k, s), "That is twice as many as there are: did the 2 for a product and its addition come in twice?"),
        (lambda i, o, k, s: o * (s - k + 1) ** 2, "Those are the numbers in the result. How many operations does each of them take?"),
        (lambda i, o, k, s: i * k**2 * o + o, "Those are the layer's parameters. Each weight is used at every place of the kernel, for a product and an addition; the bias is left out."),
        (lambda i, o, k, s: 3 * right(i, o, k, s), "That is forward and backward together. Count the forward pass only."),
        (lambda i, o, k, s: right(i, o, k, s) / 1e6, "That is in millions. Return the number itself."),
        (lambda i, o, k, s: right(i, o, k, s) / 1e3, "That is in thousands. Return the number itself."),
    ]  # fmt: skip
    hint = "At how many places is the kernel applied? How many products does one number take there? How many numbers does each place get?"

    def layer(smallest_kernel: int) -> tuple[int, int, int, int]:
        return between(3, 8), between(11, 20), smallest_kernel + 2 * between(0, 2), between(14, 24)

    toolkit.check_function(
        answer, lambda: layer(7), right, common_mistakes, hint=hint, tolerance=1e-6, edges=[(1, 1, 3, 4), (2, 3, 3, 5)]
    )
    odd: Mistakes = [(lambda i, o, k, s: count(i, o, k, (s - 2 * (k // 2)) ** 2), "kernel // 2 on both sides is one too many: an even kernel has no middle. Count the places along one side.")]  # fmt: skip
    with after_success("With an odd kernel it works, but here the kernel is even."):
        toolkit.check_function(answer, lambda: layer(6), right, odd, hint=hint, tolerance=1e-6, edges=[(1, 1, 2, 4)])
    for inputs, wanted in [
        ((2, 3, 4, 4), "A kernel as large as the image has one place."),
        ((2, 3, 1, 4), "A kernel of one pixel has a place at every pixel."),
    ]:
        toolkit.check_edge_case(
            answer, inputs, right(*inputs), "inputs={}, outputs={}, kernel={}, size={}".format(*inputs), wanted
        )
    return "Kernel and places both come in squared: with half the places along a side, only a quarter of the operations is left."


def batches_in_order(answer: Callable) -> str:
    """A function that takes each batch with one index operation."""
    many, few = between(17, 24), between(6, 9)
    rest = between(5, many - 5)
    for count, taken, batch_size, works in [
        (4 * many + rest, 4 * many + rest, many, ""),
        (3 * few + between(9, 15), 3 * few, few, "With all images it works. Here `order` has only some of them, and the last batch is full."),
        (between(10, 15), 5, few, "With several batches it works. Here `order` has fewer images than one batch."),
        (4, 3, 1, "With larger batches it works. Here each has one image."),
    ]:  # fmt: skip
        images = torch.rand(count, 1, between(5, 7), between(8, 10)) - 0.5
        labels = 100 + torch.randperm(count)  # all different, so that each tells where it comes from
        order = torch.randperm(count)[:taken]
        about = f"For {count} images, {taken} of them in `order`, batch_size={batch_size}:" if callable(answer) else ""
        with after_success(f"{works} {about}".strip()):
            trial = beside(trials.collect, answer)
            got, operations, most = toolkit.call_answer(trial, images, labels, batch_size, order)
            pairs = _pairs(got, images, batch_size, order)
            x, y = [_places(x, images) for x, _ in pairs], [_places(y, labels) for _, y in pairs]
            _refuse_wrong_batches(x, y, batch_size, order, count)
            batches = -(-taken // batch_size)
            refuse([
                (not works and operations > 8 * batches + 10, f"The batches are right. But for {batches} of them I counted {operations} operations that take something out of a tensor or join the pieces: image by image, or label by label. An index may be a whole tensor of numbers: one operation then takes all images of a batch, and one their labels."),
                (not works and most > batch_size, f"The batches are right. But one operation copied {most} images, which takes as much memory again as all of them. Cut `order` into batches first, and then take the images of one batch at a time."),
            ])  # fmt: skip
    return "One operation for the images of a batch, one for the labels, however large the batch."


def _pairs(got: object, images: Tensor, batch_size: int, order: Tensor) -> list[tuple[Tensor, Tensor]]:
    """Return the images and labels of each batch.

    Raises:
        WrongAnswer: what came is no such pairs.
    """
    if not isinstance(got, list):
        hint = " All images in one tensor? Cut them into batches, and take the labels along."
        came = toolkit.describe(got) if isinstance(got, Tensor | str | int | float) else f"a {type(got).__name__}"
        raise WrongAnswer(f"I expected batches, pairs (images, labels) in a list or by `yield`, and got {came}.{hint if isinstance(got, Tensor) else ''}")  # fmt: skip
    kinds, several, one = _axes(got), len(order.split(batch_size)), tuple(images.shape[1:])
    refuse([
        (not got and len(order) < batch_size, "No batch came. The images that are left over make a smaller batch."),
        (not got, "No batch came. Does every batch get into the list, or to `yield`?"),
        (kinds == (4, 1) and len(got[0]) == len(order) > batch_size, "all images came in one pair. Now cut them into batches."),
        (kinds == (4, 1), "one pair came, instead of several. Is `return` inside the loop? `yield`, or a list, goes on to the next batch; and if there is a single batch, it is a list of one pair."),
        (kinds == ((4,) * several, (1,) * several), "all batches of images came first, and then all batches of labels. A batch is a pair of both: put the images and the labels of each batch together."),
    ])  # fmt: skip
    pairs = []
    for batch, kind, this in zip(got, kinds, (f"batch {place}" for place in range(len(got))), strict=True):
        what = toolkit.describe(batch) if isinstance(batch, Tensor) else f"a {type(batch).__name__}"
        what += f" of {len(batch)} parts" if isinstance(batch, list | tuple) else ""
        refuse([
            (kind == 4, f"{this} is {what}. Where are the labels?"),
            (kind == 1, f"{this} is {what}. Are these the numbers of the images? Use them to take the images and the labels."),
            (kind == (1, 1), f"{this} holds whole numbers where the images should be. Are these the numbers of the images? Use them to take the images."),
            (kind == (1, 4), f"{this} has the labels first. Images come first, labels second."),
            (kind == (3, 0), f"{this} is a single image. `batch_size` of them go together, in one tensor."),
            (not isinstance(kind, tuple) or len(kind) != 2 or not {*kind} <= {*range(9)}, f"{this} is {what} and should be a pair of tensors, (images, labels)."),
        ])  # fmt: skip
        x, y = map(torch.as_tensor, batch)
        refuse([
            (x.shape[1:] != one, f"{this} has images of shape {tuple(x.shape)}. I expected as many as are in the batch, each of shape {one}."),
            (x.dtype != images.dtype, f"{this} has images of type {str(x.dtype).removeprefix('torch.')}, and the given ones are float32. Take them as they are."),
            (y.shape != x.shape[:1], f"{this} has {len(x)} images, and labels of shape {tuple(y.shape)}. Each image has one label."),
            (y.dtype != torch.int64 and len(y), f"{this} has labels of type {str(y.dtype).removeprefix('torch.')}. Labels are whole numbers, int64: F.nll_loss takes no others."),
        ])  # fmt: skip
        pairs.append((x, y))
    return pairs


def _axes(value: object) -> Any:
    """Return how many axes a tensor has, or each part of a list or tuple; None for anything else."""
    if isinstance(value, list | tuple):
        return tuple(map(_axes, value))
    found = toolkit.as_tensor(value)
    return None if found is None else found.ndim


def _places(taken: Tensor, given: Tensor) -> list[int]:
    """Return for each image or label which one of `given` it is, and -1 for none."""
    fits = (taken[:, None].flatten(1)[:, None].double() == given[:, None].flatten(1).double()).all(2)
    return torch.where(fits.any(1), fits.int().argmax(1), -1).tolist()


def _refuse_wrong_batches(x: list[list[int]], y: list[list[int]], batch_size: int, order: Tensor, count: int) -> None:
    """Refuse batches of the images `x` with the labels `y` unless they are the right ones.

    Raises:
        WrongAnswer: they aren't.
    """
    right, own, none = order.split(batch_size), torch.arange(len(order)).split(batch_size), order[:0]
    starts, after_the_end = range(0, len(order), batch_size), len(range(0, count, batch_size)) - len(right)
    sizes, wanted = list(map(len, x)), list(map(len, right))
    no_batch_size = f"images and labels are right, but the batches have sizes {sizes}. Where does `batch_size` come in, or is there a fixed 64?"
    overlap = "each batch begins one image after the one before, so they overlap. How far should the start move?"
    common_mistakes: list[tuple[Sequence[Tensor], Sequence[Tensor], str]] = [
        (own, own, "the images come in their stored order, image 0 first. The first number in `order` says which one should come first."),
        (right, own, "the images come in the right order, but the labels do not. They must go together: image and label have the same number."),
        (own, right, "the labels come in the right order, but the images do not. They must go together: image and label have the same number."),
        *((wrong, wrong, words) for wrong, words in [
            (order.chunk(batch_size), f"{len(sizes)} batches came, and I expected {len(wanted)}. `batch_size` is the number of images in a batch, not the number of batches."),
            (order.split(64), no_batch_size),
            ([order], no_batch_size),
            (right[:1], "only the first batch came. Is `return` inside the loop?"),
            (order[1:].split(batch_size), "the first image of `order` is missing. Places count from 0."),
            (right[:-1], f"the last batch is missing. {wanted[-1]} images are left over: they make a smaller one."),
            *(([order[start : start + batch_size] for start in range(end)], overlap) for end in (len(order), len(right))),
            ([right[0]] * len(right), "every batch holds the first images of `order`. Does the start move on from batch to batch?"),
            ([order[start:batch_size] for start in starts], "all batches but the first are empty. Where does your slice end? The next batch ends `batch_size` further on."),
            ([*right, none], "one batch is empty. Where does your loop end when the last batch is full?"),
            ([*right, *[none] * after_the_end], "batches at the end are empty. Does your loop run to len(images)? It should end with `order`."),
            (order.argsort().split(batch_size), "the wrong way around: `order` says which image comes at place k, and you took it as the place to which image k goes."),
            (order.flip(0).split(batch_size), "the order is right, but backward, last image first."),
            ([part.sort().values for part in right], "each batch holds the right images, but sorted. Did you sort the numbers, or use a mask? A mask keeps the order in which the images are stored."),
        ]),
    ]  # fmt: skip
    images, labels, in_order = [*chain(*x)], [*chain(*y)], order.tolist()
    if (images, labels, sizes) == (in_order, in_order, wanted):
        return
    for *wrong, words in common_mistakes:
        refuse([([x, y] == [[part.tolist() for part in batches] for batches in wrong], words)])
    place = next((place for place, (a, b) in enumerate(zip(images, in_order, strict=False)) if a != b), len(in_order))
    refuse([
        (0 in sizes, "one batch is empty."),
        (images == labels == in_order, f"images and labels are right, but the batches have sizes {sizes}, and I expected {wanted}."),
        (-1 in images, "there are images that are none of the given ones. Were their pixels changed?"),
        (-1 in labels, "there are labels that are none of the given ones. Take them from `labels`, and leave them as they are."),
        (images == in_order != labels, "the images are right, but the labels are not theirs. Image and label have the same number."),
        (images != labels, "images and labels do not belong together. Take both with the same numbers."),
        (sorted(images) == sorted(in_order), "the right images come, but in another order than in `order`. Does your function shuffle or sort them itself?"),
        (len(images) < len(in_order), f"{len(images)} images came, and {len(in_order)} are in `order`. Is one left out between two batches?"),
        (place == len(in_order), f"{len(images)} images came, and {len(in_order)} are in `order`. Do some come twice?"),
    ])  # fmt: skip
    raise WrongAnswer(f"at place {place} I expected image {in_order[place]} and got image {images[place]}.")


def lines_that_wait(answer: object) -> str:
    """A reading: which lines make the processor wait in every step."""
    found = toolkit.as_tensor(answer, any_order=True)
    if found is None or found.dtype == torch.bool:
        quoted = isinstance(answer, list | tuple | set | frozenset) and any(isinstance(part, str) for part in answer)
        quotes = " Without quotes." if quoted else ""
        raise WrongAnswer(
            f"I expected the numbers of lines, such as {{2, 3}}, and got {toolkit.describe(answer)}.{quotes}"
        )
    parts = found.flatten().tolist()
    for part in parts:
        refuse([(part not in range(1, 13), f"There is no line {part:g}. The lines are numbered 1 to 12.")])
    lines = {int(part) for part in parts}
    both = " and ".join(f"line {line}" for line in sorted(lines & {8, 10}))
    works = f"{both.capitalize()}: right." if both else ""
    going_on = [  # why these lines don't wait, in the order in which they are talked about
        (12, "Line 12 does wait, but once: it comes after the loop. Which lines wait in every step?"),
        (9, "Line 9 does not wait: the sum stays on the GPU, and `hits` is a tensor there. Nobody asks yet how large it is."),
        (6, "Line 6 does not wait: backward() puts its work into the queue, and the processor goes on."),
        (7, "Line 7 does not wait: the step is computed on the GPU, from gradients that are there already. It goes into the queue."),
        (2, "Line 2 does not wait: the numbers of the images are on the GPU already, and nobody asks for them here."),
        (3, "Line 3 does not wait: the model's work goes into the queue, and the processor goes on."),
        (4, "Line 4 does not wait: the loss is a tensor on the GPU, and nobody asks here how large it is."),
        (1, "Line 1 does not wait: to cut `order` into pieces, Python must know only their lengths, not the numbers in them."),
        (5, "Line 5 does not wait: it lets go of the old gradients, and asks for no number."),
        (11, "Line 11 has nothing to wait for: when Python gets there, the question has been answered. Where is it asked?"),
    ]  # fmt: skip
    refuse([
        (not lines, "Some lines do make the processor wait. Where does Python need to know a number?"),
        (len(lines) > 8, f"That is {len(lines)} of the 12 lines. Most work goes into the queue, and the processor goes on. In which lines must Python *know* a number?"),
    ])  # fmt: skip
    with after_success(works):
        refuse([
            *((line in lines, words) for line, words in going_on),
            (8 not in lines, "There is another one: it turns a tensor on the GPU into a Python number, on the processor."),
            (10 not in lines, "There is another one, and it calls nothing. Which way should Python go? It must know before it can run the next line."),
        ])  # fmt: skip
    return "item() and `if` both need a number at once. Keep the losses as tensors, with loss.detach(), and look at them once, after the loop."  # fmt: skip


CHECKS: dict[str, Callable] = {
    "7.1": ratio_of_turns,
    "7.2": whole_and_part,
    "7.3": operations_of_a_layer,
    "7.4": batches_in_order,
    "7.5": lines_that_wait,
}
