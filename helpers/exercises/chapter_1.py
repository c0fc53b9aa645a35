"""The checks of chapter 1: pixels, splits, batches, the baseline."""

from collections.abc import Callable

import torch
from torch import Tensor

from helpers.exercises.answers import NotYet, as_tensor, attempt, compare, describe, same


def images(count: int) -> Tensor:
    """Return random images uint8 (count, 28, 28), four pixels in five blank, no two with the same amount of ink."""
    ink = torch.randint(1, 251, (count, 28, 28))
    share = torch.linspace(0.1, 0.3, count).reshape(count, 1, 1)
    return (ink * (torch.rand(count, 28, 28) < share)).to(torch.uint8)


def negative(answer: Callable) -> str:
    """A function that turns paper into ink and ink into paper."""
    image = images(1)[0]
    wide = image.to(torch.int64)
    got = attempt(answer, image)
    slips = [
        (256 - wide.where(wide > 0, torch.tensor(256)), "A uint8 has no room for −1: it starts again from 255. So -x gives 256 − x. Subtract from what?"),
        ((1 - wide) % 256, "1 − x would be right on a scale from 0 to 1. What is full ink here?"),
        (wide.max() - wide, "You start from the largest pixel of this image. In another image it may be another one: the scale ends at 255."),
        (1 - wide / 255, "The picture is right, the scale is not: I expected whole numbers from 0 to 255, as in the original."),
        (wide, "That is the image as it was. Mind that abs() of a uint8 changes nothing: there is no minus sign to remove."),
        ((wide + 1) % 256, "A uint8 has no room for a minus sign, so x − 255 comes out as x + 1. Which way round must the difference be?"),
        (255 * (wide == 0), "All ink has become the same. A pixel of 200 should become 55."),
    ]  # fmt: skip
    compare(
        got,
        255 - wide,
        "an image (28, 28)",
        slips,
        hint="0 should become 255, 255 should become 0, 200 should become 55.",
    )
    return "Paper and ink have changed places, and the numbers stayed within 0 to 255."


def ink_share(answer: Callable) -> str:
    """A function that tells which share of each image is ink."""
    batch = images(5)
    share = (batch > 0).float().mean(dim=(1, 2))
    slips = [
        (share.mean(), "That is one number for all images together. Average over rows and columns only: dim=(1, 2)."),
        ((batch > 0).float().mean(dim=0), "You averaged over the images, the first axis. What should be left is one number an image."),
        ((batch > 0).float().mean(dim=1), "You averaged over the rows only; each image still has 28 numbers. Average over the columns as well."),
        ((batch > 0).float().mean(dim=2), "You averaged over the columns only; each image still has 28 numbers. Average over the rows as well."),
        (100 * share, "Those are per cent. A share lies between 0 and 1."),
        (1 - share, "That is the share of paper. Paper is 0; ink is all that is above."),
        ((batch > 0).sum(dim=(1, 2)), "That is the number of inked pixels. Of how many?"),
        (batch.float().mean(dim=(1, 2)), "That is the mean pixel, where dark ink counts more. First ask of each pixel: is it ink? Then average."),
        (batch.float().mean(dim=(1, 2)) / 255, "That is the mean pixel, where dark ink counts more. First ask of each pixel: is it ink? Then average."),
        (torch.zeros(5), "All zeros: a share turned into a whole number loses all behind the point. Divide last, or use .float()."),
    ]  # fmt: skip
    compare(attempt(answer, batch), share, "5 images (5, 28, 28)", slips, hint="Ink is every pixel above 0.")
    return "One share for each image, however many there are."


def split(answer: Callable) -> str:
    """A function that splits numbers at random, but repeatably."""
    total, held_out = 1000 + int(torch.randint(100, (1,))), 200
    about = f"total={total}, val_size={held_out}"
    first = _two_parts(attempt(answer, total, held_out, 1), about)
    lengths = tuple(len(part) for part in first)
    if lengths == (held_out, total - held_out):
        raise NotYet(
            f"For {about}, the first part has {held_out} numbers: return the training part first, then validation."
        )
    together = torch.cat(first)
    missing = total - len(together.unique())
    if sum(lengths) != total or lengths[1] != held_out:
        raise NotYet(f"For {about}, I expected {total - held_out} and {held_out} numbers and got {lengths[0]} and {lengths[1]}. Mind the ends of your slices.")  # fmt: skip
    if missing:
        raise NotYet(f"For {about}, {missing} of the numbers 0 to {total - 1} are in neither part, and others twice: an image to validate with must not be trained on. Cut *one* shuffled order in two.")  # fmt: skip
    if same(together.sort().values, together) or same(first[1].sort().values, first[1]):
        raise NotYet(
            f"For {about}, the numbers come out sorted. Files may be sorted by writer: shuffle before you cut."
        )
    torch.manual_seed(int(torch.randint(1 << 30, (1,))))  # whoever draws from the global generator now draws anew
    if not same(torch.cat(_two_parts(attempt(answer, total, held_out, 1), about)), together):
        raise NotYet("The same seed gave two different splits. Draw from a generator that starts from `seed`.")
    if same(torch.cat(_two_parts(attempt(answer, total, held_out, 2), about)), together):
        raise NotYet("Seeds 1 and 2 gave the same split. Where does `seed` enter your function?")
    return "Random, repeatable, and no image in both parts."


