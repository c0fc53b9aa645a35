"""The committed notebooks: the outputs of one real run on MNIST, nobody's machine in them, and a complete skeleton."""

import ast
import itertools
import re
import statistics
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode

from course import chapters
from course.handouts import copies
from course.maintain.refresh import FIGURES
from helpers import settings

CHAPTERS = chapters.all_chapters()
MACHINE = re.compile(r"/(home|root|work|tmp|Users|private)/|[A-Za-z]:\\+Users")
WARNING = re.compile(r"\bWARNING\b|[A-Za-z]*Warning\b")


@pytest.fixture(params=CHAPTERS, ids=lambda chapter: chapter.stem)
def chapter(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def notebook(chapter: Path) -> NotebookNode:
    return nbformat.read(chapter, as_version=4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tagged(notebook: NotebookNode, tag: str) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def outputs(notebook: NotebookNode) -> list[NotebookNode]:
    return [output for cell in code_cells(notebook) for output in cell.outputs]


def prose(notebook: NotebookNode) -> str:
    return "\n\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")


def headings(notebook: NotebookNode) -> list[str]:
    return re.findall(r"^## (.+)$", prose(notebook), flags=re.MULTILINE)


def words_in(output: NotebookNode) -> Iterator[str]:
    """Return what an output says in words; pictures are left out, where any letters may follow each other."""
    yield output.get("text", "")
    yield from (str(value) for kind, value in output.get("data", {}).items() if not kind.startswith("image/"))


# --- a clean file ---


def test_file_is_a_valid_notebook(chapter: Path, notebook: NotebookNode) -> None:
    nbformat.validate(notebook)
    assert (notebook.nbformat, notebook.nbformat_minor >= 5) == (4, True)
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert re.fullmatch(r"\d\d_[a-z_]+", chapter.stem)


def test_cells_were_run_once_in_order(notebook: NotebookNode) -> None:
    code = code_cells(notebook)
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    for cell in code:
        results = [output for output in cell.outputs if output.output_type == "execute_result"]
        assert all(output.execution_count == cell.execution_count for output in results)


def test_kernel_is_python3_and_no_widget_state_is_kept(notebook: NotebookNode) -> None:
    assert notebook.metadata.kernelspec.name == "python3"
    assert "widgets" not in notebook.metadata
    assert not any("widget" in kind for output in outputs(notebook) for kind in output.get("data", {}))


def test_no_output_is_an_error_or_red_text(notebook: NotebookNode) -> None:
    assert [output.output_type for output in outputs(notebook) if output.output_type == "error"] == []
    assert [output.text for output in outputs(notebook) if output.get("name") == "stderr"] == []


def test_nothing_of_a_machine_or_a_warning_is_in_it(notebook: NotebookNode) -> None:
    texts = [cell.source for cell in notebook.cells] + [
        text for output in outputs(notebook) for text in words_in(output)
    ]
    assert [text for text in texts if MACHINE.search(text)] == []
    assert [text for output in outputs(notebook) for text in words_in(output) if WARNING.search(text)] == []


def test_no_trace_of_a_rerun_is_in_it(notebook: NotebookNode) -> None:
    assert tagged(notebook, "injected-parameters") == []
    assert "papermill" not in notebook.metadata
    assert not any({"papermill", "execution"} & set(cell.metadata) for cell in notebook.cells)


def test_outputs_come_from_mnist(notebook: NotebookNode) -> None:
    said = " ".join(text for output in outputs(notebook) for text in words_in(output))
    assert "**Data: MNIST**, 60,000 training and 10,000 test images" in said
    assert "not MNIST" not in said


# --- the skeleton ---


def test_first_cell_says_what_the_chapter_is_about(chapter: Path, notebook: NotebookNode) -> None:
    first = notebook.cells[0]
    assert first.cell_type == "markdown"
    assert re.match(rf"# {int(chapter.stem[:2])} · [A-Z].*\?\n", first.source), "the title is a question"
    assert re.search(r"^\*\*The question:\*\* ", first.source, flags=re.MULTILINE)
    assert re.search(r"^\*\*You will be able to\*\*\n(- .+\n){3,}", first.source, flags=re.MULTILINE)
    assert re.search(r"^\*\*Time:\*\* \d+ minutes\b.* · \*\*Before this:\*\* ", first.source, flags=re.MULTILINE)


def test_sections_stand_where_the_reader_expects_them(notebook: NotebookNode) -> None:
    found = headings(notebook)
    assert found[0] == "Settings"
    assert found[-4:] == ["Exercises", "Key points", "Worth reading", "What comes next"]
    assert len(found) == len(set(found))
    assert prose(notebook).count("\n# ") == 0, "one title a chapter"


def test_parameters_are_typed_commented_literals_that_obey_their_rules(notebook: NotebookNode) -> None:
    (cell,) = tagged(notebook, "parameters")
    lines = cell.source.splitlines()
    for statement in ast.parse(cell.source).body:
        assert isinstance(statement, ast.AnnAssign), ast.unparse(statement)
        name, value = statement.target.id, ast.literal_eval(statement.value)
        settings.check(**{name: value})
        assert statement.lineno == statement.end_lineno, f"papermill reads line by line: {name}"
        assert re.search(r"  # \S", lines[statement.lineno - 1]), f"{name} has no comment"


def test_parameters_are_checked_in_the_next_cell(notebook: NotebookNode) -> None:
    code = code_cells(notebook)
    position = code.index(tagged(notebook, "parameters")[0])
    assert "parameters = settings.checked(globals())" in code[position + 1].source.splitlines()


def test_a_parameter_has_the_same_default_in_every_chapter() -> None:
    defaults: dict[str, set[str]] = {}
    for chapter in CHAPTERS:
        (cell,) = tagged(nbformat.read(chapter, as_version=4), "parameters")
        for statement in ast.parse(cell.source).body:
            defaults.setdefault(statement.target.id, set()).add(ast.unparse(statement.value))
    assert {name: values for name, values in defaults.items() if len(values) > 1} == {}


# --- pictures ---


def test_every_figure_says_in_words_what_it_shows(notebook: NotebookNode) -> None:
    pictures = [output for output in outputs(notebook) if "image/png" in output.get("data", {})]
    assert pictures
    for picture in pictures:
        alt = picture.metadata.get("image/png", {}).get("alt", "")
        assert len(alt.split()) >= 6, alt
        assert not re.match(r"(A|The) (plot|figure|chart|image)\b", alt), f"say what is to be seen: {alt}"


def test_pictures_in_the_prose_have_alt_text(notebook: NotebookNode) -> None:
    text = prose(notebook)
    assert re.findall(r"!\[\s*\]\([^)]*\)", text) == []
    assert [tag for tag in re.findall(r"<img\b[^>]*>", text) if not re.search(r'\balt="[^"]+"', tag)] == []


def test_figures_are_saved_in_the_run_folder_where_refresh_finds_them(chapter: Path, notebook: NotebookNode) -> None:
    """Nothing that git tracks is written when a student runs a chapter."""
    saved = re.findall(r"plotting\.save\((.*)\)", "\n".join(cell.source for cell in code_cells(notebook)))
    assert saved == [f'figure, f"{{run_dir}}/{name}.png"' for name in FIGURES.get(chapter.stem, [])]


# --- rhythm ---


def code_lengths(notebook: NotebookNode) -> list[int]:
    return [sum(bool(line.strip()) for line in cell.source.splitlines()) for cell in code_cells(notebook)]


def test_code_cells_are_short(notebook: NotebookNode) -> None:
    lengths = code_lengths(notebook)
    assert max(lengths) <= 40
    assert statistics.median(lengths) <= 6
    assert sum(length <= 22 for length in lengths) >= 0.9 * len(lengths)


def test_code_lines_fit_the_page(notebook: NotebookNode) -> None:
    assert [line for cell in code_cells(notebook) for line in cell.source.splitlines() if len(line) > 100] == []


def test_prose_is_as_long_as_a_lesson(notebook: NotebookNode) -> None:
    """Solutions and the notes for the teacher are read by few, and folded: they don't count."""
    assert 1_500 <= len(prose(copies.student_copy(notebook)).split()) <= 4_000


def test_prose_leads(notebook: NotebookNode) -> None:
    """At least as many words of prose as of code, and never more than three code cells in a row."""
    code = sum(len(cell.source.split()) for cell in code_cells(notebook))
    assert len(prose(notebook).split()) >= code
    kinds = "".join(cell.cell_type[0] for cell in notebook.cells)
    assert "cccc" not in kinds


def test_prose_does_not_tell_the_reader_that_it_is_easy(notebook: NotebookNode) -> None:
    text = re.sub(r"`[^`]*`", "", prose(notebook))
    assert re.findall(r"[^.]*\b(?:simply|just)\b[^.]*\.", text, flags=re.IGNORECASE) == []


# --- links ---


def test_links_lead_somewhere(chapter: Path, notebook: NotebookNode) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", prose(notebook))
    local = [target for target in targets if not re.match(r"(https?|mailto):", target)]
    assert [target for target in local if not (chapter.parent / target).exists()] == []


def test_each_chapter_leads_to_the_next() -> None:
    for chapter, following in itertools.pairwise(CHAPTERS):
        ending = prose(nbformat.read(chapter, as_version=4)).rpartition("## What comes next")[2]
        assert f"({following.name})" in ending, chapter.stem


def test_a_folder_named_in_a_chapter_exists(notebook: NotebookNode) -> None:
    """`helpers/model.py` or `results/` in the prose: the reader will look for it."""
    named = re.findall(r"`((?:helpers|notebooks|results|images|docs|tests)/[\w./]*)`", prose(notebook))
    assert [name for name in named if not (settings.ROOT / name).exists()] == []
