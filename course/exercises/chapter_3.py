"""The checks of chapter 3: gradients, steps, the training loop, measuring, early stopping."""

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD
from torch.utils.data import DataLoader

from course.exercises import toolkit, trials
from course.exercises.calls import beside
from course.exercises.toolkit import WrongAnswer, call_answer, compare, describe, distinct, refuse, same
from course.exercises.trials import NO_BATCH, SIZES, tiny_network, weights
from helpers import training

COUNT = sum(SIZES)
BATCHES = f"{COUNT} images in batches of {', '.join(map(str, SIZES))}"
READY_MADE = training.train_epoch, training.predict, training.score, training.fit  # what 3.3 and 3.4 ask for

# --- the checks ---


def loss_change(answer: float) -> str:
    """A number: how the loss changes when one parameter is raised."""
    if isinstance(answer, str):
        raise WrongAnswer(f"I expected a number and got text, {describe(answer)}. Write it without quotes.")
    divided = "You divided. Twice the step, twice the change: that is a product."
    digits = "The digits are right, but the decimal point isn't: how many thousandths are 3 hundredths times 2 tenths?"
    common_mistakes = [
        (0.006, "The size is right. The slope is below zero: raise the parameter, and the loss falls. So which sign?"),
        (-0.03, "That is the slope itself, the change for a whole step of 1. Your step is 0.2."),
        (0.03, "That is the slope without its sign, the change for a whole step of 1. Your step is 0.2."),
        *[(sign * ratio, divided) for ratio in (0.03 / 0.2, 0.2 / 0.03) for sign in (-1, 1)],
        (0.17, "You added slope and step. The slope says how much change there is *for each* unit of the step."),
        (-0.23, "You subtracted the step. The slope says how much change there is *for each* unit of the step."),
        *[(step, "That is the step of the parameter. The question is what the loss does.") for step in (-0.2, 0.2)],
        (-0.003, "That is for a step of 0.1, as in the cell above. Here the step is 0.2."),
        *[(wrong, digits) for wrong in (-0.06, -0.6, -0.0006, -0.00006)],
    ]
    hint = "Which two numbers go together, and how?"
    compare(answer, -0.006, "a slope of −0.03 and a step of 0.2", common_mistakes, 1e-6, hint, reveal=False)
    return "Slope times step: the loss falls by about 0.006."


def sgd_step(answer: Callable) -> str:
    """A function that takes one step of plain gradient descent."""
    sizes = [6, 3, 3, 1]  # of the parameters of its tiny model
    signs = torch.randint(0, 2, (2, sum(sizes))) * 2 - 1
    p, grad = signs * torch.randint(2, 20, (2, sum(sizes))) / 10
    rate, first = (10 * toolkit.between(1, 5) + 5) / 100, torch.arange(len(p)) < sizes[0]
    right = p - rate * grad
    after, now, on, required = call_answer(beside(trials.step, answer), p, grad, rate, may_change=True)
    became = "The parameters became the step itself. Subtract the step from what was there."
    common_mistakes = [
        (p, "The model's parameters are as they were. Did you change another model, or `.grad` itself? Or: `p = p - …` makes a new tensor and leaves the old one alone. Change the one that the model holds, in place."),
        (p + rate * grad, "That is uphill: each parameter went *with* its gradient, and the loss would rise."),
        (p - grad, "You stepped by the whole gradient. `learning_rate` says how long a step is."),
        (p + grad, "You stepped by the whole gradient, and uphill. `learning_rate` says how long a step is; which way is down?"),
        (p - rate, "Every parameter went down by the same amount. The gradient should decide which way and how far: where is `.grad`?"),
        (p - rate * grad.sign(), "You used only the sign of the gradient. A larger gradient makes a longer step."),
        (p - rate * grad.abs(), "You lost the sign of the gradient: where it is below zero, the parameter should go up."),
        (p - rate * grad**2, "The gradient was multiplied by itself. The step is learning rate times gradient, and no more."),
        (p - rate**2 * grad, "The learning rate was used twice. The step is learning rate times gradient, and no more."),
        (p - 2 * rate * grad, "Each parameter moved twice as far as it should: the gradient was used twice."),
        (p - grad / rate, "You divided by the learning rate. A smaller learning rate makes a smaller step: multiply."),
        (p - 0.1 * grad, "You stepped with 0.1, as in the cell above. Use `learning_rate`, whatever it is."),
        *[(sign * rate * grad, became) for sign in (-1, 1)],
        (rate * (p - grad), "The learning rate scaled the parameter too. It should scale only the gradient."),
        (rate * p - grad, "The learning rate scaled the parameter, not the gradient. Which of the two should it scale?"),
        (p - rate * p, "The parameters only shrank. Each has a gradient, `.grad`, that tells it which way to go."),
        (p * grad * rate, "You multiplied the parameter by the step. The step should be subtracted."),
        (p - rate * p * grad, "The step was multiplied by the parameter as well. It should be learning rate times gradient, and no more."),
        (torch.where(first, right, p), "Only the first parameter tensor moved. Is there a `return` or a `break` inside the loop?"),
    ]  # fmt: skip
    hint = toolkit.words_for(after, common_mistakes, "New is old minus learning rate times gradient.", 1e-4)
    if not same(after, right) and same(now, right):
        hint = (
            "The model has new parameters now, and an optimizer would keep changing the old ones. Change them in place."
        )
    off = ~torch.isclose(after, right, rtol=1e-4, atol=1e-4)
    place = int(off.int().argmax())
    about = f"learning_rate={rate}, a parameter of {p[place]:.1f} and its gradient of {grad[place]:.1f}"
    compare(after[place], right[place], about, hint=hint)
    refuse([
        (not on, "The step is right, but gradients are off from now on, for the whole notebook. `with torch.no_grad():` turns them back on when it ends."),
        (not required, "The step is right, but your parameters no longer require gradients, so it was the last one. Use `with torch.no_grad():` rather than requires_grad."),
    ])  # fmt: skip
    return "Each parameter went downhill, and farther where its gradient is larger."


