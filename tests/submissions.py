"""Made submissions: what students hand in, and what it should come to. A row is a case."""

import copy
import json
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from typing import NamedTuple

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell
from solutions import filled_copy

from course import chapters
from course.grade import sandbox
from course.handouts.copies import student_copy

RIGHT, NOT_YET, NOT_TRIED, NOT_FOUND = "right", "not yet", "not attempted", "not found"
WHY_NOT = sandbox.why_not("bubblewrap")
needs_bubblewrap = pytest.mark.skipif(bool(WHY_NOT), reason=f"bubblewrap {WHY_NOT}")


def graders() -> list[psutil.Process]:
    """Return the processes of judges and sandboxes that this one has begun."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):  # it has ended meanwhile
            if any("course.grade." in word for word in process.cmdline()):
                found.append(process)
    return found


class Case(NamedTuple):
    """An answer, or a notebook with one, and what a grading should say."""

    name: str
    number: str
    code: (
        str | Callable[[nbformat.NotebookNode], bytes | None]
    )  # the answer's cell; or what changes the solved notebook
    state: str
    words: str


def notebook(stem: str, solved: bool = True) -> nbformat.NotebookNode:
    """Return a student's copy of a chapter, with all its solutions filled in or none."""
    return copy.deepcopy(_notebook(stem, solved))


@cache
def _notebook(stem: str, solved: bool) -> nbformat.NotebookNode:
    (path,) = [path for path in chapters.all_chapters() if path.stem.startswith(stem)]
    source = nbformat.read(path, as_version=4)
    return student_copy(filled_copy(source) if solved else source)


def place_of(made: nbformat.NotebookNode, number: str, tag: str = "exercise") -> int:
    """Return where the code cell of an exercise is, or its check."""
    heads = [k for k, cell in enumerate(made.cells) if cell.source.startswith(f"**Exercise {number}**")]
    later = range(heads[0], len(made.cells))
    return next(k for k in later if made.cells[k].cell_type == "code" and tag in made.cells[k].metadata.get("tags", []))


def with_answer(number: str, code: str) -> bytes:
    """Return a chapter in which one exercise is answered by this code, and the others are stubs."""
    made = notebook(f"0{number[0]}", solved=False)
    made.cells[place_of(made, number)].source = code
    return nbformat.writes(made).encode()


def content(case: Case) -> bytes:
    """Return the notebook of a case."""
    if isinstance(case.code, str):
        return with_answer(case.number, case.code)
    made = notebook(f"0{case.number[0]}")
    return case.code(made) or nbformat.writes(made).encode()


def of(number: str, **code: str) -> list[Case]:
    """Return cases of right answers, by name."""
    return [Case(name, number, text, RIGHT, "right.") for name, text in code.items()]


def wrong(number: str, words: str, code: str, name: str = "") -> Case:
    return Case(name or words[:30], number, code, NOT_YET, words)


