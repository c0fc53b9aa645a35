"""Speed: fair timing, the lower bound of an epoch, and variants of it from the classic loop to the fastest."""

import copy
import itertools
import os
import statistics
import struct
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import Optimizer
from torch.utils.data import DataLoader, Subset
from torchvision import datasets, transforms
from tqdm import tqdm

from helpers import data, recipes, training
from helpers.recipes import Recipe

WARM_UP = 3  # steps: the first ones also choose how to compute, and reserve memory
STEPS = 20  # timed, at most
ENOUGH = 1.0  # seconds of timed steps; slow steps need not be so many


def wait_for(device: torch.device) -> None:
    """Wait until `device` has done what it was given: an accelerator works on while Python goes ahead."""
    if device.type != "cpu":
        torch.accelerator.synchronize(device)


def timed(work: Callable[[], object], device: torch.device) -> float:
    """Do `work` and return the seconds that it took, the work of the device included."""
    wait_for(device)
    start = time.perf_counter()
    work()
    wait_for(device)
    return time.perf_counter() - start


def ratio(slow: Sequence[float], fast: Sequence[float]) -> float:
    """Return how many times faster the second is: the median of the ratios of all turns.

    Args:
        slow, fast: seconds, turn by turn. What slowed a turn down slowed both, so a turn's ratio is fairer than the
            ratio of two medians.
    """
    return statistics.median(before / after for before, after in zip(slow, fast, strict=True))


def estimate_time(model: nn.Module, batches: DataLoader, epochs: int, val_batches: DataLoader | None = None) -> float:
    """Print about how long a training will take here, judged by a few steps of a copy of the model.

    Nothing is changed: neither the model and its mode, nor the order of the batches that come, nor the random numbers.
    The steps are those of plain SGD. Adam takes a little longer, and so does a machine that is busy later on.

    Args:
        model: images (N, 1, 28, 28) to log-probabilities (N, 10).
        batches: yields training images and labels.
        epochs: passes over the training images.
        val_batches: what is predicted after each epoch, if anything is.

    Returns:
        The estimate in seconds, not rounded.

    Raises:
        ValueError: there is no batch.
    """
    device = next(model.parameters()).device
    trial = copy.deepcopy(model).train()
    optimizer = torch.optim.SGD(trial.parameters(), lr=0.001)

    def learn(images: torch.Tensor, labels: torch.Tensor) -> None:
        optimizer.zero_grad()
        F.nll_loss(trial(images.to(device)), labels.to(device)).backward()
        optimizer.step()

    @torch.no_grad()
    def predict(images: torch.Tensor, _: torch.Tensor) -> None:
        trial(images.to(device))

    with undisturbed(device, batches, val_batches):
        seconds = _seconds_a_batch(learn, batches, device) * len(batches)
        if val_batches is not None:
            trial.eval()
            seconds += _seconds_a_batch(predict, val_batches, device) * len(val_batches)
    seconds *= epochs
    print(f"about {rounded(seconds)} for {epochs} {'epoch' if epochs == 1 else 'epochs'} here")
    return seconds


@contextmanager
def undisturbed(device: torch.device, *loaders: DataLoader | None) -> Iterator[None]:
    """Put all random numbers back in the end: PyTorch's own, the device's, and those that order the batches."""
    generators = [torch.default_generator, *(found for loader in loaders for found in _generators(loader))]
    states = [generator.get_state() for generator in generators]
    of_device = None if device.type == "cpu" else torch.get_device_module(device)
    device_state = None if of_device is None else of_device.get_rng_state()
    try:
        yield
    finally:
        for generator, state in zip(generators, states, strict=True):
            generator.set_state(state)
        if of_device is not None:
            of_device.set_rng_state(device_state)


def _generators(batches: DataLoader | None) -> list[torch.Generator]:
    """Return what the batches draw from: the loader's generator, and the one inside its sampler."""
    sampler = getattr(batches, "sampler", None)
    holders = (batches, sampler, getattr(sampler, "sampler", None))  # `make_batches` wraps one sampler in another
    found = [getattr(holder, "generator", None) for holder in holders]
    return [generator for generator in found if generator is not None]


