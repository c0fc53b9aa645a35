"""The benchmark: it counts right, both loops see the same images, and it leaves what it promises. Nothing is timed."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.flop_counter import FlopCounterMode

from course import bench, bench_report
from course import race as racing
from course.__main__ import main
from helpers import data, recipes, settings, speed, training
from helpers.model import BatchNormNet, MNISTClassification

# --- operations ---

# Products of the course's network, for one image: each number that comes out of a layer is a sum of products.
#   convolution 1   10×24×24 numbers of  1×5×5 products: 144,000
#   convolution 2   20×8×8   numbers of 10×5×5 products: 320,000
#   linear 1        50       numbers of    320 products:  16,000
#   linear 2        10       numbers of     50 products:     500
# Forward, a product and its sum are 2 operations; backward twice as many, but once for the layer that reads images.
BY_HAND = [
    {"layer": "conv_block.0", "forward": 288_000, "backward": 288_000},
    {"layer": "conv_block.3", "forward": 640_000, "backward": 1_280_000},
    {"layer": "fc_block.0", "forward": 32_000, "backward": 64_000},
    {"layer": "fc_block.3", "forward": 1_000, "backward": 2_000},
]


def test_operations_of_the_courses_network_are_those_counted_by_hand() -> None:
    model = MNISTClassification()
    assert speed.layer_operations(model) == BY_HAND
    assert speed.training_operations(model) == 2_595_000  # 129.75 GFLOP for 50,000 images


@pytest.mark.parametrize("build", [MNISTClassification, BatchNormNet], ids=["course", "batch normalisation"])
def test_operations_are_those_that_pytorch_counts(build: Callable[[], nn.Module]) -> None:
    model = build()
    images, labels = torch.zeros(3, 1, 28, 28), torch.zeros(3, dtype=torch.int64)
    with FlopCounterMode(display=False) as counter:
        F.nll_loss(model(images), labels).backward()
    assert speed.training_operations(model) * 3 == counter.get_total_flops()


def test_grouped_and_strided_convolutions_count_too() -> None:
    """4×3×3 numbers (stride 2 on 8×8) of 1×3×3 products (each group reads one of two channels): 324 products."""
    model = nn.Sequential(nn.Conv2d(2, 4, 3, stride=2, groups=2))
    assert speed.layer_operations(model, (2, 8, 8)) == [{"layer": "0", "forward": 648, "backward": 648}]


@pytest.mark.parametrize("training_mode", [True, False])
def test_counting_leaves_the_network_as_it_was(training_mode: bool) -> None:
    model = BatchNormNet().train(training_mode)
    before, random = {name: tensor.clone() for name, tensor in model.state_dict().items()}, torch.get_rng_state()
    speed.layer_operations(model)
    assert model.training is training_mode
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert not any(layer._forward_hooks for layer in model.modules())


def test_the_floor_is_the_arithmetic_over_the_rate() -> None:
    """2.595 MFLOP times 50,000 images are 129.75 GFLOP; at 259.5 GFLOP/s half a second."""
    found = bench.lower_bound_of(259.5e9, 50_000)
    assert found["operations_per_image"] == 2_595_000
    assert found["gflop"] == pytest.approx(129.75)
    assert found["gflop_per_second"] == pytest.approx(259.5)
    assert found["seconds"] == pytest.approx(0.5)


# --- the classic loop ---


@pytest.fixture
def one_by_one(digits: data.Dataset) -> speed.Subset:
    prepared = data.prepare(digits, None, seed=3)
    return speed.classic_images(digits, None, 3, prepared.mean, prepared.std)


def test_the_classic_loop_gets_the_same_images(digits: data.Dataset, one_by_one: speed.Subset) -> None:
    ours = data.prepare(digits, None, seed=3).train
    assert len(one_by_one) == len(ours) == 1250
    for index in (0, 1, 7, 700, 1249):
        (image, label), (our_image, our_label) = one_by_one[index], ours[index]
        assert image.shape == our_image.shape == (1, 28, 28)
        assert image.dtype == our_image.dtype == torch.float32
        assert torch.allclose(image, our_image, rtol=0, atol=1e-6)
        assert label == our_label


def test_the_classic_loader_yields_each_image_once_in_a_new_order(one_by_one: speed.Subset) -> None:
    batches = speed.variant_batches(speed.CLASSIC, None, one_by_one, seed=0)
    torch.manual_seed(0)
    once, again = (torch.cat([labels for _, labels in batches]) for _ in range(2))
    assert [len(labels) for _, labels in batches] == [64] * 19 + [34]
    in_order = torch.tensor([label for _, label in one_by_one])
    assert torch.equal(once.bincount(), in_order.bincount())
    assert not torch.equal(once, again)
    assert not torch.equal(once, in_order)


def test_the_classic_epoch_is_that_of_chapter_3(easy: data.TensorDataset) -> None:
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


def test_the_recipe_fast_keeps_the_rule_of_the_game() -> None:
    fast = recipes.RECIPES["fast"]
    assert fast is recipes.FAST
    assert (fast.network, fast.one_cycle) == ("course", True)
    assert (fast.shift, fast.rotation, fast.scaling) == (0.0, 0.0, 0.0)
    assert "fast" not in settings.LADDER + settings.ABLATIONS


# --- the ways through an epoch ---


def changed(before: object, after: object) -> set[str]:
    """Return the names of the fields, those of the recipe included, in which two ways differ."""
    names = {name for name in vars(before) if name != "recipe" and getattr(before, name) != getattr(after, name)}
    return names | set(after.recipe.changes(before.recipe))


def test_each_step_of_the_ladder_takes_one_cost_away() -> None:
    ways = list(speed.LADDER.values())
    assert ways[0] == speed.Variant()
    assert ways[-1].recipe is recipes.FAST
    steps = [changed(before, after) for before, after in pairwise(ways)]
    lighter = {
        "conv_dropout",
        "fc_dropout",
        "optimizer",
        "learning_rate",
        "one_cycle",
        "weight_decay",
        "label_smoothing",
    }
    larger = {"batch_size", "learning_rate", "warm_up"}
    assert steps == [{"loading"}, {"loading"}, {"look"}, lighter, larger, {"channels_last"}, {"bfloat16"}]


def test_what_was_tried_besides_changes_one_thing_of_a_step() -> None:
    for base, way in speed.BESIDES.values():
        assert len(changed(speed.LADDER[base], way)) == 1


SHORT_OF_THE_COMPILER = [name for name in speed.LADDER | speed.BESIDES if name != "compiled"]


@pytest.mark.parametrize("name", SHORT_OF_THE_COMPILER)
def test_every_way_learns(name: str, digits: data.Dataset) -> None:
    """After eight epochs on 1,250 digits each reads most of 297 others; guessing would read a tenth."""
    way = speed.LADDER[name] if name in speed.LADDER else speed.BESIDES[name][1]
    # 112 steps are too few for the longest of them: after those it is a matter of luck where a network stands.
    way = replace(way, recipe=replace(way.recipe, learning_rate=min(way.recipe.learning_rate, 0.03)))
    threads, prepared = torch.get_num_threads(), data.prepare(digits, None, seed=0)
    one_by_one = speed.classic_images(digits, None, 0, prepared.mean, prepared.std)
    model, train = speed.starter(prepared, one_by_one)(way, 0, 8)
    losses = [train() for _ in range(8)]
    assert losses[-1] < losses[0]
    score = training.score(*training.predict(model, data.make_batches(prepared.test, 1000)))
    assert score["accuracy"] > 0.6
    assert torch.get_num_threads() == threads


def test_loading_in_another_way_brings_the_same_images(digits: data.Dataset) -> None:
    prepared = data.prepare(digits, None, seed=3)
    one_by_one = speed.classic_images(digits, None, 3, prepared.mean, prepared.std)
    seen = []
    for loading in ("one by one", "in memory", "by index"):
        batches = speed.variant_batches(speed.Variant(loading=loading), prepared, one_by_one, seed=0)
        images, labels = (torch.cat(part) for part in zip(*batches, strict=True))
        assert [len(labels) for _, labels in batches] == [64] * 19 + [34]
        in_order = images.flatten(1).double().sum(dim=1).argsort()  # the orders are random
        seen.append((images[in_order], labels[in_order]))
    for images, labels in seen[1:]:
        torch.testing.assert_close(images, seen[0][0])
        assert torch.equal(labels.bincount(), seen[0][1].bincount())


def test_the_compiler_is_left_out_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def no_compiler(_: object) -> None:
        raise RuntimeError("No working C++ compiler found\nmore lines")

    monkeypatch.setattr(torch, "compile", no_compiler)
    assert not bench.can_compile(torch.device("cpu"))
    assert capsys.readouterr().out == "torch.compile is left out, it doesn't work here: No working C++ compiler found\n"
    monkeypatch.setattr(torch, "compile", lambda function: function)
    assert bench.can_compile(torch.device("cpu"))


# --- the arithmetic of the report ---


def test_ratios_are_those_of_each_turn_and_their_median() -> None:
    """By turns 12/4 = 3, 10/2 = 5 and 20/5 = 4 times; the medians of the seconds, 12 and 4, would give 3."""
    measured = {"slow": [(12.0, 3.0), (10.0, 1.0), (20.0, 2.0)], "fast": [(4.0, None), (2.0, None), (5.0, None)]}
    slow, fast = (bench.summarise(measured, name, "slow", images=1200) for name in measured)
    assert (fast["times_faster"], fast["compared_with"]) == ([3.0, 5.0, 4.0], "slow")
    assert fast["times_faster_median"] == speed.ratio([12.0, 10.0, 20.0], [4.0, 2.0, 5.0]) == 4.0
    assert (fast["seconds_median"], fast["images_per_second"]) == (4.0, 300.0)
    assert (slow["times_faster_median"], slow["seconds_median"]) == (1.0, 12.0)
    assert (slow["memory_growth_mb"], fast["memory_growth_mb"]) == (3.0, None)


def test_a_compiled_way_is_translated_before_the_clock_starts() -> None:
    """Its first epoch, of those in a turn, isn't timed; each turn begins anew."""
    calls = []

    def start(way: speed.Variant, seed: int, epochs: int) -> tuple[nn.Module, Callable[[], float]]:
        calls.append((way.compiled, seed, epochs, 0))
        return nn.Identity(), lambda: calls.append((*calls[-1][:3], calls[-1][3] + 1))

    ways = {"plain": speed.Variant(), "compiled": speed.Variant(compiled=True)}
    measured, rates = bench.compare(start, ways, torch.device("cpu"), repeats=2)
    assert {name: len(epochs) for name, epochs in measured.items()} == {"plain": 2, "compiled": 2}
    assert len(rates) == 2
    a_turn = [(False, 1, 0), (False, 1, 1), (True, 2, 0), (True, 2, 1), (True, 2, 2)]
    assert [(compiled, epochs, done) for compiled, _, epochs, done in calls] == a_turn * 2


