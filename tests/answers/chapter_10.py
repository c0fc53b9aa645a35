"""Right and wrong answers to the exercises of chapter 10."""

import math

import numpy as np
import torch
from torch.utils.data import DistributedSampler

# --- 10.1 ---


def by_a_loop(gradients, counts):
    total = torch.zeros_like(gradients[0])
    for gradient, count in zip(gradients, counts, strict=True):
        total = total + count * gradient
    return total / sum(counts)


def by_stacking(gradients, counts):
    weights = torch.tensor(counts) / sum(counts)
    return torch.tensordot(weights, torch.stack(gradients), dims=1)


def by_copies(gradients, counts):
    return torch.cat([gradient.expand(count, *gradient.shape) for gradient, count in zip(gradients, counts)]).mean(0)  # noqa: B905


def by_numpy(gradients, counts):
    return np.average(np.stack([gradient.numpy() for gradient in gradients]), axis=0, weights=counts)


def weighted(weight, divide):
    """Return the mean with one thing or other gone wrong."""

    def whole_gradient(gradients, counts):
        parts = [weight(count) * gradient for gradient, count in zip(gradients, counts, strict=True)]
        return sum(parts) / divide(counts)

    return whole_gradient


def return_in_the_loop(gradients, counts):
    for gradient, count in zip(gradients, counts, strict=True):
        return gradient * count / sum(counts)


def replaced_in_the_loop(gradients, counts):
    for gradient, count in zip(gradients, counts, strict=True):
        total = gradient * count
    return total / sum(counts)


def into_the_first(gradients, counts):
    gradients[0] *= counts[0]
    return gradients[0]


# --- 10.2 ---


def shuffled(count, seed):
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed)).tolist()


def dealt(
    number=lambda seed, epoch, rank: seed + epoch,
    fill=lambda order, missing: order[:missing],
    take=lambda order, ranks, rank: order[rank::ranks],
):
    """Return a function that shuffles, fills up and deals out, in one way or other."""

    def rank_share(count, ranks, rank, seed, epoch):
        order = shuffled(count, number(seed, epoch, rank))
        while len(order) % ranks and (more := fill(order, -len(order) % ranks)):
            order = order + more
        return take(order, ranks, rank)

    return rank_share