def epoch(
    order: str = "zfbs", after: str = "", train: bool = True, factor: Callable = lambda size: 1, used: Callable = list
) -> Callable:
    """Return a function that trains for an epoch, or does it wrongly, and returns the losses of the batches.

    Of each batch that is `used`, z clears the gradients, f computes the loss, b its gradients, times a `factor` of the
    number of images, and s steps; `after` all of them s may step once more. `train` is dropout.
    """

    def train_one_epoch(model: nn.Module, batches: DataLoader, optimizer: SGD) -> Tensor:
        losses = []
        model.train(train)
        for images, labels in used(list(batches)):
            for letter in order:
                if letter == "f":
                    losses.append(F.nll_loss(model(images), labels))
                elif letter == "b":
                    (factor(len(labels)) * losses[-1]).backward()
                else:
                    (optimizer.zero_grad if letter == "z" else optimizer.step)()
        if after:
            optimizer.step()
        return torch.stack(losses).detach()

    return train_one_epoch


def train_one_epoch(answer: Callable) -> str:
    """A function that trains once over all batches and returns the mean loss over the images."""
    adding = "Gradients add up: those of one batch were still there at the next. Clear them for every batch."
    outside = "Only one step was taken, after the last batch. It belongs inside the loop: one step per batch."
    early = "The step came before the gradients of this batch were computed. Clear, compute, step: in that order."
    common_mistakes = [
        (epoch("fbs"), adding),
        (epoch("szfb"), early),
        (epoch("sfb"), early),
        (epoch("fb", after="s"), outside),
        (epoch("zfb", after="s"), outside),
        (epoch("zfbss"), "Two steps were taken for each batch."),
        (epoch(train=False), "That is what comes out with dropout off. The model may come in either mode: switch it to the one for learning."),
        (epoch(used=lambda batches: batches[:1]), "Only the first batch was used. Is `return` inside the loop?"),
        (epoch(used=lambda batches: batches[:2]), "The last, smaller batch was left out."),
        (epoch(used=lambda batches: batches[-1:]), "Only the last batch was used. Which lines are inside the loop?"),
        (epoch(used=lambda batches: 2 * batches), "That is two epochs. Go through the batches once."),
        (epoch(factor=lambda size: size), "The loss of a batch was a sum over its images. With a mean, a batch's size doesn't change how long its step is."),
        (epoch(factor=lambda size: -1), "The steps went uphill. Is there a minus sign too many, or one missing?"),
    ]  # fmt: skip

    def draw() -> tuple[Tensor, Tensor, Tensor]:
        return weights(tiny_network()), 2 * torch.randn(COUNT, 1, 4, 4), torch.randint(0, 10, (COUNT,))

    def trace(train: Callable) -> Callable:
        return lambda *inputs: trials.epoch(train, *inputs)[0]  # type: ignore[index]  # ours return something

    traced = [(trace(wrong), words) for wrong, words in common_mistakes]
    for _ in range(200):  # until no mistake in the number could be taken for another, either
        inputs, right, mistakes = toolkit.draw_distinct(draw, trace(epoch()), traced, 3e-3)
        mean, wrong_means = _mean_loss(*trials.epoch(epoch(), *inputs)[:2], *inputs[1:])  # type: ignore[index]
        if distinct(mean, wrong_means, 8e-4):
            break

    how: dict[str, Any] = {"may_change": True, "forbidden": READY_MADE}
    after, got, fetched = call_answer(beside(trials.epoch, answer), *inputs, **how)
    if not same(after[:-2], right[:-2]):  # whatever was counted: gradients may well be computed in several parts
        hint = _why(not same(after[:-2], inputs[0]), fetched, *after[-2:].int().tolist())
        compare(after, right, f"the weights after {BATCHES}", mistakes, hint=hint)
    hint = "The training is right. Now the mean: the sum of the losses of all images, divided by their number."
    compare(got, mean, f"the loss of {BATCHES}", wrong_means, 1e-4, hint)
    if isinstance(got, Tensor) and got.requires_grad:
        raise WrongAnswer(
            "The training and the number are right. But the number still holds on to autograd's notes, for all "
            "batches, which takes up memory. Let go of them with .item() or .detach()."
        )
    return f"Same weights and same loss as the course's own epoch, {mean:.3f}; the small last batch counts only for as many images as it has."


