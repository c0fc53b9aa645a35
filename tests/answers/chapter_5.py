"""Right and wrong answers to the exercises of chapter 5."""

import math
import random
import statistics
from fractions import Fraction

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
    while difference < 2.8 * spread * (2 / runs) ** 0.5:
        runs += 1
    return runs


def runs_beyond_the_exact(difference, spread):
    runs = 1
    while difference <= 2.8 * spread * (2 / runs) ** 0.5:
        runs += 1
    return runs


def runs_up_to_99(difference, spread):
    return next((runs for runs in range(1, 99) if difference >= 2.8 * spread * (2 / runs) ** 0.5), 99)


def runs_by(factor, rounding=math.ceil):
    """Return the formula for another number of standard errors, or rounded in another way."""
    return lambda difference, spread: rounding(2 * (factor * spread / difference) ** 2)


def error_of_sorted(values):
    values.sort()
    return statistics.stdev(values) / len(values) ** 0.5


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


def normal_instead(values, times):
    center, spread = statistics.mean(values), statistics.pstdev(values)
    return np.std([np.mean([random.gauss(center, spread) for _ in values]) for _ in range(times)])


def grid():
    """Two close fields one above the other, (0.001, 64) and (0.01, 64); in two fields nothing ran twice."""
    rates, sizes = pd.Index([0.001, 0.01, 0.1], name="learning_rate"), pd.Index([32, 64, 128], name="batch_size")
    means = [[97.0, 98.41, 98.32], [98.0, 98.37, 97.0], [95.0, 96.0, 90.0]]
    spreads = [[0.1, 0.1, 0.1], [0.3, 0.07, float("nan")], [0.4, 0.5, float("nan")]]
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
    "5.2": [
        ((0.001, 64), (0.01, 64)),
        [[0.01, 64], [0.001, 64]],
        torch.tensor([[0.001, 64], [0.01, 64]]),
        {(0.001, 64), (0.01, 64)},
        pd.DataFrame([[0.001, 64], [0.01, 64]], index=[5, 3]),
    ],
    "5.3": [
        runs_in_a_loop,
        runs_by(2.8),
        lambda difference, spread: math.ceil(15.68 * (spread / difference) ** 2),
        lambda difference, spread: torch.tensor(15.68 * spread**2 / difference**2).ceil(),
        lambda difference, spread: np.ceil(2 * (2.8 * spread / difference) ** 2),
    ],
    "5.4": [10, 10.0, 200 * 0.05, 200 * (1 - 0.95), torch.tensor(10), Fraction(10)],
    "5.5": [bootstrap_in_a_loop, bootstrap_at_once, bootstrap_seeded, bootstrap_of_scipy],
}

