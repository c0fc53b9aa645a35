"""Right and wrong answers to the exercises of chapter 6."""

import math
from fractions import Fraction

import numpy as np
import torch
from torch.nn import functional as F
from torch.optim.lr_scheduler import OneCycleLR

from helpers import recipes

# --- 6.2 ---


def rate_in_two_branches(step, steps, peak):
    fifth = steps / 5
    if step < fifth:
        return peak * step / fifth
    return peak * (steps - step) / (steps - fifth)


def rate_that_turns_at(whole):
    """Return a schedule that turns at a whole step."""

    def rate(step, steps, peak):
        turn = whole(steps / 5)
        return step / turn * peak if step <= turn else peak - peak * (step - turn) / (steps - turn)

    return rate


def rate_by(rise, fall):
    """Return a schedule of two parts; each gets the step, the fifth and all steps, and returns a share of the peak."""

    def rate(step, steps, peak):
        fifth = steps / 5
        return peak * (rise if step < fifth else fall)(step, fifth, steps)

    return rate


def rise(step, fifth, steps):
    return step / fifth


def fall(step, fifth, steps):
    return (steps - step) / (steps - fifth)


def curved(share):
    return (1 - math.cos(math.pi * share)) / 2


def rate_of_pytorch(step, steps, peak):
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=peak)
    schedule = OneCycleLR(
        optimizer, peak, total_steps=steps, pct_start=0.2, anneal_strategy="linear", cycle_momentum=False
    )
    for _ in range(step):
        optimizer.step()
        schedule.step()
    return schedule.get_last_lr()[0]


def rate_that_misses_the_turn(step, steps, peak):
    if step < steps / 5:
        return rate_in_two_branches(step, steps, peak)
    if step > steps / 5:
        return rate_in_two_branches(step, steps, peak)


def rate_for_the_chapter(step, steps, peak):
    return rate_in_two_branches(step, 7820, peak)


# --- 6.3 ---


def shift_by_index(images, right, down):
    height, width = images.shape[-2:]
    moved = torch.full_like(images, images.min().item())
    for y in range(height):
        for x in range(width):
            if 0 <= y + down < height and 0 <= x + right < width:
                moved[:, :, y + down, x + right] = images[:, :, y, x]
    return moved


def shift_by_roll(images, right, down):
    moved = images.roll((down, right), dims=(2, 3))
    paper = images.min()
    if down > 0:
        moved[:, :, :down] = paper
    elif down < 0:
        moved[:, :, down:] = paper
    if right > 0:
        moved[:, :, :, :right] = paper
    elif right < 0:
        moved[:, :, :, right:] = paper
    return moved


def shift_by_padding(images, right, down):
    return F.pad(images, (right, -right, down, -down), value=images.min().item())


def shift_by_slices(images, right, down):
    height, width = images.shape[2:]
    moved = torch.full_like(images, images.min())
    taken = images[:, :, max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)]
    moved[:, :, max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)] = taken
    return moved


def shift_on_paper_of_zeros(images, right, down):
    return F.pad(images - images.min(), (right, -right, down, -down)) + images.min()


def shift_with_numpy(images, right, down):
    array = images.numpy()
    wide = np.pad(array, ((0, 0), (0, 0), (20, 20), (20, 20)), constant_values=array.min())
    return wide[:, :, 20 - down : 20 - down + array.shape[2], 20 - right : 20 - right + array.shape[3]]


def shift_one_by_one(images, right, down):
    return [F.pad(image, (right, -right, down, -down), value=images.min().item()) for image in images]


def shift_filled_with(paper):
    """Return a shift that fills with what `paper` returns for the images."""
    return lambda images, right, down: torch.where(
        shift_with_zeros(torch.ones_like(images), right, down) == 1,
        shift_with_zeros(images, right, down),
        paper(images),
    )


def shift_with_zeros(images, right, down):
    return F.pad(images, (right, -right, down, -down))


