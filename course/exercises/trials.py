"""What is done beside a learner's code, where numbers alone don't tell: a step, an epoch, a measuring, batches.

Each trial takes plain values and an answer, and returns plain values; what is right, it doesn't know. So when thirty
notebooks are graded, a trial runs in the learner's process and the check in another one. A `Reader` goes there whole.
"""

from collections import Counter
from collections.abc import Callable
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import SGD
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.data import TensorDataset

from course.exercises.errors import explain
from course.exercises.values import WrongAnswer
from helpers import data

SIZES = (8, 8, 2)  # of the batches; the last one is smaller, as in most epochs
NO_BATCH = "Your function took no batch from `batches`: does it read a name of the notebook instead of its arguments?"


class Dropout(nn.Dropout):
    """Drops the same half of the values each time, so that a comparison needs no luck and no seed."""

    def forward(self, values: Tensor) -> Tensor:
        return 2 * values * (torch.arange(values.shape[1]) % 2) if self.training else values


class Reader(nn.Sequential):
    """Reads images (N, 1, 28, 28): log-probabilities (N, 10), from a convolution as large as the image."""

    def __init__(self) -> None:
        super().__init__(nn.Conv2d(1, 10, 28), nn.Flatten(), nn.LogSoftmax(dim=1))
        self.eval()

    def plain(self) -> list:
        """Return what an answer may change: the mode of each part, and each parameter with its gradient."""
        return [[part.training for part in self.modules()], [(one, one.grad) for one in self.parameters()]]

    def become(self, plain: list) -> None:
        """Take over what `plain` returned of another reader.

        Raises:
            ValueError: it is something else.
        """
        modes, parameters = plain
        for part, training in zip(self.modules(), modes, strict=True):
            part.training = training is True
        for own, (value, grad) in zip(self.parameters(), parameters, strict=True):
            for one in [value] if grad is None else [value, grad]:
                if not isinstance(one, Tensor) or (one.shape, one.dtype) != (own.shape, own.dtype):
                    raise ValueError(f"got {one!r}; a parameter of a reader is float32 {tuple(own.shape)}")
            own.data, own.grad = value.detach(), grad
            own.requires_grad_(value.requires_grad)


class Counted(TensorDataset):
    """Images and labels that count how many batches were fetched."""

    fetched = 0

    def __getitem__(self, index: list[int]) -> tuple[Tensor, ...]:
        self.fetched += 1
        return super().__getitem__(index)


def tiny_batches(images: Tensor, labels: Tensor) -> Any:
    """Return batches of 8, 8 and 2 images, always in the same order."""
    return data.make_batches(Counted(images, labels), SIZES[0])


def tiny_network(values: Tensor | None = None) -> nn.Module:
    """Return a network with random weights, or these: images (N, 1, 4, 4) to log-probabilities (N, 10)."""
    layers = nn.Flatten(), nn.Linear(16, 12), nn.Tanh(), Dropout(), nn.Linear(12, 10), nn.LogSoftmax(dim=1)
    model = nn.Sequential(*layers)
    if values is not None:
        nn.utils.vector_to_parameters(values.clone(), model.parameters())
    return model


def weights(model: nn.Module) -> Tensor:
    """Return all parameters as one long tensor, copied."""
    return nn.utils.parameters_to_vector(model.parameters()).detach()


def step(answer: Callable, values: Tensor, grads: Tensor, rate: float) -> tuple[Tensor, Tensor, bool, bool]:
    """Let an answer take one step with a tiny model, whose parameters and gradients are given, float32 (13,) each.

    Returns:
        The parameters that an optimizer would hold; those that the model has now; whether gradients are still on; and
        whether all parameters still require them.
    """
    model = nn.Sequential(nn.Linear(2, 3), nn.Linear(3, 1))
    owned = list(model.parameters())
    sizes = [parameter.numel() for parameter in owned]
    for parameter, value, its in zip(owned, values.split(sizes), grads.split(sizes), strict=True):
        parameter.data, parameter.grad = value.reshape(parameter.shape).clone(), its.reshape(parameter.shape).clone()
    answer(model, rate)
    on = torch.is_grad_enabled()
    after, now = (torch.cat([q.detach().flatten() for q in each]) for each in (owned, model.parameters()))
    return after, now, on, all(parameter.requires_grad for parameter in owned)


def convolving_network() -> nn.Module:
    """Return a network with random weights that begins with a convolution: images (N, 1, 28, 28) to (N, 10)."""
    layers = nn.Conv2d(1, 12, 28), nn.Flatten(), nn.Tanh(), Dropout(), nn.Linear(12, 10), nn.LogSoftmax(dim=1)
    return nn.Sequential(*layers)


