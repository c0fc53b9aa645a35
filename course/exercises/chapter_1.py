"""The checks of chapter 1: pixels, splits, batches, the baseline."""

from collections.abc import Callable

import torch
from torch import Tensor

from course.exercises.toolkit import (
    WrongAnswer,
    as_tensor,
    between,
    call_answer,
    check_function,
    compare,
    describe,
    numbers,
    refuse,
    same,
)


def images(count: int, darkest: int = 255) -> Tensor:
    """Return random images uint8 (count, 28, 28), four pixels in five blank, no two with the same amount of ink."""
    ink = torch.randint(1, darkest + 1, (count, 28, 28))
    share = torch.linspace(0.1, 0.3, count).reshape(count, 1, 1)
    return (ink * (torch.rand(count, 28, 28) < share)).to(torch.uint8)


def two_parts(got: object, asked: str, fits: Callable = lambda part: True) -> list[Tensor]:
    """Return an answer of two parts as tensors; refuse anything else, saying what was asked."""
    parts = [as_tensor(part) for part in got] if isinstance(got, list | tuple) else []
    found = [part for part in parts if part is not None and fits(part)]
    if len(parts) != 2 or len(found) != 2:
        raise WrongAnswer(f"I expected {asked} and got {describe(got)}.")
    return found


def negative(answer: Callable) -> str:
    """A function that turns paper into ink and ink into paper."""
    common_mistakes = [
        (lambda image: -image, "A uint8 has no room for −1: it starts again from 255. So -x gives 256 − x. Subtract from what?"),
        (lambda image: 1 - image, "1 − x would be right on a scale from 0 to 1. What is full ink here?"),
        (lambda image: image.max() - image, "You start from the largest pixel of this image. In another image it may be a different one: the scale ends at 255."),
        (lambda image: 1 - image / 255, "The picture is right, the scale is not: I expected whole numbers from 0 to 255, as in the original."),
        (lambda image: image, "That is the image as it was. abs() of a uint8 changes nothing, and 0 → 255 followed by 255 → 0 undoes itself. One subtraction does it all."),
        (lambda image: image - 255, "A uint8 has no room for a minus sign, so x − 255 comes out as x + 1. Which way round must the difference be?"),
        (lambda image: 255 * (image == 0), "All ink has become the same. A pixel of 200 should become 55."),
    ]  # fmt: skip
    hint = "0 should become 255, 255 should become 0, 200 should become 55."
    image = images(1, darkest=250)[0]  # its largest pixel is not 255
    check_function(answer, lambda: (image,), lambda image: 255 - image, common_mistakes, "an image (28, 28)", hint)
    return "Paper and ink have changed places, and the numbers stayed within 0 to 255."


def ink_share(answer: Callable) -> str:
    """A function that tells which share of each image is ink."""

    def right(batch: Tensor) -> Tensor:
        return (batch > 0).double().mean((1, 2))

    mean_pixel = "That is the mean pixel, where dark ink counts more. First ask of each pixel: is it ink? Then average."
    common_mistakes = [
        (lambda batch: right(batch).mean(), "That is one number for all images together. Average over rows and columns only. Which axes are they?"),
        (lambda batch: (batch > 0).double().mean(0), "You averaged over the images, the first axis. What should be left is one number per image."),
        (lambda batch: (batch > 0).double().mean(1), "You averaged over the rows only; each image still has 28 numbers. Average over the columns as well."),
        (lambda batch: (batch > 0).double().mean(2), "You averaged over the columns only; each image still has 28 numbers. Average over the rows as well."),
        (lambda batch: (batch > 0).double().mean((0, 1)), "You averaged over images and rows; 28 columns are left. What should be left is one number per image."),
        (lambda batch: (batch > 0).double().mean((0, 2)), "You averaged over images and columns; 28 rows are left. What should be left is one number per image."),
        (lambda batch: right(batch).reshape(-1, 1, 1), "The numbers are right, but in a shape of (5, 1, 1): leave keepdim out."),
        (lambda batch: right(batch)[0], "That is the first image's share alone. Is `return` inside the loop?"),
        (lambda batch: (batch > 250).double().mean((1, 2)), "That counts full ink only. Ink is every pixel above 0."),
        (lambda batch: 100 * right(batch), "Those are per cent. A share is between 0 and 1."),
        (lambda batch: 1 - right(batch), "That is the share of paper. Paper is 0; ink is everything above it."),
        (lambda batch: (batch > 0).sum((1, 2)), "That is the number of inked pixels. Of how many?"),
        (lambda batch: batch.double().mean((1, 2)), mean_pixel),
        (lambda batch: batch.double().mean((1, 2)) / 255, mean_pixel),
        (lambda batch: torch.zeros(5), "All zeros: turning a share into a whole number drops everything after the point. Divide last, or use .float()."),
    ]  # fmt: skip
    hint = "Ask of each pixel whether it is ink, above 0; then average over rows and columns."
    check_function(answer, lambda: (images(5),), right, common_mistakes, "5 images (5, 28, 28)", hint)
    return "One share for each image, however many there are."


