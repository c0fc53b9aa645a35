"""Speed: fair timing, the least time an epoch can take, and its variants from the classic loop to the fastest."""

import copy
import itertools
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pandas as pd
import torch
from torch import nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Subset
from torch.utils.flop_counter import FlopCounterMode
from tqdm import tqdm

from helpers import data, recipes, training
from helpers.recipes import Recipe

WARM_UP = 3  # steps: the first ones also choose how to compute, and reserve memory
STEPS = 20  # timed, at most
ENOUGH = 1.0  # seconds of timed steps; if steps are slow, fewer will do
SIZE = 2048  # rows and columns of the matrices: large enough for full speed, 50 MB for three of them
PATIENCE = 10.0  # seconds of matrix products


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Do `work` once and return the seconds that it took, the work of the device included.

    `torch.utils.benchmark` would do it twice before, as a warm-up: a network would be trained for three epochs. And on
    machines with CUDA's compiler but no GPU, importing it prints a warning into the notebook.
    """
    wait_for(device)
    start = time.perf_counter()
    work()
    wait_for(device)
    return time.perf_counter() - start


def wait_for(device: torch.device) -> None:
    """Wait until `device` has finished: an accelerator is still at work when Python is already further on."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """Return how many times faster the second is: the median of the ratios of all turns.

    Args:
        slow, fast: seconds, turn by turn. What slowed a turn down slowed both, so a turn's ratio is fairer than the
            ratio of two medians.
    """
    return statistics.median(before / after for before, after in zip(slow, fast, strict=True))


def estimate_time(model: nn.Module, batches: DataLoader, epochs: int, val_batches: DataLoader | None = None) -> float:
    """Print about how long a training will take here, judged by a few steps of copies, and return the seconds.

    Nothing is changed: neither the model and its mode, nor the order of the batches to come, nor the random numbers.
    The steps are those of plain SGD. Adam takes a little longer, and so does a machine that is busy later on.

    Args:
        model: images (N, 1, 28, 28) to log-probabilities (N, 10).
        batches: yields training images and labels.
        epochs: passes over the training images.
        val_batches: what is predicted after each epoch, if anything is.

    Raises:
        ValueError: there is no batch.
    """
    trial = copy.deepcopy(model)
    optimizer = torch.optim.SGD(trial.parameters(), lr=0.001)
    device = next(model.parameters()).device
    with torch.random.fork_rng([] if device.type == "cpu" else [device], device_type=device.type):
        seconds = _seconds_a_batch(trial.train(), batches, optimizer) * len(batches)
        if val_batches is not None:
            with torch.no_grad():
                seconds += _seconds_a_batch(trial.eval(), val_batches) * len(val_batches)
    seconds *= epochs
    print(f"about {rounded(seconds)} for {epochs} {'epoch' if epochs == 1 else 'epochs'} here")
    return seconds


def _seconds_a_batch(model: nn.Module, batches: DataLoader, optimizer: Optimizer | None = None) -> float:
    """Learn from a few batches, or only predict without an optimizer; return the mean time, fetching included."""
    if len(batches) == 0:
        raise ValueError("batches: there are none, so there is nothing to time")
    device = next(model.parameters()).device
    trial = copy.deepcopy(batches, {id(batches.dataset): batches.dataset})  # the same images, generators of its own
    endless = itertools.chain.from_iterable(itertools.repeat(trial))

    def do(steps: int) -> None:
        for images, labels in itertools.islice(endless, steps):
            loss = F.nll_loss(model(images.to(device)), labels.to(device))
            if optimizer is not None:
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    do(WARM_UP)
    one = timed(partial(do, 1), device)
    steps = STEPS if STEPS * one <= ENOUGH else max(1, int(ENOUGH / one))
    return timed(partial(do, steps), device) / steps


def rounded(seconds: float) -> str:
    """Return a time in words that claim no more than an estimate can: steps of 1, 5 and 10 s, then minutes."""
    if seconds > 120:
        return f"{round(seconds / 60)} min"
    step = 1 if seconds < 10 else 5 if seconds < 60 else 10
    return f"{max(1, step * round(seconds / step))} s"


# --- the lower bound: an epoch's arithmetic at the machine's best rate ---


def layer_operations(model: nn.Module, image: tuple[int, int, int] = (1, 28, 28)) -> pd.DataFrame:
    """Count the floating-point operations of each convolution and linear layer for one image, as PyTorch counts them.

    Every number that comes out is a sum of products, and each product counts as two operations, `*` and `+`. Backward,
    a layer does this work twice: for the gradient of its weights, and for that of its input. The first layer's input
    is the image, which needs no gradient. Everything else (ReLU, pooling, …) is little beside it and isn't counted.

    Args:
        model: isn't changed; on any device. Its convolutions have one group: PyTorch counts too many for more.
        image: channels, height and width.

    Returns:
        Columns `forward` and `backward`, in operations; the index `layer` holds the layers' names.
    """
    trial = copy.deepcopy(model).eval()  # leaves the model without gradients, and draws no dropout
    with FlopCounterMode(display=False) as counter:
        log_probs = trial(torch.zeros(1, *image, device=next(trial.parameters()).device))
        forward = counter.get_flop_counts()
        log_probs.sum().backward()
    both = counter.get_flop_counts()
    names = [name for name, part in trial.named_modules() if isinstance(part, nn.Conv2d | nn.Linear)]
    table = pd.DataFrame(index=pd.Index(names, name="layer"))
    table["forward"], table["backward"] = (
        [sum(counts[f"{type(trial).__name__}.{name}"].values()) for name in names] for counts in (forward, both)
    )
    table["backward"] -= table["forward"]
    return table


def training_operations(model: nn.Module) -> int:
    """Return the floating-point operations needed to learn from one image, forward and backward."""
    return int(layer_operations(model).to_numpy().sum())


def matrix_rate(device: torch.device | str = "cpu", repeats: int = 15, dtype: torch.dtype = torch.float32) -> float:
    """Return the best rate of matrix products measured here, in floating-point operations per second.

    Takes PyTorch's settings as they are. On recent GPUs convolutions may use a shorter format (TF32) that matrix
    products by default don't, so there it gives no strict lower bound.

    Args:
        device: where to measure.
        repeats: products that are timed; the best counts, since whatever else the machine does only slows it down.
            Where they are slow (some processors only imitate 16 bits), fewer: none begins after `PATIENCE` seconds.
        dtype: of the numbers, such as torch.bfloat16.
    """
    device = torch.device(device)
    generator = torch.Generator().manual_seed(0)  # not the global one: measuring should change nothing
    one, other = (torch.rand(SIZE, SIZE, generator=generator).to(device, dtype) for _ in range(2))
    multiply = partial(torch.matmul, one, other, out=torch.empty_like(one))
    seconds = [timed(multiply, device)]  # the first takes longer
    while len(seconds) <= repeats and sum(seconds) < PATIENCE:
        seconds.append(timed(multiply, device))
    return 2 * SIZE**3 / min(seconds)


# --- the classic loop ---


def classic_images(dataset: data.Dataset, val_size: int | None, seed: int, mean: float, std: float) -> Subset:
    """Return the training images of the course's split, as torchvision hands them out: one at a time.

    It holds the gray values in memory. For each image that is asked for, it makes a PIL image, then a tensor, and
    normalizes that.

    Args:
        dataset, val_size, seed: as for `data.split`.
        mean, std: of the pixels on the scale 0 to 1.

    Returns:
        Pairs of an image float32 (1, 28, 28) and a label, an integer from 0 to 9; the order is that of `data.split`.
    """
    from torchvision import datasets, transforms  # takes a second, which chapters 3 and 6 need not wait

    steps = transforms.Compose([transforms.ToTensor(), transforms.Normalize((mean,), (std,))])
    images = datasets.MNIST.__new__(datasets.MNIST)  # its own __init__ would read files: we have the images already
    datasets.VisionDataset.__init__(images, "", transform=steps)
    images.data, images.targets = dataset.train_images, dataset.train_labels
    numbered = replace(dataset, train_labels=torch.arange(len(images)))  # split these: which image went where?
    train, _ = data.split(numbered, val_size, seed)
    return Subset(images, train.tensors[1].tolist())


def train_classic_epoch(model: nn.Module, batches: DataLoader, optimizer: Optimizer) -> float:
    """Go once over the training images, with a look at the loss after every step; return its mean.

    The bar is written to nowhere, so that it costs the same wherever this runs; on a screen it costs more.

    Args:
        model: changed in place.
        batches: yields images and labels in the processor's memory; each batch is copied to the model's device.
        optimizer: holds the model's parameters.
    """
    device = next(model.parameters()).device
    model.train()
    loss_sum, count = 0.0, 0
    with open(os.devnull, "w") as nowhere, tqdm(batches, "classic loop", file=nowhere) as bar:
        for images, labels in bar:
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = F.nll_loss(model(images), labels)
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(labels)  # waits for the device
            count += len(labels)
            bar.set_postfix(loss=loss.item())
    return loss_sum / count


# --- variants of an epoch ---


@dataclass(frozen=True)
class Variant:
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


CLASSIC = Variant()
FAST = Variant("by index", look=False, recipe=recipes.FAST)
LADDER = {  # each takes one more cost away
    "classic loop": CLASSIC,
    "images in memory": Variant("in memory"),
    "batch by index": Variant("by index"),
    "no look at each step": Variant("by index", look=False),
    "lighter recipe": replace(FAST, recipe=recipes.SHORT),
    "larger batches": replace(FAST, recipe=replace(recipes.FAST, channels_last=False, bfloat16=False)),
    "channels last": replace(FAST, recipe=replace(recipes.FAST, bfloat16=False)),
    "16 bits": FAST,
}
ALSO_TRIED = {  # and the rung of the ladder that it changes
    "two workers": ("classic loop", replace(CLASSIC, workers=2)),
    "16 bits alone": ("larger batches", replace(FAST, recipe=replace(recipes.FAST, channels_last=False))),
    "fused optimizer": ("16 bits", replace(FAST, fused=True)),
    "compiled": ("16 bits", replace(FAST, compiled=True)),
    "one thread": ("16 bits", replace(FAST, threads=1)),
}


def set_up(
    variant: Variant, prepared: data.DataSplits, one_by_one: Subset, seed: int, epochs: int
) -> tuple[nn.Module, Callable[[], float]]:
    """Return a new network, and the function that trains it for one epoch at each call and returns the mean loss.

    Args:
        variant: how.
        prepared: the images in the memory of the device where training happens.
        one_by_one: the same training images, as torchvision hands them out.
        seed: of weights, order and dropout.
        epochs: how many are to come, for a learning rate that follows a schedule.
    """
    torch.manual_seed(seed)
    recipe = variant.recipe
    model = recipes.build(recipe).to(prepared.train.tensors[0].device)
    optimizer = recipes.make_optimizer(recipe, model, variant.fused)
    batches = variant_batches(variant, prepared, one_by_one, seed)
    if variant.compiled:
        model.compile()
    if variant.look:
        train = partial(train_classic_epoch, model, batches, optimizer)
    else:
        schedule, loss = recipes.make_schedule(recipe, optimizer, epochs * len(batches)), recipes.make_loss(recipe)
        options: dict[str, Any] = {"scheduler": schedule, "bfloat16": recipe.bfloat16, "loss_function": loss}
        train = partial(training.train_epoch, model, batches, optimizer, **options)
    return model, train if variant.threads is None else partial(with_threads, variant.threads, train)


def with_threads(threads: int, work: Callable[[], float]) -> float:
    """Do `work` with so many threads of the processor, then allow as many as before."""
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        return work()
    finally:
        torch.set_num_threads(before)


def variant_batches(variant: Variant, prepared: data.DataSplits, one_by_one: Subset, seed: int) -> DataLoader:
    """Return the training images in batches, in random order, loaded as the variant says; see `set_up`."""
    if variant.loading == "by index":
        return recipes.train_batches(variant.recipe, prepared, seed)
    images = one_by_one if variant.loading == "one by one" else prepared.train
    return DataLoader(images, batch_size=variant.recipe.batch_size, shuffle=True, num_workers=variant.workers)
