"""The checks of chapter 1: pixels, splits, batches, the baseline."""

from collections.abc import Callable

import torch
from torch import Tensor

from course.exercises.toolkit import WrongAnswer, as_tensor, call_answer, compare, describe, same


def images(count: int, darkest: int = 255) -> Tensor:
    """Return random images uint8 (count, 28, 28), four pixels in five blank, no two with the same amount of ink."""
    ink = torch.randint(1, darkest + 1, (count, 28, 28))
    share = torch.linspace(0.1, 0.3, count).reshape(count, 1, 1)
    return (ink * (torch.rand(count, 28, 28) < share)).to(torch.uint8)


def negative(answer: Callable) -> str:
    """A function that turns paper into ink and ink into paper."""
    image = images(1, darkest=250)[0]  # its darkest pixel is not 255
    wide = image.to(torch.int64)
    got = call_answer(answer, image)
    slips = [
        (256 - wide.where(wide > 0, torch.tensor(256)), "A uint8 has no room for −1: it starts again from 255. So -x gives 256 − x. Subtract from what?"),
        ((1 - wide) % 256, "1 − x would be right on a scale from 0 to 1. What is full ink here?"),
        (wide.max() - wide, "You start from the largest pixel of this image. In another image it may be another one: the scale ends at 255."),
        (1 - wide / 255, "The picture is right, the scale is not: I expected whole numbers from 0 to 255, as in the original."),
        (wide, "That is the image as it was. abs() of a uint8 changes nothing, and 0 → 255 followed by 255 → 0 changes everything back. One subtraction does it all."),
        (torch.where(wide == 255, 0, wide), "Paper is still paper: 0 → 255 followed by 255 → 0 changes it back. One subtraction does both at once."),
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
        (share.mean(), "That is one number for all images together. Average over rows and columns only. Which axes are they?"),
        ((batch > 0).float().mean(dim=0), "You averaged over the images, the first axis. What should be left is one number an image."),
        ((batch > 0).float().mean(dim=1), "You averaged over the rows only; each image still has 28 numbers. Average over the columns as well."),
        ((batch > 0).float().mean(dim=2), "You averaged over the columns only; each image still has 28 numbers. Average over the rows as well."),
        ((batch > 0).float().mean(dim=(0, 1)), "You averaged over images and rows; 28 columns are left. What should be left is one number an image."),
        ((batch > 0).float().mean(dim=(0, 2)), "You averaged over images and columns; 28 rows are left. What should be left is one number an image."),
        (share.reshape(5, 1, 1), "The numbers are right, in a shape of (5, 1, 1): leave keepdim out."),
        (share[0], "That is the first image's share alone. Does `return` stand inside the loop?"),
        ((batch > 250).float().mean(dim=(1, 2)), "That counts full ink only. Ink is every pixel above 0."),
        (100 * share, "Those are per cent. A share lies between 0 and 1."),
        (1 - share, "That is the share of paper. Paper is 0; ink is all that is above."),
        ((batch > 0).sum(dim=(1, 2)), "That is the number of inked pixels. Of how many?"),
        (batch.float().mean(dim=(1, 2)), "That is the mean pixel, where dark ink counts more. First ask of each pixel: is it ink? Then average."),
        (batch.float().mean(dim=(1, 2)) / 255, "That is the mean pixel, where dark ink counts more. First ask of each pixel: is it ink? Then average."),
        (torch.zeros(5), "All zeros: a share turned into a whole number loses all behind the point. Divide last, or use .float()."),
    ]  # fmt: skip
    compare(
        call_answer(answer, batch),
        share,
        "5 images (5, 28, 28)",
        slips,
        hint="Ask of each pixel whether it is ink, above 0; then average over rows and columns.",
    )
    return "One share for each image, however many there are."


