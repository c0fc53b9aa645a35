"""Where the runs of a sweep are done: each in a process, for which a thread, a Dask worker or a SLURM job waits.

A process each, because papermill changes the current folder of the process that it works in, because a run that dies
(of memory, say) must not take others along, and because the number of threads is fixed when a process starts. What a
run wrote comes back in its result: through Dask's scheduler, or through a folder that SLURM's machines share. Loads no
PyTorch.
"""

import asyncio
import io
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, redirect_stderr, suppress
from pathlib import Path
from typing import Any, NamedTuple

import helpers
from course import CommandError
from course.chapters import located
from helpers import settings

ANSWER_TIMEOUT = 10  # seconds for a scheduler to answer
SLURM = "slurm"  # what submitit calls it; a test puts "local"
SLURM_MINUTES = 60  # of a job, by default
_lock = threading.Lock()  # for the two below
_running: dict[subprocess.Popen, str] = {}  # the runs of this process, each with its sweep
_stopped: set[str] = set()


class RunResult(NamedTuple):
    """What came of a run."""

    error: str  # one line; empty if all went well
    seconds: float = 0.0
    files: Mapping[str, bytes] = {}  # what the run left in its folder, by relative path, but for hidden files


def run_in_subprocess(
    chapters: Sequence[str], values: dict[str, Any], sweep: str, code: str, threads: int | None = None
) -> RunResult:
    """Do one run by `python -m course run` and wait for it; a failure is a result, not an exception.

    Args:
        chapters: notebooks; relative paths are those of the course's own, wherever they are on the worker.
        values: parameters, checked.
        sweep: a word that no other sweep has; `stop_runs` goes by it.
        code: what `code_of` gave where the sweep was started; the run refuses to begin if it gives something else.
        threads: processor threads for the run; None leaves it to the worker (one, unless OMP_NUM_THREADS is set).
    """
    of_worker = os.environ["OMP_NUM_THREADS"] if helpers.SET_BY_USER else 1
    env = os.environ | {"OMP_NUM_THREADS": str(threads or of_worker)}
    # The kernel imports the very helpers that `code_of` reads, also where another copy of the course is installed.
    env["PYTHONPATH"] = os.pathsep.join([str(settings.CODE), *filter(None, [os.environ.get("PYTHONPATH")])])
    start = time.perf_counter()
    scratch = tempfile.TemporaryDirectory(prefix="mnist-course-", ignore_cleanup_errors=True)
    with scratch as folder, tempfile.TemporaryFile() as log:
        out = Path(folder)  # which the run removes if it is stopped: we may be gone by then
        words = ["run", *(str(located(chapter)) for chapter in chapters), "--out", folder, "--of-sweep", code]
        words += [word for name, value in values.items() for word in ("-p", name, str(value))]
        with _lock:
            if sweep in _stopped:
                return RunResult("the sweep was stopped")
            process = subprocess.Popen(
                [sys.executable, "-m", "course", *words],
                cwd=settings.CODE,
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=log,
                start_new_session=True,  # Ctrl-C is for the sweep, which tells its runs by closing their stdin
            )
            _running[process] = sweep
        try:
            with process:  # closes stdin at the end, which stops the run should it still be at work
                process.wait()
        finally:
            with _lock:
                del _running[process]
        files = {
            path.relative_to(out).as_posix(): path.read_bytes()
            for path in sorted(out.rglob("*"))
            if path.is_file() and not path.name.startswith(".") and path.parent.name != "epochs"  # weights of each
        }
        log.seek(0)
        said = log.read().decode(errors="replace").splitlines() or ["it said nothing"]
    seconds = round(time.perf_counter() - start, 1)
    if process.returncode == 0:
        return RunResult("", seconds, files)
    if process.returncode in (1, 2):  # the run's own line, or the last one of a traceback
        error = said[-1].removeprefix("python -m course run: ").replace(str(out) + os.sep, "")
        return RunResult(error, seconds, files)
    if process.returncode == 130:  # by Ctrl-C, or by SLURM when time is up
        return RunResult("the run was stopped", seconds, files)
    error = f"the run's process died (exit status {process.returncode}; out of memory?)"
    return RunResult(error, seconds, files)