Race = Callable[[list[list[float]], list[float]], dict]


@pytest.fixture
def race(monkeypatch: pytest.MonkeyPatch, easy: data.TensorDataset) -> Race:
    """Runs a race whose test accuracies are given: of each seed, for the classic loop after each epoch, and for `fast`.

    An epoch of the classic loop takes 10 s, one of `fast` 2 s.
    """

    def race(slow: list[list[float]], fast: list[float]) -> dict:
        def start(way: speed.Variant, seed: int, epochs: int) -> tuple[nn.Module, Callable[[], float]]:
            model = nn.Identity()
            model.accuracies = iter(slow[seed] if way == speed.CLASSIC else [fast[seed]])
            return model, lambda: 10.0 if way == speed.CLASSIC else 2.0

        monkeypatch.setattr(speed, "timed", lambda train, device: train())
        monkeypatch.setattr(training, "predict", lambda model, batches: (model, batches))
        monkeypatch.setattr(training, "score", lambda model, batches: {"accuracy": next(model.accuracies)})
        return racing.race(start, easy, torch.device("cpu"), seeds=len(fast), epochs=len(slow[0]))

    return race


def test_the_race_stops_at_the_target(race: Race) -> None:
    """Seed 0 reaches it in the third epoch, to the digit. One of three seeds of `fast` misses it; the mean does not."""
    found = race([[0.96, 0.98, 0.987, 0.99], [0.98, 0.99], [0.98, 0.98, 0.988]], [0.986, 0.989, 0.988])
    assert found["classic"][0] == {
        "seed": 0,
        "seconds": 30.0,
        "epochs": 3,
        "accuracies": [0.96, 0.98, 0.987],
        "reached": True,
    }
    assert [run["epochs"] for run in found["classic"]] == [3, 2, 3]
    assert [run["seed"] for run in found["fast"]] == [0, 1, 2]
    assert [run["reached"] for run in found["fast"]] == [False, True, True]
    assert found["fast_accuracy_mean"] == pytest.approx(0.98766667)
    assert (found["classic_seconds_median"], found["fast_seconds_median"], found["times_faster"]) == (30.0, 2.0, 15.0)
    text = "\n".join(bench_report.target_lines(found))
    assert "| classic loop | 3 | 3 | 3 | 30.0 | 98.83% | 1.0 |" in text
    assert "| 3 | 2 | 1 | 2.0 | 98.77% | 15.0 |" in text
    assert "missed" not in text


