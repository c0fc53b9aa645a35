"""Run every combination of a grid with several seeds: on this machine's processors, or on a Dask cluster."""

import hashlib
import itertools
import json
import math
import re
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from pathlib import Path
from typing import Any

import pandas as pd
import psutil
import torch
from tqdm import tqdm

import helpers
from course import CommandError, folder, sweep_tables
from course.chapters import FOLDERS, check_assignments, check_data, code_of, parameters_of
from course.executors import open_executor, result_of, run_in_subprocess
from course.sweep_runs import Run, earlier, finished, store
from helpers import settings
from helpers.bars import progress_bar

MOST_WORKERS = 4  # by default
MEMORY = 1_500_000_000  # bytes that a run needs with MNIST
MOST_RUNS = 10_000  # of one sweep
QUIET = 5  # seconds without a worker, after which a line says so


def parse_grid(texts: Sequence[str]) -> dict[str, list[str]]:
    """Turn `["epochs=1,2", "seed=0"]` into `{"epochs": ["1", "2"], "seed": ["0"]}`.

    Raises:
        ValueError: a text is not of the form NAME=V1,V2; a name is given twice.
    """
    grid: dict[str, list[str]] = {}
    for text in texts:
        name, _, values = text.partition("=")
        name, words = name.strip(), [word.strip() for word in values.split(",")]
        if not name or not all(words):
            raise ValueError(f"grid: got {text!r}; give NAME=V1,V2,… such as learning_rate=0.001,0.01")
        if name in grid:
            raise ValueError(f"grid: {name!r} is given twice; give its values in one go, {name}=V1,V2,…")
        grid[name] = words
    return grid


def plan(
    chapters: Sequence[Path], grid: dict[str, list[str]], seeds: int | None, fixed: Sequence[tuple[str, str]] = ()
) -> list[Run]:
    """Return every run of a sweep: each combination of the grid with each seed.

    Args:
        chapters: notebooks that each run executes.
        grid: parameter names and their values, as words.
        seeds: number of seeds, from 0; None leaves the seed to the chapters.
        fixed: parameters that all runs share, names and values as words.

    Raises:
        ValueError: an unknown name, a value that breaks its rule, a parameter or a value that is given twice, images
            that can't be had.
    """
    if seeds is not None:
        if seeds < 1:
            raise ValueError(f"seeds: got {seeds}; give a whole number of at least 1")
        if "seed" in grid:
            raise ValueError("seed: stands in the grid and is counted by --seeds; give one of the two")
    count = math.prod(map(len, grid.values())) * (seeds or 1)
    if count > MOST_RUNS:
        raise ValueError(f"grid: asks for {count:,} runs; give at most {MOST_RUNS:,}, with fewer values or --seeds")
    if seeds is not None:
        grid = grid | {"seed": [str(seed) for seed in range(seeds)]}
    shared = check_assignments(chapters, [*fixed, *((name, words[0]) for name, words in grid.items())])
    choices = {name: [settings.parse(name, word) for word in words] for name, words in grid.items()}
    for name, several in choices.items():
        if len(set(several)) < len(several):
            raise ValueError(f"grid: {name} has a value twice in {', '.join(grid[name])}; give each once")
    defaults = {parameter.name: parameter.default for chapter in chapters for parameter in parameters_of(chapter)}
    found: dict[tuple, dict[str, Any]] = {}  # the images are looked at once, not for every run
    runs = []
    for combination in itertools.product(*choices.values()):
        varied = dict(zip(choices, combination, strict=True))
        values = shared | varied
        key = tuple(values.get(name) for name in ("dataset", "data_dir", "val_size", "device"))
        if key not in found:
            found[key] = check_data(chapters, values)
        values |= found[key]
        every = {name: value for name, value in (defaults | values).items() if name not in FOLDERS}
        runs.append(Run(_name(chapters, varied, values), values, every))
    if len({run.name.rpartition("_")[2] for run in runs}) < len(runs):
        raise ValueError("grid: auto stands beside the data set that it finds; give each once")
    return runs


def _name(chapters: Sequence[Path], varied: dict[str, Any], values: dict[str, Any]) -> str:
    """Return a folder's name such as `learning_rate=0.01_seed=0_1f2e3d4c`, safe on every system."""
    readable = "_".join(f"{name}={value}" for name, value in varied.items()) or "run"
    readable = re.sub(r"[^A-Za-z0-9_=.+-]", "-", readable)[:80]
    identity = json.dumps([[settings.shown(chapter) for chapter in chapters], sorted(values.items())])
    return f"{readable}_{hashlib.sha256(identity.encode()).hexdigest()[:8]}"


