"""`python -m course …`: bad input ends with status 2, one line, nothing written; a failing chapter with status 1."""

import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import nbformat
import pytest
import torch

from course import chapters, executors, folder, sweep
from course.__main__ import main
from course.maintain import refresh
from helpers import settings


@dataclass
class Answer:
    """What a command answered: exit status, and the lines it printed."""

    status: int
    out: list[str]
    err: list[str]


@pytest.fixture
def call(capfd: pytest.CaptureFixture) -> Callable[..., Answer]:
    """Calls the command line as the terminal does, without the seconds of a new process; hears kernels too."""

    def call(*words: object) -> Answer:
        capfd.readouterr()
        try:
            status = main([str(word) for word in words])
        except SystemExit as stop:  # argparse ends so
            status = int(stop.code)
        captured = capfd.readouterr()
        return Answer(status, captured.out.splitlines(), captured.err.splitlines())

    return call


def assert_refused(answer: Answer, *words: str) -> None:
    """Check the promise of bad input: status 2 and exactly one line, which holds `words`."""
    assert answer.status == 2
    assert answer.out == []
    assert len(answer.err) == 1
    for word in words:
        assert word in answer.err[0]


# The words after `run`, and what the one line must say.
BAD_RUNS = {
    "unknown chapter": (["99"], ["unknown chapter '99'", "01_data, 02_model"]),
    "misspelled chapter": (["03_trainig"], ["unknown chapter '03_trainig'"]),
    "one chapter of two": (["01", "zero"], ["unknown chapter 'zero'"]),
    "unknown data set": (["-p", "dataset", "mnits"], ["dataset: got 'mnits'", "auto, mnist, fashion"]),
    "unknown device": (["-p", "device", "tpu"], ["device: got 'tpu'", "auto, cpu, cuda, mps"]),
    "misspelled parameter": (["-p", "epoch", "3"], ["unknown parameter 'epoch'", "did you mean 'epochs'?"]),
    "unlike any parameter": (["-p", "color", "3"], ["unknown parameter 'color'", "choose one of", "epochs"]),
    "not in this chapter": (["01", "-p", "epochs", "3"], ["unknown parameter 'epochs' in 01_data"]),
    "given twice": (["-p", "epochs", "3", "-p", "epochs", "4"], ["'epochs' is given twice"]),
    "run_dir": (["-p", "run_dir", "elsewhere"], ["run_dir: got 'elsewhere'", "--out"]),
    "no value": (["-p", "epochs"], ["-p", "expected 2 arguments"]),
    "unknown option": (["--epochs", "3"], ["unrecognized arguments: --epochs"]),
    "val_size of all": (["-p", "dataset", "digits", "-p", "val_size", "1500"], ["val_size: got 1500; give 1 to 1499"]),
    **{
        f"{name} {word}": (["-p", name, word], [f"{name}: got "])
        for name, words in {
            "epochs": ("0", "-2", "1000000000", "1.5", "ten", "nan", "True", ""),
            "batch_size": ("0", "-64", "many"),
            "learning_rate": ("0", "-0.1", "-1e-3", "1e300", "nan", "inf", "-inf", "fast"),
            "val_size": ("0", "-1", "some"),
            "seed": ("-1", "x", str(2**64)),
            "data_dir": ("", "  ", "~nosuchuser/data"),
        }.items()
        for word in words
    },
}


@pytest.mark.parametrize("row", BAD_RUNS)
def test_bad_input_is_refused_before_anything_is_written(row: str, call: Callable[..., Answer], tmp_path: Path) -> None:
    words, said = BAD_RUNS[row]
    assert_refused(call("run", *words, "--out", tmp_path / "out"), "python -m course", *said)
    assert list(tmp_path.iterdir()) == []


def test_a_device_this_machine_lacks_is_refused(call: Callable[..., Answer], tmp_path: Path) -> None:
    found = torch.accelerator.current_accelerator(check_available=True)
    missing = "mps" if found is not None and found.type == "cuda" else "cuda"
    answer = call("run", "-p", "dataset", "digits", "-p", "device", missing, "--out", tmp_path / "out")
    assert_refused(answer, f"device: '{missing}' is not available on this machine")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("dataset", ["auto", "mnist"])