def test_a_classic_loop_that_was_given_up_counts_with_the_time_it_had(race: Race) -> None:
    """It would have needed more than 40 s, so the median of three is the 30 s of a loop that arrived."""
    found = race([[0.98, 0.98, 0.98, 0.98], [0.98, 0.99], [0.98, 0.98, 0.988]], [0.989, 0.989, 0.989])
    assert (found["classic_seconds_median"], found["times_faster"]) == (30.0, 15.0)
    assert bench_report.target_lines(found)[-1] == "The classic loop missed 98.70% in 4 epochs with 1 of the seeds."


@pytest.mark.parametrize(
    ("slow", "fast", "said"),
    [
        ([[0.98, 0.99]] * 2, [0.986, 0.987], "The mean of `fast` missed 98.70%"),
        ([[0.98, 0.986], [0.98, 0.99]], [0.99, 0.99], "missed 98.70% in 2 epochs with 1 of the seeds."),
    ],
    ids=["fast", "half of the classic loops"],
)
def test_a_missed_target_is_said_and_gets_no_ratio(
    slow: list[list[float]], fast: list[float], said: str, race: Race
) -> None:
    found = race(slow, fast)
    assert found["times_faster"] is None
    lines = bench_report.target_lines(found)
    assert lines[3].endswith("| – |")
    assert [line for line in lines if "missed" in line] == [line for line in lines if said in line] != []


