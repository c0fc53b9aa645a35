"""Arrays in, a matplotlib Figure out. Colors stay apart for the color-blind and in gray print.

Each `title` is a sentence: the message of the figure.
"""

import html
import io
import math
from collections.abc import Sequence
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from IPython.display import HTML, Image, Markdown, display
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.textpath import TextPath
from matplotlib.ticker import MaxNLocator, NullFormatter
from torch import Tensor

from helpers import settings
from helpers.data import Dataset
from helpers.results import atomic_save

# The functions that need seaborn import it: that takes half a second, which chapters without them need not wait.

BLUE, ORANGE, GRAY = "#0072B2", "#E69F00", "#595959"  # dark, light and neutral, also without color
WIDTH = 8.0  # inches: the width of a page
SPAN = 2.0  # points below the best where `heatmap` ends its colors: one bad setting would make the others look alike
INK = "gray_r"  # 0 is white paper, 255 is black ink
CAPTION = 10  # points: the size of what stands above a picture


def show(figure: Figure, alt: str) -> None:
    """Display `figure` below the cell.

    Args:
        figure: from one of the functions here.
        alt: what is to be seen, in words, for readers who can't see it.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=144)
    # `metadata`, since Colab's IPython 7 has no `alt`.
    display(Image(buffer.getvalue(), width=round(figure.get_figwidth() * 96), metadata={"alt": alt}))


def save(figure: Figure, path: str | Path) -> Path:
    """Write `figure` as a picture, whole or not at all (see `atomic_save`), and return its absolute path."""
    path, picture = settings.from_root(path), io.BytesIO()
    figure.savefig(picture, dpi=144, format=path.suffix.removeprefix("."))
    atomic_save(picture.getvalue(), path)
    return path


def page(height: float, *shape: int, width: float = WIDTH, **options: Any) -> tuple[Figure, Any]:
    """Return an empty figure, sizes in inches, and what `Figure.subplots` makes of `shape` and `options`."""
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots(*shape, **options)


def draw_image(axes: Axes, image: Tensor, caption: str = "", **colors: Any) -> None:
    """Draw one image (height, width), any range, without ticks, its caption above; `colors` as `imshow` takes them."""
    axes.imshow(np.asarray(image), **({"cmap": INK} | colors))
    axes.set(xticks=[], yticks=[])
    axes.set_title(caption, fontsize=CAPTION)


def image_grid(
    images: Tensor,
    captions: Sequence[str] = (),
    columns: int = 10,
    title: str = "",
    row_names: Sequence[str] = (),
    **colors: Any,
) -> Figure:
    """Draw images (N, height, width) in rows of `columns`, with a caption above each, or a name before each row.

    Where a caption is wider than its column, there are fewer columns. No images give an empty page that says so.
    An image's largest number is black; `vmin` and `vmax`, as `imshow` takes them, give all images the same grays.
    """
    columns = min(columns, _columns_for(captions), len(images) or columns)  # a short row fills the page, too
    rows = max(1, -(-len(images) // columns))
    if captions and rows > 1:
        columns = -(-len(images) // rows)  # 5 and 5 rather than 6 and 4
    cell = min(WIDTH / columns, 1.8)  # inches
    lines = max((caption.count("\n") + 1 for caption in captions), default=0)
    height = rows * (cell + 0.17 * lines) + (0.35 if title else 0.0)
    figure, grid = page(height, rows, columns, width=cell * columns + 0.2, squeeze=False)
    grid = grid.ravel()
    for axes in grid:
        axes.set_axis_off()
    for position, image in enumerate(images):
        grid[position].set_axis_on()
        draw_image(grid[position], image, captions[position] if captions else "", **colors)
    for row, name in enumerate(row_names):
        grid[row * columns].set_ylabel(name, rotation=0, ha="right", va="center")
    if not len(images):
        grid[0].text(0.5, 0.5, "none", ha="center", va="center")
    figure.suptitle(title)
    return figure


def _columns_for(captions: Sequence[str]) -> int:
    """Return how many columns leave the widest line of `captions` its room; a large number for no captions."""
    lines = {line for caption in captions for line in caption.split("\n") if line}
    widest = max((TextPath((0, 0), line, size=CAPTION).get_extents().width for line in lines), default=0.0)
    return max(1, int(72 * WIDTH / (widest + CAPTION / 2)))  # an inch has 72 points


def pixel_table(image: Tensor, title: str) -> Figure:
    """Draw one uint8 image (28, 28) with the number of each pixel written into it."""
    import seaborn as sns

    figure, axes = page(WIDTH + 0.4)
    sns.heatmap(image.numpy(), annot=True, fmt="d", annot_kws={"size": 6.5}, cmap=INK, cbar=False, square=True, ax=axes)
    axes.set(title=title, xlabel="column", ylabel="row")
    axes.tick_params(labelsize=8, rotation=0)
    return figure


def class_counts(counts: dict[str, Sequence[int]], class_names: Sequence[str], title: str) -> Figure:
    """Draw bars for the share of each class in each set, in percent; `counts` has its images by the set's name."""
    figure, axes = page(3.2)
    width = 0.8 / len(counts)
    for position, ((name, numbers), color) in enumerate(zip(counts.items(), (BLUE, ORANGE, GRAY), strict=False)):
        shares = 100 * np.asarray(numbers) / np.asarray(numbers).sum()
        places = np.arange(len(shares)) + (position - (len(counts) - 1) / 2) * width
        axes.bar(places, shares, width, color=color, label=name)
    axes.set_xticks(range(len(class_names)), class_names)
    axes.set(title=title, xlabel="class", ylabel="share of the set (%)")
    axes.set_ylim(0, axes.get_ylim()[1] * 1.2)  # room for the legend
    axes.legend(ncols=len(counts), loc="upper center")
    return figure