def by_the_global_generator(count, ranks, rank, seed, epoch):
    torch.manual_seed(seed + epoch)
    order = torch.randperm(count)
    places = torch.arange(rank, -(-count // ranks) * ranks, ranks)
    return order[places % count]


def by_the_sampler(count, ranks, rank, seed, epoch):
    sampler = DistributedSampler(range(count), num_replicas=ranks, rank=rank, seed=seed)
    sampler.set_epoch(epoch)
    return list(sampler)


def by_columns(count, ranks, rank, seed, epoch):
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed + epoch))
    return order.repeat(ranks)[: -(-count // ranks) * ranks].reshape(-1, ranks)[:, rank]


def filled_with(missing):
    """Return a function that fills up with so many first images, or cuts off as many as that is below 0."""

    def rank_share(count, ranks, rank, seed, epoch):
        order = shuffled(count, seed + epoch)
        return (order + order)[: count + missing(count, ranks)][rank::ranks]

    return rank_share


def blocks(order, ranks, rank):
    size = len(order) // ranks
    return order[rank * size : (rank + 1) * size]


# --- 10.3 ---


def ring_played(numbers, ranks):
    sent, piece = 0, numbers / ranks * 4
    for _trip in ("add", "share"):
        for _round in range(ranks - 1):
            sent += piece
    return sent


# --- 10.4 ---


def in_closed_form(compute, exchange, goal):
    left = compute / goal - 2 * exchange
    if goal <= 1:
        return 1
    return math.ceil((compute - 2 * exchange) / left) if left > 0 else 0


def by_trying(compute, exchange, goal):
    for ranks in range(1, 10_000):
        seconds = compute / ranks + exchange * 2 * (ranks - 1) / ranks
        if compute / seconds >= goal:
            return ranks
    return 0


def trying(seconds, enough=lambda times, goal: times >= goal, first=1, otherwise=0):
    """Return a function that tries one number of ranks after the other, with one thing or other gone wrong."""

    def ranks_needed(compute, exchange, goal):
        found = (n for n in range(first, 5000) if enough(compute / seconds(n, compute, exchange), goal))
        return next(found, otherwise)

    return ranks_needed


def seconds_of(n, compute, exchange):
    return compute / n + 2 * (n - 1) / n * exchange


# --- 10.5 ---


def by_interpolation(step, warm_up, base_rate, base_batch, batch):
    return np.interp(step, [0, warm_up], [base_rate, base_rate * batch / base_batch]) if warm_up else base_rate * batch / base_batch  # fmt: skip


def by_a_share_of_the_way(step, warm_up, base_rate, base_batch, batch):
    share = min(1, step / warm_up) if warm_up > 0 else 1
    return base_rate * (1 + share * (batch / base_batch - 1))


def climbing(start=lambda rate, end: rate, factor=lambda base, batch: batch / base, place=lambda step, warm_up: step / warm_up, most=1.0):  # fmt: skip
    """Return a warm-up with one thing or other gone wrong."""

    def learning_rate_at(step, warm_up, base_rate, base_batch, batch):
        end = base_rate * factor(base_batch, batch)
        share = min(most, place(step, warm_up)) if warm_up else 1
        return start(base_rate, end) + (end - start(base_rate, end)) * share

    return learning_rate_at


def divides_by_no_warm_up(step, warm_up, base_rate, base_batch, batch):
    return base_rate * (1 + min(1, step / warm_up) * (batch / base_batch - 1))


CONTEXT: dict = {}

RIGHT = {
    "10.1": [by_a_loop, by_stacking, by_copies, by_numpy, weighted(float, sum)],
    "10.2": [dealt(), by_the_global_generator, by_the_sampler, by_columns],
    "10.3": [
        ring_played,
        lambda numbers, ranks: 8 * (numbers - numbers // ranks),
        lambda numbers, ranks: torch.float32.itemsize * 2 * (ranks - 1) * (numbers // ranks),
    ],
    "10.4": [in_closed_form, by_trying, trying(seconds_of)],
    "10.5": [by_interpolation, by_a_share_of_the_way, climbing()],
    "10.6": ["cadb", "C A D B", ["c", "a", "d", "b"], "c, a, d, b"],
}

WRONG = {
    "10.1": [
        (lambda g, c: sum(g) / len(g), "the plain mean"),
        (lambda g, c: torch.stack(g).mean(dim=0), "the plain mean"),
        (lambda g, c: sum(g), "the sum of the gradients"),
        (weighted(float, lambda counts: 1), "Now divide by the number of all images"),
        (weighted(float, len), "the number of *images*, not of shares"),
        (weighted(lambda count: 1, sum), "didn't multiply each gradient"),
        (weighted(lambda count: 1 / count, lambda counts: 1), "It is a mean already"),
        (weighted(lambda count: 1 / count, lambda counts: sum(1 / count for count in counts)), "the wrong way around"),
        (lambda g, c: by_a_loop(g, c[::-1]), "reverse order"),
        (lambda g, c: sum(gradient * (count // sum(c)) for gradient, count in zip(g, c)), "cuts off"),  # noqa: B905
        (lambda g, c: g[0], "the first gradient alone"),
        (return_in_the_loop, "the first share's part"),
        (replaced_in_the_loop, "or replace it"),
        (weighted(float, max), "the largest count"),
        (weighted(lambda count: count**2, lambda counts: sum(count**2 for count in counts)), "squares of the counts"),
        (lambda g, c: by_a_loop(g, c).norm(), "the norm"),
        (into_the_first, "changed the"),
        (7, "I expected a function"),
    ],
    "10.2": [
        (dealt(lambda seed, epoch, rank: seed), "or the same in all of them"),
        (dealt(lambda seed, epoch, rank: epoch), "depends on the epoch alone"),
        (dealt(lambda seed, epoch, rank: seed * epoch), "the *sum*"),
        (dealt(lambda seed, epoch, rank: seed + epoch - 1), "nothing subtracted"),
        (dealt(lambda seed, epoch, rank: seed + epoch + rank), "shuffle in its own way"),
        (dealt(take=blocks), "Deal it out like cards"),
        (filled_with(lambda count, ranks: -(count % ranks)), "Don't cut it off"),
        (dealt(fill=lambda order, missing: []), "no rank with one image fewer"),
        (dealt(fill=lambda order, missing: order[-missing:]), "the last images"),
        (dealt(fill=lambda order, missing: order[:1] * missing), "the first image again and again"),
        (dealt(fill=lambda order, missing: [0] * missing), "with image 0"),
        (dealt(fill=lambda order, missing: [*range(missing)]), "images 0, 1, and so on"),
        (dealt(take=lambda order, ranks, rank: sorted(order[rank::ranks])), "but sorted"),
        (dealt(take=lambda order, ranks, rank: order[rank - 1 :: ranks]), "the rank before"),
        (dealt(take=lambda order, ranks, rank: order[rank + 1 :: ranks]), "the next rank"),
        (lambda *inputs: [float(one) for one in dealt()(*inputs)], "Keep them whole"),
        (lambda count, ranks, rank, seed, epoch: blocks(shuffled(count, seed + epoch), ranks, rank), "Deal it out like cards"),
        (lambda count, ranks, rank, seed, epoch: shuffled(count, seed + epoch), "the whole order"),
        (filled_with(lambda count, ranks: ranks - count % ranks), "so none is missing"),
        (dealt(take=lambda order, ranks, rank: order), "the whole order"),
        (dealt(take=lambda order, ranks, rank: order[rank:]), "the stride"),
        (lambda count, ranks, rank, seed, epoch: [*range(count)][rank::ranks], "I expected"),
        (filled_with(lambda count, ranks: -count % ranks), "begin again at the first"),
        (lambda count, ranks, rank, seed, epoch: "abc", "I expected a list"),
        (lambda count, ranks, rank, seed, epoch: count, "I expected a list"),
    ],
    "10.3": [
        (lambda n, r: 4 * (r - 1) * n / r, "one trip around the ring"),
        (lambda n, r: 2 * (r - 1) * n / r, "How many bytes does a float32 have?"),
        (lambda n, r: 64 * (r - 1) * n / r, "Those are bits"),
        (lambda n, r: 16 * (r - 1) * n / r, "8 bytes per number"),
        (lambda n, r: 8 * n, "one round fewer than there are ranks"),
        (lambda n, r: 4 * n, "one copy of all gradients"),
        (lambda n, r: 8 * (r - 1) * n, "not all of its gradients"),
        (lambda n, r: 4 * (r - 1) * n, "to each of the others"),
        (lambda n, r: 8 * n / r, "two rounds"),
        (lambda n, r: 4 * n / r, "one piece"),
        (lambda n, r: 8 * (r - 1) * n / r / 1024, "in kilobytes"),
        (lambda n, r: 8 * (r - 1) * n / r / 1e6, "in megabytes"),
        (lambda n, r: [8 * n], "one round fewer"),
        (lambda n, r: 8 * (r - 1) * n / r if r > 1 else 4 * n, "nobody to send to"),
        (lambda n, r: "much", "I expected one number"),
    ],
    "10.4": [
        (lambda c, e, goal: math.ceil(goal), "if the exchange took no time"),
        (lambda c, e, goal: by_trying(c, e, goal) - 1, "Round up"),
        (lambda c, e, goal: by_trying(c, e, goal) + 1, "One too many"),
        (lambda c, e, goal: (c - 2 * e) / (c / goal - 2 * e), "Half a rank"),
        (trying(lambda n, c, e: c / n + e), "equally long for any number of ranks"),
        (trying(lambda n, c, e: c / n + 2 * e), "from the start"),
        (trying(lambda n, c, e: c / n + (n - 1) / n * e), "The 2 is missing"),
        (trying(lambda n, c, e: c / n + 2 * (n - 1) * e), "grow and grow with the number"),
        (lambda c, e, goal: 0, "give up after its first try"),
        (lambda c, e, goal: 0 if c <= 2 * e * goal else by_trying(c, e, goal), "A goal of 1 or less"),
        (lambda c, e, goal: round((c - 2 * e) / (c / goal - 2 * e)) if c > 2 * e * goal else by_trying(c, e, goal), "Round up"),
        (trying(seconds_of, lambda times, goal: times > goal), "exactly 2.5 times"),
        (trying(seconds_of, first=2), "so one rank is enough"),
        (lambda c, e, goal: by_trying(c, e, goal) if goal == 1 or c / goal != 2 * e else 1 // 0, "ZeroDivisionError"),
        (lambda c, e, goal: needed if (needed := by_trying(c, e, goal)) <= 1000 else 0, "stop too early"),
        (trying(seconds_of, otherwise=None), "returns nothing"),
        (trying(seconds_of, otherwise=5000), "return 0"),
        (lambda c, e, goal: "four", "I expected one number"),
    ],
    "10.5": [
        (climbing(start=lambda rate, end: 0), "begins at 0"),
        (lambda *inputs: round(climbing()(*inputs), 3), "That is rounded"),
        (lambda *inputs: round(climbing()(*inputs), 4), "That is rounded"),
        (lambda s, w, rate, base, batch: rate * batch / base, "the rate after the warm-up"),
        (lambda s, w, rate, base, batch: rate, "the rate of the small batch"),
        (lambda s, w, rate, base, batch: rate + rate * batch / base * min(1, s / w), "share of the *difference*"),
        (climbing(place=lambda step, warm_up: (step + 1) / warm_up), "one step ahead"),
        (climbing(place=lambda step, warm_up: step / (warm_up - 1)), "one step too early"),
        (climbing(place=lambda step, warm_up: step / (warm_up + 1)), "one step too late"),
        (climbing(factor=lambda base, batch: math.sqrt(batch / base)), "square root"),
        (climbing(factor=lambda base, batch: base / batch), "The rate falls"),
        (climbing(factor=lambda base, batch: batch), "the whole batch"),
        (climbing(most=math.inf), "stays where it is"),
        (divides_by_no_warm_up, "There is no warm-up"),
        (lambda s, w, rate, base, batch: [rate, rate], "I expected one number"),
    ],
    "10.6": [
        ("aadb", "Case 1, one process: One GPU"),
        ("bbdb", "Case 1, a sweep: There is a single training"),
        ("dadb", "Case 1, sharding: The network and all"),
        ("cbdb", "Case 2, a sweep"),
        ("ccdb", "Case 2, data parallelism"),
        ("cddb", "Case 2, sharding"),
        ("caab", "Case 3, one process"),
        ("cabb", "Case 3, a sweep"),
        ("cacb", "Case 3, data parallelism"),
        ("cada", "Case 4, one process"),
        ("cadc", "Case 4, data parallelism"),
        ("cadd", "Case 4, sharding"),
        ("abcd", "Others aren't right, either"),
        ("cad", "I expected four letters"),
        ("cadx", "I expected four letters"),
        (5, "I expected four letters"),
        ({"c": 1}, "I expected four letters"),
    ],
}  # fmt: skip
