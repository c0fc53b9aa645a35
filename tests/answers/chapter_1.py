"""Right and wrong answers to the exercises of chapter 1."""

from fractions import Fraction

import numpy as np
import torch


def ink_share_in_a_loop(images):
    shares = []
    for image in images:
        inked = sum(1 for pixel in image.flatten().tolist() if pixel > 0)
        shares.append(inked / image.numel())
    return shares


def split_with_numpy(total, val_size, seed):
    order = np.random.default_rng(seed).permutation(total)
    return order[: total - val_size], order[total - val_size :]


def split_with_torch(total, val_size, seed):
    order = torch.randperm(total, generator=torch.Generator().manual_seed(seed)).tolist()
    return order[:-val_size], order[-val_size:]


def split_train_sorted(total, val_size, seed):
    val = np.random.default_rng(seed).choice(total, val_size, replace=False)
    return np.setdiff1d(np.arange(total), val), val


def split_if_seed(total, val_size, seed):
    generator = torch.Generator().manual_seed(seed) if seed else None
    return torch.randperm(total, generator=generator).split([total - val_size, val_size])


def split_turned(total, val_size, seed):
    order = torch.randperm(total, generator=torch.Generator().manual_seed(0)).roll(seed)
    return order[val_size:], order[:val_size]


def negative_pixel_by_pixel(image):
    for row in range(28):
        for column in range(28):
            image[row, column] = 255 - image[row, column]
    return image


def split_drawn_twice(total, val_size, seed):
    generator = torch.Generator().manual_seed(seed)
    order, other = torch.randperm(total, generator=generator), torch.randperm(total, generator=generator)
    return order[val_size:], other[:val_size]


def split_without_seed(total, val_size, seed):
    order = torch.randperm(total)
    return order[val_size:], order[:val_size]


def split_with_a_fixed_seed(total, val_size, seed):
    return split_with_torch(total, val_size, 0)


def split_off_by_one(total, val_size, seed):
    train, val = split_with_torch(total, val_size, seed)
    return train[:-1], val


def split_from_one(total, val_size, seed):
    train, val = split_with_torch(total, val_size, seed)
    return [number + 1 for number in train], [number + 1 for number in val]


def split_cut_first(total, val_size, seed):
    generator = torch.Generator().manual_seed(seed)
    train = torch.randperm(total - val_size, generator=generator)
    return train, total - val_size + torch.randperm(val_size, generator=generator)


def standardize_by(choose, divide=lambda part, mean, std: (part - mean) / std):
    def standardize(train_images, test_images):
        train, test = train_images.double() / 255, test_images.double() / 255
        seen = choose(train, test)
        return divide(train, seen.mean(), seen.std()), divide(test, seen.mean(), seen.std())

    return standardize


def standardize_each_by_itself(train_images, test_images):
    train, test = train_images.float(), test_images.float()
    return (train - train.mean()) / train.std(), (test - test.mean()) / test.std()


def standardize_train_only(train_images, test_images):
    train = train_images.float()
    return (train - train.mean()) / train.std(), test_images.float() / 255


def standardize_overwriting(train_images, test_images):
    train_images = train_images.float()
    train_images = (train_images - train_images.mean()) / train_images.std()
    return train_images, (test_images - train_images.mean()) / train_images.std()


def standardize_each_pixel(train_images, test_images):
    train, test = train_images.float(), test_images.float()
    mean, std = train.mean(dim=0), train.std(dim=0)
    return (train - mean) / std, (test - mean) / std


def predictions():
    """300 labels; 4 and 9 are confused 30 times, 3 and 5 20 times, 3 and 8 10 times, 0 and 1 once."""
    labels = torch.arange(300) % 10
    predicted = labels.clone()
    for true, read, times in ((4, 9, 30), (3, 5, 20), (8, 3, 10), (0, 1, 1)):
        predicted[(labels == true).nonzero().squeeze(1)[:times]] = read
    return {"predicted": predicted, "labels": labels}


CONTEXT = {"1.6": predictions}

RIGHT = {
    "1.1": [lambda image: 255 - image, negative_pixel_by_pixel, lambda image: image.bitwise_not_(), lambda image: (image.float() * -1 + 255).to(torch.uint8)],
    "1.2": [
        lambda images: (images > 0).float().mean(dim=(1, 2)),
        lambda images: (images != 0).flatten(1).sum(dim=1) / 784,
        ink_share_in_a_loop,
        lambda images: (Fraction(int((image > 0).sum()), 784) for image in images),
    ],
    "1.3": [split_with_torch, split_with_numpy, split_train_sorted],
    "1.4": [standardize_by(lambda train, test: train), lambda a, b: [(x / 1.0 - a.float().mean()) / a.float().std() for x in (a, b)]],
    "1.5": [(469, 96), [469, 60_000 % 128], (torch.tensor(469), 96.0)],
    "1.6": [(4, 9), {4, 9}, (9, 4), [5, 3], torch.tensor([3, 8])],
}  # fmt: skip

