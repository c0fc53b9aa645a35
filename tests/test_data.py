"""Splitting, normalizing and batching: nothing lost, nothing twice, and the same again with the same seed."""

import gzip
import io
import struct
from pathlib import Path

import pytest
import torch
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, SequentialSampler, TensorDataset
from tqdm import tqdm

from helpers import data


@pytest.fixture
def numbered() -> data.Dataset:
    """23 training and 5 test images whose every pixel is the image's own number, so that each can be recognized."""

    def images(first: int, count: int) -> torch.Tensor:
        return torch.arange(first, first + count, dtype=torch.uint8).reshape(-1, 1, 1).repeat(1, 28, 28)

    names = tuple("0123456789")
    return data.Dataset("digits", "test", names, images(0, 23), torch.arange(23) % 10, images(200, 5), torch.arange(5))


def numbers(images: torch.Tensor) -> list[int]:
    return images.flatten(1)[:, 0].int().tolist()


# --- split ---


def test_split_gives_every_image_to_exactly_one_set(numbered: data.Dataset) -> None:
    train, val = data.split(numbered, val_size=6, seed=0)
    assert (len(train), len(val)) == (17, 6)
    assert sorted(numbers(train.tensors[0]) + numbers(val.tensors[0])) == list(range(23))


def test_split_keeps_each_label_with_its_image(numbered: data.Dataset) -> None:
    for images, labels in (part.tensors for part in data.split(numbered, 6, seed=3)):
        assert [number % 10 for number in numbers(images)] == labels.tolist()


def test_split_holds_out_one_in_six_by_default(digits: data.Dataset) -> None:
    assert [len(part) for part in data.split(digits, None, seed=0)] == [1250, 250]


def test_the_seed_decides_the_split(numbered: data.Dataset) -> None:
    first, again, other = (data.split(numbered, 6, seed) for seed in (0, 0, 1))
    assert torch.equal(first[0].tensors[0], again[0].tensors[0])
    assert torch.equal(first[1].tensors[0], again[1].tensors[0])
    assert set(numbers(first[1].tensors[0])) != set(numbers(other[1].tensors[0]))


def test_split_does_not_touch_the_random_numbers_of_the_caller(numbered: data.Dataset) -> None:
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    data.split(numbered, 6, seed=0)
    assert torch.equal(torch.rand(3), expected)


@pytest.mark.parametrize("val_size", [0, -1, 23, 24])
def test_split_refuses_a_size_that_leaves_a_set_empty(numbered: data.Dataset, val_size: int) -> None:
    with pytest.raises(ValueError, match=rf"^val_size: got {val_size}; give 1 to 22, [^\n]*$"):
        data.split(numbered, val_size, seed=0)


def test_split_can_hold_out_all_but_one(numbered: data.Dataset) -> None:
    assert [len(part) for part in data.split(numbered, 22, seed=0)] == [1, 22]


# --- normalization ---


def test_pixel_statistics_by_hand() -> None:
    # Half of the pixels are 0 and half are 255: on the scale 0 to 1 the mean is 0.5, and every pixel is 0.5 away.
    images = torch.tensor([0, 255], dtype=torch.uint8).reshape(2, 1, 1).repeat(1, 28, 28)
    assert data.pixel_statistics(images) == pytest.approx((0.5, 0.5))


def test_pixel_statistics_equal_those_of_floats() -> None:
    images = torch.randint(0, 256, (50, 28, 28), generator=torch.Generator().manual_seed(0)).to(torch.uint8)
    floats = images.double() / 255
    expected = (floats.mean().item(), floats.std(correction=0).item())
    assert data.pixel_statistics(images) == pytest.approx(expected, rel=1e-12)


def test_normalized_images_have_mean_0_and_spread_1(digits: data.Dataset) -> None:
    before = digits.train_images.clone()
    images = data.normalize(digits.train_images, *data.pixel_statistics(digits.train_images))
    assert (images.dtype, images.shape) == (torch.float32, (1500, 1, 28, 28))
    assert images.mean().item() == pytest.approx(0, abs=1e-4)
    assert images.std().item() == pytest.approx(1, abs=1e-3)
    assert torch.equal(digits.train_images, before), "the images in memory were changed"


