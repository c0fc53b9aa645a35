"""Run every combination of a grid with several seeds: on this machine's processors, or on a Dask cluster."""

import hashlib
import itertools
import json
import os
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from course import sweep_tables
from course.chapters import FOLDERS, check_assignments, code_of, parameters_of
from course.executors import RunResult, open_executor, result_of, run_in_subprocess
from course.run import check_data, make_writable
from helpers import settings, training

MOST_WORKERS = 4  # by default; a run needs about 1.5 GB of memory with MNIST


class Run(NamedTuple):
    """One run of a sweep."""

    name: str  # of its folder; tells what it varies, and differs for any two runs with different settings
    values: dict[str, Any]  # the parameters that are set, `{"learning_rate": 0.01, "seed": 0, …}`
    settings: dict[str, Any]  # every parameter of the chapters, but those for folders, with its value in this run


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
) -> pd.DataFrame:
    """Run all combinations that are not finished yet in `out`, each in a process, kernels and a folder of its own.

    After every run `out/results.csv` and `out/history.csv` are written anew, at the end `out/summary.csv` and
    `out/summary.md`. What a run left lies in `out/runs/NAME`, whole or not at all.

    Args:
        chapters: notebooks that each run executes, in order.
        grid, seeds, fixed: see `plan`.
        out: folder of the sweep.
        workers: runs at the same time on this machine; None takes one for each processor core, at most four.
        scheduler: address of a running Dask scheduler; its workers do the runs then.

    Returns:
        What `results.csv` holds: one row a run, in the plan's order.

    Raises:
        ValueError: bad input, or `out` holds runs of other code; nothing was started.
        KeyboardInterrupt: somebody stopped it; finished runs are kept.
    """
    if scheduler is not None and workers is not None:
        raise ValueError(f"workers: got {workers}, but a scheduler counts its own; leave out one of the two")
    if workers is not None and workers < 1:
        raise ValueError(f"workers: got {workers}; give a whole number of at least 1")
    runs = plan(chapters, grid, seeds, fixed)
    shown = tuple(settings.shown(chapter) for chapter in chapters)
    out, code = out.expanduser().absolute(), code_of(shown)
    manifests = {run.name: finished(out / "runs" / run.name, run, code) for run in runs}  # in the plan's order
    waiting = [run for run in runs if manifests[run.name] is None]
    workers = min(workers or min(torch.get_num_threads(), MOST_WORKERS), max(len(waiting), 1))
    threads = None if scheduler else max(1, torch.get_num_threads() // workers)

    name = uuid.uuid4().hex
    bar = tqdm(total=len(runs), initial=len(runs) - len(waiting), unit="run", disable=not training.is_interactive())
    with open_executor(workers, scheduler, name) as executor, alone_in(out), bar:
        futures = {executor.submit(run_in_subprocess, shown, run.values, name, code, threads): run for run in waiting}
        while futures:
            over, _ = wait(futures, timeout=1, return_when=FIRST_COMPLETED)  # Windows hears Ctrl-C in between only
            while over:
                future = over.pop()
                run = futures.pop(future)
                manifests[run.name] = store(out / "runs" / run.name, run, code, result_of(future))
                report(bar, run.name, sweep_tables.write_runs(out, manifests.values()))
                del future  # Dask runs again what a lost worker did, for as long as we hold on to its result
    results = sweep_tables.write_runs(out, manifests.values())
    sweep_tables.write_summary(out, results, varied=[*grid, *(["seed"] if seeds else [])])
    return results


def store(folder: Path, run: Run, code: str, result: RunResult) -> dict:
    """Write a run's folder, on the disk and whole or not at all; return its manifest: what `run.json` holds."""
    manifest: dict = run._asdict() | {"code": code, "error": result.error, "seconds": result.seconds}
    if not result.error:
        manifest["results"] = json.loads(result.files["results.json"])
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    for name, content in {**result.files, "run.json": json.dumps(manifest, indent=1).encode()}.items():
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        with (part / name).open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())  # on the disk, not only on its way there
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)  # the one moment in which the run becomes a finished one
    return manifest


def finished(folder: Path, run: Run, code: str) -> dict | None:
    """Return the manifest of a run that is finished and valid, None where it has to be run.

    Raises:
        ValueError: the run was made by other code, so that its numbers don't belong with new ones.
    """
    manifest = None
    with suppress(OSError, ValueError, KeyError, TypeError):  # never begun, or somebody cut a file short
        read = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        same = json.dumps(read["results"]) == json.dumps(results)  # as text: NaN is not equal to itself
        manifest = read if same and not read["error"] and read["values"] == run.values else None
    if manifest is not None and manifest["code"] != code:
        where = settings.shown(folder.parent.parent)
        raise ValueError(f"out: {where} holds runs of another version of these chapters; give another folder")
    return manifest


def report(bar: tqdm, name: str, results: pd.DataFrame) -> None:
    """Move the bar on and show the best result so far; where nobody looks on, print one line a run."""
    row, best = results.set_index("run").loc[name], sweep_tables.best_so_far(results)
    said = f"{name} failed: {row['error']}" if row["error"] else f"{name}  {row['seconds']:.0f} s   best: {best}"
    bar.set_postfix_str(best, refresh=False)
    bar.update()
    if bar.disable:
        print(f"{len(results):{len(str(bar.total))}d}/{bar.total}  {said}", flush=True)
    elif row["error"]:
        bar.write(said)


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Make the folder of a sweep, and keep other sweeps out of it for the time of the `with` block.

    Raises:
        ValueError: the folder can't be written, or another sweep is at work in it.
    """
    make_writable(out)
    make_writable(out / "runs")
    try:
        with FileLock(out / ".lock", timeout=0):
            yield
    except Timeout:
        raise ValueError(f"out: another sweep is at work in '{out}'; wait for it, or give another folder") from None
