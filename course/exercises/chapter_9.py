"""The checks of chapter 9: the update ratio, dead ReLUs, twelve diagnoses, the floor of a loss, a step that raises."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from course.clinic.cases import Case
from course.exercises import toolkit
from course.exercises.toolkit import Mistakes, WrongAnswer, between


def update_ratio(answer: Callable) -> str:
    """A function that says how large an update is, compared with the weights."""

    def right(before: Tensor, after: Tensor) -> float:
        return ((after - before).norm() / before.norm()).item()

    def draw() -> tuple[Tensor, Tensor]:
        before = torch.randn(between(2, 5), between(2, 5)) * between(1, 4)
        return before, before + 0.05 * (1 + torch.rand(1)) * torch.randn_like(before)

    squares = "You compared sums of squares. The norm is the *root* of the sum of squares."
    absolute = "You added absolute values. The norm is the root of the sum of *squares*."
    one_by_one = (
        "You divided weight by weight. First one norm for the whole update and one for all weights, then divide."
    )
    common_mistakes: Mistakes = [
        (lambda b, a: ((a - b).norm() / a.norm()).item(), "Nearly: you divided by the norm of the weights *after* the step. Divide by those before it."),
        (lambda b, a: (b.norm() / (a - b).norm()).item(), "That is upside down: update over weights, so that a small step is a small number."),
        (lambda b, a: (a.norm() / b.norm()).item(), "You compared the weights after the step with those before it. The update is their difference: after − before."),
        (lambda b, a: ((a.norm() - b.norm()) / b.norm()).item(), "You subtracted the norms. Subtract the weights first, then take the norm: weights can move far without getting longer."),
        (lambda b, a: ((a.norm() - b.norm()).abs() / b.norm()).item(), "You subtracted the norms. Subtract the weights first, then take the norm: weights can move far without getting longer."),
        (lambda b, a: (a - b).norm().item(), "That is the norm of the update alone. Is it large or small? Divide it by the norm of the weights."),
        (lambda b, a: (a - b).square().sum().item() / b.square().sum().item(), squares),
        (lambda b, a: (a - b).abs().sum().item() / b.abs().sum().item(), absolute),
        (lambda b, a: ((a - b).mean() / b.mean()).item(), "You compared means, or sums. Positive and negative numbers cancel there; the norm squares them first."),
        (lambda b, a: ((a - b) / b).norm().item(), one_by_one),
        (lambda b, a: ((a - b) / b).abs().mean().item(), one_by_one),
        (lambda b, a: ((a - b) / b).mean().item(), one_by_one),
        (lambda b, a: ((a - b).std() / b.std()).item(), "You compared standard deviations, which first subtract the mean. The norm doesn't."),
        (lambda b, a: 100 * right(b, a), "That is in percent. Return the plain ratio."),
        *toolkit.rounded(right, 2, 3),
    ]  # fmt: skip
    still = torch.tensor([[3.0, 4.0]])
    edges = [(still, still + torch.tensor([[0.3, 0.4]])), (still, torch.tensor([[-3.0, 4.0]]))]
    toolkit.check_function(
        answer,
        draw,
        right,
        common_mistakes,
        hint="`(after - before).norm()` is the size of the update. What is the size of the weights?",
        read=lambda got, *_: toolkit.one_number(got),
        edges=edges,
    )
    return "`helpers/diagnosis.py` has the same function, and also knows what to do with weights that are all 0."


def dead_share(answer: Callable) -> str:
    """A function that says which share of a ReLU's channels is dead."""

    def right(outputs: Tensor) -> float:
        return (outputs.amax(dim=(0, 2, 3)) == 0).double().mean().item()

    def draw() -> tuple[Tensor]:
        outputs = torch.randn(between(3, 6), between(5, 9), 3, 3).relu()
        outputs[:, torch.randperm(outputs.shape[1])[: between(1, 4)]] = 0
        outputs[-1] = 0  # one image without any answer
        outputs[:, :, 0] = 0  # and a row of every map
        outputs[0, int(torch.randint(outputs.shape[1], (1,)))] = 0
        return (outputs,)

    single = "That is the share of single numbers that are 0. About half of them are, in any ReLU. A channel is dead only if it is 0 *everywhere*: for all images, in all places."
    maps = "You looked at each image by itself. A channel is dead only if it is 0 for *all* of them."
    common_mistakes: Mistakes = [
        (lambda o: (o == 0).double().mean().item(), single),
        (lambda o: (o[0].amax(dim=(1, 2)) == 0).double().mean().item(), "You looked at the first image alone. A channel is dead only if it is 0 for all images."),
        (lambda o: (o.amax(dim=(2, 3)) == 0).double().mean().item(), maps),
        (lambda o: (o.amax(dim=(1, 2, 3)) == 0).double().mean().item(), "That is the share of *images* without any answer: you kept axis 0. Channels are axis 1."),
        (lambda o: (o.amax(dim=0) == 0).double().mean().item(), "You counted places. A channel is dead only if it is 0 in all its places: go over axes 2 and 3 as well."),
        (lambda o: (o == 0).any(dim=0).flatten(1).any(dim=1).double().mean().item(), "You counted channels that are 0 *somewhere*. Dead means 0 everywhere: all, not any."),
        (lambda o: 1 - right(o), "That is the share of channels that are alive."),
        (lambda o: right(o) * o.shape[1], "That is how many are dead. Divide by the number of channels."),
        (lambda o: 100 * right(o), "That is in percent. Return a share from 0 to 1."),
        *toolkit.rounded(right, 1),
    ]  # fmt: skip
    mostly = torch.zeros(2, 4, 2, 2)
    mostly[1, 2, 1, 1] = 1e-6  # alive, if barely
    toolkit.check_function(
        answer,
        draw,
        right,
        common_mistakes,
        about=lambda outputs: f"outputs of shape {tuple(outputs.shape)}",
        hint="The largest number of each channel, over all images and places, is 0 if the channel is dead: `amax`.",
        read=lambda got, *_: toolkit.one_number(got),
        edges=[(mostly,), (torch.zeros(2, 3, 2, 2),), (torch.ones(2, 3, 2, 2),)],
    )
    return "A dead channel computes, costs time, and says nothing."


