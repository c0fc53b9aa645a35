"""The site: every link leads somewhere, nothing comes from elsewhere; it is read on a phone, by key, in the dark."""

import re
from collections.abc import Iterator
from importlib import resources
from pathlib import Path

import nbformat
import pytest
from browser import needs_browser
from bs4 import BeautifulSoup
from conftest import HAS_MNIST
from nbformat.v4 import new_markdown_cell, new_notebook
from test_handouts import everything_in, leaks

from course import chapters
from course.__main__ import main
from course.exercises import exit_quiz
from course.handouts import printing
from course.site import build as site
from course.site import texts

AXE = resources.files("axe_core_python").joinpath("axe.min.js").read_text(encoding="utf-8")
CHAPTERS = chapters.all_chapters()
SOME = CHAPTERS[1:3]  # the quickest to build


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of two chapters and all the documents, with a page to draw on that takes no time."""
    out = tmp_path_factory.mktemp("site")
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(site, "drawing_page", lambda: "<html><body><h1>Draw</h1></body></html>")
        site.build(SOME, out)
    return out


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("whole")
    site.build(CHAPTERS, out)
    return out


@pytest.fixture
def quick(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A course of no chapters and two documents, which is built in no time; returns a folder for its site."""
    (tmp_path / "README.md").write_text("# A\n\n![](a.png)\n\n## The chapters\n\n## Two commands\n", encoding="utf-8")
    (tmp_path / "RESULTS.md").write_text("# B\n", encoding="utf-8")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "glossary.md").write_text("# C\n", encoding="utf-8")
    (tmp_path / "a.png").write_bytes((chapters.NOTEBOOKS.parent / "images" / "ladder.png").read_bytes())
    for name, path in (
        ("README", "README.md"),
        ("RESULTS", "RESULTS.md"),
        ("DOCS", "docs"),
        ("GLOSSARY", "docs/glossary.md"),
    ):
        monkeypatch.setattr(texts, name, tmp_path / path)
    monkeypatch.setattr("course.chapters.select_chapters", lambda names: [])
    monkeypatch.setattr(site, "drawing_page", lambda: None)
    return tmp_path / "site"


def soup_of(page: Path) -> BeautifulSoup:
    return BeautifulSoup(page.read_text(encoding="utf-8"), "html.parser")


def broken(out: Path) -> Iterator[str]:
    """Yield what is wrong with links: to no file, to no place in it, to outside the folder; and places named twice."""
    soups = {page.name: soup_of(page) for page in out.glob("*.html")}
    places = {name: [tag["id"] for tag in soup.find_all(id=True)] for name, soup in soups.items()}
    for name, soup in soups.items():
        if len(places[name]) > len(set(places[name])):
            yield f"{name}: an id is there twice"
        links = [str(tag[key]) for key in ("href", "src") for tag in soup.find_all(**{key: True})]
        for link in links:
            file, _, place = link.partition("#")
            if not re.match(r"https://|data:image/", link) and (
                not re.fullmatch(r"((handouts/)?[\w.-]+)?", file)
                or not (out / (file or name)).is_file()
                or (place and place not in places[file or name])
            ):
                yield f"{name}: {link}"


def test_every_link_and_anchor_leads_somewhere(built: Path) -> None:
    assert list(broken(built)) == []


@pytest.mark.slow
def test_every_link_and_anchor_of_the_whole_site_leads_somewhere(whole: Path) -> None:
    assert list(broken(whole)) == []