def pixel_histogram(images: Tensor, title: str) -> Figure:
    """Draw how many pixels of uint8 images (N, 28, 28) have each gray value, on a logarithmic axis."""
    figure, axes = page(2.8)
    axes.bar(range(256), images.flatten().bincount(minlength=256).numpy(), width=1.0, color=BLUE)
    axes.set(title=title, xlabel="pixel value (0 = paper, 255 = ink)", ylabel="pixels", yscale="log")
    return figure


def convolution(image: Tensor, kernels: dict[str, Tensor], results: dict[str, Tensor]) -> Figure:
    """Draw one image, and kernels (k, k) with the feature map of each below it: purple above zero, orange below."""
    import seaborn as sns

    figure, grid = page(4.6, 2, len(kernels) + 1, squeeze=False)
    draw_image(grid[0, 0], image, "the image")
    grid[1, 0].set_axis_off()
    for column, (name, kernel) in enumerate(kernels.items(), start=1):
        limit = 1.6 * float(kernel.abs().max())
        sns.heatmap(
            kernel.numpy(), annot=True, fmt=".0f", annot_kws={"size": 8}, cmap="PuOr", vmin=-limit, vmax=limit,
            cbar=False, square=True, xticklabels=[], yticklabels=[], ax=grid[0, column],
        )  # fmt: skip
        grid[0, column].set_title(f"kernel: {name}", fontsize=CAPTION)
        limit = float(results[name].abs().max()) or 1.0  # white is zero
        draw_image(grid[1, column], results[name], "its feature map", cmap="PuOr", vmin=-limit, vmax=limit)
    return figure


def feature_maps(maps: Tensor, title: str, columns: int = 10) -> Figure:
    """Draw the maps (channels, height, width) that a layer answers to one image, numbered from 0."""
    return image_grid(maps, [f"map {number}" for number in range(len(maps))], columns, title)