def _seconds_a_batch(work: Callable, batches: DataLoader, device: torch.device) -> float:
    """Do `work` on a few batches, beginning again where there are fewer, and return its mean time, fetching included.

    Raises:
        ValueError: there is no batch.
    """
    if len(batches) == 0:
        raise ValueError("batches: there are none, so there is nothing to time")
    endless = itertools.chain.from_iterable(itertools.repeat(batches))
    for images, labels in itertools.islice(endless, WARM_UP):
        work(images, labels)
    wait_for(device)
    start, steps, seconds = time.perf_counter(), 0, 0.0
    while steps < STEPS and seconds < ENOUGH:
        work(*next(endless))
        steps, seconds = steps + 1, time.perf_counter() - start
    wait_for(device)
    return (time.perf_counter() - start) / steps


def rounded(seconds: float) -> str:
    """Return a time in words that claim no more than an estimate can: steps of 1, 5 and 10 s, then minutes."""
    if seconds > 120:
        return f"{round(seconds / 60)} min"
    step = 1 if seconds < 10 else 5 if seconds < 60 else 10
    return f"{max(1, step * round(seconds / step))} s"


IMAGE = (1, 28, 28)  # channels, height, width
SIZE = 2048  # rows and columns of the matrices: large enough for full speed, 50 MB for three of them


def layer_operations(model: nn.Module, image: tuple[int, int, int] = IMAGE) -> list[dict[str, object]]:
    """Count the floating point operations of each convolution and linear layer for one image.

    Every number that comes out is a sum of products, so each product counts two operations, `*` and `+`. Backward, the
    layer does such work twice: for the gradient of its weights, and for that of its input. The first layer's input are
    the images, which need no gradient. Everything else (ReLU, pooling, …) is little beside it and isn't counted.

    Args:
        model: changed neither in its weights nor in its mode; on any device.
        image: channels, height and width.

    Returns:
        One entry a layer, in the order of computation: `layer` (its name), `forward` and `backward` (operations).
    """
    rows: list[dict[str, object]] = []

    def count(layer: nn.Module, output: torch.Tensor, name: str) -> None:
        products = layer.weight[0].numel() * output[0].numel()  # for each number that comes out, one row of weights
        rows.append({"layer": name, "forward": 2 * products, "backward": (4 if rows else 2) * products})

    layers = {name: part for name, part in model.named_modules() if isinstance(part, nn.Conv2d | nn.Linear)}
    handles = [
        layer.register_forward_hook(lambda part, _, output, name=name: count(part, output, name))
        for name, layer in layers.items()
    ]
    training = model.training
    try:
        with torch.no_grad():
            model.eval()(torch.zeros(1, *image, device=next(model.parameters()).device))  # eval: draws no dropout
    finally:
        model.train(training)
        for handle in handles:
            handle.remove()
    return rows


def training_operations(model: nn.Module, image: tuple[int, int, int] = IMAGE) -> int:
    """Return the floating point operations to learn from one image, forward and backward."""
    return sum(row["forward"] + row["backward"] for row in layer_operations(model, image))


def matrix_rate(device: torch.device | str = "cpu", repeats: int = 10) -> float:
    """Return the best rate of float32 matrix products measured here, in floating point operations a second.

    Takes PyTorch's settings as they are. On recent GPUs convolutions may use a shorter format (TF32) that matrix
    products by default don't, so there it is no strict floor.

    Args:
        device: where to measure.
        repeats: the best of so many counts, since whatever else the machine does only slows it down.
    """
    device = torch.device(device)
    generator = torch.Generator().manual_seed(0)  # not the global one: to measure should change nothing
    one, other = (torch.rand(SIZE, SIZE, generator=generator).to(device) for _ in range(2))
    product = one @ other  # the first takes longer
    best = float("inf")
    for _ in range(repeats):
        wait_for(device)
        start = time.perf_counter()
        torch.matmul(one, other, out=product)
        wait_for(device)
        best = min(best, time.perf_counter() - start)
    return 2 * SIZE**3 / best


