"""How long did it take, and how long will it? Seconds, fair ratios, and an estimate before a long cell."""

import copy
import itertools
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader

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