def shift_a_clone(images, right, down):
    height, width = images.shape[2:]
    moved = images.clone()
    taken = images[:, :, max(0, -down) : height - max(0, down), max(0, -right) : width - max(0, right)]
    moved[:, :, max(0, down) : height + min(0, down), max(0, right) : width + min(0, right)] = taken
    return moved


def shift_in_place(images, right, down):
    moved = images
    moved[:] = shift_by_padding(images.clone(), right, down)
    return moved


def shift_to_the_right_only(images, right, down):
    height, width = images.shape[2:]
    moved = torch.full_like(images, images.min())
    moved[:, :, down:, right:] = images[:, :, : height - down, : width - right]
    return moved


def shift_by_slices_of_one_sign(images, right, down):
    """Above 0 it is right; below, the slices mean other rows and columns."""
    moved = images.roll((down, right), dims=(2, 3))
    moved[:, :, :down], moved[..., :right] = images.min(), images.min()
    return moved


def shift_by_negative_ends(images, right, down):
    """With a shift of 0 the slice is empty."""
    moved = torch.full_like(images, images.min())
    if right >= 0 and down >= 0:
        moved[:, :, down:, right:] = images[:, :, :-down, :-right]
        return moved
    return shift_by_padding(images, right, down)


def shift_in_four_branches(images, right, down):
    """With a 0 beside a negative shift, `[:-0]` is nothing."""
    width = images.shape[3]
    if right >= 0 and down >= 0:
        return shift_by_padding(images, right, down)
    moved = torch.full_like(images, images.min())
    if right < 0 and down < 0:
        moved[:, :, :down, :right] = images[:, :, -down:, -right:]
    elif right < 0:
        moved[:, :, down:, :right] = images[:, :, :-down, -right:]
    else:
        moved[:, :, :down, right:] = images[:, :, -down:, : width - right]
    return moved


def shift_into_28(images, right, down):
    moved = torch.full((len(images), 1, 28, 28), images.min().item())
    moved[:, :, down:, right:] = images[:, :, : 28 - down, : 28 - right]
    return moved


def shift_by_index_up_to_28(images, right, down):
    moved = torch.full_like(images, images.min())
    for y in range(max(0, down), min(28, 28 + down)):
        for x in range(max(0, right), min(28, 28 + right)):
            moved[:, :, y, x] = images[:, :, y - down, x - right]
    return moved


def shift_both_alike(images, right, down):
    """Below 0 it takes the absolute value."""
    return shift_by_padding(images, abs(right), abs(down))


def shift_by_the_chapter(images, right, down):
    whole = torch.ones(len(images))
    return recipes.affine(images, right * whole, down * whole, 0 * whole, whole)


def shift_smeared(images, right, down):
    height, width = images.shape[2:]
    rows, columns = torch.arange(height) - down, torch.arange(width) - right
    return images[:, :, rows.clamp(0, height - 1)][:, :, :, columns.clamp(0, width - 1)]


# --- 6.4 ---


def ladder():
    """Steps of +0.20, −0.02, +0.50, and +0.01, on which the spread is largest; the rows' means are easy to check."""
    return {
        "ladder": {
            "course": [98.0, 98.1, 97.9],
            "one_cycle": [98.2, 98.25, 98.15],
            "less_dropout": [98.18, 98.17, 98.19],
            "augmented": [98.68, 98.7, 98.66],
            "best": [98.69, 98.99, 98.39],
        }
    }


CONTEXT = {"6.4": ladder}

