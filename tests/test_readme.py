"""The README promises nothing that the repository does not hold."""

import json
import re

import pytest

from helpers import paths
from helpers.course import readme

TEXT = readme.README.read_text(encoding="utf-8")


def test_the_tables_are_those_that_the_results_give() -> None:
    assert not readme.write_tables(write=False), "run `python -m helpers tables`"


def test_a_changed_number_would_be_found(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    changed = tmp_path / "README.md"
    changed.write_text(TEXT.replace("98.73 ± 0.09", "99.73 ± 0.09"), encoding="utf-8")
    monkeypatch.setattr(readme, "README", changed)
    assert readme.write_tables(write=False)
    assert readme.write_tables(write=True)
    assert changed.read_text(encoding="utf-8") == TEXT


def test_mean_and_spread_by_hand() -> None:
    # Mean 3; squared distances 4, 0, 4 sum to 8; over n - 1 = 2 that is 4, whose root is 2.
    assert readme.mean_and_spread([1, 3, 5], 1) == "3.0 ± 2.0"


def test_the_recorded_runs_are_real_ones_on_mnist() -> None:
    recorded = json.loads((paths.ROOT / "results" / "seed_protocol.json").read_text(encoding="utf-8"))
    assert recorded["dataset"] == "mnist"
    assert [run["seed"] for run in recorded["runs"]] == list(range(len(recorded["runs"])))
    assert len(recorded["runs"]) >= 5
    assert all(run["test"]["n"] == 10_000 and len(run["history"]) == 10 for run in recorded["runs"])


def test_every_link_and_picture_leads_somewhere_and_pictures_have_alt_text() -> None:
    links = re.findall(r"(!?)\[([^\]]*)\]\(([^)]+)\)", TEXT)
    local = [(mark, words, target) for mark, words, target in links if not target.startswith("http")]
    assert len(local) >= 6
    for mark, words, target in local:
        assert (paths.ROOT / target).exists(), target
        assert not mark or len(words.split()) > 5, f"{target} needs alt text"


def test_every_file_the_readme_names_in_code_exists() -> None:
    named = re.findall(r"`((?:tests|docs|results|helpers|notebooks)/[\w./]*)`", TEXT)
    assert named
    for name in named:
        assert (paths.ROOT / name).exists(), name
