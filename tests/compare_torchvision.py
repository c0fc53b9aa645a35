"""Measure, fault by fault, what torchvision's own download does where `load_dataset` keeps its promise.

    python tests/compare_torchvision.py

prints the table of docs/downloads.md as Markdown, in about five minutes. Each row gets a fresh folder and a fresh
fault-injecting server, and each call a fresh process: first a call under the fault, then, with the fault gone and
nothing cleaned up, the same call again. "right data" means: all four arrays are those that were published.
A call is stopped after `LIMIT` seconds. The rows of the full disk need root on Linux, for a disk of 64 KiB.
"""

import gzip
import itertools
import multiprocessing
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import fault_server
import numpy as np
import torchvision
import trustme
from fault_server import FaultServer

from helpers.data import load_dataset
from helpers.settings import ROOT

LIMIT = 60.0  # seconds
MNIST = fault_server.make_archives("mnist")
IMAGES = "train-images-idx3-ubyte"
PROCESSES = multiprocessing.get_context("forkserver")


def load(kind: str, folder: Path) -> tuple[np.ndarray, ...]:
    """Load both sets, fetching them if need be, with the course's code or with plain torchvision."""
    if kind == "course":
        ours = load_dataset("mnist", folder)
        tensors = (ours.train_images, ours.train_labels, ours.test_images, ours.test_labels)
    else:
        train = torchvision.datasets.MNIST(folder, train=True, download=True)
        test = torchvision.datasets.MNIST(folder, train=False, download=True)
        tensors = (train.data, train.targets, test.data, test.targets)
    return tuple(tensor.numpy() for tensor in tensors)


def stand_still(count: int, answers) -> None:
    """Say so and stop when the archive number `count` is unpacked; torchvision has then just opened the new file."""

    def wrap(unpack: Callable) -> Callable:
        calls = itertools.count(1)

        def unpack_or_stop(*arguments: object) -> bytes:
            if next(calls) == count:
                answers.put("unpacking")
                time.sleep(600)
            return unpack(*arguments)

        return unpack_or_stop

    gzip.decompress = wrap(gzip.decompress)  # what the course calls
    gzip.GzipFile.read = wrap(gzip.GzipFile.read)  # what torchvision calls


def call(kind: str, folder: Path, mirrors: list[str], trusted: str, hindrance: str, ready, answers) -> None:
    """In a process of its own: load and hand back the outcome in words."""
    sys.stderr = open(os.devnull, "w")  # noqa: SIM115 (progress bars; the process ends at once)
    os.environ["no_proxy"] = "*"
    if trusted:
        os.environ["REQUESTS_CA_BUNDLE"] = os.environ["SSL_CERT_FILE"] = trusted  # for requests, and for urllib
    socket.getaddrinfo = fault_server.no_such_host
    fault_server.publish("mnist", MNIST, mirrors)
    if hindrance.startswith("stand still"):
        stand_still(int(hindrance[-1]), answers)
    if hindrance == "no right to write" and os.geteuid() == 0:
        os.seteuid(65534)  # root may write everywhere; 'nobody' may not
    ready.wait()
    start = time.monotonic()
    try:
        arrays = load(kind, folder)
        same = all(np.array_equal(got, wanted) for got, wanted in zip(arrays, MNIST.arrays, strict=True))
        outcome = "right data" if same else "**wrong data**, not a word"
    except Exception as error:
        lines = str(error).strip().splitlines() or [""]
        extent = f", {len(lines)} lines: … " if len(lines) > 1 else ": "
        outcome = f"`{type(error).__name__}`{extent}{lines[-1]}"
    seconds = time.monotonic() - start
    answers.put(outcome + (f" (after {seconds:.0f} s)" if seconds > 3 else ""))


