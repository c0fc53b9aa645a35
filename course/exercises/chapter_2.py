"""The checks of chapter 2: kernels, shapes, softmax, loss, a head for the network."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course.exercises import toolkit
from course.exercises.toolkit import WrongAnswer, between, call_answer, check_function, describe, refuse, same


def four_sums(answer: list) -> str:
    """Four sums by hand: a kernel of 3 × 3 on an image of 4 × 4."""
    image = torch.tensor([[0.0, 2, 2, 0], [0, 2, 1, 0], [1, 2, 0, 0], [2, 1, 0, 0]])
    kernel = torch.tensor([[-1.0, 0, 1]]).repeat(3, 1)

    def slide(kernel: Tensor) -> Tensor:
        return F.conv2d(image[None, None], kernel[None, None]).flatten().double()

    got = toolkit.numbers(answer, 4, "four numbers, two for the windows at the top and two for those at the bottom,")
    right = slide(kernel)
    if same(got, right):
        return "Positive where paper becomes ink, negative where ink becomes paper: the kernel finds vertical edges."
    common_mistakes = [
        (-right, "All the signs are flipped. The kernel's left column is −1, so that column of the window is subtracted."),
        (right.reshape(2, 2).T.flatten(), "The four numbers are right, but not in the right places: the first row is for the two windows at the top, left and right."),
        (slide(kernel.T), "You subtracted one row from another. The minus signs are in the kernel's left column, so the window's left column is subtracted."),
        (slide(kernel.abs()), "The minus signs of the kernel are missing: its left column is −1, not 1."),
        (right.abs(), "The numbers are right except for their signs: where the left column adds up to more than the right one, the answer is negative."),
        (right.relu(), "The answers below 0 have become 0. Keep them as they are."),
        (slide(torch.ones(3, 3)), "That is the sum of all nine pixels. Multiply each by the kernel's number first: −1, 0 or 1."),
    ]  # fmt: skip
    places = ("top left", "top right", "bottom left", "bottom right")
    wrong = [place for place in range(4) if not same(got[place], right[place])]
    row, column = divmod(wrong[0], 2)
    window = image[row : row + 3, column : column + 3].int().tolist()
    left = f"Right so far: {4 - len(wrong)} of the four. The window at the {places[wrong[0]]} holds {window}; add up its right column, then subtract its left column."
    raise WrongAnswer(toolkit.words_for(got, common_mistakes, left))


def size_after(answer: Callable) -> str:
    """A function that returns the size of a feature map after a convolution with padding."""

    def right(size: int, kernel: int, padding: int) -> int:
        return size + 2 * padding - kernel + 1

    def draw() -> tuple[int, int, int]:
        return between(20, 60), between(3, 20), between(3, 12)

    def read(got: object, *inputs: object) -> float:
        return toolkit.one_number(got, "one number, the length of one side (the height and the width are equal here),")

    window = "a window as wide as the image fits in one place, not in none"
    smaller = "A larger kernel fits in fewer places, so the map is smaller than the image: minus the kernel."
    pooled = "That is the size after the pooling, too. The question is about the convolution alone."
    common_mistakes = [
        (lambda s, k, p: s - k + 2 * p, f"One is missing: {window}. So where is the + 1?"),
        (lambda s, k, p: s - k - 1 + 2 * p, f"It is + 1 at the end, not − 1: {window}."),
        (lambda s, k, p: s - k + p, f"The padding is on both sides, and a 1 is missing: {window}."),
        (lambda s, k, p: s - k + 1 + 4 * p, "The padding is on all four sides, but only two of them add to the width: left and right."),
        (lambda s, k, p: s - k + 1 + p, "The padding is on both sides: left and right, top and bottom. How many pixels wider is the image?"),
        (lambda s, k, p: s - k + 1, "The padding is missing. With padding, the window slides over a larger image."),
        (lambda s, k, p: s - k, f"The padding is missing, and so is a 1: {window}."),
        *[(lambda s, k, p, one=one: s + k + one + 2 * p, smaller) for one in (-1, 0, 1)],
        (lambda s, k, p: s - k + 1 - 2 * p, "Padding makes the image larger, not smaller: plus, not minus."),
        (lambda s, k, p: right(s, k, p) // 2, pooled),
        (lambda s, k, p: right(s, k, p) / 2, pooled),
        (lambda s, k, p: (s + 2 * p - k) // 2 + 1, "That is for a window that moves two pixels at a time, a stride of 2. Here it moves by one."),
        (lambda s, k, p: s - 4 + 2 * p, "That is for a kernel of 5, the chapter's. Use `kernel`, whatever it is."),
        (lambda s, k, p: 28 - k + 1 + 2 * p, "That is for an image of 28, the chapter's. Use `size`, whatever it is."),
        (lambda s, k, p: s, "That is the size of the image itself. How many places are there for the window?"),
        (lambda s, k, p: s + 2 * p, "That is the size of the padded image. How many places are there for the window?"),
        (lambda s, k, p: right(s, k, p) ** 2, "That is the number of places in the whole map. The question is about the length of one side."),
    ]  # fmt: skip
    hint = "Make the image larger by the padding, then: size − kernel + 1."
    edges = [(5, 5, 0), (1, 1, 0), (28, 5, 2), (4, 2, 3), (7, 3, 0)]
    check_function(answer, draw, right, common_mistakes, "", hint, 1e-6, edges=edges, read=read)
    return "With a kernel of 5, a padding of 2 keeps the size: 28 stays 28."


def softmax(answer: Callable) -> str:
    """A function that turns logits into probabilities, image by image."""
    no_powers = "The exponential is missing: without it, negative logits give negative probabilities."
    keepdim = "`sum(dim=1)` leaves N sums in a row, so that each *column* is divided by one of them (and where N isn't the number of classes, the shapes don't even fit). With keepdim=True the sums stay a column, (N, 1), and each row is divided by its own."
    base = "Your powers have a base other than e: use .exp()."
    common_mistakes = [
        (lambda z: z.exp() / z.exp().sum(1), keepdim),
        (lambda z: z.softmax(0), "Each column adds up to 1: you divided by the sum over the images. One image's classes should add up to 1."),
        (lambda z: z.exp() / z.exp().sum(), "All numbers together add up to 1. Each row should, by itself: one image's classes."),
        (lambda z: z / z.sum(1, keepdim=True), no_powers),
        (lambda z: z / z.sum(), no_powers),
        (lambda z: z.exp() / z.sum(1, keepdim=True), "You divided by the sum of the logits. Divide by the sum of their exponentials."),
        (lambda z: z.log_softmax(1), "Those are the logarithms, log-softmax. Return the probabilities themselves."),
        (lambda z: z.exp(), "Those are the exponentials. Divide each row by its sum to turn them into shares of 1."),
        *[(lambda z, b=b: b**z / (b**z).sum(1, keepdim=True), base) for b in (2, 10)],
        (lambda z: F.one_hot(z.argmax(1), z.shape[1]), "That is a 1 for the winner and 0 for all others. Softmax leaves something for the others, too."),
        (lambda z: z.sigmoid(), "That is the sigmoid, which looks at each number by itself. Softmax divides by the sum over the classes, so that a row adds up to 1."),
        (lambda z: z.argmax(1), "That is the class of each image. Return the probabilities of all classes."),
        (lambda z: z.softmax(1).amax(1), "Those are only the largest probabilities. Return those of all classes."),
        (lambda z: z.softmax(1)[0], "That is the first image alone. Every row of the batch needs its own probabilities."),
        (lambda z: z.softmax(1).mean(0), "That is the mean over the images. Every row of the batch needs its own probabilities."),
        (lambda z: z.softmax(1).T, "Rows and columns have traded places: (images, classes) goes in, and (images, classes) should come out."),
        (lambda z: z.exp() / z.exp().amax(1, keepdim=True), "You divided by the largest. Divide by the sum instead, and each row adds up to 1."),
        (lambda z: z.exp() / z.exp().mean(1, keepdim=True), "You divided by the mean. Divide by the sum instead, and each row adds up to 1."),
        (lambda z: 100 * z.softmax(1), "Those are percentages. A row of probabilities adds up to 1."),
        (lambda z: z.softmax(1).round(decimals=2), toolkit.ROUNDED),
        (lambda z: z.softmax(1).softmax(1), "That is softmax twice. Once will do."),
    ]  # fmt: skip

    def right(logits: Tensor) -> Tensor:
        return logits.softmax(1)

    def draw(images: int = 3, classes: int = 3) -> tuple[Tensor]:  # if equal, a missing keepdim gives a wrong number
        return ((2 * torch.randn(images, classes)).round(decimals=1),)

    (logits,) = draw(4, 6)
    hint = "Take the exponential of each, then divide by the sum of its row: one image's classes. The dim of the images stays, even if there is only one."
    edges = [(logits,), draw(1, 4), draw(9, 2), (torch.zeros(2, 5),)]
    check_function(answer, draw, right, common_mistakes, _logits_in_words, hint, edges=edges)
    try:
        large = toolkit.as_tensor(call_answer(answer, logits + 1000))
    except WrongAnswer:  # plain Python raises an error where torch gives NaN
        large = None
    if large is not None and same(large, logits.softmax(1), 1e-3):
        return "Each row adds up to 1, and logits of 1,000 do no harm either."
    return (
        "Each row adds up to 1. (For logits of 1,000 yours would fail, since exp(1000) is too large for a float. "
        "PyTorch subtracts each row's largest logit first, which changes nothing else.)"
    )


def _logits_in_words(logits: Tensor) -> str:
    return f"{len(logits)} image{'s' * (len(logits) != 1)}, {logits.shape[1]} classes"


def nll(answer: Callable) -> str:
    """A function that computes the loss from log-probabilities and labels."""

    def right(log_probs: Tensor, labels: Tensor) -> float:
        return F.nll_loss(log_probs, labels).item()

    def draw(images: int = 3, classes: int = 4) -> tuple[Tensor, Tensor]:
        return (2 * torch.randn(images, classes)).log_softmax(1), torch.randint(classes, (images,))

    def of_true(log_probs: Tensor, labels: Tensor) -> Tensor:
        return log_probs[range(len(labels)), labels]

    each = "That is one number for each image. The loss is their mean."
    averaged = "You averaged the probabilities. The loss averages their logarithms, which are already there."
    by_classes = "You divided by the number of classes. A mean over images divides by the number of images."
    common_mistakes = [
        (lambda x, y: of_true(x, y).mean(), "The minus sign is missing: logarithms of probabilities are negative, and a loss should be large when things are bad."),
        (lambda x, y: -of_true(x, y).sum(), "That is the sum over the images, which grows with the batch. Take the mean."),
        (lambda x, y: of_true(x, y).sum(), "That is the sum, and without the minus sign. Take the mean, and change its sign."),
        (lambda x, y: -of_true(x, y), each),
        (lambda x, y: -of_true(x, y)[:, None], each),
        (lambda x, y: of_true(x, y), "That is one number for each image, and a negative one. The loss is their mean, with a minus sign."),
        (lambda x, y: -x.amax(1).mean(), "You took each image's largest log-probability, its own answer. The loss asks what the *true* class got: where do the labels come in?"),
        (lambda x, y: -x[:, y].mean(), "log_probs[:, labels] picks every label's column for every image. Each image needs its own column: pair row numbers with labels."),
        (lambda x, y: -x.mean(), "That is the mean over all classes. All that counts is what the true class got."),
        (lambda x, y: -of_true(x, y).exp().mean(), averaged),
        (lambda x, y: of_true(x, y).exp().mean(), averaged),
        (lambda x, y: -of_true(x, y).exp().mean().log(), averaged),
        *[(lambda x, y, n=n: -of_true(x, y).sum() / n, f"There is a fixed {n} in your function. Divide by the number of images, however many there are.") for n in (5, 10, 64)],
        (lambda x, y: -of_true(x, y).sum() / x.shape[1], by_classes),
        (lambda x, y: -of_true(x, y).mean() / x.shape[1], by_classes),
        (lambda x, y: -of_true(x, y).log().mean(), "The result is NaN, the logarithm of a negative number. `log_probs` already holds logarithms, so take no log again."),
        *toolkit.rounded(right, 1, 2, 3),
    ]  # fmt: skip
    hint = "From each row, pick the number in the column of its label. Then take the mean, with a minus sign."
    alike = draw(2)[0][[0, 0, 1]], torch.tensor([1, 1, 2])  # a set of numbers would hold the first only once
    check_function(
        answer,
        draw,
        right,
        common_mistakes,
        lambda log_probs, labels: _logits_in_words(log_probs),
        hint,
        2e-5,
        edges=[draw(1, 5), draw(5, 7), draw(20, 3), draw(64, 10), alike],
    )
    return "Minus the mean log-probability of the true classes: the same number as PyTorch's F.nll_loss."


def build_head(answer: Callable) -> str:
    """A function that builds the part of a network that decides."""
    size, hidden, classes = (between(2, 5), between(3, 5), between(5, 7)), between(7, 10), between(4, 7)
    features = size[0] * size[1] * size[2]
    head = call_answer(answer, features, hidden, classes, twice=False)  # a class inside is another one each time
    if not isinstance(head, nn.Module):
        raise WrongAnswer(f"I expected a module, such as nn.Sequential(…), and got {describe(head)}.")
    head.eval()

    shapes = (hidden, features), (hidden,), (classes, hidden), (classes,)
    sizes = [torch.Size(shape).numel() for shape in shapes]  # no two are equal

    def draw() -> tuple[Tensor, ...]:
        return torch.rand(200, *size), *map(torch.randn, shapes)  # a ReLU in front of the head changes no map

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
        (not same(once, again), "The same maps gave different logits the second time, although .eval() should turn dropout off. nn.Dropout takes care of that by itself."),
        (sum(have) == classes * (features + 1), "Your head has one linear layer. It should have two: from `features` to `hidden`, a ReLU, and from `hidden` to `classes`."),
        (sorted(have) != sorted(sizes), f"For features={features}, hidden={hidden}, classes={classes} I expected {sum(sizes)} parameters and got {sum(have)}. Two linear layers: from `features` to `hidden`, from `hidden` to `classes`, each with a bias, and both kept in the module."),
        (list(head.buffers()), "Your head also keeps running statistics, as some other layers do. Two linear layers and the ReLU between them are all it takes."),
        (not once.requires_grad, "The logits have lost track of how they were computed: is there a no_grad, a detach, or a requires_grad_(False)? Such a head could never be trained."),
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
        (lambda *given: right(*given).relu(), "No logit is ever below 0: there is a ReLU after the last layer. All the classes that the network doubts, a little or a lot, would get the same 0."),
        (lambda *given: right(*given, middle=lambda x: x), "There is no ReLU between the two layers. Without one, two linear layers can do no more than a single one."),
    ]  # fmt: skip
    hint = "There is something other than a ReLU between the two layers, or something after them. A ReLU lets positive numbers through as they are, and turns the others into 0."
    about = "maps and weights that I made up"
    check_function(learners, draw, right, common_mistakes, about, hint, tolerance=1e-3, may_change=True)
    if not same(_logits_of(head, maps[:1], classes), _logits_of(head, maps, classes)[:1], 1e-3):
        raise WrongAnswer("An image got different logits alone than in a batch: one image must not affect another one's answer.")  # fmt: skip
    if (_logits_of(head.train(), maps, classes) == 0).any():
        raise WrongAnswer("In training mode, some of the logits are 0: there is a dropout after the last layer. Dropout belongs between layers; what it drops at the end is the answer itself.")  # fmt: skip
    return f"{sum(sizes)} parameters here; with 320, 50 and 10 it is the head of the course's network, 16,560 of its 21,840."


def _logits_of(head: nn.Module, maps: Tensor, classes: int) -> Tensor:
    """Return what a learner's head makes of maps; refuse any other shape than (N, classes)."""
    try:
        logits = call_answer(head, maps, twice=False)
    except WrongAnswer as reason:
        flat = any(isinstance(module, nn.Flatten) for module in head.modules())
        refuse([
            ("320x50" in str(reason), f"{reason} 320 and 50 belong to the course's own network: use `features`, `hidden` and `classes`."),
            ("shapes cannot be multiplied" in str(reason) and not flat, f"{reason} Is `Flatten` missing? Without it, each row of a map is taken for the list."),
        ])  # fmt: skip
        raise
    if not isinstance(logits, Tensor) or logits.shape != (len(maps), classes):
        about, expected = f"maps of shape {tuple(maps.shape)} and {classes} classes", (len(maps), classes)
        raise WrongAnswer(f"For {about} I expected shape {expected} and got {describe(logits)}.")
    return logits


