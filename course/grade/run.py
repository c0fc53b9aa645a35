"""Grade a folder of submissions: `python -m course grade FOLDER`; only what changed since the last time is judged."""

import csv
import hashlib
import json
import queue
import secrets
import subprocess
import sys
import uuid
from collections.abc import Sequence
from concurrent.futures import as_completed
from pathlib import Path
from typing import Any

from course import executors, folder
from course.executors import RunResult, open_executor, result_of
from course.grade import answers, collect, report, sandbox
from course.grade.collect import Submission
from course.grade.wire import Channel, Closed, Refused
from helpers import results, settings
from helpers.bars import progress_bar

VERSION = 1  # of what is kept; raise it where verdicts would differ
LONGEST = 3600.0  # seconds for one notebook, however its answers dawdle
_idle: "queue.LifoQueue[tuple[subprocess.Popen, Channel]]" = queue.LifoQueue()  # judges of this process without work


def grade(
    submitted: Path,
    out: Path,
    chapters: Sequence[Path] = (),
    workers: int | None = None,
    scheduler: str | None = None,
    kind: str | None = None,
    roster: Path | None = None,
    points: Path | None = None,
) -> dict[str, int]:
    """Grade all notebooks in a folder; leave tables, feedback and pages in the folder `out`.

    Args:
        submitted: the folder, as a learning platform leaves it; nothing in it is changed.
        out: a new or empty folder, or that of an earlier `grade`; not inside `submitted`.
        chapters: which to grade; none: all that were handed in.
        workers: notebooks at a time on this machine; None: cores, up to 4.
        scheduler: address of a Dask cluster instead.
        kind: of the sandbox, see `sandbox.KINDS`; None: bubblewrap.
        roster: a CSV file with a column `name`, and maybe `id`: who is missing, and whose number goes into the table.
        points: a CSV file with columns `exercise` and `points`; an exercise that isn't in it counts 1.

    Returns:
        How many students, notebooks, and notebooks that were judged anew; how many couldn't be read.

    Raises:
        ValueError: bad input, or no sandbox; nothing was run.
        KeyboardInterrupt: somebody stopped it; what was judged is kept.
    """
    if out.resolve().is_relative_to(submitted.resolve()) or submitted.resolve().is_relative_to(out.resolve()):
        raise ValueError(f"out: '{settings.shown(out)}' and the submissions' folder overlap; give another folder")
    if scheduler is not None and workers is not None:
        raise ValueError(f"workers: got {workers}, but a cluster sets its own; leave out one of the two")
    if workers is not None and workers < 1:
        raise ValueError(f"workers: got {workers}; give a whole number of at least 1")
    wanted = {chapter.stem for chapter in chapters}
    people, worth = read_roster(roster), read_points(points)
    folder.check_own(out, "grade")
    kind = sandbox.choose(kind) if scheduler is None else kind or "bubblewrap"  # the workers' machines may have others
    found, notes = collect.newest(collect.submissions(submitted), wanted)
    with folder.own(out, "grade"):
        secret, code = _secret(out / "secret.txt"), fingerprint()
        names = collect.file_names([one.student for one in found] + [name for name, _ in people])
        records = {_key(one, names): _kept(out, one, names, secret, code, kind) for one in found}
        waiting = [one for one in found if records[_key(one, names)] is None]
        try:
            judged = _judge(waiting, workers, scheduler, kind, secret)
            for one, record in judged:
                record = record | {"of": _of(one, secret, code, kind)}
                records[_key(one, names)] = record
                results.write_json(out / "kept" / _key(one, names), record)
        finally:
            known = [(one.student, record) for one in found if (record := records[_key(one, names)]) is not None]
            report.write(out, known, names, notes, people, worth, kind)
    failed = sum(bool(record["fault"]) for _, record in known)
    students = {one.student for one in found}
    return {"students": len(students), "notebooks": len(found), "judged": len(waiting), "failed": failed}


def _judge(waiting: Sequence[Submission], workers: int | None, scheduler: str | None, kind: str, secret: str) -> Any:
    """Yield each notebook with its record, in the order in which they are done; print a line for each that fails."""
    from course.sweep import count_workers, say  # loads PyTorch, which a refusal needn't wait for

    name = uuid.uuid4().hex
    at_once = count_workers(workers, len(waiting))
    bar = progress_bar(total=len(waiting), unit="notebook")
    with open_executor(at_once, scheduler, name) as (executor, _), bar:
        futures = {
            executor.submit(judge_notebook, one.content, one.chapter, one.fault, kind, secret, name): one
            for one in waiting
        }
        for future in as_completed(futures):
            one, result = futures[future], result_of(future)
            record: dict = {"fault": result.error, "chapter": one.chapter, "verdicts": [], "words": {}}
            record["again"] = bool(result.error)  # so that the next call tries it once more
            if not result.error:
                record = json.loads(result.files["record.json"])
            bar.update()
            if record["fault"]:
                say(bar, f"{one.student}: {one.place}: {record['fault']}")
            yield one, record
    while not _idle.empty():
        _end(*_idle.get())


