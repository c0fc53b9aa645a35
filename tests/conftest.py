"""What several test files share: small data made here, and a world without MNIST's mirrors."""

import os
import signal
import socket
from collections.abc import Iterator

if "PYTEST_XDIST_WORKER" in os.environ:  # two test processes share the processor: threads that wait would spin
    os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
import torch
from browser import started
from torch.utils.data import TensorDataset

from helpers import data, download, settings

# Two processes take one file after the other: a long one begun last would leave the other process with nothing to do.
LONG_FILES_FIRST = (
    "test_reruns",
    "test_chapters",
    "test_sweep",
    "test_sweep_cluster",
    "test_other_data",
    "test_handouts",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files, not the tests in them."""
    ranks = {name: rank for rank, name in enumerate(LONG_FILES_FIRST)}
    items.sort(key=lambda item: ranks.get(item.path.stem, len(ranks)))


HAS_MNIST = all((settings.ROOT / "data" / "MNIST" / "raw" / name).is_file() for name in download.archives("mnist")[0])

# A suite that is started in the background is deaf to Ctrl-C, and so would be everything it starts. Tests press it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def digits() -> data.Dataset:
    """The embedded digits, which need no file and no network."""
    return data.load_dataset("digits")


@pytest.fixture(scope="module")
def browser() -> Iterator[object]:
    """The browser of this machine, without a window."""
    with started() as browser:
        yield browser


@pytest.fixture
def easy() -> TensorDataset:
    """100 images float32 (100, 1, 28, 28), ten of each class: the class is the place of a bright bar, amid noise."""
    generator = torch.Generator().manual_seed(1)
    labels = torch.arange(100) % 10
    images = 0.1 * torch.randn(100, 1, 28, 28, generator=generator)
    for image, label in zip(images, labels, strict=True):
        image[0, 2 * label + 4 : 2 * label + 6] += 3.0
    return TensorDataset(images, labels)


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let MNIST's only mirror be a port of this machine at which nobody answers."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    monkeypatch.setattr(download.published("mnist"), "mirrors", [f"http://127.0.0.1:{port}/"])
    monkeypatch.setenv("no_proxy", "*")
