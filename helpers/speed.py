"""Ways through an epoch: the classic loop, what takes its costs away one by one, and what was tried besides."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import nn
from torch.utils.data import DataLoader, Subset

from helpers import classic, data, recipes, training
from helpers.recipes import Recipe


@dataclass(frozen=True)
class Way:
    """How an epoch is done; the defaults are the classic loop's.

    Attributes:
        loading: `one by one` prepares each image when its turn comes, `in memory` takes it from a tensor that was
            prepared once, `by index` takes a whole batch from there in one operation.
        look: after every step, copy the loss into Python and show it beside a bar.
        recipe: network, optimizer, batch size, numbers in 32 or 16 bits, and so on.
        workers: processes that prepare images while the network learns; 0 leaves that to the loop itself.
        fused: let the optimizer change all weights in one operation.
        compiled: let `torch.compile` translate the network into a program of its own.
        threads: of the processor; None leaves PyTorch's choice.
    """

    loading: str = "one by one"
    look: bool = True
    recipe: Recipe = recipes.COURSE
    workers: int = 0
    fused: bool = False
    compiled: bool = False
    threads: int | None = None


CLASSIC = Way()
IN_MEMORY = replace(CLASSIC, loading="in memory")
BY_INDEX = replace(IN_MEMORY, loading="by index")
NO_LOOK = replace(BY_INDEX, look=False)
SHORT = replace(NO_LOOK, recipe=recipes.SHORT)
LARGER = replace(SHORT, recipe=replace(recipes.FAST, channels_last=False, bfloat16=False))
CHANNELS_LAST = replace(SHORT, recipe=replace(recipes.FAST, bfloat16=False))
FAST = replace(SHORT, recipe=recipes.FAST)

LADDER = {  # each takes one more cost away
    "classic loop": CLASSIC,
    "images in memory": IN_MEMORY,
    "batch by index": BY_INDEX,
    "no look at each step": NO_LOOK,
    "lighter recipe": SHORT,
    "larger batches": LARGER,
    "channels last": CHANNELS_LAST,
    "16 bits": FAST,
}
BESIDES = {  # what was tried, and the way of the ladder that it changes
    "two workers": ("classic loop", replace(CLASSIC, workers=2)),
    "16 bits alone": ("larger batches", replace(SHORT, recipe=replace(recipes.FAST, channels_last=False))),
    "fused optimizer": ("16 bits", replace(FAST, fused=True)),
    "compiled": ("16 bits", replace(FAST, compiled=True)),
    "one thread": ("16 bits", replace(FAST, threads=1)),
}

Start = Callable[[Way, int, int], tuple[nn.Module, Callable[[], float]]]
"""Takes a way, a seed and the epochs to come; returns a new network and what trains it for one epoch."""


def starter(prepared: data.Prepared, one_by_one: Subset) -> Start:
    """Return what starts a training in some way on these images.

    Args:
        prepared: the images in the memory of the device where training happens.
        one_by_one: the same training images, as torchvision hands them out.
    """

    def start(way: Way, seed: int, epochs: int) -> tuple[nn.Module, Callable[[], float]]:
        torch.manual_seed(seed)
        recipe = way.recipe
        model = recipes.build(recipe).to(prepared.train.tensors[0].device)
        optimizer = recipes.make_optimizer(recipe, model, way.fused)
        batches = make_batches(way, prepared, one_by_one, seed)
        network = torch.compile(model) if way.compiled else model
        if way.look:
            train = partial(classic.train_epoch, network, batches, optimizer)
        else:
            schedule = recipes.make_schedule(recipe, optimizer, epochs * len(batches))
            options = {"scheduler": schedule, "bfloat16": recipe.bfloat16, "loss_function": recipes.make_loss(recipe)}
            train = partial(training.train_epoch, network, batches, optimizer, **options)
        return model, train if way.threads is None else partial(with_threads, way.threads, train)

    return start


def make_batches(way: Way, prepared: data.Prepared, one_by_one: Subset, seed: int) -> DataLoader:
    """Return the training images in batches, in random order, loaded as the way says; see `starter`."""
    if way.loading == "by index":
        return recipes.train_batches(way.recipe, prepared, seed)
    images = one_by_one if way.loading == "one by one" else prepared.train
    return DataLoader(images, batch_size=way.recipe.batch_size, shuffle=True, num_workers=way.workers)


def with_threads(threads: int, work: Callable[[], float]) -> float:
    """Do `work` with so many threads of the processor, then allow as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return work()
    finally:
        torch.set_num_threads(before)
