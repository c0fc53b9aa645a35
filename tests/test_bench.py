"""The benchmark: it counts right, stops at the target, and leaves what it promises. No test judges a speed."""

import json
import mmap
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import nn

from course import bench, bench_race, bench_report, bench_shared
from course.__main__ import main
from helpers import data, recipes, speed, training

CPU = torch.device("cpu")
Trained = tuple[nn.Module, Callable[[], object]]


def test_the_lower_bound_is_the_arithmetic_over_the_rate() -> None:
    """2.595 MFLOP times 50,000 images are 129.75 GFLOP; at 259.5 GFLOP/s half a second."""
    found = bench.lower_bound_of(259.5e9, 50_000)
    expected = {"operations_per_image": 2_595_000, "gflop": 129.75, "gflop_per_second": 259.5, "seconds": 0.5}
    assert found == pytest.approx(expected)


def test_the_compiler_is_left_out_where_there_is_none(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    def no_compiler(_: object) -> None:
        raise RuntimeError("No working C++ compiler found\nmore lines")

    monkeypatch.setattr(torch, "compile", no_compiler)
    assert not bench.can_compile(CPU)
    assert capsys.readouterr().out == "torch.compile is left out, it doesn't work here: No working C++ compiler found\n"
    monkeypatch.setattr(torch, "compile", lambda function: function)
    assert bench.can_compile(CPU)


def test_ratios_are_those_of_each_turn_and_their_median() -> None:
    """By turns 12/4 = 3, 10/2 = 5 and 20/5 = 4 times; the medians of the seconds, 12 and 4, would give 3."""
    measured = {"slow": [(12.0, 3.0), (10.0, 1.0), (20.0, 2.0)], "fast": [(4.0, None), (2.0, None), (5.0, None)]}
    slow, fast = (bench.summarize(measured, name, "slow", images=1200) for name in measured)
    assert (fast["times_faster"], fast["times_faster_median"], fast["compared_with"]) == ([3.0, 5.0, 4.0], 4.0, "slow")
    assert (fast["seconds_median"], fast["images_per_second"]) == (4.0, 300.0)
    assert (slow["times_faster_median"], slow["seconds_median"]) == (1.0, 12.0)
    assert (slow["memory_growth_mb"], fast["memory_growth_mb"]) == (3.0, None)


def test_a_compiled_variant_is_translated_before_the_clock_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its first epoch, of those in a turn, isn't timed; each turn begins anew, with a seed of its own."""
    happened = []

    def set_up(variant: speed.Variant, seed: int, epochs: int) -> Trained:
        happened.append(("set up", variant.compiled, seed, epochs))
        return nn.Identity(), lambda: happened.append("trained")

    monkeypatch.setattr(speed, "timed", lambda train, device: happened.append("clock") or train() or 1.0)
    monkeypatch.setattr(speed, "matrix_rate", lambda device: 1e9)
    variants = {"plain": speed.Variant(), "compiled": speed.Variant(compiled=True)}
    measured, rates = bench.compare(set_up, variants, CPU, repeats=2)
    assert {name: [seconds for seconds, _ in epochs] for name, epochs in measured.items()} == {
        "plain": [1.0, 1.0],
        "compiled": [1.0, 1.0],
    }
    assert rates == [1e9, 1e9]
    for turn in range(2):
        plain = [("set up", False, turn, 1), "clock", "trained"]
        assert happened[7 * turn : 7 * turn + 7] == [*plain, ("set up", True, turn, 2), "trained", "clock", "trained"]


# --- the race ---

Race = Callable[[list[list[float]], list[float]], dict]


@pytest.fixture
def race(monkeypatch: pytest.MonkeyPatch, easy: data.TensorDataset) -> Race:
    """Runs a race whose test accuracies are given: of each seed, for the classic loop after each epoch, and for `fast`.

    An epoch of the classic loop takes 10 s, one of `fast` 2 s.
    """

    def race(slow: list[list[float]], fast: list[float]) -> dict:
        def set_up(variant: speed.Variant, seed: int, epochs: int) -> Trained:
            model = nn.Identity()
            model.accuracies = iter(slow[seed] if variant == speed.CLASSIC else [fast[seed]])
            return model, lambda: 10.0 if variant == speed.CLASSIC else 2.0

        monkeypatch.setattr(speed, "timed", lambda train, device: train())
        monkeypatch.setattr(training, "predict", lambda model, batches: (model, batches))
        monkeypatch.setattr(training, "score", lambda model, batches: {"accuracy": next(model.accuracies)})
        return bench_race.race(set_up, easy, CPU, seeds=len(fast), epochs=len(slow[0]))

    return race


def cells(text: str) -> dict[str, list[str]]:
    """Return the rows of Markdown tables by their first cell."""
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("|")]
    return {row[0]: row[1:] for row in rows}


