"""Right and wrong answers to the exercises of chapter 7."""

import math
import statistics
from fractions import Fraction

import numpy as np
import torch
from torch import nn
from torch.utils.data import BatchSampler, DataLoader, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

# --- 7.1 ---


def ratios(slow_seconds, fast_seconds):
    return [slow / fast for slow, fast in zip(slow_seconds, fast_seconds, strict=True)]


def by_sorting(slow_seconds, fast_seconds):
    ordered = sorted(ratios(slow_seconds, fast_seconds))
    return (ordered[len(ordered) // 2] + ordered[(len(ordered) - 1) // 2]) / 2


def by_the_lists_sorted_in_place(slow_seconds, fast_seconds):
    slow_seconds.sort()
    fast_seconds.sort()
    return by_sorting(slow_seconds, fast_seconds)


def return_in_the_loop(slow_seconds, fast_seconds):
    for slow, fast in zip(slow_seconds, fast_seconds, strict=True):
        return slow / fast


# --- 7.2 ---


def in_seconds(share, times):
    before = 100
    after = before * (1 - share) + before * share / times
    return before / after


# --- 7.3 ---


def by_loops(inputs, outputs, kernel, size):
    count = 0
    for _row in range(0, size - kernel + 1):
        for _column in range(0, size - kernel + 1):
            count += outputs * inputs * kernel * kernel * 2
    return count


def by_pytorch(inputs, outputs, kernel, size):
    layer = nn.Conv2d(inputs, outputs, kernel, bias=False)
    with FlopCounterMode(display=False) as counter:
        layer(torch.zeros(1, inputs, size, size))
    return counter.get_total_flops()


def by_its_weights(inputs, outputs, kernel, size):
    layer = nn.Conv2d(inputs, outputs, kernel)
    return 2 * layer.weight.numel() * layer(torch.zeros(1, inputs, size, size))[0, 0].numel()


def counted(two=2, by_inputs=1, power=2, by_outputs=1, more=1, places=2):
    """Return the formula with one thing or other gone wrong."""

    def operations(inputs, outputs, kernel, size):
        return two * inputs**by_inputs * kernel**power * outputs**by_outputs * (size - kernel + more) ** places

    return operations


# --- 7.4 ---


def cut_and_taken(images, labels, batch_size, order):
    for index in order.split(batch_size):
        yield images[index], labels[index]


def in_a_list(images, labels, batch_size, order):
    batches = []
    for start in range(0, len(order), batch_size):
        index = order[start : start + batch_size]
        batches.append([images.index_select(0, index), torch.take(labels, index)])
    return batches


def in_order_first(images, labels, batch_size, order):
    return zip(images[order].split(batch_size), labels[order].split(batch_size), strict=True)


def by_lists_of_numbers(images, labels, batch_size, order):
    numbers = order.tolist()
    while numbers:
        index, numbers = numbers[:batch_size], numbers[batch_size:]
        yield images[index], labels[index]


def with_numpy(images, labels, batch_size, order):
    pixels, classes = images.numpy(), labels.numpy()
    for index in np.split(order.numpy(), range(batch_size, len(order), batch_size)):
        yield pixels[index], classes[index]


def by_a_loader_of_batches(images, labels, batch_size, order):
    batches = BatchSampler(order.tolist(), batch_size, drop_last=False)
    return DataLoader(TensorDataset(images, labels), sampler=batches, batch_size=None)


def by_a_loader(images, labels, batch_size, order):
    return DataLoader(TensorDataset(images, labels), batch_size, sampler=order.tolist())


def by_stacking(images, labels, batch_size, order):
    for index in order.split(batch_size):
        yield torch.stack([images[i] for i in index]), torch.tensor([labels[i] for i in index])


def by_filling(images, labels, batch_size, order):
    ordered = torch.empty(len(order), *images.shape[1:])
    for place, number in enumerate(order.tolist()):
        ordered[place] = images[number]
    return in_order_first(ordered, labels[order], batch_size, torch.arange(len(order)))


def by_a_list_of_images(images, labels, batch_size, order):
    rows = list(images)
    for index in order.split(batch_size):
        yield torch.stack([rows[i] for i in index.tolist()]), labels[index]


def by_concatenating(images, labels, batch_size, order):
    for index in order.tolist():
        yield images[index : index + 1], labels[index : index + 1]


def cut_by(cut, take=lambda images, labels, index: (images[index], labels[index])):
    """Return a function that cuts the order into pieces in one way or other, and takes each in one way or other."""

    def batches(images, labels, batch_size, order):
        return [take(images, labels, index) for index in cut(order, batch_size)]

    return batches


def taken_by(take):
    return cut_by(torch.split, take)


def own_order(images, labels, batch_size, order):
    return zip(images.split(batch_size), labels.split(batch_size), strict=True)


def own_labels(images, labels, batch_size, order):
    for place, index in enumerate(order.split(batch_size)):
        yield images[index], labels[place * batch_size :][: len(index)]


def own_images(images, labels, batch_size, order):
    for place, index in enumerate(order.split(batch_size)):
        yield images[place * batch_size :][: len(index)], labels[index]


def only_full_ones(images, labels, batch_size, order):
    for batch in range(len(order) // batch_size):
        index = order[batch * batch_size : (batch + 1) * batch_size]
        yield images[index], labels[index]


def up_to_all_images(images, labels, batch_size, order):
    for start in range(0, len(images), batch_size):
        index = order[start : start + batch_size]
        yield images[index], labels[index]


def one_too_many(images, labels, batch_size, order):
    for batch in range(len(order) // batch_size + 1):
        index = order[batch * batch_size : (batch + 1) * batch_size]
        yield images[index], labels[index]


def start_stays(images, labels, batch_size, order):
    return [(images[order[:batch_size]], labels[order[:batch_size]]) for _ in order.split(batch_size)]


def end_stays(images, labels, batch_size, order):
    for start in range(0, len(order), batch_size):
        index = order[start:batch_size]
        yield images[index], labels[index]


def overlapping(images, labels, batch_size, order):
    for start in range(len(order)):
        index = order[start : start + batch_size]
        yield images[index], labels[index]


def without_end(images, labels, batch_size, order):
    while True:
        yield images[order[:batch_size]], labels[order[:batch_size]]


def first_batch_returned(images, labels, batch_size, order):
    for index in order.split(batch_size):
        return images[index], labels[index]


def changed_in_place(images, labels, batch_size, order):
    images -= images.mean()
    return in_a_list(images, labels, batch_size, order)


def by_masks(images, labels, batch_size, order):
    for index in order.split(batch_size):
        mask = torch.zeros(len(images), dtype=torch.bool)
        mask[index] = True
        yield images[mask], labels[mask]


def drawn_anew(images, labels, batch_size, order):
    return in_a_list(images, labels, batch_size, order[torch.randperm(len(order))])


def scattered(images, labels, batch_size, order):
    return in_a_list(images, labels, batch_size, order.argsort())


def first_batch_in_a_list(images, labels, batch_size, order):
    batches = []
    for index in order.split(batch_size):
        batches.append((images[index], labels[index]))
        return batches


def from_one_on(images, labels, batch_size, order):
    for start in range(1, len(order), batch_size):
        index = order[start : start + batch_size]
        yield images[index], labels[index]


def one_left_out(images, labels, batch_size, order):
    for start in range(0, len(order), batch_size):
        index = order[start : start + batch_size - 1]
        yield images[index], labels[index]


def labels_of_their_own(images, labels, batch_size, order):
    for index in order.split(batch_size):
        yield images[index], labels[index.flip(0)]


# ---

CONTEXT: dict = {}

RIGHT = {
    "7.1": [
        lambda slow, fast: statistics.median(ratios(slow, fast)),
        by_sorting,
        lambda slow, fast: np.median(np.array(slow) / np.array(fast)),
        lambda slow, fast: statistics.median([Fraction(a) / Fraction(b) for a, b in zip(slow, fast, strict=True)]),
        lambda slow, fast: torch.tensor(ratios(slow, fast)).quantile(0.5).reshape(1),
        lambda slow, fast: round(by_sorting(slow, fast), 2),
    ],
    "7.2": [
        lambda share, times: 1 / ((1 - share) + share / times),
        in_seconds,
        lambda share, times: torch.tensor(1 / (1 - share + share / times)),
        lambda share, times: np.reciprocal(1 - share * (1 - 1 / times)),
        lambda share, times: round(1 / (1 - share + share / times), 2),
    ],
    "7.3": [
        counted(),
        by_loops,
        by_pytorch,
        by_its_weights,
        lambda inputs, outputs, kernel, size: torch.tensor(float(by_loops(inputs, outputs, kernel, size))),
    ],
    "7.4": [
        cut_and_taken,
        in_a_list,
        by_lists_of_numbers,
        with_numpy,
        by_a_loader_of_batches,
        lambda images, labels, batch_size, order: ((images[i], labels[i]) for i in order.split(batch_size)),
    ],
    "7.5": [
        {8, 10},
        [10, 8],
        (8, 10),
        torch.tensor([8, 10]),
        np.array([10.0, 8.0]),
        frozenset({8, 10}),
        range(8, 11, 2),
        {torch.tensor(8), np.int64(10)},
    ],
}

WRONG = {
    "7.1": [
        (lambda slow, fast: statistics.median(slow) / statistics.median(fast), "two medians and divided"),
        (lambda slow, fast: statistics.mean(slow) / statistics.mean(fast), "two means, or two sums"),
        (lambda slow, fast: sum(slow) / sum(fast), "two means, or two sums"),
        (lambda slow, fast: np.mean(ratios(slow, fast)), "you took their mean"),
        (lambda slow, fast: math.prod(ratios(slow, fast)) ** (1 / len(slow)), "geometric mean"),
        (lambda slow, fast: min(slow) / min(fast), "the shortest times"),
        (lambda slow, fast: max(slow) / max(fast), "the longest times"),
        (lambda slow, fast: statistics.median(ratios(fast, slow)), "fast / slow instead of"),
        (lambda slow, fast: statistics.median(fast) / statistics.median(slow), "And you took two medians first"),
        (lambda slow, fast: sum(fast) / sum(slow), "And you took two means"),
        (lambda slow, fast: statistics.mean(ratios(fast, slow)), "And it is their mean"),
        (lambda slow, fast: statistics.harmonic_mean(ratios(slow, fast)), "turned it over"),
        (lambda slow, fast: ratios(slow, fast)[len(slow) // 2], "sort them by size first"),
        (by_the_lists_sorted_in_place, "`sorted(x)` rather than `x.sort()`"),
        (lambda slow, fast: max(ratios(slow, fast)), "the best turn"),
        (lambda slow, fast: min(ratios(slow, fast)), "the worst turn"),
        (lambda slow, fast: sorted(ratios(slow, fast))[len(slow) // 2 - 1], "one place off"),
        (lambda slow, fast: sorted(ratios(slow, fast))[len(slow) // 2 + 1], "one place off"),
        (lambda slow, fast: np.median(np.array(slow) - np.array(fast)), "seconds saved"),
        (lambda slow, fast: by_sorting(slow, fast) - 1, "That is 1 too low"),
        (lambda slow, fast: 100 * by_sorting(slow, fast), "in percent"),
        (lambda slow, fast: round(by_sorting(slow, fast), 1), "rounded"),
        (lambda slow, fast: int(by_sorting(slow, fast)), "after the decimal point is gone"),
        (lambda slow, fast: sorted(ratios(slow, fast))[len(slow) // 2], "the upper of the two"),
        (lambda slow, fast: (torch.tensor(slow) / torch.tensor(fast)).median(), "as torch.median does"),
        (lambda slow, fast: 1 / statistics.median(ratios(fast, slow)), "and turned it over"),
        (return_in_the_loop, "Is `return` inside"),
        (lambda slow, fast: ratios(slow, fast), "one per turn"),
        (lambda slow, fast: slow / fast, "go through both together"),
        (lambda slow, fast: 2.718, "a name of the notebook"),
        (lambda slow, fast: 2, "a name of the notebook"),
        (lambda slow, fast: "2.5", "I expected one number"),
        (2.5, "I expected a function"),
    ],
    "7.2": [
        (lambda share, times: share * times, "That is share × times"),
        (lambda share, times: (1 - share) + share / times, "the time that remains"),
        (lambda share, times: 1 / 1 - share + share / times, "lacks its parentheses"),
        (lambda share, times: 1 / (1 - share), "no time at all"),
        (lambda share, times: times, "how much faster the part becomes"),
        (lambda share, times: 1 + share * (times - 1), "a mean of the two factors"),
        (lambda share, times: (1 - share) + share * times, "a mean of the two factors"),
        (lambda share, times: 1 / (share + (1 - share) / times), "You made the rest faster"),
        (lambda share, times: 1 / (1 - share + share * times), "takes *less* time"),
        (lambda share, times: times / share, "The rest takes its time"),
        (lambda share, times: 1 / (share / times), "The rest takes its time"),
        (lambda share, times: share / times, "the new time of the part"),
        (lambda share, times: 1 / (1 - share / times), "subtracted the part's new time"),
        (lambda share, times: 1 / (1 - share) + share / times, "Parentheses are missing"),
        (lambda share, times: 1 - ((1 - share) + share / times), "the time that is saved"),
        (lambda share, times: in_seconds(share, times) - 1, "That is 1 too low"),
        (lambda share, times: 100 * in_seconds(share, times), "in percent"),
        (lambda share, times: round(in_seconds(share, times), 1), "rounded"),
        (lambda share, times: int(in_seconds(share, times)), "after the decimal point is gone"),
        (lambda share, times: times / (times * (1 - share) + share), "it was inf / inf"),
        (lambda share, times: 1 / (1 - share + share * share / (share * times)), "share=0.0"),
        (lambda share, times: max(1, in_seconds(share, times)), "twice as long as before"),
        (lambda share, times: in_seconds(share, times) if share < 1 else 1, "All of it is the part"),
        (lambda share, times: 1.8181, "a name of the notebook"),
        (lambda share, times: (share, times), "I expected one number"),
        (lambda share: share, "TypeError"),
        (1.6, "I expected a function"),
    ],
    "7.3": [
        (counted(two=1), "the products alone"),
        (counted(by_inputs=0), "The input channels are missing"),
        (counted(power=1), "The kernel is a square"),
        (counted(power=0), "How many products"),
        (counted(by_outputs=0), "The output channels are missing"),
        (counted(places=1), "form a square"),
        (counted(places=0), "for one place of the kernel"),
        (counted(more=0), "One place is missing"),
        (counted(more=-1), "Two places are missing"),
        (counted(two=1, more=0), "count as two. Besides: One place"),
        (counted(two=1, by_inputs=0), "count as two. Besides: The input channels"),
        (lambda i, o, k, s: 2 * i * k * k * o * s * s, "each pixel of the *input*"),
        (lambda i, o, k, s: 2 * i * k * k * o * (s + k - 1) ** 2, "more places than pixels"),
        (lambda i, o, k, s: i * k * k * o * s * s, "count as two. Besides: You counted a place"),
        (lambda i, o, k, s: (2 * i * k * k + 1) * o * (s - k + 1) ** 2, "with the bias"),
        (lambda i, o, k, s: (2 * i * k * k - 1) * o * (s - k + 1) ** 2, "Strictly speaking, you are right"),
        (lambda i, o, k, s: 2 * (i + o) * k * k * (s - k + 1) ** 2, "don't add them"),
        (lambda i, o, s, k: 2 * i * k * k * o * (s - k + 1) ** 2, "are swapped"),
        (lambda i, o, k, s: 2 * i * k * k * o * (s - 2 * (k // 2)) ** 2, "the kernel is even"),
        (lambda i, o, k, s: o * (s - k + 1) ** 2, "the numbers in the result"),
        (lambda i, o, k, s: (i * k * k + 1) * o, "the layer's parameters"),
        (counted(two=4), "come in twice"),
        (counted(two=6), "forward and backward together"),
        (lambda i, o, k, s: by_loops(i, o, k, s) / 1e6, "in millions"),
        (lambda i, o, k, s: 2 * i * 25 * o * (s - 4) ** 2, "a fixed 5"),
        (lambda i, o, k, s: 2 * i * k * k * o * (s - 4) ** 2, "a fixed 5"),
        (lambda i, o, k, s: 2 * i * 5 * 5 * o * (s - k + 1) ** 2, "a fixed 5"),
        (lambda i, o, k, s: by_loops(i, o, k, s) if k < s else 0, "as large as the image has one place"),
        (lambda i, o, k, s: 288_000, "a name of the notebook"),
        (lambda i, o, k, s: None if s else 0, "returns nothing"),
        (lambda i, o, k, s: math.nan, "got nan"),
        (lambda i, o, k, s: (i, o), "I expected one number"),
        (640_000, "I expected a function"),
    ],
    "7.4": [
        (own_order, "in their stored order"),
        (only_full_ones, "the last batch is missing"),
        (first_batch_in_a_list, "only the first batch came"),
        (from_one_on, "the first image of `order` is missing"),
        (own_labels, "but the labels do not"),
        (own_images, "but the images do not"),
        (in_order_first, "as much memory again"),
        (taken_by(lambda images, labels, index: (images[index].double(), labels[index])), "images of type float64"),
        (by_stacking, "image by image, or label by label"),
        (by_filling, "image by image, or label by label"),
        (by_a_list_of_images, "image by image, or label by label"),
        (by_a_loader, "image by image, or label by label"),
        (cut_by(torch.split, lambda images, labels, index: index), "the numbers of the images?"),
        (taken_by(lambda images, labels, index: (index, labels[index])), "whole numbers where the images"),
        (taken_by(lambda images, labels, index: images[index]), "Where are the labels?"),
        (taken_by(lambda images, labels, index: (labels[index], images[index])), "labels first"),
        (taken_by(lambda images, labels, index: (images[index][:, 0], labels[index])), "has images of shape"),
        (taken_by(lambda images, labels, index: (images[index], labels[index][:, None])), "Each image has one label"),
        (taken_by(lambda images, labels, index: (images[index], labels[index].float())), "of type float32"),
        (taken_by(lambda images, labels, index: (images[index], labels[index].int())), "of type int32"),
        (lambda images, labels, batch_size, order: dict(enumerate(order.split(batch_size))), "and got a dict"),
        (taken_by(lambda images, labels, index: (images[index], labels[index], index)), "of 3 parts"),
        (taken_by(lambda images, labels, index: (images[index] / 2, labels[index])), "none of the given ones"),
        (taken_by(lambda images, labels, index: {"x": images[index]}), "a dict"),
        (cut_by(torch.chunk), "not the number of batches"),
        (cut_by(lambda order, batch_size: order.split(64)), "a fixed 64"),
        (cut_by(lambda order, batch_size: order), "is a single image"),
        (by_concatenating, "the batches have sizes"),
        (cut_by(lambda order, batch_size: order.flip(0).split(batch_size)), "last image first"),
        (lambda images, labels, batch_size, order: (images[order], labels[order]), "all images came in one pair"),
        (lambda x, y, batch_size, order: (x[order].split(batch_size), y[order].split(batch_size)), "all batches of images came first"),
        (lambda images, labels, batch_size, order: images[order].split(batch_size), "Where are the labels?"),
        (lambda images, labels, batch_size, order: images[order], "All images in one tensor"),
        (lambda images, labels, batch_size, order: [], "No batch came"),
        (first_batch_returned, "Is `return` inside the loop?"),
        (up_to_all_images, "It should end with `order`"),
        (one_too_many, "when the last batch is full"),
        (start_stays, "Does the start move on"),
        (overlapping, "so they overlap"),
        (cut_by(lambda order, size: [order[k : k + size] for k in range(-(-len(order) // size))]), "so they overlap"),
        (end_stays, "Where does your slice end?"),
        (without_end, "When does your loop end?"),
        (changed_in_place, "changed the tensor"),
        (by_masks, "or use a mask?"),
        (drawn_anew, "shuffle or sort them itself"),
        (scattered, "the wrong way around"),
        (one_left_out, "left out between two batches"),
        (labels_of_their_own, "the labels are not theirs"),
        (lambda images, labels, order: [], "TypeError"),
        (64, "I expected a function"),
    ],
    "7.5": [
        ({8, 10, 12}, "once: it comes after the loop"),
        ({8, 12}, "Line 8: right. Line 12"),
        ({8, 9, 10}, "the sum stays on the GPU"),
        ({8, 9, 10, 12}, "Line 12 does wait, but once"),
        ({6, 8, 10}, "backward() puts its work"),
        ({7}, "the step is computed"),
        ({2, 8, 10}, "Line 8 and line 10: right. Line 2"),
        ({3, 8, 10}, "the model's work goes"),
        ({4}, "nobody asks here"),
        ({1}, "only their lengths"),
        ({5, 8}, "lets go of the old gradients"),
        ({8, 10, 11}, "Where is it asked?"),
        ({8}, "it calls nothing"),
        (8, "Line 8: right. There is another one"),
        ([10], "a Python number, on the processor"),
        (set(range(1, 13)), "12 of the 12 lines"),
        ({8, 10, 13}, "There is no line 13"),
        ({7.5}, "There is no line 7.5"),
        ({"8", "10"}, "Without quotes"),
        (["loss.item()"], "Without quotes"),
        ([], "Some lines do make"),
        ("8, 10", "I expected the numbers of lines"),
        ([8, None], "and got [8, None]"),
    ],
}  # fmt: skip