WRONG = {
    "1.1": [
        (lambda image: -image, "Subtract from what?"),
        (lambda image: 1 - image, "What is full ink here?"),
        (lambda image: image.max() - image, "largest pixel of this image"),
        (lambda image: (image - 255).abs(), "Which way around should the difference be?"),
        (lambda image: 1 - image / 255, "the scale isn't"),
        (lambda image: 255 * (image == 0), "A pixel of 200 should become 55"),
        (lambda image: image, "as it was"),
        (lambda image: image.sub_(255), "Which way around should"),
    ],
    "1.2": [
        (lambda images: (images > 0).float().mean(), "one number for all images"),
        (lambda images: (images > 0).float().mean(dim=0), "dim 0"),
        (lambda images: (images > 0).float().mean(dim=1), "over the rows only"),
        (lambda images: (images > 0).float().mean(dim=2), "over the columns only"),
        (lambda images: 100 * (images > 0).float().mean(dim=(1, 2)), "percentages"),
        (lambda images: (images == 0).float().mean(dim=(1, 2)), "share of paper"),
        (lambda images: (images > 0).sum(dim=(1, 2)), "Out of how many?"),
        (lambda images: images.float().mean(dim=(1, 2)) / 255, "dark ink counts more"),
        (lambda images: (images > 0).sum(dim=(1, 2)) // 784, "Use / instead of //"),
        (lambda images: (images > 0).mean(dim=(1, 2)), "call .float() first"),
        (lambda images: (images > 0).float().mean(1, 2), "in one tuple"),
        (lambda images: (images > 127).float().mean(dim=(1, 2)), "every pixel above 0"),
        (lambda images: (images > images.min()).float().mean(dim=(1, 2)), "all full ink, I expected 1"),
        (lambda images: [(images[k] > 0).float().mean() for k in range(5)], "a fixed 5"),
        (lambda images: (images > 0).float().mean(dim=(1, 2)).squeeze(), "For 1 image (1, 28, 28), I expected shape (1,)"),
        (lambda images: (images > 0).float().mean(dim=(1, 2), keepdim=True), "leave out keepdim"),
        (lambda images: (images[0] > 0).float().mean(), "inside the loop"),
    ],
    "1.3": [
        (lambda total, val_size, seed: (torch.arange(total - val_size), torch.arange(total - val_size, total)), "shuffle first, then cut"),
        (split_if_seed, "0 is a seed like any other"),
        (split_turned, "give another order"),
        (lambda *given: tuple(reversed(split_with_torch(*given))), "training part first"),
        (split_drawn_twice, "is in neither part"),
        (split_without_seed, "The same seed gave two different splits"),
        (split_with_a_fixed_seed, "Where does `seed` enter"),
        (split_off_by_one, "ends of your slices"),
        (split_from_one, "Python counts from 0"),
        (split_cut_first, "cut before you shuffled"),
        (lambda *given: [set(part) for part in split_with_torch(*given)], "no order"),
        (lambda total, val_size, seed: torch.randperm(total, generator=seed), "wants a torch.Generator"),
        (lambda *given: torch.cat([torch.as_tensor(part) for part in split_with_torch(*given)]), "`return train, val`"),
    ],
    "1.4": [
        (standardize_each_by_itself, "own mean and spread"),
        (standardize_by(lambda train, test: torch.cat([train, test])), "both sets together"),
        (standardize_by(lambda train, test: train, lambda part, mean, std: (part - mean) / std**2), "variance"),
        (standardize_by(lambda train, test: train, lambda part, mean, std: part - mean), "spread is not yet 1"),
        (standardize_by(lambda train, test: train, lambda part, mean, std: part / std - mean), "Subtract first"),
        (lambda train, test: tuple((x - 0.1307) / 0.3081 for x in (train, test)), "for pixels from 0 to 1"),
        (lambda train, test: tuple((x - (train / 255).mean()) / (train / 255).std() for x in (train, test)), "Two scales got mixed"),
        (standardize_train_only, "still on the old scale"),
        (standardize_overwriting, "normalized already"),
        (lambda train, test: (train.float() - train.float().mean(), test), "spread is not yet 1"),
        (lambda train, test: (train / 255, test / 255), "That is a start"),
        (lambda train, test: tuple((x / 255 - 0.5) / 0.5 for x in (train, test)), "to −1…1"),
        (lambda train, test: tuple((x / 255 - 0.1307) / 0.3081 for x in (train, test)), "MNIST's numbers"),
        (lambda train, test: (test.float(), train.float()), "The test images came first"),
        (standardize_each_pixel, "Take one mean and one spread for all pixels"),
        (lambda train, test: train.float().mean(), "`return train, test`"),
    ],
    "1.5": [
        ((468, 96), "not thrown away"),
        ((468.75, 96), "Which way do you round?"),
        ((391, 96), "all 60,000"),
        ((782, 16), "the chapter's own setting"),
        ((938, 96), "batches of 64"),
        ((469, 128), "a full one"),
        ((96, 469), "Did you swap"),
        ((469.001, 96), "469.001 is not right"),
        ((469, 32), "missing to fill it"),
        ((470, 96), "470 is not right"),
        ((469, 0), "not a multiple of 128"),
        ((469, 0.75), "How many images is that?"),
        (469, "two numbers"),
    ],
    "1.6": [
        ((4, 4), "itself"),
        ((0, 1), "confused these two once, which puts them in place 4 of 45"),
        ((0, 10), "from 0 to 9"),
        ("4 and 9", "two class numbers, such as (0, 1)"),
        ((6, 7), "never confused these two"),
    ],
}  # fmt: skip
