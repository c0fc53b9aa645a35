"""The checks of chapter 6: counting steps, a schedule, shifted images, the ladder's steps, errors instead of hits."""

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from statistics import fmean, stdev

import torch
from torch import Tensor
from torch.nn import functional as F

from course.exercises.toolkit import distinct as told_apart
from course.exercises.toolkit import WrongAnswer, as_tensor, call_answer, compare, describe, same
from helpers import recipes

ELSEWHERE = "Does your function read a name of the notebook instead of its argument?"


def between(low: int, high: int) -> int:
    """Return a random whole number, low ≤ number < high."""
    return int(torch.randint(low, high, (1,)))


def number(got: object, asked: str) -> float:
    """Return an answer as one number.

    Raises:
        WrongAnswer: it is none.
    """
    if isinstance(got, float):  # with all its digits
        return float(got)
    found = as_tensor(got)
    if found is None or found.numel() != 1:
        raise WrongAnswer(f"I expected {asked} and got {describe(got)}.")
    return found.double().item()


def words_for(got: float, slips: Sequence[tuple[float, str]], otherwise: str) -> str:
    """Return what to say to a wrong number."""
    return next((words for value, words in slips if math.isclose(got, value, rel_tol=1e-6)), otherwise)


# --- 6.1 ---


def schedule_in_steps(answer: tuple) -> str:
    """Two numbers: all steps of a training, and the step at which its learning rate is highest."""
    found = as_tensor(answer)
    parts = answer if isinstance(answer, list | tuple) or found is None or found.ndim != 1 else list(found)
    if not isinstance(parts, list | tuple) or len(parts) != 2:
        raise WrongAnswer(f"I expected two numbers, (all steps, the step of the peak), and got {describe(answer)}.")
    if parts[0] is None or parts[1] is None:
        missing = "number of all steps" if parts[0] is None else "step of the peak"
        raise WrongAnswer(f"The {missing} is still missing.")
    steps, peak = (number(part, "two numbers, (all steps, the step of the peak),") for part in parts)
    if (steps, peak) == (1564, 7820):
        raise WrongAnswer("Both numbers are right, but in each other's place.")

    left_over = "The images left over after 781 full batches are not thrown away: they make a smaller batch, and a step of their own."
    no_part = (
        "There is no part of a batch, the last one is only smaller. Round for one epoch first, then take ten of them."
    )
    one = "That is for one epoch. There are ten."
    all_images = "That is for all 60,000 images. 10,000 are held out, and 50,000 remain to train on."
    images = "Those are images. A step takes 64 of them at once."
    slips = [
        (7810, left_over),
        (781, f"{one} And the images left over after 781 full batches take a step as well."),
        (781.25, f"{one} And there is no quarter of a batch: the last one is only smaller."),
        (782, one),
        (7812.5, no_part),
        (7812, no_part),
        (7813, no_part),
        *((count, all_images) for count in (9380, 9370, 9375, 938, 937, 937.5)),
        (50_000, images),
        (500_000, images),
        (60_000, images),
        (600_000, images),
        (640, "Those are the images of ten batches. How many batches does it take to see all 50,000 once?"),
        (64, "That is the size of a batch. How many batches does it take to see all 50,000 images once?"),
        (10, "Those are the epochs. How many steps does each of them take?"),
        (1564, "That is where the peak lies. The first number is that of all steps."),
        (6256, "Those are the steps after the peak. The first number is that of all steps."),
    ]  # fmt: skip
    if not math.isclose(steps, 7820):
        words = words_for(
            steps, slips, "How many batches has one epoch, the smaller last one included? And ten epochs?"
        )
        raise WrongAnswer(f"All steps: {steps:.10g} is not it. {words}")

    one = "That is a fifth of one epoch. The schedule runs over the whole training: a fifth of *all* steps."
    ragged = "All steps are right, but this is a fifth of another number. Divide your own first one."
    slips = [
        *((count, one) for count in (156, 156.4, 157)),
        (2, "In epochs, yes. The schedule counts steps: how many are in two epochs?"),
        (6256, "That is a fifth counted from the end, or four fifths from the start. The rise is the short part, and it comes first."),
        (3910, "That is half way. The rise takes only the first fifth."),
        (1563, "As a place in a list, which counts from 0, yes. Asked is after how many steps."),
        (1565, "One step too far: with the last step of the first fifth it is there."),
        *((count, ragged) for count in (1562, 1562.5, 1876, 1875, 1874)),
        (0.2, "That is the share. A share of how many steps?"),
        (10_000, "Those are images. A fifth of all *steps* is asked."),
        (100_000, "Those are images. A fifth of all *steps* is asked."),
        (7820, "That is the end, where the learning rate is nothing again. The peak comes much earlier."),
        (0, "At step 0 the rise begins. When is it over?"),
        (782, "That is one epoch, a tenth of the way. The rise takes a fifth."),
        (0.05, "That looks like a learning rate. Asked is the step at which it is highest."),
        (5, "A fifth is one part of five. Of all the steps, how many is that?"),
    ]  # fmt: skip
    if not math.isclose(peak, 1564):
        words = words_for(peak, slips, "Where does the first fifth of all steps end?")
        raise WrongAnswer(f"All steps: right. The step of the peak: {peak:.10g} is not it. {words}")
    return "7,820 steps, and the peak after two epochs of them. Who forgets the small last batch tells the schedule ten steps too few, and PyTorch stops with an error before the training ends."  # fmt: skip


