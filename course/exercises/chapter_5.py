"""The checks of chapter 5: the error of a mean, two fields of the grid, how many runs, chance hits, the bootstrap."""

from collections.abc import Callable, Sequence
from math import ceil, floor, isclose, isnan

import pandas as pd
import torch

from course.exercises.toolkit import WrongAnswer, as_tensor, call_answer, compare, describe, same

ELSEWHERE = "Two different lists of values gave the same number. Does your function read a name of the notebook instead of `values`?"


def scores(count: int, deviation: float, digits: int = 1) -> list[float]:
    """Return scores near 87, rounded to `digits`, with about this standard deviation (that of n − 1)."""
    drawn = torch.randn(count, dtype=torch.float64)
    drawn = 85 + 4 * torch.rand(1).item() + deviation * (drawn - drawn.mean()) / drawn.std()
    return [round(score, digits) for score in drawn.tolist()]


def refuse_another_source(answers: Sequence[object]) -> None:
    """Refuse a function that gives the same number for two different lists; no spread at all is another matter.

    Raises:
        WrongAnswer: it does.
    """
    one, other = map(as_tensor, answers)
    if one is None or other is None or one.numel() != 1 or other.numel() != 1:
        return
    if one.abs() > 1e-3 and same(one, other, tolerance=1e-6):  # not so for NaN
        raise WrongAnswer(ELSEWHERE)


def number(got: object, asked: str) -> float:
    """Return an answer as one number.

    Raises:
        WrongAnswer: it is none.
    """
    found = as_tensor(got)
    if found is None or found.numel() != 1:
        raise WrongAnswer(f"I expected {asked} and got {describe(got)}.")
    return found.double().item()


def error_of_the_mean(answer: Callable) -> str:
    """A function that says how far the mean of a few runs may be off."""
    lists = [scores(count, 0.74 + 0.04 * torch.rand(1).item(), 2) for count in (4, 8)]  # here no two slips agree
    answers = [call_answer(answer, values) for values in lists]
    refuse_another_source(answers)
    for values, got in zip(lists, answers, strict=True):
        found = as_tensor(got)
        got = found.reshape(()) if found is not None and found.numel() == 1 else got
        n, given = len(values), torch.tensor(values, dtype=torch.float64)
        s, population = given.std(), given.std(correction=0)
        variance = "You used the variance. The standard deviation is its square root: take it first, then divide by √n."
        reach = (
            "That is the reach of an interval. Asked is the standard error alone, before it is multiplied by t or 1.96."
        )
        slips = [
            (s, "That is the standard deviation, how far one run lies from the mean. The mean of several runs lies closer: √n is missing."),
            (population, "That is the standard deviation of single runs, and with n in it instead of n − 1. The mean of several runs lies closer: √n is missing."),
            (population / n**0.5, "Nearly: your standard deviation divides by n, as if these few were all runs there are. For a sample divide by n − 1: numpy's needs ddof=1, `statistics` has stdev beside pstdev."),
            (s**2, variance),
            (s**2 / n, variance),
            (s**2 / n**0.5, variance),
            (s / n, "You divided by n. Four times as many runs make the mean only twice as exact, so by what do you divide?"),
            (s * n**0.5, "You multiplied by √n. More runs make the mean more exact, so the error should shrink."),
            (s / (n - 1) ** 0.5, "The n − 1 is already in the standard deviation. Its square root is not taken once more: divide by √n."),
            (s / 5**0.5, f"You divided by √5, but there are {n} values here. Let the function count them."),
            (T_95[n] * s / n**0.5, reach),
            (1.96 * s / n**0.5, reach),
            (given.mean(), "That is the mean itself. Asked is how far it may be off."),
            (round((s / n**0.5).item(), 2), "That is rounded. Return the number as it is; round when you print it."),
            (round((s / n**0.5).item(), 1), "That is rounded. Return the number as it is; round when you print it."),
        ]  # fmt: skip
        about = f"values={values}"
        compare(got, s / n**0.5, about, slips, tolerance=5e-4, hint="Standard deviation of the runs, divided by the square root of their number.")  # fmt: skip
    return "The spread of the runs, divided by √n: four times as many runs, half the error."


