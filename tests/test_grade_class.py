"""A class graded for real: handed out, solved, handed in; on a cluster that loses a worker; stopped in the middle."""

import os
import shutil
import signal
import stat
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import psutil
import pytest
from solutions import solution_of
from submissions import SHARES, graders, needs_bubblewrap, tried, with_answer
from test_grade import put
from test_sweep_cluster import Cluster
from tiny_chapter import wait_until, wait_until_gone

from course import chapters, exercises
from course.__main__ import main
from course.handouts.build import build
from course.handouts.copies import exercise_cells
from course.sweep_tables import read_table
from helpers import settings

pytestmark = pytest.mark.slow
RIGHT = "def ink_share(images):" + SHARES


def grade(submitted: Path, out: Path, *words: str) -> int:
    return main(["grade", str(submitted), "--out", str(out), *words])


def marks(out: Path) -> list[list]:
    numbers = pd.read_csv(out / "grades.csv", dtype=str)["exercise"]  # as text, or 9.10 would become 9.1
    table = read_table(out / "grades.csv").assign(exercise=numbers)
    return table[["student", "exercise", "result", "sentence"]].to_numpy().tolist()


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@needs_bubblewrap
def test_a_round_trip_from_handouts_to_marks(tmp_path: Path) -> None:
    build(chapters.all_chapters(), tmp_path / "handouts")
    for source in chapters.all_chapters():
        made = nbformat.read(tmp_path / "handouts" / "student" / source.name, as_version=4)
        cells = nbformat.read(source, as_version=4).cells
        places = {cell.id: place for place, cell in enumerate(cells)}
        for _, cell in exercise_cells(made):
            cell.source = solution_of(cells[places[cell.id] :])
        for cell in made.cells:
            if "answer" in cell.metadata.get("tags", []):
                cell.source = "Because of the stroke on the right."
        put(
            tmp_path / "in" / "Maria Curie_7_assignsubmission_file",
            source.name,
            (nbformat.writes(made) + "\n").encode(),
        )
    before = contents(tmp_path / "in")
    grade(tmp_path / "in", tmp_path / "out", "--workers", "2")
    assert [row for row in marks(tmp_path / "out") if row[2] != "right"] == []
    assert [row[1] for row in marks(tmp_path / "out")] == list(exercises.CHECKS)
    words = (tmp_path / "out" / "words.html").read_text()
    assert words.count("Because of the stroke on the right.") == len(chapters.all_chapters())
    assert contents(tmp_path / "in") == before
    assert graders() == []


@needs_bubblewrap
def test_equal_notebooks_get_equal_marks_and_leave_nothing_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = "def ink_share(images):\n    return torch.rand(len(images)) + (images > 0).float().mean()"
    (
        put(tmp_path, "in/maria.ipynb", with_answer("1.2", RIGHT)),
        put(tmp_path, "in/niels.ipynb", with_answer("1.2", wrong)),
    )
    put(tmp_path, "one/secret.txt", b"0123456789abcdef\n")
    (tmp_path / "one" / ".made-by-mnist-course.json").write_text('{"made_by": "grade"}')
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    (tmp_path / "scratch").mkdir()
    monkeypatch.setenv("TMPDIR", str(tmp_path / "scratch"))
    for out in ("one", "two"):
        assert grade(tmp_path / "in", tmp_path / out, "--chapters", "01") == 0
    assert marks(tmp_path / "one") == marks(tmp_path / "two")
    feedback = [contents(tmp_path / out / "feedback") for out in ("one", "two")]
    assert [*feedback[0].values()] == [*feedback[1].values()]
    assert graders() == []
    assert list((tmp_path / "scratch").iterdir()) == []


@needs_bubblewrap
def test_no_submission_reads_or_writes_what_is_the_teachers(tmp_path: Path) -> None:
    roster, submitted, out = put(tmp_path, "roster.csv", b"name,id\nevil,3\nZoe,4\n"), tmp_path / "in", tmp_path / "out"
    for path in (tmp_path, submitted):
        path.mkdir(exist_ok=True)
        path.chmod(0o777)
    put(submitted, "maria.ipynb", with_answer("1.2", RIGHT))
    attempts = [f"open({str(path)!r}).read()" for path in (submitted / "maria.ipynb", roster, out / "secret.txt")]
    attempts += [f"open({str(path)!r}, 'w')" for path in (submitted / "new.ipynb", out / "grades.csv")]
    attempts += [f"os.listdir({str(settings.ROOT / 'notebooks')!r})", f"os.remove({str(submitted / 'maria.ipynb')!r})"]
    body = "\n".join(f"    {line}" for attempt in attempts for line in tried(attempt).splitlines())
    put(submitted, "evil.ipynb", with_answer("1.2", f"import os\ndef ink_share(images):\n{body}{SHARES}"))
    before = contents(submitted)
    grade(submitted, out, "--roster", str(roster))
    assert [row[2:] for row in marks(out) if row[:2] == ["evil", "1.2"]] == [
        ["right", "right. One share for each image, however many there are."]
    ]
    assert contents(submitted) == before
    assert read_table(out / "totals.csv")["note"].fillna("").tolist() == ["", "", "nothing was handed in"]


