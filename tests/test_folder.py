"""A command writes only into a folder that it made, and alone."""

import argparse
import subprocess
import sys
from pathlib import Path

import pytest

from course import folder
from helpers import results


def write_into(out: Path, command: str = "run") -> None:
    with folder.own(out, command):
        (out / "mine.txt").write_text("mine")


@pytest.mark.parametrize("exists", [True, False])
def test_a_new_or_an_empty_folder_is_taken_and_taken_again(tmp_path: Path, exists: bool) -> None:
    out = tmp_path if exists else tmp_path / "new" / "one"
    if exists:
        (out / ".DS_Store").touch()
    write_into(out)
    write_into(out)
    assert (out / "mine.txt").read_text() == "mine"


@pytest.mark.parametrize("made_by", [None, "sweep"])
def test_a_folder_with_files_that_the_command_did_not_make_is_refused(tmp_path: Path, made_by: str | None) -> None:
    out = tmp_path / "theirs"
    if made_by:
        write_into(out, made_by)
    else:
        out.mkdir()
        (out / "notes.txt").write_text("years of work")
    before = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    with pytest.raises(ValueError, match=r"^out: .*was not made by `run`.*[^\n]$"):
        write_into(out)
    assert {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()} == before


@pytest.mark.parametrize("marker", ["", "[]", '{"made_by": 3}', "[" * 100_000])
def test_a_damaged_marker_proves_nothing(tmp_path: Path, marker: str) -> None:
    (tmp_path / folder.MARKER).write_text(marker)
    with pytest.raises(ValueError, match="was not made by"):
        write_into(tmp_path)


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("text")
    with pytest.raises(ValueError, match="is a file"):
        write_into(tmp_path / "file")
    assert (tmp_path / "file").read_text() == "text"


def test_a_second_process_is_told_who_is_at_work(tmp_path: Path) -> None:
    code = f"from pathlib import Path; from course import folder\nwith folder.own(Path({str(tmp_path)!r}), 'run'): pass"
    with folder.own(tmp_path, "run"):
        second = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "process" in second.stderr.splitlines()[-1] and "is at work in" in second.stderr.splitlines()[-1]
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0  # the lock went with its holder


@pytest.mark.parametrize("text", ["", "  ", "~nosuchuser/runs"])
def test_an_empty_name_is_no_folder(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError, match="give"):
        folder.given(text)


def test_a_link_stays_one_and_what_it_leads_to_is_written(tmp_path: Path) -> None:
    (tmp_path / "synced").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "synced" / "progress.json")
    results.write_json(tmp_path / "link.json", {"loss": float("nan")})
    assert (tmp_path / "link.json").is_symlink()
    assert (tmp_path / "synced" / "progress.json").read_text() == '{\n "loss": null\n}\n'
    assert len(list((tmp_path / "synced").iterdir())) == 1
