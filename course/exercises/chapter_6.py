"""The checks of chapter 6: counting steps, a schedule, shifted images, the ladder's steps, errors instead of hits."""

import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import pairwise
from statistics import fmean, stdev

import torch
from torch import Tensor
from torch.nn import functional as F

from course.exercises import toolkit
from course.exercises.toolkit import Mistakes, WrongAnswer, after_success, between, refuse
from helpers import recipes


def schedule_in_steps(answer: tuple) -> str:
    """Two numbers: all steps of a training, and the step at which its learning rate is highest."""
    no_part = "There is no part of a batch: the last one is just smaller. Round for one epoch first, then take ten of them."  # fmt: skip
    all_images = "That is for all 60,000 images. 10,000 are held out, and 50,000 remain to train on."
    those_are_images = "Those are images. A step takes 64 of them at once."
    wrong_steps = [
        (7810, "The images left over after 781 full batches are not thrown away: they make a smaller batch, with a step of their own."),
        (781, "That is for one epoch. There are ten. And the images left over after 781 full batches take a step as well."),
        (781.25, "That is for one epoch. There are ten. And there is no quarter of a batch: the last one is just smaller."),
        (782, "That is for one epoch. There are ten."),
        *((count, no_part) for count in (7812.5, 7812, 7813)),
        *((count, all_images) for count in (9380, 9370, 9375, 938, 937, 937.5)),
        *((count, those_are_images) for count in (50_000, 500_000, 60_000, 600_000)),
        (640, "Those are the images in ten batches. How many batches does it take to see all 50,000 once?"),
        (64, "That is the size of a batch. How many batches does it take to see all 50,000 images once?"),
        (10, "That is the number of epochs. How many steps does each one take?"),
        (1564, "That is where the peak is. The first number is how many steps there are in all."),
        (6256, "Those are the steps after the peak. The first number is how many steps there are in all."),
    ]  # fmt: skip
    wrong_peaks = [
        *((count, "That is a fifth of one epoch. The schedule runs over the whole training: a fifth of *all* steps.") for count in (156, 156.4, 157)),
        (2, "In epochs, yes. The schedule counts steps: how many are in two epochs?"),
        (6256, "That is a fifth counted from the end, or four fifths from the start. The rise is the short part, and it comes first."),
        (3910, "That is halfway. The rise takes only the first fifth."),
        (1563, "As a place in a list, which counts from 0, yes. The question is after how many steps."),
        (1565, "One step too far: the last step of the first fifth reaches it."),
        *((count, "Your first number is right, but this is a fifth of another number. Divide the first one by 5.") for count in (1562, 1562.5, 1876, 1875, 1874)),
        (0.2, "That is the share. A share of how many steps?"),
        *((count, "Those are images. The peak comes after a fifth of all *steps*.") for count in (10_000, 100_000)),
        (7820, "That is the end, where the learning rate is 0 again. The peak comes much earlier."),
        (0, "At step 0 the rise begins. When is it over?"),
        (782, "That is one epoch, a tenth of the way. The rise takes a fifth."),
        (0.05, "That looks like a learning rate. At which step is it highest?"),
        (5, "A fifth is one part in five. How many of the steps is that?"),
    ]  # fmt: skip
    if isinstance(answer, list | tuple) and len(answer) == 2:
        refuse([
            (answer[0] is None, "The number of all steps is still missing."),
            (answer[1] is None or answer[1] is ..., "The step of the peak is still missing."),
        ])  # fmt: skip
    steps, peak = toolkit.numbers(answer, 2, "two numbers, (all steps, the step of the peak),").tolist()
    hint = "How many batches does one epoch have, including the smaller last one? And ten epochs?"
    about_peak = toolkit.words_for(peak, wrong_peaks, "Where does the first fifth of all steps end?")
    refuse([
        ((steps, peak) == (1564, 7820), "Both numbers are right, but swapped."),
        (not math.isclose(steps, 7820), f"All steps: {steps:.10g} is not right. {toolkit.words_for(steps, wrong_steps, hint)}"),
        (not math.isclose(peak, 1564), f"All steps: right. The step of the peak: {peak:.10g} is not right. {about_peak}"),
    ])  # fmt: skip
    return "7,820 steps, and the peak after two epochs of them. If you forget the small last batch, you tell the schedule ten steps too few, and PyTorch stops with an error before the training ends."  # fmt: skip


