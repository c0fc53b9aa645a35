"""Ctrl-C, a broken loss, a full memory, a killed process: the last finished epoch stays, and one line says what to do.

A real SIGINT is raised in the middle of an epoch by the training images themselves (`training_runs.Watched`).
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import nbformat
import pytest
import torch
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from torch import nn
from torch.optim import lr_scheduler
from torch.utils.data import TensorDataset
from training_runs import Start, equal, numbers, weights

from course.maintain import refresh
from helpers import checkpoint, results, settings, training
from helpers.checkpoint import TrainingStopped

STEPS = 7  # an epoch

press_stop = partial(signal.raise_signal, signal.SIGINT)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "checkpoint.pt"


straight_runs: dict = {}  # each is trained once; `easy` is the same for all tests


def after(easy: TensorDataset, epochs: int, schedule: Callable | None = None) -> tuple[dict, list[dict]]:
    """Return weights and history of a run without a break."""
    if (epochs, schedule) not in straight_runs:
        straight = Start(easy, schedule=schedule)
        history = numbers(straight.fit(epochs))
        straight_runs[epochs, schedule] = weights(straight.model), history
    return straight_runs[epochs, schedule]


def saved(path: Path) -> dict:
    """Return the state in a checkpoint."""
    return checkpoint.safe_load(path, checkpoint.parse_checkpoint)["state"]


def stopped(training_run: Callable, *arguments: object, **options: object) -> tuple[str, list[dict]]:
    """Run what somebody will stop, and return the line it ends with and the history so far."""
    with pytest.raises(TrainingStopped) as caught:
        training_run(*arguments, **options)
    return str(caught.value), caught.value.history


# --- Ctrl-C ---

MOMENTS = {
    "first step": {"at_batch": STEPS + 1},
    "middle": {"at_batch": STEPS + 4},
    "last step": {"at_batch": 2 * STEPS},
    "validation": {"at_val_batch": 3},  # two batches an epoch
}


@pytest.mark.parametrize("moment", MOMENTS)
def test_ctrl_c_drops_the_epoch_and_resume_ends_as_if_nothing_had_happened(
    easy: TensorDataset, path: Path, moment: str
) -> None:
    first_weights, first_history = after(easy, 1)
    run = Start(easy, hook=press_stop, **MOMENTS[moment])
    line, history = stopped(run.fit, 3, checkpoint=path)
    assert numbers(history) == first_history
    assert equal(weights(run.model), first_weights)
    assert saved(path)["history"] == history
    assert equal(saved(path)["model"], first_weights)
    assert line == (
        "Stopped in epoch 2/3; the model is as after epoch 1; "
        f"to continue from {path}, call fit again with resume=True."
    )

    interrupted = path.read_bytes()
    last_weights, last_history = after(easy, 3)
    for resumed in (run, Start(easy)):  # the same cell again, or all of the notebook
        path.write_bytes(interrupted)
        assert numbers(resumed.resume(3, path)) == last_history
        assert equal(weights(resumed.model), last_weights)


@pytest.mark.parametrize("schedule", [None, partial(lr_scheduler.StepLR, step_size=1, gamma=0.5)])
def test_without_a_checkpoint_the_same_objects_go_on(easy: TensorDataset, schedule: Callable | None) -> None:
    straight_weights, straight_history = after(easy, 3, schedule=schedule)
    run = Start(easy, schedule=schedule, at_batch=STEPS + 4, hook=press_stop)
    line, history = stopped(run.fit, 3)
    assert line == (
        "Stopped in epoch 2/3; the model is as after epoch 1; to continue, call fit with the same objects and epochs=2."
    )
    rest = run.fit(2)
    assert [{**entry, "epoch": 0} for entry in numbers(history + rest)] == [
        {**entry, "epoch": 0} for entry in straight_history
    ]
    assert equal(weights(run.model), straight_weights)


def test_ctrl_c_in_the_first_epoch_leaves_everything_as_it_was(easy: TensorDataset, path: Path) -> None:
    straight_weights, _ = after(easy, 1)
    path.write_bytes(b"of another run")
    run = Start(easy, at_batch=4, hook=press_stop)
    before = weights(run.model)
    line, history = stopped(run.fit, 1, checkpoint=path)
    assert history == []
    assert equal(weights(run.model), before)
    assert path.read_bytes() == b"of another run"  # the last good one stays until the next is whole
    assert line == "Stopped in epoch 1/1; the model is as before training; call fit again to begin anew."
    run.fit(1, checkpoint=path)
    assert equal(weights(run.model), straight_weights)


def test_a_notebook_shows_one_line_and_runs_none_of_the_cells_that_wait() -> None:
    stop = "from helpers.checkpoint import TrainingStopped\nraise TrainingStopped('Stopped in epoch 2/3.', [])"
    cells = [nbformat.v4.new_code_cell(source) for source in (stop, "print('half trained')")]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=refresh.METADATA)
    with pytest.raises(CellExecutionError):
        NotebookClient(notebook, kernel_name="python3").execute()
    (output,) = cells[0].outputs
    assert output.traceback == ["Stopped in epoch 2/3."]
    assert not cells[1].outputs


def test_one_may_interrupt_again_and_again(easy: TensorDataset, path: Path) -> None:
    """What `fit` goes back to must not be what the optimizer works in."""
    straight_weights, straight_history = after(easy, 3)
    run = Start(easy, hook=press_stop)
    for steps in (STEPS + 5, 3, 6):  # counted anew each time
        run.train.dataset.left = steps
        assert numbers(stopped(run.resume, 3, path)[1]) == straight_history[:1]
    run.train.dataset.left = STEPS + 2
    assert numbers(stopped(run.resume, 3, path)[1]) == straight_history[:2]
    assert numbers(run.resume(3, path)) == straight_history
    assert equal(weights(run.model), straight_weights)


SAVING = [(torch, "save"), (results.os, "fsync"), (results.os, "replace")]


@pytest.mark.parametrize("presses", [1, 2])
@pytest.mark.parametrize("late", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("step", SAVING, ids=["save", "fsync", "replace"])
def test_ctrl_c_while_saving_keeps_the_epoch_that_is_finished(
    easy: TensorDataset, path: Path, step: tuple, late: bool, presses: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pressed once, that epoch is saved all the same; twice, it may be lost, and the checkpoint is still whole."""
    straight_weights, straight_history = after(easy, 3)
    run = Start(easy)
    run.fit(1, checkpoint=path)
    pressing(monkeypatch, step, presses, late)
    with pytest.raises(KeyboardInterrupt) as caught:
        run.resume(3, path)
    if presses == 1:
        assert numbers(caught.value.history) == straight_history[:2]
        assert saved(path)["history"] == caught.value.history
        assert equal(saved(path)["model"], weights(run.model))
    assert len(saved(path)["history"]) in (1, 2)
    assert {file.name for file in path.parent.iterdir()} == {path.name, f".{path.name}.lock"}
    for resumed in (run, Start(easy)):
        assert numbers(resumed.resume(3, path)) == straight_history
        assert equal(weights(resumed.model), straight_weights)


