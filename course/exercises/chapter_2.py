"""The checks of chapter 2: kernels, shapes, softmax, loss, a head for the network."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course.exercises.toolkit import (
    WrongAnswer,
    as_tensor,
    between,
    call_answer,
    check_edge_case,
    check_function,
    describe,
    one_number,
    refuse,
    same,
)


def colours(answer: tuple) -> str:
    """A reading: the colours of the answer to a kernel with all signs swapped."""
    allowed = ("purple", "orange", "white")
    named = answer if isinstance(answer, list | tuple) else [answer]
    words = tuple(str(word).strip().lower() for word in named)
    known = len(words) == 2 and all(word in allowed for word in words)
    refuse([
        (not known, f"I expected two of the words {', '.join(allowed)}, for the left and the right side, and got {describe(answer)}."),
        (words == ("purple", "orange"), "That is how the figure looks now, before any sign is swapped. Each product changes its sign: what becomes of the sum?"),
        ("white" in words, "White means an answer of 0, nothing found. At the edge of a stroke the products don't cancel; only their sign changes."),
        (words[0] == words[-1], f"Both sides {words[0]}: but on the left, paper becomes ink, and on the right, ink becomes paper. The two answers have opposite signs."),
    ])  # fmt: skip
    return "Purple and orange change places: the new kernel asks for ink on the left and paper on the right."


def size_after(answer: Callable) -> str:
    """A function that tells the size of a feature map after a convolution with padding."""

    def right(size: int, kernel: int, padding: int) -> int:
        return size + 2 * padding - kernel + 1

    def draw() -> tuple[int, int, int]:
        return between(50, 60), 2 * between(10, 12), between(6, 8)  # no two mistakes are near each other

    def read(got: object) -> float:
        return one_number(got, "one number, the length of one side (height and width are equal here),")

    window = "a window as wide as the image fits at one place, not at none"
    smaller = "A larger kernel fits at fewer places, so the map is smaller than the image: minus the kernel."
    pooled = "That is the size after pooling as well. The question is about the convolution alone."
    common_mistakes = [
        (lambda s, k, p: s - k + 2 * p, f"One is missing: {window}. So where is the + 1?"),
        (lambda s, k, p: s - k + p, f"The padding is on both sides, and one is missing: {window}."),
        (lambda s, k, p: s - k + 1 + 4 * p, "The padding is on all four sides, but the width meets only two of them: left and right."),
        (lambda s, k, p: s - k + 1 + p, "The padding is on both sides: left and right, top and bottom. How many pixels wider is the image?"),
        (lambda s, k, p: s - k + 1, "The padding is not in it. With padding, the window slides over a larger image."),
        (lambda s, k, p: s - k, f"The padding is not in it, and one is missing: {window}."),
        (lambda s, k, p: s + k + 1 + 2 * p, smaller),
        (lambda s, k, p: s + k - 1 + 2 * p, smaller),
        (lambda s, k, p: s - k + 1 - 2 * p, "Padding makes the image larger, not smaller: plus, not minus."),
        (lambda s, k, p: right(s, k, p) // 2, pooled),
        (lambda s, k, p: right(s, k, p) / 2, pooled),
        (lambda s, k, p: s - 4 + 2 * p, "That is for a kernel of 5, the chapter's. Use `kernel`, whatever it is."),
        (lambda s, k, p: s, "That is the size of the image itself. How many places are there for the window?"),
        (lambda s, k, p: right(s, k, p) ** 2, "That is the number of places in the whole map. The question is about the length of one side."),
    ]  # fmt: skip
    hint = "Make the image larger by the padding, then: size − kernel + 1."
    about = "size={}, kernel={}, padding={}".format
    check_function(answer, draw, right, common_mistakes, about, hint, tolerance=1e-6, read=read)
    check_edge_case(answer, (5, 5, 0), 1, "a window as wide as the image", "It fits at one place.", read)
    return "With a kernel of 5, a padding of 2 keeps the size: 28 stays 28."


def softmax(answer: Callable) -> str:
    """A function that turns logits into probabilities, image by image."""
    no_powers = "The exponential is missing: without it, negative logits give negative probabilities."
    common_mistakes = [
        (lambda z: z.softmax(0), "Each column adds up to 1: you divided by the sum over the images. One image's classes should add up to 1."),
        (lambda z: z.exp() / z.exp().sum(), "All numbers together add up to 1. Each row should, by itself: one image's classes."),
        (lambda z: z / z.sum(1, keepdim=True), no_powers),
        (lambda z: z / z.sum(), no_powers),
        (lambda z: z.log_softmax(1), "Those are the logarithms, log-softmax. Return the probabilities themselves."),
        (lambda z: z.exp(), "Those are the exponentials. Divide each row by its sum, and they become shares of 1."),
        (lambda z: F.one_hot(z.argmax(1), 6), "That is a 1 for the winner and 0 for all others. Softmax leaves the others something, too."),
        (lambda z: z.sigmoid(), "That is the sigmoid, which looks at each number by itself. Softmax divides by the sum over the classes, so that a row adds up to 1."),
        (lambda z: z.argmax(1), "That is the class of each image. Return the probabilities of all classes."),
        (lambda z: z.softmax(1)[0], "That is the first image alone. Every row of the batch needs its own probabilities."),
        (lambda z: z.softmax(1).mean(0), "The images melted into one. Every row of the batch needs its own probabilities."),
        (lambda z: z.softmax(1).T, "Rows and columns have changed places: (images, classes) goes in and (images, classes) should come out."),
        (lambda z: z.exp() / z.exp().amax(1, keepdim=True), "You divided by the largest. Divide by the sum, and a row adds up to 1."),
        (lambda z: z.exp() / z.exp().mean(1, keepdim=True), "You divided by the mean. Divide by the sum, and a row adds up to 1."),
    ]  # fmt: skip
    hint = "Exponential of each, divided by the sum of its row."
    logits = 2 * torch.randn(4, 6)
    check_function(answer, lambda: (logits,), lambda z: z.softmax(1), common_mistakes, "4 images, 6 classes", hint)
    wanted = "Keep the axis of the images, also where there is only one."
    check_edge_case(answer, (logits[:1],), logits[:1].softmax(1), "a batch of one image", wanted)
    try:
        large = as_tensor(call_answer(answer, logits + 1000))
    except WrongAnswer:  # plain Python raises an error where torch gives NaN
        large = None
    if large is not None and same(large, logits.softmax(1), 1e-3):
        return "Each row adds up to 1, and logits of 1,000 do no harm either."
    return (
        "Each row adds up to 1. (For logits of 1,000 yours would fail, since exp(1000) is too large for a float. "
        "PyTorch subtracts each row's largest logit first, which changes nothing else.)"
    )


def nll(answer: Callable) -> str:
    """A function that computes the loss from log-probabilities and labels."""

    def draw() -> tuple[Tensor, Tensor]:
        return (2 * torch.randn(5, 7)).log_softmax(1), torch.tensor([2, 6, 2, 0, 4])[torch.randperm(5)]

    def of_true(log_probs: Tensor, labels: Tensor) -> Tensor:
        return log_probs[range(5), labels]

    each = "That is one number for each image. The loss is their mean."
    averaged = "You averaged the probabilities. The loss averages their logarithms, which are already there."
    by_classes = "You divided by the number of classes. A mean over images divides by the number of images."
    common_mistakes = [
        (lambda x, y: of_true(x, y).mean(), "The minus sign is missing: logarithms of probabilities are negative, and a loss should be large when things are bad."),
        (lambda x, y: -of_true(x, y).sum(), "That is the sum over the 5 images. The mean doesn't depend on how large the batch is."),
        (lambda x, y: of_true(x, y).sum(), "That is the sum, and without the minus sign. Take the mean, and change its sign."),
        (lambda x, y: -of_true(x, y), each),
        (lambda x, y: -of_true(x, y)[:, None], each),
        (lambda x, y: of_true(x, y), "That is one number for each image, and below zero. The loss is their mean, with a minus sign."),
        (lambda x, y: -x.amax(1).mean(), "You took each image's largest log-probability, its own answer. The loss asks what the *true* class got: where do the labels come in?"),
        (lambda x, y: -x[:, y].mean(), "log_probs[:, labels] picks 5 columns for every image, 25 numbers. Each image needs its own column: pair row numbers with labels."),
        (lambda x, y: -x.mean(), "That is the mean over all classes. Only what the true class got counts."),
        (lambda x, y: -of_true(x, y).exp().mean(), averaged),
        (lambda x, y: of_true(x, y).exp().mean(), averaged),
        (lambda x, y: -of_true(x, y).exp().mean().log(), averaged),
        (lambda x, y: -of_true(x, y).sum() / 7, by_classes),
        (lambda x, y: -of_true(x, y).mean() / 7, by_classes),
        (lambda x, y: -of_true(x, y).log().mean(), "The result is NaN, the logarithm of a negative number. `log_probs` holds logarithms already, so no log again."),
    ]  # fmt: skip
    hint = "Pick from each row the number in the column of its label; then the mean of these, then a minus sign."
    check_function(answer, draw, F.nll_loss, common_mistakes, "5 images, 7 classes", hint)
    return "The mean over the images of what their true classes got: the same number as PyTorch's F.nll_loss."


def build_head(answer: Callable) -> str:
    """A function that builds the part of a network that decides."""
    features, hidden, classes = 3 * 4 * 4, 9, 5
    head = call_answer(answer, features, hidden, classes)
    if not isinstance(head, nn.Module):
        raise WrongAnswer(f"I expected a module, such as nn.Sequential(…), and got {describe(head)}.")
    head.eval()

    shapes = (hidden, features), (hidden,), (classes, hidden), (classes,)
    sizes = [torch.Size(shape).numel() for shape in shapes]  # no two are equal

    def draw() -> tuple[Tensor, ...]:
        return torch.rand(200, 3, 4, 4), *map(torch.randn, shapes)  # a ReLU in front of the head changes no map

    def learners(maps: Tensor, *weights: Tensor) -> Tensor:
        """Return the logits of the learner's head, once it has these weights."""
        for parameter in head.parameters():
            weight = weights[sizes.index(parameter.numel())]
            turned = parameter.ndim == 2 and parameter.shape == weight.T.shape  # a parameter of their own
            parameter.data = (weight.T if turned else weight).reshape(parameter.shape)
        return _logits_of(head, maps, classes)

    def right(maps: Tensor, *weights: Tensor, middle: Callable = torch.relu) -> Tensor:
        return F.linear(middle(F.linear(maps.flatten(1), *weights[:2])), *weights[2:])

    maps = draw()[0]
    once, again = _logits_of(head, maps, classes), _logits_of(head, maps, classes)
    have = [parameter.numel() for parameter in head.parameters()]
    refuse([
        (not same(once, again), "The same maps gave other logits the second time, although dropout is off after .eval(). nn.Dropout sees to that by itself."),
        (sum(have) == classes * (features + 1), "Your head has one linear layer. It should have two: from `features` to `hidden`, a ReLU, and from `hidden` to `classes`."),
        (sorted(have) != sorted(sizes), f"For features={features}, hidden={hidden}, classes={classes} I expected {sum(sizes)} parameters and got {sum(have)}. Two linear layers: from `features` to `hidden`, from `hidden` to `classes`, each with a bias, and held by the module."),
    ])  # fmt: skip
    to_one = "The numbers add up to 1: there is a softmax at the end. Return logits; softmax comes later."
    logs = "Those are log-probabilities: there is a log-softmax at the end. Return logits; log-softmax comes later."
    images = "Besides, it adds up the images instead of the classes."
    common_mistakes = [
        (lambda *given: right(*given).softmax(1), to_one),
        (lambda *given: right(*given).softmax(0), f"{to_one} {images}"),
        (lambda *given: right(*given).log_softmax(1), logs),
        (lambda *given: right(*given).log_softmax(0), f"{logs} {images}"),
        (lambda *given: right(*given).sigmoid(), "All numbers are between 0 and 1: there is a sigmoid at the end. Return logits, which may be any number."),
        (lambda *given: right(*given).relu(), "No logit is ever below 0: there is a ReLU after the last layer. It would forbid the network to speak *against* a class."),
        (lambda *given: right(*given, middle=lambda x: x), "There is no ReLU between the two layers. Without one, two linear layers can do no more than a single one."),
    ]  # fmt: skip
    hint = "There is something other than a ReLU between the two layers, or something after them. A ReLU lets positive numbers through as they are, and makes the others 0."
    check_function(learners, draw, right, common_mistakes, "maps and weights that I made up", hint, tolerance=1e-3)
    if not same(_logits_of(head, maps[:1], classes), _logits_of(head, maps, classes)[:1], 1e-3):
        raise WrongAnswer("An image got other logits alone than in a batch: the images must not enter each other's answers.")  # fmt: skip
    return f"{sum(sizes)} parameters here; with 320, 50 and 10 it is the head of the course's network, 16,560 of its 21,840."