def _why(moved: bool, fetched: int, gradients: int, steps: int) -> str:
    """Say what may be wrong with an epoch, from how often what was done."""
    possible = [
        (fetched == 0, NO_BATCH),
        (gradients == 0, "No gradient of this model was ever computed. Which line does that?"),
        (steps == 0 and moved, "Something else moved the weights: `optimizer` took no step. Use the one that your function was given; it remembers earlier steps."),
        (steps == 0, "`optimizer` took no step. Which line of the loop moves the parameters?"),
        (not moved, "At each step there were no gradients: they were computed after it, or cleared in between. Clear, compute, step: in that order."),
        ((fetched, gradients, steps) != (3, 3, 3), f"There should be 3 batches, 3 calls of backward(), and 3 steps; I counted {fetched}, {gradients}, and {steps}."),
        (True, "The numbers of batches and steps are right. Compare your lines with those in the table, one by one."),
    ]  # fmt: skip
    return next(words for found, words in possible if found)


def _mean_loss(after: Tensor, losses: Tensor, images: Tensor, labels: Tensor) -> tuple[Tensor, list]:
    """Return the mean loss over the images of an epoch, and the numbers that come of common mistakes, with words."""
    sums, last, trained = losses * torch.tensor(SIZES), SIZES[-1], tiny_network(after[:-2])
    with torch.no_grad():
        later = [F.nll_loss(trained.train(mode)(images), labels) for mode in (True, False)]
    common_mistakes = [
        (losses[-1], "That is the loss of the last batch alone. Collect the loss of every batch."),
        (losses[0], "That is the loss of the first batch alone. Is `return` in the right place?"),
        (losses.mean(), f"That is the mean over batches. The last one has {last} images, not 8, and yet it counts as much: weight each loss by the number of its images."),
        (losses.sum(), "That is the sum of the batches' means. For a mean over images, multiply each by its number of images, and divide the sum by the number of all images."),
        (sums.sum(), "That is the sum over all images. Divide by how many there are."),
        (sums.sum() / len(SIZES), "You summed over images and divided by batches. Divide by the number of images."),
        (losses.sum() / COUNT, f"You divided by the number of images, but added one loss per batch. A batch's loss is a mean: it stands for 8 images, or for {last}."),
        (losses, "That is a list, one loss per batch. One number should come back: the mean over all images."),
        (sums.sum() / (len(SIZES) * SIZES[0]), f"You took the last batch for a full one. It has {last} images, not 8: count with len(labels)."),
        (sums, "That is a list, one number per batch. Add them up, and divide by the number of images."),
        *[(round(sums.sum().item() / COUNT, digits), toolkit.ROUNDED) for digits in (0, 1, 2)],
        *[(loss, "But this loss was measured after the epoch. It should be the mean of the losses along the way.") for loss in later],
    ]  # fmt: skip
    return sums.sum() / COUNT, [(value, f"The training is right. {words}") for value, words in common_mistakes]


