"""The same sentence on both sides of a border: each known answer, right or wrong, judged in another process."""

import os
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from test_exercises import CONTEXT, RIGHT, WRONG, name

from course import exercises
from course.exercises import guard, notebook
from course.grade import wire, worker
from course.grade.judge import Remote, Run

pytestmark = pytest.mark.slow  # 600 processes
# Every third wrong answer will do, and all of those that change what they were given.
SOME = [one for place, one in enumerate(WRONG) if place % 3 == 0 or "changed" in one[2] or "switched" in one[2]]


class Forked(SimpleNamespace):
    """A process that serves an answer as a sandbox does, without the box."""

    def __init__(self, value: object):
        (down, to_it), (from_it, up) = os.pipe(), os.pipe()
        self.pid = os.fork()
        if not self.pid:
            os.close(to_it), os.close(from_it)
            serve(value, wire.Channel(down, up))
        os.close(down), os.close(up)
        self.channel = wire.Channel(from_it, to_it)

    def memory(self) -> int:
        return 0

    def end(self) -> None:
        os.kill(self.pid, 9)


def serve(value: Any, channel: wire.Channel) -> None:
    torch.set_num_threads(1)  # those that the tests before have started aren't in a fork, and would be waited for
    guard.SECONDS = 10.0
    answer = worker.Answer(channel)
    answer.value = value
    try:
        function = callable(value) and not isinstance(value, torch.nn.Module)
        answer.send({"stub": notebook.is_stub(value), "function": function}, None if function else value)
        while True:
            answer.reply(channel.receive())
    except BaseException:
        os._exit(0)


def judged(number: str, value: object) -> str:
    context = CONTEXT[number]() if number in CONTEXT else {}
    process = Forked(value)
    run = Run(process, process.channel)  # type: ignore[arg-type]  # as good as a sandbox
    try:
        reply = run.channel.receive(60)
        answer = Remote(run) if reply.get("function") else run.read(reply["value"])
        torch.manual_seed(0)
        return " ".join(exercises.judge(number, answer, context)[1].split())
    finally:
        os.close(process.channel.reading), os.close(process.channel.writing)
        process.end()
        os.waitpid(process.pid, 0)


@pytest.mark.parametrize(("number", "answer"), RIGHT, ids=name)
def test_a_right_answer_is_right_on_the_other_side(number: str, answer: object) -> None:
    assert judged(number, answer).startswith("right. ")


# What a notebook's variables have to do with a mistake is told in the notebook only.
ONLY_HERE = ("from the notebook", "reads `", "with a name of its own")


@pytest.mark.parametrize(("number", "answer", "words"), SOME, ids=name)
def test_a_wrong_answer_gets_the_same_words_on_the_other_side(number: str, answer: object, words: str) -> None:
    said = judged(number, answer)
    assert said.startswith("not yet. ")
    assert "Remote" not in said
    if not any(only in words for only in ONLY_HERE):
        assert words in said