def split(answer: Callable) -> str:
    """A function that splits numbers at random, but repeatably."""
    total, held_out = 1000 + int(torch.randint(100, (1,))), 200
    about = f"total={total}, val_size={held_out}"
    first = _two_parts(call_answer(answer, total, held_out, 1), about)
    lengths = tuple(len(part) for part in first)
    if lengths == (held_out, total - held_out):
        raise WrongAnswer(
            f"For {about}, the first part has {held_out} numbers: return the training part first, then validation."
        )
    together = torch.cat(first)
    missing = total - len(together.unique())
    if sum(lengths) != total or lengths[1] != held_out:
        raise WrongAnswer(f"For {about}, I expected {total - held_out} and {held_out} numbers and got {lengths[0]} and {lengths[1]}. Mind the ends of your slices.")  # fmt: skip
    if missing:
        raise WrongAnswer(f"For {about}, {missing} of the numbers 0 to {total - 1} are in neither part, and others twice: an image to validate with must not be trained on. Cut *one* shuffled order in two.")  # fmt: skip
    if sorted(together.tolist()) != list(range(total)):
        low, high = int(together.min()), int(together.max())
        raise WrongAnswer(
            f"For {about}, I expected the numbers 0 to {total - 1}, each once, and got {low} to {high}. Python counts from 0."
        )
    if any(same(part.sort().values, part) for part in (together, *first)):
        raise WrongAnswer(
            f"For {about}, numbers come out sorted. Files may be sorted by writer: shuffle before you cut."
        )
    torch.manual_seed(int(torch.randint(1 << 30, (1,))))  # whoever draws from the global generator now draws anew
    if not same(torch.cat(_two_parts(call_answer(answer, total, held_out, 1), about)), together):
        raise WrongAnswer("The same seed gave two different splits. Draw from a generator that starts from `seed`.")
    second = _two_parts(call_answer(answer, total, held_out, 2), about)
    if same(torch.cat(second), together):
        raise WrongAnswer("Seeds 1 and 2 gave the same split. Where does `seed` enter your function?")
    if set(first[1].tolist()) == set(second[1].tolist()):
        raise WrongAnswer(
            "Seeds 1 and 2 hold out the same images, only in another order: you cut before you shuffled. Files may be sorted by writer: shuffle first, then cut."
        )
    return "Random, repeatable, and no image in both parts."


def _two_parts(got: object, about: str) -> list[Tensor]:
    if isinstance(got, list | tuple) and any(isinstance(part, set) for part in got):
        raise WrongAnswer("I got sets, which have no order. Return two lists or tensors of numbers.")
    parts = [as_tensor(part) for part in got] if isinstance(got, list | tuple) and len(got) == 2 else [None]
    if any(part is None or part.ndim != 1 for part in parts):
        raise WrongAnswer(
            f"For {about}, I expected two lists of numbers, `return train, val`, and got {describe(got)}."
        )
    return parts


def standardise(answer: Callable) -> str:
    """A function that normalises two sets, and looks at one of them only."""
    train, test = images(40), images(7) // 2
    scaled = [part.double() / 255 for part in (train, test)]
    mean, std = scaled[0].mean(), scaled[0].std()
    right = [(part - mean) / std for part in scaled]
    got = call_answer(answer, train, test)
    if not isinstance(got, list | tuple) or len(got) != 2:
        raise WrongAnswer(f"I expected two tensors, `return train, test`, and got {describe(got)}.")
    if as_tensor(got[0]) is not None and as_tensor(got[0]).shape == test.shape:
        raise WrongAnswer("The test images came first. Return the training images first, then the test images.")
    pixelwise = (scaled[0] - scaled[0].mean(dim=0)) / scaled[0].std(dim=0)
    joined, raw, centred = (
        torch.cat(scaled),
        255 * scaled[0],
        "The mean is right; the spread is not yet 1. Divide by the standard deviation.",
    )
    order, variance = (
        "Subtract first, then divide: (x − mean) / std, with the brackets.",
        "You divided by the variance. The standard deviation is its square root.",
    )
    slips = [
        ((scaled[0] - joined.mean()) / joined.std(), "You computed mean and spread from both sets together. That is peeking: the test images help to set the scale."),
        ((scaled[0] - mean) / std**2, variance),
        ((raw - raw.mean()) / raw.std() ** 2, variance),
        (scaled[0] - mean, centred),
        (raw - raw.mean(), centred),
        (scaled[0], "The images are on a scale from 0 to 1 now. That is a start: mean 0 and spread 1 are asked for."),
        (raw, "The training images are still on the old scale."),
        (scaled[0] / std - mean, order),
        (scaled[0] - mean / std, order),
        (raw / raw.std() - raw.mean(), order),
        (raw - raw.mean() / raw.std(), order),
        ((scaled[0] - 0.1307) / 0.3081, "0.1307 and 0.3081 are MNIST's numbers. Compute the two from `train_images`, whatever they are."),
        (pixelwise, "You took mean and spread of each pixel position. One mean and one spread for all pixels together."),
    ]  # fmt: skip
    about = "the training images"
    if as_tensor(got[0]) is not None and as_tensor(got[0]).shape == pixelwise.shape and as_tensor(got[0]).isnan().any():
        raise WrongAnswer("Some numbers are NaN, 0 divided by 0: a pixel position that is always blank has no spread. One mean and one spread for all pixels together.")  # fmt: skip
    compare(got[0], right[0], about, slips, tolerance=1e-3, hint="Mean 0 and spread 1, from the training images.")
    own = (scaled[1] - scaled[1].mean()) / scaled[1].std()
    peeking = "You used the test images' own mean and spread. That is peeking, and the two sets would be on different scales: use the training set's for both."  # fmt: skip
    old = "The test images are still on the old scale. Was the mean taken from training images that had been normalised already?"
    slips = [(own, peeking), (scaled[1], old), (test, old)]  # fmt: skip
    compare(got[1], right[1], "the test images", slips, tolerance=1e-3, hint="Use the training set's mean and spread.")
    return "Both sets on one scale, and nobody peeked."


