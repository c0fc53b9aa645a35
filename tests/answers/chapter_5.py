"""Right and wrong answers to the exercises of chapter 5."""

import math
import random
import statistics

import numpy as np
import pandas as pd
import torch
from scipy import stats


def error_step_by_step(values):
    mean = sum(values) / len(values)
    squares = sum((value - mean) ** 2 for value in values)
    return math.sqrt(squares / (len(values) - 1)) / math.sqrt(len(values))


def error_with_n(values):
    return np.std(values) / len(values) ** 0.5


def runs_in_a_loop(difference, spread):
    runs = 1
    while difference < 2 * spread * (2 / runs) ** 0.5:
        runs += 1
    return runs


def bootstrap_in_a_loop(values, times):
    means = []
    for _ in range(times):
        drawn = random.choices(values, k=len(values))
        means.append(sum(drawn) / len(drawn))
    return statistics.stdev(means)


def bootstrap_at_once(values, times):
    pool = torch.tensor(values)
    return pool[torch.randint(len(values), (times, len(values)))].mean(dim=1).std()


def bootstrap_seeded(values, times):
    dice = np.random.default_rng(0)
    return np.std([np.mean(dice.choice(values, len(values))) for _ in range(times)])


def bootstrap_of_scipy(values, times):
    return stats.bootstrap((values,), np.mean, n_resamples=times, method="percentile").standard_error


def bootstrap_by(draw, spread=np.std):
    """Return a bootstrap that draws and measures in its own way."""
    return lambda values, times: spread([draw(values) for _ in range(times)])


def grid():
    """Two close fields above one another, (0.001, 64) and (0.01, 64); in two of them nothing ran twice."""
    rates, sizes = pd.Index([0.001, 0.01, 0.1], name="learning_rate"), pd.Index([32, 64, 128], name="batch_size")
    means = [[97.0, 98.42, 98.30], [98.0, 98.36, 97.0], [95.0, 96.0, 90.0]]
    spreads = [[0.1, 0.08, 0.2], [0.3, 0.07, float("nan")], [0.4, 0.5, float("nan")]]
    return {
        "means": pd.DataFrame(means, index=rates, columns=sizes),
        "spreads": pd.DataFrame(spreads, index=rates, columns=sizes),
    }


CONTEXT = {"5.2": grid}

RIGHT = {
    "5.1": [
        lambda values: torch.tensor(values).std() / len(values) ** 0.5,
        lambda values: statistics.stdev(values) / math.sqrt(len(values)),
        lambda values: np.std(values, ddof=1) / np.sqrt(len(values)),
        lambda values: np.std(values) / np.sqrt(len(values) - 1),  # the same number
        lambda values: pd.Series(values).sem(),
        stats.sem,
        error_step_by_step,
    ],
    "5.2": [((0.001, 64), (0.01, 64)), [[0.01, 64], [0.001, 64]], torch.tensor([[0.001, 64], [0.01, 64]])],
    "5.3": [
        runs_in_a_loop,
        lambda difference, spread: math.ceil(8 * (spread / difference) ** 2),
        lambda difference, spread: torch.tensor(8 * spread**2 / difference**2).ceil(),
        lambda difference, spread: np.ceil(2 * (2 * spread / difference) ** 2),
    ],
    "5.4": [10, 10.0, 200 * 0.05, 200 * (1 - 0.95), torch.tensor(10)],
    "5.5": [bootstrap_in_a_loop, bootstrap_at_once, bootstrap_seeded, bootstrap_of_scipy],
}