T_95 = {4: 3.182446, 8: 2.364624}  # Student's t for 3 and 7 degrees of freedom


def close_fields(answer: tuple, means: pd.DataFrame, spreads: pd.DataFrame) -> str:
    """A reading: two neighbouring settings that three seeds can't tell apart."""
    asked = "two fields, ((0.01, 32), (0.01, 64)) say"
    fields = as_tensor(answer)
    if fields is None or fields.shape != (2, 2):
        raise WrongAnswer(f"I expected {asked}, each learning rate first, and got {describe(answer)}.")
    rates, sizes = [float(rate) for rate in means.index], [float(size) for size in means.columns]
    first, second = (_place(*field, rates, sizes) for field in fields.double().tolist())
    if first == second:
        raise WrongAnswer("These two are the same field. Which one beside it, or above or below it, comes close?")
    apart = abs(first[0] - second[0]), abs(first[1] - second[1])
    if apart == (1, 1):
        raise WrongAnswer("These two touch only at a corner: both settings differ. Take two in the same row or the same column.")  # fmt: skip
    if sum(apart) != 1:
        raise WrongAnswer("These two are no neighbours: in the figure, their fields share no side. Take two that lie side by side, or one above the other.")  # fmt: skip
    gap, smaller, larger = _gap(means, spreads, first, second)
    if isnan(gap) or isnan(smaller):
        raise WrongAnswer("One of these two has no mean or no spread: it had fewer than two runs. Nothing can be said about it; take two others.")  # fmt: skip
    seen = f"Their means are {gap:.2f} points apart, and the spreads are {smaller:.2f} and {larger:.2f}"
    places = [(i, j) for i in range(len(rates)) for j in range(len(sizes))]
    pairs = [((i, j), other) for i, j in places for other in ((i + 1, j), (i, j + 1)) if other in places]
    gaps = [found for found in (_gap(means, spreads, *pair) for pair in pairs) if not any(map(isnan, found))]
    if gap < smaller:
        return f"{seen}. Does your sentence name no winner, and say how many seeds there were?"
    if not any(close < least for close, least, _ in gaps):
        if gap == min(gaps)[0]:
            return f"{seen}. No neighbours in this grid are closer than their spreads, and none are closer than these."
        raise WrongAnswer(f"{seen}. In this grid no neighbours are closer than their spreads; find those with the closest means.")  # fmt: skip
    if gap < larger:
        raise WrongAnswer(f"{seen}. That is less than one of the spreads, not less than each. Look for two with a smaller difference, or with larger spreads.")  # fmt: skip
    raise WrongAnswer(
        f"{seen}. That is no less than either. Where do the means hardly change from one field to the next?"
    )


def _place(rate: float, size: float, rates: list[float], sizes: list[float]) -> tuple[int, int]:
    """Return row and column of a field of the grid."""
    rows = [i for i, known in enumerate(rates) if isclose(known, rate, rel_tol=1e-3)]
    columns = [j for j, known in enumerate(sizes) if isclose(known, size, rel_tol=1e-3)]
    if rows and columns:
        return rows[0], columns[0]
    given = f"({rate:g}, {size:g})"
    if any(isclose(known, size, rel_tol=1e-3) for known in rates):
        raise WrongAnswer(f"{given}: write the learning rate first, then the batch size.")
    known = f"learning rates {', '.join(f'{rate:g}' for rate in rates)}; batch sizes {', '.join(f'{size:g}' for size in sizes)}"  # fmt: skip
    raise WrongAnswer(f"{given} is no field of this grid: {known}.")


def _gap(means: pd.DataFrame, spreads: pd.DataFrame, *places: tuple[int, int]) -> tuple[float, float, float]:
    """Return the difference of two means, the smaller and the larger spread, as the figure's two digits show them."""
    (a, s), (b, t) = [
        [float(f"{table.iloc[place]:.2f}") for table in (means, spreads.reindex_like(means))] for place in places
    ]
    if isnan(s) or isnan(t):
        return abs(a - b), float("nan"), float("nan")
    return round(abs(a - b), 2), min(s, t), max(s, t)


