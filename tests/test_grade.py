"""Grading, but for the sandbox: finding submissions and answers, what crosses the border, tables, feedback, pages."""

import csv
import io
import json
import os
import stat
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from submissions import MANGLED, MISTAKES, NOT_FOUND, NOT_YET, STYLES, Case, content, notebook, with_answer

from course import exercises
from course.__main__ import main
from course.grade import answers, collect, report, run, sandbox, wire
from course.sweep_tables import read_table

SOME = with_answer("1.2", "def ink_share(images):\n    return 1")


def put(folder: Path, name: str, what: bytes = SOME, time: float = 1_700_000_000) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(what)
    os.utime(path, (time, time))
    return path


def zipped(**files: bytes) -> bytes:
    return zip_of(dict(files))


def zip_of(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return file.getvalue()


# --- finding submissions ---


@pytest.mark.parametrize(
    ("files", "students"),
    [
        (["Maria Curie_12345_assignsubmission_file/01_data.ipynb"], ["Maria Curie"]),
        (["Maria Curie_12345_assignsubmission_file_/hand in/01_data.ipynb"], ["Maria Curie"]),
        (["curiemaria_12345_678_01_data.ipynb", "bohrniels_LATE_22_678_01_data-1.ipynb"], ["bohrniels", "curiemaria"]),
        (["maria/course/notebooks/01_data.ipynb"], ["maria"]),
        (["Maria Curie - 01_data.ipynb", "01_data_niels (2).ipynb"], ["Maria Curie", "niels"]),
        (["maria.ipynb", "niels.IPYNB"], ["maria", "niels"]),
        ([f"Jan Kowal_{k}_assignsubmission_file/a.ipynb" for k in (1, 2)], ["Jan Kowal (1)", "Jan Kowal (2)"]),
        (["../x".replace("/", "_") + ".ipynb"], ["x"]),
        (["李 明_7_assignsubmission_file/a.ipynb"], ["李 明"]),
        (["a\u202eb\u0007c.ipynb"], ["a b c"]),
        (["maria/01_data.ipynb", "maria/.ipynb_checkpoints/01_data-checkpoint.ipynb", "maria/notes.txt"], ["maria"]),
    ],
)  # fmt: skip
def test_names_come_from_files_and_folders(files: list[str], students: list[str], tmp_path: Path) -> None:
    for name in files:
        put(tmp_path, name)
    found = collect.submissions(tmp_path)
    assert sorted(one.student for one in found) == students
    assert {(one.chapter, one.fault) for one in found} == {("01_data", "")}


@pytest.mark.parametrize(
    ("name", "what", "students"),
    [
        ("maria.zip", zip_of({"01_data.ipynb": SOME, "__MACOSX/01_data.ipynb": b"x"}), ["maria"]),
        ("maria.zip", zip_of({"deep/er/01_data.ipynb": SOME}), ["maria"]),
        (
            "all.zip",
            zip_of({f"{who}_{k}_assignsubmission_file/a.ipynb": SOME for k, who in enumerate("AB")}),
            ["A", "B"],
        ),
        ("all.zip", zip_of({"A_1_assignsubmission_file/a.zip": zip_of({"a.ipynb": SOME})}), ["A"]),
        ("maria.zip", zip_of({"../../evil.ipynb": SOME, "/etc/evil.txt": b"x"}), ["maria"]),
    ],
)
def test_zip_files_are_read_where_they_are(name: str, what: bytes, students: list[str], tmp_path: Path) -> None:
    put(tmp_path / "in", name, what)
    assert sorted(one.student for one in collect.submissions(tmp_path / "in")) == students
    assert {path.name for path in tmp_path.rglob("*")} == {"in", name}


@pytest.mark.parametrize(
    ("name", "what", "fault"),
    [
        ("a.ipynb", b"", "the file is empty"),
        ("a.ipynb", SOME[:-200], "it ends in the middle, or is damaged"),
        ("a.ipynb", b"%PDF-1.7 \xff\xfe", "the file is a PDF, not a notebook"),
        ("a.ipynb", b"PK\x03\x04", "the file is a zip file"),
        ("a.ipynb", b"<!doctype html><html>", "the file is a web page"),
        ("a.ipynb", b"\x89PNG\r\n", "the file is a picture"),
        ("a.ipynb", b"\xff\xfe\x00x", "it isn't text"),
        ("a.ipynb", b"[1, 2]", "JSON, but not a notebook"),
        ("a.ipynb", b'{"cells": 3}', "JSON, but not a notebook"),
        ("a.ipynb", b'{"cells": [{}]}', "JSON, but not a notebook"),
        ("a.ipynb", b"[" * 100_000, "nested too deeply"),
        ("a.ipynb", b'{"cells": []}', "no exercise of the course is in this notebook"),
        ("a.zip", b"PK\x03\x04 broken", "the zip file can't be read: it is damaged"),
        ("a.zip", zip_of({f"{k}.txt": b"" for k in range(2001)}), "holds too much"),
        ("a.zip", zip_of({f"{k}.ipynb": bytes(600_000) for k in range(10)}), "holds too much"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)  # fmt: skip
def test_what_is_no_notebook_is_told(
    name: str, what: bytes, fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collect, "MOST_BYTES", 5_000_000)  # of a zip file, unpacked; a real bomb takes seconds to make
    put(tmp_path, name, what)
    (found,) = collect.submissions(tmp_path)
    assert fault in found.fault
    assert found.student == "a"


def test_200_megabytes_are_refused_unread(tmp_path: Path) -> None:
    with put(tmp_path, "a.ipynb").open("r+b") as file:
        file.truncate(200_000_000)  # takes no room on the disk
    (found,) = collect.submissions(tmp_path)
    assert "MB is too big for a notebook" in found.fault
    assert found.content == b""


def test_links_are_not_followed(tmp_path: Path) -> None:
    secret = put(tmp_path, "elsewhere/01_data.ipynb")
    (tmp_path / "in" / "niels").mkdir(parents=True)
    (tmp_path / "in" / "maria.ipynb").symlink_to(secret)
    (tmp_path / "in" / "tove").symlink_to(secret.parent)
    (tmp_path / "in" / "niels" / "01_data.ipynb").symlink_to(secret)
    found = collect.submissions(tmp_path / "in")
    assert len(found) == 3
    assert all("a link" in one.fault and not one.content for one in found)


def test_the_newest_version_counts_and_the_table_says_so(tmp_path: Path) -> None:
    for name, time in (("b.ipynb", 1_700_000_000), ("a.ipynb", 1_600_000_000), ("c.ipynb", 1_500_000_000)):
        put(tmp_path, f"maria/{name}", time=time)
    put(tmp_path, "maria/broken.ipynb", b"", 1_800_000_000)
    put(tmp_path, "Maria/other.ipynb", with_answer("3.1", "loss_change = 1"))
    chosen, notes = collect.newest(collect.submissions(tmp_path))
    assert [(one.chapter, Path(one.place).name) for one in chosen] == [
        ("01_data", "b.ipynb"),
        ("03_training", "other.ipynb"),
    ]
    (note,) = notes.values()
    assert "broken.ipynb was left out: the file is empty." in note
    assert "3 versions of 01_data; the one from 2023-11-1" in note


@pytest.mark.parametrize(
    "students",
    [
        ["a/b", "a\\b", "a:b", "a_b"],
        ["..", ".", "", "   "],
        ["x" * 300, "x" * 299, "é" * 300],
        ["CON", "nul", "aux.txt", "Com1"],
        ["Maria", "maria", "MARIA"],
        ["\u202egnp.exe", "a\u0000b", "-rf", "=cmd()"],
    ],
)
def test_file_names_are_safe_and_two_stay_two(students: list[str], tmp_path: Path) -> None:
    names = collect.file_names([collect.shown(name) if name.strip() else name for name in students])
    assert len({name.casefold() for name in names.values()}) == len(names)
    for name in names.values():
        (tmp_path / f"{name}.md").write_text("x")
        assert (tmp_path / f"{name}.md").resolve().parent == tmp_path
        assert len(name.encode()) < 120
    assert len(list(tmp_path.iterdir())) == len(names)


# --- finding answers ---


def judged_here(case: Case) -> tuple[str, str]:
    """Return the verdict on harmless code, in this process."""
    cells = answers.read(content(case))
    chapter = answers.chapter_of(cells, "homework.ipynb")
    assert chapter is not None
    (found,) = [one for one in answers.find(cells, chapter) if one["number"] == case.number]
    if found["fault"]:
        return found["state"], found["fault"]
    space: dict = {}
    for name, source in found["cells"]:
        exec(compile(source, name, "exec"), space)
    right, words = exercises.judge(case.number, eval(found["answer"], space), {})
    return {True: "right", False: NOT_YET, None: "not attempted"}[right], words


@pytest.mark.parametrize("case", MANGLED, ids=lambda case: case.name)
def test_an_answer_is_found_whatever_happened_to_the_notebook(case: Case) -> None:
    state, words = judged_here(case)
    assert (state, words) == (case.state, words)
    assert case.words in words


IN_CHAPTERS_1_AND_2 = [case for case in (*STYLES, *MISTAKES) if case.number[0] in "12" and case.number != "2.6"]


@pytest.mark.parametrize("case", IN_CHAPTERS_1_AND_2, ids=lambda case: case.name)
def test_an_answer_brings_what_it_needs_from_the_chapter(case: Case) -> None:
    state, words = judged_here(case)
    assert (state, words) == (case.state, words)


def test_each_exercise_of_a_solved_chapter_is_found_with_its_imports() -> None:
    for stem, chapter in answers.pristine().items():
        cells = answers.read(json.dumps(notebook(stem)).encode())
        found = answers.find(cells, chapter)
        assert [one["number"] for one in found] == list(chapter.checks)
        assert [one["fault"] for one in found] == [""] * len(found)


def test_to_find_an_answer_runs_nothing(tmp_path: Path) -> None:
    code = f"open({str(tmp_path / 'x')!r}, 'w')\ndef ink_share(images):\n    return 1"
    cells = answers.read(with_answer("1.2", code))
    answers.find(cells, answers.pristine()["01_data"])
    assert not list(tmp_path.iterdir())


def test_words_are_found_in_their_cell_and_below_their_question() -> None:
    made, chapter = notebook("01"), answers.pristine()["01_data"]
    assert answers.words_in(answers.read(json.dumps(made).encode()), chapter) == {}
    cell = next(cell for cell in made.cells if cell.get("id") == "words-1-6")
    cell.source = "Four and nine share <b>two</b> strokes."
    assert answers.words_in(answers.read(json.dumps(made).encode()), chapter) == {"1.6": cell.source}
    made.cells.reverse()
    assert answers.words_in(answers.read(json.dumps(made).encode()), chapter) == {"1.6": cell.source}


# --- what crosses the border of a sandbox ---


@pytest.mark.parametrize(
    "value",
    [
        None, True, 3, -(2**62), 0.1, float("inf"), "text", [1, [2.5]], (1, None), {1, 2}, {"a": [1]},
        torch.tensor(3.0), torch.randn(2, 3), torch.zeros(0, 4), torch.tensor([True]), torch.ones(3, dtype=torch.uint8),
        np.arange(4), np.float64(2.5), np.array([[1.5]]), np.str_("fog"),
    ],
)  # fmt: skip
def test_a_value_crosses_the_border_as_it_is(value: object) -> None:
    came = wire.decode(json.loads(json.dumps(wire.encode(value), allow_nan=False)))
    assert type(came) is type(value) or isinstance(value, np.generic)
    np.testing.assert_equal(*(np.asarray(one) if isinstance(one, torch.Tensor) else one for one in (came, value)))


@pytest.mark.parametrize(
    "came",
    [
        {"tensor": "float32", "shape": [2], "data": "AAAA", "grad": False},
        {"tensor": "float32", "shape": [-1], "data": "", "grad": False},
        {"tensor": "float32", "shape": [10**30, 0], "data": "", "grad": False},
        {"tensor": "object", "shape": [], "data": "", "grad": False},
        {"tensor": "float32", "shape": ["1"], "data": "AAAAAA==", "grad": False},
        {"tensor": "float32", "shape": [1], "data": "no base64!", "grad": False},
        {"float": "0x1p99999"},
        {"float": 1.0},
        {"dict": [[{"list": []}, 1]]},
        {"set": [{"list": []}]},
        {"module": "os", "call": "system"},
        {"model": {}},
        {"reader": None},
        {"reader": {"list": [{"list": [True] * 4}, {"list": [{"list": [1, None]}, {"list": [1, None]}]}]}},
        2**70,
        [1],
        json.loads('{"list":[' * 30 + "]}" * 30),
        {"list": [0] * 200_000},
    ],
    ids=lambda came: str(came)[:40],
)
def test_a_value_of_no_known_form_is_refused(came: object) -> None:
    with pytest.raises(wire.Refused):
        wire.decode(came)


@pytest.mark.parametrize("line", [b"", b"nonsense", b"[1]", b'{"a": NaN}', b"[" * 200_000, b"9" * 100_000, b"\xff"])
def test_a_message_that_is_none_is_refused(line: bytes) -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    os.write(writing, line[:60_000] + b"\n")
    with pytest.raises(wire.Refused):
        wire.Channel(reading, writing).receive(5)
    os.close(reading), os.close(writing)


# --- the command ---


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["{tmp}/none"], "submissions: there is no folder"),
        (["{tmp}/empty"], "holds no notebook and no zip file"),
        (["{tmp}/in", "--out", "{tmp}/in/marks"], "give another folder"),
        (["{tmp}/in", "--out", "{tmp}/foreign"], "was not made by `grade`"),
        (["{tmp}/in", "--workers", "0"], "workers: got 0"),
        (["{tmp}/in", "--workers", "2", "--scheduler", "tcp://127.0.0.1:1"], "leave out one of the two"),
        (["{tmp}/in", "--chapters", "99"], "chapter: unknown chapter '99'"),
        (["{tmp}/in", "--roster", "{tmp}/none.csv"], "roster: "),
        (["{tmp}/in", "--points", "{tmp}/points.csv"], "points: got exercise '1.2' with 'many'"),
    ],
)
def test_bad_input_is_refused_in_one_line(
    words: list[str], line: str, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox, "choose", lambda kind: "none")
    put(tmp_path, "in/maria.ipynb"), put(tmp_path, "foreign/thesis.tex"), (tmp_path / "empty").mkdir()
    put(tmp_path, "points.csv", b"exercise,points\n1.2,many\n")
    given = [word.format(tmp=tmp_path) for word in words]
    given += [] if "--out" in given else ["--out", str(tmp_path / "out")]
    assert main(["grade", *given]) == 2
    said = capsys.readouterr().err
    assert line in said
    assert len(said.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", [None, "docker", "podman"])
def test_without_a_sandbox_the_command_refuses_and_names_the_way_out(
    kind: str | None, tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path, "in/maria.ipynb")
    monkeypatch.setenv("PATH", str(tmp_path))
    words = ["--sandbox", kind] if kind else []
    assert main(["grade", str(tmp_path / "in"), "--out", str(tmp_path / "out"), *words]) == 2
    said = capsys.readouterr().err
    assert f"sandbox: {kind or 'bubblewrap'} isn't installed; install bubblewrap" in said
    assert "--trust" in said
    assert len(said.splitlines()) == 1


def without(monkeypatch: pytest.MonkeyPatch, there: dict[str, str], platform: str = "linux") -> None:
    """Let a machine have these programs alone, each of which fails with these words."""
    monkeypatch.setattr(sandbox, "sys", SimpleNamespace(platform=platform))
    monkeypatch.setattr(sandbox.shutil, "which", lambda program: program if program in there else None)
    failed = lambda words, **_: SimpleNamespace(returncode=1, stdout="--size", stderr=there[words[0]])  # noqa: E731
    monkeypatch.setattr(sandbox.subprocess, "run", failed)


MISSING = {"docker": "[]\nError: No such image: x\n", "podman": 'Error: inspecting object: "x": image not known\n'}


@pytest.mark.parametrize("kind", MISSING)
def test_a_missing_image_is_named_with_where_its_recipe_is(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, MISSING)
    with pytest.raises(ValueError, match=f"^sandbox: {kind} has no image mnist-course-sandbox; docs/grading.md says "):
        sandbox.choose(kind)
    page = (Path(__file__).parent.parent / "docs" / "grading.md").read_text(encoding="utf-8")
    assert f" build --tag {sandbox.IMAGE} --file " in page
    learners = (Path(__file__).parent.parent / "Dockerfile").read_text(encoding="utf-8")
    assert f"-t {sandbox.IMAGE} " not in learners, "that image holds the solutions"


@pytest.mark.parametrize("installed", [True, False])
@pytest.mark.parametrize("kind", ["bubblewrap", "docker", "podman"])
def test_the_way_out_is_never_what_has_just_failed(kind: str, installed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    without(monkeypatch, MISSING | ({"bwrap": "No permissions to create a namespace"} if installed else {}))
    with pytest.raises(ValueError) as refused:
        sandbox.choose(kind)
    way = sandbox.way_out(kind)
    assert str(refused.value).endswith(f"; {way}")
    assert f"--sandbox {kind}" not in way
    assert ("install bubblewrap" in way) == (not installed)
    assert "--sandbox" in way and "--trust" in way


@pytest.mark.parametrize("platform", ["darwin", "win32"])
@pytest.mark.parametrize("kind", ["bubblewrap", "docker", "podman"])
def test_off_linux_nothing_is_recommended_that_needs_it(
    kind: str, platform: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    without(monkeypatch, MISSING, platform)
    way = sandbox.way_out(kind)
    assert "bubblewrap" not in way and "--trust" not in way and f"--sandbox {kind}" not in way
    assert ("--sandbox" in way) == (platform == "darwin"), "the worker is asked in a way that Windows doesn't have"
    assert way.endswith("grade on Linux (on Windows, in WSL)")


EVIL = "=HYPERLINK(1) <script>alert(1)</script>"


def record(words: str = "not yet. For 3 images, I expected 1 and got 2. Average over rows.", **more: object) -> dict:
    verdicts = [{"number": "1.2", "state": "not yet", "words": words, "seconds": 0.5}]
    return {"fault": "", "chapter": "01_data", "verdicts": verdicts, "words": {"1.6": EVIL}} | more


def written(tmp_path: Path, known: list[tuple[str, dict]], **more: object) -> Path:
    names = collect.file_names([student for student, _ in known])
    given = {"notes": {}, "people": [], "worth": {}, "kind": "bubblewrap"} | more
    report.write(tmp_path, known, names, *given.values())  # type: ignore[arg-type]
    return tmp_path


def test_what_students_write_is_text_in_tables_and_pages(tmp_path: Path) -> None:
    out = written(tmp_path, [(EVIL, record(f"not yet. Your code stopped with E: {EVIL}."))])
    for page in ("summary.html", "words.html"):
        soup = BeautifulSoup((out / page).read_text(), "html.parser")
        assert not soup.find_all("script")
        assert EVIL in soup.get_text()
        assert "default-src 'none'" in str(soup.find("meta", attrs={"http-equiv": True}))
    with (out / "grades.csv").open(newline="") as file:
        assert all(cell[:1] not in ("=", "+", "-", "@") for row in csv.reader(file) for cell in row)
    (text,) = [path.read_text() for path in (out / "feedback").iterdir()]
    assert "<script>" not in text
    assert "&lt;script&gt;" in text


def test_the_words_page_reads_like_the_chapter(tmp_path: Path) -> None:
    soup = BeautifulSoup((written(tmp_path, [("maria", record())]) / "words.html").read_text(), "html.parser")
    assert soup.find("strong").get_text() == "Exercise 1.6"
    said = soup.find("h3", string="What to look for").find_next_siblings("p")
    assert [p.get_text()[:16] for p in said] == ["The code counts;"]  # neither its code nor a row of the timetable


def test_the_summary_begins_with_what_most_got_wrong(tmp_path: Path) -> None:
    other = "not yet. For 9 images, I expected 4 and got 0.25. Average over rows."
    once = "not yet. For 9 images, I expected 4 and got 0.25. Those are percentages."
    known = [("A", record()), ("B", record(other)), ("C", record(once)), ("D", record())]
    out = written(tmp_path, known, people=[("a", "17"), ("Zoe", "26")], worth={"1.2": 3.0})
    said = " ".join(BeautifulSoup((out / "summary.html").read_text(), "html.parser").get_text(" ").split())
    assert "For the next lesson 3 of 4" in said
    assert said.index("Average over rows") < said.index("percentages")
    assert "Nothing handed in Zoe" in said
    totals = read_table(out / "totals.csv").set_index("student")
    assert totals.loc["A", ["id", "right", "exercises", "points", "of"]].tolist() == [17, 0, 1, 0, 3]
    assert totals.loc["Zoe", "note"] == "nothing was handed in"


def test_gradescope_gets_points_and_sentences(tmp_path: Path) -> None:
    right = record() | {"verdicts": [{"number": "1.2", "state": "right", "words": "right. Good.", "seconds": 1}]}
    out = written(tmp_path, [("A", right)], worth={"1.2": 2.5})
    made = json.loads((out / "gradescope" / "A" / "results.json").read_text())
    assert made["score"] == 2.5
    (test,) = made["tests"]
    assert (test["score"], test["max_score"], test["status"], test["output"]) == (2.5, 2.5, "passed", "right. Good.")


def test_feedback_that_a_teacher_changed_is_kept(tmp_path: Path) -> None:
    out = written(tmp_path, [("A", record())])
    (out / "feedback" / "A.md").write_text("Well done, A.")
    written(tmp_path, [("A", record())])
    assert {path.name for path in (out / "feedback").iterdir()} == {"A.md", "A.kept-1.md"}
    assert (out / "feedback" / "A.kept-1.md").read_text() == "Well done, A."


def test_only_what_changed_is_judged_and_one_failure_stops_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    asked = []

    def judge(found: list[dict], seed: str, kind: str, name: str) -> list[dict]:
        asked.append(found[1]["cells"][-1][1])
        if "broken" in asked[-1]:
            raise OSError("the machine is on fire")
        return [
            {"number": one["number"], "state": "right", "words": f"right. {seed[:4]}", "seconds": 1.0} for one in found
        ]

    monkeypatch.setattr(run, "_ask_judge", judge)
    for who in ("maria", "niels"):
        put(tmp_path, f"in/{who}.ipynb", with_answer("1.2", f"def ink_share(images):\n    return '{who}'"))
    put(tmp_path, "in/lise.ipynb", with_answer("1.2", "def ink_share(images):\n    return 'broken'"))
    put(tmp_path, "in/otto.ipynb", b"")
    words = ["grade", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--trust", "--workers", "1"]
    assert main(words) == 1
    said = capsys.readouterr().out
    assert "lise: lise.ipynb: it could not be judged (the machine is on fire)" in said
    assert "otto: otto.ipynb: the file is empty" in said
    assert len(asked) == 3
    before = {
        path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.suffix in (".csv", ".md", ".html")
    }
    assert stat.S_IMODE((tmp_path / "out" / "secret.txt").stat().st_mode) == 0o600
    main(words)
    assert len(asked) == 4  # the broken one is tried again
    assert before == {path: path.read_bytes() for path in before}
    put(tmp_path, "in/niels.ipynb", with_answer("1.2", "def ink_share(images):\n    return 'niels again'"))
    main(words)
    assert len(asked) == 6
    assert NOT_FOUND not in (tmp_path / "out" / "grades.csv").read_text()
