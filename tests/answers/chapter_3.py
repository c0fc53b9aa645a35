"""Right and wrong answers to the exercises of chapter 3."""

import copy

import torch
from torch.nn import functional as F

from helpers import training

# --- 3.2: one step of gradient descent ---


def step_by_hand(model, learning_rate):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= learning_rate * parameter.grad


@torch.no_grad()
def step_by_sub(model, learning_rate):
    for parameter in model.parameters():
        parameter.sub_(parameter.grad, alpha=learning_rate)
    return model


def step_by_data(model, learning_rate):
    for p in model.parameters():
        p.data = p.data - learning_rate * p.grad
        p.grad = None


def step_by_copy(model, learning_rate):
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(p - learning_rate * p.grad)


def step_by_optimizer(model, learning_rate):
    torch.optim.SGD(model.parameters(), lr=learning_rate).step()


def stepping(change):
    """A step that replaces each parameter by change(parameter, slope, rate)."""

    def sgd_step(model, learning_rate):
        for p in model.parameters():
            p.data = change(p.data, p.grad, learning_rate)

    return sgd_step


def step_without_no_grad(model, learning_rate):
    for parameter in model.parameters():
        parameter -= learning_rate * parameter.grad


def step_to_nowhere(model, learning_rate):
    for parameter in model.parameters():
        parameter = parameter - learning_rate * parameter.grad


def step_on_a_copy(model, learning_rate):
    slopes = [p.grad for p in model.parameters()]
    model = copy.deepcopy(model)
    for parameter, slope in zip(model.parameters(), slopes, strict=True):
        parameter.data -= learning_rate * slope
    return model


def step_and_return_at_once(model, learning_rate):
    with torch.no_grad():
        for parameter in model.parameters():
            parameter -= learning_rate * parameter.grad
            return


def step_with_gradients_off(model, learning_rate):
    torch.set_grad_enabled(False)
    for parameter in model.parameters():
        parameter -= learning_rate * parameter.grad


def step_to_new_parameters(model, learning_rate):
    for layer in model:
        layer.weight = torch.nn.Parameter(layer.weight - learning_rate * layer.weight.grad)
        layer.bias = torch.nn.Parameter(layer.bias - learning_rate * layer.bias.grad)


# --- 3.3: an epoch ---


def epoch_as_in_the_chapter(model, batches, optimizer):
    model.train()
    total = 0.0
    for images, labels in batches:
        optimizer.zero_grad()
        loss = F.nll_loss(model(images), labels)
        loss.backward()
        optimizer.step()
        total += loss.item() * len(labels)
    return total / len(batches.dataset)


def epoch_that_clears_last(model, batches, optimizer):
    model.train()
    losses, sizes = [], []
    for images, labels in batches:
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        optimizer.step()
        model.zero_grad()
        losses.append(loss.detach())
        sizes.append(len(images))
    sizes = torch.tensor(sizes)
    return (torch.stack(losses) * sizes).sum() / sizes.sum()


def epoch_of_single_losses(model, batches, optimizer):
    model.train(True)
    met = []
    for batch in list(batches):
        each = F.nll_loss(model(batch[0]), batch[1], reduction="none")
        optimizer.zero_grad(set_to_none=False)
        each.mean().backward()
        optimizer.step()
        met += each.tolist()
    return round(sum(met) / len(met), 4)


def epoch(order="zfbs", before="", after="", train=True, returned=None, item=True, reduction="mean", stop=None):
    """An epoch with a slip in it: z clears the gradients, f computes the loss, b its gradients, s takes a step."""

    def train_one_epoch(model, batches, optimizer):
        model.train(train)
        losses, sizes = [], []

        def do(letters, images, labels):
            nonlocal loss
            for letter in letters:
                if letter == "z":
                    optimizer.zero_grad()
                elif letter == "f":
                    loss = F.nll_loss(model(images), labels, reduction=reduction)
                    losses.append(loss.item() if item else loss)
                    sizes.append(len(labels))
                elif letter == "b":
                    loss.backward()
                else:
                    optimizer.step()

        loss = torch.tensor(0.0)
        do(before, None, None)
        for number, (images, labels) in enumerate(batches, start=1):
            do(order, images, labels)
            if number == stop:
                break
        do(after, None, None)
        weighted = sum(a * b for a, b in zip(losses, sizes, strict=True))
        return returned(losses, sizes) if returned else weighted / sum(sizes)

    return train_one_epoch