def runs_needed(answer: Callable) -> str:
    """A function that says how many runs a difference takes."""
    for _ in range(2):
        difference, spread, slips = _difference_to_show()
        exact = 8 * (spread / difference) ** 2
        got = number(call_answer(answer, difference, spread), "one whole number for the runs of each setting")
        about = f"For difference={difference} and spread={spread}, I expected {ceil(exact)} and got {got:.6g}."
        if got == ceil(exact):
            continue
        if abs(got - exact) < 1e-3:
            raise WrongAnswer(f"{about} Nobody can do {exact % 1:.2f} of a run. Which way must you round, so that it is enough?")  # fmt: skip
        if got == floor(exact):
            raise WrongAnswer(f"{about} Rounded down, it is not quite enough: the difference stays a little below twice its error.")  # fmt: skip
        if got == ceil(exact) + 1:
            raise WrongAnswer(f"{about} One run of each fewer is enough already. Does your loop or your rounding go one too far?")  # fmt: skip
        reach = 1 if got % 1 == 0 else 1e-3  # rounded or not
        words = next((words for value, words in slips if abs(got - value) <= reach), "Put in the numbers by hand: is the difference twice spread · √(2/n)?")  # fmt: skip
        raise WrongAnswer(f"{about} {words}")
    return "So many runs of each, and the difference is twice its standard error. Half the difference takes four times as many."  # fmt: skip


def _difference_to_show() -> tuple[float, float, list[tuple[float, str]]]:
    """Return a difference, a spread, and what known slips make of them, all of them far enough from each other.

    8 · (spread/difference)² is no whole number, so that a rounding error of the machine decides nothing.
    """
    while True:
        difference, spread = torch.randint(3, 90, (2,)).tolist()
        ratio = spread / difference
        wanted = 8 * ratio**2
        slips = _slips_in_runs(ratio)
        values = [wanted, *(value for value, _ in slips)]
        gaps = [abs(a - b) for k, a in enumerate(values) for b in values[:k]]
        if 60 < wanted < 100 and 0.2 < wanted % 1 < 0.45 and min(gaps) > 2.4:
            return difference / 100, spread / 100, slips


def _slips_in_runs(ratio: float) -> list[tuple[float, str]]:
    square = "Somewhere a square is missing: if half the difference is to be shown, it takes four times as many runs, not twice as many."
    return [
        (4 * ratio**2, "That would do if only one of the two means were uncertain. Both are: the error of the difference is spread · √(2/n)."),
        (2 * ratio**2, "With so few the difference is about once its standard error. It should be at least twice."),
        (2 * ceil(8 * ratio**2) - 1, "That is for both settings together. How many runs of *each*?"),
        (8 / ratio**2, "Your ratio stands on its head: a larger spread should take more runs, a larger difference fewer."),
        (8 * ratio, square),
        (8**0.5 * ratio, square),
        (2 * 1.96**2 * ratio**2, "That is for 1.96 standard errors. Here it should be twice the error, so 2."),
    ]  # fmt: skip


def stand_out(answer: float) -> str:
    """A number: how many of 200 numbers stand out by luck alone."""
    hits = "That is for forty numbers, as in the chapter. Here 200 are checked."
    slips = {
        5.0: "5 per cent lie outside, that is 5 of every 100. There are 200.",
        190.0: "So many lie inside, on average. And outside?",
        195.0: "That looks like 200 − 5. But 5 per cent is 5 of every 100, and asked is how many lie outside.",
        0.0: "Even if nothing is different, a 95 % interval leaves out some. How many of a hundred?",
        0.05: "That is the chance for one number. How many is it among 200?",
        0.95: "That is the chance that one number lies inside. How many of 200 lie outside?",
        1.0: "One in twenty, yes. How many twenties are there in 200?",
        2.0: hits,
        40.0: "40 is one in five. A 95 % interval leaves out one in twenty.",
        20.0: "20 is one in ten. A 95 % interval leaves out one in twenty.",
    }
    got = number(answer, "one number")
    if not isclose(got, 10, rel_tol=1e-4):
        words = next((words for value, words in slips.items() if isclose(got, value, rel_tol=1e-4)), "A 95 % interval leaves out 5 of every 100, by luck alone.")  # fmt: skip
        raise WrongAnswer(f"You wrote {got:.6g} of 200. {words}")
    return "One in twenty of 200 is 10: ten manifests that one could tell about nothing."


