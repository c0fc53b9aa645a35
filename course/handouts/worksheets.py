"""A chapter's worksheet: its predictions, exercises and quiz, with room to write, and the figures that they need."""

import re

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

from course.handouts.copies import tags_of

PREDICTION = re.compile(r"\*\*Before you [\w ]+:\*\*")  # what asks for one
FOLD = re.compile(r"<details>.*?</details>\s*", flags=re.DOTALL)  # a hint, or what came out
HEADING = re.compile(r"^##+ .+$\s*", flags=re.MULTILINE)


def worksheet(page: NotebookNode) -> NotebookNode:
    """Return what a student writes on, in the order of the chapter, without code to run and without any answer.

    It holds the title, each prediction that is asked for, each exercise with its stub, and what is tagged `worksheet`.
    A figure tagged `reading` may answer a prediction: it comes on a later page, with the exercise that reads it. The
    quiz comes last, on a page of its own.

    Args:
        page: from `copies.student_page`; its cells are changed.
    """
    title, question = page.cells[0].source.split("\n\n")[:2]
    body = [new_markdown_cell(f"{title}\n\n{question}")]
    readings = [new_markdown_cell("## Figures to read")]
    quiz = [new_markdown_cell("## Exit quiz", metadata={"tags": ["new-page"]})]
    part, heading, to_be_read = body, "", False
    for cell in page.cells[1:]:
        tags = tags_of(cell)
        if cell.cell_type == "markdown":
            heading = [heading, *HEADING.findall(cell.source)][-1]
            cell.source = _asked(cell)
            if not cell.source:
                continue
            to_readings = to_be_read and {"exercise", "words"} <= tags
            part, to_be_read = (readings, False) if to_readings else (body, to_be_read)
        elif "exercise" not in tags:  # a stub stays with its text, in the part that this is in
            if not tags & {"worksheet", "reading", "quiz"}:
                continue
            cell.metadata.transient = {"remove_source": True}  # what nbconvert's templates go by
            to_be_read = to_be_read or "reading" in tags
            part = readings if "reading" in tags else quiz if "quiz" in tags else body
        if part is body and heading:
            body.append(new_markdown_cell(heading))
            heading = ""
        part.append(cell)
    page.cells = [cell for part in (body, readings, quiz) if len(part) > 1 for cell in part]
    return page


def _asked(cell: NotebookNode) -> str:
    """Return what a worksheet has of a cell of text: an exercise whole, of another what asks for a prediction."""
    text = HEADING.sub("", FOLD.sub("", cell.source)).strip()
    if tags_of(cell) & {"exercise", "worksheet"}:
        return text
    asked = PREDICTION.search(text)
    return text[text.rfind("\n\n", 0, asked.start()) + 1 :].strip() if asked else ""