def test_ctrl_c_and_then_a_full_disk_lose_no_history(
    easy: TensorDataset, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = Start(easy)
    run.fit(1, checkpoint=path)
    failures = [KeyboardInterrupt, OSError(28, "No space left on device")]

    def fail(*_: object) -> None:
        raise failures.pop(0)

    monkeypatch.setattr(results.os, "replace", fail)
    with pytest.raises(training.TrainingError, match=r"No space left on device.* as after epoch 2$") as error:
        run.resume(3, path)
    assert numbers(error.value.history) == after(easy, 2)[1]
    assert equal(weights(run.model), after(easy, 2)[0])


def pressing(monkeypatch: pytest.MonkeyPatch, step: tuple, presses: int, late: bool) -> None:
    """Let Ctrl-C be pressed in the next saves, `presses` times: before this step of saving, or after it."""
    works = getattr(*step)

    def work(*arguments: object) -> None:
        nonlocal presses
        presses -= 1
        if presses >= 0 and not late:
            press_stop()
        works(*arguments)
        if presses >= 0 and late:
            press_stop()

    monkeypatch.setattr(*step, work)


# --- a loss that is no number ---


def spoil(easy: TensorDataset, image: int, value: float) -> TensorDataset:
    images, labels = (tensor.clone() for tensor in easy.tensors)
    images[image] = value
    return TensorDataset(images, labels)


class Breaks(nn.Module):
    """A model that answers `value` at its `call`-th batch in training, or raises it if it is an error."""

    def __init__(self, model: nn.Module, call: int, value: float | Exception):
        super().__init__()
        self.model, self.left, self.value = model, call, value

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        self.left -= self.training
        answer = self.model(images)
        if self.left == 0 and self.training:
            self.before = weights(self.model)
            if isinstance(self.value, Exception):
                raise self.value
            answer = answer * self.value
        return answer


def broken(easy: TensorDataset, call: int, value: float | Exception) -> Start:
    run = Start(easy)
    run.model = Breaks(run.model, call, value)
    return run


@pytest.mark.parametrize("at_each_step", [("cpu",), ()], ids=["each step", "end of epoch, as on an accelerator"])
@pytest.mark.parametrize(("step", "value"), [(1, float("nan")), (3, float("inf")), (STEPS, float("-inf"))])
def test_a_broken_loss_stops_training_and_names_the_step(
    easy: TensorDataset, path: Path, step: int, value: float, at_each_step: tuple, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(training, "CHECK_EACH_STEP", at_each_step)
    first_weights, first_history = after(easy, 1)
    run = broken(easy, STEPS + step, value)
    with pytest.raises(training.TrainingError) as error:
        run.fit(3, checkpoint=path)
    assert str(error.value) == (
        f"epoch 2/3, step {step}: the loss is {value} at a learning rate of 0.003; "
        "try 0.0003, or look for NaN in the images; the model is as after epoch 1"
    )
    assert numbers(error.value.history) == first_history
    assert equal(weights(run.model.model), first_weights)
    assert numbers(saved(path)["history"]) == first_history
    assert equal(saved(path)["model"], weights(run.model))


def test_on_the_cpu_no_step_follows_a_broken_loss(easy: TensorDataset) -> None:
    """`train_epoch` alone: the weights are those after the last good step."""
    run = broken(easy, 3, float("nan"))
    with pytest.raises(training.TrainingError, match=r"^training, step 3: the loss is nan"):
        training.train_epoch(run.model, run.train, run.optimizer)
    assert equal(weights(run.model.model), run.model.before)
    assert all(tensor.isfinite().all() for tensor in run.model.before.values())


def test_nan_in_an_image_is_found_in_the_first_epoch(easy: TensorDataset) -> None:
    run = Start(spoil(easy, 5, float("nan")))
    before = weights(run.model)
    with pytest.raises(
        training.TrainingError, match=r"^epoch 1/2, step \d: .* NaN .*; the model is as before training$"
    ):
        run.fit(2)
    assert equal(weights(run.model), before)


def test_weights_broken_by_the_last_step_are_not_kept(easy: TensorDataset, path: Path) -> None:
    """The training losses are all finite, and only the validation can tell."""
    run = Start(easy)
    run.fit(1, checkpoint=path)
    before = weights(run.model)

    def spoil_weights(*_: object) -> None:
        nn.init.constant_(run.model.fc_block[3].weight, float("inf"))

    run.val.dataset.left, run.val.dataset.hook = 1, spoil_weights
    with pytest.raises(training.TrainingError, match=r"^epoch 2/2: the validation loss is nan at a learning rate of "):
        run.resume(2, path)
    assert equal(weights(run.model), before)
    assert equal(saved(path)["model"], before)


# --- a full memory ---


@pytest.mark.parametrize(
    "problem",
    [torch.OutOfMemoryError("CUDA: tried to allocate 20 MiB.\nSee"), RuntimeError("MPS backend out of memory")],
)
def test_a_full_memory_names_the_batch_size(easy: TensorDataset, path: Path, problem: Exception) -> None:
    run = broken(easy, STEPS + 3, problem)
    with pytest.raises(training.TrainingError) as error:
        run.fit(2, checkpoint=path)
    assert str(error.value) == (
        "cpu is out of memory with batches of 16 images (30 in validation); set a smaller batch_size; "
        "the model is as after epoch 1"
    )
    assert equal(weights(run.model.model), after(easy, 1)[0])


def test_other_errors_stay_what_they_are(easy: TensorDataset) -> None:
    with pytest.raises(RuntimeError, match=r"^mat1 and mat2 shapes$") as error:
        broken(easy, 2, RuntimeError("mat1 and mat2 shapes")).fit(1)
    assert error.type is RuntimeError


# --- SIGKILL ---


@pytest.mark.skipif(not hasattr(os, "fork"), reason="Windows can't fork processes, and each kill would cost an import")
@pytest.mark.parametrize("kills", [8, pytest.param(20, marks=pytest.mark.slow)])
def test_killed_again_and_again_and_no_bit_lost(kills: int) -> None:
    """The script says what is asserted after each kill; here is only asserted that the kills took place."""
    command = [sys.executable, settings.ROOT / "tests" / "kill_training.py", "--kills", str(kills)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=settings.ROOT)
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)
    assert (counts["kills"], counts["blind"]) == (kills, kills / 2)
    for place in ("before the temporary file", "within it", "before the replacement", "after it"):
        assert counts[place] >= kills // 8
    assert counts["temporary_files"] >= kills // 4  # those struck within the file, and before the replacement
