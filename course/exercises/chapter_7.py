"""The checks of chapter 7: a ratio by turns, the whole and its part, operations, batches by index, lines that wait."""

import math
from collections.abc import Callable, Sequence
from itertools import islice, pairwise, product
from statistics import fmean, median

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from course.exercises.chapter_6 import ELSEWHERE, between, number
from course.exercises.toolkit import WrongAnswer, as_tensor, call_answer, compare, describe

Slips = list[tuple[float, str]]


def apart(right: float, slips: Slips, gap: float) -> bool:
    """Tell whether no slip lies near the right number, nor near another slip with other words."""
    ordered = sorted([(right, ""), *slips])
    return all(one == other or abs(a - b) > gap * (1 + abs(a)) for (a, one), (b, other) in pairwise(ordered))


def two(draw: Callable, others: Callable, slips_in: Callable, whole: bool = False) -> list[tuple]:
    """Return two inputs for which no right answer or slip of one comes up for the other.

    Whole numbers, such as 0 and 1, may come up for both, unless `whole` forbids it.
    """
    while True:
        inputs = [draw(), others()]
        one, other = (
            {right, *(value for value, _ in slips)} for right, slips in (slips_in(*given) for given in inputs)
        )
        if not any(whole or value % 1 for value in one & other):
            return inputs


def cut_off(right: float) -> Slips:
    """Return the right number, rounded in one way or other."""
    gone = "All that is behind the point is gone. Does int(), round() or // cut it off?"
    rounded = "That is rounded. Return the number as it is; round when you print it."
    return [(round(right, 1), rounded), (round(right), gone), (math.floor(right), gone)]


# --- 7.1 ---


def ratio_of_turns(answer: Callable) -> str:
    """A function that says how many times faster, from measurements in turns."""
    asked = "one number, how many times faster,"
    measured = two(lambda: _measured(9), lambda: _measured(7), _slips_in_turns)
    answers = []
    for slow, fast in measured:
        got = _ratio(answer, slow, fast)
        found = as_tensor(got)
        if found is not None and found.shape == (len(slow),):
            raise WrongAnswer(f"I expected {asked} and got {len(slow)}, as many as there are turns. Which of the ratios stands in the middle, when they are sorted?")  # fmt: skip
        answers.append(number(got, asked))
    slow, fast = measured[0]
    if answers[0] == answers[1] == number(_ratio(answer, [10 * seconds for seconds in slow], fast), asked):
        raise WrongAnswer(f"For two different pairs of lists the same came out, {describe(answers[0])}. {ELSEWHERE}")
    for (slow, fast), got in zip(measured, answers, strict=True):
        right, slips = _slips_in_turns(slow, fast)
        about = f"slow_seconds={slow}, fast_seconds={fast}"
        hint = "First the ratio of each turn, slow / fast. Then the one in the middle, when they are sorted."
        compare(got, right, about, slips, tolerance=2e-3, hint=hint)
    return "The two of one turn have met the same machine, so its drift cancels out; and the median lets a hiccup in one turn pass by."  # fmt: skip


def _ratio(answer: Callable, slow: list[float], fast: list[float]) -> object:
    try:
        return call_answer(answer, slow, fast)
    except WrongAnswer as reason:
        if "'list' and 'list'" in str(reason):
            raise WrongAnswer(f"{reason} One list can't be divided by another: go through both together, turn by turn.") from None  # fmt: skip
        raise


def _measured(turns: int) -> tuple[list[float], list[float]]:
    """Return seconds measured in turns, on a machine that drifts, with a hiccup; all slips give different numbers."""
    middle = turns // 2
    while True:
        ratios = sorted(
            [between(62, 95), *(between(180, 400) for _ in range(turns - 1))]
        )  # others used the machine once
        places = torch.randperm(turns).tolist()
        if turns > 7:  # the first turn, the middle one and the last are neither best, worst, nor near the median
            far = [place for place in range(1, turns - 1) if abs(place - middle) > 1]
            chosen = [far[k] for k in torch.randperm(len(far))[:3]]
            others = [place for place in places if place not in chosen]
            places = [chosen[0], *others[: middle - 1], chosen[1], *others[middle - 1 :], chosen[2]]
        slow = [between(60, 200) * between(380, 460) / 1e4 for _ in range(turns)]
        fast = [round(100 * seconds / ratios[place], 2) for seconds, place in zip(slow, places, strict=True)]
        slow = [round(seconds, 2) for seconds in slow]
        right, slips = _slips_in_turns(slow, fast)
        if 2.1 < right < 3.4 and apart(right, slips, 5e-3):
            return slow, fast


