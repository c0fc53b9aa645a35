"""The checks of chapter 9: the update ratio, dead ReLUs, twelve diagnoses, the floor of a loss, a step that raises."""

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD

from course.clinic.cases import Case
from course.exercises import toolkit, trials
from course.exercises.calls import beside
from course.exercises.toolkit import Mistakes, WrongAnswer, between, call_answer, compare


def read(got: object, *_: object) -> object:
    """Return the one number that an answer should give, whatever its arguments were."""
    return toolkit.one_number(got)


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
        (lambda b, a: (b.norm() / (a - b).norm()).item(), "That is upside down. Divide the update by the weights, so that a small step gives a small number."),
        (lambda b, a: (a.norm() / b.norm()).item(), "You compared the weights after the step with those before it. The update is their difference: after − before."),
        (lambda b, a: ((a.norm() - b.norm()) / b.norm()).item(), "You subtracted the norms. Subtract the weights first, then take the norm: weights can move far without getting longer."),
        (lambda b, a: ((a.norm() - b.norm()).abs() / b.norm()).item(), "You subtracted the norms. Subtract the weights first, then take the norm: weights can move far without getting longer."),
        (lambda b, a: (a - b).norm().item(), "That is the norm of the update alone. Is it large or small? Divide it by the norm of the weights."),
        (lambda b, a: (a - b).square().sum().item() / b.square().sum().item(), squares),
        (lambda b, a: (a - b).abs().sum().item() / b.abs().sum().item(), absolute),
        (lambda b, a: ((a - b).mean() / b.mean()).item(), "You compared means, or sums. Positive and negative numbers cancel there; the norm squares them first."),
        (lambda b, a: ((a - b).norm(dim=1) / b.norm(dim=1)).mean().item(), "You took a norm for each row. Take one for the whole layer."),
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
        read=read,
        edges=edges,
    )
    for shape, about in (
        ((2, 1, 2, 2), "the weights of a convolution, with four axes"),
        ((3,), "a bias, with one axis"),
    ):
        before = torch.ones(shape)
        toolkit.check_edge_case(
            answer, (before, 0.9 * before), 0.1, about, "Take the norm over all axes at once.", read
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

    single = "That is the share of single numbers that are 0. In a healthy ReLU, too, many of them are. A channel is dead only if it is 0 *everywhere*: for all images, in all places."
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
        (lambda o: right(o) * o.shape[1] / len(o), "You divided by the number of images. Divide by that of channels, `outputs.shape[1]`."),
        (lambda o: 100 * right(o), "That is in percent. Return a share from 0 to 1."),
        *toolkit.rounded(right, 1, 2),
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
        read=read,
        edges=[(mostly,), (torch.zeros(2, 3, 2, 2),), (torch.ones(2, 3, 2, 2),)],
    )
    corner = torch.zeros(2, 4, 3, 3)
    corner[0, 1, 0, 0] = 1.0
    toolkit.check_edge_case(
        answer,
        (corner,),
        0.75,
        "four channels, one of which is above 0 only for the first image, in its first place",
        "That one is alive. Look at all images and all places, from index 0 on.",
        read,
    )
    return "A dead channel computes, costs time, and says nothing."


def diagnosis_of(patient: int) -> Callable:
    """Patient {}: which of the twelve mistakes it has."""

    def diagnosis(answer: object, case: Case) -> str:
        if case.title != f"Patient {patient}":
            raise WrongAnswer(
                f"This exercise is about patient {patient}, but got {case.title}. Write `case=ward[{patient}]`."
            )
        if not isinstance(answer, str):
            raise WrongAnswer(
                f'I expected one of the twelve names, such as "no eval", and got {toolkit.describe(answer)}.'
            )
        passed, words = case.verdict(answer)
        if not passed:
            raise WrongAnswer(words)
        return words

    return diagnosis


