"""The figures: they say what they show, and their text can be read. Text is measured as the renderer draws it."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from torchvision import datasets

from helpers import plotting
from helpers.data import Dataset

SHORT, LONG = tuple("0123456789"), tuple(datasets.FashionMNIST.classes)  # 'T-shirt/top', 'Ankle boot', …
TITLE = "A title that says in one sentence what the figure shows"
GENERATOR = torch.Generator().manual_seed(0)
IMAGES = torch.randint(0, 256, (100, 28, 28), generator=GENERATOR).to(torch.uint8)
COUNTS = {name: torch.arange(5000, 6000, 100) for name in ("training", "validation", "test")}
MATRIX = torch.diag(torch.arange(970, 1070, 10)) + torch.randint(0, 9, (10, 10), generator=GENERATOR)
KERNELS = {name: torch.ones(5, 5) for name in ("vertical edge", "horizontal edge", "ink")}
TABLE = pd.DataFrame({"confidence": [0.45, 0.75, 0.98], "accuracy": [0.5, 0.7, 0.99], "images": [20, 300, 9680]})


def epochs(count: int) -> list[dict]:
    return [
        {"epoch": epoch, "train_loss": 1 / epoch, "val_loss": 0.8 / epoch, "val_accuracy": 1 - 0.1 / epoch}
        for epoch in range(1, count + 1)
    ]


RUNS = {"the course's setting": [98.65, 98.7, 98.84], "the picked setting": [98.8, 98.9]}
HISTORIES = pd.DataFrame([{"run": run} | entry for run in range(3) for entry in epochs(10)])
RATES = pd.Index([0.0003, 0.001, 0.003, 0.01], name="learning_rate")
GRID = pd.DataFrame(97.5 + np.arange(16).reshape(4, 4) / 10, RATES, pd.Index([32, 64, 128, 256], name="batch_size"))
FAR_APART = GRID.where(GRID > 97.6, 11.35)

INTERVALS = {
    name: {row: (low, low + 2, low + 5) for row in ("none", "ruled paper", "gray paper")}
    for low, name in ((50.0, "one"), (90.0, "another"), (95.0, "a third"))
}
MAPS = {name: torch.randn(2, 28, 28, generator=GENERATOR) for name in ("saliency", "integrated\ngradients")}
BOUNDS = {"32 bits": 0.6, "16 bits": 0.3}
BLOCKS = [("fetch images", 10.0, 14.0), ("forward", 14.0, 16.0), ("fetch images", 17.0, 20.0), ("forward", 20.0, 23.0)]
FIGURES: dict[str, Callable[[], Figure]] = {
    "image_grid": lambda: plotting.image_grid(IMAGES[:20], title=TITLE),
    "image_grid, captions": lambda: plotting.image_grid(IMAGES[:10], ["9, read\nas 4"] * 10, title=TITLE),
    "image_grid, long captions": lambda: plotting.image_grid(
        IMAGES[:10], ["T-shirt/top, read\nas Ankle boot"] * 10, title=TITLE
    ),
    "image_grid, long names": lambda: plotting.image_grid(IMAGES[:10], LONG, title=TITLE),
    "image_grid, mistakes": lambda: plotting.image_grid(
        IMAGES[:20], ["T-shirt/top, read as\nAnkle boot (100.0%)"] * 20, 7, TITLE
    ),
    "image_grid, no images": lambda: plotting.image_grid(IMAGES[:0], [], title=TITLE),
    "image_grid, rows": lambda: plotting.image_grid(IMAGES[:30], title=TITLE, row_names=SHORT[:3]),
    "image_grid, long rows": lambda: plotting.image_grid(IMAGES[:30], title=TITLE, row_names=LONG[:3]),
    "pixel_table": lambda: plotting.pixel_table(IMAGES[0], TITLE),
    "class_counts": lambda: plotting.class_counts(COUNTS, SHORT, TITLE),
    "class_counts, long names": lambda: plotting.class_counts(COUNTS, LONG, TITLE),
    "pixel_histogram": lambda: plotting.pixel_histogram(IMAGES, TITLE),
    "convolution": lambda: plotting.convolution(
        IMAGES[0].float(), KERNELS, dict.fromkeys(KERNELS, torch.randn(24, 24))
    ),
    "feature_maps": lambda: plotting.feature_maps(torch.rand(20, 8, 8), TITLE),
    "loss_curve": lambda: plotting.loss_curve([2.3, 1.0, 0.2], TITLE, expected=2.3),
    "learning_rates": lambda: plotting.learning_rates([0.0, 0.1, 0.2, 0.1, 0.0], TITLE, steps_an_epoch=2),
    "history": lambda: plotting.history(epochs(10), TITLE),
    "history, one epoch": lambda: plotting.history(epochs(1), TITLE),
    "history, forty epochs": lambda: plotting.history(epochs(40), TITLE),
    "confusion_matrix": lambda: plotting.confusion_matrix(MATRIX, SHORT, TITLE),
    "intervals": lambda: plotting.intervals(INTERVALS, TITLE, "accuracy (%)"),
    "intervals, one group": lambda: plotting.intervals({"gain": INTERVALS["one"]}, TITLE, "points", zero=True),
    "attributions": lambda: plotting.attributions(IMAGES[:2], MAPS, ["why 7,\nnot 9?"] * 2, TITLE, "lead"),
    "attributions, nothing found": lambda: plotting.attributions(
        IMAGES[:1], {"saliency": torch.zeros(1, 28, 28)}, ["why 7?"], TITLE, "lead"
    ),
    "confusion_matrix, long names": lambda: plotting.confusion_matrix(MATRIX, LONG, TITLE),
    "probabilities": lambda: plotting.probabilities(IMAGES[0], torch.full((10,), 0.1), SHORT, TITLE),
    "probabilities, one is sure": lambda: plotting.probabilities(IMAGES[0], torch.eye(10)[3], LONG, TITLE),
    "reliability": lambda: plotting.reliability(TABLE, TITLE),
    "confidence_histogram": lambda: plotting.confidence_histogram(torch.rand(90), torch.rand(9), TITLE),
    "strip_plot": lambda: plotting.strip_plot(RUNS, dict.fromkeys(RUNS, (98.7, 98.8)), TITLE, "test accuracy (%)"),
    "strip_plot, one group": lambda: plotting.strip_plot(
        {"a": [98.7, 98.8]}, {"a": (float("nan"),) * 2}, TITLE, "accuracy (%)"
    ),
    "learning_curves": lambda: plotting.learning_curves(
        HISTORIES, HISTORIES[:10], "val_accuracy", TITLE, "accuracy (%)", ("ours", "theirs")
    ),
    "timeline": lambda: plotting.timeline(BLOCKS, "fetch images", TITLE),
    "waterfall": lambda: plotting.waterfall({"classic loop": 5.0, "in memory": 3.0, "a step back": 3.2}, BOUNDS, TITLE),
    "heatmap": lambda: plotting.heatmap(GRID, GRID / 1000, TITLE, "accuracy (%)"),
    "heatmap, far apart": lambda: plotting.heatmap(FAR_APART, FAR_APART * float("nan"), TITLE, "accuracy (%)"),
}
WITHOUT_AXES = ("image_grid", "feature_maps", "convolution")  # pictures side by side: nothing to label


@pytest.fixture(params=FIGURES, scope="module")
def figure(request: pytest.FixtureRequest) -> Figure:
    figure = FIGURES[request.param]()
    FigureCanvasAgg(figure).draw()
    figure.set_label(request.param)
    return figure


def visible_texts(figure: Figure) -> list[Text]:
    """Return the texts that are drawn; matplotlib also keeps tick labels that lie beyond the end of an axis."""
    beyond = set()
    for axes in figure.axes:
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
            outside = [tick for tick in ticks if not axes.axison or not low - 1e-9 <= tick.get_loc() <= high + 1e-9]
            beyond |= {label for tick in outside for label in (tick.label1, tick.label2)}
    hidden = {text for axes in figure.axes if not axes.axison for text in (axes.xaxis.label, axes.yaxis.label)}
    texts = figure.findobj(lambda artist: isinstance(artist, Text) and artist.get_visible())
    return [text for text in texts if text.get_text().strip() and text not in beyond | hidden]


def boxes(texts: list[Text]) -> np.ndarray:
    """Return left, bottom, right, top of each text, in pixels."""
    return np.array([text.get_window_extent().extents for text in texts])


def test_text_lies_inside_the_figure(figure: Figure) -> None:
    texts = visible_texts(figure)
    left, bottom, right, top = boxes(texts).T
    outside = (left < -1) | (bottom < -1) | (right > figure.bbox.width + 1) | (top > figure.bbox.height + 1)
    assert not [text.get_text() for text, is_outside in zip(texts, outside, strict=True) if is_outside]


def test_no_text_lies_on_another(figure: Figure) -> None:
    texts = visible_texts(figure)
    left, bottom, right, top = (boxes(texts) + np.array([1, 1, -1, -1])).T  # touching is allowed
    across = np.minimum.outer(right, right) > np.maximum.outer(left, left)
    upwards = np.minimum.outer(top, top) > np.maximum.outer(bottom, bottom)
    pairs = np.argwhere(np.triu(across & upwards, k=1))
    assert not [(texts[i].get_text(), texts[j].get_text()) for i, j in pairs]


def test_text_is_large_enough_to_read_in_print(figure: Figure) -> None:
    assert min(text.get_fontsize() for text in visible_texts(figure)) >= 6


def test_figure_has_a_title(figure: Figure) -> None:
    if figure.get_label() == "convolution":
        assert all(axes.get_title() for axes in figure.axes if axes.axison)  # each picture has its own
    else:
        assert TITLE in [text.get_text() for text in visible_texts(figure)]


def test_axes_are_labeled(figure: Figure) -> None:
    if figure.get_label().startswith(WITHOUT_AXES):
        assert not any(len(axes.get_xticks()) for axes in figure.axes if axes.axison)
        return
    for axes in (axes for axes in figure.axes if not axes.images):  # a picture beside a diagram has none
        shared = [other for other in figure.axes if other is axes or axes.get_shared_x_axes().joined(axes, other)]
        in_words = any(label.get_text()[:1].isalpha() for label in axes.get_yticklabels())  # names itself
        if axes.get_label() == "<colorbar>":  # has one axis only
            assert axes.get_xlabel() or axes.get_ylabel()
            continue
        assert axes.get_ylabel() or in_words
        assert any(other.get_xlabel() for other in shared)


def test_every_class_is_named() -> None:
    for names in (SHORT, LONG):
        figure = FIGURES["confusion_matrix" + ("" if names is SHORT else ", long names")]()
        for axes in figure.axes:
            assert tuple(label.get_text() for label in axes.get_xticklabels()) == names
            assert tuple(label.get_text() for label in axes.get_yticklabels()) == names


def test_confusion_matrix_shows_counts_and_shares_with_true_classes_in_rows() -> None:
    matrix = torch.zeros(10, 10, dtype=torch.int64)
    matrix[3, 5], matrix[3, 3] = 1, 7  # seven threes are right, one is read as a five: 12.5 %
    left, right = plotting.confusion_matrix(matrix, SHORT, TITLE).axes
    # Seaborn puts row r, column c at (c + 0.5, r + 0.5).
    assert {text.get_position(): text.get_text() for text in left.texts if text.get_text()} == {
        (3.5, 3.5): "7",
        (5.5, 3.5): "1",
    }
    assert {text.get_position(): text.get_text() for text in right.texts if text.get_text()} == {
        (3.5, 3.5): "87.5",
        (5.5, 3.5): "12.5",
    }
    assert (left.get_xlabel(), left.get_ylabel()) == ("predicted", "true")


def test_class_counts_are_shares_of_each_set() -> None:
    counts = {"training": [30, 10], "test": [1, 1]}
    axes = plotting.class_counts(counts, ("cat", "dog"), TITLE).axes[0]
    assert [[bar.get_height() for bar in bars] for bars in axes.containers] == [[75, 25], [50, 50]]


def test_pixel_histogram_counts_every_pixel() -> None:
    images = torch.zeros(2, 28, 28, dtype=torch.uint8)
    images[0, 0, :3] = 255
    heights = [bar.get_height() for bar in plotting.pixel_histogram(images, TITLE).axes[0].containers[0]]
    assert (len(heights), heights[0], heights[255], sum(heights)) == (256, 2 * 784 - 3, 3, 2 * 784)


def test_a_saved_figure_is_a_picture(tmp_path: Path) -> None:
    path = plotting.save(FIGURES["loss_curve"](), tmp_path / "new" / "figure.png")
    assert path == tmp_path / "new" / "figure.png"
    assert path.read_bytes().startswith(b"\x89PNG")


@pytest.fixture
def displayed(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict, dict]]:
    """What lands below a cell: data and metadata of each output, as the kernel would send them."""
    outputs: list[tuple[dict, dict]] = []
    monkeypatch.setattr(plotting, "display", lambda thing: outputs.append(DisplayFormatter().format(thing)))
    return outputs


def test_a_shown_figure_carries_its_alt_text(displayed: list[tuple[dict, dict]]) -> None:
    plotting.show(FIGURES["loss_curve"](), alt="The loss falls.")
    ((data, metadata),) = displayed
    assert data["image/png"]
    assert metadata["image/png"]["alt"] == "The loss falls."


def test_digits_in_place_of_mnist_cannot_be_missed(digits: Dataset, displayed: list[tuple[dict, dict]]) -> None:
    plotting.show_source(Dataset(**vars(digits) | {"note": "no <network>"}))
    ((data, _),) = displayed
    assert "This is not MNIST" in data["text/html"]
    assert "no &lt;network&gt;" in data["text/html"]


def test_real_images_are_named(digits: Dataset, displayed: list[tuple[dict, dict]]) -> None:
    plotting.show_source(Dataset(**vars(digits) | {"name": "mnist", "title": "MNIST"}))
    ((data, _),) = displayed
    assert data["text/markdown"] == "**Data: MNIST**, 1,500 training and 297 test images."


def test_captions_that_fit_leave_the_columns_as_asked() -> None:
    assert len(plotting.image_grid(IMAGES[:10], ["9, read\nas 4"] * 10).axes) == 10
    first = plotting.image_grid(IMAGES[:10], SHORT).axes
    assert len({round(axes.get_position().y0, 3) for axes in first}) == 1, "ten short names fit in one row"


def test_a_row_of_few_images_fills_the_page() -> None:
    figure = plotting.image_grid(IMAGES[:5])
    figure.draw_without_rendering()
    assert max(axes.get_position().x1 for axes in figure.axes if axes.images) > 0.95


# --- time ---


def test_a_timeline_has_a_row_for_each_part_and_begins_at_zero() -> None:
    (axes,) = plotting.timeline(BLOCKS, "fetch images", TITLE).axes
    assert [label.get_text() for label in axes.get_yticklabels()] == ["fetch images", "forward"]
    rows = [[path.get_extents() for path in row.get_paths()] for row in axes.collections]
    assert [[(block.x0, block.x1) for block in row] for row in rows] == [[(0, 4), (7, 10)], [(4, 6), (10, 13)]]


def test_a_waterfall_shows_what_is_left_and_what_was_saved() -> None:
    """A step that takes longer saves nothing, and its bar is longer."""
    (axes,) = plotting.waterfall({"a": 5.0, "b": 3.0, "c": 3.2}, BOUNDS, TITLE).axes
    left, saved = axes.containers
    assert [bar.get_width() for bar in left] == [5.0, 3.0, 3.2]
    assert [(bar.get_x(), bar.get_width()) for bar in saved] == [(5.0, 0.0), (3.0, 2.0), (3.2, 0.0)]
    assert [text.get_text() for text in axes.texts] == ["5.00 s", "3.00 s", "3.20 s"]
    lines = {line.get_label(): (list(line.get_xdata()), line.get_linestyle()) for line in axes.lines}
    assert lines == {
        "lower bound, 32 bits: 0.60 s": ([0.6, 0.6], "--"),
        "lower bound, 16 bits: 0.30 s": ([0.3, 0.3], ":"),
    }


def test_a_picture_that_cannot_be_written_leaves_the_one_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    path = plotting.save(FIGURES["loss_curve"](), tmp_path / "figure.png")
    before = path.read_bytes()
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match=r"^[^\n]*No space left[^\n]*$"):
        plotting.save(FIGURES["history"](), path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["figure.png"]
