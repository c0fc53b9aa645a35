"""Copies for a class: a student's without solutions, an instructor's with all, pages that print and read well."""

import ast
import base64
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable
from functools import cache
from pathlib import Path

import nbformat
import papermill
import psutil
import pytest
from accessibility import opened, violations, without_policy
from bs4 import BeautifulSoup
from nbconvert.filters import markdown2html
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output
from pypdf import PageObject, PdfReader
from solutions import filled_copy

from course import chapters, exercises
from course.__main__ import main
from course.folder import MARKER
from course.handouts import build as handouts
from course.handouts import copies, folder, pages, printing, slides
from course.handouts.build import build
from helpers import settings

CHAPTERS = chapters.all_chapters()
BROWSER = printing.find_browser()
needs_browser = pytest.mark.skipif(not BROWSER, reason="neither Chromium nor Chrome is on this machine to print with")
for_each_kind = pytest.mark.parametrize("kind", ["student", "instructor"])


@pytest.fixture(params=CHAPTERS, ids=lambda chapter: chapter.stem)
def chapter(request: pytest.FixtureRequest) -> Path:
    return request.param


@pytest.fixture
def source(chapter: Path) -> NotebookNode:
    return nbformat.read(chapter, as_version=4)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All handouts but the PDFs, built once."""
    out = tmp_path_factory.mktemp("handouts")
    build(CHAPTERS, out, worksheet=True, deck=True)
    return out


@pytest.fixture(scope="module")
def printed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The PDFs of all pages, printed once."""
    out = tmp_path_factory.mktemp("printed")
    for page in built.rglob("[0-9]*.html"):
        target = out / page.relative_to(built).with_suffix(".pdf")
        target.parent.mkdir(exist_ok=True)
        printing.print_to_pdf(page.read_text(encoding="utf-8"), target, BROWSER)
    return out


@cache
def soup_of(page: Path) -> BeautifulSoup:
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


def text_on(sheet: PageObject) -> str:
    """Return the text of a sheet; some fonts print ff as one sign, which is two letters here."""
    return unicodedata.normalize("NFKC", sheet.extract_text())


def text_of(pdf: Path) -> str:
    return "".join(map(text_on, PdfReader(pdf).pages))


def is_hidden(cell: NotebookNode) -> bool:
    return bool(copies.HIDDEN_FROM_STUDENTS & copies.tags_of(cell))


def tagged(notebook: NotebookNode, tag: str, kind: str = "code") -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == kind and tag in copies.tags_of(cell)]


def numbers_of(notebook: NotebookNode) -> list[str]:
    """Return the numbers of the exercises that are checked in a notebook."""
    return [re.search(r'exercises\.check\("(\d+\.\d+)"', cell.source)[1] for cell in tagged(notebook, "check")]


# --- nothing of a solution reaches a student ---


def bare(text: str) -> str:
    """Return text without spaces and marks of Markdown: a page breaks lines elsewhere, and shows no backquotes."""
    return re.sub(r"[\s`*_\\]+", "", text)


def public_text(source: NotebookNode) -> str:
    return bare("\n".join(cell.source for cell in source.cells if not is_hidden(cell)))


def secret_lines(source: NotebookNode) -> list[str]:
    """Return the lines of solutions and teacher's notes that stand nowhere else in the chapter."""
    public = public_text(source)
    hidden = [cell.source for cell in source.cells if is_hidden(cell)]
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


def leaks(source: NotebookNode, text: str) -> list[str]:
    """Return the sentences of solutions and teacher's notes that are in `text`."""
    secrets = [part for line in secret_lines(source) for part in sentences(line)]
    assert len(secrets) > 20
    text, public = bare(text), public_text(source)
    return [line for line in secrets if bare(line) in text and bare(line) not in public]


def test_no_line_of_a_solution_is_in_a_students_files(chapter: Path, source: NotebookNode, built: Path) -> None:
    notebook = json.loads((built / "student" / chapter.name).read_text(encoding="utf-8"))
    page = built / "student" / f"{chapter.stem}.html"
    html = re.sub(r"data:image/png;base64,[\w+/=]+", "", page.read_text(encoding="utf-8"))
    assert leaks(source, everything_in(notebook)) == []
    assert leaks(source, soup_of(page).get_text()) == []
    assert leaks(source, html) == []


@needs_browser
@pytest.mark.slow
def test_no_line_of_a_solution_is_in_a_students_pdf(chapter: Path, source: NotebookNode, printed: Path) -> None:
    assert leaks(source, text_of(printed / "student" / f"{chapter.stem}.pdf")) == []


def code_found(source: NotebookNode, text: str) -> float:
    """Return the share of the solutions' lines of code that are in `text`."""
    code = [bare(line) for line in secret_lines(source) if not re.search(r"[|<>*`]|\[", line)]
    return sum(line in bare(text) for line in code) / len(code)


def test_the_search_for_leaks_would_find_them(chapter: Path, source: NotebookNode, built: Path) -> None:
    """In the instructor's copies the same search finds nearly every line."""
    assert code_found(source, soup_of(built / "instructor" / f"{chapter.stem}.html").get_text()) >= 0.7


@needs_browser
@pytest.mark.slow
def test_the_search_would_find_leaks_in_a_pdf(chapter: Path, source: NotebookNode, printed: Path) -> None:
    assert code_found(source, text_of(printed / "instructor" / f"{chapter.stem}.pdf")) >= 0.7


@pytest.fixture
def own_chapter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A teacher's chapter 1, alone in a folder of notebooks, as it is committed."""
    (tmp_path / "notebooks").mkdir()
    monkeypatch.setattr(chapters, "NOTEBOOKS", tmp_path / "notebooks")
    return Path(shutil.copy(CHAPTERS[0], tmp_path / "notebooks"))


def change(notebook: Path, how: Callable[[NotebookNode], NotebookNode | None]) -> None:
    content = nbformat.read(notebook, as_version=4)
    nbformat.write(how(content) or content, notebook)


