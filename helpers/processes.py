"""Several processes that work as one: started, connected, and ended together."""

import logging
import os
import sys
import time
from collections.abc import Sequence
from typing import Any, NoReturn

import torch
import torch.distributed as dist
from torch.distributed import run as torchrun
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
from torch.distributed.rendezvous import rendezvous

import helpers
from helpers import settings

TOLD = 3  # the exit status of a process that has said why it ends


def launch(processes: int, max_restarts: int, module: str, options: Sequence[str], advice: str) -> None:
    """Do what torchrun does on one machine, and say in one line which process has died, and how.

    Args:
        processes: each runs `python -m module options`.
        max_restarts: how often all are started again after one has died.
        advice: ends the line: what to do then.
    """
    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)  # its report would be one of thirty lines
    if sys.platform == "win32":
        os.environ.setdefault("USE_LIBUV", "0")  # a library that PyTorch for Windows comes without
    how = f"--standalone --local_addr=127.0.0.1 --nproc_per_node={processes} --max_restarts={max_restarts}"
    try:
        torchrun.main([*how.split(), "-m", module, *options])
    except SignalException:
        fail(f"stopped; {advice}")
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode == TOLD:
            sys.exit(TOLD)
        reason = failure.signal_name() if failure.exitcode < 0 else f"exit status {failure.exitcode}"
        fail(f"rank {rank} of {processes} processes has died ({reason}), so the others were ended; {advice}")


def connect(device_name: str) -> torch.device:
    """Connect this process with the others, which it finds by the variables that torchrun sets; return its device.

    If each process on this machine can have a GPU of its own, NCCL connects them, else gloo connects processors.
    """
    store, rank, ranks = next(iter(rendezvous("env://")))  # in the store, they tell each other their addresses
    local_rank, local_ranks = (int(os.environ.get(f"LOCAL_{name}", 0)) for name in ("RANK", "WORLD_SIZE"))
    use_gpu = device_name != "cpu" and 0 < local_ranks <= torch.cuda.device_count()
    if device_name not in ("auto", "cpu", "cuda" if use_gpu else "auto"):
        raise ValueError(f"device: '{device_name}' is not here for each of {local_ranks} processes; give auto or cpu")
    if use_gpu:
        torch.cuda.set_device(local_rank)
    torch.set_num_threads(max(1, min(torch.get_num_threads(), helpers.processor_threads() // max(1, local_ranks))))
    if local_ranks == ranks:
        # torchrun keeps the store when it starts the processes again. They would find the addresses of dead ones in it
        # (PyTorch's issue 135712), so each attempt gets a part of the store for itself.
        store = dist.PrefixStore(f"attempt {os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}", store)
    dist.init_process_group("nccl" if use_gpu else "gloo", store=store, rank=rank, world_size=ranks)
    return torch.device("cuda", local_rank) if use_gpu else torch.device("cpu")


def from_first(value: Any) -> Any:
    """Return what rank 0 gives as `value`, in every process."""
    values = [value]
    dist.broadcast_object_list(values)
    return values[0]


def fail(line: str, patience: float = 0) -> NoReturn:
    """End this process with one line that says why.

    It says nothing if torchrun will start it again, or ends it within `patience` seconds, since another has failed.
    """
    time.sleep(patience)
    if os.environ.get("TORCHELASTIC_RESTART_COUNT") == os.environ.get("TORCHELASTIC_MAX_RESTARTS"):
        print(line, file=sys.stderr, flush=True)
    sys.exit(TOLD)