STYLES = [
    *of(
        "1.2",
        one_line="ink_share = lambda images: (images > 0).float().mean(dim=(1, 2))",
        a_loop="def ink_share(images):\n    shares = []\n    for image in images:\n        shares.append((image > 0).sum().item() / 784)\n    return shares",
        numpy="import numpy as np\ndef ink_share(images):\n    return (images.numpy() > 0).mean(axis=(1, 2))",
        a_class="class Share:\n    def __call__(self, images):\n        return (images > 0).double().mean((1, 2))\nink_share = Share()",
        a_generator="def ink_share(images):\n    for image in images:\n        yield (image > 0).double().mean().item()",
        fractions="from fractions import Fraction\ndef ink_share(images):\n    return [Fraction(int((i > 0).sum()), 784) for i in images]",
        a_partial="from functools import partial\ndef share(least, images):\n    return (images > least).double().mean((1, 2))\nink_share = partial(share, 0)",
        nested="def ink_share(images):\n    def one(image):\n        return (image > 0).double().mean()\n    return torch.stack([one(i) for i in images])",
    ),
    *of("1.5", texts="number_of_batches, images_in_the_last = 469, 96", tensors="number_of_batches = torch.tensor(469)\nimages_in_the_last = 96.0"),
    *of(
        "2.5",
        a_module="class Head(nn.Module):\n    def __init__(self, f, h, c):\n        super().__init__()\n        self.a, self.b = nn.Linear(f, h), nn.Linear(h, c)\n    def forward(self, x):\n        return self.b(torch.relu(self.a(x.flatten(1))))\ndef build_head(features, hidden, classes):\n    return Head(features, hidden, classes)",
        with_dropout="def build_head(f, h, c):\n    return nn.Sequential(nn.Flatten(), nn.Linear(f, h), nn.ReLU(), nn.Dropout(0.5), nn.Linear(h, c))",
    ),
    *of("3.2", in_place="@torch.no_grad()\ndef sgd_step(model, learning_rate):\n    for p in model.parameters():\n        p.sub_(p.grad, alpha=learning_rate)"),
    *of("7.4", a_list="def batches_by_index(images, labels, batch_size, order):\n    return [(images[i], labels[i]) for i in order.split(batch_size)]"),
    *of("7.5", a_set="waiting_lines = {10, 8}", a_range="waiting_lines = range(8, 11, 2)"),
    *of("8.1", a_table="import pandas as pd\ndef bounding_box(image):\n    ink = pd.DataFrame(image) > 0\n    rows, columns = ink.index[ink.any(axis=1)], ink.columns[ink.any()]\n    return rows[0], rows[-1] + 1, columns[0], columns[-1] + 1"),
    *of("8.6", numpy="costly = list(np.array(['noise', 'specks', 'gray paper', 'fog', 'ruled paper']))"),
]  # fmt: skip