def loss_curve(losses: Sequence[float], title: str, expected: float | None = None, step: int = 1) -> Figure:
    """Draw a loss at every `step` steps, with a dashed line at the loss of guessing if `expected` gives it."""
    figure, axes = page(2.8)
    axes.plot(range(step, step * len(losses) + 1, step), losses, color=BLUE)
    if expected is not None:
        axes.axhline(expected, color=GRAY, linestyle="--")
        axes.annotate("guessing", (len(losses), expected), (0, -14), textcoords="offset points", ha="right", color=GRAY)
    axes.set(title=title, xlabel="step", ylabel="loss", ylim=(0, None))
    return figure


def losses(curves: pd.DataFrame, title: str, marked: Sequence[str]) -> Figure:
    """Draw the losses of up to three columns over the epochs, the index, with a dot at the lowest of those `marked`."""
    figure, axes = page(3.0)
    for name, color, style in zip(curves, (BLUE, ORANGE, GRAY), ("-", "--", ":"), strict=False):
        axes.plot(curves.index, curves[name], color=color, ls=style, lw=2, label=name)
        if name in marked:
            axes.plot(curves[name].idxmin(), curves[name].min(), "o", color=color)
    top = 2 * curves.iloc[-1].max()  # the first epochs leave the page, or nobody would see the curves rise again
    axes.set(title=title, xlabel="epoch", ylabel="loss", ylim=(0, top))
    axes.legend(loc="upper right")
    return figure


def learning_rates(rates: Sequence[float], title: str, steps_an_epoch: int) -> Figure:
    """Draw the learning rate of every step, over the epochs."""
    figure, axes = page(2.6)
    axes.plot(np.arange(len(rates)) / steps_an_epoch, rates, color=BLUE)
    axes.set(title=title, xlabel="epochs", ylabel="learning rate", ylim=(0, None))
    axes.grid(color=GRAY, alpha=0.25)
    return figure


def history(entries: list[dict], title: str) -> Figure:
    """Draw the losses and the validation accuracy of `training.fit`'s history, epoch by epoch."""
    table = pd.DataFrame(entries)
    figure, (left, right) = page(3.2, 1, 2)
    ticks = table.epoch[:: -(-len(table) // 10)]  # at most ten, or they would run together
    left.plot(table.epoch, table.train_loss, color=ORANGE, marker="s", label="training (dropout on)")
    left.plot(table.epoch, table.val_loss, color=BLUE, marker="o", label="validation (dropout off)")
    left.set(xlabel="epoch", ylabel="loss", ylim=(0, None), xticks=ticks)
    left.legend()
    right.plot(table.epoch, 100 * table.val_accuracy, color=BLUE, marker="o")
    right.set(xlabel="epoch", ylabel="validation accuracy (%)", xticks=ticks)
    figure.suptitle(title)
    return figure


def vital_signs(watch: Any, title: str) -> Figure:
    """Draw what a `helpers.diagnosis.Watch` has noted: six panels on one sheet, to be told apart in gray, too."""
    figure, grid = page(5.4, 2, 3)
    (loss, gradient, update), (epochs, dead, confusion) = grid
    steps, guessing = range(1, len(watch.losses) + 1), np.log(len(watch.confusion))
    loss.plot(steps, watch.losses, color=BLUE, lw=0.8)
    loss.axhline(guessing, color=GRAY, ls="--", lw=1)
    loss.set(title=f"loss, first {watch.losses[0]:.2f} (guessing: {guessing:.2f})", ylim=(0, 1.6 * guessing))
    layers = list(watch.gradients)[:2] + list(watch.gradients)[2:][-2:]  # more than four can't be told apart
    styles = zip((GRAY, ORANGE, BLUE, "black"), (":", "-", "--", "-"), (1.6, 2.2, 1.2, 0.7), strict=True)
    for layer, (color, style, width) in zip(layers, styles, strict=False):
        for axes, values in ((gradient, watch.gradients[layer]), (update, watch.updates[layer])):
            name = layer.removesuffix(".weight") + ("" if any(values) else ": 0")
            drawn = [value if value > 0 else math.nan for value in values]  # a logarithmic axis has no 0
            axes.plot(steps, drawn, color=color, ls=style, lw=width, label=name)
    gradient.set(title="gradient norm", yscale="log")
    update.set(title="update ratio", yscale="log")
    update.axhline(1e-3, color=GRAY, ls="--", lw=1)
    for axes in (gradient, update):
        low, high = axes.get_ylim()
        axes.set_ylim(10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high)))
        axes.minorticks_off()  # a quarter of the time of drawing
    gradient.set_ylim(bottom=gradient.get_ylim()[0] / 10)  # room for the names
    gradient.legend(
        fontsize=7, ncols=2 if max(map(len, layers)) < 20 else 1, loc="lower center", columnspacing=1, handlelength=1.6
    )
    for axes in grid[0]:
        axes.set(xlabel="step", xlim=(0, len(steps)))
    train, val, accuracy = zip(*watch.epochs, strict=True)
    numbers = range(1, len(train) + 1)
    epochs.plot(numbers, train, color=ORANGE, marker="s", label="training")
    epochs.plot(numbers, val, color=BLUE, ls="--", marker="o", label="validation")
    epochs.set(
        title=f"loss, evaluated; accuracy {100 * accuracy[-1]:.1f} %", xlabel="epoch", ylim=(0, 1.1 * max(*train, *val))
    )
    epochs.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=6))
    epochs.legend(fontsize=7)
    bars = dead.barh(list(watch.dead), [100 * share for share in watch.dead.values()], color=BLUE)
    dead.bar_label(bars, fmt="%.0f %%", padding=3, fontsize=8)
    dead.set(title="dead channels", xlim=(0, 130), xticks=(0, 50, 100), xlabel="percent of each ReLU")
    dead.invert_yaxis()
    shares = watch.confusion / watch.confusion.sum(dim=1, keepdim=True).clamp(min=1)
    confusion.imshow(shares.numpy(), cmap=INK, vmin=0, vmax=1)
    confusion.set(title="confusion matrix", xlabel="predicted", ylabel="true")
    for axes in grid.ravel():
        axes.title.set_fontsize(CAPTION)
        axes.tick_params(labelsize=8)
    figure.suptitle(title)
    return figure


