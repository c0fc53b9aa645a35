"""Sweeps on a Dask cluster: a real scheduler and real workers on this machine, which share no folder with the sweep.

The worker `large` does two runs at a time, with three threads each. `small`, which one test adds and kills, does one
and has no OMP_NUM_THREADS.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import tiny_chapter
from tiny_chapter import Tiny, wait_until, wait_until_gone

from course import CommandError, sweep
from helpers import settings

distributed = pytest.importorskip("distributed")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send and no SIGKILL")

GRID = {"learning_rate": ["0.1"]}


class Cluster:
    """A scheduler at `address`, and workers by name."""

    def __init__(self, folder: Path, place: Path):
        folder.mkdir(exist_ok=True)
        self.folder, self.place = folder, place
        self.workers: dict[str, subprocess.Popen] = {}
        self.started: list[subprocess.Popen] = []
        contact = folder / "scheduler.json"
        self.start("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", contact)
        wait_until(contact.is_file)
        wait_until(lambda: contact.read_text().strip().endswith("}"))
        self.address = json.loads(contact.read_text())["address"]

    def start(self, kind: str, *words: object, **variables: str) -> subprocess.Popen:
        """Start one part of the cluster in a folder of its own."""
        home = self.folder / f"{kind}{len(self.started)}"
        home.mkdir()
        clean = {name: value for name, value in os.environ.items() if name not in ("OMP_NUM_THREADS", "TINY_PLACE")}
        with (home / "log.txt").open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "dask", kind, *map(str, words)],
                cwd=home,
                env=clean | {"TINY_PLACE": str(self.place)} | variables,
                stdout=log,
                stderr=log,
            )
        self.started.append(process)
        return process

    def end(self) -> None:
        for process in self.started:
            process.kill()
            process.wait()

    def add(self, name: str, threads: int, **variables: str) -> None:
        words = ["--no-nanny", "--no-dashboard", "--nthreads", threads, "--name", name]
        words += ["--host", "127.0.0.1", "--local-directory", self.folder / f"of-{name}"]
        self.workers[name] = self.start("worker", self.address, *words, **variables)
        with distributed.Client(self.address, set_as_default=False) as client:
            client.wait_for_workers(len(self.workers))

    def of(self, name: str, tiny: Tiny) -> list[tuple[str, list[psutil.Process]]]:
        """Return what a worker does at this moment: settings, and the processes of run and kernel."""
        found = []
        for setting, kernel, run in tiny.begun():
            try:
                pair = tiny_chapter.processes([kernel, run])
                if pair[1].ppid() == self.workers[name].pid:
                    found.append((setting, pair))
            except psutil.NoSuchProcess:
                pass  # over
        return found


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    folder = tmp_path_factory.mktemp("cluster")
    (folder / "chapter").mkdir()
    cluster = Cluster(folder, folder / "chapter" / "place")
    cluster.add("large", 2, OMP_NUM_THREADS="3")
    yield cluster
    cluster.end()


@pytest.fixture
def frail(tmp_path: Path) -> Iterator[Cluster]:
    """A scheduler of one test's own, without workers."""
    cluster = Cluster(tmp_path / "frail", tmp_path / "place")
    yield cluster
    cluster.end()


@pytest.fixture(scope="module")
def shared(cluster: Cluster) -> Tiny:
    return Tiny(cluster.folder / "chapter")


@pytest.fixture
def tiny(shared: Tiny) -> Tiny:
    """The chapter, nothing begun."""
    for path in shared.place.iterdir():
        path.unlink()
    return shared


