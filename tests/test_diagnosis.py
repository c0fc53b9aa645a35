"""The vital signs: each read on both sides of its limit, and named for networks that are not the course's."""

import copy
import math
import re
from collections.abc import Callable
from functools import partial

import matplotlib.pyplot as plt
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.data import DataLoader, TensorDataset

from helpers import diagnosis, settings
from helpers.diagnosis import ADVICE, LIMITS, USUAL, Watch, dead_share, readings, update_ratio
from helpers.model import BatchNormNet

# --- by hand ---


def test_an_update_as_a_share_of_the_weights_by_hand() -> None:
    # The weights' norm is 5 (3 and 4), the update's is 0.5 (0.3 and 0.4).
    assert update_ratio(torch.tensor([[3.0, 4.0]]), torch.tensor([[3.3, 4.4]])) == pytest.approx(0.1)
    assert update_ratio(torch.zeros(2, 2), torch.zeros(2, 2)) == 0  # and not 0 / 0


def test_a_channel_is_dead_if_it_is_0_for_all_images_by_hand() -> None:
    # Of four channels, the first is 0 for both images, the third for one of them.
    assert dead_share(torch.tensor([[0.0, 1.0, 0.0, 2.0], [0.0, 3.0, 4.0, 0.0]])) == 0.25
    maps = torch.zeros(2, 2, 3, 3)  # (images, channels, rows, columns)
    maps[1, 0, 2, 2] = 1
    assert dead_share(maps) == 0.5


GUESSING = math.log(10)


def healthy() -> Watch:
    """A watch as after a healthy training of ten classes with five steps, its numbers made up."""
    watch = Watch(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2)))
    watch.losses = [GUESSING, 1.0, 0.5, 0.4, 0.3]
    watch.gradients = {name: [1.0, 1.0, 1.0, 1.0, 1.0] for name in watch.layers}
    watch.updates = {name: [0.01] * 5 for name in watch.layers}
    watch.epochs = [(0.3, 0.3, 0.9)]
    watch.confusion = torch.eye(10).long()
    watch.measured = {
        "batch size": 64,
        "classes in a batch": 10,
        "shared images": 0,
        "blank image": 0.0,
        "one batch": 0.1,
        "evaluated twice": 0.0,
    }
    return watch


def changed(**changes: object) -> Watch:
    """The same with other attributes; dictionaries are updated, and numbers for layers are those of the first."""
    watch = healthy()
    for name, value in changes.items():
        old = getattr(watch, name)
        setattr(watch, name, old | value if isinstance(value, dict) else value)
    return watch


def norms(first: float, last: float) -> dict[str, list[float]]:
    """Norms of both layers' gradients: in the first step, and in the last one."""
    return {name: [first, 1.0, 1.0, 1.0, last] for name in ("0.weight", "1.weight")}


def updates(size: float) -> dict[str, list[float]]:
    return {name: [size] * 5 for name in ("0.weight", "1.weight")}


NAN = math.nan
SIDES = [  # the sign, a healthy watch close to the limit, and an odd one with what is said of it
    ("shared images", {"measured": {"shared images": 0}}, {"measured": {"shared images": 1}}, "some"),
    ("classes in a batch", {"measured": {"classes in a batch": 6}}, {"measured": {"classes in a batch": 5}}, "few"),
    (
        "classes in a batch",  # three images at random are of 2.7 classes on average
        {"measured": {"batch size": 3, "classes in a batch": 2}},
        {"measured": {"batch size": 3, "classes in a batch": 1}},
        "few",
    ),
    ("first loss", {"losses": [2.9, 1, 1, 1, 0.3]}, {"losses": [3.0, 1, 1, 1, 0.3]}, "high"),
    ("blank image", {"measured": {"blank image": 9e-4}}, {"measured": {"blank image": 2e-3}}, "depends on the others"),
    ("one batch", {"measured": {"one batch": 0.64}}, {"measured": {"one batch": 0.65}}, "not learned"),
    (
        "evaluated twice",
        {"measured": {"evaluated twice": 9e-4}},
        {"measured": {"evaluated twice": 2e-3}},
        "two results",
    ),
    ("gradient", {"gradients": norms(1, 4.6)}, {"gradients": norms(1, 4.8)}, "grows"),
    ("gradient", {"gradients": norms(0.1, 0)}, {"gradients": {"0.weight": [0.0] * 5}}, "missing in a layer"),
    ("updates", {"updates": updates(0.09)}, {"updates": updates(0.11)}, "large"),
    ("updates", {"updates": updates(8e-4)}, {"updates": updates(6e-4)}, "small"),
    ("validation", {"epochs": [(0.4, 0.8, 0.9)]}, {"epochs": [(0.4, 0.81, 0.9)]}, "far above training"),
    ("validation", {"epochs": [(0.4, 0.8, 0.02)]}, {"epochs": [(0.4, 5.0, 0.02)]}, "worse than guessing"),
    ("validation", {"epochs": [(2.2, 2.3, 0.02)]}, {"epochs": [(0.4, 5.0, 0.1)]}, "far above training"),
    ("loss and accuracy", {"losses": [2.3, 2, 2, 2, 1.2]}, {"losses": [2.3, 2, 2, 2, 1.3]}, "loss too high"),
    (
        "loss and accuracy",  # few answers are right, so a high loss is no wonder
        {"losses": [2.3, 2, 2, 2, 2], "epochs": [(2, 2, 0.6)]},
        {"losses": [2.3, 2, 2, 2, 2], "epochs": [(2, 2, 0.8)]},
        "loss too high",
    ),
    ("first loss", {}, {"losses": [NAN, 1, 1, 1, 0.3]}, "high"),
    ("blank image", {}, {"measured": {"blank image": NAN}}, "depends on the others"),
    ("one batch", {}, {"measured": {"one batch": NAN}}, "not learned"),
    ("evaluated twice", {}, {"measured": {"evaluated twice": NAN}}, "two results"),
    ("gradient", {}, {"gradients": norms(1, NAN)}, "grows"),
    ("updates", {}, {"updates": updates(NAN)}, "large"),
    ("validation", {}, {"epochs": [(0.3, NAN, 0.9)]}, "far above training"),
    ("validation", {}, {"epochs": [(NAN, 0.3, 0.9)]}, "far above training"),
    ("loss and accuracy", {}, {"losses": [2.3, 1, 1, 1, NAN]}, "loss too high"),
]


