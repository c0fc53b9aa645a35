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


def step_as_in_the_solution(images, labels, model, optimizer):
    model.train()
    optimizer.zero_grad()
    pixels = images.unsqueeze(1) / 255
    loss = F.nll_loss(model(pixels), labels.long())
    loss.backward()
    optimizer.step()
    return loss.item()


def step_with_cross_entropy(images, labels, model, optimizer):
    model.train(True)
    log_probs = model(images[:, None].float().div(255))
    loss = F.cross_entropy(log_probs, labels.to(torch.int64))
    model.zero_grad()
    loss.backward()
    optimizer.step()
    return float(loss)


def step_that_reshapes_and_measures_later(images, labels, model, optimizer):
    pixels = (images.to(torch.float64) / 255).float().reshape(-1, 1, 28, 28)
    optimizer.zero_grad(set_to_none=False)
    loss = torch.nn.NLLLoss()(model.train()(pixels), labels.type(torch.LongTensor))
    loss.backward()
    optimizer.step()
    model.eval()
    return loss.detach().numpy().item()


def step_by_picking(images, labels, model, optimizer):
    model.train()
    for parameter in model.parameters():
        parameter.grad = None
    log_probs = model(torch.stack([image / 255 for image in images]).unsqueeze(dim=1))
    loss = -log_probs[torch.arange(len(labels)), labels.int()].mean()
    loss.backward()
    optimizer.step()
    optimizer.zero_grad()
    return round(loss.item(), 6)


def step_on_one_hot_labels(images, labels, model, optimizer):
    model.train()
    optimizer.zero_grad()
    loss = F.cross_entropy(model(images.unsqueeze(1) / 255.0), F.one_hot(labels.long(), 10).float())
    loss.backward()
    optimizer.step()
    return loss.tolist()


def stepping(
    order="zfbs",
    train=True,
    pixels=lambda images: images.unsqueeze(1) / 255,
    targets=lambda labels: labels.long(),
    loss_of=F.nll_loss,
    returned=lambda loss, model, batch: loss.item(),
):
    """A step with a slip in it: z clears the gradients, f computes the loss, b its gradients, s takes the step."""

    def one_step(images, labels, model, optimizer):
        model.train(train)
        for letter in order:
            if letter == "z":
                optimizer.zero_grad()
            elif letter == "f":
                loss = loss_of(model(pixels(images)), targets(labels))
            elif letter == "b":
                loss.backward()
            else:
                optimizer.step()
        return returned(loss, model, (pixels(images), targets(labels)))

    return one_step


def step_that_forgets_the_mode(images, labels, model, optimizer):
    optimizer.zero_grad()
    loss = F.nll_loss(model(images.unsqueeze(1) / 255), labels.long())
    loss.backward()
    optimizer.step()
    return loss.item()


def step_with_its_own_optimizer(images, labels, model, optimizer):
    return step_as_in_the_solution(images, labels, model, torch.optim.SGD(model.parameters(), lr=0.2, momentum=0.9, nesterov=True))  # fmt: skip


@torch.no_grad()
def step_without_gradients(images, labels, model, optimizer):
    return step_as_in_the_solution(images, labels, model, optimizer)


def loss_later(mode):
    return lambda loss, model, batch: F.nll_loss(model.train(mode)(batch[0]), batch[1]).item()


