"""The checks of chapter 3: slopes, steps, the training loop, measuring."""

import copy
from collections.abc import Callable, Sequence
from itertools import combinations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.optim import SGD
from torch.utils.data import DataLoader, TensorDataset

from course.exercises.toolkit import WrongAnswer, as_tensor, call_answer, compare, describe, same
from helpers import data

SIZES = (8, 8, 2)  # of the batches; the last one is smaller, as in most epochs
COUNT = sum(SIZES)
STEP = 0.5  # learning rate of the checked epoch: large, so that every slip leaves other weights

# --- a tiny network and its images ---


class Dropout(nn.Dropout):
    """Drops the same half of the values each time, so that a comparison needs no luck and no seed."""

    def forward(self, values: Tensor) -> Tensor:
        if not self.training:
            return values
        return 2 * values * (torch.arange(values.shape[1]) % 2)


class Counted(TensorDataset):
    """Images and labels that count how many batches were fetched."""

    fetched = 0

    def __getitem__(self, index: list[int]) -> tuple[Tensor, ...]:
        self.fetched += 1
        return super().__getitem__(index)


def tiny_network() -> nn.Module:
    """Return a network with random weights: images (N, 1, 4, 4) to log-probabilities (N, 10)."""
    return nn.Sequential(nn.Flatten(), nn.Linear(16, 12), nn.Tanh(), Dropout(), nn.Linear(12, 10), nn.LogSoftmax(dim=1))


def tiny_batches(images: Tensor, labels: Tensor) -> DataLoader:
    """Return batches of 8, 8 and 5 images, always in the same order."""
    return data.make_batches(Counted(images, labels), SIZES[0])


def weights(model: nn.Module) -> Tensor:
    """Return all parameters as one long tensor, copied."""
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()]).clone()


def told_apart(right: object, slips: Sequence[tuple[object, str]]) -> bool:
    """Tell whether no slip looks like the right answer, nor like another slip with other words."""
    values = [(torch.as_tensor(value), words) for value, words in [(right, ""), *slips]]
    return not any(same(a, b, 3e-3) for (a, one), (b, other) in combinations(values, 2) if one != other)


def run_on(answer: Callable, *arguments: object, batches: DataLoader) -> object:
    """Call a learner's function that is to go through `batches`; say so if it went through others."""
    try:
        return call_answer(answer, *arguments, may_change=True)
    except WrongAnswer as reason:
        if batches.dataset.fetched == 0 and "shapes cannot be multiplied" in str(reason):
            raise WrongAnswer(f"{reason} {ELSEWHERE}") from None
        raise


ELSEWHERE = "Your function took no batch from `batches`: does it read a name of the notebook instead of its arguments?"

# --- the checks ---


def loss_change(answer: float) -> str:
    """A number: how the loss changes when one parameter is raised."""
    if isinstance(answer, str):
        raise WrongAnswer(f"I expected a number and got a text, {describe(answer)}. Write it without quotes.")
    found = as_tensor(answer)
    slips = [
        (0.006, "The size is right. A slope below zero means: raise the parameter, and the loss falls. So which sign?"),
        (-0.03, "That is the slope itself, the change for a whole step of 1. Your step is 0.2."),
        (0.03, "That is the slope without its sign, the change for a whole step of 1. Your step is 0.2."),
        (-0.15, "You divided. Twice the step, twice the change: that is a product."),
        (0.15, "You divided. Twice the step, twice the change: that is a product."),
        (-0.2 / 0.03, "You divided. Twice the step, twice the change: that is a product."),
        (0.2 / 0.03, "You divided. Twice the step, twice the change: that is a product."),
        (0.17, "You added slope and step. The slope says how much change there is *for each* unit of the step."),
        (-0.23, "You subtracted the step. The slope says how much change there is *for each* unit of the step."),
        (0.2, "That is the step of the parameter. Asked is what the loss does."),
        (-0.2, "That is the step of the parameter. Asked is what the loss does."),
        (-0.003, "That is for a step of 0.1, as in the cell above. Here the step is 0.2."),
        (-0.06, "The digits are right, the point is not: 3 hundredths times 2 tenths makes how many thousandths?"),
        (-0.6, "The digits are right, the point is not: 3 hundredths times 2 tenths makes how many thousandths?"),
        (-0.0006, "The digits are right, the point is not: 3 hundredths times 2 tenths makes how many thousandths?"),
    ]
    if found is not None and found.numel() == 1:
        answer = found.reshape(())
    compare(
        answer,
        -0.006,
        "a slope of −0.03 and a step of 0.2",
        slips,
        hint="Which two numbers go together, and how?",
        reveal=False,
    )
    return "Slope times step: the loss falls by about 0.006."