def confusion_matrix(matrix: Tensor, class_names: Sequence[str], title: str) -> Figure:
    """Draw a matrix, int64 (10, 10), rows true, columns predicted: as counts, and in percent of the true class."""
    import seaborn as sns

    counts = matrix.numpy()
    shares = 100 * counts / counts.sum(axis=1, keepdims=True).clip(min=1)
    figure, (left, right) = page(4.6, 1, 2)
    # The colors follow the share, and stop at 5 %, or the diagonal would drown every mistake in white.
    style: dict[str, Any] = {"cmap": "Blues", "vmin": 0, "vmax": 5, "cbar": False, "square": True, "linewidths": 0.5}
    style |= {"linecolor": "#DDDDDD", "xticklabels": class_names, "yticklabels": class_names}
    in_counts = np.where(counts > 0, counts.astype(str), "")
    in_shares = np.vectorize(lambda share: f"{share:.1f}".replace("100.0", "100") if share > 0 else "")(shares)
    for axes, words, name in ((left, in_counts, "images"), (right, in_shares, "percent of the true class")):
        sns.heatmap(shares, annot=words, fmt="", annot_kws={"size": 7.5}, ax=axes, **style)
        axes.set(title=name, xlabel="predicted", ylabel="true")
        axes.tick_params(rotation=0 if max(map(len, class_names)) <= 2 else 90, axis="x")
        axes.tick_params(rotation=0, axis="y")
    figure.suptitle(title)
    return figure


def probabilities(image: Tensor, shares: Tensor, class_names: Sequence[str], title: str) -> Figure:
    """Draw one image (height, width) and, beside it, a bar for the probability (0 to 1) of each class."""
    figure, (left, right) = page(3.2, 1, 2, width_ratios=[2, 3])
    draw_image(left, image)
    bars = right.barh(class_names, shares.numpy(), color=BLUE)
    right.bar_label(bars, fmt="{:.1%}", padding=3, fontsize=8)
    right.set(xlabel="probability", ylabel="class", xlim=(0, 1.15), xticks=np.linspace(0, 1, 6))
    right.invert_yaxis()  # class 0 on top
    figure.suptitle(title)
    return figure