def epoch_with_its_own_optimizer(model, batches, optimizer):
    return epoch_as_in_the_chapter(model, batches, torch.optim.Adam(model.parameters()))


def epoch_with_the_same_optimiser_anew(model, batches, optimizer):
    return epoch_as_in_the_chapter(model, batches, torch.optim.SGD(model.parameters(), lr=0.4))


def epoch_on_other_images(model, batches, optimizer):
    images, labels = torch.randn(64, 1, 28, 28), torch.zeros(64, dtype=torch.int64)
    F.nll_loss(model(images), labels).backward()
    return 0.0


def epoch_measured_afterwards(model, batches, optimizer):
    epoch_as_in_the_chapter(model, batches, optimizer)
    images, labels = (torch.cat(parts) for parts in zip(*batches, strict=True))
    return F.nll_loss(model.eval()(images), labels).item()


@torch.no_grad()
def epoch_without_gradients(model, batches, optimizer):
    return epoch_as_in_the_chapter(model, batches, optimizer)


# --- 3.4: accuracy ---


def accuracy_as_in_the_chapter(model, batches):
    model.eval()
    right = total = 0
    with torch.no_grad():
        for images, labels in batches:
            right += (model(images).argmax(dim=1) == labels).sum()
            total += len(labels)
    return right.item() / total


def accuracy_with_gradients(model, batches):
    """And back to the old mode."""
    was = model.training
    model.eval()
    found = [model(images).max(dim=1).indices == labels for images, labels in batches]
    model.train(was)
    return torch.cat(found).float().mean()


def accuracy_from_the_shelf(model, batches):
    return training.score(*training.predict(model, batches))["accuracy"]


def measuring(judge, switch="eval", read=lambda outputs: outputs.argmax(dim=1)):
    """A measurement with a slip in it; judge(hits of each batch) is returned."""

    @torch.no_grad()
    def accuracy(model, batches):
        getattr(model, switch)()
        return judge([(read(model(images)) == labels).float() for images, labels in batches])

    return accuracy


def share(hits):
    return torch.cat(hits).mean().item()


def accuracy_of_other_images(model, batches):
    return (model(torch.randn(64, 1, 28, 28)).argmax(dim=1) == 0).float().mean()


# --- 3.5: a run of six epochs; it falls in 3 and 6, stays in 5 ---


def short_history():
    accuracies, losses = (0.95, 0.97, 0.96, 0.98, 0.98, 0.975), (0.3, 0.2, 0.19, 0.21, 0.18, 0.17)
    rows = zip(accuracies, losses, strict=True)
    return {
        "history": [
            {"epoch": epoch, "train_loss": 1 / epoch, "val_loss": loss, "val_accuracy": accuracy}
            for epoch, (accuracy, loss) in enumerate(rows, start=1)
        ]
    }


# --- 3.6: early stopping ---


def best_epoch_as_in_the_chapter(val_losses, patience):
    best, lowest = 0, float("inf")
    for epoch, loss in enumerate(val_losses, start=1):
        if loss < lowest:
            best, lowest = epoch, loss
        elif epoch - best >= patience:
            break
    return best


def best_epoch_by_counting(val_losses, patience):
    best, waited = 0, 0
    for i in range(len(val_losses)):
        if val_losses[i] < val_losses[best] or i == 0:
            best, waited = i, 0
        else:
            waited += 1
        if waited == patience:
            return best + 1
    return best + 1


def best_epoch_by_slices(val_losses, patience):
    end = next((e for e in range(1, len(val_losses)) if min(val_losses[:e]) <= min(val_losses[e : e + patience])
                and len(val_losses[e : e + patience]) == patience), len(val_losses))  # fmt: skip
    return val_losses.index(min(val_losses[:end])) + 1


def stopping(patience_of=lambda patience: patience, returned=lambda best, stop, losses: best, ties=False, anew=True):
    """Early stopping with a patience of its own, that returns something of its own."""

    def best_epoch(val_losses, patience):
        best, waited = 1, 0
        for epoch, loss in enumerate(val_losses, start=1):
            if epoch == 1 or loss < val_losses[best - 1] or (ties and loss == val_losses[best - 1]):
                best, waited = epoch, 0 if anew else waited
            else:
                waited += 1
            if waited >= patience_of(patience):
                break
        return returned(best, epoch, val_losses)

    return best_epoch


