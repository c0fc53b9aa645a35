"""The checks of chapter 2: kernels, shapes, softmax, loss, a head for the network."""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course.exercises.toolkit import WrongAnswer, as_tensor, call_answer, compare, describe, same


def colours(answer: tuple) -> str:
    """A reading: the colours of the answer to a kernel with all signs swapped."""
    named = list(answer) if isinstance(answer, list | tuple) else [answer]
    words = [word.strip().lower() if isinstance(word, str) else word for word in named]
    allowed = ("purple", "orange", "white")
    if len(words) != 2 or any(word not in allowed for word in words):
        raise WrongAnswer(
            f"I expected two of the words {', '.join(allowed)}, for the left and the right side, and got {describe(answer)}."
        )
    left, right = words
    if (left, right) == ("purple", "orange"):
        raise WrongAnswer(
            "That is how the figure looks now, before any sign is swapped. Each product changes its sign: what becomes of the sum?"
        )
    if "white" in words:
        raise WrongAnswer(
            "White means an answer of 0, nothing found. At the edge of a stroke the products don't cancel; only their sign changes."
        )
    if left == right:
        raise WrongAnswer(
            f"Both sides {left}: but on the left, paper becomes ink, and on the right, ink becomes paper. The two answers have opposite signs."
        )
    return "Purple and orange change places: the new kernel asks for ink on the left and paper on the right."