@pytest.mark.slow
def test_a_lost_worker_costs_no_run(cluster: Cluster, tiny: Tiny, tmp_path: Path) -> None:
    """What it had finished isn't run again; what it was doing is, by the other one, once."""
    out = tmp_path / "out"
    cluster.add("small", 1)
    tiny.hold()
    with ThreadPoolExecutor(1) as thread:
        job = thread.submit(sweep.sweep, [tiny.path], GRID, out, 4, scheduler=cluster.address)
        try:
            wait_until(lambda: len(tiny.begun()) == 3 or job.done())  # as many as there are threads
            ((first, _),) = cluster.of("small", tiny)
            assert len(cluster.of("large", tiny)) == 2
            tiny.let_go(0.1, int(first.rpartition("_")[2]))
            wait_until(lambda: [lost for lost, _ in cluster.of("small", tiny) if lost != first] or job.done())
            wait_until(lambda: list(out.glob("runs/*/run.json")) or job.done())
            ((lost, processes),) = [run for run in cluster.of("small", tiny) if run[0] != first]
            cluster.workers["small"].send_signal(signal.SIGKILL)
            del cluster.workers["small"]
            wait_until_gone(processes)
        finally:
            tiny.hold(False)
        results = job.result()
    assert results["status"].tolist() == ["done"] * 4, results["error"].tolist()
    assert results["val_accuracy"].tolist() == pytest.approx([0.5 + 0.1 * (1 + seed) for seed in range(4)])
    ran = [setting for setting, *_ in tiny.begun()]
    assert {setting: ran.count(setting) for setting in ran} == {
        f"0.1_{seed}": 2 if f"0.1_{seed}" == lost else 1 for seed in range(4)
    }
    for name in results["run"]:  # no folder is shared: all came back through the scheduler
        kept = {path.name for path in (out / "runs" / name).iterdir()}
        assert kept == {"01_tiny.ipynb", "01_tiny.json", "results.json", "run.json"}
    # one thread where the worker says nothing, else what it says
    assert {f"0.1_{seed}" for seed, threads in enumerate(results["threads"]) if threads == 1} == {first}
    assert set(results["threads"]) == {1, 3}