@pytest.mark.parametrize(
    "html",
    ['<a href="no.html">', '<a href="#no">', '<a href="/a.html">', '<img src="../a.png">', '<p id="x"><p id="x">'],
)
def test_a_broken_link_would_be_found(html: str, tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(f'<p id="there"><a href="a.html#there">{html}', encoding="utf-8")
    assert len(list(broken(tmp_path))) == 1


def test_no_page_loads_anything_from_elsewhere_or_runs_a_script(built: Path) -> None:
    for page in set(built.glob("*.html")) - {built / "digits.html"}:
        soup = soup_of(page)
        assert soup.find_all(["script", "link", "iframe", "object", "embed"]) == []
        assert [
            image["src"][:30] for image in soup.find_all("img") if not image["src"].startswith("data:image/webp;")
        ] == []
        assert "default-src 'none'" in soup.find("meta", {"http-equiv": "Content-Security-Policy"})["content"]


def test_the_start_page_is_light_and_leads_to_everything(built: Path) -> None:
    page = built / "index.html"
    assert page.stat().st_size < 300_000
    soup = soup_of(page)
    assert len(soup.find_all("img", alt=re.compile(r"\w+ \w+"))) == 2
    links = {link["href"] for link in soup.main.find_all("a")}
    assert {"02_model.html", "03_training.html", "digits.html", "handouts/02_model.ipynb"} <= links
    assert {link["href"] for link in soup.header.find_all("a")} == set(site.MENU)
    row = next(row for row in soup.find_all("tr") if row.find("a", href="03_training.html"))
    assert re.search(r"How does it learn\?.* 60 ", row.get_text(" "), re.DOTALL)


def test_chapters_lead_to_each_other_and_to_their_parts(built: Path) -> None:
    model, training = (soup_of(built / f"{chapter.stem}.html") for chapter in SOME)
    assert (model.find(rel="prev"), model.find(rel="next")["href"]) == (None, "03_training.html")
    assert (training.find(rel="prev")["href"], training.find(rel="next")) == ("02_model.html", None)
    parts = [link["href"] for link in training.select(".contents a")]
    assert parts == [f"#{heading['id']}" for heading in training.main.find_all("h2")]
    assert len(parts) > 10
    assert not soup_of(built / "glossary.html").select(".contents"), "it has no parts"
    assert soup_of(built / "glossary.html").find("td", string="Adam").find_next("a")["href"] == "03_training.html"


@pytest.mark.parametrize("chapter", SOME, ids=lambda chapter: chapter.stem)
def test_no_line_of_a_solution_is_in_a_chapter_or_its_notebook(chapter: Path, built: Path) -> None:
    source = nbformat.read(chapter, as_version=4)
    assert leaks(source, soup_of(built / f"{chapter.stem}.html").get_text()) == []
    assert leaks(source, everything_in(nbformat.read(built / "handouts" / chapter.name, as_version=4))) == []


def test_the_teachers_page_keeps_its_notes_and_gives_no_quiz_away(built: Path) -> None:
    text = soup_of(built / "teaching.html").get_text()
    assert text.count("If time runs short:") == len(CHAPTERS), "the notes are there"
    given = [exit_quiz.right_letters(int(chapter.stem[:2])) for chapter in CHAPTERS]
    assert all(letters in (texts.DOCS / "teaching.md").read_text(encoding="utf-8") for letters in given)
    assert [letters for page in built.glob("*.html") for letters in given if letters in soup_of(page).get_text()] == []


# --- the command ---


def make(out: Path, *words: str) -> int:
    return main(["site", "--out", str(out), *words])


def test_a_build_replaces_what_it_made_and_keeps_what_somebody_changed(
    quick: Path, capsys: pytest.CaptureFixture
) -> None:
    assert make(quick) == 0
    assert "3 files, " in capsys.readouterr().out
    (quick / "results.html").write_text("mine", encoding="utf-8")
    (quick / "CNAME").write_text("mine too", encoding="utf-8")
    texts.GLOSSARY.with_name("more.md").write_text("# D\n", encoding="utf-8")
    assert make(quick) == 0
    assert "results.html was changed since it was built; it is now results.kept-1.html" in capsys.readouterr().out
    texts.GLOSSARY.with_name("more.md").unlink()
    assert make(quick) == 0
    names = {path.name for path in quick.iterdir() if not path.name.startswith(".")}
    assert names == {"index.html", "results.html", "results.kept-1.html", "glossary.html", "CNAME"}


def test_without_the_page_to_draw_on_nothing_leads_to_it(quick: Path) -> None:
    make(quick)
    assert "digits.html" not in (quick / "index.html").read_text(encoding="utf-8")


BAD = {
    "somebody's folder": (
        lambda out: (out.mkdir(), (out / "thesis.txt").touch()),
        "was not made by `site` and holds files",
    ),
    "no README": (lambda out: texts.README.unlink(), "README.md' is not there; start the command in a clone"),
    "another README": (lambda out: texts.README.write_text("# A"), "README.md: no section '## The chapters'"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_built_is_said_in_one_line_and_writes_nothing(
    case: str, quick: Path, capsys: pytest.CaptureFixture
) -> None:
    spoil, words = BAD[case]
    spoil(quick)
    assert make(quick) == 2
    message = capsys.readouterr().err
    assert words in message and message.count("\n") == 1
    assert [path.name for path in quick.glob("*")] in ([], ["thesis.txt"])


def test_pdfs_are_there_if_they_are_asked_for(quick: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = new_notebook(cells=[new_markdown_cell("# 1 · First")])
    nbformat.write(notebook, tmp_path / "01_first.ipynb")
    monkeypatch.setattr("course.chapters.select_chapters", lambda names: [tmp_path / "01_first.ipynb"])
    monkeypatch.setattr(printing, "find_browser", lambda: "browser")
    monkeypatch.setattr(printing, "print_to_pdf", lambda html, target, _, paper: target.write_text(paper))
    assert make(quick, "--pdf", "--paper", "Letter") == 0
    assert (quick / "handouts" / "01_first.pdf").read_text(encoding="utf-8") == "Letter"
    assert list(broken(quick)) == []
    assert "handouts/01_first.pdf" in {link["href"] for link in soup_of(quick / "01_first.html").header.find_all("a")}


# --- in a browser ---


@needs_browser
@pytest.mark.slow
@pytest.mark.skipif(not HAS_MNIST, reason="needs MNIST for the page to draw on")
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_reads_well_on_a_phone_and_axe_finds_nothing(scheme: str, whole: Path, browser: object) -> None:
    tab = browser.new_page(viewport={"width": 390, "height": 844}, color_scheme=scheme)
    for page in sorted(whole.glob("*.html")):
        tab.goto(page.as_uri())
        assert tab.evaluate("document.scrollingElement.scrollWidth") <= 390, page.name
        paper = tab.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, re.findall(r"\d+", paper))) < 200) == (scheme == "dark")
        if page.stem in ("index", "04_evaluation", "glossary", "teaching", "digits"):
            tab.evaluate(AXE)
            found = tab.evaluate(
                "axe.run({resultTypes: ['violations']}).then(found => found.violations.map(v => v.id))"
            )
            assert found == [], page.name


@needs_browser
@pytest.mark.slow
def test_the_keyboard_leads_past_the_menu_and_to_each_part(built: Path, browser: object) -> None:
    tab = browser.new_page(viewport={"width": 1200, "height": 800})
    tab.goto((built / "03_training.html").as_uri())

    def press(key: str) -> str:
        """Press a key and return the words of what has the focus then."""
        tab.keyboard.press(key)
        return tab.evaluate("document.activeElement.textContent.trim()")

    assert [press("Tab") for _ in range(7)] == ["Skip to the text", *site.MENU.values(), "notebook"]
    assert press("Tab") == "On this page"
    press("Enter")
    assert press("Tab") == "Settings"
    press("Enter")
    assert tab.url.endswith("#settings")

    tab.goto("about:blank")
    tab.goto((built / "03_training.html").as_uri())
    press("Tab")
    assert tab.evaluate("document.activeElement.getBoundingClientRect().left >= 0"), "it is in sight"
    assert tab.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    press("Enter")
    assert tab.url.endswith("#text")
    press("Tab")
    assert tab.evaluate("document.activeElement.closest('main') !== null")
