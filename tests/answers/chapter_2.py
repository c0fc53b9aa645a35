"""Right and wrong answers to the exercises of chapter 2."""

import torch
from torch import nn
from torch.nn import functional as F

CONTEXT: dict = {}


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
    "2.1": [("orange", "purple"), [" Orange", "PURPLE "]],
    "2.2": [
        lambda size, kernel, padding: size - kernel + 1 + 2 * padding,
        lambda size, kernel, padding: (size + 2 * padding - kernel) / 1 + 1,
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
    "2.5": [Head, OwnParameters, head(), head(middle=(nn.ReLU(), nn.Dropout(0.5)))],
    "2.6": [1.0, 63 / 64, torch.tensor(1.0), 1],
}

WRONG = {
    "2.1": [
        (("purple", "orange"), "before any sign is swapped"),
        (("white", "white"), "White means an answer of 0"),
        (("orange", "orange"), "opposite signs"),
        (("black", "white"), "two of the words"),
        ("orange", "two of the words"),
    ],
    "2.2": [
        (lambda size, kernel, padding: size - kernel + 2 * padding, "the + 1"),
        (lambda size, kernel, padding: size - kernel + 1 + padding, "both sides"),
        (lambda size, kernel, padding: size - kernel + padding, "and one is missing"),
        (lambda size, kernel, padding: size - kernel + 1 + 4 * padding, "only two of them"),
        (lambda size, kernel, padding: 2 * [size - kernel + 1 + 2 * padding], "one side"),
        (lambda size, kernel, padding: size - kernel + 1, "larger image"),
        (lambda size, kernel, padding: size + kernel + 1 + 2 * padding, "minus the kernel"),
        (lambda size, kernel, padding: size - kernel + 1 - 2 * padding, "plus, not minus"),
        (lambda size, kernel, padding: (size - kernel + 1 + 2 * padding) // 2, "after pooling"),
        (lambda size, kernel, padding: (size - kernel + 1 + 2 * padding) ** 2, "one side"),
        (size_not_returned, "returns nothing"),
        (lambda size, kernel, padding: size - 4 + 2 * padding, "a kernel of 5"),
        (lambda size, kernel, padding: size, "the image itself"),
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
        (lambda logits: logits.softmax(dim=1).squeeze(), "a batch of one image"),
        (lambda logits: logits.softmax(dim=1).max(dim=1), "I expected"),
        (lambda logits: logits[0].softmax(dim=0), "first image alone"),
        (lambda logits: logits.exp() / logits.exp().sum(dim=1), "Two tensors of different lengths met"),
    ],
    "2.4": [
        (lambda log_probs, labels: F.nll_loss(log_probs, labels, reduction="sum"), "sum over the 5 images"),
        (lambda log_probs, labels: -F.nll_loss(log_probs, labels), "minus sign is missing"),
        (lambda log_probs, labels: -log_probs.max(dim=1).values.mean(), "what the *true* class got"),
        (lambda log_probs, labels: -log_probs[:, labels].mean(), "25 numbers"),
        (lambda log_probs, labels: F.nll_loss(log_probs, labels, reduction="none"), "one number for each image"),
        (lambda log_probs, labels: F.nll_loss(log_probs.exp(), labels), "averaged the probabilities"),
        (lambda log_probs, labels: -log_probs.mean(), "mean over all classes"),
        (lambda log_probs, labels: F.nll_loss(log_probs.log(), labels), "no log again"),
        (lambda log_probs, labels: -log_probs[range(len(labels)), labels].sum() / log_probs.shape[1], "number of classes"),
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
        (head(Squeeze()), "expected shape (1, 5)"),
        (lambda features, hidden, classes: head()(320, 50, 10), "the course's own network"),
        (head(swap=True), "expected shape (200, 5)"),
        (lambda features, hidden, classes: nn.Sequential(nn.Flatten(), nn.Linear(features, classes)), "one linear layer"),
        (lambda features, hidden, classes: head()(features, 50, classes), "parameters and got"),
        (lambda features, hidden, classes: [nn.Flatten(), nn.Linear(features, classes)], "I expected a module"),
    ],
    "2.6": [
        (100.0, "per cent"),
        (64, "per cent"),
        (0.11, "near guessing"),
        (2.302, "looks like a loss"),
        (0.6, "still learning"),
        (-0.3, "from 0 to 1"),
        ("all", "one number"),
    ],
}  # fmt: skip
