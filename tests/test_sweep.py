"""Sweeps on this machine: tables worked out by hand; runs that fail, that are stopped, killed, repeated, many at once.

The runs are real ones, of the chapter in `tiny_chapter.py`: processes and kernels, but no training.
"""

import os
import signal
import socket
import statistics
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pandas as pd
import psutil
import pytest
import tiny_chapter
import torch
from jupyter_client.connect import LocalPortCache
from nbclient import NotebookClient
from tiny_chapter import Tiny, tiny, wait_until, wait_until_gone  # noqa: F401, tiny is a fixture

from course import apart, execution, grid, sweep, sweep_tables
from course.grid import Run
from course.maintain import refresh
from helpers import settings

POSIX = pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send and no SIGKILL")


# --- tables, worked out by hand ---


def manifest(error: str = "", **metrics: float) -> dict:
    history = [{"epoch": 1, "val_accuracy": 0.1}, {"epoch": 2, "seconds": 3.0} | metrics]
    results = {} if error else {"results": {"history": history, "versions": {"torch": "2.14.1"}}}
    return {"error": error, "seconds": 5.0} | results


def tables(out: Path, accuracies: dict[tuple, float | None]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write and return results and summary of runs that got these validation accuracies; None for one that failed."""
    runs, manifests = [], {}
    for (learning_rate, val_size, seed), accuracy in accuracies.items():
        settings = {"learning_rate": learning_rate, "val_size": val_size, "seed": seed}
        run = Run(f"learning_rate={learning_rate}_val_size={val_size}_seed={seed}_1234abcd", settings, settings)
        runs.append(run)
        manifests[run.name] = manifest("01_tiny: broke") if accuracy is None else manifest(val_accuracy=accuracy)
    results = sweep_tables.write_runs(out, runs, manifests)
    return results, sweep_tables.write_summary(out, results, ["learning_rate", "val_size", "seed"])


SIX = {
    (0.001, None, 0): 0.90,
    (0.001, None, 1): 0.92,
    (0.001, None, 2): 0.94,
    (0.01, None, 0): 0.95,
    (0.01, None, 1): 0.96,
    (0.01, None, 2): 0.97,
}


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
    assert (tmp_path / "summary.md").read_text(encoding="utf-8").splitlines() == [
        "| learning_rate | val_size | runs | failed | val_accuracy (%) | 95 % interval of the mean | seconds |",
        "|---:|---:|---:|---:|---:|---:|---:|",
        "| 0.01 | None | 3 | 0 | 96.00 ± 1.00 | 93.52 to 98.48 | 5 ± 0 |",
        "| 0.001 | None | 3 | 0 | 92.00 ± 2.00 | 87.03 to 96.97 | 5 ± 0 |",
    ]
    written = pd.read_csv(tmp_path / "summary.csv", keep_default_na=False, na_values=[""])
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
    lines = (tmp_path / "summary.md").read_text(encoding="utf-8").splitlines()
    assert lines[-1] == "| 0.1 | None | 0 | 3 | – | – | – |"
    assert results["status"].tolist() == ["failed"] * 3 + ["done"] * 2 + ["failed"] + ["done"] * 3
    assert sweep_tables.best_so_far(results) == "val_accuracy 97.00 % (learning_rate=0.01_val_size=None_seed=2)"
    assert sweep_tables.best_so_far(tables(tmp_path, broken)[0]) == "none yet"


def test_one_seed_has_no_spread(tmp_path: Path) -> None:
    _, summary = tables(tmp_path, {(0.1, None, 0): 0.5, (0.1, 10, 0): 0.5, (0.1, 20, 0): 0.75})
    assert summary["val_size"].tolist() == [20, "None", 10]  # the best first, equals in the grid's order
    assert summary[["val_accuracy_std", "val_accuracy_low", "val_accuracy_high"]].isna().all(axis=None)
    last = (tmp_path / "summary.md").read_text(encoding="utf-8").splitlines()[-1]
    assert last == "| 0.1 | 10 | 1 | 0 | 50.00 | – | 5 |"


def test_results_have_one_row_a_run_and_history_one_an_epoch(tmp_path: Path) -> None:
    tables(tmp_path, {(0.1, None, 0): 0.5, (0.1, None, 1): None, (0.1, 10, 0): 0.75})
    assert (tmp_path / "results.csv").read_text(encoding="utf-8").splitlines() == [
        "run,status,learning_rate,val_size,seed,val_accuracy,seconds,torch,error",
        "learning_rate=0.1_val_size=None_seed=0_1234abcd,done,0.1,None,0,0.5,5.0,2.14.1,",
        "learning_rate=0.1_val_size=None_seed=1_1234abcd,failed,0.1,None,1,,5.0,,01_tiny: broke",
        "learning_rate=0.1_val_size=10_seed=0_1234abcd,done,0.1,10,0,0.75,5.0,2.14.1,",
    ]
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["epoch"].tolist() == [1, 2, 1, 2]
    assert history["val_accuracy"].tolist() == [0.1, 0.5, 0.1, 0.75]


def test_a_result_on_the_test_set_never_chooses(tmp_path: Path) -> None:
    results = pd.DataFrame(
        {"run": ["a_1", "b_2"], "status": "done", "epochs": [1, 2], "val_accuracy": [0.6, 0.5], "test_accuracy": [0, 1]}
    )
    assert sweep_tables.summarise(results, ["epochs"])["epochs"].tolist() == [1, 2]
    assert sweep_tables.best_so_far(results) == "val_accuracy 60.00 % (a)"


# --- the plan ---


def test_every_combination_runs_with_every_seed(tiny: Tiny) -> None:  # noqa: F811
    runs = grid.plan([tiny.path], {"learning_rate": ["0.1", "1"], "val_size": ["None", "5"]}, 2)
    found = [(run.values["learning_rate"], run.values["val_size"], run.values["seed"]) for run in runs]
    assert found == [(rate, size, seed) for rate in (0.1, 1.0) for size in (None, 5) for seed in (0, 1)]
    assert len({run.name for run in runs}) == 8
    assert runs[0].name.startswith("learning_rate=0.1_val_size=None_seed=0_")
    assert list(runs[0].settings) == ["learning_rate", "val_size", "seed"]


def test_the_name_of_a_run_tells_all_settings_apart(tiny: Tiny) -> None:  # noqa: F811
    """Also those that all runs share, so that two sweeps may write to one folder."""
    names = [
        grid.plan([tiny.path], {"seed": ["0"]}, None, fixed)[0].name
        for fixed in ([], [("learning_rate", "0.1")], [("learning_rate", "0.2")])
    ]
    assert len(set(names)) == 3


def test_auto_beside_the_data_set_it_finds_is_a_value_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grid, "check_values", lambda values: {"dataset": "digits"})
    chapter = settings.ROOT / "notebooks" / "03_training.ipynb"
    with pytest.raises(ValueError, match=r"^grid: auto stands beside the data set that it finds"):
        grid.plan([chapter], {"dataset": ["auto", "digits"]}, None)


# --- a sweep, once for several tests: six runs, two of which fail ---

GRID = {"learning_rate": ["0.01", "0.5", "0.1"]}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory):
    """The chapter, a folder for its sweeps, and five processor threads."""
    folder = tmp_path_factory.mktemp("sweep")
    chapter = Tiny(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TINY_PLACE", str(chapter.place))
        patch.setattr(torch, "get_num_threads", lambda: 5)
        sweep.sweep([chapter.path], GRID, folder / "out", 2, workers=2)
        yield chapter, folder / "out"


def read(out: Path, table: str = "results") -> pd.DataFrame:
    return pd.read_csv(out / f"{table}.csv", keep_default_na=False, na_values=[""])


def test_a_failed_run_is_a_row_and_the_others_are_done(world: tuple[Tiny, Path]) -> None:
    _, out = world
    results = read(out)
    assert results["learning_rate"].tolist() == [0.01, 0.01, 0.5, 0.5, 0.1, 0.1]
    assert results["seed"].tolist() == [0, 1] * 3
    assert results["status"].tolist() == ["done", "done", "failed", "failed", "done", "done"]
    assert results["val_accuracy"].dropna().tolist() == pytest.approx([0.51, 0.52, 0.6, 0.7])
    raised, killed = results["error"].dropna()
    assert raised == (
        "01_tiny: cell 3 failed with RuntimeError: too fast for weights.safetensors; see 01_tiny.ipynb"  # no temporary folder
    )
    assert killed.startswith("the run's process died (exit status -9; out of memory?)")
    summary = read(out, "summary")
    assert summary["learning_rate"].tolist() == [0.1, 0.01, 0.5]
    assert summary["failed"].tolist() == [0, 0, 2]
    assert summary["val_accuracy_mean"].tolist()[:2] == pytest.approx([0.65, 0.515])
    assert len(read(out, "history")) == 4


def test_a_run_leaves_notebook_record_and_results(world: tuple[Tiny, Path]) -> None:
    _, out = world
    for name, status in zip(read(out)["run"], read(out)["status"], strict=True):
        kept = {path.name for path in (out / "runs" / name).iterdir()}
        whole = {"01_tiny.ipynb", "01_tiny.json", "results.json", "run.json"}
        assert kept == whole if status == "done" else {"01_tiny.ipynb", "run.json"} <= kept < whole
    assert len(list((out / "runs").iterdir())) == 6


def test_threads_are_shared_out(world: tuple[Tiny, Path]) -> None:
    assert set(read(world[1], "history")["threads"]) == {5 // 2}


def test_other_code_is_refused_and_other_prose_is_not(world: tuple[Tiny, Path]) -> None:
    tiny, out = world  # noqa: F811
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    tiny.write(save=tiny_chapter.SAVE + "# other code")
    with pytest.raises(ValueError) as caught:
        sweep.sweep([tiny.path], GRID, out, 2, workers=2)
    assert str(caught.value) == f"out: {out} holds runs of another version of these chapters; give another folder"
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    tiny.write(text="Other prose.")
    results = sweep.sweep([tiny.path], {"learning_rate": ["0.01", "0.1"]}, out, 2, workers=2)
    assert results["status"].tolist() == ["done"] * 4
    assert len(tiny.begun()) == 6  # none ran again


def test_a_changed_helper_is_other_code(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    (tmp_path / "helpers").mkdir()
    helper = tmp_path / "helpers" / "training.py"
    helper.write_text("epochs = 1\n")
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    before = apart.code_of((str(tiny.path),))
    helper.write_bytes(b"epochs = 1\r\n")  # as git writes it on Windows
    assert apart.code_of((str(tiny.path),)) == before
    helper.write_text("epochs = 2\n")
    assert apart.code_of((str(tiny.path),)) != before


def test_the_same_command_runs_what_failed_or_was_damaged(world: tuple[Tiny, Path]) -> None:
    """After the tests above: it changes the folder that they look at."""
    tiny, out = world  # noqa: F811
    names = list(dict.fromkeys(path.name for path in sorted((out / "runs").iterdir())))
    by_settings = {"_".join(name.split("_")[:3]).replace("learning_rate=", ""): name for name in names}
    (out / "runs" / by_settings["0.01_seed=0"] / "run.json").write_text('{"name": "lea')
    results_file = out / "runs" / by_settings["0.01_seed=1"] / "results.json"
    results_file.write_text(results_file.read_text().replace("0.52", "0.99"))
    kept = [out / "runs" / by_settings[name] / "01_tiny.ipynb" for name in ("0.1_seed=0", "0.1_seed=1")]
    before = [path.stat().st_mtime_ns for path in kept]
    (tiny.place / "mended").touch()
    results = sweep.sweep([tiny.path], GRID, out, 2, workers=2)
    assert results["status"].tolist() == ["done"] * 6
    assert read(out)["error"].isna().all()
    assert [path.stat().st_mtime_ns for path in kept] == before
    ran = [settings for settings, *_ in tiny.begun()]
    assert {settings: ran.count(settings) for settings in ran} == {
        "0.01_0": 2, "0.01_1": 2, "0.5_0": 2, "0.5_1": 2, "0.1_0": 1, "0.1_1": 1
    }  # fmt: skip


# --- stopped and killed ---


def start(tiny: Tiny, out: Path) -> tuple[subprocess.Popen, list[psutil.Process]]:  # noqa: F811
    """Start a sweep of three runs, one at a time; return it when one is finished and one waits, with its processes.

    The processes are the run's and the kernel's, as the run itself tells.
    """
    tiny.hold()
    tiny.let_go(0.1, 0)
    grid_words = ["--grid", "learning_rate=0.1", "--seeds", 3, "--workers", 1, "--out", out]
    process = subprocess.Popen(
        tiny.command("sweep", "1", *grid_words),
        env=tiny_chapter.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    wait_until(lambda: len(tiny.begun()) == 2 and list(out.glob("runs/*_seed=0_*/run.json")))
    waiting = [pid for settings, *pids in tiny.begun() if settings != "0.1_0" for pid in pids]
    return process, tiny_chapter.processes(waiting)


@POSIX
def test_ctrl_c_ends_all_processes_and_keeps_what_is_finished(tiny: Tiny, tmp_path: Path) -> None:  # noqa: F811
    out = tmp_path / "out"
    process, begun = start(tiny, out)
    assert len(begun) == 2
    everything = psutil.Process(process.pid).children(recursive=True)
    process.send_signal(signal.SIGINT)
    printed, errors = process.communicate(timeout=120)
    assert process.returncode == 130
    assert errors.splitlines() == ["Stopped. What was finished is kept."]
    assert printed.splitlines()[0].startswith("1/3  learning_rate=0.1_seed=0_")
    wait_until_gone([*begun, *everything])
    assert [path.name.split("_")[2] for path in (out / "runs").iterdir()] == ["seed=0"]
    assert len(tiny.begun()) == 2  # the third never began

    (next((out / "runs").iterdir()).with_name("learning_rate=0.1_seed=1_half.part")).mkdir()  # as a kill may leave it
    tiny.hold(False)
    finished = (next(out.glob("runs/*_seed=0_*")) / "run.json").stat().st_mtime_ns
    results = sweep.sweep([tiny.path], {"learning_rate": ["0.1"]}, out, 3, workers=2)
    assert results["status"].tolist() == ["done"] * 3
    assert (next(out.glob("runs/*_seed=0_*")) / "run.json").stat().st_mtime_ns == finished
    assert sum(settings == "0.1_0" for settings, *_ in tiny.begun()) == 1


@POSIX
def test_a_killed_sweep_takes_its_processes_along(tiny: Tiny, tmp_path: Path) -> None:  # noqa: F811
    process, begun = start(tiny, tmp_path / "out")
    everything = psutil.Process(process.pid).children(recursive=True)
    assert set(begun) <= set(everything)
    process.kill()
    process.communicate()
    wait_until_gone(everything)
    assert len(list((tmp_path / "out" / "runs").iterdir())) == 1


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
    chapters = (str(tiny.path),)
    apart.stop_runs("stopped")
    outcome = apart.run_in_subprocess(apart.Job(chapters, {}, "stopped", apart.code_of(chapters), 1))
    assert outcome.error
    assert not outcome.files
    assert not tiny.begun()


def test_two_sweeps_do_not_share_a_folder(tiny: Tiny, tmp_path: Path) -> None:  # noqa: F811
    with (
        sweep.alone_in(tmp_path / "out"),
        pytest.raises(ValueError, match=r"^out: another sweep is at work in ") as one,
    ):
        sweep.sweep([tiny.path], {"learning_rate": ["0.1"]}, tmp_path / "out")
    assert "\n" not in str(one.value)
    assert not tiny.begun()


# --- kernels that die ---


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
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    marks = dies_at_start(tmp_path, 2, monkeypatch)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    results = execution.run_chapters([tiny.path], {"learning_rate": 0.1}, tmp_path / "run", progress=False)
    assert results["history"][0]["val_accuracy"] == 0.6
    assert len(list(marks.iterdir())) == 3
    assert len(tiny.begun()) == 1


def test_a_kernel_that_never_starts_is_given_up(
    tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch  # noqa: F811
) -> None:  # fmt: skip
    marks = dies_at_start(tmp_path, 99, monkeypatch)
    with pytest.raises(execution.ChapterError) as caught:
        execution.run_chapters([tiny.path], {}, tmp_path / "run", progress=False)
    assert str(caught.value) == "01_tiny: its kernel did not start, 3 times"
    assert len(list(marks.iterdir())) == 3


def test_a_kernel_that_dies_later_is_not_started_again(tiny: Tiny, tmp_path: Path) -> None:  # noqa: F811
    tiny.write(save="os._exit(9)")
    with pytest.raises(execution.ChapterError, match=r"^01_tiny: its kernel died \(out of memory\?\); see "):
        execution.run_chapters([tiny.path], {"learning_rate": 0.1}, tmp_path / "run", progress=False)
    assert len(tiny.begun()) == 1


@pytest.mark.skipif(os.name == "nt", reason="on Windows kernels listen at ports")
def test_a_kernel_needs_no_free_port(tiny: Tiny, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # noqa: F811
    """A port that two kernels were given would leave one of them deaf; here the one for outputs is always taken."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setattr(LocalPortCache, "find_available_port", lambda *_: taken.getsockname()[1])
        results = execution.run_chapters([tiny.path], {"learning_rate": 0.1}, tmp_path / "run", progress=False)
    assert results["history"][0]["val_accuracy"] == 0.6
    assert len(tiny.begun()) == 1


# --- many, and from where ---


def test_sixteen_runs_start_at_once(tiny: Tiny, tmp_path: Path) -> None:  # noqa: F811
    """All sixteen are at work before the first may end."""
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


def test_a_notebook_may_sweep(tiny: Tiny, tmp_path: Path) -> None:  # noqa: F811
    """Where an event loop runs already, which papermill can't do without."""
    source = (
        "from pathlib import Path\nfrom course import sweep\n"
        f"results = sweep.sweep([Path({str(tiny.path)!r})], {{'learning_rate': ['0.1']}}, Path('out'), workers=1)\n"
        "print(results['status'].tolist())"
    )
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source)], metadata=refresh.METADATA)
    NotebookClient(notebook, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}).execute()
    said = "".join(output.get("text", "") for output in notebook.cells[0].outputs if output.get("name") == "stdout")
    assert said.splitlines()[-1] == "['done']"
    assert read(tmp_path / "out")["val_accuracy"].tolist() == pytest.approx([0.6])
