"""Kill a training process again and again, let it resume, and compare with a run that nobody killed.

    python tests/kill_training.py --kills 200

One process imports PyTorch and forks a child for each attempt, so that an attempt takes tenths of a second. Each child
trains the same small network with `fit(…, checkpoint=…, resume=True)`. Two kinds of SIGKILL alternate:

- a blind one, sent by the parent after a random time, wherever the child may be;
- an aimed one, which the child sends to itself in the middle of a save, at one of `PLACES`.

After every kill the checkpoint must be readable, and hold all epochs that the child had announced as saved. When the
run is complete, weights, history and scores on new images must equal those of the uninterrupted run to the last bit,
and nothing but the checkpoint and its lock may be in the folder. The script stops with an error at the first that isn't
so.
"""

import argparse
import hashlib
import json
import os
import random
import signal
import sys
import tempfile
import time
import traceback
from collections import Counter
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"  # before PyTorch is imported: a fork and a pool of threads don't go together

import torch
from torch.utils.data import TensorDataset

from helpers import checkpoint, data, training
from helpers.model import MNISTClassification

EPOCHS = 6
PLACES = ("before the temporary file", "within it", "before the replacement", "after it")


def stripes(count: int, seed: int) -> TensorDataset:
    """Return noisy images float32 (count, 1, 28, 28), whose label is the place of a bright stripe."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(0, 10, (count,), generator=generator)
    images = torch.randn(count, 1, 28, 28, generator=generator)
    for image, label in zip(images, labels, strict=True):
        image[0, 2 * label + 4 : 2 * label + 6] += 1.0
    return TensorDataset(images, labels)


def train(path: Path) -> None:
    """Train to the end, or to the kill: dropout, a shuffled order, Adam's memory and a schedule must all go on."""
    torch.manual_seed(0)
    model = MNISTClassification()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.002)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    train_batches = data.make_batches(stripes(200, seed=1), 16, shuffle=True, seed=0)
    val_batches = data.make_batches(stripes(60, seed=2), 30)
    how = {"scheduler": scheduler, "checkpoint": path, "resume": True, "config": {"dataset": "stripes"}}
    history = training.fit(model, train_batches, val_batches, optimizer, EPOCHS, **how)
    for entry in history:
        del entry["seconds"]
    digest = hashlib.sha256(b"".join(tensor.numpy().tobytes() for tensor in model.state_dict().values()))
    test = training.score(*training.predict(model, data.make_batches(stripes(100, seed=3), 50)))
    path.with_name("result.json").write_text(json.dumps([digest.hexdigest(), history, test]))


def prepare_child(pipe: int, target: tuple[str, int, float] | None) -> None:
    """Let this process write a T into `pipe` when an epoch begins and an E when one is saved, and die at `target`.

    Args:
        target: the place, the number of the save, and the share of the temporary file that is written when it is
            struck within, 0 to 1.
    """
    train_epoch, save, fsync, replace = training.train_epoch, training.save_checkpoint, os.fsync, os.replace
    saves = 0

    def is_target(place: str) -> bool:
        return target is not None and target[:2] == (place, saves)

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def announced_epoch(*arguments: object) -> float:
        os.write(pipe, b"T")
        return train_epoch(*arguments)

    def announced_save(*arguments: object) -> None:
        nonlocal saves
        saves += 1
        if is_target("before the temporary file"):
            die()
        save(*arguments)
        os.write(pipe, b"E")

    def fsync_or_die(file: int) -> None:
        if is_target("within it"):
            os.ftruncate(file, int(target[2] * os.fstat(file).st_size))
            die()
        fsync(file)

    def replace_or_die(source: Path, to: Path) -> None:
        if is_target("before the replacement"):
            die()
        replace(source, to)
        if is_target("after it"):
            die()

    training.train_epoch, training.save_checkpoint = announced_epoch, announced_save
    os.fsync, os.replace = fsync_or_die, replace_or_die


def attempt(path: Path, delay: float | None = None, target: tuple | None = None) -> tuple[int, bool]:
    """Fork a child that trains, and kill it `delay` seconds after its first epoch began, or at `target`.

    Returns:
        How many epochs the child announced as saved, and whether it was killed.
    """
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        try:
            os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # nobody reads its epochs
            prepare_child(writer, target)
            train(path)
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
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    check(status in (0, -signal.SIGKILL), "a child failed; see above")
    return announced.count(b"E"), status != 0


def epochs_in(path: Path) -> int:
    """Return how many epochs a checkpoint holds; raises if it can't be read."""
    return len(checkpoint.safe_load(path, checkpoint.parse_checkpoint)["state"]["history"]) if path.exists() else 0


def check(condition: bool, problem: str) -> None:
    if not condition:
        raise AssertionError(problem)


def main(kills: int, seed: int) -> Counter:
    """Kill `kills` times, over as many runs as it takes, and return what was counted."""
    rng, counts = random.Random(seed), Counter()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "straight", "checkpoint.pt")
        start = time.perf_counter()
        attempt(path)
        seconds = time.perf_counter() - start  # of an uninterrupted run
        straight = path.with_name("result.json").read_text()
        check(epochs_in(path) == EPOCHS, "the uninterrupted run lacks epochs")

        killed = False
        while counts["kills"] < kills or killed:  # the last run ends without being killed
            if not killed:
                counts["runs"] += 1
                path = Path(folder, f"run{counts['runs']}", "checkpoint.pt")
            before = epochs_in(path)
            delay = target = None
            if counts["kills"] < kills and before < EPOCHS:
                if counts["kills"] % 2:
                    place = PLACES[counts["aimed"] % len(PLACES)]
                    target = (place, rng.randint(1, min(2, EPOCHS - before)), rng.random())
                else:
                    delay = rng.uniform(0, 0.6) * seconds * (EPOCHS - before) / EPOCHS
            announced, killed = attempt(path, delay, target)
            saved, after = before + announced, epochs_in(path)
            check(saved <= after <= saved + 1, f"{saved} epochs were saved, the checkpoint has {after}")
            files = {file.name for file in path.parent.glob("*") if file.suffix != ".lock"}
            if killed:
                counts["temporary_files"] += any(name.endswith(".part") for name in files)
                counts.update(["kills"] + (["blind"] if target is None else ["aimed", target[0]]))
            else:
                check(files == {"checkpoint.pt", "result.json"}, f"left in the folder: {sorted(files)}")
                result = path.with_name("result.json").read_text()
                check(result == straight, f"run {counts['runs']} differs from the uninterrupted one")
    return counts


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    arguments = parser.parse_args()
    if not hasattr(os, "fork"):
        sys.exit("This system can't fork processes (Windows can't); nothing was tested.")
    print(json.dumps(main(arguments.kills, arguments.seed), indent=1))
