"""The models: a baseline that only averages, and the small convolutional network of the course."""

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

    Input float32 (N, 1, 28, 28), normalised; output float32 (N, 10), the logarithms of the class probabilities.
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
        return torch.log_softmax(logits, dim=1)


def count_parameters(model: nn.Module) -> int:
    """Return how many numbers training can change."""
    return sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
