"""The checks of chapter 5: the error of a mean, two squares of the grid, how many runs, chance hits, the bootstrap."""

from collections.abc import Callable
from fractions import Fraction
from itertools import product
from math import ceil, floor, isclose, isnan, nan, sqrt
from statistics import fmean, pstdev, stdev, variance

import pandas as pd
import torch

from course.exercises import toolkit
from course.exercises.toolkit import Mistakes, WrongAnswer, refuse

SEEDS = 3  # runs of each setting in the recorded grid


def error_of_the_mean(answer: Callable) -> str:
    """A function that says how far the mean of a few runs may be off."""

    def standard_error(values: list[float]) -> float:
        return stdev(values) / sqrt(len(values))

    def scores(count: int) -> list[float]:
        deviation = 0.5 + torch.rand(1).item()
        drawn = torch.randn(count, dtype=torch.float64)
        drawn = 85 + 4 * torch.rand(1).item() + deviation * (drawn - drawn.mean()) / drawn.std()
        return [round(score, 2) for score in drawn.tolist()]

    student_t = {2: 12.706205, 3: 4.302653, 4: 3.182446, 6: 2.570582, 8: 2.364624}  # for 95 %, by the number of values
    variance_used = "You used the variance. The standard deviation is its square root: take that first, then divide by √n."  # fmt: skip
    reach = (
        "That is how far an interval reaches. The standard error is what you have before you multiply by t, 1.96, or 2."
    )
    common_mistakes: Mistakes = [
        (stdev, "That is the standard deviation: how far a single run is from the mean. The mean of several runs is closer, so division by √n is missing."),
        (pstdev, "That is the standard deviation of single runs, and it divides by n instead of n − 1. The mean of several runs is closer, so division by √n is missing."),
        (lambda values: pstdev(values) / sqrt(len(values)), "Nearly: your standard deviation divides by n, as if these few were all the runs there are. For a sample, divide by n − 1: NumPy's std needs ddof=1, and `statistics` has stdev as well as pstdev."),
        (variance, variance_used),
        (lambda values: variance(values) / len(values), variance_used),
        (lambda values: variance(values) / sqrt(len(values)), variance_used),
        (lambda values: stdev(values) / len(values), "You divided by n. Four times as many runs make the mean only twice as precise, so what should you divide by?"),
        (lambda values: stdev(values) * sqrt(len(values)), "You multiplied by √n. More runs make the mean more precise, so the error should shrink."),
        (lambda values: stdev(values) / sqrt(len(values) - 1), "The n − 1 is already in the standard deviation. After that, divide by √n, not by √(n − 1)."),
        (lambda values: stdev(values) / sqrt(5), "You divided by √5, but a list need not have five values. Let the function count them."),
        (lambda values: student_t[len(values)] * standard_error(values), reach),
        (lambda values: 1.96 * standard_error(values), reach),
        (lambda values: 2 * standard_error(values), reach),
        (fmean, "That is the mean itself. How far off may it be?"),
        *toolkit.rounded(standard_error, 2, 1),
    ]  # fmt: skip
    toolkit.check_function(
        answer,
        lambda: (scores((3, 4, 6, 8)[toolkit.between(0, 4)]),),
        standard_error,
        common_mistakes,
        hint="Take the standard deviation of the runs and divide it by the square root of their number.",
        tolerance=5e-4,
        edges=[([96.0, 98.0, 98.0, 99.0],), ([97.0, 99.0],), ([98.6, 98.6, 98.6],)],
    )
    return "The spread of the runs, divided by √n: four times as many runs, half the error."