def reliability(table: pd.DataFrame, title: str) -> Figure:
    """Draw `evaluation.reliability`: accuracy over confidence, and below it how many images each slice holds."""
    figure, (upper, lower) = page(5.2, 2, 1, width=0.75 * WIDTH, sharex=True, height_ratios=[3, 1])
    upper.plot([0, 1], [0, 1], color=GRAY, linestyle="--", label="perfect calibration")
    error = np.sqrt(table.accuracy * (1 - table.accuracy) / table.images)
    upper.errorbar(table.confidence, table.accuracy, yerr=error, color=BLUE, marker="o", capsize=3, label="the network")
    upper.set(title=title, ylabel="share that is right", ylim=(0, 1.05))
    upper.legend()
    bars = lower.bar(table.confidence, table.images, width=0.06, color=ORANGE)
    lower.set(xlabel="how sure the network says it is", ylabel="images", yscale="log", xlim=(0, 1.03))
    lower.yaxis.set_minor_formatter(NullFormatter())  # few images: the labels would run together
    lower.bar_label(bars, table.images, padding=1, fontsize=8)
    lower.margins(y=0.35)
    return figure


def confidence_histogram(
    first: Tensor, second: Tensor, title: str, names: tuple[str, str] = ("right", "wrong")
) -> Figure:
    """Draw how sure the network was, 0 to 1, of two kinds of answers (both float, any length), named in the legend."""
    figure, axes = page(2.8)
    bins = np.linspace(0, 1, 21).tolist()
    axes.hist([first.numpy(), second.numpy()], bins, color=[BLUE, ORANGE], label=names, hatch=["", "///"])
    axes.set(title=title, xlabel="how sure the network says it is", ylabel="images", yscale="log")
    axes.set_ylim(bottom=0.7)  # or a bar of one image would have no height
    axes.legend(loc="upper left")
    return figure


def show_source(dataset: Dataset) -> None:
    """Say on which images the chapter runs, in a box that can't be missed where the text speaks of others."""
    size = f"{len(dataset.train_labels):,} training and {len(dataset.test_labels):,} test images"
    if dataset.name == "mnist":
        display(Markdown(f"**Data: {dataset.title}**, {size}."))
        return
    if dataset.name == "digits":
        reason = f"MNIST can't be had: {dataset.note}" if dataset.note else 'The setting is dataset = "digits".'
        words = (
            f"<strong>This is not MNIST.</strong> The chapter runs on {dataset.title}: {size}, "
            f"smaller and fewer than MNIST's. What is computed here differs from the text; records are MNIST's. "
            f"{html.escape(reason)}"
        )
    else:
        words = (
            f"<strong>Data: {dataset.title}. The text speaks of MNIST's digits, not of these images.</strong> "
            f"Here are {size}: {dataset.subject}. The ten classes: {html.escape(', '.join(dataset.class_names))}.<br>"
            "Numbers and findings in the text are MNIST's. Yours are in the figures and in the lines that the cells "
            "print. <em>Paper</em> means pixels of 0, <em>ink</em> pixels up to 255."
        )
    style = "border: 3px solid #E69F00; padding: 0.6em 1em; background: #FFF8E5; color: #000000"
    display(HTML(f'<div style="{style}">{words}</div>'))


def strip_plot(
    groups: dict[str, Sequence[float]], intervals: dict[str, tuple[float, float]], title: str, label: str
) -> Figure:
    """Draw a row of dots for each group, one dot per run, the first group on top, and an interval below the dots.

    Args:
        groups: values of the runs, by the name of the group.
        intervals: lower and upper end, by the same names; NaN draws none.
        label: of the axis of values.
    """
    figure, axes = page(0.9 + 0.8 * len(groups))
    for row, (name, values) in enumerate(groups.items()):
        axes.plot(values, [row - 0.15] * len(values), "o", color=BLUE, alpha=0.6, markersize=8)
        low, high = intervals[name]
        axes.errorbar((low + high) / 2, row + 0.2, xerr=(high - low) / 2, color=ORANGE, marker="|", capsize=5, lw=2.5)
    axes.set_yticks(range(len(groups)), groups)
    axes.set(title=title, xlabel=label, ylim=(len(groups) - 0.5, -0.6))
    axes.grid(axis="x", color=GRAY, alpha=0.25)
    return figure


