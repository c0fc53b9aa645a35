"""The checks of chapter 10: gradients of shares, a rank's images, bytes of an all-reduce, ranks, rates, which way."""

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor
from torch.utils.data import DistributedSampler

from course.exercises import toolkit
from course.exercises.toolkit import (
    Mistakes,
    WrongAnswer,
    after_success,
    between,
    check_edge_case,
    check_function,
    refuse,
)


def whole_gradient(answer: Callable) -> str:
    """A function that makes the whole batch's gradient from those of unequal shares."""

    def weighted(gradients: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
        return sum((weight * gradient for weight, gradient in zip(weights, gradients, strict=True)), torch.zeros(()))

    def right(gradients: Sequence[Tensor], counts: Sequence[int]) -> Tensor:
        return weighted(gradients, [count / sum(counts) for count in counts])

    def draw() -> tuple[list[Tensor], list[int]]:
        shares = between(3, 5)
        counts = [between(2, 9) + 10 * place for place in torch.randperm(shares).tolist()]
        return [torch.randn(2, 3) for _ in counts], counts

    def ones(counts: Sequence[int]) -> list[float]:
        return [1.0] * len(counts)

    turned = "The weights are the wrong way around: a share with *more* images counts more."
    common_mistakes: Mistakes = [
        (lambda g, c: weighted(g, ones(c)) / len(g), "That is the plain mean, in which each share counts the same. A share of 48 images should count three times as much as one of 16."),
        (lambda g, c: weighted(g, ones(c)), "That is the sum of the gradients. Each of them is already a mean over its images: multiply it by their number, and divide by the number of all images."),
        (lambda g, c: weighted(g, c), "Weighted by the counts: right. Now divide by the number of all images."),
        (lambda g, c: weighted(g, c) / len(g), "Weighted by the counts: right. But divide by the number of *images*, not of shares."),
        (lambda g, c: weighted(g, ones(c)) / sum(c), "You divided by the number of images, but didn't multiply each gradient by its own count first. Each is a mean, not a sum."),
        (lambda g, c: weighted(g, [1 / count for count in c]), "You divided each gradient by its count. It is a mean already, so that was done: multiply by the count."),
        (lambda g, c: weighted(g, [1 / count for count in c]) / sum(1 / count for count in c), turned),
        (lambda g, c: weighted(g, [1 - count / sum(c) for count in c]), turned),
        (lambda g, c: weighted(g, [1 - count / sum(c) for count in c]) / (len(c) - 1), turned),
        (lambda g, c: weighted(g, c[::-1]) / sum(c), "The counts come in the reverse order. Gradient and count go together: the first with the first."),
        (lambda g, c: weighted(g, [count // sum(c) for count in c]), "Everything is 0. `//` cuts off what is after the decimal point; use `/`."),
        (lambda g, c: g[0], "That is the first gradient alone. Is `return` inside the loop?"),
        (lambda g, c: g[0] * c[0] / sum(c), "That is the first share's part. Is `return` inside the loop?"),
        (lambda g, c: g[-1] * c[-1] / sum(c), "That is the last share's part. Does the loop add to the sum, or replace it?"),
        (lambda g, c: g[-1] * c[-1], "That is the last share's part, not yet divided. Does the loop add to the sum, or replace it?"),
        (lambda g, c: weighted(g, c) / max(c), "You divided by the largest count. Divide by the number of all images."),
        (lambda g, c: weighted(g, [count**2 for count in c]) / sum(count**2 for count in c), "You weighted by the squares of the counts. Is each multiplied twice?"),
        (lambda g, c: right(g, c).norm(), "That is a single number, the norm. Return the gradient itself, with the shape of each share's."),
        (lambda g, c: right(g, c).mean(), "That is a single number, a mean over the parameters. Take the mean over the *shares* only."),
        (lambda g, c: weighted(g, [round(count / sum(c), 1) for count in c]), "The weights are rounded. Use count / sum(counts) as it is."),
    ]  # fmt: skip
    two, one = torch.tensor([1.0, -2.0]), torch.tensor([3.0, 4.0])
    check_function(
        answer,
        draw,
        right,
        common_mistakes,
        about=lambda gradients, counts: f"{len(counts)} shares of {counts} images",
        hint="Each gradient is a mean over its own images. How much should it count if its share has more of them?",
        edges=[([two, one], [48, 16]), ([two, one], [8, 8])],
    )
    for gradients, counts, about, wanted in [
        ([two], [5], "a single share", "Its gradient is the whole batch's."),
        ([two, torch.zeros(2)], [7, 0], "a share without images", "It counts for nothing."),
    ]:
        check_edge_case(answer, (gradients, counts), right(gradients, counts), about, wanted)
    return "Equal shares need no weights, which is why DistributedDataParallel takes the plain mean and wants equal shares."


def rank_share(answer: Callable) -> str:
    """A function that says which images a rank gets in an epoch."""

    def order(count: int, number: int) -> list[int]:
        return torch.randperm(count, generator=torch.Generator().manual_seed(number)).tolist()

    def filled(places: list[int], ranks: int) -> list[int]:
        total = -(-len(places) // ranks) * ranks
        return (places * ranks)[:total]

    def right(count: int, ranks: int, rank: int, seed: int, epoch: int) -> list[int]:
        sampler: DistributedSampler = DistributedSampler(range(count), ranks, rank, seed=seed)  # type: ignore[arg-type]
        sampler.set_epoch(epoch)
        return list(sampler)

    def dealt(numbers: Callable[[int, int], int]) -> Callable:
        return lambda count, ranks, rank, seed, epoch: filled(order(count, numbers(seed, epoch)), ranks)[rank::ranks]

    def block(places: list[int], ranks: int, rank: int) -> list[int]:
        size = len(places) // ranks
        return places[rank * size : (rank + 1) * size]

    def cut(count: int, ranks: int, rank: int, seed: int, epoch: int) -> list[int]:
        return order(count, seed + epoch)[: count // ranks * ranks][rank::ranks]

    def by_hand(fill: Callable[[list[int], int], list[int]]) -> Callable:
        def share(count: int, ranks: int, rank: int, seed: int, epoch: int) -> list[int]:
            places = order(count, seed + epoch)
            return (places + fill(places, -count % ranks))[rank::ranks]

        return share

    own_order = "Each rank seems to shuffle in its own way: then some images come twice in an epoch, and others never. The order must be the same for all ranks; only what they take of it differs."
    epochs_alike = (
        "The order is that of another epoch, or the same in all of them. Seed the generator with `seed + epoch`."
    )
    uneven = "Where the order can't be dealt out evenly, fill it up: `-count % ranks` images are missing. Don't cut it off, and leave no rank with one image fewer: the others would wait for it in vain."
    like_cards = "These are neighbors in the order: you cut it into blocks. Deal it out like cards: rank 0 takes every `ranks`-th image from place 0, rank 1 from place 1, and so on."
    fill = "Fill up with the *first* images of the order, from its beginning."
    common_mistakes: Mistakes = [
        (dealt(lambda seed, epoch: seed), epochs_alike),
        (dealt(lambda seed, epoch: epoch), "The order depends on the epoch alone. Seed the generator with `seed + epoch`, or two runs with different seeds see the same orders."),
        (dealt(lambda seed, epoch: seed * epoch), "Seed the generator with the *sum*, `seed + epoch`."),
        (dealt(lambda seed, epoch: seed + epoch - 1), "The order is that of the epoch before. Seed the generator with `seed + epoch`, with nothing subtracted."),
        (dealt(lambda seed, epoch: seed + epoch + 1), "The order is that of the next epoch. Seed the generator with `seed + epoch`, with nothing added."),
        (lambda n, ranks, rank, seed, epoch: filled(order(n, seed + epoch + rank), ranks)[rank::ranks], own_order),
        (lambda n, ranks, rank, seed, epoch: filled(order(n, seed + rank), ranks)[rank::ranks], own_order),
        (lambda n, ranks, rank, seed, epoch: block(filled(order(n, seed + epoch), ranks), ranks, rank), like_cards),
        (lambda n, ranks, rank, seed, epoch: block(order(n, seed + epoch), ranks, rank), like_cards),
        (cut, uneven),
        (by_hand(lambda places, missing: []), uneven),
        (by_hand(lambda places, missing: places[len(places) - missing :]), "You filled up with the last images. " + fill),
        (by_hand(lambda places, missing: [places[0]] * missing), "You filled up with the first image again and again. " + fill),
        (by_hand(lambda places, missing: [0] * missing), "You filled up with image 0. " + fill),
        (by_hand(lambda places, missing: list(range(missing))), "You filled up with images 0, 1, and so on. " + fill),
        (lambda n, ranks, rank, seed, epoch: filled(list(range(n)), ranks)[rank::ranks], "The images aren't shuffled. `torch.randperm(count, generator=…)` gives the order."),
        (lambda n, ranks, rank, seed, epoch: filled(order(n, seed + epoch), ranks)[rank - 1 :: ranks], "That is the share of the rank before. Ranks count from 0."),
        (lambda n, ranks, rank, seed, epoch: filled(order(n, seed + epoch), ranks)[rank + 1 :: ranks], "That is the share of the next rank. Ranks count from 0."),
        *[(lambda n, ranks, rank, seed, epoch, fill=fill: fill(order(n, seed + epoch), ranks), "That is the whole order. Take every `ranks`-th of it, from place `rank` on.") for fill in (filled, lambda places, ranks: places)],
        (lambda n, ranks, rank, seed, epoch: filled(order(n, seed + epoch), ranks)[rank:], "You left out the first ones and kept all others. A slice has a third number, the stride: `order[rank::ranks]`."),
        (lambda n, ranks, rank, seed, epoch: sorted(right(n, ranks, rank, seed, epoch)), "The right images, but sorted. Keep them in the order in which they are shuffled."),
    ]  # fmt: skip

    def draw() -> tuple[int, int, int, int, int]:
        ranks = between(4, 6)
        rest = between(1, ranks - 2)  # images in the last round of dealing; this rank's place there is filled up
        return ranks * between(4, 8) + rest, ranks, between(rest + 1, ranks), between(3, 50), between(3, 20)

    def read(got: object, *_: int) -> object:
        found = toolkit.as_tensor(got)
        if found is None or found.ndim != 1:
            raise WrongAnswer(f"I expected a list of whole numbers, one per image, and got {toolkit.describe(got)}.")
        if found.is_floating_point():
            raise WrongAnswer("The numbers of the images are floats, which can't be used as indices. Keep them whole.")
        return found

    check_function(
        answer,
        draw,
        right,
        common_mistakes,
        about=lambda n, ranks, rank, seed, epoch: f"count={n}, ranks={ranks}, rank={rank}, seed={seed}, epoch={epoch}",
        hint="First the order of all images, `torch.randperm(count, generator=torch.Generator().manual_seed(seed + epoch))`. Then fill it up, then deal it out.",
        read=read,
        edges=[(6, 4, 3, 3, 2)],
    )  # fmt: skip
    for inputs, wanted in [
        ((8, 2, 0, 3, 2), "Eight images can be dealt out evenly to two ranks, so none is missing. `ranks - count % ranks` would be 2; `-count % ranks` is 0."),
        ((6, 1, 0, 4, 1), "A single rank gets all images, shuffled."),
        ((2, 5, 4, 4, 1), "Three places have to be filled with two images, so begin again at the first when they are used up."),
    ]:  # fmt: skip
        about = "count={}, ranks={}, rank={}, seed={}, epoch={}".format(*inputs)
        check_edge_case(answer, inputs, right(*inputs), about, wanted, read)
    return "Nobody sends an image to anybody: each rank can work out the whole order, and so its own part of it."


def bytes_sent(answer: Callable) -> str:
    """A function that says how much each rank sends in a ring all-reduce."""

    def right(numbers: int, ranks: int) -> float:
        return 4 * 2 * (ranks - 1) * numbers / ranks

    one_trip = "That is one trip around the ring. After it, each rank has *one* piece of the finished sum; a second trip, just as long, passes these pieces on."
    rounds = "A trip has one round fewer than there are ranks: after `ranks` − 1 passes, a piece has been everywhere."
    common_mistakes: Mistakes = [
        (lambda n, r: 4 * (r - 1) * n / r, one_trip),
        (lambda n, r: (r - 1) * n / r, f"Those are numbers, not bytes: a float32 has 4. Besides: {one_trip}"),
        (lambda n, r: 2 * (r - 1) * n / r, "Those are numbers. How many bytes does a float32 have?"),
        (lambda n, r: 2 * 32 * (r - 1) * n / r, "Those are bits. A float32 has 32 of them, which are 4 bytes."),
        (lambda n, r: 2 * 8 * (r - 1) * n / r, "You took 8 bytes per number, as for a float64. A float32 has 4."),
        (lambda n, r: 2 * 4 * n, rounds),
        (lambda n, r: 4 * n, f"That is one copy of all gradients. {rounds} And there are two trips."),
        (lambda n, r: 2 * 4 * (r - 1) * n, "In each round, a rank passes on one *piece*, not all of its gradients. How large is a piece?"),
        (lambda n, r: 4 * (r - 1) * n, "That is what a rank sends if it gives all its gradients to each of the others. In the ring, it passes one *piece* per round to its neighbor."),
        (lambda n, r: 2 * 4 * n / r, "That is two rounds. How many rounds does a trip have?"),
        (lambda n, r: 4 * n / r, "That is one piece. How many does each rank send, one after the other?"),
        (lambda n, r: 2 * 4 * (r + 1) * n / r, rounds),
        (lambda n, r: 2 * 4 * (r - 2) * n / r, "There is one round too few in each trip."),
        (lambda n, r: right(n, r) / 1024, "That is in kilobytes. Return bytes."),
        (lambda n, r: right(n, r) / 1e6, "That is in megabytes. Return bytes."),
        (lambda n, r: right(n, r) / 1e3, "That is in kilobytes. Return bytes."),
    ]  # fmt: skip

    def draw() -> tuple[int, int]:
        ranks = between(4, 9)
        return ranks * between(100, 3000), ranks

    check_function(
        answer,
        draw,
        right,
        common_mistakes,
        hint="How large is a piece? How many rounds does a trip have? How many trips are there? Then times 4 bytes.",
        tolerance=1e-6,
        read=lambda got, *_: toolkit.one_number(got),
        edges=[(21_840, 2), (6, 3)],
    )
    check_edge_case(answer, (21_840, 1), 0, "a single rank", "It has nobody to send to.")
    return "However many ranks there are, none sends more than twice its gradients. That is why the ring is used."


def ranks_needed(answer: Callable) -> str:
    """A function that says how many ranks make a step so many times as fast."""

    def seconds(ranks: int, compute: float, exchange: float) -> float:
        return compute / ranks + 2 * (ranks - 1) / ranks * exchange

    def fewest(enough: Callable[[int], bool]) -> int:
        return next((ranks for ranks in range(1, 5000) if enough(ranks)), 0)

    def right(compute: float, exchange: float, goal: float) -> int:
        return fewest(lambda ranks: compute / seconds(ranks, compute, exchange) >= goal)

    def draw() -> tuple[float, float, float]:
        while True:
            compute, exchange, goal = between(300, 900) / 10, between(10, 60) / 10, between(25, 60) / 10
            left = compute / goal - 2 * exchange
            if (
                left > 0 and 12 < (need := (compute - 2 * exchange) / left) < 60 and 0.2 < need % 1 < 0.45
            ):  # rounded, it is one too few
                return compute, exchange, goal

    free = "That would do if the exchange took no time. Each step also waits for the all-reduce, however many ranks share the work."
    never = "0 means that no number of ranks is enough, but here the goal can be reached. Does your search give up after its first try? Or does your exchange grow and grow with the number of ranks? It is 2 (n − 1) / n times as long as that of two."
    constant = "You took the exchange to be equally long for any number of ranks. It is measured for two; of n ranks, each sends 2 (n − 1) / n times as much."
    common_mistakes: Mistakes = [
        (lambda c, e, goal: math.ceil(goal), free),
        (lambda c, e, goal: math.floor(goal), free),
        (lambda c, e, goal: goal, free),
        (lambda c, e, goal: right(c, e, goal) - 1, "One too few: with so many, the goal is missed by a little. Round up."),
        (lambda c, e, goal: right(c, e, goal) + 1, "One too many: the goal is reached with one fewer."),
        (lambda c, e, goal: (c - 2 * e) / (c / goal - 2 * e), "That is not a whole number. Half a rank can't be ordered: round up."),
        (lambda c, e, goal: fewest(lambda n: c / (c / n + e) >= goal), constant),
        (lambda c, e, goal: fewest(lambda n: c / (c / n + 2 * e) >= goal), "You took the exchange to be twice that of two ranks from the start. It is 2 (n − 1) / n times as long, and for one rank there is none."),
        (lambda c, e, goal: fewest(lambda n: c / (c / n + (n - 1) / n * e) >= goal), "The 2 is missing: the exchange is 2 (n − 1) / n times as long as that of two ranks."),
        (lambda c, e, goal: 0, never),
    ]  # fmt: skip
    with after_success("Where the goal can be reached:"):
        check_function(
            answer,
            draw,
            right,
            common_mistakes,
            hint="Try 1, 2, 3, … ranks, each time with the formula for the seconds of a step, until compute / seconds is at least the goal.",
            tolerance=1e-6,
            read=lambda got, *_: toolkit.one_number(got),
            edges=[(8, 0.5, 3)],
        )  # fmt: skip
    for inputs, wanted in [
        ((10, 1, 2.5), "Four ranks take 10 / 4 + 1.5 · 1 = 4 ms, exactly 2.5 times as fast, and that is enough: `>=`."),
        ((9, 2, 1), "A goal of 1 means as fast as one rank, so one rank is enough."),
        ((9, 0, 3), "If the exchange takes no time, three ranks are three times as fast."),
        ((9, 2, 3), "However many ranks there are, a step takes more than 4 ms, so it can't become three times as fast: return 0."),
        ((12, 2, 3), "The limit is exactly 3 here, and no number of ranks reaches a limit: return 0."),
        ((4, 3, 1), "One rank exchanges nothing, so its step is exactly as fast as before. A goal of 1 or less needs no more ranks."),
        ((4, 3, 0.5), "One rank exchanges nothing, so its step is exactly as fast as before. A goal of 1 or less needs no more ranks."),
        ((10, 1, 4.985), "Here 1,330 ranks are needed. Does your search stop too early?"),
        ((4, 3, 2), "One rank takes 4 ms, and more ranks take longer than that, because of the exchange. So return 0."),
    ]:  # fmt: skip
        about = "compute={}, exchange={}, goal={}".format(*inputs)
        check_edge_case(answer, inputs, right(*inputs), about, wanted)
    return "The limit is compute / (2 · exchange): what can be gained is decided before the first processor is ordered."


def learning_rate_at(answer: Callable) -> str:
    """A function that gives a larger batch its learning rate, with a warm-up."""

    def target(base_rate: float, base_batch: int, batch: int) -> float:
        return base_rate * batch / base_batch

    def climbing(step: float, warm_up: int, start: float, end: float) -> float:
        return end if step >= warm_up else start + (end - start) * step / warm_up

    def right(step: int, warm_up: int, base_rate: float, base_batch: int, batch: int) -> float:
        return climbing(step, warm_up, base_rate, target(base_rate, base_batch, batch))

    def with_end(end: Callable[[float, int, int], float]) -> Callable:
        return lambda step, warm_up, rate, base, batch: climbing(step, warm_up, rate, end(rate, base, batch))

    def draw() -> tuple[int, int, float, int, int]:
        warm_up = between(50, 90)
        return between(12, 40), warm_up, between(20, 90) / 1000, 16 * between(2, 5), 128 * between(3, 7)

    wrong_way = "The rate falls as the batch grows. The rule is: k times the batch, k times the rate."
    common_mistakes: Mistakes = [
        (lambda s, w, rate, base, batch: climbing(s, w, 0, target(rate, base, batch)), "Your warm-up begins at 0. Here it begins at `base_rate`, which is known to be good."),
        (lambda s, w, rate, base, batch: target(rate, base, batch), "That is the rate after the warm-up. At this step, it is still on its way there."),
        (lambda s, w, rate, base, batch: rate, "That is the rate of the small batch. It should climb from there."),
        (lambda s, w, rate, base, batch: rate + target(rate, base, batch) * s / w, "You added a share of the whole new rate. Add that share of the *difference*, or you end too high."),
        (lambda s, w, rate, base, batch: climbing(s + 1, w, rate, target(rate, base, batch)), "You are one step ahead. Step 0 has `base_rate`."),
        (lambda s, w, rate, base, batch: climbing(s - 1, w, rate, target(rate, base, batch)), "You are one step behind. Step 0 has `base_rate`, and step `warm_up` the new rate."),
        (lambda s, w, rate, base, batch: climbing(s, w - 1, rate, target(rate, base, batch)), "Your climb ends one step too early: step `warm_up` is the first with the new rate."),
        (lambda s, w, rate, base, batch: climbing(s, w + 1, rate, target(rate, base, batch)), "Your climb ends one step too late: step `warm_up` is the first with the new rate."),
        (with_end(lambda rate, base, batch: rate * math.sqrt(batch / base)), "That is with the square root of batch / base_batch. Some use it, for instance with Adam; the linear rule has no root."),
        (with_end(lambda rate, base, batch: rate * base / batch), wrong_way),
        (lambda s, w, rate, base, batch: climbing(s, w, target(rate, base, batch), rate), "Your rate begins high and falls. It should begin at `base_rate` and climb."),
        (with_end(lambda rate, base, batch: rate + batch / base), "You added batch / base_batch. The rate is multiplied by it."),
        (with_end(lambda rate, base, batch: rate * batch), "You multiplied by the whole batch. Multiply by how many *times* larger it has become."),
        (with_end(lambda rate, base, batch: rate * (batch - base)), "You multiplied by a difference of batches. How many *times* larger has the batch become?"),
        (with_end(lambda rate, base, batch: rate * (batch // base)), "Does `//` cut off part of batch / base_batch?"),
        (lambda s, w, rate, base, batch: rate * (target(rate, base, batch) / rate) ** (s / w), "Your rate climbs by a factor at each step. Here it should climb evenly, by the same amount."),
        *[(lambda s, w, rate, base, batch, digits=digits: round(right(s, w, rate, base, batch), digits), toolkit.ROUNDED) for digits in (2, 3, 4)],
    ]  # fmt: skip
    hint = "The new rate is base_rate · batch / base_batch. What share of the way from base_rate to there is done at this step?"
    with after_success("During the warm-up:"):
        check_function(
            answer,
            draw,
            right,
            common_mistakes,
            about=lambda s, w, rate, base, batch: (
                f"step={s}, warm_up={w}, base_rate={rate}, base_batch={base}, batch={batch}"
            ),
            hint=hint,
            tolerance=1e-5,
            read=lambda got, *_: toolkit.one_number(got),
            edges=[(0, 10, 0.1, 64, 256)],
        )
    for inputs, wanted in [
        ((10, 10, 0.1, 64, 256), "The warm-up is over, so the rate is four times as high, for a batch four times as large."),
        ((35, 10, 0.1, 64, 256), "Long after the warm-up, the rate stays where it is: 0.4."),
        ((0, 0, 0.1, 64, 256), "There is no warm-up, so the new rate holds from the first step. Don't divide by the length of the warm-up there: it is 0."),
        ((5, 10, 0.1, 64, 64), "The batch is as large as before, and so is the rate, at every step."),
        ((5, 10, 0.1, 64, 32), "Half the batch, half the rate: here it climbs down, and is halfway there."),
    ]:  # fmt: skip
        about = "step={}, warm_up={}, base_rate={}, base_batch={}, batch={}".format(*inputs)
        check_edge_case(answer, inputs, right(*inputs), about, wanted)
    return "The rule is a first guess. Check it on validation images: beyond some batch size, it no longer holds."


WAYS = {"a": "one process", "b": "a sweep", "c": "data parallelism", "d": "sharding"}
CASES = [  # the right letter, and what to say to each of the others
    ("c", {
        "a": "One GPU needs 2 s for each step, and seven others stand idle.",
        "b": "There is a single training. A sweep runs *many* at once, and makes none of them faster.",
        "d": "The network and all that goes with it fit into one GPU. Sharding sends more, and saves memory that isn't lacking.",
    }),
    ("a", {
        "b": "There is a single training, so there is nothing to sweep.",
        "c": "A step takes milliseconds, and one process uses all of the laptop's cores already. Two would share them, and wait for each other at each step.",
        "d": "The network takes 87 kB. There is nothing to cut up.",
    }),
    ("d", {
        "a": "The weights alone are 280 GB. They don't fit into 80.",
        "b": "Each training of a sweep needs the whole network on one GPU, and it doesn't fit.",
        "c": "In data parallelism each GPU holds the *whole* network, and it doesn't fit.",
    }),
    ("b", {
        "a": "One after the other they take 200 times as long as one, and 15 computers stand idle.",
        "c": "The trainings don't depend on each other. Sharing each one's batches makes computers wait for each other; without that, nobody waits.",
        "d": "The network is tiny, and fits anywhere.",
    }),
]  # fmt: skip


def which_way(answer: object) -> str:
    """Four cases: one process, a sweep, data parallelism, or sharding?"""
    parts = answer if isinstance(answer, list | tuple) else [answer]
    text = "".join(str(part) for part in parts).lower()
    letters = [letter for letter in text if letter.isalpha()]
    asked = 'I expected four letters from a to d, in the order of the cases, such as "abcd"'
    refuse([
        (len(letters) != len(CASES) or not {*letters} <= {*WAYS}, f"{asked}, and got {toolkit.describe(answer)}."),
    ])  # fmt: skip
    wrong = [
        f"Case {number}, {WAYS[letter]}: {words[letter]}"
        for number, (letter, (right, words)) in enumerate(zip(letters, CASES, strict=True), start=1)
        if letter != right
    ]
    if wrong:
        more = {1: "", 2: " Another one isn't right, either."}.get(len(wrong), " Others aren't right, either.")
        raise WrongAnswer(f"{wrong[0]}{more}")
    return "First ask whether it fits, then whether you have one training or many, then what a step costs."


CHECKS: dict[str, Callable] = {
    "10.1": whole_gradient,
    "10.2": rank_share,
    "10.3": bytes_sent,
    "10.4": ranks_needed,
    "10.5": learning_rate_at,
    "10.6": which_way,
}