def start(words: Sequence[str], sweep: str) -> subprocess.Popen:
    """Start a process that serves this one through its stdin and stdout, and ends when stdin is closed.

    Raises:
        OSError: the sweep, or whatever else has this name, was stopped.
    """
    env = os.environ | {"OMP_NUM_THREADS": os.environ["OMP_NUM_THREADS"] if helpers.SET_BY_USER else "1"}
    env["PYTHONPATH"] = os.pathsep.join([str(settings.CODE), *filter(None, [os.environ.get("PYTHONPATH")])])
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    with _lock:
        if sweep in _stopped:
            raise OSError("it was stopped")
        process = subprocess.Popen(words, cwd=settings.CODE, env=env, start_new_session=True, **pipes)  # type: ignore[call-overload]
        _running[process] = sweep
    return process


def forget(process: subprocess.Popen) -> None:
    """Note that a process from `start` is over."""
    with _lock:
        _running.pop(process, None)


def is_stopped(sweep: str) -> bool:
    """Tell whether `stop_runs` was called."""
    with _lock:
        return sweep in _stopped


def stop_runs(sweep: str) -> None:
    """Tell every run of a sweep that this process started to stop, and let no more of them begin."""
    with _lock:
        _stopped.add(sweep)
        for process in [process for process, of in _running.items() if of == sweep]:
            process.stdin.close()  # type: ignore[union-attr]  # it is a pipe


