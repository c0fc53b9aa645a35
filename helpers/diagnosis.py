"""The vital signs of a training: ten signs, measured at the first step and on the way, and what to try if one is odd.

`sheet` examines any network that tells classes apart. `Watch` does the measuring, also in a loop of your own.
"""

import copy
import math
import textwrap
from collections.abc import Callable, Iterable
from itertools import islice
from statistics import fmean
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer

from helpers import plotting

BY_HEART = 100  # steps on one batch
KEPT = 10  # images of each batch, on which the training loss is measured after an epoch
USUAL = {  # each sign, with what it says in a healthy training
    "shared images": "none",
    "classes in a batch": "many",
    "first loss": "as expected",
    "blank image": "same answer",
    "one batch": "learned by heart",
    "evaluated twice": "same result",
    "gradient": "steady",
    "updates": "usual",
    "validation": "like training",
    "loss and accuracy": "agree",
}
LIMITS = {  # of `numbers`; results/README.md shows how far from them the trainings of chapter 9 are
    "classes in a batch": 0.51,  # as a share of what a shuffled batch holds on average
    "first loss": 1.3,
    "last losses": 0.55,
    "blank image": 1e-3,
    "one batch": 0.28,
    "evaluated twice": 1e-3,
    "gradient's growth": 4.7,
    "small updates": 7e-4,
    "large updates": 0.1,
    "gap": 0.09,
    "accuracy": 0.7,
    "times guessing": 0.3,
}
ADVICE = {  # for whatever else a sign may say
    "some": "Validation images are in the training set, too. Split again, and count again.",
    "few": "A batch holds very few classes. Shuffle the training images.",
    "high": "The first loss is far above that of guessing. Look at the range of the inputs, and the softmax's axis.",
    "depends on the others": "The answer to an image depends on the rest of its batch. Is eval() missing, or is there "
    "a softmax or a mean over axis 0?",
    "not learned": "It can't learn even one batch by heart. Look for a mistake in the code: input, loss, update.",
    "two results": "The same evaluation gives two results. Call eval() first.",
    "grows": "The gradient grows and grows. Is zero_grad() missing?",
    "missing in a layer": "A layer gets no gradient. Look for detach(), requires_grad, and ReLUs that are always 0.",
    "large": "A step changes the weights by a tenth or more. Try a tenth of the learning rate.",
    "small": "A step hardly changes the weights. Try ten times the learning rate, and ask whether the optimizer holds "
    "the parameters of this network.",
    "far above training": "The validation loss is far above the training loss. Is it overfitting, or are the "
    "validation images prepared in another way?",
    "worse than guessing": "To be worse than guessing takes knowledge. Do both sets number the classes alike?",
    "loss too high": "Most answers are right, yet the training loss is high. Does the loss get what it expects?",
}


def update_ratio(before: Tensor, after: Tensor) -> float:
    """Return the norm of a layer's update as a share of the norm of its weights, both of the same shape."""
    return ((after - before).norm() / before.norm().clamp(min=1e-12)).item()


def dead_share(outputs: Tensor) -> float:
    """Return the share (0 to 1) of channels, axis 1 of a ReLU's outputs (N, channels, …), that are 0 for all images."""
    return (outputs.transpose(0, 1).flatten(1).amax(dim=1) <= 0).float().mean().item()


