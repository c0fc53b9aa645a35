"""Recipes: what each of them says is what happens, and chapter 3's recipe trains chapter 3's network."""

import itertools
from dataclasses import replace

import pytest
import torch
from torch.nn.functional import cross_entropy
from torch.utils.data import TensorDataset
from torchvision.transforms import InterpolationMode
from torchvision.transforms.v2 import functional

from helpers import data, recipes, settings, training
from helpers.model import MNISTClassification, count_parameters
from helpers.recipes import RECIPES, Recipe


@pytest.fixture
def prepared(easy: TensorDataset) -> data.DataSplits:
    """One hundred images that are easy to learn, in all three roles."""
    return data.DataSplits(easy, easy, easy, mean=0.0, std=1.0)


def test_every_recipe_can_be_asked_for_by_name() -> None:
    assert tuple(RECIPES) == settings.RECIPES


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_trains(name: str, prepared: data.DataSplits, capsys: pytest.CaptureFixture) -> None:
    short = replace(RECIPES[name], batch_size=20)
    _, history = recipes.train(short, prepared, epochs=2, seed=0)
    assert [entry["epoch"] for entry in history] == [1, 2]
    assert capsys.readouterr().out.count("\n") == 2


@pytest.mark.parametrize("name", [*settings.LADDER, *settings.ABLATIONS, *settings.ONE_EPOCH])
def test_the_rule_of_the_game_is_kept(name: str) -> None:
    assert count_parameters(recipes.build(RECIPES[name])) == 21_840


def test_a_step_of_the_ladder_changes_one_thing() -> None:
    things = {
        "dropout": {"conv_dropout", "fc_dropout"},
        "images": {"shift", "rotation", "scaling"},
        "optimizer": {"optimizer", "learning_rate", "weight_decay"},
        "schedule": {"one_cycle", "optimizer", "learning_rate", "weight_decay"},
    }
    steps = [RECIPES[name] for name in settings.LADDER]
    for before, after in itertools.pairwise(steps):
        assert any(set(after.changes(before)) <= thing for thing in things.values()), after


@pytest.mark.parametrize("name", settings.ABLATIONS)
def test_what_was_tried_besides_differs_from_the_best_in_one_thing(name: str) -> None:
    changed = set(RECIPES[name].changes(RECIPES["best"]))
    allowed = [{"one_cycle", "learning_rate"}, {"batch_size", "learning_rate"}, {"weight_decay"}]
    allowed += [{"conv_dropout", "fc_dropout"}, {"shift", "rotation", "scaling"}]
    assert changed
    assert any(changed <= thing for thing in allowed), changed


def test_chapter_3s_recipe_trains_chapter_3s_network(digits: data.Dataset) -> None:
    """Bit for bit: the same weights as the loop of chapter 3."""
    prepared = data.prepare(digits, None, seed=1)
    ours, history = recipes.train(RECIPES["course"], prepared, epochs=1, seed=1)
    torch.manual_seed(1)
    model = MNISTClassification()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
    batches = data.make_batches(prepared.train, 64, shuffle=True, seed=1)
    loss = training.train_epoch(model, batches, optimizer)
    assert history[0]["train_loss"] == loss
    assert all(torch.equal(a, b) for a, b in zip(ours.parameters(), model.parameters(), strict=True))


def test_label_smoothing_is_pytorchs() -> None:
    log_probs, labels = torch.randn(8, 10).log_softmax(dim=1), torch.arange(8)
    for share in (0.0, 0.1, 0.5):
        loss = recipes.make_loss(Recipe(label_smoothing=share))(log_probs, labels)
        torch.testing.assert_close(loss, cross_entropy(log_probs, labels, label_smoothing=share))


@pytest.mark.parametrize("name", ["course", "fast", "small_network"])
def test_sixteen_bits_and_channels_last_happen_where_the_recipe_says_so(name: str, prepared: data.DataSplits) -> None:
    """Training computes in 16 bits; what `predict` returns afterwards was computed in 32."""
    recipe = replace(RECIPES[name], batch_size=20)
    model = recipes.build(recipe)
    seen = []
    model.conv_block.register_forward_hook(lambda block, _, maps: seen.append(maps))
    batches = recipes.train_batches(recipe, prepared, seed=0)
    optimizer = recipes.make_optimizer(recipe, model)
    training.train_epoch(model, batches, optimizer, bfloat16=recipe.bfloat16)
    training.predict(model, data.make_batches(prepared.val, 20))
    quick = name != "course"
    assert [maps.dtype for maps in seen] == [torch.bfloat16 if quick else torch.float32] * 5 + [torch.float32] * 5
    assert {maps.is_contiguous(memory_format=torch.channels_last) for maps in seen} == {quick}


