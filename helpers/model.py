"""The models: a baseline that only averages, the course's small network, and relatives with batch normalization."""

from typing import ClassVar

import torch
from torch import Tensor, nn


class NearestClassMean:
    """The baseline without a network: an image belongs to the class whose average image is nearest.

    Args:
        images: float32, first axis N; any shape behind it.
        labels: int64 (N,), each of the `num_classes` values at least once.
    """

    def __init__(self, images: Tensor, labels: Tensor, num_classes: int = 10):
        self.means = torch.stack([images[labels == k].flatten(1).mean(dim=0) for k in range(num_classes)])

    def predict(self, images: Tensor) -> Tensor:
        """Return the class of each image, int64 (N,)."""
        return torch.cdist(images.flatten(1), self.means).argmin(dim=1)


class MNISTClassification(nn.Module):
    """Two convolutions and two linear layers: 21,840 parameters for 28×28 images in ten classes.

    Args:
        conv_dropout: share of whole feature maps zeroed in training, 0 to 1, after the second convolution.
        fc_dropout: share of single values zeroed in training, 0 to 1, before the last layer.

    Input float32 (N, 1, 28, 28), normalized; output float32 (N, 10), the logarithms of the class probabilities.
    """

    def __init__(self, conv_dropout: float = 0.5, fc_dropout: float = 0.5):
        super().__init__()
        self.conv_block = nn.Sequential(  # (N, 1, 28, 28)
            nn.Conv2d(1, 10, kernel_size=5),  # (N, 10, 24, 24)
            nn.ReLU(),
            nn.MaxPool2d(2),  # (N, 10, 12, 12)
            nn.Conv2d(10, 20, kernel_size=5),  # (N, 20, 8, 8)
            nn.Dropout2d(conv_dropout),
            nn.ReLU(),
            nn.MaxPool2d(2),  # (N, 20, 4, 4)
        )
        self.fc_block = nn.Sequential(  # (N, 320)
            nn.Linear(320, 50),
            nn.ReLU(),
            nn.Dropout(fc_dropout),
            nn.Linear(50, 10),  # (N, 10)
        )

    def forward(self, images: Tensor) -> Tensor:
        features = self.conv_block(images).flatten(1)  # (N, 320)
        logits = self.fc_block(features)
        return torch.log_softmax(logits, dim=1, dtype=torch.float32)  # also where training computes in 16 bits


class BatchNormNet(nn.Module):
    """Four or five convolutions, each followed by batch normalization, and one linear layer.

    Args:
        size: `small` has fewer than 25,000 parameters, `large` about 300,000.
        dropout: share of single values zeroed in training, 0 to 1, before the last layer.

    Input and output as those of `MNISTClassification`.
    """

    CHANNELS: ClassVar = {"small": (16, 24, 24, 32), "large": (32, 64, 64, 128, 128)}

    def __init__(self, size: str = "small", dropout: float = 0.1):
        super().__init__()
        first, second, third, *last = self.CHANNELS[size]
        blocks = [  # (N, 1, 28, 28)
            convolve_and_normalize(1, first, kernel_size=5),  # (N, first, 24, 24)
            nn.MaxPool2d(2),  # (N, first, 12, 12)
            convolve_and_normalize(first, second, kernel_size=3, padding=1),
            convolve_and_normalize(second, third, kernel_size=3, padding=1),
            nn.MaxPool2d(2),  # (N, third, 6, 6)
        ]
        if size == "large":
            blocks.append(convolve_and_normalize(third, last[0], kernel_size=3, padding=1))
        blocks.append(convolve_and_normalize([third, *last][-2], last[-1], kernel_size=3))  # (N, last, 4, 4)
        self.conv_block = nn.Sequential(*blocks)
        self.fc_block = nn.Sequential(nn.Dropout(dropout), nn.Linear(last[-1] * 4 * 4, 10))

    def forward(self, images: Tensor) -> Tensor:
        logits = self.fc_block(self.conv_block(images).flatten(1))
        return torch.log_softmax(logits, dim=1, dtype=torch.float32)


def convolve_and_normalize(inputs: int, outputs: int, kernel_size: int, padding: int = 0) -> nn.Sequential:
    """Return a convolution without bias, batch normalization (which brings a bias of its own), and ReLU."""
    convolution = nn.Conv2d(inputs, outputs, kernel_size, padding=padding, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def count_parameters(model: nn.Module) -> int:
    """Return how many numbers training can change."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
