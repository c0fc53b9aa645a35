"""Recipes: everything that is decided before a training starts, under one name, so that recipes can be compared."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.optim.lr_scheduler import OneCycleLR
from torch.utils.data import DataLoader

from helpers import data, training
from helpers.model import BatchNormNet, MNISTClassification


def random_affine(images: Tensor, shift: float, rotation: float, scaling: float) -> Tensor:
    """Move each image of a batch by random amounts of its own, drawn evenly from PyTorch's global generator.

    Args:
        images: float32 (N, 1, S, S).
        shift: pixels; each image moves by at most this many to the left or right, and up or down.
        rotation: degrees; each image turns by at most this angle, either way.
        scaling: share; each image grows or shrinks by at most this share, 0.1 for ±10 %.

    Returns:
        float32 (N, 1, S, S), the same images moved.
    """
    right, down, degrees, growth = (
        limit * (2 * torch.rand(len(images), device=images.device) - 1) for limit in (shift, shift, rotation, scaling)
    )
    return affine(images, right, down, degrees, 1 + growth)


def affine(images: Tensor, right: Tensor, down: Tensor, degrees: Tensor, size: Tensor) -> Tensor:
    """Resize each image about its center, turn it, then shift it: all images in one step.

    Values between pixels are interpolated. What comes in at an edge is a copy of the edge: paper, in MNIST.

    Args:
        images: float32 (N, 1, S, S).
        right, down: pixels, (N,).
        degrees: clockwise, (N,).
        size: 1 leaves it, 2 doubles it, (N,).

    Returns:
        float32 (N, 1, S, S).
    """
    # We ask for every new pixel where it came from. That is the movement backwards: minus the shift first, then the
    # rotation the other way round and divided by the size. Places count from -1 at one edge to 1 at the other.
    angle = torch.deg2rad(degrees)
    cos, sin = torch.cos(angle) / size, torch.sin(angle) / size
    back = torch.stack([cos, sin, -sin, cos], dim=1).reshape(-1, 2, 2)  # (N, 2, 2)
    shift = torch.stack([right, down], dim=1) * 2 / images.shape[-1]  # (N, 2)
    theta = torch.cat([back, -back @ shift.unsqueeze(2)], dim=2)  # (N, 2, 3)
    places = F.affine_grid(theta, list(images.shape), align_corners=False)  # (N, S, S, 2)
    return F.grid_sample(images, places, padding_mode="border", align_corners=False)


@dataclass(frozen=True)
class Recipe:
    """How a network is trained; the defaults are those of chapter 3.

    Attributes:
        network: `course`, `small` or `large`, the latter two with batch normalization.
        conv_dropout, fc_dropout: shares that dropout zeroes, 0 to 1; networks with batch normalization use the latter.
        optimizer: `adam`, `adamw`, or `sgd` with Nesterov's momentum 0.9.
        learning_rate: size of a step; with `one_cycle` the largest.
        one_cycle: raise the learning rate over the first steps, then lower it to nothing, both evenly.
        warm_up: with `one_cycle`, the share of the steps over which it is raised.
        weight_decay: share by which each step shrinks the weights, before it is multiplied by the learning rate.
        batch_size: images per batch.
        label_smoothing: share of its certainty that each label gives away to all ten classes, 0 to 1.
        shift, rotation, scaling: in pixels, degrees and shares, as `random_affine` takes them.
        channels_last: keep the numbers of one pixel side by side in memory, which many processors prefer.
        bfloat16: compute in 16 bits while training, half the digits; scores are always computed in 32.
    """

    network: str = "course"
    conv_dropout: float = 0.5
    fc_dropout: float = 0.5
    optimizer: str = "adam"
    learning_rate: float = 0.001
    one_cycle: bool = False
    warm_up: float = 0.2
    weight_decay: float = 0.0
    batch_size: int = 64
    label_smoothing: float = 0.0
    shift: float = 0.0
    rotation: float = 0.0
    scaling: float = 0.0
    channels_last: bool = False
    bfloat16: bool = False

    def changes(self, before: "Recipe") -> dict[str, tuple[object, object]]:
        """Return what differs from another recipe: by its name, the value there and the value here."""
        there, here = vars(before), vars(self)
        return {name: (there[name], here[name]) for name in here if there[name] != here[name]}


# Each step of the ladder adds one idea to the step before; the first and the last change several settings for it.
COURSE = Recipe()
ONE_CYCLE = replace(COURSE, optimizer="adamw", learning_rate=0.004, weight_decay=0.01, one_cycle=True)
LESS_DROPOUT = replace(ONE_CYCLE, conv_dropout=0.0, fc_dropout=0.1)
AUGMENTED = replace(LESS_DROPOUT, shift=1.5, rotation=7.0, scaling=0.07)
BEST = replace(AUGMENTED, optimizer="sgd", learning_rate=0.05, weight_decay=0.0005)
# For networks with batch normalization
MOVED_MORE = replace(BEST, shift=2.0, rotation=10.0, scaling=0.1, channels_last=True, bfloat16=True)
# The whole training is one epoch, too short to overfit. Chapter 7 takes it apart.
SHORT = replace(BEST, fc_dropout=0.0, label_smoothing=0.1, shift=0.0, rotation=0.0, scaling=0.0)
FAST = replace(SHORT, batch_size=160, learning_rate=0.15, warm_up=0.5, channels_last=True, bfloat16=True)
FAST_SMALL = replace(FAST, network="small")  # learns more from one epoch than the course's network from two

RECIPES = {
    "course": COURSE,
    "one_cycle": ONE_CYCLE,
    "less_dropout": LESS_DROPOUT,
    "augmented": AUGMENTED,
    "best": BEST,
    # the best with one thing changed
    "constant_rate": replace(BEST, one_cycle=False, learning_rate=0.01),
    "longer_steps": replace(BEST, learning_rate=0.12),
    "larger_batches": replace(BEST, batch_size=256, learning_rate=0.2),
    "no_decay": replace(BEST, weight_decay=0.0),
    "old_dropout": replace(BEST, conv_dropout=0.5, fc_dropout=0.5),
    "no_augmentation": replace(BEST, shift=0.0, rotation=0.0, scaling=0.0),
    "more_augmentation": replace(BEST, shift=3.0, rotation=15.0, scaling=0.15),
    # From `augmented` to `best` both the optimizer and the strength of its weight decay change. What a step shrinks
    # the weights by is learning rate × weight decay with AdamW, and in the long run ten times that with momentum 0.9.
    "weaker_decay": replace(BEST, weight_decay=0.00008),  # SGD that shrinks as `augmented` does: 4e-5
    "adamw_stronger_decay": replace(AUGMENTED, weight_decay=0.0625),  # AdamW that shrinks as `best` does: 2.5e-4
    # other networks
    "small_network": replace(MOVED_MORE, network="small"),
    "large_network": replace(MOVED_MORE, network="large", fc_dropout=0.2),
    # for a single epoch
    "fast": FAST,
    "sharp_labels": replace(FAST, label_smoothing=0.0),
    "short_warm_up": replace(FAST, warm_up=0.2),
    "twice_the_batch": replace(FAST, batch_size=320, learning_rate=0.2),
    "fast_small": FAST_SMALL,
}


def build(recipe: Recipe) -> nn.Module:
    """Return the recipe's network with fresh random weights, on the CPU."""
    if recipe.network == "course":
        model: nn.Module = MNISTClassification(recipe.conv_dropout, recipe.fc_dropout)
    else:
        model = BatchNormNet(recipe.network, recipe.fc_dropout)
    return model.to(memory_format=torch.channels_last) if recipe.channels_last else model