def diagnosis(answer: object, case: Case) -> str:
    """A diagnosis: which of the twelve mistakes it is."""
    if not isinstance(answer, str):
        raise WrongAnswer(f'I expected one of the twelve names, such as "no eval", and got {toolkit.describe(answer)}.')
    passed, words = case.verdict(answer)
    if not passed:
        raise WrongAnswer(words)
    return words


def lowest_loss(answer: Callable) -> str:
    """A function that says how low the loss can get with a softmax too many."""

    def right(classes: int) -> float:
        return math.log(1 + (classes - 1) / math.e)

    wrong_base = "The logarithm of a loss is the natural one, `math.log`."
    common_mistakes: Mistakes = [
        (math.log, "That is the loss of guessing. Here the answer is as good as it can be: the probability 1 for the label, 0 for all other classes."),
        (lambda k: 0, "That would be so if the loss took probabilities. But it takes logits: it applies a softmax to what it gets, here a 1 and many 0."),
        (lambda k: math.log(1 + k / math.e), "Nearly. How many *other* classes are there? The label isn't one of them."),
        (lambda k: math.log(1 + k * math.e), "Divide the numerator by the sum once more: the 1 becomes e, each 0 becomes 1."),
        (lambda k: math.log(math.e + k - 1), "That is the logarithm of the sum alone. The softmax of the label is e divided by that sum."),
        (lambda k: -right(k), "The sign is wrong: the loss is *minus* the logarithm of a probability."),
        (lambda k: math.e / (math.e + k - 1), "That is the probability that the second softmax gives the label. The loss is minus its logarithm."),
        (lambda k: 1 + (k - 1) / math.e, "That is 1 over the probability of the label. Take the logarithm."),
        (lambda k: math.log2(1 + (k - 1) / math.e), wrong_base),
        (lambda k: math.log10(1 + (k - 1) / math.e), wrong_base),
        (lambda k: math.log1p(9 / math.e), "That is the right number for ten classes. Use the argument."),
        *toolkit.rounded(right, 2),
    ]  # fmt: skip
    toolkit.check_function(
        answer,
        lambda: (between(3, 200),),
        right,
        common_mistakes,
        hint="Which numbers does the loss get from a perfect network? Apply the softmax to them by hand.",
        read=lambda got, *_: toolkit.one_number(got),
        edges=[(2,), (10,), (1000,)],
    )
    return "For ten classes that is 1.461. If a loss settles there, look for a second softmax."


CHECKS: dict[str, Callable] = {
    "9.1": update_ratio,
    "9.2": dead_share,
    "9.3": diagnosis,
    "9.4": diagnosis,
    "9.5": diagnosis,
    "9.6": diagnosis,
    "9.7": diagnosis,
    "9.8": diagnosis,
    "9.9": diagnosis,
    "9.10": diagnosis,
    "9.11": diagnosis,
    "9.12": diagnosis,
    "9.13": diagnosis,
    "9.14": diagnosis,
    "9.15": lowest_loss,
}
