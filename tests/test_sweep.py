"""Sweeps on this machine: tables worked out by hand; runs that fail, that are stopped, killed, repeated, many at once.

The runs are real ones, of the chapter in `tiny_chapter.py`: processes and kernels, but no training. A sweep from inside
a notebook is the one of chapter 5, in test_reruns.py.
"""

import csv
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pandas as pd
import psutil
import pytest
import tiny_chapter
import torch
import zmq
from jupyter_client.connect import LocalPortCache
from tiny_chapter import Tiny, tiny, wait_until, wait_until_gone  # noqa: F401, tiny is a fixture

import helpers
from course import chapters, executors, folder, run, sweep, sweep_runs, sweep_tables
from helpers import settings

POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send and no SIGKILL")


# --- tables, worked out by hand ---


def manifest(parameters: dict, accuracy: float | None) -> dict:
    """Return what a run leaves that got this validation accuracy; None for one that failed."""
    name = "_".join(f"{name}={value}" for name, value in parameters.items()) + "_1234abcd"
    over = {"name": name, "settings": parameters, "seconds": 5.0}
    if accuracy is None:
        return over | {"error": "01_tiny: broke"}
    history = [{"epoch": 1, "val_accuracy": 0.1}, {"epoch": 2, "seconds": 3.0, "val_accuracy": accuracy}]
    return over | {"error": "", "results": {"history": history, "versions": {"torch": "2.14.1"}}}