@pytest.mark.parametrize(("sign", "usual", "odd", "reading"), SIDES, ids=[f"{side[0]}, {side[3]}" for side in SIDES])
def test_each_sign_on_both_sides_of_its_limit(sign: str, usual: dict, odd: dict, reading: str) -> None:
    assert readings(changed(**usual)) == USUAL
    assert readings(changed(**odd)) == USUAL | {sign: reading}


def test_whatever_a_sign_may_say_is_told_and_has_advice() -> None:
    assert {reading for *_, reading in SIDES} == set(ADVICE)
    assert {sign for sign, *_ in SIDES} == set(USUAL)
    assert set(LIMITS) - set(diagnosis.numbers(healthy())) == {"small updates", "large updates"}


def test_a_sign_does_not_depend_on_how_many_classes_there_are() -> None:
    """Losses count in units of ln K: two classes with losses of ln 2 where ten have ln 10 give the same readings."""
    watch = healthy()
    watch.confusion = torch.eye(2).long()
    watch.measured["classes in a batch"] = 2
    watch.losses = [loss * math.log(2) / GUESSING for loss in watch.losses]
    assert readings(watch) == USUAL
    watch.measured["classes in a batch"] = 1
    assert readings(watch) == USUAL | {"classes in a batch": "few"}


# --- networks that are not the course's ---


class Functional(nn.Module):
    """ReLUs and dropout as functions, three classes, log-probabilities."""

    def __init__(self, detach: bool = False, dropout: bool = False, softmax: bool = False):
        super().__init__()
        self.first, self.second, self.last = nn.Linear(6, 24), nn.Linear(24, 24), nn.Linear(24, 3)
        self.detach, self.dropout, self.softmax = detach, dropout, softmax

    def forward(self, points: Tensor) -> Tensor:
        hidden = F.relu(self.first(points))
        hidden = F.relu(self.second(hidden.detach() if self.detach else hidden))
        logits = self.last(F.dropout(hidden, 0.2, training=self.training or self.dropout))
        return logits.softmax(dim=1) if self.softmax else logits.log_softmax(dim=1)


def cnn(*last: nn.Module, **options: bool) -> nn.Module:
    """Logits of six classes for images of 8×8 pixels, with batch normalization."""
    block = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8, **options), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    return nn.Sequential(block, nn.Linear(8 * 9, 6), *last)


def mlp(*last: nn.Module) -> nn.Module:
    return nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 2), *last)


def patterns(classes: int, *shape: int, noise: float = 0.3, batches: int = 20, size: int = 32) -> list:
    """Batches of noisy copies of one random pattern for each class."""
    centers = torch.randn(classes, *shape)
    labels = torch.randint(classes, (batches, size))
    return [(centers[batch] + noise * torch.randn(size, *shape), batch) for batch in labels]


def in_order(batches: list) -> list:
    """The same examples class by class, as they come from folders."""
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    order, size = labels.argsort(stable=True), len(batches[0][1])
    return list(zip(images[order].split(size), labels[order].split(size), strict=True))


class Adding(torch.optim.SGD):
    """An optimizer whose gradients nobody sets to zero."""

    def zero_grad(self, set_to_none: bool = True) -> None:
        pass


