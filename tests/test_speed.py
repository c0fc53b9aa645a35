"""Speed: an honest estimate that moves nothing, operations counted by hand, and variants that see the same images."""

import re
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pandas as pd
import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, Subset, TensorDataset
from torch.utils.flop_counter import FlopCounterMode

from helpers import data, recipes, speed, training
from helpers.model import BatchNormNet, MNISTClassification

CPU = torch.device("cpu")

# --- the clock and the estimate ---

ROUNDED = {
    0.0: "1 s",
    1.4: "1 s",
    1.6: "2 s",
    9.4: "9 s",
    9.7: "10 s",
    12.4: "10 s",
    12.6: "15 s",
    58.0: "60 s",
    64.0: "60 s",
    66.0: "70 s",
    119.0: "120 s",
    121.0: "2 min",
    151.0: "3 min",
    3600.0: "60 min",
}


def test_an_estimate_claims_no_more_than_it_knows() -> None:
    assert {seconds: speed.rounded(seconds) for seconds in ROUNDED} == ROUNDED


def test_a_ratio_is_that_of_the_turns() -> None:
    """Turn by turn 2, 2 and 5; the medians would give 5 / 2."""
    assert speed.ratio([4.0, 8.0, 5.0], [2.0, 4.0, 1.0]) == 2.0
    with pytest.raises(ValueError, match="argument 2 is shorter"):
        speed.ratio([4.0, 8.0], [2.0])


def test_the_clock_waits_for_the_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before the work, so that earlier work isn't counted, and after it, so that all of this one is."""
    clock, happened = iter([10.0, 12.5]), []
    monkeypatch.setattr(speed, "wait_for", lambda device: happened.append("wait"))
    monkeypatch.setattr(speed.time, "perf_counter", lambda: happened.append("clock") or next(clock))
    assert speed.timed(lambda: happened.append("work"), CPU) == 2.5
    assert happened == ["wait", "clock", "work", "wait", "clock"]


LOADERS = {  # batches of all kinds, some of which draw random numbers
    "in order": lambda images: data.make_batches(images, 30),
    "augmented": lambda images: data.make_batches(
        images, 16, shuffle=True, seed=1, augment=partial(recipes.random_affine, shift=1.0, rotation=5.0, scaling=0.05)
    ),
    "one batch": lambda images: data.make_batches(images, 1000, shuffle=True),
    "classic": lambda images: DataLoader(images, batch_size=16, shuffle=True),
    "own generator": lambda images: DataLoader(
        images, batch_size=16, shuffle=True, generator=torch.Generator().manual_seed(2)
    ),
}


