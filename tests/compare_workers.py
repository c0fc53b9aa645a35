"""Measure what sharing out the processor's threads brings, for the table in docs/sweeps.md, which this writes.

Run it by `python tests/compare_workers.py`. Not a test: speeds are measured as ratios in one go, alternating, on a
machine that has nothing else to do.
"""

import os
import re
import statistics
import time
from concurrent.futures import ThreadPoolExecutor

from course.chapters import code_of
from course.executors import run_in_subprocess
from helpers import data, settings

PAGE = settings.ROOT / "docs" / "sweeps.md"
RUNS, REPEATS = 2, 2
CORES = os.cpu_count()
WAYS = {  # workers, threads a worker
    f"one worker, {CORES} threads": (1, CORES),
    f"{CORES} workers, 1 thread each (what `sweep` does)": (CORES, 1),
    f"{CORES} workers, {CORES} threads each (threads not shared out)": (CORES, CORES),
}


def seconds(workers: int, threads: int) -> float:
    """Return how long these runs of chapter 3 take, one epoch on MNIST each."""
    chapters = ("notebooks/03_training.ipynb",)
    values, code = {"dataset": "mnist", "epochs": 1}, code_of(chapters)
    start = time.perf_counter()
    with ThreadPoolExecutor(workers) as executor:
        futures = [
            executor.submit(run_in_subprocess, chapters, values | {"seed": seed}, "comparison", code, threads)
            for seed in range(RUNS)
        ]
    assert not any(future.result().error for future in futures), [future.result().error for future in futures]
    return time.perf_counter() - start


def main() -> None:
    data.load_dataset("mnist")
    measured: dict[str, list[float]] = {way: [] for way in WAYS}
    for _ in range(REPEATS):
        for way, (workers, threads) in WAYS.items():
            measured[way].append(seconds(workers, threads))
            print(f"{measured[way][-1]:6.1f} s  {way}", flush=True)
    medians = {way: statistics.median(values) for way, values in measured.items()}
    first = next(iter(medians.values()))
    lines = [f"| {RUNS} runs of chapter 3, one epoch each | seconds, median of {REPEATS} rounds | speed-up |"]
    lines.append("|---|---:|---:|")
    lines += [f"| {way} | {value:.0f} | {first / value:.2f} |" for way, value in medians.items()]
    table = "<!-- table: workers -->\n" + "\n".join(lines) + "\n<!-- end of table: workers -->"
    page = PAGE.read_text(encoding="utf-8")
    pattern = r"<!-- table: workers -->.*<!-- end of table: workers -->"
    PAGE.write_text(re.sub(pattern, lambda _: table, page, flags=re.DOTALL), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main()
