"""A notebook as one HTML page: nothing to fetch from a network, accessible, ready to print."""

import base64
import json
import re
import struct
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from bs4 import BeautifulSoup, NavigableString, PageElement
from latex2mathml.converter import convert
from nbconvert.exporters.html import HTMLExporter
from nbformat import NotebookNode
from pygments.formatters import HtmlFormatter

from course.handouts.copies import tags_of

TEMPLATES = Path(__file__).parent / "templates"
HANDOUT = TEMPLATES / "handout"
LINES = {"words": 3, "function": 5, "value": 1}  # to write on, on paper
FOOTERS = {"instructor": " · instructor's copy", "worksheet": " · worksheet", "slides": " · slides"}
MATHEMATICS = re.compile(r"\$\$(?P<display>[^$]+)\$\$|\$(?P<inline>[^$\n]+)\$")
DRAWING_PAGE = "digits.html"
FITS_A_PHONE = 40  # characters of a line of code
NO_PROSE = ("head", "code", "pre", "script", "style")  # a dollar in them is a dollar


def page(
    notebook: NotebookNode, kind: str, beside: Mapping[str, str], template: Path = HANDOUT, frame: dict | None = None
) -> str:
    """Return a notebook as a page of HTML that holds all it needs: styles, pictures, mathematics.

    Args:
        notebook: a copy from `copies`.
        kind: for whom, `student` or `instructor`; or `worksheet`, `slides`.
        beside: where links lead: names as a notebook has them, `02_model.ipynb`, to the pages that will be beside this
            one, `02_model.html`; links to other files become plain words. `digits.html`, the page that reads drawings,
            gets a link at the top.
        template: a folder for nbconvert, based on `HANDOUT`.
        frame: what else that template needs.
    """
    title = title_of(notebook)
    resources = {
        "title": title,
        "kind": kind,
        "footer": json.dumps(title + FOOTERS.get(kind, ""), ensure_ascii=False),
        "style": (HANDOUT / "handout.css").read_text(encoding="utf-8"),
        "colors": HtmlFormatter(style="xcode").get_style_defs(".highlight"),
        "dark_colors": HtmlFormatter(style="github-dark").get_style_defs(".highlight"),
        "lines": _lines_to_write_on,
        "tags_of": tags_of,
        "is_tall": _is_tall,
        "can_draw": DRAWING_PAGE in beside.values(),
    }
    html, _ = _exporter(template).from_notebook_node(notebook, resources | (frame or {}))
    return _mend(html, beside)


def title_of(notebook: NotebookNode) -> str:
    """Return the first heading."""
    lines = [line for cell in notebook.cells for line in cell.source.splitlines()]
    return next(line.removeprefix("# ") for line in lines if line.startswith("# "))


@cache
def _exporter(template: Path) -> HTMLExporter:
    folders = [str(template.parent), str(TEMPLATES)]
    options = {"extra_template_basedirs": folders, "extra_template_paths": folders, "exclude_anchor_links": True}
    return HTMLExporter(template_name=template.name, **options)


def _is_tall(png: str) -> bool:
    """Return whether a picture, PNG in base64, is higher than wide: a table of pixels, whose numbers need room."""
    width, height = struct.unpack(">II", base64.b64decode(png)[16:24])  # where each PNG says so
    return height > width


def _lines_to_write_on(cell: NotebookNode) -> int:
    """Return how many empty lines follow a cell on paper."""
    if "worksheet" in tags_of(cell) and cell.cell_type == "markdown":
        return 0 if "Before you " in cell.source else LINES["words"]  # a prediction has a line of its own
    if "exercise" not in tags_of(cell):
        return 0
    if cell.cell_type == "code":
        return LINES["function" if cell.source.lstrip().startswith(("def ", "class ")) else "value"]
    return LINES["words"] if "words" in tags_of(cell) else 0


def _mend(html: str, beside: Mapping[str, str]) -> str:
    """Make tables, links, predictions and mathematics what a page without a notebook around it needs."""
    soup = BeautifulSoup(html, "html.parser")
    # pandas puts a style before each table; and no policy of a page keeps `refresh` from leading to another page.
    for unwanted in soup.select('main style, meta[http-equiv="refresh" i]'):
        unwanted.decompose()
    for table in soup.select("main table"):
        del table["border"]
        # Its own element scrolls, since a table that did would no longer be one to a screen reader.
        table.wrap(
            soup.new_tag("div", attrs={"class": "wide", "tabindex": "0", "role": "group", "aria-label": "table"})
        )
    for code in soup.select("main pre"):
        if max(map(len, code.get_text().splitlines()), default=0) > FITS_A_PHONE:
            code["tabindex"] = "0"  # so that it can be scrolled with the arrow keys, in Safari too
    for cell in soup.select("main th"):
        if cell.get_text(strip=True):
            cell["scope"] = "col" if cell.find_parent("thead") else "row"
        else:
            cell.name = "td"  # a header without words tells a screen reader nothing
    headings = soup.select("main h2")
    for heading in headings:
        heading["id"] = re.sub(r"[^\w -]", "", heading.get_text().lower()).replace(" ", "-")  # as on GitHub
    if contents := soup.select_one("nav .contents"):  # of a template that has one
        items = "".join(f'<li><a href="#{heading["id"]}">{heading.decode_contents()}</a></li>' for heading in headings)
        contents.append(BeautifulSoup(items, "html.parser"))
    for short in soup.select("nav:has(.contents):not(:has(li:nth-child(4)))"):
        short.decompose()
    for link in soup.select("main a[href]"):
        target = str(link["href"])
        file, mark, place = target.partition("#")
        if file in beside:
            link["href"] = beside[file] + mark + place
        elif not re.match(r"https?:|#", target):
            link.unwrap()  # a file of the course, which does not lie beside a handout
    for paragraph in soup.select("main p"):
        if re.match(r".*\bBefore you [\w ]+:", paragraph.get_text(), flags=re.DOTALL):
            paragraph.insert_after(soup.new_tag("div", attrs={"class": "write", "aria-hidden": "true"}))
    for text in soup.find_all(string=MATHEMATICS):
        if not text.find_parent(NO_PROSE):
            _write_mathematics(text)
    return str(soup)


def _write_mathematics(text: NavigableString) -> None:
    """Put MathML, which browsers draw by themselves, in place of $…$ and $$…$$."""
    pieces: list[str | PageElement] = []
    end = 0
    for found in MATHEMATICS.finditer(text):
        display = "block" if found["display"] else "inline"
        formula = BeautifulSoup(convert(found["display"] or found["inline"], display=display), "html.parser")
        pieces += [text[end : found.start()], *formula.contents]
        end = found.end()
    text.replace_with(*pieces, text[end:])
