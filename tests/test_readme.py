"""The documents promise nothing that the repository does not hold, and the recorded numbers are whole."""

import json
import re
import shlex
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from conftest import HAS_MNIST

from course import sweep_tables
from course.__main__ import build_parser
from course.chapters import all_chapters
from course.handouts import printing
from course.maintain import picture, record, refresh, tables
from helpers import settings
from helpers.corruptions import CORRUPTIONS
from helpers.results import load_result, load_sweep

DOCUMENTS = [*settings.ROOT.glob("*.md"), settings.ROOT / "results" / "README.md", *settings.ROOT.glob("docs/*.md")]
README = tables.README.read_text(encoding="utf-8")


@pytest.fixture(params=DOCUMENTS, ids=lambda page: page.relative_to(settings.ROOT).as_posix())
def page(request: pytest.FixtureRequest) -> Path:
    return request.param


# --- tables ---


def test_the_tables_are_those_that_the_results_give() -> None:
    assert not tables.write_tables(write=False), "run `python -m course tables`"


def test_a_changed_number_would_be_found(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    number = re.search(r"test accuracy \(%\) +\| +98\.70 \| +(\d\d\.\d\d ± \d\.\d\d)", README)[1]
    changed = tmp_path / "README.md"
    changed.write_text(README.replace(number, "99.73 ± 0.09"), encoding="utf-8")
    monkeypatch.setattr(tables, "parts", lambda: {changed: {"last epoch": tables.last_epoch()}})
    assert tables.write_tables(write=False)
    assert tables.write_tables(write=True)
    assert changed.read_text(encoding="utf-8") == README


def test_a_page_without_its_markers_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("<!-- grid -->\n", encoding="utf-8")
    monkeypatch.setattr(tables, "parts", lambda: {tmp_path / "page.md": {"grid": "| 1 |"}})
    with pytest.raises(ValueError, match=r"page\.md: needs one line '<!-- grid -->' and one '<!-- end of grid -->'"):
        tables.write_tables()


def test_mean_and_spread_by_hand() -> None:
    # Mean 3; squared distances 4, 0, 4 sum to 8; over n - 1 = 2 that is 4, whose root is 2.
    assert tables.spread([1, 3, 5], 1) == "3.0 ± 2.0"
    assert tables.percent(pd.Series([0.97, 0.98, 0.99])) == "98.00 ± 1.00"


def test_a_gain_is_paired_by_seed_by_hand() -> None:
    # Seeds 0 to 2 gain 1, 2 and 0: mean 1, deviation 1; t for three runs is 4.303, over the root of 3 it is 2.484.
    new, old = pd.Series([2, 4, 3], index=[0, 1, 2]), pd.Series([3, 1, 2], index=[2, 0, 1])
    assert tables.gain(new, old) == "+1.00 (-1.48 to +3.48)"


def test_a_table_has_words_to_the_left_and_numbers_to_the_right_as_they_were_written() -> None:
    lines = tables.table([{"recipe": "`best`", "share": "98.70"}]).splitlines()
    assert [re.sub(" +", " ", line) for line in lines] == ["| recipe | share |", lines[1], "| `best` | 98.70 |"]
    assert re.fullmatch(r"\|:-+\|-+:\|", lines[1])


# --- recorded sweeps ---

SWEEPS = {  # runs, seeds, epochs, and what is varied beside the seed
    "seed_protocol": (10, 10, 10, []),
    "grid": (48, 3, 10, ["learning_rate", "batch_size"]),
    "picked": (10, 10, 10, ["learning_rate", "batch_size"]),
    "recipes": (60, 5, 10, ["recipe"]),
    "decay": (10, 5, 10, ["recipe"]),
    "best_recipe": (10, 10, 10, []),
    "small_network": (5, 5, 40, []),
    "large_network": (5, 5, 24, []),
    "one_epoch": (20, 5, 1, ["recipe"]),
    "two_ways": (20, 5, None, ["recipe", "epochs"]),
    "fast_small": (10, 10, 1, []),
}


@pytest.mark.parametrize("name", SWEEPS)
def test_the_recorded_runs_are_whole_and_on_mnist(name: str) -> None:
    runs, seeds, epochs, _ = SWEEPS[name]
    results, history = load_sweep(name), load_sweep(name, "history")
    assert len(results) == len(set(results["run"])) == runs
    assert set(results["status"]) == {"done"}
    assert set(results["dataset"]) == {"mnist"}
    assert sorted(set(results["seed"])) == list(range(seeds))
    assert set(results["epochs"]) == ({epochs} if epochs else {1, 2})
    by_run = history.groupby("run")
    for run, last, accuracy in results[["run", "epochs", "val_accuracy"]].itertuples(index=False):
        assert by_run.get_group(run)["epoch"].tolist() == list(range(1, last + 1))
        assert by_run.get_group(run)["val_accuracy"].iloc[-1] == accuracy


@pytest.mark.parametrize("name", SWEEPS)
def test_the_recorded_summaries_are_those_of_the_recorded_runs(name: str) -> None:
    expected = sweep_tables.summarize(load_sweep(name), varied=SWEEPS[name][-1])
    pd.testing.assert_frame_equal(load_sweep(name, "summary"), expected, check_dtype=False)
    page = (settings.ROOT / "results" / "sweeps" / name / "summary.md").read_text(encoding="utf-8")
    assert page == sweep_tables.markdown(expected)


def test_the_picked_setting_is_the_best_of_the_grid_by_validation() -> None:
    best, picked = load_sweep("grid", "summary").iloc[0], load_sweep("picked")
    assert best["val_accuracy_mean"] == load_sweep("grid", "summary")["val_accuracy_mean"].max()
    assert set(picked["learning_rate"]) == {best["learning_rate"]}
    assert set(picked["batch_size"]) == {best["batch_size"]}


@pytest.mark.parametrize("name", ["grid", "recipes", "decay", "one_epoch", "two_ways"])
def test_a_search_never_saw_the_test_set(name: str) -> None:
    assert not [column for column in load_sweep(name) if column.startswith("test")]


def test_the_best_recipe_is_the_best_by_validation() -> None:
    summary = load_sweep("recipes", "summary")
    assert summary.loc[summary["val_accuracy_mean"].idxmax(), "recipe"] == "best"
    assert set(summary["recipe"]) == {*settings.LADDER, *settings.ABLATIONS}


def test_the_way_to_99_is_the_better_of_two_by_validation() -> None:
    """A second epoch, or another network: both take about as long."""
    mean = load_sweep("two_ways", "summary").set_index(["recipe", "epochs"])["val_accuracy_mean"]
    assert mean["fast_small", 1] > mean["fast", 2]
    assert set(load_sweep("fast_small")["epochs"]) == {1}


def test_the_recorded_mistakes_are_those_that_the_test_accuracies_count() -> None:
    misread, accuracies = load_result("misread.json")["best_recipe"], load_sweep("best_recipe")
    assert [10_000 - len(run) for run in misread] == (10_000 * accuracies["test_accuracy"]).round().astype(int).tolist()
    assert all(true != given for run in misread for _, true, given in run)


def test_the_corrupted_images_were_read_by_the_networks_that_the_sweeps_trained() -> None:
    """Without a corruption, each seed scores what its sweep noted, image for image."""
    recorded = load_result("corruptions.json")
    for recipe, sweep in (("course", "seed_protocol"), ("best", "best_recipe")):
        noted = load_sweep(sweep).set_index("seed").loc[recorded["seeds"], "test_accuracy"]
        assert recorded["accuracy"][recipe]["none"] == pytest.approx(noted.tolist(), abs=1e-9)
    rows = [list(of_recipe) for of_recipe in recorded["accuracy"].values()]
    assert rows == [["none", *CORRUPTIONS]] * len(record.CORRUPTED)


@pytest.mark.parametrize("name", SWEEPS)
def test_a_recorded_sweep_says_how_to_repeat_it(name: str) -> None:
    """Its command is the one that `record` runs, and makes the runs that are recorded; it is parsed, not run."""
    origin = json.loads((settings.ROOT / "results" / "sweeps" / name / "origin.json").read_text(encoding="utf-8"))
    assert origin["command"] == f"python -m course {record.command(name)} --out runs/record/{name}"
    options = build_parser().parse_args(shlex.split(origin["command"])[3:])
    results, runs = load_sweep(name), options.seeds
    for part in options.grid:
        parameter, _, words = part.partition("=")
        values = {settings.parse(parameter, word) for word in words.split(",")}
        assert values == set(results[parameter])
        runs *= len(values)
    assert len(results) == runs
    assert {"python", "torch"} <= set(origin["versions"])


def test_record_runs_each_sweep_and_keeps_its_tables(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def main(words: list[str]) -> int:
        assert build_parser().parse_args(words).command == words[0]
        ran.append(words[0])
        out = Path(words[-1])
        (out / "runs" / "first").mkdir(parents=True)
        for table in record.TABLES:
            (out / table).write_text("run\nfirst\n", encoding="utf-8")
        manifest = {"code": "abc", "results": {"device": "cpu", "versions": {"torch": "2"}}}
        (out / "runs" / "first" / "run.json").write_text(json.dumps(manifest), encoding="utf-8")
        return 0

    ran: list[str] = []
    kept: list[tuple[str, Path]] = []
    monkeypatch.setattr(record, "main", main)
    monkeypatch.setattr(record, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(record, "RUNS", tmp_path / "runs")
    monkeypatch.setattr(record, "misread", lambda name: [])
    monkeypatch.setattr(record, "corrupted", lambda: {})
    monkeypatch.setattr(record, "CORRUPTED", ())
    monkeypatch.setattr(
        record, "load_sweep", lambda *_: pd.DataFrame({"run": ["first"], "learning_rate": 0.003, "batch_size": 32})
    )
    monkeypatch.setattr(record, "keep_reference", lambda *call: kept.append(call))
    record.record()
    assert ran == ["sweep"] * len(SWEEPS) + ["run"]
    assert {path.name for path in (tmp_path / "results" / "sweeps").iterdir()} == set(SWEEPS)
    origin = json.loads((tmp_path / "results" / "sweeps" / "picked" / "origin.json").read_text(encoding="utf-8"))
    assert "--grid learning_rate=0.003 --grid batch_size=32 --seeds 10" in origin["command"]
    assert kept == [("digits", tmp_path / "runs" / "digits")]


def test_a_sweep_that_failed_stops_the_record_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "main", lambda words: 1)
    monkeypatch.setattr(record, "RUNS", tmp_path)
    with pytest.raises(ValueError, match=r"seed_protocol: [^\n]*run `record` again$"):
        record.record()


# --- documents ---


def test_the_readme_is_a_front_door() -> None:
    lines = README.splitlines()
    assert len(lines) <= 120
    first_screen = "\n".join(lines[:30])
    assert "\npython -m pip install -r requirements.txt\npython -m course run\n" in first_screen
    assert "`python -m pip install -r requirements-dev.txt`, then `python -m pytest`" in first_screen
    assert first_screen.index("images/page.png") < first_screen.index("requirements.txt")


def test_the_commands_of_the_readme_mean_the_same_to_bash_powershell_and_cmd() -> None:
    """PowerShell 5.1 has no &&, cmd no comments and no single quotes; to PowerShell a bare comma makes a list."""
    commands = re.findall(r"^(?:python|uv|papermill) .*$", README, re.MULTILINE)
    commands += re.findall(r"`((?:python|uv|papermill|jupyter) [^`]*)`", README)
    assert len(commands) > 10
    for command in commands:
        assert not re.search(r"&|#|;|'|\\$|,", re.sub(r'"[^"]*"', "", command)), command


def test_the_strip_is_drawn_from_the_committed_notebooks_and_small(tmp_path: Path) -> None:
    committed = refresh.IMAGES / "strip.png"
    refresh.draw_strip(tmp_path / "strip.png")
    assert plt.imread(tmp_path / "strip.png").shape == plt.imread(committed).shape
    assert committed.stat().st_size < 300_000
    for row in refresh.STRIP:
        for _, chapter, cell, part in row:
            assert refresh.picture_of(chapter, cell, part).min() < 0.5, "blank: the cut missed the picture"


def test_without_a_browser_the_picture_of_the_page_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "page.png").write_text("the present one")
    monkeypatch.setattr(printing, "find_browser", lambda: None)
    picture.take_picture(tmp_path / "page.png")
    assert (tmp_path / "page.png").read_text() == "the present one"
    assert "page.png stays as it was: neither Chromium nor Chrome is on this machine\n" in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.skipif(not (HAS_MNIST and printing.find_browser()), reason="needs MNIST, and Chromium or Chrome")
def test_the_picture_of_the_page_is_one_of_the_page_as_it_is(tmp_path: Path) -> None:
    """Of the same size, with the drawing in the same place; another browser's letters may differ."""
    picture.take_picture(tmp_path / "page.png")
    taken, committed = plt.imread(tmp_path / "page.png"), plt.imread(refresh.IMAGES / "page.png")
    assert taken.shape == committed.shape
    pad = np.s_[: taken.shape[0] // 2, : taken.shape[1] // 3]
    assert abs(taken[pad] - committed[pad]).mean() < 0.03
    assert (refresh.IMAGES / "page.png").stat().st_size < 300_000


def test_refresh_takes_the_figures_of_the_chapters_that_it_executed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_dir, images = tmp_path / "run", tmp_path / "images"
    for folder, content in ((run_dir, "new"), (images, "old")):
        folder.mkdir()
        for name in ("confusion_matrix", "ladder", "weights"):
            (folder / f"{name}.png").write_text(content, encoding="utf-8")
    executed: list[str] = []
    monkeypatch.setenv("MNIST_COURSE_PROGRESS", "put back after the test")
    monkeypatch.setattr(refresh, "RUN_DIR", run_dir)
    monkeypatch.setattr(refresh, "IMAGES", images)
    monkeypatch.setattr(refresh.data, "load_dataset", lambda name: None)
    monkeypatch.setattr(refresh, "execute_in_place", lambda chapter: executed.append(chapter.stem))
    monkeypatch.setattr(refresh, "draw_strip", lambda path: executed.append(path.name))
    monkeypatch.setattr(refresh, "take_picture", lambda path: executed.append(path.name))
    monkeypatch.setattr(refresh, "keep_scores", lambda dataset, source: executed.append(f"scores of {source.name}"))
    refresh.refresh(["04"])
    assert executed == ["04_evaluation", "scores of run", "strip.png", "page.png"]
    found = {path.stem: path.read_text(encoding="utf-8") for path in images.iterdir()}
    assert found == {"confusion_matrix": "new", "ladder": "old", "weights": "old"}


def test_every_link_and_picture_leads_somewhere_and_pictures_have_alt_text(page: Path) -> None:
    links = re.findall(r"(!?)\[([^\]]*)\]\(([^)]+)\)", page.read_text(encoding="utf-8"))
    for mark, words, target in links:
        assert target.startswith("https://") or (page.parent / target).exists(), target
        assert not mark or len(words.split()) > 5, f"{target} needs alt text"


def test_every_file_a_page_names_in_code_exists(page: Path) -> None:
    folders = "tests|docs|results|helpers|notebooks|course|images"
    named = re.findall(rf"`((?:{folders})/[\w./]*|[\w-]+\.(?:md|txt|toml))`", page.read_text(encoding="utf-8"))
    missing = [name for name in named if not (settings.ROOT / name).exists()]
    stand_ins = {
        "summary.md",
        "secret.txt",
        "notebooks/NN_name.ipynb",
        "course/exercises/chapter_N.py",
        "tests/answers/chapter_N.py",
    }
    assert set(missing) <= stand_ins


def test_every_command_a_page_names_exists(page: Path) -> None:
    """Each is parsed with all its options, and not run."""
    for call in re.findall(r"(?:python -m course|mnist-course) ([a-z][^`\n]*)", page.read_text(encoding="utf-8")):
        words = shlex.split(call, comments=True)
        assert build_parser().parse_args(words).command == words[0]


def test_the_readme_and_the_teachers_page_name_what_a_class_needs() -> None:
    for text, needed in (
        (README, {"run", "sweep", "data", "handouts", "progress"}),
        (tables.TEACHING.read_text(encoding="utf-8"), {"handouts", "progress", "data", "run"}),
    ):
        assert needed <= set(re.findall(r"python -m course (\w+)", text))


def test_every_promise_has_a_test_that_is_there() -> None:
    promises = README.partition("## What is promised")[2].partition("\n## ")[0]
    rows = [line for line in promises.splitlines() if line.startswith("| ")][1:]
    assert len(rows) >= 8
    for row in rows:
        tests = re.findall(r"`(tests/test_\w+\.py)`", row)
        assert tests, row
        assert [test for test in tests if not (settings.ROOT / test).is_file()] == []


def test_the_minutes_of_the_chapters_are_those_that_the_chapters_tell() -> None:
    rows = re.findall(r"\(notebooks/(\S+)\.ipynb\) \|.*\| (\d+) \| (\d+) \|$", README, flags=re.MULTILINE)
    assert [stem for stem, _, _ in rows] == [chapter.stem for chapter in all_chapters()]
    for stem, minutes, of_exercises in rows:
        title = nbformat.read(settings.ROOT / "notebooks" / f"{stem}.ipynb", as_version=4).cells[0].source
        told = re.search(r"\*\*Time:\*\* (\d+) minutes.*?(\d+) for the exercises", title)
        assert (minutes, of_exercises) == told.groups(), stem