def sgd_step(answer: Callable) -> str:
    """A function that takes one step of plain gradient descent."""
    model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2))
    rate = 0.2 + 0.2 * torch.rand(1).item()
    for parameter in model.parameters():
        sign = torch.randint(0, 2, (2, *parameter.shape)) * 2 - 1
        parameter.data, parameter.grad = sign * (0.5 + torch.rand(2, *parameter.shape))
    owned = list(model.parameters())
    before, slopes = weights(model), torch.cat([parameter.grad.flatten() for parameter in owned])
    downhill = before - rate * slopes
    walked = torch.arange(len(before)) < owned[0].numel()
    call_answer(answer, model, rate, may_change=True, returns=False)
    after = torch.cat([parameter.detach().flatten() for parameter in owned])  # the tensors that an optimiser would hold
    slips = [
        (before + rate * slopes, "That is uphill: each parameter went *with* its slope, and the loss would rise."),
        (before - slopes, "You stepped by the whole slope. How long a step is, `learning_rate` says."),
        (before + slopes, "You stepped by the whole slope, and uphill. `learning_rate` says how long a step is; which way is down?"),
        (before - rate, "Every parameter went down by the same amount. The slope should decide which way and how far: where is `.grad`?"),
        (before - rate * slopes.sign(), "Of the slope you used the sign only. A steeper slope makes a longer step."),
        (before - 2 * rate * slopes, "Each parameter moved twice as far as it should: the slope was used twice."),
        (before - slopes / rate, "You divided by the learning rate. A smaller learning rate makes a smaller step: multiply."),
        (before - 0.1 * slopes, "You stepped with 0.1, as in the cell above. Use `learning_rate`, whatever it is."),
        (-rate * slopes, "The parameters became the step itself. Subtract the step from what was there."),
        (rate * slopes, "The parameters became the step itself. Subtract the step from what was there."),
        (rate * (before - slopes), "The learning rate scaled the parameter too. Only the slope is scaled by it."),
        (rate * before - slopes, "The learning rate scaled the parameter, not the slope. Which of the two should it shorten?"),
        (before - rate * before, "The parameters only shrank. What tells each of them which way to go is its slope, `.grad`."),
        (before * slopes * rate, "You multiplied the parameter by the step. The step is subtracted."),
        (before - rate * before * slopes, "The step was multiplied by the parameter as well. It is learning rate times slope, and no more."),
        (torch.where(walked, downhill, before), "Only the first parameter tensor moved. Does a `return` stand inside the loop?"),
    ]  # fmt: skip
    if same(after, before):
        raise WrongAnswer(
            "The model's parameters are as they were. Was another model changed, or `.grad` itself? Or: `p = p - …` makes a new tensor and leaves the old one alone: "
            "change the one that the model holds, in place."
        )
    compare(after, downhill, f"learning_rate={rate:.3f}, all parameters in one row", slips, hint="New is old minus learning rate times slope.")  # fmt: skip
    return "Each parameter went downhill, a steep slope further than a gentle one."


