"""The checks of chapter 5: the error of a mean, two fields of the grid, how many runs, chance hits, the bootstrap."""

from collections.abc import Callable
from itertools import product
from math import ceil, floor, isclose, isnan, nan, sqrt
from statistics import fmean, pstdev, stdev, variance

import pandas as pd
import torch

from course.exercises.toolkit import (
    ELSEWHERE,
    Mistakes,
    WrongAnswer,
    as_tensor,
    between,
    call_answer,
    check_function,
    compare,
    describe,
    one_number,
    refuse,
    rounded,
    words_for,
)


def scores(count: int, deviation: float, digits: int = 1) -> list[float]:
    """Return scores near 87, rounded to `digits`, with about this standard deviation (that of n − 1)."""
    drawn = torch.randn(count, dtype=torch.float64)
    drawn = 85 + 4 * torch.rand(1).item() + deviation * (drawn - drawn.mean()) / drawn.std()
    return [round(score, digits) for score in drawn.tolist()]


def standard_error(values: list[float]) -> float:
    """Return the standard error of the mean of a sample."""
    return stdev(values) / sqrt(len(values))


def error_of_the_mean(answer: Callable) -> str:
    """A function that says how far the mean of a few runs may be off."""
    variance_used = "You used the variance. The standard deviation is its square root: take that first, then divide by √n."  # fmt: skip
    reach = "That is the reach of an interval. The standard error is what you have before you multiply by t, 1.96 or 2."
    student_t = {3: 4.302653, 8: 2.364624}  # for 95 %, by the number of values
    common_mistakes: Mistakes = [
        (stdev, "That is the standard deviation, how far a single run is from the mean. The mean of several runs is closer: √n is missing."),
        (pstdev, "That is the standard deviation of single runs, and with n in it instead of n − 1. The mean of several runs is closer: √n is missing."),
        (lambda values: pstdev(values) / sqrt(len(values)), "Nearly: your standard deviation divides by n, as if these few were all the runs there are. For a sample, divide by n − 1: numpy's std needs ddof=1, and `statistics` has stdev beside pstdev."),
        (variance, variance_used),
        (lambda values: variance(values) / len(values), variance_used),
        (lambda values: variance(values) / sqrt(len(values)), variance_used),
        (lambda values: stdev(values) / len(values), "You divided by n. Four times as many runs make the mean only twice as exact, so what should you divide by?"),
        (lambda values: stdev(values) * sqrt(len(values)), "You multiplied by √n. More runs make the mean more exact, so the error should shrink."),
        (lambda values: stdev(values) / sqrt(len(values) - 1), "The n − 1 is already in the standard deviation. Its square root is not taken once more: divide by √n."),
        (lambda values: stdev(values) / sqrt(5), "You divided by √5, but a list need not have five values. Let the function count them."),
        (lambda values: student_t[len(values)] * standard_error(values), reach),
        (lambda values: 1.96 * standard_error(values), reach),
        (lambda values: 2 * standard_error(values), reach),
        (fmean, "That is the mean itself. How far off may it be?"),
        *rounded(standard_error, 2, 1),
    ]  # fmt: skip
    hint = "Take the standard deviation of the runs and divide it by the square root of their number."
    for count in (3, 8):
        draw = lambda count=count: (scores(count, 0.5 + torch.rand(1).item(), 2),)  # noqa: E731
        check_function(answer, draw, standard_error, common_mistakes, hint=hint, tolerance=5e-4)
    return "The spread of the runs, divided by √n: four times as many runs, half the error."


