"""What runs inside a sandbox: it executes one answer after the other, each in a process of its own, and judges nothing.

It knows no expected value, and what it says is not believed: it gets inputs and sends back plain values.
"""

import builtins
import ctypes
import importlib
import linecache
import os
import random
import re
import resource
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter

from course.exercises import guard, notebook, trials
from course.exercises.calls import call_once
from course.exercises.values import WrongAnswer, describe
from course.grade.wire import Channel, Closed, Refused, decode, encode

ADDRESS = re.compile(r" at 0x[0-9a-f]+…?")
MEMORY = 2_000_000_000  # bytes that an answer may take, beyond what PyTorch has when it is loaded
CPU_SECONDS = 150  # of one process
FILE_SIZE = 32_000_000  # bytes of one file
PROCESSES = 48  # threads among them
FILES = 256  # open at once


def main(user: int | None) -> NoReturn:
    """Serve one judge until it goes away; as another user if one is given."""
    channel = Channel(os.dup(0), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDWR)
    for number in (0, 1, 2):  # what an answer prints or asks for
        os.dup2(nothing, number)
    limit(user)
    channel.send({"ready": True})
    while True:
        try:
            job = channel.receive()
        except (Closed, Refused):
            sys.exit()
        for name in job["modules"]:
            importlib.import_module(name)
        child = os.fork()  # so that no answer meets what another one has changed
        if not child:
            serve(channel, job)
        status = os.waitpid(child, 0)[1]
        channel.send({"ended": os.waitstatus_to_exitcode(status)})


def limit(user: int | None) -> None:
    """Take less for good: memory, processor time, processes, files; and another user, if one is given."""
    with open("/proc/self/statm", encoding="ascii") as file:
        memory = int(file.read().split()[0]) * resource.getpagesize() + MEMORY
    for what, most in [
        (resource.RLIMIT_AS, memory),
        (resource.RLIMIT_CPU, CPU_SECONDS),
        (resource.RLIMIT_FSIZE, FILE_SIZE),
        (resource.RLIMIT_NOFILE, FILES),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, PROCESSES + (0 if user else _threads())),
    ]:
        resource.setrlimit(what, (most, most))
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")  # if memory runs out all the same, the system ends this before anything of the teacher's
    os.nice(5)
    if user is not None:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
    ctypes.CDLL(None).prctl(38, 1, 0, 0, 0)  # PR_SET_NO_NEW_PRIVS, for sandboxes that have not done it


def _threads() -> int:
    """Return how many threads of this user can be seen: without a sandbox, a limit of processes counts them, too."""
    count = 0
    for place in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            count += len(os.listdir(place / "task")) if place.stat().st_uid == os.getuid() else 0
    return count


def serve(channel: Channel, job: dict) -> NoReturn:
    """Execute an answer, say what it is, and answer calls of it until the judge has seen enough."""
    answer = Answer(channel)
    try:
        answer.begin(job)
        while True:
            answer.reply(channel.receive())
    except (Closed, Refused, Done):
        os._exit(0)
    except BaseException:  # of an answer that meddles with us; a traceback would go nowhere
        os._exit(70)


class Done(Exception):
    """The judge has seen enough."""