def classic_images(dataset: data.Dataset, val_size: int | None, seed: int, mean: float, std: float) -> Subset:
    """Return the training images of the course's split, as torchvision hands them out: one at a time.

    The class is `torchvision.datasets.MNIST` itself. It reads files in MNIST's format, so we write those, into a
    temporary folder; that way it takes the embedded digits too. It holds the grey values in memory; for each image that
    is asked for it makes a PIL image, then a tensor, and normalises that.

    Args:
        dataset, val_size, seed: as for `data.split`.
        mean, std: of the pixels on the scale 0 to 1.

    Returns:
        Pairs of an image float32 (1, 28, 28) and a label, an integer from 0 to 9; the order is that of `data.split`.
    """
    steps = transforms.Compose([transforms.ToTensor(), transforms.Normalize((mean,), (std,))])
    with tempfile.TemporaryDirectory() as folder:
        raw = Path(folder, "MNIST", "raw")
        raw.mkdir(parents=True)
        _write_idx(raw / "train-images-idx3-ubyte", dataset.train_images)
        _write_idx(raw / "train-labels-idx1-ubyte", dataset.train_labels)
        _write_idx(raw / "t10k-images-idx3-ubyte", dataset.test_images)
        _write_idx(raw / "t10k-labels-idx1-ubyte", dataset.test_labels)
        images = datasets.MNIST(folder, train=True, transform=steps)
    numbered = replace(dataset, train_labels=torch.arange(len(dataset.train_labels)))  # split these: who went where?
    train, _ = data.split(numbered, val_size, seed)
    return Subset(images, train.tensors[1].tolist())


def _write_idx(path: Path, numbers: Tensor) -> None:
    """Write integers from 0 to 255 in the format that `data.read_idx` explains, unpacked."""
    header = struct.pack(f">BBBB{numbers.ndim}i", 0, 0, 8, numbers.ndim, *numbers.shape)
    path.write_bytes(header + numbers.to(torch.uint8).numpy().tobytes())


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
    loss_sum = 0.0
    with open(os.devnull, "w") as nowhere, tqdm(batches, "classic loop", file=nowhere) as bar:
        for images, labels in bar:
            images, labels = images.to(device), labels.to(device)
            optimizer.zero_grad()
            loss = F.nll_loss(model(images), labels)
            loss.backward()
            optimizer.step()
            loss_sum += loss.item() * len(labels)  # waits for the device
            bar.set_postfix(loss=loss.item())
    return loss_sum / len(batches.dataset)


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

Start = Callable[[Variant, int, int], tuple[nn.Module, Callable[[], float]]]
"""Takes a way, a seed and the epochs to come; returns a new network and what trains it for one epoch."""


def starter(prepared: data.DataSplits, one_by_one: Subset) -> Start:
    """Return what starts a training in some way on these images.

    Args:
        prepared: the images in the memory of the device where training happens.
        one_by_one: the same training images, as torchvision hands them out.
    """

    def start(way: Variant, seed: int, epochs: int) -> tuple[nn.Module, Callable[[], float]]:
        torch.manual_seed(seed)
        recipe = way.recipe
        model = recipes.build(recipe).to(prepared.train.tensors[0].device)
        optimizer = recipes.make_optimizer(recipe, model, way.fused)
        batches = variant_batches(way, prepared, one_by_one, seed)
        network = torch.compile(model) if way.compiled else model
        if way.look:
            train = partial(train_classic_epoch, network, batches, optimizer)
        else:
            schedule = recipes.make_schedule(recipe, optimizer, epochs * len(batches))
            options = {"scheduler": schedule, "bfloat16": recipe.bfloat16, "loss_function": recipes.make_loss(recipe)}
            train = partial(training.train_epoch, network, batches, optimizer, **options)
        return model, train if way.threads is None else partial(with_threads, way.threads, train)

    return start


def variant_batches(way: Variant, prepared: data.DataSplits, one_by_one: Subset, seed: int) -> DataLoader:
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