# --- memory ---


def test_memory_tells_what_was_held_at_most() -> None:
    before = bench_report.memory(reset_peak=True)
    if before is None:
        pytest.skip("this system doesn't tell a process its memory")
    block = torch.ones(25_000_000)  # 100 MB
    held = bench_report.memory()
    del block
    after = bench_report.memory()
    assert held.now - before.now == pytest.approx(100, abs=30)
    assert after.peak - before.now == pytest.approx(100, abs=30)
    assert after.now - before.now < 30
    assert bench_report.memory(reset_peak=True).now == pytest.approx(bench_report.memory().peak, abs=10)


def test_a_system_that_does_not_tell_its_memory_gets_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bench_report, "PROCESS", tmp_path / "nowhere")
    assert bench_report.memory() is None
    assert bench_report.memory(reset_peak=True) is None
    monkeypatch.setattr(bench_report, "PROCESS", tmp_path)
    (tmp_path / "status").write_text("Name:\tpython\nPid:\t1\n")
    assert bench_report.memory() is None
    (tmp_path / "status").write_text("Name:\tpython\nVmHWM:\t  3000 kB\nVmRSS:\t  2000 kB\n")
    assert bench_report.memory() == bench_report.Memory(now=2.048, peak=3.072)


# --- the command ---

OF_A_RUN = {"dataset", "images", "repeats", "epoch", "besides", "floor", "target", "recipe_fast"}
OF_THE_MACHINE = {"device", "device_name", "processor", "processor_threads", "versions"}
OF_A_WAY = {"seconds", "seconds_median", "images_per_second", "memory_growth_mb"}
OF_A_WAY |= {"compared_with", "times_faster", "times_faster_median"}