def lowest_loss(answer: Callable) -> str:
    """A function that says how low the loss can get with a softmax too many."""

    def right(classes: int) -> float:
        return math.log(1 + (classes - 1) / math.e)

    wrong_base = "The logarithm in this loss is the natural one, `math.log`."
    common_mistakes: Mistakes = [
        (math.log, "That is the loss of guessing. Here the answer is as good as it can be: the probability 1 for the label, 0 for all other classes."),
        (lambda k: 0, "That would be so if the loss took probabilities. But it takes logits: it applies a softmax to what it gets, here a 1 and many 0."),
        (lambda k: math.log(1 + k / math.e), "Nearly. How many *other* classes are there? The label isn't one of them."),
        (lambda k: math.log(1 + k * math.e), "Work out the softmax again: the 1 becomes e, each 0 becomes 1. The label's probability is its e, divided by the sum of them all."),
        (lambda k: math.log(math.e + k - 1), "That is the logarithm of the sum alone. The softmax of the label is e divided by that sum."),
        (lambda k: -right(k), "The sign is wrong: the loss is *minus* the logarithm of a probability."),
        (lambda k: math.e / (math.e + k - 1), "That is the probability that the second softmax gives the label. The loss is minus its logarithm."),
        (lambda k: 1 + (k - 1) / math.e, "That is 1 over the probability of the label. Take the logarithm."),
        (lambda k: math.log2(1 + (k - 1) / math.e), wrong_base),
        (lambda k: math.log10(1 + (k - 1) / math.e), wrong_base),
        (lambda k: math.log1p(9 / math.e), "That is the right number for ten classes. Use the argument."),
        (lambda k: math.log1p((k - 1) / 2.718), "You wrote *e* with too few digits. Use `math.e`."),
        *toolkit.rounded(right, 2, 3),
    ]  # fmt: skip
    toolkit.check_function(
        answer,
        lambda: (between(3, 200),),
        right,
        common_mistakes,
        hint="Which numbers does the loss get from a perfect network? Apply the softmax to them by hand.",
        tolerance=1e-5,
        read=read,
        edges=[(2,), (10,), (1000,)],
    )
    return "For ten classes that is 1.461. If a loss settles there, look for a second softmax."


def stepping(
    order: str = "zfbs", train: bool = True, pixels: Callable = lambda gray: gray / 255, loss: Callable = F.nll_loss
) -> Callable:
    """Return a function that takes a step, or does it wrongly, and returns its losses: before, and after twice.

    z clears the gradients, f computes the loss, b its gradients, and s steps; `train` is dropout.
    """

    def one_step(images: Tensor, labels: Tensor, model: nn.Module, optimizer: SGD) -> Tensor:
        batch = pixels(images.unsqueeze(1).float()), labels.long()
        model.train(train)
        with torch.no_grad():
            unstepped = loss(model.eval()(batch[0]), batch[1])
        model.train(train)
        for letter in order:
            if letter == "f":
                before = loss(model(batch[0]), batch[1])
            elif letter == "b":
                before.backward()
            else:
                (optimizer.zero_grad if letter == "z" else optimizer.step)()
        with torch.no_grad():
            after = [loss(model.train(mode)(batch[0]), batch[1]) for mode in (True, False)]
        return torch.stack([before, unstepped, *after]).detach()

    return one_step


