"""Right and wrong answers to the exercises of chapter 9."""

import math

import numpy as np
import torch
from torch.nn import functional as F

from course.clinic.cases import ORDER, Case
from course.clinic.patients import PATIENTS
from helpers.diagnosis import USUAL


def ratio_by_hand(before, after):
    moved = sum((b - a) ** 2 for b, a in zip(before.flatten().tolist(), after.flatten().tolist(), strict=True))
    return math.sqrt(moved) / math.sqrt(sum(weight**2 for weight in before.flatten().tolist()))


def ratio_of_numpy(before, after):
    return np.linalg.norm(after.numpy() - before.numpy()) / np.linalg.norm(before.numpy())


def ratio_in_place(before, after):
    after -= before
    return after.norm() / before.norm()


def dead_by_counting(outputs):
    channels = outputs.shape[1]
    return sum(not outputs[:, channel].any() for channel in range(channels)) / channels


def dead_by_sums(outputs):
    return (outputs.sum(dim=(0, 2, 3)) == 0).float().mean()


def floor_measured(classes):
    return F.cross_entropy(F.one_hot(torch.tensor([0]), classes).double(), torch.tensor([0]))


def floor_by_softmax(classes):
    return -math.log(math.e / (math.e + classes - 1))


def patient(number):
    """Return what the check of a diagnosis is given: a patient that shows exactly the signs it must, untrained."""

    def make():
        name = ORDER[number - 1]
        case = Case(f"Patient {number}", PATIENTS[name].changes, None, None, 0)
        case.says = USUAL | PATIENTS[name].signs
        return {"case": case}

    return make


CONTEXT = {f"9.{number + 2}": patient(number) for number in range(1, 13)}

RIGHT = {
    "9.1": [
        ratio_by_hand,
        ratio_of_numpy,
        lambda before, after: torch.linalg.norm(before - after) / torch.linalg.norm(before),
        lambda before, after: ((after - before).square().sum() / before.square().sum()).sqrt(),
    ],
    "9.2": [
        dead_by_counting,
        dead_by_sums,
        lambda outputs: (outputs == 0).all(dim=0).flatten(1).all(dim=1).float().mean(),
        lambda outputs: (~outputs.numpy().any(axis=(0, 2, 3))).mean(),
        lambda outputs: (outputs.transpose(0, 1).flatten(1).max(dim=1).values <= 0).double().mean().item(),
    ],
    **{f"9.{number + 2}": [name, f" {name.upper()} "] for number, name in enumerate(ORDER, start=1)},
    "9.15": [floor_measured, floor_by_softmax, lambda k: np.log1p((k - 1) * np.exp(-1)), lambda k: torch.tensor([1.0] + [0.0] * (k - 1)).logsumexp(0) - 1],
}  # fmt: skip

WRONG = {
    "9.1": [
        (lambda b, a: (a - b).norm() / a.norm(), "Divide by those before it"),
        (lambda b, a: b.norm() / (a - b).norm(), "upside down"),
        (lambda b, a: a.norm() / b.norm(), "The update is their difference"),
        (lambda b, a: (a.norm() - b.norm()) / b.norm(), "You subtracted the norms"),
        (lambda b, a: abs(a.norm() - b.norm()) / b.norm(), "You subtracted the norms"),
        (lambda b, a: (a - b).norm(), "the norm of the update alone"),
        (lambda b, a: (a - b).square().sum() / b.square().sum(), "sums of squares"),
        (lambda b, a: (a - b).abs().sum() / b.abs().sum(), "absolute values"),
        (lambda b, a: (a - b).mean() / b.mean(), "You compared means, or sums"),
        (lambda b, a: (a - b).sum() / b.sum(), "You compared means, or sums"),
        (lambda b, a: ((a - b) / b).norm(), "weight by weight"),
        (lambda b, a: ((a - b) / b).abs().mean(), "weight by weight"),
        (lambda b, a: (a - b).std() / b.std(), "standard deviations"),
        (lambda b, a: 100 * ((a - b).norm() / b.norm()), "in percent"),
        (lambda b, a: round(((a - b).norm() / b.norm()).item(), 3), "That is rounded"),
        (lambda b, a: (a - b) / b, "I expected one number"),
        (ratio_in_place, "changed the tensor"),
        (5, "I expected a function"),
    ],
    "9.2": [
        (lambda o: (o == 0).float().mean(), "single numbers"),
        (lambda o: (o[0].amax(dim=(1, 2)) == 0).float().mean(), "the first image alone"),
        (lambda o: (o.amax(dim=(2, 3)) == 0).float().mean(), "each image by itself"),
        (lambda o: (o.amax(dim=(1, 2, 3)) == 0).float().mean(), "share of *images*"),
        (lambda o: (o.amax(dim=0) == 0).float().mean(), "You counted places"),
        (lambda o: (o == 0).any(dim=0).flatten(1).any(dim=1).float().mean(), "0 *somewhere*"),
        (lambda o: 1 - dead_by_sums(o), "channels that are alive"),
        (lambda o: (o.amax(dim=(0, 2, 3)) == 0).sum(), "Divide by the number of channels"),
        (lambda o: 100 * dead_by_sums(o), "in percent"),
        (lambda o: round(dead_by_sums(o).item(), 1), "That is rounded"),
        (lambda o: o.amax(dim=(0, 2, 3)) == 0, "I expected one number"),
        (lambda o: o.amax(dim=7), "Dimension out of range"),
    ],
    **{
        f"9.{number + 2}": [
            *((wrong, "Here ") for wrong in ORDER if wrong != name),
            (name[:-1] + "x", f"Did you mean `{name}`?"),
            ("bad luck", "is none of the twelve. Choose one of:"),
            ("", "is none of the twelve"),
            (7, "I expected one of the twelve names"),
            ([name], "I expected one of the twelve names"),
        ]
        for number, name in enumerate(ORDER, start=1)
    },
    "9.15": [
        (math.log, "the loss of guessing"),
        (lambda k: 0.0, "it takes logits"),
        (lambda k: math.log(1 + k / math.e), "*other* classes"),
        (lambda k: math.log(math.e + k - 1), "the logarithm of the sum alone"),
        (lambda k: math.log(math.e / (math.e + k - 1)), "The sign is wrong"),
        (lambda k: math.e / (math.e + k - 1), "The loss is minus its logarithm"),
        (lambda k: (math.e + k - 1) / math.e, "Take the logarithm"),
        (lambda k: math.log2(1 + (k - 1) / math.e), "the natural one"),
        (lambda k: math.log10(1 + (k - 1) / math.e), "the natural one"),
        (lambda k: 1.461, "I expected"),
        (lambda k: math.log1p(9 / math.e), "Use the argument"),
        (lambda k: round(math.log1p((k - 1) / math.e), 2), "That is rounded"),
        (lambda k: "1.461", "I expected one number"),
    ],
}  # fmt: skip