def close_fields(answer: tuple, means: pd.DataFrame, spreads: pd.DataFrame) -> str:
    """A reading: two neighboring settings that three seeds can't tell apart."""
    fields = toolkit.as_tensor(answer, any_order=True)
    if fields is None or fields.shape != (2, 2):
        raise WrongAnswer(
            f"I expected two settings, like ((0.01, 32), (0.01, 64)), and got {toolkit.describe(answer)}."
        )
    # two digits, as the figure shows them
    tables = [table.map(lambda number: float(f"{number:.2f}")) for table in (means, spreads.reindex_like(means))]

    def gap(*fields: tuple[int, int]) -> tuple[float, float, float]:
        """Return the difference of two means, its standard error, and the smaller spread; NaN where one is missing."""
        a, b, s, t = (table.iloc[field] for table in tables for field in fields)
        missing = isnan(a + b + s + t)
        return (nan, nan, nan) if missing else (round(abs(a - b), 2), sqrt((s**2 + t**2) / SEEDS), min(s, t))

    places = list(product(range(len(means.index)), range(len(means.columns))))
    gaps = [gap((i, j), beside) for i, j in places for beside in ((i + 1, j), (i, j + 1)) if beside in places]
    closest = min((difference / error for difference, error, _ in gaps if error > 0), default=0)  # NaN is not above 0

    first, second = (_place(rate, size, means) for rate, size in fields.tolist())
    apart = abs(first[0] - second[0]), abs(first[1] - second[1])
    difference, error, smaller = gap(first, second)
    seen = f"Their means are {difference:.2f} points apart, and the standard error of that difference is {error:.2f}."
    far = difference >= error if closest < 1 else difference > closest * error + 1e-9
    refuse([
        (apart == (0, 0), "These two are the same square. Which of its neighbors comes close to it?"),
        (apart == (1, 1), "These two touch only at a corner: learning rate and batch size both differ. Take two in the same row or the same column."),
        (sum(apart) != 1, "These two are not neighbors: in the figure, their squares share no side. Take two side by side, or one above the other."),
        (isnan(difference), "One of these two has no mean or no spread, since it had fewer than two runs. Nothing can be said about it; choose two others."),
        (far and closest >= 1, f"{seen} In this grid no two neighbors are closer than their error. Find the two that come nearest to it."),
        (far and difference < smaller, f"{seen} You compared it with the spreads of single runs. The mean of {SEEDS} runs is more precise than one run: the error of the difference is √((s₁² + s₂²) / {SEEDS})."),
        (far, f"{seen} The difference is not below its error. Where do the means hardly change from one square to the next?"),
    ])  # fmt: skip
    if closest < 1:
        return f"{seen} If two settings are equal, luck alone makes a difference larger than its error in about one comparison out of three. Check your sentence: it should name no winner, and say how many seeds there were."  # fmt: skip
    return f"{seen} No two neighbors in this grid are closer than their error, and none come nearer to it than these."


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
        (-1 in (row, column), f"({rate:g}, {size:g}) is not a square of this grid: {known}."),
    ])  # fmt: skip
    return row, column


def runs_needed(answer: Callable) -> str:
    """A function that says how many runs it takes to see a difference with 80 % power."""

    def right(difference: float, spread: float) -> int:
        exactly = Fraction(str(spread)) / Fraction(str(difference))  # a float may be off by a last digit, and a run
        return ceil(Fraction("15.68") * exactly**2)

    def of_ratio(rounding: Callable, formula: Callable) -> Callable:
        return lambda difference, spread: rounding(formula(spread / difference))

    needed = 2 * 2.8**2
    too_few = "Rounded down, it is not quite enough: the difference stays a little below 2.8 times its error."
    both = "That is for both settings together. How many runs of *each*?"
    no_square = "A square is missing somewhere: to show half the difference takes four times as many runs, not twice as many."  # fmt: skip
    half = "That is for about two standard errors. Then you would see the difference in only half of all comparisons, since luck lowers it as often as it raises it. For 80 % power, make it 2.8."
    stops = "Does your loop stop there? Some differences take more runs than that: let it go on until there are enough."
    wrong_roundings: Mistakes = [
        (float, "You can't do part of a run. Which way must you round, so that the runs are enough?"),
        (floor, too_few),
        (round, too_few),
        (lambda exact: ceil(exact) + 1, "One run fewer of each would be enough. Does your loop or your rounding go one too far?"),
    ]  # fmt: skip
    wrong_formulas: Mistakes = [
        (lambda ratio: 8 * ratio**2, half),
        (lambda ratio: 2 * 1.96**2 * ratio**2, half),
        (lambda ratio: 16 * ratio**2, "That is a well-known rule of thumb, with 16 for 2 · 2.8². Very close, but here use 2.8 itself."),
        (lambda ratio: 2.8**2 * ratio**2, "That would do if only one of the two means were uncertain. Both are: the error of the difference is spread · √(2/n)."),
        (lambda ratio: 2 * ratio**2, "With so few runs, the difference is only about one standard error. It should be at least 2.8 of them."),
        (lambda ratio: 2 * needed * ratio**2, both),
        (lambda ratio: 2 * ceil(needed * ratio**2), both),
        (lambda ratio: needed / ratio**2, "Your ratio is upside down: a larger spread should take more runs, a larger difference fewer."),
        (lambda ratio: needed * ratio, no_square),
        (lambda ratio: sqrt(needed) * ratio, no_square),
        (lambda ratio: min(needed * ratio**2, 99), stops),
        (lambda ratio: min(needed * ratio**2, 100), stops),
    ]  # fmt: skip
    common_mistakes: Mistakes = [
        *((of_ratio(rounding, lambda ratio: needed * ratio**2), words) for rounding, words in wrong_roundings),
        *((of_ratio(rounding, formula), words) for formula, words in wrong_formulas for rounding in (float, ceil, floor)),
    ]  # fmt: skip

    def draw() -> tuple[float, float]:
        difference = toolkit.between(10, 40) / 100
        return difference, round(difference * toolkit.between(300, 800) / 100, 2)

    hint = "Put your number in by hand: is the difference 2.8 times spread · √(2/n)?"
    toolkit.check_function(answer, draw, right, common_mistakes, hint=hint, edges=[(0.1, 0.1)])
    exact = "That many are *exactly* enough, and \"at least\" includes that. Is there a `<=` that should be `<`, or a rounding that adds 1 to a whole number?"  # fmt: skip
    for inputs, wanted in [
        ((0.5, 0.1), "Here one run of each is enough. Where does your loop begin?"),
        *((inputs, exact) for inputs in ((0.14, 0.05), (2.73, 1.95), (1.26, 2.25), (0.1, 0.5))),  # exact as floats, too
        ((0.03, 0.25), "A small difference takes many runs. Does your loop stop too early?"),
    ]:  # fmt: skip
        toolkit.check_edge_case(answer, inputs, right(*inputs), "difference={}, spread={}".format(*inputs), wanted)
    return "That is a statistical power of about 80 %: if the difference is there, you see it in four comparisons out of five. Half the difference takes four times as many runs."  # fmt: skip


