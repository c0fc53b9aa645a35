"""Right and wrong answers to the exercises of chapter 2."""

from fractions import Fraction

import torch
from torch import nn
from torch.nn import functional as F

TRUE = torch.arange(64) % 10
DRAWN = torch.randint(10, (64,), generator=torch.Generator().manual_seed(1))


class Memory(nn.Module):
    """A network that has learned the first labels of 64, and no others; the logits tell how surely."""

    def __init__(self, labels, count=64, logit=9.0, dropout=0.0):
        super().__init__()
        self.logits = logit * F.one_hot(torch.where(torch.arange(64) < count, labels, (labels + 1) % 10), 10)
        self.dropout = nn.Dropout(dropout)

    def forward(self, images):
        return self.logits[: len(images)]


STUDENT = Memory(TRUE)
CONTEXT = {"2.6": lambda: {"images": torch.zeros(64, 1, 28, 28), "labels": TRUE, "student": STUDENT}}


def softmax_in_a_loop(logits):
    rows = []
    for row in logits:
        powers = [2.718281828459045 ** number.item() for number in row]
        rows.append([power / sum(powers) for power in powers])
    return torch.tensor(rows)


def nll_in_a_loop(log_probs, labels):
    total = 0.0
    for row, label in zip(log_probs, labels, strict=True):
        total -= row[label].item()
    return total / len(labels)


class Head(nn.Module):
    def __init__(self, features, hidden, classes):
        super().__init__()
        self.first, self.second = nn.Linear(features, hidden), nn.Linear(hidden, classes)

    def forward(self, maps):
        return self.second(torch.relu(self.first(maps.reshape(len(maps), -1))))


FLATTEN, RELU = (nn.Flatten(),), (nn.ReLU(),)


def size_not_returned(size, kernel, padding):
    size - kernel + 1 + 2 * padding


def head(*more, first=FLATTEN, middle=RELU, swap=False):
    """Return a function that builds a head, with layers changed."""

    def build(features, hidden, classes):
        hidden, classes = (classes, hidden) if swap else (hidden, classes)
        return nn.Sequential(*first, nn.Linear(features, hidden), *middle, nn.Linear(hidden, classes), *more)

    return build


def head_of_a_class_inside(*sizes):
    class Inside(Head):
        pass

    return Inside(*sizes)


def lazy_head(features, hidden, classes):
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(hidden), nn.ReLU(), nn.LazyLinear(classes))


def frozen_head(*sizes):
    return head()(*sizes).requires_grad_(False)


def head_with_batch_norm(features, hidden, classes):
    return head(middle=(nn.BatchNorm1d(hidden, affine=False), nn.ReLU()))(features, hidden, classes)


class AlwaysDropout(nn.Module):
    def forward(self, values):
        return F.dropout(values, 0.5)


class Squeeze(nn.Module):
    def forward(self, values):
        return values.squeeze()


class OwnParameters(nn.Module):
    """Keeps its weights the other way round."""

    def __init__(self, features, hidden, classes):
        super().__init__()
        self.first, self.second = (
            nn.Parameter(torch.randn(shape)) for shape in ((features, hidden), (hidden, classes))
        )
        self.third, self.fourth = nn.Parameter(torch.zeros(hidden)), nn.Parameter(torch.zeros(classes))

    def forward(self, maps):
        return (maps.flatten(1) @ self.first + self.third).relu() @ self.second + self.fourth