@pytest.mark.parametrize("executed", [False, True])
def test_an_answer_in_the_chapter_is_not_handed_out(
    executed: bool, own_chapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    """A teacher solved the exercises in class; the copies hold the stubs, as if nobody had."""
    stubs = [cell.source for cell in tagged(nbformat.read(own_chapter, as_version=4), "exercise")]
    if executed:
        (tmp_path / "run").mkdir()
        change(Path(shutil.copy(own_chapter, tmp_path / "run")), filled_copy)
    else:
        change(own_chapter, filled_copy)
    words = ["--source", str(tmp_path / "run")] if executed else []
    assert main(["handouts", "--out", str(tmp_path / "out"), *words]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if "holds an answer" in line]
    assert [line.partition(":")[0] for line in lines] == [f"Exercise 1.{number}" for number in range(1, len(stubs) + 1)]
    for kind in ("student", "instructor"):
        made = nbformat.read(tmp_path / "out" / kind / own_chapter.name, as_version=4)
        assert [cell.source for cell in tagged(made, "exercise")] == stubs
    source = nbformat.read(CHAPTERS[0], as_version=4)
    assert leaks(source, soup_of(tmp_path / "out" / "student" / f"{own_chapter.stem}.html").get_text()) == []


def test_a_teachers_own_exercise_is_handed_out_as_it_is(own_chapter: Path, tmp_path: Path) -> None:
    text = new_markdown_cell("**Exercise 1.9** · 5 minutes · ●○○ — Add.", metadata={"tags": ["exercise"]})
    stub = new_code_cell("total = None  # yours", metadata={"tags": ["exercise"]})
    change(own_chapter, lambda notebook: notebook.cells.extend([text, stub]))
    main(["handouts", "--out", str(tmp_path / "out")])
    made = nbformat.read(tmp_path / "out" / "student" / own_chapter.name, as_version=4)
    assert made.cells[-1].source == "total = None  # yours"


@pytest.mark.parametrize("tag", ["Solution", "solutions", "instructor ", "exercice"])
def test_a_mistyped_tag_is_named_before_anything_is_written(
    tag: str, own_chapter: Path, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    change(own_chapter, lambda notebook: notebook.cells[4].metadata.update(tags=["check", tag]))
    assert main(["handouts", "--out", str(tmp_path / "out")]) == 2
    message = capsys.readouterr().err
    assert (
        f"01_data: cell 5 has an unknown tag, {tag!r}; correct or remove it, tags are answer, card, check, " in message
    )
    assert message.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_the_tags_are_those_that_the_map_explains() -> None:
    page = (settings.ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition("## What a cell's tag means")[2].partition("\n## ")[0]
    assert set(re.findall(r"^\| `([\w-]+)` \|", table, flags=re.MULTILINE)) == copies.TAGS


def test_nothing_that_belongs_to_a_hidden_cell_stays() -> None:
    hidden = new_markdown_cell("![s](attachment:s.png)", metadata={"tags": ["solution"], "note": "secret"})
    hidden.attachments = {"s.png": {"image/png": "secret"}}
    notebook = new_notebook(cells=[new_markdown_cell("# 1"), hidden], metadata={"widgets": {"state": "secret"}})
    for copied in (copies.student_copy(notebook), copies.student_page(notebook)):
        assert "secret" not in everything_in(copied)


# --- and nothing else is kept from them ---


def test_a_students_notebook_is_the_chapter_without_them(chapter: Path, source: NotebookNode, built: Path) -> None:
    student = nbformat.read(built / "student" / chapter.name, as_version=4)
    nbformat.validate(student)
    assert [cell.source for cell in student.cells] == [cell.source for cell in source.cells if not is_hidden(cell)]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in student.cells)
    assert not any(cell.cell_type == "code" and is_hidden(cell) for cell in source.cells)


def test_each_heading_and_paragraph_is_on_a_students_page(chapter: Path, source: NotebookNode, built: Path) -> None:
    page = bare(soup_of(built / "student" / f"{chapter.stem}.html").get_text())
    for cell in source.cells:
        if (
            cell.cell_type == "markdown" and not is_hidden(cell) and "answer" not in copies.tags_of(cell)
        ):  # paper has lines
            blocks = BeautifulSoup(markdown2html(cell.source), "html.parser").find_all(["h1", "h2", "h3", "p", "li"])
            texts = [block.get_text().removesuffix("¶") for block in blocks]
            assert [text for text in texts if "$" not in text and bare(text) not in page] == []  # $ is drawn


def test_a_cell_kept_from_students_holds_one_fold_and_nothing_after_it(source: NotebookNode) -> None:
    """Chapter 4's had the next section's heading and text after its solution, and students never saw them."""
    for cell in filter(is_hidden, source.cells):
        assert re.fullmatch(r"<details>(?:(?!</?details).)*</details>", cell.source, flags=re.DOTALL), cell.id


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
    stubs, filled = tagged(source, "exercise"), tagged(filled_copy(source), "exercise")
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
    assert 4 <= len(expected) - chapter.stem.startswith("09") * 12 <= 6  # and twelve patients of five minutes
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


@for_each_kind
def test_a_page_needs_no_network(chapter: Path, kind: str, built: Path) -> None:
    soup = soup_of(built / kind / f"{chapter.stem}.html")
    assert soup.find_all(["script", "link", "iframe", "object", "embed"]) == []
    assert [image["src"][:30] for image in soup.find_all("img") if not image["src"].startswith("data:image/png;")] == []
    assert not re.search(r"@import|url\(", "".join(style.get_text() for style in soup.find_all("style")))
    for link in soup.find_all("a", href=True):
        beside = re.fullmatch(r"(\d\d_\w+\.html|digits\.html)(#.*)?", link["href"])
        assert link["href"].startswith("https://") or (beside and (built / kind / beside[1]).is_file())


@for_each_kind
def test_a_page_tells_its_language_title_and_pictures(chapter: Path, kind: str, built: Path) -> None:
    soup = soup_of(built / kind / f"{chapter.stem}.html")
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


def serious_violations(page: Path) -> list[dict]:
    found = violations(page.read_text(encoding="utf-8"), BROWSER)
    return [violation for violation in found if violation["impact"] in ("serious", "critical")]


@needs_browser
@pytest.mark.slow
@for_each_kind
def test_axe_finds_nothing_serious(chapter: Path, kind: str, built: Path) -> None:
    assert serious_violations(built / kind / f"{chapter.stem}.html") == []


@needs_browser
def test_axe_finds_nothing_serious_in_the_first_chapter(built: Path) -> None:
    assert serious_violations(built / "student" / f"{CHAPTERS[0].stem}.html") == []


@needs_browser
def test_axe_would_find_a_pale_word_and_a_picture_without_words() -> None:
    page = "<html><body><p style='color: #bbb'>pale</p><img src='data:image/png;base64,AAAA'></body></html>"
    found = {violation["id"]: violation["impact"] for violation in violations(page, BROWSER)}
    assert found["color-contrast"] == "serious"
    assert found["image-alt"] == "critical"
    assert found["html-has-lang"] == "serious"


def small_page(*cells: NotebookNode, kind: str = "student") -> BeautifulSoup:
    notebook = new_notebook(cells=[new_markdown_cell("# 1 · What?"), *cells])
    return BeautifulSoup(pages.page(notebook, kind, {}), "html.parser")


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
    assert lines == [0, 3, 5, 1, 1, 0, 0]


def test_tables_have_header_cells() -> None:
    head, body = "<tr><th></th><th>images</th></tr>", "<tr><th>0</th><td>5</td></tr>"
    html = f"<table border='1'><thead>{head}</thead><tbody>{body}</tbody></table>"
    output = new_output("display_data", {"text/html": html})
    soup = small_page(new_code_cell("table", outputs=[output]), new_markdown_cell("| a | b |\n|---|---|\n| 1 | 2 |"))
    assert [(cell.name, cell.get("scope")) for cell in soup.find("table").find_all(["th", "td"])] == [
        ("td", None), ("th", "col"), ("th", "row"), ("td", None)
    ]  # fmt: skip
    assert [cell["scope"] for cell in soup.find_all("table")[1].find_all("th")] == ["col", "col"]


def test_what_may_be_wider_than_a_phone_scrolls_inside_itself_with_the_keyboard_too() -> None:
    table = new_markdown_cell("| a | b |\n|---|---|\n| 1 | 2 |\n")
    output = new_output("stream", text="1 " * 40)
    soup = small_page(table, new_code_cell("x = 1"), new_code_cell("y = 2  # " + 40 * "w", outputs=[output]))
    scrollers = soup.main.find_all(tabindex="0")
    assert [scroller.name for scroller in scrollers] == ["div", "pre", "pre"]
    assert scrollers[0].table and scrollers[0]["aria-label"] == "table"
    assert "x = 1" not in "".join(scroller.get_text() for scroller in scrollers)


@needs_browser
@pytest.mark.slow
def test_no_page_scrolls_sideways_on_a_phone(built: Path, browser: object) -> None:
    for scheme in ("light", "dark"):
        tab = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
        for page in built.rglob("[0-9]*.html"):
            tab.goto(page.as_uri())
            assert tab.evaluate("document.scrollingElement.scrollWidth") <= 390, page


def test_links_lead_to_the_pages_that_are_there() -> None:
    notebook = new_notebook(
        cells=[
            new_markdown_cell(
                "# 1 · What?\n[a](02_b.ipynb) [d](02_b.ipynb#d-e) [c](03_c.ipynb) [r](../README.md) [w](https://w.org)"
            )
        ]
    )
    soup = BeautifulSoup(pages.page(notebook, "student", {"02_b.ipynb": "02_b.html"}), "html.parser")
    assert [link["href"] for link in soup.main.find_all("a")] == ["02_b.html", "02_b.html#d-e", "https://w.org"]
    assert "a d c r w" in soup.main.get_text()


def test_words_of_code_stay_words() -> None:
    """What looks like HTML in code or output is shown, not obeyed."""
    output = new_output("stream", text="<b>bold</b> & <script>alert(1)</script>")
    soup = small_page(new_code_cell("print('<i>x</i> & y')", outputs=[output]))
    assert soup.find_all(["b", "i", "script"]) == []
    assert "<b>bold</b> & <script>alert(1)</script>" in soup.get_text()


RUNS = "document.documentElement.classList.add('ran-{}')"
MARKDOWN = {
    "script": "<script>{}</script>",
    "picture": '<img src="nowhere.png" onerror="{}">',
    "fold": '<details open ontoggle="{}"><summary>s</summary></details>',
}
OUTPUTS = {
    "output": "<script>{}</script>",
    "svg": '<svg onload="{}"></svg>',
    "svg-script": "<svg><script>{}</script></svg>",
}
SVG = """<svg xmlns="http://www.w3.org/2000/svg"><script>{}</script><circle r="9"/></svg>"""


@needs_browser
def test_nothing_that_a_chapter_holds_runs_in_its_page() -> None:
    """Not Markdown, not outputs, not SVG. Without the page's policy all would, except a picture of its own."""
    prose = [new_markdown_cell(html.format(RUNS.format(name))) for name, html in MARKDOWN.items()]
    shown = [{"text/html": html.format(RUNS.format(name))} for name, html in OUTPUTS.items()]
    shown.append({"image/svg+xml": SVG.format(RUNS.format("picture-of-its-own"))})
    cells = [*prose, new_code_cell("1", outputs=[new_output("display_data", data) for data in shown])]
    page = pages.page(new_notebook(cells=[new_markdown_cell("# 1 · What?"), *cells]), "student", {})
    ran = re.search(r'<html[^>]* class="([^"]*)"', opened(without_policy(page), BROWSER))[1]
    assert set(ran.split()) == {f"ran-{name}" for name in MARKDOWN | OUTPUTS}
    assert "ran-" not in re.search(r"<html[^>]*>", opened(page, BROWSER))[0]


def test_a_page_leads_nowhere_by_itself() -> None:
    soup = small_page(new_markdown_cell('<meta http-equiv="Refresh" content="0; url=https://example.org">'))
    assert [tag["http-equiv"] for tag in soup.select("meta[http-equiv]")] == ["Content-Security-Policy"]


def test_a_drawing_is_a_picture() -> None:
    drawing = '<svg xmlns="http://www.w3.org/2000/svg"><circle r="9"/></svg>'
    told = {"image/svg+xml": {"alt": "a circle"}}
    soup = small_page(
        new_code_cell("1", outputs=[new_output("display_data", {"image/svg+xml": drawing}, metadata=told)])
    )
    assert soup.img["alt"] == "a circle"
    assert base64.b64decode(soup.img["src"].removeprefix("data:image/svg+xml;base64,")).decode() == drawing


@needs_browser
@pytest.mark.slow
def test_the_policy_takes_nothing_away_from_a_page(built: Path, tmp_path: Path) -> None:
    """Pictures, mathematics, tables and folds: the same print, to the last byte."""
    page = (built / "instructor" / "04_evaluation.html").read_text(encoding="utf-8")
    assert without_policy(page) != page
    for name, html in (("with", page), ("without", without_policy(page))):
        printing.print_to_pdf(html, tmp_path / f"{name}.pdf", BROWSER)
    assert (tmp_path / "with.pdf").read_bytes() == (tmp_path / "without.pdf").read_bytes()


def test_a_print_is_the_same_wherever_the_browser_begins_to_count() -> None:
    one, other = (
        b"/CreationDate (D:%s+00'00') /ID (node%08d) /Names [(node%08d) 7 0 R]" % (date, first, first + 12)
        for date, first in ((b"20261127203000", 22), (b"20261127203107", 23))
    )
    assert printing._always_alike(one) == printing._always_alike(other)


# --- paper ---


def check_sheets(pdf: Path, title: str, size: list[int]) -> int:
    """Assert that each sheet of a PDF names the chapter and its own number, and has the size, in points; count them."""
    sheets = PdfReader(pdf).pages
    for number, sheet in enumerate(sheets, start=1):
        text = " ".join(text_on(sheet).split())
        assert f"page {number} of {len(sheets)}" in text
        assert title in text
        assert [round(float(side)) for side in sheet.mediabox[2:]] == size
    return len(sheets)


@needs_browser
def test_a_print_has_the_paper_that_is_asked_for_and_numbered_sheets(tmp_path: Path) -> None:
    page = str(small_page(new_markdown_cell("\n\n".join(["a line"] * 100))))
    printing.print_to_pdf(page, tmp_path / "page.pdf", BROWSER, "Letter")
    assert check_sheets(tmp_path / "page.pdf", "1 · What?", [612, 792]) >= 2


@needs_browser
@pytest.mark.slow
@for_each_kind
def test_every_sheet_names_its_chapter_and_number(
    chapter: Path, kind: str, source: NotebookNode, printed: Path
) -> None:
    title = re.match(r"# (.+)", source.cells[0].source)[1]
    assert 5 <= check_sheets(printed / kind / f"{chapter.stem}.pdf", title, [595, 842]) <= 40  # A4


def filled(sheet: PageObject) -> float:
    """Return how far down a sheet its text, pictures and lines reach, as a share of the space between head and foot."""
    foot, head, bottoms = 18 / 25.4 * 72, float(sheet.mediabox.height) - 14 / 25.4 * 72, []

    def note(operator: bytes, words: list, cm: list, _: list) -> None:
        if operator == b"Do":  # a picture
            bottoms.append(cm[5])
        elif operator == b"re":  # a rectangle: a line to write on, for one
            bottoms.extend(cm[5] + cm[3] * float(y) for y in (words[1], words[1] + words[3]))

    sheet.extract_text(
        visitor_text=lambda text, cm, tm, *_: bottoms.append(cm[5] + cm[3] * tm[5]) if text.strip() else None,
        visitor_operand_before=note,
    )
    return (head - min(bottom for bottom in bottoms if bottom > foot + 1)) / (head - foot)


def sizes_of_code(sheet: PageObject) -> set[float]:
    """Return the sizes of what is printed in a font for code, in points."""
    found = set()

    def note(text: str, cm: list, tm: list, font: dict | None, size: float) -> None:
        if text.strip() and "Mono" in (font or {}).get("/BaseFont", ""):
            found.add(round(abs(cm[0] * tm[0]) * size, 1))

    sheet.extract_text(visitor_text=note)
    return found


@needs_browser
@pytest.mark.slow
@for_each_kind
def test_sheets_are_well_filled_and_code_is_legible(chapter: Path, kind: str, printed: Path) -> None:
    sheets = PdfReader(printed / kind / f"{chapter.stem}.pdf").pages
    assert [number for number, sheet in enumerate(sheets[:-1], start=1) if filled(sheet) < 2 / 3] == []
    assert min(size for sheet in sheets for size in sizes_of_code(sheet)) >= 8.5


@needs_browser
@pytest.mark.slow
def test_two_prints_are_identical(built: Path, printed: Path, tmp_path: Path) -> None:
    page = Path("student", f"{CHAPTERS[0].stem}.html")
    printing.print_to_pdf((built / page).read_text(encoding="utf-8"), tmp_path / "again.pdf", BROWSER)
    assert (tmp_path / "again.pdf").read_bytes() == (printed / page).with_suffix(".pdf").read_bytes()


# --- worksheets ---


ANSWERED = {  # predictions that a figure answers; it is at least a page below
    "03_training": "validation accuracy will ten epochs reach",
    "05_experiments": "larger batch takes fewer steps",
    "06_better_training": "which of the four steps",
    "08_your_own_digits": "three corruptions where",
}


def test_a_worksheet_asks_everything_and_answers_nothing(chapter: Path, source: NotebookNode, built: Path) -> None:
    soup = soup_of(built / "student" / f"{chapter.stem}.worksheet.html")
    text = bare(soup.get_text())
    asked = [cell.source.partition("<details>")[0].strip() for cell in tagged(source, "exercise", "markdown")]
    asked += re.findall(r"\*\*Before you [\w ]+:\*\*.*", "\n".join(cell.source for cell in source.cells))
    for question in [text for text in asked if "$" not in text]:  # $ is drawn
        assert bare(BeautifulSoup(markdown2html(question), "html.parser").get_text()) in text
    assert len(soup.select(".quiz ol > li")) == 5
    assert soup.find_all(["details", "summary"]) == []
    assert "Whatcameout" not in text
    assert leaks(source, soup.get_text()) == []
    stubs = [bare(cell.source) for cell in tagged(source, "exercise")]
    assert sorted(bare(code.get_text()) for code in soup.select(".cell .highlight")) == sorted(stubs)
    assert soup.select(".printed") == [], "nothing that a cell printed"


def test_a_figure_that_answers_a_prediction_is_after_all_of_them(built: Path) -> None:
    """In chapter 4 the confusion matrix comes with the exercise that reads it, below the last prediction."""
    html = (built / "student" / "04_evaluation.worksheet.html").read_text(encoding="utf-8")
    figure = html.index('class="cell reading')
    assert html.rindex("Before you run it") < html.index("Figures to read") < figure < html.index("Exercise 4.5")


@needs_browser
@pytest.mark.slow
def test_a_worksheet_has_four_or_five_sheets_and_the_quiz_on_the_last(
    chapter: Path, built: Path, tmp_path: Path
) -> None:
    page = (built / "student" / f"{chapter.stem}.worksheet.html").read_text(encoding="utf-8")
    printing.print_to_pdf(page, tmp_path / "worksheet.pdf", BROWSER)
    sheets = [text_on(sheet) for sheet in PdfReader(tmp_path / "worksheet.pdf").pages]
    assert 4 <= len(sheets) <= 5
    assert [number for number, text in enumerate(sheets, start=1) if "Exit quiz" in text] == [len(sheets)]
    reading = [number for number, text in enumerate(sheets) if "Figures to read" in text]
    if chapter.stem in ANSWERED:
        asked = next(number for number, text in enumerate(sheets) if bare(ANSWERED[chapter.stem]) in bare(text))
        assert asked < reading[0]


# --- slides ---


def test_slides_show_what_is_tagged_and_only_the_instructors_say_what_came_out(
    chapter: Path, source: NotebookNode, built: Path
) -> None:
    student, instructor = (soup_of(built / kind / f"{chapter.stem}.slides.html") for kind in folder.KINDS)
    assert 15 <= len(student.select("section")) == len(instructor.select("section")) <= 20
    assert len(student.select("section")) == sum("slide" in copies.tags_of(cell) for cell in source.cells)
    assert student.find_all(["script", "link", "details"]) == []
    assert student.select(".notes") == []
    assert leaks(source, student.get_text()) == []
    assert bare(instructor.select_one(".notes").get_text()).startswith("partminutes")
    assert len(instructor.select(".notes")) >= 4


def chosen_slide(text: str) -> NotebookNode:
    return new_markdown_cell(text, metadata={"tags": ["slide"]})


def test_a_slide_has_the_heading_of_what_it_shows() -> None:
    cells = [
        chosen_slide("# 1 · What?\n\nWhy?"),
        chosen_slide("Of before.\n\n## A\n\n**Before you run it:** how many?\n\n## B\n\nText."),
        chosen_slide("Still under B."),
        chosen_slide("## Key points\n\n- One.\n\n## What comes next\n\nMore."),
    ]
    soup = BeautifulSoup(slides.deck(new_notebook(cells=cells)), "html.parser")
    assert [heading.get_text().removesuffix("¶") for heading in soup.select("section h2")] == ["A", "B", "Key points"]


def test_a_note_answers_the_question_on_its_own_slide() -> None:
    fold = "<details><summary>What came out</summary>\n\n{}\n</details>"
    cells = [chosen_slide("# 1 · What?\n\nWhy?\n\nTime"), chosen_slide("## A\n\n**Before you run it:** how many?")]
    cells += [new_markdown_cell(fold.format("Three.") + "\n\n**Before you run it:** how few?")]
    cells += [new_markdown_cell(fold.format("None."))]  # of a question that isn't on a slide
    soup = BeautifulSoup(slides.deck(new_notebook(cells=cells), "notes"), "html.parser")
    assert [" ".join(section.get_text(" ").split()) for section in soup.select("section")] == [
        "1 · What? Why? notes",
        "A Before you run it: how many? Three.",
    ]


@needs_browser
@pytest.mark.slow
@for_each_kind
def test_no_slide_overflows(chapter: Path, kind: str, built: Path, browser: object) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 720})
    page.goto((built / kind / f"{chapter.stem}.slides.html").as_uri())
    too_large = "s => s.scrollHeight > s.clientHeight || s.scrollWidth > s.clientWidth"
    assert page.evaluate(f"[...document.querySelectorAll('section')].filter({too_large}).length") == 0
    page.close()


