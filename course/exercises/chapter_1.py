"""The checks of chapter 1: pixels, splits, batches, the baseline."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from course.exercises import toolkit
from course.exercises.toolkit import WrongAnswer, between, call_answer, check_function, compare, describe, refuse, same


def images(count: int, darkest: int = 255) -> Tensor:
    """Return random images uint8 (count, 28, 28), four pixels in five blank, no two with the same amount of ink."""
    ink = torch.randint(1, darkest + 1, (count, 28, 28))
    share = torch.linspace(0.1, 0.3, count)[torch.randperm(count)].reshape(count, 1, 1)
    return (ink * (torch.rand(count, 28, 28) < share)).to(torch.uint8)


def counted(batch: Tensor) -> str:
    """Return a batch in words."""
    kinds = {0: ", blank", 255: ", all full ink"}
    kind = kinds.get(int(batch.min()), "") if batch.min() == batch.max() else ""
    return f"{len(batch)} image{'s' * (len(batch) != 1)} {tuple(batch.shape)}{kind}"


def two_parts(got: object, asked: str, fits: Callable = lambda part: True) -> list[Tensor]:
    """Return an answer of two parts as tensors; refuse anything else, saying what was asked."""
    many = isinstance(got, Iterable) and not isinstance(got, set | dict | str) and getattr(got, "ndim", 1) > 0
    parts = [toolkit.as_tensor(part) for part in got] if many else []  # type: ignore[attr-defined]
    found = [part for part in parts if part is not None and fits(part)]
    if len(parts) != 2 or len(found) != 2:
        raise WrongAnswer(f"I expected {asked} and got {describe(got)}.")
    return found


def negative(answer: Callable) -> str:
    """A function that turns paper into ink and ink into paper."""
    unchanged = "That is the image as it was. abs() changes nothing in a uint8, and turning 0 into 255 and then 255 into 0 undoes itself. One subtraction does it all."
    common_mistakes = [
        (lambda image: -image, "A uint8 has no room for −1: below 0 it starts over from 255. So -x gives 256 − x. Subtract from what?"),
        (lambda image: 1 - image, "1 − x would be right on a scale from 0 to 1. What is full ink here?"),
        (lambda image: image.max() - image, "You start from the largest pixel of this image. Another image may have a different one, but the scale always ends at 255."),
        (lambda image: 1 - image / 255, "The picture is right, but the scale isn't: I expected whole numbers from 0 to 255, as in the original."),
        (lambda image: image, unchanged),
        (lambda image: image * (image < 255), unchanged),
        (lambda image: image - 255, "A uint8 has no room for a minus sign, so x − 255 comes out as x + 1. Which way around should the difference be?"),
        (lambda image: 255 * (image == 0), "All ink has become the same: 0. A pixel of 200 should become 55."),
    ]  # fmt: skip

    def on_its_own_copy(image: Tensor) -> object:  # to change the image in place is fine here
        return call_answer(answer, image.clone(), may_change=True)

    if not callable(answer):
        call_answer(answer)
    hint = "0 should become 255, 255 should become 0, and 200 should become 55."
    edges = [(torch.full((28, 28), value, dtype=torch.uint8),) for value in (0, 255)]
    darkest = between(200, 250)  # the largest pixel is not 255
    check_function(
        on_its_own_copy,
        lambda: (images(1, darkest)[0],),
        lambda image: 255 - image,
        common_mistakes,
        "an image (28, 28)",
        hint,
        edges=edges,
    )
    return "Paper and ink have traded places, and the numbers have stayed within 0 to 255."


def ink_share(answer: Callable) -> str:
    """A function that returns the share of each image that is ink."""

    def right(batch: Tensor) -> Tensor:
        return (batch > 0).double().mean((1, 2))

    mean_pixel = (
        "That is the mean pixel, in which dark ink counts more. First ask of each pixel: is it ink? Then average."
    )
    threshold = "Ink is every pixel above 0, however faint: `images > 0`."
    fixed = "There is a fixed 5 in your function. Take all of `images`, however many there are."
    common_mistakes = [
        (lambda batch: right(batch).mean(), "That is one number for all images together. Average over rows and columns only. Which dims are they?"),
        (lambda batch: (batch > 0).double().mean(0), "You averaged over the images, dim 0. What should be left is one number per image."),
        (lambda batch: (batch > 0).double().mean(1), "You averaged over the rows only; each image still has 28 numbers. Average over the columns as well."),
        (lambda batch: (batch > 0).double().mean(2), "You averaged over the columns only; each image still has 28 numbers. Average over the rows as well."),
        (lambda batch: (batch > 0).double().mean((0, 1)), "You averaged over images and rows; 28 columns are left. What should be left is one number per image."),
        (lambda batch: (batch > 0).double().mean((0, 2)), "You averaged over images and columns; 28 rows are left. What should be left is one number per image."),
        (lambda batch: right(batch).reshape(-1, 1, 1), "The numbers are right, but their shape is (N, 1, 1): leave out keepdim."),
        (lambda batch: right(batch)[0], "That is the first image's share alone. Is `return` inside the loop?"),
        (lambda batch: right(batch)[:5], fixed),
        (lambda batch: right(batch).sort().values, "The shares are right, but sorted. Leave them in the order of the images."),
        *[(lambda batch, least=least: (batch > least).double().mean((1, 2)), threshold) for least in (1, 100, 127, 128, 200, 250, 254)],
        (lambda batch: 100 * right(batch), "Those are percentages. A share is between 0 and 1."),
        (lambda batch: 1 - right(batch), "That is the share of paper. Paper is 0; ink is everything above it."),
        (lambda batch: (batch > 0).sum((1, 2)), "That is the number of inked pixels. Out of how many?"),
        (lambda batch: right(batch) * 28, "You divided by 28, one side of the image. How many pixels does it have?"),
        (lambda batch: right(batch) / len(batch), "You divided by the pixels of all images together. Each image has 28 · 28 of its own."),
        (lambda batch: batch.double().mean((1, 2)), mean_pixel),
        (lambda batch: batch.double().mean((1, 2)) / 255, mean_pixel),
        (lambda batch: right(batch).floor(), "A share rounded down to a whole number is 0, except where every pixel is ink. Use / instead of //, and no int()."),
    ]  # fmt: skip
    full = torch.full((3, 28, 28), 255, dtype=torch.uint8)
    full[1], full[2] = 1, 0  # faint ink everywhere, and a blank image
    check_function(
        answer,
        lambda: (images(between(6, 9)),),
        right,
        common_mistakes,
        counted,
        "Ask of each pixel whether it is ink, above 0; then average over rows and columns.",
        edges=[(images(1),), (full[:1],), (full,), (images(5),)],
    )
    return "One share for each image, however many there are."


def split(answer: Callable) -> str:
    """A function that splits numbers at random, but repeatably."""

    def split_by(seed: int, total: int, held_out: int) -> tuple[Tensor, Tensor]:
        got = call_answer(answer, total, held_out, seed, twice=False)
        sets = isinstance(got, list | tuple) and any(isinstance(part, set | frozenset) for part in got)
        refuse([(sets, "I got sets, which have no order of their own. Return two lists or tensors of numbers.")])
        train, val = two_parts(got, "two lists of numbers, `return train, val`,", lambda part: part.ndim == 1)
        about, lengths = f"For total={total}, val_size={held_out}, seed={seed}", (len(train), len(val))
        if len(train) + len(val) <= 12:
            about += f" I got train={train.tolist()} and val={val.tolist()}"
        together, wanted = torch.cat([train, val]).double(), torch.arange(total).double()
        missing = wanted[~torch.isin(wanted, together)].int().tolist()
        refuse([
            (lengths == (held_out, total - held_out), f"{about}. Return the training part first, then the validation part."),
            (lengths != (total - held_out, held_out), f"{about}: {lengths[0]} and {lengths[1]} numbers, where I expected {total - held_out} and {held_out}. Watch the ends of your slices, and use `total` and `val_size`, whatever they are."),
            (not torch.isin(together, wanted).all(), f"{about}. I expected the numbers 0 to {total - 1}, each once. Python counts from 0."),
            (missing, f"{about}. I expected the numbers 0 to {total - 1}, each once, but {next(iter(missing), 0)} is in neither part, and another number appears twice. An image held out for validation must not be trained on. Cut *one* shuffled order in two."),
        ])  # fmt: skip
        return train, val

    for seed, total, held_out in ((0, 5, 2), (3, 7, 1)):
        split_by(seed, total, held_out)
    held_out = between(200, 250)
    sizes = 5 * held_out + between(1, 50), held_out
    splits = [split_by(seed, *sizes) for seed in range(3)]
    torch.manual_seed(between(0, 2**31))  # an answer that draws from the global generator now draws other numbers
    again = [split_by(seed, *sizes) for seed in range(3)]
    repeats = [same(torch.cat(one), torch.cat(other), 0) for one, other in zip(splits, again, strict=True)]
    kept = [val.sort().values for _, val in splits]
    gap = max(int(numbers.diff().unique(return_counts=True)[1].max()) for numbers in kept)
    drawn_from_seed = "Draw from a generator that starts from `seed`."
    refuse([
        (repeats == [False, True, True], f"Seed 0 gave two different splits, although 1 and 2 work: 0 is a seed like any other, but `if seed` treats it as no seed at all. {drawn_from_seed}"),
        (not all(repeats), f"The same seed gave two different splits. {drawn_from_seed}"),
        (gap > 0.6 * held_out, "The validation images are next to each other, or evenly spaced: you cut before you shuffled. Files may be sorted by writer: shuffle first, then cut."),
        *[(same(torch.cat(splits[one]), torch.cat(splits[other]), 0), f"Seeds {one} and {other} gave the same split. Where does `seed` enter your function?") for one, other in ((0, 1), (1, 2))],
        *[(torch.isin(kept[0], other).double().mean() > 0.5, "Seeds 0 and 1 hold out nearly the same images: another seed should give another order, not the same order from another starting point.") for other in kept[1:]],
    ])  # fmt: skip
    return "Random, repeatable, and no image in both parts."


def standardize(answer: Callable) -> str:
    """A function that normalizes two sets with the numbers of one of them."""
    train, test = images(40), images(7) // 2
    for count in (len(test), 1):
        _check_standardized(answer, train, test[:count])
    return "Both sets are on one scale, and there is no data leakage."


def _check_standardized(answer: Callable, train: Tensor, test: Tensor) -> None:
    first, second = two_parts(call_answer(answer, train, test), "two tensors, `return train, test`,")
    if first.shape == test.shape:
        raise WrongAnswer("The test images came first. Return the training images first, then the test images.")

    x, y = train.double() / 255, test.double() / 255
    joined, mean, std = torch.cat([x, y]), x.mean(), x.std()
    centered = "The mean is right, but the spread is not yet 1. Divide by the standard deviation."
    order = "Subtract first, then divide: (x − mean) / std, with the parentheses."
    variance = "You divided by the variance. The standard deviation is its square root."
    mixed = "Two scales got mixed: the mean and the standard deviation are those of pixels from 0 to {}, but the pixels that you normalized go from 0 to {}. Divide by 255 in both places, or in neither."
    common_mistakes = [
        ((x - joined.mean()) / joined.std(), "You computed the mean and the spread from both sets together. That is data leakage: the test images help to set the scale."),
        *[((x - mean) / (k * std**2), variance) for k in (1, 255)],  # from pixels of 0 to 1, and from those of 0 to 255
        *[(k * (x - mean), centered) for k in (1, 255)],
        *[(x / std - k * mean, order) for k in (1, 255)],
        *[(k * x - mean / std, order) for k in (1, 255)],
        ((255 * x - mean) / std, mixed.format(1, 255)),
        ((x - 255 * mean) / (255 * std), mixed.format(255, 1)),
        (x, "The images are on a scale from 0 to 1 now. That is a start: the mean should be 0 and the spread 1."),
        (train, "The training images are still on the old scale."),
        ((x - 0.1307) / 0.3081, "0.1307 and 0.3081 are MNIST's numbers. Compute the two from `train_images`, whatever they are."),
        ((train - 0.1307) / 0.3081, "0.1307 and 0.3081 are MNIST's numbers, and for pixels from 0 to 1. Compute the two from `train_images`, whatever they are."),
        ((x - 0.5) / 0.5, "0.5 and 0.5 bring the pixels to −1…1. Compute the two from `train_images`, so that the mean becomes 0 and the spread 1."),
        ((x - x.mean(0)) / x.std(0), "You took the mean and the spread of each pixel position. (Where a position is always blank, that makes 0 / 0, which is NaN.) Take one mean and one spread for all pixels together."),
        ((mean - x) / std, "The sign is wrong: ink came out below paper. Subtract the mean from the pixels, not the other way around."),
    ]  # fmt: skip
    hint = "Mean 0 and spread 1, from the training images."
    compare(first, (x - mean) / std, f"the training images, {counted(train)}", common_mistakes, 1e-3, hint)
    old = "The test images are still on the old scale. Was the mean taken from training images that had been normalized already?"
    common_mistakes = [
        ((y - y.mean()) / y.std(), "You used the test images' own mean and spread. That is data leakage, and it puts the two sets on different scales: use the training set's for both."),
        ((y - mean) / y.std(), "The mean is the training set's, but you divided by the test images' own spread. Use the training set's for both."),
        ((y - y.mean()) / std, "The spread is the training set's, but you subtracted the test images' own mean. Use the training set's for both."),
        ((255 * y - mean) / std, mixed.format(1, 255)),
        *[((y - 255 * mean) / (k * std), mixed.format(255, 1)) for k in (1, 255)],
        *[(k * (y - mean), centered) for k in (1, 255)],
        (y, old),
        (test, old),
    ]  # fmt: skip
    hint = "Use the training set's mean and spread."
    compare(second, (y - mean) / std, f"the test images, {counted(test)}", common_mistakes, 1e-3, hint)


def batches(answer: tuple) -> str:
    """Two numbers: the batches of an epoch, and the images in the last of them."""
    count, last = toolkit.numbers(answer, 2, "two numbers, (batches, images in the last one),")
    common_mistakes = [
        (96, "That is the size of the last batch. Did you swap your two numbers?"),
        (468, "That is how many are full. The images left over are not thrown away: they form a batch of their own."),
        (
            468.75,
            "There is no such thing as three quarters of a batch: the last one is smaller. Which way do you round?",
        ),
        (391, "That is for 50,000 images. Here it is all 60,000."),
        (782, "That is for the chapter's own setting, 50,000 images and batches of 64."),
        (938, "That is for batches of 64. Here they are of 128."),
    ]
    hint = "How many full batches are there, and is anything left over?"
    about = "60,000 images in batches of 128"
    compare(count, 469, f"the number of batches ({about})", common_mistakes, 1e-9, hint, reveal=False)
    common_mistakes = [
        (128, "That would be a full one, but 60,000 is not a multiple of 128. How many images are left over?"),
        (32, "That is how many are missing to fill it. How many are in it?"),
        (59_904, "That is how many are in the full batches. How many are left over?"),
        (0.75, "That is the share of a batch. How many images is that?"),
        (0, "A last batch has at least one image, and 60,000 is not a multiple of 128. How many are left over?"),
    ]
    hint = "How many images are left once all the full batches are taken away?"
    compare(last, 96, f"the last batch ({about})", common_mistakes, 1e-9, hint, reveal=False)
    return "468 full batches and one of 96: an epoch has 469 batches."


def confused_pair(answer: object, predicted: Tensor, labels: Tensor) -> str:
    """A reading: which two classes the averages confuse most often."""
    pair = toolkit.numbers(answer, 2, "two class numbers, such as (0, 1),", any_order=True)
    low, high = sorted(pair.tolist())
    refuse([
        (not (low in range(10) and high in range(10)), f"I expected two class numbers from 0 to 9 and got {describe(answer)}."),
        (low == high, f"A class can't be confused with itself. Which other ghost has its ink where the ghost of {low:.0f} has it?"),
    ])  # fmt: skip
    counts = (10 * labels + predicted).bincount(minlength=100).reshape(10, 10)
    both_ways = (counts + counts.T).triu(1)
    number, ranks = int(both_ways[int(low), int(high)]), both_ways.flatten().sort(descending=True).values
    if ranks[0] == 0:
        return "In this run, the baseline confused no two classes, so your pair is as good as any."
    place, times = int((ranks > number).sum()) + 1, "once" if number == 1 else f"{number} times"
    refuse([
        (number == 0, "The baseline never confused these two. In your mind, lay one ghost over another: where both are dark, they can't be told apart."),
        (number < ranks[2], f"The baseline confused these two {times}, which puts them in place {place} of 45; any of the first three places is right. In your mind, lay one ghost over another: where both are dark, they can't be told apart."),
    ])  # fmt: skip
    return f"It confused these two {times}; the most for any pair is {int(ranks[0])}."


CHECKS = {"1.1": negative, "1.2": ink_share, "1.3": split, "1.4": standardize, "1.5": batches, "1.6": confused_pair}