@pytest.mark.parametrize(("warm_up", "last_of_the_rise"), [(0.2, 19), (0.5, 49)])
def test_the_schedule_is_a_triangle(warm_up: float, last_of_the_rise: int) -> None:
    recipe = Recipe(optimizer="sgd", learning_rate=0.5, one_cycle=True, warm_up=warm_up)
    optimizer = recipes.make_optimizer(recipe, torch.nn.Linear(1, 1))
    schedule = recipes.make_schedule(recipe, optimizer, steps=100)
    rates = []
    for _ in range(100):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    assert rates.index(max(rates)) == last_of_the_rise  # counted from 0, of a hundred steps
    assert max(rates) == pytest.approx(0.5)
    assert rates[-1] < 1e-4
    falls = [before - after for before, after in itertools.pairwise(rates[last_of_the_rise:])]
    assert max(falls) == pytest.approx(min(falls))


def test_the_learning_rate_moves_after_every_step(prepared: data.DataSplits, capsys: pytest.CaptureFixture) -> None:
    """Five steps an epoch, two epochs: at the end the rate has come down to next to nothing."""
    seen = []
    recipe = replace(RECIPES["best"], batch_size=20)
    torch.manual_seed(0)
    model = recipes.build(recipe)
    optimizer = recipes.make_optimizer(recipe, model)
    optimizer.register_step_pre_hook(lambda used, *_: seen.append(used.param_groups[0]["lr"]))
    batches = recipes.train_batches(recipe, prepared, seed=0)
    schedule = recipes.make_schedule(recipe, optimizer, steps=10)
    training.fit(model, batches, batches, optimizer, 2, scheduler=schedule, each_step=True)
    assert len(seen) == 10
    assert seen[1] == max(seen) == pytest.approx(0.05)
    assert seen[-1] < 1e-4


def test_only_training_images_are_moved(prepared: data.DataSplits) -> None:
    batches = recipes.train_batches(RECIPES["best"], prepared, seed=0)
    once, again = (torch.cat([images for images, _ in batches]) for _ in range(2))
    assert once.shape == again.shape == (100, 1, 28, 28)
    originals = {image.numpy().tobytes() for image in prepared.train.tensors[0]}
    assert not any(image.numpy().tobytes() in originals for image in once)
    plain = recipes.train_batches(RECIPES["no_augmentation"], prepared, seed=0)
    assert {image.numpy().tobytes() for images, _ in plain for image in images} == originals


def test_labels_stay_with_their_images(easy: TensorDataset) -> None:
    """The class is the height of a bright bar; half a pixel up or down does not change it."""
    gentle = replace(RECIPES["best"], shift=0.5, rotation=0.0, scaling=0.0)
    prepared = data.DataSplits(easy, easy, easy, mean=0.0, std=1.0)
    for images, labels in recipes.train_batches(gentle, prepared, seed=0):
        heights = images[:, 0].mean(dim=2).unfold(1, 2, 1).sum(dim=2).argmax(dim=1)
        assert ((heights - (2 * labels + 4)).abs() <= 1).all()


def test_a_resumed_training_ends_in_the_same_weights(
    prepared: data.DataSplits, tmp_path, capsys: pytest.CaptureFixture
) -> None:
    """Also with augmentation and a schedule that moves at every step."""
    recipe = replace(RECIPES["best"], batch_size=20)
    straight, _ = recipes.train(recipe, prepared, epochs=3, seed=0)

    class Stop(TensorDataset):
        fetched = 0

        def __getitem__(self, index):
            self.fetched += 1
            if self.fetched == 8:  # in the second epoch
                raise KeyboardInterrupt
            return super().__getitem__(index)

    stopping = replace(prepared, train=Stop(*prepared.train.tensors))
    path = tmp_path / "checkpoint.pt"
    with pytest.raises(KeyboardInterrupt):
        recipes.train(recipe, stopping, epochs=3, seed=0, checkpoint=path)
    resumed, history = recipes.train(recipe, prepared, epochs=3, seed=0, checkpoint=path, resume=True)
    assert len(history) == 3
    assert all(torch.equal(a, b) for a, b in zip(straight.parameters(), resumed.parameters(), strict=True))


