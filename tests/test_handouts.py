"""Copies for a class: a student's without solutions, an instructor's with all, pages that print and read well."""

import ast
import itertools
import json
import os
import re
from pathlib import Path

import nbformat
import papermill
import pytest
from accessibility import violations
from bs4 import BeautifulSoup
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from pypdf import PdfReader

from course import chapters, exercises, handouts
from course.__main__ import main
from course.handouts import copies, pages, printing

CHAPTERS = chapters.all_chapters()
BROWSER = printing.find_browser()
needs_browser = pytest.mark.skipif(not BROWSER, reason="neither Chromium nor Chrome is on this machine to print with")


@pytest.fixture(params=CHAPTERS, ids=lambda chapter: chapter.stem)
def chapter(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def source(chapter: Path) -> NotebookNode:
    return nbformat.read(chapter, as_version=4)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All handouts, built once, with PDFs where there is a browser."""
    out = tmp_path_factory.mktemp("handouts")
    handouts.build(CHAPTERS, out, "A4" if BROWSER else None)
    return out


def tagged(notebook: NotebookNode, tag: str, kind: str = "code") -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == kind and tag in copies.tags_of(cell)]


def numbers_of(notebook: NotebookNode) -> list[str]:
    """Return the numbers of the exercises that are checked in a notebook."""
    return [re.search(r'exercises\.check\("(\d+\.\d+)"', cell.source)[1] for cell in tagged(notebook, "check")]


# --- nothing of a solution reaches a student ---


def bare(text: str) -> str:
    """Return text without spaces and marks of Markdown: a page breaks lines elsewhere, and shows no backquotes."""
    return re.sub(r"[\s`*_\\]+", "", text)


def secret_lines(source: NotebookNode) -> list[str]:
    """Return the lines of solutions and teacher's notes that stand nowhere else in the chapter."""
    hidden = [cell.source for cell in source.cells if copies.HIDDEN_FROM_STUDENTS & copies.tags_of(cell)]
    public = bare("\n".join(c.source for c in source.cells if not copies.HIDDEN_FROM_STUDENTS & copies.tags_of(c)))
    lines = [re.sub(r"<[^>]+>", "", line) for text in hidden for line in text.splitlines()]
    return [line for line in lines if len(bare(line)) >= 8 and bare(line) not in public]


def everything_in(value: object) -> str:
    """Return all words of a notebook file: sources, outputs, metadata."""
    if isinstance(value, dict):
        return "\n".join(f"{key}\n{everything_in(part)}" for key, part in value.items() if key != "image/png")
    if isinstance(value, list):
        return "".join(everything_in(part) for part in value) + "\n"
    return str(value)


def sentences(line: str) -> list[str]:
    """Return a long line's sentences, each to be looked for by itself."""
    return [part for part in re.split(r"(?<=[.:?!])\s+", line) if len(bare(part)) >= 20] or [line]


def test_no_line_of_a_solution_is_in_a_students_files(chapter: Path, source: NotebookNode, built: Path) -> None:
    secrets = [part for line in secret_lines(source) for part in sentences(line)]
    assert len(secrets) > 20
    public = bare("\n".join(c.source for c in source.cells if not copies.HIDDEN_FROM_STUDENTS & copies.tags_of(c)))
    notebook = json.loads((built / "student" / chapter.name).read_text(encoding="utf-8"))
    page = (built / "student" / chapter.stem).with_suffix(".html").read_text(encoding="utf-8")
    page = re.sub(r"data:image/png;base64,[\w+/=]+", "", page)
    texts = {"notebook": everything_in(notebook), "page": BeautifulSoup(page, "html.parser").get_text(), "html": page}
    if BROWSER:
        reader = PdfReader((built / "student" / chapter.stem).with_suffix(".pdf"))
        texts["pdf"] = "".join(sheet.extract_text() for sheet in reader.pages)
    for name, text in texts.items():
        text = bare(text)
        assert [line for line in secrets if bare(line) in text and bare(line) not in public] == [], name


def test_the_test_above_would_find_a_leak(chapter: Path, source: NotebookNode, built: Path) -> None:
    """In the instructor's copies the same search finds nearly every line."""
    code = [line for line in secret_lines(source) if not re.search(r"[|<>*`]|\[", line)]
    page = (built / "instructor" / chapter.stem).with_suffix(".html").read_text(encoding="utf-8")
    texts = [BeautifulSoup(page, "html.parser").get_text()]
    if BROWSER:
        reader = PdfReader((built / "instructor" / chapter.stem).with_suffix(".pdf"))
        texts.append("".join(sheet.extract_text() for sheet in reader.pages))
    for text in map(bare, texts):
        assert sum(bare(line) in text for line in code) >= 0.7 * len(code)


def test_a_students_notebook_is_the_chapter_without_them(chapter: Path, source: NotebookNode, built: Path) -> None:
    student = nbformat.read(built / "student" / chapter.name, as_version=4)
    nbformat.validate(student)
    code = [cell.source for cell in source.cells if cell.cell_type == "code"]
    assert [cell.source for cell in student.cells if cell.cell_type == "code"] == code
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in student.cells)
    assert not any(copies.HIDDEN_FROM_STUDENTS & copies.tags_of(cell) for cell in student.cells)