# --- building ---


STEMS = ("01_first", "02_second", "03_third")


@pytest.fixture
def small_course(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Three tiny chapters, a page and a printer that take no time, and a folder for handouts that isn't there yet."""
    notebooks = tmp_path / "notebooks"
    notebooks.mkdir()
    for name in STEMS:
        cell = new_markdown_cell(f"# {name}\n[first](01_first.ipynb)", id="only")
        nbformat.write(new_notebook(cells=[cell]), notebooks / f"{name}.ipynb")
    monkeypatch.setattr(chapters, "NOTEBOOKS", notebooks)
    monkeypatch.setattr(handouts.digits, "build", lambda: "the page")
    monkeypatch.setattr(printing, "find_browser", lambda: "browser")
    monkeypatch.setattr(printing, "print_to_pdf", lambda html, target, _, paper: target.write_text(paper))
    return tmp_path / "for class"


def make(out: Path, *words: str) -> int:
    return main(["handouts", "--out", str(out), *words])


def everything_below(out: Path) -> dict[str, bytes]:
    """Return the names and contents of all files, hidden ones as well."""
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}


def files_in(out: Path) -> set[str]:
    """Return the names of all files but those that the command keeps for itself."""
    return {name for name in everything_below(out) if not name.startswith(".")}


def expected(*stems: str, endings: tuple[str, ...] = ("html", "ipynb")) -> set[str]:
    """Return the names of what a build makes of some chapters; `digits.html` comes with them."""
    made = {f"{stem}.{end}" for stem in stems for end in endings} | {"digits.html"}
    return {f"{kind}/{name}" for kind in ("student", "instructor") for name in made}