def test_a_data_folder_that_cannot_be_written_is_refused(
    dataset: str, no_network: None, call: Callable[..., Answer], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    folder = tmp_path / "file" / "data"
    answer = call("run", "-p", "dataset", dataset, "-p", "data_dir", folder, "--out", tmp_path / "out")
    assert_refused(answer, "data_dir: ", str(folder))
    assert not (tmp_path / "out").exists()


def test_mnist_without_network_and_files_is_refused_with_the_remedy(
    no_network: None, call: Callable[..., Answer], tmp_path: Path
) -> None:
    data_dir = tmp_path / "data"
    answer = call("run", "-p", "dataset", "mnist", "-p", "data_dir", data_dir, "--out", tmp_path / "out")
    assert_refused(answer, "t10k-labels-idx1-ubyte.gz", str(data_dir / "MNIST" / "raw"), "--mirror")
    assert not (tmp_path / "out").exists()


def test_an_out_that_is_a_file_is_refused(call: Callable[..., Answer], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    for out, said in ((tmp_path / "file", "is a file"), (tmp_path / "file" / "below", "can't be written")):
        assert_refused(call("run", "01", "-p", "dataset", "digits", "--out", out), f"out: '{out}' {said}")
    assert (tmp_path / "file").read_text() == "mine"


def test_an_out_that_is_write_protected_is_refused(call: Callable[..., Answer], tmp_path: Path, monkeypatch) -> None:
    """Root may write anywhere, so the operating system's refusal is played here."""

    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied", str(tmp_path))

    monkeypatch.setattr("helpers.results.NamedTemporaryFile", refuse)
    answer = call("run", "01", "-p", "dataset", "digits", "--out", tmp_path)
    assert_refused(answer, f"out: '{tmp_path}' can't be written (Permission denied)")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["rnu"], ["'rnu'", "run"]),
        (["data", "--dataset", "mnits"], ["dataset: unknown data set 'mnits'", "mnist, fashion, kmnist, qmnist"]),
        (["data", "--dataset", "digits"], ["dataset: unknown data set 'digits'"]),  # nothing to fetch
        (["data", "--mirror", "my-mirror"], ["mirror: got 'my-mirror'", "http"]),
        (["record", "--seeds", "1"], ["unrecognized arguments: --seeds 1"]),
        (["sweep", "--out", "out"], ["CHAPTER"]),
        (["sweep", "03"], ["--out"]),
        (["refresh", "99"], ["unknown chapter '99'"]),
    ],
)
def test_other_commands_refuse_too(words: list[str], said: list[str], call: Callable[..., Answer]) -> None:
    assert_refused(call(*words), *said)


def test_data_without_network_is_refused_with_the_remedy(
    no_network: None, call: Callable[..., Answer], tmp_path: Path
) -> None:
    assert_refused(call("data", "--data-dir", tmp_path), "train-images-idx3-ubyte.gz", str(tmp_path / "MNIST" / "raw"))


def test_the_version_is_that_of_the_installed_course(call: Callable[..., Answer]) -> None:
    assert call("--version").out == [f"mnist-course {version('mnist-course')}"]


def test_every_command_has_help(call: Callable[..., Answer]) -> None:
    for command in ("run", "sweep", "data", "record", "tables", "refresh"):
        answer = call(command, "--help")
        assert answer.status == 0
        assert answer.out[0].startswith(f"usage: python -m course {command}")