TIMES = 4000  # a spread found from so many means is off by about 1.1 %
NEAR = 0.058  # of it: more than five times as much, and less than half the way to the formula's result


def bootstrap_error(answer: Callable) -> str:
    """A function that finds the error of a mean with dice instead of a formula."""
    lists = [scores(4, 7.0), scores(4, 12.0)]
    answers = [call_answer(answer, values, TIMES) for values in lists]
    refuse_another_source(answers)
    for values, got in zip(lists, answers, strict=True):
        _spread_of_means(values, got)
    near = 0
    for _ in range(10):  # of two means, the spread is a matter of luck: it is near the true one about once in seven
        values = scores(4, 7.0)
        got = number(call_answer(answer, values, 2), "one number for times=2, the standard deviation of two means,")
        near += isclose(got, torch.tensor(values).std(correction=0).item() / 2, rel_tol=0.15)
    if near == 10:
        raise WrongAnswer(f"The result is right for times={TIMES}, but with times=2 it hardly scatters. Two draws should give a rough guess: does your function use `times`, and draw?")  # fmt: skip
    return "No formula, only your own results and many draws: that is the bootstrap."


def _spread_of_means(values: list[float], got: object) -> None:
    """Refuse a result that isn't the spread of the means of such draws.

    Raises:
        WrongAnswer: it isn't.
    """
    n, given = len(values), torch.tensor(values, dtype=torch.float64)
    population, s = given.std(correction=0).item(), given.std().item()
    expected = population / n**0.5
    about = f"For values={values} and times={TIMES}, I expected about {expected:.3g} and got"
    found = as_tensor(got)
    if found is not None and found.numel() == TIMES:
        raise WrongAnswer(f"{about} {TIMES} numbers. Those are the means of your draws: how far do they spread? One number is asked.")  # fmt: skip
    if found is None or found.numel() != 1:
        raise WrongAnswer(f"{about} {describe(got)}.")
    result = found.double().item()
    if isclose(result, expected, rel_tol=NEAR):
        return
    if isnan(result):
        raise WrongAnswer(
            f"{about} {result}. A spread needs at least two means: are all {TIMES} still there at the end?"
        )
    if min(values) <= result <= max(values):
        raise WrongAnswer(f"{about} {result:.3g}. That is a mean. Collect the means of all draws first; asked is how far they spread.")  # fmt: skip
    if abs(result) < 1e-4 * expected:
        raise WrongAnswer(f"{about} {result:.3g}, no spread at all. Every draw had the same mean. Do you put each number back before you draw the next one? Without that, all {n} come every time, in another order. (A `return` inside the loop would also end it after one draw.)")  # fmt: skip
    if abs(result) < 0.15 * expected:
        raise WrongAnswer(f"{about} {result:.3g}, far too little. Draw len(values) numbers at a time and do it `times` times; the spread of the means is then the answer, and is divided by nothing.")  # fmt: skip
    alone = "That is the spread of single values. A draw has len(values) numbers; first take the mean of each draw, then the spread of these means."
    slips: Sequence[tuple[float, str]] = [
        (population, alone),
        (s, alone),
        (s / n**0.5, "That is what the formula s/√n gives. Here the dice should find it: draw, take means, look how far they spread."),
        (population / 5**0.5, f"That is the spread for draws of five numbers. Draw as many as there are values, here {n}."),
        (population / 10**0.5, f"That is the spread for draws of ten numbers. Draw as many as there are values, here {n}."),
        (expected**2, "That is the variance of the means. The standard deviation is its square root."),
        (expected / n**0.5, "The means of such draws spread by the error of the mean already. It is not divided by √n once more."),
        (n * expected, "That is the spread of the sums. Divide each by its length, to have means."),
    ]  # fmt: skip
    words = next((words for value, words in slips if isclose(result, value, rel_tol=0.048)), "Draw len(values) numbers with putting back, take their mean, do it `times` times; then the spread of the means.")  # fmt: skip
    raise WrongAnswer(f"{about} {result:.3g}. {words}")


CHECKS: dict[str, Callable] = {
    "5.1": error_of_the_mean,
    "5.2": close_fields,
    "5.3": runs_needed,
    "5.4": stand_out,
    "5.5": bootstrap_error,
}