def test_the_race_stops_at_the_target(race: Race) -> None:
    """Seed 0 reaches it in the third epoch, to the digit. One of three seeds of `fast` misses it; the mean does not."""
    found = race([[0.96, 0.98, 0.987, 0.99], [0.98, 0.99], [0.98, 0.98, 0.988]], [0.986, 0.989, 0.988])
    first = {"seed": 0, "seconds": 30.0, "epochs": 3, "accuracies": [0.96, 0.98, 0.987], "reached": True}
    assert found["classic"][0] == first
    assert [run["epochs"] for run in found["classic"]] == [3, 2, 3]
    assert [(run["seed"], run["reached"]) for run in found["fast"]] == [(0, False), (1, True), (2, True)]
    assert found["fast_accuracy_mean"] == pytest.approx(0.98766667)
    assert (found["classic_seconds_median"], found["fast_seconds_median"], found["times_faster"]) == (30.0, 2.0, 15.0)
    text = bench_report.target_text(found)
    assert cells(text)["classic loop"] == ["3", "3", "3", "30.0", "98.83%", "1.0"]
    assert cells(text)["recipe `fast`"] == ["3", "2", "1", "2.0", "98.77%", "15.0"]
    assert "missed" not in text


MISSED = {
    "a classic loop, which counts with the time it had": (
        [[0.98, 0.98, 0.98, 0.98], [0.98, 0.99], [0.98, 0.98, 0.988]],  # 40, 20 and 30 s
        [0.989, 0.989, 0.989],
        15.0,
        "The classic loop missed 98.70% in 4 epochs with 1 of the seeds.",
    ),
    "half of the classic loops": (
        [[0.98, 0.986], [0.98, 0.99]],
        [0.99, 0.99],
        None,
        "The classic loop missed 98.70% in 2 epochs with 1 of the seeds.",
    ),
    "the recipe": (
        [[0.98, 0.99]] * 2,
        [0.986, 0.987],
        None,
        "The mean of `fast` missed 98.70%, so nothing is said about how much sooner it is.",
    ),
}


@pytest.mark.parametrize("who", MISSED)
def test_a_missed_target_is_said_and_a_ratio_only_where_it_is_true(who: str, race: Race) -> None:
    slow, fast, ratio, said = MISSED[who]
    found = race(slow, fast)
    text = bench_report.target_text(found)
    assert found["times_faster"] == ratio
    assert cells(text)["recipe `fast`"][-1] == ("–" if ratio is None else f"{ratio:.1f}")
    assert [line for line in text.splitlines() if "missed" in line] == [said]


# --- to 99.0 %, beside PyTorch's example ---


def test_the_example_is_pytorchs() -> None:
    """The original's 1,199,882 parameters: 320 + 18,496 + 1,179,776 + 1,290; a rate that shrinks by 0.7 an epoch."""
    assert bench_race.count_parameters(bench_race.example_network()) == 1_199_882
    log_probs = bench_race.example_network()(torch.zeros(2, 1, 28, 28))
    assert log_probs.shape == (2, 10)
    torch.testing.assert_close(log_probs.exp().sum(dim=1), torch.ones(2))


def test_the_example_learns(easy: data.TensorDataset) -> None:
    model, train = bench_race.set_up_example(easy, CPU, seed=0)
    losses = [train() for _ in range(4)]
    assert losses[-1] < losses[0] / 2
    assert training.score(*training.predict(model, data.make_batches(easy, 50)))["accuracy"] > 0.9