RIGHT = {
    "6.1": [(7820, 1564), [782 * 10, 7820 / 5], (torch.tensor(7820), 1564.0), np.array([7820, 0.2 * 7820])],
    "6.2": [
        rate_in_two_branches,
        lambda step, steps, peak: np.interp(step, [0, 0.2 * steps, steps], [0, peak, 0]),
        lambda step, steps, peak: peak * min(5 * step / steps, 1.25 * (1 - step / steps)),
        lambda step, steps, peak: torch.tensor([peak * min(5 * step / steps, 1.25 * (1 - step / steps))]),
    ],
    "6.3": [
        shift_by_index,
        shift_by_roll,
        shift_by_padding,
        shift_by_slices,
        shift_on_paper_of_zeros,
        shift_with_numpy,
        shift_one_by_one,
    ],
    "6.4": [
        np.array(["augmented", "less_dropout"]),
        ("augmented", "less_dropout"),
        ["Augmented", "less dropout"],
        (" augmented", "less-dropout "),
    ],
    "6.5": [
        lambda before, after: (after - before) / (1 - before),
        lambda before, after: 1 - (1 - after) / (1 - before),
        lambda before, after: torch.tensor([((1 - before) - (1 - after)) / (1 - before)]),
        lambda before, after: (Fraction(after) - Fraction(before)) / (1 - Fraction(before)),
        lambda before, after: round((after - before) / (1 - before), 4),
    ],
}