class Scene:
    """One row for one of the two: a server, an empty folder and the processes that are asked to load."""

    def __init__(self, kind: str, folder: Path, server: FaultServer):
        self.kind, self.folder, self.server = kind, folder, server
        self.mirrors, self.trusted = [server.url], ""
        self.raw = folder / "MNIST" / "raw"
        self.mounted = False

    def start(self, hindrance: str = "", count: int = 1) -> tuple[list, object]:
        self.ready, answers = PROCESSES.Barrier(count), PROCESSES.Queue()  # kept: it must outlive the start
        arguments = (self.kind, self.folder, self.mirrors, self.trusted, hindrance, self.ready, answers)
        processes = [PROCESSES.Process(target=call, args=arguments) for _ in range(count)]
        for process in processes:
            process.start()
        return processes, answers

    def load(self, hindrance: str = "", count: int = 1) -> str:
        """Load in `count` processes at once and tell how it ended."""
        processes, answers = self.start(hindrance, count)
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline and any(process.is_alive() for process in processes) and answers.empty():
            time.sleep(0.1)
        for process in processes:
            process.join(max(0.1, deadline - time.monotonic()))
        outcomes: Counter[str] = Counter()
        for process in processes:
            if process.is_alive():
                process.kill()
                outcomes[f"**no end** within {LIMIT:.0f} s"] += 1
            else:
                outcomes[self.clean(answers.get(timeout=10))] += 1
        return "; ".join(f"{number} × {outcome}" if count > 1 else outcome for outcome, number in outcomes.items())

    def clean(self, text: str) -> str:
        """Leave out what differs from run to run: ports and the name of the folder."""
        text = re.sub(r"127\.0\.0\.1:\d+|127\.0\.0\.1", "mirror", text.replace(str(self.folder), "DATA"))
        text = re.sub(r"put .* or name a mirror: .* URL", "put …", text)
        return text.replace("|", "\\|")

    def extracted(self) -> None:
        """Put the archives there and, beside them, the extracted files, as torchvision leaves them."""
        self.raw.mkdir(parents=True)
        for name, content in MNIST.files.items():
            (self.raw / name).write_bytes(content)
            (self.raw / name.removesuffix(".gz")).write_bytes(gzip.decompress(content))


def keeps(fault: str) -> Callable[[Scene], str]:
    def play(scene: Scene) -> str:
        scene.server.lasting = fault
        return scene.load()

    return play


def once(fault: str, with_body: bool = False) -> Callable[[Scene], str]:
    """One fault; torchvision asks twice for each file, and reads what is sent the second time only."""

    def play(scene: Scene) -> str:
        scene.server.faults = [fault] * (2 if with_body and scene.kind == "torchvision" else 1)
        return scene.load()

    return play


def mirrors(*first: str, then_well: bool = False) -> Callable[[Scene], str]:
    def play(scene: Scene) -> str:
        scene.mirrors = [*first, scene.server.url] if then_well else list(first)
        outcome = scene.load()
        scene.mirrors = [scene.server.url]
        return outcome

    return play


def first_mirror_resets(scene: Scene) -> str:
    with FaultServer(MNIST.files) as first:
        first.lasting = "reset"
        return mirrors(first.url, then_well=True)(scene)