class Answer:
    """An answer in its own process: its code, the value that it came to, and the models that it returned."""

    def __init__(self, channel: Channel):
        self.channel, self.value, self.models = channel, None, list[nn.Module]()

    def begin(self, job: dict) -> None:
        """Execute the code of an answer and send its value; of a function, that it is one."""
        space: dict[str, Any] = {"__name__": "__main__", "__builtins__": builtins}
        guard.SECONDS = job["seconds"]
        space |= {name: decode(value) for name, value in job["given"].items()}
        random.seed(0), np.random.seed(0), torch.manual_seed(0)  # type: ignore[func-returns-value]
        try:
            for name, source in job["cells"]:
                linecache.cache[name] = (len(source), None, source.splitlines(True), name)
                call_once(exec, (compile(source, name, "exec"), space))
            self.value = call_once(eval, (job["answer"], space))
        except WrongAnswer as reason:
            self.fail(reason)
            return
        guard.SECONDS = job["seconds_of_a_call"]
        stub, function = notebook.is_stub(self.value), callable(self.value) and not isinstance(self.value, nn.Module)
        self.send({"stub": stub, "function": function}, None if function else self.value)

    def reply(self, order: dict) -> None:
        """Do what the judge asks for: call the answer, or a model that it returned; or end."""
        if "call" not in order:
            raise Done
        arguments = decode(order["call"])
        forbidden = [_named(name) for name in order.get("forbidden", ())]
        function: Any = self.value
        lazy = "model" in order and _is_lazy(self.models[order["model"]])
        if "model" in order:
            function = _Model(self.models[order["model"]], order["train"], decode(order["parameters"]))
        elif "trial" in order:
            trial = getattr(trials, order["trial"])
            function = lambda *given: trial(self.value, *given)  # noqa: E731
        seed = order["seed"]
        random.seed(seed), np.random.seed(seed % 2**32), torch.manual_seed(seed)  # type: ignore[func-returns-value]
        try:
            with guard.noticing(forbidden) as noticed:
                returned = call_once(function, tuple(arguments))
        except WrongAnswer as reason:
            self.fail(reason)
            return
        same = [place for place, given in enumerate(arguments) if _is_same(returned, given)]
        called = [forbidden.index(one) for one in noticed[:1]]
        about: dict[str, Any] = {"called": called, "same": same[:1]}
        if lazy:  # it has come to know its sizes
            about["parameters"] = encode([*self.models[order["model"]].parameters()])
        self.send(about, None if same else returned, arguments)

    def fail(self, reason: WrongAnswer) -> None:
        """Send a sentence, without what differs from run to run."""
        self.channel.send({"raised": ADDRESS.sub("", str(reason))[:1000]})

    def send(self, about: dict, value: Any, arguments: Any = ()) -> None:
        """Send a value, and what became of the arguments."""
        try:
            changed = encode(list(arguments), show)
            self.channel.send(about | {"value": encode(value, show, self.keep), "arguments": changed})
        except Refused as reason:
            self.channel.send({"raised": f"Your code returned {reason}."})
        except (Closed, Done):
            raise
        except BaseException:  # a learner's object may raise anything when it is looked at
            self.channel.send(about | {"value": {"other": show(value)}, "arguments": encode(list(arguments))})

    def keep(self, model: nn.Module) -> dict:
        """Keep a model for later calls, and describe it in plain values."""
        self.models.append(model)
        return {
            "number": len(self.models) - 1,
            "parameters": [] if _is_lazy(model) else [encode(parameter) for parameter in model.parameters()],
            "buffers": len(list(model.buffers())),
            "flat": any(isinstance(part, nn.Flatten) for part in model.modules()),
            "dropout": [float(getattr(part, "p", 0)) for part in model.modules() if "Dropout" in type(part).__name__],
        }


def show(value: object) -> str:
    """Return a value in a few words, without its address, which differs from run to run."""
    return ADDRESS.sub("", describe(value))


class _Model:
    """A model that is called in a mode, and with parameters, that the judge chooses."""

    def __init__(self, model: nn.Module, train: bool, parameters: list[Tensor]):
        self.model, self.train, self.parameters = model, train, parameters

    def __call__(self, *arguments: Any) -> Any:
        self.model.train(self.train)
        for own, given in zip(self.model.parameters(), self.parameters, strict=not _is_lazy(self.model)):
            if own.shape == given.shape:
                own.data = given.detach()
        return self.model(*arguments)


def _is_lazy(model: nn.Module) -> bool:
    """Tell whether a model doesn't know yet how many parameters it has."""
    return any(isinstance(parameter, UninitializedParameter) for parameter in model.parameters())


def _is_same(returned: Any, given: Any) -> bool:
    both = isinstance(returned, Tensor) and isinstance(given, Tensor) and returned.shape == given.shape
    return both and returned.numel() > 0 and returned.data_ptr() == given.data_ptr()


def _named(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else None)