def _slips_in_turns(slow: Sequence[float], fast: Sequence[float]) -> tuple[float, Slips]:
    """Return the median of the ratios, and what slips make of the two lists."""
    ratios = [a / b for a, b in zip(slow, fast, strict=True)]
    right = median(ratios)
    together = "The two of one turn have met the same machine, so divide these first."
    over = "That is what is left of the time, not how many times faster: fast / slow instead of slow / fast?"
    beside = sorted(ratios)[len(ratios) // 2 - 1 : len(ratios) // 2 + 2]
    single = [
        (ratios[len(ratios) // 2], "The ratios are right, but you took the one of the middle *turn*. For a median they must be sorted by size first."),
        (ratios[0], "That is the first turn alone. Does `return` stand inside the loop?"),
        (ratios[-1], "That is the last turn alone. Collect the ratios of all turns."),
    ]  # fmt: skip
    return right, [
        *cut_off(right),
        *(single if len(ratios) > 7 else []),
        (median(slow) / median(fast), f"You took two medians and divided them. They may come from different turns, and the machine drifts. {together}"),
        (fmean(slow) / fmean(fast), f"You divided two means, or two sums. One bad turn reaches into both. {together} Then the median."),
        (fmean(ratios), "The ratios of the turns are right, but you took their mean. One turn with a hiccup pulls it along; the median stays."),
        (math.prod(ratios) ** (1 / len(ratios)), "The ratios of the turns are right, but that is their geometric mean. One turn with a hiccup pulls it along; the median stays."),
        (min(slow) / min(fast), f"You divided the shortest times. They may come from different turns, and the machine drifts. {together}"),
        (max(slow) / max(fast), f"You divided the longest times. They may come from different turns, and the machine drifts. {together}"),
        (1 / right, over),
        (median(fast) / median(slow), f"{over} And you took two medians first. {together}"),
        (fmean(fast) / fmean(slow), f"{over} And you took two means, or sums, first. {together}"),
        (fmean(1 / ratio for ratio in ratios), f"{over} And the mean of them; the median is asked."),
        (1 / fmean(1 / ratio for ratio in ratios), "You took a mean of fast / slow and turned it over. It is the median that is asked."),
        (median(a / b for a, b in zip(sorted(slow), sorted(fast), strict=True)), f"It looks as if both lists were sorted before you divided. Then turns get mixed. {together} Sort the ratios."),
        (max(ratios), "That is the best turn. Which one stands in the middle?"),
        (min(ratios), "That is the worst turn. Which one stands in the middle?"),
        (beside[0], "One place beside the middle. Places in a list count from 0, so of nine the middle is place 4, and of seven place 3."),
        (beside[-1], "One place beside the middle. Places in a list count from 0, so of nine the middle is place 4, and of seven place 3."),
        (median(a - b for a, b in zip(slow, fast, strict=True)), "Those are seconds saved, a difference. How many *times* faster is a ratio: slow / fast."),
        (median(slow) - median(fast), "Those are seconds saved, a difference. How many *times* faster is a ratio: slow / fast."),
        (right - 1, "One too little: slow / fast as it is. Equally fast would be 1 time."),
        (100 * right, "That is in per cent. How many *times* faster: slow / fast as it is."),
        (100 * (right - 1), "That is in per cent. How many *times* faster: slow / fast as it is."),
        (sum(ratios), "You added the ratios of all turns. Which one stands in the middle?"),
        (median(slow), "That is the median of the slow times, in seconds. Divide turn by turn first."),
        (median(fast), "That is the median of the fast times, in seconds. Divide turn by turn first."),
    ]  # fmt: skip


# --- 7.2 ---


def whole_and_part(answer: Callable) -> str:
    """A function that says how many times faster the whole becomes, if a part does."""
    asked = "one number, how many times faster the whole becomes,"
    pairs = two(_share_and_times, _share_and_times, _slips_in_whole)
    answers = [number(call_answer(answer, *pair), asked) for pair in pairs]
    if answers[0] == answers[1] and answers[0] % 1:
        raise WrongAnswer(f"For two different pairs of share and times the same came out, {describe(answers[0])}. {ELSEWHERE}")  # fmt: skip
    for (share, times), got in zip(pairs, answers, strict=True):
        right, slips = _slips_in_whole(share, times)
        hint = "Take the old time as 1. What does the part take now, and what the rest? How often does their sum go into 1?"
        compare(got, right, f"share={share}, times={times}", slips, tolerance=2e-3, hint=hint)
    share, times = between(30, 60) / 100, between(3, 9)
    for place, one, right, hint in [
        ((share, math.inf), False, 1 / (1 - share), "The part takes no time at all, and the rest remains. Where nan comes out, it was inf / inf: let `times` stand in one place only, below a bar."),
        ((0.0, times), True, 1.0, "No part of the time is touched, so all stays as it was: 1 time as fast."),
        ((1.0, times), False, float(times), "All of it is the part. Then the whole becomes as much faster as the part."),
        ((share, 0.5), False, 1 / (1 - share + share / 0.5), "The part takes twice as long as before, so the whole becomes slower: below 1."),
        ((share, 1), True, 1.0, "Nothing has become faster: 1 time as fast."),
    ]:  # fmt: skip
        about = f"share={place[0]}, times={place[1]}"
        try:
            got = number(call_answer(answer, *place), asked)
        except WrongAnswer as reason:
            raise WrongAnswer(f"Elsewhere yours is right. For {about}: {reason} {hint}") from None
        slips = [(0.0, f"{hint} 0 would mean: it never ends.")] if one else []
        compare(got, right, f"{about}, a special case", slips, tolerance=4e-3, hint=hint)
    return "The rest sets the limit: make half of the time ten times as fast, and the whole becomes 1.82 times as fast; however fast that half gets, twice is the limit."  # fmt: skip


def _share_and_times() -> tuple[float, float]:
    """Return a share and a number of times for which all slips give different numbers."""
    while True:
        share, times = between(55, 90) / 100, between(25, 75) / 10
        right, slips = _slips_in_whole(share, times)
        if right > 1.6 and apart(right, slips, 5e-3):
            return share, times


def _slips_in_whole(share: float, times: float) -> tuple[float, Slips]:
    """Return how many times faster the whole becomes, and what slips make of it."""
    rest, part = 1 - share, share / times
    right = 1 / (rest + part)
    times_too = "A part that becomes faster takes *less* time: its share is divided by `times`."
    return right, [
        *cut_off(right),
        (share * times, "That is share × times. Think in time: how long does the part take now, and how long the rest, which stays?"),
        (rest + part, "That is the time that remains, as a share of the old one (or 1 / … lacks its brackets). How many *times* does it go into the old time?"),
        (1 / rest, "So fast the whole would be if the part took no time at all. It still takes some: how much?"),
        (times, "So much faster becomes the part. The rest is as slow as before."),
        (1 + share * (times - 1), "That is a mean of the two factors, 1 for the rest and `times` for the part. Add the *times* they take, not the factors."),
        (1 / (share + rest / times), "There the rest has become faster, and the part has stayed. Which of the two is divided by `times`?"),
        (1 / (rest + share * times), times_too),
        (rest + share / times + share, "The old time of the part is still in there. It is replaced by the new one."),
        (times / share, "That is one over the new time of the part. The rest takes its time as well."),
        (part, "That is the new time of the part. Add the rest, and ask how many times the sum goes into 1."),
        (1 - part, "That is 1 − share / times. What does the whole take now: the rest, and the part's new time?"),
        (1 / (1 - part), "You took the new time of the part away from all. Take its *old* time away, and add the new one."),
        (1 / rest + part, "A pair of brackets is missing: 1 / is to go over the whole sum."),
        (1 - (rest + part), "That is the time that is saved. How many times does what *remains* go into the old time?"),
        (1 / (1 - (rest + part)), "You divided by the time that is saved. Divide by what remains."),
        (right - 1, "One too little. Return old time / new time as it is: nothing gained would be 1."),
        (100 * right, "That is in per cent. Return old time / new time as it is."),
        (100 * (right - 1), "That is in per cent. Return old time / new time as it is."),
        (100 * (rest + part), "That is the time that remains, in per cent. How many *times* does it go into the old time?"),
        (1 + share * times, "That is 1 + share × times. Think in time: how long does the part take now, and how long the rest, which stays?"),
        (1 + share, "`times` does not come in there. What does the part take now?"),
        (rest * times, "The rest stays as slow as it was; it is the part that becomes `times` times faster."),
        (rest, "That is the rest. The part takes some time as well."),
    ]  # fmt: skip


# --- 7.3 ---


def operations_of_a_layer(answer: Callable) -> str:
    """A function that counts the operations of one convolution."""
    asked = "one number of operations"
    layers = two(lambda: _layer((7, 9)), lambda: _layer((6, 8)), _slips_in_operations, whole=True)
    answers = [number(call_answer(answer, *layer), asked) for layer in layers]
    if answers[0] == answers[1]:
        raise WrongAnswer(f"For two different layers the same came out, {describe(answers[0])}. {ELSEWHERE}")
    before = ""
    for layer, got in zip(layers, answers, strict=True):
        inputs, outputs, kernel, size = layer
        right, slips = _slips_in_operations(*layer)
        about = f"inputs={inputs}, outputs={outputs}, kernel={kernel}, size={size}"
        hint = "At how many places does the kernel lie? How many products does it take for one number there? How many numbers does each place get?"
        places = (size - 2 * (kernel // 2)) ** 2
        cut = (2 * inputs * kernel**2 * outputs * places, "An even kernel has no middle: kernel // 2 on both sides is one too much. Count the places along one side.")  # fmt: skip
        try:
            got = int(got) if got == int(got) else got
        except (OverflowError, ValueError):
            raise WrongAnswer(f"For {about}, I expected {right} and got {describe(got)}.") from None
        try:
            compare(got, right, about, [cut, *slips] if before else slips, tolerance=1e-6, hint=hint)
        except WrongAnswer as reason:
            raise WrongAnswer(f"{before}{reason}") from None
        before = "With an odd kernel it works, here the kernel is even. "
    return "Kernel and places come in squared. Half the places along a side, and a quarter of the operations is left."


def _layer(kernels: tuple[int, int]) -> tuple[int, int, int, int]:
    """Return inputs, outputs, kernel and size of a convolution for which all slips give different numbers."""
    while True:
        layer = between(3, 8), between(11, 20), kernels[between(0, 2)], between(14, 24)
        right, slips = _slips_in_operations(*layer)
        if apart(right, slips, 3e-6):
            return layer


def _slips_in_operations(inputs: int, outputs: int, kernel: int, size: int) -> tuple[int, Slips]:
    """Return the number of operations of a convolution, and what one or two slips make of it."""
    side = size - kernel + 1
    factors = [
        [(2, ""), (1, "Those are the products alone. Each is also added: a product and its sum count two.")],
        [(inputs, ""), (1, "The input channels are missing: the kernel looks at all of them at once.")],
        [(kernel**2, ""), (kernel, "The kernel is a square: it has kernel × kernel numbers for each input channel.")],
        [(outputs, ""), (1, "The output channels are missing: each has a kernel of its own.")],
        [
            (side**2, ""),
            (size**2, "You counted a place for each pixel of the *input*. Without padding the kernel does not get to lie at the edges: fewer places."),
            ((size - kernel) ** 2, "One place is missing along each side. A kernel as large as the image has one place, not none."),
            ((side - 2) ** 2, "Two places are missing along each side. A kernel as large as the image has one place."),
            ((size + kernel - 1) ** 2, "You have more places than pixels. Without padding there are fewer."),
            (side, "The places of the kernel form a square: it moves along two sides."),
            (1, "That is for one place of the kernel. At how many places does it lie?"),
        ],
    ]  # fmt: skip
    slips = []
    for choice in product(*factors):
        words = [said for _, said in choice if said]
        if 1 <= len(words) <= 2:
            slips.append((len(words), math.prod(value for value, _ in choice), " Besides: ".join(words)))
    right = 2 * inputs * kernel**2 * outputs * side**2
    fixed = "Is there a fixed 5 in your function, the kernel of our network? Here it has another size."
    bias = "That is with the bias. It is left out here: products and their sums alone."
    return right, [
        *((value, words) for _, value, words in sorted(slips)),
        (2 * inputs * 5**2 * outputs * side**2, fixed),
        (2 * inputs * 5**2 * outputs * (size - 4) ** 2, fixed),
        (2 * inputs * kernel**2 * outputs * (size - 4) ** 2, fixed),
        (right + outputs * side**2, bias),
        (right + 2 * outputs * side**2, bias),
        (right + outputs, bias),
        (right - outputs * side**2, "You are exact: the first product of a sum is added to nothing. Here each product and its sum count two, as in the chapter's table."),
        (2 * inputs * size**2 * outputs * (kernel - size + 1) ** 2, "That comes out if `kernel` and `size` change places. Is their order (inputs, outputs, kernel, size)?"),
        (2 * (inputs + outputs) * kernel**2 * side**2, "Each output channel looks at each input channel: multiply the two, don't add them."),
        (2 * right, "Twice as many: did the 2 for a product and its sum come in twice?"),
        (outputs * side**2, "Those are the numbers in the result. How many operations does each of them take?"),
        (inputs * kernel**2 * outputs + outputs, "Those are the layer's parameters. Each weight is used at every place of the kernel, for a product and a sum; the bias is left out."),
        (3 * right, "That is forward and backward together. Asked is one pass forward."),
        (right / 1e6, "That is in millions. Return the number itself."),
        (right / 1e3, "That is in thousands. Return the number itself."),
    ]  # fmt: skip


# --- 7.4 ---

# The operations of PyTorch that take something out of a tensor.
TAKING = {"index", "select", "slice", "index_select", "gather", "take", "narrow", "masked_select", "embedding"}


class Counter(TorchDispatchMode):
    """Counts the operations that take something out of a tensor, and the tensors that are put together again."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func: Callable, types: object, args: tuple = (), kwargs: dict | None = None) -> object:
        name = func.overloadpacket.__name__
        if name in TAKING:
            self.count += 1
        elif name in ("cat", "stack"):
            self.count += len(args[0])
        return func(*args, **(kwargs or {}))


def batches_in_order(answer: Callable) -> str:
    """A function that takes each batch with one index operation."""
    many, few = between(17, 24), between(6, 9)
    rest = between(5, many - 5)
    for count, taken, batch_size, before in [
        (4 * many + rest, 4 * many + rest, many, ""),
        (3 * few + between(9, 15), 3 * few, few, "With all images it works. Here `order` has some of them, and they come out even. "),
        (between(10, 15), 5, few, "With several batches it works. Here `order` has fewer images than one batch. "),
    ]:  # fmt: skip
        images = torch.rand(count, 1, between(5, 7), between(8, 10)) - 0.5
        labels = 100 + torch.randperm(count)  # all different, so that each tells where it comes from
        order = torch.randperm(count)[:taken]
        counter = Counter()
        try:
            _look_at(_collected(answer, counter, images, labels, batch_size, order), images, labels, batch_size, order)
        except WrongAnswer as reason:
            raise WrongAnswer(f"{before}{reason}") from None
        batches = -(-taken // batch_size)
        if not before and counter.count > 8 * batches + 10:
            raise WrongAnswer(f"The batches are right. But for {batches} of them I counted {counter.count} operations that take something out of a tensor or join the pieces: image by image, or label by label. An index may be a whole tensor of numbers: one operation then takes all images of a batch, and one their labels.")  # fmt: skip
    return "One operation for the images of a batch, one for the labels, however large the batch."


def _collected(answer: Callable, counter: Counter, *arguments: object) -> object:
    """Return what a learner's function returns or yields, as a list where it can be one."""
    if not callable(answer):
        call_answer(answer)
    most = len(arguments[-1]) + 2

    def all_of_it(*arguments: object) -> object:
        with counter:
            returned = answer(*arguments)
            if returned is None or isinstance(returned, Tensor | str | dict) or not hasattr(returned, "__iter__"):
                return returned
            return list(islice(returned, most))

    got = call_answer(all_of_it, *arguments)
    if isinstance(got, list) and len(got) == most:
        raise WrongAnswer(f"More than {most - 1} batches came, and {most - 2} images are in `order`. When does your loop end?")  # fmt: skip
    return got


def _look_at(got: object, images: Tensor, labels: Tensor, batch_size: int, order: Tensor) -> None:
    """Refuse batches that are not the right ones.

    Raises:
        WrongAnswer: they are not.
    """
    about = f"For {len(images)} images, {len(order)} of them in `order`, batch_size={batch_size}"
    _refuse_what_is_no_batches(got, about, batch_size, order)
    pairs = [_pair(batch, place, images, about) for place, batch in enumerate(got)]
    sizes, wanted = [len(x) for x, _ in pairs], [len(index) for index in order.split(batch_size)]
    if 0 in sizes:
        loop = "Does your loop run to len(images)? It should end with `order`." if len(order) < len(images) else ""
        if sizes.count(0) > 1 and sizes[0] and len(order) == len(images):
            loop = "Where does your slice end? The batch behind it ends `batch_size` further on."
        if len(order) % batch_size == 0 and sizes.count(0) == 1:
            loop = "Where does your loop end when the images come out even?"
        raise WrongAnswer(f"{about}: one batch is empty. {loop}".strip())
    x = _places(torch.cat([x for x, _ in pairs]).flatten(1), images.flatten(1))
    y = _places(torch.cat([y for _, y in pairs])[:, None], labels[:, None])
    if (x, y, sizes) == (order.tolist(), order.tolist(), wanted):
        return
    raise WrongAnswer(f"{about}: {_what_is_wrong(x, y, sizes, wanted, batch_size, order)}")


def _refuse_what_is_no_batches(got: object, about: str, batch_size: int, order: Tensor) -> None:
    if not isinstance(got, list):
        shape = " All images in one tensor? Cut them into batches, and let the labels come along." if isinstance(got, Tensor) else ""  # fmt: skip
        kind = describe(got) if isinstance(got, Tensor | str | int | float) else f"a {type(got).__name__}"
        raise WrongAnswer(f"{about}, I expected batches, pairs (images, labels) in a list or by `yield`, and got {kind}.{shape}")  # fmt: skip
    if not got:
        fewer = "The images left over make a smaller batch." if len(order) < batch_size else "Does every batch get to the list, or to `yield`?"  # fmt: skip
        raise WrongAnswer(f"{about}, no batch came. {fewer}")
    if len(got) != 2:
        return
    first, second = got
    if isinstance(first, Tensor) and isinstance(second, Tensor) and first.ndim > second.ndim > 0:
        if len(first) == len(order) > batch_size:
            raise WrongAnswer(f"{about}: all images came in one pair. Now cut them into batches.")
        raise WrongAnswer(f"{about}: one pair came, of {len(first)} images, instead of several. Does `return` stand inside the loop? `yield`, or a list, goes on to the next batch; and a single batch is a list of one pair.")  # fmt: skip
    kinds = [[part.ndim for part in parts if isinstance(part, Tensor)] for parts in got if isinstance(parts, list | tuple)]  # fmt: skip
    if len(kinds) == 2 and set(kinds[0]) == {4} and set(kinds[1]) == {1}:
        raise WrongAnswer(f"{about}: all batches of images came first, and then all batches of labels. A batch is a pair of both: put them together, one by one.")  # fmt: skip


def _pair(batch: object, place: int, images: Tensor, about: str) -> tuple[Tensor, Tensor]:
    """Return images and labels of one batch.

    Raises:
        WrongAnswer: it is no such pair.
    """
    about = f"{about}: batch {place}"
    asked = "a pair (images, labels)"
    if isinstance(batch, Tensor):
        if batch.ndim == 1 and not batch.is_floating_point():
            raise WrongAnswer(f"{about} is one tensor of {len(batch)} whole numbers. Are these the numbers of the images? Take the images and the labels with them.")  # fmt: skip
        alone = " Where are the labels?" if batch.ndim == 4 else ""
        raise WrongAnswer(f"{about} is one tensor of shape {tuple(batch.shape)}, and should be {asked}.{alone}")
    if not isinstance(batch, list | tuple) or len(batch) != 2:
        many = f", of {len(batch)} parts," if isinstance(batch, list | tuple) else ""
        raise WrongAnswer(f"{about} is a {type(batch).__name__}{many} and should be {asked}.")
    x, y = (as_tensor(part) for part in batch)
    if x is None or y is None:
        raise WrongAnswer(f"{about} should be {asked}, both tensors; one of them is {describe(batch[0] if x is None else batch[1])}.")  # fmt: skip
    if x.ndim == 1 and y.ndim == 4:
        raise WrongAnswer(f"{about} has the labels first. Images come first, labels second.")
    if x.ndim == 1 and y.ndim == 1 and not x.is_floating_point():
        raise WrongAnswer(f"{about} holds {len(x)} whole numbers where the images should be. Are these the numbers of the images? Take the images with them.")  # fmt: skip
    if x.shape == images.shape[1:]:
        raise WrongAnswer(f"{about} is a single image. `batch_size` of them go together, in one tensor.")
    if x.shape[1:] != images.shape[1:]:
        shape = tuple(images.shape[1:])
        raise WrongAnswer(f"{about} has images of shape {tuple(x.shape)}. As many as are in the batch, each {shape}, was expected.")  # fmt: skip
    if y.shape != x.shape[:1]:
        raise WrongAnswer(
            f"{about} has {len(x)} images, and labels of shape {tuple(y.shape)}. Each image has one label."
        )
    if y.dtype != torch.int64 and len(y):
        raise WrongAnswer(f"{about} has labels of type {str(y.dtype).removeprefix('torch.')}. Labels are whole numbers, int64: F.nll_loss takes no others.")  # fmt: skip
    return x, y


def _places(taken: Tensor, given: Tensor) -> list[int]:
    """Return for each row which row of `given` it is, and -1 for none."""
    fits = (taken[:, None].double() == given.double()).all(2)
    return torch.where(fits.any(1), fits.int().argmax(1), -1).tolist()


def _what_is_wrong(x: list[int], y: list[int], sizes: list[int], wanted: list[int], batch_size: int, order: Tensor) -> str:  # fmt: skip
    """Return in words why the images `x` with the labels `y`, in batches of these sizes, are not the right ones."""
    right, count = order.tolist(), len(x)
    own, starts = list(range(count)), [sum(sizes[:place]) for place in range(len(sizes))]
    if x == y == right:
        if sizes == [len(part) for part in order.chunk(batch_size)]:
            return f"{len(sizes)} batches came, where {len(wanted)} are asked. `batch_size` is the number of images in a batch, not the number of batches."  # fmt: skip
        if sizes[0] == 64 or sizes == [count]:
            return f"images and labels are right, but the batches have sizes {sizes}. Where does `batch_size` come in, or is there a fixed 64?"  # fmt: skip
        return f"images and labels are right, but the batches have sizes {sizes}, and {wanted} were expected."
    if x == y == right[:count] and sizes == wanted[:1] != wanted[:-1]:
        return "only the first batch came. Does `return` stand inside the loop?"
    if x == y == right[1:]:
        return "the first image of `order` is missing. Places count from 0."
    if x == y == right[:count] and sizes == wanted[:-1]:
        return f"the last batch is missing. {wanted[-1]} images are left over: they make a smaller one."
    if len(sizes) == len(right) > len(wanted) and x[starts[1] : starts[1] + sizes[1]] == right[1 : 1 + sizes[1]]:
        return "each batch begins one image after the one before, so they overlap. How far should the start move on?"
    if len(sizes) == len(wanted) > 1 and all(x[at : at + batch_size] == right[:batch_size] for at in starts[:-1]):
        return "every batch holds the first images of `order`. Does the start move on from batch to batch?"
    if x == right[:count] and y == own:
        return "the images come in the right order, but the labels do not. They have to come along: image and label have the same number."  # fmt: skip
    if y == right[:count] and x == own:
        return "the labels come in the right order, but the images do not. They have to come along: image and label have the same number."  # fmt: skip
    if x == y == own:
        return "the images come as they lie, image 0 first. Which one is to come first is the first number in `order`."
    if x == y == order.argsort().tolist():
        return "turned round: `order` says which image comes at place k, and you took it as the place to which image k goes."  # fmt: skip
    if x == y == right[::-1]:
        return "the order is right, but from the back to the front."
    if -1 in x:
        return "there are images that are none of the given ones. Were their pixels changed?"
    if -1 in y:
        return (
            "there are labels that are none of the given ones. Take them out of `labels`, and leave them as they are."
        )
    if x != y:
        if x == right[:count]:
            return "the images are right, but the labels are not theirs. Image and label have the same number."
        return "images and labels do not belong together. Take both with the same numbers."
    if sizes == wanted and all(
        sorted(x[at : at + size]) == sorted(right[at : at + size]) for at, size in zip(starts, sizes, strict=True)
    ):
        return "each batch holds the right images, but within it they come in another order. Were the numbers sorted, or is it a mask? A mask keeps the order in which the images lie."  # fmt: skip
    if sorted(x) == sorted(right):
        return "the right images come, but in another order than that of `order`. Does your function draw or sort one of its own?"  # fmt: skip
    if count < len(right):
        return f"{count} images came, and {len(right)} are in `order`. Is one left out between two batches?"
    place = next((place for place, (a, b) in enumerate(zip(x, right, strict=False)) if a != b), len(right))
    if place < len(right):
        return f"at place {place} image {right[place]} was expected, and image {x[place]} came."
    return f"{count} images came, and {len(right)} are in `order`. Do some come twice?"


# --- 7.5 ---

WAITING = {8, 10}
NOT_IN_THE_LOOP = "Line 12 does wait, but once: it stands behind the loop. Which lines wait in every step?"
# Lines that don't wait, in the order in which they are talked about, and why not.
GOING_ON = {
    12: NOT_IN_THE_LOOP,
    9: "Line 9 does not wait: the sum stays on the GPU, and `hits` is a tensor there. Nobody asks yet how large it is.",
    6: "Line 6 does not wait: backward() puts its work into the queue, and the processor goes on.",
    7: "Line 7 does not wait: the step is computed on the GPU, from slopes that lie there. It goes into the queue.",
    2: "Line 2 does not wait: the numbers of the images lie on the GPU already, and are not asked for here.",
    3: "Line 3 does not wait: the model's work goes into the queue, and the processor goes on.",
    4: "Line 4 does not wait: the loss is a tensor on the GPU. It is a while before somebody asks how large it is.",
    1: "Line 1 does not wait: to cut `order` into pieces, only their lengths must be known, not the numbers in them.",
    5: "Line 5 does not wait: it lets go of the old slopes, and asks for no number.",
    11: "Line 11 has nothing to wait for: when Python gets there, the question is answered. Where is it asked?",
}


def lines_that_wait(answer: object) -> str:
    """A reading: which lines make the processor wait in every step."""
    asked = "the numbers of lines, such as {2, 3},"
    parts = [answer] if isinstance(answer, int | float) else answer
    if isinstance(parts, Tensor) or hasattr(parts, "tolist"):
        parts = as_tensor(parts).flatten().tolist()
    if not isinstance(parts, list | tuple | set | frozenset | range):
        raise WrongAnswer(f"I expected {asked} and got {describe(answer)}.")
    strange = [part for part in parts if isinstance(part, bool) or not isinstance(part, int | float)]
    if strange:
        quotes = "Without quotes." if isinstance(strange[0], str) else ""
        raise WrongAnswer(f"I expected {asked} and found {describe(strange[0])} among them. {quotes}".strip())
    lines = {int(part) if part == part // 1 else part for part in parts}
    if not lines:
        raise WrongAnswer("Some lines do make the processor wait. Where does Python need to know a number?")
    outside = sorted(lines - set(range(1, 13)))
    if outside:
        raise WrongAnswer(f"There is no line {outside[0]:g}. Lines 1 to 12 have a number.")
    if len(lines) > 8:
        raise WrongAnswer(f"Those are {len(lines)} of the 12 lines. Most work goes into the queue, and the processor goes on. In which lines must Python *know* a number?")  # fmt: skip
    found = " and ".join(f"line {line}" for line in sorted(lines & WAITING))
    held = f"{found[0].upper()}{found[1:]}: right. " if found else ""
    wrong = next((words for line, words in GOING_ON.items() if line in lines), "")
    if wrong:
        raise WrongAnswer(f"{held}{wrong}")
    if 8 not in lines:
        raise WrongAnswer(
            f"{held}There is another one: a Python number, on the processor, is made of a tensor on the GPU."
        )
    if 10 not in lines:
        raise WrongAnswer(f"{held}There is another one, and it has no call in it. Which way is Python to go on? It must know before it takes the next line.")  # fmt: skip
    return "item() and `if` both want a number now. Keep losses as tensors, loss.detach(), and look at them once, after the loop."  # fmt: skip


CHECKS: dict[str, Callable] = {
    "7.1": ratio_of_turns,
    "7.2": whole_and_part,
    "7.3": operations_of_a_layer,
    "7.4": batches_in_order,
    "7.5": lines_that_wait,
}