def accuracy(answer: Callable) -> str:
    """A function that tells which share of the images a network reads correctly."""
    hint = "One class for each image, argmax(dim=1); count the right ones, over all batches; divide by how many images there are."
    tries, silent = [], list[bool]()
    how: dict[str, Any] = {"may_change": True, "forbidden": READY_MADE}
    for _ in range(2):
        start, images, labels, hits, mistakes = _measured_images()
        got, looked, off = call_answer(beside(trials.measure, answer), start, images, labels, **how)
        number, silent = int(hits.sum()), silent + off
        if not looked:
            raise WrongAnswer(NO_BATCH)
        found = toolkit.as_tensor(got)
        fixed = [(number / size, f"You divided the right ones by {size}. Count the images that came out of `batches`, however many there are.") for size in (1000, 10_000, 50_000, 60_000)]  # fmt: skip
        named = {
            words
            for value, words in [*mistakes, *fixed]
            if found is not None and same(found, torch.as_tensor(value), 1e-6)
        }
        tries.append((got, hits, mistakes + fixed, named))
    shared = set.intersection(*(named for *_, named in tries))
    for got, hits, mistakes, _ in tries:
        compare(got, hits.mean(), BATCHES, [pair for pair in mistakes if pair[1] in shared], hint=hint)
    read = tiny_network(start).eval()(images).argmax(dim=1)
    for about, count, truth, share in (
        ("a single image, read correctly", 1, read, 1.0),
        ("a single image, misread", 1, (read + 1) % 10, 0.0),
        ("two batches of 8 images, all read correctly", 16, read, 1.0),
    ):
        with toolkit.after_success(f"For {BATCHES} it works."):
            got, _, off = call_answer(beside(trials.measure, answer), start, images[:count], truth[:count], **how)
            compare(got, share, about, hint=hint)
    aside = "" if all(silent) else " (With `no_grad` it would take less time and memory: measuring needs no gradients.)"
    return f"{number} of {COUNT} images, dropout off, and the small last batch counts for its {SIZES[-1]} images only.{aside}"


def _measured_images() -> tuple[Tensor, Tensor, Tensor, Tensor, list]:
    """Return the weights of a network, images, labels, what it reads correctly, and what mistakes would return."""
    for _ in range(200):  # until dropout changes the answer, and no mistake could be taken for another
        images, model = torch.randn(COUNT, 1, 4, 4), tiny_network().eval()
        with torch.no_grad():
            log_probs, with_dropout = model(images), model.train()(images).argmax(dim=1)
        read = log_probs.argmax(dim=1)
        labels = torch.where(torch.rand(COUNT) < 0.65, read, (read + torch.randint(1, 10, (COUNT,))) % 10)
        hits, dropped, worst = ((found == labels).float() for found in (read, with_dropout, log_probs.argmin(dim=1)))
        mistakes = _wrong_accuracies(hits, dropped, worst)
        if distinct(hits.mean(), mistakes) and hits.mean() > 0.3:
            break
    return weights(model), images, labels, hits, mistakes


