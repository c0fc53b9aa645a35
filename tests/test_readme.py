"""The README promises nothing that the repository does not hold."""

import json
import math
import re
import shlex

import nbformat
import pandas as pd
import pytest

from course import sweep_tables
from course.__main__ import build_parser
from course.chapters import all_chapters
from course.maintain import tables
from course.sweep import parse_grid
from helpers import settings
from helpers.results import load_result, load_sweep

TEXT = tables.README.read_text(encoding="utf-8")


def test_the_tables_are_those_that_the_results_give() -> None:
    assert not tables.write_tables(write=False), "run `python -m course tables`"


def test_a_changed_number_would_be_found(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    number = re.search(r"accuracy \(%\) \| 98\.70 \| (\d\d\.\d\d ± \d\.\d\d)", TEXT)[1]
    changed = tmp_path / "README.md"
    changed.write_text(TEXT.replace(number, "99.73 ± 0.09"), encoding="utf-8")
    monkeypatch.setattr(tables, "README", changed)
    assert tables.write_tables(write=False)
    assert tables.write_tables(write=True)
    assert changed.read_text(encoding="utf-8") == TEXT


def test_mean_and_spread_by_hand() -> None:
    # Mean 3; squared distances 4, 0, 4 sum to 8; over n - 1 = 2 that is 4, whose root is 2.
    assert tables.mean_and_spread([1, 3, 5], 1) == "3.0 ± 2.0"


SWEEPS = {  # runs, seeds, epochs, and what is varied beside the seed
    "seed_protocol": (10, 10, 10, []),
    "grid": (48, 3, 10, ["learning_rate", "batch_size"]),
    "picked": (10, 10, 10, ["learning_rate", "batch_size"]),
    "recipes": (60, 5, 10, ["recipe"]),
    "best_recipe": (10, 10, 10, []),
    "small_network": (5, 5, 40, []),
    "large_network": (5, 5, 24, []),
    "one_epoch": (20, 5, 1, ["recipe"]),
}


@pytest.mark.parametrize("name", SWEEPS)
def test_the_recorded_runs_are_whole_and_on_mnist(name: str) -> None:
    runs, seeds, epochs, _ = SWEEPS[name]
    results, history = load_sweep(name), load_sweep(name, "history")
    assert len(results) == len(set(results["run"])) == runs
    assert set(results["status"]) == {"done"}
    assert set(results["dataset"]) == {"mnist"}
    assert sorted(set(results["seed"])) == list(range(seeds))
    assert history.groupby("run")["epoch"].apply(list).tolist() == [list(range(1, epochs + 1))] * runs
    last = history[history["epoch"] == epochs].set_index("run").loc[results["run"], "val_accuracy"]
    assert last.tolist() == results["val_accuracy"].tolist()


@pytest.mark.parametrize("name", SWEEPS)
def test_the_recorded_summaries_are_those_of_the_recorded_runs(name: str) -> None:
    expected = sweep_tables.summarise(load_sweep(name), varied=SWEEPS[name][-1])
    pd.testing.assert_frame_equal(load_sweep(name, "summary"), expected, check_dtype=False)
    page = (settings.ROOT / "results" / "sweeps" / name / "summary.md").read_text(encoding="utf-8")
    assert page == sweep_tables.markdown(expected)


def test_the_picked_setting_is_the_best_of_the_grid_by_validation() -> None:
    best, picked = load_sweep("grid", "summary").iloc[0], load_sweep("picked")
    assert best["val_accuracy_mean"] == load_sweep("grid", "summary")["val_accuracy_mean"].max()
    assert set(picked["learning_rate"]) == {best["learning_rate"]}
    assert set(picked["batch_size"]) == {best["batch_size"]}


@pytest.mark.parametrize("name", ["grid", "recipes", "one_epoch"])
def test_a_search_never_saw_the_test_set(name: str) -> None:
    assert not [column for column in load_sweep(name) if column.startswith("test")]


def test_the_best_recipe_is_the_best_by_validation() -> None:
    summary = load_sweep("recipes", "summary")
    assert summary.loc[summary["val_accuracy_mean"].idxmax(), "recipe"] == "best"
    assert set(summary["recipe"]) == {*settings.LADDER, *settings.BESIDES}


def test_the_recorded_mistakes_are_those_that_the_test_accuracies_count() -> None:
    misread, accuracies = load_result("misread.json")["best_recipe"], load_sweep("best_recipe")
    assert [10_000 - len(run) for run in misread] == (10_000 * accuracies["test_accuracy"]).round().astype(int).tolist()
    assert all(true != given for run in misread for _, true, given in run)


@pytest.mark.parametrize("name", SWEEPS)
def test_a_recorded_sweep_says_how_to_repeat_it(name: str) -> None:
    """Its command names chapters and values that exist; it is parsed and checked, not run."""
    origin = json.loads((settings.ROOT / "results" / "sweeps" / name / "origin.json").read_text(encoding="utf-8"))
    words = shlex.split(origin["command"])
    assert words[:3] == ["python", "-m", "course"]
    options = build_parser().parse_args(words[3:])
    grid = parse_grid(options.grid)
    results = load_sweep(name)
    assert options.seeds == results["seed"].nunique()
    assert len(results) == options.seeds * math.prod(len(values) for values in grid.values())
    assert {name: {settings.parse(name, word) for word in words} for name, words in grid.items()} == {
        name: set(results[name]) for name in grid
    }
    assert {"python", "torch"} <= set(origin["versions"])


def test_every_link_and_picture_leads_somewhere_and_pictures_have_alt_text() -> None:
    links = re.findall(r"(!?)\[([^\]]*)\]\(([^)]+)\)", TEXT)
    local = [(mark, words, target) for mark, words, target in links if not target.startswith("http")]
    assert len(local) >= 6
    for mark, words, target in local:
        assert (settings.ROOT / target).exists(), target
        assert not mark or len(words.split()) > 5, f"{target} needs alt text"


def test_every_file_the_readme_names_in_code_exists() -> None:
    named = re.findall(r"`((?:tests|docs|results|helpers|notebooks)/[\w./]*)`", TEXT)
    assert named
    for name in named:
        assert (settings.ROOT / name).exists(), name


def test_the_minutes_of_the_chapters_are_those_that_the_chapters_tell() -> None:
    rows = re.findall(r"\(notebooks/(\S+)\.ipynb\) \|.*\| (\d+) \| (\d+) \|$", TEXT, flags=re.MULTILINE)
    assert [stem for stem, _, _ in rows] == [chapter.stem for chapter in all_chapters()]
    for stem, minutes, of_exercises in rows:
        title = nbformat.read(settings.ROOT / "notebooks" / f"{stem}.ipynb", as_version=4).cells[0].source
        told = re.search(r"\*\*Time:\*\* (\d+) minutes.*?(\d+) for the exercises", title)
        assert (minutes, of_exercises) == told.groups(), stem


def test_every_command_and_link_of_the_teachers_page_exists() -> None:
    text = tables.TEACHING.read_text(encoding="utf-8")
    commands = re.findall(r"python -m course (\w+)", text)
    assert {"handouts", "progress", "data", "run"} <= set(commands)
    known = build_parser().format_help()
    assert [command for command in commands if command not in known] == []
    local = [target for target in re.findall(r"\]\(([^)]+)\)", text) if not target.startswith("https://")]
    assert [target for target in local if not (tables.TEACHING.parent / target).exists()] == []
