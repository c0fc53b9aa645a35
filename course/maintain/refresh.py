"""Execute the notebooks in place on MNIST, so that outputs, images/ and the reference weights are those of one run."""

import base64
import io
import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from course.chapters import NOTEBOOKS, select_chapters
from course.maintain.picture import take_picture
from course.run import KERNEL_ARGUMENTS, ChapterError
from helpers import data, results, settings
from helpers.bars import progress_bar

METADATA = {  # the same on every machine, so that a refreshed notebook differs in its outputs alone
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
RUN_DIR = settings.ROOT / "runs" / "latest"  # where a chapter writes by default
IMAGES = settings.FILES / "images"
WEIGHTS = "weights.safetensors"
KEPT_PARAMETERS = ("epochs", "batch_size", "learning_rate", "val_size")
FIGURES = {  # what a chapter saves in its `run_dir`, and README.md and results/README.md show
    "04_evaluation": ["confusion_matrix"],
    "05_experiments": ["sweep_grid", "test_of_two_settings", "seeds"],
    "06_better_training": ["ladder"],
    "07_faster_training": ["faster"],
    "08_your_own_digits": ["shifts"],
}
STRIP = (  # rows of (caption, chapter, cell, part of its picture: left, top, right and bottom as shares)
    (
        ("1 · look at the digits", "01_data", "d0001c66", (0.02, 0.035, 0.609, 0.519)),
        ("2 · look for edges", "02_model", "3201b71d", (0.25, 0.0, 0.745, 1.0)),
        ("3 · train the network", "03_training", "a3150685", (0.492, 0.07, 1.0, 1.0)),
    ),
    (
        ("4 · where does it fail?", "04_evaluation", "0e9fede6", (0.0, 0.132, 0.505, 1.0)),
        ("6 · what ten networks misread: label → answer", "06_better_training", "050def41", (0.0, 0.075, 1.0, 1.0)),
    ),
)


def refresh(names: Sequence[str]) -> None:
    """Execute chapters from top to bottom, write them back with their outputs, and renew the pictures in images/.

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
        for chapter in progress_bar(chapters, unit="chapter"):
            execute_in_place(chapter)
            for figure in FIGURES.get(chapter.stem, ()):
                shutil.copyfile(RUN_DIR / f"{figure}.png", IMAGES / f"{figure}.png")
            if chapter.stem == "03_training":
                keep_reference("mnist", RUN_DIR)
            if chapter.stem == "04_evaluation":
                keep_scores("mnist", RUN_DIR)
    draw_strip(IMAGES / "strip.png")
    take_picture(IMAGES / "page.png")


def execute_in_place(chapter: Path) -> None:
    """Execute a notebook and write it back; raises ChapterError, and leaves the file alone, if a cell fails."""
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


def keep_reference(dataset: str, source: Path) -> None:
    """Copy weights and training record of a run to results/reference, for chapter 4 or the page without a chapter 3.

    MNIST's are those of the committed run of chapter 3, so that chapter 4 shows the numbers of its text in either case.
    Paths of this machine are left out.
    """
    target = settings.FILES / "results" / "reference" / dataset
    record = results.load_record(source, "03_training")
    record["parameters"] = {name: record["parameters"][name] for name in KEPT_PARAMETERS}
    results.write_json(target / "03_training.json", record)
    shutil.copyfile(source / WEIGHTS, target / WEIGHTS)
    shutil.copytree(source / "epochs", target / "epochs", dirs_exist_ok=True)


def keep_scores(dataset: str, source: Path) -> None:
    """Copy what chapter 4 measured of the reference weights to results/reference, for the model card."""
    record = results.load_record(source, "04_evaluation")
    kept = {name: record[name] for name in ("dataset", "test", "confusion_matrix", "versions")}
    results.write_json(settings.FILES / "results" / "reference" / dataset / "04_evaluation.json", kept)


def draw_strip(path: Path) -> None:
    """Draw the README's picture of the chapters from the outputs that are committed in the notebooks."""
    rows = [[(caption, picture_of(chapter, cell, part)) for caption, chapter, cell, part in row] for row in STRIP]
    shapes = [[picture.shape[1] / picture.shape[0] for _, picture in row] for row in rows]  # width by height
    heights = [
        12 / sum(of_row) + 0.45 for of_row in shapes
    ]  # inches: a row of pictures of the same height, and captions
    figure = plt.figure(figsize=(12, sum(heights)), layout="constrained")
    areas = np.asarray(figure.subfigures(len(rows), 1, height_ratios=heights), dtype=object)
    for area, row, of_row in zip(areas, rows, shapes, strict=True):
        for axes, (caption, picture) in zip(area.subplots(1, len(row), width_ratios=of_row), row, strict=True):
            axes.imshow(picture)
            axes.set_title(caption, fontsize=15)
            axes.axis("off")
    figure.savefig(path, dpi=133)
    plt.close(figure)


def picture_of(chapter: str, cell: str, part: tuple[float, float, float, float]) -> np.ndarray:
    """Return a part of the picture below a cell, float (height, width, channels), 0 to 1."""
    notebook = nbformat.read(NOTEBOOKS / f"{chapter}.ipynb", as_version=4)
    outputs = next(found.outputs for found in notebook.cells if found.id == cell)
    encoded = next(output.data["image/png"] for output in outputs if "image/png" in output.get("data", {}))
    picture = plt.imread(io.BytesIO(base64.b64decode(encoded)))
    height, width = picture.shape[:2]
    left, top, right, bottom = part
    return picture[round(top * height) : round(bottom * height), round(left * width) : round(right * width)]
