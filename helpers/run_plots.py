"""Figures of many runs: one dot a run, one line a run, one field a setting."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.figure import Figure

from helpers.plotting import BLUE, GREY, ORANGE, WIDTH

SPAN = 2.0  # points below the best at which the colours of `grid` end: one bad setting would make all others look alike


def dots(
    groups: dict[str, Sequence[float]], intervals: dict[str, tuple[float, float]], title: str, label: str
) -> Figure:
    """Draw a row of dots for each group, one dot a run, and an interval below it.

    Args:
        groups: values of the runs, by the name of the group; the first group stands on top.
        intervals: lower and upper end of a bar below the dots, by the same names; NaN draws none.
        title: the message of the figure.
        label: of the axis of values.
    """
    figure = Figure(figsize=(WIDTH, 0.9 + 0.8 * len(groups)), layout="constrained")
    axes = figure.subplots()
    for row, (name, values) in enumerate(groups.items()):
        axes.plot(values, [row - 0.15] * len(values), "o", color=BLUE, alpha=0.6, markersize=8)
        low, high = intervals[name]
        axes.errorbar((low + high) / 2, row + 0.2, xerr=(high - low) / 2, color=ORANGE, marker="|", capsize=5, lw=2.5)
    axes.set_yticks(range(len(groups)), groups)
    axes.set(title=title, xlabel=label, ylim=(len(groups) - 0.5, -0.6))
    axes.grid(axis="x", color=GREY, alpha=0.25)
    return figure


def bundle(
    runs: pd.DataFrame, one: pd.DataFrame, metric: str, title: str, label: str, names: tuple[str, str]
) -> Figure:
    """Draw one thin line a run over the epochs, and one thick line on top.

    Args:
        runs: columns `run`, `epoch` and `metric`.
        one: the run to compare them with, columns `epoch` and `metric`.
        metric: the column to draw, shares from 0 to 1; they are drawn in per cent.
        title: the message of the figure.
        label: of the upright axis.
        names: for the legend, of the runs and of the one.
    """
    figure = Figure(figsize=(WIDTH, 3.4), layout="constrained")
    axes = figure.subplots()
    for number, (_, run) in enumerate(runs.groupby("run", sort=False)):
        axes.plot(run["epoch"], 100 * run[metric], color=BLUE, lw=1, alpha=0.6, label=names[0] if number == 0 else None)
    axes.plot(one["epoch"], 100 * one[metric], color=ORANGE, lw=2, marker="s", label=names[1])
    axes.set(title=title, xlabel="epoch", ylabel=label, xticks=sorted(runs["epoch"].unique()))
    axes.legend()
    return figure


def grid(means: pd.DataFrame, spreads: pd.DataFrame, title: str, label: str) -> Figure:
    """Draw one field for each pair of settings, with the mean and the spread over the seeds written into it.

    Args:
        means: rows and columns are the values of two settings, whose names are those of its two indexes.
        spreads: the standard deviations, in the same order; NaN writes none.
        title: the message of the figure.
        label: of the colours.
    """
    figure = Figure(figsize=(WIDTH, 1.4 + 0.7 * len(means)), layout="constrained")
    axes = figure.subplots()
    spread = spreads.map(lambda value: "" if np.isnan(value) else f"\n± {value:.2f}")
    words = means.map(lambda value: f"{value:.2f}") + spread
    colours = sns.light_palette("#7FB9DA", as_cmap=True)  # light enough for black words on every field
    floor = max(means.min(axis=None), means.max(axis=None) - SPAN)
    bar = {"label": label, "extend": "min" if floor > means.min(axis=None) else "neither"}
    style = {"cmap": colours, "linewidths": 1, "annot_kws": {"color": "black"}}
    sns.heatmap(means, vmin=floor, annot=words, fmt="", cbar_kws=bar, ax=axes, **style)
    axes.set(title=title, xlabel=means.columns.name.replace("_", " "), ylabel=means.index.name.replace("_", " "))
    axes.tick_params(rotation=0)
    return figure
