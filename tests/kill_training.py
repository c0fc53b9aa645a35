"""Kill a training process again and again, let it resume, and compare with a run that nobody killed.

    python tests/kill_training.py --kills 200

One process imports PyTorch and forks a child for each attempt, so that an attempt takes tenths of a second. Each child
trains the same small network with `fit(…, checkpoint=…, resume=True)`. Two kinds of SIGKILL alternate:

- a blind one, sent by the parent after a random time, wherever the child may be;
- an aimed one, which strikes in the middle of a save: before, within or after the writing of the temporary file, before
  or after it takes the checkpoint's name. The child sends it to itself, so that it falls on that very instruction.

After every kill the checkpoint must be readable, and hold all epochs that the child had announced as saved. When the
run is complete, weights, history and scores on new images must equal those of the uninterrupted run to the last bit,
and nothing but the checkpoint may lie in the folder. The script stops with an error at the first that isn't so.
"""

import argparse
import io
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before PyTorch is imported: a fork and a pool of threads don't go together

import torch
from torch.utils.data import TensorDataset

from helpers import data, training
from helpers.model import MNISTClassification

EPOCHS = 6
SETTINGS = {"dataset": "stripes", "seed": 0}
PLACES = ("before the temporary file", "within it", "before fsync", "before the replacement", "after it")


def stripes(count: int, seed: int) -> TensorDataset:
    """Return noisy images float32 (count, 1, 28, 28), whose label is the place of a bright stripe."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 10, (count,), generator=generator)
    images = torch.randn(count, 1, 28, 28, generator=generator)
    for image, label in zip(images, labels, strict=True):
        image[0, 2 * label + 4 : 2 * label + 6] += 1.0
    return TensorDataset(images, labels)


def train(checkpoint: Path) -> None:
    """Train to the end, or to the kill: dropout, a shuffled order, Adam's memory and a schedule must all go on."""
    torch.manual_seed(0)
    model = MNISTClassification()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    history = training.fit(
        model,
        data.make_batches(stripes(200, seed=1), 16, shuffle=True, seed=0),
        data.make_batches(stripes(60, seed=2), 30),
        optimizer,
        EPOCHS,
        scheduler=scheduler,
        checkpoint=checkpoint,
        resume=True,
        config=SETTINGS,
    )
    for entry in history:
        del entry["seconds"]
    test = training.score(*training.predict(model, data.make_batches(stripes(100, seed=3), 50)))
    result = {"weights": model.state_dict(), "history": history, "test": test}
    torch.save(result, checkpoint.with_name("result.pt"))


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def aim(place: str, epoch: int, share: float) -> None:
    """Let this process kill itself at `place`, in the save that follows its `epoch`-th epoch.

    Args:
        share: how much of the temporary file is written, 0 to 1, when it is struck within.
    """
    save, fsync, replace = torch.save, os.fsync, os.replace
    saves = 0

    def save_or_die(content: object, target: Path) -> None:
        nonlocal saves
        saves += 1
        if saves == epoch and place == PLACES[0]:
            die()
        if saves == epoch and place == PLACES[1]:
            buffer = io.BytesIO()
            save(content, buffer)
            target.write_bytes(buffer.getvalue()[: int(share * buffer.tell())])
            die()
        save(content, target)

    def fsync_or_die(file: int) -> None:
        if saves == epoch and place == PLACES[2]:
            die()
        fsync(file)

    def replace_or_die(source: Path, target: Path) -> None:
        if saves == epoch and place == PLACES[3]:
            die()
        replace(source, target)
        if saves == epoch and place == PLACES[4]:
            die()

    torch.save, os.fsync, os.replace = save_or_die, fsync_or_die, replace_or_die


def announce(pipe: int) -> None:
    """Tell the parent through `pipe` what this process is about: T at each start of an epoch, S and E around a save."""
    train_epoch, save_checkpoint = training.train_epoch, training.save_checkpoint

    def announced_epoch(*arguments: object) -> float:
        os.write(pipe, b"T")
        return train_epoch(*arguments)

    def announced_save(*arguments: object) -> None:
        os.write(pipe, b"S")
        save_checkpoint(*arguments)
        os.write(pipe, b"E")

    training.train_epoch, training.save_checkpoint = announced_epoch, announced_save