def test_hints_stay_and_are_closed_for_students(chapter: Path, built: Path) -> None:
    for ending in (".ipynb", ".html"):
        text = (built / "student" / chapter.stem).with_suffix(ending).read_text(encoding="utf-8")
        assert text.count("<summary>Hint 1</summary>") == text.count("<summary>Hint 2</summary>") >= 4
        assert "<details open" not in text


def test_the_instructors_copy_begins_with_timings_and_holds_everything(chapter: Path, built: Path) -> None:
    source = nbformat.read(chapter, as_version=4)
    instructor = nbformat.read(built / "instructor" / chapter.name, as_version=4)
    assert len(instructor.cells) == len(source.cells)
    assert {cell.id for cell in instructor.cells} == {cell.id for cell in source.cells}
    assert re.match(
        r"<details open><summary>For the teacher</summary>\n\n\| part \| minutes \|", instructor.cells[0].source
    )


# --- stubs and solutions ---


def signature(code: str) -> list[str]:
    """Return what an exercise's cell defines: functions and classes with their arguments, or the names of values."""
    found = []
    for statement in ast.parse(code).body:
        if isinstance(statement, ast.FunctionDef):
            found.append(f"{statement.name}({ast.unparse(statement.args)})")
        elif isinstance(statement, ast.ClassDef):
            found.append(f"class {statement.name}({', '.join(map(ast.unparse, statement.bases))})")
        elif isinstance(statement, ast.Assign):
            found += [ast.unparse(target) for target in statement.targets]
    return found


def test_every_stub_matches_its_solution(source: NotebookNode) -> None:
    stubs, filled = tagged(source, "exercise"), tagged(copies.filled_copy(source), "exercise")
    assert len(stubs) == len(tagged(source, "check")) == len(tagged(source, "exercise", "markdown")) >= 4
    for stub, solution in zip(stubs, filled, strict=True):
        expected = signature(stub.source)
        assert expected
        assert [name for name in expected if name not in signature(solution.source)] == []
        docstrings = re.findall(r'"""(.+?)"""', stub.source, flags=re.DOTALL)
        assert [text for text in docstrings if text not in solution.source] == []


def test_exercises_are_numbered_timed_and_graded(chapter: Path, source: NotebookNode) -> None:
    texts = [cell.source for cell in tagged(source, "exercise", "markdown")]
    heads = [re.match(r"\*\*Exercise (\d+\.\d+)\*\* · (\d+) minutes · ([●○]{3}) — ", text) for text in texts]
    assert all(heads)
    expected = [f"{int(chapter.stem[:2])}.{k}" for k in range(1, len(texts) + 1)]
    assert [head[1] for head in heads] == expected == numbers_of(source)
    assert expected == [n for n in exercises.CHECKS if n.startswith(f"{int(chapter.stem[:2])}.")]
    assert 4 <= len(expected) <= 6
    assert {"●○○", "●●○"} <= {head[3] for head in heads}
    assert tagged(source, "words", "markdown"), "one exercise asks for the reading of a figure"
    assert all(re.fullmatch(r"●+○*", head[3]) for head in heads)
    minutes = sum(int(head[2]) for head in heads)
    promised = int(re.search(r"\*\*Time:\*\*.*?(\d+) for the exercises", source.cells[0].source)[1])
    assert promised == minutes


