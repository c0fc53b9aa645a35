"""Run every combination of a grid with several seeds: on this machine's processors, or on a Dask cluster."""

import asyncio
import json
import os
import shutil
import tempfile
import uuid
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path

import pandas as pd
import torch
from filelock import FileLock, Timeout
from tqdm.auto import tqdm

from helpers import paths, records, training
from helpers.course import sweep_tables
from helpers.course.apart import Job, Outcome, code_of, run_apart, stop_runs
from helpers.course.execution import first_line
from helpers.course.grid import Run, plan

MOST_WORKERS = 4  # by default; a run needs about 1.5 GB of memory with MNIST
PATIENCE = 10  # seconds for a scheduler to answer


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
    shown = tuple(paths.shown(chapter) for chapter in chapters)
    out, code = out.expanduser().absolute(), code_of(shown)
    done = {run.name: story for run in runs if (story := finished(out / "runs" / run.name, run, code)) is not None}
    waiting = [run for run in runs if run.name not in done]
    workers = min(workers or min(torch.get_num_threads(), MOST_WORKERS), max(len(waiting), 1))
    threads = None if scheduler else max(1, torch.get_num_threads() // workers)

    name, stories = uuid.uuid4().hex, done
    bar = tqdm(total=len(runs), initial=len(done), unit="run", disable=not training.is_watched())
    with open_executor(workers, scheduler, name) as executor, alone_in(out), bar:
        futures = {executor.submit(run_apart, Job(shown, run.values, name, code, threads)): run for run in waiting}
        while futures:
            over, _ = wait(futures, timeout=1, return_when=FIRST_COMPLETED)  # Windows hears Ctrl-C in between only
            for future in over:
                run = futures.pop(future)
                stories[run.name] = store(out / "runs" / run.name, run, code, outcome_of(future))
                results = sweep_tables.write_runs(out, runs, stories)
                report(bar, run, results, len(runs))
            over = future = None  # Dask runs again what a lost worker did, for as long as we hold on to its result
    results = sweep_tables.write_runs(out, runs, stories)
    sweep_tables.write_summary(out, results, varied=[*grid, *(["seed"] if seeds else [])])
    return results


@contextmanager
def open_executor(workers: int, scheduler: str | None, sweep: str) -> Iterator[Executor]:
    """Yield where runs are handed in: threads of this process, each of which waits for its run, or a Dask cluster.

    An exception in the `with` block, Ctrl-C for one, stops the runs of `sweep` that have begun and drops the others.

    Raises:
        ValueError: no scheduler answers at that address.
    """
    if scheduler is None:
        with ThreadPoolExecutor(workers) as executor:
            try:
                yield executor
            except BaseException:
                executor.shutdown(wait=False, cancel_futures=True)
                stop_runs(sweep)
                raise
        return
    try:
        from distributed import Client  # not before it is asked for: it takes a second to load
    except ImportError:
        raise ValueError("scheduler: needs the package distributed; install it here and on the workers") from None

    try:
        with ThreadPoolExecutor(1) as thread:  # in a thread, since JupyterLab's kernel has an event loop running
            thread.submit(asyncio.run, _knock(scheduler)).result()
        client = Client(scheduler, timeout=PATIENCE, set_as_default=False)
    except Exception as error:  # many a kind, from a wrong port to missing keys
        reason = first_line(str(error))
        raise ValueError(f"scheduler: nobody answers at {scheduler!r} ({reason}); give tcp://HOST:PORT") from None
    with client:
        executor = client.get_executor(pure=False)
        try:
            yield executor
        except BaseException:
            executor.shutdown(wait=False)  # drops what waits; what runs would run on
            with suppress(Exception):  # the cluster may be what broke
                client.run(stop_runs, sweep, on_error="ignore")
            raise


async def _knock(address: str) -> None:
    """Raise an error unless a Dask process answers; a client waits forever at the port of a web page, say."""
    from distributed.comm import connect
    from distributed.security import Security

    options = Security().get_connection_args("client")  # keys and certificates, where Dask is set up for them
    comm = await asyncio.wait_for(connect(address, timeout=PATIENCE, **options), PATIENCE + 1)
    await comm.close()


def outcome_of(future: Future) -> Outcome:
    """Return what came of a run; also where its worker or the scheduler was lost, so that nothing came back."""
    try:
        return future.result()
    except CancelledError:
        return Outcome("the scheduler gave the run up", 0.0)
    except Exception as error:  # whatever a cluster may report of a worker; the sweep goes on
        return Outcome(f"{type(error).__name__}: {first_line(str(error))}", 0.0)


def store(folder: Path, run: Run, code: str, outcome: Outcome) -> dict:
    """Write a run's folder, whole or not at all, and return its story: what `run.json` holds."""
    story = {"name": run.name, "values": run.values, "code": code, "error": outcome.error, "seconds": outcome.seconds}
    part = folder.with_name(folder.name + ".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    for name, content in outcome.files.items():
        (part / name).parent.mkdir(parents=True, exist_ok=True)
        (part / name).write_bytes(content)
    if not outcome.error:
        story["results"] = json.loads((part / "results.json").read_text(encoding="utf-8"))
    records.write_json(part / "run.json", story)
    shutil.rmtree(folder, ignore_errors=True)
    os.replace(part, folder)
    return story


def finished(folder: Path, run: Run, code: str) -> dict | None:
    """Return the story of a run that is finished and valid, None where it has to be run.

    Raises:
        ValueError: the run was made by other code, so that its numbers don't belong with new ones.
    """
    try:
        story = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
        same = json.dumps(story["results"]) == json.dumps(results)  # as text: NaN is not equal to itself
        usable = not story["error"] and story["values"] == run.values and same and "seconds" in results
    except (OSError, ValueError, KeyError, TypeError):  # never begun, or somebody cut the file short
        return None
    if not usable:
        return None
    if story["code"] != code:
        where = paths.shown(folder.parent.parent)
        raise ValueError(f"out: {where} holds runs of another version of these chapters; give another folder")
    return story


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
