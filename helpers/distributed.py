"""Data parallelism: several processes train one network together, each on its share of every batch.

    torchrun --standalone --nproc_per_node=2 -m helpers.distributed --epochs 3

torchrun starts two processes that run this file, and gives each a number from 0, its **rank**. Each has the whole
network and all images. In every step, each computes the gradient on its share of the batch. Then they exchange
gradients until all have the mean of them, which is called an **all-reduce**, and all take the same step. So the weights
stay the same everywhere without being sent again. Rank 0 also validates, prints, and writes the files.

    python -m helpers.distributed --processes 2 --epochs 3

does the same, and puts into one line what torchrun reports in forty. With `--max_restarts 3`, all of them start
again when one has died. They go on from the last checkpoint, to the same weights, bit for bit.
"""

import argparse
import os
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch.nn import functional as F
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import TensorDataset

from helpers import data, recipes, results, settings, training
from helpers.checkpoint import (
    TrainingError,
    TrainingState,
    batch_sampler,
    load_checkpoint,
    reserve,
    save_checkpoint,
    save_weights,
)
from helpers.model import count_parameters
from helpers.processes import TOLD, connect, fail, from_first, launch

REPEATS = 100  # of what is measured


@dataclass(frozen=True)
class Plan:
    """What to train, and how. Each field is an option, such as `--dropout False`.

    Attributes:
        run_dir: gets distributed.json, distributed.safetensors and, after each epoch, distributed.pt, a checkpoint.
        batch_size: of all processes together.
        dropout: False trains the same network with any number of processes, up to rounding. True doesn't, since each
            process drops values of its own.
        resume: go on from the checkpoint in `run_dir`; start from the beginning if there is none.
        processes: how many to start; 0 if torchrun starts them.
        max_restarts: how often to start them again.
        timed_images: train on at most so many images, the first ones of the training set.
        measure: in the end, measure what a step and an all-reduce take; see `measure`.
    """

    dataset: str = "auto"
    data_dir: str = "data"
    run_dir: str = "runs/distributed"
    device: str = "auto"
    seed: int = 0
    epochs: int = 3
    batch_size: int = 64
    timed_images: int = 1_000_000
    learning_rate: float = 0.001
    dropout: bool = True
    resume: bool = False
    processes: int = 0
    max_restarts: int = 0
    measure: bool = False