MISTAKES = [
    wrong("1.1", "A uint8 has no room for −1", "def negative(image):\n    return -image"),
    wrong("1.2", "averaged over the images, dim 0", "def ink_share(images):\n    return (images > 0).float().mean(0)"),
    wrong("1.2", "Those are percentages", "def ink_share(images):\n    return 100 * (images > 0).float().mean((1, 2))"),
    wrong("1.2", "returns nothing", "def ink_share(images):\n    (images > 0).float().mean((1, 2))"),
    wrong("1.2", "call .float() first", "def ink_share(images):\n    return images.mean((1, 2))"),
    wrong("1.2", "in the line `return images.no_such_thing()`", "def ink_share(images):\n    return images.no_such_thing()"),
    wrong("1.2", "I expected a function and got 0.2", "ink_share = 0.2"),
    wrong("1.2", "changed the tensor", "def ink_share(images):\n    images[images > 0] = 1\n    return images.float().mean((1, 2))"),
    wrong("1.2", "Called twice", "seen = []\ndef ink_share(images):\n    seen.append(1)\n    return (images > 0).double().mean((1, 2)) * len(seen)"),
    wrong("1.3", "The same seed gave two different splits", "def split_numbers(total, val_size, seed):\n    order = torch.randperm(total)\n    return order[val_size:], order[:val_size]"),
    wrong("1.4", "data leakage", "def standardize(train_images, test_images):\n    return [(x.float() - x.float().mean()) / x.float().std() for x in (train_images, test_images)]"),
    wrong("1.5", "Did you swap", "number_of_batches, images_in_the_last = 96, 469"),
    wrong("2.1", "All the signs are flipped", "four_sums = [[-2, 6], [2, 5]]"),
    wrong("2.5", "No logit is ever below 0", "def build_head(f, h, c):\n    return nn.Sequential(nn.Flatten(), nn.Linear(f, h), nn.ReLU(), nn.Linear(h, c), nn.ReLU())"),
    wrong("2.5", "Is `Flatten` missing?", "def build_head(f, h, c):\n    return nn.Sequential(nn.Linear(f, h), nn.ReLU(), nn.Linear(h, c))"),
    wrong("2.6", "near guessing", "random_labels = torch.randint(10, (64,))\nnew_student = MNISTClassification(conv_dropout=0.0, fc_dropout=0.0)"),
    wrong("3.1", "So which sign?", "loss_change = 0.006"),
    wrong("3.2", "That is uphill", "def sgd_step(model, learning_rate):\n    with torch.no_grad():\n        for p in model.parameters():\n            p += learning_rate * p.grad"),
    wrong("3.2", "gradients are off from now on", "def sgd_step(model, learning_rate):\n    torch.set_grad_enabled(False)\n    for p in model.parameters():\n        p -= learning_rate * p.grad"),
    wrong("3.3", "Gradients add up", "def train_one_epoch(model, batches, optimizer):\n    model.train()\n    total = count = 0\n    for x, y in batches:\n        loss = F.nll_loss(model(x), y)\n        loss.backward()\n        optimizer.step()\n        total, count = total + loss.item() * len(y), count + len(y)\n    return total / count"),
    wrong("3.3", "Well found: `train_epoch`", "def train_one_epoch(model, batches, optimizer):\n    return training.train_epoch(model, batches, optimizer)"),
    wrong("3.4", "with dropout on", "def accuracy(model, batches):\n    right = count = 0\n    for x, y in batches:\n        right, count = right + (model(x).argmax(1) == y).sum().item(), count + len(y)\n    return right / count"),
    wrong("6.3", "the given tensor itself comes back", "def shift_images(images, right, down):\n    return images if not right and not down else F.pad(images, (right, -right, down, -down), value=images.min().item())"),
    wrong("7.4", "image by image, or label by label", "def batches_by_index(images, labels, batch_size, order):\n    for part in order.split(batch_size):\n        yield torch.stack([images[k] for k in part]), torch.stack([labels[k] for k in part])"),
    wrong("7.5", "There is another one", "waiting_lines = [8]"),
    wrong("8.1", "changed the ndarray", "def bounding_box(image):\n    image[image > 0] = 1\n    return 0, 1, 0, 1"),
    wrong("8.1", "Well found: `bounding_box`", "from helpers import drawing\nbounding_box = drawing.bounding_box"),
    wrong("8.5", "changed `.grad` in the reader's parameters", "def fgsm(reader, pixels, labels, step):\n    own = pixels.clone().requires_grad_()\n    F.nll_loss(reader(own), labels).backward()\n    return (pixels + step * own.grad.sign()).clamp(0, 1)"),
    Case("stub", "1.2", "def ink_share(images):\n    \"\"\"Return it.\"\"\"\n    ...  # your code", NOT_TRIED, "not attempted"),
    Case("stub value", "3.1", "loss_change = None", NOT_TRIED, "not attempted"),
    wrong("1.5", "I expected two numbers", "number_of_batches = 469\nimages_in_the_last = None", "half of the values"),
    wrong("1.2", "There is still a ...", "def ink_share(images):\n    return ... / 784", "half-finished"),
    wrong("1.2", "NameError", "def ink_share(images):\n    return share_of(images)", "a name that is nowhere"),
]  # fmt: skip


# --- mangled notebooks, whose answer to 1.2 is right all the same ---


def cell_of(made: nbformat.NotebookNode, number: str = "1.2", tag: str = "exercise") -> nbformat.NotebookNode:
    return made.cells[place_of(made, number, tag)]