def test_the_race_to_99_is_run_by_both(digits: data.Dataset) -> None:
    """Nobody gets there in an epoch of twenty steps, and the table doesn't say that anybody did."""
    found = bench_race.race_to_99(digits, CPU, seeds=1, epochs=2)
    assert {name: racer["parameters"] for name, racer in found["racers"].items()} == {
        "recipe `fast_small`": 21_274,
        "PyTorch's example": 1_199_882,
    }
    assert [racer["runs"][0]["epochs"] for racer in found["racers"].values()] == [1, 2]
    assert not any(run["reached"] for racer in found["racers"].values() for run in racer["runs"])


def test_a_racer_that_was_given_up_has_no_time_but_a_limit() -> None:
    def runs(seconds: list[float], reached: bool) -> dict:
        rows = [{"seconds": each, "epochs": 3, "accuracies": [0.98, 0.99], "reached": reached} for each in seconds]
        return {"parameters": 1000, "runs": rows}

    racers = {"winner": runs([2.0, 4.0, 5.0], True), "slow": runs([20.0, 80.0, 55.0], True)}
    racers["never"] = runs([30.0, 30.0, 30.0], False)
    result = {"accuracy": 0.99, "images": 10, "repeats": 3, "racers": racers} | bench.machine(CPU)
    rows = cells(bench_report.race_markdown(result))
    assert rows["slow"] == ["1,000", "3 of 3", "3", "55.0", "11.0", "99.00%"]  # 20/2 = 10, 80/4 = 20, 55/5 = 11 times
    assert rows["never"] == ["1,000", "0 of 3", "more than 3", "more than 30.0", "more than 7.5", "99.00%"]


# --- memory ---


def test_the_peak_is_what_was_held_at_most() -> None:
    before = bench.peak_memory(reset=True)
    if before is None:
        pytest.skip("this system doesn't tell a process its memory")
    with mmap.mmap(-1, 100_000_000) as block:  # a tensor might be given memory that this process holds already
        for page in range(0, len(block), mmap.PAGESIZE):
            block[page] = 1
    assert bench.peak_memory() - before == pytest.approx(100, abs=30)
    assert bench.peak_memory(reset=True) - before < 30


def test_a_system_that_does_not_tell_its_memory_gets_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bench, "PROCESS", tmp_path / "nowhere")
    assert bench.peak_memory() is bench.peak_memory(reset=True) is None
    monkeypatch.setattr(bench, "PROCESS", tmp_path)
    (tmp_path / "status").write_text("Name:\tpython\nPid:\t1\n")
    assert bench.peak_memory() is None
    (tmp_path / "status").write_text("Name:\tpython\nVmHWM:\t  3000 kB\nVmRSS:\t  2000 kB\n")
    assert bench.peak_memory() == 3.072


# --- the command ---