RIGHT = {
    "2.1": [[[2, -6], [-2, -5]], [2, -6, -2, -5], torch.tensor([[2.0, -6.0], [-2.0, -5.0]])],
    "2.2": [
        lambda size, kernel, padding: size - kernel + 1 + 2 * padding,
        lambda size, kernel, padding: (size + 2 * padding - kernel) / 1 + 1,
        lambda size, kernel, padding: Fraction(size - kernel + 1 + 2 * padding),
        lambda size, kernel, padding: len(range(size + 2 * padding - kernel + 1)),
    ],
    "2.3": [
        lambda logits: logits.softmax(dim=1),
        lambda logits: logits.exp() / logits.exp().sum(dim=1, keepdim=True),
        lambda logits: F.log_softmax(logits, dim=-1).exp(),
        softmax_in_a_loop,
    ],
    "2.4": [
        F.nll_loss,
        lambda log_probs, labels: -log_probs[range(len(labels)), labels].mean(),
        lambda log_probs, labels: -log_probs.gather(1, labels.unsqueeze(1)).sum() / len(labels),
        nll_in_a_loop,
    ],
    "2.5": [Head, OwnParameters, head_of_a_class_inside, lazy_head, head(), head(middle=(nn.ReLU(), nn.Dropout(0.5)))],
    "2.6": [(DRAWN, Memory(DRAWN)), [DRAWN.tolist(), Memory(DRAWN).eval()]],
}