def random_labels(answer: tuple, images: Tensor, labels: Tensor, student: nn.Module) -> str:
    """A network that learns random labels by heart.

    `images`, `labels` and `student` are the chapter's: what the first student learned.
    """
    asked = "(random_labels, new_student), the labels that you drew and the network that you trained on them"
    pair = answer if isinstance(answer, list | tuple) else ()
    found = toolkit.as_tensor(pair[0]) if len(pair) == 2 else None
    if found is None or not isinstance(pair[1], nn.Module):
        raise WrongAnswer(f"I expected {asked}, and got {describe(answer)}.")
    drawn, network = found.cpu(), pair[1]
    dropped = [part.p for part in network.modules() if isinstance(part, nn.modules.dropout._DropoutNd) and part.p > 0]
    if drawn.shape != labels.shape:
        raise WrongAnswer(f"I expected {len(labels)} labels, one for each image, and got {describe(drawn)}.")
    refuse([
        (not torch.isin(drawn, torch.arange(10)).all(), "Labels are whole numbers from 0 to 9."),
        (len(drawn.unique()) < 4 or (drawn == labels.cpu()).double().mean() > 0.5, "These labels aren't random: they are the true ones, or nearly all the same. Draw them with torch.randint."),
        (network is student, "That is `student` itself, which learned the true labels first. Make a new one, with a name of its own, and with an optimizer of its own."),
        (dropped, f"Your student has a dropout of {max(dropped, default=0)}: it never uses everything it has stored at once. Make it with conv_dropout=0.0 and fc_dropout=0.0."),
    ])  # fmt: skip
    logits = call_answer(network, images, twice=False)
    if not isinstance(logits, Tensor) or logits.shape != (len(labels), 10):
        raise WrongAnswer(f"For {len(labels)} images I expected shape {(len(labels), 10)} from your student, and got {describe(logits)}.")  # fmt: skip
    right = int((logits.argmax(dim=1).cpu() == drawn).sum())
    loss = F.cross_entropy(logits.detach().cpu(), drawn.long()).item()
    score = f"Your student gets {right} of the {len(labels)} random labels right."
    refuse([
        (right < 0.25 * len(labels), f"{score} That is near guessing. Does the optimizer hold the parameters of the *new* student? And does the loss compare its outputs with these labels, drawn once, before the loop?"),
        (right < 0.9 * len(labels) or loss > 0.05, f"{score} But it is still learning, or something holds it back: its loss is {loss:.2g}, and 200 steps should bring that close to 0. Did it take all 200, with the learning rate from above?"),
    ])  # fmt: skip
    return f"{right} of {len(labels)} meaningless labels, learned by heart. A training loss near 0 shows that the machinery works, and no more."


CHECKS = {"2.1": four_sums, "2.2": size_after, "2.3": softmax, "2.4": nll, "2.5": build_head, "2.6": random_labels}