def batches(answer: tuple) -> str:
    """Two numbers: the batches of an epoch, and the images in the last of them."""
    if not isinstance(answer, list | tuple) or len(answer) != 2:
        raise WrongAnswer(f"I expected two numbers, (batches, images in the last one), and got {describe(answer)}.")
    count, last = answer
    if (count, last) == (96, 469):
        raise WrongAnswer("Both numbers are right, but in each other's place.")
    about = "60,000 images in batches of 128"
    slips = [
        (468, "That many are full. The images left over are not thrown away: they make a batch of their own."),
        (468.75, "There is no three quarters of a batch: the last one is only smaller. Round which way?"),
        (391, "That is for 50,000 images. Here all 60,000 are meant."),
        (782, "That is for the chapter's own setting, 50,000 images and batches of 64."),
        (938, "That is for batches of 64. Here they are of 128."),
    ]
    hint = "How many full batches are there, and is anything left over?"
    compare(count, 469.0, f"the number of batches ({about})", slips, tolerance=1e-9, hint=hint, reveal=False)
    slips = [
        (128, "That would be a full one, and 60,000 no longer the number of images. How many are left over?"),
        (0, "A last batch without images is none: 60,000 is no multiple of 128. How many are left over?"),
    ]
    hint = "How many images are left when all full batches are taken away?"
    compare(last, 96.0, f"the last batch ({about})", slips, tolerance=1e-9, hint=hint, reveal=False)
    return "468 full batches and one of 96: an epoch takes 469 steps."


def confused_pair(answer: tuple, predicted: Tensor, labels: Tensor) -> str:
    """A reading: which two classes the averages confuse most often."""
    mistakes = torch.zeros(10, 10, dtype=torch.int64)
    wrong = predicted != labels
    mistakes.index_put_((labels[wrong], predicted[wrong]), torch.tensor(1), accumulate=True)
    both_ways = (mistakes + mistakes.T).triu(1)
    pair = as_tensor(sorted(answer) if isinstance(answer, set) else answer)
    if pair is None or pair.shape != (2,):
        raise WrongAnswer(f"I expected two class numbers, (0, 1) say, and got {describe(answer)}.")
    low, high = sorted(pair.tolist())
    if not (low in range(10) and high in range(10)):
        raise WrongAnswer(f"I expected two class numbers from 0 to 9 and got {describe(answer)}.")
    if low == high:
        raise WrongAnswer(f"A class can't be confused with itself. Which other ghost has its ink where {low} has?")
    low, high = int(low), int(high)
    number, ranks = int(both_ways[low, high]), both_ways.flatten().sort(descending=True).values
    if number < int(ranks[2]) or number == 0:
        rank = int((ranks > number).sum()) + 1
        raise WrongAnswer(
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