def _logits_of(head: nn.Module, maps: Tensor, classes: int) -> Tensor:
    """Return what a learner's head makes of maps (N, 3, 4, 4); refuse any other shape than (N, classes)."""
    try:
        logits = call_answer(head, maps)
    except WrongAnswer as reason:
        flat = any(isinstance(module, nn.Flatten) for module in head.modules())
        refuse([
            ("320x50" in str(reason), f"{reason} 320 and 50 are the course's own network: use `features`, `hidden` and `classes`."),
            ("shapes cannot be multiplied" in str(reason) and not flat, f"{reason} Is `Flatten` missing? Then each row of a map is taken for the list."),
        ])  # fmt: skip
        raise
    if not isinstance(logits, Tensor) or logits.shape != (len(maps), classes):
        about, expected = f"maps of shape {tuple(maps.shape)} and {classes} classes", (len(maps), classes)
        raise WrongAnswer(f"For {about} I expected shape {expected} and got {describe(logits)}.")
    return logits.detach()


def random_labels(answer: float) -> str:
    """A number: the share of random labels that a network learns by heart."""
    share = one_number(answer, "one number from 0 to 1")
    expected = f"I expected a share from 0 to 1 and got {share:.4g}."
    refuse([
        (2.2 < share < 2.4, f"{share:.2f} looks like a loss, that of guessing. A share is from 0 to 1: how many of the 64 are right?"),
        (1 < share <= 100, f"{expected} Is that per cent, or the number of images? Divide."),
        (not 0 <= share <= 1, expected),
        (share < 0.25, f"A share of {share:.2f} is near guessing, if it is a share and no loss. Does the optimizer hold the parameters of the *new* student? And are its answers compared with the random labels?"),
        (share < 0.9, f"A share of {share:.2f} means that it is still learning, or held back. Is dropout 0, and are there 200 steps? If so, do you measure after the last step?"),
    ])  # fmt: skip
    return f"{share:.0%} of labels that mean nothing, learnt by heart. A training loss near 0 proves that the machinery works, and no more."


CHECKS = {"2.1": colours, "2.2": size_after, "2.3": softmax, "2.4": nll, "2.5": build_head, "2.6": random_labels}
