"""The twelve patients: for each the lines that differ from the healthy training, the signs it must show, and why."""

import inspect
from collections.abc import Callable
from statistics import fmean
from typing import NamedTuple

from torch.utils.data import TensorDataset

from course.clinic import healthy
from helpers.diagnosis import BY_HEART, Watch

STEPS = 200  # of a patient's training
BATCH_SIZE = 32  # of the healthy training
IMAGES = 1600  # it trains on, or all there are
VAL_IMAGES = 1000
SOURCE = inspect.getsource(healthy)


class Patient(NamedTuple):
    """A training with one mistake.

    Attributes:
        changes: healthy lines as they are, without indentation, each with what takes its place; "" is nothing.
        signs: what they must say; a sign that isn't named may say anything.
        why: how the mistake leads to the signs.
    """

    changes: dict[str, str]
    signs: dict[str, str]
    why: str


PATIENTS = {
    "no zero_grad": Patient(
        {"optimizer.zero_grad()": ""},
        {"gradient": "grows", "one batch": "not learned"},
        "`backward()` adds to the gradient that is already there. Without `zero_grad()`, each step follows the sum of "
        "all gradients since the beginning, most of them long out of date.",
    ),
    "softmax twice": Patient(
        {"loss = F.nll_loss(log_probs, batch_labels)": "loss = F.cross_entropy(log_probs.exp(), batch_labels)"},
        {"loss and accuracy": "loss too high", "first loss": "as expected", "one batch": "not learned", "gradient": "steady"},
        "`cross_entropy` expects logits, and applies a softmax of its own. Given probabilities, all of them between 0 and "
        "1, it can never see a confident answer: even for a perfect one, the loss has a floor.",
    ),
    "no eval": Patient(
        {"model.eval()": ""},
        {"evaluated twice": "two results", "blank image": "depends on the others"},
        "Without `eval()`, dropout stays on during validation. It zeroes different numbers each time, so two "
        "evaluations differ, and both are worse than what the network can do.",
    ),
    "learning rate too high": Patient(
        {"optimizer = torch.optim.Adam(model.parameters(), lr=0.001)": "optimizer = torch.optim.Adam(model.parameters(), lr=0.1)"},
        {"updates": "large", "one batch": "not learned"},
        "The first steps are a hundred times too long. They throw the weights to where whole ReLUs are 0 for every image; "
        "from there no gradient leads back, and all that is left to learn is how frequent each class is.",
    ),
    "learning rate too low": Patient(
        {"optimizer = torch.optim.Adam(model.parameters(), lr=0.001)": "optimizer = torch.optim.Adam(model.parameters(), lr=0.00001)"},
        {"updates": "small", "one batch": "not learned", "gradient": "steady"},
        "Nothing is wrong with the direction; each step is a hundred times too short. The gradient stays as large as "
        "at the beginning, since the weights have hardly moved.",
    ),
    "pixels from 0 to 255": Patient(
        {"return (some_pixels.unsqueeze(1) / 255 - mean) / std": "return some_pixels.unsqueeze(1).float()"},
        {"first loss": "high", "blank image": "same answer"},
        "The layers' initial weights are drawn for inputs of about 1. With inputs of up to 255 the untrained network's "
        "logits are huge: it is sure of its random answers, and pays for it.",
    ),
    "labels one off": Patient(
        {"train_set = TensorDataset(prepare(pixels), labels)": "train_set = TensorDataset(prepare(pixels), (labels + 1) % 10)"},
        {"validation": "worse than guessing", "one batch": "learned by heart"},
        "Each training label is one too high, and 9 has become 0. The network learns perfectly well, and "
        "what it learns is one off, so nearly every validation image is misread.",
    ),
    "sorted batches": Patient(
        {
            "train_set = TensorDataset(prepare(pixels), labels)": "train_set = TensorDataset(prepare(pixels)[labels.argsort()], labels.sort().values)",
            "batches = data.make_batches(train_set, batch_size=32, shuffle=True, seed=seed)": "batches = data.make_batches(train_set, batch_size=32)",
        },
        {"classes in a batch": "few"},
        "The images come class by class, as they do from folders, and nobody shuffles them. While there are only zeros, "
        "`always 0` is the best answer, and the next class finds a network that has forgotten everything else.",
    ),
    "validation images in training": Patient(
        {"torch.manual_seed(seed)": "torch.manual_seed(seed)\npixels, labels = torch.cat([pixels, val_pixels]), torch.cat([labels, val_labels])"},
        {"shared images": "some"},
        "The training set holds the validation images as well. The validation scores are too good, and no panel looks ill: "
        "counting finds this one.",
    ),
    "softmax over the batch": Patient(
        {"return torch.log_softmax(logits, dim=1)": "return torch.log_softmax(logits, dim=0)"},
        {"first loss": "high", "blank image": "depends on the others"},
        "Axis 0 is the batch. For each class, the probabilities of 32 images now add up to 1, so an even guess costs "
        "ln 32 = 3.47, and an image's answer depends on which others happen to be in its batch.",
    ),
    "validation not normalized": Patient(
        {"val_images = prepare(val_pixels)": "val_images = val_pixels.unsqueeze(1) / 255"},
        {"validation": "far above training", "one batch": "learned by heart"},
        "The training images are normalized, the validation images only divided by 255. The network meets gray values on "
        "a scale that it has never trained on; it often guesses right, but is no longer sure.",
    ),
    "features detached": Patient(
        {"logits = self.fc_block(features)": "logits = self.fc_block(features.detach())"},
        {"gradient": "missing in a layer", "one batch": "not learned"},
        "`detach()` cuts the graph: no gradient reaches the convolutions, which stay as random as they were. The last two "
        "layers make the best of random features, and do rather well.",
    ),
}  # fmt: skip


def changed(changes: dict[str, str]) -> str:
    """Return the healthy training's source with some lines replaced.

    Raises:
        ValueError: a line isn't there, or is there more than once.
    """
    lines = SOURCE.splitlines()
    for old, new in changes.items():
        places = [number for number, line in enumerate(lines) if line.strip() == old.strip()]
        if len(places) != 1:
            raise ValueError(f"line: {old.strip()!r} is there {len(places)} times; give a line that is there once")
        (place,) = places
        indent = " " * (len(lines[place]) - len(lines[place].lstrip()))
        lines[place : place + 1] = [indent + line for line in new.splitlines()]
    return "\n".join(lines)


def training(changes: dict[str, str]) -> Callable[..., Watch]:
    """Return `healthy.train` with some lines replaced; errors as for `changed`."""
    namespace: dict = {"__name__": "patient"}
    exec(compile(changed(changes), "<patient>", "exec"), namespace)
    return namespace["train"]


def examine(changes: dict[str, str], train_set: TensorDataset, val_set: TensorDataset, seed: int) -> Watch:
    """Train a patient, and return what was noted.

    Args:
        changes: as of a `Patient`; none: the healthy training.
        train_set, val_set: pixels uint8 (N, 28, 28), labels int64 (N,).
        seed: of everything random.
    """
    train = training(changes)
    pixels, labels = (part[:IMAGES] for part in train_set.tensors)
    val = [part[:VAL_IMAGES] for part in val_set.tensors]
    watch = train(pixels, labels, *val, epochs=-(-STEPS // -(-len(labels) // BATCH_SIZE)), seed=seed)
    one_batch = pixels[:BATCH_SIZE], labels[:BATCH_SIZE], *(part[:0] for part in val)  # what it scores is no matter
    watch.measured["one batch"] = fmean(train(*one_batch, epochs=BY_HEART, seed=seed).losses[-10:])
    return watch