# --- 6.2 ---


def triangle(step: float, steps: float, peak: float, top: float = 0.2) -> float:
    """Return the learning rate at a step: up to the peak in a straight line, then down to 0 in another."""
    turn = top * steps
    return peak * (step / turn if step <= turn else (steps - step) / (steps - turn))


def learning_rate_at(answer: Callable) -> str:
    """A function that returns the learning rate at a step of a triangular schedule."""
    for _ in range(2):
        steps, peak = 5 * between(10, 19), between(30, 90) / 100
        fifth = steps // 5
        early = [between(2, fifth // 2), between(fifth // 2 + 1, fifth - 1)]
        late = [
            between(*(round(share * steps) for share in ends))
            for ends in ((0.25, 0.4), (0.55, 0.7), (0.75, 0.85), (0.88, 0.96))
        ]
        _along_the_way(answer, early + late, steps, peak)
        ends = [
            (0, 0.0, "At step 0 the rise begins, from nothing."),
            (fifth, peak, "The rest of the way is right. Here both lines meet: does one of your conditions miss it, or jump?"),
            (steps, 0.0, "At the very end there should be nothing left."),
        ]  # fmt: skip
        for step, expected, words in ends:
            about = f"step={step}, steps={steps}, peak={peak}"
            try:
                got = call_answer(answer, step, steps, peak)
            except WrongAnswer as reason:
                raise WrongAnswer(f"The way between is right. For {about}: {reason}") from None
            compare(_single(got), expected, about, tolerance=1e-3, hint=words)
    return "Two straight lines that meet at the peak. The turn is a fifth of the way, however long the way is."


def _single(got: object) -> object:
    found = as_tensor(got)
    return found.reshape(()) if found is not None and found.numel() == 1 else got


def _along_the_way(answer: Callable, places: list[int], steps: int, peak: float) -> None:
    """Refuse a function that is wrong somewhere on the rise or on the fall.

    Raises:
        WrongAnswer: it is.
    """

    def ask(step: int, steps: int, peak: float) -> float:
        return number(call_answer(answer, step, steps, peak), f"one number for step={step}, steps={steps}, peak={peak}")

    got = torch.tensor([ask(step, steps, peak) for step in places], dtype=torch.float64)
    right = torch.tensor([triangle(step, steps, peak) for step in places], dtype=torch.float64)
    if same(got, right, tolerance=1e-3):
        return
    off = int((~torch.isclose(got, right, rtol=1e-3, atol=1e-3)).nonzero()[0])
    part = "rise" if places[off] < steps / 5 else "fall"
    about = f"For step={places[off]}, steps={steps}, peak={peak}, I expected {right[off]:.4g} and got {got[off]:.4g}."
    for shape, words in SHAPES:
        if same(got, torch.tensor([shape(step, steps, peak) for step in places]), tolerance=1e-3):
            raise WrongAnswer(f"{about} {words}")
    if got[off] == 0 and part == "rise":
        raise WrongAnswer(
            f"{about} Shares lie between 0 and 1, and // drops all that is behind the point. Divide with /."
        )
    if same(got, got.round(decimals=2), 1e-6) and (got - right).abs().max() < 0.0051:
        raise WrongAnswer(f"{about} That is rounded. Return the number as it is; round when you print it.")
    for word, changed in (("a higher `peak`", (steps, 1.5 * peak)), ("twice the `steps`", (2 * steps, peak))):
        again = torch.tensor([ask(step, *changed) for step in places], dtype=torch.float64)
        if same(got, again, tolerance=1e-6) and not got.isnan().any():
            raise WrongAnswer(f"{about} With {word}, the same came out. {ELSEWHERE}")
    if part == "rise":
        raise WrongAnswer(f"{about} That is on the rise. Which share of the first fifth lies behind? The same share of `peak` is reached.")  # fmt: skip
    raise WrongAnswer(f"{about} The rise is right; this is on the fall. It takes the last four fifths of the steps: which share of *them* is still to come?")  # fmt: skip


def _joined(rise: Callable, fall: Callable) -> Callable:
    """Return a schedule of two parts; each gets the step, the fifth and all steps, and returns a share of the peak."""

    def shape(step: int, steps: int, peak: float) -> float:
        fifth = steps / 5
        return peak * (rise if step < fifth else fall)(step, fifth, steps)

    return shape


def _cosine(share: float) -> float:
    return (1 - math.cos(math.pi * share)) / 2


def _rise(step: int, fifth: float, steps: int) -> float:
    return step / fifth


def _fall(step: int, fifth: float, steps: int) -> float:
    return (steps - step) / (steps - fifth)


def _rise_in_a_curve(step: int, fifth: float, steps: int) -> float:
    return _cosine(step / fifth)


def _fall_in_a_curve(step: int, fifth: float, steps: int) -> float:
    return _cosine((steps - step) / (steps - fifth))


def _of_pytorch(step: int, steps: int, peak: float) -> float:
    turn, end = steps / 5 - 1, steps - 1
    return peak * (1 / 25 + 24 / 25 * step / turn if step <= turn else (end - step) / (end - turn))


CURVED = (
    "The ends and the peak are right, but the way between them is curved, as a cosine is. Straight lines are asked."
)
FROM_0 = "The rise is right. The fall is counted from step 0, so part of it is lost when it begins, and the curve jumps. At the peak it should begin with all of `peak`."
TOO_FAST = "After the peak it falls as fast as it rose, and is at 0 too soon. The fall has four fifths of the steps."
# What a slip makes of the schedule, and what to say then.
SHAPES: list[tuple[Callable, str]] = [
    (_joined(_rise, lambda s, f, n: 1 - s / n), FROM_0),
    (_joined(_rise, lambda s, f, n: 1 - s / (n - f)), FROM_0),
    (lambda s, n, p: p * 5 * s / n if s < n / 5 else p - (s - n / 5) / (n - n / 5), "The rise is right. On the fall you subtract a share as it is, so it ends far below 0. Which share of *what* is lost?"),
    (_joined(_rise, lambda s, f, n: 1 - (s - f) / n), "The fall begins rightly, but it never reaches 0: it is spread over all the steps. Only four fifths of them are left for it."),
    (_joined(_rise, lambda s, f, n: 2 - s / f), TOO_FAST),
    (_joined(_rise, lambda s, f, n: max(0.0, 2 - s / f)), TOO_FAST),
    (_joined(_rise, _rise), "It rises and rises. After a fifth of the steps it should turn."),
    (_joined(_rise, lambda s, f, n: 1.0), "After the peak it stays up there. It should fall to 0."),
    (lambda s, n, p: triangle(s, n, p, 0.5), "Your peak lies half way. It should come after one fifth of the steps."),
    (lambda s, n, p: triangle(s, n, p, 0.8), "Your peak comes after four fifths. The rise is the short part, the fall the long one."),
    (lambda s, n, p: triangle(s, n, 1.0), "The shape is right, but its top is 1. How does `peak` come in?"),
    (lambda s, n, p: triangle(s, n, 0.05), "The shape is right, but its top is always 0.05, as in the chapter. Use `peak`."),
    (lambda s, n, p: 0.0, "Zero everywhere: // drops all that is behind the point, and shares lie between 0 and 1. Divide with /."),
    (_joined(_rise_in_a_curve, _fall_in_a_curve), CURVED),
    (_joined(_rise, _fall_in_a_curve), f"On the fall: {CURVED[0].lower()}{CURVED[1:]}"),
    (_joined(_rise_in_a_curve, _fall), f"On the rise: {CURVED[0].lower()}{CURVED[1:]}"),
    (lambda s, n, p: triangle(n, s, p), "That is what comes out if `step` and `steps` change places. Is their order (step, steps, peak)?"),
    (lambda s, n, p: triangle(s, p, n), "That is what comes out if `steps` and `peak` change places. Is their order (step, steps, peak)?"),
    (lambda s, n, p: triangle(s + 1, n, p), "You are one step ahead. Steps count from 0: the first of them has learning rate 0."),
    (lambda s, n, p: triangle(s - 1, n, p), "You are one step behind. Steps count from 0: at step 0 it is 0, and with the next it rises."),
    (_joined(lambda s, f, n: (s + 1) / f, _fall), "On the rise you are one step ahead. Steps count from 0: the first of them has learning rate 0."),
    (_joined(lambda s, f, n: 1 - s / f, lambda s, f, n: 1 - (n - s) / (n - f)), "Upside down: yours falls to 0 first and rises then."),
    (_joined(_fall, _fall), "That is the line of the fall, from step 0 on. The first fifth has a line of its own, which rises."),
    (_joined(_fall, _rise), "You have both lines, but each in the other's part; or took the larger of two where the smaller is meant."),
    (_joined(lambda s, f, n: s / n, _fall), "The rise is too slow: step / steps is a fifth at the turn, and there it should be 1."),
    (_joined(lambda s, f, n: s / n, lambda s, f, n: 1 - s / n), "Both lines are counted over all steps, so they never reach `peak`. At the turn each should be 1."),
    (_joined(_rise, lambda s, f, n: (s - f) / (n - f)), "After the peak yours jumps to 0 and rises once more. That is the share of the fall that is behind. Which share is still to come?"),
    (_joined(lambda s, f, n: 1 / 25 + 24 / 25 * s / f, _fall), "Yours begins at a 25th of the peak, as PyTorch's does. Here it begins at 0."),
    (_of_pytorch, "That is PyTorch's own schedule. It begins at a 25th of the peak and is over one step earlier; here two exact lines are asked."),
]  # fmt: skip


# --- 6.3 ---


def drawn_images(count: int, height: int, width: int) -> Tensor:
    """Return random images float32 (count, 1, height, width): paper is below 0, ink above; the edges are inked."""
    ink = 0.3 + 2 * torch.rand(count, 1, height, width)
    paper = torch.rand(count, 1, height, width) < 0.5
    paper[:, :, [0, -1]], paper[:, :, :, [0, -1]] = False, False
    paper[:, :, 4, 4] = True  # each image has some paper
    return ink.masked_fill(paper, -0.3 - torch.rand(1).item())


def shifted(images: Tensor, right: int, down: int, fill: float | Tensor) -> Tensor:
    """Return images moved by whole pixels; what comes in is `fill`, a number or images of the same shape."""
    height, width = images.shape[2:]
    rows, columns = torch.arange(height) - down, torch.arange(width) - right
    inside = ((rows >= 0) & (rows < height))[:, None] & ((columns >= 0) & (columns < width))
    return torch.where(inside, images[:, :, rows % height][..., columns % width], torch.as_tensor(fill))


def shift_images(answer: Callable) -> str:
    """A function that shifts a batch of images by whole pixels."""
    images = drawn_images(3, between(9, 11), between(12, 15))
    r, d = (2, 3) if between(0, 2) else (3, 2)
    for right, down, before in [
        (r, d, ""),
        (-r, -d, "To the right and down it works. "),
        (d, -r, "With both above 0, or both below, it works. "),
        (-d, r, "With both above 0, or both below, it works. "),
        (r, 0, "Shifts in both directions work. Here one is 0. "),
        (0, -d, "Shifts in both directions work. Here one is 0. "),
        (-r, 0, "Shifts in both directions work. Here one is 0. "),
        (0, d, "Shifts in both directions work. Here one is 0. "),
        (0, 0, "All shifts work, except the one that moves nothing. "),
    ]:
        try:
            _one_shift(answer, images, right, down)
        except WrongAnswer as reason:
            raise WrongAnswer(f"{before}{reason}") from None
    return "Nothing wraps round, nothing is smeared, and the original is still there: now augment with it."


def _one_shift(answer: Callable, images: Tensor, right: int, down: int) -> None:
    """Refuse an answer that doesn't shift these images rightly.

    Raises:
        WrongAnswer: it doesn't.
    """
    height, width = images.shape[2:]
    about = f"images {tuple(images.shape)}, right={right}, down={down}"
    fixed = f"Is there a fixed 28 in your function? These images are {height} × {width}: images.shape tells."
    try:
        got = call_answer(answer, images, right, down)
    except WrongAnswer as reason:
        words = str(reason)
        if "changed the tensor" in words:
            raise WrongAnswer("Your function changed the images that it was given; the next epoch still needs them. `moved = images` is only a second name for the same tensor: make a new one, with torch.full_like(…) or images.clone().") from None  # fmt: skip
        empty = "With 0, `[:-0]` means up to place 0: nothing is left."
        hint = fixed if _works_for_28(answer, right, down) else empty if right * down == 0 else ""
        raise WrongAnswer(f"For {about}: {words} {hint}".strip()) from None
    found, paper = as_tensor(got), images.min()
    wanted = shifted(images, right, down, paper)
    hint = "A pixel [n, 0, y, x] moves to [n, 0, y + down, x + right], if that place is inside; all other places are paper."  # fmt: skip
    if found is not None and found.shape[-2:] == (28, 28):
        raise WrongAnswer(f"For {about}, I got shape {tuple(found.shape)}. {fixed}")
    if found is not None and found.shape == wanted.shape:
        inside = shifted(torch.ones_like(images), right, down, 0.0) == 1
        if same(found[inside], wanted[inside], 1e-3):
            hint = f"What moved is right. What comes in should be paper, in these images {paper:.4g}: their smallest value."  # fmt: skip
    compare(got, wanted, about, _slips_in_shifts(images, right, down), tolerance=1e-3, hint=hint)
    if found.dtype != images.dtype:
        raise WrongAnswer(f"The numbers are right, but they are of type {found.dtype}, and the images came as {images.dtype}. The network computes in that: torch.full_like(images, …) keeps it.".replace("torch.float", "float"))  # fmt: skip


def _works_for_28(answer: Callable, right: int, down: int) -> bool:
    images = drawn_images(3, 28, 28)
    try:
        found = as_tensor(call_answer(answer, images, right, down))
    except WrongAnswer:
        return False
    return found is not None and same(found, shifted(images, right, down, images.min()))


def _slips_in_shifts(images: Tensor, right: int, down: int) -> list[tuple[Tensor, str]]:
    """Return what slips make of these images: wrong ways, wrong things that come in, and both together."""
    count, _, height, width = images.shape
    paper = images.min()
    wanted = shifted(images, right, down, paper)
    whole = torch.full((count,), 1.0)
    ways = [
        (right, down, ""),
        (down, right, "The two axes have changed places: rows, which go down, come before columns. "),
        (-right, -down, "Your images move the other way, to the left where it should be right, and up where it should be down. "),
        (-right, down, "Down is right, but sideways your images move the wrong way: what is shifted to the right gets a larger column. "),
        (right, -down, "Sideways is right, but your images move up instead of down, or down instead of up: row 0 is at the top. "),
        (-down, -right, "The two axes have changed places, and the direction is reversed: rows go down and come before columns. "),
        (right, 0, "Sideways is right, but nothing moves down or up. "),
        (0, down, "Down is right, but nothing moves sideways. "),
    ]  # fmt: skip
    slips: list[tuple[Tensor, str]] = []
    if (right, down) != (0, 0):
        slips.append((images, "The images came back as they were. Did you return the moved ones?"))
    for x, y, way in ways:
        rows, columns = (torch.arange(height) - y).clamp(0, height - 1), (torch.arange(width) - x).clamp(0, width - 1)
        smeared = images[:, :, rows][..., columns]
        slips += [
            (shifted(images, x, y, fill), f"{way}{words}".strip())
            for fill, words in [
                (paper, ""),
                (torch.roll(images, (y, x), (2, 3)), "What leaves at one edge comes in at the other: roll wraps round. Fill these places with paper."),
                (0.0, "0 comes in, and that is a light grey here: after normalising, paper lies below 0. What is the smallest value?"),
                (smeared, "What comes in is a copy of the edge, so a stroke that touches it gets smeared. Fill with paper."),
                (images, "Where something comes in, the old pixels are still there. Start from paper, not from a clone."),
                (images.max(), "The largest value comes in, that is ink. Paper is the smallest."),
                (images.mean(), "The mean comes in. Paper is the smallest value."),
                (images[0, 0, 0, 0], "The first pixel's value comes in. In MNIST it is blank, in other images not: take the smallest value."),
            ]
        ]  # fmt: skip
    slips.append((torch.full_like(images, paper.item()), "All is paper. With a shift of 0, `[:-0]` means up to place 0, which is nothing; or was the picture never copied in?"))  # fmt: skip
    if right >= 0 and down >= 0:
        cut = "The pixels that leave are cut off, but nothing comes in, so the images have become smaller."
        slips += [
            (images[:, :, : height - down, : width - right], cut),
            (images[:, :, down:, right:], cut),
            (F.pad(images, (right, 0, down, 0), value=paper.item()), "Paper came in, but nothing left, so the images have become larger. Cut them back to their size."),
            (F.pad(images, (right, 0, down, 0)), "Zeros came in, but nothing left, so the images have become larger. Cut them back to their size, and fill with paper."),
        ]  # fmt: skip
    by_chapter = recipes.affine(images, right * whole, down * whole, 0 * whole, whole)
    lost = "The images are moved rightly, but the axis of one channel got lost: (N, 1, H, W) goes in, and comes out."
    return [
        *slips,
        (by_chapter, "That is what recipes.affine makes of them: copies of the edge come in. Fill with paper."),
        (wanted[:, 0], lost),
        (wanted[0], "Only the first image came back. Does `return` stand inside the loop?"),
        (wanted[0, 0], "Only the first image came back, and without its channel. (N, 1, H, W) goes in, and comes out."),
        (wanted[-1], "Only the last image came back. Collect them all."),
        (wanted[-1, 0], "Only the last image came back, and without its channel. Collect them all."),
        (wanted.trunc(), "All behind the point is gone: the new tensor holds whole numbers. Make it with torch.full_like(images, …)."),
    ]  # fmt: skip


# --- 6.4 ---

TIED = 0.005 + 1e-9  # percentage points; closer than that, a figure can't tell


def most_and_least(answer: tuple, ladder: dict[str, Sequence[float]]) -> str:
    """A reading: which step of the ladder helps most, and which least."""
    means = {name: fmean(values) if len(values) else math.nan for name, values in ladder.items()}
    rows = list(means)
    gains = {name: means[name] - means[before] for before, name in pairwise(rows)}
    gains = {name: gain for name, gain in gains.items() if not math.isnan(gain)}
    asked = f"two names of steps, from {', '.join(rows[1:])},"
    if not isinstance(answer, list | tuple) or len(answer) != 2:
        raise WrongAnswer(f"I expected {asked} and got {describe(answer)}.")
    if not gains:
        return "In this ladder there is no step to compare, so each answer is as good as yours."
    most, least = (_row(name, rows, asked) for name in answer)
    for name in (most, least):
        if name == rows[0]:
            raise WrongAnswer(f"'{name}' is where the ladder begins; no step leads to it. A step has the name of the row it arrives at.")  # fmt: skip
        if name not in gains:
            raise WrongAnswer(
                f"Of the step to '{name}' nothing can be said: here, or in the row before, there are no runs."
            )
    best, worst = max(gains.values()), min(gains.values())
    helps_most = {name: gain >= best - TIED for name, gain in gains.items()}
    helps_least = {name: gain <= worst + TIED for name, gain in gains.items()}
    if helps_most[most] and helps_least[least]:
        return f"{gains[most]:+.2f} and {gains[least]:+.2f} points. Does your sentence say what the bars at the smaller step leave open?"  # fmt: skip
    if helps_most[least] and helps_least[most]:
        raise WrongAnswer("You have found both, but in each other's place: the one that helps most comes first.")
    if most == least:
        raise WrongAnswer("That is twice the same step. Here one of them helps more than another.")
    spreads = {name: stdev(ladder[name]) for name in rows if len(ladder[name]) > 1}
    following = dict(pairwise(rows))
    if not helps_most[most]:
        held = f"Most: the step to '{most}' brings {gains[most]:+.2f} points, and another one more."
        if helps_most.get(following.get(most, "")):
            raise WrongAnswer(f"{held} One row off: you named where that one begins. A step has the name of the row it arrives at.")  # fmt: skip
        if means[most] == max(means.values()):
            raise WrongAnswer(f"{held} Yours is the row with the highest mean. Most of its height it owes to the steps below: how far is it from the row before?")  # fmt: skip
        if spreads and spreads.get(most) == max(spreads.values()):
            raise WrongAnswer(f"{held} The dots of yours lie furthest apart, and that is the luck of the seeds. Compare the middle of the dots with the middle of those in the row before.")  # fmt: skip
        raise WrongAnswer(f"{held} From each row to the next: how far does the middle of the dots move?")
    held = f"Most: right. Least: the step to '{least}' brings {gains[least]:+.2f} points, and another one less."
    if helps_least.get(following.get(least, "")):
        raise WrongAnswer(f"{held} One row off: you named where that one begins. A step has the name of the row it arrives at.")  # fmt: skip
    if worst < 0 and gains[least] >= 0 and abs(gains[least]) == min(map(abs, gains.values())):
        raise WrongAnswer(f"{held} One step goes backwards, and that helps even less than nothing.")
    if gains[least] > 0 and means[least] == min(means[name] for name in gains):
        raise WrongAnswer(f"{held} Yours is the lowest row behind a step. But the row before lies lower still: how large is the step?")  # fmt: skip
    if spreads and spreads.get(least) == min(spreads.values()):
        raise WrongAnswer(f"{held} The dots of yours lie closest together. That is about their spread; asked is how far the middle moves.")  # fmt: skip
    raise WrongAnswer(f"{held} From which row to the next does the middle of the dots move least?")


def _row(name: object, rows: list[str], asked: str) -> str:
    """Return which row a learner means."""
    if not isinstance(name, str):
        said = "Write their names, in quotes." if as_tensor(name) is not None and name is not None else ""
        raise WrongAnswer(f"I expected {asked} and got {describe(name)}. {said}".strip())
    plain = name.strip().lower().replace(" ", "_").replace("-", "_")
    if plain in rows:
        return plain
    if sum(row in plain for row in rows) > 1:
        raise WrongAnswer(f"In {describe(name)} there are two rows. One name is enough for a step, that of the row it arrives at.")  # fmt: skip
    raise WrongAnswer(f"There is no row called {describe(name)}. The steps arrive at {', '.join(rows[1:])}.")


# --- 6.5 ---


def errors_removed(answer: Callable) -> str:
    """A function that tells which share of the errors is gone."""
    asked = "one number, the share of the errors that is gone,"
    pairs = _pairs_of_accuracies()
    answers = [number(call_answer(answer, *pair), asked) for pair in pairs]
    if answers in ([0, 0], [1, 1]):
        raise WrongAnswer(f"For two different pairs of accuracies, {answers[0]:g} came out. Does something, int() or round() or //, drop all that is behind the point?")  # fmt: skip
    if math.isclose(*answers, rel_tol=1e-6):
        raise WrongAnswer(f"For two different pairs of accuracies the same came out. {ELSEWHERE}")
    for (before, after), got in zip(pairs, answers, strict=True):
        right, slips = _slips_in_errors(before, after)
        rounded = "That is rounded. Return the number as it is; round when you print it."
        slips += [(round(right, digits), rounded) for digits in (1, 2)]
        hint = "Errors are 1 − accuracy. How many are gone, out of those that were there before?"
        compare(got, right, f"before={before}, after={after}", slips, tolerance=1e-3, hint=hint)
    before, after = between(80, 85) / 100, between(70, 76) / 100
    right = (after - before) / (1 - before)
    slips = [
        (-right, "Errors were added, not removed: the share is below 0. Does abs() hide it, or is the larger one taken first?"),
        (0.0, "Errors were added, not removed. Let the share be below 0 then, so that it shows."),
        ((after - before) / (1 - after), "You divided by the larger of the two. Divide by the errors that were there before, also when there are more of them now."),
        ((before - after) / (1 - after), "The share is below 0 here. And divide by the errors *before*, also when there are more of them now."),
    ]  # fmt: skip
    about = f"before={before}, after={after}, where it has become worse"
    hint = "What holds for better holds for worse: (errors before − errors after) out of the errors before."
    try:
        got = number(call_answer(answer, before, after), asked)
    except WrongAnswer as reason:
        raise WrongAnswer(f"When it becomes better, yours is right. For {about}: {reason}") from None
    compare(got, right, about, slips, tolerance=1e-3, hint=hint)
    return (
        "Near the top, accuracies hardly move: from 99 to 99.5 % sounds like little, and half of the errors are gone."
    )


def _pairs_of_accuracies() -> list[tuple[float, float]]:
    """Return two pairs, before and after, for which neither the right answer nor a slip gives the same number twice."""
    while True:
        pairs = [_two_accuracies(), _two_accuracies()]
        (one, slips), (other, others) = (_slips_in_errors(*pair) for pair in pairs)
        gaps = [abs(a - b) for (a, _), (b, _) in zip(slips, others, strict=True)]
        if abs(one - other) > 0.02 and round(one, 1) != round(other, 1) and min(gaps) > 1e-5:
            return pairs


def _two_accuracies() -> tuple[float, float]:
    """Return accuracies before and after, such that all slips give different numbers, and rounding shows."""
    while True:
        before, after = between(600, 760) / 1000, between(820, 940) / 1000
        right, slips = _slips_in_errors(before, after)
        off = abs(100 * right - round(100 * right))
        if 0.55 < right < 0.78 and off > 0.3 and told_apart(right, slips):
            return before, after


def _slips_in_errors(before: float, after: float) -> tuple[float, list[tuple[float, str]]]:
    """Return the share of the errors that is gone, and what slips make of it."""
    old, new = 1 - before, 1 - after
    right = (old - new) / old
    brackets = "A pair of brackets is missing: differences come before the division only if they are bracketed."
    points = "That is the difference of the two accuracies. Out of which errors? Divide by those before."
    return right, [
        (after - before, points),
        (100 * (after - before), f"{points} And let it be a share, from 0 to 1."),
        (before - after, f"{points} And mind the order: fewer errors should give a share above 0."),
        (after / before, "That compares the hits. Asked is about the errors: how many are there, before and after?"),
        (before / after, "That compares the hits. Asked is about the errors: how many are there, before and after?"),
        ((after - before) / before, "You divided by the *hits* before. Of what is a share asked for?"),
        ((after - before) / after, "You divided by the *hits* after. Of what is a share asked for?"),
        (new / old, "That is the share of the errors that remains. Which share is gone?"),
        (100 * new / old, "That is the share of the errors that remains, in per cent. Which share is gone?"),
        (100 * right, "That is in per cent. A share lies between 0 and 1."),
        ((old - new) / new, "You divided by the errors *after*. The share is out of those that were there before."),
        (old / new, "That is how many times as many errors there were. Which share of them is gone?"),
        (-right, "The size is right, the sign is not: fewer errors should give a share above 0."),
        ((new - old) / new, "It looks as if `before` and `after` had changed places."),
        ((after - before) / (100 - before), "That would do for per cent. These are shares from 0 to 1: the errors are 1 − accuracy."),
        (1 - after, "Those are the errors that remain, as a share of all images. Of the errors before, which share is gone?"),
        (1 - before, "Those are the errors before, as a share of all images. Which share of them is gone?"),
        ((after - before) / 1 - before, brackets),
        (old - new / old, brackets),
        (1 - before - 1 - after / 1 - before, brackets),
        ((1 - before - 1 - after) / (1 - before), "Minus a minus: 1 − before − (1 − after), with the brackets."),
        (1 - after / before, "Those are hits. Put the errors in the place of both, 1 − accuracy."),
    ]  # fmt: skip


CHECKS: dict[str, Callable] = {
    "6.1": schedule_in_steps,
    "6.2": learning_rate_at,
    "6.3": shift_images,
    "6.4": most_and_least,
    "6.5": errors_removed,
}