class SlurmExecutor(ThreadPoolExecutor):
    """Does each call as a job of SLURM, for which one of its threads waits; takes as many at a time as it has threads.

    Args:
        jobs: number of threads.
        options: of `sbatch`, by name; `time` in whole minutes.
        out: where jobs get their work and leave their results, in a folder that is made for the time being. SLURM's
            machines must see it by the same path.
        sweep: see `stop_runs`, which cancels the jobs, too.

    Raises:
        ValueError: submitit or SLURM is not installed.
    """

    def __init__(self, jobs: int, options: Mapping[str, str], out: Path, sweep: str):
        try:
            from submitit import AutoExecutor
        except ImportError:
            raise ValueError("slurm: needs the package submitit; run: python -m pip install submitit") from None
        if SLURM == "slurm" and not (shutil.which("sbatch") and shutil.which("srun")):
            raise ValueError("slurm: sbatch and srun are not here; sweep where SLURM takes jobs, such as a login node")
        super().__init__(jobs)
        self._options, self._out, self._sweep = dict(options), out, sweep
        self._auto, self._folder = AutoExecutor, ""
        self._queue: Any = None
        self._refused: CommandError | None = None
        self._lock = threading.Lock()  # for submitit, which is not made for several threads

    def submit(self, function: Callable, /, *words: Any, **options: Any) -> Future:  # type: ignore[override]
        """Hand in a call that returns a `RunResult`."""
        return super().submit(self._do, function, *words, **options)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Remove the folder as well, unless there are jobs at work."""
        super().shutdown(wait, cancel_futures=cancel_futures)
        if wait:
            shutil.rmtree(self._folder, ignore_errors=True)

    def _do(self, function: Callable, *words: Any, **options: Any) -> RunResult:
        with self._lock:
            if is_stopped(self._sweep):
                return RunResult("the sweep was stopped")
            job = self._hand_in(function, *words, **options)
        while True:
            with self._lock:
                done = job.done()
            if done:
                break
            if is_stopped(self._sweep):
                job.cancel(check=False)
                return RunResult("the sweep was stopped")
            time.sleep(1)
        try:
            return job.result()
        except Exception:  # of its time, its machine, or what is installed there
            said = (job.stderr() or "it said nothing").strip()
            if "timed-out" in said:  # submitit's word
                return RunResult(f"the time of SLURM's job {job.job_id} was up; give more minutes: --slurm time=…")
            last = said.rpartition("\n")[2]
            return RunResult(f"SLURM's job {job.job_id} ended without a result ({job.state}): {last}")

    def _hand_in(self, function: Callable, *words: Any, **options: Any) -> Any:
        """Return a job of submitit's, which SLURM now has in its queue.

        Raises:
            CommandError: SLURM refused it, or an earlier one.
        """
        if self._refused is not None:
            raise self._refused
        if self._queue is None:
            logging.getLogger("submitit").setLevel(logging.CRITICAL)  # what matters of it, we say ourselves
            self._folder = tempfile.mkdtemp(prefix=".slurm-", dir=self._out)  # for us alone: results are unpickled
            self._queue = self._auto(self._folder, cluster=SLURM)
            minutes = int(self._options.pop("time", SLURM_MINUTES))
            self._queue.update_parameters(
                name="mnist-course", timeout_min=minutes, slurm_additional_parameters=self._options
            )
        try:
            with redirect_stderr(io.StringIO()):  # to which submitit repeats what `sbatch` said
                return self._queue.submit(function, *words, **options)
        except RuntimeError as error:
            reason = str(error).strip().partition("\n")[0] or "no message"
            self._refused = CommandError(f"SLURM refused a job ({reason}). Finished runs are kept")
            raise self._refused from None


@contextmanager
def open_executor(
    workers: int, scheduler: str | None, sweep: str, slurm: tuple[Mapping[str, str], Path] | None = None
) -> Iterator[tuple[Executor, Callable[[], bool]]]:
    """Yield where runs are handed in: threads of this process, each of which waits for its run, or a cluster.

    Beside it comes a function that tells whether it has any workers at the moment.

    An exception in the `with` block, Ctrl-C for one, stops the runs of `sweep` that have begun and drops the others.

    Args:
        workers: how many threads; a Dask cluster has workers of its own.
        scheduler: address of a Dask scheduler.
        sweep: see `stop_runs`.
        slurm: for SLURM, `options` and `out` of `SlurmExecutor`.

    Raises:
        ValueError: no scheduler answers at that address; submitit or SLURM is not installed.
    """
    if scheduler is None:
        with ThreadPoolExecutor(workers) if slurm is None else SlurmExecutor(workers, *slurm, sweep) as executor:
            try:
                yield executor, lambda: True
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
            thread.submit(asyncio.run, check_scheduler_reachable(scheduler)).result()
        client = Client(scheduler, timeout=ANSWER_TIMEOUT, set_as_default=False)
    except Exception as error:  # many a kind, from a wrong port to missing keys
        reason = str(error).partition("\n")[0] or "no message"
        raise ValueError(f"scheduler: nobody answers at {scheduler!r} ({reason}); give tcp://HOST:PORT") from None
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters of it, we say ourselves in one line
    with client:
        executor = client.get_executor(pure=False)
        try:
            yield executor, lambda: has_workers(client)
        except BaseException:
            executor.shutdown(wait=False)  # drops what waits; what runs would run on
            if client.status == "running":
                with suppress(Exception):  # the cluster may be what broke
                    client.run(stop_runs, sweep, on_error="ignore")
            raise


def has_workers(client: Any) -> bool:
    """Tell whether a scheduler answers and has workers; if it is lost, all runs are cancelled anyhow."""
    try:
        return bool(client.sync(client.scheduler.ncores, callback_timeout=ANSWER_TIMEOUT))
    except OSError:  # which Dask's own errors of this kind are, too
        return False


async def check_scheduler_reachable(address: str) -> None:
    """Raise an error unless a Dask process answers; a client waits forever at the port of a web page, say."""
    from distributed.comm import connect
    from distributed.security import Security

    options = Security().get_connection_args("client")  # keys and certificates, where Dask is set up for them
    comm = await asyncio.wait_for(connect(address, timeout=ANSWER_TIMEOUT, **options), ANSWER_TIMEOUT + 1)
    await comm.close()


def ends_sweep(future: Future) -> bool:
    """Tell of a future that is done whether `result_of` raises an error."""
    return future.cancelled() or isinstance(future.exception(), CommandError)


def result_of(future: Future) -> RunResult:
    """Return what came of a run; also where its worker was lost, so that nothing came back.

    Raises:
        CommandError: the scheduler was lost, or refuses runs; the message is one line.
    """
    try:
        result = future.result()
    except CommandError:
        raise
    except CancelledError:
        raise CommandError(
            "the scheduler is gone. Finished runs are kept; start a new one, and the same command goes on with them"
        ) from None
    except Exception as error:  # whatever a cluster may report of a worker; the sweep goes on
        reason = str(error).partition("\n")[0] or "no message"
        return RunResult(f"{type(error).__name__}: {reason}")
    sound = isinstance(result, RunResult) and isinstance(result.error, str) and isinstance(result.seconds, int | float)
    if not sound or not all(isinstance(content, bytes) for content in result.files.values()):
        return RunResult("its worker returned something else; install the same version of the course everywhere")
    return result