WRONG = {
    "2.1": [
        ([[-2, 6], [2, 5]], "signs are flipped"),
        ([[2, -2], [-6, -5]], "not in the right places"),
        ([[-1, -2], [0, -2]], "one row from another"),
        ([[4, 6], [4, 5]], "minus signs of the kernel are missing"),
        ([[2, 6], [2, 5]], "the answer is negative"),
        ([[2, 0], [0, 0]], "below 0 have become 0"),
        ([[10, 9], [9, 6]], "all nine pixels"),
        ([[2, -6], [-3, -5]], "Right so far: 3 of the four. The window at the bottom left holds [[0, 2, 1], [1, 2, 0], [2, 1, 0]];"),
        ([[0, -6], [0, 0]], "Right so far: 1 of the four. The window at the top left holds [[0, 2, 2], [0, 2, 1], [1, 2, 0]];"),
        ([[2, -6], [None, None]], "four numbers"),
        ([2, -6], "four numbers"),
    ],
    "2.2": [
        (lambda size, kernel, padding: size - kernel + 2 * padding, "the + 1"),
        (lambda size, kernel, padding: size - kernel + 1 + padding, "both sides"),
        (lambda size, kernel, padding: size - kernel + padding, "and a 1 is missing"),
        (lambda size, kernel, padding: size - kernel + 1 + 4 * padding, "only two of them add"),
        (lambda size, kernel, padding: 2 * [size - kernel + 1 + 2 * padding], "one side"),
        (lambda size, kernel, padding: size - kernel + 1, "larger image"),
        (lambda size, kernel, padding: size + kernel + 1 + 2 * padding, "minus the kernel"),
        (lambda size, kernel, padding: size - kernel + 1 - 2 * padding, "plus, not minus"),
        (lambda size, kernel, padding: (size - kernel + 1 + 2 * padding) // 2, "after the pooling"),
        (lambda size, kernel, padding: (size - kernel + 1 + 2 * padding) ** 2, "one side"),
        (size_not_returned, "returns nothing"),
        (lambda size, kernel, padding: size - 4 + 2 * padding, "a kernel of 5"),
        (lambda size, kernel, padding: size, "the image itself"),
        (lambda size, kernel, padding: 28 - kernel + 1 + 2 * padding, "an image of 28"),
        (lambda size, kernel, padding: size - kernel + 1 + 2 * padding if padding < kernel else size, "size − kernel + 1"),
    ],
    "2.3": [
        (lambda logits: logits.softmax(dim=0), "Each column adds up to 1"),
        (lambda logits: logits.exp() / logits.exp().sum(), "All numbers together"),
        (lambda logits: logits / logits.sum(dim=1, keepdim=True), "exponential is missing"),
        (lambda logits: logits.log_softmax(dim=1), "log-softmax"),
        (lambda logits: logits.exp(), "shares of 1"),
        (lambda logits: F.one_hot(logits.argmax(dim=1), logits.shape[1]), "1 for the winner"),
        (lambda logits: logits.argmax(dim=1), "probabilities of all classes"),
        (lambda logits: logits.exp() / logits.exp().max(dim=1, keepdim=True).values, "by the largest"),
        (lambda logits: logits.sigmoid(), "sigmoid"),
        (lambda logits: logits.softmax(dim=1).squeeze(), "I expected shape (1, 4) and got (4,)"),
        (lambda logits: logits.softmax(dim=1).round(decimals=2), "rounded"),
        (lambda logits: logits.softmax(dim=1).max(dim=1), "I expected"),
        (lambda logits: logits[0].softmax(dim=0), "first image alone"),
        (lambda logits: logits.exp() / logits.exp().sum(dim=1), "With keepdim=True"),
    ],
    "2.4": [
        (lambda log_probs, labels: F.nll_loss(log_probs, labels, reduction="sum"), "sum over the images"),
        (lambda log_probs, labels: -F.nll_loss(log_probs, labels), "minus sign is missing"),
        (lambda log_probs, labels: -log_probs.max(dim=1).values.mean(), "what the *true* class got"),
        (lambda log_probs, labels: -log_probs[:, labels].mean(), "every label's column"),
        (lambda log_probs, labels: F.nll_loss(log_probs, labels, reduction="none"), "one number for each image"),
        (lambda log_probs, labels: F.nll_loss(log_probs.exp(), labels), "averaged the probabilities"),
        (lambda log_probs, labels: -log_probs.mean(), "mean over all classes"),
        (lambda log_probs, labels: F.nll_loss(log_probs.log(), labels), "take no log again"),
        (lambda log_probs, labels: -log_probs[range(len(labels)), labels].sum() / log_probs.shape[1], "number of classes"),
        (lambda log_probs, labels: -log_probs[range(len(labels)), labels].sum() / 5, "a fixed 5"),
        (lambda log_probs, labels: round(F.nll_loss(log_probs, labels).item(), 3), "rounded"),
        (lambda log_probs, labels: -log_probs[range(len(labels)), labels].unique().mean(), "I expected"),
    ],
    "2.5": [
        (head(nn.ReLU()), "ReLU after the last layer"),
        (head(nn.Softmax(dim=1)), "softmax at the end"),
        (head(nn.LogSoftmax(dim=1)), "log-softmax at the end"),
        (head(middle=()), "no ReLU between the two layers"),
        (head(middle=(torch.relu,)), "made with brackets"),
        (head(first=()), "Is `Flatten` missing?"),
        (head(nn.LogSoftmax(dim=0)), "adds up the images"),
        (head(nn.Sigmoid()), "sigmoid at the end"),
        (head(first=(nn.Flatten(), nn.ReLU()), middle=()), "no ReLU between the two layers"),
        (head(middle=(nn.Tanh(),)), "something other than a ReLU"),
        (head(middle=(nn.ReLU(), AlwaysDropout())), "the second time"),
        (head(Squeeze()), "expected shape (1, "),
        (head(nn.Dropout(0.5)), "a dropout after the last layer"),
        (frozen_head, "never be trained"),
        (head_with_batch_norm, "running statistics"),
        (lambda features, hidden, classes: head()(320, 50, 10), "the course's own network"),
        (head(swap=True), "expected shape (200, "),
        (lambda features, hidden, classes: nn.Sequential(nn.Flatten(), nn.Linear(features, classes)), "one linear layer"),
        (lambda features, hidden, classes: head()(features, 50, classes), "parameters and got"),
        (lambda features, hidden, classes: [nn.Flatten(), nn.Linear(features, classes)], "I expected a module"),
    ],
    "2.6": [
        (1.0, "I expected (random_labels, new_student)"),
        ((DRAWN, None), "I expected (random_labels, new_student)"),
        ((DRAWN[:32], Memory(DRAWN)), "I expected 64 labels"),
        ((TRUE, Memory(TRUE)), "the true ones"),
        ((DRAWN, STUDENT), "with a name of its own"),
        ((DRAWN, Memory(DRAWN, dropout=0.5)), "a dropout of 0.5"),
        ((DRAWN, Memory(TRUE)), "near guessing"),
        ((DRAWN, Memory(DRAWN, count=40)), "gets 40 of the 64"),
        ((DRAWN, Memory(DRAWN, logit=3.0)), "Did it take all 200"),
    ],
}  # fmt: skip