def intervals(
    groups: dict[str, dict[str, tuple[float, float, float]]], title: str, label: str, zero: bool = False
) -> Figure:
    """Draw a row of intervals for each name, the first on top: of each group one, with its own color and mark.

    Args:
        groups: by the name for the legend, and then by the row: lower end, value, upper end.
        label: of the axis of values.
        zero: draw a line at 0, for differences.
    """
    rows = list(next(iter(groups.values())))
    figure, axes = page(1.0 + 0.3 * len(rows))
    styles = zip((GRAY, ORANGE, BLUE)[-len(groups) :], ("^", "s", "o")[-len(groups) :], strict=True)
    for number, ((name, found), (color, mark)) in enumerate(zip(groups.items(), styles, strict=True)):
        low, value, high = np.array([found[row] for row in rows]).T
        places = np.arange(len(rows)) + 0.22 * (number - (len(groups) - 1) / 2)
        style: dict[str, Any] = {"color": color, "marker": mark, "ls": "", "ms": 5, "capsize": 2, "label": name}
        axes.errorbar(value, places, xerr=[value - low, high - value], **style)
    if zero:
        axes.axvline(0, color=GRAY, ls="--", lw=1)
    axes.set_yticks(range(len(rows)), rows)
    axes.set(title=title, xlabel=label, ylim=(len(rows) - 0.5, -0.5))
    axes.grid(axis="x", color=GRAY, alpha=0.25)
    if len(groups) > 1:
        figure.legend(loc="outside lower center", ncols=len(groups))
    return figure


def attributions(images: Tensor, maps: dict[str, Tensor], captions: Sequence[str], title: str, label: str) -> Figure:
    """Draw a row for each image, and beside it a map for each method: purple above zero, orange below.

    Args:
        images: (N, height, width).
        maps: by the name of the method, (N, height, width); the rows of one method share its colors.
        captions: N words or lines, one before each image.
        label: of the colors.
    """
    figure, grid = page(0.5 + 1.75 * len(images), len(images), len(maps) + 1, squeeze=False)
    for row, image in enumerate(images):
        draw_image(grid[row, 0], image)
        grid[row, 0].set_ylabel(captions[row], rotation=0, ha="right", va="center", fontsize=CAPTION)
        for column, (name, found) in enumerate(maps.items(), start=1):
            limit = float(found.abs().max()) or 1.0  # white is zero
            colors: dict[str, Any] = {"cmap": "PuOr", "vmin": -limit, "vmax": limit}
            draw_image(grid[row, column], found[row], name if row == 0 else "", **colors)
            grid[row, column].contour(image, [float(image.max()) / 2], colors=GRAY, linewidths=0.6)
    for column in range(1, len(maps) + 1):
        figure.colorbar(grid[0, column].images[0], ax=grid[:, column], location="bottom", shrink=0.8, label=label)
    figure.suptitle(title)
    return figure


def learning_curves(
    runs: pd.DataFrame, one: pd.DataFrame, metric: str, title: str, label: str, names: tuple[str, str]
) -> Figure:
    """Draw one thin line per run over the epochs, and one thick line on top.

    Args:
        runs: columns `run`, `epoch` and `metric`.
        one: the run to compare them with, columns `epoch` and `metric`.
        metric: the column to draw, shares from 0 to 1; they are drawn in percent.
        label: of the upright axis.
        names: for the legend, of the runs and of the one.
    """
    figure, axes = page(3.4)
    for number, (_, run) in enumerate(runs.groupby("run", sort=False)):
        axes.plot(run["epoch"], 100 * run[metric], color=BLUE, lw=1, alpha=0.6, label=names[0] if number == 0 else None)
    axes.plot(one["epoch"], 100 * one[metric], color=ORANGE, lw=2, marker="s", label=names[1])
    axes.set(title=title, xlabel="epoch", ylabel=label, xticks=sorted(runs["epoch"].unique()))
    axes.legend()
    return figure