def _two_parts(got: object, about: str) -> list[Tensor]:
    parts = [as_tensor(part) for part in got] if isinstance(got, list | tuple) and len(got) == 2 else [None]
    if any(part is None or part.ndim != 1 for part in parts):
        raise NotYet(f"For {about}, I expected two lists of numbers, `return train, val`, and got {describe(got)}.")
    return parts


def standardise(answer: Callable) -> str:
    """A function that normalises two sets, and looks at one of them only."""
    train, test = images(40), images(7) // 2
    scaled = [part.double() / 255 for part in (train, test)]
    mean, std = scaled[0].mean(), scaled[0].std()
    right = [(part - mean) / std for part in scaled]
    both = torch.cat(scaled)
    got = attempt(answer, train, test)
    if not isinstance(got, list | tuple) or len(got) != 2:
        raise NotYet(f"I expected two tensors, `return train, test`, and got {describe(got)}.")
    pixelwise = (scaled[0] - scaled[0].mean(dim=0)) / scaled[0].std(dim=0)
    slips = [
        ((scaled[0] - both.mean()) / both.std(), "You computed mean and spread from both sets together. That is peeking: the test images help to set the scale."),
        ((scaled[0] - mean) / std**2, "You divided by the variance. The standard deviation is its square root."),
        (scaled[0] - mean, "The mean is right; the spread is not yet 1. Divide by the standard deviation."),
        (scaled[0] / std - mean, "Subtract first, then divide: (x − mean) / std."),
        (255 * scaled[0] / std - mean, "Subtract first, then divide: (x − mean) / std."),
        (pixelwise, "You took mean and spread of each pixel position. One mean and one spread for all pixels together."),
    ]  # fmt: skip
    about = "the training images"
    if as_tensor(got[0]) is not None and as_tensor(got[0]).shape == pixelwise.shape and as_tensor(got[0]).isnan().any():
        raise NotYet("Some numbers are NaN, 0 divided by 0: a pixel position that is always blank has no spread. One mean and one spread for all pixels together.")  # fmt: skip
    compare(got[0], right[0], about, slips, tolerance=1e-3, hint="Mean 0 and spread 1, from the training images.")
    own = (scaled[1] - scaled[1].mean()) / scaled[1].std()
    peeking = "You used the test images' own mean and spread. That is peeking, and the two sets would be on different scales: use the training set's for both."  # fmt: skip
    slips = [(own, peeking), (scaled[1], "The test images are still on the old scale."), (test, "The test images are still on the old scale.")]  # fmt: skip
    compare(got[1], right[1], "the test images", slips, tolerance=1e-3, hint="Use the training set's mean and spread.")
    return "Both sets on one scale, and nobody peeked."


def batches(answer: tuple) -> str:
    """Two numbers: the batches of an epoch, and the images in the last of them."""
    if not isinstance(answer, list | tuple) or len(answer) != 2:
        raise NotYet(f"I expected two numbers, (batches, images in the last one), and got {describe(answer)}.")
    count, last = answer
    about = "60,000 images in batches of 128"
    slips = [
        (468, "468 full batches hold 59,904 images. The others are not thrown away: they make a batch of their own."),
        (468.75, "There is no three quarters of a batch: the last one is only smaller. Round which way?"),
        (391, "That is for 50,000 images. Here all 60,000 are meant."),
        (782, "That is for the chapter's own setting, 50,000 images and batches of 64."),
        (938, "That is for batches of 64. Here they are of 128."),
    ]
    compare(count, 469.0, f"{about}, the number of batches", slips, tolerance=1e-9)
    slips = [
        (128, "Then 469 batches would hold 60,032 images. How many are left after 468 full ones?"),
        (0, "60,000 is no multiple of 128. How many are left after 468 full batches?"),
    ]
    compare(last, 96.0, f"{about}, the last batch", slips, tolerance=1e-9, hint="60,000 minus 468 full batches.")
    return "468 full batches and one of 96: an epoch takes 469 steps."


def confused_pair(answer: tuple, predicted: Tensor, labels: Tensor) -> str:
    """A reading: which two classes the averages confuse most often."""
    mistakes = torch.zeros(10, 10, dtype=torch.int64)
    wrong = predicted != labels
    mistakes.index_put_((labels[wrong], predicted[wrong]), torch.tensor(1), accumulate=True)
    both_ways = (mistakes + mistakes.T).triu(1)
    pair = as_tensor(answer)
    if pair is None or pair.shape != (2,):
        raise NotYet(f"I expected two class numbers, (0, 1) say, and got {describe(answer)}.")
    low, high = sorted(pair.tolist())
    if not (low in range(10) and high in range(10)):
        raise NotYet(f"I expected two class numbers from 0 to 9 and got {describe(answer)}.")
    if low == high:
        raise NotYet(f"A class can't be confused with itself. Which other ghost has its ink where {low} has?")
    low, high = int(low), int(high)
    number, ranks = int(both_ways[low, high]), both_ways.flatten().sort(descending=True).values
    if number < int(ranks[2]) or number == 0:
        rank = int((ranks > number).sum()) + 1
        raise NotYet(
            f"The baseline confused these two {number} times, which is place {rank} of 45; one of the first three is right. "
            "Lay two ghosts over each other: where both are dark, they can't be told apart."
        )
    return f"It confused these two {number} times; the most for any pair is {int(ranks[0])}."


CHECKS: dict[str, Callable] = {
    "1.1": negative,
    "1.2": ink_share,
    "1.3": split,
    "1.4": standardise,
    "1.5": batches,
    "1.6": confused_pair,
}
