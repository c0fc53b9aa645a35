"""Kill one of two processes that train together again and again, and compare with a run that nobody killed.

    python tests/kill_rank.py --kills 100

Each run is `torchrun --max_restarts=3 … -m helpers.distributed`. Three times, one of its two processes is picked by
chance and gets SIGKILL at a random moment: while it starts, trains, or saves. torchrun starts both again. In the end,
weights and history must equal those of the run that nobody killed, to the last bit. The script stops with an error at
the first that don't, and prints how many epochs were on the disk at each kill.
"""

import argparse
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from helpers import checkpoint, results, settings

EPOCHS, RESTARTS = 12, 3
TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--local_addr=127.0.0.1"]
OPTIONS = ["-m", "helpers.distributed", "--dataset=digits", "--device=cpu", f"--epochs={EPOCHS}"]


def start(folder: Path) -> subprocess.Popen:
    """Start a training of two processes, with dropout, that leaves its words in `folder`.txt."""
    command = [*TORCHRUN, "--nproc_per_node=2", f"--max_restarts={RESTARTS}", *OPTIONS, f"--run_dir={folder}"]
    # On Windows, PyTorch comes without libuv.
    variables = os.environ | {"OMP_NUM_THREADS": "1"} | ({"USE_LIBUV": "0"} if sys.platform == "win32" else {})
    with folder.with_suffix(".txt").open("w") as words:
        return subprocess.Popen(command, cwd=settings.CODE, env=variables, stdout=words, stderr=words)


def ranks(agent: psutil.Process) -> list[psutil.Process]:
    """Return the processes that torchrun has started."""
    try:
        return agent.children()
    except psutil.NoSuchProcess:
        return []


def outcome(folder: Path) -> tuple[bytes, list[dict]]:
    """Return the weights of a finished run, and its history without what a clock says."""
    history = results.load_record(folder, "distributed")["history"]
    for entry in history:
        del entry["seconds"]
    return (folder / "distributed.safetensors").read_bytes(), history


def epochs_on_disk(path: Path) -> int:
    """Return how many epochs the checkpoint holds, which must be whole if it is there; -1 if it isn't."""
    if not path.exists():
        return -1
    return len(checkpoint.safe_load(path, checkpoint.parse_checkpoint)["state"]["history"])


def kill_three_times(folder: Path, most: int, longest: float, chance: random.Random) -> list[int]:
    """Train into `folder`, kill up to `most` ranks, and return how many epochs were on the disk at each kill.

    Args:
        longest: seconds from the start of two processes to the latest moment of a kill.
    """
    with start(folder) as run:
        agent, killed, at = psutil.Process(run.pid), set(), []
        while len(at) < most and run.poll() is None:
            fresh = [process for process in ranks(agent) if process.pid not in killed]
            if len(fresh) < 2:
                time.sleep(0.02)
                continue
            with contextlib.suppress(subprocess.TimeoutExpired):
                run.wait(chance.uniform(0, longest))
            killed |= {process.pid for process in fresh}  # the other one is ended by torchrun
            victim = chance.choice(fresh)
            if run.poll() is None and victim.is_running() and victim.status() != psutil.STATUS_ZOMBIE:
                victim.kill()
                at.append(epochs_on_disk(folder / "distributed.pt"))
        if run.wait(timeout=300) != 0:
            raise RuntimeError(folder.with_suffix(".txt").read_text())
    return at


def main() -> None:
    """Kill as often as asked, and print the counts."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    chance, at, runs = random.Random(options.seed), [], 0
    with tempfile.TemporaryDirectory() as home:
        with start(Path(home) / "straight") as straight:
            agent = psutil.Process(straight.pid)
            while len(ranks(agent)) < 2 and straight.poll() is None:
                time.sleep(0.02)
            began = time.perf_counter()
        expected, longest = outcome(Path(home) / "straight"), time.perf_counter() - began
        while len(at) < options.kills:
            runs += 1
            folder = Path(home) / f"run {runs}"
            at += kill_three_times(folder, min(RESTARTS, options.kills - len(at)), longest, chance)
            if outcome(folder) != expected:
                raise RuntimeError(f"run {runs} ended with other weights; {len(at)} kills before")
    counts = {str(epochs): count for epochs, count in sorted(Counter(at).items())}
    print(json.dumps({"kills": len(at), "runs": runs, "epochs on the disk": counts}))


if __name__ == "__main__":
    main()