def test_a_real_process_ends_as_the_function_does(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "course", "run", "-p", "epoch", "3", "--out", str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.splitlines() == [done.stderr.strip()]
    assert "did you mean 'epochs'?" in done.stderr
    assert list(tmp_path.iterdir()) == []


# --- sweeps ---

DIGITS = ["03", "-p", "dataset", "digits"]
# The words after `sweep`, and what the one line must say.
BAD_SWEEPS = {
    "unknown chapter": (["99"], ["unknown chapter '99'"]),
    "misspelled parameter": (
        ["03", "-p", "epoch", "3"],
        ["unknown parameter 'epoch' in 03_training; did you mean 'ep"],
    ),
    "misspelled in the grid": (["03", "--grid", "epoch=3"], ["unknown parameter 'epoch' in 03_training; did you mean"]),
    "of no chosen chapter": (["01", "04", "--grid", "epochs=3"], ["unknown parameter 'epochs' in 01_data, 04_eval"]),
    "no seed to set": (["04", "--seeds", "2"], ["unknown parameter 'seed' in 04_evaluation"]),
    "a bad value": ([*DIGITS, "-p", "epochs", "3.5"], ["epochs: got '3.5'"]),
    "a bad value, second": ([*DIGITS, "--grid", "learning_rate=0.1,abc"], ["learning_rate: got 'abc'"]),
    "unknown data set": (["03", "--grid", "dataset=digits,mnits"], ["dataset: got 'mnits'"]),
    "val_size of all": ([*DIGITS, "--grid", "val_size=100,1500"], ["val_size: got 1500; give 1 to 1499"]),
    "no =": (["03", "--grid", "epochs"], ["grid: got 'epochs'; give NAME=V1,V2"]),
    "no name": (["03", "--grid", "=1,2"], ["grid: got '=1,2'"]),
    "no values": (["03", "--grid", "epochs="], ["grid: got 'epochs='"]),
    "an empty value": (["03", "--grid", "epochs=1,,2"], ["grid: got 'epochs=1,,2'"]),
    "a value twice": ([*DIGITS, "--grid", "epochs=1,2,1"], ["grid: epochs has a value twice in 1, 2, 1"]),
    "a number twice": ([*DIGITS, "--grid", "learning_rate=1e-3,0.001"], ["learning_rate has a value twice in 1e-3, "]),
    "a grid twice": (["03", "--grid", "epochs=1", "--grid", "epochs=2"], ["grid: 'epochs' is given twice"]),
    "fixed twice": ([*DIGITS, "-p", "epochs", "1", "-p", "epochs", "2"], ["'epochs' is given twice"]),
    "fixed and in the grid": ([*DIGITS, "-p", "epochs", "1", "--grid", "epochs=2"], ["'epochs' is given twice"]),
    "fixed seed and seeds": ([*DIGITS, "-p", "seed", "1", "--seeds", "2"], ["'seed' is given twice"]),
    "seed in the grid and seeds": ([*DIGITS, "--grid", "seed=1,2", "--seeds", "2"], ["seed: stands in the grid and"]),
    "run_dir in the grid": (["03", "--grid", "run_dir=a,b"], ["run_dir: got 'a'", "--out"]),
    "no seeds": ([*DIGITS, "--seeds", "0"], ["seeds: got 0"]),
    "seeds no number": ([*DIGITS, "--seeds", "two"], ["--seeds", "'two'"]),
    "no workers": ([*DIGITS, "--workers", "0"], ["workers: got 0; give a whole number of at least 1"]),
    "workers no number": ([*DIGITS, "--workers", "all"], ["--workers", "'all'"]),
    "workers of a cluster": ([*DIGITS, "--workers", "2", "--scheduler", "tcp://127.0.0.1:9"], ["workers: got 2, but"]),
    "no address": ([*DIGITS, "--scheduler", "here"], ["scheduler: nobody answers at 'here' (missing port number"]),
    "too many seeds": ([*DIGITS, "--seeds", "10000000"], ["grid: asks for 10,000,000 runs; give at most 10,000"]),
    "too many together": ([*DIGITS, "--grid", "epochs=1,2", "--seeds", "5001"], ["grid: asks for 10,002 runs"]),
    "patience with nobody": ([*DIGITS, "--patience", "5"], ["patience: got 5; give seconds above 0, together with a"]),
    "patience of none": ([*DIGITS, "--patience", "nan", "--scheduler", "tcp://127.0.0.1:9"], ["patience: got nan"]),
    "slurm without =": (["03", "--slurm", "short", *DIGITS[1:]], ["slurm: got 'short'; give NAME=VALUE as sbatch"]),
    "slurm without a value": (["03", "--slurm", "qos= "], ["slurm: got 'qos= '"]),
    "slurm with a line more": (["03", "--slurm", "qos=a\nrm -r ~"], ["slurm: got 'qos=a\\nrm -r ~'"]),
    "hours of slurm": (["03", "--slurm", "time=1:00:00"], ["slurm: time: got '1:00:00'; give a whole number of min"]),
    "no processors": (["03", "--slurm", "cpus-per-task=0"], ["slurm: cpus_per_task: got '0'; give a whole number of"]),
    "an array of slurm": (["03", "--slurm", "array=1-3"], ["slurm: array can't be given, since each run is a job"]),
    "slurm and Dask": ([*DIGITS, "--scheduler", "tcp://127.0.0.1:9", "--slurm"], ["slurm: is given together with"]),
    "patience with slurm": ([*DIGITS, "--slurm", "--patience", "5"], ["patience: got 5; give seconds above 0, toget"]),
    "an address of the web": ([*DIGITS, "--scheduler", "http://127.0.0.1:9"], ["(unknown address scheme 'http'"]),
}


@pytest.fixture
def no_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the test end at once should a run be handed in."""

    def hand_in(*_: object) -> None:
        raise AssertionError("a run began")

    monkeypatch.setattr(executors, "ANSWER_TIMEOUT", 1)
    monkeypatch.setattr(sweep, "run_in_subprocess", hand_in)


@pytest.mark.parametrize("row", BAD_SWEEPS)
def test_a_bad_sweep_is_refused_before_anything_is_written(
    row: str, call: Callable[..., Answer], tmp_path: Path, no_run: None
) -> None:
    words, said = BAD_SWEEPS[row]
    assert_refused(call("sweep", *words, "--out", tmp_path / "out"), "python -m course sweep: ", *said)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("listens", [False, True])
def test_a_scheduler_that_does_not_answer_is_refused(
    listens: bool, call: Callable[..., Answer], tmp_path: Path, no_run: None
) -> None:
    """Nobody is at the port, or somebody who says nothing, as a web page does to a Dask client."""
    with socket.socket() as port:
        port.bind(("127.0.0.1", 0))
        if listens:
            port.listen()
        address = f"tcp://127.0.0.1:{port.getsockname()[1]}"
        answer = call("sweep", *DIGITS, "--scheduler", address, "--out", tmp_path / "out")
    assert_refused(answer, f"scheduler: nobody answers at '{address}' (", "give tcp://HOST:PORT")
    assert list(tmp_path.iterdir()) == []


def test_a_cluster_without_the_package_for_it_is_refused(
    call: Callable[..., Answer], tmp_path: Path, no_run: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    answer = call("sweep", *DIGITS, "--scheduler", "tcp://127.0.0.1:9", "--out", tmp_path / "out")
    assert_refused(answer, "scheduler: needs the package distributed")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("submitit", "slurm: needs the package submitit; run: python -m pip install submitit"),
        ("", "slurm: sbatch and srun are not here; sweep where SLURM takes jobs, such as a login node"),
    ],
)
def test_slurm_without_what_it_needs_is_refused(
    module: str, said: str, call: Callable[..., Answer], tmp_path: Path, no_run: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert_refused(call("sweep", *DIGITS, "--out", tmp_path / "out", "--slurm"), said)
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_to_an_out_that_is_a_file_is_refused(call: Callable[..., Answer], tmp_path: Path, no_run: None) -> None:
    (tmp_path / "file").write_text("mine")
    assert_refused(call("sweep", *DIGITS, "--out", tmp_path / "file"), f"out: '{tmp_path / 'file'}' is a file")
    below = tmp_path / "file" / "below"
    assert_refused(call("sweep", *DIGITS, "--out", below), f"out: '{below}' can't be written")
    assert_refused(call("sweep", *DIGITS, "--out", ""), "--out: got an empty name")
    assert (tmp_path / "file").read_text() == "mine"


def test_a_sweep_to_a_write_protected_out_is_refused(
    call: Callable[..., Answer], tmp_path: Path, no_run: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: object) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("course.folder.results.write_json", refuse)
    answer = call("sweep", *DIGITS, "--out", tmp_path)
    assert_refused(answer, f"out: '{tmp_path}' can't be written (Permission denied)")


# --- the list of parameters ---


def test_a_misspelled_parameter_is_answered_word_for_word(call: Callable[..., Answer], tmp_path: Path) -> None:
    answer = call("run", "03", "-p", "epoch", "3", "--out", tmp_path / "out")
    assert answer.err == ["python -m course run: unknown parameter 'epoch' in 03_training; did you mean 'epochs'?"]


def test_run_lists_each_parameter_with_type_default_and_help(call: Callable[..., Answer], tmp_path: Path) -> None:
    answer = call("run", "--list", "--out", tmp_path / "out")
    assert (answer.status, answer.err) == (0, [])
    blocks = "\n".join(answer.out).split("\n\n")
    assert [block.splitlines()[0] for block in blocks] == [chapter.stem for chapter in chapters.all_chapters()]
    for block, chapter in zip(blocks, chapters.all_chapters(), strict=True):
        for line, parameter in zip(block.splitlines()[1:], chapters.parameters_of(chapter), strict=True):
            assert parameter.help
            words = [parameter.name, *parameter.type.split(), repr(parameter.default), *parameter.help.split()]
            assert line.split() == words
    assert list(tmp_path.iterdir()) == []


def test_the_list_of_a_chapter_is_its_cell_of_parameters(call: Callable[..., Answer], failing_course: Path) -> None:
    write_chapter(chapters.NOTEBOOKS / "04_none.ipynb", "x = 1")
    assert call("run", "02", "04", "--list").out == [
        "02_broken",
        "  run_dir  str  'runs/latest'  folder of the run",
        "  dataset  str  'auto'         which images",
        "",
        "04_none",
    ]
    assert_refused(call("run", "99", "--list"), "unknown chapter '99'")


# --- chapters are found by number or name ---


@pytest.mark.parametrize("name", ["01", "1", "01_data"])
def test_a_chapter_has_a_number_and_a_name(name: str) -> None:
    assert [chapter.stem for chapter in chapters.select_chapters([name])] == ["01_data"]


def test_chapters_come_in_the_order_of_the_course_and_once() -> None:
    chosen = chapters.select_chapters(["02", "01_data", "2"])
    assert [chapter.stem for chapter in chosen] == ["01_data", "02_model"]
    assert chapters.select_chapters([]) == chapters.all_chapters()


def test_every_parameter_of_a_chapter_can_be_set() -> None:
    """`val_size: int | None` is one that papermill's own inspection overlooks."""
    names = chapters.parameter_names(chapters.select_chapters(["01"])[0])
    assert names == ["dataset", "data_dir", "run_dir", "val_size", "batch_size", "seed"]


# --- a chapter that fails ---

PARAMETERS = 'run_dir: str = "runs/latest"  # folder of the run\ndataset: str = "auto"  # which images'
SAVE = 'from helpers import results\nresults.save_record(run_dir, "01_fine", dataset=dataset, parameters={}, seed=3)'


def write_chapter(path: Path, *sources: str) -> None:
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    cells[0].metadata["tags"] = ["parameters"]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=refresh.METADATA), path)


