"""The code that the chapters share, and, before PyTorch is loaded, how it uses the processor.

PyTorch starts a thread for each core that it sees, and its threads spin while they wait for each other: they ask over
and over whether there is work, and keep the core busy with that. Alone on a machine that is the fastest way. Beside
another program, or in a container that may use two cores of 64, each thread asks during the time that another one
needs, and training takes many times as long. So: as many threads as there are cores for us, and a short spin.

PyTorch reads both settings once, when it is loaded. That's why every chapter and command imports this package first.
"""

import os
import sys
from pathlib import Path

import psutil

MNIST_COURSE = "mnist-course"  # tells chapters that this is the course's package, and not the `helpers` of PyPI
SPINS = "1000"  # questions before a thread goes to sleep, instead of 300,000; `python -m course bench --shared`
SET_BY_USER = "OMP_NUM_THREADS" in os.environ  # before we set it, below


def processor_threads(proc: Path = Path("/proc/self/cgroup"), mount: Path = Path("/sys/fs/cgroup")) -> int:
    """Return how many threads can compute at the same time here, at least 1.

    That is the least of: the processor's cores (two threads on one core gain nothing here), the cores that this process
    may use, and what the quota of its control group allows, as Docker, Kubernetes and SLURM set it on Linux.

    Args:
        proc: which control groups the process belongs to.
        mount: where their files are.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    cores = psutil.cpu_count(logical=False) or allowed
    return max(1, min(cores, allowed, *(int(quota) for quota in _quotas(proc, mount))))


def _quotas(proc: Path, mount: Path) -> list[float]:
    """Return the quotas, in cores, of the process's control group and of those above it: version 2 and version 1."""
    found = []
    try:
        lines = proc.read_text().splitlines()
    except OSError:  # another system than Linux
        return []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        # A container often sees its own group at the top, whatever path it is told.
        root = mount / controllers if controllers else mount
        root = root if root.is_dir() else mount / "cpu"
        group = root / path.strip("/")
        for folder in [group, *group.parents][: len(group.parts) - len(root.parts) + 1]:
            try:
                if controllers:
                    quota = (folder / "cpu.cfs_quota_us").read_text()
                    period = (folder / "cpu.cfs_period_us").read_text()
                else:
                    quota, period = (folder / "cpu.max").read_text().split()
                found += [int(quota) / int(period)] if int(quota) > 0 else []
            except (OSError, ValueError):  # no such group here, or "max": no limit
                continue
    return found


os.environ.setdefault("OMP_NUM_THREADS", str(processor_threads()))
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", SPINS)
if "torch" in sys.modules and not SET_BY_USER:  # too late for the spin, not for the threads
    sys.modules["torch"].set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