def split(answer: Callable) -> str:
    """A function that splits numbers at random, but repeatably."""
    total, held_out = between(1000, 1100), 200

    def split_by(seed: int) -> list[Tensor]:
        got = call_answer(answer, total, held_out, seed)
        sets = isinstance(got, list | tuple) and any(isinstance(part, set) for part in got)
        refuse([(sets, "I got sets, which have no order. Return two lists or tensors of numbers.")])
        return two_parts(got, "two lists of numbers, `return train, val`,", lambda part: part.ndim == 1)

    train, val = split_by(seed=1)
    together = torch.cat([train, val])
    about, lengths = f"For total={total}, val_size={held_out},", (len(train), len(val))
    missing = total - len(together.unique())
    refuse([
        (lengths == (held_out, total - held_out), f"{about} the first part has {held_out} numbers: return the training part first, then validation."),
        (lengths != (total - held_out, held_out), f"{about} I expected {total - held_out} and {held_out} numbers and got {lengths[0]} and {lengths[1]}. Mind the ends of your slices, and use `total` and `val_size`, whatever they are."),
        (missing, f"{about} {missing} of the numbers 0 to {total - 1} are in neither part, and others twice: an image to validate with must not be trained on. Cut *one* shuffled order in two."),
        (together.min() != 0, f"{about} I expected the numbers 0 to {total - 1}, each once, and got {together.min()} to {together.max()}. Python counts from 0."),
        (any(same(part.sort().values, part) for part in (together, train, val)), f"{about} numbers come out sorted. Files may be sorted by writer: shuffle before you cut, and leave the parts as they are."),
    ])  # fmt: skip
    torch.default_generator.seed()  # an answer that draws from the global generator now draws other numbers
    again, other = torch.cat(split_by(seed=1)), split_by(seed=2)
    refuse([
        (not same(again, together), "The same seed gave two different splits. Draw from a generator that starts from `seed`."),
        (same(torch.cat(other), together), "Seeds 1 and 2 gave the same split. Where does `seed` enter your function?"),
        (set(val.tolist()) == set(other[1].tolist()), "Seeds 1 and 2 hold out the same images, only in another order: you cut before you shuffled. Files may be sorted by writer: shuffle first, then cut."),
    ])  # fmt: skip
    return "Random, repeatable, and no image in both parts."


