"""Sweeps by SLURM. Its jobs are played by submitit's local executor: processes of their own that exchange files."""

import os
import signal
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import tiny_chapter
from tiny_chapter import Tiny, tiny, wait_until, wait_until_gone  # noqa: F401

from course import CommandError, executors, sweep

pytest.importorskip("submitit")
pytestmark = pytest.mark.skipif(os.name == "nt", reason="SLURM is for Linux")

GRID = {"learning_rate": ["0.1"]}


@pytest.fixture
def local(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(executors, "SLURM", "local")


def contents(out: Path) -> dict[Path, list[str]]:
    """Return what is in each folder of a sweep."""
    folders = [path for path in [out, *out.rglob("*")] if path.is_dir()]
    return {folder.relative_to(out): sorted(path.name for path in folder.iterdir()) for folder in folders}


@pytest.mark.slow
def test_jobs_leave_what_threads_leave_and_failures_are_rows(
    local: None,
    tiny: Tiny,  # noqa: F811
    tmp_path: Path,
) -> None:
    """Four runs, two at a time, one of which raises an error, and one of which is killed."""
    grid = {"learning_rate": ["0.1", "0.5"]}
    here = sweep.sweep([tiny.path], grid, tmp_path / "here", 2, workers=2)
    jobs = sweep.sweep([tiny.path], grid, tmp_path / "jobs", 2, workers=2, slurm={"cpus_per_task": "3", "time": "5"})
    assert here["status"].tolist() == ["done", "done", "failed", "failed"]
    different = ["seconds", "threads"]
    assert jobs.drop(columns=different, errors="ignore").equals(here.drop(columns=different, errors="ignore"))
    assert set(jobs["threads"].dropna()) == {3}
    assert contents(tmp_path / "jobs") == contents(tmp_path / "here")
    (tiny.place / "mended").touch()
    before = len(tiny.begun())
    again = sweep.sweep([tiny.path], grid, tmp_path / "jobs", 2, slurm={})
    assert again["status"].tolist() == ["done"] * 4
    assert len(tiny.begun()) == before + 2  # those that had failed


@pytest.mark.slow
def test_ctrl_c_cancels_the_jobs(
    local: None,
    tiny: Tiny,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Pressed here while the first run is stored, and two are at work."""
    tiny.hold()
    tiny.let_go(0.1, 0)

    def press(*_: object) -> None:
        wait_until(lambda: len(tiny.begun()) == 3)
        at_work.extend(tiny_chapter.processes(pid for ran, *pids in tiny.begun() if ran != "0.1_0" for pid in pids))
        at_work.extend(each for each in psutil.Process().children() if "submitit.local._local" in each.cmdline())
        raise KeyboardInterrupt

    at_work: list[psutil.Process] = []
    monkeypatch.setattr(sweep, "store", press)
    with pytest.raises(KeyboardInterrupt):
        sweep.sweep([tiny.path], GRID, tmp_path / "out", 5, workers=2, slurm={})
    assert len(at_work) >= 6  # a kernel, a run and a job, of each
    wait_until_gone(at_work)
    assert len(tiny.begun()) == 3  # the others never began


@pytest.mark.slow
def test_a_job_that_dies_is_a_failed_run_and_the_others_are_done(
    local: None,
    tiny: Tiny,  # noqa: F811
    tmp_path: Path,
) -> None:
    """By the hand of the system: no result comes back."""
    tiny.hold()
    with ThreadPoolExecutor(1) as thread:
        job = thread.submit(sweep.sweep, [tiny.path], GRID, tmp_path / "out", 2, workers=2, slurm={})
        try:
            wait_until(lambda: len(tiny.begun()) == 2 or job.done())
            (folder,) = (tmp_path / "out").glob(".slurm-*")
            assert stat.S_IMODE(folder.stat().st_mode) == 0o700  # what is in it is unpickled
            ((_, kernel, run),) = [ran for ran in tiny.begun() if ran[0] == "0.1_0"]
            both = tiny_chapter.processes([kernel, run])
            both[1].parent().send_signal(signal.SIGKILL)
            wait_until_gone(both)  # the run hears of it
        finally:
            tiny.hold(False)
        results = job.result()
    assert results["status"].tolist() == ["failed", "done"]
    assert results["error"][0].startswith("SLURM's job ")
    assert " ended without a result (FINISHED): " in results["error"][0]


def test_what_sbatch_refuses_ends_the_sweep_in_one_line(
    tiny: Tiny,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture,
) -> None:
    """It is asked once, and with the options given."""
    words = "sbatch: error: invalid partition specified: shrt\nsbatch: error: Batch job submission failed: no such"
    for name, script in {
        "sbatch": f"cp $1 {tmp_path}/$$.sh; echo '{words}' >&2; exit 1",
        "srun": "",
        "sacct": "",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{script}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    slurm = sweep.parse_slurm(["partition=shrt", "time=7", "cpus-per-task=2", "mem=4G"])
    line = r"^SLURM refused a job \(sbatch: error: invalid partition specified: shrt\)\. Finished runs are kept$"
    with pytest.raises(CommandError, match=line):
        sweep.sweep([tiny.path], GRID, tmp_path / "out", 9, slurm=slurm)
    assert capfd.readouterr().err == ""
    (script,) = tmp_path.glob("*.sh")
    lines = set(script.read_text().splitlines())
    assert lines >= {f"#SBATCH --{word}" for word in ("partition=shrt", "time=7", "cpus-per-task=2", "mem=4G")}
    assert not list((tmp_path / "out").glob(".slurm-*"))
    assert not tiny.begun()