def test_each_exercise_has_two_hints_and_an_explained_solution(source: NotebookNode) -> None:
    for cell in tagged(source, "exercise", "markdown"):
        assert re.findall(r"<summary>(.+?)</summary>", cell.source) == ["Hint 1", "Hint 2"]
    for cell in tagged(source, "solution", "markdown"):
        assert cell.source.startswith("<details><summary>Solution</summary>\n\n")
        explanation = re.sub(r"```python.*?```", "", cell.source, flags=re.DOTALL)
        assert len(explanation.split()) >= 20


# --- pages ---


@pytest.mark.parametrize("kind", ["student", "instructor"])
def test_a_page_needs_no_network(chapter: Path, kind: str, built: Path) -> None:
    soup = BeautifulSoup((built / kind / chapter.stem).with_suffix(".html").read_text(encoding="utf-8"), "html.parser")
    assert soup.find_all(["script", "link", "iframe", "object", "embed"]) == []
    assert [image["src"][:30] for image in soup.find_all("img") if not image["src"].startswith("data:image/png;")] == []
    assert not re.search(r"@import|url\(", "".join(style.get_text() for style in soup.find_all("style")))
    for link in soup.find_all("a", href=True):
        beside = re.fullmatch(r"(\d\d_\w+\.html)(#.*)?", link["href"])
        assert link["href"].startswith("https://") or (beside and (built / kind / beside[1]).is_file())


@pytest.mark.parametrize("kind", ["student", "instructor"])
def test_a_page_tells_its_language_title_and_pictures(chapter: Path, kind: str, built: Path) -> None:
    soup = BeautifulSoup((built / kind / chapter.stem).with_suffix(".html").read_text(encoding="utf-8"), "html.parser")
    assert soup.html["lang"] == "en"
    assert soup.title.get_text().startswith(f"{int(chapter.stem[:2])} · ")
    assert len(soup.find_all("h1")) == 1
    levels = [int(heading.name[1]) for heading in soup.find_all(re.compile(r"h[1-6]"))]
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    source = nbformat.read(chapter, as_version=4)
    told = [
        output.metadata["image/png"]["alt"]
        for cell in source.cells
        for output in cell.get("outputs", [])
        if "image/png" in output.get("data", {})
    ]
    assert [image["alt"] for image in soup.find_all("img")] == told
    assert "¶" not in soup.get_text()
    assert all(cell.get("scope") and cell.get_text(strip=True) for cell in soup.find_all("th"))


@needs_browser
@pytest.mark.parametrize("kind", ["student", "instructor"])
def test_axe_finds_nothing_serious(chapter: Path, kind: str, built: Path) -> None:
    page = (built / kind / chapter.stem).with_suffix(".html").read_text(encoding="utf-8")
    serious = [found for found in violations(page, BROWSER) if found["impact"] in ("serious", "critical")]
    assert serious == []


@needs_browser
def test_axe_would_find_a_pale_word_and_a_picture_without_words() -> None:
    page = "<html><body><p style='color: #bbb'>pale</p><img src='data:image/png;base64,AAAA'></body></html>"
    found = {violation["id"]: violation["impact"] for violation in violations(page, BROWSER)}
    assert found["color-contrast"] == "serious"
    assert found["image-alt"] == "critical"
    assert found["html-has-lang"] == "serious"


def small_page(*cells: NotebookNode, kind: str = "student") -> BeautifulSoup:
    notebook = new_notebook(cells=[new_markdown_cell("# 1 · What?"), *cells])
    return BeautifulSoup(pages.page(notebook, kind), "html.parser")