def broken_step(images, labels, model, optimizer):
    """The exercise's own."""
    model.train()
    optimizer.zero_grad()
    loss = F.nll_loss(model(images), labels)
    loss.backward()
    optimizer.step()
    return loss


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
    "9.16": [
        step_as_in_the_solution,
        step_with_cross_entropy,
        step_that_reshapes_and_measures_later,
        step_by_picking,
        step_on_one_hot_labels,
        stepping("fzbs"),
        stepping("zfbsz"),
    ],
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
        (lambda b, a: ((a - b).norm(dim=1) / b.norm(dim=1)).mean(), "Take one for the whole layer"),
        (lambda b, a: torch.linalg.matrix_norm(a - b) / torch.linalg.matrix_norm(b), "with four axes"),
        (lambda b, a: (a - b).flatten(1).norm() / b.flatten(1).norm(), "with one axis"),
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
        (lambda o: dead_by_sums(o) * o.shape[1] / len(o), "divided by the number of images"),
        (lambda o: dead_by_sums(o[1:]), "I expected"),
        (lambda o: dead_by_sums(o[:, :, 1:]), "from index 0 on"),
        (lambda o: dead_by_sums(o[..., 1:]), "I expected"),
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
        (lambda k: round(math.log1p((k - 1) / math.e), 3), "That is rounded"),
        (lambda k: math.log1p((k - 1) / 2.718), "Use `math.e`"),
        (lambda k: "1.461", "I expected one number"),
    ],
    "9.16": [
        (broken_step, "think of its range, too"),
        (stepping(pixels=lambda images: images / 255), "where is its channel axis?"),
        (stepping(pixels=lambda images: images.float() / 255), "where is its channel axis?"),
        (stepping(pixels=lambda images: images.unsqueeze(-1) / 255), "where is its channel axis?"),
        (stepping(pixels=lambda images: images.unsqueeze(0) / 255), "where is its channel axis?"),
        (stepping(pixels=lambda images: images.unsqueeze(1)), "think of its range, too"),
        (stepping(pixels=lambda images: images.unsqueeze(1).double() / 255), "think of its range, too"),
        (lambda *batch: (stepping()(*batch),), "Return a Python float"),
        (stepping(targets=lambda labels: -1 - labels.long()), "A label isn't among the classes"),
        (stepping(targets=lambda labels: (labels.long() + 1) % 10), "with only their type changed"),
        (stepping(targets=lambda labels: labels), "a class is a whole number"),
        (stepping(targets=lambda labels: labels.int()), "a class is a whole number"),
        (stepping(targets=lambda labels: labels.long().unsqueeze(1)), "The labels need one axis"),
        (stepping(pixels=lambda images: images.unsqueeze(1).float()), "as 0 to 255"),
        (stepping(pixels=lambda images: images.unsqueeze(1) / 255 / 255), "divided by 255 twice"),
        (stepping(pixels=lambda images: images.unsqueeze(1) / 127.5 - 1), "normalized pixels"),
        (stepping(pixels=lambda images: (images.unsqueeze(1) / 255 - 0.1307) / 0.3081), "normalized pixels"),
        (stepping(pixels=lambda images: (images // 255).unsqueeze(1).float()), "Nearly every pixel became 0"),
        (stepping(pixels=lambda images: images.unsqueeze(1) / 200), "look at what went into the model"),
        (stepping("fbs"), "Which line clears them?"),
        (stepping("fbsz"), "Which line clears them?"),
        (stepping("szfb"), "before the gradients of this batch"),
        (stepping("zfb"), "Which line moves them?"),
        (stepping("zfs"), "No gradient of this model"),
        (stepping("zfsb"), "At the step there were no gradients"),
        (stepping("fbzs"), "At the step there were no gradients"),
        (stepping("zfbss"), "Two steps"),
        (stepping("zfbfbs"), "I counted 2 and 1"),
        (stepping("zfbbs"), "compute a new loss first"),
        (stepping(train=False), "dropout off"),
        (step_that_forgets_the_mode, "dropout off"),
        (stepping("fbs", train=False), "two lines are missing"),
        (stepping(loss_of=lambda *given: F.nll_loss(*given, reduction="sum")), "was a sum over the images"),
        (stepping(loss_of=lambda found, labels: F.nll_loss(found.exp(), labels)), "It expects log-probabilities"),
        (stepping(loss_of=lambda found, labels: F.cross_entropy(found.exp(), labels)), "It expects log-probabilities"),
        (stepping(loss_of=lambda *given: -F.nll_loss(*given)), "uphill"),
        (step_with_its_own_optimizer, "`optimizer` took no step"),
        (step_without_gradients, "Is `no_grad` on?"),
        (stepping(returned=lambda loss, model, batch: loss), "still a tensor"),
        (stepping(returned=lambda loss, model, batch: loss.detach()), "still a tensor"),
        (stepping(returned=loss_later(True)), "computed after the step"),
        (stepping(returned=loss_later(False)), "computed after the step"),
        (stepping(returned=lambda loss, model, batch: round(loss.item(), 2)), "rounded"),
        (stepping(returned=lambda loss, model, batch: f"{loss.item():.4f}"), "Return the loss"),
        (stepping(returned=lambda loss, model, batch: model), "Return the loss"),
        (stepping(returned=lambda loss, model, batch: None), "returns nothing"),
    ],
}  # fmt: skip