def best_epoch_by_neighbors(val_losses, patience):
    waited = 0
    for i in range(1, len(val_losses)):
        waited = waited + 1 if val_losses[i] > val_losses[i - 1] else 0
        if waited == patience:
            return val_losses.index(min(val_losses[: i + 1])) + 1
    return val_losses.index(min(val_losses)) + 1


CONTEXT = {"3.5": short_history}

RIGHT = {
    "3.1": [-0.006, -0.03 * 0.2, torch.tensor([-0.006])],
    "3.2": [step_by_hand, step_by_sub, step_by_data, step_by_copy, step_by_optimizer],
    "3.3": [epoch_as_in_the_chapter, epoch_that_clears_last, epoch_of_single_losses, epoch("fzbs")],
    "3.4": [accuracy_as_in_the_chapter, accuracy_with_gradients, measuring(share)],
    "3.5": [[3, 6], (6, 3), {3, 6}, torch.tensor([3, 6]), [3.0, 6.0, 3]],
    "3.6": [best_epoch_as_in_the_chapter, best_epoch_by_counting, best_epoch_by_slices],
}  # fmt: skip

WRONG = {
    "3.1": [
        (0.006, "So which sign?"),
        (-0.03, "the slope itself"),
        (-0.15, "You divided"),
        (0.17, "You added"),
        (0.2, "the step of the parameter"),
        (-0.003, "a step of 0.1"),
        (-0.06, "but the decimal point isn't"),
        (-0.0006, "but the decimal point isn't"),
        ("-0.006", "without quotes"),
        (1.0, "Which two numbers go together"),
        (-0.0061, "-0.0061 is not right"),
    ],
    "3.2": [
        (step_without_no_grad, "with torch.no_grad()"),
        (step_to_nowhere, "makes a new tensor"),
        (step_on_a_copy, "makes a new tensor"),
        (step_and_return_at_once, "Only the first parameter tensor"),
        (stepping(lambda p, slope, rate: p + rate * slope), "uphill"),
        (stepping(lambda p, slope, rate: p - slope), "the whole gradient"),
        (stepping(lambda p, slope, rate: p - 2 * rate * slope), "twice"),
        (stepping(lambda p, slope, rate: p - slope / rate), "divided by the learning rate"),
        (stepping(lambda p, slope, rate: p - 0.1 * slope), "whatever it is"),
        (stepping(lambda p, slope, rate: -rate * slope), "became the step itself"),
        (stepping(lambda p, slope, rate: rate * p - slope), "not the gradient"),
        (stepping(lambda p, slope, rate: p - rate * p), "only shrank"),
        (stepping(lambda p, slope, rate: torch.zeros_like(p)), "old minus learning rate times gradient"),
        (stepping(lambda p, slope, rate: p - rate * slope.abs()), "lost the sign"),
        (step_with_gradients_off, "gradients are off from now on"),
        (step_to_new_parameters, "new parameters now"),
        (lambda model, learning_rate: model.parameters() - learning_rate, "TypeError"),
    ],
    "3.3": [
        (epoch("fbs"), "Gradients add up"),
        (epoch("fbs", before="z"), "Gradients add up"),
        (epoch("zfb"), "took no step"),
        (epoch("zfs"), "No gradient of this model"),
        (epoch("zfsb"), "At each step there were no gradients"),
        (epoch("fbzs"), "At each step there were no gradients"),
        (epoch("fsbz"), "At each step there were no gradients"),
        (epoch("fszb"), "Does step() come before backward()?"),
        (epoch("szfb"), "before the gradients of this batch"),
        (epoch("sfb"), "before the gradients of this batch"),
        (epoch("fb", before="z", after="s"), "one step per batch"),
        (epoch("zfb", after="s"), "one step per batch"),
        (epoch("zfbss"), "Two steps"),
        (epoch(train=False), "dropout off"),
        (epoch(stop=1), "Only the first batch"),
        (epoch(stop=2), "smaller batch was left out"),
        (epoch(reduction="sum"), "was a sum over its images"),
        (epoch_with_its_own_optimizer, "`optimizer` took no step"),
        (epoch_with_the_same_optimiser_anew, "it remembers earlier steps"),
        (training.train_epoch, "does just that"),
        (epoch(returned=lambda losses, sizes: round(sum(a * b for a, b in zip(losses, sizes, strict=True)) / sum(sizes), 2)), "rounded"),
        (epoch_on_other_images, "instead of its arguments"),
        (epoch_without_gradients, "Is `no_grad` on?"),
        (epoch_measured_afterwards, "measured after the epoch"),
        (epoch(returned=lambda losses, sizes: losses[-1]), "the last batch alone"),
        (epoch(returned=lambda losses, sizes: sum(losses) / len(losses)), "mean over batches"),
        (epoch(returned=lambda losses, sizes: sum(losses)), "sum of the batches' means"),
        (epoch(returned=lambda losses, sizes: sum(losses) / sum(sizes)), "added one loss per batch"),
        (epoch(returned=lambda losses, sizes: losses), "a list, one loss per batch"),
        (epoch(returned=lambda losses, sizes: None), "returns nothing"),
        (epoch(item=False), ".item() or .detach()"),
    ],
    "3.4": [
        (measuring(share, switch="train"), "dropout on"),
        (measuring(lambda hits: 100 * share(hits)), "That is a percentage"),
        (accuracy_from_the_shelf, "does just that"),
        (measuring(lambda hits: share(hits) or 0.5), "a single image, misread"),
        (measuring(lambda hits: torch.cat(hits).sum()), "Out of how many?"),
        (measuring(lambda hits: 1 - share(hits)), "share of mistakes"),
        (measuring(lambda hits: sum(part.mean() for part in hits) / len(hits)), "mean of the batches' accuracies"),
        (measuring(lambda hits: sum(part.mean() for part in hits)), "divide once at the end"),
        (measuring(lambda hits: sum(part.sum() for part in hits) / len(hits)), "number of batches"),
        (measuring(lambda hits: sum(part.sum() for part in hits) / 24), "a full one"),
        (measuring(lambda hits: sum(part.sum() for part in hits) / len(hits[-1])), "size of the last batch"),
        (measuring(lambda hits: sum(part.mean() for part in hits) / 18), "sum() instead of mean()"),
        (measuring(lambda hits: [part.sum() for part in hits]), "one number for each batch"),
        (measuring(lambda hits: hits[-1].mean()), "Only the last batch"),
        (measuring(lambda hits: hits[0].mean()), "Only the first batch"),
        (measuring(lambda hits: torch.cat(hits).sum() / 10_000), "by 10000"),
        (measuring(lambda hits: torch.cat(hits).sum() // 18), "drops everything after the decimal point"),
        (measuring(share, read=lambda outputs: outputs.argmin(dim=1)), "*least* probable"),
        (measuring(share, read=lambda outputs: outputs.argmax(dim=0)), "Print both shapes"),
        (measuring(lambda hits: torch.cat(hits)), "one verdict for each image"),
        (accuracy_of_other_images, "instead of its arguments"),
        (lambda model, batches: 0.5, "instead of its arguments"),
    ],
    "3.5": [
        ([], "Look again: it does, 2 times"),
        ([2, 5], "one too small"),
        ([4, 7], "one too large"),
        ([3], "you found 1"),
        (6, "you found 1"),
        ([3, 5, 6], "Ties don't count"),
        ([2, 3, 6], "is higher than"),
        ([1, 3, 6], "is the first"),
        ([4], "*loss* rises"),
        ([2, 4], "The question is where it falls"),
        ([3, 6, 11], "no epoch 11"),
        ([0, 3, 6], "no epoch 0"),
        ("3 and 6", "a list of epochs"),
        ([2.5], "a list of epochs"),
    ],
    "3.6": [
        (lambda val_losses, patience: val_losses.index(min(val_losses)) + 1, "the lowest loss of the whole list"),
        (stopping(returned=lambda best, stop, losses: best - 1), "one too small"),
        (stopping(returned=lambda best, stop, losses: stop), "the epoch in which training stops"),
        (stopping(returned=lambda best, stop, losses: losses[best - 1]), "Return its epoch"),
        (stopping(lambda patience: patience - 1), "one epoch too early"),
        (stopping(lambda patience: patience + 1), "one epoch too late"),
        (stopping(ties=True), "a tie for a new low"),
        (stopping(anew=False), "The count starts over"),
        (best_epoch_by_neighbors, "Compare it with the lowest so far"),
        (stopping(returned=lambda best, stop, losses: (best + stop) // 2 + 3), "remember the lowest so far"),
        (lambda val_losses, patience: val_losses.sort(), "returns nothing"),
    ],
}  # fmt: skip