def standardise(answer: Callable) -> str:
    """A function that normalises two sets, and looks at one of them only."""
    train, test = images(40), images(7) // 2
    first, second = two_parts(call_answer(answer, train, test), "two tensors, `return train, test`,")
    if first.shape == test.shape:
        raise WrongAnswer("The test images came first. Return the training images first, then the test images.")

    x, y = train.double() / 255, test.double() / 255
    joined, mean, std = torch.cat([x, y]), x.mean(), x.std()
    centred = "The mean is right; the spread is not yet 1. Divide by the standard deviation."
    order = "Subtract first, then divide: (x − mean) / std, with the brackets."
    variance = "You divided by the variance. The standard deviation is its square root."
    common_mistakes = [
        ((x - joined.mean()) / joined.std(), "You computed mean and spread from both sets together. That is peeking: the test images help to set the scale."),
        *[((x - mean) / (k * std**2), variance) for k in (1, 255)],  # from pixels of 0 to 1, and from those of 0 to 255
        *[(k * (x - mean), centred) for k in (1, 255)],
        *[(x / std - k * mean, order) for k in (1, 255)],
        *[(k * x - mean / std, order) for k in (1, 255)],
        (x, "The images are on a scale from 0 to 1 now. That is a start: the mean should be 0 and the spread 1."),
        (train, "The training images are still on the old scale."),
        ((x - 0.1307) / 0.3081, "0.1307 and 0.3081 are MNIST's numbers. Compute the two from `train_images`, whatever they are."),
        ((x - 0.5) / 0.5, "0.5 and 0.5 bring the pixels to −1…1. Compute the two from `train_images`, so that the mean becomes 0 and the spread 1."),
        ((x - x.mean(0)) / x.std(0), "You took mean and spread of each pixel position (0 / 0 is NaN, where a position is always blank). One mean and one spread for all pixels together."),
    ]  # fmt: skip
    hint = "Mean 0 and spread 1, from the training images."
    compare(first, (x - mean) / std, "the training images", common_mistakes, 1e-3, hint)
    old = "The test images are still on the old scale. Was the mean taken from training images that had been normalised already?"
    common_mistakes = [
        ((y - y.mean()) / y.std(), "You used the test images' own mean and spread. That is peeking, and the two sets would be on different scales: use the training set's for both."),
        (y, old),
        (test, old),
    ]  # fmt: skip
    hint = "Use the training set's mean and spread."
    compare(second, (y - mean) / std, "the test images", common_mistakes, 1e-3, hint)
    return "Both sets on one scale, and nobody peeked."


def batches(answer: tuple) -> str:
    """Two numbers: the batches of an epoch, and the images in the last of them."""
    count, last = numbers(answer, 2, "two numbers, (batches, images in the last one),")
    common_mistakes = [
        (96, "That is the size of the last batch. Are your two numbers in each other's place?"),
        (468, "That many are full. The images left over are not thrown away: they make a batch of their own."),
        (468.75, "There is no three quarters of a batch: the last one is only smaller. Round which way?"),
        (391, "That is for 50,000 images. Here it is all 60,000."),
        (782, "That is for the chapter's own setting, 50,000 images and batches of 64."),
        (938, "That is for batches of 64. Here they are of 128."),
    ]
    hint = "How many full batches are there, and is anything left over?"
    about = "60,000 images in batches of 128"
    compare(count, 469, f"the number of batches ({about})", common_mistakes, 1e-9, hint, reveal=False)
    common_mistakes = [
        (128, "That would be a full one, but 60,000 is no multiple of 128. How many images are left over?"),
        (0.75, "That is the share of a batch. How many images are that?"),
        (0, "A last batch has at least one image, and 60,000 is no multiple of 128. How many are left over?"),
    ]
    hint = "How many images are left when all full batches are taken away?"
    compare(last, 96, f"the last batch ({about})", common_mistakes, 1e-9, hint, reveal=False)
    return "468 full batches and one of 96: an epoch takes 469 steps."


def confused_pair(answer: object, predicted: Tensor, labels: Tensor) -> str:
    """A reading: which two classes the averages confuse most often."""
    asked = "two class numbers, (0, 1) say,"
    low, high = sorted(numbers(sorted(answer) if isinstance(answer, set) else answer, 2, asked).tolist())
    refuse([
        (not (low in range(10) and high in range(10)), f"I expected two class numbers from 0 to 9 and got {describe(answer)}."),
        (low == high, f"A class can't be confused with itself. Which other ghost has its ink where {low:.0f} has?"),
    ])  # fmt: skip
    counts = (10 * labels + predicted).bincount(minlength=100).reshape(10, 10)
    both_ways = (counts + counts.T).triu(1)
    number, ranks = int(both_ways[int(low), int(high)]), both_ways.flatten().sort(descending=True).values
    place = int((ranks > number).sum()) + 1
    refuse([(number < ranks[2] or number == 0, f"The baseline confused these two {number} times, which is place {place} of 45; one of the first three is right. Lay two ghosts over each other: where both are dark, they can't be told apart.")])  # fmt: skip
    return f"It confused these two {number} times; the most for any pair is {int(ranks[0])}."


CHECKS = {"1.1": negative, "1.2": ink_share, "1.3": split, "1.4": standardise, "1.5": batches, "1.6": confused_pair}