def batch_step(answer: Callable, start: Tensor, images: Tensor, labels: Tensor) -> tuple[Tensor, Any] | None:
    """Let an answer take one step with a small network, which comes in eval() and with gradients of an earlier step.

    Returns:
        The weights and the numbers of backward() and of step(); what the answer returned.
        None if the answer returned nothing.
    """
    model = convolving_network().eval()
    nn.utils.vector_to_parameters(start.clone(), model.parameters())
    optimizer = SGD(model.parameters(), lr=0.2)
    for parameter in model.parameters():
        parameter.grad = torch.full_like(parameter, 0.1)
    gradients, steps = Counter[str](), Counter[str]()
    next(model.parameters()).register_post_accumulate_grad_hook(lambda parameter: gradients.update("b"))
    optimizer.register_step_post_hook(lambda *given: steps.update("s"))
    returned = answer(images, labels, model, optimizer)
    done = torch.tensor([gradients.total(), steps.total()])
    return None if returned is None else (torch.cat([weights(model), done]), returned)


def epoch(answer: Callable, start: Tensor, images: Tensor, labels: Tensor) -> tuple[Tensor, Any, int] | None:
    """Let an answer train the tiny network once, with an optimizer that has a past.

    Returns:
        The weights and the numbers of backward() and of step(); what the answer returned; the batches fetched.
        None if the answer returned nothing.
    """
    model, batches = tiny_network(start).eval(), tiny_batches(images, labels)
    optimizer = SGD(model.parameters(), lr=0.4, momentum=0.5)  # a large rate, so that every mistake moves far
    for parameter in model.parameters():  # it has a past, which a new optimizer would not know
        optimizer.state[parameter]["momentum_buffer"] = torch.full_like(parameter, 0.1)
    gradients, steps = Counter[str](), Counter[str]()
    next(model.parameters()).register_post_accumulate_grad_hook(lambda parameter: gradients.update("b"))
    optimizer.register_step_post_hook(lambda *given: steps.update("s"))
    returned = _on_batches(answer, model, batches, optimizer)
    done = torch.tensor([gradients.total(), steps.total()])
    return None if returned is None else (torch.cat([weights(model), done]), returned, batches.dataset.fetched)


def measure(answer: Callable, start: Tensor, images: Tensor, labels: Tensor) -> tuple[Any, bool, list[bool]] | None:
    """Let an answer measure the tiny network, which comes with its dropout on.

    Returns:
        What the answer returned; whether it took any batch or called the model; of each call, whether gradients were
        off. None if the answer returned nothing.
    """
    model, batches, silent = tiny_network(start).train(), tiny_batches(images, labels), list[bool]()
    model.register_forward_hook(lambda *given: silent.append(not torch.is_grad_enabled()))
    returned = _on_batches(answer, model, batches)
    return None if returned is None else (returned, bool(batches.dataset.fetched or silent), silent)


def _on_batches(answer: Callable, model: nn.Module, batches: Any, *more: object) -> Any:
    """Call an answer that is to go through `batches`; say so if it went through others."""
    try:
        return answer(model, batches, *more)
    except RuntimeError as error:
        if batches.dataset.fetched == 0 and "shapes cannot be multiplied" in str(error):
            raise WrongAnswer(f"{explain(error)} {NO_BATCH}") from None
        raise


# The operations of PyTorch that take something out of a tensor.
COPYING = {"index", "index_select", "gather", "take", "embedding", "clone"}
TAKING = {*COPYING, "select", "slice", "narrow", "masked_select"} - {"clone"}


class Operations(TorchDispatchMode):
    """Counts the operations that take something out of a tensor, and the tensors that are put together again.

    It also notes how many images a single one of them copies at most; a slice copies none.
    """

    count = most = 0

    def __torch_dispatch__(self, func: Any, types: object, args: tuple = (), kwargs: dict | None = None) -> object:
        name, result = func.overloadpacket.__name__, func(*args, **(kwargs or {}))
        self.count += len(args[0]) if name in ("cat", "stack") else name in TAKING
        if name in COPYING and result.ndim > 1:
            self.most = max(self.most, len(result))
        return result


def collect(answer: Callable, images: Tensor, labels: Tensor, batch_size: int, order: Tensor) -> Any:
    """Let an answer hand out its batches.

    Returns:
        What it returned, as a list where it can be one; how many operations took something out of a tensor or joined
        pieces; the most images that one of them copied. None if the answer returned nothing.
    """
    with Operations() as operations:
        got: Any = answer(images, labels, batch_size, order)
        if hasattr(got, "__iter__") and not isinstance(got, Tensor | str | dict):
            got = list(islice(got, len(order) + 2))
    if isinstance(got, list) and len(got) > len(order) + 1:
        came = f"More than {len(order) + 1} batches came, and {len(order)} images are in `order`"
        raise WrongAnswer(f"{came}. When does your loop end?")
    return None if got is None else (got, operations.count, operations.most)