def test_the_command_builds_what_is_asked_for(small_course: Path, capsys: pytest.CaptureFixture) -> None:
    assert make(small_course, "--chapters", "1", "03_third") == 0
    assert files_in(small_course) == expected("01_first", "03_third")
    assert "10 files (html, ipynb)" in capsys.readouterr().out


def test_the_page_that_reads_drawings_is_beside_the_chapters_and_linked_from_each(
    small_course: Path, capsys: pytest.CaptureFixture
) -> None:
    assert make(small_course) == 0
    for kind in folder.KINDS:
        assert (small_course / kind / "digits.html").read_text() == "the page"
        for stem in STEMS:
            (link,) = soup_of(small_course / kind / f"{stem}.html").select("header a")
            assert link["href"] == "digits.html"
    (small_course / "student" / "digits.html").write_text("mine")
    assert make(small_course) == 0
    assert (small_course / "student" / "digits.kept-1.html").read_text() == "mine"
    assert (small_course / "student" / "digits.html").read_text() == "the page"
    assert "digits.html was changed since it was built; it is now digits.kept-1.html\n" in capsys.readouterr().out


@pytest.mark.parametrize("error", [ValueError("run: no run here"), OSError("disk: can't be read")])
def test_where_the_page_cannot_be_built_the_handouts_are(
    error: Exception, small_course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """Without it nothing links to it; one from an earlier build stays, and is linked."""

    def fail() -> str:
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(handouts.digits, "build", fail)
        assert make(small_course) == 0
    assert f"digits.html is left out: {error}\n" in capsys.readouterr().out
    assert files_in(small_course) == {name for name in expected(*STEMS) if not name.endswith("digits.html")}
    assert b'href="digits.html"' not in (small_course / "student" / "01_first.html").read_bytes()
    assert make(small_course) == 0
    monkeypatch.setattr(handouts.digits, "build", fail)
    assert make(small_course) == 0
    assert files_in(small_course) == expected(*STEMS)
    assert b'href="digits.html"' in (small_course / "student" / "01_first.html").read_bytes()


def test_two_builds_are_identical(tmp_path: Path) -> None:
    for name in ("once", "again"):
        build(CHAPTERS[:1], tmp_path / name)
    assert everything_below(tmp_path / "once") == everything_below(tmp_path / "again")


def test_worksheets_are_built_if_asked_for_and_go_with_their_chapter(
    small_course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(handouts.worksheets, "worksheet", lambda page: page)
    assert make(small_course, "--worksheet", "--pdf") == 0
    sheets = {f"student/{stem}.worksheet.{end}" for stem in STEMS for end in ("html", "pdf")}
    assert files_in(small_course) == expected(*STEMS, endings=("html", "ipynb", "pdf")) | sheets
    assert make(small_course, "--chapters", "3") == 0
    assert {name for name in files_in(small_course) if "worksheet" in name} == {
        name for name in sheets if "03_third" not in name
    }


def test_old_pdfs_do_not_stay_beside_new_notebooks(small_course: Path) -> None:
    stems = ("01_first", "02_second", "03_third")
    assert make(small_course, "--pdf", "--paper", "Letter") == 0
    assert files_in(small_course) == expected(*stems, endings=("html", "ipynb", "pdf"))
    assert {pdf.read_text() for pdf in small_course.rglob("*.pdf")} == {"Letter"}
    assert make(small_course) == 0
    assert files_in(small_course) == expected(*stems)


def test_one_chapter_built_anew_leaves_those_of_the_others(small_course: Path) -> None:
    make(small_course, "--pdf")
    before = everything_below(small_course)
    assert make(small_course, "--chapters", "3") == 0
    after = everything_below(small_course)
    gone = {"student/03_third.pdf", "instructor/03_third.pdf"}
    assert set(before) - set(after) == gone
    assert {name for name in after if after[name] != before[name]} == {MARKER}
    assert b'href="01_first.html"' in after["student/03_third.html"], "the page of chapter 1 is still beside it"
    assert make(small_course, "--chapters", "1", "2") == 0
    assert files_in(small_course) == expected("01_first", "02_second", "03_third"), (
        "all the PDFs were known and are gone"
    )


def test_handouts_of_a_chapter_that_the_course_no_longer_has_go(small_course: Path) -> None:
    make(small_course)
    (chapters.NOTEBOOKS / "02_second.ipynb").rename(chapters.NOTEBOOKS / "02_renamed.ipynb")
    assert make(small_course) == 0
    assert files_in(small_course) == expected("01_first", "02_renamed", "03_third")


@pytest.mark.parametrize("name", ["notes.txt", "01_data.ipynb", ".git/config", "student/01_first.ipynb"])
def test_a_folder_that_no_build_made_is_refused(name: str, small_course: Path, capsys: pytest.CaptureFixture) -> None:
    (small_course / name).parent.mkdir(parents=True)
    (small_course / name).write_text("mine")
    assert make(small_course) == 2
    message = capsys.readouterr().err
    assert "was not made by `handouts` and holds files" in message
    assert message.count("\n") == 1
    assert everything_below(small_course) == {name: b"mine"}


def test_the_courses_own_notebooks_are_no_place_for_handouts(small_course: Path, capsys: pytest.CaptureFixture) -> None:
    before = everything_below(chapters.NOTEBOOKS)
    assert make(chapters.NOTEBOOKS) == 2
    assert "was not made by `handouts`" in capsys.readouterr().err
    assert everything_below(chapters.NOTEBOOKS) == before


def test_no_name_for_the_folder_is_refused(
    small_course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    """As in `--out "$FOLDER"` where FOLDER was never set: it isn't the folder that one happens to be in."""
    monkeypatch.chdir(chapters.NOTEBOOKS.parent)
    with pytest.raises(SystemExit) as stopped:
        main(["handouts", "--out", ""])
    assert stopped.value.code == 2
    assert "--out: got an empty name; give another" in capsys.readouterr().err
    assert not Path("student").exists()


def test_files_beside_the_handouts_are_left_alone(small_course: Path) -> None:
    make(small_course)
    theirs = ("notes.txt", ".git/config", "student/marks.csv", "student/.ipynb_checkpoints/01_first.ipynb")
    for name in theirs:
        (small_course / name).parent.mkdir(parents=True, exist_ok=True)
        (small_course / name).write_text("mine")
    assert make(small_course) == 0
    assert all((small_course / name).read_text() == "mine" for name in theirs)


def test_a_handout_that_somebody_worked_in_is_kept_beside_the_new_one(
    small_course: Path, capsys: pytest.CaptureFixture
) -> None:
    make(small_course)
    handout, fresh = small_course / "student" / "02_second.ipynb", everything_below(small_course)
    for number in (1, 2):
        handout.write_text(f"answer {number}")
        capsys.readouterr()
        assert make(small_course, "--chapters", "1") == 0
        assert handout.read_text() == f"answer {number}", "chapter 2 is not concerned"
        assert "answer" not in capsys.readouterr().out
        assert make(small_course) == 0
        assert f"02_second.ipynb was changed since it was built; it is now 02_second.kept-{number}.ipynb\n" in (
            capsys.readouterr().out
        )
    assert everything_below(small_course) == fresh | {
        "student/02_second.kept-1.ipynb": b"answer 1",
        "student/02_second.kept-2.ipynb": b"answer 2",
    }


@pytest.mark.parametrize("kind", ["file", "link", "folder"])
def test_what_has_a_handouts_name_and_is_none_is_kept_too(kind: str, small_course: Path) -> None:
    make(small_course)
    taken, theirs = small_course / "student" / "01_first.pdf", small_course.parent / "theirs"
    theirs.mkdir()
    (theirs / "work").write_text("mine")
    if kind == "folder":
        theirs.rename(taken)
    elif kind == "link":
        taken.symlink_to(theirs / "work")
    else:
        taken.write_text("mine")
    assert make(small_course, "--pdf") == 0
    assert taken.read_text() == "A4"
    kept = small_course / "student" / "01_first.kept-1.pdf"
    assert (kept / "work" if kind == "folder" else kept).read_text() == "mine"
    assert kept.is_symlink() == (kind == "link")


@pytest.mark.parametrize("files", ['["student/01_first.html"]', '{"../precious.txt": "%s"}'])
def test_a_list_of_files_that_somebody_changed_proves_nothing(files: str, small_course: Path) -> None:
    precious = small_course.parent / "precious.txt"
    precious.write_text("mine")
    make(small_course)
    files = files.replace("%s", folder._digest(precious))
    (small_course / MARKER).write_text(f'{{"made_by": "handouts", "files": {files}}}')
    (small_course / "student" / "01_first.ipynb").write_text("an answer")
    assert make(small_course) == 0
    assert precious.read_text() == "mine"
    assert (small_course / "student" / "01_first.kept-1.ipynb").read_text() == "an answer"


def test_what_a_killed_build_left_is_cleared_away(small_course: Path) -> None:
    make(small_course)
    before = everything_below(small_course)
    (small_course / ".building-k1ll3d" / "new").mkdir(parents=True)
    (small_course / ".building-k1ll3d" / "new" / "half.pdf").write_text("%PDF")
    (small_course / MARKER).write_text('{"made_by": "handouts"}')  # killed before the list was written
    assert make(small_course) == 0
    assert everything_below(small_course) == before


def test_a_print_that_fails_leaves_the_old_handouts(
    small_course: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    make(small_course, "--pdf")
    before = everything_below(small_course)
    (chapters.NOTEBOOKS / "03_third.ipynb").write_text(
        nbformat.writes(new_notebook(cells=[new_markdown_cell("# New")]))
    )

    def fail(html: str, target: Path, *_: object) -> None:
        if "New" in html:
            raise printing.PrintError(f"{target.name}: out of paper")
        target.write_text("new")

    monkeypatch.setattr(printing, "print_to_pdf", fail)
    assert make(small_course, "--pdf") == 1
    assert "03_third.pdf: out of paper\n" in capsys.readouterr().err
    assert everything_below(small_course) == before


@pytest.mark.parametrize(
    ("error", "status"), [(PermissionError(13, "open in another program"), 1), (KeyboardInterrupt(), 130)]
)
def test_a_file_that_cannot_be_moved_leaves_the_old_handouts(
    error: BaseException, status: int, small_course: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(small_course, "--pdf")
    before = everything_below(small_course)
    moves = itertools.count(1)
    move = folder.os.replace

    def fail_late(source: Path, target: Path) -> None:
        if next(moves) == 15:  # of 6 PDFs away, and 12 files and their list to their places
            raise error
        move(source, target)

    monkeypatch.setattr(folder.os, "replace", fail_late)
    assert make(small_course) == status
    assert next(moves) > 15
    assert everything_below(small_course) == before


def test_a_run_with_other_settings_makes_handouts_with_those_settings(tmp_path: Path) -> None:
    chapter, run_folder = CHAPTERS[0], tmp_path / "run"
    run_folder.mkdir()
    values = {"dataset": "fashion", "val_size": 500, "seed": 7, "run_dir": str(run_folder)}
    papermill.execute_notebook(
        chapter, run_folder / chapter.name, values, prepare_only=True, progress_bar=False, kernel_name="python3"
    )
    assert make(tmp_path / "out", "--source", str(run_folder), "--chapters", chapter.stem[:2]) == 0
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
    assert notebook.metadata == source.metadata
    assert "papermill" not in text
    assert str(tmp_path) not in text


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--source", "no_such_folder"], "source: 'no_such_folder' has no 01_first.ipynb"),
        (["--chapters", "99"], "chapter: unknown chapter '99'"),
        (["--pdf", "--paper", "A5"], "invalid choice: 'A5'"),
    ],
)
def test_a_wrong_call_is_one_line(
    words: list[str], expected: str, small_course: Path, capsys: pytest.CaptureFixture
) -> None:
    try:
        status = make(small_course, *words)
    except SystemExit as stopped:
        status = stopped.code
    assert status == 2
    message = capsys.readouterr().err
    assert expected in message
    assert message.count("\n") == 1
    assert not small_course.exists()


def test_a_machine_without_a_browser_is_told_so_before_anything_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.setattr(printing, "NAMES", ("no-such-browser",))
    monkeypatch.setattr(printing, "PLACES", ())
    assert make(tmp_path / "out", "--pdf") == 2
    assert "neither Chromium nor Chrome" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_browser_that_fails_is_named_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(printing.PrintError, match=r"^page\.pdf: false printed nothing \(exit status 1\)$"):
        printing.print_to_pdf("<html></html>", tmp_path / "page.pdf", "false")  # a command that always fails


def browser_that(path: Path, does: str) -> str:
    """Write a command that does what a shell script says where a browser would write the PDF `$made`."""
    path.write_text(f"#!/bin/sh\nfor word; do case $word in --print-to-pdf=*) made=${{word#*=}};; esac; done\n{does}\n")
    path.chmod(0o755)
    return str(path)


def ends(pid: int) -> bool:
    """Return whether a process ends within five seconds."""
    for _ in range(100):
        if not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
            return True
        time.sleep(0.05)
    return False


needs_shell = pytest.mark.skipif(os.name == "nt", reason="the browser of these tests is a shell script")


@needs_shell
def test_half_a_print_is_none(tmp_path: Path) -> None:
    browser = browser_that(tmp_path / "browser", 'echo "%PDF-1.4 1 0 obj" > $made')
    (tmp_path / "page.pdf").write_text("the earlier one")
    with pytest.raises(printing.PrintError, match=r"^page\.pdf: .* printed only a part of it; is the disk full\?$"):
        printing.print_to_pdf("<html></html>", tmp_path / "page.pdf", browser)
    assert (tmp_path / "page.pdf").read_text() == "the earlier one"


@needs_shell
def test_a_disk_that_fills_leaves_the_earlier_print(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource")
    browser = browser_that(
        tmp_path / "browser", "ulimit -S -f unlimited; { head -c 100000 /dev/zero; echo %%EOF; } > $made"
    )
    (tmp_path / "page.pdf").write_text("the earlier one")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))  # what is left on the disk
    try:
        with pytest.raises(OSError, match=r"page\.pdf: can't be written"):
            printing.print_to_pdf("<html></html>", tmp_path / "page.pdf", browser)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert (tmp_path / "page.pdf").read_text() == "the earlier one"
    assert {path.name for path in tmp_path.iterdir()} == {"browser", "page.pdf"}


@needs_shell
def test_a_browser_that_hangs_is_ended_with_all_that_it_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    browser = browser_that(tmp_path / "browser", f"sleep 60 & echo $! > '{tmp_path}/pid'; wait")
    monkeypatch.setattr(printing, "SECONDS", 1)
    with pytest.raises(printing.PrintError, match="took longer than 1 s"):
        printing.print_to_pdf("<html></html>", tmp_path / "page.pdf", browser)
    assert ends(int((tmp_path / "pid").read_text()))


@needs_shell
@pytest.mark.slow
def test_a_build_that_is_told_to_end_leaves_the_earlier_handouts_and_no_browser(tmp_path: Path) -> None:
    build(CHAPTERS[:1], tmp_path / "out")
    before = everything_below(tmp_path / "out")
    browser_that(
        tmp_path / "chromium", f"sleep 60 & echo $! > '{tmp_path}/new'; mv '{tmp_path}/new' '{tmp_path}/pid'; wait"
    )
    words = [sys.executable, "-m", "course", "handouts", "--chapters", "1", "--pdf", "--out", str(tmp_path / "out")]
    environment = os.environ | {"PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    process = subprocess.Popen(words, cwd=settings.ROOT, env=environment, stderr=subprocess.PIPE, encoding="utf-8")
    while not (tmp_path / "pid").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    assert "Traceback" not in process.communicate()[1]
    assert process.returncode == 130
    assert ends(int((tmp_path / "pid").read_text()))
    assert everything_below(tmp_path / "out") == before


def test_a_folder_that_cannot_be_written_is_one_line(small_course: Path, capsys: pytest.CaptureFixture) -> None:
    small_course.write_text("a file")
    for out, reason in ((small_course, "is a file"), (small_course / "out", "can't be written")):
        assert make(out) == 2
        message = capsys.readouterr().err
        assert reason in message
        assert message.count("\n") == 1