def test_without_a_sandbox_the_results_say_so(tmp_path: Path) -> None:
    put(tmp_path, "in/maria.ipynb", with_answer("1.2", RIGHT))
    grade(tmp_path / "in", tmp_path / "out", "--trust")
    assert ["maria", "1.2", "right", "right. One share for each image, however many there are."] in marks(
        tmp_path / "out"
    )
    assert set(read_table(tmp_path / "out" / "grades.csv")["sandbox"]) == {"none"}
    assert "WITHOUT a sandbox" in (tmp_path / "out" / "summary.html").read_text()
    assert graders() == []


DOCKER = """#!/bin/bash
# Stands for Docker: notes how it was called, and runs the worker without a container.
echo "$@" >> "$(dirname "$0")/calls"
[ "$1" = run ] || exit 0
source=$(printf '%s\\n' "$@" | sed -n 's/^type=bind,source=\\(.*\\),target=.*/\\1/p')
cd /tmp && PYTHONPATH=$source OMP_NUM_THREADS=1 exec {python} -s -m course.grade.worker
"""


def test_docker_is_asked_for_no_network_and_for_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    docker = put(tmp_path, "bin/docker", DOCKER.format(python=sys.executable).encode())
    docker.chmod(docker.stat().st_mode | stat.S_IEXEC)
    monkeypatch.setenv("PATH", f"{docker.parent}:{os.environ['PATH']}")
    put(tmp_path, "in/maria.ipynb", with_answer("1.2", RIGHT))
    grade(tmp_path / "in", tmp_path / "out", "--sandbox", "docker")
    assert ["maria", "1.2", "right", "right. One share for each image, however many there are."] in marks(
        tmp_path / "out"
    )
    called = (tmp_path / "bin" / "calls").read_text().splitlines()
    (run,) = [line for line in called if line.startswith("run ")]
    for words in (
        "--rm",
        "--network none",
        "--read-only",
        "--cap-drop ALL",
        "--pids-limit",
        "--memory ",
        "--user 65534",
    ):
        assert words in run
    assert str(tmp_path / "in") not in run
    assert any(line.startswith("kill mnist-course-") for line in called)


@needs_bubblewrap
def test_a_lost_worker_costs_no_submission(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path / "cluster", tmp_path / "place")
    submitted, out = tmp_path / "in", tmp_path / "out"
    slow = "import time\ndef ink_share(images):\n    time.sleep(0.3)" + SHARES
    for student in range(4):
        put(submitted, f"student {student}.ipynb", with_answer("1.2", slow))
    try:
        cluster.add("one", 1), cluster.add("two", 1)
        words = [
            sys.executable,
            "-m",
            "course",
            "grade",
            str(submitted),
            "--out",
            str(out),
            "--scheduler",
            cluster.address,
        ]
        grading = subprocess.Popen(words, cwd=settings.ROOT, stdout=subprocess.PIPE, text=True)
        victim = psutil.Process(cluster.workers["two"].pid)
        wait_until(
            lambda: (victim.children() and any((out / "kept").glob("*.json"))) or grading.poll() is not None, 300
        )
        its = victim.children(recursive=True)
        assert its  # a judge at least
        victim.send_signal(signal.SIGKILL)
        del cluster.workers["two"]
        said = grading.communicate(timeout=600)[0]
        wait_until_gone(its)
    finally:
        cluster.end()
    assert grading.returncode == 0, said
    rows = [row for row in marks(out) if row[1] == "1.2"]
    assert sorted(row[0] for row in rows) == [f"student {student}" for student in range(4)]
    assert {row[2] for row in rows} == {"right"}


@needs_bubblewrap
def test_stopped_in_the_middle_it_keeps_what_was_judged_and_leaves_no_process(tmp_path: Path) -> None:
    endless = "while True:\n    try:\n        while True:\n            pass\n    except BaseException:\n        pass"
    put(tmp_path, "in/a.ipynb", with_answer("1.2", RIGHT)), put(tmp_path, "in/b.ipynb", with_answer("1.1", endless))
    out = tmp_path / "out"
    words = [sys.executable, "-m", "course", "grade", str(tmp_path / "in"), "--out", str(out), "--workers", "1"]
    grading = subprocess.Popen(words, cwd=settings.ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_until(lambda: any((out / "kept").glob("a.*.json")) or grading.poll() is not None, 300)
    mine = graders()
    assert mine
    grading.send_signal(signal.SIGINT)
    assert "Stopped. What was finished is kept." in grading.communicate(timeout=300)[1]
    assert grading.returncode == 130
    wait_until_gone(mine)
    assert {row[0] for row in marks(out)} == {"a"}