class Watch:
    """Notes the signs of a training: call `step` after each step of the optimizer, and `epoch` after each epoch.

    A layer is a parameter with two axes or more: weights, not biases.

    Attributes:
        losses: of each step.
        gradients, updates: by layer, for each step: the norm of its gradient, and its `update_ratio`.
        epochs: after each, training loss, validation loss and validation accuracy, in the mode that the model was in.
        dead: by ReLU module, its `dead_share` of the validation images.
        confusion: int64 (classes, classes), rows are true, columns predicted.
        measured: the other signs, one number each.
    """

    def __init__(self, model: nn.Module):
        self.model = model
        self.layers = {name: weights for name, weights in model.named_parameters() if weights.ndim > 1}
        self.before = {name: weights.detach().clone() for name, weights in self.layers.items()}
        self.gradients: dict[str, list[float]] = {name: [] for name in self.layers}
        self.updates: dict[str, list[float]] = {name: [] for name in self.layers}
        self.losses: list[float] = []
        self.epochs: list[tuple[float, float, float]] = []
        self.dead: dict[str, float] = {}
        self.measured: dict[str, float] = {}
        self.seen: set[bytes] = set()  # images of the first epoch
        self.kept: list[tuple[Tensor, Tensor]] = []  # some of this epoch's

    def step(self, loss: Tensor, images: Tensor, labels: Tensor) -> None:
        """Note what a step did; images (N, …) and labels int64 (N,) are its batch."""
        if not self.losses:
            self.measured |= {"batch size": len(labels), "classes in a batch": len(labels.unique())}
        if not self.epochs:
            self.seen |= as_bytes(images)
        self.losses.append(loss.item())
        self.kept.append((images[:KEPT].clone(), labels[:KEPT]))
        for name, weights in self.layers.items():
            before, self.before[name] = self.before[name], weights.detach().clone()
            self.gradients[name].append(0.0 if weights.grad is None else weights.grad.norm().item())
            self.updates[name].append(update_ratio(before, self.before[name]))

    @torch.no_grad()
    def epoch(self, images: Tensor, labels: Tensor) -> None:
        """Evaluate the model, in the mode that it is in, on validation images (N, …) and labels int64 (N,)."""
        relus = {name: module for name, module in self.model.named_modules() if isinstance(module, nn.ReLU)}
        hooks = [
            relu.register_forward_hook(lambda _, __, outputs, name=name: self.dead.update({name: dead_share(outputs)}))
            for name, relu in relus.items()
        ]
        outputs = self.model(images)
        for hook in hooks:
            hook.remove()
        train_images, train_labels = (torch.cat(parts) for parts in zip(*self.kept, strict=True))
        self.kept.clear()
        train_loss = F.cross_entropy(self.model(train_images), train_labels).item()
        predicted, classes = outputs.argmax(dim=1), outputs.shape[1]
        accuracy = (predicted == labels).float().mean().item()
        self.epochs.append((train_loss, F.cross_entropy(outputs, labels).item(), accuracy))
        self.confusion = (labels * classes + predicted).bincount(minlength=classes**2).reshape(classes, classes).cpu()
        blank = torch.full_like(images[:1], images.min().item())
        alone, beside_others = self.model(blank), self.model(torch.cat([blank, images[:31]]))[:1]
        self.measured |= {
            "shared images": len(self.seen & as_bytes(images)),
            # As a share of the answer, since batches of unlike sizes are computed in unlike orders, to some digits.
            "blank image": ((alone - beside_others).abs().max() / alone.abs().max().clamp(min=1)).item(),
            "evaluated twice": (self.model(images) - outputs).abs().max().item(),
        }


def as_bytes(images: Tensor) -> set[bytes]:
    """Return each image's content, so that equal images can be found."""
    return {image.tobytes() for image in images.cpu().numpy()}


