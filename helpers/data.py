"""Load a data set, split it, normalize it, batch it: the images stay in memory as tensors."""

import gzip
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    DistributedSampler,
    RandomSampler,
    Sampler,
    SequentialSampler,
    TensorDataset,
)

from helpers import settings
from helpers.download import DataError, SettingError, ensure_archives, published

SUBJECTS = {  # what the images show, for somebody who doesn't know the data set
    "mnist": "handwritten digits",
    "fashion": "clothes, shoes and bags from a shop's catalog",
    "kmnist": "characters (hiragana) from old Japanese books, named here by their sound",
    "qmnist": "handwritten digits, MNIST's rebuilt from their source and with a larger test set",
    "digits": "handwritten digits",
}


@dataclass(frozen=True)
class Dataset:
    """Images and labels in memory, as the archives hold them.

    Attributes:
        name: `mnist`, `fashion`, `kmnist`, `qmnist` or `digits`.
        title: the name in prose.
        class_names: ten names, in the order of the labels.
        train_images, test_images: uint8 (N, 28, 28), 0 is paper and 255 is ink.
        train_labels, test_labels: int64 (N,), values 0 to 9.
        note: why the embedded sample stands in for MNIST; empty where nothing stands in.
    """

    name: str
    title: str
    class_names: tuple[str, ...]
    train_images: Tensor
    train_labels: Tensor
    test_images: Tensor
    test_labels: Tensor
    note: str = field(default="", kw_only=True)

    @property
    def subject(self) -> str:
        """What the images show, in words that continue a sentence."""
        return SUBJECTS[self.name]


def load_dataset(name: str = "auto", data_dir: str | Path = "data", mirror: str | None = None) -> Dataset:
    """Load a data set, fetching its archives if they are missing.

    Args:
        name: see `Dataset.name`; `auto` takes MNIST if it can be had, else the embedded digits, and says so in `note`.
        data_dir: folder of the archives; a relative path starts at the course's root.
        mirror: address of a folder on the web to ask first.

    Raises:
        ValueError: the name or the home folder `~NAME` is unknown; as a DataError, the data can't be had; as a
            SettingError, which `auto` doesn't hide, `data_dir` can't be used or `mirror` is no address.
    """
    settings.check(dataset=name)
    if name == "digits":
        return _embedded_digits()
    try:
        return _from_archives("mnist" if name == "auto" else name, settings.from_root(data_dir), mirror)
    except DataError as error:
        if name != "auto" or isinstance(error, SettingError):
            raise
        return _embedded_digits(note=str(error))


def _from_archives(name: str, data_dir: Path, mirror: str | None) -> Dataset:
    arrays = [read_idx(path) for path in ensure_archives(name, data_dir, mirror)]
    arrays = [array[:, 0] if array.ndim == 2 else array for array in arrays]  # QMNIST: the class is the first column
    tensors = [torch.from_numpy(array.astype(np.uint8 if array.ndim == 3 else np.int64)) for array in arrays]
    class_names = tuple(label.partition(" - ")[0] for label in published(name).classes)  # '7 - seven' is our '7'
    return Dataset(name, settings.TITLES[name], class_names, *tensors)


def read_idx(path: Path) -> np.ndarray:
    """Unpack one `.gz` archive in the IDX format: a header with the shape, then the numbers.

    The third byte of the header is the type of the numbers, the fourth is how many axes there are;
    then comes the length of each axis, in four bytes.
    """
    content = gzip.decompress(path.read_bytes())
    dtype = np.dtype({8: "u1", 12: ">i4"}[content[2]])
    shape = np.frombuffer(content, ">i4", count=content[3], offset=4)
    return np.frombuffer(content, dtype, offset=4 + 4 * len(shape)).reshape(shape)


def _embedded_digits(note: str = "") -> Dataset:
    """Return scikit-learn's 1,797 handwritten 8×8 digits, made to look like MNIST: 1,500 to train, 297 to test."""
    from sklearn.datasets import load_digits  # takes a second, which MNIST need not wait

    sample = load_digits()
    images = torch.from_numpy(sample.images).float().unsqueeze(1) * (255 / 16)  # from 0 to 16
    enlarged = F.interpolate(images, size=(20, 20), mode="bilinear", align_corners=False)
    images = F.pad(enlarged, (4, 4, 4, 4)).squeeze(1).round().to(torch.uint8)  # a margin of 4, as MNIST has
    labels = torch.from_numpy(sample.target).long()
    order = torch.randperm(len(labels), generator=torch.Generator().manual_seed(0))  # the same test set for everybody
    images, labels = images[order], labels[order]
    tensors = images[:1500], labels[:1500], images[1500:], labels[1500:]
    return Dataset("digits", settings.TITLES["digits"], tuple("0123456789"), *tensors, note=note)


def split(dataset: Dataset, val_size: int | None, seed: int) -> tuple[TensorDataset, TensorDataset]:
    """Split the training images into training and validation sets, at random but repeatably.

    Args:
        dataset: N training images.
        val_size: images to hold out, 1 ≤ val_size < N; None holds out one in six (10,000 of MNIST's 60,000).
        seed: of the permutation; the same seed gives the same split on every machine.

    Returns:
        Training set and validation set, images uint8 (n, 28, 28) with labels int64 (n,).

    Raises:
        ValueError: if no image would be left to train on, or none to validate with.
    """
    images, labels = dataset.train_images, dataset.train_labels
    total = len(labels)
    val_size = total // 6 if val_size is None else val_size
    if not 1 <= val_size < total:
        allowed = f"1 to {total - 1}, so that some of the {total} training images are left"
        raise ValueError(f"val_size: got {val_size}; give {allowed}")
    order = torch.randperm(total, generator=torch.Generator().manual_seed(seed))
    train, val = order[:-val_size], order[-val_size:]
    return TensorDataset(images[train], labels[train]), TensorDataset(images[val], labels[val])