WRONG = {
    "5.1": [
        (lambda values: statistics.stdev(values), "√n is missing"),
        (lambda values: np.std(values), "with n in it"),
        (error_with_n, "ddof=1"),
        (lambda values: torch.tensor(values).var() / len(values), "the variance"),
        (lambda values: (torch.tensor(values).var() / len(values) ** 0.5), "the variance"),
        (lambda values: statistics.stdev(values) / len(values), "Four times as many runs"),
        (lambda values: statistics.stdev(values) / 5**0.5, "Let the function count"),
        (lambda values: statistics.stdev(values) / (len(values) - 1) ** 0.5, "not taken once more"),
        (lambda values: statistics.stdev(values) * len(values) ** 0.5, "should shrink"),
        (lambda values: stats.t.ppf(0.975, len(values) - 1) * stats.sem(values), "reach of an interval"),
        (lambda values: 1.96 * stats.sem(values), "reach of an interval"),
        (lambda values: 2 * stats.sem(values), "reach of an interval"),
        (lambda values: int(stats.sem(values)), "after the decimal point is gone"),
        (lambda values: sum(values) / len(values), "the mean itself"),
        (lambda values: 0.08, "a name of the notebook"),
        (lambda values: values.std() / len(values) ** 0.5, "torch.tensor(…) makes a tensor of it"),
        (lambda values: (torch.tensor(values) - statistics.mean(values)).abs(), "I expected one number and got a tensor of shape"),
    ],
    "5.2": [
        (((0.001, 64), (0.001, 64)), "the same field"),
        (((0.001, 64), (0.01, 32)), "only at a corner"),
        (((0.001, 64), (0.1, 64)), "not neighbours"),
        (((0.001, 32), (0.001, 128)), "not neighbours"),
        (((64, 0.001), (64, 0.01)), "learning rate first, then"),
        (((0.001, 64), (0.003, 64)), "not a field of this grid: learning rates 0.001, 0.01, 0.1; batch sizes 32, 64, 128"),
        (((0.001, 64), (0.001, 128)), "0.12 points apart, and the spreads are 0.08 and 0.20. That is less than one"),
        (((0.001, 32), (0.001, 64)), "1.42 points apart, and the spreads are 0.08 and 0.10. That is no less than either"),
        (((0.01, 64), (0.01, 128)), "fewer than two runs"),
        ((0.001, 64, 0.01, 64), "I expected two fields"),
        (((0.001, 64), None), "I expected two fields"),
        ("(0.001, 64)", "I expected two fields"),
    ],
    "5.3": [
        (lambda difference, spread: math.ceil(4 * (spread / difference) ** 2), "only one of the two means"),
        (lambda difference, spread: math.ceil(2 * (spread / difference) ** 2), "about once its standard error"),
        (lambda difference, spread: math.ceil(8 * (difference / spread) ** 2), "is upside down"),
        (lambda difference, spread: math.ceil(8 * spread / difference), "A square is missing"),
        (lambda difference, spread: math.ceil(8**0.5 * spread / difference), "A square is missing"),
        (lambda difference, spread: int(8 * (spread / difference) ** 2), "Rounded down"),
        (lambda difference, spread: round(8 * (spread / difference) ** 2), "Rounded down"),
        (lambda difference, spread: 8 * (spread / difference) ** 2, "of a run. Which way"),
        (lambda difference, spread: math.ceil(16 * (spread / difference) ** 2), "both settings together"),
        (lambda difference, spread: 2 * math.ceil(8 * (spread / difference) ** 2), "both settings together"),
        (lambda difference, spread: math.ceil(2 * (1.96 * spread / difference) ** 2), "1.96"),
        (lambda difference, spread: runs_in_a_loop(difference, spread) + 1, "one too far"),
        (lambda difference, spread: (runs_in_a_loop(difference, spread),) * 2, "I expected one number"),
        (lambda difference, spread: 500, "a name of the notebook"),
        (lambda difference, spread: 1000 * spread / difference, "by hand"),
    ],
    "5.4": [
        (5, "5 of every 100"),
        (190, "how many lie inside"),
        (195, "200 − 5"),
        (0, "leaves out some"),
        (0.05, "chance for one number"),
        (2, "forty numbers"),
        (40, "one in five"),
        (1, "How many twenties"),
        (12, "by luck alone"),
        ("ten", "I expected one number and got 'ten'"),
    ],
    "5.5": [
        (bootstrap_by(lambda values: sum(random.sample(values, len(values))) / len(values)), "put each number back"),
        (bootstrap_by(lambda values: torch.tensor(values)[torch.randperm(len(values))].mean().item()), "put each number back"),
        (lambda values, times: statistics.stdev(values), "spread of single values"),
        (bootstrap_by(random.choice), "spread of single values"),
        (bootstrap_by(lambda values: np.mean(random.choices(values, k=5))), "draws of five"),
        (bootstrap_by(lambda values: np.mean(random.choices(values, k=10))), "draws of ten"),
        (bootstrap_by(lambda values: sum(random.choices(values, k=len(values)))), "spread of the sums"),
        (bootstrap_by(lambda values: np.mean(random.choices(values, k=len(values))), np.mean), "That is a mean."),
        (bootstrap_by(lambda values: np.mean(random.choices(values, k=len(values))), np.var), "variance of the means"),
        (bootstrap_by(lambda values: np.mean(random.choices(values, k=len(values))), list), "4000 numbers"),
        (lambda values, times: bootstrap_in_a_loop(values, times) / times**0.5, "far too little"),
        (lambda values, times: bootstrap_in_a_loop(values, times) / times, "far too little"),
        (lambda values, times: np.std([np.mean(random.choices(values, k=times)) for _ in values]), "far too little"),
        (lambda values, times: bootstrap_in_a_loop(values, times) / len(values) ** 0.5, "not divided by √n"),
        (lambda values, times: stats.sem(values), "formula s/√n"),
        (lambda values, times: error_with_n(values), "does your function use `times`"),
        (lambda values, times: bootstrap_at_once(values, 20_000), "does your function use `times`"),
        (lambda values, times: 0.0227, "a name of the notebook"),
        (lambda values, times: np.mean(random.choices(values, k=len(values))), "That is a mean."),
    ],
}  # fmt: skip
