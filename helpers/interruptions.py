"""Why training stopped before its end, in one line that says how to go on."""

from pathlib import Path

from torch import Tensor
from torch.optim import Optimizer

from helpers import paths
from helpers.checkpoint import Run, batch_size


class TrainingError(RuntimeError):
    """Training can't go on; the message is one line that says why, and what to try."""


class TrainingStopped(KeyboardInterrupt):
    """Somebody pressed Ctrl-C or the stop button; the message is one line that says how to continue.

    Attributes:
        history: of the epochs that are finished, as `training.fit` would return it.
    """

    def __init__(self, message: str, history: list[dict]):
        super().__init__(message)
        self.history = history

    def _render_traceback_(self) -> list[str]:
        """Show the line alone: a notebook asks here, and then doesn't run the cells that wait behind this one."""
        return [str(self)]


def broken_loss(what: str, value: Tensor | float, optimizer: Optimizer) -> TrainingError:
    """Return the error for a loss that is no finite number."""
    rate = float(optimizer.param_groups[0]["lr"])
    return TrainingError(
        f"{what} is {float(value)} at a learning rate of {rate:g}; try {rate / 10:g}, or look for NaN in the images"
    )


def where_it_is(state: dict) -> str:
    """Say which epoch the model is back at."""
    done = len(state["history"])
    return f"the model is as after epoch {done}" if done else "the model is as before training"


def how_to_continue(state: dict, epochs: int, path: Path | None) -> str:
    """Return the line that follows an interruption."""
    done = len(state["history"])
    if done == epochs:
        return f"Stopped after epoch {done}/{epochs}, the last one; there is nothing left to do."
    if not done:
        advice = "call fit again to begin anew"
    elif path is None:
        advice = f"to continue, call fit with the same objects and epochs={epochs - done}"
    else:
        advice = f"to continue from {paths.shown(path)}, call fit again with resume=True"
    return f"Stopped in epoch {done + 1}/{epochs}; {where_it_is(state)}; {advice}."


def full_memory(run: Run) -> TrainingError:
    """Return the error for a device whose memory is full."""
    size, val_size = batch_size(run.train_batches), batch_size(run.val_batches)
    other_device = "" if run.device.type == "cpu" else ", or device='cpu'"
    return TrainingError(
        f"{run.device.type} is out of memory with batches of {size} images ({val_size} in validation); "
        f"set a smaller batch_size{other_device}"
    )