def stand_out(answer: float) -> str:
    """A number: how many of 200 numbers stand out by luck alone."""
    common_mistakes = [
        (5, "5 percent lie outside, which is 5 of every 100. There are 200."),
        (190, "That is how many lie inside, on average. How many lie outside?"),
        (195, "That looks like 200 − 5. But 5 percent is 5 of every 100, and the question is how many lie outside."),
        (0, "Even if nothing is different, a 95 % interval leaves out some. How many of a hundred?"),
        (0.05, "That is the chance for one number. How many is it among 200?"),
        (0.95, "That is the chance that one number lies inside. How many of 200 lie outside?"),
        (1, "One in twenty, yes. How many twenties are there in 200?"),
        (2, "That is for forty numbers, as in the chapter. Here 200 are checked."),
        (40, "40 is one in five. A 95 % interval leaves out one in twenty."),
        (20, "20 is one in ten. A 95 % interval leaves out one in twenty."),
    ]
    hint = "A 95 % interval leaves out 5 of every 100, by luck alone."
    got = toolkit.numbers(answer, 1, "one number", any_order=True).item()
    toolkit.compare(got, 10, "200 numbers", common_mistakes, hint=hint, reveal=False)
    return "One in twenty of 200 is 10: ten stories you could tell about nothing."