SGD, Adam = torch.optim.SGD, torch.optim.Adam
POINTS, IMAGES, FEATURES = ((2, 2), (6, 1, 8, 8), (3, 6))  # classes, and the shape of an example
DIGITS = (10, 1, 28, 28)
Made = tuple[Callable[[], nn.Module], tuple[int, ...], Callable]  # network, data, optimizer of its parameters
NETWORKS: dict[str, Made] = {
    "points, MLP, SGD": (mlp, POINTS, partial(SGD, lr=0.1)),
    "images, CNN with batch norm": (cnn, IMAGES, partial(torch.optim.AdamW, lr=0.003)),
    "features, functional": (Functional, FEATURES, partial(Adam, lr=0.003)),
    "chapter 6": (BatchNormNet, DIGITS, partial(SGD, lr=0.02, momentum=0.9)),
}


def examined(
    network: Callable[[], nn.Module],
    data: tuple[int, ...],
    optimizer: Callable,
    of_another: bool = False,
    change: Callable[[list], list] | None = None,
    val: Callable[[list], list] | None = None,
) -> dict[str, str]:
    """Return what the signs of a made training say: with its batches changed, or with what `val` makes of all 20."""
    torch.manual_seed(0)
    batches = patterns(*data)
    model = network()
    trained = network() if of_another else model
    val_batches = None if val is None else val(batches)
    batches = batches[:16] if val is not None else batches if change is None else change(batches)
    steps = 40 if network is BatchNormNet else 100
    return readings(diagnosis.examine(model, batches, optimizer(trained.parameters()), val_batches, steps=steps))


def slow_if_large(name: str) -> object:
    """Return a parameter of a test; chapter 6's network takes seconds to examine."""
    return pytest.param(name, marks=pytest.mark.slow if name.startswith("chapter 6") else ())


@pytest.mark.parametrize("name", [*map(slow_if_large, NETWORKS)])
def test_a_healthy_network_of_any_kind_shows_no_odd_sign(name: str) -> None:
    assert examined(*NETWORKS[name]) == USUAL


class OverBatch(BatchNormNet):
    def forward(self, images: Tensor) -> Tensor:
        return super().forward(images).log_softmax(dim=0)


MLP, CNN, FUNCTIONAL, CHAPTER_6 = NETWORKS.values()
BROKEN = {  # what is wrong: the training, and some of its signs
    "points: learning rate × 100": ((*MLP[:2], partial(SGD, lr=10)), {}, {"updates": "large"}),
    "points: learning rate ÷ 1000": ((*MLP[:2], partial(SGD, lr=0.0001)), {}, {"updates": "small"}),
    "points: another network's optimizer": (
        MLP,
        {"of_another": True},
        {"updates": "small", "one batch": "not learned"},
    ),
    "points: sorted": (MLP, {"change": in_order}, {"classes in a batch": "few"}),
    "points: a second softmax": ((lambda: mlp(nn.Softmax(dim=1)), *MLP[1:]), {}, {"one batch": "not learned"}),
    "images: a second softmax": (
        (lambda: cnn(nn.Softmax(dim=1)), *CNN[1:]),
        {},
        {"loss and accuracy": "loss too high", "one batch": "not learned"},
    ),
    "images: batch norm that never evaluates": (
        (lambda: cnn(track_running_stats=False), *CNN[1:]),
        {},
        {"blank image": "depends on the others"},
    ),
    "features: up to 255": (
        FUNCTIONAL,
        {"change": lambda batches: [(255 * x, y) for x, y in batches]},
        {"first loss": "high"},
    ),
    "features: images in both sets": (FUNCTIONAL, {"val": lambda batches: batches[10:]}, {"shared images": "some"}),
    "features: detached": ((lambda: Functional(detach=True), *FUNCTIONAL[1:]), {}, {"gradient": "missing in a layer"}),
    "features: dropout that never evaluates": (
        (lambda: Functional(dropout=True), *FUNCTIONAL[1:]),
        {},
        {"evaluated twice": "two results", "blank image": "depends on the others"},
    ),
    "features: no zero_grad": ((*FUNCTIONAL[:2], partial(Adding, lr=0.3)), {}, {"gradient": "grows"}),
    "chapter 6: softmax over the batch": (
        (OverBatch, *CHAPTER_6[1:]),
        {},
        {"blank image": "depends on the others"},
    ),
    "chapter 6: validation on another scale": (
        CHAPTER_6,
        {"val": lambda batches: [(0.2 * x - 1, y) for x, y in batches[16:]]},
        {"validation": "far above training"},
    ),
    "chapter 6: labels one off": (
        CHAPTER_6,
        {"val": lambda batches: [(x, (y + 1) % 10) for x, y in batches[16:]]},
        {"validation": "worse than guessing"},
    ),
}