def train_one_epoch(answer: Callable) -> str:
    """A function that trains once over all batches and returns the mean loss over the images."""
    for _ in range(200):  # until no slip on these images could be taken for another
        images, labels = 2 * torch.randn(COUNT, 1, 4, 4), torch.randint(0, 10, (COUNT,))
        start, parts = tiny_network().eval(), list(zip(images.split(SIZES[0]), labels.split(SIZES[0]), strict=True))
        right, losses, trained = _epoch(start, parts)
        mean = (losses * torch.tensor(SIZES)).sum() / COUNT
        loss_slips = _loss_slips(losses, trained, images, labels)
        if not told_apart(mean, loss_slips):
            continue
        slips = _epoch_slips(start, parts)
        if told_apart(right, slips) and not any(same(value[2:], right[2:], 3e-3) for value, _ in slips):
            break

    model, batches = copy.deepcopy(start), tiny_batches(images, labels)
    steps, slopes = [], []
    optimizer = SGD(model.parameters(), lr=STEP)
    optimizer.register_step_post_hook(lambda *given: steps.append(1))
    next(model.parameters()).register_post_accumulate_grad_hook(lambda parameter: slopes.append(1))
    got = run_on(answer, model, batches, optimizer, batches=batches)

    about = f"{COUNT} images in batches of {', '.join(map(str, SIZES))}"
    after = weights(model)
    if not same(after, right[2:]):
        done = torch.cat([torch.tensor([len(slopes), len(steps)]), after])
        known = [words for value, words in slips if same(done, value)]
        unchanged = same(after, weights(start))
        words = known[0] if known else _why(unchanged, batches.dataset.fetched, len(slopes), len(steps))
        as_before = "as they were before" if unchanged else "not what they should be after an epoch"
        raise WrongAnswer(f"For {about}, the weights are {as_before}. {words}")
    hint = "The training is right. Now the mean: the sum of the losses of all images, divided by their number."
    compare(got, mean, f"the loss of {about}", loss_slips, tolerance=1e-3, hint=hint)
    if isinstance(got, Tensor) and got.requires_grad:
        raise WrongAnswer(
            "The training and the number are right. But the number still holds on to the way it was computed, for all "
            "batches: memory would fill up. Let go of it with .item() or .detach()."
        )
    return f"Same weights and same loss as the course's own epoch, {mean:.3f}; the small last batch counts for no more than its images."


def _why(unchanged: bool, fetched: int, slopes: int, steps: int) -> str:
    """Say what may be wrong with an epoch, from how often what was done."""
    if fetched == 0:
        return ELSEWHERE
    if slopes == 0:
        return "No slope of this model was ever computed. Which line does that?"
    if steps == 0 and not unchanged:
        return "They were moved by something else: `optimizer` took no step. Use the one that your function was given."
    if steps == 0:
        return "`optimizer` took no step. Which line of the loop moves the parameters?"
    if unchanged:
        return (
            "At each step there were no slopes: they were computed after it, or cleared in between. "
            "Clear, compute, step: in this order."
        )
    if (fetched, slopes, steps) != (3, 3, 3):
        return f"There should be 3 batches, slopes for each and 3 steps; I counted {fetched}, {slopes} and {steps}."
    return "The numbers of batches and steps are right. Compare your lines with those of the table, one by one."


def _epoch(
    model: nn.Module,
    parts: list,
    order: str = "zfbs",
    after: str = "",
    factor: Callable | None = None,
    train: bool = True,
) -> tuple[Tensor, Tensor, nn.Module]:
    """Train a copy over the batches.

    Args:
        model: stays as it is.
        parts: pairs of images and labels.
        order: of what is done with each batch: z clears the slopes, f computes the loss, b its slopes, s steps.
        after: what is done once more when the batches are through.
        factor: by what the loss of a batch is multiplied before its slopes are computed, from the number of its images.
        train: dropout on.

    Returns:
        How often slopes were computed, how many steps were taken, and all weights, in one tensor; the losses of the
        batches; the copy.
    """  # fmt: skip
    model = copy.deepcopy(model).train(train)
    optimizer, losses = SGD(model.parameters(), lr=STEP), []
    for images, labels in parts:
        for letter in order:
            if letter == "f":
                loss = F.nll_loss(model(images), labels)
                losses.append(loss.detach())
            elif letter == "b":
                (loss * (factor(len(labels)) if factor else 1)).backward()
            else:
                (optimizer.zero_grad if letter == "z" else optimizer.step)()
    if after:
        optimizer.step()
    done = torch.tensor([order.count("b") * len(parts), order.count("s") * len(parts) + len(after)])
    return torch.cat([done, weights(model)]), torch.stack(losses), model


