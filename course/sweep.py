"""Run every combination of a grid with several seeds: on this machine's processors, or on a Dask cluster."""

import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, wait
from contextlib import contextmanager
from pathlib import Path

import pandas as pd
import torch
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from course import sweep_tables
from course.apart import Job, RunResult, code_of, run_in_subprocess
from course.executors import open_executor, outcome_of
from course.grid import Run, plan
from helpers import settings, training
from helpers.results import write_json

MOST_WORKERS = 4  # by default; a run needs about 1.5 GB of memory with MNIST


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
        grid, seeds, fixed: see `grid.plan`.
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
    done = {
        run.name: manifest for run in runs if (manifest := finished(out / "runs" / run.name, run, code)) is not None
    }
    waiting = [run for run in runs if run.name not in done]
    workers = min(workers or min(torch.get_num_threads(), MOST_WORKERS), max(len(waiting), 1))
    threads = None if scheduler else max(1, torch.get_num_threads() // workers)

    name, manifests = uuid.uuid4().hex, done
    bar = tqdm(total=len(runs), initial=len(done), unit="run", disable=not training.is_interactive())
    with open_executor(workers, scheduler, name) as executor, alone_in(out), bar:
        futures = {
            executor.submit(run_in_subprocess, Job(shown, run.values, name, code, threads)): run for run in waiting
        }
        while futures:
            over, _ = wait(futures, timeout=1, return_when=FIRST_COMPLETED)  # Windows hears Ctrl-C in between only
            for future in over:
                run = futures.pop(future)
                manifests[run.name] = store(out / "runs" / run.name, run, code, outcome_of(future))
                results = sweep_tables.write_runs(out, runs, manifests)
                report(bar, run, results, len(runs))
            over = future = None  # Dask runs again what a lost worker did, for as long as we hold on to its result
    results = sweep_tables.write_runs(out, runs, manifests)
    sweep_tables.write_summary(out, results, varied=[*grid, *(["seed"] if seeds else [])])
    return results


def store(folder: Path, run: Run, code: str, outcome: RunResult) -> dict:
    """Write a run's folder, whole or not at all, and return its manifest: what `run.json` holds."""
    manifest = {
        "name": run.name,
        "values": run.values,
        "code": code,
        "error": outcome.error,
        "seconds": outcome.seconds,
    }
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for name, content in outcome.files.items():
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        (part / name).write_bytes(content)
    if not outcome.error:
        manifest["results"] = json.loads((part / "results.json").read_text(encoding="utf-8"))
    write_json(part / "run.json", manifest)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)
    return manifest


def finished(folder: Path, run: Run, code: str) -> dict | None:
    """Return the manifest of a run that is finished and valid, None where it has to be run.

    Raises:
        ValueError: the run was made by other code, so that its numbers don't belong with new ones.
    """
    try:
        manifest = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        same = json.dumps(manifest["results"]) == json.dumps(results)  # as text: NaN is not equal to itself
        usable = not manifest["error"] and manifest["values"] == run.values and same and "seconds" in results
    except (OSError, ValueError, KeyError, TypeError):  # never begun, or somebody cut the file short
        return None
    if not usable:
        return None
    if manifest["code"] != code:
        where = settings.shown(folder.parent.parent)
        raise ValueError(f"out: {where} holds runs of another version of these chapters; give another folder")
    return manifest


def report(bar: tqdm, run: Run, results: pd.DataFrame, total: int) -> None:
    """Move the bar on and show the best result so far; where nobody looks on, print one line a run."""
    row = results.loc[results["run"] == run.name].iloc[0]
    best = sweep_tables.best_so_far(results)
    bar.set_postfix_str(best, refresh=False)
    bar.update()
    failed = row["status"] != "done"
    said = f"{run.name} failed: {row['error']}" if failed else f"{run.name}  {row['seconds']:.0f} s   best: {best}"
    if bar.disable:
        print(f"{len(results):{len(str(total))}d}/{total}  {said}", flush=True)
    elif failed:
        bar.write(said)


@contextmanager
def alone_in(out: Path) -> Iterator[None]:
    """Make the folder of a sweep, and keep other sweeps out of it for the time of the `with` block.

    Raises:
        ValueError: the folder can't be written, or another sweep is at work in it.
    """
    try:
        (out / "runs").mkdir(parents=True, exist_ok=True)
        for folder in (out, out / "runs"):
            tempfile.TemporaryFile(dir=folder).close()  # folders that were there before may be write-protected
        lock = FileLock(out / ".lock", timeout=0)
        lock.acquire()
    except Timeout:
        raise ValueError(f"out: another sweep is at work in '{out}'; wait for it, or give another folder") from None
    except OSError as error:
        raise ValueError(f"out: '{out}' can't be written ({error.strerror}); give another folder") from None
    with lock:
        yield