@pytest.mark.parametrize("name", [*map(slow_if_large, BROKEN)])
def test_what_is_wrong_with_a_network_shows_in_its_signs(name: str) -> None:
    training, options, expected = BROKEN[name]
    assert expected.items() <= examined(*training, **options).items()


@pytest.mark.parametrize("training", [CNN, FUNCTIONAL, MLP], ids=["CNN", "functional", "MLP"])
def test_an_examination_leaves_everything_as_it_was(training: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    """The model with its mode and gradients, the optimizer with its momenta, and what is drawn at random afterwards."""
    monkeypatch.setattr(diagnosis, "BY_HEART", 10)
    network, data, make = training
    images, labels = (torch.cat(parts) for parts in zip(*patterns(*data, batches=4), strict=True))
    batches = DataLoader(TensorDataset(images, labels), batch_size=32, shuffle=True)  # draws at random as well
    model = network().eval()
    optimizer = make(model.parameters())
    F.cross_entropy(model(images), labels).backward()
    optimizer.step()
    before = copy.deepcopy((model.state_dict(), optimizer.state_dict(), [p.grad for p in model.parameters()]))
    state = torch.get_rng_state()
    diagnosis.examine(model, batches, optimizer, steps=4)
    after = (model.state_dict(), optimizer.state_dict(), [p.grad for p in model.parameters()])
    torch.testing.assert_close(after, before, rtol=0, atol=0, equal_nan=True)
    assert torch.equal(torch.get_rng_state(), state)
    assert not any(module.training for module in model.modules())
    assert {id(p) for p in optimizer.param_groups[0]["params"]} == {id(p) for p in model.parameters()}


@pytest.mark.parametrize(
    ("taken", "val", "words"),
    [
        (0, None, "batches: got 0, and 0 to validate with; give at least two, and one"),
        (1, None, "batches: got 1, and 1 to validate with; give at least two, and one"),
        (3, 0, "batches: got 3, and 0 to validate with; give at least two, and one"),
        (0, 1, "batches: got 0, and 1 to validate with; give at least two, and one"),
    ],
)
def test_too_few_batches_are_refused_in_one_line(taken: int, val: int | None, words: str) -> None:
    model, batches = mlp(), patterns(*POINTS, batches=4)
    with pytest.raises(ValueError) as error:
        diagnosis.examine(model, batches[:taken], MLP[2](model.parameters()), None if val is None else batches[:val])
    assert str(error.value) == words


def test_an_endless_stream_of_batches_is_taken_only_as_long_as_it_is_needed() -> None:
    drawn: list[int] = []

    def stream() -> object:
        while True:
            drawn.append(1)
            yield patterns(*POINTS, batches=1)[0]

    model = mlp()
    watch = diagnosis.examine(model, stream(), MLP[2](model.parameters()), steps=10)
    assert (len(drawn), len(watch.losses), len(watch.epochs)) == (10, 16, 2)  # 8 to train with, two epochs


# --- the sheet, and its page ---


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What stands for the figures that are shown."""
    alts: list[str] = []
    monkeypatch.setattr(diagnosis.plotting, "show", lambda figure, alt: (alts.append(alt), plt.close(figure)))
    return alts


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (0.1, "All 10 signs are as in a healthy training."),
        (10, "updates: large. A step changes the weights by a tenth or more. Try a tenth of the learning rate."),
    ],
)
def test_the_sheet_says_in_words_what_is_odd_and_what_to_try(
    rate: float, words: str, shown: list[str], capsys: pytest.CaptureFixture
) -> None:
    torch.manual_seed(0)
    batches, model = patterns(*POINTS), mlp()
    diagnosis.sheet(model, batches, SGD(model.parameters(), lr=rate), steps=100)
    assert " ".join(capsys.readouterr().out.split()) == words
    assert [all(sign in alt for sign in USUAL) for alt in shown] == [True]


PAGE = (settings.ROOT / "docs" / "diagnosis.md").read_text(encoding="utf-8")


def test_the_pages_example_runs_and_prints_what_the_page_says(shown: list[str], capsys: pytest.CaptureFixture) -> None:
    _, code, _, printed, _ = re.split(r"^```(?:python)?\n", PAGE, flags=re.MULTILINE)
    exec(code, {})
    assert capsys.readouterr().out == printed
    assert len(shown) == 1


def test_the_page_has_every_sign_and_every_limit() -> None:
    rows = [line for line in PAGE.splitlines() if line.startswith("| ")][1:]
    assert [row.split(" | ")[0].removeprefix("| ") for row in rows] == list(USUAL)
    limits = [number for row in rows for number in re.findall(r"\d+\.\d+", row.split(" | ")[2])]
    assert sorted(map(float, limits)) == sorted(LIMITS.values())