def _wrong_accuracies(hits: Tensor, dropped: Tensor, worst: Tensor) -> list[tuple[object, str]]:
    """Return what common mistakes make of right (1) and wrong (0) answers: without and with dropout, and of argmin."""
    right, count, last = hits.mean(), hits.sum(), SIZES[-1]
    shares, dropped_shares = (torch.stack([part.mean() for part in each.split(SIZES[0])]) for each in (hits, dropped))
    of_last = "Only the last batch is in it. Does the sum grow with every batch, `+=`, or is it overwritten?"
    of_first = "Only the first batch is in it. Is `return` inside the loop?"
    dropout = "That is what comes out with dropout on, half of the network missing. Which mode is for measuring?"
    return [
        (dropped.mean(), dropout),
        (dropped_shares.mean(), f"{dropout} Besides, count images, not batches: the last one is smaller."),
        (100 * right, "That is a percentage. A share is between 0 and 1."),
        (count, "That is the number of right answers. Out of how many?"),
        (COUNT - count, "That is the number of mistakes. Return the share that is right."),
        (1 - right, "That is the share of mistakes. Return the share that is right."),
        (shares.mean(), f"That is the mean of the batches' accuracies. The last batch has {last} images, not 8: count images, not batches."),
        (shares.sum(), "You added the batches' accuracies. Add the right ones, and divide once at the end."),
        (shares.sum() / COUNT, "You added the batches' accuracies, but divided by the number of images. Add the right ones: sum() instead of mean()."),
        *[(each, "That is one number for each batch. Return one for all images.") for each in (shares, shares * torch.tensor(SIZES))],
        (hits, "That is one verdict for each image. Return one number, the share of right answers."),
        (count / len(SIZES), "You divided by the number of batches. Divide by the number of images."),
        (count / last, "You divided by the size of the last batch. How many images were there in all batches?"),
        (count / (SIZES[0] * len(SIZES)), f"You took the last batch for a full one. It has {last} images, not 8: count with len(labels)."),
        (shares[-1], of_last),
        (hits[-last:].sum() / COUNT, of_last),
        (shares[0], of_first),
        (hits[: SIZES[0]].sum() / COUNT, of_first),
        (worst.mean(), "That is the share of images whose *least* probable class is the right one. The network's answer is the largest."),
        (0.0, "Nothing was counted as right. Does argmax have its dim=1, so that there is one class for each image? And `//` drops everything after the decimal point."),
    ]  # fmt: skip


def falls(answer: object, history: list[dict]) -> str:
    """A reading: in which epochs the accuracy on new images falls."""
    found = toolkit.as_tensor(answer, any_order=True)
    if found is None or found.ndim > 1 or found.dtype == torch.bool or (found % 1 != 0).any():
        raise WrongAnswer(
            f"I expected a list of epochs, such as [3, 7], or [] if there are none, and got {describe(answer)}."
        )
    named, epochs = {int(number) for number in found.flatten().tolist()}, [entry["epoch"] for entry in history]
    before = {entry["epoch"]: earlier["val_accuracy"] for earlier, entry in pairwise(history)}
    now = {entry["epoch"]: entry["val_accuracy"] for entry in history}
    right = {epoch for epoch in before if now[epoch] < before[epoch]}
    if named == right:
        if not right:
            return "It never falls in this run." if len(epochs) > 1 else "A single epoch has nothing to fall from."
        worst = max(right, key=lambda epoch: before[epoch] - now[epoch])
        points = 100 * (before[worst] - now[worst])
        return (
            f"The largest fall is {points:.2f} points, in epoch {worst}. Now answer in words: how many images is that?"
        )

    def rises(key: str) -> set[int]:
        return {entry["epoch"] for earlier, entry in pairwise(history) if entry[key] > earlier[key]}

    shifted = "epochs count from 1, and the one to name is the one where the accuracy is lower than before"
    left = "in the left panel. The question is where the accuracy falls, in the right one"
    times, digits = (
        "once" if len(right) == 1 else f"{len(right)} times",
        "The lines printed above the figure have the digits.",
    )
    extra = sorted(named - right)
    refuse([
        (right and named == {epoch - 1 for epoch in right}, f"Your epochs are one too small: {shifted}."),
        (right and named == {epoch + 1 for epoch in right}, f"Your epochs are one too large: {shifted}."),
        (named - set(epochs), f"There is no epoch {min(named - set(epochs), default=0)} in this run: they go from {epochs[0]} to {epochs[-1]}."),
        (not named, f"You say that it never falls. Look again: it does, {times}."),
        (named == rises("val_loss"), f"There the validation *loss* rises, {left}."),
        (named == rises("train_loss"), f"There the training *loss* rises, {left}."),
        (named == rises("val_accuracy"), "In these epochs the accuracy rises. The question is where it falls."),
        (epochs[0] in extra, f"Epoch {epochs[0]} is the first: there is none before it to compare it with."),
        (not extra, f"That is right as far as it goes, but the accuracy falls {times} and you found {len(named)}. {digits}"),
    ])  # fmt: skip
    one, other = now[extra[0]], before[extra[0]]
    held = "is the same as in" if one == other else "is higher than in"
    no_fall = " Ties don't count." if one == other else ""
    raise WrongAnswer(f"In epoch {extra[0]} the accuracy {held} the epoch before: {one:.4f} after {other:.4f}.{no_fall} {digits}")  # fmt: skip