def one_step(answer: Callable) -> str:
    """A function to repair: it takes one step on a batch, and returns the loss."""
    count = between(5, 9)
    normalized = "That is what comes of normalized pixels. Here they should only go from 0 to 1."
    common_mistakes = [
        (stepping("fbs"), "The gradients of an earlier step were still there, and yours were added to them. Which line clears them?"),
        (stepping("szfb"), "The step came before the gradients of this batch were computed, so it followed the old ones."),
        (stepping("zfb"), "The weights are as they were. Which line moves them?"),
        (stepping("zfbss"), "Two steps were taken. One is asked for."),
        (stepping(train=False), "That is what comes out with dropout off. The model may come in either mode: switch it to the one for learning."),
        (stepping("fbs", train=False), "Dropout was off, and old gradients were still there: two lines are missing at the top."),
        (stepping(pixels=lambda gray: gray), "The pixels went in as 0 to 255. Nothing complains about that, but they should go from 0 to 1: divide by 255."),
        (stepping(pixels=lambda gray: gray / 255 / 255), "The pixels were divided by 255 twice, so that all of them are nearly 0."),
        (stepping(pixels=lambda gray: (gray / 255 - 0.1307) / 0.3081), normalized),
        (stepping(pixels=lambda gray: (gray / 255 - 0.5) / 0.5), normalized),
        (stepping(pixels=lambda gray: (gray / 255).round()), "Every pixel became 0 or 1: something rounds them. Keep the values in between."),
        (stepping(pixels=lambda gray: gray // 255), "Nearly every pixel became 0: `//`, or a conversion to whole numbers, cuts off everything after the decimal point."),
        (stepping(loss=lambda found, labels: F.nll_loss(found, labels, reduction="sum")), "The loss was a sum over the images. Take the mean: then the size of a batch doesn't change how long its step is."),
        *[(stepping(loss=lambda found, labels, of=of: of(found.exp(), labels)), "The loss got probabilities. It expects log-probabilities, which is what the model returns: pass them on as they are.") for of in (F.nll_loss, F.cross_entropy)],
        (stepping(loss=lambda found, labels: -F.nll_loss(found, labels)), "The step went uphill. Is there a minus sign too many?"),
    ]  # fmt: skip

    def draw() -> tuple[Tensor, Tensor, Tensor]:
        images = torch.randint(0, 256, (count, 28, 28), dtype=torch.uint8)
        return trials.weights(trials.convolving_network()), images, torch.randint(0, 10, (count,)).float()

    def trace(step: Callable) -> Callable:
        return lambda *inputs: trials.batch_step(step, *inputs)[0]  # type: ignore[index]  # ours return something

    traced = [(trace(wrong), words) for wrong, words in common_mistakes]
    for _ in range(200):  # until no mistake in the number could be taken for another, either
        inputs, right, mistakes = toolkit.draw_distinct(draw, trace(stepping()), traced, 1e-3)
        loss, wrong_losses = _losses(trials.batch_step(stepping(), *inputs)[1])  # type: ignore[index]
        if toolkit.distinct(loss, wrong_losses, 4e-4):
            break
    after, got = call_answer(beside(trials.batch_step, answer), *inputs, may_change=True)
    about = f"a batch of {count} images"
    if not toolkit.same(after[:-2], right[:-2]):
        hint = _why(not toolkit.same(after[:-2], inputs[0]), *after[-2:].int().tolist())
        compare(after, right, f"the weights after {about}", mistakes, hint=hint)
    compare(
        got,
        loss,
        f"the loss of {about}",
        wrong_losses,
        hint="The step is right. Return the loss that backward() was called on.",
    )
    if isinstance(got, Tensor):
        notes = ", with autograd's notes in memory as long as you keep it" if got.requires_grad else ""
        raise WrongAnswer(
            f"The step and the number are right. But the loss is still a tensor{notes}. Make it a float: .item()."
        )
    if not isinstance(got, float):
        raise WrongAnswer(
            f"The step and the number are right. Return a Python float; you returned {toolkit.describe(got)}."
        )
    return "You read three messages, and found what raises none."


def _why(moved: bool, gradients: int, steps: int) -> str:
    """Say what may be wrong with a step, from how often what was done."""
    possible = [
        (gradients == 0, "No gradient of this model was ever computed. Which line does that?"),
        (steps == 0 and moved, "Something else moved the weights: `optimizer` took no step. Use the one that your function was given."),
        (steps == 0, "`optimizer` took no step. Which line moves the weights?"),
        (not moved, "At the step there were no gradients: they were computed after it, or cleared in between. Clear, compute, step: in that order."),
        ((gradients, steps) != (1, 1), f"There should be one call of backward() and one step; I counted {gradients} and {steps}."),
        (True, "There was one call of backward() and one step. So look at what went into the model and the loss. Is it all images, with pixels from 0 to 1? Are the labels the ones that came, with only their type changed? Is the loss F.nll_loss, with nothing added?"),
    ]  # fmt: skip
    return next(words for found, words in possible if found)


def _losses(losses: Tensor) -> tuple[float, list[tuple[object, str]]]:
    """Return the loss of a right step, and the numbers that come of common mistakes, with words."""
    right, without_dropout, *later = losses.tolist()
    common_mistakes = [
        (without_dropout, "That is the loss with dropout off. Return the one that backward() was called on."),
        *[(loss, "That loss was computed after the step. Return the one that backward() was called on.") for loss in later],
        (-right, "But the number that you returned has the wrong sign: this loss is never below 0."),
        *[(round(right, digits), toolkit.ROUNDED) for digits in (0, 1, 2)],
    ]  # fmt: skip
    return right, [(value, f"The step is right. {words}") for value, words in common_mistakes]


CHECKS: dict[str, Callable] = {
    "9.1": update_ratio,
    "9.2": dead_share,
    "9.3": diagnosis_of(1),
    "9.4": diagnosis_of(2),
    "9.5": diagnosis_of(3),
    "9.6": diagnosis_of(4),
    "9.7": diagnosis_of(5),
    "9.8": diagnosis_of(6),
    "9.9": diagnosis_of(7),
    "9.10": diagnosis_of(8),
    "9.11": diagnosis_of(9),
    "9.12": diagnosis_of(10),
    "9.13": diagnosis_of(11),
    "9.14": diagnosis_of(12),
    "9.15": lowest_loss,
    "9.16": one_step,
}
