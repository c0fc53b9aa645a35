"""A chapter that came without the course, and the course where pip put it, which keeps what it writes elsewhere."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import nbformat
import pytest

from course.chapters import all_chapters
from course.handouts import copies
from course.maintain import tables
from helpers import settings

CHAPTERS = [nbformat.read(chapter, as_version=4) for chapter in all_chapters()]
PROJECT = tomllib.loads((settings.ROOT / "pyproject.toml").read_text(encoding="utf-8"))
# Runs a cell as a kernel does, in a Python that knows no course: neither from a variable nor from `pip install -e`.
RUN_CELL = """
import sys
from pathlib import Path
sys.meta_path[:] = [finder for finder in sys.meta_path if "editable" not in str(finder)]
sys.path[:] = sys.argv[2:] + [path for path in sys.path if path and not Path(path, "helpers").exists()]
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell()
if shell.run_cell(sys.argv[1]).success:
    print(shell.user_ns["MNIST_COURSE"], Path(sys.modules["helpers"].__file__).resolve())
"""


def first_cell(notebook: nbformat.NotebookNode) -> str:
    return next(cell.source for cell in notebook.cells if cell.cell_type == "code")


def run_first_cell(folder: Path, *path: Path) -> subprocess.CompletedProcess:
    words = [sys.executable, "-I", "-c", RUN_CELL, first_cell(CHAPTERS[0]), *map(str, path)]
    folder.mkdir(parents=True, exist_ok=True)
    return subprocess.run(words, cwd=folder, capture_output=True, encoding="utf-8")


def make_helpers(folder: Path, content: str) -> Path:
    (folder / "helpers").mkdir(parents=True)
    (folder / "helpers" / "__init__.py").write_text(content, encoding="utf-8")
    return folder


# --- a chapter by itself ---


def test_every_copy_of_every_chapter_begins_with_the_same_four_lines() -> None:
    copied = [make(chapter) for make in (copies.student_copy, copies.instructor_copy) for chapter in CHAPTERS]
    (cell,) = {first_cell(notebook) for notebook in CHAPTERS + copied}
    assert len(cell.splitlines()) <= 4
    assert PROJECT["project"]["urls"]["Repository"] in cell


def test_a_chapter_that_came_alone_says_in_one_line_where_the_course_is(tmp_path: Path) -> None:
    done = run_first_cell(tmp_path / "downloads")
    assert done.stdout == ""
    address = PROJECT["project"]["urls"]["Repository"]
    assert done.stderr == (
        f"UsageError: No module named 'helpers'. PyPI's isn't the course; run %pip install {address}/archive/HEAD.zip\n"
    )


def test_the_package_of_that_name_on_pypi_is_told_from_the_course(tmp_path: Path) -> None:
    other = make_helpers(tmp_path / "site-packages", "from collections import namedtuple\n")
    done = run_first_cell(tmp_path / "downloads", other)
    assert done.stdout == ""
    file = other / "helpers" / "__init__.py"
    assert re.fullmatch(rf"UsageError: .*'helpers' \({re.escape(str(file))}\)\. PyPI's isn't .*\n", done.stderr)


@pytest.mark.parametrize("place", ["notebooks", "handouts/student", "a/b/c/d/e"])
def test_a_chapter_in_a_clone_finds_the_course_above_it(place: str, tmp_path: Path) -> None:
    clone = make_helpers(tmp_path / "clone", "MNIST_COURSE = 'the clone'")
    done = run_first_cell(clone / place)
    assert (done.stdout, done.stderr) == (f"the clone {clone / 'helpers' / '__init__.py'}\n", "")


def test_a_new_address_reaches_the_chapters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(settings, "FILES", tmp_path)
    (tmp_path / "pyproject.toml").write_text('[project.urls]\nRepository = "https://example.org/a/b"\n')
    chapter = Path(shutil.copy(all_chapters()[0], tmp_path))
    text = tables.with_first_cell(chapter)
    assert "%pip install https://example.org/a/b/archive/HEAD.zip" in first_cell(nbformat.reads(text, as_version=4))
    assert text.replace("https://example.org/a/b", PROJECT["project"]["urls"]["Repository"]) == chapter.read_text(
        "utf-8"
    )


def test_a_first_cell_that_is_somebodys_own_is_left_alone(tmp_path: Path) -> None:
    chapter = tmp_path / "09_mine.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("mine = 1")]), chapter)
    with pytest.raises(ValueError, match=r"09_mine\.ipynb: needs a first code cell with the id 'import-helpers'"):
        tables.with_first_cell(chapter)


# --- installed ---


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel, unpacked as pip would."""
    folder = tmp_path_factory.mktemp("wheel")
    source, site = folder / "source", folder / "site-packages"
    for name in ("course", "helpers", "notebooks", "results"):
        shutil.copytree(settings.ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(settings.ROOT / name, source)
    make_wheel = f"from setuptools import build_meta; build_meta.build_wheel({str(folder)!r})"
    subprocess.run([sys.executable, "-c", make_wheel], cwd=source, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    shutil.unpack_archive(wheel, site, "zip")
    return site


def call(installed: Path, home: Path, *words: str, **variables: str) -> subprocess.CompletedProcess:
    """Start a command of the installed course in an empty folder, for somebody whose home folder is `home`."""
    home.mkdir(exist_ok=True)
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MNIST_COURSE", "XDG", "PYTHON"))}
    homes = {"HOME": str(home), "USERPROFILE": str(home), "LOCALAPPDATA": str(home)}
    env = kept | homes | {"PYTHONPATH": str(installed), "PYTHONDONTWRITEBYTECODE": "1"} | variables
    words = (sys.executable, "-m", "course", *words)
    return subprocess.run(words, cwd=home, env=env, capture_output=True, encoding="utf-8")


def contents(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.mark.slow
def test_a_wheel_holds_every_file(installed: Path) -> None:
    source = installed.parent / "source"
    expected = {f"{part}/{name}" for part in ("course", "helpers") for name in contents(source / part)}
    expected |= {f"course/{part}/{name}" for part in ("notebooks", "results") for name in contents(source / part)}
    assert {name for name in contents(installed) if ".dist-info" not in name} == expected


@pytest.mark.slow
def test_an_installed_course_has_all_files_and_writes_none_beside_its_code(installed: Path, tmp_path: Path) -> None:
    before = contents(installed)
    home, chosen = tmp_path / "ada", tmp_path / "chosen"
    listed = call(installed, home, "run", "--list")
    assert re.findall(r"^\d\d_\w+$", listed.stdout, re.MULTILINE) == [chapter.stem for chapter in all_chapters()]
    for words in (("handouts", "--chapters", "1"), ("run", "1", "8", "-p", "dataset", "digits")):
        done = call(installed, home, *words)
        assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    (own,) = home.rglob("mnist-course")
    for name in ("handouts/student/01_data.ipynb", "handouts/student/digits.html"):
        assert (own / name).is_file()
    assert (own / "runs" / "run" / "08_your_own_digits.json").is_file()
    assert str(Path("~") / own.relative_to(home) / "runs" / "run") in done.stdout.splitlines()[-2], "says where it is"
    assert call(installed, home, "page", MNIST_COURSE_HOME=str(chosen)).returncode == 0
    assert [path.name for path in chosen.rglob("*.html")] == ["digits.html"]
    assert contents(installed) == before


@pytest.mark.slow
@pytest.mark.parametrize("words", [("tables",), ("record",), ("refresh", "1")], ids=" ".join)
def test_what_changes_the_courses_own_files_needs_a_clone(
    words: tuple[str, ...], installed: Path, tmp_path: Path
) -> None:
    done = call(installed, tmp_path / "ada", *words)
    assert done.returncode == 2
    assert re.fullmatch(r".*: this command changes the course's own files, so start it in a clone .*\n", done.stderr)