def _epoch_slips(start: nn.Module, parts: list) -> list[tuple[Tensor, str]]:
    adding = "Slopes add up: those of one batch were still there at the next. Clear them in every round."
    order = "The step came before the slopes of this batch were computed. Clear, compute, step: in this order."
    outside = "Only one step was taken, after the last batch. It belongs into the loop: one step a batch."
    ways = [
        (dict(order="fbs"), adding),
        (dict(order="szfb"), order),
        (dict(order="sfb"), order),
        (dict(order="fb", after="s"), outside),
        (dict(order="zfb", after="s"), outside),
        (dict(train=False), "That is what comes out with dropout off. The model may come in either mode: switch it to the one for learning."),
        (dict(parts=parts[:1]), "Only the first batch was used. Does `return` stand inside the loop?"),
        (dict(parts=parts[:2]), "The last, smaller batch was left out."),
        (dict(parts=parts[-1:]), "Only the last batch was used. Which lines stand inside the loop?"),
        (dict(parts=[*parts, *parts]), "That is two epochs. Go through the batches once."),
        (dict(order="zfbss"), "Two steps were taken for each batch."),
        (dict(factor=lambda size: size), "The loss of a batch was a sum over its images. With a mean, a larger batch makes no longer steps."),
        (dict(factor=lambda size: -1), "The loss was climbed, not descended. Is there a minus sign too many, or one missing?"),
    ]  # fmt: skip
    return [(_epoch(start, **{"parts": parts} | way)[0], words) for way, words in ways]


def _loss_slips(losses: Tensor, trained: nn.Module, images: Tensor, labels: Tensor) -> list[tuple[object, str]]:
    sizes = torch.tensor(SIZES)
    later = "The training is right. But this loss was measured after the epoch; asked is the mean of what the network met on its way."
    with torch.no_grad():
        afterwards = [F.nll_loss(trained.train(mode)(images), labels) for mode in (True, False)]
    trained_right = [
        (losses[-1], "That is the loss of the last batch alone. Collect the loss of every batch."),
        (losses[0], "That is the loss of the first batch alone. Does `return` stand in the right place?"),
        (losses.mean(), f"That is the mean over batches. The last one has {SIZES[-1]} images, not 8, and yet it counts as much: weigh each loss by the number of its images."),
        (losses.sum(), "That is the sum of the batches' means. A mean over images: weigh each by its images, and divide by their number."),
        ((losses * sizes).sum(), "That is the sum over all images. Divide by how many they are."),
        ((losses * sizes).sum() / len(SIZES), "You summed over images and divided by batches. Divide by the number of images."),
        (losses.sum() / COUNT, f"You divided by the number of images, but added one loss a batch. A batch's loss is a mean: it stands for 8 images, or for {SIZES[-1]}."),
        (losses, "That is a list, one loss a batch. One number should come back: the mean over all images."),
        (losses * sizes, "That is a list, one number a batch. Add them up, and divide by the number of images."),
    ]  # fmt: skip
    return [(value, f"The training is right. {words}") for value, words in trained_right] + [
        (value, later) for value in afterwards
    ]


