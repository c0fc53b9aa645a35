"""Small training runs for the tests of checkpoints and interruptions: everything fresh, the same each time."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer
from torch.utils.data import TensorDataset

from helpers import data, training
from helpers.model import MNISTClassification

Hook = Callable[[], None]


class Watched(TensorDataset):
    """Images that call `hook` when the batch number `batch` is taken, counted from 1 over all epochs."""

    def __init__(self, dataset: TensorDataset, batch: int, hook: Hook):
        super().__init__(*dataset.tensors)
        self.left, self.hook = batch, hook

    def __getitem__(self, index: list[int]) -> tuple[torch.Tensor, ...]:
        self.left -= 1
        if self.left == 0:
            self.hook()
        return super().__getitem__(index)


@dataclass
class Start:
    """All that `fit` needs. 100 images in batches of 16 are 7 steps an epoch."""

    dataset: TensorDataset
    lr: float = 0.003
    optimizer_class: type[Optimizer] = torch.optim.Adam
    schedule: Callable | None = None
    seed: int = 0
    order_seed: int = 0
    batch_size: int = 16
    fc_dropout: float = 0.5
    val_count: int = 40
    at_batch: int = 0  # of the training images; 0: never
    at_val_batch: int = 0
    hook: Hook | None = None

    def __post_init__(self) -> None:
        torch.manual_seed(self.seed)
        self.model: nn.Module = MNISTClassification(fc_dropout=self.fc_dropout)
        self.optimizer = self.optimizer_class(self.model.parameters(), lr=self.lr)
        self.scheduler = self.schedule(self.optimizer) if self.schedule else None
        val = TensorDataset(*(tensor[-self.val_count :] for tensor in self.dataset.tensors))
        watched = Watched(self.dataset, self.at_batch, self.hook)
        self.train = data.make_batches(watched, self.batch_size, shuffle=True, seed=self.order_seed)
        self.val = data.make_batches(Watched(val, self.at_val_batch, self.hook), 30)

    def fit(self, epochs: int, **options: object) -> list[dict]:
        return training.fit(
            self.model, self.train, self.val, self.optimizer, epochs, scheduler=self.scheduler, **options
        )

    def resume(self, epochs: int, checkpoint: Path, **options: object) -> list[dict]:
        return self.fit(epochs, checkpoint=checkpoint, resume=True, **options)


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """Return a copy of the weights."""
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def equal(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    """Compare weights to the last bit."""
    return one.keys() == other.keys() and all(torch.equal(tensor, other[name]) for name, tensor in one.items())


def numbers(history: list[dict]) -> list[dict]:
    """Return the history without what a clock says."""
    return [{name: value for name, value in entry.items() if name != "seconds"} for entry in history]
