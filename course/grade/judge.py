"""Judges one submission after the other: the checks of the exercises, on answers that run in a sandbox.

The checks get a stand-in for the answer, which sends its arguments to the sandbox and returns the plain value that
comes back. So what decides is in this process, where no line of a student's runs: it draws the inputs, knows what is
right, and compares. A process of its own, since checks set random numbers and settings for all of a process.
"""

import hashlib
import os
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, Queue
from typing import Any, NoReturn

import numpy as np
import torch
from torch import Tensor, nn

from course import exercises
from course.exercises import guard
from course.exercises.calls import Elsewhere
from course.exercises.trials import Reader
from course.exercises.values import WrongAnswer
from course.grade import answers, contexts
from course.grade.sandbox import TOGETHER, Sandbox, stage
from course.grade.wire import Channel, Closed, Refused, decode, encode

START = 120.0  # seconds for PyTorch to load in a sandbox, on a slow disk
CALL = 10.0  # for one call of an answer, as in the notebook; the sandbox says where it was
CELLS = 60.0  # for the cells that an answer needs
ALL = 90.0  # for all calls of one answer
GRACE = 20.0  # for the sandbox to say that time is up, on a busy machine, before it is ended
# What PyTorch would load within a call of these answers, for seconds that count as theirs: the sandbox has it before.
MODULES = {"3.3": ["torch._dynamo"], "7.4": ["torch._dynamo"]}
IDLE = 60.0  # without work, after which a judge goes home
STILL_RUNNING = "Your code was still running after {:.0f} seconds, so I stopped it. Is there an endless loop?"
TOO_LARGE = (
    f"Your code took more than {TOGETHER / 1e9:.0f} GB of memory, so I stopped it. Does a list grow without end, "
    "or does it start other processes?"
)
ENDED = "Your code ended the process that it ran in, so nothing came back. Does it call exit(), or kill something?"
RIGHT, NOT_YET, NOT_TRIED, NOT_FOUND, UNSURE = "right", "not yet", "not attempted", "not found", "for you to read"


class Lost(WrongAnswer):
    """The sandbox had to be ended, or ended; what is left of this answer can't be judged."""


class Remote(Elsewhere):
    """Stands for an answer that runs in a sandbox: a call sends the arguments there and returns what came back."""

    def __init__(self, run: "Run", trial: str | None = None):
        self.run, self.trial, self.forbidden = run, trial, list[Callable]()
        self.noticed: list[Callable] = []

    def __call__(self, *arguments: Any) -> Any:
        order: dict = {"call": encode(list(arguments)), "forbidden": [_name_of(one) for one in self.forbidden]}
        if self.trial:
            order["trial"] = self.trial
        reply = self.run.ask(order)
        if reply.get("called") and type(place := reply["called"][0]) is int and place in range(len(self.forbidden)):
            self.noticed.append(self.forbidden[place])
        for given, became in zip(arguments, self.run.read(reply["arguments"]), strict=False):
            _change(given, became)
        same = reply.get("same")
        return (
            arguments[same[0]]
            if same in [[place] for place in range(len(arguments))]
            else self.run.read(reply["value"])
        )

    def beside(self, trial: Callable) -> "Remote":
        """Return what calls a trial with this answer, in the sandbox."""
        return Remote(self.run, trial.__name__)

    @contextmanager
    def noticing(self, forbidden: Any) -> Iterator[list[Callable]]:
        """Collect which of these functions are called meanwhile; the sandbox tells."""
        self.forbidden, self.noticed = list(forbidden), []
        yield self.noticed


Remote.__name__ = "function"  # what a check calls it where it expected a value


class RemoteModel(nn.Module):
    """Stands for a model in a sandbox: it has the same parameters, which go there with each call."""

    def __init__(self, run: "Run", described: dict):
        super().__init__()
        self.run, self.number = run, described["number"]
        self._take([run.read(value) for value in described["parameters"]])
        for place in range(min(int(described["buffers"]), 1)):
            self.register_buffer(f"buffer{place}", torch.zeros(1))
        self.parts = nn.ModuleList([nn.Dropout(min(max(float(p), 0.0), 1.0)) for p in described["dropout"]])
        if described["flat"] is True:
            self.parts.append(nn.Flatten())

    def _take(self, values: list[Tensor]) -> None:
        self.own = nn.ParameterList([nn.Parameter(value.detach()) for value in values])

    def forward(self, *arguments: Any) -> Any:
        order = {"model": self.number, "train": self.training, "call": encode(list(arguments))}
        reply = self.run.ask(order | {"parameters": encode([value.detach() for value in self.own])})
        if "parameters" in reply:  # a lazy layer has come to know its sizes
            self._take(self.run.read(reply["parameters"]))
        return self.run.read(reply["value"])


