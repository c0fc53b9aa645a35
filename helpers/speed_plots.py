"""Figures of time: what happens when in a training step, and what each way of doing it saves."""

from collections.abc import Sequence
from itertools import pairwise

from matplotlib.figure import Figure

from helpers.plotting import BLUE, GREY, ORANGE, WIDTH


def timeline(blocks: Sequence[tuple[str, float, float]], marked: str, title: str) -> Figure:
    """Draw one row for each part of a step, and in it a block for each time that it was at work.

    Args:
        blocks: part, begin and end in milliseconds.
        marked: the part that gets the other colour.
        title: the message of the figure.
    """
    parts = list(dict.fromkeys(part for part, _, _ in blocks))
    figure = Figure(figsize=(WIDTH, 1.1 + 0.4 * len(parts)), layout="constrained")
    axes = figure.subplots()
    begin = min((start for _, start, _ in blocks), default=0.0)
    for row, part in enumerate(parts):
        times = [(start - begin, end - start) for name, start, end in blocks if name == part]
        axes.broken_barh(times, (row - 0.4, 0.8), color=ORANGE if part == marked else BLUE)
    axes.set_yticks(range(len(parts)), parts)
    axes.set(title=title, xlabel="milliseconds", ylim=(len(parts) - 0.4, -0.6))
    axes.grid(axis="x", color=GREY, alpha=0.25)
    return figure


def waterfall(seconds: dict[str, float], floor: float, title: str) -> Figure:
    """Draw what is left of an epoch after each step, and what the step saved.

    Args:
        seconds: an epoch, by the name of the way, each one step further than the way before.
        floor: seconds that the arithmetic alone would take.
        title: the message of the figure.
    """
    figure = Figure(figsize=(WIDTH, 1.4 + 0.42 * len(seconds)), layout="constrained")
    axes = figure.subplots()
    values = list(seconds.values())
    saved = [0.0, *(max(before - after, 0.0) for before, after in pairwise(values))]
    axes.barh(range(len(values)), values, color=BLUE, label="what is left")
    axes.barh(range(len(values)), saved, left=values, color=ORANGE, label="what this step saves")
    for row, value in enumerate(values):
        place = {"xytext": (-5, 0), "textcoords": "offset points", "ha": "right", "va": "center"}
        axes.annotate(f"{value:.2f} s", (value, row), color="white", **place)
    axes.axvline(floor, color="black", lw=2.5, ls="--", label=f"floor: {floor:.2f} s")
    axes.set_yticks(range(len(values)), seconds)
    axes.set(title=title, xlabel="seconds an epoch", ylim=(len(values) - 0.4, -0.6), xlim=(0, 1.03 * max(values)))
    axes.legend(loc="lower right")
    return figure
