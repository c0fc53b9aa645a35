"""Where the runs of a sweep are handed in: threads of this process, or a Dask cluster, behind one interface."""

import asyncio
from collections.abc import Iterator
from concurrent.futures import CancelledError, Executor, Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress

from course.apart import RunResult, stop_runs
from course.execution import first_line

PATIENCE = 10  # seconds for a scheduler to answer


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
            thread.submit(asyncio.run, check_scheduler_reachable(scheduler)).result()
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


async def check_scheduler_reachable(address: str) -> None:
    """Raise an error unless a Dask process answers; a client waits forever at the port of a web page, say."""
    from distributed.comm import connect
    from distributed.security import Security

    options = Security().get_connection_args("client")  # keys and certificates, where Dask is set up for them
    comm = await asyncio.wait_for(connect(address, timeout=PATIENCE, **options), PATIENCE + 1)
    await comm.close()


def outcome_of(future: Future) -> RunResult:
    """Return what came of a run; also where its worker or the scheduler was lost, so that nothing came back."""
    try:
        return future.result()
    except CancelledError:
        return RunResult("the scheduler gave the run up", 0.0)
    except Exception as error:  # whatever a cluster may report of a worker; the sweep goes on
        return RunResult(f"{type(error).__name__}: {first_line(str(error))}", 0.0)