def attempt(checkpoint: Path, delay: float | None, target: tuple | None) -> tuple[bytes, bool]:
    """Fork a child that trains, and kill it `delay` seconds after its first epoch began, or at `target` (see `aim`).

    Returns:
        What the child announced, and whether it was killed.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nobody reads its epochs
            announce(writer)
            if target is not None:
                aim(*target)
            train(checkpoint)
        except BaseException:
            traceback.print_exc()
            os._exit(1)
        os._exit(0)
    os.close(writer)
    announced = os.read(reader, 1)
    if delay is not None and announced:
        time.sleep(delay)
        os.kill(child, signal.SIGKILL)  # a child that has ended is still there until somebody waits for it
    while news := os.read(reader, 1000):
        announced += news
    os.close(reader)
    _, status = os.waitpid(child, 0)
    killed = os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL
    if not killed and os.waitstatus_to_exitcode(status) != 0:
        raise AssertionError("a child failed; see above")
    return announced, killed


def epochs_in(checkpoint: Path) -> int:
    """Return how many epochs a checkpoint holds; raises if it can't be read."""
    return len(checkpoint.safe_load(checkpoint)["state"]["history"]) if checkpoint.exists() else 0


def check(condition: bool, problem: str) -> None:
    if not condition:
        raise AssertionError(problem)


def same(result: dict, straight: dict) -> bool:
    """Compare two results to the last bit."""
    pairs = [(result["weights"][name], weights) for name, weights in straight["weights"].items()]
    equal = all(torch.equal(one, other) for one, other in pairs)
    return equal and result["history"] == straight["history"] and result["test"] == straight["test"]


def main(kills: int, seed: int) -> dict:
    """Kill `kills` times, over as many runs as it takes, and return what was counted."""
    rng = random.Random(seed)
    names = ("runs", "kills", "blind_in_training", "blind_in_saving", "aimed", *PLACES, "missed", "temporary_files")
    counts = dict.fromkeys(names, 0)
    with tempfile.TemporaryDirectory() as folder:
        straight_path = Path(folder, "straight", "checkpoint.pt")
        start = time.perf_counter()
        attempt(straight_path, None, None)
        whole = time.perf_counter() - start  # seconds of an uninterrupted run
        straight = torch.load(straight_path.with_name("result.pt"), weights_only=True)
        check(len(straight["history"]) == EPOCHS, "the uninterrupted run lacks epochs")

        killed = True
        while counts["kills"] < kills or killed:  # the last run ends without being killed
            if counts["runs"] == 0 or not killed:
                counts["runs"] += 1
                checkpoint = Path(folder, f"run{counts['runs']}", "checkpoint.pt")
            before = epochs_in(checkpoint)
            delay = target = None
            if counts["kills"] < kills and before < EPOCHS:
                if counts["kills"] % 2:
                    place = PLACES[counts["aimed"] % len(PLACES)]
                    target = (place, rng.randint(1, min(2, EPOCHS - before)), rng.random())
                else:
                    delay = rng.uniform(0, 0.6) * whole * (EPOCHS - before) / EPOCHS
            announced, killed = attempt(checkpoint, delay, target)
            after = epochs_in(checkpoint)
            saved = before + announced.count(b"E")
            check(saved <= after <= saved + 1, f"{saved} epochs were saved, the checkpoint has {after}")

            files = {path.name for path in checkpoint.parent.iterdir()}
            if killed:
                counts["kills"] += 1
                if target is not None:
                    counts["aimed"] += 1
                    counts[target[0]] += 1
                else:
                    counts["blind_in_saving" if announced.endswith(b"S") else "blind_in_training"] += 1
                counts["temporary_files"] += "checkpoint.pt.part" in files
            else:
                counts["missed"] += delay is not None or target is not None
                check(files == {"checkpoint.pt", "result.pt"}, f"left in the folder: {sorted(files)}")
                result = torch.load(checkpoint.with_name("result.pt"), weights_only=True)
                check(same(result, straight), f"run {counts['runs']} differs from the uninterrupted one")
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()
    if not hasattr(os, "fork"):
        sys.exit("This system can't fork processes (Windows can't); nothing was tested.")
    print(json.dumps(main(arguments.kills, arguments.seed), indent=1))