WRONG = {
    "6.1": [
        ((7810, 1562), "a step of their own"),
        ((7812.5, 1562.5), "no part of a batch"),
        ((7813, 1563), "no part of a batch"),
        ((782, 156), "That is for one epoch"),
        ((781, 156), "And the images left over"),
        ((9380, 1876), "10,000 are held out"),
        ((500_000, 100_000), "Those are images"),
        ((50_000 / 64 * 10, 1562), "no part of a batch"),
        ((1564, 7820), "but swapped"),
        ((7000, 1400), "How many batches does one epoch have"),
        ((7820, 156), "a fifth of one epoch"),
        ((7820, 156.4), "a fifth of one epoch"),
        ((7820, 2), "how many are in two epochs"),
        ((7820, 6256), "counted from the end"),
        ((7820, 3910), "halfway"),
        ((7820, 1563), "counts from 0"),
        ((7820, 1562), "a fifth of another number"),
        ((7820, 0.2), "the share"),
        ((7820, 1600), "1600 is not right. Where does"),
        ((7820, None), "step of the peak is still missing"),
        (7820, "I expected two numbers"),
        (("7820", "1564"), "I expected two numbers"),
    ],
    "6.2": [
        (rate_that_turns_at(math.floor), "You rounded the turn"),
        (rate_that_turns_at(round), "You rounded the turn"),
        (rate_by(rise, lambda s, f, n: 1 - s / n), "counted from step 0"),
        (rate_by(rise, lambda s, f, n: 1 - 1.25 * s / n), "counted from step 0"),
        (rate_by(rise, lambda s, f, n: 1 - (s - f) / n), "never reaches 0"),
        (rate_by(rise, lambda s, f, n: 1 - (s - f) / f), "at 0 too soon"),
        (rate_by(rise, lambda s, f, n: max(0, 1 - (s - f) / f)), "at 0 too soon"),
        (rate_by(rise, rise), "It rises and rises"),
        (lambda step, steps, peak: peak * min(1, 5 * step / steps), "it stays up there"),
        (lambda step, steps, peak: peak * min(2 * step / steps, 2 - 2 * step / steps), "halfway"),
        (lambda step, steps, peak: peak * min(1.25 * step / steps, 5 - 5 * step / steps), "after four fifths"),
        (lambda step, steps, peak: rate_in_two_branches(step, steps, 1), "its top is 1"),
        (lambda step, steps, peak: rate_in_two_branches(step, steps, 0.05), "always 0.05"),
        (lambda step, steps, peak: rate_in_two_branches(step, steps, 0.004), "With a higher `peak`"),
        (rate_for_the_chapter, "With twice the `steps`"),
        (rate_by(lambda s, f, n: s // f, lambda s, f, n: (n - s) // (n - f)), "Zero everywhere"),
        (rate_by(lambda s, f, n: s // f, fall), "// drops everything"),
        (lambda step, steps, peak: peak * min(5 * step // steps, 1), "// drops everything"),
        (rate_by(lambda s, f, n: curved(s / f), lambda s, f, n: curved(fall(s, f, n))), "curved, like a cosine"),
        (rate_by(rise, lambda s, f, n: curved(fall(s, f, n))), "On the fall: the ends"),
        (rate_by(lambda s, f, n: curved(s / f), fall), "On the rise: the ends"),
        (lambda steps, step, peak: rate_in_two_branches(step, steps, peak), "`step` and `steps` are swapped"),
        (lambda step, peak, steps: rate_in_two_branches(step, steps, peak), "`steps` and `peak` are swapped"),
        (lambda step, steps, peak: rate_in_two_branches(step + 1, steps, peak), "one step ahead"),
        (lambda step, steps, peak: rate_in_two_branches(step - 1, steps, peak), "one step behind"),
        (lambda step, steps, peak: peak - rate_in_two_branches(step, steps, peak), "Upside down"),
        (rate_by(fall, fall), "has a line of its own"),
        (lambda step, steps, peak: peak * max(5 * step / steps, 1.25 * (1 - step / steps)), "the larger of two"),
        (rate_by(lambda s, f, n: s / n, fall), "The rise is too slow"),
        (rate_by(rise, lambda s, f, n: (s - f) / (n - f)), "rises once more"),
        (rate_by(lambda s, f, n: 1 / 25 + 24 / 25 * s / f, fall), "a 25th of the peak, as PyTorch's"),
        (rate_of_pytorch, "PyTorch's own schedule"),
        (rate_by(rise, lambda s, f, n: fall(s, f, n) ** 2), "this is on the fall"),
        (rate_by(lambda s, f, n: (s / f) ** 2, fall), "That is on the rise"),
        (lambda step, steps, peak: round(rate_in_two_branches(step, steps, peak), 2), "rounded"),
        (rate_that_misses_the_turn, "The way between is right. For step="),
        (lambda step, steps, peak: rate_in_two_branches(step, steps, peak) if step > 0 else 0.01, "At step 0"),
        (lambda step, steps, peak: [rate_in_two_branches(k, steps, peak) for k in range(steps)], "I expected one number"),
        (lambda step, steps: 0, "TypeError"),
        (0.05, "I expected a function"),
    ],
    "6.3": [
        (lambda images, right, down: images.roll((down, right), (2, 3)), "wraps around"),
        (lambda images, right, down: images.roll((right, down), (2, 3)), "are swapped"),
        (lambda images, right, down: shift_by_padding(images, down, right), "two axes are swapped: rows"),
        (lambda images, right, down: shift_by_padding(images, -right, -down), "move the other way"),
        (lambda images, right, down: shift_by_padding(images, -right, down), "sideways your images move the wrong way"),
        (lambda images, right, down: shift_by_padding(images, right, -down), "up instead of down"),
        (lambda images, right, down: shift_by_padding(images, right, 0), "nothing moves down"),
        (lambda images, right, down: shift_by_padding(images, 0, down), "nothing moves sideways"),
        (shift_with_zeros, "a light gray"),
        (lambda images, right, down: shift_with_zeros(images, -right, -down), "move the other way"),
        (lambda images, right, down: F.pad(images, (right, -right, down, -down), value=-0.2424), "What moved is right"),
        (shift_filled_with(lambda images: images[0].min()), "smallest value of the first image"),
        (shift_filled_with(lambda images: images[-1].min()), "smallest value of the last image"),
        (shift_filled_with(lambda images: images.amin((1, 2, 3), keepdim=True)), "its own smallest value"),
        (shift_a_clone, "Start from paper"),
        (shift_smeared, "[1.0, 5.0, 6.0, 7.0]], got=[[1.0, 1.0, 2.0, 3.0]"),
        (lambda images, right, down: shift_by_padding(images, right, down) if right or down else images, "images.clone()"),
        (shift_by_the_chapter, "recipes.affine makes"),
        (shift_in_place, "changed the tensor"),
        (lambda images, right, down: shift_by_padding(images, right, down)[:, 0], "the channel axis got lost"),
        (lambda images, right, down: shift_by_padding(images, right, down)[0, 0], "Only the first image"),
        (lambda images, right, down: F.pad(images, (right, 0, down, 0), value=images.min().item()), "Cut them back"),
        (lambda images, right, down: images[:, :, : images.shape[2] - down, : images.shape[3] - right], "have become smaller"),
        (shift_to_the_right_only, "To the right and down it works. For images"),
        (shift_by_slices_of_one_sign, "counts `[-2:]` and `[:-2]` from the end"),
        (shift_both_alike, "To the right and down it works. For images"),
        (shift_by_negative_ends, "`[:-0]` means up to place 0"),
        (shift_in_four_branches, "Here one is 0"),
        (shift_into_28, "a fixed 28"),
        (shift_by_index_up_to_28, "a fixed 28"),
        (lambda images, right, down: shift_by_padding(images, right, down).double(), "of type float64"),
        (lambda images, right, down: shift_by_padding(images, right, down).int(), "whole numbers"),
        (lambda images, right, down: images, "came back as they were"),
        (lambda images, right, down: torch.full_like(images, images.min()), "Everything is paper"),
        (lambda images, right, down: images + right + down, "[n, 0, y + down, x + right]"),
    ],
    "6.4": [
        (("course", "less_dropout"), "where the ladder begins"),
        (("augmented", "course"), "where the ladder begins"),
        (("best", "less_dropout"), "the row with the highest mean"),
        (("less_dropout", "augmented"), "but swapped"),
        (("less_dropout", "best"), "One row off"),
        (("augmented", "best"), "goes backward,"),
        (("augmented", "one_cycle"), "One row off"),
        (("one_cycle", "less_dropout"), "Most: the step to 'one_cycle' brings +0.20 points"),
        (("augmented", "augmented"), "the same step twice"),
        (("augmentation", "less_dropout"), "no row called 'augmentation'"),
        (("less_dropout → augmented", "best"), "there are two rows"),
        ((0.5, -0.02), "in quotes"),
        (("augmented", None), "I expected two names"),
        ("augmented", "I expected two names"),
    ],
    "6.5": [
        (lambda before, after: after - before, "difference of the two accuracies"),
        (lambda before, after: 100 * (after - before), "let it be a share"),
        (lambda before, after: before - after, "mind the order"),
        (lambda before, after: after / before, "compares the hits"),
        (lambda before, after: (after - before) / before, "the *hits* before"),
        (lambda before, after: 1 - before / after, "the *hits* after"),
        (lambda before, after: (1 - after) / (1 - before), "that remains"),
        (lambda before, after: 100 * (after - before) / (1 - before), "in percent"),
        (lambda before, after: (after - before) / (1 - after), "the errors *after*"),
        (lambda before, after: (1 - before) / (1 - after), "how many times"),
        (lambda before, after: (before - after) / (1 - before), "the sign is not"),
        (lambda after, before: (after - before) / (1 - before), "were swapped"),
        (lambda before, after: (100 - before - (100 - after)) / (100 - before), "work for percentages"),
        (lambda before, after: (after - before) / 1 - before, "Parentheses are missing"),
        (lambda before, after: (1 - before - 1 - after) / (1 - before), "Minus a minus"),
        (lambda before, after: round((after - before) / (1 - before), 2), "rounded"),
        (lambda before, after: abs(after - before) / (1 - before), "Does abs() hide it"),
        (lambda before, after: max(0, after - before) / (1 - before), "so that it shows"),
        (lambda before, after: abs(after - before) / (1 - min(before, after)), "Here it got worse"),
        (lambda before, after: (after - before) / (1 - min(before, after)), "the larger of the two"),
        (lambda before, after: round((after - before) / (1 - before)), "after the decimal point"),
        (lambda before, after: max(-1, (after - before) / (1 - before)), "For before=0.9, after=0.5, I expected -4"),
        (lambda before, after: (after - before) / (1 - before) if after < 1 else 0, "all of them are gone"),
        (lambda before, after: 0.5, "a name of the notebook"),
        (lambda before, after: (1 - before, 1 - after), "I expected one number"),
    ],
}  # fmt: skip