def test_mathematics_is_drawn_by_the_browser_itself() -> None:
    soup = small_page(new_markdown_cell(r"The error is $\sqrt{p(1-p)/n}$, and $$\frac{1}{2}$$ `cost $5 and $6`"))
    assert len(soup.find_all("math")) == 2
    assert soup.find("math", display="block").find("mfrac")
    assert soup.find("msqrt")
    assert "cost $5 and $6" in soup.code.get_text()
    assert "\\sqrt" not in soup.main.get_text()


def test_there_are_lines_to_write_on_where_words_or_code_are_asked_for() -> None:
    soup = small_page(
        new_markdown_cell("**Exercise** — say why.", metadata={"tags": ["exercise", "words"]}),
        new_code_cell("def f(x):\n    ...", metadata={"tags": ["exercise"]}),
        new_code_cell("x = None", metadata={"tags": ["exercise"]}),
        new_markdown_cell("**Before you run it:** how many?"),
        new_markdown_cell("No question."),
        new_code_cell("print(1)"),
    )
    lines = [len(cell.select(".write")) for cell in soup.select("main > div")]
    assert lines == [0, 3, 6, 1, 1, 0, 0]


def test_tables_have_header_cells() -> None:
    head, body = "<tr><th></th><th>images</th></tr>", "<tr><th>0</th><td>5</td></tr>"
    html = f"<table border='1'><thead>{head}</thead><tbody>{body}</tbody></table>"
    output = new_output("display_data", {"text/html": html})
    soup = small_page(new_code_cell("table", outputs=[output]), new_markdown_cell("| a | b |\n|---|---|\n| 1 | 2 |"))
    assert [(cell.name, cell.get("scope")) for cell in soup.find("table").find_all(["th", "td"])] == [
        ("td", None), ("th", "col"), ("th", "row"), ("td", None)
    ]  # fmt: skip
    assert [cell["scope"] for cell in soup.find_all("table")[1].find_all("th")] == ["col", "col"]


def test_links_lead_to_the_pages_that_are_there() -> None:
    notebook = new_notebook(
        cells=[new_markdown_cell("# 1 · What?\n[a](02_b.ipynb) [c](03_c.ipynb) [r](../README.md) [w](https://w.org)")]
    )
    soup = BeautifulSoup(pages.page(notebook, "student", beside=["01_a", "02_b"]), "html.parser")
    assert [link["href"] for link in soup.main.find_all("a")] == ["02_b.html", "https://w.org"]
    assert "a c r w" in soup.main.get_text()


def test_words_of_code_stay_words() -> None:
    """What looks like HTML in code or output is shown, not obeyed."""
    output = new_output("stream", text="<b>bold</b> & <script>alert(1)</script>")
    soup = small_page(new_code_cell("print('<i>x</i> & y')", outputs=[output]))
    assert soup.find_all(["b", "i", "script"]) == []
    assert "<b>bold</b> & <script>alert(1)</script>" in soup.get_text()


# --- building ---


def test_two_builds_are_identical(built: Path, tmp_path: Path) -> None:
    handouts.build(CHAPTERS, tmp_path)
    files = sorted(path.relative_to(tmp_path) for path in tmp_path.rglob("*.*"))
    assert len(files) == 4 * len(CHAPTERS)
    assert [file for file in files if (tmp_path / file).read_bytes() != (built / file).read_bytes()] == []


@needs_browser
def test_two_prints_are_identical(built: Path, tmp_path: Path) -> None:
    page = built / "student" / f"{CHAPTERS[0].stem}.html"
    printing.print_to_pdf(page.read_text(encoding="utf-8"), tmp_path / "again.pdf", BROWSER)
    assert (tmp_path / "again.pdf").read_bytes() == page.with_suffix(".pdf").read_bytes()