def sweep(
    chapters: Sequence[Path],
    grid: dict[str, list[str]],
    out: Path,
    seeds: int | None = None,
    fixed: Sequence[tuple[str, str]] = (),
    workers: int | None = None,
    scheduler: str | None = None,
    patience: float | None = None,
) -> pd.DataFrame:
    """Run all combinations that are not finished yet in `out`, each in a process, kernels and a folder of its own.

    After every run `out/results.csv` and `out/history.csv` are written anew, at the end `out/summary.csv` and
    `out/summary.md`. What a run left lies in `out/runs/NAME`, whole or not at all. Runs of an earlier grid in the same
    folder stay in the tables.

    Args:
        chapters: notebooks that each run executes, in order.
        grid, seeds, fixed: see `plan`.
        out: folder of the sweep.
        workers: runs at the same time on this machine; None takes one for each processor core, at most four. Never
            more than there are cores and memory for.
        scheduler: address of a running Dask scheduler; its workers do the runs then.
        patience: seconds to wait for a worker while the scheduler has none; None waits for as long as it takes.

    Returns:
        Of what `results.csv` holds the runs of this grid: one row a run, in the plan's order.

    Raises:
        ValueError: bad input, or `out` holds something else or runs of other code; nothing was started.
        CommandError: no worker came, or the scheduler was lost; finished runs are kept.
        KeyboardInterrupt: somebody stopped it; finished runs are kept.
    """
    if scheduler is not None and workers is not None:
        raise ValueError(f"workers: got {workers}, but a cluster sets its own; leave out one of the two")
    if workers is not None and workers < 1:
        raise ValueError(f"workers: got {workers}; give a whole number of at least 1")
    if patience is not None and (scheduler is None or not patience > 0):
        raise ValueError(f"patience: got {patience:g}; give seconds above 0, together with a scheduler")
    out = out.expanduser().absolute()
    folder.check_own(out, "sweep")
    runs = plan(chapters, grid, seeds, fixed)
    shown = tuple(settings.shown(chapter) for chapter in chapters)
    code = code_of(shown)
    manifests = {run.name: finished(out / "runs" / run.name, run, code) for run in runs}  # in the plan's order
    others, left_out = earlier(out / "runs", manifests, code)
    if left_out:
        print(f"left out of the tables: {left_out} run(s) in {out}/runs, damaged or made by other chapters or code")
    waiting = [run for run in runs if manifests[run.name] is None]
    at_once = count_workers(workers, len(waiting))
    threads = None if scheduler else max(1, torch.get_num_threads() // at_once)
    # A cluster's machines each have a copy of the course, which must be the same in all that a run uses.
    of_worker = code_of(shown, whole=True) if scheduler else code

    def write() -> pd.DataFrame:
        return sweep_tables.write_runs(out, [*manifests.values(), *others])

    name = uuid.uuid4().hex
    bar = progress_bar(total=len(runs), initial=len(runs) - len(waiting), unit="run")
    with open_executor(at_once, scheduler, name) as (executor, has_workers), folder.own(out, "sweep"), bar:
        futures = {
            executor.submit(run_in_subprocess, shown, run.values, name, of_worker, threads): run for run in waiting
        }
        seen, next_line = time.monotonic(), QUIET  # when a worker was last seen, and seconds until a line says so
        while futures:
            done, _ = wait(futures, timeout=1, return_when=FIRST_COMPLETED)  # Windows hears Ctrl-C in between only
            alone = 0.0 if done or has_workers() else time.monotonic() - seen
            if not alone:
                seen, next_line = time.monotonic(), QUIET
            elif patience is not None and alone >= patience:
                raise CommandError(
                    f"{scheduler} had no worker for {alone:.0f} s, so the sweep gave up. Finished runs are kept; the "
                    "same command goes on with them"
                )
            elif alone >= next_line:
                say(bar, f"{scheduler} has had no worker for {alone:.0f} s; waiting for one")
                next_line *= 2
            over = sorted(done, key=Future.cancelled, reverse=True)  # taken last, since they mean the scheduler is lost
            del done
            while over:
                future = over.pop()
                run = futures.pop(future)
                manifests[run.name] = store(out / "runs" / run.name, run, code, result_of(future))
                table = write()
                report(bar, run.name, table[table["run"].isin(manifests)])
                del future  # Dask runs again what a lost worker did, for as long as we hold on to its result
        table = write()
        others_vary = [name for name in runs[0].settings if name not in grid and table[name].nunique() > 1]
        sweep_tables.write_summary(out, table, varied=[*grid, *others_vary])
    mixed = sweep_tables.mixed_versions(table)
    if mixed:
        print(f"compare these runs with care, their versions differ: {mixed}")
    return table[table["run"].isin(manifests)]


def count_workers(asked: int | None, runs: int) -> int:
    """Return how many runs to do at the same time on this machine, no more than it has cores and memory for."""
    cores, memory = helpers.processor_threads(), free_memory()
    workers = min(asked or min(torch.get_num_threads(), MOST_WORKERS), max(runs, 1))
    most = max(1, min(cores, memory // MEMORY))
    if asked and workers > most:
        print(f"workers: {workers} are too many for {cores} core(s) and {memory / 1e9:.1f} GB of memory; taking {most}")
    return min(workers, most)


def free_memory() -> int:
    """Return the bytes of memory that new processes may take: what is free, or a container's quota if that is less."""
    found = [psutil.virtual_memory().available]
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # of cgroups, version 2 and 1
        try:
            found.append(int((Path("/sys/fs/cgroup") / name).read_text()))
        except (OSError, ValueError):  # no such thing, or no quota: "max"
            continue
    return min(found)


def report(bar: tqdm, name: str, results: pd.DataFrame) -> None:
    """Move the bar on and show the best result so far; where nobody looks on, print one line a run."""
    row, best = results.set_index("run").loc[name], sweep_tables.best_so_far(results)
    said = f"{name} failed: {row['error']}" if row["error"] else f"{name}  {row['seconds']:.0f} s   best: {best}"
    bar.set_postfix_str(best, refresh=False)
    bar.update()
    if bar.disable:
        said = f"{len(results):{len(str(bar.total))}d}/{bar.total}  {said}"
    if bar.disable or row["error"]:
        say(bar, said)


def say(bar: tqdm, line: str) -> None:
    """Print a line above the bar, if there is one."""
    print(line, flush=True) if bar.disable else bar.write(line)