OF_A_RUN = {"dataset", "images", "repeats", "epoch", "also_tried", "lower_bound", "target", "recipe_fast"}
OF_THE_MACHINE = {"device", "device_name", "processor", "processor_threads", "versions"}
OF_A_VARIANT = {"seconds", "seconds_median", "images_per_second", "memory_growth_mb"}
OF_A_VARIANT |= {"compared_with", "times_faster", "times_faster_median"}


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leaves out what takes long: `torch.compile`, half a minute, and the matrix products."""
    monkeypatch.setattr(bench, "can_compile", lambda device: False)
    monkeypatch.setattr(speed, "matrix_rate", lambda device: 1e9)


def test_the_command_leaves_numbers_and_table(quick: None, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / "new" / "bench"
    assert main(["bench", "--dataset", "digits", "--repeats", "1", "--device", "cpu", "--out", str(out)]) == 0
    assert sorted(path.name for path in out.glob("[!.]*")) == ["bench.json", "bench.md"]
    found = json.loads((out / "bench.json").read_text())
    assert found.keys() == OF_A_RUN | OF_THE_MACHINE
    assert (found["dataset"], found["images"], found["repeats"], found["device"]) == ("digits", 1250, 1, "cpu")
    assert found["target"] is None
    assert list(found["epoch"]) == list(speed.LADDER)
    assert list(found["also_tried"]) == [name for name in speed.ALSO_TRIED if name != "compiled"]
    for row in found["epoch"].values():
        assert row.keys() == OF_A_VARIANT | {"images_mb", "times_lower_bound"}
        assert len(row["seconds"]) == len(row["times_faster"]) == 1
        assert row["compared_with"] == "classic loop"
        # 2.595 MFLOP × 1,250 images at 1 GFLOP/s
        assert row["times_lower_bound"] == pytest.approx(row["seconds_median"] / 3.24375)
    assert found["epoch"]["classic loop"]["images_mb"] == pytest.approx(1500 * 784 / 1e6)  # a byte a pixel, all 1,500
    assert found["epoch"]["images in memory"]["images_mb"] == pytest.approx(1250 * 784 * 4 / 1e6)
    assert recipes.Recipe(**found["recipe_fast"]) == recipes.FAST

    table, printed = (out / "bench.md").read_text(), capsys.readouterr().out
    assert table in printed
    rows = cells(table)
    for name, row in found["epoch"].items():
        assert (len(rows[name]), rows[name][0]) == (6, f"{row['seconds_median']:.2f}")
    for name, row in found["also_tried"].items():
        assert row.keys() == OF_A_VARIANT
        base = speed.ALSO_TRIED[name][0]
        assert rows[name] == [base, f"{row['seconds_median']:.2f}", f"{row['times_faster_median']:.2f}"]
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
    "a race without MNIST": (["--race", "--dataset", "digits"], "dataset: got 'digits'; the race is for MNIST"),
    "two kinds of bench": (["--race", "--shared"], "argument --shared: not allowed with argument --race"),
    "unknown option": (["--seeds", "3"], "unrecognized arguments: --seeds 3"),
}


@pytest.fixture
def refused(capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Calls the command with words that it must refuse before it trains; returns the one line that it said."""

    def train(*_: object, **__: object) -> None:
        raise AssertionError("training began")

    def refused(*words: object) -> str:
        monkeypatch.setattr(speed, "set_up", train)
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
    for out, said in ((tmp_path / "file", "is a file"), (tmp_path / "file" / "below", "can't be written")):
        assert f"out: '{out}' {said}" in refused("--dataset", "digits", "--out", out)
    assert (tmp_path / "file").read_text() == "mine"


def test_mnist_that_cannot_be_had_is_one_line(
    refused: Callable[..., str], no_network: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("helpers.settings.ROOT", tmp_path)  # where no archives are
    assert "train-images-idx3-ubyte.gz" in refused("--dataset", "mnist", "--out", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_auto_says_that_it_measures_the_digits(
    quick: None, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = replace(data.load_dataset("digits"), note="no mirror gave it")
    monkeypatch.setattr(data, "load_dataset", lambda name: noted)
    monkeypatch.setattr(speed, "set_up", lambda *_, **__: (nn.Identity(), lambda: 0.0))
    assert main(["bench", "--repeats", "1", "--device", "cpu", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("MNIST can't be had, so this measures the embedded digits.")


# --- a busy machine ---


def test_the_table_of_a_busy_machine_compares_with_one_training_alone() -> None:
    rows = [
        {"at_once": 1, "cores": 2, "pytorch": [2.0, 2.2, 8.0], "course": [2.0, 1.0, 2.5], "memory_mb": 900.0},
        {"at_once": 4, "cores": 2, "pytorch": [90.0, 90.0, 80.0], "course": [9.0, 10.0, 11.0], "memory_mb": 900.0},
        {"at_once": 1, "cores": 1, "pytorch": [7.0] * 3, "course": [3.0] * 3, "memory_mb": 900.0},
    ]
    common = {"dataset": "digits", "images": 10, "limit": 90, "cores": 2, "repeats": 3, "versions": {"torch": "2"}}
    lines = bench_shared.markdown(common | {"rows": rows}).splitlines()
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:5]]
    assert cells[0] == ["1", "2.2", "2.0", "1.00"]
    assert cells[1] == ["4", "over 90", "10.0", "1.25"]
    assert cells[2] == ["1, quota of one core", "7.0", "3.0", "1.50"]


@pytest.mark.slow  # two processes load PyTorch
def test_trainings_at_once_all_end_and_are_counted() -> None:
    seconds, memory = bench_shared.last_of(2, "digits", {"OMP_NUM_THREADS": "1"})
    assert 0 < seconds < bench_shared.LIMIT
    assert memory > 100


@pytest.mark.slow
def test_a_training_that_fails_is_not_a_time() -> None:
    with pytest.raises(RuntimeError, match="ended before it began"):
        bench_shared.last_of(1, "nosuchdata", {})