def test_changes_are_named_with_both_values() -> None:
    changed = replace(Recipe(), batch_size=128).changes(Recipe())
    assert changed == {"batch_size": (64, 128)}


# --- augmentation: a batch moved at once, against torchvision's transform of one image at a time ---


@pytest.fixture(scope="module")
def digit_images(digits: data.Dataset) -> torch.Tensor:
    return data.normalize(digits.train_images[:64], 0.13, 0.31)


def numbers(count: int, low: float, high: float, seed: int) -> torch.Tensor:
    return low + (high - low) * torch.rand(count, generator=torch.Generator().manual_seed(seed))


def test_a_batch_is_moved_as_torchvision_moves_single_images(digit_images: torch.Tensor) -> None:
    right, down = numbers(64, -3, 3, seed=1), numbers(64, -3, 3, seed=2)
    degrees, size = numbers(64, -30, 30, seed=3), numbers(64, 0.8, 1.2, seed=4)
    images = digit_images - digit_images.min()  # paper is 0: torchvision blends any other filling into the edge twice
    moved = recipes.affine(images, right, down, degrees, size)
    for number in range(64):
        single = functional.affine(
            images[number],
            angle=degrees[number].item(),
            translate=[right[number].item(), down[number].item()],
            scale=size[number].item(),
            shear=[0.0, 0.0],
            interpolation=InterpolationMode.BILINEAR,
        )
        torch.testing.assert_close(moved[number], single, atol=1e-4, rtol=0)


def test_whole_pixels_move_exactly() -> None:
    images = torch.zeros(2, 1, 28, 28)
    images[:, 0, 10, 12] = 1.0
    none, one = torch.zeros(2), torch.ones(2)
    moved = recipes.affine(images, right=3 * one, down=-2 * one, degrees=none, size=one)
    assert moved[0, 0, 8, 15].item() == pytest.approx(1, abs=1e-4)
    assert moved.sum().item() == pytest.approx(2, abs=1e-3)


def test_clockwise_is_clockwise() -> None:
    images = torch.zeros(1, 1, 28, 28)
    images[0, 0, 4, 13:15] = 1.0  # at twelve o'clock
    turned = recipes.affine(images, torch.zeros(1), torch.zeros(1), torch.tensor([90.0]), torch.ones(1))
    assert turned[0, 0, 13:15, 23].sum().item() == pytest.approx(2, abs=1e-3)  # at three o'clock


def test_nothing_moves_by_nothing(digit_images: torch.Tensor) -> None:
    torch.testing.assert_close(recipes.random_affine(digit_images, 0, 0, 0), digit_images, atol=1e-4, rtol=0)


def test_every_image_moves_its_own_way_and_the_seed_repeats_it(digit_images: torch.Tensor) -> None:
    same = digit_images[:1].expand(64, -1, -1, -1)
    torch.manual_seed(0)
    moved = recipes.random_affine(same, 2, 10, 0.1)
    assert len({image.numpy().tobytes() for image in moved}) == 64
    torch.manual_seed(0)
    assert torch.equal(recipes.random_affine(same, 2, 10, 0.1), moved)


def test_shifts_fill_their_range_and_stay_in_it() -> None:
    torch.manual_seed(0)
    dots = torch.zeros(2000, 1, 28, 28)
    dots[:, 0, 13:15, 13:15] = 1.0  # its middle lies at (14, 14)
    moved = recipes.random_affine(dots, 3, 0, 0)
    places = torch.arange(28) + 0.5
    across = (moved.sum(dim=(1, 2)) * places).sum(dim=1) / moved.sum(dim=(1, 2, 3)) - 14
    down = (moved.sum(dim=(1, 3)) * places).sum(dim=1) / moved.sum(dim=(1, 2, 3)) - 14
    for shift in (across, down):
        assert -3.01 < shift.min() < -2.9
        assert 2.9 < shift.max() < 3.01
        assert abs(shift.mean()) < 0.15
    assert abs(torch.corrcoef(torch.stack([across, down]))[0, 1]) < 0.1


def test_what_comes_in_at_the_edge_is_paper(digit_images: torch.Tensor) -> None:
    shifted = recipes.affine(digit_images, torch.full((64,), 5.0), torch.zeros(64), torch.zeros(64), torch.ones(64))
    assert torch.allclose(shifted[..., :4], digit_images.min())