def accuracy(answer: Callable) -> str:
    """A function that tells which share of the images a network reads rightly."""
    for _ in range(200):  # until dropout changes the answer, and no slip could be taken for another
        images, model = torch.randn(COUNT, 1, 4, 4), tiny_network().eval()
        with torch.no_grad():
            log_probs, with_dropout = model(images), model.train()(images).argmax(dim=1)
        read = log_probs.argmax(dim=1)
        labels = torch.where(torch.rand(COUNT) < 0.65, read, (read + torch.randint(1, 10, (COUNT,))) % 10)
        hits = read == labels
        shares = torch.stack([part.float().mean() for part in hits.split(SIZES[0])])
        right = hits.float().mean()
        slips = _accuracy_slips(hits, shares, (with_dropout == labels).float(), log_probs.argmin(dim=1) == labels)
        if told_apart(right, slips) and right > 0.3:
            break

    batches, silent = tiny_batches(images, labels), []
    model.register_forward_hook(lambda *given: silent.append(not torch.is_grad_enabled()))
    got = run_on(answer, model, batches, batches=batches)
    found, about = as_tensor(got), f"{COUNT} images in batches of {', '.join(map(str, SIZES))}"
    hint = "One class for each image, argmax(dim=1); count those that are right, in all batches; divide by how many images there are."
    try:
        compare(got, right, about, slips, hint=hint)
    except WrongAnswer as reason:
        if batches.dataset.fetched == 0 and not silent:
            raise WrongAnswer(ELSEWHERE) from None
        if hint in str(reason) and found is not None and found.ndim == 0 and 0 < float(found) < right:
            divisor = int(hits.sum()) / float(found)
            if divisor > COUNT + 1 and abs(divisor - round(divisor)) < 1e-3 * divisor:
                raise WrongAnswer(
                    f"For {about}, you divided the {int(hits.sum())} right ones by {round(divisor)}. "
                    "Count the images that came out of `batches`, whichever they are."
                ) from None
        raise
    slopes = "" if all(silent) else " (It would need less time and memory with `no_grad`: measuring needs no slopes.)"
    return f"{int(hits.sum())} of {COUNT} images, dropout off, and the small last batch counts for its {SIZES[-1]} images only.{slopes}"


def _accuracy_slips(hits: Tensor, shares: Tensor, dropped: Tensor, worst: Tensor) -> list[tuple[object, str]]:
    right, count, last = hits.float().mean(), hits.sum().float(), hits[-SIZES[-1] :].sum()
    of_last = "Only the last batch is in it. Does the sum grow with every batch, `+=`, or is it overwritten?"
    of_first = "Only the first batch is in it. Does `return` stand inside the loop?"
    dropout = "That is what comes out with dropout on, half of the network missing. Which mode is for measuring?"
    mean = f"That is the mean of the batches' accuracies. The last batch has {SIZES[-1]} images, not 8: count images, not batches."
    return [
        (dropped.mean(), dropout),
        (torch.stack([part.mean() for part in dropped.split(SIZES[0])]).mean(), f"{dropout} Besides, count images, not batches: the last one is smaller."),
        (100 * right, "Those are per cent. A share lies between 0 and 1."),
        (count, "That is the number of right ones. Of how many?"),
        (COUNT - count, "That is the number of mistakes. Asked is the share that is right."),
        (1 - right, "That is the share of mistakes. Asked is the share that is right."),
        (shares.mean(), mean),
        (shares.sum(), "You added the batches' accuracies. Add the right ones, and divide once at the end."),
        (shares, "That is one accuracy for each batch. Asked is one number for all images."),
        (hits.float(), "That is an answer for each image. Asked is the share of right ones, one number."),
        (count / len(SIZES), "You divided by the number of batches. Divide by the number of images."),
        (count / SIZES[-1], "You divided by the size of the last batch. How many images were there in all batches?"),
        (count / (SIZES[0] * len(SIZES)), f"You took the last batch for a full one. It has {SIZES[-1]} images, not 8: count with len(labels)."),
        (shares[-1], of_last),
        (last / COUNT, of_last),
        (shares[0], of_first),
        (shares[0] * SIZES[0] / COUNT, of_first),
        (worst.float().mean(), "That is the share of images whose *least* probable class is the right one. The network's answer is the largest."),
        (0.0, "Nothing was counted as right. Does argmax have its dim=1, so that there is one class for each image? And `//` drops all behind the point."),
    ]  # fmt: skip