def triangle(step: float, steps: float, peak: float, top: float = 0.2) -> float:
    """Return the learning rate at a step: up to the peak in a straight line, then down to 0 in another."""
    turn = top * steps
    return peak * (step / turn if step <= turn else (steps - step) / (steps - turn))


def learning_rate_at(answer: Callable) -> str:
    """A function that returns the learning rate at a step of a triangular schedule."""

    def schedule(share: Callable[[float], float]) -> Callable:
        return lambda step, steps, peak: peak * share(5 * step / steps)

    def curve(share: float) -> float:
        return (1 - math.cos(math.pi * share)) / 2

    def turning_at(whole: Callable[[float], int]) -> Callable:
        return lambda step, steps, peak: triangle(step, steps, peak, whole(steps / 5) / steps)

    from_0 = "The rise is right. The fall is counted from step 0, so part of it is already over when it begins, and the curve jumps. It should start at the full `peak`."
    too_fast = "After the peak it falls as fast as it rose, so it is at 0 too soon. The fall has four fifths of the steps."  # fmt: skip
    curved = "the ends and the peak are right, but the way between them is curved, like a cosine. It should be a straight line."
    whole_turn = "You rounded the turn. It is a fifth of `steps` even if that is not a whole number: for 13 steps it is 2.6, between steps 2 and 3. Divide with /, and don't round."
    cut_off = "Shares are between 0 and 1, and // drops everything after the decimal point. Divide with /."
    common_mistakes: Mistakes = [  # x counts fifths: the rise is x, from 0 to 1, and the fall (5 − x) / 4, from 1 to 5
        *((turning_at(whole), whole_turn) for whole in (math.floor, round, math.ceil)),
        (lambda step, steps, peak: peak * (5 * step / steps if 5 * step <= steps else (steps - step) / (steps - steps // 5)), whole_turn),
        (lambda step, steps, peak: peak * (5 * step / steps if 5 * step <= steps else (steps - step) / (4 * steps // 5)), whole_turn),
        (schedule(lambda x: x if x < 1 else 1 - x / 5), from_0),
        (schedule(lambda x: x if x < 1 else 1 - x / 4), from_0),
        (lambda step, steps, peak: triangle(step, steps, peak) if 5 * step < steps else peak - (5 * step / steps - 1) / 4, "The rise is right. On the fall you subtract the share itself, so the rate ends far below 0. A share of *what* should be taken away?"),
        (schedule(lambda x: x if x < 1 else 1 - (x - 1) / 5), "The fall begins correctly, but it never reaches 0: it is spread over all the steps. Only four fifths of them are left for it."),
        (schedule(lambda x: x if x < 1 else 2 - x), too_fast),
        (schedule(lambda x: x if x < 1 else max(0, 2 - x)), too_fast),
        (schedule(lambda x: x), "It rises and rises. After a fifth of the steps it should turn."),
        (schedule(lambda x: min(1, x)), "After the peak it stays up there. It should fall to 0."),
        (lambda step, steps, peak: triangle(step, steps, peak, 0.5), "Your peak is halfway. It should come after one fifth of the steps."),
        (lambda step, steps, peak: triangle(step, steps, peak, 0.8), "Your peak comes after four fifths. The rise is the short part, the fall the long one."),
        (lambda step, steps, peak: triangle(step, steps, 1), "The shape is right, but its top is 1. Where does `peak` come in?"),
        (lambda step, steps, peak: triangle(step, steps, 0.05), "The shape is right, but its top is always 0.05, as in the chapter. Use `peak`."),
        (schedule(lambda x: 0), f"Zero everywhere. {cut_off}"),
        (schedule(lambda x: 0 if x < 1 else (5 - x) / 4), cut_off),
        (schedule(lambda x: min(1, math.floor(x))), cut_off),
        (schedule(lambda x: curve(x if x < 1 else (5 - x) / 4)), f"Nearly: {curved}"),
        (schedule(lambda x: x if x < 1 else curve((5 - x) / 4)), f"On the fall: {curved}"),
        (schedule(lambda x: curve(x) if x < 1 else (5 - x) / 4), f"On the rise: {curved}"),
        (lambda step, steps, peak: triangle(steps, step, peak), "That is what comes out if `step` and `steps` are swapped. Is their order (step, steps, peak)?"),
        (lambda step, steps, peak: triangle(step, peak, steps), "That is what comes out if `steps` and `peak` are swapped. Is their order (step, steps, peak)?"),
        (lambda step, steps, peak: triangle(step, steps - 1, peak), "Yours ends one step too soon. It should be 0 at step `steps`, not at the step before."),
        (lambda step, steps, peak: triangle(step + 1, steps, peak), "You are one step ahead. Steps count from 0: the first of them has learning rate 0."),
        (lambda step, steps, peak: triangle(step - 1, steps, peak), "You are one step behind. Steps count from 0: at step 0 the rate is 0, and at the next one it is higher."),
        (lambda step, steps, peak: triangle(step + (5 * step < steps), steps, peak), "On the rise you are one step ahead. Steps count from 0: the first of them has learning rate 0."),
        (lambda step, steps, peak: peak - triangle(step, steps, peak), "Upside down: yours falls to 0 first and then rises."),
        (schedule(lambda x: (5 - x) / 4), "That is the line of the fall, from step 0 on. The first fifth has a line of its own, which rises."),
        (schedule(lambda x: max(x, (5 - x) / 4)), "You have both lines, but each in the other's part; or you took the larger of two where you need the smaller."),
        (schedule(lambda x: x / 5 if x < 1 else (5 - x) / 4), "The rise is too slow: step / steps is a fifth at the turn, and there it should be 1."),
        (schedule(lambda x: x / 5 if x < 1 else 1 - x / 5), "Both lines are counted over all steps, so they never reach `peak`. At the turn each should be 1."),
        (schedule(lambda x: x if x < 1 else (x - 1) / 4), "After the peak yours jumps to 0 and rises once more. That is the share of the fall that is over. What share is still to come?"),
        (schedule(lambda x: 1 / 25 + 24 / 25 * x if x < 1 else (5 - x) / 4), "Yours begins at a 25th of the peak, as PyTorch's does. Here it should begin at 0."),
        (lambda step, steps, peak: peak * (1 / 25 + 24 / 25 * step / (steps / 5 - 1) if step < steps / 5 - 1 else (steps - 1 - step) / (0.8 * steps)), "That is PyTorch's own schedule. It begins at a 25th of the peak and is over one step earlier; here both lines should be exact."),
    ]  # fmt: skip
    long, peak = 5 * between(10, 18) + between(1, 5), between(30, 90) / 100
    trainings = [(10, 0.4), (13, 0.8), (long, peak)]  # small ones first; a fifth need not be a whole number of steps
    places = [(step, *training) for training in trainings for step in range(1, training[0], 1 + training[0] // 20)]
    places = [(step, steps, peak) for step, steps, peak in places if 5 * step != steps]  # the turn comes below
    got, right = _rates(answer, places), torch.tensor([triangle(*place) for place in places], dtype=torch.float64)
    wrong = (~torch.isclose(got, right, rtol=1e-4, atol=1e-6)).nonzero().flatten().tolist()
    if wrong:
        step, steps, peak = places[wrong[0]]
        hint = "That is on the rise. What share of the first fifth is over? The rate should have reached the same share of `peak`."
        if 5 * step > steps:
            hint = "The rise is right; this is on the fall. It takes the last four fifths of the steps: what share of *them* is still to come?"  # fmt: skip
        for digits in (
            2,
            3,
            4,
        ):  # within half a digit: what is halfway is rounded by the last bit of the answer's own way
            near = torch.allclose(got, right, rtol=0, atol=0.501 * 10**-digits)
            if near and torch.allclose(got, got.round(decimals=digits), rtol=0, atol=1e-6):
                hint = toolkit.ROUNDED
        if torch.equal(got, _rates(answer, [(step, steps, 1.5 * peak) for step, steps, peak in places])):
            hint = f"With a higher `peak`, the same came out. {toolkit.ELSEWHERE}"
        if torch.equal(got, _rates(answer, [(step, 2 * steps, peak) for step, steps, peak in places])):
            hint = f"With twice the `steps`, the same came out. {toolkit.ELSEWHERE}"
        mistakes = [(torch.tensor([mistake(*place) for place in places]), words) for mistake, words in common_mistakes]
        expected, came = (toolkit.describe(rates[wrong[0]]) for rates in (right, got))
        raise WrongAnswer(f"For step={step}, steps={steps}, peak={peak}, I expected {expected} and got {came}. {toolkit.words_for(got, mistakes, hint, tolerance=1e-4)}")  # fmt: skip
    for place, hint in [
        ((0, 10, 0.4), "At step 0 the rise begins, from 0."),
        ((2, 10, 0.4), "Here both lines meet: does one of your conditions miss it, or jump?"),
        ((13, 13, 0.8), "At the very end there should be nothing left."),
    ]:
        with after_success("The way between is right."):
            about = "step={}, steps={}, peak={}".format(*place)
            toolkit.compare(_rates(answer, [place])[0], triangle(*place), about, tolerance=1e-4, hint=hint)
    return "Two straight lines that meet at the peak, after a fifth of the steps, however many there are."


def _rates(schedule: Callable, places: Sequence[tuple[int, int, float]]) -> Tensor:
    """Return the learning rates of a learner's schedule at some (step, steps, peak)."""
    rates = []
    for place in places:
        with after_success("For step={}, steps={}, peak={}:".format(*place)):
            rates.append(toolkit.one_number(toolkit.call_answer(schedule, *place)))
    return torch.tensor(rates).double()


def drawn_images(count: int, height: int, width: int) -> Tensor:
    """Return random images float32 (count, 1, height, width): paper is below 0, ink above; the edges are inked.

    The first image is all ink, and the smallest value of the batch is a single pixel of the second.
    """
    images = 0.3 + 2 * torch.rand(count, 1, height, width)
    for image in images[2:-1]:
        paper = torch.rand(1, height, width) < 0.5
        paper[:, [0, -1]], paper[:, :, [0, -1]] = False, False
        image[paper] = -0.3 - torch.rand(1).item()
    images[[1, -1], 0, 4, 4] = torch.tensor([-1.54, -0.24]) - between(0, 9) / 10
    return images


def shifted(images: Tensor, right: int, down: int) -> Tensor:
    """Return images moved by whole pixels; paper, their smallest value, comes in."""
    return F.pad(images, (right, -right, down, -down), value=images.min().item())


def shift_images(answer: Callable) -> str:
    """A function that shifts a batch of images by whole pixels."""
    height, width = between(9, 11), between(12, 15)
    images = drawn_images(between(4, 7), height, width)
    fixed = f"Is there a fixed 28 in your function? These images are {height} × {width}: see images.shape."
    r, d = (2, 3) if between(0, 2) else (3, 2)
    opposite, one_is_0 = "With both above 0, or both below, it works.", "Shifts in both directions work. Here one is 0."
    for right, down, works in [
        (r, d, ""),
        (-r, -d, "To the right and down it works."),
        *((right, down, opposite) for right, down in ((d, -r), (-d, r))),
        *((right, down, one_is_0) for right, down in ((r, 0), (0, -d), (-r, 0), (0, d))),
        (0, 0, "All shifts work, except the one that moves nothing."),
    ]:
        wanted = shifted(images, right, down)
        about = f"images {tuple(images.shape)}, right={right}, down={down}"
        with after_success(works):
            try:
                got = toolkit.call_answer(answer, images, right, down)
            except WrongAnswer as reason:
                empty = "With 0, `[:-0]` means up to place 0: nothing is left." if 0 in (right, down) else ""
                hint = fixed if _works_for_28(answer, right, down) else empty
                raise WrongAnswer(f"For {about}: {reason} {hint}".strip()) from None
            found = toolkit.as_tensor(got)
            if found is not None and found.shape[-2:] == (28, 28):
                raise WrongAnswer(f"For {about}, I got images of 28 × 28. {fixed}")
            hint = "A pixel [n, 0, y, x] moves to [n, 0, y + down, x + right], if that place is inside; all other places are paper."
            if min(right, down) < 0:
                hint = f"Remember that Python counts `[-2:]` and `[:-2]` from the end. {hint}"
            moved = F.pad(torch.ones_like(images), (right, -right, down, -down)) == 1
            if found is not None and found.shape == wanted.shape and toolkit.same(found[moved], wanted[moved], 1e-3):
                hint = f"What moved is right. What comes in should be paper, in these images {images.min():.4g}: the smallest value of the whole batch."
            try:
                toolkit.compare(got, wanted, about, _shift_mistakes(images, right, down), tolerance=1e-3, hint=hint)
            except WrongAnswer as reason:
                raise WrongAnswer(f"{reason} {_by_hand(answer, right, down)}".strip()) from None
            if (kind := str(getattr(got, "dtype", "float32")).removeprefix("torch.")) != "float32":
                raise WrongAnswer(f"The numbers are right, but they are of type {kind}. The images came in as float32, and the network computes in that: torch.full_like(images, …) keeps it.")  # fmt: skip
    got = toolkit.call_answer(answer, images, 0, 0, may_change=True)
    if isinstance(got, Tensor) and got.data_ptr() == images.data_ptr():
        raise WrongAnswer("With a shift of 0 the given tensor itself comes back. Return a new one, such as images.clone(), since somebody may change it later.")  # fmt: skip
    return "Nothing wraps around, nothing is smeared, the originals are untouched: you have written an augmentation."


def _by_hand(answer: Callable, right: int, down: int) -> str:
    """Show an image so small that one can move its pixels by hand; nothing if the answer is right for it."""
    tiny = torch.arange(1.0, 13.0).reshape(1, 1, 3, 4)
    right, down = ((shift > 0) - (shift < 0) for shift in (right, down))
    wanted = shifted(tiny, right, down)
    with suppress(WrongAnswer):
        found = toolkit.as_tensor(toolkit.call_answer(answer, tiny, right, down))
        if found is not None and found.shape == tiny.shape and not toolkit.same(found, wanted):
            names = ("image", "right", "down", "expected", "got")
            return f"By hand: {toolkit.show(names, (tiny[0, 0], right, down, wanted[0, 0], found[0, 0]))}."
    return ""


def _works_for_28(answer: Callable, right: int, down: int) -> bool:
    images = drawn_images(4, 28, 28)
    with suppress(WrongAnswer):
        toolkit.compare(toolkit.call_answer(answer, images, right, down), shifted(images, right, down), "")
        return True
    return False


def _shift_mistakes(images: Tensor, right: int, down: int) -> list[tuple[Tensor, str]]:
    """Return what mistakes make of these images: wrong ways, wrong things that come in, and both together."""
    height, width = images.shape[2:]
    paper, wanted, one = images.min().item(), shifted(images, right, down), torch.ones(len(images))
    ways = [
        (right, down, ""),
        (down, right, "The two axes are swapped: rows, which go down, come before columns."),
        (-right, -down, "Your images move the other way, to the left where it should be right, and up where it should be down."),
        (-right, down, "Down is right, but sideways your images move the wrong way: what is shifted to the right gets a larger column."),
        (right, -down, "Sideways is right, but your images move up instead of down, or down instead of up: row 0 is at the top."),
        (-down, -right, "The two axes are swapped, and the direction is reversed: rows go down and come before columns."),
        (right, 0, "Sideways is right, but nothing moves down or up."),
        (0, down, "Down is right, but nothing moves sideways."),
    ]  # fmt: skip
    fills: list[tuple[Callable, str]] = [  # what comes in, for a shift by x columns and y rows
        (lambda x, y: images.min(), ""),
        (lambda x, y: torch.roll(images, (y, x), (2, 3)), "What leaves at one edge comes in at the other: roll wraps around. Fill these places with paper."),
        (lambda x, y: torch.tensor(0.0), "0 comes in, and that is a light gray here: after normalizing, paper is below 0. What is the smallest value?"),
        (lambda x, y: F.pad(images, (x, -x, y, -y), mode="replicate"), "What comes in is a copy of the edge, so a stroke that touches it gets smeared. Fill with paper."),
        (lambda x, y: images, "Where something comes in, the old pixels are still there. Start from paper, not from a clone."),
        (lambda x, y: images.max(), "The largest value comes in, which is ink. Paper is the smallest."),
        (lambda x, y: images.mean(), "The mean comes in. Paper is the smallest value."),
        (lambda x, y: images[0, 0, 0, 0], "The first pixel's value comes in. In MNIST it is blank, in other images not: take the smallest value."),
        (lambda x, y: images[0].min(), "The smallest value of the first image comes in. Another image of the batch may have a smaller one: take the smallest of all."),
        (lambda x, y: images[-1].min(), "The smallest value of the last image comes in. Another image of the batch may have a smaller one: take the smallest of all."),
        (lambda x, y: images.amin((1, 2, 3), keepdim=True), "Each image is filled with its own smallest value. In an image without any paper, that is ink: take the smallest value of the whole batch."),
    ]  # fmt: skip

    def moved(x: int, y: int, fill: Tensor) -> Tensor:
        edges = (x, -x, y, -y)
        return torch.where(F.pad(torch.ones_like(images), edges) == 1, F.pad(images, edges), fill)

    smaller = "The pixels that leave are cut off, but nothing comes in, so the images have become smaller."
    mistakes = [
        (images, "The images came back as they were. Did you return the moved ones?"),
        *((moved(x, y, fill(x, y)), f"{way} {words}".strip()) for x, y, way in ways for fill, words in fills),
        (torch.full_like(images, paper), "Everything is paper. With a shift of 0, `[:-0]` means up to place 0, which is nothing. Or did you never copy the images in?"),
        (images[:, :, : height - down, : width - right], smaller),
        (images[:, :, down:, right:], smaller),
        (F.pad(images, (right, 0, down, 0), value=paper), "Paper came in, but nothing left, so the images have become larger. Cut them back to their size."),
        (F.pad(images, (right, 0, down, 0)), "Zeros came in, but nothing left, so the images have become larger. Cut them back to their size, and fill with paper."),
        (recipes.affine(images, right * one, down * one, 0 * one, one), "That is what recipes.affine makes of them: copies of the edge come in. Fill with paper."),
        (wanted[:, 0], "The images are moved correctly, but the channel axis got lost: (N, 1, H, W) goes in, and (N, 1, H, W) should come out."),
        (wanted[0], "Only the first image came back. Is `return` inside the loop?"),
        (wanted[0, 0], "Only the first image came back, and without its channel. (N, 1, H, W) goes in, and (N, 1, H, W) should come out."),
        (wanted[-1], "Only the last image came back. Collect them all."),
        (wanted[-1, 0], "Only the last image came back, and without its channel. Collect them all."),
        (wanted.trunc(), "Everything after the decimal point is gone: the new tensor holds whole numbers. Make it with torch.full_like(images, …)."),
    ]  # fmt: skip
    visible = [(wanted, "")]  # in a shift by 0, or to the left, some mistakes look like the right images or like others
    for value, words in mistakes:
        if not any(toolkit.same(value, other, tolerance=2e-3) for other, _ in visible):
            visible.append((value, words))
    return visible[1:]


TIED = 0.005 + 1e-9  # percentage points; closer than that, a figure can't tell
ONE_ROW_OFF = "One row off: you named where that one begins. A step has the name of the row it arrives at."


def most_and_least(answer: tuple, ladder: dict[str, Sequence[float]]) -> str:
    """A reading: which step of the ladder helps most, and which least."""
    rows, following = list(ladder), dict(pairwise(ladder))
    asked = f"two names of steps, from {', '.join(rows[1:])},"
    several = hasattr(answer, "__iter__") and not isinstance(answer, str | dict | set)
    if not several or len(names := list(answer)) != 2:
        raise WrongAnswer(f"I expected {asked} and got {toolkit.describe(answer)}.")
    means = {name: fmean(values) for name, values in ladder.items() if len(values)}
    gains = {name: means[name] - means[row] for row, name in following.items() if row in means and name in means}
    if not gains:
        return "In this ladder there is no step to compare, so any answer is as good as another."
    most, least = (_row(name, rows, asked) for name in names)
    for name in (most, least):
        refuse([
            (name == rows[0], f"'{name}' is where the ladder begins; no step leads to it. A step has the name of the row it arrives at."),
            (name not in gains, f"Nothing can be said about the step to '{name}': there are no runs in its row or in the one before."),
        ])  # fmt: skip
    best = {name for name in gains if gains[name] >= max(gains.values()) - TIED}
    worst = {name for name in gains if gains[name] <= min(gains.values()) + TIED}
    if most in best and least in worst:
        return f"{gains[most]:+.2f} and {gains[least]:+.2f} points. Does your sentence say what the bars of the smallest step leave open?"  # fmt: skip
    spreads = {name: stdev(ladder[name]) for name in rows if len(ladder[name]) > 1} or {"": 0.0}
    backwards = min(gains.values()) < 0 and gains[least] == min(map(abs, gains.values()))
    refuse([
        (least in best and most in worst, "You found both, but swapped them: the one that helps most comes first."),
        (most == least, "That is the same step twice. Here some steps help more than others."),
        *((most not in best and fits, f"Most: the step to '{most}' brings {gains[most]:+.2f} points, and another step brings more. {words}") for fits, words in [
            (following.get(most) in best, ONE_ROW_OFF),
            (means[most] == max(means.values()), "Yours is the row with the highest mean. But it gets most of that from earlier steps: how far is it from the row before?"),
            (spreads.get(most) == max(spreads.values()), "The dots of yours are farthest apart, and that is the luck of the seeds. Compare the middle of the dots with the middle of those in the row before."),
            (True, "From each row to the next: how far does the middle of the dots move?"),
        ]),
        *((fits, f"Most: right. Least: the step to '{least}' brings {gains[least]:+.2f} points, and another step brings less. {words}") for fits, words in [
            (following.get(least) in worst, ONE_ROW_OFF),
            (backwards, "One step goes backward, so it helps less than nothing."),
            (gains[least] > 0 and means[least] == min(means[name] for name in gains), "Yours is the lowest row that a step leads to. But the row before is lower still: how large is the step?"),
            (spreads.get(least) == min(spreads.values()), "The dots of yours are closest together. That is their spread; the question is how far the middle moves."),
            (True, "From which row to the next does the middle of the dots move least?"),
        ]),
    ])  # fmt: skip
    return ""


def _row(name: object, rows: list[str], asked: str) -> str:
    """Return which row a learner means."""
    if not isinstance(name, str):
        said = "Write their names, in quotes." if toolkit.as_tensor(name) is not None else ""
        raise WrongAnswer(f"I expected {asked} and got {toolkit.describe(name)}. {said}".strip())
    plain = name.strip(" '\"`").lower().replace(" ", "_").replace("-", "_")
    refuse([
        (plain not in rows and sum(row in plain for row in rows) > 1, f"In {toolkit.describe(name)} there are two rows. One name is enough for a step: the row it arrives at."),
        (plain not in rows, f"There is no row called {toolkit.describe(name)}. The steps arrive at {', '.join(rows[1:])}."),
    ])  # fmt: skip
    return plain


def errors_removed(answer: Callable) -> str:
    """A function that tells which share of the errors is gone."""

    def right(before: float, after: float) -> float:
        return (after - before) / (1 - before)

    points = "That is the difference of the two accuracies. Out of which errors? Divide by those before."
    hits = "That compares the hits. The question is about the errors: how many are there, before and after?"
    brackets = "Parentheses are missing: without them, the division comes before the differences."
    when_better: Mistakes = [
        (lambda before, after: after - before, points),
        (lambda before, after: 100 * (after - before), f"{points} And let it be a share from 0 to 1."),
        (lambda before, after: before - after, f"{points} And mind the order: fewer errors should give a share above 0."),
        (lambda before, after: after / before, hits),
        (lambda before, after: before / after, hits),
        (lambda before, after: (after - before) / before, "You divided by the *hits* before. What should it be a share of?"),
        (lambda before, after: (after - before) / after, "You divided by the *hits* after. What should it be a share of?"),
        (lambda before, after: (1 - after) / (1 - before), "That is the share of the errors that remains. What share is gone?"),
        (lambda before, after: 100 * (1 - after) / (1 - before), "That is the share of the errors that remains, in percent. What share is gone?"),
        (lambda before, after: 100 * right(before, after), "That is in percent. A share is between 0 and 1."),
        (lambda before, after: (after - before) / (1 - after), "You divided by the errors *after*. The share is out of those that were there before."),
        (lambda before, after: (1 - before) / (1 - after), "That is how many times as many errors there were. What share of them is gone?"),
        (lambda before, after: -right(before, after), "The size is right, the sign is not: fewer errors should give a share above 0."),
        (lambda before, after: right(after, before), "It looks as if `before` and `after` were swapped."),
        (lambda before, after: (after - before) / (100 - before), "That would work for percentages. These are shares from 0 to 1: the errors are 1 − accuracy."),
        (lambda before, after: 1 - after, "Those are the errors that remain, as a share of all images. Of the errors before, what share is gone?"),
        (lambda before, after: 1 - before, "Those are the errors before, as a share of all images. What share of them is gone?"),
        (lambda before, after: (after - before) / 1 - before, brackets),
        (lambda before, after: 1 - before - (1 - after) / (1 - before), brackets),
        (lambda before, after: 1 - before - 1 - after / 1 - before, brackets),
        (lambda before, after: (1 - before - 1 - after) / (1 - before), "Minus a minus needs parentheses: (1 − before) − (1 − after)."),
        (lambda before, after: 1 - after / before, "Those are hits. Replace both by errors, 1 − accuracy."),
        *toolkit.rounded(right, 1, 2),
    ]  # fmt: skip
    when_worse: Mistakes = [
        (lambda before, after: -right(before, after), "Errors were added, not removed: the share is below 0. Does abs() hide it, or is the larger one taken first?"),
        (lambda before, after: 0, "Errors were added, not removed. Let the share fall below 0, so that it shows."),
        (lambda before, after: (after - before) / (1 - after), "You divided by the larger of the two. Divide by the errors that were there before, even when there are more of them now."),
        (lambda before, after: (before - after) / (1 - after), "The share is below 0 here. And divide by the errors *before*, even when there are more of them now."),
    ]  # fmt: skip
    hint = "Errors are 1 − accuracy. How many are gone, out of those that were there before?"
    better = lambda: (between(600, 760) / 1000, between(820, 940) / 1000)  # noqa: E731
    toolkit.check_function(answer, better, right, when_better, hint=hint, tolerance=1e-3, edges=[(0.5, 0.75)])
    hint = "The formula is the same when it gets worse: (errors before − errors after) out of the errors before."
    worse = lambda: (between(800, 850) / 1000, between(700, 760) / 1000)  # noqa: E731
    with after_success("When it gets better, yours is right. Here it got worse."):
        toolkit.check_function(
            answer, worse, right, when_worse, hint=hint, tolerance=1e-3, edges=[(0.75, 0.5), (0.9, 0.5)]
        )
    for inputs, wanted in [
        ((0.75, 0.75), "Nothing has changed, so no errors are gone: 0."),
        ((0.75, 1), "No errors are left, so all of them are gone: 1."),
        ((0, 0.75), "At first every answer was an error, and three quarters of the errors are gone."),
    ]:
        toolkit.check_edge_case(answer, inputs, right(*inputs), "before={}, after={}".format(*inputs), wanted)
    return "Near the top, accuracies hardly move: from 99 to 99.5 % sounds like little, but half of the errors are gone."  # fmt: skip


CHECKS: dict[str, Callable] = {
    "6.1": schedule_in_steps,
    "6.2": learning_rate_at,
    "6.3": shift_images,
    "6.4": most_and_least,
    "6.5": errors_removed,
}