def train(plan: Plan) -> None:
    """Train the course's network in this process, one of those that torchrun has started."""
    device = connect(plan.device)
    rank, ranks, parent = dist.get_rank(), dist.get_world_size(), os.getppid()
    loaded = data.load_dataset(plan.dataset, plan.data_dir) if rank == 0 else None  # before the others: it may download
    name = from_first(loaded and loaded.name)  # `auto` must mean the same everywhere
    dataset = loaded or data.load_dataset(name, plan.data_dir)
    splits = data.prepare(dataset, None, plan.seed, device)
    train_set = TensorDataset(*(part[: plan.timed_images] for part in splits.train.tensors))
    batches = data.share_batches(train_set, plan.batch_size, plan.seed, rank, ranks)
    val_batches = data.make_batches(splits.val, 1000)
    recipe = replace(recipes.COURSE, learning_rate=plan.learning_rate)
    recipe = recipe if plan.dropout else replace(recipe, conv_dropout=0.0, fc_dropout=0.0)
    torch.manual_seed(plan.seed)  # the same first weights everywhere
    model = recipes.build(recipe).to(device)
    optimizer = recipes.make_optimizer(recipe, model)

    run = TrainingState(model, optimizer, None, batches, val_batches)
    identity = run.identity({"dataset": name, "seed": plan.seed, "processes": ranks})
    folder = settings.from_root(plan.run_dir)
    path, state = folder / "distributed.pt", run.state(history=[])
    restarts = torch.tensor(int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")), device=device)
    dist.all_reduce(restarts, dist.ReduceOp.MAX)  # on several machines, only the one whose process has died counts it
    with ExitStack() as stack:
        if rank == 0:
            print(f"processes: {ranks}, device: {device.type}, data: {dataset.title}")
            if dataset.note:
                print(f"MNIST can't be had, so this is another data set.\n({dataset.note})")
            reserve(path, stack)
            if (plan.resume or restarts.item()) and path.exists():
                state = load_checkpoint(path, identity, run, plan.epochs)
                print(f"{settings.shown(path)}: {len(state['history'])} of {plan.epochs} epochs are done")
            else:
                save_checkpoint(path, identity, state)  # so that a restart doesn't go on from an earlier run's
        state = from_first(state)
        run.restore(state)
        history = state["history"]
        parallel = DistributedDataParallel(model)  # its backward() averages the gradients of all processes
        # After its first call it puts the gradients into another order, in which the sums of three or more are rounded
        # differently. That call is made before training, or else a run that goes on would differ in the last bits.
        parallel(splits.train.tensors[0][:1]).sum().backward()
        for epoch in range(len(history) + 1, plan.epochs + 1):
            start = time.perf_counter()
            batch_sampler(batches).sampler.set_epoch(epoch)
            torch.manual_seed(plan.seed + epoch * ranks + rank)  # of dropout; another one in each process and epoch
            train_loss = training.train_epoch(parallel, batches, optimizer, f"epoch {epoch}/{plan.epochs}")
            losses = torch.tensor(train_loss, device=device)
            dist.all_reduce(losses)  # now their sum
            if os.getppid() != parent:
                raise TrainingError("torchrun has died, so this process ends, too")
            if rank == 0:
                val = training.score(*training.predict(model, val_batches))
                scores = {"train_loss": losses.item() / ranks}
                scores |= {f"val_{name}": val[name] for name in ("loss", "f1", "accuracy")}
                history.append({"epoch": epoch, **scores, "seconds": time.perf_counter() - start})
                save_checkpoint(path, identity, run.state(history))
                print(training.describe(history[-1], plan.epochs))
        if rank == 0:
            record = {"dataset": name, "parameters": asdict(replace(plan, processes=ranks)), "device": device.type}
            weights = save_weights(model, folder / "distributed.safetensors")
            record |= {"seed": plan.seed, "history": history, "weights_digest": results.digest(weights)}
            results.save_record(folder, "distributed", **record)
    if plan.measure:
        measure(device)
    dist.destroy_process_group()


def measure(device: torch.device) -> None:
    """Print how many milliseconds a step of 64 images takes, and an all-reduce of so many float32 gradients."""
    from helpers import speed  # takes each process a third of a second

    model = recipes.build(recipes.COURSE).to(device)
    optimizer = recipes.make_optimizer(recipes.COURSE, model)
    images, labels = torch.randn(64, 1, 28, 28, device=device), torch.zeros(64, dtype=torch.int64, device=device)

    def step() -> None:
        optimizer.zero_grad()
        F.nll_loss(model(images), labels).backward()
        optimizer.step()

    def repeat(action: Callable[[], object]) -> None:
        for _ in range(REPEATS):
            action()

    actions: dict[str, Callable[[], object]] = {"a step of 64 images": step}
    for count in (count_parameters(model), 50 * count_parameters(model)):
        actions[f"an all-reduce of {count:,} numbers"] = partial(dist.all_reduce, torch.zeros(count, device=device))
    for name, action in actions.items():
        action()  # the first one is slow
        dist.barrier()
        seconds = speed.timed(partial(repeat, action), device)
        if dist.get_rank() == 0:
            print(f"{name}: {1000 * seconds / REPEATS:.2f} ms")


def main() -> None:
    """Start the processes, or train in one of them."""
    parser = argparse.ArgumentParser("helpers.distributed", description=Plan.__doc__, allow_abbrev=False)
    for name, default in asdict(Plan()).items():
        parser.add_argument(f"--{name}", f"--{name.replace('_', '-')}", nargs="?", const="", default=str(default))
    words, unknown = parser.parse_known_args()
    try:
        if unknown:
            raise ValueError(f"{unknown[0]}: no such option; choose one of --{', --'.join(vars(words))}")
        values: dict[str, Any] = {name: settings.parse(name, text) for name, text in vars(words).items()}
        plan = Plan(**values)
        if "WORLD_SIZE" in os.environ:
            return train(plan)
        if plan.processes:
            options = [f"--{name}={value}" for name, value in asdict(replace(plan, processes=0)).items()]
            advice = f"to go on from {plan.run_dir}/distributed.pt, give the same command with --resume True"
            return launch(plan.processes, plan.max_restarts, "helpers.distributed", options, advice)
        raise ValueError("WORLD_SIZE: not set, so this process is alone; start several with torchrun, or --processes 2")
    except KeyboardInterrupt:
        sys.exit(TOLD)
    except (ValueError, OSError, TrainingError) as error:
        fail(str(error), patience=int(os.environ.get("RANK", 0)))  # all may have found it; the first to speak is heard
    except RuntimeError as error:
        if "gloo" not in str(error) and not isinstance(error, dist.DistError):
            raise
        fail("this process has lost the others; to go on, give the same command with --resume True", patience=10)


if __name__ == "__main__":
    main()