def make_optimizer(recipe: Recipe, model: nn.Module, fused: bool = False) -> Optimizer:
    """Return the optimizer that will change the model's parameters; `fused`, all of them in one operation."""
    rest: dict[str, Any] = {"lr": recipe.learning_rate, "weight_decay": recipe.weight_decay, "fused": fused or None}
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(model.parameters(), momentum=0.9, nesterov=True, **rest)
    return {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[recipe.optimizer](model.parameters(), **rest)


def make_schedule(recipe: Recipe, optimizer: Optimizer, steps: int) -> OneCycleLR | None:
    """Return the schedule for a training of `steps` steps; None leaves the learning rate as it is."""
    if not recipe.one_cycle:
        return None
    shape: dict[str, Any] = {"pct_start": recipe.warm_up, "anneal_strategy": "linear", "cycle_momentum": False}
    return OneCycleLR(optimizer, recipe.learning_rate, total_steps=steps, **shape)


def make_loss(recipe: Recipe) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the loss of log-probabilities (N, 10) and labels (N,), the mean over a batch.

    With label smoothing the label is taken as not quite sure: a share of its certainty goes to all classes alike.
    """
    share = recipe.label_smoothing

    def smoothed(log_probs: Tensor, labels: Tensor) -> Tensor:
        return (1 - share) * F.nll_loss(log_probs, labels) - share * log_probs.mean()

    return smoothed if share else F.nll_loss


def train_batches(recipe: Recipe, prepared: data.DataSplits, seed: int) -> DataLoader:
    """Return the training images in batches, in random order, augmented where the recipe says so."""
    limits = (recipe.shift, recipe.rotation, recipe.scaling)
    augment = (lambda images: random_affine(images, *limits)) if any(limits) else None
    return data.make_batches(prepared.train, recipe.batch_size, shuffle=True, seed=seed, augment=augment)


def train(
    recipe: Recipe, prepared: data.DataSplits, epochs: int, seed: int, **options: Any
) -> tuple[nn.Module, list[dict]]:
    """Train a new network by a recipe; return it with the history of `training.fit`.

    Args:
        recipe: how.
        prepared: the images, on the device where training will happen.
        epochs: passes over the training set.
        seed: of weights, order, dropout and augmentation.
        options: for `training.fit`, such as `checkpoint`.
    """
    torch.manual_seed(seed)
    model = build(recipe).to(prepared.train.tensors[0].device)
    optimizer = make_optimizer(recipe, model)
    batches = train_batches(recipe, prepared, seed)
    options |= {"scheduler": make_schedule(recipe, optimizer, epochs * len(batches)), "each_step": True}
    options |= {"bfloat16": recipe.bfloat16, "loss_function": make_loss(recipe)}
    history = training.fit(model, batches, data.make_batches(prepared.val, 1000), optimizer, epochs, **options)
    return model, history