def close_fields(answer: tuple, means: pd.DataFrame, spreads: pd.DataFrame) -> str:
    """A reading: two neighbouring settings that three seeds can't tell apart."""
    fields = as_tensor(answer)
    if fields is None or fields.shape != (2, 2):
        raise WrongAnswer(f"I expected two fields, ((0.01, 32), (0.01, 64)) say, and got {describe(answer)}.")
    # two digits, as the figure shows them
    tables = [table.map(lambda number: float(f"{number:.2f}")) for table in (means, spreads.reindex_like(means))]

    def gap(*fields: tuple[int, int]) -> tuple[float, float, float]:
        """Return the difference of two means, the smaller and the larger spread; three NaN where one is missing."""
        a, b, s, t = (table.iloc[field] for table in tables for field in fields)
        return (nan, nan, nan) if isnan(a + b + s + t) else (round(abs(a - b), 2), min(s, t), max(s, t))

    places = list(product(range(len(means.index)), range(len(means.columns))))
    gaps = [gap((i, j), beside) for i, j in places for beside in ((i + 1, j), (i, j + 1)) if beside in places]
    some_are_close = any(difference < smaller for difference, smaller, _ in gaps)
    closest = min((difference for difference, *_ in gaps if not isnan(difference)), default=nan)

    first, second = (_place(rate, size, means) for rate, size in fields.tolist())
    apart = abs(first[0] - second[0]), abs(first[1] - second[1])
    difference, smaller, larger = gap(first, second)
    seen = f"Their means are {difference:.2f} points apart, and the spreads are {smaller:.2f} and {larger:.2f}."
    refuse([
        (apart == (0, 0), "These two are the same field. Which one beside it, or above or below it, comes close?"),
        (apart == (1, 1), "These two touch only at a corner: both settings differ. Take two in the same row or the same column."),
        (sum(apart) != 1, "These two are not neighbours: in the figure, their fields share no side. Take two side by side, or one above the other."),
        (isnan(difference), "One of these two has no mean or no spread, since it had fewer than two runs. Nothing can be said about it; take two others."),
        (not some_are_close and difference > closest, f"{seen} In this grid no neighbours are closer than their spreads; find those with the closest means."),
        (some_are_close and difference >= larger, f"{seen} That is no less than either. Where do the means hardly change from one field to the next?"),
        (some_are_close and difference >= smaller, f"{seen} That is less than one of the spreads, not less than each. Look for two with a smaller difference, or with larger spreads."),
    ])  # fmt: skip
    if some_are_close:
        return f"{seen} Does your sentence name no winner, and say how many seeds there were?"
    return f"{seen} No neighbours in this grid are closer than their spreads, and none are closer than these."


def _place(rate: float, size: float, means: pd.DataFrame) -> tuple[int, int]:
    """Return row and column of a field of the grid."""
    rates, sizes = list(means.index), list(means.columns)
    row, column, size_as_rate = (
        next((place for place, one in enumerate(known) if isclose(one, value, rel_tol=1e-3)), -1)
        for value, known in ((rate, rates), (size, sizes), (size, rates))
    )
    known = f"learning rates {', '.join(f'{one:g}' for one in rates)}; batch sizes {', '.join(f'{one:g}' for one in sizes)}"  # fmt: skip
    refuse([
        (-1 in (row, column) and size_as_rate != -1, f"({rate:g}, {size:g}): write the learning rate first, then the batch size."),
        (-1 in (row, column), f"({rate:g}, {size:g}) is not a field of this grid: {known}."),
    ])  # fmt: skip
    return row, column


def runs_needed(answer: Callable) -> str:
    """A function that says how many runs a difference takes."""

    def right(difference: float, spread: float) -> int:
        return ceil(8 * (spread / difference) ** 2)

    def of_ratio(rounding: Callable, formula: Callable) -> Callable:
        return lambda difference, spread: rounding(formula(spread / difference))

    too_few = "Rounded down, it is not quite enough: the difference stays a little below twice its error."
    both = "That is for both settings together. How many runs of *each*?"
    no_square = "A square is missing somewhere: to show half the difference takes four times as many runs, not twice as many."  # fmt: skip
    wrong_roundings: Mistakes = [
        (float, "Nobody can do part of a run. Which way must you round, so that it is enough?"),
        (floor, too_few),
        (round, too_few),
        (lambda exact: ceil(exact) + 1, "One run fewer of each is enough already. Does your loop or your rounding go one too far?"),
    ]  # fmt: skip
    wrong_formulas: Mistakes = [
        (lambda ratio: 4 * ratio**2, "That would do if only one of the two means were uncertain. Both are: the error of the difference is spread · √(2/n)."),
        (lambda ratio: 2 * ratio**2, "With so few, the difference is about once its standard error. It should be at least twice."),
        (lambda ratio: 16 * ratio**2, both),
        (lambda ratio: 2 * ceil(8 * ratio**2), both),
        (lambda ratio: 8 / ratio**2, "Your ratio is upside down: a larger spread should take more runs, a larger difference fewer."),
        (lambda ratio: 8 * ratio, no_square),
        (lambda ratio: 8**0.5 * ratio, no_square),
        (lambda ratio: 2 * 1.96**2 * ratio**2, "That is for 1.96 standard errors. Here it should be twice the error, so 2."),
    ]  # fmt: skip
    common_mistakes: Mistakes = [
        *((of_ratio(rounding, lambda ratio: 8 * ratio**2), words) for rounding, words in wrong_roundings),
        *((of_ratio(rounding, formula), words) for formula, words in wrong_formulas for rounding in (float, ceil, floor)),
    ]  # fmt: skip

    def draw() -> tuple[float, float]:
        difference = between(10, 40) / 100
        return difference, round(difference * between(200, 800) / 100, 2)

    hint = "Put your number in by hand: is the difference twice spread · √(2/n)?"
    check_function(answer, draw, right, common_mistakes, hint=hint, tolerance=1e-4)
    return "So many runs of each, and the difference is twice its standard error. Half the difference takes four times as many."  # fmt: skip