def best_epoch(answer: Callable) -> str:
    """A function that returns the epoch whose weights early stopping keeps."""

    def draw() -> tuple[list[float], int]:
        ranks = [18, 17, 16][: toolkit.between(0, 4)]  # then lows and bumps at which each mistake keeps another epoch
        ranks += [15, 12, 13, 10, 11, 8, 8, 9, 7, 9, 8, 6, 9, 8, 9, 5, 6, 7, 4]
        scale = toolkit.between(40, 60) / 1000
        return [round(rank * scale, 3) for rank in ranks], 2

    def right(val_losses: list[float], patience: int) -> int:
        return _kept_epoch(val_losses, patience)

    def lowest_of_all(val_losses: list[float], patience: int) -> int:
        return val_losses.index(min(val_losses)) + 1

    common_mistakes = [
        (lowest_of_all, "That is the lowest loss of the whole list. Training stops as soon as `patience` epochs in a row bring no new low, and never sees the rest."),
        (lambda losses, patience: right(losses, patience) - 1, "That is one too small: epochs count from 1."),
        (lambda losses, patience: min(right(losses, patience) + patience, len(losses)), "That is the epoch in which training stops. The weights to keep are those of the epoch with the lowest loss up to then."),
        (lambda losses, patience: losses[right(losses, patience) - 1], "That is the lowest loss. Return its epoch."),
        (lambda losses, patience: right(losses, patience - 1), "You stop one epoch too early: it takes `patience` epochs without a new low."),
        (lambda losses, patience: right(losses, patience + 1), "You stop one epoch too late: after `patience` epochs without a new low, training ends."),
        (lambda losses, patience: _kept_epoch(losses, patience, ties=True), "You take a tie for a new low. Only a lower loss is one."),
        (lambda losses, patience: _kept_epoch(losses, patience, in_a_row=False), "You count all epochs without a new low. The count starts over at each new low: only epochs in a row matter."),
        (_kept_by_neighbors, "You compare each epoch with the one before it. Compare it with the lowest so far: a loss can be lower than the one before and still not be a new low."),
    ]  # fmt: skip
    edges = [([0.9, 0.7, 0.8, 0.75, 0.6], patience) for patience in (1, 2, 3)]
    edges += [([0.5], 1), ([0.8, 0.6, 0.4], 1), ([0.4, 0.6, 0.8], 5), ([0.5, 0.4, 0.4, 0.4, 0.3], 2)]
    edges += [((torch.randint(4, 20, (9,)) / 20).tolist(), toolkit.between(1, 5)) for _ in range(20)]
    hint = "Go through the losses one by one and remember the lowest so far, with its epoch. Stop when that is `patience` epochs ago."
    toolkit.check_function(answer, draw, right, common_mistakes, hint=hint, tolerance=1e-6, edges=edges)
    return "What comes after the stop is never seen, however low it would have been."


def _kept_epoch(val_losses: list[float], patience: int, ties: bool = False, in_a_row: bool = True) -> int:
    """Return the epoch that early stopping keeps, or does with the mistakes that are switched on."""
    best, lowest, waited = 0, math.inf, 0
    for epoch, loss in enumerate(val_losses, start=1):
        if loss < lowest or (ties and loss == lowest):
            best, lowest, waited = epoch, loss, 0 if in_a_row else waited
        else:
            waited += 1
        if waited >= patience:
            break
    return best


def _kept_by_neighbors(val_losses: list[float], patience: int) -> int:
    """Return the epoch that is kept if training stops after so many rises in a row."""
    rises = [now > before for before, now in pairwise(val_losses)]
    stops = [
        epoch for epoch in range(patience + 1, len(val_losses) + 1) if all(rises[epoch - patience - 1 : epoch - 1])
    ]
    seen = val_losses[: stops[0]] if stops else val_losses
    return val_losses.index(min(seen)) + 1


CHECKS = {
    "3.1": loss_change, "3.2": sgd_step, "3.3": train_one_epoch, "3.4": accuracy, "3.5": falls, "3.6": best_epoch,
}  # fmt: skip