def _name_of(function: Callable) -> str:
    return f"{function.__module__}.{function.__qualname__}"


RemoteModel.__name__ = "Module"


def _change(given: Any, became: Any) -> None:
    """Let an argument become what the answer made of it, in place, as if it had run here."""
    if isinstance(given, Tensor) and isinstance(became, Tensor):
        if given.requires_grad != became.requires_grad:
            given.requires_grad_(became.requires_grad)
        if given.shape != became.shape or not torch.equal(given, became):
            given.data = became.detach()
    elif isinstance(given, np.ndarray) and isinstance(became, np.ndarray) and given.shape == became.shape:
        given[...] = became
    elif isinstance(given, Reader) and isinstance(became, Reader):
        given.become(became.plain())
    elif isinstance(given, list) and isinstance(became, list):
        given[:] = became


class Run:
    """One answer at work in a sandbox, and what it may take."""

    def __init__(self, sandbox: Sandbox, channel: Channel):
        self.sandbox, self.channel = sandbox, channel
        self.lost = ""  # why the sandbox is of no use any more
        self.left = ALL

    def ask(self, order: dict, seconds: float = CALL) -> dict:
        """Send an order and return the reply.

        Raises:
            WrongAnswer: the answer failed, in the sandbox's words.
            Lost: nothing came back.
        """
        if self.lost:
            raise Lost(self.lost)
        start = time.monotonic()
        try:
            if "call" in order:
                order["seed"] = int(torch.randint(2**62, (1,)))  # equal random numbers here are equal ones there
            self.channel.send(order)
            reply = self.channel.receive(min(seconds, self.left) + GRACE, self._watch)
            if "raised" in reply:
                raise WrongAnswer(str(reply["raised"])[:1000])
            if "ended" in reply or not {"value", "arguments"} <= {*reply}:
                raise Closed
            return reply
        except TimeoutError:
            self._lose(STILL_RUNNING.format(time.monotonic() - start))
        except Closed:
            self._lose(ENDED)
        except Refused as reason:
            self._lose(f"Your code returned {reason}.")
        finally:
            self.left -= time.monotonic() - start
            if self.left <= 0 and not self.lost:
                self._lose(f"All calls of your answer together took more than {ALL:.0f} seconds, so I stopped it.")

    def _watch(self) -> None:
        if self.sandbox.memory() > TOGETHER:
            self._lose(TOO_LARGE)

    def _lose(self, reason: str) -> NoReturn:
        self.lost = reason
        self.sandbox.end()
        raise Lost(reason)

    def read(self, value: Any) -> Any:
        """Return a value that came back, built anew.

        Raises:
            WrongAnswer: it is of no known kind.
        """
        try:
            return decode(value, lambda described: RemoteModel(self, described))
        except Refused as reason:
            raise WrongAnswer(f"Your code returned {reason}.") from None
        except (KeyError, TypeError, ValueError, AttributeError):  # a model described in no known way
            raise WrongAnswer("Your code returned an unknown kind of value.") from None