def size_after(answer: Callable) -> str:
    """A function that tells the size of a feature map after a convolution with a margin."""
    for size, kernel, padding in ((28, 5, 2), (int(torch.randint(40, 60, (1,))), 8, 3), (11, 3, 4), (28, 5, 0)):
        got = call_answer(answer, size, kernel, padding)
        right = size - kernel + 1 + 2 * padding
        slips = [
            (right - 1, "One is missing. A window as wide as the image fits at one place, not at none: the + 1."),
            (right - padding - 1, "The margin is on both sides, and one is missing: a window as wide as the image fits at one place."),
            (right + 2 * padding, "The map has a margin on four sides, but its width meets only two of them: left and right."),
            (right - padding, "The margin is on both sides: left and right, top and bottom. How many pixels wider is the image?"),
            (size - kernel + 1, "The margin is not in it. With padding the window slides over a larger image."),
            (size - kernel, "The margin is not in it, and one is missing: a window as wide as the image fits at one place."),
            (size + kernel + 1 + 2 * padding, "A larger kernel fits at fewer places, so the map is smaller than the image: minus the kernel."),
            (size + kernel - 1 + 2 * padding, "A larger kernel fits at fewer places, so the map is smaller than the image: minus the kernel."),
            (right - 4 * padding, "The margin makes the image larger, not smaller: plus, not minus."),
            (right // 2, "That is the size after pooling as well. Asked is the convolution alone."),
            (right / 2, "That is the size after pooling as well. Asked is the convolution alone."),
            (size - 5 + 1 + 2 * padding, "That is for a kernel of 5, the chapter's. Use `kernel`, whatever it is."),
            (size, "That is the size of the image itself. How many places are there for the window?"),
            (right**2, "That is the number of places in the whole map. Asked is the length of one side."),
        ]  # fmt: skip
        if isinstance(got, list | tuple) and len(got) == 2:
            raise WrongAnswer(
                f"I expected one number, the length of one side, and got {describe(got)}. Height and width are equal here."
            )
        about = f"size={size}, kernel={kernel}, padding={padding}"
        compare(
            got,
            right,
            about,
            slips,
            tolerance=1e-6,
            hint="Make the image larger by the margin, then: size − kernel + 1.",
        )
    return "With a kernel of 5, a margin of 2 keeps the size: 28 stays 28."


def softmax(answer: Callable) -> str:
    """A function that turns logits into probabilities, image by image."""
    logits = 2 * torch.randn(4, 6)
    right = logits.softmax(dim=1)
    powers = logits.exp()
    slips = [
        (logits.softmax(dim=0), "Each column adds up to 1: you divided by the sum over the images. One image's classes should add up to 1."),
        (powers / powers.sum(), "All numbers together add up to 1. Each row should, by itself: one image's classes."),
        (logits / logits.sum(dim=1, keepdim=True), "The exponential is missing: without it, negative logits give negative probabilities."),
        (logits / logits.sum(), "The exponential is missing: without it, negative logits give negative probabilities."),
        (logits.log_softmax(dim=1), "Those are the logarithms, log-softmax. Here the probabilities themselves are asked for."),
        (powers, "Those are the exponentials. Divide each row by its sum, and they become shares of 1."),
        (F.one_hot(logits.argmax(dim=1), 6), "That is a 1 for the winner and 0 for all others. Softmax leaves the others something, too."),
        (logits.sigmoid(), "That is the sigmoid, which looks at each number by itself. Softmax divides by the sum over the classes, so that a row adds up to 1."),
        (logits.argmax(dim=1), "That is the class of each image. Asked are the probabilities of all classes."),
        (right[0], "That is the first image alone. Every row of the batch wants its own probabilities."),
        (right.mean(dim=0), "The images melted into one. Every row of the batch wants its own probabilities."),
        (right.T, "Rows and columns have changed places: (images, classes) goes in and (images, classes) should come out."),
        (powers / powers.max(dim=1, keepdim=True).values, "You divided by the largest. Divide by the sum, and a row adds up to 1."),
        (powers / powers.mean(dim=1, keepdim=True), "You divided by the mean. Divide by the sum, and a row adds up to 1."),
    ]  # fmt: skip
    compare(
        call_answer(answer, logits),
        right,
        "4 images, 6 classes",
        slips,
        hint="Exponential of each, divided by the sum of its row.",
    )
    compare(
        call_answer(answer, logits[:1]),
        right[:1],
        "a batch of one image",
        hint="Keep the axis of the images, also where there is only one.",
    )
    try:
        large = as_tensor(call_answer(answer, logits + 1000))
    except WrongAnswer:  # plain Python raises an error where torch gives NaN
        large = None
    if large is None or not same(large, right, 1e-3):
        return (
            "Each row adds up to 1. (For logits of 1,000 yours would fail, since exp(1000) is too large for a float. "
            "PyTorch subtracts each row's largest logit first, which changes nothing else.)"
        )
    return "Each row adds up to 1, and logits of 1,000 do no harm either."


def nll(answer: Callable) -> str:
    """A function that computes the loss from log-probabilities and labels."""
    count, classes = 5, 7
    labels = torch.tensor([2, 6, 2, 0, 4])[torch.randperm(count)]
    while True:  # until no image gives its true class the most
        log_probs = (2 * torch.randn(count, classes)).log_softmax(dim=1)
        if (log_probs.argmax(dim=1) != labels).all() and log_probs.argmax(dim=1).unique().numel() > 1:
            break
    of_true = log_probs[torch.arange(count), labels]
    right = -of_true.mean()
    slips = [
        (-right, "The minus sign is missing: logarithms of probabilities are negative, and a loss should be large when things are bad."),
        (count * right, f"That is the sum over the {count} images. The mean doesn't depend on how large the batch is."),
        (-count * right, "That is the sum, and without the minus sign. Take the mean, and turn it round."),
        (-of_true, "That is one number for each image. The loss is their mean."),
        (of_true, "That is one number for each image, and below zero. The loss is their mean, with a minus sign."),
        (-log_probs.max(dim=1).values.mean(), "You took each image's largest log-probability, its own answer. The loss asks what the *true* class got: where do the labels come in?"),
        (-log_probs[:, labels].mean(), "log_probs[:, labels] picks 5 columns for every image, 25 numbers. Each image needs its own column: pair row numbers with labels."),
        (-of_true.unsqueeze(1), "That is one number for each image. The loss is their mean."),
        (-log_probs.mean(), "That is the mean over all classes. Only what the true class got counts."),
        (-of_true.exp().mean(), "You averaged the probabilities. The loss averages their logarithms, which are already there."),
        (of_true.exp().mean(), "You averaged the probabilities. The loss averages their logarithms, which are already there."),
        (-of_true.exp().mean().log(), "You averaged the probabilities and took the logarithm of that. The loss averages the logarithms, which are already there."),
        (-right / classes, "You divided by the number of classes. A mean over images divides by the number of images."),
        (count * right / classes, "You divided by the number of classes. A mean over images divides by the number of images."),
    ]  # fmt: skip
    hint = "Pick from each row the number in the column of its label; then the mean of these, then a minus sign."
    returned = call_answer(answer, log_probs, labels)
    got = as_tensor(returned)
    if got is not None and got.numel() == 1:
        returned = got = got.reshape(())  # a tensor with one number in it will do
    if got is not None and got.isnan().any():
        raise WrongAnswer(
            "The result is NaN, the logarithm of a negative number. `log_probs` holds logarithms already, so no log again."
        )
    compare(returned, right, "5 images, 7 classes", slips, hint=hint)
    return "The mean over the images of what their true classes got: the same number as PyTorch's F.nll_loss."


def build_head(answer: Callable) -> str:
    """A function that builds the part of a network that decides."""
    features, hidden, classes = 3 * 4 * 4, 9, 5
    head = call_answer(answer, features, hidden, classes)
    if not isinstance(head, nn.Module):
        raise WrongAnswer(f"I expected a module, such as nn.Sequential(…), and got {describe(head)}.")
    head.eval()
    maps = 3 * torch.randn(200, 3, 4, 4)
    with torch.no_grad():
        logits = _logits_of(head, maps, classes)
        _refuse_what_is_no_logit(logits)
        if not same(call_answer(head, maps), logits):
            raise WrongAnswer(
                "The same maps gave other logits the second time, although dropout rests after .eval(). nn.Dropout sees to that by itself."
            )
        if not same(_logits_of(head, maps[:1], classes), logits[:1], 1e-3):
            raise WrongAnswer(
                "An image got other logits alone than in a batch: the images must not enter each other's answers."
            )
        _refuse_other_layers(head, maps.abs(), features, hidden, classes)
    count = features * hidden + hidden + hidden * classes + classes
    return f"{count} parameters here; with 320, 50 and 10 it is the head of the course's network, 16,560 of its 21,840."


def _logits_of(head: nn.Module, maps: Tensor, classes: int) -> Tensor:
    """Return what a learner's head makes of maps (N, 3, 4, 4); refuse any other shape than (N, classes)."""
    flat = any(isinstance(module, nn.Flatten) for module in head.modules())
    try:
        logits = call_answer(head, maps)
    except WrongAnswer as reason:
        if "shapes cannot be multiplied" in str(reason) and not flat:
            raise WrongAnswer(f"{reason} Is `Flatten` missing? Then each row of a map is taken for the list.") from None
        raise
    if not isinstance(logits, Tensor) or logits.shape != (len(maps), classes):
        shape = tuple(maps.shape)
        raise WrongAnswer(
            f"For maps of shape {shape} and {classes} classes I expected shape {(len(maps), classes)} and got {describe(logits)}."
        )
    return logits


def _refuse_what_is_no_logit(logits: Tensor) -> None:
    for axis, words in ((1, ""), (0, " Besides, it adds up the images instead of the classes.")):
        ones = torch.ones(logits.shape[1 - axis])
        if same(logits.sum(dim=axis), ones, 1e-3) and (logits >= 0).all():
            raise WrongAnswer(
                f"The numbers add up to 1: there is a softmax at the end. Asked are logits; softmax comes later.{words}"
            )
        if same(logits.exp().sum(dim=axis), ones, 1e-3):
            raise WrongAnswer(
                f"Those are log-probabilities: there is a log-softmax at the end. Asked are logits; log-softmax comes later.{words}"
            )
    if (logits > 0).all() and (logits < 1).all():
        raise WrongAnswer(
            "All numbers lie between 0 and 1: there is a sigmoid at the end. Asked are logits, which may be any number."
        )
    if (logits >= 0).all():
        raise WrongAnswer(
            "No logit is ever below 0: there is a ReLU after the last layer. It would forbid the network to speak *against* a class."
        )


def _refuse_other_layers(head: nn.Module, maps: Tensor, features: int, hidden: int, classes: int) -> None:
    """Refuse a head that is not linear, ReLU, linear; `maps` are positive: a ReLU before the first layer does nothing."""
    have = sum(parameter.numel() for parameter in head.parameters())
    expected = features * hidden + hidden + hidden * classes + classes
    if have == classes * (features + 1):
        raise WrongAnswer(
            "Your head has one linear layer. Two are asked for: from `features` to `hidden`, a ReLU, and from `hidden` to `classes`."
        )
    if have != expected:
        raise WrongAnswer(
            f"For features={features}, hidden={hidden}, classes={classes} I expected {expected} parameters and got {have}. "
            "Two linear layers: from `features` to `hidden`, from `hidden` to `classes`, each with a bias, and held by the module."
        )
    a, b = maps[:100], maps[100:]
    if same(head(a) + head(b) - head(0 * a), head(a + b), 1e-3):
        raise WrongAnswer(
            "Between the two layers stands no ReLU. Without one, two linear layers can do no more than a single one."
        )
    plain = copy.deepcopy(head)
    for parameter in plain.parameters():
        if parameter.ndim == 1:
            parameter.zero_()  # without biases, ReLU and linear layers only scale: f(3x) = 3 f(x)
    if not same(plain(3 * maps), 3 * plain(maps), 1e-3):
        raise WrongAnswer(
            "Between the two layers stands something other than a ReLU. A ReLU lets positive numbers through as they are, and makes the others 0."
        )


def random_labels(answer: float) -> str:
    """A number: the share of random labels that a network learns by heart."""
    share = as_tensor(answer)
    if share is None or share.numel() != 1:
        raise WrongAnswer(f"I expected one number from 0 to 1 and got {describe(answer)}.")
    share = float(share)
    if 2.2 < share < 2.4:
        raise WrongAnswer(
            f"{share:.2f} looks like a loss, that of guessing. Asked is a share from 0 to 1: how many of the 64 are right?"
        )
    if 1 < share <= 100:
        raise WrongAnswer(
            f"I expected a share from 0 to 1 and got {describe(answer)}. Is that per cent, or the number of images? Divide."
        )
    if not 0 <= share <= 1:
        raise WrongAnswer(f"I expected a share from 0 to 1 and got {describe(answer)}.")
    if share < 0.25:
        raise WrongAnswer(
            f"A share of {share:.2f} is near guessing, if it is a share and no loss. Does the optimizer hold the parameters of the *new* student? "
            "And are its answers compared with the random labels?"
        )
    if share < 0.9:
        raise WrongAnswer(
            f"A share of {share:.2f} means that it is still learning, or held back. Is dropout 0, and are there 200 steps? "
            "If so, do you measure after the last step?"
        )
    return f"{share:.0%} of labels that mean nothing, learnt by heart. A training loss near 0 proves that the machinery works, and no more."


CHECKS: dict[str, Callable] = {
    "2.1": colours,
    "2.2": size_after,
    "2.3": softmax,
    "2.4": nll,
    "2.5": build_head,
    "2.6": random_labels,
}