def test_normalize_by_hand() -> None:
    images = torch.tensor([0, 51, 255], dtype=torch.uint8).reshape(3, 1, 1).repeat(1, 28, 28)
    # 51/255 = 0.2; (0 − 0.2)/0.4 = −0.5, (0.2 − 0.2)/0.4 = 0, (1 − 0.2)/0.4 = 2
    assert data.normalize(images, 0.2, 0.4)[:, 0, 0, 0].tolist() == pytest.approx([-0.5, 0.0, 2.0])


def test_prepare_takes_mean_and_spread_from_the_training_images_alone(numbered: data.Dataset) -> None:
    _, val = data.split(numbered, 6, seed=0)
    changed = numbered.train_images.clone()
    changed[numbers(val.tensors[0])] = 255  # the validation images, white as paper before
    other = data.Dataset(**vars(numbered) | {"train_images": changed, "test_images": numbered.test_images // 2})
    before, after = data.prepare(numbered, 6, seed=0), data.prepare(other, 6, seed=0)
    assert (before.mean, before.std) == (after.mean, after.std)
    assert torch.equal(before.train.tensors[0], after.train.tensors[0])
    assert not torch.equal(before.val.tensors[0], after.val.tensors[0])


def test_prepare_gives_three_sets_on_the_same_scale(numbered: data.Dataset) -> None:
    prepared = data.prepare(numbered, 6, seed=0)
    sets = (prepared.train, prepared.val, prepared.test)
    assert [len(part) for part in sets] == [17, 6, 5]
    restored = [(part.tensors[0] * prepared.std + prepared.mean) * 255 for part in sets]
    train, val = data.split(numbered, 6, seed=0)
    for images, expected in zip(restored, (train.tensors[0], val.tensors[0], numbered.test_images), strict=True):
        torch.testing.assert_close(images[:, 0], expected.float(), rtol=0, atol=0.01)


# --- batches ---


@pytest.fixture
def ten() -> TensorDataset:
    return TensorDataset(torch.arange(10.0).reshape(10, 1), torch.arange(10))


def orders(batches: DataLoader, epochs: int) -> list[list[int]]:
    return [[int(label) for _, labels in batches for label in labels] for _ in range(epochs)]


@pytest.mark.parametrize("batch_size", [1, 3, 5, 10, 11])
def test_batches_equal_those_of_a_plain_loader(ten: TensorDataset, batch_size: int) -> None:
    ours, plain = list(data.make_batches(ten, batch_size)), list(DataLoader(ten, batch_size))
    for (images, labels), (plain_images, plain_labels) in zip(ours, plain, strict=True):
        assert torch.equal(images, plain_images)
        assert torch.equal(labels, plain_labels)


@pytest.mark.parametrize("shuffle", [True, False])
def test_batches_come_in_the_order_of_pytorchs_sampler(ten: TensorDataset, shuffle: bool) -> None:
    """As chapter 1 builds them, over several epochs; the numbers are tensors where the images lie."""
    ours = data.make_batches(ten, 4, shuffle=shuffle, seed=3)
    generator = torch.Generator().manual_seed(3)
    sampler = RandomSampler(ten, generator=generator) if shuffle else SequentialSampler(ten)
    plain = DataLoader(ten, sampler=BatchSampler(sampler, 4, drop_last=False), batch_size=None)
    assert orders(ours, epochs=3) == orders(plain, epochs=3)
    assert all(isinstance(numbers, torch.Tensor) for numbers in ours.sampler)


def test_the_last_batch_holds_what_is_left(ten: TensorDataset) -> None:
    batches = data.make_batches(ten, 4, shuffle=True)
    assert [len(labels) for _, labels in batches] == [4, 4, 2]
    assert len(batches) == 3


def test_an_epoch_shows_every_image_once_with_its_label(ten: TensorDataset) -> None:
    batches = data.make_batches(ten, 3, shuffle=True)
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    assert images.squeeze(1).tolist() == labels.tolist()
    assert sorted(labels.tolist()) == list(range(10))


def test_every_epoch_has_a_new_order_and_the_seed_fixes_them_all(ten: TensorDataset) -> None:
    three = orders(data.make_batches(ten, 3, shuffle=True, seed=7), epochs=3)
    assert len({tuple(order) for order in three}) == 3
    assert orders(data.make_batches(ten, 3, shuffle=True, seed=7), epochs=3) == three
    assert orders(data.make_batches(ten, 3, shuffle=True, seed=8), epochs=3) != three


@pytest.mark.parametrize("shuffle", [True, False])
def test_batches_leave_the_random_numbers_of_dropout_alone(ten: TensorDataset, shuffle: bool) -> None:
    """A loop with a progress bar starts a pass more than a bare one; both must train the same network."""
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    for _ in tqdm(data.make_batches(ten, 4, shuffle=shuffle), file=io.StringIO()):
        pass
    assert torch.equal(torch.rand(1), expected)


def test_without_shuffling_the_order_stays(ten: TensorDataset) -> None:
    assert orders(data.make_batches(ten, 3), epochs=2) == [list(range(10))] * 2


# --- the embedded digits ---


def test_embedded_digits_look_like_mnist(digits: data.Dataset) -> None:
    assert (digits.train_images.shape, digits.test_images.shape) == ((1500, 28, 28), (297, 28, 28))
    assert digits.train_images.dtype == digits.test_images.dtype == torch.uint8
    assert digits.train_labels.dtype == digits.test_labels.dtype == torch.int64
    assert digits.train_images.min() == 0
    assert digits.train_images.max() == 255
    for labels in (digits.train_labels, digits.test_labels):
        assert labels.unique().tolist() == list(range(10))
    assert digits.class_names == tuple("0123456789")


def test_embedded_digits_have_mnists_blank_margin(digits: data.Dataset) -> None:
    images = torch.cat([digits.train_images, digits.test_images])
    inner = torch.zeros(28, 28, dtype=torch.bool)
    inner[4:24, 4:24] = True
    assert images[:, ~inner].max() == 0
    assert images[:, 4:24, 4:24].flatten(1).amax(dim=1).min() > 0, "an image without ink"


def test_no_embedded_digit_is_in_both_sets(digits: data.Dataset) -> None:
    train = {image.numpy().tobytes() for image in digits.train_images}
    assert not any(image.numpy().tobytes() in train for image in digits.test_images)


def test_embedded_digits_asked_for_by_name_stand_in_for_nothing(digits: data.Dataset) -> None:
    assert (digits.name, digits.note) == ("digits", "")


# --- loading ---


def test_auto_falls_back_to_the_digits_and_says_why(no_network: None, tmp_path: Path) -> None:
    dataset = data.load_dataset("auto", tmp_path)
    assert dataset.name == "digits"
    assert "train-images-idx3-ubyte.gz" in dataset.note
    assert "\n" not in dataset.note


def test_mnist_asked_for_by_name_is_mnist_or_an_error(no_network: None, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte\.gz[^\n]*--mirror"):
        data.load_dataset("mnist", tmp_path)


def test_an_unknown_data_set_is_refused_with_the_choice() -> None:
    with pytest.raises(ValueError, match=r"^dataset: got 'mnits'[^\n]*mnist, fashion, kmnist, qmnist, digits$"):
        data.load_dataset("mnits")


def packed(path: Path, type_code: int, shape: tuple[int, ...], body: bytes) -> Path:
    """Write an archive in the IDX format as its description says it: two zeros, the type, the axes, their lengths."""
    path.write_bytes(
        gzip.compress(bytes([0, 0, type_code, len(shape)]) + struct.pack(f">{len(shape)}i", *shape) + body)
    )
    return path


def test_read_idx_reads_images(tmp_path: Path) -> None:
    array = data.read_idx(
        packed(tmp_path / "images.gz", 8, (2, 2, 3), bytes([0, 1, 2, 3, 4, 5, 250, 251, 252, 253, 254, 255]))
    )
    assert array.tolist() == [[[0, 1, 2], [3, 4, 5]], [[250, 251, 252], [253, 254, 255]]]


def test_read_idx_reads_the_long_numbers_of_qmnist(tmp_path: Path) -> None:
    array = data.read_idx(packed(tmp_path / "labels.gz", 12, (2, 2), struct.pack(">4i", 7, -1, 70_000, 3)))
    assert array.tolist() == [[7, -1], [70_000, 3]]