@pytest.mark.parametrize("training_mode", [True, False])
@pytest.mark.parametrize("kind", LOADERS)
def test_an_estimate_changes_nothing(
    kind: str, training_mode: bool, easy: TensorDataset, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network with batch normalization counts its images even without learning; the other draws dropout."""
    monkeypatch.setattr(speed, "ENOUGH", 0.1)
    came = []
    for estimated in (False, True):
        batches, val_batches = LOADERS[kind](easy), data.make_batches(easy, 50)
        for model in (MNISTClassification().train(training_mode), BatchNormNet().train(training_mode)):
            before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
            torch.manual_seed(5)
            random = torch.get_rng_state()
            if estimated:
                seconds = speed.estimate_time(model, batches, 2, val_batches)
                assert seconds > 0
                assert capsys.readouterr().out == f"about {speed.rounded(seconds)} for 2 epochs here\n"
            assert torch.equal(torch.get_rng_state(), random)
            assert model.training is training_mode
            assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
            assert all(parameter.grad is None for parameter in model.parameters())
        torch.manual_seed(5)
        came.append([images for _ in range(2) for images, _ in batches])
    assert len(came[0]) == len(came[1])
    assert all(torch.equal(one, other) for one, other in zip(*came, strict=True))


def test_an_estimate_counts_batches_epochs_and_validation(
    easy: TensorDataset, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A clock that ticks one second a look: a step takes 1 s, so 2 steps are enough, and both together take 1 s.

    7 training batches and 2 validation batches, 3 epochs, at 1 / 2 s a batch.
    """
    ticks = iter(range(1000))
    monkeypatch.setattr(speed.time, "perf_counter", lambda: float(next(ticks)))
    monkeypatch.setattr(speed, "ENOUGH", 2.0)
    batches, val_batches = data.make_batches(easy, 16), data.make_batches(easy, 50)
    assert speed.estimate_time(MNISTClassification(), batches, 3) == 0.5 * 7 * 3
    assert speed.estimate_time(MNISTClassification(), batches, 3, val_batches) == 0.5 * (7 + 2) * 3
    assert speed.estimate_time(MNISTClassification(), batches, 1) == 0.5 * 7
    assert re.findall("for (.+) here", capsys.readouterr().out) == ["3 epochs", "3 epochs", "1 epoch"]


@pytest.mark.parametrize(("seconds", "steps"), [(0.0, speed.STEPS), (0.3, 3), (5.0, 1)])
def test_slow_steps_are_fewer(seconds: float, steps: int, easy: TensorDataset, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look at the clock is `seconds` later than the one before."""
    looks, fetched = iter(range(1000)), []
    monkeypatch.setattr(speed.time, "perf_counter", lambda: seconds * next(looks))
    batches = data.make_batches(easy, 16, augment=lambda images: fetched.append(1) or images)
    speed.estimate_time(MNISTClassification(), batches, 3)
    assert len(fetched) == speed.WARM_UP + 1 + steps


def test_no_batch_is_an_error(easy: TensorDataset) -> None:
    nothing = TensorDataset(*(tensor[:0] for tensor in easy.tensors))
    with pytest.raises(ValueError, match="batches: there are none"):
        speed.estimate_time(MNISTClassification(), data.make_batches(nothing, 16), 3)


def test_random_numbers_come_back_after_an_error(easy: TensorDataset) -> None:
    """There is no class 11: the first step fails, when the order and the dropout have been drawn."""
    batches = DataLoader(TensorDataset(easy.tensors[0], torch.full((100,), 11)), batch_size=16, shuffle=True)
    model, random = MNISTClassification(), torch.get_rng_state()
    with pytest.raises(IndexError, match="Target 11"):
        speed.estimate_time(model, batches, 1)
    assert torch.equal(torch.get_rng_state(), random)


# --- operations ---


def test_operations_of_the_courses_network_are_those_counted_by_hand() -> None:
    """Each number that comes out of a layer is a sum of products.

    convolution 1   10×24×24 numbers of  1×5×5 products: 144,000
    convolution 2   20×8×8   numbers of 10×5×5 products: 320,000
    linear 1        50       numbers of    320 products:  16,000
    linear 2        10       numbers of     50 products:     500
    Forward, a product and its sum are 2 operations; backward twice as many, but once for the layer that reads images.
    """
    model = MNISTClassification()
    by_hand = {
        "conv_block.0": [288_000, 288_000],
        "conv_block.3": [640_000, 1_280_000],
        "fc_block.0": [32_000, 64_000],
        "fc_block.3": [1_000, 2_000],
    }
    table = pd.DataFrame.from_dict(by_hand, orient="index", columns=["forward", "backward"])
    pd.testing.assert_frame_equal(speed.layer_operations(model), table.rename_axis("layer"))
    assert speed.training_operations(model) == 2_595_000  # 129.75 GFLOP for 50,000 images


def test_the_layers_make_up_all_that_pytorch_counts() -> None:
    model = BatchNormNet()
    with FlopCounterMode(display=False) as counter:
        F.nll_loss(model(torch.zeros(3, 1, 28, 28)), torch.zeros(3, dtype=torch.int64)).backward()
    assert speed.training_operations(model) * 3 == counter.get_total_flops()


def test_a_strided_convolution_counts_too() -> None:
    """4×3×3 numbers (stride 2 on 8×8) of 2×3×3 products: 648 products."""
    model = nn.Sequential(nn.Conv2d(2, 4, 3, stride=2))
    assert speed.layer_operations(model, (2, 8, 8)).loc["0"].tolist() == [1296, 1296]


@pytest.mark.parametrize("training_mode", [True, False])
def test_counting_leaves_the_network_as_it_was(training_mode: bool) -> None:
    model = BatchNormNet().train(training_mode)
    before, random = {name: tensor.clone() for name, tensor in model.state_dict().items()}, torch.get_rng_state()
    speed.layer_operations(model)
    assert model.training is training_mode
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), random)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_rate_counts_two_operations_a_product(dtype: torch.dtype, monkeypatch: pytest.MonkeyPatch) -> None:
    """Matrices of 100 rows and columns: 2 million operations, in 0.5 s at best. The first product takes 0.9 s."""
    clock, multiplied = iter([0.0, 0.9, 1.0, 1.7, 2.0, 2.5, 3.0, 3.8]), []
    monkeypatch.setattr(speed.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(speed, "SIZE", 100)
    monkeypatch.setattr(torch, "matmul", lambda one, other, out: multiplied.append({one.dtype, other.dtype, out.dtype}))
    random = torch.get_rng_state()
    assert speed.matrix_rate("cpu", repeats=3, dtype=dtype) == 4e6
    assert multiplied == [{dtype}] * 4
    assert torch.equal(torch.get_rng_state(), random)


def test_slow_products_are_fewer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each takes 4 s: the third ends after the ten seconds."""
    taken = []
    monkeypatch.setattr(speed, "timed", lambda work, device: taken.append(4.0) or 4.0)
    monkeypatch.setattr(speed, "SIZE", 100)
    assert speed.matrix_rate("cpu") == 5e5
    assert len(taken) == 3


# --- the classic loop ---


@pytest.fixture(scope="module")
def prepared(digits: data.Dataset) -> data.DataSplits:
    return data.prepare(digits, None, seed=3)


@pytest.fixture(scope="module")
def one_by_one(digits: data.Dataset, prepared: data.DataSplits) -> Subset:
    return speed.classic_images(digits, None, 3, prepared.mean, prepared.std)


def test_the_classic_loop_gets_the_same_images(prepared: data.DataSplits, one_by_one: Subset) -> None:
    assert len(one_by_one) == len(prepared.train) == 1250
    for index in (0, 1, 7, 700, 1249):
        (image, label), (our_image, our_label) = one_by_one[index], prepared.train[index]
        assert image.shape == our_image.shape == (1, 28, 28)
        assert image.dtype == our_image.dtype == torch.float32
        assert torch.allclose(image, our_image, rtol=0, atol=1e-6)
        assert label == our_label


def test_the_classic_epoch_is_that_of_chapter_3(easy: TensorDataset) -> None:
    """On the same batches, in the same order, it ends in the same weights to the last bit."""
    trained, losses = [], []
    for train_epoch in (training.train_epoch, speed.train_classic_epoch):
        torch.manual_seed(0)
        model = MNISTClassification()
        optimizer = torch.optim.Adam(model.parameters(), lr=0.001)
        losses.append(train_epoch(model, data.make_batches(easy, 16, shuffle=True, seed=0), optimizer))
        trained.append(list(model.parameters()))
    assert all(torch.equal(one, other) for one, other in zip(*trained, strict=True))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)


# --- the variants ---


def changed(before: speed.Variant, after: speed.Variant) -> set[str]:
    """Return the names of the fields, those of the recipe included, in which two variants differ."""
    names = {name for name in vars(before) if name != "recipe" and getattr(before, name) != getattr(after, name)}
    return names | set(after.recipe.changes(before.recipe))


def test_each_step_of_the_ladder_takes_one_cost_away() -> None:
    variants = list(speed.LADDER.values())
    assert variants[0] == speed.CLASSIC == speed.Variant()
    assert variants[-1].recipe is recipes.FAST is recipes.RECIPES["fast"]
    lighter = {"conv_dropout", "fc_dropout", "optimizer", "learning_rate", "one_cycle"}
    lighter |= {"weight_decay", "label_smoothing"}
    larger = {"batch_size", "learning_rate", "warm_up"}
    steps = [changed(before, after) for before, after in pairwise(variants)]
    assert steps == [{"loading"}, {"loading"}, {"look"}, lighter, larger, {"channels_last"}, {"bfloat16"}]


def test_what_was_also_tried_changes_one_thing_of_a_step() -> None:
    for base, variant in speed.ALSO_TRIED.values():
        assert len(changed(speed.LADDER[base], variant)) == 1


WITHOUT_COMPILER = speed.LADDER | {name: each for name, (_, each) in speed.ALSO_TRIED.items() if not each.compiled}


@pytest.mark.parametrize("name", WITHOUT_COMPILER)
def test_every_variant_learns(name: str, prepared: data.DataSplits, one_by_one: Subset) -> None:
    """After four epochs on 1,250 digits each reads most of 297 others; guessing would read a tenth."""
    variant = WITHOUT_COMPILER[name]
    # 32 steps are too few for the longest of them: after those it is a matter of luck where a network ends up.
    variant = replace(variant, recipe=replace(variant.recipe, learning_rate=min(variant.recipe.learning_rate, 0.03)))
    threads = torch.get_num_threads()
    model, train = speed.set_up(variant, prepared, one_by_one, seed=0, epochs=4)
    losses = [train() for _ in range(4)]
    assert losses[-1] < losses[0]
    score = training.score(*training.predict(model, data.make_batches(prepared.test, 1000)))
    assert score["accuracy"] > 0.6
    assert torch.get_num_threads() == threads


def test_one_thread_is_one_thread(
    prepared: data.DataSplits, one_by_one: Subset, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen = []
    monkeypatch.setattr(training, "train_epoch", lambda *_, **__: seen.append(torch.get_num_threads()))
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(2)
        _, train = speed.set_up(speed.ALSO_TRIED["one thread"][1], prepared, one_by_one, seed=0, epochs=2)
        train()
        train()
        assert (seen, torch.get_num_threads()) == ([1, 1], 2)
    finally:
        torch.set_num_threads(before)


def test_every_way_of_loading_brings_each_image_once_in_a_new_order(
    prepared: data.DataSplits, one_by_one: Subset
) -> None:
    """Images are told apart by the sum of their pixels."""
    torch.manual_seed(0)
    for loading in ("one by one", "in memory", "by index"):
        batches = speed.variant_batches(speed.Variant(loading), prepared, one_by_one, seed=0)
        assert [len(labels) for _, labels in batches] == [64] * 19 + [34]
        orders = []
        for _ in range(2):
            images, labels = (torch.cat(part) for part in zip(*batches, strict=True))
            orders.append(labels)
            order, ours = (
                part.flatten(1).double().sum(dim=1).argsort() for part in (images, prepared.train.tensors[0])
            )
            torch.testing.assert_close(images[order], prepared.train.tensors[0][ours])
            assert torch.equal(labels.bincount(), prepared.train.tensors[1].bincount())
        assert not torch.equal(*orders)
        assert not torch.equal(orders[0], prepared.train.tensors[1])


def test_a_compiled_variant_is_compiled(
    prepared: data.DataSplits, one_by_one: Subset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`torch.compile` itself would take half a minute."""
    compiled = []
    monkeypatch.setattr(nn.Module, "compile", lambda model: compiled.append(model))
    models = [speed.set_up(variant, prepared, one_by_one, 0, 1)[0] for variant in speed.LADDER.values()]
    models.append(speed.set_up(speed.ALSO_TRIED["compiled"][1], prepared, one_by_one, 0, 1)[0])
    assert compiled == models[-1:]
