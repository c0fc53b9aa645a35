"""The benchmark of a busy machine: several trainings at once, as PyTorch would use the processor and as we let it.

`python -m course.bench_shared` is one of the trainings: it says "ready", waits for a line, trains, and says how long
that took.
"""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from course import bench_report, folder
from helpers import results, settings
from helpers.data import load_dataset

AT_ONCE = (1, 2, 4, 8)
IMAGES = 10_000  # of each training
WARM_UP = 640  # images before the clock starts
LIMIT = 90  # seconds; a training that is not done by then counts as longer
# What PyTorch does by itself: a thread for each core that it sees, and 300,000 questions before a thread sleeps.
PYTORCHS_OWN = {"OMP_NUM_THREADS": str(os.cpu_count()), "GOMP_SPINCOUNT": "300000"}
QUOTA = Path("/sys/fs/cgroup/cpu/mnist-course")  # a control group of version 1; making one needs root

Join = Callable[[], None] | None  # what a process does before it begins, such as joining a control group


def bench(out: Path, dataset: str, repeats: int) -> dict:
    """Measure everything; leave `shared.json` and the table `shared.md` in `out`, and return what the former holds.

    Args:
        out: the folder.
        dataset: as `data.load_dataset` takes it; MNIST's archives should be there already.
        repeats: of each measurement; the two settings take turns, and the medians count.
    """
    with folder.own(out, "bench"):
        rows = list(_rows(dataset, repeats))
        result: dict = {
            "dataset": load_dataset(dataset).name,
            "images": IMAGES,
            "repeats": repeats,
            "limit": LIMIT,
            "rows": rows,
        }
        result |= {"cores": os.cpu_count(), "versions": results.versions()}
        results.write_json(out / "shared.json", result)
        results.write_text(out / "shared.md", markdown(result))
    return result


def _rows(dataset: str, repeats: int) -> Iterator[dict]:
    for at_once in AT_ONCE:
        yield _row(at_once, os.cpu_count(), dataset, repeats)
    with quota_of_one_core() as join:
        if join is not None:
            yield _row(1, 1, dataset, repeats, join)


def _row(at_once: int, cores: int | None, dataset: str, repeats: int, join: Join = None) -> dict:
    measured: dict[str, list[tuple[float, float]]] = {"pytorch": [], "course": []}
    for _ in range(repeats):
        for name, env in (("pytorch", PYTORCHS_OWN), ("course", {})):
            measured[name].append(last_of(at_once, dataset, env, join))
    row: dict = {name: [seconds for seconds, _ in each] for name, each in measured.items()}
    print(f"{at_once} at once on {cores} core(s): {row['pytorch']} s, {row['course']} s", flush=True)
    memory = statistics.median(memory for _, memory in measured["course"])
    return {"at_once": at_once, "cores": cores, "memory_mb": memory} | row


def last_of(at_once: int, dataset: str, env: Mapping[str, str], join: Join = None) -> tuple[float, float]:
    """Train so many networks at once; return the seconds until the last is done, or LIMIT, and a process's peak in MB.

    Args:
        at_once: processes.
        dataset: of all of them.
        env: what is set for them beside this process's environment.
        join: called in each process before it begins.
    """
    clean = {name: value for name, value in os.environ.items() if name not in ("OMP_NUM_THREADS", "GOMP_SPINCOUNT")}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", __name__, dataset],
            cwd=settings.CODE,
            env=clean | dict(env),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=join,
        )
        for _ in range(at_once)
    ]
    try:
        for process in processes:
            if process.stdout.readline() != "ready\n":  # type: ignore[union-attr]  # it is a pipe
                raise RuntimeError("bench: a training ended before it began; see above")
        start = time.perf_counter()
        for process in processes:
            process.stdin.write("go\n")  # type: ignore[union-attr]
            process.stdin.flush()  # type: ignore[union-attr]
        said = []
        for process in processes:
            left = LIMIT - (time.perf_counter() - start)
            said.append(process.communicate(timeout=max(left, 0.1))[0].split())
    except subprocess.TimeoutExpired:
        return float(LIMIT), 0.0
    finally:
        for process in processes:
            process.kill()
            process.wait()
    return max(float(seconds) for seconds, _ in said), max(float(memory) for _, memory in said)


@contextmanager
def quota_of_one_core() -> Iterator[Join]:
    """Yield what lets a process join a control group that may use one core; None, and a line why, if there is none."""
    try:
        QUOTA.mkdir()
        (QUOTA / "cpu.cfs_quota_us").write_text("100000")  # of each 100,000 microseconds
    except OSError as error:
        print(f"no quota can be set here ({error.strerror}); on Linux with control groups of version 1, root can")
        yield None
        return
    try:
        yield _join
    finally:
        QUOTA.rmdir()


def _join() -> None:
    (QUOTA / "cgroup.procs").write_text(str(os.getpid()))


def markdown(result: dict) -> str:
    """Return the table of `shared.json` in Markdown."""
    alone = statistics.median(result["rows"][0]["course"])
    cells = []
    for row in result["rows"]:
        before, after = (statistics.median(row[name]) for name in ("pytorch", "course"))
        where = "" if row["cores"] == result["cores"] else ", quota of one core"
        cells.append(
            {
                "trainings at once": f"{row['at_once']}{where}",
                "PyTorch's own settings (s)": f"over {before:.0f}" if before >= result["limit"] else f"{before:.1f}",
                "the course's (s)": f"over {after:.0f}" if after >= result["limit"] else f"{after:.1f}",
                "the course's × one after the other": f"{after / alone / row['at_once']:.2f}",
            }
        )
    title = settings.TITLES.get(result["dataset"], result["dataset"])
    return (
        f"{bench_report.table(cells)}\n\n"
        f"Seconds until the last one has learned from {result['images']:,} images of {title}, once; medians of "
        f"{result['repeats']} turns on {result['cores']} cores, PyTorch {result['versions']['torch']}. "
        f"A process took {result['rows'][0]['memory_mb']:,.0f} MB.\n"
    )


def train(dataset_name: str) -> None:
    """Be one of the trainings."""
    import torch
    from torch.utils.data import TensorDataset

    from course.bench import peak_memory
    from helpers import data, recipes, training

    prepared = data.prepare(data.load_dataset(dataset_name), None, 0, torch.device("cpu"))
    torch.manual_seed(0)
    model = recipes.build(recipes.COURSE)
    optimizer = recipes.make_optimizer(recipes.COURSE, model)
    warm_up, images = (
        data.make_batches(TensorDataset(*(tensor[:count] for tensor in prepared.train.tensors)), 64)
        for count in (WARM_UP, IMAGES)
    )
    training.train_epoch(model, warm_up, optimizer)
    print("ready", flush=True)
    sys.stdin.readline()
    start = time.perf_counter()
    training.train_epoch(model, images, optimizer)
    print(time.perf_counter() - start, peak_memory() or 0, flush=True)


if __name__ == "__main__":
    train(sys.argv[1])