WRONG = {
    "5.1": [
        (lambda values: statistics.stdev(values), "division by √n is missing"),
        (lambda values: np.std(values), "divides by n instead of n − 1"),
        (error_with_n, "ddof=1"),
        (lambda values: torch.tensor(values).var() / len(values), "the variance"),
        (lambda values: (torch.tensor(values).var() / len(values) ** 0.5), "the variance"),
        (lambda values: statistics.stdev(values) / len(values), "Four times as many runs"),
        (lambda values: statistics.stdev(values) / 5**0.5, "Let the function count"),
        (lambda values: statistics.stdev(values) / (len(values) - 1) ** 0.5, "not by √(n − 1)"),
        (lambda values: statistics.stdev(values) * len(values) ** 0.5, "should shrink"),
        (lambda values: stats.t.ppf(0.975, len(values) - 1) * stats.sem(values), "how far an interval reaches"),
        (lambda values: 1.96 * stats.sem(values), "how far an interval reaches"),
        (lambda values: 2 * stats.sem(values), "how far an interval reaches"),
        (lambda values: int(stats.sem(values)), "after the decimal point is gone"),
        (lambda values: sum(values) / len(values), "the mean itself"),
        (lambda values: stats.sem(values) if len(values) > 2 else 0, "For values=[97.0, 99.0], I expected 1 and got 0"),
        (lambda values: statistics.stdev({*values}) / len(values) ** 0.5, "values="),
        (error_of_sorted, "changed the list"),
        (lambda values: 0.08, "a name of the notebook"),
        (lambda values: values.std() / len(values) ** 0.5, "torch.tensor(…) makes a tensor of it"),
        (lambda values: (torch.tensor(values) - statistics.mean(values)).abs(), "I expected one number and got a tensor of shape"),
    ],
    "5.2": [
        (((0.001, 64), (0.001, 64)), "the same square"),
        (((0.001, 64), (0.01, 32)), "only at a corner"),
        (((0.001, 64), (0.1, 64)), "not neighbors"),
        (((0.001, 32), (0.001, 128)), "not neighbors"),
        (((64, 0.001), (64, 0.01)), "learning rate first, then"),
        (((0.001, 64), (0.003, 64)), "not a square of this grid: learning rates 0.001, 0.01, 0.1; batch sizes 32, 64, 128"),
        (((0.001, 64), (0.001, 128)), "0.09 points apart, and the standard error of that difference is 0.08. You compared"),
        (((0.001, 32), (0.001, 64)), "1.41 points apart, and the standard error of that difference is 0.08. The difference is not below its error"),
        (((0.01, 64), (0.01, 128)), "fewer than two runs"),
        ((0.001, 64, 0.01, 64), "I expected two settings"),
        (((0.001, 64), None), "I expected two settings"),
        ("(0.001, 64)", "I expected two settings"),
    ],
    "5.3": [
        (runs_by(2), "in only half of all comparisons"),
        (runs_by(1.96), "in only half of all comparisons"),
        (runs_by(1), "only about one standard error"),
        (lambda difference, spread: math.ceil(16 * (spread / difference) ** 2), "a well-known rule of thumb"),
        (runs_by(2.8, int), "Rounded down"),
        (runs_by(2.8, round), "Rounded down"),
        (runs_by(2.8, float), "of a run. Which way"),
        (runs_by(2.8, lambda exact: math.floor(exact) + 1), "*exactly* enough"),
        (runs_beyond_the_exact, "*exactly* enough"),
        (runs_up_to_99, "Does your loop stop there?"),
        (lambda difference, spread: max(2, runs_in_a_loop(difference, spread)), "Where does your loop begin?"),
        (lambda difference, spread: math.ceil((2.8 * spread / difference) ** 2), "only one of the two means"),
        (lambda difference, spread: runs_by(2.8)(spread, difference), "is upside down"),
        (lambda difference, spread: math.ceil(15.68 * spread / difference), "A square is missing"),
        (lambda difference, spread: math.ceil(15.68**0.5 * spread / difference), "A square is missing"),
        (lambda difference, spread: math.ceil(31.36 * (spread / difference) ** 2), "both settings together"),
        (lambda difference, spread: 2 * runs_in_a_loop(difference, spread), "both settings together"),
        (lambda difference, spread: runs_in_a_loop(difference, spread) + 1, "one too far"),
        (lambda difference, spread: (runs_in_a_loop(difference, spread),) * 2, "I expected one number"),
        (lambda difference, spread: 500, "a name of the notebook"),
        (lambda difference, spread: 1000 * spread / difference, "For difference=0.1, spread=0.1, I expected 16"),
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
        (lambda values, times: bootstrap_in_a_loop(values, times) / len(values) ** 0.5, "Don't divide by √n once more"),
        (normal_instead, "Draw only numbers that are in the list"),
        (lambda values, times: stats.sem(values), "formula s/√n"),
        (lambda values, times: error_with_n(values), "does your function use `times`"),
        (lambda values, times: bootstrap_at_once(values, 20_000), "does your function use `times`"),
        (lambda values, times: 0.0227, "a name of the notebook"),
        (lambda values, times: np.mean(random.choices(values, k=len(values))), "That is a mean."),
    ],
}  # fmt: skip