def numbers(watch: Watch) -> dict[str, float]:
    """Return the numbers that the signs are read from.

    Losses are in units of ln K, the loss of an even guess among K classes: 1 is as good as guessing, 0 is perfect.
    """
    measured, losses = watch.measured, watch.losses
    classes, guessing = len(watch.confusion), math.log(len(watch.confusion))
    shuffled = classes * (1 - (1 - 1 / classes) ** measured["batch size"])  # classes in a batch drawn at random
    train_loss, val_loss, accuracy = watch.epochs[-1]
    fifth = -(-len(losses) // 5)
    norms = list(watch.gradients.values())
    return {
        "shared images": measured["shared images"],
        "classes in a batch": measured["classes in a batch"] / shuffled,
        "first loss": losses[0] / guessing,
        "last losses": fmean(losses[-fifth:]) / guessing,
        "blank image": measured["blank image"],
        "one batch": measured["one batch"] / guessing,
        "evaluated twice": measured["evaluated twice"],
        "gradient's growth": fmean(fmean(norm[-fifth:]) / max(fmean(norm[:fifth]), 1e-12) for norm in norms),
        "layers without gradient": sum(not any(norm) for norm in norms),
        "updates": fmean(fmean(ratios[:10]) for ratios in watch.updates.values()),
        "training loss": train_loss / guessing,
        "validation loss": val_loss / guessing,
        "gap": (val_loss - 1.5 * train_loss) / guessing,
        "accuracy": accuracy,
        "times guessing": accuracy * classes,
    }


def readings(watch: Watch) -> dict[str, str]:
    """Return what each sign says: as in `USUAL`, or one of `ADVICE`. NaN never counts as healthy."""
    return judge(numbers(watch))


def judge(found: dict[str, float]) -> dict[str, str]:
    """Return what each sign says, for what `numbers` returns."""
    says = dict(USUAL)
    if found["shared images"] > 0:
        says["shared images"] = "some"
    if found["classes in a batch"] <= LIMITS["classes in a batch"]:
        says["classes in a batch"] = "few"
    if not found["first loss"] < LIMITS["first loss"]:
        says["first loss"] = "high"
    if not found["blank image"] < LIMITS["blank image"]:
        says["blank image"] = "depends on the others"
    if not found["one batch"] < LIMITS["one batch"]:
        says["one batch"] = "not learned"
    if not found["evaluated twice"] < LIMITS["evaluated twice"]:
        says["evaluated twice"] = "two results"
    if not found["gradient's growth"] < LIMITS["gradient's growth"]:
        says["gradient"] = "grows"
    if found["layers without gradient"] > 0:
        says["gradient"] = "missing in a layer"
    if not found["updates"] < LIMITS["large updates"]:
        says["updates"] = "large"
    if found["updates"] <= LIMITS["small updates"]:
        says["updates"] = "small"
    if not found["gap"] < LIMITS["gap"]:
        says["validation"] = "far above training"
        if found["times guessing"] <= LIMITS["times guessing"]:
            says["validation"] = "worse than guessing"
    if found["accuracy"] > LIMITS["accuracy"] and not found["last losses"] < LIMITS["last losses"]:
        says["loss and accuracy"] = "loss too high"
    return says


def examine(
    model: nn.Module,
    batches: Iterable[tuple[Tensor, Tensor]],
    optimizer: Optimizer,
    val_batches: Iterable[tuple[Tensor, Tensor]] | None = None,
    loss_function: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy,
    steps: int = 300,
) -> Watch:
    """Train a copy of a model for a while, and return what was noted. The model itself stays as it is.

    Args:
        model: images (N, …) to logits or log-probabilities (N, classes), at least two classes.
        batches: images (N, …) and labels int64 (N,), on the model's device; at most `steps` of them are taken.
        optimizer: holds the model's parameters.
        val_batches: the same of the validation set; None: one in five of `batches` is held out.
        loss_function: of the model's output and the labels, the mean over a batch; `cross_entropy` takes both kinds.
        steps: how many to train, at least; an epoch is finished.

    Raises:
        ValueError: there are too few batches.
    """
    with torch.random.fork_rng(devices=[]):  # the training that follows is the same as without an examination
        taken = list(islice(batches, steps))
        val = taken[::5] if val_batches is None else list(val_batches)
        train = [batch for place, batch in enumerate(taken) if val_batches is not None or place % 5]
        if not train or not val:
            raise ValueError(f"batches: got {len(taken)}, and {len(val)} to validate with; give at least two, and one")
        val_images, val_labels = (torch.cat(parts) for parts in zip(*val, strict=True))
        watch = _train(model, optimizer, train, loss_function, -(-steps // len(train)), val_images, val_labels)
        by_heart = _train(model, optimizer, train[:1], loss_function, BY_HEART)
    watch.measured["one batch"] = fmean(by_heart.losses[-10:])
    return watch


def _train(
    model: nn.Module,
    optimizer: Optimizer,
    batches: list[tuple[Tensor, Tensor]],
    loss_function: Callable,
    epochs: int,
    *validation: Tensor,
) -> Watch:
    """Train a copy by the loop of chapter 3."""
    model, optimizer = copy.deepcopy((model, optimizer))  # together, so that the copy holds the copy's parameters
    watch = Watch(model)
    for _ in range(epochs):
        model.train()
        for images, labels in batches:
            optimizer.zero_grad()
            loss = loss_function(model(images), labels)
            loss.backward()
            optimizer.step()
            watch.step(loss, images, labels)
        if validation:
            model.eval()
            watch.epoch(*validation)
    return watch


def sheet(model: nn.Module, batches: Iterable[tuple[Tensor, Tensor]], optimizer: Optimizer, **options: Any) -> None:
    """Examine a model, show its signs, and say what is odd and what to try; arguments and errors as for `examine`."""
    watch = examine(model, batches, optimizer, **options)
    says = readings(watch)
    alt = "; ".join(f"{sign}: {reading}" for sign, reading in says.items())
    plotting.show(plotting.vital_signs(watch, f"Vital signs of {type(model).__name__}"), alt=alt)
    odd = [f"{sign}: {reading}. {ADVICE[reading]}" for sign, reading in says.items() if reading != USUAL[sign]]
    lines = odd or [f"All {len(USUAL)} signs are as in a healthy training."]
    print("\n".join(textwrap.fill(line, 92) for line in lines))
