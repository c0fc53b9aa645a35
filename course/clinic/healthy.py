"""The healthy training: chapter 2's network, chapter 3's loop, and a watch. A patient is this file with one mistake."""

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.utils.data import TensorDataset

from helpers import data
from helpers.diagnosis import Watch
from helpers.model import MNISTClassification


class Network(MNISTClassification):
    def forward(self, images: Tensor) -> Tensor:
        features = self.conv_block(images).flatten(1)
        logits = self.fc_block(features)
        return torch.log_softmax(logits, dim=1)


def train(
    pixels: Tensor,
    labels: Tensor,
    val_pixels: Tensor,
    val_labels: Tensor,
    epochs: int,
    seed: int,
) -> Watch:
    """Train on pixels uint8 (N, 28, 28) and labels int64 (N,), and return what was noted."""
    torch.manual_seed(seed)
    mean, std = data.pixel_statistics(pixels)

    def prepare(some_pixels: Tensor) -> Tensor:
        return (some_pixels.unsqueeze(1) / 255 - mean) / std

    val_images = prepare(val_pixels)
    train_set = TensorDataset(prepare(pixels), labels)
    batches = data.make_batches(train_set, batch_size=64, shuffle=True, seed=seed)
    model = Network()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    watch = Watch(model)
    for _ in range(epochs):
        model.train()
        for batch_images, batch_labels in batches:
            optimizer.zero_grad()
            log_probs = model(batch_images)
            loss = F.nll_loss(log_probs, batch_labels)
            loss.backward()
            optimizer.step()
            watch.step(loss, batch_images, batch_labels)
        model.eval()
        watch.epoch(val_images, val_labels)
    return watch