def fresh(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    return new_code_cell(cell.source)


def prose_edited(made: nbformat.NotebookNode) -> None:
    for cell in made.cells:
        if cell.cell_type == "markdown":
            cell.source = "my notes " + cell.source.replace("Exercise", "Task")


def check_deleted(made: nbformat.NotebookNode) -> None:
    del made.cells[place_of(made, "1.2", "check")]


def all_else_deleted(made: nbformat.NotebookNode) -> None:
    made.cells = [cell_of(made)]


def doubled_with_stub_below(made: nbformat.NotebookNode) -> None:
    stub = notebook("01", solved=False)
    k = place_of(made, "1.2", "check") + 1
    made.cells[k:k] = [fresh(cell_of(stub)), fresh(cell_of(stub, tag="check"))]


def doubled_with_stub_above(made: nbformat.NotebookNode) -> None:
    made.cells.insert(place_of(made, "1.2"), fresh(cell_of(notebook("01", solved=False))))


def reordered(made: nbformat.NotebookNode) -> None:
    made.cells.reverse()


def renamed(made: nbformat.NotebookNode) -> None:
    answer, check = cell_of(made), cell_of(made, tag="check")
    answer.source, check.source = (cell.source.replace("ink_share", "my_shares") for cell in (answer, check))


def handed_in_inline(made: nbformat.NotebookNode) -> None:
    made.cells.remove(cell_of(made))
    check = next(cell for cell in made.cells if '"1.2"' in cell.source)
    check.source = 'exercises.check("1.2", lambda images: (images > 0).double().mean((1, 2)))'


def helper_between(made: nbformat.NotebookNode) -> None:
    cell_of(made).source = "def ink_share(images):\n    return rows_and_columns(is_ink(images))"
    k = place_of(made, "1.2")
    made.cells.insert(k, new_code_cell("def rows_and_columns(x):\n    return x.double().mean((1, 2))"))
    made.cells.insert(3, new_code_cell("LEAST = 0\ndef is_ink(images):\n    return np.greater(images, LEAST)"))
    made.cells.insert(3, new_code_cell("import numpy as np"))


def star_import(made: nbformat.NotebookNode) -> None:
    made.cells.insert(1, new_code_cell("from torch import *"))
    cell_of(made).source = "def ink_share(images):\n    return gt(images, 0).double().mean((1, 2))"


def other_syntax_error(made: nbformat.NotebookNode) -> None:
    cell_of(made, "1.1").source = "def negative(image)\n    return 255 - image"
    made.cells.insert(1, new_code_cell("this is no Python"))


def magics(made: nbformat.NotebookNode) -> None:
    cell_of(made).source = "%matplotlib inline\n!pip install torch\n" + cell_of(made).source + "\nink_share?"
    cell_of(made, tag="check").source = "%time\n" + cell_of(made, tag="check").source


def outputs_and_kernel(made: nbformat.NotebookNode) -> None:
    made.metadata.kernelspec = {"name": "conda-env-dl-py", "display_name": "Deep 學", "language": "python"}
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.execution_count = 7
            cell.outputs = [nbformat.v4.new_output("stream", text="Exercise 1.2: right.\n" * 9)]


def no_tags_no_ids(made: nbformat.NotebookNode) -> bytes:
    for cell in made.cells:
        cell.metadata = {}
        del cell["id"]
    return json.dumps(made).encode()


def format_3(made: nbformat.NotebookNode) -> bytes:
    for cell in made.cells:
        cell.metadata = {}
    return nbformat.v3.writes_json(nbformat.convert(made, 3)).encode()


def written_by_windows(made: nbformat.NotebookNode) -> bytes:
    for cell in made.cells:
        cell.source = cell.source.replace("\n", "\r\n")
    return b"\xef\xbb\xbf" + nbformat.writes(made).encode()


def answer_in_two_cells(made: nbformat.NotebookNode) -> None:
    cell_of(made, "1.5").source = "number_of_batches = 400"
    made.cells.insert(place_of(made, "1.5") + 1, new_code_cell("number_of_batches += 69\nimages_in_the_last = 96"))


def syntax_error(made: nbformat.NotebookNode) -> None:
    cell_of(made).source = "def ink_share(images):\n    return (images > 0).float().mean((1, 2)"


def indentation(made: nbformat.NotebookNode) -> None:
    cell_of(made).source = "def ink_share(images):\nreturn 1"


def deleted(made: nbformat.NotebookNode) -> None:
    made.cells.remove(cell_of(made))


def turned_into_markdown(made: nbformat.NotebookNode) -> None:
    k = place_of(made, "1.2")
    made.cells[k] = new_markdown_cell(made.cells[k].source)


MANGLED = [
    *(
        Case(change.__name__, "1.5" if change is answer_in_two_cells else "1.2", change, RIGHT, "right.")
        for change in (
            prose_edited, check_deleted, all_else_deleted, doubled_with_stub_below, doubled_with_stub_above, reordered,
            renamed, handed_in_inline, helper_between, star_import, other_syntax_error, magics, outputs_and_kernel,
            no_tags_no_ids, format_3, written_by_windows, answer_in_two_cells,
        )
    ),
    Case("syntax_error", "1.2", syntax_error, NOT_YET, "There is a syntax error in the cell of your answer: '(' was never closed"),
    Case("indentation", "1.2", indentation, NOT_YET, "in the line `return 1`"),
    Case("deleted", "1.2", deleted, NOT_FOUND, "nothing gives `ink_share` a value"),
    Case("turned_into_markdown", "1.2", turned_into_markdown, NOT_FOUND, "nothing gives `ink_share` a value"),
]  # fmt: skip

# --- answers that mean harm, or ask for too much ---

SHARES = "\n    return (images > 0).double().mean((1, 2))"
ENDED, STILL = "Your code ended the process", "Your code was still running after"


def hostile(name: str, code: str, words: str, state: str = NOT_YET) -> Case:
    """Return a case in which `ink_share` does something first, and then returns what is right."""
    body = "\n".join(f"    {line}" for line in code.splitlines())
    return Case(name, "1.2", f"import os, sys, time\ndef ink_share(images):\n{body}{SHARES}", state, words)


def harmless(name: str, code: str) -> Case:
    """Return a case whose attempt fails, or reaches nothing, so that the answer counts as what it is."""
    return hostile(name, code, "right.", RIGHT)


def tried(code: str) -> str:
    """Return code that raises an error unless the attempt fails."""
    inner = "\n".join(f"    {line}" for line in code.splitlines())
    return f"try:\n{inner}\nexcept OSError:\n    pass\nelse:\n    raise RuntimeError('it worked')"


ENDLESS = [
    hostile("endless loop", "while True:\n    time.sleep(0.01)", STILL),
    hostile("endless loop that catches all", "while True:\n    try:\n        time.sleep(1)\n    except BaseException:\n        pass", STILL),
    hostile("deaf to signals", "import signal\nsignal.signal(signal.SIGALRM, signal.SIG_IGN)\nwhile True:\n    pass", STILL),
    hostile("endless output", "while True:\n    print('x' * 10_000)", STILL),
    Case("endless cell", "1.2", "while True:\n    pass\ndef ink_share(images):" + SHARES, NOT_YET, STILL),
    Case("an endless number", "1.5", "class N:\n    def __float__(self):\n        while True:\n            pass\nnumber_of_batches, images_in_the_last = N(), 96", NOT_YET, STILL),
]  # fmt: skip
HOSTILE = [
    harmless("deep recursion caught", "def f(): f()\ntry:\n    f()\nexcept RecursionError:\n    pass"),
    hostile("deep recursion", "def f(): f()\nf()", "Your function calls itself without end"),
    hostile("64 GB at once", "bytearray(64_000_000_000)", "MemoryError"),
    hostile("64 GB by and by", "kept = []\nwhile True:\n    kept.append(bytearray(100_000_000))", "MemoryError"),
    hostile("exit", "sys.exit(0)", "Your code called exit()"),
    hostile("os._exit", "os._exit(0)", ENDED),
    hostile("kill -9 of the parent", "os.kill(os.getppid(), 9)\ntime.sleep(30)", ENDED),
    # kill spares its caller, which would go on until its sandbox is gone: the next call would find nobody left to kill.
    hostile("kill -9 of all", "os.kill(-1, 9)\ntime.sleep(30)", ENDED),
    hostile("crash", "import ctypes\nctypes.string_at(0)", ENDED),
    harmless("atexit", "import atexit\natexit.register(lambda: print('right'))"),
    harmless("a process that stays", "if os.fork() == 0:\n    os.setsid()\n    time.sleep(3600)"),
    harmless("/etc/passwd", tried("open('/etc/passwd').read()")),
    harmless("the teacher's home", tried("assert not os.listdir('/root/.ssh')\nos.listdir(os.path.expanduser('~root') + '/.ssh')")),
    harmless("the checks", tried("open('/course/course/exercises/chapter_1.py').read()")),
    harmless("the solutions", "assert not os.listdir('/course/notebooks')"),
    harmless("writing to the course", tried("open('/course/helpers/data.py', 'a').write('x')")),
    harmless("writing anywhere", tried("open('/usr/x', 'w')") + "\n" + tried("open('/x', 'w')")),
    harmless("loopback", tried("import socket\nsocket.create_connection(('127.0.0.1', 22), 2)")),
    harmless("beyond", tried("import socket\nsocket.create_connection(('1.1.1.1', 53), 2)")),
    harmless("a large file", tried("with open('/tmp/x', 'wb') as f:\n    f.write(bytes(40_000_000))\n    f.flush()")),
    harmless("many files", tried("for k in range(100):\n    with open(f'/tmp/{k}', 'wb') as f:\n        f.write(bytes(5_000_000))")),
    harmless("many open files", tried("kept = [open('/tmp/x', 'w') for _ in range(2000)]")),
    harmless("sixty processes", tried("for _ in range(60):\n    if os.fork() == 0:\n        time.sleep(60)")),
    harmless("root again", tried("os.setuid(0)")),
    harmless("other processes", "for one in filter(str.isdigit, os.listdir('/proc')):\n    with open(f'/proc/{one}/cmdline', 'rb') as file:\n        assert b'pytest' not in file.read()"),
    hostile("a patched check", "from course import exercises\nexercises.check = lambda *a: print('right')\nreturn 7", "I expected shape"),
    hostile("a patched torch", "torch.allclose = torch.equal = lambda *a, **k: True\nreturn images", "I expected shape"),
    hostile("the caller's frames", "frame = sys._getframe()\nwhile frame:\n    for v in frame.f_locals.values():\n        if hasattr(v, 'expected'):\n            return v.expected\n    frame = frame.f_back\nreturn 0", "I expected"),
    hostile("forged replies", "for fd in range(3, 20):\n    try:\n        os.write(fd, b'{\"value\": true, \"arguments\": {\"list\": []}, \"right\": true}\\n')\n    except OSError:\n        pass\nreturn 0", "not yet. "),
    hostile("noise in the pipe", "for fd in range(3, 20):\n    try:\n        os.write(fd, b'\\xff\\x00' * 99 + b'\\n')\n    except OSError:\n        pass\nreturn 0", "something that can't be read"),
    hostile("forged progress", "open('progress.json', 'w').write('{\"exercises\": {\"1.2\": {\"attempts\": 1, \"solved\": \"now\"}}}')\nreturn 0", "I expected"),
    hostile("equal to everything", "class Yes:\n    def __eq__(self, other): return True\n    def __float__(self): raise ValueError\nreturn Yes()", "I expected a tensor of shape"),
    hostile("a tensor that lies", "class Liar(torch.Tensor):\n    @classmethod\n    def __torch_function__(cls, f, types, args=(), kwargs=None): return True\nreturn torch.zeros(len(images)).as_subclass(Liar)", "I expected"),
    hostile("too much", "return torch.zeros(10**8)", "Your code returned more than 16 MB"),
    hostile("too deep", "a = []\na.append(a)\nreturn a", "a value of too many parts"),
    hostile("an error that lies", "class E(Exception):\n    def __str__(self): raise SystemExit\nraise E", "Your code stopped"),
    hostile("markup in an error", "raise ValueError('<script>alert(1)</script> =cmd()')", "<script>alert(1)</script>"),
    Case("a name of the chapter", "1.2", "def ink_share(images):\n    return (loaded.train_images[:len(images)] > 0).float().mean((1, 2))", NOT_YET, "I expected"),
]  # fmt: skip
BOMBS = [
    hostile("fork bomb", "while True:\n    try:\n        os.fork()\n    except OSError:\n        pass", "Your code"),
    hostile("thread bomb", "import threading\nfor _ in range(5000):\n    threading.Thread(target=time.sleep, args=(3600,)).start()", "can't start new thread"),
]  # fmt: skip