def pixel_statistics(images: Tensor) -> tuple[float, float]:
    """Return mean and standard deviation of all pixels of uint8 images (N, 28, 28), on the scale 0 to 1.

    Counts the 256 gray values instead of converting every pixel: exact, and little memory.
    """
    counts = images.flatten().bincount(minlength=256).double()
    values = torch.arange(256, dtype=torch.float64) / 255
    mean = (counts * values).sum() / counts.sum()
    variance = (counts * (values - mean) ** 2).sum() / counts.sum()
    return mean.item(), variance.sqrt().item()


def normalize(images: Tensor, mean: float, std: float) -> Tensor:
    """Turn uint8 images (N, 28, 28) into the network's input: float32 (N, 1, 28, 28), mean 0, standard deviation 1.

    `mean` and `std` are those of the training pixels, on the scale 0 to 1, as `pixel_statistics` returns them.
    """
    return images.unsqueeze(1).float().div_(255).sub_(mean).div_(std)


class IndexBatchSampler(Sampler[Tensor]):
    """Groups the indices of another sampler into batches, as PyTorch's `BatchSampler` does in chapter 1.

    Here a batch is a tensor, int64 (batch_size,), on the images' `device`. Lists would have to be copied to an
    accelerator batch by batch, and it would wait for each; this is one copy per epoch.
    """

    def __init__(self, sampler: RandomSampler | SequentialSampler, batch_size: int, device: torch.device):
        self.sampler, self.batch_size, self.device = sampler, batch_size, device

    def __iter__(self) -> Iterator[Tensor]:
        indices = torch.tensor(list(self.sampler), dtype=torch.int64, device=self.device)
        for start in range(0, len(indices), self.batch_size):
            yield indices[start : start + self.batch_size]

    def __len__(self) -> int:
        return math.ceil(len(self.sampler) / self.batch_size)


def make_batches(
    dataset: TensorDataset,
    batch_size: int,
    shuffle: bool = False,
    seed: int = 0,
    augment: Callable[[Tensor], Tensor] | None = None,
) -> DataLoader:
    """Return a loader that takes each batch from memory in one index operation.

    Args:
        dataset: tensors whose first axis is the image; images first, then labels.
        batch_size: images per batch; the last batch holds what is left.
        shuffle: draw a new order every epoch; `seed` fixes the orders.
        augment: changes the images of each batch when it is taken.
    """
    generator = torch.Generator().manual_seed(seed)
    sampler = RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
    return DataLoader(
        dataset,
        sampler=IndexBatchSampler(sampler, batch_size, dataset.tensors[0].device),
        batch_size=None,
        collate_fn=None if augment is None else lambda batch: (augment(batch[0]), batch[1]),
        # A loader draws one random number at the start of each pass. Drawn from PyTorch's global generator, it would
        # change the dropout that follows, so that one pass more, to look at a batch, would train another network.
        generator=torch.Generator(),
    )


def share_batches(dataset: TensorDataset, batch_size: int, seed: int, rank: int, ranks: int) -> DataLoader:
    """Return one process's share of every batch.

    PyTorch's DistributedSampler shuffles the images in the same way in each process and deals them out like cards. So
    the shares of a batch make up exactly the batch that a single process would take. What is left at the end of an
    epoch and fills no batch is left out, since every process needs images in every step.

    Args:
        dataset: N images and labels, the same in each process.
        batch_size: images in the batch of all processes, a multiple of `ranks`, at most N.
        seed: of the orders; `batches.sampler.sampler.set_epoch(epoch)` chooses that of an epoch.
        rank: of this process, 0 to `ranks` - 1.

    Raises:
        ValueError: the batch can't be shared evenly, or there are not enough images for one.
    """
    if batch_size % ranks or batch_size > len(dataset):
        advice = f"give a multiple of {ranks}, the number of processes, up to {len(dataset)}, the number of images"
        raise ValueError(f"batch_size: got {batch_size}; {advice}")
    order: DistributedSampler = DistributedSampler(dataset, ranks, rank, shuffle=True, seed=seed, drop_last=True)
    batches = BatchSampler(order, batch_size // ranks, drop_last=True)
    return DataLoader(dataset, sampler=batches, batch_size=None, generator=torch.Generator())


@dataclass(frozen=True)
class DataSplits:
    """The three sets as the network takes them: images float32 (N, 1, 28, 28), labels int64 (N,), on one device.

    Attributes:
        train, val, test: the sets.
        mean, std: of the training pixels on the scale 0 to 1; all three sets are normalized with them.
    """

    train: TensorDataset
    val: TensorDataset
    test: TensorDataset
    mean: float
    std: float


def prepare(dataset: Dataset, val_size: int | None, seed: int, device: torch.device | str = "cpu") -> DataSplits:
    """Split, normalize by the training set, and copy to `device`: chapter 1 in one call.

    Arguments and errors are those of `split`. The images are copied to the device once, before the training.
    """
    train, val = split(dataset, val_size, seed)
    mean, std = pixel_statistics(train.tensors[0])
    test = TensorDataset(dataset.test_images, dataset.test_labels)

    def ready(part: TensorDataset) -> TensorDataset:
        images, labels = part.tensors
        return TensorDataset(normalize(images, mean, std).to(device), labels.to(device))

    return DataSplits(ready(train), ready(val), ready(test), mean, std)