def falls(answer: object, history: list[dict]) -> str:
    """A reading: in which epochs the accuracy on new images falls."""
    epochs, values = [entry["epoch"] for entry in history], [entry["val_accuracy"] for entry in history]
    before = dict(zip(epochs[1:], values, strict=False))
    now = dict(zip(epochs, values, strict=True))
    right = {epoch for epoch in epochs[1:] if now[epoch] < before[epoch]}
    named = _epochs_named(answer)

    if named == right:
        if not right:
            return "It never falls in this run." if len(epochs) > 1 else "One epoch alone has nothing to fall from."
        worst = max(right, key=lambda epoch: before[epoch] - now[epoch])
        points = 100 * (before[worst] - now[worst])
        return f"The largest fall is {points:.2f} points, in epoch {worst}. Now in words: how many images is that?"
    strange = sorted(named - set(epochs))
    shifted = "epoch 1 is the first, and the epoch asked for is the one that is lower than the one before it"
    if right and named == {epoch - 1 for epoch in right}:
        raise WrongAnswer(f"What you name is one too small: {shifted}.")
    if right and named == {epoch + 1 for epoch in right}:
        raise WrongAnswer(f"What you name is one too large: {shifted}.")
    if strange:
        raise WrongAnswer(f"There is no epoch {strange[0]} in this run: they go from {epochs[0]} to {epochs[-1]}.")
    if not named:
        raise WrongAnswer(f"You say that it never falls. Look again: it does, {_times(len(right))}.")
    for loss, words in (("val_loss", "validation"), ("train_loss", "training")):
        if named == _rises([entry[loss] for entry in history], epochs):
            raise WrongAnswer(f"There the {words} *loss* rises, in the left picture. Asked is where the accuracy falls, in the right one.")  # fmt: skip
    if len(epochs) > 2 and named == _rises(values, epochs):
        raise WrongAnswer("In these epochs the accuracy rises. Asked is where it falls.")
    extra = sorted(named - right)
    if epochs[0] in extra:
        raise WrongAnswer(f"Epoch {epochs[0]} is the first: it has none before it that it could be lower than.")
    if extra:
        epoch = extra[0]
        equal = "is the same as" if now[epoch] == before[epoch] else "is higher than"
        more = " That is no fall." if now[epoch] == before[epoch] else ""
        raise WrongAnswer(f"In epoch {epoch} the accuracy {equal} the epoch before: {now[epoch]:.4f} after {before[epoch]:.4f}.{more} The lines printed above the figure have the digits.")  # fmt: skip
    raise WrongAnswer(
        f"What you name is right, but the accuracy falls {_times(len(right))} and you found {len(named)}. "
        "The lines printed above the figure have the digits."
    )


def _epochs_named(answer: object) -> set[int]:
    found = as_tensor(list(answer) if isinstance(answer, set | range) else answer)
    whole = found is not None and found.ndim <= 1 and found.dtype != torch.bool and (found % 1 == 0).all()
    if not whole:
        raise WrongAnswer(
            f"I expected a list of epochs, [3, 7] say, or [] if there is none, and got {describe(answer)}."
        )
    return {int(number) for number in found.reshape(-1).tolist()}


def _rises(values: list[float], epochs: list[int]) -> set[int]:
    """Return the epochs in which a number is larger than in the epoch before."""
    return {epoch for epoch, a, b in zip(epochs[1:], values, values[1:], strict=False) if b > a}


def _times(number: int) -> str:
    return "once" if number == 1 else f"{number} times"


CHECKS: dict[str, Callable] = {
    "3.1": loss_change,
    "3.2": sgd_step,
    "3.3": train_one_epoch,
    "3.4": accuracy,
    "3.5": falls,
}