def judge_notebook(content: bytes, stem: str, fault: str, kind: str, secret: str, name: str) -> RunResult:
    """Judge one notebook, here or on a Dask worker; whatever goes wrong is in the result.

    Returns:
        As `files["record.json"]`: `fault`, a line; `chapter`; `verdicts`, see `judge.Judge.submission`; `words`, what
        the student wrote, by exercise.
    """
    record: dict = {"fault": fault, "chapter": stem, "verdicts": [], "words": {}}
    try:
        if stem:
            cells, chapter = answers.read(content), answers.pristine()[stem]
            seed = hashlib.sha256(secret.encode() + content).hexdigest()
            record["words"] = answers.words_in(cells, chapter)
            record["verdicts"] = _ask_judge(answers.find(cells, chapter), seed, kind, name)
    except (OSError, Closed, Refused, TimeoutError) as error:
        return RunResult(f"it could not be judged ({error or type(error).__name__}); the same command tries again")
    return RunResult("", files={"record.json": json.dumps(record).encode()})


def _ask_judge(found: list[dict], seed: str, kind: str, name: str) -> list[dict]:
    """Let a judge judge the answers of a notebook; a new judge if the one at hand has gone."""
    for attempt in range(3):
        process, channel = _judge_at_hand(kind, name)
        try:
            channel.send({"answers": found, "seed": seed})
            reply = channel.receive(LONGEST)
        except Closed:
            _end(process, channel)
            if attempt == 2 or executors.is_stopped(name):
                raise
            continue
        except BaseException:
            _end(process, channel)
            raise
        _idle.put((process, channel))
        if "verdicts" not in reply:
            raise OSError(str(reply.get("error")))
        return reply["verdicts"]
    raise Closed


def _judge_at_hand(kind: str, name: str) -> tuple[subprocess.Popen, Channel]:
    while True:
        try:
            process, channel = _idle.get_nowait()
        except queue.Empty:
            break
        if process.poll() is None and process.args[-1] == kind:  # type: ignore[index]  # a list
            return process, channel
        _end(process, channel)
    words = [sys.executable, "-m", "course.grade.judge", kind]
    process = executors.start(words, name)
    return process, Channel(process.stdout.fileno(), process.stdin.fileno())  # type: ignore[union-attr]  # pipes


def _end(process: subprocess.Popen, channel: Channel) -> None:
    with process:  # closes its stdin, which ends it
        pass
    executors.forget(process)


def _secret(path: Path) -> str:
    """Return what decides, together with a notebook, which inputs its answers get: nobody can know it beforehand."""
    if not path.is_file():
        results.write_text(path, secrets.token_hex(16) + "\n")
        path.chmod(0o600)
    return path.read_text(encoding="utf-8").strip()


def fingerprint() -> str:
    """Return a fingerprint of the code that decides verdicts."""
    places = ("course/exercises", "course/grade", "helpers")
    paths = [path for place in places for path in sorted((settings.CODE / place).glob("*.py"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in paths)).hexdigest()[:16]


def _key(one: Submission, names: dict[str, str]) -> str:
    return f"{names[one.student]}.{one.chapter or 'unread'}.json"


def _of(one: Submission, secret: str, code: str, kind: str) -> str:
    parts = f"{VERSION} {secret} {code} {kind} {one.student} {one.place} {one.fault} ".encode()
    return hashlib.sha256(parts + one.content).hexdigest()


def _kept(out: Path, one: Submission, names: dict[str, str], secret: str, code: str, kind: str) -> dict | None:
    """Return what was found out about this very notebook before; None if nothing was."""
    try:
        record = results.read_json(out / "kept" / _key(one, names))
    except (OSError, ValueError):
        return None
    return record if not record.get("again") and record.get("of") == _of(one, secret, code, kind) else None


def read_roster(path: Path | None) -> list[tuple[str, str]]:
    """Return name and number of everybody in a CSV file with a column `name` and maybe `id`.

    Raises:
        ValueError: it has no such column, or can't be read.
    """
    return [(collect.shown(row["name"]), (row.get("id") or "").strip()) for row in _rows(path, "roster", "name")]


def read_points(path: Path | None) -> dict[str, float]:
    """Return the points of exercises from a CSV file with the columns `exercise` and `points`.

    Raises:
        ValueError: it lacks one, or what it says is no number from 0 on, or an exercise that there isn't.
    """
    worth, known = {}, {number for chapter in answers.pristine().values() for number in chapter.checks}
    for row in _rows(path, "points", "exercise", "points"):
        number, text = (row["exercise"] or "").strip(), (row["points"] or "").strip()
        try:
            worth[number] = float(text)
        except ValueError:
            worth[number] = -1.0
        if number not in known or not 0 <= worth[number] < 1e6:
            raise ValueError(
                f"points: got exercise {number!r} with {text!r}; give an exercise's number, and 0 points or more"
            )
    return worth


def _rows(path: Path | None, option: str, *columns: str) -> list[dict[str, str]]:
    if path is None:
        return []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, ValueError, csv.Error) as error:
        raise ValueError(
            f"{option}: '{settings.shown(path)}' can't be read ({getattr(error, 'strerror', error)})"
        ) from None
    if any(row.get(column) is None for row in rows[:1] for column in columns) or not rows:
        raise ValueError(
            f"{option}: '{settings.shown(path)}' needs a first line with {' and '.join(columns)}, and rows below"
        )
    return [row for row in rows if (row[columns[0]] or "").strip()]