def tables(out: Path, accuracies: dict[tuple, float | None]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write and return results and summary of runs that got these validation accuracies."""
    names = ("learning_rate", "val_size", "seed")
    manifests = [manifest(dict(zip(names, values, strict=True)), score) for values, score in accuracies.items()]
    results = sweep_tables.write_runs(out, [None, *manifests])
    sweep_tables.write_summary(out, results, names)
    return results, sweep_tables.summarize(results, names)


SIX = {
    (0.001, None, 0): 0.90,
    (0.001, None, 1): 0.92,
    (0.001, None, 2): 0.94,
    (0.01, None, 0): 0.95,
    (0.01, None, 1): 0.96,
    (0.01, None, 2): 0.97,
}


def page(out: Path) -> list[str]:
    """Return the rows of `summary.md`, without the bars and spaces of Markdown."""
    head, rule, *rows = (out / "summary.md").read_text(encoding="utf-8").splitlines()
    assert set(rule) == set("|-:")
    assert len({row.count("|") for row in (head, rule, *rows)}) == 1
    return [" ".join(row.replace("|", " ").split()) for row in (head, *rows)]


def test_the_summary_is_what_one_works_out_by_hand(tmp_path: Path) -> None:
    """Student's t for 95 % and two degrees of freedom is 4.302653; the interval is mean ± t · std / √3.

    0.001: mean 0.92, deviations ∓0.02 and 0, std √((0.0004 + 0.0004) / 2) = 0.02, reach 4.302653 · 0.02 / 1.732051 =
    0.049683. 0.01: mean 0.96, std 0.01, reach 0.024841. The better one comes first.
    """
    _, summary = tables(tmp_path, SIX)
    assert summary["learning_rate"].tolist() == [0.01, 0.001]
    assert summary["runs"].tolist() == [3, 3]
    assert summary["val_accuracy_mean"].tolist() == pytest.approx([0.96, 0.92])
    assert summary["val_accuracy_std"].tolist() == pytest.approx([0.01, 0.02])
    assert summary["val_accuracy_low"].tolist() == pytest.approx([0.96 - 0.024841, 0.92 - 0.049683], abs=1e-6)
    assert summary["val_accuracy_high"].tolist() == pytest.approx([0.96 + 0.024841, 0.92 + 0.049683], abs=1e-6)
    assert page(tmp_path) == [
        "learning_rate val_size runs failed val_accuracy (%) 95 % interval of mean val_accuracy seconds",
        "0.01 None 3 0 96.00 ± 1.00 93.52 to 98.48 5 ± 0",
        "0.001 None 3 0 92.00 ± 2.00 87.03 to 96.97 5 ± 0",
    ]
    written = sweep_tables.read_table(tmp_path / "summary.csv")
    assert written["val_size"].tolist() == ["None", "None"]
    assert written["val_accuracy_mean"].tolist() == pytest.approx([0.96, 0.92])


def test_failed_runs_are_counted_and_not_averaged(tmp_path: Path) -> None:
    broken = {(0.1, None, seed): None for seed in range(3)}
    results, summary = tables(tmp_path, broken | SIX | {(0.001, None, 2): None})
    assert summary["learning_rate"].tolist() == [0.01, 0.001, 0.1]  # without a result: last
    assert summary["runs"].tolist() == [3, 2, 0]
    assert summary["failed"].tolist() == [0, 1, 3]
    assert summary["val_accuracy_mean"].tolist()[:2] == pytest.approx([0.96, 0.91])
    # std of 0.90 and 0.92 is 0.014142; t with one degree of freedom is 12.706205; reach 12.706205 · 0.014142 / √2
    assert summary["val_accuracy_high"][1] == pytest.approx(0.91 + 0.127062, abs=1e-6)
    assert page(tmp_path)[-1] == "0.1 None 0 3 – – –"
    assert results["status"].tolist() == ["failed"] * 3 + ["done"] * 2 + ["failed"] + ["done"] * 3
    assert sweep_tables.best_so_far(results) == "val_accuracy 97.00 % (learning_rate=0.01_val_size=None_seed=2)"
    assert sweep_tables.best_so_far(tables(tmp_path, broken)[0]) == "none yet"


def test_one_seed_has_no_spread(tmp_path: Path) -> None:
    _, summary = tables(tmp_path, {(0.1, None, 0): 0.5, (0.1, 10, 0): 0.5, (0.1, 20, 0): 0.75})
    assert summary["val_size"].tolist() == [20, "None", 10]  # the best first, equals in the grid's order
    assert summary[["val_accuracy_std", "val_accuracy_low", "val_accuracy_high"]].isna().all(axis=None)
    assert page(tmp_path)[-1] == "0.1 10 1 0 50.00 – 5"


def test_results_have_one_row_a_run_and_history_one_an_epoch(tmp_path: Path) -> None:
    tables(tmp_path, {(0.1, None, 0): 0.5, (0.1, None, 1): None, (0.1, 10, 0): 0.75})
    assert (tmp_path / "results.csv").read_text(encoding="utf-8").splitlines() == [
        "run,status,learning_rate,val_size,seed,val_accuracy,seconds,"
        "python,torch,torchvision,torchmetrics,numpy,matplotlib,seaborn,papermill,error",
        "learning_rate=0.1_val_size=None_seed=0_1234abcd,done,0.1,None,0,0.5,5.0,,2.14.1,,,,,,,",
        "learning_rate=0.1_val_size=None_seed=1_1234abcd,failed,0.1,None,1,,5.0,,,,,,,,,01_tiny: broke",
        "learning_rate=0.1_val_size=10_seed=0_1234abcd,done,0.1,10,0,0.75,5.0,,2.14.1,,,,,,,",
    ]
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["epoch"].tolist() == [1, 2, 1, 2]
    assert history["val_accuracy"].tolist() == [0.1, 0.5, 0.1, 0.75]


def test_a_result_on_the_test_set_never_chooses(tmp_path: Path) -> None:
    results = pd.DataFrame(
        {"run": ["a_1", "b_2"], "status": "done", "epochs": [1, 2], "val_accuracy": [0.6, 0.5], "test_accuracy": [0, 1]}
    )
    assert sweep_tables.summarize(results, ["epochs"])["epochs"].tolist() == [1, 2]
    assert sweep_tables.best_so_far(results) == "val_accuracy 60.00 % (a)"


def test_a_loss_that_is_no_number_is_averaged_to_none(tmp_path: Path) -> None:
    """Nor does it spoil the others; JSON holds null for it."""
    manifests = [manifest({"learning_rate": rate, "seed": seed}, 0.5) for rate in (1.0, 10.0) for seed in (0, 1)]
    for each, loss in zip(manifests, (0.25, 0.75, 0.5, None), strict=True):
        each["results"]["history"][-1]["val_loss"] = loss
    summary = sweep_tables.summarize(sweep_tables.write_runs(tmp_path, manifests), ["learning_rate", "seed"])
    assert summary["val_loss_mean"].tolist() == pytest.approx([0.5, float("nan")], nan_ok=True)
    for each in manifests:
        each["results"]["history"][-1]["val_loss"] = None
    summary = sweep_tables.summarize(sweep_tables.write_runs(tmp_path, manifests), ["learning_rate", "seed"])
    assert summary["val_loss_mean"].isna().all()
    assert summary["val_accuracy_mean"].tolist() == [0.5, 0.5]


FORMULAS = (
    "=cmd|' /C calc'!A0",
    "+1+1",
    "-1+1",
    "@SUM(A1)",
    "\t=1",
    "'=1",
    "''@x",
    "'quoted'",
    "a=b",
    "-5 to 5",
)


def test_no_cell_of_a_table_is_run_by_a_spreadsheet_and_all_read_back_equal(tmp_path: Path) -> None:
    table = pd.DataFrame({"data_dir": FORMULAS, "=1": FORMULAS, "loss": -0.5})
    sweep_tables.write_table(tmp_path / "a.csv", table)
    with (tmp_path / "a.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert {row[-1] for row in rows[1:]} == {"-0.5"}  # a number stays one
    assert not [cell for row in rows for cell in row if cell.startswith(tuple("=+-@\t\r")) and cell != "-0.5"]
    pd.testing.assert_frame_equal(sweep_tables.read_table(tmp_path / "a.csv"), table)


def test_values_are_shown_in_markdown_as_they_are(tmp_path: Path) -> None:
    runs = [manifest({"data_dir": text}, 0.5) for text in ("a|b", "<img src=x>", "[a](javascript:b)", "a\nb")]
    sweep_tables.write_summary(tmp_path, sweep_tables.write_runs(tmp_path, runs), ["data_dir"])
    rows = (tmp_path / "summary.md").read_text(encoding="utf-8").splitlines()[2:]
    shown = ["a\\|b", "&lt;img src=x&gt;", "\\[a\\](javascript:b)", "a b"]
    assert [row.replace("\\|", "\0").split("|")[1].strip().replace("\0", "\\|") for row in rows] == shown


@pytest.mark.parametrize("content", [b"", b'a,b\n1,2,3\n"', b"\xff\xfe"])
def test_a_damaged_table_is_one_line(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "results.csv").write_bytes(content)
    with pytest.raises(ValueError, match=r"results\.csv: damaged[^\n]*$"):
        sweep_tables.read_table(tmp_path / "results.csv")


# --- the plan ---


def test_every_combination_runs_with_every_seed(tiny: Tiny) -> None:  # noqa: F811
    runs = sweep.plan([tiny.path], {"learning_rate": ["0.1", "1"], "val_size": ["None", "5"]}, 2)
    found = [(run.values["learning_rate"], run.values["val_size"], run.values["seed"]) for run in runs]
    assert found == [(rate, size, seed) for rate in (0.1, 1.0) for size in (None, 5) for seed in (0, 1)]
    assert len({run.name for run in runs}) == 8
    assert runs[0].name.startswith("learning_rate=0.1_val_size=None_seed=0_")
    assert list(runs[0].settings) == ["learning_rate", "val_size", "seed"]


def test_the_name_of_a_run_tells_all_settings_apart(tiny: Tiny) -> None:  # noqa: F811
    """Also those that all runs share, so that two sweeps may write to one folder."""
    names = [
        sweep.plan([tiny.path], {"seed": ["0"]}, None, fixed)[0].name
        for fixed in ([], [("learning_rate", "0.1")], [("learning_rate", "0.2")])
    ]
    assert len(set(names)) == 3


def test_auto_beside_the_data_set_it_finds_is_a_value_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweep, "check_data", lambda chapters, values: {"dataset": "digits"})
    chapter = settings.ROOT / "notebooks" / "03_training.ipynb"
    with pytest.raises(ValueError, match=r"^grid: auto stands beside the data set that it finds"):
        sweep.plan([chapter], {"dataset": ["auto", "digits"]}, None)


# --- the code that a sweep belongs to ---


def test_only_code_that_decides_numbers_makes_a_sweep_another_one(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    shutil.copytree(settings.ROOT / "helpers", tmp_path / "helpers")
    monkeypatch.setattr(settings, "CODE", tmp_path)
    before = chapters.code_of([str(tiny.path)])

    def same_after(name: str, old: str, new: str) -> bool:
        """Change a helper, look at the fingerprint, and change it back."""
        path = tmp_path / "helpers" / name
        text = path.read_text(encoding="utf-8")
        assert old in text
        path.write_text(text.replace(old, new, 1), encoding="utf-8", newline="")
        same = chapters.code_of([str(tiny.path)]) == before
        path.write_text(text, encoding="utf-8")
        return same

    assert same_after("training.py", "Go once over the training images", "One pass over the images")  # a docstring
    assert same_after("training.py", "NUM_CLASSES = 10", "# the digits\nNUM_CLASSES = 10  # 0 to 9")
    assert same_after("training.py", "\n", "\r\n")  # as git may write it on Windows
    assert same_after("plotting.py", "\ndef ", "\nNEW = 3\n\n\ndef ")
    assert not same_after("training.py", "NUM_CLASSES = 10", "NUM_CLASSES = 11")
    assert not same_after("recipes.py", "\ndef ", "\nNEW = 3\n\n\ndef ")
    whole = chapters.code_of([str(tiny.path)], whole=True)  # what a worker must have: all of it
    assert same_after("settings.py", "Rule", "NewRule")
    (tmp_path / "helpers" / "settings.py").write_text("RULES = {}", encoding="utf-8")
    assert chapters.code_of([str(tiny.path)], whole=True) != whole
    tiny.write(text="Other prose.", save="# a comment\n" + tiny_chapter.SAVE)
    assert chapters.code_of([str(tiny.path)]) == before
    tiny.write(save="%time 1")  # which Python can't read
    assert chapters.code_of([str(tiny.path)]) != before


@pytest.mark.parametrize("chapter", [None, pytest.param("notebooks/07_nowhere.ipynb", marks=pytest.mark.slow)])
def test_a_worker_with_another_version_of_the_course_says_so(chapter: str | None, tiny: Tiny) -> None:  # noqa: F811
    """Other code, or no such chapter at all."""
    result = executors.run_in_subprocess([chapter or str(tiny.path)], {}, "a sweep", "0123456789ab")
    assert result.error == "this worker has another version of the course; install the same one everywhere"
    assert not tiny.begun()


# --- a sweep, once for several tests: four runs, two of which fail ---

GRID, FIXED = {"learning_rate": ["0.01", "0.5"]}, [("val_size", "None")]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory):
    """The chapter, a folder for its sweeps, and five processor threads."""
    folder = tmp_path_factory.mktemp("sweep")
    chapter = Tiny(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINY_PLACE", str(chapter.place))
        patch.setattr(torch, "get_num_threads", lambda: 5)
        sweep.sweep([chapter.path], GRID, folder / "out", 2, FIXED, workers=2)
        yield chapter, folder / "out"


def read(out: Path, table: str = "results") -> pd.DataFrame:
    return sweep_tables.read_table(out / f"{table}.csv")


def test_a_failed_run_is_a_row_and_the_others_are_done(world: tuple[Tiny, Path]) -> None:
    _, out = world
    results = read(out)
    assert results["learning_rate"].tolist() == [0.01, 0.01, 0.5, 0.5]
    assert results["seed"].tolist() == [0, 1] * 2
    assert results["status"].tolist() == ["done", "done", "failed", "failed"]
    assert results["val_accuracy"].dropna().tolist() == pytest.approx([0.51, 0.52])
    raised, killed = results["error"].dropna()
    # The message names no temporary folder.
    assert raised == "01_tiny: cell 3 failed with RuntimeError: too fast for weights.safetensors; see 01_tiny.ipynb"
    assert killed == "the run's process died (exit status -9; out of memory?)"
    summary = read(out, "summary")
    assert summary["failed"].tolist() == [0, 2]
    assert summary["val_accuracy_mean"].tolist()[0] == pytest.approx(0.515)
    assert len(read(out, "history")) == 2


def test_a_run_leaves_notebook_record_and_results(world: tuple[Tiny, Path]) -> None:
    _, out = world
    for name, status in zip(read(out)["run"], read(out)["status"], strict=True):
        kept = {path.name for path in (out / "runs" / name).iterdir()}
        whole = {"01_tiny.ipynb", "01_tiny.json", "results.json", "run.json"}
        assert kept == whole if status == "done" else {"run.json"} <= kept < whole
    assert len(list((out / "runs").iterdir())) == 4


def test_threads_are_shared_out(world: tuple[Tiny, Path]) -> None:
    assert set(read(world[1], "history")["threads"]) == {5 // 2}


def test_other_code_is_refused_and_other_prose_is_not(world: tuple[Tiny, Path], tmp_path: Path) -> None:
    tiny, out = world[0], shutil.copytree(world[1], tmp_path / "out")  # noqa: F811
    begun = tiny.begun()
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    tiny.write(save=tiny_chapter.SAVE + "other = 'code'")
    with pytest.raises(ValueError) as caught:
        sweep.sweep([tiny.path], GRID, out, 2, FIXED, workers=2)
    assert str(caught.value) == f"out: {out} holds runs of another version of these chapters; give another folder"
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    tiny.write(text="Other prose.")
    results = sweep.sweep([tiny.path], {"learning_rate": ["0.01"]}, out, 2, FIXED, workers=2)
    assert results["status"].tolist() == ["done"] * 2
    assert tiny.begun() == begun  # none ran again


def test_the_same_command_runs_what_failed_or_was_damaged(world: tuple[Tiny, Path], tmp_path: Path) -> None:
    tiny, out = world[0], shutil.copytree(world[1], tmp_path / "out")  # noqa: F811
    damaged, kept, *_ = ((out / "runs" / name) for name in read(out)["run"])
    results_file = damaged / "results.json"
    results_file.write_text(results_file.read_text().replace("0.51", "0.99"))
    damaged.with_name(".part").mkdir()  # as a kill may leave it
    before, begun = kept.stat().st_mtime_ns, tiny.begun()
    (tiny.place / "mended").touch()
    results = sweep.sweep([tiny.path], GRID, out, 2, FIXED, workers=2)
    assert results["status"].tolist() == ["done"] * 4
    assert results["val_accuracy"].tolist() == pytest.approx([0.51, 0.52, 1.0, 1.5])
    assert read(out)["error"].isna().all()
    assert kept.stat().st_mtime_ns == before
    ran_again = [ran for ran, *_ in set(tiny.begun()) - set(begun)]
    assert sorted(ran_again) == ["0.01_0", "0.5_0", "0.5_1"]
    assert len(list((out / "runs").iterdir())) == 4


# --- what a worker returns, and what is on the disk ---

PLANNED = sweep_runs.Run("a", {"learning_rate": 0.01, "seed": 0}, {"learning_rate": 0.01, "seed": 0, "val_size": None})
WHOLE = {"seed": 0, "parameters": {"learning_rate": 0.01}, "history": [{"val_loss": None}]}


def returned(content: object = WHOLE, **files: bytes) -> executors.RunResult:
    """Return what a worker sends: results.json, and other files by name."""
    text = content if isinstance(content, str) else json.dumps(content)
    return executors.RunResult("", 1.0, {"results.json": text.encode()} | files)


EVIL = ["../../evil", "/abs", "a/../../evil", "C:evil", "C:/evil", "..\\evil", "\\\\host\\evil", "a//b", "", ".", "a/"]
EVIL += [
    "NUL",
    "aux.txt",
    "dir/com1.log",
    "dot.",
    "space ",
    "new\nline",
    "nul\0",
    "a" * 201,
    "run.json/x",
    "results.json/x",
]


@pytest.mark.parametrize("name", EVIL)
def test_a_file_with_an_evil_name_is_not_written(name: str, tmp_path: Path) -> None:
    folder = tmp_path / "out" / "runs" / "a"
    manifest = sweep_runs.store(folder, PLANNED, "code", returned(**{name: b"evil"}))
    assert manifest["error"].startswith("its worker returned a file named ") and "\n" not in manifest["error"]
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [folder / "run.json"]


@pytest.mark.parametrize(
    "name", ["images/a b.png", "été (1).ipynb", "short/runs/x=0.1_seed=0/run.json", "con_sole.txt"]
)
def test_a_file_with_an_ordinary_name_is_written(name: str, tmp_path: Path) -> None:
    assert not sweep_runs.store(tmp_path / "a", PLANNED, "code", returned(**{name: b"x"}))["error"]
    assert (tmp_path / "a" / name).read_bytes() == b"x"


@pytest.mark.parametrize(("limit", "most"), [("MOST_BYTES", 200), ("MOST_FILES", 1)])
def test_a_run_that_leaves_too_much_is_not_kept(
    limit: str, most: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_runs, limit, most)
    manifest = sweep_runs.store(tmp_path / "a", PLANNED, "code", returned(**{"large.bin": bytes(1000)}))
    assert manifest["error"].startswith("it left 2 files, ")
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["run.json"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (WHOLE | {"parameters": {"learning_rate": 9.0}}, "it ran with learning_rate 9.0 instead of 0.01; install"),
        (WHOLE | {"seed": 1}, "it ran with seed 1 instead of 0; install"),
        ("{", "its results.json is missing or damaged"),
        ("[" * 100_000, "its results.json is missing or damaged"),
        ([], "its results.json has not the form"),
        (WHOLE | {"history": [{"val_accuracy": "=cmd"}]}, "its results.json has not the form"),
        (WHOLE | {"history": {}}, "its results.json has not the form"),
        (WHOLE | {"test": [1]}, "its results.json has not the form"),
        (WHOLE | {"versions": "2.14.1"}, "its results.json has not the form"),
    ],
)
def test_a_result_that_is_not_what_was_asked_for_is_a_failed_run(content: object, said: str, tmp_path: Path) -> None:
    manifest = sweep_runs.store(tmp_path / "a", PLANNED, "code", returned(content))
    assert manifest["error"].startswith(said)
    assert sweep_tables.write_runs(tmp_path, [manifest])["status"].tolist() == ["failed"]
    assert sweep_runs.finished(tmp_path / "a", PLANNED, "code") is None


def test_a_finished_run_is_recognized(tmp_path: Path) -> None:
    sweep_runs.store(tmp_path / "a", PLANNED, "code", returned())
    assert sweep_runs.finished(tmp_path / "a", PLANNED, "code")["results"] == WHOLE


NO_DICT = ("", "{", "[]", "3", "[" * 100_000, '{"name": "a"}')


@pytest.mark.parametrize(
    ("name", "content"),
    [
        *((name, text) for name in ("run.json", "results.json") for text in NO_DICT),
        *(
            ("run.json", {key: value})
            for key in ("name", "values", "settings", "error", "seconds")
            for value in (None, {})
        ),
        *(("run.json", {"code": value}) for value in (None, 3)),
        ("run.json", {"results": WHOLE | {"history": [{"val_loss": 0.5}]}}),
        ("results.json", {"history": [{"val_loss": 0.5}]}),
    ],
)
def test_a_run_whose_files_are_cut_edited_or_of_the_future_is_run_again(
    name: str, content: str | dict, tmp_path: Path
) -> None:
    sweep_runs.store(tmp_path / "a", PLANNED, "code", returned())
    path = tmp_path / "a" / name
    changed = content if isinstance(content, str) else json.dumps(json.loads(path.read_text()) | content)
    path.write_text(changed, encoding="utf-8")
    assert sweep_runs.finished(tmp_path / "a", PLANNED, "code") is None


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sweep_runs.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        sweep_runs.store(tmp_path / "a", PLANNED, "code", returned())
    assert list(tmp_path.iterdir()) == []


def test_files_are_on_the_disk_before_a_run_counts_as_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced, replace = set(), os.replace

    def look(part: Path, folder: Path) -> None:
        assert {path.name for path in part.rglob("*") if path.is_file()} == {"results.json", "run.json", "a.png"}
        assert {path.stat().st_ino for path in part.rglob("*") if path.is_file()} <= synced
        replace(part, folder)

    monkeypatch.setattr(sweep_runs.os, "fsync", lambda file: synced.add(os.fstat(file).st_ino))
    monkeypatch.setattr(sweep_runs.os, "replace", look)
    sweep_runs.store(tmp_path / "a", PLANNED, "code", returned(**{"images/a.png": b"picture"}))
    assert (tmp_path / "a" / "images" / "a.png").read_bytes() == b"picture"


def test_every_value_survives_being_said_in_words(world: tuple[Tiny, Path]) -> None:
    """A sweep says its values on the command line of its runs."""
    values = {"learning_rate": [1e-05, 0.1 + 0.2, 1.0], "val_size": [None, 5]}
    values |= {"resume": [True, False], "seed": [2**32 - 1]}
    for name, several in values.items():
        assert [settings.parse(name, str(value)) for value in several] == several
    done = json.loads(next(world[1].glob("runs/*_seed=0_*/results.json")).read_text(encoding="utf-8"))
    assert done["parameters"] == {"learning_rate": 0.01, "val_size": None}


# --- sweeps whose runs are played ---


@pytest.fixture
def played(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # noqa: F811
    """A function that sweeps over learning rates; each run returns what it was asked to, changed by `changes`."""

    def play(_: object, values: dict, *__: object) -> executors.RunResult:
        content = {"parameters": {"learning_rate": values["learning_rate"]}, "history": [{"val_accuracy": 0.5}]}
        return returned(content | changes)

    def run_sweep(*rates: str, **options: object) -> pd.DataFrame:
        return sweep.sweep([tiny.path], {"learning_rate": list(rates)}, tmp_path / "out", **options)

    changes: dict = {}
    run_sweep.changes = changes
    monkeypatch.setattr(sweep, "run_in_subprocess", play)
    return run_sweep


def test_runs_of_an_earlier_grid_stay_in_the_tables(played, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    played("0.1", "0.2", seeds=2)
    assert played("0.3", seeds=2)["learning_rate"].tolist() == [0.3, 0.3]
    assert read(tmp_path / "out")["learning_rate"].tolist() == [0.3, 0.3, 0.1, 0.1, 0.2, 0.2]
    assert read(tmp_path / "out", "summary")["runs"].tolist() == [2, 2, 2]
    assert sorted(read(tmp_path / "out", "summary")["learning_rate"]) == [0.1, 0.2, 0.3]
    assert "left out" not in capsys.readouterr().out
    next((tmp_path / "out" / "runs").glob("learning_rate=0.1_seed=0_*/run.json")).write_text("[]")
    played("0.3", seeds=2)
    assert "left out of the tables: 1 run(s) in " in capsys.readouterr().out
    assert read(tmp_path / "out")["learning_rate"].tolist() == [0.3, 0.3, 0.1, 0.2, 0.2]


def test_runs_with_other_versions_are_told_apart(played, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    played.changes["versions"] = {"python": "3.11.7", "torch": "2.13.0"}
    played("0.1")
    assert "versions differ" not in capsys.readouterr().out
    played.changes["versions"] = {"python": "3.11.7", "torch": "2.14.1"}
    played("0.1", "0.2")
    assert capsys.readouterr().out.splitlines()[-1].endswith("their versions differ: torch 2.13.0, 2.14.1")
    assert read(tmp_path / "out")["torch"].tolist() == ["2.13.0", "2.14.1"]


def test_a_full_disk_ends_a_sweep_in_one_line(played, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    played("0.1")
    with monkeypatch.context() as patch, pytest.raises(OSError, match=r"^[^\n]*No space left[^\n]*$"):
        patch.setattr(os, "fsync", full)
        played("0.1", "0.2")
    assert not list((tmp_path / "out").rglob("*.part"))
    assert read(tmp_path / "out")["learning_rate"].tolist() == [0.1]
    assert played("0.1", "0.2")["status"].tolist() == ["done", "done"]


def test_a_folder_with_somebodys_own_results_is_refused(played, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "results.csv").write_text("years of work")
    with pytest.raises(ValueError, match=r"^out: .* was not made by `sweep`"):
        played("0.1")
    assert [path.read_text() for path in (tmp_path / "out").iterdir()] == ["years of work"]


@pytest.mark.parametrize(
    ("asked", "runs", "cores", "gigabytes", "taken", "said"),
    [
        (1000, 5000, 8, 64, 8, "workers: 1000 are too many for 8 core(s) and 64.0 GB of memory; taking 8"),
        (8, 5000, 8, 4, 2, "workers: 8 are too many for 8 core(s) and 4.0 GB of memory; taking 2"),
        (1000, 2, 8, 64, 2, ""),
        (2, 5000, 1, 0.5, 1, "workers: 2 are too many for 1 core(s) and 0.5 GB of memory; taking 1"),
        (None, 5000, 8, 64, 4, ""),
        (None, 5000, 8, 4, 2, ""),
        (3, 0, 8, 64, 1, ""),
    ],
)
def test_no_more_runs_at_once_than_there_are_cores_and_memory_for(
    asked: int | None, runs: int, cores: int, gigabytes: float, taken: int, said: str,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:  # fmt: skip
    monkeypatch.setattr(helpers, "processor_threads", lambda: cores)
    monkeypatch.setattr(torch, "get_num_threads", lambda: cores)
    monkeypatch.setattr(sweep, "free_memory", lambda: int(gigabytes * 1e9))
    assert sweep.count_workers(asked, runs) == taken
    assert capsys.readouterr().out.strip() == said


# --- stopped and killed ---


@POSIX
@pytest.mark.parametrize("how", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
def test_a_stop_ends_all_processes_and_keeps_what_is_finished(
    how: signal.Signals, tiny: Tiny, tmp_path: Path  # noqa: F811
) -> None:  # fmt: skip
    """By Ctrl-C, or by SLURM when time is up."""
    out, scratch = tmp_path / "out", tmp_path / "scratch"
    scratch.mkdir()
    tiny.hold()
    tiny.let_go(0.1, 0)
    words = ["--grid", "learning_rate=0.1", "--seeds", 3, "--workers", 1, "--out", out]
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "encoding": "utf-8"}
    env = tiny_chapter.environment(TMPDIR=str(scratch))
    process = subprocess.Popen(tiny.command("sweep", *words), env=env, **options)
    wait_until(lambda: len(tiny.begun()) == 2 and list(out.glob("runs/*_seed=0_*/run.json")))
    everything = psutil.Process(process.pid).children(recursive=True)
    assert {pid for ran, *pids in tiny.begun() if ran != "0.1_0" for pid in pids} <= {each.pid for each in everything}
    process.send_signal(how)
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert list(scratch.iterdir()) == []
    assert errors.splitlines() == ["Stopped. What was finished is kept."]
    assert printed.splitlines()[0].startswith("1/3  learning_rate=0.1_seed=0_")
    wait_until_gone(everything)
    assert [path.name.split("_")[2] for path in (out / "runs").iterdir()] == ["seed=0"]
    assert len(tiny.begun()) == 2  # the third never began


@POSIX
def test_whoever_is_killed_takes_its_runs_along(tiny: Tiny, tmp_path: Path) -> None:  # noqa: F811
    """A sweep or a worker, which can't tell its runs any more, nor remove the folder that they write to."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    tiny.hold()
    words = ([str(tiny.path)], {}, "killed", chapters.code_of([str(tiny.path)]), 1)
    script = f"from course.executors import run_in_subprocess; run_in_subprocess(*{words!r})"
    process = subprocess.Popen([sys.executable, "-c", script], env=tiny_chapter.environment(TMPDIR=str(scratch)))
    wait_until(tiny.begun)
    everything = psutil.Process(process.pid).children(recursive=True)
    assert {pid for _, *pids in tiny.begun() for pid in pids} <= {each.pid for each in everything}
    process.kill()
    process.wait()
    wait_until_gone(everything)
    assert list(scratch.iterdir()) == []


@POSIX
@pytest.mark.slow
def test_a_run_that_is_told_to_stop_ends_its_kernel(tiny: Tiny) -> None:  # noqa: F811
    """SLURM tells every process of a job, a worker's runs among them."""
    tiny.hold()
    words = ([str(tiny.path)], {}, "told", chapters.code_of([str(tiny.path)]), 1)
    with ThreadPoolExecutor(1) as thread:
        job = thread.submit(executors.run_in_subprocess, *words)
        wait_until(tiny.begun)
        ((_, *pids),) = tiny.begun()
        both = tiny_chapter.processes(pids)
        both[1].send_signal(signal.SIGTERM)
        wait_until_gone(both)
        assert job.result().error == "the run was stopped"


@pytest.mark.slow
def test_an_error_of_the_sweep_itself_drops_what_waits(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    def full(*_: object) -> dict:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(sweep, "store", full)
    with pytest.raises(OSError, match="No space left"):
        sweep.sweep([tiny.path], {"learning_rate": ["0.1"]}, tmp_path / "out", 4, workers=1)
    assert len(tiny.begun()) <= 2  # the first, and the one that took its place


def test_a_run_of_a_stopped_sweep_never_begins(tiny: Tiny) -> None:  # noqa: F811
    """As when Ctrl-C comes between two runs of a worker."""
    executors.stop_runs("stopped")
    result = executors.run_in_subprocess([str(tiny.path)], {}, "stopped", chapters.code_of([str(tiny.path)]), 1)
    assert result.error
    assert not result.files
    assert not tiny.begun()


def test_two_sweeps_do_not_share_a_folder(tiny: Tiny, tmp_path: Path) -> None:  # noqa: F811
    with (
        folder.own(tmp_path / "out", "sweep"),
        pytest.raises(ValueError, match=r"^out: process \d+ on .* is at work in ") as one,
    ):
        sweep.sweep([tiny.path], {"learning_rate": ["0.1"]}, tmp_path / "out")
    assert "\n" not in str(one.value)
    assert not tiny.begun()


# --- a run's kernel ---


@pytest.fixture
def run_tiny(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):  # noqa: F811
    """A function that runs the chapter in this process, as `python -m course run` does."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    return lambda: run.run([str(tiny.path)], [("learning_rate", "0.1")], tmp_path / "run")


def dies_at_start(folder: Path, times: int, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let the first kernels end before they are ready, as one does whose port is taken; returns a folder of marks."""
    marks = folder / "marks"
    marks.mkdir()
    startup = folder / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "00.py").write_text(
        f"import os; n = len(os.listdir({str(marks)!r})); open(os.path.join({str(marks)!r}, str(n)), 'w').close()\n"
        f"if n < {times}: os._exit(1)\n"
    )
    monkeypatch.setenv("IPYTHONDIR", str(folder / "ipython"))
    return marks


def test_a_kernel_that_fails_to_start_is_started_again(
    run_tiny, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    marks = dies_at_start(tmp_path, 1, monkeypatch)
    assert run_tiny()["history"][0]["val_accuracy"] == 0.6
    assert len(list(marks.iterdir())) == 2
    assert len(tiny.begun()) == 1


@pytest.mark.slow
def test_a_kernel_that_never_starts_is_given_up(run_tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marks = dies_at_start(tmp_path, 99, monkeypatch)
    with pytest.raises(run.ChapterError) as caught:
        run_tiny()
    assert str(caught.value) == "01_tiny: its kernel did not start, 3 times"
    assert len(list(marks.iterdir())) == 3


def test_a_kernel_that_dies_later_is_not_started_again(run_tiny, tiny: Tiny) -> None:  # noqa: F811
    tiny.write(save="os._exit(9)")
    with pytest.raises(run.ChapterError, match=r"^01_tiny: its kernel died \(out of memory\?\); see "):
        run_tiny()
    assert len(tiny.begun()) == 1


@pytest.mark.skipif(os.name == "nt", reason="on Windows kernels listen at ports")
def test_a_kernel_needs_no_free_port_and_no_short_temporary_folder(
    run_tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A port that two kernels were given would leave one of them deaf; here the one for outputs is always taken."""
    long = tmp_path / ("folder" * 20)
    long.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(long))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setattr(LocalPortCache, "find_available_port", lambda *_: taken.getsockname()[1])
        assert run_tiny()["history"][0]["val_accuracy"] == 0.6
    assert list(long.iterdir()) == []


def test_where_no_path_is_short_enough_a_kernel_listens_at_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zmq, "IPC_PATH_MAX_LEN", 10)
    with run.kernel_address() as address:
        assert address == {}


def test_nobody_watches_a_run_whoever_started_it(
    run_tiny, tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    """A run started from JupyterLab, VS Code or Colab draws no bars, and changes nothing for whoever started it."""
    signs = ("JPY_SESSION_NAME", "VSCODE_PID", "COLAB_RELEASE_TAG", "MNIST_COURSE_PROGRESS")
    for name in signs:
        monkeypatch.setenv(name, "of who started it")
    seen = f"record['baseline'] = {{name: os.environ.get(name) for name in {signs}}}\n"
    tiny.write(save=tiny_chapter.SAVE.replace("(Path(run_dir)", seen + "(Path(run_dir)"))
    assert run_tiny()["baseline"] == dict.fromkeys(signs) | {
        "MNIST_COURSE_PROGRESS": str(tmp_path / "run" / "progress.json")
    }
    assert {os.environ[name] for name in signs} == {"of who started it"}


# --- many ---


@pytest.mark.slow
def test_sixteen_runs_start_at_once(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    """All sixteen are at work before the first may end, as on a machine that has the cores for it."""
    monkeypatch.setattr(sweep, "count_workers", lambda asked, runs: asked)
    tiny.hold()
    with ThreadPoolExecutor(1) as thread:
        job = thread.submit(sweep.sweep, [tiny.path], {"learning_rate": ["0.01"]}, tmp_path / "out", 16, workers=16)
        try:
            wait_until(lambda: len(tiny.begun()) >= 16 or job.done(), 300)
        finally:
            tiny.hold(False)
        results = job.result()
    assert results["status"].tolist() == ["done"] * 16, results["error"].tolist()
    assert results["val_accuracy"].tolist() == pytest.approx([0.5 + 0.01 * (1 + seed) for seed in range(16)])
    assert len({kernel for _, kernel, _ in tiny.begun()}) == 16
    summary = read(tmp_path / "out", "summary")
    assert summary["val_accuracy_std"][0] == pytest.approx(statistics.stdev(results["val_accuracy"]))