@pytest.fixture
def failing_course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course of two chapters, the second of which fails in its third cell; returns an empty folder for the run."""
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    write_chapter(notebooks / "01_fine.ipynb", PARAMETERS, SAVE)
    write_chapter(notebooks / "02_broken.ipynb", PARAMETERS, "print('so far')", "raise RuntimeError('first\\nsecond')")
    write_chapter(notebooks / "03_never.ipynb", PARAMETERS)
    monkeypatch.setattr(chapters, "NOTEBOOKS", notebooks)
    return tmp_path / "out"


def test_a_failing_chapter_stops_the_run_and_is_named(failing_course: Path, call: Callable[..., Answer]) -> None:
    with folder.own(failing_course, "run"):
        (failing_course / "results.json").write_text('"of an earlier run"')
    answer = call("run", "-p", "dataset", "digits", "--out", failing_course)
    assert answer.status == 1
    fine, last = answer.err  # and no bar, since this is no terminal
    assert fine.startswith("01_fine: ")
    assert last.startswith("02_broken: cell ")
    assert "RuntimeError" in last
    assert str(failing_course / "02_broken.ipynb") in last

    kept = sorted(path.name for path in failing_course.glob("[!.]*"))
    assert kept == ["01_fine.ipynb", "01_fine.json", "02_broken.ipynb"]
    partial = nbformat.read(failing_course / "02_broken.ipynb", as_version=4)
    outputs = [output for cell in partial.cells if cell.cell_type == "code" for output in cell.outputs]
    assert [output.get("text", output.get("ename")) for output in outputs] == ["so far\n", "RuntimeError"]
    failed = next(cell for cell in partial.cells if cell.cell_type == "code" and "raise RuntimeError" in cell.source)
    assert f"cell {failed.execution_count} failed" in last


def test_a_run_has_a_folder_of_its_own_beside_that_of_the_notebooks(
    failing_course: Path, call: Callable[..., Answer], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In runs/latest a learner's notebooks keep weights and records, which a rerun on other data must not replace."""
    monkeypatch.setattr(settings, "ROOT", tmp_path)
    record = tmp_path / "runs" / "latest" / "01_fine.json"
    record.parent.mkdir(parents=True)
    record.write_text("a learner's")
    answer = call("run", "1", "-p", "dataset", "digits")
    assert answer.status == 0
    kept = sorted(path.name for path in (tmp_path / "runs" / "run").glob("[!.]*"))
    assert kept == ["01_fine.ipynb", "01_fine.json", "results.json"]
    assert [path.name for path in record.parent.iterdir()] == ["01_fine.json"]
    assert record.read_text() == "a learner's"
    assert not any("WARNING" in line for line in answer.err)
