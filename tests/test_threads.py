"""Training takes the processor's threads that it may have, and leaves the rest of the machine alone."""

import os
import subprocess
import sys
from pathlib import Path

import nbformat
import psutil
import pytest

import helpers
from course.chapters import all_chapters


def group(mount: Path, name: str, **files: str) -> None:
    (mount / name).mkdir(parents=True, exist_ok=True)
    for file, content in files.items():
        (mount / name / file.replace("__", ".")).write_text(content)


@pytest.mark.parametrize(
    ("groups", "lines", "threads"),
    [
        ({}, "0::/\n", 8),
        ({"": {"cpu__max": "max 100000\n"}}, "0::/\n", 8),
        ({"": {"cpu__max": "200000 100000\n"}}, "0::/\n", 2),
        ({"": {"cpu__max": "50000 100000\n"}}, "0::/\n", 1),
        ({"": {"cpu__max": "350000 100000\n"}}, "0::/pod/that/is/not/seen/from/within\n", 3),
        ({"a": {"cpu__max": "300000 100000"}, "a/b": {"cpu__max": "max 100000"}}, "0::/a/b\n", 3),
        ({"cpu": {"cpu__cfs_quota_us": "-1", "cpu__cfs_period_us": "100000"}}, "3:cpu:/\n0::/\n", 8),
        ({"cpu,cpuacct": {"cpu__cfs_quota_us": "200000", "cpu__cfs_period_us": "100000"}}, "3:cpu,cpuacct:/\n", 2),
        ({"cpu/job": {"cpu__cfs_quota_us": "400000", "cpu__cfs_period_us": "100000"}}, "3:cpuacct,cpu:/job\n", 4),
        ({"cpuset": {"cpu__cfs_quota_us": "100000", "cpu__cfs_period_us": "100000"}}, "3:cpuset:/\n", 8),
        ({"": {"cpu__max": "nonsense"}}, "0::/\n", 8),
    ],
)
def test_a_quota_limits_the_threads(
    groups: dict, lines: str, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "cpu_count", lambda logical: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    (tmp_path / "of_process").write_text(lines)
    for name, files in groups.items():
        group(tmp_path / "mount", name, **files)
    assert helpers.processor_threads(tmp_path / "of_process", tmp_path / "mount") == threads


@pytest.mark.parametrize(("may_use", "threads"), [({3}, 1), ({0, 1, 2}, 3), (set(range(64)), 8)])
def test_threads_are_no_more_than_the_cores_that_the_process_may_use(
    may_use: set, threads: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(psutil, "cpu_count", lambda logical: 8)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: may_use, raising=False)
    assert helpers.processor_threads(tmp_path / "none", tmp_path) == threads


NAMES = ("OMP_NUM_THREADS", "OMP_WAIT_POLICY", "GOMP_SPINCOUNT")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"OMP_NUM_THREADS": str(helpers.processor_threads()), "GOMP_SPINCOUNT": helpers.SPINS}),
        ({"OMP_NUM_THREADS": "7"}, {"OMP_NUM_THREADS": "7", "GOMP_SPINCOUNT": helpers.SPINS}),
        (
            {"OMP_WAIT_POLICY": "ACTIVE"},
            {"OMP_WAIT_POLICY": "ACTIVE", "OMP_NUM_THREADS": str(helpers.processor_threads())},
        ),
        ({"OMP_NUM_THREADS": "3", "GOMP_SPINCOUNT": "5"}, {"OMP_NUM_THREADS": "3", "GOMP_SPINCOUNT": "5"}),
    ],
)
def test_what_the_user_set_is_obeyed(given: dict, expected: dict) -> None:
    clean = {name: value for name, value in os.environ.items() if name not in NAMES}
    code = f"import helpers, os; print({{name: os.environ[name] for name in {NAMES} if name in os.environ}})"
    said = subprocess.run([sys.executable, "-c", code], env=clean | given, capture_output=True, text=True, check=True)
    assert said.stdout.strip() == str({name: expected[name] for name in NAMES if name in expected})


@pytest.mark.parametrize("chapter", all_chapters(), ids=lambda chapter: chapter.stem)
def test_each_chapter_decides_before_it_loads_pytorch(chapter: Path) -> None:
    first = next(cell for cell in nbformat.read(chapter, as_version=4).cells if cell.cell_type == "code")
    assert "from helpers import" in first.source
    assert "torch" not in first.source.replace("PyTorch", "")
