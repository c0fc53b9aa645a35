"""Execute the notebooks in place, on MNIST, so that the outputs in the repository are those of a real run."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from tqdm.auto import tqdm

from course.chapters import select_chapters
from course.maintain.reference import keep_reference
from course.run import KERNEL_ARGUMENTS, ChapterError
from helpers import data, settings

METADATA = {  # the same on every machine, so that a refreshed notebook differs in its outputs alone
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def refresh(names: Sequence[str]) -> None:
    """Execute chapters from top to bottom and write them back with their outputs.

    Args:
        names: chapters, as `select_chapters` takes them.

    Raises:
        ValueError: MNIST can't be had, or a chapter is unknown.
        ChapterError: a chapter failed; its file is left as it was.
    """
    chapters = select_chapters(names)
    data.load_dataset("mnist")
    with tempfile.TemporaryDirectory() as folder:
        os.environ["MNIST_COURSE_PROGRESS"] = f"{folder}/progress.json"  # the cards show nobody's solved exercises
        _execute_in_place(chapters)
    if any(chapter.stem == "03_training" for chapter in chapters):
        keep_reference("mnist", settings.ROOT / "runs" / "latest")  # where chapter 3 leaves its weights by default


def _execute_in_place(chapters: Sequence[Path]) -> None:
    for chapter in tqdm(chapters, unit="chapter"):
        notebook = nbformat.read(chapter, as_version=4)
        client = NotebookClient(
            notebook,
            kernel_name="python3",
            extra_arguments=KERNEL_ARGUMENTS,
            resources={"metadata": {"path": str(chapter.parent)}},
            record_timing=False,
            store_widget_state=False,
            coalesce_streams=True,
        )
        try:
            client.execute()
        except CellExecutionError as error:
            raise ChapterError(f"{chapter.stem}: {error.ename}: {error.evalue}; the file is left as it was") from None
        notebook.metadata = nbformat.from_dict(METADATA)
        nbformat.write(notebook, chapter)