def bootstrap_error(answer: Callable) -> str:
    """A function that finds the error of a mean by drawing instead of a formula."""
    times, near = 4000, 0.058  # a spread of so many means is off by 1.1 %, and the formula's result by 15 %

    def spread_of_means(values: list[float], times: int) -> float:
        got = toolkit.call_answer(answer, values, times, twice=False)  # it may draw from a generator of its own
        found = toolkit.as_tensor(got)
        if found is not None and found.numel() == times:
            raise WrongAnswer(f"You returned {times} numbers, the means of your draws. How far do they spread? Return that one number.")  # fmt: skip
        return toolkit.one_number(got, "one number, the standard deviation of the means,")

    widths = [7 + torch.rand(1).item(), 12 + torch.rand(1).item()]
    lists = [[round(86 + width * place, 1) for place in (-1.2, -0.4, 0.3, 1.3)] for width in widths]
    results = [spread_of_means(values, times) for values in lists]
    if results[0] == results[1] and abs(results[0]) > 1e-3:  # no spread at all is another matter
        raise WrongAnswer(f"Other values gave the same result, {toolkit.describe(results[0])}. {toolkit.ELSEWHERE}")
    hint = "Draw len(values) numbers with replacement and take their mean; do that `times` times. Return the standard deviation of these means."  # fmt: skip
    single_values = (
        "That is the spread of single values. Take the mean of each draw first, then see how the means spread."
    )
    other_size = "That is the spread for draws of {} numbers. Draw as many as there are values, here 4."
    common_mistakes: Mistakes = [
        (pstdev, single_values),
        (stdev, single_values),
        (lambda values: stdev(values) / 2, "That is what the formula s/√n gives, or draws of one number too few. Let the draws find it, and correct nothing afterward: draw len(values) numbers, take their mean, and see how far the means spread."),
        (lambda values: pstdev(values) / sqrt(5), other_size.format("five")),
        (lambda values: pstdev(values) / sqrt(10), other_size.format("ten")),
        (lambda values: pstdev(values) / sqrt(8), other_size.format("twice as many")),
        (lambda values: (pstdev(values) / 2) ** 2, "That is the variance of the means. The standard deviation is its square root."),
        (lambda values: pstdev(values) / 4, "The means of such draws already spread by the error of the mean. Don't divide by √n once more."),
        (lambda values: pstdev(values) * 2, "That is the spread of the sums. Divide each by its length, to get means."),
    ]  # fmt: skip
    fits = [words for wrong, words in common_mistakes if all(isclose(result, wrong(values), rel_tol=0.048) for values, result in zip(lists, results, strict=True))]  # fmt: skip
    for values, result in zip(lists, results, strict=True):
        expected = pstdev(values) / sqrt(len(values))
        faults = [
            (isnan(result), f"A spread needs at least two means: are all {times} still there at the end?"),
            (min(values) <= result <= max(values), "That is a mean. Collect the means of all draws first, then return how far they spread."),
            (abs(result) < 1e-4 * expected, "That is no spread at all: every draw had the same mean. Do you put each number back before you draw the next one? Without replacement, you get all 4 every time, in another order. (A `return` inside the loop would also end it after one draw.)"),
            (abs(result) < 0.15 * expected, "That is far too little. Draw len(values) numbers at a time, and do it `times` times. The spread of the means is the answer; don't divide it by anything."),
            (not isclose(result, expected, rel_tol=near), [*fits, hint][0]),
        ]  # fmt: skip
        about = f"For values={values} and times={times}, I expected about {expected:.3g} and got {result:.3g}."
        refuse([(found, f"{about} {words}") for found, words in faults])
    with toolkit.after_success(f"With times={times} it works. With times=2:"):
        _refuse_what_is_not_drawn(spread_of_means)
    result = spread_of_means([88.0] * 3, times)
    toolkit.compare(result, 0, "three times 88", tolerance=1e-3, hint="Each draw has the same mean.")
    return "No formula, only your own results and many draws: that is the bootstrap."


def _refuse_what_is_not_drawn(spread_of_means: Callable) -> None:
    """Refuse a spread of two means that is no luck, or none that two draws from the list can have.

    Four multiples of 10 have a mean that is a multiple of 2.5. So two such means differ by d, a multiple of it, too.
    Their standard deviation is d/2 or, with n − 1, d/√2; the square of either is a multiple of 2.5²/4.
    """
    lists = [[10.0 * place for place in torch.randperm(10)[:4].tolist()] for _ in range(10)]
    spreads = [spread_of_means(values, 2) for values in lists]
    steps = [4 * (spread / 2.5) ** 2 for spread in spreads]
    strange = next((values for values, step in zip(lists, steps, strict=True) if abs(step - round(step)) > 0.02), None)
    refuse([
        (all(isclose(spread, pstdev(values) / 2, rel_tol=0.15) for spread, values in zip(spreads, lists, strict=True)), "the result hardly varies from call to call. Two draws should give only a rough guess: does your function use `times`, and draw at random?"),
        (strange, f"the means of two draws from {strange} differ by a multiple of 2.5, and yours don't. Draw only numbers that are in the list, exactly `times` times."),
    ])  # fmt: skip


CHECKS: dict[str, Callable] = {
    "5.1": error_of_the_mean,
    "5.2": close_fields,
    "5.3": runs_needed,
    "5.4": stand_out,
    "5.5": bootstrap_error,
}