class Judge:
    """Judges the answers of one submission after the other, each submission in a sandbox of its own."""

    def __init__(self, kind: str, staged: Path):
        self.kind, self.staged = kind, staged
        self.sandbox: Sandbox | None = None
        self.processes = 0  # in a sandbox that waits
        self.channel: Channel | None = None

    def submission(self, found: list[dict], seed: str) -> list[dict]:
        """Judge all answers of a submission.

        Args:
            found: as `answers.find` returns them.
            seed: of the inputs; nobody who handed in an answer can know it.

        Returns:
            For each its `number`, `state`, `words`, and `seconds`.
        """
        verdicts = []
        try:
            for answer in found:
                start = time.monotonic()
                state, words = self.answer(answer, seed)
                seconds = round(time.monotonic() - start, 2)
                verdicts.append({"number": answer["number"], "state": state, "words": words, "seconds": seconds})
        finally:
            self.close()
        return verdicts

    def answer(self, answer: dict, seed: str) -> tuple[str, str]:
        """Return the state of an answer, and what to say."""
        if answer["fault"]:
            return answer["state"], answer["fault"]
        number = answer["number"]
        digest = hashlib.sha256(f"{seed} {number}".encode()).digest()
        state, words = NOT_YET, ""
        for context in contexts.of(number):
            torch.manual_seed(int.from_bytes(digest[:7], "big"))
            state, words = self._in_context(answer, context)
            if state != NOT_YET:
                break
        if state == NOT_YET and number in contexts.OWN_RUN:
            return UNSURE, f"{words} {contexts.ASIDE}"
        return state, words

    def _in_context(self, answer: dict, context: dict) -> tuple[str, str]:
        fresh = self.sandbox is None
        run, number = Run(*self._open()), answer["number"]
        given = {name: encode(context[name]) for name in answers.GIVEN.get(number, ())}
        job = {"cells": answer["cells"], "answer": answer["answer"], "seconds": CELLS, "seconds_of_a_call": CALL}
        try:
            reply = run.ask(job | {"given": given, "modules": MODULES.get(number, [])}, CELLS)
            if reply.get("stub") is True:
                return NOT_TRIED, "not attempted yet."
            value = Remote(run) if reply.get("function") is True else run.read(reply["value"])
            with guard.kept_settings(), guard.kept_random_numbers():
                right, words = exercises.judge(number, value, context)
        except WrongAnswer as reason:
            right, words = False, f"not yet. {reason}"
        finally:
            if not run.lost:
                self._go_on(run)
        if run.lost:
            self.close()
            if run.lost == ENDED and not fresh:  # an answer before may have done it, which has filled the disk, say
                return self._in_context(answer, context)
            return NOT_YET, f"not yet. {run.lost}"
        return {True: RIGHT, False: NOT_YET, None: UNSURE}[right], words

    def _open(self) -> tuple[Sandbox, Channel]:
        """Return a sandbox that waits for an answer; a new one, unless there is one."""
        if self.sandbox is None or self.channel is None:
            self.sandbox = Sandbox(self.kind, self.staged)
            self.channel = self.sandbox.channel()
            try:
                self.channel.receive(START)
            except (Closed, TimeoutError, Refused):
                self.close()
                raise OSError(f"the sandbox ({self.kind}) did not start") from None
            self.processes = len(self.sandbox.processes())
        return self.sandbox, self.channel

    def _go_on(self, run: Run) -> None:
        """Let an answer's process end, so that the sandbox can take the next one; or end the sandbox.

        What an answer has started and left would take the next one's time and room.
        """
        try:
            run.channel.send({"end": True})
            while "ended" not in run.channel.receive(GRACE):
                continue
            if len(run.sandbox.processes()) > self.processes:
                self.close()
        except (Closed, TimeoutError, Refused):
            self.close()

    def close(self) -> None:
        """End the sandbox and everything in it."""
        if self.sandbox is not None:
            self.sandbox.end()
        self.sandbox = self.channel = None


def main(kind: str) -> None:
    """Judge the submissions that come in through stdin, one a line, until it is closed or nothing comes any more."""
    guard.SECONDS = 1e9  # the sandbox has the clock
    channel, orders = Channel(os.dup(0), os.dup(1)), Queue[dict]()
    os.dup2(os.open(os.devnull, os.O_RDWR), 1)  # what our code prints is no message
    with stage() as staged:
        judge = Judge(kind, staged)

        def listen() -> None:
            try:
                while True:
                    orders.put(channel.receive())
            except (Closed, Refused):  # whoever wants marks has gone, maybe in the middle of a submission
                judge.close()
                shutil.rmtree(staged, ignore_errors=True)
                os._exit(130)

        threading.Thread(target=listen, daemon=True).start()
        while True:
            try:
                order = orders.get(timeout=IDLE)
            except Empty:
                return
            try:
                channel.send({"verdicts": judge.submission(order["answers"], order["seed"])})
            except Exception as error:  # of ours, or of the system's; the next submission goes on
                channel.send({"error": f"{type(error).__name__}: {error}"[:300]})


if __name__ == "__main__":
    main(sys.argv[1])