def heatmap(means: pd.DataFrame, spreads: pd.DataFrame, title: str, label: str) -> Figure:
    """Draw one field for each pair of settings, with the mean and the spread over the seeds written into it.

    Args:
        means: rows and columns are the values of two settings, whose names are those of its two indexes.
        spreads: the standard deviations, in the same order; NaN writes none.
        label: of the colors.
    """
    import seaborn as sns

    figure, axes = page(1.4 + 0.7 * len(means))
    words = means.map("{:.2f}".format) + spreads.map(lambda value: "" if np.isnan(value) else f"\n± {value:.2f}")
    lowest = max(means.min(axis=None), means.max(axis=None) - SPAN)
    bar = {"label": label, "extend": "min" if lowest > means.min(axis=None) else "neither"}
    style = {"cmap": sns.light_palette("#7FB9DA", as_cmap=True), "annot_kws": {"color": "black"}}  # black can be read
    sns.heatmap(means, vmin=lowest, annot=words, fmt="", linewidths=1, cbar_kws=bar, ax=axes, **style)
    axes.set(title=title, xlabel=means.columns.name.replace("_", " "), ylabel=means.index.name.replace("_", " "))
    axes.tick_params(rotation=0)
    return figure


def timeline(blocks: Sequence[tuple[str, float, float]], marked: str, title: str) -> Figure:
    """Draw a row for each part of a step, and in it a block for each time it was at work; `marked` stands out.

    Each of `blocks` is a part's name, its begin and its end in milliseconds.
    """
    parts = list(dict.fromkeys(part for part, _, _ in blocks))
    figure, axes = page(1.1 + 0.4 * len(parts))
    begin = min((start for _, start, _ in blocks), default=0.0)
    for row, part in enumerate(parts):
        times = [(start - begin, end - start) for name, start, end in blocks if name == part]
        axes.broken_barh(times, (row - 0.4, 0.8), color=ORANGE if part == marked else BLUE)
    axes.set_yticks(range(len(parts)), parts)
    axes.set(title=title, xlabel="milliseconds", ylim=(len(parts) - 0.4, -0.6))
    axes.grid(axis="x", color=GRAY, alpha=0.25)
    return figure


def waterfall(seconds: dict[str, float], lower_bounds: dict[str, float], title: str) -> Figure:
    """Draw what is left of an epoch after each step, and what the step saved.

    Args:
        seconds: per epoch, by the name of the variant, each one step further than the variant before.
        lower_bounds: seconds per epoch that the arithmetic alone would take, by the format of the numbers.
    """
    figure, axes = page(1.4 + 0.42 * len(seconds))
    values = list(seconds.values())
    saved = [0.0, *(max(before - after, 0.0) for before, after in pairwise(values))]
    axes.barh(range(len(values)), values, color=BLUE, label="what is left")
    axes.barh(range(len(values)), saved, left=values, color=ORANGE, label="what this step saves")
    place = {"xytext": (-5, 0), "textcoords": "offset points", "ha": "right", "va": "center"}
    for row, value in enumerate(values):
        axes.annotate(f"{value:.2f} s", (value, row), color="white", **place)
    for style, (name, bound) in zip(cycle(("--", ":")), lower_bounds.items(), strict=False):
        axes.axvline(bound, color="black", lw=2.5, ls=style, label=f"lower bound, {name}: {bound:.2f} s")
    axes.set_yticks(range(len(values)), seconds)
    axes.set(title=title, xlabel="seconds per epoch", ylim=(len(values) - 0.4, -0.6), xlim=(0, 1.03 * max(values)))
    axes.legend(loc="lower right")
    return figure
