"""Guesses before a surprise: `exercises.compare_guess(guess, accuracy, "%")` says how near a guess came."""

from course.exercises.values import describe


def compare_guess(guess: object, came: float, unit: str = "", near: float = 0.1) -> None:
    """Print how a guess compares with what came out. A guess is no exercise: nothing is noted, and nothing is wrong.

    Args:
        guess: a number, or `...` as long as nobody has guessed.
        came: what came out, in the same unit; finite.
        unit: written behind both numbers, `%` or ` s`.
        near: how far off still counts as close, as a share of what came out.
    """
    shown = float(f"{came:.4g}") if abs(came) < 10_000 else float(came)  # 88 rather than 87.9999995
    came_words = f"It is {describe(shown)}{unit}"
    if guess is None or guess is ...:
        print(f"{came_words}. (You made no guess. Next time, put one in place of the dots first.)")
    elif isinstance(guess, bool) or not isinstance(guess, int | float) or not abs(guess) < 1e15:  # NaN isn't, either
        print(f"{came_words}. Your guess, {describe(guess)}, can't be compared with that: give a plain number.")
    else:
        off = guess - came
        verdict = (
            "close!" if abs(off) <= near * abs(came) else "you guessed too high." if off > 0 else "you guessed too low."
        )
        print(f"You guessed {describe(guess)}{unit}. {came_words}: {verdict}")