def stand_out(answer: float) -> str:
    """A number: how many of 200 numbers stand out by luck alone."""
    common_mistakes = [
        (5, "5 per cent lie outside, that is 5 of every 100. There are 200."),
        (190, "That is how many lie inside, on average. And outside?"),
        (195, "That looks like 200 − 5. But 5 per cent is 5 of every 100, and the question is how many lie outside."),
        (0, "Even if nothing is different, a 95 % interval leaves out some. How many of a hundred?"),
        (0.05, "That is the chance for one number. How many is it among 200?"),
        (0.95, "That is the chance that one number lies inside. How many of 200 lie outside?"),
        (1, "One in twenty, yes. How many twenties are there in 200?"),
        (2, "That is for forty numbers, as in the chapter. Here 200 are checked."),
        (40, "40 is one in five. A 95 % interval leaves out one in twenty."),
        (20, "20 is one in ten. A 95 % interval leaves out one in twenty."),
    ]
    hint = "A 95 % interval leaves out 5 of every 100, by luck alone."
    compare(one_number(answer, "one number"), 10, "200 numbers", common_mistakes, hint=hint, reveal=False)
    return "One in twenty of 200 is 10: ten stories that one could tell about nothing."


def bootstrap_error(answer: Callable) -> str:
    """A function that finds the error of a mean with dice instead of a formula."""
    times, near = 4000, 0.058  # a spread of so many means is off by 1.1 %, and the formula's result by 15 %

    def spread_of_means(values: list[float], times: int) -> float:
        found = as_tensor(got := call_answer(answer, values, times))
        if found is not None and found.numel() == times:
            raise WrongAnswer(f"You returned {times} numbers, the means of your draws. How far do they spread? Return that one number.")  # fmt: skip
        return one_number(got, "one number, the standard deviation of the means,")

    lists = [scores(4, 7.0), scores(4, 12.0)]
    results = [spread_of_means(values, times) for values in lists]
    if results[0] == results[1] and abs(results[0]) > 1e-3:  # no spread at all is another matter
        raise WrongAnswer(f"For different lists the same number came out, {describe(results[0])}. {ELSEWHERE}")
    hint = "Draw len(values) numbers, putting each one back, and take their mean; do that `times` times. Return the spread of these means."  # fmt: skip
    for values, result in zip(lists, results, strict=True):
        single, n = pstdev(values), len(values)
        expected = single / sqrt(n)
        single_values = "That is the spread of single values. Take the mean of each draw first, then the spread of these means."  # fmt: skip
        common_mistakes = [
            (single, single_values),
            (stdev(values), single_values),
            (standard_error(values), "That is what the formula s/√n gives, or draws of one number too few. Let the dice find it: draw len(values) numbers, take their mean, see how far the means spread."),
            (single / sqrt(5), f"That is the spread for draws of five numbers. Draw as many as there are values, here {n}."),
            (single / sqrt(10), f"That is the spread for draws of ten numbers. Draw as many as there are values, here {n}."),
            (expected**2, "That is the variance of the means. The standard deviation is its square root."),
            (expected / sqrt(n), "The means of such draws already spread by the error of the mean. It is not divided by √n once more."),
            (n * expected, "That is the spread of the sums. Divide each by its length, to get means."),
        ]  # fmt: skip
        faults = [
            (isnan(result), f"A spread needs at least two means: are all {times} still there at the end?"),
            (min(values) <= result <= max(values), "That is a mean. Collect the means of all draws first, then return how far they spread."),
            (abs(result) < 1e-4 * expected, f"That is no spread at all: every draw had the same mean. Do you put each number back before you draw the next one? Without that, all {n} come every time, in another order. (A `return` inside the loop would also end it after one draw.)"),
            (abs(result) < 0.15 * expected, "That is far too little. Draw len(values) numbers at a time, and do it `times` times; the spread of the means is then the answer, and is divided by nothing."),
            (not isclose(result, expected, rel_tol=near), words_for(result, common_mistakes, hint, tolerance=0.048)),
        ]  # fmt: skip
        about = f"For values={values} and times={times}, I expected about {expected:.3g} and got {result:.3g}."
        refuse([(found, f"{about} {words}") for found, words in faults])
    for _ in range(10):  # of two means, the spread is a matter of luck: it is near the true one about once in seven
        values = scores(4, 7.0)
        if not isclose(spread_of_means(values, 2), pstdev(values) / sqrt(len(values)), rel_tol=0.15):
            return "No formula, only your own results and many draws: that is the bootstrap."
    raise WrongAnswer(f"The result is right for times={times}, but with times=2 it hardly scatters. Two draws should give a rough guess: does your function use `times`, and draw?")  # fmt: skip


CHECKS: dict[str, Callable] = {
    "5.1": error_of_the_mean,
    "5.2": close_fields,
    "5.3": runs_needed,
    "5.4": stand_out,
    "5.5": bootstrap_error,
}