@needs_browser
@pytest.mark.parametrize("kind", ["student", "instructor"])
def test_every_sheet_names_its_chapter_and_number(chapter: Path, kind: str, built: Path) -> None:
    reader = PdfReader((built / kind / chapter.stem).with_suffix(".pdf"))
    title = re.search(r"^# (.+)$", nbformat.read(chapter, as_version=4).cells[0].source, flags=re.MULTILINE)[1]
    total = len(reader.pages)
    assert 5 <= total <= 40
    for number, sheet in enumerate(reader.pages, start=1):
        text = " ".join(sheet.extract_text().split())
        assert f"page {number} of {total}" in text
        assert title in text
        assert [round(float(side)) for side in sheet.mediabox[2:]] == [595, 842]  # A4, in points


@needs_browser
def test_letter_paper_is_another_size(tmp_path: Path) -> None:
    assert main(["handouts", "--out", str(tmp_path), "--chapters", "1", "--pdf", "--paper", "Letter"]) == 0
    sheet = PdfReader(tmp_path / "student" / "01_data.pdf").pages[0]
    assert [round(float(side)) for side in sheet.mediabox[2:]] == [612, 792]


def test_the_command_builds_what_is_asked_for(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["handouts", "--out", str(tmp_path / "for class"), "--chapters", "2", "04_evaluation"]) == 0
    made = sorted(str(path.relative_to(tmp_path / "for class")) for path in tmp_path.rglob("*.*"))
    expected = [
        os.path.join(kind, stem + ending)
        for kind in ("instructor", "student")
        for stem in ("02_model", "04_evaluation")
        for ending in (".html", ".ipynb")
    ]
    assert made == expected
    assert "8 files (html, ipynb)" in capsys.readouterr().out


def test_a_run_with_other_settings_makes_handouts_with_those_settings(tmp_path: Path) -> None:
    chapter, run_folder = CHAPTERS[0], tmp_path / "run"
    run_folder.mkdir()
    values = {"dataset": "fashion", "val_size": 500, "seed": 7, "run_dir": str(run_folder)}
    papermill.execute_notebook(
        chapter, run_folder / chapter.name, values, prepare_only=True, progress_bar=False, kernel_name="python3"
    )
    words = ["--source", str(run_folder), "--out", str(tmp_path / "out"), "--chapters", chapter.stem[:2]]
    assert main(["handouts", *words]) == 0
    text = (tmp_path / "out" / "student" / chapter.name).read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    source = nbformat.read(chapter, as_version=4)
    (cell,) = tagged(notebook, "parameters")
    (before,) = tagged(source, "parameters")
    space: dict = {}
    exec(cell.source, space)
    assert (space["dataset"], space["val_size"], space["seed"]) == ("fashion", 500, 7)
    assert space["run_dir"] == "runs/latest"
    assert [line.partition("#")[2] for line in cell.source.splitlines()] == [
        line.partition("#")[2] for line in before.source.splitlines()
    ]
    assert len(notebook.cells) == len(copies.student_copy(source).cells), "no injected cell is left"
    assert "papermill" not in text
    assert str(tmp_path) not in text


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--source", "no_such_folder"], "source: 'no_such_folder' has no 01_data.ipynb"),
        (["--chapters", "99"], "chapter: unknown chapter '99'"),
        (["--pdf", "--paper", "A5"], "invalid choice: 'A5'"),
    ],
)
def test_a_wrong_call_is_one_line(
    words: list[str], expected: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    try:
        status = main(["handouts", "--out", str(tmp_path / "out"), *words])
    except SystemExit as stopped:
        status = stopped.code
    assert status == 2
    message = capsys.readouterr().err
    assert expected in message
    assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_machine_without_a_browser_is_told_so_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(printing, "NAMES", ("no-such-browser",))
    monkeypatch.setattr(printing, "PLACES", ())
    assert main(["handouts", "--out", str(tmp_path / "out"), "--pdf"]) == 2
    assert "neither Chromium nor Chrome" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_browser_that_fails_is_named_in_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(printing, "find_browser", lambda: "false")  # a command that always fails
    assert main(["handouts", "--out", str(tmp_path), "--chapters", "1", "--pdf"]) == 1
    assert "false printed nothing (exit status 1)" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    assert main(["handouts", "--out", str(tmp_path / "file" / "out"), "--chapters", "1"]) == 2
    assert "can't be written" in capsys.readouterr().err