def test_the_command_leaves_numbers_and_table(
    tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "SIZE", 128)  # matrices that are multiplied in no time
    monkeypatch.setattr(bench, "can_compile", lambda device: False)  # it would take half a minute
    out = tmp_path / "new" / "bench"
    assert main(["bench", "--dataset", "digits", "--repeats", "1", "--device", "cpu", "--out", str(out)]) == 0
    assert sorted(path.name for path in out.iterdir()) == ["bench.json", "bench.md"]
    found = json.loads((out / "bench.json").read_text())
    assert found.keys() == OF_A_RUN | OF_THE_MACHINE
    assert (found["dataset"], found["images"], found["repeats"], found["device"]) == ("digits", 1250, 1, "cpu")
    assert found["target"] is None
    assert list(found["epoch"]) == list(speed.LADDER)
    assert list(found["besides"]) == [name for name in speed.BESIDES if name != "compiled"]
    for row in found["epoch"].values():
        assert row.keys() == OF_A_WAY | {"images_mb", "times_lower_bound"}
        assert len(row["seconds"]) == len(row["times_faster"]) == 1
        assert row["compared_with"] == "classic loop"
    for name, row in found["besides"].items():
        assert row.keys() == OF_A_WAY
        assert row["compared_with"] == speed.BESIDES[name][0]
    assert found["epoch"]["classic loop"]["images_mb"] == pytest.approx(1500 * 784 / 1e6)  # a byte a pixel, all 1,500
    assert found["epoch"]["images in memory"]["images_mb"] == pytest.approx(1250 * 784 * 4 / 1e6)
    assert recipes.Recipe(**found["recipe_fast"]) == recipes.FAST

    table = (out / "bench.md").read_text()
    printed = capsys.readouterr().out
    assert table in printed
    rows = {line.split("|")[1].strip(): line for line in table.splitlines() if line.startswith("|")}
    for name, row in found["epoch"].items():
        assert rows[name].startswith(f"| {name} | {row['seconds_median']:.2f} |")
        assert rows[name].count("|") == 8
    for name, row in found["besides"].items():
        assert rows[name] == (
            f"| {name} | {row['compared_with']} | {row['seconds_median']:.2f} | {row['times_faster_median']:.2f} |"
        )
    assert "Time to a target: not measured" in table
    assert re.search(r"turn 1/1: classic loop \d+\.\d\d s", printed)


BAD_CALLS = {
    "no repeats": (["--repeats", "0"], "repeats: got 0; give a whole number of at least 1"),
    "no epochs": (["--epochs", "-1"], "epochs: got -1; give a whole number of at least 1"),
    "repeats in words": (["--repeats", "many"], "--repeats: invalid int value: 'many'"),
    "half an epoch": (["--epochs", "0.5"], "--epochs: invalid int value: '0.5'"),
    "unknown data set": (["--dataset", "mnits"], "invalid choice: 'mnits'"),
    "another data set": (["--dataset", "fashion"], "invalid choice: 'fashion'"),
    "unknown device": (["--device", "tpu"], "invalid choice: 'tpu'"),
    "unknown option": (["--seeds", "3"], "unrecognized arguments: --seeds 3"),
}


@pytest.fixture
def refused(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Calls the command with words that it must refuse before it trains; returns the one line that it said."""

    def train(*_: object) -> None:
        raise AssertionError("training began")

    def refused(*words: object) -> str:
        monkeypatch.setattr(speed, "starter", train)
        try:
            status = main(["bench", *map(str, words)])
        except SystemExit as stop:  # argparse ends so
            status = stop.code
        said = capsys.readouterr()
        assert (status, said.out, said.err.count("\n")) == (2, "", 1)
        assert said.err.startswith("python -m course")
        return said.err

    return refused


@pytest.mark.parametrize("row", BAD_CALLS)
def test_a_wrong_call_is_one_line(row: str, refused: Callable[..., str], tmp_path: Path) -> None:
    words, said = BAD_CALLS[row]
    assert said in refused(*words, "--out", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_a_device_this_machine_lacks_is_one_line(refused: Callable[..., str], tmp_path: Path) -> None:
    found = torch.accelerator.current_accelerator(check_available=True)
    missing = "mps" if found is not None and found.type == "cuda" else "cuda"
    said = refused("--dataset", "digits", "--device", missing, "--out", tmp_path / "out")
    assert f"device: '{missing}' is not available on this machine" in said
    assert list(tmp_path.iterdir()) == []


def test_an_out_that_is_a_file_is_one_line(refused: Callable[..., str], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for out in (tmp_path / "file", tmp_path / "file" / "below"):
        assert f"out: '{out}' can't be written" in refused("--dataset", "digits", "--out", out)
    assert (tmp_path / "file").read_text() == "mine"


def test_mnist_that_cannot_be_had_is_one_line(
    refused: Callable[..., str], no_network: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("helpers.paths.ROOT", tmp_path)  # where no archives are
    assert "train-images-idx3-ubyte.gz" in refused("--dataset", "mnist", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_auto_says_that_it_measures_the_digits(
    no_network: None, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = replace(data.load_dataset("digits"), note="no mirror gave it")
    monkeypatch.setattr(data, "load_dataset", lambda name: noted)
    monkeypatch.setattr(speed, "SIZE", 128)
    monkeypatch.setattr(bench, "can_compile", lambda device: False)
    monkeypatch.setattr(speed, "starter", lambda *_: lambda way, seed, epochs: (nn.Identity(), lambda: 0.0))
    assert main(["bench", "--repeats", "1", "--device", "cpu", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("MNIST can't be had, so this measures the embedded digits.")