@pytest.mark.slow
def test_ctrl_c_ends_the_runs_on_the_cluster(
    cluster: Cluster, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pressed here while the first run is stored, and others are at work or wait."""
    tiny.hold()

    def press(*_: object) -> None:
        wait_until(lambda: len(tiny.begun()) == 3)
        at_work.extend(process for _, pair in cluster.of("large", tiny) for process in pair)
        raise KeyboardInterrupt

    at_work: list[psutil.Process] = []
    tiny.let_go(0.1, 0)
    monkeypatch.setattr(sweep, "store", press)
    with pytest.raises(KeyboardInterrupt):
        sweep.sweep([tiny.path], GRID, tmp_path / "out", 5, scheduler=cluster.address)
    assert len(at_work) == 4
    wait_until_gone(at_work)
    assert len(tiny.begun()) == 3


@pytest.mark.slow
def test_the_command_line_sweeps_on_a_cluster_and_ctrl_c_ends_its_runs_there(
    cluster: Cluster, tiny: Tiny, tmp_path: Path
) -> None:
    words = ["-p", "learning_rate", "0.1", "--seeds", "3", "--scheduler", cluster.address]
    command = tiny.command("sweep", *words, "--out", "out")
    options = {"cwd": tmp_path, "env": tiny_chapter.environment(), "encoding": "utf-8"}
    tiny.hold()
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
    wait_until(lambda: len(tiny.begun()) == 2)
    processes = [process for _, pair in cluster.of("large", tiny) for process in pair]
    assert len(processes) == 4
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=120)
    assert (process.returncode, printed) == (130, "")
    assert errors.splitlines()[-1] == "Stopped. What was finished is kept."
    wait_until_gone(processes)
    assert len(tiny.begun()) == 2  # the third never began

    tiny.hold(False)
    done = subprocess.run(command, capture_output=True, **options)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line[:3] for line in done.stdout.splitlines()[:3]] == ["1/3", "2/3", "3/3"]
    assert f"3 of 3 runs done; tables and runs are in {tmp_path / 'out'}" in done.stdout
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 3


# --- clusters that break ---


def test_a_scheduler_without_workers_is_told_of_and_given_up(
    frail: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "chapter").mkdir()
    tiny = Tiny(tmp_path / "chapter")
    monkeypatch.setattr(sweep, "QUIET", 0.5)
    with pytest.raises(CommandError, match=rf"^{frail.address} had no worker for \d+ s, so the sweep gave up[^\n]*$"):
        sweep.sweep([tiny.path], GRID, tmp_path / "out", 1, scheduler=frail.address, patience=10)
    lines = capsys.readouterr().out.splitlines()
    assert lines  # one or several: a busy machine may look seldom
    assert {line.partition(" for ")[0] for line in lines} == {f"{frail.address} has had no worker"}


@pytest.mark.slow
def test_workers_that_die_are_waited_for_and_a_scheduler_that_dies_is_one_line(
    frail: Cluster,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """All workers are lost, and others come; the scheduler is lost, and another one goes on."""
    (tmp_path / "chapter").mkdir()
    tiny, out = Tiny(tmp_path / "chapter"), tmp_path / "out"
    frail.place = tiny.place
    monkeypatch.setattr(sweep, "QUIET", 1)
    tiny.hold()
    frail.add("first", 1)
    with ThreadPoolExecutor(1) as thread:
        job = thread.submit(sweep.sweep, [tiny.path], GRID, out, 2, scheduler=frail.address)
        try:
            wait_until(lambda: tiny.begun() or job.done())
            everything = psutil.Process(frail.workers["first"].pid).children(recursive=True)
            frail.workers.pop("first").kill()
            wait_until_gone(everything)
            wait_until(lambda: " has had no worker for " in capsys.readouterr().out or job.done())
            before = tiny.begun()
            frail.add("second", 1)
            wait_until(lambda: len(tiny.begun()) > len(before) or job.done())
            (begun,) = set(tiny.begun()) - set(before)  # Dask chooses which of the two comes first
            learning_rate, seed = begun[0].split("_")
            tiny.let_go(float(learning_rate), int(seed))
            wait_until(lambda: list(out.glob("runs/*/run.json")) or job.done())
            frail.started[0].kill()
            with pytest.raises(CommandError, match=r"^the scheduler is gone\. Finished runs are kept[^\n]*$"):
                job.result()
        finally:
            tiny.hold(False)
    (kept,) = out.glob("runs/*/run.json")
    stored, times = kept.stat().st_mtime_ns, [ran for ran, *_ in tiny.begun()].count(begun[0])
    other = Cluster(tmp_path / "other", tiny.place)
    try:
        other.add("third", 1)
        results = sweep.sweep([tiny.path], GRID, out, 2, scheduler=other.address)
    finally:
        other.end()
    assert results["status"].tolist() == ["done"] * 2
    assert kept.stat().st_mtime_ns == stored
    assert [ran for ran, *_ in tiny.begun()].count(begun[0]) == times  # what was finished never began again
    assert not [record for record in caplog.records if record.name.startswith("distributed")]


@pytest.mark.slow
def test_a_worker_with_another_copy_of_the_course_runs_nothing(frail: Cluster, tmp_path: Path) -> None:
    """Its helpers read another learning rate out of the same word."""
    (tmp_path / "chapter").mkdir()
    tiny = Tiny(tmp_path / "chapter")
    frail.place = tiny.place
    for part in ("course", "helpers"):
        shutil.copytree(settings.ROOT / part, tmp_path / "copy" / part)
    helper = tmp_path / "copy" / "helpers" / "settings.py"
    helper.write_text(
        helper.read_text().replace("value = RULES[name].parse(text)", "value = 90 * RULES[name].parse(text)")
    )
    frail.add("unlike", 1, PYTHONPATH=str(tmp_path / "copy"))
    results = sweep.sweep([tiny.path], GRID, tmp_path / "out", scheduler=frail.address)
    said = "this worker has another version of the course; install the same one everywhere"
    assert results["error"].tolist() == [said]
    assert not tiny.begun()


@pytest.mark.slow
def test_a_worker_whose_time_is_up_costs_no_run(frail: Cluster, tmp_path: Path) -> None:
    """SLURM tells the worker and its runs at the same moment; another worker does the run again."""
    (tmp_path / "chapter").mkdir()
    tiny = Tiny(tmp_path / "chapter")
    frail.place = tiny.place
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    tiny.hold()
    frail.add("first", 1, TMPDIR=str(scratch))
    with ThreadPoolExecutor(1) as thread:
        job = thread.submit(sweep.sweep, [tiny.path], GRID, tmp_path / "out", 1, scheduler=frail.address)
        try:
            wait_until(lambda: tiny.begun() or job.done())
            ((_, pair),) = frail.of("first", tiny)
            for process in (pair[1], frail.workers["first"]):
                process.send_signal(signal.SIGTERM)
            wait_until_gone(pair)
            frail.workers.pop("first").wait(60)
            assert list(scratch.iterdir()) == []
        finally:
            tiny.hold(False)
        frail.add("second", 1)
        assert job.result()["error"].tolist() == [""]