def https_to_http(scene: Scene) -> str:
    authority = trustme.CA()
    context = fault_server.ssl.SSLContext(fault_server.ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    with authority.cert_pem.tempfile() as trusted, FaultServer(MNIST.files, context) as secure:
        secure.lasting, secure.elsewhere = "redirect", scene.server.url
        scene.mirrors, scene.trusted = [secure.url], trusted
        outcome = scene.load()
        scene.mirrors = [scene.server.url]
    return outcome + (", **over http**" if scene.server.requested else "")


def killed_in_mid_download(scene: Scene) -> str:
    scene.server.faults = [*["well"] * (1 if scene.kind == "course" else 3), "stall"]  # in the second archive
    (process,), _ = scene.start()
    assert scene.server.midway.wait(60)
    process.kill()
    process.join()
    scene.server.faults = []
    return "(killed)"


def killed_in_mid_extraction(count: int) -> Callable[[Scene], str]:
    def play(scene: Scene) -> str:
        (process,), answers = scene.start(f"stand still at archive {count}")
        assert answers.get(timeout=60) == "unpacking"
        process.kill()
        process.join()
        return "(killed)"

    return play


def read_only(prepare: Callable[[Scene], None]) -> Callable[[Scene], str]:
    def play(scene: Scene) -> str:
        prepare(scene)
        folders = [scene.folder, *(path for path in scene.folder.rglob("*") if path.is_dir())]
        for folder in folders:
            folder.chmod(0o555)
        outcome = scene.load("no right to write")
        for folder in folders:
            folder.chmod(0o755)
        return outcome

    return play


def packed_archives(scene: Scene) -> None:
    scene.raw.mkdir(parents=True)
    for name, content in MNIST.files.items():
        (scene.raw / name).write_bytes(content)


def disk_full(size: str) -> Callable[[Scene], str]:
    """A disk of `size` in memory holds the data folder; then it grows."""

    def play(scene: Scene) -> str:
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", scene.folder]
        if not sys.platform.startswith("linux") or os.geteuid() or subprocess.run(mount).returncode:
            return "not measured: mounting a small disk needs root on Linux"
        scene.mounted = True
        outcome = scene.load()
        subprocess.run(["mount", "-o", "remount,size=1m", scene.folder], check=True)
        return outcome

    return play


def damaged(change: Callable[[bytes], bytes]) -> Callable[[Scene], str]:
    def play(scene: Scene) -> str:
        scene.extracted()
        (scene.raw / IMAGES).write_bytes(change((scene.raw / IMAGES).read_bytes()))
        return scene.load()

    return play


def eight_at_once(scene: Scene) -> str:
    outcome = scene.load(count=8)
    return f"{outcome}; {len(scene.server.requested)} requests"


ROWS: dict[str, Callable[[Scene], str]] = {
    "403": keeps("403"),
    "404": keeps("404"),
    "500 once, then well": once("500"),
    "503 once, then well": once("503"),
    "500 all the time": keeps("500"),
    "connection refused": mirrors(fault_server.closed_port()),
    "a name that does not resolve": mirrors("http://mirror.invalid/"),
    "no answer at all": keeps("silence"),
    "a drip of one byte a second": keeps("drip"),
    "the same drip, header included": keeps("drip in the header"),
    "reset in mid-file, once": once("reset", with_body=True),
    "reset in mid-file, every time": keeps("reset"),
    "truncated archive with status 200": keeps("truncated"),
    "right length, wrong bytes": keeps("wrong bytes"),
    "HTML log-in page with status 200": keeps("log-in page"),
    "redirect from https to http": https_to_http,
    "first mirror refuses, second well": mirrors(fault_server.closed_port(), then_well=True),
    "first mirror resets in mid-file, second well": first_mirror_resets,
    "process killed in mid-download": killed_in_mid_download,
    "process killed while extracting the first file": killed_in_mid_extraction(1),
    "process killed while extracting the last file": killed_in_mid_extraction(4),
    "disk full while downloading": disk_full("32k"),
    "disk full while extracting": disk_full("64k"),
    "data folder read-only and empty": read_only(lambda scene: None),
    "data folder read-only, packed archives in it": read_only(packed_archives),
    "extracted file truncated": damaged(lambda content: content[: len(content) // 2]),
    "extracted file bit-flipped": damaged(lambda content: content[:-1] + bytes([content[-1] ^ 1])),
    "extracted file emptied": damaged(lambda content: b""),
    "eight processes at once": eight_at_once,
}


@contextmanager
def scene(kind: str) -> Iterator[Scene]:
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    with FaultServer(MNIST.files) as server:
        scene = Scene(kind, folder, server)
        yield scene
    if scene.mounted:
        subprocess.run(["umount", folder], check=True)
    shutil.rmtree(folder)


def measure(kind: str, play: Callable[[Scene], str]) -> tuple[str, str]:
    """Return the outcome under the fault, and that of the same call once the fault is gone."""
    with scene(kind) as stage:
        first = play(stage)
        stage.server.faults, stage.server.lasting = [], "well"
        return first, stage.load()


def main() -> None:
    fault_server.LONGEST = 10 * LIMIT
    os.chdir(ROOT / "tests")
    PROCESSES.set_forkserver_preload(["fault_server", "helpers.data", "torchvision"])
    print("| what goes wrong | `load_dataset` | and later | torchvision | and later |\n|---|---|---|---|---|")
    for title, play in ROWS.items():
        print(f"| {' | '.join([title, *measure('course', play), *measure('torchvision', play)])} |", flush=True)


if __name__ == "__main__":
    main()
